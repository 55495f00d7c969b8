//! The listener and its connections.

use crate::handle::{Connection, RawAnswer, answer};
use crate::io::{Meter, Transport, Wire};
use crate::raw;
use crate::script::Script;
use crate::state::{Counters, Recorded, Shared};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A scripted provider on a port. Dropping it closes the port and every connection.
pub struct MockServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
    ca_pem: Option<String>,
}

impl MockServer {
    /// Starts on a free port of the loopback interface, for HTTP/1.1 and h2c with prior knowledge.
    ///
    /// # Errors
    /// No port could be bound.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into(), script).await
    }

    /// Starts on this address.
    ///
    /// # Errors
    /// The address could not be bound.
    pub async fn bind(addr: SocketAddr, script: Script) -> io::Result<Self> {
        Self::listen(TcpListener::bind(addr).await?, script, None)
    }

    /// Starts with TLS on a free port of the loopback interface. ALPN offers `h2` and `http/1.1`; the
    /// certificate is for `localhost` and `127.0.0.1` and signs itself.
    ///
    /// # Errors
    /// No port could be bound, or no certificate made.
    pub async fn start_tls(script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (acceptor, pem) = self_signed(&[b"h2", b"http/1.1"])?;
        Self::listen(listener, script, Some((acceptor, pem)))
    }

    fn listen(listener: TcpListener, script: Script, tls: Option<(TlsAcceptor, String)>) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let shared = Shared::new(script);
        let (acceptor, ca_pem) = tls.unzip();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), acceptor)).abort_handle();
        Ok(Self { addr, shared, accepting, ca_pem })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT` or `https://localhost:PORT`, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        match self.ca_pem {
            Some(_) => format!("https://localhost:{}", self.addr.port()),
            None => format!("http://{}", self.addr),
        }
    }

    /// The certificate that clients must trust, if this server has TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Follows another script from the next request on; its rules start with their first answers.
    pub fn set_script(&self, script: Script) {
        self.shared.set_script(script);
    }

    /// What was received, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.recorded()
    }

    /// Forgets what was received. The counters go on.
    pub fn clear_requests(&self) {
        self.shared.clear();
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Answers under way.
    #[must_use]
    pub fn open_streams(&self) -> u64 {
        self.counters().open_streams
    }

    /// Answers that the client left before they were over.
    #[must_use]
    pub fn aborted_streams(&self) -> u64 {
        self.counters().aborted_streams
    }

    /// Returns once `count` requests are remembered. Waits as long as it takes: put a timeout around it.
    pub async fn wait_for(&self, count: usize) -> Vec<Recorded> {
        self.wait_until(|requests, _| requests.len() >= count).await
    }

    /// Returns once a condition on requests and counters holds. Waits as long as it takes.
    pub async fn wait_until(&self, mut holds: impl FnMut(&[Recorded], Counters) -> bool) -> Vec<Recorded> {
        self.shared
            .wait_until(|shared| {
                let requests = shared.recorded();
                holds(&requests, shared.counters()).then_some(requests)
            })
            .await
    }

    /// Returns once `count` answers were left by their clients. Waits as long as it takes.
    pub async fn wait_aborted(&self, count: u64) {
        self.shared.wait_until(|shared| (shared.counters().aborted_streams >= count).then_some(())).await;
    }

    /// Returns once no answer is under way and no connection is open. Waits as long as it takes.
    pub async fn wait_idle(&self) {
        self.shared
            .wait_until(|shared| {
                let c = shared.counters();
                (c.open_streams == 0 && c.connections_opened == c.connections_closed).then_some(())
            })
            .await;
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl std::fmt::Debug for MockServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MockServer").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// Counts a connection from its start to its end, also when its task is aborted.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count(|c| c.connections_closed += 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Out of file descriptors, or a client that left at once: try the next one.
                let Ok((tcp, _)) = accepted else { tokio::task::yield_now().await; continue };
                number += 1;
                shared.count(|c| c.connections_opened += 1);
                let counted = Counted(Arc::clone(&shared));
                connections.spawn(Box::pin(serve(tcp, tls.clone(), number, counted)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(tcp: TcpStream, tls: Option<TlsAcceptor>, number: u64, counted: Counted) {
    let _ = tcp.set_nodelay(true);
    let transport = match tls {
        None => Transport::Plain(tcp),
        Some(acceptor) => match acceptor.accept(tcp).await {
            Ok(stream) => Transport::Tls(Box::new(stream)),
            Err(_) => return,
        },
    };
    let meter = Arc::new(Meter::default());
    let mut wire = Wire::new(transport, Arc::clone(&meter));
    let Ok(h2) = wire.is_h2().await else { return };
    let (raw_answers, taken_over) = mpsc::channel(1);
    let raw_answers = (!h2).then_some(raw_answers);
    let shared = Arc::clone(&counted.0);
    let connection = Arc::new(Connection { shared, meter, number, raw_answers });
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { Box::pin(answer(request, connection)).await }
    });
    if h2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_header_list_size(1 << 20);
        let _ = builder.serve_connection(TokioIo::new(wire), service).await;
    } else {
        serve_h1(wire, service, taken_over).await;
    }
    drop(counted);
}

async fn serve_h1<S, F>(wire: Wire, service: S, mut taken_over: mpsc::Receiver<RawAnswer>)
where
    S: hyper::service::Service<
            hyper::Request<hyper::body::Incoming>,
            Response = hyper::Response<crate::body::AnswerBody>,
            Error = crate::body::BrokenOff,
            Future = F,
        >,
    F: Future<Output = Result<S::Response, S::Error>>,
{
    // Fields at their largest: what limits a request is for the gateway to say, not for a mock.
    let mut builder = http1::Builder::new();
    builder.max_buf_size(1 << 20);
    let mut connection = builder.serve_connection(TokioIo::new(wire), service);
    let raw = tokio::select! {
        _ = &mut connection => return,
        Some(raw) = taken_over.recv() => raw,
    };
    // No byte of this answer was written yet: the service has not returned.
    let wire = connection.into_parts().io.into_inner();
    raw::write(wire, raw).await;
}

/// A certificate for this machine that signs itself, for these protocols, and the certificate as text.
pub(crate) fn self_signed(protocols: &[&[u8]]) -> io::Result<(TlsAcceptor, String)> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok((TlsAcceptor::from(Arc::new(config)), made.cert.pem()))
}
