//! Native predicates give what the interpreter gives.

use super::world::{World, ids};
use crate::Scope::{ModelStrategy, Request};
use crate::{EvalErrorKind, Scope};
use proptest::prelude::*;
use serde_json::Value as Json;

/// Runs `filter` with a predicate as it is, and in a form that has no native one.
fn both(list: &str, predicate: &str, scope: Scope) -> [Result<Json, EvalErrorKind>; 2] {
    let world = World::default();
    let run = |predicate: &str| {
        let source = format!("{list}.filter(m, {predicate})");
        world.eval(&source, scope).map(|value| ids(&value)).map_err(|error| error.kind())
    };
    [run(predicate), run(&format!("[({predicate})][0]"))]
}

#[test]
fn the_two_forms_differ() {
    let compile = |source: &str| crate::Program::compile(source, ModelStrategy).unwrap();
    let _ = (compile("ai.models.filter(m, m.known)"), compile("ai.models.filter(m, [m.known][0])"));
}

fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "m.id",
        "m.provider_id",
        "m.known",
        "m.pricing.input",
        "m.pricing.none.deeper",
        "m.metadata.tier",
        "m.metadata.weight",
        "m.metadata.a.b",
        "m.metadata['tier']",
        "m.metrics.global.latency.upstream_ms_avg",
        "m.metrics.global.latency.time_to_first_token_ms_avg",
        "m.metrics.api_keys['k1'].error_rate.total",
        "m.metrics.api_keys['zz'].error_rate.total",
        "m.supported_features",
        "m.quantization",
    ])
    .prop_map(str::to_owned)
}

fn literal() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["'gpt-4o'", "'gold'", "1", "2.5", "-1", "0u", "true", "null", "['gpt-4o', 1]"])
        .prop_map(str::to_owned)
}

fn predicate() -> impl Strategy<Value = String> {
    let compare = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let text = prop::sample::select(vec!["startsWith", "endsWith", "contains"]);
    let leaf = prop_oneof![
        (path(), compare.clone(), literal()).prop_map(|(p, op, l)| format!("{p} {op} {l}")),
        (path(), compare, literal()).prop_map(|(p, op, l)| format!("{l} {op} {p}")),
        path().prop_map(|p| format!("{p} in ['gpt-4o', 'gold', 1, 2.5]")),
        (path(), literal()).prop_map(|(p, l)| format!("{l} in {p}")),
        path().prop_map(|p| format!("has({p})")),
        path(),
        (path(), text).prop_map(|(p, f)| format!("{p}.{f}('g')")),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn native_and_interpreted_agree_on_models(predicate in predicate()) {
        // A number in a list of the engine compared with a text is refused for both alike.
        prop_assume!(crate::Program::compile(&format!("ai.models.filter(m, {predicate})"), ModelStrategy).is_ok());
        let [native, interpreted] = both("ai.models", &predicate, ModelStrategy);
        prop_assert_eq!(native, interpreted, "{}", predicate);
    }

    #[test]
    fn native_and_interpreted_agree_on_user_data(predicate in predicate()) {
        let predicate = predicate.replace("m.id", "m.age").replace("m.metadata", "m").replace("m.known", "m.tags");
        prop_assume!(crate::Program::compile(&format!("vars.users.filter(m, {predicate})"), Request).is_ok());
        let [native, interpreted] = both("vars.users", &predicate, Request);
        prop_assert_eq!(native, interpreted, "{}", predicate);
    }
}
