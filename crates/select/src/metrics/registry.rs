//! The process-wide register of counters.

use super::key::KeyStats;
use super::model::ModelStats;
use crate::health::{Breaker, KeyHealth, ModelHealth};
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// Default length of a bucket; ten of them make the window of five minutes.
const BUCKET_MS: u64 = 30_000;
/// Parts of the register, so that lookups of different models seldom meet.
const SHARDS: usize = 16;
/// Models or keys in one part. Clients choose the names of pass-through models, so their number must be bounded.
const SHARD_CAPACITY: usize = 64;
/// Reads see time in steps of this length, so that a request seldom writes to the shared clock.
const CLOCK_STEP_MS: u64 = 250;

/// The time that expressions see when they read metrics: milliseconds since the Unix epoch, set by whoever serves
/// a request.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// The time last set.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the time. Steps of less than a quarter of a second are ignored.
    pub fn set(&self, now: SystemTime) {
        self.set_ms(millis(now));
    }

    /// Sets the time, in milliseconds since the Unix epoch. Steps of less than a quarter of a second are ignored.
    pub fn set_ms(&self, now_ms: u64) {
        if self.now_ms().abs_diff(now_ms) >= CLOCK_STEP_MS {
            self.0.store(now_ms, Ordering::Relaxed);
        }
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn millis(time: SystemTime) -> u64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// The counters of every model at every provider, and of every key. Cheap to clone; clones share the counters.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket_ms: u64,
    clock: Clock,
    models: Register<ModelStats>,
    keys: Register<KeyStats>,
    providers: Register<Breaker>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::with_bucket_ms(BUCKET_MS)
    }
}

impl Metrics {
    /// Empty metrics with the usual window of five minutes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty metrics whose window is ten buckets of `bucket_ms` milliseconds.
    #[must_use]
    pub fn with_bucket_ms(bucket_ms: u64) -> Self {
        Self(Arc::new(Inner {
            bucket_ms: bucket_ms.max(1),
            clock: Clock::default(),
            models: Register::default(),
            keys: Register::default(),
            providers: Register::default(),
        }))
    }

    /// The clock that reads by expressions use.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The counters of a model at a provider: the same ones for the same names, made when first asked for.
    ///
    /// The register holds a bounded number of names. Beyond it the counters are fresh and belong to the caller, and
    /// have no breaker.
    #[must_use]
    pub fn get(&self, provider: &str, model: &str) -> Arc<ModelStats> {
        self.0.models.get((provider, model), Names::Clients, |kept| self.model(provider, model, kept))
    }

    /// The same for a model of the catalogue or of a policy, which is kept whatever clients made up before.
    #[must_use]
    pub fn known(&self, provider: &str, model: &str) -> Arc<ModelStats> {
        self.0.models.get((provider, model), Names::Own, |kept| self.model(provider, model, kept))
    }

    fn model(&self, provider: &str, model: &str, kept: bool) -> ModelStats {
        let health = ModelHealth::new(model, self.breaker(provider), kept);
        ModelStats::new(provider, model, (self.0.bucket_ms, self.0.clock.clone()), health)
    }

    /// The models of a provider that have counters, by name.
    #[must_use]
    pub fn models_of(&self, provider: &str) -> Vec<(String, Arc<ModelStats>)> {
        self.0.models.below(provider)
    }

    /// The counters of a key at a provider; `key_id` is [`crate::Key::id`], never the key itself.
    #[must_use]
    pub fn key(&self, provider: &str, key_id: &str) -> Arc<KeyStats> {
        self.0.keys.get((provider, key_id), Names::Clients, |kept| self.new_key(kept))
    }

    /// The same for a key of a policy, which is kept however many keys clients have.
    #[must_use]
    pub fn configured_key(&self, provider: &str, key_id: &str) -> Arc<KeyStats> {
        self.0.keys.get((provider, key_id), Names::Own, |kept| self.new_key(kept))
    }

    fn new_key(&self, kept: bool) -> KeyStats {
        KeyStats::new(self.0.bucket_ms, KeyHealth::new(kept))
    }

    /// The breaker of a provider, shared by its models.
    #[must_use]
    pub fn breaker(&self, provider: &str) -> Arc<Breaker> {
        self.0.providers.get((provider, ""), Names::Own, Breaker::new)
    }
}

/// Where names come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Who runs the gateway wrote them.
    Own,
    /// Clients may: there is no end of them.
    Clients,
}

/// Names in two levels (so that a lookup builds no key), in several independent parts.
#[derive(Debug)]
struct Register<T> {
    hasher: foldhash::quality::RandomState,
    shards: [RwLock<Shard<T>>; SHARDS],
}

#[derive(Debug)]
struct Shard<T> {
    names: HashMap<Box<str>, HashMap<Box<str>, Arc<T>>>,
    len: usize,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self {
            hasher: foldhash::quality::RandomState::default(),
            shards: std::array::from_fn(|_| RwLock::new(Shard { names: HashMap::new(), len: 0 })),
        }
    }
}

impl<T> Register<T> {
    fn below(&self, first: &str) -> Vec<(String, Arc<T>)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let read = shard.read().unwrap_or_else(PoisonError::into_inner);
            let names = read.names.get(first).into_iter().flatten();
            found.extend(names.map(|(name, made)| (name.to_string(), Arc::clone(made))));
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found
    }

    /// `make` is told whether what it makes is kept.
    fn get(&self, (first, second): (&str, &str), whose: Names, make: impl FnOnce(bool) -> T) -> Arc<T> {
        let hash = usize::try_from(self.hasher.hash_one((first, second)) % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(hash) else { return Arc::new(make(false)) };
        {
            let read = shard.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = read.names.get(first).and_then(|names| names.get(second)) {
                return Arc::clone(found);
            }
            if whose == Names::Clients && read.len >= SHARD_CAPACITY {
                return Arc::new(make(false));
            }
        }
        let mut write = shard.write().unwrap_or_else(PoisonError::into_inner);
        let Shard { names, len } = &mut *write;
        let inner = match names.get_mut(first) {
            Some(inner) => inner,
            None => names.entry(first.into()).or_default(),
        };
        if let Some(found) = inner.get(second) {
            return Arc::clone(found);
        }
        let made = Arc::new(make(true));
        inner.insert(second.into(), Arc::clone(&made));
        *len += 1;
        made
    }
}
