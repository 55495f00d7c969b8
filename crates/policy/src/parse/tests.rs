use super::*;
use crate::NodeValue;
use crate::testing::source;
use proptest::prelude::*;
use serde_json::json;
use std::time::Instant;

fn tree(text: &str) -> Node {
    parse(&source(text)).unwrap_or_else(|error| panic!("{error:?}"))
}

fn refused(text: &str) -> Diagnostic {
    parse(&source(text)).expect_err("must be refused")
}

#[test]
fn every_node_and_key_knows_where_it_stands() {
    let root = tree("a: 1\nlist:\n  - x\n  - {k: 'v v'}\n");
    let (key, list) = root.entry("list").unwrap();
    assert_eq!((key.at.line, key.at.column, key.at.end_column), (2, 1, 5));
    let NodeValue::List(items) = &list.value else { panic!() };
    assert_eq!((items[0].at.line, items[0].at.column, items[0].at.end_column), (3, 5, 6));
    let value = items[1].get("k").unwrap();
    assert_eq!((value.at.line, value.at.column, value.at.end_column), (4, 9, 14));
    assert_eq!(root.get("a").unwrap().at.column, 4);
}

#[test]
fn scalars_keep_their_spelling() {
    let root =
        tree("version: 1.10\nbig: 18446744073709551615\nflag: true\nword: yes\nhex: 0x10\nnone: ~\nq: '5'\n");
    let text = |name: &str| root.get(name).unwrap().text().map(str::to_owned);
    assert_eq!(text("version").as_deref(), Some("1.10"));
    assert_eq!(text("big").as_deref(), Some("18446744073709551615"));
    assert_eq!(text("flag").as_deref(), Some("true"));
    assert_eq!(text("hex").as_deref(), Some("0x10"));
    assert_eq!(text("none"), None);
    assert_eq!(root.get("word").unwrap().value, NodeValue::Text("yes".into()));
    assert_eq!(root.get("q").unwrap().value, NodeValue::Text("5".into()));
    assert_eq!(root.get("hex").unwrap().value, NodeValue::Int(16));
}

#[test]
fn json_is_the_same_data() {
    let yaml = "on_http_request:\n  - expressions: [\"req.method == 'POST'\"]\n    actions:\n      - type: deny\n        config: {status_code: 404, s: \"a\\u00e9\\\"b\", f: 1.5, n: null, b: false}\n";
    let json = r#"{"on_http_request": [{"expressions": ["req.method == 'POST'"], "actions": [
        {"type": "deny", "config": {"status_code": 404, "s": "a\u00e9\"b", "f": 1.5, "n": null, "b": false}}]}]}"#;
    assert_eq!(tree(yaml).to_json(), tree(json).to_json());
    assert_eq!(tree(json).to_json(), serde_json::from_str::<serde_json::Value>(json).unwrap());
    assert_eq!(
        tree("{\"a\":\n\t\"tabs are fine in JSON\"}").to_json(),
        json!({"a": "tabs are fine in JSON"})
    );
}

#[test]
fn keys_that_look_like_other_things_are_text() {
    assert_eq!(tree("200: a\ntrue: b\n1.0: c\n").to_json(), json!({"200": "a", "true": "b", "1.0": "c"}));
}

#[test]
fn a_byte_order_mark_is_no_column() {
    let root = tree("\u{feff}a: b\n");
    let (key, value) = root.entry("a").unwrap();
    assert_eq!((key.at.column, value.at.column), (1, 4));
}

#[test]
fn aliases_and_merges_stand_where_they_are_defined() {
    let root = tree("base: &b {k: 1, z: 9}\ncopy: *b\nmore: {<<: *b, z: 3}\n");
    assert_eq!(root.get("copy").unwrap().get("k").unwrap().at.line, 1);
    assert_eq!(root.get("more").unwrap().to_json(), json!({"k": 1, "z": 3}));
}

#[test]
fn duplicate_keys_are_refused_each_where_it_is() {
    let first = refused("a: 1\nb: 2\na: 3\n");
    assert_eq!((first.at.line, first.at.column), (3, 1));
    assert_eq!(first.message, "the key `a` is already on line 1");
    let text = "a: 1\na: 2\nb: {c: 1, c: 2}\n1: x\n1: y\n";
    let lines = LineIndex::new(text.into());
    let parsed = read(&source(text), &lines);
    let places: Vec<_> = parsed.found.iter().map(|d| (d.at.line, d.at.column)).collect();
    assert_eq!(places, [(2, 1), (3, 11), (5, 1)]);
    assert_eq!(parsed.root.unwrap().to_json(), json!({"a": 2, "b": {"c": 2}, "1": "y"}));
}

#[test]
fn what_is_no_document_is_refused_with_a_position() {
    for (text, line, part) in [
        ("a: b\0c\n", 1, "U+0000"),
        ("a: \u{1b}[31m\n", 1, "U+001B"),
        ("a: [1, 2\nb: 3\n", 2, "not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "one document"),
        ("a: *nowhere\n", 1, "anchor"),
        ("a: !req.tls\n", 1, "tag"),
        ("a: ! req.tls\n", 1, "tag"),
        ("a: !!python/object x\n", 1, "tag"),
        ("a:\n\t- b\n", 2, "not valid YAML"),
        ("? [1, 2]\n: x\n", 1, "a key must be text"),
        ("a: &x [*x]\n", 1, ""),
        ("\"a\n", 1, ""),
        ("a: \u{feff}b\n", 1, "U+FEFF"),
    ] {
        let found = refused(text);
        assert!(found.message.contains(part), "{text:?}: {}", found.message);
        assert!(found.at.line.abs_diff(line) <= 1, "{text:?}: {:?} {}", found.at, found.message);
        assert_eq!(found.code, "ERR_NGROK_2236");
    }
}

#[test]
fn hostile_documents_are_refused_at_once() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let merges: String = (1..60).map(|n| format!("m{n}: &m{n} {{<<: [*m{0}, *m{0}]}}\n", n - 1)).collect();
    let hostile = [
        bomb,
        format!("m0: &m0 {{a: 1}}\n{merges}"),
        "[".repeat(100_000),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{}1{}", "{a: ".repeat(100_000), "}".repeat(100_000)),
        "- ".repeat(100_000),
        (0..2_000)
            .map(|n| format!("{}a:\n", " ".repeat(n)))
            .collect::<String>()
            .chars()
            .take(MAX_TEXT)
            .collect(),
        format!("a: {}\n", "x".repeat(MAX_TEXT)),
        format!("[{}]", "1,".repeat(150_000)),
        "&a ".repeat(100_000),
        "? ".repeat(100_000),
        "!".repeat(100_000),
        format!("a: \"{}", "\\".repeat(100_001)),
        "--- a\n".repeat(10_000),
        "%".repeat(10_000),
    ];
    for text in hostile {
        let started = Instant::now();
        let found = refused(&text);
        let start: String = text.chars().take(20).collect();
        assert!(started.elapsed().as_secs() < 5, "{start}: {:?}", started.elapsed());
        assert!(
            found.at.line >= 1 && found.at.column >= 1 && found.message.len() < 300,
            "{start}: {found:?}"
        );
    }
}

#[test]
fn large_ordinary_documents_are_read_quickly() {
    let items: String = (0..90_000).map(|n| format!("{n},")).collect();
    let started = Instant::now();
    tree(&format!("[{items}]"));
    let text: String = (0..20_000).map(|n| format!("- {{é: 'ü{n}'}}\n")).collect();
    tree(&text);
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        let _ = parse(&source(&text));
    }

    #[test]
    fn arbitrary_yaml_like_text_never_panics(text in "[-a: \n\t\\[\\]{}&*!|>'\"#%@`,?\\\\é\r]{0,120}") {
        let _ = parse(&source(&text));
    }

    #[test]
    fn what_json_can_say_is_read_as_json_reads_it(value in json_value()) {
        prop_assert_eq!(tree(&value.to_string()).to_json(), value.clone());
        prop_assert_eq!(tree(&format!("{value:#}")).to_json(), value);
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[ -~éü\n\t\"\\\\]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map("[a-z ]{1,6}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
