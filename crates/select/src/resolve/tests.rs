//! Tests of names.

use super::*;
use crate::testing::{Case, custom, provider, strings, universe};
use crate::universe::{Options, ProviderOrder};
use tollgate_catalog::{ModelOverlay, ProviderOverlay};

/// What a name resolves to: `provider:upstream`, a `?` after an unknown model; or the reason against it.
fn meaning(universe: Universe, name: &str) -> Result<Vec<String>, RejectKind> {
    let case = Case::of(universe).model(name);
    case.with_ask(|ask| {
        let resolved = resolve(&case.universe, ask);
        if let Some(rejected) = resolved.rejected.first() {
            assert_eq!(rejected.model, name.trim());
            return Err(rejected.kind);
        }
        let shown = |member: &Member<'_>| {
            let mark = if member.entity.model.known { "" } else { "?" };
            format!("{}:{}{mark}", member.entity.provider.id, member.upstream)
        };
        Ok(resolved.members.iter().map(shown).collect())
    })
}

fn policy() -> Vec<ProviderOverlay> {
    vec![
        custom("my-provider", &["my-model"]),
        ProviderOverlay {
            base_url: Some("http://localhost:11434".into()),
            ..provider("ollama", &["llama3.2:1b"])
        },
    ]
}

#[test]
fn every_row_of_the_table() {
    use RejectKind::{BadName, UnknownModel, UnknownProvider};
    let table: [(&str, Result<&[&str], RejectKind>); 26] = [
        ("gpt-4o", Ok(&["openai:gpt-4o"])),
        ("openai:gpt-4o", Ok(&["openai:gpt-4o"])),
        ("openai:gpt-5-preview", Ok(&["openai:gpt-5-preview?"])),
        ("my-provider:my-model", Ok(&["my-provider:my-model"])),
        ("my-model", Ok(&["my-provider:my-model"])),
        ("openrouter:anthropic/claude-3.5-sonnet", Ok(&["openrouter:anthropic/claude-3.5-sonnet?"])),
        ("openrouter:google/gemini-2.0-flash-001", Ok(&["openrouter:google/gemini-2.0-flash-001?"])),
        (
            "openrouter:meta-llama/llama-3.1-8b-instruct",
            Ok(&["openrouter:meta-llama/llama-3.1-8b-instruct?"]),
        ),
        ("openrouter:mistralai/mistral-7b-instruct", Ok(&["openrouter:mistralai/mistral-7b-instruct?"])),
        ("openrouter:acme/llama-4-scout:free", Ok(&["openrouter:acme/llama-4-scout:free?"])),
        ("openrouter:acme/auto", Ok(&["openrouter:acme/auto?"])),
        ("ollama:llama3.2:1b", Ok(&["ollama:llama3.2:1b"])),
        ("llama3.2:1b", Ok(&["ollama:llama3.2:1b"])),
        (
            "inference-net:meta-llama/llama-3.1-8b-instruct/fp-8",
            Ok(&["inference-net:meta-llama/llama-3.1-8b-instruct/fp-8?"]),
        ),
        (
            "hyperbolic:meta-llama/Llama-3.3-70B-Instruct",
            Ok(&["hyperbolic:meta-llama/Llama-3.3-70B-Instruct?"]),
        ),
        ("anthropic/claude-3.5-sonnet", Err(UnknownModel)),
        ("meta-llama/llama-3.3-70b-versatile", Ok(&["groq:llama-3.3-70b-versatile"])),
        ("openai/gpt-4o", Err(UnknownModel)),
        ("google:gemini-2.5-flash", Ok(&["google:gemini-2.5-flash"])),
        ("gemini:gemini-2.5-flash", Ok(&["google:gemini-2.5-flash"])),
        ("GPT-4O", Ok(&["openai:gpt-4o"])),
        ("  OpenAI : GPT-4o ", Ok(&["openai:gpt-4o"])),
        ("foo:bar", Err(UnknownProvider)),
        (":gpt-4o", Err(BadName)),
        ("openai:", Err(BadName)),
        ("openrouter:x?temperature=0.7", Ok(&["openrouter:x?"])),
    ];
    for (name, expected) in table {
        let expected = expected.map(strings);
        assert_eq!(meaning(universe(&policy(), Options::default()), name), expected, "{name}");
    }
}

#[test]
fn a_bare_name_finds_every_provider_in_policy_order() {
    let both = [custom("azure-west", &["gpt-4o"]), custom("azure-east", &["gpt-4o"])];
    let expected = strings(&["azure-west:gpt-4o", "azure-east:gpt-4o", "openai:gpt-4o"]);
    assert_eq!(Case::new(&both).model("gpt-4o").run(), Ok(expected));
    let options = Options { provider_order: ProviderOrder::Alphabetical, ..Options::default() };
    let expected = strings(&["azure-east:gpt-4o", "azure-west:gpt-4o", "openai:gpt-4o"]);
    assert_eq!(Case::of(universe(&both, options)).model("gpt-4o").run(), Ok(expected));
}

#[test]
fn candidates_with_a_key_come_first_within_a_name() {
    let case = Case::new(&[custom("azure-west", &["gpt-4o"]), custom("azure-east", &["gpt-4o"])])
        .models(&["gpt-4o", "openai:gpt-5"])
        .keyed(|provider| provider.id == "azure-east");
    let expected = strings(&["azure-east:gpt-4o", "azure-west:gpt-4o", "openai:gpt-4o", "openai:gpt-5"]);
    assert_eq!(case.run(), Ok(expected));
}

#[test]
fn an_alias_may_be_a_built_in_provider() {
    let eu = ProviderOverlay { aliases: strings(&["openai"]), ..custom("openai-eu", &[]) };
    let case = Case::new(&[eu]).model("openai:gpt-4o");
    assert_eq!(case.run(), Ok(strings(&["openai-eu:gpt-4o", "openai:gpt-4o"])));
}

#[test]
fn what_aliases_send() {
    let house = ModelOverlay {
        id: "gpt-4o-2024-11-20".into(),
        aliases: strings(&["house-model"]),
        ..ModelOverlay::default()
    };
    let azure = ProviderOverlay { models: vec![house], ..custom("azure", &[]) };
    let case = |name: &str| Case::new(std::slice::from_ref(&azure)).model(name).run();
    assert_eq!(case("house-model"), Ok(strings(&["azure:gpt-4o-2024-11-20"])));
    assert_eq!(case("openai:gpt-4o-2024-05-13"), Ok(strings(&["openai:gpt-4o-2024-05-13"])));
    assert_eq!(case("claude-opus-4.1"), Ok(strings(&["anthropic:claude-opus-4-1"])));
}

#[test]
fn names_are_listed_once_and_auto_stands_for_the_rest() {
    let case = |model: Option<&str>, models: &[&str]| {
        let mut case = Case::new(&[]).models(models);
        case.model = model.map(str::to_owned);
        case.with_ask(|ask| {
            let resolved = resolve(&case.universe, ask);
            (resolved.names.iter().map(|name| name.text.to_string()).collect::<Vec<_>>(), resolved.auto)
        })
    };
    assert_eq!(case(Some("a:1"), &["b:2", "a:1", "", " "]), (strings(&["a:1", "b:2"]), None));
    assert_eq!(case(Some("ngrok/auto"), &["b:2"]), (strings(&["b:2"]), None));
    assert_eq!(case(Some("NGROK/Auto"), &[]), (vec![], None));
    assert_eq!(case(None, &["ngrok/auto", "ngrok/AUTO"]), (vec![], None));
    assert_eq!(case(Some("a:1"), &["ngrok/auto", "b:2"]), (strings(&["a:1", "ngrok/auto", "b:2"]), Some(1)));
    assert_eq!(case(Some(""), &[]), (vec![], None));
}

#[test]
fn two_spellings_of_one_model_are_one_candidate() {
    let case =
        Case::new(&[]).models(&["gpt-4o", "openai:gpt-4o", "GPT-4o", "openrouter:a/b", "open-router:a/b"]);
    assert_eq!(case.run(), Ok(strings(&["openai:gpt-4o", "openrouter:a/b"])));
}

#[test]
fn author_slugs_when_wanted() {
    let options = Options { accept_author_slug: true, ..Options::default() };
    let of = |name| meaning(universe(&[], options), name);
    assert_eq!(of("openai/gpt-4o"), Ok(strings(&["openai:gpt-4o"])));
    assert_eq!(of("openai/gpt-9-preview"), Ok(strings(&["openai:gpt-9-preview?"])));
    assert_eq!(of("nobody/gpt-4o"), Err(RejectKind::UnknownModel));
    assert_eq!(of("meta-llama/llama-3.3-70b-versatile"), Ok(strings(&["groq:llama-3.3-70b-versatile"])));
}

#[test]
fn restrictions_and_their_words() {
    let listed = [provider("openai", &["gpt-4o"]), custom("mine", &["m1"])];
    let providers = Options { only_allow_configured_providers: true, ..Options::default() };
    let models = Options { only_allow_configured_models: true, ..Options::default() };
    let refused = |options, name: &str| {
        let refusal = Case::of(universe(&listed, options)).model(name).plan(false).expect_err("not allowed");
        (refusal.error.code(), refusal.error.kind(), refusal.rejected[0].reason.clone())
    };
    assert_eq!(
        refused(providers, "gemini-2.5-pro"),
        (3804, "provider_not_allowed", "Provider 'google' is not allowed by gateway configuration".into())
    );
    assert_eq!(
        refused(models, "gpt-3.5-turbo"),
        (3804, "model_not_allowed", "Model 'gpt-3.5-turbo' is not allowed by gateway configuration".into())
    );
    assert_eq!(refused(models, "openai:gpt-9-preview").1, "model_not_allowed");
    assert_eq!(refused(models, "mine:m2").1, "model_not_allowed");
    let allowed = |options, name: &str| Case::of(universe(&listed, options)).model(name).run();
    assert_eq!(allowed(providers, "openai:gpt-9-preview"), Ok(strings(&["openai:gpt-9-preview"])));
    assert_eq!(allowed(providers, "gpt-5"), Ok(strings(&["openai:gpt-5"])));
    assert_eq!(allowed(models, "gpt-4o-2024-05-13"), Ok(strings(&["openai:gpt-4o-2024-05-13"])));
    let nobody = Case::of(universe(&[], providers));
    assert_eq!(nobody.run(), Err(3804));
}

#[test]
fn another_providers_model_of_the_same_id_is_not_allowed() {
    let listed = [provider("openai", &["gpt-4o"]), custom("azure", &["other"])];
    let options = Options { only_allow_configured_models: true, ..Options::default() };
    let case = Case::of(universe(&listed, options)).models(&["gpt-4o", "azure:gpt-4o"]);
    assert_eq!(case.run(), Ok(strings(&["openai:gpt-4o"])));
    let plan = case.plan(false).expect("one is left");
    assert_eq!(plan.rejected.iter().map(|r| r.model.as_str()).collect::<Vec<_>>(), ["azure:gpt-4o"]);
}

#[test]
fn disabled_is_not_unknown() {
    let off = ProviderOverlay { disabled: true, ..provider("openai", &[]) };
    let mut one_off = provider("openai", &["gpt-4o"]);
    one_off.models[0].disabled = true;
    for (overlay, name) in
        [(&off, "openai:gpt-4o"), (&off, "openai:gpt-9"), (&off, "gpt-4o"), (&one_off, "gpt-4o")]
    {
        let refusal = Case::new(std::slice::from_ref(overlay)).model(name).plan(false).expect_err(name);
        assert!(refusal.rejected[0].reason.ends_with("is not allowed by gateway configuration"), "{name}");
    }
}

#[test]
fn a_configured_model_needs_no_prefix_even_where_others_do() {
    let case = Case::new(&[provider("openrouter", &["anthropic/claude-3.5-sonnet"])]);
    let expected = Ok(strings(&["openrouter:anthropic/claude-3.5-sonnet"]));
    assert_eq!(case.model("anthropic/claude-3.5-sonnet").run(), expected);
}

#[test]
fn without_translation_the_format_decides_who_can_answer() {
    let native = || universe(&[], Options { native_only: true, ..Options::default() });
    let at = |surface, name: &str| Case::of(native()).surface(surface).model(name).run();
    assert_eq!(
        at(Surface::Messages, "openrouter:anthropic/claude-3.5-sonnet"),
        Ok(strings(&["openrouter:anthropic/claude-3.5-sonnet"])),
        "OpenRouter speaks Anthropic's API too"
    );
    assert_eq!(at(Surface::Messages, "gpt-4o"), Err(3813));
    assert_eq!(at(Surface::Messages, "claude-opus-4-1"), Ok(strings(&["anthropic:claude-opus-4-1"])));
    assert_eq!(at(Surface::Responses, "gemini-2.5-pro"), Err(3813));
    assert_eq!(at(Surface::Responses, "gpt-4o"), Ok(strings(&["openai:gpt-4o"])));
    let mixed = Case::of(native()).surface(Surface::Messages).models(&["gpt-4o", "foo:bar"]);
    assert_eq!(mixed.run(), Err(3804));
}

#[test]
fn with_translation_every_conversation_reaches_every_provider() {
    let at = |surface, name: &str| Case::new(&[]).surface(surface).model(name).run();
    for surface in [Surface::ChatCompletions, Surface::Responses, Surface::Messages, Surface::GenerateContent]
    {
        for name in ["openai:gpt-4o", "anthropic:claude-opus-4-1", "google:gemini-2.5-pro", "openrouter:x/y"]
        {
            assert_eq!(at(surface, name), Ok(strings(&[name])), "{surface:?}");
        }
    }
    assert_eq!(at(Surface::CountTokens, "gpt-4o"), Ok(strings(&["openai:gpt-4o"])), "counted by the gateway");
    assert_eq!(at(Surface::Embeddings, "claude-opus-4-1"), Err(3813), "no conversation");
    assert_eq!(at(Surface::Messages, "openai:text-embedding-3-small"), Err(3813), "the model has none");
}

#[test]
fn near_names_are_suggested() {
    let reason = |name: &str| {
        let refusal = Case::new(&[]).model(name).plan(false).expect_err("unknown");
        assert_eq!(refusal.error.code(), 3804);
        assert!(refusal.error.message().contains(&refusal.rejected[0].reason));
        refusal.rejected[0].reason.clone()
    };
    let slash = reason("anthropic/claude-3.5-sonnet");
    assert!(slash.contains("`openrouter:anthropic/claude-3.5-sonnet`"), "{slash}");
    let typo = reason("gpt-4p");
    assert!(typo.starts_with("unknown model; did you mean") && typo.contains("`gpt-4o`"), "{typo}");
}

#[test]
fn too_many_and_too_long_names() {
    let many: Vec<String> = (0..300).map(|n| format!("openrouter:m{n}")).collect();
    let mut case = Case::new(&[]);
    case.models = many;
    let plan = case.plan(false).expect("the first ones count");
    assert_eq!((plan.candidates.len(), plan.rejected.len()), (MAX_NAMES, 1));
    let long = format!("openrouter:{}", "ü".repeat(5000));
    let refusal = Case::new(&[]).model(&long).plan(false).expect_err("too long");
    assert!(refusal.rejected[0].model.len() < 600);
}
