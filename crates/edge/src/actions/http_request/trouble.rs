//! Why a request of `http-request` failed.

use http::StatusCode;
use tollgate_select::Fault;

/// Why there is no answer to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The body is longer than the limit.
    TooLarge,
    /// The time for the whole action is over.
    Timeout,
    /// The request has come from here too often.
    Loop,
    /// More redirects than allowed.
    Redirects(u32),
    /// A redirect to what is no URL.
    Location,
    /// The host is computed, or one that a redirect named, and not in the operator's list.
    Unlisted(Box<str>),
    /// The host's addresses may not be called.
    Address,
    /// The name is unknown.
    Dns,
    /// Nobody listens.
    Connect,
    /// No TLS.
    Tls,
    /// The connection broke.
    Closed,
    /// No HTTP, or a broken body.
    BadAnswer,
    /// A compression that was not asked for.
    Encoding(Box<str>),
}

impl Trouble {
    /// What the way to the server reports.
    pub(super) fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Address => Self::Address,
            Fault::Dns => Self::Dns,
            Fault::Connect => Self::Connect,
            Fault::Tls => Self::Tls,
            fault if fault.is_timeout() => Self::Timeout,
            Fault::BadAnswer => Self::BadAnswer,
            _ => Self::Closed,
        }
    }

    /// The number of its published code.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::TooLarge => 3601,
            Self::Timeout => 3602,
            Self::Loop => 3603,
            Self::Redirects(_) => 3214,
            Self::Location | Self::BadAnswer | Self::Encoding(_) => 3004,
            Self::Connect => 3006,
            Self::Unlisted(_) | Self::Address | Self::Dns | Self::Tls | Self::Closed => 3007,
        }
    }

    /// The status of the answer when the action halts.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Loop => StatusCode::LOOP_DETECTED,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// For people. Holds nothing of the request but a host.
    pub(super) fn message(&self) -> String {
        match self {
            Self::TooLarge => "the answer is longer than 256 KB".into(),
            Self::Timeout => "there was no answer in time".into(),
            Self::Loop => "the request has come back here three times".into(),
            Self::Redirects(most) => format!("the answer redirects more than {most} times"),
            Self::Location => "the answer redirects to what is no http URL".into(),
            Self::Unlisted(host) => format!(
                "the host `{host}` does not stand in the policy and is not in `http_request_targets` of the configuration file"
            ),
            Self::Address => "the host's addresses may not be called: they are of this machine, of a link-local network or \
                              of a metadata service, or not in `http_request_targets` of the configuration file"
                .into(),
            Self::Dns => "the host's name could not be resolved".into(),
            Self::Connect => "the server refused the connection or is unreachable".into(),
            Self::Tls => "the TLS handshake failed".into(),
            Self::Closed => "the server closed the connection".into(),
            Self::BadAnswer => "the answer is malformed".into(),
            Self::Encoding(encoding) => format!("the answer is compressed in a way nobody asked for: {encoding}"),
        }
    }
}
