//! OpenRouter's list of models and the accounts behind its keys, read while serving.

use crate::support::*;
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_mock::{Behaviour, Flavour, MockServer, Rule, Script, Surface};

const CHAT: &str = "/v1/chat/completions";

fn listed(models: &Value) -> Script {
    let behaviour = Behaviour { body: Some(json!({"data": models}).to_string()), ..Behaviour::default() };
    of(Surface::Models, behaviour)
}

fn of(surface: Surface, behaviour: Behaviour) -> Script {
    Script::default().rule(Rule { surface: Some(surface), answers: vec![behaviour], ..Rule::default() })
}

fn model(id: &str, prompt: &str, completion: &str) -> Value {
    json!({
        "id": id, "canonical_slug": format!("{id}-20260101"), "name": id, "context_length": 77_777,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Other"},
        "pricing": {"prompt": prompt, "completion": completion, "request": "0", "image": "0"},
        "top_provider": {"context_length": 77_777, "max_completion_tokens": 4096, "is_moderated": false},
        "supported_parameters": ["tools", "max_tokens"], "x_new": {"a": 1},
    })
}

fn models() -> Value {
    json!([
        model("new/cheap", "0.0000001", "0.0000002"),
        model("new/dear", "0.00005", "0.0001"),
        model("openrouter/auto", "-1", "-1"),
        model("new/gratis:free", "0", "0"),
    ])
}

async fn live(mock: &MockServer, strategy: &[&str]) -> Gateway {
    let policy = json!({"providers": [openrouter(mock)], "model_selection": {"strategy": strategy}});
    Gateway::builder(&ai_gateway(policy)).env("TOLLGATE_MODEL_LISTS", "live").start().await
}

fn lists_read(mock: &MockServer) -> usize {
    mock.requests().iter().filter(|r| r.surface == Surface::Models).count()
}

/// Returns once a line of the program's own log has this text.
async fn logged(gateway: &Gateway, text: &str) {
    gateway.err.find(text, |line| line.contains(text).then_some(())).await;
}

/// Returns once the gateway's own list has this model.
async fn wait_listed(gateway: &Gateway, id: &str) -> Value {
    soon(async {
        loop {
            let list = gateway.send(get("/v1/models")).await.json();
            let found = list["data"].as_array().unwrap().iter().find(|model| model["id"] == id).cloned();
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test]
async fn the_first_request_reads_the_list_and_later_ones_know_it() {
    let mock = mock(listed(&models())).await;
    let gateway = live(&mock, &["ai.models.filter(m, m.id.startsWith('new/')).sortBy('price')"]).await;
    // The snapshot has no such models: nothing can be selected yet.
    assert_eq!(lists_read(&mock), 0, "nobody needs it yet");
    let answer = gateway.send(post(CHAT, &prompt())).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    let found = wait_listed(&gateway, "openrouter:new/cheap").await;
    assert_eq!(found["context_length"], 77_777, "{found}");
    assert_eq!(found["pricing"], json!({"prompt": "0.0000001", "completion": "0.0000002"}), "{found}");
    assert_eq!(wait_listed(&gateway, "openrouter:openrouter/auto").await.get("pricing"), None);
    let answer = gateway.send(post(CHAT, &prompt())).await;
    assert_eq!(
        (answer.status, answer.header("x-tollgate-model")),
        (200, "openrouter:new/gratis:free"),
        "{}",
        answer.text()
    );
    let served = async |strategy: &str, name: Option<&str>| {
        let text = std::fs::read_to_string(&gateway.policy).unwrap();
        let mut policy: Value = serde_json::from_str(&text).unwrap();
        policy["on_http_request"][0]["config"]["model_selection"]["strategy"] = json!([strategy]);
        let old = gateway.status().await["revision"].as_str().unwrap().to_owned();
        let changed = policy.to_string();
        if changed != text {
            std::fs::write(&gateway.policy, changed).unwrap();
            gateway.wait_reloaded(&old).await;
        }
        let body = name.map_or_else(prompt, |name| names(&[name]));
        let answer = gateway.send(post(CHAT, &body)).await;
        (answer.status, answer.header("x-tollgate-model").to_owned())
    };
    let ok = |model: &str| (200, format!("openrouter:{model}"));
    // What the list said outlives a change of the policy.
    assert_eq!(served("ai.models.filter(m, m.pricing.input == 50.0)", None).await, ok("new/dear"));
    assert_eq!(served("ai.models.filter(m, m.pricing.output == 0.2)", None).await, ok("new/cheap"));
    // A price that is not known ahead is none, and not a negative one.
    let below = "ai.models.filter(m, m.id == 'openrouter/auto' && m.pricing.input < 1.0)";
    assert_eq!(served(below, Some("openrouter:openrouter/auto")).await.0, 422);
    let unknown = "ai.models.filter(m, m.id == 'openrouter/auto' && m.pricing.input == null)";
    assert_eq!(served(unknown, Some("openrouter:openrouter/auto")).await, ok("openrouter/auto"));
    // The dated name that answers carry is the model too, and is sent as the client wrote it.
    assert_eq!(
        served("ai.models.filter(m, m.max_context_window == 77777)", Some("openrouter:new/dear-20260101"))
            .await
            .0,
        200
    );
    assert_eq!(lists_read(&mock), 1, "it is kept for an hour");
    let read = mock.requests().into_iter().find(|r| r.surface == Surface::Models).unwrap();
    assert_eq!(read.path_and_query, "/openrouter/api/v1/models");
    assert_eq!(read.header("authorization"), "", "the list needs no key");
}

#[tokio::test]
async fn prices_of_the_list_are_what_an_answer_costs() {
    let mock = mock(listed(&models())).await;
    let gateway = live(&mock, &[]).await;
    gateway.send(post(CHAT, &names(&["openrouter:new/dear"]))).await;
    wait_listed(&gateway, "openrouter:new/dear").await;
    let answered = json!({"id": "gen-1", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10}});
    mock.set_script(Script::always(Behaviour { body: Some(answered.to_string()), ..Behaviour::default() }));
    for (name, cost) in [
        ("new/dear", "0.006000"),
        ("new/dear:free", "0.000000"),
        ("new/gratis:free", "0.000000"),
        ("new/dear:batch", "0.003000"),
        ("openrouter/auto", ""),
        ("nobody/knows", ""),
    ] {
        let answer = gateway.send(post(CHAT, &names(&[&format!("openrouter:{name}")]))).await;
        assert_eq!((answer.status, answer.header("x-tollgate-cost-usd")), (200, cost), "{name}");
    }
}

#[tokio::test]
async fn without_a_list_the_snapshot_serves() {
    let broken = |body: &str| Behaviour { body: Some(body.into()), ..Behaviour::default() };
    for (what, behaviour) in [
        ("500", Behaviour::status(500)),
        ("no JSON", broken("<html>")),
        ("another shape", broken(r#"{"models":[]}"#)),
        ("cut", broken(r#"{"data":[{"id":"new/cheap""#)),
        ("no ids", broken(r#"{"data":[{"name":"x"}]}"#)),
        ("a list of nothing", broken(r#"{"data":[]}"#)),
        ("gone", Behaviour::fault(tollgate_mock::Fault::Reset)),
    ] {
        let mock = mock(of(Surface::Models, behaviour)).await;
        let gateway = live(&mock, &["ai.models.filter(m, m.id == 'deepseek/deepseek-r1')"]).await;
        for _ in 0..5 {
            let answer = gateway.send(post(CHAT, &prompt())).await;
            assert_eq!(
                answer.header("x-tollgate-model"),
                "openrouter:deepseek/deepseek-r1",
                "{what}: {}",
                answer.text()
            );
        }
        logged(&gateway, "could not be read").await;
        let answer = gateway.send(post(CHAT, &prompt())).await;
        assert_eq!(answer.status, 200, "{what}");
        // A connection that was reset is tried once more.
        let most = if what == "gone" { 2 } else { 1 };
        assert!((1..=most).contains(&lists_read(&mock)), "{what}: not asked again at once");
    }
}

#[tokio::test]
async fn many_requests_read_one_list() {
    let slow =
        Behaviour { body: Some(json!({"data": models()}).to_string()), ..Behaviour::default() }.after_ms(300);
    let mock = mock(of(Surface::Models, slow)).await;
    let gateway = live(&mock, &[]).await;
    let asks = (0..30).map(|_| gateway.send(post(CHAT, &names(&["openrouter:a/b"]))));
    let answers = futures_join(asks).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    wait_listed(&gateway, "openrouter:new/cheap").await;
    assert_eq!(lists_read(&mock), 1);
}

async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in pinned.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn keys_stay_on_the_status_page_when_the_list_has_come() {
    let mock = mock(listed(&models())).await;
    let policy = ai_gateway(json!({"providers": [openrouter(&mock)]}));
    let gateway = Gateway::builder(&policy).env("TOLLGATE_MODEL_LISTS", "live").start().await;
    assert_eq!(gateway.send(post(CHAT, &names(&["openrouter:a/b"]))).await.status, 200);
    wait_listed(&gateway, "openrouter:new/cheap").await;
    let status = gateway.status().await;
    let providers = status["providers"].as_array().unwrap();
    let shown = providers.iter().find(|provider| provider["id"] == "openrouter").unwrap();
    assert_eq!(shown["keys"].as_array().map(Vec::len), Some(1), "{shown}");
}

#[tokio::test]
async fn lists_can_be_turned_off() {
    let mock = mock(listed(&models())).await;
    let policy = ai_gateway(json!({"providers": [openrouter(&mock)]}));
    for builder in [
        Gateway::builder(&policy).env("TOLLGATE_MODEL_LISTS", "live").args(&["--model-lists", "embedded"]),
        Gateway::builder(&policy),
    ] {
        let gateway = builder.start().await;
        assert_eq!(gateway.send(post(CHAT, &names(&["openrouter:a/b"]))).await.status, 200);
        gateway.wait_idle().await;
        assert_eq!(lists_read(&mock), 0);
    }
}

/// The account of OpenRouter's key on the status page.
fn account(status: &Value) -> Value {
    let providers = status["providers"].as_array().unwrap();
    let shown = providers.iter().find(|provider| provider["id"] == "openrouter").unwrap();
    shown["keys"][0]["account"].clone()
}

#[tokio::test]
async fn the_status_page_shows_the_account_and_asks_once_a_minute() {
    let mock = mock(Script::default().accept_key(Flavour::OpenRouter, OPENROUTER_KEY)).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [openrouter(&mock)]}))).await;
    gateway.send(post(CHAT, &names(&["openrouter:a/b"]))).await;
    mock.clear_requests();
    for _ in 0..3 {
        let status = gateway.status().await;
        assert_eq!(
            account(&status),
            json!({
                "exhausted": false, "limit_usd": 100.0, "limit_remaining_usd": 74.5, "limit_reset": "monthly", "usage_usd": 25.5,
                "free_tier": false, "balance_usd": 74.75,
            })
        );
        let page = status.to_string();
        assert!(
            !page.contains(OPENROUTER_KEY) && !page.contains("sk-or-v1-..."),
            "neither key nor label: {page}"
        );
    }
    let mut asked: Vec<String> = mock.requests().into_iter().map(|r| r.path_and_query).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["/openrouter/api/v1/credits", "/openrouter/api/v1/key"]);
    assert!(!gateway.written().contains(OPENROUTER_KEY));
}

#[tokio::test]
async fn many_who_look_at_once_ask_once_and_wait_for_all_keys_together() {
    let rule = |surface| Rule {
        surface: Some(surface),
        answers: vec![Behaviour::default().after_ms(700)],
        ..Rule::default()
    };
    let script = Script::default().rule(rule(Surface::Key)).rule(rule(Surface::Credits));
    let mock = mock(script).await;
    let keys: Vec<Value> = (0..6).map(|n| json!({"value": format!("sk-or-v1-test-{n}-1")})).collect();
    let provider = merge(openrouter(&mock), json!({"api_keys": keys}));
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    gateway.send(post(CHAT, &names(&["openrouter:a/b"]))).await;
    mock.clear_requests();
    let started = std::time::Instant::now();
    let pages = futures_join((0..8).map(|_| gateway.status())).await;
    assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
    assert!(pages.iter().all(|page| account(page)["limit_remaining_usd"] == 74.5), "{pages:?}");
    let asked = mock.requests();
    for (surface, path) in [(Surface::Key, "/key"), (Surface::Credits, "/credits")] {
        assert_eq!(asked.iter().filter(|r| r.surface == surface).count(), 6, "{path} once for each key");
    }
    // A web page whose name was made to point here learns nothing and causes nothing.
    mock.clear_requests();
    let tcp = tokio::net::TcpStream::connect(gateway.admin).await.unwrap();
    let answer = soon(get("/status").over(tcp, "http://rebound.example")).await.answer().await;
    assert_eq!((answer.status, mock.requests().len()), (421, 0));
}

#[tokio::test]
async fn accounts_that_are_used_up_unlimited_or_unknown() {
    let data =
        |data: Value| Behaviour { body: Some(json!({"data": data}).to_string()), ..Behaviour::default() };
    let rule =
        |surface, behaviour| Rule { surface: Some(surface), answers: vec![behaviour], ..Rule::default() };
    let credits = |total: f64, used: f64| data(json!({"total_credits": total, "total_usage": used}));
    for (what, key, credits, exhausted, shown) in [
        (
            "used up",
            data(json!({"limit": 10, "limit_remaining": 0, "usage": 10})),
            credits(50.0, 10.0),
            json!(true),
            json!({"limit_usd": 10.0, "limit_remaining_usd": 0.0, "balance_usd": 40.0}),
        ),
        (
            "no limit",
            data(json!({"limit": null, "limit_remaining": null, "limit_reset": null, "usage": 3})),
            credits(50.0, 10.0),
            json!(false),
            json!({"limit_usd": null, "limit_remaining_usd": null, "limit_reset": null, "balance_usd": 40.0}),
        ),
        (
            "in debt",
            data(json!({"limit": null})),
            credits(5.0, 5.5),
            json!(true),
            json!({"balance_usd": -0.5}),
        ),
        (
            "no word of the balance",
            data(json!({"limit": null, "usage": 3})),
            Behaviour::status(403),
            json!(false),
            json!({"balance_usd": null, "error": null, "usage_usd": 3.0}),
        ),
        (
            "refused",
            Behaviour::status(401),
            Behaviour::status(401),
            json!(false),
            json!({"limit_usd": null, "error": "status 401"}),
        ),
    ] {
        let script = Script::default().rule(rule(Surface::Key, key)).rule(rule(Surface::Credits, credits));
        let mock = mock(script).await;
        let gateway = Gateway::start(&ai_gateway(json!({"providers": [openrouter(&mock)]}))).await;
        gateway.send(post(CHAT, &names(&["openrouter:a/b"]))).await;
        let account = account(&gateway.status().await);
        assert_eq!(account["exhausted"], exhausted, "{what}: {account}");
        for (name, value) in shown.as_object().unwrap() {
            assert_eq!(account.get(name).unwrap_or(&Value::Null), value, "{what} {name}: {account}");
        }
    }
}

/// A policy with OpenRouter, OpenAI and Anthropic, whose answers report tokens and no cost.
async fn natives(lists: &str, more: Value) -> (MockServer, Gateway) {
    let entry = |id: &str, prompt: &str, completion: &str, change: Value| {
        let mut entry = merge(model(id, prompt, completion), change);
        entry["pricing"]["input_cache_read"] = json!("0.000001");
        entry
    };
    let listed_models = json!([
        entry("openai/gpt-4o", "0.000002", "0.000008", json!({})),
        entry("openai/gpt-4o:free", "0", "0", json!({})),
        // A hundred times less than it is.
        entry("openai/gpt-4.1", "0.00000002", "0.000008", json!({})),
        // Nothing, for what costs something.
        entry("openai/gpt-4.1-mini", "0", "0", json!({})),
        // Weights that anybody serves, at whatever price.
        entry(
            "openai/gpt-4o-mini",
            "0.0000001",
            "0.0000004",
            json!({"hugging_face_id": "openai/gpt-4o-mini"})
        ),
    ]);
    let mock = mock(listed(&listed_models)).await;
    let native = merge(openai(&mock), more);
    let policy = json!({"providers": [openrouter(&mock), native]});
    let gateway = Gateway::builder(&ai_gateway(policy)).env("TOLLGATE_MODEL_LISTS", lists).start().await;
    // This asks for the list, and knows it when it has come.
    gateway.send(post(CHAT, &names(&["openrouter:openai/gpt-4o"]))).await;
    wait_listed_at(&gateway, "openrouter:openai/gpt-4o", "0.000002").await;
    let answered = json!({"id": "x", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100}});
    mock.set_script(Script::always(Behaviour { body: Some(answered.to_string()), ..Behaviour::default() }));
    (mock, gateway)
}

/// Returns once the gateway's own list has this price for the prompt of this model.
async fn wait_listed_at(gateway: &Gateway, id: &str, prompt: &str) -> Value {
    soon(async {
        loop {
            let list = gateway.send(get("/v1/models")).await.json();
            let found = list["data"].as_array().unwrap().iter().find(|model| model["id"] == id).cloned();
            if let Some(found) = found.filter(|found| found["pricing"]["prompt"] == prompt) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

async fn cost_of(gateway: &Gateway, model: &str) -> String {
    gateway.send(post(CHAT, &names(&[model]))).await.header("x-tollgate-cost-usd").to_owned()
}

#[tokio::test]
async fn the_list_updates_what_authors_ask_for_their_own_models() {
    let (_mock, gateway) = natives("live", json!({})).await;
    let found = wait_listed_at(&gateway, "openai:gpt-4o", "0.000002").await;
    let source = &found["pricing_source"];
    assert!(source["source"].as_str().unwrap().contains("OpenRouter"), "{found}");
    assert_eq!(source["as_of"].as_str().unwrap().len(), 10, "{found}");
    // Of what the list says of others, nothing is taken: neither of variants, nor what cannot be, nor of open weights.
    let builtin = |input: f64, output: f64| format!("{:.6}", (1000.0 * input + 100.0 * output) / 1e6);
    for (name, expected) in [
        ("openai:gpt-4o", builtin(2.0, 8.0)),
        ("openai:gpt-4.1", builtin(2.0, 8.0)),
        ("openai:gpt-4.1-mini", builtin(0.4, 1.6)),
        ("openai:gpt-4o-mini", builtin(0.15, 0.6)),
        ("openrouter:openai/gpt-4.1", builtin(0.02, 8.0)),
    ] {
        assert_eq!(cost_of(&gateway, name).await, expected, "{name}");
    }
    let unbelieved = |lines: &[String]| {
        let of = |model: &str| {
            lines.iter().filter(|line| line.contains("is not believed") && line.contains(model)).count()
        };
        (of("gpt-4.1"), of("gpt-4.1-mini"), of("gpt-4o"))
    };
    gateway.err.wait("two warnings", |lines| (unbelieved(lines) == (2, 1, 0)).then_some(())).await;
}

#[tokio::test]
async fn strategies_see_the_prices_of_authors_too() {
    let (mock, gateway) = natives("live", json!({})).await;
    wait_listed_at(&gateway, "openai:gpt-4o", "0.000002").await;
    let text = std::fs::read_to_string(&gateway.policy).unwrap();
    let mut policy: Value = serde_json::from_str(&text).unwrap();
    let config = &mut policy["on_http_request"][0]["config"];
    config["model_selection"] = json!({"strategy": ["ai.models.filter(m, m.provider_id == 'openai' && m.pricing.output == 8.0 && m.id.startsWith('gpt-4o'))"]});
    let old = gateway.status().await["revision"].as_str().unwrap().to_owned();
    std::fs::write(&gateway.policy, policy.to_string()).unwrap();
    gateway.wait_reloaded(&old).await;
    mock.clear_requests();
    let answer = gateway.send(post(CHAT, &prompt())).await;
    assert_eq!(answer.header("x-tollgate-model"), "openai:gpt-4o", "{}", answer.text());
}

#[tokio::test]
async fn a_policys_prices_and_the_setting_win_over_the_list() {
    let own = json!({"models": [{"id": "gpt-4o", "pricing": {"input": 7}}]});
    let (_mock, gateway) = natives("live", own).await;
    // The price of the answer is not the policy's: there the list counts.
    assert_eq!(cost_of(&gateway, "openai:gpt-4o").await, "0.007800");
    let found = wait_listed_at(&gateway, "openai:gpt-4o", "0.000007").await;
    assert!(found["pricing_source"]["source"].as_str().unwrap().starts_with("the policy"), "{found}");
    let (_mock, gateway) = natives("openrouter", json!({})).await;
    assert_eq!(cost_of(&gateway, "openai:gpt-4o").await, "0.003500");
    assert_eq!(cost_of(&gateway, "openrouter:openai/gpt-4o").await, "0.002800");
}
