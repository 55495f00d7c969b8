//! Regular expressions with the meaning RE2 gives them: linear time, `\d \w \s \b` are ASCII.

use super::{Args, Def, function, method};
use crate::error::EvalError;
use crate::limits::charge;
use crate::value::Value;
use ::regex::{Regex, RegexBuilder};
use cel::common::types::{DYN_TYPE, Type};
use cel::common::value::{StaticVal, Val};
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;

pub(super) const FUNCTIONS: &[Def] = &[function("matches", 2, 2, matches), method("matches", 1, 1, matches)];

/// The compiled size a pattern may have, in bytes (1 MiB).
const MAX_COMPILED: usize = 1 << 20;
/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 4 << 10;
/// The patterns a thread keeps that were computed when an expression ran.
const MAX_CACHED: usize = 64;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(pub(crate) Regex);

impl Pattern {
    /// Whether it matches somewhere in a text.
    pub(crate) fn test(&self, text: &Value) -> Result<Value, EvalError> {
        match text.as_text() {
            Some(text) => Ok(Value::Bool(self.0.is_match(&text))),
            None => Err(EvalError::types(format!("`matches` takes a string, not {}", text.type_name()))),
        }
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &DYN_TYPE
    }
    fn cel_type() -> &'static Type {
        &DYN_TYPE
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
impl StaticVal for Pattern {}

/// Compiles a pattern. The error says what is wrong with it.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("it is longer than {MAX_PATTERN} bytes"));
    }
    let built = RegexBuilder::new(&ascii_classes(pattern))
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(100)
        .build();
    built.map(Pattern).map_err(|error| match error {
        ::regex::Error::CompiledTooBig(_) => format!("it needs more than {MAX_COMPILED} bytes"),
        error => {
            error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    })
}

/// Compiles a pattern as `matches` does, for actions that search and replace.
///
/// # Errors
/// What is wrong with the pattern, in a few words.
pub fn compile_regex(pattern: &str) -> Result<Regex, String> {
    compile(pattern).map(|pattern| pattern.0)
}

/// RE2's classes are ASCII where this engine's are Unicode; `\Q...\E` quotes.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        let Some(letter) = chars.next() else {
            out.push('\\');
            return out;
        };
        rest = chars.as_str();
        match letter {
            'd' => out.push_str("[0-9]"),
            'D' => out.push_str("[^0-9]"),
            'w' => out.push_str("[0-9A-Za-z_]"),
            'W' => out.push_str("[^0-9A-Za-z_]"),
            's' => out.push_str("[\\t\\n\\x0C\\r\\x20]"),
            'S' => out.push_str("[^\\t\\n\\x0C\\r\\x20]"),
            'b' => out.push_str("(?-u:\\b)"),
            'Q' => {
                let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                out.push_str(&::regex::escape(quoted));
                rest = after;
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out.push_str(rest);
    out
}

thread_local! {
    static CACHE: RefCell<HashMap<String, Pattern>> = RefCell::new(HashMap::new());
}

/// `matches` with a pattern that was computed.
fn matches(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("matches", values);
    let (text, pattern) = (args.text(0)?, args.text(1)?);
    charge(text.len() / 64)?;
    let found = CACHE.with_borrow(|cache| cache.get(&*pattern).map(|pattern| pattern.0.is_match(&text)));
    if let Some(found) = found {
        return Ok(Value::Bool(found));
    }
    charge(1000)?;
    let compiled =
        compile(&pattern).map_err(|_| args.fail("the text is no regular expression, or too large a one"))?;
    let found = compiled.0.is_match(&text);
    CACHE.with_borrow_mut(|cache| {
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(pattern.into_owned(), compiled);
    });
    Ok(Value::Bool(found))
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn classes_are_ascii() {
        for (pattern, text, expected) in [
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"^\w+$", "é", false),
            (r"^[\w.]+$", "a.b", true),
            (r"^[^\s]+$", "a b", false),
            (r"^\W$", "é", true),
            (r"\bfoo\b", "éfoo", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^\\d$", r"\d", true),
            (r"^é.$", "éü", true),
            (r"^\S+$", "a\u{b}", true),
        ] {
            assert_eq!(compile(pattern).unwrap().0.is_match(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn large_patterns_are_refused() {
        for pattern in ["(", "(?:a{1000}){1000}", &"a".repeat(5000), &"(".repeat(2000)] {
            assert!(compile(pattern).is_err());
        }
    }
}
