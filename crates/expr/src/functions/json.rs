//! JSON text to values and back.

use super::{Args, Def, function, method};
use crate::error::EvalError;
use crate::limits::charge;
use crate::ops::{size_limit, weight};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Def] = &[
    function("json.decode", 1, 1, decode),
    method("decodeJson", 0, 0, decode),
    function("json.encode", 1, 1, encode),
    method("encodeJson", 0, 0, encode),
    method("isJson", 0, 0, is_json),
];

fn decode(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("json.decode", values);
    let text = args.text(0)?;
    charge(text.len() / 16)?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
        // Where, but not what: the text may hold anything.
        args.fail(format!("the text is no JSON (line {}, column {})", error.line(), error.column()))
    })?;
    Ok(Value::from_json(&json))
}

fn encode(values: &[Value]) -> Result<Value, EvalError> {
    let value = Args::new("json.encode", values).value(0)?;
    charge(weight(value))?;
    let text = value.to_json().to_string();
    size_limit(text.len())?;
    Ok(text.into())
}

fn is_json(values: &[Value]) -> Result<Value, EvalError> {
    let text = Args::new("isJson", values).text(0)?;
    charge(text.len() / 16)?;
    Ok(Value::Bool(serde_json::from_str::<serde_json::Value>(&text).is_ok()))
}
