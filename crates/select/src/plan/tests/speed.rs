//! How long a plan takes. Run by hand in release mode: `cargo test --release -p tollgate-select speed -- --ignored --nocapture`.

use crate::testing::{Case, custom};
use std::time::{Duration, Instant};

#[test]
#[ignore = "measures; means nothing in a debug build"]
fn two_names_and_two_strategies_over_500_models() {
    let ids: Vec<String> = (0..500).map(|n| format!("model-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let case = Case::new(&[custom("big", &ids)]).models(&["big:model-7", "openrouter:a/b"]).strategies(&[
        "ai.models.filter(m, m.provider_id == 'big' && m.metrics.global.error_rate.total < 0.1)",
        "ai.models.filter(m, m.metrics.global.latency.upstream_ms_avg < 5000)",
    ]);
    const RUNS: u32 = 20_000;
    let start = Instant::now();
    for _ in 0..RUNS {
        assert_eq!(case.plan(false).expect("a plan").candidates.len(), 2);
    }
    let each = start.elapsed() / RUNS;
    println!("{each:?} a plan");
    assert!(each < Duration::from_micros(20), "{each:?}");
}
