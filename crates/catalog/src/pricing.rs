//! What a model costs: every kind of price, when another one holds, and the names strategies use.

use crate::model::Model;
use crate::price::Price;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Prices of a model. `None` means not known, never free.
///
/// In data, token prices are US dollars per million, the others US dollars per unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pricing {
    /// `text.input`
    #[serde(with = "crate::price::per_million")]
    pub input: Option<Price>,
    /// `text.output`
    #[serde(with = "crate::price::per_million")]
    pub output: Option<Price>,
    /// `text.input_cache_write`; where a provider has caches of several durations, the shortest.
    #[serde(with = "crate::price::per_million")]
    pub input_cache_write: Option<Price>,
    /// `text.input_cache_write_1h`: writing to a cache that lasts an hour.
    #[serde(with = "crate::price::per_million")]
    pub input_cache_write_1h: Option<Price>,
    /// `text.input_cache_read`
    #[serde(with = "crate::price::per_million")]
    pub input_cache_read: Option<Price>,
    /// `text.reasoning`, where it is not that of the output.
    #[serde(with = "crate::price::per_million")]
    pub reasoning: Option<Price>,
    /// `text.input_batch`
    #[serde(with = "crate::price::per_million")]
    pub input_batch: Option<Price>,
    /// `text.output_batch`
    #[serde(with = "crate::price::per_million")]
    pub output_batch: Option<Price>,
    /// `audio.input`
    #[serde(with = "crate::price::per_million")]
    pub input_audio: Option<Price>,
    /// `audio.output`
    #[serde(with = "crate::price::per_million")]
    pub output_audio: Option<Price>,
    /// `image.input`, where it is not that of text.
    #[serde(with = "crate::price::per_million")]
    pub input_image: Option<Price>,
    /// `image.output`, where it is not that of text.
    #[serde(with = "crate::price::per_million")]
    pub output_image: Option<Price>,
    /// `image.per_image`: a picture in the prompt.
    #[serde(with = "crate::price::per_unit")]
    pub image: Option<Price>,
    /// `request.per_request`
    #[serde(with = "crate::price::per_unit")]
    pub request: Option<Price>,
    /// `tools.web_search.per_search_call`
    #[serde(with = "crate::price::per_unit")]
    pub web_search: Option<Price>,
    /// `tools.code_interpreter.per_execution_call`
    #[serde(with = "crate::price::per_unit")]
    pub code_interpreter: Option<Price>,
    /// `tools.file_search.per_storage_gb`
    #[serde(with = "crate::price::per_unit")]
    pub file_search_storage_gb: Option<Price>,
    /// `tools.image_generation.per_image_generation`
    #[serde(with = "crate::price::per_unit")]
    pub image_generation: Option<Price>,
    /// Other prices for some requests. Of those that hold, a later one wins, price by price.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Tier>,
}

/// Prices that hold for some requests only: those that meet every condition that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tier {
    /// Prompts of at least so many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_prompt_tokens: Option<u64>,
    /// Not before this time of day in UTC, as `HHMM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_start: Option<u16>,
    /// Before this time of day in UTC, as `HHMM`. When it is less than the start, the window goes over midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_end: Option<u16>,
    /// The prices that differ.
    pub price: Pricing,
}

/// A price type that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{kind}` is not a price type (they are: {})", names())]
pub struct UnknownPriceKind {
    /// What was asked for.
    pub kind: String,
}

/// Reads one price, in US dollars.
pub type ReadPrice = fn(&Pricing) -> Option<f64>;

/// Every price type, with how to read it.
///
/// `text.*`, `audio.*`, `image.input` and `image.output` are US dollars per million tokens, the others US dollars per
/// unit named.
pub const PRICE_KINDS: [(&str, ReadPrice); 18] = [
    ("text.input", |p| million(p.input)),
    ("text.output", |p| million(p.output)),
    ("text.input_cache_write", |p| million(p.input_cache_write)),
    ("text.input_cache_write_1h", |p| million(p.input_cache_write_1h)),
    ("text.input_cache_read", |p| million(p.input_cache_read)),
    ("text.reasoning", |p| million(p.reasoning)),
    ("text.input_batch", |p| million(p.input_batch)),
    ("text.output_batch", |p| million(p.output_batch)),
    ("audio.input", |p| million(p.input_audio)),
    ("audio.output", |p| million(p.output_audio)),
    ("image.input", |p| million(p.input_image)),
    ("image.output", |p| million(p.output_image)),
    ("image.per_image", |p| one(p.image)),
    ("request.per_request", |p| one(p.request)),
    ("tools.web_search.per_search_call", |p| one(p.web_search)),
    ("tools.code_interpreter.per_execution_call", |p| one(p.code_interpreter)),
    ("tools.file_search.per_storage_gb", |p| one(p.file_search_storage_gb)),
    ("tools.image_generation.per_image_generation", |p| one(p.image_generation)),
];

impl Model {
    /// The price of type `kind` in US dollars; `None` when the catalogue does not know it.
    ///
    /// # Errors
    /// When there is no such price type.
    pub fn price(&self, kind: &str) -> Result<Option<f64>, UnknownPriceKind> {
        let found = PRICE_KINDS.iter().find(|(name, _)| *name == kind);
        let (_, read) = found.ok_or_else(|| UnknownPriceKind { kind: kind.to_owned() })?;
        Ok(read(&self.pricing))
    }
}

impl Pricing {
    /// No charge for any token or request.
    #[must_use]
    pub fn free() -> Self {
        let free = Some(Price::ZERO);
        Self {
            input: free,
            output: free,
            input_cache_write: free,
            input_cache_write_1h: free,
            input_cache_read: free,
            input_audio: free,
            output_audio: free,
            request: free,
            ..Self::default()
        }
    }

    /// The prices of a request with a prompt of `prompt_tokens` at `now`.
    #[must_use]
    pub fn at(&self, prompt_tokens: u64, now: SystemTime) -> Self {
        let mut prices = Self { overrides: Vec::new(), ..self.clone() };
        for tier in self.overrides.iter().filter(|tier| tier.holds(prompt_tokens, now)) {
            prices = tier.price.clone().or(&prices);
        }
        prices.overrides.clear();
        prices
    }

    /// These prices, with those of `below` where these are unknown. A list of overrides is taken whole.
    #[must_use]
    pub fn or(self, below: &Self) -> Self {
        let overrides = if self.overrides.is_empty() { below.overrides.clone() } else { self.overrides };
        Self {
            input: self.input.or(below.input),
            output: self.output.or(below.output),
            input_cache_write: self.input_cache_write.or(below.input_cache_write),
            input_cache_write_1h: self.input_cache_write_1h.or(below.input_cache_write_1h),
            input_cache_read: self.input_cache_read.or(below.input_cache_read),
            reasoning: self.reasoning.or(below.reasoning),
            input_batch: self.input_batch.or(below.input_batch),
            output_batch: self.output_batch.or(below.output_batch),
            input_audio: self.input_audio.or(below.input_audio),
            output_audio: self.output_audio.or(below.output_audio),
            input_image: self.input_image.or(below.input_image),
            output_image: self.output_image.or(below.output_image),
            image: self.image.or(below.image),
            request: self.request.or(below.request),
            web_search: self.web_search.or(below.web_search),
            code_interpreter: self.code_interpreter.or(below.code_interpreter),
            file_search_storage_gb: self.file_search_storage_gb.or(below.file_search_storage_gb),
            image_generation: self.image_generation.or(below.image_generation),
            overrides,
        }
    }

    /// What is wrong with the overrides: a time that is none, a condition or a price that is missing.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let time = |time: u16| time <= 2359 && time % 100 < 60;
        self.overrides.iter().find_map(|tier| {
            let times = [tier.utc_start, tier.utc_end];
            if times.into_iter().flatten().any(|at| !time(at)) {
                return Some("a time of day is not HHMM, such as 1630");
            }
            if tier.utc_start.is_some() != tier.utc_end.is_some() {
                return Some("a price override has only one of `utc_start` and `utc_end`");
            }
            if tier.min_prompt_tokens.is_none() && tier.utc_start.is_none() {
                return Some("a price override has no condition");
            }
            if tier.price == Self::default() {
                return Some("a price override has no price");
            }
            (!tier.price.overrides.is_empty()).then_some("a price override has overrides of its own")
        })
    }
}

impl Tier {
    fn holds(&self, prompt_tokens: u64, now: SystemTime) -> bool {
        self.min_prompt_tokens.is_none_or(|least| prompt_tokens >= least) && self.open(now)
    }

    fn open(&self, now: SystemTime) -> bool {
        let minutes = |time: u16| u64::from(time / 100) * 60 + u64::from(time % 100);
        let (Some(start), Some(end)) = (self.utc_start.map(minutes), self.utc_end.map(minutes)) else {
            return self.utc_start.is_none() && self.utc_end.is_none();
        };
        let Ok(since) = now.duration_since(UNIX_EPOCH) else { return false };
        let at = since.as_secs() / 60 % (24 * 60);
        if start <= end { (start..end).contains(&at) } else { at >= start || at < end }
    }
}

fn million(price: Option<Price>) -> Option<f64> {
    price.map(Price::dollars_per_million)
}

fn one(price: Option<Price>) -> Option<f64> {
    price.map(Price::dollars)
}

fn names() -> String {
    PRICE_KINDS.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn dollars(dollars: f64) -> Option<Price> {
        Price::per_million(dollars)
    }

    #[test]
    fn each_price_type_reads_its_own_field() {
        let pricing = Pricing {
            input: dollars(1.0),
            output: dollars(2.0),
            input_cache_write: dollars(3.0),
            input_cache_write_1h: dollars(4.0),
            input_cache_read: dollars(5.0),
            reasoning: dollars(6.0),
            input_batch: dollars(7.0),
            output_batch: dollars(8.0),
            input_audio: dollars(9.0),
            output_audio: dollars(10.0),
            input_image: dollars(11.0),
            output_image: dollars(12.0),
            image: Price::per_unit(13.0),
            request: Price::per_unit(14.0),
            web_search: Price::per_unit(15.0),
            code_interpreter: Price::per_unit(16.0),
            file_search_storage_gb: Price::per_unit(17.0),
            image_generation: Price::per_unit(18.0),
            overrides: Vec::new(),
        };
        assert_eq!(pricing.clone().or(&Pricing::free()), pricing);
        assert_eq!(Pricing::default().or(&pricing), pricing);
        let model = Model { pricing, ..Model::default() };
        for (number, (kind, _)) in (1..).zip(PRICE_KINDS) {
            assert_eq!(model.price(kind), Ok(Some(f64::from(number))), "{kind}");
        }
    }

    #[test]
    fn unknown_prices_and_unknown_types_differ() {
        let model = Model::default();
        assert_eq!(model.price("text.input"), Ok(None));
        let error = model.price("price").expect_err("no such type");
        assert!(error.to_string().contains("text.input_cache_read"), "{error}");
    }

    #[test]
    fn data_is_read_exactly_and_strictly() {
        let read = |text: &str| serde_saphyr::from_str::<Pricing>(text);
        let pricing = read("{input: 2.5, output: 10, input_cache_read: 0.003625, web_search: 0.01}").unwrap();
        assert_eq!(pricing.input, Some(Price::from_pico(2_500_000)));
        assert_eq!(pricing.output, Some(Price::from_pico(10_000_000)));
        assert_eq!(pricing.input_cache_read, Some(Price::from_pico(3_625)));
        assert_eq!(pricing.web_search, Some(Price::from_pico(10_000_000_000)));
        for bad in
            ["{input: -1}", "{input: yes}", "{inptu: 1}", "{input: .nan}", "{overrides: [{price: {x: 1}}]}"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        let json = serde_json::to_value(&pricing).unwrap();
        assert_eq!((&json["input"], &json["web_search"]), (&2.5.into(), &0.01.into()));
        assert_eq!(json["request"], serde_json::Value::Null);
    }

    #[test]
    fn later_overrides_win_price_by_price() {
        let tier = |min_prompt_tokens, utc_start, utc_end, price| Tier {
            min_prompt_tokens,
            utc_start,
            utc_end,
            price,
        };
        let input = |price| Pricing { input: dollars(price), ..Pricing::default() };
        let pricing = Pricing {
            output: dollars(10.0),
            overrides: vec![
                tier(Some(200), None, None, Pricing { output: dollars(20.0), ..input(2.0) }),
                tier(None, Some(1630), Some(30), input(0.5)),
                tier(Some(1000), Some(900), Some(1700), input(4.0)),
            ],
            ..input(1.0)
        };
        assert_eq!(pricing.fault(), None);
        for (prompt, time, expected) in [
            (0, 1200, (1.0, 10.0)),
            (199, 1200, (1.0, 10.0)),
            (200, 1200, (2.0, 20.0)),
            (200, 1629, (2.0, 20.0)),
            (200, 1630, (0.5, 20.0)),
            (0, 2359, (0.5, 10.0)),
            (0, 0, (0.5, 10.0)),
            (0, 29, (0.5, 10.0)),
            (0, 30, (1.0, 10.0)),
            (1000, 859, (2.0, 20.0)),
            (1000, 900, (4.0, 20.0)),
            (1000, 1645, (4.0, 20.0)),
            (1000, 1700, (0.5, 20.0)),
        ] {
            // A day in 2026, so that the date plays no part.
            let minutes = 20_500 * 24 * 60 + time / 100 * 60 + time % 100;
            let prices = pricing.at(prompt, UNIX_EPOCH + Duration::from_secs(minutes * 60));
            let got = (million(prices.input).unwrap(), million(prices.output).unwrap());
            assert_eq!(got, expected, "{prompt} tokens at {time}");
            assert!(prices.overrides.is_empty());
        }
    }

    #[test]
    fn overrides_that_mean_nothing_are_named() {
        let read = |text: &str| serde_saphyr::from_str::<Pricing>(text).unwrap().fault();
        for (tier, word) in [
            ("utc_start: 1660, utc_end: 100, price: {input: 1}", "HHMM"),
            ("utc_start: 2400, utc_end: 100, price: {input: 1}", "HHMM"),
            ("utc_start: 100, price: {input: 1}", "only one"),
            ("price: {input: 1}", "condition"),
            ("min_prompt_tokens: 1", "no price"),
            ("min_prompt_tokens: 1, price: {overrides: [{min_prompt_tokens: 2}]}", "of its own"),
        ] {
            let fault = read(&format!("{{overrides: [{{{tier}}}]}}")).expect(tier);
            assert!(fault.contains(word), "{tier}: {fault}");
        }
    }
}
