//! Where buckets are kept: in this process, up to a million of them.

use super::window::{Limit, Verdict, Window};
use crate::actions::bucket_key::BucketKey;
use crate::clock::Clock;
use async_trait::async_trait;
use foldhash::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps buckets. Asking and counting are one step: of requests that come at the same time, no more are admitted than
/// fit. A store that others share and that cannot be reached decides itself what to say.
#[async_trait]
pub(crate) trait LimitStore: Send + Sync {
    /// Counts a request in a bucket if it fits.
    async fn take(&self, key: BucketKey, limit: Limit) -> Verdict;
}

/// Most buckets at once, all limits together; beyond, those used longest ago are forgotten.
const MOST: usize = 1 << 20;
/// Parts with a lock of their own; a power of two.
const PARTS: usize = 64;
/// How often a part is cleared of buckets whose window is empty, in milliseconds.
const SWEEP: u64 = 60_000;

/// Buckets of this process.
pub(crate) struct Buckets {
    parts: Vec<Mutex<Part>>,
    most: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Part {
    buckets: HashMap<BucketKey, Bucket>,
    swept: u64,
}

struct Bucket {
    window: Window,
    /// When its window is empty.
    ends: u64,
    /// When it was asked last.
    used: u64,
}

impl Buckets {
    /// No buckets yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with(clock, MOST)
    }

    fn with(clock: Arc<dyn Clock>, most: usize) -> Self {
        let parts = std::iter::repeat_with(Mutex::default).take(PARTS).collect();
        Self { parts, most: (most / PARTS).max(1), clock }
    }

    fn part(&self, key: BucketKey) -> Option<&Mutex<Part>> {
        self.parts.get(usize::try_from(key.0 % PARTS as u128).unwrap_or(0))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().expect("not poisoned").buckets.len()).sum()
    }
}

#[async_trait]
impl LimitStore for Buckets {
    async fn take(&self, key: BucketKey, limit: Limit) -> Verdict {
        let Some(part) = self.part(key) else { return Verdict::Admitted };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that no bucket sees time go back.
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX);
        part.make_room(key, now, self.most);
        let bucket =
            part.buckets.entry(key).or_insert_with(|| Bucket { window: Window::default(), ends: 0, used: 0 });
        let verdict = bucket.window.take(now, limit);
        (bucket.used, bucket.ends) = (now, bucket.window.ends(limit));
        verdict
    }
}

impl Part {
    fn make_room(&mut self, key: BucketKey, now: u64, most: usize) {
        let full = self.buckets.len() >= most && !self.buckets.contains_key(&key);
        if full || now >= self.swept + SWEEP {
            self.swept = now;
            self.buckets.retain(|_, bucket| bucket.ends > now);
            if self.buckets.capacity() / 4 > self.buckets.len() {
                self.buckets.shrink_to_fit();
            }
        }
        if full && self.buckets.len() >= most {
            self.forget((most / 16).max(1));
        }
    }

    /// Forgets so many of those used longest ago: several at once, because finding them takes a look at each.
    fn forget(&mut self, count: usize) {
        let mut used: Vec<(u64, BucketKey)> = self.buckets.iter().map(|(key, b)| (b.used, *key)).collect();
        if count < used.len() {
            used.select_nth_unstable_by_key(count, |(used, _)| *used);
        }
        for (_, key) in used.into_iter().take(count) {
            self.buckets.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const ONE: Limit = Limit { capacity: 1, rate: 60_000 };

    fn take(buckets: &Buckets, key: u128, limit: Limit) -> Verdict {
        let mut work = std::pin::pin!(buckets.take(BucketKey(key), limit));
        match work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(verdict) => verdict,
            std::task::Poll::Pending => unreachable!("it never waits"),
        }
    }

    #[test]
    fn of_many_at_once_exactly_as_many_are_admitted_as_fit() {
        let buckets = Buckets::new(Arc::new(Manual::default()));
        let limit = Limit { capacity: 100, rate: 60_000 };
        let admitted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let fits = take(&buckets, 7, limit) == Verdict::Admitted;
                        admitted.fetch_add(usize::from(fits), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(admitted.into_inner(), 100);
    }

    #[test]
    fn those_used_longest_ago_are_forgotten() {
        let clock = Arc::new(Manual::default());
        let buckets = Buckets::with(Arc::clone(&clock) as Arc<dyn Clock>, 32 * PARTS);
        // All in one part.
        let key = |n: u128| n * PARTS as u128;
        for n in 0..1_000 {
            assert_eq!(take(&buckets, key(n), ONE), Verdict::Admitted, "{n}");
            assert!(buckets.len() <= 32);
            assert!(matches!(take(&buckets, 0, ONE), Verdict::Limited { .. }), "one in use is kept: {n}");
            clock.advance(Duration::from_millis(1));
        }
        assert!(matches!(take(&buckets, key(999), ONE), Verdict::Limited { .. }));
        assert_eq!(take(&buckets, key(1), ONE), Verdict::Admitted, "forgotten");
    }

    #[test]
    fn buckets_with_an_empty_window_go() {
        let clock = Arc::new(Manual::default());
        let buckets = Buckets::new(Arc::clone(&clock) as Arc<dyn Clock>);
        for n in 0..1_000_u128 {
            take(&buckets, n * PARTS as u128, ONE);
        }
        assert_eq!(buckets.len(), 1_000);
        clock.advance(Duration::from_secs(61));
        take(&buckets, 0, ONE);
        assert_eq!(buckets.len(), 1);
    }
}
