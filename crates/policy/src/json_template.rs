//! JSON with templates in it: `set-vars`, `log.metadata`, `ai-gateway.body`.

use crate::cel::{EvalError, Scope, Template};
use crate::tree::{Node, NodeValue};
use std::sync::Arc;
use tollgate_expr::{Activation, Map, Value};

/// A value whose texts are templates. A text that is one `${}` and nothing else yields that expression's own
/// type; any other text yields text.
#[derive(Clone, Debug)]
pub struct JsonTemplate(Part);

#[derive(Clone, Debug)]
enum Part {
    /// A value without templates in it, however deep.
    Fixed(Value),
    Template(Template),
    List(Vec<Part>),
    Map(Vec<(Arc<str>, Part)>),
}

impl JsonTemplate {
    /// Compiles every text in a value. `None` when one does not compile, which `load` reports.
    pub(crate) fn compile(node: &Node, scope: Scope) -> Option<Self> {
        part(node, scope).map(Self)
    }

    /// The value for a request.
    ///
    /// # Errors
    /// The first expression that fails.
    pub fn eval(&self, activation: &Activation<'_>) -> Result<Value, EvalError> {
        value(&self.0, activation)
    }

    /// Whether it is the same for every request.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        matches!(self.0, Part::Fixed(_))
    }
}

fn part(node: &Node, scope: Scope) -> Option<Part> {
    Some(match &node.value {
        NodeValue::Null => Part::Fixed(Value::Null),
        NodeValue::Bool(value) => Part::Fixed((*value).into()),
        NodeValue::Int(value) => Part::Fixed((*value).into()),
        NodeValue::Float(value) => Part::Fixed((*value).into()),
        NodeValue::Text(text) if text.contains("${") => Part::Template(Template::compile(text, scope).ok()?),
        NodeValue::Text(text) => Part::Fixed(text.as_str().into()),
        NodeValue::List(items) => {
            let parts: Vec<Part> = items.iter().map(|item| part(item, scope)).collect::<Option<_>>()?;
            fixed_list(&parts).unwrap_or(Part::List(parts))
        }
        NodeValue::Map(entries) => {
            let one = |(key, node): &(crate::tree::Key, Node)| Some((key.text.clone(), part(node, scope)?));
            let parts: Vec<(Arc<str>, Part)> = entries.iter().map(one).collect::<Option<_>>()?;
            fixed_map(&parts).unwrap_or(Part::Map(parts))
        }
    })
}

fn fixed_list(parts: &[Part]) -> Option<Part> {
    let values: Vec<Value> = parts.iter().map(fixed).collect::<Option<_>>()?;
    Some(Part::Fixed(Value::List(values.into())))
}

fn fixed_map(parts: &[(Arc<str>, Part)]) -> Option<Part> {
    let map: Map =
        parts.iter().map(|(key, part)| Some((key.clone(), fixed(part)?))).collect::<Option<_>>()?;
    Some(Part::Fixed(Value::Map(Arc::new(map))))
}

fn fixed(part: &Part) -> Option<Value> {
    match part {
        Part::Fixed(value) => Some(value.clone()),
        _ => None,
    }
}

fn value(part: &Part, activation: &Activation<'_>) -> Result<Value, EvalError> {
    Ok(match part {
        Part::Fixed(value) => value.clone(),
        Part::Template(template) => template.eval(activation)?,
        Part::List(parts) => {
            let values: Vec<Value> =
                parts.iter().map(|part| value(part, activation)).collect::<Result<_, _>>()?;
            Value::List(values.into())
        }
        Part::Map(parts) => {
            let one = |(key, part): &(Arc<str>, Part)| Ok((key.clone(), value(part, activation)?));
            Value::Map(Arc::new(parts.iter().map(one).collect::<Result<Map, EvalError>>()?))
        }
    })
}
