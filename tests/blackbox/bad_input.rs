//! Requests that are wrong, each answered in the client's dialect, none sent on.

use crate::support::*;
use serde_json::json;
use tollgate_mock::{MockServer, Script};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

async fn stage() -> (MockServer, Gateway) {
    let one = mock(Script::default()).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    (one, gateway)
}

#[tokio::test]
async fn bodies_that_are_no_request() {
    let (one, gateway) = stage().await;
    for body in [
        "",
        " ",
        "{",
        "{]",
        "nonsense",
        "[]",
        "5",
        "\"text\"",
        "null",
        "true",
        "[{\"model\":\"one:m\"}]",
        "{\"model\": 5}",
        "{\"model\": [\"one:m\"]}",
        "{\"model\": {}}",
        "{\"model\": true}",
        "{\"models\": \"x\"}",
        "{\"models\": [1]}",
        "{\"models\": [\"one:m\", null]}",
        "{\"models\": {}}",
        "{\"model\":\"one:m\"",
        "{\"model\":\"one:m\"} extra",
        "{\"model\":\"one:m\",}",
        "{'model':'one:m'}",
        "{\"model\":\"one:m\\u12\"}",
        "\u{feff}",
        "{\"model\":\"one:m\"}\u{0}",
    ] {
        let answer = gateway.send(post_bytes(CHAT, body)).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        answer.assert_openai_error(400, "3801");
        gateway.send(post_bytes(MESSAGES, body)).await.assert_anthropic_error(400, "3801");
    }
    let latin1: &[u8] = b"{\"model\":\"one:m\xe9\"}";
    gateway.send(post_bytes(CHAT, latin1)).await.assert_openai_error(400, "3801");
    assert!(one.requests().is_empty());
    let line = gateway.log_lines(1).await.remove(0);
    assert_eq!(
        (&line["outcome"], &line["error_code"], &line["status"]),
        (&json!("invalid"), &json!("ERR_NGROK_3801"), &json!(400))
    );
}

#[tokio::test]
async fn deep_nesting_is_no_crash() {
    let (_one, gateway) = stage().await;
    for depth in [1_000, 100_000, 1_000_000] {
        let body = format!("{{\"model\":\"one:m\",\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let answer = gateway.send(post_bytes(CHAT, body)).await;
        assert!([200, 400].contains(&answer.status), "{depth}: {}", answer.status);
    }
    assert_eq!(gateway.send(post(CHAT, &names(&["one:m"]))).await.status, 200, "it still serves");
}

#[tokio::test]
async fn an_empty_list_is_no_list() {
    let (_one, gateway) = stage().await;
    let answer = gateway.send(post(CHAT, &json!({"model": "one:m", "models": [], "messages": []}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = gateway.send(post(CHAT, &json!({"model": "one:m", "models": null, "messages": []}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn unknown_models() {
    let (one, gateway) = stage().await;
    gateway.send(post(CHAT, &names(&["nothing"]))).await.assert_openai_error(422, "3804");
    gateway.send(post(MESSAGES, &names(&["nothing"]))).await.assert_anthropic_error(422, "3804");
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn methods_and_paths() {
    let (one, gateway) = stage().await;
    for (method, path, status, code) in [
        ("GET", CHAT, 405, "27228"),
        ("PUT", CHAT, 405, "27228"),
        ("DELETE", MESSAGES, 405, "27228"),
        ("POST", "/v1/models", 405, "27228"),
        ("POST", "/v1/images/generations", 404, "27204"),
        ("GET", "/", 404, "27204"),
        ("POST", "/v2/chat/completions", 404, "27204"),
    ] {
        let answer = gateway.send(get(path).method(method)).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{method} {path}: {}", answer.text());
        if status == 405 {
            assert_eq!(answer.header("allow"), if path == "/v1/models" { "GET, HEAD" } else { "POST" });
        }
        if path == MESSAGES {
            answer.assert_anthropic_error(status, code);
        } else {
            answer.assert_openai_error(status, code);
        }
    }
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn heads_over_64_kib() {
    let (one, gateway) = stage().await;
    let long = "v".repeat(70 * 1024);
    let many: String = (0..200).map(|n| format!("x-{n}: {}\r\n", "v".repeat(400))).collect();
    for headers in [format!("x-long: {long}\r\n"), many] {
        let mut client = RawConnection::open(gateway.addr).await;
        let body = names(&["one:m"]).to_string();
        client
            .write(format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.status, 431, "{}", answer.head);
        assert!(answer.json()["error"]["message"].is_string(), "{}", answer.head);
    }
    let answer = gateway.send(post(CHAT, &names(&["one:m"])).header("x-long", &"v".repeat(60 * 1024))).await;
    assert_eq!(answer.status, 200, "below the limit");
    let answer =
        gateway.send(post(CHAT, &names(&["one:m"])).header("x-long", &"v".repeat(15 * 1024)).h2()).await;
    assert_eq!(answer.status, 200);
    let answer =
        gateway.send(post(CHAT, &names(&["one:m"])).header("x-long", &"v".repeat(70 * 1024)).h2()).await;
    assert_eq!(answer.status, 431, "over HTTP/2 too");
    assert_eq!(one.requests().len(), 2);
}

#[tokio::test]
async fn what_is_no_http_ends_the_connection() {
    let (_one, gateway) = stage().await;
    for bytes in [
        "GARBAGE\r\n\r\n".to_owned(),
        "GET\r\n\r\n".into(),
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n".into(),
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}"
            .into(),
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".into(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned() + &"\0".repeat(300),
    ] {
        let mut client = RawConnection::open(gateway.addr).await;
        client.write(&bytes).await;
        client.half_close().await;
        let seen = String::from_utf8_lossy(&client.everything().await).into_owned();
        assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 4"), "{bytes:?}: {seen}");
    }
    assert_eq!(gateway.send(post(CHAT, &names(&["one:m"]))).await.status, 200);
    gateway.wait_idle().await;
}

#[tokio::test]
async fn a_request_cannot_hide_another_one() {
    // Both framings (RFC 9112, section 6.3): refused, or chunked counts and the connection ends.
    let (one, gateway) = stage().await;
    let inner =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 17\r\n\r\n{\"model\":\"one:b\"}";
    let body = "{\"model\":\"one:a\"}";
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let request = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}{inner}",
        chunked.len() + inner.len()
    );
    let mut client = RawConnection::open(gateway.addr).await;
    client.write(request).await;
    client.half_close().await;
    client.everything().await;
    gateway.wait_idle().await;
    assert!(one.requests().iter().all(|r| r.model != "b"), "the second request was smuggled in");
}

#[tokio::test]
async fn the_connection_lives_on_after_an_error() {
    let (_one, gateway) = stage().await;
    let mut client = RawConnection::open(gateway.addr).await;
    for _ in 0..3 {
        client.post(CHAT, &json!({"model": 5})).await;
        assert_eq!(client.answer().await.expect("kept open").status, 400);
        client.post(CHAT, &names(&["one:m"])).await;
        assert_eq!(client.answer().await.expect("kept open").status, 200);
    }
}
