//! What `cargo run -p xtask -- instructions` counts of a whole request: rules, plan, attempt, answer. The client and the
//! provider are in memory, so that nothing of Pingora or of the system is in the counts.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says so")]

mod common;

use common::{Bench, Provider};

/// Times each is called; the counts are means.
const ROUNDS: usize = 16;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _here = runtime.enter();
    let (bare, ruled) = (Bench::new(0), Bench::new(50));
    let (whole, streams, fails) = (Provider::answers(), Provider::streams(), Provider::fails_over());
    // Once without being measured: what is made when it is first needed is made here.
    for (bench, provider) in [(&bare, &whole), (&bare, &streams), (&bare, &fails), (&ruled, &whole)] {
        runtime.block_on(bench.request(provider));
    }
    // Hash maps have seeds of their own in each process, and some hold more than one entry: the mean of several is steady.
    for _ in 0..ROUNDS {
        measured::policy(&runtime, &bare, &whole);
        measured::policy_50_rules(&runtime, &ruled, &whole);
        measured::policy_stream_200_events(&runtime, &bare, &streams);
        measured::policy_failover(&runtime, &bare, &fails);
    }
}

/// Named in `limits.json`. `black_box` behind each call keeps it a call: a jump would not be seen to end. Its word keeps the
/// functions apart: the compiler makes one of those that are the same.
mod measured {
    use super::{Bench, Provider};
    use std::hint::black_box;
    use tokio::runtime::Runtime;

    /// The policy of `make bench`, and an answer of 1 KB.
    #[inline(never)]
    pub(super) fn policy(runtime: &Runtime, bench: &Bench, provider: &Provider) {
        runtime.block_on(bench.request(provider));
        black_box("policy");
    }

    /// The same behind 50 rules that do not apply.
    #[inline(never)]
    pub(super) fn policy_50_rules(runtime: &Runtime, bench: &Bench, provider: &Provider) {
        runtime.block_on(bench.request(provider));
        black_box("policy_50_rules");
    }

    /// The first provider answers 503.
    #[inline(never)]
    pub(super) fn policy_failover(runtime: &Runtime, bench: &Bench, provider: &Provider) {
        runtime.block_on(bench.request(provider));
        black_box("policy_failover");
    }

    /// A stream of 200 events, each in a piece of its own.
    #[inline(never)]
    pub(super) fn policy_stream_200_events(runtime: &Runtime, bench: &Bench, provider: &Provider) {
        runtime.block_on(bench.request(provider));
        black_box("policy_stream_200_events");
    }
}
