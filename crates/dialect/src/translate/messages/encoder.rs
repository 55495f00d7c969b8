//! Writing a stream for a client.
//!
//! Blocks follow each other here: the next begins when the one before has ended. A call that begins while another is
//! still being written waits its turn, and so does all that comes behind it.

use super::super::AnswerContext;
use super::super::answer::{Event, Stop};
use super::super::request::{Part, Text};
use super::super::state::{State, StateKind};
use super::super::writer::Writer;
use super::ends::{Content, made_id, stop_sequence, stop_word, write_usage};
use crate::{Surface, Usage};
use serde::Serialize;
use std::io::Write;

/// Most bytes that wait for a call to end; far above any answer's limit of tokens. What comes after that is written
/// as soon as it can be, and the call that took so long is closed.
const MOST_WAITING: usize = 16 * 1024 * 1024;
/// What each piece that waits costs beside its bytes.
const PIECE: usize = size_of::<Waiting>();

/// Writes the events of one message.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    id: String,
    /// The id that was made for the answer; calls without an id get one of it.
    made: String,
    model: String,
    provider: String,
    usage: Usage,
    /// `message_start` is written.
    started: bool,
    /// `message_stop` is written.
    ended: bool,
    /// The index of the block that begins next.
    next: u32,
    open: Option<Open>,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    stop: Option<Stop<'static>>,
    content: Content,
}

/// The block that is being written; its index is the one before `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thought(u32),
    Call(u32),
}

/// What came while a call was open.
#[derive(Debug)]
enum Waiting {
    Text(String),
    Thought { item: u32, text: String },
    State { item: u32, state: State<'static> },
    Call { call: u32, id: String, name: String, state: Option<State<'static>>, arguments: String, done: bool },
}

impl Encoder {
    pub(in super::super) fn new(context: &AnswerContext<'_>) -> Self {
        Self {
            id: context.id.to_owned(),
            made: context.id.to_owned(),
            model: context.model.to_owned(),
            provider: context.provider.to_owned(),
            usage: Usage::default(),
            started: false,
            ended: false,
            next: 0,
            open: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            stop: None,
            content: Content::default(),
        }
    }

    /// Writes what an event means to the client; returns what of it has no form here.
    pub(in super::super) fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Option<String> {
        if self.ended {
            return None;
        }
        match event {
            Event::Start { id, model, .. } => {
                replace(&mut self.id, &id);
                replace(&mut self.model, &model);
            }
            Event::Usage(usage) => self.usage.merge_max(&usage),
            Event::Lost(_) => {}
            Event::End => self.end(out),
            Event::Text { choice, .. }
            | Event::Refusal { choice, .. }
            | Event::Reasoning { choice, .. }
            | Event::ReasoningState { choice, .. }
            | Event::ToolStart { choice, .. }
            | Event::ToolArguments { choice, .. }
            | Event::ToolEnd { choice, .. }
            | Event::Whole { choice, .. }
            | Event::Stop { choice, .. }
                if choice > 0 =>
            {
                return Some(format!("choices[{choice}]"));
            }
            Event::Stop { reason, .. } => return self.stopped(reason),
            event => return self.content(event, out),
        }
        None
    }

    fn content(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Option<String> {
        self.start(out);
        match event {
            Event::Text { delta, .. } => self.text(&delta, out),
            Event::Refusal { delta, .. } => {
                self.content.refusal = true;
                self.text(&delta, out);
            }
            Event::Reasoning { item, delta, .. } => self.thought(item, &delta, out),
            Event::ReasoningState { item, state, .. } => self.state(item, state, out),
            Event::ToolStart { call, id, name, state, .. } => {
                self.content.calls = true;
                let id = if id.is_empty() { made_id(&self.made, call as usize).into() } else { id };
                self.call(call, &id, &name, state, out);
            }
            Event::ToolArguments { call, delta, .. } => {
                let written = self.arguments(call, &delta, out);
                return (!written).then(|| format!("calls[{call}].arguments"));
            }
            Event::ToolEnd { call, .. } => self.call_end(call, out),
            Event::Whole { part, .. } => return self.whole(part, out),
            _ => {}
        }
        None
    }

    /// A part in one piece. Calls are numbered by their decoder, so none comes like this.
    fn whole(&mut self, part: Part<'_>, out: &mut Vec<u8>) -> Option<String> {
        match part {
            Part::Text(part) => self.text(&part.text, out),
            Part::Refusal(text) => {
                self.content.refusal = true;
                self.text(&text, out);
            }
            _ => return Some(format!("content[{}]", self.next)),
        }
        None
    }

    fn stopped(&mut self, reason: Stop<'_>) -> Option<String> {
        if self.stop.is_some() {
            return None;
        }
        let other = matches!(reason, Stop::Other(_));
        self.stop = Some(match reason {
            Stop::End => Stop::End,
            Stop::Length => Stop::Length,
            Stop::Sequence(text) => Stop::Sequence(text.map(|text| text.into_owned().into())),
            Stop::ToolCalls => Stop::ToolCalls,
            Stop::Filtered(_) => Stop::Filtered(None),
            Stop::Refusal => Stop::Refusal,
            Stop::Pause => Stop::Pause,
            Stop::Other(_) => Stop::Other(Text::default()),
        });
        other.then(|| "stop_reason".to_owned())
    }

    fn text(&mut self, delta: &str, out: &mut Vec<u8>) {
        if delta.is_empty() {
            return;
        }
        if self.must_wait(delta.len(), out) {
            match self.waiting.last_mut() {
                Some(Waiting::Text(text)) => text.push_str(delta),
                _ => self.waiting.push(Waiting::Text(delta.to_owned())),
            }
            return;
        }
        if self.open != Some(Open::Text) {
            self.begin(Open::Text, r#"{"type":"text","text":""}"#, out);
        }
        self.delta(r#""text_delta","text":"#, delta, out);
    }

    fn thought(&mut self, item: u32, delta: &str, out: &mut Vec<u8>) {
        if delta.is_empty() {
            return;
        }
        if self.must_wait(delta.len(), out) {
            match self.waiting.last_mut() {
                Some(Waiting::Thought { item: last, text }) if *last == item => text.push_str(delta),
                _ => self.waiting.push(Waiting::Thought { item, text: delta.to_owned() }),
            }
            return;
        }
        self.begin_thought(item, out);
        self.delta(r#""thinking_delta","thinking":"#, delta, out);
    }

    fn begin_thought(&mut self, item: u32, out: &mut Vec<u8>) {
        if self.open != Some(Open::Thought(item)) {
            self.begin(Open::Thought(item), r#"{"type":"thinking","thinking":"","signature":""}"#, out);
        }
    }

    /// A signature ends its block. Encrypted thoughts are a block of their own, unless there is text to them.
    fn state(&mut self, item: u32, state: State<'_>, out: &mut Vec<u8>) {
        if self.must_wait(state.data.len(), out) {
            return self.waiting.push(Waiting::State { item, state: keep(state) });
        }
        let data = state.written(Surface::Messages, &self.provider).into_owned();
        if state.kind == StateKind::Encrypted && self.open != Some(Open::Thought(item)) {
            return self.redacted(&data, out);
        }
        self.begin_thought(item, out);
        self.delta(r#""signature_delta","signature":"#, &data, out);
        self.close(out);
    }

    fn redacted(&mut self, data: &str, out: &mut Vec<u8>) {
        self.close(out);
        start_block(self.next, out, |out| {
            out.extend_from_slice(br#"{"type":"redacted_thinking","data":"#);
            json(data, out);
            out.push(b'}');
        });
        stop_block(self.next, out);
        self.next += 1;
    }

    fn call(&mut self, call: u32, id: &str, name: &str, state: Option<State<'_>>, out: &mut Vec<u8>) {
        if self.must_wait(id.len() + name.len(), out) {
            let (id, name, state) = (id.to_owned(), name.to_owned(), state.map(keep));
            let arguments = String::new();
            return self.waiting.push(Waiting::Call { call, id, name, state, arguments, done: false });
        }
        if let Some(state) = state {
            // There is no place for it in a call; a client sends this block back before the call (see `read_blocks`).
            let data = state.written(Surface::Messages, &self.provider).into_owned();
            self.redacted(&data, out);
        }
        self.close(out);
        start_block(self.next, out, |out| {
            out.extend_from_slice(br#"{"type":"tool_use","id":"#);
            json(id, out);
            out.extend_from_slice(br#","name":"#);
            json(name, out);
            out.extend_from_slice(br#","input":{}}"#);
        });
        self.next += 1;
        self.open = Some(Open::Call(call));
    }

    /// Says whether there was a call to write them to.
    fn arguments(&mut self, call: u32, delta: &str, out: &mut Vec<u8>) -> bool {
        if delta.is_empty() {
            return true;
        }
        if self.open != Some(Open::Call(call)) && self.must_wait(delta.len(), out) {
            for waiting in self.waiting.iter_mut().rev() {
                match waiting {
                    Waiting::Call { call: waits, arguments, .. } if *waits == call => {
                        arguments.push_str(delta);
                        return true;
                    }
                    _ => {}
                }
            }
        }
        let open = self.open == Some(Open::Call(call));
        if open {
            self.delta(r#""input_json_delta","partial_json":"#, delta, out);
        }
        open
    }

    fn call_end(&mut self, call: u32, out: &mut Vec<u8>) {
        if self.open == Some(Open::Call(call)) {
            self.close(out);
            return self.drain(out);
        }
        for waiting in self.waiting.iter_mut().rev() {
            match waiting {
                Waiting::Call { call: waits, done, .. } if *waits == call => {
                    *done = true;
                    return;
                }
                _ => {}
            }
        }
    }

    /// Whether a call is open, so that something else has to wait.
    fn must_wait(&mut self, bytes: usize, out: &mut Vec<u8>) -> bool {
        if !matches!(self.open, Some(Open::Call(_))) {
            return false;
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes + PIECE);
        if self.waiting_bytes <= MOST_WAITING {
            return true;
        }
        self.close(out);
        self.drain(out);
        matches!(self.open, Some(Open::Call(_)))
    }

    /// Writes what waited, up to the next call that has not ended.
    fn drain(&mut self, out: &mut Vec<u8>) {
        self.waiting_bytes = 0;
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        for piece in waiting.by_ref() {
            match piece {
                Waiting::Text(text) => self.text(&text, out),
                Waiting::Thought { item, text } => self.thought(item, &text, out),
                Waiting::State { item, state } => self.state(item, state, out),
                Waiting::Call { call, id, name, state, arguments, done } => {
                    self.call(call, &id, &name, state, out);
                    self.arguments(call, &arguments, out);
                    if !done {
                        break;
                    }
                    self.close(out);
                }
            }
        }
        self.waiting.extend(waiting);
    }

    fn drain_all(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        while !self.waiting.is_empty() {
            self.drain(out);
            self.close(out);
        }
    }

    /// Everything known by now goes into `message_start`: it is written with the first content.
    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let mut w = Writer::with_capacity(384);
        w.object(|w| {
            w.member("type", "message_start");
            w.member_object("message", |w| {
                w.member("id", &self.id);
                w.member("type", "message");
                w.member("role", "assistant");
                w.member("model", &self.model);
                w.member_array("content", |_| {});
                w.member("stop_reason", &None::<&str>);
                w.member("stop_sequence", &None::<&str>);
                w.key("usage");
                write_usage(w, &self.usage);
            });
        });
        event("message_start", out);
        out.extend_from_slice(&w.finish());
        out.extend_from_slice(b"\n\n");
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.drain_all(out);
        self.ended = true;
        let mut w = Writer::with_capacity(384);
        w.object(|w| {
            w.member("type", "message_delta");
            w.member_object("delta", |w| {
                w.member("stop_reason", stop_word(self.stop.as_ref(), self.content));
                w.member("stop_sequence", &stop_sequence(self.stop.as_ref()));
            });
            w.key("usage");
            write_usage(w, &self.usage);
        });
        event("message_delta", out);
        out.extend_from_slice(&w.finish());
        out.extend_from_slice(b"\n\n");
        event("message_stop", out);
        out.extend_from_slice(b"{\"type\":\"message_stop\"}\n\n");
    }

    fn begin(&mut self, open: Open, block: &str, out: &mut Vec<u8>) {
        self.close(out);
        start_block(self.next, out, |out| out.extend_from_slice(block.as_bytes()));
        self.next += 1;
        self.open = Some(open);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            stop_block(self.next.saturating_sub(1), out);
        }
    }

    /// A piece of the open block. `head` is the delta's type, and the name of its text.
    fn delta(&self, head: &str, text: &str, out: &mut Vec<u8>) {
        event("content_block_delta", out);
        out.extend_from_slice(br#"{"type":"content_block_delta","index":"#);
        json(&self.next.saturating_sub(1), out);
        out.extend_from_slice(br#","delta":{"type":"#);
        out.extend_from_slice(head.as_bytes());
        json(text, out);
        out.extend_from_slice(b"}}\n\n");
    }
}

fn replace(kept: &mut String, given: &str) {
    if !given.is_empty() {
        given.clone_into(kept);
    }
}

fn keep(state: State<'_>) -> State<'static> {
    State {
        data: state.data.into_owned().into(),
        surface: state.surface,
        provider: state.provider.map(|provider| provider.into_owned().into()),
        kind: state.kind,
    }
}

fn event(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
}

fn start_block(index: u32, out: &mut Vec<u8>, block: impl FnOnce(&mut Vec<u8>)) {
    event("content_block_start", out);
    out.extend_from_slice(br#"{"type":"content_block_start","index":"#);
    json(&index, out);
    out.extend_from_slice(br#","content_block":"#);
    block(out);
    out.extend_from_slice(b"}\n\n");
}

fn stop_block(index: u32, out: &mut Vec<u8>) {
    event("content_block_stop", out);
    out.extend_from_slice(br#"{"type":"content_block_stop","index":"#);
    json(&index, out);
    out.extend_from_slice(b"}\n\n");
}

/// Texts and numbers, into memory: neither can fail.
fn json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let before = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(before);
        let _ = out.write_all(b"null");
    }
}
