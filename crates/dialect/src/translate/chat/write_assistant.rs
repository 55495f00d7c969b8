//! Writing what the assistant said before.

use super::super::request::{Part, TextPart, Thought, ToolCall, Turn};
use super::super::state::State;
use super::super::writer::Writer;
use super::super::{Thinking, Unsupported, call_id};
use super::details::{self, Detail};
use super::write_messages::{Held, Messages, marks, text_part};
use super::write_request::{extends, is_openai};
use crate::Surface;
use std::borrow::Cow;

/// Providers that read `reasoning_content` in a conversation, and want it beside calls
/// (`api-docs.deepseek.com/guides/thinking_mode`, `docs.z.ai/guides/capabilities/thinking-mode`,
/// `platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model`).
const READ_THOUGHTS: [&str; 4] = ["deepseek", "moonshotai", "z-ai", "minimax"];

/// One message of the assistant.
#[derive(Default)]
pub(super) struct Assistant<'r> {
    texts: Vec<&'r TextPart<'r>>,
    refusal: String,
    thoughts: Vec<&'r Thought<'r>>,
    calls: Vec<(Cow<'r, str>, &'r ToolCall<'r>)>,
}

impl<'r> Assistant<'r> {
    /// Writes turns that belong together; the first is number `at` of the conversation.
    pub(super) fn write(
        messages: &mut Messages<'r>,
        w: &mut Writer,
        turns: &'r [Turn<'r>],
        at: usize,
    ) -> Result<(), Unsupported> {
        let mut this = Self::default();
        let mut parts = 0;
        for (number, turn) in turns.iter().enumerate() {
            parts += turn.parts.len();
            for (part_number, part) in turn.parts.iter().enumerate() {
                this.take(messages, part, (at + number, part_number));
            }
        }
        let nothing = this.texts.is_empty() && this.refusal.is_empty() && this.calls.is_empty();
        if nothing && this.thoughts.is_empty() && parts > 0 {
            return Ok(());
        }
        let name = turns.first().and_then(|turn| turn.name.as_deref());
        w.object(|w| {
            w.member("role", "assistant");
            this.content(messages, w);
            this.write_thoughts(messages, w);
            if !this.calls.is_empty() {
                w.member_array("tool_calls", |w| this.write_calls(messages, w));
            }
            w.optional("name", name);
        });
        Ok(())
    }

    fn take(&mut self, messages: &mut Messages<'r>, part: &'r Part<'r>, (turn, number): (usize, usize)) {
        match part {
            Part::Text(text) => self.texts.push(text),
            Part::Refusal(text) => self.refusal.push_str(text),
            Part::Reasoning(thought) => {
                if self.wants(messages, thought, (turn, number)) {
                    self.thoughts.push(thought);
                }
            }
            Part::ToolCall(call) => {
                let id = written_id(call, messages);
                messages.calls.add(Cow::Borrowed(&*call.id), Cow::Borrowed(&*call.name));
                messages.ids.push(id.clone());
                if call.state.as_ref().is_some_and(|state| !readable(messages, state)) {
                    messages.lose_part(turn, number, signature(messages.from));
                }
                self.calls.push((id, call));
            }
            // The assistant's messages hold no pictures.
            Part::Image(_) | Part::Document(_) | Part::Audio(_) | Part::Video(_) => {
                messages.held.push(Held { intro: Some("From the assistant's message:".to_owned()), part });
            }
            Part::ToolResult(_) => messages.lose_part(turn, number, ""),
        }
    }

    /// Whether a thought is written; names what of it is not.
    fn wants(
        &self,
        messages: &mut Messages<'r>,
        thought: &Thought<'_>,
        (turn, number): (usize, usize),
    ) -> bool {
        let text = !thought.text.is_empty() && field(messages).is_some();
        match &thought.state {
            Some(state) if readable(messages, state) => true,
            Some(_) if text => {
                messages.lose_part(turn, number, signature(messages.from));
                true
            }
            _ if text => true,
            None if thought.text.is_empty() => false,
            _ => {
                messages.lose_part(turn, number, "");
                false
            }
        }
    }

    fn content(&self, messages: &mut Messages<'r>, w: &mut Writer) {
        let mark = self.texts.iter().any(|text| messages.mark(text.cache.as_ref()).is_some());
        if self.texts.is_empty() && !self.calls.is_empty() && self.refusal.is_empty() {
            w.member("content", &());
        } else if mark && marks(messages.target) {
            w.member_array("content", |w| {
                self.texts.iter().for_each(|text| text_part(w, &text.text, text.cache.as_ref()));
            });
        } else if self.texts.is_empty() && !self.refusal.is_empty() && is_openai(messages.target) {
            w.member("content", &());
        } else {
            let texts = self.texts.iter().map(|text| &*text.text);
            // Only OpenAI has a field for refusals.
            let refusal = Some(&*self.refusal).filter(|_| !is_openai(messages.target));
            w.member("content", &texts.chain(refusal).collect::<String>());
        }
        if !self.refusal.is_empty() && is_openai(messages.target) {
            w.member("refusal", &self.refusal);
        }
        let annotations = self.texts.iter().filter_map(|text| text.annotations.as_ref());
        for annotations in annotations {
            if messages.from == Surface::ChatCompletions {
                w.member("annotations", annotations);
                break;
            }
            let name = match messages.from {
                Surface::Responses => "input[].content[].annotations",
                Surface::GenerateContent => "contents[].parts[].annotations",
                _ => "messages[].content[].citations",
            };
            super::lose(&mut messages.lost, name);
        }
    }

    fn write_thoughts(&self, messages: &Messages<'r>, w: &mut Writer) {
        if let Some(field) = field(messages) {
            let texts: Vec<&str> =
                self.thoughts.iter().map(|thought| &*thought.text).filter(|text| !text.is_empty()).collect();
            if !texts.is_empty() {
                w.member(field, &texts.join("\n\n"));
            }
        }
        let state = |thought: &&&'r Thought<'r>| {
            thought.state.as_ref().filter(|state| readable(messages, state)).map(details::unpacked)
        };
        // All of them, if one has to come back: the order counts.
        let Some((usual, _)) = self.thoughts.iter().find_map(|thought| state(&thought)) else { return };
        w.member_array("reasoning_details", |w| {
            for (index, thought) in self.thoughts.iter().enumerate() {
                let own = state(&thought);
                let detail = Detail {
                    text: &thought.text,
                    summary: thought.summary,
                    state: own.zip(thought.state.as_ref()).map(|((_, data), state)| (state.kind, data)),
                    id: thought.id.as_deref(),
                    format: own.map_or(usual, |(format, _)| format),
                    index: index as u64,
                };
                detail.write(w);
            }
        });
    }

    fn write_calls(&self, messages: &mut Messages<'r>, w: &mut Writer) {
        for (id, call) in &self.calls {
            // A call has no place for a mark.
            if call.cache.is_some() {
                super::lose(&mut messages.lost, "cache_control");
            }
            w.object(|w| {
                w.member("id", &**id);
                w.member("type", "function");
                w.member_object("function", |w| {
                    w.member("name", &call.name);
                    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                    w.member("arguments", arguments);
                });
                if let Some(state) = call.state.as_ref().filter(|state| readable(messages, state)) {
                    super::write_answer::extra_content(w, details::unpacked(state).1);
                }
            });
        }
    }
}

/// The field for the text of thoughts, if the target reads them at all.
fn field(messages: &Messages<'_>) -> Option<&'static str> {
    let target = messages.target;
    if target.thinking == Thinking::Object {
        Some("reasoning")
    } else if READ_THOUGHTS.contains(&target.provider) || extends(target, "reasoning_content") {
        Some("reasoning_content")
    } else {
        None
    }
}

/// The id of a call, in a form the target takes: OpenAI, and who serves its models under another name, refuses more than
/// 40 characters ("string too long. Expected a string with maximum length 40"), Mistral all but nine letters and digits
/// (`mistralai.github.io/mistral-common/usage/tools`).
fn written_id<'r>(call: &'r ToolCall<'r>, messages: &Messages<'_>) -> Cow<'r, str> {
    let position = messages.calls.len();
    let id =
        if call.id.is_empty() { Cow::Owned(call_id(&call.name, position)) } else { Cow::Borrowed(&*call.id) };
    let mistral = matches!(messages.target.provider, "mistral" | "mistralai");
    if mistral && !(id.len() == 9 && id.chars().all(|c| c.is_ascii_alphanumeric())) {
        Cow::Owned(format!("call{position:05}"))
    } else if id.chars().count() > 40 {
        Cow::Owned(format!("call_at_{position}"))
    } else {
        id
    }
}

/// Whether the target issued a state, as far as can be told.
fn readable(messages: &Messages<'_>, state: &State<'_>) -> bool {
    let own = state.provider.as_deref().is_none_or(|provider| provider == messages.target.provider);
    state.surface == Surface::ChatCompletions && own
}

/// Where the client's dialect has the state of a thought.
fn signature(from: Surface) -> &'static str {
    match from {
        Surface::GenerateContent => "thoughtSignature",
        Surface::Responses => "encrypted_content",
        Surface::ChatCompletions => "reasoning_details",
        _ => "signature",
    }
}
