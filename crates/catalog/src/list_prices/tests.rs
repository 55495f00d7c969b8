use super::*;
use crate::pricing::Tier;
use crate::{ModelOverlay, ProviderOverlay};

fn dollars(dollars: f64) -> Option<Price> {
    Price::per_million(dollars)
}

fn prices(input: f64, output: f64) -> Pricing {
    Pricing { input: dollars(input), output: dollars(output), ..Pricing::default() }
}

fn listed(author: &str, names: &[&str], pricing: Pricing) -> ListPrice {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    ListPrice { author: author.to_owned(), names, pricing }
}

fn on(day: &str) -> PriceSource {
    PriceSource { source: "a list".to_owned(), as_of: day.to_owned() }
}

/// Provider `acme`, the author of what it serves, with prices of 2026-06-01.
fn embedded(models: &[(&str, Pricing)]) -> Catalog {
    let model = |(id, pricing): &(&str, Pricing)| {
        Arc::new(Model { id: (*id).to_owned(), pricing: pricing.clone(), known: true, ..Model::default() })
    };
    let provider = Provider {
        id: "acme".to_owned(),
        list_author: Some("acme-ai".to_owned()),
        prices: Some(on("2026-06-01")),
        models: models.iter().map(model).collect(),
        ..Provider::default()
    };
    let other = Provider { id: "host".to_owned(), list_author: None, ..provider.clone() };
    Catalog::new(vec![Arc::new(provider), Arc::new(other)], Vec::new(), Arc::from([]))
}

fn model(catalog: &Catalog, provider: &str, id: &str) -> Arc<Model> {
    let provider = catalog.providers().iter().find(|p| p.id == provider).unwrap();
    Arc::clone(provider.models.iter().find(|model| model.id == id).unwrap())
}

fn taken(known: Pricing, new: Pricing) -> (Arc<Model>, Vec<RefusedPrice>) {
    let base = embedded(&[("m-1-5", known)]);
    let list = [listed("acme-ai", &["M-1.5"], new)];
    let (catalog, refused) = base.with_list_prices(&base, &list, &on("2026-07-01"));
    (model(&catalog, "acme", "m-1-5"), refused)
}

#[test]
fn an_author_has_the_prices_of_the_list() {
    let (model, refused) = taken(prices(3.0, 15.0), prices(2.0, 10.0));
    assert_eq!((model.pricing.input, model.pricing.output), (dollars(2.0), dollars(10.0)));
    assert_eq!(model.price_source, Some(on("2026-07-01")));
    assert!(refused.is_empty());
}

#[test]
fn only_the_author_and_only_the_same_name() {
    let base = embedded(&[("m-1-5", prices(3.0, 15.0)), ("m-1-5-20260101", prices(3.0, 15.0))]);
    for (names, author, id, expected) in [
        (&["m-1.5"][..], "acme-ai", "m-1-5", 2.0),
        (&["m-1.5"], "acme", "m-1-5", 3.0),
        (&["m-1.5-20260101"], "acme-ai", "m-1-5", 3.0),
        (&["m-1"], "acme-ai", "m-1-5", 3.0),
        (&["new", "m-1-5-20260101"], "acme-ai", "m-1-5-20260101", 2.0),
    ] {
        let list = [listed(author, names, prices(2.0, 10.0))];
        let (catalog, _) = base.with_list_prices(&base, &list, &on("2026-07-01"));
        assert_eq!(model(&catalog, "acme", id).pricing.input, dollars(expected), "{author} {names:?}");
        assert_eq!(model(&catalog, "host", id).pricing.input, dollars(3.0), "who only serves it");
    }
    // An id is worth more than another model's dated name.
    let list = [
        listed("acme-ai", &["other", "m-1-5"], prices(1.0, 10.0)),
        listed("acme-ai", &["m-1.5"], prices(2.0, 10.0)),
    ];
    let (catalog, _) = base.with_list_prices(&base, &list, &on("2026-07-01"));
    assert_eq!(model(&catalog, "acme", "m-1-5").pricing.input, dollars(2.0));
}

#[test]
fn only_what_is_older_than_the_list() {
    let base = embedded(&[("m", prices(3.0, 15.0))]);
    let list = [listed("acme-ai", &["m"], prices(2.0, 10.0))];
    for (day, expected) in
        [("2026-05-31", 3.0), ("2026-06-01", 3.0), ("2026-06-02", 2.0), ("1970-01-01", 3.0)]
    {
        let (catalog, _) = base.with_list_prices(&base, &list, &on(day));
        assert_eq!(model(&catalog, "acme", "m").pricing.input, dollars(expected), "{day}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let cached = |read| Pricing { input_cache_read: dollars(read), ..prices(3.0, 15.0) };
    for (known, new, word) in [
        (prices(3.0, 15.0), prices(0.0, 0.0), "text.input"),
        (prices(3.0, 15.0), prices(3.0, 0.0), "text.output"),
        (prices(3.0, 15.0), prices(30.1, 15.0), "text.input"),
        (prices(3.0, 15.0), prices(0.29, 15.0), "text.input"),
        (prices(0.0, 0.0), prices(1.0, 1.0), "text.input"),
        (cached(0.3), cached(3.1), "text.input_cache_read"),
    ] {
        let (model, refused) = taken(known.clone(), new);
        let [why] = refused.as_slice() else { panic!("{refused:?}") };
        assert_eq!((why.provider.as_str(), why.model.as_str()), ("acme", "m-1-5"));
        assert!(why.why.contains(word), "{why:?}");
        assert_eq!((&model.pricing, &model.price_source), (&known, &None));
    }
    let (model, refused) = taken(prices(3.0, 15.0), prices(30.0, 1.5));
    assert!(refused.is_empty() && model.pricing.input == dollars(30.0), "ten times is believed");
}

#[test]
fn a_list_without_what_is_needed_is_passed_over() {
    let tier = |input| Tier { min_prompt_tokens: Some(9), price: prices(input, 30.0), ..Tier::default() };
    let tiered = |base, input| Pricing { overrides: vec![tier(input)], ..prices(base, 15.0) };
    let cached = Pricing { input_cache_read: dollars(0.3), ..prices(3.0, 15.0) };
    for (known, new) in [
        (prices(3.0, 15.0), Pricing::default()),
        (prices(3.0, 15.0), Pricing { output: None, ..prices(2.0, 1.0) }),
        (cached, prices(2.0, 15.0)),
        (tiered(3.0, 6.0), prices(2.0, 15.0)),
    ] {
        let (model, refused) = taken(known.clone(), new);
        assert!(refused.is_empty(), "{refused:?}");
        assert_eq!((&model.pricing, &model.price_source), (&known, &None));
    }
    let (model, _) = taken(tiered(3.0, 6.0), tiered(2.0, 4.0));
    assert_eq!(model.pricing.overrides, [tier(4.0)]);
    let (_, refused) = taken(tiered(3.0, 6.0), tiered(2.0, 0.0));
    assert_eq!(refused.len(), 1, "a threshold at which it costs nothing");
}

#[test]
fn what_the_list_does_not_have_is_kept_only_beside_the_same_prices() {
    let known = Pricing {
        input_batch: dollars(1.5),
        input_cache_write_1h: dollars(6.0),
        web_search: Price::per_unit(0.01),
        ..prices(3.0, 15.0)
    };
    let with = |input| Pricing {
        input_audio: dollars(7.0),
        request: Price::per_unit(1.0),
        web_search: Price::per_unit(0.004),
        ..prices(input, 15.0)
    };
    let (same, _) = taken(known.clone(), with(3.0));
    assert_eq!(same.pricing, Pricing { input_audio: dollars(7.0), ..known.clone() });
    let (moved, _) = taken(known, with(2.0));
    let expected =
        Pricing { input_audio: dollars(7.0), web_search: Price::per_unit(0.01), ..prices(2.0, 15.0) };
    assert_eq!(moved.pricing, expected);
}

#[test]
fn a_later_list_is_measured_against_the_embedded_prices() {
    let base = embedded(&[("m", prices(3.0, 15.0))]);
    let at = |input| [listed("acme-ai", &["m"], prices(input, 15.0))];
    let (first, _) = base.with_list_prices(&base, &at(20.0), &on("2026-07-01"));
    assert_eq!(model(&first, "acme", "m").pricing.input, dollars(20.0));
    let (second, refused) = first.with_list_prices(&base, &at(60.0), &on("2026-07-02"));
    assert_eq!(refused.len(), 1, "no creeping upwards");
    assert_eq!(model(&second, "acme", "m").pricing.input, dollars(3.0));
    let (third, _) = first.with_list_prices(&base, &at(4.0), &on("2026-07-01"));
    assert_eq!(model(&third, "acme", "m").pricing.input, dollars(4.0), "twice a day");
    let (gone, _) = first.with_list_prices(&base, &[], &on("2026-07-02"));
    assert_eq!(model(&gone, "acme", "m").pricing.input, dollars(3.0));
    assert_eq!(model(&gone, "acme", "m").price_source, None);
}

#[test]
fn a_policy_has_the_last_word() {
    let builtin = Catalog::builtin();
    let list =
        [listed("openai", &["gpt-4o"], Pricing { input_cache_read: dollars(1.0), ..prices(2.0, 8.0) })];
    let (catalog, refused) = builtin.with_list_prices(&builtin, &list, &on("9999-01-01"));
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(model(&catalog, "openai", "gpt-4o").pricing.input, dollars(2.0));
    let listed = ModelOverlay {
        id: "gpt-4o".to_owned(),
        pricing: Some(Pricing { input: dollars(7.0), ..Pricing::default() }),
        ..ModelOverlay::default()
    };
    let overlay =
        ProviderOverlay { id: "openai".to_owned(), models: vec![listed], ..ProviderOverlay::default() };
    let catalog = catalog.with_overlays(&[overlay]).unwrap();
    let model = model(&catalog, "openai", "gpt-4o");
    assert_eq!((model.pricing.input, model.pricing.output), (dollars(7.0), dollars(8.0)));
    let source = model.price_source.as_ref().unwrap();
    assert!(source.source.starts_with("the policy") && source.source.contains("a list"), "{source:?}");
}

#[test]
fn authors_are_named_where_they_sell_themselves() {
    let builtin = Catalog::builtin();
    let authors: Vec<(&str, &str)> =
        builtin.providers().iter().filter_map(|p| Some((p.id.as_str(), p.list_author.as_deref()?))).collect();
    for pair in [("anthropic", "anthropic"), ("openai", "openai"), ("google", "google"), ("xai", "x-ai")] {
        assert!(authors.contains(&pair), "{authors:?}");
    }
    for host in ["bedrock", "vertex", "azure", "groq", "together", "fireworks", "openrouter", "deepseek"] {
        assert!(authors.iter().all(|(id, _)| *id != host), "{host}");
    }
    let dated = |p: &&Arc<Provider>| p.list_author.is_some() && p.prices.is_none();
    assert!(!builtin.providers().iter().any(|p| dated(&p)));
}
