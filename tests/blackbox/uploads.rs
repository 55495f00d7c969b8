//! Bodies: large, slow, in chunks, announced, too large.

use crate::support::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate_mock::{Behaviour, Fault, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";
const MIB: usize = 1 << 20;

async fn stage(arrange: impl FnOnce(Builder) -> Builder) -> (MockServer, MockServer, Gateway) {
    let (one, two) = (mock(Script::default()).await, mock(Script::default()).await);
    let gateway = arrange(Gateway::builder(&two_providers(&one, &two, json!({})))).start().await;
    (one, two, gateway)
}

/// A request of exactly so many bytes.
fn sized(bytes: usize) -> String {
    let (start, end) = (r#"{"models":["one:m","two:m"],"messages":[{"role":"user","content":""#, r#""}]}"#);
    format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
}

/// How long the only message of a request is.
fn content(body: &[u8]) -> usize {
    let body: Value = serde_json::from_slice(body).unwrap();
    body["messages"][0]["content"].as_str().unwrap().len()
}

#[tokio::test]
async fn twenty_mib_that_fail_over() {
    let (one, two, gateway) = stage(|b| b).await;
    let body = sized(20 * MIB);
    for (behaviour, h2) in [
        (Behaviour::status(503), false),
        (Behaviour::fault(Fault::CloseBeforeHead), true),
        (Behaviour::fault(Fault::ErrorFirst), false),
        (Behaviour::status(413), true),
    ] {
        one.set_script(Script::always(behaviour));
        two.clear_requests();
        let ask = post_bytes(CHAT, body.clone());
        let answer = gateway.send(if h2 { ask.h2() } else { ask }).await;
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
        let [sent] = &two.requests()[..] else { panic!("one request") };
        assert_eq!((&sent.json()["model"], content(&sent.body)), (&json!("m"), content(body.as_bytes())));
        one.clear_requests();
    }
    assert_eq!(gateway.log_lines(1).await[0]["bytes_in"], 20 * MIB);
    let peak = gateway.memory_kib("VmHWM");
    assert!(peak < 256 * 1024, "{peak} KiB at the peak");
}

#[tokio::test]
async fn the_limit_is_32_mib() {
    let (one, _two, gateway) = stage(|b| b).await;
    assert_eq!(gateway.send(post_bytes(CHAT, sized(32 * MIB))).await.status, 200);
    gateway.send(post_bytes(CHAT, sized(32 * MIB + 1))).await.assert_openai_error(413, "27215");
    gateway.send(post_bytes(CHAT, sized(33 * MIB)).h2()).await.assert_openai_error(413, "27215");
    assert_eq!(one.requests().len(), 1);
}

#[tokio::test]
async fn another_limit() {
    let (one, _two, gateway) = stage(|b| b.args(&["--max-body", "64KiB"])).await;
    assert_eq!(gateway.send(post_bytes(CHAT, sized(64 * 1024))).await.status, 200);
    gateway.send(post_bytes(CHAT, sized(64 * 1024 + 1))).await.assert_openai_error(413, "27215");
    gateway
        .send(post_bytes("/v1/messages", sized(64 * 1024 + 1)).h2())
        .await
        .assert_anthropic_error(413, "27215");
    // Not announced: noticed while it comes.
    let mut client = RawConnection::open(gateway.addr).await;
    client.write(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")).await;
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for _ in 0..5 {
        client.write(&chunk).await;
    }
    assert_eq!(client.answer().await.expect("an answer").status, 413);
    assert_eq!(one.requests().len(), 1);
}

#[tokio::test]
async fn expect_100_continue() {
    let (one, _two, gateway) = stage(|b| b.args(&["--max-body", "64KiB"])).await;
    let body = sized(1000);
    let head = |length| {
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n")
    };
    let mut client = RawConnection::open(gateway.addr).await;
    client.write(head(body.len())).await;
    assert_eq!(client.until(b"\r\n\r\n").await.unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write(&body).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(one.requests()[0].header("expect"), "", "it ends here");
    // A body that is too large is refused before it is sent.
    let mut client = RawConnection::open(gateway.addr).await;
    client.write(head(10 * MIB)).await;
    assert_eq!(client.answer().await.unwrap().status, 413);
}

#[tokio::test]
async fn chunked_uploads() {
    let (one, _two, gateway) = stage(|b| b).await;
    for (size, step) in [(300, 7), (300_000, 4096), (MIB, MIB)] {
        one.clear_requests();
        let body = sized(size);
        let mut client = RawConnection::open(gateway.addr).await;
        client.write(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")).await;
        for part in body.as_bytes().chunks(step) {
            client.write([format!("{:x};ext=1\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()).await;
        }
        client.write("0\r\ntrailer: x\r\n\r\n").await;
        assert_eq!(client.answer().await.expect("an answer").status, 200, "{size} by {step}");
        let sent = &one.requests()[0];
        assert_eq!(content(&sent.body), content(body.as_bytes()));
        assert_eq!(sent.header("content-length"), sent.body.len().to_string(), "sent with its length");
        assert_eq!(sent.header("transfer-encoding"), "");
    }
}

#[tokio::test]
async fn a_stalled_upload_is_ended() {
    let (one, _two, gateway) = stage(|b| b.config("limits: {body_timeout: 1s}\n")).await;
    for path in [CHAT, "/v1/messages"] {
        let started = Instant::now();
        let mut client = RawConnection::open(gateway.addr).await;
        client
            .write(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{{\"model\":"))
            .await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.header("ngrok-error-code")), (408, Some("ERR_NGROK_27214")));
        assert!(started.elapsed() < Duration::from_secs(6));
        assert_eq!(answer.json()["type"] == "error", path != CHAT, "its dialect: {}", answer.json());
        assert!(client.until(b"never").await.is_none(), "and the connection ends");
    }
    gateway.wait_idle().await;
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn a_trickle_does_not_hold_its_place_for_ever() {
    let (_one, _two, gateway) = stage(|b| b.config("limits: {body_timeout: 1s}\n")).await;
    let mut client = RawConnection::open(gateway.addr).await;
    client.write(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")).await;
    let started = Instant::now();
    let trickling = async {
        while started.elapsed() < Duration::from_secs(3) && client.write("x").await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        client.answer().await
    };
    assert_eq!(soon(trickling).await.expect("an answer").status, 408);
}

#[tokio::test]
async fn a_limit_that_is_none_is_refused_by_name_and_place() {
    let builder = Gateway::builder("on_http_request: []").config("limits:\n  header_timeout: 0s\n");
    let exit = builder.try_start().await.err().expect("an exit");
    let said = "tollgate.yml:2:19: error: `limits.header_timeout`: must be longer than nothing";
    assert!(exit.code == Some(1) && exit.stderr.contains(said), "{exit:?}");
}

#[tokio::test]
async fn bodies_of_all_connections_together_are_bounded() {
    let (_one, _two, gateway) = stage(|b| b.config("limits: {buffered_bodies: 1MiB}\n")).await;
    // A probe that comes before the upload has been read takes from the same budget, so it is tried again.
    let refused = soon(async {
        loop {
            let mut holder = RawConnection::open(gateway.addr).await;
            let head = "HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
            holder.write(format!("POST {CHAT} {head}{}", "x".repeat(900_000))).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let answer = gateway.send(post_bytes(CHAT, sized(400_000))).await;
            holder.leave();
            if answer.status != 200 {
                return answer;
            }
        }
    })
    .await;
    refused.assert_openai_error(503, "27220");
    gateway.wait_idle().await;
    assert_eq!(gateway.send(post_bytes(CHAT, sized(400_000))).await.status, 200, "the share is given back");
}

#[tokio::test]
async fn http_1_0_without_keep_alive() {
    let (_one, _two, gateway) = stage(|b| b).await;
    for stream in [false, true] {
        let body = merge(names(&["one:m"]), json!({"stream": stream})).to_string();
        let mut client = RawConnection::open(gateway.addr).await;
        client.write(format!("POST {CHAT} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
        let seen = String::from_utf8(client.everything().await).unwrap();
        assert!(seen.starts_with("HTTP/1.0 200") || seen.starts_with("HTTP/1.1 200"), "{seen}");
        assert!(!seen.to_ascii_lowercase().contains("transfer-encoding"), "HTTP/1.0 has no chunks: {seen}");
        let text = seen.split_once("\r\n\r\n").unwrap().1;
        assert!(if stream { text.ends_with("data: [DONE]\n\n") } else { text.ends_with('}') }, "{text}");
    }
}
