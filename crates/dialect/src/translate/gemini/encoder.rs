//! Writing a stream for a client of Google's SDKs: `data:` frames and no `[DONE]`.
//!
//! Function calls are written whole, as soon as they are. Reasons and figures stand on the last chunk.

use super::super::AnswerContext;
use super::super::answer::{Event, Stop};
use super::super::request::{Part, Text};
use super::super::state::State;
use super::super::writer::Writer;
use super::write_answer::{answered, raw_arguments};
use super::write_parts::object;
use super::{finish, signature, usage, write_parts};
use crate::Usage;
use crate::time::format_rfc3339;
use std::borrow::Cow;

/// Follows one stream.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    provider: String,
    model: String,
    id: String,
    created: u64,
    /// What every chunk ends with, once the answer has begun.
    tail: String,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Choice {
    index: u32,
    calls: Vec<Call>,
    /// Something was written of it.
    content: bool,
    stop: Option<&'static str>,
    filtered: bool,
}

#[derive(Debug, Default)]
struct Call {
    call: u32,
    id: String,
    name: String,
    arguments: String,
    /// As it is written.
    signature: Option<String>,
}

impl Encoder {
    pub(in super::super) fn new(context: &AnswerContext<'_>) -> Self {
        Self {
            provider: context.provider.to_owned(),
            model: context.model.to_owned(),
            id: context.id.to_owned(),
            created: context.now,
            tail: String::new(),
            choices: Vec::new(),
            usage: None,
            ended: false,
        }
    }

    /// Writes what an event means to the client; returns what of it has no form here.
    pub(in super::super) fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Option<String> {
        match event {
            Event::Start { id, model, created } => self.start(&id, &model, created),
            Event::Text { choice, delta } | Event::Refusal { choice, delta } => {
                if !delta.is_empty() {
                    self.chunk(choice, out, |w| write_parts::text(w, &delta, None));
                }
            }
            Event::Reasoning { choice, delta, .. } => {
                if !delta.is_empty() {
                    self.chunk(choice, out, |w| write_parts::thought(w, &delta, None));
                }
            }
            Event::ReasoningState { choice, state, .. } => {
                let signature = signature::written(&state, &self.provider).into_owned();
                self.chunk(choice, out, |w| write_parts::thought(w, "", Some(&signature)));
            }
            Event::ToolStart { choice, call, id, name, state } => {
                self.call_started(choice, call, &id, &name, state.as_ref());
            }
            Event::ToolArguments { choice, call, delta } => {
                let calls = &mut self.choice(choice).calls;
                if let Some(open) = calls.iter_mut().rfind(|open| open.call == call) {
                    open.arguments.push_str(&delta);
                }
            }
            Event::ToolEnd { choice, call } => {
                let calls = &mut self.choice(choice).calls;
                if let Some(at) = calls.iter().rposition(|open| open.call == call) {
                    let call = calls.remove(at);
                    self.call(choice, &call, out);
                }
            }
            Event::Whole { choice, part } => return self.whole(choice, &part, out),
            Event::Stop { choice, reason } => {
                let choice = self.choice(choice);
                choice.stop.get_or_insert(finish::word(&reason));
                choice.filtered |= matches!(reason, Stop::Filtered(_) | Stop::Refusal);
            }
            Event::Usage(figures) => self.usage = Some(figures),
            Event::Lost(_) => {}
            Event::End => self.end(out),
        }
        None
    }

    fn start(&mut self, id: &str, model: &str, created: Option<u64>) {
        if !id.is_empty() {
            id.clone_into(&mut self.id);
        }
        if !model.is_empty() {
            model.clone_into(&mut self.model);
        }
        self.created = created.unwrap_or(self.created);
        self.tail.clear();
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = self.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            self.choices.push(Choice { index, ..Choice::default() });
            self.choices.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
        &mut self.choices[at]
    }

    fn call_started(&mut self, choice: u32, call: u32, id: &str, name: &str, state: Option<&State<'_>>) {
        let signature = state.map(|state| signature::written(state, &self.provider).into_owned());
        let (id, name) = (id.to_owned(), name.to_owned());
        self.choice(choice).calls.push(Call { call, id, name, arguments: String::new(), signature });
    }

    fn call(&mut self, choice: u32, call: &Call, out: &mut Vec<u8>) {
        let raw = || Cow::Owned(raw_arguments(&call.arguments));
        let arguments = object(&call.arguments).map_or_else(raw, Cow::Borrowed);
        self.chunk(choice, out, |w| {
            write_parts::call(w, &call.id, &call.name, &arguments, call.signature.as_deref());
        });
    }

    fn whole(&mut self, choice: u32, part: &Part<'_>, out: &mut Vec<u8>) -> Option<String> {
        match part {
            Part::Image(one) | Part::Document(one) | Part::Audio(one) | Part::Video(one) => {
                let Some(medium) = answered(one) else { return Some(part.streamed(choice)) };
                self.chunk(choice, out, |w| write_parts::medium(w, &medium));
            }
            Part::Text(text) => self.chunk(choice, out, |w| write_parts::text(w, &text.text, None)),
            Part::Refusal(text) => self.chunk(choice, out, |w| write_parts::text(w, text, None)),
            Part::Reasoning(thought) => {
                let state = thought.state.as_ref();
                let signature = state.map(|state| signature::written(state, &self.provider).into_owned());
                self.chunk(choice, out, |w| write_parts::thought(w, &thought.text, signature.as_deref()));
            }
            Part::ToolCall(call) => {
                let state = call.state.as_ref();
                let call = Call {
                    call: 0,
                    id: text(&call.id),
                    name: text(&call.name),
                    arguments: text(&call.arguments),
                    signature: state.map(|state| signature::written(state, &self.provider).into_owned()),
                };
                self.call(choice, &call, out);
            }
            Part::ToolResult(_) => return Some(part.streamed(choice)),
        }
        None
    }

    /// A chunk with parts of one candidate.
    fn chunk(&mut self, choice: u32, out: &mut Vec<u8>, parts: impl FnOnce(&mut Writer)) {
        if self.ended {
            return;
        }
        self.choice(choice).content = true;
        let mut w = Writer::with_capacity(256);
        w.object(|w| {
            w.member_array("candidates", |w| {
                w.object(|w| {
                    w.member_object("content", |w| {
                        w.member_array("parts", parts);
                        w.member("role", "model");
                    });
                    w.member("index", &choice);
                });
            });
        });
        self.frame(w, out);
    }

    /// Writes a chunk, with what every one ends with.
    fn frame(&mut self, chunk: Writer, out: &mut Vec<u8>) {
        if self.tail.is_empty() {
            let mut w = Writer::with_capacity(128);
            w.object(|w| {
                w.member("modelVersion", &self.model);
                w.member("createTime", &format_rfc3339(self.created));
                w.member("responseId", &self.id);
            });
            let text = String::from_utf8(w.finish()).unwrap_or_default();
            self.tail = text.trim_start_matches('{').to_owned();
        }
        let chunk = chunk.finish();
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(chunk.strip_suffix(b"}").unwrap_or(&chunk));
        out.push(b',');
        out.extend_from_slice(self.tail.as_bytes());
        out.extend_from_slice(b"\n\n");
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        for at in 0..self.choices.len() {
            let Some(choice) = self.choices.get_mut(at) else { break };
            let (index, calls) = (choice.index, std::mem::take(&mut choice.calls));
            // A provider that never said that they are whole.
            calls.iter().for_each(|call| self.call(index, call, out));
        }
        if self.choices.is_empty() {
            self.choices.push(Choice::default());
        }
        self.ended = true;
        let mut w = Writer::with_capacity(512);
        w.object(|w| {
            w.member_array("candidates", |w| {
                for choice in &self.choices {
                    w.object(|w| {
                        // The Python SDK forgets a turn whose last chunk has no content; a filtered one has none.
                        if choice.content || !choice.filtered {
                            w.member_object("content", |w| {
                                w.member_array("parts", |w| write_parts::text(w, "", None));
                                w.member("role", "model");
                            });
                        }
                        w.member("finishReason", choice.stop.unwrap_or("STOP"));
                        w.member("index", &choice.index);
                    });
                }
            });
            if let Some(figures) = &self.usage {
                usage::write(w, figures);
            }
        });
        self.frame(w, out);
    }
}

fn text(text: &Text<'_>) -> String {
    text.as_ref().to_owned()
}
