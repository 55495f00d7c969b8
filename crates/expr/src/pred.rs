//! Simple predicates of `filter` in a form that runs without the interpreter.
//!
//! A predicate qualifies when it compares paths of the element with literals. It uses the same operators
//! ([`crate::ops`]) as the interpreter, so it has the same results.

use crate::error::EvalError;
use crate::functions::Run;
use crate::limits::charge;
use crate::ops::{self, Reading};
use crate::value::{Entity, Value};
use cel::common::types::{LIST_TYPE, Type};
use cel::common::value::{StaticVal, Val};
use smallvec::SmallVec;
use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

/// A predicate over one element.
#[derive(Clone, Debug)]
pub(crate) struct Predicate {
    pub(crate) test: Arc<Test>,
    /// Whether a missing metadata key or an order with `null` makes it false rather than an error.
    pub(crate) lenient: bool,
}

/// A path below the element, with how each step reads what is missing.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) readings: Vec<Reading>,
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The parts of a predicate.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// A path compared with a literal.
    Compare(Path, Compare, Value),
    /// A path's value in a list of literals.
    In(Path, Value),
    /// A literal in a path's list or map.
    Holds(Path, Value),
    /// `has(path)`: the record's path and the name.
    Has(Path, Value),
    /// A method such as `startsWith` with a literal.
    Method(Path, Run, Value),
    /// A path that is a boolean.
    Truth(Path),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
}

/// An element of a list, borrowed as the list holds it.
#[derive(Clone, Copy)]
enum Element<'e> {
    Value(&'e Value),
    Entity(&'e Arc<dyn Entity>),
}

/// `list.filter(x, predicate)`
pub(crate) fn filter(list: &Value, predicate: &Predicate) -> Result<Value, EvalError> {
    if let Value::Entities(list) = list {
        charge(list.len())?;
        let mut kept = Vec::new();
        for entity in list.iter() {
            if predicate.matches(Element::Entity(entity))? {
                kept.push(entity.clone());
            }
        }
        return Ok(Value::Entities(kept.into()));
    }
    let list = ops::range(list)?;
    charge(list.len())?;
    let mut kept = Vec::new();
    for value in list.iter() {
        let element = match value {
            Value::Entity(entity) => Element::Entity(entity),
            value => Element::Value(value),
        };
        if predicate.matches(element)? {
            kept.push(value.clone());
        }
    }
    Ok(ops::pack(kept))
}

/// `list.exists(x, predicate)` when `decisive` is true, `list.all(x, predicate)` when it is false: an element that
/// decides gives the result, else an error of any element does.
pub(crate) fn decide(list: &Value, predicate: &Predicate, decisive: bool) -> Result<bool, EvalError> {
    let mut failed = None;
    let mut decides = |element: Element<'_>| match predicate.matches(element) {
        Ok(value) => value == decisive,
        Err(error) => {
            failed = Some(error);
            false
        }
    };
    let found = match list {
        Value::Entities(list) => {
            charge(list.len())?;
            list.iter().any(|entity| decides(Element::Entity(entity)))
        }
        Value::Lines(lines) => {
            charge(lines.len())?;
            lines.iter().any(|line| decides(Element::Value(&Value::String(line.clone()))))
        }
        list => {
            let list = ops::range(list)?;
            charge(list.len())?;
            list.iter().any(|value| match value {
                Value::Entity(entity) => decides(Element::Entity(entity)),
                value => decides(Element::Value(value)),
            })
        }
    };
    match failed {
        Some(error) if !found => Err(error),
        _ => Ok(found == decisive),
    }
}

impl Predicate {
    fn matches(&self, element: Element<'_>) -> Result<bool, EvalError> {
        match self.test.run(element) {
            Err(error) if self.lenient && error.is_lenient() => Ok(false),
            result => result,
        }
    }
}

impl Path {
    fn read(&self, element: Element<'_>) -> Result<Value, EvalError> {
        let names: SmallVec<[&str; 8]> = self.names.iter().map(|name| &**name).collect();
        let found = match element {
            Element::Value(value) => value.path(&names),
            Element::Entity(entity) if names.is_empty() => Some(Value::Entity(entity.clone())),
            Element::Entity(entity) => entity.path(&names),
        };
        match found {
            Some(value) => Ok(value),
            None => self.walk(element),
        }
    }

    /// Step by step, for the value or the error that a path with a gap has.
    fn walk(&self, element: Element<'_>) -> Result<Value, EvalError> {
        let mut value = match element {
            Element::Value(value) => value.clone(),
            Element::Entity(entity) => Value::Entity(entity.clone()),
        };
        for (name, reading) in self.names.iter().zip(&self.readings) {
            value = ops::index(&value, &Value::String(name.clone()), *reading)?;
        }
        Ok(value)
    }
}

impl Test {
    fn run(&self, element: Element<'_>) -> Result<bool, EvalError> {
        match self {
            Self::Compare(path, op, literal) => op.apply(&path.read(element)?, literal),
            Self::In(path, list) => ops::contains(list, &path.read(element)?),
            Self::Holds(path, item) => match path.read(element)? {
                Value::Null if path.is_soft() => Ok(false),
                container => ops::contains(&container, item),
            },
            Self::Has(path, name) => ops::has(&path.read(element)?, name),
            Self::Method(path, run, literal) => truth(&run(&[path.read(element)?, literal.clone()])?),
            Self::Truth(path) => truth(&path.read(element)?),
            Self::And(a, b) => match a.run(element) {
                Ok(false) => Ok(false),
                Ok(true) => b.run(element),
                Err(error) => {
                    if b.run(element)? {
                        Err(error)
                    } else {
                        Ok(false)
                    }
                }
            },
            Self::Or(a, b) => match a.run(element) {
                Ok(true) => Ok(true),
                Ok(false) => b.run(element),
                Err(error) => {
                    if b.run(element)? {
                        Ok(true)
                    } else {
                        Err(error)
                    }
                }
            },
            Self::Not(a) => a.run(element).map(|value| !value),
        }
    }
}

impl Path {
    /// Whether the last step reads engine data, where `x in null` is false.
    fn is_soft(&self) -> bool {
        self.readings.last().is_some_and(|reading| *reading != Reading::Strict)
    }
}

impl Compare {
    pub(crate) fn apply(self, a: &Value, b: &Value) -> Result<bool, EvalError> {
        Ok(match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => ops::compare(a, b)? == Ordering::Less,
            Self::LessOrEqual => ops::compare(a, b)? != Ordering::Greater,
            Self::Greater => ops::compare(a, b)? == Ordering::Greater,
            Self::GreaterOrEqual => ops::compare(a, b)? != Ordering::Less,
        })
    }

    /// The operator with its operands exchanged.
    pub(crate) fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

fn truth(value: &Value) -> Result<bool, EvalError> {
    match value {
        Value::Bool(value) => Ok(*value),
        other => Err(EvalError::types(format!("expected bool, not {}", other.type_name()))),
    }
}

impl Val for Predicate {
    fn get_type(&self) -> &Type {
        &LIST_TYPE
    }
    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
impl StaticVal for Predicate {}
