//! OpenAI's Responses.
//!
//! Written after the API reference (<https://platform.openai.com/docs/api-reference/responses>) and the types and
//! stream helpers of OpenAI's SDKs, which are stricter than the reference about ids and the order of events.

mod content;
mod decoder;
mod encoder;
mod frames;
mod input;
mod object;
mod read_answer;
mod read_request;
mod settings;
#[cfg(test)]
mod tests;
mod tools;
mod write_answer;
mod write_input;
mod write_request;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
pub(super) use read_answer::read_answer;
pub(super) use read_request::read_request;
pub(super) use settings::echo;
pub(super) use write_answer::write_answer;
pub(super) use write_request::write_request;

use super::fields::Fields;
use super::request::{Json, Text};
use std::borrow::Cow;

/// The one argument of a free-text tool where it is written as a function.
const FREE_TEXT: &str = "input";

/// The value of `include` that asks for state a client can keep.
pub(super) const ENCRYPTED: &str = "reasoning.encrypted_content";

/// Names what is left of an object as lost, unless it says nothing.
fn leave(fields: Fields<'_, '_>, lost: &mut Vec<String>) {
    let path = fields.path();
    for (name, value) in fields.rest() {
        let empty = match &value {
            Json::Str(text) => text.is_empty(),
            Json::Array(items) => items.is_empty(),
            Json::Object(members) => members.is_empty(),
            _ => false,
        };
        if !empty {
            lost.push(path.key(&name).to_string());
        }
    }
}

/// Any JSON as its text.
fn json_text(value: &Json<'_>) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The arguments of a function that stands for a free-text tool.
fn free_text_arguments(input: &str) -> Text<'static> {
    let mut arguments = String::with_capacity(input.len() + 16);
    arguments.push_str("{\"input\":");
    arguments.push_str(&serde_json::to_string(input).unwrap_or_default());
    arguments.push('}');
    Cow::Owned(arguments)
}

/// The free text in the arguments of a function that stands for such a tool; what a model wrote instead of arguments
/// is taken for the text itself.
fn free_text(arguments: &str) -> Cow<'_, str> {
    match serde_json::from_str::<Json<'_>>(arguments) {
        Ok(Json::Object(members)) => match members.into_vec().into_iter().find(|(name, _)| name == FREE_TEXT)
        {
            Some((_, Json::Str(text))) => text,
            _ => Cow::Borrowed(arguments),
        },
        _ => Cow::Borrowed(arguments),
    }
}
