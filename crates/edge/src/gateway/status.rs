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
                    let (error_rate, fault_rate) = (seen.error_rate.total, seen.error_rate.provider());
                    ModelStatus { id, request_count: seen.request_count, error_rate, fault_rate }
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

/// A word for the last five minutes: more attempts failed by the provider's fault than succeeded, or not, or there were
/// none. What a client or a key is to blame for (4xx) says nothing of a provider.
fn health(models: &[ModelStatus]) -> &'static str {
    let sum = |rate: fn(&ModelStatus) -> f64| -> f64 {
        models.iter().map(|model| rate(model) * model.request_count as f64).sum()
    };
    let (faults, good) = (sum(|model| model.fault_rate), sum(|model| 1.0 - model.error_rate));
    match models.iter().map(|model| model.request_count).sum::<u64>() {
        0 => "unused",
        // Rates are shares: less than half an attempt is an error of rounding.
        _ if faults > 0.5 && faults > good => "failing",
        _ => "healthy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_provider_is_to_blame_for_counts() {
        let model = |request_count, error_rate, fault_rate| ModelStatus {
            id: "m".to_owned(),
            request_count,
            error_rate,
            fault_rate,
        };
        for (models, expected) in [
            (vec![], "unused"),
            (vec![model(0, 0.0, 0.0)], "unused"),
            (vec![model(1, 1.0, 0.0)], "healthy"),
            (vec![model(1, 1.0, 1.0)], "failing"),
            (vec![model(10, 0.5, 0.5)], "healthy"),
            (vec![model(10, 0.9, 0.2)], "failing"),
            (vec![model(10, 1.0, 1.0), model(20, 0.0, 0.0)], "healthy"),
        ] {
            assert_eq!(health(&models), expected, "{models:?}");
        }
    }
}
