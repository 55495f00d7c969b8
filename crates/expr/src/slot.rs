//! What the identifiers of a compiled tree stand for, and how they get their values.
//!
//! A compiled tree has no literals and no variable names, only `@0`, `@1`, ...: places in the program's table.

use crate::activation::{Activation, SecretSource};
use crate::engine::{self, Field, Get, Side};
use crate::error::EvalError;
use crate::functions::Callable;
use crate::functions::regex::Pattern;
use crate::pred::Predicate;
use crate::val::{Outcome, cow, lend, outcome};
use crate::value::{Map, Value};
use cel::ExecutionError;
use cel::common::ast::IdedExpr;
use cel::common::traits::Indexer;
use cel::common::types::{DYN_TYPE, MAP_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::context::VariableResolver;
use secrecy::ExposeSecret;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// One place in a program's table.
pub(crate) enum Slot {
    /// A literal.
    Value(Value),
    /// A field of the engine.
    Get(Get),
    /// A record of the engine, all of it.
    Whole(&'static [Field]),
    /// A header whose name the policy's text has: all its lines, or one.
    Header { side: Side, name: String, line: Option<usize> },
    /// Whether such a header is there.
    HasHeader { side: Side, name: String },
    /// `actions.ngrok...`
    Results(Vec<Arc<str>>),
    /// `ai` or `ai.models` and its like.
    Ai(Option<Arc<str>>),
    /// `vars`, to be indexed at once.
    Vars,
    /// `vars` as a map.
    AllVars,
    /// Whether a variable is set.
    HasVar(Arc<str>),
    /// The vaults, to be indexed by vault and name at once.
    Secrets,
    /// A function, the first argument of `@call`.
    Function(Callable),
    /// A regular expression, compiled.
    Pattern(Pattern),
    /// A predicate in native form.
    Predicate(Predicate),
    /// A tree that a function runs when it will.
    Deferred(Deferred),
}

/// A tree as an argument.
#[derive(Clone, Debug)]
pub(crate) struct Deferred(pub(crate) Arc<IdedExpr>);

impl Val for Deferred {
    fn get_type(&self) -> &Type {
        &DYN_TYPE
    }
    fn cel_type() -> &'static Type {
        &DYN_TYPE
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
impl StaticVal for Deferred {}

/// Hands the interpreter what a program's identifiers stand for.
pub(crate) struct Resolver<'a> {
    activation: &'a Activation<'a>,
    slots: &'a [Slot],
    vars: Vars<'a>,
    secrets: Secrets<'a>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(activation: &'a Activation<'a>, slots: &'a [Slot]) -> Self {
        Self { activation, slots, vars: Vars(activation.vars), secrets: Secrets(activation.secrets) }
    }
}

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let place: usize = name.strip_prefix('@')?.parse().ok()?;
        let a = self.activation;
        Some(match self.slots.get(place)? {
            Slot::Ai(None) => a.ai.map_or_else(|| cow(Value::Null), |ai| CowVal::Borrowed(lend(ai))),
            Slot::Ai(Some(name)) => cow(a.ai.and_then(|ai| ai.path(&[name])).unwrap_or_default()),
            Slot::Vars => CowVal::Borrowed(&self.vars),
            Slot::Secrets => CowVal::Borrowed(&self.secrets),
            Slot::Function(callable) => CowVal::Borrowed(callable),
            Slot::Pattern(pattern) => CowVal::Borrowed(pattern),
            Slot::Predicate(predicate) => CowVal::Borrowed(predicate),
            Slot::Deferred(tree) => CowVal::Borrowed(tree),
            slot => match slot.read(a)? {
                Cow::Borrowed(value) => CowVal::Borrowed(lend(value)),
                Cow::Owned(value) => cow(value),
            },
        })
    }
}

impl Slot {
    /// The value of a slot that stands for one by itself; `None` for `vars`, vaults, functions and the like.
    pub(crate) fn read<'s>(&'s self, a: &Activation<'_>) -> Option<Cow<'s, Value>> {
        Some(match self {
            Self::Value(value) => Cow::Borrowed(value),
            other => Cow::Owned(match other {
                Self::Get(get) => get(a),
                Self::Whole(fields) => engine::whole(fields, a),
                Self::Header { side, name, line: Some(line) } => engine::header_line(*side, name, *line, a),
                Self::Header { side, name, line: None } => engine::header_lines(*side, name, a),
                Self::HasHeader { side, name } => Value::Bool(engine::header_present(*side, name, a)),
                Self::Results(path) => results(a, path),
                Self::AllVars => Value::Map(Arc::new(a.vars.cloned().unwrap_or_default())),
                Self::HasVar(name) => Value::Bool(a.vars.is_some_and(|vars| vars.contains_key(name))),
                _ => return None,
            }),
        })
    }
}

/// A result of an earlier action; `null` as far as it is not there.
fn results(a: &Activation<'_>, path: &[Arc<str>]) -> Value {
    let Some((first, rest)) = path.split_first() else {
        return Value::Map(Arc::new(a.results.cloned().unwrap_or_default()));
    };
    let names: smallvec::SmallVec<[&str; 8]> = rest.iter().map(|name| &**name).collect();
    a.results.and_then(|results| results.get(first)).and_then(|value| value.path(&names)).unwrap_or_default()
}

/// `vars`: indexing lends the variable.
#[derive(Clone, Copy)]
struct Vars<'a>(Option<&'a Map>);

impl Indexer for Vars<'_> {
    fn get<'b, 'v>(&'b self, idx: &dyn Val) -> Outcome<'b, 'v>
    where
        Self: 'v,
    {
        let name = text(idx)?;
        match self.0.and_then(|vars| vars.get(&*name)) {
            Some(value) => Ok(CowVal::Borrowed(lend(value))),
            None => Err(EvalError::key(&name).raise()),
        }
    }
    fn steal<'v>(self: Box<Self>, idx: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(idx).map(CowVal::into_owned)
    }
}

/// The vaults: indexing by a vault's name gives a [`Vault`].
#[derive(Clone, Copy)]
struct Secrets<'a>(&'a dyn SecretSource);

/// One vault: indexing by a secret's name gives its value.
#[derive(Clone)]
struct Vault<'a> {
    source: &'a dyn SecretSource,
    name: Arc<str>,
}

macro_rules! opaque {
    ($type:ident, $name:literal) => {
        impl fmt::Debug for $type<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($name)
            }
        }
        impl Val for $type<'_> {
            fn get_type(&self) -> &Type {
                &MAP_TYPE
            }
            fn cel_type() -> &'static Type {
                &MAP_TYPE
            }
            fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
            where
                Self: 'v,
            {
                Some(self)
            }
            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
            where
                Self: 'v,
            {
                Box::new(self.clone())
            }
        }
    };
}
opaque!(Vars, "vars");
opaque!(Secrets, "secrets");
opaque!(Vault, "vault");

impl Indexer for Secrets<'_> {
    fn get<'b, 'v>(&'b self, idx: &dyn Val) -> Outcome<'b, 'v>
    where
        Self: 'v,
    {
        Ok(CowVal::Owned(Box::new(Vault { source: self.0, name: text(idx)? })))
    }
    fn steal<'v>(self: Box<Self>, idx: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(Box::new(Vault { source: self.0, name: text(idx)? }))
    }
}

impl Indexer for Vault<'_> {
    fn get<'b, 'v>(&'b self, idx: &dyn Val) -> Outcome<'b, 'v>
    where
        Self: 'v,
    {
        let secret = self.source.secret(&self.name, &text(idx)?);
        outcome(secret.map(|secret| Value::from(secret.expose_secret())).map_err(EvalError::from))
    }
    fn steal<'v>(self: Box<Self>, idx: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(idx).map(CowVal::into_owned)
    }
}

fn text(val: &dyn Val) -> Result<Arc<str>, ExecutionError> {
    match val.downcast_ref::<Value>() {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(EvalError::types("a name must be a string").raise()),
    }
}
