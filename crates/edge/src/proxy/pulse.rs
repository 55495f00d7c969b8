//! What the bytes of a connection and its requests tell each other: whether a head is awaited, and that it is over.
//!
//! Pingora reads heads by itself, with clocks of its own that each byte sets back. Here the stream below it knows when a
//! head has begun, and the request above it says when it was complete.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::Notify;
use tollgate_observe::{Cut, Metrics};

tokio::task_local! {
    /// The connection that a task serves. Requests of HTTP/2 have tasks of their own, which serve none.
    static CONNECTION: Arc<Pulse>;
}

/// One connection.
pub(super) struct Pulse {
    /// Even while a head is awaited, odd while a request of HTTP/1 is served.
    turn: AtomicU32,
    over: Notify,
    /// It is cut: once is enough, also where more of the same has come meanwhile.
    cut: AtomicBool,
    metrics: Arc<Metrics>,
}

impl Pulse {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { turn: AtomicU32::new(0), over: Notify::new(), cut: AtomicBool::new(false), metrics })
    }

    /// Serves the connection until it is done, or cut.
    pub(super) async fn serve(self: &Arc<Self>, serving: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.over.notified() => {}
            () = CONNECTION.scope(Arc::clone(self), serving) => {}
        }
    }

    /// Has the connection closed, without a word: Pingora would write a line into the log for each.
    pub(super) fn cut(&self, why: Cut) {
        if !self.cut.swap(true, Ordering::AcqRel) {
            self.count(why);
            self.over.notify_one();
        }
    }

    /// Counts a connection that ends by an error.
    pub(super) fn count(&self, why: Cut) {
        self.metrics.overload.cut(why);
    }

    /// Which head is awaited; `None` while a request is served.
    pub(super) fn awaited(&self) -> Option<u32> {
        let turn = self.turn.load(Ordering::Acquire);
        turn.is_multiple_of(2).then_some(turn)
    }
}

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pulse").field("turn", &self.turn).finish_non_exhaustive()
    }
}

/// A request of HTTP/1 that is served until this is dropped. Meanwhile no head is awaited.
pub struct Serving(Arc<Pulse>);

/// The head of a request has been read.
pub(super) fn serving() -> Option<Serving> {
    let pulse = CONNECTION.try_with(Arc::clone).ok()?;
    pulse.turn.fetch_or(1, Ordering::AcqRel);
    Some(Serving(pulse))
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.turn.fetch_add(1, Ordering::AcqRel);
    }
}
