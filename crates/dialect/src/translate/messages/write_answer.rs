//! Writing a whole answer for a client.

use super::super::answer::{Answer, Choice, Stop};
use super::super::request::{Part, Thought, ToolCall};
use super::super::state::StateKind;
use super::super::writer::Writer;
use super::super::{AnswerContext, Translated};
use super::blocks::Block;
use super::ends::{Content, made_id, stop_sequence, stop_word, write_usage};
use crate::Surface;
use std::borrow::Cow;

/// Writes a `message`.
pub(in super::super) fn write_answer(answer: &Answer<'_>, context: &AnswerContext<'_>) -> Translated {
    let mut lost = Vec::new();
    let none = Choice::default();
    let choice = answer.choices.first().unwrap_or(&none);
    lost.extend((1..answer.choices.len()).map(|at| format!("choices[{at}]")));
    let mut maker = Maker { context, lost: &mut lost, content: Content::default(), calls: 0 };
    let mut blocks = Vec::with_capacity(choice.parts.len());
    for (at, part) in choice.parts.iter().enumerate() {
        maker.part(part, at, &mut blocks);
    }
    let content = maker.content;
    if let Some(Stop::Other(_)) = choice.stop {
        lost.push("stop_reason".to_owned());
    }
    let mut w = Writer::with_capacity(1024);
    w.object(|w| {
        w.member("id", or(&answer.id, context.id));
        w.member("type", "message");
        w.member("role", "assistant");
        w.member("model", or(&answer.model, context.model));
        w.member_array("content", |w| blocks.iter().for_each(|block| block.write(w)));
        w.member("stop_reason", stop_word(choice.stop.as_ref(), content));
        w.member("stop_sequence", &stop_sequence(choice.stop.as_ref()));
        w.key("usage");
        write_usage(w, &answer.usage.unwrap_or_default());
    });
    Translated { body: w.finish(), lost }
}

fn or<'s>(given: &'s str, otherwise: &'s str) -> &'s str {
    if given.is_empty() { otherwise } else { given }
}

struct Maker<'m> {
    context: &'m AnswerContext<'m>,
    lost: &'m mut Vec<String>,
    content: Content,
    calls: usize,
}

impl Maker<'_> {
    fn part<'r>(&mut self, part: &'r Part<'r>, at: usize, blocks: &mut Vec<Block<'r>>) {
        match part {
            Part::Text(part) => {
                if part.annotations.is_some() {
                    self.lost.push(format!("content[{at}].annotations"));
                }
                if !part.text.is_empty() {
                    blocks.push(Block::text(&part.text));
                }
            }
            Part::Refusal(text) => {
                self.content.refusal = true;
                if !text.is_empty() {
                    blocks.push(Block::text(text));
                }
            }
            Part::Reasoning(thought) => blocks.extend(self.thought(thought)),
            Part::ToolCall(call) => self.call(call, at, blocks),
            Part::Image(_) | Part::Document(_) | Part::Audio(_) | Part::Video(_) | Part::ToolResult(_) => {
                self.lost.push(format!("content[{at}]"));
            }
        }
    }

    /// Thoughts alone are a block without a signature; state alone is a block nobody can read.
    fn thought<'r>(&self, thought: &'r Thought<'r>) -> Option<Block<'r>> {
        let state = thought.state.as_ref();
        let data = state.map(|state| state.written(Surface::Messages, self.context.provider));
        let encrypted = state.is_some_and(|state| state.kind == StateKind::Encrypted);
        match data {
            Some(data) if encrypted && thought.text.is_empty() => Some(Block::Redacted { data }),
            None if thought.text.is_empty() => None,
            data => Some(Block::Thinking { text: &thought.text, signature: data.unwrap_or_default() }),
        }
    }

    fn call<'r>(&mut self, call: &'r ToolCall<'r>, at: usize, blocks: &mut Vec<Block<'r>>) {
        self.content.calls = true;
        if let Some(state) = &call.state {
            // There is no place for it in a call; a client sends this block back before the call (see `read_blocks`).
            blocks.push(Block::Redacted { data: state.written(Surface::Messages, self.context.provider) });
        }
        let id = match &*call.id {
            "" => Cow::Owned(made_id(self.context.id, self.calls)),
            id => Cow::Borrowed(id),
        };
        self.calls += 1;
        let arguments = call.arguments.trim();
        let input = match arguments {
            "" => Cow::Borrowed("{}"),
            _ if is_object(arguments) => Cow::Borrowed(arguments),
            broken => {
                self.lost.push(format!("content[{at}].input"));
                let mut w = Writer::default();
                w.object(|w| w.member("_raw_arguments", broken));
                Cow::Owned(String::from_utf8(w.finish()).unwrap_or_else(|_| "{}".to_owned()))
            }
        };
        blocks.push(Block::ToolUse { id, name: &call.name, input, cache: None });
    }
}

fn is_object(json: &str) -> bool {
    json.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok()
}
