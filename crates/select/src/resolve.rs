//! From the names a client sends to models at providers.

mod find;
#[cfg(test)]
mod tests;

use crate::entity::ModelEntity;
use crate::names::{Expanded, Name, UriParams, expand};
use crate::universe::{DefaultBackend, Hit, Universe, VARIANT};
use find::{Found, find};
use std::sync::Arc;
use tollgate_catalog::{Catalog, Provider};
use tollgate_dialect::{Format, Surface};

/// Names one request may list; more would be of use only to keep the gateway busy.
const MAX_NAMES: usize = 256;
/// Longest name, in bytes. Ids of models are at most 255.
const MAX_NAME: usize = 512;
/// Names of one request for which near ones are looked up.
const MAX_SUGGESTED: usize = 8;

/// What a request asks for.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// `model` of the body; `None` when absent or null.
    pub model: Option<&'a str>,
    /// `models` of the body.
    pub models: &'a [String],
    /// The operation.
    pub surface: Surface,
    /// The format of request and answer.
    pub format: Format,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The client's `user-agent`.
    pub user_agent: &'a str,
    /// The path of the request.
    pub path: &'a str,
    /// The provider that the path stands for (`/openrouter`): names without a prefix that nothing knows go there.
    pub mount_backend: Option<&'a str>,
    /// Estimates the tokens of the prompt; called only when an expression may read them.
    pub input_tokens: &'a dyn Fn() -> u64,
    /// Whether a key exists that could be sent to a provider, or it needs none.
    pub has_key: &'a dyn Fn(&Provider) -> bool,
}

/// A name of the client that was turned down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The name, as sent.
    pub model: String,
    /// Why, for people.
    pub reason: String,
    /// Why, for programs.
    pub kind: RejectKind,
}

/// Why a name was turned down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectKind {
    /// No model has this name, and no provider prefix says where to send it.
    UnknownModel,
    /// The text before the colon is no provider.
    UnknownProvider,
    /// Not a name: a side of the colon is empty, or it is too long.
    BadName,
    /// The policy does not allow its provider.
    ProviderNotAllowed,
    /// The policy does not allow it.
    ModelNotAllowed,
    /// Its provider does not speak the request's format, or lacks the operation.
    Format,
    /// Strategies left it out.
    Strategy,
    /// There were too many names before it.
    TooMany,
}

/// One way to serve one of the client's names.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    /// Position of the name among the client's.
    pub(crate) name: usize,
    /// Among the members of one name: those with a lower turn come first, whoever has a key.
    pub(crate) turn: usize,
    /// The name as sent; `None` when it is not the client's.
    pub(crate) requested: Option<&'a str>,
    pub(crate) entity: Arc<ModelEntity>,
    /// What is sent upstream.
    pub(crate) upstream: String,
    pub(crate) params: Arc<UriParams>,
}

/// What became of the client's names.
#[derive(Debug, Default)]
pub(crate) struct Resolved<'a> {
    /// The names, without duplicates.
    pub(crate) names: Vec<Name<'a>>,
    /// The name that is `ngrok/auto`, when it stands among others.
    pub(crate) auto: Option<usize>,
    /// In client order; within a name in the order in which the catalogue gave them.
    pub(crate) members: Vec<Member<'a>>,
    pub(crate) rejected: Vec<Rejected>,
    /// Members that are no entries of the universe.
    pub(crate) unknown: usize,
}

impl Resolved<'_> {
    /// Whether the client leaves the choice to the policy.
    pub(crate) fn is_auto(&self) -> bool {
        self.names.is_empty()
    }
}

/// Finds the models of all names of a request.
pub(crate) fn resolve<'a>(universe: &Universe, ask: &Ask<'a>) -> Resolved<'a> {
    let catalog = universe.catalog();
    let is_backend = |name: &str| catalog.provider(name).next().is_some();
    let knows = |name: &str| find::knows(universe, name);
    let Expanded { names, auto, too_many } = expand(universe.names(), ask, MAX_NAMES, &is_backend, &knows);
    let mut resolved = Resolved { auto, ..Resolved::default() };
    if let Some(name) = too_many {
        let reason = format!("more than {MAX_NAMES} models named");
        resolved.rejected.push(Rejected { model: clip(name), reason, kind: RejectKind::TooMany });
    }
    let mounted = mounted(universe, ask);
    let backends = mounted.as_deref().unwrap_or(universe.default_backend());
    let by = if mounted.is_some() { "path" } else { "default-backend" };
    let mut defaulted: Vec<(usize, Vec<Arc<Provider>>)> = Vec::new();
    for (at, name) in names.iter().enumerate().filter(|(at, _)| auto != Some(*at)) {
        let found = match &name.fault {
            Some(why) => Found::Rejected(RejectKind::BadName, why.clone()),
            None => find(universe, name, backends),
        };
        if let Found::Default(found, _) = &found {
            defaulted.push((at, found.iter().map(|(backend, _)| Arc::clone(&backend.provider)).collect()));
        }
        admit(universe, ask.surface, at, name, found, &mut resolved);
    }
    resolved.names = names;
    for (at, backends) in defaulted {
        if let Some(name) = resolved.names.get_mut(at) {
            name.backends = backends;
            name.by = name.by.or(Some(by));
        }
    }
    resolved
}

/// The providers of the path, if it stands for one.
fn mounted(universe: &Universe, ask: &Ask<'_>) -> Option<Vec<DefaultBackend>> {
    let providers = universe.catalog().provider(ask.mount_backend?);
    let backends: Vec<DefaultBackend> = providers.map(|p| DefaultBackend::new(Arc::clone(p))).collect();
    (!backends.is_empty()).then_some(backends)
}

/// Adds names that the client may have meant to the reasons of unknown ones.
pub(crate) fn suggest(catalog: &Catalog, rejected: &mut [Rejected]) {
    let unknown = |kind| matches!(kind, RejectKind::UnknownModel | RejectKind::UnknownProvider);
    for one in rejected.iter_mut().filter(|one| unknown(one.kind)).take(MAX_SUGGESTED) {
        let prefix = one.model.split_once(':').map(|(provider, _)| provider.trim());
        if let Some(provider) = prefix.and_then(|name| catalog.listed_only(name)) {
            one.reason = format!("{}; {}", one.reason, provider.how_to_list());
            continue;
        }
        let near: Vec<String> = catalog
            .nearest(one.model.split('?').next().unwrap_or_default())
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        if !near.is_empty() {
            one.reason = format!("{}; did you mean {}?", one.reason, near.join(" or "));
        }
    }
}

/// Adds what can serve the request, or notes why nothing can.
fn admit<'a>(
    universe: &Universe,
    surface: Surface,
    at: usize,
    name: &Name<'a>,
    found: Found<'_>,
    resolved: &mut Resolved<'a>,
) {
    let mut admitted = false;
    let mut refused: Option<(RejectKind, String)> = None;
    let mut take = |outcome: Result<(), (RejectKind, String)>| match outcome {
        Ok(()) => admitted = true,
        Err(why) => {
            refused.get_or_insert(why);
        }
    };
    let place = Admission { universe, surface, at, name, turn: 0, params: &name.params };
    match found {
        Found::Rejected(kind, why) => take(Err((kind, why))),
        Found::Known(hits, text) => hits.into_iter().for_each(|hit| take(place.known(hit, text, resolved))),
        Found::PassThrough(providers, model) => {
            providers.iter().for_each(|provider| take(place.unknown(provider, model, resolved)));
        }
        Found::Default(found, text) => {
            for (turn, (backend, hit)) in found.into_iter().enumerate() {
                let params = match backend.params.is_empty() {
                    true => Arc::clone(&name.params),
                    false => Arc::new(name.params.or(&backend.params)),
                };
                let place = Admission { turn, params: &params, ..place };
                take(match hit {
                    Some(hit) => place.known(hit, text, resolved),
                    None => place.unknown(&backend.provider, text, resolved),
                });
            }
        }
    }
    if let (false, Some((kind, reason))) = (admitted, refused) {
        let reason = match name.alias.filter(|_| name.fault.is_none()) {
            Some(rule) => format!("{reason}; it is `{}` by model_aliases[{rule}]", clip(&name.text)),
            None => reason,
        };
        resolved.rejected.push(Rejected { model: clip(name.label()), reason, kind });
    }
}

/// How the members of one name are added.
#[derive(Clone, Copy)]
struct Admission<'n, 'a> {
    universe: &'n Universe,
    surface: Surface,
    at: usize,
    name: &'n Name<'a>,
    turn: usize,
    params: &'n Arc<UriParams>,
}

impl<'a> Admission<'_, 'a> {
    fn known(&self, hit: Hit, text: &str, resolved: &mut Resolved<'a>) -> Result<(), (RejectKind, String)> {
        let (entity, provider, model, matched) = hit;
        match (usable(self.universe, self.surface, entity.as_ref(), &provider), entity) {
            (None, Some(mut entity)) => {
                let upstream = model.sent_name(matched, text);
                let variant = entity.index == VARIANT;
                if let (true, Some(entity)) = (variant, Arc::get_mut(&mut entity)) {
                    entity.index = self.universe.len() + resolved.unknown;
                }
                if resolved.push(self.member(entity, upstream)) {
                    resolved.unknown += usize::from(variant);
                }
                Ok(())
            }
            (kind, _) => {
                let kind = kind.unwrap_or(RejectKind::ModelNotAllowed);
                Err((kind, reason(kind, &provider, &model.id, self.surface)))
            }
        }
    }

    /// Adds a model the catalogue does not know.
    fn unknown(
        &self,
        provider: &Arc<Provider>,
        model: &str,
        resolved: &mut Resolved<'a>,
    ) -> Result<(), (RejectKind, String)> {
        let refused = |kind| (kind, reason(kind, provider, model, self.surface));
        if !self.universe.provider_serves(provider, self.surface) {
            return Err(refused(RejectKind::Format));
        }
        let index = self.universe.len() + resolved.unknown;
        let entity = self.universe.pass_through(provider, model, index).map_err(refused)?;
        if resolved.push(self.member(entity, model.to_owned())) {
            resolved.unknown += 1;
        }
        Ok(())
    }

    fn member(&self, entity: Arc<ModelEntity>, upstream: String) -> Member<'a> {
        Member {
            name: self.at,
            turn: self.turn,
            requested: self.name.asked,
            entity,
            upstream,
            params: Arc::clone(self.params),
        }
    }
}

/// Why a known model cannot be used, if it cannot.
fn usable(
    universe: &Universe,
    surface: Surface,
    entity: Option<&Arc<ModelEntity>>,
    provider: &Provider,
) -> Option<RejectKind> {
    match entity {
        None if provider.disabled => Some(RejectKind::ProviderNotAllowed),
        None => Some(RejectKind::ModelNotAllowed),
        Some(entity) if !universe.serves(entity, surface) => Some(RejectKind::Format),
        Some(entity) => entity.denied,
    }
}

impl<'a> Resolved<'a> {
    /// Adds a member unless the same model is named before. Answers whether it was added.
    fn push(&mut self, member: Member<'a>) -> bool {
        let same =
            |other: &Member<'_>| other.upstream == member.upstream && other.entity.rank == member.entity.rank;
        let new = !self.members.iter().any(same);
        if new {
            self.members.push(member);
        }
        new
    }
}

fn reason(kind: RejectKind, provider: &Provider, model: &str, surface: Surface) -> String {
    let provider = &provider.id;
    match kind {
        RejectKind::ProviderNotAllowed => {
            format!("Provider '{provider}' is not allowed by gateway configuration")
        }
        RejectKind::ModelNotAllowed => format!("Model '{model}' is not allowed by gateway configuration"),
        _ => format!(
            "Provider '{provider}' does not offer {} of the {} API format for this model",
            surface.name(),
            surface.format().name()
        ),
    }
}

/// A name short enough to be repeated in an answer.
fn clip(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let end = name.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_NAME).last().unwrap_or(0);
    format!("{}...", name.get(..end).unwrap_or_default())
}
