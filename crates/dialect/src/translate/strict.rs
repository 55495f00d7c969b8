//! Answers of a schema are certain at Anthropic, Google and Bedrock. At OpenAI they are only if `strict` says so, which not
//! every schema may ("Structured model outputs", "Supported schemas"): without the word it is a hint.

use super::request::Json;
use crate::Surface;

/// Objects within objects; the documentation has had 5, and has 10.
const DEPTH: usize = 5;
/// Properties of all objects together; the documentation has had 100, and has 5000.
const PROPERTIES: usize = 100;
/// Members that say what holds; all others are refused by one model or another.
const KNOWN: [&str; 13] = [
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "definitions",
    "description",
    "enum",
    "items",
    "properties",
    "required",
    "title",
    "type",
];

/// What `strict` is of a schema that came in the dialect `from`: the client's own word; without one, true where the
/// client's API would be strict and OpenAI's can be.
pub(super) fn strict(from: Surface, said: Option<bool>, schema: &Json<'_>) -> Option<bool> {
    let sure = matches!(from, Surface::Messages | Surface::GenerateContent | Surface::Converse);
    said.or_else(|| (sure && may_be(schema)).then_some(true))
}

fn may_be(schema: &Json<'_>) -> bool {
    let Json::Object(members) = schema else { return false };
    let is_object = members.get("type").and_then(Json::as_str) == Some("object");
    is_object && members.get("anyOf").is_none() && fits(schema, 0, &mut PROPERTIES.clone())
}

/// Whether a schema has what it must, and nothing else: objects are closed and all their properties required.
fn fits(schema: &Json<'_>, depth: usize, left: &mut usize) -> bool {
    let Json::Object(members) = schema else { return false };
    let mut inner = |schema: &Json<'_>, deeper: usize| fits(schema, depth + deeper, left);
    let all_fit = members.iter().all(|(name, value)| match (name, value) {
        ("properties" | "$defs" | "definitions", Json::Object(schemas)) => {
            schemas.iter().all(|(_, schema)| inner(schema, 1))
        }
        ("items", value) => inner(value, 0),
        ("anyOf", Json::Array(schemas)) => schemas.iter().all(|schema| inner(schema, 0)),
        ("properties" | "$defs" | "definitions" | "anyOf", _) => false,
        (name, _) => KNOWN.contains(&name),
    });
    let closed = match members.get("properties") {
        Some(Json::Object(properties)) => {
            let count = properties.iter().count();
            let enough = *left >= count;
            *left = left.saturating_sub(count);
            let required = members.get("required").and_then(Json::as_array);
            let asked =
                |name: &str| required.is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name)));
            enough && is_closed(schema) && properties.iter().all(|(name, _)| asked(name))
        }
        _ => !is_object(schema) || is_closed(schema),
    };
    depth <= DEPTH && all_fit && closed
}

fn is_closed(schema: &Json<'_>) -> bool {
    schema.as_object().and_then(|members| members.get("additionalProperties")) == Some(&Json::Bool(false))
}

fn is_object(schema: &Json<'_>) -> bool {
    match schema.as_object().and_then(|members| members.get("type")) {
        Some(Json::Array(kinds)) => kinds.iter().any(|kind| kind.as_str() == Some("object")),
        kind => kind.and_then(Json::as_str) == Some("object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(schema: &str) -> bool {
        strict(Surface::Messages, None, &serde_json::from_str(schema).unwrap()) == Some(true)
    }

    #[test]
    fn only_what_openai_takes_is_strict() {
        let closed = |inner: &str| {
            format!(
                r#"{{"type":"object","properties":{{"a":{inner}}},"required":["a"],"additionalProperties":false}}"#
            )
        };
        for inner in [
            r#"{"type":["string","null"],"description":"x"}"#,
            r#"{"type":"array","items":{"enum":[1,2]}}"#,
            r##"{"anyOf":[{"type":"null"},{"$ref":"#/$defs/b"}]}"##,
            &closed(r#"{"type":"integer"}"#),
        ] {
            assert!(may(&closed(inner)), "{inner}");
        }
        for inner in [
            r#"{"type":"integer","minimum":1}"#,
            r#"{"type":"object","properties":{"b":{}},"additionalProperties":false}"#,
            r#"{"type":"object","properties":{},"required":[]}"#,
            r#"{"type":["object","null"]}"#,
            r#"{"anyOf":[{"oneOf":[]}]}"#,
            r#"{"type":"array","items":[{"type":"string"}]}"#,
            "true",
        ] {
            assert!(!may(&closed(inner)), "{inner}");
        }
        assert!(!may(r#"{"type":"array","items":{"type":"string"}}"#), "the root is an object");
        let nested = (0..DEPTH).fold(r#"{"type":"string"}"#.to_owned(), |inner, _| closed(&inner));
        assert!(may(&nested) && !may(&closed(&nested)));
        let many = |count: usize| {
            let list = |item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(",");
            let (properties, names) =
                (list(&|at| format!(r#""p{at}":{{}}"#)), list(&|at| format!(r#""p{at}""#)));
            format!(
                r#"{{"type":"object","properties":{{{properties}}},"required":[{names}],"additionalProperties":false}}"#
            )
        };
        assert!(may(&many(PROPERTIES)) && !may(&many(PROPERTIES + 1)));
    }

    #[test]
    fn openais_clients_say_it_themselves() {
        let schema = serde_json::from_str(
            r#"{"type":"object","properties":{},"required":[],"additionalProperties":false}"#,
        )
        .unwrap();
        for (from, said, want) in [
            (Surface::ChatCompletions, None, None),
            (Surface::Responses, None, None),
            (Surface::Messages, None, Some(true)),
            (Surface::GenerateContent, None, Some(true)),
            (Surface::Messages, Some(false), Some(false)),
            (Surface::ChatCompletions, Some(true), Some(true)),
        ] {
            assert_eq!(strict(from, said, &schema), want, "{from:?}");
        }
    }
}
