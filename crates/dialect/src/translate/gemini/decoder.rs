//! Reading Google's stream.
//!
//! Every chunk is an answer of its own with the parts that are new. Function calls come whole. The reason and the last
//! figures may come in either order, so that what ends a choice is held until the stream does.

use super::super::answer::{Event, Stop};
use super::super::call_id;
use super::super::error::DecodeError;
use super::super::request::{Media, Source, Text as Words};
use super::read_answer::seconds;
use super::{base64, finish, media, parts, signature};
use crate::loose::{Filled, List, Number, Obj, Text};
use crate::usage::RawUsage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow)]
    candidates: List<Candidate<'a>>,
    usage_metadata: Obj<RawUsage>,
    #[serde(borrow)]
    prompt_feedback: Obj<Feedback<'a>>,
    #[serde(borrow)]
    model_version: Text<'a>,
    #[serde(borrow)]
    response_id: Text<'a>,
    #[serde(borrow)]
    create_time: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Obj<Content<'a>>,
    #[serde(borrow)]
    finish_reason: Text<'a>,
    index: Number,
    grounding_metadata: Filled,
    citation_metadata: Filled,
    url_context_metadata: Filled,
    logprobs_result: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content<'a> {
    #[serde(borrow)]
    parts: List<Part<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    thought: Filled,
    #[serde(borrow)]
    thought_signature: Text<'a>,
    #[serde(borrow)]
    function_call: Obj<Call<'a>>,
    #[serde(borrow)]
    inline_data: Obj<Blob<'a>>,
    #[serde(borrow)]
    file_data: Obj<File<'a>>,
    #[serde(borrow)]
    executable_code: Obj<Code<'a>>,
    #[serde(borrow)]
    code_execution_result: Obj<Outcome<'a>>,
    tool_call: Filled,
    tool_response: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Blob<'a> {
    #[serde(borrow)]
    mime_type: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File<'a> {
    #[serde(borrow)]
    mime_type: Text<'a>,
    #[serde(borrow)]
    file_uri: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Code<'a> {
    #[serde(borrow)]
    language: Text<'a>,
    #[serde(borrow)]
    code: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome<'a> {
    #[serde(borrow)]
    output: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow)]
    block_reason: Text<'a>,
}

type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// Most candidates of an answer; the API's limit is 8.
const CANDIDATES_LIMIT: u64 = 128;

/// Follows one stream.
#[derive(Debug, Default)]
pub(in super::super) struct Decoder {
    started: bool,
    /// The answer's id, for the ids of calls that have none.
    id: String,
    choices: Vec<Choice>,
}

/// What is known of a candidate so far.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    calls: u32,
    /// Blocks of thought begun.
    items: u32,
    /// The last of them is still open.
    thinking: bool,
    stop: Option<Stop<'static>>,
}

impl Decoder {
    pub(in super::super) fn read(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        let data = data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|error| DecodeError::syntax(&error))?;
        if !self.started {
            self.started = true;
            let id = chunk.response_id.0.unwrap_or_default();
            self.id = id.clone().into_owned();
            let created = chunk.create_time.get().and_then(seconds);
            sink(Event::Start { id, model: chunk.model_version.0.unwrap_or_default(), created });
        }
        for candidate in chunk.candidates.0 {
            if candidate.index.count() >= CANDIDATES_LIMIT {
                let reason = format!("must be below {CANDIDATES_LIMIT}");
                return Err(DecodeError::Value { path: "candidates[].index".to_owned(), reason });
            }
            self.candidate(candidate, sink);
        }
        let blocked = chunk.prompt_feedback.0.and_then(|feedback| feedback.block_reason.0);
        if let Some(stop) = blocked.and_then(finish::blocked) {
            self.choice(0).stop.get_or_insert(finish::owned(stop));
        }
        if let Some(usage) = chunk.usage_metadata.0 {
            sink(Event::Usage(usage.usage()));
        }
        Ok(())
    }

    pub(in super::super) fn finish(&mut self, sink: &mut Sink<'_>) {
        if !self.started {
            self.started = true;
            sink(Event::Start { id: Cow::Borrowed(""), model: Cow::Borrowed(""), created: None });
        }
        for choice in &mut self.choices {
            if let Some(reason) = choice.stop.take() {
                // Gemini says `STOP` also where tools are to be called.
                let reason = if reason == Stop::End && choice.calls > 0 { Stop::ToolCalls } else { reason };
                sink(Event::Stop { choice: choice.index, reason });
            }
        }
        sink(Event::End);
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = self.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            self.choices.push(Choice { index, ..Choice::default() });
            self.choices.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
        &mut self.choices[at]
    }

    fn candidate(&mut self, candidate: Candidate<'_>, sink: &mut Sink<'_>) {
        let index = u32::try_from(candidate.index.count()).unwrap_or(u32::MAX);
        let id = std::mem::take(&mut self.id);
        let choice = self.choice(index);
        for part in candidate.content.0.map(|content| content.parts.0).unwrap_or_default() {
            choice.part(part, &id, sink);
        }
        if let Some(stop) = candidate.finish_reason.0.and_then(|reason| finish::read(reason, false)) {
            // The first reason that says something counts.
            choice.stop.get_or_insert(finish::owned(stop));
        }
        self.id = id;
        for (Filled(there), name) in [
            (candidate.grounding_metadata, "groundingMetadata"),
            (candidate.citation_metadata, "citationMetadata"),
            (candidate.url_context_metadata, "urlContextMetadata"),
            (candidate.logprobs_result, "logprobsResult"),
        ] {
            if there {
                sink(Event::Lost(format!("candidates[{index}].{name}")));
            }
        }
    }
}

impl Choice {
    fn part(&mut self, mut part: Part<'_>, answer: &str, sink: &mut Sink<'_>) {
        let choice = self.index;
        let mut state = part.thought_signature.0.take().filter(|text| !text.is_empty()).map(signature::found);
        if let Some(call) = part.function_call.0 {
            self.thinking = false;
            let position = self.calls;
            self.calls += 1;
            let name = call.name.0.unwrap_or_default();
            let id = call.id.0.filter(|id| !id.is_empty()).unwrap_or_else(|| self.call_id(&name, answer));
            sink(Event::ToolStart { choice, call: position, id, name, state: state.take() });
            let arguments = call.args.map_or("{}", RawValue::get);
            let arguments = if arguments == "null" { "{}" } else { arguments };
            sink(Event::ToolArguments { choice, call: position, delta: Cow::Borrowed(arguments) });
            sink(Event::ToolEnd { choice, call: position });
        } else if part.thought.0 {
            if !self.thinking {
                (self.thinking, self.items) = (true, self.items + 1);
            }
            let item = self.items - 1;
            if let Some(delta) = part.text.0.filter(|text| !text.is_empty()) {
                sink(Event::Reasoning { choice, item, delta, summary: true });
            }
            if let Some(state) = state.take() {
                self.thinking = false;
                sink(Event::ReasoningState { choice, item, state, id: None });
            }
        } else if let Some(delta) = part.text.0 {
            self.text(delta, sink);
        } else {
            self.other(part, sink);
        }
        // A signature beside anything but a call or a thought is a block of hidden thought of its own.
        if let Some(state) = state {
            (self.thinking, self.items) = (false, self.items + 1);
            sink(Event::ReasoningState { choice, item: self.items - 1, state, id: None });
        }
    }

    /// An id as reading a whole answer makes it.
    fn call_id(&self, name: &str, answer: &str) -> Words<'static> {
        let position = self.calls.saturating_sub(1);
        if answer.is_empty() {
            let position = usize::try_from(position).unwrap_or(usize::MAX);
            return Cow::Owned(call_id(name, position));
        }
        match self.index {
            0 => Cow::Owned(format!("call_{answer}_{position}")),
            choice => Cow::Owned(format!("call_{answer}_{choice}_{position}")),
        }
    }

    fn text(&mut self, delta: Words<'_>, sink: &mut Sink<'_>) {
        if !delta.is_empty() {
            self.thinking = false;
            sink(Event::Text { choice: self.index, delta });
        }
    }

    fn other(&mut self, part: Part<'_>, sink: &mut Sink<'_>) {
        let choice = self.index;
        let typed = |source, media_type: Text<'_>, sink: &mut Sink<'_>| {
            let part = media::part(Media::new(source, media_type.0));
            sink(Event::Whole { choice, part });
        };
        if let Some(blob) = part.inline_data.0 {
            let data = base64::standard(blob.data.0.unwrap_or_default());
            typed(Source::Base64(data), blob.mime_type, sink);
        } else if let Some(file) = part.file_data.0 {
            typed(Source::Url(file.file_uri.0.unwrap_or_default()), file.mime_type, sink);
        } else if let Some(code) = part.executable_code.0 {
            let language = code.language.0.unwrap_or_default().to_ascii_lowercase();
            self.text(Cow::Owned(parts::fenced(&language, &code.code.0.unwrap_or_default())), sink);
        } else if let Some(result) = part.code_execution_result.0 {
            self.text(Cow::Owned(parts::fenced("", &result.output.0.unwrap_or_default())), sink);
        } else if part.tool_call.0 || part.tool_response.0 {
            let name = if part.tool_call.0 { "toolCall" } else { "toolResponse" };
            sink(Event::Lost(format!("candidates[{choice}].content.parts[].{name}")));
        }
    }
}
