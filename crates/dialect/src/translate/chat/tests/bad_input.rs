//! Requests that are wrong, each with the exact text.

use super::super::{Decoder, read_answer, read_request};

#[test]
fn requests() {
    for (body, text) in [
        ("[]", "'the body' must be an object, not an array"),
        ("{", "the body is not valid JSON (line 1, column 1)"),
        ("{}", "'messages' is missing"),
        (r#"{"messages":null}"#, "'messages' is missing"),
        (r#"{"messages":"hi"}"#, "'messages' must be an array, not a string"),
        (r#"{"messages":[]}"#, "'messages' must have at least one message"),
        (r#"{"model":4,"messages":[]}"#, "'model' must be a string, not a number"),
        (r#"{"messages":["hi"]}"#, "'messages[0]' must be an object, not a string"),
        (r#"{"messages":[{"content":"hi"}]}"#, "'messages[0].role' is missing"),
        (
            r#"{"messages":[{"role":"human","content":"hi"}]}"#,
            "'messages[0].role' must be 'system', 'developer', 'user', 'assistant', 'tool' or 'function'",
        ),
        (
            r#"{"messages":[{"role":"user","content":{"text":"hi"}}]}"#,
            "'messages[0].content' must be a string or an array of parts, not an object",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#,
            "'messages[0].content[0].type' is missing",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}]}"#,
            "'messages[0].content[0].type' must be 'text', 'image_url', 'input_audio', 'file', 'video_url' or 'refusal'",
        ),
    ] {
        assert_eq!(read_request(body.as_bytes()).unwrap_err().to_string(), text, "{body}");
    }
}

#[test]
fn parts_and_calls() {
    for (body, text) in [
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
            "'messages[0].content[0].text' is missing",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":5}]}]}"#,
            "'messages[0].content[0].image_url' must be an object with 'url', not a number",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}"#,
            "'messages[0].content[0].image_url.url' is missing",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav"}}]}]}"#,
            "'messages[0].content[0].input_audio.data' is missing",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf"}}]}]}"#,
            "'messages[0].content[0].file' must have 'file_data' or 'file_id'",
        ),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"custom","custom":{}}]}]}"#,
            "'messages[0].tool_calls[0].type' must be 'function'",
        ),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function"}]}]}"#,
            "'messages[0].tool_calls[0].function' is missing",
        ),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":[]}}]}]}"#,
            "'messages[0].tool_calls[0].function.arguments' must be a string, not an array",
        ),
        (
            r#"{"messages":[{"role":"tool","tool_call_id":7}]}"#,
            "'messages[0].tool_call_id' must be a string, not a number",
        ),
    ] {
        assert_eq!(read_request(body.as_bytes()).unwrap_err().to_string(), text, "{body}");
    }
}

#[test]
fn fields_beside_the_messages() {
    for (fields, text) in [
        (r#""temperature":"hot""#, "'temperature' must be a number, not a string"),
        (r#""max_tokens":1.5"#, "'max_tokens' must be a whole number, not a number"),
        (r#""seed":0.5"#, "'seed' must be a whole number, not a number"),
        (r#""stop":1"#, "'stop' must be a string or an array of strings, not a number"),
        (r#""stop":["a",1]"#, "'stop[1]' must be a string, not a number"),
        (r#""stream":"yes""#, "'stream' must be a boolean, not a string"),
        (r#""tools":{}"#, "'tools' must be an array, not an object"),
        (r#""tools":[{"type":"function"}]"#, "'tools[0].function' is missing"),
        (r#""tools":[{"type":"function","function":{}}]"#, "'tools[0].function.name' is missing"),
        (
            r#""tools":[{"type":"function","function":{"name":"f","parameters":"x"}}]"#,
            "'tools[0].function.parameters' must be an object, not a string",
        ),
        (r#""tool_choice":"all""#, "'tool_choice' must be 'none', 'auto', 'required' or an object"),
        (r#""tool_choice":1"#, "'tool_choice' must be a string or an object, not a number"),
        (r#""tool_choice":{"type":"custom"}"#, "'tool_choice.type' must be 'function' or 'allowed_tools'"),
        (r#""tool_choice":{"type":"function"}"#, "'tool_choice.function' is missing"),
        (r#""function_call":"f""#, "'function_call' must be 'none', 'auto' or an object"),
        (
            r#""response_format":{"type":"grammar"}"#,
            "'response_format.type' must be 'text', 'json_object' or 'json_schema'",
        ),
        (r#""response_format":{"type":"json_schema"}"#, "'response_format.json_schema' is missing"),
        (
            r#""response_format":{"type":"json_schema","json_schema":{"name":"a"}}"#,
            "'response_format.json_schema.schema' is missing",
        ),
        (r#""reasoning":"high""#, "'reasoning' must be an object, not a string"),
        (r#""reasoning_effort":1"#, "'reasoning_effort' must be a string, not a number"),
    ] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],{fields}}}"#);
        assert_eq!(read_request(body.as_bytes()).unwrap_err().to_string(), text, "{fields}");
    }
}

#[test]
fn answers() {
    for (body, text) in [
        ("", "the body is not valid JSON (line 1, column 0)"),
        ("{}", "'choices' is missing"),
        (r#"{"choices":{}}"#, "'choices' must be an array, not an object"),
        (r#"{"choices":[{"text":"x"}]}"#, "'choices[0].message' is missing"),
        (
            r#"{"choices":[{"message":{"content":1}}]}"#,
            "'choices[0].message.content' must be a string or an array of parts, not a number",
        ),
    ] {
        assert_eq!(read_answer(body.as_bytes()).unwrap_err().to_string(), text, "{body}");
    }
}

#[test]
fn chunks() {
    for (data, text) in [
        ("{", "the body is not valid JSON (line 1, column 1)"),
        (r#"{"choices":[{"index":128,"delta":{}}]}"#, "'choices[].index' must be below 128"),
    ] {
        let error = Decoder::default().read(data.as_bytes(), &mut |_| {}).unwrap_err();
        assert_eq!(error.to_string(), text, "{data}");
    }
    for data in [
        "",
        "  ",
        "[DONE]",
        "{}",
        r#"{"choices":5,"id":[],"created":"x"}"#,
        r#"{"choices":[{"delta":{"content":{}}}]}"#,
    ] {
        assert_eq!(Decoder::default().read(data.as_bytes(), &mut |_| {}), Ok(()), "{data}");
    }
}
