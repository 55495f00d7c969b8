//! What an action of the request phase wants to know of the upstream's answer.

use http::StatusCode;

/// Waits for what the upstream says to a request. Dropped without a word when the request never got that far: a rule
/// answered it, or its client left.
pub trait Watch: Send + Sync {
    /// The head of the answer has arrived.
    fn answered(self: Box<Self>, status: StatusCode);

    /// No head will come of what was tried: refused, reset, timed out, or every provider used up. A later action may
    /// still have success elsewhere; then [`Self::answered`] follows.
    fn failed(&mut self);
}

/// All that wait.
#[derive(Default)]
pub struct Watches(Vec<Box<dyn Watch>>);

impl Watches {
    /// One more waits.
    pub fn add(&mut self, watch: Box<dyn Watch>) {
        self.0.push(watch);
    }

    /// Tells them of the answer, once. Whoever sends requests on calls this when a head has arrived.
    pub fn answered(&mut self, status: StatusCode) {
        for watch in std::mem::take(&mut self.0) {
            watch.answered(status);
        }
    }

    /// Tells them that there was none. Nobody hears it after [`Self::answered`].
    pub fn failed(&mut self) {
        self.0.iter_mut().for_each(|watch| watch.failed());
    }

    /// Tells the first `count` of them of the answer. For the others it is not the upstream's.
    pub fn answered_until(&mut self, count: usize, status: StatusCode) {
        for watch in self.0.drain(..count.min(self.0.len())) {
            watch.answered(status);
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells those that came since there were `before` that nothing will come of it: what they were added for is given
    /// up, and what comes now is somebody else's.
    pub fn give_up_since(&mut self, before: usize) {
        for mut watch in self.0.drain(before.min(self.0.len())..) {
            watch.failed();
        }
    }

    /// Tells them that there was none and that there will be none: before the client is told, so that its next request
    /// finds it known.
    pub fn gave_up(&mut self) {
        self.failed();
        self.0.clear();
    }
}
