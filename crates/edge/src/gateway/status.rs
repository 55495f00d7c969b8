//! What `/status` shows of a gateway's providers.

use super::Gateway;
use crate::lists;
use secrecy::ExposeSecret;
use std::sync::Arc;
use tollgate_observe::{KeyStatus, ModelStatus, ProviderStatus};
use tollgate_select::{Key, trim_key};

impl Gateway {
    /// The configured keys of OpenRouter that were used, and where its API is.
    pub(crate) fn accounts_of(&self) -> Option<(String, Vec<Arc<Key>>)> {
        let provider = self.catalog().providers().iter().find(|p| p.id == lists::PROVIDER && !p.disabled)?;
        let slots = self.keys.get(&provider.id)?;
        Some((provider.base_url.clone(), slots.iter().filter_map(|slot| slot.last()).collect()))
    }

    /// Takes over the keys that the same gateway had before it was built anew, so that `/status` goes on showing them.
    pub(crate) fn remember_keys_of(&self, old: &Self) {
        for (provider, slots) in &self.keys {
            let known = old.keys.get(provider).into_iter().flatten();
            slots.iter().zip(known).for_each(|(slot, known)| slot.remember(known));
        }
    }

    /// Providers that are configured or have been used, with what is known of their models and keys.
    #[must_use]
    pub fn status(&self) -> Vec<ProviderStatus> {
        let now = self.stats.clock().now_ms();
        let mut shown = Vec::new();
        for provider in self.catalog().providers().iter().filter(|p| !p.disabled) {
            let models: Vec<ModelStatus> = self
                .stats
                .models_of(&provider.id)
                .into_iter()
                .map(|(id, stats)| {
                    let seen = stats.snapshot(now);
                    ModelStatus { id, request_count: seen.request_count, error_rate: seen.error_rate.total }
                })
                .filter(|model| model.request_count > 0)
                .collect();
            let slots = self.keys.get(&provider.id);
            let keys: Vec<KeyStatus> = slots
                .into_iter()
                .flatten()
                .filter_map(|slot| slot.last())
                .map(|key| {
                    let quota = key.stats.snapshot(now).quota;
                    KeyStatus {
                        key: trim_key(key.value.expose_secret()),
                        remaining_requests: quota.remaining_requests,
                        remaining_tokens: quota.remaining_tokens,
                        limit_requests: quota.limit_requests,
                        limit_tokens: quota.limit_tokens,
                        account: self.accounts.get(&key),
                        ..KeyStatus::default()
                    }
                })
                .collect();
            if provider.configured || !models.is_empty() {
                let health = health(&models).to_owned();
                let id = provider.id.clone();
                shown.push(ProviderStatus { id, health, models, keys, ..ProviderStatus::default() });
            }
        }
        shown
    }
}

/// A word for the last five minutes: more than half of the attempts failed, or not, or there were none.
fn health(models: &[ModelStatus]) -> &'static str {
    let all: u64 = models.iter().map(|m| m.request_count).sum();
    let failed: f64 = models.iter().map(|m| m.error_rate * m.request_count as f64).sum();
    match all {
        0 => "unused",
        _ if failed > all as f64 / 2.0 => "failing",
        _ => "healthy",
    }
}
