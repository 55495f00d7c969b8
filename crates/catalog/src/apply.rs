//! How a policy's `providers` list changes the catalogue.

use crate::catalog::{Catalog, fold};
use crate::check::{self, OverlayError, Report};
use crate::matched::Matched;
use crate::metadata;
use crate::model::{Alias, AliasKind, ApiSurface, AuthStyle, Model, PriceSource, Provider};
use crate::overlay::{ModelOverlay, ProviderOverlay};
use crate::pricing::Pricing;
use crate::suggest;
use crate::{address, base_url};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tollgate_dialect::Format;

/// What an overlay's id stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Target {
    /// A provider of the catalogue.
    BuiltIn(usize),
    /// A provider that exists only once it is listed.
    Unlisted(usize),
    Custom,
}

impl Catalog {
    /// This catalogue with a policy's providers laid over it. Meant for [`Catalog::builtin`].
    ///
    /// A listed id or alias of the catalogue changes that provider; any other id makes a new one. Listed models
    /// likewise. A custom provider that lists no models and has a built-in one's name as an alias takes over its
    /// models, surfaces and style of credentials.
    ///
    /// # Errors
    /// All mistakes found, not only the first.
    pub fn with_overlays(&self, overlays: &[ProviderOverlay]) -> Result<Self, Vec<OverlayError>> {
        let mut errors = Vec::new();
        let mut providers: Vec<Arc<Provider>> = Vec::with_capacity(overlays.len());
        let targets: Vec<Target> = overlays.iter().map(|overlay| self.target(&overlay.id)).collect();
        let mut seen: HashMap<(Target, String), usize> = HashMap::new();
        for (index, (overlay, target)) in overlays.iter().zip(&targets).enumerate() {
            let mut report = Report::new(&mut errors, index);
            check::provider(overlay, &mut report);
            if *target == Target::Custom && overlay.base_url.is_none() {
                self.missing_base_url(overlay, &mut report);
            }
            let name = if *target == Target::Custom { fold(&overlay.id).into_owned() } else { String::new() };
            let first = *seen.entry((*target, name)).or_insert(index);
            if first != index {
                let message = format!("the provider `{}` is listed twice", overlay.id.trim());
                let help =
                    format!("it is providers[{first}] already, perhaps under an alias or in other case");
                report.add("id", None, message, &help);
            }
            let mut provider = self.lay(overlay, *target, index);
            address::settle(&mut provider, overlay, &mut report);
            check::laid(&provider, overlay, &mut report);
            providers.push(Arc::new(provider));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let used: HashSet<Target> = targets.into_iter().collect();
        let rest = self.providers.iter().enumerate();
        providers
            .extend(rest.filter(|(at, _)| !used.contains(&Target::BuiltIn(*at))).map(|(_, p)| Arc::clone(p)));
        Ok(Self::new(providers, self.unlisted.clone(), self.authors().into()))
    }

    fn target(&self, id: &str) -> Target {
        let id = id.trim();
        let exact = |provider: &Arc<Provider>| provider.id.eq_ignore_ascii_case(id);
        let named = |provider: &Arc<Provider>| provider.is_named(id);
        let built_in = |at| Target::BuiltIn(at);
        let found = self.providers.iter().position(exact).map(built_in);
        let found = found.or_else(|| self.unlisted.iter().position(exact).map(Target::Unlisted));
        let found = found.or_else(|| self.providers.iter().position(named).map(built_in));
        let found = found.or_else(|| self.unlisted.iter().position(named).map(Target::Unlisted));
        found.unwrap_or(Target::Custom)
    }

    fn missing_base_url(&self, overlay: &ProviderOverlay, report: &mut Report<'_>) {
        let id = overlay.id.trim();
        let providers = self.providers.iter().chain(&self.unlisted);
        let near = suggest::near(id, providers.flat_map(|p| std::iter::once(&p.id).chain(&p.aliases)));
        let help = match near.first() {
            Some(near) => format!("add `base_url`; or did you mean the built-in provider `{near}`?"),
            None => "add `base_url`, for example https://api.example.com/v1".to_owned(),
        };
        report.add(
            "base_url",
            None,
            format!("`{id}` is not a built-in provider, so it needs a base URL"),
            &help,
        );
    }

    fn lay(&self, overlay: &ProviderOverlay, target: Target, order: usize) -> Provider {
        let base = match target {
            Target::BuiltIn(at) => self.providers.get(at).map(|provider| Provider::clone(provider)),
            Target::Unlisted(at) => self.unlisted.get(at).map(|provider| from_unlisted(provider)),
            Target::Custom => None,
        };
        let kin = if target == Target::Custom { self.kin(overlay) } else { None };
        let prices = base.as_ref().or(kin.as_deref()).and_then(|provider| provider.prices.clone());
        let mut provider = base.unwrap_or_else(|| custom(overlay, kin.as_deref()));
        provider.configured = true;
        provider.order = Some(order);
        provider.disabled = overlay.disabled;
        if let Some(url) = &overlay.base_url {
            address::replace(&mut provider, &base_url::normalise(url));
        }
        if let Some(auth) = &overlay.auth {
            provider.auth = auth.clone();
            provider.auth_forced = true;
        }
        if let Some(surfaces) = overlay.surfaces.as_ref().filter(|surfaces| !surfaces.is_empty()) {
            provider.surfaces.clone_from(surfaces);
            provider.surfaces_complete = false;
        }
        if overlay.path_prefix.is_some() {
            provider.path_prefix.clone_from(&overlay.path_prefix);
        }
        set(&mut provider.extensions, overlay.extensions.as_ref());
        set(&mut provider.params.drop, overlay.drop_params.as_ref());
        set(&mut provider.params.reasoning, overlay.reasoning.as_ref());
        set(&mut provider.params.cache_control, overlay.cache_control.as_ref());
        set(&mut provider.params.stream_usage, overlay.stream_usage.as_ref());
        provider.translate_to = overlay.translate_to.or(provider.translate_to);
        for (surface, paths) in &overlay.surface_gaps {
            provider.surface_gaps.retain(|(of, _)| of != surface);
            provider.surface_gaps.push((*surface, paths.clone()));
        }
        set(&mut provider.display_name, overlay.display_name.as_ref());
        set(&mut provider.description, overlay.description.as_ref());
        set(&mut provider.website, overlay.website.as_ref());
        for alias in &overlay.aliases {
            if !provider.is_named(alias) {
                provider.aliases.push(alias.trim().to_owned());
            }
        }
        provider.metadata = metadata::overlay(&provider.metadata, &overlay.metadata);
        provider.models = lay_models(&provider, prices.as_ref(), &overlay.models);
        provider
    }

    /// The built-in provider whose name a custom provider has as an alias.
    fn kin(&self, overlay: &ProviderOverlay) -> Option<Arc<Provider>> {
        let mut named = overlay.aliases.iter().flat_map(|alias| self.provider(alias));
        named.find(|provider| !provider.custom).map(Arc::clone)
    }
}

/// A listed server of one's own is a custom provider, only with an address. It sends a key if it is given one.
fn from_unlisted(provider: &Provider) -> Provider {
    let provider = provider.clone();
    if !provider.local {
        return provider;
    }
    Provider { custom: true, auth: AuthStyle::Bearer, ..provider }
}

fn custom(overlay: &ProviderOverlay, kin: Option<&Provider>) -> Provider {
    let id = overlay.id.trim().to_owned();
    let mut provider = Provider { display_name: id.clone(), id, custom: true, ..Provider::default() };
    let all = ApiSurface { format: Format::OpenAi, surface: None, supported_params: Vec::new() };
    provider.surfaces = vec![all];
    // Whatever it lists, it takes the keys of the provider whose name it bears.
    provider.key_prefixes = kin.map(|kin| kin.key_prefixes.clone()).unwrap_or_default();
    if let Some(kin) = kin.filter(|_| overlay.models.is_empty()) {
        provider.surfaces.clone_from(&kin.surfaces);
        provider.surfaces_complete = kin.surfaces_complete;
        provider.auth = kin.auth.clone();
        provider.params.clone_from(&kin.params);
        provider.extensions.clone_from(&kin.extensions);
        provider.surface_gaps.clone_from(&kin.surface_gaps);
        provider.variants.clone_from(&kin.variants);
        (provider.translate_to, provider.thinking) = (kin.translate_to, kin.thinking);
        provider.prefix_required = kin.prefix_required;
        provider.models.clone_from(&kin.models);
    }
    provider
}

/// The models of `provider`: those it has, changed by those a policy lists, then the new ones.
fn lay_models(provider: &Provider, prices: Option<&PriceSource>, listed: &[ModelOverlay]) -> Vec<Arc<Model>> {
    let mut models: Vec<Model> = provider.models.iter().map(|model| Model::clone(model)).collect();
    for overlay in listed {
        let id = overlay.id.trim();
        match models.iter_mut().find(|model| model.id.eq_ignore_ascii_case(id)) {
            Some(model) => lay_model(model, prices, overlay),
            None => {
                let mut model = describe(id, provider);
                lay_model(&mut model, prices, overlay);
                models.push(model);
            }
        }
    }
    let finish = |mut model: Model| {
        model.provider_id.clone_from(&provider.id);
        model.metadata = metadata::overlay(&provider.metadata, &model.metadata);
        model.disabled |= provider.disabled;
        Arc::new(model)
    };
    models.into_iter().map(finish).collect()
}

/// A new record for a listed id, with what the provider's other models say if it is another name of one.
fn describe(id: &str, provider: &Provider) -> Model {
    let named = provider.models.iter().find_map(|model| Some((model, matches(model, id)?)));
    let blank = Model {
        id: id.to_owned(),
        display_name: id.to_owned(),
        thinking: provider.thinking,
        known: true,
        custom: true,
        ..Model::default()
    };
    let Some((model, matched)) = named else { return blank };
    let upstream = model.sent_name(matched, id);
    Model {
        id: id.to_owned(),
        upstream_id: (upstream != id).then_some(upstream),
        aliases: Vec::new(),
        ..Model::clone(model)
    }
}

fn matches(model: &Model, name: &str) -> Option<Matched> {
    let alias = model.aliases.iter().find(|alias| alias.name.eq_ignore_ascii_case(name));
    let alias = alias.map(|alias| Matched::Alias(alias.kind));
    alias.or_else(|| model.upstream().eq_ignore_ascii_case(name).then_some(Matched::Upstream))
}

fn lay_model(model: &mut Model, prices: Option<&PriceSource>, overlay: &ModelOverlay) {
    model.configured = true;
    model.disabled = overlay.disabled;
    for alias in overlay.aliases.iter().map(|alias| alias.trim()) {
        model.aliases.retain(|other| !other.name.eq_ignore_ascii_case(alias));
        if !model.id.eq_ignore_ascii_case(alias) {
            model.aliases.push(Alias { name: alias.to_owned(), kind: AliasKind::Configured });
        }
    }
    set(&mut model.author_id, overlay.author_id.as_ref());
    set(&mut model.display_name, overlay.display_name.as_ref());
    set(&mut model.description, overlay.description.as_ref());
    set(&mut model.input_modalities, overlay.input_modalities.as_ref());
    set(&mut model.output_modalities, overlay.output_modalities.as_ref());
    set(&mut model.max_context_window, overlay.max_context_window.as_ref());
    set(&mut model.max_output_tokens, overlay.max_output_tokens.as_ref());
    set(&mut model.supported_features, overlay.supported_features.as_ref());
    set(&mut model.unsupported_params, overlay.unsupported_params.as_ref());
    set(&mut model.thinking, overlay.thinking.as_ref());
    if let Some(pricing) = &overlay.pricing {
        let below = model.price_source.as_ref().or(prices).filter(|_| model.pricing != Pricing::default());
        model.price_source = Some(match below {
            Some(below) => PriceSource {
                source: format!("the policy; what it leaves out: {}", below.source),
                as_of: below.as_of.clone(),
            },
            None => PriceSource { source: "the policy".to_owned(), as_of: String::new() },
        });
        model.pricing = pricing.clone().or(&model.pricing);
    }
    model.metadata = metadata::overlay(&model.metadata, &overlay.metadata);
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

#[cfg(test)]
mod extension_tests;
#[cfg(test)]
mod tests;
