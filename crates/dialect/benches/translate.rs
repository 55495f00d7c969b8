//! How long it takes to translate a request, and an event of a stream. `cargo bench -p tollgate-dialect`.

#[expect(dead_code, reason = "the other bench needs more of it")]
mod common;

use divan::counter::ItemsCount;
use std::fmt;
use tollgate_dialect::Surface;

fn main() {
    divan::main();
}

/// From one dialect to another.
#[derive(Clone, Copy)]
struct Pair(Surface, Surface);

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.0.name(), self.1.name())
    }
}

/// Every dialect of clients to every other of providers.
fn requests() -> impl Iterator<Item = Pair> {
    let clients = Surface::CONVERSATIONS.into_iter().filter(|surface| *surface != Surface::Converse);
    clients.flat_map(|from| Surface::CONVERSATIONS.map(|to| Pair(from, to))).filter(|pair| pair.0 != pair.1)
}

/// Every dialect of providers to every other of clients.
fn streams() -> impl Iterator<Item = Pair> {
    let pairs =
        Surface::CONVERSATIONS.into_iter().flat_map(|from| Surface::CONVERSATIONS.map(|to| Pair(from, to)));
    pairs.filter(|pair| pair.0 != pair.1 && pair.1 != Surface::Converse)
}

/// A request of 2 KB, read and written.
#[divan::bench(args = requests(), sample_count = 200)]
fn request(bencher: divan::Bencher<'_, '_>, pair: &Pair) {
    let body = common::request(pair.0);
    bencher.bench(|| common::translate_request(pair.0, pair.1, body));
}

/// A stream of 200 events of text. The items are its events.
#[divan::bench(args = streams(), sample_count = 200)]
fn stream(bencher: divan::Bencher<'_, '_>, pair: &Pair) {
    let frames = common::frames(pair.0);
    let mut out = Vec::new();
    bencher
        .counter(ItemsCount::new(frames.len()))
        .bench_local(|| common::translate_stream(pair.0, pair.1, &frames, &mut out));
}
