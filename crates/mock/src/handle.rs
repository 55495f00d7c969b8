//! From a request to its answer.

use crate::answer::{Reply, reply};
use crate::body::{AnswerBody, BrokenOff, Step};
use crate::faults::{self, Ending};
use crate::io::Meter;
use crate::request::Facts;
use crate::script::{Behaviour, Fault, Surface};
use crate::state::{Exchange, Recorded, Shared};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What the requests of one connection share.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) number: u64,
    /// Where answers below HTTP go; there is no such thing on HTTP/2.
    pub(crate) raw_answers: Option<mpsc::Sender<RawAnswer>>,
}

/// An answer that goes out as it is, after which the connection ends.
pub(crate) struct RawAnswer {
    pub(crate) bytes: Bytes,
    pub(crate) exchange: Exchange,
}

/// Answers one request as the script says.
pub(crate) async fn answer(
    request: Request<Incoming>,
    connection: Arc<Connection>,
) -> Result<Response<AnswerBody>, BrokenOff> {
    let shared = &connection.shared;
    let mut exchange = shared.exchange();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| BrokenOff)?.to_bytes();
    let active = shared.active();
    let mut facts = Facts::read(&parts, &body, &active.script);
    if facts.surface == Surface::Generation {
        facts.generation = facts.parameter("id").and_then(|id| shared.generation(&id));
    }
    shared.record(recorded(&parts, body, &facts, connection.number));

    let behaviour = active.behaviour(&facts);
    if behaviour.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
    }
    match behaviour.fault {
        Some(Fault::Hang) => std::future::pending::<()>().await,
        Some(Fault::CloseBeforeHead) => {
            exchange.finish();
            return Err(BrokenOff);
        }
        Some(Fault::Reset) => {
            connection.meter.reset_at_end();
            exchange.finish();
            return Err(BrokenOff);
        }
        _ => {}
    }
    let mut reply = reply(&facts, &behaviour, &active.script, shared.next_answer());
    if let Some((id, record)) = reply.generation.take() {
        shared.remember(id, record);
    }
    let ending = faults::apply(&mut reply, &behaviour, &facts);
    match (ending, &connection.raw_answers) {
        (Ending::Raw(bytes), Some(raw_answers)) => {
            // The connection's task takes the socket away from HTTP and drops this future.
            let _ = raw_answers.send(RawAnswer { bytes, exchange }).await;
            std::future::pending().await
        }
        (Ending::Raw(_), None) => {
            exchange.finish();
            Err(BrokenOff)
        }
        (Ending::Steps(steps, length), _) => {
            let body = AnswerBody::new(steps, length, Arc::clone(&connection.meter), exchange);
            Ok(response(&reply, &behaviour, body))
        }
    }
}

fn response(reply: &Reply, behaviour: &Behaviour, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let scripted = behaviour.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let own = reply.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.chain(scripted) {
        // A script with an impossible header gets an answer without it.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn recorded(parts: &http::request::Parts, body: Bytes, facts: &Facts, connection: u64) -> Recorded {
    let host = parts.headers.get(http::header::HOST).and_then(|v| v.to_str().ok());
    let authority = parts.uri.authority().map(http::uri::Authority::as_str).or(host);
    Recorded {
        at: Instant::now(),
        connection,
        method: parts.method.clone(),
        path_and_query: parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        version: parts.version,
        authority: authority.unwrap_or("").to_owned(),
        headers: parts.headers.clone(),
        body,
        provider: facts.flavour,
        surface: facts.surface,
        model: facts.model.clone(),
        stream: facts.stream,
        key: facts.key.clone(),
    }
}

/// Cuts a body into crumbs.
pub(crate) fn trickle(steps: Vec<Step>, bytes: usize, every: Duration) -> Vec<Step> {
    let mut out = Vec::new();
    for step in steps {
        match step {
            Step::Send(mut whole) => {
                while !whole.is_empty() {
                    let crumb = whole.split_to(whole.len().min(bytes.max(1)));
                    out.push(Step::Send(crumb));
                    out.push(Step::Wait(every));
                }
            }
            other => out.push(other),
        }
    }
    out
}
