//! The part of a body that rules look at.

use serde_json::Value;

/// How many bytes of a body rules look at.
pub const SAMPLE: usize = 4 << 10; // 4 KiB

/// How deep JSON may be nested for the rules' parser: below what `core_rules.rs` sets.
const MAX_DEPTH: usize = 500;

/// The beginning of a body, in a form the rules' parsers can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample(Vec<u8>);

impl Sample {
    /// The first [`SAMPLE`] bytes of a body of this media type.
    ///
    /// JSON that is cut off is closed, because a parser gives the rules nothing of a text whose end it has not seen. What
    /// is no JSON despite its type becomes one JSON text, so that rules look at it all the same.
    #[must_use]
    pub fn new(content_type: &str, body: &[u8]) -> Self {
        let begin = body.get(..SAMPLE).unwrap_or(body);
        if begin.is_empty() || !is_json(content_type) {
            return Self(begin.to_vec());
        }
        let cut = begin.len() < body.len();
        // The rules' parser takes UTF-8 only.
        let text = String::from_utf8_lossy(if cut { whole_characters(begin) } else { begin });
        let closed = if cut { close(text.as_bytes()) } else { text.as_bytes().to_vec() };
        if depth(&closed) <= MAX_DEPTH && serde_json::from_slice::<serde::de::IgnoredAny>(&closed).is_ok() {
            return Self(closed);
        }
        Self(Value::from(vec![text.into_owned()]).to_string().into_bytes())
    }

    /// What rules see.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether rules are to read this type as JSON. Says the same as rule 200001 in `core_rules.rs`.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    media_type == "application/json"
        || media_type.starts_with("application/") && media_type.ends_with("+json")
}

/// How deep JSON is nested, or more: brackets in texts are counted too.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for byte in json {
        match byte {
            b'[' | b'{' => now += 1,
            b']' | b'}' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// What may come next in a JSON text.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    /// A key or the end of the object.
    Key,
    /// The colon after a key.
    Colon,
    /// A value.
    Value,
    /// A comma or an end.
    Comma,
}

/// Where the reading of a JSON text stands.
struct Cut {
    /// The ends of what is open, innermost last.
    open: Vec<u8>,
    next: Next,
    /// Up to here the text is whole tokens.
    whole: usize,
}

/// Ends a JSON text that was cut off anywhere: the text or member it breaks off in is ended there, a number or word that
/// may not be whole is left out.
fn close(begin: &[u8]) -> Vec<u8> {
    let mut cut = Cut { open: Vec::new(), next: Next::Value, whole: 0 };
    let mut at = 0;
    let mut unfinished_text = false;
    while let Some(byte) = begin.get(at) {
        at += 1;
        match byte {
            b'"' => match end_of_text(begin, at) {
                Some(end) => at = end,
                None => {
                    unfinished_text = true;
                    break;
                }
            },
            b'{' | b'[' | b'}' | b']' | b',' | b':' => {}
            byte if byte.is_ascii_whitespace() => continue,
            _ => match begin.iter().skip(at).position(|b| b",]} \t\r\n".contains(b)) {
                Some(length) => at += length,
                None => break,
            },
        }
        cut.take(*byte);
        cut.whole = at;
    }
    cut.end(begin, unfinished_text)
}

impl Cut {
    /// Moves on by a token that begins with this byte.
    fn take(&mut self, first: u8) {
        let in_object = self.open.last() == Some(&b'}');
        self.next = match first {
            b'{' => {
                self.open.push(b'}');
                Next::Key
            }
            b'[' => {
                self.open.push(b']');
                Next::Value
            }
            b'}' | b']' => {
                self.open.pop();
                Next::Comma
            }
            b',' if in_object => Next::Key,
            b',' | b':' => Next::Value,
            _ if self.next == Next::Key => Next::Colon,
            _ => Next::Comma,
        };
    }

    fn end(mut self, begin: &[u8], unfinished_text: bool) -> Vec<u8> {
        let mut closed = if unfinished_text {
            self.take(b'"');
            let mut closed = whole_escapes(begin).to_vec();
            closed.push(b'"');
            closed
        } else {
            begin.get(..self.whole).unwrap_or(begin).to_vec()
        };
        let after_comma = closed.last() == Some(&b',');
        match self.next {
            Next::Key if after_comma => closed.extend_from_slice(b"\"\":null"),
            Next::Colon => closed.extend_from_slice(b":null"),
            Next::Value if closed.last() != Some(&b'[') => closed.extend_from_slice(b"null"),
            _ => {}
        }
        closed.extend(self.open.iter().rev());
        closed
    }
}

/// Where a text ends whose quote is right before `from`: after the other quote.
fn end_of_text(begin: &[u8], from: usize) -> Option<usize> {
    let mut escaped = false;
    let end = begin.iter().skip(from).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    Some(from + end + 1)
}

/// The bytes without a character of UTF-8 at their end that is not whole.
fn whole_characters(begin: &[u8]) -> &[u8] {
    // A character has at most four bytes, so one that is cut off has at most three.
    let lead = begin.iter().rev().take(3).position(|byte| *byte >= 0xc0);
    let Some(after) = lead else { return begin };
    let at = begin.len() - after - 1;
    let tail = begin.get(at..).unwrap_or_default();
    let cut_off = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
    if cut_off { begin.get(..at).unwrap_or(begin) } else { begin }
}

/// The beginning of a JSON text without an escape sequence at its end that is not whole.
fn whole_escapes(begin: &[u8]) -> &[u8] {
    // `\u00e9` has six bytes, so one that is cut off has at most five.
    let near = begin.len().saturating_sub(5);
    let Some(at) = begin.iter().rposition(|byte| *byte == b'\\').filter(|at| *at >= near) else {
        return begin;
    };
    let backslashes = begin.iter().take(at + 1).rev().take_while(|byte| **byte == b'\\').count();
    let rest = begin.get(at + 1..).unwrap_or_default();
    let whole = backslashes % 2 == 0
        || match rest.first() {
            None => false,
            Some(b'u') => rest.len() >= 5,
            Some(_) => true,
        };
    if whole { begin } else { begin.get(..at).unwrap_or(begin) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn closed(begin: &str) -> String {
        let closed = String::from_utf8(close(begin.as_bytes())).expect("text");
        assert!(serde_json::from_str::<Value>(&closed).is_ok(), "{begin} became {closed}");
        closed
    }

    #[test]
    fn json_is_closed_wherever_it_is_cut() {
        assert_eq!(closed(r#"{"a": [{"b": "x' or "#), r#"{"a": [{"b": "x' or "}]}"#);
        assert_eq!(closed(r#"{"a": 1, "b"#), r#"{"a": 1, "b":null}"#);
        assert_eq!(closed(r#"{"a": 1, "#), r#"{"a": 1,"":null}"#);
        assert_eq!(closed(r#"{"a":"#), r#"{"a":null}"#);
        assert_eq!(closed(r#"{"a": tru"#), r#"{"a":null}"#);
        assert_eq!(closed(r#"[1, 2"#), r#"[1,null]"#);
        assert_eq!(closed(r#"["\"\\"#), r#"["\"\\"]"#);
        assert_eq!(closed(r#"["a\"#), r#"["a"]"#);
        assert_eq!(closed(r#"["a\u00"#), r#"["a"]"#);
        assert_eq!(closed(r#"["a\u00e9"#), r#"["a\u00e9"]"#);
    }

    #[test]
    fn what_is_no_json_is_looked_at_as_a_text() {
        assert_eq!(Sample::new("application/json", b"{'a': \"b").bytes(), br#"["{'a': \"b"]"#);
        assert_eq!(Sample::new("application/JSON; charset=utf-8", b"nope").bytes(), br#"["nope"]"#);
        assert_eq!(Sample::new("application/x+json", b"nope").bytes(), br#"["nope"]"#);
        assert_eq!(Sample::new("text/plain", b"nope").bytes(), b"nope");
        assert_eq!(Sample::new("application/json", b"").bytes(), b"");
    }

    #[test]
    fn characters_that_are_not_whole_are_left_out_and_others_replaced() {
        for text in ["é", "語", "😂"] {
            for cut in 1..text.len() {
                assert_eq!(whole_characters(&[b"a", &text.as_bytes()[..cut]].concat()), b"a");
            }
            assert_eq!(whole_characters(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(Sample::new("application/json", b"[\"a\xff<\"]").bytes(), "[\"a\u{fffd}<\"]".as_bytes());
    }

    #[test]
    fn only_the_beginning_of_a_long_body_is_taken() {
        let long = format!("[\"{}\"]", "x".repeat(2 * SAMPLE));
        let sample = Sample::new("application/json", long.as_bytes());
        assert_eq!(sample.bytes(), format!("[\"{}\"]", "x".repeat(SAMPLE - 2)).as_bytes());
        assert_eq!(Sample::new("text/html", &[b'x'; 9000]).bytes().len(), SAMPLE);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_beginning_of_json_is_closed(value in json(), cut in any::<prop::sample::Index>()) {
            let text = serde_json::to_string_pretty(&value).expect("JSON");
            let begin = &text.as_bytes()[..cut.index(text.len()).max(1)];
            let closed = close(whole_characters(begin));
            prop_assert!(
                serde_json::from_slice::<Value>(&closed).is_ok(),
                "{} became {}", String::from_utf8_lossy(begin), String::from_utf8_lossy(&closed)
            );
        }
    }
}
