//! What an operator can read of attempts: access log and metrics; traces are looked at by `tests/traces`.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Fault, Script};

const CHAT: &str = "/v1/chat/completions";

async fn gateway(script: Script) -> (tollgate_mock::MockServer, Gateway) {
    let one = mock(script).await;
    let url = format!("{}/v1", one.url());
    let keyless = json!({"id": "anthropic", "base_url": format!("{}/anthropic/v1", one.url())});
    let providers = json!([keyless, custom("one", &url, &[KEY_ONE]), custom("two", &url, &[KEY_TWO])]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": providers}))).await;
    (one, gateway)
}

fn number(line: &Value, name: &str) -> f64 {
    line[name].as_f64().unwrap_or_else(|| panic!("{name} is missing in {line}"))
}

#[tokio::test]
async fn the_line_of_a_request_tells_of_every_attempt() {
    let cut = Behaviour::fault(Fault::CutAfterChunks(0));
    let script = Script::default().model("limited", [Behaviour::status(429)]).model("cut", [cut]);
    let (_one, gateway) = gateway(script).await;
    let models = ["anthropic:claude-sonnet-4-5", "one:limited", "one:cut", "two:m"];
    let answer = gateway.send(post(CHAT, &merge(names(&models), json!({"stream": true})))).await;
    assert_eq!(answer.status, 200);
    let line = gateway.log_of(&answer).await;
    let tried = line["attempts_detail"].as_array().unwrap();
    let told = |index: usize, name: &str| tried[index][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(tried.len(), 4, "{line}");
    assert_eq!((told(0, "provider"), told(0, "passed_over")), ("anthropic".into(), "no_key".into()));
    assert!(tried[0].get("ms").is_none() && tried[0].get("outcome").is_none());
    assert_eq!((told(1, "outcome"), told(1, "reason")), ("quota".into(), "status".into()));
    assert_eq!(tried[1]["status"], 429);
    assert_eq!((told(2, "outcome"), told(2, "reason")), ("transient".into(), "closed".into()), "{line}");
    assert_eq!((told(3, "provider"), told(3, "outcome")), ("two".into(), "success".into()));
    assert!(tried[3].get("reason").is_none());
    // Each begins when the one before has ended, and all of them within the request.
    let mut before = 0.0;
    for attempt in &tried[1..] {
        assert!(number(attempt, "at_ms") >= before, "{line}");
        before = number(attempt, "at_ms") + number(attempt, "ms") - 0.002;
    }
    assert!(before <= number(&line, "duration_ms"), "{line}");
    assert!(number(&tried[3], "head_ms") <= number(&tried[3], "first_token_ms"));
    assert_eq!(line["upstream_head_ms"], tried[3]["head_ms"]);
    assert!(number(&line, "gateway_ms") < number(&line, "duration_ms"));
    assert!(line.get("trace_id").is_none());
    assert!(!gateway.written().contains(KEY_ONE) && !gateway.written().contains(KEY_TWO));
}

#[tokio::test]
async fn a_request_that_went_well_needs_no_list() {
    let (_one, gateway) = gateway(Script::default()).await;
    let ask = || gateway.send(post(CHAT, &names(&["one:m"])));
    let line = gateway.log_of(&ask().await).await;
    assert!(line.get("attempts_detail").is_none(), "{line}");
    assert!(number(&line, "connect_ms") <= number(&line, "upstream_head_ms"), "{line}");
    let line = gateway.log_of(&ask().await).await;
    assert!(line.get("connect_ms").is_none(), "the connection was there already: {line}");
    let plain = gateway.send(get("/v1/models")).await;
    let line = gateway.log_of(&plain).await;
    assert!(line.get("gateway_ms").is_none() && line.get("upstream_head_ms").is_none(), "{line}");
}

#[tokio::test]
async fn a_client_that_leaves_is_told_of() {
    let (_one, gateway) = gateway(Script::always(Behaviour::default().after_ms(60_000))).await;
    let asking = tokio::time::timeout(
        std::time::Duration::from_millis(300),
        post(CHAT, &names(&["one:m"])).send(gateway.addr),
    );
    assert!(asking.await.is_err());
    let line = gateway.log_lines(1).await.remove(0);
    assert_eq!(line["outcome"], "client_gone", "{line}");
    let attempt = &line["attempts_detail"][0];
    assert_eq!(
        (&attempt["reason"], &attempt["outcome"]),
        (&json!("client_gone"), &json!("neutral")),
        "{line}"
    );
}

#[tokio::test]
async fn stalls_of_a_stream_are_counted() {
    let words = ["a", "b", "c", "d"];
    let slow = Behaviour::chunks(words).chunk_every_ms(60);
    let (_one, gateway) = gateway(Script::default().model("slow", [slow])).await;
    let answer = gateway.send(post(CHAT, &merge(names(&["one:slow"]), json!({"stream": true})))).await;
    gateway.log_of(&answer).await;
    let page = gateway.admin("/metrics").await.text();
    let value = |series: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} is missing")).parse().unwrap()
    };
    let name = "tollgate_time_between_events_seconds";
    let count = value(&format!("{name}_count{{provider=\"one\"}}"));
    // Events that the machine delivers together count once.
    assert!((1.0..=4.0).contains(&count), "{count}");
    let short = value(&format!("{name}_bucket{{le=\"0.01\",provider=\"one\"}}"));
    assert!(short < count, "{short} of {count} took no time");
    assert!(value(&format!("{name}_sum{{provider=\"one\"}}")) >= 0.1);
    assert_eq!(value(&format!("{name}_count{{provider=\"two\"}}")), 0.0);
    assert!(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") > 3.0);
}

#[tokio::test]
async fn a_build_without_traces_says_so_where_they_are_asked_for() {
    let policy = "on_http_request:\n  - type: deny\n";
    let endpoint = "http://127.0.0.1:4318";
    let gateway = Gateway::builder(policy).env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).start().await;
    gateway.send(get("/")).await;
    let said = gateway.err.text();
    assert!(
        said.contains("OTEL_EXPORTER_OTLP_ENDPOINT is set") && said.contains("--features otel"),
        "{said}"
    );
    let quiet = Gateway::builder(policy).env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let quiet = quiet.env("OTEL_SDK_DISABLED", "true").start().await;
    quiet.send(get("/")).await;
    assert!(!quiet.err.text().contains("--features otel"));
}
