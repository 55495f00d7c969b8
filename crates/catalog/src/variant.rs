//! Endings of model names with a meaning of their own: `x/y:free`, `x/y:nitro:online`.

use crate::model::{Model, Provider};
use crate::price::Price;
use crate::pricing::Pricing;

impl Provider {
    /// The name without the provider's variants, and these, in the order in which they stand. `None` when the name
    /// does not end in one. Only [`Provider::variants`] are split off, in any case: `...-v1:0` is whole.
    #[must_use]
    pub fn split_variant<'a>(&'a self, model: &'a str) -> Option<(&'a str, Vec<&'a str>)> {
        let mut found = Vec::new();
        let mut base = model;
        while let Some((rest, ending)) = base.rsplit_once(':') {
            let known = self.variants.iter().find(|variant| variant.eq_ignore_ascii_case(ending));
            let Some(known) = known.filter(|_| !rest.is_empty()) else { break };
            found.push(known.as_str());
            base = rest;
        }
        found.reverse();
        (!found.is_empty()).then_some((base, found))
    }
}

impl Model {
    /// The record of this model's variant that a client named `id`. What it costs is known of `:free`, and of
    /// `:batch`; of the others the model's own prices are an estimate.
    #[must_use]
    pub fn variant(&self, id: &str, variants: &[&str]) -> Self {
        let is = |name: &str| variants.iter().any(|variant| variant.eq_ignore_ascii_case(name));
        let upstream = self.upstream_id.as_ref().map(|own| format!("{own}:{}", variants.join(":")));
        let pricing = if is("free") {
            Pricing::free()
        } else if is("batch") {
            batch(&self.pricing)
        } else {
            self.pricing.clone()
        };
        Self {
            id: id.to_owned(),
            upstream_id: upstream.filter(|upstream| upstream != id),
            aliases: Vec::new(),
            // It is longer, but nobody says by how much.
            max_context_window: if is("extended") { 0 } else { self.max_context_window },
            pricing,
            ..self.clone()
        }
    }
}

/// Batch prices, and half of the usual ones where none are known: what providers ask for batches.
fn batch(usual: &Pricing) -> Pricing {
    let half = |price: Option<Price>| price.map(Price::half);
    Pricing {
        input: usual.input_batch.or(half(usual.input)),
        output: usual.output_batch.or(half(usual.output)),
        input_cache_read: half(usual.input_cache_read),
        input_cache_write: half(usual.input_cache_write),
        input_cache_write_1h: half(usual.input_cache_write_1h),
        reasoning: half(usual.reasoning),
        input_audio: half(usual.input_audio),
        output_audio: half(usual.output_audio),
        input_image: half(usual.input_image),
        output_image: half(usual.output_image),
        overrides: usual
            .overrides
            .iter()
            .map(|tier| crate::Tier { price: batch(&tier.price), ..tier.clone() })
            .collect(),
        ..usual.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openrouter() -> Provider {
        let variants = ["free", "nitro", "floor", "online", "thinking", "exacto", "extended", "batch"];
        Provider { variants: variants.map(str::to_owned).to_vec(), ..Provider::default() }
    }

    #[test]
    fn only_known_endings_are_split_off() {
        let provider = openrouter();
        for (name, expected) in [
            ("a/b:free", Some(("a/b", vec!["free"]))),
            ("a/b:FREE", Some(("a/b", vec!["free"]))),
            ("a/b:free:Online", Some(("a/b", vec!["free", "online"]))),
            ("anthropic.claude-v1:0", None),
            ("anthropic.claude-v1:0:nitro", Some(("anthropic.claude-v1:0", vec!["nitro"]))),
            ("a/b:nitro:0", None),
            ("a/b", None),
            ("a/b:", None),
            ("a/b:freed", None),
            (":free", None),
            ("free", None),
        ] {
            assert_eq!(provider.split_variant(name), expected, "{name}");
        }
        assert_eq!(Provider::default().split_variant("a/b:free"), None);
    }

    #[test]
    fn what_a_variant_costs() {
        let dollars = Price::per_million;
        let base = Model {
            id: "a/b".to_owned(),
            max_context_window: 1000,
            pricing: Pricing {
                input: dollars(1.0),
                output: dollars(4.0),
                output_batch: dollars(1.5),
                input_cache_read: dollars(0.1),
                ..Pricing::default()
            },
            ..Model::default()
        };
        for (variants, input, output, cached) in [
            (&["free"][..], dollars(0.0), dollars(0.0), dollars(0.0)),
            (&["free", "online"], dollars(0.0), dollars(0.0), dollars(0.0)),
            (&["batch"], dollars(0.5), dollars(1.5), dollars(0.05)),
            (&["nitro"], dollars(1.0), dollars(4.0), dollars(0.1)),
            (&["exacto"], dollars(1.0), dollars(4.0), dollars(0.1)),
        ] {
            let id = format!("a/b:{}", variants.join(":"));
            let model = base.variant(&id, variants);
            let pricing = &model.pricing;
            assert_eq!(
                (pricing.input, pricing.output, pricing.input_cache_read),
                (input, output, cached),
                "{id}"
            );
            assert_eq!((model.id.as_str(), model.upstream()), (id.as_str(), id.as_str()));
        }
        assert_eq!(base.variant("a/b:extended", &["extended"]).max_context_window, 0);
        assert_eq!(base.variant("a/b:nitro", &["nitro"]).max_context_window, 1000);
    }

    #[test]
    fn the_providers_own_name_gets_the_ending() {
        let base = Model { id: "nice".to_owned(), upstream_id: Some("real".to_owned()), ..Model::default() };
        assert_eq!(base.variant("Nice:Free", &["free"]).upstream(), "real:free");
    }
}
