//! A provider without an HTTP library: what it says is decided byte by byte, so that it can say what no server should.
//!
//! It reads requests as well-formed HTTP, asks a [`Director`] what to do, and does the [`Step`]s it is given.
//! [`http1_steps`] and [`http2_steps`] are a collection of such steps: a good answer, and everything that goes wrong with one.

mod http1;
mod http1_faults;
mod http2;
mod http2_faults;
mod wire_frames;

pub use http1_faults::{Http1Fault, http1_steps};
pub use http2_faults::{Http2Fault, http2_steps};

use crate::io::{Meter, Transport, Wire};
use crate::server::self_signed;
use bytes::Bytes;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// Longest that a server stays silent when nobody ends it.
const SILENCE: Duration = Duration::from_secs(60);

/// One thing a server does with its connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes these bytes at once.
    Send(Bytes),
    /// Writes these bytes in parts of so many, with a pause behind each.
    Trickle(Bytes, usize, Duration),
    /// Writes these bytes over and over, with a pause behind each, until the other side leaves.
    Repeat(Bytes, Duration),
    /// Does nothing for a while.
    Wait(Duration),
    /// Says nothing more, until the other side leaves.
    Hold,
    /// Ends the connection in order: TLS says so, TCP sends FIN.
    Close,
    /// Ends it with FIN; TLS says nothing of it.
    Cut,
    /// Ends it with RST.
    Reset,
}

/// A good answer, before anything is done to it.
#[derive(Clone, Debug)]
pub struct Good {
    /// `content-type`
    pub kind: &'static str,
    /// The body: events, or the one piece of a plain answer.
    pub parts: Vec<Bytes>,
    /// Which parts hold content: what is before is preamble, what is behind closes the answer.
    pub content: Range<usize>,
    /// Events rather than one JSON object.
    pub stream: bool,
}

/// What is known of a request.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'h> {
    /// The request's head as it came; empty with HTTP/2, whose heads are packed.
    pub head: &'h str,
    /// What has come of the body.
    pub body: &'h [u8],
    /// Whether that is all of it.
    pub whole: bool,
    /// How many requests came on this connection before.
    pub before: u64,
    /// The stream of HTTP/2.
    pub stream: Option<u32>,
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// More has to be read of it before.
    ReadOn,
    /// These steps; the number names the play in [`Director::broken_off`].
    Play(u64, Vec<Step>),
}

/// Decides what a server does.
pub trait Director: Send + Sync + 'static {
    /// Asked as soon as the head is there, and again until it decides.
    fn heard(&self, heard: &Heard<'_>) -> Act;

    /// A play did not come to its end because another stream's play ended the connection.
    fn broken_off(&self, play: u64);
}

/// What a server speaks.
#[derive(Clone, Debug)]
pub enum Speaks {
    /// Plain HTTP/1.1.
    Http1,
    /// HTTP/1.1 in TLS.
    TlsHttp1,
    /// HTTP/2 in TLS, with so many streams at once on a connection.
    TlsHttp2(u32),
    /// Does these steps with each new connection, in turns, and reads no request.
    Nothing(Vec<Vec<Step>>),
}

/// What a server has seen.
#[derive(Debug, Default)]
pub struct Counts {
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Counts {
    /// Connections that were opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.opened().saturating_sub(self.closed.load(Ordering::SeqCst))
    }
}

/// A running server. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct FaultServer {
    addr: SocketAddr,
    ca_pem: Option<String>,
    counts: Arc<Counts>,
    accepting: AbortHandle,
}

impl FaultServer {
    /// Starts on a free port of the loopback interface.
    ///
    /// # Errors
    /// No port could be bound, or no certificate made.
    pub async fn start(speaks: Speaks, director: Arc<dyn Director>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let tls = match speaks {
            Speaks::TlsHttp1 => Some(self_signed(&[b"http/1.1"])?),
            Speaks::TlsHttp2(_) => Some(self_signed(&[b"h2"])?),
            Speaks::Http1 | Speaks::Nothing(_) => None,
        };
        let (acceptor, ca_pem) = tls.unzip();
        let counts = Arc::new(Counts::default());
        let site = Site { speaks, acceptor, director };
        let accepting = tokio::spawn(accept(listener, Arc::new(site), Arc::clone(&counts))).abort_handle();
        Ok(Self { addr, ca_pem, counts, accepting })
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT` where there is a certificate.
    #[must_use]
    pub fn url(&self) -> String {
        match self.ca_pem {
            Some(_) => format!("https://localhost:{}", self.addr.port()),
            None => format!("http://{}", self.addr),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate that clients must trust.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// What it has seen.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Site {
    speaks: Speaks,
    acceptor: Option<TlsAcceptor>,
    director: Arc<dyn Director>,
}

/// Counts a connection until it is closed, also when its task is aborted.
struct Counted(Arc<Counts>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, site: Arc<Site>, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((tcp, _)) = accepted else { tokio::task::yield_now().await; continue };
                let number = counts.opened.fetch_add(1, Ordering::SeqCst);
                let counted = Counted(Arc::clone(&counts));
                let site = Arc::clone(&site);
                connections.spawn(async move {
                    let _ = Box::pin(serve(tcp, &site, number)).await;
                    drop(counted);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(tcp: TcpStream, site: &Site, number: u64) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let transport = match &site.acceptor {
        None => Transport::Plain(tcp),
        Some(acceptor) => Transport::Tls(Box::new(acceptor.accept(tcp).await?)),
    };
    let meter = Arc::new(Meter::default());
    let wire = Wire::new(transport, Arc::clone(&meter));
    match &site.speaks {
        Speaks::Http1 | Speaks::TlsHttp1 => http1::serve(wire, &meter, &*site.director).await,
        Speaks::TlsHttp2(streams) => http2::serve(wire, &meter, &site.director, *streams).await,
        Speaks::Nothing(plays) => {
            let mut wire = wire;
            let turn = usize::try_from(number).unwrap_or(0) % plays.len().max(1);
            if let Some(steps) = plays.get(turn) {
                play(&mut wire, steps, &meter).await?;
            }
            Ok(())
        }
    }
}

/// How a play ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Played {
    /// The connection goes on.
    Through,
    /// The play has ended the connection; what is left is to drop it.
    Ended,
    /// Wait until the other side leaves.
    Holding,
}

/// Does the steps. An error means that the other side has left.
async fn play<W: AsyncWrite + Unpin>(wire: &mut W, steps: &[Step], meter: &Meter) -> io::Result<Played> {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                wire.write_all(bytes).await?;
                wire.flush().await?;
            }
            Step::Trickle(bytes, each, pause) => {
                for part in bytes.chunks((*each).max(1)) {
                    wire.write_all(part).await?;
                    wire.flush().await?;
                    tokio::time::sleep(*pause).await;
                }
            }
            Step::Repeat(bytes, pause) => loop {
                wire.write_all(bytes).await?;
                wire.flush().await?;
                if !pause.is_zero() {
                    tokio::time::sleep(*pause).await;
                }
            },
            Step::Wait(time) => tokio::time::sleep(*time).await,
            Step::Hold => return Ok(Played::Holding),
            Step::Close => {
                wire.shutdown().await?;
                return Ok(Played::Ended);
            }
            Step::Cut => return Ok(Played::Ended),
            Step::Reset => {
                meter.reset_at_end();
                return Ok(Played::Ended);
            }
        }
    }
    Ok(Played::Through)
}

/// Reads and forgets until the other side leaves, but not for ever.
async fn hold<R: tokio::io::AsyncRead + Unpin>(wire: &mut R) {
    let mut waste = [0; 4096];
    let reading = async { while matches!(wire.read(&mut waste).await, Ok(count) if count > 0) {} };
    let _ = tokio::time::timeout(SILENCE, reading).await;
}
