//! Decides whether an answer is one, holding back what has come until that is known.
//!
//! The commit point is the first content: before it every abnormal end is a failed attempt.

use super::cost::Used;
use crate::upstream::Reply;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use std::time::{Duration, Instant};
use tollgate_dialect::{
    Answer, AnswerContext, DecodeError, Echo, Frame, FrameKind, ServedBy, Splitter, StreamReader,
    StreamTranslator, Surface, Translated, UpstreamError, Usage, inspect_answer, limits,
    translate_answer_with, usage_of,
};
use tollgate_select::Fault;

/// Largest plain answer that is translated; it has to be whole for that.
const TRANSLATED_BYTES: usize = 32 << 20; // 32 MiB
/// Frames held back before the first content.
const HELD_FRAMES: usize = 64;
/// Bytes held back before the first content, and the size up to which a plain answer is held whole.
const HELD_BYTES: usize = 256 * 1024;
/// Bytes of an error body that are read; more closes the connection.
const ERROR_BODY: usize = 64 * 1024;
/// Bytes of an answer's header fields. Clients refuse longer heads: common ones beyond 16 to 100 KiB.
const HEADER_BYTES: usize = 64 * 1024;
/// Time to read an error body.
const ERROR_BODY_TIME: Duration = Duration::from_secs(1);

/// An answer worth sending to the client.
pub(super) struct Committed {
    pub(super) reply: Box<dyn Reply>,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) begun: Begun,
    /// From the start of the attempt to the head of its answer.
    pub(super) head_after: Duration,
    /// Time to connect; `None` where a connection was there already.
    pub(super) connected_in: Option<Duration>,
}

/// What has come of the answer so far.
pub(super) enum Begun {
    /// All of a plain answer.
    Whole { body: Bytes, usage: Option<Usage>, served_by: ServedBy, lost: Vec<String> },
    /// The beginning of a long plain answer.
    Part { body: Bytes },
    /// The beginning of a stream of events, up to its first content.
    Stream(Box<StreamBegun>),
    /// Not inspected: a redirect.
    Opaque,
}

/// A stream whose first content has come.
pub(super) struct StreamBegun {
    /// What goes to the client, in its own dialect.
    pub(super) held: Vec<Bytes>,
    /// Turns the provider's events into the client's.
    pub(super) translator: Option<Box<StreamTranslator>>,
    /// Figures we asked for and the client did not are kept from it.
    pub(super) hides_usage: bool,
    pub(super) splitter: Splitter,
    pub(super) reader: StreamReader,
    pub(super) content_frames: u64,
    /// What is held, without comments.
    held_frames: usize,
    held_bytes: usize,
    pub(super) ended: bool,
}

/// An attempt that failed, with what the provider said.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    /// The provider's HTTP answer, when there was one.
    pub(super) answer: Option<FailedAnswer>,
    pub(super) retry_after: Option<Duration>,
    pub(super) said: Option<UpstreamError>,
    /// The answer is in another dialect than the client's.
    pub(super) translated: bool,
}

impl Failed {
    /// Whether the gateway did not wait for the end.
    pub(super) fn given_up(&self) -> bool {
        matches!(self.fault, Fault::ContentTimeout | Fault::AttemptTimeout)
    }

    /// What the provider calls the request.
    pub(super) fn request_id(&self) -> Option<String> {
        limits::request_id(&self.answer.as_ref()?.headers)
    }
}

/// The HTTP answer of a failed attempt.
#[derive(Debug)]
pub(super) struct FailedAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, answer: None, retry_after: None, said: None, translated: false }
    }
}

/// What an attempt expects of the answer.
#[derive(Clone, Copy)]
pub(super) struct Expected<'e> {
    /// The operation on the provider's side.
    pub(super) surface: Surface,
    /// What translating the answer needs to know, when the client speaks another dialect.
    pub(super) translation: Option<(&'e AnswerContext<'e>, &'e Echo)>,
    /// Figures at the end of a stream are for us alone.
    pub(super) hides_usage: bool,
    /// When the attempt began, and when it has to be decided.
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    /// Takes the figures that come before the commit point.
    pub(super) used: &'e Used,
    pub(super) now: std::time::SystemTime,
}

/// Reads an answer up to its commit point, or to the reason why there is none.
pub(super) async fn receive(mut reply: Box<dyn Reply>, expected: &Expected<'_>) -> Result<Committed, Failed> {
    let Expected { started, deadline, now, .. } = *expected;
    let (head_after, connected_in) = (started.elapsed(), reply.connected_in());
    let (status, mut headers) = (reply.status(), reply.take_headers());
    expected.used.begun(&headers);
    let mut reply = super::event_stream::readable(reply, &mut headers);
    // Nobody asked for another protocol (101), and above 599 there is no meaning (RFC 9110, section 15).
    if status.is_informational() || status.as_u16() > 599 || too_long(&headers) {
        return Err(Fault::BadAnswer.into());
    }
    if status.is_client_error() || status.is_server_error() {
        let failed = failed_answer(reply, status, headers, now).await;
        expected.used.note(failed.answer.as_ref().and_then(|answer| usage_of(&answer.body)));
        return Err(Failed { translated: expected.translation.is_some(), ..failed });
    }
    let committed =
        |reply, headers, begun| Committed { reply, status, headers, begun, head_after, connected_in };
    // Every operation has content, and nobody asked whether something had changed.
    if matches!(status.as_u16(), 204 | 205 | 304) {
        return Err(Fault::BadAnswer.into());
    }
    if !status.is_success() {
        return Ok(committed(reply, headers, Begun::Opaque));
    }
    let clock = Deadline(deadline);
    let streams = is_event_stream(&headers);
    let begun = if streams {
        first_content(&mut *reply, expected, &clock).await
    } else {
        plain_answer(&mut *reply, expected, &clock).await
    };
    if expected.translation.is_some() {
        let kind = if streams { "text/event-stream" } else { "application/json" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    match begun {
        Ok(begun) => Ok(committed(reply, headers, begun)),
        Err(said) => {
            let (fault, said) = *said;
            let inside = said.as_ref().and_then(|said| said.retry_after);
            let retry_after = limits::retry_after(&headers, None, now).or(inside);
            Err(Failed { fault, answer: None, retry_after, said, translated: false })
        }
    }
}

/// Whether the header fields are longer than clients take.
fn too_long(headers: &HeaderMap) -> bool {
    let length: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    length > HEADER_BYTES
}

type NotAnAnswer = Box<(Fault, Option<UpstreamError>)>;

fn not_an_answer(fault: Fault) -> NotAnAnswer {
    Box::new((fault, None))
}

fn stream_error(error: UpstreamError) -> NotAnAnswer {
    Box::new((Fault::StreamError { status: error.status }, Some(error)))
}

struct Deadline(Instant);

impl Deadline {
    async fn chunk(&self, reply: &mut dyn Reply) -> Result<Option<Bytes>, NotAnAnswer> {
        let left = self.0.saturating_duration_since(Instant::now());
        // A timeout asks its work first: data that is always there would never be late.
        if left.is_zero() {
            return Err(not_an_answer(Fault::ContentTimeout));
        }
        match pingora_timeout::timeout(left, reply.chunk()).await {
            Ok(chunk) => chunk.map_err(not_an_answer),
            Err(_) => Err(not_an_answer(Fault::ContentTimeout)),
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("text/event-stream")
}

/// Holds a stream back until its first content.
async fn first_content(
    reply: &mut dyn Reply,
    expected: &Expected<'_>,
    clock: &Deadline,
) -> Result<Begun, NotAnAnswer> {
    let translator = expected
        .translation
        .map(|(context, echo)| StreamTranslator::new(expected.surface, context).with_echo(echo));
    let mut stream = StreamBegun {
        held: Vec::new(),
        translator: translator.map(Box::new),
        hides_usage: expected.hides_usage,
        splitter: Splitter::new(),
        reader: StreamReader::new(expected.surface),
        content_frames: 0,
        held_frames: 0,
        held_bytes: 0,
        ended: false,
    };
    loop {
        while let Some(frame) = stream.splitter.next() {
            let decided = stream.hold(&frame);
            expected.used.note(stream.reader.usage());
            if decided? || stream.held_frames >= HELD_FRAMES || stream.held_bytes >= HELD_BYTES {
                return Ok(Begun::Stream(Box::new(stream)));
            }
        }
        match clock.chunk(reply).await? {
            Some(chunk) => stream.splitter.feed(chunk),
            None => {
                if let Some(rest) = stream.splitter.finish() {
                    let held = stream.hold(&rest);
                    expected.used.note(stream.reader.usage());
                    held?;
                }
                stream.ended = true;
                // A stream may rightly end without content: a refusal, or all tokens spent on reasoning.
                let finished = stream.reader.finished();
                return if finished {
                    Ok(Begun::Stream(Box::new(stream)))
                } else {
                    Err(not_an_answer(Fault::Closed))
                };
            }
        }
    }
}

impl StreamBegun {
    /// Takes one frame in. `true` when it decides for the stream.
    fn hold(&mut self, frame: &Frame) -> Result<bool, NotAnAnswer> {
        if frame.overflow() {
            return Err(not_an_answer(Fault::BadAnswer));
        }
        let decided = match self.reader.read(frame) {
            FrameKind::Error(error) => return Err(stream_error(error)),
            FrameKind::Garbage => return Err(not_an_answer(Fault::BadAnswer)),
            FrameKind::Content => {
                self.content_frames += 1;
                true
            }
            // A provider that only says it lives has not begun to answer: comments do not add up to a commit, and
            // of many only the first are kept. The attempt's clock ends it.
            FrameKind::Comment => {
                if self.held.len() < HELD_FRAMES && self.held_bytes + frame.raw.len() < HELD_BYTES {
                    self.held.push(frame.raw.clone());
                    self.held_bytes += frame.raw.len();
                }
                return Ok(false);
            }
            kind if self.withholds(&kind, frame) => return Ok(false),
            FrameKind::Finish | FrameKind::Done => true,
            FrameKind::Preamble | FrameKind::Usage => false,
        };
        self.held_frames += 1;
        self.held_bytes += frame.raw.len();
        let shown = self.shown(frame).map_err(|_| not_an_answer(Fault::BadAnswer))?;
        self.held.push(shown);
        Ok(decided)
    }

    /// Whether a frame is not for the client: figures it did not ask for, or a closing mark its dialect does not have.
    pub(super) fn withholds(&self, kind: &FrameKind, frame: &Frame) -> bool {
        match kind {
            FrameKind::Usage => self.hides_usage && self.reader.is_usage_only(frame),
            FrameKind::Done => self.translator.is_none() && !self.reader.closes_with_done(),
            _ => false,
        }
    }

    /// A frame as the client gets it; empty when there is nothing to get yet.
    pub(super) fn shown(&mut self, frame: &Frame) -> Result<Bytes, DecodeError> {
        let Some(translator) = &mut self.translator else {
            let raw = &frame.raw;
            // Asked for figures, OpenAI's servers say on every other chunk that there are none yet.
            return Ok(if self.hides_usage { without_null_usage(raw) } else { raw.clone() });
        };
        let mut out = Vec::with_capacity(frame.raw.len() + 128);
        translator.frame(frame, &mut out)?;
        Ok(out.into())
    }

    /// What the translation could not carry so far.
    pub(super) fn lost(&self) -> &[String] {
        self.translator.as_ref().map_or(&[], |translator| translator.lost())
    }

    /// What the client's dialect has behind the last event.
    pub(super) fn closing(&mut self) -> Bytes {
        let mut out = Vec::new();
        if let Some(translator) = &mut self.translator {
            translator.finish(&mut out);
        }
        out.into()
    }
}

/// Holds a plain answer whole, up to a size, and sees that it is one.
async fn plain_answer(
    reply: &mut dyn Reply,
    expected: &Expected<'_>,
    clock: &Deadline,
) -> Result<Begun, NotAnAnswer> {
    let surface = expected.surface;
    let most = if expected.translation.is_some() { TRANSLATED_BYTES } else { HELD_BYTES };
    let mut only: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    loop {
        let Some(chunk) = clock.chunk(reply).await.map_err(|late| Box::new(whole_late(*late)))? else {
            break;
        };
        if only.is_none() && joined.is_empty() {
            only = Some(chunk);
        } else {
            if let Some(first) = only.take() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&chunk);
        }
        let length = only.as_ref().map_or(joined.len(), Bytes::len);
        if length > most && expected.translation.is_some() {
            return Err(not_an_answer(Fault::BadAnswer));
        }
        if length > most {
            let body = only.unwrap_or_else(|| joined.freeze());
            let starts_well = matches!(body.iter().find(|b| !b.is_ascii_whitespace()), Some(b'{' | b'['));
            return if starts_well { Ok(Begun::Part { body }) } else { Err(not_an_answer(Fault::BadAnswer)) };
        }
    }
    let body = only.unwrap_or_else(|| joined.freeze());
    match inspect_answer(surface, &body) {
        Answer::Good { usage, served_by } => match expected.translation {
            None => Ok(Begun::Whole { body, usage, served_by, lost: Vec::new() }),
            Some((context, echo)) => {
                expected.used.note(usage);
                let Translated { body, lost } = translate_answer_with(surface, &body, context, echo)
                    .map_err(|_| not_an_answer(Fault::BadAnswer))?;
                Ok(Begun::Whole { body: body.into(), usage, served_by, lost })
            }
        },
        Answer::Error(error) => {
            expected.used.note(usage_of(&body));
            Err(stream_error(error))
        }
        Answer::NotJson => Err(not_an_answer(Fault::BadAnswer)),
    }
}

/// A chunk without its `"usage":null`. Quotes inside texts are escaped, so these bytes are a member wherever they stand.
fn without_null_usage(raw: &Bytes) -> Bytes {
    const MEMBER: &[u8] = b",\"usage\":null";
    match memchr::memmem::find(raw, MEMBER)
        .and_then(|at| Some((raw.get(..at)?, raw.get(at + MEMBER.len()..)?)))
    {
        Some((before, after)) => [before, after].concat().into(),
        None => raw.clone(),
    }
}

/// A plain answer is late as a whole.
fn whole_late((fault, said): (Fault, Option<UpstreamError>)) -> (Fault, Option<UpstreamError>) {
    (if fault == Fault::ContentTimeout { Fault::AttemptTimeout } else { fault }, said)
}

/// Reads an error body within bounds, so that the connection can be used again.
async fn failed_answer(
    mut reply: Box<dyn Reply>,
    status: StatusCode,
    headers: HeaderMap,
    now: std::time::SystemTime,
) -> Failed {
    let mut body = BytesMut::new();
    let read = async {
        loop {
            match reply.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= ERROR_BODY => body.extend_from_slice(&chunk),
                Ok(None) => return true,
                _ => return false,
            }
        }
    };
    let whole = pingora_timeout::timeout(ERROR_BODY_TIME, read).await.unwrap_or(false);
    if whole {
        reply.done().await;
    }
    let body = body.freeze();
    Failed {
        fault: Fault::Status(status.as_u16()),
        retry_after: limits::retry_after(&headers, Some(&body), now),
        said: Some(tollgate_dialect::inspect_error(&body)),
        answer: Some(FailedAnswer { status, headers, body }),
        translated: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const ROLE: &str =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";

    /// Answers with its parts, or for ever with the last one.
    struct Scripted {
        status: u16,
        parts: VecDeque<&'static str>,
        for_ever: bool,
    }

    #[async_trait::async_trait]
    impl Reply for Scripted {
        fn status(&self) -> StatusCode {
            StatusCode::from_u16(self.status).expect("a status")
        }
        fn take_headers(&mut self) -> HeaderMap {
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))])
        }
        async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
            let part = if self.for_ever { self.parts.front().copied() } else { self.parts.pop_front() };
            Ok(part.map(|part| Bytes::from_static(part.as_bytes())))
        }
        async fn done(self: Box<Self>) {}
    }

    async fn received(
        status: u16,
        parts: impl Iterator<Item = &'static str>,
        for_ever: bool,
    ) -> Result<usize, Fault> {
        let reply = Box::new(Scripted { status, parts: parts.collect(), for_ever });
        let (now, time) = (Instant::now(), Duration::from_millis(50));
        let expected = Expected {
            surface: Surface::ChatCompletions,
            translation: None,
            hides_usage: false,
            started: now,
            deadline: now + time,
            used: &Used::default(),
            now: std::time::SystemTime::UNIX_EPOCH,
        };
        let answer = receive(reply, &expected).await;
        match answer.map_err(|failed| failed.fault)?.begun {
            Begun::Stream(stream) => Ok(stream.held.len()),
            _ => Ok(0),
        }
    }

    #[tokio::test]
    async fn a_status_that_is_no_answer_is_a_failure() {
        for status in [101, 204, 205, 304, 600, 999] {
            assert_eq!(received(status, [].into_iter(), false).await, Err(Fault::BadAnswer), "{status}");
        }
        assert_eq!(received(307, [].into_iter(), false).await, Ok(0));
    }

    #[tokio::test]
    async fn comments_do_not_add_up_to_a_commit() {
        let comments = || std::iter::repeat_n(": ping\n\n", 1000);
        let error = "data: {\"error\":{\"message\":\"busy\",\"code\":503}}\n\n";
        let failed = received(200, comments().chain([error]), false).await;
        assert_eq!(failed, Err(Fault::StreamError { status: Some(503) }));
        let content = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";
        assert_eq!(received(200, comments().chain([content]), false).await, Ok(HELD_FRAMES + 1));
        let committed = received(200, std::iter::repeat_n(ROLE, 1000).chain([error]), false).await;
        assert_eq!(committed, Ok(HELD_FRAMES), "preamble is bounded by committing");
    }

    #[tokio::test]
    async fn an_endless_fast_stream_without_content_is_late() {
        assert_eq!(received(200, [": ping\n\n"].into_iter(), true).await, Err(Fault::ContentTimeout));
    }
}
