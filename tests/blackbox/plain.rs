//! Traffic that no rule ends goes to `--upstream`.

use crate::support::*;
use serde_json::{Value, json};

async fn stage(policy: Value) -> (EchoServer, Gateway) {
    let echo = EchoServer::start().await;
    let gateway = Gateway::builder(&policy.to_string()).args(&["--upstream", &echo.url()]).start().await;
    (echo, gateway)
}

#[tokio::test]
async fn every_method_and_body() {
    let (_echo, gateway) = stage(json!({"on_http_request": []})).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        for h2 in [false, true] {
            let ask = post_bytes("/a/b?c=d%20e&f", "body".repeat(10)).method(method).header("x-mine", "1");
            let answer = gateway.send(if h2 { ask.h2() } else { ask }).await;
            assert_eq!(answer.status, 200, "{method}");
            let told = answer.json();
            assert_eq!((&told["method"], &told["bytes"]), (&json!(method), &json!(40)), "{method} {h2}");
            assert!(told["uri"].as_str().unwrap().ends_with("/a/b?c=d%20e&f"), "{told}");
            assert_eq!(told["headers"]["x-mine"], "1");
        }
    }
    let answer = gateway.send(get("/x").method("HEAD")).await;
    assert_eq!((answer.status, answer.body.len(), answer.header("x-from")), (200, 0, "upstream"));
}

#[tokio::test]
async fn large_bodies_both_ways() {
    let (_echo, gateway) = stage(json!({"on_http_request": []})).await;
    let body: Vec<u8> = (0..40 << 20).map(|n: u32| (n % 251).try_into().unwrap()).collect();
    for h2 in [false, true] {
        let ask = post_bytes("/same", body.clone());
        let answer = gateway.send(if h2 { ask.h2() } else { ask }).await;
        assert!(answer.status == 200 && answer.body == body, "{} bytes", answer.body.len());
    }
    assert!(
        gateway.memory_kib("VmHWM") < 256 * 1024,
        "plain bodies are not gathered: {}",
        gateway.memory_kib("VmHWM")
    );
}

#[tokio::test]
async fn rules_change_requests_and_answers() {
    let (_echo, gateway) = stage(json!({
        "on_http_request": [
            {"expressions": ["req.url.path.startsWith('/admin')"], "actions": [{"type": "deny"}]},
            {"type": "add-headers", "config": {"headers": {"x-added": "${req.method}", "x-forwarded-for": "spoofed"}}},
            {"type": "remove-headers", "config": {"headers": ["x-secret"]}},
        ],
        "on_http_response": [
            {"type": "add-headers", "config": {"headers": {"x-after": "1"}}},
            {"type": "remove-headers", "config": {"headers": ["x-from"]}},
            {"expressions": ["req.url.path == '/replaced'"], "actions": [{"type": "custom-response", "config": {"status_code": 418, "body": "short"}}]},
        ],
    }))
    .await;
    assert_eq!(gateway.send(get("/admin/x")).await.status, 403);
    assert_eq!(gateway.send(get("/%61dmin/x")).await.status, 403, "another spelling of the same path");
    assert_eq!(gateway.send(get("/a/../admin")).await.status, 403);
    let answer = gateway.send(get("/x").header("x-secret", "s").header("user-agent", "me")).await;
    let headers = answer.json()["headers"].clone();
    assert_eq!(
        (&headers["x-added"], headers.get("x-secret"), &headers["user-agent"]),
        (&json!("GET"), None, &json!("me"))
    );
    assert!(headers["x-forwarded-for"].as_str().unwrap().ends_with("127.0.0.1"), "{headers}");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!((answer.header("x-after"), answer.header("x-from")), ("1", ""));
    let answer = gateway.send(get("/replaced")).await;
    assert_eq!((answer.status, answer.text().as_str(), answer.header("content-length")), (418, "short", "5"));
}

#[tokio::test]
async fn an_upstream_cannot_speak_for_the_gateway() {
    let (_echo, gateway) = stage(json!({"on_http_request": []})).await;
    let answer = gateway.send(get("/x")).await;
    assert_eq!((answer.header("x-tollgate-model"), answer.header("ngrok-error-code")), ("", ""));
    assert_eq!(answer.header("set-cookie"), "session=1", "a site's own cookies are its business");
    assert_ne!(answer.header("x-tollgate-request-id"), "");
    let line = gateway.log_of(&answer).await;
    assert_eq!(
        (&line["status"], &line["outcome"], &line["path"]),
        (&json!(200), &json!("success"), &json!("/x"))
    );
}

#[tokio::test]
async fn ai_paths_and_plain_paths_side_by_side() {
    let one = mock(tollgate_mock::Script::default()).await;
    let action = json!({"type": "ai-gateway", "config": {"providers": [custom("one", &one.url(), &["k"])]}});
    let (_echo, gateway) = stage(json!({"on_http_request": [
        {"expressions": ["req.url.path.startsWith('/v1/')"], "actions": [action]},
    ]}))
    .await;
    assert_eq!(
        gateway.send(post("/v1/chat/completions", &names(&["one:m"]))).await.header("x-tollgate-model"),
        "one:m"
    );
    assert_eq!(gateway.send(get("/index.html")).await.header("x-from"), "upstream");
}

#[tokio::test]
async fn a_body_that_an_action_has_read_still_arrives() {
    let one = mock(tollgate_mock::Script::always(tollgate_mock::Behaviour::status(500))).await;
    let config = json!({"on_error": "continue", "providers": [custom("one", &one.url(), &["k"])]});
    let (_echo, gateway) =
        stage(json!({"on_http_request": [{"type": "ai-gateway", "config": config}]})).await;
    let body = merge(names(&["one:m"]), json!({"x": "y".repeat(200_000)}));
    for h2 in [false, true] {
        let ask = post("/v1/chat/completions/", &body);
        let answer = gateway.send(if h2 { ask.h2() } else { ask }).await;
        assert_eq!(answer.header("x-from"), "upstream", "{}", answer.text());
        assert_eq!(answer.json()["bytes"], body.to_string().len());
    }
}

#[tokio::test]
async fn upstreams_that_fail() {
    let raw = RawUpstream::start("", Then::Close).await;
    let policy = json!({"on_http_request": []}).to_string();
    let gateway = Gateway::builder(&policy).args(&["--upstream", &raw.url()]).start().await;
    for (bytes, then) in [
        ("", Then::Close),
        ("", Then::Reset),
        ("HTTP/1.1 200 OK\r\nx", Then::Close),
        ("nonsense\r\n\r\n", Then::Close),
    ] {
        raw.set(bytes, then.clone());
        let answer = gateway.send(post("/x", &json!({}))).await;
        assert_eq!(answer.status, 502, "{bytes:?} {then:?}");
        assert!(answer.code().starts_with("300"), "{}", answer.text());
    }
    let gateway =
        Gateway::builder(&policy).args(&["--upstream", &format!("http://{}", nobody())]).start().await;
    let answer = gateway.send(get("/x")).await;
    assert_eq!((answer.status, answer.code()), (502, "3006"), "{}", answer.text());
}

#[tokio::test]
async fn an_answer_that_breaks_is_not_taken_for_a_whole_one() {
    let raw = RawUpstream::start("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", Then::Close).await;
    let gateway =
        Gateway::builder("{\"on_http_request\": []}").args(&["--upstream", &raw.url()]).start().await;
    let answer = gateway.send(get("/x")).await;
    assert!(!answer.whole && answer.text() == "half", "{}", answer.text());
}

#[tokio::test]
async fn event_streams_pass_as_they_come() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let raw = RawUpstream::start(format!("{head}b\r\ndata: one\n\n\r\n"), Then::Hold).await;
    let gateway =
        Gateway::builder("{\"on_http_request\": []}").args(&["--upstream", &raw.url()]).start().await;
    let mut reply = gateway.open(get("/events")).await;
    assert_eq!(soon(reply.event()).await.unwrap().text, "data: one", "while the rest is still to come");
    drop(reply);
    raw.wait_left(1).await;
    gateway.wait_idle().await;
}

#[tokio::test]
async fn websockets() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
    // Not at once: what an upstream that answers within microseconds may meet is in docs/decisions/0011.
    let raw =
        RawUpstream::far(format!("{head}hello"), Then::Echo, std::time::Duration::from_millis(50)).await;
    let gateway =
        Gateway::builder("{\"on_http_request\": []}").args(&["--upstream", &raw.url()]).start().await;
    let mut client = RawConnection::open(gateway.addr).await;
    client
        .write("GET /socket HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\nsec-websocket-version: 13\r\n\r\n")
        .await;
    let head = String::from_utf8(client.until(b"\r\n\r\n").await.unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert_eq!(client.until(b"hello").await.unwrap(), b"hello", "what came with the head is not lost");
    for word in ["ping", "pong"] {
        client.write(word).await;
        assert_eq!(client.until(word.as_bytes()).await.unwrap(), word.as_bytes());
    }
    let request = raw.requests().remove(0).to_ascii_lowercase();
    assert!(request.contains("upgrade: websocket") && request.contains("sec-websocket-key: k"), "{request}");
}

#[tokio::test]
async fn the_words_of_ngroks_agent() {
    let echo = EchoServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("p.yml");
    std::fs::write(&policy, "on_http_request: []\n").unwrap();
    let taken = nobody();
    let url = format!("http://{taken}");
    let args = [
        "http",
        &echo.addr.port().to_string(),
        "--traffic-policy-file",
        policy.to_str().unwrap(),
        "--url",
        &url,
        "--admin",
        "none",
    ];
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(args)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let answered = soon(async {
        while tokio::net::TcpStream::connect(taken).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        get("/x").send(taken).await
    })
    .await;
    assert_eq!((answered.status, answered.header("x-from")), (200, "upstream"));
    child.kill().await.unwrap();
}
