//! The cheapest possible provider, for benchmarks: what is measured should be the gateway.

use memchr::memmem;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A chat completion of about one kilobyte, as a short real one is.
pub const FAST_COMPLETION: &str = concat!(
    r#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"#,
    r#""model":"gpt-4.1-2025-04-14","choices":[{"index":0,"message":{"role":"assistant","content":"Hello! "#,
    r"How can I assist you today? This answer is longer than it needs to be, so that the whole body comes to ",
    r"about one kilobyte, which is what a typical short completion has on the wire. A gateway has to look at ",
    r"all of it: it is read, held until it is seen to be JSON and no error, and then sent on unchanged. What ",
    r#"follows the text are the token counts, which a meter wants to have, whether or not somebody has to pay "#,
    r#"for any of them.","refusal":null,"#,
    r#""annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"#,
    r#""completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"#,
    r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"#,
    r#""rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":null}"#
);

const FAILURE: &str = r#"{"error":{"message":"The engine is currently overloaded","type":"server_error","param":null,"code":null}}"#;

/// The longest request head that is understood.
const MAX_HEAD: usize = 64 * 1024;

/// Answers every HTTP/1.1 request with [`FAST_COMPLETION`], or with 503 when its path holds `/fail`. Keeps
/// connections open. Knows `content-length` and chunked request bodies, nothing else. Dropping it closes it.
pub struct FastServer {
    addr: SocketAddr,
    accepting: AbortHandle,
}

impl FastServer {
    /// Starts on this address; port 0 takes a free one.
    ///
    /// # Errors
    /// The address could not be bound.
    pub async fn bind(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        Ok(Self { addr, accepting: tokio::spawn(accept(listener)).abort_handle() })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://ADDR`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for FastServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((tcp, _)) = accepted {
                connections.spawn(serve(tcp));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut tcp: TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let good = answer("200 OK", FAST_COMPLETION);
    let bad = answer("503 Service Unavailable", FAILURE);
    let mut buffer = Vec::with_capacity(MAX_HEAD);
    loop {
        let Some(end) = read_until(&mut tcp, &mut buffer, b"\r\n\r\n", 0, MAX_HEAD).await? else {
            return Ok(());
        };
        let head = buffer.get(..end).unwrap_or_default();
        let first_line = head.split(|b| *b == b'\r').next().unwrap_or_default();
        let fails = memmem::find(first_line, b"/fail").is_some();
        let head = head.to_ascii_lowercase();
        if memmem::find(&head, b"\r\nexpect: 100-continue").is_some() {
            tcp.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        if memmem::find(&head, b"\r\ntransfer-encoding: chunked").is_some() {
            let Some(end) = read_until(&mut tcp, &mut buffer, b"0\r\n\r\n", end, usize::MAX).await? else {
                return Ok(());
            };
            buffer.drain(..end);
        } else {
            buffer.drain(..end);
            skip(&mut tcp, &mut buffer, content_length(&head)).await?;
        }
        tcp.write_all(if fails { &bad } else { &good }).await?;
    }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into()
}

fn content_length(head: &[u8]) -> usize {
    let name = b"\r\ncontent-length:";
    let value = memmem::find(head, name).and_then(|at| head.get(at + name.len()..));
    let digits =
        value.unwrap_or_default().iter().skip_while(|b| **b == b' ').take_while(|b| b.is_ascii_digit());
    digits.fold(0, |n: usize, digit| n.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
}

/// Reads until the mark; gives the position behind it, or nothing when the client left.
async fn read_until(
    tcp: &mut TcpStream,
    buffer: &mut Vec<u8>,
    mark: &[u8],
    from: usize,
    limit: usize,
) -> io::Result<Option<usize>> {
    let mut from = from;
    loop {
        let found = memmem::find(buffer.get(from..).unwrap_or_default(), mark);
        if let Some(at) = found {
            return Ok(Some(from + at + mark.len()));
        }
        // The mark may be cut; what is before that needs no second look.
        from = from.max(buffer.len().saturating_sub(mark.len() - 1));
        if buffer.len() >= limit || tcp.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Drops so many bytes, without keeping them.
async fn skip(tcp: &mut TcpStream, buffer: &mut Vec<u8>, mut count: usize) -> io::Result<()> {
    loop {
        let here = count.min(buffer.len());
        buffer.drain(..here);
        count -= here;
        if count == 0 {
            return Ok(());
        }
        if tcp.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
