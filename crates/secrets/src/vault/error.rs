//! What can be wrong with a vault.

use std::io;
use std::path::PathBuf;

/// What can be wrong with a vault, its key or what is put in. None of them holds a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// Ours or the operating system's.
    #[error("{path}: {reason}")]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the operating system says.
        reason: io::Error,
    },
    /// The caller's.
    #[error("{0} is no vault file, or one of a newer version")]
    NoVault(PathBuf),
    /// The key's.
    #[error("the key does not open the vault {0}: it was made with another one")]
    WrongKey(PathBuf),
    /// Somebody changed the file without having the key.
    #[error("the value of '{name}' in vault '{vault}' was damaged or exchanged")]
    Damaged {
        /// The vault's name.
        vault: String,
        /// The secret's name.
        name: String,
    },
    /// The caller's.
    #[error("'{0}' is no name: letters, digits, '_', '-', '.', and '/' between them")]
    BadName(String),
    /// The caller's.
    #[error(
        "'{name}' in vault '{vault}' has no value: it must be a text that is not empty, a number or a boolean"
    )]
    EmptyValue {
        /// The vault's name.
        vault: String,
        /// The secret's name.
        name: String,
    },
    /// The caller's.
    #[error("the data of a secret must be a JSON object, such as {{\"api-key\": \"...\"}}")]
    NoObject,
    /// The key's.
    #[error(
        "the vault's key is too short: 32 bytes in base64 or hex, or a passphrase of at least 12 characters"
    )]
    ShortKey,
    /// The key's.
    #[error("other users can read the key file {0}: its mode must be 0600")]
    OpenKeyFile(PathBuf),
    /// Ours.
    #[error("encryption failed")]
    Encryption,
}

impl VaultError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |reason| Self::Io { path, reason }
    }
}
