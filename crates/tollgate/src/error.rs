//! Why a command does not do what it was asked to.

/// Who is to blame decides the exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line is wrong: exit code 2.
    #[error("error: {0}")]
    Usage(String),
    /// It cannot be done: exit code 1.
    #[error("error: {0}")]
    Failed(String),
    /// As before; the text is complete already, such as the findings of a policy.
    #[error("{0}")]
    Said(String),
}

impl CliError {
    /// Exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// A file that cannot be read.
    pub(crate) fn unreadable(path: &std::path::Path, reason: &std::io::Error) -> Self {
        let hint = if reason.kind() == std::io::ErrorKind::NotFound && path.is_relative() {
            std::env::current_dir()
                .map(|folder| format!(" (looked in {})", folder.display()))
                .unwrap_or_default()
        } else {
            String::new()
        };
        Self::failed(format!("cannot read {}: {reason}{hint}", path.display()))
    }
}
