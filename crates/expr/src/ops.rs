//! The operators over [`Value`]: equality, order, arithmetic, indexing, membership.

use crate::error::EvalError;
use crate::limits::{MAX_LIST, MAX_STEPS, MAX_TEXT, charge};
use crate::value::{Entity, Value};
use std::cmp::Ordering;
use std::sync::Arc;

/// How a missing thing reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reading {
    /// User data: missing is an error.
    Strict,
    /// Engine data: missing is `null`.
    Soft,
    /// A part of a model, provider, author or key: a field of `null` is `null`, a missing map key an error.
    Part,
    /// Below a `metadata` field: as `Part`, but the error makes a predicate false.
    Metadata,
}

impl PartialEq for Value {
    /// Equality of the language: numbers by value whatever their type, a list of header lines as a list,
    /// a record that stands for a text as that text. Values of different types are unequal.
    fn eq(&self, other: &Self) -> bool {
        if let (Some(a), Some(b)) = (number(self), number(other)) {
            return compare_numbers(a, b) == Some(Ordering::Equal);
        }
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Lines(a), Self::Lines(b)) => a == b,
            (Self::Lines(a), Self::List(b)) | (Self::List(b), Self::Lines(a)) => {
                a.len() == b.len()
                    && a.iter().zip(b.iter()).all(|(a, b)| matches!(b, Self::String(b) if a == b))
            }
            (Self::Entities(a), Self::Entities(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same_entity(a, b))
            }
            (Self::Entities(a), Self::List(b)) | (Self::List(b), Self::Entities(a)) => {
                a.len() == b.len()
                    && a.iter().zip(b.iter()).all(|(a, b)| matches!(b, Self::Entity(b) if same_entity(a, b)))
            }
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Entity(a), Self::Entity(b)) => same_entity(a, b),
            (Self::Object(a), Self::Object(b)) => {
                Arc::ptr_eq(a, b) || (a.text().is_some() && a.text() == b.text())
            }
            (Self::Object(a), Self::String(b)) | (Self::String(b), Self::Object(a)) => {
                a.text().is_some_and(|a| a == *b)
            }
            _ => false,
        }
    }
}

fn same_entity(a: &Arc<dyn Entity>, b: &Arc<dyn Entity>) -> bool {
    Arc::ptr_eq(a, b)
        || (a.kind() == b.kind() && a.id() == b.id() && a.field("provider_id") == b.field("provider_id"))
}

/// A number of any of the three types.
#[derive(Clone, Copy)]
pub(crate) enum Number {
    Int(i64),
    UInt(u64),
    Double(f64),
}

pub(crate) fn number(value: &Value) -> Option<Number> {
    Some(match value {
        Value::Int(n) => Number::Int(*n),
        Value::UInt(n) => Number::UInt(*n),
        Value::Double(n) => Number::Double(*n),
        _ => return None,
    })
}

/// A number as a double, for prices and sort keys.
pub(crate) fn double(value: &Value) -> Option<f64> {
    number(value).map(|n| match n {
        Number::Int(n) => n as f64,
        Number::UInt(n) => n as f64,
        Number::Double(n) => n,
    })
}

fn compare_numbers(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        (Number::UInt(a), Number::UInt(b)) => Some(a.cmp(&b)),
        (Number::Int(a), Number::UInt(b)) => Some(i128::from(a).cmp(&i128::from(b))),
        (Number::UInt(a), Number::Int(b)) => Some(i128::from(a).cmp(&i128::from(b))),
        (Number::Double(a), Number::Double(b)) => a.partial_cmp(&b),
        (Number::Double(a), Number::Int(b)) => compare_mixed(a, i128::from(b)),
        (Number::Double(a), Number::UInt(b)) => compare_mixed(a, i128::from(b)),
        (Number::Int(a), Number::Double(b)) => compare_mixed(b, i128::from(a)).map(Ordering::reverse),
        (Number::UInt(a), Number::Double(b)) => compare_mixed(b, i128::from(a)).map(Ordering::reverse),
    }
}

/// Exact: a double of magnitude below 2^100 has an exact whole part in an `i128`.
fn compare_mixed(a: f64, b: i128) -> Option<Ordering> {
    if a.is_nan() {
        return None;
    }
    if a.abs() > 1e30 {
        return Some(if a > 0.0 { Ordering::Greater } else { Ordering::Less });
    }
    let whole = a.floor() as i128;
    Some(whole.cmp(&b).then(if a.fract() == 0.0 { Ordering::Equal } else { Ordering::Greater }))
}

/// The order of two values, for `<` and for sorting.
pub(crate) fn compare(a: &Value, b: &Value) -> Result<Ordering, EvalError> {
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return compare_numbers(a, b).ok_or_else(|| EvalError::types("NaN cannot be compared by order"));
    }
    Ok(match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::Null, _) | (_, Value::Null) => return Err(EvalError::NullOrder),
        _ => {
            let (a, b) = (a.type_name(), b.type_name());
            return Err(EvalError::types(format!("{a} and {b} cannot be compared by order")));
        }
    })
}

/// A binary arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

pub(crate) fn arithmetic(op: Arithmetic, a: &Value, b: &Value) -> Result<Value, EvalError> {
    use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
    let whole = |divisor_is_zero: bool| {
        let message = if divisor_is_zero { "division by zero" } else { "integer overflow" };
        EvalError::failed(op.symbol(), message)
    };
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            let result = match op {
                Add => a.checked_add(*b),
                Subtract => a.checked_sub(*b),
                Multiply => a.checked_mul(*b),
                Divide => a.checked_div(*b),
                Remainder => a.checked_rem(*b),
            };
            result.map(Value::Int).ok_or_else(|| whole(*b == 0 && matches!(op, Divide | Remainder)))
        }
        (Value::UInt(a), Value::UInt(b)) => {
            let result = match op {
                Add => a.checked_add(*b),
                Subtract => a.checked_sub(*b),
                Multiply => a.checked_mul(*b),
                Divide => a.checked_div(*b),
                Remainder => a.checked_rem(*b),
            };
            result.map(Value::UInt).ok_or_else(|| whole(*b == 0 && matches!(op, Divide | Remainder)))
        }
        (Value::Double(a), Value::Double(b)) if op != Remainder => Ok(Value::Double(match op {
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            _ => a / b,
        })),
        _ => match op {
            Add => add(a, b),
            Subtract => subtract(a, b),
            _ => Err(operands(op, a, b)),
        },
    }
}

fn operands(op: Arithmetic, a: &Value, b: &Value) -> EvalError {
    EvalError::types(format!("`{}` cannot be applied to ({}, {})", op.symbol(), a.type_name(), b.type_name()))
}

fn add(a: &Value, b: &Value) -> Result<Value, EvalError> {
    let overflow = || EvalError::failed("+", "time out of range");
    match (a, b) {
        (Value::String(a), Value::String(b)) => join(a, b),
        (Value::String(a), Value::Lines(_) | Value::Object(_)) => match b.as_text() {
            Some(b) => join(a, &b),
            None => Err(EvalError::types("`+` cannot be applied to (string, map)")),
        },
        (Value::Lines(_) | Value::Object(_), Value::String(b)) => match a.as_text() {
            Some(a) => join(&a, b),
            None => Err(EvalError::types("`+` cannot be applied to (map, string)")),
        },
        (Value::Bytes(a), Value::Bytes(b)) => {
            size_limit(a.len() + b.len())?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        (Value::Timestamp(t), Value::Duration(d)) | (Value::Duration(d), Value::Timestamp(t)) => {
            t.checked_add_signed(*d).and_then(moment).ok_or_else(overflow)
        }
        (Value::Duration(a), Value::Duration(b)) => {
            a.checked_add(b).map(Value::Duration).ok_or_else(overflow)
        }
        _ => match (elements(a), elements(b)) {
            (Some(mut list), Some(other)) => {
                charge(list.len() + other.len())?;
                list_limit(list.len() + other.len())?;
                list.extend(other);
                Ok(pack(list))
            }
            _ => Err(operands(Arithmetic::Add, a, b)),
        },
    }
}

fn join(a: &str, b: &str) -> Result<Value, EvalError> {
    size_limit(a.len() + b.len())?;
    charge((a.len() + b.len()) / 64)?;
    let mut text = String::with_capacity(a.len() + b.len());
    text.push_str(a);
    text.push_str(b);
    Ok(Value::String(text.into()))
}

fn subtract(a: &Value, b: &Value) -> Result<Value, EvalError> {
    let overflow = || EvalError::failed("-", "time out of range");
    match (a, b) {
        (Value::Timestamp(t), Value::Duration(d)) => {
            t.checked_sub_signed(*d).and_then(moment).ok_or_else(overflow)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => Ok(Value::Duration(*a - *b)),
        (Value::Duration(a), Value::Duration(b)) => {
            a.checked_sub(b).map(Value::Duration).ok_or_else(overflow)
        }
        _ => Err(operands(Arithmetic::Subtract, a, b)),
    }
}

/// A timestamp in the language's range, the years 1 to 9999; times beside it have no RFC 3339 form, and no
/// place in some time zones.
pub(crate) fn moment(time: chrono::DateTime<chrono::FixedOffset>) -> Option<Value> {
    use chrono::Datelike;
    (1..=9999).contains(&time.to_utc().year()).then_some(Value::Timestamp(time))
}

pub(crate) fn negate(a: &Value) -> Result<Value, EvalError> {
    match a {
        Value::Int(n) => {
            n.checked_neg().map(Value::Int).ok_or_else(|| EvalError::failed("-", "integer overflow"))
        }
        Value::Double(n) => Ok(Value::Double(-n)),
        Value::Duration(d) => Ok(Value::Duration(-*d)),
        other => Err(EvalError::types(format!("`-` cannot be applied to {}", other.type_name()))),
    }
}

/// `value[key]` and `value.key`.
pub(crate) fn index(value: &Value, key: &Value, reading: Reading) -> Result<Value, EvalError> {
    match value {
        Value::Null if reading != Reading::Strict => Ok(Value::Null),
        Value::Lines(lines) => {
            let line = position(key)?.and_then(|at| lines.get(at));
            Ok(line.map_or_else(|| Value::text(""), |line| Value::String(line.clone())))
        }
        Value::List(list) => element(position(key)?.and_then(|at| list.get(at)).cloned(), reading),
        Value::Entities(list) => {
            element(position(key)?.and_then(|at| list.get(at)).cloned().map(Value::Entity), reading)
        }
        Value::Map(map) => {
            let key = map_key(key)?;
            match map.get(&*key) {
                Some(value) => Ok(value.clone()),
                None => missing(&key, reading),
            }
        }
        Value::Object(object) => {
            let key = map_key(key)?;
            match object.field(&key) {
                Some(value) => Ok(value),
                None if object.soft() => Ok(Value::Null),
                None => missing(&key, reading),
            }
        }
        Value::Entity(entity) => {
            let key = map_key(key)?;
            match entity.field(&key) {
                Some(value) => Ok(value),
                None if entity.soft() => Ok(Value::Null),
                None => missing(&key, reading),
            }
        }
        other => Err(EvalError::types(format!("{} has no fields or elements", other.type_name()))),
    }
}

fn missing(key: &str, reading: Reading) -> Result<Value, EvalError> {
    match reading {
        Reading::Soft => Ok(Value::Null),
        Reading::Strict | Reading::Part => Err(EvalError::key(key)),
        Reading::Metadata => Err(EvalError::MissingKey { key: key.into(), metadata: true }),
    }
}

fn element(value: Option<Value>, reading: Reading) -> Result<Value, EvalError> {
    match value {
        Some(value) => Ok(value),
        None if reading == Reading::Soft => Ok(Value::Null),
        None => Err(EvalError::OutOfRange),
    }
}

/// The position a number stands for, `None` when no list can have it.
fn position(key: &Value) -> Result<Option<usize>, EvalError> {
    match key {
        Value::Int(n) => Ok(usize::try_from(*n).ok()),
        Value::UInt(n) => Ok(usize::try_from(*n).ok()),
        Value::Double(n) if n.fract() == 0.0 && (0.0..1e15).contains(n) => Ok(Some(*n as usize)),
        other => Err(EvalError::types(format!("a list cannot be indexed with {}", other.type_name()))),
    }
}

/// The text a map key stands for. Keys that are no text are kept as their text.
pub(crate) fn map_key(key: &Value) -> Result<Arc<str>, EvalError> {
    match key {
        Value::String(text) => Ok(text.clone()),
        Value::Int(_) | Value::UInt(_) | Value::Bool(_) | Value::Double(_) => Ok(key.to_text().into()),
        Value::Object(_) | Value::Lines(_) => {
            key.as_text().map(|text| text.as_ref().into()).ok_or_else(|| EvalError::types("a map is no key"))
        }
        other => Err(EvalError::types(format!("{} cannot be a key", other.type_name()))),
    }
}

/// `value in container`.
pub(crate) fn contains(container: &Value, value: &Value) -> Result<bool, EvalError> {
    Ok(match container {
        Value::List(list) => {
            charge(list.len().saturating_mul(weight(value)))?;
            list.iter().any(|x| x == value)
        }
        Value::Lines(lines) => value.as_text().is_some_and(|text| lines.iter().any(|line| **line == *text)),
        Value::Entities(list) => match value {
            Value::Entity(entity) => list.iter().any(|x| same_entity(x, entity)),
            _ => false,
        },
        Value::Map(map) => map.contains_key(&*map_key(value)?),
        Value::Object(object) => object.contains(&map_key(value)?),
        Value::Entity(entity) => entity.contains(&map_key(value)?),
        other => return Err(EvalError::types(format!("`in` cannot look into {}", other.type_name()))),
    })
}

/// `has(value.key)`: there, not `null`, and not the empty value an engine field reads as when absent.
pub(crate) fn has(value: &Value, key: &Value) -> Result<bool, EvalError> {
    Ok(match value {
        Value::Null => false,
        Value::Map(map) => map.contains_key(&*map_key(key)?),
        Value::Lines(lines) => position(key)?.is_some_and(|at| at < lines.len()),
        Value::List(list) => position(key)?.is_some_and(|at| at < list.len()),
        Value::Entities(list) => position(key)?.is_some_and(|at| at < list.len()),
        Value::Object(object) => object.field(&map_key(key)?).is_some_and(|found| present(&found)),
        Value::Entity(entity) => entity.field(&map_key(key)?).is_some_and(|found| present(&found)),
        other => return Err(EvalError::types(format!("{} has no fields or elements", other.type_name()))),
    })
}

/// Whether an engine field holds anything.
pub(crate) fn present(value: &Value) -> bool {
    match value {
        Value::Null | Value::Int(0) => false,
        Value::String(text) => !text.is_empty(),
        Value::List(list) => !list.is_empty(),
        Value::Lines(lines) => !lines.is_empty(),
        Value::Map(map) => !map.is_empty(),
        _ => true,
    }
}

/// The elements of anything that is a list; `None` for other values.
pub(crate) fn elements(value: &Value) -> Option<Vec<Value>> {
    Some(match value {
        Value::List(list) => list.to_vec(),
        Value::Lines(lines) => lines.iter().cloned().map(Value::String).collect(),
        Value::Entities(list) => list.iter().cloned().map(Value::Entity).collect(),
        _ => return None,
    })
}

/// What a comprehension walks over: the elements of a list, the keys of a map or record.
pub(crate) fn range(value: &Value) -> Result<Arc<[Value]>, EvalError> {
    Ok(match value {
        Value::List(list) => list.clone(),
        Value::Lines(_) | Value::Entities(_) => elements(value).unwrap_or_default().into(),
        Value::Map(map) => map.keys().cloned().map(Value::String).collect(),
        Value::Object(object) => {
            let mut names = object.fields();
            names.sort_unstable();
            names.into_iter().map(Value::String).collect()
        }
        Value::Entity(entity) => entity.fields().into_iter().map(Value::String).collect(),
        other => return Err(EvalError::types(format!("{} is no list or map", other.type_name()))),
    })
}

/// A list as compactly as it can be held: entities stay a list of entities.
pub(crate) fn pack(list: Vec<Value>) -> Value {
    if !list.is_empty() && list.iter().all(|value| matches!(value, Value::Entity(_))) {
        let entity = |value| match value {
            Value::Entity(entity) => Some(entity),
            _ => None,
        };
        return Value::Entities(list.into_iter().filter_map(entity).collect());
    }
    Value::List(list.into())
}

/// The work that looking at all of a value takes: one for each part, more for long text. Shared parts count
/// each time, because JSON and equality meet them each time. Stops above the budget of an evaluation.
pub(crate) fn weight(value: &Value) -> usize {
    fn add(value: &Value, total: &mut usize) {
        *total += 1;
        if *total > MAX_STEPS {
            return;
        }
        match value {
            Value::String(text) => *total += text.len() / 64,
            Value::Bytes(bytes) => *total += bytes.len() / 64,
            Value::Lines(lines) => *total += lines.len(),
            Value::Entities(list) => *total += list.len(),
            Value::List(list) => {
                for item in list.iter() {
                    if *total > MAX_STEPS {
                        return;
                    }
                    add(item, total);
                }
            }
            Value::Map(map) => {
                for item in map.values() {
                    if *total > MAX_STEPS {
                        return;
                    }
                    add(item, total);
                }
            }
            _ => {}
        }
    }
    let mut total = 0;
    add(value, &mut total);
    total
}

pub(crate) fn size_limit(bytes: usize) -> Result<(), EvalError> {
    if bytes > MAX_TEXT { Err(EvalError::Limit(format!("{MAX_TEXT} bytes of text").into())) } else { Ok(()) }
}

pub(crate) fn list_limit(length: usize) -> Result<(), EvalError> {
    if length > MAX_LIST {
        Err(EvalError::Limit(format!("{MAX_LIST} elements of a list").into()))
    } else {
        Ok(())
    }
}
