//! Endpoints that send requests on to each other, and what clients and servers could make of that.

use crate::forwarding::{answer, forward, says, server, stage};
use crate::support::*;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn shares_are_exact_whatever_the_way() {
    let (a, b) = (server("200 OK", "a").await, server("200 OK", "b").await);
    let internal = [json!({
        "url": "http://pool.internal", "upstreams": [{"url": a.url(), "weight": 3}, {"url": b.url()}],
    })];
    for on_error in ["halt", "continue"] {
        let policy = json!({"on_http_request": [forward("http://pool.internal", on_error)]});
        let gateway = stage(policy, &internal).await;
        let mut seen = String::new();
        for _ in 0..8 {
            seen.push_str(&gateway.send(get("/")).await.text());
        }
        assert_eq!(seen.matches('b').count(), 2, "{on_error}: {seen}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_is_no_failure() {
    // Says that it keeps connections, and does not.
    let closing = RawUpstream::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Then::Close).await;
    let gateway = stage(
        json!({"on_http_request": [forward("http://one.internal", "halt")]}),
        &[json!({"url": "http://one.internal", "upstream": closing.url()})],
    )
    .await;
    for _ in 0..6 {
        let got = gateway.send(get("/")).await;
        assert_eq!((got.status, got.text().as_str()), (200, "ok"));
    }
}

#[tokio::test]
async fn asking_for_a_websocket_does_not_switch_rules_off() {
    let server = server("200 OK", "a secret").await;
    let gateway = stage(
        json!({"on_http_request": [forward("http://one.internal", "halt")], "on_http_response": [
            {"type": "response-body-find-replace", "config": {"replacements": [{"from": "secret", "to": "-"}]}}]}),
        &[json!({"url": "http://one.internal", "upstream": server.url()})],
    )
    .await;
    for upgrade in ["x", "websocket", "WebSocket"] {
        let mut client = RawConnection::open(gateway.addr).await;
        client
            .write(format!(
                "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: {upgrade}\r\nsec-websocket-key: k\r\n\
                 sec-websocket-version: 13\r\n\r\n"
            ))
            .await;
        let got = String::from_utf8(client.until(b"\r\n\r\n").await.unwrap()).unwrap();
        assert!(got.starts_with("HTTP/1.1 200"), "{upgrade}: {got}");
        let rest = if got.to_ascii_lowercase().contains("content-length: 0") {
            Vec::new()
        } else {
            client.everything().await
        };
        assert!(!String::from_utf8_lossy(&rest).contains("secret"), "{upgrade}");
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_exist_opens_no_breaker() {
    let server = server("200 OK", "ok").await;
    let breaker =
        json!({"type": "circuit-breaker", "config": {"volume_threshold": 1, "error_threshold": 0.1}});
    let gateway = stage(
        json!({"on_http_request": [breaker, forward("http://${req.headers['x-n'][0]}.internal", "halt")]}),
        &[json!({"url": "http://one.internal", "upstream": server.url()})],
    )
    .await;
    for (name, status) in [("nobody", 404), ("nobody", 404), ("one", 200)] {
        assert_eq!(gateway.send(get("/").header("x-n", name)).await.status, status, "{name}");
    }
}

#[tokio::test]
async fn an_outer_rule_reads_what_an_inner_one_has_packed() {
    let server = server("200 OK", &"a secret that is long enough to be packed. ".repeat(20)).await;
    let gateway = stage(
        json!({"on_http_request": [forward("http://one.internal", "halt")], "on_http_response": [
            {"type": "response-body-find-replace", "config": {"replacements": [{"from": "secret", "to": "-"}]}}]}),
        &[json!({"url": "http://one.internal", "upstream": server.url(), "traffic_policy": {
            "on_http_response": [{"type": "compress-response", "config": {"algorithms": ["gzip"]}}]}})],
    )
    .await;
    let got = gateway.send(get("/").header("accept-encoding", "gzip")).await;
    assert!(got.status == 200 && got.text().starts_with("a - that"), "{} {:.200}", got.status, got.text());
}

#[tokio::test]
async fn clients_and_redirects_do_not_choose_among_internal_endpoints() {
    let leading = RawUpstream::start(
        "HTTP/1.1 307 Go\r\nlocation: http://admin.internal/users/1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        Then::Close,
    )
    .await;
    let broken = RawUpstream::start("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", Then::Close).await;
    let whole = RawUpstream::start(says("200 OK", "whole"), Then::Close).await;
    let ask = |url: &str| json!({"type": "http-request", "config": {"url": url, "max_redirects": 3}});
    let result = "${actions.ngrok.http_request.error.code} ${actions.ngrok.http_request.res.body}";
    let rule = |path: &str, url: &str| json!({"expressions": [format!("req.url.path == '{path}'")], "actions": [ask(url), answer(200, result)]});
    let gateway = stage(
        json!({"on_http_request": [
            rule("/computed", "http://${req.headers['x-t'][0]}/"),
            rule("/redirected", &leading.url()),
            rule("/dots", "http://admin.internal/users/${req.headers['x-t'][0]}"),
            rule("/broken", "http://broken.internal/"),
            rule("/whole", "http://whole.internal/"),
        ]}),
        &[
            json!({"url": "http://admin.internal", "traffic_policy": {"on_http_request": [
                {"expressions": ["req.url.path.startsWith('/admin')"], "actions": [answer(403, "kept out")]},
                answer(200, "inside ${req.url.path}")]}}),
            json!({"url": "http://broken.internal", "upstream": broken.url()}),
            json!({"url": "http://whole.internal", "upstream": whole.url()}),
        ],
    )
    .await;
    let computed = gateway.send(get("/computed").header("x-t", "admin.internal")).await.text();
    assert!(computed.starts_with("ERR_NGROK_3007"), "{computed}");
    let redirected = gateway.send(get("/redirected")).await.text();
    assert!(redirected.starts_with("ERR_NGROK_3007"), "{redirected}");
    let dots = gateway.send(get("/dots").header("x-t", "../admin/x")).await.text();
    assert_eq!(dots, " kept out", "the path that rules see is the one that is meant");
    let broken = gateway.send(get("/broken")).await.text();
    assert!(broken.starts_with("ERR_NGROK_3007"), "half an answer is none: {broken}");
    assert_eq!(gateway.send(get("/whole")).await.text(), " whole");
}

#[tokio::test]
async fn a_login_of_an_endpoint_that_failed_stays_out_of_the_next() {
    let echo = EchoServer::start().await;
    let login = json!({"type": "openid-connect", "config": {
        "issuer_url": "https://id.example.com", "client_id": "a", "client_secret": "b", "auth_id": "x",
        "allow_cors_preflight": true,
    }});
    let gateway = stage(
        json!({"on_http_request": [forward("http://inner.internal", "continue"), forward("http://echo.internal", "halt")]}),
        &[
            json!({"url": "http://inner.internal", "upstream": format!("http://{}", nobody()),
                "traffic_policy": {"on_http_request": [login]}}),
            json!({"url": "http://echo.internal", "upstream": echo.url()}),
        ],
    )
    .await;
    let ask = get("/").method("OPTIONS").header("origin", "https://app.example");
    let ask =
        ask.header("access-control-request-method", "GET").header("ngrok-auth-oauth-access-token", "forged");
    let told = gateway.send(ask.header("cookie", "a=1; session.x=1.sealed; b=2")).await.json();
    assert_eq!(told["headers"]["cookie"], "a=1; b=2", "{told}");
    assert_eq!(told["headers"].get("ngrok-auth-oauth-access-token"), None, "{told}");
}

/// Answers the first request of its first connection, closes at the second without a word, and answers on others. The first
/// lines of all requests.
async fn forgetful() -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = std::sync::Arc::clone(&seen);
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut answers = if std::mem::take(&mut first) { 1 } else { usize::MAX };
            let told = std::sync::Arc::clone(&told);
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(read @ 1..) = tcp.read(&mut buffer).await {
                    let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
                    told.lock().unwrap().push(text.lines().next().unwrap_or("").to_owned());
                    if answers == 0 {
                        return;
                    }
                    answers -= 1;
                    tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                }
            });
        }
    });
    (url, seen)
}

#[tokio::test]
async fn what_may_not_be_sent_twice_is_not() {
    for (method, status, times) in [("GET", 200, 3), ("POST", 502, 2)] {
        for on_error in ["halt", "continue"] {
            let (url, seen) = forgetful().await;
            let gateway = stage(
                json!({"on_http_request": [forward("http://one.internal", on_error), answer(502, "gone")]}),
                &[json!({"url": "http://one.internal", "upstream": url})],
            )
            .await;
            assert_eq!(gateway.send(get("/first")).await.status, 200);
            let got = gateway.send(get("/order").method(method)).await;
            assert_eq!(got.status, status, "{method} {on_error}: {}", got.text());
            let seen = seen.lock().unwrap().clone();
            assert_eq!(seen.len(), times, "{method} {on_error}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_breaker_counts_what_an_endpoint_answers_itself() {
    let gateway = stage(
        json!({"on_http_request": [
            {"type": "circuit-breaker", "config": {"volume_threshold": 1, "error_threshold": 0.1}},
            forward("http://inner.internal", "halt"),
        ]}),
        &[json!({"url": "http://inner.internal", "traffic_policy": {"on_http_request": [answer(500, "broken")]}})],
    )
    .await;
    let statuses = [gateway.send(get("/")).await.status, gateway.send(get("/")).await.status];
    assert_eq!(statuses, [500, 503]);
}

#[tokio::test]
async fn a_body_that_was_read_in_part_goes_nowhere() {
    let echo = EchoServer::start().await;
    let policy = json!({"on_http_request": [{"type": "ai-gateway", "config": {"on_error": "continue"}}]});
    let gateway = Gateway::builder(&policy.to_string())
        .args(&["--upstream", &echo.url(), "--max-body", "1KiB"])
        .start()
        .await;
    let got = gateway.send(post_bytes("/v1/chat/completions", "x".repeat(3000))).await;
    assert_eq!((got.status, got.code()), (413, "27215"), "{}", got.text());
}

#[tokio::test]
async fn a_listener_with_an_upstream_needs_no_policy() {
    let echo = EchoServer::start().await;
    let gateway = Gateway::builder("").without_policy().args(&["--upstream", &echo.url()]).start().await;
    let got = gateway.send(get("/v1/models")).await;
    assert_eq!((got.status, got.header("x-from")), (200, "upstream"), "{}", got.text());
}
