//! Writing chunks for a client.

use super::super::AnswerContext;
use super::super::answer::{Event, Stop};
use super::super::request::{Part, Thought};
use super::super::state::State;
use super::super::writer::Writer;
use super::{details, stop, usage, write_answer};
use crate::{Surface, Usage};
use std::borrow::Cow;

/// Writes chunks: the role first, a reason last, figures behind it if the client wants them, then `[DONE]`.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// `data: {"id":...,"choices":[`: the same in all chunks. Empty before the first.
    head: Vec<u8>,
    /// What follows a choice.
    tail: &'static [u8],
    id: String,
    model: String,
    provider: String,
    now: u64,
    include_usage: bool,
    usage: Option<Usage>,
    choices: Vec<Choice>,
    done: bool,
}

#[derive(Debug, Default)]
struct Choice {
    number: u32,
    calls: Vec<Call>,
    images: usize,
    refused: bool,
    stopped: bool,
    /// The block of thought that is open, and its text: needed again when its state comes.
    item: Option<u32>,
    thought: String,
    summary: bool,
    thought_before: bool,
    details: u64,
}

#[derive(Debug)]
struct Call {
    number: u32,
    has_arguments: bool,
}

impl Encoder {
    pub(crate) fn new(context: &AnswerContext<'_>) -> Self {
        Self {
            head: Vec::new(),
            tail: if context.include_usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" },
            id: context.id.to_owned(),
            model: context.model.to_owned(),
            provider: context.provider.to_owned(),
            now: context.now,
            include_usage: context.include_usage,
            usage: None,
            choices: Vec::new(),
            done: false,
        }
    }

    /// Writes what an event means to the client; returns what of it has no form here.
    pub(crate) fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Option<String> {
        match event {
            _ if self.done => {}
            Event::Start { id, model, created } => self.start(&id, &model, created, out),
            Event::Text { choice, delta } => self.delta(choice, out, |w| w.member("content", &*delta)),
            Event::Refusal { choice, delta } => {
                self.choice(choice, out).refused = true;
                self.delta(choice, out, |w| w.member("refusal", &*delta));
            }
            Event::Reasoning { choice, item, delta, summary } => {
                self.reasoning(choice, item, &delta, summary, out);
            }
            Event::ReasoningState { choice, item, state, id } => self.state(choice, item, state, id, out),
            Event::ToolStart { choice, call, id, name, state } => {
                let calls = &mut self.choice(choice, out).calls;
                calls.push(Call { number: call, has_arguments: false });
                let at = calls.len() - 1;
                let id = write_answer::call_id(&id, &self.id, choice as usize, at);
                let written = state.as_ref().map(|state| {
                    if state.surface == Surface::ChatCompletions {
                        return Cow::Borrowed(details::unpacked(state).1);
                    }
                    state.written(Surface::ChatCompletions, &self.provider)
                });
                self.tool(choice, at, out, |w| {
                    w.member("id", &*id);
                    w.member("type", "function");
                    w.member_object("function", |w| {
                        w.member("name", &*name);
                        w.member("arguments", "");
                    });
                    if let Some(data) = &written {
                        write_answer::extra_content(w, data);
                    }
                });
            }
            Event::ToolArguments { choice, call, delta } => self.arguments(choice, call, &delta, out),
            Event::ToolEnd { choice, call } => {
                // Clients parse the arguments even where there are none.
                let calls = &self.choice(choice, out).calls;
                if calls
                    .iter()
                    .rev()
                    .find(|known| known.number == call)
                    .is_some_and(|known| !known.has_arguments)
                {
                    self.arguments(choice, call, "{}", out);
                }
            }
            Event::Whole { choice, part } => return self.whole(choice, &part, out),
            Event::Stop { choice, reason } => self.stop(choice, Some(&reason), out),
            Event::Usage(usage) => self.usage.get_or_insert_default().merge_max(&usage),
            Event::Lost(_) => {}
            Event::End => self.end(out),
        }
        None
    }

    /// The whole of a thought that has its proof now.
    fn state(
        &mut self,
        choice: u32,
        item: u32,
        state: State<'_>,
        id: Option<Cow<'_, str>>,
        out: &mut Vec<u8>,
    ) {
        let (text, summary, index) = self.choice(choice, out).close(item);
        let thought = Thought { text: text.into(), summary, state: Some(state), id };
        let provider = std::mem::take(&mut self.provider);
        self.delta(choice, out, |w| {
            w.member_array("reasoning_details", |w| {
                write_answer::detail(w, &thought, index, &provider);
            });
        });
        self.provider = provider;
    }

    fn start(&mut self, id: &str, model: &str, created: Option<u64>, out: &mut Vec<u8>) {
        if !self.head.is_empty() {
            return;
        }
        let mut w = Writer::onto(b"data: ".to_vec());
        w.object(|w| {
            w.member("id", &*write_answer::id(id, &self.id));
            w.member("object", "chat.completion.chunk");
            w.member("created", &created.unwrap_or(self.now));
            w.member("model", if model.is_empty() { &*self.model } else { model });
            w.member_array("choices", |_| {});
        });
        self.head = w.finish();
        // The end of the list and of the object stand in `tail`.
        self.head.truncate(self.head.len().saturating_sub(2));
        self.choice(0, out);
    }

    /// The state of a choice; a new one gets its role.
    fn choice(&mut self, number: u32, out: &mut Vec<u8>) -> &mut Choice {
        if self.head.is_empty() {
            self.start("", "", None, out);
        }
        let mut at = self.choices.iter().position(|choice| choice.number == number);
        if at.is_none() {
            at = Some(self.choices.len());
            self.choices.push(Choice { number, ..Choice::default() });
            self.chunk(number, out, role, ("", None));
        }
        #[expect(clippy::indexing_slicing, reason = "found, or pushed just now")]
        &mut self.choices[at.unwrap_or_default()]
    }

    /// A chunk with a delta.
    fn delta(&mut self, choice: u32, out: &mut Vec<u8>, delta: impl FnOnce(&mut Writer)) {
        self.choice(choice, out);
        self.chunk(choice, out, delta, ("", None));
    }

    fn chunk(
        &self,
        choice: u32,
        out: &mut Vec<u8>,
        delta: impl FnOnce(&mut Writer),
        (reason, native): (&str, Option<&str>),
    ) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        let mut w = Writer::onto(std::mem::take(out));
        w.value(&choice);
        w.key("delta").object(delta);
        w.member("logprobs", &());
        w.member("finish_reason", &(!reason.is_empty()).then_some(reason));
        w.optional("native_finish_reason", native);
        *out = w.finish();
        out.extend_from_slice(self.tail);
    }

    fn reasoning(&mut self, choice: u32, item: u32, delta: &str, summary: bool, out: &mut Vec<u8>) {
        let state = self.choice(choice, out);
        let mut between = "";
        if state.item != Some(item) {
            between = if state.thought_before { "\n\n" } else { "" };
            state.item = Some(item);
            state.thought.clear();
        }
        state.thought.push_str(delta);
        (state.summary, state.thought_before) = (summary, true);
        let text =
            if between.is_empty() { Cow::Borrowed(delta) } else { Cow::Owned(format!("{between}{delta}")) };
        self.delta(choice, out, |w| w.member("reasoning_content", &*text));
    }

    fn tool(&mut self, choice: u32, at: usize, out: &mut Vec<u8>, call: impl FnOnce(&mut Writer)) {
        self.delta(choice, out, |w| {
            w.member_array("tool_calls", |w| {
                w.object(|w| {
                    w.member("index", &at);
                    call(w);
                });
            });
        });
    }

    fn arguments(&mut self, choice: u32, call: u32, delta: &str, out: &mut Vec<u8>) {
        let calls = &mut self.choice(choice, out).calls;
        // From the end: it is nearly always the last one.
        let Some(at) = calls.iter().rposition(|known| known.number == call) else { return };
        if let Some(call) = calls.get_mut(at) {
            call.has_arguments |= !delta.is_empty();
        }
        self.tool(choice, at, out, |w| w.member_object("function", |w| w.member("arguments", delta)));
    }

    fn whole(&mut self, choice: u32, part: &Part<'_>, out: &mut Vec<u8>) -> Option<String> {
        if let Some(url) = write_answer::picture_url(part) {
            let images = &mut self.choice(choice, out).images;
            let index = *images;
            *images += 1;
            self.delta(choice, out, |w| {
                w.member_array("images", |w| write_answer::picture(w, &url, Some(index)));
            });
        } else if let Some(data) = write_answer::sound(part) {
            let (id, now) = (self.id.clone(), self.now);
            self.delta(choice, out, |w| {
                w.member_object("audio", |w| write_answer::audio(w, &id, data, now));
            });
        } else if let Part::Text(text) = part {
            self.delta(choice, out, |w| w.member("content", &*text.text));
        } else {
            return Some(part.streamed(choice));
        }
        None
    }

    fn stop(&mut self, choice: u32, reason: Option<&Stop<'_>>, out: &mut Vec<u8>) {
        let state = self.choice(choice, out);
        if std::mem::replace(&mut state.stopped, true) {
            return;
        }
        let words = stop::words(reason, !state.calls.is_empty(), state.refused);
        self.chunk(choice, out, |_| {}, words);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.choice(0, out);
        let open: Vec<u32> = self.choices.iter().filter(|c| !c.stopped).map(|c| c.number).collect();
        for choice in open {
            self.stop(choice, None, out);
        }
        if let Some(figures) = self.usage.filter(|_| self.include_usage) {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            let mut w = Writer::onto(std::mem::take(out));
            usage::write(&mut w, &figures);
            *out = w.finish();
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        self.done = true;
    }
}

impl Choice {
    /// The text, the kind and the number of the block of thought whose state has come.
    fn close(&mut self, item: u32) -> (String, bool, u64) {
        let text = if self.item == Some(item) { std::mem::take(&mut self.thought) } else { String::new() };
        let index = self.details;
        self.details += 1;
        (text, self.summary, index)
    }
}

fn role(w: &mut Writer) {
    w.member("role", "assistant");
    w.member("content", "");
    w.member("refusal", &());
}
