use super::*;
use crate::model::AuthStyle;
use tollgate_dialect::{Format, Surface};

/// Model ids of ngrok's catalogues (spring and summer 2026), and the embedding models its guides use.
const EXPECTED: [(&str, &str); 8] = [
    (
        "openai",
        "gpt-5.4-pro gpt-5.4 gpt-5.3-codex gpt-5.2-codex gpt-5.2 gpt-5.2-chat-latest gpt-5.1 gpt-5 gpt-5-mini \
         gpt-5-nano gpt-5-chat-latest gpt-5.2-pro gpt-5.1-chat-latest gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4o \
         gpt-4o-mini o4-mini o4-mini-deep-research o3-mini o3-deep-research o1-pro o3-pro o3 o1 gpt-4-turbo gpt-4 \
         gpt-3.5-turbo gpt-5.6-luna gpt-5.6-terra gpt-5.6-sol gpt-5.5 gpt-5.5-pro gpt-5.4-mini gpt-5.4-nano gpt-5-pro \
         gpt-3.5-turbo-instruct text-embedding-3-small text-embedding-3-large text-embedding-ada-002",
    ),
    (
        "anthropic",
        "claude-opus-4-6 claude-sonnet-4-6 claude-haiku-4-5 claude-sonnet-4-5 claude-opus-4-5 claude-opus-4-1 \
         claude-sonnet-4-0 claude-opus-4-0 claude-3-haiku-20240307 claude-opus-5 claude-sonnet-5 claude-fable-5 \
         claude-opus-4-8 claude-opus-4-7 claude-3-5-sonnet-20241022 claude-3-7-sonnet-20250219 \
         claude-3-5-haiku-20241022",
    ),
    (
        "google",
        "gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-2.0-flash gemini-2.0-flash-lite \
         gemini-3-pro-preview gemini-3.6-flash gemini-3.5-flash gemini-3.5-flash-lite gemini-3.1-flash-lite \
         gemini-3.1-pro-preview gemini-3.1-pro-preview-customtools gemini-3-flash-preview gemini-embedding-001",
    ),
    ("deepseek", "deepseek-reasoner deepseek-chat deepseek-v4-flash deepseek-v4-pro"),
    (
        "groq",
        "meta-llama/llama-3.1-8b-instant meta-llama/llama-3.3-70b-versatile meta-llama/llama-prompt-guard-2-22m \
         meta-llama/llama-prompt-guard-2-86m meta-llama/llama-guard-4-12b \
         meta-llama/llama-4-maverick-17b-128e-instruct meta-llama/llama-4-scout-17b-16e-instruct \
         moonshotai/kimi-k2-instruct-0905 openai/gpt-oss-120b openai/gpt-oss-20b openai/gpt-oss-safeguard-20b \
         qwen/qwen3-32b",
    ),
    ("moonshotai", "kimi-k3 kimi-k2.7-code kimi-k2.7-code-highspeed kimi-k2.6"),
    (
        "z-ai",
        "glm-5.2 glm-5.1 glm-5-turbo glm-5 glm-4.7 glm-4.7-flash glm-4.7-flashx glm-4.6 glm-4.5 glm-4.5-x glm-4.5-air \
         glm-4.5-airx glm-4.5-flash glm-4-32b-0414-128k",
    ),
    (
        "openrouter",
        "openai/gpt-4o openai/gpt-4o-mini anthropic/claude-sonnet-4.5 anthropic/claude-haiku-4.5 google/gemini-2.5-pro \
         google/gemini-2.5-flash meta-llama/llama-3.3-70b-instruct deepseek/deepseek-r1 mistralai/mistral-large \
         qwen/qwen3-235b-a22b",
    ),
];

fn only(catalog: &Catalog, name: &str) -> Arc<Provider> {
    let found: Vec<_> = catalog.provider(name).collect();
    assert_eq!(found.len(), 1, "{name}");
    Arc::clone(found[0])
}

/// What a bare name finds and what is sent for it: `provider id sent`.
fn bare(name: &str) -> Vec<String> {
    let found = Catalog::builtin().models_named(name);
    found.iter().map(|(p, m, matched)| format!("{} {} {}", p.id, m.id, m.sent_name(*matched, name))).collect()
}

#[test]
fn every_expected_model_is_there() {
    let catalog = Catalog::builtin();
    for (provider, ids) in EXPECTED {
        let provider = only(&catalog, provider);
        for id in ids.split_whitespace() {
            let (model, matched) =
                catalog.model_at(&provider, id).unwrap_or_else(|| panic!("{}:{id}", provider.id));
            assert_eq!((model.id.as_str(), matched), (id, Matched::Id));
            assert_eq!(
                (model.provider_id.as_str(), model.known, model.custom),
                (provider.id.as_str(), true, false)
            );
        }
    }
}

#[test]
fn provider_names() {
    let catalog = Catalog::builtin();
    for (name, id) in [
        ("openai", "openai"),
        ("open-AI", "openai"),
        ("ANTHROPIC", "anthropic"),
        ("gemini", "google"),
        ("deep-seek", "deepseek"),
        ("groqcloud", "groq"),
        ("open-router", "openrouter"),
        ("inference.net", "inference-net"),
        ("inference_net", "inference-net"),
        ("inception", "inceptionlabs"),
        (" Kimi ", "moonshotai"),
        ("Moonshot AI", "moonshotai"),
        ("z.AI", "z-ai"),
        ("hyperbolic", "hyperbolic"),
        ("x-ai", "xai"),
        ("together_ai", "together"),
        ("fireworks-ai", "fireworks"),
    ] {
        assert_eq!(only(&catalog, name).id, id, "{name}");
    }
    for unknown in ["", "foo", "ollama", "lmstudio", "vllm", "azure", "bedrock", "vertex", "openai:"] {
        assert_eq!(catalog.provider(unknown).count(), 0, "{unknown}");
    }
    assert!(catalog.providers().is_sorted_by_key(|provider| provider.id.clone()));
}

#[test]
fn bare_names() {
    for (name, expected) in [
        ("gpt-4o", "openai gpt-4o gpt-4o"),
        ("GPT-4O", "openai gpt-4o gpt-4o"),
        (" gpt-4o ", "openai gpt-4o gpt-4o"),
        ("gpt-4o-2024-05-13", "openai gpt-4o gpt-4o-2024-05-13"),
        ("chatgpt-4o-latest", "openai gpt-4o chatgpt-4o-latest"),
        ("gpt-4-omni", "openai gpt-4o gpt-4o"),
        ("gpt-4-32k", "openai gpt-4 gpt-4"),
        ("GPT-5 mini", "openai gpt-5-mini gpt-5-mini"),
        ("text-embedding-ada-002", "openai text-embedding-ada-002 text-embedding-ada-002"),
        ("claude-3.5-sonnet", "anthropic claude-3-5-sonnet-20241022 claude-3-5-sonnet-20241022"),
        ("claude-3-5-sonnet", "anthropic claude-3-5-sonnet-20241022 claude-3-5-sonnet-20241022"),
        ("claude-3-5-sonnet-latest", "anthropic claude-3-5-sonnet-20241022 claude-3-5-sonnet-latest"),
        ("claude-3.5-haiku", "anthropic claude-3-5-haiku-20241022 claude-3-5-haiku-20241022"),
        ("claude-sonnet-4.5", "anthropic claude-sonnet-4-5 claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929", "anthropic claude-sonnet-4-5 claude-sonnet-4-5-20250929"),
        ("claude-opus-4-6-20260205", "anthropic claude-opus-4-6 claude-opus-4-6"),
        ("claude-haiku-3", "anthropic claude-3-haiku-20240307 claude-3-haiku-20240307"),
        ("gemini-3", "google gemini-3-pro-preview gemini-3-pro-preview"),
        ("llama-3.1-8b", "groq meta-llama/llama-3.1-8b-instant llama-3.1-8b-instant"),
        ("llama-3.1-8b-instant", "groq meta-llama/llama-3.1-8b-instant llama-3.1-8b-instant"),
        (
            "meta-llama/llama-3.3-70b-versatile",
            "groq meta-llama/llama-3.3-70b-versatile llama-3.3-70b-versatile",
        ),
        ("openai/gpt-oss-safeguard-20b", "groq openai/gpt-oss-safeguard-20b openai/gpt-oss-safeguard-20b"),
        ("mistral-large", "mistral mistral-large-latest mistral-large-latest"),
        ("mistral-large-2512", "mistral mistral-large-latest mistral-large-2512"),
        ("grok-4.20", "xai grok-4.20-reasoning grok-4.20"),
        ("sonar-pro", "perplexity sonar-pro sonar-pro"),
        ("command-r-plus", "cohere command-r-plus-08-2024 command-r-plus-08-2024"),
        ("kimi-k2", "groq moonshotai/kimi-k2-instruct-0905 moonshotai/kimi-k2-instruct-0905"),
    ] {
        assert_eq!(bare(name), [expected], "{name}");
    }
    let several = bare("openai/gpt-oss-120b");
    assert_eq!(several.len(), 2, "by id, in the order of the providers: {several:?}");
    assert!(several[0].starts_with("groq ") && several[1].starts_with("together "), "{several:?}");
    for unknown in [
        "anthropic/claude-3.5-sonnet",
        "anthropic/claude-sonnet-4.5",
        "openai/gpt-4o",
        "openrouter/auto",
        "nope",
        "",
    ] {
        assert_eq!(bare(unknown), [""; 0], "{unknown}");
    }
}

#[test]
fn names_at_a_provider() {
    let catalog = Catalog::builtin();
    let sent = |provider: &str, name: &str| {
        let found = catalog.model_at(&only(&catalog, provider), name);
        found.map(|(model, matched)| (model.sent_name(matched, name), matched))
    };
    use AliasKind::{Nickname, Snapshot};
    for (provider, name, expected) in [
        ("openrouter", "openai/gpt-4o", Some(("openai/gpt-4o", Matched::Id))),
        ("openrouter", "OpenAI/GPT-4o", Some(("openai/gpt-4o", Matched::Id))),
        ("openrouter", "anthropic/claude-3.5-sonnet", None),
        ("openrouter", "google/gemini-2.0-flash-001", None),
        ("openrouter", "meta-llama/llama-3.1-8b-instruct", None),
        ("openrouter", "mistralai/mistral-7b-instruct", None),
        ("openrouter", "openai/gpt-4o:free", None),
        ("anthropic", "claude-3.5-sonnet", Some(("claude-3-5-sonnet-20241022", Matched::Alias(Nickname)))),
        ("openai", "GPT-4o-2024-08-06", Some(("gpt-4o-2024-08-06", Matched::Alias(Snapshot)))),
        ("groq", "llama-3.3-70b-versatile", Some(("llama-3.3-70b-versatile", Matched::Upstream))),
        ("openai", "claude-opus-4-6", None),
    ] {
        let expected = expected.map(|(name, matched)| (name.to_owned(), matched));
        assert_eq!(sent(provider, name), expected, "{provider}:{name}");
    }
    let stranger = Provider { id: "stranger".to_owned(), ..Provider::default() };
    assert!(catalog.model_at(&stranger, "gpt-4o").is_none());
}

#[test]
fn surfaces_of_the_built_in_providers() {
    let catalog = Catalog::builtin();
    for (provider, expected) in [
        ("openai", [true, true, true, true, false, false, false, false]),
        ("anthropic", [true, false, false, false, true, true, false, false]),
        ("google", [true, false, false, true, false, false, true, false]),
        ("openrouter", [true, true, true, true, true, false, false, false]),
        ("deepseek", [true, false, false, false, false, false, false, false]),
        ("mistral", [true, false, false, true, false, false, false, false]),
        ("xai", [true, true, false, false, false, false, false, false]),
        ("together", [true, false, true, true, false, false, false, false]),
        ("fireworks", [true, true, true, true, false, false, false, false]),
        ("cohere", [true, false, false, true, false, false, false, false]),
        ("perplexity", [true, false, false, false, false, false, false, false]),
        ("cerebras", [true, false, true, false, false, false, false, false]),
    ] {
        let provider = only(&catalog, provider);
        assert_eq!(Surface::ALL.map(|surface| provider.serves(surface)), expected, "{}", provider.id);
    }
    assert_eq!(
        only(&catalog, "deepseek").base_url_for(Format::Anthropic),
        "https://api.deepseek.com/anthropic/v1"
    );
    assert_eq!(
        only(&catalog, "anthropic").auth_for(Format::Anthropic, "api.anthropic.com"),
        [AuthStyle::XApiKey]
    );
    let openrouter = only(&catalog, "openrouter").auth_for(Format::Anthropic, "openrouter.ai");
    assert_eq!(openrouter, [AuthStyle::Bearer]);
    assert_eq!(
        only(&catalog, "openrouter").params.drop,
        ["prompt_cache_key", "verbosity", "store", "service_tier"],
    );
}

#[test]
fn retired_models_are_marked() {
    let catalog = Catalog::builtin();
    for name in
        ["claude-3.5-sonnet", "claude-3-haiku-20240307", "gpt-3.5-turbo", "gemini-2.0-flash", "deepseek-chat"]
    {
        let found = catalog.models_named(name);
        assert!(found.iter().all(|(_, model, _)| model.deprecated_at.is_some() && !model.disabled), "{name}");
        assert!(!found.is_empty(), "{name}");
    }
}

#[test]
fn keys_name_their_provider() {
    let catalog = Catalog::builtin();
    let owner = |key: &str| catalog.provider_for_key(key).map(|provider| provider.id.clone());
    for (key, expected) in [
        ("sk-ant-api03-x", Some("anthropic")),
        ("sk-or-v1-x", Some("openrouter")),
        ("sk-proj-x", Some("openai")),
        ("gsk_x", Some("groq")),
        ("AIzaSyX", Some("google")),
        ("sk-x", None),
        ("unused", None),
        ("", None),
    ] {
        assert_eq!(owner(key).as_deref(), expected, "{key}");
    }
    let openai = only(&catalog, "openai");
    assert!(catalog.key_owner_other_than(&openai, "sk-proj-x").is_none());
    assert!(catalog.key_owner_other_than(&openai, "sk-x").is_none());
    let owner = catalog.key_owner_other_than(&openai, "sk-or-v1-x").map(|provider| provider.id.as_str());
    assert_eq!(owner, Some("openrouter"));
}

#[test]
fn authors_by_name() {
    let catalog = Catalog::builtin();
    assert_eq!(catalog.author("Meta-Llama").map(|author| author.id.as_str()), Some("meta"));
    assert!(catalog.author("nobody").is_none());
    assert!(catalog.authors().len() > 5);
}
