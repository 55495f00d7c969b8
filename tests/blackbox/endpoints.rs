//! Endpoints of the configuration file: what is wrong with them is said at the start, with its place.

use crate::forwarding::{forward, try_stage};
use crate::support::*;
use serde_json::{Value, json};

#[tokio::test]
async fn mistakes_of_the_configuration_have_their_place() {
    let refused = async |endpoints: Value| {
        let config = json!({"endpoints": endpoints}).to_string();
        match Gateway::builder("{}").config(&config).try_start().await {
            Ok(_) => panic!("it started: {config}"),
            Err(exit) => exit.stderr,
        }
    };
    for (endpoint, said) in [
        (json!({"url": "https://api.internal"}), "has neither an upstream nor a policy"),
        (
            json!({"url": "https://api.internal", "traffic_policy": {"on_tcp_connect": [{"type": "deny"}]}}),
            "ERR_NGROK_2262",
        ),
        (json!({"url": "https://api.example.com", "upstream": "3000"}), "its name must end in .internal"),
        (json!({"url": "tcp://db.internal:5432", "upstream": "3000"}), "speak http or https"),
        (
            json!({"url": "https://a.internal", "listen": "127.0.0.1:1", "upstream": "1"}),
            "both `url` and `listen`",
        ),
        (json!({"upstream": "1", "upstreams": ["2"]}), "both `upstream` and `upstreams`"),
        (json!({"upstreams": []}), "has 0 entries; 1 to 64 are possible"),
        (json!({"upstreams": [{"url": "http://x", "weight": 0}]}), "a whole number from 1 to 1000"),
        (json!({"upstreams": [{"weight": 1}]}), "`endpoints[0].upstreams[0].url` is missing"),
        (json!({"upstreams": ["http://u:secret@x"]}), "a user and password before the host"),
        (json!({"health_check": {}}), "has no server to look after"),
        (json!({"upstreams": ["1"], "health_check": {"path": "healthz"}}), "write a path, such as /healthz"),
        (json!({"upstreams": ["1"], "health_check": {"interval": "1ms"}}), "a time from 100ms to 1h"),
        (json!({"upstreams": ["1"], "health_check": {"unhealthy_after": 0}}), "a number from 1 to 100"),
        (json!({"upstreams": ["1"], "health_check": {"pth": "/"}}), "did you mean `path`?"),
    ] {
        let text = refused(json!([endpoint])).await;
        assert!(text.contains(said) && !text.contains("secret"), "{endpoint}: {text}");
    }
    let twice = json!({"url": "https://a.internal", "upstream": "1"});
    assert!(
        refused(json!([twice, twice]))
            .await
            .contains("for several servers behind one name, write `upstreams:`")
    );
    for (url, said) in [
        ("https://api.example.com", "its name must end in .internal"),
        ("tcp://db.internal:1", "http and https endpoints only"),
        ("https://*.internal", "name one endpoint"),
        ("api.internal", "write a scheme before it"),
    ] {
        let exit = try_stage(json!({"on_http_request": [forward(url, "halt")]}), &[]).await;
        let text = exit.err().map(|exit| exit.stderr).unwrap_or_default();
        assert!(text.contains(said) && text.contains("ERR_NGROK_2204"), "{url}: {text}");
    }
}

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
