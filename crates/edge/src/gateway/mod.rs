//! The `ai-gateway`: from a client's request to the first provider that answers.
//!
//! `Gateway::run` reads the body and the names in it; `prepare` makes what every attempt shares; `attempts`
//! walks the plan; `flight` is one attempt, `hedge` two at once; `receive` decides whether an answer is one, and `relay` sends it on; `report` is what
//! rules can read afterwards.

pub mod config;
pub mod identity;
pub mod keys;

mod account;
mod attempts;
mod call;
mod cloud;
mod cost;
mod count;
mod errors;
mod event_stream;
mod flight;
mod gaps;
mod health;
mod hedge;
mod ledger;
mod listed;
mod listing;
mod naming;
mod noted;
mod params;
mod passed;
mod prepare;
mod receive;
mod relay;
mod report;
mod results;
mod runtime;
mod status;
mod tally;
#[cfg(test)]
mod tests;
mod trace;
mod tried;
mod wire;

pub use ledger::Ledger;
pub use prepare::{Prepared, Refused};
pub(crate) use results::RESULTS;

use crate::action::{Flow, RequestCx};
use crate::actions::header_names::HeaderTemplate;
use crate::answer::Fault as PolicyFault;
use crate::client::BodyError;
use crate::engine::Shared;
use crate::exchange::Ending;
use crate::lists;
use bytes::Bytes;
use errors::Failure;
use foldhash::HashMap;
use http::{HeaderValue, Method};
use keys::KeySlot;
use runtime::Runtime;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tollgate_catalog::Catalog;
use tollgate_dialect::{Endpoint, Format, Mount, Surface, mount, route};
use tollgate_expr::{Program, Template};
use tollgate_policy::JsonTemplate;
use tollgate_select::{Allowance, HealthKnobs, HedgeKnobs, Passthrough, Selection, Universe};

/// One configured `ai-gateway`.
pub struct Gateway {
    universe: Universe,
    selection: Selection,
    key_strategies: Vec<Program>,
    /// Configured keys by the catalogue's provider id. A provider without an entry uses the client's key.
    keys: HashMap<String, Vec<KeySlot>>,
    knobs: Knobs,
    runtime: Runtime,
    shared: Process,
    stats: tollgate_select::Metrics,
    metrics: Arc<tollgate_observe::Metrics>,
    ledger: Arc<Ledger>,
    accounts: Arc<crate::Accounts>,
    tokens: tollgate_cloud::TokenCache,
    /// What is left of the bounds of `hedge`.
    hedges: Allowance,
}

/// What is the same for every gateway of the process.
struct Process {
    instance: HeaderValue,
    key_salt: [u8; 16],
}

/// What an `ai-gateway` does beside choosing: fixed once it is built.
pub struct Knobs {
    /// `identity`, over what the process was started with.
    pub identity: identity::Identity,
    /// `identity`, only what the action itself says.
    pub own_identity: identity::Identity,
    /// `max_input_tokens`
    pub max_input_tokens: Option<u64>,
    /// `max_output_tokens`
    pub max_output_tokens: Option<u64>,
    /// `headers`
    pub(crate) headers: Vec<HeaderTemplate>,
    /// `query_params`
    pub query_params: Vec<(String, Template)>,
    /// `body`
    pub body: Option<JsonTemplate>,
    /// `providers[].body`, by the catalogue's provider id.
    pub provider_bodies: HashMap<String, JsonTemplate>,
    /// `on_error`
    pub on_error: OnError,
    /// `per_request_timeout`
    pub per_request_timeout: Duration,
    /// `total_timeout`
    pub total_timeout: Duration,
    /// `connect_timeout`
    pub connect_timeout: Duration,
    /// `stream_idle_timeout`
    pub stream_idle_timeout: Duration,
    /// `max_attempts`
    pub max_attempts: usize,
    /// `stop_on_client_error`
    pub stop_on_client_error: Vec<u16>,
    /// `error_passthrough`
    pub error_passthrough: Passthrough,
    /// `translation: never`
    pub native_only: bool,
    /// `bound_state: strip`
    pub strip_state: bool,
    /// `health`
    pub health: HealthKnobs,
    /// `hedge`
    pub hedge: Option<HedgeKnobs>,
}

/// `on_error`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The error is the answer.
    Halt,
    /// The next action runs.
    Continue,
}

/// A request whose body has been read and peeked at.
pub(crate) struct Incoming {
    pub(crate) surface: Surface,
    pub(crate) body: Bytes,
    pub(crate) peek: tollgate_dialect::Peek,
    pub(crate) started: Instant,
}

impl Gateway {
    /// A gateway over these models.
    #[must_use]
    pub(crate) fn new(
        universe: Universe,
        selection: Selection,
        key_strategies: Vec<Program>,
        keys: HashMap<String, Vec<KeySlot>>,
        knobs: Knobs,
        shared: &Shared,
    ) -> Self {
        let runtime = Runtime::new(universe.catalog(), &shared.metrics);
        let process = Process {
            instance: HeaderValue::try_from(shared.instance())
                .unwrap_or(HeaderValue::from_static("tollgate")),
            key_salt: shared.key_salt,
        };
        let (stats, metrics) = (shared.stats.clone(), Arc::clone(&shared.metrics));
        let (ledger, accounts) = (Arc::clone(&shared.ledger), Arc::clone(&shared.accounts));
        Self {
            universe,
            selection,
            key_strategies,
            keys,
            knobs,
            runtime,
            shared: process,
            stats,
            metrics,
            ledger,
            accounts,
            tokens: Self::token_cache(shared),
            hedges: Allowance::default(),
        }
    }

    /// The providers and models it knows.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        self.universe.catalog()
    }

    /// Answers a request, or refuses it, or lets the next action run.
    pub async fn run(&self, cx: &mut RequestCx<'_>) -> Result<Flow, PolicyFault> {
        let started = Instant::now();
        cx.exchange.results.remove(RESULT);
        let endpoint = route(cx.exchange.request.uri.path());
        if let Some(failure) = self.wrong_method_or_loop(&endpoint, cx) {
            return self.fail(cx, endpoint_surface(&endpoint), failure).await;
        }
        match endpoint {
            Endpoint::Ai(surface) => self.serve(cx, surface, None, started).await,
            Endpoint::Generate { model, stream } => {
                self.serve(cx, Surface::GenerateContent, Some((model, stream)), started).await
            }
            Endpoint::ListModels => {
                cx.exchange.record.surface = Some("models");
                self.want_list(cx.exchange, true);
                Ok(Flow::Respond(self.list_models(cx.exchange)))
            }
            Endpoint::GetModel(id) => match self.get_model(cx.exchange, &id) {
                Ok(answer) => Ok(Flow::Respond(answer)),
                Err(failure) => {
                    let surface = client_surface(cx.exchange);
                    self.fail(cx, surface, *failure).await
                }
            },
            Endpoint::Other => {
                let failure = Failure::unsupported_path(cx.exchange.request.uri.path());
                let surface = client_surface(cx.exchange);
                self.fail(cx, surface, failure).await
            }
        }
    }

    async fn serve(
        &self,
        cx: &mut RequestCx<'_>,
        surface: Surface,
        path: Option<(String, bool)>,
        started: Instant,
    ) -> Result<Flow, PolicyFault> {
        cx.exchange.record.surface = Some(surface.name());
        let body = match &cx.exchange.body {
            Some(body) => body.clone(),
            None => match cx.client.body().await {
                Ok(body) => body,
                Err(BodyError::Gone) => {
                    cx.exchange.record.outcome = Ending::ClientGone;
                    return Ok(Flow::Answered);
                }
                // What was read of it is gone: no later action could send it on whole.
                Err(error) => return Ok(self.refuse(cx, Some(surface), Failure::body(&error))),
            },
        };
        cx.exchange.body = Some(body.clone());
        cx.exchange.request.body_received = Some(SystemTime::now());
        // Boxed, as the plan below: what lives as long as a stream is kept once, not in every future on the way to it.
        let mut incoming = match self.peek(surface, body, path, started).map(Box::new) {
            Ok(incoming) => incoming,
            Err(failure) => return self.fail(cx, Some(surface), *failure).await,
        };
        // Clients of OpenRouter get figures at the end of every stream, and wait for them.
        incoming.peek.include_usage |= mount(cx.exchange.request.uri.path()) == Some(Mount::OpenRouter);
        note_names(cx.exchange, &incoming.peek);
        let replaced = self.universe.names().replaced.as_ref();
        cx.exchange.record.overridden = replaced.map(tollgate_select::Replaced::option);
        match self.prepare(cx.exchange, &incoming).map(Box::new) {
            Ok(prepared) => {
                let named = prepared.plan.candidates.iter().any(|c| c.provider.id == lists::PROVIDER);
                self.want_list(cx.exchange, named);
                self.trace_plan(cx.exchange, &incoming, &prepared);
                if let Some(counted) = self.count_here(cx.exchange, &incoming, &prepared) {
                    return Ok(Flow::Respond(counted));
                }
                self.attempt_all(cx, incoming, prepared).await
            }
            Err(refused) => {
                // What was not found may be in a newer list.
                self.want_list(cx.exchange, false);
                let Refused { failure, report } = *refused;
                if let Some(report) = report {
                    trace::selection(cx.exchange, &report);
                    cx.exchange.set_result(RESULT, || report.value());
                }
                self.fail(cx, Some(surface), failure).await
            }
        }
    }

    /// The names of a request's body, or of its path where they stand there.
    pub(crate) fn peek(
        &self,
        surface: Surface,
        body: Bytes,
        path: Option<(String, bool)>,
        started: Instant,
    ) -> Result<Incoming, Box<Failure>> {
        let mut peek = tollgate_dialect::peek(&body).map_err(|e| Box::new(Failure::invalid_body(&e)))?;
        if let Some((model, stream)) = path {
            (peek.model, peek.stream) = (Some(model), stream);
        }
        Ok(Incoming { surface, body, peek, started })
    }

    /// Notes that OpenRouter's list of models is of use: it is asked, or strategies choose among what it has.
    fn want_list(&self, exchange: &mut crate::exchange::Exchange, asked: bool) {
        let provider = || self.catalog().providers().iter().find(|p| p.id == lists::PROVIDER && !p.disabled);
        let chosen_from =
            || !self.selection.strategies.is_empty() && provider().is_some_and(|p| p.configured);
        if asked || chosen_from() {
            exchange.list_wanted = provider().cloned();
        }
    }

    fn wrong_method_or_loop(&self, endpoint: &Endpoint, cx: &RequestCx<'_>) -> Option<Failure> {
        let request = &cx.exchange.request;
        let allowed: &[Method] = tollgate_dialect::methods(endpoint);
        if !allowed.is_empty() && !allowed.contains(&request.method) {
            return Some(Failure::method(&request.method, allowed));
        }
        let seen = request.headers.get_all(&call::VIA).iter().any(|via| via == self.shared.instance);
        seen.then(Failure::loop_detected)
    }
}

/// The name of the results: `actions.ngrok.ai_gateway`.
pub(crate) const RESULT: &str = "ai_gateway";

fn endpoint_surface(endpoint: &Endpoint) -> Option<Surface> {
    match endpoint {
        Endpoint::Ai(surface) => Some(*surface),
        Endpoint::Generate { .. } => Some(Surface::GenerateContent),
        _ => None,
    }
}

/// A surface of the dialect a client of this path expects, for errors beside the operations.
fn client_surface(exchange: &crate::exchange::Exchange) -> Option<Surface> {
    match listing::format(exchange) {
        Format::Anthropic => Some(Surface::Messages),
        Format::Gemini => Some(Surface::GenerateContent),
        Format::OpenAi | Format::Bedrock => None,
    }
}

fn note_names(exchange: &mut crate::exchange::Exchange, peek: &tollgate_dialect::Peek) {
    let named: Vec<&str> = peek.model.iter().chain(&peek.models).map(String::as_str).collect();
    exchange.record.model_asked = (!named.is_empty()).then(|| named.join(","));
    exchange.record.stream = peek.stream;
}
