//! Tests of what strategies can read.

use super::*;
use crate::keys::Key;
use crate::metrics::{Metrics, Quota};
use crate::testing::{Case, NOW_MS, custom, strings, universe};
use crate::universe::{Options, Universe};
use secrecy::SecretString;
use std::sync::Arc;
use tollgate_catalog::{Datacenter, ModelOverlay, ProviderOverlay};
use tollgate_dialect::Surface;
use tollgate_expr::{Entity, EntityKind, Object, Value};

fn model(universe: &Universe, name: &str) -> Arc<dyn Entity> {
    let found = universe.list(Surface::ChatCompletions).iter().find(|entity| entity.named(name));
    Arc::clone(found.expect("a model of this name"))
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text.to_string(),
        other => panic!("no text: {other:?}"),
    }
}

#[test]
fn every_field_can_be_read_by_name_and_by_path() {
    let universe = universe(&[], Options::default());
    for name in ["openai:gpt-4o", "anthropic:claude-opus-4-1", "groq:qwen/qwen3-32b"] {
        let model = model(&universe, name);
        let fields = model.fields();
        assert_eq!(fields.len(), 25);
        for field in &fields {
            let one = model.field(field).unwrap_or_else(|| panic!("{field}"));
            let other = model.path(&[field]).unwrap_or_else(|| panic!("{field}"));
            assert_eq!(std::mem::discriminant(&one), std::mem::discriminant(&other), "{field}");
        }
        assert!(model.field("nonsense").is_none());
    }
}

#[test]
fn names_of_a_model() {
    let house = ModelOverlay { id: "m".into(), aliases: strings(&["Nick"]), ..ModelOverlay::default() };
    let overlay =
        ProviderOverlay { models: vec![house], aliases: strings(&["short"]), ..custom("long-name", &[]) };
    let universe = universe(&[overlay], Options::default());
    let model = model(&universe, "long-name:m");
    for name in ["m", "M", "nick", "SHORT:m", "long-name:NICK"] {
        assert!(model.named(name), "{name}");
    }
    assert!(!model.named("other:m") && !model.named("x"));
    assert!(model.provider_named("Short") && !model.provider_named("m"));
    assert!(!model.author_named(""));
    assert_eq!((model.id(), model.kind()), ("m", EntityKind::Model));
    assert_eq!(format!("{model:?}"), "AIModel(long-name:m)");
}

#[test]
fn unknown_prices_are_null_and_unknown_kinds_are_errors() {
    let universe = universe(&[custom("mine", &["m"])], Options::default());
    let model = model(&universe, "mine:m");
    for path in [
        &["pricing", "input"][..],
        &["pricing", "text", "output_batch"],
        &["pricing", "tools", "web_search", "per_search_call"],
    ] {
        assert!(matches!(model.path(path), Some(Value::Null)), "{path:?}");
    }
    assert_eq!(model.price("text.input"), Ok(None));
    assert!(model.price("price").is_err());
    assert!(model.path(&["metadata", "tier"]).is_none());
    assert_eq!(text(model.path(&["metrics", "global", "provider"])), "mine");
}

#[test]
fn places_of_a_model() {
    let universe = universe(&[], Options::default());
    let entry = universe.entry(0).expect("there are models");
    let mut record = (*entry.model).clone();
    record.datacenters = vec![Datacenter { country_code: "DE".into(), region: "eu-1".into() }];
    let shared = Shared::new(&entry.provider, &record, None);
    let model = ModelEntity {
        index: 0,
        rank: 0,
        provider: Arc::clone(&entry.provider),
        model: Arc::new(record),
        stats: Arc::clone(&entry.stats),
        denied: None,
        qualified: false,
        id: "m".into(),
        shared: Arc::new(shared),
    };
    assert_eq!(model.datacenters(), [("DE".to_owned(), "eu-1".to_owned())]);
    let Some(Value::List(places)) = model.field("datacenters") else { panic!("no list") };
    assert_eq!(text(places[0].path(&["country_code"])), "DE");
}

#[test]
fn a_pass_through_model_knows_its_provider() {
    let metadata = serde_json::json!({"tier": "gold"}).as_object().cloned().expect("an object");
    let universe = universe(&[ProviderOverlay { metadata, ..custom("mine", &[]) }], Options::default());
    let provider = universe.catalog().provider("mine").next().expect("a provider").clone();
    let model = universe.pass_through(&provider, "New/Model", universe.len()).expect("allowed");
    assert_eq!(text(model.field("id")), "New/Model");
    assert_eq!(text(model.field("display_name")), "New/Model");
    assert_eq!(text(model.path(&["metadata", "tier"])), "gold");
    assert!(matches!(model.field("known"), Some(Value::Bool(false))));
    assert_eq!(model.label(), "mine:New/Model");
}

#[test]
fn a_key_shows_its_value_only_when_asked_by_name() {
    let metrics = Metrics::new();
    let key = Arc::new(Key::new(&metrics, "openai", b"salt", SecretString::from("sk-secret")));
    key.stats.set_quota(&Quota { limit_tokens: Some(10), ..Quota::default() }, NOW_MS);
    let entity = KeyEntity::new(3, &key, NOW_MS);
    assert_eq!(text(entity.field("value")), "sk-secret");
    assert!(!entity.fields().iter().any(|field| &**field == "value"));
    assert!(!format!("{entity:?}").contains("secret"));
    assert!(matches!(entity.path(&["quota", "limit_tokens"]), Some(Value::UInt(10))));
    assert!(matches!(entity.path(&["quota", "remaining_tokens"]), Some(Value::Null)));
    let Some(Value::Map(rates)) = entity.field("error_rate") else { panic!("no map") };
    assert_eq!(rates.len(), 5);
}

#[test]
fn the_request_as_strategies_see_it() {
    Case::new(&[]).model("m").models(&["n"]).with_ask(|ask| {
        let request = request_value(ask, true);
        assert_eq!(text(request.path(&["surface"])), "chat-completions");
        assert_eq!(text(request.path(&["format"])), "openai");
        assert_eq!(text(request.path(&["model"])), "m");
        assert!(matches!(request.path(&["input_tokens"]), Some(Value::Int(1234))));
        let scope = AiScope { request: Some(request), ..AiScope::default() };
        assert_eq!(scope.fields(), vec![Arc::from("request")]);
        assert!(scope.field("models").is_none());
        assert!(matches!(scope.path(&["request", "stream"]), Some(Value::Bool(false))));
    });
}
