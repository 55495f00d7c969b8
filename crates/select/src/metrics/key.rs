//! The counters and the quota of one provider key.

use super::model::ErrorRates;
use super::ring::{Outcomes, Ring};
use super::sample::Sample;
use crate::health::KeyHealth;
use std::sync::{Mutex, PoisonError};

/// How long a value without a known reset is believed, in milliseconds: providers count by the minute.
const DEFAULT_RESET_MS: u64 = 60_000;

/// What a provider's answer said about the limits of a key. `None` means the answer did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests per period.
    pub limit_requests: Option<u64>,
    /// Requests left in this period.
    pub remaining_requests: Option<u64>,
    /// When the requests are counted anew, in milliseconds since the Unix epoch.
    pub reset_requests_at_ms: Option<u64>,
    /// Tokens per period.
    pub limit_tokens: Option<u64>,
    /// Tokens left in this period.
    pub remaining_tokens: Option<u64>,
    /// When the tokens are counted anew, in milliseconds since the Unix epoch.
    pub reset_tokens_at_ms: Option<u64>,
}

/// `k.quota`: what is known now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaValues {
    /// Requests left.
    pub remaining_requests: Option<u64>,
    /// Tokens left.
    pub remaining_tokens: Option<u64>,
    /// Requests per period.
    pub limit_requests: Option<u64>,
    /// Tokens per period.
    pub limit_tokens: Option<u64>,
}

/// What is known of a key at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KeySnapshot {
    /// Attempts with this key in the window.
    pub request_count: u64,
    /// Shares of failed attempts.
    pub error_rate: ErrorRates,
    /// Limits.
    pub quota: QuotaValues,
}

/// The counters of one key at one provider.
#[derive(Debug)]
pub struct KeyStats {
    bucket_ms: u64,
    health: KeyHealth,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ring: Option<Box<Ring<Outcomes>>>,
    requests: Dimension,
    tokens: Dimension,
}

/// Limits of one kind, with the moment they lose their meaning.
#[derive(Clone, Copy, Debug, Default)]
struct Dimension {
    limit: Option<u64>,
    remaining: Option<u64>,
    until_ms: u64,
}

impl Dimension {
    fn set(&mut self, limit: Option<u64>, remaining: Option<u64>, reset: Option<u64>, now_ms: u64) {
        if limit.is_some() || remaining.is_some() {
            let until_ms = reset.unwrap_or_else(|| now_ms.saturating_add(DEFAULT_RESET_MS));
            *self = Self { limit, remaining, until_ms };
        }
    }

    fn at(self, now_ms: u64) -> Self {
        if now_ms >= self.until_ms { Self::default() } else { self }
    }
}

impl KeyStats {
    pub(super) fn new(bucket_ms: u64, health: KeyHealth) -> Self {
        Self { bucket_ms, health, state: Mutex::default() }
    }

    /// Whether the key is accepted, and what of it is used up.
    #[must_use]
    pub fn health(&self) -> &KeyHealth {
        &self.health
    }

    /// Counts an attempt with this key.
    pub fn record(&self, sample: &Sample) {
        let mut state = self.lock();
        state.ring.get_or_insert_with(|| Box::new(Ring::new(self.bucket_ms, sample.at_ms))).add(sample);
    }

    /// Notes what an answer said about the key's limits. Requests and tokens are replaced apart: what the answer
    /// does not mention stays. A value without a reset is believed for a minute.
    pub fn set_quota(&self, quota: &Quota, now_ms: u64) {
        let mut state = self.lock();
        state.requests.set(
            quota.limit_requests,
            quota.remaining_requests,
            quota.reset_requests_at_ms,
            now_ms,
        );
        state.tokens.set(quota.limit_tokens, quota.remaining_tokens, quota.reset_tokens_at_ms, now_ms);
    }

    /// What is known at `now_ms` (milliseconds since the Unix epoch). Limits whose reset has passed are unknown.
    pub fn snapshot(&self, now_ms: u64) -> KeySnapshot {
        let mut state = self.lock();
        let (requests, tokens) = (state.requests.at(now_ms), state.tokens.at(now_ms));
        let outcomes = state.ring.as_mut().map(|ring| *ring.totals(now_ms)).unwrap_or_default();
        KeySnapshot {
            request_count: outcomes.total(),
            error_rate: ErrorRates::of(&outcomes),
            quota: QuotaValues {
                remaining_requests: requests.remaining,
                remaining_tokens: tokens.remaining,
                limit_requests: requests.limit,
                limit_tokens: tokens.limit,
            },
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
