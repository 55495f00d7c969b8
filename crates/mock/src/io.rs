//! The connection below HTTP: plain or TLS, with the bytes that were read to find the protocol, and a meter.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// RFC 9113, section 3.4
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What is below HTTP.
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that HTTP is spoken on.
pub(crate) struct Wire {
    transport: Transport,
    /// Read ahead, not yet given to HTTP.
    ahead: Vec<u8>,
    meter: Arc<Meter>,
}

/// What was written, and how the connection is to end.
#[derive(Default)]
pub(crate) struct Meter {
    reset: AtomicBool,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    bytes: u64,
    flushes: u64,
    waiting: Vec<Waker>,
}

/// A point in what is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    bytes: u64,
    flushes: u64,
}

impl Wire {
    pub(crate) fn new(transport: Transport, meter: Arc<Meter>) -> Self {
        Self { transport, ahead: Vec::new(), meter }
    }

    /// Reads as much as shows whether the client speaks HTTP/2.
    pub(crate) async fn is_h2(&mut self) -> io::Result<bool> {
        let mut seen = Vec::with_capacity(H2_PREFACE.len());
        while seen.len() < H2_PREFACE.len() && H2_PREFACE.starts_with(&seen) {
            let mut rest = (&mut *self).take((H2_PREFACE.len() - seen.len()) as u64);
            if rest.read_buf(&mut seen).await? == 0 {
                break;
            }
        }
        let h2 = seen == H2_PREFACE;
        self.ahead = seen;
        Ok(h2)
    }

    fn tcp(&self) -> &TcpStream {
        match &self.transport {
            Transport::Plain(tcp) => tcp,
            Transport::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.meter.reset.load(Ordering::SeqCst) {
            // Closing without lingering is what makes the kernel send RST instead of FIN.
            let _ = self.tcp().set_zero_linger();
        }
    }
}

impl Meter {
    /// The connection ends with a reset, whenever it ends.
    pub(crate) fn reset_at_end(&self) {
        self.reset.store(true, Ordering::SeqCst);
    }

    /// Where writing stands now, plus the bytes that are about to be handed over.
    pub(crate) fn mark(&self, coming: u64) -> Mark {
        let written = self.lock();
        Mark { bytes: written.bytes + coming, flushes: written.flushes }
    }

    /// Ready when everything before the mark was written and flushed.
    pub(crate) fn poll_passed(&self, mark: Mark, cx: &Context<'_>) -> Poll<()> {
        let mut written = self.lock();
        if written.bytes >= mark.bytes && written.flushes > mark.flushes {
            return Poll::Ready(());
        }
        written.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn wrote(&self, bytes: usize) {
        self.lock().bytes += bytes as u64;
    }

    fn flushed(&self) {
        let mut written = self.lock();
        written.flushes += 1;
        written.waiting.drain(..).for_each(Waker::wake);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(buf.remaining());
            let bytes: Vec<u8> = self.ahead.drain(..count).collect();
            buf.put_slice(&bytes);
            return Poll::Ready(Ok(()));
        }
        match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Transport::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Transport::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        })?;
        self.meter.wrote(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Transport::Tls(tls) => Pin::new(tls).poll_flush(cx),
        })?;
        self.meter.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.meter.reset.load(Ordering::SeqCst) {
            // A FIN now would hide the reset.
            return Poll::Ready(Ok(()));
        }
        match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Transport::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
