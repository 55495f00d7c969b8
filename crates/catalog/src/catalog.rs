//! The catalogue: every provider and model, and how names find them.

use crate::matched::Matched;
use crate::model::{AliasKind, Author, Model, Provider};
use crate::{data, embedded};
use data::DataError;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// A model that a name found, at a provider, and how it matched.
pub type Found = (Arc<Provider>, Arc<Model>, Matched);

type Names<V> = HashMap<Box<str>, V, foldhash::fast::RandomState>;

/// Providers and models. Immutable; names are compared without regard to ASCII case or outer white space.
///
/// Lookups also find what is `disabled`, because a caller must be able to tell "disabled" from "unknown": an
/// unknown name may pass through to a provider, a disabled one may not. A model of a disabled provider is
/// itself marked disabled.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub(crate) providers: Vec<Arc<Provider>>,
    /// Providers that exist only once a policy lists them: servers of one's own, and those whose address has to be
    /// completed.
    pub(crate) unlisted: Vec<Arc<Provider>>,
    pub(crate) authors: Arc<[Author]>,
    by_name: Names<Vec<usize>>,
    /// For each provider: its models by name.
    models: Vec<Names<(usize, Matched)>>,
    /// Names without a prefix: provider, model.
    bare: Names<Vec<(usize, usize, Matched)>>,
}

static BUILTIN: LazyLock<Arc<Catalog>> = LazyLock::new(|| match Catalog::load() {
    Ok(catalog) => Arc::new(catalog),
    #[expect(clippy::panic, reason = "the data is compiled in, and a test loads it")]
    Err(error) => panic!("{error}"),
});

impl Catalog {
    /// The embedded data, parsed once a process.
    #[must_use]
    pub fn builtin() -> Arc<Self> {
        Arc::clone(&BUILTIN)
    }

    /// Parses the embedded data.
    ///
    /// # Errors
    /// When a data file does not decode.
    pub fn load() -> Result<Self, DataError> {
        let authors = data::authors(embedded::AUTHORS)?;
        let mut providers = Vec::new();
        let mut unlisted = Vec::new();
        for (file, text) in embedded::PROVIDERS {
            let loaded = data::provider(file, text)?;
            let list = if loaded.local || loaded.lacks_setting() { &mut unlisted } else { &mut providers };
            list.push(Arc::new(loaded));
        }
        Ok(Self::new(providers, unlisted, authors.into()))
    }

    /// Builds the indexes over `providers`, which are in their final order.
    pub(crate) fn new(
        providers: Vec<Arc<Provider>>,
        unlisted: Vec<Arc<Provider>>,
        authors: Arc<[Author]>,
    ) -> Self {
        let mut by_name: Names<Vec<usize>> = Names::default();
        let mut bare: Names<Vec<(usize, usize, Matched)>> = Names::default();
        let mut models = Vec::with_capacity(providers.len());
        for (at, provider) in providers.iter().enumerate() {
            for name in std::iter::once(&provider.id).chain(&provider.aliases) {
                let matches = by_name.entry(fold(name).into()).or_default();
                if matches.last() != Some(&at) {
                    matches.push(at);
                }
            }
            let names = names_of(provider);
            if !provider.prefix_required {
                for (name, (model, matched)) in &names {
                    bare.entry(name.clone()).or_default().push((at, *model, *matched));
                }
            }
            models.push(names);
        }
        Self { providers, unlisted, authors, by_name, models, bare }
    }

    /// All providers: those a policy lists, in its order, then the others by id.
    #[must_use]
    pub fn providers(&self) -> &[Arc<Provider>] {
        &self.providers
    }

    /// The built-in providers that no request reaches until a policy lists them: servers of one's own, and those whose
    /// address has to be completed.
    #[must_use]
    pub fn unlisted(&self) -> &[Arc<Provider>] {
        &self.unlisted
    }

    /// The provider of this name that exists only in policies that list it, where this one does not.
    #[must_use]
    pub fn listed_only(&self, name: &str) -> Option<&Arc<Provider>> {
        let known = |provider: &Arc<Provider>| self.providers.iter().any(|other| other.id == provider.id);
        self.unlisted.iter().find(|provider| provider.is_named(name) && !known(provider))
    }

    /// All authors of models.
    #[must_use]
    pub fn authors(&self) -> &[Author] {
        &self.authors
    }

    /// The author with this id or alias.
    #[must_use]
    pub fn author(&self, name: &str) -> Option<&Author> {
        let named = |other: &String| other.eq_ignore_ascii_case(name.trim());
        self.authors.iter().find(|author| named(&author.id) || author.aliases.iter().any(named))
    }

    /// The providers with this id or alias, in the order of [`Catalog::providers`]. There can be several: an
    /// alias may equal another provider's id.
    pub fn provider(&self, name: &str) -> impl Iterator<Item = &Arc<Provider>> {
        let at = self.by_name.get(fold(name).as_ref()).map_or(&[][..], Vec::as_slice);
        at.iter().filter_map(|at| self.providers.get(*at))
    }

    /// The models a name without a provider prefix finds, in the order of [`Catalog::providers`].
    #[must_use]
    pub fn models_named(&self, name: &str) -> Vec<Found> {
        let at = self.bare.get(fold(name).as_ref()).map_or(&[][..], Vec::as_slice);
        let found = at.iter().filter_map(|(provider, model, matched)| {
            let provider = self.providers.get(*provider)?;
            Some((Arc::clone(provider), Arc::clone(provider.models.get(*model)?), *matched))
        });
        found.collect()
    }

    /// The model that `name` (without the prefix) finds at `provider`.
    #[must_use]
    pub fn model_at(&self, provider: &Provider, name: &str) -> Option<(Arc<Model>, Matched)> {
        let at = self.by_name.get(fold(&provider.id).as_ref())?;
        let at =
            at.iter().find(|at| self.providers.get(**at).is_some_and(|other| other.id == provider.id))?;
        let (model, matched) = self.models.get(*at)?.get(fold(name).as_ref())?;
        Some((Arc::clone(self.providers.get(*at)?.models.get(*model)?), *matched))
    }

    /// The provider whose keys begin as `key` does, if that is well known. Built-in providers come first.
    #[must_use]
    pub fn provider_for_key(&self, key: &str) -> Option<&Arc<Provider>> {
        let prefix = |provider: &Provider| longest_prefix(provider, key);
        // The longest prefix decides; `max_by_key` keeps the last of equals, so the built-in one has to win.
        let candidates = self.providers.iter().rev();
        let rated = candidates.filter_map(|p| prefix(p).map(|length| ((length, !p.custom), p)));
        rated.max_by_key(|(rating, _)| *rating).map(|(_, provider)| provider)
    }

    /// The other provider that `key` evidently belongs to, so that it must not be sent to `provider`.
    #[must_use]
    pub fn key_owner_other_than(&self, provider: &Provider, key: &str) -> Option<&Arc<Provider>> {
        let owner = self.provider_for_key(key)?;
        (longest_prefix(provider, key) < longest_prefix(owner, key)).then_some(owner)
    }
}

/// The form in which names are compared.
pub(crate) fn fold(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

fn longest_prefix(provider: &Provider, key: &str) -> Option<usize> {
    provider.key_prefixes.iter().filter(|prefix| key.starts_with(prefix.as_str())).map(String::len).max()
}

/// The names of a provider's models. Where names collide the policy's win, then ids, aliases, and the
/// upstream spellings last.
fn names_of(provider: &Provider) -> Names<(usize, Matched)> {
    let mut names: Names<(usize, Matched)> = Names::default();
    let mut add = |name: &str, model: usize, matched: Matched| {
        names.entry(fold(name).into()).or_insert((model, matched));
    };
    let models = || provider.models.iter().enumerate();
    for (at, model) in models().filter(|(_, model)| model.configured) {
        for alias in model.aliases.iter().filter(|alias| alias.kind == AliasKind::Configured) {
            add(&alias.name, at, Matched::Alias(alias.kind));
        }
    }
    for configured in [true, false] {
        for (at, model) in models().filter(|(_, model)| model.configured == configured) {
            add(&model.id, at, Matched::Id);
        }
    }
    for (at, model) in models() {
        for alias in &model.aliases {
            add(&alias.name, at, Matched::Alias(alias.kind));
        }
    }
    for (at, model) in models() {
        add(model.upstream(), at, Matched::Upstream);
    }
    names
}

#[cfg(test)]
mod tests;
