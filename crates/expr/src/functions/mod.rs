//! The functions of the language, one file a family.
//!
//! To add a family, write a file with a `FUNCTIONS` table and name it in [`FAMILIES`].

mod ai;
mod convert;
pub(crate) mod docs;
mod encoding;
mod hash;
mod json;
mod lists;
mod net;
mod random;
pub(crate) mod regex;
mod strings;
mod time;
mod url;

use crate::error::EvalError;
use crate::value::Value;
use cel::common::types::{DYN_TYPE, Type};
use cel::common::value::{StaticVal, Val};
use std::any::Any;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

pub(crate) use ai::PRICE_TYPES;
pub(crate) use convert::type_value;
pub(crate) use strings::{contains, ends_with, starts_with};

/// The names of types that stand for themselves in an expression.
pub(crate) fn convert_names() -> &'static [&'static str] {
    convert::TYPE_NAMES
}

/// What a function does with its arguments; the receiver of a method is the first.
pub(crate) type Run = fn(&[Value]) -> Result<Value, EvalError>;

const FAMILIES: &[&[Def]] = &[
    ai::FUNCTIONS,
    convert::FUNCTIONS,
    encoding::FUNCTIONS,
    hash::FUNCTIONS,
    json::FUNCTIONS,
    lists::FUNCTIONS,
    net::FUNCTIONS,
    random::FUNCTIONS,
    regex::FUNCTIONS,
    strings::FUNCTIONS,
    time::FUNCTIONS,
    url::FUNCTIONS,
];

/// Whether a function is called by its name or on a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Style {
    Function,
    Method,
}

/// A function.
pub(crate) struct Def {
    pub(crate) name: &'static str,
    pub(crate) style: Style,
    /// The least and most arguments, without the receiver.
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) run: Run,
    /// Whether two calls with the same arguments may differ.
    pub(crate) chance: bool,
}

pub(crate) const fn function(name: &'static str, min: usize, max: usize, run: Run) -> Def {
    Def { name, style: Style::Function, min, max, run, chance: false }
}

pub(crate) const fn method(name: &'static str, min: usize, max: usize, run: Run) -> Def {
    Def { name, style: Style::Method, min, max, run, chance: false }
}

pub(crate) const fn chance(def: Def) -> Def {
    Def { chance: true, ..def }
}

static BY_NAME: LazyLock<HashMap<(&'static str, Style), &'static Def>> =
    LazyLock::new(|| all().map(|def| ((def.name, def.style), def)).collect());

fn all() -> impl Iterator<Item = &'static Def> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The function of a name.
pub(crate) fn find(name: &str, style: Style) -> Option<&'static Def> {
    BY_NAME.get(&(name, style)).copied()
}

/// All names of a style, with those the compiler knows itself, such as macros.
pub(crate) fn names(style: Style) -> impl Iterator<Item = &'static str> {
    let docs = docs::SECTIONS.iter().flat_map(|section| section.docs);
    docs.filter(move |doc| doc.style == style).map(docs::Doc::name)
}

/// Whether functions of the name `namespace.…` exist.
pub(crate) fn is_namespace(namespace: &str) -> bool {
    let of = |name: &str| name.split_once('.').is_some_and(|(first, _)| first == namespace);
    names(Style::Function).any(of) || unsupported(namespace)
}

/// Namespaces that policies elsewhere may use and that do not exist here.
pub(crate) fn unsupported(namespace: &str) -> bool {
    matches!(namespace, "http" | "b64" | "utility")
}

/// A function as the first argument of `@call`.
#[derive(Clone, Copy)]
pub(crate) struct Callable(pub(crate) &'static Def);

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Val for Callable {
    fn get_type(&self) -> &Type {
        &DYN_TYPE
    }
    fn cel_type() -> &'static Type {
        &DYN_TYPE
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
impl StaticVal for Callable {}

/// The arguments of a call, read by type.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    function: &'static str,
    values: &'a [Value],
}

impl<'a> Args<'a> {
    pub(crate) fn new(function: &'static str, values: &'a [Value]) -> Self {
        Self { function, values }
    }

    pub(crate) fn len(self) -> usize {
        self.values.len()
    }

    pub(crate) fn value(self, at: usize) -> Result<&'a Value, EvalError> {
        self.values.get(at).ok_or_else(|| self.fail("an argument is missing"))
    }

    pub(crate) fn text(self, at: usize) -> Result<Cow<'a, str>, EvalError> {
        let value = self.value(at)?;
        value.as_text().ok_or_else(|| self.wrong("a string", value))
    }

    pub(crate) fn int(self, at: usize) -> Result<i64, EvalError> {
        match self.value(at)? {
            Value::Int(n) => Ok(*n),
            Value::UInt(n) => i64::try_from(*n).map_err(|_| self.fail("a number is out of range")),
            other => Err(self.wrong("an int", other)),
        }
    }

    pub(crate) fn list(self, at: usize) -> Result<Vec<Value>, EvalError> {
        let value = self.value(at)?;
        crate::ops::elements(value).ok_or_else(|| self.wrong("a list", value))
    }

    /// A list of texts, or one text.
    pub(crate) fn texts(self, at: usize) -> Result<Vec<String>, EvalError> {
        let value = self.value(at)?;
        if let Value::String(text) = value {
            return Ok(vec![text.to_string()]);
        }
        let list = self.list(at)?;
        let text =
            |value: &Value| value.as_text().map(Cow::into_owned).ok_or_else(|| self.wrong("strings", value));
        list.iter().map(text).collect()
    }

    pub(crate) fn fail(self, message: impl Into<Cow<'static, str>>) -> EvalError {
        EvalError::failed(self.function, message)
    }

    pub(crate) fn wrong(self, wanted: &str, found: &Value) -> EvalError {
        EvalError::types(format!("`{}` takes {wanted}, not {}", self.function, found.type_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Style, all, find};
    use std::collections::HashSet;

    #[test]
    fn every_function_is_documented_once() {
        let forms: Vec<&str> =
            super::docs::SECTIONS.iter().flat_map(|section| section.docs).map(|doc| doc.form).collect();
        assert_eq!(forms.iter().collect::<HashSet<_>>().len(), forms.len());
        for def in all() {
            assert!(
                super::names(def.style).any(|name| name == def.name),
                "{} has no documentation",
                def.name
            );
        }
    }

    #[test]
    fn names_are_distinct_and_fit_the_interpreter() {
        let distinct: HashSet<_> = all().map(|def| (def.name, def.style)).collect();
        assert_eq!(distinct.len(), all().count());
        for def in all() {
            let receiver = usize::from(def.style == Style::Method);
            assert!(
                def.min <= def.max && def.max + receiver <= crate::natives::MAX_ARGUMENTS,
                "{}",
                def.name
            );
        }
        assert!(find("json.decode", Style::Function).is_some());
        assert!(find("json.decode", Style::Method).is_none());
    }
}
