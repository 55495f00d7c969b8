//! What a busy day brings, all at once: each lane does one thing over and over, and knows what must come of it.

use super::gateway::Gateway;
use super::secure::Secure;
use super::upstream::EVENTS;
use crate::bench::client::{Asks, Connection, SMALL, TOKEN};
use crate::bench::memory::LARGE;
use crate::failure::{Result, said};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;

/// Nothing takes longer than this without being wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests on a connection before it is closed and another one is opened.
const KEPT: usize = 200;
const UPGRADE: &[u8] = b"GET /socket HTTP/1.1\r\nhost: soak\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// One thing that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Small requests over HTTP/1.1. Its latency is what is judged.
    Plain,
    /// Streams, read to their ends.
    Streams,
    /// Bodies of 20 MiB.
    Large,
    /// The first provider answers 503.
    Failover,
    /// Errors that clients must see: no token, a provider's 400, no such path.
    Errors,
    /// Streams that their providers break off.
    Cut,
    /// Streams that their clients leave.
    Leaving,
    /// Small requests over HTTP/2 with TLS, several at once on a connection.
    Http2,
    /// Small requests over HTTP/1.1 with TLS.
    Tls,
    /// WebSockets through the gateway.
    WebSocket,
}

impl Lane {
    /// Each, with how many do it at once and the pause between two.
    pub(crate) const ALL: [(Self, usize, u64); 10] = [
        (Self::Plain, 4, 10),
        (Self::Streams, 20, 50),
        (Self::Large, 2, 4000),
        (Self::Failover, 2, 40),
        (Self::Errors, 1, 50),
        (Self::Cut, 1, 200),
        (Self::Leaving, 4, 100),
        (Self::Http2, 4, 40),
        (Self::Tls, 2, 60),
        (Self::WebSocket, 2, 100),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "small requests, HTTP/1.1",
            Self::Streams => "streams",
            Self::Large => "20 MiB bodies",
            Self::Failover => "failovers",
            Self::Errors => "errors (401, 400, 404)",
            Self::Cut => "streams that providers break off",
            Self::Leaving => "streams that clients leave",
            Self::Http2 => "small requests, HTTP/2 with TLS",
            Self::Tls => "small requests, HTTP/1.1 with TLS",
            Self::WebSocket => "WebSockets",
        }
    }
}

/// What came of one turn of a lane.
pub(crate) struct Turn {
    pub(crate) lane: Lane,
    pub(crate) took: Duration,
    /// What was not as it must be.
    pub(crate) wrong: Option<String>,
}

/// What lanes need to know.
#[derive(Clone)]
pub(crate) struct World {
    plain: SocketAddr,
    passing: SocketAddr,
    secure: Secure,
    large: Arc<Vec<u8>>,
    over: Arc<AtomicBool>,
}

impl World {
    /// Against this gateway.
    pub(crate) fn new(gateway: &Gateway) -> Result<Self> {
        Ok(Self {
            plain: gateway.plain,
            passing: gateway.passing,
            secure: Secure::new(gateway.tls, &gateway.certificate)?,
            large: Arc::new(asks("good", TOKEN).chat(LARGE, false)),
            over: Arc::default(),
        })
    }

    /// Nothing new is begun.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Does one thing until it is over.
pub(crate) async fn run(lane: Lane, pause: Duration, world: World, turns: UnboundedSender<Turn>) {
    while !world.over.load(Ordering::Relaxed) {
        let wrong = connected(lane, pause, &world, &turns).await.err().map(|why| why.to_string());
        if wrong.is_some() {
            let _ = turns.send(Turn { lane, took: Duration::ZERO, wrong });
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Does it so often over one connection, or once where each turn has its own.
async fn connected(lane: Lane, pause: Duration, world: &World, turns: &UnboundedSender<Turn>) -> Result<()> {
    let mut kept = match lane {
        Lane::Plain | Lane::Failover | Lane::Large => Some(Connection::open(world.plain).await?),
        _ => None,
    };
    let mut secure = match lane {
        Lane::Http2 | Lane::Tls => Some(world.secure.open(lane == Lane::Http2).await?),
        _ => None,
    };
    for turn in 0..KEPT {
        if world.over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let started = Instant::now();
        let work = async {
            match (lane, &mut kept, &mut secure) {
                (Lane::Plain, Some(connection), _) => whole(connection, "good").await,
                (Lane::Failover, Some(connection), _) => whole(connection, "failing").await,
                (Lane::Large, Some(connection), _) => connection.exchange(&world.large).await.map(|_| ()),
                (Lane::Http2 | Lane::Tls, _, Some(session)) => several(session).await,
                (Lane::Streams, ..) => stream(world.plain, "good", Some(EVENTS)).await,
                (Lane::Cut, ..) => stream(world.plain, "cutting", None).await,
                (Lane::Leaving, ..) => leave(world.plain).await,
                (Lane::Errors, ..) => errors(world.plain, turn).await,
                _ => socket(world.passing).await,
            }
        };
        tokio::time::timeout(PATIENCE, work).await.map_err(|_| said(format!("{PATIENCE:?} are over")))??;
        let _ = turns.send(Turn { lane, took: started.elapsed(), wrong: None });
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// A request for the model of a provider, and of the good one after it.
fn asks(provider: &str, token: &str) -> Asks {
    let model = format!(r#""model":"{provider}:m","models":["good:m"]"#);
    Asks { headers: vec![("authorization".into(), format!("Bearer {token}"))], model }
}

async fn whole(connection: &mut Connection, provider: &str) -> Result<()> {
    connection.exchange(&asks(provider, TOKEN).chat(SMALL, false)).await.map(|_| ())
}

/// Three requests, at once where the connection can.
async fn several(session: &mut super::secure::Session) -> Result<()> {
    let request = asks("good", TOKEN).chat(SMALL, false);
    let at = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |at| at + 4);
    let body = Bytes::from(request).slice(at..);
    let good = |answer: (u16, Bytes)| match answer.0 {
        200 if !answer.1.is_empty() => Ok(()),
        status => Err(said(format!("{status}: {}", String::from_utf8_lossy(&answer.1)))),
    };
    if let (Some(mut second), Some(mut third)) = (session.shared(), session.shared()) {
        let (one, two, three) = tokio::join!(
            session.chat(TOKEN, body.clone()),
            second.chat(TOKEN, body.clone()),
            third.chat(TOKEN, body.clone())
        );
        return good(one?).and(good(two?)).and(good(three?));
    }
    good(session.chat(TOKEN, body).await?)
}

/// A stream of which all events must come, or which its provider breaks off.
async fn stream(address: SocketAddr, provider: &str, events: Option<usize>) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    // Only one model: a stream that is broken off is not begun anew.
    let model = format!(r#""model":"{provider}:m""#);
    let asks = Asks { model, ..asks(provider, TOKEN) };
    let mut all = connection.begin(&asks.chat(SMALL, true)).await?;
    while !all.ends_with(b"0\r\n\r\n") {
        let bytes = match connection.bytes().await {
            Ok(bytes) if !bytes.is_empty() => bytes,
            _ if events.is_none() => return Ok(()),
            Ok(_) => return Err(said("a stream broke off")),
            Err(why) => return Err(why),
        };
        all.extend_from_slice(bytes);
    }
    let text = String::from_utf8_lossy(&all);
    match events {
        Some(events) if text.matches("word ").count() != events || !text.contains("data: [DONE]") => {
            Err(said(format!("a stream had {} of {events} events", text.matches("word ").count())))
        }
        _ => Ok(()),
    }
}

/// A client that goes after a few events.
async fn leave(address: SocketAddr) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let mut all = connection.begin(&asks("good", TOKEN).chat(SMALL, true)).await?;
    while String::from_utf8_lossy(&all).matches("word ").count() < 3 {
        let bytes = connection.bytes().await?;
        if bytes.is_empty() {
            return Err(said("a stream broke off"));
        }
        all.extend_from_slice(bytes);
    }
    Ok(())
}

/// One of the errors that are right.
async fn errors(address: SocketAddr, turn: usize) -> Result<()> {
    let good = asks("good", TOKEN).chat(SMALL, false);
    let (request, wanted) = match turn % 3 {
        0 => (asks("good", "wrong").chat(SMALL, false), 401),
        1 => {
            let refusing = Asks { model: r#""model":"refusing:m""#.into(), ..asks("refusing", TOKEN) };
            (refusing.chat(SMALL, false), 400)
        }
        _ => {
            (String::from_utf8_lossy(&good).replacen("/v1/chat/completions", "/nothing", 1).into_bytes(), 404)
        }
    };
    let status = Connection::open(address).await?.status(&request).await?;
    if status == wanted { Ok(()) } else { Err(said(format!("{status} came in place of {wanted}"))) }
}

/// A WebSocket whose bytes come back.
async fn socket(address: SocketAddr) -> Result<()> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(UPGRADE).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if tcp.read_buf(&mut head).await? == 0 {
            return Err(said(format!("no WebSocket: {}", String::from_utf8_lossy(&head))));
        }
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(said(format!("no WebSocket: {}", String::from_utf8_lossy(&head))));
    }
    // A masked frame of text, as RFC 6455 has it in section 5.7.
    let frame = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    for _ in 0..20 {
        tcp.write_all(&frame).await?;
        let mut back = [0; 11];
        tcp.read_exact(&mut back).await?;
        if back != frame {
            return Err(said("a frame came back changed"));
        }
    }
    Ok(())
}
