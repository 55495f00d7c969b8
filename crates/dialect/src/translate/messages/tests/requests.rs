//! Requests of Anthropic's documentation, read and written again.

use super::*;
use crate::translate::request::{Function, Output, Reasoning, Source, Tool, ToolChoice};
use crate::translate::state::{State, StateKind};
use serde_json::json;

/// <https://platform.claude.com/docs/en/build-with-claude/working-with-messages>
fn vision() -> Value {
    json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQSkZJRg=="}},
            {"type": "image", "source": {"type": "url", "url": "https://upload.wikimedia.org/a.jpg"}},
            {"type": "image", "source": {"type": "file", "file_id": "file_abc123"}},
            {"type": "text", "text": "What is in the above image?"}
        ]}]
    })
}

/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview>
fn tools() -> Value {
    json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 1024,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": "What's the weather like in San Francisco?"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "I'll check the current weather in San Francisco for you."},
                {"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "get_weather",
                 "input": {"location": "San Francisco, CA", "unit": "celsius"}}
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_01A09q90qw90lq917835lq9", "content": "15 degrees"},
                {"type": "text", "text": "And tomorrow?", "cache_control": {"type": "ephemeral"}}
            ]}
        ],
        "tools": [{
            "name": "get_weather",
            "description": "Get the current weather in a given location",
            "input_schema": {
                "type": "object",
                "properties": {
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                    "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
                },
                "required": ["location"]
            },
            "strict": true,
            "cache_control": {"type": "ephemeral"}
        }, {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true}
    })
}

#[test]
fn examples_come_back_as_they_were() {
    // .../build-with-claude/extended-thinking
    let thinking = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 16000,
        "thinking": {"type": "enabled", "budget_tokens": 10000, "display": "omitted"},
        "messages": [
            {"role": "user", "content": "Are there an infinite number of prime numbers such that n mod 4 == 3?"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Let me analyze this step by step...", "signature": "WaUjzkypQ2mUEVM36O2T"},
                {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4a"},
                {"type": "text", "text": "Based on my analysis..."}
            ]},
            {"role": "user", "content": "Go on"}
        ]
    });
    // .../build-with-claude/structured-outputs, .../effort, .../adaptive-thinking
    let structured = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "John Smith (john@example.com) wants a demo"}],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "medium", "format": {"type": "json_schema", "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "demo_requested": {"type": "boolean"}},
            "required": ["name"],
            "additionalProperties": false
        }}}
    });
    // .../api/messages
    let settings = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 1024,
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "system", "content": "The user has left."},
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": [
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="},
                 "title": "A", "cache_control": {"type": "ephemeral"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "The grass is green."}},
                {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
                {"type": "text", "text": "Read", "citations": [{"type": "char_location", "cited_text": "x",
                 "document_index": 0, "document_title": null, "start_char_index": 0, "end_char_index": 1}]}
            ]}
        ],
        "temperature": 0.5, "top_p": 0.9, "top_k": 5,
        "stop_sequences": ["\n\nHuman:", "END"],
        "stream": true,
        "metadata": {"user_id": "13803d75-b4b5-4c3e-b2a2-6f21399b021b"},
        "service_tier": "standard_only",
        "container": {"id": "container_1"},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "mcp_servers": [{"type": "url", "url": "https://example.com/mcp", "name": "x"}]
    });
    for body in [vision(), tools(), thinking, structured, settings] {
        let translated = again(&body, &TARGET);
        assert_eq!(json(&translated.body), body);
        assert_eq!(translated.lost, Vec::<String>::new());
    }
}

#[test]
fn what_others_see_of_it() {
    let body = tools().to_string();
    let request = read_request(body.as_bytes()).unwrap();
    assert_eq!(request.model, "claude-sonnet-4-5");
    assert_eq!(request.max_output_tokens, Some(1024));
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    assert_eq!(request.parallel_tool_calls, Some(false));
    let [Tool::Function(Function { parameters: Some(schema), .. }), Tool::Native(native)] =
        &request.tools[..]
    else {
        panic!("{:?}", request.tools)
    };
    let order = serde_json::to_string(schema).unwrap();
    assert!(order.find("\"unit\"") < order.find("\"location\""), "members keep their order: {order}");
    assert_eq!(native.get("type").as_str(), Some("web_search_20250305"));
    let Part::ToolCall(call) = &request.turns[1].parts[1] else { panic!() };
    assert_eq!(call.arguments, r#"{"location":"San Francisco, CA","unit":"celsius"}"#);
    let Part::ToolResult(result) = &request.turns[2].parts[0] else { panic!() };
    assert_eq!((&*result.id, result.name.as_deref()), ("toolu_01A09q90qw90lq917835lq9", Some("get_weather")));

    let body = vision().to_string();
    let request = read_request(body.as_bytes()).unwrap();
    let Part::Image(picture) = &request.turns[0].parts[0] else { panic!() };
    assert_eq!(picture.source, Source::Base64("/9j/4AAQSkZJRg==".into()));
    assert!(
        matches!(&picture.source, Source::Base64(std::borrow::Cow::Borrowed(_))),
        "pictures are not copied"
    );
}

#[test]
fn a_body_of_count_tokens_has_no_limit() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;
    assert_eq!(read_request(body).unwrap().max_output_tokens, None);
    let body = br#"{"model":"m","max_tokens":0,"messages":[]}"#;
    assert_eq!(read_request(body).unwrap().max_output_tokens, Some(0), "warms the cache");
}

#[test]
fn thinking_is_read() {
    for (given, want) in [
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}),
            Reasoning { enabled: Some(true), budget: Some(2000), show: Some(true), ..Reasoning::default() },
        ),
        (
            json!({"thinking": {"type": "disabled"}}),
            Reasoning { enabled: Some(false), ..Reasoning::default() },
        ),
        (
            json!({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}}),
            Reasoning {
                enabled: Some(true),
                adaptive: true,
                show: Some(false),
                effort: Some("max".into()),
                ..Reasoning::default()
            },
        ),
        (
            json!({"output_config": {"effort": "low"}}),
            Reasoning { effort: Some("low".into()), ..Reasoning::default() },
        ),
    ] {
        let mut body = json!({"model": "m", "messages": []});
        body.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        let body = body.to_string();
        assert_eq!(read_request(body.as_bytes()).unwrap().reasoning, Some(want), "{given}");
    }
}

/// Blocks that other dialects do not have become what they are about, or are named.
#[test]
fn blocks_of_its_own() {
    let body = json!({"model": "m", "output_format": {"type": "json_schema", "schema": {"type": "object"}}, "messages": [
        {"role": "user", "content": [
            {"type": "document", "title": "T", "context": "From 1999.", "citations": {"enabled": true},
             "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}},
            {"type": "search_result", "source": "https://x.test", "title": "X", "content": [{"type": "text", "text": "y"}],
             "citations": {"enabled": false}},
        ]},
        {"role": "assistant", "content": [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "text", "text": "Found.", "citations": []},
            {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}, "odd": 1},
            {"type": "thinking", "thinking": "", "signature": ""},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": [
            {"type": "tool_reference", "tool_name": "get_time"},
            {"type": "browser_state", "tabs": [{"id": 1}]},
        ]}], "cache": {}},
    ], "metadata": {"user_id": "u", "x": 1}, "tools": [
        {"name": "f", "input_schema": {"type": "object"}, "defer_loading": true, "allowed_callers": ["direct"],
         "eager_input_streaming": false}
    ]});
    let body = body.to_string();
    let request = read_request(body.as_bytes()).unwrap();
    let [Part::Text(context), Part::Document(own), Part::Document(found)] = &request.turns[0].parts[..]
    else {
        panic!("{:?}", request.turns[0])
    };
    assert_eq!((&*context.text, own.name.as_deref()), ("From 1999.", Some("T")));
    assert_eq!(own.source, Source::Text("a\nb".into()));
    assert_eq!(found.source, Source::Text("https://x.test\n\ny".into()));
    let [Part::Text(_), Part::ToolCall(_)] = &request.turns[1].parts[..] else {
        panic!("{:?}", request.turns[1])
    };
    let Part::ToolResult(result) = &request.turns[2].parts[0] else { panic!() };
    assert_eq!(result.parts, [Part::text("get_time"), Part::text(r#"Open tabs: [{"id":1}]"#)]);
    assert!(result.is_error);
    assert!(matches!(request.output, Output::Schema { .. }));
    assert_eq!(
        request.lost,
        [
            "messages[0].content[0].citations",
            "messages[1].content[0]",
            "messages[1].content[1]",
            "messages[1].content[3].odd",
            "tools[0].defer_loading",
            "metadata.x"
        ]
    );
}

#[test]
fn a_summary_stands_for_what_was_before_it() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"old"},{"role":"assistant","content":[
        {"type":"text","text":"older"},{"type":"compaction","content":"They greeted."},{"type":"text","text":"Hi"},
        {"type":"compaction","content":null}]},{"role":"user","content":"new"}]}"#;
    let request = read_request(body).unwrap();
    assert_eq!(request.turns.len(), 2);
    assert_eq!(request.turns[0].parts, [Part::text("They greeted."), Part::text("Hi")]);
}

#[test]
fn a_document_of_texts_and_pictures_is_taken_apart() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":[{"type":"document","title":"T","source":{
        "type":"content","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"url","url":"https://x"}}]
    }}]}]}"#;
    let request = read_request(body).unwrap();
    let [Part::Text(title), Part::Text(a), Part::Image(_)] = &request.turns[0].parts[..] else {
        panic!("{:?}", request.turns)
    };
    assert_eq!((&*title.text, &*a.text), ("T", "a"));
}

/// A client of Messages gets Gemini's state of a call as a block before it, and sends it back.
#[test]
fn state_of_a_call_finds_it_again() {
    let state = State {
        data: "c2ln".into(),
        surface: Surface::GenerateContent,
        provider: None,
        kind: StateKind::Signature,
    };
    let data = state.written(Surface::Messages, "google").into_owned();
    let body = json!({"model": "m", "messages": [{"role": "assistant", "content": [
        {"type": "redacted_thinking", "data": data},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    ]}]});
    let body = body.to_string();
    let request = read_request(body.as_bytes()).unwrap();
    let [Part::ToolCall(call)] = &request.turns[0].parts[..] else { panic!("{:?}", request.turns) };
    assert_eq!(call.state, Some(State { provider: Some("google".into()), ..state }));
}
