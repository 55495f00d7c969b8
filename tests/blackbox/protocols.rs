//! HTTP/1.1 and HTTP/2, plain and with TLS, on both sides.

use crate::support::*;
use http::Version;
use serde_json::json;
use tollgate_mock::{MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

async fn tls_stage(trusted: bool) -> (MockServer, MockServer, Gateway) {
    let secure = MockServer::start_tls(Script::default()).await.unwrap();
    let plain = mock(Script::default()).await;
    let builder = Gateway::builder(&two_providers(&secure, &plain, json!({})));
    let builder = if trusted { builder.trust(secure.ca_pem().unwrap()) } else { builder };
    let gateway = builder.start().await;
    (secure, plain, gateway)
}

#[tokio::test]
async fn providers_with_tls_are_spoken_to_over_http_2() {
    let (secure, plain, gateway) = tls_stage(true).await;
    for stream in [false, true] {
        let body = merge(names(&["one:m", "two:m"]), json!({"stream": stream}));
        let answer = gateway.send(post(CHAT, &body)).await;
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "1"), "{}", answer.text());
        assert_eq!(answer.text().ends_with("data: [DONE]\n\n"), stream);
    }
    let requests = secure.requests();
    assert_eq!(requests[0].version, Version::HTTP_2);
    assert_eq!(requests[0].authority, format!("localhost:{}", secure.addr().port()));
    assert_eq!(requests[0].key.as_deref(), Some(KEY_ONE));
    assert_eq!(requests[0].connection, requests[1].connection, "one connection serves both");
    assert!(plain.requests().is_empty());
}

#[tokio::test]
async fn large_bodies_and_many_streams_over_one_http_2_connection() {
    let (secure, _plain, gateway) = tls_stage(true).await;
    let body = merge(names(&["one:m"]), json!({"x": "y".repeat(8 << 20)}));
    let answer = gateway.send(post(CHAT, &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(secure.requests()[0].json()["x"].as_str().map(str::len), Some(8 << 20));
    let asks = (0..50).map(|_| {
        tokio::spawn(post(CHAT, &merge(names(&["one:m"]), json!({"stream": true}))).h2().send(gateway.addr))
    });
    for ask in asks.collect::<Vec<_>>() {
        assert!(soon(ask).await.unwrap().text().ends_with("data: [DONE]\n\n"));
    }
}

#[tokio::test]
async fn a_certificate_nobody_trusts_is_a_failed_attempt() {
    let (secure, plain, gateway) = tls_stage(false).await;
    let answer = gateway.send(post(CHAT, &names(&["one:m", "two:m"]))).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
    assert!(secure.requests().is_empty(), "nothing is sent, above all no key");
    assert_eq!(plain.requests().len(), 1);
    let answer = gateway.send(post(CHAT, &names(&["one:m"]))).await;
    answer.assert_openai_error(502, "3800");
    assert!(answer.text().contains("TLS"), "{}", answer.text());
}

#[tokio::test]
async fn a_provider_that_does_not_speak_tls_is_a_failed_attempt() {
    let (one, two) = (mock(Script::default()).await, mock(Script::default()).await);
    let config = json!({"providers": [
        custom("one", &format!("https://{}/v1", one.addr()), &[KEY_ONE]),
        custom("two", &format!("{}/v1", two.url()), &[KEY_TWO]),
    ]});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let answer = gateway.send(post(CHAT, &names(&["one:m", "two:m"]))).await;
    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
}

#[tokio::test]
async fn clients_without_tls_may_speak_http_2() {
    let one = mock(Script::default()).await;
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [custom("one", &one.url(), &["k"])]}))).await;
    for stream in [false, true] {
        let body = merge(names(&["one:m"]), json!({"stream": stream}));
        let h2 = gateway.send(post(CHAT, &body).h2()).await;
        let h1 = gateway.send(post(CHAT, &body)).await;
        assert_eq!((h2.status, h1.status), (200, 200));
        assert_eq!(h2.header("x-tollgate-model"), "one:m");
        assert_eq!(h2.header("transfer-encoding"), "", "a header of HTTP/1");
        assert!(h2.whole && h1.whole);
    }
    gateway.send(post(CHAT, &json!({"model": 1})).h2()).await.assert_openai_error(400, "3801");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let one = mock(Script::default()).await;
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [custom("one", &one.url(), &["k"])]}))).await;
    let mut client = RawConnection::open(gateway.addr).await;
    for stream in [false, true, false, true] {
        client.post(CHAT, &merge(names(&["one:m"]), json!({"stream": stream}))).await;
        let answer = client.answer().await.expect("kept open");
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn a_listener_with_tls() {
    let one = mock(Script::default()).await;
    let certificate = Certificate::new("gateway.test");
    let builder = Gateway::builder(&ai_gateway(json!({"providers": [custom("one", &one.url(), &["k"])]})));
    let cert = builder.file("cert.pem", &certificate.cert_pem);
    let key = builder.file("key.pem", &certificate.key_pem);
    let builder = builder.args(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    check_tls(&builder.start().await, &certificate).await;
}

#[tokio::test]
async fn a_listener_with_tls_from_the_configuration_file() {
    let one = mock(Script::default()).await;
    let certificate = Certificate::new("gateway.test");
    let builder = Gateway::builder(&ai_gateway(json!({"providers": [custom("one", &one.url(), &["k"])]})));
    builder.file("cert.pem", &certificate.cert_pem);
    builder.file("key.pem", &certificate.key_pem);
    let config = "endpoints:\n  - name: ai\n    listen: 127.0.0.1:0\n    tls: {cert: DIR/cert.pem, key: DIR/key.pem}\n    \
                  traffic_policy_file: DIR/policy.yml\n";
    check_tls(&builder.config(config).start().await, &certificate).await;
}

#[tokio::test]
async fn rules_see_the_handshake() {
    let certificate = Certificate::new("gateway.test");
    let tls = "${conn.tls.version}|${conn.tls.cipher_suite}|${conn.tls.sni}|${conn.tls.negotiated_alpn}";
    let ours = "${conn.tls.server.san}|${conn.tls.client.subject}|${conn.tls.server.validity.not_after.getFullYear() > 2000}";
    let policy = json!({"on_http_request": [
        {"type": "custom-response", "config": {"status_code": 200, "headers": {"x-tls": tls, "x-ours": ours}}},
    ]});
    let builder = Gateway::builder(&policy.to_string());
    let cert = builder.file("cert.pem", &certificate.cert_pem);
    let key = builder.file("key.pem", &certificate.key_pem);
    let builder = builder.args(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    let gateway = builder.start().await;
    for (alpn, h2) in [("h2", true), ("http/1.1", false)] {
        let tls = certificate.connect(gateway.addr, "gateway.test", alpn).await;
        let ask = if h2 { get("/").h2() } else { get("/") };
        let answer = soon(soon(ask.over(tls, "https://gateway.test")).await.answer()).await;
        let seen: Vec<&str> = answer.header("x-tls").split('|').collect();
        assert!(seen[1].starts_with("TLS_AES_") || seen[1].starts_with("TLS_CHACHA20_"), "{seen:?}");
        assert_eq!([seen[0], seen[2], seen[3]], ["1.3", "gateway.test", alpn]);
        assert_eq!(answer.header("x-ours"), "DNS:gateway.test||true");
    }
}

async fn check_tls(gateway: &Gateway, certificate: &Certificate) {
    for (alpn, h2) in [("h2", true), ("http/1.1", false)] {
        let tls = certificate.connect(gateway.addr, "gateway.test", alpn).await;
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
        let ask = post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})));
        let ask = if h2 { ask.h2() } else { ask };
        let answer = soon(soon(ask.over(tls, "https://gateway.test")).await.answer()).await;
        assert!(
            answer.status == 200 && answer.text().ends_with("data: [DONE]\n\n"),
            "{alpn}: {}",
            answer.text()
        );
    }
}
