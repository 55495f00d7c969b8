//! One finished attempt, as the metrics see it.

/// How an attempt ended, in the classes that `error_rate.*` distinguishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SampleOutcome {
    /// 2xx or 3xx.
    #[default]
    Success,
    /// One of the gateway's clocks ran out.
    Timeout,
    /// 429.
    RateLimit,
    /// 4xx except 429.
    Client,
    /// 5xx.
    Server,
    /// Anything else that is not a success: refused, reset, malformed.
    Other,
    /// It was given up because another attempt of the request answered first. Nobody knows how it would have ended: only
    /// that it would have taken longer than it did counts, among the times until the first content.
    Outlasted,
}

impl SampleOutcome {
    /// The class of an HTTP status.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=399 => Self::Success,
            429 => Self::RateLimit,
            400..=499 => Self::Client,
            500..=599 => Self::Server,
            _ => Self::Other,
        }
    }
}

/// One finished attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When it ended, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How it ended.
    pub outcome: SampleOutcome,
    /// Time until the whole answer was there, in milliseconds.
    pub upstream_ms: u32,
    /// Time the gateway itself took, in milliseconds, without waiting for the provider.
    pub gateway_ms: u32,
    /// Time until the first content of a stream, in milliseconds; `None` when it was no stream.
    pub first_token_ms: Option<u32>,
    /// Mean time between output tokens of a stream, in milliseconds; `None` when it was no stream.
    pub per_token_ms: Option<u32>,
    /// Prompt tokens the provider reported.
    pub input_tokens: u64,
    /// Output tokens the provider reported.
    pub output_tokens: u64,
    /// Prompt tokens the gateway estimated.
    pub estimated_input_tokens: u64,
    /// Output tokens the gateway estimated.
    pub estimated_output_tokens: u64,
}

impl Sample {
    /// Whether its answer was a stream.
    pub(super) fn streamed(&self) -> bool {
        self.first_token_ms.is_some()
    }
}
