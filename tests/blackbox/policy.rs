//! Rules around the gateway: guards, errors that continue, the response phase.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Flavour, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

fn gateway_action(mock: &MockServer, more: Value) -> Value {
    let provider = custom("one", &format!("{}/v1", mock.url()), &[KEY_ONE]);
    json!({"type": "ai-gateway", "config": merge(json!({"providers": [provider]}), more)})
}

fn guard(expression: &str) -> Value {
    json!({"expressions": [expression], "actions": [{"type": "custom-response", "config": {
        "status_code": 401, "headers": {"content-type": "application/json"},
        "body": "{\"error\": {\"message\": \"no\", \"type\": \"authentication_error\"}}",
    }}]})
}

fn ask() -> Ask {
    post(CHAT, &names(&["one:m"]))
}

#[tokio::test]
async fn a_token_guard_refuses_everybody_without_the_token() {
    let one = mock(Script::default()).await;
    let expression =
        "req.headers['authorization'][0] != 'Bearer ' + secrets.get('gateway-auth', 'access-token')";
    let policy = json!({"on_http_request": [guard(expression), gateway_action(&one, json!({}))]}).to_string();
    let gateway =
        Gateway::builder(&policy).env("TOLLGATE_SECRET__GATEWAY_AUTH__ACCESS_TOKEN", "letmein").start().await;
    for (ask, status) in [
        (ask(), 401),
        (ask().bearer("wrong"), 401),
        (ask().bearer("letmein2"), 401),
        (ask().header("authorization", "letmein"), 401),
        (ask().h2(), 401),
        (ask().bearer("letmein"), 200),
        (ask().bearer("letmein").h2(), 200),
    ] {
        let answer = gateway.send(ask).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 401 {
            assert_eq!(answer.json()["error"]["type"], "authentication_error");
        }
    }
    assert_eq!(one.requests().len(), 2);
    assert!(one.requests().iter().all(|r| r.key.as_deref() == Some(KEY_ONE)));
    assert_eq!(gateway.log_lines(1).await[0]["outcome"], "refused");
}

#[tokio::test]
async fn a_guard_that_fails_closes() {
    let one = mock(Script::default()).await;
    for expression in ["int(req.headers['x-number'][0]) < 5", "secrets.get('nobody', 'has-this') == 'x'"] {
        let policy =
            json!({"on_http_request": [guard(expression), gateway_action(&one, json!({}))]}).to_string();
        let gateway = Gateway::start(&policy).await;
        let answer = gateway.send(ask().header("x-number", "five")).await;
        answer.assert_openai_error(500, "2254");
        let answer = gateway.send(post("/v1/messages", &names(&["one:m"])).header("x-number", "five")).await;
        answer.assert_anthropic_error(500, "2254");
    }
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn deny_ends_without_a_body_and_without_the_response_phase() {
    let policy = json!({
        "on_http_request": [{"expressions": ["req.url.path.startsWith('/private')"], "actions": [{"type": "deny", "config": {"status_code": 404}}]}, {"type": "deny"}],
        "on_http_response": [{"type": "add-headers", "config": {"headers": {"x-added": "1"}}}],
    });
    let gateway = Gateway::start(&policy.to_string()).await;
    for (path, status) in [("/private/x", 404), ("/other", 403)] {
        let answer = gateway.send(get(path)).await;
        assert_eq!((answer.status, answer.text().as_str(), answer.header("x-added")), (status, "", ""));
        assert_ne!(answer.header("x-tollgate-request-id"), "");
    }
}

#[tokio::test]
async fn the_response_phase_sees_every_answer() {
    let one = mock(Script::default()).await;
    let policy = json!({
        "on_http_request": [
            {"expressions": ["req.url.path == '/hello'"], "actions": [{"type": "custom-response", "config": {"status_code": 202, "body": "hi ${req.headers['x-who'][0]}"}}]},
            gateway_action(&one, json!({})),
        ],
        "on_http_response": [
            {"type": "add-headers", "config": {"headers": {"x-status": "${string(res.status_code)}"}}},
            {"type": "remove-headers", "config": {"headers": ["openai-version"]}},
            {"expressions": ["res.status_code == 202"], "actions": [{"type": "add-headers", "config": {"headers": {"x-hello": "1"}}}]},
        ],
    });
    let gateway = Gateway::start(&policy.to_string()).await;
    let answer = gateway.send(get("/hello").header("x-who", "ann")).await;
    assert_eq!((answer.status, answer.text().as_str()), (202, "hi ann"));
    assert_eq!((answer.header("x-status"), answer.header("x-hello")), ("202", "1"));
    assert!(answer.header("content-type").starts_with("text/plain"));
    for stream in [false, true] {
        let answer = gateway.send(post(CHAT, &merge(names(&["one:m"]), json!({"stream": stream})))).await;
        assert_eq!(
            (answer.header("x-status"), answer.header("x-hello"), answer.header("openai-version")),
            ("200", "", "")
        );
        assert!(answer.whole && answer.text().contains("Hello"));
    }
}

#[tokio::test]
async fn a_response_can_be_replaced() {
    let one = mock(Script::always(Behaviour::status(500))).await;
    let policy = json!({
        "on_http_request": [gateway_action(&one, json!({}))],
        "on_http_response": [{"expressions": ["req.url.path.endsWith('/embeddings')"], "actions": [{"type": "custom-response", "config": {"status_code": 200, "body": "{\"instead\": true}"}}]}],
    });
    let gateway = Gateway::start(&policy.to_string()).await;
    one.set_script(Script::default());
    let answer = gateway.send(post("/v1/embeddings", &json!({"model": "one:m", "input": "x"}))).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"instead": true})));
}

#[tokio::test]
async fn on_error_continue_lets_the_next_action_answer() {
    let one =
        mock(Script::always(Behaviour { message: Some("no money".into()), ..Behaviour::status(429) })).await;
    let continued = gateway_action(&one, json!({"on_error": "continue"}));
    let with_body = |body: &str| {
        let respond = json!({"type": "custom-response", "config": {"status_code": 503, "body": body}});
        json!({"on_http_request": [continued, respond]}).to_string()
    };
    let gateway = Gateway::start(&with_body("${actions.ngrok.ai_gateway}")).await;
    let answer =
        gateway.send(post(CHAT, &names(&["one:m", "one:n"])).bearer("sk-client-0123456789abcdef")).await;
    assert_eq!((answer.status, answer.header("ngrok-error-code")), (503, ""));
    assert_eq!(answer.header("content-type"), "application/json");
    let tree = answer.json();
    assert_eq!(tree["status"], "error");
    assert_eq!(tree["error"]["code"], "ERR_NGROK_3807", "{tree}");
    assert_eq!(tree["client"]["models"], json!(["one:m", "one:n"]));
    assert_eq!(tree["client"]["path"], CHAT);
    let tried = tree["models_tried"].as_array().unwrap();
    assert_eq!(tried.len(), 2, "{tree}");
    assert_eq!((&tried[0]["model"], &tried[0]["provider"]), (&json!("m"), &json!("one")));
    let made = &tried[0]["requests_made"][0];
    assert_eq!((&made["status"], &made["response"]["status_code"]), (&json!("error"), &json!(429)), "{made}");
    assert!(made["response"]["body_on_error"].as_str().unwrap().contains("no money"), "{made}");
    assert_eq!(made["request"]["url"], format!("{}/v1/chat/completions", one.url()));
    let text = tree.to_string();
    assert!(
        !text.contains(KEY_ONE) && !text.contains("sk-client-0123456789abcdef"),
        "keys are trimmed: {text}"
    );

    let gateway = Gateway::start(&with_body("Sorry: ${actions.ngrok.ai_gateway.error.code}!")).await;
    assert_eq!(gateway.send(ask()).await.text(), "Sorry: ERR_NGROK_3807!");
    // Errors before any attempt count too.
    assert_eq!(gateway.send(post_bytes(CHAT, "{")).await.text(), "Sorry: ERR_NGROK_3801!");
    assert_eq!(gateway.send(post(CHAT, &names(&["nobody:m"]))).await.text(), "Sorry: ERR_NGROK_3804!");
    one.set_script(Script::default());
    let answer = gateway.send(ask()).await;
    assert!(answer.status == 200 && answer.text().contains("Hello"), "a success ends the rules");
}

#[tokio::test]
async fn a_second_gateway_after_the_first_failed() {
    let (one, two) = (mock(Script::always(Behaviour::status(500))).await, mock(Script::default()).await);
    let policy = json!({"on_http_request": [
        gateway_action(&one, json!({"on_error": "continue"})),
        {"expressions": ["actions.ngrok.ai_gateway.status == 'error'"], "actions": [gateway_action(&two, json!({}))]},
    ]});
    let gateway = Gateway::start(&policy.to_string()).await;
    let answer = gateway.send(ask()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((one.requests().len(), two.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_provider_cannot_speak_for_the_gateway() {
    let behaviour = Behaviour::default()
        .header("ngrok-error-code", "ERR_NGROK_1")
        .header("x-tollgate-model", "forged:model")
        .header("x-tollgate-attempts", "99")
        .header("x-tollgate-anything", "1")
        .header("set-cookie", "session=stolen")
        .header("keep-alive", "timeout=1")
        .header("x-fine", "1");
    let one =
        mock(Script::always(behaviour.clone()).model("bad", [Behaviour { status: Some(400), ..behaviour }]))
            .await;
    let gateway =
        Gateway::start(&json!({"on_http_request": [gateway_action(&one, json!({}))]}).to_string()).await;
    for (model, stream) in [("one:m", false), ("one:m", true), ("one:bad", false)] {
        let answer = gateway.send(post(CHAT, &merge(names(&[model]), json!({"stream": stream})))).await;
        assert_eq!(answer.header("x-fine"), "1", "{}", answer.text());
        for name in ["ngrok-error-code", "x-tollgate-anything", "set-cookie", "keep-alive"] {
            assert_eq!(answer.header(name), "", "{name}");
        }
        assert_eq!(answer.headers.get_all("x-tollgate-attempts").iter().count(), 1);
        assert_eq!(answer.header("x-tollgate-attempts"), "1");
        assert!(answer.headers.get_all("x-tollgate-model").iter().all(|m| m == "one:m"));
        assert_eq!(answer.header("x-tollgate-policy"), gateway.revision);
    }
}

#[tokio::test]
async fn variables_and_logs() {
    let one = mock(Script::default().accept_key(Flavour::OpenAi, KEY_ONE)).await;
    let policy = json!({"on_http_request": [
        {"type": "set-vars", "config": {"vars": [{"who": "${req.headers['x-who'][0]}"}, {"allowed": ["Bearer a", "Bearer b"]}]}},
        guard("!(req.headers['authorization'][0] in vars.allowed)"),
        {"type": "log", "config": {"metadata": {"who": "${vars.who}", "kind": "ai"}}},
        {"type": "add-headers", "config": {"headers": {"x-checked": "${vars.who}"}}},
        {"type": "remove-headers", "config": {"headers": ["x-who"]}},
        gateway_action(&one, json!({})),
    ]});
    let gateway = Gateway::start(&policy.to_string()).await;
    assert_eq!(gateway.send(ask().bearer("c").header("x-who", "ann")).await.status, 401);
    let answer = gateway.send(ask().bearer("b").header("x-who", "ann")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let line = gateway.log_of(&answer).await;
    assert_eq!(line["traffic_policy"]["logs"][0]["metadata"], json!({"who": "ann", "kind": "ai"}));
    assert_eq!((one.requests()[0].header("x-checked"), one.requests()[0].header("x-who")), ("ann", ""));
}

#[tokio::test]
async fn what_no_rule_answers_is_a_404_that_says_why() {
    let policy = json!({"on_http_request": [guard("req.url.path == '/closed'")]}).to_string();
    let gateway = Gateway::start(&policy).await;
    let answer = gateway.send(get("/open")).await;
    assert_eq!((answer.status, answer.code()), (404, "6029"), "{}", answer.text());
    assert!(answer.text().contains("--upstream"), "{}", answer.text());
}
