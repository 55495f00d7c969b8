//! A JSON Schema (draft 2020-12) of the policy language, for editors.

use crate::action::{ActionSpec, Phase};
use crate::shape::{Field, KeyRule, Shape};
use serde_json::{Map, Value, json};

/// What a duration looks like; the limits are checked on loading.
const DURATION: &str = r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$";
/// What a size looks like.
const SIZE: &str = r"^[0-9]+ ?([KkMmGg]?[Ii]?[Bb])?$";
/// A token of RFC 9110 section 5.6.2.
const HEADER_NAME: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

/// The schema of policies made of these actions.
///
/// Both the long form (a list of rules) and the short one (bare actions, single mappings) are described; unknown
/// keys are refused.
#[must_use]
pub fn json_schema(actions: &[&'static ActionSpec]) -> Value {
    let mut definitions = Map::new();
    let mut phases = Map::new();
    for phase in Phase::ALL {
        let here = || actions.iter().filter(|spec| spec.phases.contains(phase));
        let long: Vec<Value> = here().map(|spec| reference(&format!("action.{}", spec.name))).collect();
        let bare = here().map(|spec| reference(&format!("bare.{}", spec.name)));
        let (rule, action) = (format!("rule.{phase}"), format!("actions.{phase}"));
        let items: Vec<Value> = std::iter::once(reference(&rule)).chain(bare).collect();
        definitions.insert(action.clone(), json!({ "anyOf": long }));
        definitions.insert(rule, rule_schema(&action));
        definitions.insert(phase.to_string(), json!({ "anyOf": items }));
        let item = reference(phase.key());
        phases.insert(
            phase.to_string(),
            json!({
                "description": format!("Rules that run in `{phase}`, in order, until one ends the phase."),
                "anyOf": [{ "type": "array", "items": item, "maxItems": 512 }, item, { "type": "null" }],
            }),
        );
    }
    for spec in actions {
        definitions.insert(format!("action.{}", spec.name), action_schema(spec, false));
        definitions.insert(format!("bare.{}", spec.name), action_schema(spec, true));
    }
    let policy = json!({ "type": "object", "properties": phases, "additionalProperties": false });
    definitions.insert("policy".into(), policy);
    let wrapped = json!({
        "type": "object",
        "properties": { "traffic_policy": reference("policy") },
        "required": ["traffic_policy"],
        "additionalProperties": false,
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Traffic policy",
        "anyOf": [reference("policy"), wrapped],
        "$defs": definitions,
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn conditions() -> Value {
    json!({
        "type": ["array", "null"],
        "items": { "type": ["string", "boolean", "number"] },
        "maxItems": 64,
        "description": "CEL expressions; all must be true for the actions to run.",
    })
}

fn label() -> Value {
    json!({ "type": ["string", "number", "boolean", "null"], "description": "A label for logs and metrics." })
}

fn rule_schema(actions: &str) -> Value {
    let item = reference(actions);
    json!({
        "type": "object",
        "properties": {
            "name": label(),
            "expressions": conditions(),
            "actions": {
                "description": "What to do, in order.",
                "anyOf": [{ "type": "array", "items": item, "minItems": 1, "maxItems": 64 }, item],
            },
        },
        "required": ["actions"],
        "additionalProperties": false,
    })
}

fn action_schema(spec: &ActionSpec, bare: bool) -> Value {
    let mut config = object(spec.fields);
    let mut required = vec!["type"];
    if spec.config_is_optional() {
        if let Some(config) = config.as_object_mut() {
            config.insert("type".into(), json!(["object", "null"]));
        }
    } else {
        required.push("config");
    }
    let mut properties = Map::new();
    properties.insert("type".into(), json!({ "const": spec.name, "description": spec.summary }));
    properties.insert("config".into(), config);
    if bare {
        properties.insert("name".into(), label());
        properties.insert("expressions".into(), conditions());
    }
    json!({
        "type": "object",
        "description": spec.summary,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn object(fields: &[Field]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field_schema(field))).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (Some(map), false) = (schema.as_object_mut(), required.is_empty()) {
        map.insert("required".into(), json!(required));
    }
    schema
}

fn field_schema(field: &Field) -> Value {
    let mut schema = match shape_schema(&field.shape) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    schema.insert("description".into(), field.doc.into());
    if let Some(default) = field.default {
        let text = || Value::from(default);
        schema.insert("default".into(), serde_json::from_str(default).unwrap_or_else(|_| text()));
    }
    Value::Object(schema)
}

fn shape_schema(shape: &Shape) -> Value {
    match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Int { min, max } => {
            let mut schema = json!({ "type": "integer" });
            limit(&mut schema, "minimum", (*min > i64::MIN).then(|| (*min).into()));
            limit(&mut schema, "maximum", (*max < i64::MAX).then(|| (*max).into()));
            schema
        }
        Shape::Float { min, max } => {
            let mut schema = json!({ "type": "number" });
            limit(&mut schema, "minimum", min.is_finite().then(|| (*min).into()));
            limit(&mut schema, "maximum", max.is_finite().then(|| (*max).into()));
            schema
        }
        Shape::Text | Shape::Template | Shape::Cel(_) => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Enum(words) => json!({ "enum": spellings(words) }),
        Shape::Duration { .. } => json!({ "type": "string", "pattern": DURATION }),
        Shape::Size { .. } => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": SIZE }] })
        }
        Shape::List { item, min, max } => {
            let mut schema = json!({ "type": "array", "items": shape_schema(item) });
            bounds(&mut schema, ("minItems", *min), ("maxItems", *max));
            schema
        }
        Shape::Map { value, min, max, keys } => {
            let mut schema = json!({ "type": "object", "additionalProperties": shape_schema(value) });
            bounds(&mut schema, ("minProperties", *min), ("maxProperties", *max));
            let names = match keys {
                KeyRule::Any => json!({ "minLength": 1 }),
                KeyRule::HeaderName => json!({ "pattern": HEADER_NAME }),
                KeyRule::Identifier => json!({ "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }),
            };
            limit(&mut schema, "propertyNames", Some(names));
            schema
        }
        Shape::Object(fields) => object(fields),
        Shape::OneOf(shapes) => {
            let all: Vec<Value> = shapes.iter().map(shape_schema).collect();
            json!({ "anyOf": all })
        }
        Shape::Json | Shape::Data => json!({}),
        Shape::StatusCode { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::HeaderName => json!({ "type": "string", "pattern": HEADER_NAME }),
    }
}

/// Words that look like numbers or booleans may be written without quotes.
fn spellings(words: &[&str]) -> Vec<Value> {
    let unquoted = words.iter().filter_map(|word| serde_json::from_str::<Value>(word).ok());
    words.iter().map(|word| Value::from(*word)).chain(unquoted).collect()
}

fn bounds(schema: &mut Value, (least, min): (&str, usize), (most, max): (&str, usize)) {
    limit(schema, least, (min > 0).then(|| min.into()));
    limit(schema, most, (max < usize::MAX).then(|| max.into()));
}

fn limit(schema: &mut Value, key: &str, value: Option<Value>) {
    if let (Some(map), Some(value)) = (schema.as_object_mut(), value) {
        map.insert(key.into(), value);
    }
}

#[cfg(test)]
mod tests;
