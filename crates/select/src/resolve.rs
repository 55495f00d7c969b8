//! From the names a client sends to models at providers.

#[cfg(test)]
mod tests;

use crate::entity::ModelEntity;
use crate::universe::{Hit, Universe};
use std::sync::Arc;
use tollgate_catalog::{Catalog, Provider};
use tollgate_dialect::{Format, Surface};

/// The name that stands for "whatever the policy chooses".
const AUTO: &str = "ngrok/auto";
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
    /// The name as sent.
    pub(crate) requested: &'a str,
    pub(crate) entity: Arc<ModelEntity>,
    /// What is sent upstream.
    pub(crate) upstream: String,
}

/// What became of the client's names.
#[derive(Debug, Default)]
pub(crate) struct Resolved<'a> {
    /// The names, without duplicates.
    pub(crate) names: Vec<&'a str>,
    /// The name that is `ngrok/auto`, when it stands among others.
    pub(crate) auto: Option<usize>,
    /// In client order; within a name in the order in which the catalogue gave them.
    pub(crate) members: Vec<Member<'a>>,
    pub(crate) rejected: Vec<Rejected>,
    /// Members that are pass-through models.
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
    let mut resolved = Resolved::default();
    collect_names(ask, &mut resolved);
    for at in 0..resolved.names.len() {
        if resolved.auto == Some(at) {
            continue;
        }
        let Some(name) = resolved.names.get(at).copied() else { break };
        let found = find(universe, name);
        admit(universe, ask.surface, at, name, found, &mut resolved);
    }
    resolved
}

/// Adds names that the client may have meant to the reasons of unknown ones.
pub(crate) fn suggest(catalog: &Catalog, rejected: &mut [Rejected]) {
    let unknown = |kind| matches!(kind, RejectKind::UnknownModel | RejectKind::UnknownProvider);
    for one in rejected.iter_mut().filter(|one| unknown(one.kind)).take(MAX_SUGGESTED) {
        let near: Vec<String> = catalog.nearest(&one.model).iter().map(|name| format!("`{name}`")).collect();
        if !near.is_empty() {
            one.reason = format!("{}; did you mean {}?", one.reason, near.join(" or "));
        }
    }
}

/// `model`, unless it is auto, then `models`; no duplicates, nothing empty. Only auto, or nothing: no names.
fn collect_names<'a>(ask: &Ask<'a>, resolved: &mut Resolved<'a>) {
    let first = ask.model.map(str::trim).filter(|name| !is_auto(name));
    for name in first.into_iter().chain(ask.models.iter().map(|name| name.trim())) {
        if name.is_empty() || resolved.names.contains(&name) {
            continue;
        }
        if is_auto(name) {
            if resolved.auto.is_some() {
                continue;
            }
            resolved.auto = Some(resolved.names.len());
        }
        if resolved.names.len() >= MAX_NAMES {
            let reason = format!("more than {MAX_NAMES} models named");
            resolved.rejected.push(Rejected { model: clip(name), reason, kind: RejectKind::TooMany });
            break;
        }
        resolved.names.push(name);
    }
    if resolved.auto.is_some() && resolved.names.len() == 1 {
        resolved.names.clear();
        resolved.auto = None;
    }
}

fn is_auto(name: &str) -> bool {
    name.eq_ignore_ascii_case(AUTO)
}

/// What a name means.
enum Found<'a> {
    /// Models of the catalogue, and the text that named them; a disabled one has no entity.
    Known(Vec<Hit>, &'a str),
    /// A name only its provider can judge.
    PassThrough(Vec<Arc<Provider>>, &'a str),
    Rejected(RejectKind, String),
}

/// The rules, in their order: a known model under a provider prefix, a known model by its whole name, an unknown
/// model under a provider prefix, and, where the policy wants it, `author/model`.
fn find<'a>(universe: &Universe, name: &'a str) -> Found<'a> {
    if name.len() > MAX_NAME {
        return Found::Rejected(RejectKind::BadName, format!("name longer than {MAX_NAME} bytes"));
    }
    let split = name.split_once(':').map(|(provider, model)| (provider.trim(), model.trim()));
    let providers: Vec<Arc<Provider>> = match split {
        Some((provider, model)) if !provider.is_empty() && !model.is_empty() => {
            universe.catalog().provider(provider).cloned().collect()
        }
        _ => Vec::new(),
    };
    if let Some((_, model)) = split {
        let hits: Vec<Hit> = providers.iter().filter_map(|p| universe.at(p, model)).collect();
        if !hits.is_empty() {
            return Found::Known(hits, model);
        }
    }
    let hits = universe.named(name);
    if !hits.is_empty() {
        return Found::Known(hits, name);
    }
    match split {
        Some((_, model)) if !providers.is_empty() => Found::PassThrough(providers, model),
        Some(("", _)) => Found::Rejected(RejectKind::BadName, "no provider before the colon".into()),
        Some((_, "")) => Found::Rejected(RejectKind::BadName, "no model after the colon".into()),
        // `author/model:free`: a colon behind a slash is part of the model's name, not the end of a provider's.
        Some((provider, _)) if provider.contains('/') && !universe.default_backend().is_empty() => {
            Found::PassThrough(universe.default_backend().to_vec(), name)
        }
        Some((provider, _)) => {
            Found::Rejected(RejectKind::UnknownProvider, format!("unknown provider '{provider}'"))
        }
        None => author_slug(universe, name)
            .or_else(|| {
                let backend = universe.default_backend();
                (!backend.is_empty()).then(|| Found::PassThrough(backend.to_vec(), name))
            })
            .unwrap_or_else(|| Found::Rejected(RejectKind::UnknownModel, "unknown model".into())),
    }
}

/// `author/model`: the providers whose model of that name is by that author; or the provider of the author's name.
fn author_slug<'a>(universe: &Universe, name: &'a str) -> Option<Found<'a>> {
    if !universe.options().accept_author_slug {
        return None;
    }
    let (author, model) = name.split_once('/')?;
    let catalog = universe.catalog();
    if let Some(author) = catalog.author(author) {
        let mut hits = universe.named(model);
        hits.retain(|(_, _, record, _)| record.author_id.eq_ignore_ascii_case(&author.id));
        if !hits.is_empty() {
            return Some(Found::Known(hits, model));
        }
    }
    let providers: Vec<Arc<Provider>> = catalog.provider(author).cloned().collect();
    let hits: Vec<Hit> = providers.iter().filter_map(|p| universe.at(p, model)).collect();
    if !hits.is_empty() {
        return Some(Found::Known(hits, model));
    }
    (!providers.is_empty() && !model.is_empty()).then_some(Found::PassThrough(providers, model))
}

/// Adds what can serve the request, or notes why nothing can.
fn admit<'a>(
    universe: &Universe,
    surface: Surface,
    at: usize,
    name: &'a str,
    found: Found<'a>,
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
    match found {
        Found::Rejected(kind, why) => take(Err((kind, why))),
        Found::Known(hits, text) => {
            for (entity, provider, model, matched) in hits {
                let usable = usable(universe, surface, entity.as_ref(), &provider);
                take(match (usable, entity) {
                    (None, Some(entity)) => {
                        let upstream = model.sent_name(matched, text);
                        resolved.push(Member { name: at, requested: name, entity, upstream });
                        Ok(())
                    }
                    (kind, _) => {
                        let kind = kind.unwrap_or(RejectKind::ModelNotAllowed);
                        Err((kind, reason(kind, &provider, &model.id, surface)))
                    }
                });
            }
        }
        Found::PassThrough(providers, model) => {
            for provider in providers {
                take(
                    admit_unknown(universe, surface, at, name, (&provider, model), resolved)
                        .map_err(|kind| (kind, reason(kind, &provider, model, surface))),
                );
            }
        }
    }
    if let (false, Some((kind, reason))) = (admitted, refused) {
        resolved.rejected.push(Rejected { model: clip(name), reason, kind });
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

/// Adds a model the catalogue does not know.
fn admit_unknown<'a>(
    universe: &Universe,
    surface: Surface,
    at: usize,
    name: &'a str,
    (provider, model): (&Arc<Provider>, &str),
    resolved: &mut Resolved<'a>,
) -> Result<(), RejectKind> {
    if !universe.provider_serves(provider, surface) {
        return Err(RejectKind::Format);
    }
    let entity = universe.pass_through(provider, model, universe.len() + resolved.unknown)?;
    if resolved.push(Member { name: at, requested: name, entity, upstream: model.to_owned() }) {
        resolved.unknown += 1;
    }
    Ok(())
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
