//! Why a body could not be translated.

use super::fields::{Path, kind};
use super::request::Json;
use thiserror::Error;

/// A body that could not be read in its own dialect. In a request the caller is to blame (400), in an answer the
/// provider. Holds the path of a field, never its contents.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A field of the wrong type.
    #[error("'{path}' must be {wanted}, not {found}")]
    Type {
        /// Where, such as `messages[2].content`.
        path: String,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A field that must be there.
    #[error("'{path}' is missing")]
    Missing {
        /// Where.
        path: String,
    },
    /// A field whose value has no meaning.
    #[error("'{path}' {reason}")]
    Value {
        /// Where.
        path: String,
        /// What is wrong with it, and what would be right: continues the sentence.
        reason: String,
    },
    /// Not JSON at all, or nested too deeply.
    #[error("the body is not valid JSON (line {line}, column {column})")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// Column in bytes, counted from 1.
        column: usize,
    },
}

impl DecodeError {
    pub(crate) fn wrong(path: &Path<'_>, wanted: &'static str, found: &Json<'_>) -> Self {
        let path = path.to_string();
        let path = if path.is_empty() { "the body".to_owned() } else { path };
        Self::Type { path, wanted, found: kind(found) }
    }

    pub(crate) fn missing(path: &Path<'_>) -> Self {
        Self::Missing { path: path.to_string() }
    }

    pub(crate) fn value(path: &Path<'_>, reason: impl Into<String>) -> Self {
        Self::Value { path: path.to_string(), reason: reason.into() }
    }

    pub(crate) fn syntax(error: &serde_json::Error) -> Self {
        Self::Syntax { line: error.line(), column: error.column() }
    }

    /// The field to blame, for the `param` of an error.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Type { path, .. } | Self::Missing { path } | Self::Value { path, .. } => Some(path),
            Self::Syntax { .. } => None,
        }
    }
}

/// A request that is right in itself, but that this target cannot take without losing what it is about: the candidate
/// is passed over. Continues the sentence "cannot be translated: ...".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unsupported(pub String);
