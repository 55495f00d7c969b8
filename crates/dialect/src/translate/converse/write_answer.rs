//! A whole answer in Converse's form.

use super::formats::Kind;
use super::write_blocks::reasoning_text;
use crate::translate::answer::{Answer, Stop};
use crate::translate::request::{Media, Part, Source, Thought, ToolCall};
use crate::translate::state::StateKind;
use crate::translate::writer::Writer;
use crate::translate::{AnswerContext, Translated};
use crate::{Surface, Usage};

/// Writes the first choice: there is no word for several. There are no `metrics`: nobody measured them.
pub(in crate::translate) fn write_answer(answer: &Answer<'_>, context: &AnswerContext<'_>) -> Translated {
    let mut lost: Vec<String> = (1..answer.choices.len()).map(|at| format!("choices[{at}]")).collect();
    let choice = answer.choices.first();
    let mut w = Writer::with_capacity(512);
    w.object(|w| {
        w.member_object("output", |w| {
            w.member_object("message", |w| {
                w.member("role", "assistant");
                w.member_array("content", |w| {
                    let parts = choice.map_or(&[][..], |choice| &choice.parts);
                    for (at, part) in parts.iter().enumerate() {
                        if !write_part(part, context, &mut lost, w) {
                            lost.push(format!("content[{at}]"));
                        }
                    }
                });
            });
        });
        let stop = choice.and_then(|choice| choice.stop.as_ref());
        w.member("stopReason", stop_reason(stop));
        if let Some(Stop::Sequence(Some(text))) = stop {
            w.member_object("additionalModelResponseFields", |w| w.member("stop_sequence", text));
        }
        if let Some(usage) = &answer.usage {
            w.member_object("usage", |w| write_usage(usage, w));
        }
    });
    Translated { body: w.finish(), lost }
}

/// Writes a part; `false` if it cannot be said.
fn write_part(part: &Part<'_>, context: &AnswerContext<'_>, lost: &mut Vec<String>, w: &mut Writer) -> bool {
    match part {
        Part::Text(text) => match &text.annotations {
            Some(citations) => w.object(|w| {
                w.member_object("citationsContent", |w| {
                    w.member_array("content", |w| w.object(|w| w.member("text", &text.text)));
                    w.member("citations", citations);
                });
            }),
            None => w.object(|w| w.member("text", &text.text)),
        },
        Part::Refusal(text) => w.object(|w| w.member("text", text)),
        Part::ToolCall(call) => write_call(call, lost, w),
        Part::Reasoning(thought) => write_thought(thought, context, w),
        Part::Image(Media { source: Source::Base64(data), media_type: Some(media_type), .. }) => {
            let Some(format) = Kind::Image.format(media_type) else { return false };
            w.object(|w| {
                w.member_object("image", |w| {
                    w.member("format", format);
                    w.member_object("source", |w| w.member("bytes", data));
                });
            });
        }
        _ => return false,
    }
    true
}

fn write_call(call: &ToolCall<'_>, lost: &mut Vec<String>, w: &mut Writer) {
    let text = call.arguments.trim();
    let object = text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    w.object(|w| {
        w.member_object("toolUse", |w| {
            w.member("toolUseId", &call.id);
            w.member("name", &call.name);
            match text {
                "" => w.key("input").raw("{}"),
                text if object => w.key("input").raw(text),
                // Broken JSON of the model is shown, not hidden.
                text => {
                    w.member_object("input", |w| w.member("_raw_arguments", text));
                    lost.push(format!("{}.arguments", call.name));
                }
            }
        });
    });
}

fn write_thought(thought: &Thought<'_>, context: &AnswerContext<'_>, w: &mut Writer) {
    let written = thought.state.as_ref().map(|state| state.written(Surface::Converse, context.provider));
    let encrypted = thought.state.as_ref().is_some_and(|state| state.kind == StateKind::Encrypted);
    w.object(|w| {
        if encrypted && thought.text.is_empty() {
            w.member_object("reasoningContent", |w| w.optional("redactedContent", written.as_deref()));
        } else {
            w.key("reasoningContent");
            reasoning_text(&thought.text, written.as_deref(), w);
        }
    });
}

fn stop_reason<'s>(stop: Option<&'s Stop<'_>>) -> &'s str {
    match stop {
        None | Some(Stop::End | Stop::Refusal | Stop::Pause) => "end_turn",
        Some(Stop::Length) => "max_tokens",
        Some(Stop::Sequence(_)) => "stop_sequence",
        Some(Stop::ToolCalls) => "tool_use",
        Some(Stop::Filtered(Some(word))) if *word == "guardrail_intervened" => "guardrail_intervened",
        Some(Stop::Filtered(_)) => "content_filtered",
        Some(Stop::Other(word)) => word,
    }
}

/// Bedrock counts what a cache gave beside the input.
fn write_usage(usage: &Usage, w: &mut Writer) {
    let beside = usage.cached_tokens.saturating_add(usage.cache_write_tokens);
    w.member("inputTokens", &usage.input_tokens.saturating_sub(beside));
    w.member("outputTokens", &usage.output_tokens);
    w.member("totalTokens", &usage.input_tokens.saturating_add(usage.output_tokens));
    w.member("cacheReadInputTokens", &usage.cached_tokens);
    w.member("cacheWriteInputTokens", &usage.cache_write_tokens);
}
