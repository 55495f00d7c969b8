//! Any stream splits into the same frames however it arrives, and no byte is lost.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tollgate_dialect::{Splitter, StreamReader, Surface};

/// What is compared of a frame: bytes, event, data.
type Seen = (Vec<u8>, Option<String>, Vec<u8>);

// The first bytes say where the rest is cut.
fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (cuts, stream) = input;
    let whole = split([stream.as_slice()]);
    let mut parts = Vec::new();
    let mut rest = stream.as_slice();
    for size in cuts.iter().map(|size| usize::from(*size) + 1) {
        let (part, tail) = rest.split_at(size.min(rest.len()));
        parts.push(part);
        rest = tail;
    }
    parts.push(rest);
    assert_eq!(split(parts), whole, "the cuts show");
    let bytes: Vec<u8> = whole.into_iter().flat_map(|(raw, _, _)| raw).collect();
    assert_eq!(bytes, stream, "bytes were lost or added");
});

fn split<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut readers = Surface::ALL.map(StreamReader::new);
    let mut splitter = Splitter::new();
    let mut frames = Vec::new();
    let mut last = |frame: tollgate_dialect::Frame| {
        for reader in &mut readers {
            let _ = reader.read(&frame);
            let _ = reader.is_usage_only(&frame);
            let _ = (reader.usage(), reader.finished());
        }
        frames.push((frame.raw.to_vec(), frame.event().map(str::to_owned), frame.data().into_owned()));
    };
    for part in parts {
        splitter.feed(Bytes::copy_from_slice(part));
        while let Some(frame) = splitter.next() {
            last(frame);
        }
    }
    splitter.finish().into_iter().for_each(last);
    frames
}
