//! Fields of a body by their paths, found without parsing what cannot hold them.

use crate::Peek;
use crate::json;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Longest path, in bytes, and most names in one. What bodies have is far shorter.
const MAX_BYTES: usize = 255;
const MAX_STEPS: usize = 8;

/// The place of a field in a body: names with dots between, `[]` behind one that holds a list, any item of which may
/// have the field: `response_format`, `tools[].function.strict`, `messages[].content[].cache_control`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    name: String,
    /// The name with its quotes, as it stands in a body.
    quoted: String,
    /// It holds a list, and the path goes on in its items.
    items: bool,
}

/// Why a text is no path. Whoever wrote it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FieldPathError {
    /// Nothing, or too much.
    #[error("a path has 1 to {MAX_BYTES} bytes and at most {MAX_STEPS} names")]
    Length,
    /// A part between dots is no name.
    #[error("a path is names of letters, digits, `_` and `-` with dots between, and `[]` behind a list")]
    Name,
    /// It ends in a list, and names no field of the items.
    #[error("a path ends in the name of a field, not in `[]`")]
    Open,
}

/// A field that was found in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundField<'p> {
    /// Which one.
    pub path: &'p FieldPath,
    /// Its value says something: it is not `null`, `false` or empty.
    pub says: bool,
}

impl FieldPath {
    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name at the top of the body, if the path is no more than that.
    #[must_use]
    pub fn top_level(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [only] => Some(&only.name),
            _ => None,
        }
    }
}

impl FromStr for FieldPath {
    type Err = FieldPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > MAX_BYTES || text.split('.').count() > MAX_STEPS {
            return Err(FieldPathError::Length);
        }
        let steps = text.split('.').map(|part| {
            let name = part.strip_suffix("[]").unwrap_or(part);
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(fits) {
                return Err(FieldPathError::Name);
            }
            Ok(Step { name: name.to_owned(), quoted: format!("\"{name}\""), items: name.len() < part.len() })
        });
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        if steps.last().is_some_and(|last| last.items) {
            return Err(FieldPathError::Open);
        }
        Ok(Self { text: text.to_owned(), steps })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Which of these fields a body has, in the order of the body.
///
/// The members at the top are known from peeking. A value is read further only when it has the names of the rest of
/// the path somewhere in its text; a name that is spelt with escapes there is not seen.
#[must_use]
pub fn fields_present<'p>(body: &[u8], peek: &Peek, paths: &'p [FieldPath]) -> Vec<FoundField<'p>> {
    let mut found = Vec::new();
    for member in &peek.object.members {
        let Some(key) = body.get(member.key.clone()).and_then(json::string) else { continue };
        let value = body.get(member.value.clone()).unwrap_or_default();
        for path in paths {
            let Some((first, rest)) = path.steps.split_first().filter(|(first, _)| *first.name == *key)
            else {
                continue;
            };
            let named = |step: &Step| memchr::memmem::find(value, step.quoted.as_bytes()).is_some();
            if rest.iter().all(named)
                && let Some(says) = below(first, rest, value)
            {
                found.push(FoundField { path, says });
            }
        }
    }
    found
}

/// Whether the value of `step` leads to the end of the path, and whether what stands there says something.
fn below(step: &Step, rest: &[Step], value: &[u8]) -> Option<bool> {
    if !step.items {
        return inside(rest, value);
    }
    let items: Vec<&RawValue> = serde_json::from_slice(value).ok()?;
    items.iter().filter_map(|item| inside(rest, item.get().as_bytes())).reduce(|a, b| a || b)
}

fn inside(steps: &[Step], value: &[u8]) -> Option<bool> {
    let Some((step, rest)) = steps.split_first() else { return Some(says(value)) };
    if value.first() != Some(&b'{') {
        return None;
    }
    let object = json::members(value).ok()?;
    let member = object.members.iter().rev().find(|member| {
        value.get(member.key.clone()).and_then(json::string).is_some_and(|key| *key == *step.name)
    })?;
    below(step, rest, value.get(member.value.clone())?)
}

fn says(value: &[u8]) -> bool {
    match value {
        b"null" | b"false" | b"\"\"" => false,
        [b'{', inner @ .., b'}'] | [b'[', inner @ .., b']'] => !inner.iter().all(u8::is_ascii_whitespace),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek;
    use proptest::prelude::*;

    fn found(body: &str, paths: &[&str]) -> Vec<(String, bool)> {
        let paths: Vec<FieldPath> = paths.iter().map(|path| path.parse().unwrap()).collect();
        let peek = peek(body.as_bytes()).unwrap();
        let found = fields_present(body.as_bytes(), &peek, &paths);
        found.into_iter().map(|field| (field.path.to_string(), field.says)).collect()
    }

    #[test]
    fn fields_at_the_top() {
        let paths = ["seed", "store", "response_format"];
        for (body, want) in [
            (r#"{"model":"m","messages":[{"seed":1}]}"#, &[][..]),
            (r#"{"response_format":{"type":"text"},"seed":0}"#, &[("response_format", true), ("seed", true)]),
            (r#"{"store":false,"seed":null}"#, &[("store", false), ("seed", false)]),
            (r#"{"response_format":{ },"store":true}"#, &[("response_format", false), ("store", true)]),
            (r#"{"s\u0065ed":1}"#, &[("seed", true)]),
        ] {
            let want: Vec<_> = want.iter().map(|(name, says)| ((*name).to_owned(), *says)).collect();
            assert_eq!(found(body, &paths), want, "{body}");
        }
    }

    #[test]
    fn fields_inside() {
        let mark = "messages[].content[].cache_control";
        let strict = "tools[].function.strict";
        for (body, path, want) in [
            (
                r#"{"messages":[{"content":"a"},{"content":[{"cache_control":{"type":"e"}}]}]}"#,
                mark,
                Some(true),
            ),
            (r#"{"messages":[{"content":[{"cache_control":null},{"cache_control":1}]}]}"#, mark, Some(true)),
            (r#"{"messages":[{"content":[{"cache_control":null}]}]}"#, mark, Some(false)),
            // The name is somewhere, but not there.
            (r#"{"messages":[{"content":[{"text":"\"cache_control\""}]}]}"#, mark, None),
            (r#"{"messages":[{"content":[{"text":"x"}],"cache_control":{"a":1}}]}"#, mark, None),
            (r#"{"messages":{"content":[{"cache_control":1}]}}"#, mark, None),
            (r#"{"messages":"x","tools":[{"cache_control":1}]}"#, mark, None),
            (r#"{"tools":[{"function":{"name":"a"}},{"function":{"strict":true}}]}"#, strict, Some(true)),
            (r#"{"tools":[{"function":{"strict":false}}]}"#, strict, Some(false)),
            (r#"{"tools":[{"function":{"parameters":{"strict":true}}}]}"#, strict, None),
            (r#"{"a":{"b":{"c":1}}}"#, "a.b.c", Some(true)),
            (r#"{"a":[{"b":1}]}"#, "a.b", None),
        ] {
            let want: Vec<_> = want.map(|says| (path.to_owned(), says)).into_iter().collect();
            assert_eq!(found(body, &[path]), want, "{body}");
        }
    }

    #[test]
    fn what_is_no_path() {
        use FieldPathError::{Length, Name, Open};
        let long = "a".repeat(256);
        for (text, want) in [
            ("", Length),
            (long.as_str(), Length),
            ("a.b.c.d.e.f.g.h.i", Length),
            ("a..b", Name),
            (".a", Name),
            ("a.", Name),
            ("[]", Name),
            ("a[0].b", Name),
            ("$.a", Name),
            ("a b", Name),
            ("a[]", Open),
            ("a.b[]", Open),
        ] {
            assert_eq!(text.parse::<FieldPath>(), Err(want), "{text}");
        }
        let path: FieldPath = "a[].b-c.d_1".parse().unwrap();
        assert_eq!((path.as_str(), path.top_level()), ("a[].b-c.d_1", None));
        assert_eq!("seed".parse::<FieldPath>().unwrap().top_level(), Some("seed"));
        assert_eq!(serde_json::to_string(&path).unwrap(), "\"a[].b-c.d_1\"");
        assert_eq!(serde_json::from_str::<FieldPath>("\"a[].b-c.d_1\"").unwrap(), path);
        assert!(
            serde_json::from_str::<FieldPath>("\"a[]\"").unwrap_err().to_string().contains("not in `[]`")
        );
    }

    proptest! {
        #[test]
        fn never_panics(body in r#"\{("[ab]":[\[\{]{0,3}"[ab]":1[\]\}]{0,3},?){0,4}\}"#, path in r"[ab](\[\]|\.[ab]){0,4}") {
            if let (Ok(peek), Ok(path)) = (peek(body.as_bytes()), path.parse::<FieldPath>()) {
                let _ = fields_present(body.as_bytes(), &peek, &[path]);
            }
        }
    }
}
