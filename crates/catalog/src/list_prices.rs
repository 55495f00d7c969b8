//! Prices of authors' own models, from OpenRouter's list.
//!
//! OpenRouter sells at the price of the provider behind it, without a markup (openrouter.ai/docs, "Pricing and Fees").
//! For a model whose weights nobody else has, that provider's price is its author's.

use crate::catalog::Catalog;
use crate::model::{Model, PriceSource, Provider};
use crate::price::Price;
use crate::pricing::Pricing;
use std::collections::HashMap;
use std::sync::Arc;

/// How many times dearer or cheaper a price may have become. More than that is a mistake in the list, or in reading it.
const MOST: u64 = 10;

/// Reads one kind of price.
type Read = fn(&Pricing) -> Option<Price>;

/// The prices that have to be in the list when they are known. The others are no part of it for many models.
const NEEDED: [(&str, Read); 4] = [
    ("text.input", |p| p.input),
    ("text.output", |p| p.output),
    ("text.input_cache_read", |p| p.input_cache_read),
    ("text.input_cache_write", |p| p.input_cache_write),
];

/// What OpenRouter's list says of a model that only its author serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPrice {
    /// The author, as OpenRouter calls it: `anthropic`, `x-ai`.
    pub author: String,
    /// The model's names without the author: the id, and the dated name if there is one.
    pub names: Vec<String>,
    /// Its prices.
    pub pricing: Pricing,
}

/// A price of the list that cannot be right, so that the one known before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPrice {
    /// The provider's id.
    pub provider: String,
    /// The model's id there.
    pub model: String,
    /// Why not, for people.
    pub why: String,
}

impl Catalog {
    /// This catalogue, a descendant of `embedded`, with the prices of `list` for the models of providers that are
    /// authors ([`Provider::list_author`]).
    ///
    /// Prices that are older in `embedded` than `from` are replaced, and go back to what they are there when the list no
    /// longer has them. What a policy says is not touched. A change beyond belief is refused, a list without a price that
    /// is needed passed over.
    #[must_use]
    pub fn with_list_prices(
        &self,
        embedded: &Self,
        list: &[ListPrice],
        from: &PriceSource,
    ) -> (Self, Vec<RefusedPrice>) {
        let mut refused = Vec::new();
        let mut lay = |provider: &Arc<Provider>| {
            let base = embedded.providers.iter().find(|base| base.id == provider.id);
            match (&provider.list_author, base) {
                (Some(author), Some(base)) if is_older(base, from) => {
                    let named = by_name(list, author);
                    Arc::new(reprice(provider, base, &named, from, &mut refused))
                }
                _ => Arc::clone(provider),
            }
        };
        let providers = self.providers.iter().map(&mut lay).collect();
        (Self::new(providers, self.unlisted.clone(), Arc::clone(&self.authors)), refused)
    }
}

fn is_older(base: &Provider, from: &PriceSource) -> bool {
    // Days as `YYYY-MM-DD` compare as texts.
    base.prices.as_ref().is_none_or(|known| known.as_of < from.as_of)
}

/// An author's prices by name. An id wins over another model's dated name.
fn by_name<'l>(list: &'l [ListPrice], author: &str) -> HashMap<String, &'l Pricing> {
    let own = || list.iter().filter(|price| price.author.eq_ignore_ascii_case(author));
    let mut named = HashMap::new();
    for at in 0..2 {
        for price in own() {
            if let Some(name) = price.names.get(at) {
                named.entry(spelled(name)).or_insert(&price.pricing);
            }
        }
    }
    named
}

/// OpenRouter writes `claude-opus-4.5`, Anthropic `claude-opus-4-5`. Nothing else is taken for the same name: an alias
/// of one may be another model of the other.
fn spelled(name: &str) -> String {
    name.to_ascii_lowercase().replace('.', "-")
}

fn reprice(
    provider: &Provider,
    base: &Provider,
    named: &HashMap<String, &Pricing>,
    from: &PriceSource,
    refused: &mut Vec<RefusedPrice>,
) -> Provider {
    let models = provider.models.iter().map(|model| {
        let known = base.models.iter().find(|known| known.id == model.id);
        let Some(known) = known.filter(|_| !model.configured) else { return Arc::clone(model) };
        let (pricing, price_source) = match named.get(&spelled(&model.id)).map(|listed| judge(known, listed))
        {
            Some(Ok(pricing)) => (pricing, Some(from.clone())),
            Some(Err(Doubt::Absurd(why))) => {
                refused.push(RefusedPrice { provider: provider.id.clone(), model: model.id.clone(), why });
                (known.pricing.clone(), None)
            }
            Some(Err(Doubt::Incomplete)) | None => (known.pricing.clone(), None),
        };
        Arc::new(Model { pricing, price_source, ..Model::clone(model) })
    });
    Provider { models: models.collect(), ..provider.clone() }
}

/// Why listed prices are not taken.
enum Doubt {
    /// They cannot be right.
    Absurd(String),
    /// One is missing, or a threshold.
    Incomplete,
}

fn judge(known: &Model, listed: &Pricing) -> Result<Pricing, Doubt> {
    let known = &known.pricing;
    for (kind, read) in NEEDED {
        match (read(known), read(listed)) {
            (Some(old), Some(new)) if !is_near(old, new) => {
                return Err(Doubt::Absurd(format!("{kind} from {} to {}", shown(old), shown(new))));
            }
            (Some(old), None) if old != Price::ZERO => return Err(Doubt::Incomplete),
            _ => {}
        }
    }
    let moved = NEEDED.iter().any(|(_, read)| read(known).is_some() && read(known) != read(listed));
    if !moved {
        return Ok(known.clone().or(&tokens_of(listed)));
    }
    if listed.overrides.is_empty() && !known.overrides.is_empty() {
        return Err(Doubt::Incomplete);
    }
    for tier in &listed.overrides {
        for (kind, read) in NEEDED {
            if let (Some(usual), Some(own)) = (read(listed), read(&tier.price))
                && !is_near(usual, own)
            {
                return Err(Doubt::Absurd(format!("{kind} of {} beside {}", shown(own), shown(usual))));
            }
        }
    }
    // Prices of tokens that the list does not have belong to the old ones: not known is better than wrong.
    let units = Pricing { overrides: Vec::new(), ..without_tokens(known) };
    Ok(tokens_of(listed).or(&units))
}

/// The prices of tokens.
fn tokens_of(pricing: &Pricing) -> Pricing {
    Pricing {
        image: None,
        request: None,
        web_search: None,
        code_interpreter: None,
        file_search_storage_gb: None,
        image_generation: None,
        ..pricing.clone()
    }
}

/// The prices of anything else: OpenRouter's own may differ.
fn without_tokens(pricing: &Pricing) -> Pricing {
    Pricing {
        image: pricing.image,
        request: pricing.request,
        web_search: pricing.web_search,
        code_interpreter: pricing.code_interpreter,
        file_search_storage_gb: pricing.file_search_storage_gb,
        image_generation: pricing.image_generation,
        ..Pricing::default()
    }
}

fn is_near(old: Price, new: Price) -> bool {
    let (less, more) = (old.min(new).pico(), old.max(new).pico());
    more <= less.saturating_mul(MOST)
}

fn shown(price: Price) -> String {
    format!("{} dollars a million tokens", price.dollars_per_million())
}

#[cfg(test)]
mod tests;
