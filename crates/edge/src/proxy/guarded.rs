//! A connection with clocks: one for the head of each request, from its first byte to its last, and one for writes that
//! make no progress. What is sent in useful time starts neither.

use super::frames::Frames;
use super::pulse::Pulse;
use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{ALPN, SslDigest, TlsRef};
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tollgate_observe::Cut;

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Time for the head of a request.
    pub(super) head: Duration,
    /// Bytes of it.
    pub(super) length: usize,
    /// Time until it takes some of what it is sent.
    pub(super) write: Duration,
}

/// A head that is too long is answered once it is complete. One of so many times the length is not waited for: Pingora
/// would hold a megabyte of it. With a head comes at most as much of its body as it is long itself.
const READ_WITH_HEAD: usize = 4;

/// A stream of requests.
#[derive(Debug)]
pub(super) struct Guarded {
    below: Stream,
    pulse: Arc<Pulse>,
    bounds: Bounds,
    opened: Instant,
    speaks: Speaks,
    /// Runs for the head of this number.
    head: Option<(u32, Pin<Box<Sleep>>)>,
    /// Runs while a write makes no progress.
    stalled: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Speaks {
    /// HTTP/1; of the head of this number so many bytes have come.
    One(Option<u32>, usize),
    /// HTTP/2
    Two(Frames),
}

impl Guarded {
    /// A connection of HTTP/2, or of HTTP/1. The first head is awaited from now on.
    pub(super) fn new(below: Stream, two: bool, bounds: Bounds, pulse: Arc<Pulse>) -> Self {
        let speaks = if two { Speaks::Two(Frames::default()) } else { Speaks::One(Some(0), 0) };
        Self { below, pulse, bounds, opened: Instant::now(), speaks, head: None, stalled: None }
    }

    /// Which head is due; between requests there is none.
    fn due(&self) -> Option<u32> {
        match &self.speaks {
            Speaks::One(begun, _) => self.pulse.awaited().filter(|awaited| *begun == Some(*awaited)),
            Speaks::Two(frames) => frames.waits_for(),
        }
    }

    fn has_read(&mut self, bytes: &[u8]) {
        match &mut self.speaks {
            Speaks::One(begun, length) => {
                let Some(awaited) = self.pulse.awaited().filter(|_| !bytes.is_empty()) else { return };
                *length = if *begun == Some(awaited) { *length + bytes.len() } else { bytes.len() };
                *begun = Some(awaited);
                if *length > self.bounds.length.saturating_mul(READ_WITH_HEAD) {
                    self.pulse.cut(Cut::HeadTooLong);
                }
            }
            Speaks::Two(frames) => {
                let opened = self.opened;
                if !frames.read(bytes, || opened.elapsed()) {
                    self.pulse.cut(Cut::Flood);
                }
            }
        }
    }

    /// Nothing more has come. If a head is due, its clock runs.
    fn waits(&mut self, cx: &mut Context<'_>) {
        let Some(due) = self.due() else {
            self.head = None;
            return;
        };
        if self.head.as_ref().is_none_or(|(number, _)| *number != due) {
            self.head = Some((due, Box::pin(sleep(self.bounds.head))));
        }
        if self.head.as_mut().is_some_and(|(_, clock)| clock.as_mut().poll(cx).is_ready()) {
            self.head = None;
            self.pulse.cut(Cut::HeaderTimeout);
        }
    }

    /// What became of a write. One that waits too long is an error.
    fn progress<T>(&mut self, cx: &mut Context<'_>, polled: Poll<Result<T>>) -> Poll<Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let clock = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.bounds.write)));
        if clock.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.stalled = None;
        self.pulse.count(Cut::WriteTimeout);
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client takes nothing of what it is sent")))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.below).poll_read(cx, buf);
        match polled {
            Poll::Ready(Ok(())) => self.has_read(buf.filled().get(before..).unwrap_or_default()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.waits(cx),
        }
        polled
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.below).poll_write(cx, buf);
        self.progress(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.below).poll_write_vectored(cx, parts);
        self.progress(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.below.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = Pin::new(&mut self.below).poll_flush(cx);
        self.progress(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = Pin::new(&mut self.below).poll_shutdown(cx);
        self.progress(cx, polled)
    }
}

// Everything else is what the stream below says.

#[async_trait]
impl Shutdown for Guarded {
    async fn shutdown(&mut self) {
        self.below.shutdown().await;
    }
}

#[async_trait]
impl Peek for Guarded {
    async fn try_peek(&mut self, buf: &mut [u8]) -> Result<bool> {
        self.below.try_peek(buf).await
    }
}

impl UniqueID for Guarded {
    fn id(&self) -> UniqueIDType {
        self.below.id()
    }
}

impl Ssl for Guarded {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.below.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.below.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.below.selected_alpn_proto()
    }
}

impl GetTimingDigest for Guarded {
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

impl GetProxyDigest for Guarded {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.below.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.below.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Guarded {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.below.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.below.set_socket_digest(digest);
    }
}
