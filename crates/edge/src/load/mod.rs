//! How much is served at once: connections, requests in all, requests of one client; and who waits meanwhile.
//!
//! A place is taken by a guard and given back when it is dropped, whatever the path. Who finds none waits in a line that
//! is bounded, for a time that is bounded, and is served in the order of the line.

mod gate;
mod keyed;
mod line;
mod nofile;
#[cfg(test)]
mod tests;

pub use gate::Gate;
pub use keyed::KeyPlace;
pub(crate) use keyed::{Asker, Places};

use crate::client::Client;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tollgate_observe::{Metrics, Queue, Refusal};

/// What the process takes on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadLimits {
    /// Connections of clients, of all listeners together; at least one.
    pub connections: usize,
    /// Requests being served, of all listeners together; at least one.
    pub requests: usize,
    /// Requests that may wait for a place.
    pub queue_size: usize,
    /// How long one may wait.
    pub queue_timeout: Duration,
}

/// Most connections that are allowed unless somebody says otherwise: each takes about 100 KiB, mostly Pingora's buffers.
const MOST_CONNECTIONS: usize = 16_384;
/// Most requests, likewise.
const MOST_REQUESTS: usize = 10_000;

impl Default for LoadLimits {
    /// As many as the process may have files open for: a request needs one for its client and one for its provider.
    fn default() -> Self {
        let each = (nofile::limit().saturating_sub(256) / 2).clamp(64, MOST_CONNECTIONS);
        Self {
            connections: each,
            requests: each.min(MOST_REQUESTS),
            queue_size: 1_000,
            queue_timeout: Duration::from_secs(5),
        }
    }
}

/// How many refused connections may be told so at a time; others are closed without a word.
const TOLD: usize = 64;

/// What all listeners take on together.
pub struct Load {
    /// The places of requests.
    pub requests: Arc<Gate>,
    /// How long a request may wait for one.
    pub patience: Duration,
    connections: i64,
    told: AtomicUsize,
    metrics: Arc<Metrics>,
}

/// A connection that is counted until it is dropped.
pub struct ConnectionPlace<'a>(&'a Load);

/// A refused connection that may be told so.
pub struct Told<'a>(&'a Load);

impl Load {
    /// Nothing taken yet.
    #[must_use]
    pub fn new(limits: LoadLimits, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            requests: Gate::new(limits.requests, limits.queue_size),
            patience: limits.queue_timeout,
            connections: i64::try_from(limits.connections).unwrap_or(i64::MAX),
            told: AtomicUsize::new(0),
            metrics,
        })
    }

    /// Counts a connection, if one more may be open.
    pub fn connect(&self) -> Option<ConnectionPlace<'_>> {
        let open = &self.metrics.overload.connections;
        if open.inc() >= self.connections {
            open.dec();
            self.metrics.overload.refused(Refusal::Connections);
            return None;
        }
        Some(ConnectionPlace(self))
    }

    /// Whether one more refused connection may be told so.
    pub fn tell(&self) -> Option<Told<'_>> {
        let told = Told(self);
        (self.told.fetch_add(1, Ordering::AcqRel) < TOLD).then_some(told)
    }
}

impl Drop for ConnectionPlace<'_> {
    fn drop(&mut self) {
        self.0.metrics.overload.connections.dec();
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.told.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Who a place is given back to.
pub trait Holder: Clone + Send {
    /// A place is free again: the next of the line has it.
    fn give_back(&self);

    /// Who waited with this ticket does not any more; a place that was given meanwhile is given back.
    fn withdraw(&self, ticket: u64);
}

/// A place; dropping it gives it back.
pub struct Held<H: Holder>(H);

impl<H: Holder> Drop for Held<H> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl<H: Holder> std::fmt::Debug for Held<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

/// What is said to who asks for a place.
pub(crate) enum Asked<H: Holder> {
    /// Here it is.
    In(Held<H>),
    /// One has to wait for it.
    Wait(Waiting<H>),
    /// Too many wait already.
    Full,
}

/// Waits for a place. Dropping it leaves the line.
pub(crate) struct Waiting<H: Holder> {
    holder: Option<H>,
    ticket: u64,
    granted: oneshot::Receiver<()>,
}

impl<H: Holder> Waiting<H> {
    fn new(holder: H, ticket: u64, granted: oneshot::Receiver<()>) -> Self {
        Self { holder: Some(holder), ticket, granted }
    }
}

impl<H: Holder + Unpin> Future for Waiting<H> {
    type Output = Held<H>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Held<H>> {
        match Pin::new(&mut self.granted).poll(cx) {
            Poll::Ready(Ok(())) => {
                self.holder.take().map_or(Poll::Pending, |holder| Poll::Ready(Held(holder)))
            }
            // Nobody takes a waiter out of the line without giving it a place, except itself.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<H: Holder> Drop for Waiting<H> {
    fn drop(&mut self) {
        if let Some(holder) = self.holder.take() {
            holder.withdraw(self.ticket);
        }
    }
}

/// Why there was no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// Too many wait already.
    Full,
    /// None became free in time.
    Late,
    /// The client left while it waited.
    Gone,
}

/// Waits for a place if it must: as long as `patience`, and as the client is there. Without a `queue` nothing waits, and
/// nothing is counted.
pub(crate) async fn admitted<H: Holder + Unpin>(
    asked: Asked<H>,
    patience: Duration,
    client: &mut dyn Client,
    metrics: &Metrics,
    queue: Option<Queue>,
) -> Result<Held<H>, NoPlace> {
    let overload = &metrics.overload;
    let (waiting, queue) = match (asked, queue) {
        (Asked::In(held), _) => return Ok(held),
        (Asked::Wait(waiting), Some(queue)) => (waiting, queue),
        (Asked::Full | Asked::Wait(_), queue) => {
            if let Some(queue) = queue {
                overload.refused(Refusal::full(queue));
            }
            return Err(NoPlace::Full);
        }
    };
    let since = Instant::now();
    let _waits = overload.waits(queue);
    let ended = tokio::select! {
        biased;
        held = waiting => Ok(held),
        () = client.left_early() => Err(NoPlace::Gone),
        () = tokio::time::sleep(patience) => Err(NoPlace::Late),
    };
    overload.waited(queue, since.elapsed());
    if matches!(ended, Err(NoPlace::Late)) {
        overload.refused(Refusal::late(queue));
    }
    ended
}

/// What `retry-after` says, in seconds: those who are refused together do not all come back before the line has moved.
pub(crate) fn retry_after(patience: Duration) -> u64 {
    patience.as_secs() + u64::from(patience.subsec_nanos() > 0)
}
