use super::*;
use crate::pricing::Tier;
use std::time::UNIX_EPOCH;

fn dollars(dollars: f64) -> Option<Price> {
    Some(Price::per_million(dollars).expect("a price"))
}

/// Claude Sonnet's list prices, which have most kinds.
fn sonnet() -> Pricing {
    Pricing {
        input: dollars(3.0),
        output: dollars(15.0),
        input_cache_write: dollars(3.75),
        input_cache_read: dollars(0.3),
        ..Pricing::default()
    }
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input_tokens: input, output_tokens: output, ..Usage::default() }
}

fn sum(parts: Parts) -> u64 {
    parts.amounts().into_iter().sum()
}

#[test]
fn each_kind_has_its_price_and_its_part() {
    let audio = Pricing { input_audio: dollars(40.0), output_audio: dollars(80.0), ..sonnet() };
    let image = Pricing { input_image: dollars(10.0), output_image: dollars(40.0), ..sonnet() };
    let thought = Pricing { reasoning: dollars(60.0), ..sonnet() };
    let each = Pricing { request: Price::per_unit(0.005), ..sonnet() };
    let base = usage(1000, 500);
    for (name, pricing, usage, expected) in [
        ("text", sonnet(), base, Parts { input: 3000, output: 7500, ..Parts::default() }),
        (
            "caches",
            sonnet(),
            Usage { cached_tokens: 600, cache_write_tokens: 100, ..base },
            Parts { input: 900, cached: 180, cache_write: 375, output: 7500, ..Parts::default() },
        ),
        (
            "reasoning at the price of output",
            sonnet(),
            Usage { reasoning_tokens: 400, ..base },
            Parts { input: 3000, output: 1500, reasoning: 6000, ..Parts::default() },
        ),
        (
            "reasoning at its own price",
            thought,
            Usage { reasoning_tokens: 400, ..base },
            Parts { input: 3000, output: 1500, reasoning: 24_000, ..Parts::default() },
        ),
        (
            "sound",
            audio,
            Usage { input_audio_tokens: 900, output_audio_tokens: 100, ..base },
            Parts { input: 300, output: 6000, audio: 36_000 + 8_000, ..Parts::default() },
        ),
        (
            "pictures at their own price",
            image,
            Usage { input_image_tokens: 900, output_image_tokens: 100, ..base },
            Parts { input: 300, output: 6000, image: 9_000 + 4_000, ..Parts::default() },
        ),
        (
            "pictures as text",
            sonnet(),
            Usage { input_image_tokens: 900, output_image_tokens: 100, ..base },
            Parts { input: 3000, output: 7500, ..Parts::default() },
        ),
        ("a request", each, base, Parts { input: 3000, output: 7500, request: 5000, ..Parts::default() }),
        ("nothing", sonnet(), usage(0, 0), Parts::default()),
        (
            "more cached than there is",
            sonnet(),
            Usage { cached_tokens: 2000, input_audio_tokens: 50, ..base },
            Parts { cached: 300, output: 7500, ..Parts::default() },
        ),
    ] {
        let cost = of(&pricing, &usage, UNIX_EPOCH).expect(name);
        assert_eq!(cost.parts, expected, "{name}");
        assert_eq!(cost.micros, sum(expected), "{name}");
    }
}

#[test]
fn durations_of_caches_and_searches() {
    let base = usage(1000, 500);
    for (name, pricing, usage, expected) in [
        (
            "caches that last an hour",
            Pricing { input_cache_write_1h: dollars(6.0), ..sonnet() },
            Usage { cache_write_tokens: 100, cache_write_1h_tokens: 60, ..base },
            Parts { input: 2700, cache_write: 150 + 360, output: 7500, ..Parts::default() },
        ),
        (
            "more of an hour than is written",
            Pricing { input_cache_write_1h: dollars(6.0), ..sonnet() },
            Usage { cache_write_tokens: 100, cache_write_1h_tokens: 600, ..base },
            Parts { input: 2700, cache_write: 600, output: 7500, ..Parts::default() },
        ),
        (
            "searches",
            Pricing { web_search: Price::per_unit(0.01), ..sonnet() },
            Usage { web_searches: 3, ..base },
            Parts { input: 3000, output: 7500, tools: 30_000, ..Parts::default() },
        ),
    ] {
        let cost = of(&pricing, &usage, UNIX_EPOCH).expect(name);
        assert_eq!((cost.parts, cost.micros), (expected, sum(expected)), "{name}");
    }
}

#[test]
fn a_price_that_is_needed_and_not_known_leaves_the_cost_unknown() {
    let without = |change: fn(&mut Pricing)| {
        let mut pricing = sonnet();
        change(&mut pricing);
        pricing
    };
    let base = usage(10, 10);
    for (name, pricing, usage, known) in [
        ("no prices", Pricing::default(), base, false),
        ("no prices, no tokens", Pricing::default(), usage(0, 0), true),
        ("no input price", without(|p| p.input = None), base, false),
        ("no output price", without(|p| p.output = None), base, false),
        ("no output", without(|p| p.output = None), usage(10, 0), true),
        ("no cache price", without(|p| p.input_cache_read = None), base, true),
        ("cached", without(|p| p.input_cache_read = None), Usage { cached_tokens: 1, ..base }, false),
        ("written", without(|p| p.input_cache_write = None), Usage { cache_write_tokens: 1, ..base }, false),
        (
            "written for an hour",
            sonnet(),
            Usage { cache_write_tokens: 1, cache_write_1h_tokens: 1, ..base },
            false,
        ),
        ("searched", sonnet(), Usage { web_searches: 1, ..base }, false),
        ("sound", sonnet(), Usage { input_audio_tokens: 1, ..base }, false),
        ("speech", sonnet(), Usage { output_audio_tokens: 1, ..base }, false),
        ("free", Pricing::free(), Usage { cached_tokens: 1, cache_write_tokens: 1, ..base }, true),
    ] {
        assert_eq!(of(&pricing, &usage, UNIX_EPOCH).is_some(), known, "{name}");
    }
    assert_eq!(of(&Pricing::free(), &base, UNIX_EPOCH).map(|cost| cost.micros), Some(0));
}

#[test]
fn it_is_rounded_once() {
    // 0.1 dollars a million: a token is a tenth of a micro-dollar.
    let tenth = Pricing { input: dollars(0.1), output: dollars(0.1), ..Pricing::default() };
    for (input, output, expected) in [
        (1, 0, 0),
        (4, 0, 0),
        (5, 0, 1),
        (2, 2, 0),
        (3, 2, 1),
        (4, 4, 1),
        (14, 1, 2),
        (13, 11, 2),
        (19, 19, 4),
    ] {
        let cost = of(&tenth, &usage(input, output), UNIX_EPOCH).expect("known");
        assert_eq!(cost.micros, expected, "{input} {output}");
        assert_eq!(sum(cost.parts), expected, "{input} {output}: the parts add up");
    }
}

#[test]
fn large_numbers_are_refused_and_not_wrapped() {
    let dear = Pricing { input: Some(Price::from_pico(u64::MAX)), ..Pricing::free() };
    assert_eq!(of(&dear, &usage(u64::MAX, 0), UNIX_EPOCH), None);
    let most = of(&sonnet(), &usage(10_000_000_000, 0), UNIX_EPOCH);
    assert_eq!(most.map(|cost| cost.micros), Some(30_000_000_000));
}

#[test]
fn the_size_of_the_prompt_chooses_the_tier() {
    let long = Pricing { input: dollars(6.0), output: dollars(22.5), ..Pricing::default() };
    let tier = Tier { min_prompt_tokens: Some(200_001), price: long, ..Tier::default() };
    let pricing = Pricing { overrides: vec![tier], ..sonnet() };
    let cost = |input| of(&pricing, &usage(input, 1000), UNIX_EPOCH).map(|cost| cost.micros);
    assert_eq!(cost(200_000), Some(600_000 + 15_000));
    assert_eq!(cost(200_001), Some(1_200_006 + 22_500));
}

#[test]
fn the_providers_figure_is_preferred_unless_it_cannot_be() {
    let settled = |micros, source, suspicious| Settled { micros, source, suspicious };
    use Source::{Computed, Reported, Unknown};
    for (computed, reported, expected) in [
        (None, None, settled(None, Unknown, false)),
        (Some(10), None, settled(Some(10), Computed, false)),
        (Some(10), Some(0.0125), settled(Some(12_500), Reported, false)),
        (None, Some(0.0125), settled(Some(12_500), Reported, false)),
        (Some(10), Some(0.0), settled(Some(10), Computed, true)),
        (Some(0), Some(0.0), settled(Some(0), Reported, false)),
        (None, Some(0.0), settled(Some(0), Reported, false)),
        (Some(10), Some(-1.0), settled(Some(10), Computed, true)),
        (None, Some(f64::NAN), settled(None, Unknown, true)),
        (None, Some(1e300), settled(None, Unknown, true)),
        // Half a micro-dollar; times a million it is a little less in floating point.
        (None, Some(0.000_000_5), settled(Some(1), Reported, false)),
        (None, Some(1.000_000_5), settled(Some(1_000_001), Reported, false)),
        (None, Some(0.000_000_49), settled(Some(0), Reported, false)),
        (Some(5), Some(0.000_000_1), settled(Some(0), Reported, false)),
        (None, Some(0.1 + 0.2), settled(Some(300_000), Reported, false)),
    ] {
        assert_eq!(reconcile(computed, reported), expected, "{computed:?} {reported:?}");
    }
}
