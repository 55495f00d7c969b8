//! One request on its way through the phases: what rules read and what actions change.

use crate::levels::Enclosing;
use crate::load::KeyPlace;
use crate::watch::Watches;
use bytes::Bytes;
use std::sync::Arc;
use std::time::SystemTime;
use tollgate_dialect::ServedBy;
use tollgate_expr::{
    Activation, ConnectionFacts, EndpointFacts, Map, RequestFacts, ResponseFacts, SecretSource, Value,
};
use tollgate_policy::JsonTemplate;

/// The state of one request. Typed, one struct, dropped with the request.
pub struct Exchange {
    /// The request as the rules so far have left it.
    pub request: RequestFacts,
    /// The connection it came on.
    pub connection: Arc<ConnectionFacts>,
    /// The listener it came to.
    pub endpoint: Arc<EndpointFacts>,
    /// Where `secrets.get` looks.
    pub secrets: Arc<dyn SecretSource + Send + Sync>,
    /// The time every expression of this request sees.
    pub now: SystemTime,
    /// `vars.*` of the phase that runs; emptied when a phase begins.
    pub vars: Map,
    /// What follows `actions.ngrok.`; outlives the phases.
    pub results: Map,
    /// Whether anything in the policy reads `actions.*`; if not, results are not recorded.
    pub wants_results: bool,
    /// Entries of the `log` action.
    pub logs: Vec<Value>,
    /// `log` entries that are computed once more when the answer has ended, because only then its tokens are known.
    /// `None` while nothing is being relayed.
    pub late_logs: Option<Vec<LateLog>>,
    /// The body, once some action needed it.
    pub body: Option<Bytes>,
    /// What the access log and metrics say of this request.
    pub record: Record,
    /// The provider whose own list of models would have been of use.
    pub list_wanted: Option<Arc<tollgate_catalog::Provider>>,
    /// The cookies of a login that came with the request; no rule sees them.
    pub login_cookies: Vec<(String, String)>,
    /// Cookies for the client, whoever answers.
    pub cookies: Vec<http::HeaderValue>,
    /// Answers that ended before they had said what they cost.
    pub unsettled: Vec<crate::late_costs::Unsettled>,
    /// Who waits for what the upstream says to this request.
    pub watches: Watches,
    /// Places of `concurrency-limit` that it has until it is dropped.
    pub places: Vec<KeyPlace>,
    /// The endpoints that have sent the request on, from the one the client has called.
    pub enclosing: Vec<Enclosing>,
    /// Which of them is at work; `None`: the one that the request has come to in the end.
    pub present: Option<usize>,
    /// What the gateway notes down while the request is explained; `None` when it is served.
    pub trace: Option<Box<crate::explain::Trace>>,
}

/// A `log` entry made before the body of an answer was relayed.
pub struct LateLog {
    /// Its place in [`Exchange::logs`].
    pub index: usize,
    /// What it is computed from.
    pub metadata: JsonTemplate,
    /// The response as the rule saw it.
    pub response: ResponseFacts,
    /// The endpoint whose rule it was, as in [`Exchange::present`].
    pub level: Option<usize>,
}

/// The outcome of a request, gathered on the way, written once.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The model names the client sent, as `a` or `a,b`.
    pub model_asked: Option<String>,
    /// The option that chose the model instead of the client: `force-model`, `static-route`.
    pub overridden: Option<&'static str>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// The model that answered, as the provider calls it.
    pub model_served: Option<String>,
    /// Attempts made.
    pub attempts: u32,
    /// What was sent and what was passed over.
    pub tried: tollgate_observe::AttemptNotes,
    /// Whether the answer is a stream of events.
    pub stream: bool,
    /// Prompt tokens as the provider counted them.
    pub input_tokens: u64,
    /// Answer tokens as the provider counted them.
    pub output_tokens: u64,
    /// Of these, tokens of reasoning.
    pub reasoning_tokens: u64,
    /// From the request's head to the first content.
    pub first_token_ms: Option<u64>,
    /// Why the answer is an error of ours.
    pub error_code: Option<u16>,
    /// How it ended.
    pub outcome: Ending,
    /// The client was told in a whole message that the answer broke off: its connection can go on.
    pub told: bool,
    /// Fields of the request or the answer that were not carried over (`x-tollgate-dropped`).
    pub dropped: Vec<String>,
    /// The model the answer names, where it is not that one: a dated name, or what a router chose.
    pub model_reported: Option<Box<str>>,
    /// The provider behind the provider that the answer names.
    pub provider_reported: Option<Box<str>>,
    /// What the provider calls the last attempt.
    pub upstream_request_id: Option<String>,
    /// What the request cost, failed attempts included as far as it is known of them, in millionths of a dollar; `None`
    /// when the cost of the answer is not known.
    pub cost_micros: Option<u64>,
    /// Who says what the answer cost: `reported`, `computed`.
    pub cost_source: Option<&'static str>,
    /// The parts of the answer's cost by the price book, in the order of [`tollgate_observe::COST_PARTS`].
    pub cost_parts: Option<[u64; tollgate_observe::COST_PARTS.len()]>,
    /// What the failed attempts cost, as far as it is known.
    pub failed_cost_micros: Option<u64>,
    /// With one's own key at the provider behind the provider: what that one charged, in millionths of a dollar.
    pub upstream_cost_micros: Option<u64>,
    /// The API the path belongs to, for metrics.
    pub surface: Option<&'static str>,
}

impl Record {
    /// Notes who an answer says it comes from.
    pub(crate) fn reported(&mut self, served_by: &ServedBy) {
        let asked = self.model_served.as_deref();
        self.model_reported = served_by.model.clone().filter(|model| asked != Some(model));
        self.provider_reported.clone_from(&served_by.provider);
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// A whole answer was sent.
    #[default]
    Complete,
    /// The gateway answered with an error of its own.
    Refused,
    /// The client left before the end.
    ClientGone,
    /// The provider failed after its answer had begun.
    Truncated,
    /// A rule closed the connection without an answer.
    Closed,
}

impl Ending {
    /// The word used in the access log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::ClientGone => "client_gone",
            Self::Truncated => "truncated",
            Self::Closed => "closed",
        }
    }
}

impl Exchange {
    /// A request that no rule has seen yet. What it was received at is the time its expressions see.
    #[must_use]
    pub fn new(
        request: RequestFacts,
        connection: impl Into<Arc<ConnectionFacts>>,
        endpoint: Arc<EndpointFacts>,
        secrets: Arc<dyn SecretSource + Send + Sync>,
        wants_results: bool,
    ) -> Self {
        Self {
            now: request.received,
            request,
            connection: connection.into(),
            endpoint,
            secrets,
            vars: Map::new(),
            results: Map::new(),
            wants_results,
            logs: Vec::new(),
            late_logs: None,
            body: None,
            record: Record::default(),
            list_wanted: None,
            login_cookies: Vec::new(),
            cookies: Vec::new(),
            unsettled: Vec::new(),
            watches: Watches::default(),
            places: Vec::new(),
            enclosing: Vec::new(),
            present: None,
            trace: None,
        }
    }

    /// Whether the connection is to become a WebSocket (RFC 6455, section 4.1). Others are not upgraded.
    #[must_use]
    pub fn asks_for_websocket(&self) -> bool {
        let upgrade = self.request.headers.get(http::header::UPGRADE);
        upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
    }

    /// What an expression of the request phase sees.
    #[must_use]
    pub fn activation(&self) -> Activation<'_> {
        Activation {
            request: Some(&self.request),
            response: None,
            connection: Some(&self.connection),
            endpoint: Some(&self.endpoint),
            vars: Some(&self.vars),
            results: Some(&self.results),
            ..Activation::new(&*self.secrets, self.now)
        }
    }

    /// What an expression of the response phase sees.
    #[must_use]
    pub fn activation_with<'a>(&'a self, response: &'a ResponseFacts) -> Activation<'a> {
        Activation { response: Some(response), ..self.activation() }
    }

    /// Computes late `log` entries with what is known now. One that fails keeps its earlier value.
    pub fn settle_logs(&mut self) {
        for late in self.late_logs.take().unwrap_or_default() {
            let value = |exchange: &mut Self| late.metadata.eval(&exchange.activation_with(&late.response));
            let value = match late.level {
                Some(level) => self.at(level, value),
                None => value(self),
            };
            match value {
                Ok(value) => {
                    if let Some(entry) = self.logs.get_mut(late.index) {
                        *entry = value;
                    }
                }
                Err(error) => {
                    tracing::warn!(request_id = %self.request.id, "a log entry could not be completed: {error}")
                }
            }
        }
    }

    /// Records the result of an action under `actions.ngrok.<name>`, replacing that of its last run.
    pub fn set_result(&mut self, name: &str, value: impl FnOnce() -> Value) {
        if self.wants_results {
            self.results.insert(name.into(), value());
        }
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("id", &self.request.id)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
