//! A provider's own list of its models, laid over the embedded one.

use crate::catalog::{Catalog, fold};
use crate::metadata;
use crate::model::{Alias, Model, Provider};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tollgate_dialect::Thinking;

/// Longest id, in bytes, as in policies.
const MAX_ID: usize = 255;

impl Catalog {
    /// This catalogue with `models` as the list of the provider with this id.
    ///
    /// What the list says wins over what the catalogue says of the same model; what it does not say stays, and so do
    /// models it does not have, unless a day of their retirement is known. Models that a policy lists stay as they are.
    /// Entries with an unusable id, or with the id of an earlier one, are left out. Without such a provider nothing
    /// changes.
    #[must_use]
    pub fn with_models(&self, provider: &str, models: Vec<Model>) -> Self {
        let lay = |known: &Arc<Provider>| {
            if known.id == provider { Arc::new(self.relist(known, &models)) } else { Arc::clone(known) }
        };
        let providers = self.providers.iter().map(lay).collect();
        let unlisted = self.unlisted.iter().map(lay).collect();
        Self::new(providers, unlisted, Arc::clone(&self.authors))
    }

    fn relist(&self, provider: &Provider, live: &[Model]) -> Provider {
        let mut position: HashMap<String, usize> = HashMap::new();
        let mut models: Vec<Model> = Vec::with_capacity(live.len());
        for model in live.iter().filter(|model| usable(&model.id) && model.pricing.fault().is_none()) {
            let name = fold(&model.id).into_owned();
            if let std::collections::hash_map::Entry::Vacant(entry) = position.entry(name) {
                entry.insert(models.len());
                models.push(model.clone());
            }
        }
        let mut kept: Vec<Arc<Model>> = Vec::new();
        for known in &provider.models {
            match position.get(fold(&known.id).as_ref()).and_then(|at| models.get_mut(*at)) {
                Some(model) if known.configured => *model = Model::clone(known),
                Some(model) => complete(model, known),
                None if known.configured || known.deprecated_at.is_none() => kept.push(Arc::clone(known)),
                None => {}
            }
        }
        let mut taken: HashSet<String> = position.into_keys().collect();
        taken.extend(kept.iter().map(|model| fold(&model.id).into_owned()));
        let listed = models.into_iter().map(|model| Arc::new(self.finish(provider, model, &mut taken)));
        let models = listed.chain(kept).collect();
        Provider { models, ..provider.clone() }
    }

    /// What every model of the provider has, and only aliases that are not another one's name.
    fn finish(&self, provider: &Provider, mut model: Model, taken: &mut HashSet<String>) -> Model {
        if model.configured {
            return model;
        }
        model.provider_id.clone_from(&provider.id);
        if let Some(author) = self.author(&model.author_id) {
            model.author_id.clone_from(&author.id);
        }
        if model.thinking == Thinking::Usual {
            model.thinking = crate::data::thinking(&model.supported_features, provider.thinking);
        }
        model.aliases.retain(|alias| usable(&alias.name) && taken.insert(fold(&alias.name).into_owned()));
        model.metadata = metadata::overlay(&provider.metadata, &model.metadata);
        model.disabled |= provider.disabled;
        model.known = true;
        model
    }
}

/// Takes over from `known` what the list does not say of `model`.
fn complete(model: &mut Model, known: &Model) {
    let missing =
        |alias: &&Alias| !model.aliases.iter().any(|own| own.name.eq_ignore_ascii_case(&alias.name));
    let aliases: Vec<Alias> = known.aliases.iter().filter(missing).cloned().collect();
    model.aliases.extend(aliases);
    // A list says what a model can do, but has no word for some of it.
    for feature in &known.supported_features {
        if !model.supported_features.contains(feature) && feature == "coding" {
            model.supported_features.push(feature.clone());
        }
    }
    fill_text(&mut model.display_name, &known.display_name);
    fill_text(&mut model.description, &known.description);
    fill_text(&mut model.quantization, &known.quantization);
    fill_text(&mut model.data_training_policy, &known.data_training_policy);
    fill_text(&mut model.data_retention_policy, &known.data_retention_policy);
    fill_list(&mut model.input_modalities, &known.input_modalities);
    fill_list(&mut model.output_modalities, &known.output_modalities);
    fill_list(&mut model.supported_features, &known.supported_features);
    fill_list(&mut model.unsupported_params, &known.unsupported_params);
    fill_list(&mut model.datacenters, &known.datacenters);
    fill_list(&mut model.surfaces, &known.surfaces);
    for (count, of) in [
        (&mut model.max_context_window, known.max_context_window),
        (&mut model.max_output_tokens, known.max_output_tokens),
        (&mut model.parameter_count, known.parameter_count),
        (&mut model.data_retention_days, known.data_retention_days),
    ] {
        *count = if *count == 0 { of } else { *count };
    }
    // The embedded names of authors are the canonical ones.
    if !known.author_id.is_empty() {
        model.author_id.clone_from(&known.author_id);
    }
    if model.thinking == Thinking::Usual {
        model.thinking = known.thinking;
    }
    model.upstream_id = model.upstream_id.take().or_else(|| known.upstream_id.clone());
    model.tokenizer = known.tokenizer;
    model.metadata = metadata::overlay(&known.metadata, &model.metadata);
}

fn fill_text(text: &mut String, from: &str) {
    if text.is_empty() {
        from.clone_into(text);
    }
}

fn fill_list<T: Clone>(list: &mut Vec<T>, from: &[T]) {
    if list.is_empty() {
        *list = from.to_vec();
    }
}

fn usable(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && id.trim() == id && !id.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AliasKind, ModelOverlay, Price, Pricing, ProviderOverlay};

    fn live(id: &str, input: f64) -> Model {
        Model {
            id: id.to_owned(),
            pricing: Pricing { input: Price::per_million(input), ..Pricing::default() },
            ..Model::default()
        }
    }

    fn openrouter(catalog: &Catalog) -> Arc<Provider> {
        Arc::clone(catalog.provider("openrouter").next().unwrap())
    }

    fn at(catalog: &Catalog, name: &str) -> Option<Arc<Model>> {
        catalog.model_at(&openrouter(catalog), name).map(|(model, _)| model)
    }

    #[test]
    fn the_list_wins_and_what_it_does_not_say_stays() {
        let before = at(&Catalog::builtin(), "openai/gpt-4o").unwrap();
        let alias = Alias { name: "openai/gpt-4o-2099".to_owned(), kind: AliasKind::Snapshot };
        let mut model = live("openai/gpt-4o", 99.0);
        model.aliases = vec![alias];
        model.max_output_tokens = 5;
        let catalog = Catalog::builtin().with_models("openrouter", vec![model, live("new/model", 1.0)]);
        let after = at(&catalog, "OpenAI/GPT-4o-2099").unwrap();
        assert_eq!((after.id.as_str(), after.max_output_tokens), ("openai/gpt-4o", 5));
        assert_eq!(after.pricing.input, Price::per_million(99.0));
        assert_eq!(
            (after.pricing.output, before.pricing.output.is_some()),
            (None, true),
            "prices are taken whole"
        );
        assert_eq!(after.max_context_window, before.max_context_window);
        assert_eq!((&after.display_name, &after.author_id), (&before.display_name, &before.author_id));
        assert_eq!((after.tokenizer, after.thinking), (before.tokenizer, before.thinking));
        assert_eq!(after.supported_features, before.supported_features);
        let new = at(&catalog, "new/model").unwrap();
        assert_eq!(
            (new.provider_id.as_str(), new.known, new.thinking),
            ("openrouter", true, Thinking::Object)
        );
        let here = openrouter(&catalog).models.len();
        let gone =
            openrouter(&Catalog::builtin()).models.iter().filter(|m| m.deprecated_at.is_some()).count();
        assert_eq!(here, openrouter(&Catalog::builtin()).models.len() + 1 - gone);
        assert!(at(&catalog, "openai/gpt-4o-mini").is_some(), "not in the list, and not retired");
    }

    #[test]
    fn a_retired_model_the_list_does_not_have_is_gone() {
        let builtin = Catalog::builtin();
        let retired =
            builtin.provider("anthropic").next().unwrap().models.iter().find(|m| m.deprecated_at.is_some());
        let retired = retired.unwrap().id.clone();
        let catalog = builtin.with_models("anthropic", vec![live("claude-new", 1.0)]);
        assert!(catalog.models_named(&retired).is_empty(), "{retired}");
        assert_eq!(catalog.models_named("claude-new").len(), 1);
        let listed = builtin.with_models("anthropic", vec![live(&retired, 1.0)]);
        assert_eq!(listed.models_named(&retired).len(), 1);
    }

    #[test]
    fn what_cannot_be_used_is_left_out() {
        let mut twice = live("A/One", 2.0);
        twice.display_name = "second".to_owned();
        let mut clash = live("a/two", 1.0);
        let name = |name: &str| Alias { name: name.to_owned(), kind: AliasKind::Snapshot };
        clash.aliases = vec![name("a/one"), name("a/ok"), name("bad\n")];
        let long = "x".repeat(MAX_ID + 1);
        let list = vec![
            live("a/one", 1.0),
            twice,
            clash,
            live("", 1.0),
            live(" a", 1.0),
            live("a\tb", 1.0),
            live(&long, 1.0),
        ];
        let before = openrouter(&Catalog::builtin()).models.len();
        let catalog = Catalog::builtin().with_models("openrouter", list);
        let gone =
            openrouter(&Catalog::builtin()).models.iter().filter(|m| m.deprecated_at.is_some()).count();
        assert_eq!(openrouter(&catalog).models.len(), before + 2 - gone);
        assert_eq!(at(&catalog, "a/one").unwrap().pricing.input, Price::per_million(1.0));
        let names: Vec<_> = at(&catalog, "a/ok").unwrap().aliases.iter().map(|a| a.name.clone()).collect();
        assert_eq!(names, ["a/ok"]);
    }

    #[test]
    fn what_a_policy_says_stays() {
        let listed = ModelOverlay {
            id: "openai/gpt-4o".to_owned(),
            pricing: Some(Pricing { input: Price::per_million(7.0), ..Pricing::default() }),
            ..ModelOverlay::default()
        };
        let overlay = ProviderOverlay {
            id: "openrouter".to_owned(),
            disabled: true,
            models: vec![listed],
            ..ProviderOverlay::default()
        };
        let catalog = Catalog::builtin().with_overlays(&[overlay]).unwrap();
        let catalog =
            catalog.with_models("openrouter", vec![live("openai/gpt-4o", 1.0), live("new/model", 1.0)]);
        let model = at(&catalog, "openai/gpt-4o").unwrap();
        assert!(model.configured);
        assert_eq!(model.pricing.input, Price::per_million(7.0));
        assert!(at(&catalog, "new/model").unwrap().disabled, "a model of a disabled provider");
    }

    #[test]
    fn a_provider_that_is_not_there() {
        let catalog = Catalog::builtin().with_models("nobody", vec![live("a/b", 1.0)]);
        assert_eq!(catalog.providers().len(), Catalog::builtin().providers().len());
    }
}
