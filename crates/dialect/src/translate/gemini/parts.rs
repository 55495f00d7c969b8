//! Reading `Part`s: the same in requests and answers.

use super::super::calls::CallIndex;
use super::super::error::DecodeError;
use super::super::fields::{self, Fields, Path};
use super::super::request::{Json, Media, Part, Source, Text, Thought, ToolCall, ToolResult};
use super::super::{call_id, writer::Writer};
use super::{base64, either, media, signature};
use std::borrow::Cow;

/// What a part may be, for messages.
const KINDS: &str =
    "is no part that is known here: use text, inlineData, fileData, functionCall or functionResponse";

/// Reads the parts of one body, one after the other, and remembers its calls: Gemini's may have no ids.
pub(super) struct PartReader<'a> {
    /// What was left out.
    pub(super) lost: Vec<String>,
    /// Whether a part nobody knows is an error (in a request) or lost (in an answer).
    strict: bool,
    /// In front of the numbers of calls without an id, so that those of several answers are kept apart.
    answer: Option<Text<'a>>,
    calls: Vec<Call<'a>>,
    index: CallIndex<'a>,
}

struct Call<'a> {
    id: Text<'a>,
    name: Text<'a>,
}

impl<'a> PartReader<'a> {
    /// For a request.
    pub(super) fn request() -> Self {
        Self { lost: Vec::new(), strict: true, answer: None, calls: Vec::new(), index: CallIndex::default() }
    }

    /// For an answer, by its id.
    pub(super) fn answer(id: Text<'a>) -> Self {
        let answer = Some(id).filter(|id| !id.is_empty());
        Self { lost: Vec::new(), strict: false, answer, calls: Vec::new(), index: CallIndex::default() }
    }

    /// Reads one part. May be none (an empty text) or two (a text and its signature).
    pub(super) fn read(
        &mut self,
        value: Json<'a>,
        path: &Path<'_>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), DecodeError> {
        if let Json::Str(text) = value {
            parts.extend((!text.is_empty()).then(|| Part::text(text)));
            return Ok(());
        }
        let mut fields = Fields::of(value, path)?;
        let thought = fields.boolean("thought")?.unwrap_or(false);
        let state =
            fields.text(either(&fields, "thoughtSignature", "thought_signature"))?.map(signature::found);
        if let Some(text) = fields.text("text")? {
            let full = !text.is_empty();
            if thought && (full || state.is_some()) {
                parts.push(Part::Reasoning(Thought { text, summary: true, state, id: None }));
            } else {
                parts.extend((full && !thought).then(|| Part::text(text)));
                parts.extend(state.map(bare));
            }
        } else if let Some((name, value)) = of(&mut fields, "functionCall", "function_call") {
            let mut call = self.call(value, &path.key(name))?;
            call.state = state;
            parts.push(Part::ToolCall(call));
        } else if let Some((name, value)) = of(&mut fields, "functionResponse", "function_response") {
            parts.push(Part::ToolResult(self.result(value, &path.key(name))?));
        } else if let Some((name, value)) = of(&mut fields, "inlineData", "inline_data") {
            let media = self.inline(value, &path.key(name))?;
            parts.push(media::part(with_detail(media, &mut fields)));
            parts.extend(state.map(bare));
        } else if let Some((name, value)) = of(&mut fields, "fileData", "file_data") {
            let media = self.file(value, &path.key(name))?;
            parts.push(media::part(with_detail(media, &mut fields)));
            parts.extend(state.map(bare));
        } else {
            let ran = self.ran(&mut fields)?;
            let known = ran.is_some() || state.is_some() || self.served(&mut fields);
            parts.extend(ran);
            parts.extend(state.map(bare));
            if !known && self.strict {
                return Err(DecodeError::value(path, KINDS));
            }
        }
        self.leave(fields);
        Ok(())
    }

    /// Names what is left of an object.
    pub(super) fn leave(&mut self, fields: Fields<'a, '_>) {
        let path = fields.path();
        self.lost.extend(fields.rest().map(|(name, _)| path.key(&name).to_string()));
    }

    fn call(&mut self, value: Json<'a>, path: &Path<'_>) -> Result<ToolCall<'a>, DecodeError> {
        let mut fields = Fields::of(value, path)?;
        let name = fields.required_text("name")?;
        let arguments = match fields.take("args") {
            None => Cow::Borrowed("{}"),
            Some(args @ Json::Object(_)) => json_text(&args),
            Some(other) => return Err(DecodeError::wrong(&path.key("args"), "an object", &other)),
        };
        let position = self.calls.len();
        let id = fields.text("id")?.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            Cow::Owned(match &self.answer {
                Some(answer) => format!("call_{answer}_{position}"),
                None => call_id(&name, position),
            })
        });
        self.index.add(id.clone(), name.clone());
        self.calls.push(Call { id: id.clone(), name: name.clone() });
        self.leave(fields);
        Ok(ToolCall { id, name, arguments, state: None, cache: None })
    }

    fn result(&mut self, value: Json<'a>, path: &Path<'_>) -> Result<ToolResult<'a>, DecodeError> {
        let mut fields = Fields::of(value, path)?;
        let name = fields.text("name")?;
        let id = fields.text("id")?.filter(|id| !id.is_empty());
        if name.is_none() && id.is_none() {
            return Err(DecodeError::missing(&path.key("name")));
        }
        let (id, name) = self.answered(id, name);
        let (mut parts, mut is_error) = (Vec::new(), false);
        match fields.take("response") {
            None => {}
            Some(Json::Object(object)) => {
                let (text, failed) = response_text(Json::Object(object));
                is_error = failed;
                parts.extend((!text.is_empty()).then(|| Part::text(text)));
            }
            Some(other) => return Err(DecodeError::wrong(&path.key("response"), "an object", &other)),
        }
        let list = path.key("parts");
        for (at, item) in fields.list("parts")?.into_iter().enumerate() {
            let path = list.index(at);
            self.read(item, &path, &mut parts)?;
        }
        self.leave(fields);
        Ok(ToolResult { id, name, parts, is_error, cache: None })
    }

    /// The call a result belongs to: the one with its id, else the first of its name that has none yet.
    fn answered(&mut self, id: Option<Text<'a>>, name: Option<Text<'a>>) -> (Text<'a>, Option<Text<'a>>) {
        let by_id = id.as_ref().and_then(|id| self.index.last_of_id(id));
        let at = by_id.or_else(|| self.index.open_of_name(name.as_deref()?));
        match at.and_then(|at| Some((at, self.calls.get(at)?))) {
            Some((at, call)) => {
                self.index.answer(at);
                (call.id.clone(), Some(call.name.clone()))
            }
            None => {
                let made = || Cow::Owned(call_id(name.as_deref().unwrap_or_default(), self.calls.len()));
                (id.unwrap_or_else(made), name)
            }
        }
    }

    fn inline(&mut self, value: Json<'a>, path: &Path<'_>) -> Result<Media<'a>, DecodeError> {
        let mut fields = Fields::of(value, path)?;
        let media_type = fields.required_text(either(&fields, "mimeType", "mime_type"))?;
        let data = base64::standard(fields.required_text("data")?);
        let mut media = Media::new(Source::Base64(data), Some(media_type));
        media.name = fields.text(either(&fields, "displayName", "display_name"))?;
        self.leave(fields);
        Ok(media)
    }

    fn file(&mut self, value: Json<'a>, path: &Path<'_>) -> Result<Media<'a>, DecodeError> {
        let mut fields = Fields::of(value, path)?;
        let uri = fields.required_text(either(&fields, "fileUri", "file_uri"))?;
        let mut media = Media::from_url(uri);
        let media_type = fields.text(either(&fields, "mimeType", "mime_type"))?;
        media.media_type = media_type.or(media.media_type);
        media.name = fields.text(either(&fields, "displayName", "display_name"))?;
        self.leave(fields);
        Ok(media)
    }

    /// Code that Google ran, and what came of it, as text a reader understands.
    fn ran(&mut self, fields: &mut Fields<'a, '_>) -> Result<Option<Part<'a>>, DecodeError> {
        let path = fields.path();
        if let Some((name, value)) = of(fields, "executableCode", "executable_code") {
            let path = path.key(name);
            let mut code = Fields::of(value, &path)?;
            let language = code.text("language")?.unwrap_or_default();
            let text = fenced(&language.to_ascii_lowercase(), &code.text("code")?.unwrap_or_default());
            code.take("id");
            self.leave(code);
            return Ok(Some(Part::text(text)));
        }
        let Some((name, value)) = of(fields, "codeExecutionResult", "code_execution_result") else {
            return Ok(None);
        };
        let path = path.key(name);
        let mut result = Fields::of(value, &path)?;
        let text = fenced("", &result.text("output")?.unwrap_or_default());
        for known in ["id", "outcome"] {
            result.take(known);
        }
        self.leave(result);
        Ok(Some(Part::text(text)))
    }

    /// Whether it is a step of a tool that Google runs itself; nobody else has such parts.
    fn served(&mut self, fields: &mut Fields<'a, '_>) -> bool {
        let names = [("toolCall", "tool_call"), ("toolResponse", "tool_response")];
        let found = names.into_iter().find_map(|(camel, snake)| of(fields, camel, snake));
        self.lost.extend(found.as_ref().map(|(name, _)| fields.path().key(name).to_string()));
        found.is_some()
    }
}

/// Text of code, as Markdown. The fence is longer than any in the text.
pub(super) fn fenced(language: &str, code: &str) -> String {
    let fence = if code.contains("```") { "````" } else { "```" };
    let end = if code.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{code}{end}{fence}\n")
}

/// A signature that stands beside something other than a call or a thought.
fn bare(state: super::super::state::State<'_>) -> Part<'_> {
    Part::Reasoning(Thought { state: Some(state), ..Thought::default() })
}

fn of<'a>(
    fields: &mut Fields<'a, '_>,
    camel: &'static str,
    snake: &'static str,
) -> Option<(&'static str, Json<'a>)> {
    let name = either(fields, camel, snake);
    fields.take(name).map(|value| (name, value))
}

/// `mediaResolution` beside a picture: how closely it is looked at.
fn with_detail<'a>(mut media: Media<'a>, fields: &mut Fields<'a, '_>) -> Media<'a> {
    let name = either(fields, "mediaResolution", "media_resolution");
    if let Some(Json::Object(object)) = fields.take(name) {
        media.detail = match object.get("level").and_then(Json::as_str) {
            Some("MEDIA_RESOLUTION_LOW") => Some("low".into()),
            Some("MEDIA_RESOLUTION_HIGH" | "MEDIA_RESOLUTION_ULTRA_HIGH") => Some("high".into()),
            _ => Some("auto".into()),
        };
    }
    media
}

/// What a function gave back, and whether it failed: Google takes `output` and `error` as such, else the whole object
/// is the output. The SDKs write `result`.
fn response_text<'a>(response: Json<'a>) -> (Text<'a>, bool) {
    let Json::Object(object) = response else { return (json_text(&response), false) };
    let mut members: Vec<_> = object.into_vec();
    members.retain(|(name, value)| !(value.is_null() && matches!(&**name, "output" | "error" | "result")));
    match members.as_slice() {
        [(name, _)] if matches!(&**name, "output" | "error" | "result") => {
            let failed = name == "error";
            let text = match members.pop() {
                Some((_, Json::Str(text))) => text,
                Some((_, value)) => json_text(&value),
                None => Cow::Borrowed(""),
            };
            (text, failed)
        }
        _ => {
            let failed = members.iter().any(|(name, _)| name == "error");
            let mut w = Writer::with_capacity(64);
            w.object(|w| members.iter().for_each(|(name, value)| w.member(name, value)));
            (Cow::Owned(String::from_utf8(w.finish()).unwrap_or_default()), failed)
        }
    }
}

fn json_text(value: &Json<'_>) -> Text<'static> {
    fields::owned(&serde_json::to_string(value).unwrap_or_default())
}
