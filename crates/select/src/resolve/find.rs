//! What one name means.

use super::{MAX_NAME, RejectKind};
use crate::names::{Name, prefix};
use crate::universe::{DefaultBackend, Hit, Universe};
use std::sync::Arc;
use tollgate_catalog::Provider;

/// What a name means.
pub(super) enum Found<'n> {
    /// Models of the catalogue, and the text that named them; a disabled one has no entity.
    Known(Vec<Hit>, &'n str),
    /// A name only its provider can judge.
    PassThrough(Vec<Arc<Provider>>, &'n str),
    /// A name without a prefix at the default backends, each with the model it has of that name.
    Default(Vec<(&'n DefaultBackend, Option<Hit>)>, &'n str),
    Rejected(RejectKind, String),
}

/// Whether a whole text is the name of a model, under its provider or without.
pub(super) fn knows(universe: &Universe, name: &str) -> bool {
    let at = |(provider, model): (&str, &str)| {
        universe.catalog().provider(provider).any(|provider| universe.at(provider, model).is_some())
    };
    !universe.named(name).is_empty() || name.split_once(':').is_some_and(at)
}

/// The rules, in their order: a known model under a provider prefix, a known model by its whole name, an unknown
/// model under a provider prefix; where the policy wants it `provider/model` and `author/model`; the default backends.
pub(super) fn find<'n>(universe: &Universe, name: &'n Name<'_>, backends: &'n [DefaultBackend]) -> Found<'n> {
    let backend_first = name.backend_first;
    let name: &str = &name.text;
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
        let hits = at_each(universe, &providers, model);
        if !hits.is_empty() {
            return Found::Known(hits, model);
        }
    }
    if backend_first && providers.is_empty() && !backends.is_empty() {
        return at_backends(universe, name, backends);
    }
    let mut hits = universe.named(name);
    if hits.is_empty() && providers.is_empty() {
        hits = universe.named_variants(name);
    }
    if !hits.is_empty() {
        return Found::Known(hits, name);
    }
    match split {
        Some((_, model)) if !providers.is_empty() => return Found::PassThrough(providers, model),
        Some(("", _)) => return Found::Rejected(RejectKind::BadName, "no provider before the colon".into()),
        Some((_, "")) => return Found::Rejected(RejectKind::BadName, "no model after the colon".into()),
        _ => {}
    }
    provider_slash(universe, name, backends)
        .or_else(|| author_slug(universe, name))
        .unwrap_or_else(|| without_prefix(universe, name, backends))
}

/// A name nothing else is known of.
fn without_prefix<'n>(universe: &Universe, name: &'n str, backends: &'n [DefaultBackend]) -> Found<'n> {
    // `author/model:free`: a colon behind a slash is part of the model's name, not the end of a provider's.
    let Some((provider, _)) = prefix(name) else {
        if backends.is_empty() {
            let reason = match name.split_once(':') {
                Some((provider, _)) => {
                    (RejectKind::UnknownProvider, format!("unknown provider '{provider}'"))
                }
                None => (RejectKind::UnknownModel, "unknown model".to_owned()),
            };
            return Found::Rejected(reason.0, reason.1);
        }
        return at_backends(universe, name, backends);
    };
    let known = backends.iter().any(|backend| universe.at(&backend.provider, name).is_some());
    if known {
        return at_backends(universe, name, backends);
    }
    let hint = if provider.eq_ignore_ascii_case("alias") {
        "; names that begin with `alias:` need a rule of model_aliases that matches them"
    } else {
        ""
    };
    Found::Rejected(RejectKind::UnknownProvider, format!("unknown provider '{provider}'{hint}"))
}

fn at_backends<'n>(universe: &Universe, name: &'n str, backends: &'n [DefaultBackend]) -> Found<'n> {
    let all = backends.iter().map(|backend| (backend, universe.at(&backend.provider, name)));
    Found::Default(all.collect(), name)
}

fn at_each(universe: &Universe, providers: &[Arc<Provider>], model: &str) -> Vec<Hit> {
    providers.iter().filter_map(|provider| universe.at(provider, model)).collect()
}

/// `provider/model`. A provider's own id may look like that (`openrouter/auto`): it stays whole where it is known, and
/// where nothing else can be meant, because names without a prefix go to that provider anyway.
fn provider_slash<'n>(universe: &Universe, name: &'n str, backends: &[DefaultBackend]) -> Option<Found<'n>> {
    if !universe.options().accept_provider_slash {
        return None;
    }
    let (provider, model) = name.split_once('/')?;
    let (provider, model) = (provider.trim(), model.trim());
    let providers: Vec<Arc<Provider>> = universe.catalog().provider(provider).cloned().collect();
    if providers.is_empty() || model.is_empty() {
        return None;
    }
    let whole = at_each(universe, &providers, name);
    if !whole.is_empty() {
        return Some(Found::Known(whole, name));
    }
    let is_backend =
        |provider: &Arc<Provider>| backends.iter().any(|backend| backend.provider.id == provider.id);
    if !model.contains('/') && providers.iter().any(is_backend) {
        return None;
    }
    let hits = at_each(universe, &providers, model);
    Some(if hits.is_empty() { Found::PassThrough(providers, model) } else { Found::Known(hits, model) })
}

/// `author/model`: the providers whose model of that name is by that author; or the provider of the author's name.
fn author_slug<'n>(universe: &Universe, name: &'n str) -> Option<Found<'n>> {
    if !universe.options().accept_author_slug || name.contains(':') {
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
    let hits = at_each(universe, &providers, model);
    if !hits.is_empty() {
        return Some(Found::Known(hits, model));
    }
    (!providers.is_empty() && !model.is_empty()).then_some(Found::PassThrough(providers, model))
}
