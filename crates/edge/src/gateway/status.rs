//! What `/status` shows of a gateway's providers.

use super::Gateway;
use super::tally::now_ms;
use crate::lists;
use secrecy::ExposeSecret;
use std::sync::Arc;
use tollgate_observe::{KeyStatus, ModelCooldown, ModelStatus, ProviderStatus};
use tollgate_select::{BreakerState, Key, ModelStats, trim_key};

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
        // Not the clock of requests: while none come, cooldowns pass all the same.
        let now = now_ms();
        let mut shown = Vec::new();
        for provider in self.catalog().providers().iter().filter(|p| !p.disabled) {
            let known = self.stats.models_of(&provider.id);
            let models: Vec<ModelStatus> =
                known.iter().filter_map(|(id, stats)| model(id, stats, now)).collect();
            let slots = self.keys.get(&provider.id).into_iter().flatten();
            let keys: Vec<KeyStatus> =
                slots.filter_map(|slot| slot.last()).map(|key| self.key_status(&key, &known, now)).collect();
            let standing = self.stats.breaker(&provider.id).standing(now);
            if provider.configured || !models.is_empty() {
                let enabled = self.knobs.health.enabled;
                let closed = standing.state == BreakerState::Closed || !enabled;
                let mut status = ProviderStatus {
                    id: provider.id.clone(),
                    health: if closed { health(&models) } else { "resting" }.to_owned(),
                    breaker: standing.state.name().to_owned(),
                    cooldown_seconds: seconds(standing.left_ms),
                    models,
                    keys,
                };
                if !enabled {
                    switch_off(&mut status);
                }
                shown.push(status);
            }
        }
        shown
    }

    fn key_status(&self, key: &Arc<Key>, models: &[(String, Arc<ModelStats>)], now: u64) -> KeyStatus {
        let (quota, health) = (key.stats.snapshot(now).quota, key.stats.health());
        let standing = health.breaker.standing(now);
        let cooling = |(model, left): (u64, u64)| {
            let (id, _) = models.iter().find(|(_, stats)| stats.health().id == model)?;
            Some(ModelCooldown { id: id.clone(), cooldown_seconds: left.div_ceil(1000) })
        };
        KeyStatus {
            key: trim_key(key.value.expose_secret()),
            breaker: standing.state.name().to_owned(),
            cooldown_seconds: seconds(standing.left_ms.max(health.cooldown.left_of_all_ms(now))),
            models_cooling: health.cooldown.models(now).into_iter().filter_map(cooling).collect(),
            remaining_requests: quota.remaining_requests,
            remaining_tokens: quota.remaining_tokens,
            limit_requests: quota.limit_requests,
            limit_tokens: quota.limit_tokens,
            account: self.accounts.get(key),
        }
    }
}

/// What other policies of the process know of a provider's health means nothing where the policy does without.
fn switch_off(status: &mut ProviderStatus) {
    let off = || "off".to_owned();
    (status.breaker, status.cooldown_seconds) = (off(), None);
    for model in &mut status.models {
        (model.breaker, model.cooldown_seconds, model.consecutive_failures) = (off(), None, 0);
    }
    for key in &mut status.keys {
        (key.breaker, key.cooldown_seconds, key.models_cooling) = (off(), None, Vec::new());
    }
}

/// A model with traffic, or one that rests.
fn model(id: &str, stats: &ModelStats, now: u64) -> Option<ModelStatus> {
    let (seen, health) = (stats.snapshot(now), stats.health());
    let standing = health.breaker.standing(now);
    let cooldown_seconds = seconds(standing.left_ms.max(health.cooldown.left_of_all_ms(now)));
    let shown =
        seen.request_count > 0 || cooldown_seconds.is_some() || standing.state != BreakerState::Closed;
    shown.then(|| ModelStatus {
        id: id.to_owned(),
        request_count: seen.request_count,
        error_rate: seen.error_rate.total,
        fault_rate: seen.error_rate.provider(),
        breaker: standing.state.name().to_owned(),
        consecutive_failures: standing.failures,
        cooldown_seconds,
    })
}

fn seconds(left_ms: u64) -> Option<u64> {
    (left_ms > 0).then(|| left_ms.div_ceil(1000))
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
            ..ModelStatus::default()
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
