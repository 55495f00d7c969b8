//! What each API refuses, in its words.

use super::client::{exchange, request};
use crate::aws::tests::authorization;
use crate::seal::{CLAUDE, GEMINI, OPENAI, closed, seal};
use crate::{MockServer, Script};
use serde_json::{Value, json};

async fn server() -> MockServer {
    MockServer::start(Script { strict: true, ..Script::default() }).await.unwrap()
}

/// Changes members of a good body, then says what the answer's error contains, or nothing when it is good.
async fn table(path: &str, good: Value, rows: Vec<(Value, &str)>) {
    let server = server().await;
    for (change, expected) in rows {
        let mut body = good.clone();
        for (name, value) in change.as_object().unwrap() {
            body[name.as_str()] = value.clone();
        }
        let text = body.to_string();
        let date = "20260101T000000Z";
        let signature = authorization("POST", path, "mock", date, &text);
        let mut headers =
            vec![("anthropic-version", "2023-06-01"), ("x-goog-api-key", "k"), ("x-amz-date", date)];
        if path.starts_with("/model/") {
            headers.push(("authorization", &signature));
        }
        let answer = exchange(server.addr(), &request("POST", path, &headers, &text)).await;
        let (status, wanted) = (answer.status(), if expected.is_empty() { 200 } else { 400 });
        assert_eq!(status, wanted, "{change}: {}", answer.text());
        assert!(answer.text().replace("\\\"", "\"").contains(expected), "{change}: {}", answer.text());
    }
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn closed_object() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false})
}

#[tokio::test]
async fn chat() {
    let call = |id: &str| {
        json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]})
    };
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "x"});
    let function =
        |schema: Value| json!([{"type": "function", "function": {"name": "f", "parameters": schema}}]);
    let format = |schema: Value| json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}});
    let long = "c".repeat(41);
    let good = json!({"model": "gpt-4o", "messages": [user("hi")]});
    let rows = vec![
        (json!({}), ""),
        (json!({"top_k": 3}), "Unrecognized request argument supplied: top_k"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": [user("hi"), call("c"), result("c")]}), ""),
        (json!({"messages": [user("hi"), call("c"), user("and?")]}), "did not have response messages: c"),
        (json!({"messages": [user("hi"), call("c")]}), "did not have response messages: c"),
        (json!({"messages": [user("hi"), result("c")]}), "must be a response to a preceeding message"),
        (json!({"messages": [user("hi"), call(&long), result(&long)]}), "maximum length 40"),
        (json!({"messages": [{"role": "model", "content": "x"}]}), "Supported values are"),
        (json!({"messages": [{"role": "assistant", "content": null}]}), "got null"),
        (json!({"messages": [{"role": "user", "content": [{"type": "image"}]}]}), "'image'. Supported"),
        (json!({"tools": function(closed_object()), "tool_choice": "required"}), ""),
        (json!({"tools": function(json!({"type": "string"}))}), "got 'type: "),
        (json!({"tools": []}), "empty array"),
        (json!({"tool_choice": "auto"}), "only allowed when 'tools' are specified"),
        (json!({"parallel_tool_calls": false}), "only allowed when 'tools' are specified"),
        (json!({"response_format": format(closed_object())}), ""),
        (
            json!({"response_format": format(json!({"type": "object", "properties": {}}))}),
            "additionalProperties",
        ),
        (json!({"response_format": {"type": "json_object"}}), "must contain the word 'json'"),
        (json!({"stream_options": {"include_usage": true}}), "only allowed when 'stream' is enabled"),
        (json!({"reasoning_effort": "low"}), "reasoning_effort"),
        (json!({"model": "gpt-5", "max_tokens": 5}), "Use 'max_completion_tokens' instead"),
        (json!({"model": "gpt-5", "reasoning_effort": "low", "max_completion_tokens": 5}), ""),
        (json!({"temperature": 3}), "temperature"),
    ];
    table("/openai/v1/chat/completions", good.clone(), rows).await;
    let rows = vec![
        (json!({"provider": {}, "top_k": 3}), ""),
        (json!({"models": ["a", "b", "c", "d"]}), "'models' array must have 3 items or fewer."),
    ];
    table("/openrouter/api/v1/chat/completions", good, rows).await;
}

#[tokio::test]
async fn responses() {
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let result = json!({"type": "function_call_output", "call_id": "c", "output": "x"});
    let thought = |state: &str| {
        json!([user("hi"), {"type": "reasoning", "id": "rs_1", "summary": [],
        "encrypted_content": state}])
    };
    let good = json!({"model": "gpt-5", "input": "hi"});
    let rows = vec![
        (json!({}), ""),
        (json!({"messages": []}), "Unknown parameter: 'messages'."),
        (json!({"max_output_tokens": 5}), "Expected a value >= 16"),
        (json!({"input": [user("hi"), call, result]}), ""),
        (json!({"input": [user("hi"), call]}), "No tool output found for function call c."),
        (json!({"input": [user("hi"), result]}), "No tool call found"),
        (json!({"input": [{"role": "tool", "content": "x"}]}), "Supported values are"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
            "Invalid value: 'text'",
        ),
        (
            json!({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]}),
            "'output_text', 'refusal'",
        ),
        (json!({"input": [{"role": "assistant", "id": "x", "content": "x"}]}), "begins with 'msg'"),
        (json!({"input": thought(&closed(OPENAI, "x"))}), ""),
        (json!({"input": thought("gAAAA")}), "could not be verified"),
        (json!({"text": {"format": {"type": "json_schema", "schema": {}}}}), "text.format.name"),
        (json!({"model": "gpt-4o", "reasoning": {"effort": "low"}}), "reasoning.effort"),
    ];
    table("/openai/v1/responses", good.clone(), rows).await;
    let rows = vec![(json!({"store": true}), "stateless"), (json!({"store": false}), "")];
    table("/openrouter/api/v1/responses", good, rows).await;
}

fn said(role: &str, blocks: Value) -> Value {
    json!({"role": role, "content": blocks})
}

#[tokio::test]
async fn messages() {
    let call =
        |id: &str| said("assistant", json!([{"type": "tool_use", "id": id, "name": "f", "input": {}}]));
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "x"});
    let results = |blocks: Value| said("user", blocks);
    let text = json!({"type": "text", "text": "x"});
    let good = json!({"model": "claude-sonnet-4-5", "max_tokens": 2048, "messages": [user("hi")]});
    let rows = vec![
        (json!({}), ""),
        (json!({"max_tokens": null}), "max_tokens: Field required"),
        (json!({"seed": 1}), "seed: Extra inputs are not permitted"),
        (json!({"messages": [user("a"), user("b")]}), "roles must alternate"),
        (json!({"messages": [{"role": "system", "content": "x"}]}), "Unexpected role \"system\""),
        (
            json!({"messages": [{"role": "user", "content": "x", "name": "y"}]}),
            "messages.0.name: Extra inputs",
        ),
        (json!({"messages": [user("")]}), "non-empty"),
        (json!({"messages": [user("a"), call("t"), results(json!([result("t")]))]}), ""),
        (
            json!({"messages": [user("a"), call("t"), user("b")]}),
            "without `tool_result` blocks immediately after: t",
        ),
        (json!({"messages": [user("a"), call("t")]}), "without `tool_result` blocks"),
        (
            json!({"messages": [user("a"), call("t"), results(json!([text, result("t")]))]}),
            "immediately after",
        ),
        (json!({"messages": [results(json!([result("t")]))]}), "unexpected `tool_use_id`"),
        (
            json!({"messages": [user("a"), call("t:1"), results(json!([result("t:1")]))]}),
            "should match pattern",
        ),
        (json!({"temperature": 1.5}), "temperature: range: 0..1"),
        (json!({"temperature": 1, "top_p": 1}), "cannot both be specified"),
        (json!({"system": [{"type": "text", "text": ""}]}), "system: text content blocks must be non-empty"),
        (json!({"tools": [{"name": "f"}]}), "tools.0.custom.input_schema: Field required"),
        (json!({"tool_choice": {"type": "any"}}), "only be specified while providing tools"),
        (json!({"output_config": {"format": {"type": "json_schema", "schema": closed_object()}}}), ""),
        (
            json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}),
            "'additionalProperties' must be explicitly set to false",
        ),
        (json!({"output_config": {"effort": "low"}}), "does not support the effort parameter"),
        (json!({"model": "claude-opus-4-6", "output_config": {"effort": "low"}}), ""),
    ];
    table("/anthropic/v1/messages", good, rows).await;
}

#[tokio::test]
async fn messages_with_thoughts() {
    let thought = |signature: String| json!({"type": "thinking", "thinking": "hm", "signature": signature});
    let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": {}});
    let result = said("user", json!([{"type": "tool_result", "tool_use_id": "t", "content": "x"}]));
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let good = json!({"model": "claude-sonnet-4-5", "max_tokens": 2048, "messages": [user("hi")],
        "thinking": {"type": "enabled", "budget_tokens": 1024}});
    let history = |blocks: Value| json!({"messages": [user("a"), said("assistant", blocks), result]});
    let rows = vec![
        (json!({}), ""),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 1000}}), "greater than or equal to 1024"),
        (json!({"max_tokens": 1024}), "must be greater than `thinking.budget_tokens`"),
        (json!({"thinking": {"type": "adaptive"}}), "adaptive thinking is not supported"),
        (json!({"thinking": {"type": "adaptive"}, "model": "claude-sonnet-4-6"}), ""),
        (json!({"temperature": 0.5}), "may only be set to 1"),
        (json!({"top_k": 5}), "`top_k` must be unset"),
        (json!({"tools": tools, "tool_choice": {"type": "any"}}), "forces tool use"),
        (history(json!([thought(seal(CLAUDE, "hm")), call])), ""),
        (history(json!([thought(seal(CLAUDE, "other")), call])), "Invalid `signature` in `thinking` block"),
        (history(json!([thought(seal(GEMINI, "hm")), call])), "Invalid `signature` in `thinking` block"),
        (history(json!([call])), "Expected `thinking` or `redacted_thinking`, but found `tool_use`"),
    ];
    table("/anthropic/v1/messages", good, rows).await;
}

#[tokio::test]
async fn gemini() {
    let part = |part: Value| json!({"contents": [{"role": "user", "parts": [part]}]});
    let turn = |role: &str, parts: Value| json!({"role": role, "parts": parts});
    let hi = turn("user", json!([{"text": "hi"}]));
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let response = |name: &str| json!({"functionResponse": {"name": name, "response": {}}});
    let tools = |parameters: Value| json!({"tools": [{"functionDeclarations": [{"name": "f", "parameters": parameters}]}]});
    let two = turn("model", json!([call("f"), call("g")]));
    let rows = vec![
        (json!({}), ""),
        (json!({"system_instruction": {"parts": [{"text": "x"}]}}), ""),
        (json!({"messages": []}), "Unknown name \"messages\": Cannot find field."),
        (
            json!({"generationConfig": {"max_tokens": 5}}),
            "Unknown name \"max_tokens\" at 'generation_config'",
        ),
        (tools(json!({"type": "object", "properties": {"a": {"type": "STRING"}}})), ""),
        (
            tools(closed_object()),
            "Unknown name \"additionalProperties\" at 'tools[0].function_declarations[0]",
        ),
        (tools(json!({"type": ["string", "null"]})), "Invalid value at"),
        (json!({"contents": []}), "contents is not specified"),
        (json!({"contents": [turn("assistant", json!([{"text": "x"}]))]}), "valid role: user, model"),
        (json!({"contents": [turn("user", json!([]))]}), "parts must not be empty"),
        (part(json!({"inlineData": {"mimeType": "image/png", "data": "!"}})), "Base64 decoding failed"),
        (part(json!({})), "required oneof field 'data'"),
        (json!({"contents": [hi, two, turn("user", json!([response("g"), response("f")]))]}), ""),
        (
            json!({"contents": [hi, two, turn("user", json!([response("f")]))]}),
            "number of function response parts",
        ),
        (json!({"contents": [hi, two, turn("user", json!([response("f"), response("h")]))]}), "names match"),
        (
            json!({"contents": [hi, turn("user", json!([response("f")]))]}),
            "immediately after a function call turn",
        ),
        (json!({"contents": [two]}), "comes immediately after a user turn"),
        (json!({"generationConfig": {"responseJsonSchema": {}}}), "response_mime_type"),
        (
            json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}),
            "not supported for this model",
        ),
        (
            json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 1}}}),
            "only one of thinking budget",
        ),
    ];
    let good = json!({"contents": [hi]});
    table("/google/v1beta/models/gemini-2.5-flash:generateContent", good, rows).await;
}

#[tokio::test]
async fn gemini_3_wants_its_signatures_back() {
    let turn = |role: &str, parts: Value| json!({"role": role, "parts": parts});
    let call = |signature: Option<String>| {
        let mut part = json!({"functionCall": {"name": "f", "args": {}}});
        if let Some(signature) = signature {
            part["thoughtSignature"] = json!(signature);
        }
        let result = json!({"functionResponse": {"name": "f", "response": {}}});
        json!({"contents": [turn("user", json!([{"text": "hi"}])), turn("model", json!([part])),
            turn("user", json!([result]))]})
    };
    let rows = vec![
        (call(Some(seal(GEMINI, "f"))), ""),
        (call(Some("skip_thought_signature_validator".into())), ""),
        (call(None), "missing a thought_signature"),
        (call(Some(seal(CLAUDE, "f"))), "Thought signature is not valid"),
    ];
    table("/google/v1beta/models/gemini-3-pro:generateContent", json!({}), rows).await;
}

#[tokio::test]
async fn converse() {
    let said = |role: &str, blocks: Value| json!({"role": role, "content": blocks});
    let hi = said("user", json!([{"text": "hi"}]));
    let call = said("assistant", json!([{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}]));
    let result =
        |id: &str| said("user", json!([{"toolResult": {"toolUseId": id, "content": [{"text": "x"}]}}]));
    let spec = json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]});
    let rows = vec![
        (json!({}), ""),
        (json!({"max_tokens": 5}), "extraneous key [max_tokens]"),
        (json!({"inferenceConfig": {"temperature": 1.5}}), "inferenceConfig.temperature"),
        (json!({"messages": [hi, hi]}), "must alternate"),
        (json!({"messages": [call]}), "must start with a user message"),
        (json!({"messages": [said("user", json!([{"text": " "}]))]}), "is blank"),
        (
            json!({"messages": [said("user", json!([{"text": "a", "image": {}}]))]}),
            "exactly one content type",
        ),
        (json!({"messages": [hi, call, result("t")], "toolConfig": spec}), ""),
        (json!({"messages": [hi, call, result("t")]}), "toolConfig field must be defined"),
        (
            json!({"messages": [hi, call, result("u")], "toolConfig": spec}),
            "exceeds the number of toolUse blocks",
        ),
        (json!({"messages": [hi, call, hi], "toolConfig": spec}), "Expected toolResult blocks"),
    ];
    table("/model/claude/converse", json!({"messages": [hi]}), rows).await;
}
