//! Sends a committed answer on to the client: every event as it comes.
//!
//! From here on nothing fails over. A stream that breaks off ends with an error in the client's dialect and without
//! its closing mark, so that no client takes a part for the whole.

use super::account;
use super::listed::{Listed, wants_array};
use super::receive::{Begun, Committed, StreamBegun};
use crate::action::RequestCx;
use crate::answer::Answer;
use crate::client::{Client, ClientGone, Over, STOPPING};
use crate::exchange::Ending;
use crate::phase;
use crate::proxy::headers as ours;
use crate::response::{Changing, ResponseBody, Settled, changed};
use crate::upstream::Reply;
use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_dialect::{
    Answer as Inspected, FrameKind, GatewayError, ServedBy, Surface, Usage, headers as wire, inspect_answer,
    render_stream_error,
};
use tollgate_expr::ResponseFacts;
use tollgate_observe::Durations;

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// A plain answer up to this size is kept to read its usage at the end.
const INSPECTED_BYTES: usize = 4 << 20; // 4 MiB

/// How the relaying ended.
#[derive(Debug, Default)]
pub(super) struct Relayed {
    pub(super) usage: Option<Usage>,
    /// Frames with content, as an estimate of tokens where usage is not reported.
    pub(super) content_frames: u64,
    /// When the first content was sent.
    pub(super) first_content: Option<Instant>,
    pub(super) ending: Ending,
    /// It broke off, and the client was told so in a message that is whole.
    pub(super) told: bool,
    pub(super) stream: bool,
    /// What the translation of a stream could not carry, from its beginning to its end.
    pub(super) lost: Vec<String>,
    /// Times from one event with content to the next.
    pub(super) between: Durations,
    /// How the answer began.
    pub(super) began: Option<Began>,
    /// A frame was too long to be read; from there on the stream passes unread.
    overflowed: bool,
    /// When the last event with content came.
    last_content: Option<Instant>,
    /// What was sent last does not end an event.
    open: bool,
}

/// What is known of an answer from its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began {
    pub(super) status: StatusCode,
    /// From the start of the attempt.
    pub(super) head_after: Duration,
    pub(super) connected_in: Option<Duration>,
}

impl Relayed {
    /// Content has come: a stall of a stream is a long time between two of these.
    fn content(&mut self, at: Instant) {
        if let Some(last) = self.last_content.replace(at).filter(|last| at > *last) {
            self.between.observe(at - last);
        }
    }
}

/// Sends the head and the body of an answer.
pub(super) async fn relay(
    cx: &mut RequestCx<'_>,
    committed: Box<Committed>,
    surface: Surface,
    idle: Duration,
) -> Relayed {
    let Committed { mut reply, status, headers, begun, head_after, connected_in } = *committed;
    let began = Some(Began { status, head_after, connected_in });
    cx.exchange.watches.answered(status);
    let stream = matches!(begun, Begun::Stream(_));
    let array = stream && wants_array(surface, cx.exchange.request.uri.query());
    let mut facts = ResponseFacts { status, headers: head(headers, stream, array) };
    let mut body = body_of(&begun, &mut *reply, idle);
    let replaced = phase::run_response(cx.engine, cx.exchange, &mut facts, &mut body, cx.upstream).await;
    if let Some(answer) = replaced {
        drop(reply);
        return Relayed { began, ..replace(cx, answer).await };
    }
    let Settled { whole, begun: read, original, mut changes } = body.settled();
    ours::stamp(&mut facts.headers, cx.exchange, cx.engine);
    let id = Arc::clone(&cx.exchange.request.id);
    let begun = match whole {
        Some(body) => Begun::Whole {
            usage: usage_of(surface, &begun, original.as_deref()),
            body: changed(&mut std::mem::take(&mut changes), cx.exchange, body, true),
            served_by: ServedBy::default(),
            lost: Vec::new(),
        },
        None => begun,
    };
    let mut changing;
    let client: &mut dyn Client = if changes.is_empty() {
        &mut *cx.client
    } else {
        changing = Changing { client: &mut *cx.client, exchange: &mut *cx.exchange, changes };
        &mut changing
    };
    let mut to = To {
        client,
        reply,
        idle,
        surface,
        list: array.then(Listed::default),
        relayed: Relayed { stream, began, ..Relayed::default() },
        arrived: Instant::now(),
    };
    let sent = to.all(facts, begun, read, &id).await;
    let To { reply, mut relayed, .. } = to;
    match sent {
        Err(ClientGone) => relayed.ending = Ending::ClientGone, // dropping the reply cancels it upstream
        Ok(()) if relayed.ending == Ending::Complete => reply.done().await,
        Ok(()) => {}
    }
    relayed
}

/// The body of an answer, for the rules of the response phase.
fn body_of<'a>(begun: &Begun, reply: &'a mut dyn Reply, idle: Duration) -> ResponseBody<'a> {
    match begun {
        Begun::Whole { body, .. } => ResponseBody::whole(body.clone()),
        Begun::Part { body } => ResponseBody::open(body.clone(), reply, idle),
        Begun::Opaque => ResponseBody::open(Bytes::new(), reply, idle),
        Begun::Stream(_) => ResponseBody::passing(),
    }
}

/// The headers of an answer, before the rules of the response phase. `array`: the client wants a stream as one.
fn head(mut headers: HeaderMap, stream: bool, array: bool) -> HeaderMap {
    clean(&mut headers);
    if stream {
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    }
    if array {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers
}

/// The figures of an answer that is all here; `original` when it was read for an action.
fn usage_of(surface: Surface, begun: &Begun, original: Option<&[u8]>) -> Option<Usage> {
    match (begun, original.map(|body| inspect_answer(surface, body))) {
        (Begun::Whole { usage, .. }, _) => *usage,
        (_, Some(Inspected::Good { usage, .. })) => usage,
        _ => None,
    }
}

/// The headers of a provider that go on to the client.
pub(super) fn clean(headers: &mut HeaderMap) {
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|name| withheld(headers, name.as_str())).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
    headers.remove(CONTENT_LENGTH);
    ours::unstamp(headers);
}

/// Whether a header ends here: of the connection, by its own name or by what `Connection` names, of an
/// origin, or of the gateway.
fn withheld(headers: &HeaderMap, name: &str) -> bool {
    wire::is_withheld(name) || wire::is_origin_scoped(name) || wire::is_named_by_connection(headers, name)
}

/// A rule of the response phase answers instead.
async fn replace(cx: &mut RequestCx<'_>, answer: Answer) -> Relayed {
    let mut headers = answer.headers;
    ours::stamp(&mut headers, cx.exchange, cx.engine);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    let end = answer.body.is_empty();
    let mut sent = cx.client.head(answer.status, headers, end).await;
    if sent.is_ok() && !end {
        sent = cx.client.chunk(answer.body, true).await;
    }
    let ending = if sent.is_err() { Ending::ClientGone } else { Ending::Complete };
    Relayed { ending, ..Relayed::default() }
}

struct To<'a> {
    client: &'a mut dyn Client,
    reply: Box<dyn Reply>,
    idle: Duration,
    surface: Surface,
    /// The client wants its stream as an array.
    list: Option<Listed>,
    relayed: Relayed,
    /// When the last part of a stream came.
    arrived: Instant,
}

/// What came next from the provider.
enum Next {
    Chunk(Bytes),
    End,
    Failed(&'static str),
}

impl To<'_> {
    /// The whole answer; `read` is what was read of one that is not all here.
    async fn all(
        &mut self,
        facts: ResponseFacts,
        begun: Begun,
        read: Bytes,
        id: &str,
    ) -> Result<(), ClientGone> {
        match begun {
            Begun::Whole { body, usage, .. } => self.whole(facts, body, usage).await,
            Begun::Part { .. } => self.part(facts, read).await,
            Begun::Stream(mut begun) => {
                let sent = self.stream(facts, &mut begun, id).await;
                self.relayed.lost = begun.lost().to_vec();
                sent
            }
            Begun::Opaque => self.opaque(facts, read).await,
        }
    }

    async fn whole(
        &mut self,
        mut facts: ResponseFacts,
        body: Bytes,
        usage: Option<Usage>,
    ) -> Result<(), ClientGone> {
        self.relayed.usage = usage;
        self.relayed.first_content = Some(Instant::now());
        facts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        self.client.head(facts.status, facts.headers, body.is_empty()).await?;
        if body.is_empty() { Ok(()) } else { self.client.chunk(body, true).await }
    }

    /// A long plain answer: sent as it comes, and read for its usage when it is not too long.
    async fn part(&mut self, facts: ResponseFacts, body: Bytes) -> Result<(), ClientGone> {
        self.relayed.first_content = Some(Instant::now());
        let mut seen = BytesMut::from(&body[..]);
        // Of a longer one only the last byte tells whether it is all there.
        let (mut cut_short, mut ends_json) = (false, false);
        self.client.head(facts.status, facts.headers, false).await?;
        self.client.chunk(body, false).await?;
        loop {
            match self.next().await? {
                Next::Chunk(chunk) => {
                    cut_short |= seen.len() + chunk.len() > INSPECTED_BYTES;
                    if !cut_short {
                        seen.extend_from_slice(&chunk);
                    }
                    ends_json = last_of(&chunk).map_or(ends_json, |last| matches!(last, b'}' | b']'));
                    self.client.chunk(chunk, false).await?;
                }
                Next::End => {
                    match inspect_answer(self.surface, &seen) {
                        Inspected::Good { usage, .. } => self.relayed.usage = usage,
                        // It ended in order, but in the middle: as if its connection had been cut.
                        Inspected::NotJson if !cut_short || !ends_json => {
                            self.relayed.ending = Ending::Truncated;
                            return Ok(());
                        }
                        _ => {}
                    }
                    return self.client.chunk(Bytes::new(), true).await;
                }
                Next::Failed(_) => {
                    // The head promised success: all that is left is to break the framing.
                    self.relayed.ending = Ending::Truncated;
                    return Ok(());
                }
            }
        }
    }

    async fn opaque(&mut self, facts: ResponseFacts, begun: Bytes) -> Result<(), ClientGone> {
        self.client.head(facts.status, facts.headers, false).await?;
        self.send(begun).await?;
        loop {
            match self.next().await? {
                Next::Chunk(chunk) => self.client.chunk(chunk, false).await?,
                Next::End => return self.client.chunk(Bytes::new(), true).await,
                Next::Failed(_) => {
                    self.relayed.ending = Ending::Truncated;
                    return Ok(());
                }
            }
        }
    }

    async fn stream(
        &mut self,
        facts: ResponseFacts,
        begun: &mut StreamBegun,
        id: &str,
    ) -> Result<(), ClientGone> {
        self.relayed.content_frames = begun.content_frames;
        self.arrived = Instant::now();
        (self.relayed.first_content, self.relayed.last_content) = (Some(self.arrived), Some(self.arrived));
        self.relayed.usage = begun.reader.usage();
        self.client.head(facts.status, facts.headers, false).await?;
        let held = std::mem::take(&mut begun.held);
        self.send(join(held)).await?;
        loop {
            if let Some(failure) = self.frames(begun).await? {
                let ours = !failure.is_empty();
                return self.fail(&failure, id, ours).await;
            }
            if begun.ended {
                return self.end_of_stream(begun, id).await;
            }
            match self.next().await? {
                Next::Chunk(chunk) => {
                    self.arrived = Instant::now();
                    begun.splitter.feed(chunk);
                }
                Next::End => begun.ended = true,
                Next::Failed(why) => {
                    // The answer was complete; only its connection was not closed, or not properly.
                    if begun.reader.finished() {
                        return self.end_of_stream(begun, id).await;
                    }
                    return match self.rest(begun).await? {
                        Some(failure) => self.fail(&failure, id, !failure.is_empty()).await,
                        None => self.fail(why, id, true).await,
                    };
                }
            }
        }
    }

    /// Sends every whole frame that has come. `Some` when the stream cannot go on: with the reason, or with an empty
    /// text when the provider's own error has been sent as it is.
    async fn frames(&mut self, begun: &mut StreamBegun) -> Result<Option<String>, ClientGone> {
        let mut ready = Vec::new();
        let mut failed = None;
        let before = self.relayed.content_frames;
        while let Some(frame) = begun.splitter.next() {
            self.relayed.overflowed |= frame.overflow();
            let kind = if frame.overflow() { FrameKind::Comment } else { begun.reader.read(&frame) };
            let translates = begun.translator.is_some();
            match kind {
                FrameKind::Content => self.relayed.content_frames += 1,
                kind if begun.withholds(&kind, &frame) => continue,
                FrameKind::Error(said) if translates => {
                    failed = Some(said.message);
                    break;
                }
                FrameKind::Error(_) => {
                    ready.push(account::left_out_of_event(&frame));
                    failed = Some(String::new());
                    break;
                }
                _ => {}
            }
            if (translates || self.list.is_some()) && frame.overflow() {
                failed = Some("an event of the provider is too long to be translated".to_owned());
                break;
            }
            match begun.shown(&frame) {
                Ok(shown) => ready.push(shown),
                Err(error) => failed = Some(format!("an event of the provider makes no sense: {error}")),
            }
            if failed.is_some() {
                break;
            }
        }
        if self.relayed.content_frames > before {
            self.relayed.content(self.arrived);
        }
        // Here and not only at the end: what was used counts as well when the client leaves or the answer breaks off.
        self.relayed.usage = begun.reader.usage();
        self.send(join(ready)).await?;
        Ok(failed)
    }

    /// Sends the last frame, when no blank line ended it. `Some` as with [`Self::frames`].
    async fn rest(&mut self, begun: &mut StreamBegun) -> Result<Option<String>, ClientGone> {
        let Some(rest) = begun.splitter.finish() else { return Ok(None) };
        let (shown, failed) = match begun.reader.read(&rest) {
            FrameKind::Error(said) if begun.translator.is_some() => (Bytes::new(), Some(said.message)),
            FrameKind::Error(_) => {
                // Without its blank line a client takes no notice of it.
                let event = account::left_out_of_event(&rest);
                (join(vec![event, Bytes::from_static(b"\n\n")]), Some(String::new()))
            }
            kind if begun.withholds(&kind, &rest) => (Bytes::new(), None),
            // The beginning of an event is of no use to anybody.
            FrameKind::Garbage => (Bytes::new(), None),
            _ => (begun.shown(&rest).unwrap_or_default(), None),
        };
        self.relayed.usage = begun.reader.usage();
        self.send(shown).await?;
        Ok(failed)
    }

    async fn end_of_stream(&mut self, begun: &mut StreamBegun, id: &str) -> Result<(), ClientGone> {
        if let Some(failure) = self.rest(begun).await? {
            return self.fail(&failure, id, !failure.is_empty()).await;
        }
        if begun.reader.finished() || self.relayed.overflowed {
            let closing = begun.closing();
            self.send(closing).await?;
            self.client.chunk(self.last(), true).await
        } else {
            self.fail("the provider ended the stream before the answer was complete", id, true).await
        }
    }

    /// Ends a stream that cannot go on. `why` is empty when the provider has said it itself.
    async fn fail(&mut self, why: &str, id: &str, ours: bool) -> Result<(), ClientGone> {
        self.relayed.ending = Ending::Truncated;
        if ours {
            let error = GatewayError {
                code: 3800,
                status: StatusCode::BAD_GATEWAY,
                message: format!("The answer broke off: {why}"),
                request_id: id.to_owned(),
                ..GatewayError::default()
            };
            if self.relayed.open && self.list.is_none() {
                // Behind the part of an event it would be read as more of that.
                self.send(Bytes::from_static(b"\n\n")).await?;
            }
            self.send(render_stream_error(self.surface, &error)).await?;
        }
        self.client.chunk(self.last(), true).await?;
        self.relayed.told = true;
        Ok(())
    }

    /// What stands behind the last event.
    fn last(&self) -> Bytes {
        self.list.as_ref().map_or_else(Bytes::new, Listed::end)
    }

    async fn send(&mut self, data: Bytes) -> Result<(), ClientGone> {
        if !data.is_empty() {
            self.relayed.open = !ends_event(&data);
        }
        let data = match &mut self.list {
            Some(list) => list.elements(&data),
            None => data,
        };
        if data.is_empty() { Ok(()) } else { self.client.chunk(data, false).await }
    }

    /// Waits for the provider, for its silence to become too long, or for the client to leave.
    async fn next(&mut self) -> Result<Next, ClientGone> {
        let Self { client, reply, idle, .. } = self;
        tokio::select! {
            biased;
            chunk = pingora_timeout::timeout(*idle, reply.chunk()) => Ok(match chunk {
                Err(_) => Next::Failed("the provider stopped sending"),
                Ok(Ok(Some(chunk))) => Next::Chunk(chunk),
                Ok(Ok(None)) => Next::End,
                Ok(Err(_)) => Next::Failed("the provider closed the connection in the middle of the answer"),
            }),
            over = client.gone() => match over {
                Over::ClientGone => Err(ClientGone),
                Over::Stopping => Ok(Next::Failed(STOPPING)),
            },
        }
    }
}

/// Whether the last line of these bytes is blank.
fn ends_event(data: &[u8]) -> bool {
    let before =
        data.strip_suffix(b"\r\n").or_else(|| data.strip_suffix(b"\n")).or_else(|| data.strip_suffix(b"\r"));
    before.is_some_and(|before| before.is_empty() || before.ends_with(b"\n") || before.ends_with(b"\r"))
}

/// The last byte that is no blank.
fn last_of(data: &[u8]) -> Option<u8> {
    data.iter().rev().find(|byte| !byte.is_ascii_whitespace()).copied()
}

/// One write for frames that came together; a single one is not copied.
fn join(mut frames: Vec<Bytes>) -> Bytes {
    frames.retain(|frame| !frame.is_empty());
    if frames.len() <= 1 {
        return frames.pop().unwrap_or_default();
    }
    let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    for frame in &frames {
        joined.extend_from_slice(frame);
    }
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_with_a_blank_line_in_any_of_three_ways() {
        for whole in ["data: x\n\n", "data: x\r\n\r\n", "data: x\r\r", "data: x\n\r\n", "\n"] {
            assert!(ends_event(whole.as_bytes()), "{whole:?}");
        }
        for open in ["", "data: x", "data: x\n", "data: x\r\n", "data: x\r"] {
            assert!(!ends_event(open.as_bytes()), "{open:?}");
        }
    }

    #[test]
    fn a_provider_says_nothing_about_the_connection_or_the_gateway() {
        let lines = [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("x-tollgate-model", "forged"),
            ("ngrok-error-code", "ERR_NGROK_1"),
            ("set-cookie", "a=b"),
            ("alt-svc", "h3=\":443\""),
            ("x-request-id", "kept"),
        ];
        let value = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut headers: HeaderMap = lines.map(value).into_iter().collect();
        clean(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-request-id"]);
    }
}
