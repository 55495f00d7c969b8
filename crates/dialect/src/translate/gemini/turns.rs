//! The turns of a conversation as Gemini takes them.
//!
//! Neighbours of one role are one turn. The results of functions stand in a turn of their own directly behind the
//! calls, in their order, before anything else the user says.

use super::super::request::{Media, Part, Request, Role, Source, TextPart, Thought, ToolCall, ToolResult};
use super::super::state::State;
use super::super::{Target, Unsupported};
use super::vocabulary::Lost;
use super::write_parts::{Medium, object};
use super::{signature, thinking};
use std::borrow::Cow;
use std::collections::HashMap;

/// What Gemini 3 takes for the signature of a call that another model made
/// (ai.google.dev/gemini-api/docs/thought-signatures, "FAQs"). Without one it refuses the request.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Media types that may stand in the result of a function (ai.google.dev/gemini-api/docs/function-calling, "Multimodal
/// function responses"), Gemini 3 and later.
const IN_RESULTS: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "application/pdf"];

/// One turn.
#[derive(Debug)]
pub(super) struct Content<'r> {
    pub(super) model: bool,
    pub(super) pieces: Vec<Piece<'r>>,
}

/// One part.
#[derive(Debug)]
pub(super) enum Piece<'r> {
    Text(Cow<'r, str>, Option<&'r str>),
    Thought(&'r str, Option<&'r str>),
    Call { id: &'r str, name: &'r str, arguments: &'r str, signature: Option<&'r str> },
    Result { id: &'r str, name: &'r str, text: Cow<'r, str>, is_error: bool, media: Vec<Medium<'r>> },
    Media(Medium<'r>),
}

/// Arranges a conversation.
pub(super) struct Arranger<'r, 'a, 't> {
    target: &'t Target<'t>,
    /// Every call so far, by its id: which it is, and its name.
    calls: HashMap<&'r str, (usize, &'r str)>,
    /// How many there are.
    count: usize,
    three: bool,
    request: &'r Request<'a>,
}

impl<'r, 'a, 't> Arranger<'r, 'a, 't> {
    pub(super) fn new(request: &'r Request<'a>, target: &'t Target<'t>) -> Self {
        let three = thinking::is_three(target.model) || target.thinking == super::super::Thinking::Level;
        Self { target, calls: HashMap::new(), count: 0, three, request }
    }

    /// The turns, in order.
    ///
    /// # Errors
    /// Something cannot be said to Gemini.
    pub(super) fn contents(&mut self, lost: &mut Lost) -> Result<Vec<Content<'r>>, Unsupported> {
        let mut contents = Vec::with_capacity(self.request.turns.len());
        for group in self.request.turns.chunk_by(|a, b| is_model(a.role) == is_model(b.role)) {
            for turn in group {
                lost.when(turn.name.is_some(), lost.words.speaker);
                // Instructions in the middle are the user's words here: there is no other place for them.
                lost.when(turn.role == Role::System, lost.words.role);
            }
            let parts = group.iter().flat_map(|turn| &turn.parts);
            if group.first().is_some_and(|turn| is_model(turn.role)) {
                let pieces = self.model(parts, lost)?;
                contents.extend((!pieces.is_empty()).then_some(Content { model: true, pieces }));
            } else {
                let (results, pieces) = self.user(parts, lost)?;
                for pieces in [results, pieces] {
                    contents.extend((!pieces.is_empty()).then_some(Content { model: false, pieces }));
                }
            }
        }
        Ok(contents)
    }

    fn model(
        &mut self,
        parts: impl Iterator<Item = &'r Part<'a>>,
        lost: &mut Lost,
    ) -> Result<Vec<Piece<'r>>, Unsupported> {
        let mut pieces = Vec::new();
        // A signature that came alone belongs to what follows it.
        let mut pending: Option<&'r str> = None;
        let mut called = false;
        for part in parts {
            match part {
                Part::Text(text) if !text.text.is_empty() => {
                    note(text, lost);
                    pieces.push(Piece::Text(Cow::Borrowed(&text.text), pending.take()));
                }
                Part::Text(_) => {}
                Part::Reasoning(thought) => {
                    let signature = self.state(thought.state.as_ref(), lost);
                    if !thought.text.is_empty() {
                        pieces.push(Piece::Thought(&thought.text, signature));
                    } else if let Some(before) = signature.and_then(|signature| pending.replace(signature)) {
                        pieces.push(Piece::Text(Cow::Borrowed(""), Some(before)));
                    }
                }
                Part::ToolCall(call) => {
                    let own = self.state(call.state.as_ref(), lost).or(pending.take());
                    // Google signs the first of several calls at once, and asks for that one.
                    let signature = own.or((self.three && !called).then_some(NO_SIGNATURE));
                    called = true;
                    pieces.push(self.call(call, signature, lost)?);
                }
                other => self.common(other, &mut pieces, lost)?,
            }
        }
        pieces.extend(pending.map(|signature| Piece::Text(Cow::Borrowed(""), Some(signature))));
        Ok(pieces)
    }

    /// Results, and all else.
    fn user(
        &mut self,
        parts: impl Iterator<Item = &'r Part<'a>>,
        lost: &mut Lost,
    ) -> Result<(Vec<Piece<'r>>, Vec<Piece<'r>>), Unsupported> {
        let (mut results, mut pieces) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::ToolResult(result) => {
                    let (order, piece) = self.result(result, &mut pieces, lost)?;
                    results.push((order, piece));
                }
                other => self.common(other, &mut pieces, lost)?,
            }
        }
        results.sort_by_key(|(order, _)| *order);
        Ok((results.into_iter().map(|(_, piece)| piece).collect(), pieces))
    }

    /// What both roles may say.
    fn common(
        &mut self,
        part: &'r Part<'a>,
        pieces: &mut Vec<Piece<'r>>,
        lost: &mut Lost,
    ) -> Result<(), Unsupported> {
        match part {
            Part::Text(text) => {
                note(text, lost);
                pieces.extend((!text.text.is_empty()).then(|| Piece::Text(Cow::Borrowed(&text.text), None)));
            }
            Part::Refusal(text) => pieces.push(Piece::Text(Cow::Borrowed(text), None)),
            Part::Image(media) => pieces.push(medium(media, "a picture", lost)?),
            Part::Document(media) => pieces.push(medium(media, "a document", lost)?),
            Part::Audio(media) => pieces.push(medium(media, "a sound", lost)?),
            Part::Video(media) => pieces.push(medium(media, "a film", lost)?),
            // In a turn of the user; a client that does so means them as history.
            Part::ToolCall(call) => {
                let signature = self.state(call.state.as_ref(), lost);
                pieces.push(self.call(call, signature, lost)?);
            }
            Part::ToolResult(result) => {
                let (_, piece) = self.result(result, pieces, lost)?;
                pieces.push(piece);
            }
            Part::Reasoning(Thought { text, state, .. }) => {
                let signature = self.state(state.as_ref(), lost);
                pieces.extend((!text.is_empty()).then(|| Piece::Thought(text, signature)));
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        call: &'r ToolCall<'a>,
        signature: Option<&'r str>,
        lost: &mut Lost,
    ) -> Result<Piece<'r>, Unsupported> {
        lost.when(call.cache.is_some(), lost.words.cache);
        let Some(arguments) = object(&call.arguments) else {
            let field = lost.words.arguments;
            return Err(Unsupported(format!("'{field}' must be a JSON object for Gemini")));
        };
        self.calls.insert(&call.id, (self.count, &call.name));
        self.count += 1;
        Ok(Piece::Call { id: &call.id, name: &call.name, arguments, signature })
    }

    /// A result, and where it stands among the calls. Media it cannot hold go into `pieces`, behind a line that says
    /// whose they are.
    fn result(
        &mut self,
        result: &'r ToolResult<'a>,
        pieces: &mut Vec<Piece<'r>>,
        lost: &mut Lost,
    ) -> Result<(usize, Piece<'r>), Unsupported> {
        lost.when(result.cache.is_some(), lost.words.cache);
        let call = self.calls.get(&*result.id).copied();
        let Some(name) = call.map(|(_, name)| name).or(result.name.as_deref()) else {
            let field = lost.words.result;
            return Err(Unsupported(format!(
                "'{field}' names no call before it, and Gemini needs the function's name"
            )));
        };
        let (mut texts, mut inside, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        for part in &result.parts {
            match part {
                Part::Text(text) => {
                    note(text, lost);
                    texts.push(&*text.text);
                }
                Part::Refusal(text) => texts.push(text),
                Part::Document(Media { source: Source::Text(text), .. }) => texts.push(text),
                other => self.common(other, &mut beside, lost)?,
            }
        }
        if self.three {
            (inside, beside) = beside.into_iter().partition(|piece| match piece {
                Piece::Media(Medium::Inline { media_type, .. }) => IN_RESULTS.contains(&&**media_type),
                _ => false,
            });
        }
        if !beside.is_empty() {
            pieces.push(Piece::Text(Cow::Owned(format!("From the result of {name}:")), None));
            pieces.append(&mut beside);
        }
        let media = inside.into_iter().filter_map(|piece| match piece {
            Piece::Media(medium) => Some(medium),
            _ => None,
        });
        let text = match texts.as_slice() {
            [text] => Cow::Borrowed(*text),
            texts => Cow::Owned(texts.join("\n")),
        };
        let order = call.map_or(usize::MAX, |(at, _)| at);
        let media = media.collect();
        Ok((order, Piece::Result { id: &result.id, name, text, is_error: result.is_error, media }))
    }

    /// A signature, if the target issued it.
    fn state(&self, state: Option<&'r State<'a>>, lost: &mut Lost) -> Option<&'r str> {
        let state = state?;
        let signature = signature::readable(state, self.target);
        lost.when(signature.is_none(), lost.words.signature);
        signature
    }
}

/// The system prompt's texts.
///
/// # Errors
/// It has something else.
pub(super) fn system<'r>(request: &'r Request<'_>, lost: &mut Lost) -> Result<Vec<&'r str>, Unsupported> {
    let mut texts = Vec::with_capacity(request.system.len());
    for part in &request.system {
        match part {
            Part::Text(text) => {
                note(text, lost);
                texts.push(&*text.text);
            }
            Part::Document(Media { source: Source::Text(text), .. }) => texts.push(text),
            _ => return Err(Unsupported("Gemini takes nothing but text as the system prompt".to_owned())),
        }
    }
    texts.retain(|text| !text.is_empty());
    Ok(texts)
}

fn is_model(role: Role) -> bool {
    role == Role::Assistant
}

/// Names what a text has that cannot be said.
fn note(text: &TextPart<'_>, lost: &mut Lost) {
    lost.when(text.cache.is_some(), lost.words.cache);
    lost.when(text.annotations.is_some(), lost.words.annotations);
}

fn medium<'r>(media: &'r Media<'_>, kind: &str, lost: &mut Lost) -> Result<Piece<'r>, Unsupported> {
    lost.when(media.cache.is_some(), lost.words.cache);
    lost.when(media.detail.as_deref().is_some_and(|detail| detail != "auto"), lost.words.detail);
    lost.when(media.name.is_some(), lost.words.title);
    if let Source::Text(text) = &media.source {
        return Ok(Piece::Text(Cow::Borrowed(text), None));
    }
    let medium = Medium::of(media, kind == "a picture");
    medium.map(Piece::Media).map_err(|why| Unsupported(format!("{kind} for Gemini {why}")))
}
