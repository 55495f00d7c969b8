//! What a provider's imitation of OpenAI's API ignores or refuses goes to the provider's own API.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{MockServer, Script, Surface};

const CHAT: &str = "/v1/chat/completions";
const CLAUDE_NAME: &str = "anthropic:claude-sonnet-4-5";
const GEMINI_NAME: &str = "google:gemini-2.5-flash";

fn google(mock: &MockServer) -> Value {
    json!({
        "id": "google", "base_url": format!("{}/google/v1beta/openai", mock.url()),
        "api_keys": [{"value": "AIza-test-ffffffffffffffffffff-6666"}],
    })
}

/// Both with all that they serve, on a mock that refuses what they refuse.
async fn world(more: Value) -> (MockServer, Gateway) {
    let mock = mock(Script { strict: true, ..Script::default() }).await;
    let config = merge(json!({"providers": [anthropic(&mock), google(&mock)]}), more);
    let gateway = Gateway::start(&ai_gateway(config)).await;
    (mock, gateway)
}

fn hello(model: &str, more: Value) -> Value {
    merge(json!({"model": model, "messages": [{"role": "user", "content": "[[say Hello.]]"}]}), more)
}

/// A request for JSON, to which a model that was not told so answers with words around it.
fn structured(stream: bool) -> Say {
    let schema = json!({
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false,
    });
    Say { schema: Some(schema), ..Say::user(r#"JSON! [[json {"city":"Paris"}]]"#) }.stream(stream)
}

#[tokio::test]
async fn structured_output_of_claude_is_that_for_clients_of_openai() {
    let (mock, gateway) = world(json!({})).await;
    for stream in [false, true] {
        let answer = gateway.send(Client::Chat.ask(CLAUDE_NAME, &structured(stream))).await;
        let got = Client::Chat.read(&answer, stream);
        assert_eq!(got.text, r#"{"city":"Paris"}"#, "stream {stream}");
        assert_eq!(answer.header("x-tollgate-dropped"), "");
        let sent = mock.requests().pop().unwrap();
        assert_eq!(
            (sent.surface, sent.path_and_query.as_str()),
            (Surface::Messages, "/anthropic/v1/messages")
        );
        assert_eq!(sent.json()["output_config"]["format"]["type"], "json_schema");
    }
}

#[tokio::test]
async fn without_the_gap_it_is_lost_on_the_way() {
    // What the test before would see if the request were passed through.
    let gaps = json!({"surface_gaps": {"chat-completions": []}});
    let mock = mock(Script { strict: true, ..Script::default() }).await;
    let config = json!({"providers": [merge(anthropic(&mock), gaps)]});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let answer = gateway.send(Client::Chat.ask(CLAUDE_NAME, &structured(false))).await;
    assert_eq!(mock.requests().pop().unwrap().surface, Surface::ChatCompletions);
    let text = Client::Chat.read(&answer, false).text;
    assert!(text.contains(r#"{"city":"Paris"}"#) && serde_json::from_str::<Value>(&text).is_err(), "{text}");
}

#[tokio::test]
async fn where_it_can_go_neither_way_it_is_named() {
    let (mock, gateway) = world(json!({"translation": "never"})).await;
    let answer = gateway.send(Client::Chat.ask(CLAUDE_NAME, &structured(false))).await;
    assert_eq!((answer.status, answer.header("x-tollgate-dropped")), (200, "response_format"));
    assert_eq!(mock.requests().pop().unwrap().surface, Surface::ChatCompletions);
    // Google says so itself.
    let answer = gateway.send(post(CHAT, &hello(GEMINI_NAME, json!({"seed": 7})))).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("Unknown name"), "{}", answer.text());
}

#[tokio::test]
async fn plain_chats_keep_their_bytes() {
    let (mock, gateway) = world(json!({})).await;
    for (name, path) in [
        (CLAUDE_NAME, "/anthropic/v1/chat/completions"),
        (GEMINI_NAME, "/google/v1beta/openai/chat/completions"),
    ] {
        let body = format!(
            "{{ \"temperature\":0.50,\r\n\"model\" : {} ,\"messages\":[{{\"content\":\"[[say Hi.]] \\u00e9 \\\"cache_control\\\"\",\"role\":\"user\"}}], \"max_tokens\":1e2 }}\n",
            json!(name)
        );
        let answer = gateway.send(post_bytes(CHAT, body.clone())).await;
        assert_eq!((answer.status, answer.header("x-tollgate-dropped")), (200, ""), "{}", answer.text());
        let sent = mock.requests().pop().unwrap();
        let model = name.split_once(':').unwrap().1;
        assert_eq!(String::from_utf8(sent.body.to_vec()).unwrap(), body.replace(name, model));
        assert_eq!(sent.path_and_query, path);
    }
}

#[tokio::test]
async fn what_google_refuses_reaches_gemini() {
    let (mock, gateway) = world(json!({})).await;
    for (more, lost) in [
        (json!({"seed": 7, "frequency_penalty": 0.5}), ""),
        (json!({"store": false}), ""),
        (json!({"metadata": {"a": "b"}, "store": true}), "metadata, store"),
    ] {
        let answer = gateway.send(post(CHAT, &hello(GEMINI_NAME, more.clone()))).await;
        assert_eq!(answer.status, 200, "{more}: {}", answer.text());
        assert_eq!(Client::Chat.read(&answer, false).text, "Hello.");
        let mut named: Vec<&str> = answer.header("x-tollgate-dropped").split(", ").collect();
        named.sort_unstable();
        assert_eq!(named.join(", "), lost, "{more}");
        let sent = mock.requests().pop().unwrap();
        assert_eq!(sent.path_and_query, "/google/v1beta/models/gemini-2.5-flash:generateContent");
    }
}

#[tokio::test]
async fn explain_says_why() {
    let (_mock, gateway) = world(json!({})).await;
    let policy = gateway.policy.to_str().unwrap().to_owned();
    let marked = json!([{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}]);
    let body = hello(CLAUDE_NAME, json!({"messages": marked, "user": "u"})).to_string();
    let told = run(&["explain", &policy, "--json", "--body", &body]).await;
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    let planned = &told["models_to_try"][0];
    assert_eq!(planned["translated_for"], json!(["messages[].content[].cache_control", "user"]));
    assert_eq!((&planned["translated"], &planned["surface"]), (&json!(true), &json!("messages")));
    let text = run(&["explain", &policy, "--body", &body]).await.stdout;
    assert!(text.contains("translated for") && text.contains("messages[].content[].cache_control"), "{text}");
    let text = run(&["explain", &policy, "--body", &hello(CLAUDE_NAME, json!({})).to_string()]).await.stdout;
    assert!(!text.contains("translated for"), "{text}");
}
