//! What a script does to a good answer: delays, and everything that can go wrong.

use crate::answer::{Content, Reply};
use crate::body::Step;
use crate::handle::trickle;
use crate::request::Facts;
use crate::script::{Behaviour, Fault, Length};
use bytes::Bytes;
use std::fmt::Write as _;
use std::time::Duration;

/// How an answer goes out.
pub(crate) enum Ending {
    /// Through HTTP: the body's steps, and its `content-length`.
    Steps(Vec<Step>, Option<u64>),
    /// Past HTTP.
    Raw(Bytes),
}

const PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// Turns the reply into what is sent. Changes status and headers where the fault is one of them.
pub(crate) fn apply(reply: &mut Reply, behaviour: &Behaviour, facts: &Facts) -> Ending {
    match behaviour.fault {
        Some(Fault::Html) => {
            reply.status = behaviour.status.unwrap_or(502);
            reply.set("content-type", "text/html");
            reply.content = Content::Whole(Bytes::from_static(PAGE.as_bytes()));
        }
        Some(Fault::Garbage) => {
            let text: &'static str = if facts.stream { "data: {\"id\": oops\n\n" } else { "{\"id\": oops" };
            reply.content = Content::Whole(Bytes::from_static(text.as_bytes()));
        }
        Some(Fault::EmptyBody) => reply.content = Content::Whole(Bytes::new()),
        Some(Fault::HeadersHuge(bytes)) => huge_headers(reply, bytes),
        Some(Fault::GarbageHead) => {
            return Ending::Raw(Bytes::from_static(b"ICY 200 this is not HTTP\r\n\r\n"));
        }
        Some(Fault::WrongContentLength(length)) => return wrong_length(reply, behaviour, length),
        _ => {}
    }
    let (steps, length) = match &reply.content {
        Content::Whole(body) => {
            let length =
                Some(body.len() as u64).filter(|_| !matches!(behaviour.fault, Some(Fault::EndlessLine)));
            (whole(body, behaviour), length)
        }
        Content::Events(events) => (streamed(events, behaviour), None),
    };
    match behaviour.trickle {
        Some(t) => Ending::Steps(trickle(steps, t.bytes, Duration::from_millis(t.every_ms)), length),
        None => Ending::Steps(steps, length),
    }
}

fn whole(body: &Bytes, behaviour: &Behaviour) -> Vec<Step> {
    let half = body.slice(..body.len() / 2);
    let mut steps = wait(behaviour.first_content_delay_ms);
    match behaviour.fault {
        Some(Fault::StallAfterHead) => return vec![Step::Stall],
        Some(Fault::StallMidStream(_)) => steps.extend([Step::Send(half), Step::Stall]),
        Some(Fault::CutAfterChunks(_)) => steps.extend([Step::Send(half), Step::Cut]),
        Some(Fault::ResetAfterChunks(_)) => steps.extend([Step::Send(half), Step::Reset]),
        Some(Fault::EndlessLine) => steps.extend([Step::Send(half), endless()]),
        _ if body.is_empty() => {}
        _ => steps.push(Step::Send(body.clone())),
    }
    steps
}

fn streamed(events: &[crate::answer::Event], behaviour: &Behaviour) -> Vec<Step> {
    // Content events that still go out, and what follows them.
    let (mut left, then) = match behaviour.fault {
        Some(Fault::StallAfterHead) => return vec![Step::Stall],
        Some(Fault::StallMidStream(n)) => (n, Some(Step::Stall)),
        Some(Fault::CutAfterChunks(n)) => (n, Some(Step::Cut)),
        Some(Fault::ResetAfterChunks(n)) => (n, Some(Step::Reset)),
        Some(Fault::EndlessLine) => (1, Some(endless())),
        _ => (usize::MAX, None),
    };
    let mut steps = Vec::new();
    let mut first = true;
    for event in events {
        if event.content {
            if left == 0 {
                break;
            }
            left -= 1;
            let delay = if first { behaviour.first_content_delay_ms } else { behaviour.chunk_delay_ms };
            steps.extend(wait(delay));
            first = false;
        } else if left == 0 && !first {
            // What follows the last content that goes out is no longer part of the answer.
            break;
        }
        steps.push(Step::Send(event.text.clone()));
    }
    if behaviour.fault == Some(Fault::EndlessLine) {
        steps.push(Step::Send(Bytes::from_static(b"data: ")));
    }
    steps.extend(then);
    steps
}

fn wait(ms: u64) -> Vec<Step> {
    if ms == 0 { Vec::new() } else { vec![Step::Wait(Duration::from_millis(ms))] }
}

/// 16 KiB at a time, without a line end; the connection's back-pressure sets the pace.
fn endless() -> Step {
    Step::Endless(Bytes::from(vec![b'x'; 16 * 1024]))
}

fn huge_headers(reply: &mut Reply, bytes: usize) {
    // 1000 bytes a header, name and separators included: below every limit on a single one.
    let mut left = bytes;
    let mut number = 0;
    while left > 0 {
        let name = format!("x-filler-{number}");
        let value = left.min(1000).saturating_sub(name.len() + 4).max(1);
        reply.set(&name, &"f".repeat(value));
        left = left.saturating_sub(1000);
        number += 1;
    }
}

fn wrong_length(reply: &Reply, behaviour: &Behaviour, length: Length) -> Ending {
    let body = match &reply.content {
        Content::Whole(body) => body.to_vec(),
        Content::Events(events) => events.iter().flat_map(|e| e.text.to_vec()).collect(),
    };
    let claimed = match length {
        Length::Longer => body.len() + 100,
        Length::Shorter => body.len().saturating_sub(10),
    };
    let mut head = format!("HTTP/1.1 {} OK\r\n", reply.status);
    for (name, value) in &reply.headers {
        if !behaviour.headers.contains_key(name) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    for (name, value) in &behaviour.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "content-length: {claimed}\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&body);
    Ending::Raw(Bytes::from(bytes))
}
