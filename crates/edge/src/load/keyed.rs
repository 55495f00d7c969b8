//! The places of each key: requests of one client, as a policy tells clients apart.
//!
//! A key is kept only while a request of it is served or waits, so there are never more keys than requests.

use super::line::Line;
use super::{Asked, Held, Holder, Waiting};
use crate::actions::bucket_key::BucketKey;
use foldhash::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Parts with a lock of their own; a power of two.
const PARTS: usize = 64;

/// The places of this process.
pub(crate) struct Places {
    parts: Vec<Mutex<Part>>,
}

type Part = HashMap<BucketKey, Key>;

#[derive(Default)]
struct Key {
    taken: u64,
    line: Line<Waiter>,
}

struct Waiter {
    tell: oneshot::Sender<()>,
    /// Places of its key, as its policy says.
    places: u64,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// Whose place.
    pub(crate) key: BucketKey,
    /// How many there are of this key; a reload may have changed that.
    pub(crate) places: u64,
    /// How many may wait.
    pub(crate) longest: usize,
}

/// Where a place of a key is given back to.
#[derive(Clone)]
pub struct OfKey {
    places: Arc<Places>,
    key: BucketKey,
}

/// A place of a key; dropping it gives it back.
pub type KeyPlace = Held<OfKey>;

impl Default for Places {
    fn default() -> Self {
        Self { parts: std::iter::repeat_with(Mutex::default).take(PARTS).collect() }
    }
}

impl Places {
    /// Asks for a place of a key.
    pub(crate) fn ask(self: &Arc<Self>, asker: Asker) -> Asked<OfKey> {
        let holder = OfKey { places: Arc::clone(self), key: asker.key };
        let Some(mut part) = self.part(asker.key) else { return Asked::Full };
        let key = part.entry(asker.key).or_default();
        if key.line.len() == 0 && key.taken < asker.places {
            key.taken += 1;
            return Asked::In(Held(holder));
        }
        if key.line.len() >= asker.longest {
            return Asked::Full;
        }
        let (tell, granted) = oneshot::channel();
        let ticket = key.line.join(Waiter { tell, places: asker.places });
        Asked::Wait(Waiting::new(holder, ticket, granted))
    }

    fn part(&self, key: BucketKey) -> Option<MutexGuard<'_, Part>> {
        let part = self.parts.get(usize::try_from(key.0 % PARTS as u128).unwrap_or(0))?;
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keys that are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().expect("not poisoned").len()).sum()
    }

    /// Places taken of a key, and who waits for one.
    #[cfg(test)]
    pub(super) fn counts(&self, key: BucketKey) -> (u64, usize) {
        self.part(key)
            .and_then(|part| part.get(&key).map(|key| (key.taken, key.line.len())))
            .unwrap_or((0, 0))
    }
}

impl Key {
    /// Lets in who can be: after a reload it may be several, or nobody.
    fn let_in(&mut self) {
        while self.line.first().is_some_and(|first| self.taken < first.places) {
            let Some(first) = self.line.pop() else { return };
            self.taken += 1;
            // It is there: who leaves the line takes its sender out, under the same lock.
            let _ = first.tell.send(());
        }
    }
}

impl OfKey {
    fn change(&self, change: impl FnOnce(&mut Key)) {
        let Some(mut part) = self.places.part(self.key) else { return };
        let Some(key) = part.get_mut(&self.key) else { return };
        change(key);
        key.let_in();
        if key.taken == 0 && key.line.len() == 0 {
            part.remove(&self.key);
        }
    }
}

impl Holder for OfKey {
    fn give_back(&self) {
        self.change(|key| key.taken = key.taken.saturating_sub(1));
    }

    fn withdraw(&self, ticket: u64) {
        self.change(|key| {
            if !key.line.leave(ticket) {
                key.taken = key.taken.saturating_sub(1);
            }
        });
    }
}
