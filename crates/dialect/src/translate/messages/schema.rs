//! JSON Schemas of which the API makes a grammar: of structured outputs and of strict tools.
//!
//! It refuses what it cannot make one of, so this does what the official SDKs do before they send a schema
//! (`anthropic.transform_schema`): objects are closed, and limits of values become words in the description. The same
//! grammar is behind Claude at Bedrock.

use super::super::request::Json;
use super::super::writer::Writer;
use super::read_blocks::to_json;

/// Limits the grammar does not have.
const LIMITS: [&str; 13] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
];

/// Formats of strings the grammar has.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Writes a schema as the next value; its members keep their order.
pub(in crate::translate) fn write(w: &mut Writer, schema: &Json<'_>) {
    let Json::Object(members) = schema else { return w.value(schema) };
    let moved: Vec<_> = members.iter().filter(|(name, value)| is_limit(name, value)).collect();
    let has = |name: &str| members.get(name).is_some();
    let closed = is_object(schema);
    w.object(|w| {
        for (name, value) in members.iter() {
            match (name, value) {
                ("description", Json::Str(text)) => w.member(name, &described(text, &moved)),
                ("additionalProperties", _) if closed => w.member(name, &false),
                _ if is_limit(name, value) => {}
                ("properties" | "$defs" | "definitions", Json::Object(schemas)) => {
                    w.member_object(name, |w| {
                        schemas.iter().for_each(|(name, schema)| write(w.key(name), schema));
                    });
                }
                ("items", Json::Object(_)) => write(w.key(name), value),
                ("oneOf", Json::Array(schemas)) if !has("anyOf") => {
                    w.member_array("anyOf", |w| schemas.iter().for_each(|schema| write(w, schema)));
                }
                ("anyOf" | "allOf" | "prefixItems", Json::Array(schemas)) => {
                    w.member_array(name, |w| schemas.iter().for_each(|schema| write(w, schema)));
                }
                _ => w.member(name, value),
            }
        }
        if !moved.is_empty() && !has("description") {
            w.member("description", &described("", &moved));
        }
        if closed && !has("additionalProperties") {
            w.member("additionalProperties", &false);
        }
    });
}

/// Whether some object of a schema may have members of any name: closing it changes what it means.
pub(in crate::translate) fn is_open(schema: &Json<'_>) -> bool {
    match schema {
        Json::Array(items) => items.iter().any(is_open),
        Json::Object(members) => members.iter().any(|(name, value)| match name {
            "additionalProperties" => !matches!(value, Json::Bool(false)),
            "enum" | "const" | "default" | "examples" | "required" => false,
            _ => is_open(value),
        }),
        _ => false,
    }
}

fn is_object(schema: &Json<'_>) -> bool {
    let Json::Object(members) = schema else { return false };
    match members.get("type") {
        Some(Json::Str(kind)) => kind == "object",
        Some(Json::Array(kinds)) => kinds.iter().any(|kind| kind.as_str() == Some("object")),
        _ => members.get("properties").is_some(),
    }
}

fn is_limit(name: &str, value: &Json<'_>) -> bool {
    match name {
        "minItems" => !matches!(value.as_u64(), Some(0 | 1)),
        "format" => value.as_str().is_some_and(|format| !FORMATS.contains(&format)),
        name => LIMITS.contains(&name),
    }
}

fn described(text: &str, moved: &[(&str, &Json<'_>)]) -> String {
    if moved.is_empty() {
        return text.to_owned();
    }
    let limits: Vec<_> = moved.iter().map(|(name, value)| format!("{name}: {}", to_json(value))).collect();
    let gap = if text.is_empty() { "" } else { "\n\n" };
    format!("{text}{gap}{{{}}}", limits.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_made_fit() {
        for (given, want) in [
            (
                r#"{"type":"integer","minimum":1,"maximum":10,"description":"A number"}"#,
                r#"{"type":"integer","description":"A number\n\n{minimum: 1, maximum: 10}"}"#,
            ),
            (
                r#"{"properties":{"minimum":{"type":"string","format":"date"},"b":{"type":"string","format":"x"}},"required":["b"]}"#,
                r#"{"properties":{"minimum":{"type":"string","format":"date"},"b":{"type":"string","description":"{format: \"x\"}"}},"required":["b"],"additionalProperties":false}"#,
            ),
            (
                r##"{"type":"array","minItems":1,"maxItems":3,"items":{"oneOf":[{"type":["object","null"],"additionalProperties":true},{"$ref":"#/$defs/a"}]},"$defs":{"a":{"type":"array","minItems":2}}}"##,
                r##"{"type":"array","minItems":1,"items":{"anyOf":[{"type":["object","null"],"additionalProperties":false},{"$ref":"#/$defs/a"}]},"$defs":{"a":{"type":"array","description":"{minItems: 2}"}},"description":"{maxItems: 3}"}"##,
            ),
            (
                r#"{"type":"object","additionalProperties":false,"properties":{"x":{"const":{"minimum":1}}}}"#,
                r#"{"type":"object","additionalProperties":false,"properties":{"x":{"const":{"minimum":1}}}}"#,
            ),
        ] {
            let mut w = Writer::default();
            write(&mut w, &serde_json::from_str(given).unwrap());
            assert_eq!(String::from_utf8(w.finish()).unwrap(), want);
        }
    }

    #[test]
    fn open_objects() {
        for (schema, want) in [
            (r#"{"type":"object"}"#, false),
            (r#"{"type":"object","additionalProperties":false}"#, false),
            (r#"{"anyOf":[{"type":"object","additionalProperties":{"type":"string"}}]}"#, true),
            (r#"{"enum":[{"additionalProperties":true}]}"#, false),
        ] {
            assert_eq!(is_open(&serde_json::from_str(schema).unwrap()), want, "{schema}");
        }
    }
}
