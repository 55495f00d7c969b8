//! The rules of Gemini's API. Names are accepted as JSON has them and as the proto files have them.

use super::{Checked, is_any_base64, items, usual_base64, word};
use crate::answer::errors::Problem;
use crate::request::Facts;
use crate::script::Flavour;
use crate::seal::{GEMINI, fits};
use crate::view::either;
use serde_json::{Map, Value};

/// What stands behind a member: nothing that is looked into, or an object (or a list of them) of a kind.
type Members = &'static [(&'static str, Kind)];

#[derive(Clone, Copy)]
enum Kind {
    Any,
    Of(Members),
    Schema,
}
use Kind::{Any, Of, Schema};

const REQUEST: Members = &[
    ("model", Any),
    ("contents", Of(CONTENT)),
    ("tools", Of(TOOL)),
    ("toolConfig", Of(TOOL_CONFIG)),
    ("safetySettings", Any),
    ("systemInstruction", Of(CONTENT)),
    ("generationConfig", Of(CONFIG)),
    ("cachedContent", Any),
    ("labels", Any),
    ("serviceTier", Any),
    ("store", Any),
];
const CONTENT: Members = &[("role", Any), ("parts", Of(PART))];
const PART: Members = &[
    ("text", Any),
    ("thought", Any),
    ("thoughtSignature", Any),
    ("inlineData", Of(&[("mimeType", Any), ("data", Any), ("displayName", Any)])),
    ("fileData", Of(&[("mimeType", Any), ("fileUri", Any), ("displayName", Any)])),
    ("functionCall", Of(&[("id", Any), ("name", Any), ("args", Any)])),
    ("functionResponse", Of(RESPONSE)),
    ("executableCode", Any),
    ("codeExecutionResult", Any),
    ("videoMetadata", Any),
    ("mediaResolution", Any),
    ("partMetadata", Any),
    ("toolCall", Any),
    ("toolResponse", Any),
];
const RESPONSE: Members = &[
    ("id", Any),
    ("name", Any),
    ("response", Any),
    ("parts", Any),
    ("willContinue", Any),
    ("scheduling", Any),
];
const TOOL: Members = &[
    ("functionDeclarations", Of(FUNCTION)),
    ("googleSearch", Any),
    ("googleSearchRetrieval", Any),
    ("codeExecution", Any),
    ("urlContext", Any),
    ("computerUse", Any),
    ("fileSearch", Any),
    ("googleMaps", Any),
    ("mcpServers", Any),
    ("retrieval", Any),
    ("enterpriseWebSearch", Any),
];
const FUNCTION: Members = &[
    ("name", Any),
    ("description", Any),
    ("behavior", Any),
    ("parameters", Schema),
    ("parametersJsonSchema", Any),
    ("response", Schema),
    ("responseJsonSchema", Any),
];
const TOOL_CONFIG: Members = &[
    (
        "functionCallingConfig",
        Of(&[("mode", Any), ("allowedFunctionNames", Any), ("streamFunctionCallArguments", Any)]),
    ),
    ("retrievalConfig", Any),
    ("includeServerSideToolInvocations", Any),
];
const CONFIG: Members = &[
    ("stopSequences", Any),
    ("responseMimeType", Any),
    ("responseSchema", Schema),
    ("responseJsonSchema", Any),
    ("responseModalities", Any),
    ("candidateCount", Any),
    ("maxOutputTokens", Any),
    ("temperature", Any),
    ("topP", Any),
    ("topK", Any),
    ("seed", Any),
    ("presencePenalty", Any),
    ("frequencyPenalty", Any),
    ("responseLogprobs", Any),
    ("logprobs", Any),
    ("enableEnhancedCivicAnswers", Any),
    ("speechConfig", Any),
    ("thinkingConfig", Of(&[("includeThoughts", Any), ("thinkingBudget", Any), ("thinkingLevel", Any)])),
    ("imageConfig", Any),
    ("mediaResolution", Any),
    ("audioTimestamp", Any),
];
/// The subset of OpenAPI that `parameters` and `responseSchema` take.
const SCHEMA: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];
/// What is taken in place of a signature that was lost.
const DUMMIES: [&str; 2] = ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

pub(super) fn check(facts: &Facts, body: &Map<String, Value>) -> Checked {
    members(body, REQUEST, "", facts.flavour == Flavour::Vertex)?;
    let body = &Value::Object(body.clone());
    let contents = items(body.get("contents"));
    if contents.is_empty() {
        return Err(Problem::bad("* GenerateContentRequest.contents: contents is not specified\n"));
    }
    config(facts, body)?;
    functions(body)?;
    for (index, content) in contents.iter().enumerate() {
        parts(content, index)?;
    }
    turns(contents)?;
    signatures(&facts.model, contents)
}

/// Refuses names that are not there, at every depth.
fn members(object: &Map<String, Value>, known: Members, path: &str, loose_schemas: bool) -> Checked {
    for (name, value) in object {
        let kind =
            known.iter().find(|(camel, _)| name == camel || *name == snake(camel)).map(|(_, kind)| *kind);
        let inner = if path.is_empty() { snake(name) } else { format!("{path}.{}", snake(name)) };
        match kind {
            None => return Err(unknown(name, path)),
            Some(Any) => {}
            Some(Schema) if loose_schemas => {}
            Some(Schema) => schema(value, &inner)?,
            Some(Of(known)) => match value {
                Value::Object(object) => members(object, known, &inner, loose_schemas)?,
                Value::Array(list) => {
                    for (index, item) in list.iter().enumerate() {
                        let object = item.as_object().ok_or_else(|| Problem::scripted(400, None))?;
                        members(object, known, &format!("{inner}[{index}]"), loose_schemas)?;
                    }
                }
                Value::Null => {}
                _ => return Err(Problem::bad(format!("Invalid value at '{inner}'"))),
            },
        }
    }
    Ok(())
}

fn schema(value: &Value, path: &str) -> Checked {
    let Value::Object(object) = value else { return Ok(()) };
    for (name, member) in object {
        if !SCHEMA.iter().any(|camel| name == camel || *name == snake(camel)) {
            return Err(unknown(name, path));
        }
        match (name.as_str(), member) {
            ("properties", Value::Object(properties)) => {
                for (property, inner) in properties {
                    schema(inner, &format!("{path}.properties[{property}].value"))?;
                }
            }
            ("items", inner) => schema(inner, &format!("{path}.items"))?,
            ("anyOf" | "any_of", Value::Array(list)) => {
                for (index, inner) in list.iter().enumerate() {
                    schema(inner, &format!("{path}.any_of[{index}]"))?;
                }
            }
            ("type", kind) if !kind.is_string() => {
                return Err(Problem::bad(format!(
                    "Invalid value at '{path}.type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type)"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

fn unknown(name: &str, path: &str) -> Problem {
    let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
    Problem::bad(format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."))
}

fn snake(camel: &str) -> String {
    let mut out = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn config(facts: &Facts, body: &Value) -> Checked {
    let Some(config) = either(body, "generationConfig", "generation_config") else { return Ok(()) };
    let given = |camel: &str, snake: &str| either(config, camel, snake).filter(|v| !v.is_null());
    let mime = given("responseMimeType", "response_mime_type").and_then(Value::as_str);
    let schema = given("responseSchema", "response_schema");
    let json_schema = given("responseJsonSchema", "response_json_schema");
    if (schema.is_some() || json_schema.is_some())
        && !matches!(mime, Some("application/json" | "text/x.enum"))
    {
        return Err(Problem::bad(
            "* GenerateContentRequest.generation_config.response_schema: only allowed when response_mime_type is \
             application/json\n",
        ));
    }
    if schema.is_some() && json_schema.is_some() {
        return Err(Problem::bad("response_schema and response_json_schema cannot both be set."));
    }
    let newer = facts.model.trim_start_matches("models/").starts_with("gemini-3");
    if mime == Some("application/json") && !facts.view.tools.is_empty() && !newer {
        return Err(Problem::bad(
            "Function calling with a response mime type: 'application/json' is unsupported",
        ));
    }
    let temperature = given("temperature", "temperature").and_then(Value::as_f64);
    if temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return Err(Problem::bad(
            "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].\n",
        ));
    }
    if given("maxOutputTokens", "max_output_tokens").is_some_and(|v| v.as_u64().is_none_or(|n| n == 0)) {
        return Err(Problem::bad("max_output_tokens must be positive."));
    }
    let Some(thinking) = given("thinkingConfig", "thinking_config") else { return Ok(()) };
    let budget = either(thinking, "thinkingBudget", "thinking_budget").filter(|v| !v.is_null());
    let level = either(thinking, "thinkingLevel", "thinking_level").filter(|v| !v.is_null());
    match (budget, level) {
        (Some(_), Some(_)) => {
            Err(Problem::bad("You can only set only one of thinking budget and thinking level."))
        }
        (None, Some(_)) if !newer => Err(Problem::bad("Thinking level is not supported for this model.")),
        _ => Ok(()),
    }
}

fn functions(body: &Value) -> Checked {
    for tool in items(body.get("tools")) {
        for function in items(either(tool, "functionDeclarations", "function_declarations")) {
            let name = word(function, "name").unwrap_or_default();
            let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
            if !starts || !name.chars().all(fits) || name.len() > 64 {
                return Err(Problem::bad(
                    "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, \
                     0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.",
                ));
            }
            let both = function.get("parameters").is_some()
                && either(function, "parametersJsonSchema", "parameters_json_schema").is_some();
            if both {
                return Err(Problem::bad("parameters and parameters_json_schema cannot both be set."));
            }
        }
    }
    Ok(())
}

fn parts(content: &Value, index: usize) -> Checked {
    if !matches!(word(content, "role"), None | Some("user" | "model" | "function")) {
        return Err(Problem::bad("Please use a valid role: user, model."));
    }
    let parts = items(content.get("parts"));
    if parts.is_empty() {
        let path = format!("GenerateContentRequest.contents[{index}].parts");
        return Err(Problem::bad(format!("* {path}: contents.parts must not be empty.\n")));
    }
    for (number, part) in parts.iter().enumerate() {
        let path = format!("GenerateContentRequest.contents[{index}].parts[{number}]");
        let beside = ["thought", "thoughtSignature", "thought_signature", "videoMetadata", "partMetadata"];
        let data = part.as_object().map_or(0, |p| p.keys().filter(|k| !beside.contains(&k.as_str())).count());
        if data != 1 {
            let why = "required oneof field 'data' must have one initialized field";
            return Err(Problem::bad(format!("* {path}.data: {why}\n")));
        }
        let blob = either(part, "inlineData", "inline_data");
        let Some(blob) = blob else { continue };
        if !either(blob, "mimeType", "mime_type").and_then(Value::as_str).is_some_and(|m| m.contains('/')) {
            return Err(Problem::bad(format!("* {path}.inline_data.mime_type: must be set\n")));
        }
        if !word(blob, "data").is_some_and(is_any_base64) {
            return Err(Problem::bad(
                "Invalid value at 'contents.parts.inline_data.data' (TYPE_BYTES), Base64 decoding failed",
            ));
        }
    }
    Ok(())
}

/// The names of a kind of part in a turn.
fn names<'c>(content: &'c Value, camel: &str, snake: &str) -> Vec<&'c str> {
    let parts = items(content.get("parts")).iter().filter_map(|part| either(part, camel, snake));
    parts.map(|p| word(p, "name").unwrap_or_default()).collect()
}

/// Calls stand behind a turn of the user, and their responses right behind them, as many and with the same names.
fn turns(contents: &[Value]) -> Checked {
    let mut open: Vec<&str> = Vec::new();
    let mut before = None;
    for content in contents {
        let role = word(content, "role").unwrap_or("user");
        let mut calls = names(content, "functionCall", "function_call");
        let mut responses = names(content, "functionResponse", "function_response");
        if !calls.is_empty() && (role != "model" || before == Some("model") || before.is_none()) {
            return Err(Problem::bad(
                "Please ensure that function call turn comes immediately after a user turn or after a function response \
                 turn.",
            ));
        }
        if responses.is_empty() && !open.is_empty() || responses.len() != open.len() && !open.is_empty() {
            return Err(Problem::bad(
                "Please ensure that the number of function response parts is equal to the number of function call parts \
                 of the function call turn.",
            ));
        }
        if !responses.is_empty() && open.is_empty() {
            return Err(Problem::bad(
                "Please ensure that function response turn comes immediately after a function call turn.",
            ));
        }
        responses.sort_unstable();
        open.sort_unstable();
        if responses != open {
            return Err(Problem::bad(
                "Please ensure that the function response names match the function call names of the function call turn.",
            ));
        }
        open = std::mem::take(&mut calls);
        before = Some(role);
    }
    Ok(())
}

/// Signatures are the model's own; the newer ones want them back while tools are used.
fn signatures(model: &str, contents: &[Value]) -> Checked {
    let wanted = model.trim_start_matches("models/").starts_with("gemini-3");
    // The current turn begins behind the last text of the user.
    let said = |c: &Value| {
        word(c, "role") != Some("model") && items(c.get("parts")).iter().any(|p| p.get("text").is_some())
    };
    let current = contents.iter().rposition(said).unwrap_or(0);
    for (index, content) in contents.iter().enumerate() {
        let mut first = true;
        for part in items(content.get("parts")) {
            let call = either(part, "functionCall", "function_call").and_then(|c| word(c, "name"));
            let signature = either(part, "thoughtSignature", "thought_signature").and_then(Value::as_str);
            let usual = signature.map(usual_base64);
            let text = word(part, "text").unwrap_or_default();
            let fitting = |s: &str| match call {
                Some(name) => fits(GEMINI, name, s),
                // An answer's last part signs the whole answer, so only texts that stand alone can be compared.
                None => text.is_empty() || s.len() == crate::seal::seal(GEMINI, "").len(),
            };
            if signature.is_some_and(|s| !DUMMIES.contains(&s)) && usual.is_some_and(|s| !fitting(&s)) {
                return Err(Problem::bad("Thought signature is not valid"));
            }
            if let Some(name) = call {
                if wanted && first && index > current && signature.is_none() {
                    return Err(Problem::bad(format!(
                        "Function call is missing a thought_signature in functionCall parts. This is required for tools \
                         to work correctly, and missing thought_signature may lead to degraded model performance. \
                         Additional data, function call `default_api:{name}` , position {}.",
                        index + 1
                    )));
                }
                first = false;
            }
        }
    }
    Ok(())
}
