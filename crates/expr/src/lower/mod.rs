//! From the parsed tree to the tree that runs: names are checked and become places in a table, macros become
//! loops, reads of engine data become soft, and simple predicates become native.

mod calls;
mod facts;
mod loops;
mod native;
mod paths;
mod types;

use crate::issue::Issue;
use crate::program::Facts;
use crate::scope::Scope;
use crate::slot::Slot;
use crate::value::Value;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, SourceInfo, operators};
use types::Ty;

/// What a program is made of.
pub(crate) struct Lowered {
    pub(crate) tree: IdedExpr,
    pub(crate) slots: Vec<Slot>,
    pub(crate) facts: Facts,
    /// Whether it calls [`crate::natives::LENIENT`].
    pub(crate) lenient: bool,
    /// What its value is, when that is known and is no boolean.
    pub(crate) never_boolean: Option<&'static str>,
}

/// Lowers a parsed expression. All faults are reported, in the order of the text.
pub(crate) fn lower(
    source: &str,
    scope: Scope,
    info: &SourceInfo,
    tree: &IdedExpr,
) -> Result<Lowered, Vec<Issue>> {
    let mut lowering = Lowering {
        source,
        scope,
        info,
        slots: Vec::new(),
        facts: Facts::default(),
        issues: Vec::new(),
        locals: Vec::new(),
        made: 0,
        in_key: false,
        lenient: false,
    };
    let lowered = lowering.expr(tree);
    if scope == Scope::ModelStrategy {
        lowering.facts.elementwise = facts::elementwise(tree);
    }
    if lowering.issues.is_empty() {
        let Lowering { slots, facts, lenient, .. } = lowering;
        let never_boolean = lowered.ty.never_boolean();
        return Ok(Lowered { tree: lowered.tree, slots, facts, lenient, never_boolean });
    }
    lowering.issues.sort_by_key(|issue| (issue.line, issue.column));
    lowering.issues.dedup();
    Err(lowering.issues)
}

/// A name that a macro bound.
struct Local {
    name: String,
    /// Its name in the tree that runs.
    inner: String,
    ty: Ty,
}

struct Lowering<'s> {
    source: &'s str,
    scope: Scope,
    info: &'s SourceInfo,
    slots: Vec<Slot>,
    facts: Facts,
    issues: Vec<Issue>,
    locals: Vec<Local>,
    /// Names made so far.
    made: usize,
    /// Inside the key of `sortBy`, where missing metadata is `null`.
    in_key: bool,
    lenient: bool,
}

/// A lowered expression and what is known of it.
struct Typed {
    tree: IdedExpr,
    ty: Ty,
    /// Whether a secret is in its value.
    secret: bool,
}

impl Typed {
    fn new(tree: IdedExpr, ty: Ty) -> Self {
        Self { tree, ty, secret: false }
    }
}

fn node(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    node(Expr::Call(CallExpr { func_name: name.into(), target: None, args }))
}

fn list(elements: Vec<IdedExpr>) -> IdedExpr {
    node(Expr::List(ListExpr::new(elements)))
}

fn ident(name: &str) -> IdedExpr {
    node(Expr::Ident(name.into()))
}

fn boolean(value: bool) -> IdedExpr {
    node(Expr::Literal(LiteralValue::Boolean(value.into())))
}

/// The value of a literal; lists and maps of literals are literals too.
fn constant(tree: &IdedExpr) -> Option<Value> {
    Some(match &tree.expr {
        Expr::Literal(literal) => match literal {
            LiteralValue::Boolean(value) => Value::Bool(*value.inner()),
            LiteralValue::Int(value) => Value::Int(*value.inner()),
            LiteralValue::UInt(value) => Value::UInt(*value.inner()),
            LiteralValue::Double(value) => Value::Double(*value.inner()),
            LiteralValue::String(value) => Value::from(value.inner()),
            LiteralValue::Bytes(value) => Value::Bytes(value.inner().into()),
            LiteralValue::Null => Value::Null,
        },
        Expr::List(list) => Value::List(list.elements.iter().map(constant).collect::<Option<_>>()?),
        Expr::Call(call) if call.func_name == operators::NEGATE => match call.args.as_slice() {
            [operand] => crate::ops::negate(&constant(operand)?).ok()?,
            _ => return None,
        },
        _ => return None,
    })
}

/// The text of a literal string.
fn literal_text(tree: &IdedExpr) -> Option<&str> {
    match &tree.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

impl Lowering<'_> {
    /// Puts something in the table; the result stands for it.
    fn slot(&mut self, slot: Slot) -> IdedExpr {
        self.slots.push(slot);
        ident(&format!("@{}", self.slots.len() - 1))
    }

    fn value(&mut self, value: Value) -> IdedExpr {
        match value {
            // The interpreter decides by its own booleans only.
            Value::Bool(value) => boolean(value),
            value => self.slot(Slot::Value(value)),
        }
    }

    fn text(&mut self, text: &str) -> IdedExpr {
        self.slot(Slot::Value(Value::from(text)))
    }

    /// A name nothing in the policy's text can have.
    fn fresh(&mut self) -> String {
        self.made += 1;
        format!("@v{}", self.made)
    }

    fn start_of(&self, id: u64) -> usize {
        self.info.offset_for(id).map_or(0, |(start, _)| start as usize)
    }

    /// The place of a name: the parser marks the dot or the bracket beside it.
    fn name_at(&self, id: u64, name: &str) -> usize {
        let mark = self.start_of(id);
        let before = self.source.get(..mark).unwrap_or_default().trim_end();
        if before.ends_with(name) {
            return before.len() - name.len();
        }
        let after = self.source.get(mark..).unwrap_or_default();
        after.find(name).map_or(mark, |at| mark + at)
    }

    /// Reports a fault; the result stands for an expression whose value does not matter.
    fn refuse(&mut self, issue: Issue) -> Typed {
        self.issues.push(issue);
        Typed::new(boolean(false), Ty::Any)
    }

    fn expr(&mut self, tree: &IdedExpr) -> Typed {
        match &tree.expr {
            Expr::Literal(_) | Expr::List(_) if constant(tree).is_some() => {
                let value = constant(tree).unwrap_or_default();
                let ty = match value {
                    Value::String(_) => Ty::Scalar(crate::engine::Kind::Text),
                    Value::Int(_) | Value::UInt(_) | Value::Double(_) => Ty::Scalar(crate::engine::Kind::Int),
                    Value::Bool(_) => Ty::Scalar(crate::engine::Kind::Bool),
                    _ => Ty::Any,
                };
                Typed::new(self.value(value), ty)
            }
            Expr::List(items) => {
                let items: Vec<Typed> = items.elements.iter().map(|item| self.expr(item)).collect();
                let secret = items.iter().any(|item| item.secret);
                let tree = call("@pack", vec![list(items.into_iter().map(|item| item.tree).collect())]);
                Typed { tree, ty: Ty::Any, secret }
            }
            Expr::Map(map) => {
                let mut pairs = Vec::new();
                let mut secret = false;
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        for part in [&entry.key, &entry.value] {
                            let part = self.expr(part);
                            secret |= part.secret;
                            pairs.push(part.tree);
                        }
                    }
                }
                let tree = call("@map", vec![call("@pack", vec![list(pairs)])]);
                Typed { tree, ty: Ty::Any, secret }
            }
            Expr::Ident(_) | Expr::Select(_) => self.path(tree),
            Expr::Call(call) if call.func_name == operators::INDEX => self.path(tree),
            Expr::Call(call) => self.call(tree, call),
            Expr::Struct(made) => {
                let at = self.name_at(tree.id, &made.type_name);
                let issue =
                    Issue::at(self.source, at, format!("there is no message type `{}`", made.type_name));
                self.refuse(issue.help("write a map: `{'key': value}`"))
            }
            Expr::Literal(_) | Expr::Comprehension(_) | Expr::Unspecified => {
                let issue = Issue::at(self.source, self.start_of(tree.id), "this is no expression");
                self.refuse(issue)
            }
        }
    }
}

/// The height of a tree, with the trees it defers.
pub(crate) fn height(tree: &IdedExpr, slots: &[Slot]) -> usize {
    let tallest =
        |trees: &mut dyn Iterator<Item = &IdedExpr>| trees.map(|tree| height(tree, slots)).max().unwrap_or(0);
    1 + match &tree.expr {
        Expr::Call(call) => tallest(&mut call.args.iter().chain(call.target.as_deref())),
        Expr::List(list) => tallest(&mut list.elements.iter()),
        Expr::Select(select) => height(&select.operand, slots),
        Expr::Comprehension(c) => {
            tallest(&mut [&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result].into_iter())
        }
        Expr::Ident(name) => {
            let place = name.strip_prefix('@').and_then(|place| place.parse::<usize>().ok());
            match place.and_then(|place| slots.get(place)) {
                Some(Slot::Deferred(tree)) => height(&tree.0, slots),
                _ => 0,
            }
        }
        _ => 0,
    }
}
