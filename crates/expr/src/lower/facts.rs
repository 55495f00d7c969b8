//! Whether a model strategy treats each model by itself.

use super::literal_text;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, operators};

/// Whether running the strategy on a part of `ai.models` gives that part of its result: a chain on `ai.models`
/// of methods that keep, drop or reorder models, whose arguments look at no other model.
pub(super) fn elementwise(tree: &IdedExpr) -> bool {
    let mut at = tree;
    loop {
        if is_models(at) {
            return true;
        }
        let Expr::Call(call) = &at.expr else { return false };
        let Some(target) = call.target.as_deref() else { return false };
        let known = matches!(
            (call.func_name.as_str(), call.args.len()),
            (
                "only"
                    | "ignore"
                    | "onlyProviders"
                    | "ignoreProviders"
                    | "onlyAuthors"
                    | "ignoreAuthors"
                    | "inRegion"
                    | "inCountryCode"
                    | "sortBy",
                1
            ) | ("filter" | "underCost" | "sortBy", 2)
                | ("randomize", 0)
        );
        if !known || call.args.iter().any(mentions_all) {
            return false;
        }
        at = target;
    }
}

fn is_models(tree: &IdedExpr) -> bool {
    match &tree.expr {
        Expr::Select(select) => is_ai(&select.operand) && select.field == "models",
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [base, key] => is_ai(base) && literal_text(key) == Some("models"),
            _ => false,
        },
        _ => false,
    }
}

fn is_ai(tree: &IdedExpr) -> bool {
    matches!(&tree.expr, Expr::Ident(name) if name == "ai")
}

/// Whether an expression looks at the lists of `ai`. `ai.request` is the same for every model; `ai` alone or
/// with a computed field may be anything.
fn mentions_all(tree: &IdedExpr) -> bool {
    match &tree.expr {
        Expr::Ident(name) => name == "ai",
        Expr::Select(select) => {
            !(is_ai(&select.operand) && select.field == "request") && mentions_all(&select.operand)
        }
        Expr::Call(call) => {
            if let (operators::INDEX, [base, key]) = (call.func_name.as_str(), call.args.as_slice())
                && is_ai(base)
            {
                return literal_text(key) != Some("request");
            }
            call.target.as_deref().is_some_and(mentions_all) || call.args.iter().any(mentions_all)
        }
        Expr::List(list) => list.elements.iter().any(mentions_all),
        Expr::Map(map) => map.entries.iter().any(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => mentions_all(&entry.key) || mentions_all(&entry.value),
            EntryExpr::StructField(_) => true,
        }),
        Expr::Literal(_) => false,
        Expr::Comprehension(_) | Expr::Struct(_) | Expr::Unspecified => true,
    }
}
