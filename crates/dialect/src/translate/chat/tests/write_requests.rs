//! Requests for providers, from the dialects of others.

use super::super::super::request::{
    Cache, Function, Media, Output, Part, Reasoning, Request, Role, Source, TextPart, Thought, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use super::super::super::state::{State, StateKind};
use super::super::super::{Target, Thinking, Translated};
use super::super::write_request;
use super::{json, request, target, turn};
use crate::Surface;
use serde_json::{Value, json as value};
use std::borrow::Cow;

fn write(request: &Request<'_>, target: &Target<'_>) -> (Value, Vec<String>) {
    let Translated { body, lost } = write_request(request, Surface::Messages, target).unwrap();
    (json(body), lost)
}

fn refused(request: &Request<'_>, target: &Target<'_>) -> String {
    write_request(request, Surface::Messages, target).unwrap_err().to_string()
}

fn call<'a>(id: &'a str, name: &'a str) -> Part<'a> {
    let arguments = r#"{"a":1}"#.into();
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments, state: None, cache: None })
}

fn result<'a>(id: &'a str, name: Option<&'a str>, parts: Vec<Part<'a>>) -> Part<'a> {
    let name = name.map(Cow::Borrowed);
    Part::ToolResult(ToolResult { id: id.into(), name, parts, is_error: false, cache: None })
}

fn picture() -> Part<'static> {
    Part::Image(Media::new(Source::Base64("AAAA".into()), Some("image/jpeg".into())))
}

fn schema(text: &str) -> Option<super::super::super::request::Json<'_>> {
    Some(serde_json::from_str(text).unwrap())
}

#[test]
fn everything_chat_can_say() {
    let function = Function {
        name: "f".into(),
        description: Some("d".into()),
        parameters: schema(r#"{"type":"object","properties":{"b":{},"a":{}}}"#),
        strict: Some(true),
        cache: None,
    };
    let request = Request {
        system: vec![Part::text("one"), Part::text("two")],
        tools: vec![Tool::Function(function)],
        tool_choice: Some(ToolChoice::Named("f".into())),
        parallel_tool_calls: Some(false),
        max_output_tokens: Some(100),
        temperature: Some(0.5),
        top_p: Some(0.9),
        frequency_penalty: Some(0.1),
        presence_penalty: Some(-0.1),
        seed: Some(7),
        candidates: Some(2),
        stop: vec!["END".into()],
        reasoning: Some(Reasoning { effort: Some("max".into()), ..Reasoning::default() }),
        output: Output::Schema {
            name: None,
            description: None,
            schema: schema(r#"{"type":"object"}"#).unwrap(),
            strict: Some(true),
        },
        verbosity: Some("low".into()),
        user: Some("u".into()),
        stream: true,
        ..request(vec![turn(Role::User, vec![Part::text("hi")])])
    };
    let (body, lost) = write(&request, &target("openai"));
    let want = value!({
        "model": "up/model",
        "messages": [{"role": "system", "content": "one\n\ntwo"}, {"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d",
            "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}, "strict": true}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": false,
        "max_completion_tokens": 100,
        "temperature": 0.5, "top_p": 0.9, "frequency_penalty": 0.1, "presence_penalty": -0.1, "seed": 7, "n": 2,
        "stop": ["END"],
        "reasoning_effort": "xhigh",
        "response_format": {"type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": true}},
        "verbosity": "low", "user": "u", "stream": true, "stream_options": {"include_usage": true}
    });
    assert_eq!(body, want);
    assert_eq!(lost, [""; 0]);
    let body = write_request(&request, Surface::Messages, &target("groq")).unwrap().body;
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains(r#""max_tokens":100"#) && !text.contains("max_completion_tokens"), "{text}");
    assert!(text.contains(r#""properties":{"b":{},"a":{}}"#), "the order of a schema stays: {text}");
}

#[test]
fn what_cannot_be_said_is_named_in_the_clients_words() {
    let search = serde_json::from_str(r#"{"type":"web_search_20250305","name":"web_search"}"#).unwrap();
    let request = Request {
        top_k: Some(5),
        stop: (0..6).map(|n| Cow::Owned(n.to_string())).collect(),
        tools: vec![
            Tool::Native(search),
            Tool::Function(Function { name: "f".into(), ..Function::default() }),
        ],
        reasoning: Some(Reasoning { budget: Some(5000), ..Reasoning::default() }),
        aside: vec![("container".into(), serde_json::from_str("{}").unwrap())],
        ..request(vec![turn(Role::User, vec![Part::text("hi")])])
    };
    let (body, lost) = write(&request, &Target { thinking: Thinking::None, ..target("groq") });
    assert_eq!(lost, ["tools[0]", "top_k", "stop_sequences[4]", "thinking", "container"]);
    assert_eq!(body["stop"], value!(["0", "1", "2", "3"]));
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    let extensions = ["top_k".to_owned(), "container".to_owned()];
    let (body, lost) = write(&request, &Target { extensions: &extensions, ..target("openrouter") });
    assert_eq!((&body["top_k"], &body["container"]), (&value!(5), &value!({})));
    assert_eq!(lost, ["tools[0]", "stop_sequences[4]"]);
}

#[test]
fn fields_set_aside() {
    let field = |name: &'static str| (Cow::Borrowed(name), serde_json::from_str("1").unwrap());
    let request = Request {
        aside: vec![field("metadata"), field("logit_bias"), field("plugins")],
        ..request(vec![turn(Role::User, vec![Part::text("hi")])])
    };
    for (from, want) in [
        (Surface::ChatCompletions, &["plugins"][..]),
        (Surface::Responses, &["logit_bias", "plugins"]),
        (Surface::Messages, &["metadata", "logit_bias", "plugins"]),
    ] {
        assert_eq!(write_request(&request, from, &target("openai")).unwrap().lost, want, "{from:?}");
    }
}

#[test]
fn thinking() {
    let some = Reasoning::default;
    let effort = |word: &'static str| Reasoning { effort: Some(word.into()), ..some() };
    let budget = |budget| Reasoning { budget: Some(budget), ..some() };
    for (reasoning, word, object) in [
        (effort("minimal"), value!("minimal"), value!({"effort": "minimal"})),
        (effort("max"), value!("xhigh"), value!({"effort": "max"})),
        (effort("none"), value!("none"), value!({"effort": "none"})),
        (Reasoning { budget: Some(10), ..effort("high") }, value!("high"), value!({"effort": "high"})),
        (budget(0), value!("none"), value!({"effort": "none"})),
        (budget(1), value!("none"), value!({"max_tokens": 1})),
        (budget(1024), value!("low"), value!({"max_tokens": 1024})),
        (budget(1025), value!("medium"), value!({"max_tokens": 1025})),
        (budget(2458), value!("medium"), value!({"max_tokens": 2458})),
        (budget(4000), value!("high"), value!({"max_tokens": 4000})),
        (Reasoning { enabled: Some(false), ..some() }, value!("none"), value!({"effort": "none"})),
        (Reasoning { enabled: Some(true), ..some() }, value!("medium"), value!({"enabled": true})),
        (Reasoning { adaptive: true, ..some() }, Value::Null, value!({"enabled": true})),
        (Reasoning { show: Some(false), ..some() }, Value::Null, value!({"exclude": true})),
    ] {
        let request = Request {
            reasoning: Some(reasoning.clone()),
            ..request(vec![turn(Role::User, vec![Part::text("hi")])])
        };
        assert_eq!(write(&request, &target("openai")).0["reasoning_effort"], word, "{reasoning:?}");
        let openrouter = Target { thinking: Thinking::Object, ..target("openrouter") };
        assert_eq!(write(&request, &openrouter).0["reasoning"], object, "{reasoning:?}");
    }
}

#[test]
fn thinking_by_a_switch() {
    let off = Reasoning { enabled: Some(false), ..Reasoning::default() };
    let high = Reasoning { effort: Some("high".into()), ..Reasoning::default() };
    let on = Reasoning { enabled: Some(true), ..Reasoning::default() };
    let effort = |word: &'static str| Reasoning { effort: Some(word.into()), ..Reasoning::default() };
    for (reasoning, provider, switch, word, lost) in [
        (&off, "deepseek", "disabled", Value::Null, &[][..]),
        (&high, "deepseek", "enabled", value!("high"), &[]),
        (&effort("max"), "deepseek", "enabled", value!("max"), &[]),
        (&effort("medium"), "deepseek", "enabled", value!("high"), &[]),
        (&off, "z-ai", "disabled", Value::Null, &[]),
        (&on, "z-ai", "enabled", Value::Null, &[]),
        (&high, "moonshotai", "enabled", Value::Null, &["thinking"]),
    ] {
        let request = Request {
            reasoning: Some(reasoning.clone()),
            ..request(vec![turn(Role::User, vec![Part::text("hi")])])
        };
        let (body, named) = write(&request, &target(provider));
        assert_eq!(
            (&body["thinking"]["type"], &body["reasoning_effort"]),
            (&value!(switch), &word),
            "{provider}"
        );
        assert_eq!(named, lost);
    }
    let k3 = Target { model: "kimi-k3", ..target("moonshotai") };
    let turns = vec![turn(Role::User, vec![Part::text("hi")])];
    let (body, named) = write(&Request { reasoning: Some(effort("xhigh")), ..request(turns) }, &k3);
    assert_eq!(
        (&body["thinking"], &body["reasoning_effort"], named.len()),
        (&Value::Null, &value!("max"), 0)
    );
}

#[test]
fn words_that_a_provider_has() {
    for (provider, words) in [
        ("groq", [("minimal", "low"), ("medium", "medium"), ("xhigh", "high"), ("none", "none")]),
        ("cerebras", [("minimal", "low"), ("low", "low"), ("max", "high"), ("none", "none")]),
        ("fireworks", [("minimal", "low"), ("high", "high"), ("max", "high"), ("none", "none")]),
        ("perplexity", [("minimal", "minimal"), ("low", "low"), ("max", "high"), ("none", "none")]),
        ("cohere", [("minimal", "high"), ("medium", "high"), ("max", "high"), ("none", "none")]),
        ("mistral", [("minimal", "minimal"), ("xhigh", "xhigh"), ("max", "xhigh"), ("none", "none")]),
    ] {
        for (word, want) in words {
            let reasoning = Reasoning { effort: Some(word.into()), ..Reasoning::default() };
            let turns = vec![turn(Role::User, vec![Part::text("hi")])];
            let request = Request { reasoning: Some(reasoning), ..request(turns) };
            assert_eq!(write(&request, &target(provider)).0["reasoning_effort"], want, "{provider} {word}");
        }
    }
}

#[test]
fn results_follow_their_calls_and_their_pictures_come_behind() {
    let request = request(vec![
        turn(Role::User, vec![Part::text("look")]),
        turn(Role::Assistant, vec![Part::text("I look."), call("a", "shot"), call("b", "read")]),
        turn(
            Role::User,
            vec![
                Part::text("and tell me"),
                result("a", None, vec![picture()]),
                result("b", None, vec![Part::text("x"), Part::text("y")]),
            ],
        ),
    ]);
    let (body, lost) = write(&request, &target("openai"));
    let called = |id: &str, name: &str| value!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"a\":1}"}});
    let want = value!([
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": "I look.", "tool_calls": [called("a", "shot"), called("b", "read")]},
        {"role": "tool", "tool_call_id": "a", "content": "The result is in the next message."},
        {"role": "tool", "tool_call_id": "b", "content": "x\n\ny"},
        {"role": "user", "content": [
            {"type": "text", "text": "From the result of tool call a:"},
            {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}},
            {"type": "text", "text": "and tell me"}]}
    ]);
    assert_eq!(body["messages"], want);
    assert_eq!(lost, [""; 0]);
}

#[test]
fn items_of_one_answer_become_one_message() {
    let request = request(vec![
        turn(Role::Assistant, vec![Part::text("One moment.")]),
        turn(Role::Assistant, vec![call("a", "f")]),
        turn(Role::Assistant, vec![call("b", "f")]),
        turn(Role::User, vec![result("a", None, vec![picture()])]),
        turn(Role::User, vec![result("b", None, vec![Part::text("2")])]),
        turn(Role::Assistant, vec![Part::text("done")]),
    ]);
    let (body, _) = write(&request, &target("openai"));
    let roles: Vec<&str> =
        body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user", "assistant"]);
    assert_eq!(body["messages"][0]["content"], "One moment.");
    assert_eq!(body["messages"][0]["tool_calls"].as_array().unwrap().len(), 2);
}

#[test]
fn calls_without_ids_get_some() {
    let request = request(vec![
        turn(Role::Assistant, vec![call("", "f"), call("", "g"), call("", "f")]),
        turn(
            Role::User,
            vec![
                result("", Some("g"), vec![Part::text("1")]),
                result("", Some("f"), vec![Part::text("2")]),
                result("", Some("f"), vec![Part::text("3")]),
            ],
        ),
        turn(Role::Assistant, vec![call("", "f")]),
        turn(Role::User, vec![result("", Some("f"), vec![])]),
    ]);
    let (body, _) = write(&request, &target("openai"));
    let messages = body["messages"].as_array().unwrap();
    let answered: Vec<_> = messages.iter().filter_map(|m| m["tool_call_id"].as_str()).collect();
    assert_eq!(answered, ["call_1_g", "call_0_f", "call_2_f", "call_3_f"]);
    assert_eq!(messages[4]["tool_calls"][0]["id"], "call_3_f");
    assert_eq!(messages[5]["content"], "");
}

#[test]
fn ids_in_a_form_the_target_takes() {
    let long = "toolu_".repeat(8);
    let turns = vec![
        turn(Role::Assistant, vec![call("abcDEF123", "f"), call(&long, "f")]),
        turn(Role::User, vec![result("abcDEF123", None, vec![]), result(&long, None, vec![])]),
    ];
    let request = Request { user: Some(long.repeat(2).into()), ..request(turns) };
    for (provider, first, second, lost) in [
        ("openai", "abcDEF123", "call_at_1", &["metadata.user_id"][..]),
        ("mistral", "abcDEF123", "call00001", &[]),
        ("groq", "abcDEF123", "call_at_1", &[]),
    ] {
        let (body, named) = write(&request, &target(provider));
        let messages = &body["messages"];
        let calls = &messages[0]["tool_calls"];
        assert_eq!((&calls[0]["id"], &calls[1]["id"]), (&value!(first), &value!(second)), "{provider}");
        assert_eq!(
            (&messages[1]["tool_call_id"], &messages[2]["tool_call_id"]),
            (&value!(first), &value!(second))
        );
        assert_eq!(named, lost);
    }
}

#[test]
fn annotations_go_back_in_the_same_dialect_only() {
    let list = schema(r#"[{"type":"file"}]"#);
    let cited = Part::Text(TextPart { text: "x".into(), cache: None, annotations: list });
    let request = request(vec![turn(Role::Assistant, vec![cited])]);
    let (body, lost) = write(&request, &target("openrouter"));
    assert_eq!(
        (body["messages"][0].get("annotations"), &*lost),
        (None, &["messages[].content[].citations".to_owned()][..])
    );
    let same = write_request(&request, Surface::ChatCompletions, &target("openrouter")).unwrap();
    assert_eq!(json(same.body)["messages"][0]["annotations"], value!([{"type": "file"}]));
}

#[test]
fn cache_marks() {
    let cache = Some(Cache { ttl: Some("1h".into()) });
    let marked = Part::Text(TextPart { text: "long".into(), cache: cache.clone(), annotations: None });
    let request = Request {
        system: vec![marked.clone(), Part::text("short")],
        tools: vec![Tool::Function(Function { name: "f".into(), cache, ..Function::default() })],
        ..request(vec![turn(Role::User, vec![marked])])
    };
    let (body, lost) = write(&request, &target("groq"));
    assert_eq!(body["messages"][0], value!({"role": "system", "content": "long\n\nshort"}));
    assert_eq!(lost, ["cache_control"]);
    let extensions = ["cache_control".to_owned()];
    let (body, lost) = write(&request, &Target { extensions: &extensions, ..target("openrouter") });
    let mark = value!({"type": "ephemeral", "ttl": "1h"});
    let want =
        value!([{"type": "text", "text": "long", "cache_control": mark}, {"type": "text", "text": "short"}]);
    assert_eq!(body["messages"][0]["content"], want);
    assert_eq!(body["tools"][0]["cache_control"], mark);
    assert_eq!(lost, [""; 0]);
}

#[test]
fn media() {
    let media = |source| Media::new(source, None);
    let url = |url: &'static str| Source::Url(url.into());
    let sound = Media::new(Source::Base64("UklG".into()), Some("audio/wav".into()));
    let text = Media { name: Some("a.md".into()), ..media(Source::Text("# A".into())) };
    for (part, provider, want) in [
        (
            Part::Image(Media { detail: Some("high".into()), ..media(url("https://a/b.png")) }),
            "openai",
            value!({"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "high"}}),
        ),
        (
            Part::Document(media(Source::Base64("JVBE".into()))),
            "openai",
            value!({"type": "file",
                "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBE"}}),
        ),
        (
            Part::Document(media(url("https://a/b.pdf"))),
            "openrouter",
            value!({"type": "file", "file": {"filename": "document.pdf", "file_data": "https://a/b.pdf"}}),
        ),
        (Part::Document(text), "openai", value!({"type": "text", "text": "a.md\n\n# A"})),
        (
            Part::Audio(sound),
            "openai",
            value!({"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}),
        ),
        (
            Part::Video(media(url("https://a/b.mp4"))),
            "openrouter",
            value!({"type": "video_url", "video_url": {"url": "https://a/b.mp4"}}),
        ),
    ] {
        let request = request(vec![turn(Role::User, vec![part, picture()])]);
        assert_eq!(write(&request, &target(provider)).0["messages"][0]["content"][0], want);
    }
    for (part, provider, text) in [
        (Part::Image(media(url("gs://a/b.png"))), "openai", "a picture at an address that is not on the web"),
        (
            Part::Image(media(Source::FileId("file_1".into()))),
            "openai",
            "a picture given by the id of an uploaded file",
        ),
        (
            Part::Document(media(Source::FileId("file_1".into()))),
            "openai",
            "a document given by the id of an uploaded file",
        ),
        (Part::Document(media(url("https://a/b.pdf"))), "openai", "a document at a web address"),
        (Part::Audio(media(url("https://a/b.wav"))), "openai", "sound that is not in the request itself"),
        (
            Part::Audio(media(Source::Base64("A".into()))),
            "openai",
            "sound whose format chat completions have no name for",
        ),
        (Part::Video(media(url("https://a/b.mp4"))), "openai", "a film"),
    ] {
        let request = request(vec![turn(Role::User, vec![part])]);
        assert_eq!(refused(&request, &target(provider)), text);
    }
}

#[test]
fn thoughts_of_the_conversation() {
    let state = |surface, provider: Option<&'static str>, data: &'static str, kind| {
        Some(State { data: data.into(), surface, provider: provider.map(Cow::Borrowed), kind })
    };
    let thought = |text: &'static str, state| {
        Part::Reasoning(Thought { text: text.into(), state, ..Thought::default() })
    };
    let own =
        state(Surface::ChatCompletions, Some("openrouter"), "anthropic-claude-v1,sig", StateKind::Signature);
    let foreign = state(Surface::Messages, None, "sig", StateKind::Signature);
    let conversation = request(vec![turn(
        Role::Assistant,
        vec![thought("plain", None), thought("own", own), Part::text("Hi")],
    )]);
    let openrouter = Target { thinking: Thinking::Object, ..target("openrouter") };
    let (body, lost) = write(&conversation, &openrouter);
    let format = "anthropic-claude-v1";
    let want = value!({"role": "assistant", "content": "Hi", "reasoning": "plain\n\nown", "reasoning_details": [
        {"type": "reasoning.text", "text": "plain", "format": format, "index": 0},
        {"type": "reasoning.text", "text": "own", "signature": "sig", "format": format, "index": 1}]});
    assert_eq!((&body["messages"][0], &*lost), (&want, &[][..]));
    let (body, lost) = write(&conversation, &target("openai"));
    assert_eq!(body["messages"][0], value!({"role": "assistant", "content": "Hi"}));
    assert_eq!(lost, ["messages[0].content[0]", "messages[0].content[1]"]);

    let conversation = request(vec![turn(Role::Assistant, vec![thought("theirs", foreign), call("a", "f")])]);
    let (body, lost) = write(&conversation, &target("deepseek"));
    assert_eq!(body["messages"][0]["reasoning_content"], "theirs", "wanted beside calls");
    assert_eq!(
        (body["messages"][0]["content"].clone(), &*lost),
        (Value::Null, &["messages[0].content[0].signature".to_owned()][..])
    );
}

#[test]
fn choices_of_tools() {
    let tools = ["a", "b"].map(|name| Tool::Function(Function { name: name.into(), ..Function::default() }));
    let request = Request {
        tools: tools.to_vec(),
        tool_choice: Some(ToolChoice::Among(vec!["b".into()])),
        ..request(vec![turn(Role::User, vec![Part::text("hi")])])
    };
    let (body, _) = write(&request, &target("openai"));
    let named = value!({"type": "function", "function": {"name": "b"}});
    let want = value!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}});
    assert_eq!((&body["tool_choice"], body["tools"].as_array().unwrap().len()), (&want, 2));
    let (body, _) = write(&request, &target("groq"));
    assert_eq!((&body["tool_choice"], body["tools"].as_array().unwrap().len()), (&value!("required"), 1));
    let none = Request { tools: Vec::new(), tool_choice: Some(ToolChoice::Auto), ..request.clone() };
    assert_eq!(write(&none, &target("groq")).0.get("tool_choice"), None);
    let none = Request { tools: Vec::new(), ..request };
    assert_eq!(
        refused(&none, &target("groq")),
        "a tool that must be called and that chat completions do not have"
    );
}
