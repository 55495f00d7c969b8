//! `circuit-breaker`: refuses requests while the upstream fails too often.

mod breaker;

use self::breaker::{Breaker, Permit, Settings};
use super::gate;
use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::Fault;
use crate::clock::Clock;
use crate::watch::Watch;
use async_trait::async_trait;
use foldhash::HashMap;
use http::StatusCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tollgate_policy::{ActionSpec, Field, Phase, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, cx| {
        let millis = |name| {
            let length = config.get(name).and_then(|c| c.as_duration()).unwrap_or(TEN_SECONDS);
            u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
        };
        let settings = Settings {
            error_threshold: config.get("error_threshold").and_then(|c| c.as_f64()).unwrap_or(0.5),
            volume_threshold: config.get("volume_threshold").and_then(|c| c.as_u64()).unwrap_or(10),
            window: millis("window_duration"),
            tripped: millis("tripped_duration"),
        };
        let enforce = config.get("enforce").and_then(|c| c.as_bool()).unwrap_or(true);
        let identity = format!("{}/{settings:?}", cx.rule.unwrap_or_default());
        let gate = Gate {
            state: cx.state_name(&identity),
            settings,
            breakers: cx.shared.gates.breakers.clone(),
            breaker: OnceLock::new(),
        };
        Ok(Box::new(CircuitBreaker(enforce.then_some(gate))))
    },
};

const TEN_SECONDS: Duration = Duration::from_secs(10);
const DURATION: Shape = Shape::Duration { min: Duration::from_secs(1), max: Duration::from_secs(120) };

static SPEC: ActionSpec = ActionSpec {
    name: "circuit-breaker",
    result_name: "circuit_breaker",
    summary: "Refuses requests with 503 while the upstream fails too often. A status of 500 or more is a failure, and so \
              is no answer at all; of an `ai-gateway`, that every provider failed. What rules answer themselves does not \
              count.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: &[],
    differences: &["After `tripped_duration` one request at a time is let through to see how the upstream is; ngrok does not say how it finds out.", "Each process counts for itself."],
    fields: &[
        Field::optional(
            "error_threshold",
            Shape::Float { min: 0.0, max: 1.0 },
            "It trips when at least this share of the answers in the window were failures.",
        )
        .or("0.5"),
        Field::optional(
            "volume_threshold",
            Shape::Int { min: 1, max: 2_000_000_000 },
            "It does not trip on fewer answers than these.",
        )
        .or("10"),
        Field::optional("window_duration", DURATION, "How far back answers count.").or("10s"),
        Field::optional(
            "tripped_duration",
            DURATION,
            "How long it refuses requests. Then it lets one through to see: if that fails, it refuses for as long again; \
             if not, it begins anew.",
        )
        .or("10s"),
        Field::optional("num_buckets", Shape::Int { min: 10, max: 10 }, "Slices of the window: always ten.")
            .or("10"),
        Field::optional("enforce", Shape::Bool, "`false`: it counts nothing and refuses nothing.").or("true"),
    ],
    check: None,
    example: "- type: circuit-breaker\n  config:\n    error_threshold: 0.5\n    volume_threshold: 20\n    tripped_duration: 30s\n",
};

/// The breakers of a process. A reload finds those of actions that are the same.
#[derive(Clone)]
pub(crate) struct Breakers {
    all: Arc<Mutex<HashMap<String, Arc<Breaker>>>>,
    clock: Arc<dyn Clock>,
}

impl Breakers {
    /// None yet.
    #[must_use]
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { all: Arc::default(), clock }
    }

    fn get(&self, name: String, settings: Settings) -> Arc<Breaker> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of policies that are gone, once there is nothing in them to be kept.
        all.retain(|_, breaker| Arc::strong_count(breaker) > 1 || !breaker.is_idle());
        let new = || Arc::new(Breaker::new(settings, Arc::clone(&self.clock)));
        Arc::clone(all.entry(name).or_insert_with(new))
    }
}

/// Nothing inside when it is not to be enforced.
struct CircuitBreaker(Option<Gate>);

struct Gate {
    /// Tells its breaker from those of other actions.
    state: String,
    settings: Settings,
    breakers: Breakers,
    /// Found with the first request, which knows the endpoint. A policy that is built serves one.
    breaker: OnceLock<Arc<Breaker>>,
}

impl Watch for Permit {
    fn answered(self: Box<Self>, status: StatusCode) {
        Self::answered(*self, status.is_server_error());
    }

    fn failed(&mut self) {
        Self::failed(self);
    }
}

#[async_trait]
impl Action for CircuitBreaker {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let Some(gate) = &self.0 else { return Ok(Flow::Continue) };
        let breaker = gate.breaker.get_or_init(|| {
            let name = format!("{}/{}", cx.exchange.endpoint.id, gate.state);
            gate.breakers.get(name, gate.settings)
        });
        if let Some(permit) = breaker.admit() {
            cx.exchange.watches.add(Box::new(permit));
            return Ok(Flow::Continue);
        }
        let fault = Fault {
            code: 3202,
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "the upstream fails too often; requests are refused for a while".into(),
        };
        Ok(Flow::Respond(gate::refused(cx.exchange, &fault)))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Tested, loads};
    use http::StatusCode;
    use std::time::Duration;

    fn policy(config: &str) -> String {
        format!("on_http_request:\n  - type: circuit-breaker\n    config: {{{config}}}\n")
    }

    /// Sends a request that an upstream answers like this; whether it got that far.
    async fn ask(tested: &Tested, answer: Option<u16>) -> bool {
        let mut run = tested.run("GET / HTTP/1.1\r\n\r\n").await;
        match run.status() {
            None => match answer {
                Some(status) => run.exchange.watches.answered(StatusCode::from_u16(status).unwrap()),
                None => run.exchange.watches.failed(),
            },
            Some(status) => {
                assert_eq!((status, run.error_code()), (503, Some(3202)));
                return false;
            }
        }
        true
    }

    #[tokio::test]
    async fn a_share_of_nothing_trips_on_the_first_answer() {
        let tested = Tested::new(&policy("error_threshold: 0, volume_threshold: 1"));
        assert!(ask(&tested, Some(200)).await);
        assert!(!ask(&tested, Some(200)).await);
    }

    #[tokio::test]
    async fn five_hundreds_and_silence_are_failures_and_the_rest_is_not() {
        for (answer, trips) in
            [(Some(500), true), (Some(503), true), (None, true), (Some(200), false), (Some(429), false)]
        {
            let tested = Tested::new(&policy("error_threshold: 1, volume_threshold: 2"));
            assert!(ask(&tested, answer).await && ask(&tested, answer).await);
            assert_eq!(!ask(&tested, answer).await, trips, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn what_a_rule_answers_does_not_count() {
        let config = "error_threshold: 0, volume_threshold: 1";
        let answered = format!("{}  - type: deny\n    config: {{status_code: 500}}\n", policy(config));
        let tested = Tested::new(&answered);
        for _ in 0..5 {
            assert_eq!(tested.run("GET / HTTP/1.1\r\n\r\n").await.error_code(), None);
        }
    }

    #[tokio::test]
    async fn it_recovers_by_a_probe() {
        let tested = Tested::new(&policy("error_threshold: 1, volume_threshold: 1, tripped_duration: 20s"));
        assert!(ask(&tested, None).await);
        assert!(!ask(&tested, None).await);
        tested.wait(Duration::from_secs(19));
        assert!(!ask(&tested, None).await);
        tested.wait(Duration::from_secs(1));
        assert!(ask(&tested, Some(200)).await);
        assert!(ask(&tested, Some(200)).await);
    }

    #[tokio::test]
    async fn its_state_outlives_a_reload_that_leaves_it_as_it_is() {
        let config = "error_threshold: 1, volume_threshold: 1";
        let mut tested = Tested::new(&policy(config));
        assert!(ask(&tested, Some(500)).await);
        tested.reload(&format!("on_http_response: []\n{}", policy(config)));
        assert!(!ask(&tested, Some(500)).await);
        tested.reload(&policy("error_threshold: 1, volume_threshold: 2"));
        assert!(ask(&tested, Some(500)).await, "another one");
    }

    #[tokio::test]
    async fn two_alike_have_a_state_each() {
        let config = "error_threshold: 0, volume_threshold: 1";
        let rule = |path: &str| {
            format!(
                "  - expressions: [\"req.url.path == '{path}'\"]\n    actions:\n      - type: circuit-breaker\n        config: {{{config}}}\n"
            )
        };
        let tested = Tested::new(&format!("on_http_request:\n{}{}", rule("/a"), rule("/b")));
        for path in ["/a", "/b"] {
            let head = format!("GET {path} HTTP/1.1\r\n\r\n");
            let mut run = tested.run(&head).await;
            assert_eq!(run.status(), None, "{path}");
            run.exchange.watches.answered(StatusCode::OK);
            assert_eq!(tested.run(&head).await.status(), Some(503), "{path}");
        }
    }

    #[tokio::test]
    async fn without_enforce_it_does_nothing() {
        let tested = Tested::new(&policy("error_threshold: 0, volume_threshold: 1, enforce: false"));
        for _ in 0..5 {
            assert!(ask(&tested, Some(500)).await);
        }
    }

    #[test]
    fn what_is_wrong_is_refused_at_load() {
        for (config, code) in [
            ("error_threshold: 1.1", "ERR_NGROK_2215"),
            ("error_threshold: -0.1", "ERR_NGROK_2215"),
            ("error_threshold: half", "ERR_NGROK_2203"),
            ("volume_threshold: 0", "ERR_NGROK_2215"),
            ("volume_threshold: 2000000001", "ERR_NGROK_2215"),
            ("window_duration: 500ms", "ERR_NGROK_2215"),
            ("window_duration: 3m", "ERR_NGROK_2225"),
            ("tripped_duration: 121s", "ERR_NGROK_2225"),
            ("tripped_duration: 10", "ERR_NGROK_2228"),
            ("num_buckets: 11", "ERR_NGROK_2215"),
            ("enforce: maybe", "ERR_NGROK_2203"),
            ("threshold: 1", "ERR_NGROK_2203"),
        ] {
            let said = loads(&policy(config)).expect_err(config);
            assert!(said.contains(code), "{config}: {said}");
        }
        assert!(loads("on_http_request:\n  - type: circuit-breaker\n").is_ok());
        assert!(loads("on_http_response:\n  - type: circuit-breaker\n").is_err());
    }
}
