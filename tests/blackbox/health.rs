//! Circuit breakers and cooldowns: what is unhealthy comes last, is tried again by one request, and harms nobody else.

use crate::support::*;
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_mock::{Behaviour, Fault, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";
const KEY_MORE: &str = "key-more-ffffffffffffffffffff-6666";

/// Provider `one` does as it is told and has two keys; `two` answers well.
struct Stage {
    one: MockServer,
    two: MockServer,
    gateway: Gateway,
}

impl Stage {
    async fn new(script: Script, more: Value) -> Self {
        let (one, two) = (mock(script).await, mock(Script::default()).await);
        let gateway = Gateway::start(&policy(&one.url(), &two, more)).await;
        Self { one, two, gateway }
    }

    /// `one:MODEL`, then `two:m2`. Gives who answered, and after how many attempts.
    async fn ask(&self, model: &str) -> (String, u64) {
        let answer = self.gateway.send(post(CHAT, &names(&[&format!("one:{model}"), "two:m2"]))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        (answer.header("x-tollgate-model").to_owned(), answer.header("x-tollgate-attempts").parse().unwrap())
    }

    async fn asks(&self, model: &str, times: usize) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        for _ in 0..times {
            all.push(self.ask(model).await);
        }
        all
    }

    async fn provider(&self) -> Value {
        let status = self.gateway.status().await;
        status["providers"].as_array().unwrap().iter().find(|p| p["id"] == "one").cloned().unwrap()
    }

    async fn model(&self, id: &str) -> Value {
        let provider = self.provider().await;
        provider["models"].as_array().unwrap().iter().find(|m| m["id"] == id).cloned().unwrap_or_default()
    }

    /// Waits until something `/status` says of `one` is so.
    async fn until(&self, pointer: &str, wanted: &str) {
        soon(async {
            while self.provider().await.pointer(pointer) != Some(&json!(wanted)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    async fn metric(&self, series: &str) -> String {
        let text = self.gateway.admin("/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("no {series}\n{text}")).trim().to_owned()
    }
}

fn policy(one: &str, two: &MockServer, more: Value) -> String {
    let providers = json!({"providers": [
        custom("one", &format!("{one}/v1"), &[KEY_ONE]),
        custom("two", &format!("{}/v1", two.url()), &[KEY_TWO]),
    ]});
    ai_gateway(merge(providers, more))
}

fn two_keys(one: &MockServer, two: &MockServer, more: Value) -> String {
    let providers = json!({"providers": [
        custom("one", &format!("{}/v1", one.url()), &[KEY_ONE, KEY_MORE]),
        custom("two", &format!("{}/v1", two.url()), &[KEY_TWO]),
    ]});
    ai_gateway(merge(providers, more))
}

fn from_one(model: &str, attempts: u64) -> (String, u64) {
    (format!("one:{model}"), attempts)
}

fn from_two(attempts: u64) -> (String, u64) {
    ("two:m2".to_owned(), attempts)
}

/// Models `bad...` fail with a status.
fn some_fail(status: u16) -> Script {
    Script::default().model("bad*", [Behaviour::status(status)])
}

#[tokio::test]
async fn after_some_failures_a_model_comes_last() {
    let stage = Stage::new(some_fail(503), json!({})).await;
    assert_eq!(stage.asks("bad", 5).await, vec![from_two(2); 5]);
    stage.one.clear_requests();
    assert_eq!(stage.asks("bad", 3).await, vec![from_two(1); 3]);
    assert_eq!(stage.one.requests().len(), 0);
    let model = stage.model("bad").await;
    assert_eq!((&model["breaker"], &model["consecutive_failures"]), (&json!("open"), &json!(5)), "{model}");
    assert!((1..=10).contains(&model["cooldown_seconds"].as_u64().unwrap()), "{model}");
    // Neither its provider nor the provider's other models nor its key are to blame.
    let provider = stage.provider().await;
    assert_eq!((&provider["breaker"], &provider["keys"][0]["breaker"]), (&json!("closed"), &json!("closed")));
    assert_eq!(stage.ask("good").await, from_one("good", 1));
    // It is tried all the same where there is nothing else.
    let alone = stage.gateway.send(post(CHAT, &names(&["one:bad"]))).await;
    assert_eq!((alone.status, stage.one.requests().len()), (503, 2));
    for (series, value) in [
        ("tollgate_breaker_open{provider=\"one\",domain=\"model\"}", "1"),
        ("tollgate_breaker_open{provider=\"one\",domain=\"provider\"}", "0"),
        ("tollgate_breaker_open{provider=\"two\",domain=\"model\"}", "0"),
        ("tollgate_breaker_transitions_total{provider=\"one\",domain=\"model\",to=\"open\"}", "1"),
        ("tollgate_breaker_transitions_total{provider=\"one\",domain=\"provider\",to=\"open\"}", "0"),
    ] {
        assert_eq!(stage.metric(series).await, value, "{series}");
    }
    stage.gateway.err.find("a line", |line| line.contains("circuit breaker opened").then_some(())).await;
    assert!(!stage.gateway.err.text().contains(KEY_ONE));
}

#[tokio::test]
async fn one_request_of_many_tries_what_rested() {
    let more = json!({"health": {"cooldown": "1s", "failure_threshold": 2}});
    let stage = Stage::new(some_fail(500), more).await;
    assert_eq!(stage.asks("bad", 2).await, vec![from_two(2); 2]);
    stage.one.set_script(Script::always(Behaviour::text("well again").after_ms(3000)));
    stage.one.clear_requests();
    stage.until("/models/0/breaker", "half_open").await;
    let body = names(&["one:bad", "two:m2"]);
    let many = futures(8, || stage.gateway.send(post(CHAT, &body))).await;
    let by = |id: &str| many.iter().filter(|a| a.header("x-tollgate-model") == id).count();
    assert_eq!((by("one:bad"), by("two:m2")), (1, 7), "one probe");
    assert!(many.iter().all(|answer| answer.header("x-tollgate-attempts") == "1"));
    assert_eq!(stage.one.requests().len(), 1);
    assert_eq!(stage.model("bad").await["breaker"], "closed");
    stage.one.set_script(Script::default());
    assert_eq!(stage.asks("bad", 2).await, vec![from_one("bad", 1); 2]);
    assert_eq!(stage.metric("tollgate_breaker_open{provider=\"one\",domain=\"model\"}").await, "0");
    for to in ["open", "half_open", "closed"] {
        let series =
            format!("tollgate_breaker_transitions_total{{provider=\"one\",domain=\"model\",to=\"{to}\"}}");
        assert_eq!(stage.metric(&series).await, "1", "{to}");
    }
}

/// `count` requests at once.
async fn futures<F: Future<Output = Answer>>(count: usize, ask: impl Fn() -> F) -> Vec<Answer> {
    let all: Vec<_> = (0..count).map(|_| Box::pin(ask())).collect();
    let mut answers = Vec::new();
    let mut waiting = all;
    std::future::poll_fn(|cx| {
        waiting.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers
}

#[tokio::test]
async fn a_probe_that_says_nothing_is_given_back() {
    let more = json!({"health": {"cooldown": "1s", "failure_threshold": 1}});
    let stage = Stage::new(some_fail(500), more).await;
    assert_eq!(stage.ask("bad").await, from_two(2));
    stage.until("/models/0/breaker", "half_open").await;
    // The client leaves while its request tries.
    stage.one.set_script(Script::always(Behaviour::fault(Fault::Hang)));
    stage.one.clear_requests();
    let mut client = RawConnection::open(stage.gateway.addr).await;
    client.post(CHAT, &names(&["one:bad", "two:m2"])).await;
    soon(async {
        while stage.one.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(stage.ask("bad").await, from_two(1), "somebody else is trying");
    client.leave();
    stage.gateway.wait_idle().await;
    // A request of the client's own making says nothing, and gives the probe back too.
    stage.one.set_script(Script::always(Behaviour::status(400)));
    assert_eq!(stage.ask("bad").await, from_two(2));
    assert_eq!(stage.model("bad").await["breaker"], "half_open");
    stage.one.set_script(Script::always(Behaviour::status(429)));
    assert_eq!(stage.ask("bad").await, from_two(2));
    assert_eq!(stage.model("bad").await["breaker"], "half_open", "a quota says nothing of health");
}

#[tokio::test]
async fn a_used_up_key_is_cooled_for_its_model_and_nothing_else() {
    let limited = Behaviour::status(429).header("retry-after", "60");
    let script = Script::default().when_key(KEY_ONE, [limited]);
    let (one, two) = (mock(script).await, mock(Script::default()).await);
    let gateway = Gateway::start(&two_keys(&one, &two, json!({}))).await;
    let stage = Stage { one, two, gateway };
    assert_eq!(stage.ask("m1").await, from_one("m1", 2));
    assert_eq!(stage.asks("m1", 3).await, vec![from_one("m1", 1); 3]);
    assert!(stage.one.requests().iter().skip(1).all(|r| r.key.as_deref() == Some(KEY_MORE)));
    // Limits are of models, mostly: another one is asked with the first key.
    assert_eq!(stage.ask("m3").await, from_one("m3", 2));
    let provider = stage.provider().await;
    let [first, second] = &provider["keys"].as_array().unwrap()[..] else { panic!("{provider}") };
    assert_eq!((&first["breaker"], &second["breaker"]), (&json!("closed"), &json!("closed")));
    assert_eq!((first.get("cooldown_seconds"), second.get("models_cooling")), (None, None), "{provider}");
    let cooling = first["models_cooling"].as_array().unwrap();
    assert_eq!(cooling.len(), 2, "{provider}");
    assert!((1..=60).contains(&cooling[0]["cooldown_seconds"].as_u64().unwrap()), "{provider}");
    assert_eq!(stage.model("m1").await["breaker"], "closed");
    assert_eq!(stage.model("m1").await.get("cooldown_seconds"), None);
    assert_eq!(stage.metric("tollgate_quota_cooldowns_total{provider=\"one\",domain=\"key\"}").await, "2");
    assert!(stage.two.requests().is_empty());
}

#[tokio::test]
async fn without_a_key_that_is_left_a_provider_comes_last_and_no_breaker_opens() {
    for status in [429, 402] {
        let stage = Stage::new(Script::always(Behaviour::status(status)), json!({})).await;
        assert_eq!(stage.ask("m1").await, from_two(2));
        assert_eq!(stage.ask("m1").await, from_two(1));
        // What is paid for is used up as a whole.
        assert_eq!(stage.ask("other").await, from_two(if status == 402 { 1 } else { 2 }));
        for _ in 0..8 {
            stage.gateway.send(post(CHAT, &names(&["one:m1"]))).await;
        }
        let provider = stage.provider().await;
        assert_eq!((&provider["breaker"], &provider["health"]), (&json!("closed"), &json!("healthy")));
        assert_eq!(stage.model("m1").await["breaker"], "closed");
        assert_eq!(provider["keys"][0]["breaker"], "closed");
        assert_eq!(provider["keys"][0]["cooldown_seconds"].is_u64(), status == 402, "{provider}");
    }
}

#[tokio::test]
async fn a_refused_key_comes_last_for_every_model() {
    let script = Script::default().when_key(KEY_ONE, [Behaviour::status(401)]);
    let (one, two) = (mock(script).await, mock(Script::default()).await);
    let gateway = Gateway::start(&two_keys(&one, &two, json!({}))).await;
    let stage = Stage { one, two, gateway };
    assert_eq!(stage.ask("m1").await, from_one("m1", 2));
    assert_eq!(stage.ask("m1").await, from_one("m1", 1));
    assert_eq!(stage.ask("m3").await, from_one("m3", 1));
    let provider = stage.provider().await;
    assert_eq!(provider["breaker"], "closed");
    assert_eq!(provider["keys"][0]["breaker"], "open", "{provider}");
    assert_eq!(provider["keys"][1]["breaker"], "closed", "{provider}");
    // A 403 may be about the request.
    stage.one.set_script(Script::always(Behaviour::status(403)));
    assert_eq!(stage.ask("m1").await, from_two(3));
    assert_eq!(stage.provider().await["keys"][1]["breaker"], "closed");
}

/// Clients with bad keys of their own do nothing to each other.
#[tokio::test]
async fn keys_of_clients_have_no_health() {
    let script = Script::default()
        .when_key("sk-bad*", [Behaviour::status(401)])
        .when_key("sk-poor*", [Behaviour::status(429)]);
    let one = mock(script).await;
    let mut provider = custom("one", &format!("{}/v1", one.url()), &[]);
    provider.as_object_mut().unwrap().remove("api_keys");
    let two = mock(Script::default()).await;
    let providers = json!({"providers": [provider, custom("two", &format!("{}/v1", two.url()), &[KEY_TWO])]});
    let gateway = Gateway::start(&ai_gateway(providers)).await;
    for key in ["sk-bad-client-0000000000000000", "sk-poor-client-000000000000000"] {
        for _ in 0..7 {
            let answer = gateway.send(post(CHAT, &names(&["one:m1", "two:m2"])).bearer(key)).await;
            assert_eq!(answer.header("x-tollgate-attempts"), "2", "{}", answer.text());
        }
    }
    let good =
        gateway.send(post(CHAT, &names(&["one:m1", "two:m2"])).bearer("sk-good-client-00000000000000")).await;
    assert_eq!(good.header("x-tollgate-model"), "one:m1");
}

#[tokio::test]
async fn what_cannot_be_reached_is_the_providers_own_affair() {
    let two = mock(Script::default()).await;
    let one = mock(Script::default()).await;
    let dead = format!("http://{}", nobody());
    let gateway = Gateway::start(&policy(&dead, &two, json!({}))).await;
    let stage = Stage { one, two, gateway };
    for model in ["a", "b", "c", "d", "e"] {
        assert_eq!(stage.ask(model).await, from_two(2));
    }
    for model in ["a", "f"] {
        assert_eq!(stage.ask(model).await, from_two(1), "{model}");
    }
    let provider = stage.provider().await;
    assert_eq!(
        (&provider["breaker"], &provider["health"]),
        (&json!("open"), &json!("resting")),
        "{provider}"
    );
    assert!(provider["cooldown_seconds"].as_u64().is_some_and(|left| (1..=10).contains(&left)), "{provider}");
    assert!(provider["models"].as_array().unwrap().iter().all(|m| m["breaker"] == "closed"), "{provider}");
}

#[tokio::test]
async fn several_known_models_that_fail_are_the_providers_affair_and_made_up_ones_are_not() {
    let stage = Stage::new(Script::always(Behaviour::status(500)), json!({})).await;
    for n in 0..8 {
        assert_eq!(stage.ask(&format!("made-up-{n}")).await, from_two(2));
    }
    assert_eq!(stage.provider().await["breaker"], "closed");
    let (one, two) = (mock(Script::always(Behaviour::status(500))).await, mock(Script::default()).await);
    let mut provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    provider["models"] = json!([{"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d"}]);
    let providers = json!({"providers": [provider, custom("two", &format!("{}/v1", two.url()), &[KEY_TWO])]});
    let gateway = Gateway::start(&ai_gateway(providers)).await;
    let stage = Stage { one, two, gateway };
    for model in ["a", "b", "a", "b", "c"] {
        assert_eq!(stage.ask(model).await, from_two(2), "{model}");
    }
    assert_eq!(stage.provider().await["breaker"], "open");
    assert_eq!(stage.ask("d").await, from_two(1));
}

#[tokio::test]
async fn answers_that_break_off_count() {
    let cut = Behaviour { fault: Some(Fault::CutAfterChunks(1)), ..Behaviour::chunks(["a ", "b ", "c "]) };
    let stage = Stage::new(Script::always(cut), json!({"health": {"failure_threshold": 3}})).await;
    for _ in 0..3 {
        let body = merge(names(&["one:m1", "two:m2"]), json!({"stream": true}));
        let answer = stage.gateway.send(post(CHAT, &body)).await;
        assert_eq!(answer.header("x-tollgate-model"), "one:m1");
        stage.gateway.log_of(&answer).await;
    }
    assert_eq!(stage.model("m1").await["breaker"], "open");
    assert_eq!(stage.ask("m1").await, from_two(1));
}

#[tokio::test]
async fn a_policy_can_do_without() {
    let stage = Stage::new(some_fail(503), json!({"health": {"enabled": false}})).await;
    assert_eq!(stage.asks("bad", 8).await, vec![from_two(2); 8]);
    assert_eq!(stage.model("bad").await["breaker"], "off");
    assert_eq!(
        (&stage.provider().await["breaker"], &stage.provider().await["health"]),
        (&json!("off"), &json!("failing"))
    );
}

#[tokio::test]
async fn a_new_policy_keeps_what_is_known() {
    let stage = Stage::new(some_fail(503), json!({})).await;
    stage.asks("bad", 5).await;
    std::fs::write(&stage.gateway.policy, policy(&stage.one.url(), &stage.two, json!({"max_attempts": 9})))
        .unwrap();
    let revision = stage.gateway.wait_reloaded(&stage.gateway.revision).await;
    assert_eq!(stage.ask("bad").await, from_two(1));
    // One that does without is not bound by it.
    let off = policy(&stage.one.url(), &stage.two, json!({"health": {"enabled": false}}));
    std::fs::write(&stage.gateway.policy, off).unwrap();
    stage.gateway.wait_reloaded(&revision).await;
    assert_eq!(stage.ask("bad").await, from_two(2));
    // What it does not look at raises no alarm.
    assert_eq!(stage.metric("tollgate_breaker_open{provider=\"one\",domain=\"model\"}").await, "0");
}

#[tokio::test]
async fn expressions_read_it() {
    let (one, two) = (mock(some_fail(503)).await, mock(Script::default()).await);
    let mut provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    provider["models"] = json!([{"id": "bad"}, {"id": "good"}]);
    let more = json!({
        "providers": [provider, custom("two", &format!("{}/v1", two.url()), &[KEY_TWO])],
        "model_selection": {"strategy": [
            "ai.models.filter(m, m.health.healthy && m.health.state != 'open' && m.health.cooldown_seconds == 0 \
             && m.health.failures < 5u && m.health.model == 'closed' && m.health.provider == 'closed')",
        ]},
        "api_key_selection": {"strategy": ["ai.keys.filter(k, k.health.healthy && k.health.state == 'closed')"]},
    });
    let stage = Stage { gateway: Gateway::start(&ai_gateway(more)).await, one, two };
    for _ in 0..5 {
        assert_eq!(stage.gateway.send(post(CHAT, &names(&["one:bad"]))).await.status, 503);
    }
    let filtered = stage.gateway.send(post(CHAT, &names(&["one:bad"]))).await;
    filtered.assert_openai_error(422, "3805");
    assert_eq!(stage.gateway.send(post(CHAT, &names(&["one:good"]))).await.status, 200);
    // A key that is refused is filtered out, and then there is none.
    stage.one.set_script(Script::always(Behaviour::status(401)));
    assert_eq!(stage.gateway.send(post(CHAT, &names(&["one:good"]))).await.status, 401);
    let none = stage.gateway.send(post(CHAT, &names(&["one:good"]))).await;
    assert!(none.text().contains("3808"), "{}", none.text());
}

#[tokio::test]
async fn results_say_why_a_model_came_last() {
    let (one, two) = (mock(some_fail(503)).await, mock(Script::default()).await);
    let mut rules: Value = serde_json::from_str(&policy(&one.url(), &two, json!({}))).unwrap();
    let why = "${size(actions.ngrok.ai_gateway.resting) > 0 ? actions.ngrok.ai_gateway.resting[0].provider + ' ' \
               + actions.ngrok.ai_gateway.resting[0].model + ': ' + actions.ngrok.ai_gateway.resting[0].reason : 'nothing'}";
    rules["on_http_response"] = json!([{"type": "log", "config": {"metadata": {"why": why}}}]);
    let stage = Stage { gateway: Gateway::start(&rules.to_string()).await, one, two };
    let mut said = Vec::new();
    for _ in 0..6 {
        let answer = stage.gateway.send(post(CHAT, &names(&["one:bad", "two:m2"]))).await;
        let line = stage.gateway.log_of(&answer).await;
        said.push(line["traffic_policy"]["logs"][0]["metadata"]["why"].as_str().unwrap().to_owned());
    }
    assert_eq!(said[..5], vec!["nothing"; 5]);
    let reason = "one bad: the model's circuit breaker is open for another ";
    assert!(said[5].starts_with(reason), "{}", said[5]);
}

#[tokio::test]
async fn a_time_that_was_too_short_is_not_the_providers_fault() {
    // The first one uses up nearly all the time for the request; what is left for the second is no chance.
    let slow = Script::default().model("m1", [Behaviour::fault(Fault::Hang)]);
    let (one, two) = (mock(slow).await, mock(Script::always(Behaviour::fault(Fault::Hang))).await);
    let more = json!({
        "per_request_timeout": "1500ms", "total_timeout": "1700ms", "health": {"failure_threshold": 1, "cooldown": "1m"},
    });
    let stage = Stage { gateway: Gateway::start(&policy(&one.url(), &two, more)).await, one, two };
    let answer = stage.gateway.send(post(CHAT, &names(&["one:m1", "two:m2"]))).await;
    stage.gateway.log_of(&answer).await;
    let status = stage.gateway.status().await;
    let breaker = |at: usize| status["providers"][at]["models"][0]["breaker"].clone();
    assert_eq!((breaker(0), breaker(1)), (json!("open"), json!("closed")), "{status}");
}

#[tokio::test]
async fn what_makes_no_sense_is_said_when_the_policy_is_loaded() {
    let dir = Gateway::builder("");
    for (health, code, word) in [
        (json!({"cooldown": "10m"}), Some(1), "max_cooldown"),
        (json!({"failure_share": 2}), Some(1), "failure_share"),
        (json!({"failure_threshold": 0}), Some(1), "failure_threshold"),
        (json!({"probes": 2}), Some(1), "probes"),
        (json!({"enabled": false, "cooldown": "1s"}), Some(0), "has no effect"),
        (
            json!({"enabled": true, "cooldown": "1s", "max_cooldown": "1m", "window": "30s", "min_requests": 5}),
            Some(0),
            "",
        ),
    ] {
        let file = dir.file("p.yml", &ai_gateway(json!({"health": health})));
        let checked = run(&["check", file.to_str().unwrap()]).await;
        assert_eq!(checked.code, code, "{health}: {}{}", checked.stdout, checked.stderr);
        let said = format!("{}{}", checked.stdout, checked.stderr);
        assert!(said.contains(word), "{health}: {said}");
    }
}

/// Some errors say how far a limit reaches: for free models of the account, or for one model whoever asks.
#[tokio::test]
async fn limits_reach_as_far_as_they_say() {
    const B: &str = "sk-or-v1-test-gggggggggggggggggggg-7777";
    let of_kind = |kind: &str| Behaviour { kind: Some(kind.into()), ..Behaviour::default() };
    let script = Script::default()
        .model("*:free", [of_kind("openrouter_free_tier_daily")])
        .model("x/pool", [of_kind("upstream_provider_shared_pool")]);
    let mock = mock(script).await;
    let keys = json!({"api_keys": [{"value": OPENROUTER_KEY}, {"value": B}]});
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [merge(openrouter(&mock), keys)]}))).await;
    let send = async |models: &[&str]| {
        mock.clear_requests();
        let models: Vec<String> = models.iter().map(|model| format!("openrouter:{model}")).collect();
        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        let answer = gateway.send(post(CHAT, &names(&models))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        mock.requests().iter().map(|r| r.json()["model"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(send(&["x/1:free", "x/3"]).await, ["x/1:free", "x/1:free", "x/3"], "both keys");
    assert_eq!(send(&["x/2:free", "x/3"]).await, ["x/3"], "the cap is of all free models");
    assert_eq!(send(&["x/pool", "x/3"]).await.last().unwrap(), "x/3");
    assert_eq!(send(&["x/pool", "x/3"]).await, ["x/3"]);
    let status = gateway.status().await;
    let shown = status["providers"].as_array().unwrap().iter().find(|p| p["id"] == "openrouter").unwrap();
    let pool = shown["models"].as_array().unwrap().iter().find(|m| m["id"] == "x/pool").unwrap();
    assert_eq!(pool["breaker"], "closed");
    assert!(pool["cooldown_seconds"].as_u64().is_some_and(|left| left > 0), "{shown}");
    assert!(shown["keys"].as_array().unwrap().iter().all(|key| key["breaker"] == "closed"), "{shown}");
}
