//! Whole batches, decoded by the library's own reader of the protocol; the tests of the binary have another one.

use super::*;
use crate::access_log::Outcome;
use crate::attempts::{AttemptNote, AttemptNotes, Sent};
use crate::metrics::{AttemptOutcome, Metrics};
use http::{HeaderValue, Request, Response};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Instant, UNIX_EPOCH};

/// Takes what is sent, or refuses it, and tells of both.
#[derive(Debug)]
struct Collector {
    status: u16,
    got: Mutex<Sender<Bytes>>,
    /// Holds answers back until something comes.
    gate: Option<Mutex<Receiver<()>>>,
}

impl Post for Collector {
    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        self.got.lock().unwrap().send(request.into_body()).unwrap();
        if let Some(gate) = &self.gate {
            let _ = gate.lock().unwrap().recv();
        }
        Ok(Response::builder().status(self.status).body(Bytes::new()).unwrap())
    }
}

fn settings(queue: usize) -> TraceSettings {
    TraceSettings { timeout: Duration::from_secs(1), queue, parents: true, named: false }
}

fn tried(start: Instant) -> AttemptNotes {
    let mut tried = AttemptNotes::default();
    let note = |model: &str, reason, sent| AttemptNote {
        provider: "openrouter".into(),
        model: model.into(),
        server: Some("openrouter.ai:443".into()),
        reason,
        status: None,
        at: start,
        sent,
    };
    tried.push(note("a/without-key", Some("no_key"), None));
    let failed = Sent::new(AttemptOutcome::Quota, Duration::from_millis(5));
    tried.push(AttemptNote { status: Some(429), ..note("a/limited", Some("status"), Some(failed)) });
    let good = Sent { input_tokens: 12, ..Sent::new(AttemptOutcome::Success, Duration::from_millis(9)) };
    tried.push(note("a/good", None, Some(good)));
    tried
}

fn record<'a>(tried: &'a AttemptNotes, started: Instant) -> AccessRecord<'a> {
    AccessRecord {
        time: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        started,
        trace_id: None,
        request_id: "req_1",
        client_ip: None,
        method: "POST",
        path: "/v1/chat/completions",
        query: Some("token=in-the-query"),
        status: Some(200),
        model_asked: Some("a/good"),
        model_served: Some("a/good"),
        provider: Some("openrouter"),
        model_reported: None,
        provider_reported: None,
        upstream_request_id: None,
        attempts: 2,
        tried,
        stream: false,
        input_tokens: Some(12),
        output_tokens: None,
        cost_micro_usd: Some(1_500_000),
        cost_source: None,
        cost_parts: None,
        upstream_cost_micro_usd: None,
        duration: Duration::from_millis(20),
        first_token: None,
        bytes_in: 1,
        bytes_out: 1,
        outcome: Outcome::Success,
        error_code: None,
        policy_revision: "rev",
        dropped: None,
        logs: &[],
    }
}

fn send(traces: &Traces, headers: &HeaderMap) -> Option<String> {
    let started = Instant::now();
    let tried = tried(started);
    let record = record(&tried, started);
    traces.request(&RequestTrace {
        record: &record,
        headers,
        scheme: "http",
        host: "gateway.example:8080",
        version: Version::HTTP_11,
        surface: Some("chat-completions"),
    })
}

#[test]
fn a_build_with_the_feature_and_without_an_endpoint_makes_nothing() {
    assert_eq!(send(&Traces::default(), &HeaderMap::new()), None);
    Traces::default().stop(Duration::from_secs(1));
}

#[test]
fn a_request_is_a_span_with_children_in_the_clients_trace() {
    let (got, batches) = channel();
    let collector = Collector { status: 200, got: Mutex::new(got), gate: None };
    let counters = Metrics::new("0").spans;
    let traces = Traces::start("1.2.3", &settings(100), Box::new(collector), &counters).unwrap();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("traceparent"),
        HeaderValue::from_static(parent),
    )]);
    assert_eq!(send(&traces, &headers).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    // What makes no sense is not heeded: the request has a trace of its own.
    let bad = HeaderMap::from_iter([(
        http::HeaderName::from_static("traceparent"),
        HeaderValue::from_static("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
    )]);
    let own = send(&traces, &bad).unwrap();
    assert!(own.len() == 32 && !own.starts_with("0000000000"), "{own}");
    // The client's own trace is not sampled, and so is ours.
    let unsampled = HeaderMap::from_iter([(
        http::HeaderName::from_static("traceparent"),
        HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
    )]);
    assert_eq!(send(&traces, &unsampled), None);
    traces.stop(Duration::from_secs(10));
    let sent: Vec<u8> = batches.try_iter().flatten().collect();
    assert_eq!(counters.exported.get(), 6, "two requests, with two attempts each");
    let text = String::from_utf8_lossy(&sent);
    for word in [
        "POST /v1/chat/completions",
        "chat a/good",
        "chat a/limited",
        "tollgate.candidate.passed_over",
        "a/without-key",
        "no_key",
        "gen_ai.usage.input_tokens",
        "service.version",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert!(!text.contains("in-the-query"));
}

#[test]
fn what_a_client_says_of_its_trace_is_taken_over_up_to_a_length() {
    let (got, batches) = channel();
    let collector = Collector { status: 200, got: Mutex::new(got), gate: None };
    let counters = Metrics::new("0").spans;
    let traces = Traces::start("0", &settings(100), Box::new(collector), &counters).unwrap();
    for state in [format!("short={}", "s".repeat(100)), format!("long={}", "l".repeat(250)).repeat(40)] {
        let mut headers = HeaderMap::new();
        let parent = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        headers.insert("traceparent", parent);
        headers.insert("tracestate", HeaderValue::try_from(state).unwrap());
        assert_eq!(send(&traces, &headers).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    }
    traces.stop(Duration::from_secs(10));
    let sent: Vec<u8> = batches.try_iter().flatten().collect();
    let text = String::from_utf8_lossy(&sent);
    assert_eq!(text.matches("short=ss").count(), 3, "one in each span");
    assert!(!text.contains("long=ll") && sent.len() < 8192, "{}", sent.len());
}

#[test]
fn a_collector_that_hangs_costs_spans_and_no_time() {
    let (got, batches) = channel();
    let (open, gate) = channel();
    let collector = Collector { status: 200, got: Mutex::new(got), gate: Some(Mutex::new(gate)) };
    let counters = Metrics::new("0").spans;
    let traces = Traces::start("0", &settings(3), Box::new(collector), &counters).unwrap();
    for _ in 0..100 {
        let _ = send(&traces, &HeaderMap::new());
    }
    assert_eq!(counters.queue_full.get(), 300 - 3);
    assert!(batches.recv_timeout(Duration::from_secs(20)).is_ok(), "a full queue is sent at once");
    drop(open);
    traces.stop(Duration::from_secs(10));
    assert_eq!((counters.exported.get(), counters.queue_full.get()), (3, 297));
}

#[test]
fn what_a_collector_refuses_is_counted() {
    let (got, _batches) = channel();
    let collector = Collector { status: 401, got: Mutex::new(got), gate: None };
    let counters = Metrics::new("0").spans;
    let traces = Traces::start("0", &settings(100), Box::new(collector), &counters).unwrap();
    let _ = send(&traces, &HeaderMap::new());
    traces.stop(Duration::from_secs(10));
    assert_eq!((counters.exported.get(), counters.export_failed.get()), (0, 3));
}
