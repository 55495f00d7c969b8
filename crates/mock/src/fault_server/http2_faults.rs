//! Good answers over HTTP/2, and what becomes of them.

use super::wire_frames::{self as wire, CONTINUATION, DATA, HEADERS, PING, PUSH_PROMISE};
use super::{Good, Step};
use bytes::Bytes;
use std::time::Duration;

/// A pause that makes the reader see two parts.
const BEAT: Duration = Duration::from_millis(15);

/// What goes wrong with an answer over HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the names say it; what they do is below, and in the list of docs/reliability.md"
)]
pub enum Http2Fault {
    // Nothing goes wrong, or nothing that a reader may mind.
    None,
    LateHead,
    Informational,
    GracefulGoAway,
    ResetNoErrorAfterwards,
    SettingsChange,
    Trailers,
    UnknownFrames,
    Pings,
    ManySmallFrames,
    // Without an answer.
    GoAwayBefore,
    GoAwayError,
    ResetBefore(u32),
    CutBefore,
    ConnectionResetBefore,
    StallBefore,
    StallWindow,
    // In the head.
    CutInHead,
    EndlessContinuation,
    BadHead,
    PushPromise,
    BadSettings,
    // In the body.
    StallBeforeContent,
    EndsBeforeContent,
    GoAwayMid,
    ResetMid(u32),
    CutMid,
    CutInFrame,
    StallMid,
    BeyondWindow,
    DataOnIdleStream,
    LengthTooShort,
    LengthTooLong,
    PingFlood,
    Status(u16),
}

/// What a server does to answer the request of a stream so.
#[must_use]
pub fn http2_steps(fault: Http2Fault, good: &Good, dice: u64, stream: u32) -> Vec<Step> {
    use Http2Fault as F;
    let made = Made { good, dice, stream };
    match fault {
        F::StallBefore | F::StallWindow => vec![Step::Hold],
        F::LateHead => [vec![Step::Wait(Duration::from_millis(200 + dice % 200))], made.whole()].concat(),
        F::GoAwayBefore => vec![send(wire::go_away(0, 0)), Step::Wait(BEAT), Step::Cut],
        F::GoAwayError => vec![send(wire::go_away(0, 1)), Step::Wait(BEAT), Step::Cut],
        F::ResetBefore(code) => vec![send(wire::reset(stream, code))],
        F::CutBefore => vec![Step::Cut],
        F::ConnectionResetBefore => vec![Step::Reset],
        F::Status(status) => {
            let body = r#"{"type":"error","error":{"message":"No, said the provider","type":"some_error","code":null}}"#;
            let head =
                wire::head(stream, &status.to_string(), &[("content-type", "application/json")], false);
            vec![send([head, wire::data(stream, body.as_bytes(), true)].concat())]
        }
        F::None
        | F::Informational
        | F::GracefulGoAway
        | F::ResetNoErrorAfterwards
        | F::SettingsChange
        | F::Trailers
        | F::UnknownFrames
        | F::Pings
        | F::ManySmallFrames => made.harmless(fault),
        F::CutInHead
        | F::EndlessContinuation
        | F::BadHead
        | F::PushPromise
        | F::BadSettings
        | F::PingFlood => made.head_fault(fault),
        _ => made.broken(fault),
    }
}

struct Made<'g> {
    good: &'g Good,
    dice: u64,
    stream: u32,
}

fn send(bytes: impl Into<Bytes>) -> Step {
    Step::Send(bytes.into())
}

impl Made<'_> {
    fn head(&self) -> Vec<u8> {
        self.head_with(&[])
    }

    fn head_with(&self, more: &[(&str, &str)]) -> Vec<u8> {
        let fields = [&[("content-type", self.good.kind)], more].concat();
        wire::head(self.stream, "200", &fields, false)
    }

    fn body(&self) -> Vec<u8> {
        self.good.parts.concat()
    }

    fn data(&self, bytes: &[u8], end: bool) -> Vec<u8> {
        wire::data(self.stream, bytes, end)
    }

    fn whole(&self) -> Vec<Step> {
        let (head, body) = (self.head(), self.data(&self.body(), true));
        if self.dice.is_multiple_of(2) {
            return vec![send([head, body].concat())];
        }
        vec![send(head), Step::Wait(BEAT), send(body)]
    }

    /// The body up to somewhere behind its first content: of a plain answer a half.
    fn begun(&self) -> Vec<u8> {
        let Good { content, parts, stream, .. } = self.good;
        if !stream {
            return self.body().get(..self.body().len() / 2).unwrap_or_default().to_vec();
        }
        let inner = content.len().saturating_sub(1).max(1);
        let end = content.start + 1 + usize::try_from(self.dice).unwrap_or(0) % inner;
        parts.get(..end).unwrap_or(parts).concat()
    }

    fn harmless(&self, fault: Http2Fault) -> Vec<Step> {
        use Http2Fault as F;
        let (head, body) = (self.head(), self.data(&self.body(), true));
        let before = match fault {
            F::Informational => {
                let hint = wire::head(self.stream, "103", &[("link", "</x>")], false);
                [wire::head(self.stream, "100", &[], false), hint].concat()
            }
            F::GracefulGoAway => wire::go_away(self.stream, 0),
            // Larger windows, another table size, larger frames.
            F::SettingsChange => wire::settings(&[(4, 100_000), (1, 0), (5, 32_768), (1, 4096)]),
            F::UnknownFrames => {
                [wire::frame(0xfa, 0xff, self.stream, b"grease"), wire::frame(0x0b, 0, 0, &[])].concat()
            }
            F::Pings => wire::frame(PING, 0, 0, &[7; 8]).repeat(20),
            _ => Vec::new(),
        };
        match fault {
            F::ResetNoErrorAfterwards => {
                vec![send([head, body].concat()), Step::Wait(BEAT), send(wire::reset(self.stream, 0))]
            }
            F::Trailers => {
                let flags = wire::END_HEADERS | wire::END_STREAM;
                let trailers = wire::frame(HEADERS, flags, self.stream, &wire::block(&[("x-end", "1")]));
                vec![send([head, self.data(&self.body(), false), trailers].concat())]
            }
            F::ManySmallFrames => {
                let all = self.body();
                let frames: Vec<u8> = all.chunks(97).flat_map(|part| self.data(part, false)).collect();
                vec![send([head, frames, self.data(&[], true)].concat())]
            }
            F::GracefulGoAway => vec![send([before, head, body].concat()), Step::Wait(BEAT), Step::Close],
            _ => vec![send([before, head, body].concat())],
        }
    }

    fn head_fault(&self, fault: Http2Fault) -> Vec<Step> {
        use Http2Fault as F;
        let block = wire::block(&[(":status", "200"), ("content-type", self.good.kind)]);
        match fault {
            F::CutInHead => {
                let head = self.head();
                vec![send(head.get(..head.len() / 2).unwrap_or_default().to_vec()), Step::Cut]
            }
            F::EndlessContinuation => {
                let more =
                    wire::frame(CONTINUATION, 0, self.stream, &wire::block(&[("x-more", &"y".repeat(4000))]));
                vec![
                    send(wire::frame(HEADERS, 0, self.stream, &block)),
                    Step::Repeat(more.into(), Duration::ZERO),
                ]
            }
            // No status, and an upper-case name.
            F::BadHead => {
                let bad = wire::block(&[("X-Bad", "1")]);
                vec![
                    send(wire::frame(HEADERS, wire::END_HEADERS, self.stream, &bad)),
                    send(self.data(&self.body(), true)),
                ]
            }
            F::PushPromise => {
                let pushed =
                    [&2u32.to_be_bytes()[..], &wire::block(&[(":method", "GET"), (":path", "/")])].concat();
                vec![
                    send(wire::frame(PUSH_PROMISE, wire::END_HEADERS, self.stream, &pushed)),
                    send(self.head()),
                    Step::Hold,
                ]
            }
            F::BadSettings => vec![send(wire::settings(&[(5, 1)])), Step::Hold],
            _ => vec![Step::Repeat(
                wire::frame(PING, 0, 0, &[9; 8]).repeat(500).into(),
                Duration::from_millis(1),
            )],
        }
    }

    fn broken(&self, fault: Http2Fault) -> Vec<Step> {
        use Http2Fault as F;
        let start = self.good.parts.get(..self.good.content.start).unwrap_or_default().concat();
        let begun = [self.head(), self.data(&self.begun(), false)].concat();
        match fault {
            F::StallBeforeContent => vec![send(self.head()), send(self.data(&start, false)), Step::Hold],
            F::EndsBeforeContent => vec![send(self.head()), send(self.data(&start, true))],
            F::GoAwayMid => {
                vec![
                    send(begun),
                    Step::Wait(BEAT),
                    send(wire::go_away(self.stream, 2)),
                    Step::Wait(BEAT),
                    Step::Cut,
                ]
            }
            F::ResetMid(code) => vec![send(begun), Step::Wait(BEAT), send(wire::reset(self.stream, code))],
            F::CutMid => vec![send(begun), Step::Cut],
            F::CutInFrame => {
                let rest = self.data(&[b'x'; 400], false);
                vec![send(begun), send(rest.get(..100).unwrap_or_default().to_vec()), Step::Cut]
            }
            F::BeyondWindow => {
                // Nearly 10 MiB at once: more than the windows that clients give, unless they read as fast.
                let flood = wire::frame(DATA, 0, self.stream, &[b' '; wire::MAX_FRAME]);
                vec![send(begun), Step::Wait(BEAT), send(flood.repeat(600)), Step::Hold]
            }
            F::DataOnIdleStream => {
                vec![
                    send(begun),
                    Step::Wait(BEAT),
                    send(wire::data(self.stream + 1000, b"x", false)),
                    Step::Hold,
                ]
            }
            F::LengthTooShort => {
                let head = self.head_with(&[("content-length", "5")]);
                vec![send([head, self.data(&self.body(), true)].concat())]
            }
            F::LengthTooLong => {
                let length = (self.body().len() + 100).to_string();
                let head = self.head_with(&[("content-length", &length)]);
                vec![send([head, self.data(&self.body(), true)].concat())]
            }
            _ => vec![send(begun), Step::Hold],
        }
    }
}
