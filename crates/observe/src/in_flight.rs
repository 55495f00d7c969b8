//! How many requests are being served, and waiting until there are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Counts requests in flight. One for the process; every request holds a guard until its last byte is out.
#[derive(Debug, Default)]
pub struct InFlight {
    count: AtomicUsize,
    idle: Notify,
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
