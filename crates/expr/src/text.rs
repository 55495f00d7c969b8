//! Values as text and as JSON, and back.

use crate::value::{Map, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::sync::Arc;

impl Value {
    /// The text a value becomes inside other text.
    ///
    /// Text is itself, numbers are decimal (an integral double without `.0`), `null` is empty, times are
    /// RFC 3339 in UTC, durations are seconds with the suffix `s`, bytes are UTF-8 or else base64, header lines
    /// are joined with `, `, other lists and maps are compact JSON with sorted keys.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::UInt(value) => value.to_string(),
            Self::Double(value) => double(*value),
            Self::String(text) => text.to_string(),
            Self::Bytes(bytes) => bytes_text(bytes),
            Self::Lines(lines) => lines.join(", "),
            Self::Timestamp(time) => timestamp(time),
            Self::Duration(length) => duration(length),
            Self::Object(object) => match object.text() {
                Some(text) => text.to_string(),
                None => self.to_json().to_string(),
            },
            Self::List(_) | Self::Map(_) | Self::Entity(_) | Self::Entities(_) => self.to_json().to_string(),
        }
    }

    /// The text of a value that is or stands for text: a string, header lines, a record with a text.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::String(text) => Some(Cow::Borrowed(text)),
            Self::Lines(lines) => match &**lines {
                [one] => Some(Cow::Borrowed(one)),
                lines => Some(Cow::Owned(lines.join(", "))),
            },
            Self::Object(object) => object.text().map(|text| Cow::Owned(text.to_string())),
            _ => None,
        }
    }

    /// The value as JSON: object keys sorted, integral doubles as integers, doubles that JSON cannot hold as
    /// `null`, times, durations and bytes as in [`Self::to_text`], header lines as a list.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::UInt(value) => Json::from(*value),
            Self::Double(value) if value.fract() == 0.0 && value.abs() < 1e15 => Json::from(*value as i64),
            Self::Double(value) => Json::from(*value),
            Self::String(text) => Json::from(&**text),
            Self::Bytes(_) | Self::Timestamp(_) | Self::Duration(_) => Json::from(self.to_text()),
            Self::List(list) => list.iter().map(Self::to_json).collect(),
            Self::Lines(lines) => lines.iter().map(|line| Json::from(&**line)).collect(),
            Self::Map(map) => {
                Json::Object(map.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect())
            }
            Self::Object(object) => match object.text() {
                Some(text) => Json::from(&*text),
                None => record(object.fields(), |name| object.field(name)),
            },
            Self::Entity(entity) => record(entity.fields(), |name| entity.field(name)),
            Self::Entities(list) => {
                list.iter().map(|entity| record(entity.fields(), |name| entity.field(name))).collect()
            }
        }
    }

    /// JSON as a value: whole numbers become `int` (or `uint` above its range), others `double`.
    #[must_use]
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => {
                if let Some(value) = number.as_i64() {
                    Self::Int(value)
                } else if let Some(value) = number.as_u64() {
                    Self::UInt(value)
                } else {
                    Self::Double(number.as_f64().unwrap_or(f64::NAN))
                }
            }
            Json::String(text) => Self::from(text.as_str()),
            Json::Array(list) => Self::List(list.iter().map(Self::from_json).collect()),
            Json::Object(map) => {
                let entry =
                    |(key, value): (&String, &Json)| (Arc::from(key.as_str()), Self::from_json(value));
                Self::Map(Arc::new(map.iter().map(entry).collect::<Map>()))
            }
        }
    }

    /// The type's name in the language: `string`, `list`, ..., or `AIModel` and its like.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) | Self::Lines(_) | Self::Entities(_) => "list",
            Self::Map(_) => "map",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Object(object) if object.text().is_some() => "string",
            Self::Object(_) => "map",
            Self::Entity(entity) => entity.kind().type_name(),
        }
    }
}

fn record(mut names: Vec<Arc<str>>, field: impl Fn(&str) -> Option<Value>) -> Json {
    names.sort_unstable();
    let entry = |name: Arc<str>| field(&name).map(|value| (name.to_string(), value.to_json()));
    Json::Object(names.into_iter().filter_map(entry).collect())
}

fn double(value: f64) -> String {
    if value == 0.0 { "0".into() } else { value.to_string() }
}

fn bytes_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => STANDARD.encode(bytes),
    }
}

/// RFC 3339 in UTC as `Z`, with a fraction only when there is one.
pub(crate) fn timestamp(time: &chrono::DateTime<chrono::FixedOffset>) -> String {
    time.to_utc().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// Seconds with the suffix `s`, without trailing zeros of the fraction.
fn duration(length: &chrono::Duration) -> String {
    let nanos = length.subsec_nanos();
    let sign = if *length < chrono::Duration::zero() { "-" } else { "" };
    let seconds = length.num_seconds().unsigned_abs();
    if nanos == 0 {
        return format!("{sign}{seconds}s");
    }
    let fraction = format!("{:09}", nanos.unsigned_abs());
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::Value;
    use serde_json::json;

    #[test]
    fn text_of_every_type() {
        let time = chrono::DateTime::parse_from_rfc3339("2024-07-13T02:10:16+02:00").unwrap();
        let half = chrono::DateTime::parse_from_rfc3339("2024-07-13T00:10:16.5Z").unwrap();
        for (value, text) in [
            (Value::Null, ""),
            (Value::Bool(true), "true"),
            (Value::Int(-3), "-3"),
            (Value::UInt(u64::MAX), "18446744073709551615"),
            (Value::Double(1.5), "1.5"),
            (Value::Double(2.0), "2"),
            (Value::Double(-0.0), "0"),
            (Value::from("a"), "a"),
            (Value::Bytes(Arc::from(&b"hi"[..])), "hi"),
            (Value::Bytes(Arc::from(&[0xff_u8][..])), "/w=="),
            (Value::Lines(["a".into(), "b".into()].into()), "a, b"),
            (Value::Timestamp(time), "2024-07-13T00:10:16Z"),
            (Value::Timestamp(half), "2024-07-13T00:10:16.500Z"),
            (Value::Duration(chrono::Duration::seconds(90)), "90s"),
            (Value::Duration(chrono::Duration::milliseconds(-1500)), "-1.5s"),
            (
                Value::from_json(&json!({"b": [1, 2.0, 1.5, null], "a": "x"})),
                r#"{"a":"x","b":[1,2,1.5,null]}"#,
            ),
        ] {
            assert_eq!(value.to_text(), text, "{value:?}");
        }
    }

    #[test]
    fn json_and_back() {
        let json = json!({"a": [true, null, -1, 1.25, "x", {"b": 18_446_744_073_709_551_615_u64}]});
        assert_eq!(Value::from_json(&json).to_json(), json);
    }

    use std::sync::Arc;
}
