//! Sends on a request whose body an action has read already: Pingora's own path would wait for that body for ever.

use super::plain::forwarded_headers;
use crate::action::body_fault;
use crate::answer::Fault;
use crate::client::{BodyError, Client, ClientGone};
use crate::engine::Engine;
use crate::events::{EventRules, is_event_stream};
use crate::exchange::{Ending, Exchange};
use crate::listener::{Listener, PlainUpstream};
use crate::phase;
use crate::proxy::headers as ours;
use crate::proxy::session::SessionClient;
use crate::response::{Changing, ResponseBody, Settled, changed};
use crate::upstream::{Call, Reply};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderValue};
use smallvec::smallvec;
use std::time::Duration;
use tollgate_dialect::headers as wire;
use tollgate_dialect::url::JoinedUrl;
use tollgate_expr::ResponseFacts;
use tollgate_select::Fault as UpstreamFault;

/// Time to connect to the plain upstream.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence of the plain upstream, before its head and inside its body; also on Pingora's own path.
pub(super) const SILENCE: Duration = Duration::from_secs(600);

/// Forwards the request and its answer. An error is what the client is to be told instead.
pub(super) async fn forward(
    listener: &Listener,
    plain: &PlainUpstream,
    engine: &Engine,
    exchange: &mut Exchange,
    client: &mut SessionClient<'_>,
) -> Result<(), Fault> {
    let body = match exchange.body.take() {
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
    let Some(mut reply) = open(listener, call(plain, exchange, body), exchange, client).await? else {
        return Ok(());
    };
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
    let upstream = &*listener.upstream;
    let replaced = phase::run_response(&engine.response, exchange, &mut facts, &mut body, upstream).await;
    let Settled { mut whole, begun, original, mut changes } = body.settled();
    if let Some(answer) = replaced {
        facts = ResponseFacts { status: answer.status, headers: answer.headers };
        (whole, changes) = (Some(answer.body), Vec::new());
    } else if !bodiless {
        changes.splice(0..0, EventRules::changes(engine, &facts));
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

/// The upstream's answer; nothing when the client left before it.
async fn open(
    listener: &Listener,
    call: Call,
    exchange: &mut Exchange,
    client: &mut SessionClient<'_>,
) -> Result<Option<Box<dyn Reply>>, Fault> {
    let opened = tokio::select! {
        biased;
        opened = listener.upstream.open(call) => opened,
        () = client.gone() => {
            exchange.record.outcome = Ending::ClientGone;
            return Ok(None);
        }
    };
    match opened {
        Ok(reply) => {
            exchange.watches.answered(reply.status());
            Ok(Some(reply))
        }
        Err(fault) => {
            exchange.watches.gave_up();
            Err(refused(&fault))
        }
    }
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
        addresses: None,
    }
}

async fn send(client: &mut SessionClient<'_>, facts: ResponseFacts, body: Bytes) -> Result<(), ClientGone> {
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
            () = client.gone() => return Err(ClientGone),
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
fn refused(fault: &UpstreamFault) -> Fault {
    let (code, status) = match fault {
        fault if fault.is_timeout() => (3005, StatusCode::GATEWAY_TIMEOUT),
        UpstreamFault::BadAnswer => (3004, StatusCode::BAD_GATEWAY),
        fault if fault.is_unreachable() => (3006, StatusCode::BAD_GATEWAY),
        _ => (3007, StatusCode::BAD_GATEWAY),
    };
    Fault { code, status, message: fault.describe().replace("provider", "upstream") }
}
