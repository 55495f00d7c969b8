//! Every function of the policy language on models, providers and authors, as a strategy.

use crate::testing::{Case, custom, provider, strings};
use tollgate_catalog::{ModelOverlay, Price, Pricing, ProviderOverlay};

fn priced(id: &str, input: Option<f64>) -> ModelOverlay {
    let price = |dollars: f64| Price::per_million(dollars);
    let output = input.and_then(|input| price(input * 4.0));
    let pricing = Pricing { input: input.and_then(price), output, ..Pricing::default() };
    ModelOverlay {
        id: id.into(),
        aliases: vec![format!("{id}-alias")],
        author_id: Some("meta".into()),
        pricing: Some(pricing),
        ..ModelOverlay::default()
    }
}

/// A policy of two custom providers, alone allowed.
fn case(strategy: &str) -> Case {
    let one = ProviderOverlay {
        aliases: strings(&["uno"]),
        metadata: serde_json::json!({"region": {"name": "eu"}}).as_object().cloned().expect("an object"),
        models: vec![priced("a", Some(3.0)), priced("b", Some(1.0)), priced("c", None)],
        ..custom("one", &[])
    };
    let two = custom("two", &["d", "e"]);
    let options = crate::Options { only_allow_configured_models: true, ..crate::Options::default() };
    Case::of(crate::testing::universe(&[one, two, provider("openai", &["gpt-4o"])], options))
        .strategies(&[strategy])
}

#[test]
fn every_function() {
    let table: [(&str, &[&str]); 27] = [
        ("ai.models.filter(m, m.id in ['a', 'e'])", &["one:a", "two:e"]),
        ("ai.models.only(['B', 'two:d', 'c-alias'])", &["one:b", "one:c", "two:d"]),
        ("ai.models.onlyProviders(['one']).ignore(['a', 'b-alias'])", &["one:c"]),
        ("ai.models.onlyProviders(['UNO'])", &["one:a", "one:b", "one:c"]),
        ("ai.models.onlyProviders(['one', 'two']).ignoreProviders(['uno'])", &["two:d", "two:e"]),
        ("ai.models.onlyAuthors(['meta-llama']).onlyProviders(['one'])", &["one:a", "one:b", "one:c"]),
        ("ai.models.onlyProviders(['one', 'two']).ignoreAuthors(['meta'])", &["two:d", "two:e"]),
        ("ai.models.underCost('text.input', 2)", &["one:b"]),
        ("ai.models.onlyProviders(['one']).underCost('text.output', 12.5)", &["one:a", "one:b"]),
        ("ai.models.onlyProviders(['one']).sortBy('price')", &["one:b", "one:a", "one:c"]),
        ("ai.models.onlyProviders(['one']).sortBy(m, m.pricing.input)", &["one:b", "one:a", "one:c"]),
        (
            "ai.models.onlyProviders(['one']).sortBy(m, m.metrics.global.latency.upstream_ms_avg)",
            &["one:a", "one:b", "one:c"],
        ),
        ("ai.models.only(['d']).random()", &["two:d"]),
        ("ai.models.only(['d']).randomize()", &["two:d"]),
        ("ai.models.onlyProviders(['two'])[1]", &["two:e"]),
        ("ai.models.get('two', 'e')", &["two:e"]),
        ("ai.providers.get('uno').getModel('b')", &["one:b"]),
        ("ai.providers.only(['two'])[0].models", &["two:d", "two:e"]),
        ("ai.providers.filter(p, p.custom && p.id == 'one')[0].models", &["one:a", "one:b", "one:c"]),
        ("ai.models.onlyAuthors([ai.authors.get('meta').id]).only(['a'])", &["one:a"]),
        ("ai.models.filter(m, m.getMetadata('region.name') == 'eu').only(['c'])", &["one:c"]),
        ("ai.models.filter(m, m.metadata.region.name == 'eu')", &["one:a", "one:b", "one:c"]),
        ("ai.models.filter(m, m.custom && m.known && m.provider_id == 'two')", &["two:d", "two:e"]),
        ("ai.models.filter(m, m.pricing.text.input < 2.0 && m.id == 'b')", &["one:b"]),
        (
            "ai.models.filter(m, m.id.startsWith('gpt') || m.id.endsWith('e') && size(m.id) == 1)",
            &["two:e", "openai:gpt-4o"],
        ),
        (
            "ai.models.filter(m, 'uno' in m.provider_id_aliases && m.max_context_window == 0).only(['a'])",
            &["one:a"],
        ),
        ("ai.models.onlyProviders(['two']) + ai.models.only(['a'])", &["two:d", "two:e", "one:a"]),
    ];
    for (strategy, expected) in table {
        assert_eq!(case(strategy).run(), Ok(strings(expected)), "{strategy}");
    }
}

#[test]
fn places() {
    let chosen = |strategy: &str| Case::new(&[]).strategies(&[strategy]).run();
    assert_eq!(chosen("ai.models.inCountryCode('XX')"), Err(3805));
    assert_eq!(chosen("ai.models.inRegion('nowhere-1')"), Err(3805));
    let all = chosen("ai.models.filter(m, m.datacenters.exists(d, d.country_code == 'US'))");
    assert_eq!(chosen("ai.models.inCountryCode('us')"), all);
}

#[test]
fn restrictions_with_a_fallback_tier() {
    let tiers = case("ai.models.only(['c'])")
        .strategies(&["ai.models.only(['c'])", "ai.models.onlyProviders(['one'])"]);
    assert_eq!(tiers.run(), Ok(strings(&["one:c", "one:a", "one:b"])));
    assert_eq!(tiers.models(&["b", "c", "a"]).run(), Ok(strings(&["one:b", "one:c", "one:a"])));
}

#[test]
fn empty_lists_are_no_result() {
    for strategy in ["ai.models.only([]).random()", "ai.models.only([])", "ai.providers.get('no').models"] {
        let code = case(strategy).plan(false).expect_err(strategy).error.code();
        assert!(matches!(code, 3803 | 3805), "{strategy}: {code}");
    }
}
