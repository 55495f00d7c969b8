//! Where an expression stands, and so what it can see.

/// Which variables and functions exist where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Rules and fields of `on_tcp_connect`: `conn` (of TLS what the client's hello says: the server's name, the
    /// fingerprint), `endpoint`, `time`, `vars`, `actions`.
    Connect,
    /// The same behind an action `terminate-tls`: also the rest of `conn.tls`.
    Terminated,
    /// Those of `on_http_request`: also `req`, and all of `conn`.
    Request,
    /// Those of `on_http_response`: also `res`.
    Response,
    /// Those of `on_event_stream_message`: as [`Self::Response`].
    Event,
    /// Strategies of `model_selection`: those of a request, and `ai` with models, providers, authors, request.
    ModelStrategy,
    /// Strategies of `api_key_selection`: those of a request, and `ai` with keys, request.
    KeyStrategy,
    /// `retry_condition` of `http-request`: those of a request, `attempts` and `last_attempt`.
    Retry,
    /// The same in `on_http_response`: also `res`.
    ResponseRetry,
}

impl Scope {
    /// The phase whose variables exist.
    pub(crate) fn phase(self) -> Phases {
        match self {
            Self::Connect => Phases::CONNECT,
            Self::Terminated => Phases::TERMINATED,
            Self::Request | Self::ModelStrategy | Self::KeyStrategy | Self::Retry => Phases::REQUEST,
            Self::Response | Self::ResponseRetry => Phases::RESPONSE,
            Self::Event => Phases::EVENT,
        }
    }
}

/// A set of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phases(u8);

impl Phases {
    pub(crate) const CONNECT: Self = Self(1);
    pub(crate) const REQUEST: Self = Self(2);
    pub(crate) const RESPONSE: Self = Self(4);
    pub(crate) const EVENT: Self = Self(8);
    /// The part of [`Self::CONNECT`] behind `terminate-tls`.
    pub(crate) const TERMINATED: Self = Self(16);
    /// Every phase.
    pub(crate) const ALL: Self = Self(31);
    /// Those in which a TLS handshake is over.
    pub(crate) const SHAKEN: Self = Self(30);
    /// Those with a request.
    pub(crate) const HTTP: Self = Self(14);
    /// Those with a response.
    pub(crate) const ANSWER: Self = Self(12);

    /// Whether all of `other` is in the set.
    pub(crate) fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The phases in both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn each(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let terminated = if self.holds(Self::CONNECT) { Self(0xff) } else { Self::TERMINATED };
        let all = [
            (Self::CONNECT, "on_tcp_connect", "T"),
            (terminated, "on_tcp_connect` behind `terminate-tls", "t"),
            (Self::REQUEST, "on_http_request", "Q"),
            (Self::RESPONSE, "on_http_response", "S"),
            (Self::EVENT, "on_event_stream_message", "E"),
        ];
        all.into_iter().filter(move |(phase, ..)| self.holds(*phase)).map(|(_, name, letter)| (name, letter))
    }

    /// The keys of the phases, for messages: "`a`, `b` and `c`".
    pub(crate) fn names(self) -> String {
        let names: Vec<String> = self.each().map(|(name, _)| format!("`{name}`")).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => names.concat(),
        }
    }

    /// One letter a phase, for tables.
    pub(crate) fn letters(self) -> String {
        self.each().map(|(_, letter)| letter).collect::<Vec<_>>().join(" ")
    }
}
