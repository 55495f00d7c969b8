use super::*;
use crate::testing::source;
use crate::{NodeValue, parse};
use proptest::prelude::*;

/// The characters of the file that the characters of the value of `e` came from.
fn traced(text: &str) -> (String, String, bool) {
    let root = parse(&source(text)).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
    let node = root.get("e").unwrap().clone();
    let NodeValue::Text(value) = node.value else { panic!("{text:?}") };
    let map = ScalarMap::new(text, &node.raw, &value);
    let traced =
        (0..value.chars().count()).map(|at| text[map.offset(at)..].chars().next().unwrap_or('$')).collect();
    (value, traced, map.is_exact())
}

#[test]
fn every_style_is_followed_exactly() {
    for text in [
        "e: a + b\n",
        "e: a + b # c\n",
        "e: a +\n   b\n",
        "e: a +\n\n   b\n\n   c\n",
        "e:\n  a +\n  b\n",
        "e: 'a + b'\n",
        "e: 'it''s'\n",
        "e: 'a +\n  b\n\n  c'\n",
        "e:\n  'a'\n",
        "e: \"a + b\"\n",
        "e: \"a \\\"b\\\" \\u00e9 \\x41 \\U0001F600 \\n c\"\n",
        "e: \"a +\n  b \\\n  c\\t\n\n  d\"\n",
        "e: \"\\ud83d\\ude00 x\"\n",
        "{\"e\": \"a \\/ b\"}",
        "e: |\n  a +\n    b\nf: 1\n",
        "e: |-  # comment\n\n\n  a +\n\n  b\n",
        "e: |+\n  a\n\n\nf: 1\n",
        "e: |2\n    a\n  b\n",
        "e: |\n  'a' == b\n",
        "e: |\n  \"a\" == b\n",
        "e: >\n  a +\n  b\n",
        "e: >-\n  a +\n  b\n\n  c\n",
        "e: >\n  a\n    more\n    indented\n  b\n  c\n",
        "e: >\n\n  a\n\n\n  b\n\n    c\n\n  d\n",
        "e: |\n  a\n  b",
        "e: |\r\n  a\r\n  b\r\nf: 1\r\n",
        "e: >-\r\n  a\r\n  b\r\n",
        "e: 'a\r\n  b'\r\n",
        "e: &x a + b\n",
        "x: &q 'a ''b'\ne: *q\n",
        "e: é + ü\n",
        "\u{feff}e: é + ü\n",
    ] {
        let (value, traced, exact) = traced(text);
        assert!(exact, "{text:?} -> {value:?}");
        for (wanted, found) in value.chars().zip(traced.chars()) {
            let same = wanted == found
                || (wanted == ' ' && matches!(found, '\n' | '\r'))
                || (wanted == '\n' && found == '\r')
                || found == '\\'
                || (wanted == '\n' && found == ' ');
            assert!(same || wanted == '\n', "{text:?}: {value:?} came from {traced:?}");
        }
    }
}

#[test]
fn past_the_end_is_the_end() {
    let text = "e: 'ab'\nf: 1\n";
    let root = parse(&source(text)).unwrap();
    let node = root.get("e").unwrap();
    let map = ScalarMap::new(text, &node.raw, "ab");
    assert_eq!(map.offset(0), 4);
    assert_eq!(map.offset(99), 7);
}

#[test]
fn characters_are_counted_over_lines() {
    assert_eq!(character_at("ab\ncd", 1, 2), 1);
    assert_eq!(character_at("éb\ncd", 2, 1), 3);
}

proptest! {
    /// Whatever is written in double quotes, a letter of the value comes from that letter in the file.
    #[test]
    fn letters_come_from_themselves(words in prop::collection::vec("[a-z]{1,5}", 1..8), glue in prop::collection::vec(0usize..6, 8)) {
        let glues = [" ", "\n  ", " \n\n  ", "\\n", "\\\n  ", "\\u00e9"];
        let mut text = String::from("e: \"");
        for (word, glue) in words.iter().zip(glue) {
            text.push_str(word);
            text.push_str(glues[glue]);
        }
        text.push_str("end\"\n");
        let (value, traced, exact) = traced(&text);
        prop_assert!(exact, "{:?}", text);
        for (wanted, found) in value.chars().zip(traced.chars()).filter(|(c, _)| c.is_ascii_lowercase()) {
            prop_assert_eq!(wanted, found);
        }
    }

    /// The same for block scalars.
    #[test]
    fn letters_of_blocks_come_from_themselves(
        lines in prop::collection::vec(prop_oneof![Just(String::new()), "[ ]{0,3}[a-z]{1,4}"], 1..8),
        style in prop_oneof![Just("|"), Just(">"), Just("|-"), Just(">-"), Just("|+"), Just(">+")],
    ) {
        let body: String = lines.iter().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect();
        let text = format!("e: {style}2\n{body}f: 1\n");
        let Ok(root) = parse(&source(&text)) else { return Ok(()) };
        let Some(NodeValue::Text(_)) = root.get("e").map(|node| &node.value) else { return Ok(()) };
        let (value, traced, exact) = traced(&text);
        prop_assert!(exact || value.trim().is_empty(), "{:?} {:?}", text, value);
        for (wanted, found) in value.chars().zip(traced.chars()).filter(|(c, _)| c.is_ascii_lowercase()) {
            prop_assert_eq!(wanted, found, "{:?} {:?} {:?}", text, value, traced);
        }
    }
}
