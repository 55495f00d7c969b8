//! A line of who waits: first come, first served. Pure.

use std::collections::VecDeque;

/// Who waits, in the order they came. Each has a ticket, with which it can leave.
#[derive(Debug)]
pub(super) struct Line<W> {
    waiting: VecDeque<(u64, W)>,
    next: u64,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), next: 0 }
    }
}

impl<W> Line<W> {
    /// One more at the end.
    pub(super) fn join(&mut self, who: W) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.waiting.push_back((ticket, who));
        ticket
    }

    /// Who is first.
    pub(super) fn first(&self) -> Option<&W> {
        self.waiting.front().map(|(_, who)| who)
    }

    /// Takes out who is first.
    pub(super) fn pop(&mut self) -> Option<W> {
        self.waiting.pop_front().map(|(_, who)| who)
    }

    /// Takes out who has this ticket; false: it was taken out before.
    pub(super) fn leave(&mut self, ticket: u64) -> bool {
        // Tickets rise along the line.
        let at = self.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket);
        at.is_ok_and(|at| self.waiting.remove(at).is_some())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
