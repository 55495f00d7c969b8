//! The response object and its items, as clients get them.

use super::super::answer::Stop;
use super::super::writer::Writer;
use crate::Usage;
use std::borrow::Cow;

/// Longest part of a provider's id that goes into ids of items: OpenAI takes ids of 64 bytes at most.
const ID_BYTES: usize = 40;

/// One item of the output.
#[derive(Clone, PartialEq)]
pub(super) struct Item<'a> {
    pub(super) id: String,
    pub(super) body: Body<'a>,
}

/// What an item holds.
#[derive(Clone, PartialEq)]
pub(super) enum Body<'a> {
    Message(Vec<Piece<'a>>),
    /// Thoughts stand in `summary`, also where they are the thoughts themselves: it is the one place from which common
    /// clients show them and send them back whole, and the signature beside them wants them unchanged.
    Reasoning {
        text: Cow<'a, str>,
        encrypted: Option<Cow<'a, str>>,
    },
    /// `custom`: the arguments are free text.
    Call {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        arguments: Cow<'a, str>,
        custom: bool,
    },
    /// `None` while it is made.
    Picture {
        data: Option<Cow<'a, str>>,
        format: Cow<'a, str>,
    },
}

/// A part of a message.
#[derive(Clone, PartialEq)]
pub(super) struct Piece<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) refusal: bool,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// With the reason.
    Incomplete(&'static str),
}

/// The members of the response object that do not change while it comes.
pub(super) struct Head<'h> {
    pub(super) id: &'h str,
    pub(super) created: u64,
    pub(super) model: &'h str,
    /// What is repeated of the request, as members.
    pub(super) repeated: &'h str,
}

impl Status {
    pub(super) fn of(stop: &Stop<'_>) -> Self {
        match stop {
            Stop::Length => Self::Incomplete("max_output_tokens"),
            Stop::Filtered(_) => Self::Incomplete("content_filter"),
            _ => Self::Completed,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
        }
    }
}

/// The id of a response: the provider's, with the prefix that clients expect.
pub(super) fn response_id(id: &str) -> String {
    if id.starts_with("resp_") { id.to_owned() } else { format!("resp_{id}") }
}

/// What of a response's id its items' ids are made of.
pub(super) fn id_stem(id: &str) -> String {
    let stem = id.strip_prefix("resp_").unwrap_or(id);
    let allowed = stem.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    allowed.take(ID_BYTES).collect()
}

impl Item<'_> {
    /// With an id made of the response's and the place in the output.
    pub(super) fn new<'a>(stem: &str, at: usize, body: Body<'a>) -> Item<'a> {
        let kind = match &body {
            Body::Message(_) => "msg",
            Body::Reasoning { .. } => "rs",
            Body::Call { custom: true, .. } => "ctc",
            Body::Call { .. } => "fc",
            Body::Picture { .. } => "ig",
        };
        Item { id: format!("{kind}_{stem}_{at}"), body }
    }

    pub(super) fn write(&self, w: &mut Writer, status: Status) {
        w.object(|w| {
            w.member("id", &self.id);
            match &self.body {
                Body::Message(pieces) => {
                    w.member("type", "message");
                    w.member("status", status.name());
                    w.member("role", "assistant");
                    w.member_array("content", |w| pieces.iter().for_each(|piece| piece.write(w)));
                }
                Body::Reasoning { text, encrypted } => {
                    w.member("type", "reasoning");
                    w.member_array("summary", |w| {
                        if !text.is_empty() {
                            write_summary(w, text);
                        }
                    });
                    w.optional("encrypted_content", encrypted.as_deref());
                }
                Body::Call { id, name, arguments, custom } => {
                    w.member("type", if *custom { "custom_tool_call" } else { "function_call" });
                    w.member("status", status.name());
                    w.member(if *custom { "input" } else { "arguments" }, arguments);
                    w.member("call_id", id);
                    w.member("name", name);
                }
                Body::Picture { data, format } => {
                    w.member("type", "image_generation_call");
                    // A picture is never there in part.
                    let status = data.as_ref().map_or(Status::InProgress, |_| Status::Completed);
                    w.member("status", status.name());
                    w.member("output_format", format);
                    w.member("result", data);
                }
            }
        });
    }
}

impl Piece<'_> {
    pub(super) fn write(&self, w: &mut Writer) {
        w.object(|w| {
            if self.refusal {
                w.member("type", "refusal");
                w.member("refusal", &self.text);
            } else {
                w.member("type", "output_text");
                w.member_array("annotations", |_| {});
                w.member_array("logprobs", |_| {});
                w.member("text", &self.text);
            }
        });
    }
}

/// A part of a reasoning item's summary.
pub(super) fn write_summary(w: &mut Writer, text: &str) {
    w.object(|w| {
        w.member("type", "summary_text");
        w.member("text", text);
    });
}

/// The response object.
pub(super) fn write_response<'i>(
    w: &mut Writer,
    head: &Head<'_>,
    status: Status,
    output: impl Iterator<Item = (&'i Item<'i>, Status)>,
    usage: Option<&Usage>,
) {
    w.object(|w| {
        w.member("id", head.id);
        w.member("object", "response");
        w.member("created_at", &head.created);
        w.member("status", status.name());
        w.member("error", &None::<&str>);
        match status {
            Status::Incomplete(reason) => {
                w.member_object("incomplete_details", |w| w.member("reason", reason));
            }
            _ => w.member("incomplete_details", &None::<&str>),
        }
        w.member("model", head.model);
        w.member_array("output", |w| output.for_each(|(item, status)| item.write(w, status)));
        match usage {
            Some(usage) => w.member_object("usage", |w| write_usage(w, usage)),
            None => w.member("usage", &None::<&str>),
        }
        w.raw(head.repeated);
    });
}

fn write_usage(w: &mut Writer, usage: &Usage) {
    let counted = |count: u64| (count > 0).then_some(count);
    w.member("input_tokens", &usage.input_tokens);
    w.member_object("input_tokens_details", |w| {
        w.member("cached_tokens", &usage.cached_tokens);
        w.member("cache_write_tokens", &usage.cache_write_tokens);
        w.optional("audio_tokens", counted(usage.input_audio_tokens));
        w.optional("image_tokens", counted(usage.input_image_tokens));
    });
    w.member("output_tokens", &usage.output_tokens);
    w.member_object("output_tokens_details", |w| {
        w.member("reasoning_tokens", &usage.reasoning_tokens);
        w.optional("audio_tokens", counted(usage.output_audio_tokens));
        w.optional("image_tokens", counted(usage.output_image_tokens));
    });
    w.member("total_tokens", &usage.input_tokens.saturating_add(usage.output_tokens));
    w.optional("cost", usage.cost);
    if let Some(cost) = usage.upstream_cost {
        w.member_object("cost_details", |w| w.member("upstream_inference_cost", &cost));
    }
}
