//! The places of all requests together.
//!
//! Every request comes through here, so while there is room it costs one atomic operation to enter and one to leave. Only
//! who has to wait takes the lock, and who leaves while somebody waits.

use super::line::Line;
use super::{Asked, Held, Holder, Waiting};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// One that waits, in the upper half of the word; the lower half counts the places that are taken.
const ONE_WAITS: u64 = 1 << 32;
const TAKEN: u64 = ONE_WAITS - 1;

/// So many places, and a line before them.
pub struct Gate {
    /// How many wait, and how many places are taken. The first changes only under the lock of the line; both in one word,
    /// so that nobody leaves without seeing who has begun to wait.
    word: AtomicU64,
    line: Mutex<Line<oneshot::Sender<()>>>,
    places: u64,
    longest: u64,
}

impl Gate {
    /// A gate with `places`, at least one, before which `longest` may wait.
    #[must_use]
    pub fn new(places: usize, longest: usize) -> Arc<Self> {
        let bounded = |n: usize| u64::try_from(n).unwrap_or(TAKEN).min(TAKEN);
        Arc::new(Self {
            word: AtomicU64::new(0),
            line: Mutex::default(),
            places: bounded(places).max(1),
            longest: bounded(longest),
        })
    }

    /// Asks for a place.
    pub(crate) fn ask(self: &Arc<Self>) -> Asked<Arc<Self>> {
        if self.change(|word| (word < self.places).then_some(word + 1)) {
            return Asked::In(Held(Arc::clone(self)));
        }
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at again: whoever leaves from now on without a look at the line makes this start anew.
        let next = |word: u64| match word {
            room if room < self.places => Some(word + 1),
            busy if busy / ONE_WAITS < self.longest => Some(word + ONE_WAITS),
            _ => None,
        };
        match self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(room) if room < self.places => Asked::In(Held(Arc::clone(self))),
            Ok(_) => {
                let (tell, granted) = oneshot::channel();
                let ticket = line.join(tell);
                Asked::Wait(Waiting::new(Arc::clone(self), ticket, granted))
            }
            Err(_) => Asked::Full,
        }
    }

    fn change(&self, change: impl Fn(u64) -> Option<u64>) -> bool {
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).is_ok()
    }

    /// Gives a place that is free to the first of the line, or frees it.
    fn pass_on(&self, line: &mut Line<oneshot::Sender<()>>) {
        match line.pop() {
            Some(first) => {
                self.word.fetch_sub(ONE_WAITS, Ordering::AcqRel);
                // It is there: who leaves the line takes its sender out, under the same lock.
                let _ = first.send(());
            }
            None => {
                self.word.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Places taken, and who waits.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (u64, u64) {
        let word = self.word.load(Ordering::Acquire);
        (word & TAKEN, word / ONE_WAITS)
    }
}

impl Holder for Arc<Gate> {
    fn give_back(&self) {
        if self.change(|word| (word < ONE_WAITS).then_some(word.saturating_sub(1))) {
            return;
        }
        self.pass_on(&mut self.line.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn withdraw(&self, ticket: u64) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.leave(ticket) {
            self.word.fetch_sub(ONE_WAITS, Ordering::AcqRel);
        } else {
            self.pass_on(&mut line);
        }
    }
}
