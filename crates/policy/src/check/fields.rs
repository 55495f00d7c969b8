//! Checks of compound shapes: objects, lists, maps and choices.

use super::Checker;
use crate::cel::Scope;
use crate::codes;
use crate::shape::{CelScope, Field, KeyRule, Shape, alternatives};
use crate::source::Location;
use crate::tree::{Key, Node, NodeValue};
use crate::typo;
use tollgate_expr::nearest;

impl Checker {
    /// Checks the keys of a mapping and their values. `owner` is where a missing field is reported.
    pub(crate) fn fields(
        &mut self,
        node: &Node,
        fields: &[Field],
        path: &str,
        owner: Location,
        scope: Scope,
    ) {
        // A misspelt field is reported once, not as unknown and as missing.
        let mut proposed: Vec<&'static str> = Vec::new();
        for (key, value) in node.entries() {
            match fields.iter().find(|field| field.name == &*key.text) {
                Some(field) => self.shape(value, &field.shape, &joined(path, field.name), scope),
                None => proposed.extend(self.unknown_field(key, fields, path)),
            }
        }
        let missing = |field: &&Field| field.required && node.get(field.name).is_none();
        for field in fields.iter().filter(missing).filter(|field| !proposed.contains(&field.name)) {
            let name = joined(path, field.name);
            let help = format!("add `{}:` with {}", field.name, field.shape.describe());
            self.error(owner, codes::CONFIG, format!("`{name}` is missing"), Some(help));
        }
    }

    /// Reports an unknown key; the field that was probably meant.
    fn unknown_field(&mut self, key: &Key, fields: &[Field], path: &str) -> Option<&'static str> {
        let names: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
        let near = nearest(&key.text, names.iter().copied());
        let help = match near {
            Some(name) => format!("did you mean `{name}`?"),
            None if names.is_empty() => "there are no fields here".into(),
            None => format!("the fields are {}", alternatives(&names).replace(" or ", " and ")),
        };
        let message = format!("there is no field `{}`", joined(path, &key.text));
        self.unknown_key(key, codes::CONFIG, message, Some(help));
        // When unknown keys pass, what is missing is still missing.
        near.filter(|_| !self.lenient)
    }

    /// Checks a value against a shape; `path` names it in messages.
    pub(crate) fn shape(&mut self, node: &Node, shape: &Shape, path: &str, scope: Scope) {
        match shape {
            Shape::List { item, min, max } => self.list(node, item, (*min, *max), path, scope),
            Shape::Map { value, min, max, keys } => {
                if self.is_mapping(node, shape, path) {
                    self.map_entries(node, value, (*min, *max), *keys, path, scope);
                }
            }
            Shape::Object(fields) => {
                if self.is_mapping(node, shape, path) {
                    self.fields(node, fields, path, node.at, scope);
                }
            }
            Shape::OneOf(shapes) => self.one_of(node, shape, shapes, path, scope),
            Shape::Json => self.json(node, scope),
            Shape::Data => self.data(node, path),
            Shape::Cel(reads) => {
                if let Some(text) = self.text(node, shape, path) {
                    let scope = reads.within(scope);
                    match reads {
                        CelScope::Retry => self.condition(node, text, scope),
                        _ => self.program(node, text, scope),
                    };
                }
            }
            Shape::Template => {
                if let Some(text) = self.text(node, shape, path) {
                    self.template(node, text, scope);
                }
            }
            scalar => self.scalar(node, scalar, path),
        }
    }

    fn list(&mut self, node: &Node, item: &Shape, (min, max): (usize, usize), path: &str, scope: Scope) {
        let NodeValue::List(items) = &node.value else {
            let help = match node.text() {
                Some(_) => Some(format!("write it as a list item: `- ` and then {}", item.describe())),
                None => Some("write `- ` in front of each item".into()),
            };
            let message = format!("`{path}` must be a list, not {}", super::shown(node));
            return self.error(node, codes::CONFIG, message, help);
        };
        self.count(node, items.len(), (min, max), "item", path);
        for (index, value) in items.iter().enumerate() {
            self.shape(value, item, &format!("{path}[{index}]"), scope);
        }
    }

    fn map_entries(
        &mut self,
        node: &Node,
        value: &Shape,
        (min, max): (usize, usize),
        keys: KeyRule,
        path: &str,
        scope: Scope,
    ) {
        let headers = keys == KeyRule::HeaderName;
        self.count(node, node.entries().len(), (min, max), if headers { "header" } else { "entry" }, path);
        for (index, (key, entry)) in node.entries().iter().enumerate() {
            self.map_key(key, keys, path);
            let path = joined(path, &key.text);
            self.shape(entry, value, &path, scope);
            if headers {
                self.header_once(key, node.entries().iter().take(index).map(|(before, _)| before));
                self.header_value(entry, &path);
            }
        }
    }

    fn map_key(&mut self, key: &Key, rule: KeyRule, path: &str) {
        if key.text.is_empty() {
            return self.error(key, codes::EMPTY, format!("a key of `{path}` is empty"), None);
        }
        match rule {
            KeyRule::Any => {}
            KeyRule::HeaderName => self.header_name(key.at, path, &key.text),
            KeyRule::Identifier => {
                let first_is_digit = key.text.starts_with(|c: char| c.is_ascii_digit());
                if first_is_digit || !key.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    let message = format!("`{}` is not a name that expressions can read", key.text);
                    let help = Some("use letters, digits and `_`, and begin with a letter".into());
                    self.error(key, codes::VALUE, message, help);
                }
            }
        }
    }

    fn count(&mut self, node: &Node, have: usize, (min, max): (usize, usize), noun: &str, path: &str) {
        let many = |n: usize| match (n, noun) {
            (1, _) => format!("1 {noun}"),
            (_, "entry") => format!("{n} entries"),
            _ => format!("{n} {noun}s"),
        };
        if have < min {
            let message = format!("`{path}` needs at least {}", many(min));
            self.error(node, codes::EMPTY, message, None);
        } else if have > max {
            let verb = if max == 1 { "is" } else { "are" };
            let message = format!("`{path}` has {}; at most {max} {verb} allowed", many(have));
            let code = if noun == "header" { codes::TOO_MANY_HEADERS } else { codes::TOO_MANY };
            self.error(node, code, message, None);
        }
    }

    /// Reports anything that is no mapping.
    fn is_mapping(&mut self, node: &Node, shape: &Shape, path: &str) -> bool {
        if matches!(node.value, NodeValue::Map(_)) {
            return true;
        }
        let message = format!("`{path}` must be {}, not {}", shape.describe(), super::shown(node));
        let help = match (&node.value, shape) {
            (NodeValue::List(_), _) => Some("remove the `- ` and write `key: value` lines".into()),
            (_, Shape::Object(fields)) => {
                let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
                Some(format!("its fields are {}", alternatives(&names).replace(" or ", " and ")))
            }
            _ => Some("write `key: value` lines below it".into()),
        };
        self.error(node, codes::CONFIG, message, help);
        false
    }

    fn one_of(&mut self, node: &Node, shape: &Shape, shapes: &[Shape], path: &str, scope: Scope) {
        let fitting: Vec<&Shape> = shapes.iter().filter(|shape| fits(node, shape)).collect();
        let (found, secrets) = (self.found.len(), self.secrets.len());
        for candidate in &fitting {
            self.found.truncate(found);
            self.secrets.truncate(secrets);
            self.shape(node, candidate, path, scope);
            if self.found.len() == found {
                return;
            }
        }
        match fitting.as_slice() {
            [] => {
                let message = format!("`{path}` must be {}, not {}", shape.describe(), super::shown(node));
                self.error(node, codes::CONFIG, message, None);
            }
            [_] => {}
            [first, ..] => {
                self.found.truncate(found);
                self.secrets.truncate(secrets);
                self.shape(node, first, path, scope);
            }
        }
    }

    fn data(&mut self, node: &Node, path: &str) {
        match &node.value {
            NodeValue::Text(text) if text.contains("${") => self.not_an_expression(node, path),
            NodeValue::List(items) => items.iter().for_each(|item| self.data(item, path)),
            NodeValue::Map(entries) => entries.iter().for_each(|(_, value)| self.data(value, path)),
            _ => self.writable(node),
        }
    }

    fn json(&mut self, node: &Node, scope: Scope) {
        match &node.value {
            NodeValue::Text(text) => self.template(node, text, scope),
            NodeValue::List(items) => items.iter().for_each(|item| self.json(item, scope)),
            NodeValue::Map(entries) => entries.iter().for_each(|(_, value)| self.json(value, scope)),
            _ => self.writable(node),
        }
    }

    fn writable(&mut self, node: &Node) {
        if matches!(node.value, NodeValue::Float(value) if !value.is_finite()) {
            self.error(node, codes::VALUE, "this number cannot be written in JSON".into(), None);
        }
    }

    /// The text of a scalar; reports anything else.
    pub(super) fn text<'n>(&mut self, node: &'n Node, shape: &Shape, path: &str) -> Option<&'n str> {
        let text = node.text();
        if text.is_none() {
            let message = format!("`{path}` must be {}, not {}", shape.describe(), node.kind());
            let help = match node.value {
                NodeValue::Null => Some("give it a value, or `\"\"`, or remove the key".into()),
                _ => self.as_written(node).map(|line| format!("quote it: {}", typo::quoted(&line))),
            };
            self.error(node, codes::CONFIG, message, help);
        }
        text
    }

    /// The one line that a list or a mapping takes, when it was probably meant as text.
    pub(crate) fn as_written(&self, node: &Node) -> Option<String> {
        let line = self.lines.line(node.at.line);
        let rest: String = line.chars().skip(node.at.column.saturating_sub(1)).collect();
        let is_one_line = match &node.value {
            NodeValue::Map(entries) => entries.iter().all(|(_, value)| value.at.line == node.at.line),
            NodeValue::List(items) => items.iter().all(|value| value.at.line == node.at.line),
            _ => false,
        };
        let written = match rest.chars().next()? {
            '{' | '[' => bracketed(&rest).to_owned(),
            _ => rest.trim().to_owned(),
        };
        is_one_line.then_some(written)
    }
}

/// Whether a value is of the kind a shape asks for, at the surface.
fn fits(node: &Node, shape: &Shape) -> bool {
    match shape {
        Shape::List { .. } => matches!(node.value, NodeValue::List(_)),
        Shape::Map { .. } | Shape::Object(_) => matches!(node.value, NodeValue::Map(_)),
        Shape::OneOf(shapes) => shapes.iter().any(|shape| fits(node, shape)),
        Shape::Json | Shape::Data => true,
        _ => node.text().is_some(),
    }
}

/// The part of a text up to the bracket that closes its first one.
fn bracketed(text: &str) -> &str {
    let mut depth = 0usize;
    let end = text.char_indices().find(|(_, c)| {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    end.and_then(|(at, _)| text.get(..=at)).unwrap_or(text)
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
