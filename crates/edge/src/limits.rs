//! What one listener takes from clients, and what all of them together may buffer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Limits of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Largest request head in bytes: names and values.
    pub max_headers: usize,
    /// Time for the whole request body.
    pub body_timeout: Duration,
    /// Bytes a second below which an upload is given up, after its first ten seconds.
    pub min_body_rate: usize,
    /// Time for the head of a request, from its first byte; of the first one, from the connection.
    pub header_timeout: Duration,
    /// How long a client may take nothing of what it is sent.
    pub write_timeout: Duration,
    /// How long a connection may be open that no request is served on.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: 32 << 20,    // 32 MiB
            max_headers: 64 << 10, // 64 KiB
            body_timeout: Duration::from_secs(60),
            min_body_rate: 1 << 10, // 1 KiB/s
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// Bytes that request bodies of all connections may occupy together.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// A share of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Reserved {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes a share, or nothing when the rest is too small.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        let mut reserved = Reserved { budget: Arc::clone(self), bytes: 0 };
        reserved.grow_to(bytes).then_some(reserved)
    }
}

impl Reserved {
    /// Makes the share `bytes` large, or leaves it when the rest is too small.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let limit = self.budget.limit;
        let fits = |used: usize| used.checked_add(more).filter(|sum| *sum <= limit);
        if self.budget.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, fits).is_err() {
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_when_dropped() {
        let budget = Budget::new(100);
        let mut first = budget.reserve(60).expect("fits");
        assert!(budget.reserve(41).is_none(), "more than the rest");
        assert!(first.grow_to(100) && !first.grow_to(101));
        assert_eq!(budget.used(), 100, "a refused growth takes nothing");
        drop(first);
        assert_eq!(budget.used(), 0);
    }
}
