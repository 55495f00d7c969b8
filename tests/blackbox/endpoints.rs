//! What is said at the start of endpoints whose policies leave something open.

use crate::support::*;
use serde_json::json;

#[tokio::test]
async fn an_endpoint_that_leaves_requests_unanswered_is_warned_of() {
    let guard = json!({"expressions": ["req.url.path == '/closed'"], "actions": [{"type": "deny"}]});
    let policy = json!({ "on_http_request": [guard] }).to_string();
    let gateway = Gateway::start(&policy).await;
    assert!(gateway.written().contains("ERR_NGROK_2235"), "{}", gateway.written());
    let answer = gateway.send(get("/open")).await;
    assert_eq!((answer.status, answer.code()), (404, "6029"));
    let echo = EchoServer::start().await;
    let gateway = Gateway::builder(&policy).args(&["--upstream", &echo.url()]).start().await;
    assert!(!gateway.written().contains("ERR_NGROK_2235"), "{}", gateway.written());
}
