//! Requests of HTTP/2 that would be two, or others, once they are written as HTTP/1 (RFC 9113, sections 8.1.1 to 8.3).

use crate::support::*;
use serde_json::json;
use std::fmt::Write as _;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BODY: &[u8] = b"{\"model\":\"one:row\"}";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

type Field<'a> = (&'a str, &'a str);

/// The fields of a good request.
const GOOD: [Field<'_>; 5] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/v1/chat/completions"),
    (":authority", "x"),
    ("content-type", "application/json"),
];

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// One request comes to the server behind.
    Served,
    /// 400, or the stream or the connection is reset; nothing comes to the server behind.
    Refused,
    /// The same; of a body that is not as long as its length says, a part may have come.
    Broken,
}

use Fate::{Broken, Refused, Served};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// Literals without indexing (RFC 7541 section 6.2.2): bytes as they are.
fn fields(fields: &[Field<'_>]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// `GOOD` with more fields behind.
fn and<'a>(more: &[Field<'a>]) -> Vec<Field<'a>> {
    [&GOOD[..], more].concat()
}

/// `GOOD` with another value for a field, or without it.
fn with<'a>(name: &str, value: Option<&'a str>) -> Vec<Field<'a>> {
    let changed = GOOD.into_iter().filter_map(|(n, old)| match n == name {
        true => value.map(|value| (n, value)),
        false => Some((n, old)),
    });
    changed.collect()
}

/// What came back.
#[derive(Debug, PartialEq)]
enum Reply {
    /// The first byte of the answer's fields: an index of the static table, `0x88` for 200, `0x8c` for 400.
    Head(u8),
    Reset,
}

async fn ask(to: SocketAddr, head: &[Field<'_>], body: &[u8], trailers: &[Field<'_>]) -> Reply {
    let mut tcp = TcpStream::connect(to).await.unwrap();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(4, 0, 0, &[]));
    sent.extend(frame(HEADERS, END_HEADERS, 1, &fields(head)));
    sent.extend(frame(0, if trailers.is_empty() { END_STREAM } else { 0 }, 1, body));
    if !trailers.is_empty() {
        sent.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(trailers)));
    }
    tcp.write_all(&sent).await.unwrap();
    let reading = async {
        loop {
            let mut head = [0; 9];
            if tcp.read_exact(&mut head).await.is_err() {
                return Reply::Reset;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if tcp.read_exact(&mut payload).await.is_err() {
                return Reply::Reset;
            }
            match head[3] {
                HEADERS => return Reply::Head(payload[0]),
                RST_STREAM | GOAWAY => return Reply::Reset,
                _ => {}
            }
        }
    };
    soon(reading).await
}

type Row = (&'static str, Fate, Vec<Field<'static>>);

fn rows() -> Vec<Row> {
    let mut rows = vec![
        ("a good one", Served, and(&[])),
        ("its length", Served, and(&[("content-length", "19")])),
        ("te: trailers", Served, and(&[("te", "trailers")])),
        ("the same host", Served, and(&[("host", "x")])),
        ("a host alone", Served, [with(":authority", None), vec![("host", "x")]].concat()),
        ("a shorter length", Broken, and(&[("content-length", "5")])),
        ("a longer length", Broken, and(&[("content-length", "50")])),
    ];
    let refused: [(&str, &[Field<'_>]); 24] = [
        ("a length twice", &[("content-length", "19"), ("content-length", "19")]),
        ("two lengths", &[("content-length", "19"), ("content-length", "5")]),
        ("a list of lengths", &[("content-length", "19, 19")]),
        ("a length with a plus", &[("content-length", "+19")]),
        ("transfer-encoding", &[("transfer-encoding", "chunked")]),
        ("transfer_encoding", &[("transfer_encoding", "chunked")]),
        ("te: gzip", &[("te", "gzip")]),
        ("connection", &[("connection", "close")]),
        ("keep-alive", &[("keep-alive", "1")]),
        ("proxy-connection", &[("proxy-connection", "keep-alive")]),
        ("upgrade", &[("upgrade", "h2c")]),
        ("lines in a value", &[("a", "b\r\ntransfer-encoding: chunked")]),
        ("LF in a value", &[("a", "b\nc: d")]),
        ("NUL in a value", &[("a", "b\0c")]),
        ("lines in a name", &[("a\r\nb", "c")]),
        ("a colon in a name", &[("a:b", "c")]),
        ("a space in a name", &[("a b", "c")]),
        ("a capital in a name", &[("Abc", "c")]),
        ("no name", &[("", "c")]),
        ("another host", &[("host", "evil")]),
        ("two hosts", &[("host", "x"), ("host", "y")]),
        ("a pseudo-header behind", &[(":path", "/y")]),
        ("an unknown pseudo-header", &[(":x", "y")]),
        ("a status", &[(":status", "200")]),
    ];
    rows.extend(refused.map(|(name, more)| (name, Refused, and(more))));
    rows.extend(pseudo());
    for twice in [(":method", "GET"), (":path", "/y"), (":authority", "y"), (":scheme", "https")] {
        rows.push(("a pseudo-header twice", Refused, [&[twice][..], &GOOD].concat()));
    }
    rows
}

/// Pseudo-headers that are missing, or no part of a request.
fn pseudo() -> Vec<Row> {
    let rows: [(&'static str, &'static str, Option<&'static str>); 18] = [
        ("no path", ":path", None),
        ("an empty path", ":path", Some("")),
        ("a space in the path", ":path", Some("/a b")),
        ("lines in the path", ":path", Some("/a HTTP/1.1\r\nx: y")),
        ("a path without a slash", ":path", Some("v1")),
        ("an asterisk", ":path", Some("*")),
        ("a URL as the path", ":path", Some("http://evil/a")),
        ("no method", ":method", None),
        ("a request as the method", ":method", Some("GET /x HTTP/1.1\r\n\r\nGET")),
        ("a space in the method", ":method", Some("GET /x")),
        ("no scheme", ":scheme", None),
        ("a URL as the scheme", ":scheme", Some("http://x/ ")),
        ("nobody asked for", ":authority", None),
        ("a user in the authority", ":authority", Some("a@b")),
        ("a space in the authority", ":authority", Some("a b")),
        ("a path in the authority", ":authority", Some("a/b")),
        ("lines in the authority", ":authority", Some("a\r\nb: c")),
        ("TRACE", ":method", Some("TRACE")),
    ];
    rows.map(|(name, field, value)| (name, Refused, with(field, value))).to_vec()
}

async fn play(gateway: &Gateway, behind: &Recorder) {
    let mut wrong = String::new();
    for (name, fate, head) in rows() {
        behind.take();
        let trying = async {
            let reply = ask(gateway.addr, &head, BODY, &[]).await;
            gateway.wait_idle().await;
            let seen = behind.take();
            let whole = seen.iter().filter(|request| request.whole).count();
            match fate {
                Served => {
                    assert_eq!((&reply, whole, seen.len()), (&Reply::Head(0x88), 1, 1), "{seen:#?}");
                    let framings = |name| seen[0].all(name).len();
                    assert_eq!(framings("content-length") + framings("transfer-encoding"), 1, "{seen:#?}");
                    assert_eq!(
                        (seen[0].all("host").len(), seen[0].body.contains("row")),
                        (1, true),
                        "{seen:#?}"
                    );
                }
                Refused => assert!(reply != Reply::Head(0x88) && seen.is_empty(), "{reply:?} {seen:#?}"),
                // The shorter body is a whole one to the server behind, as long as nothing follows it there.
                Broken => {
                    assert!(reply != Reply::Head(0x88) && seen.len() <= 1, "{reply:?} {seen:#?}");
                }
            }
            let again =
                gateway.send(post_bytes("/v1/chat/completions", "{\"model\":\"one:next\"}").h2()).await;
            assert!(again.text().contains("next"), "the answer of another request: {}", again.text());
        };
        if let Err(said) = caught(trying).await {
            let _ = writeln!(wrong, "{name}: {said}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[tokio::test]
async fn on_the_way_to_an_upstream() {
    let behind = Recorder::start().await;
    let gateway = Gateway::builder("{}").args(&["--upstream", &behind.url()]).start().await;
    play(&gateway, &behind).await;
}

#[tokio::test]
async fn on_the_way_to_a_provider() {
    let behind = Recorder::start().await;
    let provider = custom("one", &format!("{}/v1", behind.url()), &["k"]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    play(&gateway, &behind).await;
}

/// Trailers are not headers, whatever they are called.
#[tokio::test]
async fn trailers_change_nothing() {
    let behind = Recorder::start().await;
    let gateway = Gateway::builder("{}").args(&["--upstream", &behind.url()]).start().await;
    for trailer in [("x-t", "1"), ("content-length", "5"), ("host", "evil"), ("authorization", "evil")] {
        behind.take();
        let reply = ask(gateway.addr, &and(&[]), BODY, &[trailer]).await;
        gateway.wait_idle().await;
        let seen = behind.take();
        assert!(seen.iter().all(|r| !r.head.contains("evil") && !r.head.contains("x-t")), "{seen:#?}");
        assert!(reply == Reply::Reset || seen.len() == 1, "{reply:?} {seen:#?}");
    }
}

/// RFC 9113 section 8.2.3: what comes in several fields is one line in HTTP/1, for rules too.
#[tokio::test]
async fn cookies_arrive_in_one_line() {
    let behind = Recorder::start().await;
    let gateway = Gateway::builder("{}").args(&["--upstream", &behind.url()]).start().await;
    ask(gateway.addr, &and(&[("cookie", "a=1"), ("cookie", "b=2")]), BODY, &[]).await;
    assert_eq!(behind.take()[0].all("cookie"), ["a=1; b=2"]);
}
