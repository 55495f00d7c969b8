//! Requests that two readers could read differently. Pingora's parser takes some of them and makes one thing of them; a
//! proxy before this one, or the server behind it, may make another, and then a request hides inside another's body
//! ("request smuggling"). What could be meant in two ways is refused, and the connection ends.
//!
//! Refused by Pingora already: a `Transfer-Encoding` whose last coding is not `chunked`, or with HTTP/1.0; lengths that are
//! no numbers, or differ; two `Host` lines; white space before a colon, folded lines, control characters. HTTP/2 has one
//! framing, and what in it means another is refused by its codec; the same rules hold for the rest of it.

use crate::answer::Fault;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use pingora_proxy::Session;

/// Names that become those of framing headers where a server takes `_` for `-`, as CGI and its descendants do.
const LOOKALIKES: [&str; 2] = ["content_length", "transfer_encoding"];

/// Why a request is refused whose head can be read in more than one way.
#[must_use]
pub fn refusal(session: &Session) -> Option<Fault> {
    let head = session.req_header();
    // HTTP/2 has no head that could be looked at.
    let raw = if head.version < Version::HTTP_2 { session.as_downstream().to_h1_raw() } else { Bytes::new() };
    let why = target(&head.method, head.raw_path(), head.version)
        .or_else(|| host(&head.headers))
        .or_else(|| lines(&raw))
        .or_else(|| framing(&head.headers, || announces_length(&raw)));
    if let Some(message) = why {
        let message = message.to_owned();
        return Some(Fault { code: 2209, status: StatusCode::BAD_REQUEST, message });
    }
    (head.method == Method::TRACE).then(|| Fault {
        code: 2209,
        status: StatusCode::METHOD_NOT_ALLOWED,
        // It would show the client what rules have added for the upstream.
        message: "the method TRACE is not served here".to_owned(),
    })
}

/// RFC 9112 section 3.2: a path, an absolute URL, or `*` with OPTIONS. (CONNECT does not come so far.)
fn target(method: &Method, target: &[u8], version: Version) -> Option<&'static str> {
    let begins = |with: &[u8]| target.get(..with.len()).is_some_and(|t| t.eq_ignore_ascii_case(with));
    let url = version < Version::HTTP_2 && (begins(b"http://") || begins(b"https://"));
    let good = begins(b"/") || url || (target == b"*" && *method == Method::OPTIONS);
    (!good).then_some("the request's target is neither a path nor a URL of http or https")
}

/// RFC 9112 section 2.2: lines end with CR and LF. Pingora takes an LF alone for an end as well; for somebody else it may be
/// a part of the line.
fn lines(head: &[u8]) -> Option<&'static str> {
    let mut ends = memchr::memchr_iter(b'\n', head);
    let alone = ends.any(|at| at.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r'));
    alone.then_some("a line of the request's head ends with LF alone, not with CR and LF")
}

/// RFC 9110 section 7.2, RFC 3986 section 3.2.2.
fn host(headers: &HeaderMap) -> Option<&'static str> {
    let good = headers.get_all(HOST).iter().all(|host| is_host(host.as_bytes()));
    (!good).then_some("the request's Host is no host and port")
}

/// A name or an address, and perhaps a port. It may be empty: who is asked for is then not said, but in one way only.
fn is_host(host: &[u8]) -> bool {
    let in_name = |b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(b);
    let in_address = |b: &u8| b.is_ascii_hexdigit() || b":.".contains(b);
    let port = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    let Some(rest) = host.strip_prefix(b"[") else {
        let mut parts = host.splitn(2, |b| *b == b':');
        let name = parts.next().unwrap_or_default();
        return name.iter().all(in_name) && parts.next().is_none_or(port);
    };
    let mut parts = rest.splitn(2, |b| *b == b']');
    let address = parts.next().unwrap_or_default();
    let after = parts.next();
    address.iter().all(in_address)
        && after.is_some_and(|after| after.is_empty() || after.strip_prefix(b":").is_some_and(port))
}

/// RFC 9112 section 6. `both`: whether the head has a length as well, which Pingora has removed by now.
fn framing(headers: &HeaderMap, both: impl FnOnce() -> bool) -> Option<&'static str> {
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    if lengths > 1 || headers.get(CONTENT_LENGTH).is_some_and(|length| !is_length(length)) {
        return Some("the request has more than one Content-Length, or one that is too large");
    }
    if LOOKALIKES.iter().any(|name| headers.contains_key(*name)) {
        return Some(
            "the request has a header that some servers take for Content-Length or Transfer-Encoding",
        );
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next()?;
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Some("the request's Transfer-Encoding is not just `chunked`");
    }
    both().then_some("the request has both Content-Length and Transfer-Encoding")
}

/// One number that every server can hold: many have no more than 63 bits.
fn is_length(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or("");
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<i64>().is_ok()
}

/// Whether a head, as it came, has a `Content-Length`.
fn announces_length(head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    let begins = |line: &[u8]| line.get(..NAME.len()).is_some_and(|start| start.eq_ignore_ascii_case(NAME));
    head.split(|b| *b == b'\n').any(begins)
}

/// Puts the cookies of HTTP/2, which may come one by one, into one line, as HTTP/1 and whoever reads it wants them
/// (RFC 9113 section 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(http::header::COOKIE).iter();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(http::header::COOKIE, value);
    }
}

/// The host of a request: of its `Host`, or of its target where it has none.
pub(super) fn asked_host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> &'a str {
    let named = headers.get(HOST).and_then(|value| value.to_str().ok());
    named.or_else(|| uri.authority().map(Authority::as_str)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn one_length_or_chunks() {
        for (lines, both, good) in [
            (&[][..], false, true),
            (&[("content-length", "17")], false, true),
            (&[("content-length", "0017")], false, true),
            (&[("content-length", "17"), ("content-length", "17")], false, false),
            (&[("content-length", "17, 17")], false, false),
            (&[("content-length", "9223372036854775807")], false, true),
            (&[("content-length", "9223372036854775808")], false, false),
            (&[("transfer-encoding", "chunked")], false, true),
            (&[("transfer-encoding", "Chunked")], false, true),
            (&[("transfer-encoding", "chunked")], true, false),
            (&[("transfer-encoding", "gzip, chunked")], false, false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false, false),
            (&[("transfer_encoding", "chunked")], false, false),
            (&[("content_length", "1")], false, false),
        ] {
            assert_eq!(framing(&headers(lines), || both).is_none(), good, "{lines:?} {both}");
        }
        assert!(announces_length(b"POST / HTTP/1.1\r\nCONTENT-length: 4\r\n\r\n"));
        assert!(announces_length(b"POST / HTTP/1.1\ncontent-length:4\n\n"));
        assert!(!announces_length(b"POST /content-length: HTTP/1.1\r\nx-content-length: 4\r\n\r\n"));
    }

    #[test]
    fn hosts_have_a_name_and_perhaps_a_port() {
        for good in
            ["", "a", "a.example:8080", "A_b.example", "[::1]", "[::1]:80", "a:", "%41", "127.0.0.1:1", "a."]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in
            ["a b", "a/b", "a?b", "a#b", "a@b", "a:b", "a:80:80", "::1", "[::1", "[::1]x", "[x]", "a\\b", "ü"]
        {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn targets_are_paths_or_urls() {
        let is = |method: Method, text: &str, version| target(&method, text.as_bytes(), version).is_none();
        for (text, good) in [
            ("/a", true),
            ("http://a/b", true),
            ("HTTPS://a", true),
            ("ftp://a/b", false),
            ("a", false),
            ("a:80", false),
            ("\\a", false),
            ("?a", false),
            ("", false),
            ("*", false),
        ] {
            assert_eq!(is(Method::POST, text, Version::HTTP_11), good, "{text}");
        }
        assert!(is(Method::OPTIONS, "*", Version::HTTP_11) && !is(Method::GET, "*", Version::HTTP_2));
        assert!(is(Method::GET, "/a", Version::HTTP_2) && !is(Method::GET, "http://a/", Version::HTTP_2));
    }

    #[test]
    fn lines_end_with_both() {
        assert_eq!(lines(b"GET / HTTP/1.1\r\na: b\r\n\r\n"), None);
        for bad in [&b"GET / HTTP/1.1\na: b\r\n\r\n"[..], b"\nGET", b"a\r\n\n"] {
            assert!(lines(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn cookies_come_in_one_line() {
        let mut cookies = headers(&[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")]);
        join_cookies(&mut cookies);
        assert_eq!(cookies, headers(&[("x", "y"), ("cookie", "a=1; b=2; c=3")]));
    }
}
