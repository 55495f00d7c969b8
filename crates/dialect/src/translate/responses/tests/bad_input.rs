//! What a client gets to read when its request is wrong.

use crate::translate::responses::read_request;

const PART: &str = "'input[0].content[0].type' must be 'input_text', 'input_image', 'input_file', 'input_audio', \
                    'input_video', 'output_text' or 'refusal'";

/// Bodies, and what is said of them.
const CASES: &[(&str, &str)] = &[
    ("[]", "'the body' must be an object, not an array"),
    ("{", "the body is not valid JSON (line 1, column 1)"),
    ("{}", "'input' is missing"),
    (r#"{"input":null}"#, "'input' is missing"),
    (r#"{"input":7}"#, "'input' must be a string or an array, not a number"),
    (r#"{"messages":7}"#, "'messages' must be a string or an array, not a number"),
    (r#"{"model":1,"input":""}"#, "'model' must be a string, not a number"),
    (r#"{"input":["x"]}"#, "'input[0]' must be an object, not a string"),
    (r#"{"input":[{}]}"#, "'input[0].type' is missing"),
    (r#"{"input":[{"type":1}]}"#, "'input[0].type' must be a string, not a number"),
    (r#"{"input":[{"type":"message"}]}"#, "'input[0].role' is missing"),
    (r#"{"input":[{"role":"user"}]}"#, "'input[0].content' is missing"),
    (
        r#"{"input":[{"role":"tool","content":"x"}]}"#,
        "'input[0].role' must be 'user', 'assistant', 'system' or 'developer'; what a tool gave back is an item of type 'function_call_output'",
    ),
    (
        r#"{"input":[{"role":"user","content":7}]}"#,
        "'input[0].content' must be a string or an array, not a number",
    ),
    (r#"{"input":[{"role":"user","content":[{"type":"video"}]}]}"#, PART),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text"}]}]}"#,
        "'input[0].content[0].text' is missing",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_image"}]}]}"#,
        "'input[0].content[0].image_url' is missing",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":1}]}]}"#,
        "'input[0].content[0].image_url' must be a string, not a number",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_file"}]}]}"#,
        "'input[0].content[0]' has no 'file_data', 'file_url' or 'file_id'",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]}"#,
        "'input[0].content[0].input_audio.data' is missing",
    ),
    (r#"{"input":[{"type":"function_call"}]}"#, "'input[0].name' is missing"),
    (
        r#"{"input":[{"type":"function_call","name":"f","arguments":[]}]}"#,
        "'input[0].arguments' must be a string with JSON in it, not an array",
    ),
    (r#"{"input":[{"type":"custom_tool_call","name":"f"}]}"#, "'input[0].input' is missing"),
    (r#"{"input":[{"type":"function_call_output"}]}"#, "'input[0].output' is missing"),
    (
        r#"{"input":[{"type":"function_call_output","output":{}}]}"#,
        "'input[0].output' must be a string or an array, not an object",
    ),
    (r#"{"input":[{"type":"reasoning","summary":[{}]}]}"#, "'input[0].summary[0].text' is missing"),
    (
        r#"{"input":[{"type":"reasoning","encrypted_content":1}]}"#,
        "'input[0].encrypted_content' must be a string, not a number",
    ),
    (r#"{"input":"","tools":{}}"#, "'tools' must be an array, not an object"),
    (r#"{"input":"","tools":["x"]}"#, "'tools[0]' must be an object, not a string"),
    (r#"{"input":"","tools":[{}]}"#, "'tools[0].type' is missing"),
    (r#"{"input":"","tools":[{"type":"function"}]}"#, "'tools[0].name' is missing"),
    (r#"{"input":"","tools":[{"type":"function","function":{}}]}"#, "'tools[0].function.name' is missing"),
    (
        r#"{"input":"","tools":[{"type":"function","name":"f","parameters":[]}]}"#,
        "'tools[0].parameters' must be an object, not an array",
    ),
    (r#"{"input":"","tool_choice":"all"}"#, "'tool_choice' must be 'auto', 'none', 'required' or an object"),
    (r#"{"input":"","tool_choice":1}"#, "'tool_choice' must be a string or an object, not a number"),
    (r#"{"input":"","tool_choice":{"type":"function"}}"#, "'tool_choice.name' is missing"),
    (
        r#"{"input":"","tool_choice":{"type":"allowed_tools","mode":"x","tools":[]}}"#,
        "'tool_choice.mode' must be 'auto' or 'required'",
    ),
    (
        r#"{"input":"","text":{"format":{"type":"xml"}}}"#,
        "'text.format.type' must be 'text', 'json_object' or 'json_schema'",
    ),
    (r#"{"input":"","text":{"format":{"type":"json_schema"}}}"#, "'text.format.schema' is missing"),
    (r#"{"input":"","reasoning":"high"}"#, "'reasoning' must be an object, not a string"),
    (r#"{"input":"","max_output_tokens":-1}"#, "'max_output_tokens' must be a whole number, not a number"),
    (r#"{"input":"","stream":"yes"}"#, "'stream' must be a boolean, not a string"),
    (r#"{"input":"","background":"yes"}"#, "'background' must be a boolean, not a string"),
];

#[test]
fn errors_name_the_field() {
    for (body, want) in CASES {
        let error = read_request(body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), *want, "{body}");
    }
    assert!(read_request(br#"{"previous_response_id":"resp_1"}"#).is_ok(), "the conversation is elsewhere");
}
