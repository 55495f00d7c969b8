//! New connections: the rules of `on_tcp_connect`, before anything is read of a request.

use crate::action::ConnectFlow;
use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::listener::Listener;
use crate::phase;
use crate::proxy::request::inet;
use crate::proxy::service::EdgeProxy;
use async_trait::async_trait;
use foldhash::HashMap;
use http::{HeaderMap, Method, Uri, Version};
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use serde_json::value::{RawValue, to_raw_value};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tollgate_expr::{ConnectionFacts, Map, RequestFacts, TlsFacts, Value};
use tollgate_observe::ConnectionRecord;

/// The connections of one listener. Those the rules let through are served as HTTP.
pub struct Connections {
    /// Serves requests.
    pub http: Arc<HttpProxy<EdgeProxy>>,
    /// What is listened on.
    pub listener: Arc<Listener>,
}

#[async_trait]
impl ServerApp for Connections {
    async fn process_new(self: &Arc<Self>, session: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let engine = self.listener.engine.load_full();
        if engine.connect.is_empty() {
            return self.http.process_new(session, shutdown).await;
        }
        let started = SystemTime::now();
        let facts = facts(&session, started);
        let client = facts.client;
        let mut exchange = exchange(&self.listener, &engine, facts);
        let open = phase::run_connect(&engine.connect, &mut exchange) == ConnectFlow::Continue;
        let logs = std::mem::take(&mut exchange.logs);
        if open {
            let _known = self.listener.connected.insert(client, exchange.results);
            self.http.process_new(session, shutdown).await;
        } else {
            drop(session);
        }
        self.log(started, client, !open, &logs);
        None
    }

    async fn cleanup(&self) {
        ServerApp::cleanup(&*self.http).await;
    }
}

impl Connections {
    /// The line of a connection that ended: where a rule has something to say of it, or has closed it.
    fn log(&self, started: SystemTime, client: SocketAddr, refused: bool, logs: &[Value]) {
        if !refused && logs.is_empty() {
            return;
        }
        let logs: Vec<Box<RawValue>> =
            logs.iter().filter_map(|entry| to_raw_value(&entry.to_json()).ok()).collect();
        let duration = started.elapsed().unwrap_or_default();
        let record =
            ConnectionRecord { time: started, client_ip: client.ip(), duration, refused, logs: &logs };
        self.listener.access_log.write_connection(&record);
    }
}

/// What the rules of `on_tcp_connect` found, of every connection that is open, for the requests on it.
///
/// Only listeners whose policy has such rules use it; its parts have a lock each.
#[derive(Default)]
pub struct Connected {
    parts: [Mutex<HashMap<SocketAddr, Arc<Map>>>; 32],
}

/// Forgets a connection when it is dropped.
pub struct Known<'a>(&'a Connected, SocketAddr);

impl Connected {
    fn part(&self, client: SocketAddr) -> &Mutex<HashMap<SocketAddr, Arc<Map>>> {
        let [first, ..] = &self.parts;
        self.parts.get(usize::from(client.port()) % self.parts.len()).unwrap_or(first)
    }

    fn insert(&self, client: SocketAddr, results: Map) -> Known<'_> {
        if !results.is_empty() {
            let mut part = self.part(client).lock().unwrap_or_else(PoisonError::into_inner);
            part.insert(client, Arc::new(results));
        }
        Known(self, client)
    }

    /// What is known of the connection of a client.
    #[must_use]
    pub fn results(&self, client: SocketAddr) -> Option<Arc<Map>> {
        self.part(client).lock().unwrap_or_else(PoisonError::into_inner).get(&client).cloned()
    }
}

impl Drop for Known<'_> {
    fn drop(&mut self) {
        self.0.part(self.1).lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

fn facts(session: &Stream, started: SystemTime) -> ConnectionFacts {
    let digest = session.get_socket_digest();
    let tls = session.get_ssl_digest().and_then(|ssl| ssl.extension.get::<TlsFacts>().cloned());
    let client = inet(digest.as_ref().and_then(|d| d.peer_addr()));
    let server = inet(digest.as_ref().and_then(|d| d.local_addr()));
    ConnectionFacts { tls, ..ConnectionFacts::new(client, server, started) }
}

/// The state of the phase. There is no request yet: no expression of this phase can name one.
fn exchange(listener: &Listener, engine: &Engine, facts: ConnectionFacts) -> Exchange {
    let request = RequestFacts {
        id: "".into(),
        method: Method::GET,
        uri: Uri::default(),
        raw_uri: Uri::default(),
        scheme: listener.endpoint.protocol,
        host: "".into(),
        version: Version::HTTP_11,
        headers: HeaderMap::new(),
        received: facts.started,
        body_received: None,
    };
    let (endpoint, secrets) = (Arc::clone(&listener.endpoint), Arc::clone(&listener.shared.secrets));
    Exchange::new(request, facts, endpoint, secrets, engine.wants_results)
}
