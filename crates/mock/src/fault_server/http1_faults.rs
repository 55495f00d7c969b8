//! Good answers over HTTP/1.1, and what becomes of them.

use super::{Good, Step};
use bytes::Bytes;
use std::time::Duration;

/// A pause that makes the reader see two parts.
const BEAT: Duration = Duration::from_millis(15);
/// What is never to be seen by anybody: bytes that belong to no answer.
const STRAY: &str = "STRAY-BYTES";

/// What goes wrong with an answer over HTTP/1.1. `Plain` answers are one JSON object; where a stream breaks is said for
/// each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the names say it; what they do is below, and in the list of docs/reliability.md"
)]
pub enum Http1Fault {
    // Nothing goes wrong, or nothing that a reader may mind.
    None,
    LateHead,
    TrickleHead,
    TrickleBody,
    Informational,
    LineEnds,
    SplitText,
    ClosesAfterwards,
    ClosesWhenReused,
    ResetsWhenReused,
    StrayBytesBehind,
    StrayAnswerBehind,
    LengthAndChunks,
    OddChunks,
    // Without an answer.
    CloseBeforeHead,
    ResetBeforeHead,
    StallBeforeHead,
    RefusesEarly,
    // In the head.
    CutInHead,
    ResetInHead,
    StallInHead,
    EndlessHead,
    EndlessInformational,
    NoColon,
    NulInHeader,
    GiantHeader,
    SwitchingProtocols,
    OldHttp,
    WrongVersion,
    Garbage,
    TwoLengths,
    NegativeLength,
    // In the body, before its content.
    CutBeforeContent,
    ResetBeforeContent,
    StallBeforeContent,
    CutInFirstContent,
    CommentsThenCut,
    CommentsForEver,
    EmptyBody,
    Page,
    ErrorObject,
    ErrorLater,
    HalfGzip,
    LongLineFirst,
    // In the body, after its first content. A plain answer breaks in its middle.
    CutMid,
    CutInFrame,
    CutInChunkSize,
    ResetMid,
    StallMid,
    TrickleForEver,
    LengthTooLong,
    LengthTooShort,
    NoFinalChunk,
    BadChunkSize,
    HugeChunkSize,
    NegativeChunkSize,
    ShortChunk,
    EndsEarly,
    NoDone,
    DataAfterDone,
    LongLine,
    // Answers that are none of 2xx with a body.
    Status(u16),
    StatusPage(u16),
    StatusStalls(u16),
    StatusLong(u16),
    Redirect,
    NoContent,
    NotModified,
}

/// What a server does to answer so. `dice` varies lengths and places; `again`: this request came before, on a connection
/// that was closed.
#[must_use]
pub fn http1_steps(fault: Http1Fault, good: &Good, dice: u64, reused: bool) -> Vec<Step> {
    use Http1Fault as F;
    let made = Made { good, dice };
    match fault {
        F::None => made.whole(),
        F::LateHead => [vec![Step::Wait(Duration::from_millis(200 + dice % 200))], made.whole()].concat(),
        F::ClosesWhenReused if reused => vec![Step::Cut],
        F::ResetsWhenReused if reused => vec![Step::Reset],
        F::ClosesWhenReused | F::ResetsWhenReused => made.whole(),
        F::CloseBeforeHead => vec![Step::Cut],
        F::ResetBeforeHead => vec![Step::Reset],
        F::StallBeforeHead => vec![Step::Hold],
        F::Status(status) => made.status(status),
        F::StatusPage(status) => made.refusal(status, "text/html", "<html><body>no</body></html>"),
        F::StatusStalls(status) => {
            let head = format!("HTTP/1.1 {status} No\r\ncontent-length: 900\r\n\r\n{{\"error\"");
            vec![send(head), Step::Hold]
        }
        F::StatusLong(status) => made.refusal(status, "application/json", &"x".repeat(100_000)),
        F::RefusesEarly => [made.status(413), vec![Step::Cut]].concat(),
        F::TrickleHead | F::Informational | F::LineEnds | F::SplitText | F::TrickleBody | F::OddChunks => {
            made.harmless(fault)
        }
        F::ClosesAfterwards | F::StrayBytesBehind | F::StrayAnswerBehind | F::LengthAndChunks => {
            made.behind(fault)
        }
        F::CutInHead
        | F::ResetInHead
        | F::StallInHead
        | F::EndlessHead
        | F::EndlessInformational
        | F::NoColon
        | F::NulInHeader
        | F::GiantHeader
        | F::SwitchingProtocols
        | F::OldHttp
        | F::WrongVersion
        | F::Garbage
        | F::TwoLengths
        | F::NegativeLength
        | F::Redirect
        | F::NoContent
        | F::NotModified => made.head_fault(fault),
        F::CommentsThenCut
        | F::CommentsForEver
        | F::EmptyBody
        | F::Page
        | F::ErrorObject
        | F::HalfGzip
        | F::LongLineFirst
        | F::LongLine => made.other_body(fault),
        F::LengthTooLong | F::LengthTooShort | F::NoFinalChunk | F::BadChunkSize | F::HugeChunkSize => {
            made.framing(fault)
        }
        F::NegativeChunkSize | F::ShortChunk | F::CutInChunkSize => made.framing(fault),
        _ => made.broken(fault),
    }
}

struct Made<'g> {
    good: &'g Good,
    dice: u64,
}

fn send(bytes: impl Into<Bytes>) -> Step {
    Step::Send(bytes.into())
}

/// One chunk (RFC 9112, section 7.1).
fn chunk(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return Vec::new();
    }
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Made<'_> {
    fn head(&self, framing: &str) -> String {
        let kind = self.good.kind;
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-request-id: up-{:x}\r\n{framing}\r\n",
            self.dice
        )
    }

    fn chunked(&self) -> String {
        self.head("transfer-encoding: chunked\r\n")
    }

    fn body(&self) -> Vec<u8> {
        self.good.parts.concat()
    }

    fn sized(&self) -> String {
        self.head(&format!("content-length: {}\r\n", self.body().len()))
    }

    /// The parts up to `end`, each as a chunk.
    fn chunks_to(&self, end: usize) -> Vec<u8> {
        let parts = self.good.parts.get(..end).unwrap_or(&self.good.parts);
        parts.iter().flat_map(|part| chunk(part)).collect()
    }

    /// A place behind some content: the number of parts before it.
    fn mid(&self) -> usize {
        let content = &self.good.content;
        let inner = content.len().saturating_sub(1).max(1);
        content.start + 1 + usize::try_from(self.dice).unwrap_or(0) % inner
    }

    fn whole(&self) -> Vec<Step> {
        if !self.good.stream && self.dice.is_multiple_of(2) {
            return vec![send([self.sized().into_bytes(), self.body()].concat())];
        }
        let all = self.chunks_to(usize::MAX);
        if self.dice.is_multiple_of(3) {
            return vec![send([self.chunked().into_bytes(), all, LAST_CHUNK.to_vec()].concat())];
        }
        let mut steps = vec![send(self.chunked())];
        let first = self.chunks_to(self.good.content.start);
        let rest = all.get(first.len()..).unwrap_or_default().to_vec();
        steps.extend([send(first), Step::Wait(BEAT), send(rest), send(LAST_CHUNK)]);
        steps
    }

    fn harmless(&self, fault: Http1Fault) -> Vec<Step> {
        let all = [self.chunks_to(usize::MAX), LAST_CHUNK.to_vec()].concat();
        let tick = Duration::from_millis(3);
        match fault {
            Http1Fault::TrickleHead => vec![Step::Trickle(self.chunked().into(), 8, tick), send(all)],
            Http1Fault::TrickleBody => {
                let each = all.len() / 60 + 1;
                vec![send(self.chunked()), Step::Trickle(all.into(), each, tick)]
            }
            Http1Fault::Informational => {
                let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nx-a: b\r\n\r\n";
                let more = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
                [vec![send(hints), Step::Wait(BEAT), send(more)], self.whole()].concat()
            }
            // Ends of lines in all three ways, but CR only where no LF follows.
            Http1Fault::LineEnds if self.good.stream => {
                let ends = ["\r\n", "\n", "\r"];
                let pick = |at: usize| ends.get((at + 1) % 3).copied().unwrap_or("\n");
                let other = |(at, part): (usize, &Bytes)| {
                    let end = pick(at);
                    let text = String::from_utf8_lossy(part).replace('\n', end);
                    let next = if end == "\r" { ":\n" } else { "" };
                    chunk(format!("{text}{next}").as_bytes())
                };
                let body: Vec<u8> = self.good.parts.iter().enumerate().flat_map(other).collect();
                vec![send(self.chunked()), send(body), send(LAST_CHUNK)]
            }
            // Sizes with extensions, leading zeros and capitals (RFC 9112, section 7.1).
            Http1Fault::OddChunks => {
                let odd = |part: &Bytes| {
                    [format!("000{:X};a=\"b\"\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()
                };
                let body: Vec<u8> = self.good.parts.iter().flat_map(odd).collect();
                vec![send(self.chunked()), send(body), send("00;z\r\nx-trailer: 1\r\n\r\n")]
            }
            // Each byte that is no ASCII begins a new packet.
            _ => {
                let mut steps = vec![send(self.chunked())];
                let body = self.body();
                let mut rest = body.as_slice();
                let mut cuts = 0;
                while let Some(at) = rest.iter().skip(1).position(|b| *b >= 0x80).filter(|_| cuts < 12) {
                    steps.extend([send(chunk(rest.get(..=at).unwrap_or_default())), Step::Wait(tick)]);
                    rest = rest.get(at + 1..).unwrap_or_default();
                    cuts += 1;
                }
                steps.extend([send(chunk(rest)), send(LAST_CHUNK)]);
                steps
            }
        }
    }

    fn behind(&self, fault: Http1Fault) -> Vec<Step> {
        let answer = [self.sized().into_bytes(), self.body()].concat();
        match fault {
            Http1Fault::ClosesAfterwards => vec![send(answer), Step::Cut],
            Http1Fault::StrayBytesBehind => vec![send([&answer, STRAY.as_bytes()].concat())],
            Http1Fault::StrayAnswerBehind => {
                let stray = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{{\"{STRAY}\":1}}",
                    STRAY.len() + 6
                );
                vec![send([&answer, stray.as_bytes()].concat())]
            }
            _ => {
                let head = self.head("content-length: 7\r\ntransfer-encoding: chunked\r\n");
                vec![send([head.as_bytes(), &self.chunks_to(usize::MAX), LAST_CHUNK].concat())]
            }
        }
    }

    fn head_fault(&self, fault: Http1Fault) -> Vec<Step> {
        use Http1Fault as F;
        let head = self.sized();
        let cut = head
            .get(..5 + usize::try_from(self.dice).unwrap_or(0) % (head.len() - 8))
            .unwrap_or("HTTP/1.1 2");
        let with = |line: &str| {
            let head = self.head(&format!("{line}content-length: {}\r\n", self.body().len()));
            vec![send([head.into_bytes(), self.body()].concat()), Step::Wait(BEAT), Step::Cut]
        };
        match fault {
            F::CutInHead => vec![send(cut.to_owned()), Step::Cut],
            F::ResetInHead => vec![send(cut.to_owned()), Step::Wait(BEAT), Step::Reset],
            F::StallInHead => vec![send(cut.to_owned()), Step::Hold],
            F::EndlessHead => {
                let lines = format!("x-more: {}\r\n", "y".repeat(1000));
                vec![send("HTTP/1.1 200 OK\r\n"), Step::Repeat(lines.into(), Duration::ZERO)]
            }
            F::EndlessInformational => {
                let tick = Duration::from_millis(1);
                vec![Step::Repeat("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".into(), tick)]
            }
            F::NoColon => with("this line has no colon\r\n"),
            F::NulInHeader => with("x-nul: a\0b\r\n"),
            F::GiantHeader => with(&format!("x-giant: {}\r\n", "z".repeat(300_000))),
            F::SwitchingProtocols => {
                vec![
                    send(
                        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
                    ),
                    Step::Hold,
                ]
            }
            F::OldHttp => vec![send(self.body()), Step::Cut],
            F::WrongVersion => {
                vec![send(head.replacen("HTTP/1.1", "HTTP/7.3", 1)), send(self.body()), Step::Cut]
            }
            F::TwoLengths => with("content-length: 3\r\n"),
            F::NegativeLength => {
                vec![
                    send(self.head("content-length: -5\r\n")),
                    send(self.body()),
                    Step::Wait(BEAT),
                    Step::Cut,
                ]
            }
            F::Redirect => {
                vec![send("HTTP/1.1 307 Temporary Redirect\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n")]
            }
            // With a body all the same, which is none (RFC 9110, section 15.3.5): stray bytes on the connection.
            F::NoContent => vec![send(format!("HTTP/1.1 204 No Content\r\n\r\n{STRAY}"))],
            F::NotModified => vec![send(format!("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n{STRAY}"))],
            _ => {
                vec![send(vec![0xff, 0, 0x16, 3, 1, b'\r', b'\n', 7, b'\r', b'\n', b'\r', b'\n']), Step::Cut]
            }
        }
    }

    fn other_body(&self, fault: Http1Fault) -> Vec<Step> {
        use Http1Fault as F;
        let ping = Bytes::from_static(b": still here\n\n");
        match fault {
            F::CommentsThenCut => {
                let pings = chunk(&ping.repeat(200));
                vec![send(self.chunked()), send(pings), send(LAST_CHUNK)]
            }
            F::CommentsForEver => {
                vec![send(self.chunked()), Step::Repeat(chunk(&ping).into(), Duration::from_millis(20))]
            }
            F::EmptyBody => vec![send(self.head("content-length: 0\r\n"))],
            F::Page => self.replaced(b"<html><body>It works!</body></html>"),
            F::ErrorObject => {
                let error =
                    r#"{"error":{"message":"The engine is overloaded","type":"server_error","code":503}}"#;
                self.replaced(
                    if self.good.stream { format!("data: {error}\n\n") } else { error.into() }.as_bytes(),
                )
            }
            F::HalfGzip => {
                let head = self.head("content-encoding: gzip\r\ntransfer-encoding: chunked\r\n");
                let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56, 0x4a];
                vec![send([head.as_bytes(), &chunk(&gzip), LAST_CHUNK].concat())]
            }
            // Longer than any event may be: 4 MiB.
            _ => {
                let at = if fault == F::LongLine { self.mid() } else { self.good.content.start };
                let long = format!(": {}\n\n", "l".repeat(5 << 20));
                let rest =
                    self.chunks_to(usize::MAX).get(self.chunks_to(at).len()..).unwrap_or_default().to_vec();
                vec![
                    send(self.chunked()),
                    send(self.chunks_to(at)),
                    send(chunk(long.as_bytes())),
                    send(rest),
                    send(LAST_CHUNK),
                ]
            }
        }
    }

    fn framing(&self, fault: Http1Fault) -> Vec<Step> {
        use Http1Fault as F;
        let body = self.body();
        let half = if self.good.stream {
            self.good.parts.get(..self.mid()).map_or(0, |p| p.concat().len())
        } else {
            body.len() / 2
        };
        let (before, after) = body.split_at(half.min(body.len()));
        let broken = |size: &str| {
            let bytes = [&chunk(before), size.as_bytes(), b"\r\n", after, b"\r\n", LAST_CHUNK].concat();
            vec![send(self.chunked()), send(bytes), Step::Hold]
        };
        match fault {
            F::LengthTooLong => {
                let head = self.head(&format!("content-length: {}\r\n", body.len() + 100));
                vec![send([head.as_bytes(), &body].concat()), Step::Cut]
            }
            F::LengthTooShort => {
                let head = self.head(&format!("content-length: {half}\r\n"));
                vec![send([head.as_bytes(), &body].concat())]
            }
            F::NoFinalChunk => vec![send(self.chunked()), send(self.chunks_to(usize::MAX)), Step::Cut],
            F::BadChunkSize => broken("zz"),
            F::HugeChunkSize => broken("ffffffffffffffffff1"),
            F::NegativeChunkSize => broken("-5"),
            F::ShortChunk => broken(&format!("{:x}", (after.len() / 2).max(1))),
            _ => vec![send(self.chunked()), send(chunk(before)), send("1"), Step::Wait(BEAT), Step::Cut],
        }
    }

    /// Answers that end, stall or are spoilt somewhere.
    fn broken(&self, fault: Http1Fault) -> Vec<Step> {
        use Http1Fault as F;
        let Good { content, stream, .. } = self.good;
        let half = self.body().get(..self.body().len() / 2).unwrap_or_default().to_vec();
        let upto = |parts: usize| if *stream { self.chunks_to(parts) } else { chunk(&half) };
        let part_of = |at: usize| {
            let part = self.good.parts.get(at).cloned().unwrap_or_default();
            let some =
                if *stream { part.get(..part.len() / 2).unwrap_or_default().to_vec() } else { half.clone() };
            [if *stream { self.chunks_to(at) } else { Vec::new() }, chunk(&some)].concat()
        };
        let (bytes, then) = match fault {
            F::CutBeforeContent => (upto(content.start), vec![Step::Cut]),
            F::ResetBeforeContent => (upto(content.start), vec![Step::Wait(BEAT), Step::Reset]),
            F::StallBeforeContent => (upto(content.start), vec![Step::Hold]),
            F::CutInFirstContent => (part_of(content.start), vec![Step::Cut]),
            F::CutMid => (upto(self.mid()), vec![Step::Cut]),
            F::CutInFrame => (part_of(self.mid()), vec![Step::Cut]),
            F::ResetMid => (upto(self.mid()), vec![Step::Wait(BEAT), Step::Reset]),
            F::StallMid => (upto(self.mid()), vec![Step::Hold]),
            F::TrickleForEver => {
                let drip = if *stream { ": drip\n\n".into() } else { " ".repeat(8) };
                (
                    upto(content.start),
                    vec![Step::Repeat(chunk(drip.as_bytes()).into(), Duration::from_millis(20))],
                )
            }
            F::EndsEarly => (upto(self.mid()), vec![send(LAST_CHUNK)]),
            F::NoDone => {
                let most = if *stream { self.good.parts.len() - 1 } else { 1 };
                (self.chunks_to(most), vec![send(LAST_CHUNK)])
            }
            F::DataAfterDone => {
                let more = if *stream { chunk(b"data: {\"late\":true}\n\n") } else { Vec::new() };
                let all = if *stream { upto(usize::MAX) } else { chunk(&self.body()) };
                (all, vec![send([&more, LAST_CHUNK].concat())])
            }
            // An error of the provider's in the middle of a stream.
            _ => {
                let error = "data: {\"error\":{\"message\":\"The engine broke\",\"type\":\"server_error\",\"code\":500}}\n\n";
                (upto(self.mid()), vec![send([&chunk(error.as_bytes()), LAST_CHUNK].concat())])
            }
        };
        [vec![send(self.chunked()), send(bytes)], then].concat()
    }

    fn replaced(&self, body: &[u8]) -> Vec<Step> {
        let kind = if body.starts_with(b"<") { "text/html" } else { self.good.kind };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        vec![send([head.as_bytes(), body].concat())]
    }

    fn status(&self, status: u16) -> Vec<Step> {
        let body = format!(
            r#"{{"type":"error","error":{{"message":"No, said the provider ({:x})","type":"some_error","code":null}}}}"#,
            self.dice
        );
        self.refusal(status, "application/json", &body)
    }

    fn refusal(&self, status: u16, kind: &str, body: &str) -> Vec<Step> {
        let head =
            format!("HTTP/1.1 {status} No\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        vec![send([head.as_bytes(), body.as_bytes()].concat())]
    }
}
