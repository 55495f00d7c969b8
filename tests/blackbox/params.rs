//! What the policy adds to requests and takes from them.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{MockServer, Recorded, Script};

const CHAT: &str = "/v1/chat/completions";

async fn sent(provider: Value, more: Value, ask: Ask) -> (Answer, Option<Recorded>) {
    let mock = mock(Script::default()).await;
    let provider = merge(custom("one", &format!("{}/v1", mock.url()), &[KEY_ONE]), provider);
    let gateway = Gateway::start(&ai_gateway(merge(json!({"providers": [provider]}), more))).await;
    let answer = gateway.send(ask).await;
    (answer, mock.requests().pop())
}

fn with(body: Value) -> Ask {
    post(CHAT, &merge(json!({"model": "one:m", "messages": []}), body))
}

#[tokio::test]
async fn headers_query_and_body_of_the_policy() {
    let more = json!({
        "headers": {"x-tenant": "${req.headers['x-user'][0]}", "x-fixed": "7", "authorization": "Bearer other"},
        "query_params": {"trace": "${req.id}", "v": "1"},
        "body": {"temperature": 0.5, "metadata": {"a": 1}, "user": "${req.headers['x-user'][0]}", "n": "${1 + 1}"},
    });
    let ask = with(json!({"temperature": 1.0, "metadata": {"b": 2}, "top_p": 0.1})).header("x-user", "ann");
    let (answer, sent) = sent(json!({}), more, ask).await;
    let sent = sent.unwrap();
    assert_eq!((sent.header("x-tenant"), sent.header("x-fixed")), ("ann", "7"));
    assert_eq!(sent.header("authorization"), "Bearer other", "set after authentication");
    let id = answer.header("x-tollgate-request-id");
    assert_eq!(sent.path_and_query.split_once('?').unwrap().1, format!("trace={id}&v=1"));
    let expected = json!({
        "model": "m", "messages": [], "temperature": 0.5, "metadata": {"a": 1, "b": 2}, "top_p": 0.1, "user": "ann", "n": 2,
    });
    assert_eq!(sent.json(), expected);
}

#[tokio::test]
async fn a_value_that_cannot_be_computed_ends_the_request_before_any_attempt() {
    let more = json!({"headers": {"x-tenant": "${req.headers['x-user'][0] + 1}"}});
    let (answer, sent) = sent(json!({}), more, with(json!({})).header("x-user", "ann")).await;
    assert_eq!((answer.status, answer.code()), (500, "2238"), "{}", answer.text());
    assert!(sent.is_none());
}

#[tokio::test]
async fn parameters_are_filtered_by_provider_then_by_model() {
    let provider = json!({
        "supported_api_surfaces": [
            {"format": "openai", "surface": "chat-completions", "supported_params": ["messages", {"name": "temperature"}, "top_k", "stream"]},
            {"format": "openai"},
        ],
        "models": [{"id": "m", "unsupported_params": [{"name": "top_k"}]}],
    });
    let body = json!({"temperature": 1, "top_k": 5, "logit_bias": {}, "x": 1});
    let (_, chat) = sent(provider.clone(), json!({}), with(body.clone())).await;
    assert_eq!(chat.unwrap().json(), json!({"model": "m", "messages": [], "temperature": 1}));
    let embeddings = post("/v1/embeddings", &merge(body, json!({"model": "one:m", "input": "x"})));
    let (_, sent) = sent(provider, json!({}), embeddings).await;
    // The provider's list is for chat; the model's holds everywhere.
    assert_eq!(
        sent.unwrap().json(),
        json!({"model": "m", "input": "x", "temperature": 1, "logit_bias": {}, "x": 1})
    );
}

#[tokio::test]
async fn max_output_tokens_lowers_or_sets_the_limit() {
    let more = || json!({"max_output_tokens": 100});
    for (path, given, expected) in [
        (CHAT, json!({"max_tokens": 500}), json!({"max_tokens": 100})),
        (CHAT, json!({"max_tokens": 50}), json!({"max_tokens": 50})),
        (CHAT, json!({"max_completion_tokens": 500}), json!({"max_completion_tokens": 100})),
        ("/v1/messages", json!({"max_tokens": 500}), json!({"max_tokens": 100})),
        ("/v1/messages", json!({}), json!({"max_tokens": 100})),
        ("/v1/responses", json!({}), json!({"max_output_tokens": 100})),
        ("/v1/responses", json!({"max_output_tokens": 101}), json!({"max_output_tokens": 100})),
    ] {
        let prompt = if path == "/v1/responses" { json!({"input": []}) } else { json!({"messages": []}) };
        let body = merge(merge(prompt.clone(), json!({"model": "one:m"})), given.clone());
        let (_, sent) = sent(json!({}), more(), post(path, &body)).await;
        let expected = merge(merge(prompt, json!({"model": "m"})), expected);
        assert_eq!(sent.unwrap().json(), expected, "{path} {given}");
    }
}

#[tokio::test]
async fn max_input_tokens_refuses_long_prompts() {
    let long = json!({"messages": [{"role": "user", "content": "word ".repeat(500)}]});
    let more = || json!({"max_input_tokens": 100});
    let (answer, none) = sent(json!({}), more(), with(long.clone())).await;
    answer.assert_openai_error(413, "3811");
    assert!(none.is_none());
    let (answer, _) =
        sent(json!({}), more(), with(json!({"messages": [{"role": "user", "content": "short"}]}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = merge(long, json!({"model": "one:m", "max_tokens": 5}));
    let (answer, _) = sent(json!({}), more(), post("/v1/messages", &body)).await;
    answer.assert_anthropic_error(413, "3811");
}

#[tokio::test]
async fn headers_of_the_client_that_go_on_and_that_do_not() {
    let ask = with(json!({}))
        .header("openai-beta", "assistants=v2")
        .header("http-referer", "https://app.example")
        .header("x-title", "App")
        .header("x-stainless-lang", "python")
        .header("user-agent", "OpenAI/Python 2")
        .header("idempotency-key", "i1")
        .header("accept-encoding", "gzip, br")
        .header("cookie", "a=b")
        .header("proxy-authorization", "Basic eA==")
        .header("connection", "x-private")
        .header("x-private", "1")
        .header("te", "trailers")
        .header("x-tollgate-model", "forged");
    let (_, sent) = sent(json!({}), json!({}), ask).await;
    let sent = sent.unwrap();
    for name in
        ["openai-beta", "http-referer", "x-title", "x-stainless-lang", "user-agent", "idempotency-key"]
    {
        assert_ne!(sent.header(name), "", "{name}");
    }
    for name in ["cookie", "proxy-authorization", "x-private", "te", "x-tollgate-model"] {
        assert_eq!(sent.header(name), "", "{name}");
    }
    assert_eq!(sent.header("accept-encoding"), "identity");
    assert!(sent.authority.starts_with("127.0.0.1:"), "{}", sent.authority);
}

#[tokio::test]
async fn a_gateway_that_calls_itself_notices() {
    let mock: MockServer = mock(Script::default()).await;
    // The port is known only after the start: reload with the gateway's own address.
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [custom("one", &mock.url(), &["k"])]}))).await;
    let own = custom("one", &format!("http://{}/v1", gateway.addr), &["k"]);
    let own = merge(own, json!({"models": [{"id": "one:m"}]}));
    std::fs::write(&gateway.policy, ai_gateway(json!({"providers": [own]}))).unwrap();
    gateway.wait_reloaded(&gateway.revision).await;
    let answer = gateway.send(with(json!({"model": "one:one:m"}))).await;
    assert_eq!(answer.status, 508, "{}", answer.text());
    assert!(answer.text().contains("loop"), "{}", answer.text());
}
