//! Tests of the windows and of the tree.

use super::tree::MetricsNode;
use super::*;
use proptest::prelude::*;
use std::sync::Arc;
use tollgate_expr::{Object, Value};

fn sample(at_ms: u64, outcome: SampleOutcome, upstream_ms: u32) -> Sample {
    Sample { at_ms, outcome, upstream_ms, ..Sample::default() }
}

fn number(value: Option<Value>) -> f64 {
    match value {
        Some(Value::UInt(n)) => n as f64,
        Some(Value::Double(n)) => n,
        other => panic!("no number: {other:?}"),
    }
}

const START: u64 = 1_800_000_000_000;

#[test]
fn the_same_names_share_their_counters() {
    let metrics = Metrics::new();
    metrics.get("openai", "gpt-4o").record(&sample(START, SampleOutcome::Success, 10));
    assert_eq!(metrics.clone().get("openai", "gpt-4o").snapshot(START).request_count, 1);
    assert_eq!(metrics.get("azure", "gpt-4o").snapshot(START).request_count, 0);
    assert_eq!(metrics.get("openai", "gpt-4o").version(), 1);
}

#[test]
fn names_without_end_do_not_fill_the_memory() {
    let metrics = Metrics::new();
    for n in 0..40_000 {
        let _ = metrics.get("openrouter", &n.to_string());
    }
    let known = (0..40_000)
        .filter(|n| {
            Arc::ptr_eq(
                &metrics.get("openrouter", &n.to_string()),
                &metrics.get("openrouter", &n.to_string()),
            )
        })
        .count();
    assert!(known <= 16 * 64, "{known} names kept");
}

#[test]
fn no_history_reads_as_zeros() {
    let metrics = Metrics::new();
    let stats = metrics.get("openai", "gpt-4o");
    metrics.clock().set_ms(START);
    let node = MetricsNode(Arc::clone(&stats));
    for scope in ["global", "region", "account", "endpoint"] {
        for path in [
            &["request_count"][..],
            &["latency", "upstream_ms_avg"],
            &["latency", "time_to_first_token_ms_p95"],
            &["error_rate", "total"],
            &["token", "provider_input"],
        ] {
            let whole: Vec<&str> = [scope].into_iter().chain(path.iter().copied()).collect();
            assert_eq!(number(node.path(&whole)), 0.0, "{whole:?}");
        }
        assert_eq!(number(node.path(&[scope, "end_time"])), (START / 1000) as f64);
    }
    assert!(node.path(&["planet", "request_count"]).is_none());
    assert!(node.path(&["global", "latency", "upstream_ms_p99"]).is_none());
    assert!(node.path(&["api_keys", "nobody", "request_count"]).is_none());
}

#[test]
fn rates_and_latencies() {
    let metrics = Metrics::new();
    let stats = metrics.get("openai", "gpt-4o");
    metrics.clock().set_ms(START + 1000);
    for (outcome, ms) in [
        (SampleOutcome::Success, 100),
        (SampleOutcome::RateLimit, 20),
        (SampleOutcome::Server, 30),
        (SampleOutcome::Other, 50),
    ] {
        stats.record(&sample(START, outcome, ms));
    }
    let read = |path: &[&str]| MetricsNode::read(&stats, path);
    assert_eq!(number(read(&["global", "request_count"])), 4.0);
    assert_eq!(number(read(&["account", "error_rate", "total"])), 0.75);
    assert_eq!(number(read(&["endpoint", "error_rate", "rate_limit"])), 0.25);
    assert_eq!(number(read(&["endpoint", "error_rate", "timeout"])), 0.0);
    assert_eq!(number(read(&["global", "latency", "upstream_ms_avg"])), 50.0);
    assert!((number(read(&["global", "latency", "upstream_ms_p95"])) - 100.0).abs() <= 12.5);
    assert!(matches!(read(&["global", "latency", "time_to_first_token_ms_avg"]), Some(Value::Null)));
    let Some(Value::Object(scope)) = read(&["global"]) else { panic!("no record") };
    let Some(Value::Map(rates)) = scope.field("error_rate") else { panic!("no map") };
    assert!(matches!(rates.get("client"), Some(Value::Double(rate)) if *rate == 0.0));
    let all = stats.snapshot(START + 1000);
    assert_eq!((all.error_rate.server, all.latency.first_token), (0.25, None));
}

#[test]
fn gateway_keys_are_sparse() {
    let metrics = Metrics::new();
    let stats = metrics.get("openai", "gpt-4o");
    metrics.clock().set_ms(START);
    stats.record_for("key_1", &Sample { input_tokens: 7, ..sample(START, SampleOutcome::Success, 1) });
    let read = |path: &[&str]| MetricsNode::read(&stats, path);
    assert_eq!(number(read(&["api_keys", "key_1", "token", "provider_input"])), 7.0);
    assert!(matches!(read(&["api_keys", "key_1", "quota", "limit_tokens"]), Some(Value::Null)));
    assert_eq!(number(read(&["account", "token", "provider_input"])), 7.0);
    let Some(Value::Object(keys)) = read(&["api_keys"]) else { panic!("no record") };
    assert_eq!(keys.fields(), vec![Arc::from("key_1")]);
    assert!(keys.field("key_2").is_none() && !keys.soft());
}

#[test]
fn quota_is_unknown_after_its_reset() {
    let stats = Metrics::new().key("openai", "abc");
    let quota = Quota {
        limit_requests: Some(500),
        remaining_requests: Some(3),
        reset_requests_at_ms: Some(START + 5000),
        remaining_tokens: Some(9),
        ..Quota::default()
    };
    stats.set_quota(&quota, START);
    let at = |ms| stats.snapshot(START + ms).quota;
    assert_eq!((at(4999).remaining_requests, at(4999).limit_requests), (Some(3), Some(500)));
    assert_eq!((at(5000).remaining_requests, at(5000).limit_requests), (None, None));
    assert_eq!((at(59_999).remaining_tokens, at(60_000).remaining_tokens), (Some(9), None));
    stats.set_quota(&Quota { remaining_requests: Some(2), ..Quota::default() }, START);
    assert_eq!((at(0).remaining_requests, at(0).remaining_tokens), (Some(2), Some(9)));
}

#[test]
fn a_clock_set_back_far_empties_the_window() {
    let stats = Metrics::new().get("p", "m");
    stats.record(&sample(START + 10_000_000, SampleOutcome::Server, 1));
    assert_eq!(stats.snapshot(START).request_count, 0);
}

proptest! {
    /// The window holds exactly the samples of its ten newest buckets, whatever the gaps between them.
    #[test]
    fn a_window_forgets(steps in prop::collection::vec((0_u64..400, 0_u32..3), 1..80), later in 0_u64..700) {
        let metrics = Metrics::with_bucket_ms(30);
        let stats = metrics.get("p", "m");
        let mut now = START;
        let mut kept = Vec::new();
        for (step, kind) in steps {
            now += step;
            let outcome = if kind == 0 { SampleOutcome::Server } else { SampleOutcome::Success };
            stats.record(&sample(now, outcome, 10));
            kept.push((now / 30, outcome));
        }
        now += later;
        kept.retain(|(bucket, _)| now / 30 - bucket < 10);
        let failed = kept.iter().filter(|(_, o)| *o == SampleOutcome::Server).count();
        let seen = stats.snapshot(now);
        prop_assert_eq!(seen.request_count, kept.len() as u64);
        let rate = if kept.is_empty() { 0.0 } else { failed as f64 / kept.len() as f64 };
        prop_assert!((seen.error_rate.total - rate).abs() < 1e-9);
    }
}

#[test]
fn times_until_the_first_content_are_of_answers() {
    let stats = Metrics::new().get("openai", "gpt-4o");
    assert_eq!(stats.first_content(95, true, START), None);
    stats.record(&sample(START, SampleOutcome::Server, 9000));
    assert_eq!(stats.first_content(95, false, START), None, "failures say nothing of it");
    let stream = |ms| Sample { first_token_ms: Some(ms), ..sample(START, SampleOutcome::Success, 5000) };
    for ms in [4, 5, 6] {
        stats.record(&stream(ms));
    }
    stats.record(&sample(START, SampleOutcome::Success, 3));
    assert_eq!(stats.first_content(50, true, START), Some((5, 3)));
    assert_eq!(stats.first_content(95, true, START), Some((6, 3)));
    assert_eq!(stats.first_content(95, false, START), Some((3, 1)));
    // What was given up for another's answer took at least that long, and is no attempt that ended.
    let before = stats.snapshot(START);
    stats.record(&Sample { first_token_ms: Some(7), ..sample(START, SampleOutcome::Outlasted, 7) });
    stats.record(&sample(START, SampleOutcome::Outlasted, 7));
    assert_eq!(stats.first_content(95, true, START), Some((7, 4)));
    assert_eq!(stats.first_content(95, false, START), Some((7, 2)));
    let after = stats.snapshot(START);
    assert_eq!((after.request_count, after.error_rate), (before.request_count, before.error_rate));
    assert_eq!(after.latency.upstream, before.latency.upstream);
    assert_eq!(stats.first_content(95, true, START + 300_000), None, "it is forgotten");
}
