//! Whether a target is fit to be asked: circuit breakers of providers, models and keys, and cooldowns of quotas.
//!
//! Kept beside the rolling metrics, so for as long as the process lives. Nothing here decides that a target is not asked:
//! whoever plans a request puts what rests behind what does not.

mod breaker;
mod cooldown;
mod knobs;
mod tree;

#[cfg(test)]
mod tests;

pub use breaker::{Admission, Blow, Breaker, BreakerState, Change, Probe, Standing};
pub use cooldown::{Cooldowns, Spent};
pub use knobs::HealthKnobs;
pub(crate) use tree::{KEY_HEALTH, MODEL_HEALTH, key_health, model_health};

use std::sync::Arc;

/// The health of a model at a provider, and that of the provider.
#[derive(Debug)]
pub struct ModelHealth {
    /// [`name_hash`] of the model.
    pub id: u64,
    /// The model's breaker.
    pub breaker: Arc<Breaker>,
    /// The provider's, shared by its models.
    pub provider: Arc<Breaker>,
    /// Set while the provider limits the model for everybody.
    pub cooldown: Cooldowns,
}

/// The health of a key.
#[derive(Debug)]
pub struct KeyHealth {
    /// Open while the key is not accepted.
    pub breaker: Arc<Breaker>,
    /// What of it is used up.
    pub cooldown: Cooldowns,
}

/// Why a target rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resting {
    /// The provider's breaker is open for so many milliseconds more; 0 while another request tries it.
    Provider(u64),
    /// The model's breaker is.
    Model(u64),
    /// The provider limits the model for everybody.
    Limited(u64),
    /// Every key of the provider cools down or is refused; the first is usable again after so many milliseconds.
    Keys(u64),
}

impl Resting {
    /// The reason for people.
    #[must_use]
    pub fn describe(self) -> String {
        let (what, left) = match self {
            Self::Provider(left) => ("the provider's circuit breaker is open", left),
            Self::Model(left) => ("the model's circuit breaker is open", left),
            Self::Limited(left) => ("the provider limits the model", left),
            Self::Keys(left) => ("every key of the provider cools down or is refused", left),
        };
        match left {
            0 => format!("{what}, and another request is trying it"),
            left => format!("{what} for another {}s", left.div_ceil(1000)),
        }
    }
}

impl ModelHealth {
    pub(crate) fn new(model: &str, provider: Arc<Breaker>, watched: bool) -> Self {
        Self {
            id: name_hash(model),
            breaker: Arc::new(Breaker::new(watched)),
            provider,
            cooldown: Cooldowns::default(),
        }
    }

    /// Why requests should go elsewhere, if they should. Three relaxed loads when all is well.
    #[must_use]
    pub fn rests(&self, now_ms: u64) -> Option<Resting> {
        let standing = |breaker: &Breaker| {
            let standing = (!breaker.is_closed()).then(|| breaker.standing(now_ms));
            standing.filter(|standing| standing.rests).map(|standing| standing.left_ms)
        };
        let limited = || match self.cooldown.left_of_all_ms(now_ms) {
            0 => None,
            left => Some(Resting::Limited(left)),
        };
        standing(&self.provider)
            .map(Resting::Provider)
            .or_else(|| standing(&self.breaker).map(Resting::Model))
            .or_else(limited)
    }
}

impl KeyHealth {
    pub(crate) fn new(watched: bool) -> Self {
        Self { breaker: Arc::new(Breaker::new(watched)), cooldown: Cooldowns::default() }
    }

    /// Whether it is closed and nothing of it is used up: two relaxed loads.
    #[must_use]
    pub fn is_well(&self, now_ms: u64) -> bool {
        self.breaker.is_closed() && !self.cooldown.any(now_ms)
    }

    /// Milliseconds until the key may be used for a model, if it should not be used now; 0 while another request tries it.
    #[must_use]
    pub fn rests(&self, model: u64, free: bool, now_ms: u64) -> Option<u64> {
        let cooling = self.cooldown.left_ms(model, free, now_ms);
        if cooling > 0 {
            return Some(cooling);
        }
        if self.breaker.is_closed() {
            return None;
        }
        let standing = self.breaker.standing(now_ms);
        standing.rests.then_some(standing.left_ms)
    }
}

/// A number for a name, the same within the process (FNV-1a).
#[must_use]
pub fn name_hash(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
