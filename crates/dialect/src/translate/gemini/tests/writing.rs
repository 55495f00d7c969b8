//! Writing other dialects' requests for Google.

use super::{json, target};
use crate::Surface;
use crate::translate::gemini::write_request;
use crate::translate::request::*;
use crate::translate::state::{State, StateKind};
use crate::translate::{Target, Thinking};
use serde_json::Value;

fn write(request: &Request<'_>, model: &str) -> (Value, Vec<String>) {
    let written = write_request(request, Surface::ChatCompletions, &target(model)).unwrap();
    (json(&written.body), written.lost)
}

fn unsupported(request: &Request<'_>) -> String {
    write_request(request, Surface::ChatCompletions, &target("gemini-2.5-flash")).unwrap_err().to_string()
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, parts, name: None }
}

fn user(parts: Vec<Part<'static>>) -> Request<'static> {
    Request { turns: vec![turn(Role::User, parts)], ..Request::default() }
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

fn result(id: &'static str, parts: Vec<Part<'static>>, is_error: bool) -> Part<'static> {
    Part::ToolResult(ToolResult { id: id.into(), name: None, parts, is_error, cache: None })
}

fn tree(json: &'static str) -> Json<'static> {
    serde_json::from_str(json).unwrap()
}

/// The form of ai.google.dev/api/generate-content, with every parameter another dialect has an equal of.
#[test]
fn parameters() {
    let request = Request {
        model: "gpt-4o".into(),
        system: vec![Part::text("Be brief."), Part::text("And kind.")],
        max_output_tokens: Some(800),
        temperature: Some(0.5),
        top_p: Some(0.8),
        top_k: Some(10),
        candidates: Some(2),
        frequency_penalty: Some(0.1),
        presence_penalty: Some(-0.1),
        seed: Some(42),
        stop: vec!["END".into()],
        ..user(vec![Part::text("Hello")])
    };
    let want = json(
        br#"{"contents":[{"role":"user","parts":[{"text":"Hello"}]}],
            "systemInstruction":{"parts":[{"text":"Be brief."},{"text":"And kind."}]},
            "generationConfig":{"maxOutputTokens":800,"temperature":0.5,"topP":0.8,"topK":10,"candidateCount":2,
              "frequencyPenalty":0.1,"presencePenalty":-0.1,"seed":42,"stopSequences":["END"]}}"#,
    );
    assert_eq!(write(&request, "gemini-2.5-flash"), (want, vec![]));
    let bare = json(br#"{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}"#);
    assert_eq!(write(&user(vec![Part::text("Hello")]), "gemini-2.5-flash"), (bare, vec![]));
}

/// ai.google.dev/gemini-api/docs/function-calling and /structured-output.
#[test]
fn functions_and_forms() {
    let schema =
        r##"{"type":"object","properties":{"z":{"type":["string","null"]},"a":{"$ref":"#/$defs/A"}}}"##;
    let function = Function {
        name: "f".into(),
        description: Some("does f".into()),
        parameters: Some(tree(schema)),
        strict: Some(true),
        ..Function::default()
    };
    let request = Request {
        tools: vec![Tool::Function(function), Tool::Native(tree(r#"{"type":"web_search"}"#))],
        tool_choice: Some(ToolChoice::Named("f".into())),
        parallel_tool_calls: Some(false),
        output: Output::Schema {
            name: Some("s".into()),
            description: None,
            schema: tree(schema),
            strict: Some(true),
        },
        ..user(vec![Part::text("Hello")])
    };
    let written = write_request(&request, Surface::ChatCompletions, &target("gemini-2.5-flash")).unwrap();
    let want = format!(
        r#"{{"contents":[{{"role":"user","parts":[{{"text":"Hello"}}]}}],"tools":[{{"functionDeclarations":[{{"name":"f","description":"does f","parametersJsonSchema":{schema}}}]}}],"toolConfig":{{"functionCallingConfig":{{"mode":"ANY","allowedFunctionNames":["f"]}}}},"generationConfig":{{"responseMimeType":"application/json","responseJsonSchema":{schema}}}}}"#
    );
    assert_eq!(String::from_utf8(written.body).unwrap(), want, "in the order of the schema");
    assert_eq!(written.lost, ["tools[1]", "tools[].function.strict", "parallel_tool_calls"]);

    for (choice, want) in [
        (ToolChoice::Auto, r#"{"mode":"AUTO"}"#),
        (ToolChoice::None, r#"{"mode":"NONE"}"#),
        (ToolChoice::Required, r#"{"mode":"ANY"}"#),
        (
            ToolChoice::Among(vec!["f".into(), "g".into()]),
            r#"{"mode":"ANY","allowedFunctionNames":["f","g"]}"#,
        ),
    ] {
        let request = Request { tool_choice: Some(choice), ..request.clone() };
        let (body, _) = write(&request, "gemini-2.5-flash");
        assert_eq!(body["toolConfig"]["functionCallingConfig"], json(want.as_bytes()));
    }
    let request = Request { tool_choice: Some(ToolChoice::Required), ..user(vec![Part::text("x")]) };
    let (body, lost) = write(&request, "gemini-2.5-flash");
    assert!(body.get("toolConfig").is_none());
    assert_eq!(lost, ["tool_choice"]);
}

fn tool_loop() -> Request<'static> {
    let image = Media::new(Source::Base64("AAAA".into()), Some("image/png".into()));
    Request {
        turns: vec![
            turn(Role::User, vec![Part::text("Paris and London?")]),
            turn(Role::Assistant, vec![Part::text("Let me see.")]),
            turn(Role::Assistant, vec![call("c1", "weather", r#"{"city":"Paris"}"#), call("c2", "map", "")]),
            turn(Role::User, vec![result("c2", vec![Part::text("a map"), Part::Image(image)], false)]),
            turn(Role::User, vec![Part::text("Hurry.")]),
            turn(Role::User, vec![result("c1", vec![Part::text(r#"{"temp":15}"#)], false)]),
        ],
        ..Request::default()
    }
}

#[test]
fn results_follow_their_calls_in_their_order() {
    let want = json(
        br#"[{"role":"user","parts":[{"text":"Paris and London?"}]},
             {"role":"model","parts":[{"text":"Let me see."},
               {"functionCall":{"id":"c1","name":"weather","args":{"city":"Paris"}}},
               {"functionCall":{"id":"c2","name":"map","args":{}}}]},
             {"role":"user","parts":[
               {"functionResponse":{"id":"c1","name":"weather","response":{"temp":15}}},
               {"functionResponse":{"id":"c2","name":"map","response":{"output":"a map"}}}]},
             {"role":"user","parts":[{"text":"From the result of map:"},
               {"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"text":"Hurry."}]}]"#,
    );
    let (body, lost) = write(&tool_loop(), "gemini-2.5-flash");
    assert_eq!((&body["contents"], lost), (&want, vec![]));
}

/// ai.google.dev/gemini-api/docs/thought-signatures, "FAQs", and /function-calling, "Multimodal function responses".
#[test]
fn gemini_3_wants_signatures_and_takes_pictures_in_results() {
    let (body, _) = write(&tool_loop(), "gemini-3.6-flash");
    let calls = json(
        br#"[{"text":"Let me see."},
             {"functionCall":{"id":"c1","name":"weather","args":{"city":"Paris"}},
              "thoughtSignature":"skip_thought_signature_validator"},
             {"functionCall":{"id":"c2","name":"map","args":{}}}]"#,
    );
    assert_eq!(body["contents"][1]["parts"], calls);
    let result = json(
        br#"{"functionResponse":{"id":"c2","name":"map","response":{"output":"a map"},
             "parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}"#,
    );
    assert_eq!(body["contents"][2]["parts"][1], result);
    assert_eq!(body["contents"][3]["parts"], json(br#"[{"text":"Hurry."}]"#));
}

#[test]
fn results_that_fail_and_results_that_look_like_something_else() {
    let parts = |text: &'static str, is_error| {
        let turns = vec![
            turn(Role::Assistant, vec![call("c", "f", "{}")]),
            turn(Role::User, vec![result("c", vec![Part::text(text)], is_error)]),
        ];
        let (body, _) = write(&Request { turns, ..Request::default() }, "gemini-2.5-flash");
        body["contents"][1]["parts"][0]["functionResponse"]["response"].clone()
    };
    for (text, is_error, want) in [
        ("no", true, r#"{"error":"no"}"#),
        ("", false, r#"{"output":""}"#),
        (r#" {"a":[1]} "#, false, r#"{"a":[1]}"#),
        (r#"{"a":1}"#, true, r#"{"error":"{\"a\":1}"}"#),
        (r#"{"error":"x","a":1}"#, false, r#"{"output":"{\"error\":\"x\",\"a\":1}"}"#),
        (r#"{"a":"#, false, r#"{"output":"{\"a\":"}"#),
        ("[1]", false, r#"{"output":"[1]"}"#),
    ] {
        assert_eq!(parts(text, is_error), json(want.as_bytes()), "{text}");
    }
}

#[test]
fn signatures_go_where_they_came_from() {
    let state = |provider: Option<&'static str>, surface| State {
        data: "S".into(),
        surface,
        provider: provider.map(Into::into),
        kind: StateKind::Signature,
    };
    let thought = |text: &'static str, state| {
        Part::Reasoning(Thought { text: text.into(), state: Some(state), ..Thought::default() })
    };
    let own = || state(Some("google"), Surface::GenerateContent);
    let signed = || {
        Part::ToolCall(ToolCall {
            id: "c".into(),
            name: "f".into(),
            arguments: "{}".into(),
            state: Some(own()),
            cache: None,
        })
    };
    let called = r#"{"functionCall":{"id":"c","name":"f","args":{}},"thoughtSignature":"S"}"#;
    let lost = ["messages[].reasoning_details"];
    for (parts, want, lost) in [
        (
            vec![thought("hm", own())],
            r#"[{"text":"hm","thought":true,"thoughtSignature":"S"}]"#.to_owned(),
            &[][..],
        ),
        (vec![signed()], format!("[{called}]"), &[]),
        (vec![thought("", own()), call("c", "f", "{}")], format!("[{called}]"), &[]),
        (
            vec![Part::text("a"), thought("", own())],
            r#"[{"text":"a"},{"text":"","thoughtSignature":"S"}]"#.to_owned(),
            &[],
        ),
        (
            vec![thought("", own()), Part::text("a")],
            r#"[{"text":"a","thoughtSignature":"S"}]"#.to_owned(),
            &[],
        ),
        (
            vec![thought("hm", state(None, Surface::Messages))],
            r#"[{"text":"hm","thought":true}]"#.to_owned(),
            &lost,
        ),
        (
            vec![thought("hm", state(Some("vertex"), Surface::GenerateContent))],
            r#"[{"text":"hm","thought":true}]"#.to_owned(),
            &lost,
        ),
        (
            vec![Part::text("a"), thought("", state(None, Surface::Messages))],
            r#"[{"text":"a"}]"#.to_owned(),
            &lost,
        ),
    ] {
        let request = Request { turns: vec![turn(Role::Assistant, parts)], ..Request::default() };
        let (body, got) = write(&request, "gemini-2.5-flash");
        assert_eq!(body["contents"][0]["parts"], json(want.as_bytes()));
        assert_eq!(got, lost, "{want}");
    }
}

/// ai.google.dev/gemini-api/docs/file-input-methods.
#[test]
fn media() {
    let url = |url: &'static str| Media::new(Source::Url(url.into()), None);
    for (part, want) in [
        (
            Part::Image(url("https://example.com/cat.jpg?x=1")),
            r#"{"fileData":{"mimeType":"image/jpeg","fileUri":"https://example.com/cat.jpg?x=1"}}"#,
        ),
        (
            Part::Video(url("https://www.youtube.com/watch?v=9hE5-98ZeCg")),
            r#"{"fileData":{"fileUri":"https://www.youtube.com/watch?v=9hE5-98ZeCg"}}"#,
        ),
        (
            Part::Document(Media { media_type: Some("application/pdf".into()), ..url("gs://b/x") }),
            r#"{"fileData":{"mimeType":"application/pdf","fileUri":"gs://b/x"}}"#,
        ),
        (
            Part::Image(Media::new(Source::Base64("/9j/AA==".into()), None)),
            r#"{"inlineData":{"mimeType":"image/jpeg","data":"/9j/AA=="}}"#,
        ),
        (Part::Document(Media::new(Source::Text("Hi".into()), None)), r#"{"text":"Hi"}"#),
    ] {
        let (body, lost) = write(&user(vec![part]), "gemini-2.5-flash");
        assert_eq!(body["contents"][0]["parts"][0], json(want.as_bytes()));
        assert!(lost.is_empty());
    }
    for (part, want) in [
        (
            Part::Image(url("https://example.com/cat")),
            "a picture for Gemini has an address that does not tell its media type; as base64 it does",
        ),
        (
            Part::Image(url("http://example.com/cat.png")),
            "a picture for Gemini must be an https: or gs: address, or base64",
        ),
        (
            Part::Audio(Media::new(Source::Base64("UklGRgAA".into()), None)),
            "a sound for Gemini needs a media type, as in data:image/png;base64,...",
        ),
        (
            Part::Document(Media::new(Source::FileId("file-1".into()), None)),
            "a document for Gemini is a file of another provider; as base64 it can be sent",
        ),
        (
            call("c", "f", "{\"a\""),
            "'messages[].tool_calls[].function.arguments' must be a JSON object for Gemini",
        ),
        (
            result("c", vec![], false),
            "'messages[].tool_call_id' names no call before it, and Gemini needs the function's name",
        ),
    ] {
        assert_eq!(unsupported(&user(vec![part])), want);
    }
    let request = Request {
        system: vec![Part::Image(url("https://example.com/a.png"))],
        ..user(vec![Part::text("x")])
    };
    assert_eq!(unsupported(&request), "Gemini takes nothing but text as the system prompt");
}

#[test]
fn what_cannot_be_said_is_named() {
    let text = TextPart {
        text: "x".into(),
        cache: Some(Cache::default()),
        annotations: Some(tree(r#"[{"type":"url_citation"}]"#)),
    };
    let image = Media {
        detail: Some("high".into()),
        name: Some("x.png".into()),
        ..Media::new(Source::Base64("AAAA".into()), Some("image/png".into()))
    };
    let spoken =
        Turn { name: Some("Bob".into()), ..turn(Role::User, vec![Part::Text(text), Part::Image(image)]) };
    let request = Request {
        turns: vec![spoken, turn(Role::System, vec![Part::text("Now in French.")])],
        user: Some("u".into()),
        verbosity: Some("low".into()),
        seed: Some(1 << 40),
        stop: ["a", "b", "c", "d", "e", "f"].map(Into::into).to_vec(),
        aside: vec![
            ("logit_bias".into(), tree("{}")),
            ("service_tier".into(), tree(r#""flex""#)),
            ("safety_settings".into(), tree("[]")),
            ("provider".into(), tree("{}")),
        ],
        ..Request::default()
    };
    let extensions = ["provider".to_owned()];
    let target = Target { extensions: &extensions, ..target("gemini-2.5-flash") };
    let written = write_request(&request, Surface::ChatCompletions, &target).unwrap();
    let body = json(&written.body);
    let parts =
        r#"[{"text":"x"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"text":"Now in French."}]"#;
    assert_eq!(body["contents"], json(format!(r#"[{{"role":"user","parts":{parts}}}]"#).as_bytes()));
    assert_eq!(body["generationConfig"], json(br#"{"stopSequences":["a","b","c","d","e"]}"#));
    assert_eq!((&body["serviceTier"], &body["safetySettings"]), (&"flex".into(), &json(b"[]")));
    assert_eq!(body["provider"], json(b"{}"));
    let mut lost = written.lost;
    lost.sort();
    let want = [
        "logit_bias",
        "messages[].annotations",
        "messages[].content[].cache_control",
        "messages[].content[].file.filename",
        "messages[].content[].image_url.detail",
        "messages[].name",
        "messages[].role",
        "seed",
        "stop[5]",
        "user",
        "verbosity",
    ];
    assert_eq!(lost, want);
}

#[test]
fn thinking_is_said_in_the_models_way() {
    let reasoning = Reasoning { effort: Some("low".into()), show: Some(true), ..Reasoning::default() };
    let request = Request { reasoning: Some(reasoning), ..user(vec![Part::text("x")]) };
    for (model, thinking, want) in [
        ("gemini-2.5-flash", Thinking::Usual, r#"{"includeThoughts":true,"thinkingBudget":1024}"#),
        ("gemini-3.6-flash", Thinking::Usual, r#"{"includeThoughts":true,"thinkingLevel":"LOW"}"#),
        ("gemini-3.6-flash", Thinking::Budget, r#"{"includeThoughts":true,"thinkingBudget":1024}"#),
    ] {
        let target = Target { thinking, ..target(model) };
        let written = write_request(&request, Surface::ChatCompletions, &target).unwrap();
        assert_eq!(
            json(&written.body)["generationConfig"]["thinkingConfig"],
            json(want.as_bytes()),
            "{model}"
        );
    }
}
