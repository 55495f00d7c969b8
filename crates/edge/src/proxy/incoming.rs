//! A new connection, from its first byte to the end of its TLS handshake.

use super::counted::Counted;
use super::request::inet;
use super::secure::Secure;
use crate::listener::Listener;
use crate::tls::{Handshake, Hello, NoHello, Terms, TlsError, read_hello};
use async_trait::async_trait;
use pingora_core::protocols::Stream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_http::ResponseHeader;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::StartHandshake;
use tollgate_expr::{ConnectionFacts, Map, TlsFacts, Traffic};
use tollgate_observe::HandshakeFailure;

/// How long a client may take from connecting to the end of its handshake.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);

/// How far a connection has come.
enum Stage {
    /// Nothing was read.
    Fresh(Stream),
    /// The client has said hello, and was not answered.
    Greeted(Stream, Box<Hello>),
    /// The handshake is over: this is what is inside.
    Secure(Stream),
    /// It failed.
    Lost,
}

/// A new connection.
pub(super) struct Incoming<'a> {
    listener: &'a Listener,
    stage: Stage,
    until: Instant,
    facts: ConnectionFacts,
    failure: Option<String>,
}

/// What is known of a connection, for the requests on it. It travels with the connection.
pub(super) struct Noted {
    /// `conn.*`
    pub(super) facts: Arc<ConnectionFacts>,
    /// What actions of `on_tcp_connect` left.
    pub(super) results: Map,
}

impl<'a> Incoming<'a> {
    /// A connection that was just accepted. Its bytes are counted if somebody wants to know them.
    pub(super) fn new(stream: Stream, listener: &'a Listener, started: SystemTime, counted: bool) -> Self {
        let digest = stream.get_socket_digest();
        let client = inet(digest.as_ref().and_then(|digest| digest.peer_addr()));
        let server = inet(digest.as_ref().and_then(|digest| digest.local_addr()));
        let mut facts = listener.shared.addressing.connection(client, server, started);
        let stream = if counted {
            let traffic = Arc::new(Traffic::default());
            facts.traffic = Some(Arc::clone(&traffic));
            Box::new(Counted::new(stream, traffic))
        } else {
            stream
        };
        let until = Instant::now() + LONGEST_HANDSHAKE;
        Self { listener, stage: Stage::Fresh(stream), until, facts, failure: None }
    }

    /// `conn.*`, as far as it is known before the rules.
    pub(super) fn facts(&self) -> ConnectionFacts {
        self.facts.clone()
    }

    /// The client's end.
    pub(super) fn client(&self) -> SocketAddr {
        self.facts.client
    }

    /// Why there was no handshake.
    pub(super) fn failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Whether the handshake is over.
    pub(super) fn is_secure(&self) -> bool {
        matches!(self.stage, Stage::Secure(_))
    }

    /// Reads the client's hello, so that rules can look at it. False: there is none, and the connection is of no use.
    pub(super) async fn greet(&mut self) -> bool {
        let mut stream = match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Fresh(stream) => stream,
            later => {
                self.stage = later;
                return !matches!(self.stage, Stage::Lost);
            }
        };
        let read = timeout_at(self.until, read_hello(&mut stream)).await;
        let (failure, why) = match read {
            Ok(Ok(hello)) => {
                let said = TlsFacts { sni: hello.sni.clone(), ja4: hello.ja4.clone(), ..TlsFacts::default() };
                self.facts.tls = Some(said);
                self.stage = Stage::Greeted(stream, Box::new(hello));
                return true;
            }
            Ok(Err(NoHello::Silent)) => return false,
            Ok(Err(why)) => (failure_of(&why), why.to_string()),
            Err(_) => (HandshakeFailure::Timeout, "no hello came in time".to_owned()),
        };
        self.failed(failure, &why);
        false
    }

    /// The stream, and what was read of it already.
    pub(super) fn into_stream(self) -> Option<(Stream, Vec<u8>)> {
        match self.stage {
            Stage::Fresh(stream) | Stage::Secure(stream) => Some((stream, Vec::new())),
            Stage::Greeted(stream, hello) => Some((stream, hello.raw)),
            Stage::Lost => None,
        }
    }

    fn failed(&mut self, failure: HandshakeFailure, why: &str) -> TlsError {
        self.failure = Some(why.to_owned());
        self.listener.shared.metrics.handshake_failed(failure);
        let (client, endpoint) = (self.facts.client, &self.listener.endpoint.id);
        tracing::debug!(%client, %endpoint, "no handshake: {why}");
        TlsError::Client(why.to_owned())
    }
}

fn failure_of(why: &NoHello) -> HandshakeFailure {
    match why {
        NoHello::Silent | NoHello::Gone => HandshakeFailure::ClientGone,
        NoHello::NotTls => HandshakeFailure::NotTls,
        NoHello::TooLong | NoHello::Refused(_) => HandshakeFailure::Refused,
    }
}

#[async_trait]
impl Handshake for Incoming<'_> {
    async fn complete(&mut self, terms: &Terms) -> Result<TlsFacts, TlsError> {
        let Some(configs) = &self.listener.configs else { return Err(TlsError::NoTls) };
        if self.is_secure() {
            return Err(TlsError::Over);
        }
        let own = self.listener.certificates.as_ref().map(|own| own.identity());
        let ready = configs.get(terms, own.as_deref())?;
        if !self.greet().await {
            return Err(TlsError::Client("there was no hello".into()));
        }
        let Stage::Greeted(stream, hello) = std::mem::replace(&mut self.stage, Stage::Lost) else {
            return Err(TlsError::Client("the connection is lost".into()));
        };
        let began = Instant::now();
        let start = StartHandshake::from_parts(hello.accepted, stream);
        match timeout_at(self.until, start.into_stream(Arc::clone(&ready.config))).await {
            Ok(Ok(tls)) => {
                let secure = Secure::new(tls, began.elapsed());
                let before = self.facts.tls.take().unwrap_or_default();
                let facts = secure.facts(&before, Arc::clone(&ready.leaf));
                self.facts.tls = Some(facts.clone());
                self.stage = Stage::Secure(Box::new(secure));
                Ok(facts)
            }
            Ok(Err(error)) if is_refusal(&error) => {
                Err(self.failed(HandshakeFailure::Refused, &error.to_string()))
            }
            Ok(Err(error)) => Err(self.failed(HandshakeFailure::ClientGone, &error.to_string())),
            Err(_) => Err(self.failed(HandshakeFailure::Timeout, "it took too long")),
        }
    }
}

/// Whether TLS itself failed, and not the connection below it.
fn is_refusal(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// Gives a connection its notes: every request on it finds them, whatever the version of HTTP. Pingora carries them for
/// connections through proxies, and asks of them nothing at all on this side.
pub(super) fn note(stream: &mut Stream, noted: Noted) {
    if let Ok(head) = ResponseHeader::build(200, Some(0)) {
        stream.set_proxy_digest(ProxyDigest::new(Box::new(head), Some(Box::new(noted))));
    }
}

/// The notes of a connection that has some.
pub(super) fn noted(digest: Option<&pingora_core::protocols::Digest>) -> Option<&Noted> {
    digest?.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
}
