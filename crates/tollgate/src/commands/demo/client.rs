//! A client of the gateway that shows an answer as it comes.

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) request_id: String,
    /// The texts of the model put together.
    pub(super) text: String,
}

/// Asks, and hands on every part of the answer's text as it comes.
///
/// # Errors
/// What went wrong, in words.
pub(super) async fn ask(to: SocketAddr, body: &Json, on_text: impl FnMut(&str)) -> Result<Answer, String> {
    exchange(to, body, on_text).await.map_err(|wrong| wrong.to_string())
}

async fn exchange(
    to: SocketAddr,
    body: &Json,
    mut on_text: impl FnMut(&str),
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::post("/v1/chat/completions")
        .header(HOST, to.to_string())
        .header(CONTENT_TYPE, "application/json")
        .header(AUTHORIZATION, "Bearer unused")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let answer = sender.send_request(request).await?;
    let header = |name: &str| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned()
    };
    let status = answer.status().as_u16();
    let (request_id, streamed) =
        (header("x-tollgate-request-id"), header("content-type").starts_with("text/event-stream"));
    let mut body = answer.into_body();
    let (mut seen, mut text) = (Vec::new(), String::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        seen.extend_from_slice(&data);
        while streamed && let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = seen.drain(..=end).collect();
            if let Some(part) = delta(&line) {
                on_text(&part);
                text.push_str(&part);
            }
        }
    }
    if !streamed {
        text = whole(&seen);
        on_text(&text);
    }
    Ok(Answer { status, request_id, text })
}

/// The text in a line of a streamed chat completion.
fn delta(line: &[u8]) -> Option<String> {
    let data = line.strip_prefix(b"data:")?;
    let event: Json = serde_json::from_slice(data).ok()?;
    event.pointer("/choices/0/delta/content")?.as_str().map(str::to_owned)
}

/// The text of a chat completion, or of an error.
fn whole(body: &[u8]) -> String {
    let answer: Json = serde_json::from_slice(body).unwrap_or_default();
    let text = answer.pointer("/choices/0/message/content").or_else(|| answer.pointer("/error/message"));
    text.and_then(Json::as_str).unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found() {
        let line = br#"data: {"choices":[{"delta":{"content":"Hel"}}]}"#;
        assert_eq!(delta(line).as_deref(), Some("Hel"));
        assert_eq!(delta(b"data: [DONE]"), None);
        assert_eq!(delta(b": comment"), None);
        assert_eq!(whole(br#"{"choices":[{"message":{"content":"Hello"}}]}"#), "Hello");
        assert_eq!(whole(br#"{"error":{"message":"no"}}"#), "no");
    }
}
