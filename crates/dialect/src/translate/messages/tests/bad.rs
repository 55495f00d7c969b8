//! What is wrong with a body is said where it is.

use super::super::{Decoder, read_answer};
use super::*;

#[test]
fn requests() {
    let types = "must be one of 'text', 'image', 'document', 'search_result', 'thinking', 'redacted_thinking', \
                 'tool_use' and 'tool_result'";
    let block =
        |block: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{block}]}}]}}"#);
    let with = |more: &str| format!(r#"{{"model":"m","messages":[],{more}}}"#);
    for (body, want) in [
        ("{".to_owned(), "the body is not valid JSON (line 1, column 1)".to_owned()),
        ("[]".into(), "'the body' must be an object, not an array".into()),
        ("{}".into(), "'model' is missing".into()),
        (r#"{"model":1}"#.into(), "'model' must be a string, not a number".into()),
        (r#"{"model":"m"}"#.into(), "'messages' is missing".into()),
        (r#"{"model":"m","messages":"x"}"#.into(), "'messages' must be an array, not a string".into()),
        (r#"{"model":"m","messages":["x"]}"#.into(), "'messages[0]' must be an object, not a string".into()),
        (
            r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#.into(),
            "'messages[0].role' must be 'user', 'assistant' or 'system'".into(),
        ),
        (r#"{"model":"m","messages":[{"role":"user"}]}"#.into(), "'messages[0].content' is missing".into()),
        (
            r#"{"model":"m","messages":[{"role":"user","content":7}]}"#.into(),
            "'messages[0].content' must be a string or an array, not a number".into(),
        ),
        (block("{}"), "'messages[0].content[0].type' is missing".into()),
        (block(r#"{"type":"sound"}"#), format!("'messages[0].content[0].type' {types}")),
        (block(r#"{"type":"text"}"#), "'messages[0].content[0].text' is missing".into()),
        (block(r#"{"type":"image"}"#), "'messages[0].content[0].source' is missing".into()),
        (
            block(r#"{"type":"image","source":{"type":"text","data":"x"}}"#),
            "'messages[0].content[0].source.type' must be 'base64', 'url' or 'file'".into(),
        ),
        (
            block(r#"{"type":"image","source":{"type":"base64"}}"#),
            "'messages[0].content[0].source.data' is missing".into(),
        ),
        (
            block(r#"{"type":"document","source":{"type":"x"}}"#),
            "'messages[0].content[0].source.type' must be 'base64', 'text', 'content', 'url' or 'file'"
                .into(),
        ),
        (
            block(r#"{"type":"tool_use","name":"f","input":"{}"}"#),
            "'messages[0].content[0].input' must be an object, not a string".into(),
        ),
        (
            block(r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"x"}]}"#),
            format!("'messages[0].content[0].content[0].type' {types}"),
        ),
        (
            block(r#"{"type":"text","text":"x","cache_control":{"type":"forever"}}"#),
            "'messages[0].content[0].cache_control.type' must be 'ephemeral'".into(),
        ),
        (with(r#""system":1"#), "'system' must be a string or an array, not a number".into()),
        (with(r#""max_tokens":"1""#), "'max_tokens' must be a whole number, not a string".into()),
        (with(r#""stream":"yes""#), "'stream' must be a boolean, not a string".into()),
        (with(r#""stop_sequences":[1]"#), "'stop_sequences[0]' must be a string, not a number".into()),
        (with(r#""tools":[{}]"#), "'tools[0].name' is missing".into()),
        (
            with(r#""tools":[{"name":"f","input_schema":[]}]"#),
            "'tools[0].input_schema' must be an object, not an array".into(),
        ),
        (
            with(r#""tool_choice":{"type":"required"}"#),
            "'tool_choice.type' must be 'auto', 'any', 'tool' or 'none'".into(),
        ),
        (with(r#""tool_choice":{"type":"tool"}"#), "'tool_choice.name' is missing".into()),
        (with(r#""tool_choice":"auto""#), "'tool_choice' must be an object, not a string".into()),
        (
            with(r#""thinking":{"type":"on"}"#),
            "'thinking.type' must be 'enabled', 'disabled' or 'adaptive'".into(),
        ),
        (
            with(r#""output_config":{"format":{"type":"json"}}"#),
            "'output_config.format.type' must be 'json_schema'".into(),
        ),
        (
            with(r#""output_config":{"format":{"type":"json_schema"}}"#),
            "'output_config.format.schema' is missing".into(),
        ),
        (with(r#""metadata":"x""#), "'metadata' must be an object, not a string".into()),
    ] {
        assert_eq!(read_request(body.as_bytes()).unwrap_err().to_string(), want, "{body}");
    }
}

#[test]
fn answers() {
    for (body, want) in [
        ("<html>", "the body is not valid JSON (line 1, column 1)"),
        ("{}", "'content' is missing"),
        (r#"{"content":"x"}"#, "'content' must be an array, not a string"),
        (r#"{"content":[{"type":"text","text":1}]}"#, "'content[0].text' must be a string, not a number"),
    ] {
        assert_eq!(read_answer(body.as_bytes()).unwrap_err().to_string(), want, "{body}");
    }
}

#[test]
fn events() {
    let mut decoder = Decoder::default();
    let error = decoder.read(Some("content_block_delta"), b"{\"type\":", &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "the body is not valid JSON (line 1, column 8)");
}
