//! A connection on which the head and the short body of a request leave in one write.
//!
//! Pingora flushes the head before it takes the body: two system calls, two segments, and two wake-ups of the
//! provider for a request of two kilobytes. Here the first flush is held until the body is there.

use async_trait::async_trait;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest,
};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bodies up to this length are joined to their head; copying longer ones costs more than a write.
pub(super) const JOINED: usize = 16 * 1024; // 16 KiB
/// Room for the head and a body of usual length.
const ROOM: usize = 4 * 1024; // 4 KiB

/// The connection below, and what is held of the request at hand.
#[derive(Debug)]
struct Joined {
    below: Stream,
    /// What is written next is a head that a short body follows.
    next: AtomicBool,
    held: Held,
}

/// How far the joining has come.
enum Held {
    /// Everything passes as it comes.
    No,
    /// The head; its flush is still to come.
    Head(Vec<u8>),
    /// The head and what has come of the body; the next flush sends both.
    Body(Vec<u8>),
    /// Both, of which so much has been written.
    Leaving(Vec<u8>, usize),
}

/// Makes the next request on this connection, new or used before, leave in one write when `join`.
pub(super) fn joined(stream: Stream, join: bool) -> Stream {
    if let Some(used) = stream.as_ref().as_any().downcast_ref::<Joined>() {
        used.next.store(join, Ordering::Relaxed);
        return stream;
    }
    Box::new(Joined { below: stream, next: AtomicBool::new(join), held: Held::No })
}

impl Joined {
    fn send_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Held::Leaving(bytes, written) = &mut self.held {
            let rest = bytes.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                self.held = Held::No;
                break;
            }
            match ready!(Pin::new(&mut self.below).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *written += more,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Joined {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.next.swap(false, Ordering::Relaxed) {
            self.held = Held::Head(Vec::with_capacity(ROOM));
        }
        if let Held::Head(bytes) | Held::Body(bytes) = &mut self.held {
            bytes.extend_from_slice(data);
            return Poll::Ready(Ok(data.len()));
        }
        ready!(self.send_held(cx))?;
        Pin::new(&mut self.below).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.held = match std::mem::replace(&mut self.held, Held::No) {
            Held::Head(bytes) => {
                self.held = Held::Body(bytes);
                return Poll::Ready(Ok(()));
            }
            Held::Body(bytes) => Held::Leaving(bytes, 0),
            other => other,
        };
        ready!(self.send_held(cx))?;
        Pin::new(&mut self.below).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}

impl AsyncRead for Joined {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_read(cx, buffer)
    }
}

#[async_trait]
impl Shutdown for Joined {
    async fn shutdown(&mut self) {
        self.below.shutdown().await;
    }
}

#[async_trait]
impl Peek for Joined {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.below.try_peek(buffer).await
    }
}

impl UniqueID for Joined {
    fn id(&self) -> UniqueIDType {
        self.below.id()
    }
}

// Only plain connections are joined: the defaults, which know of no TLS, are right.
impl Ssl for Joined {}

impl GetTimingDigest for Joined {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.below.get_timing_digest()
    }
    fn get_read_pending_time(&self) -> Duration {
        self.below.get_read_pending_time()
    }
    fn get_write_pending_time(&self) -> Duration {
        self.below.get_write_pending_time()
    }
}

impl GetProxyDigest for Joined {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.below.get_proxy_digest()
    }
    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.below.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Joined {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.below.get_socket_digest()
    }
    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.below.set_socket_digest(digest);
    }
}

impl std::fmt::Debug for Held {
    /// Without the bytes: they hold a key and a prompt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::No => "No",
            Self::Head(_) => "Head",
            Self::Body(_) => "Body",
            Self::Leaving(..) => "Leaving",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let near = TcpStream::connect(address).await.expect("connects");
        let (far, _) = listener.accept().await.expect("accepts");
        (Box::new(pingora_core::protocols::l4::stream::Stream::from(near)), far)
    }

    #[tokio::test]
    async fn head_and_body_arrive_together_and_the_next_request_passes_as_it_comes() {
        let (near, mut far) = pair().await;
        let mut stream = joined(near, true);
        stream.write_all(b"HEAD").await.expect("held");
        stream.flush().await.expect("held");
        stream.write_all(b"BODY").await.expect("held");
        stream.flush().await.expect("sent");
        let mut got = [0; 16];
        let first = far.read(&mut got).await.expect("reads");
        assert_eq!(&got[..first], b"HEADBODY", "one segment");

        let mut again = joined(stream, false);
        assert!(again.as_ref().as_any().is::<Joined>(), "wrapped once, not twice");
        again.write_all(b"NEXT").await.expect("sent");
        again.flush().await.expect("sent");
        let next = far.read(&mut got).await.expect("reads");
        assert_eq!(&got[..next], b"NEXT");
    }
}
