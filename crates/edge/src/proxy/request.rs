//! From Pingora's request to the facts that rules read.

use crate::answer::Fault;
use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::listener::Listener;
use crate::proxy::framing::{asked_host, join_cookies};
use crate::proxy::incoming::noted;
use http::header::CONNECTION;
use http::{HeaderMap, StatusCode, Uri};
use pingora_proxy::Session;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;
use tollgate_expr::{ConnectionFacts, RequestFacts};

/// The exchange of a request whose head has been read.
#[must_use]
pub fn exchange_for(session: &Session, listener: &Listener, engine: &Engine) -> Exchange {
    let head = session.req_header();
    let now = SystemTime::now();
    let host: Arc<str> = asked_host(&head.headers, &head.uri).to_ascii_lowercase().into();
    let request = RequestFacts {
        id: request_id(),
        method: head.method.clone(),
        uri: normalised(&head.uri),
        raw_uri: head.uri.clone(),
        scheme: listener.endpoint.protocol,
        raw_host: Arc::clone(&host),
        host,
        version: head.version,
        headers: end_to_end(&head.headers),
        received: now,
        body_received: None,
    };
    let noted = noted(session.digest());
    let connection =
        noted.map_or_else(|| Arc::new(connection(session, listener, now)), |noted| Arc::clone(&noted.facts));
    let (endpoint, secrets) = (Arc::clone(&listener.endpoint), Arc::clone(&listener.shared.secrets));
    let mut exchange = Exchange::new(request, connection, endpoint, secrets, engine.wants_results);
    if let Some(noted) = noted.filter(|noted| !noted.results.is_empty()) {
        exchange.results = noted.results.clone();
    }
    exchange
}

/// The headers without those that `Connection` makes the connection's own (RFC 9110, section 7.6.1). They end here,
/// before any rule: what a rule sets later under such a name is the rule's, and stays.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    join_cookies(&mut kept);
    for value in headers.get_all(CONNECTION) {
        let tokens = value.to_str().unwrap_or("").split(',').map(str::trim);
        for name in tokens.filter(|token| {
            !["close", "keep-alive", "upgrade"].contains(&token.to_ascii_lowercase().as_str())
        }) {
            kept.remove(name);
        }
    }
    kept
}

/// The error for a head larger than the listener takes; counts names and values.
#[must_use]
pub fn head_too_large(session: &Session, limit: usize) -> Option<Fault> {
    let head = session.req_header();
    let fields: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let total = fields + head.raw_path().len();
    (total > limit).then(|| Fault {
        code: 2209,
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        message: format!("the request's headers have {total} bytes; at most {limit} are accepted"),
    })
}

/// The error for a request that does not say whom it is for: HTTP/1.1 needs a `Host` (RFC 9112, section 3.2), and
/// rules that look at it would see nothing.
#[must_use]
pub fn host_missing(session: &Session) -> Option<Fault> {
    let head = session.req_header();
    let named = head.headers.contains_key(http::header::HOST) || head.uri.authority().is_some();
    (head.version == http::Version::HTTP_11 && !named).then(|| Fault {
        code: 2209,
        status: StatusCode::BAD_REQUEST,
        message: "the request has no Host header".into(),
    })
}

/// A name for a request.
#[must_use]
pub(crate) fn request_id() -> Arc<str> {
    format!("req_{:024x}", fastrand::u128(..) >> 32).into()
}

/// An end of a connection; nowhere for one that has no address of the internet.
pub(super) fn inet(address: Option<&pingora_core::protocols::l4::socket::SocketAddr>) -> SocketAddr {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    address.and_then(|a| a.as_inet().copied()).unwrap_or(nowhere)
}

/// A connection that nobody has noted anything of: one without TLS on which no rule ran.
fn connection(session: &Session, listener: &Listener, now: SystemTime) -> ConnectionFacts {
    let digest = session.digest();
    let started = digest
        .and_then(|d| d.timing_digest.first().and_then(Option::as_ref))
        .map_or(now, |timing| timing.established_ts);
    let (client, server) = (inet(session.client_addr()), inet(session.server_addr()));
    listener.shared.addressing.connection(client, server, started)
}

/// Path and query with dot segments removed and unreserved characters decoded (RFC 3986 section 6.2.2);
/// duplicate slashes stay. The same path is matched and forwarded.
pub(crate) fn normalised(uri: &Uri) -> Uri {
    let path = uri.path();
    let clean = !path.contains('%') && !path.contains("/.");
    if clean && uri.scheme().is_none() && uri.authority().is_none() {
        return uri.clone();
    }
    let mut text = remove_dot_segments(&decode_unreserved(path));
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(query);
    }
    text.parse().unwrap_or_else(|_| uri.clone())
}

fn decode_unreserved(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(b) if (b.is_ascii_alphanumeric() || b"-._~".contains(&b)) && !completes_escape(&out, b) => {
                out.push(char::from(b));
                rest = after.get(2..).unwrap_or("");
            }
            _ => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether this character would make an escape of a stray `%` before it: `%2%65` must not become `%2e`, which whoever
/// is asked next would decode once more.
fn completes_escape(out: &str, byte: u8) -> bool {
    let tail = out.as_bytes().get(out.len().saturating_sub(2)..).unwrap_or_default();
    byte.is_ascii_hexdigit() && tail.contains(&b'%')
}

/// RFC 3986 section 5.2.4.
pub(crate) fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_queries_are_not() {
        let rows = [
            ("/v1/models", "/v1/models"),
            ("/a/./b/../c?x=%2e", "/a/c?x=%2e"),
            ("/%7euser/%2e%2e/x", "/x"),
            ("/a%2Fb//c", "/a%2Fb//c"),
            ("/../../etc", "/etc"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/bad%zz", "/bad%zz"),
            ("/%2%65%2%65/admin", "/%2%65%2%65/admin"),
            ("/%%32e%%32e/admin", "/%%32e%%32e/admin"),
            ("/%25%32%65", "/%252e"),
        ];
        for (raw, expected) in rows {
            let uri: Uri = raw.parse().expect("a valid path");
            assert_eq!(normalised(&uri).to_string(), expected, "{raw}");
        }
    }

    #[test]
    fn an_absolute_form_request_keeps_only_path_and_query() {
        let uri: Uri = "http://host.example/v1/models?a=b".parse().expect("valid");
        assert_eq!(normalised(&uri).to_string(), "/v1/models?a=b");
    }
}
