//! Actions that let requests pass or refuse them: restrict-ips, rate-limit, basic-auth, circuit-breaker, verify-webhook.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Script};

const CHAT: &str = "/v1/chat/completions";

fn limit(more: Value) -> Value {
    let config = json!({
        "name": "per client", "algorithm": "sliding_window", "capacity": 2, "rate": "60s",
        "bucket_key": ["req.headers['x-who'][0]"],
    });
    json!({"type": "rate-limit", "config": merge(config, more)})
}

fn says(body: &str) -> Value {
    json!({"type": "custom-response", "config": {"body": body}})
}

async fn serve(rules: Value) -> Gateway {
    Gateway::start(&json!({ "on_http_request": rules }).to_string()).await
}

async fn behind(upstream: &str, rules: Value) -> Gateway {
    let policy = json!({ "on_http_request": rules }).to_string();
    Gateway::builder(&policy).args(&["--upstream", upstream]).start().await
}

#[tokio::test]
async fn a_limit_holds_and_says_when_to_come_again() {
    let gateway = serve(json!([limit(json!({})), says("in")])).await;
    for who in ["ann", "bob"] {
        for (h2, status) in [(false, 200), (true, 200), (false, 429), (true, 429)] {
            let ask = get("/").header("x-who", who);
            let answer = gateway.send(if h2 { ask.h2() } else { ask }).await;
            assert_eq!(answer.status, status, "{who}: {}", answer.text());
            if status == 429 {
                let seconds: u64 = answer.header("retry-after").parse().unwrap();
                assert!((1..=60).contains(&seconds), "{seconds}");
                assert_eq!(answer.header("ngrok-error-code"), "");
            }
        }
    }
    let refused = gateway.send(post(CHAT, &names(&["one:m"])).header("x-who", "ann")).await;
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (429, &json!("rate_limit_error")));
    let line = gateway.log_of(&refused).await;
    assert_eq!(line["outcome"], "refused", "{line}");
}

#[tokio::test]
async fn a_limit_that_is_not_enforced_says_what_it_would_do() {
    let said = "${actions.ngrok.rate_limit.limited} ${actions.ngrok.rate_limit.bucket_key}";
    let gateway = serve(json!([limit(json!({"enforce": false})), says(said)])).await;
    for expected in ["false ann", "false ann", "true ann"] {
        let answer = gateway.send(get("/").header("x-who", "ann")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, expected));
    }
}

#[tokio::test]
async fn exactly_as_many_of_a_crowd_are_let_through() {
    let gateway = serve(json!([limit(json!({"capacity": 40})), says("in")])).await;
    let asks = (0..100).map(|_| get("/").header("x-who", "all").send(gateway.addr));
    let mut statuses = Vec::new();
    let running: Vec<_> = asks.map(tokio::spawn).collect();
    for one in running {
        statuses.push(soon(one).await.unwrap().status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 40, "{statuses:?}");
}

#[tokio::test]
async fn a_reload_that_leaves_a_limit_as_it_is_keeps_what_it_counted() {
    let gateway = serve(json!([limit(json!({})), says("in")])).await;
    let ask = || get("/").header("x-who", "ann");
    assert_eq!((gateway.send(ask()).await.status, gateway.send(ask()).await.status), (200, 200));
    let write = |rules: Value| {
        std::fs::write(&gateway.policy, json!({ "on_http_request": rules }).to_string()).unwrap();
    };
    write(json!([{"type": "set-vars", "config": {"vars": [{"a": 1}]}}, limit(json!({})), says("in")]));
    let revision = gateway.wait_reloaded(&gateway.revision).await;
    assert_eq!(gateway.send(ask()).await.status, 429);
    write(json!([limit(json!({"capacity": 3})), says("in")]));
    gateway.wait_reloaded(&revision).await;
    assert_eq!(gateway.send(ask()).await.status, 200, "another limit counts anew");
}

#[tokio::test]
async fn a_breaker_trips_on_answers_of_the_plain_upstream() {
    let echo = EchoServer::start().await;
    let breaker = json!({"type": "circuit-breaker", "config": {"error_threshold": 0, "volume_threshold": 1}});
    let gateway = behind(&echo.url(), json!([breaker])).await;
    assert_eq!(gateway.send(get("/")).await.status, 200);
    let refused = gateway.send(get("/")).await;
    assert_eq!((refused.status, refused.code()), (503, "3202"), "{}", refused.text());
    let line = gateway.log_of(&refused).await;
    assert_eq!(
        (&line["outcome"], &line["error_code"]),
        (&json!("refused"), &json!("ERR_NGROK_3202")),
        "{line}"
    );
}

#[tokio::test]
async fn a_breaker_counts_failures_and_recovers_by_a_probe() {
    let nobody = nobody();
    let config = json!({"error_threshold": 1, "volume_threshold": 2, "tripped_duration": "1s"});
    let breaker = json!({"type": "circuit-breaker", "config": config});
    // A body that a rule reads goes another way than one that passes.
    for reads in [false, true] {
        let rules = match reads {
            false => json!([breaker]),
            true => {
                json!([breaker, {"type": "verify-webhook", "config": {"provider": "github", "secret": "s", "enforce": false}}])
            }
        };
        let gateway = behind(&format!("http://{nobody}"), rules).await;
        for (status, code) in [(502, "3006"), (502, "3006"), (503, "3202")] {
            let answer = gateway.send(post_bytes("/", "body")).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text());
        }
        soon(async { while gateway.send(get("/")).await.status == 503 {} }).await;
        assert_eq!(gateway.send(get("/")).await.status, 503, "the probe failed: open again");
    }
}

#[tokio::test]
async fn a_breaker_before_the_gateway_counts_what_the_providers_say() {
    let one = mock(Script::always(Behaviour::status(500))).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway_action = json!({"type": "ai-gateway", "config": {"providers": [provider]}});
    let breaker = json!({"type": "circuit-breaker", "config": {"error_threshold": 1, "volume_threshold": 1}});
    let gateway = serve(json!([breaker, gateway_action])).await;
    // What the client did wrong is nobody's failure.
    assert_eq!(gateway.send(post_bytes(CHAT, "{")).await.code(), "3801");
    let failed = gateway.send(post(CHAT, &names(&["one:m"]))).await;
    assert_eq!(failed.status, 500, "{}", failed.text());
    assert_eq!(gateway.send(post(CHAT, &names(&["one:m"]))).await.code(), "3202");
    assert_eq!(one.requests().len(), 1);

    one.set_script(Script::default());
    let breaker = json!({"type": "circuit-breaker", "config": {"error_threshold": 1, "volume_threshold": 1}});
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway_action = json!({"type": "ai-gateway", "config": {"providers": [provider]}});
    let gateway = serve(json!([breaker, gateway_action])).await;
    for _ in 0..3 {
        assert_eq!(gateway.send(post(CHAT, &names(&["one:m"]))).await.status, 200);
    }
}

#[tokio::test]
async fn addresses_are_allowed_and_denied() {
    let restrict = |config: Value| json!({"type": "restrict-ips", "config": config});
    let gateway = serve(json!([restrict(json!({"allow": ["127.0.0.0/8"]})), says("in")])).await;
    assert_eq!(gateway.send(get("/")).await.text(), "in");
    let both = json!({"allow": ["127.0.0.0/8"], "deny": ["127.0.0.1/32"]});
    let gateway = serve(json!([restrict(both.clone()), says("in")])).await;
    let refused = gateway.send(get("/").header("x-forwarded-for", "127.0.0.2")).await;
    assert_eq!((refused.status, refused.code()), (403, "3203"), "{}", refused.text());

    let fallback = json!([
        restrict(merge(both.clone(), json!({"enforce": false}))),
        {"expressions": ["actions.ngrok.restrict_ips.action == 'deny'"], "actions": [
            {"type": "basic-auth", "config": {"credentials": ["ann:password1"]}}]},
        says("${actions.ngrok.restrict_ips.matched_cidr}"),
    ]);
    let gateway = serve(fallback).await;
    assert_eq!(gateway.send(get("/")).await.status, 401);
    let known = get("/").header("authorization", "Basic YW5uOnBhc3N3b3JkMQ==");
    assert_eq!(gateway.send(known).await.text(), "127.0.0.1/32");

    let policy = json!({"on_tcp_connect": [restrict(both.clone())], "on_http_request": [says("in")]});
    let gateway = Gateway::start(&policy.to_string()).await;
    let mut connection = RawConnection::open(gateway.addr).await;
    connection.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(connection.answer().await.is_none(), "closed without a word");

    let echo = EchoServer::start().await;
    let policy = json!({"on_http_response": [restrict(both)]}).to_string();
    let gateway = Gateway::builder(&policy).args(&["--upstream", &echo.url()]).start().await;
    let refused = gateway.send(get("/")).await;
    assert_eq!((refused.status, refused.code(), refused.header("x-from")), (403, "3203", ""));
}

#[tokio::test]
async fn names_and_passwords() {
    let action = json!({"type": "basic-auth", "config": {
        "credentials": ["a:b:c12345678", "ann:${secrets.get('demo', 'password')}"], "realm": "the demo",
    }});
    let said = "hello ${actions.ngrok.basic_auth.credentials.username}";
    let policy = json!({"on_http_request": [action, says(said)]}).to_string();
    let gateway =
        Gateway::builder(&policy).env("TOLLGATE_SECRET__DEMO__PASSWORD", "hunter2hunter2").start().await;
    let basic = |encoded: &str| get("/").header("authorization", &format!("Basic {encoded}"));
    for (ask, status, text) in [
        (basic("YTpiOmMxMjM0NTY3OA=="), 200, "hello a"), // a:b:c12345678
        (basic("YW5uOmh1bnRlcjJodW50ZXIy"), 200, "hello ann"), // ann:hunter2hunter2
        (basic("YW5uOmh1bnRlcjJodW50ZXIy").h2(), 200, "hello ann"),
        (basic("YW5uOmh1bnRlcjNodW50ZXIz"), 401, ""), // ann:hunter3hunter3
        (get("/"), 401, ""),
    ] {
        let answer = gateway.send(ask).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        match status {
            200 => assert_eq!(answer.text(), text),
            _ => assert_eq!(
                (answer.header("www-authenticate"), answer.code()),
                ("Basic realm=\"the demo\"", "3401")
            ),
        }
    }
    assert!(!gateway.written().contains("hunter"), "no password is written down");

    let short = json!({"type": "basic-auth", "config": {"credentials": ["ann:1234567"]}});
    let many = json!({"type": "basic-auth", "config": {"credentials": vec!["ann:password1"; 11]}});
    for (action, code) in [(short, "ERR_NGROK_360"), (many, "ERR_NGROK_2218")] {
        let policy = json!({"on_http_request": [action]}).to_string();
        let exit = Gateway::builder(&policy).try_start().await.err().expect("refused at load");
        assert!(exit.stderr.contains(code) && !exit.stderr.contains("1234567 "), "{}", exit.stderr);
    }
}

#[tokio::test]
async fn a_webhook_goes_on_with_the_body_that_was_signed() {
    let echo = EchoServer::start().await;
    let action = json!({"type": "verify-webhook", "config": {"provider": "github", "secret": "It's a Secret to Everybody"}});
    let gateway = behind(&echo.url(), json!([action])).await;
    // The example of GitHub's documentation, "Testing the webhook payload validation".
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    for h2 in [false, true] {
        let ask = post_bytes("/same", "Hello, World!").header("x-hub-signature-256", signature);
        let answer = gateway.send(if h2 { ask.h2() } else { ask }).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "Hello, World!"));
    }
    let forged =
        gateway.send(post_bytes("/same", "Hello, World?").header("x-hub-signature-256", signature)).await;
    assert_eq!((forged.status, forged.code(), forged.header("x-from")), (403, "3204", ""));
}
