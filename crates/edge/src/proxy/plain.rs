//! Plain reverse proxying of what no rule answered, on Pingora's own path.

use crate::answer::Fault;
use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::forward::{SILENCE, nobody, refused};
use crate::listener::PlainUpstream;
use crate::phase;
use crate::pool::Pool;
use crate::proxy::headers;
use crate::proxy::provider::is_ours;
use crate::response::ResponseBody;
use crate::upstream::Upstream;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;
use tollgate_dialect::headers as wire;
use tollgate_expr::ResponseFacts;
use tollgate_select::Fault as UpstreamFault;

/// No server behind the endpoint passes its checks.
const NOBODY: ErrorType = ErrorType::Custom("NoHealthyServer");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The next of the servers behind the endpoint that has an address; it is added to those `tried`.
pub async fn peer(pool: &Pool, tried: &mut SmallVec<[usize; 4]>) -> Result<Box<HttpPeer>> {
    let before = tried.len();
    let mut last = Cow::Borrowed("the upstream's name could not be resolved");
    while let Some((index, member)) = pool.pick(tried) {
        tried.push(index);
        match member.upstream.target.peers().await {
            Ok(peers) => {
                if let Some(peer) = peers.iter().next() {
                    let mut peer = HttpPeer::clone(peer);
                    peer.options.read_timeout = Some(SILENCE);
                    return Ok(Box::new(peer));
                }
            }
            Err(fault) => {
                pool.unreachable(index);
                last = fault.describe();
            }
        }
    }
    if tried.is_empty() {
        return Error::e_explain(NOBODY, "no server behind the endpoint is healthy");
    }
    if tried.len() > before {
        Error::e_explain(ErrorType::ConnectError, last.into_owned())
    } else {
        Error::e_explain(ErrorType::ConnectError, "no server is left")
    }
}

/// Carries the changes of the rules over to the request that Pingora sends.
pub fn request(
    plain: Option<&PlainUpstream>,
    exchange: &Exchange,
    asked: &HeaderMap,
    request: &mut RequestHeader,
) -> Result<()> {
    let facts = &exchange.request;
    let changed: Vec<HeaderName> = request.headers.keys().cloned().collect();
    for name in changed {
        if !facts.headers.contains_key(&name) && !is_framing(&name) {
            request.remove_header(&name);
        }
    }
    for name in facts.headers.keys().filter(|name| !is_framing(name)) {
        if of_connection(asked, &facts.headers, name) {
            continue; // Pingora has left it out
        }
        request.remove_header(name);
        for value in facts.headers.get_all(name) {
            request.append_header(name.clone(), value.clone())?;
        }
    }
    if let Some(plain) = plain {
        let path = facts.uri.path_and_query().map_or("/", |p| p.as_str());
        let joined = format!("{}{path}", plain.prefix);
        if let Ok(uri) = joined.parse::<Uri>() {
            request.set_uri(uri);
        }
    }
    let asked_of = asked.get(HOST).and_then(|host| host.to_str().ok());
    let asked_of = asked_of.or_else(|| facts.raw_uri.authority().map(Authority::as_str));
    if asked_of.is_some_and(|host| !host.eq_ignore_ascii_case(&facts.host)) {
        request.insert_header(HOST, &*facts.host)?;
    }
    if exchange.enclosing.is_empty() {
        request.insert_header(FORWARDED_FOR, forwarded_for(exchange))?;
        request.insert_header(FORWARDED_PROTO, facts.scheme)?;
        request.insert_header(FORWARDED_HOST, &*facts.raw_host)?;
    }
    Ok(())
}

/// The headers of a request as they are sent on, without those of the client's connection.
pub(crate) fn forwarded_headers(exchange: &Exchange) -> HeaderMap {
    let facts = &exchange.request;
    let mut headers = HeaderMap::with_capacity(facts.headers.len() + 3);
    for (name, value) in &facts.headers {
        if !is_framing(name) {
            headers.append(name, value.clone());
        }
    }
    if exchange.enclosing.is_empty() {
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        set(FORWARDED_FOR, &forwarded_for(exchange));
        set(FORWARDED_PROTO, facts.scheme);
        set(FORWARDED_HOST, &facts.raw_host);
    }
    headers
}

/// Says in the headers where a request comes from that goes to another endpoint of the process: that endpoint's rules
/// read them, and its servers get them as they are. What came before stays, unlike for servers of our own.
pub(crate) fn mark_forwarded(exchange: &mut Exchange) {
    let (client, scheme) = (forwarded_for(exchange), exchange.request.scheme);
    let before = exchange.request.headers.get(&FORWARDED_PROTO).and_then(|v| v.to_str().ok());
    let scheme = before.map_or(scheme.to_owned(), |before| format!("{before}, {scheme}"));
    let host = exchange.request.raw_host.to_string();
    let headers = &mut exchange.request.headers;
    let mut set = |name: HeaderName, value: String, keep: bool| {
        if let Ok(value) = HeaderValue::try_from(value)
            && !(keep && headers.contains_key(&name))
        {
            headers.insert(name, value);
        }
    };
    set(FORWARDED_FOR, client, false);
    set(FORWARDED_PROTO, scheme, false);
    set(FORWARDED_HOST, host, true);
}

/// The addresses the request has come through, this client's last.
fn forwarded_for(exchange: &Exchange) -> String {
    let client = exchange.connection.client.ip().to_string();
    let before = exchange.request.headers.get(&FORWARDED_FOR).and_then(|v| v.to_str().ok());
    before.map_or(client.clone(), |before| format!("{before}, {client}"))
}

/// Whether the client's `Connection` names a header, so that it ends here. What a rule has set or changed stays: else
/// a client could take away what the upstream is to be told.
fn of_connection(asked: &HeaderMap, now: &HeaderMap, name: &HeaderName) -> bool {
    wire::is_named_by_connection(asked, name.as_str()) && asked.get_all(name) == now.get_all(name)
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
pub async fn response(
    upstream: &dyn Upstream,
    engine: &Arc<Engine>,
    exchange: &mut Exchange,
    response: &mut ResponseHeader,
) -> Result<Option<Bytes>> {
    exchange.watches.answered(response.status);
    let mut facts = ResponseFacts { status: response.status, headers: response.headers.clone() };
    headers::unstamp(&mut facts.headers);
    let mut body = ResponseBody::passing();
    let replacement = match phase::run_response(engine, exchange, &mut facts, &mut body, upstream).await {
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

/// Takes from a head what it says of a body that is not sent.
pub fn without_body(response: &mut ResponseHeader) -> Result<()> {
    for name in [TRANSFER_ENCODING, CONTENT_ENCODING, CONTENT_TYPE] {
        response.remove_header(&name);
    }
    response.insert_header(CONTENT_LENGTH, "0")
}

/// The error of a plain upstream that gave no answer, or of a request that cannot be sent to one.
#[must_use]
pub fn fault(error: &Error) -> Fault {
    if *error.esource() == ErrorSource::Downstream {
        let message = "the request's headers cannot be forwarded: `Connection` or `Host` is not valid".into();
        return Fault { code: 2209, status: StatusCode::BAD_REQUEST, message };
    }
    if *error.etype() == NOBODY {
        return nobody();
    }
    if is_ours(error) {
        return refused(&UpstreamFault::OutOfFiles);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_take_away_what_a_rule_set() {
        let map = |lines: &[(&'static str, &'static str)]| -> HeaderMap {
            lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
        };
        let asked =
            map(&[("connection", "close, x-hop, x-user"), ("x-hop", "1"), ("x-user", "me"), ("x-mine", "1")]);
        let now = map(&[("x-hop", "1"), ("x-user", "somebody"), ("x-mine", "1")]);
        for (name, ends) in [("x-hop", true), ("x-user", false), ("x-mine", false)] {
            assert_eq!(of_connection(&asked, &now, &HeaderName::from_static(name)), ends, "{name}");
        }
    }
}
