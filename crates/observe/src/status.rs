//! What the status page shows.

use crate::clock;
use crate::data_files::{DataFile, DataFiles};
use crate::in_flight::InFlight;
use arc_swap::ArcSwapOption;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

/// The state of the running program that health, readiness and status are made of.
#[derive(Debug)]
pub struct RunState {
    version: String,
    policy_file: Option<String>,
    started: Instant,
    in_flight: Arc<InFlight>,
    loaded: ArcSwapOption<Loaded>,
    last_error: ArcSwapOption<ReloadError>,
    data_files: DataFiles,
    draining: AtomicBool,
}

#[derive(Debug)]
struct Loaded {
    revision: String,
    at: String,
}

/// A load that failed while an older policy stayed live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReloadError {
    /// When, RFC 3339.
    pub at: String,
    /// Why, as `check` would say it.
    pub message: String,
}

impl RunState {
    /// A program that has loaded nothing yet. `policy_file` is `None` when the built-in providers are served.
    #[must_use]
    pub fn new(version: &str, policy_file: Option<String>, in_flight: Arc<InFlight>) -> Self {
        Self {
            version: version.to_owned(),
            policy_file,
            started: Instant::now(),
            in_flight,
            loaded: ArcSwapOption::empty(),
            last_error: ArcSwapOption::empty(),
            data_files: DataFiles::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// This revision is live. Forgets the last load error: file and live policy agree again.
    pub fn loaded(&self, revision: &str, now: SystemTime) {
        let loaded = Loaded { revision: revision.to_owned(), at: clock::rfc3339_millis(now) };
        self.loaded.store(Some(Arc::new(loaded)));
        self.last_error.store(None);
    }

    /// A load failed; what was live stays live.
    pub fn reload_failed(&self, message: &str, now: SystemTime) {
        let error = ReloadError { at: clock::rfc3339_millis(now), message: message.to_owned() };
        self.last_error.store(Some(Arc::new(error)));
    }

    /// A file of facts is in force: what it is for, where it is, what it holds.
    pub fn data_file_loaded(&self, name: &str, file: &Path, holds: &str, now: SystemTime) {
        self.data_files.loaded(name, file, holds, now);
    }

    /// A file of facts could not be loaded; the one before stays in force.
    pub fn data_file_failed(&self, name: &str, message: &str, now: SystemTime) {
        self.data_files.failed(name, message, now);
    }

    /// Stopping: no longer ready, and never again.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// The program is stopping.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// The revision that is live.
    #[must_use]
    pub fn revision(&self) -> Option<String> {
        self.loaded.load().as_ref().map(|loaded| loaded.revision.clone())
    }

    /// Why requests should not be sent here now; `None` when they may.
    #[must_use]
    pub fn not_ready(&self) -> Option<&'static str> {
        if self.draining() {
            Some("draining")
        } else if self.loaded.load().is_none() {
            Some("no policy loaded")
        } else {
            None
        }
    }

    /// Everything for `GET /status`.
    #[must_use]
    pub fn status(&self, providers: Vec<ProviderStatus>, endpoints: Vec<EndpointStatus>) -> Status {
        let loaded = self.loaded.load();
        Status {
            version: self.version.clone(),
            policy_file: self.policy_file.clone(),
            revision: loaded.as_ref().map(|loaded| loaded.revision.clone()),
            loaded_at: loaded.as_ref().map(|loaded| loaded.at.clone()),
            last_reload_error: self.last_error.load().as_ref().map(|error| ReloadError::clone(error)),
            in_flight: self.in_flight.count(),
            uptime_seconds: self.started.elapsed().as_secs(),
            draining: self.draining(),
            data_files: self.data_files.all(),
            providers,
            endpoints,
        }
    }
}

/// The answer of `GET /status`.
///
/// Fields about the program are always there, `null` when there is nothing to say; measurements nobody has made
/// are left out.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The policy's file.
    pub policy_file: Option<String>,
    /// The revision that is live.
    pub revision: Option<String>,
    /// When it went live, RFC 3339.
    pub loaded_at: Option<String>,
    /// Set while the newest file could not be loaded.
    pub last_reload_error: Option<ReloadError>,
    /// Requests being served.
    pub in_flight: usize,
    /// Seconds since start.
    pub uptime_seconds: u64,
    /// Stopping.
    pub draining: bool,
    /// Databases and lists of addresses, IP policies.
    pub data_files: Vec<DataFile>,
    /// Providers in the order of the policy.
    pub providers: Vec<ProviderStatus>,
    /// The endpoints that have servers behind them.
    pub endpoints: Vec<EndpointStatus>,
}

/// One endpoint.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EndpointStatus {
    /// Its id, `ep_` and its name.
    pub id: String,
    /// Its address.
    pub url: String,
    /// The servers behind it.
    pub upstreams: Vec<UpstreamStatus>,
}

/// One server behind an endpoint.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UpstreamStatus {
    /// Where it is.
    pub url: String,
    /// Its share of the requests, beside those of the others.
    pub weight: u32,
    /// `healthy`, `unhealthy`, or `unknown` when it is not looked after.
    pub health: String,
    /// Whether it comes last because it could not be connected to just now.
    pub resting: bool,
    /// What its last health check found wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One provider.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProviderStatus {
    /// Its id.
    pub id: String,
    /// A word for the last minutes: `healthy`, `failing`, `unused`; `resting` while its breaker is not closed.
    pub health: String,
    /// Its circuit breaker: `closed`, `open`, `half_open`, or `off` where the policy has none.
    pub breaker: String,
    /// Seconds until it is tried again, while its breaker is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_seconds: Option<u64>,
    /// Models with traffic.
    pub models: Vec<ModelStatus>,
    /// Its keys, in the order of the policy.
    pub keys: Vec<KeyStatus>,
}

/// One model of a provider, over the metrics window.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ModelStatus {
    /// Its id.
    pub id: String,
    /// Attempts in the window.
    pub request_count: u64,
    /// Share of them that failed, 0 to 1.
    pub error_rate: f64,
    /// Share of them that failed by the provider's fault: not the 4xx that clients and keys are to blame for.
    pub fault_rate: f64,
    /// Its circuit breaker: `closed`, `open`, `half_open`, or `off` where the policy has none.
    pub breaker: String,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Seconds until it is tried again, while its breaker is open or its provider limits it for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_seconds: Option<u64>,
}

/// One key of a provider.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KeyStatus {
    /// The key, trimmed (`sk-or-v...wxyz`). Never the value: whoever fills this in trims it.
    pub key: String,
    /// Its circuit breaker, open while the provider refuses the key: `closed`, `open`, `half_open`, `off`.
    pub breaker: String,
    /// Seconds until it is used again, while it is refused or used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_seconds: Option<u64>,
    /// Models it is used up for, each with the seconds until it is used for them again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models_cooling: Vec<ModelCooldown>,
    /// Requests the provider says are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_requests: Option<u64>,
    /// Tokens the provider says are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_tokens: Option<u64>,
    /// Requests in a full quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_requests: Option<u64>,
    /// Tokens in a full quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_tokens: Option<u64>,
    /// What the provider says of the account behind it (OpenRouter's `/key` and `/credits`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountStatus>,
}

/// A model that a key is used up for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelCooldown {
    /// Its id.
    pub id: String,
    /// Seconds until the key is used for it again.
    pub cooldown_seconds: u64,
}

/// The account behind a key. Amounts are US dollars; what is not known, or has no limit, is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AccountStatus {
    /// Nothing is left to spend.
    pub exhausted: bool,
    /// What the key may spend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_usd: Option<f64>,
    /// What is left of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_remaining_usd: Option<f64>,
    /// When the limit starts anew: `daily`, `weekly`, `monthly`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_reset: Option<String>,
    /// What the key has spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_usd: Option<f64>,
    /// Whether nothing was ever paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_tier: Option<bool>,
    /// What is left of the credits bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance_usd: Option<f64>,
    /// Why the provider could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where the status page gets what this crate cannot know. Closures implement it.
pub trait StatusSource: Send + Sync {
    /// The providers of the live policy.
    fn providers(&self) -> Vec<ProviderStatus>;

    /// The endpoints that have servers behind them.
    fn endpoints(&self) -> Vec<EndpointStatus> {
        Vec::new()
    }
}

impl<F: Fn() -> Vec<ProviderStatus> + Send + Sync> StatusSource for F {
    fn providers(&self) -> Vec<ProviderStatus> {
        self()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn ready_means_a_policy_and_not_draining() {
        let run = RunState::new("1", None, Arc::default());
        assert_eq!(run.not_ready(), Some("no policy loaded"));
        run.reload_failed("bad", UNIX_EPOCH);
        assert_eq!(run.not_ready(), Some("no policy loaded"));
        run.loaded("r1", UNIX_EPOCH);
        assert_eq!(run.not_ready(), None);
        run.reload_failed("worse", UNIX_EPOCH);
        assert_eq!(run.not_ready(), None, "the old policy still serves");
        run.drain();
        assert_eq!(run.not_ready(), Some("draining"));
    }

    #[test]
    fn a_failed_reload_is_shown_until_a_good_one() {
        let in_flight = Arc::new(InFlight::default());
        let run = RunState::new("1.2.3", Some("p.yml".into()), Arc::clone(&in_flight));
        run.loaded("r1", UNIX_EPOCH);
        run.reload_failed("p.yml:3:1: error: no", UNIX_EPOCH + Duration::from_secs(60));
        let _guard = in_flight.enter();
        let status = run.status(Vec::new(), Vec::new());
        assert_eq!((status.revision.as_deref(), status.in_flight), (Some("r1"), 1));
        assert_eq!(status.loaded_at.as_deref(), Some("1970-01-01T00:00:00.000Z"));
        let error = status.last_reload_error.unwrap();
        assert_eq!(
            (error.at.as_str(), error.message.as_str()),
            ("1970-01-01T00:01:00.000Z", "p.yml:3:1: error: no")
        );
        run.loaded("r2", UNIX_EPOCH);
        assert_eq!(run.status(Vec::new(), Vec::new()).last_reload_error, None);
        assert_eq!(run.revision().as_deref(), Some("r2"));
    }
}
