//! The admin listener.

use crate::support::*;
use serde_json::json;
use tollgate_mock::{Behaviour, Script};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn health_readiness_and_what_is_not_there() {
    let gateway = Gateway::start("on_http_request:\n  - type: deny\n").await;
    for (path, status) in
        [("/healthz", 200), ("/readyz", 200), ("/status", 200), ("/metrics", 200), ("/nothing", 404)]
    {
        assert_eq!(gateway.admin(path).await.status, status, "{path}");
    }
    let answer = soon(post("/status", &json!({})).send(gateway.admin)).await;
    assert_eq!(answer.status, 405);
    assert_eq!(gateway.send(get("/healthz")).await.status, 403, "not on the public listener");
}

#[tokio::test]
async fn status_shows_what_happened() {
    let one = mock(Script::default().model("bad", [Behaviour::status(500)])).await;
    let provider = custom("one", &one.url(), &[KEY_ONE]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    let answer = gateway.send(post(CHAT, &names(&["one:bad", "one:m"]))).await;
    gateway.log_of(&answer).await;
    let status = gateway.status().await;
    assert_eq!(status["revision"], gateway.revision);
    assert!(status["version"].is_string() && status["loaded_at"].is_string(), "{status}");
    assert!(status["policy_file"].as_str().unwrap().ends_with("policy.yml"), "{status}");
    assert_eq!((&status["draining"], &status["last_reload_error"]), (&json!(false), &json!(null)));
    let shown = status["providers"].as_array().unwrap().iter().find(|p| p["id"] == "one").unwrap();
    let model =
        |id: &str| shown["models"].as_array().unwrap().iter().find(|m| m["id"] == id).cloned().unwrap();
    assert_eq!(
        (model("bad")["error_rate"].as_f64(), model("m")["error_rate"].as_f64()),
        (Some(1.0), Some(0.0))
    );
    assert_eq!(model("m")["request_count"], 1);
    assert!(!status.to_string().contains(KEY_ONE));
}

/// A client that asks for nonsense, and a key that is not accepted, say nothing of a provider's health.
#[tokio::test]
async fn health_is_about_the_provider_alone() {
    for (status, health, fault_rate) in [
        (400, "healthy", 0.0),
        (401, "healthy", 0.0),
        (403, "healthy", 0.0),
        (404, "healthy", 0.0),
        (413, "healthy", 0.0),
        (422, "healthy", 0.0),
        (429, "healthy", 0.0),
        (500, "failing", 1.0),
        (503, "failing", 1.0),
    ] {
        let one = mock(Script::default().model("bad", [Behaviour::status(status)])).await;
        let provider = custom("one", &one.url(), &[KEY_ONE]);
        let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
        let answer = gateway.send(post(CHAT, &names(&["one:bad"]))).await;
        gateway.log_of(&answer).await;
        let shown = &gateway.status().await["providers"][0];
        assert_eq!(shown["health"], health, "{status}: {shown}");
        let model = &shown["models"][0];
        assert_eq!(
            (&model["error_rate"], &model["fault_rate"]),
            (&json!(1.0), &json!(fault_rate)),
            "{status}"
        );
    }
}

#[tokio::test]
async fn metrics_count() {
    let one = mock(Script::default().model("bad", [Behaviour::status(429)])).await;
    let provider = custom("one", &one.url(), &[KEY_ONE]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    gateway.send(post(CHAT, &names(&["one:bad", "one:m"]))).await;
    gateway.send(post("/v1/messages", &merge(names(&["one:m"]), json!({"stream": true})))).await;
    gateway.send(post_bytes(CHAT, "{")).await;
    gateway.log_lines(3).await;
    let answer = gateway.admin("/metrics").await;
    assert!(
        answer.header("content-type").starts_with("application/openmetrics-text"),
        "{}",
        answer.header("content-type")
    );
    let text = answer.text();
    let value = |series: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} is missing in\n{text}")).parse::<f64>().unwrap()
    };
    assert_eq!(value("tollgate_requests_total{surface=\"chat-completions\",status=\"2xx\"}"), 1.0);
    assert_eq!(value("tollgate_requests_total{surface=\"chat-completions\",status=\"4xx\"}"), 1.0);
    assert_eq!(value("tollgate_requests_total{surface=\"messages\",status=\"2xx\"}"), 1.0);
    assert_eq!(value("tollgate_attempts_total{provider=\"one\",outcome=\"quota\"}"), 1.0);
    assert_eq!(value("tollgate_attempts_total{provider=\"one\",outcome=\"success\"}"), 2.0);
    assert_eq!(value("tollgate_failovers_total"), 1.0);
    assert_eq!(value("tollgate_requests_in_flight"), 0.0);
    assert!(value("tollgate_tokens_total{provider=\"one\",direction=\"input\"}") > 0.0);
    assert_eq!(value("tollgate_time_to_first_token_seconds_count{provider=\"one\"}"), 1.0);
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn an_admin_listener_for_everybody_needs_a_token() {
    let policy = "on_http_request:\n  - type: deny\n";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.yml");
    std::fs::write(&file, policy).unwrap();
    let exit = run(&["run", file.to_str().unwrap(), "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"]).await;
    assert!(exit.code == Some(1) && exit.stderr.contains("token"), "{exit:?}");
    let gateway = Gateway::builder(policy).env("TOLLGATE_ADMIN_TOKEN", "letmein").start().await;
    for (ask, status) in [
        (get("/status"), 401),
        (get("/status").bearer("no"), 401),
        (get("/status").bearer("letmein"), 200),
        (get("/healthz"), 200),
    ] {
        assert_eq!(soon(ask.send(gateway.admin)).await.status, status);
    }
}

#[tokio::test]
async fn the_start_says_where_and_what() {
    let gateway = Gateway::start("on_http_request:\n  - type: deny\n").await;
    let lines: Vec<String> = gateway.out.text().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], format!("listening on http://{}", gateway.addr));
    assert!(lines[1].starts_with(&format!("admin on http://{}", gateway.admin)), "{lines:?}");
    assert!(lines[2].contains("policy.yml") && lines[2].ends_with(&gateway.revision), "{lines:?}");
}
