//! Google's `Schema`, a subset of OpenAPI 3.0, as JSON Schema.
//!
//! Types are written in capitals there, `nullable` stands beside them, counts may be texts (int64 in protobuf's JSON),
//! and `propertyOrdering` says in which order members are to be written: JSON Schema has it from the order of
//! `properties` itself.

use super::super::request::Json;
use super::super::writer::Writer;
use serde::Deserialize;

/// Members in snake case, as the Python SDK has them, and what JSON Schema calls them.
const NAMES: [(&str, &str); 10] = [
    ("any_of", "anyOf"),
    ("max_items", "maxItems"),
    ("min_items", "minItems"),
    ("max_length", "maxLength"),
    ("min_length", "minLength"),
    ("max_properties", "maxProperties"),
    ("min_properties", "minProperties"),
    ("additional_properties", "additionalProperties"),
    ("defs", "$defs"),
    ("ref", "$ref"),
];

/// The same schema as JSON Schema. What is JSON Schema already stays as it is.
pub(super) fn json_schema<'a>(schema: &Json<'_>) -> Json<'a> {
    let mut w = Writer::with_capacity(256);
    write(&mut w, schema);
    // Read from a stream of bytes, so that nothing borrows from the text.
    let bytes = w.finish();
    let mut deserializer = serde_json::Deserializer::from_reader(bytes.as_slice());
    Json::deserialize(&mut deserializer).unwrap_or_default()
}

fn write(w: &mut Writer, schema: &Json<'_>) {
    let Json::Object(object) = schema else { return w.value(schema) };
    let get = |camel: &str, snake: &str| object.get(camel).or_else(|| object.get(snake));
    let nullable = object.get("nullable").and_then(Json::as_bool) == Some(true);
    let ordering = get("propertyOrdering", "property_ordering").and_then(Json::as_array).unwrap_or_default();
    w.object(|w| {
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let name = NAMES.iter().find(|(snake, _)| *snake == name).map_or(name, |(_, camel)| camel);
            match (name, value) {
                ("nullable" | "propertyOrdering" | "property_ordering", _) => {}
                ("format", Json::Str(format)) if format == "enum" => {}
                ("type", value) => write_type(w, value, nullable),
                ("example", value) => w.member_array("examples", |w| w.value(value)),
                ("properties", Json::Object(_)) => {
                    w.key(name);
                    write_properties(w, value, ordering);
                }
                ("$defs", Json::Object(_)) => {
                    w.key(name);
                    write_properties(w, value, &[]);
                }
                ("items" | "additionalProperties", value) => {
                    w.key(name);
                    write(w, value);
                }
                ("anyOf", Json::Array(schemas)) => w.member_array(name, |w| {
                    schemas.iter().for_each(|schema| write(w, schema));
                    if nullable && !object.contains_key("type") {
                        w.object(|w| w.member("type", "null"));
                    }
                }),
                ("enum", Json::Array(values)) => w.member_array(name, |w| {
                    values.iter().for_each(|value| w.value(value));
                    if nullable && !values.iter().any(Json::is_null) {
                        w.value(&());
                    }
                }),
                (_, Json::Str(number)) if is_count(name) && number.parse::<u64>().is_ok() => {
                    w.key(name).raw(number);
                }
                (_, value) => w.member(name, value),
            }
        }
    });
}

fn write_properties(w: &mut Writer, properties: &Json<'_>, ordering: &[Json<'_>]) {
    let Json::Object(object) = properties else { return w.value(properties) };
    let ordered = ordering.iter().filter_map(Json::as_str).filter_map(|name| object.get_key_value(name));
    let rest =
        object.iter().filter(|(name, _)| !ordering.iter().any(|ordered| ordered.as_str() == Some(name)));
    w.object(|w| {
        for (name, schema) in ordered.chain(rest) {
            w.key(name);
            write(w, schema);
        }
    });
}

fn write_type(w: &mut Writer, value: &Json<'_>, nullable: bool) {
    match value {
        Json::Str(name) if name == "TYPE_UNSPECIFIED" => {}
        Json::Str(name) => {
            let lower = name.to_ascii_lowercase();
            if nullable && lower != "null" {
                w.member("type", &[lower.as_str(), "null"]);
            } else {
                w.member("type", &lower);
            }
        }
        Json::Array(names) => w.member_array("type", |w| {
            for name in names {
                match name {
                    Json::Str(name) => w.text(&name.to_ascii_lowercase()),
                    other => w.value(other),
                }
            }
        }),
        other => w.member("type", other),
    }
}

fn is_count(name: &str) -> bool {
    matches!(name, "maxItems" | "minItems" | "maxLength" | "minLength" | "maxProperties" | "minProperties")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openapi_becomes_json_schema() {
        for (google, want) in [
            (
                // ai.google.dev/api/caching#Schema and the function calling guide.
                r#"{"type":"OBJECT","properties":{"x":{"type":"STRING","nullable":true},"n":{"type":"INTEGER","format":"int32"}},"required":["x"]}"#,
                r#"{"type":"object","properties":{"x":{"type":["string","null"]},"n":{"type":"integer","format":"int32"}},"required":["x"]}"#,
            ),
            (
                r#"{"type":"OBJECT","properties":{"type":{"type":"STRING"},"nullable":{"type":"BOOLEAN"}},"property_ordering":["nullable","type"]}"#,
                r#"{"type":"object","properties":{"nullable":{"type":"boolean"},"type":{"type":"string"}}}"#,
            ),
            (
                r#"{"type":"ARRAY","items":{"any_of":[{"type":"NUMBER"},{"type":"STRING"}],"nullable":true},"minItems":"1","max_items":4}"#,
                r#"{"type":"array","items":{"anyOf":[{"type":"number"},{"type":"string"},{"type":"null"}]},"minItems":1,"maxItems":4}"#,
            ),
            (
                r#"{"type":"STRING","format":"enum","enum":["A","B"],"nullable":true,"example":"A","title":null}"#,
                r#"{"type":["string","null"],"enum":["A","B",null],"examples":["A"]}"#,
            ),
            (
                r##"{"type":"TYPE_UNSPECIFIED","defs":{"A":{"type":"NULL"}},"ref":"#/$defs/A","additional_properties":{"type":"STRING"}}"##,
                r##"{"$defs":{"A":{"type":"null"}},"$ref":"#/$defs/A","additionalProperties":{"type":"string"}}"##,
            ),
            (
                r#"{"type":["string","null"],"additionalProperties":false,"default":{"type":"STRING"},"a\"b":1.5}"#,
                r#"{"type":["string","null"],"additionalProperties":false,"default":{"type":"STRING"},"a\"b":1.5}"#,
            ),
            ("true", "true"),
        ] {
            let schema: Json<'_> = serde_json::from_str(google).unwrap();
            assert_eq!(serde_json::to_string(&json_schema(&schema)).unwrap(), want, "{google}");
        }
    }
}
