//! Sends a request on to one of the servers behind an endpoint by our own means: when an action has read its body already,
//! works on the body of its answer, or wants to know whether it can be sent on at all. Else Pingora's own path is taken.

use crate::action::body_fault;
use crate::answer::Fault;
use crate::client::{BodyError, Client, ClientGone, Over, STOPPING};
use crate::engine::Engine;
use crate::events::is_event_stream;
use crate::exchange::{Ending, Exchange};
use crate::listener::PlainUpstream;
use crate::phase;
use crate::pool::Pool;
use crate::proxy::headers as ours;
use crate::proxy::plain::forwarded_headers;
use crate::response::{Changing, ResponseBody, Settled, changed};
use crate::upstream::{Call, Reply, Upstream};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderValue};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;
use std::time::Duration;
use tollgate_dialect::headers as wire;
use tollgate_dialect::url::JoinedUrl;
use tollgate_expr::ResponseFacts;
use tollgate_select::Fault as UpstreamFault;

/// Time to connect to the plain upstream.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence of the plain upstream, before its head and inside its body; also on Pingora's own path.
pub(crate) const SILENCE: Duration = Duration::from_secs(600);

/// What is sent on, and by which means.
pub(crate) struct Forward<'a> {
    /// The servers, one of which gets it.
    pub(crate) pool: &'a Pool,
    /// The policy of the endpoint whose servers they are.
    pub(crate) engine: &'a Arc<Engine>,
    /// The request.
    pub(crate) exchange: &'a mut Exchange,
    /// Who gets the answer.
    pub(crate) client: &'a mut dyn Client,
    /// The way to servers.
    pub(crate) upstream: &'a dyn Upstream,
}

/// Forwards the request and its answer. An error is what the client is to be told instead; nothing of an answer has been
/// sent then, and the request's body is kept.
pub(crate) async fn forward(to: Forward<'_>) -> Result<(), Fault> {
    let Forward { pool, engine, exchange, client, upstream } = to;
    let body = match exchange.body.clone() {
        Some(body) => body,
        None => match client.body().await {
            Ok(body) => body,
            Err(BodyError::Gone) => {
                exchange.record.outcome = Ending::ClientGone;
                return Ok(());
            }
            Err(error) => return Err(body_fault(&error)),
        },
    };
    exchange.body = Some(body.clone());
    let Some(mut reply) = open(pool, upstream, body, exchange, client).await? else { return Ok(()) };
    exchange.body = None;
    let mut facts = ResponseFacts { status: reply.status(), headers: reply.take_headers() };
    let withheld: Vec<_> =
        facts.headers.keys().filter(|name| wire::is_withheld(name.as_str())).cloned().collect();
    for name in withheld {
        facts.headers.remove(name);
    }
    let bodiless = exchange.request.method == http::Method::HEAD
        || matches!(facts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut body = match bodiless || is_event_stream(&facts) {
        true => ResponseBody::passing(),
        false => ResponseBody::open(Bytes::new(), &mut *reply, SILENCE),
    };
    let replaced = phase::run_response(engine, exchange, &mut facts, &mut body, upstream).await;
    let Settled { mut whole, begun, original, mut changes } = body.settled();
    if let Some(answer) = replaced {
        facts = ResponseFacts { status: answer.status, headers: answer.headers };
        (whole, changes) = (Some(answer.body), Vec::new());
    }
    if !changes.is_empty() {
        facts.headers.remove(CONTENT_LENGTH);
    }
    ours::stamp(&mut facts.headers, exchange, engine);
    let sent = match whole {
        Some(body) => {
            let body = changed(&mut changes, exchange, body, true);
            facts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            let sent = send(client, facts, body).await.map(|()| Ending::Complete);
            if original.is_some() {
                reply.done().await; // it was read to its end: the connection can be used again
            }
            sent
        }
        None if changes.is_empty() => relay(client, reply, facts, begun, bodiless).await,
        None => {
            let mut changing = Changing { client, exchange, changes };
            relay(&mut changing, reply, facts, begun, bodiless).await
        }
    };
    exchange.record.outcome = sent.unwrap_or(Ending::ClientGone);
    Ok(())
}

/// The answer of the first server that can be reached; nothing when the client left before it.
async fn open(
    pool: &Pool,
    upstream: &dyn Upstream,
    body: Bytes,
    exchange: &mut Exchange,
    client: &mut dyn Client,
) -> Result<Option<Box<dyn Reply>>, Fault> {
    let mut tried: SmallVec<[usize; 4]> = SmallVec::new();
    let mut last = None;
    while let Some((index, member)) = pool.pick(&tried) {
        let opened = tokio::select! {
            biased;
            opened = upstream.open(call(&member.upstream, exchange, body.clone())) => opened,
            over = client.gone() => {
                if over == Over::Stopping {
                    return Err(stopping());
                }
                exchange.record.outcome = Ending::ClientGone;
                return Ok(None);
            }
        };
        match opened {
            Ok(reply) => {
                exchange.watches.answered(reply.status());
                return Ok(Some(reply));
            }
            // Nothing was sent, so another one may have it.
            Err(fault) if fault.is_unreachable() => {
                pool.unreachable(index);
                tried.push(index);
                last = Some(fault);
            }
            Err(fault) => {
                last = Some(fault);
                break;
            }
        }
    }
    exchange.watches.failed();
    Err(last.map_or_else(nobody, |fault| refused(&fault)))
}

/// The error of a pool none of whose servers passes its checks.
pub(crate) fn nobody() -> Fault {
    let message = "no server behind the endpoint is healthy".to_owned();
    Fault { code: 3200, status: StatusCode::SERVICE_UNAVAILABLE, message }
}

/// The error where the gateway cannot wait for a server any more.
fn stopping() -> Fault {
    Fault { code: 27220, status: StatusCode::SERVICE_UNAVAILABLE, message: STOPPING.to_owned() }
}

fn call(plain: &PlainUpstream, exchange: &Exchange, body: Bytes) -> Call {
    let facts = &exchange.request;
    let path = facts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path_and_query = format!("{}{path}", plain.prefix);
    let scheme = if plain.https { "https" } else { "http" };
    let url = JoinedUrl {
        https: plain.https,
        host: plain.host.clone(),
        port: plain.port,
        // The upstream sees the host the client asked for, as on Pingora's path.
        authority: if facts.host.is_empty() { plain.host.clone() } else { facts.host.to_string() },
        full: format!("{scheme}://{}:{}{path_and_query}", plain.host, plain.port),
        path_and_query,
    };
    Call {
        provider: "upstream".into(),
        model: "".into(),
        url: url.into(),
        method: facts.method.clone(),
        headers: forwarded_headers(exchange),
        body: smallvec![body],
        connect_timeout: CONNECT,
        head_timeout: SILENCE,
        resend: facts.method.is_idempotent(),
        addresses: None,
    }
}

async fn send(client: &mut dyn Client, facts: ResponseFacts, body: Bytes) -> Result<(), ClientGone> {
    client.head(facts.status, facts.headers, body.is_empty()).await?;
    if body.is_empty() { Ok(()) } else { client.chunk(body, true).await }
}

async fn relay(
    client: &mut dyn Client,
    mut reply: Box<dyn Reply>,
    facts: ResponseFacts,
    begun: Bytes,
    bodiless: bool,
) -> Result<Ending, ClientGone> {
    client.head(facts.status, facts.headers, bodiless).await?;
    if bodiless {
        reply.done().await;
        return Ok(Ending::Complete);
    }
    if !begun.is_empty() {
        client.chunk(begun, false).await?;
    }
    loop {
        let next = tokio::select! {
            biased;
            next = pingora_timeout::timeout(SILENCE, reply.chunk()) => next,
            over = client.gone() => match over {
                Over::ClientGone => return Err(ClientGone),
                Over::Stopping => return Ok(Ending::Truncated),
            },
        };
        match next {
            Ok(Ok(Some(chunk))) => client.chunk(chunk, false).await?,
            Ok(Ok(None)) => {
                client.chunk(Bytes::new(), true).await?;
                break;
            }
            Ok(Err(_)) | Err(_) => return Ok(Ending::Truncated),
        }
    }
    reply.done().await;
    Ok(Ending::Complete)
}

/// The error of an upstream that gave no answer; the codes of the plain path.
pub(crate) fn refused(fault: &UpstreamFault) -> Fault {
    let (code, status) = match fault {
        UpstreamFault::OutOfFiles => (3007, StatusCode::SERVICE_UNAVAILABLE),
        fault if fault.is_timeout() => (3005, StatusCode::GATEWAY_TIMEOUT),
        UpstreamFault::BadAnswer => (3004, StatusCode::BAD_GATEWAY),
        fault if fault.is_unreachable() => (3006, StatusCode::BAD_GATEWAY),
        _ => (3007, StatusCode::BAD_GATEWAY),
    };
    Fault { code, status, message: fault.describe().replace("provider", "upstream") }
}
