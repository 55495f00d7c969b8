//! Tests of the rules for names.

mod fields;

use super::params::parse;
use super::*;
use crate::testing::{Case, custom, strings, universe};
use crate::universe::{Options, Universe};
use serde_json::{Value, json};
use tollgate_catalog::ModelOverlay;

fn rule(pattern: &str, replacement: &str) -> AliasRule {
    AliasRule { pattern: pattern.into(), replacement: replacement.into(), match_query: false }
}

fn rules(list: &[(&str, &str)]) -> Names {
    let rules: Vec<AliasRule> =
        list.iter().map(|(pattern, replacement)| rule(pattern, replacement)).collect();
    Names { aliases: Aliases::compile(&rules).expect("good rules"), ..Names::default() }
}

fn under(names: Names) -> Universe {
    universe(&[custom("mine", &["m", "odd|name?x=1"])], Options::default()).with_names(names)
}

/// What a name becomes: `provider:upstream{parameters}`; or the reasons against it.
fn becomes(names: Names, model: &str) -> Result<Vec<String>, String> {
    planned(&Case::of(under(names)).model(model))
}

fn planned(case: &Case) -> Result<Vec<String>, String> {
    let plan = case.plan(true).map_err(|refusal| refusal.error.message())?;
    let shown = plan.candidates.iter().map(|c| {
        let params =
            if c.params.is_empty() { String::new() } else { Value::from(c.params.to_json()).to_string() };
        format!("{}:{}{params}", c.provider.id, c.upstream_model)
    });
    Ok(shown.collect())
}

fn selector(text: &str) -> Option<Selector> {
    Some(Selector::parse(text).expect("a good selector"))
}

#[test]
fn parameters_are_read() {
    let table = [
        ("temperature=0.7&top_p=0.9", json!({"temperature": 0.7, "top_p": 0.9}), 0),
        ("temperature=2&top_p=1", json!({"temperature": 2, "top_p": 1}), 0),
        ("temperature=3.5", json!({}), 1),
        ("temperature=-0.1&top_p=1.01&top_p=NaN", json!({}), 2),
        ("top_k=1&top_k=40", json!({"top_k": 40}), 0),
        ("top_k=40.0", json!({"top_k": 40}), 0),
        ("top_k=40.5", json!({}), 1),
        ("top_k=0", json!({}), 1),
        ("top_k=5&top_k=", json!({"top_k": 5}), 0),
        ("top_k=5&top_k=x", json!({}), 1),
        ("temperature=%30.5", json!({"temperature": 0.5}), 0),
        ("temperature=+0.5", json!({"temperature": 0.5}), 0),
        ("reasoning_effort=MAX", json!({"reasoning_effort": "max"}), 0),
        ("reasoning_effort=none&verbosity=high", json!({"reasoning_effort": "none", "verbosity": "high"}), 0),
        ("reasoning_effort=huge&verbosity=xhigh", json!({}), 2),
        ("max_tokens=100&seed=-7", json!({"max_tokens": 100, "seed": -7}), 0),
        ("max_tokens=1e300&seed=1.5", json!({}), 2),
        ("foo=1", json!({}), 1),
        ("bad", json!({}), 1),
        ("", json!({}), 1),
        ("&&temperature=1&", json!({"temperature": 1}), 0),
        ("temperature=%zz", json!({}), 1),
        ("temp%65rature=1", json!({"temperature": 1}), 0),
    ];
    for (query, good, bad) in table {
        let (params, found) = parse(query);
        assert_eq!(Value::from(params.to_json()), good, "{query}");
        assert_eq!(found.len(), bad, "{query}: {found:?}");
    }
}

#[test]
fn what_is_wrong_with_a_parameter_is_said() {
    let why = |query: &str| parse(query).1.first().map(|bad| format!("{} {}", bad.name, bad.reason)).unwrap();
    assert_eq!(why("temperature=3.5"), "temperature must be a number from 0 to 2, not `3.5`");
    assert_eq!(why("temprature=1"), "temprature is not known; did you mean `temperature`?");
    assert!(why("foo=1").contains("the parameters are temperature, top_p, top_k"));
    assert_eq!(why("bad"), "bad is not name=value");
    assert!(why("verbosity=x").ends_with("one of low, medium, high, not `x`"));
    assert!(why(&format!("{}=1", "x".repeat(500))).len() < 200);
}

#[test]
fn parameters_of_a_name_go_with_it_and_the_name_is_clean() {
    let table = [
        (
            "openrouter:anthropic/claude-3-5-sonnet?temperature=0.7&top_p=0.9",
            r#"openrouter:anthropic/claude-3-5-sonnet{"temperature":0.7,"top_p":0.9}"#,
        ),
        ("gpt-4o?top_k=3", r#"openai:gpt-4o{"top_k":3}"#),
        ("openai:gpt-4o?foo=1", "openai:gpt-4o"),
        ("openai:gpt-4o?bad", "openai:gpt-4o"),
        ("openai:gpt-4o?", "openai:gpt-4o"),
        ("openrouter:a/b?c=d/e:f", "openrouter:a/b"),
    ];
    for (name, expected) in table {
        assert_eq!(becomes(Names::default(), name), Ok(strings(&[expected])), "{name}");
    }
}

#[test]
fn bad_parameters_are_ignored_with_a_note_or_refused() {
    let case = |names| Case::of(under(names)).model("gpt-4o?temperature=9&top_p=0.5");
    let plan = case(Names::default()).plan(false).expect("ignored");
    assert_eq!(plan.names[0].ignored[0].name, "temperature");
    assert_eq!((plan.candidates[0].params.temperature, plan.candidates[0].params.top_p), (None, Some(0.5)));
    let strict = UriOptions { on_invalid: OnInvalid::Reject, ..UriOptions::default() };
    let refusal = case(Names { uri_params: strict, ..Names::default() }).plan(false).expect_err("refused");
    assert_eq!((refusal.error.code(), refusal.error.status()), (3801, 400));
    assert!(refusal.error.message().contains("`temperature` must be a number from 0 to 2"), "{refusal}");
    let good = Case::of(under(Names { uri_params: strict, ..Names::default() })).model("gpt-4o?top_p=0.5");
    assert!(good.plan(false).is_ok());
}

#[test]
fn parameters_can_be_denied_to_clients() {
    let off = UriOptions { enabled: false, ..UriOptions::default() };
    let names = || Names { uri_params: off, ..rules(&[("^fast$", "openai:gpt-4o?temperature=0")]) };
    let why = becomes(names(), "gpt-4o?temperature=1").expect_err("denied");
    assert!(why.contains("gpt-4o?temperature=1 (parameters behind a name are turned off"), "{why}");
    assert!(becomes(names(), "fast?temperature=1").is_err());
    assert_eq!(becomes(names(), "fast"), Ok(strings(&[r#"openai:gpt-4o{"temperature":0}"#])));
}

#[test]
fn a_model_whose_name_looks_like_more_is_itself() {
    let whole = Ok(strings(&["mine:odd|name?x=1"]));
    assert_eq!(becomes(Names::default(), "mine:odd|name?x=1"), whole);
    assert_eq!(becomes(Names::default(), "odd|name?x=1"), whole);
}

#[test]
fn aliases() {
    let openrouter = ("^gpt-(.*)", r"openrouter:openai/gpt-\1");
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let table: &[Row<'_>] = &[
        (&[openrouter], "gpt-4o", "openrouter:openai/gpt-4o"),
        // The first rule counts, once.
        (&[openrouter, ("^gpt-4o", "openai:o3")], "gpt-4o", "openrouter:openai/gpt-4o"),
        (&[("^a$", "openrouter:b"), ("^openrouter:b$", "openrouter:c")], "a", "openrouter:b"),
        // From the start, not to the end; the result is the whole name.
        (&[("^gpt-4", "openrouter:x/y")], "gpt-4o-mini", "openrouter:x/y"),
        (&[("4o", "openrouter:x/y")], "gpt-4o", "openai:gpt-4o"),
        (&[("gpt", "openrouter:x/y")], "gpt-4o", "openrouter:x/y"),
        (&[("^(?P<v>.*)$", r"openrouter:all/\g<v>")], "m", "openrouter:all/m"),
        (&[("^(?<v>.*)-(x)?", r"openrouter:\g<1>/\g<v>\2")], "m-", "openrouter:m/m"),
        (&[("^p$", r"openrouter:a\\b$1")], "p", r"openrouter:a\b$1"),
        (&[("(?x) ^ p # a comment", "openrouter:q")], "p", "openrouter:q"),
        // Parameters are set aside, and put back unless the replacement has its own.
        (&[openrouter], "gpt-4o?temperature=0.3", r#"openrouter:openai/gpt-4o{"temperature":0.3}"#),
        (&[("^gpt-4o$", "openrouter:x?top_p=1")], "gpt-4o?temperature=0.3", r#"openrouter:x{"top_p":1}"#),
    ];
    for (list, name, expected) in table {
        assert_eq!(becomes(rules(list), name), Ok(strings(&[expected])), "{name} {list:?}");
    }
}

#[test]
fn an_alias_may_match_the_parameters_too() {
    let all = |pattern: &str| {
        let rule = AliasRule { match_query: true, ..rule(pattern, r"openrouter:x/y") };
        let names = Names { aliases: Aliases::compile(&[rule]).unwrap(), ..Names::default() };
        becomes(names, "gpt-4o?temperature=0.3")
    };
    assert_eq!(all("^gpt-4"), Ok(strings(&["openrouter:x/y"])));
    assert_eq!(all("^gpt-4o$"), Ok(strings(&[r#"openai:gpt-4o{"temperature":0.3}"#])));
    let keep = AliasRule { match_query: true, ..rule("^gpt-(.*)", r"openrouter:openai/gpt-\1") };
    let names = Names { aliases: Aliases::compile(&[keep]).unwrap(), ..Names::default() };
    assert_eq!(
        becomes(names, "gpt-4o?temperature=0.3"),
        Ok(strings(&[r#"openrouter:openai/gpt-4o{"temperature":0.3}"#]))
    );
}

#[test]
fn aliases_apply_to_every_name() {
    let case =
        Case::of(under(rules(&[("^fast$", "openrouter:a/b|mine:m")]))).model("gpt-4o").models(&["fast"]);
    assert_eq!(case.run(), Ok(strings(&["openai:gpt-4o", "openrouter:a/b", "mine:m"])));
    let auto = Case::of(under(rules(&[("^ngrok/auto$", "mine:m")]))).model("ngrok/auto");
    assert_eq!(auto.run(), Ok(strings(&["mine:m"])));
}

#[test]
fn bad_aliases_are_refused_with_their_place() {
    let table = [
        ("", "openrouter:x", "pattern", "is empty"),
        ("a", " ", "replacement", "is empty"),
        ("(", "openrouter:x", "pattern", "is no regular expression: unclosed group"),
        (
            "^(?!gpt)",
            "openrouter:x",
            "pattern",
            "uses look-around; look-around and back-references are not possible",
        ),
        (r"(a)\1", "openrouter:x", "pattern", "uses a back-reference; look-around"),
        ("a{1000}{1000}{100}", "openrouter:x", "pattern", "takes too much memory"),
        (
            "^a",
            r"openrouter:\1",
            "replacement",
            "names the group `1`, which the pattern has not; it has none",
        ),
        (
            "^(a)",
            r"openrouter:\2",
            "replacement",
            "names the group `2`, which the pattern has not; it has one",
        ),
        (
            "^(?P<v>a)",
            r"openrouter:\g<w>",
            "replacement",
            r"group `w`, which the pattern has not; it has `\1` to `\1`, by name \g<v>",
        ),
        ("^a", r"openrouter:\n", "replacement", r"has the escape `\n`, which has no meaning; write"),
        (
            "^a",
            "openrouter:x?temperature=7",
            "replacement",
            "is no name: the parameter `temperature` must be",
        ),
        ("^a", "openrouter:x^openrouter:y", "replacement", "`^` (a draw by weight)"),
        ("^a", "openrouter:x||y", "replacement", "a side of `|` is empty"),
        ("^a", "?top_p=1", "replacement", "the name is missing"),
    ];
    for (pattern, replacement, field, message) in table {
        let good = rule("^b", "openrouter:b");
        let errors = Aliases::compile(&[good, rule(pattern, replacement)]).expect_err(pattern);
        let [error] = errors.as_slice() else { panic!("{errors:?}") };
        assert_eq!((error.index, error.field), (1, field), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("model_aliases[1].{field} ")) && text.contains(message), "{text}");
    }
    let both = Aliases::compile(&[rule("(", "x"), rule("a", "")]).expect_err("two");
    assert_eq!(both.len(), 2);
    // What a group may bring is not known before.
    assert!(Aliases::compile(&[rule("^(.*)", r"openrouter:x?temperature=\1")]).is_ok());
}

#[test]
fn lists_fail_over_in_their_order() {
    let table = [
        ("mine:m|gpt-4o", &["mine:m", "openai:gpt-4o"][..]),
        (" gpt-4o | mine:m?top_k=2 ", &["openai:gpt-4o", r#"mine:m{"top_k":2}"#]),
        ("nonsense:x|mine:m", &["mine:m"]),
        ("gpt-4o|openai:gpt-4o|mine:m", &["openai:gpt-4o", "mine:m"]),
    ];
    for (name, expected) in table {
        assert_eq!(becomes(Names::default(), name), Ok(strings(expected)), "{name}");
    }
    // The order of a list is that of the list, whoever has a key.
    let keyed =
        Case::of(under(Names::default())).model("mine:m|gpt-4o").keyed(|provider| provider.id == "openai");
    assert_eq!(keyed.run(), Ok(strings(&["mine:m", "openai:gpt-4o"])));
}

#[test]
fn other_lists_are_refused_with_what_would_be_right() {
    for (name, why) in [
        ("a:x^b:y", "`^` (a draw by weight)"),
        ("a:x!b:y", "`!` (a race)"),
        ("a:x|b:y^c:z", "ai.models.randomize()"),
        ("[weight=2]a:x", "strategies"),
        ("hybrid:[a:x,b:y]", "`hybrid:`"),
        ("a:x|", "a side of `|` is empty"),
        ("?temperature=1", "no name before the `?`"),
        ("alias:x", "need a rule of model_aliases"),
        (&"openrouter:x|".repeat(40), "more than 32 names"),
        (&"x".repeat(5000), "longer than 4096 bytes"),
    ] {
        let said = becomes(Names::default(), name).expect_err(name);
        assert!(said.contains(why), "{name}: {said}");
    }
    // One bad name among good ones is no hindrance.
    let case = Case::of(under(Names::default())).model("a:x^b:y").models(&["gpt-4o"]);
    assert_eq!(case.run(), Ok(strings(&["openai:gpt-4o"])));
    // Brackets inside of a name are part of it.
    assert_eq!(becomes(Names::default(), "mine:m[1|m]"), Ok(strings(&["mine:m[1|m]"])));
}

#[test]
fn the_default_backend_is_a_provider_or_a_list() {
    let with = |text: &str| Names { default_backend: selector(text), ..Names::default() };
    let slash = "anthropic/claude-3-5-sonnet";
    let sent = |names, name: &str| becomes(names, name);
    assert_eq!(sent(with("openrouter"), slash), Ok(strings(&["openrouter:anthropic/claude-3-5-sonnet"])));
    assert_eq!(sent(with("openrouter"), "gpt-4o"), Ok(strings(&["openai:gpt-4o"])));
    assert_eq!(
        sent(with("openrouter?temperature=0"), "a/b?top_p=1"),
        Ok(strings(&[r#"openrouter:a/b{"temperature":0,"top_p":1}"#]))
    );
    let both = || with("openrouter:openai/gpt-4o?temperature=0|openai:gpt-4o");
    assert_eq!(sent(both(), "a/b"), Ok(strings(&["openrouter:a/b", "openai:a/b"])), "in its order");
    assert!(sent(both(), "nobody:x").is_err());
    let silent = |names| planned(&Case::of(under(names)));
    let models = Ok(strings(&[r#"openrouter:openai/gpt-4o{"temperature":0}"#, "openai:gpt-4o"]));
    assert_eq!(silent(both()), models);
    let auto = planned(&Case::of(under(both())).model("ngrok/auto")).expect("all");
    assert!(auto.len() > 2, "whatever the policy chooses: {auto:?}");
    assert!(silent(with("openrouter")).is_ok_and(|all| all.len() > 2), "it has no model to use");
}

#[test]
fn unknown_backends_are_found() {
    let catalog = tollgate_catalog::Catalog::builtin();
    let unknown = |text: &str| selector(text).unwrap().unknown_in(&catalog, false).map(str::to_owned);
    assert_eq!(unknown("openrouter|openai:gpt-4o|gpt-4o|gemini"), None);
    assert_eq!(unknown("openai:gpt-4o|nope:x").as_deref(), Some("nope"));
    assert_eq!(unknown("openrouterr").as_deref(), Some("openrouterr"));
    for (route, good) in [
        ("openrouter:x/y?temperature=0.1", true),
        ("openrouter:x|openai:y", true),
        ("x/y", false),
        ("a/b:free", false),
        ("openrouter:", false),
        ("openrouter:x|y", false),
        ("openrouter:x?foo=1", false),
    ] {
        let read = Selector::parse_route(route);
        assert_eq!(read.is_ok(), good, "{route}: {read:?}");
    }
    assert!(Selector::parse_route("x/y").is_err_and(|why| why.contains("write backend:model")));
}

#[test]
fn a_forced_model_keeps_the_default_backend_and_a_route_does_not() {
    let backend = || selector("openrouter");
    let forced = |text: &str, default_backend| Names {
        replaced: Some(Replaced::Model(Selector::parse(text).unwrap())),
        default_backend,
        ..rules(&[("^.*$", "mine:m")])
    };
    let sent = |names| becomes(names, "anthropic:claude-opus-4-1?top_p=0.5&temperature=1");
    let params = r#"{"temperature":1,"top_p":0.5}"#;
    let expected = |name: &str| Ok(vec![format!("{name}{params}")]);
    assert_eq!(sent(forced("x/y", backend())), expected("openrouter:x/y"));
    assert_eq!(sent(forced("gpt-4o", backend())), expected("openrouter:gpt-4o"));
    assert_eq!(sent(forced("gpt-4o", None)), expected("openai:gpt-4o"));
    assert_eq!(sent(forced("mine:m", backend())), expected("mine:m"));
    assert!(sent(forced("ngrok/auto", backend())).is_ok_and(|all| all.len() > 2), "the policy chooses");
    let route = Names {
        replaced: Some(Replaced::Route(Selector::parse_route("mine:m?temperature=0.1").unwrap())),
        ..rules(&[("^.*$", "openrouter:z")])
    };
    assert_eq!(sent(route.clone()), Ok(strings(&[r#"mine:m{"temperature":0.1,"top_p":0.5}"#])));
    let plan = Case::of(under(route)).models(&["a", "b"]).plan(true).expect("the route");
    assert_eq!((plan.names[0].by, plan.names[0].becomes.as_str()), (Some("static-route"), "mine:m"));
    assert_eq!((plan.candidates.len(), plan.candidates[0].requested.as_deref()), (1, None));
}

#[test]
fn provider_and_slash() {
    let options = Options { accept_provider_slash: true, ..Options::default() };
    let sent = |name: &str, backend: Option<&str>| {
        let names = Names { default_backend: backend.and_then(selector), ..Names::default() };
        planned(&Case::of(universe(&[], options).with_names(names)).model(name))
    };
    let table = [
        ("openrouter/openai/gpt-4o", None, "openrouter:openai/gpt-4o"),
        ("openrouter/meta-llama/llama-3:free", None, "openrouter:meta-llama/llama-3:free"),
        ("openai/gpt-4o", None, "openai:gpt-4o"),
        ("OpenAI/new-model", None, "openai:new-model"),
        ("openrouter/auto", Some("openrouter"), "openrouter:openrouter/auto"),
        ("openrouter/openrouter/auto", None, "openrouter:openrouter/auto"),
        ("meta-llama/llama-3.3-70b-versatile", None, "groq:llama-3.3-70b-versatile"),
        ("meta-llama/llama-3", Some("openrouter"), "openrouter:meta-llama/llama-3"),
        ("openai:gpt-4o", None, "openai:gpt-4o"),
    ];
    for (name, backend, expected) in table {
        assert_eq!(sent(name, backend), Ok(strings(&[expected])), "{name} {backend:?}");
    }
    assert!(sent("meta-llama/llama-3", None).is_err());
    assert!(becomes(Names::default(), "openrouter/openai/gpt-4o").is_err(), "only where it is wanted");
}

#[test]
fn a_mount_stands_for_a_backend() {
    let sent = |name: &str, names: Names| {
        let mut case = Case::of(under(names)).model(name);
        case.mount = Some("openrouter");
        planned(&case)
    };
    let table = [
        ("anthropic/claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"),
        ("openrouter/auto", "openrouter:openrouter/auto"),
        ("acme/x:free", "openrouter:acme/x:free"),
        ("gpt-4o", "openai:gpt-4o"),
        ("mine:z", "mine:z"),
    ];
    for (name, expected) in table {
        assert_eq!(sent(name, Names::default()), Ok(strings(&[expected])), "{name}");
    }
    let other = Names { default_backend: selector("mine"), ..Names::default() };
    assert_eq!(sent("a/b", other), Ok(strings(&["openrouter:a/b"])), "the path is nearer");
}

#[test]
fn a_known_model_of_the_default_backend_is_known() {
    let mut overlay = custom("house", &[]);
    overlay.models = vec![ModelOverlay { id: "llama3.2:1b".into(), ..ModelOverlay::default() }];
    let options = Options { only_allow_configured_models: true, ..Options::default() };
    let names = || Names { default_backend: selector("house"), ..Names::default() };
    let sent = |name: &str| {
        planned(&Case::of(universe(&[overlay.clone()], options).with_names(names())).model(name))
    };
    assert_eq!(sent("LLAMA3.2:1b"), Ok(strings(&["house:llama3.2:1b"])));
    assert!(sent("other/x").is_err_and(|why| why.contains("not allowed")));
}

#[test]
fn a_variant_is_its_models_variant() {
    let listed = crate::testing::provider("openrouter", &["acme/scout"]);
    let options = Options { only_allow_configured_models: true, ..Options::default() };
    let plan = |name: &str| {
        let names = Names { default_backend: selector("openrouter"), ..Names::default() };
        let universe = universe(std::slice::from_ref(&listed), options).with_names(names);
        Case::of(universe).model(name).strategies(&["ai.models.filter(m, m.known)"]).plan(true)
    };
    for (name, sent) in [
        ("openrouter:acme/scout:free", "acme/scout:free"),
        ("acme/scout:nitro:online", "acme/scout:nitro:online"),
        ("openrouter:ACME/Scout:Free?temperature=1", "ACME/Scout:Free"),
        ("openrouter:acme/scout", "acme/scout"),
    ] {
        let plan = plan(name).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        let [one] = plan.candidates.as_slice() else { panic!("{name}: {plan:?}") };
        assert_eq!((one.provider.id.as_str(), one.upstream_model.as_str()), ("openrouter", sent));
        assert!(one.model.known, "{name}");
    }
    let free = plan("openrouter:acme/scout:free").expect("known").candidates;
    assert_eq!(free[0].model.pricing.input.map(|price| price.dollars_per_million()), Some(0.0));
    let why = plan("openrouter:acme/other:free").expect_err("not listed");
    assert!(why.error.message().contains("not allowed"), "{why}");
    assert!(plan("openrouter:acme/scout:v2").is_err(), "no variant of OpenRouter's");
    // Two variants are two candidates, each with its own position among the models strategies see.
    let universe = universe(std::slice::from_ref(&listed), options);
    let both = Case::of(universe).models(&["openrouter:acme/scout:free", "acme/scout:nitro", "acme/scout"]);
    let expected = ["openrouter:acme/scout:free", "openrouter:acme/scout:nitro", "openrouter:acme/scout"];
    assert_eq!(both.run(), Ok(strings(&expected)));
    let both = both.strategies(&["ai.models.filter(m, m.id == 'acme/scout:nitro')"]);
    assert_eq!(both.run(), Ok(strings(&["openrouter:acme/scout:nitro"])));
}
