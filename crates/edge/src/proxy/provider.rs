//! Calls to providers over Pingora's connector.

use crate::descriptors;
use crate::outbound::Outbound;
use crate::proxy::joined::JOINED;
use crate::proxy::pools::Pools;
use crate::proxy::targets::Targets;
use crate::upstream::{Addresses, Call, Reply, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http::{HeaderMap, StatusCode};
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, RetryType};
use pingora_http::RequestHeader;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_select::Fault;

/// One write of a body never covers more than this, so that a slow upload has many deadlines, not one.
const WRITE_SLICE: usize = 256 * 1024;
/// Connections of a pool that may turn out to be closed before a fresh one is opened.
const STALE_RETRIES: usize = 1;

/// The way to providers.
#[derive(Clone)]
pub struct Providers {
    pools: Arc<Pools>,
    targets: Arc<Targets>,
}

impl Providers {
    /// Over these pools, which are shared by all listeners, to where the operator allows.
    #[must_use]
    pub fn new(pools: Arc<Pools>, outbound: Arc<Outbound>) -> Self {
        Self { pools, targets: Arc::new(Targets::new(outbound)) }
    }
}

#[async_trait]
impl Upstream for Providers {
    async fn open(&self, mut call: Call) -> Result<Box<dyn Reply>, Fault> {
        let started = Instant::now();
        let target = self.targets.get(call.url.https, &call.url.host, call.url.port);
        let connect_deadline = started + call.connect_timeout;
        let head_deadline = started + call.head_timeout;
        let length: usize = call.body.iter().map(Bytes::len).sum();
        let join = (1..=JOINED).contains(&length);
        let mut fresh = false;
        for _ in 0..=STALE_RETRIES {
            let connecting_since = Instant::now();
            let connecting = self.connect(&target, call.addresses.as_deref(), fresh, join);
            let connected = within(connect_deadline, Fault::ConnectTimeout, connecting).await;
            if matches!(connected, Err(Fault::ConnectTimeout)) {
                target.unreachable();
            }
            let (mut session, peer, mut stale) = connected?;
            let connected_in = (!stale).then(|| connecting_since.elapsed());
            let sent = exchange(&mut session, &mut call, &peer, &mut stale);
            match within(head_deadline, Fault::HeadTimeout, sent).await {
                Ok(()) => {
                    let pools = Arc::clone(&self.pools);
                    return Ok(Box::new(ProviderReply { session, peer, pools, connected_in }));
                }
                // A pooled connection that the provider had closed: not an answer of the provider.
                Err(Fault::Closed) if stale && call.resend && session.response_header().is_none() => {
                    fresh = true;
                }
                Err(fault) => {
                    if let (Fault::HeadTimeout, HttpSession::H2(stream)) = (&fault, &session) {
                        // The connection may be dead rather than the answer slow: what is on it goes on, and nothing
                        // new is sent there.
                        stream.conn.mark_shutdown();
                    }
                    session.shutdown().await;
                    return Err(fault);
                }
            }
        }
        Err(Fault::Closed)
    }

    fn detached(&self) -> Option<Arc<dyn Upstream>> {
        Some(Arc::new(self.clone()))
    }
}

impl Providers {
    async fn connect(
        &self,
        target: &super::targets::Target,
        addresses: Option<&dyn Addresses>,
        fresh: bool,
        join: bool,
    ) -> Result<(HttpSession, Arc<HttpPeer>, bool), Fault> {
        let mut last = Fault::Dns;
        for peer in target.peers().await?.iter() {
            if !addresses.is_none_or(|rule| address_of(peer).is_some_and(|address| rule.allows(address))) {
                last = Fault::Address;
                continue;
            }
            match self.pools.get(peer, fresh, join).await {
                Ok((session, reused)) => return Ok((session, Arc::clone(peer), reused)),
                Err(error) => last = connect_fault(&error),
            }
        }
        if last.is_unreachable() {
            target.unreachable();
        }
        Err(last)
    }
}

fn address_of(peer: &HttpPeer) -> Option<SocketAddr> {
    peer._address.as_inet().copied()
}

async fn within<T>(
    deadline: Instant,
    late: Fault,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let left = deadline.saturating_duration_since(Instant::now());
    pingora_timeout::timeout(left, work).await.unwrap_or(Err(late))
}

/// Sends the request and reads the head of the answer. `stale`: the connection may have been closed by the provider,
/// so that it may have to be sent once more; on return, whether a failure may be due to that.
async fn exchange(
    session: &mut HttpSession,
    call: &mut Call,
    peer: &HttpPeer,
    stale: &mut bool,
) -> Result<(), Fault> {
    // What leaves in one write has the time for the head only: a timer for each write is dear.
    let long = call.body.iter().map(Bytes::len).sum::<usize>() > JOINED;
    session.set_write_timeout(peer.options.write_timeout.filter(|_| long));
    session.set_read_timeout(None); // our own clocks apply
    let headers = if *stale { call.headers.clone() } else { std::mem::take(&mut call.headers) };
    let head = request_head(call, headers, peer, matches!(session, HttpSession::H2(_)))?;
    session.write_request_header(Box::new(head)).await.map_err(|e| io_fault(&e))?;
    let written = send_body(session, call).await;
    loop {
        // An early answer (401, 413) may be waiting although the write failed.
        if let Err(error) = session.read_response_header().await {
            // A reset of this one stream is an answer of the provider; sending again could be paid for twice.
            *stale &=
                *error.etype() != ErrorType::H2Error || !matches!(error.retry, RetryType::Decided(false));
            return Err(written.err().unwrap_or_else(|| io_fault(&error)));
        }
        match session.response_header() {
            Some(head)
                if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS => {}
            Some(_) => return Ok(()),
            None => return Err(Fault::BadAnswer),
        }
    }
}

async fn send_body(session: &mut HttpSession, call: &Call) -> Result<(), Fault> {
    for part in &call.body {
        let mut rest = part.clone();
        while !rest.is_empty() {
            let slice = rest.split_to(rest.len().min(WRITE_SLICE));
            session.write_request_body(slice, false).await.map_err(|e| io_fault(&e))?;
        }
    }
    session.finish_request_body().await.map_err(|e| io_fault(&e))
}

/// The head as Pingora sends it; the headers move into it, they are not copied.
fn request_head(call: &Call, headers: HeaderMap, peer: &HttpPeer, h2: bool) -> Result<RequestHeader, Fault> {
    let uri = if h2 {
        http::Uri::builder()
            .scheme(if peer.is_tls() { "https" } else { "http" })
            .authority(call.url.authority.as_str())
            .path_and_query(call.url.path_and_query.as_str())
            .build()
    } else {
        http::Uri::try_from(call.url.path_and_query.as_str()).map_err(http::Error::from)
    };
    let uri = uri.map_err(|_| Fault::BadAnswer)?;
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = call.method.clone();
    parts.uri = uri;
    parts.headers = headers;
    if h2 {
        parts.headers.remove(HOST);
    } else {
        let host = HeaderValue::try_from(&call.url.authority).map_err(|_| Fault::BadAnswer)?;
        parts.headers.insert(HOST, host);
    }
    let length: usize = call.body.iter().map(Bytes::len).sum();
    if length > 0 || call.method == http::Method::POST {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(parts.into())
}

struct ProviderReply {
    session: HttpSession,
    peer: Arc<HttpPeer>,
    pools: Arc<Pools>,
    connected_in: Option<Duration>,
}

#[async_trait]
impl Reply for ProviderReply {
    fn status(&self) -> StatusCode {
        self.session.response_header().map_or(StatusCode::BAD_GATEWAY, |head| head.status)
    }

    fn take_headers(&mut self) -> HeaderMap {
        self.session.response_header().map(|head| head.headers.clone()).unwrap_or_default()
    }

    fn address(&self) -> Option<IpAddr> {
        address_of(&self.peer).map(|address| address.ip())
    }

    fn connected_in(&self) -> Option<Duration> {
        self.connected_in
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        self.session.read_response_body().await.map_err(|e| io_fault(&e))
    }

    async fn done(mut self: Box<Self>) {
        let Self { mut session, peer, pools, .. } = *self;
        if session.response_done() {
            pools.put(session, &peer).await;
        } else {
            session.shutdown().await;
        }
    }
}

/// Whether it is this machine that cannot connect.
pub(super) fn is_ours(error: &Error) -> bool {
    error.root_cause().downcast_ref::<std::io::Error>().is_some_and(descriptors::are_used_up)
}

fn connect_fault(error: &Error) -> Fault {
    if is_ours(error) {
        return Fault::OutOfFiles;
    }
    match error.etype() {
        ErrorType::ConnectTimedout => Fault::ConnectTimeout,
        ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::TLSWantX509Lookup
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => Fault::Tls,
        _ => Fault::Connect,
    }
}

fn io_fault(error: &Error) -> Fault {
    match error.etype() {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Fault::AttemptTimeout,
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error | ErrorType::InvalidH2 => Fault::BadAnswer,
        _ => Fault::Closed,
    }
}
