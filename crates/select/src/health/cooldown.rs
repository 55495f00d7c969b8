//! Quotas that are used up, apart from health: who is refused for the moment is left alone for the moment.

use super::knobs::HealthKnobs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Cooldowns of one key: of its models, mostly. Clients can name any number of models.
const MOST: usize = 32;
/// A clock this much before the begin of a cooldown was set back.
const SET_BACK_MS: u64 = 60_000;

/// What of a key or a model is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// All of it.
    Whole,
    /// Its use for one model, by [`super::name_hash`].
    Model(u64),
    /// Its use for free models.
    FreeModels,
}

/// Until when a key, or a model, is left alone.
#[derive(Debug, Default)]
pub struct Cooldowns {
    /// The end of the last one; 0 without any.
    last_ms: AtomicU64,
    all: Mutex<Vec<Cooldown>>,
}

#[derive(Debug)]
struct Cooldown {
    spent: Spent,
    since_ms: u64,
    until_ms: u64,
    /// Cooldowns since the last success.
    times: u32,
}

impl Cooldown {
    fn left_ms(&self, now_ms: u64) -> u64 {
        let set_back = now_ms.saturating_add(SET_BACK_MS) < self.since_ms;
        if set_back { 0 } else { self.until_ms.saturating_sub(now_ms) }
    }
}

impl Cooldowns {
    /// Leaves it alone for as long as the provider asks, else for a time that doubles with each cooldown since the last
    /// success. Gives its length in milliseconds, or `None` when it was cooling already: requests that were under way
    /// together say the same thing once.
    pub fn cool(
        &self,
        spent: Spent,
        asked_ms: Option<u64>,
        (knobs, now_ms): (&HealthKnobs, u64),
    ) -> Option<u64> {
        let mut all = self.lock();
        let found = match all.iter().position(|one| one.spent == spent) {
            Some(at) => all.get_mut(at),
            None => {
                make_room(&mut all);
                all.push(Cooldown { spent, since_ms: 0, until_ms: 0, times: 0 });
                all.last_mut()
            }
        }?;
        let cooling = found.left_ms(now_ms) > 0;
        if !cooling {
            found.times = found.times.saturating_add(1);
            (found.since_ms, found.until_ms) = (now_ms, 0);
        }
        let length = match (cooling, asked_ms) {
            (true, None) => return None,
            _ => knobs.cooldown(found.times, asked_ms, now_ms),
        };
        found.until_ms = found.until_ms.max(now_ms.saturating_add(length));
        let last = found.until_ms;
        self.last_ms.fetch_max(last, Ordering::Relaxed);
        (!cooling).then_some(length)
    }

    /// Whether anything cools down.
    #[must_use]
    pub fn any(&self, now_ms: u64) -> bool {
        self.last_ms.load(Ordering::Relaxed) > now_ms
    }

    /// Milliseconds until it may be used for this model; 0 when it may be used now.
    #[must_use]
    pub fn left_ms(&self, model: u64, free: bool, now_ms: u64) -> u64 {
        self.longest(now_ms, |spent| match spent {
            Spent::Whole => true,
            Spent::Model(one) => one == model,
            Spent::FreeModels => free,
        })
    }

    /// Milliseconds until it may be used for everything; 0 when it may be used now.
    #[must_use]
    pub fn left_of_all_ms(&self, now_ms: u64) -> u64 {
        self.longest(now_ms, |spent| spent == Spent::Whole)
    }

    /// The models it is used up for, with the milliseconds until it may be used for each.
    #[must_use]
    pub fn models(&self, now_ms: u64) -> Vec<(u64, u64)> {
        let model = |one: &Cooldown| match one.spent {
            Spent::Model(model) => Some((model, one.left_ms(now_ms))).filter(|(_, left)| *left > 0),
            _ => None,
        };
        self.lock().iter().filter_map(model).collect()
    }

    /// It was used for this model: what says otherwise is forgotten.
    pub fn used(&self, model: u64, free: bool) {
        if self.last_ms.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut all = self.lock();
        all.retain(|one| match one.spent {
            Spent::Whole => false,
            Spent::Model(known) => known != model,
            Spent::FreeModels => !free,
        });
        if all.is_empty() {
            self.last_ms.store(0, Ordering::Relaxed);
        }
    }

    fn longest(&self, now_ms: u64, holds: impl Fn(Spent) -> bool) -> u64 {
        if !self.any(now_ms) {
            return 0;
        }
        let all = self.lock();
        all.iter().filter(|one| holds(one.spent)).map(|one| one.left_ms(now_ms)).max().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Cooldown>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the cooldown of a model that ends first, when there are too many.
fn make_room(all: &mut Vec<Cooldown>) {
    if all.len() < MOST {
        return;
    }
    let models = all.iter().enumerate().filter(|(_, one)| matches!(one.spent, Spent::Model(_)));
    if let Some(at) = models.min_by_key(|(_, one)| one.until_ms).map(|(at, _)| at) {
        all.swap_remove(at);
    }
}
