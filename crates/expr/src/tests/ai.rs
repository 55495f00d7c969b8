//! Strategies: the methods of `ai`, and what is missing or `null` in predicates.

use super::world::strategy;
use crate::EvalErrorKind;
use crate::Scope::{KeyStrategy, ModelStrategy};
use serde_json::{Value as Json, json};

fn models(source: &str) -> Json {
    strategy(source, ModelStrategy).unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[test]
fn every_method() {
    for (source, expected) in [
        ("ai.models", json!(["gpt-4o", "gpt-4o-mini", "claude", "gpt-4o"])),
        ("ai.models.filter(m, m.provider_id == 'openai')", json!(["gpt-4o", "gpt-4o-mini"])),
        ("ai.models.only(['GPT-4o', 'none'])", json!(["gpt-4o", "gpt-4o"])),
        ("ai.models.only(['azure:gpt-4o', 'claude-latest'])", json!(["claude", "gpt-4o"])),
        ("ai.models.ignore(['gpt-4o'])", json!(["gpt-4o-mini", "claude"])),
        ("ai.providers.only(['OAI'])", json!(["openai"])),
        ("ai.authors.ignore(['openai'])", json!(["anthropic"])),
        ("ai.models.onlyProviders(['Anthropic', 'azure-ai'])", json!(["claude", "gpt-4o"])),
        ("ai.models.ignoreProviders(['openai'])", json!(["claude", "gpt-4o"])),
        ("ai.models.onlyAuthors(['openai'])", json!(["gpt-4o", "gpt-4o-mini", "gpt-4o"])),
        ("ai.models.ignoreAuthors(['OpenAI'])", json!(["claude"])),
        ("ai.models.inRegion('us-east')", json!(["gpt-4o", "claude"])),
        ("ai.models.inCountryCode('de')", json!(["claude"])),
        ("ai.models.underCost('text.input', 3)", json!(["gpt-4o", "gpt-4o-mini"])),
        ("ai.models.underCost('text.input', 0.2)", json!(["gpt-4o-mini"])),
        ("ai.models.sortBy('price')", json!(["gpt-4o-mini", "gpt-4o", "claude", "gpt-4o"])),
        ("ai.models.sortBy(m, m.pricing.input)", json!(["gpt-4o-mini", "gpt-4o", "claude", "gpt-4o"])),
        ("ai.models.sortBy(m, m.metadata.weight)", json!(["gpt-4o-mini", "gpt-4o", "claude", "gpt-4o"])),
        (
            "ai.models.sortBy(m, m.metrics.global.latency.upstream_ms_avg)",
            json!(["gpt-4o", "gpt-4o-mini", "claude", "gpt-4o"]),
        ),
        (
            "ai.models.sortBy(m, m.metrics.global.latency.time_to_first_token_ms_avg)",
            json!(["gpt-4o", "gpt-4o-mini", "claude", "gpt-4o"]),
        ),
        ("ai.models.random() in ai.models", json!(true)),
        ("ai.models.only(['none']).random()", json!(null)),
        ("ai.models.randomize().size()", json!(4)),
        ("ai.models.only(['none']).randomize()", json!([])),
        ("ai.models[2]", json!("claude")),
        ("ai.models.get('openai-ai', 'gpt-4o-latest')", json!("gpt-4o")),
        ("ai.models.get('openai', 'none')", json!(null)),
        ("ai.providers.get('oai')", json!("openai")),
        ("ai.providers.get('none')", json!(null)),
        ("ai.authors.get('anthropic')", json!("anthropic")),
        ("ai.providers.get('openai').getModel('x')", json!(null)),
        ("ai.providers.get('none').getModel('x')", json!(null)),
        ("ai.models[0].getMetadata('a.b')", json!(1)),
        ("ai.models[0].getMetadata('a.c')", json!(null)),
        ("ai.providers.get('openai').getMetadata('x.y')", json!(2)),
        ("ai.models.filter(m, m.getMetadata('tier') == 'gold')", json!(["gpt-4o"])),
        ("ai.models.filter(m, 'tool-calling' in m.supported_features).size()", json!(4)),
        (
            "ai.models.filter(m, m.id.startsWith('gpt') && m.id.endsWith('o') && m.id.contains('4'))",
            json!(["gpt-4o", "gpt-4o"]),
        ),
        ("ai.models.map(m, m.provider_id).distinct()", json!(["openai", "anthropic", "azure"])),
        ("ai.models.filter(m, m.known).sortBy('price').onlyProviders(['openai'])[0]", json!("gpt-4o-mini")),
        ("ai.models.exists(m, m.id == ai.request.model) && ai.request.stream", json!(true)),
        ("(ai.models.only(['claude']) + ai.models.only(['gpt-4o-mini']))", json!(["claude", "gpt-4o-mini"])),
        ("ai.models.filter(m, has(m.metadata.tier))", json!(["gpt-4o", "gpt-4o-mini"])),
    ] {
        assert_eq!(models(source), expected, "{source}");
    }
}

#[test]
fn missing_metadata_and_null_make_a_predicate_false() {
    for (source, expected) in [
        ("ai.models.filter(m, m.metadata.tier == 'budget')", json!(["gpt-4o-mini"])),
        ("ai.models.filter(m, m.metadata.a.b == 1)", json!(["gpt-4o"])),
        ("ai.models.filter(m, !(m.metadata.weight > 1))", json!(["gpt-4o-mini"])),
        (
            "ai.models.filter(m, m.metadata.tier == 'budget' || m.provider_id == 'anthropic')",
            json!(["gpt-4o-mini", "claude"]),
        ),
        ("ai.models.filter(m, m.metadata[vars.name] == 1)", json!([])),
        ("ai.models.exists(m, m.metadata.weight > 1)", json!(true)),
        ("ai.models.exists(m, m.metadata.none > 1)", json!(false)),
        ("ai.models.all(m, m.metadata.weight > 0)", json!(false)),
        ("ai.models.filter(m, m.metrics.global.latency.time_to_first_token_ms_avg < 500)", json!([])),
        ("ai.models.filter(m, m.metrics.global.latency.upstream_ms_avg < 500).size()", json!(4)),
        ("ai.models.filter(m, m.metrics.api_keys['k1'].error_rate.total < 0.6).size()", json!(4)),
        (
            "ai.models.filter(m, 'k2' in m.metrics.api_keys && m.metrics.api_keys['k2'].error_rate.total < 0.6)",
            json!([]),
        ),
        ("ai.models.filter(m, m.metadata.tier.lower() == 'gold')", json!(["gpt-4o"])),
        ("ai.models.filter(m, m.pricing.input < 1 + 1)", json!([])),
    ] {
        let wide = source.replace("< 1 + 1", "< 1.0 + 1.0");
        let expected = if wide == source { expected } else { json!(["gpt-4o-mini"]) };
        assert_eq!(models(&wide), expected, "{source}");
    }
    for (source, expected) in [
        ("ai.keys.filter(k, k.quota.remaining_requests > 100)", json!(["k2"])),
        ("ai.keys.filter(k, k.quota.remaining_requests + 0 > 100)", json!(null)),
        ("ai.keys.filter(k, k.error_rate.total < 0.1)", json!(["k2"])),
        ("ai.keys.sortBy(k, k.quota.remaining_requests)", json!(["k2", "k1", "k3"])),
        ("ai.keys.filter(k, k.value == 'sk-2')[0]", json!("k2")),
        ("ai.keys.randomize().size()", json!(3)),
        ("ai.keys.filter(k, k.id in ['k1', 'k3'])", json!(["k1", "k3"])),
    ] {
        match strategy(source, KeyStrategy) {
            Ok(found) => assert_eq!(found, expected, "{source}"),
            Err(error) => assert!(expected.is_null(), "{source}: {error}"),
        }
    }
}

#[test]
fn other_errors_stay_errors() {
    for (source, kind) in [
        ("ai.models.filter(m, m.metrics.api_keys['zz'].error_rate.total < 1.0)", EvalErrorKind::MissingKey),
        (
            "ai.models.filter(m, m.metrics.api_keys[vars.name].error_rate.total < 1.0 + 0.0)",
            EvalErrorKind::MissingKey,
        ),
        ("ai.models.filter(m, m.id > 1)", EvalErrorKind::Type),
        ("ai.models.filter(m, m.metadata.none > 1 || m.id)", EvalErrorKind::Type),
        ("ai.models.filter(m, m.metadata.none > 1 + 0 || m.id + 1 == 2)", EvalErrorKind::Type),
        ("ai.models[9]", EvalErrorKind::MissingKey),
        ("ai.models[0].metadata.none", EvalErrorKind::MissingKey),
        ("ai.providers.onlyProviders(['x'])", EvalErrorKind::Type),
        ("ai.models.only(1)", EvalErrorKind::Type),
        ("[1].only(['x'])", EvalErrorKind::Type),
        ("ai.models.underCost('text.' + 'nothing', 1)", EvalErrorKind::Other),
        ("ai.models.sortBy(m, [m.id])", EvalErrorKind::Type),
        ("ai.models.filter(m, vars.zzz == 1)", EvalErrorKind::MissingKey),
    ] {
        let error = strategy(source, ModelStrategy).expect_err(source);
        assert_eq!(error.kind(), kind, "{source}: {error}");
    }
}
