//! Requests that two readers could read differently, each with what becomes of it here.

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// 400, the connection ends, and nobody behind the gateway hears of it.
    Refused,
    /// As above with 405.
    NotAllowed,
    /// Exactly one request comes to the server behind, with the model `row`, and the connection can be used again.
    Served,
    /// The same, but the connection ends after the answer.
    ServedLast,
    /// The head is good, the body is broken: no whole request comes to the server behind, and the connection ends.
    Broken,
}

/// One request.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fate: Fate,
}

use Fate::{Broken, NotAllowed, Refused, Served, ServedLast};

/// The path of the API, also for the plain proxy.
pub(crate) const PATH: &str = "/v1/chat/completions";
/// 19 bytes, 0x13.
const BODY: &str = "{\"model\":\"one:row\"}";
const LENGTH: &str = "content-length: 19\r\n";
const CHUNKED: &str = "transfer-encoding: chunked\r\n";
const CHUNKS: &str = "13\r\n{\"model\":\"one:row\"}\r\n0\r\n\r\n";
/// What must never be taken for a request.
const HIDDEN: &str = "POST /v1/chat/completions?hidden HTTP/1.1\r\nhost: x\r\ncontent-length: 22\r\n\r\n{\"model\":\"one:hidden\"}";

fn row(name: &'static str, fate: Fate, bytes: impl AsRef<[u8]>) -> Row {
    Row { name, bytes: bytes.as_ref().to_vec(), fate }
}

/// A request with these header lines and this body.
fn post(lines: &str, body: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{lines}\r\n{body}")
}

fn target(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: x\r\n{LENGTH}\r\n{BODY}")
}

fn hosts(lines: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\n{lines}{LENGTH}\r\n{BODY}")
}

fn version(version: &str, lines: &str, body: &str) -> String {
    format!("POST {PATH} {version}\r\nhost: x\r\n{lines}\r\n{body}")
}

/// All of them.
pub(crate) fn rows() -> Vec<Row> {
    [both_framings(), codings(), lengths(), chunks(), names(), targets(), versions(), lines()]
        .into_iter()
        .flatten()
        .collect()
}

/// RFC 9112 section 6.1: with both, something is attempted; 6.3 lets a server refuse it.
fn both_framings() -> Vec<Row> {
    let whole = format!("{CHUNKS}{HIDDEN}");
    vec![
        row("CL.TE", Refused, post(&format!("content-length: {}\r\n{CHUNKED}", whole.len()), &whole)),
        row("TE.CL", Refused, post(&format!("{CHUNKED}content-length: 4\r\n"), CHUNKS)),
        row("CL 0 and TE", Refused, post(&format!("content-length: 0\r\n{CHUNKED}"), &whole)),
        row("what follows is the next request", ServedLast, post(LENGTH, BODY) + HIDDEN),
        row("a body that looks like a request", Served, {
            // Its model is no model of a request, but a part of a text.
            let body = format!(
                "{{\"model\":\"one:row\",\"x\":\"{}\"}}",
                HIDDEN.replace('"', "'").replace("\r\n", " ")
            );
            post(&format!("content-length: {}\r\n", body.len()), &body)
        }),
        row(
            "a length that Connection takes away",
            Served,
            post(&format!("connection: content-length\r\n{LENGTH}"), BODY),
        ),
        row(
            "a coding that Connection takes away",
            Served,
            post(&format!("connection: transfer-encoding\r\n{CHUNKED}"), CHUNKS),
        ),
        row("neither", Refused, post("content_length: 19\r\n", BODY)),
    ]
}

/// RFC 9112 section 6.1 and 7: what is not plainly `chunked` is not understood.
fn codings() -> Vec<Row> {
    let coding = |name, fate, lines: &str| row(name, fate, post(&format!("{lines}\r\n"), CHUNKS));
    let mut rows = vec![
        coding("chunked", Served, "transfer-encoding: chunked"),
        coding("chunked in capitals", Served, "TRANSFER-ENCODING: CHUNKED"),
        coding("chunked after a tab", Served, "transfer-encoding:\tchunked"),
    ];
    for (name, lines) in [
        ("xchunked", "transfer-encoding: xchunked"),
        ("identity", "transfer-encoding: identity"),
        ("chunked, identity", "transfer-encoding: chunked, identity"),
        ("identity, chunked", "transfer-encoding: identity, chunked"),
        ("gzip, chunked", "transfer-encoding: gzip, chunked"),
        ("chunked, chunked", "transfer-encoding: chunked, chunked"),
        ("chunked twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        ("chunked, then identity", "transfer-encoding: chunked\r\ntransfer-encoding: identity"),
        ("identity, then chunked", "transfer-encoding: identity\r\ntransfer-encoding: chunked"),
        ("a vertical tab before", "transfer-encoding: \u{b}chunked"),
        ("a vertical tab after", "transfer-encoding: chunked\u{b}"),
        ("a form feed before", "transfer-encoding: \u{c}chunked"),
        ("a no-break space before", "transfer-encoding: \u{a0}chunked"),
        ("quotes", "transfer-encoding: \"chunked\""),
        ("nothing", "transfer-encoding: "),
        ("a comma after", "transfer-encoding: chunked,"),
        ("a parameter", "transfer-encoding: chunked;q=1"),
        ("a folded line", "transfer-encoding:\r\n chunked"),
        ("a space before the colon", "transfer-encoding : chunked"),
        ("a tab before the colon", "transfer-encoding\t: chunked"),
        ("a space before the name", " transfer-encoding: chunked"),
        ("NUL in the name", "transfer-encoding\0: chunked"),
        ("NUL in the value", "transfer-encoding: chunked\0"),
        ("an underscore", "transfer_encoding: chunked"),
        ("after CR alone", "x: a\rtransfer-encoding: chunked"),
        ("after LF alone", "x: a\ntransfer-encoding: chunked"),
    ] {
        rows.push(coding(name, Refused, lines));
    }
    rows
}

/// RFC 9110 section 8.6, RFC 9112 section 6.3.
fn lengths() -> Vec<Row> {
    let mut rows = vec![
        row("a length", Served, post(LENGTH, BODY)),
        row("a length with zeros", Served, post("content-length: 0019\r\n", BODY)),
        row("a length with spaces around", Served, post("content-length:  19 \r\n", BODY)),
    ];
    for (name, lines) in [
        ("a length twice", "content-length: 19\r\ncontent-length: 19"),
        ("two lengths", "content-length: 19\r\ncontent-length: 5"),
        ("a list of one length", "content-length: 19, 19"),
        ("a list of lengths", "content-length: 19,5"),
        ("a length with a plus", "content-length: +19"),
        ("a negative length", "content-length: -19"),
        ("a hexadecimal length", "content-length: 0x13"),
        ("a length beyond 64 bits", "content-length: 99999999999999999999999"),
        ("a length beyond 63 bits", "content-length: 9223372036854775808"),
        ("a length with a space inside", "content-length: 1 9"),
        ("an empty length", "content-length: "),
        ("a length with a vertical tab", "content-length: 19\u{b}"),
        ("a length with a semicolon", "content-length: 19;"),
        ("a fraction", "content-length: 19.0"),
        ("a length in wide digits", "content-length: １９"),
        ("a length on a folded line", "content-length:\r\n 19"),
        ("a length with a space before the colon", "content-length : 19"),
    ] {
        rows.push(row(name, Refused, post(&format!("{lines}\r\n"), BODY)));
    }
    rows
}

/// RFC 9112 section 7.1.
fn chunks() -> Vec<Row> {
    let chunked = |name, fate, body: &str| row(name, fate, post(CHUNKED, body));
    let of = |begin: &str, end: &str| format!("{begin}{BODY}{end}");
    let good = "\r\n0\r\n\r\n";
    let mut rows = vec![
        chunked("an extension", Served, &of("13;a=b\r\n", good)),
        chunked("a long extension", Served, &of(&format!("13;{}\r\n", "a".repeat(4000)), good)),
        chunked("spaces after a size", Served, &of("13 \r\n", good)),
        chunked("trailers", Served, &of("13\r\n", "\r\n0\r\nx-t: 1\r\n\r\n")),
        chunked(
            "trailers that would change the request",
            Served,
            &of("13\r\n", "\r\n0\r\ncontent-length: 5\r\nhost: evil\r\nauthorization: evil\r\n\r\n"),
        ),
        chunked("a hidden request after the end", ServedLast, &(CHUNKS.to_owned() + HIDDEN)),
    ];
    for (name, body) in [
        ("LF alone after a size", of("13\n", good)),
        ("LF alone in an extension", of("13;a\n", good)),
        ("CR alone in an extension", of("13;a\rb\r\n", good)),
        ("LF alone after the data", of("13\r\n", "\n0\r\n\r\n")),
        ("LF alone at the end", of("13\r\n", "\r\n0\r\n\n")),
        ("a size with a plus", of("+13\r\n", good)),
        ("a size with 0x", of("0x13\r\n", good)),
        ("a negative size", of("-13\r\n", good)),
        ("a size with an underscore", of("1_3\r\n", good)),
        ("a size after a space", of(" 13\r\n", good)),
        ("a size beyond 64 bits", of("10000000000000013\r\n", good)),
        ("the largest size", of("ffffffffffffffff\r\n", good)),
        ("a size of many zeros", of(&format!("{}13\r\n", "0".repeat(40)), good)),
        ("data longer than its size", of("5\r\n", good)),
        ("nothing between data and size", of("13\r\n", "0\r\n\r\n")),
        ("something between data and size", of("13\r\n", "XX0\r\n\r\n")),
    ] {
        rows.push(chunked(name, Broken, &body));
    }
    rows
}

/// RFC 9110 section 7.2, RFC 9112 section 3.2: for whom a request is.
fn names() -> Vec<Row> {
    let mut rows = vec![
        row("an absolute URL", Served, target(&format!("http://x{PATH}"))),
        row("a host with a port", Served, hosts("host: x:80\r\n")),
        row("an address of IPv6", Served, hosts("host: [::1]:80\r\n")),
    ];
    for (name, lines) in [
        ("a host twice", "host: x\r\nhost: x\r\n"),
        ("two hosts", "host: x\r\nhost: y\r\n"),
        ("a list of hosts", "host: x, y\r\n"),
        ("a host with a user", "host: a@b\r\n"),
        ("a host with a path", "host: a/b\r\n"),
        ("a host with a space", "host: a b\r\n"),
        ("a host with a name for a port", "host: a:b\r\n"),
        ("a host of other letters", "host: ü\r\n"),
    ] {
        rows.push(row(name, Refused, hosts(lines)));
    }
    rows.push(row("a URL and another host", Refused, target(&format!("http://evil{PATH}"))));
    rows
}

/// RFC 9112 section 3.
fn targets() -> Vec<Row> {
    let mut rows = vec![
        // Pingora writes them as escapes, for the rules and for the server behind alike.
        row("a control character in the query", Served, target(&format!("{PATH}?a=\u{1}"))),
        row("a space in the query", Served, target(&format!("{PATH}?a b"))),
        row("a fragment", Served, target(&format!("{PATH}#a"))),
    ];
    for (name, text) in [
        ("two spaces before the target", format!(" {PATH}")),
        ("a target without a slash", "v1/chat/completions".to_owned()),
        ("a target with a backslash", "\\v1\\chat\\completions".to_owned()),
        ("an asterisk", "*".to_owned()),
        ("a query alone", "?a".to_owned()),
        ("a URL of another scheme", format!("ftp://x{PATH}")),
        ("a line break in the target", format!("{PATH}?a\r\nx: y HTTP/1.1\r\ny: z")),
    ] {
        rows.push(row(name, Refused, target(&text)));
    }
    rows.push(row("CONNECT", NotAllowed, "CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n"));
    rows.push(row("TRACE", NotAllowed, "TRACE / HTTP/1.1\r\nhost: x\r\nmax-forwards: 0\r\n\r\n"));
    rows
}

/// RFC 9112 section 2.3, RFC 9110 section 7.8.
fn versions() -> Vec<Row> {
    let upgrade = format!(
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n{LENGTH}"
    );
    vec![
        row("HTTP/1.0", ServedLast, version("HTTP/1.0", LENGTH, BODY)),
        row("HTTP/1.0 with chunks", Refused, version("HTTP/1.0", CHUNKED, CHUNKS)),
        row(
            "HTTP/1.0 with chunks, kept open",
            Refused,
            version("HTTP/1.0", &format!("connection: keep-alive\r\n{CHUNKED}"), CHUNKS),
        ),
        row("HTTP/1.2", Refused, version("HTTP/1.2", LENGTH, BODY)),
        row("HTTP/2.0 in words", Refused, version("HTTP/2.0", LENGTH, BODY)),
        row("a version in small letters", Refused, version("http/1.1", LENGTH, BODY)),
        row("HTTP/0.9", Refused, format!("POST {PATH}\r\n\r\n")),
        row("an upgrade to HTTP/2 is not taken", Served, post(&upgrade, BODY)),
    ]
}

/// RFC 9112 sections 2.2 and 5.
fn lines() -> Vec<Row> {
    let mut rows = vec![
        row("an empty line before", Served, format!("\r\n{}", post(LENGTH, BODY))),
        row("LF at the ends of lines", Refused, post(LENGTH, "").replace("\r\n", "\n") + BODY),
        row("CR at the ends of lines", Refused, post(LENGTH, "").replace("\r\n", "\r") + "\r\n\r\n" + BODY),
        row(
            "LF at the end of the head",
            Refused,
            format!("POST {PATH} HTTP/1.1\r\nhost: x\r\n{}\n\n{BODY}", LENGTH.trim()),
        ),
        row(
            "a space before the first line",
            Refused,
            format!("POST {PATH} HTTP/1.1\r\n host: x\r\n{LENGTH}\r\n{BODY}"),
        ),
    ];
    for (name, line) in [
        ("no name", ": v"),
        ("a space in a name", "a b: v"),
        ("no colon", "abc"),
        ("a name of other letters", "ü: v"),
        ("a folded value", "a: b\r\n c: d"),
        ("NUL in a value", "a: b\0c"),
        ("CR in a value", "a: b\rc"),
        ("a control character in a value", "a: b\u{1}c"),
        ("DEL in a value", "a: b\u{7f}c"),
    ] {
        rows.push(row(name, Refused, post(&format!("{line}\r\n{LENGTH}"), BODY)));
    }
    rows
}
