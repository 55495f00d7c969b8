//! `actions.ngrok.ai_gateway`: what rules, `log` and `explain` can read of a request's way through the gateway.
//!
//! Built only when the policy reads it. Keys are trimmed, headers with credentials too; bodies of failed answers are
//! cut at 1 KiB and redacted.

use super::Incoming;
use super::cost::Charged;
use super::keys::ClientKeyHeader;
use super::prepare::{Keychain, Prepared};
use super::receive::Failed;
use crate::exchange::{Exchange, Record};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json, json};
use std::time::{Duration, Instant};
use tollgate_catalog::cost::Parts;
use tollgate_dialect::{Usage, headers as wire, redact, tokens};
use tollgate_expr::Value;
use tollgate_select::{
    Aliases, Candidate, Fault, Key, NameTrace, Rejected, Resting, StrategyReport, trim_key,
};

/// Bytes of a failed answer's body that are kept.
const BODY_ON_ERROR: usize = 1024;

/// The tree while it grows.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    client: Json,
    selection: Vec<Json>,
    resting: Vec<Json>,
    tried: Vec<Json>,
    input_tokens: u64,
    output_tokens: u64,
    started: Instant,
    /// Set when an answer begins; until then it grows.
    gateway: Option<Duration>,
    waited: Duration,
    success: Option<Json>,
    /// Millionths of a dollar.
    cost: Option<u64>,
}

/// One request made to a provider.
pub(super) struct Made<'a> {
    pub(super) url: String,
    pub(super) key: Option<&'a Key>,
    pub(super) dropped: Vec<String>,
    pub(super) took: Duration,
    /// How much of it another attempt had too, and has been counted.
    pub(super) overlap: Duration,
    pub(super) result: Result<(StatusCode, HeaderMap, Duration), Summary>,
}

/// What is kept of a failed attempt.
pub(super) struct Summary {
    why: String,
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Failed {
    /// What is kept of an attempt that was given up for another one's answer.
    pub(super) fn cut() -> Summary {
        let why = "cancelled: another attempt was first".to_owned();
        Summary { why, status: 0, headers: HeaderMap::new(), body: String::new() }
    }

    pub(super) fn summary(&self) -> Summary {
        let answer = self.answer.as_ref();
        let cut = |body: &[u8]| {
            let text = String::from_utf8_lossy(body.get(..body.len().min(BODY_ON_ERROR)).unwrap_or(body));
            redact(&text).into_owned()
        };
        let said = self.said.as_ref().map(|said| redact(&said.message).into_owned()).unwrap_or_default();
        let why = self.fault.describe();
        Summary {
            why: if said.is_empty() { why.into_owned() } else { format!("{why}: {said}") },
            status: answer.map_or(0, |a| a.status.as_u16()),
            headers: answer.map(|a| a.headers.clone()).unwrap_or_default(),
            body: answer.map(|a| cut(&a.body)).unwrap_or_default(),
        }
    }
}

impl Report {
    pub(super) fn begin(
        exchange: &Exchange,
        incoming: &Incoming,
        key: Option<&(ClientKeyHeader, SecretString)>,
    ) -> Self {
        let mut report = Self { started: incoming.started, ..Self::unread(exchange, key) };
        if let Some(client) = report.client.as_object_mut() {
            client.insert("model".into(), incoming.peek.model.as_deref().unwrap_or("").into());
            client.insert("models".into(), incoming.peek.models.clone().into());
        }
        report.input_tokens = tokens::estimate(incoming.surface, &incoming.body, true);
        report
    }

    /// A request whose body is not known, or cannot be read.
    pub(super) fn unread(exchange: &Exchange, key: Option<&(ClientKeyHeader, SecretString)>) -> Self {
        let request = &exchange.request;
        let agent = request.headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok());
        let client = json!({
            "method": request.method.as_str(),
            "path": request.uri.path(),
            "request_headers": header_lists(&request.headers, &str::to_owned),
            "user_agent": agent.unwrap_or(""),
            "model": "",
            "models": [],
            "api_key_hash": key.map_or(String::new(), |(_, key)| trim_key(key.expose_secret())),
            "rejected_models": [],
        });
        Self {
            client,
            selection: Vec::new(),
            resting: Vec::new(),
            tried: Vec::new(),
            input_tokens: 0,
            output_tokens: 0,
            started: Instant::now(),
            gateway: None,
            waited: Duration::ZERO,
            success: None,
            cost: None,
        }
    }

    /// What the rules made of the client's names.
    pub(super) fn names(&mut self, names: &[NameTrace], aliases: &Aliases) {
        let names: Vec<Json> = names.iter().map(|name| name_json(name, aliases)).collect();
        if let Some(client) = self.client.as_object_mut() {
            client.insert("names".into(), names.into());
        }
    }

    pub(super) fn selection(&mut self, rejected: &[Rejected], reports: &[StrategyReport]) {
        let rejected: Vec<Json> =
            rejected.iter().map(|r| json!({"model": r.model, "reason": r.reason})).collect();
        if let Some(client) = self.client.as_object_mut() {
            client.insert("rejected_models".into(), rejected.into());
        }
        self.selection = reports.iter().map(strategy).collect();
    }

    /// Notes what is put last because it rests.
    pub(super) fn rests(&mut self, candidate: &Candidate, why: Resting) {
        let Candidate { provider, upstream_model, .. } = candidate;
        let entry = json!({"model": upstream_model, "provider": provider.id, "reason": why.describe()});
        self.resting.push(entry);
    }

    /// Begins the entry of a candidate, unless it is the one at hand already.
    pub(super) fn candidate(&mut self, candidate: &Candidate, prepared: &Prepared) {
        let (provider, model) = (&candidate.provider.id, &candidate.upstream_model);
        let same = |entry: &Json| entry["provider"] == **provider && entry["model"] == **model;
        if self.tried.last().is_some_and(same) {
            return;
        }
        self.begin_entry(candidate, prepared);
    }

    /// Puts the entry of a candidate last: of two attempts at the same time either may be over first.
    pub(super) fn back_to(&mut self, candidate: &Candidate, prepared: &Prepared) {
        let (provider, model) = (&candidate.provider.id, &candidate.upstream_model);
        let same = |entry: &Json| entry["provider"] == **provider && entry["model"] == **model;
        match self.tried.iter().rposition(same) {
            Some(at) => {
                let entry = self.tried.remove(at);
                self.tried.push(entry);
            }
            None => self.begin_entry(candidate, prepared),
        }
    }

    fn begin_entry(&mut self, candidate: &Candidate, prepared: &Prepared) {
        let (provider, model) = (&candidate.provider.id, &candidate.upstream_model);
        let chain = prepared.keychain.iter().find(|chain| chain.provider == *provider);
        self.tried.push(json!({
            "model": model,
            "provider": provider,
            "author": candidate.model.author_id,
            "api_key_selection": chain.map(key_reports).unwrap_or_default(),
            "requests_made": [],
        }));
    }

    /// Notes why nothing is sent for a candidate.
    pub(super) fn passed_over(&mut self, candidate: &Candidate, prepared: &Prepared, fault: &Fault) {
        self.candidate(candidate, prepared);
        if let Some(entry) = self.tried.last_mut().and_then(Json::as_object_mut) {
            entry.insert("skipped".into(), fault.describe().into());
        }
    }

    pub(super) fn made(&mut self, made: Made<'_>) {
        self.waited += made.took.saturating_sub(made.overlap);
        let key = made.key.map_or(String::new(), |key| trim_key(key.value.expose_secret()));
        let (error, status, headers, body, first_byte) = match &made.result {
            Ok((status, headers, head_after)) => (None, status.as_u16(), headers, "", Some(*head_after)),
            Err(s) => (Some(s.why.as_str()), s.status, &s.headers, s.body.as_str(), None),
        };
        let blot = |text: &str| made.key.map_or_else(|| text.to_owned(), |key| blotted(text, key));
        let request = json!({
            "status": if error.is_none() { "success" } else { "error" },
            "error": blot(error.unwrap_or("")),
            "upstream_input_tokens": 0,
            "upstream_output_tokens": 0,
            "cost_usd": null,
            "cost_micro_usd": null,
            "cost_source": null,
            "cost_parts_micro_usd": null,
            "dropped_params": made.dropped,
            "request": {"url": blot(&made.url), "api_key": key},
            "response": {"status_code": status, "headers": header_lists(headers, &blot), "body_on_error": blot(body)},
            "upstream_latency": {
                "time_to_first_byte_ms": millis(first_byte.unwrap_or(made.took)),
                "total_ms": millis(made.took),
            },
        });
        let last = self.tried.last_mut().and_then(|entry| entry["requests_made"].as_array_mut());
        if let Some(requests) = last {
            requests.push(request);
        }
    }

    /// The tokens of the answer: as the provider counted them, or `estimate` where it did not say.
    pub(super) fn tokens(&mut self, usage: Option<Usage>, estimate: u64) {
        let usage = usage.unwrap_or_default();
        self.output_tokens = if usage.output_tokens > 0 { usage.output_tokens } else { estimate };
        self.used(&usage);
    }

    /// The tokens of the last attempt, as the provider counted them.
    pub(super) fn used(&mut self, usage: &Usage) {
        if let Some(request) = self.last_request() {
            request.insert("upstream_input_tokens".into(), usage.input_tokens.into());
            request.insert("upstream_output_tokens".into(), usage.output_tokens.into());
        }
    }

    /// What the last attempt cost, and the request so far; null where that is not known.
    pub(super) fn cost(&mut self, charged: &Charged, record: &Record) {
        self.cost = record.cost_micros;
        let Some(request) = self.last_request() else { return };
        request.insert("cost_usd".into(), dollars(charged.micros));
        request.insert("cost_micro_usd".into(), charged.micros.into());
        request.insert("cost_source".into(), charged.source_name().into());
        request.insert("cost_parts_micro_usd".into(), charged.parts.map(|parts| parts_json(&parts)).into());
        if let Some(upstream) = charged.upstream_micros {
            request.insert("upstream_cost_usd".into(), dollars(Some(upstream)));
        }
    }

    /// Everything that was left out of the request that was answered, and of its answer.
    pub(super) fn lost(&mut self, dropped: &[String]) {
        if let Some(request) = self.last_request() {
            request.insert("dropped_params".into(), dropped.into());
        }
    }

    /// How long the attempt that was answered took, to the end of its answer.
    pub(super) fn ended(&mut self, took: Duration) {
        let latency = self.last_request().and_then(|request| request.get_mut("upstream_latency"));
        if let Some(latency) = latency.and_then(Json::as_object_mut) {
            latency.insert("total_ms".into(), millis(took).into());
        }
    }

    fn last_request(&mut self) -> Option<&mut Map<String, Json>> {
        self.tried.last_mut()?.get_mut("requests_made")?.as_array_mut()?.last_mut()?.as_object_mut()
    }

    pub(super) fn success(&mut self, candidate: &Candidate) {
        let model_index = self.tried.len().saturating_sub(1);
        let requests =
            self.tried.last().and_then(|entry| entry["requests_made"].as_array()).map_or(0, Vec::len);
        self.gateway = Some(self.started.elapsed().saturating_sub(self.waited));
        self.success = Some(json!({
            "model_index": model_index,
            "request_index": requests.saturating_sub(1),
            "model": candidate.upstream_model,
            "provider": candidate.provider.id,
            "author": candidate.model.author_id,
        }));
    }

    /// The tree as JSON.
    pub(super) fn json(&self) -> Json {
        let gateway = self.gateway.unwrap_or_else(|| self.started.elapsed().saturating_sub(self.waited));
        let status = if self.success.is_some() { "success" } else { "error" };
        let mut tree = json!({
            "status": status,
            "client": self.client,
            "input_ngrok_tokens": self.input_tokens,
            "output_ngrok_tokens": self.output_tokens,
            "cost_usd": dollars(self.cost),
            "cost_micro_usd": self.cost,
            "gateway_latency_ms": millis(gateway),
            "model_selection": self.selection,
            "resting": self.resting,
            "models_tried": self.tried,
        });
        if let (Some(success), Some(tree)) = (&self.success, tree.as_object_mut()) {
            tree.insert("success".into(), success.clone());
        }
        tree
    }

    /// The tree as rules read it.
    pub(super) fn value(&self) -> Value {
        Value::from_json(&self.json())
    }
}

/// The tree with the error that ended the request; what was recorded before it stays.
pub(super) fn with_error(known: &Value, code: u16, message: &str) -> Value {
    let mut tree = match known.to_json() {
        Json::Object(tree) => tree,
        _ => Map::new(),
    };
    tree.insert("status".into(), "error".into());
    tree.insert("error".into(), json!({"code": format!("ERR_NGROK_{code}"), "message": message}));
    Value::from_json(&Json::Object(tree))
}

/// Decimal dollars, or null.
fn dollars(micros: Option<u64>) -> Json {
    micros.map_or(Json::Null, |micros| crate::proxy::headers::dollars(micros).into())
}

fn parts_json(parts: &Parts) -> Json {
    let amounts = Parts::NAMES.into_iter().zip(parts.amounts());
    Json::Object(amounts.map(|(name, micros)| (name.to_owned(), micros.into())).collect())
}

fn name_json(name: &NameTrace, aliases: &Aliases) -> Json {
    let alias = name.alias.and_then(|index| Some((index, aliases.rule(index)?)));
    let ignored: Vec<Json> =
        name.ignored.iter().map(|bad| json!({"name": bad.name, "reason": bad.reason})).collect();
    json!({
        "name": name.asked,
        "becomes": name.becomes,
        "by": name.by,
        "alias": alias.map(|(index, rule)| json!({
            "index": index, "pattern": rule.pattern, "replacement": rule.replacement,
        })),
        "params": name.params.to_json(),
        "ignored_params": ignored,
    })
}

fn strategy(report: &StrategyReport) -> Json {
    json!({
        "strategy": report.strategy,
        "error": report.error.as_deref().unwrap_or(""),
        "candidates_returned": report.candidates_returned,
        "candidates_after_allowed_filter": report.candidates_after_allowed_filter,
        "candidates_after_client_filter": report.candidates_after_client_filter,
        "models_to_try": report.models_to_try,
    })
}

fn key_reports(chain: &Keychain) -> Vec<Json> {
    let report = |r: &tollgate_select::KeyReport| json!({"strategy": r.strategy, "error": r.error.as_deref().unwrap_or(""), "keys_to_try": r.keys_to_try});
    chain.reports.iter().map(report).collect()
}

/// A text of or for a provider without the key it was sent: some repeat it in their errors.
pub(super) fn blotted(text: &str, key: &Key) -> String {
    let secret = key.value.expose_secret();
    if secret.is_empty() { text.to_owned() } else { text.replace(secret, "***") }
}

/// Headers as lists of values; credentials are trimmed, and the key that was sent is blotted out of the others.
fn header_lists(headers: &HeaderMap, blot: &dyn Fn(&str) -> String) -> Json {
    let mut map = Map::new();
    for name in headers.keys() {
        let secret =
            wire::is_client_credential(name.as_str()) || matches!(name.as_str(), "cookie" | "set-cookie");
        let values = headers.get_all(name).iter().map(|value| {
            let text = value.to_str().unwrap_or("");
            Json::from(if secret { trimmed(text) } else { blot(text) })
        });
        map.insert(name.as_str().to_owned(), values.collect::<Vec<_>>().into());
    }
    Json::Object(map)
}

/// A credential as people may see it; its scheme (`Bearer`) is no part of it.
fn trimmed(value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, key)) => format!("{scheme} {}", trim_key(key)),
        None => trim_key(value),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
