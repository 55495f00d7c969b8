//! Reading what clients send.

use crate::Surface;
use crate::translate::gemini::read_request;
use crate::translate::request::*;
use crate::translate::state::{State, StateKind};

fn read(body: &str) -> Request<'_> {
    read_request(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn refused(body: &str) -> String {
    read_request(body.as_bytes()).unwrap_err().to_string()
}

fn schema(json: &'static str) -> Json<'static> {
    serde_json::from_str(json).unwrap()
}

/// ai.google.dev/gemini-api/docs/text-generation (system instructions, configuration), REST.
#[test]
fn text_with_a_system_instruction() {
    let request = read(
        r#"{"system_instruction":{"parts":[{"text":"You are a cat. Your name is Neko."}]},
            "contents":[{"parts":[{"text":"Hello there"}]},{"role":"model","parts":[{"text":"Meow"}]},
                        {"role":"user","parts":{"text":"Explain how AI works"}}],
            "generationConfig":{"stopSequences":["Title"],"temperature":1.0,"topP":0.8,"topK":10,
                                "maxOutputTokens":800,"candidateCount":1,"seed":-3}}"#,
    );
    assert_eq!(request.system, [Part::text("You are a cat. Your name is Neko.")]);
    let turns: Vec<_> = request.turns.iter().map(|turn| (turn.role, turn.parts.clone())).collect();
    assert_eq!(
        turns,
        [
            (Role::User, vec![Part::text("Hello there")]),
            (Role::Assistant, vec![Part::text("Meow")]),
            (Role::User, vec![Part::text("Explain how AI works")]),
        ]
    );
    assert_eq!((request.temperature, request.top_p, request.top_k), (Some(1.0), Some(0.8), Some(10)));
    assert_eq!((request.max_output_tokens, request.candidates, request.seed), (Some(800), Some(1), Some(-3)));
    assert_eq!(request.stop, ["Title"]);
    assert!(request.aside.is_empty() && request.lost.is_empty());
}

/// What google-genai 3.3 for Python sends: the spellings are mixed, numbers are floats, bytes are URL-safe base64.
#[test]
fn the_python_sdk() {
    let request = read(
        r#"{"contents":[{"parts":[{"text":"hi"},{"inlineData":{"data":"-__-","mime_type":"image/png"}}],"role":"user"}],
            "systemInstruction":{"parts":[{"text":"sys"}],"role":"user"},
            "tools":[{"functionDeclarations":[{"description":"does f","name":"f",
              "parameters_json_schema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},
              "response_json_schema":{"type":"string"}}]}],
            "toolConfig":{"functionCallingConfig":{"allowedFunctionNames":["f"],"mode":"ANY"}},
            "generationConfig":{"temperature":0.5,"topK":40.0,"maxOutputTokens":9,"responseModalities":["TEXT"],
              "thinkingConfig":{"include_thoughts":true,"thinking_budget":100}}}"#,
    );
    let image = Media::new(Source::Base64("+//+".into()), Some("image/png".into()));
    assert_eq!(request.turns[0].parts, [Part::text("hi"), Part::Image(image)]);
    let function = Function {
        name: "f".into(),
        description: Some("does f".into()),
        parameters: Some(schema(
            r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#,
        )),
        ..Function::default()
    };
    assert_eq!(request.tools, [Tool::Function(function)]);
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    let reasoning =
        Reasoning { enabled: Some(true), budget: Some(100), show: Some(true), ..Reasoning::default() };
    assert_eq!(request.reasoning, Some(reasoning));
    assert_eq!(request.lost, ["tools[0].functionDeclarations[0].response_json_schema"]);
    assert!(request.aside.is_empty());
}

/// ai.google.dev/gemini-api/docs/function-calling: calls at once and their results; without ids as before Gemini 3.
#[test]
fn calls_and_results() {
    let request = read(
        r#"{"contents":[
            {"role":"user","parts":[{"text":"Turn this place into a party!"}]},
            {"role":"model","parts":[
              {"functionCall":{"name":"power_disco_ball","args":{"power":true}},"thoughtSignature":"Signature-A_="},
              {"functionCall":{"name":"dim_lights","args":{"brightness":0.5}}},
              {"functionCall":{"id":"x7","name":"dim_lights"}}]},
            {"role":"user","parts":[
              {"functionResponse":{"name":"dim_lights","response":{"result":"dimmed"}}},
              {"functionResponse":{"id":"x7","name":"dim_lights","response":{"error":"no power","output":null}}},
              {"functionResponse":{"name":"power_disco_ball","response":{"status":"on","watts":5},
                "parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}]}"#,
    );
    let signature = State {
        data: "Signature-A_=".into(),
        surface: Surface::GenerateContent,
        provider: None,
        kind: StateKind::Signature,
    };
    let call = |id: &'static str, name: &'static str, arguments: &'static str, state| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
            state,
            cache: None,
        })
    };
    assert_eq!(
        request.turns[1].parts,
        [
            call("call_0_power_disco_ball", "power_disco_ball", r#"{"power":true}"#, Some(signature)),
            call("call_1_dim_lights", "dim_lights", r#"{"brightness":0.5}"#, None),
            call("x7", "dim_lights", "{}", None),
        ]
    );
    let result = |id: &'static str, name: &'static str, parts, is_error| {
        Part::ToolResult(ToolResult { id: id.into(), name: Some(name.into()), parts, is_error, cache: None })
    };
    let image = Part::Image(Media::new(Source::Base64("AAAA".into()), Some("image/png".into())));
    assert_eq!(
        request.turns[2].parts,
        [
            result("call_1_dim_lights", "dim_lights", vec![Part::text("dimmed")], false),
            result("x7", "dim_lights", vec![Part::text("no power")], true),
            result(
                "call_0_power_disco_ball",
                "power_disco_ball",
                vec![Part::text(r#"{"status":"on","watts":5}"#), image],
                false
            ),
        ]
    );
    assert!(request.lost.is_empty());
}

/// ai.google.dev/gemini-api/docs/function-calling and /structured-output: OpenAPI schemas.
#[test]
fn openapi_schemas_become_json_schema() {
    let request = read(
        r#"{"contents":"hi","tools":[{"function_declarations":[{"name":"g","parameters":{"type":"OBJECT",
             "properties":{"x":{"type":"STRING","nullable":true}}}}]},{"google_search":{}},{"holodeck":{}}],
            "generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"ARRAY",
             "items":{"type":"OBJECT","properties":{"recipe":{"type":"STRING"},"id":{"type":"INTEGER"}},
                      "propertyOrdering":["id","recipe"]}}}}"#,
    );
    let Tool::Function(function) = &request.tools[0] else { panic!() };
    let want = schema(r#"{"type":"object","properties":{"x":{"type":["string","null"]}}}"#);
    assert_eq!(function.parameters, Some(want));
    assert_eq!(request.tools[1], Tool::Native(schema(r#"{"googleSearch":{}}"#)));
    let Output::Schema { schema, .. } = &request.output else { panic!() };
    let want = r#"{"type":"array","items":{"type":"object","properties":{"id":{"type":"integer"},"recipe":{"type":"string"}}}}"#;
    assert_eq!(serde_json::to_string(schema).unwrap(), want);
    assert_eq!(request.lost, ["tools[2].holodeck"]);
}

#[test]
fn media() {
    let request = read(
        r#"{"contents":[{"parts":[
            {"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc","mimeType":"video/mp4"},
             "videoMetadata":{"fps":5}},
            {"file_data":{"file_uri":"https://www.youtube.com/watch?v=9hE5-98ZeCg"}},
            {"fileData":{"fileUri":"gs://bucket/x.pdf","displayName":"X"}},
            {"inlineData":{"mimeType":"audio/mp3","data":"SUQz"}},
            {"inlineData":{"mimeType":"text/plain","data":"SGk="}},
            {"inlineData":{"mimeType":"image/png","data":"AAAA"},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}}]}]}"#,
    );
    let url = |url: &'static str| Source::Url(url.into());
    let files = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    assert_eq!(
        request.turns[0].parts,
        [
            Part::Video(Media::new(url(files), Some("video/mp4".into()))),
            Part::Video(Media::new(url("https://www.youtube.com/watch?v=9hE5-98ZeCg"), None)),
            Part::Document(Media { name: Some("X".into()), ..Media::new(url("gs://bucket/x.pdf"), None) }),
            Part::Audio(Media::new(Source::Base64("SUQz".into()), Some("audio/mp3".into()))),
            Part::Document(Media::new(Source::Text("Hi".into()), Some("text/plain".into()))),
            Part::Image(Media {
                detail: Some("low".into()),
                ..Media::new(Source::Base64("AAAA".into()), Some("image/png".into()))
            }),
        ]
    );
    assert_eq!(request.lost, ["contents[0].parts[0].videoMetadata"]);
}

/// ai.google.dev/gemini-api/docs/thinking and /thought-signatures.
#[test]
fn thoughts() {
    let wrapped = crate::translate::gemini::base64::encode(b"tg1.messages.s.anthropic.EqQB");
    let body = format!(
        r#"{{"contents":[{{"role":"model","parts":[{{"text":"hm","thought":true,"thoughtSignature":"{wrapped}"}},
            {{"text":"Hello","thought_signature":"B"}},{{"text":""}},{{"text":"","thoughtSignature":"C"}}]}}],
            "generationConfig":{{"thinkingConfig":{{"thinkingLevel":"low"}}}}}}"#
    );
    let request = read(&body);
    let state = |data: &'static str, surface, provider: Option<&'static str>| State {
        data: data.into(),
        surface,
        provider: provider.map(Into::into),
        kind: StateKind::Signature,
    };
    let thought = |text: &'static str, summary, state| {
        Part::Reasoning(Thought { text: text.into(), summary, state: Some(state), id: None })
    };
    let own = |data| state(data, Surface::GenerateContent, None);
    assert_eq!(
        request.turns[0].parts,
        [
            thought("hm", true, state("EqQB", Surface::Messages, Some("anthropic"))),
            Part::text("Hello"),
            thought("", false, own("B")),
            thought("", false, own("C")),
        ]
    );
    for (config, want) in [
        (r#"{"thinkingBudget":0}"#, Reasoning { enabled: Some(false), ..Reasoning::default() }),
        (
            r#"{"thinkingBudget":-1}"#,
            Reasoning { enabled: Some(true), adaptive: true, ..Reasoning::default() },
        ),
        (
            r#"{"thinkingLevel":"HIGH"}"#,
            Reasoning { enabled: Some(true), effort: Some("high".into()), ..Reasoning::default() },
        ),
        (r#"{"includeThoughts":false}"#, Reasoning { show: Some(false), ..Reasoning::default() }),
    ] {
        let body = format!(r#"{{"contents":"x","generation_config":{{"thinking_config":{config}}}}}"#);
        assert_eq!(read(&body).reasoning, Some(want), "{config}");
    }
}

#[test]
fn tool_modes() {
    let names = || vec!["a".into(), "b".into()];
    for (config, want, lost) in [
        (r#"{"mode":"AUTO"}"#, Some(ToolChoice::Auto), &[][..]),
        (r#"{"mode":"none"}"#, Some(ToolChoice::None), &[]),
        (r#"{"mode":"ANY"}"#, Some(ToolChoice::Required), &[]),
        (r#"{"mode":"ANY","allowed_function_names":["a","b"]}"#, Some(ToolChoice::Among(names())), &[]),
        (r#"{"mode":"MODE_UNSPECIFIED"}"#, None, &[]),
        (r#"{"mode":"VALIDATED"}"#, Some(ToolChoice::Auto), &["toolConfig.functionCallingConfig.mode"]),
        (
            r#"{"allowedFunctionNames":["a"]}"#,
            None,
            &["toolConfig.functionCallingConfig.allowedFunctionNames"],
        ),
    ] {
        let body = format!(r#"{{"contents":"x","toolConfig":{{"functionCallingConfig":{config}}}}}"#);
        let request = read(&body);
        assert_eq!(request.tool_choice, want, "{config}");
        assert_eq!(request.lost, lost, "{config}");
    }
}

#[test]
fn what_has_no_place_is_kept_by_its_path() {
    let request = read(
        r#"{"contents":"x","safetySettings":[],"labels":{"a":"b"},"generationConfig":{"speechConfig":{},
            "responseModalities":["TEXT","IMAGE"],"responseMimeType":"text/x.enum","responseSchema":{"type":"STRING"}},
            "toolConfig":{"retrievalConfig":{}},"x":null}"#,
    );
    let aside: Vec<_> = request.aside.iter().map(|(name, _)| &**name).collect();
    let want = [
        "toolConfig.retrievalConfig",
        "generationConfig.responseModalities",
        "generationConfig.speechConfig",
        "safetySettings",
        "labels",
    ];
    assert_eq!(aside, want);
    assert_eq!(request.lost, ["generationConfig.responseMimeType", "generationConfig.responseSchema"]);
    assert_eq!(request.output, Output::Text);
}

#[test]
fn what_google_ran_is_text() {
    let request = read(
        r#"{"contents":[{"role":"model","parts":[{"executableCode":{"language":"PYTHON","code":"print(1)"}},
            {"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1\n"}},{"toolCall":{"id":"1"}}]}]}"#,
    );
    let want = [Part::text("```python\nprint(1)\n```\n"), Part::text("```\n1\n```\n")];
    assert_eq!(request.turns[0].parts, want);
    assert_eq!(request.lost, ["contents[0].parts[2].toolCall"]);
}

#[test]
fn a_thought_in_pieces_is_one_thought() {
    let request = read(
        r#"{"contents":[{"parts":[{"text":"q"}]},
            {"role":"model","parts":[{"text":"Look ","thought":true}]},
            {"role":"model","parts":[{"text":"first","thought":true}]},
            {"role":"model","parts":[{"text":"","thought":true,"thoughtSignature":"c2ln"}]},
            {"role":"model","parts":[{"text":"Hi"}]}]}"#,
    );
    assert_eq!(request.turns.len(), 2);
    let [Part::Reasoning(thought), Part::Text(text)] = &request.turns[1].parts[..] else {
        panic!("{:?}", request.turns[1].parts)
    };
    assert_eq!((&*thought.text, &*text.text), ("Look first", "Hi"));
    assert_eq!(thought.state.as_ref().map(|state| &*state.data), Some("c2ln"));
}

#[test]
fn mistakes_are_named() {
    let parts = |parts: &str| format!(r#"{{"contents":[{{"parts":[{parts}]}}]}}"#);
    for (body, want) in [
        ("{".to_owned(), "the body is not valid JSON (line 1, column 1)"),
        ("[]".to_owned(), "'the body' must be an object, not an array"),
        ("{}".to_owned(), "'contents' is missing"),
        (r#"{"contents":5}"#.to_owned(), "'contents' must be an array, not a number"),
        (r#"{"contents":[5]}"#.to_owned(), "'contents[0]' must be an object, not a number"),
        (
            r#"{"contents":[{"role":"assistant","parts":[]}]}"#.to_owned(),
            "'contents[0].role' must be \"user\" or \"model\"",
        ),
        (parts("5"), "'contents[0].parts[0]' must be an object, not a number"),
        (parts(r#"{"text":5}"#), "'contents[0].parts[0].text' must be a string, not a number"),
        (
            parts(r#"{"image":"x"}"#),
            "'contents[0].parts[0]' is no part that is known here: use text, inlineData, fileData, functionCall \
             or functionResponse",
        ),
        (parts(r#"{"inlineData":{"data":"AA"}}"#), "'contents[0].parts[0].inlineData.mimeType' is missing"),
        (
            parts(r#"{"inline_data":{"mime_type":"image/png"}}"#),
            "'contents[0].parts[0].inline_data.data' is missing",
        ),
        (parts(r#"{"fileData":{}}"#), "'contents[0].parts[0].fileData.fileUri' is missing"),
        (parts(r#"{"functionCall":{}}"#), "'contents[0].parts[0].functionCall.name' is missing"),
        (
            parts(r#"{"functionCall":{"name":"f","args":"{}"}}"#),
            "'contents[0].parts[0].functionCall.args' must be an object, not a string",
        ),
        (
            parts(r#"{"functionResponse":{"response":{}}}"#),
            "'contents[0].parts[0].functionResponse.name' is missing",
        ),
        (
            parts(r#"{"functionResponse":{"name":"f","response":"ok"}}"#),
            "'contents[0].parts[0].functionResponse.response' must be an object, not a string",
        ),
    ] {
        assert_eq!(refused(&body), want, "{body}");
    }
}

#[test]
fn mistakes_in_settings_are_named() {
    let config = |config: &str| format!(r#"{{"contents":"x","generation_config":{{{config}}}}}"#);
    for (body, want) in [
        (config(r#""temperature":"hot""#), "'generation_config.temperature' must be a number, not a string"),
        (config(r#""seed":1.5"#), "'generation_config.seed' must be a whole number, not a number"),
        (
            config(r#""max_output_tokens":-1"#),
            "'generation_config.max_output_tokens' must be a whole number, not a number",
        ),
        (
            config(r#""stopSequences":[1]"#),
            "'generation_config.stopSequences[0]' must be a string, not a number",
        ),
        (
            config(r#""thinkingConfig":{"thinkingLevel":"EXTREME"}"#),
            "'generation_config.thinkingConfig.thinkingLevel' must be \"MINIMAL\", \"LOW\", \"MEDIUM\" or \"HIGH\"",
        ),
        (
            r#"{"contents":"x","toolConfig":{"functionCallingConfig":{"mode":"MAYBE"}}}"#.to_owned(),
            "'toolConfig.functionCallingConfig.mode' must be \"AUTO\", \"ANY\", \"NONE\" or \"VALIDATED\"",
        ),
        (
            r#"{"contents":"x","tools":[{"functionDeclarations":[{"description":"f"}]}]}"#.to_owned(),
            "'tools[0].functionDeclarations[0].name' is missing",
        ),
    ] {
        assert_eq!(refused(&body), want, "{body}");
    }
}
