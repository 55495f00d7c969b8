//! Messages: those of a request, and the one in an answer.

use super::super::DecodeError;
use super::super::fields::{Fields, Path, text};
use super::super::request::{Json, Part, Request, Role, Text, TextPart, Thought, ToolCall, ToolResult, Turn};
use super::super::state::{State, StateKind};
use super::{below, details, is_empty, leftovers, lose, media};
use std::borrow::Cow;
use std::collections::HashMap;

/// Names of the functions called so far, by the id of the call.
type Names<'a> = HashMap<Text<'a>, Text<'a>>;

/// Reads `messages` into instructions and turns.
pub(super) fn read<'a>(fields: &mut Fields<'a, '_>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let path = fields.path().key("messages");
    let messages = match fields.take("messages") {
        None => return Err(DecodeError::missing(&path)),
        Some(Json::Array(messages)) if messages.is_empty() => {
            return Err(DecodeError::value(&path, "must have at least one message"));
        }
        Some(Json::Array(messages)) => messages,
        Some(other) => return Err(DecodeError::wrong(&path, "an array", &other)),
    };
    request.turns.reserve(messages.len());
    let mut names = Names::new();
    for (at, value) in messages.into_iter().enumerate() {
        message(value, &path.index(at), request, &mut names)?;
    }
    Ok(())
}

fn message<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    request: &mut Request<'a>,
    names: &mut Names<'a>,
) -> Result<(), DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let role = fields.required_text("role")?;
    let name = fields.text("name")?.filter(|name| !name.is_empty());
    let mut reader = Reader { lost: Vec::new(), lenient: false };
    let (role, parts, name) = match &*role {
        "system" | "developer" => {
            let parts = reader.marked_content(&mut fields)?;
            if request.turns.is_empty() {
                if name.is_some() {
                    reader.lost.push(below(path, "name"));
                }
                request.system.extend(parts);
                leftovers(fields, &mut reader.lost);
                request.lost.append(&mut reader.lost);
                return Ok(());
            }
            (Role::System, parts, name)
        }
        "user" => (Role::User, reader.marked_content(&mut fields)?, name),
        "assistant" => (Role::Assistant, reader.assistant(&mut fields)?, name),
        "tool" | "function" => {
            let id = fields.text("tool_call_id")?.unwrap_or_default();
            let name = name.or_else(|| names.get(&id).cloned());
            let parts = reader.marked_content(&mut fields)?;
            let result = ToolResult { id, name, parts, is_error: false, cache: None };
            (Role::User, vec![Part::ToolResult(result)], None)
        }
        _ => {
            let reason = "must be 'system', 'developer', 'user', 'assistant', 'tool' or 'function'";
            return Err(DecodeError::value(&path.key("role"), reason));
        }
    };
    leftovers(fields, &mut reader.lost);
    request.lost.append(&mut reader.lost);
    for part in &parts {
        if let Part::ToolCall(call) = part
            && !call.id.is_empty()
        {
            names.insert(call.id.clone(), call.name.clone());
        }
    }
    request.turns.push(Turn { role, parts, name });
    Ok(())
}

/// Reads what stands in a message.
pub(super) struct Reader {
    pub(super) lost: Vec<String>,
    /// Content nobody knows is lost instead of refused: so for a provider's answer.
    pub(super) lenient: bool,
}

impl Reader {
    /// `content`; a cache mark beside it belongs to its last part.
    fn marked_content<'a>(&mut self, fields: &mut Fields<'a, '_>) -> Result<Vec<Part<'a>>, DecodeError> {
        let mark = media::cache(fields)?;
        let mut parts = self.content(fields)?;
        if let (Some(mark), Some(last)) = (mark, parts.last_mut()) {
            match last {
                Part::Text(part) => part.cache = Some(mark),
                Part::Image(media) | Part::Document(media) | Part::Audio(media) | Part::Video(media) => {
                    media.cache = Some(mark);
                }
                _ => lose(&mut self.lost, below(fields.path(), "cache_control")),
            }
        }
        Ok(parts)
    }

    fn content<'a>(&mut self, fields: &mut Fields<'a, '_>) -> Result<Vec<Part<'a>>, DecodeError> {
        let path = fields.path().key("content");
        match fields.take("content") {
            None => Ok(Vec::new()),
            Some(Json::Str(text)) if text.is_empty() => Ok(Vec::new()),
            Some(Json::Str(text)) => Ok(vec![Part::text(text)]),
            Some(Json::Array(items)) => {
                let mut parts = Vec::with_capacity(items.len());
                for (at, item) in items.into_iter().enumerate() {
                    parts.extend(self.part(item, &path.index(at))?);
                }
                Ok(parts)
            }
            Some(other) => Err(DecodeError::wrong(&path, "a string or an array of parts", &other)),
        }
    }

    fn part<'a>(&mut self, value: Json<'a>, path: &Path<'_>) -> Result<Option<Part<'a>>, DecodeError> {
        if let Json::Str(text) = value {
            return Ok(Some(Part::text(text)));
        }
        let mut fields = Fields::of(value, path)?;
        let kind = fields.required_text("type")?;
        let cache = media::cache(&mut fields)?;
        let mut part = match &*kind {
            "text" => Part::text(fields.required_text("text")?),
            "image_url" => Part::Image(media::url(&mut fields, "image_url")?),
            "video_url" => Part::Video(media::url(&mut fields, "video_url")?),
            // Mistral's.
            "document_url" => {
                let mut document = media::url(&mut fields, "document_url")?;
                document.name = fields.text("document_name")?;
                Part::Document(document)
            }
            "input_audio" => Part::Audio(media::input_audio(&mut fields)?),
            "file" => media::file(&mut fields)?,
            "refusal" => Part::Refusal(fields.required_text("refusal")?),
            // Mistral's.
            "thinking" => Part::Reasoning(thinking(&mut fields)?),
            _ if self.lenient => {
                lose(&mut self.lost, path.to_string());
                return Ok(None);
            }
            _ => return Err(media::unknown_part(path)),
        };
        match &mut part {
            Part::Text(text) => text.cache = cache,
            Part::Image(media) | Part::Document(media) | Part::Audio(media) | Part::Video(media) => {
                media.cache = cache;
            }
            _ => {}
        }
        leftovers(fields, &mut self.lost);
        Ok(Some(part))
    }

    /// Everything an assistant says, in the order in which it came about: thoughts, text, calls.
    pub(super) fn assistant<'a>(
        &mut self,
        fields: &mut Fields<'a, '_>,
    ) -> Result<Vec<Part<'a>>, DecodeError> {
        let path = fields.path();
        let mut parts = self.thoughts(fields)?;
        parts.extend(self.marked_content(fields)?);
        let refusal = fields.text("refusal")?.filter(|text| !text.is_empty());
        parts.extend(refusal.map(Part::Refusal));
        let images = path.key("images");
        for (at, value) in fields.list("images")?.into_iter().enumerate() {
            let image = images.index(at);
            let mut inner = Fields::of(value, &image)?;
            parts.push(Part::Image(media::url(&mut inner, "image_url")?));
        }
        let calls = path.key("tool_calls");
        for (at, value) in fields.list("tool_calls")?.into_iter().enumerate() {
            let call = self.call(value, &calls.index(at))?;
            parts.extend(call.map(Part::ToolCall));
        }
        let legacy = path.key("function_call");
        if let Some(value) = fields.take("function_call") {
            parts.push(Part::ToolCall(self.function(value, &legacy, Text::default(), None)?));
        }
        if let Some(annotations) = fields.take("annotations").filter(|value| !is_empty(value)) {
            self.annotate(&mut parts, annotations, path);
        }
        Ok(parts)
    }

    /// Annotations stay with the last text of a client's message; nobody else has a form for those of an answer.
    fn annotate<'a>(&mut self, parts: &mut [Part<'a>], annotations: Json<'a>, path: &Path<'_>) {
        let text = parts.iter_mut().rev().find_map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        });
        match text {
            Some(TextPart { annotations: place, .. }) if !self.lenient => *place = Some(annotations),
            _ => lose(&mut self.lost, below(path, "annotations")),
        }
    }

    fn thoughts<'a>(&mut self, fields: &mut Fields<'a, '_>) -> Result<Vec<Part<'a>>, DecodeError> {
        let plain = match fields.text("reasoning_content")? {
            None => fields.text("reasoning")?,
            text => {
                drop(fields.take("reasoning"));
                text
            }
        };
        let plain = plain.filter(|text| !text.is_empty());
        let list = fields.list("reasoning_details")?;
        let mut thoughts = details::read(list, &fields.path().key("reasoning_details"), &mut self.lost)?;
        // The details have the same text, with what proves it.
        if let Some(text) = plain.filter(|_| thoughts.iter().all(|thought| thought.text.is_empty())) {
            match thoughts.first_mut() {
                Some(Thought { text: place, state: Some(state), .. })
                    if state.kind == StateKind::Signature =>
                {
                    *place = text;
                }
                _ => thoughts.insert(0, Thought { text, ..Thought::default() }),
            }
        }
        Ok(thoughts.into_iter().map(Part::Reasoning).collect())
    }

    fn call<'a>(&mut self, value: Json<'a>, path: &Path<'_>) -> Result<Option<ToolCall<'a>>, DecodeError> {
        let mut fields = Fields::of(value, path)?;
        let kind = fields.text("type")?.unwrap_or_default();
        if !kind.is_empty() && kind != "function" {
            if self.lenient {
                lose(&mut self.lost, path.to_string());
                return Ok(None);
            }
            return Err(DecodeError::value(&path.key("type"), "must be 'function'"));
        }
        let id = fields.text("id")?.unwrap_or_default();
        let state = thought_signature(&mut fields)?;
        drop(fields.take("index"));
        let inner = path.key("function");
        let value = fields.take("function").ok_or_else(|| DecodeError::missing(&inner))?;
        let call = self.function(value, &inner, id, state)?;
        leftovers(fields, &mut self.lost);
        Ok(Some(call))
    }

    fn function<'a>(
        &mut self,
        value: Json<'a>,
        path: &Path<'_>,
        id: Text<'a>,
        state: Option<State<'a>>,
    ) -> Result<ToolCall<'a>, DecodeError> {
        let mut fields = Fields::of(value, path)?;
        let name = fields.required_text("name")?;
        let arguments = match fields.take("arguments") {
            None => Cow::Borrowed(""),
            Some(Json::Str(text)) => text,
            // Some servers and clients write the object itself.
            Some(object @ Json::Object(_)) => Cow::Owned(serde_json::to_string(&object).unwrap_or_default()),
            Some(other) => return Err(DecodeError::wrong(&path.key("arguments"), "a string", &other)),
        };
        leftovers(fields, &mut self.lost);
        Ok(ToolCall { id, name, arguments, state, cache: None })
    }
}

/// Google's place for the state of a call: `extra_content.google.thought_signature`
/// (`ai.google.dev/gemini-api/docs/thought-signatures`).
fn thought_signature<'a>(fields: &mut Fields<'a, '_>) -> Result<Option<State<'a>>, DecodeError> {
    let path = fields.path().key("extra_content");
    let Some(value) = fields.take("extra_content") else { return Ok(None) };
    let inner = path.key("google");
    let Some(google) = Fields::of(value, &path)?.take("google") else { return Ok(None) };
    let data = Fields::of(google, &inner)?.text("thought_signature")?.filter(|data| !data.is_empty());
    Ok(data.map(|data| details::state(StateKind::Signature, "", data)))
}

/// `thinking`: a text, or a list of text parts.
fn thinking<'a>(fields: &mut Fields<'a, '_>) -> Result<Thought<'a>, DecodeError> {
    let path = fields.path().key("thinking");
    drop(fields.take("closed"));
    let mut thought = Thought::default();
    match fields.take("thinking") {
        None => {}
        Some(Json::Array(items)) => {
            for (at, item) in items.into_iter().enumerate() {
                let at = path.index(at);
                let value = Fields::of(item, &at)?.take("text").unwrap_or_default();
                thought.text.to_mut().push_str(&text(value, &at.key("text"))?);
            }
        }
        Some(value) => thought.text = text(value, &path)?,
    }
    Ok(thought)
}
