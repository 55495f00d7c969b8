//! `health`: circuit breakers and cooldowns.

use std::time::Duration;
use tollgate_policy::{Checker, Config};
use tollgate_select::HealthKnobs;

const CODE: &str = "ERR_NGROK_2225";

/// What the shapes of the fields do not say.
pub(super) fn check(config: &Config<'_>, checker: &mut Checker) {
    let knobs = read(config);
    let Some(health) = config.get("health") else { return };
    if let Some(at) = health.get("max_cooldown").or_else(|| health.get("cooldown"))
        && knobs.cooldown_ms > knobs.max_cooldown_ms
    {
        let message = format!(
            "the first cooldown is longer than the longest: `cooldown` is {}ms, `max_cooldown` {}ms",
            knobs.cooldown_ms, knobs.max_cooldown_ms
        );
        checker.error(at, "ERR_NGROK_2222", message, Some("make `max_cooldown` the longer one".into()));
    }
    if knobs.enabled {
        return;
    }
    for (name, at) in health.entries().into_iter().filter(|(name, _)| *name != "enabled") {
        let message = format!("`health.{name}` has no effect: `enabled` is false");
        checker.warning(at, CODE, message, None);
    }
    for selection in ["model_selection", "api_key_selection"] {
        let strategies = config.get(selection).and_then(|s| s.get("strategy")).map(|s| s.as_list());
        for entry in strategies.unwrap_or_default() {
            let expr = entry.get("expr").unwrap_or(entry);
            if expr.as_str().is_some_and(|text| text.contains(".health")) {
                let message =
                    "`health.enabled` is false: this action counts nothing that `.health` could say";
                checker.warning(expr, CODE, message.into(), Some("leave `enabled` out".into()));
            }
        }
    }
}

/// The knobs, with defaults for what is left out.
pub(super) fn read(config: &Config<'_>) -> HealthKnobs {
    let usual = HealthKnobs::default();
    let Some(health) = config.get("health") else { return usual };
    let number = |name: &str, default: u32| {
        let number = health.get(name).and_then(|c| c.as_u64()).and_then(|n| u32::try_from(n).ok());
        number.unwrap_or(default)
    };
    let millis = |name: &str, default: u64| {
        let duration: Option<Duration> = health.get(name).and_then(|c| c.as_duration());
        duration.map_or(default, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    };
    HealthKnobs {
        enabled: health.get("enabled").and_then(|c| c.as_bool()).unwrap_or(usual.enabled),
        failure_threshold: number("failure_threshold", usual.failure_threshold),
        failure_share: health.get("failure_share").and_then(|c| c.as_f64()).unwrap_or(usual.failure_share),
        min_requests: number("min_requests", usual.min_requests),
        window_ms: millis("window", usual.window_ms),
        cooldown_ms: millis("cooldown", usual.cooldown_ms),
        max_cooldown_ms: millis("max_cooldown", usual.max_cooldown_ms),
    }
}
