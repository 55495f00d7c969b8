use super::*;
use std::time::UNIX_EPOCH;

fn line<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(start)).map(str::trim)
}

#[test]
fn requests_are_counted_by_surface_and_class() {
    let metrics = Metrics::new("1.2.3");
    metrics.request("chat-completions", Some(200), Duration::from_millis(3));
    metrics.request("chat-completions", Some(204), Duration::from_millis(3));
    metrics.request("messages", Some(429), Duration::from_secs(1));
    metrics.request("a-client-made-this-up", Some(500), Duration::ZERO);
    metrics.request("plain", None, Duration::ZERO);
    metrics.request("plain", Some(999), Duration::ZERO);
    let text = metrics.encode();
    for (series, value) in [
        (r#"tollgate_requests_total{surface="chat-completions",status="2xx"}"#, "2"),
        (r#"tollgate_requests_total{surface="messages",status="4xx"}"#, "1"),
        (r#"tollgate_requests_total{surface="other",status="5xx"}"#, "1"),
        (r#"tollgate_requests_total{surface="plain",status="none"}"#, "2"),
        (r#"tollgate_build_info{version="1.2.3"}"#, "1"),
    ] {
        assert_eq!(line(&text, series), Some(value), "{series}");
    }
    assert!(!text.contains("made-this-up"));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn histograms_are_cumulative_and_agree_with_their_count() {
    let metrics = Metrics::new("0");
    let provider = metrics.provider("openrouter");
    for millis in [1, 2, 40, 40, 400_000] {
        provider.first_token(Duration::from_millis(millis));
    }
    let text = metrics.encode();
    let name = "tollgate_time_to_first_token_seconds";
    for (bound, count) in [("0.001", "1"), ("0.0025", "2"), ("0.05", "4"), ("300.0", "4"), ("+Inf", "5")] {
        let series = format!("{name}_bucket{{le=\"{bound}\",provider=\"openrouter\"}}");
        assert_eq!(line(&text, &series), Some(count), "{series}\n{text}");
    }
    assert_eq!(line(&text, &format!("{name}_count{{provider=\"openrouter\"}}")), Some("5"));
    let sum: f64 = line(&text, &format!("{name}_sum{{provider=\"openrouter\"}}")).unwrap().parse().unwrap();
    assert!((sum - 400.083).abs() < 1e-6);
}

#[test]
fn what_a_request_has_counted_for_itself_is_added_at_its_end() {
    let metrics = Metrics::new("0");
    let provider = metrics.provider("p");
    let mut times = Durations::default();
    for millis in [1, 30, 30, 400_000] {
        times.observe(Duration::from_millis(millis));
    }
    provider.between_events(&times);
    provider.between_events(&times);
    let text = metrics.encode();
    let name = "tollgate_time_between_events_seconds";
    for (bound, count) in [("0.001", "2"), ("0.025", "2"), ("0.05", "6"), ("300.0", "6"), ("+Inf", "8")] {
        let series = format!("{name}_bucket{{le=\"{bound}\",provider=\"p\"}}");
        assert_eq!(line(&text, &series), Some(count), "{series}\n{text}");
    }
    let sum: f64 = line(&text, &format!("{name}_sum{{provider=\"p\"}}")).unwrap().parse().unwrap();
    assert!((sum - 800.122).abs() < 1e-6);
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_has_the_names_that_every_dashboard_knows() {
    let text = Metrics::new("0").encode();
    for name in ["process_resident_memory_bytes ", "process_open_fds ", "process_start_time_seconds "] {
        let value: f64 = line(&text, name).expect(name).parse().unwrap();
        assert!(value > 0.0, "{name}{value}");
    }
    let cpu: f64 = line(&text, "process_cpu_seconds_total ").unwrap().parse().unwrap();
    assert!(cpu >= 0.0);
    assert_eq!(text.matches("# EOF").count(), 1);
}

#[test]
fn a_provider_keeps_its_counters_over_reloads() {
    let metrics = Metrics::new("0");
    metrics.provider("anthropic").attempt(AttemptOutcome::Quota, Duration::from_millis(7));
    metrics.provider("anthropic").attempt(AttemptOutcome::Quota, Duration::from_millis(7));
    metrics.provider("anthropic").tokens(100, 20);
    let text = metrics.encode();
    for (series, value) in [
        (r#"tollgate_attempts_total{provider="anthropic",outcome="quota"}"#, "2"),
        (r#"tollgate_attempts_total{provider="anthropic",outcome="success"}"#, "0"),
        (r#"tollgate_tokens_total{provider="anthropic",direction="input"}"#, "100"),
        (r#"tollgate_tokens_total{provider="anthropic",direction="output"}"#, "20"),
        (r#"tollgate_upstream_duration_seconds_count{provider="anthropic"}"#, "2"),
    ] {
        assert_eq!(line(&text, series), Some(value), "{series}");
    }
}

#[test]
fn the_number_of_provider_labels_is_bounded() {
    let metrics = Metrics::new("0");
    let handles: Vec<_> = (0..MAX_PROVIDERS + 10).map(|n| metrics.provider(&format!("p{n}"))).collect();
    assert_eq!(handles[MAX_PROVIDERS - 1].label(), format!("p{}", MAX_PROVIDERS - 1));
    assert!(handles[MAX_PROVIDERS..].iter().all(|handle| handle.label() == OTHER));
    assert!(Arc::ptr_eq(&handles[MAX_PROVIDERS], &handles[MAX_PROVIDERS + 5]));
    assert_eq!(metrics.provider("p3").label(), "p3", "known ids keep their label");
    assert!(!metrics.encode().contains("provider=\"p70\""));
}

#[test]
fn a_provider_id_cannot_break_the_text_format() {
    let metrics = Metrics::new("0");
    assert_eq!(metrics.provider("a\"b\\c\nd").label(), "a_b_c_d");
    for line in metrics.encode().lines() {
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
    }
}

#[test]
fn gauges_and_single_counters_appear() {
    let metrics = Metrics::new("0");
    let _guard = metrics.in_flight().enter();
    metrics.failovers.inc();
    metrics.access_log_dropped.inc_by(3);
    metrics.buffered_bytes.inc_by(1000);
    metrics.buffered_bytes.dec_by(400);
    metrics.oversized_frames.inc();
    metrics.reload(true, UNIX_EPOCH + Duration::from_secs(77));
    metrics.reload(false, UNIX_EPOCH + Duration::from_secs(99));
    metrics.handshake_failed(HandshakeFailure::NotTls);
    let text = metrics.encode();
    for (series, value) in [
        ("tollgate_requests_in_flight ", "1"),
        ("tollgate_failovers_total ", "1"),
        ("tollgate_access_log_dropped_lines_total ", "3"),
        ("tollgate_buffered_body_bytes ", "600"),
        ("tollgate_oversized_stream_frames_total ", "1"),
        (r#"tollgate_reloads_total{result="ok"}"#, "1"),
        (r#"tollgate_reloads_total{result="error"}"#, "1"),
        (r#"tollgate_tls_handshakes_failed_total{reason="not_tls"}"#, "1"),
        (r#"tollgate_tls_handshakes_failed_total{reason="timeout"}"#, "0"),
        ("tollgate_last_good_reload_seconds ", "77"),
    ] {
        assert_eq!(line(&text, series), Some(value), "{series}\n{text}");
    }
}

#[test]
fn every_family_has_a_type_and_a_help_line() {
    let metrics = Metrics::new("0");
    // A family shows once it has a series; a provider makes those that have none at the start.
    metrics.provider("p").attempt(AttemptOutcome::Success, Duration::ZERO);
    metrics.show_breakers(&[ProviderStatus { id: "p".into(), ..ProviderStatus::default() }]);
    let text = metrics.encode();
    for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
    assert_eq!(
        text.lines().filter(|line| line.starts_with("# TYPE")).count(),
        if cfg!(target_os = "linux") { 38 } else { 31 }
    );
}

#[test]
fn the_documentation_names_every_metric_and_no_other() {
    let metrics = Metrics::new("0");
    metrics.provider("p").attempt(AttemptOutcome::Success, Duration::ZERO);
    metrics.show_breakers(&[ProviderStatus { id: "p".into(), ..ProviderStatus::default() }]);
    let mut shown: Vec<String> = metrics
        .encode()
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect();
    let mut documented: Vec<String> = include_str!("../../../../docs/observability.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .filter(|(name, _)| name.starts_with("tollgate_") || name.starts_with("process_"))
        .map(|(name, _)| name.to_owned())
        .collect();
    // Elsewhere the system does not say it in this way.
    shown.retain(|name| !name.starts_with("process_") || cfg!(target_os = "linux"));
    documented.retain(|name| !name.starts_with("process_") || cfg!(target_os = "linux"));
    shown.sort();
    documented.sort();
    assert_eq!(shown, documented);
}

#[test]
fn counting_from_many_threads_loses_nothing() {
    let metrics = Metrics::new("0");
    let provider = metrics.provider("p");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    provider.attempt(AttemptOutcome::Success, Duration::from_millis(1));
                    metrics.request("plain", Some(200), Duration::from_millis(1));
                }
            });
        }
    });
    let text = metrics.encode();
    assert_eq!(line(&text, r#"tollgate_attempts_total{provider="p",outcome="success"}"#), Some("4000"));
    assert_eq!(line(&text, r#"tollgate_request_duration_seconds_count{surface="plain"}"#), Some("4000"));
}

#[test]
fn breakers_are_shown_as_the_status_page_has_them() {
    use crate::status::{KeyStatus, ModelStatus};
    let metrics = Metrics::new("0");
    let counters = metrics.provider("one");
    counters.breaker(BreakerDomain::Key, BreakerStep::Open);
    counters.cooled(BreakerDomain::Model);
    let model = |breaker: &str| ModelStatus { breaker: breaker.into(), ..ModelStatus::default() };
    let provider = |id: &str| ProviderStatus {
        id: id.into(),
        breaker: "open".into(),
        models: vec![model("closed"), model("open"), model("half_open"), model("")],
        keys: vec![KeyStatus { breaker: "closed".into(), ..KeyStatus::default() }],
        ..ProviderStatus::default()
    };
    metrics.show_breakers(&[provider("one"), provider("one"), provider("made-up"), provider("too-many")]);
    let text = metrics.encode();
    for (series, value) in [
        (r#"tollgate_breaker_open{provider="one",domain="provider"}"#, "1"),
        (r#"tollgate_breaker_open{provider="one",domain="model"}"#, "2"),
        (r#"tollgate_breaker_open{provider="one",domain="key"}"#, "0"),
        (r#"tollgate_breaker_open{provider="other",domain="model"}"#, "4"),
        (r#"tollgate_breaker_transitions_total{provider="one",domain="key",to="open"}"#, "1"),
        (r#"tollgate_breaker_transitions_total{provider="one",domain="key",to="closed"}"#, "0"),
        (r#"tollgate_quota_cooldowns_total{provider="one",domain="model"}"#, "1"),
    ] {
        assert_eq!(line(&text, series), Some(value), "{series}\n{text}");
    }
    metrics.show_breakers(&[]);
    assert!(!metrics.encode().contains("tollgate_breaker_open{"), "a provider that is gone has no series");
}
