//! Base64, and the value of a basic `Authorization` header.

use super::{Args, Def, function, method};
use crate::error::EvalError;
use crate::limits::charge;
use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) const FUNCTIONS: &[Def] = &[
    function("base64.encode", 1, 1, encode),
    method("encodeBase64", 0, 0, encode),
    function("base64.decode", 1, 1, |values| decode(values).map(|bytes| Value::Bytes(bytes.into()))),
    method("decodeBase64", 0, 0, decode_text),
    function("basic_auth.encode", 2, 2, basic),
];

fn encode(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("base64.encode", values);
    match args.value(0)? {
        Value::Bytes(bytes) => Ok(STANDARD.encode(bytes).into()),
        _ => Ok(STANDARD.encode(args.text(0)?.as_bytes()).into()),
    }
}

fn decode(values: &[Value]) -> Result<Vec<u8>, EvalError> {
    let args = Args::new("base64.decode", values);
    let text = args.text(0)?;
    charge(text.len() / 64)?;
    STANDARD.decode(text.as_bytes()).map_err(|_| args.fail("the text is not padded standard base64"))
}

fn decode_text(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("decodeBase64", values);
    String::from_utf8(decode(values)?)
        .map(Value::from)
        .map_err(|_| args.fail("the decoded bytes are no text"))
}

/// RFC 7617.
fn basic(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("basic_auth.encode", values);
    Ok(format!("Basic {}", STANDARD.encode(format!("{}:{}", args.text(0)?, args.text(1)?))).into())
}
