//! Anthropic's Messages.
//!
//! The wire format is that of the official SDKs' types (`anthropic.types` in Python) and of
//! <https://platform.claude.com/docs/en/api/messages>.

mod arrange;
mod blocks;
mod calls;
mod decoder;
mod encoder;
mod ends;
mod media;
mod names;
mod read_answer;
mod read_blocks;
mod read_media;
mod read_request;
pub(super) mod schema;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;
mod write_answer;
mod write_request;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
pub(super) use read_answer::read_answer;
pub(super) use read_request::read_request;
pub(super) use write_answer::write_answer;
pub(super) use write_request::write_request;
