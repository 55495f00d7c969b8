//! Turns as Converse wants them: user and assistant in turn, results of tools first, every block checked. What is
//! planned here is written without errors.

use super::family::Family;
use super::formats::{Kind, document_name, sniff_image};
use super::names::{Field, Notes};
use super::thinking::readable;
use crate::translate::calls::CallIndex;
use crate::translate::request::{
    Cache, Json, Media, Part, Request, Role, Source, TextPart, Thought, ToolCall, ToolResult,
};
use crate::translate::state::StateKind;
use crate::translate::{Target, Unsupported, call_id};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::collections::HashSet;

/// Longest `toolUseId`, in characters (`API_runtime_ToolUseBlock` of the Bedrock API reference, which also has the
/// alphabet: letters, digits, `_` and `-`, of late `.` and `:` too).
const ID_LIMIT: usize = 64;

/// A message.
#[derive(Debug)]
pub(super) struct Message<'r> {
    pub(super) assistant: bool,
    pub(super) blocks: Vec<Block<'r>>,
}

/// A content block, ready to be written.
#[derive(Debug)]
pub(super) enum Block<'r> {
    Text(&'r str),
    Cited { text: &'r str, citations: &'r Json<'r> },
    Media { kind: Kind, format: &'static str, name: Option<String>, data: Data<'r> },
    ToolUse { id: Cow<'r, str>, name: &'r str, input: &'r str },
    ToolResult { id: Cow<'r, str>, blocks: Vec<Block<'r>>, error: bool },
    Thought { text: &'r str, signature: &'r str },
    Redacted(&'r str),
    CachePoint(Option<&'r str>),
}

/// Where a medium is.
#[derive(Debug)]
pub(super) enum Data<'r> {
    Bytes(Cow<'r, str>),
    S3(&'r str),
}

/// What is planned.
#[derive(Debug)]
pub(super) struct Plan<'r> {
    pub(super) system: Vec<Block<'r>>,
    pub(super) messages: Vec<Message<'r>>,
    /// Names of the functions that were called.
    pub(super) called: Vec<&'r str>,
}

impl Plan<'_> {
    /// Whether a tool was called whose result stands at the end, by an assistant's turn that shows no thoughts.
    pub(super) fn tool_loop_without_thought(&self) -> bool {
        let [.., before, last] = &*self.messages else { return false };
        let results = last.blocks.iter().any(|block| matches!(block, Block::ToolResult { .. }));
        let first = before.blocks.first();
        results && !matches!(first, Some(Block::Thought { .. } | Block::Redacted(_)))
    }
}

/// Plans all turns.
pub(super) fn plan<'r>(
    request: &'r Request<'_>,
    target: &Target<'_>,
    notes: &mut Notes,
) -> Result<Plan<'r>, Unsupported> {
    let mut planner = Planner {
        target,
        family: Family::of(target.model),
        notes,
        calls: Vec::new(),
        index: CallIndex::default(),
        documents: HashSet::new(),
        count: 0,
    };
    let mut system = Vec::new();
    for part in &request.system {
        planner.system(part, &mut system)?;
    }
    let mut messages: Vec<Message<'r>> = Vec::new();
    for (at, turn) in request.turns.iter().enumerate() {
        if turn.name.is_some() {
            planner.notes.path(format!("{}.name", planner.notes.turn(at)));
        }
        let assistant = match turn.role {
            Role::System => {
                // Bedrock's models differ in whether they take instructions here; all take them at the top.
                planner.notes.path(format!("{}.role", planner.notes.turn(at)));
                for part in &turn.parts {
                    planner.system(part, &mut system)?;
                }
                continue;
            }
            Role::User => false,
            Role::Assistant => true,
        };
        let mut blocks = Vec::with_capacity(turn.parts.len());
        for (part_at, part) in turn.parts.iter().enumerate() {
            let place = (at, part_at);
            planner.part(part, place, &mut blocks)?;
        }
        match messages.last_mut() {
            Some(last) if last.assistant == assistant => last.blocks.append(&mut blocks),
            _ if blocks.is_empty() => {}
            _ => messages.push(Message { assistant, blocks }),
        }
    }
    for message in messages.iter_mut().filter(|message| !message.assistant) {
        results_first(&mut message.blocks);
    }
    match messages.first() {
        None => return Err(Unsupported("a conversation without a message of the user".into())),
        Some(first) if first.assistant => {
            return Err(Unsupported("a conversation that does not begin with the user".into()));
        }
        Some(_) => {}
    }
    let called = planner.calls.into_iter().map(|call| call.name).collect();
    Ok(Plan { system, messages, called })
}

/// A call that was seen.
struct Call<'r> {
    name: &'r str,
    written: Cow<'r, str>,
}

struct Planner<'r, 'p> {
    target: &'p Target<'p>,
    family: Family,
    notes: &'p mut Notes,
    calls: Vec<Call<'r>>,
    index: CallIndex<'r>,
    /// Names of documents, which have to differ.
    documents: HashSet<String>,
    /// Documents so far.
    count: usize,
}

/// Turn and part.
type Place = (usize, usize);

impl<'r> Planner<'r, '_> {
    fn system(&mut self, part: &'r Part<'_>, out: &mut Vec<Block<'r>>) -> Result<(), Unsupported> {
        let Part::Text(text) = part else {
            return Err(Unsupported("instructions that are not text".into()));
        };
        self.text(text, "system", out);
        Ok(())
    }

    fn part(
        &mut self,
        part: &'r Part<'_>,
        place: Place,
        out: &mut Vec<Block<'r>>,
    ) -> Result<(), Unsupported> {
        let path = |planner: &Self| planner.notes.part(place.0, place.1);
        match part {
            Part::Text(text) => {
                let path = path(self);
                self.text(text, &path, out);
            }
            Part::Refusal(text) => push_text(text, out),
            Part::Image(media) => self.media(Kind::Image, media, &path(self), out)?,
            Part::Document(media) => self.media(Kind::Document, media, &path(self), out)?,
            Part::Audio(media) => self.media(Kind::Audio, media, &path(self), out)?,
            Part::Video(media) => self.media(Kind::Video, media, &path(self), out)?,
            Part::ToolCall(call) => self.call(call, &path(self), out)?,
            Part::ToolResult(result) => self.result(result, &path(self), out)?,
            Part::Reasoning(thought) => self.thought(thought, &path(self), out),
        }
        Ok(())
    }

    fn text(&mut self, part: &'r TextPart<'_>, path: &str, out: &mut Vec<Block<'r>>) {
        match &part.annotations {
            Some(citations) if self.notes.from() == crate::Surface::Converse => {
                out.push(Block::Cited { text: &part.text, citations });
            }
            other => {
                if other.is_some() {
                    self.notes.path(format!("{path}.annotations"));
                }
                push_text(&part.text, out);
            }
        }
        self.cache(part.cache.as_ref(), path, out);
    }

    fn cache(&mut self, cache: Option<&'r Cache<'_>>, path: &str, out: &mut Vec<Block<'r>>) {
        let Some(cache) = cache else { return };
        if self.family.may_cache() && !out.is_empty() {
            out.push(Block::CachePoint(cache.ttl.as_deref()));
        } else {
            self.notes.path(format!("{path}.cache_control"));
        }
    }

    fn media(
        &mut self,
        kind: Kind,
        media: &'r Media<'_>,
        path: &str,
        out: &mut Vec<Block<'r>>,
    ) -> Result<(), Unsupported> {
        if let Some(detail) = media.lost_detail(path, self.notes.from()) {
            self.notes.path(detail);
        }
        let what = kind.member();
        let data = match &media.source {
            Source::Base64(data) => Data::Bytes(Cow::Borrowed(data)),
            Source::Text(text) => Data::Bytes(Cow::Owned(STANDARD.encode(&**text))),
            Source::Url(url) if url.starts_with("s3://") => Data::S3(url),
            Source::Url(_) => {
                return Err(Unsupported(format!(
                    "'{path}': Bedrock fetches no {what} by URL, it takes its bytes"
                )));
            }
            Source::FileId(_) => {
                return Err(Unsupported(format!("'{path}': a file uploaded elsewhere")));
            }
        };
        let stated = media.media_type.as_deref().or(match (&media.source, kind) {
            (Source::Base64(data), Kind::Image) => sniff_image(data),
            (Source::Text(_), Kind::Document) => Some("text/plain"),
            _ => None,
        });
        let Some(format) = stated.and_then(|stated| kind.format(stated)) else {
            let formats = kind.formats();
            return Err(Unsupported(format!("'{path}': Bedrock takes no {what} but {formats}")));
        };
        let name = (kind == Kind::Document).then(|| self.document_name(media.name.as_deref()));
        out.push(Block::Media { kind, format, name, data });
        self.cache(media.cache.as_ref(), path, out);
        Ok(())
    }

    /// A name nobody else has: Bedrock refuses two documents of one name.
    fn document_name(&mut self, name: Option<&str>) -> String {
        self.count += 1;
        let base = name.and_then(document_name).unwrap_or_else(|| format!("document {}", self.count));
        let mut unique = base.clone();
        while !self.documents.insert(unique.clone()) {
            self.count += 1;
            unique = format!("{} ({})", base.chars().take(180).collect::<String>().trim_end(), self.count);
        }
        unique
    }

    fn call(
        &mut self,
        call: &'r ToolCall<'_>,
        path: &str,
        out: &mut Vec<Block<'r>>,
    ) -> Result<(), Unsupported> {
        if call.state.is_some() {
            self.notes.path(format!("{path}.signature"));
        }
        let input = match call.arguments.trim() {
            "" => "{}",
            text => text,
        };
        let object = input.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(input).is_ok();
        if !object {
            return Err(Unsupported(format!("'{path}.arguments' is not a JSON object")));
        }
        let written = tool_use_id(&call.id, &call.name, self.calls.len());
        self.index.add(Cow::Borrowed(&*call.id), Cow::Borrowed(&*call.name));
        self.calls.push(Call { name: &call.name, written: written.clone() });
        out.push(Block::ToolUse { id: written, name: &call.name, input });
        self.cache(call.cache.as_ref(), path, out);
        Ok(())
    }

    fn result(
        &mut self,
        result: &'r ToolResult<'_>,
        path: &str,
        out: &mut Vec<Block<'r>>,
    ) -> Result<(), Unsupported> {
        let id = self.result_id(result);
        let mut blocks = Vec::with_capacity(result.parts.len());
        // A cache point cannot stand inside a result: it is put behind it.
        let mut cache = result.cache.as_ref();
        for (at, part) in result.parts.iter().enumerate() {
            let path = format!("{path}.content[{at}]");
            match part {
                Part::Text(text) => {
                    push_text(&text.text, &mut blocks);
                    cache = cache.or(text.cache.as_ref());
                }
                Part::Image(media) => self.media(Kind::Image, media, &path, &mut blocks)?,
                Part::Document(media) => self.media(Kind::Document, media, &path, &mut blocks)?,
                Part::Video(media) => self.media(Kind::Video, media, &path, &mut blocks)?,
                _ => {
                    let reason = "a tool's result of another kind than text, image, document or video";
                    return Err(Unsupported(format!("'{path}': {reason}")));
                }
            }
        }
        let inner = blocks.iter().find_map(|block| match block {
            Block::CachePoint(ttl) => Some(*ttl),
            _ => None,
        });
        blocks.retain(|block| !matches!(block, Block::CachePoint(_)));
        let error = result.is_error && self.family.knows_result_status();
        if result.is_error && !error {
            self.notes.path(format!("{path}.is_error"));
        }
        out.push(Block::ToolResult { id, blocks, error });
        match (cache, inner) {
            (None, Some(ttl)) => out.push(Block::CachePoint(ttl)),
            (cache, _) => self.cache(cache, path, out),
        }
        Ok(())
    }

    /// The id of the call a result answers: by id, else the first unanswered call of its name, else the first
    /// unanswered one.
    fn result_id(&mut self, result: &'r ToolResult<'_>) -> Cow<'r, str> {
        let found = match (&*result.id, result.name.as_deref()) {
            ("", None) => self.index.open(),
            ("", Some(name)) => self.index.open_of_name(name),
            (id, _) => self.index.last_of_id(id),
        };
        match found.and_then(|at| Some((at, self.calls.get(at)?))) {
            Some((at, call)) => {
                self.index.answer(at);
                call.written.clone()
            }
            // A result without its call: the provider is to say that it does not like that.
            None => tool_use_id(&result.id, result.name.as_deref().unwrap_or("unknown"), self.calls.len()),
        }
    }

    fn thought(&mut self, thought: &'r Thought<'_>, path: &str, out: &mut Vec<Block<'r>>) {
        let readable = thought.state.as_ref().filter(|state| readable(state, self.target, self.family));
        match readable {
            Some(state) if state.kind == StateKind::Encrypted => out.push(Block::Redacted(&state.data)),
            Some(state) => out.push(Block::Thought { text: &thought.text, signature: &state.data }),
            None if thought.state.is_some() => self.notes.path(format!("{path}.signature")),
            // Unsigned thoughts are refused: by Claude always, by others in the history of a conversation.
            None if thought.text.is_empty() => {}
            None => self.notes.path(path.to_owned()),
        }
    }
}

/// Blank text is refused by Bedrock, and says nothing.
fn push_text<'r>(text: &'r str, out: &mut Vec<Block<'r>>) {
    if !text.trim().is_empty() {
        out.push(Block::Text(text));
    }
}

/// An id as Bedrock allows it, at most 64 of letters, digits and `_-`. (Bedrock itself takes `.` and `:` by now; Claude
/// does not.)
fn tool_use_id<'r>(id: &'r str, name: &str, position: usize) -> Cow<'r, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if !id.is_empty() && id.len() <= ID_LIMIT && id.chars().all(allowed) {
        return Cow::Borrowed(id);
    }
    let made = call_id(name, position);
    let made = made.chars().map(|c| if allowed(c) { c } else { '_' });
    Cow::Owned(made.take(ID_LIMIT).collect())
}

/// Results of tools, with the cache points behind them, before everything else.
fn results_first(blocks: &mut Vec<Block<'_>>) {
    let mut results = Vec::new();
    let mut others = Vec::new();
    let mut behind_result = false;
    for block in blocks.drain(..) {
        let result = match &block {
            Block::ToolResult { .. } => true,
            Block::CachePoint(_) => behind_result,
            _ => false,
        };
        behind_result = result;
        if result { results.push(block) } else { others.push(block) }
    }
    results.append(&mut others);
    *blocks = results;
}

/// Tools' names that `tools` lacks although they were called.
pub(super) fn undeclared<'r>(plan: &Plan<'r>, declared: &[&str], notes: &mut Notes) -> Vec<&'r str> {
    let mut known: HashSet<&str> = declared.iter().copied().collect();
    let missing: Vec<&str> = plan.called.iter().copied().filter(|name| known.insert(name)).collect();
    if !missing.is_empty() && declared.is_empty() {
        notes.field(Field::Tools);
    }
    missing
}
