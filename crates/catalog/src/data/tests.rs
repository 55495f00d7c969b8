use super::*;
use crate::catalog::{Catalog, fold};
use crate::{Price, ProviderOverlay, base_url, embedded};
use std::collections::HashSet;

const INPUTS: [&str; 5] = ["text", "image", "audio", "video", "file"];
const OUTPUTS: [&str; 4] = ["text", "image", "audio", "embedding"];
const FEATURES: [&str; 6] =
    ["tool-calling", "structured-output", "vision", "reasoning", "coding", "prompt-caching"];

/// Every provider of the files, also those that exist only when listed.
fn files() -> Vec<(&'static str, Provider)> {
    let read = |(file, text)| (file, provider(file, text).expect("the data file decodes"));
    embedded::PROVIDERS.into_iter().map(read).collect()
}

fn models() -> impl Iterator<Item = Model> {
    files().into_iter().flat_map(|(_, provider)| provider.models).map(|model| Model::clone(&model))
}

#[test]
fn providers_are_whole() {
    for (file, provider) in files() {
        assert_eq!(provider.id, file, "the file's name is its id");
        let address = listed(&provider);
        assert_eq!(base_url::check(&address.base_url), Ok(()), "{file}");
        assert_eq!(base_url::check(&provider.website), Ok(()), "{file}");
        for (format, url) in &address.format_base_urls {
            assert_eq!(base_url::check(url), Ok(()), "{file} {}", format.name());
        }
        assert!(!provider.display_name.is_empty() && !provider.description.is_empty(), "{file}");
        assert!(!provider.surfaces.is_empty(), "{file}");
        for entry in &provider.surfaces {
            assert_eq!(entry.surface.map(Surface::format), Some(entry.format), "{file}");
        }
        let lengths = provider
            .key_prefixes
            .windows(2)
            .all(|pair| pair[0].len() >= pair[1].len() || !pair[0].starts_with(&pair[1]));
        assert!(lengths, "{file}: key prefixes, longest first");
    }
}

/// The provider as a policy lists it that sets what has to be set.
fn listed(provider: &Provider) -> Provider {
    let open = provider.settings.iter().filter(|(_, value)| value.is_none());
    let settings = open.map(|(name, _)| (name.clone(), "x".to_owned())).collect();
    let overlay = ProviderOverlay { id: provider.id.clone(), settings, ..ProviderOverlay::default() };
    let catalog = Catalog::builtin().with_overlays(&[overlay]).expect("every setting is set");
    Provider::clone(&catalog.providers()[0])
}

#[test]
fn addresses_are_completed_by_settings() {
    for (file, provider) in files() {
        let address = listed(&provider);
        let texts = |provider: &Provider| {
            let paths = provider
                .paths
                .iter()
                .chain(&provider.stream_paths)
                .map(|(_, path)| path.replace("{model}", ""));
            let urls = provider.format_base_urls.iter().map(|(_, url)| url.clone());
            let query = provider.query.iter().map(|(_, value)| value.clone());
            let all = std::iter::once(provider.base_url.clone()).chain(urls).chain(paths).chain(query);
            all.collect::<Vec<_>>().join(" ")
        };
        assert!(!texts(&address).contains(['{', '}']), "{file}: {}", texts(&address));
        for (name, value) in &provider.settings {
            let used = format!("{} {:?}", texts(&provider), provider.settings);
            assert!(used.contains(&format!("{{{name}}}")), "{file}: nothing uses `{name}`");
            assert_eq!(value.is_none(), provider.lacks_setting() && value.is_none(), "{file}");
        }
        for (surface, path) in provider.paths.iter().chain(&provider.stream_paths) {
            assert!(path.starts_with('/') && provider.serves(*surface), "{file}: {path}");
        }
    }
}

#[test]
fn prices_have_a_source_and_a_day() {
    for (file, provider) in files() {
        let priced = provider.models.iter().any(|model| model.pricing != Pricing::default());
        assert_eq!(priced, provider.prices.is_some(), "{file}: `prices` says where they are from");
        let Some(prices) = provider.prices else { continue };
        assert!(!prices.source.is_empty(), "{file}");
        assert!(is_date(&prices.as_of), "{file}: {}", prices.as_of);
    }
}

#[test]
fn what_is_done_to_requests() {
    for (file, provider) in files() {
        let target = provider.translate_to.unwrap_or_else(|| panic!("{file} has no `translate_to`"));
        assert!(target.is_conversation() && provider.serves(target), "{file}: {}", target.name());
        let mut seen = HashSet::new();
        for name in provider.params.drop.iter().chain(&provider.variants) {
            assert!(!name.is_empty() && seen.insert(name), "{file}: `{name}` is there twice");
        }
        let mut seen = HashSet::new();
        assert!(provider.extensions.iter().all(|name| !name.is_empty() && seen.insert(name)), "{file}");
        for (surface, paths) in &provider.surface_gaps {
            let other = provider.wire_around(*surface, &Model::default());
            assert!(provider.serves(*surface) && other.is_some(), "{file}: {}", surface.name());
            let mut seen = HashSet::new();
            assert!(paths.iter().all(|path| seen.insert(path.as_str())), "{file}: a gap is there twice");
        }
    }
}

/// What is said to be so in the heads of the files.
#[test]
fn what_is_left_out_and_what_is_sent() {
    let all = files();
    let of = |id: &str| all.iter().find(|(file, _)| *file == id).map(|(_, provider)| provider).unwrap();
    for (id, dropped, sent) in [
        (
            "groq",
            &["logprobs", "logit_bias", "verbosity", "metadata"][..],
            &["include_reasoning", "seed", "user"][..],
        ),
        ("cerebras", &["store", "metadata", "verbosity"], &["prompt_cache_key", "logit_bias", "seed"]),
        ("mistral", &["store", "user", "logprobs"], &["metadata", "prediction", "prompt_cache_key", "seed"]),
        ("cohere", &["logit_bias", "store"], &["stream_options", "seed", "logprobs"]),
        ("fireworks", &["stream_options", "verbosity"], &["store", "metadata", "user"]),
        ("anthropic", &["provider", "plugins"], &["metadata"]),
    ] {
        let drops = |name: &&str| of(id).params.drop.iter().any(|drop| drop == *name);
        assert!(dropped.iter().all(drops), "{id}");
        assert!(!sent.iter().any(drops), "{id}");
    }
    for id in ["mistral", "together", "perplexity"] {
        let limit = of(id).params.rename.get("max_completion_tokens");
        assert_eq!(limit.map(String::as_str), Some("max_tokens"), "{id}");
    }
    for (id, model, param, refused) in [
        ("xai", "grok-4.20-reasoning", "reasoning_effort", true),
        ("xai", "grok-4.3", "reasoning_effort", false),
        ("xai", "grok-4.20-non-reasoning", "presence_penalty", true),
        ("moonshotai", "kimi-k2.6", "temperature", true),
    ] {
        let model = of(id).models.iter().find(|known| known.id == model).unwrap();
        assert_eq!(model.unsupported_params.iter().any(|name| name == param), refused, "{id} {}", model.id);
    }
}

#[test]
fn models_think_in_ways_their_provider_has_words_for() {
    for (file, provider) in files() {
        for model in &provider.models {
            let thinks = model.supported_features.iter().any(|feature| feature == "reasoning");
            let claude = model.id.contains("claude") && thinks && !provider.prefix_required;
            let budget = ["-3-7-", "-4-0", "-4-1", "-4-5", "opus-4-2025", "sonnet-4-2025"];
            if claude {
                let old = budget.iter().any(|version| model.id.contains(version));
                let expected = if old { Thinking::Budget } else { Thinking::Adaptive };
                assert_eq!(model.thinking, expected, "{file}: {}", model.id);
            }
            if model.id.starts_with("gemini-") && thinks {
                let expected = if model.id.contains("-2.5-") { Thinking::Budget } else { Thinking::Level };
                assert_eq!(model.thinking, expected, "{file}: {}", model.id);
            }
            if file == "openrouter" && thinks {
                assert_eq!(model.thinking, Thinking::Object, "{}", model.id);
            }
            if !thinks && !model.supported_features.is_empty() {
                assert_eq!(model.thinking, Thinking::None, "{file}: {}", model.id);
            }
        }
    }
}

#[test]
fn names_are_unique_inside_a_provider() {
    for (file, provider) in files() {
        let mut seen = HashSet::new();
        for model in &provider.models {
            let aliases = model.aliases.iter().map(|alias| &alias.name);
            for name in std::iter::once(&model.id).chain(aliases) {
                assert!(seen.insert(fold(name).into_owned()), "{file}: `{name}` names two models");
                assert!(name.len() <= 255 && name.trim() == name && !name.is_empty(), "{file}: `{name}`");
            }
            let upstream = model.upstream();
            assert!(upstream == model.id || seen.insert(fold(upstream).into_owned()), "{file}: `{upstream}`");
        }
    }
}

#[test]
fn provider_names_are_unique() {
    let mut seen = HashSet::new();
    for (file, provider) in files() {
        let own: HashSet<String> = std::iter::once(&provider.id)
            .chain(&provider.aliases)
            .map(|name| fold(name).into_owned())
            .collect();
        for name in own {
            assert!(!name.contains(':'), "{file}: `{name}`");
            assert!(seen.insert(name.clone()), "{file}: `{name}` names two providers");
        }
    }
}

#[test]
fn vocabularies_are_known() {
    let known =
        |list: &[String], vocabulary: &[&str]| list.iter().all(|word| vocabulary.contains(&word.as_str()));
    for model in models() {
        assert!(known(&model.input_modalities, &INPUTS), "{}", model.id);
        assert!(known(&model.output_modalities, &OUTPUTS), "{}", model.id);
        assert!(known(&model.supported_features, &FEATURES), "{}", model.id);
        assert!(!model.input_modalities.is_empty() && !model.output_modalities.is_empty(), "{}", model.id);
        let sees = model.supported_features.iter().any(|feature| feature == "vision");
        let pictures = model.input_modalities.iter().any(|modality| modality == "image");
        assert_eq!(sees, pictures, "{}: the feature `vision` and the modality `image`", model.id);
        let embeds = model.output_modalities.iter().any(|modality| modality == "embedding");
        assert_eq!(embeds, model.surfaces == [Surface::Embeddings], "{}", model.id);
        for place in &model.datacenters {
            assert!(
                place.country_code.len() == 2 && place.country_code.bytes().all(|b| b.is_ascii_uppercase())
            );
        }
    }
}

#[test]
fn numbers_are_plausible() {
    for model in models() {
        let p = &model.pricing;
        assert_eq!(p.fault(), None, "{}", model.id);
        for p in std::iter::once(p).chain(p.overrides.iter().map(|tier| &tier.price)) {
            let at_most =
                |small: Option<Price>, large: Option<Price>| small.zip(large).is_none_or(|(s, l)| s <= l);
            assert!(at_most(p.input, p.output), "{}: input costs more than output", model.id);
            assert!(at_most(p.input_cache_read, p.input), "{}: a cache hit costs more than a miss", model.id);
            assert!(
                at_most(p.input, p.input_cache_write),
                "{}: a cache write costs less than input",
                model.id
            );
            assert!(at_most(p.input_cache_write, p.input_cache_write_1h), "{}", model.id);
            assert!(at_most(p.input_batch, p.input) && at_most(p.output_batch, p.output), "{}", model.id);
            assert!(p.output.is_none() || p.input.is_some(), "{}", model.id);
            let dear = Price::per_million(1000.0);
            assert!(at_most(p.output, dear), "{}: a price per token?", model.id);
        }
        assert!(
            model.max_output_tokens <= model.max_context_window || model.max_context_window == 0,
            "{}",
            model.id
        );
    }
}

#[test]
fn dates_are_dates() {
    for model in models() {
        let Some(date) = &model.deprecated_at else { continue };
        assert!(is_date(date), "{}: {date}", model.id);
    }
    for bad in ["", "2026", "2026-1-01", "2026-13-01", "2026-01-32", "26-01-01", "2026-01-01T00:00:00Z"] {
        assert!(!is_date(bad), "{bad}");
    }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let in_range = |text: &str, length: usize, range: std::ops::RangeInclusive<u16>| {
        text.len() == length && text.parse().is_ok_and(|number| range.contains(&number))
    };
    in_range(year, 4, 2024..=2030) && in_range(month, 2, 1..=12) && in_range(day, 2, 1..=31)
}

#[test]
fn authors_are_listed_once() {
    let authors = authors(embedded::AUTHORS).expect("authors decode");
    let mut seen = HashSet::new();
    for author in &authors {
        for name in std::iter::once(&author.id).chain(&author.aliases) {
            assert!(seen.insert(fold(name).into_owned()), "`{name}` names two authors");
        }
    }
    for model in models() {
        assert!(
            authors.iter().any(|author| author.id == model.author_id),
            "{}: {}",
            model.id,
            model.author_id
        );
    }
}

#[test]
fn decoding_is_strict() {
    let good = "id: x\ndisplay_name: X\ndescription: d\nwebsite: https://x.test\nbase_url: https://x.test\n\
                auth: bearer\nsurfaces: {openai: [chat-completions]}\n";
    assert!(provider("x", good).is_ok());
    for (bad, word) in [
        (format!("{good}bse_url: a\n"), "bse_url"),
        (format!("{good}models: [{{id: a, name: A, contxt: 1}}]\n"), "contxt"),
        (format!("{good}models: [{{id: a, name: A, price: {{inptu: 1}}}}]\n"), "inptu"),
        (format!("{good}models: [{{id: a, name: A, surfaces: [chat]}}]\n"), "chat"),
        (format!("{good}prices: {{source: s}}\n"), "as_of"),
        (format!("{good}params: {{dorp: [a]}}\n"), "dorp"),
        (format!("{good}params: {{reasoning: maybe}}\n"), "maybe"),
        (format!("{good}paths: {{chat: /x}}\n"), "chat"),
        (format!("{good}models: [{{id: a, name: A, thinking: hard}}]\n"), "hard"),
        (format!("{good}models: [{{id: a, name: A, price: {{overrides: [{{at: 1}}]}}}}]\n"), "at"),
        (good.replace("auth: bearer", "auth: baerer"), "baerer"),
        (good.replace("display_name: X\n", ""), "display_name"),
    ] {
        let error = provider("x", &bad).expect_err(word);
        assert_eq!(error.file, "x");
        assert!(error.reason.contains(word), "{word}: {}", error.reason);
    }
}

#[test]
fn the_whole_catalogue_loads() {
    assert!(Catalog::load().is_ok());
}
