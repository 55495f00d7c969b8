//! What a policy can say beyond ngrok's fields.

use super::*;
use crate::{CacheControl, Params, Price, Pricing, ReasoningParam, StreamUsage};
use std::collections::BTreeMap;
use tollgate_dialect::{FieldPath, Surface, Thinking};

fn overlay(id: &str, settings: &[(&str, &str)]) -> ProviderOverlay {
    let settings: BTreeMap<String, String> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ProviderOverlay { id: id.to_owned(), settings, ..ProviderOverlay::default() }
}

fn at(id: &str, settings: &[(&str, &str)], base_url: Option<&str>) -> ProviderOverlay {
    ProviderOverlay { base_url: base_url.map(str::to_owned), ..overlay(id, settings) }
}

fn only(overlay: ProviderOverlay) -> Provider {
    let catalog = Catalog::builtin().with_overlays(&[overlay]).expect("the overlay is valid");
    Provider::clone(&catalog.providers()[0])
}

fn errors(overlay: ProviderOverlay) -> Vec<String> {
    let errors = Catalog::builtin().with_overlays(&[overlay]).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn settings_complete_an_address() {
    let azure = "https://me.openai.azure.com/openai";
    let vertex = |location: &str| format!("/v1/projects/p/locations/{location}/publishers/google");
    for (id, settings, base, expected) in [
        ("azure", &[("resource", "me")][..], None, azure.to_owned()),
        ("azure-openai", &[("resource", "me"), ("api_version", "2024-10-21")], None, azure.to_owned()),
        ("azure", &[("host", "gov.azure.us")], None, "https://gov.azure.us/openai".to_owned()),
        ("azure", &[], Some("https://me.openai.azure.com/"), azure.to_owned()),
        ("azure", &[], Some("http://localhost:1/openai"), "http://localhost:1/openai".to_owned()),
        ("azure", &[], Some("https://a.test/openai/v1"), "https://a.test/openai/v1".to_owned()),
        (
            "bedrock",
            &[("region", "eu-central-1")],
            None,
            "https://bedrock-runtime.eu-central-1.amazonaws.com".to_owned(),
        ),
        ("bedrock", &[("region", "x")], Some("http://localhost:1"), "http://localhost:1".to_owned()),
        (
            "vertex",
            &[("project", "p"), ("location", "europe-west4")],
            None,
            format!("https://europe-west4-aiplatform.googleapis.com{}", vertex("europe-west4")),
        ),
        (
            "vertex",
            &[("project", "p"), ("location", "global")],
            None,
            format!("https://aiplatform.googleapis.com{}", vertex("global")),
        ),
        (
            "vertex",
            &[("project", "p"), ("location", "eu")],
            None,
            format!("https://aiplatform.eu.rep.googleapis.com{}", vertex("eu")),
        ),
        (
            "vertex",
            &[("project", "p"), ("location", "us")],
            None,
            format!("https://aiplatform.us.rep.googleapis.com{}", vertex("us")),
        ),
        (
            "vertex",
            &[("project", "p"), ("location", "global"), ("host", "mine.test")],
            None,
            format!("https://mine.test{}", vertex("global")),
        ),
    ] {
        let provider = only(at(id, settings, base));
        assert_eq!(provider.base_url, expected, "{id} {settings:?} {base:?}");
        assert!(!provider.custom && !provider.models.is_empty(), "{id} is built in");
    }
}

#[test]
fn azure_has_paths_and_a_version_unless_the_address_is_another_api() {
    let usual = only(overlay("azure", &[("resource", "me")]));
    assert_eq!(usual.path(Surface::ChatCompletions), "/deployments/{model}/chat/completions");
    assert_eq!(usual.stream_path(Surface::ChatCompletions), "/deployments/{model}/chat/completions");
    assert_eq!(usual.path(Surface::Responses), "/responses");
    assert_eq!(usual.query, [("api-version".to_owned(), "2025-04-01-preview".to_owned())]);
    let dated = only(overlay("azure", &[("resource", "me"), ("api_version", "2024-10-21")]));
    assert_eq!(dated.query[0].1, "2024-10-21");
    let v1 = only(at("azure", &[], Some("https://me.test/openai/v1")));
    assert_eq!((v1.path(Surface::ChatCompletions), v1.query.len()), ("/chat/completions", 0));
}

#[test]
fn mistakes_in_settings_are_named() {
    for (overlay, expected) in [
        (overlay("azure", &[]), &["providers[0].settings: `azure` needs the setting `resource`"][..]),
        (
            overlay("vertex", &[("location", "eu")]),
            &["providers[0].settings: `vertex` needs the setting `project`"],
        ),
        (
            overlay("vertex", &[]),
            &[
                "providers[0].settings: `vertex` needs the setting `project`",
                "providers[0].settings: `vertex` needs the setting `location`",
            ],
        ),
        (
            overlay("bedrock", &[("regoin", "x")]),
            &[
                "providers[0].settings: `regoin` is not a setting of `bedrock`",
                "providers[0].settings: `bedrock` needs the setting `region`",
            ],
        ),
        (
            overlay("openai", &[("region", "x")]),
            &["providers[0].settings: `region` is not a setting of `openai`"],
        ),
        (
            at("mine", &[("region", "x")], Some("https://a.test")),
            &["providers[0].settings: `region` is not a setting of `mine`"],
        ),
        (
            overlay("azure", &[("resource", "evil.test/?")]),
            &["providers[0].settings: the setting `resource` cannot be a part of an address"],
        ),
    ] {
        let found = errors(overlay);
        assert!(expected.iter().all(|text| found.iter().any(|found| found == text)), "{found:?}");
    }
    let found = errors(overlay("azure", &[("resource", "a..b")]));
    assert!(found.iter().any(|found| found.contains("with these settings")), "{found:?}");
    let help = Catalog::builtin().with_overlays(&[overlay("azure", &[])]).expect_err("a setting is missing");
    assert!(help[0].help.as_ref().is_some_and(|help| help.contains("base_url")), "{help:?}");
    let both = Catalog::builtin().with_overlays(&[overlay("vertex", &[])]).expect_err("two are missing");
    let whole = "add `settings: {project: my-project, location: europe-west4}`";
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both.iter().all(|one| one.help.as_ref().is_some_and(|help| help.starts_with(whole))), "{both:?}");
    let wrong =
        Catalog::builtin().with_overlays(&[overlay("bedrock", &[("regoin", "x")])]).expect_err("a typo");
    assert_eq!(wrong[0].key.as_deref(), Some("regoin"), "{wrong:?}");
}

#[test]
fn signed_requests_have_a_region() {
    let signed = |settings, url| ProviderOverlay {
        auth: Some(AuthStyle::AwsSigV4),
        ..at("mine", settings, Some(url))
    };
    for (overlay, expected) in [
        (overlay("bedrock", &[("region", "eu-west-1")]), "eu-west-1"),
        (at("bedrock", &[], Some("https://bedrock-runtime.us-east-1.amazonaws.com")), "us-east-1"),
        (
            at("bedrock", &[], Some("https://vpce-1.bedrock-runtime.us-east-1.amazonaws.com:443/x")),
            "us-east-1",
        ),
        (at("bedrock", &[("region", "eu-west-1")], Some("https://a.test")), "eu-west-1"),
        (signed(&[("region", "eu-west-1")], "https://a.test"), "eu-west-1"),
    ] {
        assert_eq!(only(overlay.clone()).aws_region(), Some(expected), "{overlay:?}");
    }
    for overlay in [at("bedrock", &[], Some("https://a.test")), signed(&[], "https://a.test")] {
        let found = errors(overlay);
        assert!(found.len() == 1 && found[0].contains("needs the setting `region`"), "{found:?}");
    }
}

#[test]
fn without_settings_a_provider_is_not_there() {
    for name in ["azure", "bedrock", "vertex"] {
        assert_eq!(Catalog::builtin().provider(name).count(), 0, "{name}");
    }
    assert!(Catalog::builtin().models_named("gemini-2.5-pro").iter().all(|(p, ..)| p.id == "google"));
    let catalog =
        Catalog::builtin().with_overlays(&[overlay("azure", &[("resource", "me")])]).expect("valid");
    let found: Vec<_> = catalog.models_named("gpt-4o").iter().map(|(p, ..)| p.id.clone()).collect();
    assert_eq!(found, ["azure", "openai"]);
}

#[test]
fn what_is_done_to_parameters_can_be_changed() {
    let built_in = only(overlay("openrouter", &[]));
    let usual = Params {
        drop: ["prompt_cache_key", "verbosity", "store", "service_tier"].map(str::to_owned).to_vec(),
        reasoning: ReasoningParam::Keep,
        cache_control: CacheControl::Keep,
        // Its streams have it in any case.
        stream_usage: StreamUsage::Never,
        ..Params::default()
    };
    assert_eq!(built_in.params, usual);
    let changed = only(ProviderOverlay {
        extensions: Some(vec!["x".to_owned()]),
        drop_params: Some(Vec::new()),
        reasoning: Some(ReasoningParam::Effort),
        cache_control: Some(CacheControl::Strip),
        stream_usage: Some(StreamUsage::Ask),
        translate_to: Some(Surface::Responses),
        ..overlay("openrouter", &[])
    });
    let params = Params::default();
    assert_eq!((changed.params, changed.extensions), (params, vec!["x".to_owned()]));
    assert_eq!(changed.translate_to, Some(Surface::Responses));
    assert_eq!(changed.variants, built_in.variants);
}

#[test]
fn a_custom_provider_takes_what_its_kin_does() {
    let kin =
        ProviderOverlay { aliases: vec!["openrouter".to_owned()], ..at("mine", &[], Some("https://a.test")) };
    let (mine, openrouter) = (only(kin), only(overlay("openrouter", &[])));
    assert_eq!((mine.params, mine.extensions), (openrouter.params, openrouter.extensions));
    assert_eq!((mine.variants, mine.thinking), (openrouter.variants, Thinking::Object));
    let stranger = only(at("stranger", &[], Some("https://a.test")));
    assert_eq!((stranger.params, stranger.thinking), (Params::default(), Thinking::Usual));
    assert!(stranger.extensions.is_empty() && stranger.variants.is_empty());
}

#[test]
fn lists_and_targets_are_checked() {
    let twice = Some(vec!["a".to_owned(), "a".to_owned()]);
    for (overlay, expected) in [
        (ProviderOverlay { drop_params: twice.clone(), ..overlay("openai", &[]) }, "drop_params[1]"),
        (ProviderOverlay { extensions: twice, ..overlay("openai", &[]) }, "extensions[1]"),
        (ProviderOverlay { translate_to: Some(Surface::Messages), ..overlay("openai", &[]) }, "translate_to"),
        (
            ProviderOverlay { translate_to: Some(Surface::Embeddings), ..overlay("openai", &[]) },
            "translate_to",
        ),
    ] {
        let found = errors(overlay);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
}

#[test]
fn gaps_are_listed_by_surface() {
    use Surface::{ChatCompletions, GenerateContent, Messages};
    let paths =
        |texts: &[&str]| -> Vec<FieldPath> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    let gaps = |id: &str, surface, texts: &[&str]| ProviderOverlay {
        surface_gaps: vec![(surface, paths(texts))],
        ..overlay(id, &[])
    };
    let usual = only(overlay("anthropic", &[]));
    let has = |path: &str| usual.gaps(ChatCompletions).iter().any(|gap| gap.as_str() == path);
    assert!(has("response_format") && has("tools[].function.strict") && !has("temperature"));
    // A surface's list is replaced; an empty one says that there is no gap.
    let mine = only(gaps("anthropic", ChatCompletions, &["a", "b[].c"]));
    assert_eq!(mine.gaps(ChatCompletions), paths(&["a", "b[].c"]));
    assert!(only(gaps("anthropic", ChatCompletions, &[])).gaps(ChatCompletions).is_empty());
    let other = only(gaps("anthropic", Messages, &["x"]));
    assert_eq!(
        (other.gaps(ChatCompletions), other.gaps(Messages)),
        (usual.gaps(ChatCompletions), &paths(&["x"])[..])
    );
    let found = errors(gaps("anthropic", GenerateContent, &["x"]));
    assert!(found.len() == 1 && found[0].contains("surface_gaps"), "{found:?}");
    let kin =
        ProviderOverlay { aliases: vec!["anthropic".to_owned()], ..at("mine", &[], Some("https://a.test")) };
    assert_eq!(only(kin).gaps(ChatCompletions), usual.gaps(ChatCompletions));
}

#[test]
fn a_custom_provider_can_speak_gemini() {
    let entry = |surface: Surface| ApiSurface {
        format: surface.format(),
        surface: Some(surface),
        supported_params: Vec::new(),
    };
    let mine = only(ProviderOverlay {
        surfaces: Some(vec![entry(Surface::GenerateContent)]),
        ..at("mine", &[], Some("https://a.test"))
    });
    let model = mine.pass_through("m");
    assert_eq!(mine.wire_for(Surface::ChatCompletions, &model), Some(Surface::GenerateContent));
    assert_eq!(mine.prefix_for(Format::Gemini), Some("/v1beta"));
    assert_eq!(mine.auth_for(Format::Gemini, "a.test"), [AuthStyle::Header("x-goog-api-key".to_owned())]);
}

#[test]
fn models_take_prices_and_a_way_to_think() {
    let model = ModelOverlay {
        id: "m".to_owned(),
        thinking: Some(Thinking::Budget),
        pricing: Some(Pricing { request: Price::per_unit(0.005), ..Pricing::default() }),
        ..ModelOverlay::default()
    };
    let mine = only(ProviderOverlay { models: vec![model], ..at("mine", &[], Some("https://a.test")) });
    assert_eq!(mine.models[0].thinking, Thinking::Budget);
    assert_eq!(mine.models[0].pricing.request, Some(Price::from_pico(5_000_000_000)));
}
