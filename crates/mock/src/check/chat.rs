//! The rules of chat completions.

use super::openai::{
    address, choice, function, invalid, is_native, is_older, missing, range, reasons, schema,
};
use super::{Checked, items, unknown, word};
use crate::answer::errors::Problem;
use crate::request::Facts;
use crate::script::Flavour;
use serde_json::{Map, Value};

const KNOWN: [&str; 38] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
    // Sent by Azure's clients.
    "data_sources",
];

/// What Google's imitation takes beside them, and what of them it does not know (ai.google.dev/api/compatibility, and
/// reports of its "Unknown name").
const GOOGLE: [&str; 2] = ["extra_body", "google"];
const NOT_GOOGLE: [&str; 8] = [
    "frequency_penalty",
    "logit_bias",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "seed",
    "store",
    "verbosity",
];

/// The longest id of a call, in characters.
const LONGEST_ID: usize = 40;

pub(super) fn check(facts: &Facts, body: &Map<String, Value>) -> Checked {
    fields(facts, body)?;
    limits(facts, body)?;
    let tools = items(body.get("tools"));
    for (index, tool) in tools.iter().enumerate() {
        if word(tool, "type") == Some("function") {
            let path = format!("tools[{index}].function");
            function(tool.get("function").ok_or_else(|| missing(&path))?, &path)?;
        } else if is_native(facts) && word(tool, "type") != Some("custom") {
            return Err(invalid(
                &format!("tools[{index}].type"),
                "Supported values are: 'function' and 'custom'.",
            ));
        }
    }
    let names: Vec<&str> = tools.iter().filter_map(|t| t.pointer("/function/name")?.as_str()).collect();
    if body.get("tools").is_some_and(|t| !t.is_null()) && tools.is_empty() {
        let message = "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array \
                       instead.";
        return Err(Problem::bad(message).param("tools").code("empty_array"));
    }
    choice(body, &names)?;
    messages(items(body.get("messages")))?;
    format(body)
}

fn fields(facts: &Facts, body: &Map<String, Value>) -> Checked {
    if is_native(facts)
        && let Some(name) = unknown(body, &KNOWN)
    {
        return Err(Problem::bad(format!("Unrecognized request argument supplied: {name}")));
    }
    if facts.flavour == Flavour::Google {
        let known = |name: &str| KNOWN.contains(&name) && !NOT_GOOGLE.contains(&name);
        let strange = |name: &str| !known(name) && !GOOGLE.contains(&name);
        if let Some(name) = body.keys().find(|name| strange(name)) {
            let message =
                format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.");
            return Err(Problem::bad(message));
        }
    }
    if facts.model.is_empty() && facts.flavour != Flavour::OpenRouter {
        return Err(Problem::bad("you must provide a model parameter"));
    }
    if facts.flavour == Flavour::OpenRouter && items(body.get("models")).len() > 3 {
        return Err(Problem::bad("'models' array must have 3 items or fewer."));
    }
    if items(body.get("messages")).is_empty() {
        if facts.flavour == Flavour::OpenRouter {
            return Err(Problem::bad("Input required: specify \"prompt\" or \"messages\""));
        }
        return Err(missing("messages"));
    }
    let streams = body.get("stream") == Some(&Value::Bool(true));
    if body.get("stream_options").is_some_and(|o| !o.is_null()) && !streams && is_native(facts) {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Problem::bad(message).param("stream_options"));
    }
    Ok(())
}

fn limits(facts: &Facts, body: &Map<String, Value>) -> Checked {
    let given = |name: &str| body.get(name).filter(|v| !v.is_null());
    range(body, "temperature", 0.0, 2.0)?;
    range(body, "top_p", 0.0, 1.0)?;
    range(body, "frequency_penalty", -2.0, 2.0)?;
    range(body, "presence_penalty", -2.0, 2.0)?;
    if items(given("stop")).len() > 4 {
        return Err(Problem::bad("Invalid 'stop': array too long. Expected an array with maximum length 4."));
    }
    if !is_native(facts) {
        return Ok(());
    }
    if reasons(&facts.model) {
        if given("max_tokens").is_some() {
            let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                           'max_completion_tokens' instead.";
            return Err(Problem::bad(message).param("max_tokens").code("unsupported_parameter"));
        }
        if given("temperature").and_then(Value::as_f64).is_some_and(|t| (t - 1.0).abs() > f64::EPSILON) {
            let message = "Unsupported value: 'temperature' does not support this value with this model. Only the \
                           default (1) value is supported.";
            return Err(Problem::bad(message).param("temperature").code("unsupported_value"));
        }
    }
    if is_older(&facts.model) && given("reasoning_effort").is_some() {
        return Err(Problem::bad("Unrecognized request argument supplied: reasoning_effort"));
    }
    match given("reasoning_effort").map(|e| e.as_str().unwrap_or_default()) {
        Some("none" | "minimal" | "low" | "medium" | "high" | "xhigh") | None => Ok(()),
        Some(other) => Err(invalid("reasoning_effort", &format!("'{other}' is not supported."))),
    }
}

/// Roles, parts, and that every call has its answer right behind it.
fn messages(messages: &[Value]) -> Checked {
    let mut open: Vec<String> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages[{index}]");
        let role = word(message, "role").ok_or_else(|| missing(&format!("{path}.role")))?;
        if role == "tool" {
            let id = word(message, "tool_call_id").ok_or_else(|| missing(&format!("{path}.tool_call_id")))?;
            let Some(at) = open.iter().position(|call| call == id) else {
                let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message \
                               with 'tool_calls'.";
                return Err(Problem::bad(message).param(format!("{path}.role")));
            };
            open.remove(at);
        } else if !open.is_empty() {
            return Err(unanswered(&open, &path));
        }
        match role {
            "system" | "developer" | "tool" => content(message, &path, &["text"])?,
            "user" => content(message, &path, &["text", "image_url", "input_audio", "file"])?,
            "assistant" => open = assistant(message, &path)?,
            "function" => {}
            other => {
                let why = format!(
                    "'{other}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
                );
                return Err(invalid(&format!("{path}.role"), &why).code("invalid_value"));
            }
        }
    }
    if open.is_empty() { Ok(()) } else { Err(unanswered(&open, "messages")) }
}

fn unanswered(open: &[String], path: &str) -> Problem {
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
         The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Problem::bad(message).param(path)
}

/// Checks an answer in the history; gives the ids of its calls.
fn assistant(message: &Value, path: &str) -> Result<Vec<String>, Problem> {
    let calls = items(message.get("tool_calls"));
    let empty = message.get("content").is_none_or(Value::is_null);
    if !empty {
        content(message, path, &["text", "refusal"])?;
    } else if calls.is_empty() && word(message, "refusal").is_none() && message.get("audio").is_none() {
        return Err(invalid(&format!("{path}.content"), "expected a string, got null."));
    }
    if calls.is_empty() && message.get("tool_calls").is_some_and(Value::is_array) {
        let message =
            format!("Invalid '{path}.tool_calls': empty array. Expected an array with minimum length 1.");
        return Err(Problem::bad(message).code("empty_array"));
    }
    let mut ids = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let path = format!("{path}.tool_calls[{index}]");
        let text = |pointer: &str| call.pointer(pointer).and_then(Value::as_str);
        let id = text("/id").ok_or_else(|| missing(&format!("{path}.id")))?;
        if id.chars().count() > LONGEST_ID {
            let message = format!(
                "Invalid '{path}.id': string too long. Expected a string with maximum length {LONGEST_ID}, but got a \
                 string with length {} instead.",
                id.chars().count()
            );
            return Err(Problem::bad(message).param(format!("{path}.id")).code("string_above_max_length"));
        }
        if text("/type").is_none() {
            return Err(missing(&format!("{path}.type")));
        }
        if text("/type") == Some("function") {
            text("/function/name").ok_or_else(|| missing(&format!("{path}.function.name")))?;
            text("/function/arguments").ok_or_else(|| {
                invalid(&format!("{path}.function.arguments"), "expected a string, but got something else.")
            })?;
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}

fn content(message: &Value, path: &str, kinds: &[&str]) -> Checked {
    let path = format!("{path}.content");
    let parts = match message.get("content") {
        Some(Value::String(_)) => return Ok(()),
        Some(Value::Array(parts)) if !parts.is_empty() => parts,
        _ => return Err(invalid(&path, "expected a string or a list of parts.")),
    };
    for (index, part) in parts.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let kind = word(part, "type").ok_or_else(|| missing(&format!("{path}.type")))?;
        if !kinds.contains(&kind) {
            let why = format!("'{kind}'. Supported values are: '{}'.", kinds.join("', '"));
            return Err(invalid(&format!("{path}.type"), &why).code("invalid_value"));
        }
        match kind {
            "image_url" => {
                let path = format!("{path}.image_url");
                let image = part.get("image_url").filter(|i| i.is_object()).ok_or_else(|| {
                    invalid(&path, "expected an object, but got something else.").code("invalid_type")
                })?;
                address(word(image, "url"), &path)?;
            }
            "text" => {
                word(part, "text").ok_or_else(|| missing(&format!("{path}.text")))?;
            }
            "file" => {
                let file = part.get("file").ok_or_else(|| missing(&format!("{path}.file")))?;
                if word(file, "file_id").is_none() {
                    word(file, "filename").ok_or_else(|| missing(&format!("{path}.file.filename")))?;
                    address(word(file, "file_data"), &format!("{path}.file.file_data"))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn format(body: &Map<String, Value>) -> Checked {
    let Some(format) = body.get("response_format").filter(|f| !f.is_null()) else { return Ok(()) };
    match word(format, "type") {
        Some("text") => Ok(()),
        Some("json_object") => {
            let messages = body.get("messages").map(Value::to_string).unwrap_or_default();
            if messages.to_lowercase().contains("json") {
                return Ok(());
            }
            let message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type \
                           'json_object'.";
            Err(Problem::bad(message).param("messages"))
        }
        Some("json_schema") => {
            let inner = format.get("json_schema").ok_or_else(|| missing("response_format.json_schema"))?;
            schema(inner, "response_format.json_schema")
        }
        _ => Err(invalid(
            "response_format.type",
            "Supported values are: 'json_object', 'json_schema', 'text'.",
        )),
    }
}
