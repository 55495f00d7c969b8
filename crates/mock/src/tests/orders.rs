//! The same prompt makes every provider do the same.

use super::client::{Answer, exchange, post, request};
use crate::aws::tests::authorization;
use crate::{MockServer, Script};
use serde_json::{Value, json};

/// The five dialects, and OpenRouter's chat for its reasoning.
const DIALECTS: [&str; 6] = ["chat", "responses", "messages", "gemini", "converse", "openrouter"];

/// A strict server with figures that are easy to recognise.
async fn server() -> MockServer {
    let yaml = "strict: true\notherwise: {usage: {input: 20, output: 9, cached: 5, reasoning: 4}}";
    MockServer::start(Script::from_yaml(yaml).unwrap()).await.unwrap()
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false})
}

/// A request with two tools on offer, thoughts wanted, in the words of a dialect.
fn body(dialect: &str, prompt: &str) -> Value {
    match dialect {
        "chat" | "openrouter" => json!({
            "model": "gpt-4o", "messages": [{"role": "user", "content": prompt}],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": schema()}},
                {"type": "function", "function": {"name": "g", "parameters": schema()}}],
        }),
        "responses" => json!({
            "model": "gpt-5", "input": prompt, "reasoning": {"summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "tools": [{"type": "function", "name": "f", "parameters": schema()},
                {"type": "function", "name": "g", "parameters": schema()}],
        }),
        "messages" => json!({
            "model": "claude-sonnet-4-5", "max_tokens": 4096, "messages": [{"role": "user", "content": prompt}],
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tools": [{"name": "f", "input_schema": schema()}, {"name": "g", "input_schema": schema()}],
        }),
        "gemini" => json!({
            "contents": [{"role": "user", "parts": [{"text": prompt}]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": true}},
            "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema()},
                {"name": "g", "parametersJsonSchema": schema()}]}],
        }),
        _ => json!({
            "messages": [{"role": "user", "content": [{"text": prompt}]}],
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": schema()}}},
                {"toolSpec": {"name": "g", "inputSchema": {"json": schema()}}}]},
        }),
    }
}

/// Sends a request as the dialect's clients do.
async fn send(server: &MockServer, dialect: &str, mut body: Value, stream: bool) -> Answer {
    let (plain, streamed) = match dialect {
        "chat" => ("/openai/v1/chat/completions", "/openai/v1/chat/completions"),
        "openrouter" => ("/openrouter/api/v1/chat/completions", "/openrouter/api/v1/chat/completions"),
        "responses" => ("/openai/v1/responses", "/openai/v1/responses"),
        "messages" => ("/anthropic/v1/messages", "/anthropic/v1/messages"),
        "gemini" => (
            "/google/v1beta/models/gemini-2.5-flash:generateContent",
            "/google/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ),
        _ => ("/model/claude/converse", "/model/claude/converse-stream"),
    };
    let path = if stream { streamed } else { plain };
    if stream && !matches!(dialect, "gemini" | "converse") {
        body["stream"] = json!(true);
    }
    let text = body.to_string();
    let mut headers = vec![("anthropic-version", "2023-06-01".to_owned()), ("x-goog-api-key", "k".into())];
    if dialect == "converse" {
        let date = "20260101T000000Z";
        headers.push(("x-amz-date", date.to_owned()));
        headers.push(("authorization", authorization("POST", path, "mock", date, &text)));
    }
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    exchange(server.addr(), &request("POST", path, &headers, &text)).await
}

async fn ask(server: &MockServer, dialect: &str, prompt: &str) -> Value {
    let answer = send(server, dialect, body(dialect, prompt), false).await;
    assert_eq!(answer.status(), 200, "{dialect}: {}", answer.text());
    answer.json()
}

/// Names and arguments of the calls in an answer.
fn calls(dialect: &str, answer: &Value) -> Vec<(String, Value)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let parsed = |v: &Value| serde_json::from_str::<Value>(v.as_str().unwrap()).unwrap();
    let list = |pointer: &str| answer.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    match dialect {
        "responses" => list("/output")
            .iter()
            .filter(|i| i["type"] == "function_call")
            .map(|i| (text(&i["name"]), parsed(&i["arguments"])))
            .collect(),
        "messages" => list("/content")
            .iter()
            .filter(|b| b["type"] == "tool_use")
            .map(|b| (text(&b["name"]), b["input"].clone()))
            .collect(),
        "gemini" => list("/candidates/0/content/parts")
            .iter()
            .filter_map(|p| p.get("functionCall"))
            .map(|c| (text(&c["name"]), c["args"].clone()))
            .collect(),
        "converse" => list("/output/message/content")
            .iter()
            .filter_map(|b| b.get("toolUse"))
            .map(|c| (text(&c["name"]), c["input"].clone()))
            .collect(),
        _ => list("/choices/0/message/tool_calls")
            .iter()
            .map(|c| (text(&c["function"]["name"]), parsed(&c["function"]["arguments"])))
            .collect(),
    }
}

#[tokio::test]
async fn calls_one_or_several() {
    let server = server().await;
    for dialect in DIALECTS {
        let one = ask(&server, dialect, "[[tool f {\"city\":\"Oslo\"}]]").await;
        assert_eq!(calls(dialect, &one), [("f".into(), json!({"city": "Oslo"}))], "{dialect} {one}");
        let two = ask(&server, dialect, "[[tools f {\"city\":\"A\"}; g {\"city\":\"B\"}]]").await;
        let expected = [("f".into(), json!({"city": "A"})), ("g".into(), json!({"city": "B"}))];
        assert_eq!(calls(dialect, &two), expected, "{dialect} {two}");
        let unknown = ask(&server, dialect, "[[tool h {}]]").await;
        assert!(calls(dialect, &unknown).is_empty(), "{dialect}: a tool that is not on offer");
        let reasons = ["tool_calls", "tool_use", "STOP", "completed"];
        assert!(reasons.iter().any(|r| two.to_string().contains(r)), "{dialect}");
    }
}

#[tokio::test]
async fn thoughts_are_shown_and_signed() {
    let server = server().await;
    for (dialect, pointer, state) in [
        ("responses", "/output/0/summary/0/text", "/output/0/encrypted_content"),
        ("messages", "/content/0/thinking", "/content/0/signature"),
        ("gemini", "/candidates/0/content/parts/0/text", "/candidates/0/content/parts/1/thoughtSignature"),
        (
            "converse",
            "/output/message/content/0/reasoningContent/reasoningText/text",
            "/output/message/content/0/reasoningContent/reasoningText/signature",
        ),
        ("openrouter", "/choices/0/message/reasoning", "/choices/0/message/reasoning_details/0/signature"),
    ] {
        let answer = ask(&server, dialect, "[[think let me see]] [[say Hi]]").await;
        assert_eq!(answer.pointer(pointer), Some(&json!("let me see")), "{dialect} {answer}");
        assert!(answer.pointer(state).is_some_and(Value::is_string), "{dialect} {answer}");
    }
    let chat = ask(&server, "chat", "[[think let me see]] [[say Hi]]").await;
    assert!(!chat.to_string().contains("let me see"), "OpenAI does not show them here");
    assert_eq!(chat["usage"]["completion_tokens_details"]["reasoning_tokens"], 4);
}

#[tokio::test]
async fn thoughts_are_hidden_unless_wanted() {
    let server = server().await;
    for (dialect, wish) in [
        ("responses", "reasoning"),
        ("messages", "thinking"),
        ("gemini", "generationConfig"),
        ("converse", "additionalModelRequestFields"),
    ] {
        let mut body = body(dialect, "[[think let me see]]");
        body.as_object_mut().unwrap().remove(wish);
        let answer = send(&server, dialect, body, false).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(!answer.text().contains("let me see"), "{dialect}");
    }
}

#[tokio::test]
async fn refusals_limits_and_errors() {
    let server = server().await;
    for (dialect, refusal, limit) in [
        ("chat", ("/choices/0/message/refusal", "No."), ("/choices/0/finish_reason", "length")),
        (
            "responses",
            ("/output/0/content/0/refusal", "No."),
            ("/incomplete_details/reason", "max_output_tokens"),
        ),
        ("messages", ("/stop_reason", "refusal"), ("/stop_reason", "max_tokens")),
        ("gemini", ("/candidates/0/finishReason", "SAFETY"), ("/candidates/0/finishReason", "MAX_TOKENS")),
        ("converse", ("/stopReason", "content_filtered"), ("/stopReason", "max_tokens")),
    ] {
        let refused = ask(&server, dialect, "[[refuse No.]]").await;
        assert_eq!(refused.pointer(refusal.0), Some(&json!(refusal.1)), "{dialect} {refused}");
        let cut = ask(&server, dialect, "[[cut]]").await;
        assert_eq!(cut.pointer(limit.0), Some(&json!(limit.1)), "{dialect} {cut}");
        for stream in [false, true] {
            let failed = send(&server, dialect, body(dialect, "[[error 429 slow down]]"), stream).await;
            assert_eq!(failed.status(), 429, "{dialect}");
            assert!(failed.text().contains("slow down"), "{dialect}");
        }
    }
}

#[tokio::test]
async fn streams_say_the_same() {
    let server = server().await;
    for (dialect, prompt, wanted) in [
        ("chat", "[[refuse No way.]]", "{\"refusal\":\"No \"}"),
        ("responses", "[[refuse No way.]]", "response.refusal.done"),
        ("responses", "[[think hm hm]] [[say Hi]]", "response.reasoning_summary_text.delta"),
        ("responses", "[[cut]]", "response.incomplete"),
        ("messages", "[[refuse No way.]]", "\"stop_reason\":\"refusal\""),
        ("gemini", "[[think hm]] [[say Hi]]", "{\"text\":\"hm\",\"thought\":true}"),
        ("gemini", "[[tools f {\"city\":\"A\"}; g {\"city\":\"B\"}]]", "\"args\":{\"city\":\"B\"}"),
        ("gemini", "[[say Hi]]", "\"thoughtsTokenCount\":4"),
        ("chat", "[[tools f {\"city\":\"A\"}; g {\"city\":\"B\"}]]", "\"index\":1"),
        ("messages", "[[tools f {\"city\":\"A\"}; g {\"city\":\"B\"}]]", "\"index\":1"),
    ] {
        let answer = send(&server, dialect, body(dialect, prompt), true).await;
        assert_eq!(answer.status(), 200, "{dialect} {}", answer.text());
        assert!(answer.text().contains(wanted), "{dialect} {prompt}: {}", answer.text());
    }
    let gemini = send(&server, "gemini", body("gemini", "[[say Hi there]]"), true).await;
    assert!(gemini.text().ends_with("\r\n\r\n") && gemini.text().starts_with("data: {"));
}

#[tokio::test]
async fn json_files_and_results() {
    let server = server().await;
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}});
    let chat =
        |content: Value| json!({"model": "gpt-4o", "messages": [{"role": "user", "content": content}]});
    let ask = async |body: Value| {
        let answer = post(&server, "/openai/v1/chat/completions", body).await;
        answer.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    };
    let seen = ask(chat(json!([{"type": "text", "text": "[[see]]"}, image]))).await;
    assert_eq!(seen, "I see image/png of 5 bytes");
    assert_eq!(ask(chat(json!("[[json {\"a\":1}]]"))).await, "Sure! Here it is: {\"a\":1}");
    let mut strict = chat(json!("[[json {\"a\":1}]]"));
    strict["response_format"] = json!({"type": "json_object"});
    assert_eq!(ask(strict).await, "{\"a\":1}");
    let mut made = chat(json!("hi"));
    made["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema()}});
    assert_eq!(ask(made).await, "{\"city\":\"Paris\"}");
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let mut answered = body("chat", "[[tool f {}]]");
    let messages = answered["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
    messages.push(json!({"role": "tool", "tool_call_id": "c", "content": "sunny"}));
    assert_eq!(ask(answered).await, "The tools said: sunny");
}
