//! What a policy says about the health of targets.

/// `health` of an `ai-gateway` action. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HealthKnobs {
    /// Whether outcomes are counted and unhealthy targets go last.
    pub enabled: bool,
    /// Failures in a row that open a breaker.
    pub failure_threshold: u32,
    /// Share of failed attempts in a window that opens a breaker, 0 to 1.
    pub failure_share: f64,
    /// Attempts in a window below which its share says nothing.
    pub min_requests: u32,
    /// Length of a window; it begins with a failure.
    pub window_ms: u64,
    /// First cooldown; doubled each time the probe fails.
    pub cooldown_ms: u64,
    /// Longest cooldown, also of those a provider asks for.
    pub max_cooldown_ms: u64,
}

impl Default for HealthKnobs {
    fn default() -> Self {
        Self {
            enabled: true,
            failure_threshold: 5,
            failure_share: 0.5,
            min_requests: 20,
            window_ms: 60_000,
            cooldown_ms: 10_000,
            max_cooldown_ms: 300_000,
        }
    }
}

impl HealthKnobs {
    /// The cooldown of the `times`-th opening in a row: what the provider asked for, else one that doubles each time.
    /// A doubled one is up to a tenth shorter, so that gateways that saw the same outage do not come back together.
    pub(super) fn cooldown(&self, times: u32, asked_ms: Option<u64>, now_ms: u64) -> u64 {
        if let Some(asked) = asked_ms.filter(|asked| *asked > 0) {
            return asked.min(self.max_cooldown_ms).max(1);
        }
        let doubled = self.cooldown_ms.saturating_mul(1 << times.saturating_sub(1).min(20));
        let full = doubled.min(self.max_cooldown_ms);
        full.saturating_sub(scattered(now_ms) % (full / 10 + 1)).max(1)
    }
}

/// A number that has nothing to do with its neighbours' (SplitMix64's last steps).
fn scattered(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
