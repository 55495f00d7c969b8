//! Conversions between types, and `type`.

use super::{Args, Def, function};
use crate::error::EvalError;
use crate::value::{Object, Value};
use chrono::{DateTime, Duration};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Def] = &[
    function("int", 1, 1, int),
    function("uint", 1, 1, uint),
    function("double", 1, 1, double),
    function("string", 1, 1, string),
    function("bytes", 1, 1, bytes),
    function("bool", 1, 1, boolean),
    function("timestamp", 1, 1, timestamp),
    function("duration", 1, 1, duration),
    function("dyn", 1, 1, |values| Args::new("dyn", values).value(0).cloned()),
    function("type", 1, 1, |values| Ok(type_value(Args::new("type", values).value(0)?.type_name()))),
];

/// The names of types that stand for themselves in an expression.
pub(crate) const TYPE_NAMES: &[&str] =
    &["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];

/// A type as a value: equal to the same type only.
#[derive(Debug)]
struct TypeName(Arc<str>);

impl Object for TypeName {
    fn field(&self, _: &str) -> Option<Value> {
        None
    }
    fn fields(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
    fn text(&self) -> Option<Arc<str>> {
        Some(self.0.clone())
    }
}

pub(crate) fn type_value(name: &str) -> Value {
    Value::Object(Arc::new(TypeName(name.into())))
}

fn int(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("int", values);
    let range = || args.fail("the number is out of range");
    Ok(Value::Int(match args.value(0)? {
        Value::Int(n) => *n,
        Value::UInt(n) => i64::try_from(*n).map_err(|_| range())?,
        Value::Double(n) if n.is_finite() && n.abs() < 9_223_372_036_854_775_808.0 => n.trunc() as i64,
        Value::Double(_) => return Err(range()),
        Value::Timestamp(time) => time.timestamp(),
        Value::Bool(value) => i64::from(*value),
        _ => args.text(0)?.parse().map_err(|_| args.fail("the text is no integer"))?,
    }))
}

fn uint(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("uint", values);
    let range = || args.fail("the number is out of range");
    Ok(Value::UInt(match args.value(0)? {
        Value::UInt(n) => *n,
        Value::Int(n) => u64::try_from(*n).map_err(|_| range())?,
        Value::Double(n) if *n > -1.0 && *n < 18_446_744_073_709_551_616.0 => n.trunc() as u64,
        Value::Double(_) => return Err(range()),
        _ => args.text(0)?.parse().map_err(|_| args.fail("the text is no unsigned integer"))?,
    }))
}

fn double(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("double", values);
    let value = args.value(0)?;
    Ok(Value::Double(match crate::ops::double(value) {
        Some(n) => n,
        None => args.text(0)?.trim().parse().map_err(|_| args.fail("the text is no number"))?,
    }))
}

fn string(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("string", values);
    match args.value(0)? {
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(args.fail("the bytes are no text")),
        },
        value @ (Value::List(_) | Value::Map(_) | Value::Entity(_) | Value::Entities(_)) => {
            Err(args.wrong("a value that is no list or map (see json.encode)", value))
        }
        value => Ok(value.to_text().into()),
    }
}

fn bytes(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("bytes", values);
    match args.value(0)? {
        value @ Value::Bytes(_) => Ok(value.clone()),
        _ => Ok(Value::Bytes(args.text(0)?.as_bytes().into())),
    }
}

fn boolean(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("bool", values);
    match args.value(0)? {
        value @ Value::Bool(_) => Ok(value.clone()),
        _ => match &*args.text(0)? {
            "1" | "t" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(args.fail("the text is neither true nor false")),
        },
    }
}

fn timestamp(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("timestamp", values);
    match args.value(0)? {
        value @ Value::Timestamp(_) => Ok(value.clone()),
        Value::Int(seconds) => {
            let time = DateTime::from_timestamp(*seconds, 0)
                .and_then(|time| crate::ops::moment(time.fixed_offset()));
            time.ok_or_else(|| args.fail("the time is out of range"))
        }
        _ => {
            let parsed = DateTime::parse_from_rfc3339(&args.text(0)?).ok().and_then(crate::ops::moment);
            parsed.ok_or_else(|| args.fail("the text is no RFC 3339 time"))
        }
    }
}

fn duration(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("duration", values);
    match args.value(0)? {
        value @ Value::Duration(_) => Ok(value.clone()),
        _ => parse(&args.text(0)?)
            .map(Value::Duration)
            .ok_or_else(|| args.fail("the text is no duration such as 1h30m")),
    }
}

/// Go's syntax: a sequence of decimal numbers, each with a unit, with an optional sign before all.
fn parse(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::zero());
    }
    let mut nanos: f64 = 0.0;
    let mut any = false;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at_checked(end)?;
        let length = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(length)?;
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanos += number.parse::<f64>().ok()? * scale;
        rest = next;
        any = true;
    }
    let whole = nanos.round();
    // 2^63 nanoseconds is the range of Go's type too.
    (any && whole < 9.2e18)
        .then(|| Duration::nanoseconds(if negative { -(whole as i64) } else { whole as i64 }))
}
