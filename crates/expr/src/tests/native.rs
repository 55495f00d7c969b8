//! Native predicates give what the interpreter gives.

use super::world::{World, ids};
use crate::Scope::{ModelStrategy, Request};
use crate::{EvalErrorKind, Scope};
use proptest::prelude::*;
use serde_json::Value as Json;

/// Runs a macro with a predicate as it is, and in a form that has no native one.
fn both(list: &str, name: &str, predicate: &str, scope: Scope) -> [Result<Json, EvalErrorKind>; 2] {
    let world = World::default();
    let run = |predicate: &str| {
        let source = format!("{list}.{name}(m, {predicate})");
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

/// An expression of the parts that have a direct form, true, false, or failing.
fn rule() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "req.method",
        "req.path",
        "req.headers['tier'][0]",
        "req.headers['x-none'][0]",
        "req.headers['x-flags']",
        "conn.client_ip",
        "vars.n",
        "vars.name",
        "vars.l",
        "vars.zzz",
        "vars.l[0]",
        "vars.l[9]",
        "vars.m['k'].deep",
        "actions.ngrok.rate_limit.limited",
        "actions.ngrok.redirect.none",
        "secrets.get('token')",
        "secrets.get('v', 'missing')",
        "dyn('gold')",
        "dyn(3)",
        "dyn(true)",
        "dyn(null)",
        "('x' + vars.name)",
        "(vars.n * 2 - 1)",
        "(-vars.n)",
        "(vars.n / 0)",
        "json.decode('[1, 3]')",
        "(hasReqHeader('tier') ? vars.n : vars.zzz)",
    ]);
    let compare = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", "in"]);
    let text =
        prop::sample::select(vec!["startsWith('g')", "contains('o')", "matches('^P')", "lower() == 'gold'"]);
    let leaf = prop_oneof![
        (value.clone(), compare, value.clone()).prop_map(|(a, op, b)| format!("dyn({a}) {op} dyn({b})")),
        (value.clone(), text).prop_map(|(a, f)| format!("dyn({a}).{f}")),
        value.prop_map(|a| format!("dyn({a})")),
        prop::sample::select(vec![
            "has(vars.n)",
            "has(vars.zzz)",
            "has(req.headers['tier'])",
            "hasReqHeader('x-none')",
            "inCidrRange(conn.client_ip, '10.0.0.0/8')",
            "req.headers['x-flags'].exists(f, f == 'beta')",
            "vars.users.all(u, u.age > 25)",
            "'x' in req.headers",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

#[test]
fn usual_rules_need_no_interpreter() {
    for source in [
        "req.method == 'GET' && req.url.path.startsWith('/v1/')",
        "req.headers['authorization'][0] != 'Bearer ' + secrets.get('gateway-auth', 'access-token')",
        "!hasReqHeader('x-team') || vars.n > 3",
        "req.url.path.matches('^/v2/') ? conn.client_ip in ['10.0.0.1'] : inCidrRange(conn.client_ip, '10.0.0.0/8')",
        "actions.ngrok.rate_limit.limited && 'beta' in req.headers['x-flags']",
        "req.headers['x-flags'].exists(f, f == 'beta')",
        "has(vars.n) && vars.m.k.deep && !('x' in vars.m)",
        "conn.tls.client.subject.common_name in ['a'] && conn.client_ip.geo.location.country_code == 'DE'",
        "getReqCookie('s').value == '1' && req.cookies['t'][0].value != ''",
        "getQueryParam('a')[0] == '1'",
        "req.user_agent.is_bot && req.content_length > 10",
        "timestamp(time.now).getHours() < 8",
    ] {
        assert!(crate::Program::compile(source, Request).unwrap().is_direct(), "{source}");
    }
    assert!(!crate::Program::compile("vars.l.map(x, x + 1) == []", Request).unwrap().is_direct());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn native_and_interpreted_agree_on_models(predicate in predicate()) {
        // A number in a list of the engine compared with a text is refused for both alike.
        prop_assume!(crate::Program::compile(&format!("ai.models.filter(m, {predicate})"), ModelStrategy).is_ok());
        for name in ["filter", "exists", "all"] {
            let [native, interpreted] = both("ai.models", name, &predicate, ModelStrategy);
            prop_assert_eq!(native, interpreted, "{} {}", name, predicate);
        }
    }

    #[test]
    fn native_and_interpreted_agree_on_user_data(predicate in predicate()) {
        let predicate = predicate.replace("m.id", "m.age").replace("m.metadata", "m").replace("m.known", "m.tags");
        prop_assume!(crate::Program::compile(&format!("vars.users.filter(m, {predicate})"), Request).is_ok());
        for name in ["filter", "exists", "all"] {
            let [native, interpreted] = both("vars.users", name, &predicate, Request);
            prop_assert_eq!(native, interpreted, "{} {}", name, predicate);
        }
    }

    #[test]
    fn direct_and_interpreted_agree(source in rule()) {
        let world = World::default();
        let run = |source: &str| {
            world.eval(source, Request).map(|value| value.to_json()).map_err(|error| error.kind())
        };
        prop_assume!(crate::Program::compile(&source, Request).is_ok());
        prop_assert!(crate::Program::compile(&source, Request).unwrap().is_direct());
        let wrapped = format!("[({source})][0]");
        prop_assert!(!crate::Program::compile(&wrapped, Request).unwrap().is_direct());
        prop_assert_eq!(run(&source), run(&wrapped), "{}", source);
    }
}
