//! Google's published examples, read and written; expected values are from the documentation, not from our output.

mod answers;
mod requests;
mod round_trip;
mod streams;
mod writing;

use super::super::{AnswerContext, Target, Thinking};
use crate::Surface;
use serde_json::Value;

/// A body as a value, for comparing.
fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(body)))
}

fn target(model: &str) -> Target<'_> {
    Target {
        surface: Surface::GenerateContent,
        provider: "google",
        model,
        extensions: &[],
        max_output_tokens: None,
        thinking: Thinking::Usual,
        strip_state: false,
        completion_tokens: false,
    }
}

const CONTEXT: AnswerContext<'static> = AnswerContext {
    surface: Surface::GenerateContent,
    provider: "anthropic",
    model: "claude-sonnet-4-5",
    id: "tg-1",
    now: 1_767_225_600,
    include_usage: false,
};
