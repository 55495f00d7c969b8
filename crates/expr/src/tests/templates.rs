//! Text with `${}`.

use super::world::{World, render};
use crate::{EvalErrorKind, Scope, Template, Value};
use proptest::prelude::*;

#[test]
fn expressions_in_text() {
    for (text, expected) in [
        ("plain", "plain"),
        ("", ""),
        ("n=${vars.n}", "n=3"),
        ("${vars.n}${vars.name}", "3x"),
        ("$ $a {} $${vars.n} ${vars.n}$", "$ $a {} ${vars.n} 3$"),
        ("$$${vars.n}", "$${vars.n}"),
        ("a ${ {'k': {'}': 1}}['k']['}'] } b", "a 1 b"),
        ("${'}' + \"}\" + r'}' + '''}'''}", "}}}}"),
        (r"${'\'}'}", "'}"),
        (r#"{"v":"${req.headers[\"tier\"]}"}"#, r#"{"v":"gold"}"#),
        (r#"${req.headers[\"x}\"][0]}!"#, "!"),
        ("${req.headers['x-flags']}", "beta, gamma"),
        ("${getReqHeader('tier')}", "gold"),
        ("${vars.l} ${vars.m} ${vars.none}", "[1,2,3] {\"k\":{\"deep\":true}} "),
        ("${1.5} ${2.0} ${true} ${int(50.5)}", "1.5 2 true 50"),
        ("${timestamp('2024-07-13T00:10:16Z')} ${duration('1m30s')} ${b'hi'}", "2024-07-13T00:10:16Z 90s hi"),
        (
            "${b'\\xff'} ${timestamp('2024-07-13T02:10:16.5+02:00')} ${0.1} ${1e21} ${5u}",
            "/w== 2024-07-13T00:10:16.500Z 0.1 1000000000000000000000 5",
        ),
        ("${req.url} ${conn.client_ip}", "https://api.example:8443/v1/chat?a=1&a=2&B=x%20y 10.1.2.3"),
        ("Bearer ${secrets.get('token')}", "Bearer s3cret"),
        ("${actions.ngrok.rate_limit}", "{\"bucket_key\":\"k\",\"limited\":true}"),
        ("[${actions.ngrok.ai_gateway.error.code}]", "[]"),
        ("é${'é'}é", "ééé"),
    ] {
        assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn one_expression_keeps_its_type() {
    let world = World::default();
    let eval = |text: &str| Template::compile(text, Scope::Request).unwrap().eval(&world.activation());
    assert!(matches!(eval("${int(50.5)}"), Ok(Value::Int(50))));
    assert!(matches!(eval("${vars.l[0]}"), Ok(Value::Int(1))));
    assert!(matches!(eval("${vars.l.filter(x, x > 1)}"), Ok(Value::List(l)) if l.len() == 2));
    assert!(matches!(eval("${null}"), Ok(Value::Null)));
    assert!(matches!(eval("${1 == 1}"), Ok(Value::Bool(true))));
    assert!(matches!(eval(" ${vars.n}"), Ok(Value::String(text)) if &*text == " 3"));
    assert!(matches!(eval("3"), Ok(Value::String(text)) if &*text == "3"));
    assert_eq!(eval("a ${vars.zzz}").unwrap_err().kind(), EvalErrorKind::MissingKey);
}

#[test]
fn a_text_without_expressions_is_borrowed() {
    let world = World::default();
    let template = Template::compile("plain $${x}", Scope::Request).unwrap();
    assert!(template.is_literal() && template.programs().count() == 0);
    assert!(matches!(template.render(&world.activation()), Ok(std::borrow::Cow::Borrowed("plain ${x}"))));
    let literal = Template::literal("a ${b}");
    assert!(literal.is_literal());
    assert_eq!(literal.render(&world.activation()).unwrap(), "a ${b}");
    assert_eq!(literal.source(), "a ${b}");
    assert_eq!(Template::compile("${vars.a} ${vars.b}", Scope::Request).unwrap().programs().count(), 2);
}

#[test]
fn a_text_is_split_at_a_character_outside_of_expressions() {
    let world = World::default();
    let template = |text: &str| Template::compile(text, Scope::Request).unwrap();
    for (text, parts) in [
        ("a:b:c", Some(("a", "b:c"))),
        (":", Some(("", ""))),
        ("${vars.name}:${vars.n}", Some(("x", "3"))),
        ("a${':'}b:c", Some(("a:b", "c"))),
        ("$${a:b}", Some(("${a", "b}"))),
        ("${':'}", None),
        ("a${':'}b", None),
        ("", None),
    ] {
        let found = template(text).split_once(':').map(|(left, right)| {
            let render = |part: Template| part.render(&world.activation()).unwrap().into_owned();
            (render(left), render(right))
        });
        let found = found.as_ref().map(|(left, right)| (left.as_str(), right.as_str()));
        assert_eq!(found, parts, "{text}");
    }
    for (text, literal, whole) in [
        ("a $${b}", Some("a ${b}"), false),
        ("", Some(""), false),
        ("${vars.n}", None, true),
        ("${vars.n} ", None, false),
    ] {
        assert_eq!((template(text).as_literal(), template(text).is_whole()), (literal, whole), "{text}");
    }
}

#[test]
fn values_can_be_escaped_and_the_text_around_them_is_not() {
    let world = World::default();
    let template = Template::compile("$1 ${'$1'} ${vars.n}", Scope::Request).unwrap();
    let escaped = template.render_escaped(&world.activation(), |value| value.replace('$', "$$"));
    assert_eq!(escaped.as_deref(), Ok("$1 $$1 3"));
}

#[test]
fn faults_are_placed_in_the_text() {
    for (text, faults) in [
        ("ab\n é ${reqq.x}", vec!["2:6: unknown name `reqq` (help: did you mean `req`?)"]),
        (
            "${vars.a + } ${1 +}",
            vec!["1:12: the expression ends too early", "1:19: the expression ends too early"],
        ),
        ("x ${vars.a", vec!["1:3: `${` without its `}` (help: a literal `${` is written `$${`)"]),
        ("${}", vec!["1:3: the expression is empty"]),
        (r#"${req.headers[\"x\"] + foo}"#, vec!["1:24: unknown name `foo`"]),
        (
            "${1} ${res.status_code}",
            vec![
                "1:8: `res` is not available here (help: it exists in `on_http_response` and `on_event_stream_message`)",
            ],
        ),
    ] {
        let issues = Template::compile(text, Scope::Request).unwrap_err();
        let found: Vec<String> = issues.iter().map(ToString::to_string).collect();
        assert_eq!(found, faults, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn compiling_any_text_never_panics(text in ".{0,60}") {
        for scope in [Scope::Request, Scope::Response, Scope::ModelStrategy, Scope::KeyStrategy] {
            let _ = crate::Program::compile(&text, scope);
        }
        let _ = Template::compile(&text, Scope::Request);
        let _ = Template::compile(&format!("${{{text}}}"), Scope::Request);
    }

    #[test]
    fn compiling_token_soup_never_panics_and_what_compiles_runs(
        parts in prop::collection::vec(prop::sample::select(vec![
            "req", "vars", "ai", "models", "x", ".", "(", ")", "[", "]", "{", "}", ",", ":", "?", "!", "-", "+", "==",
            "&&", "||", "in", "1", "2.5", "'a'", "\"b\"", "filter", "map", "has", "size", "true", "null", "headers", " ",
            "$", "${", "\\", "'", "r'", "//", "\n", "é", "0x", "1e", "matches", "secrets.get", "sortBy(x, x)",
        ]), 0..14),
    ) {
        let text = parts.concat();
        let world = World::default();
        for scope in [Scope::Request, Scope::ModelStrategy] {
            if let Ok(program) = crate::Program::compile(&text, scope) {
                let _ = program.eval(&world.activation());
            }
            if let Ok(template) = Template::compile(&format!("a${{{text}}}b"), scope) {
                let _ = template.render(&world.activation());
            }
        }
    }

    #[test]
    fn issues_are_inside_the_text(text in "[ -~\n]{0,40}") {
        if let Err(issues) = crate::Program::compile(&text, Scope::Request) {
            prop_assert!(!issues.is_empty());
            for issue in issues {
                prop_assert!(issue.line >= 1 && issue.line <= text.matches('\n').count() + 1, "{}", issue);
                prop_assert!(issue.column >= 1 && issue.column <= text.len() + 1, "{}", issue);
            }
        }
    }
}
