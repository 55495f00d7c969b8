//! What a plain scalar is: the core schema of YAML 1.2 (section 10.3.2).

use crate::tree::NodeValue;

/// The value of an unquoted scalar. `yes`, `on` and the like are text.
pub(super) fn plain(text: &str) -> NodeValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NodeValue::Null,
        "true" | "True" | "TRUE" => return NodeValue::Bool(true),
        "false" | "False" | "FALSE" => return NodeValue::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return NodeValue::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return NodeValue::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return NodeValue::Float(f64::NAN),
        _ => {}
    }
    number(text).unwrap_or_else(|| NodeValue::Text(text.to_owned()))
}

fn number(text: &str) -> Option<NodeValue> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let sound = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            return sound.then(|| i64::from_str_radix(digits, radix).ok().map(NodeValue::Int)).flatten();
        }
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let whole = text.parse().ok().map(NodeValue::Int);
        return whole.or_else(|| text.parse().ok().map(NodeValue::Float));
    }
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+');
    let has_digit = unsigned.split(['e', 'E']).next()?.contains(|c: char| c.is_ascii_digit());
    if !has_digit || !unsigned.chars().all(decimal) {
        return None;
    }
    text.parse().ok().map(NodeValue::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema() {
        use NodeValue::{Bool, Float, Int, Null, Text};
        for (text, value) in [
            ("", Null),
            ("~", Null),
            ("null", Null),
            ("nUll", Text("nUll".into())),
            ("true", Bool(true)),
            ("yes", Text("yes".into())),
            ("0", Int(0)),
            ("-7", Int(-7)),
            ("+7", Int(7)),
            ("010", Int(10)),
            ("0x1F", Int(31)),
            ("0o17", Int(15)),
            ("0x", Text("0x".into())),
            ("9223372036854775808", Float(9_223_372_036_854_775_808.0)),
            ("1.5", Float(1.5)),
            (".5", Float(0.5)),
            ("1e3", Float(1000.0)),
            ("-1.5E-1", Float(-0.15)),
            (".", Text(".".into())),
            ("1.2.3", Text("1.2.3".into())),
            ("1_000", Text("1_000".into())),
            ("30s", Text("30s".into())),
            ("-", Text("-".into())),
            ("e5", Text("e5".into())),
            ("infinity", Text("infinity".into())),
            ("127.0.0.1", Text("127.0.0.1".into())),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }
}
