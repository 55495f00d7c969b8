//! How many requests are being served, and waiting until there are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Parts of the register of those that wait to be cut short, so that threads seldom meet in one.
const SHARDS: usize = 16;

/// Counts requests in flight. One for the process; every request holds a guard until its last byte is out.
#[derive(Debug, Default)]
pub struct InFlight {
    count: AtomicUsize,
    idle: Notify,
    last: AtomicBool,
    cut: AtomicBool,
    cutting: [Notify; SHARDS],
}

impl InFlight {
    /// Counts one request more until the guard is dropped, on whatever path that happens.
    #[must_use = "the request is counted only while the guard lives"]
    pub fn enter(self: &Arc<Self>) -> InFlightGuard {
        self.count.fetch_add(1, Ordering::AcqRel);
        InFlightGuard { counter: Arc::clone(self) }
    }

    /// Requests in flight now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Requests from now on, and those in flight, are the last ones of their connections.
    pub fn set_last(&self) {
        self.last.store(true, Ordering::Release);
    }

    /// Whether an answer has to say that its connection closes.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.last.load(Ordering::Acquire)
    }

    /// The time of those that are still in flight is over: [`Self::until_cut`] returns, now and for ever.
    pub fn cut_short(&self) {
        self.cut.store(true, Ordering::Release);
        self.cutting.iter().for_each(Notify::notify_waiters);
    }

    /// Returns once what is in flight has to end ([`Self::cut_short`]).
    pub async fn until_cut(&self) {
        let shard = SHARD.with(|shard| *shard);
        let Some(cutting) = self.cutting.get(shard) else { return std::future::pending().await };
        let notified = cutting.notified();
        tokio::pin!(notified);
        // Registered before the flag is read: a cut in between still wakes us.
        notified.as_mut().enable();
        if !self.cut.load(Ordering::Acquire) {
            notified.await;
        }
    }

    /// Returns once no request is in flight. The caller stops accepting first, or this may never return, and
    /// puts its own limit around it.
    pub async fn wait_idle(&self) {
        loop {
            let notified = self.idle.notified();
            tokio::pin!(notified);
            // Registered before the count is read: a guard dropped in between still wakes us.
            notified.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            notified.await;
        }
    }
}

thread_local! {
    /// The part of this thread.
    static SHARD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

/// One request in flight; dropping it ends the count.
#[derive(Debug)]
pub struct InFlightGuard {
    counter: Arc<InFlight>,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        if self.counter.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.counter.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn waits_for_the_last_guard_and_wakes_every_waiter() {
        let flights = Arc::new(InFlight::default());
        let first = flights.enter();
        let second = flights.enter();
        assert_eq!(flights.count(), 2);
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let flights = Arc::clone(&flights);
                tokio::spawn(async move { flights.wait_idle().await })
            })
            .collect();
        drop(first);
        let early = tokio::time::timeout(Duration::from_millis(20), flights.wait_idle()).await;
        assert!(early.is_err(), "one request is still in flight");
        drop(second);
        for waiter in waiters {
            tokio::time::timeout(Duration::from_secs(5), waiter).await.unwrap().unwrap();
        }
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn a_cut_wakes_those_who_wait_and_those_who_come_later() {
        let flights = Arc::new(InFlight::default());
        let waiters: Vec<_> = (0..40)
            .map(|_| {
                let flights = Arc::clone(&flights);
                tokio::spawn(async move { flights.until_cut().await })
            })
            .collect();
        let early = tokio::time::timeout(Duration::from_millis(20), flights.until_cut()).await;
        assert!(early.is_err(), "nobody has cut anything");
        flights.cut_short();
        for waiter in waiters {
            tokio::time::timeout(Duration::from_secs(5), waiter).await.unwrap().unwrap();
        }
        tokio::time::timeout(Duration::from_secs(5), flights.until_cut()).await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_counter_does_not_wait() {
        tokio::time::timeout(Duration::from_secs(1), InFlight::default().wait_idle()).await.unwrap();
    }

    #[tokio::test]
    async fn a_panicking_or_cancelled_request_is_not_counted_for_ever() {
        let flights = Arc::new(InFlight::default());
        let guard = flights.enter();
        let task = tokio::spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        task.abort();
        tokio::time::timeout(Duration::from_secs(5), flights.wait_idle()).await.unwrap();
    }
}
