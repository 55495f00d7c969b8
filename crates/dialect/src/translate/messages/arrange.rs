//! The conversation as the API wants it: turns alternate, results of tools stand first in the turn behind their calls,
//! every call has an id.

use super::super::request::{Part, Request, Role, Thought, ToolCall, ToolResult};
use super::super::state::{State, StateKind};
use super::super::{Target, Unsupported};
use super::blocks::Block;
use super::calls::Calls;
use super::{media, names};
use crate::Surface;
use std::borrow::Cow;

/// One message.
#[derive(Debug)]
pub(super) struct Message<'r> {
    pub(super) role: Role,
    pub(super) blocks: Vec<Block<'r>>,
}

/// Instructions and conversation.
#[derive(Debug, Default)]
pub(super) struct Arranged<'r> {
    pub(super) system: Vec<Block<'r>>,
    pub(super) messages: Vec<Message<'r>>,
}

/// Arranges the conversation of a request.
pub(super) fn arrange<'r>(
    request: &'r Request<'r>,
    from: Surface,
    target: &'r Target<'_>,
    lost: &mut Vec<String>,
) -> Result<Arranged<'r>, Unsupported> {
    let mut maker = Maker { from, target, lost, calls: Calls::default() };
    let mut arranged = Arranged::default();
    for (at, part) in request.system.iter().enumerate() {
        arranged.system.extend(maker.block(part, &format!("system[{at}]"))?);
    }
    for (at, turn) in request.turns.iter().enumerate() {
        let path = names::turn(from, request, at);
        if turn.name.is_some() {
            maker.lost.push(format!("{path}.name"));
        }
        let mut blocks = Vec::with_capacity(turn.parts.len());
        let mut calls = 0;
        for (at, part) in turn.parts.iter().enumerate() {
            let block = match part {
                Part::ToolCall(call) => {
                    calls += 1;
                    if let Some(state) = &call.state {
                        blocks.extend(maker.call_state(state, &names::part(from, &path, at)));
                    }
                    Some(maker.call(call, || names::arguments(from, &path, at, calls - 1))?)
                }
                Part::Image(_) | Part::Document(_) if turn.role == Role::Assistant => {
                    // The API takes pictures of the user only, and this one is of a model.
                    return Err(self::at("a picture in an answer", &names::part(from, &path, at)));
                }
                part => maker.block(part, &names::part(from, &path, at))?,
            };
            blocks.extend(block);
        }
        // Only the newest models take instructions in the middle. They keep their weight, if not their place.
        if turn.role == Role::System && from != Surface::Messages {
            arranged.system.append(&mut blocks);
        } else if !blocks.is_empty() {
            push(&mut arranged.messages, turn.role, blocks);
        }
    }
    finish(&mut arranged);
    Ok(arranged)
}

fn push<'r>(messages: &mut Vec<Message<'r>>, role: Role, mut blocks: Vec<Block<'r>>) {
    match messages.last_mut() {
        Some(last) if last.role == role => last.blocks.append(&mut blocks),
        _ => messages.push(Message { role, blocks }),
    }
}

fn finish(arranged: &mut Arranged<'_>) {
    for message in &mut arranged.messages {
        if message.blocks.iter().any(Block::is_tool_result) {
            message.blocks.sort_by_key(|block| !block.is_tool_result());
        }
    }
    if arranged.messages.is_empty() && !arranged.system.is_empty() {
        // A conversation needs a message; what is asked stands in the instructions.
        let blocks = std::mem::take(&mut arranged.system);
        arranged.messages.push(Message { role: Role::User, blocks });
    }
    if let Some(Message { role: Role::Assistant, blocks }) = arranged.messages.last_mut()
        && let Some(Block::Text { text, .. }) = blocks.last_mut()
    {
        // "final assistant content cannot end with trailing whitespace"
        *text = text.trim_end();
    }
}

struct Maker<'m, 'r> {
    from: Surface,
    target: &'r Target<'r>,
    lost: &'m mut Vec<String>,
    calls: Calls<'r>,
}

impl<'r> Maker<'_, 'r> {
    /// A part as a block. None for what is empty, or lost.
    fn block(&mut self, part: &'r Part<'r>, path: &str) -> Result<Option<Block<'r>>, Unsupported> {
        Ok(match part {
            Part::Text(part) => {
                if part.annotations.is_some() && self.from != Surface::Messages {
                    self.lost.push(format!("{path}.annotations"));
                }
                let citations = part.annotations.as_ref().filter(|_| self.from == Surface::Messages);
                // "text content blocks must contain non-whitespace text"
                let cache = part.cache.as_ref();
                (!part.text.trim().is_empty()).then_some(Block::Text { text: &part.text, cache, citations })
            }
            Part::Refusal(text) => (!text.trim().is_empty()).then(|| Block::text(text)),
            Part::Image(picture) => {
                self.lost.extend(picture.lost_detail(path, self.from));
                self.lost.extend(picture.name.is_some().then(|| format!("{path}.name")));
                let source = media::picture(picture, self.from).map_err(|what| at(what, path))?;
                Some(Block::Image { source, cache: picture.cache.as_ref() })
            }
            Part::Document(document) => {
                self.lost.extend(document.lost_detail(path, self.from));
                let source = media::document(document, self.from).map_err(|what| at(what, path))?;
                let cache = document.cache.as_ref();
                Some(Block::Document { source, title: document.name.as_deref(), cache })
            }
            Part::Audio(_) => return Err(at("sound", path)),
            Part::Video(_) => return Err(at("a film", path)),
            Part::ToolCall(call) => Some(self.call(call, || path.to_owned())?),
            Part::ToolResult(result) => Some(self.result(result, path)?),
            Part::Reasoning(thought) => self.thought(thought, path),
        })
    }

    fn call(&mut self, call: &'r ToolCall<'r>, field: impl Fn() -> String) -> Result<Block<'r>, Unsupported> {
        let id = self.calls.add(call);
        let input = object(&call.arguments)
            .ok_or_else(|| Unsupported(format!("'{}' is not a JSON object", field())))?;
        Ok(Block::ToolUse { id, name: &call.name, input, cache: call.cache.as_ref() })
    }

    fn result(&mut self, result: &'r ToolResult<'r>, path: &str) -> Result<Block<'r>, Unsupported> {
        let id = self.calls.answer(result).ok_or_else(|| at("a result without its call", path))?;
        let mut content = Vec::with_capacity(result.parts.len());
        for (at, part) in result.parts.iter().enumerate() {
            content.extend(self.block(part, &format!("{path}.content[{at}]"))?);
        }
        Ok(Block::ToolResult { id, content, is_error: result.is_error, cache: result.cache.as_ref() })
    }

    /// Thoughts are taken back only with the state that proves them.
    fn thought(&mut self, thought: &'r Thought<'r>, path: &str) -> Option<Block<'r>> {
        match &thought.state {
            Some(state) if self.reads(state) => Some(match state.kind {
                StateKind::Signature => {
                    Block::Thinking { text: &thought.text, signature: Cow::Borrowed(&state.data) }
                }
                StateKind::Encrypted => Block::Redacted { data: Cow::Borrowed(&state.data) },
            }),
            Some(_) => {
                self.lost.push(format!("{path}.signature"));
                None
            }
            None => {
                if !thought.text.is_empty() {
                    self.lost.push(path.to_owned());
                }
                None
            }
        }
    }

    /// State bound to a call stands before it here.
    fn call_state(&mut self, state: &'r State<'r>, path: &str) -> Option<Block<'r>> {
        if !self.reads(state) {
            self.lost.push(format!("{path}.signature"));
            return None;
        }
        let data = Cow::Borrowed(&*state.data);
        Some(match state.kind {
            StateKind::Signature => Block::Thinking { text: "", signature: data },
            StateKind::Encrypted => Block::Redacted { data },
        })
    }

    /// Whether the target can read a state: it is its own, or of a Claude model, whose signatures are the same on
    /// every platform, in Messages and in Converse.
    fn reads(&self, state: &State<'_>) -> bool {
        let form = match state.surface {
            Surface::Messages => true,
            Surface::Converse => state.kind == StateKind::Signature,
            _ => false,
        };
        let issuer = state.provider.as_deref();
        form && (issuer.is_none_or(|issuer| issuer == self.target.provider)
            || self.target.model.contains("claude"))
    }
}

fn at(what: &str, path: &str) -> Unsupported {
    Unsupported(format!("{what} ('{path}')"))
}

/// Arguments as a JSON object; none if they are something else.
fn object<'r>(arguments: &'r str) -> Option<Cow<'r, str>> {
    let arguments = arguments.trim();
    if arguments.is_empty() {
        return Some(Cow::Borrowed("{}"));
    }
    let json = arguments.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok();
    json.then_some(Cow::Borrowed(arguments))
}
