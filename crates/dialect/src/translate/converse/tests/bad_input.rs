use crate::translate::converse;

#[test]
fn requests() {
    let with = |content: &str| format!(r#"{{"messages":[{{"role":"user","content":[{content}]}}]}}"#);
    for (body, message) in [
        ("[]".to_owned(), "'the body' must be an object, not an array"),
        ("{".to_owned(), "the body is not valid JSON (line 1, column 1)"),
        (r#"{"messages":{}}"#.to_owned(), "'messages' must be an array, not an object"),
        (r#"{"messages":[{"content":[]}]}"#.to_owned(), "'messages[0].role' is missing"),
        (
            r#"{"messages":[{"role":"tool","content":[]}]}"#.to_owned(),
            "'messages[0].role' must be user, assistant or system",
        ),
        (with(r#"{"text":1}"#), "'messages[0].content[0].text' must be a string, not a number"),
        (
            with(r#"{"hologram":{}}"#),
            "'messages[0].content[0]' must have one of text, image, document, video, audio, toolUse, toolResult, \
             guardContent, cachePoint, reasoningContent, citationsContent",
        ),
        (
            with(r#"{"image":{"format":"tiff","source":{"bytes":"AA"}}}"#),
            "'messages[0].content[0].image.format' must be one of png, jpeg, gif, webp, not \"tiff\"",
        ),
        (with(r#"{"image":{"format":"png"}}"#), "'messages[0].content[0].image.source' is missing"),
        (
            with(r#"{"image":{"format":"png","source":{}}}"#),
            "'messages[0].content[0].image.source' must have one of bytes, s3Location, text, content",
        ),
        (with(r#"{"toolUse":{"toolUseId":"x"}}"#), "'messages[0].content[0].toolUse.name' is missing"),
        (
            with(r#"{"toolResult":{"content":[]}}"#),
            "'messages[0].content[0].toolResult.toolUseId' is missing",
        ),
        (
            with(r#"{"toolResult":{"toolUseId":"x","content":[{"hologram":1}]}}"#),
            "'messages[0].content[0].toolResult.content[0]' must have one of json, text, image, document, video",
        ),
        (
            r#"{"inferenceConfig":{"maxTokens":-1}}"#.to_owned(),
            "'inferenceConfig.maxTokens' must be a whole number, not a number",
        ),
        (
            r#"{"toolConfig":{"tools":[{}]}}"#.to_owned(),
            "'toolConfig.tools[0]' must have one of toolSpec, systemTool, cachePoint",
        ),
        (
            r#"{"toolConfig":{"toolChoice":{}}}"#.to_owned(),
            "'toolConfig.toolChoice' must have one of auto, any, tool",
        ),
        (
            r#"{"outputConfig":{"textFormat":{"structure":{"jsonSchema":{"schema":"{"}}}}}"#.to_owned(),
            "'outputConfig.textFormat.structure.jsonSchema.schema' must be a text that is JSON",
        ),
    ] {
        let error = converse::read_request(body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message, "{body}");
    }
}

#[test]
fn answers() {
    for (body, message) in [
        ("{}", "'output' is missing"),
        (r#"{"message":"slow down"}"#, "'output' is missing"),
        (r#"{"output":{}}"#, "'output.message' is missing"),
        (
            r#"{"output":{"message":{"content":"x"}}}"#,
            "'output.message.content' must be an array, not a string",
        ),
    ] {
        let error = converse::read_answer(body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message, "{body}");
    }
}
