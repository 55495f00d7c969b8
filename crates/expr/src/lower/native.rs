//! Which predicates of `filter` have a native form.

use super::paths::{Step, unwind};
use super::types::Ty;
use super::{constant, literal_text};
use crate::functions::{Run, contains, ends_with, starts_with};
use crate::pred::{Compare, Path, Test};
use crate::value::Value;
use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};
use std::sync::Arc;

/// The native form of a predicate over `variable`, if it has one.
pub(super) fn test(tree: &IdedExpr, variable: &str, ty: Ty) -> Option<Test> {
    let part = |tree: &IdedExpr| test(tree, variable, ty);
    let Expr::Call(call) = &tree.expr else { return Some(Test::Truth(path(tree, variable, ty)?)) };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::LOGICAL_AND, [a, b]) => Some(Test::And(Box::new(part(a)?), Box::new(part(b)?))),
        (operators::LOGICAL_OR, [a, b]) => Some(Test::Or(Box::new(part(a)?), Box::new(part(b)?))),
        (operators::LOGICAL_NOT, [a]) => Some(Test::Not(Box::new(part(a)?))),
        (operators::IN, [item, list]) => match constant(list) {
            Some(list @ Value::List(_)) => Some(Test::In(path(item, variable, ty)?, list)),
            _ => Some(Test::Holds(path(list, variable, ty)?, constant(item)?)),
        },
        ("has", [place]) if call.target.is_none() => has(place, variable, ty),
        (operators::INDEX, _) => Some(Test::Truth(path(tree, variable, ty)?)),
        (_, [argument]) if call.target.is_some() => method(call, argument, variable, ty),
        (name, [a, b]) => {
            let compare = match name {
                operators::EQUALS => Compare::Equal,
                operators::NOT_EQUALS => Compare::NotEqual,
                operators::LESS => Compare::Less,
                operators::LESS_EQUALS => Compare::LessOrEqual,
                operators::GREATER => Compare::Greater,
                operators::GREATER_EQUALS => Compare::GreaterOrEqual,
                _ => return None,
            };
            match (path(a, variable, ty), path(b, variable, ty)) {
                (Some(path), None) => Some(Test::Compare(path, compare, constant(b)?)),
                (None, Some(path)) => Some(Test::Compare(path, compare.flipped(), constant(a)?)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn has(place: &IdedExpr, variable: &str, ty: Ty) -> Option<Test> {
    let path = path(place, variable, ty)?;
    let (last, names) = path.names.split_last()?;
    let readings = path.readings.get(..names.len())?.to_vec();
    Some(Test::Has(Path { names: names.to_vec(), readings }, Value::String(last.clone())))
}

fn method(call: &CallExpr, argument: &IdedExpr, variable: &str, ty: Ty) -> Option<Test> {
    let run: Run = match call.func_name.as_str() {
        "startsWith" => starts_with,
        "endsWith" => ends_with,
        "contains" => contains,
        _ => return None,
    };
    let path = path(call.target.as_deref()?, variable, ty)?;
    Some(Test::Method(path, run, literal_text(argument)?.into()))
}

/// A path of names below the variable.
fn path(tree: &IdedExpr, variable: &str, mut ty: Ty) -> Option<Path> {
    let (base, steps) = unwind(tree);
    match &base.expr {
        Expr::Ident(name) if name == variable => {}
        _ => return None,
    }
    let mut path = Path { names: Vec::with_capacity(steps.len()), readings: Vec::with_capacity(steps.len()) };
    for step in steps {
        let name = Step::name(step)?;
        let (reading, below) = ty.below(Some(name));
        path.names.push(Arc::from(name));
        path.readings.push(reading);
        ty = below;
    }
    Some(path)
}
