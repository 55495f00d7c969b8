//! What can go wrong while an expression runs.
//!
//! No variant holds a value: only names a policy author wrote, and type names.

use crate::activation::MissingSecret;
use cel::ExecutionError;
use std::borrow::Cow;

/// Why an expression has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A map or record has no such key.
    #[error("{}", missing(key))]
    MissingKey {
        /// The key, when the policy's text has it; empty when it was computed.
        key: String,
        /// Whether it was missing in a `metadata` map: then a predicate over models is false, no error.
        metadata: bool,
    },
    /// A position that a list does not have.
    #[error("the list has no element at this position")]
    OutOfRange,
    /// `secrets.get` found nothing.
    #[error(transparent)]
    Secret(#[from] MissingSecret),
    /// An operator or function was given values of types it does not take.
    #[error("{0}")]
    Type(Cow<'static, str>),
    /// `<`, `<=`, `>` or `>=` with `null`.
    #[error("null cannot be compared by order")]
    NullOrder,
    /// The expression did more work, or made a larger value, than is allowed.
    #[error("the expression exceeds the limit of {0}")]
    Limit(Cow<'static, str>),
    /// A function could not do what it was asked.
    #[error("{function}: {message}")]
    Failed {
        /// The function's name.
        function: Cow<'static, str>,
        /// What is wrong, without any value.
        message: Cow<'static, str>,
    },
}

/// The sort of an [`EvalError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EvalErrorKind {
    /// A key or position that is not there.
    MissingKey,
    /// A secret that is not there.
    MissingSecret,
    /// Values of the wrong type.
    Type,
    /// Too much work or too large a value.
    Limit,
    /// Anything else, such as text that is no JSON.
    Other,
}

impl EvalError {
    /// The sort of this error.
    #[must_use]
    pub fn kind(&self) -> EvalErrorKind {
        match self {
            Self::MissingKey { .. } | Self::OutOfRange => EvalErrorKind::MissingKey,
            Self::Secret(_) => EvalErrorKind::MissingSecret,
            Self::Type(_) | Self::NullOrder => EvalErrorKind::Type,
            Self::Limit(_) => EvalErrorKind::Limit,
            Self::Failed { .. } => EvalErrorKind::Other,
        }
    }

    pub(crate) fn key(key: &str) -> Self {
        Self::MissingKey { key: key.into(), metadata: false }
    }

    pub(crate) fn types(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Type(text.into())
    }

    pub(crate) fn failed(function: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Failed { function: function.into(), message: message.into() }
    }

    /// Without the key it may name: for keys that were computed from data.
    pub(crate) fn without_key(self) -> Self {
        match self {
            Self::MissingKey { metadata, .. } => Self::MissingKey { key: String::new(), metadata },
            other => other,
        }
    }

    /// Whether an element whose predicate ends in this error simply does not match.
    pub(crate) fn is_lenient(&self) -> bool {
        matches!(self, Self::MissingKey { metadata: true, .. } | Self::NullOrder)
    }

    /// As an error of the interpreter, which carries it unchanged to [`Self::caught`].
    pub(crate) fn raise(self) -> ExecutionError {
        let (tag, message) = match self {
            Self::MissingKey { key, metadata: false } => ("@key", key),
            Self::MissingKey { key, metadata: true } => ("@metadata", key),
            Self::OutOfRange => ("@range", String::new()),
            Self::Secret(MissingSecret { vault, name }) => ("@secret", format!("{vault}\0{name}")),
            Self::Type(text) => ("@type", text.into_owned()),
            Self::NullOrder => ("@null", String::new()),
            Self::Limit(text) => ("@limit", text.into_owned()),
            Self::Failed { function, message } => ("@failed", format!("{function}\0{message}")),
        };
        ExecutionError::FunctionError { function: tag.into(), message }
    }

    /// An error of the interpreter. Its own variants print values, so only their sort is kept.
    pub(crate) fn caught(error: ExecutionError) -> Self {
        match error {
            ExecutionError::FunctionError { function, message } => tagged(&function, message),
            ExecutionError::NoSuchOverload(error) => {
                let types = error.argument_types().join(", ");
                Self::types(format!("{} cannot be applied to ({types})", operator(error.function())))
            }
            ExecutionError::UnexpectedType { got, want } => {
                Self::types(format!("expected {want}, not {got}"))
            }
            ExecutionError::NoSuchKey(_) => Self::key(""),
            ExecutionError::IndexOutOfBounds(_) => Self::OutOfRange,
            ExecutionError::UnsupportedBinaryOperator(name, ..) => {
                Self::types(format!("these values cannot be operands of `{}`", operator(name)))
            }
            ExecutionError::ValuesNotComparable(..) => Self::types("these values cannot be compared"),
            _ => Self::failed("expression", "cannot be evaluated"),
        }
    }
}

fn missing(key: &str) -> String {
    if key.is_empty() { "there is no such key".into() } else { format!("there is no key `{key}`") }
}

fn tagged(tag: &str, message: String) -> EvalError {
    let halves = |text: &str| match text.split_once('\0') {
        Some((a, b)) => (a.to_owned(), b.to_owned()),
        None => (String::new(), text.to_owned()),
    };
    match tag {
        "@key" => EvalError::MissingKey { key: message, metadata: false },
        "@metadata" => EvalError::MissingKey { key: message, metadata: true },
        "@range" => EvalError::OutOfRange,
        "@secret" => {
            let (vault, name) = halves(&message);
            EvalError::Secret(MissingSecret { vault, name })
        }
        "@type" => EvalError::Type(message.into()),
        "@null" => EvalError::NullOrder,
        "@limit" => EvalError::Limit(message.into()),
        "@failed" => {
            let (function, message) = halves(&message);
            EvalError::Failed { function: function.into(), message: message.into() }
        }
        _ => EvalError::failed("expression", "cannot be evaluated"),
    }
}

/// `_+_` as people write it: `+`.
fn operator(name: &str) -> &str {
    match name {
        "_[_]" => "[]",
        "_?_:_" => "?:",
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        name => name.trim_matches(['_', '@']),
    }
}
