//! Gemini's `generateContent` and `streamGenerateContent` (v1beta).
//!
//! Sources: ai.google.dev/api/generate-content, ai.google.dev/gemini-api/docs, and the types of the google-genai SDKs.

mod base64;
mod decoder;
mod encoder;
mod finish;
mod media;
mod parts;
mod read_answer;
mod read_request;
mod schema;
mod signature;
#[cfg(test)]
mod tests;
mod thinking;
mod turns;
mod usage;
mod vocabulary;
mod write_answer;
mod write_parts;
mod write_request;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
pub(super) use read_answer::read_answer;
pub(super) use read_request::read_request;
pub(super) use signature::found as found_signature;
pub(super) use write_answer::write_answer;
pub(super) use write_request::write_request;

use super::fields::Fields;

/// The spelling of a member that is there: Google takes camel case and snake case, and its Python SDK mixes them.
fn either(fields: &Fields<'_, '_>, camel: &'static str, snake: &'static str) -> &'static str {
    if fields.has(snake) && !fields.has(camel) { snake } else { camel }
}
