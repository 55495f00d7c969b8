use super::*;
use crate::{Price, Pricing, Tier};
use serde_json::{Map as JsonMap, Value as Json, json};
use tollgate_dialect::Surface;

fn object(value: Json) -> JsonMap<String, Json> {
    value.as_object().cloned().expect("an object")
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn provider(id: &str) -> ProviderOverlay {
    ProviderOverlay { id: id.to_owned(), ..ProviderOverlay::default() }
}

fn custom_at(id: &str, url: &str, models: Vec<ModelOverlay>) -> ProviderOverlay {
    ProviderOverlay { base_url: Some(url.to_owned()), models, ..provider(id) }
}

fn model(id: &str) -> ModelOverlay {
    ModelOverlay { id: id.to_owned(), ..ModelOverlay::default() }
}

fn aliased(id: &str, aliases: &[&str]) -> ModelOverlay {
    ModelOverlay { aliases: names(aliases), ..model(id) }
}

fn with(overlays: &[ProviderOverlay]) -> Catalog {
    Catalog::builtin().with_overlays(overlays).expect("the overlays are valid")
}

fn errors(overlays: &[ProviderOverlay]) -> Vec<OverlayError> {
    Catalog::builtin().with_overlays(overlays).expect_err("the overlays are not valid")
}

/// `path: message` of each error.
fn rendered(overlays: &[ProviderOverlay]) -> Vec<String> {
    errors(overlays).iter().map(ToString::to_string).collect()
}

/// What a bare name finds: `provider sent`.
fn bare(catalog: &Catalog, name: &str) -> Vec<String> {
    let found = catalog.models_named(name);
    found.iter().map(|(p, m, matched)| format!("{} {}", p.id, m.sent_name(*matched, name))).collect()
}

fn first(catalog: &Catalog, name: &str) -> Arc<Provider> {
    Arc::clone(catalog.provider(name).next().expect(name))
}

fn found(catalog: &Catalog, provider: &str, name: &str) -> Arc<Model> {
    catalog.model_at(&first(catalog, provider), name).expect(name).0
}

#[test]
fn configured_providers_come_first_in_their_order() {
    let catalog =
        with(&[provider("openrouter"), custom_at("zz", "https://zz.test", vec![]), provider("gemini")]);
    let ids: Vec<_> = catalog.providers().iter().map(|p| (p.id.as_str(), p.order, p.configured)).collect();
    assert_eq!(
        ids[..4],
        [
            ("openrouter", Some(0), true),
            ("zz", Some(1), true),
            ("google", Some(2), true),
            ("anthropic", None, false)
        ],
    );
    assert_eq!(catalog.providers().len(), Catalog::builtin().providers().len() + 1);
    assert!(catalog.providers()[3..].is_sorted_by_key(|provider| provider.id.clone()));
}

#[test]
fn a_built_in_provider_is_changed_in_place() {
    let mut overlay = provider("OpenAI");
    overlay.base_url = Some("https://eu.api.openai.com".to_owned());
    overlay.aliases = names(&["oai", "OAI", "open-ai", "openai"]);
    overlay.display_name = Some("Ours".to_owned());
    overlay.metadata = object(json!({"region": "eu", "limits": {"rpm": 1, "tpm": 2}}));
    overlay.models = vec![ModelOverlay {
        metadata: object(json!({"limits": {"rpm": 9}, "tier": "gold"})),
        max_output_tokens: Some(1000),
        pricing: Some(Pricing { input: Price::per_million(1.0), ..Pricing::default() }),
        ..model("GPT-4O")
    }];
    let catalog = with(&[overlay]);
    let openai = first(&catalog, "oai");
    assert_eq!((openai.id.as_str(), openai.display_name.as_str(), openai.custom), ("openai", "Ours", false));
    assert_eq!(openai.aliases, ["openAI", "open-ai", "open-AI", "oai"]);
    assert_eq!(openai.base_url_for(Format::OpenAi), "https://eu.api.openai.com");
    assert!(openai.serves(Surface::Embeddings) && openai.surfaces_complete);

    let listed = found(&catalog, "openai", "gpt-4o");
    assert_eq!(listed.id, "gpt-4o");
    assert_eq!((listed.configured, listed.custom, listed.known), (true, false, true));
    assert_eq!(
        Json::Object(listed.metadata.clone()),
        json!({"region": "eu", "limits": {"rpm": 9, "tpm": 2}, "tier": "gold"})
    );
    assert_eq!((listed.max_output_tokens, listed.max_context_window), (1000, 128_000));
    assert_eq!(
        (listed.pricing.input, listed.pricing.output),
        (Price::per_million(1.0), Price::per_million(10.0))
    );

    let other = found(&catalog, "openai", "gpt-4o-mini");
    assert!(!other.configured);
    assert_eq!(Json::Object(other.metadata.clone()), json!({"region": "eu", "limits": {"rpm": 1, "tpm": 2}}));
}

#[test]
fn new_ids_make_custom_models_callable_without_a_prefix() {
    let catalog = with(&[custom_at(
        "my-ollama",
        "http://ollama.internal",
        vec![aliased("llama3.2:1b", &["llama", "Small"]), model("hf/Llama-9")],
    )]);
    for (name, expected) in [
        ("llama3.2:1b", "my-ollama llama3.2:1b"),
        ("LLAMA", "my-ollama llama3.2:1b"),
        ("small", "my-ollama llama3.2:1b"),
        ("HF/llama-9", "my-ollama hf/Llama-9"),
    ] {
        assert_eq!(bare(&catalog, name), [expected], "{name}");
    }
    let llama = found(&catalog, "my-ollama", "llama");
    assert_eq!((llama.custom, llama.known, llama.configured), (true, true, true));
    assert_eq!((llama.display_name.as_str(), llama.provider_id.as_str()), ("llama3.2:1b", "my-ollama"));
    let provider = first(&catalog, "my-ollama");
    assert!(provider.custom && !provider.surfaces_complete);
    assert!(provider.serves(Surface::Responses) && provider.serves(Surface::Embeddings));
    assert!(!provider.serves(Surface::Messages));
}

#[test]
fn the_same_id_at_two_providers_gives_two_candidates() {
    let azure =
        |id: &str| custom_at(id, &format!("https://{id}.openai.azure.com/openai"), vec![model("gpt-4o")]);
    let catalog = with(&[azure("azure-westus"), azure("azure-eastus")]);
    assert_eq!(bare(&catalog, "gpt-4o"), ["azure-westus gpt-4o", "azure-eastus gpt-4o", "openai gpt-4o"]);
}

#[test]
fn a_configured_alias_takes_a_catalogue_name_over() {
    let mut overlay = provider("openai");
    overlay.models = vec![aliased("gpt-4o-2024-11-20", &["gpt-4o", "best"])];
    let catalog = with(&[overlay]);
    for name in ["gpt-4o", "best", "gpt-4o-2024-11-20"] {
        assert_eq!(bare(&catalog, name), ["openai gpt-4o-2024-11-20"], "{name}");
    }
    assert_eq!(bare(&catalog, "gpt-4o-2024-05-13"), ["openai gpt-4o-2024-05-13"]);
    let pinned = found(&catalog, "openai", "best");
    assert_eq!(
        (pinned.id.as_str(), pinned.custom, pinned.max_context_window),
        ("gpt-4o-2024-11-20", false, 128_000)
    );
}

#[test]
fn a_listed_alias_keeps_what_is_sent_upstream() {
    let mut anthropic = provider("anthropic");
    anthropic.models = vec![model("claude-haiku-3"), model("Claude-Sonnet-4-5-20250929")];
    let mut groq = provider("groq");
    groq.models = vec![model("llama-3.1-8b-instant")];
    let catalog = with(&[anthropic, groq]);
    for (provider, name, sent) in [
        ("anthropic", "claude-haiku-3", "claude-3-haiku-20240307"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
        ("groq", "llama-3.1-8b-instant", "llama-3.1-8b-instant"),
    ] {
        let (model, matched) = catalog.model_at(&first(&catalog, provider), name).expect(name);
        assert_eq!((model.sent_name(matched, name).as_str(), matched), (sent, Matched::Id), "{name}");
        assert!(model.configured && !model.custom, "{name}");
    }
}

#[test]
fn a_custom_provider_inherits_from_the_one_it_is_named_after() {
    let regional = |id: &str, models| {
        let mut overlay = custom_at(id, &format!("https://{id}.test/v1"), models);
        overlay.aliases = names(&["OpenAI", "gpt"]);
        overlay.metadata = object(json!({"region": id}));
        overlay
    };
    let catalog = with(&[regional("openai-eu", vec![]), regional("openai-own", vec![model("tuned")])]);
    let ids: Vec<_> = catalog.provider("openai").map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["openai-eu", "openai-own", "openai"]);
    assert_eq!(bare(&catalog, "gpt-4o"), ["openai-eu gpt-4o", "openai gpt-4o"]);
    assert_eq!(bare(&catalog, "tuned"), ["openai-own tuned"]);

    let eu = first(&catalog, "openai-eu");
    assert_eq!((eu.custom, eu.surfaces_complete, eu.key_env.as_deref()), (true, true, None));
    assert!(eu.serves(Surface::Responses) && eu.serves(Surface::Embeddings));
    let inherited = found(&catalog, "openai-eu", "gpt-4o");
    assert_eq!(
        (inherited.provider_id.as_str(), inherited.custom, inherited.configured),
        ("openai-eu", false, false)
    );
    assert_eq!(inherited.metadata.get("region"), Some(&json!("openai-eu")));
    assert!(found(&catalog, "openai-own", "tuned").custom);

    assert_eq!(
        catalog.provider_for_key("sk-proj-x").map(|p| p.id.as_str()),
        Some("openai"),
        "the built-in one"
    );
    assert!(catalog.key_owner_other_than(&eu, "sk-proj-x").is_none(), "its namesake's keys are its keys");
    assert!(catalog.key_owner_other_than(&eu, "sk-ant-x").is_some());
}

#[test]
fn inherited_openrouter_models_still_need_the_prefix() {
    let mut overlay = custom_at("or-eu", "https://eu.openrouter.ai/api", vec![]);
    overlay.aliases = names(&["openrouter"]);
    let catalog = with(&[overlay.clone()]);
    assert_eq!(first(&catalog, "or-eu").base_url, "https://eu.openrouter.ai/api/v1");
    assert!(catalog.model_at(&first(&catalog, "or-eu"), "openai/gpt-4o").is_some());
    assert_eq!(bare(&catalog, "openai/gpt-4o"), [""; 0]);

    overlay.models = vec![model("openai/gpt-4o")];
    assert_eq!(
        bare(&with(&[overlay]), "openai/gpt-4o"),
        ["or-eu openai/gpt-4o"],
        "a custom model needs none"
    );
}

#[test]
fn servers_of_ones_own_exist_once_listed() {
    let catalog = with(&[
        provider("ollama"),
        custom_at("vLLM", "http://gpu:9000/v1", vec![model("m")]),
        provider("lm-studio"),
    ]);
    let ollama = first(&catalog, "ollama");
    assert_eq!((ollama.base_url.as_str(), ollama.custom), ("http://localhost:11434/v1", true));
    assert_eq!(ollama.auth, AuthStyle::Bearer, "a key is sent if there is one");
    assert_eq!(first(&catalog, "vllm").base_url, "http://gpu:9000/v1");
    assert_eq!(first(&catalog, "LM Studio").id, "lmstudio");
    assert!(found(&catalog, "vllm", "m").custom);
}

#[test]
fn policy_settings_reach_the_provider() {
    let anthropic = |surface| ApiSurface { format: Format::Anthropic, surface, supported_params: vec![] };
    let mut deepseek = provider("deepseek");
    deepseek.surfaces = Some(vec![anthropic(None)]);
    deepseek.auth = Some(AuthStyle::Bearer);
    deepseek.path_prefix = Some("/v2".to_owned());
    let mut openrouter = provider("openrouter");
    openrouter.surfaces = Some(vec![]);
    let catalog = with(&[deepseek.clone(), openrouter]);
    let provider = first(&catalog, "deepseek");
    assert!(provider.serves(Surface::Messages) && !provider.serves(Surface::ChatCompletions));
    assert_eq!(provider.auth_for(Format::Anthropic, "api.deepseek.com"), [AuthStyle::Bearer]);
    assert_eq!(provider.base_url_for(Format::Anthropic), "https://api.deepseek.com/anthropic/v1");
    assert_eq!(provider.path_prefix.as_deref(), Some("/v2"));
    assert!(first(&catalog, "openrouter").serves(Surface::ChatCompletions), "an empty list changes nothing");

    deepseek.base_url = Some("https://proxy.test".to_owned());
    let moved = with(&[deepseek]);
    assert_eq!(first(&moved, "deepseek").base_url_for(Format::Anthropic), "https://proxy.test");
}

#[test]
fn disabled_is_found_and_marked() {
    let mut openai = provider("openai");
    openai.disabled = true;
    let mut google = provider("google");
    google.models = vec![ModelOverlay { disabled: true, ..model("gemini-2.5-pro") }];
    let catalog = with(&[openai, google]);
    assert!(first(&catalog, "openai").disabled);
    assert!(found(&catalog, "openai", "gpt-4o").disabled);
    assert!(first(&catalog, "openai").pass_through("gpt-9").disabled);
    assert!(found(&catalog, "google", "gemini-2.5-pro").disabled);
    assert!(!found(&catalog, "google", "gemini-2.5-flash").disabled);
    assert!(!catalog.nearest("gtp-4o").contains(&"gpt-4o".to_owned()));
}

#[test]
fn unknown_providers_need_a_base_url() {
    let found = errors(&[provider("opanai"), provider("acme-models")]);
    assert_eq!(
        found[0].to_string(),
        "providers[0].base_url: `opanai` is not a built-in provider, so it needs a base URL"
    );
    assert!(found[0].help.as_deref().is_some_and(|help| help.contains("`openai`")), "{found:?}");
    assert!(found[1].help.as_deref().is_some_and(|help| help.contains("https://")), "{found:?}");
}

#[test]
fn duplicate_providers() {
    let custom = |id: &str| custom_at(id, "https://x.test", vec![]);
    for (overlays, second) in [
        (vec![provider("openai"), provider("OpenAI")], 1),
        (vec![provider("google"), custom("mine"), provider("gemini")], 2),
        (vec![custom("mine"), custom("MINE")], 1),
        (vec![provider("ollama"), custom("Ollama")], 1),
    ] {
        let found = errors(&overlays);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].index, found[0].field), (second, "id"));
        assert!(found[0].message.contains("listed twice"));
        assert!(found[0].help.as_deref().is_some_and(|help| help.contains("providers[0]")));
    }
    with(&[custom("mine"), custom("other")]);
}

#[test]
fn names_are_checked() {
    let long = "a".repeat(256);
    let with_model = |model: ModelOverlay| custom_at("mine", "https://x.test", vec![model]);
    let with_alias = |alias: &str| ProviderOverlay { aliases: names(&["ok", alias]), ..provider("openai") };
    for (overlay, expected) in [
        (custom_at("", "https://x.test", vec![]), "providers[0].id: the name is empty"),
        (
            custom_at("a:b", "https://x.test", vec![]),
            "providers[0].id: a provider's name cannot hold a colon",
        ),
        (with_alias("a:b"), "providers[0].id_aliases[1]: a provider's name cannot hold a colon"),
        (with_alias(" "), "providers[0].id_aliases[1]: the name is empty"),
        (with_model(model(" ")), "providers[0].models[0].id: the name is empty"),
        (with_model(model(&long)), "providers[0].models[0].id: the name is longer than 255 bytes"),
        (with_model(model("a\nb")), "providers[0].models[0].id: the name holds a control character"),
        (
            with_model(aliased("x", &["NGROK/auto"])),
            "providers[0].models[0].id_aliases[0]: `ngrok/auto` is reserved: it lets the gateway choose",
        ),
    ] {
        assert_eq!(rendered(&[overlay]), [expected]);
    }
    with(&[with_model(model(&long[1..]))]);
}

#[test]
fn model_names_are_unique_inside_a_provider() {
    let mine = |models| custom_at("mine", "https://x.test", models);
    for (models, expected) in [
        (vec![model("a"), model("A")], "models[1].id: the model `A` is listed twice (first as models[0])"),
        (
            vec![aliased("a", &["x"]), aliased("b", &["y", "X"])],
            "models[1].id_aliases[1]: `X` already names models[0] of this provider",
        ),
        (
            vec![aliased("a", &["b"]), model("b")],
            "models[0].id_aliases[0]: `b` already names models[1] of this provider",
        ),
    ] {
        assert_eq!(rendered(&[mine(models)]), [format!("providers[0].{expected}")]);
    }
    // Its own id again, one alias twice, and the same names elsewhere do no harm.
    let other = custom_at("other", "https://y.test", vec![aliased("a", &["x"])]);
    with(&[mine(vec![aliased("a", &["A", "x", "X"])]), other]);
}

#[test]
fn other_fields_are_checked() {
    let base = || custom_at("mine", "https://x.test", vec![]);
    let listed = |model: ModelOverlay| ProviderOverlay { models: vec![model], ..base() };
    let params =
        |params: Vec<String>| listed(ModelOverlay { unsupported_params: Some(params), ..model("m") });
    let surface = |format, surface, params: &[&str]| ProviderOverlay {
        surfaces: Some(vec![ApiSurface { format, surface, supported_params: names(params) }]),
        ..base()
    };
    let many: Vec<String> = (0..101).map(|number| format!("p{number}")).collect();
    let tier = Tier { utc_start: Some(1), ..Tier::default() };
    let price = Pricing { overrides: vec![tier], ..Pricing::default() };
    for (overlay, path, word) in [
        (custom_at("mine", "http://x.test", vec![]), "base_url", "HTTPS is required"),
        (custom_at("mine", "x.test", vec![]), "base_url", "no scheme"),
        (ProviderOverlay { path_prefix: Some("/v1?x".to_owned()), ..base() }, "path_prefix", "not a path"),
        (ProviderOverlay { auth: Some(AuthStyle::Header("a b".to_owned())), ..base() }, "auth", "not valid"),
        (ProviderOverlay { auth: Some(AuthStyle::Query(String::new())), ..base() }, "auth", "not valid"),
        (params(many), "models[0].unsupported_params", "at most 100"),
        (params(names(&["a", ""])), "models[0].unsupported_params[1]", "empty"),
        (params(names(&["a", "b", "a"])), "models[0].unsupported_params[2]", "listed twice"),
        (params(vec!["p".repeat(256)]), "models[0].unsupported_params[0]", "longer than 255"),
        (listed(ModelOverlay { pricing: Some(price), ..model("m") }), "models[0].pricing", "only one"),
        (
            surface(Format::OpenAi, Some(Surface::Messages), &[]),
            "supported_api_surfaces[0]",
            "not of the format",
        ),
        (surface(Format::OpenAi, None, &["model"]), "supported_api_surfaces[0]", "needs a `surface`"),
        (surface(Format::OpenAi, Some(Surface::Embeddings), &[]), "supported_api_surfaces[0]", "can list"),
    ] {
        let found = errors(&[overlay]);
        assert_eq!(found.len(), 1, "{path}: {found:?}");
        assert_eq!(found[0].path(), format!("providers[0].{path}"));
        assert!(found[0].message.contains(word), "{path}: {}", found[0].message);
    }
    with(&[surface(Format::OpenAi, Some(Surface::Responses), &["model"])]);
}

#[test]
fn all_errors_are_reported_at_once() {
    let bad = custom_at("a:b", "http://x.test", vec![model(""), model("m"), model("M")]);
    assert_eq!(errors(&[bad, provider("nobody")]).len(), 5);
}
