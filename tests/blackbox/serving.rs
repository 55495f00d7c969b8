//! Ways to start: without a policy, from standard input, with several listeners; and what clients may not do to it.

use crate::support::*;
use serde_json::json;
use std::time::Duration;
use tollgate_mock::{Behaviour, Fault, Script};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn without_a_policy_the_built_in_providers_are_served() {
    let gateway = Gateway::builder("").without_policy().start().await;
    let list = gateway.send(get("/v1/models")).await.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|m| m["id"].as_str()).collect();
    assert!(ids.contains(&"gpt-4o") && ids.contains(&"anthropic:claude-sonnet-4-5"), "{ids:?}");
    gateway.send(post(CHAT, &names(&["anthropic/claude-3.5-sonnet"]))).await.assert_openai_error(422, "3804");
    let answer = gateway.send(post(CHAT, &names(&["gpt-4o"]))).await;
    assert_eq!(answer.status, 400, "each client brings its own key: {}", answer.text());
}

#[tokio::test]
async fn several_listeners_with_policies_of_their_own() {
    let one = mock(Script::default()).await;
    let base = one.url();
    let config = format!(
        "endpoints:\n  - name: first\n    listen: 127.0.0.1:0\n    traffic_policy_file: DIR/policy.yml\n  \
         - name: second\n    listen: 127.0.0.1:0\n    traffic_policy:\n      on_http_request:\n        \
         - type: ai-gateway\n          config: {{providers: [{{id: one, base_url: \"{base}\"}}]}}\n"
    );
    let gateway = Gateway::builder("on_http_request: [{type: deny, config: {status_code: 418}}]")
        .config(&config)
        .start()
        .await;
    let text = gateway.out.text();
    let addresses: Vec<std::net::SocketAddr> =
        text.lines().filter_map(|l| l.strip_prefix("listening on http://")?.trim().parse().ok()).collect();
    let [first, second] = addresses[..] else { panic!("{text}") };
    assert_eq!(soon(get("/").send(first)).await.status, 418);
    let answer = soon(post(CHAT, &names(&["one:m"])).send(second)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn what_a_client_sees_when_all_fail_is_chosen_by_the_policy() {
    let one =
        mock(Script::default().model("a", [Behaviour::status(500)]).model("b", [Behaviour::status(418)]))
            .await;
    let provider = custom("one", &one.url(), &[KEY_ONE]);
    for (passthrough, models, status, code) in [
        ("auto", vec!["one:a"], 500, ""),
        ("auto", vec!["one:a", "one:b"], 503, "3807"),
        ("last", vec!["one:a", "one:b"], 418, ""),
        ("aggregate", vec!["one:b"], 418, "3807"),
    ] {
        let config = json!({"providers": [provider], "error_passthrough": passthrough});
        let gateway = Gateway::start(&ai_gateway(config)).await;
        let answer = gateway.send(post(CHAT, &names(&models))).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{passthrough} {models:?}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_provider_back() {
    let one = mock(Script::always(Behaviour::fault(Fault::EndlessLine))).await;
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [custom("one", &one.url(), &["k"])]}))).await;
    let before = gateway.memory_kib("VmRSS");
    let mut client = RawConnection::open(gateway.addr).await;
    client.post(CHAT, &merge(names(&["one:m"]), json!({"stream": true}))).await;
    client.until(b"\r\n\r\n").await.unwrap();
    // The provider would send gigabytes in this time.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let grown = gateway.memory_kib("VmRSS").saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB are kept for a client that does not read");
    client.reset();
    soon(one.wait_aborted(1)).await;
    gateway.wait_idle().await;
}

#[tokio::test]
async fn tokens_of_both_encodings_count() {
    // About as long in one encoding as in the other, and far over the limit in both; the error names the limit.
    let one = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(
        json!({"max_input_tokens": 50, "providers": [openai(&one), anthropic(&one)]}),
    ))
    .await;
    let long = json!({"messages": [{"role": "user", "content": "word ".repeat(300)}]});
    let body = merge(long, json!({"models": ["openai:gpt-4o", "anthropic:claude-3.5-sonnet"]}));
    let answer = gateway.send(post(CHAT, &body)).await;
    answer.assert_openai_error(413, "3811");
    assert!(answer.text().contains("max 50"), "{}", answer.text());
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn a_client_that_left_is_still_counted() {
    let stall = Behaviour { fault: Some(Fault::StallMidStream(2)), ..Behaviour::chunks(["a ", "b ", "c "]) };
    let one = mock(Script::always(stall)).await;
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [custom("one", &one.url(), &["k"])]}))).await;
    let mut reply = gateway.open(post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})))).await;
    soon(reply.event()).await.unwrap();
    drop(reply);
    let line = gateway.log_lines(1).await.remove(0);
    assert_eq!(
        (&line["outcome"], &line["provider"], &line["model_served"]),
        (&json!("client_gone"), &json!("one"), &json!("m"))
    );
    let status = gateway.status().await;
    let models =
        &status["providers"].as_array().unwrap().iter().find(|p| p["id"] == "one").unwrap()["models"];
    assert_eq!(models[0]["request_count"], 1, "{status}");
    assert_eq!(models[0]["error_rate"].as_f64(), Some(0.0), "not the provider's fault: {status}");
}
