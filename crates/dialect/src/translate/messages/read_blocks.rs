//! Reading content blocks, of requests and of answers.

use super::super::error::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::request::{
    Cache, Json, Media, Part, Source, Text, TextPart, Thought, ToolCall, ToolResult,
};
use super::super::state::{State, StateKind};
use crate::Surface;
use std::borrow::Cow;
use std::collections::HashMap;

/// What tools the provider ran itself left behind, and marks of the API's own. The text beside them says what came of
/// it, so a conversation keeps its sense without them.
const PASSED_OVER: [&str; 14] = [
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "advisor_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "mcp_tool_listing",
    "tool_addition",
    "tool_removal",
    "fallback",
];

const UNKNOWN: &str = "must be one of 'text', 'image', 'document', 'search_result', 'thinking', \
                       'redacted_thinking', 'tool_use' and 'tool_result'";

/// What is remembered while a body is read.
#[derive(Debug, Default)]
pub(super) struct Reader<'a> {
    /// Paths that no dialect knows.
    pub(super) lost: Vec<String>,
    /// The last content had a summary that stands for all that was before it.
    pub(super) compacted: bool,
    /// Ids and names of the calls so far.
    calls: HashMap<Text<'a>, Text<'a>>,
    /// State of the call that comes next (see `encoder`).
    call_state: Option<State<'a>>,
}

impl<'a> Reader<'a> {
    /// Names the members that nobody took.
    pub(super) fn leave(&mut self, fields: Fields<'a, '_>) {
        let path = fields.path();
        for (name, value) in fields.rest() {
            if !harmless(&value) {
                self.lost.push(path.key(&name).to_string());
            }
        }
    }

    /// Content: a string, or a list of blocks.
    pub(super) fn content(
        &mut self,
        content: Json<'a>,
        path: &Path<'_>,
    ) -> Result<Vec<Part<'a>>, DecodeError> {
        let blocks = match content {
            Json::Str(text) => return Ok(vec![Part::text(text)]),
            Json::Array(blocks) => blocks,
            other => return Err(DecodeError::wrong(path, "a string or an array", &other)),
        };
        let mut parts = Vec::with_capacity(blocks.len());
        for (at, block) in blocks.into_iter().enumerate() {
            self.block(block, &path.index(at), &mut parts)?;
        }
        if let Some(state) = self.call_state.take() {
            // Its call was taken away: what is left is a thought of its own.
            parts.push(Part::Reasoning(Thought { state: Some(state), ..Thought::default() }));
        }
        Ok(parts)
    }

    /// One block; most are one part.
    pub(super) fn block(
        &mut self,
        block: Json<'a>,
        path: &Path<'_>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), DecodeError> {
        let mut fields = Fields::of(block, path)?;
        let kind = fields.required_text("type")?;
        match &*kind {
            "text" => parts.push(self.text(&mut fields)?),
            "image" => parts.push(self.image(&mut fields)?),
            "document" => self.document(&mut fields, parts)?,
            "search_result" => parts.push(self.search_result(&mut fields)?),
            "thinking" => parts.extend(thinking(&mut fields)?),
            "redacted_thinking" => parts.extend(self.redacted(&mut fields)?),
            "tool_use" => parts.push(self.tool_use(&mut fields)?),
            "tool_result" => parts.push(self.tool_result(&mut fields)?),
            // Only inside results of tools: what the client found is said in words.
            "tool_reference" => parts.push(Part::text(fields.required_text("tool_name")?)),
            "browser_state" => parts.extend(browser_state(&mut fields)),
            "container_upload" => {
                let id = fields.required_text("file_id")?;
                parts.push(Part::Document(Media::new(Source::FileId(id), None)));
            }
            "compaction" => self.compaction(&mut fields, parts)?,
            passed_over if PASSED_OVER.contains(&passed_over) => {
                self.lost.push(path.to_string());
                return Ok(());
            }
            _ => return Err(DecodeError::value(&path.key("type"), UNKNOWN)),
        }
        self.leave(fields);
        Ok(())
    }

    /// The `cache_control` of a block.
    pub(super) fn cache(&mut self, fields: &mut Fields<'a, '_>) -> Result<Option<Cache<'a>>, DecodeError> {
        let Some(mark) = fields.take("cache_control") else { return Ok(None) };
        let path = fields.path().key("cache_control");
        let mut mark = Fields::of(mark, &path)?;
        if mark.text("type")?.is_some_and(|kind| kind != "ephemeral") {
            return Err(DecodeError::value(&path.key("type"), "must be 'ephemeral'"));
        }
        let ttl = mark.text("ttl")?;
        self.leave(mark);
        Ok(Some(Cache { ttl }))
    }

    fn text(&mut self, fields: &mut Fields<'a, '_>) -> Result<Part<'a>, DecodeError> {
        let text = fields.required_text("text")?;
        let annotations = fields.take("citations").filter(|citations| !harmless(citations));
        Ok(Part::Text(TextPart { text, cache: self.cache(fields)?, annotations }))
    }

    fn redacted(&mut self, fields: &mut Fields<'a, '_>) -> Result<Option<Part<'a>>, DecodeError> {
        let data = fields.required_text("data")?;
        let state = State::found(Surface::Messages, StateKind::Encrypted, data);
        if state.kind == StateKind::Signature {
            self.call_state = Some(state);
            return Ok(None);
        }
        Ok(Some(Part::Reasoning(Thought { state: Some(state), ..Thought::default() })))
    }

    fn tool_use(&mut self, fields: &mut Fields<'a, '_>) -> Result<Part<'a>, DecodeError> {
        let id = fields.text("id")?.unwrap_or_default();
        let name = fields.required_text("name")?;
        let arguments = match fields.take("input") {
            None => Cow::Borrowed("{}"),
            Some(input @ Json::Object(_)) => Cow::Owned(to_json(&input)),
            Some(other) => {
                return Err(DecodeError::wrong(&fields.path().key("input"), "an object", &other));
            }
        };
        self.calls.insert(id.clone(), name.clone());
        if let Some(Json::Object(caller)) = fields.take("caller") {
            // `direct` is what every call is elsewhere.
            if caller.get("type").and_then(|kind| kind.as_str()) != Some("direct") {
                self.lost.push(fields.path().key("caller").to_string());
            }
        }
        let state = self.call_state.take();
        Ok(Part::ToolCall(ToolCall { id, name, arguments, state, cache: self.cache(fields)? }))
    }

    fn tool_result(&mut self, fields: &mut Fields<'a, '_>) -> Result<Part<'a>, DecodeError> {
        let id = fields.text("tool_use_id")?.unwrap_or_default();
        let name = self.calls.get(&id).filter(|_| !id.is_empty()).cloned();
        let path = fields.path().key("content");
        let parts = match fields.take("content") {
            Some(content) => self.content(content, &path)?,
            None => Vec::new(),
        };
        let is_error = fields.boolean("is_error")?.unwrap_or_default();
        Ok(Part::ToolResult(ToolResult { id, name, parts, is_error, cache: self.cache(fields)? }))
    }

    /// A summary the API made of the conversation before it; one without content has no meaning.
    fn compaction(
        &mut self,
        fields: &mut Fields<'a, '_>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), DecodeError> {
        if let Some(summary) = fields.text("content")? {
            parts.clear();
            parts.push(Part::Text(TextPart { text: summary, cache: self.cache(fields)?, annotations: None }));
            self.compacted = true;
        }
        Ok(())
    }
}

/// Whether leaving a member out changes nothing: absent, off or empty.
pub(super) fn harmless(value: &Json<'_>) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Bool(true) | Json::Number(_) => false,
        Json::Str(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
    }
}

/// JSON text of a value.
pub(super) fn to_json(value: &Json<'_>) -> String {
    // Values read from JSON can be written as JSON: their keys are texts and their numbers finite.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// A block of thoughts; one without text and signature is none.
fn thinking<'a>(fields: &mut Fields<'a, '_>) -> Result<Option<Part<'a>>, DecodeError> {
    let text = fields.text("thinking")?.unwrap_or_default();
    let signature = fields.text("signature")?.filter(|signature| !signature.is_empty());
    let state = signature.map(|data| State::found(Surface::Messages, StateKind::Signature, data));
    if text.is_empty() && state.is_none() {
        return Ok(None);
    }
    Ok(Some(Part::Reasoning(Thought { text, state, ..Thought::default() })))
}

/// The API renders a browser's tabs for the model by itself; elsewhere the model reads them as JSON.
fn browser_state<'a>(fields: &mut Fields<'a, '_>) -> Option<Part<'a>> {
    let tabs = fields.take("tabs").map(|tabs| format!("Open tabs: {}", to_json(&tabs)));
    let changes = fields.take("state_changes").map(|changes| format!("Changes: {}", to_json(&changes)));
    let lines: Vec<String> = tabs.into_iter().chain(changes).collect();
    (!lines.is_empty()).then(|| Part::text(lines.join("\n")))
}
