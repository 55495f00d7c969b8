//! A raw client: what it sees is what was on the wire.

use crate::{Behaviour, MockServer, Script};
use serde_json::{Value, json};
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fin,
    Reset,
    /// Still open after a second.
    Open,
}

/// Everything that came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    /// As on the wire, chunk sizes included.
    pub(crate) raw: Vec<u8>,
    pub(crate) end: End,
}

/// One event of a stream.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) data: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|l| l.split_once(": ")).find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }

    /// Whether the body's end was seen, not only the connection's.
    pub(crate) fn complete(&self) -> bool {
        if self.is_chunked() {
            return self.raw.ends_with(b"0\r\n\r\n");
        }
        self.header("content-length").and_then(|l| l.parse().ok()) == Some(self.raw.len())
    }

    /// The body's text, chunk sizes taken out.
    pub(crate) fn text(&self) -> String {
        if !self.is_chunked() {
            return String::from_utf8_lossy(&self.raw).into_owned();
        }
        let mut out = Vec::new();
        let mut rest = &self.raw[..];
        while let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
            let from = at + 2;
            if size == 0 || rest.len() < from + size {
                break;
            }
            out.extend_from_slice(&rest[from..from + size]);
            rest = &rest[from + size + 2..];
        }
        String::from_utf8(out).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    pub(crate) fn frames(&self) -> Vec<Frame> {
        let text = self.text();
        text.split("\n\n")
            .filter(|block| !block.trim().is_empty() && !block.starts_with(':'))
            .map(|block| {
                let field = |name: &str| {
                    block.lines().find_map(|l| l.strip_prefix(name)).map(str::trim).unwrap_or("").to_owned()
                };
                Frame { event: field("event:"), data: field("data:") }
            })
            .collect()
    }

    /// The events' JSON, without `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let frames = self.frames();
        frames.iter().filter(|f| f.data != "[DONE]").map(|f| serde_json::from_str(&f.data).unwrap()).collect()
    }
}

/// A request's bytes.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: mock\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{body}")
}

/// Sends a request on a connection of its own and reads until the connection ends.
pub(crate) async fn exchange(addr: SocketAddr, request: &str) -> Answer {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let end = loop {
        match tokio::time::timeout(Duration::from_secs(1), tcp.read_buf(&mut seen)).await {
            Err(_) => break End::Open,
            Ok(Ok(0)) => break End::Fin,
            Ok(Ok(_)) if seen.len() > 4 << 20 => break End::Open,
            Ok(Ok(_)) => {}
            Ok(Err(e)) => {
                assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset);
                break End::Reset;
            }
        }
    };
    let at = seen.windows(4).position(|w| w == b"\r\n\r\n").map_or(seen.len(), |at| at + 4);
    let raw = seen.split_off(at);
    Answer { head: String::from_utf8(seen).unwrap(), raw, end }
}

/// Posts JSON with a key.
pub(crate) async fn post(server: &MockServer, path: &str, body: Value) -> Answer {
    let headers =
        [("authorization", "Bearer sk-test-0123456789abcdef"), ("content-type", "application/json")];
    exchange(server.addr(), &request("POST", path, &headers, &body.to_string())).await
}

pub(crate) async fn get(server: &MockServer, path: &str) -> Answer {
    exchange(server.addr(), &request("GET", path, &[], "")).await
}

/// A chat request.
pub(crate) fn chat(stream: bool) -> Value {
    json!({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
}

/// A server that always does the same.
pub(crate) async fn always(behaviour: Behaviour) -> MockServer {
    MockServer::start(Script::always(behaviour)).await.unwrap()
}

/// Waiting may not last: a test fails instead.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.unwrap()
}
