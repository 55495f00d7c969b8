//! What is said at the start of endpoints whose policies leave something open.

use crate::support::*;
use serde_json::json;

#[tokio::test]
async fn an_endpoint_that_leaves_requests_unanswered_is_warned_of() {
    let guard = json!({"expressions": ["req.url.path == '/closed'"], "actions": [{"type": "deny"}]});
    let policy = json!({ "on_http_request": [guard] }).to_string();
    let gateway = Gateway::start(&policy).await;
    gateway.says("ERR_NGROK_2235").await;
    let answer = gateway.send(get("/open")).await;
    assert_eq!((answer.status, answer.code()), (404, "6029"));
    let echo = EchoServer::start().await;
    let gateway = Gateway::builder(&policy).args(&["--upstream", &echo.url()]).start().await;
    assert!(!gateway.written().contains("ERR_NGROK_2235"), "{}", gateway.written());
}

#[tokio::test]
async fn connections_do_not_come_to_internal_endpoints() {
    let deny = json!({"on_tcp_connect": [{"type": "deny"}]});
    let config = json!({"endpoints": [{"url": "https://api.internal", "traffic_policy": deny}]}).to_string();
    let exit = Gateway::builder("{}").config(&config).try_start().await.err().expect("it is refused");
    assert!(exit.stderr.contains("ERR_NGROK_2262") && exit.stderr.contains("help: move"), "{}", exit.stderr);
}
