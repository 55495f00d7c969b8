//! The dialects, and whom the examples are translated for.

use std::path::{Path, PathBuf};
use tollgate_dialect::{Surface, Target, Thinking};

/// What there is an example of, a folder each.
pub(crate) const FEATURES: [&str; 7] =
    ["text", "image", "image-url", "tools", "reasoning", "structured", "error"];
/// Those with requests.
pub(crate) const ASKING: [&str; 6] = ["text", "image", "image-url", "tools", "reasoning", "structured"];
/// Those with answers, plain and streamed.
pub(crate) const ANSWERING: [&str; 6] = ["text", "image", "tools", "reasoning", "structured", "error"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Chat,
    Responses,
    Messages,
    Gemini,
    Converse,
}

pub(crate) const DIALECTS: [Dialect; 5] =
    [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Gemini, Dialect::Converse];
/// Those that clients speak.
pub(crate) const CLIENTS: [Dialect; 4] =
    [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Gemini];

impl Dialect {
    /// The name of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
        }
    }

    pub(crate) fn surface(self) -> Surface {
        match self {
            Self::Chat => Surface::ChatCompletions,
            Self::Responses => Surface::Responses,
            Self::Messages => Surface::Messages,
            Self::Gemini => Surface::GenerateContent,
            Self::Converse => Surface::Converse,
        }
    }

    /// The model that is asked: one of those whose API takes everything there is.
    pub(crate) fn target(self) -> Target<'static> {
        let (provider, model, thinking) = match self {
            Self::Chat => ("openai", "gpt-5", Thinking::Effort),
            Self::Responses => ("openai", "gpt-5", Thinking::Effort),
            Self::Messages => ("anthropic", "claude-sonnet-4-5", Thinking::Budget),
            Self::Gemini => ("google", "gemini-2.5-flash", Thinking::Budget),
            Self::Converse => ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", Thinking::Budget),
        };
        Target {
            surface: self.surface(),
            provider,
            model,
            extensions: &[],
            max_output_tokens: Some(64_000),
            thinking,
            strip_state: true,
            completion_tokens: true,
        }
    }

    /// The status of the published error.
    pub(crate) fn error_status(self) -> u16 {
        match self {
            Self::Chat | Self::Gemini | Self::Converse => 429,
            Self::Responses => 401,
            Self::Messages => 404,
        }
    }

    /// The bytes of a published file.
    pub(crate) fn published(self, feature: &str, file: &str) -> Vec<u8> {
        let path = folder("published").join(self.name()).join(feature).join(file);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }
}

/// A folder beside this file.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}
