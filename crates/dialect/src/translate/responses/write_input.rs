//! The conversation as items.

use super::super::calls::CallIndex;
use super::super::error::Unsupported;
use super::super::request::{
    Cache, Media, Part, Request, Role, Source, TextPart, Thought, ToolCall, ToolResult, Turn,
};
use super::super::writer::Writer;
use super::super::{Target, call_id};
use super::free_text;
use super::write_request::{Field, is_content, name};
use crate::{Format, Surface};
use std::borrow::Cow;
use std::collections::HashSet;

/// Longest `call_id`, in characters (OpenAI's OpenAPI file, `FunctionCallOutputItemParam`).
const CALL_ID_LIMIT: usize = 64;

/// Writes turns as items.
pub(super) struct Items<'r, 'a> {
    request: &'r Request<'a>,
    from: Surface,
    target: &'r Target<'r>,
    lost: &'r mut Vec<String>,
    calls: Vec<Call<'r>>,
    index: CallIndex<'r>,
    /// Names of tools that take free text.
    custom: HashSet<&'r str>,
    pictures: usize,
}

/// A call that was written.
struct Call<'r> {
    id: Cow<'r, str>,
    custom: bool,
}

/// The text of a part that is nothing but text.
pub(super) fn plain_text<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match part {
        Part::Text(TextPart { text, cache: None, annotations: None }) => Some(text),
        _ => None,
    }
}

impl<'r, 'a> Items<'r, 'a> {
    pub(super) fn new(
        request: &'r Request<'a>,
        from: Surface,
        target: &'r Target<'r>,
        lost: &'r mut Vec<String>,
    ) -> Self {
        let custom = request.custom.iter().map(|custom| &*custom.name).collect();
        let index = CallIndex::default();
        Self { request, from, target, lost, calls: Vec::new(), index, custom, pictures: 0 }
    }

    /// Writes everything, but for the first `written` parts of the instructions.
    pub(super) fn write(mut self, w: &mut Writer, written: usize) -> Result<(), Unsupported> {
        let system = self.request.system.get(written..).unwrap_or_default();
        if !system.is_empty() {
            self.message(w, "system", system, "system")?;
        }
        for (at, turn) in self.request.turns.iter().enumerate() {
            self.own(w, at);
            self.turn(w, turn, at)?;
        }
        self.own(w, self.request.turns.len());
        Ok(())
    }

    /// Items that only this dialect has, when the client speaks it too.
    fn own(&self, w: &mut Writer, before: usize) {
        if self.from == Surface::Responses {
            // They stand in the order of the turns.
            let own = &self.request.own;
            let own = own.get(own.partition_point(|own| own.before < before)..).unwrap_or_default();
            let own = own.iter().take_while(|own| own.before == before);
            own.for_each(|own| w.value(&own.item));
        }
    }

    fn turn(&mut self, w: &mut Writer, turn: &'r Turn<'a>, at: usize) -> Result<(), Unsupported> {
        let path = self.path(at);
        if turn.name.is_some() {
            self.lost.push(format!("{path}.name"));
        }
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => "system",
        };
        let mut parts = turn.parts.as_slice();
        while let Some((first, rest)) = parts.split_first() {
            parts = rest;
            match first {
                Part::ToolCall(call) => self.call(w, call, &path),
                Part::ToolResult(result) => self.result(w, result, &path)?,
                Part::Reasoning(thought) => parts = self.thoughts(w, thought, rest, &path),
                Part::Image(picture) if turn.role == Role::Assistant => self.picture(w, picture, &path)?,
                _ => {
                    let picture =
                        |part: &Part<'_>| turn.role == Role::Assistant && matches!(part, Part::Image(_));
                    let more = rest.iter().take_while(|part| is_content(part) && !picture(part)).count();
                    let from = turn.parts.len() - rest.len() - 1;
                    let message = turn.parts.get(from..=from + more).unwrap_or_default();
                    self.message(w, role, message, &path)?;
                    parts = rest.get(more..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    /// Where a turn stands in the client's body, as far as that can still be told.
    fn path(&self, at: usize) -> String {
        match self.from {
            Surface::Responses => format!("input[{at}]"),
            Surface::GenerateContent => format!("contents[{at}]"),
            Surface::Messages | Surface::CountTokens | Surface::Converse => format!("messages[{at}]"),
            // Its instructions are messages too.
            _ => format!("messages[{}]", at + self.request.system.len()),
        }
    }

    fn message(
        &mut self,
        w: &mut Writer,
        role: &str,
        parts: &[Part<'_>],
        path: &str,
    ) -> Result<(), Unsupported> {
        let mut result = Ok(());
        w.object(|w| {
            w.member("role", role);
            match parts {
                [part] if plain_text(part).is_some() => {
                    w.member("content", plain_text(part).unwrap_or_default());
                }
                parts => w.member_array("content", |w| {
                    result =
                        parts.iter().try_for_each(|part| self.content(w, part, role == "assistant", path));
                }),
            }
        });
        result
    }

    fn content(
        &mut self,
        w: &mut Writer,
        part: &Part<'_>,
        answer: bool,
        path: &str,
    ) -> Result<(), Unsupported> {
        match part {
            Part::Text(text) => self.text(w, text, answer),
            Part::Refusal(refusal) if answer => w.object(|w| {
                w.member("type", "refusal");
                w.member("refusal", refusal);
            }),
            Part::Refusal(text) => {
                self.text(w, &TextPart { text: text.clone(), ..TextPart::default() }, false)
            }
            Part::Image(image) => {
                let Some((member, source)) =
                    self.source(image, ["image_url", "image_url", "file_id"], path)?
                else {
                    return Err(Unsupported(format!("a picture in {path} that is text")));
                };
                let cache = self.cache(image.cache.as_ref());
                w.object(|w| {
                    w.member("type", "input_image");
                    w.member("detail", image.detail.as_deref().unwrap_or("auto"));
                    w.member(member, &*source);
                    write_cache(w, cache);
                });
            }
            Part::Document(document) => self.document(w, document, path)?,
            Part::Audio(audio) => self.audio(w, audio, path)?,
            Part::Video(_) => return Err(Unsupported(format!("video in {path}"))),
            // Never inside of a message.
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) => {}
        }
        Ok(())
    }

    fn text(&mut self, w: &mut Writer, text: &TextPart<'_>, answer: bool) {
        let cache = if answer { None } else { self.cache(text.cache.as_ref()) };
        let own = self.from == Surface::Responses;
        w.object(|w| {
            w.member("type", if answer { "output_text" } else { "input_text" });
            w.member("text", &text.text);
            if answer {
                match &text.annotations {
                    Some(annotations) if own => w.member("annotations", annotations),
                    _ => w.member_array("annotations", |_| {}),
                }
            }
            write_cache(w, cache);
        });
    }

    fn document(&mut self, w: &mut Writer, document: &Media<'_>, path: &str) -> Result<(), Unsupported> {
        if let Source::Text(text) = &document.source {
            // Text may stand for itself; its title has no place.
            if document.name.is_some() {
                self.lost.push(format!("{path}.title"));
            }
            let cache = document.cache.clone();
            self.text(w, &TextPart { text: text.clone(), cache, annotations: None }, false);
            return Ok(());
        }
        let Some((member, source)) = self.source(document, ["file_data", "file_url", "file_id"], path)?
        else {
            return Ok(());
        };
        let cache = self.cache(document.cache.as_ref());
        w.object(|w| {
            w.member("type", "input_file");
            match (&document.name, member) {
                (Some(name), "file_data" | "file_url") => w.member("filename", name),
                // Data want a name, of which the kind is told.
                (None, "file_data") => w.member("filename", usual_name(document.media_type.as_deref())),
                _ => {}
            }
            w.member(member, &*source);
            w.optional("detail", document.detail.as_deref());
            write_cache(w, cache);
        });
        Ok(())
    }

    /// Under which member a medium stands, and how; `None` for plain text.
    fn source<'m>(
        &self,
        media: &'m Media<'_>,
        [data, url, id]: [&'static str; 3],
        path: &str,
    ) -> Result<Option<(&'static str, Cow<'m, str>)>, Unsupported> {
        let default = if data == "file_data" { "application/pdf" } else { "image/png" };
        Ok(Some(match &media.source {
            Source::Base64(_) => (data, Cow::Owned(media.data_url(default).unwrap_or_default())),
            Source::Url(address) if address.starts_with("http:") || address.starts_with("https:") => {
                (url, Cow::Borrowed(&**address))
            }
            Source::Url(_) => {
                return Err(Unsupported(format!("a file in {path} whose address is not https")));
            }
            Source::FileId(file) if self.from.format() == Format::OpenAi => (id, Cow::Borrowed(&**file)),
            Source::FileId(_) => {
                return Err(Unsupported(format!("a file in {path} that another provider keeps")));
            }
            Source::Text(_) => return Ok(None),
        }))
    }

    fn audio(&mut self, w: &mut Writer, audio: &Media<'_>, path: &str) -> Result<(), Unsupported> {
        let kind = audio.media_type.as_deref().unwrap_or("audio/wav");
        let format = match kind.split(';').next().unwrap_or_default().trim() {
            "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
            "audio/mpeg" | "audio/mp3" => "mp3",
            _ => return Err(Unsupported(format!("sound in {path} that is neither wav nor mp3"))),
        };
        let Source::Base64(data) = &audio.source else {
            return Err(Unsupported(format!("sound in {path} that is not in the request itself")));
        };
        w.object(|w| {
            w.member("type", "input_audio");
            w.member_object("input_audio", |w| {
                w.member("data", data);
                w.member("format", format);
            });
        });
        Ok(())
    }

    /// A picture the model made: an item of its own, which only its maker takes back.
    fn picture(&mut self, w: &mut Writer, picture: &Media<'_>, path: &str) -> Result<(), Unsupported> {
        let (Source::Base64(data), Surface::Responses) = (&picture.source, self.from) else {
            return Err(Unsupported(format!("a picture of the assistant in {path}")));
        };
        w.object(|w| {
            w.member("type", "image_generation_call");
            w.member("id", &format!("ig_{}", self.pictures));
            w.member("status", "completed");
            w.member("result", data);
        });
        self.pictures += 1;
        Ok(())
    }

    fn call(&mut self, w: &mut Writer, call: &'r ToolCall<'a>, path: &str) {
        let id = match &*call.id {
            "" => Cow::Owned(call_id(&call.name, self.calls.len())),
            id => Cow::Borrowed(id),
        };
        let written = match id.chars().count() {
            ..=CALL_ID_LIMIT => id.clone(),
            _ => Cow::Owned(format!("call_at_{}", self.calls.len())),
        };
        if call.state.is_some() {
            self.lost.push(format!("{path}.thoughtSignature"));
        }
        self.note_cache(call.cache.as_ref());
        let own = self.from == Surface::Responses;
        let custom = own && self.custom.contains(&*call.name);
        w.object(|w| {
            w.member("type", if custom { "custom_tool_call" } else { "function_call" });
            w.member("call_id", &written);
            w.member("name", &call.name);
            match (custom, &*call.arguments) {
                (true, arguments) => w.member("input", &*free_text(arguments)),
                (false, "") => w.member("arguments", "{}"),
                (false, arguments) => w.member("arguments", arguments),
            }
        });
        self.index.add(id, Cow::Borrowed(&*call.name));
        self.calls.push(Call { id: written, custom });
    }

    fn result(&mut self, w: &mut Writer, result: &ToolResult<'_>, path: &str) -> Result<(), Unsupported> {
        let at = match (&*result.id, result.name.as_deref()) {
            ("", None) => self.index.open(),
            ("", Some(name)) => self.index.open_of_name(name),
            (id, _) => self.index.first_of_id(id),
        };
        let (id, custom) = match at.and_then(|at| Some((at, self.calls.get(at)?))) {
            Some((at, call)) => {
                self.index.answer(at);
                (call.id.clone().into_owned(), call.custom)
            }
            None if result.id.is_empty() => (call_id(result.name.as_deref().unwrap_or("tool"), 0), false),
            None => (result.id.clone().into_owned(), false),
        };
        if result.is_error {
            self.lost.push(format!("{path}.is_error"));
        }
        self.note_cache(result.cache.as_ref());
        let mut written = Ok(());
        w.object(|w| {
            w.member("type", if custom { "custom_tool_call_output" } else { "function_call_output" });
            w.member("call_id", &id);
            match result.parts.as_slice() {
                [] => w.member("output", ""),
                [part] if plain_text(part).is_some() => {
                    w.member("output", plain_text(part).unwrap_or_default());
                }
                parts => w.member_array("output", |w| {
                    written = parts.iter().try_for_each(|part| self.content(w, part, false, path));
                }),
            }
        });
        written
    }

    /// Thoughts that came of one item become one again. Thoughts without state that this provider issued say nothing
    /// to it, but are sent to one whose client has them from this dialect. What is left of the turn.
    fn thoughts<'p>(
        &mut self,
        w: &mut Writer,
        first: &'p Thought<'a>,
        mut rest: &'p [Part<'a>],
        path: &str,
    ) -> &'p [Part<'a>] {
        let mut group = vec![first];
        while let (Some(Thought { state: None, id, .. }), Some((Part::Reasoning(next), after))) =
            (group.last(), rest.split_first())
            && *id == next.id
        {
            group.push(next);
            rest = after;
        }
        let own = self.from == Surface::Responses;
        let encrypted = match group.last().and_then(|thought| thought.state.as_ref()) {
            None if own => None,
            None => {
                self.lost.push(format!("{path}.reasoning"));
                return rest;
            }
            Some(state) => {
                let issuer = state.provider.as_deref();
                let readable = state.surface == Surface::Responses
                    && issuer.is_none_or(|provider| provider == self.target.provider);
                if !readable {
                    self.lost.push(format!("{path}.reasoning"));
                    return rest;
                }
                Some(&*state.data)
            }
        };
        w.object(|w| {
            w.member("type", "reasoning");
            w.optional("id", first.id.as_deref());
            // Of thoughts with state the client has seen a summary, whatever its dialect calls it; OpenAI takes no other
            // text of its models.
            let is_summary = |thought: &Thought<'_>| thought.summary || !own;
            let texts = |summary: bool| {
                let texts = group.iter().filter(|thought| !thought.text.is_empty());
                texts.filter(move |thought| is_summary(thought) == summary)
            };
            w.member_array("summary", |w| texts(true).for_each(|thought| write_thought(w, thought, true)));
            if texts(false).next().is_some() {
                w.member_array("content", |w| {
                    texts(false).for_each(|thought| write_thought(w, thought, false))
                });
            }
            w.optional("encrypted_content", encrypted);
        });
        rest
    }

    /// A cache mark, where it can be written: only the newest models of OpenAI know it, and others refuse it.
    fn cache<'c>(&mut self, cache: Option<&'c Cache<'c>>) -> Option<&'c Cache<'c>> {
        let known = self.from == Surface::Responses
            || self.target.extensions.iter().any(|name| name == "prompt_cache_breakpoint");
        if !known {
            self.note_cache(cache);
        }
        cache.filter(|_| known)
    }

    /// Names cache marks as lost, once.
    fn note_cache(&mut self, cache: Option<&Cache<'_>>) {
        let name = name(self.from, Field::Cache);
        if cache.is_some() && !self.lost.iter().any(|lost| lost == name) {
            self.lost.push(name.to_owned());
        }
    }
}

fn write_cache(w: &mut Writer, cache: Option<&Cache<'_>>) {
    if let Some(cache) = cache {
        w.member_object("prompt_cache_breakpoint", |w| {
            w.member("mode", "explicit");
            // Only these exist here.
            w.optional("ttl", cache.ttl.as_deref().filter(|ttl| matches!(*ttl, "30m" | "12h")));
        });
    }
}

fn write_thought(w: &mut Writer, thought: &Thought<'_>, summary: bool) {
    w.object(|w| {
        w.member("type", if summary { "summary_text" } else { "reasoning_text" });
        w.member("text", &thought.text);
    });
}

fn usual_name(media_type: Option<&str>) -> &'static str {
    match media_type {
        Some("text/plain") => "document.txt",
        Some("text/csv") => "document.csv",
        Some("text/markdown") => "document.md",
        Some("text/html") => "document.html",
        _ => "document.pdf",
    }
}
