//! Reading content blocks, of requests and of answers.

use super::formats::Kind;
use crate::Surface;
use crate::translate::DecodeError;
use crate::translate::fields::{Fields, Path, text};
use crate::translate::request::{
    Cache, Json, Media, Part, Source, Text, TextPart, Thought, ToolCall, ToolResult,
};
use crate::translate::state::{State, StateKind};
use std::borrow::Cow;

/// What a block of a request may be, for messages.
const BLOCKS: &str = "must have one of text, image, document, video, audio, toolUse, toolResult, guardContent, \
                      cachePoint, reasoningContent, citationsContent";

/// Whose blocks are read. A client's mistakes are refused; what a provider sends beyond what is known is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Client,
    Provider,
}

/// Reads a list of content blocks.
pub(super) fn read<'a>(
    blocks: Vec<Json<'a>>,
    path: &Path<'_>,
    whose: Whose,
    lost: &mut Vec<String>,
) -> Result<Vec<Part<'a>>, DecodeError> {
    let mut parts = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        let path = path.index(at);
        let mut fields = Fields::of(block, &path)?;
        if let Some(point) = fields.take("cachePoint") {
            if !mark(&mut parts, cache_point(point, &path.key("cachePoint"))?) {
                lost.push(path.key("cachePoint").to_string());
            }
        } else if !known(&mut fields, &mut parts, whose, lost)? {
            match whose {
                Whose::Client => return Err(DecodeError::value(&path, BLOCKS)),
                Whose::Provider => {
                    let member = fields.rest().next().map(|(name, _)| name);
                    lost.push(path.key(member.as_deref().unwrap_or("?")).to_string());
                    continue;
                }
            }
        }
        lost.extend(fields.rest().map(|(name, _)| path.key(&name).to_string()));
    }
    Ok(parts)
}

/// Reads a cache point: `{"type": "default", "ttl": "1h"}`.
pub(super) fn cache_point<'a>(point: Json<'a>, path: &Path<'_>) -> Result<Cache<'a>, DecodeError> {
    Ok(Cache { ttl: Fields::of(point, path)?.text("ttl")? })
}

/// Marks the last part; `false` if it cannot be marked.
pub(super) fn mark<'a>(parts: &mut [Part<'a>], cache: Cache<'a>) -> bool {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.cache = Some(cache),
        Some(Part::Image(media) | Part::Document(media) | Part::Audio(media) | Part::Video(media)) => {
            media.cache = Some(cache);
        }
        Some(Part::ToolCall(call)) => call.cache = Some(cache),
        Some(Part::ToolResult(result)) => result.cache = Some(cache),
        Some(Part::Reasoning(_) | Part::Refusal(_)) | None => return false,
    }
    true
}

/// Reads a block of a known kind; `false` if it is none.
fn known<'a>(
    fields: &mut Fields<'a, '_>,
    parts: &mut Vec<Part<'a>>,
    whose: Whose,
    lost: &mut Vec<String>,
) -> Result<bool, DecodeError> {
    let path = fields.path();
    if let Some(text) = fields.text("text")? {
        parts.push(Part::text(text));
    } else if let Some(value) = fields.take("toolUse") {
        parts.extend(tool_use(value, &path.key("toolUse"), lost)?);
    } else if let Some(value) = fields.take("toolResult") {
        parts.extend(tool_result(value, &path.key("toolResult"), whose, lost)?);
    } else if let Some(value) = fields.take("reasoningContent") {
        parts.extend(thought(value, &path.key("reasoningContent"), lost)?);
    } else if let Some(value) = fields.take("citationsContent") {
        parts.push(cited(value, &path.key("citationsContent"), lost)?);
    } else if let Some(value) = fields.take("guardContent") {
        parts.push(guarded(value, &path.key("guardContent"), lost)?);
    } else {
        return known_media(fields, parts, lost);
    }
    Ok(true)
}

fn known_media<'a>(
    fields: &mut Fields<'a, '_>,
    parts: &mut Vec<Part<'a>>,
    lost: &mut Vec<String>,
) -> Result<bool, DecodeError> {
    let path = fields.path();
    for kind in [Kind::Image, Kind::Document, Kind::Audio, Kind::Video] {
        if let Some(value) = fields.take(kind.member()) {
            let media = media(kind, value, &path.key(kind.member()), lost)?;
            parts.push(match kind {
                Kind::Image => Part::Image(media),
                Kind::Document => Part::Document(media),
                Kind::Audio => Part::Audio(media),
                Kind::Video => Part::Video(media),
            });
            return Ok(true);
        }
    }
    Ok(false)
}

/// A call. One the provider ran itself is nothing a client may run.
fn tool_use<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Option<Part<'a>>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    if fields.text("type")?.is_some() {
        lost.push(path.to_string());
        return Ok(None);
    }
    let arguments: Text<'a> = match fields.take("input") {
        None => Cow::Borrowed("{}"),
        // Broken JSON of the model may come as a text.
        Some(Json::Str(text)) => text,
        Some(value) => Cow::Owned(json_text(&value)),
    };
    Ok(Some(Part::ToolCall(ToolCall {
        id: fields.text("toolUseId")?.unwrap_or_default(),
        name: fields.required_text("name")?,
        arguments,
        state: None,
        cache: None,
    })))
}

fn tool_result<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    whose: Whose,
    lost: &mut Vec<String>,
) -> Result<Option<Part<'a>>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    if fields.text("type")?.is_some() {
        lost.push(path.to_string());
        return Ok(None);
    }
    let list = path.key("content");
    let mut parts = Vec::new();
    for (at, block) in fields.list("content")?.into_iter().enumerate() {
        let path = list.index(at);
        let mut fields = Fields::of(block, &path)?;
        if let Some(json) = fields.take("json") {
            parts.push(Part::text(json_text(&json)));
        } else if !known(&mut fields, &mut parts, whose, lost)? {
            let reason = "must have one of json, text, image, document, video";
            return Err(DecodeError::value(&path, reason));
        }
        lost.extend(fields.rest().map(|(name, _)| path.key(&name).to_string()));
    }
    Ok(Some(Part::ToolResult(ToolResult {
        id: fields.required_text("toolUseId")?,
        name: None,
        parts,
        is_error: fields.text("status")?.as_deref() == Some("error"),
        cache: None,
    })))
}

fn thought<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Option<Part<'a>>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let found = |kind, data| Some(State::found(Surface::Converse, kind, data));
    if let Some(data) = fields.text("redactedContent")? {
        let state = found(StateKind::Encrypted, data);
        return Ok(Some(Part::Reasoning(Thought { state, ..Thought::default() })));
    }
    let Some(value) = fields.take("reasoningText") else {
        lost.push(path.to_string());
        return Ok(None);
    };
    let path = path.key("reasoningText");
    let mut fields = Fields::of(value, &path)?;
    let text = fields.text("text")?.unwrap_or_default();
    let signature = fields.text("signature")?.filter(|signature| !signature.is_empty());
    let state = signature.and_then(|data| found(StateKind::Signature, data));
    Ok(Some(Part::Reasoning(Thought { text, state, ..Thought::default() })))
}

/// Text with citations; these stay as they are, for the way back.
fn cited<'a>(value: Json<'a>, path: &Path<'_>, lost: &mut Vec<String>) -> Result<Part<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let list = path.key("content");
    let mut whole: Text<'a> = Cow::Borrowed("");
    for (at, item) in fields.list("content")?.into_iter().enumerate() {
        let path = list.index(at);
        let mut fields = Fields::of(item, &path)?;
        match fields.text("text")? {
            Some(text) if whole.is_empty() => whole = text,
            Some(text) => whole.to_mut().push_str(&text),
            None => lost.push(path.to_string()),
        }
    }
    let annotations = fields.take("citations").filter(|list| list.as_array().is_none_or(|l| !l.is_empty()));
    Ok(Part::Text(TextPart { text: whole, annotations, ..TextPart::default() }))
}

/// Text a guardrail looks at. That it alone is looked at cannot be said elsewhere.
fn guarded<'a>(value: Json<'a>, path: &Path<'_>, lost: &mut Vec<String>) -> Result<Part<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    lost.push(path.to_string());
    match (fields.take("text"), fields.take("image")) {
        (Some(value), _) => {
            let path = path.key("text");
            Ok(Part::text(Fields::of(value, &path)?.required_text("text")?))
        }
        (None, Some(value)) => Ok(Part::Image(media(Kind::Image, value, &path.key("image"), lost)?)),
        (None, None) => Err(DecodeError::value(path, "must have text or image")),
    }
}

fn media<'a>(
    kind: Kind,
    value: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Media<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let format = fields.text("format")?;
    let known = format.as_deref().and_then(|format| kind.media_type(format));
    if let (Some(format), None) = (&format, known) {
        let reason = format!("must be one of {}, not {format:?}", kind.formats());
        return Err(DecodeError::value(&path.key("format"), reason));
    }
    let source_path = path.key("source");
    let source = fields.take("source").ok_or_else(|| DecodeError::missing(&source_path))?;
    let source = source_of(source, &source_path)?;
    let mut media = Media::new(source, known.map(Cow::Borrowed));
    if kind == Kind::Document {
        media.name = fields.text("name")?;
    }
    lost.extend(fields.rest().map(|(name, _)| path.key(&name).to_string()));
    Ok(media)
}

fn source_of<'a>(value: Json<'a>, path: &Path<'_>) -> Result<Source<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    if let Some(bytes) = fields.text("bytes")? {
        return Ok(Source::Base64(bytes));
    }
    if let Some(location) = fields.take("s3Location") {
        let path = path.key("s3Location");
        return Ok(Source::Url(Fields::of(location, &path)?.required_text("uri")?));
    }
    if let Some(text) = fields.text("text")? {
        return Ok(Source::Text(text));
    }
    let mut whole = String::new();
    let list = path.key("content");
    let chunks = fields.list("content")?;
    if chunks.is_empty() {
        return Err(DecodeError::value(path, "must have one of bytes, s3Location, text, content"));
    }
    for (at, chunk) in chunks.into_iter().enumerate() {
        let path = list.index(at);
        let chunk = Fields::of(chunk, &path)?.take("text").ok_or_else(|| DecodeError::missing(&path))?;
        whole.push_str(&text(chunk, &path.key("text"))?);
    }
    Ok(Source::Text(Cow::Owned(whole)))
}

/// JSON as text, without spaces.
pub(super) fn json_text(value: &Json<'_>) -> String {
    // Writing to memory cannot fail, and every key is a text.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
