//! How one candidate is spoken to: in the client's dialect, or in one of its own.

use super::gaps::unheeded;
use super::prepare::Prepared;
use super::{Gateway, Incoming};
use bytes::Bytes;
use tollgate_catalog::{Model, Provider};
use tollgate_dialect::{
    BoundKind, BoundState, Conversation, DecodeError, Echo, Format, Surface, Target, Translated, strip_state,
};
use tollgate_select::{Candidate, Fault};

/// The operation a candidate is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    /// The operation on the provider's side.
    pub(crate) surface: Surface,
    /// It is not the client's: request and answer are translated.
    pub(crate) translated: bool,
    /// The request carries state that this candidate cannot read, and the policy wants it stripped.
    pub(crate) strips: bool,
}

/// A body for one candidate before the edits every attempt makes.
pub(super) struct Spoken {
    pub(super) body: Bytes,
    /// Fields that were left out on the way, and those that have no effect where the body goes.
    pub(super) lost: Vec<String>,
    /// What the answer has to repeat of the request.
    pub(super) echo: Echo,
}

impl Gateway {
    /// How a candidate is spoken to, or why it cannot be.
    pub(crate) fn wire(
        &self,
        incoming: &Incoming,
        prepared: &Prepared,
        candidate: &Candidate,
    ) -> Result<Wire, Fault> {
        let (provider, model) = (&candidate.provider, &candidate.model);
        let around = self.around_gaps(incoming, prepared, candidate);
        let usual = around.or_else(|| provider.wire_for(incoming.surface, model));
        let bound = &prepared.bound;
        // State that was issued in another dialect of this provider is understood in that one only.
        let issued = |state: &&BoundState| {
            claude(state.surface) || state.provider.as_deref().is_none_or(|issuer| issuer == provider.id)
        };
        let issuing = bound.iter().filter(issued).map(|state| state.surface).find(|surface| {
            incoming.surface.is_conversation()
                && *surface != incoming.surface
                && speaks(provider, model, *surface)
        });
        let surface = issuing.or(usual).ok_or_else(|| {
            let format = incoming.surface.format().name();
            Fault::Untranslatable(format!("it has no operation for this request of the {format} API").into())
        })?;
        let wire = Wire { surface, translated: surface != incoming.surface, strips: false };
        let mut foreign =
            bound.iter().filter(|state| !self.readable(state, wire.surface, prepared, candidate));
        let strips = bound.iter().any(|state| !self.readable(state, wire.surface, prepared, candidate));
        // Thoughts that nobody signed are worth no refusal.
        match foreign.find(|state| state.kind != BoundKind::Unsigned && !self.knobs.strip_state) {
            None => Ok(Wire { strips, ..wire }),
            Some(state) => Err(Fault::BoundState(refusal(state).into())),
        }
    }

    /// The body in the candidate's dialect. Bytes nobody has to change stay the client's.
    pub(super) fn spoken(
        &self,
        incoming: &Incoming,
        prepared: &Prepared,
        candidate: &Candidate,
        wire: Wire,
    ) -> Result<Spoken, Fault> {
        if wire.translated {
            let mut spoken = self.translated(incoming, candidate, wire)?;
            let foreign =
                prepared.bound.iter().filter(|s| !self.readable(s, wire.surface, prepared, candidate));
            for state in foreign.filter(|state| state.kind != BoundKind::Unsigned) {
                name_precisely(&mut spoken.lost, &state.path);
            }
            return Ok(spoken);
        }
        let stripped = wire.strips.then(|| {
            strip_state(incoming.surface, &incoming.body, |state| {
                !self.readable(state, wire.surface, prepared, candidate)
            })
        });
        let (body, mut lost) = match stripped.flatten() {
            Some((body, lost)) => (body.into(), lost),
            None => (incoming.body.clone(), Vec::new()),
        };
        lost.extend_from_slice(unheeded(prepared, &candidate.provider.id));
        Ok(Spoken { body, lost, echo: Echo::default() })
    }

    fn translated(&self, incoming: &Incoming, candidate: &Candidate, wire: Wire) -> Result<Spoken, Fault> {
        let (provider, model) = (&candidate.provider, &candidate.model);
        let mut conversation =
            Conversation::read(incoming.surface, &incoming.body).map_err(|e| unreadable(&e))?;
        if incoming.surface.format() == Format::Gemini {
            conversation.named(incoming.peek.model.as_deref().unwrap_or(""), incoming.peek.stream);
        }
        if let Some(cap) = self.knobs.max_output_tokens {
            conversation.cap_output(cap);
        }
        let target = Target {
            surface: wire.surface,
            provider: &provider.id,
            model: &candidate.upstream_model,
            extensions: &provider.extensions,
            max_output_tokens: Some(model.max_output_tokens).filter(|limit| *limit > 0),
            thinking: model.thinking,
            strip_state: wire.strips,
            completion_tokens: provider.wants_completion_tokens(Some(model)),
        };
        let Translated { body, lost } =
            conversation.write(&target).map_err(|why| Fault::Untranslatable(why.to_string().into()))?;
        Ok(Spoken { body: body.into(), lost, echo: conversation.echo() })
    }

    /// Whether a candidate can read state of a request.
    fn readable(
        &self,
        state: &BoundState,
        wire: Surface,
        prepared: &Prepared,
        candidate: &Candidate,
    ) -> bool {
        let (provider, model) = (&candidate.provider, &candidate.model);
        if state.kind == BoundKind::Unsigned {
            return wire != Surface::Messages
                || !makes(model, &candidate.upstream_model, "anthropic", "claude");
        }
        let same_dialect = wire == state.surface || claude(wire) && claude(state.surface);
        if !same_dialect {
            return false;
        }
        if let BoundKind::Stored(_) = state.kind {
            return prepared.home.as_deref() == Some(provider.id.as_str());
        }
        match (&state.provider, state.surface) {
            (issuer, surface) if claude(surface) => {
                // Other makers imitate Anthropic's API, with signatures of their own.
                let issuer = issuer.as_deref().or(prepared.home.as_deref());
                makes(model, &candidate.upstream_model, "anthropic", "claude")
                    || !state.looks_like_claude && wire == surface && issuer == Some(provider.id.as_str())
            }
            (Some(issuer), _) => *issuer == provider.id,
            (None, Surface::GenerateContent) => makes(model, &candidate.upstream_model, "google", "gemini"),
            (None, Surface::ChatCompletions) => provider.extensions.iter().any(|field| field == "reasoning"),
            (None, _) => prepared.home.as_deref() == Some(provider.id.as_str()),
        }
    }
}

/// The provider that state without a name was issued by: the one the ledger remembers, else the first candidate that
/// speaks its dialect.
pub(super) fn home(
    bound: &[BoundState],
    candidates: &[Candidate],
    remembered: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let ids = bound.iter().filter_map(|state| match &state.kind {
        BoundKind::Stored(id) => Some(id.as_str()),
        BoundKind::Thoughts | BoundKind::Unsigned => None,
    });
    ids.into_iter().find_map(remembered).or_else(|| {
        let surface = bound.iter().find(|s| s.provider.is_none() && s.kind != BoundKind::Unsigned)?.surface;
        let first = candidates.iter().find(|c| speaks(&c.provider, &c.model, surface))?;
        Some(first.provider.id.clone())
    })
}

/// The operations whose answers have Claude's signatures, which hold at every platform that serves Claude (Anthropic,
/// "Extended thinking").
fn claude(surface: Surface) -> bool {
    matches!(surface, Surface::Messages | Surface::Converse)
}

fn speaks(provider: &Provider, model: &Model, surface: Surface) -> bool {
    provider.serves(surface) && model.serves(surface)
}

/// Whether a model is of this maker: by the catalogue, else by what its name holds.
fn makes(model: &Model, upstream: &str, author: &str, word: &str) -> bool {
    if model.author_id.is_empty() {
        upstream.to_ascii_lowercase().contains(word)
    } else {
        model.author_id.eq_ignore_ascii_case(author)
    }
}

/// Names state that was left out, in place of what the translation calls the part it stood in.
fn name_precisely(lost: &mut Vec<String>, path: &str) {
    if lost.iter().any(|name| name == path) {
        return;
    }
    let around = |name: &String| path.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'));
    match lost.iter_mut().find(|name| around(name)) {
        Some(name) => path.clone_into(name),
        None => lost.push(path.to_owned()),
    }
}

fn refusal(state: &BoundState) -> String {
    let issuer = match (&state.provider, state.surface) {
        (Some(provider), _) => format!("'{provider}'"),
        (None, Surface::Messages | Surface::Converse) => "Anthropic's models".to_owned(),
        (None, Surface::GenerateContent) => "Google's models".to_owned(),
        (None, _) => "the provider that gave the earlier answer".to_owned(),
    };
    format!(
        "'{}' holds state that only {issuer} can read; `bound_state: strip` in the policy sends the request without it",
        state.path
    )
}

fn unreadable(error: &DecodeError) -> Fault {
    Fault::Unreadable { why: error.to_string().into(), field: error.field().map(Into::into) }
}
