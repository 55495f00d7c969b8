//! What gates count: limits, breakers, places. One for the process, so that a reload changes nothing of it.

use crate::actions::circuit_breaker::Breakers;
use crate::actions::rate_limit::{Buckets, LimitStore};
use crate::clock::{Clock, Monotonic};
use crate::load::Places;
use std::sync::Arc;

/// The state of gates.
pub struct Gates {
    /// The buckets of `rate-limit`.
    pub(crate) limits: Arc<dyn LimitStore>,
    /// The breakers of `circuit-breaker`.
    pub(crate) breakers: Breakers,
    /// The places of `concurrency-limit`.
    pub(crate) places: Arc<Places>,
}

impl Gates {
    /// Nothing counted yet, by this clock.
    #[must_use]
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            limits: Arc::new(Buckets::new(Arc::clone(clock))),
            breakers: Breakers::new(Arc::clone(clock)),
            places: Arc::default(),
        }
    }
}

impl Default for Gates {
    fn default() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(Monotonic::default());
        Self::new(&clock)
    }
}
