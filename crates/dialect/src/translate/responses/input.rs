//! Items of the conversation: messages, calls and their results, reasoning.

use super::super::error::DecodeError;
use super::super::fields::{Fields, Path, owned};
use super::super::request::{
    CustomTool, Json, Media, OwnItem, Part, Request, Role, Source, Text, Thought, ToolCall, ToolResult, Turn,
};
use super::super::state::{State, StateKind};
use super::content::read_content;
use super::{free_text_arguments, json_text, leave};
use crate::Surface;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Items without which the conversation still says the same, since the answer that came of them follows. All others
/// that only OpenAI knows tie the request to its dialect.
const BESIDE: [&str; 9] = [
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "mcp_list_tools",
    "mcp_call",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "configuration_update",
];

/// Reads the items one after the other into turns.
pub(super) struct Items<'r, 'a> {
    request: &'r mut Request<'a>,
    /// Names of the functions called so far, by the id of the call.
    names: HashMap<Text<'a>, Text<'a>>,
    /// Names of tools that take free text.
    custom: HashSet<Text<'a>>,
    last: Last,
    /// State that belongs to the call which comes next.
    of_next_call: Option<State<'a>>,
}

/// What was read last: what goes into the same turn depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Message,
    Assistant,
    Result,
}

/// What an item is.
enum Kind {
    Message,
    Call { custom: bool },
    Result,
    Reasoning,
    Picture,
    Own { bound: bool },
}

impl<'r, 'a> Items<'r, 'a> {
    pub(super) fn new(request: &'r mut Request<'a>) -> Self {
        let custom = request.custom.iter().map(|tool| tool.name.clone()).collect();
        Self { request, names: HashMap::new(), custom, last: Last::Nothing, of_next_call: None }
    }

    pub(super) fn read(&mut self, item: Json<'a>, path: &Path<'_>) -> Result<(), DecodeError> {
        let kind = kind(&item, path)?;
        if !matches!(kind, Kind::Call { .. }) {
            self.settle();
        }
        match kind {
            Kind::Own { bound } => {
                self.own(item, path, bound);
                Ok(())
            }
            kind => {
                let mut fields = Fields::of(item, path)?;
                fields.take("type");
                fields.take("status");
                match kind {
                    Kind::Message => self.message(fields),
                    Kind::Call { custom } => self.call(fields, custom),
                    Kind::Result => self.result(fields),
                    Kind::Picture => self.picture(fields),
                    Kind::Reasoning | Kind::Own { .. } => self.reasoning(fields),
                }
            }
        }
    }

    /// State whose call never came stands for itself.
    fn settle(&mut self) {
        if let Some(state) = self.of_next_call.take() {
            let thought = Thought { state: Some(state), ..Thought::default() };
            self.push(Role::Assistant, vec![Part::Reasoning(thought)], Last::Assistant);
        }
    }

    /// All of an assistant's items in a row are one turn, but two messages in a row are two. Results of calls in a row
    /// are one turn.
    fn push(&mut self, role: Role, parts: Vec<Part<'a>>, last: Last) {
        let joins = match (self.last, last) {
            (Last::Result, Last::Result) | (Last::Message | Last::Assistant, Last::Assistant) => true,
            (Last::Assistant, Last::Message) => role == Role::Assistant,
            _ => false,
        };
        self.last = last;
        if let (true, Some(turn)) = (joins, self.request.turns.last_mut())
            && turn.role == role
        {
            turn.parts.extend(parts);
        } else {
            self.request.turns.push(Turn { role, parts, name: None });
        }
    }

    fn own(&mut self, item: Json<'a>, path: &Path<'_>, bound: bool) {
        let path = match item.get("type").as_str() {
            Some(kind) if is_name(kind) => format!("{path} ({kind})"),
            _ => path.to_string(),
        };
        if bound {
            self.request.bound.push(path.clone());
        }
        self.request.own.push(OwnItem { before: self.request.turns.len(), path, item });
        self.last = Last::Nothing;
    }

    fn message(&mut self, mut fields: Fields<'a, '_>) -> Result<(), DecodeError> {
        let path = fields.path();
        fields.take("id");
        let role = match &*fields.required_text("role")? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" | "developer" => Role::System,
            _ => {
                let reason = "must be 'user', 'assistant', 'system' or 'developer'; what a tool gave back is an \
                              item of type 'function_call_output'";
                return Err(DecodeError::value(&path.key("role"), reason));
            }
        };
        let parts = match fields.take("content") {
            Some(content) => read_content(content, &path.key("content"), &mut self.request.lost)?,
            None if role == Role::Assistant => Vec::new(),
            None => return Err(DecodeError::missing(&path.key("content"))),
        };
        let name = fields.text("name")?;
        leave(fields, &mut self.request.lost);
        if role == Role::System && self.request.turns.is_empty() && self.request.own.is_empty() {
            self.request.system.extend(parts);
            return Ok(());
        }
        self.push(role, parts, Last::Message);
        if let Some(turn) = self.request.turns.last_mut() {
            turn.name = turn.name.take().or(name);
        }
        Ok(())
    }

    fn call(&mut self, mut fields: Fields<'a, '_>, custom: bool) -> Result<(), DecodeError> {
        fields.take("id");
        let name = fields.required_text("name")?;
        let id = fields.text("call_id")?.unwrap_or_default();
        let arguments = if custom {
            if self.custom.insert(name.clone()) {
                self.request.custom.push(CustomTool { name: name.clone(), definition: None });
            }
            free_text_arguments(&fields.required_text("input")?)
        } else {
            match fields.take("arguments") {
                None => Cow::Borrowed(""),
                Some(Json::Str(text)) => text,
                Some(object @ Json::Object(_)) => Cow::Owned(json_text(&object)),
                Some(other) => {
                    let path = fields.path().key("arguments");
                    return Err(DecodeError::wrong(&path, "a string with JSON in it", &other));
                }
            }
        };
        leave(fields, &mut self.request.lost);
        if !id.is_empty() {
            self.names.insert(id.clone(), name.clone());
        }
        let state = self.of_next_call.take();
        let call = ToolCall { id, name, arguments, state, cache: None };
        self.push(Role::Assistant, vec![Part::ToolCall(call)], Last::Assistant);
        Ok(())
    }

    fn result(&mut self, mut fields: Fields<'a, '_>) -> Result<(), DecodeError> {
        fields.take("id");
        let id = fields.text("call_id")?.unwrap_or_default();
        let name = fields.text("name")?.or_else(|| self.names.get(&id).cloned());
        let path = fields.path().key("output");
        let output = fields.take("output").ok_or_else(|| DecodeError::missing(&path))?;
        let parts = read_content(output, &path, &mut self.request.lost)?;
        leave(fields, &mut self.request.lost);
        let result = ToolResult { id, name, parts, is_error: false, cache: None };
        self.push(Role::User, vec![Part::ToolResult(result)], Last::Result);
        Ok(())
    }

    /// A picture the model made.
    fn picture(&mut self, mut fields: Fields<'a, '_>) -> Result<(), DecodeError> {
        fields.take("id");
        let data = fields.required_text("result")?;
        let format = fields.text("output_format")?;
        let media_type = owned(&format!("image/{}", format.as_deref().unwrap_or("png")));
        leave(fields, &mut self.request.lost);
        let media = Media::new(Source::Base64(data), Some(media_type));
        self.push(Role::Assistant, vec![Part::Image(media)], Last::Assistant);
        Ok(())
    }

    fn reasoning(&mut self, mut fields: Fields<'a, '_>) -> Result<(), DecodeError> {
        let id = fields.text("id")?;
        let mut texts = read_thoughts(&mut fields, "content", false)?;
        texts.extend(read_thoughts(&mut fields, "summary", true)?);
        let state = fields.text("encrypted_content")?.filter(|data| !data.is_empty());
        let state = state.map(|data| State::found(Surface::Responses, StateKind::Encrypted, data));
        leave(fields, &mut self.request.lost);
        let foreign = state.as_ref().is_some_and(|state| state.surface != Surface::Responses);
        if foreign {
            // What another dialect issued belongs to the very text that stood beside it.
            let text: String = texts.iter().map(|(text, _)| &**text).collect();
            let of_call = |state: &State<'_>| {
                state.surface == Surface::GenerateContent && state.kind == StateKind::Signature
            };
            if text.is_empty() && state.as_ref().is_some_and(of_call) {
                self.settle();
                self.of_next_call = state;
                return Ok(());
            }
            texts = vec![(Cow::Owned(text), false)];
        }
        if texts.is_empty() {
            texts.push((Cow::Borrowed(""), true));
        }
        let count = texts.len();
        let mut state = state;
        let thoughts = texts.into_iter().enumerate().map(|(at, (text, summary))| {
            let state = if at + 1 == count { state.take() } else { None };
            Part::Reasoning(Thought { text, summary, state, id: id.clone() })
        });
        let thoughts = thoughts.collect();
        self.push(Role::Assistant, thoughts, Last::Assistant);
        Ok(())
    }
}

impl Drop for Items<'_, '_> {
    fn drop(&mut self) {
        self.settle();
    }
}

fn kind(item: &Json<'_>, path: &Path<'_>) -> Result<Kind, DecodeError> {
    if !item.is_object() {
        return Err(DecodeError::wrong(path, "an object", item));
    }
    let name = match item.get("type") {
        Json::Str(name) => &**name,
        Json::Null if !item.get("role").is_null() => "message",
        Json::Null if !item.get("id").is_null() => "item_reference",
        Json::Null => return Err(DecodeError::missing(&path.key("type"))),
        other => return Err(DecodeError::wrong(&path.key("type"), "a string", other)),
    };
    Ok(match name {
        "message" => Kind::Message,
        "function_call" => Kind::Call { custom: false },
        "custom_tool_call" => Kind::Call { custom: true },
        "function_call_output" | "custom_tool_call_output" => Kind::Result,
        "reasoning" => Kind::Reasoning,
        "image_generation_call" if item.get("result").is_string() => Kind::Picture,
        // An item nobody here knows may be one that OpenAI added since.
        other => Kind::Own { bound: !BESIDE.contains(&other) },
    })
}

/// Whether a type may be repeated to people: a name, and no contents.
fn is_name(kind: &str) -> bool {
    kind.len() <= 40 && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Texts of `summary` or `content`: objects with a `text`, or plain strings.
pub(super) fn read_thoughts<'a>(
    fields: &mut Fields<'a, '_>,
    name: &str,
    summary: bool,
) -> Result<Vec<(Text<'a>, bool)>, DecodeError> {
    let path = fields.path().key(name);
    let mut texts = Vec::new();
    for (at, part) in fields.list(name)?.into_iter().enumerate() {
        let text = match part {
            Json::Str(text) => text,
            part => {
                let path = path.index(at);
                Fields::of(part, &path)?.required_text("text")?
            }
        };
        texts.push((text, summary));
    }
    Ok(texts)
}
