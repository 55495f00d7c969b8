//! What providers say about quotas, and how long they ask to wait.

use crate::loose::{Label, List, Number, Obj};
use crate::time;
use http::HeaderMap;
use serde::Deserialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// No wait longer than this is believed.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What is left of a key's quota, as the headers of an answer say. What they do not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests allowed per window.
    pub limit_requests: Option<u64>,
    /// Requests left in the window.
    pub remaining_requests: Option<u64>,
    /// Tokens allowed per window.
    pub limit_tokens: Option<u64>,
    /// Tokens left in the window.
    pub remaining_tokens: Option<u64>,
    /// Time until the requests are full again.
    pub reset_requests: Option<Duration>,
    /// Time until the tokens are full again.
    pub reset_tokens: Option<Duration>,
}

/// Reads the quota headers of OpenAI (and those who copy them), Anthropic and OpenRouter. `None` without any.
#[must_use]
pub fn read(headers: &HeaderMap, now: SystemTime) -> Option<Quota> {
    // Most answers say nothing of limits: one look at the names is cheaper than eighteen lookups.
    let speaks = |name: &str| name.starts_with("x-ratelimit-") || name.starts_with("anthropic-ratelimit-");
    if !headers.keys().any(|name| speaks(name.as_str())) {
        return None;
    }
    let number = |names: &[&str]| {
        names.iter().find_map(|name| text(headers, name)?.trim().parse::<f64>().ok()).map(count)
    };
    let reset = |names: &[&str]| names.iter().find_map(|name| reset(text(headers, name)?, now));
    let quota = Quota {
        limit_requests: number(&[
            "x-ratelimit-limit-requests",
            "anthropic-ratelimit-requests-limit",
            "x-ratelimit-limit",
        ]),
        remaining_requests: number(&[
            "x-ratelimit-remaining-requests",
            "anthropic-ratelimit-requests-remaining",
            "x-ratelimit-remaining",
        ]),
        limit_tokens: number(&[
            "x-ratelimit-limit-tokens",
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-input-tokens-limit",
        ]),
        remaining_tokens: number(&[
            "x-ratelimit-remaining-tokens",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-input-tokens-remaining",
        ]),
        reset_requests: reset(&[
            "x-ratelimit-reset-requests",
            "anthropic-ratelimit-requests-reset",
            "x-ratelimit-reset",
        ]),
        reset_tokens: reset(&[
            "x-ratelimit-reset-tokens",
            "anthropic-ratelimit-tokens-reset",
            "anthropic-ratelimit-input-tokens-reset",
        ]),
    };
    (quota != Quota::default()).then_some(quota)
}

/// How long a provider asks to wait, from the headers and, if it was read, the body of an error answer.
///
/// Looked at in this order: `retry-after-ms` and `Retry-After`; in the body `metadata.retry_after_seconds`, then
/// `metadata.headers.Retry-After`; `X-RateLimit-Reset` as header and in the metadata;
/// `error.availability.retry_after`; Google's `RetryInfo`. At most [`LONGEST_WAIT`].
#[must_use]
pub fn retry_after(headers: &HeaderMap, error_body: Option<&[u8]>, now: SystemTime) -> Option<Duration> {
    let body = error_body.and_then(read_body);
    let metadata = body.as_ref().and_then(|error| error.metadata.0.as_ref());
    let quoted = metadata.and_then(|metadata| metadata.headers.0.as_ref());
    let wait = text(headers, "retry-after-ms")
        .and_then(|millis| millis.trim().parse::<f64>().ok())
        .and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok())
        .or_else(|| text(headers, "retry-after").and_then(|value| wait(value, now)))
        .or_else(|| seconds(metadata?.retry_after_seconds))
        .or_else(|| wait(quoted?.retry_after.0.as_deref()?, now))
        .or_else(|| text(headers, "x-ratelimit-reset").and_then(|value| reset(value, now)))
        .or_else(|| reset(quoted?.reset.0.as_deref()?, now))
        .or_else(|| seconds(body.as_ref()?.availability.0.as_ref()?.retry_after))
        .or_else(|| {
            body.as_ref()?.details.0.iter().find_map(|info| time::go_duration(info.retry_delay.0.as_deref()?))
        });
    wait.map(|wait| wait.min(LONGEST_WAIT))
}

/// What a provider calls a request, for its support; OpenRouter's own name is the one its accounting knows.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 4] = ["x-generation-id", "x-request-id", "request-id", "x-amzn-requestid"];
    NAMES.iter().find_map(|name| text(headers, name)).filter(|id| !id.is_empty()).map(str::to_owned)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: Obj<ErrorPart>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorPart {
    metadata: Obj<Metadata>,
    availability: Obj<Availability>,
    details: List<RetryInfo>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    retry_after_seconds: Number,
    headers: Obj<QuotedHeaders>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct QuotedHeaders {
    #[serde(rename = "Retry-After", alias = "retry-after")]
    retry_after: Label,
    #[serde(rename = "X-RateLimit-Reset", alias = "x-ratelimit-reset")]
    reset: Label,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Availability {
    retry_after: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RetryInfo {
    #[serde(rename = "retryDelay")]
    retry_delay: Label,
}

/// The error object, also inside Google's list.
fn read_body(body: &[u8]) -> Option<ErrorPart> {
    let body = body.trim_ascii();
    if body.first() == Some(&b'[') {
        let List(list) = serde_json::from_slice::<List<ErrorBody>>(body).ok()?;
        return list.into_iter().next()?.error.0;
    }
    serde_json::from_slice::<Obj<ErrorBody>>(body).ok()?.0?.error.0
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates; -1 means unknown"
)]
fn count(number: f64) -> u64 {
    number as u64
}

fn seconds(number: Number) -> Option<Duration> {
    number.0.and_then(|number| Duration::try_from_secs_f64(number).ok())
}

/// A `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn wait(value: &str, now: SystemTime) -> Option<Duration> {
    time::seconds(value).or_else(|| time::http_date(value).map(|at| time::until(at, now)))
}

/// A reset: a Go duration, a date, seconds from now, or a point in time in seconds or milliseconds since 1970.
fn reset(value: &str, now: SystemTime) -> Option<Duration> {
    /// Numbers above this are points in time, not spans: ten years in seconds.
    const SPANS_UP_TO: f64 = 315_360_000.0;
    /// Numbers above this are milliseconds since 1970: 3 March 1973 in them, the year 5138 in seconds.
    const SECONDS_UP_TO: f64 = 1e11;
    if let Ok(number) = value.trim().parse::<f64>() {
        let scale = if number > SECONDS_UP_TO { 1000.0 } else { 1.0 };
        let span = Duration::try_from_secs_f64(number / scale).ok()?;
        return Some(if number > SPANS_UP_TO {
            time::until(UNIX_EPOCH.checked_add(span)?, now)
        } else {
            span
        });
    }
    time::go_duration(value).or_else(|| time::rfc3339(value).map(|at| time::until(at, now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderName, HeaderValue};

    const NOW: u64 = 1_795_158_166; // 2026-11-20T07:02:46Z

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    fn secs(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn quotas() {
        let openai = headers(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]);
        let want = Quota {
            limit_requests: Some(60),
            remaining_requests: Some(59),
            limit_tokens: Some(150_000),
            remaining_tokens: Some(149_984),
            reset_requests: secs(1),
            reset_tokens: secs(360),
        };
        assert_eq!(read(&openai, now()), Some(want));
        let anthropic = headers(&[
            ("anthropic-ratelimit-requests-limit", "60"),
            ("anthropic-ratelimit-requests-remaining", "59"),
            ("anthropic-ratelimit-requests-reset", "2026-11-20T07:02:47Z"),
            ("anthropic-ratelimit-tokens-limit", "150000"),
            ("anthropic-ratelimit-tokens-remaining", "149984"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-20T07:08:46Z"),
        ]);
        assert_eq!(read(&anthropic, now()), Some(want));
        let openrouter = headers(&[
            ("x-ratelimit-limit", "20"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795158176000"),
        ]);
        let want = Quota {
            limit_requests: Some(20),
            remaining_requests: Some(0),
            reset_requests: secs(10),
            ..Quota::default()
        };
        assert_eq!(read(&openrouter, now()), Some(want));
        assert_eq!(
            read(&headers(&[("content-type", "x"), ("x-ratelimit-limit-requests", "many")]), now()),
            None
        );
    }

    #[test]
    fn resets() {
        for (value, want) in [
            ("1s", secs(1)),
            ("6m0s", secs(360)),
            ("17", secs(17)),
            ("0", secs(0)),
            ("1795158170", secs(4)),
            ("1795158170000", secs(4)),
            ("1795158100", secs(0)),
            ("2026-11-20T07:03:46Z", secs(60)),
            ("2020-01-01T00:00:00Z", secs(0)),
            ("-5", None),
            ("soon", None),
        ] {
            assert_eq!(reset(value, now()), want, "{value}");
        }
    }

    #[test]
    fn waits_in_order() {
        let full = r#"{"error":{"metadata":{"retry_after_seconds":3,"headers":{"Retry-After":"4","X-RateLimit-Reset":"1795158171000"}},"availability":{"retry_after":7}}}"#;
        for (list, body, want) in [
            (
                &[("retry-after-ms", "1500"), ("retry-after", "2")][..],
                Some(full),
                Some(Duration::from_millis(1500)),
            ),
            (&[("retry-after", "2")], Some(full), secs(2)),
            (&[("retry-after", "Fri, 20 Nov 2026 07:03:46 GMT")], None, secs(60)),
            (&[("retry-after", "never")], Some(full), secs(3)),
            (&[], Some(full), secs(3)),
            (&[], Some(r#"{"error":{"metadata":{"headers":{"Retry-After":4}}}}"#), secs(4)),
            (
                &[("x-ratelimit-reset", "1795158172000")],
                Some(r#"{"error":{"availability":{"retry_after":7}}}"#),
                secs(6),
            ),
            (
                &[],
                Some(r#"{"error":{"metadata":{"headers":{"X-RateLimit-Reset":"1795158171000"}}}}"#),
                secs(5),
            ),
            (&[], Some(r#"{"error":{"metadata":null,"availability":{"retry_after":7}}}"#), secs(7)),
            (&[], Some(r#"[{"error":{"details":[{"@type":"x"},{"retryDelay":"34s"}]}}]"#), secs(34)),
            (&[("retry-after", "999999999")], None, Some(LONGEST_WAIT)),
            (&[], Some(r#"{"error":"x"}"#), None),
            (&[], Some("<html>"), None),
            (&[], None, None),
        ] {
            assert_eq!(
                retry_after(&headers(list), body.map(str::as_bytes), now()),
                want,
                "{list:?} {body:?}"
            );
        }
    }
}
