//! Writing the conversation for a provider.

use super::super::calls::CallIndex;
use super::super::request::{Cache, Media, Part, Request, Role, Source, TextPart, ToolResult, Turn};
use super::super::writer::Writer;
use super::super::{Target, Unsupported};
use super::write_assistant::Assistant;
use super::write_request::extends;
use super::{lose, media};
use crate::Surface;
use std::borrow::Cow;

/// What stands between texts that become one. Lists of texts are not written: DeepSeek's API and many local servers
/// refuse them, and know only a string.
const BETWEEN: &str = "\n\n";

/// Writes `messages`.
pub(super) struct Messages<'r> {
    pub(super) request: &'r Request<'r>,
    pub(super) from: Surface,
    pub(super) target: &'r Target<'r>,
    pub(super) lost: Vec<String>,
    /// Calls so far, over the whole conversation, and the ids the provider gets for them.
    pub(super) calls: CallIndex<'r>,
    pub(super) ids: Vec<Cow<'r, str>>,
    /// What the results of tools cannot hold: it moves into the user's next message.
    pub(super) held: Vec<Held<'r>>,
}

/// A part of another turn, with what introduces it.
pub(super) struct Held<'r> {
    pub(super) intro: Option<String>,
    pub(super) part: &'r Part<'r>,
}

/// Whether the target reads cache marks.
pub(super) fn marks(target: &Target<'_>) -> bool {
    extends(target, "cache_control")
}

/// `cache_control` of a part or a tool.
pub(super) fn cache_control(w: &mut Writer, cache: &Cache<'_>) {
    w.member_object("cache_control", |w| {
        w.member("type", "ephemeral");
        w.optional("ttl", cache.ttl.as_ref());
    });
}

impl<'r> Messages<'r> {
    pub(super) fn new(request: &'r Request<'r>, from: Surface, target: &'r Target<'r>) -> Self {
        Self {
            request,
            from,
            target,
            lost: Vec::new(),
            calls: CallIndex::default(),
            ids: Vec::new(),
            held: Vec::new(),
        }
    }

    /// The list of messages as the next value.
    pub(super) fn write(&mut self, w: &mut Writer) -> Result<(), Unsupported> {
        let mut written = Ok(());
        w.array(|w| written = self.turns(w));
        written
    }

    fn turns(&mut self, w: &mut Writer) -> Result<(), Unsupported> {
        if !self.request.system.is_empty() {
            let parts: Vec<_> = self.request.system.iter().collect();
            self.message(w, "system", None, &parts)?;
        }
        let turns = &self.request.turns;
        let mut at = 0;
        while let Some(turn) = turns.get(at) {
            let from = at;
            at += 1;
            match turn.role {
                Role::User => self.user(w, turn, from)?,
                Role::System => {
                    self.flush(w)?;
                    let parts: Vec<_> = turn.parts.iter().collect();
                    self.message(w, "system", turn.name.as_deref(), &parts)?;
                }
                Role::Assistant => {
                    self.flush(w)?;
                    while turns.get(at - 1..=at).is_some_and(joins) {
                        at += 1;
                    }
                    let run = turns.get(from..at).unwrap_or_default();
                    Assistant::write(self, w, run, from)?;
                }
            }
        }
        self.flush(w)
    }

    /// Results first, one message each; then what else the user says.
    fn user(&mut self, w: &mut Writer, turn: &'r Turn<'r>, at: usize) -> Result<(), Unsupported> {
        let mut rest = Vec::new();
        for (number, part) in turn.parts.iter().enumerate() {
            match part {
                Part::ToolResult(result) => self.result(w, result, (at, number)),
                Part::ToolCall(_) | Part::Reasoning(_) => self.lose_part(at, number, ""),
                part => rest.push(part),
            }
        }
        if rest.is_empty() && !turn.parts.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.message_with(w, "user", turn.name.as_deref(), &held, &rest)
    }

    /// What was held, as a message of its own.
    fn flush(&mut self, w: &mut Writer) -> Result<(), Unsupported> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.message_with(w, "user", None, &held, &[])
    }

    fn result(&mut self, w: &mut Writer, result: &'r ToolResult<'r>, (turn, number): (usize, usize)) {
        let id = self.answered(result);
        if result.is_error {
            self.lose_part(turn, number, "is_error");
        }
        let mut texts: Vec<&TextPart<'r>> = Vec::new();
        let mut documents = Vec::new();
        let mut introduced = false;
        for part in &result.parts {
            match part {
                Part::Text(text) => texts.push(text),
                Part::Document(Media { source: Source::Text(_), .. }) => documents.push(part),
                Part::Image(_) | Part::Document(_) | Part::Audio(_) | Part::Video(_) => {
                    let intro = (!introduced).then(|| format!("From the result of tool call {id}:"));
                    introduced = true;
                    self.held.push(Held { intro, part });
                }
                _ => self.lose_part(turn, number, "content"),
            }
        }
        let moved = texts.is_empty() && documents.is_empty() && !result.parts.is_empty();
        let mark = result.cache.as_ref().or_else(|| texts.iter().find_map(|text| text.cache.as_ref()));
        let mut content: Vec<Cow<'_, str>> = texts.iter().map(|text| Cow::Borrowed(&*text.text)).collect();
        content.extend(documents.into_iter().filter_map(as_text));
        if moved {
            content.push(Cow::Borrowed("The result is in the next message."));
        }
        let content = content.join(BETWEEN);
        let mark = self.mark(mark);
        w.object(|w| {
            w.member("role", "tool");
            w.member("tool_call_id", &*id);
            match mark {
                None => w.member("content", &content),
                Some(mark) => w.member_array("content", |w| {
                    w.object(|w| {
                        w.member("type", "text");
                        w.member("text", &content);
                        cache_control(w, mark);
                    });
                }),
            }
        });
    }

    /// The id of the call that a result answers: its own, else that of the first call of its name without an answer.
    fn answered(&mut self, result: &'r ToolResult<'r>) -> Cow<'r, str> {
        let at = match (&*result.id, result.name.as_deref()) {
            ("", None) => self.calls.open(),
            ("", Some(name)) => self.calls.open_of_name(name),
            (id, _) => self.calls.open_of_id(id),
        };
        match at.and_then(|at| self.ids.get(at).map(|id| (at, id.clone()))) {
            Some((at, id)) => {
                self.calls.answer(at);
                id
            }
            None if result.id.is_empty() => {
                let name = result.name.as_deref().unwrap_or("unknown");
                Cow::Owned(super::super::call_id(name, self.calls.len()))
            }
            None => Cow::Borrowed(&*result.id),
        }
    }

    fn message(
        &mut self,
        w: &mut Writer,
        role: &str,
        name: Option<&str>,
        parts: &[&'r Part<'r>],
    ) -> Result<(), Unsupported> {
        self.message_with(w, role, name, &[], parts)
    }

    fn message_with(
        &mut self,
        w: &mut Writer,
        role: &str,
        name: Option<&str>,
        held: &[Held<'r>],
        parts: &[&'r Part<'r>],
    ) -> Result<(), Unsupported> {
        let mut written = Ok(());
        let texts = if held.is_empty() { self.as_texts(parts) } else { None };
        w.object(|w| {
            w.member("role", role);
            match texts {
                Some(texts) => w.member("content", &texts),
                None => w.member_array("content", |w| {
                    for held in held {
                        if let Some(intro) = &held.intro {
                            text_part(w, intro, None);
                        }
                        written = std::mem::replace(&mut written, Ok(())).and(self.part(w, held.part));
                    }
                    for part in parts {
                        written = std::mem::replace(&mut written, Ok(())).and(self.part(w, part));
                    }
                }),
            }
            w.optional("name", name);
        });
        written
    }

    /// All of it as one text, if it is nothing but text and no mark has to be kept.
    fn as_texts(&mut self, parts: &[&'r Part<'r>]) -> Option<Cow<'r, str>> {
        let marked = |part: &&&Part<'_>| matches!(part, Part::Text(TextPart { cache: Some(_), .. }));
        if marks(self.target) && parts.iter().any(|part| marked(&part)) {
            return None;
        }
        let mut texts = Vec::with_capacity(parts.len());
        for part in parts {
            texts.push(as_text(part)?);
        }
        if parts.iter().any(|part| marked(&part)) {
            lose(&mut self.lost, "cache_control");
        }
        match texts.len() {
            1 => texts.pop(),
            _ => Some(Cow::Owned(texts.join(BETWEEN))),
        }
    }

    /// A mark, if the target reads such.
    pub(super) fn mark<'c>(&mut self, cache: Option<&'c Cache<'c>>) -> Option<&'c Cache<'c>> {
        if cache.is_some() && !marks(self.target) {
            lose(&mut self.lost, "cache_control");
            return None;
        }
        cache
    }

    fn part(&mut self, w: &mut Writer, part: &'r Part<'r>) -> Result<(), Unsupported> {
        match part {
            Part::Text(text) => {
                let mark = self.mark(text.cache.as_ref());
                text_part(w, &text.text, mark);
            }
            Part::Refusal(text) => text_part(w, text, None),
            Part::Image(media) => {
                let url = media::written_url(media, "image/png", "a picture")?;
                self.media(w, "image_url", media, |w| {
                    w.member("url", &*url);
                    w.optional("detail", media.detail.as_ref());
                });
            }
            Part::Audio(media) => {
                let Source::Base64(data) = &media.source else {
                    return Err(Unsupported("sound that is not in the request itself".into()));
                };
                let format = media::audio_format(media)?;
                self.media(w, "input_audio", media, |w| {
                    w.member("data", data);
                    w.member("format", format);
                });
            }
            Part::Video(media) => {
                if self.target.provider != "openrouter" && !extends(self.target, "video_url") {
                    return Err(Unsupported("a film".into()));
                }
                let url = media::written_url(media, "video/mp4", "a film")?;
                self.media(w, "video_url", media, |w| w.member("url", &*url));
            }
            Part::Document(media) => match as_text(part) {
                Some(text) => {
                    let mark = self.mark(media.cache.as_ref());
                    text_part(w, &text, mark);
                }
                None => self.document(w, media)?,
            },
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) => {}
        }
        Ok(())
    }

    fn document(&mut self, w: &mut Writer, document: &'r Media<'r>) -> Result<(), Unsupported> {
        let openrouter = self.target.provider == "openrouter";
        let openai = matches!(self.from, Surface::ChatCompletions | Surface::Responses);
        if let Source::FileId(id) = &document.source
            && openai
            && self.target.provider == "openai"
        {
            self.media(w, "file", document, |w| w.member("file_id", id));
            return Ok(());
        }
        if matches!(document.source, Source::Url(_)) && !openrouter {
            return Err(Unsupported("a document at a web address".into()));
        }
        let url = media::written_url(document, "application/pdf", "a document")?;
        self.media(w, "file", document, |w| {
            w.member("filename", document.name.as_deref().unwrap_or("document.pdf"));
            w.member("file_data", &*url);
        });
        Ok(())
    }

    fn media(&mut self, w: &mut Writer, kind: &str, media: &Media<'_>, inside: impl FnOnce(&mut Writer)) {
        let mark = self.mark(media.cache.as_ref());
        w.object(|w| {
            w.member("type", kind);
            w.member_object(kind, inside);
            if let Some(mark) = mark {
                cache_control(w, mark);
            }
        });
    }

    /// Names a member of a part as the client wrote it. Where parts do not stand in a list of their own, or the number
    /// of the turn is not that of the message, no number is better than a wrong one.
    pub(super) fn lose_part(&mut self, turn: usize, part: usize, member: &str) {
        let mut path = match self.from {
            Surface::Messages => format!("messages[{turn}].content[{part}]"),
            Surface::GenerateContent => format!("contents[{turn}].parts[{part}]"),
            Surface::Responses => "input[]".to_owned(),
            _ => "messages[]".to_owned(),
        };
        if !member.is_empty() {
            path.push('.');
            path.push_str(member);
        }
        lose(&mut self.lost, path);
    }
}

/// Whether two neighbours of the assistant are one message: what leads to a call stands with it.
fn joins(pair: &[Turn<'_>]) -> bool {
    let [first, second] = pair else { return false };
    let acts = |turn: &Turn<'_>| {
        turn.parts.iter().any(|part| matches!(part, Part::ToolCall(_) | Part::Reasoning(_)))
    };
    second.role == Role::Assistant && first.name == second.name && (acts(first) || acts(second))
}

/// What is text, or a document of text.
pub(super) fn as_text<'p>(part: &'p Part<'_>) -> Option<Cow<'p, str>> {
    match part {
        Part::Text(text) => Some(Cow::Borrowed(&text.text)),
        Part::Refusal(text) => Some(Cow::Borrowed(text)),
        Part::Document(Media { source: Source::Text(text), name, .. }) => Some(match name {
            Some(name) => Cow::Owned(format!("{name}{BETWEEN}{text}")),
            None => Cow::Borrowed(text),
        }),
        _ => None,
    }
}

pub(super) fn text_part(w: &mut Writer, text: &str, mark: Option<&Cache<'_>>) {
    w.object(|w| {
        w.member("type", "text");
        w.member("text", text);
        if let Some(mark) = mark {
            cache_control(w, mark);
        }
    });
}
