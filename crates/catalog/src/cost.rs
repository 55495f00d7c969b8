//! What an answer cost: from prices and figures, and from what the provider says.

use crate::price::{self, Price};
use crate::pricing::Pricing;
use std::time::SystemTime;
use tollgate_dialect::Usage;

/// Pico-dollars in a micro-dollar.
const MICRO: u128 = 1_000_000;
/// Decimal places of a dollar in a micro-dollar.
const MICRO_PLACES: u32 = 6;

/// What one answer cost, in micro-dollars (10⁻⁶ US dollars).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// All of it, rounded half up once.
    pub micros: u64,
    /// Where it comes from. The parts add up to `micros`.
    pub parts: Parts,
}

/// The parts of a cost, in micro-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Tokens of the prompt that no other part has.
    pub input: u64,
    /// Tokens of the answer that no other part has.
    pub output: u64,
    /// Tokens read from a prompt cache.
    pub cached: u64,
    /// Tokens written to a prompt cache, of whatever duration.
    pub cache_write: u64,
    /// Tokens of reasoning.
    pub reasoning: u64,
    /// Tokens of sound, in prompt and answer.
    pub audio: u64,
    /// Tokens of pictures, in prompt and answer.
    pub image: u64,
    /// The charge for the request itself.
    pub request: u64,
    /// Tools that the provider ran: searches of the web.
    pub tools: u64,
}

impl Parts {
    /// Names of the parts, in the order of [`Parts::amounts`].
    pub const NAMES: [&str; 9] =
        ["input", "output", "cached", "cache_write", "reasoning", "audio", "image", "request", "tools"];

    /// Each part, in micro-dollars.
    #[must_use]
    pub const fn amounts(&self) -> [u64; 9] {
        let Self { input, output, cached, cache_write, reasoning, audio, image, request, tools } = *self;
        [input, output, cached, cache_write, reasoning, audio, image, request, tools]
    }
}

/// Where a settled cost comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The provider said so.
    Reported,
    /// Computed from prices.
    Computed,
    /// Neither is known.
    #[default]
    Unknown,
}

/// The cost that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// In micro-dollars; `None` when nobody knows.
    pub micros: Option<u64>,
    /// Who says so.
    pub source: Source,
    /// The provider reported something that cannot be: nothing for a model that costs something, or no amount of
    /// money at all.
    pub suspicious: bool,
}

/// What an answer cost at `now`, or `None` when a price that is needed is not known.
///
/// Tokens of pictures and of reasoning are charged as text where they have no price of their own, because that is how
/// providers do it; sound, caches of either duration and searches of the web are not. Charges for other tools are not in
/// it: providers do not report how many calls there were. Nor is [`Pricing::image`]: providers count pictures as tokens
/// of the prompt, and OpenRouter's price of a picture is that of its tokens said in another way.
#[must_use]
pub fn of(pricing: &Pricing, usage: &Usage, now: SystemTime) -> Option<Cost> {
    let tiered;
    let prices = if pricing.overrides.is_empty() {
        pricing
    } else {
        tiered = pricing.at(usage.input_tokens, now);
        &tiered
    };
    let mut input = Tokens(usage.input_tokens);
    let cached = input.take(usage.cached_tokens);
    let written = input.take(usage.cache_write_tokens);
    let kept = usage.cache_write_1h_tokens.min(written);
    let heard = input.take(usage.input_audio_tokens);
    let seen = input.take(prices.input_image.map_or(0, |_| usage.input_image_tokens));
    let mut output = Tokens(usage.output_tokens);
    let spoken = output.take(usage.output_audio_tokens);
    let drawn = output.take(prices.output_image.map_or(0, |_| usage.output_image_tokens));
    let thought = output.take(usage.reasoning_tokens);
    round([
        charge(input.0, prices.input)?,
        charge(output.0, prices.output)?,
        charge(cached, prices.input_cache_read)?,
        charge(written - kept, prices.input_cache_write)?
            .checked_add(charge(kept, prices.input_cache_write_1h)?)?,
        charge(thought, prices.reasoning.or(prices.output))?,
        charge(heard, prices.input_audio)?.checked_add(charge(spoken, prices.output_audio)?)?,
        charge(seen, prices.input_image)?.checked_add(charge(drawn, prices.output_image)?)?,
        prices.request.map_or(0, |price| u128::from(price.pico())),
        charge(usage.web_searches, prices.web_search)?,
    ])
}

/// Which of the two costs counts: `computed` in micro-dollars, `reported` in dollars.
///
/// The provider's own figure is preferred. One that cannot be is not taken, and nor is a zero for what costs something
/// by the price list.
#[must_use]
pub fn reconcile(computed: Option<u64>, reported: Option<f64>) -> Settled {
    let micros = reported.and_then(price::decimal_of).and_then(|text| price::scaled(&text, MICRO_PLACES));
    let zero = reported == Some(0.0) && computed.is_some_and(|computed| computed > 0);
    let suspicious = zero || (reported.is_some() && micros.is_none());
    match (micros.filter(|_| !zero), computed) {
        (Some(micros), _) => Settled { micros: Some(micros), source: Source::Reported, suspicious },
        (None, Some(micros)) => Settled { micros: Some(micros), source: Source::Computed, suspicious },
        (None, None) => Settled { micros: None, source: Source::Unknown, suspicious },
    }
}

/// Tokens that are still to be charged.
struct Tokens(u64);

impl Tokens {
    /// Takes `count` of them, or those that are left: providers' figures may overlap.
    fn take(&mut self, count: u64) -> u64 {
        let taken = count.min(self.0);
        self.0 -= taken;
        taken
    }
}

/// Pico-dollars for so many tokens, or calls. None cost nothing at any price.
fn charge(count: u64, price: Option<Price>) -> Option<u128> {
    match (count, price) {
        (0, _) => Some(0),
        (_, None) => None,
        (count, Some(price)) => Some(u128::from(count) * u128::from(price.pico())),
    }
}

/// Micro-dollars of charges in pico-dollars. The sum is rounded half up; the parts with the largest remainders are
/// rounded up until they add up to it.
fn round(charges: [u128; 9]) -> Option<Cost> {
    let total = charges.iter().try_fold(0_u128, |sum, charge| sum.checked_add(*charge))?;
    let micros = u64::try_from(total.checked_add(MICRO / 2)? / MICRO).ok()?;
    let mut parts = [0_u64; 9];
    let mut down = 0_u64;
    for (part, charge) in parts.iter_mut().zip(charges) {
        *part = u64::try_from(charge / MICRO).ok()?;
        down = down.checked_add(*part)?;
    }
    let mut by_remainder: Vec<(&mut u64, u128)> =
        parts.iter_mut().zip(charges.map(|charge| charge % MICRO)).collect();
    by_remainder.sort_by_key(|(_, remainder)| std::cmp::Reverse(*remainder));
    let missing = usize::try_from(micros.saturating_sub(down)).ok()?;
    for (part, _) in by_remainder.into_iter().take(missing) {
        *part += 1;
    }
    let [input, output, cached, cache_write, reasoning, audio, image, request, tools] = parts;
    let parts = Parts { input, output, cached, cache_write, reasoning, audio, image, request, tools };
    Some(Cost { micros, parts })
}

#[cfg(test)]
mod tests;
