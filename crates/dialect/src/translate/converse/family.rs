//! Whose model it is. Converse has one form for all, but what goes beyond that form is each author's own.

use crate::Surface;

/// Authors whose own request fields are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic.
    Claude,
    /// Amazon.
    Nova,
    /// OpenAI's open models.
    OpenAi,
    /// Another author.
    Other,
    /// The name does not tell: an ARN of an inference profile, an imported model.
    Unknown,
}

/// Authors' names in the ids of Bedrock's models, beside those with a family.
const OTHERS: [&str; 12] = [
    "ai21.",
    "amazon.titan",
    "cohere.",
    "deepseek.",
    "google.",
    "meta.",
    "minimax.",
    "mistral.",
    "moonshot",
    "nvidia.",
    "qwen.",
    "writer.",
];

impl Family {
    /// By the id of a model or inference profile, such as `eu.anthropic.claude-sonnet-4-5-20250929-v1:0`.
    pub(super) fn of(model: &str) -> Self {
        let has = |part: &str| model.contains(part);
        if has("anthropic") || has("claude") {
            Self::Claude
        } else if has("amazon.nova") {
            Self::Nova
        } else if has("openai.") {
            Self::OpenAi
        } else if OTHERS.iter().any(|author| has(author)) {
            Self::Other
        } else {
            Self::Unknown
        }
    }

    /// Whether its models may know `cachePoint` (prompt caching is Claude's and Nova's).
    pub(super) fn may_cache(self) -> bool {
        matches!(self, Self::Claude | Self::Nova | Self::Unknown)
    }

    /// Whether schemas of the client's dialect are made fit for Anthropic's grammar, which wants objects closed and has
    /// no limits of values ("Get validated JSON results from models" in the Bedrock user guide). Who speaks Anthropic's
    /// or Bedrock's own dialect has done so.
    pub(super) fn wants_closed_schemas(self, from: Surface) -> bool {
        self == Self::Claude && !matches!(from, Surface::Messages | Surface::Converse)
    }

    /// Whether its models know the `status` of a tool's result.
    pub(super) fn knows_result_status(self) -> bool {
        matches!(self, Self::Claude | Self::Nova | Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_id() {
        for (model, family) in [
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", Family::Claude),
            ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude),
            ("us.amazon.nova-2-lite-v1:0", Family::Nova),
            ("openai.gpt-oss-120b-1:0", Family::OpenAi),
            ("us.meta.llama4-scout-17b-instruct-v1:0", Family::Other),
            ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", Family::Unknown),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }
}
