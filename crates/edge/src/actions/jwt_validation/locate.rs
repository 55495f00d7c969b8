//! Where in a request a token is: a header, or a field of the body.

use crate::action::RequestCx;
use crate::answer::Fault;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;
use tollgate_cloud::LONGEST_TOKEN;

/// Most bytes of a body that is searched for a token.
const LONGEST_BODY: usize = 1 << 20; // 1 MiB

/// A place where a token must be.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) in_body: bool,
    pub(super) name: String,
    pub(super) prefix: String,
}

/// Why there is no token. The number is that of the published code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absent {
    pub(super) code: u16,
    pub(super) message: String,
}

fn absent(code: u16, message: impl Into<String>) -> Absent {
    Absent { code, message: message.into() }
}

impl Place {
    /// The token, without its prefix.
    pub(super) async fn find(&self, cx: &mut RequestCx<'_>) -> Result<Result<String, Absent>, Fault> {
        let found = if self.in_body {
            let request = &cx.exchange.request;
            match body_kind(&request.method, &request.headers) {
                Err(absent) => return Ok(Err(absent)),
                Ok(kind) => {
                    let body = cx.body().await?;
                    self.in_body(kind, &body)
                }
            }
        } else {
            self.in_header(&cx.exchange.request.headers)
        };
        Ok(found.and_then(|text| self.without_prefix(&text)))
    }

    fn in_header(&self, headers: &HeaderMap) -> Result<String, Absent> {
        let mut lines = headers.get_all(self.name.as_str()).iter();
        let missing = || absent(3408, format!("the header `{}` with a token is missing", self.name));
        let line = lines.next().ok_or_else(missing)?;
        if lines.next().is_some() {
            return Err(absent(3406, format!("the header `{}` is there more than once", self.name)));
        }
        let text =
            line.to_str().map_err(|_| absent(3406, format!("the header `{}` holds no token", self.name)))?;
        Ok(text.trim().to_owned())
    }

    fn in_body(&self, kind: BodyKind, body: &[u8]) -> Result<String, Absent> {
        if body.len() > LONGEST_BODY {
            return Err(absent(3411, "the body is longer than 1 MiB, too long to be searched for a token"));
        }
        let missing = || absent(3412, format!("the body has no field `{}` with a token", self.name));
        match kind {
            BodyKind::Json => {
                let read: Result<Members, _> = serde_json::from_slice(body);
                let Members(members) = read.map_err(|_| absent(3411, "the body is no JSON object"))?;
                let value = self.only(members)?;
                value.as_ref().and_then(|value| value.as_str()).map(str::to_owned).ok_or_else(missing)
            }
            BodyKind::Form => {
                let text = std::str::from_utf8(body).map_err(|_| absent(3411, "the body is no form"))?;
                let fields = text.split('&').filter_map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    Some((form_decode(name)?, form_decode(value)?))
                });
                self.only(fields)?.ok_or_else(missing)
            }
        }
    }

    /// The field of that name. Whoever reads the body behind might take another one than is looked at here, so there may be
    /// only one.
    fn only<T>(&self, fields: impl IntoIterator<Item = (String, T)>) -> Result<Option<T>, Absent> {
        let mut found = fields
            .into_iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(&self.name))
            .map(|(_, value)| value);
        let first = found.next();
        if found.next().is_some() {
            return Err(absent(3406, format!("the field `{}` is there more than once", self.name)));
        }
        Ok(first)
    }

    fn without_prefix(&self, text: &str) -> Result<String, Absent> {
        // A longer one is refused anyway; its prefix may be.
        if text.len() > LONGEST_TOKEN + self.prefix.len() {
            return Err(absent(3416, "the token is longer than 64 KiB"));
        }
        let (start, rest) = text.split_at_checked(self.prefix.len()).unwrap_or(("", ""));
        if !self.prefix.is_empty() && !start.eq_ignore_ascii_case(&self.prefix) {
            let message = format!("the token does not begin with `{}`", self.prefix);
            return Err(absent(3413, message));
        }
        let token = if self.prefix.is_empty() { text } else { rest };
        Ok(token.trim_start().to_owned())
    }
}

/// The members of a JSON object in their order, those of the same name included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(All)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyKind {
    Json,
    Form,
}

fn body_kind(method: &Method, headers: &HeaderMap) -> Result<BodyKind, Absent> {
    if ![Method::POST, Method::PUT, Method::PATCH].contains(method) {
        return Err(absent(3415, "a token in the body needs the method POST, PUT or PATCH"));
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    if announced.is_some_and(|length: usize| length > LONGEST_BODY) {
        return Err(absent(3411, "the body is longer than 1 MiB, too long to be searched for a token"));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => Ok(BodyKind::Json),
        "application/x-www-form-urlencoded" => Ok(BodyKind::Form),
        _ => Err(absent(
            3414,
            "a token in the body needs the content type application/json or application/x-www-form-urlencoded",
        )),
    }
}

/// Decodes a name or value of a form (WHATWG URL Standard, section 5.1). `None` where it is no UTF-8.
fn form_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let coded = bytes.next_two();
        match (byte, coded) {
            (b'+', _) => out.push(b' '),
            (b'%', Some(value)) => {
                out.push(value);
                bytes.nth(1);
            }
            (byte, _) => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

trait TwoDigits {
    fn next_two(&self) -> Option<u8>;
}

impl TwoDigits for std::str::Bytes<'_> {
    /// The value of the two hexadecimal digits that follow.
    fn next_two(&self) -> Option<u8> {
        let mut ahead = self.clone();
        let mut digit = || ahead.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        u8::try_from(high * 16 + low).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(in_body: bool, prefix: &str) -> Place {
        Place { in_body, name: "Token".into(), prefix: prefix.into() }
    }

    fn code<T: std::fmt::Debug>(result: Result<T, Absent>) -> u16 {
        result.expect_err("no token").code
    }

    #[test]
    fn prefixes_are_taken_off() {
        assert_eq!(place(false, "Bearer ").without_prefix("bearer abc"), Ok("abc".into()));
        assert_eq!(place(false, "Bearer ").without_prefix("Bearer  abc"), Ok("abc".into()));
        assert_eq!(place(false, "").without_prefix("abc"), Ok("abc".into()));
        for bad in ["abc", "Basic abc", "Bearer", ""] {
            assert_eq!(code(place(false, "Bearer ").without_prefix(bad)), 3413, "{bad}");
        }
        assert_eq!(code(place(false, "").without_prefix(&"a".repeat(LONGEST_TOKEN + 1))), 3416);
        assert_eq!(code(place(false, "é").without_prefix("e")), 3413, "in the middle of a character");
    }

    #[test]
    fn headers_hold_one_token() {
        let mut headers = HeaderMap::new();
        assert_eq!(code(place(false, "").in_header(&headers)), 3408);
        headers.append("token", "a".parse().expect("a value"));
        assert_eq!(place(false, "").in_header(&headers), Ok("a".into()));
        headers.append("token", "b".parse().expect("a value"));
        assert_eq!(code(place(false, "").in_header(&headers)), 3406);
    }

    #[test]
    fn bodies_are_json_or_forms() {
        let place = place(true, "");
        let json = |text: &str| place.in_body(BodyKind::Json, text.as_bytes());
        assert_eq!(json(r#"{"token": "a"}"#), Ok("a".into()));
        for twice in [r#"{"token": "a", "Token": "b"}"#, r#"{"Token": "a", "Token": "a"}"#] {
            assert_eq!(code(json(twice)), 3406, "who reads it behind may take the other: {twice}");
        }
        for (text, expected) in [
            ("[]", 3411),
            ("", 3411),
            ("{}", 3412),
            (r#"{"token": 1}"#, 3412),
            (r#"{"a": {"token": "b"}}"#, 3412),
        ] {
            assert_eq!(code(json(text)), expected, "{text}");
        }
        let form = |text: &str| place.in_body(BodyKind::Form, text.as_bytes());
        assert_eq!(form("x=1&TOKEN=Bearer+a%2eb%zz"), Ok("Bearer a.b%zz".into()));
        assert_eq!(code(form("token=a&x=1&TOKEN=b")), 3406);
        assert_eq!(code(form("x=1")), 3412);
        assert_eq!(code(form("token=%ff")), 3412);
        assert_eq!(code(place.in_body(BodyKind::Form, &vec![b'a'; LONGEST_BODY + 1])), 3411);
    }

    #[test]
    fn methods_and_types_of_bodies() {
        let kind = |method: &str, kind: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().expect("a value"))]);
            body_kind(&method.parse().expect("a method"), &headers).map_err(|absent| absent.code)
        };
        assert_eq!(kind("POST", "Application/JSON; charset=utf-8"), Ok(BodyKind::Json));
        assert_eq!(kind("PATCH", "application/x-www-form-urlencoded"), Ok(BodyKind::Form));
        assert_eq!(kind("GET", "application/json"), Err(3415));
        assert_eq!(kind("PUT", "text/plain"), Err(3414));
        let long = HeaderMap::from_iter([(CONTENT_LENGTH, (LONGEST_BODY + 1).into())]);
        assert_eq!(body_kind(&Method::POST, &long).map_err(|absent| absent.code), Err(3411));
    }
}
