//! What gates share: how they refuse, and what they leave for later rules.

use crate::answer::{Answer, Fault};
use crate::exchange::{Ending, Exchange};
use std::sync::Arc;
use tollgate_expr::{Map, Value};

/// A refusal: in the client's dialect, with its code in the header, without the response phase.
pub(super) fn refused(exchange: &mut Exchange, fault: &Fault) -> Answer {
    exchange.record.error_code = Some(fault.code);
    exchange.record.outcome = Ending::Refused;
    fault.answer(exchange.request.uri.path(), &exchange.request.id)
}

/// A map of results.
pub(super) fn results<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(Arc::new(entries.into_iter().map(|(name, value)| (Arc::from(name), value)).collect::<Map>()))
}

/// `error.code` and `error.message`; both empty when nothing went wrong.
pub(super) fn error(fault: Option<&Fault>) -> (&'static str, Value) {
    let code = fault.map(|fault| format!("ERR_NGROK_{}", fault.code)).unwrap_or_default();
    let message = fault.map(|fault| fault.message.clone()).unwrap_or_default();
    ("error", results([("code", Value::from(code)), ("message", Value::from(message))]))
}
