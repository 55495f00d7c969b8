//! Where secret values come from: directories, the environment, a local vault. Never in logs.
//!
//! [`SecretStore`] asks its [`Source`]s in their order, on every lookup: a value that was changed is used by the
//! next request. A file is read again only when its metadata say that it changed.
//!
//! [`Vault`] is the file behind `tollgate secrets`: AES-256-GCM, one nonce a value.

mod environment;
mod files;
mod names;
mod stamp;
mod store;
mod vault;

pub use environment::variable;
pub use names::is_valid_name;
pub use store::{SecretStore, Source, SourceProblem};
pub use tollgate_expr::{MissingSecret, SecretSource};
pub use vault::{KEY_VARIABLE, Vault, VaultEntry, VaultError, VaultKey};
