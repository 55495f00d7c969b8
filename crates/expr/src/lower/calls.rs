//! Operators and functions.

use super::loops::is_macro;
use super::paths::scalar_name;
use super::types::Ty;
use super::{Lowering, Typed, call, literal_text};
use crate::engine::{self, Kind, Node, Side};
use crate::functions::{self, Callable, PRICE_TYPES, Style, find, names, regex};
use crate::issue::Issue;
use crate::ops;
use crate::scope::Phases;
use crate::slot::Slot;
use crate::value::EntityKind;
use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};

impl Lowering<'_> {
    pub(super) fn call(&mut self, tree: &IdedExpr, call: &CallExpr) -> Typed {
        let Some(target) = call.target.as_deref() else {
            return if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                self.function(tree, call, &call.func_name)
            } else {
                self.operator(tree, call)
            };
        };
        if let Expr::Ident(namespace) = &target.expr
            && functions::is_namespace(namespace)
            && !self.locals.iter().any(|local| local.name == *namespace)
        {
            if functions::unsupported(namespace) {
                let name = format!("{namespace}.{}", call.func_name);
                let issue = Issue::at(
                    self.source,
                    self.start_of(target.id),
                    format!("`{name}` is not supported yet"),
                );
                return self.refuse(issue);
            }
            return self.function(tree, call, &format!("{namespace}.{}", call.func_name));
        }
        if is_macro(call) {
            return self.macro_call(tree, call, target);
        }
        self.method(tree, call, target)
    }

    fn operator(&mut self, tree: &IdedExpr, operator: &CallExpr) -> Typed {
        let name = operator.func_name.as_str();
        let args: Vec<Typed> = operator.args.iter().map(|arg| self.expr(arg)).collect();
        let secret = args.iter().any(|arg| arg.secret);
        let types: Vec<Ty> = args.iter().map(|arg| arg.ty).collect();
        if let Some((side, name)) = self.asked_header(operator) {
            return Typed::new(self.slot(Slot::HasHeader { side, name }), Ty::Scalar(Kind::Bool));
        }
        let soft = types.last().is_some_and(|ty| ty.is_soft());
        self.check_order(tree, operator, &types);
        let boolean = Ty::Scalar(Kind::Bool);
        let (function, ty, secret) = match name {
            operators::EQUALS if secret => ("@same", boolean, false),
            operators::NOT_EQUALS if secret => ("@differ", boolean, false),
            operators::IN if secret => ("@among", boolean, false),
            operators::IN if soft => ("@in_soft", boolean, false),
            operators::LESS => ("@less", boolean, false),
            operators::LESS_EQUALS => ("@less_equal", boolean, false),
            operators::GREATER => ("@greater", boolean, false),
            operators::GREATER_EQUALS => ("@greater_equal", boolean, false),
            operators::EQUALS | operators::NOT_EQUALS | operators::IN => (name, boolean, false),
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => (name, boolean, false),
            operators::CONDITIONAL => match types.as_slice() {
                [_, a, b] if a == b => (name, *a, secret),
                _ => (name, Ty::Any, secret),
            },
            _ => (name, Ty::Any, secret),
        };
        let operand = |(at, arg): (usize, Typed)| match name {
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => truth(arg),
            operators::CONDITIONAL if at == 0 => truth(arg),
            _ => arg.tree,
        };
        Typed { tree: call(function, args.into_iter().enumerate().map(operand).collect()), ty, secret }
    }

    /// The header that `'name' in req.headers` asks for: it is looked for without copying the others.
    fn asked_header(&self, operator: &CallExpr) -> Option<(Side, String)> {
        let [name, headers] = operator.args.as_slice() else { return None };
        let name = literal_text(name).filter(|_| operator.func_name == operators::IN)?;
        let (base, steps) = super::paths::unwind(headers);
        let (Expr::Ident(root), [step]) = (&base.expr, steps.as_slice()) else { return None };
        let side = match root.as_str() {
            "req" => Side::Request,
            "res" => Side::Response,
            _ => return None,
        };
        let local = self.locals.iter().any(|local| local.name == *root);
        (!local && step.name() == Some("headers")).then(|| (side, name.to_ascii_lowercase()))
    }

    /// Values of different types are never what was meant to be compared: `==` is false, `<` an error.
    fn check_order(&mut self, tree: &IdedExpr, operator: &CallExpr, types: &[Ty]) {
        let sign = match operator.func_name.as_str() {
            operators::LESS => "<",
            operators::LESS_EQUALS => "<=",
            operators::GREATER => ">",
            operators::GREATER_EQUALS => ">=",
            operators::EQUALS => "==",
            operators::NOT_EQUALS => "!=",
            operators::IN => return self.check_list(tree, operator, types),
            _ => return,
        };
        if let [Ty::Lines, Ty::Scalar(Kind::Text)] | [Ty::Scalar(Kind::Text), Ty::Lines] = types {
            let message = format!("`{sign}` compares a list of strings with a string");
            let issue = Issue::at(self.source, self.start_of(tree.id), message);
            self.issues
                .push(issue.help("take one of them: `[0]`, or ask whether it is in the list: `x in list`"));
            return;
        }
        let ([Ty::Scalar(a), Ty::Scalar(b)], [left, right]) = (types, operator.args.as_slice()) else {
            return;
        };
        if a == b {
            return;
        }
        let at = self.start_of(tree.id);
        // The literal is what is wrong, so it is named last.
        let (first, last) = if super::constant(left).is_some() { (b, a) } else { (a, b) };
        let message = format!("`{sign}` compares {} with {}", scalar_name(*first), scalar_name(*last));
        let issue = Issue::at(self.source, at, message);
        let help = mend(left, *a, *b).or_else(|| mend(right, *b, *a)).or_else(|| convert(*a, *b));
        self.issues.push(match help {
            Some(help) => issue.help(help),
            None => issue,
        });
    }

    /// The same of `x in [...]`, when no element can be equal.
    fn check_list(&mut self, tree: &IdedExpr, operator: &CallExpr, types: &[Ty]) {
        let (Some(Ty::Scalar(item)), [_, list]) = (types.first(), operator.args.as_slice()) else { return };
        let Some(crate::Value::List(list)) = super::constant(list) else { return };
        let all = |is: fn(&crate::Value) -> bool| !list.is_empty() && list.iter().all(is);
        let texts = all(|value| matches!(value, crate::Value::String(_)));
        let numbers = all(|value| ops::number(value).is_some());
        let (message, help) = match item {
            Kind::Int if texts => ("a number among strings", "write the numbers without quotes"),
            Kind::Text if numbers => ("a string among numbers", "write the numbers in quotes"),
            _ => return,
        };
        let issue = Issue::at(self.source, self.start_of(tree.id), format!("`in` looks for {message}"));
        self.issues.push(issue.help(help));
    }

    /// A call by name.
    fn function(&mut self, tree: &IdedExpr, call: &CallExpr, name: &str) -> Typed {
        match name {
            "has" if call.args.len() == 1 => return self.has(tree, call),
            "secrets.get" | "security.secret" => return self.secret(tree, call, name),
            "getReqHeader" | "hasReqHeader" | "getResHeader" | "hasResHeader" | "getReqCookie"
            | "hasReqCookie" | "getResCookie" | "hasResCookie" | "getQueryParam" | "hasQueryParam" => {
                return self.http(tree, call, name);
            }
            "matches" if call.args.len() == 2 => {
                if let [text, pattern] = call.args.as_slice() {
                    return self.matches(tree, text, pattern);
                }
            }
            _ => {}
        }
        let Some(def) = find(name, Style::Function) else {
            return self.unknown_function(tree, call, name, Style::Function);
        };
        if !self.count_is(tree, call, name, def.min, def.max) {
            return Typed::new(super::boolean(false), Ty::Any);
        }
        self.facts.volatile |= def.chance;
        let args: Vec<Typed> = call.args.iter().map(|arg| self.expr(arg)).collect();
        let ty = match name {
            "size" | "int" => Ty::Scalar(Kind::Int),
            "bool" | "inCidrRange" | "inCidrRanges" => Ty::Scalar(Kind::Bool),
            _ => Ty::Any,
        };
        self.run(Callable(def), args, ty)
    }

    fn run(&mut self, function: Callable, args: Vec<Typed>, ty: Ty) -> Typed {
        let secret = args.iter().any(|arg| arg.secret);
        let mut trees = vec![self.slot(Slot::Function(function))];
        trees.extend(args.into_iter().map(|arg| arg.tree));
        Typed { tree: call("@call", trees), ty, secret }
    }

    /// A call on a receiver.
    fn method(&mut self, tree: &IdedExpr, call: &CallExpr, target: &IdedExpr) -> Typed {
        let name = call.func_name.as_str();
        if let ("matches", [pattern]) = (name, call.args.as_slice()) {
            return self.matches(tree, target, pattern);
        }
        let receiver = self.expr(target);
        let Some(def) = find(name, Style::Method) else {
            return self.unknown_function(tree, call, name, Style::Method);
        };
        if !self.count_is(tree, call, name, def.min, def.max) {
            return Typed::new(super::boolean(false), Ty::Any);
        }
        self.facts.volatile |= def.chance;
        self.check_words(tree, call, name);
        let ty = method_type(name, receiver.ty, call.args.len());
        let mut args = vec![receiver];
        args.extend(call.args.iter().map(|arg| self.expr(arg)).collect::<Vec<_>>());
        self.run(Callable(def), args, ty)
    }

    /// Words that only a few are right for.
    fn check_words(&mut self, tree: &IdedExpr, call: &CallExpr, name: &str) {
        let Some(first) = call.args.first() else { return };
        let Some(word) = literal_text(first) else { return };
        let at = self.start_of(first.id);
        let issue = match name {
            "underCost" if !PRICE_TYPES.contains(&word) => {
                Issue::at(self.source, at, format!("there is no price type `{word}`"))
                    .suggest(word, PRICE_TYPES.iter().copied())
            }
            "sortBy" if word != "price" => {
                let at = if self.start_of(first.id) == 0 { self.start_of(tree.id) } else { at };
                Issue::at(self.source, at, format!("`sortBy` knows no field `{word}`"))
                    .help(format!("write `sortBy('price')`, or a key: `sortBy(m, m.{word})`"))
            }
            _ => return,
        };
        self.issues.push(issue);
    }

    fn count_is(&mut self, tree: &IdedExpr, call: &CallExpr, name: &str, min: usize, max: usize) -> bool {
        let count = call.args.len();
        if (min..=max).contains(&count) {
            return true;
        }
        let wanted = match (min, max) {
            (0, 0) => "no argument".to_owned(),
            (1, 1) => "1 argument".to_owned(),
            (min, max) if min == max => format!("{min} arguments"),
            (min, max) => format!("{min} to {max} arguments"),
        };
        let at = self.name_at(tree.id, &call.func_name);
        self.issues.push(Issue::at(self.source, at, format!("`{name}` takes {wanted}, not {count}")));
        false
    }

    fn unknown_function(&mut self, tree: &IdedExpr, call: &CallExpr, name: &str, style: Style) -> Typed {
        let last = &call.func_name;
        let at = self.name_at(tree.id, last);
        // A name that is right in the other form, or in a namespace, is the best help.
        let namespaced = names(Style::Function).find(|known| known.rsplit('.').next() == Some(last));
        let other = match style {
            Style::Function => {
                names(Style::Method).find(|known| known == last).map(|known| format!("x.{known}(...)"))
            }
            Style::Method => {
                names(Style::Function).find(|known| known == last).map(|known| format!("{known}(...)"))
            }
        };
        let what = if style == Style::Method { "method" } else { "function" };
        let issue = Issue::at(self.source, at, format!("unknown {what} `{name}`"));
        let issue = match (other, namespaced) {
            (Some(form), _) => issue.help(format!("write `{form}`")),
            (None, Some(full)) if full.contains('.') && name != full => {
                issue.help(format!("did you mean `{full}`?"))
            }
            _ => issue.suggest(name, names(style)),
        };
        for arg in &call.args {
            // The names in the arguments are worth checking too, unless a macro would have bound them.
            if call.args.len() < 2 {
                self.expr(arg);
            }
        }
        self.refuse(issue)
    }

    fn matches(&mut self, tree: &IdedExpr, text: &IdedExpr, pattern: &IdedExpr) -> Typed {
        let text = self.expr(text);
        let boolean = Ty::Scalar(Kind::Bool);
        let Some(source) = literal_text(pattern) else {
            let pattern = self.expr(pattern);
            return match find("matches", Style::Function) {
                Some(def) => self.run(Callable(def), vec![text, pattern], boolean),
                None => {
                    self.refuse(Issue::at(self.source, self.start_of(tree.id), "unknown function `matches`"))
                }
            };
        };
        match regex::compile(source) {
            Ok(pattern) => {
                let pattern = self.slot(Slot::Pattern(pattern));
                Typed { tree: call("@matches", vec![text.tree, pattern]), ty: boolean, secret: text.secret }
            }
            Err(error) => {
                let at = self.start_of(pattern.id);
                self.refuse(Issue::at(self.source, at, format!("bad regular expression: {error}")))
            }
        }
    }

    /// `secrets.get(vault, name)`, or `secrets.get(name)` in the vault `default`.
    fn secret(&mut self, tree: &IdedExpr, call: &CallExpr, name: &str) -> Typed {
        if !self.count_is(tree, call, name, 1, 2) {
            return Typed::new(super::boolean(false), Ty::Any);
        }
        self.facts.volatile = true;
        let (vault, key) = match call.args.as_slice() {
            [vault, key] => (literal_text(vault), key),
            [key, ..] => (Some("default"), key),
            [] => return Typed::new(super::boolean(false), Ty::Any),
        };
        if let (Some(vault), Some(key)) = (vault, literal_text(key)) {
            let pair = (vault.to_owned(), key.to_owned());
            if !self.facts.secrets.contains(&pair) {
                self.facts.secrets.push(pair);
            }
        }
        let vault = match (vault, call.args.first()) {
            (Some(vault), _) => self.text(vault),
            (None, Some(vault)) => self.expr(vault).tree,
            (None, None) => self.text("default"),
        };
        let key = self.expr(key).tree;
        let vaults = self.slot(Slot::Secrets);
        let vault = super::call(operators::INDEX, vec![vaults, vault]);
        let tree = super::call(operators::INDEX, vec![vault, key]);
        Typed { tree, ty: Ty::Scalar(Kind::Text), secret: true }
    }

    /// `getReqHeader` and its like: reads of the request and response by name.
    fn http(&mut self, tree: &IdedExpr, call: &CallExpr, name: &str) -> Typed {
        if !self.count_is(tree, call, name, 1, 1) {
            return Typed::new(super::boolean(false), Ty::Any);
        }
        let response = name.contains("Res");
        let phases = if response { Phases::ANSWER } else { Phases::HTTP };
        if !phases.holds(self.scope.phase()) {
            let at = self.name_at(tree.id, name);
            return self.elsewhere(at, name, &phases.names());
        }
        self.facts.roots.insert(if response { "res" } else { "req" }.into());
        let Some(arg) = call.args.first() else { return Typed::new(super::boolean(false), Ty::Any) };
        let side = if response { Side::Response } else { Side::Request };
        let wants = name.starts_with("has");
        let boolean = Ty::Scalar(Kind::Bool);
        if name.ends_with("Header") {
            if let Some(header) = literal_text(arg) {
                let name = header.to_ascii_lowercase();
                let (slot, ty) = match wants {
                    true => (Slot::HasHeader { side, name }, boolean),
                    false => (Slot::Header { side, name, line: None }, Ty::Lines),
                };
                return Typed::new(self.slot(slot), ty);
            }
            let all: engine::Get = match side {
                Side::Request => |a| engine::node(&Node::Headers(Side::Request), a),
                Side::Response => |a| engine::node(&Node::Headers(Side::Response), a),
            };
            return self.by_name(all, arg, wants, Ty::Lines);
        }
        let path: &[&str] = if name.ends_with("Cookie") { &["cookies"] } else { &["url", "query_params"] };
        let root = engine::root(if response { "res" } else { "req" }).unwrap_or_default();
        let Some(Node::Multimap(get) | Node::Cookies(get)) = find_node(root, path) else {
            return Typed::new(super::boolean(false), Ty::Any);
        };
        let found = self.by_name(get, arg, wants, Ty::CookieList);
        if wants || !name.ends_with("Cookie") {
            return Typed { ty: if wants { boolean } else { Ty::Lines }, ..found };
        }
        let first = self.value(crate::Value::Int(0));
        Typed::new(super::call("@cookie", vec![found.tree, first]), Ty::Soft)
    }

    fn by_name(&mut self, get: engine::Get, name: &IdedExpr, wants: bool, ty: Ty) -> Typed {
        let name = self.expr(name).tree;
        let all = self.slot(Slot::Get(get));
        match wants {
            true => Typed::new(call(operators::IN, vec![name, all]), Ty::Scalar(Kind::Bool)),
            false => Typed::new(call("@soft", vec![all, name]), ty),
        }
    }
}

/// What a literal of the wrong type should have been.
fn mend(literal: &IdedExpr, is: Kind, wanted: Kind) -> Option<String> {
    let text = literal_text(literal);
    match (is, wanted, text) {
        (Kind::Text, Kind::Int, Some(text)) if text.parse::<f64>().is_ok() => {
            Some(format!("write {text} without quotes"))
        }
        (Kind::Text, Kind::Bool, Some(text @ ("true" | "false"))) => {
            Some(format!("write {text} without quotes"))
        }
        (Kind::Text, Kind::Time, Some(text)) => Some(format!("write timestamp('{text}')")),
        (Kind::Int, Kind::Text, _) => match super::constant(literal)? {
            crate::Value::Int(n) => Some(format!("write '{n}', or make a number of the string: int(...)")),
            crate::Value::Double(n) => {
                Some(format!("write '{n}', or make a number of the string: double(...)"))
            }
            _ => None,
        },
        _ => None,
    }
}

/// How to make one type of the other.
fn convert(a: Kind, b: Kind) -> Option<String> {
    let is = |kind| a == kind || b == kind;
    match (is(Kind::Text), is(Kind::Int), is(Kind::Time)) {
        (true, true, _) => Some("make a number of the string: int(...) or double(...)".into()),
        (true, _, true) => Some("make a timestamp of the string: timestamp(...)".into()),
        _ => None,
    }
}

/// An operand that must be true or false. The interpreter checks that too, but beside an error in the other
/// operand it reports that one; so all forms of a predicate end in the same error.
pub(super) fn truth(operand: Typed) -> IdedExpr {
    match operand.ty {
        Ty::Scalar(Kind::Bool) => operand.tree,
        _ => call("@bool", vec![operand.tree]),
    }
}

fn find_node(fields: &'static [engine::Field], path: &[&str]) -> Option<Node> {
    let (first, rest) = path.split_first()?;
    let node = fields.iter().find(|field| field.name == *first)?.node;
    match (node, rest) {
        (node, []) => Some(node),
        (Node::Record(fields) | Node::Dual(_, fields), rest) => find_node(fields, rest),
        _ => None,
    }
}

/// The type of a method's result, where reads below it depend on it.
fn method_type(name: &str, receiver: Ty, count: usize) -> Ty {
    match (name, receiver) {
        (
            "only" | "ignore" | "onlyProviders" | "ignoreProviders" | "onlyAuthors" | "ignoreAuthors"
            | "inRegion" | "inCountryCode" | "underCost" | "sortBy" | "randomize" | "reverse" | "distinct"
            | "slice",
            Ty::Entities(kind),
        ) => Ty::Entities(kind),
        ("random", Ty::Entities(kind)) => Ty::Entity(kind),
        ("get", Ty::Entities(kind)) if count < 3 => Ty::Entity(kind),
        ("getModel", Ty::Entity(EntityKind::Provider)) => Ty::Entity(EntityKind::Model),
        ("size", _) => Ty::Scalar(Kind::Int),
        (
            "startsWith" | "starts_with" | "endsWith" | "ends_with" | "contains" | "includes" | "isJson"
            | "isURL" | "isQueryString" | "isPrivateIp",
            _,
        ) => Ty::Scalar(Kind::Bool),
        _ => Ty::Any,
    }
}
