//! The functions that compiled trees call: what the rewrite puts in place of literals, macros and soft reads.

use crate::engine::empty_cookie;
use crate::error::EvalError;
use crate::functions::Callable;
use crate::functions::regex::Pattern;
use crate::limits::charge;
use crate::ops::{self, Arithmetic, Reading};
use crate::pred::{self, Compare, Predicate};
use crate::slot::Deferred;
use crate::val::{Outcome, Range, boolean, outcome, value};
use crate::value::{Map, Value};
use cel::common::ast::operators;
use cel::common::functions::Function;
use cel::common::types::DYN_TYPE;
use cel::common::value::CowVal;
use cel::{Context, Env, FunctionContext};
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};
use subtle::ConstantTimeEq;

/// A function that is given the context it is called in.
type Boxed = Box<dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Outcome<'c, 'v> + Send + Sync>;

/// The most arguments of a function, its receiver included.
pub(crate) const MAX_ARGUMENTS: usize = 5;

/// The environment of every program.
pub(crate) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::default();
    for (name, count, function) in NATIVES {
        // Names and counts are distinct (a test checks it), so this cannot fail.
        let _ = env.add_overload(
            name,
            &format!("{name}/{count}"),
            (0..*count).map(|_| DYN_TYPE).collect(),
            *function,
        );
    }
    Arc::new(env)
});

const NATIVES: &[(&str, usize, Function)] = &[
    ("@call", 1, call),
    ("@call", 2, call),
    ("@call", 3, call),
    ("@call", 4, call),
    ("@call", 5, call),
    ("@call", 6, call),
    ("@pack", 1, |args| one(&args, |list| charge(ops::weight(list)).map(|()| list.clone()))),
    ("@map", 1, |args| one(&args, map)),
    ("@range", 1, |args| range(&args, false)),
    ("@range_soft", 1, |args| range(&args, true)),
    ("@or_empty", 1, |args| one(&args, or_empty)),
    ("@present", 1, |args| one(&args, present)),
    ("@there", 1, |args| one(&args, there)),
    ("@sort", 1, |args| one(&args, sort)),
    ("@filter", 2, filter),
    ("@exists", 2, |args| decide(&args, true)),
    ("@all", 2, |args| decide(&args, false)),
    ("@matches", 2, matches),
    ("@has", 2, |args| two(&args, has)),
    ("@in_soft", 2, |args| two(&args, in_soft)),
    ("@less", 2, |args| two(&args, less)),
    ("@less_equal", 2, |args| two(&args, less_equal)),
    ("@greater", 2, |args| two(&args, greater)),
    ("@greater_equal", 2, |args| two(&args, greater_equal)),
    ("@bool", 1, |args| one(&args, truth)),
    ("@soft", 2, |args| two(&args, soft)),
    ("@part", 2, |args| two(&args, |a, b| ops::index(a, b, Reading::Part))),
    ("@metadata", 2, |args| two(&args, |a, b| ops::index(a, b, Reading::Metadata))),
    ("@index_hidden", 2, |args| two(&args, index_hidden)),
    ("@part_hidden", 2, |args| two(&args, |a, b| hidden(a, b, Reading::Part))),
    ("@metadata_hidden", 2, |args| two(&args, |a, b| hidden(a, b, Reading::Metadata))),
    ("@cookie", 2, |args| two(&args, cookie)),
    ("@same", 2, |args| two(&args, secret_equal)),
    ("@differ", 2, |args| two(&args, secret_unequal)),
    ("@among", 2, |args| two(&args, among)),
];

/// What a native of one argument does, or an operator.
pub(crate) type One = fn(&Value) -> Result<Value, EvalError>;
/// The same of two arguments.
pub(crate) type Two = fn(&Value, &Value) -> Result<Value, EvalError>;

/// The native or operator of a name, for trees that run without the interpreter.
pub(crate) fn one_of(name: &str) -> Option<One> {
    Some(match name {
        "@or_empty" => or_empty,
        "@present" => present,
        "@there" => there,
        "@bool" => truth,
        operators::NEGATE => ops::negate,
        _ => return None,
    })
}

/// The same for two arguments.
pub(crate) fn two_of(name: &str) -> Option<Two> {
    Some(match name {
        "@has" => has,
        "@in_soft" => in_soft,
        "@less" => less,
        "@less_equal" => less_equal,
        "@greater" => greater,
        "@greater_equal" => greater_equal,
        "@soft" => soft,
        "@index_hidden" => index_hidden,
        "@cookie" => cookie,
        "@same" => secret_equal,
        "@differ" => secret_unequal,
        "@among" => among,
        operators::EQUALS => equal,
        operators::NOT_EQUALS => unequal,
        operators::IN => |item, container| ops::contains(container, item).map(Value::Bool),
        operators::INDEX => |value, key| ops::index(value, key, Reading::Strict),
        operators::ADD => |a, b| ops::arithmetic(Arithmetic::Add, a, b),
        operators::SUBSTRACT => |a, b| ops::arithmetic(Arithmetic::Subtract, a, b),
        operators::MULTIPLY => |a, b| ops::arithmetic(Arithmetic::Multiply, a, b),
        operators::DIVIDE => |a, b| ops::arithmetic(Arithmetic::Divide, a, b),
        operators::MODULO => |a, b| ops::arithmetic(Arithmetic::Remainder, a, b),
        _ => return None,
    })
}

fn present(value: &Value) -> Result<Value, EvalError> {
    Ok(Value::Bool(ops::present(value)))
}
fn there(value: &Value) -> Result<Value, EvalError> {
    Ok(Value::Bool(!matches!(value, Value::Null)))
}
fn has(a: &Value, b: &Value) -> Result<Value, EvalError> {
    ops::has(a, b).map(Value::Bool)
}
fn less(a: &Value, b: &Value) -> Result<Value, EvalError> {
    Compare::Less.apply(a, b).map(Value::Bool)
}
fn less_equal(a: &Value, b: &Value) -> Result<Value, EvalError> {
    Compare::LessOrEqual.apply(a, b).map(Value::Bool)
}
fn greater(a: &Value, b: &Value) -> Result<Value, EvalError> {
    Compare::Greater.apply(a, b).map(Value::Bool)
}
fn greater_equal(a: &Value, b: &Value) -> Result<Value, EvalError> {
    Compare::GreaterOrEqual.apply(a, b).map(Value::Bool)
}
fn soft(a: &Value, b: &Value) -> Result<Value, EvalError> {
    ops::index(a, b, Reading::Soft)
}
fn index_hidden(a: &Value, b: &Value) -> Result<Value, EvalError> {
    hidden(a, b, Reading::Strict)
}
fn secret_equal(a: &Value, b: &Value) -> Result<Value, EvalError> {
    Ok(Value::Bool(same(a, b)))
}
fn secret_unequal(a: &Value, b: &Value) -> Result<Value, EvalError> {
    Ok(Value::Bool(!same(a, b)))
}
fn equal(a: &Value, b: &Value) -> Result<Value, EvalError> {
    if matches!(a, Value::List(_) | Value::Map(_)) {
        charge(ops::weight(a))?;
    }
    Ok(Value::Bool(a == b))
}
fn unequal(a: &Value, b: &Value) -> Result<Value, EvalError> {
    equal(a, b).map(|same| Value::Bool(same != Value::Bool(true)))
}

/// The name of [`lenient`].
pub(crate) const LENIENT: &str = "@lenient";

/// Adds [`lenient`] to a context. It is no overload of the environment because it needs the context.
pub(crate) fn add_lenient(context: &mut Context<'_, '_>) {
    let function: Boxed = Box::new(lenient);
    // The environment declares no function of this name, so this cannot fail.
    let _ = context.add_function(LENIENT, function);
}

/// Runs a predicate, which is false where it ends in an error that makes it so ([`EvalError::is_lenient`]).
fn lenient<'c, 'v>(call: &mut FunctionContext<'c, 'v>) -> Outcome<'c, 'v> {
    let predicate = call.args.first().and_then(|arg| arg.downcast_ref::<Deferred>()).cloned();
    let Some(predicate) = predicate else { return Err(internal().raise()) };
    let result = cel::Value::resolve_val(&predicate.0, call.ptx).map_err(EvalError::caught);
    let decided = match result.and_then(|result| value(&*result)) {
        Ok(Value::Bool(decided)) => decided,
        Ok(other) => {
            return Err(EvalError::types(format!("expected bool, not {}", other.type_name())).raise());
        }
        Err(error) if error.is_lenient() => false,
        Err(error) => return Err(error.raise()),
    };
    Ok(boolean(decided))
}

fn call<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let Some((function, rest)) = args.split_first() else { return Err(internal().raise()) };
    let Some(function) = function.downcast_ref::<Callable>() else { return Err(internal().raise()) };
    let rest: Result<SmallVec<[Value; MAX_ARGUMENTS]>, EvalError> =
        rest.iter().map(|arg| value(&**arg)).collect();
    outcome(rest.and_then(|rest| (function.0.run)(&rest)))
}

fn internal() -> EvalError {
    EvalError::failed("expression", "cannot be evaluated")
}

fn one<'b, 'v>(args: &[CowVal<'b, 'v>], run: impl Fn(&Value) -> Result<Value, EvalError>) -> Outcome<'b, 'v> {
    let [a] = args else { return Err(internal().raise()) };
    outcome(match a.downcast_ref::<Value>() {
        Some(a) => run(a),
        None => value(&**a).and_then(|a| run(&a)),
    })
}

fn two<'b, 'v>(
    args: &[CowVal<'b, 'v>],
    run: impl Fn(&Value, &Value) -> Result<Value, EvalError>,
) -> Outcome<'b, 'v> {
    let [a, b] = args else { return Err(internal().raise()) };
    outcome(match (a.downcast_ref::<Value>(), b.downcast_ref::<Value>()) {
        (Some(a), Some(b)) => run(a, b),
        _ => value(&**a).and_then(|a| value(&**b).and_then(|b| run(&a, &b))),
    })
}

/// `[key, value, key, value, ...]` to a map.
fn map(list: &Value) -> Result<Value, EvalError> {
    let list = ops::elements(list).unwrap_or_default();
    let mut map = Map::new();
    for pair in list.chunks(2) {
        if let [key, value] = pair
            && map.insert(ops::map_key(key)?, value.clone()).is_some()
        {
            return Err(EvalError::failed("map", "a key is there twice"));
        }
    }
    Ok(Value::Map(Arc::new(map)))
}

fn range<'b, 'v>(args: &[CowVal<'b, 'v>], soft: bool) -> Outcome<'b, 'v> {
    let [a] = args else { return Err(internal().raise()) };
    let list = match value(&**a) {
        Ok(Value::Null) if soft => Ok(Arc::from([])),
        Ok(list) => ops::range(&list),
        Err(error) => Err(error),
    };
    list.map(|list| CowVal::owned(Range(list))).map_err(EvalError::raise)
}

fn filter<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [list, predicate] = args.as_slice() else { return Err(internal().raise()) };
    let Some(predicate) = predicate.downcast_ref::<Predicate>() else { return Err(internal().raise()) };
    outcome(value(&**list).and_then(|list| pred::filter(&list, predicate)))
}

fn decide<'b, 'v>(args: &[CowVal<'b, 'v>], decisive: bool) -> Outcome<'b, 'v> {
    let [list, predicate] = args else { return Err(internal().raise()) };
    let Some(predicate) = predicate.downcast_ref::<Predicate>() else { return Err(internal().raise()) };
    let decided = value(&**list).and_then(|list| pred::decide(&list, predicate, decisive));
    outcome(decided.map(Value::Bool))
}

fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let [text, pattern] = args.as_slice() else { return Err(internal().raise()) };
    let Some(pattern) = pattern.downcast_ref::<Pattern>() else { return Err(internal().raise()) };
    outcome(value(&**text).and_then(|text| pattern.test(&text)))
}

/// `[element, key]` pairs to the elements in the order of their keys: stable, `null` last.
fn sort(pairs: &Value) -> Result<Value, EvalError> {
    let mut keyed: Vec<(Value, Value)> = Vec::new();
    for pair in ops::elements(pairs).unwrap_or_default() {
        match ops::elements(&pair).as_deref() {
            Some([element, key]) => keyed.push((key.clone(), element.clone())),
            _ => return Err(internal()),
        }
    }
    let mut failure = None;
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        _ => ops::compare(a, b).unwrap_or_else(|error| {
            failure.get_or_insert(error);
            Ordering::Equal
        }),
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(ops::pack(keyed.into_iter().map(|(_, element)| element).collect())),
    }
}

pub(crate) fn truth(value: &Value) -> Result<Value, EvalError> {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        other => Err(EvalError::types(format!("expected bool, not {}", other.type_name()))),
    }
}

fn or_empty(list: &Value) -> Result<Value, EvalError> {
    Ok(match list {
        Value::Null => Value::List(Arc::from([])),
        list => list.clone(),
    })
}

fn in_soft(item: &Value, container: &Value) -> Result<Value, EvalError> {
    match container {
        Value::Null => Ok(Value::Bool(false)),
        container => ops::contains(container, item).map(Value::Bool),
    }
}

/// A read whose key comes from data: the error does not show it.
fn hidden(value: &Value, key: &Value, reading: Reading) -> Result<Value, EvalError> {
    ops::index(value, key, reading).map_err(EvalError::without_key)
}

/// A cookie of a list; one with empty fields when the list has none at the position.
fn cookie(list: &Value, at: &Value) -> Result<Value, EvalError> {
    Ok(match ops::index(list, at, Reading::Soft)? {
        Value::Null => Value::Map(Arc::new(empty_cookie())),
        cookie => cookie,
    })
}

/// Equality in a time that depends on the lengths only, for texts where one came from a secret.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => return a.as_bytes().ct_eq(b.as_bytes()).into(),
        (Value::Lines(_), _) | (_, Value::Lines(_)) => return a == b,
        _ => {}
    }
    match (a.as_text(), b.as_text()) {
        (Some(a), Some(b)) => a.as_bytes().ct_eq(b.as_bytes()).into(),
        _ => a == b,
    }
}

/// `item in list`, comparing with every element as [`same`] does.
fn among(item: &Value, list: &Value) -> Result<Value, EvalError> {
    match ops::elements(list) {
        Some(list) => Ok(Value::Bool(list.iter().fold(false, |found, x| found | same(item, x)))),
        None => ops::contains(list, item).map(Value::Bool),
    }
}

#[cfg(test)]
mod tests {
    use super::{NATIVES, same};
    use crate::Value;
    use std::collections::HashSet;

    #[test]
    fn natives_are_distinct() {
        let distinct: HashSet<_> = NATIVES.iter().map(|(name, count, _)| (name, count)).collect();
        assert_eq!(distinct.len(), NATIVES.len());
    }

    #[test]
    fn secure_equality_is_equality() {
        assert!(same(&Value::from("abc"), &Value::from("abc")));
        assert!(!same(&Value::from("abc"), &Value::from("abd")));
        assert!(!same(&Value::from("abc"), &Value::from("abcd")));
        assert!(!same(&Value::from("1"), &Value::Int(1)));
        assert!(same(&Value::Int(1), &Value::Double(1.0)));
    }
}
