//! A server that reads requests strictly, keeps what it read, and says in its answers whom they are for.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What it read as one request.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Request line and headers, as they came.
    pub(crate) head: String,
    /// Chunk sizes taken out.
    pub(crate) body: String,
    /// Whether it has come to its end.
    pub(crate) whole: bool,
}

impl Recorded {
    /// The values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.split("\r\n").skip(1);
        let of = lines.filter_map(|line| line.split_once(':'));
        of.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or("")
    }
}

/// Answers every request with its target, its model and its `x-front`.
pub(crate) struct Recorder {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Recorded>>>,
    accepting: AbortHandle,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Recorded>>> = Arc::default();
        let keep = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let _ = tcp.set_nodelay(true);
                tokio::spawn(serve(Reader { tcp, rest: Vec::new() }, Arc::clone(&keep)));
            }
        });
        Self { addr, seen, accepting: accepting.abort_handle() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What has come since the last time this was asked.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Reader {
    tcp: TcpStream,
    rest: Vec<u8>,
}

async fn serve(mut reader: Reader, seen: Arc<Mutex<Vec<Recorded>>>) {
    while let Some(head) = reader.until(b"\r\n\r\n").await {
        let mut request = Recorded { head, body: String::new(), whole: false };
        request.whole = reader.body(&mut request).await.is_some();
        let model = request.body.split("\"model\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let said = format!(
            "{{\"choices\":[{{\"message\":{{\"content\":\"{}|{}\"}},\"finish_reason\":\"stop\"}}]}}",
            request.target().replace('"', ""),
            model.unwrap_or("")
        );
        let front = request.all("x-front").concat();
        let whole = request.whole;
        seen.lock().unwrap().push(request);
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-front: {front}\r\ncontent-length: {}\r\n\r\n{said}",
            said.len()
        );
        if !whole || reader.tcp.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
    if !reader.rest.is_empty() {
        let head = String::from_utf8_lossy(&reader.rest).into_owned();
        seen.lock().unwrap().push(Recorded { head, body: String::new(), whole: false });
    }
}

impl Reader {
    async fn more(&mut self) -> bool {
        matches!(self.tcp.read_buf(&mut self.rest).await, Ok(n) if n > 0)
    }

    async fn exactly(&mut self, count: usize) -> Option<String> {
        while self.rest.len() < count {
            if !self.more().await {
                return None;
            }
        }
        let after = self.rest.split_off(count);
        Some(String::from_utf8_lossy(&std::mem::replace(&mut self.rest, after)).into_owned())
    }

    async fn until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.rest.windows(end.len()).position(|w| w == end) {
                return self.exactly(at + end.len()).await;
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The body, as RFC 9112 section 6 has it; what came of it stays in the request if it breaks off.
    async fn body(&mut self, request: &mut Recorded) -> Option<()> {
        if !request.all("transfer-encoding").is_empty() {
            loop {
                let line = self.until(b"\r\n").await?;
                let size = usize::from_str_radix(line.trim_end(), 16).ok()?;
                request.body.push_str(&self.exactly(size).await?);
                if self.exactly(2).await? != "\r\n" {
                    return None;
                }
                if size == 0 {
                    return Some(());
                }
            }
        }
        let length = request.all("content-length").first().map_or(Ok(0), |length| length.parse()).ok()?;
        request.body = self.exactly(length).await?;
        Some(())
    }
}
