//! Names, fields and elements: `req.headers['x'][0]`, `vars.a.b`, `m.metadata.tier`.

use super::types::Ty;
use super::{Lowering, Typed, call, ident, literal_text};
use crate::activation::Activation;
use crate::engine::{self, ACTIONS, Field, Kind, Node, Side, entity_fields};
use crate::functions::convert_names;
use crate::issue::Issue;
use crate::ops::Reading;
use crate::scope::{Phases, Scope};
use crate::slot::Slot;
use crate::value::{EntityKind, Value};
use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use std::sync::Arc;

/// One step of a path.
#[derive(Clone, Copy)]
pub(super) enum Step<'e> {
    /// `.name`
    Field(&'e str, u64),
    /// `[key]`
    Index(&'e IdedExpr, u64),
}

impl<'e> Step<'e> {
    /// The name, when the policy's text has it.
    pub(super) fn name(self) -> Option<&'e str> {
        match self {
            Self::Field(name, _) => Some(name),
            Self::Index(key, _) => literal_text(key),
        }
    }

    fn id(self) -> u64 {
        match self {
            Self::Field(_, id) | Self::Index(_, id) => id,
        }
    }
}

/// The beginning of a path and its steps.
pub(super) fn unwind(tree: &IdedExpr) -> (&IdedExpr, Vec<Step<'_>>) {
    let mut steps = Vec::new();
    let mut at = tree;
    loop {
        match &at.expr {
            Expr::Select(select) => {
                steps.push(Step::Field(&select.field, at.id));
                at = &select.operand;
            }
            Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
                [base, key] => {
                    steps.push(Step::Index(key, at.id));
                    at = base;
                }
                _ => break,
            },
            _ => break,
        }
    }
    steps.reverse();
    (at, steps)
}

impl Lowering<'_> {
    pub(super) fn path(&mut self, tree: &IdedExpr) -> Typed {
        let (base, steps) = unwind(tree);
        for name in steps.iter().filter_map(|step| step.name()) {
            self.facts.reads_metrics |= matches!(name, "metrics" | "quota" | "error_rate" | "health");
        }
        let Expr::Ident(name) = &base.expr else {
            let base = self.expr(base);
            return self.steps(base, &steps);
        };
        if let Some(local) = self.locals.iter().rev().find(|local| local.name == *name) {
            let base = Typed::new(ident(&local.inner), local.ty);
            return self.steps(base, &steps);
        }
        if !engine::roots(self.scope).any(|root| root == name) {
            return self.unknown_name(base, name);
        }
        self.facts.roots.insert(name.clone());
        match name.as_str() {
            "vars" => self.vars(&steps),
            "actions" => self.actions(base, &steps),
            "ai" => self.ai(&steps),
            "attempts" => {
                let attempts = Typed::new(self.slot(Slot::Get(attempts)), Ty::Scalar(Kind::Int));
                self.steps(attempts, &steps)
            }
            "last_attempt" => self.last_attempt(&steps),
            root => {
                self.facts.volatile |= root == "time";
                self.engine(root, engine::root(root).unwrap_or_default(), &steps)
            }
        }
    }

    fn unknown_name(&mut self, tree: &IdedExpr, name: &str) -> Typed {
        if convert_names().contains(&name) {
            let value = self.value(crate::functions::type_value(name));
            return Typed::new(value, Ty::Any);
        }
        let at = self.start_of(tree.id);
        let elsewhere = match name {
            "ai" => "`model_selection` and `api_key_selection` strategies of `ai-gateway`".to_owned(),
            "attempts" | "last_attempt" => "`retry_condition` of `http-request`".to_owned(),
            _ => match engine::ROOTS.iter().find(|root| root.name == name) {
                Some(root) => root.phases.names(),
                None => {
                    let mut known: Vec<&str> = engine::roots(self.scope).collect();
                    known.extend(self.locals.iter().map(|local| local.name.as_str()));
                    let issue = Issue::at(self.source, at, format!("unknown name `{name}`"));
                    let issue = match name {
                        "request" => issue.help("the request is `req`"),
                        "response" => issue.help("the response is `res`, in the phases that have one"),
                        _ => issue.suggest(name, known),
                    };
                    return self.refuse(issue);
                }
            },
        };
        self.elsewhere(at, name, &elsewhere)
    }

    /// Refuses a name that exists, but not here.
    pub(super) fn elsewhere(&mut self, at: usize, name: &str, places: &str) -> Typed {
        let issue = Issue::at(self.source, at, format!("`{name}` is not available here"));
        self.refuse(issue.help(format!("it exists in {places}")))
    }

    fn last_attempt(&mut self, steps: &[Step<'_>]) -> Typed {
        if let Some((step, name)) = steps.first().and_then(|step| Some((step, step.name()?)))
            && !LAST_ATTEMPT.contains(&name)
        {
            let at = self.name_at(step.id(), name);
            let issue = Issue::at(self.source, at, format!("`last_attempt` has no field `{name}`"));
            return self.refuse(issue.suggest(name, LAST_ATTEMPT.iter().copied()));
        }
        let last = Typed::new(self.slot(Slot::Get(last_attempt)), Ty::Soft);
        self.steps(last, steps)
    }

    /// Applies steps to a value.
    pub(super) fn steps(&mut self, mut value: Typed, steps: &[Step<'_>]) -> Typed {
        for step in steps {
            value = self.step(value, *step);
        }
        value
    }

    fn step(&mut self, base: Typed, step: Step<'_>) -> Typed {
        let name = step.name();
        if let (Ty::Entity(kind), Some(name)) = (base.ty, name)
            && !entity_fields(kind).contains(&name)
        {
            let at = self.name_at(step.id(), name);
            let issue = Issue::at(self.source, at, format!("{} has no field `{name}`", kind.type_name()));
            return self.refuse(issue.suggest(name, entity_fields(kind).iter().copied()));
        }
        if let (Ty::Scalar(kind), Step::Field(name, id)) = (base.ty, step) {
            let at = self.name_at(id, name);
            let what = scalar_name(kind);
            let issue = Issue::at(self.source, at, format!("{what} has no field `{name}`"));
            return self.refuse(issue);
        }
        if let (Ty::Entities(kind), Step::Field(name, id)) = (base.ty, step) {
            let at = self.name_at(id, name);
            let issue =
                Issue::at(self.source, at, format!("a list of {} has no field `{name}`", kind.type_name()));
            return self.refuse(issue.help("take an element (`[0]`), or use `filter`, `map` or `exists`"));
        }
        let (reading, ty) = base.ty.below(name);
        let reading = if self.in_key && reading == Reading::Metadata { Reading::Soft } else { reading };
        let (key, literal) = match step {
            Step::Field(name, _) => (self.text(name), true),
            Step::Index(key, _) => {
                let literal = matches!(key.expr, Expr::Literal(_));
                (self.expr(key).tree, literal)
            }
        };
        let function = match (reading, literal) {
            _ if base.ty == Ty::CookieList => "@cookie",
            (Reading::Strict, true) => operators::INDEX,
            (Reading::Strict, false) => "@index_hidden",
            (Reading::Soft, _) => "@soft",
            (Reading::Part, true) => "@part",
            (Reading::Part, false) => "@part_hidden",
            (Reading::Metadata, true) => "@metadata",
            (Reading::Metadata, false) => "@metadata_hidden",
        };
        Typed { tree: call(function, vec![base.tree, key]), ty, secret: base.secret }
    }

    fn vars(&mut self, steps: &[Step<'_>]) -> Typed {
        // A name in the policy's text is read where it is; a computed one must not get into an error.
        let named = steps.first().is_some_and(|step| step.name().is_some());
        let base = Typed::new(self.slot(if named { Slot::Vars } else { Slot::AllVars }), Ty::Any);
        self.steps(base, steps)
    }

    fn actions(&mut self, base: &IdedExpr, steps: &[Step<'_>]) -> Typed {
        self.facts.reads_results = true;
        let names: Vec<&str> = steps.iter().map_while(|step| step.name()).collect();
        match names.as_slice() {
            ["ngrok", rest @ ..] => {
                if let (Some(action), Some(step)) = (rest.first(), steps.get(1))
                    && !ACTIONS.contains(action)
                {
                    let at = self.name_at(step.id(), action);
                    let issue = Issue::at(self.source, at, format!("no action leaves a result `{action}`"));
                    let issue = match *action {
                        "openid_connect" => issue.help("`openid-connect` leaves `oidc`"),
                        "compress_response" => issue.help("`compress-response` leaves `compress`"),
                        action => issue.suggest(action, ACTIONS.iter().copied()),
                    };
                    return self.refuse(issue);
                }
                let path: Vec<Arc<str>> = rest.iter().map(|name| Arc::from(*name)).collect();
                let read = path.len() + 1;
                let found = Typed::new(self.slot(Slot::Results(path)), Ty::Soft);
                self.steps(found, steps.get(read..).unwrap_or_default())
            }
            other => {
                let at =
                    steps.first().map_or_else(|| self.start_of(base.id), |step| self.start_of(step.id()));
                let issue = Issue::at(self.source, at, "results of actions are in `actions.ngrok`");
                let near = other.first().map(|name| format!("write `actions.ngrok.{name}`"));
                self.refuse(match near {
                    Some(help) => issue.help(help),
                    None => issue,
                })
            }
        }
    }

    fn ai(&mut self, steps: &[Step<'_>]) -> Typed {
        let known: &[&str] = match self.scope {
            Scope::KeyStrategy => &["keys", "request"],
            _ => &["models", "providers", "authors", "request"],
        };
        let Some((first, rest)) = steps.split_first() else {
            return Typed::new(self.slot(Slot::Ai(None)), Ty::Soft);
        };
        let Some(name) = first.name() else {
            let base = Typed::new(self.slot(Slot::Ai(None)), Ty::Soft);
            return self.steps(base, steps);
        };
        if !known.contains(&name) {
            let at = self.name_at(first.id(), name);
            let issue = Issue::at(self.source, at, format!("`ai` has no field `{name}` here"));
            let issue = match name {
                "keys" => issue.help("`ai.keys` exists in `api_key_selection` strategies"),
                "models" | "providers" | "authors" => {
                    issue.help(format!("`ai.{name}` exists in `model_selection` strategies"))
                }
                name => issue.suggest(name, known.iter().copied()),
            };
            return self.refuse(issue);
        }
        let ty = match name {
            "models" => Ty::Entities(EntityKind::Model),
            "providers" => Ty::Entities(EntityKind::Provider),
            "authors" => Ty::Entities(EntityKind::Author),
            "keys" => Ty::Entities(EntityKind::Key),
            _ => Ty::Soft,
        };
        let base = Typed::new(self.slot(Slot::Ai(Some(name.into()))), ty);
        self.steps(base, rest)
    }

    /// A path in the tables of the engine.
    fn engine(&mut self, root: &str, fields: &'static [Field], steps: &[Step<'_>]) -> Typed {
        let mut node = Node::Record(fields);
        let mut rest = steps;
        let mut path = root.to_owned();
        let mut phases = Phases::ALL;
        loop {
            let (fields, dual) = match node {
                Node::Record(fields) => (fields, None),
                Node::Dual(get, fields) => (fields, Some(get)),
                _ => break,
            };
            let Some((step, after)) = rest.split_first() else { break };
            let Some(name) = step.name() else {
                // A computed name: the record as a map.
                let base = Typed::new(self.slot(Slot::Whole(fields)), Ty::Soft);
                return self.steps(base, rest);
            };
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                let at = self.name_at(step.id(), name);
                let what = if dual.is_some() {
                    format!("`{path}` (a string with fields)")
                } else {
                    format!("`{path}`")
                };
                let issue = Issue::at(self.source, at, format!("{what} has no field `{name}`"));
                return self.refuse(issue.suggest(name, fields.iter().map(|field| field.name)));
            };
            path = format!("{path}.{name}");
            phases = phases.and(field.phases);
            if !phases.holds(self.scope.phase()) {
                let at = self.name_at(step.id(), name);
                return self.elsewhere(at, &path, &phases.names());
            }
            node = field.node;
            rest = after;
        }
        let base = match node {
            Node::Leaf(kind, get) => Typed::new(self.slot(Slot::Get(get)), Ty::Scalar(kind)),
            Node::Dual(get, _) => Typed::new(self.slot(Slot::Get(get)), Ty::Scalar(Kind::Text)),
            Node::Free(get) => Typed::new(self.slot(Slot::Get(get)), Ty::Soft),
            Node::Record(fields) => Typed::new(self.slot(Slot::Whole(fields)), Ty::Soft),
            Node::Multimap(get) => Typed::new(self.slot(Slot::Get(get)), Ty::Multimap),
            Node::Cookies(get) => Typed::new(self.slot(Slot::Get(get)), Ty::Cookies),
            Node::Headers(side) => return self.headers(side, rest),
        };
        self.steps(base, rest)
    }

    /// `req.headers` and `res.headers`: a name in the policy's text is read without copying the others.
    fn headers(&mut self, side: Side, steps: &[Step<'_>]) -> Typed {
        let Some(name) = steps.first().and_then(|step| step.name()) else {
            let all: engine::Get = match side {
                Side::Request => |a| engine::node(&Node::Headers(Side::Request), a),
                Side::Response => |a| engine::node(&Node::Headers(Side::Response), a),
            };
            let base = Typed::new(self.slot(Slot::Get(all)), Ty::Multimap);
            return self.steps(base, steps);
        };
        let line = match steps.get(1) {
            Some(Step::Index(key, _)) => line_number(key),
            _ => None,
        };
        let (read, ty) = if line.is_some() { (2, Ty::Scalar(Kind::Text)) } else { (1, Ty::Lines) };
        let base = Typed::new(self.slot(Slot::Header { side, name: name.to_ascii_lowercase(), line }), ty);
        self.steps(base, steps.get(read..).unwrap_or_default())
    }
}

/// The fields of `last_attempt`.
const LAST_ATTEMPT: &[&str] = &["error", "req", "res"];

fn attempts(a: &Activation<'_>) -> Value {
    Value::Int(a.retry.map_or(0, |retry| i64::from(retry.attempts)))
}

fn last_attempt(a: &Activation<'_>) -> Value {
    a.retry.map(|retry| retry.last_attempt.clone()).unwrap_or_default()
}

fn line_number(key: &IdedExpr) -> Option<usize> {
    match &key.expr {
        Expr::Literal(LiteralValue::Int(n)) => usize::try_from(*n.inner()).ok(),
        _ => None,
    }
}

pub(super) fn scalar_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::Int => "a number",
        Kind::Bool => "a boolean",
        Kind::Time => "a timestamp",
    }
}
