//! The members of a JSON object and where they stand in its text.

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// One member of an object: byte ranges of its key (with quotes) and its value, in the text it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) key: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// The members of one object, in the order of the text; a key may occur more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) members: SmallVec<[Member; 12]>,
    /// Just behind the opening brace.
    pub(crate) start: usize,
}

/// Reads `text` as one JSON object, checking all of it. Nothing is copied but the positions.
pub(crate) fn members(text: &[u8]) -> Result<Object, serde_json::Error> {
    // Known to be UTF-8, a text is checked once and not again for every string in it.
    let members = match std::str::from_utf8(text) {
        Ok(utf8) => read(serde_json::Deserializer::from_str(utf8), text)?,
        Err(_) => read(serde_json::Deserializer::from_slice(text), text)?,
    };
    let start = text.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1);
    Ok(Object { members, start })
}

fn read<'t, R: serde_json::de::Read<'t>>(
    mut deserializer: serde_json::Deserializer<R>,
    text: &'t [u8],
) -> Result<SmallVec<[Member; 12]>, serde_json::Error> {
    let members = deserializer.deserialize_map(Members { text })?;
    deserializer.end()?;
    Ok(members)
}

/// Whether a key as it stands in the text, with its quotes, is this name.
pub(crate) fn is_key(raw: &[u8], name: &str) -> bool {
    match raw {
        [b'"', inner @ .., b'"'] if inner == name.as_bytes() => true,
        // An escape may spell the name another way.
        [b'"', inner @ .., b'"'] => inner.contains(&b'\\') && string(raw).is_some_and(|key| key == name),
        _ => false,
    }
}

/// The text of a key or string without quotes and escapes. `None` if it is no JSON string.
pub(crate) fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    match raw {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
            std::str::from_utf8(inner).ok().map(Cow::Borrowed)
        }
        [b'"', ..] => serde_json::from_slice::<String>(raw).ok().map(Cow::Owned),
        _ => None,
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

struct Members<'t> {
    text: &'t [u8],
}

impl<'t> Members<'t> {
    /// Where a part of the text stands in it.
    fn range(&self, part: &str) -> Option<Range<usize>> {
        let start = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        let end = start + part.len();
        (end <= self.text.len()).then_some(start..end)
    }
}

impl<'de> Visitor<'de> for Members<'de> {
    type Value = SmallVec<[Member; 12]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = SmallVec::new();
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            let (Some(key), Some(value)) = (self.range(key.get()), self.range(value.get())) else {
                return Err(A::Error::custom("the text is not borrowed"));
            };
            members.push(Member { key, value });
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let text = br#" { "a" : 1 , "b\n":{"x":[ ]} ,"a":"}" } "#;
        let object = members(text).unwrap();
        let parts: Vec<_> = object
            .members
            .iter()
            .map(|m| (std::str::from_utf8(&text[m.key.clone()]).unwrap(), &text[m.value.clone()]))
            .collect();
        assert_eq!(
            parts,
            [("\"a\"", &b"1"[..]), (r#""b\n""#, &br#"{"x":[ ]}"#[..]), ("\"a\"", &b"\"}\""[..])]
        );
        assert_eq!(object.start, 2);
    }

    #[test]
    fn broken() {
        for text in [
            "",
            "{",
            "[]",
            "{} x",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "{a:1}",
            "null",
            "{\"a\":\"\u{1}\"}",
        ] {
            assert!(members(text.as_bytes()).is_err(), "{text}");
        }
        assert!(members(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn deep_nesting_is_no_stack() {
        let text = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(members(text.as_bytes()).unwrap().members.len(), 1);
    }

    #[test]
    fn keys() {
        assert!(is_key(br#""a""#, "a") && is_key(br#""\u0061""#, "a") && is_key(br#""""#, ""));
        // A name with a backslash in it is spelled with two.
        assert!(is_key(br#""a\\b""#, "a\\b"));
        for raw in [&br#""b""#[..], br#""ab""#, b"a", b"1", br#"""#, br#""\u0062""#] {
            assert!(!is_key(raw, "a"), "{raw:?}");
        }
    }

    #[test]
    fn strings() {
        assert_eq!(string(br#""a""#).as_deref(), Some("a"));
        assert_eq!(string(br#""\u0061""#).as_deref(), Some("a"));
        assert_eq!(string(b"1"), None);
        assert_eq!(string(br#"""#), None);
    }
}
