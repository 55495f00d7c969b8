//! What the frames of a streamed answer mean: for the decision to commit, and for the outcome.

mod chat;
mod converse;
mod gemini;
mod messages;
#[cfg(test)]
pub(crate) mod recordings;
mod responses;
#[cfg(test)]
mod tests;

pub(crate) use chat::Choice;

use crate::{Frame, ServedBy, Surface, UpstreamError, Usage, inspect_error};

/// What one frame of a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Comments or blank lines: a sign of life, no content.
    Comment,
    /// Comes before content or beside it: a role, `message_start`, `response.created`, a ping, an empty delta.
    Preamble,
    /// Something a client would show or act on. From here on nothing fails over.
    Content,
    /// The answer is complete: a finish reason, `message_stop`, `response.completed`, `response.incomplete`.
    Finish,
    /// `[DONE]`.
    Done,
    /// The provider failed, whatever the status of the answer was.
    Error(UpstreamError),
    /// Figures only.
    Usage,
    /// Data that is no JSON object.
    Garbage,
}

/// Follows a stream, frame by frame.
#[derive(Clone, Debug)]
pub struct StreamReader {
    surface: Surface,
    usage: Option<Usage>,
    finished: bool,
    id: Option<Box<str>>,
    /// `None` before the first event with data.
    served_by: Option<ServedBy>,
}

impl StreamReader {
    /// For an answer to a request of this surface.
    #[must_use]
    pub fn new(surface: Surface) -> Self {
        Self { surface, usage: None, finished: false, id: None, served_by: None }
    }

    /// Says what a frame is and keeps its figures.
    pub fn read(&mut self, frame: &Frame) -> FrameKind {
        if frame.overflow() {
            return FrameKind::Content;
        }
        if frame.comment_only() {
            return FrameKind::Comment;
        }
        let data = frame.data();
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.finished |= self.closes_with_done();
            return FrameKind::Done;
        }
        if frame.event() == Some("error") {
            return FrameKind::Error(inspect_error(data));
        }
        if data.is_empty() {
            return FrameKind::Preamble;
        }
        if self.served_by.is_none() {
            self.served_by = Some(crate::answer::served_by(data));
        }
        if self.surface == Surface::Responses && self.id.is_none() {
            self.id = responses::answer_id(data);
        }
        let seen = match self.surface {
            // A list would be read as the members of an object in turn.
            _ if data.first() != Some(&b'{') => None,
            Surface::Messages | Surface::CountTokens => messages::read(frame.event(), data),
            Surface::Responses => responses::read(frame.event(), data),
            Surface::ChatCompletions | Surface::Completions | Surface::Embeddings => chat::read(data),
            Surface::GenerateContent => gemini::read(data),
            Surface::Converse => converse::read(frame.event(), data),
        };
        let seen = seen.unwrap_or_else(|| Seen::unreadable(data));
        if let Some(usage) = seen.usage {
            self.usage.get_or_insert_default().merge_max(&usage);
        }
        self.finished |= seen.finished;
        seen.kind
    }

    /// The largest figures reported so far; `None` if there were none.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The id under which the provider stores the answer: Responses only.
    #[must_use]
    pub fn answer_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Who the first event says the answer comes from.
    #[must_use]
    pub fn served_by(&self) -> Option<&ServedBy> {
        self.served_by.as_ref()
    }

    /// Whether the answer has come to its proper end: a stream that closes before was cut off.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// Whether streams of this dialect end with `[DONE]`. OpenRouter ends its Messages with it too, where it says
    /// nothing: `message_stop` is the end.
    #[must_use]
    pub fn closes_with_done(&self) -> bool {
        !matches!(self.surface, Surface::Messages | Surface::CountTokens)
    }

    /// Whether a frame carries usage and nothing a client that did not ask for it would miss.
    ///
    /// True only for OpenAI's own form, an empty `choices` beside a `usage` object.
    #[must_use]
    pub fn is_usage_only(&self, frame: &Frame) -> bool {
        matches!(self.surface, Surface::ChatCompletions | Surface::Completions)
            && frame.data().starts_with(b"{")
            && chat::is_usage_only(&frame.data())
    }
}

/// What one frame holds.
struct Seen {
    kind: FrameKind,
    usage: Option<Usage>,
    finished: bool,
}

impl Seen {
    fn new(kind: FrameKind, usage: Option<Usage>) -> Self {
        let finished = kind == FrameKind::Finish;
        Self { kind, usage, finished }
    }

    /// A frame that could not be read: JSON of an unforeseen shape is passed on, anything else is an error.
    fn unreadable(data: &[u8]) -> Self {
        let object = data.first() == Some(&b'{');
        let json = object && serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok();
        Self::new(if json { FrameKind::Content } else { FrameKind::Garbage }, None)
    }
}
