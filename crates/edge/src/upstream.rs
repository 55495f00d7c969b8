//! The way to providers, as the attempt loop sees it. Implemented over Pingora's connector in
//! [`crate::proxy`], and by scripted outcomes for dry runs in [`crate::dry`].

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tollgate_dialect::url::JoinedUrl;
use tollgate_select::Fault;

/// One request to a provider, ready to be sent.
#[derive(Clone)]
pub struct Call {
    /// The provider's id, for pools and logs.
    pub provider: Arc<str>,
    /// The model as it is sent, for scripted outcomes.
    pub model: Arc<str>,
    /// Where to.
    pub url: Arc<JoinedUrl>,
    /// The method.
    pub method: Method,
    /// All headers but the connection's own; holds the key.
    pub headers: HeaderMap,
    /// The body in parts, sent one after the other.
    pub body: SmallVec<[Bytes; 4]>,
    /// Time for name, connection and TLS together.
    pub connect_timeout: Duration,
    /// Time from the start to the head of the answer.
    pub head_timeout: Duration,
    /// Whether it may be sent again over a fresh connection when a kept one turns out to be closed after it was sent:
    /// the server may have acted on it all the same.
    pub resend: bool,
    /// Which addresses of the host may be connected to; `None`: all that may be at all.
    pub addresses: Option<Arc<dyn Addresses>>,
}

/// Decides, once a name was resolved, which addresses may be connected to.
pub trait Addresses: Send + Sync {
    /// Whether this one may.
    fn allows(&self, address: SocketAddr) -> bool;
}

impl std::fmt::Debug for Call {
    /// Without headers and body: they hold keys and prompts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("provider", &self.provider)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// Opens calls.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Connects, sends, and waits for the head of the answer. Dropping the future cancels the call.
    async fn open(&self, call: Call) -> Result<Box<dyn Reply>, Fault>;

    /// The same way for work that goes on after the request; `None` where there is no such thing.
    fn detached(&self) -> Option<Arc<dyn Upstream>> {
        None
    }
}

/// An answer whose head has arrived. Dropping it closes the connection (or resets the stream).
#[async_trait]
pub trait Reply: Send {
    /// The status.
    fn status(&self) -> StatusCode;
    /// The headers, taken once.
    fn take_headers(&mut self) -> HeaderMap;
    /// The address that answers, where it is known.
    fn address(&self) -> Option<IpAddr> {
        None
    }
    /// How long connecting took; `None` where a connection was there already.
    fn connected_in(&self) -> Option<Duration> {
        None
    }
    /// The next part of the body; `None` at its end. A body shorter than announced is a fault.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault>;
    /// The body was read to its end: the connection may be used again.
    async fn done(self: Box<Self>);
}
