//! [`Value`] as a value of the interpreter, so that nothing is converted on the way in or out.
//!
//! A boolean is always the interpreter's own: its `&&`, `||` and `?:` recognise no other.

use crate::error::EvalError;
use crate::limits::{charge, step};
use crate::ops::{self, Arithmetic, Reading};
use crate::value::{EntityKind, Value};
use cel::ExecutionError;
use cel::common::traits::{
    Adder, Comparer, Container, Divider, Indexer, Iterable, Iterator as Walk, Modder, Multiplier, Negator,
    Subtractor,
};
use cel::common::types::{
    BYTES_TYPE, CelBool, CelList, DOUBLE_TYPE, DURATION_TYPE, DYN_TYPE, INT_TYPE, LIST_TYPE, MAP_TYPE,
    NULL_TYPE, STRING_TYPE, TIMESTAMP_TYPE, Type, UINT_TYPE,
};
use cel::common::value::{CowVal, StaticVal, Val};
use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

pub(crate) type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

static TRUE: CelBool = CelBool::TRUE;
static FALSE: CelBool = CelBool::FALSE;

/// A value for the interpreter.
pub(crate) fn cow<'b, 'v>(value: Value) -> CowVal<'b, 'v> {
    match value {
        Value::Bool(value) => boolean(value),
        value => CowVal::owned(value),
    }
}

/// A value for the interpreter, borrowed.
pub(crate) fn lend<'b, 'v>(value: &'b Value) -> &'b (dyn Val + 'v) {
    match value {
        Value::Bool(true) => &TRUE,
        Value::Bool(false) => &FALSE,
        value => value,
    }
}

pub(crate) fn boolean<'b, 'v>(value: bool) -> CowVal<'b, 'v> {
    CowVal::Borrowed(if value { &TRUE } else { &FALSE })
}

pub(crate) fn outcome<'b, 'v>(result: Result<Value, EvalError>) -> Outcome<'b, 'v> {
    result.map(cow).map_err(EvalError::raise)
}

/// A value of the interpreter as ours.
pub(crate) fn value(val: &dyn Val) -> Result<Value, EvalError> {
    if let Some(value) = val.downcast_ref::<Value>() {
        return Ok(value.clone());
    }
    if let Some(value) = val.downcast_ref::<CelBool>() {
        return Ok(Value::Bool(*value.inner()));
    }
    if let Some(list) = val.downcast_ref::<CelList<'_>>() {
        let list: Result<Vec<Value>, EvalError> = list.inner().iter().map(|x| value(x.as_ref())).collect();
        return list.map(ops::pack);
    }
    Err(EvalError::types(format!("{} is no value", val.get_type().name())))
}

static MODEL: Type = Type::new_unspecified_type("AIModel");
static PROVIDER: Type = Type::new_unspecified_type("AIProvider");
static AUTHOR: Type = Type::new_unspecified_type("AIAuthor");
static KEY: Type = Type::new_unspecified_type("AIKey");

impl Val for Value {
    fn get_type(&self) -> &Type {
        match self {
            Self::Null => &NULL_TYPE,
            Self::Bool(_) => &cel::common::types::BOOL_TYPE,
            Self::Int(_) => &INT_TYPE,
            Self::UInt(_) => &UINT_TYPE,
            Self::Double(_) => &DOUBLE_TYPE,
            Self::String(_) => &STRING_TYPE,
            Self::Bytes(_) => &BYTES_TYPE,
            Self::List(_) | Self::Lines(_) | Self::Entities(_) => &LIST_TYPE,
            Self::Map(_) | Self::Object(_) => &MAP_TYPE,
            Self::Timestamp(_) => &TIMESTAMP_TYPE,
            Self::Duration(_) => &DURATION_TYPE,
            Self::Entity(entity) => match entity.kind() {
                EntityKind::Model => &MODEL,
                EntityKind::Provider => &PROVIDER,
                EntityKind::Author => &AUTHOR,
                EntityKind::Key => &KEY,
            },
        }
    }
    fn cel_type() -> &'static Type {
        &DYN_TYPE
    }
    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)> {
        Some(self)
    }
    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }
    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }
    fn as_divider<'b, 'v>(&'b self) -> Option<&'b (dyn Divider + 'v)> {
        Some(self)
    }
    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)> {
        Some(self)
    }
    fn as_modder<'b, 'v>(&'b self) -> Option<&'b (dyn Modder + 'v)> {
        Some(self)
    }
    fn as_multiplier<'b, 'v>(&'b self) -> Option<&'b (dyn Multiplier + 'v)> {
        Some(self)
    }
    fn as_negator<'b, 'v>(&'b self) -> Option<&'b (dyn Negator + 'v)> {
        Some(self)
    }
    fn as_subtractor<'b, 'v>(&'b self) -> Option<&'b (dyn Subtractor + 'v)> {
        Some(self)
    }
    fn equals(&self, other: &dyn Val) -> bool {
        // Comparing large values has its price. Equality cannot fail: the program ends with the error instead.
        if matches!(self, Self::List(_) | Self::Map(_)) && charge(ops::weight(self)).is_err() {
            return false;
        }
        match other.downcast_ref::<Self>() {
            Some(other) => self == other,
            None => value(other).is_ok_and(|other| *self == other),
        }
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
impl StaticVal for Value {}

fn arithmetic<'b, 'v>(op: Arithmetic, a: &Value, b: &dyn Val) -> Outcome<'b, 'v> {
    let result = match b.downcast_ref::<Value>() {
        Some(b) => ops::arithmetic(op, a, b),
        None => value(b).and_then(|b| ops::arithmetic(op, a, &b)),
    };
    outcome(result)
}

impl Adder for Value {
    fn add<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Outcome<'b, 'v>
    where
        Self: 'v,
    {
        arithmetic(Arithmetic::Add, self, rhs)
    }
}
impl Subtractor for Value {
    fn sub<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Outcome<'b, 'v>
    where
        Self: 'v,
    {
        arithmetic(Arithmetic::Subtract, self, rhs)
    }
}
impl Multiplier for Value {
    fn mul<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Outcome<'b, 'v>
    where
        Self: 'v,
    {
        arithmetic(Arithmetic::Multiply, self, rhs)
    }
}
impl Divider for Value {
    fn div<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Outcome<'b, 'v>
    where
        Self: 'v,
    {
        arithmetic(Arithmetic::Divide, self, rhs)
    }
}
impl Modder for Value {
    fn modulo<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Outcome<'b, 'v>
    where
        Self: 'v,
    {
        arithmetic(Arithmetic::Remainder, self, rhs)
    }
}
impl Negator for Value {
    fn negate<'v>(&self) -> Result<Box<dyn Val + 'v>, ExecutionError> {
        match ops::negate(self) {
            Ok(value) => Ok(Box::new(value)),
            Err(error) => Err(error.raise()),
        }
    }
}
impl Comparer for Value {
    fn compare(&self, rhs: &dyn Val) -> Result<Ordering, ExecutionError> {
        let result = match rhs.downcast_ref::<Value>() {
            Some(rhs) => ops::compare(self, rhs),
            None => value(rhs).and_then(|rhs| ops::compare(self, &rhs)),
        };
        result.map_err(EvalError::raise)
    }
}
impl Container for Value {
    fn contains(&self, val: &dyn Val) -> Result<bool, ExecutionError> {
        value(val).and_then(|val| ops::contains(self, &val)).map_err(EvalError::raise)
    }
}
impl Indexer for Value {
    fn get<'b, 'v>(&'b self, idx: &dyn Val) -> Outcome<'b, 'v> {
        match (self, idx.downcast_ref::<Value>()) {
            // The common case hands out the element itself.
            (Self::Map(map), Some(Self::String(key))) => match map.get(key) {
                Some(found) => Ok(CowVal::Borrowed(lend(found))),
                None => Err(EvalError::key(key).raise()),
            },
            (_, Some(key)) => outcome(ops::index(self, key, Reading::Strict)),
            (_, None) => outcome(value(idx).and_then(|key| ops::index(self, &key, Reading::Strict))),
        }
    }
    fn steal<'v>(self: Box<Self>, idx: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError> {
        self.get(idx).map(CowVal::into_owned)
    }
}

/// What a comprehension walks over. Each step costs one of the budget.
#[derive(Clone, Debug)]
pub(crate) struct Range(pub(crate) Arc<[Value]>);

impl Val for Range {
    fn get_type(&self) -> &Type {
        &LIST_TYPE
    }
    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }
    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)> {
        Some(self)
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
impl StaticVal for Range {}

impl Iterable for Range {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Walk<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Steps(self.0.iter()))
    }
}

struct Steps<'b>(std::slice::Iter<'b, Value>);

impl<'b, 'v> Walk<'b, 'v> for Steps<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        // An iterator cannot fail: it ends, and the program ends with the error of the spent budget.
        if step() { self.0.next().map(lend) } else { None }
    }
}
