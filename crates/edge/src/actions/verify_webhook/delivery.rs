//! One request that claims to be a webhook.

use super::scheme::Wrong;
use chrono::{DateTime, NaiveDateTime};
use http::{HeaderMap, Method, Uri};
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A request, as its sender wrote it.
pub(super) struct Delivery<'a> {
    pub(super) method: &'a Method,
    pub(super) host: &'a str,
    /// Path and query, not normalised.
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    pub(super) now: SystemTime,
}

impl<'a> Delivery<'a> {
    /// The first of these headers that is there. Twice the same one is refused: what is behind the gateway may read the
    /// other.
    pub(super) fn header(&self, names: &[&str]) -> Result<&'a str, Wrong> {
        if let Some(name) = names.iter().find(|name| self.headers.get_all(**name).iter().nth(1).is_some()) {
            return Err(Wrong(format!("the header `{name}` is there twice")));
        }
        let found = names.iter().find_map(|name| self.headers.get(*name)?.to_str().ok());
        found.map(str::trim).ok_or_else(|| Wrong(format!("there is no header `{}`", names.join("` or `"))))
    }

    pub(super) fn url(&self, scheme: &str) -> String {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        format!("{scheme}://{}{path}", self.host)
    }

    /// A parameter of the query, decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        pairs(self.uri.query().unwrap_or_default()).find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Names and values of a form body, sorted by name, with nothing between them.
    pub(super) fn sorted_form(&self) -> String {
        let mut all: Vec<(String, String)> = pairs(&String::from_utf8_lossy(self.body)).collect();
        all.sort();
        all.into_iter().map(|(name, value)| name + &value).collect()
    }

    /// The body as JSON; `Null` when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(self.body).unwrap_or_default()
    }

    /// Sees that a time is near enough: seconds or milliseconds since 1970, or RFC 3339, in UTC without an offset.
    pub(super) fn check_time(&self, text: &str, tolerance: Duration) -> Result<(), Wrong> {
        let millis = time(text).ok_or_else(|| Wrong("the time of the signature cannot be read".into()))?;
        let now = self.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if u128::from(now.abs_diff(millis)) > tolerance.as_millis() {
            let minutes = tolerance.as_secs() / 60;
            return Err(Wrong(format!("the signature is more than {minutes} minutes old, or ahead of time")));
        }
        Ok(())
    }
}

fn time(text: &str) -> Option<i64> {
    /// Seconds reach this in the year 5138, milliseconds did in 1973.
    const MILLISECONDS: i64 = 100_000_000_000;
    if let Ok(number) = text.parse::<i64>() {
        return if number >= MILLISECONDS { Some(number) } else { number.checked_mul(1_000) };
    }
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    let plain = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    zoned.ok().or_else(|| plain().ok().map(|time| time.and_utc().timestamp_millis()))
}

/// The pairs of a form or a query (WHATWG `application/x-www-form-urlencoded`).
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', ..) => {
                out.push(b' ');
                rest = after;
            }
            (byte, ..) => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_providers_use() {
        for text in [
            "1700000000",
            "1700000000000",
            "2023-11-14T22:13:20Z",
            "2023-11-14T14:13:20-08:00",
            "2023-11-14T22:13:20",
            "2023-11-14T22:13:20.000",
        ] {
            assert_eq!(time(text), Some(1_700_000_000_000), "{text}");
        }
        for text in ["", "yesterday", "9999999999999999999999", "2023-11-14"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn forms_are_decoded() {
        let all: Vec<_> = pairs("b=%2B1&a=x+y&&c&%zz=%").collect();
        let expected = [("b", "+1"), ("a", "x y"), ("c", ""), ("%zz", "%")];
        assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
