//! From one dialect to another: requests, answers, streams.
//!
//! Every dialect has a codec (`chat`, `responses`, `messages`, `gemini`, `converse`) that reads it into what stands in
//! `request` and `answer`, and writes it from there. So there is one translation for each dialect and not one for each
//! pair. What the representation cannot hold travels in a side-car (`Request::aside`); what the target cannot take is
//! named, by its path in the client's body, in [`Translated::lost`].
//!
//! Only requests whose dialect the provider does not speak come here; the others keep their bytes (see `edit`).

mod answer;
mod bound;
mod calls;
mod chat;
mod converse;
mod echo;
mod error;
mod fields;
mod gemini;
mod lost;
mod messages;
mod named;
mod request;
mod responses;
mod state;
mod stream;
mod strict;
#[cfg(test)]
mod tests;
mod writer;

pub use bound::{BoundKind, BoundState, bound_state, strip_state};
pub use echo::Echo;
pub use error::{DecodeError, Unsupported};
pub use named::tidy_names;
pub use stream::StreamTranslator;

use crate::Surface;
use request::Request;
use serde::{Deserialize, Serialize};

/// A request for an answer in a conversation, read from its dialect.
#[derive(Clone, Debug)]
pub struct Conversation<'a> {
    request: Request<'a>,
    surface: Surface,
}

/// Where a translated request goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'t> {
    /// The operation it is written for.
    pub surface: Surface,
    /// The provider's id.
    pub provider: &'t str,
    /// The name the provider knows the model by.
    pub model: &'t str,
    /// Top-level fields the provider takes beyond its dialect, such as OpenRouter's `provider` and `plugins`.
    pub extensions: &'t [String],
    /// Most output tokens of the model, when known: Anthropic's API wants a limit in every request.
    pub max_output_tokens: Option<u64>,
    /// How the model is told to think.
    pub thinking: Thinking,
    /// State that another provider issued is left out instead of refused.
    pub strip_state: bool,
    /// The limit of output tokens of a chat completion is called `max_completion_tokens`: OpenAI's reasoning models,
    /// whoever serves them, refuse the older name.
    pub completion_tokens: bool,
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// Not known: the usual way of the dialect.
    #[default]
    Usual,
    /// A word: `reasoning_effort`, `reasoning.effort`.
    Effort,
    /// OpenRouter's object in chat completions: `reasoning: {effort | max_tokens, exclude, enabled}`.
    Object,
    /// A number of tokens: Anthropic's `thinking.budget_tokens`, Gemini's `thinkingBudget`.
    Budget,
    /// Anthropic's `thinking: {type: adaptive}` with `output_config.effort`.
    Adaptive,
    /// Gemini's `thinkingLevel`.
    Level,
    /// The model does not think; what asks it to is lost.
    None,
}

/// What an answer's translation needs to know beside the answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerContext<'t> {
    /// The operation of the client.
    pub surface: Surface,
    /// The provider that answers.
    pub provider: &'t str,
    /// The model's name upstream, for answers that do not name one.
    pub model: &'t str,
    /// An id for answers that have none, unique and without spaces.
    pub id: &'t str,
    /// Seconds since 1970, for answers without a time.
    pub now: u64,
    /// Whether a stream ends with figures even if the dialect sends them on request only
    /// (`stream_options.include_usage`).
    pub include_usage: bool,
}

/// A body in another dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// The body.
    pub body: Vec<u8>,
    /// What it could not carry, each once: paths in the original body, such as `logit_bias`, `tools[1]` or
    /// `messages[0].name`; `messages[].name` where several elements lost the same.
    pub lost: Vec<String>,
}

/// Who reads and writes an operation. The one place that names every operation: a new one has to be put here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Chat,
    Responses,
    Messages,
    Gemini,
    Converse,
}

const fn codec(surface: Surface) -> Codec {
    match surface {
        Surface::Responses => Codec::Responses,
        Surface::Messages => Codec::Messages,
        Surface::GenerateContent => Codec::Gemini,
        Surface::Converse => Codec::Converse,
        Surface::ChatCompletions => Codec::Chat,
        // No conversations, so nobody asks for their translation (`Surface::is_conversation`).
        Surface::Completions | Surface::Embeddings | Surface::CountTokens => Codec::Chat,
    }
}

impl<'a> Conversation<'a> {
    /// Reads a request. Gemini's has its model and whether it streams in its path: [`Conversation::named`] sets them.
    ///
    /// # Errors
    /// A field of the wrong type, a field that is missing, a content part nobody knows: the caller is to blame.
    pub fn read(surface: Surface, body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut request = match codec(surface) {
            Codec::Responses => responses::read_request(body),
            Codec::Messages => messages::read_request(body),
            Codec::Gemini => gemini::read_request(body),
            Codec::Converse => converse::read_request(body),
            Codec::Chat => chat::read_request(body),
        }?;
        // The list of models is the gateway's own affair.
        request.aside.retain(|(name, _)| name != "models");
        lost::cap(&mut request.lost);
        Ok(Self { request, surface })
    }

    /// Sets what the path of a Gemini request says.
    pub fn named(&mut self, model: &str, stream: bool) {
        (self.request.model, self.request.stream) = (fields::owned(model), stream);
    }

    /// Lowers the limit of output tokens, or sets it where the client has none.
    pub fn cap_output(&mut self, most: u64) {
        let limit = self.request.max_output_tokens.map_or(most, |limit| limit.min(most));
        self.request.max_output_tokens = Some(limit);
    }

    /// Writes the request for a target.
    ///
    /// # Errors
    /// What the request is about cannot be said to this target: another one may be able to take it.
    pub fn write(&self, target: &Target<'_>) -> Result<Translated, Unsupported> {
        let foreign = target.surface != self.surface;
        if let (true, Some(name)) = (foreign, self.request.bound.first()) {
            return Err(Unsupported(format!(
                "{name} has a meaning in the API of {} only",
                self.surface.name()
            )));
        }
        let mut translated = match codec(target.surface) {
            Codec::Responses => responses::write_request(&self.request, self.surface, target),
            Codec::Messages => messages::write_request(&self.request, self.surface, target),
            Codec::Gemini => gemini::write_request(&self.request, self.surface, target),
            Codec::Converse => converse::write_request(&self.request, self.surface, target),
            Codec::Chat => chat::write_request(&self.request, self.surface, target),
        }?;
        translated.lost.splice(0..0, self.request.lost.iter().cloned());
        if foreign {
            translated.lost.retain(|field| !self.is_granted(field));
            translated.lost.extend(self.request.own.iter().map(|own| own.path.clone()));
        }
        named::settle(self.surface, &mut translated.lost);
        Ok(translated)
    }

    /// Whether a field asks for what a translated answer has anyway: not to be stored by an API that stores none, and
    /// state of thoughts that the client can keep.
    fn is_granted(&self, field: &str) -> bool {
        let Some((_, value)) = self.request.aside.iter().find(|(name, _)| name == field) else {
            return false;
        };
        match (field, value) {
            ("store", request::Json::Bool(stored)) => !stored,
            ("include", request::Json::Array(asked)) => {
                asked.iter().all(|one| one.as_str() == Some(responses::ENCRYPTED))
            }
            _ => false,
        }
    }

    /// What its answer has to repeat of it, in the client's dialect.
    #[must_use]
    pub fn echo(&self) -> Echo {
        match codec(self.surface) {
            Codec::Responses => responses::echo(&self.request),
            Codec::Chat | Codec::Messages | Codec::Gemini | Codec::Converse => Echo::default(),
        }
    }
}

/// Translates a whole answer from a provider's operation to the client's.
///
/// # Errors
/// The provider's answer is not of its dialect: the provider is to blame.
pub fn translate_answer(
    from: Surface,
    body: &[u8],
    context: &AnswerContext<'_>,
) -> Result<Translated, DecodeError> {
    translate_answer_with(from, body, context, &Echo::default())
}

/// As [`translate_answer`], with what the answer repeats of its request ([`Conversation::echo`]).
///
/// # Errors
/// As [`translate_answer`].
pub fn translate_answer_with(
    from: Surface,
    body: &[u8],
    context: &AnswerContext<'_>,
    echo: &Echo,
) -> Result<Translated, DecodeError> {
    let answer = match codec(from) {
        Codec::Responses => responses::read_answer(body),
        Codec::Messages => messages::read_answer(body),
        Codec::Gemini => gemini::read_answer(body),
        Codec::Converse => converse::read_answer(body),
        Codec::Chat => chat::read_answer(body),
    }?;
    let mut translated = match codec(context.surface) {
        Codec::Responses => responses::write_answer(&answer, context, echo),
        Codec::Messages => messages::write_answer(&answer, context),
        Codec::Gemini => gemini::write_answer(&answer, context),
        Codec::Converse => converse::write_answer(&answer, context),
        Codec::Chat => chat::write_answer(&answer, context),
    };
    translated.lost.splice(0..0, answer.lost);
    tidy_names(&mut translated.lost);
    lost::cap(&mut translated.lost);
    Ok(translated)
}

/// An id for a call whose dialect has none: stable, so that the result in the next request finds it again.
pub(crate) fn call_id(name: &str, position: usize) -> String {
    format!("call_{position}_{name}")
}

/// Parses a body into a tree that borrows from it.
pub(crate) fn parse(body: &[u8]) -> Result<request::Json<'_>, DecodeError> {
    serde_json::from_slice(body).map_err(|error| DecodeError::syntax(&error))
}
