//! Compiled expressions.

use crate::activation::Activation;
use crate::direct::Direct;
use crate::error::EvalError;
use crate::issue::{Issue, offset};
use crate::limits::{charge, check_length, with_budget, with_stack};
use crate::lower::{self, Lowered};
use crate::natives::{ENV, add_lenient};
use crate::ops::weight;
use crate::scan;
use crate::scope::Scope;
use crate::slot::{Resolver, Slot};
use crate::val;
use crate::value::Value;
use cel::common::ast::{Expr, IdedExpr, operators};
use cel::parser::{ParseError, ParseErrors, Parser};
use cel::{Context, Env};
use secrecy::ExposeSecret as _;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What a program reads, known without running it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The variables it names: `req`, `vars`, `ai`, ...
    pub roots: BTreeSet<String>,
    /// The vault and name of each `secrets.get` whose arguments are literals.
    pub secrets: Vec<(String, String)>,
    /// Whether two runs with the same request may differ: it reads the time, chance, or secrets.
    pub volatile: bool,
    /// Whether it reads `actions.*`.
    pub reads_results: bool,
    /// Whether it reads a field `metrics`, `quota`, `error_rate` or `health`.
    pub reads_metrics: bool,
    /// Whether a model strategy looks at each model by itself: its result, restricted to a part S of `ai.models`,
    /// is what it returns when `ai.models` is S. (With `randomize`, as a distribution.)
    pub elementwise: bool,
}

/// A compiled expression. Cheap to clone.
#[derive(Clone)]
pub struct Program(Arc<Inner>);

struct Inner {
    source: Box<str>,
    tree: IdedExpr,
    depth: usize,
    slots: Vec<Slot>,
    facts: Facts,
    lenient: bool,
    warnings: Vec<Issue>,
    never_boolean: Option<&'static str>,
    /// The same without the interpreter, when it has such a form.
    direct: Option<Direct>,
    /// Vault and name, when the whole expression is `secrets.get` with literals: keys in policies are, and every request
    /// reads some.
    only_secret: Option<(String, String)>,
}

/// The deepest tree that runs. The rewrite adds levels, so this is above the limit of the source.
const MAX_LOWERED: usize = 1500;

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.0.source).finish()
    }
}

impl Program {
    /// Compiles an expression: checks its size, syntax, and every name in it.
    ///
    /// # Errors
    ///
    /// Every fault that was found, in the order of the text.
    pub fn compile(source: &str, scope: Scope) -> Result<Self, Vec<Issue>> {
        check_length(source).map_err(|issue| vec![issue])?;
        if source.trim().is_empty() {
            return Err(vec![Issue::at(source, 0, "the expression is empty")]);
        }
        if let Some((plain, at)) = scan::without_dollars(source) {
            let help = "write the expression without `${` and `}`";
            let warning = Issue::at(source, at, "`${` inside an expression").help(help);
            return Self::compile_plain(source, &plain, scope, vec![warning]);
        }
        Self::compile_plain(source, source, scope, Vec::new())
    }

    /// Compiles `plain`, which was written as `source`.
    fn compile_plain(
        source: &str,
        plain: &str,
        scope: Scope,
        warnings: Vec<Issue>,
    ) -> Result<Self, Vec<Issue>> {
        let depth = scan::depth(plain).map_err(|issue| vec![issue])?;
        let compiled = with_stack(depth, || compile(plain, scope)).unwrap_or_else(|| {
            Err(vec![Issue::at(source, 0, "the expression is too deep for this machine's memory")])
        })?;
        Ok(Self(Arc::new(Inner { source: source.into(), warnings, ..compiled })))
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What is accepted, and better written another way.
    #[must_use]
    pub fn warnings(&self) -> &[Issue] {
        &self.0.warnings
    }

    /// What its value is, `a text` for example, when that is known without running it and is neither true nor false.
    #[must_use]
    pub fn never_boolean(&self) -> Option<&'static str> {
        self.0.never_boolean
    }

    /// What it reads.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// Whether it runs without the interpreter.
    #[cfg(test)]
    pub(crate) fn is_direct(&self) -> bool {
        self.0.direct.is_some()
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// See [`EvalError`].
    pub fn eval(&self, a: &Activation<'_>) -> Result<Value, EvalError> {
        let inner = &*self.0;
        if let Some((vault, name)) = &inner.only_secret {
            let secret = a.secrets.secret(vault, name)?;
            return Ok(Value::from(secret.expose_secret()));
        }
        let run = || {
            with_budget(|| {
                let value = match &inner.direct {
                    Some(direct) => direct.run(&inner.slots, a)?.into_owned(),
                    None => inner.interpret(a)?,
                };
                // What leaves is turned into text or compared later, outside any budget.
                charge(weight(&value))?;
                Ok(value)
            })
        };
        with_stack(inner.depth, run).unwrap_or_else(|| Err(EvalError::Limit("the stack".into())))
    }

    /// Runs an expression that must be true or false.
    ///
    /// # Errors
    ///
    /// See [`EvalError`]; another type of result is one of [`crate::EvalErrorKind::Type`].
    pub fn test(&self, a: &Activation<'_>) -> Result<bool, EvalError> {
        match self.eval(a)? {
            Value::Bool(value) => Ok(value),
            other => Err(EvalError::types(format!(
                "the expression must be true or false, it is {}",
                other.type_name()
            ))),
        }
    }
}

impl Inner {
    fn interpret(&self, a: &Activation<'_>) -> Result<Value, EvalError> {
        let resolver = Resolver::new(a, &self.slots);
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.set_variable_resolver(&resolver);
        if self.lenient {
            add_lenient(&mut context);
        }
        let result = cel::Value::resolve_val(&self.tree, &context).map_err(EvalError::caught)?;
        val::value(&*result)
    }
}

fn compile(source: &str, scope: Scope) -> Result<Inner, Vec<Issue>> {
    let parser: Parser = Env::default().with_optional_support(false).parser();
    let parsed = parser.max_recursion_depth(1000).parse_with_source_info(source);
    let (tree, info) = parsed.map_err(|errors| vec![syntax(source, &errors)])?;
    let Lowered { tree, slots, facts, lenient, never_boolean } = lower::lower(source, scope, &info, &tree)?;
    let depth = lower::height(&tree, &slots);
    if depth > MAX_LOWERED {
        return Err(vec![Issue::at(source, 0, "the expression nests too deeply")]);
    }
    let direct = Direct::new(&tree, &slots);
    let only_secret = facts.secrets.first().filter(|_| is_secret(&tree, &slots)).cloned();
    Ok(Inner {
        source: source.into(),
        tree,
        depth,
        slots,
        facts,
        lenient,
        warnings: Vec::new(),
        never_boolean,
        direct,
        only_secret,
    })
}

/// Whether a compiled tree is one secret, named by literals.
fn is_secret(tree: &IdedExpr, slots: &[Slot]) -> bool {
    let index = |tree: &'_ IdedExpr| match &tree.expr {
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [of, key] => Some((of.clone(), key.clone())),
            _ => None,
        },
        _ => None,
    };
    let slot = |tree: &IdedExpr| match &tree.expr {
        Expr::Ident(name) => slots.get(name.strip_prefix('@')?.parse::<usize>().ok()?),
        _ => None,
    };
    let literal = |tree: &IdedExpr| matches!(slot(tree), Some(Slot::Value(_)));
    let Some((of, name)) = index(tree) else { return false };
    let Some((vaults, vault)) = index(&of) else { return false };
    matches!(slot(&vaults), Some(Slot::Secrets)) && literal(&vault) && literal(&name)
}

/// The first fault of the syntax. Those behind it are mostly the parser's attempts to go on.
fn syntax(source: &str, errors: &ParseErrors) -> Issue {
    let is_syntax = |error: &&ParseError| error.msg.starts_with("Syntax error");
    let first = errors.errors.iter().find(is_syntax).or(errors.errors.first());
    let Some(error) = first else { return Issue::at(source, 0, "the expression cannot be read") };
    let line = usize::try_from(error.pos.0).unwrap_or(1);
    let column = usize::try_from(error.pos.1).unwrap_or(1);
    let at = offset(source, line, column);
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    // "mismatched input 'x' expecting {...}": only the first part is for people.
    let found = message.split('\'').nth(1).unwrap_or_default();
    match message.split(' ').next() {
        _ if message.contains("<EOF>") && !message.starts_with("extraneous") => {
            Issue::at(source, source.len(), "the expression ends too early")
        }
        Some("mismatched" | "extraneous" | "no") => {
            Issue::at(source, at, format!("`{found}` is unexpected here"))
        }
        Some("missing") => Issue::at(source, at, format!("`{found}` is missing here")),
        Some("reserved") => Issue::at(source, at, message.replace("identifier:", "word")),
        _ => Issue::at(source, at, message),
    }
}
