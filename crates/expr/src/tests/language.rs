//! The language itself.

use super::world::{eval, json_of};
use crate::EvalErrorKind;
use serde_json::json;

#[test]
fn literals_and_operators() {
    for (source, expected) in [
        ("1 + 2 * 3", json!(7)),
        ("7 / 2", json!(3)),
        ("7 % 3", json!(1)),
        ("-(3) - 1", json!(-4)),
        ("5.0 / 2.0", json!(2.5)),
        ("1 == 1.0 && 1 < 1.5 && 2u > 1", json!(true)),
        ("9007199254740993 == 9007199254740992.0", json!(false)),
        ("'a' + 'b' == \"ab\"", json!(true)),
        ("[1] + [2, 3]", json!([1, 2, 3])),
        ("[1, 2] == [1.0, 2.0]", json!(true)),
        ("{'a': 1, 'b': [1 + 1, vars.n]}", json!({"a": 1, "b": [2, 3]})),
        ("{1: 'a'}[1]", json!("a")),
        ("'b' in {'b': 1} && !('c' in {'b': 1})", json!(true)),
        ("2 in [1, 2] && !(5 in vars.l)", json!(true)),
        ("vars.n in [1, vars.n]", json!(true)),
        ("true ? 'y' : 1", json!("y")),
        ("null == vars.none", json!(true)),
        ("vars.l == [1, 2, 3] && [1, 2, 3] == vars.l", json!(true)),
        ("[vars.n == 3, true] == [true, true]", json!(true)),
        ("r'\\d' == '\\\\d'", json!(true)),
        ("b'ab' + b'c' == b'abc'", json!(true)),
        ("'''a\nb'''.size()", json!(3)),
        ("type(1) == int && type('a') == string && type(1) != type('a')", json!(true)),
        ("type([]) == list && type({}) == map && type(null) == null_type", json!(true)),
        ("1 // a remark\n + 1", json!(2)),
        ("size('né') + 'né'.size() + size(b'né') + size([1]) + size({'a': 1})", json!(2 + 2 + 3 + 1 + 1)),
        ("-9223372036854775807 - 1", json!(i64::MIN)),
        ("[][0:1] == []", json!(null)),
    ] {
        if source.contains(':') && source.starts_with("[]") {
            assert!(crate::Program::compile(source, crate::Scope::Request).is_err());
            continue;
        }
        assert_eq!(json_of(source), expected, "{source}");
    }
}

#[test]
fn macros() {
    for (source, expected) in [
        ("[1, 2, 4].map(n, n % 2 == 0, n * 10)", json!([20, 40])),
        ("[1, 2].map(x, x * 2)", json!([2, 4])),
        ("[1, 2].exists(x, x > 1)", json!(true)),
        ("[1, 2].all(x, x > 1)", json!(false)),
        ("[].all(x, x > 1) && ![].exists(x, x > 1)", json!(true)),
        ("[1, 2, 2].exists_one(x, x == 1)", json!(true)),
        ("[1, 2, 2].exists_one(x, x == 2)", json!(false)),
        ("{'b': 1, 'a': 2}.map(k, k)", json!(["a", "b"])),
        ("{'b': 1, 'a': 2}.filter(k, k != 'a')", json!(["b"])),
        ("{'a': 1}.exists(k, k == 'a')", json!(true)),
        ("[[1, 2], [3]].map(l, l.map(x, x + size(l)))", json!([[3, 4], [4]])),
        ("[1, 2].map(x, [3, 4].map(y, x * y))", json!([[3, 4], [6, 8]])),
        ("[1, 2].map(x, [x].map(x, x + 1))", json!([[2], [3]])),
        ("[true, false].filter(b, b)", json!([true])),
        ("[true, false].map(b, !b)", json!([false, true])),
        ("vars.users.sortBy(u, u.age).map(u, u.id)", json!(["b", "a", "c"])),
        ("vars.users.filter(u, u.age > 25).map(u, u.id)", json!(["a", "c"])),
        ("[3, 1, 2].sortBy(x, -x)", json!([3, 2, 1])),
        ("['b', 'a'].sortBy(x, x)", json!(["a", "b"])),
        ("[2, 3, 1].sort(x, y, x < y)", json!([1, 2, 3])),
        ("vars.users.sort(a, b, a.age > b.age).map(u, u.id)", json!(["c", "a", "b"])),
        ("vars.users.sort(x, y, size(x.id) < size(y.id)).map(u, u.id)", json!(["a", "b", "c"])),
        ("vars.l.map(x, [x, 0].sort(a, b, a < b)[0] + x)", json!([1, 2, 3])),
        ("[].sort(x, y, x < y)", json!([])),
        ("has(vars.n) && has(vars['n']) && !has(vars.zzz) && !has(vars['zzz'])", json!(true)),
        ("has(vars.m.k.deep) && !has(vars.m.k.other) && has(vars.m['k'])", json!(true)),
        ("has({'a': 1}.a) && !has({'a': 1}.b)", json!(true)),
        ("has(vars.l[2]) && !has(vars.l[3])", json!(true)),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
    }
}

#[test]
fn dollars_are_read_as_brackets() {
    for (source, expected) in [
        ("vars.name == ${vars.name}", json!(true)),
        ("${vars.n} + ${1 + 1} == 5 && ${vars.n}*2 == 6", json!(true)),
        ("${ {'a': '}'}.a } == '}' && '${x}' == '$' + '{x}'", json!(true)),
        ("[${vars.n}, ${{'k': ${2}}.k}]", json!([3, 2])),
    ] {
        assert_eq!(json_of(source), expected, "{source}");
        let program = crate::Program::compile(source, crate::Scope::Request).unwrap();
        let warnings: Vec<String> = program.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].contains("`${` inside an expression (help: write the expression without"),
            "{warnings:?}"
        );
        assert_eq!(program.source(), source);
    }
    assert!(crate::Program::compile("'${a}' == ''", crate::Scope::Request).unwrap().warnings().is_empty());
}

#[test]
fn errors_beside_a_decided_answer_are_absorbed() {
    for (source, expected) in [
        ("vars.zzz == 1 || true", true),
        ("true || vars.zzz == 1", true),
        ("vars.zzz == 1 && false", false),
        ("false && vars.zzz == 1", false),
        ("[1, 2].exists(x, x == 2 || vars.zzz)", true),
        ("['a', 2].exists(x, x > 1)", true),
        ("['a', 2].all(x, x > 2)", false),
    ] {
        assert_eq!(eval(source), Ok(expected.into()), "{source}");
    }
    assert!(eval("vars.zzz == 1 || false").is_err());
    assert!(eval("vars.zzz == 1 && true").is_err());
    assert!(eval("['a', 0].exists(x, x > 1)").is_err());
}

#[test]
fn errors_have_a_kind_and_no_values() {
    use EvalErrorKind::{MissingKey, MissingSecret, Other, Type};
    for (source, kind, text) in [
        ("vars.zzz", MissingKey, "there is no key `zzz`"),
        ("vars.m.zzz", MissingKey, "there is no key `zzz`"),
        ("vars.m[vars.name + 'hidden']", MissingKey, "there is no such key"),
        ("vars.l[3]", MissingKey, "no element"),
        ("[1][-1]", MissingKey, "no element"),
        ("json.decode('{}').a", MissingKey, "`a`"),
        ("vars.n.a", Type, "int has no fields"),
        ("vars.none.a", Type, "null_type has no fields"),
        ("1 + 'secret'", Type, "`+` cannot be applied to (int, string)"),
        ("5.0 / 2", Type, "(double, int)"),
        ("dyn('secret') < 1", Type, "string and int"),
        ("1 < null", Type, "null cannot be compared"),
        ("!'secret'", Type, "expected bool, not string"),
        ("true + 1", Type, "+"),
        ("vars.name && true", Type, "expected bool"),
        ("vars.name ? 1 : 2", Type, "expected bool"),
        ("true > vars.n", Type, "bool and int"),
        ("'a' in 'abc'", Type, "`in` cannot look into string"),
        ("vars.n.map(x, x)", Type, "int is no list"),
        ("9223372036854775807 + 1", Other, "integer overflow"),
        ("1 / 0", Other, "division by zero"),
        ("1 % 0", Other, "division by zero"),
        ("{'a': 1, 'a': 2}", Other, "twice"),
        ("secrets.get('v', 'missing')", MissingSecret, "there is no secret 'missing' in vault 'v'"),
        ("json.decode('secret')", Other, "line 1"),
    ] {
        let error = eval(source).unwrap_err();
        assert_eq!(error.kind(), kind, "{source}: {error}");
        assert!(error.to_string().contains(text), "{source}: {error}");
        assert!(!error.to_string().contains("hidden") && !format!("{error:?}").contains("hidden"), "{error}");
        assert!(!error.to_string().contains("secret'") || kind == MissingSecret, "{error}");
    }
}

#[test]
fn a_test_must_be_true_or_false() {
    let world = super::world::World::default();
    let program = crate::Program::compile("vars.n", crate::Scope::Request).unwrap();
    let error = program.test(&world.activation()).unwrap_err();
    assert_eq!(error.kind(), EvalErrorKind::Type);
    assert_eq!(error.to_string(), "the expression must be true or false, it is int");
}

#[test]
fn no_debug_output_has_a_value() {
    let program = crate::Program::compile("secrets.get('default', 'token')", crate::Scope::Request).unwrap();
    assert_eq!(format!("{program:?}"), "Program(\"secrets.get('default', 'token')\")");
}

#[test]
fn what_is_never_true_or_false_is_known_where_it_can_be() {
    let never =
        |source: &str| crate::Program::compile(source, crate::Scope::Response).unwrap().never_boolean();
    for (source, kind) in [
        ("req.method", "a text"),
        ("'a'", "a text"),
        ("req.headers['x-a'][0]", "a text"),
        ("conn.client_ip", "a text"),
        ("req.url", "a text"),
        ("size([1])", "a number"),
        ("res.status_code", "a number"),
        ("conn.ts.start", "a time"),
        ("req.headers['x-a']", "a list"),
        ("req.headers", "a map"),
    ] {
        assert_eq!(never(source), Some(kind), "{source}");
    }
    for source in [
        "true",
        "req.method == 'GET'",
        "vars.anything",
        "actions.ngrok.rate_limit.limited",
        "json.decode('true')",
        "hasReqHeader('a')",
        "conn.client_ip.is_tor_node",
        "getReqCookie('a').secure",
        "req.user_agent.is_bot",
        "req.method == 'GET' ? true : false",
        "has(vars.a)",
        "req.headers.exists(k, k == 'a')",
        "!vars.a",
        "'a' in req.headers",
        "req.url.path.startsWith('/')",
        "endpoint.host.matches('a')",
        "[true][0]",
    ] {
        assert_eq!(never(source), None, "{source}");
    }
}
