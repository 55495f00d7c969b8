use super::*;
use crate::testing::{engine, loads, shared};
use tollgate_catalog::{Params, Provider};

/// The first provider of a policy, whose entry has these lines.
fn provider(entry: &str) -> Provider {
    let engine = engine(&policy(entry), &shared(&[]));
    let gateway = engine.gateways().next().expect("a gateway");
    Provider::clone(&gateway.catalog().providers()[0])
}

fn policy(entry: &str) -> String {
    let entry: String = entry.lines().map(|line| format!("          {line}\n")).collect();
    let entry = entry.replacen("          ", "        - ", 1);
    format!("on_http_request:\n  - type: ai-gateway\n    config:\n      providers:\n{entry}")
}

#[test]
fn every_field_that_says_how_requests_are_made_is_read() {
    let read = provider(
        "id: azure\nsettings: {resource: me, api_version: 2024-10-21}\ntranslate_to: responses\n\
         extensions: [a, {name: b}]\ndrop_params: [c]\nreasoning: keep\ncache_control: keep\nstream_usage: never\n",
    );
    assert_eq!(read.base_url, "https://me.openai.azure.com/openai");
    assert_eq!(read.query, [("api-version".to_owned(), "2024-10-21".to_owned())]);
    assert_eq!(
        (read.translate_to, read.extensions),
        (Some(Surface::Responses), vec!["a".into(), "b".into()])
    );
    let params = Params {
        drop: vec!["c".to_owned()],
        reasoning: ReasoningParam::Keep,
        cache_control: CacheControl::Keep,
        stream_usage: StreamUsage::Never,
        ..Params::default()
    };
    assert_eq!(read.params, params);
    let usual = provider("id: azure\nsettings: {resource: me}\n");
    let foreign =
        ["provider", "route", "plugins", "transforms", "include_reasoning", "usage", "session_id", "trace"];
    let params = Params { drop: foreign.map(str::to_owned).to_vec(), ..Params::default() };
    assert_eq!((usual.params, usual.translate_to), (params, Some(Surface::ChatCompletions)));
}

#[test]
fn a_provider_of_ones_own_may_speak_any_format() {
    for (format, surface) in [
        ("openai", Surface::Responses),
        ("anthropic", Surface::Messages),
        ("gemini", Surface::GenerateContent),
        ("bedrock", Surface::Converse),
    ] {
        let entry = format!(
            "id: mine\nbase_url: https://a.test\nsupported_api_surfaces: [{{format: {format}, surface: {}}}]\n",
            surface.name()
        );
        let read = provider(&entry);
        assert_eq!(read.surfaces.len(), 1, "{format}");
        assert!(read.serves(surface), "{format}");
    }
    let names: Vec<&str> = Surface::CONVERSATIONS.iter().map(|surface| surface.name()).collect();
    for name in names {
        let entry = "id: mine\nbase_url: https://a.test\nsupported_api_surfaces: [{format: bedrock, surface: NAME}]\n";
        let said = loads(&policy(&entry.replace("NAME", name)));
        assert_eq!(said.is_ok(), name == "converse", "{name}: {said:?}");
    }
}

#[test]
fn ways_to_send_a_key() {
    for (word, expected) in [
        ("aws-sigv4\nsettings: {region: eu-west-1}", AuthStyle::AwsSigV4),
        ("google-service-account", AuthStyle::GoogleServiceAccount),
        ("bearer", AuthStyle::Bearer),
    ] {
        assert_eq!(provider(&format!("id: mine\nbase_url: https://a.test\nauth: {word}\n")).auth, expected);
    }
    for wrong in ["aws-sigv5", "aws-sigv4"] {
        let said = loads(&policy(&format!("id: mine\nbase_url: https://a.test\nauth: {wrong}\n")));
        let word = if wrong == "aws-sigv4" { "needs the setting `region`" } else { "no way to send a key" };
        assert!(said.as_ref().is_err_and(|said| said.contains(word)), "{wrong}: {said:?}");
    }
}

#[test]
fn every_kind_of_price_is_read() {
    let kinds = [
        "input",
        "output",
        "input_cache_write",
        "input_cache_write_1h",
        "input_cache_read",
        "reasoning",
        "input_batch",
        "output_batch",
        "input_audio",
        "output_audio",
        "input_image",
        "output_image",
        "image",
        "request",
        "web_search",
        "code_interpreter",
        "file_search_storage_gb",
        "image_generation",
    ];
    let prices: String = (1..).zip(kinds).map(|(number, kind)| format!("{kind}: {number}.5, ")).collect();
    let read = provider(&format!(
        "id: mine\nbase_url: https://a.test\nmodels:\n- id: m\n  thinking: budget\n  pricing: {{{prices}overrides: [\
         {{min_prompt_tokens: 10, price: {{input: 9}}}}, {{utc_start: 1630, utc_end: 30, price: {{request: 2}}}}]}}\n"
    ));
    let model = &read.models[0];
    assert_eq!(model.thinking, Thinking::Budget);
    for (number, (kind, price)) in (1..).zip(tollgate_catalog::PRICE_KINDS) {
        assert_eq!(price(&model.pricing), Some(f64::from(number) + 0.5), "{kind}");
    }
    let [size, time] = model.pricing.overrides.as_slice() else { panic!("two overrides") };
    assert_eq!((size.min_prompt_tokens, size.price.input), (Some(10), Price::per_million(9.0)));
    assert_eq!(
        (time.utc_start, time.utc_end, time.price.request),
        (Some(1630), Some(30), Price::per_unit(2.0))
    );
}

#[test]
fn thinking_has_all_its_words() {
    for word in ["usual", "effort", "object", "budget", "adaptive", "level", "none"] {
        let data: Thinking = serde_json::from_value(word.into()).expect(word);
        assert_eq!(thinking(word), Some(data), "{word}");
        let entry = format!("id: mine\nbase_url: https://a.test\nmodels: [{{id: m, thinking: {word}}}]\n");
        assert_eq!(provider(&entry).models[0].thinking, data, "{word}");
    }
}

#[test]
fn mistakes_are_found_where_they_are() {
    for (entry, words) in [
        ("id: azure\n", "needs the setting `resource`"),
        ("id: bedrock\nsettings: {zone: x}\n", "`zone` is not a setting of `bedrock`"),
        ("id: openai\ntranslate_to: messages\n", "does not serve `messages`"),
        ("id: openai\ntranslate_to: embeddings\n", "translate_to"),
        ("id: openai\nreasoning: drop\n", "reasoning"),
        ("id: openai\ncache_control: remove\n", "cache_control"),
        ("id: openai\nstream_usage: always\n", "stream_usage"),
        ("id: openai\ndrop_params: [a, a]\n", "listed twice"),
        ("id: openai\nmodels: [{id: m, pricing: {input: -1}}]\n", "input"),
        ("id: openai\nmodels: [{id: m, pricing: {overrides: [{price: {input: 1}}]}}]\n", "no condition"),
        (
            "id: openai\nmodels: [{id: m, pricing: {overrides: [{utc_start: 1299, utc_end: 1, price: {input: 1}}]}}]\n",
            "HHMM",
        ),
        ("id: openai\nmodels: [{id: m, thinking: hard}]\n", "thinking"),
    ] {
        let said = loads(&policy(entry)).expect_err(entry);
        assert!(said.contains(words), "{entry}: {said}");
    }
}
