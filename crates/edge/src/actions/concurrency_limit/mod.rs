//! `concurrency-limit`: serves so many requests at once for each value of some keys; others wait in a line.

use super::bucket_key::Keys;
use super::gate;
use super::rate_limit::too_many;
use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::Fault;
use crate::exchange::Ending;
use crate::load::{Asker, NoPlace, Places, admitted, retry_after};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tollgate_expr::Value;
use tollgate_observe::{Metrics, Queue};
use tollgate_policy::{
    ActionSpec, CelScope, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating,
};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, cx| {
        let name = config.get("name").and_then(|c| c.as_str()).unwrap_or_default();
        let keys = config.get("bucket_key").map(|keys| keys.as_list()).unwrap_or_default();
        let queue = config.get("queue");
        let queue = |field| queue.as_ref().and_then(|queue| queue.get(field));
        Ok(Box::new(ConcurrencyLimit {
            state: cx.state_name(&format!("{} {name}", SPEC.name)),
            places: config.get("max_in_flight").and_then(|c| c.as_u64()).unwrap_or(1).max(1),
            keys: Keys::new(keys.iter().filter_map(|key| key.program()), cx.shared.key_salt),
            longest: queue("size")
                .and_then(|c| c.as_u64())
                .map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            patience: queue("timeout").and_then(|c| c.as_duration()).unwrap_or(PATIENCE),
            enforce: config.get("enforce").and_then(|c| c.as_bool()).unwrap_or(true),
            all: Arc::clone(&cx.shared.gates.places),
            metrics: Arc::clone(&cx.shared.metrics),
        }))
    },
};

/// How long a request waits, unless the policy says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest `name`, in bytes.
const LONGEST_NAME: usize = 1023;

const QUEUE: &[Field] = &[
    Field::required("size", Shape::Int { min: 1, max: 100_000 }, "Requests of one bucket that may wait."),
    Field::optional(
        "timeout",
        Shape::Duration { min: Duration::from_millis(10), max: Duration::from_secs(300) },
        "How long one may wait.",
    )
    .or("5s"),
];

static SPEC: ActionSpec = ActionSpec {
    name: "concurrency-limit",
    result_name: "concurrency_limit",
    summary: "Serves at most `max_in_flight` requests at once for each value of `bucket_key`. Others wait in `queue`, first come, \
              first served; who finds it full or waits too long gets 429, with the seconds to wait in `retry-after`.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: &[
        ResultVar::new("bucket_key", Holds::Text, "The values of the keys; those of credentials as a hash."),
        ResultVar::new("limited", Holds::Bool, "Whether there was no place for the request."),
        ResultVar::ERROR_CODE,
        ResultVar::ERROR_MESSAGE,
    ],
    differences: &[
        "Tollgate's own action; ngrok has none like it.",
        "A request keeps its place until the last byte of its answer has been sent, or its client has left. Refused requests take none.",
        "Each process counts for itself.",
    ],
    fields: &[
        Field::required(
            "name",
            Shape::Text,
            "What the limit is called. Its places outlive a reload that leaves the name as it is.",
        ),
        Field::required(
            "max_in_flight",
            Shape::Int { min: 1, max: 1_000_000 },
            "Requests of one bucket that are served at once.",
        ),
        Field::required(
            "bucket_key",
            Shape::List { item: &Shape::Cel(CelScope::Phase), min: 1, max: 10 },
            "CEL expressions, without `${}`. Requests with the same values share a bucket, which is kept while one of them is \
             served or waits.",
        ),
        Field::optional("queue", Shape::Object(QUEUE), "Where requests wait. Without it, none waits."),
        Field::optional(
            "enforce",
            Shape::Bool,
            "`false`: nothing waits or is refused; `actions.ngrok.concurrency_limit.limited` says what would have been.",
        )
        .or("true"),
    ],
    check: Some(check),
    example: "- type: concurrency-limit\n  config:\n    name: per client\n    max_in_flight: 8\n    bucket_key:\n      - conn.client_ip\n    queue:\n      size: 16\n      timeout: 5s\n",
};

fn check(config: &Config<'_>, checker: &mut Checker) {
    let Some(name) = config.get("name") else { return };
    let length = name.as_str().map_or(0, str::len);
    if length == 0 {
        checker.error(name, "ERR_NGROK_2223", "`name` is empty".into(), Some("give the limit a name".into()));
    } else if length > LONGEST_NAME {
        let message = format!("`name` has {length} bytes; at most {LONGEST_NAME} are allowed");
        checker.error(name, "ERR_NGROK_2221", message, None);
    }
}

struct ConcurrencyLimit {
    /// Tells its buckets from those of other limits.
    state: String,
    places: u64,
    keys: Keys,
    longest: usize,
    patience: Duration,
    enforce: bool,
    all: Arc<Places>,
    metrics: Arc<Metrics>,
}

fn result(bucket: &str, limited: bool, fault: Option<&Fault>) -> Value {
    gate::results([("bucket_key", bucket.into()), ("limited", limited.into()), gate::error(fault)])
}

#[async_trait]
impl Action for ConcurrencyLimit {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let (key, shown) = match self.keys.bucket(SPEC.name, &self.state, cx.exchange) {
            Ok(found) => found,
            Err(fault) => {
                cx.exchange.set_result(SPEC.result_name, || result("", false, Some(&fault)));
                return if self.enforce { Err(fault) } else { Ok(Flow::Continue) };
            }
        };
        // Without `enforce` there are always places: it is only said when there would be none.
        let longest = if self.enforce { self.longest } else { 0 };
        let asked = self.all.ask(Asker { key, places: self.places, longest });
        let got =
            admitted(asked, self.patience, cx.client, &self.metrics, self.enforce.then_some(Queue::Key))
                .await;
        cx.exchange.set_result(SPEC.result_name, || result(&shown, got.is_err(), None));
        match got {
            Ok(place) => cx.exchange.places.push(place),
            Err(NoPlace::Gone) => {
                cx.exchange.record.outcome = Ending::ClientGone;
                return Ok(Flow::Answered);
            }
            Err(NoPlace::Full | NoPlace::Late) if self.enforce => {
                let seconds = retry_after(self.patience);
                let message = format!(
                    "Too many requests at once: {} are being served; try again in {seconds} s",
                    self.places
                );
                let request = &cx.exchange.request;
                return Ok(Flow::Respond(too_many(request.uri.path(), &request.id, seconds, message)));
            }
            Err(NoPlace::Full | NoPlace::Late) => {}
        }
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests;
