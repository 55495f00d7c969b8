//! Plain reverse proxying of what no rule answered, on Pingora's own path.

use crate::answer::Fault;
use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::listener::Listener;
use crate::phase;
use crate::proxy::headers;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use tollgate_expr::ResponseFacts;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The listener's own upstream.
pub async fn peer(listener: &Listener) -> Result<Box<HttpPeer>> {
    let Some(plain) = &listener.plain else {
        return Error::e_explain(ErrorType::InternalError, "no upstream");
    };
    match plain.target.peers().await {
        Ok(peers) => peers.iter().next().map_or_else(no_address, |peer| Ok(Box::new(HttpPeer::clone(peer)))),
        Err(_) => no_address(),
    }
}

fn no_address<T>() -> Result<T> {
    Error::e_explain(ErrorType::ConnectError, "the upstream's name could not be resolved")
}

/// Carries the changes of the rules over to the request that Pingora sends.
pub fn request(listener: &Listener, exchange: &Exchange, request: &mut RequestHeader) -> Result<()> {
    let facts = &exchange.request;
    let changed: Vec<HeaderName> = request.headers.keys().cloned().collect();
    for name in changed {
        if !facts.headers.contains_key(&name) && !is_framing(&name) {
            request.remove_header(&name);
        }
    }
    for name in facts.headers.keys().filter(|name| !is_framing(name)) {
        request.remove_header(name);
        for value in facts.headers.get_all(name) {
            request.append_header(name.clone(), value.clone())?;
        }
    }
    if let Some(plain) = &listener.plain {
        let path = facts.uri.path_and_query().map_or("/", |p| p.as_str());
        let joined = format!("{}{path}", plain.prefix);
        if let Ok(uri) = joined.parse::<Uri>() {
            request.set_uri(uri);
        }
    }
    let client = exchange.connection.client.ip().to_string();
    let before = facts.headers.get(&FORWARDED_FOR).and_then(|v| v.to_str().ok());
    let chain = before.map_or(client.clone(), |before| format!("{before}, {client}"));
    request.insert_header(FORWARDED_FOR, chain)?;
    request.insert_header(FORWARDED_PROTO, facts.scheme)?;
    request.insert_header(FORWARDED_HOST, &*facts.host)?;
    Ok(())
}

/// Headers that describe one connection's framing; Pingora owns them.
fn is_framing(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "host"
            | "transfer-encoding"
            | "upgrade"
            | "keep-alive"
            | "te"
            | "trailer"
            | "proxy-connection"
            | "expect"
            | "sec-websocket-key"
            | "sec-websocket-version"
    )
}

/// Runs the response phase on the upstream's answer. `Some` when its body is replaced.
pub fn response(
    _listener: &Listener,
    engine: &Engine,
    exchange: &mut Exchange,
    response: &mut ResponseHeader,
) -> Result<Option<Bytes>> {
    let mut facts = ResponseFacts { status: response.status, headers: response.headers.clone() };
    headers::unstamp(&mut facts.headers);
    let replacement = match phase::run_response(&engine.response, exchange, &mut facts) {
        Some(answer) => {
            facts = ResponseFacts { status: answer.status, headers: answer.headers };
            facts.headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
            Some(answer.body)
        }
        None => None,
    };
    headers::stamp(&mut facts.headers, exchange, engine);
    response.set_status(facts.status)?;
    let old: Vec<HeaderName> = response.headers.keys().cloned().collect();
    for name in old {
        let framing = replacement.is_none() && is_framing(&name);
        if !facts.headers.contains_key(&name) && !framing {
            response.remove_header(&name);
        }
    }
    for name in facts.headers.keys() {
        response.remove_header(name);
        for value in facts.headers.get_all(name) {
            response.append_header(name.clone(), value.clone())?;
        }
    }
    if replacement.is_some() {
        response.remove_header(&http::header::TRANSFER_ENCODING);
    }
    Ok(replacement)
}

/// The error of a plain upstream that gave no answer.
#[must_use]
pub fn fault(error: &Error) -> Fault {
    let (code, status, what) = match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            (3005, StatusCode::GATEWAY_TIMEOUT, "the upstream did not answer in time")
        }
        ErrorType::ConnectRefused | ErrorType::ConnectNoRoute | ErrorType::ConnectError => {
            (3006, StatusCode::BAD_GATEWAY, "the upstream could not be reached")
        }
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error | ErrorType::InvalidH2 => {
            (3004, StatusCode::BAD_GATEWAY, "the upstream's answer is not valid HTTP")
        }
        _ => (3007, StatusCode::BAD_GATEWAY, "the upstream closed the connection"),
    };
    Fault { code, status, message: what.into() }
}
