//! `m.health` and `k.health`: as expressions read them.

use super::{BreakerState, KeyHealth, ModelHealth};
use tollgate_expr::Value;

/// The fields of `m.health`.
pub(crate) const MODEL_HEALTH: [&str; 6] =
    ["healthy", "state", "model", "provider", "cooldown_seconds", "failures"];
/// The fields of `k.health`.
pub(crate) const KEY_HEALTH: [&str; 3] = ["healthy", "state", "cooldown_seconds"];

/// One field of `m.health`.
pub(crate) fn model_health(health: &ModelHealth, name: &str, now_ms: u64) -> Option<Value> {
    let (model, provider) = (|| health.breaker.standing(now_ms), || health.provider.standing(now_ms));
    Some(match name {
        "healthy" => Value::Bool(health.rests(now_ms).is_none()),
        "state" => word(model().state.max(provider().state)),
        "model" => word(model().state),
        "provider" => word(provider().state),
        "cooldown_seconds" => {
            let cooling = health.cooldown.left_of_all_ms(now_ms);
            seconds(model().left_ms.max(provider().left_ms).max(cooling))
        }
        "failures" => Value::UInt(u64::from(model().failures)),
        _ => return None,
    })
}

/// One field of `k.health`. A key that is used up for one model only is healthy.
pub(crate) fn key_health(health: &KeyHealth, name: &str, now_ms: u64) -> Option<Value> {
    let standing = || health.breaker.standing(now_ms);
    let cooling = || health.cooldown.left_of_all_ms(now_ms);
    Some(match name {
        "healthy" => Value::Bool(cooling() == 0 && !standing().rests),
        "state" => word(standing().state),
        "cooldown_seconds" => seconds(standing().left_ms.max(cooling())),
        _ => return None,
    })
}

fn word(state: BreakerState) -> Value {
    Value::text(state.name())
}

fn seconds(ms: u64) -> Value {
    Value::UInt(ms.div_ceil(1000))
}
