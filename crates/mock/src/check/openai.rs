//! What OpenAI's two APIs have in common.

use super::{Checked, is_base64, is_name, open_object, word};
use crate::answer::errors::Problem;
use crate::request::Facts;
use crate::script::Flavour;
use serde_json::{Map, Value};

/// Whether fields that OpenAI does not know are refused: others take more than OpenAI has.
pub(super) fn is_native(facts: &Facts) -> bool {
    matches!(facts.flavour, Flavour::OpenAi | Flavour::Azure)
}

/// Whether the model reasons, by its name.
pub(super) fn reasons(model: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|family| model.starts_with(family))
}

/// Whether the model is an older one, which does not reason.
pub(super) fn is_older(model: &str) -> bool {
    ["gpt-3", "gpt-4"].iter().any(|family| model.starts_with(family))
}

/// A function on offer: `path` says where it stands.
pub(super) fn function(function: &Value, path: &str) -> Checked {
    let Some(name) = word(function, "name") else {
        return Err(missing(&format!("{path}.name")));
    };
    if !is_name(name, 64) {
        let param = format!("{path}.name");
        let message = format!(
            "Invalid '{param}': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$'."
        );
        return Err(Problem::bad(message).param(param).code("invalid_value"));
    }
    let schema = function.get("parameters").filter(|p| !p.is_null());
    if let Some(schema) = schema
        && word(schema, "type") != Some("object")
    {
        let kind = word(schema, "type").unwrap_or("None");
        let message = format!(
            "Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: \
             \"{kind}\"'."
        );
        return Err(Problem::bad(message)
            .param(format!("{path}.parameters"))
            .code("invalid_function_parameters"));
    }
    if function.get("strict") == Some(&Value::Bool(true))
        && let Some(schema) = schema
    {
        strict_schema(schema, &format!("function '{name}'"), "invalid_function_parameters")?;
    }
    Ok(())
}

/// Structured output: `format` holds `name`, `schema` and `strict`.
pub(super) fn schema(format: &Value, path: &str) -> Checked {
    let Some(name) = word(format, "name") else {
        return Err(missing(&format!("{path}.name")));
    };
    if !is_name(name, 64) {
        return Err(invalid(&format!("{path}.name"), "string does not match pattern '^[a-zA-Z0-9_-]+$'."));
    }
    let Some(schema) = format.get("schema").filter(|s| s.is_object()) else {
        return Err(missing(&format!("{path}.schema")));
    };
    if format.get("strict") == Some(&Value::Bool(true)) {
        strict_schema(schema, &format!("response_format '{name}'"), "invalid_json_schema")?;
    }
    Ok(())
}

/// Tools that are chosen must be there.
pub(super) fn choice(body: &Map<String, Value>, names: &[&str]) -> Checked {
    for field in ["tool_choice", "parallel_tool_calls"] {
        if body.get(field).is_some_and(|v| !v.is_null()) && names.is_empty() {
            let message =
                format!("Invalid value for '{field}': '{field}' is only allowed when 'tools' are specified.");
            return Err(Problem::bad(message).param(field));
        }
    }
    let Some(choice) = body.get("tool_choice").filter(|c| !c.is_null()) else { return Ok(()) };
    let named = choice.pointer("/function/name").or(choice.get("name")).and_then(Value::as_str);
    let known = match (choice, named) {
        (Value::String(word), _) => matches!(word.as_str(), "none" | "auto" | "required"),
        (_, Some(name)) => names.contains(&name),
        (Value::Object(o), None) => o.contains_key("type"),
        _ => false,
    };
    if known { Ok(()) } else { Err(invalid("tool_choice", "it names no tool of this request.")) }
}

/// An address of a picture or file.
pub(super) fn address(url: Option<&str>, path: &str) -> Checked {
    let url = url.unwrap_or_default();
    let embedded = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match embedded {
        Some((kind, data)) if is_base64(data) && kind.contains('/') => Ok(()),
        None if url.starts_with("https://") || url.starts_with("http://") => Ok(()),
        _ => Err(invalid(path, "Expected a valid URL, or base64 data with its type.").code("invalid_value")),
    }
}

/// A number must lie in a range.
pub(super) fn range(body: &Map<String, Value>, name: &str, least: f64, most: f64) -> Checked {
    match body.get(name).filter(|v| !v.is_null()).map(Value::as_f64) {
        Some(Some(number)) if number < least || number > most => {
            let message = format!("Invalid '{name}': {number} is not between {least} and {most}.");
            Err(Problem::bad(message).param(name).code("invalid_value"))
        }
        Some(None) => Err(invalid(name, "expected a number.")),
        _ => Ok(()),
    }
}

pub(super) fn missing(param: &str) -> Problem {
    Problem::bad(format!("Missing required parameter: '{param}'."))
        .param(param)
        .code("missing_required_parameter")
}

pub(super) fn invalid(param: &str, why: &str) -> Problem {
    Problem::bad(format!("Invalid value for '{param}': {why}")).param(param)
}

/// Strict schemas are closed, and require every property.
fn strict_schema(schema: &Value, of: &str, code: &'static str) -> Checked {
    if let Some(at) = open_object(schema, "") {
        let message = format!(
            "Invalid schema for {of}: In context=({at}), 'additionalProperties' is required to be supplied and to be \
             false."
        );
        return Err(Problem::bad(message).code(code));
    }
    let required = super::items(schema.get("required"));
    let properties = schema.get("properties").and_then(Value::as_object);
    for name in properties.into_iter().flat_map(Map::keys) {
        if !required.iter().any(|r| r.as_str() == Some(name)) {
            let message = format!(
                "Invalid schema for {of}: In context=(), 'required' is required to be supplied and to be an array \
                 including every key in properties. Missing '{name}'."
            );
            return Err(Problem::bad(message).code(code));
        }
    }
    Ok(())
}
