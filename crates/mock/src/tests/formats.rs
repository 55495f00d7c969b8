//! Each wire format has the providers' fields, in the providers' order.

use super::client::{Answer, always, chat, exchange, get, post, request};
use crate::{Behaviour, Flavour, MockServer, RateLimit, Script, ToolUse, UsageCounts};
use serde_json::{Value, json};

const USAGE: UsageCounts = UsageCounts { input: 20, output: 7, cached: 5, reasoning: 2 };

async fn hello() -> MockServer {
    let mut behaviour = Behaviour::chunks(["Hel", "lo", " wörld"]);
    behaviour.usage = Some(USAGE);
    always(behaviour).await
}

fn tools(mut body: Value) -> Value {
    let schema =
        json!({"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}}});
    body["tools"] = json!([{"type": "function", "function": {"name": "get_weather", "parameters": schema}}]);
    body["tool_choice"] = json!("required");
    body
}

fn types(answer: &Answer) -> Vec<String> {
    let frames = answer.frames();
    for frame in &frames {
        let json: Value = serde_json::from_str(&frame.data).unwrap();
        assert_eq!(json["type"], frame.event, "the event's name is its type");
    }
    let mut names: Vec<String> = frames.into_iter().map(|f| f.event).collect();
    names.dedup();
    names
}

#[tokio::test]
async fn chat_plain() {
    let answer = post(&hello().await, "/v1/chat/completions", chat(false)).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.complete() && answer.header("x-request-id").unwrap().starts_with("req_"));
    let json = answer.json();
    assert!(json["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(json["object"], "chat.completion");
    assert_eq!(json["choices"][0]["message"]["content"], "Hello wörld");
    assert_eq!(json["choices"][0]["finish_reason"], "stop");
    assert_eq!(json["usage"]["total_tokens"], 27);
    assert_eq!(json["usage"]["prompt_tokens_details"]["cached_tokens"], 5);
    assert_eq!(json["usage"]["completion_tokens_details"]["reasoning_tokens"], 2);
}

#[tokio::test]
async fn chat_streamed() {
    let answer = post(&hello().await, "/v1/chat/completions", chat(true)).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(answer.complete());
    assert_eq!(answer.frames().last().unwrap().data, "[DONE]");
    let events = answer.events();
    assert_eq!(events.len(), 5, "role, three contents, finish");
    assert!(events.iter().all(|e| e["object"] == "chat.completion.chunk" && e["id"] == events[0]["id"]));
    assert!(events.iter().all(|e| e.get("usage").is_none()), "usage was not asked for");
    assert_eq!(
        events[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "", "refusal": null})
    );
    assert_eq!(events[3]["choices"][0]["delta"], json!({"content": " wörld"}));
    assert_eq!(events[3]["choices"][0]["finish_reason"], Value::Null);
    assert_eq!(events[4]["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn chat_streamed_with_usage() {
    let mut body = chat(true);
    body["stream_options"] = json!({"include_usage": true});
    let server = hello().await;
    let events = post(&server, "/v1/chat/completions", body.clone()).await.events();
    let (last, rest) = events.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["prompt_tokens"], 20);
    assert!(rest.iter().all(|e| e.get("usage") == Some(&Value::Null)));
    server.set_script(Script::always(Behaviour { omit_usage: true, ..Behaviour::default() }));
    let events = post(&server, "/v1/chat/completions", body).await.events();
    assert!(events.iter().all(|e| e.get("usage").is_none()));
}

#[tokio::test]
async fn chat_tools() {
    let server = hello().await;
    let json = post(&server, "/v1/chat/completions", tools(chat(false))).await.json();
    let choice = &json["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &Value::Null)
    );
    let function = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(function["name"], "get_weather");
    assert_eq!(function["arguments"], r#"{"city":"Paris","unit":"C"}"#);
    let events = post(&server, "/v1/chat/completions", tools(chat(true))).await.events();
    let call = |i: usize| events[i]["choices"][0]["delta"]["tool_calls"][0].clone();
    assert!(call(0)["id"].as_str().unwrap().starts_with("call_"));
    let pieces = [call(1), call(2)].map(|c| c["function"]["arguments"].as_str().unwrap().to_owned());
    assert_eq!(pieces.concat(), r#"{"city":"Paris","unit":"C"}"#);
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn tools_are_called_when_asked_for_only() {
    let server = hello().await;
    let mut body = tools(chat(false));
    body["tool_choice"] = json!("auto");
    let reason = async |body: Value| {
        post(&server, "/v1/chat/completions", body).await.json()["choices"][0]["finish_reason"].clone()
    };
    assert_eq!(reason(body.clone()).await, "stop");
    body["messages"][0]["content"] = json!("please call get_weather");
    assert_eq!(reason(body.clone()).await, "tool_calls");
    let result = json!({"role": "tool", "tool_call_id": "x", "content": "get_weather says rain"});
    body["messages"].as_array_mut().unwrap().push(result);
    assert_eq!(reason(body.clone()).await, "stop", "a result came back");
    server.set_script(Script::always(Behaviour { tools: ToolUse::Never, ..Behaviour::default() }));
    body["messages"].as_array_mut().unwrap().pop();
    body["tool_choice"] = json!("required");
    assert_eq!(reason(body).await, "stop");
}

#[tokio::test]
async fn openrouter_plain_and_streamed() {
    let behaviour = Behaviour { comments: 2, usage: Some(USAGE), ..Behaviour::chunks(["a", "b"]) };
    let server = always(behaviour).await;
    let path = "/openrouter/api/v1/chat/completions";
    let mut body = chat(false);
    body["model"] = json!("anthropic/claude-sonnet-4.5");
    let plain = post(&server, path, body.clone()).await;
    assert!(plain.text().starts_with("\n\n{"), "blank lines keep a slow answer alive");
    let json = plain.json();
    assert_eq!(json["provider"], "Anthropic");
    assert!(json["id"].as_str().unwrap().starts_with("gen-"));
    assert_eq!(plain.header("x-generation-id"), json["id"].as_str());
    for (query, status) in [
        (format!("?id={}", json["id"].as_str().unwrap()), 200),
        ("?id=gen-0-unknown".to_owned(), 404),
        (String::new(), 400),
    ] {
        let record = get(&server, &format!("/openrouter/api/v1/generation{query}")).await;
        assert_eq!(record.status(), status, "{query}: {}", record.text());
        if status == 200 {
            assert_eq!(record.json()["data"]["total_cost"], json!(0.000_014), "{}", record.text());
        }
    }
    assert_eq!(json["usage"]["cost"], json!(0.000_014));
    assert_eq!(json["choices"][0]["native_finish_reason"], "stop");

    body["stream"] = json!(true);
    let streamed = post(&server, path, body).await;
    assert!(streamed.text().starts_with(": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {"));
    let events = streamed.events();
    assert_eq!(events.len(), 4);
    assert!(events.iter().all(|e| e["provider"] == "Anthropic"));
    assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": "a"}));
    let reasons: Vec<_> = events.iter().map(|e| e["choices"][0]["finish_reason"].clone()).collect();
    assert_eq!(reasons, [Value::Null, Value::Null, json!("stop"), json!("stop")], "the reason comes twice");
    assert_eq!(events[3]["usage"]["completion_tokens"], 7);
}

#[tokio::test]
async fn responses_plain_and_streamed() {
    let server = hello().await;
    let json = post(&server, "/v1/responses", json!({"model": "gpt-5", "input": "hi"})).await.json();
    assert_eq!((&json["object"], &json["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(json["output"][0]["content"][0]["text"], "Hello wörld");
    assert_eq!(json["usage"]["input_tokens_details"]["cached_tokens"], 5);

    let body = json!({"model": "gpt-5", "input": "hi", "stream": true});
    let answer = post(&server, "/v1/responses", body).await;
    assert_eq!(
        types(&answer),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let events = answer.events();
    assert!(!answer.text().contains("[DONE]"));
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["output"][0]["content"][0]["text"], "Hello wörld");
    assert_eq!(last["usage"]["output_tokens"], 7);
    assert_eq!(last["id"], events[0]["response"]["id"]);
}

#[tokio::test]
async fn responses_tools() {
    let server = always(Behaviour { tools: ToolUse::Always, ..Behaviour::default() }).await;
    let body = json!({"model": "gpt-5", "input": [{"role": "user", "content": "hi"}], "stream": true,
        "tools": [{"type": "function", "name": "f", "parameters": {"properties": {"n": {"type": "integer"}}}}]});
    let answer = post(&server, "/v1/responses", body).await;
    assert!(types(&answer).contains(&"response.function_call_arguments.delta".to_owned()));
    let item = answer.events().last().unwrap()["response"]["output"][0].clone();
    assert_eq!((&item["type"], &item["arguments"]), (&json!("function_call"), &json!("{\"n\":1}")));
    assert!(item["call_id"].as_str().unwrap().starts_with("call_"));
}

#[tokio::test]
async fn completions() {
    let server = hello().await;
    let body = json!({"model": "gpt-3.5-turbo-instruct", "prompt": "hi"});
    let json = post(&server, "/v1/completions", body).await.json();
    assert_eq!(
        (&json["object"], &json["choices"][0]["text"]),
        (&json!("text_completion"), &json!("Hello wörld"))
    );
    let body = json!({"model": "gpt-3.5-turbo-instruct", "prompt": "hi", "stream": true});
    let answer = post(&server, "/v1/completions", body).await;
    let texts: String =
        answer.events().iter().map(|e| e["choices"][0]["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, "Hello wörld");
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn embeddings_as_floats_and_base64() {
    use base64::Engine as _;
    let server = hello().await;
    let body = json!({"model": "e", "input": ["a", "b"], "dimensions": 8});
    let floats = post(&server, "/v1/embeddings", body).await.json();
    assert_eq!(floats["data"].as_array().unwrap().len(), 2);
    assert_eq!((&floats["object"], &floats["data"][1]["index"]), (&json!("list"), &json!(1)));
    let vector: Vec<f32> = serde_json::from_value(floats["data"][0]["embedding"].clone()).unwrap();
    assert_eq!(vector.len(), 8);
    assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);
    let body = json!({"model": "e", "input": "a", "dimensions": 8, "encoding_format": "base64"});
    let base64 = post(&server, "/v1/embeddings", body).await.json();
    let text = base64["data"][0]["embedding"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let decoded: Vec<f32> = bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(decoded, vector, "the same input has the same vector");
    let tokens = json!({"model": "e", "input": [[1, 2], [3]]});
    assert_eq!(post(&server, "/v1/embeddings", tokens).await.json()["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn messages_plain_and_streamed() {
    let server = hello().await;
    let mut body =
        json!({"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let answer = post(&server, "/v1/messages", body.clone()).await;
    assert!(answer.header("request-id").unwrap().starts_with("req_"));
    let json = answer.json();
    assert_eq!((&json["type"], &json["stop_reason"]), (&json!("message"), &json!("end_turn")));
    assert_eq!(json["content"], json!([{"type": "text", "text": "Hello wörld"}]));
    assert_eq!(json["usage"]["input_tokens"], 15, "without what was cached");
    assert_eq!(json["usage"]["cache_read_input_tokens"], 5);
    body["stream"] = json!(true);
    let answer = post(&server, "/v1/messages", body).await;
    assert_eq!(
        types(&answer),
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let events = answer.events();
    assert_eq!(events[0]["message"]["usage"]["output_tokens"], 1);
    let delta = &events[events.len() - 2];
    assert_eq!(
        (&delta["delta"]["stop_reason"], &delta["usage"]["output_tokens"]),
        (&json!("end_turn"), &json!(7))
    );
}

#[tokio::test]
async fn messages_thinking_and_tools() {
    let behaviour =
        Behaviour { reasoning: Some("hm".into()), tools: ToolUse::Always, ..Behaviour::default() };
    let server = always(behaviour).await;
    let body = json!({"model": "claude", "max_tokens": 9, "messages": [], "stream": true,
        "tools": [{"name": "f", "input_schema": {"properties": {"q": {"type": "string"}}}}]});
    let events = post(&server, "/v1/messages", body).await.events();
    let deltas: Vec<_> = events.iter().filter_map(|e| e["delta"]["type"].as_str()).collect();
    assert_eq!(deltas[..3], ["thinking_delta", "signature_delta", "input_json_delta"]);
    let input: String = events.iter().filter_map(|e| e["delta"]["partial_json"].as_str()).collect();
    assert_eq!(input, r#"{"q":"Paris"}"#);
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[tokio::test]
async fn openrouters_messages_end_with_done() {
    let body = json!({"model": "anthropic/claude", "max_tokens": 9, "messages": [], "stream": true});
    let answer = post(&hello().await, "/openrouter/api/v1/messages", body).await;
    assert!(answer.text().ends_with("event: data\ndata: [DONE]\n\n"));
    assert!(answer.events().iter().any(|e| e["usage"]["cost"].is_number()));
}

#[tokio::test]
async fn count_tokens_and_models() {
    let yaml = "models: {openai: [gpt-4o], anthropic: [claude-a, claude-b], openrouter: ['a/b:free']}";
    let server = MockServer::start(Script::from_yaml(yaml).unwrap()).await.unwrap();
    let body = json!({"model": "claude", "messages": [{"role": "user", "content": "hi"}]});
    assert!(post(&server, "/v1/messages/count_tokens", body).await.json()["input_tokens"].as_u64() > Some(0));
    let openai = get(&server, "/openai/v1/models").await.json();
    assert_eq!((&openai["object"], &openai["data"][0]["id"]), (&json!("list"), &json!("gpt-4o")));
    let anthropic = get(&server, "/anthropic/v1/models").await.json();
    assert_eq!(anthropic["last_id"], "claude-b");
    assert_eq!(anthropic["data"][0]["type"], "model");
    let openrouter = get(&server, "/openrouter/api/v1/models").await.json();
    assert!(openrouter["data"][0]["pricing"]["prompt"].is_string());
    assert_eq!(get(&server, "/openrouter/api/v1/models/a/b:free").await.json()["id"], "a/b:free");
    let missing = get(&server, "/openai/v1/models/nope").await;
    assert_eq!((missing.status(), missing.json()["error"]["code"].clone()), (404, json!("model_not_found")));
}

#[tokio::test]
async fn errors_have_the_providers_shape() {
    let server = MockServer::start(Script::default()).await.unwrap();
    for (path, status, pointer, expected) in [
        ("/openai/v1/chat/completions", 429, "/error/code", json!("rate_limit_exceeded")),
        ("/openai/v1/chat/completions", 503, "/error/type", json!("server_error")),
        ("/openai/v1/responses", 400, "/error/type", json!("invalid_request_error")),
        ("/anthropic/v1/messages", 529, "/error/type", json!("overloaded_error")),
        ("/anthropic/v1/messages", 429, "/error/type", json!("rate_limit_error")),
        ("/anthropic/v1/messages", 413, "/error/type", json!("request_too_large")),
        ("/anthropic/v1/messages", 500, "/type", json!("error")),
        ("/openrouter/api/v1/chat/completions", 402, "/error/code", json!(402)),
        ("/openrouter/api/v1/chat/completions", 502, "/error/metadata/provider_name", json!("Mock")),
        ("/openrouter/api/v1/messages", 402, "/error/type", json!("billing_error")),
    ] {
        server.set_script(Script::always(Behaviour::status(status)));
        for stream in [false, true] {
            let answer = post(&server, path, chat(stream)).await;
            assert_eq!(answer.status(), status, "{path}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.json().pointer(pointer), Some(&expected), "{path} {status}");
            assert!(answer.json()["error"]["message"].is_string());
        }
    }
}

#[tokio::test]
async fn keys_are_checked() {
    let script = Script::default()
        .accept_key(Flavour::OpenAi, "sk-good")
        .accept_key(Flavour::Anthropic, "sk-ant-good")
        .accept_key(Flavour::OpenRouter, "sk-or-good");
    let server = MockServer::start(script).await.unwrap();
    let body = chat(false).to_string();
    for (path, header, value, status, message) in [
        ("/openai/v1/chat/completions", "authorization", "Bearer sk-good", 200, ""),
        ("/openai/v1/chat/completions", "x-api-key", "sk-good", 401, "You didn't provide an API key"),
        (
            "/openai/v1/chat/completions",
            "authorization",
            "Bearer sk-wrong-0123456789",
            401,
            "sk-wrong*******6789",
        ),
        ("/openai/v1/models", "authorization", "Bearer sk-ant-good", 401, "Incorrect API key provided"),
        ("/anthropic/v1/messages", "x-api-key", "sk-ant-good", 200, ""),
        ("/anthropic/v1/messages", "authorization", "Bearer sk-ant-good", 200, ""),
        ("/anthropic/v1/messages", "x-api-key", "sk-good", 401, "invalid x-api-key"),
        ("/anthropic/v1/chat/completions", "authorization", "Bearer sk-ant-good", 200, ""),
        ("/openrouter/api/v1/chat/completions", "authorization", "Bearer no", 401, "User not found."),
        ("/openrouter/api/v1/chat/completions", "x-none", "1", 401, "No cookie auth credentials found"),
    ] {
        let answer = exchange(server.addr(), &request("POST", path, &[(header, value)], &body)).await;
        assert_eq!(answer.status(), status, "{path} {value}");
        assert!(answer.text().contains(message), "{path} {value}: {}", answer.text());
    }
}

#[tokio::test]
async fn bad_requests_and_strictness() {
    let yaml = "strict: true\nmodels: {openai: [gpt-5]}";
    let server = MockServer::start(Script::from_yaml(yaml).unwrap()).await.unwrap();
    let not_json = exchange(server.addr(), &request("POST", "/v1/chat/completions", &[], "{oops")).await;
    assert_eq!(not_json.status(), 400);
    assert_eq!(post(&server, "/v1/chat/completions", chat(false)).await.status(), 404, "unknown model");
    assert_eq!(get(&server, "/v1/chat/completions").await.status(), 405);
    assert_eq!(post(&server, "/v1/files", chat(false)).await.status(), 404);
    let version = post(&server, "/v1/messages", chat(false)).await;
    assert!(version.text().contains("anthropic-version: header is required"));
    let request =
        request("POST", "/v1/messages", &[("anthropic-version", "2023-06-01")], &chat(false).to_string());
    assert!(exchange(server.addr(), &request).await.text().contains("max_tokens: Field required"));
}

#[tokio::test]
async fn rate_limit_headers_and_overrides() {
    let limit = RateLimit { limit: 60, remaining: 3, reset_s: 7 };
    let behaviour = Behaviour { rate_limit: Some(limit), ..Behaviour::default() };
    let server = always(behaviour.header("X-Request-Id", "mine")).await;
    let openai = post(&server, "/v1/chat/completions", chat(false)).await;
    assert_eq!(openai.header("x-ratelimit-remaining-requests"), Some("3"));
    assert_eq!(openai.header("x-ratelimit-reset-tokens"), Some("7s"));
    assert_eq!(openai.header("x-request-id"), Some("mine"));
    let anthropic = post(&server, "/v1/messages", chat(false)).await;
    assert_eq!(anthropic.header("anthropic-ratelimit-requests-limit"), Some("60"));
    assert!(anthropic.header("anthropic-ratelimit-tokens-reset").unwrap().ends_with('Z'));
    let openrouter = post(&server, "/openrouter/api/v1/chat/completions", chat(false)).await;
    assert!(openrouter.header("x-ratelimit-reset").unwrap().len() >= 13, "milliseconds");
}

#[tokio::test]
async fn echo_and_body_override() {
    let server = always(Behaviour { echo: true, ..Behaviour::default() }).await;
    let json = post(&server, "/v1/chat/completions?x=1", chat(false)).await.json();
    let echo: Value =
        serde_json::from_str(json["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(echo["body"], chat(false));
    assert_eq!(echo["headers"]["authorization"], "***");
    let body = Behaviour { body: Some("plain".into()), ..Behaviour::status(418) };
    server.set_script(Script::always(body.header("content-type", "text/plain")));
    let answer = post(&server, "/v1/chat/completions", chat(true)).await;
    assert_eq!((answer.status(), answer.text().as_str()), (418, "plain"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
}
