//! What one line says.

use crate::attempts::AttemptNotes;
use serde_json::value::RawValue;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

/// How a request ended, seen from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered in full, by a provider, an upstream or a rule.
    #[default]
    Success,
    /// A rule refused it: authorisation, address, rate or size limit.
    Refused,
    /// The request itself was wrong: body, model name, method.
    Invalid,
    /// Every candidate was tried and failed.
    Exhausted,
    /// The total time was used up.
    Timeout,
    /// The client left before the end.
    ClientGone,
    /// The upstream broke off after the answer had begun.
    Interrupted,
    /// A fault of policy, secrets or gateway.
    Internal,
}

impl Outcome {
    /// The word in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Exhausted => "exhausted",
            Self::Timeout => "timeout",
            Self::ClientGone => "client_gone",
            Self::Interrupted => "interrupted",
            Self::Internal => "internal",
        }
    }
}

/// One finished request, borrowed from the request's own state.
///
/// `None` fields are left out of the line: absent is not null, and not zero. Strings a client controls are cut
/// at 2 KiB.
#[derive(Clone, Debug)]
pub struct AccessRecord<'a> {
    /// When the request's head had been read.
    pub time: SystemTime,
    /// The same by the clock that attempts are timed by.
    pub started: Instant,
    /// The trace of the request, if it is exported.
    pub trace_id: Option<&'a str>,
    /// Our id of the request, not the caller's.
    pub request_id: &'a str,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
    /// `GET`, `POST`, ...
    pub method: &'a str,
    /// Path without the query.
    pub path: &'a str,
    /// Query without the `?`. Values of parameters that usually hold credentials are masked.
    pub query: Option<&'a str>,
    /// Status sent to the client; `None` when the connection ended before one was.
    pub status: Option<u16>,
    /// The name the client asked for.
    pub model_asked: Option<&'a str>,
    /// The name sent upstream for the answer that was used.
    pub model_served: Option<&'a str>,
    /// The provider that answered, or was tried last.
    pub provider: Option<&'a str>,
    /// The model the answer names, where it is not `model_served`.
    pub model_reported: Option<&'a str>,
    /// The provider behind `provider` that the answer names.
    pub provider_reported: Option<&'a str>,
    /// What the provider calls the last attempt.
    pub upstream_request_id: Option<&'a str>,
    /// Requests sent upstream.
    pub attempts: u32,
    /// What was sent and what was passed over.
    pub tried: &'a AttemptNotes,
    /// The client asked for a stream.
    pub stream: bool,
    /// Tokens of the prompt, as reported or estimated.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer, as reported or estimated.
    pub output_tokens: Option<u64>,
    /// What it cost, in millionths of a US dollar, when known.
    pub cost_micro_usd: Option<u64>,
    /// Who says so: `reported` by the provider, or `computed`.
    pub cost_source: Option<&'a str>,
    /// The parts of the answer's cost by the price book, in the order of [`crate::COST_PARTS`].
    pub cost_parts: Option<[u64; crate::COST_PARTS.len()]>,
    /// With one's own key at the provider behind OpenRouter: what that one charged, in millionths of a US dollar.
    pub upstream_cost_micro_usd: Option<u64>,
    /// From `time` to the last byte to the client.
    pub duration: Duration,
    /// From `time` to the first content to the client.
    pub first_token: Option<Duration>,
    /// Body bytes read from the client.
    pub bytes_in: u64,
    /// Body bytes written to the client.
    pub bytes_out: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// `ERR_NGROK_3807`, ... for answers the gateway made.
    pub error_code: Option<&'a str>,
    /// Revision of the policy that served it.
    pub policy_revision: &'a str,
    /// What was left out of request and answer, between commas.
    pub dropped: Option<&'a str>,
    /// What the policy's `log` actions recorded: one `metadata` object each, in order.
    pub logs: &'a [Box<RawValue>],
}

/// A connection that ended: one that was passed on, or where rules of `on_tcp_connect` had something to say of it.
#[derive(Clone, Debug)]
pub struct ConnectionRecord<'a> {
    /// When it was accepted.
    pub time: SystemTime,
    /// The client's address.
    pub client_ip: IpAddr,
    /// How long it was open.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Why there was no TLS handshake.
    pub handshake: Option<&'a str>,
    /// What went through, where a connection was passed on to another server.
    pub passed: Option<PassedBytes<'a>>,
    /// Entries of `log` actions.
    pub logs: &'a [Box<RawValue>],
}

/// What went through a connection.
#[derive(Clone, Copy, Debug)]
pub struct PassedBytes<'a> {
    /// The server behind it, `host:port`.
    pub upstream: &'a str,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
}
