//! The clock of what is counted over time: never set back, and another one in tests.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

/// A clock that never goes back.
pub trait Clock: Send + Sync {
    /// The time since some fixed moment before any other call.
    fn now(&self) -> Duration;
}

/// The time since the process made it.
#[derive(Debug)]
pub struct Monotonic(Instant);

impl Default for Monotonic {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A time of day that goes on steadily, whatever is done to the clock of the machine: right when it is asked first. For
/// windows and rests that are counted in times of day and must neither end at once nor last for hours because a clock was
/// set.
#[must_use]
pub fn steady() -> SystemTime {
    static FIRST: LazyLock<(SystemTime, Instant)> = LazyLock::new(|| (SystemTime::now(), Instant::now()));
    let (then, since) = *FIRST;
    then + since.elapsed()
}

/// A clock that stands until it is moved.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Manual(std::sync::atomic::AtomicU64);

#[cfg(test)]
impl Manual {
    pub(crate) fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).expect("a short time");
        self.0.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Clock for Manual {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}
