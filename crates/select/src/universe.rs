//! Everything a policy can choose from, prepared once when the policy is loaded.

use crate::entity::{AuthorEntity, ModelEntity, ProviderEntity, Shared};
use crate::metrics::Metrics;
use crate::names::{Names, UriParams, no_params, prefix};
use crate::resolve::RejectKind;
use std::collections::HashMap;
use std::sync::Arc;
use tollgate_catalog::{AliasKind, Author, Catalog, Matched, Model, Provider};
use tollgate_dialect::Surface;
use tollgate_expr::{Entity, Value};

type Index<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The restrictions of an `ai-gateway` action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Only providers the policy lists.
    pub only_allow_configured_providers: bool,
    /// Only models the policy lists under their provider.
    pub only_allow_configured_models: bool,
    /// Whether `author/model` without a provider prefix is understood.
    pub accept_author_slug: bool,
    /// Whether `provider/model` is understood like `provider:model`.
    pub accept_provider_slash: bool,
    /// The order of providers that know the same name.
    pub provider_order: ProviderOrder,
    /// Requests go only to providers that speak the client's API.
    pub native_only: bool,
}

/// The order of providers that know the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProviderOrder {
    /// Those the policy lists, in its order, then the others by id.
    #[default]
    Config,
    /// All by id.
    Alphabetical,
}

/// The index of a variant that has not got its own yet: it has none of its own in the universe.
pub(crate) const VARIANT: usize = usize::MAX;

/// The models, providers and authors a policy can choose from. Immutable; shared by all requests under the policy.
#[derive(Debug)]
pub struct Universe {
    catalog: Arc<Catalog>,
    options: Options,
    metrics: Metrics,
    entries: Vec<Arc<ModelEntity>>,
    /// From the records of the catalogue (by address: names are not unique) to `entries`.
    by_record: Index<(usize, usize), usize>,
    slots: Vec<Slot>,
    slot_of: Index<usize, usize>,
    /// What each surface can use, in the order of [`Surface::ALL`].
    lists: [Arc<[Arc<dyn Entity>]>; Surface::ALL.len()],
    /// For each entry, a bit for each surface.
    masks: Vec<u8>,
    /// Configured models of providers whose catalogued models need a prefix: these do not.
    bare: Index<Box<str>, Vec<(usize, usize, Matched)>>,
    providers: Value,
    authors: Value,
    names: Names,
    /// Where names go that have no provider prefix and that nothing knows.
    default_backend: Vec<DefaultBackend>,
}

/// A provider for names that have no provider prefix and that nothing knows.
#[derive(Clone, Debug)]
pub(crate) struct DefaultBackend {
    pub(crate) provider: Arc<Provider>,
    /// Parameters of every name that goes there.
    pub(crate) params: Arc<UriParams>,
}

impl DefaultBackend {
    pub(crate) fn new(provider: Arc<Provider>) -> Self {
        Self { provider, params: no_params() }
    }
}

/// A provider, and what its pass-through models have in common.
#[derive(Debug)]
struct Slot {
    provider: Arc<Provider>,
    mask: u8,
    denied: Option<RejectKind>,
    shared: Arc<Shared>,
}

/// A model that a name found: an entry, or `None` when the model is disabled.
pub(crate) type Hit = (Option<Arc<ModelEntity>>, Arc<Provider>, Arc<Model>, Matched);

impl Universe {
    /// Prepares `catalog` under `options`. Counters come from `metrics`, so that they survive a reload.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, options: Options, metrics: &Metrics) -> Self {
        let mut order: Vec<Arc<Provider>> = catalog.providers().to_vec();
        if options.provider_order == ProviderOrder::Alphabetical {
            order.sort_by_key(|provider| provider.id.to_ascii_lowercase());
        }
        let mut universe = Self {
            authors: authors(catalog.authors()),
            catalog,
            options,
            metrics: metrics.clone(),
            entries: Vec::new(),
            by_record: Index::default(),
            slots: Vec::new(),
            slot_of: Index::default(),
            lists: std::array::from_fn(|_| Arc::from([])),
            masks: Vec::new(),
            bare: Index::default(),
            providers: Value::Null,
            names: Names::default(),
            default_backend: Vec::new(),
        };
        let ambiguous = ambiguous_ids(&order);
        for provider in &order {
            universe.add_provider(provider, &ambiguous);
        }
        universe.finish(&order);
        universe
    }

    /// The catalogue this was made of.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The same universe under these rules for names. Providers in them that the catalogue lacks change nothing;
    /// [`crate::Selector::unknown_in`] finds them.
    #[must_use]
    pub fn with_names(mut self, names: Names) -> Self {
        self.default_backend.clear();
        for leaf in names.default_backend.iter().flat_map(|selector| selector.leaves()) {
            let alone = self.catalog.provider(&leaf.name).next().is_some();
            // The parameters of `provider:model` are that model's.
            let (name, params) = match prefix(&leaf.name) {
                _ if alone => (leaf.name.as_str(), Arc::clone(&leaf.params)),
                Some((provider, _)) => (provider, no_params()),
                None => continue,
            };
            for provider in self.catalog.provider(name) {
                if !self.default_backend.iter().any(|known| known.provider.id == provider.id) {
                    let params = Arc::clone(&params);
                    self.default_backend.push(DefaultBackend { provider: Arc::clone(provider), params });
                }
            }
        }
        self.names = names;
        self
    }

    /// The rules for names.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The providers of the default backend, in its order.
    pub(crate) fn default_backend(&self) -> &[DefaultBackend] {
        &self.default_backend
    }

    /// The options this was made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The metrics that candidates count into.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Every model a request on `surface` may be answered by, with its provider, in the default order. What
    /// `GET /v1/models` lists.
    pub fn allowed(&self, surface: Surface) -> impl Iterator<Item = (&Arc<Provider>, &Arc<Model>)> {
        let entries = self.entries.iter().filter(move |e| e.denied.is_none() && self.serves(e, surface));
        entries.map(|entry| (&entry.provider, &entry.model))
    }

    /// Number of entries; pass-through models are numbered from here.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn entry(&self, index: usize) -> Option<&Arc<ModelEntity>> {
        self.entries.get(index)
    }

    /// `ai.models` on a surface, without pass-through models.
    pub(crate) fn list(&self, surface: Surface) -> &Arc<[Arc<dyn Entity>]> {
        let at = position(surface);
        #[expect(clippy::indexing_slicing, reason = "`position` is below the length of `Surface::ALL`")]
        &self.lists[at]
    }

    /// `ai.providers` and `ai.authors`
    pub(crate) fn others(&self) -> (Value, Value) {
        (self.providers.clone(), self.authors.clone())
    }

    /// Whether a known model can be used on a surface: an entry of the universe, or a variant of one.
    pub(crate) fn serves(&self, entity: &ModelEntity, surface: Surface) -> bool {
        match self.masks.get(entity.index) {
            Some(mask) => mask & bit(surface) != 0,
            None => entity.provider.serves(surface) && entity.model.serves(surface),
        }
    }

    /// Whether unknown models of a provider can be asked for on a surface.
    pub(crate) fn provider_serves(&self, provider: &Arc<Provider>, surface: Surface) -> bool {
        self.slot(provider).is_some_and(|(_, slot)| slot.mask & bit(surface) != 0)
    }

    /// Models by a name without prefix, disabled ones included.
    pub(crate) fn named(&self, name: &str) -> Vec<Hit> {
        let mut hits: Vec<Hit> = self
            .catalog
            .models_named(name)
            .into_iter()
            .map(|(p, m, matched)| self.hit(p, m, matched))
            .collect();
        if !self.bare.is_empty()
            && let Some(more) = self.bare.get(name.to_ascii_lowercase().as_str())
        {
            hits.extend(more.iter().filter_map(|(slot, model, matched)| {
                let provider = &self.slots.get(*slot)?.provider;
                Some(self.hit(Arc::clone(provider), Arc::clone(provider.models.get(*model)?), *matched))
            }));
        }
        hits
    }

    /// A model by its name at a provider, or the variant of one; disabled ones included.
    pub(crate) fn at(&self, provider: &Arc<Provider>, name: &str) -> Option<Hit> {
        if let Some((model, matched)) = self.catalog.model_at(provider, name) {
            return Some(self.hit(Arc::clone(provider), model, matched));
        }
        let (base, variants) = provider.split_variant(name)?;
        let (model, _) = self.catalog.model_at(provider, base)?;
        Some(self.variant(provider, &model, name, &variants))
    }

    /// Variants of models by a name without prefix.
    pub(crate) fn named_variants(&self, name: &str) -> Vec<Hit> {
        if !name.contains(':') {
            return Vec::new();
        }
        let providers = self.slots.iter().map(|slot| &slot.provider);
        let split = providers.filter_map(|provider| Some((provider, provider.split_variant(name)?)));
        split
            .flat_map(|(provider, (base, variants))| {
                let same = |hit: &Hit| Arc::ptr_eq(&hit.1, provider);
                let of = |hit: Hit| self.variant(provider, &hit.2, name, &variants);
                self.named(base).into_iter().filter(same).map(of).collect::<Vec<_>>()
            })
            .collect()
    }

    /// A variant of a model. It is no entry: it is among `ai.models` only when the client names it.
    fn variant(&self, provider: &Arc<Provider>, base: &Arc<Model>, name: &str, variants: &[&str]) -> Hit {
        let (entity, ..) = self.hit(Arc::clone(provider), Arc::clone(base), Matched::Id);
        let model = Arc::new(base.variant(name, variants));
        let entity = entity.map(|entity| {
            let author = self.catalog.author(&model.author_id);
            Arc::new(ModelEntity {
                index: VARIANT,
                rank: entity.rank,
                provider: Arc::clone(provider),
                model: Arc::clone(&model),
                stats: self.metrics.get(&provider.id, name),
                denied: entity.denied,
                qualified: true,
                id: name.into(),
                shared: Arc::new(Shared::new(provider, &model, author)),
            })
        });
        (entity, Arc::clone(provider), model, Matched::Id)
    }

    /// The entity of a model the catalogue does not know, or why the policy does not allow it.
    pub(crate) fn pass_through(
        &self,
        provider: &Arc<Provider>,
        name: &str,
        index: usize,
    ) -> Result<Arc<ModelEntity>, RejectKind> {
        let (rank, slot) = self.slot(provider).ok_or(RejectKind::ProviderNotAllowed)?;
        if let Some(denied) = slot.denied {
            return Err(denied);
        }
        Ok(Arc::new(ModelEntity {
            index,
            rank,
            provider: Arc::clone(provider),
            model: Arc::new(provider.pass_through(name)),
            stats: self.metrics.get(&provider.id, name),
            denied: None,
            qualified: true,
            id: name.into(),
            shared: Arc::clone(&slot.shared),
        }))
    }

    fn hit(&self, provider: Arc<Provider>, model: Arc<Model>, matched: Matched) -> Hit {
        let index = self.by_record.get(&(address(&provider), address(&model)));
        (index.and_then(|index| self.entries.get(*index)).cloned(), provider, model, matched)
    }

    fn slot(&self, provider: &Arc<Provider>) -> Option<(usize, &Slot)> {
        let at = *self.slot_of.get(&address(provider))?;
        Some((at, self.slots.get(at)?))
    }

    fn add_provider(&mut self, provider: &Arc<Provider>, ambiguous: &Index<String, usize>) {
        let rank = self.slots.len();
        self.slot_of.insert(address(provider), rank);
        self.slots.push(Slot {
            provider: Arc::clone(provider),
            mask: mask(|surface| self.reaches(provider, &provider.pass_through(""), surface)),
            denied: self.denied_pass_through(provider),
            shared: Arc::new(Shared::new(provider, &provider.pass_through(""), None)),
        });
        for (at, model) in provider.models.iter().enumerate() {
            if provider.prefix_required && model.configured {
                self.add_bare(rank, at, model);
            }
            if !model.disabled && !provider.disabled {
                self.add_model(rank, provider, model, ambiguous);
            }
        }
    }

    fn add_model(
        &mut self,
        rank: usize,
        provider: &Arc<Provider>,
        model: &Arc<Model>,
        ambiguous: &Index<String, usize>,
    ) {
        let index = self.entries.len();
        let alone = ambiguous.get(&model.id.to_ascii_lowercase()).is_none_or(|count| *count < 2);
        let author = self.catalog.author(&model.author_id);
        self.entries.push(Arc::new(ModelEntity {
            index,
            rank,
            provider: Arc::clone(provider),
            model: Arc::clone(model),
            stats: self.metrics.known(&provider.id, &model.id),
            denied: self.denied(provider, model),
            qualified: !alone,
            id: model.id.as_str().into(),
            shared: Arc::new(Shared::new(provider, model, author)),
        }));
        self.by_record.insert((address(provider), address(model)), index);
        self.masks.push(mask(|surface| self.reaches(provider, model, surface)));
    }

    /// Whether a request of a surface can be brought to a model: in its own dialect, or in another one.
    fn reaches(&self, provider: &Provider, model: &Model, surface: Surface) -> bool {
        if is_native(provider, model, surface) {
            return true;
        }
        match surface {
            _ if self.options.native_only => false,
            // The gateway counts by itself where the provider cannot.
            Surface::CountTokens => provider.wire_for(Surface::Messages, model).is_some(),
            _ => provider.wire_for(surface, model).is_some(),
        }
    }

    fn add_bare(&mut self, slot: usize, at: usize, model: &Model) {
        let aliases = model.aliases.iter().filter(|alias| alias.kind == AliasKind::Configured);
        let aliases = aliases.map(|alias| (&alias.name, Matched::Alias(AliasKind::Configured)));
        for (name, matched) in std::iter::once((&model.id, Matched::Id)).chain(aliases) {
            self.bare.entry(name.to_ascii_lowercase().into()).or_default().push((slot, at, matched));
        }
    }

    fn finish(&mut self, order: &[Arc<Provider>]) {
        for (at, list) in Surface::ALL.iter().zip(&mut self.lists) {
            let usable = self.entries.iter().zip(&self.masks).filter(|(_, mask)| *mask & bit(*at) != 0);
            *list = usable.map(|(entry, _)| Arc::clone(entry) as Arc<dyn Entity>).collect();
        }
        let providers = order.iter().enumerate().filter(|(_, provider)| !provider.disabled);
        let providers = providers.map(|(rank, provider)| {
            let models = self.entries.iter().filter(|entry| entry.rank == rank);
            let models = models.map(|entry| Arc::clone(entry) as Arc<dyn Entity>).collect();
            Arc::new(ProviderEntity::new(provider, models)) as Arc<dyn Entity>
        });
        self.providers = Value::Entities(providers.collect());
    }

    fn denied(&self, provider: &Provider, model: &Model) -> Option<RejectKind> {
        let Options {
            only_allow_configured_providers: providers, only_allow_configured_models: models, ..
        } = self.options;
        if provider.disabled || (providers && !provider.configured) {
            Some(RejectKind::ProviderNotAllowed)
        } else if model.disabled || (models && !(provider.configured && model.configured)) {
            Some(RejectKind::ModelNotAllowed)
        } else {
            None
        }
    }

    fn denied_pass_through(&self, provider: &Provider) -> Option<RejectKind> {
        self.denied(provider, &Model { configured: false, ..Model::default() })
    }
}

/// Whether a model is asked in the client's own dialect.
pub(crate) fn is_native(provider: &Provider, model: &Model, surface: Surface) -> bool {
    provider.serves(surface) && model.serves(surface)
}

fn authors(authors: &[Author]) -> Value {
    Value::Entities(authors.iter().map(|a| Arc::new(AuthorEntity::new(a)) as Arc<dyn Entity>).collect())
}

/// How many providers have a model of an id.
fn ambiguous_ids(providers: &[Arc<Provider>]) -> Index<String, usize> {
    let mut counts = Index::<String, usize>::default();
    let enabled = providers.iter().filter(|provider| !provider.disabled);
    for model in enabled.flat_map(|provider| &provider.models).filter(|model| !model.disabled) {
        *counts.entry(model.id.to_ascii_lowercase()).or_default() += 1;
    }
    counts
}

/// Records are told apart by where they are: catalogues own them for as long as a universe lives.
fn address<T>(record: &Arc<T>) -> usize {
    Arc::as_ptr(record).addr()
}

fn position(surface: Surface) -> usize {
    match surface {
        Surface::ChatCompletions => 0,
        Surface::Responses => 1,
        Surface::Completions => 2,
        Surface::Embeddings => 3,
        Surface::Messages => 4,
        Surface::CountTokens => 5,
        Surface::GenerateContent => 6,
        Surface::Converse => 7,
    }
}

fn bit(surface: Surface) -> u8 {
    1 << position(surface)
}

fn mask(serves: impl Fn(Surface) -> bool) -> u8 {
    Surface::ALL.iter().filter(|surface| serves(**surface)).fold(0, |mask, surface| mask | bit(*surface))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_the_list_of_surfaces() {
        for (at, surface) in Surface::ALL.into_iter().enumerate() {
            assert_eq!(position(surface), at);
        }
    }

    #[test]
    fn what_a_listing_shows() {
        let universe = crate::testing::universe(
            &[crate::testing::custom("mine", &["m"])],
            Options { only_allow_configured_models: true, native_only: true, ..Options::default() },
        );
        let ids = |surface| {
            universe.allowed(surface).map(|(p, m)| (p.id.clone(), m.id.clone())).collect::<Vec<_>>()
        };
        assert_eq!(ids(Surface::ChatCompletions), [("mine".to_owned(), "m".to_owned())]);
        assert!(ids(Surface::Messages).is_empty());
    }
}
