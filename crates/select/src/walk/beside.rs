//! A second attempt beside the one at hand: the walk stays where it is, and both count.

use super::{Attempt, Walk};
use crate::fault::Fault;
use crate::plan::Candidate;

impl<'p> Walk<'p> {
    /// An attempt to make beside the one at hand: of a later candidate that is another model or at another provider. What
    /// was put off is none. `None` when there is none, when no attempts are left, or when there was one before.
    ///
    /// `keys` is asked as by [`Walk::next`], for candidates until one has a key; what it refuses is not noted, because the
    /// candidate's own turn comes later.
    pub fn beside(
        &mut self,
        mut keys: impl FnMut(&Candidate) -> Result<Vec<Option<usize>>, Fault>,
    ) -> Option<Attempt> {
        let plan = self.plan;
        let at_hand = plan.candidates.get(self.current?.candidate)?;
        let spent = self.tried.len() >= self.knobs.max_attempts;
        if spent || self.hedged || self.resumed > 0 || self.end.is_some() {
            return None;
        }
        for (index, candidate) in plan.candidates.iter().enumerate().skip(self.at + 1) {
            let unreachable = self.unreachable.contains(&candidate.provider.id.as_str());
            if unreachable || candidate.same_target(at_hand) {
                continue;
            }
            let Ok(keys) = keys(candidate) else { continue };
            if let Some(attempt) = self.first_open(index, candidate, &mut keys.into_iter()) {
                self.tried.push(attempt);
                (self.beside, self.hedged) = (Some(attempt), true);
                return Some(attempt);
            }
        }
        None
    }

    /// Whether [`Walk::beside`] has given an attempt.
    #[must_use]
    pub fn hedged(&self) -> bool {
        self.hedged
    }

    /// Takes back the attempt that [`Walk::beside`] gave: nothing was sent. Its candidate's turn comes as if there had been
    /// none.
    pub fn unsent(&mut self) {
        if let Some(attempt) = self.beside.take() {
            self.take_back(attempt);
        }
    }

    /// One of two attempts was cancelled: it has been sent, and is no failure. The other one is at hand.
    pub fn called_off(&mut self, attempt: Attempt) {
        self.over(attempt);
    }

    /// Whether a failure ends the walk, whatever is under way (`stop_on`).
    #[must_use]
    pub fn stops(&self, fault: &Fault) -> bool {
        fault.status().is_some_and(|status| self.knobs.stop_on.contains(&status))
    }

    /// Notes that an attempt is not under way any more; `false` when it was not.
    pub(super) fn over(&mut self, attempt: Attempt) -> bool {
        if self.current == Some(attempt) {
            self.current = self.beside.take();
            return true;
        }
        let beside = self.beside == Some(attempt);
        if beside {
            self.beside = None;
        }
        beside
    }

    pub(super) fn take_back(&mut self, attempt: Attempt) {
        if let Some(index) = self.tried.iter().rposition(|tried| *tried == attempt) {
            self.tried.remove(index);
        }
    }

    /// Has no more keys tried of a candidate.
    pub(super) fn spare(&mut self, candidate: usize) {
        if candidate == self.at {
            self.keys = Some(Vec::new().into_iter());
        } else {
            self.spared.push(candidate);
        }
    }
}
