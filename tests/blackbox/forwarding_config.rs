//! Mistakes in the configuration of endpoints that send requests on to each other.

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
        (json!({"url": "https://api.example.com", "upstream": "3000"}), "its name must end in .internal"),
        (json!({"url": "tcp://db.internal", "upstream": "3000"}), "with tcp it needs a port"),
        (json!({"url": "tcp://db.internal:1", "upstream": "http://x:1"}), "the scheme must be tcp"),
        (
            json!({"url": "tcp://db.internal:1", "upstream": "1", "health_check": {"path": "/x"}}),
            "`health_check.path` does not go together with protocol `tcp`",
        ),
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
async fn check_looks_at_every_policy_of_a_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let policy =
        write("edge.yml", json!({"on_http_request": [forward("https://appi.internal", "halt")]}).to_string());
    let endpoints = |inner: Value| {
        json!({"endpoints": [
            {"listen": "127.0.0.1:1", "traffic_policy_file": "edge.yml"},
            {"url": "https://api.internal", "upstream": "1", "traffic_policy": inner},
        ]})
        .to_string()
    };
    let config = write("tollgate.yml", endpoints(json!({"on_http_request": []})));
    let exit = run(&["check", "--config", &config]).await;
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.stdout.contains("did you mean https://api.internal?"), "{}", exit.stdout);
    let named = run(&["check", &policy, "--config", &config]).await;
    assert_eq!(named.stdout.matches("did you mean").count(), 1, "said once: {}", named.stdout);
    let config = write("tollgate.yml", endpoints(json!({"on_tcp_connect": [{"type": "deny"}]})));
    let exit = run(&["check", "--config", &config]).await;
    assert!(exit.code == Some(1) && exit.stdout.contains("ERR_NGROK_2262"), "{exit:?}");
}
