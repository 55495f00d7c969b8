//! The rules of Amazon Bedrock's Converse.

use super::{Checked, is_base64, is_name, items, unknown, word};
use crate::answer::errors::Problem;
use crate::seal::{CLAUDE, fits};
use serde_json::{Map, Value};

const KNOWN: [&str; 12] = [
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "inferenceConfig",
    "messages",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
    "system",
    "toolConfig",
];
/// The one member that a content block has.
const BLOCKS: [&str; 11] = [
    "audio",
    "cachePoint",
    "citationsContent",
    "document",
    "guardContent",
    "image",
    "reasoningContent",
    "searchResult",
    "text",
    "toolResult",
    "toolUse",
];

pub(super) fn check(body: &Map<String, Value>) -> Checked {
    extraneous(body, &KNOWN)?;
    if let Some(config) = body.get("inferenceConfig").and_then(Value::as_object) {
        extraneous(config, &["maxTokens", "stopSequences", "temperature", "topP"])?;
        let number = |name: &str| config.get(name).and_then(Value::as_f64);
        for name in ["temperature", "topP"] {
            if number(name).is_some_and(|n| !(0.0..=1.0).contains(&n)) {
                return Err(constraint(
                    &format!("inferenceConfig.{name}"),
                    "Member must have value less than or equal to 1",
                ));
            }
        }
        if config.get("maxTokens").is_some_and(|n| n.as_u64().is_none_or(|n| n == 0)) {
            return Err(constraint(
                "inferenceConfig.maxTokens",
                "Member must have value greater than or equal to 1",
            ));
        }
    }
    for block in items(body.get("system")) {
        if word(block, "text").is_none_or(str::is_empty) && block.get("cachePoint").is_none() {
            return Err(constraint("system", "Member must not be null or empty"));
        }
    }
    tools(body)?;
    format(body)?;
    turns(body)
}

fn constraint(path: &str, why: &str) -> Problem {
    Problem::bad(format!(
        "1 validation error detected: Value at '{path}' failed to satisfy constraint: {why}"
    ))
}

fn extraneous(object: &Map<String, Value>, known: &[&str]) -> Checked {
    match unknown(object, known) {
        Some(name) => {
            Err(Problem::bad(format!("Malformed input request: #: extraneous key [{name}] is not permitted")))
        }
        None => Ok(()),
    }
}

fn tools(body: &Map<String, Value>) -> Checked {
    let Some(config) = body.get("toolConfig") else { return Ok(()) };
    let tools = items(config.get("tools"));
    if tools.is_empty() {
        return Err(constraint("toolConfig.tools", "Member must have length greater than or equal to 1"));
    }
    for (index, tool) in tools.iter().enumerate() {
        let Some(spec) = tool.get("toolSpec") else { continue };
        let path = format!("toolConfig.tools.{}.member.toolSpec", index + 1);
        if !word(spec, "name").is_some_and(|n| is_name(n, 64)) {
            let why = "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+";
            return Err(constraint(&format!("{path}.name"), why));
        }
        if word(spec, "description").is_some_and(str::is_empty) {
            return Err(constraint(
                &format!("{path}.description"),
                "Member must have length greater than or equal to 1",
            ));
        }
        let schema = spec.pointer("/inputSchema/json");
        if schema.and_then(|s| word(s, "type")) != Some("object") {
            return Err(Problem::bad(format!(
                "The value at {path}.inputSchema.json.type must be one of the following: object."
            )));
        }
    }
    match config.get("toolChoice").and_then(Value::as_object) {
        Some(choice) => extraneous(choice, &["any", "auto", "tool"]),
        None => Ok(()),
    }
}

fn format(body: &Map<String, Value>) -> Checked {
    let Some(format) = body.get("outputConfig").and_then(|o| o.get("textFormat")) else { return Ok(()) };
    let schema = format.pointer("/structure/jsonSchema/schema").and_then(Value::as_str);
    match schema.map(serde_json::from_str::<Value>) {
        Some(Ok(Value::Object(_))) if word(format, "type") == Some("json_schema") => Ok(()),
        _ => Err(constraint("outputConfig.textFormat", "Member must be a JSON schema, as text")),
    }
}

fn turns(body: &Map<String, Value>) -> Checked {
    let messages = items(body.get("messages"));
    let mut calls: Vec<&str> = Vec::new();
    let mut before = "";
    let mut uses_tools = false;
    for (index, message) in messages.iter().enumerate() {
        let role = match word(message, "role") {
            Some(role @ ("user" | "assistant")) => role,
            _ => {
                let path = format!("messages.{}.member.role", index + 1);
                return Err(constraint(&path, "Member must satisfy enum value set: [user, assistant]"));
            }
        };
        if index == 0 && role != "user" {
            return Err(Problem::bad(
                "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
            ));
        }
        if role == before {
            return Err(Problem::bad(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.",
            ));
        }
        before = role;
        let content = items(message.get("content"));
        if content.is_empty() {
            return Err(Problem::bad(format!(
                "The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to the content field and try again."
            )));
        }
        for (number, block) in content.iter().enumerate() {
            self::block(block, &format!("messages.{index}.content.{number}"))?;
        }
        let results: Vec<&str> =
            content.iter().filter_map(|b| b.pointer("/toolResult/toolUseId")?.as_str()).collect();
        answers(&results, &calls, index)?;
        calls = content.iter().filter_map(|b| b.pointer("/toolUse/toolUseId")?.as_str()).collect();
        uses_tools |= !calls.is_empty();
    }
    if messages.is_empty() || before == "assistant" && !calls.is_empty() {
        return Err(Problem::bad(
            "A conversation must start with a user message, and answer the last tool use.",
        ));
    }
    if uses_tools && body.get("toolConfig").is_none() {
        return Err(Problem::bad(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        ));
    }
    Ok(())
}

fn answers(results: &[&str], calls: &[&str], index: usize) -> Checked {
    if results.len() > calls.len() || results.iter().any(|r| !calls.contains(r)) {
        return Err(Problem::bad(format!(
            "The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of previous turn."
        )));
    }
    let open: Vec<&str> = calls.iter().filter(|c| !results.contains(c)).copied().collect();
    if open.is_empty() {
        return Ok(());
    }
    Err(Problem::bad(format!(
        "Expected toolResult blocks at messages.{index}.content for the following Ids: {}",
        open.join(", ")
    )))
}

fn block(block: &Value, path: &str) -> Checked {
    let members = block.as_object().ok_or_else(|| constraint(path, "Member must be an object"))?;
    extraneous(members, &BLOCKS)?;
    if members.len() != 1 {
        return Err(constraint(path, "Member must have exactly one content type"));
    }
    if word(block, "text").is_some_and(|t| t.trim().is_empty()) {
        return Err(Problem::bad(format!(
            "The text field in the ContentBlock object at {path} is blank. Add text to the text field, and try again."
        )));
    }
    for (kind, formats) in [
        ("image", &["png", "jpeg", "gif", "webp"][..]),
        ("document", &["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"]),
    ] {
        let Some(file) = block.get(kind) else { continue };
        let known = word(file, "format").is_some_and(|f| formats.contains(&f));
        let bytes = file.pointer("/source/bytes").and_then(Value::as_str);
        if !known || !(bytes.is_some_and(is_base64) || file.pointer("/source/s3Location").is_some()) {
            return Err(Problem::bad(format!("The {kind} at {path} has an unknown format or no bytes.")));
        }
    }
    if let Some(call) = block.get("toolUse") {
        if !word(call, "toolUseId").is_some_and(|id| is_name(id, 64)) {
            return Err(constraint(
                &format!("{path}.toolUse.toolUseId"),
                "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+",
            ));
        }
        if !call.get("input").is_some_and(Value::is_object) {
            return Err(Problem::bad(format!(
                "The format of the value at {path}.toolUse.input is invalid. Provide a json object for the field and try again."
            )));
        }
    }
    if let Some(text) = block.pointer("/reasoningContent/reasoningText") {
        let signature = word(text, "signature").unwrap_or_default();
        if !fits(CLAUDE, word(text, "text").unwrap_or_default(), signature) {
            return Err(Problem::bad(format!("{path}: Invalid `signature` in `thinking` block")));
        }
    }
    Ok(())
}
