//! Hostile input is refused, and never overflows a stack.

use super::world::World;
use crate::{EvalErrorKind, MAX_SOURCE, Program, Scope, Template};

/// Runs a test on a thread as small as those of the proxy.
fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(test).unwrap().join().unwrap();
}

#[test]
fn thousands_of_brackets_are_refused() {
    on_small_stack(|| {
        for (open, close) in
            [("(", ")"), ("[", "]"), ("{'a':", "}"), ("f(", ")"), ("a.f(", ")"), ("a[", "]"), ("!(", ")")]
        {
            let count = 5000.min(MAX_SOURCE / (open.len() + close.len()) - 1);
            for source in [
                format!("{}1{}", open.repeat(count), close.repeat(count)),
                open.repeat(count),
                format!("{}1", close.repeat(count)),
            ] {
                assert!(Program::compile(&source, Scope::Request).is_err());
                assert!(Template::compile(&format!("${{{source}}}"), Scope::Request).is_err());
            }
        }
        let brackets = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
        assert!(Program::compile(&brackets, Scope::Request).unwrap_err()[0].message.contains("bytes"));
    });
}

#[test]
fn long_chains_are_refused_or_run() {
    on_small_stack(|| {
        let world = World::default();
        for source in [
            vec!["1"; 4000].join("+"),
            vec!["1"; 4000].join("<"),
            format!("vars{}", ".b".repeat(4000)),
            format!("vars.l{}", "[0]".repeat(2500)),
            "true ? 1 : ".repeat(700) + "1",
            format!("'a'{}", ".trim()".repeat(1000)),
            format!("[1]{}", ".map(x, x)".repeat(800)),
        ] {
            let issues = Program::compile(&source, Scope::Request).unwrap_err();
            assert!(issues[0].message.contains("levels deep"), "{}", issues[0]);
        }
        for source in [
            vec!["true"; 1000].join("&&"),
            format!("{}true", "!".repeat(4000)),
            format!("{}1 < 2", "- ".repeat(4000)),
        ] {
            let program = Program::compile(&source, Scope::Request).unwrap();
            assert_eq!(program.eval(&world.activation()), Ok(true.into()));
        }
    });
}

#[test]
fn what_is_as_deep_as_allowed_runs_on_a_small_stack() {
    on_small_stack(|| {
        let world = World::default();
        for (source, expected) in [
            (vec!["1"; 190].join("+"), "190"),
            (format!("{}1{}", "(".repeat(190), ")".repeat(190)), "1"),
            (format!("{}1{}{}", "[".repeat(60), "]".repeat(60), "[0]".repeat(60)), "1"),
            (format!("'a'{}", ".trim()".repeat(95)), "a"),
            (format!("[1]{}[0]", ".map(x, x)".repeat(90)), "1"),
            (format!("{}true", "true && (".repeat(90)) + &")".repeat(90), "true"),
            (format!("{}1", "false ? 0 : ".repeat(190)), "1"),
            (format!("{}[1]{}", "[[1]].map(x, ".repeat(40), ")".repeat(40)), ""),
            (format!("{}true{}", "[1].all(x, ".repeat(60), ")".repeat(60)), "true"),
        ] {
            let program =
                Program::compile(&source, Scope::ModelStrategy).unwrap_or_else(|e| panic!("{source}: {e:?}"));
            let value = program.eval(&world.activation()).unwrap();
            if !expected.is_empty() {
                assert_eq!(value.to_text(), expected);
            }
        }
    });
}

#[test]
fn nested_macros_compile_in_linear_time() {
    on_small_stack(|| {
        let has = format!("{}'n'{}", "has(vars[string(".repeat(60), ")])".repeat(60));
        let filter = format!("{}[1]{}", "[[1]].filter(x, x in ".repeat(40), ")".repeat(40));
        let lists = format!("{}vars.n{}", "[".repeat(150), "]".repeat(150));
        for source in [has, filter, lists] {
            assert!(Program::compile(&source, Scope::ModelStrategy).is_ok(), "{source}");
        }
    });
}

#[test]
fn work_is_bounded() {
    let world = World::default();
    let nested = |depth: usize| {
        let list = "lists.range(100)";
        format!("{}1{}", format!("{list}.map(x, ").repeat(depth), ")".repeat(depth))
    };
    for source in [
        nested(4),
        nested(6),
        format!("{}.size() > 0 || true", nested(5)),
        "lists.range(100000).map(x, lists.range(100000).exists(y, y < 0)).size()".into(),
        "lists.range(100000).map(x, lists.range(100000)).flatten().size()".into(),
        "lists.range(2000).map(x, lists.range(2000).distinct()).size()".into(),
        // Ten times ten times ...: each list holds the same list ten times.
        format!("[1]{}.encodeJson().size()", ".map(x, [x, x, x, x, x, x, x, x, x, x])".repeat(9)),
        format!("[1]{}", ".map(x, [x, x, x, x, x, x, x, x, x, x])".repeat(9)),
        format!("[[1]{0}].map(l, l == l)", ".map(x, [x, x, x, x, x, x, x, x, x, x])".repeat(9)),
        "lists.range(1500).map(x, lists.range(1500)).distinct().size()".into(),
        "[1].map(x, lists.range(100000).map(y, lists.range(100000).sort()))".into(),
    ] {
        let program = Program::compile(&source, Scope::Request).unwrap();
        let error = program.eval(&world.activation()).unwrap_err();
        assert_eq!(error.kind(), EvalErrorKind::Limit, "{source}: {error}");
    }
    let fine =
        Program::compile("lists.range(1000).map(x, x * 2).filter(x, x > 10).size()", Scope::Request).unwrap();
    assert_eq!(fine.eval(&world.activation()), Ok(994_i64.into()), "a budget of its own for every run");
}

#[test]
fn values_are_bounded() {
    let mut world = World::default();
    world.vars.insert("big".into(), "x".repeat(1 << 20).into());
    for source in [
        format!("{}vars.big", "vars.big + ".repeat(8)),
        "vars.big.replace('x', 'yyyyyyyyyyyyyyyyyyyy')".into(),
        "vars.big.replace('', 'yyyyyyyyyyyyyyyyyyyy')".into(),
        "[vars.big, vars.big, vars.big, vars.big, vars.big].join()".into(),
        "'%s%s%s%s%s'.format([vars.big, vars.big, vars.big, vars.big, vars.big])".into(),
        "vars.big.split('')".into(),
        "[vars.big, vars.big, vars.big, vars.big, vars.big].encodeJson()".into(),
    ] {
        let program = Program::compile(&source, Scope::Request).unwrap();
        let error = program.eval(&world.activation()).unwrap_err();
        assert_eq!(error.kind(), EvalErrorKind::Limit, "{source}: {error}");
    }
    let template = Template::compile(&"${vars.big}".repeat(5), Scope::Request).unwrap();
    assert_eq!(template.render(&world.activation()).unwrap_err().kind(), EvalErrorKind::Limit);
}

#[test]
fn the_source_is_bounded() {
    let fits = format!("'{}' == ''", "a".repeat(MAX_SOURCE - 8));
    assert!(fits.len() == MAX_SOURCE && Program::compile(&fits, Scope::Request).is_ok());
    assert!(Program::compile(&format!("{fits} "), Scope::Request).is_err());
}
