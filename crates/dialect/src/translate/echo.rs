//! What an answer repeats of its request.

use std::fmt;

/// What an answer repeats of its request: Responses' object has the settings in it, and calls of free-text tools are
/// items of their own kind. Empty for dialects whose answers stand for themselves.
#[derive(Clone, Default)]
pub struct Echo {
    /// Members of the response object as they are written, commas between; empty: those of a bare request.
    pub(crate) members: String,
    /// Names of tools that take free text (`type: custom`).
    pub(crate) custom: Vec<String>,
}

impl fmt::Debug for Echo {
    /// Without contents: instructions and schemas are the client's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Echo").field("bytes", &self.members.len()).finish_non_exhaustive()
    }
}
