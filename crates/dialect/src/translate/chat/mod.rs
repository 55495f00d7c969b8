//! Chat completions: OpenAI's, and what servers compatible with it add on the wire.
//!
//! Sources: `platform.openai.com/docs/api-reference/chat`, `openrouter.ai/docs/api-reference`,
//! `api-docs.deepseek.com`, `console.groq.com/docs`, `docs.mistral.ai/api`,
//! `ai.google.dev/gemini-api/docs/openai`.

mod chunk;
mod decoder;
mod details;
mod encoder;
mod media;
mod read_answer;
mod read_messages;
mod read_request;
mod read_tools;
mod stop;
#[cfg(test)]
mod tests;
mod usage;
mod write_answer;
mod write_assistant;
mod write_messages;
mod write_request;
mod write_tools;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
pub(super) use read_answer::read_answer;
pub(super) use read_request::read_request;
pub(super) use write_answer::write_answer;
pub(super) use write_request::write_request;

use super::fields::{Fields, Path};
use super::lost::lose;
use super::request::Json;

/// Names what is left of an object, unless nothing is in it.
fn leftovers(fields: Fields<'_, '_>, lost: &mut Vec<String>) {
    let path = fields.path();
    for (name, value) in fields.rest() {
        if !is_empty(&value) {
            lose(lost, path.key(&name).to_string());
        }
    }
}

/// Whether a value says nothing.
fn is_empty(value: &Json<'_>) -> bool {
    match value {
        Json::Null => true,
        Json::Str(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}

/// `messages[2].content`, for texts.
fn below(path: &Path<'_>, name: &str) -> String {
    path.key(name).to_string()
}
