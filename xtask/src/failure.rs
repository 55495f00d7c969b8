//! Why a command ended early.

use std::io;

/// One line for the developer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something is wrong, in words.
    #[error("{0}")]
    Said(String),
    /// The system refused something.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A tool's JSON cannot be read.
    #[error("unexpected JSON: {0}")]
    Json(#[from] serde_json::Error),
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A failure in words.
pub(crate) fn said(text: impl Into<String>) -> Failure {
    Failure::Said(text.into())
}
