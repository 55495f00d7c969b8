//! Tests of keys.

use super::*;
use crate::metrics::{Quota, Sample, SampleOutcome};
use crate::plan::Fallthrough;
use crate::testing::{Case, NOW_MS, activation, custom, program};
use tollgate_catalog::{Catalog, ProviderOverlay};
use tollgate_expr::{Program, Scope};

fn keys(metrics: &Metrics, values: &[&str]) -> Vec<Arc<Key>> {
    let key = |value: &&str| {
        Arc::new(Key::new(metrics, "openai", b"salt", SecretString::from((*value).to_owned())))
    };
    values.iter().map(key).collect()
}

const VALUES: [&str; 3] =
    ["sk-proj-aaaaaaaaaaaaaaaa0001", "sk-proj-bbbbbbbbbbbbbbbb0002", "sk-proj-cccccccccccccccc0003"];

fn order(keys: &[Arc<Key>], strategies: &[&str], fallthrough: Fallthrough) -> Result<KeyOrder, KeyError> {
    let strategies: Vec<Program> =
        strategies.iter().map(|source| program(source, Scope::KeyStrategy)).collect();
    Case::new(&[]).with_ask(|ask| order_keys(keys, &strategies, &activation(), ask, fallthrough))
}

#[test]
fn shown_keys_hide_at_least_eight_characters() {
    let table = [
        ("sk-proj-1234567890abcdef7890", "sk-proj...7890"),
        ("sk-proj12345678wxyz", "sk-proj...wxyz"),
        ("sk-proj1234567wxyz", "...wxyz"),
        ("12345678wxyz", "...wxyz"),
        ("1234567wxyz", "..."),
        ("", "..."),
        ("schlüsselschlüsselschlüssel", "schlüss...ssel"),
    ];
    for (key, shown) in table {
        assert_eq!(trim_key(key), shown, "{key}");
    }
    for length in 0..60 {
        let key: String = "ü".repeat(length);
        let visible = trim_key(&key).chars().filter(|c| *c == 'ü').count();
        assert!(visible == 0 || length - visible >= 8, "{length}");
    }
}

#[test]
fn ids_are_stable_and_salted() {
    let one = key_id(b"salt", "value");
    assert_eq!(one, key_id(b"salt", "value"));
    assert_eq!(one.len(), 16);
    assert_ne!(one, key_id(b"other", "value"));
    assert_ne!(key_id(b"sal", "tvalue"), one);
    let key = &keys(&Metrics::new(), &VALUES)[0];
    assert!(!format!("{key:?}").contains("aaaa"));
}

#[test]
fn without_strategies_the_list_is_the_order() {
    let keys = keys(&Metrics::new(), &VALUES);
    assert_eq!(order(&keys, &[], Fallthrough::Tiers).expect("an order").order, [0, 1, 2]);
    assert_eq!(order(&[], &["ai.keys[0]"], Fallthrough::Tiers).expect("no key needed").order, [0_usize; 0]);
}

#[test]
fn strategies_order_keys_in_tiers() {
    let metrics = Metrics::new();
    let keys = keys(&metrics, &VALUES);
    let quota = |left| Quota { remaining_requests: Some(left), ..Quota::default() };
    keys[1].stats.set_quota(&quota(500), NOW_MS);
    keys[2].stats.set_quota(&quota(5), NOW_MS);
    let plenty = "ai.keys.filter(k, k.quota.remaining_requests > 100)";
    let all = "ai.keys";
    assert_eq!(order(&keys, &[plenty, all], Fallthrough::Tiers).expect("an order").order, [1, 0, 2]);
    let first = order(&keys, &[plenty, all], Fallthrough::FirstMatch).expect("an order");
    assert_eq!((first.order, first.reports.len()), (vec![1], 1));
    assert_eq!(first.reports[0].keys_to_try, ["sk-proj...0002"]);
    assert_eq!(order(&keys, &["ai.keys[2]", all], Fallthrough::Tiers).expect("an order").order, [2, 0, 1]);
    let report = order(&keys, &["ai.keys[9]", all], Fallthrough::Tiers).expect("the second works");
    assert!(report.reports[0].error.is_some());
    assert_eq!(report.order, [0, 1, 2]);
}

#[test]
fn rates_of_a_key_can_be_read() {
    let metrics = Metrics::new();
    let keys = keys(&metrics, &VALUES);
    let bad = Sample { at_ms: NOW_MS, outcome: SampleOutcome::RateLimit, ..Sample::default() };
    keys[0].stats.record(&bad);
    let healthy = "ai.keys.filter(k, k.error_rate.rate_limit < 0.5)";
    assert_eq!(order(&keys, &[healthy], Fallthrough::Tiers).expect("an order").order, [1, 2]);
}

#[test]
fn no_key_is_an_error_and_names_none() {
    let keys = keys(&Metrics::new(), &VALUES);
    let none = order(&keys, &["ai.keys.filter(k, false)"], Fallthrough::Tiers).expect_err("none");
    assert_eq!(none.code(), 3808);
    let wrong = order(&keys, &["'sk-' + ai.keys[0].id"], Fallthrough::Tiers).expect_err("a string");
    assert!(wrong.message.contains("must return an AIKey or []AIKey, got string"), "{}", wrong.message);
    assert!(!format!("{wrong:?}").contains("aaaa"));
}

#[test]
fn a_clients_key_stays_with_its_owner() {
    let eu = ProviderOverlay { aliases: vec!["openai".into()], ..custom("openai-eu", &[]) };
    let host = ProviderOverlay {
        base_url: Some("https://API.anthropic.com/v1".into()),
        ..custom("claude-direct", &["m"])
    };
    let catalog = Catalog::builtin().with_overlays(&[eu, host, custom("mine", &["m"])]).expect("valid");
    let fits = |provider: &str, key: &str| {
        let provider = catalog.provider(provider).find(|p| p.id == provider).expect("a provider");
        client_key_fits(&catalog, provider, key)
    };
    let table = [
        ("openrouter", "sk-or-v1-abc", true),
        ("anthropic", "sk-or-v1-abc", false),
        ("anthropic", "sk-ant-abc", true),
        ("openai", "sk-ant-abc", false),
        ("openai", "sk-proj-abc", true),
        ("openai", "sk-unknown", true),
        ("google", "gsk_abc", false),
        ("groq", "gsk_abc", true),
        ("mine", "sk-ant-abc", false),
        ("mine", "whatever-key", true),
        ("openai-eu", "sk-proj-abc", true),
        ("openai-eu", "sk-ant-abc", false),
        ("claude-direct", "sk-ant-abc", true),
        ("openai", "unused", false),
        ("openai", "UNUSED", false),
        ("mine", "unused", true),
        ("mine", "", false),
        ("mine", "ng-abc-g1-def", false),
        ("openai", "ng-abc-g1-def", false),
    ];
    for (provider, key, fit) in table {
        assert_eq!(fits(provider, key), fit, "{provider} {key}");
    }
}
