//! The web application firewall, in a gateway that was built with it. `make test` builds one and names it in
//! `TOLLGATE_WAF_BIN`; without it these tests are ignored.

use crate::support::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use tollgate_mock::Script;

const SQL: &str = "/items?id=1%27%20OR%20%271%27=%271";
const XSS: &str = "<script>alert(document.cookie)</script>";
const DATABASE_ERROR: &str =
    "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server";

fn program() -> PathBuf {
    std::env::var_os("TOLLGATE_WAF_BIN").expect("a gateway with the feature waf, in TOLLGATE_WAF_BIN").into()
}

fn builder(policy: &Value, upstream: &str) -> Builder {
    Gateway::builder(&policy.to_string()).program(program()).args(&["--upstream", upstream])
}

/// As a client that names itself: one without a name that asks a numeric host has a score of 5 already.
fn named(ask: Ask) -> Ask {
    ask.header("user-agent", "OpenAI/Python 1.50.0").header("host", "api.example.com")
}

fn request_rule(config: Value) -> Value {
    json!({"type": "owasp-crs-request", "config": config})
}

/// The result of an action as a header of the answer.
fn shown(name: &str) -> Value {
    let all = format!("${{json.encode(actions.ngrok.{name})}}");
    json!({"type": "add-headers", "config": {"headers": {"x-result": all}}})
}

fn result(answer: &Answer) -> Value {
    serde_json::from_str(answer.header("x-result")).unwrap_or_else(|_| panic!("{:?}", answer.headers))
}

async fn guarded(config: Value) -> (EchoServer, Gateway) {
    let echo = EchoServer::start().await;
    let policy = json!({
        "on_http_request": [request_rule(config)], "on_http_response": [shown("owasp_crs_request")],
    });
    let gateway = builder(&policy, &echo.url()).start().await;
    (echo, gateway)
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.header("ngrok-error-code")), (status, code), "{}", answer.text());
}

#[tokio::test]
async fn a_build_without_it_refuses_the_actions_and_says_how_to_get_one() {
    let dir = tempfile::tempdir().unwrap();
    for (phase, action) in
        [("on_http_request", "owasp-crs-request"), ("on_http_response", "owasp-crs-response")]
    {
        let file = dir.path().join(format!("{action}.yml"));
        std::fs::write(&file, format!("{phase}:\n  - type: {action}\n")).unwrap();
        let exit = run(&["check", file.to_str().unwrap()]).await;
        let said = format!("{}{}", exit.stdout, exit.stderr);
        assert_ne!(exit.code, Some(0), "{said}");
        assert!(said.contains(&format!("the action `{action}` is not part of this build")), "{said}");
        assert!(said.contains("--features waf"), "{said}");
    }
}

#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn attacks_are_refused_and_other_requests_pass() {
    let (_echo, gateway) = guarded(json!({})).await;
    for h2 in [false, true] {
        let version = |ask: Ask| if h2 { ask.h2() } else { ask };
        for target in
            [SQL, "/?q=%3Csvg/onload=alert(1)%3E", "/?f=../../../../etc/passwd", "/?c=;cat%20/etc/passwd"]
        {
            refused(&gateway.send(version(named(get(target)))).await, 403, "ERR_NGROK_3700");
        }
        let scanner = get("/").header("host", "api.example.com").header("user-agent", "sqlmap/1.8#stable");
        refused(&gateway.send(version(scanner)).await, 403, "ERR_NGROK_3700");
        let answer = gateway.send(version(named(get("/v1/models?limit=20")))).await;
        assert_eq!((answer.status, answer.header("x-from")), (200, "upstream"));
        assert_eq!(
            result(&answer),
            json!({
                "decision": "allow", "anomaly_score": 0, "anomaly_score_threshold": 5, "matched_rules": [],
                "error": {"code": "", "message": ""},
            })
        );
    }
    let answer = gateway.send(named(get(SQL))).await;
    assert!(!answer.text().contains("942100"), "clients are not told which rule: {}", answer.text());
    assert_eq!(gateway.log_of(&answer).await["outcome"], "refused");
    let answer = gateway
        .send(named(post("/v1/chat/completions?x=%3Cscript%3Ealert(1)%3C/script%3E", &prompt())))
        .await;
    refused(&answer, 403, "ERR_NGROK_3700");
    assert_eq!(
        answer.json()["error"]["code"],
        "ERR_NGROK_3700",
        "in the client's dialect: {}",
        answer.text()
    );
}

#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn continue_only_records() {
    let (_echo, gateway) = guarded(json!({"on_error": "continue"})).await;
    let answer = gateway.send(named(get(SQL))).await;
    assert_eq!((answer.status, answer.header("x-from")), (200, "upstream"));
    let told = result(&answer);
    assert_eq!((&told["decision"], &told["anomaly_score"]), (&json!("deny"), &json!(5)));
    let rule = &told["matched_rules"][0];
    assert_eq!((&rule["id"], &rule["severity"]), (&json!(942_100), &json!("critical")), "{told}");
    assert!(rule["message"].as_str().unwrap().contains("SQL Injection"), "{told}");
    assert!(rule["data"].as_str().unwrap().contains("ARGS:id"), "{told}");
}

#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn bodies_are_looked_at_when_the_policy_says_so() {
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": XSS}]});
    let (_echo, gateway) = guarded(json!({})).await;
    assert_eq!(gateway.send(named(post("/x", &chat))).await.status, 200);
    let (_echo, gateway) = guarded(json!({"process_body": true})).await;
    refused(&gateway.send(named(post("/x", &chat))).await, 403, "ERR_NGROK_3700");
    let form = post_bytes("/x", "a=1%27%20OR%20%271%27=%271").without("content-type");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    refused(&gateway.send(named(form)).await, 403, "ERR_NGROK_3700");
    // Only the first 4 KiB, and the upstream gets all of it.
    let late = json!({"a": "x".repeat(5000), "b": XSS});
    let answer = gateway.send(named(post("/x", &late))).await;
    assert_eq!((answer.status, &answer.json()["bytes"]), (200, &json!(late.to_string().len())));
    let early = json!({"a": XSS, "b": "x".repeat(5000)});
    refused(&gateway.send(named(post("/x", &early))).await, 403, "ERR_NGROK_3700");
}

#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn excluded_rules_do_not_count() {
    let (_echo, gateway) = guarded(json!({"exclude_rule_ids": [942_100]})).await;
    let answer = gateway.send(named(get(SQL))).await;
    assert_eq!((answer.status, &result(&answer)["anomaly_score"]), (200, &json!(0)));
    refused(&gateway.send(named(get("/?q=%3Csvg/onload=alert(1)%3E"))).await, 403, "ERR_NGROK_3700");
}

#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn what_cannot_be_read_is_an_error() {
    let coded = || named(post_bytes("/x", vec![0x1f, 0x8b, 8, 0]).header("content-encoding", "gzip"));
    let config = json!({"process_body": true, "exclude_rule_ids": [920_450]});
    let (_echo, gateway) = guarded(config.clone()).await;
    refused(&gateway.send(coded()).await, 500, "ERR_NGROK_3701");
    refused(
        &gateway.send(named(get("/").header("x-long", &"x".repeat(17 << 10)))).await,
        500,
        "ERR_NGROK_3701",
    );
    let (_echo, gateway) = guarded(merge(config, json!({"on_error": "continue"}))).await;
    let answer = gateway.send(coded()).await;
    assert_eq!((answer.status, &answer.json()["bytes"]), (200, &json!(4)));
    let told = result(&answer);
    assert_eq!(
        (&told["error"]["code"], &told["decision"]),
        (&json!("ERR_NGROK_3701"), &json!("deny")),
        "{told}"
    );
    // Without the exception the rules themselves say no.
    let (_echo, gateway) = guarded(json!({"process_body": true})).await;
    refused(&gateway.send(coded()).await, 403, "ERR_NGROK_3700");
}

/// A gateway before a server that answers with these bytes.
async fn holding_back(config: Value, head: &str, body: &str) -> (RawUpstream, Gateway) {
    let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let upstream = RawUpstream::start(answer, Then::Close).await;
    let policy = json!({"on_http_response": [
        {"type": "owasp-crs-response", "config": config}, shown("owasp_crs_response"),
    ]});
    let gateway = builder(&policy, &upstream.url()).start().await;
    (upstream, gateway)
}

#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn responses_that_give_something_away_are_held_back() {
    let body = format!("<html>{DATABASE_ERROR}</html>{}", " ".repeat(20_000));
    let html = "content-type: text/html";
    let (_upstream, gateway) = holding_back(json!({"process_body": true}), html, &body).await;
    let answer = gateway.send(named(get("/"))).await;
    refused(&answer, 403, "ERR_NGROK_3702");
    assert!(!answer.text().contains("SQL"), "{}", answer.text());

    let (_upstream, gateway) =
        holding_back(json!({"process_body": true, "on_error": "continue"}), html, &body).await;
    let answer = gateway.send(named(get("/"))).await;
    assert_eq!((answer.status, answer.text()), (200, body.clone()));
    let told = result(&answer);
    assert_eq!((&told["decision"], &told["anomaly_score_threshold"]), (&json!("deny"), &json!(4)));
    assert_eq!(told["matched_rules"][0]["id"], 951_230, "{told}");

    let (_upstream, gateway) =
        holding_back(json!({"process_body": true, "exclude_rule_ids": [951_230]}), html, &body).await;
    assert_eq!(gateway.send(named(get("/"))).await.text(), body);
    let (_upstream, gateway) = holding_back(json!({}), html, &body).await;
    assert_eq!(gateway.send(named(get("/"))).await.text(), body, "nothing of the body is seen");
}

#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn streams_and_pictures_pass_and_coded_texts_do_not() {
    let config = json!({"process_body": true});
    for kind in ["text/event-stream", "image/png"] {
        let body = format!("data: {DATABASE_ERROR}\n\n");
        let (_upstream, gateway) =
            holding_back(config.clone(), &format!("content-type: {kind}"), &body).await;
        let answer = gateway.send(named(get("/"))).await;
        assert_eq!((answer.status, answer.text()), (200, body), "{kind}");
    }
    let head = "content-type: text/html\r\ncontent-encoding: gzip";
    let (_upstream, gateway) = holding_back(config, head, "packed").await;
    refused(&gateway.send(named(get("/"))).await, 500, "ERR_NGROK_3701");
}

#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn both_go_with_the_gateway_to_models() {
    let mock = mock(Script::default()).await;
    let policy = json!({
        "on_http_request": [
            request_rule(json!({"process_body": true})),
            {"type": "ai-gateway", "config": {"providers": [openai(&mock)]}},
        ],
        "on_http_response": [{"type": "owasp-crs-response", "config": {"process_body": true}}, shown("owasp_crs_response")],
    });
    let gateway = Gateway::builder(&policy.to_string()).program(program()).start().await;
    for stream in [false, true] {
        let ask = merge(names(&["openai:gpt-4o"]), json!({"stream": stream}));
        let answer = gateway.send(named(post("/v1/chat/completions", &ask))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(result(&answer)["decision"], "allow", "stream: {stream}");
    }
    let attack = merge(names(&["openai:gpt-4o"]), json!({"messages": [{"role": "user", "content": XSS}]}));
    refused(&gateway.send(named(post("/v1/chat/completions", &attack))).await, 403, "ERR_NGROK_3700");
    assert_eq!(mock.requests().len(), 2, "the attack was not sent on");
}

/// Judging computes. While it does, others are served.
#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn requests_that_are_not_judged_do_not_wait_for_those_that_are() {
    let echo = EchoServer::start().await;
    let policy = json!({"on_http_request": [
        {"expressions": ["req.url.path == '/judged'"], "actions": [request_rule(json!({"exclude_rule_ids": [920_170]}))]},
    ]});
    let gateway = builder(&policy, &echo.url()).start().await;
    let slow = format!("/judged?{}", "a=1&".repeat(1200));
    let judged: Vec<_> = (0..6)
        .map(|_| {
            let (ask, addr) = (named(get(&slow)), gateway.addr);
            tokio::spawn(async move { ask.send(addr).await.status })
        })
        .collect();
    let mut free = 0;
    while judged.iter().any(|one| !one.is_finished()) {
        assert_eq!(gateway.send(named(get("/free"))).await.status, 200);
        free += 1;
    }
    for one in judged {
        assert_eq!(soon(one).await.unwrap(), 200);
    }
    assert!(free > 5, "only {free} other requests were answered meanwhile");
}

#[tokio::test]
#[ignore = "needs a gateway with the feature waf"]
async fn missing_rules_are_named_at_the_start() {
    let policy = json!({"on_http_request": [request_rule(json!({}))]});
    let started =
        builder(&policy, "http://127.0.0.1:1").env("TOLLGATE_CRS_RULES", "/nonexistent").try_start().await;
    let said = started.err().expect("no rules").stderr;
    assert!(said.contains("/nonexistent cannot be read") && said.contains("modsecurity-crs"), "{said}");
}
