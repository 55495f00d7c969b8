//! The declaration of an action, and the names the language knows.

use crate::check::Checker;
use crate::config::Config;
use crate::result_var::ResultVar;
use crate::shape::Field;
use std::fmt;

/// When rules run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Once a TCP connection.
    TcpConnect,
    /// Once a request, before anything is sent upstream.
    HttpRequest,
    /// Once a response, before the client gets its head.
    HttpResponse,
    /// Once a message of a streamed response.
    EventStreamMessage,
}

impl Phase {
    /// All of them, in the order they run.
    pub const ALL: &'static [Self] =
        &[Self::TcpConnect, Self::HttpRequest, Self::HttpResponse, Self::EventStreamMessage];

    /// Its key in a policy.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::TcpConnect => "on_tcp_connect",
            Self::HttpRequest => "on_http_request",
            Self::HttpResponse => "on_http_response",
            Self::EventStreamMessage => "on_event_stream_message",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// What an action does to the flow of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Terminating {
    /// It ends the phase: nothing after it runs.
    Always,
    /// It ends the phase when it did what it is for (forwarded, answered, redirected).
    OnSuccess,
    /// It lets a request pass or answers it itself.
    Gate,
    /// The next action runs.
    Never,
}

/// The declaration of an action: what it is called, where it runs, what its `config` holds.
///
/// Checking, JSON Schema and documentation all derive from this one value.
#[derive(Debug)]
pub struct ActionSpec {
    /// `type` in a policy.
    pub name: &'static str,
    /// Its results are `actions.ngrok.<this>`.
    pub result_name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Where it may stand.
    pub phases: &'static [Phase],
    /// What it does to the flow of rules.
    pub terminating: Terminating,
    /// What it leaves in `actions.ngrok.<result_name>`, in the order of the documentation.
    pub results: &'static [ResultVar],
    /// Where it differs from ngrok's action of this name, and why: one sentence of Markdown each.
    pub differences: &'static [&'static str],
    /// The fields of its `config`.
    pub fields: &'static [Field],
    /// Checks beyond shapes. Called only when the shapes are right.
    pub check: Option<fn(&Config<'_>, &mut Checker)>,
    /// A list item that uses it, as YAML: `- type: ...`. Must load.
    pub example: &'static str,
}

impl ActionSpec {
    /// Whether `config` may be left out.
    #[must_use]
    pub fn config_is_optional(&self) -> bool {
        !self.fields.iter().any(|field| field.required)
    }
}

/// Actions of our own, which are also among [`KNOWN_ACTIONS`].
pub const OWN_ACTIONS: &[&str] = &["concurrency-limit"];

/// Every action of the language, supported or not, so that one that is missing here is told from a misspelt one.
pub const KNOWN_ACTIONS: &[&str] = &[
    "add-headers",
    "ai-gateway",
    "basic-auth",
    "circuit-breaker",
    "close-connection",
    "compress-response",
    "concurrency-limit",
    "custom-response",
    "deny",
    "forward-internal",
    "http-request",
    "jwt-validation",
    "log",
    "oauth",
    "openid-connect",
    "owasp-crs-request",
    "owasp-crs-response",
    "rate-limit",
    "redirect",
    "remove-headers",
    "request-body-find-replace",
    "response-body-find-replace",
    "restrict-ips",
    "saml",
    "set-vars",
    "sse-find-replace",
    "terminate-tls",
    "url-rewrite",
    "verify-webhook",
];
