//! New connections: the rules of `on_tcp_connect`, before anything of a request is read and before clients are answered.

use super::crowded::turn_away;
use super::guarded::{Bounds, Guarded};
use super::incoming::{Incoming, Noted, note};
use super::passing::{End, Reached, pass, reach};
use super::preface::{Spoken, spoken};
use super::pulse::Pulse;
use crate::action::ConnectFlow;
use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::listener::{Listener, Protocol};
use crate::phase;
use crate::proxy::service::EdgeProxy;
use crate::server::leaving::Leaving;
use crate::tls::{Handshake, Terms, TlsError};
use async_trait::async_trait;
use http::{HeaderMap, Method, Uri, Version};
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::tls::ALPN;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use serde_json::value::{RawValue, to_raw_value};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tollgate_expr::{ConnectionFacts, Map, RequestFacts, Value};
use tollgate_observe::{ConnectionRecord, Cut, Outcome, PassedBytes};

/// The connections of one listener. Those the rules let through are served as HTTP, or passed on.
pub struct Connections {
    /// Serves requests, of HTTP/2 with prior knowledge as well.
    pub http: Arc<HttpProxy<EdgeProxy>>,
    /// Serves requests of HTTP/1 on connections without TLS.
    pub http1: Arc<HttpProxy<EdgeProxy>>,
    /// What is listened on.
    pub listener: Arc<Listener>,
    /// Counts them, and says when they have to end.
    pub(crate) leaving: Arc<Leaving>,
}

/// What the rules found, and whether they let the connection through.
struct Ruled {
    facts: Arc<ConnectionFacts>,
    results: Map,
    logs: Vec<Value>,
    flow: ConnectFlow,
}

/// How a connection ended.
struct Ended {
    outcome: Outcome,
    /// The server it was passed to, and how many bytes came and went.
    passed: Option<(String, [u64; 2])>,
    /// Why there was no handshake.
    handshake: Option<String>,
}

impl Ended {
    fn with(outcome: Outcome) -> Self {
        Self { outcome, passed: None, handshake: None }
    }
}

#[async_trait]
impl ServerApp for Connections {
    async fn process_new(self: &Arc<Self>, session: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let _open = self.leaving.connections.enter();
        let listener = &*self.listener;
        let protocol = listener.place.protocol;
        let Some(_place) = listener.load.connect() else {
            turn_away(session, protocol, &listener.load).await;
            return None;
        };
        let engine = listener.engine.load_full();
        if protocol == Protocol::Http && engine.connect.is_empty() && !engine.wants_traffic {
            self.requests(session, shutdown).await;
            return None;
        }
        let (started, began) = (SystemTime::now(), Instant::now());
        let mut incoming = Incoming::new(session, listener, started, engine.wants_traffic);
        let client = incoming.client();
        if protocol.greets() && !incoming.greet().await {
            return None;
        }
        let Ruled { facts, results, logs, flow } = rule(listener, &engine, &mut incoming).await;
        let ended = match flow {
            ConnectFlow::Continue => self.serve(incoming, Noted { facts, results }, shutdown).await,
            ConnectFlow::Pass(reached) => self.pass(incoming, Ok(*reached)).await,
            ConnectFlow::Close => {
                let handshake = incoming.failure();
                drop(incoming);
                Ended { handshake, ..Ended::with(Outcome::Refused) }
            }
        };
        self.log((started, began), client, &ended, &logs);
        None
    }

    /// Closes idle connections.
    async fn cleanup(&self) {
        self.leaving.kept().await;
        ServerApp::cleanup(&*self.http).await;
        ServerApp::cleanup(&*self.http1).await;
    }
}

/// Runs the rules.
async fn rule(listener: &Listener, engine: &Arc<Engine>, incoming: &mut Incoming<'_>) -> Ruled {
    let facts = incoming.facts();
    if engine.connect.is_empty() {
        return Ruled {
            facts: Arc::new(facts),
            results: Map::new(),
            logs: Vec::new(),
            flow: ConnectFlow::Continue,
        };
    }
    let mut exchange = exchange(listener, engine, facts);
    let flow = phase::run_connect(engine, &mut exchange, incoming).await;
    Ruled { facts: exchange.connection, results: exchange.results, logs: exchange.logs, flow }
}

impl Connections {
    /// Serves the requests of a connection, to its end.
    async fn requests(&self, stream: Stream, shutdown: &ShutdownWatch) {
        if self.listener.place.protocol == Protocol::Https {
            let two = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
            return self.guarded(stream, two, shutdown).await;
        }
        match spoken(stream, self.listener.limits.header_timeout).await {
            Spoken::One(stream) => self.guarded(stream, false, shutdown).await,
            Spoken::Two(stream) => self.guarded(stream, true, shutdown).await,
            Spoken::Nothing => {}
            Spoken::Late => self.listener.shared.metrics.overload.cut(Cut::HeaderTimeout),
        }
    }

    /// Serves them with clocks on what the client does.
    async fn guarded(&self, stream: Stream, two: bool, shutdown: &ShutdownWatch) {
        let limits = &self.listener.limits;
        let bounds =
            Bounds { head: limits.header_timeout, length: limits.max_headers, write: limits.write_timeout };
        let pulse = Pulse::new(Arc::clone(&self.listener.shared.metrics));
        let stream: Stream = Box::new(Guarded::new(stream, two, bounds, Arc::clone(&pulse)));
        let http =
            if two || self.listener.place.protocol == Protocol::Https { &self.http } else { &self.http1 };
        let serving = async {
            http.process_new(stream, shutdown).await;
        };
        pulse.serve(serving).await;
    }

    /// What is done with a connection that the rules let through.
    async fn serve(&self, mut incoming: Incoming<'_>, mut noted: Noted, shutdown: &ShutdownWatch) -> Ended {
        let protocol = self.listener.place.protocol;
        if protocol == Protocol::Https && !incoming.is_secure() {
            match incoming.complete(&Terms::default()).await {
                Ok(facts) => Arc::make_mut(&mut noted.facts).tls = Some(facts),
                Err(TlsError::Client(why)) => {
                    return Ended { handshake: Some(why), ..Ended::with(Outcome::ClientGone) };
                }
                Err(error) => {
                    tracing::warn!(endpoint = %self.listener.endpoint.id, "a connection is closed: {error}");
                    return Ended::with(Outcome::Internal);
                }
            }
        }
        if !protocol.is_http() {
            let reached = match &self.listener.plain {
                Some(pool) => reach(pool).await,
                None => Err("no rule has sent it on, and the endpoint has no upstream".to_owned()),
            };
            return self.pass(incoming, reached).await;
        }
        let Some((mut stream, _)) = incoming.into_stream() else {
            return Ended::with(Outcome::ClientGone);
        };
        note(&mut stream, noted);
        self.requests(stream, shutdown).await;
        Ended::with(Outcome::Success)
    }

    /// Passes a connection on to a server, if there is one.
    async fn pass(&self, incoming: Incoming<'_>, reached: Result<Reached, String>) -> Ended {
        let reached = match reached {
            Ok(reached) => reached,
            Err(why) => {
                let endpoint = &self.listener.endpoint.id;
                tracing::warn!(%endpoint, "a connection could not be passed on: {why}");
                return Ended { passed: Some((String::new(), [0, 0])), ..Ended::with(Outcome::Exhausted) };
            }
        };
        let Some((stream, first)) = incoming.into_stream() else {
            return Ended::with(Outcome::ClientGone);
        };
        let _in_flight = self.listener.in_flight.enter();
        let name = reached.name.clone();
        let passed = pass(stream, &first, reached).await;
        let outcome = match passed.end {
            End::Done => Outcome::Success,
            End::Broken => Outcome::Interrupted,
            End::Idle => Outcome::Timeout,
        };
        Ended { passed: Some((name, [passed.received, passed.sent])), ..Ended::with(outcome) }
    }

    /// The line of a connection that ended: of one that was passed on, and where a rule has something to say of it or has
    /// closed it.
    fn log(
        &self,
        (started, began): (SystemTime, Instant),
        client: SocketAddr,
        ended: &Ended,
        logs: &[Value],
    ) {
        if ended.outcome != Outcome::Refused && logs.is_empty() && ended.passed.is_none() {
            return;
        }
        let logs: Vec<Box<RawValue>> =
            logs.iter().filter_map(|entry| to_raw_value(&entry.to_json()).ok()).collect();
        let passed = ended.passed.as_ref();
        let passed = passed.map(|(to, [received, sent])| PassedBytes {
            upstream: to,
            received: *received,
            sent: *sent,
        });
        self.listener.access_log.write_connection(&ConnectionRecord {
            time: started,
            client_ip: client.ip(),
            duration: began.elapsed(),
            outcome: ended.outcome,
            handshake: ended.handshake.as_deref(),
            passed,
            logs: &logs,
        });
    }
}

/// The state of the phase. There is no request yet: no expression of this phase can name one.
fn exchange(listener: &Listener, engine: &Engine, facts: ConnectionFacts) -> Exchange {
    let request = RequestFacts {
        id: "".into(),
        method: Method::GET,
        uri: Uri::default(),
        raw_uri: Uri::default(),
        scheme: listener.endpoint.protocol,
        raw_host: "".into(),
        host: "".into(),
        version: Version::HTTP_11,
        headers: HeaderMap::new(),
        received: facts.started,
        body_received: None,
    };
    let (endpoint, secrets) = (Arc::clone(&listener.endpoint), Arc::clone(&listener.shared.secrets));
    Exchange::new(request, facts, endpoint, secrets, engine.wants_results)
}
