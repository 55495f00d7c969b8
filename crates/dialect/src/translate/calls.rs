//! Which result belongs to which call.
//!
//! Nothing here looks through all calls for one: a body may have a hundred thousand of them.

use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;

/// The calls of a conversation so far, by their positions.
#[derive(Debug, Default)]
pub(super) struct CallIndex<'r> {
    answered: Vec<bool>,
    by_id: HashMap<Cow<'r, str>, Queue>,
    by_name: HashMap<Cow<'r, str>, Queue>,
    /// All before it are answered.
    next: usize,
}

/// Positions of calls that share something.
#[derive(Debug, Default)]
struct Queue {
    positions: SmallVec<[usize; 2]>,
    /// All before it are answered.
    next: usize,
}

impl<'r> CallIndex<'r> {
    /// Notes a call; its position. An empty id is none.
    pub(super) fn add(&mut self, id: Cow<'r, str>, name: Cow<'r, str>) -> usize {
        let at = self.answered.len();
        self.answered.push(false);
        if !id.is_empty() {
            self.by_id.entry(id).or_default().positions.push(at);
        }
        self.by_name.entry(name).or_default().positions.push(at);
        at
    }

    /// How many calls there are.
    pub(super) fn len(&self) -> usize {
        self.answered.len()
    }

    /// Notes that a call has its result.
    pub(super) fn answer(&mut self, at: usize) {
        if let Some(answered) = self.answered.get_mut(at) {
            *answered = true;
        }
    }

    /// The first call of an id.
    pub(super) fn first_of_id(&self, id: &str) -> Option<usize> {
        self.by_id.get(id)?.positions.first().copied()
    }

    /// The last call of an id.
    pub(super) fn last_of_id(&self, id: &str) -> Option<usize> {
        self.by_id.get(id)?.positions.last().copied()
    }

    /// The first call of an id that has no result.
    pub(super) fn open_of_id(&mut self, id: &str) -> Option<usize> {
        self.by_id.get_mut(id)?.open(&self.answered)
    }

    /// The first call of a function that has no result.
    pub(super) fn open_of_name(&mut self, name: &str) -> Option<usize> {
        self.by_name.get_mut(name)?.open(&self.answered)
    }

    /// The first call that has no result.
    pub(super) fn open(&mut self) -> Option<usize> {
        let rest = self.answered.get(self.next..)?;
        self.next += rest.iter().take_while(|answered| **answered).count();
        (self.next < self.answered.len()).then_some(self.next)
    }
}

impl Queue {
    fn open(&mut self, answered: &[bool]) -> Option<usize> {
        let rest = self.positions.get(self.next..)?;
        let done = |at: &&usize| answered.get(**at).is_some_and(|answered| *answered);
        self.next += rest.iter().take_while(done).count();
        self.positions.get(self.next).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_id_by_name_and_in_order() {
        let mut calls = CallIndex::default();
        for (id, name) in [("a", "f"), ("", "g"), ("a", "f"), ("", "f")] {
            calls.add(id.into(), name.into());
        }
        assert_eq!((calls.first_of_id("a"), calls.last_of_id("a"), calls.len()), (Some(0), Some(2), 4));
        assert_eq!(
            (calls.first_of_id(""), calls.open_of_id("b"), calls.open_of_name("h")),
            (None, None, None)
        );
        assert_eq!(
            (calls.open(), calls.open_of_id("a"), calls.open_of_name("f")),
            (Some(0), Some(0), Some(0))
        );
        calls.answer(0);
        assert_eq!(
            (calls.open(), calls.open_of_id("a"), calls.open_of_name("f")),
            (Some(1), Some(2), Some(2))
        );
        calls.answer(2);
        calls.answer(1);
        assert_eq!((calls.open(), calls.open_of_id("a"), calls.open_of_name("f")), (Some(3), None, Some(3)));
        calls.answer(3);
        assert_eq!((calls.open(), calls.open_of_name("f")), (None, None));
        assert_eq!(calls.last_of_id("a"), Some(2), "a client may send a result twice");
    }
}
