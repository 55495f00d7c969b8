//! `m.metrics`: the counters as an expression reads them.
//!
//! Scopes `global`, `region`, `account` and `endpoint` show the same numbers: one process knows only its own
//! traffic. A whole path is answered without building the records in between.

use super::model::{ErrorRates, Latency, ModelStats, Window, share};
use std::sync::Arc;
use tollgate_expr::{Map, Object, Value};

/// The scopes that every model has.
const SCOPES: [&str; 4] = ["global", "region", "account", "endpoint"];
/// The fields of a scope.
const FIELDS: [&str; 8] =
    ["provider", "model", "request_count", "start_time", "end_time", "latency", "error_rate", "token"];
const LATENCY: [&str; 8] = [
    "gateway_ms_avg",
    "gateway_ms_p95",
    "upstream_ms_avg",
    "upstream_ms_p95",
    "time_to_first_token_ms_avg",
    "time_to_first_token_ms_p95",
    "time_per_output_token_ms_avg",
    "time_per_output_token_ms_p95",
];
pub(crate) const ERROR_RATE: [&str; 5] = ["total", "timeout", "rate_limit", "client", "server"];
const TOKEN: [&str; 4] = ["provider_input", "provider_output", "estimated_input", "estimated_output"];
pub(crate) const QUOTA: [&str; 4] =
    ["remaining_requests", "remaining_tokens", "limit_requests", "limit_tokens"];

/// `m.metrics`
#[derive(Clone, Debug)]
pub(crate) struct MetricsNode(pub(crate) Arc<ModelStats>);

impl MetricsNode {
    /// Reads below `m.metrics` without an allocation where a number is meant.
    pub(crate) fn read(stats: &Arc<ModelStats>, path: &[&str]) -> Option<Value> {
        match path {
            [] => Some(object(Self(Arc::clone(stats)))),
            [scope] if SCOPES.contains(scope) => Some(object(ScopeNode::all(stats))),
            [scope, rest @ ..] if SCOPES.contains(scope) => scoped(stats, &stats.all, rest),
            ["api_keys"] => Some(object(ApiKeysNode(Arc::clone(stats)))),
            ["api_keys", id, rest @ ..] => {
                let window = stats.api_key(id)?;
                match rest {
                    [] => Some(object(ScopeNode { stats: Arc::clone(stats), key: Some(window) })),
                    ["quota"] => Some(no_quota()),
                    ["quota", name] => QUOTA.contains(name).then_some(Value::Null),
                    rest => scoped(stats, &window, rest),
                }
            }
            _ => None,
        }
    }
}

impl Object for MetricsNode {
    fn field(&self, name: &str) -> Option<Value> {
        Self::read(&self.0, &[name])
    }
    fn fields(&self) -> Vec<Arc<str>> {
        names(&SCOPES).chain(names(&["api_keys"])).collect()
    }
    fn path(&self, path: &[&str]) -> Option<Value> {
        Self::read(&self.0, path)
    }
}

/// `m.metrics.api_keys`: sparse; a key that is not there is an error.
#[derive(Debug)]
struct ApiKeysNode(Arc<ModelStats>);

impl Object for ApiKeysNode {
    fn field(&self, name: &str) -> Option<Value> {
        MetricsNode::read(&self.0, &["api_keys", name])
    }
    fn fields(&self) -> Vec<Arc<str>> {
        self.0.api_key_ids()
    }
}

/// `m.metrics.global` and its like.
#[derive(Debug)]
struct ScopeNode {
    stats: Arc<ModelStats>,
    /// The window of a gateway key; `None` for all traffic.
    key: Option<Arc<Window>>,
}

impl ScopeNode {
    fn all(stats: &Arc<ModelStats>) -> Self {
        Self { stats: Arc::clone(stats), key: None }
    }
}

impl Object for ScopeNode {
    fn field(&self, name: &str) -> Option<Value> {
        self.path(&[name])
    }
    fn fields(&self) -> Vec<Arc<str>> {
        let quota: &[&str] = if self.key.is_some() { &["quota"] } else { &[] };
        names(&FIELDS).chain(names(quota)).collect()
    }
    fn path(&self, path: &[&str]) -> Option<Value> {
        match (&self.key, path) {
            (Some(_), ["quota"]) => Some(no_quota()),
            (Some(_), ["quota", name]) => QUOTA.contains(name).then_some(Value::Null),
            (Some(window), path) => scoped(&self.stats, window, path),
            (None, path) => scoped(&self.stats, &self.stats.all, path),
        }
    }
}

/// Reads below a scope.
fn scoped(stats: &ModelStats, window: &Window, path: &[&str]) -> Option<Value> {
    let now_ms = stats.clock.now_ms();
    match path {
        ["provider"] => Some(Value::String(Arc::clone(&stats.provider))),
        ["model"] => Some(Value::String(Arc::clone(&stats.model))),
        ["request_count"] => {
            Some(Value::UInt(window.totals(now_ms, |slot| slot.outcomes.total()).unwrap_or(0)))
        }
        ["start_time"] => Some(Value::UInt(u64::from(window.span(now_ms).0))),
        ["end_time"] => Some(Value::UInt(u64::from(window.span(now_ms).1))),
        ["latency", name] => latency(window, now_ms, name),
        ["error_rate", name] => error_rate(window, now_ms, name),
        ["token", name] => token(window, now_ms, name),
        ["latency"] => Some(record(&LATENCY, |name| latency(window, now_ms, name))),
        ["error_rate"] => Some(record(&ERROR_RATE, |name| error_rate(window, now_ms, name))),
        ["token"] => Some(record(&TOKEN, |name| token(window, now_ms, name))),
        _ => None,
    }
}

fn latency(window: &Window, now_ms: u64, name: &str) -> Option<Value> {
    let (base, p95) = match name.strip_suffix("_p95") {
        Some(base) => (base, true),
        None => (name.strip_suffix("_avg")?, false),
    };
    let streams = matches!(base, "time_to_first_token_ms" | "time_per_output_token_ms");
    if !streams && !matches!(base, "gateway_ms" | "upstream_ms") {
        return None;
    }
    let read = window.totals(now_ms, |slot| {
        let histogram = match base {
            "gateway_ms" => &slot.gateway,
            "upstream_ms" => &slot.upstream,
            "time_to_first_token_ms" => &slot.first_token,
            _ => &slot.per_token,
        };
        let value = Latency::of(histogram).map(|l| if p95 { l.p95 } else { l.avg });
        (value, slot.outcomes.total())
    });
    Some(match read {
        Some((Some(value), _)) => Value::UInt(u64::from(value)),
        // Null says "no streams"; a model that was never used reads as zero.
        Some((None, attempts)) if attempts > 0 && streams => Value::Null,
        _ => Value::UInt(0),
    })
}

fn error_rate(window: &Window, now_ms: u64, name: &str) -> Option<Value> {
    if !ERROR_RATE.contains(&name) {
        return None;
    }
    let rate = window.totals(now_ms, |slot| {
        let outcomes = &slot.outcomes;
        let part = match name {
            "timeout" => outcomes.timeout,
            "rate_limit" => outcomes.rate_limit,
            "client" => outcomes.client,
            "server" => outcomes.server,
            _ => outcomes.failures(),
        };
        share(part, outcomes.total())
    });
    Some(Value::Double(rate.unwrap_or(0.0)))
}

fn token(window: &Window, now_ms: u64, name: &str) -> Option<Value> {
    if !TOKEN.contains(&name) {
        return None;
    }
    let count = window.totals(now_ms, |slot| match name {
        "provider_input" => slot.provider_input,
        "provider_output" => slot.provider_output,
        "estimated_input" => slot.estimated_input,
        _ => slot.estimated_output,
    });
    Some(Value::UInt(count.unwrap_or(0)))
}

/// One share of failed attempts by its name in expressions.
pub(crate) fn rate_named(rates: &ErrorRates, name: &str) -> Option<Value> {
    Some(Value::Double(match name {
        "total" => rates.total,
        "timeout" => rates.timeout,
        "rate_limit" => rates.rate_limit,
        "client" => rates.client,
        "server" => rates.server,
        _ => return None,
    }))
}

/// A map of the given names.
pub(crate) fn record(fields: &[&str], read: impl Fn(&str) -> Option<Value>) -> Value {
    let map: Map = fields.iter().map(|name| (Arc::from(*name), read(name).unwrap_or(Value::Null))).collect();
    Value::Map(Arc::new(map))
}

/// Names as a record lists them.
pub(crate) fn names<'a>(names: &'a [&'a str]) -> impl Iterator<Item = Arc<str>> + 'a {
    names.iter().map(|name| Arc::from(*name))
}

fn no_quota() -> Value {
    record(&QUOTA, |_| Some(Value::Null))
}

fn object(object: impl Object) -> Value {
    Value::Object(Arc::new(object))
}
