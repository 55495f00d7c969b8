//! Keys of providers: which are tried, in which order, and how they are shown.

mod fit;
mod order;

#[cfg(test)]
mod tests;

pub use fit::{client_key_fits, is_gateway_key, is_placeholder};
pub use order::{KeyError, KeyOrder, KeyReport, order_keys};

use crate::metrics::{KeyStats, Metrics};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;

/// Bytes of the hash that make an id: enough that two keys of one policy never share one.
const ID_BYTES: usize = 8;
/// Shown of a long key: first and last characters.
const HEAD: usize = 7;
const TAIL: usize = 4;
/// Characters that are never shown.
const HIDDEN: usize = 8;

/// A key of a provider.
#[derive(Clone, Debug)]
pub struct Key {
    /// Salted SHA-256 of the value, truncated, in hexadecimal. Safe to log; the same for the same salt and value.
    pub id: String,
    /// The key.
    pub value: SecretString,
    /// Its counters.
    pub stats: Arc<KeyStats>,
}

impl Key {
    /// A key of `provider` (an id), with its counters from `metrics`.
    #[must_use]
    pub fn new(metrics: &Metrics, provider: &str, salt: &[u8], value: SecretString) -> Self {
        let id = key_id(salt, value.expose_secret());
        let stats = metrics.key(provider, &id);
        Self { id, value, stats }
    }

    /// The same for a key of a policy, whose counters are kept however many keys clients have.
    #[must_use]
    pub fn configured(metrics: &Metrics, provider: &str, salt: &[u8], value: SecretString) -> Self {
        let id = key_id(salt, value.expose_secret());
        let stats = metrics.configured_key(provider, &id);
        Self { id, value, stats }
    }
}

/// The id of a key. See [`Key::id`].
#[must_use]
pub fn key_id(salt: &[u8], value: &str) -> String {
    let mut hash = Sha256::new();
    // The length keeps salt and value apart.
    hash.update((salt.len() as u64).to_be_bytes());
    hash.update(salt);
    hash.update(value.as_bytes());
    let mut id = String::with_capacity(ID_BYTES * 2);
    for byte in hash.finalize().iter().take(ID_BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// A key as people may see it: `sk-proj...7890`. At least eight characters stay hidden; a key too short for that
/// shows less, or nothing.
#[must_use]
pub fn trim_key(key: &str) -> String {
    let length = key.chars().count();
    let tail = |count| key.chars().skip(length.saturating_sub(count)).collect::<String>();
    if length >= HEAD + HIDDEN + TAIL {
        let head: String = key.chars().take(HEAD).collect();
        format!("{head}...{}", tail(TAIL))
    } else if length >= HIDDEN + TAIL {
        format!("...{}", tail(TAIL))
    } else {
        "...".to_owned()
    }
}
