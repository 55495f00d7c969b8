//! Tables and properties of body edits.

use super::*;
use crate::peek;
use proptest::prelude::*;
use serde_json::json;

const CHAT: Surface = Surface::ChatCompletions;

fn run(body: &str, edits: &Edits<'_>) -> (String, Vec<String>) {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let edited = edit(&body, &peek(&body).unwrap(), edits);
    let text = edited.chunks.concat();
    assert_eq!(text.len(), edited.len());
    (String::from_utf8(text).unwrap(), edited.dropped)
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn nothing_to_do_is_the_same_bytes() {
    let body = Bytes::from_static(b" {\"model\":\"a\\u0062\", \"temperature\":1.0, \"stream\":true} ");
    let merge = map(json!({"temperature": 1.0}));
    let edits = Edits {
        model: Some("ab"),
        remove_models: true,
        merge: Some(&merge),
        max_output_tokens: None,
        ..Edits::none(CHAT)
    };
    let edited = edit(&body, &peek(&body).unwrap(), &edits);
    assert_eq!(edited.chunks.len(), 1);
    assert_eq!(edited.chunks[0].as_ptr(), body.as_ptr());
    assert!(!edited.is_empty());
}

#[test]
fn model_and_models() {
    let edits = Edits { model: Some("x\"y"), remove_models: true, ..Edits::none(CHAT) };
    for (body, want) in [
        (r#"{"model":"a"}"#, r#"{"model":"x\"y"}"#),
        (r#"{ "model" : "a" , "n":1.50e0 }"#, r#"{ "model" : "x\"y" , "n":1.50e0 }"#),
        (r#"{"model":null,"model":"b"}"#, r#"{"model":"x\"y","model":"x\"y"}"#),
        (r#"{"models":["a"],"n":1}"#, r#"{"n":1,"model":"x\"y"}"#),
        (r#"{"n":1, "models":["a"] }"#, r#"{"n":1,"model":"x\"y" }"#),
        (r#"{"n":1, "models":["a"], "o":2}"#, r#"{"n":1, "o":2,"model":"x\"y"}"#),
        (r#"{ "models":["a"] }"#, r#"{ "model":"x\"y" }"#),
        (r#"{"models":[],"models":["a"],"m\u006fdels":null}"#, r#"{"model":"x\"y"}"#),
        (r"{}", r#"{"model":"x\"y"}"#),
        ("{\n}", "{\"model\":\"x\\\"y\"\n}"),
    ] {
        assert_eq!(run(body, &edits).0, want, "{body}");
    }
}

#[test]
fn removals_leave_right_commas() {
    let deny = names(&["a", "c"]);
    let lists = [deny.as_slice()];
    let edits = Edits { deny: &lists, ..Edits::none(CHAT) };
    for (body, want, dropped) in [
        (r#"{"a":1}"#, "{}", &["a"][..]),
        (r#"{ "a":1, "b":2 }"#, r#"{ "b":2 }"#, &["a"]),
        (r#"{"b":2 , "a":1 }"#, r#"{"b":2 }"#, &["a"]),
        (r#"{"a":1,"b":2,"c":3}"#, r#"{"b":2}"#, &["a", "c"]),
        (r#"{"a":1,"c":2,"b":3}"#, r#"{"b":3}"#, &["a", "c"]),
        (r#"{"b":1,"a":2,"c":3}"#, r#"{"b":1}"#, &["a", "c"]),
        (r#"{"a":1,"a":2,"c":3}"#, "{}", &["a", "c"]),
        (r#"{"b":1,"a":2,"d":3,"c":4,"e":5}"#, r#"{"b":1,"d":3,"e":5}"#, &["a", "c"]),
        (r#"{"b":{"a":1}}"#, r#"{"b":{"a":1}}"#, &[]),
    ] {
        assert_eq!(run(body, &edits), (want.to_owned(), names(dropped)), "{body}");
    }
}

#[test]
fn allow_then_deny_and_the_model_stays() {
    let allow = names(&["messages", "temperature"]);
    let deny = names(&["temperature", "model"]);
    let lists = [deny.as_slice()];
    let body = r#"{"model":"m","messages":[],"temperature":1,"top_p":0.5}"#;
    let edits = Edits { allow: &allow, deny: &lists, ..Edits::none(CHAT) };
    let (text, dropped) = run(body, &edits);
    assert_eq!(text, r#"{"model":"m","messages":[]}"#);
    assert_eq!(dropped, ["temperature", "top_p"]);
    for surface in [Surface::Embeddings, Surface::Completions, Surface::CountTokens] {
        let (text, dropped) = run(body, &Edits { surface, ..edits });
        assert_eq!(text, r#"{"model":"m","messages":[],"top_p":0.5}"#);
        assert_eq!(dropped, ["temperature"]);
    }
}

#[test]
fn merge_wins_and_is_deep() {
    let merge = map(json!({
        "temperature": 0.5, "user": null, "list": [1], "new": {"deep": {"x": 1}},
        "provider": {"order": ["a"], "max": {"price": 2}, "sort": null}
    }));
    let edits = Edits { merge: Some(&merge), ..Edits::none(CHAT) };
    let body = r#"{"temperature":1e0,"list":[9, 9],"provider": { "max":{"image": 1.00}, "order":[],"zdr" :true },"z":[ ]}"#;
    let want = r#"{"temperature":0.5,"list":[1],"provider": { "max":{"image": 1.00,"price":2}, "order":["a"],"zdr" :true,"sort":null },"z":[ ],"user":null,"new":{"deep":{"x":1}}}"#;
    assert_eq!(run(body, &edits).0, want);
    assert_eq!(
        run(r#"{"provider":5,"new":{ }}"#, &edits).0,
        r#"{"provider":{"order":["a"],"max":{"price":2},"sort":null},"new":{ "deep":{"x":1}},"temperature":0.5,"user":null,"list":[1]}"#
            .replace(r#"{ "deep":{"x":1}}"#, r#"{"deep":{"x":1} }"#)
    );
}

#[test]
fn merged_models_reach_the_provider() {
    let merge = map(json!({"models": ["b"]}));
    let edits = Edits { remove_models: true, merge: Some(&merge), ..Edits::none(CHAT) };
    assert_eq!(run(r#"{"models":["a"],"n":1}"#, &edits).0, r#"{"models":["b"],"n":1}"#);
    assert_eq!(run(r#"{"n":1}"#, &edits).0, r#"{"n":1,"models":["b"]}"#);
}

#[test]
fn output_cap() {
    for (surface, reasoning, body, want) in [
        (CHAT, false, r"{}", r#"{"max_tokens":100}"#),
        (CHAT, true, r"{}", r#"{"max_completion_tokens":100}"#),
        (CHAT, false, r#"{"max_tokens":null}"#, r#"{"max_tokens":100}"#),
        (CHAT, false, r#"{"max_tokens":200}"#, r#"{"max_tokens":100}"#),
        (CHAT, false, r#"{"max_tokens":1e9}"#, r#"{"max_tokens":100}"#),
        (CHAT, false, r#"{"max_tokens":-1}"#, r#"{"max_tokens":100}"#),
        (CHAT, false, r#"{"max_tokens":"9999"}"#, r#"{"max_tokens":100}"#),
        (CHAT, false, r#"{"max_tokens":99.0}"#, r#"{"max_tokens":99.0}"#),
        (CHAT, false, r#"{"max_tokens":1e2}"#, r#"{"max_tokens":1e2}"#),
        (CHAT, true, r#"{"max_tokens":50}"#, r#"{"max_tokens":50}"#),
        (CHAT, false, r#"{"max_completion_tokens":101}"#, r#"{"max_completion_tokens":100}"#),
        (
            CHAT,
            false,
            r#"{"max_tokens":null,"max_completion_tokens":50}"#,
            r#"{"max_tokens":null,"max_completion_tokens":50}"#,
        ),
        (Surface::Completions, true, r"{}", r#"{"max_tokens":100}"#),
        (Surface::Responses, false, r"{}", r#"{"max_output_tokens":100}"#),
        (Surface::Responses, false, r#"{"max_output_tokens":101}"#, r#"{"max_output_tokens":100}"#),
        (Surface::Messages, false, r#"{"max_tokens":4096}"#, r#"{"max_tokens":100}"#),
        (Surface::Embeddings, false, r#"{"max_tokens":4096}"#, r#"{"max_tokens":4096}"#),
        (Surface::CountTokens, false, r"{}", r"{}"),
    ] {
        let edits =
            Edits { max_output_tokens: Some(100), reasoning_model: reasoning, ..Edits::none(surface) };
        assert_eq!(run(body, &edits).0, want, "{surface:?} {reasoning} {body}");
    }
}

#[test]
fn output_cap_goes_where_it_survives() {
    let deny = names(&["max_tokens"]);
    let lists = [deny.as_slice()];
    let edits = Edits { max_output_tokens: Some(7), deny: &lists, ..Edits::none(CHAT) };
    assert_eq!(run(r"{}", &edits), (r#"{"max_completion_tokens":7}"#.to_owned(), vec![]));
    assert_eq!(
        run(r#"{"max_tokens":3}"#, &edits),
        (r#"{"max_completion_tokens":7}"#.to_owned(), names(&["max_tokens"]))
    );
}

#[test]
fn usage_is_asked_for_in_streams_only() {
    let ask = |surface| Edits { include_usage: true, ..Edits::none(surface) };
    for (surface, body, want) in [
        (CHAT, r#"{"stream":true}"#, r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
        (CHAT, r#"{"stream":false}"#, r#"{"stream":false}"#),
        (CHAT, r"{}", r"{}"),
        (
            CHAT,
            r#"{"stream":true,"stream_options":{"include_usage": false}}"#,
            r#"{"stream":true,"stream_options":{"include_usage": true}}"#,
        ),
        (
            CHAT,
            r#"{"stream":true,"stream_options":{ "x":1}}"#,
            r#"{"stream":true,"stream_options":{ "x":1,"include_usage":true}}"#,
        ),
        (
            CHAT,
            r#"{"stream_options":null,"stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"stream":true}"#,
        ),
        (Surface::Responses, r#"{"stream":true}"#, r#"{"stream":true}"#),
        (Surface::Messages, r#"{"stream":true}"#, r#"{"stream":true}"#),
    ] {
        assert_eq!(run(body, &ask(surface)).0, want, "{body}");
    }
    let merge = map(json!({"stream": true, "stream_options": {"x": 1}}));
    let edits = Edits { merge: Some(&merge), ..ask(CHAT) };
    assert_eq!(
        run(r#"{"stream":false}"#, &edits).0,
        r#"{"stream":true,"stream_options":{"x":1,"include_usage":true}}"#
    );
    let deny = names(&["stream_options"]);
    let lists = [deny.as_slice()];
    let edits = Edits { deny: &lists, ..ask(CHAT) };
    assert_eq!(run(r#"{"stream":true}"#, &edits), (r#"{"stream":true}"#.to_owned(), vec![]));
}

#[test]
fn long_bodies_are_slices_of_the_original() {
    let text = format!(r#"{{"model":"a","pad":"{}","models":["b"]}}"#, "x".repeat(300 * 1024));
    let body = Bytes::from(text.clone());
    let edits = Edits { model: Some("long-name"), remove_models: true, ..Edits::none(CHAT) };
    let edited = edit(&body, &peek(&body).unwrap(), &edits);
    assert_eq!(edited.chunks.len(), 4);
    assert_eq!(edited.chunks[2].as_ptr(), body[text.find(",\"pad").unwrap()..].as_ptr());
    let want = text.replace("\"a\"", "\"long-name\"").replace(",\"models\":[\"b\"]", "");
    assert_eq!(edited.chunks.concat(), want.as_bytes());
}

// ---- the same edit, done naively on values ----

fn deep_merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(key) {
                    Some(slot) => deep_merge(slot, value),
                    None => {
                        into.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn naive(mut value: Value, edits: &Edits<'_>) -> Value {
    let allowed = |name: &str| {
        name == "model"
            || (edits.allow.is_empty() || edits.allow.iter().any(|a| a == name))
                && !edits.deny.iter().any(|l| l.iter().any(|d| d == name))
    };
    if edits.remove_models {
        value.as_object_mut().unwrap().shift_remove("models");
    }
    if let Some(merge) = edits.merge {
        deep_merge(&mut value, &Value::Object(merge.clone()));
    }
    if let Some(model) = edits.model {
        value["model"] = json!(model);
    }
    if let Some(cap) = edits.max_output_tokens {
        let mut fields = vec!["max_tokens", "max_completion_tokens"];
        if edits.reasoning_model {
            fields.reverse();
        }
        let set: Vec<_> = fields.iter().filter(|f| allowed(f) && !value[**f].is_null()).copied().collect();
        for field in &set {
            if !value[*field].as_f64().is_some_and(|n| (0.0..=cap as f64).contains(&n)) {
                value[*field] = json!(cap);
            }
        }
        fields.truncate(if edits.reasoning_model { 1 } else { 2 });
        if set.is_empty()
            && let Some(field) = fields.iter().find(|f| allowed(f))
        {
            value[*field] = json!(cap);
        }
    }
    if edits.include_usage && value["stream"] == json!(true) && allowed("stream") {
        deep_merge(&mut value, &json!({"stream_options": {"include_usage": true}}));
    }
    let mut map = map(value);
    map.retain(|name, _| allowed(name));
    Value::Object(map)
}

const KEYS: [&str; 10] = [
    "model",
    "models",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "a",
    "b",
    "ключ",
    "include_usage",
];

fn key() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&KEYS[..])
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-50i64..300).prop_map(Value::from),
        (-4i16..800).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        "[a-z\"\\\\é]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec((key(), inner), 0..4)
                .prop_map(|list| Value::Object(list.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

/// A member's value as its key allows, so that the body passes `peek`.
fn member() -> impl Strategy<Value = (&'static str, Value)> {
    (key(), value()).prop_map(|(key, value)| match key {
        "model" => (key, if value.is_string() { value } else { Value::Null }),
        "models" => (key, json!(["m"])),
        _ => (key, value),
    })
}

/// Members to a body, with duplicates, odd spacing and escaped keys.
fn body() -> impl Strategy<Value = String> {
    let space = || "[ \n\t]{0,2}";
    proptest::collection::vec((member(), space(), space(), any::<bool>()), 0..7).prop_map(|members| {
        let parts: Vec<String> = members
            .into_iter()
            .map(|((key, value), a, b, escape)| {
                let key = if escape { key.replace('m', "\\u006d") } else { key.to_owned() };
                format!("{a}\"{key}\"{b}:{a}{value}{b}")
            })
            .collect();
        format!("{{{}}}", parts.join(","))
    })
}

fn texts(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let object = crate::json::members(body).unwrap();
    let key = |m: &crate::json::Member| crate::json::string(&body[m.key.clone()]).unwrap().into_owned();
    object.members.iter().map(|m| (key(m), body[m.value.clone()].to_vec())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn same_as_naive(
        text in body(),
        model in proptest::option::of("[a-z/:]{1,5}"),
        remove_models: bool,
        merge in proptest::option::of(proptest::collection::vec((key(), value()), 0..4)),
        max_output_tokens in proptest::option::of(0u64..200),
        reasoning_model: bool,
        allow in proptest::collection::vec(key(), 0..4),
        deny in proptest::collection::vec(key(), 0..3),
        include_usage: bool,
    ) {
        let merge: Option<Map<String, Value>> =
            merge.map(|list| list.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
        let (allow, deny) = (names(&allow), names(&deny));
        let lists = [deny.as_slice()];
        let edits = Edits {
            model: model.as_deref(), remove_models, merge: merge.as_ref(), max_output_tokens, reasoning_model,
            surface: CHAT, allow: &allow, deny: &lists, include_usage,
            ..Edits::none(CHAT)
        };
        let before: Value = serde_json::from_str(&text).unwrap();
        let (after, _) = run(&text, &edits);
        let want = naive(before.clone(), &edits);
        prop_assert_eq!(&serde_json::from_str::<Value>(&after).unwrap(), &want, "{} -> {}", text, after);
        // Members that mean the same as before are spelled as before.
        let (old, new) = (texts(text.as_bytes()), texts(after.as_bytes()));
        for (name, value) in want.as_object().unwrap() {
            if before.get(name) == Some(value) && !matches!(value, Value::Object(_) | Value::Array(_)) {
                let last = |list: &[(String, Vec<u8>)]| list.iter().rev().find(|(n, _)| n == name).unwrap().1.clone();
                prop_assert_eq!(last(&old), last(&new));
            }
        }
        // Order is kept: what is left of the old members comes first, in the old order.
        let kept: Vec<_> = old.iter().map(|(n, _)| n).filter(|n| want.get(n.as_str()).is_some()).collect();
        prop_assert_eq!(kept, new.iter().map(|(n, _)| n).take(kept_len(&old, &want)).collect::<Vec<_>>());
    }
}

fn kept_len(old: &[(String, Vec<u8>)], want: &Value) -> usize {
    old.iter().filter(|(name, _)| want.get(name.as_str()).is_some()).count()
}

#[test]
fn members_under_another_name() {
    let pairs = [("seed", "random_seed"), ("max_completion_tokens", "max_tokens")];
    let rename: BTreeMap<String, String> =
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    let forced = serde_json::json!({"seed": 9});
    for (body, merge, cap, want, dropped) in [
        (r#"{"seed" : 7, "a":1.0}"#, false, None, r#"{"random_seed" : 7, "a":1.0}"#, &[][..]),
        (r#"{"s\u0065ed":7}"#, false, None, r#"{"random_seed":7}"#, &[]),
        (r#"{"max_completion_tokens":50}"#, false, Some(10), r#"{"max_tokens":10}"#, &[]),
        (r#"{"max_completion_tokens":5,"a":1}"#, false, Some(10), r#"{"max_tokens":5,"a":1}"#, &[]),
        (r#"{"seed":7,"random_seed":8}"#, false, None, r#"{"random_seed":8}"#, &["seed"]),
        (r#"{"a":1}"#, true, None, r#"{"a":1,"random_seed":9}"#, &[]),
        (r#"{"seed":7}"#, true, None, r#"{"random_seed":9}"#, &[]),
        (r#"{"random_seed":7}"#, true, None, r#"{"random_seed":7}"#, &["seed"]),
        (r#"{"a":1}"#, false, Some(10), r#"{"a":1,"max_tokens":10}"#, &[]),
        (r#"{ "messages":[{"seed":1}] }"#, false, None, r#"{ "messages":[{"seed":1}] }"#, &[]),
    ] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let edits = Edits {
            rename: Some(&rename),
            merge: forced.as_object().filter(|_| merge),
            max_output_tokens: cap,
            ..Edits::none(Surface::ChatCompletions)
        };
        let out = edit(&body, &peek(&body).unwrap(), &edits);
        let got = String::from_utf8(out.chunks.concat()).unwrap();
        assert_eq!(
            (got.as_str(), out.dropped),
            (want, dropped.iter().map(|name| (*name).to_owned()).collect())
        );
    }
}
