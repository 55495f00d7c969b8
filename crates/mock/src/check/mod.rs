//! What the providers refuse.
//!
//! Keys, methods and bodies that are no JSON are refused always; the rest where [`Script::strict`] is set: each API's
//! own rules, in the words of its own errors where they are known.

mod chat;
mod converse;
mod gemini;
mod keys;
mod messages;
mod openai;
mod responses;

use crate::answer::errors::Problem;
use crate::request::Facts;
use crate::script::{Flavour, Script, Surface};
use base64::Engine as _;
use http::Method;
use serde_json::{Map, Value};

/// The result of a check; the provider's words when something is wrong.
type Checked = Result<(), Problem>;

/// Why the provider would not even look at the request.
pub(crate) fn refusal(facts: &Facts, script: &Script) -> Option<Problem> {
    check(facts, script).err()
}

fn check(facts: &Facts, script: &Script) -> Checked {
    keys::check(facts, script)?;
    method(facts)?;
    let bodiless = is_read(facts.surface);
    if bodiless || facts.surface == Surface::Token {
        if facts.surface == Surface::Generation && facts.parameter("id").is_none_or(|id| id.is_empty()) {
            return Err(Problem::bad("id is required"));
        }
        return Ok(());
    }
    let Some(Value::Object(body)) = &facts.json else {
        return Err(Problem::bad(match facts.flavour {
            Flavour::OpenAi | Flavour::Azure => "We could not parse the JSON body of your request.",
            Flavour::Anthropic => "The request body is not valid JSON.",
            Flavour::OpenRouter => "Input must have at least 1 token.",
            Flavour::Google | Flavour::Vertex => "Invalid JSON payload received. Unexpected token.",
            Flavour::Bedrock => "Unexpected end of JSON input",
        }));
    };
    if facts.flavour == Flavour::Azure && facts.parameter("api-version").is_none() {
        return Err(Problem::new(404, "Resource not found"));
    }
    if script.strict { strict(facts, body, script) } else { Ok(()) }
}

/// Whether an operation only reads, and has no body.
fn is_read(surface: Surface) -> bool {
    matches!(surface, Surface::Models | Surface::Key | Surface::Credits | Surface::Generation)
}

fn method(facts: &Facts) -> Checked {
    let read = is_read(facts.surface);
    let wanted = if read { Method::GET } else { Method::POST };
    let (method, path) = (&facts.method, &facts.path);
    if facts.surface == Surface::Other {
        return Err(match facts.flavour {
            Flavour::OpenAi => Problem::new(404, format!("Invalid URL ({method} {path})")),
            _ => Problem::new(404, "Not Found"),
        });
    }
    if *method != wanted {
        let message = format!(
            "Not allowed to {method} on {path}. (HINT: Perhaps you meant to make a {wanted} request?)"
        );
        return Err(Problem::new(405, message));
    }
    Ok(())
}

fn strict(facts: &Facts, body: &Map<String, Value>, script: &Script) -> Checked {
    if facts.flavour == Flavour::Anthropic && facts.speaks_messages() {
        messages::version(facts)?;
    }
    if let Some(listed) = script.models.get(&facts.flavour)
        && !listed.contains(&facts.model)
    {
        return Err(Problem::unknown_model(facts.flavour, &facts.model));
    }
    match facts.surface {
        Surface::ChatCompletions => chat::check(facts, body),
        Surface::Responses => responses::check(facts, body),
        Surface::Messages => messages::check(facts, body),
        Surface::GenerateContent => gemini::check(facts, body),
        Surface::Converse => converse::check(body),
        _ => Ok(()),
    }
}

/// The first member that an object may not have.
fn unknown<'o>(object: &'o Map<String, Value>, known: &[&str]) -> Option<&'o str> {
    object.keys().map(String::as_str).find(|name| !known.contains(name))
}

/// A member's text.
fn word<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// The items of a list, or none.
fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a text is base64 of something.
fn is_base64(text: &str) -> bool {
    !text.is_empty() && base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

/// The same for Google, which takes both alphabets of RFC 4648 and no padding; its clients send the second one.
fn is_any_base64(text: &str) -> bool {
    is_base64(&usual_base64(text))
}

/// Base64 in the first alphabet of RFC 4648, padded.
pub(crate) fn usual_base64(text: &str) -> String {
    let text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    let padding = (4 - text.len() % 4) % 4;
    text + &"=".repeat(padding)
}

/// Letters, digits, `_` and `-`, and not too many of them.
fn is_name(text: &str, longest: usize) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !text.is_empty() && text.len() <= longest && text.chars().all(fits)
}

/// The first object schema that is not closed, by its path.
fn open_object(schema: &Value, path: &str) -> Option<String> {
    match schema {
        Value::Object(members) => {
            let is_object = word(schema, "type") == Some("object") || members.contains_key("properties");
            if is_object && members.get("additionalProperties") != Some(&Value::Bool(false)) {
                return Some(path.to_owned());
            }
            members.iter().find_map(|(name, member)| match name.as_str() {
                "properties" | "$defs" | "definitions" => member
                    .as_object()?
                    .iter()
                    .find_map(|(name, schema)| open_object(schema, &format!("{path}.{name}"))),
                "items" | "anyOf" | "oneOf" | "allOf" => open_object(member, &format!("{path}.{name}")),
                _ => None,
            })
        }
        Value::Array(schemas) => schemas.iter().find_map(|schema| open_object(schema, path)),
        _ => None,
    }
}
