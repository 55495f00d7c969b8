//! A client that sends bytes as they are, for requests no library would send.

use super::soon;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection on which a test writes what it likes.
pub(crate) struct RawConnection {
    tcp: TcpStream,
    seen: Vec<u8>,
}

/// An answer of HTTP/1.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
    /// Chunk sizes taken out.
    pub(crate) body: Vec<u8>,
}

impl RawConnection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let tcp = TcpStream::connect(to).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Self { tcp, seen: Vec::new() }
    }

    /// Sends bytes. The other side may have closed already: what it said then is what a test reads.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        soon(self.tcp.write_all(bytes.as_ref())).await.is_ok()
    }

    /// A request with a JSON body, written at once.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        assert!(self.write(head + &body).await);
    }

    /// Reads until these bytes have come; gives everything up to their end.
    pub(crate) async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.seen.windows(end.len()).position(|w| w == end) {
                let rest = self.seen.split_off(at + end.len());
                return Some(std::mem::replace(&mut self.seen, rest));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads one whole answer.
    pub(crate) async fn answer(&mut self) -> Option<RawAnswer> {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await?).unwrap();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = RawAnswer { status, head, body: Vec::new() };
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let line = String::from_utf8(self.until(b"\r\n").await?).unwrap();
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                let chunk = self.exactly(size + 2).await?;
                if size == 0 {
                    return Some(answer);
                }
                answer.body.extend_from_slice(&chunk[..size]);
            }
        }
        let length = answer.header("content-length").map_or(0, |l| l.parse().unwrap());
        answer.body = self.exactly(length).await?;
        Some(answer)
    }

    /// Reads until the other side closes; gives everything.
    pub(crate) async fn everything(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.seen)
    }

    /// Whether the other side has closed, as far as it is seen within 20 ms.
    pub(crate) async fn closed(&mut self) -> bool {
        let read = self.tcp.read_buf(&mut self.seen);
        matches!(tokio::time::timeout(std::time::Duration::from_millis(20), read).await, Ok(Ok(0) | Err(_)))
    }

    async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.seen.len() < count {
            if !self.more().await {
                return None;
            }
        }
        let rest = self.seen.split_off(count);
        Some(std::mem::replace(&mut self.seen, rest))
    }

    /// `false` when the other side has closed.
    async fn more(&mut self) -> bool {
        matches!(soon(self.tcp.read_buf(&mut self.seen)).await, Ok(n) if n > 0)
    }

    /// Closes the sending side only: the client can still read.
    pub(crate) async fn half_close(&mut self) {
        self.tcp.shutdown().await.unwrap();
    }

    /// Closes with FIN. Nothing unread may be left, or the system sends a reset.
    pub(crate) fn leave(self) {
        drop(self.tcp);
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        self.tcp.set_zero_linger().unwrap();
        drop(self.tcp);
    }
}

impl RawAnswer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let same = |line: &str| line.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name));
        self.head
            .lines()
            .filter(|l| same(l))
            .find_map(|l| l.get(name.len()..)?.strip_prefix(':'))
            .map(str::trim)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
