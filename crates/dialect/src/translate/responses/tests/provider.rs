//! Requests of other dialects, written for a provider that speaks Responses.

use super::{OPENAI, json};
use crate::Surface;
use crate::translate::request::{
    Cache, Function, Media, Output, Part, Reasoning, Request, Role, Source, TextPart, Thought, Tool,
    ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::translate::responses::write_request;
use crate::translate::state::{State, StateKind};
use crate::translate::{Target, Thinking, Translated};
use serde_json::{Value, json};

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, parts, name: None }
}

fn call(id: &'static str, name: &'static str, arguments: &'static str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        state: None,
        cache: None,
    })
}

fn result(id: &'static str, name: Option<&'static str>, text: &'static str) -> Part<'static> {
    Part::ToolResult(ToolResult {
        id: id.into(),
        name: name.map(Into::into),
        parts: vec![Part::text(text)],
        is_error: false,
        cache: None,
    })
}

fn user(parts: Vec<Part<'static>>) -> Request<'static> {
    Request { turns: vec![turn(Role::User, parts)], ..Request::default() }
}

fn write(request: &Request<'_>, from: Surface) -> Translated {
    write_request(request, from, &OPENAI).unwrap()
}

fn refused(part: Part<'static>, from: Surface) -> String {
    write_request(&user(vec![part]), from, &OPENAI).unwrap_err().to_string()
}

#[test]
fn a_bare_request_is_not_stored_and_its_state_comes_back() {
    let translated = write(&user(vec![Part::text("Hi")]), Surface::Messages);
    let want = json!({"model": "gpt-5.5", "input": [{"role": "user", "content": "Hi"}], "store": false,
        "include": ["reasoning.encrypted_content"]});
    assert_eq!((json(&translated.body), translated.lost), (want, vec![]));
}

#[test]
fn instructions() {
    let mut request = user(vec![Part::text("Hi")]);
    request.system = vec![Part::text("One"), Part::text("Two"), Part::text("Three")];
    request.turns.push(turn(Role::System, vec![Part::text("Mind")]));
    let body = json(&write(&request, Surface::ChatCompletions).body);
    assert_eq!(body["instructions"], "One");
    let more = json!([{"type": "input_text", "text": "Two"}, {"type": "input_text", "text": "Three"}]);
    let want = json!([{"role": "system", "content": more}, {"role": "user", "content": "Hi"}, {"role": "system", "content": "Mind"}]);
    assert_eq!(body["input"], want);
}

#[test]
fn ids_that_are_too_long_are_replaced_in_calls_and_results() {
    const LONG: &str = "gemini-call-0123456789012345678901234567890123456789012345678901234567";
    const FITS: &str = "0123456789012345678901234567890123456789012345678901234567890123";
    assert_eq!(FITS.len(), 64);
    let mut request = user(vec![Part::text("Hi")]);
    request.turns.push(turn(Role::Assistant, vec![call(FITS, "f", "{}"), call(LONG, "g", "{}")]));
    request.turns.push(turn(Role::User, vec![result(LONG, None, "two"), result(FITS, None, "one")]));
    let body = json(&write(&request, Surface::ChatCompletions).body);
    let items = body["input"].as_array().unwrap();
    let ids: Vec<_> = items.iter().filter_map(|item| item["call_id"].as_str()).collect();
    assert_eq!(ids, [FITS, "call_at_1", "call_at_1", FITS]);
}

#[test]
fn a_tool_loop_of_messages() {
    let state =
        State { data: "SIG".into(), surface: Surface::Messages, provider: None, kind: StateKind::Signature };
    let thought = Thought { text: "Hm".into(), state: Some(state), ..Thought::default() };
    let picture = Media::new(Source::Base64("iVBO".into()), Some("image/png".into()));
    let mut seen = ToolResult {
        id: "toolu_1".into(),
        name: None,
        parts: vec![Part::text("one"), Part::Image(picture)],
        is_error: true,
        cache: None,
    };
    let request = Request {
        turns: vec![
            turn(Role::User, vec![Part::text("Look")]),
            turn(
                Role::Assistant,
                vec![Part::Reasoning(thought), Part::text("I look."), call("toolu_1", "look", r#"{"at":1}"#)],
            ),
            turn(Role::User, vec![Part::ToolResult(seen.clone()), Part::text("Well?")]),
        ],
        tools: vec![
            Tool::Function(Function {
                name: "look".into(),
                parameters: serde_json::from_str(r#"{"type":"object","properties":{"z":{},"a":{}}}"#).ok(),
                cache: Some(Cache::default()),
                ..Function::default()
            }),
            Tool::Native(
                serde_json::from_str(r#"{"type":"web_search_20250305","name":"web_search"}"#).unwrap(),
            ),
        ],
        tool_choice: Some(ToolChoice::Named("look".into())),
        ..Request::default()
    };
    let translated = write(&request, Surface::Messages);
    let body = json(&translated.body);
    let output = json!([{"type": "input_text", "text": "one"}, {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBO"}]);
    let want = json!([
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "toolu_1", "name": "look", "arguments": "{\"at\":1}"},
        {"type": "function_call_output", "call_id": "toolu_1", "output": output},
        {"role": "user", "content": "Well?"},
    ]);
    assert_eq!(body["input"], want);
    // Elsewhere a schema is not strict unless it says so, here it would be.
    let tool = json!({"type": "function", "name": "look", "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}, "strict": false});
    assert_eq!(body["tools"], json!([tool]));
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": "look"}));
    let lost = ["messages[1].reasoning", "messages[2].is_error", "tools[0].cache_control", "tools[1]"];
    assert_eq!(translated.lost, lost);
    seen.parts.clear();
    let request = Request { turns: vec![turn(Role::User, vec![Part::ToolResult(seen)])], ..request };
    assert_eq!(json(&write(&request, Surface::Messages).body)["input"][0]["output"], "");
}

/// Gemini has no ids: a result finds its call by name and order, in whatever turn.
#[test]
fn calls_without_ids() {
    let request = Request {
        turns: vec![
            turn(Role::Assistant, vec![call("", "f", "{}"), call("", "g", ""), call("", "f", "{}")]),
            turn(
                Role::User,
                vec![result("", Some("f"), "1"), result("", Some("f"), "3"), result("", Some("g"), "2")],
            ),
            turn(Role::Assistant, vec![call("", "f", "{}")]),
            turn(Role::User, vec![result("", Some("f"), "4")]),
            turn(Role::User, vec![result("", Some("h"), "5")]),
        ],
        ..Request::default()
    };
    let body = json(&write(&request, Surface::GenerateContent).body);
    let items = body["input"].as_array().unwrap();
    let ids: Vec<_> = items.iter().map(|item| item["call_id"].as_str().unwrap()).collect();
    let want = [
        "call_0_f", "call_1_g", "call_2_f", "call_0_f", "call_2_f", "call_1_g", "call_3_f", "call_3_f",
        "call_0_h",
    ];
    assert_eq!(ids, want);
}

#[test]
fn own_state_goes_back_to_its_issuer_only() {
    let state = |provider: Option<&'static str>| State {
        data: "gAAA".into(),
        surface: Surface::Responses,
        provider: provider.map(Into::into),
        kind: StateKind::Encrypted,
    };
    let part = |text: &'static str, state| {
        Part::Reasoning(Thought { text: text.into(), summary: false, state, id: Some("rs_1".into()) })
    };
    let written = |part| {
        let request = Request { turns: vec![turn(Role::Assistant, vec![part])], ..Request::default() };
        let translated = write(&request, Surface::Messages);
        (json(&translated.body)["input"].clone(), translated.lost)
    };
    let item = json!([{"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "gAAA"}]);
    assert_eq!(written(part("Hm", Some(state(Some("openai"))))), (item.clone(), vec![]));
    assert_eq!(written(part("Hm", Some(state(None)))), (item, vec![]));
    let nothing = (json!([]), vec!["messages[0].reasoning".to_owned()]);
    assert_eq!(written(part("Hm", Some(state(Some("azure"))))), nothing);
    assert_eq!(written(part("Hm", None)), nothing);
}

#[test]
fn media() {
    let document = |source, name: Option<&'static str>, media_type: &'static str| {
        Part::Document(Media { name: name.map(Into::into), ..Media::new(source, Some(media_type.into())) })
    };
    let request = user(vec![
        Part::text("Read"),
        document(Source::Base64("JVBE".into()), None, "application/pdf"),
        document(Source::Base64("YQ==".into()), Some("a.csv"), "text/csv"),
        document(Source::Text("plain".into()), Some("Title"), "text/plain"),
        document(Source::Url("https://e.org/a.pdf".into()), None, "application/pdf"),
        Part::Audio(Media::new(Source::Base64("UklG".into()), Some("audio/mpeg".into()))),
    ]);
    let translated = write(&request, Surface::Messages);
    let want = json!([
        {"type": "input_text", "text": "Read"},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        {"type": "input_file", "filename": "a.csv", "file_data": "data:text/csv;base64,YQ=="},
        {"type": "input_text", "text": "plain"},
        {"type": "input_file", "file_url": "https://e.org/a.pdf"},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}},
    ]);
    assert_eq!(json(&translated.body)["input"][0]["content"], want);
    assert_eq!(translated.lost, ["messages[0].title"]);
}

#[test]
fn what_cannot_be_said_is_refused() {
    let image = |source| Part::Image(Media::new(source, None));
    let at = "messages[0]";
    for (part, want) in [
        (image(Source::Url("gs://b/a.png".into())), format!("a file in {at} whose address is not https")),
        (image(Source::FileId("file_1".into())), format!("a file in {at} that another provider keeps")),
        (Part::Video(Media::new(Source::Base64("AAAA".into()), None)), format!("video in {at}")),
        (
            Part::Audio(Media::new(Source::Base64("AAAA".into()), Some("audio/flac".into()))),
            format!("sound in {at} that is neither wav nor mp3"),
        ),
        (
            Part::Audio(Media::new(Source::Url("https://e.org/a.wav".into()), Some("audio/wav".into()))),
            format!("sound in {at} that is not in the request itself"),
        ),
    ] {
        assert_eq!(refused(part, Surface::Messages), want);
    }
    let made = turn(Role::Assistant, vec![image(Source::Base64("iVBO".into()))]);
    let request = Request { turns: vec![made], ..Request::default() };
    let error = write_request(&request, Surface::GenerateContent, &OPENAI).unwrap_err();
    assert_eq!(error.to_string(), "a picture of the assistant in contents[0]");
    let request = Request { candidates: Some(2), ..user(vec![]) };
    assert!(write_request(&request, Surface::ChatCompletions, &OPENAI).is_err());
    let request = Request { candidates: Some(1), ..user(vec![]) };
    assert!(write_request(&request, Surface::ChatCompletions, &OPENAI).is_ok());
}

#[test]
fn sampling_that_is_not_known() {
    let mut request = user(vec![Part::Text(TextPart {
        text: "Hi".into(),
        cache: Some(Cache { ttl: Some("1h".into()) }),
        annotations: None,
    })]);
    request.top_k = Some(5);
    request.seed = Some(-1);
    request.frequency_penalty = Some(0.5);
    request.presence_penalty = Some(0.25);
    request.stop = vec!["END".into()];
    request.max_output_tokens = Some(1);
    let written = |from, extensions: &[&str]| {
        let extensions: Vec<String> = extensions.iter().map(|name| (*name).to_owned()).collect();
        let translated =
            write_request(&request, from, &Target { extensions: &extensions, ..OPENAI }).unwrap();
        (json(&translated.body), translated.lost)
    };
    let (body, lost) = written(Surface::ChatCompletions, &[]);
    let names = [
        "cache_control",
        "max_completion_tokens",
        "top_k",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "stop",
    ];
    assert_eq!(lost, names);
    assert_eq!(
        (&body["max_output_tokens"], &body["top_k"], &body["stop"]),
        (&16.into(), &Value::Null, &Value::Null)
    );
    let (_, lost) = written(Surface::GenerateContent, &[]);
    assert_eq!(lost[2], "generationConfig.topK");
    let known = ["top_k", "seed", "frequency_penalty", "presence_penalty", "stop", "prompt_cache_breakpoint"];
    let (body, lost) = written(Surface::Messages, &known);
    assert_eq!(lost, ["max_tokens"]);
    assert_eq!(
        (&body["top_k"], &body["seed"], &body["frequency_penalty"]),
        (&5.into(), &(-1).into(), &0.5.into())
    );
    assert_eq!((&body["presence_penalty"], &body["stop"]), (&0.25.into(), &json!(["END"])));
    let mark = &body["input"][0]["content"][0]["prompt_cache_breakpoint"];
    assert_eq!(*mark, json!({"mode": "explicit"}), "an hour is not among its lifetimes");
}

#[test]
fn what_travels_beside() {
    let aside = |names: &[&'static str]| Request {
        aside: names.iter().map(|name| ((*name).into(), serde_json::from_str("true").unwrap())).collect(),
        ..user(vec![])
    };
    let request = aside(&["store", "metadata", "logit_bias", "plugins"]);
    let extensions = ["plugins".to_owned()];
    let target = Target { extensions: &extensions, ..OPENAI };
    let translated = write_request(&request, Surface::ChatCompletions, &target).unwrap();
    let body = json(&translated.body);
    assert_eq!(
        (&body["store"], &body["metadata"], &body["plugins"]),
        (&true.into(), &true.into(), &true.into())
    );
    assert_eq!((body.get("logit_bias"), &*translated.lost), (None, &["logit_bias".to_owned()][..]));
    // The same names mean something else in other dialects.
    let translated = write(&aside(&["metadata", "service_tier"]), Surface::Messages);
    assert_eq!(translated.lost, ["metadata", "service_tier"]);
}

#[test]
fn effort() {
    let reasoning = |reasoning: Reasoning<'static>, limit: Option<u64>, thinking| {
        let request = Request { reasoning: Some(reasoning), max_output_tokens: limit, ..user(vec![]) };
        let target = Target { thinking, ..OPENAI };
        let translated = write_request(&request, Surface::Messages, &target).unwrap();
        (json(&translated.body)["reasoning"].clone(), translated.lost)
    };
    let usual = |given: Reasoning<'static>, limit| reasoning(given, limit, Thinking::Usual).0;
    let word = |effort: &'static str| Reasoning { effort: Some(effort.into()), ..Reasoning::default() };
    let budget = |budget| Reasoning { budget: Some(budget), ..Reasoning::default() };
    for (given, want) in
        [("minimal", "minimal"), ("low", "low"), ("xhigh", "xhigh"), ("max", "xhigh"), ("none", "none")]
    {
        assert_eq!(usual(word(given), None), json!({"effort": want}));
    }
    for (tokens, limit, want) in [
        (0, None, "none"),
        (1, None, "none"),
        (1024, None, "low"),
        (1025, None, "medium"),
        (2458, None, "medium"),
        (2459, None, "high"),
        (1024, Some(1025), "high"),
        (9_999_999, Some(1), "high"),
    ] {
        assert_eq!(usual(budget(tokens), limit), json!({"effort": want}), "{tokens} of {limit:?}");
    }
    let both = Reasoning { budget: Some(1), ..word("high") };
    assert_eq!(usual(both, None), json!({"effort": "high"}), "a given word wins");
    let off = Reasoning { enabled: Some(false), ..Reasoning::default() };
    assert_eq!(usual(off, None), json!({"effort": "none"}));
    let shown = Reasoning { show: Some(true), ..word("low") };
    assert_eq!(usual(shown, None), json!({"effort": "low", "summary": "auto"}));
    let adaptive = Reasoning { adaptive: true, ..Reasoning::default() };
    assert_eq!(usual(adaptive, None), Value::Null, "as much as the model likes is what it does anyway");
    let (body, lost) = reasoning(word("high"), None, Thinking::None);
    assert_eq!((body, &*lost), (Value::Null, &["thinking".to_owned()][..]));
}

#[test]
fn form_of_the_answer() {
    let schema = serde_json::from_str(r#"{"type":"object"}"#).unwrap();
    let output = Output::Schema { name: None, description: None, schema, strict: None };
    let request = Request { output, verbosity: Some("low".into()), ..user(vec![]) };
    let want = json!({"format": {"type": "json_schema", "name": "response", "schema": {"type": "object"}}, "verbosity": "low"});
    assert_eq!(json(&write(&request, Surface::Messages).body)["text"], want);
    let request = Request { output: Output::Json, ..user(vec![]) };
    let body = json(&write(&request, Surface::ChatCompletions).body);
    assert_eq!(body["text"], json!({"format": {"type": "json_object"}}));
}

#[test]
fn names_of_speakers_are_lost() {
    let mut request = user(vec![Part::text("Hi")]);
    request.system = vec![Part::text("S")];
    request.turns[0].name = Some("Ann".into());
    assert_eq!(write(&request, Surface::ChatCompletions).lost, ["messages[1].name"]);
}
