//! Which API a path belongs to.

use serde::{Deserialize, Serialize};

/// The family of wire formats a client or provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// OpenAI's API and everything compatible with it.
    OpenAi,
    /// Anthropic's Messages API.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// The Converse API of Amazon Bedrock. Providers speak it, clients do not.
    Bedrock,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::OpenAi, Self::Anthropic, Self::Gemini, Self::Bedrock];

    /// The name used in policies and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
        }
    }
}

/// One operation of an AI API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`
    GenerateContent,
    /// `POST /model/{model}/converse` and `/converse-stream`; spoken by providers only.
    Converse,
}

impl Surface {
    /// Every surface, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::ChatCompletions,
        Self::Responses,
        Self::Completions,
        Self::Embeddings,
        Self::Messages,
        Self::CountTokens,
        Self::GenerateContent,
        Self::Converse,
    ];

    /// The operations that answer a conversation, and can be translated into each other.
    pub const CONVERSATIONS: [Self; 5] =
        [Self::ChatCompletions, Self::Responses, Self::Messages, Self::GenerateContent, Self::Converse];

    /// Whether it is one of [`Surface::CONVERSATIONS`].
    #[must_use]
    pub fn is_conversation(self) -> bool {
        Self::CONVERSATIONS.contains(&self)
    }

    /// The format its requests and errors have.
    #[must_use]
    pub fn format(self) -> Format {
        match self {
            Self::Messages | Self::CountTokens => Format::Anthropic,
            Self::GenerateContent => Format::Gemini,
            Self::Converse => Format::Bedrock,
            _ => Format::OpenAi,
        }
    }

    /// The path below `/v1` (`/v1beta` for Gemini). `{model}` stands for the model's name where it is part of the
    /// path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Responses => "/responses",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
            Self::GenerateContent => "/models/{model}:generateContent",
            Self::Converse => "/model/{model}/converse",
        }
    }

    /// The path of the streamed form, and what its query needs: where streams have a path of their own, the body does
    /// not say `stream`.
    #[must_use]
    pub fn stream_path(self) -> &'static str {
        match self {
            Self::GenerateContent => "/models/{model}:streamGenerateContent?alt=sse",
            Self::Converse => "/model/{model}/converse-stream",
            other => other.path(),
        }
    }

    /// The name used in policies (`chat-completions`, ...).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat-completions",
            Self::Responses => "responses",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Messages => "messages",
            Self::CountTokens => "count-tokens",
            Self::GenerateContent => "generate-content",
            Self::Converse => "converse",
        }
    }
}
