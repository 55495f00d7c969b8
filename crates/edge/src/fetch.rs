//! Requests the gateway makes for itself: lists of models, the state of an account, tokens of a cloud.

use crate::upstream::{Addresses, Call, Upstream};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tollgate_dialect::url::JoinedUrl;
use tollgate_select::Fault;

/// A request of the gateway's own.
pub(crate) struct Fetch {
    pub(crate) provider: Arc<str>,
    pub(crate) url: Arc<JoinedUrl>,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Time for all of it.
    pub(crate) time: Duration,
    /// Most bytes of the answer.
    pub(crate) most: usize,
    /// Which addresses may be connected to; `None`: all that may be at all.
    pub(crate) addresses: Option<Arc<dyn Addresses>>,
}

impl Fetch {
    /// Status and body of the answer. A body that is too long is a bad answer.
    pub(crate) async fn run(self, upstream: &dyn Upstream) -> Result<(StatusCode, Bytes), Fault> {
        let Self { provider, url, method, mut headers, body, time, most, addresses } = self;
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let call = Call {
            provider,
            model: Arc::from(""),
            url,
            method,
            headers,
            body: if body.is_empty() { smallvec::SmallVec::new() } else { smallvec::smallvec![body] },
            connect_timeout: time,
            head_timeout: time,
            resend: true,
            addresses,
        };
        let work = async {
            let mut reply = upstream.open(call).await?;
            let status = reply.status();
            let mut whole = BytesMut::new();
            while let Some(chunk) = reply.chunk().await? {
                if whole.len() + chunk.len() > most {
                    return Err(Fault::BadAnswer);
                }
                whole.extend_from_slice(&chunk);
            }
            reply.done().await;
            Ok((status, whole.freeze()))
        };
        pingora_timeout::timeout(time, work).await.unwrap_or(Err(Fault::AttemptTimeout))
    }
}
