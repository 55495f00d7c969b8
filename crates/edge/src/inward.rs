//! A request that an action makes to an internal endpoint: it goes through that endpoint's policy without leaving the
//! process, and its answer comes back as from a server.

use crate::answer::{Answer, Fault};
use crate::dry::DryClient;
use crate::exchange::{Ending, Exchange};
use crate::forward::{Forward, forward};
use crate::listener::Listener;
use crate::phase::{self, Outcome};
use crate::proxy::request::{normalised, request_id};
use crate::upstream::Reply;
use crate::{action::RequestCx, late_costs, lists};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use std::sync::Arc;
use std::time::SystemTime;
use tollgate_dialect::url::JoinedUrl;
use tollgate_expr::{ConnectionFacts, EndpointFacts, RequestFacts};
use tollgate_select::Fault as UpstreamFault;

/// What is asked.
pub(crate) struct Inward {
    pub(crate) method: Method,
    pub(crate) url: Arc<JoinedUrl>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The connection of the client on whose behalf it is asked.
    pub(crate) connection: ConnectionFacts,
    /// More bytes of an answer than anybody wants.
    pub(crate) most: usize,
}

/// Sends the request through the endpoint's policy, and waits for the answer.
pub(crate) async fn ask(listener: &Listener, asked: Inward) -> Result<Box<dyn Reply>, UpstreamFault> {
    let engine = listener.engine.load_full();
    let mut client = DryClient::bounded(asked.body.clone(), asked.most);
    let mut exchange = exchange(listener, engine.wants_results, asked);
    let upstream = &*listener.upstream;
    let mut cx = RequestCx { exchange: &mut exchange, client: &mut client, upstream, engine: &engine };
    let (outcome, _) = Box::pin(phase::run_request(&engine.request, &mut cx)).await;
    let (onward, rules) = match &outcome {
        Outcome::Upstream(onward) => (onward.endpoint.as_deref(), Arc::clone(&onward.engine)),
        _ => (Some(listener), Arc::clone(&engine)),
    };
    match outcome {
        Outcome::Respond(answer) => {
            let answer = phase::settled(&engine, &mut exchange, answer, upstream).await;
            take(&mut client, answer);
        }
        Outcome::Answered => {}
        Outcome::Close => return Err(UpstreamFault::Closed),
        Outcome::Fallthrough | Outcome::Upstream(_) => {
            let Some(pool) = onward.and_then(|listener| listener.plain.as_ref()) else {
                return Err(UpstreamFault::Connect);
            };
            let to = Forward { pool, engine: &rules, exchange: &mut exchange, client: &mut client, upstream };
            if let Err(fault) = forward(to).await {
                exchange.watches.gave_up();
                take(&mut client, refused(&fault, &exchange));
            }
        }
    }
    if let Some(provider) = exchange.list_wanted.take() {
        lists::refresh(&listener.shared, &listener.upstream, &provider);
    }
    late_costs::ask(&listener.shared, &listener.upstream, std::mem::take(&mut exchange.unsettled));
    if exchange.record.outcome == Ending::Truncated {
        return Err(UpstreamFault::Closed);
    }
    let (status, headers) = client.head.ok_or(UpstreamFault::Closed)?;
    Ok(Box::new(Whole { status, headers, body: Some(client.answer.freeze()) }))
}

fn refused(fault: &Fault, exchange: &Exchange) -> Answer {
    fault.answer(exchange.request.uri.path(), &exchange.request.id)
}

fn exchange(listener: &Listener, wants_results: bool, asked: Inward) -> Exchange {
    let now = SystemTime::now();
    let uri: Uri = asked.url.path_and_query.parse().unwrap_or_default();
    let request = RequestFacts {
        id: request_id(),
        method: asked.method,
        uri: normalised(&uri),
        raw_uri: uri,
        scheme: listener.endpoint.protocol,
        raw_host: asked.url.authority.as_str().into(),
        host: asked.url.authority.as_str().into(),
        version: Version::HTTP_11,
        headers: asked.headers,
        received: now,
        body_received: Some(now),
    };
    let endpoint =
        EndpointFacts { host: asked.url.host.as_str().into(), ..EndpointFacts::clone(&listener.endpoint) };
    let secrets = Arc::clone(&listener.shared.secrets);
    Exchange::new(request, asked.connection, Arc::new(endpoint), secrets, wants_results)
}

/// An answer that was made inside, as the client would get it.
fn take(client: &mut DryClient, answer: Answer) {
    client.head = Some((answer.status, answer.headers));
    client.answer = BytesMut::from(&answer.body[..]);
}

/// An answer that is all here.
struct Whole {
    status: StatusCode,
    headers: HeaderMap,
    body: Option<Bytes>,
}

#[async_trait]
impl Reply for Whole {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, UpstreamFault> {
        Ok(self.body.take())
    }

    async fn done(self: Box<Self>) {}
}
