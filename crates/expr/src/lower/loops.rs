//! The macros: `filter`, `map`, `all`, `exists`, `exists_one`, `sortBy` with a key, and `has`.

use super::calls::truth;
use super::paths::unwind;
use super::types::Ty;
use super::{Local, Lowering, Typed, boolean, call, ident, list, native, node};
use crate::engine::Kind;
use crate::issue::Issue;
use crate::natives::LENIENT;
use crate::pred::Predicate;
use crate::scope::Scope;
use crate::slot::{Deferred, Slot};
use crate::value::Value;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};

/// The name the interpreter knows an accumulator by.
const RESULT: &str = "@result";

/// Whether a call has the form of a macro.
pub(super) fn is_macro(call: &CallExpr) -> bool {
    matches!(
        (call.func_name.as_str(), call.args.len()),
        ("filter" | "all" | "exists" | "exists_one" | "existsOne" | "sortBy", 2)
            | ("map", 2 | 3)
            | ("sort", 3)
    )
}

/// The loop that a macro becomes.
struct Loop {
    range: IdedExpr,
    variable: String,
    start: IdedExpr,
    go_on: IdedExpr,
    step: IdedExpr,
    result: IdedExpr,
}

impl Loop {
    fn tree(self) -> IdedExpr {
        node(Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: self.range,
            iter_var: self.variable,
            iter_var2: None,
            accu_var: RESULT.into(),
            accu_init: self.start,
            loop_cond: self.go_on,
            loop_step: self.step,
            result: self.result,
        })))
    }
}

fn int(value: i64) -> IdedExpr {
    node(Expr::Literal(LiteralValue::Int(value.into())))
}

/// A loop that collects an item of each element, when a condition holds.
fn collect(range: IdedExpr, variable: String, condition: Option<IdedExpr>, item: IdedExpr) -> IdedExpr {
    let append = call(operators::ADD, vec![ident(RESULT), list(vec![item])]);
    let step = match condition {
        Some(condition) => call(operators::CONDITIONAL, vec![condition, append, ident(RESULT)]),
        None => append,
    };
    let made =
        Loop { range, variable, start: list(Vec::new()), go_on: boolean(true), step, result: ident(RESULT) };
    call("@pack", vec![made.tree()])
}

impl Lowering<'_> {
    /// A macro on a receiver.
    pub(super) fn macro_call(&mut self, tree: &IdedExpr, call: &CallExpr, target: &IdedExpr) -> Typed {
        let name = call.func_name.as_str();
        let Some((Expr::Ident(variable), parts)) =
            call.args.split_first().map(|(first, rest)| (&first.expr, rest))
        else {
            let at = call.args.first().map_or(0, |first| self.start_of(first.id));
            let issue = Issue::at(self.source, at, format!("the first argument of `{name}` must be a name"));
            return self.refuse(issue.help(format!("as in `{name}(x, ...)`, where `x` is each element")));
        };
        if name == "sort" {
            return self.sort_by_order(tree, call, target, variable);
        }
        let range = self.expr(target);
        let inner = self.fresh();
        self.locals.push(Local { name: variable.clone(), inner: inner.clone(), ty: range.ty.element() });
        let key = self.in_key;
        self.in_key |= name == "sortBy";
        let parts_lowered: Vec<Typed> = parts.iter().map(|part| self.expr(part)).collect();
        self.in_key = key;
        self.locals.pop();
        let secret = range.secret || parts_lowered.iter().any(|part| part.secret);
        let native = match name {
            "filter" => Some(("@filter", range.ty)),
            "exists" => Some(("@exists", Ty::Scalar(Kind::Bool))),
            "all" => Some(("@all", Ty::Scalar(Kind::Bool))),
            _ => None,
        };
        if let Some((function, ty)) = native
            && let [predicate] = parts
            && let Some(test) = native::test(predicate, variable, range.ty.element())
        {
            let lenient = self.is_lenient();
            let predicate = self.slot(Slot::Predicate(Predicate { test: test.into(), lenient }));
            return Typed { tree: super::call(function, vec![self.soft_list(range), predicate]), ty, secret };
        }
        let ty = range.ty;
        let walk = if ty.is_soft() { "@range_soft" } else { "@range" };
        let walked = super::call(walk, vec![range.tree]);
        let mut parts = parts_lowered.into_iter();
        let Some(first) = parts.next() else { return Typed::new(boolean(false), Ty::Any) };
        let second = parts.next().map(|part| part.tree);
        // The first part is a condition, but for the item of `map` and the key of `sortBy`.
        let first =
            if name == "sortBy" || (name == "map" && second.is_none()) { first.tree } else { truth(first) };
        let (tree, ty) = self.loop_tree(name, walked, inner, first, second, ty);
        Typed { tree, ty, secret }
    }

    /// `list.sort(x, y, x < y)`: an element's key is the number of elements that come before it.
    ///
    /// The list is bound to a name, so that it is computed once: `[list].map(l, l.sortBy(y, l.filter(x, x < y).size()))[0]`.
    fn sort_by_order(&mut self, tree: &IdedExpr, call: &CallExpr, target: &IdedExpr, before: &str) -> Typed {
        let [first, second, order] = call.args.as_slice() else {
            return Typed::new(boolean(false), Ty::Any);
        };
        let Expr::Ident(after) = &second.expr else {
            let issue = Issue::at(
                self.source,
                self.start_of(second.id),
                "the second argument of `sort` must be a name",
            );
            return self.refuse(issue.help("as in `sort(x, y, x.age < y.age)`"));
        };
        if before == after {
            let issue =
                Issue::at(self.source, self.start_of(second.id), "the two names of `sort` must differ");
            return self.refuse(issue);
        }
        let method = |target: IdedExpr, name: &str, args: Vec<IdedExpr>| IdedExpr {
            id: tree.id,
            expr: Expr::Call(CallExpr { func_name: name.into(), target: Some(Box::new(target)), args }),
        };
        let all = self.fresh();
        let earlier = method(ident(&all), "filter", vec![first.clone(), order.clone()]);
        let key = method(earlier, "size", Vec::new());
        let sorted = method(ident(&all), "sortBy", vec![second.clone(), key]);
        let bound = method(list(vec![target.clone()]), "map", vec![ident(&all), sorted]);
        let first = node(Expr::Literal(LiteralValue::Int(0.into())));
        let made = self.expr(&super::call(operators::INDEX, vec![bound, first]));
        Typed { ty: Ty::Any, ..made }
    }

    fn loop_tree(
        &mut self,
        name: &str,
        range: IdedExpr,
        variable: String,
        first: IdedExpr,
        second: Option<IdedExpr>,
        ty: Ty,
    ) -> (IdedExpr, Ty) {
        let x = || ident(&variable);
        match (name, second) {
            ("filter", _) => {
                let condition = self.lenient(first);
                (collect(range, variable.clone(), Some(condition), x()), ty)
            }
            ("map", Some(item)) => {
                let condition = self.lenient(first);
                (collect(range, variable, Some(condition), item), Ty::Any)
            }
            ("map", None) => (collect(range, variable, None, first), Ty::Any),
            ("sortBy", _) => {
                let pair = call("@pack", vec![list(vec![x(), first])]);
                (call("@sort", vec![collect(range, variable, None, pair)]), ty)
            }
            ("all", _) => {
                let go_on = call(operators::NOT_STRICTLY_FALSE, vec![ident(RESULT)]);
                let step = call(operators::LOGICAL_AND, vec![ident(RESULT), self.lenient(first)]);
                let made = Loop { range, variable, start: boolean(true), go_on, step, result: ident(RESULT) };
                (made.tree(), Ty::Scalar(Kind::Bool))
            }
            ("exists", _) => {
                let seen = call(operators::LOGICAL_NOT, vec![ident(RESULT)]);
                let go_on = call(operators::NOT_STRICTLY_FALSE, vec![seen]);
                let step = call(operators::LOGICAL_OR, vec![ident(RESULT), self.lenient(first)]);
                let made =
                    Loop { range, variable, start: boolean(false), go_on, step, result: ident(RESULT) };
                (made.tree(), Ty::Scalar(Kind::Bool))
            }
            _ => {
                let more = call(operators::ADD, vec![ident(RESULT), int(1)]);
                let step = call(operators::CONDITIONAL, vec![self.lenient(first), more, ident(RESULT)]);
                let result = call(operators::EQUALS, vec![ident(RESULT), int(1)]);
                let made = Loop { range, variable, start: int(0), go_on: boolean(true), step, result };
                (made.tree(), Ty::Scalar(Kind::Bool))
            }
        }
    }

    fn soft_list(&self, list: Typed) -> IdedExpr {
        if !list.ty.is_soft() {
            return list.tree;
        }
        // `null` where a list of the engine is missing: an empty one.
        call("@or_empty", vec![list.tree])
    }

    /// Whether predicates of this scope are false where metadata is missing or `null` is compared.
    fn is_lenient(&self) -> bool {
        matches!(self.scope, Scope::ModelStrategy | Scope::KeyStrategy)
    }

    /// Makes a predicate false where it ends in an error of that kind ([`crate::EvalError`]).
    fn lenient(&mut self, predicate: IdedExpr) -> IdedExpr {
        if !self.is_lenient() {
            return predicate;
        }
        self.lenient = true;
        let tree = self.slot(Slot::Deferred(Deferred(predicate.into())));
        call(LENIENT, vec![tree])
    }

    /// `has(path)`: the path is lowered once, then its last step becomes the question.
    pub(super) fn has(&mut self, tree: &IdedExpr, call: &CallExpr) -> Typed {
        let Some(path) = call.args.first().filter(|path| !unwind(path).1.is_empty()) else {
            return self.bad_has(tree);
        };
        let whole = self.path(path);
        let asked = match whole.tree.expr {
            Expr::Ident(name) => self.present(&name),
            Expr::Call(read) => match <[IdedExpr; 2]>::try_from(read.args) {
                Ok([base, key]) => self.has_step(base, key),
                Err(_) => boolean(false),
            },
            // A fault was reported.
            _ => boolean(false),
        };
        Typed { tree: asked, ty: Ty::Scalar(Kind::Bool), secret: whole.secret }
    }

    fn has_step(&mut self, base: IdedExpr, key: IdedExpr) -> IdedExpr {
        if let (Some(Slot::Vars), Some(Slot::Value(Value::String(name)))) =
            (self.slot_of(&base), self.slot_of(&key))
        {
            let name = name.clone();
            return self.slot(Slot::HasVar(name));
        }
        call("@has", vec![base, key])
    }

    fn slot_of(&self, tree: &IdedExpr) -> Option<&Slot> {
        let Expr::Ident(name) = &tree.expr else { return None };
        self.slots.get(name.strip_prefix('@')?.parse::<usize>().ok()?)
    }

    /// A field of the engine is there when it holds anything, a result when it is not `null`.
    fn present(&self, name: &str) -> IdedExpr {
        let tree = ident(name);
        let question = match self.slot_of(&tree) {
            Some(Slot::Get(_) | Slot::Header { .. }) => "@present",
            _ => "@there",
        };
        call(question, vec![tree])
    }

    fn bad_has(&mut self, tree: &IdedExpr) -> Typed {
        let at = self.name_at(tree.id, "has");
        let issue = Issue::at(self.source, at, "`has` takes a field or an element");
        self.refuse(issue.help("as in `has(a.b)` or `has(a['b'])`"))
    }
}
