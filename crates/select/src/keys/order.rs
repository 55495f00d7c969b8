//! The order in which a provider's keys are tried.

use super::{Key, trim_key};
use crate::entity::{AiScope, KeyEntity, request_value};
use crate::metrics::millis;
use crate::plan::{Fallthrough, entities, reads_tokens};
use crate::resolve::Ask;
use secrecy::ExposeSecret;
use std::sync::Arc;
use tollgate_expr::{Activation, Entity, Program, Value};

/// What one key strategy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyReport {
    /// Its text.
    pub strategy: String,
    /// What went wrong.
    pub error: Option<String>,
    /// The keys it gave, trimmed.
    pub keys_to_try: Vec<String>,
}

/// The order of a provider's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyOrder {
    /// Indexes into the provider's keys.
    pub order: Vec<usize>,
    /// What each strategy that was run did.
    pub reports: Vec<KeyReport>,
}

/// No strategy gave a key (`ERR_NGROK_3808`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct KeyError {
    /// Why, without a key.
    pub message: String,
    /// What each strategy did.
    pub reports: Vec<KeyReport>,
}

impl KeyError {
    /// The number of `ERR_NGROK_nnnn`.
    #[must_use]
    pub fn code(&self) -> u16 {
        3808
    }
}

/// The order in which `keys`, all of one provider, are tried.
///
/// Without strategies, or without keys: as they stand. With strategies: what the first one gives, then, under
/// [`Fallthrough::Tiers`], what later ones add. A failing strategy is noted and passed over.
///
/// # Errors
/// When there are keys and strategies, and none of these gives a key.
pub fn order_keys(
    keys: &[Arc<Key>],
    strategies: &[Program],
    activation: &Activation<'_>,
    ask: &Ask<'_>,
    fallthrough: Fallthrough,
) -> Result<KeyOrder, KeyError> {
    if strategies.is_empty() || keys.is_empty() {
        return Ok(KeyOrder { order: (0..keys.len()).collect(), reports: Vec::new() });
    }
    let ai = scope(keys, strategies, activation, ask);
    let activation = Activation { ai: Some(&ai), ..*activation };
    let mut found = KeyOrder::default();
    let mut failure = None;
    for program in strategies {
        let mut report = KeyReport { strategy: program.source().to_owned(), ..KeyReport::default() };
        match run(program, &activation) {
            Err(why) => {
                failure.get_or_insert_with(|| why.clone());
                report.error = Some(why);
            }
            Ok(given) => {
                for index in given.into_iter().filter(|index| *index < keys.len()) {
                    if !found.order.contains(&index) {
                        found.order.push(index);
                    }
                    report.keys_to_try.extend(keys.get(index).map(|key| trim_key(key.value.expose_secret())));
                }
            }
        }
        found.reports.push(report);
        if fallthrough == Fallthrough::FirstMatch && !found.order.is_empty() {
            break;
        }
    }
    if found.order.is_empty() {
        let message = failure.unwrap_or_else(|| "no strategy returned a key".to_owned());
        return Err(KeyError { message, reports: found.reports });
    }
    Ok(found)
}

fn scope(keys: &[Arc<Key>], strategies: &[Program], activation: &Activation<'_>, ask: &Ask<'_>) -> Value {
    let now_ms = millis(activation.now);
    let keys: Vec<Arc<dyn Entity>> = keys
        .iter()
        .enumerate()
        .map(|(index, key)| Arc::new(KeyEntity::new(index, key, now_ms)) as Arc<dyn Entity>)
        .collect();
    let request = request_value(ask, strategies.iter().any(reads_tokens));
    AiScope { keys: Some(Value::Entities(keys.into())), request: Some(request), ..AiScope::default() }.value()
}

fn run(program: &Program, activation: &Activation<'_>) -> Result<Vec<usize>, String> {
    let value = program.eval(activation).map_err(|error| error.to_string())?;
    let index = |entity: &dyn Entity| entity.as_any().downcast_ref::<KeyEntity>().map(|key| key.index);
    entities(&value, index).map_err(|actual| {
        format!("Expression '{}' must return an AIKey or []AIKey, got {actual}.", program.source())
    })
}
