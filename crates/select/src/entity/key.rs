//! `k`: a key of the provider at hand.

use crate::health::{KEY_HEALTH, key_health};
use crate::keys::Key;
use crate::metrics::tree::{ERROR_RATE, QUOTA, names, rate_named, record};
use crate::metrics::{KeySnapshot, QuotaValues};
use secrecy::ExposeSecret;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tollgate_expr::{Entity, EntityKind, Object, Value};

/// A key of the provider at hand.
pub(crate) struct KeyEntity {
    /// Position among the provider's keys.
    pub(crate) index: usize,
    key: Arc<Key>,
    /// Taken once, so that one strategy sees one state.
    seen: KeySnapshot,
    now_ms: u64,
}

impl KeyEntity {
    pub(crate) fn new(index: usize, key: &Arc<Key>, now_ms: u64) -> Self {
        Self { index, key: Arc::clone(key), seen: key.stats.snapshot(now_ms), now_ms }
    }

    fn health(&self, name: &str) -> Option<Value> {
        key_health(self.key.stats.health(), name, self.now_ms)
    }
}

impl fmt::Debug for KeyEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AIKey({})", self.key.id)
    }
}

impl Object for KeyEntity {
    fn field(&self, name: &str) -> Option<Value> {
        self.path(&[name])
    }

    /// Without `value`: whoever prints a key as a whole must not print the secret.
    fn fields(&self) -> Vec<Arc<str>> {
        names(&["id", "quota", "error_rate", "health"]).collect()
    }

    fn path(&self, path: &[&str]) -> Option<Value> {
        match path {
            ["id"] => Some(Value::text(self.key.id.as_str())),
            ["value"] => Some(Value::text(self.key.value.expose_secret())),
            ["quota"] => Some(record(&QUOTA, |name| quota_named(&self.seen.quota, name))),
            ["quota", name] => quota_named(&self.seen.quota, name),
            ["error_rate"] => Some(record(&ERROR_RATE, |name| rate_named(&self.seen.error_rate, name))),
            ["error_rate", name] => rate_named(&self.seen.error_rate, name),
            ["health"] => Some(record(&KEY_HEALTH, |name| self.health(name))),
            ["health", name] => self.health(name),
            _ => None,
        }
    }
}

impl Entity for KeyEntity {
    fn kind(&self) -> EntityKind {
        EntityKind::Key
    }
    fn id(&self) -> &str {
        &self.key.id
    }
    fn named(&self, name: &str) -> bool {
        self.key.id == name
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn quota_named(quota: &QuotaValues, name: &str) -> Option<Value> {
    let value = match name {
        "remaining_requests" => quota.remaining_requests,
        "remaining_tokens" => quota.remaining_tokens,
        "limit_requests" => quota.limit_requests,
        "limit_tokens" => quota.limit_tokens,
        _ => return None,
    };
    Some(value.map_or(Value::Null, Value::UInt))
}
