//! Requests of other dialects, written for Anthropic.

use super::*;
use crate::translate::request::{
    Cache, Function, Media, Output, Source, TextPart, Thought, Tool, ToolChoice,
};
use crate::translate::state::{State, StateKind};
use serde_json::json;

const CHAT: Surface = Surface::ChatCompletions;

#[test]
fn a_plain_question() {
    let request = Request {
        system: vec![Part::text("Be brief.")],
        temperature: Some(0.2),
        stop: vec!["END".into()],
        user: Some("u1".into()),
        stream: true,
        ..question()
    };
    let want = json!({
        "model": "claude-sonnet-4-5", "max_tokens": 32000, "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.2, "stop_sequences": ["END"], "metadata": {"user_id": "u1"}, "stream": true
    });
    assert_eq!(written(&request, CHAT, &TARGET).unwrap(), (want, vec![]));
}

#[test]
fn a_limit_is_always_said() {
    for (client, model, want) in [
        (Some(5), Some(64_000), 5),
        (None, Some(8_192), 8_192),
        (None, Some(128_000), 32_000),
        (None, None, 4_096),
    ] {
        let request = Request { max_output_tokens: client, ..question() };
        let target = Target { max_output_tokens: model, ..TARGET };
        assert_eq!(written(&request, CHAT, &target).unwrap().0["max_tokens"], json!(want));
    }
}

/// Chat has a message for each result, Responses an item for each call: here they are turns.
#[test]
fn turns_alternate_and_results_come_first() {
    let request = Request {
        turns: vec![
            turn(Role::User, vec![Part::text("a")]),
            turn(Role::User, vec![Part::text("b")]),
            turn(Role::Assistant, vec![Part::text(" ")]),
            turn(Role::Assistant, vec![Part::text("c"), call("call.1", "f", "{\"x\": 1}")]),
            turn(Role::Assistant, vec![call("call.2", "g", "")]),
            turn(Role::User, vec![result("call.2", "two")]),
            turn(Role::User, vec![Part::text("wait")]),
            turn(Role::User, vec![result("call.1", "one")]),
            turn(Role::System, vec![Part::text("In French now.")]),
            turn(Role::Assistant, vec![Part::text("Bon \n")]),
        ],
        system: vec![Part::text("first")],
        ..question()
    };
    let (body, lost) = written(&request, CHAT, &TARGET).unwrap();
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "c"},
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "call_2", "name": "g", "input": {}}
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_2", "content": "two"},
                {"type": "tool_result", "tool_use_id": "call_1", "content": "one"},
                {"type": "text", "text": "wait"}
            ]},
            {"role": "assistant", "content": "Bon"}
        ])
    );
    assert_eq!(
        body["system"],
        json!([{"type": "text", "text": "first"}, {"type": "text", "text": "In French now."}])
    );
    let bare = |name| json!({"name": name, "input_schema": {"type": "object"}});
    assert_eq!(body["tools"], json!([bare("f"), bare("g")]), "calls of the past are declared");
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn only_instructions_are_a_question() {
    let request = Request { system: vec![Part::text("Tell a joke.")], turns: vec![], ..question() };
    let (body, _) = written(&request, CHAT, &TARGET).unwrap();
    assert_eq!(body["messages"], json!([{"role": "user", "content": "Tell a joke."}]));
    assert_eq!(body.get("system"), None);
}

/// Gemini's calls have no ids.
#[test]
fn ids_are_made_and_found() {
    let named = |name: &'static str, text: &'static str| {
        let Part::ToolResult(mut result) = result("", text) else { unreachable!() };
        result.name = Some(name.into());
        Part::ToolResult(result)
    };
    let request = Request {
        turns: vec![
            turn(Role::User, vec![Part::text("a")]),
            turn(Role::Assistant, vec![call("", "f", "{}"), call("", "g", "{}"), call("", "f", "{}")]),
            turn(Role::User, vec![named("g", "1"), named("f", "2"), named("f", "3")]),
        ],
        ..question()
    };
    let (body, _) = written(&request, Surface::GenerateContent, &TARGET).unwrap();
    let ids = |at: usize, field: &str| -> Vec<String> {
        let blocks = body["messages"][at]["content"].as_array().unwrap();
        blocks.iter().map(|block| block[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(1, "id"), ["call_0_f", "call_1_g", "call_2_f"]);
    assert_eq!(ids(2, "tool_use_id"), ["call_1_g", "call_0_f", "call_2_f"]);

    let request = Request { turns: vec![turn(Role::User, vec![named("f", "1")])], ..question() };
    let error = written(&request, Surface::GenerateContent, &TARGET).unwrap_err();
    assert_eq!(error.to_string(), "a result without its call ('contents[0].parts[0]')");
}

/// Some servers name the first call of every answer alike, and some clients send a result twice.
#[test]
fn ids_are_given_once() {
    let request = Request {
        turns: vec![
            turn(Role::Assistant, vec![call("call_0", "f", "{}"), call("call_0", "g", "{}")]),
            turn(Role::User, vec![result("call_0", "1"), result("call_0", "2")]),
            turn(Role::Assistant, vec![call("call_0", "f", "{}")]),
            turn(Role::User, vec![result("call_0", "3"), result("call_0", "4")]),
        ],
        ..question()
    };
    let (body, _) = written(&request, CHAT, &TARGET).unwrap();
    let ids = |at: usize, field: &str| -> Vec<String> {
        let blocks = body["messages"][at]["content"].as_array().unwrap();
        blocks.iter().map(|block| block[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(0, "id"), ["call_0", "call_0_1"]);
    assert_eq!(ids(1, "tool_use_id"), ["call_0", "call_0_1"]);
    assert_eq!(ids(2, "id"), ["call_0_2"]);
    assert_eq!(ids(3, "tool_use_id"), ["call_0_2", "call_0_2"]);
}

fn function(name: &'static str, parameters: Option<&'static str>) -> Tool<'static> {
    let parameters = parameters.map(|text| serde_json::from_str(text).unwrap());
    Tool::Function(Function { name: name.into(), parameters, ..Function::default() })
}

#[test]
fn tools_and_choices() {
    let native = || Tool::Native(serde_json::from_str(r#"{"type":"web_search_preview"}"#).unwrap());
    let request = |choice, parallel| Request {
        tools: vec![function("f", None), native(), function("g", Some(r#"{"properties":{}}"#))],
        tool_choice: choice,
        parallel_tool_calls: parallel,
        ..question()
    };
    let (body, lost) = written(&request(None, None), CHAT, &TARGET).unwrap();
    assert_eq!(
        body["tools"],
        json!([
            {"name": "f", "input_schema": {"type": "object"}},
            {"name": "g", "input_schema": {"type": "object", "properties": {}}}
        ])
    );
    assert_eq!((body.get("tool_choice"), &lost[..]), (None, &["tools[1]".to_owned()][..]));
    for (choice, parallel, want) in [
        (None, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (None, Some(true), Value::Null),
        (Some(ToolChoice::Auto), None, json!({"type": "auto"})),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"})),
        (Some(ToolChoice::Required), Some(false), json!({"type": "any", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Named("g".into())), None, json!({"type": "tool", "name": "g"})),
        (Some(ToolChoice::Among(vec!["g".into()])), None, json!({"type": "any"})),
        (Some(ToolChoice::Named("web_search_preview".into())), None, Value::Null),
    ] {
        let request = request(choice.clone(), parallel);
        let (body, lost) = written(&request, CHAT, &TARGET).unwrap();
        assert_eq!(body.get("tool_choice").unwrap_or(&Value::Null), &want, "{choice:?} {parallel:?}");
        let lose = matches!(&choice, Some(ToolChoice::Named(name)) if name == "web_search_preview");
        assert_eq!(lost.contains(&"tool_choice".to_owned()), lose, "{choice:?}");
        let all = if matches!(choice, Some(ToolChoice::Among(_))) { 1 } else { 2 };
        assert_eq!(body["tools"].as_array().unwrap().len(), all, "{choice:?}");
    }
    let request = Request { tools: vec![function("a.b", None)], ..question() };
    assert_eq!(
        written(&request, CHAT, &TARGET).unwrap_err().to_string(),
        "the name of function 0 in 'tools' (Anthropic's API takes letters, digits, '_' and '-', at most 128)"
    );
}

#[test]
fn what_has_no_place_is_named() {
    let request = Request {
        frequency_penalty: Some(0.5),
        presence_penalty: Some(0.0),
        seed: Some(1),
        verbosity: Some("low".into()),
        output: Output::Json,
        stop: vec!["\n".into(), "x".into()],
        aside: vec![
            ("logit_bias".into(), serde_json::from_str(r#"{"1":2}"#).unwrap()),
            ("service_tier".into(), serde_json::from_str(r#""auto""#).unwrap()),
            ("provider".into(), serde_json::from_str(r#"{"order":["x"]}"#).unwrap()),
        ],
        turns: vec![
            Turn { name: Some("Ann".into()), ..turn(Role::User, vec![Part::text("a")]) },
            turn(
                Role::User,
                vec![Part::Image(Media {
                    detail: Some("low".into()),
                    ..Media::new(Source::Url("https://x".into()), None)
                })],
            ),
        ],
        ..question()
    };
    let extensions = ["provider".to_owned()];
    let target = Target { extensions: &extensions, ..TARGET };
    let (body, lost) = written(&request, CHAT, &target).unwrap();
    assert_eq!(
        lost,
        [
            "messages[0].name",
            "messages[1].content[0].image_url.detail",
            "frequency_penalty",
            "seed",
            "verbosity",
            "response_format",
            "stop[0]",
            "logit_bias"
        ]
    );
    assert_eq!(body["stop_sequences"], json!(["x"]));
    assert_eq!((&body["service_tier"], &body["provider"]), (&json!("auto"), &json!({"order": ["x"]})));
    let (_, lost) =
        written(&Request { seed: Some(1), ..question() }, Surface::GenerateContent, &TARGET).unwrap();
    assert_eq!(lost, ["generationConfig.seed"], "in the client's words");
}

#[test]
fn what_cannot_be_said_is_refused() {
    let media = |source| Media::new(source, None);
    let with = |part| Request { turns: vec![turn(Role::User, vec![part])], ..question() };
    for (request, from, want) in [
        (Request { candidates: Some(2), ..question() }, CHAT, "more than one answer ('n')"),
        (with(Part::Audio(media(Source::Base64("AA==".into())))), CHAT, "sound ('messages[0].content[0]')"),
        (
            with(Part::Video(media(Source::Url("https://x".into())))),
            Surface::GenerateContent,
            "a film ('contents[0].parts[0]')",
        ),
        (
            with(Part::Document(media(Source::FileId("file-1".into())))),
            Surface::Responses,
            "a document uploaded elsewhere ('input[0].content[0]')",
        ),
        (
            with(Part::Document(media(Source::Base64("AA==".into())))),
            CHAT,
            "a document that is neither PDF nor text ('messages[0].content[0]')",
        ),
        (
            Request {
                turns: vec![turn(Role::Assistant, vec![Part::Image(media(Source::Url("https://x".into())))])],
                ..question()
            },
            Surface::GenerateContent,
            "a picture in an answer ('contents[0].parts[0]')",
        ),
        (
            Request { turns: vec![turn(Role::Assistant, vec![call("c", "f", "[1]")])], ..question() },
            CHAT,
            "'messages[0].tool_calls[0].function.arguments' is not a JSON object",
        ),
        (
            Request { turns: vec![turn(Role::Assistant, vec![call("c", "f", "{\"a\":")])], ..question() },
            Surface::Responses,
            "'input[0].arguments' is not a JSON object",
        ),
    ] {
        assert_eq!(written(&request, from, &TARGET).unwrap_err().to_string(), want);
    }
}

/// What the API makes a grammar of is closed; what is not said to be strict stays as it is.
#[test]
fn strict_schemas() {
    let strict = |strict| {
        Tool::Function(Function {
            name: "f".into(),
            parameters: Some(serde_json::from_str(r#"{"type":"object","minProperties":1}"#).unwrap()),
            strict,
            ..Function::default()
        })
    };
    let open = r#"{"type":"object","additionalProperties":true}"#;
    let schema = serde_json::from_str(open).unwrap();
    let request = Request {
        tools: vec![strict(Some(true)), strict(Some(false))],
        output: Output::Schema { name: None, description: Some("d".into()), schema, strict: None },
        ..question()
    };
    let (body, lost) = written(&request, CHAT, &TARGET).unwrap();
    assert_eq!(
        body["tools"],
        json!([
            {"name": "f", "strict": true, "input_schema": {
                "type": "object", "description": "{minProperties: 1}", "additionalProperties": false}},
            {"name": "f", "input_schema": {"type": "object", "minProperties": 1}}
        ])
    );
    let closed = json!({"type": "object", "additionalProperties": false});
    assert_eq!(body["output_config"]["format"]["schema"], closed);
    assert_eq!(lost, ["response_format.json_schema.description", "response_format.additionalProperties"]);
}

#[test]
fn marks_media_and_schemas() {
    let text =
        |text: &'static str, cache| Part::Text(TextPart { text: text.into(), cache, annotations: None });
    let document = Media {
        name: Some("a.txt".into()),
        ..Media::new(Source::Base64("aGk=".into()), Some("text/plain; charset=utf-8".into()))
    };
    let schema = serde_json::from_str(r#"{"type":"object","b":1,"a":2}"#).unwrap();
    let request = Request {
        system: vec![text("s", Some(Cache { ttl: None }))],
        turns: vec![turn(
            Role::User,
            vec![
                Part::Document(document),
                Part::Image(Media::from_url("data:image/png;base64,iVBORw0KGgo=".into())),
                text("t", Some(Cache { ttl: Some("1h".into()) })),
                text("", Some(Cache::default())),
            ],
        )],
        output: Output::Schema { name: Some("n".into()), description: None, schema, strict: Some(true) },
        ..question()
    };
    let translated = write_request(&request, CHAT, &TARGET).unwrap();
    assert_eq!(
        json(&translated.body),
        json!({
            "model": "claude-sonnet-4-5", "max_tokens": 32000,
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": [
                {"type": "document", "title": "a.txt",
                 "source": {"type": "text", "media_type": "text/plain", "data": "hi"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
            ]}],
            "output_config": {"format": {"type": "json_schema", "schema": {
                "type": "object", "b": 1, "a": 2, "additionalProperties": false}}}
        })
    );
    let body = String::from_utf8(translated.body).unwrap();
    assert!(body.contains(r#""schema":{"type":"object","b":1,"a":2,"#), "members keep their order");
}

#[test]
fn sampling() {
    let sample = |temperature, top_p, target: &Target<'_>| {
        let request = Request { temperature, top_p, top_k: Some(3), ..question() };
        let (body, lost) = written(&request, CHAT, target).unwrap();
        (body.get("temperature").cloned(), body.get("top_p").cloned(), lost.join(" "))
    };
    for (temperature, top_p, want) in [
        (Some(1.5), None, (Some(json!(1.0)), None, "temperature")),
        (Some(0.5), Some(0.9), (Some(json!(0.5)), None, "top_p")),
        (Some(0.5), Some(1.0), (Some(json!(0.5)), None, "")),
        (Some(1.0), Some(0.9), (None, Some(json!(0.9)), "")),
        (None, Some(0.9), (None, Some(json!(0.9)), "")),
    ] {
        let (a, b, lost) = sample(temperature, top_p, &TARGET);
        assert_eq!((a, b, &*lost), want, "{temperature:?} {top_p:?}");
    }
    let fixed = Target { thinking: Thinking::Adaptive, model: "claude-opus-4-8", ..TARGET };
    assert_eq!(sample(Some(0.0), Some(1.0), &fixed), (None, None, "temperature top_k".into()));
    let sampled = Target { model: "claude-sonnet-4-6", ..fixed };
    assert_eq!(sample(Some(0.0), None, &sampled), (Some(json!(0.0)), None, String::new()));
}

/// Thoughts go back only to who can read them.
#[test]
fn state_goes_to_its_issuer() {
    let state = |surface, kind, provider: Option<&'static str>| State {
        data: "blob".into(),
        surface,
        provider: provider.map(Into::into),
        kind,
    };
    let signature = json!({"type": "thinking", "thinking": "t", "signature": "blob"});
    let redacted = json!({"type": "redacted_thinking", "data": "blob"});
    let gone = Value::Null;
    use StateKind::{Encrypted, Signature};
    for (state, model, want) in [
        (Some(state(Surface::Messages, Signature, None)), "claude-x", &signature),
        (Some(state(Surface::Messages, Signature, Some("anthropic"))), "x", &signature),
        (Some(state(Surface::Messages, Signature, Some("openrouter"))), "claude-x", &signature),
        (Some(state(Surface::Messages, Signature, Some("deepseek"))), "other", &gone),
        (Some(state(Surface::Converse, Signature, Some("bedrock"))), "claude-x", &signature),
        (Some(state(Surface::Converse, Encrypted, Some("bedrock"))), "claude-x", &gone),
        (Some(state(Surface::Messages, Encrypted, None)), "claude-x", &redacted),
        (Some(state(Surface::Responses, Encrypted, Some("openai"))), "claude-x", &gone),
        (Some(state(Surface::GenerateContent, Signature, None)), "claude-x", &gone),
        (None, "claude-x", &gone),
    ] {
        let thought = Thought { text: "t".into(), state: state.clone(), ..Thought::default() };
        let request = Request {
            turns: vec![turn(Role::Assistant, vec![Part::Reasoning(thought), Part::text("a")])],
            ..question()
        };
        let target = Target { model, ..TARGET };
        let (body, lost) = written(&request, CHAT, &target).unwrap();
        let content = &body["messages"][0]["content"];
        let path =
            if state.is_some() { "messages[0].content[0].signature" } else { "messages[0].content[0]" };
        if want.is_null() {
            assert_eq!((content, &lost[..]), (&json!("a"), &[path.to_owned()][..]), "{state:?}");
        } else {
            assert_eq!((&content[0], lost.len()), (want, 0), "{state:?}");
        }
    }
}
