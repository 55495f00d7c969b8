//! Requests of clients, read; and written again for a provider of the same dialect.

use super::{OPENAI, again, json, read};
use crate::Surface;
use crate::translate::request::{
    Cache, Output, Part, Reasoning, Request, Role, Source, TextPart, Thought, Tool, ToolChoice,
};
use crate::translate::responses::write_request;
use crate::translate::state::{State, StateKind};
use crate::translate::{Conversation, Target};
use serde_json::{Value, json};

/// <https://platform.openai.com/docs/api-reference/responses/create>, "Text input".
#[test]
fn a_text() {
    let request = read(
        &json!({"model": "gpt-5.5", "input": "Tell me a three sentence bedtime story about a unicorn."}),
    );
    assert_eq!(request.model, "gpt-5.5");
    assert_eq!(request.turns.len(), 1);
    assert_eq!(request.turns[0].role, Role::User);
    let text = "Tell me a three sentence bedtime story about a unicorn.";
    assert_eq!(request.turns[0].parts, [Part::text(text)]);
    assert!(!request.stream && request.lost.is_empty() && request.aside.is_empty());
}

/// The same page, "Image input" and "File input".
#[test]
fn pictures_and_files() {
    let body = json!({"model": "m", "input": [{"role": "user", "content": [
        {"type": "input_text", "text": "what is in this image?"},
        {"type": "input_image", "image_url": "https://example.org/boardwalk.jpg"},
        {"type": "input_image", "image_url": "data:image/webp;base64,UklGRg==", "detail": "low"},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "file_url": "https://example.org/letter.pdf"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        {"type": "input_file", "filename": "a.txt", "file_data": "aGk="},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
    ]}]});
    let request = read(&body);
    let sources: Vec<_> = request.turns[0].parts[1..]
        .iter()
        .map(|part| match part {
            Part::Image(media) | Part::Document(media) | Part::Audio(media) => {
                (media.source.clone(), media.media_type.as_deref())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        sources,
        [
            (Source::Url("https://example.org/boardwalk.jpg".into()), None),
            (Source::Base64("UklGRg==".into()), Some("image/webp")),
            (Source::FileId("file-1".into()), None),
            (Source::Url("https://example.org/letter.pdf".into()), None),
            (Source::Base64("JVBERi0=".into()), Some("application/pdf")),
            (Source::Base64("aGk=".into()), Some("text/plain")),
            (Source::Base64("UklG".into()), Some("audio/wav")),
        ]
    );
    let written = json(&again(&body).body);
    assert_eq!(
        written["input"][0]["content"],
        json!([
            {"type": "input_text", "text": "what is in this image?"},
            {"type": "input_image", "detail": "auto", "image_url": "https://example.org/boardwalk.jpg"},
            {"type": "input_image", "detail": "low", "image_url": "data:image/webp;base64,UklGRg=="},
            {"type": "input_image", "detail": "auto", "file_id": "file-1"},
            {"type": "input_file", "file_url": "https://example.org/letter.pdf"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
            {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="},
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        ])
    );
}

/// <https://platform.openai.com/docs/guides/function-calling>, one round of a tool loop of a reasoning model.
#[test]
fn a_tool_loop() {
    let body = json!({
        "model": "m", "instructions": "Be brief.", "store": false, "include": ["reasoning.encrypted_content"],
        "input": [
            {"role": "developer", "content": "Use tools."},
            {"role": "user", "content": "What is my horoscope? I am an Aquarius."},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}, {"type": "summary_text", "text": "So."}],
             "encrypted_content": "gAAAAA"},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_horoscope", "status": "completed",
             "arguments": "{\"sign\":\"Aquarius\"}"},
            {"type": "function_call", "call_id": "call_2", "name": "get_time", "arguments": ""},
            {"type": "function_call_output", "call_id": "call_1", "output": "Aquarius: befriend a baby otter."},
            {"type": "function_call_output", "call_id": "call_2", "output": [
                {"type": "input_text", "text": "noon"}, {"type": "input_image", "image_url": "data:image/png;base64,iVBO"}]},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "Otters!", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "No more."}]},
            {"role": "user", "content": [{"type": "input_text", "text": "Thanks"}]},
        ],
        "tools": [{"type": "function", "name": "get_horoscope", "description": "Today's.", "strict": true,
            "parameters": {"type": "object", "properties": {"sign": {"type": "string"}}, "required": ["sign"], "additionalProperties": false}}],
    });
    let request = read(&body);
    assert_eq!(request.system, [Part::text("Be brief."), Part::text("Use tools.")]);
    let roles: Vec<_> = request.turns.iter().map(|turn| (turn.role, turn.parts.len())).collect();
    let want =
        [(Role::User, 1), (Role::Assistant, 4), (Role::User, 2), (Role::Assistant, 2), (Role::User, 1)];
    assert_eq!(roles, want);
    let state = State {
        data: "gAAAAA".into(),
        surface: Surface::Responses,
        provider: None,
        kind: StateKind::Encrypted,
    };
    let thought = |text: &'static str, state| {
        Part::Reasoning(Thought { text: text.into(), summary: true, state, id: Some("rs_1".into()) })
    };
    assert_eq!(request.turns[1].parts[..2], [thought("Hm.", None), thought("So.", Some(state))]);
    let Part::ToolResult(result) = &request.turns[2].parts[1] else { panic!() };
    assert_eq!((&*result.id, result.name.as_deref(), result.parts.len()), ("call_2", Some("get_time"), 2));

    let translated = again(&body);
    assert_eq!(translated.lost, Vec::<String>::new());
    let mut want = body;
    want["model"] = "gpt-5.5".into();
    want["input"][0] = json!({"role": "system", "content": "Use tools."});
    want["input"][3] = json!({"type": "function_call", "call_id": "call_1", "name": "get_horoscope", "arguments": "{\"sign\":\"Aquarius\"}"});
    want["input"][4]["arguments"] = "{}".into();
    want["input"][6]["output"][1]["detail"] = "auto".into();
    want["input"][7] = json!({"role": "assistant", "content": [
        {"type": "output_text", "text": "Otters!", "annotations": []}, {"type": "refusal", "refusal": "No more."}]});
    want["input"][8] = json!({"role": "user", "content": "Thanks"});
    assert_eq!(json(&translated.body), want);
}

/// <https://platform.openai.com/docs/guides/structured-outputs>
#[test]
fn settings() {
    let schema = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}},
        "required": ["b", "a"], "additionalProperties": false});
    let body = json!({
        "model": "m", "input": "Hi", "stream": true, "max_output_tokens": 300.0, "temperature": 0.5, "top_p": 1,
        "parallel_tool_calls": false, "user": "u1",
        "text": {"format": {"type": "json_schema", "name": "event", "strict": true, "schema": schema}, "verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "auto"}, "tool_choice": "required",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "web_search", "user_location": {"type": "approximate"}}],
        "metadata": {"k": "v"}, "service_tier": "flex", "prompt_cache_key": "pk", "top_logprobs": 2, "truncation": "auto",
        "max_tool_calls": 3,
    });
    let request = read(&body);
    assert_eq!(request.max_output_tokens, Some(300));
    assert_eq!(
        (request.temperature, request.top_p, request.parallel_tool_calls),
        (Some(0.5), Some(1.0), Some(false))
    );
    let want = Reasoning {
        effort: Some("high".into()),
        summary: Some("auto".into()),
        show: Some(true),
        ..Reasoning::default()
    };
    assert_eq!(request.reasoning, Some(want));
    assert!(
        matches!(&request.output, Output::Schema { name: Some(name), strict: Some(true), .. } if name == "event")
    );
    assert!(
        matches!(&request.tools[1], Tool::Native(tool) if tool.get("type").as_str() == Some("web_search"))
    );
    let aside: Vec<_> = request.aside.iter().map(|(name, _)| &**name).collect();
    let names =
        ["truncation", "metadata", "service_tier", "prompt_cache_key", "top_logprobs", "max_tool_calls"];
    assert_eq!(aside, names);

    let translated = again(&body);
    let mut want = body;
    want["model"] = "gpt-5.5".into();
    want["input"] = json!([{"role": "user", "content": "Hi"}]);
    want["max_output_tokens"] = 300.into();
    want["top_p"] = json!(1.0);
    assert_eq!(json(&translated.body), want);
    // The order of a schema's members is a part of what it says to the model.
    let text = String::from_utf8(translated.body).unwrap();
    assert!(text.contains(r#""properties":{"b":{"type":"string"},"a":"#), "{text}");
}

#[test]
fn other_spellings() {
    let request = read(&json!({"model": "m", "messages": [{"role": "system", "content": "S"},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "https://e.org/a.png", "detail": "high"}}]},
        {"role": "assistant", "content": null}, {"role": "assistant", "content": "A"}, {"role": "assistant", "content": "B"}, {"role": "system", "content": "Mind"}],
        "max_tokens": 40.0, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "background": false, "truncation": "disabled",
        "previous_response_id": null}));
    assert_eq!(request.max_output_tokens, Some(40));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert!(matches!(&request.tools[0], Tool::Function(function) if function.name == "f"));
    assert!(
        matches!(&request.turns[0].parts[1], Part::Image(image) if image.detail.as_deref() == Some("high"))
    );
    let roles: Vec<_> = request.turns.iter().map(|turn| turn.role).collect();
    let a = Role::Assistant;
    assert_eq!(roles, [Role::User, a, a, a, Role::System], "two messages in a row stay two");
    assert!(request.aside.is_empty() && request.bound.is_empty() && request.lost.is_empty());
}

#[test]
fn what_nobody_knows_is_named() {
    let request = read(&json!({"model": "m", "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "x", "foo": 1, "bar": [], "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}], "baz": null},
        {"role": "assistant", "phase": "commentary", "content": "y"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "crm"}],
        "reasoning": {"context": "all_turns"}, "stream_options": {"include_obfuscation": false}, "new_field": 1}));
    let names = ["stream_options.include_obfuscation", "reasoning.context"];
    let names: Vec<_> = names
        .into_iter()
        .chain(["input[0].content[0].foo", "input[1].phase", "input[2].namespace"])
        .collect();
    assert_eq!(request.lost, names);
    assert_eq!(request.aside[0].0, "new_field");
    let cache = Some(Cache { ttl: Some("30m".into()) });
    assert_eq!(request.turns[0].parts, [Part::Text(TextPart { text: "x".into(), cache, annotations: None })]);
}

/// <https://platform.openai.com/docs/guides/function-calling#custom-tools>
#[test]
fn free_text_tools() {
    let tool = json!({"type": "custom", "name": "apply_patch", "description": "Edits files.",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin_patch"}});
    let body = json!({"model": "m", "tools": [tool, {"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": {"type": "custom", "name": "apply_patch"}, "input": [
        {"role": "user", "content": "Go"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "apply_patch", "input": "*** \"Begin\" Patch"},
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "Done"}]});
    let request = read(&body);
    let Tool::Function(function) = &request.tools[0] else { panic!() };
    assert_eq!(
        function.description.as_deref(),
        Some("Edits files.\n\nThe input must match this lark grammar:\nstart: begin_patch")
    );
    let Part::ToolCall(call) = &request.turns[1].parts[0] else { panic!() };
    assert_eq!(call.arguments, r#"{"input":"*** \"Begin\" Patch"}"#);
    let translated = again(&body);
    let mut want = body;
    want["model"] = "gpt-5.5".into();
    want["input"][1].as_object_mut().unwrap().remove("id");
    assert_eq!(json(&translated.body), want);
}

#[test]
fn what_ties_a_request_to_its_dialect() {
    let chat = Target { surface: Surface::ChatCompletions, ..OPENAI };
    let hello = json!([{"role": "user", "content": "Hi"}]);
    let with = |item: Value| json!([{"role": "user", "content": "Hi"}, item]);
    for (field, value, name) in [
        ("previous_response_id", json!("resp_1"), "previous_response_id"),
        ("conversation", json!({"id": "conv_1"}), "conversation"),
        ("prompt", json!({"id": "pmpt_1"}), "prompt"),
        ("background", json!(true), "background"),
        ("input", with(json!({"type": "item_reference", "id": "rs_1"})), "input[1] (item_reference)"),
        ("input", with(json!({"id": "rs_1"})), "input[1]"),
        (
            "input",
            with(json!({"type": "computer_call_output", "call_id": "c"})),
            "input[1] (computer_call_output)",
        ),
        ("input", with(json!({"type": "compaction", "encrypted_content": "x"})), "input[1] (compaction)"),
    ] {
        let mut body = json!({"model": "gpt-5.5", "input": hello});
        body[field] = value;
        let bytes = body.to_string();
        let conversation = Conversation::read(Surface::Responses, bytes.as_bytes()).unwrap();
        let error = conversation.write(&chat).unwrap_err();
        assert_eq!(error.to_string(), format!("{name} has a meaning in the API of responses only"));
        // To its own dialect it goes whole.
        let written = conversation.write(&OPENAI).unwrap();
        let mut want = body;
        want["input"][0] = json!({"role": "user", "content": "Hi"});
        assert_eq!(json(&written.body), want, "{name}");
    }
}

#[test]
fn items_beside_the_conversation() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}});
    let body = json!({"model": "m", "input": [{"role": "user", "content": "Hi"}, search, {"role": "assistant", "content": "A"}]});
    let request = read(&body);
    assert!(request.bound.is_empty());
    assert_eq!((request.own[0].before, &*request.own[0].path), (1, "input[1] (web_search_call)"));
    assert_eq!(json(&again(&body).body)["input"], body["input"]);
}

#[test]
fn pictures_the_model_made() {
    let body = json!({"model": "m", "input": [{"role": "user", "content": "Draw"},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBO"},
        {"role": "user", "content": "Bluer"}]});
    let request = read(&body);
    assert!(matches!(&request.turns[1].parts[0], Part::Image(image)
        if image.source == Source::Base64("iVBO".into()) && image.media_type.as_deref() == Some("image/png")));
    let item =
        json!({"type": "image_generation_call", "id": "ig_0", "status": "completed", "result": "iVBO"});
    assert_eq!(json(&again(&body).body)["input"][1], item);
}

#[test]
fn allowed_tools() {
    let tools = json!([{"type": "function", "name": "a"}, {"type": "function", "name": "b"}, {"type": "mcp", "server_label": "x"},
        {"type": "mcp", "server_label": "y"}, {"type": "web_search"}]);
    let body = |mode: &str, allowed: Value| {
        read(&json!({"model": "m", "input": "Hi", "tools": tools,
            "tool_choice": {"type": "allowed_tools", "mode": mode, "tools": allowed}}))
    };
    let request = body("required", json!([{"type": "function", "name": "b"}]));
    assert_eq!(request.tool_choice, Some(ToolChoice::Among(vec!["b".into()])));
    assert_eq!(request.tools.len(), 5);
    let written = write_request(&request, Surface::Responses, &OPENAI).unwrap();
    let choice =
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]});
    assert_eq!(json(&written.body)["tool_choice"], choice);
    let allowed = json!([{"type": "function", "name": "b"}, {"type": "mcp", "server_label": "y"}, {"type": "web_search"}]);
    let request = body("auto", allowed);
    assert_eq!(request.tool_choice, Some(ToolChoice::Auto));
    let left = request.tools.iter().map(|tool| match tool {
        Tool::Function(function) => function.name.to_string(),
        Tool::Native(tool) => tool.get("server_label").as_str().unwrap_or("web_search").to_owned(),
    });
    assert_eq!(left.collect::<Vec<_>>(), ["b", "y", "web_search"]);
}

/// State of another dialect, as the encoder wrote it, comes back to where it belongs.
#[test]
fn state_of_others() {
    let request: Request<'_> = read(&json!({"model": "m", "input": [{"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm "}, {"type": "summary_text", "text": "so"}], "encrypted_content": "tg1.messages.s.anthropic.SIG"},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "tg1.generate-content.s.google.GEM"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "reasoning", "id": "rs_3", "summary": [], "encrypted_content": "tg1.generate-content.s.google.END"}]}));
    let [thought, call, second] = request.turns[1].parts.as_slice() else { panic!("{:?}", request.turns) };
    let Part::Reasoning(thought) = thought else { panic!() };
    let signature = thought.state.as_ref().unwrap();
    assert_eq!((&*thought.text, &*signature.data, signature.surface), ("Hm so", "SIG", Surface::Messages));
    let state = |part: &Part<'_>| match part {
        Part::ToolCall(call) => call.state.as_ref().map(|state| state.data.clone().into_owned()),
        Part::Reasoning(thought) => thought.state.as_ref().map(|state| state.data.clone().into_owned()),
        _ => panic!(),
    };
    assert_eq!((state(call).as_deref(), state(second)), (Some("GEM"), None), "a call's own, and only its");
    assert_eq!(state(&request.turns[3].parts[0]).as_deref(), Some("END"), "no call came");
    // OpenAI cannot read any of it.
    let written = write_request(&request, Surface::Responses, &OPENAI).unwrap();
    assert!(!String::from_utf8(written.body).unwrap().contains("reasoning\""));
    assert_eq!(written.lost, ["input[1].reasoning", "input[1].thoughtSignature", "input[3].reasoning"]);
}

/// Codex sends reasoning back without its id.
#[test]
fn reasoning_without_ids() {
    let item = |texts: &[&str], state: Option<&str>| {
        let summary: Vec<_> =
            texts.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
        let mut item = json!({"type": "reasoning", "summary": summary});
        if let Some(state) = state {
            item["encrypted_content"] = state.into();
        }
        item
    };
    let body = json!({"model": "m", "input": [{"role": "user", "content": "Hi"},
        item(&["One", "Two"], Some("gA")), item(&[], Some("gB")),
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Raw"}], "encrypted_content": "gC"},
        {"type": "function_call", "call_id": "c", "name": "shell", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "ok"}]});
    assert_eq!(json(&again(&body).body)["input"], body["input"]);
}
