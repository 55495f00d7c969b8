//! Compiled trees that run without the interpreter: reads, comparisons, calls, `&&`, `||`, `!` and `?:`. Most rules of
//! policies are such, and every request runs them.
//!
//! They use the functions that the interpreter calls for them, so they have the same results.

use crate::activation::Activation;
use crate::error::EvalError;
use crate::functions::Run;
use crate::natives::{MAX_ARGUMENTS, One, Two, one_of, truth, two_of};
use crate::pred;
use crate::slot::Slot;
use crate::value::Value;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use secrecy::ExposeSecret;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;

/// A tree.
pub(crate) enum Direct {
    /// What a place in the table holds.
    Slot(usize),
    Bool(bool),
    /// `vars.name`
    Variable(Arc<str>),
    /// A secret: vault and name.
    Secret(Box<[Direct; 2]>),
    One(One, Box<Direct>),
    Two(Two, Box<[Direct; 2]>),
    Call(Run, Box<[Direct]>),
    /// A text and the place of a pattern.
    Matches(Box<Direct>, usize),
    /// A list and the place of a predicate.
    Filter(Box<Direct>, usize),
    /// The same of `exists` (true) or `all` (false).
    Decide(Box<Direct>, usize, bool),
    And(Box<[Direct; 2]>),
    Or(Box<[Direct; 2]>),
    Not(Box<Direct>),
    If(Box<[Direct; 3]>),
}

type Found<'s> = Result<Cow<'s, Value>, EvalError>;

impl Direct {
    /// The direct form of a tree, if it has one.
    pub(crate) fn new(tree: &IdedExpr, slots: &[Slot]) -> Option<Self> {
        match &tree.expr {
            Expr::Literal(LiteralValue::Boolean(value)) => Some(Self::Bool(*value.inner())),
            Expr::Ident(_) => {
                let place = place(tree)?;
                stands_alone(slots.get(place)?).then_some(Self::Slot(place))
            }
            Expr::Call(call) if call.target.is_none() => Self::call(call, slots),
            _ => None,
        }
    }

    fn call(call: &CallExpr, slots: &[Slot]) -> Option<Self> {
        let part = |tree: &IdedExpr| Self::new(tree, slots);
        let slot = |tree: &IdedExpr| slots.get(place(tree)?);
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("@call", [function, rest @ ..]) => match slot(function)? {
                Slot::Function(callable) => {
                    Some(Self::Call(callable.0.run, rest.iter().map(part).collect::<Option<_>>()?))
                }
                _ => None,
            },
            ("@matches", [text, pattern]) => Some(Self::Matches(Box::new(part(text)?), place(pattern)?)),
            ("@filter", [list, predicate]) => Some(Self::Filter(Box::new(part(list)?), place(predicate)?)),
            ("@exists", [list, predicate]) => {
                Some(Self::Decide(Box::new(part(list)?), place(predicate)?, true))
            }
            ("@all", [list, predicate]) => {
                Some(Self::Decide(Box::new(part(list)?), place(predicate)?, false))
            }
            (operators::LOGICAL_AND, [a, b]) => Some(Self::And(Box::new([part(a)?, part(b)?]))),
            (operators::LOGICAL_OR, [a, b]) => Some(Self::Or(Box::new([part(a)?, part(b)?]))),
            (operators::LOGICAL_NOT, [a]) => Some(Self::Not(Box::new(part(a)?))),
            (operators::CONDITIONAL, [a, b, c]) => Some(Self::If(Box::new([part(a)?, part(b)?, part(c)?]))),
            (operators::INDEX, [of, key]) if matches!(slot(of), Some(Slot::Vars)) => match slot(key)? {
                Slot::Value(Value::String(name)) => Some(Self::Variable(name.clone())),
                _ => None,
            },
            (operators::INDEX, [of, name]) if secrets(of, slots).is_some() => {
                Some(Self::Secret(Box::new([part(secrets(of, slots)?)?, part(name)?])))
            }
            (name, [a]) => Some(Self::One(one_of(name)?, Box::new(part(a)?))),
            (name, [a, b]) => Some(Self::Two(two_of(name)?, Box::new([part(a)?, part(b)?]))),
            _ => None,
        }
    }

    /// Runs it.
    pub(crate) fn run<'s>(&'s self, slots: &'s [Slot], a: &Activation<'s>) -> Found<'s> {
        match self {
            Self::Slot(place) => slots.get(*place).and_then(|slot| slot.read(a)).ok_or_else(broken),
            Self::Bool(value) => Ok(Cow::Owned(Value::Bool(*value))),
            Self::Variable(name) => match a.vars.and_then(|vars| vars.get(name)) {
                Some(value) => Ok(Cow::Borrowed(value)),
                None => Err(EvalError::key(name)),
            },
            Self::Secret(names) => {
                let [vault, name] = &**names;
                let secret = a.secrets.secret(&vault.name(slots, a)?, &name.name(slots, a)?)?;
                Ok(Cow::Owned(Value::from(secret.expose_secret())))
            }
            Self::One(run, argument) => run(&*argument.run(slots, a)?).map(Cow::Owned),
            Self::Two(run, arguments) => {
                let [first, second] = &**arguments;
                let first = first.run(slots, a)?;
                run(&first, &*second.run(slots, a)?).map(Cow::Owned)
            }
            Self::Call(run, arguments) => {
                let values: Result<SmallVec<[Value; MAX_ARGUMENTS]>, EvalError> =
                    arguments.iter().map(|argument| argument.run(slots, a).map(Cow::into_owned)).collect();
                run(&values?).map(Cow::Owned)
            }
            Self::Matches(text, pattern) => {
                let Some(Slot::Pattern(pattern)) = slots.get(*pattern) else { return Err(broken()) };
                pattern.test(&*text.run(slots, a)?).map(Cow::Owned)
            }
            Self::Filter(list, predicate) => {
                let Some(Slot::Predicate(predicate)) = slots.get(*predicate) else { return Err(broken()) };
                pred::filter(&*list.run(slots, a)?, predicate).map(Cow::Owned)
            }
            Self::Decide(list, predicate, decisive) => {
                let Some(Slot::Predicate(predicate)) = slots.get(*predicate) else { return Err(broken()) };
                let decided = pred::decide(&*list.run(slots, a)?, predicate, *decisive)?;
                Ok(Cow::Owned(Value::Bool(decided)))
            }
            Self::If(parts) => {
                let [condition, yes, no] = &**parts;
                if condition.test(slots, a)? { yes.run(slots, a) } else { no.run(slots, a) }
            }
            Self::And(_) | Self::Or(_) | Self::Not(_) => {
                self.test(slots, a).map(|value| Cow::Owned(Value::Bool(value)))
            }
        }
    }

    /// Runs what must be true or false. An error beside an operand that decides is absorbed.
    fn test<'s>(&'s self, slots: &'s [Slot], a: &Activation<'s>) -> Result<bool, EvalError> {
        match self {
            Self::And(parts) => decide(parts, false, slots, a),
            Self::Or(parts) => decide(parts, true, slots, a),
            Self::Not(part) => part.test(slots, a).map(|value| !value),
            other => match truth(&*other.run(slots, a)?)? {
                Value::Bool(value) => Ok(value),
                _ => Err(broken()),
            },
        }
    }

    fn name<'s>(&'s self, slots: &'s [Slot], a: &Activation<'s>) -> Result<Arc<str>, EvalError> {
        match &*self.run(slots, a)? {
            Value::String(text) => Ok(text.clone()),
            _ => Err(EvalError::types("a name must be a string")),
        }
    }
}

/// `&&` and `||`: the one that is `decisive` gives the result, whatever the other is.
fn decide<'s>(
    parts: &'s [Direct; 2],
    decisive: bool,
    slots: &'s [Slot],
    a: &Activation<'s>,
) -> Result<bool, EvalError> {
    let [first, second] = parts;
    match first.test(slots, a) {
        Ok(value) if value == decisive => Ok(decisive),
        Ok(_) => second.test(slots, a),
        Err(error) => match second.test(slots, a)? {
            value if value == decisive => Ok(decisive),
            _ => Err(error),
        },
    }
}

fn place(tree: &IdedExpr) -> Option<usize> {
    match &tree.expr {
        Expr::Ident(name) => name.strip_prefix('@')?.parse().ok(),
        _ => None,
    }
}

/// Whether [`Slot::read`] gives its value.
fn stands_alone(slot: &Slot) -> bool {
    matches!(
        slot,
        Slot::Value(_)
            | Slot::Get(_)
            | Slot::Whole(_)
            | Slot::Header { .. }
            | Slot::HasHeader { .. }
            | Slot::Results(_)
            | Slot::AllVars
            | Slot::HasVar(_)
    )
}

/// The vault of `secrets[vault]`.
fn secrets<'t>(tree: &'t IdedExpr, slots: &[Slot]) -> Option<&'t IdedExpr> {
    let Expr::Call(call) = &tree.expr else { return None };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::INDEX, [of, vault]) if matches!(slots.get(place(of)?), Some(Slot::Secrets)) => {
            Some(vault)
        }
        _ => None,
    }
}

fn broken() -> EvalError {
    EvalError::failed("expression", "cannot be evaluated")
}
