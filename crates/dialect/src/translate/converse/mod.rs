//! Amazon Bedrock's Converse. Providers speak it; clients do not, so there is no encoder of streams.
//!
//! After the API reference of Amazon Bedrock Runtime (`Converse`, `ConverseStream`). The model and whether the answer
//! is streamed stand in the path.

mod blocks;
mod decoder;
mod family;
mod formats;
mod names;
mod plan;
mod read_answer;
mod read_request;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;
mod write_answer;
mod write_blocks;
mod write_request;

pub(super) use decoder::Decoder;
pub(super) use read_answer::read_answer;
pub(super) use read_request::read_request;
pub(super) use write_answer::write_answer;
pub(super) use write_request::write_request;
