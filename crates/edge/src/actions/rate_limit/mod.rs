//! `rate-limit`: refuses requests beyond a number in a time, for each value of some keys.

mod store;
mod window;

pub(crate) use store::{Buckets, LimitStore};
pub(crate) use window::{Limit, Verdict};

use super::bucket_key::Keys;
use super::gate;
use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::{Answer, Fault, format_of};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tollgate_dialect::{UpstreamError, render_provider_error};
use tollgate_expr::Value;
use tollgate_policy::{
    ActionSpec, CelScope, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating,
    format_duration, parse_duration,
};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, cx| {
        let text = |name| config.get(name).and_then(|c| c.as_str()).unwrap_or_default();
        let rate = window(text("rate")).unwrap_or_default();
        let capacity = config.get("capacity").and_then(|c| c.as_u64()).unwrap_or(1).max(1);
        let identity = format!("{}/{capacity}/{}", text("name"), rate.as_millis());
        let keys = config.get("bucket_key").map(|keys| keys.as_list()).unwrap_or_default();
        Ok(Box::new(RateLimit {
            state: cx.state_name(&identity),
            limit: Limit { capacity, rate: u64::try_from(rate.as_millis()).unwrap_or(u64::MAX) },
            keys: Keys::new(keys.iter().filter_map(|key| key.program()), cx.shared.key_salt),
            enforce: config.get("enforce").and_then(|c| c.as_bool()).unwrap_or(true),
            store: Arc::clone(&cx.shared.gates.limits),
        }))
    },
};

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// `rate` is a multiple of so many seconds.
const STEP: u64 = 10;

static SPEC: ActionSpec = ActionSpec {
    name: "rate-limit",
    result_name: "rate_limit",
    summary: "Refuses requests beyond `capacity` within `rate`, for each value of `bucket_key` by itself: 429, with the \
              seconds to wait in `retry-after`.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: &[
        ResultVar::new("bucket_key", Holds::Text, "The values of the keys; those of credentials as a hash."),
        ResultVar::new("limited", Holds::Bool, "Whether the request is beyond the limit."),
        ResultVar::ERROR_CODE,
        ResultVar::ERROR_MESSAGE,
    ],
    differences: &[
        "Refused requests do not count. ngrok does not say whether they do.",
        "`rate: 100/min`, which one guide writes, is read as `60s`, with a warning.",
        "Each process counts for itself.",
    ],
    fields: &[
        Field::required(
            "name",
            Shape::Text,
            "What the limit is called. Its counters outlive a reload that leaves name, `capacity` and `rate` as they are.",
        ),
        Field::required(
            "algorithm",
            Shape::Enum(&["sliding_window"]),
            "How requests are counted. Slots of ten seconds (of a sixtieth of `rate`, when that is longer) leave the \
             window evenly.",
        ),
        Field::required(
            "capacity",
            Shape::Int { min: 1, max: 2_000_000_000 },
            "Requests that are let through within `rate`. Refused ones do not count.",
        ),
        Field::required(
            "rate",
            Shape::Text,
            "The length of the window: a duration from `60s` to `24h`, a multiple of ten seconds.",
        ),
        Field::required(
            "bucket_key",
            Shape::List { item: &Shape::Cel(CelScope::Phase), min: 1, max: 10 },
            "CEL expressions, without `${}`. Requests with the same values share a bucket. Up to a million buckets are \
             kept, in this process; beyond, those used longest ago are forgotten.",
        ),
        Field::optional(
            "enforce",
            Shape::Bool,
            "`false`: nothing is refused; `actions.ngrok.rate_limit.limited` says what would have been.",
        )
        .or("true"),
    ],
    check: Some(check),
    example: "- type: rate-limit\n  config:\n    name: per client\n    algorithm: sliding_window\n    capacity: 30\n    rate: 60s\n    bucket_key:\n      - conn.client_ip\n",
};

/// Longest `name`, in bytes.
const LONGEST_NAME: usize = 1023;

fn check(config: &Config<'_>, checker: &mut Checker) {
    if let Some(name) = config.get("name") {
        let length = name.as_str().map_or(0, str::len);
        if length == 0 {
            let help = Some("give the limit a name".into());
            checker.error(name, "ERR_NGROK_2223", "`name` is empty".into(), help);
        } else if length > LONGEST_NAME {
            let message = format!("`name` has {length} bytes; at most {LONGEST_NAME} are allowed");
            checker.error(name, "ERR_NGROK_2221", message, None);
        }
    }
    let Some(rate) = config.get("rate") else { return };
    let text = rate.as_str().unwrap_or_default();
    let Some(length) = window(text) else {
        let wrong = parse_duration(text).err().unwrap_or_default();
        let help = Some("write \"60s\", \"10m\" or \"1h\"".into());
        return checker.error(rate, "ERR_NGROK_2228", format!("`rate` {wrong}"), help);
    };
    if text.contains('/') {
        let help = format!("write \"{}\"; how many is said by `capacity`", format_duration(length));
        checker.warning(
            rate,
            "ERR_NGROK_2228",
            "`rate` is a duration; only its unit was read".into(),
            Some(help),
        );
    }
    if !(SHORTEST..=LONGEST).contains(&length) {
        let code = if length < SHORTEST { "ERR_NGROK_2237" } else { "ERR_NGROK_2225" };
        let message = format!("`rate` must be from 60s to 24h, not {}", format_duration(length));
        checker.error(rate, code, message, None);
    } else if length.subsec_nanos() > 0 || !length.as_secs().is_multiple_of(STEP) {
        let near = Duration::from_secs((length.as_secs() / STEP * STEP).max(SHORTEST.as_secs()));
        let help = Some(format!("write \"{}\"", format_duration(near)));
        let message = format!("`rate` must be a multiple of 10s, not {}", format_duration(length));
        checker.error(rate, "ERR_NGROK_2215", message, help);
    }
}

/// The length of the window: a duration, or the unit of `100/min`.
fn window(text: &str) -> Option<Duration> {
    let Some((count, unit)) = text.split_once('/') else { return parse_duration(text).ok() };
    count.trim().parse::<u64>().ok()?;
    let seconds = match unit.trim() {
        "s" | "sec" | "second" => 1,
        "m" | "min" | "minute" => 60,
        "h" | "hour" => 60 * 60,
        "d" | "day" => 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

struct RateLimit {
    /// Tells its buckets from those of other limits.
    state: String,
    limit: Limit,
    keys: Keys,
    enforce: bool,
    store: Arc<dyn LimitStore>,
}

fn result(bucket: &str, limited: bool, fault: Option<&Fault>) -> Value {
    gate::results([("bucket_key", bucket.into()), ("limited", limited.into()), gate::error(fault)])
}

#[async_trait]
impl Action for RateLimit {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let found = self.keys.bucket(SPEC.name, &self.state, cx.exchange);
        let (key, shown) = match found {
            Ok(found) => found,
            Err(fault) => {
                cx.exchange.set_result(SPEC.result_name, || result("", false, Some(&fault)));
                return if self.enforce { Err(fault) } else { Ok(Flow::Continue) };
            }
        };
        let verdict = self.store.take(key, self.limit).await;
        let limited = matches!(verdict, Verdict::Limited { .. });
        cx.exchange.set_result(SPEC.result_name, || result(&shown, limited, None));
        match verdict {
            Verdict::Limited { wait } if self.enforce => {
                let request = &cx.exchange.request;
                Ok(Flow::Respond(refusal(request.uri.path(), &request.id, wait.div_ceil(1_000).max(1))))
            }
            _ => Ok(Flow::Continue),
        }
    }
}

/// The language names no code for this answer.
fn refusal(path: &str, request_id: &str, seconds: u64) -> Answer {
    too_many(path, request_id, seconds, format!("Too many requests; try again in {seconds} s"))
}

/// 429 in the client's dialect, with the seconds to wait.
pub(super) fn too_many(path: &str, request_id: &str, seconds: u64, message: String) -> Answer {
    let body = match format_of(path) {
        Some(format) => {
            let said = UpstreamError {
                message,
                kind: Some("rate_limit_error".into()),
                code: Some("rate_limit_exceeded".into()),
                ..UpstreamError::default()
            };
            render_provider_error(format, StatusCode::TOO_MANY_REQUESTS, &said, request_id)
        }
        None => Bytes::from(serde_json::json!({"error": {"message": message}}).to_string()),
    };
    let mut answer = Answer::json(StatusCode::TOO_MANY_REQUESTS, body);
    answer.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

#[cfg(test)]
mod tests;
