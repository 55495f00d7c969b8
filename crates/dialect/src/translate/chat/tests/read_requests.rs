//! Clients' requests.

use super::super::super::request::{
    Cache, Function, Media, Output, Part, Reasoning, Role, Source, TextPart, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use super::super::super::state::{State, StateKind};
use super::super::read_request;
use super::json;
use crate::Surface;
use std::borrow::Cow;

/// `platform.openai.com/docs/api-reference/chat/create`, "Default".
#[test]
fn text() {
    let body =
        br#"{"model":"gpt-5","messages":[{"role":"developer","content":"You are a helpful assistant."},
        {"role":"user","content":"Hello!"}]}"#;
    let request = read_request(body).unwrap();
    assert_eq!(request.model, "gpt-5");
    assert_eq!(request.system, [Part::text("You are a helpful assistant.")]);
    assert_eq!(request.turns.len(), 1);
    assert_eq!((request.turns[0].role, &*request.turns[0].parts), (Role::User, &[Part::text("Hello!")][..]));
    assert!(request.aside.is_empty() && request.lost.is_empty() && !request.stream);
}

/// The same page, "Image input".
#[test]
fn image() {
    let body = br#"{"model":"gpt-4.1","messages":[{"role":"user","content":[{"type":"text","text":"What is in this image?"},
        {"type":"image_url","image_url":{"url":"https://example.com/boardwalk.jpg","detail":"low"}}]}],"max_tokens":300}"#;
    let request = read_request(body).unwrap();
    let image = Media {
        detail: Some("low".into()),
        ..Media::new(Source::Url("https://example.com/boardwalk.jpg".into()), None)
    };
    assert_eq!(request.turns[0].parts, [Part::text("What is in this image?"), Part::Image(image)]);
    assert_eq!(request.max_output_tokens, Some(300));
}

/// `platform.openai.com/docs/guides/pdf-files`, `.../guides/audio` and
/// `openrouter.ai/docs/features/multimodal/overview`.
#[test]
fn media() {
    let body = br#"{"messages":[{"role":"user","content":[
        {"type":"image_url","image_url":"data:image/jpeg;base64,/9j/4A=="},
        {"type":"file","file":{"filename":"draconomicon.pdf","file_data":"data:application/pdf;base64,JVBE"}},
        {"type":"file","file":{"file_id":"file-6F2ksmvXxt4VdoqmHRw6kL"}},
        {"type":"file","file":{"filename":"bitcoin.pdf","file_data":"https://bitcoin.org/bitcoin.pdf"}},
        {"type":"file","file":{"filename":"a.txt","file_data":"aGk="}},
        {"type":"input_audio","input_audio":{"data":"UklG","format":"mp3"}},
        {"type":"video_url","video_url":{"url":"https://example.com/a.mp4"}},
        {"type":"document_url","document_url":"https://arxiv.org/pdf/1","document_name":"one"}]}]}"#;
    let request = read_request(body).unwrap();
    let named = |media: Media<'static>, name: &'static str| Media { name: Some(name.into()), ..media };
    let pdf = Some(Cow::Borrowed("application/pdf"));
    let want = [
        Part::Image(Media::new(Source::Base64("/9j/4A==".into()), Some("image/jpeg".into()))),
        Part::Document(named(Media::new(Source::Base64("JVBE".into()), pdf.clone()), "draconomicon.pdf")),
        Part::Document(Media::new(Source::FileId("file-6F2ksmvXxt4VdoqmHRw6kL".into()), None)),
        Part::Document(named(
            Media::new(Source::Url("https://bitcoin.org/bitcoin.pdf".into()), pdf),
            "bitcoin.pdf",
        )),
        Part::Document(named(Media::new(Source::Base64("aGk=".into()), None), "a.txt")),
        Part::Audio(Media::new(Source::Base64("UklG".into()), Some("audio/mpeg".into()))),
        Part::Video(Media::new(Source::Url("https://example.com/a.mp4".into()), None)),
        Part::Document(named(Media::new(Source::Url("https://arxiv.org/pdf/1".into()), None), "one")),
    ];
    assert_eq!(request.turns[0].parts, want);
    assert_eq!(request.lost, [""; 0]);
}

/// `platform.openai.com/docs/guides/function-calling`.
#[test]
fn tools() {
    let body = br#"{"model":"gpt-4.1","messages":[
        {"role":"user","content":"What is the weather like in Paris today?"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"call_12345xyz","type":"function","function":{
            "name":"get_weather","arguments":"{\"location\":\"Paris, France\"}"}}]},
        {"role":"tool","tool_call_id":"call_12345xyz","content":"14"}],
      "tools":[{"type":"function","function":{"name":"get_weather","description":"Get current temperature.",
        "parameters":{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]},"strict":true}},
        {"type":"openrouter:web_search"}],
      "tool_choice":{"type":"function","function":{"name":"get_weather"}},"parallel_tool_calls":false}"#;
    let request = read_request(body).unwrap();
    let call = ToolCall {
        id: "call_12345xyz".into(),
        name: "get_weather".into(),
        arguments: r#"{"location":"Paris, France"}"#.into(),
        state: None,
        cache: None,
    };
    let result = ToolResult {
        id: "call_12345xyz".into(),
        name: Some("get_weather".into()),
        parts: vec![Part::text("14")],
        is_error: false,
        cache: None,
    };
    assert_eq!(request.turns[1].parts, [Part::ToolCall(call)]);
    assert_eq!((request.turns[2].role, &request.turns[2].parts[0]), (Role::User, &Part::ToolResult(result)));
    let Tool::Function(Function { name, strict, parameters: Some(schema), .. }) = &request.tools[0] else {
        panic!("{:?}", request.tools[0]);
    };
    assert_eq!((&**name, *strict), ("get_weather", Some(true)));
    let text = serde_json::to_string(schema).unwrap();
    assert_eq!(
        text,
        r#"{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]}"#
    );
    assert!(
        matches!(&request.tools[1], Tool::Native(tool) if tool.get("type") == &"openrouter:web_search".into())
    );
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("get_weather".into())));
    assert_eq!(request.parallel_tool_calls, Some(false));
}

/// The first form of tools, in OpenAI's API reference marked as deprecated.
#[test]
fn functions() {
    let body = br#"{"messages":[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
        {"role":"function","name":"f","content":"1"}],"functions":[{"name":"f"}],"function_call":{"name":"f"}}"#;
    let request = read_request(body).unwrap();
    assert!(
        matches!(&request.turns[0].parts[..], [Part::ToolCall(call)] if call.id.is_empty() && call.name == "f")
    );
    assert!(matches!(&request.turns[1].parts[..], [Part::ToolResult(result)]
        if result.id.is_empty() && result.name.as_deref() == Some("f")));
    assert!(matches!(&request.tools[..], [Tool::Function(function)] if function.name == "f"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
}

#[test]
fn tool_choices() {
    let tools = r#""tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}]"#;
    let listed = r#""tools":[{"type":"function","function":{"name":"b"}}]"#;
    for (choice, want, shown) in [
        (r#""auto""#.to_owned(), ToolChoice::Auto, 2),
        (r#""none""#.to_owned(), ToolChoice::None, 2),
        (r#""required""#.to_owned(), ToolChoice::Required, 2),
        (r#""any""#.to_owned(), ToolChoice::Required, 2),
        (
            format!(r#"{{"type":"allowed_tools","allowed_tools":{{"mode":"required",{listed}}}}}"#),
            ToolChoice::Among(vec!["b".into()]),
            2,
        ),
        (
            format!(r#"{{"type":"allowed_tools","allowed_tools":{{"mode":"auto",{listed}}}}}"#),
            ToolChoice::Auto,
            1,
        ),
    ] {
        let body =
            format!(r#"{{"messages":[{{"role":"user","content":"x"}}],{tools},"tool_choice":{choice}}}"#);
        let request = read_request(body.as_bytes()).unwrap();
        assert_eq!((request.tool_choice, request.tools.len()), (Some(want), shown), "{choice}");
    }
}

/// `platform.openai.com/docs/guides/structured-outputs`.
#[test]
fn structured_output() {
    let body = br#"{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{
        "name":"math_reasoning","schema":{"type":"object","properties":{"steps":{},"final_answer":{}}},"strict":true}}}"#;
    let request = read_request(body).unwrap();
    let Output::Schema { name, schema, strict, description } = request.output else { panic!() };
    assert_eq!((name.as_deref(), strict, description), (Some("math_reasoning"), Some(true), None));
    let schema = serde_json::to_string(&schema).unwrap();
    assert_eq!(schema, r#"{"type":"object","properties":{"steps":{},"final_answer":{}}}"#);
}

#[test]
fn reasoning() {
    let set = Reasoning::default();
    let effort = |word: &'static str| Some(Cow::Borrowed(word));
    for (fields, want) in [
        (r#""reasoning_effort":"high""#, Some(Reasoning { effort: effort("high"), ..set.clone() })),
        (
            r#""reasoning_effort":"none""#,
            Some(Reasoning { effort: effort("none"), enabled: Some(false), ..set.clone() }),
        ),
        (
            r#""reasoning":{"max_tokens":2000,"exclude":true}"#,
            Some(Reasoning { budget: Some(2000), show: Some(false), ..set.clone() }),
        ),
        (r#""reasoning":{"enabled":true}"#, Some(Reasoning { enabled: Some(true), ..set.clone() })),
        (r#""reasoning":{}"#, None),
        (r#""include_reasoning":false"#, Some(Reasoning { show: Some(false), ..set.clone() })),
        (r#""thinking":{"type":"disabled"}"#, Some(Reasoning { enabled: Some(false), ..set.clone() })),
        (
            r#""thinking":{"type":"enabled","budget_tokens":1024}"#,
            Some(Reasoning { enabled: Some(true), budget: Some(1024), ..set }),
        ),
    ] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"x"}}],{fields}}}"#);
        assert_eq!(read_request(body.as_bytes()).unwrap().reasoning, want, "{fields}");
    }
}

/// `openrouter.ai/docs/use-cases/reasoning-tokens`, "Preserving reasoning blocks".
#[test]
fn thoughts() {
    let body = br#"{"messages":[{"role":"assistant","content":"Hi","reasoning":"Let me think","reasoning_details":[
        {"type":"reasoning.summary","summary":"Analyzed","id":"rs-1","format":"openai-responses-v1","index":0},
        {"type":"reasoning.encrypted","data":"eyJl","id":"rs-1","format":"openai-responses-v1","index":0},
        {"type":"reasoning.text","text":"Let me ","signature":null,"format":"anthropic-claude-v1","index":1},
        {"type":"reasoning.text","text":"think","signature":"sha256:abc","format":"anthropic-claude-v1","index":1}]}]}"#;
    let request = read_request(body).unwrap();
    let own = |kind, data: &'static str| {
        Some(State { data: data.into(), surface: Surface::ChatCompletions, provider: None, kind })
    };
    let summary = Thought {
        text: "Analyzed".into(),
        summary: true,
        state: own(StateKind::Encrypted, "openai-responses-v1,eyJl"),
        id: Some("rs-1".into()),
    };
    let text = Thought {
        text: "Let me think".into(),
        state: own(StateKind::Signature, "anthropic-claude-v1,sha256:abc"),
        ..Thought::default()
    };
    assert_eq!(request.turns[0].parts, [Part::Reasoning(summary), Part::Reasoning(text), Part::text("Hi")]);
}

#[test]
fn state_that_we_wrapped_finds_its_issuer() {
    let body = br#"{"messages":[{"role":"assistant","content":"Hi","reasoning_content":"Hm",
        "reasoning_details":[{"type":"reasoning.text","signature":"tg1.messages.s.anthropic.EqQB","index":0}],
        "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},
          "extra_content":{"google":{"thought_signature":"tg1.generate-content.s.google.CvQB"}}}]}]}"#;
    let request = read_request(body).unwrap();
    let Part::Reasoning(thought) = &request.turns[0].parts[0] else { panic!() };
    let state = thought.state.as_ref().unwrap();
    assert_eq!((&*thought.text, &*state.data, state.surface), ("Hm", "EqQB", Surface::Messages));
    let Part::ToolCall(call) = &request.turns[0].parts[2] else { panic!() };
    let state = call.state.as_ref().unwrap();
    assert_eq!((&*state.data, state.surface), ("CvQB", Surface::GenerateContent));
}

#[test]
fn cache_marks() {
    let body = br#"{"messages":[{"role":"system","content":"s","cache_control":{"type":"ephemeral"}},
        {"role":"user","content":[{"type":"text","text":"u","cache_control":{"type":"ephemeral","ttl":"1h"}}]}],
        "tools":[{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral"}}]}"#;
    let request = read_request(body).unwrap();
    let marked = |text: &'static str, ttl: Option<&'static str>| {
        let cache = Some(Cache { ttl: ttl.map(Cow::Borrowed) });
        Part::Text(TextPart { text: text.into(), cache, annotations: None })
    };
    assert_eq!(request.system, [marked("s", None)]);
    assert_eq!(request.turns[0].parts, [marked("u", Some("1h"))]);
    assert!(
        matches!(&request.tools[0], Tool::Function(function) if function.cache == Some(Cache::default()))
    );
}

#[test]
fn what_has_no_place_is_set_aside_or_named() {
    let body = br#"{"model":"m","messages":[{"role":"system","content":"s","name":"boss"},
        {"role":"user","content":"x","name":"Ann","weight":1,"empty":"","none":null},{"role":"system","content":"now"}],
        "logit_bias":{"1":2},"metadata":{},"logprobs":false,"modalities":["text"],"provider":{"order":["a"]},
        "n":2,"max_tokens":5,"max_completion_tokens":40.0,"stop":"END","seed":-1,"user":"u","safety_identifier":"v",
        "stream":true,"stream_options":{"include_usage":true},"verbosity":"low","tools":[]}"#;
    let request = read_request(body).unwrap();
    let aside: Vec<_> =
        request.aside.iter().map(|(name, value)| (&**name, json(value.to_string()))).collect();
    assert_eq!(aside, [("logit_bias", json(r#"{"1":2}"#)), ("provider", json(r#"{"order":["a"]}"#))]);
    assert_eq!(request.lost, ["messages[0].name", "messages[1].weight", "user"]);
    assert_eq!((request.candidates, request.max_output_tokens, request.seed), (Some(2), Some(40), Some(-1)));
    assert_eq!((&*request.stop, request.user.as_deref()), (&["END".into()][..], Some("v")));
    assert_eq!((request.stream, request.verbosity.as_deref()), (true, Some("low")));
    assert_eq!(request.turns[0].name.as_deref(), Some("Ann"));
    assert_eq!(request.turns[1].role, Role::System, "instructions in the middle stay there");
}
