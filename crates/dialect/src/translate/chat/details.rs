//! `reasoning_details`: thoughts with their state, in OpenRouter's form
//! (`openrouter.ai/docs/use-cases/reasoning-tokens`).

use super::super::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::request::{Json, Text, Thought};
use super::super::state::{State, StateKind};
use super::super::writer::Writer;
use super::{leftovers, lose};
use crate::Surface;
use std::borrow::Cow;

/// State of this dialect: which format it has (`anthropic-claude-v1`, ...) has to come back with it, so it stands in
/// front of the data, with a comma between. Wrapped state of other dialects has its own.
pub(super) fn state<'a>(kind: StateKind, format: &str, data: Text<'a>) -> State<'a> {
    let mut state = State::found(Surface::ChatCompletions, kind, data);
    if state.surface == Surface::ChatCompletions && state.provider.is_none() {
        state.data = Cow::Owned(format!("{format},{}", state.data));
    }
    state
}

/// Format and data of a state that [`state`] made.
pub(super) fn unpacked<'s>(state: &'s State<'_>) -> (&'s str, &'s str) {
    state.data.split_once(',').unwrap_or(("", &state.data))
}

/// The format that tells a client who can read a state of another dialect.
pub(super) fn format_of(surface: Surface) -> &'static str {
    match surface {
        Surface::Messages | Surface::Converse => "anthropic-claude-v1",
        Surface::Responses => "openai-responses-v1",
        Surface::GenerateContent => "google-gemini-v1",
        _ => "unknown",
    }
}

/// One detail, taken apart.
pub(super) struct Piece<'a> {
    pub(super) text: Text<'a>,
    pub(super) summary: bool,
    pub(super) state: Option<State<'a>>,
    pub(super) id: Option<Text<'a>>,
    pub(super) index: Option<u64>,
}

/// Reads the details of a message. Neighbours of one index are one thought: clients keep streamed pieces as they came.
pub(super) fn read<'a>(
    details: Vec<Json<'a>>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Vec<Thought<'a>>, DecodeError> {
    let mut thoughts: Vec<Thought<'a>> = Vec::new();
    let mut last = None;
    for (at, value) in details.into_iter().enumerate() {
        let Some(piece) = piece(value, &path.index(at), lost)? else { continue };
        let same = piece.index.is_some() && piece.index == last;
        last = piece.index;
        match thoughts.last_mut() {
            Some(thought) if same && continues(thought, &piece) => {
                if !piece.text.is_empty() {
                    thought.summary = piece.summary;
                    thought.text.to_mut().push_str(&piece.text);
                }
                thought.state = piece.state;
                thought.id = thought.id.take().or(piece.id);
            }
            _ => {
                let Piece { text, summary, state, id, .. } = piece;
                thoughts.push(Thought { text, summary, state, id });
            }
        }
    }
    Ok(thoughts)
}

fn continues(thought: &Thought<'_>, piece: &Piece<'_>) -> bool {
    let kind = thought.text.is_empty() || piece.text.is_empty() || thought.summary == piece.summary;
    thought.state.is_none() && kind
}

fn piece<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Option<Piece<'a>>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let kind = fields.text("type")?.unwrap_or_default();
    let format = fields.text("format")?.unwrap_or_default();
    let (id, index) = (fields.text("id")?, fields.whole("index")?);
    let mut piece = Piece { text: Text::default(), summary: false, state: None, id, index };
    let filled = |text: Option<Text<'a>>| text.filter(|text| !text.is_empty());
    match &*kind {
        "reasoning.text" => {
            piece.text = fields.text("text")?.unwrap_or_default();
            let signature = filled(fields.text("signature")?);
            piece.state = signature.map(|data| state(StateKind::Signature, &format, data));
        }
        "reasoning.summary" => {
            piece.text = fields.text("summary")?.unwrap_or_default();
            piece.summary = true;
        }
        "reasoning.encrypted" => {
            let data = filled(fields.text("data")?);
            piece.state = data.map(|data| state(StateKind::Encrypted, &format, data));
        }
        _ => {
            lose(lost, path.to_string());
            return Ok(None);
        }
    }
    leftovers(fields, lost);
    Ok(Some(piece))
}

/// A thought as it is written into details.
pub(super) struct Detail<'d> {
    pub(super) text: &'d str,
    pub(super) summary: bool,
    /// Kind and data, ready for whom it is written to.
    pub(super) state: Option<(StateKind, &'d str)>,
    pub(super) id: Option<&'d str>,
    pub(super) format: &'d str,
    pub(super) index: u64,
}

impl Detail<'_> {
    /// One detail, or two where the state stands beside the text.
    pub(super) fn write(&self, w: &mut Writer) {
        let (signature, encrypted) = match self.state {
            Some((StateKind::Signature, data)) => (Some(data), None),
            Some((StateKind::Encrypted, data)) => (None, Some(data)),
            None => (None, None),
        };
        if self.summary && !self.text.is_empty() {
            self.item(w, "reasoning.summary", |w| w.member("summary", self.text));
        }
        let text = !self.summary && !self.text.is_empty();
        if text || signature.is_some() {
            self.item(w, "reasoning.text", |w| {
                if text {
                    w.member("text", self.text);
                }
                w.optional("signature", signature);
            });
        }
        if let Some(data) = encrypted {
            self.item(w, "reasoning.encrypted", |w| w.member("data", data));
        }
    }

    fn item(&self, w: &mut Writer, kind: &str, content: impl FnOnce(&mut Writer)) {
        w.object(|w| {
            w.member("type", kind);
            content(w);
            w.optional("id", self.id);
            w.member("format", if self.format.is_empty() { "unknown" } else { self.format });
            w.member("index", &self.index);
        });
    }
}
