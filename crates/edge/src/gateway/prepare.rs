//! What every attempt of a request shares: the plan, the keys, the interpolated values.

use super::errors::Failure;
use super::gaps::Need;
use super::keys::{ClientKeyHeader, client_key, passing};
use super::report::Report;
use super::wire::home;
use super::{Gateway, Incoming, params};
use crate::answer::Fault as PolicyFault;
use crate::clock::steady;
use crate::exchange::Exchange;
use http::{HeaderName, HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map as JsonMap, Value as Json};
use std::sync::{Arc, OnceLock};
use tollgate_catalog::{AuthStyle, Provider, Tokenizer};
use tollgate_dialect::{BoundState, bound_state, tokens};
use tollgate_expr::EvalError;
use tollgate_policy::JsonTemplate;
use tollgate_select::{
    Ask, Candidate, Fault, Key, NameTrace, Plan, client_key_fits, is_gateway_key, is_placeholder, order_keys,
    plan,
};

/// Warnings about the parameters of one request; a client can write any number.
const MAX_WARNINGS: usize = 8;

/// A request ready for its attempts.
pub struct Prepared {
    /// What is tried, in order.
    pub plan: Plan,
    /// The keys of each provider in the plan.
    pub(crate) keychain: Vec<Keychain>,
    pub(crate) rendered: Rendered,
    /// The client's key and the header it came in.
    pub(crate) client_key: Option<(ClientKeyHeader, SecretString)>,
    pub(crate) report: Option<Box<Report>>,
    /// What it asks of providers that do not do it in the client's dialect.
    pub(crate) needs: Vec<Need>,
    /// State in the request that only its issuer can read.
    pub(crate) bound: Vec<BoundState>,
    /// The provider that issued it, where the state does not say so itself.
    pub(crate) home: Option<String>,
}

/// The keys of one provider, in the order they are tried.
pub(crate) struct Keychain {
    pub(crate) provider: String,
    /// In the order of the policy; indexes into it name keys.
    pub(crate) keys: Vec<Arc<Key>>,
    /// What the walk is told.
    pub(crate) order: Result<Vec<Option<usize>>, Fault>,
    /// Configured keys replace the client's; the client's own is passed through.
    pub(crate) configured: bool,
    pub(crate) reports: Vec<tollgate_select::KeyReport>,
}

/// Interpolated once, before the first attempt.
#[derive(Default)]
pub(crate) struct Rendered {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) query: Vec<(String, String)>,
    body: Option<JsonMap<String, Json>>,
    /// The same for providers with a body of their own, which lies over the policy's.
    bodies: Vec<(String, JsonMap<String, Json>)>,
}

impl Rendered {
    /// What is merged into the body of a request to this provider.
    pub(crate) fn body_for(&self, provider: &str) -> Option<&JsonMap<String, Json>> {
        let own = self.bodies.iter().find(|(id, _)| id == provider).map(|(_, body)| body);
        own.or(self.body.as_ref())
    }
}

/// Why a request gets no attempt.
#[derive(Debug)]
pub struct Refused {
    pub(crate) failure: Failure,
    pub(crate) report: Option<Box<Report>>,
}

impl Gateway {
    /// Plans a request. Sends nothing.
    pub(crate) fn prepare(&self, exchange: &Exchange, incoming: &Incoming) -> Result<Prepared, Box<Refused>> {
        self.stats.clock().set(steady());
        let client = client_key(&exchange.request, incoming.surface.format());
        let mut report =
            exchange.wants_results.then(|| Box::new(Report::begin(exchange, incoming, client.as_ref())));
        let estimates = Estimates::new(incoming);
        let input_tokens = || estimates.get(Tokenizer::O200kBase);
        let has_key = |provider: &Provider| self.has_key(provider, client.as_ref());
        let user_agent = exchange.request.headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok());
        let ask = Ask {
            model: incoming.peek.model.as_deref(),
            models: &incoming.peek.models,
            surface: incoming.surface,
            format: incoming.surface.format(),
            stream: incoming.peek.stream,
            user_agent: user_agent.unwrap_or(""),
            path: exchange.request.uri.path(),
            mount_backend: mount_backend(exchange.request.uri.path()),
            input_tokens: &input_tokens,
            has_key: &has_key,
        };
        let detail = exchange.wants_results;
        let mut plan = match plan(&self.universe, &ask, &self.selection, &exchange.activation(), detail) {
            Ok(plan) => plan,
            Err(refusal) => {
                if let Some(report) = &mut report {
                    report.names(&refusal.names, &self.universe.names().aliases);
                    report.selection(&refusal.rejected, &refusal.reports);
                }
                return Err(Box::new(Refused { failure: Failure::selection(&refusal.error), report }));
            }
        };
        if let Some(report) = &mut report {
            report.names(&plan.names, &self.universe.names().aliases);
            report.selection(&plan.rejected, &plan.reports);
        }
        warn_of_ignored(&exchange.request.id, &plan.names);
        let shared = self.render(exchange, &plan).and_then(|rendered| {
            let keychain = self.keychain(exchange, &plan, &ask, client.as_ref())?;
            Ok((rendered, keychain))
        });
        match shared {
            Ok((rendered, keychain)) => {
                let bound = bound_state(incoming.surface, &incoming.body);
                let home = home(&bound, &plan.candidates, |id| self.ledger.issuer(id));
                self.rest_last(&mut plan, &keychain, &mut report);
                let needs = Self::needs(incoming, &plan.candidates);
                Ok(Prepared { plan, keychain, rendered, client_key: client, report, needs, bound, home })
            }
            Err(fault) => Err(Box::new(Refused { failure: Failure::policy(&fault), report })),
        }
    }

    fn has_key(&self, provider: &Provider, client: Option<&(ClientKeyHeader, SecretString)>) -> bool {
        if self.keys.contains_key(&provider.id) {
            return true;
        }
        let fits =
            client.is_some_and(|(_, key)| client_key_fits(self.catalog(), provider, key.expose_secret()));
        fits || may_go_without(provider)
    }

    fn render(&self, exchange: &Exchange, plan: &Plan) -> Result<Rendered, PolicyFault> {
        let knobs = &self.knobs;
        let bodies = knobs.body.is_some() || !knobs.provider_bodies.is_empty();
        if knobs.headers.is_empty() && knobs.query_params.is_empty() && !bodies {
            return Ok(Rendered::default());
        }
        let activation = exchange.activation();
        let headers = knobs.headers.iter().map(|h| Ok((h.name.clone(), h.render(&activation)?)));
        let query = knobs.query_params.iter().map(|(name, value)| {
            let text = value
                .render(&activation)
                .map_err(|e| PolicyFault::interpolation(&format!("query parameter `{name}`"), &e))?;
            Ok((name.clone(), text.into_owned()))
        });
        let object = |template: &JsonTemplate| {
            let value = template.eval(&activation).map_err(|e| PolicyFault::interpolation("body", &e))?;
            Ok(match value.to_json() {
                Json::Object(map) => map,
                _ => JsonMap::new(),
            })
        };
        let body = knobs.body.as_ref().map(object).transpose()?;
        let mut bodies: Vec<(String, JsonMap<String, Json>)> = Vec::new();
        for Candidate { provider, .. } in &plan.candidates {
            let Some(own) = knobs.provider_bodies.get(&provider.id) else { continue };
            if !bodies.iter().any(|(id, _)| *id == provider.id) {
                let mut merged = body.clone().unwrap_or_default();
                params::lay_over(&mut merged, &object(own)?);
                bodies.push((provider.id.clone(), merged));
            }
        }
        Ok(Rendered {
            headers: headers.collect::<Result<_, PolicyFault>>()?,
            query: query.collect::<Result<_, PolicyFault>>()?,
            body,
            bodies,
        })
    }

    /// The keys of every provider in the plan. A secret that is missing fails the request, before any attempt.
    fn keychain(
        &self,
        exchange: &Exchange,
        plan: &Plan,
        ask: &Ask<'_>,
        client: Option<&(ClientKeyHeader, SecretString)>,
    ) -> Result<Vec<Keychain>, PolicyFault> {
        let mut chains: Vec<Keychain> = Vec::with_capacity(2);
        for Candidate { provider, .. } in &plan.candidates {
            if !chains.iter().any(|chain| chain.provider == provider.id) {
                chains.push(self.provider_keys(exchange, provider, ask, client)?);
            }
        }
        Ok(chains)
    }

    fn provider_keys(
        &self,
        exchange: &Exchange,
        provider: &Provider,
        ask: &Ask<'_>,
        client: Option<&(ClientKeyHeader, SecretString)>,
    ) -> Result<Keychain, PolicyFault> {
        let activation = exchange.activation();
        let slots = self.keys.get(&provider.id);
        let mut keys = Vec::new();
        for slot in slots.into_iter().flatten() {
            match slot.key(&activation, &provider.id, &self.stats, &self.shared.key_salt) {
                Ok(Some(key)) => keys.push(key),
                Ok(None) => {
                    tracing::warn!(provider = %provider.id, "an API key of this provider is empty and is skipped")
                }
                Err(error) => return Err(key_fault(&provider.id, &error)),
            }
        }
        let configured = slots.is_some();
        let mut fault = None;
        if !configured && let Some((_, key)) = client {
            if client_key_fits(self.catalog(), provider, key.expose_secret()) {
                let read = !self.key_strategies.is_empty();
                keys.push(passing(key.clone(), &provider.id, &self.stats, &self.shared.key_salt, read));
            } else {
                fault = Some(unfit(key.expose_secret()));
            }
        }
        let mut reports = Vec::new();
        let order = if keys.is_empty() {
            if !configured && may_go_without(provider) {
                Ok(vec![None])
            } else {
                Err(fault.unwrap_or(Fault::NoKey))
            }
        } else {
            match order_keys(&keys, &self.key_strategies, &activation, ask, self.selection.fallthrough) {
                Ok(ordered) => {
                    reports = ordered.reports;
                    Ok(ordered.order.into_iter().map(Some).collect())
                }
                Err(error) => {
                    reports = error.reports;
                    Err(Fault::KeySelection(error.message.into()))
                }
            }
        };
        Ok(Keychain { provider: provider.id.clone(), keys, order, configured, reports })
    }
}

/// The provider a path stands for.
fn mount_backend(path: &str) -> Option<&'static str> {
    (tollgate_dialect::mount(path) == Some(tollgate_dialect::Mount::OpenRouter)).then_some("openrouter")
}

/// Parameters behind names that are not sent.
fn warn_of_ignored(request_id: &str, names: &[NameTrace]) {
    for bad in names.iter().flat_map(|name| &name.ignored).take(MAX_WARNINGS) {
        tracing::warn!(request_id, parameter = %bad.name, "a parameter behind a model's name {}", bad.reason);
    }
}

/// Whether a provider without configured keys is asked without any key.
fn may_go_without(provider: &Provider) -> bool {
    provider.custom || provider.auth == AuthStyle::None
}

/// Why a client's key is not sent to a provider.
fn unfit(key: &str) -> Fault {
    if is_gateway_key(key) {
        Fault::GatewayKey
    } else if is_placeholder(key) {
        Fault::NoKey
    } else {
        Fault::ForeignKey
    }
}

fn key_fault(provider: &str, error: &EvalError) -> PolicyFault {
    PolicyFault {
        code: 2238,
        status: StatusCode::INTERNAL_SERVER_ERROR,
        message: format!("an API key of provider {provider} could not be read: {error}"),
    }
}

/// Token estimates of a body, each encoding computed at most once.
pub(crate) struct Estimates<'a> {
    incoming: &'a Incoming,
    known: [OnceLock<u64>; 2],
}

impl<'a> Estimates<'a> {
    pub(crate) fn new(incoming: &'a Incoming) -> Self {
        Self { incoming, known: [OnceLock::new(), OnceLock::new()] }
    }

    pub(crate) fn get(&self, tokenizer: Tokenizer) -> u64 {
        let o200k = tokenizer == Tokenizer::O200kBase;
        let [cl100k_cell, o200k_cell] = &self.known;
        let cell = if o200k { o200k_cell } else { cl100k_cell };
        *cell.get_or_init(|| tokens::estimate(self.incoming.surface, &self.incoming.body, o200k))
    }
}
