//! What is wrong with a body is said where it is.

use super::super::{Decoder, read_answer};
use super::*;

const TYPES: &str = "must be one of 'text', 'image', 'document', 'search_result', 'thinking', 'redacted_thinking', \
                     'tool_use' and 'tool_result'";

fn refused(body: &str, want: &str) {
    assert_eq!(read_request(body.as_bytes()).unwrap_err().to_string(), want, "{body}");
}

#[test]
fn bodies() {
    for (body, want) in [
        ("{", "the body is not valid JSON (line 1, column 1)"),
        ("[]", "'the body' must be an object, not an array"),
        ("{}", "'messages' is missing"),
        (r#"{"model":1}"#, "'model' must be a string, not a number"),
        (r#"{"model":"m"}"#, "'messages' is missing"),
        (r#"{"model":"m","messages":"x"}"#, "'messages' must be an array, not a string"),
        (r#"{"model":"m","messages":["x"]}"#, "'messages[0]' must be an object, not a string"),
        (
            r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#,
            "'messages[0].role' must be 'user', 'assistant' or 'system'",
        ),
        (r#"{"model":"m","messages":[{"role":"user"}]}"#, "'messages[0].content' is missing"),
        (
            r#"{"model":"m","messages":[{"role":"user","content":7}]}"#,
            "'messages[0].content' must be a string or an array, not a number",
        ),
    ] {
        refused(body, want);
    }
}

#[test]
fn blocks() {
    for (block, want) in [
        ("{}", "'messages[0].content[0].type' is missing".to_owned()),
        (r#"{"type":"sound"}"#, format!("'messages[0].content[0].type' {TYPES}")),
        (r#"{"type":"text"}"#, "'messages[0].content[0].text' is missing".into()),
        (r#"{"type":"image"}"#, "'messages[0].content[0].source' is missing".into()),
        (
            r#"{"type":"image","source":{"type":"text","data":"x"}}"#,
            "'messages[0].content[0].source.type' must be 'base64', 'url' or 'file'".into(),
        ),
        (
            r#"{"type":"image","source":{"type":"base64"}}"#,
            "'messages[0].content[0].source.data' is missing".into(),
        ),
        (
            r#"{"type":"document","source":{"type":"x"}}"#,
            "'messages[0].content[0].source.type' must be 'base64', 'text', 'content', 'url' or 'file'"
                .into(),
        ),
        (
            r#"{"type":"tool_use","name":"f","input":"{}"}"#,
            "'messages[0].content[0].input' must be an object, not a string".into(),
        ),
        (
            r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"x"}]}"#,
            format!("'messages[0].content[0].content[0].type' {TYPES}"),
        ),
        (
            r#"{"type":"text","text":"x","cache_control":{"type":"forever"}}"#,
            "'messages[0].content[0].cache_control.type' must be 'ephemeral'".into(),
        ),
    ] {
        refused(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{block}]}}]}}"#), &want);
    }
}

#[test]
fn settings() {
    for (member, want) in [
        (r#""system":1"#, "'system' must be a string or an array, not a number"),
        (r#""max_tokens":"1""#, "'max_tokens' must be a whole number, not a string"),
        (r#""stream":"yes""#, "'stream' must be a boolean, not a string"),
        (r#""stop_sequences":[1]"#, "'stop_sequences[0]' must be a string, not a number"),
        (r#""tools":[{}]"#, "'tools[0].name' is missing"),
        (
            r#""tools":[{"name":"f","input_schema":[]}]"#,
            "'tools[0].input_schema' must be an object, not an array",
        ),
        (
            r#""tool_choice":{"type":"required"}"#,
            "'tool_choice.type' must be 'auto', 'any', 'tool' or 'none'",
        ),
        (r#""tool_choice":{"type":"tool"}"#, "'tool_choice.name' is missing"),
        (r#""tool_choice":"auto""#, "'tool_choice' must be an object, not a string"),
        (r#""thinking":{"type":"on"}"#, "'thinking.type' must be 'enabled', 'disabled' or 'adaptive'"),
        (
            r#""output_config":{"format":{"type":"json"}}"#,
            "'output_config.format.type' must be 'json_schema'",
        ),
        (r#""output_config":{"format":{"type":"json_schema"}}"#, "'output_config.format.schema' is missing"),
        (r#""metadata":"x""#, "'metadata' must be an object, not a string"),
    ] {
        refused(&format!(r#"{{"model":"m","messages":[],{member}}}"#), want);
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
