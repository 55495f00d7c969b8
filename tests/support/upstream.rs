//! A provider below HTTP: it reads a request and answers with bytes no library would send.

use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What happens after the bytes of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// FIN
    Close,
    /// RST
    Reset,
    /// Nothing, until the other side closes.
    Hold,
    /// The same bytes again and again.
    Repeat(Bytes),
    /// Everything that comes goes back.
    Echo,
}

/// Gives every connection the same answer.
pub(crate) struct RawUpstream {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    answer: Mutex<(Bytes, Then)>,
    /// How long it takes to answer.
    distance: Duration,
    requests: Mutex<Vec<Vec<u8>>>,
    /// Connections that the other side has left.
    left: watch::Sender<usize>,
}

impl RawUpstream {
    pub(crate) async fn start(bytes: impl Into<Bytes>, then: Then) -> Self {
        Self::far(bytes, then, Duration::ZERO).await
    }

    /// One that takes some time to answer, as over a network.
    pub(crate) async fn far(bytes: impl Into<Bytes>, then: Then, distance: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let answer = Mutex::new((bytes.into(), then));
        let shared =
            Arc::new(Shared { answer, distance, requests: Mutex::default(), left: watch::Sender::new(0) });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp, Arc::clone(&serving)));
            }
        });
        Self { addr, shared, accepting: accepting.abort_handle() }
    }

    /// Answers otherwise from the next connection on.
    pub(crate) fn set(&self, bytes: impl Into<Bytes>, then: Then) {
        *self.shared.answer.lock().unwrap() = (bytes.into(), then);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What came, heads and bodies.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().map(|r| String::from_utf8_lossy(r).into_owned()).collect()
    }

    /// Returns once so many connections were left by the other side.
    pub(crate) async fn wait_left(&self, count: usize) {
        let mut left = self.shared.left.subscribe();
        super::soon(left.wait_for(|n| *n >= count)).await.unwrap();
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut tcp: TcpStream, shared: Arc<Shared>) {
    let _ = tcp.set_nodelay(true);
    let Some(request) = request(&mut tcp).await else { return };
    shared.requests.lock().unwrap().push(request);
    if !shared.distance.is_zero() {
        tokio::time::sleep(shared.distance).await;
    }
    let (bytes, then) = shared.answer.lock().unwrap().clone();
    if tcp.write_all(&bytes).await.is_err() {
        return;
    }
    match then {
        Then::Close => return,
        Then::Reset => {
            let _ = tcp.set_zero_linger();
            return;
        }
        Then::Hold => {
            let mut rest = Vec::new();
            let _ = tcp.read_to_end(&mut rest).await;
        }
        Then::Repeat(bytes) => while tcp.write_all(&bytes).await.is_ok() {},
        Then::Echo => {
            let (mut read, mut write) = tcp.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        }
    }
    shared.left.send_modify(|n| *n += 1);
}

/// Head and body of one request.
async fn request(tcp: &mut TcpStream) -> Option<Vec<u8>> {
    let mut seen = Vec::new();
    loop {
        if tcp.read_buf(&mut seen).await.ok()? == 0 {
            return None;
        }
        let Some(at) = seen.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&seen[..at]).to_ascii_lowercase();
        let length =
            head.lines().find_map(|l| l.strip_prefix("content-length:")).map(|l| l.trim().parse::<usize>());
        if seen.len() >= at + 4 + length.and_then(Result::ok).unwrap_or(0) {
            return Some(seen);
        }
    }
}
