//! Why an attempt failed, and what that says about provider, key and client.

use crate::metrics::SampleOutcome;
use std::borrow::Cow;

/// Why an attempt, or a whole candidate before its first attempt, failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The provider's host name could not be resolved.
    Dns,
    /// The host has only addresses that may not be connected to.
    Address,
    /// The connection was refused or the network unreachable.
    Connect,
    /// This machine has no file descriptor, or no memory, for a connection: nothing of the provider's.
    OutOfFiles,
    /// The TLS handshake failed.
    Tls,
    /// The connection was not there in time.
    ConnectTimeout,
    /// No response head came in time.
    HeadTimeout,
    /// A head came, but no content in time.
    ContentTimeout,
    /// Content stopped coming.
    IdleTimeout,
    /// The attempt as a whole took too long.
    AttemptTimeout,
    /// The provider closed or reset the connection.
    Closed,
    /// The answer is not what its head promises: broken HTTP, a 200 that is not JSON.
    BadAnswer,
    /// An error inside a 200 answer, with the status its error object names, if it does.
    StreamError {
        /// Status named by the error object.
        status: Option<u16>,
    },
    /// An HTTP status other than 2xx and 3xx.
    Status(u16),
    /// There is no key for the provider, neither configured nor from the client.
    NoKey,
    /// The client's key belongs to another provider and was not sent.
    ForeignKey,
    /// The client sent a key of the gateway itself, which no provider may see.
    GatewayKey,
    /// Key strategies gave nothing; the text says why.
    KeySelection(Box<str>),
    /// A key in a form its provider has no use for, such as half of an AWS key pair, or an account that gets no token.
    UnusableKey {
        /// What is wrong with it, without anything of the key.
        why: Box<str>,
        /// It is the gateway's; otherwise the client sent it.
        configured: bool,
    },
    /// The prompt is larger than the policy allows.
    InputTooLarge {
        /// Estimated tokens of the prompt.
        tokens: u64,
        /// The limit.
        max: u64,
    },
    /// The request is not of its own dialect, so it cannot be translated: the client is to blame.
    Unreadable {
        /// What is wrong, with the field's name.
        why: Box<str>,
        /// The field, such as `messages[0].content`.
        field: Option<Box<str>>,
    },
    /// The candidate has no way to be told what the request says.
    Untranslatable(Box<str>),
    /// The request carries state of another provider.
    BoundState(Box<str>),
    /// The candidate's kind was refused for the key earlier in this request: OpenRouter's daily cap holds for every
    /// free model of an account.
    CappedBefore,
    /// Every key left for this candidate was refused by its provider earlier in this request.
    KeyRefusedBefore,
    /// The provider could not be reached earlier in this request.
    UnreachableBefore,
}

/// What a finished attempt says about the health of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeClass {
    /// It worked.
    Success,
    /// The client's or the policy's doing: says nothing about the provider.
    Neutral,
    /// The key is not accepted.
    Key,
    /// The key, or what is paid for it, is used up for now: cools the key, neutral to the provider's health.
    Quota,
    /// The provider is in trouble, perhaps for a moment.
    Transient,
    /// The provider cannot be reached at all.
    Hard,
}

impl Fault {
    /// The status the client would see for this fault, when there is one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(*status),
            Self::StreamError { status } => *status,
            _ => None,
        }
    }

    /// Whether nothing was sent to a provider: such a fault is no attempt.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(
            self,
            Self::OutOfFiles
                | Self::NoKey
                | Self::ForeignKey
                | Self::GatewayKey
                | Self::KeySelection(_)
                | Self::UnusableKey { .. }
                | Self::InputTooLarge { .. }
                | Self::Unreadable { .. }
                | Self::Untranslatable(_)
                | Self::BoundState(_)
                | Self::CappedBefore
                | Self::KeyRefusedBefore
                | Self::UnreachableBefore
        )
    }

    /// Whether one of the gateway's clocks ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout
                | Self::HeadTimeout
                | Self::ContentTimeout
                | Self::IdleTimeout
                | Self::AttemptTimeout
        )
    }

    /// Whether the provider was never reached.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Dns | Self::Connect | Self::Tls | Self::ConnectTimeout)
    }

    /// What is in the brackets of a line of the error list: a status, `timeout`, or `0`.
    #[must_use]
    pub fn label(&self) -> Cow<'static, str> {
        match self.status() {
            Some(status) => status.to_string().into(),
            None if self.is_timeout() => "timeout".into(),
            None => "0".into(),
        }
    }

    /// A word for the fault, for logs and traces: one of a fixed list.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Address => "address",
            Self::Connect => "connect",
            Self::OutOfFiles => "out_of_files",
            Self::Tls => "tls",
            Self::ConnectTimeout => "connect_timeout",
            Self::HeadTimeout => "head_timeout",
            Self::ContentTimeout => "content_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::AttemptTimeout => "attempt_timeout",
            Self::Closed => "closed",
            Self::BadAnswer => "bad_answer",
            Self::StreamError { .. } => "stream_error",
            Self::Status(_) => "status",
            Self::NoKey => "no_key",
            Self::ForeignKey => "foreign_key",
            Self::GatewayKey => "gateway_key",
            Self::KeySelection(_) => "key_selection",
            Self::UnusableKey { .. } => "unusable_key",
            Self::InputTooLarge { .. } => "input_too_large",
            Self::Unreadable { .. } => "unreadable",
            Self::Untranslatable(_) => "untranslatable",
            Self::BoundState(_) => "bound_state",
            Self::CappedBefore => "capped_before",
            Self::KeyRefusedBefore => "key_refused_before",
            Self::UnreachableBefore => "unreachable_before",
        }
    }

    /// The fault for the operator: says also what clients are not told of the gateway's own keys. Holds no key.
    #[must_use]
    pub fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::UnusableKey { why, configured: true } => format!("{}: {why}", self.describe()).into(),
            _ => self.describe(),
        }
    }

    /// The fault for people. Holds no body, no key and no address.
    #[must_use]
    pub fn describe(&self) -> Cow<'static, str> {
        match self {
            Self::Dns => "the provider's host name could not be resolved".into(),
            Self::Address => "the host's address is not one that may be connected to".into(),
            Self::Connect => "the provider refused the connection or is unreachable".into(),
            Self::OutOfFiles => "the gateway has no file descriptor left for a connection".into(),
            Self::Tls => "the TLS handshake with the provider failed".into(),
            Self::ConnectTimeout => "no connection in time".into(),
            Self::HeadTimeout => "no response in time".into(),
            Self::ContentTimeout => "no content in time".into(),
            Self::IdleTimeout => "the response stalled".into(),
            Self::AttemptTimeout => "the attempt took too long".into(),
            Self::Closed => "the provider closed the connection".into(),
            Self::BadAnswer => "the provider's response is malformed".into(),
            Self::StreamError { status: Some(status) } => {
                format!("error in the response: {}", phrase(*status)).into()
            }
            Self::StreamError { status: None } => "error in the response".into(),
            Self::Status(status) => phrase(*status),
            Self::NoKey => "no API key for this provider".into(),
            Self::ForeignKey => "the client's API key belongs to another provider".into(),
            Self::GatewayKey => "the client's API key is no key of a provider".into(),
            Self::KeySelection(why) => format!("API key selection failed: {why}").into(),
            Self::UnusableKey { configured: true, .. } => {
                "the gateway's API key for this provider cannot be used".into()
            }
            Self::UnusableKey { why, configured: false } => {
                format!("the client's API key cannot be used: {why}").into()
            }
            Self::InputTooLarge { tokens, max } => {
                format!("input too large: {tokens} tokens (max {max})").into()
            }
            Self::Unreadable { why, .. } => format!("cannot be translated: {why}").into(),
            Self::Untranslatable(why) => format!("cannot be translated: {why}").into(),
            Self::BoundState(why) => why.to_string().into(),
            Self::CappedBefore => "the account's free requests were used up earlier in this request".into(),
            Self::KeyRefusedBefore => "every key was refused earlier in this request".into(),
            Self::UnreachableBefore => "the provider was unreachable earlier in this request".into(),
        }
    }

    /// What the fault says about the health of its target.
    #[must_use]
    pub fn class(&self) -> OutcomeClass {
        match self {
            Self::Status(status) | Self::StreamError { status: Some(status) } => {
                match class_of_status(*status) {
                    OutcomeClass::Success => OutcomeClass::Transient,
                    class => class,
                }
            }
            Self::Dns | Self::Connect | Self::Tls => OutcomeClass::Hard,
            Self::ConnectTimeout
            | Self::HeadTimeout
            | Self::ContentTimeout
            | Self::IdleTimeout
            | Self::AttemptTimeout
            | Self::Closed
            | Self::BadAnswer
            | Self::StreamError { status: None } => OutcomeClass::Transient,
            Self::UnusableKey { .. } => OutcomeClass::Key,
            _ => OutcomeClass::Neutral,
        }
    }

    /// How the attempt counts in the metrics; `None` when it was none.
    #[must_use]
    pub fn sample_outcome(&self) -> Option<SampleOutcome> {
        if self.is_local() {
            return None;
        }
        Some(match self.status() {
            Some(status) => match SampleOutcome::of_status(status) {
                SampleOutcome::Success => SampleOutcome::Other,
                outcome => outcome,
            },
            None if self.is_timeout() => SampleOutcome::Timeout,
            None => SampleOutcome::Other,
        })
    }
}

/// The class of an HTTP status.
#[must_use]
pub fn class_of_status(status: u16) -> OutcomeClass {
    match status {
        200..=399 => OutcomeClass::Success,
        401 | 403 => OutcomeClass::Key,
        402 | 429 => OutcomeClass::Quota,
        408 | 409 | 425 => OutcomeClass::Transient,
        400..=499 => OutcomeClass::Neutral,
        _ => OutcomeClass::Transient,
    }
}

/// `429 Too Many Requests`; just the number when it has no name.
fn phrase(status: u16) -> Cow<'static, str> {
    let name = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        425 => "Too Early",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Overloaded",
        _ => return status.to_string().into(),
    };
    format!("{status} {name}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_faults_say() {
        use {OutcomeClass as C, SampleOutcome as S};
        let table = [
            (Fault::Dns, C::Hard, Some(S::Other), "0"),
            (Fault::Connect, C::Hard, Some(S::Other), "0"),
            (Fault::OutOfFiles, C::Neutral, None, "0"),
            (Fault::Tls, C::Hard, Some(S::Other), "0"),
            (Fault::ConnectTimeout, C::Transient, Some(S::Timeout), "timeout"),
            (Fault::ContentTimeout, C::Transient, Some(S::Timeout), "timeout"),
            (Fault::Closed, C::Transient, Some(S::Other), "0"),
            (Fault::BadAnswer, C::Transient, Some(S::Other), "0"),
            (Fault::StreamError { status: Some(429) }, C::Quota, Some(S::RateLimit), "429"),
            (Fault::StreamError { status: Some(200) }, C::Transient, Some(S::Other), "200"),
            (Fault::StreamError { status: None }, C::Transient, Some(S::Other), "0"),
            (Fault::Status(400), C::Neutral, Some(S::Client), "400"),
            (Fault::Status(401), C::Key, Some(S::Client), "401"),
            (Fault::Status(402), C::Quota, Some(S::Client), "402"),
            (Fault::Status(404), C::Neutral, Some(S::Client), "404"),
            (Fault::Status(429), C::Quota, Some(S::RateLimit), "429"),
            (Fault::Status(500), C::Transient, Some(S::Server), "500"),
            (Fault::NoKey, C::Neutral, None, "0"),
            (Fault::InputTooLarge { tokens: 2, max: 1 }, C::Neutral, None, "0"),
            (Fault::UnusableKey { why: "w".into(), configured: true }, C::Key, None, "0"),
        ];
        for (fault, class, outcome, label) in table {
            assert_eq!(fault.class(), class, "{fault:?}");
            assert_eq!(fault.sample_outcome(), outcome, "{fault:?}");
            assert_eq!(fault.label(), label, "{fault:?}");
            assert!(!fault.describe().is_empty());
            assert!(fault.kind().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{fault:?}");
        }
        let bad = |configured| Fault::UnusableKey { why: "the reason".into(), configured };
        assert!(!bad(true).describe().contains("the reason"), "the client has no business with it");
        assert!(bad(true).detail().contains("the reason") && bad(false).describe().contains("the reason"));
        assert_eq!(Fault::Status(429).describe(), "429 Too Many Requests");
        assert_eq!(Fault::Status(599).describe(), "599");
    }

    #[test]
    fn the_documentation_has_every_word() {
        let documentation = include_str!("../../../docs/observability.md");
        let all = [
            Fault::Dns,
            Fault::Address,
            Fault::Connect,
            Fault::OutOfFiles,
            Fault::Tls,
            Fault::ConnectTimeout,
            Fault::HeadTimeout,
            Fault::ContentTimeout,
            Fault::IdleTimeout,
            Fault::AttemptTimeout,
            Fault::Closed,
            Fault::BadAnswer,
            Fault::StreamError { status: None },
            Fault::Status(500),
            Fault::NoKey,
            Fault::ForeignKey,
            Fault::GatewayKey,
            Fault::KeySelection("".into()),
            Fault::UnusableKey { why: "".into(), configured: true },
            Fault::InputTooLarge { tokens: 2, max: 1 },
            Fault::Unreadable { why: "".into(), field: None },
            Fault::Untranslatable("".into()),
            Fault::BoundState("".into()),
            Fault::CappedBefore,
            Fault::KeyRefusedBefore,
            Fault::UnreachableBefore,
        ];
        for fault in &all {
            assert!(documentation.contains(&format!("`{}`", fault.kind())), "{}", fault.kind());
        }
        let words: std::collections::HashSet<&str> = all.iter().map(Fault::kind).collect();
        assert_eq!(words.len(), all.len(), "each has a word of its own");
    }
}
