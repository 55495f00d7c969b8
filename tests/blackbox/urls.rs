//! Actions that change URLs: redirect, url-rewrite.

use crate::support::*;
use serde_json::{Value, json};

fn action(kind: &str, config: Value) -> Value {
    json!({"type": kind, "config": config})
}

fn says(body: &str) -> Value {
    action("custom-response", json!({ "body": body }))
}

async fn serve(rules: Value) -> Gateway {
    Gateway::start(&json!({ "on_http_request": rules }).to_string()).await
}

#[tokio::test]
async fn a_redirect_changes_what_matches_and_else_lets_pass() {
    let redirect = action("redirect", json!({"from": "/v1/", "to": "/v2/", "headers": {"x-why": "moved"}}));
    let gateway = serve(json!([redirect, says("here: ${actions.ngrok.redirect.url}")])).await;
    for h2 in [false, true] {
        let ask = get("/api/v1/users?a=b").header("host", "api.example");
        let answer = gateway.send(if h2 { get("/api/v1/users?a=b").h2() } else { ask }).await;
        let location = answer.header("location").to_owned();
        assert_eq!((answer.status, answer.header("x-why"), answer.text().as_str()), (302, "moved", ""));
        assert!(location.starts_with("http://") && location.ends_with("/api/v2/users?a=b"), "{location}");
        assert!(h2 || location.starts_with("http://api.example/"), "{location}");
    }
    let answer = gateway.send(get("/api/v3/users").header("host", "api.example")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "here: http://api.example/api/v3/users"));
}

#[tokio::test]
async fn a_relative_target_becomes_a_whole_url() {
    let redirect =
        action("redirect", json!({"to": "/login?city=${req.headers['x-city'][0]}", "status_code": 307}));
    let gateway = serve(json!([redirect])).await;
    let answer =
        gateway.send(get("/a/b").header("host", "api.example").header("x-city", "San Francisco")).await;
    let expected = "http://api.example/login?city=San%20Francisco";
    assert_eq!((answer.status, answer.header("location")), (307, expected));
    let mut connection = RawConnection::open(gateway.addr).await;
    let raw = "GET / HTTP/1.1\r\nhost: api.example\r\nx-city: a$1\tb\r\nconnection: close\r\n\r\n";
    connection.write(raw).await;
    let answer = connection.answer().await.unwrap();
    assert!(answer.head.contains("/login?city=a$1%09b\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn no_header_can_be_smuggled_into_an_answer() {
    let headers = json!({"x-city": "${req.url.query_params['city'][0]}"});
    let gateway = serve(json!([action("redirect", json!({"to": "/b", "headers": headers}))])).await;
    let answer = gateway.send(get("/a?city=Rome")).await;
    assert_eq!((answer.status, answer.header("x-city")), (302, "Rome"));
    for bad in ["a%0d%0aset-cookie:%20b", "a%0ab", "a%00b"] {
        let answer = gateway.send(get(&format!("/a?city={bad}"))).await;
        assert_eq!((answer.status, answer.code(), answer.header("set-cookie")), (500, "2211", ""), "{bad}");
    }
}

#[tokio::test]
async fn the_upstream_gets_the_rewritten_url() {
    let echo = EchoServer::start().await;
    for (config, uri, host) in [
        (json!({"from": "/v1/", "to": "/v2/"}), "/api/v2/u?a=b", "api.example"),
        (json!({"from": "^https?://[^/]+/api/v1/(\\w+)", "to": "/users/$1"}), "/users/u?a=b", "api.example"),
        (json!({"from": "api.example/api", "to": "/other"}), "/other/v1/u?a=b", "api.example"),
        (json!({"from": "api[.]example", "to": "new.example"}), "/api/v1/u?a=b", "new.example"),
        (json!({"to": "/all"}), "/all", "api.example"),
    ] {
        // A body that a rule reads goes another way than one that passes.
        for reads in [false, true] {
            let read =
                action("verify-webhook", json!({"provider": "github", "secret": "s", "enforce": false}));
            let rewrite = action("url-rewrite", config.clone());
            let rules = if reads { json!([read, rewrite]) } else { json!([rewrite]) };
            let policy = json!({ "on_http_request": rules }).to_string();
            let gateway = Gateway::builder(&policy).args(&["--upstream", &echo.url()]).start().await;
            let answer =
                gateway.send(post_bytes("/api/v1/u?a=b", "body").header("host", "api.example")).await;
            let told = answer.json();
            let seen = (told["uri"].as_str().unwrap(), told["headers"]["host"].as_str().unwrap());
            assert_eq!((seen, answer.header("location")), ((uri, host), ""), "{config} {reads}");
        }
    }
}

#[tokio::test]
async fn vendors_paths_reach_the_gateway() {
    let one = mock(tollgate_mock::Script::default()).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway = serve(json!([
        action("url-rewrite", json!({"from": "/openai/deployments/[^/]+/", "to": "/v1/"})),
        {"expressions": ["req.url.path != '/v1/chat/completions'"], "actions": [{"type": "deny"}]},
        action("ai-gateway", json!({ "providers": [provider] })),
    ]))
    .await;
    let answer = gateway.send(post("/openai/deployments/mine/chat/completions", &names(&["one:m"]))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(gateway.send(post("/openai/chat/completions", &names(&["one:m"]))).await.status, 403);
}

#[tokio::test]
async fn what_the_client_asked_for_is_known_after_a_rule_has_changed_it() {
    let echo = EchoServer::start().await;
    let policy = json!({"on_http_request": [
        {"type": "url-rewrite", "config": {"to": "https://other.example:444/w?x=1"}},
        {"type": "add-headers", "config": {"headers": {"x-raw": "${req.url.raw}", "x-now": "${req.url.authority}"}}},
    ]});
    let gateway = Gateway::builder(&policy.to_string()).args(&["--upstream", &echo.url()]).start().await;
    let told = gateway.send(get("/whole").header("host", "First.example")).await.json();
    let header = |name: &str| told["headers"][name].as_str().unwrap_or("").to_owned();
    assert_eq!(header("x-raw"), "http://first.example/whole", "{told}");
    assert_eq!(
        (header("x-now"), header("x-forwarded-host")),
        ("other.example:444".into(), "first.example".into())
    );
}
