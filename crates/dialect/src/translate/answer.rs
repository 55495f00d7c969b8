//! An answer in no dialect, whole and in pieces.

use super::request::{Part, Text};
use super::state::State;
use crate::Usage;

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer<'a> {
    /// The provider's id of it; empty when it has none.
    pub(crate) id: Text<'a>,
    /// The model that answered, as the provider names it.
    pub(crate) model: Text<'a>,
    /// When, in seconds since 1970.
    pub(crate) created: Option<u64>,
    /// One, unless several were asked for.
    pub(crate) choices: Vec<Choice<'a>>,
    pub(crate) usage: Option<Usage>,
    /// What reading it left out: paths in the provider's answer that no dialect here knows.
    pub(crate) lost: Vec<String>,
}

/// One of the answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice<'a> {
    pub(crate) parts: Vec<Part<'a>>,
    pub(crate) stop: Option<Stop<'a>>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop<'a> {
    /// It was complete.
    End,
    /// The limit of output tokens, or the context, was reached.
    Length,
    /// A text of `stop` was written; which, where the dialect says it.
    Sequence(Option<Text<'a>>),
    /// Tools are to be called.
    ToolCalls,
    /// A filter of the provider cut it, with the provider's word for it.
    Filtered(Option<Text<'a>>),
    /// The model refused.
    Refusal,
    /// The provider paused a long turn (`pause_turn`): the client is to send it back.
    Pause,
    /// Something else, in the provider's words.
    Other(Text<'a>),
}

impl Part<'_> {
    /// How it is named as lost when an encoder has no form for it.
    pub(crate) fn streamed(&self, choice: u32) -> String {
        let kind = match self {
            Part::Text(_) => "text",
            Part::Image(_) => "image",
            Part::Document(_) => "document",
            Part::Audio(_) => "audio",
            Part::Video(_) => "video",
            Part::ToolCall(_) => "tool call",
            Part::ToolResult(_) => "tool result",
            Part::Reasoning(_) => "reasoning",
            Part::Refusal(_) => "refusal",
        };
        format!("choices[{choice}] ({kind})")
    }
}

/// A piece of a streamed answer, in the order in which a decoder gives them:
/// `Start`, then for each choice its pieces and a `Stop`, `Usage` whenever figures come, `End` last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event<'a> {
    /// Once, before all else.
    Start { id: Text<'a>, model: Text<'a>, created: Option<u64> },
    /// Text of the answer.
    Text { choice: u32, delta: Text<'a> },
    /// Text of a refusal.
    Refusal { choice: u32, delta: Text<'a> },
    /// Thoughts. `item` counts the blocks of thought of a choice from 0, so that several are kept apart.
    Reasoning { choice: u32, item: u32, delta: Text<'a>, summary: bool },
    /// The state of a block of thought: a signature comes behind its text, encrypted thoughts come alone.
    ReasoningState { choice: u32, item: u32, state: State<'a>, id: Option<Text<'a>> },
    /// A call begins. `call` counts the calls of a choice from 0.
    ToolStart { choice: u32, call: u32, id: Text<'a>, name: Text<'a>, state: Option<State<'a>> },
    /// A piece of its arguments, as JSON text.
    ToolArguments { choice: u32, call: u32, delta: Text<'a> },
    /// No more pieces of this call will come.
    ToolEnd { choice: u32, call: u32 },
    /// A whole part that comes in one piece: a picture, sound.
    Whole { choice: u32, part: Part<'a> },
    /// Why a choice ended. At most once for each.
    Stop { choice: u32, reason: Stop<'a> },
    /// Figures; running totals, to be merged by [`Usage::merge_max`].
    Usage(Usage),
    /// Something the answer had that no dialect here knows, by its path: reported as lost.
    Lost(String),
    /// The answer is complete.
    End,
}
