//! What `tollgate explain` shows, noted down by the code that does the work.

use super::identity::Told;
use super::prepare::{Keychain, Prepared};
use super::report::Report;
use super::{Gateway, Incoming, Knobs, cloud};
use crate::dry::is_stand_in;
use crate::exchange::Exchange;
use http::{HeaderMap, HeaderName};
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use tollgate_select::{Candidate, Fault, Key, trim_key};

impl Gateway {
    /// Every candidate with where it would go, with which keys, and what would be left out.
    pub(super) fn trace_plan(&self, exchange: &mut Exchange, incoming: &Incoming, prepared: &Prepared) {
        if exchange.trace.is_none() {
            return;
        }
        let planned: Vec<Json> = prepared
            .plan
            .candidates
            .iter()
            .map(|c| self.candidate(exchange, incoming, prepared, c))
            .collect();
        if let Some(report) = &prepared.report {
            selection(exchange, report);
        }
        if let Some(trace) = &mut exchange.trace {
            trace.models_to_try = planned;
        }
    }

    fn candidate(
        &self,
        exchange: &Exchange,
        incoming: &Incoming,
        prepared: &Prepared,
        candidate: &Candidate,
    ) -> Json {
        let chain = prepared.keychain.iter().find(|chain| chain.provider == candidate.provider.id);
        let order = chain.map_or(Err(Fault::NoKey), |chain| chain.order.clone());
        let trimmed = |index: &Option<usize>| {
            let key = index.and_then(|index| chain.and_then(|chain| chain.keys.get(index)));
            key.map(|key| trim_key(key.value.expose_secret()))
        };
        let keys: Vec<String> = order.iter().flatten().filter_map(trimmed).collect();
        let (unusable, order) = usable_keys(candidate, chain, order);
        let wire = self.wire(incoming, prepared, candidate);
        let call = wire.clone().and_then(|wire| {
            self.call(exchange, incoming, prepared, (candidate, wire), (None, None), Duration::ZERO)
        });
        let dialect = wire.as_ref().map_or(incoming.surface, |wire| wire.surface);
        let (url, dropped, identity, unsaid) = match call {
            Ok(built) => {
                let identity = self.identity(exchange, prepared, &built.call.headers);
                (built.call.url.full.clone(), built.dropped, identity, None)
            }
            Err(fault) => (String::new(), Vec::new(), Vec::new(), Some(fault)),
        };
        // Why a provider that serves the client's own operation is asked for another one.
        let around = self.around_gaps(incoming, prepared, candidate);
        let goes_around = wire.as_ref().is_ok_and(|wire| Some(wire.surface) == around);
        let reasons = if goes_around { self.reasons(incoming, prepared, candidate) } else { Vec::new() };
        json!({
            "provider": candidate.provider.id,
            "model": candidate.upstream_model,
            "requested": candidate.requested,
            "params": candidate.params.to_json(),
            "url": url,
            "keys": keys,
            "unusable_keys": unusable,
            "skipped": unsaid.or(order.err()).map(|fault| fault.detail().into_owned()),
            "dialect": dialect.format().name(),
            "surface": dialect.name(),
            "client_surface": incoming.surface.name(),
            "translated": wire.is_ok_and(|wire| wire.translated),
            "translated_for": reasons,
            "dropped_params": dropped,
            "identity": identity,
        })
    }

    /// The headers that tell a provider who is asking.
    fn identity(&self, exchange: &Exchange, prepared: &Prepared, sent: &HeaderMap) -> Vec<Json> {
        let last = |header: &HeaderName| prepared.rendered.headers.iter().any(|(name, _)| name == header);
        let Knobs { identity, own_identity, .. } = &self.knobs;
        let told = identity.told(own_identity, &exchange.request.headers, sent, &last);
        let entry =
            |told: Told| json!({"header": told.header.as_str(), "value": told.value, "from": told.from});
        told.into_iter().map(entry).collect()
    }
}

/// Keys in a form that their provider has no use for, each with the reason; and the fault, when no other is left.
fn usable_keys(
    candidate: &Candidate,
    chain: Option<&Keychain>,
    order: Result<Vec<Option<usize>>, Fault>,
) -> (Vec<Json>, Result<(), Fault>) {
    let order = match order {
        Ok(order) => order,
        Err(fault) => return (Vec::new(), Err(fault)),
    };
    let key = |index: &Option<usize>| chain.and_then(|chain| chain.keys.get((*index)?));
    let wrong = |key: &Arc<Key>| {
        let fault = cloud::usable(&candidate.provider, key.value.expose_secret()).err()?;
        (!is_stand_in(key)).then_some((trim_key(key.value.expose_secret()), fault))
    };
    let wrong: Vec<(String, Fault)> = order.iter().filter_map(key).filter_map(wrong).collect();
    let none_left =
        (!wrong.is_empty() && wrong.len() == order.len()).then(|| wrong.first().cloned()).flatten();
    let told = |(key, fault): &(String, Fault)| json!({"key": key, "reason": reason(fault)});
    (wrong.iter().map(told).collect(), none_left.map_or(Ok(()), |(_, fault)| Err(fault)))
}

fn reason(fault: &Fault) -> &str {
    if let Fault::UnusableKey { why, .. } = fault { why } else { "" }
}

/// The client's names and what each strategy did.
pub(super) fn selection(exchange: &mut Exchange, report: &Report) {
    let Some(trace) = &mut exchange.trace else { return };
    let tree = report.json();
    let part = |path: &str| tree.pointer(path).cloned().unwrap_or_default();
    trace.client = json!({
        "model": part("/client/model"),
        "models": part("/client/models"),
        "names": part("/client/names"),
        "rejected_models": part("/client/rejected_models"),
    });
    trace.model_selection = part("/model_selection");
}

/// One attempt and how it went.
pub(super) fn attempt(exchange: &mut Exchange, candidate: &Candidate, key: Option<&Key>, outcome: &str) {
    let Some(trace) = &mut exchange.trace else { return };
    trace.attempts.push(json!({
        "provider": candidate.provider.id,
        "model": candidate.upstream_model,
        "key": key.map(|key| trim_key(key.value.expose_secret())),
        "outcome": outcome,
    }));
}
