//! The rules of the Responses API.

use super::openai::{
    address, choice, function, invalid, is_native, is_older, missing, range, reasons, schema,
};
use super::{Checked, items, unknown, word};
use crate::answer::errors::Problem;
use crate::request::Facts;
use crate::script::Flavour;
use crate::seal::{OPENAI, opened};
use serde_json::{Map, Value};

const KNOWN: [&str; 31] = [
    "background",
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// The least limit of an answer, in tokens.
const LEAST: u64 = 16;

pub(super) fn check(facts: &Facts, body: &Map<String, Value>) -> Checked {
    if is_native(facts)
        && let Some(name) = unknown(body, &KNOWN)
    {
        let problem = Problem::bad(format!("Unknown parameter: '{name}'."));
        return Err(problem.param(name).code("unknown_parameter"));
    }
    let given = |name: &str| body.get(name).filter(|v| !v.is_null());
    if facts.flavour == Flavour::OpenRouter {
        let keeps = given("store") == Some(&Value::Bool(true)) || given("previous_response_id").is_some();
        if keeps {
            return Err(Problem::bad(
                "This API is stateless: 'store' and 'previous_response_id' are not supported.",
            ));
        }
    }
    limits(facts, body)?;
    let tools = items(body.get("tools"));
    for (index, tool) in tools.iter().enumerate() {
        if word(tool, "type").is_none() {
            return Err(missing(&format!("tools[{index}].type")));
        }
        if word(tool, "type") == Some("function") {
            function(tool, &format!("tools[{index}]"))?;
        }
    }
    let names: Vec<&str> = tools.iter().filter_map(|t| word(t, "name").or(word(t, "type"))).collect();
    choice(body, &names)?;
    match given("input") {
        Some(Value::String(_)) => {}
        Some(Value::Array(list)) => input(list, given("previous_response_id").is_some())?,
        Some(_) => return Err(invalid("input", "expected a string or a list of items.")),
        None if given("prompt").is_some() => {}
        None => return Err(missing("input")),
    }
    format(body)
}

fn limits(facts: &Facts, body: &Map<String, Value>) -> Checked {
    range(body, "temperature", 0.0, 2.0)?;
    range(body, "top_p", 0.0, 1.0)?;
    if let Some(limit) = body.get("max_output_tokens").and_then(Value::as_u64)
        && limit < LEAST
    {
        let message = format!(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {LEAST}, but got {limit} \
             instead."
        );
        return Err(Problem::bad(message).param("max_output_tokens").code("integer_below_min_value"));
    }
    if !is_native(facts) {
        return Ok(());
    }
    let unsupported = |name: &str| {
        let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
        Err(Problem::bad(message).param(name).code("unsupported_parameter"))
    };
    let effort = body.get("reasoning").and_then(|r| r.get("effort")).filter(|e| !e.is_null());
    if effort.is_some() && is_older(&facts.model) {
        return unsupported("reasoning.effort");
    }
    let temperature = body.get("temperature").and_then(Value::as_f64);
    if reasons(&facts.model) && temperature.is_some_and(|t| (t - 1.0).abs() > f64::EPSILON) {
        return unsupported("temperature");
    }
    Ok(())
}

fn input(list: &[Value], continued: bool) -> Checked {
    if list.is_empty() {
        return Err(Problem::bad("Invalid 'input': empty array.").param("input").code("empty_array"));
    }
    let ids = |kind: &str| -> Vec<&str> {
        list.iter().filter(|i| word(i, "type") == Some(kind)).filter_map(|i| word(i, "call_id")).collect()
    };
    let (calls, outputs) = (ids("function_call"), ids("function_call_output"));
    if let Some(call) = calls.iter().find(|c| !outputs.contains(c)) {
        let message = format!("No tool output found for function call {call}.");
        return Err(Problem::bad(message).param("input"));
    }
    if let Some(output) = outputs.iter().find(|o| !calls.contains(o) && !continued) {
        let message = format!("No tool call found for function call output with call_id {output}.");
        return Err(Problem::bad(message).param("input"));
    }
    for (index, value) in list.iter().enumerate() {
        item(value, &format!("input[{index}]"))?;
    }
    Ok(())
}

fn item(item: &Value, path: &str) -> Checked {
    let need = |name: &str| word(item, name).ok_or_else(|| missing(&format!("{path}.{name}")));
    match word(item, "type").unwrap_or("message") {
        "message" => message(item, path),
        "function_call" => {
            id(item, path, "fc")?;
            need("call_id")?;
            need("name")?;
            need("arguments").map(|_| ())
        }
        "function_call_output" => {
            need("call_id")?;
            match item.get("output") {
                Some(Value::String(_)) => Ok(()),
                Some(Value::Array(parts)) => {
                    parts_of(parts, &format!("{path}.output"), &["input_text", "input_image", "input_file"])
                }
                _ => Err(missing(&format!("{path}.output"))),
            }
        }
        "reasoning" => reasoning(item, path),
        "item_reference" => need("id").map(|_| ()),
        "compaction" | "custom_tool_call" | "custom_tool_call_output" => Ok(()),
        other => {
            let why = format!("'{other}' is no type of an item.");
            Err(invalid(&format!("{path}.type"), &why).code("invalid_value"))
        }
    }
}

/// Ids begin with the kind of their item.
fn id(item: &Value, path: &str, prefix: &str) -> Checked {
    match word(item, "id") {
        Some(id) if !id.starts_with(prefix) => {
            let message = format!("Invalid '{path}.id': '{id}'. Expected an ID that begins with '{prefix}'.");
            Err(Problem::bad(message).param(format!("{path}.id")).code("invalid_value"))
        }
        _ => Ok(()),
    }
}

fn message(item: &Value, path: &str) -> Checked {
    let role = word(item, "role").ok_or_else(|| missing(&format!("{path}.role")))?;
    let kinds: &[&str] = match role {
        "user" | "system" | "developer" => &["input_text", "input_image", "input_file", "input_audio"],
        "assistant" => {
            id(item, path, "msg")?;
            &["output_text", "refusal"]
        }
        other => {
            let why =
                format!("'{other}'. Supported values are: 'assistant', 'system', 'developer', and 'user'.");
            return Err(invalid(&format!("{path}.role"), &why).code("invalid_value"));
        }
    };
    match item.get("content") {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => parts_of(parts, &format!("{path}.content"), kinds),
        _ => Err(missing(&format!("{path}.content"))),
    }
}

fn parts_of(parts: &[Value], path: &str, kinds: &[&str]) -> Checked {
    for (index, part) in parts.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let kind = word(part, "type").ok_or_else(|| missing(&format!("{path}.type")))?;
        if !kinds.contains(&kind) {
            let message = format!("Invalid value: '{kind}'. Supported values are: '{}'.", kinds.join("', '"));
            return Err(Problem::bad(message).param(format!("{path}.type")).code("invalid_value"));
        }
        match kind {
            "input_text" | "output_text" => {
                word(part, "text").ok_or_else(|| missing(&format!("{path}.text")))?;
            }
            "input_image" if word(part, "file_id").is_none() => {
                address(word(part, "image_url"), &format!("{path}.image_url"))?;
            }
            "input_file" if word(part, "file_id").is_none() && word(part, "file_url").is_none() => {
                word(part, "filename").ok_or_else(|| missing(&format!("{path}.filename")))?;
                address(word(part, "file_data"), &format!("{path}.file_data"))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn reasoning(item: &Value, path: &str) -> Checked {
    id(item, path, "rs")?;
    if !item.get("summary").is_some_and(Value::is_array) {
        return Err(missing(&format!("{path}.summary")));
    }
    match word(item, "encrypted_content") {
        Some(state) if opened(OPENAI, state).is_none() => {
            let shown: String = state.chars().take(8).collect();
            let message = format!("The encrypted content {shown}... could not be verified.");
            Err(Problem::bad(message).code("invalid_encrypted_content"))
        }
        _ => Ok(()),
    }
}

fn format(body: &Map<String, Value>) -> Checked {
    let Some(format) = body.get("text").and_then(|t| t.get("format")).filter(|f| !f.is_null()) else {
        return Ok(());
    };
    match word(format, "type") {
        Some("text") => Ok(()),
        Some("json_schema") => schema(format, "text.format"),
        Some("json_object") => {
            let input = body.get("input").map(Value::to_string).unwrap_or_default();
            if input.to_lowercase().contains("json") {
                return Ok(());
            }
            let message = "Response input messages must contain the word 'json' in some form to use 'text.format' of \
                           type 'json_object'.";
            Err(Problem::bad(message).param("input"))
        }
        _ => Err(invalid("text.format.type", "Supported values are: 'text', 'json_schema', 'json_object'.")),
    }
}
