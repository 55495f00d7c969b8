//! All sources together.

use crate::environment::Environment;
use crate::files::Directory;
use crate::vault::{Opened, VaultError, VaultKey};
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::path::PathBuf;
use tollgate_expr::{MissingSecret, SecretSource};

/// A place where secrets are.
#[derive(Debug)]
pub enum Source {
    /// One value a file: `DIR/<vault>/<name>`, with a trailing newline dropped. A file `DIR/<vault>` may hold a
    /// JSON object with the names as members. In the vault `default`, `DIR/<name>` is found too.
    Directory(PathBuf),
    /// `TOLLGATE_SECRET__<VAULT>__<NAME>` (see [`variable`](crate::variable)), and the variables that are known to
    /// hold a secret.
    Environment {
        /// Vault, name and variable, such as `("openai", "api-key", "OPENAI_API_KEY")`.
        known: Vec<(String, String, String)>,
    },
    /// The file behind `tollgate secrets`. It need not exist yet.
    Vault(PathBuf, VaultKey),
    /// Vault, name and value, for tests.
    Fixed(Vec<(String, String, SecretString)>),
}

/// Finds secrets. Lookups may run on any thread; none waits for another's file access.
pub struct SecretStore {
    sources: Vec<Open>,
}

/// Why a source gives nothing, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum SourceProblem {
    /// The directory cannot be read.
    #[error("the secrets directory {path} cannot be read: {reason}")]
    Directory {
        /// As configured.
        path: PathBuf,
        /// What the operating system says.
        reason: std::io::Error,
    },
    /// The vault cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

enum Open {
    Directory(Box<Directory>),
    Environment(Environment),
    Vault(Opened),
    Fixed(Vec<(String, String, SecretString)>),
}

impl SecretStore {
    /// Sources are asked in this order. Directories and vaults may come into being later; the environment is read
    /// now.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        let open = |source| match source {
            Source::Directory(root) => Open::Directory(Box::new(Directory::new(root))),
            Source::Environment { known } => Open::Environment(Environment::new(std::env::vars_os(), known)),
            Source::Vault(path, key) => Open::Vault(Opened::new(path, key)),
            Source::Fixed(values) => Open::Fixed(values),
        };
        Self { sources: sources.into_iter().map(open).collect() }
    }

    /// The value of a secret, as it is now.
    ///
    /// # Errors
    /// No source has it, or its value is empty. Names that could leave a directory are never found.
    pub fn get(&self, vault: &str, name: &str) -> Result<SecretString, MissingSecret> {
        let found = self.sources.iter().find_map(|source| match source {
            Open::Directory(directory) => directory.get(vault, name),
            Open::Environment(environment) => environment.get(vault, name),
            Open::Vault(opened) => opened.get(vault, name),
            Open::Fixed(values) => {
                values.iter().find(|(v, n, _)| v == vault && n == name).map(|(_, _, value)| value.clone())
            }
        });
        found
            .filter(|value| !value.expose_secret().is_empty())
            .ok_or_else(|| MissingSecret { vault: vault.into(), name: name.into() })
    }

    /// Whether [`get`](Self::get) would find it.
    #[must_use]
    pub fn exists(&self, vault: &str, name: &str) -> bool {
        self.get(vault, name).is_ok()
    }

    /// Why sources give nothing: a directory that cannot be read, a vault with another key. To be told on start;
    /// a lookup only says that a secret is missing.
    #[must_use]
    pub fn problems(&self) -> Vec<SourceProblem> {
        let problem = |source: &Open| match source {
            Open::Directory(directory) => {
                let path = directory.root().to_owned();
                std::fs::read_dir(&path).err().map(|reason| SourceProblem::Directory { path, reason })
            }
            Open::Vault(opened) => opened.problem().map(SourceProblem::Vault),
            Open::Environment(_) | Open::Fixed(_) => None,
        };
        self.sources.iter().filter_map(problem).collect()
    }
}

impl SecretSource for SecretStore {
    fn secret(&self, vault: &str, name: &str) -> Result<SecretString, MissingSecret> {
        self.get(vault, name)
    }
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretStore").field("sources", &self.sources.len()).finish()
    }
}

#[cfg(test)]
mod tests;
