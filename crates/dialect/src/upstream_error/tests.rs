//! Tables of error shapes.

use super::*;
use proptest::prelude::*;

/// Checks a body against `message | code | kind | status`, with `-` for nothing.
fn check(body: &str, want: &str) {
    let mut parts = want.split(" | ").map(|part| Some(part.to_owned()).filter(|part| part != "-"));
    let mut part = || parts.next().unwrap();
    let found = inspect_error(body.as_bytes());
    let want = UpstreamError {
        message: part().unwrap(),
        code: part(),
        kind: part(),
        status: part().map(|status| status.parse().unwrap()),
        scope: found.scope,
        retry_after: found.retry_after,
    };
    assert_eq!(found, want, "{body}");
}

#[test]
fn openai_and_anthropic() {
    for (body, want) in [
        (
            r#"{"error":{"message":"Rate limit reached","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
            "Rate limit reached | rate_limit_exceeded | tokens | 429",
        ),
        (
            r#"{"error":{"message":"No quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            "No quota | insufficient_quota | insufficient_quota | 429",
        ),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#,
            "Overloaded | - | overloaded_error | 529",
        ),
        (
            r#"{"type":"error","code":"insufficient_quota","message":"No money","param":null,"sequence_number":2}"#,
            "No money | insufficient_quota | - | 429",
        ),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"Oops"}}}"#,
            "Oops | server_error | - | 500",
        ),
        (r#"{"error":{"code":"server_error"}}"#, "server_error | server_error | - | 500"),
        (r#"{"error":{"message":null,"type":"x"}}"#, "x | - | x | -"),
        (r#"{"error":{"message":{"message":"deep"}}}"#, "deep | - | - | -"),
    ] {
        check(body, want);
    }
}

#[test]
fn openrouter() {
    for (body, want) in [
        (
            r#"{"error":{"code":402,"message":"Insufficient credits"},"user_id":"user_secret"}"#,
            "Insufficient credits | 402 | - | 402",
        ),
        (
            r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"{\"error\":{\"message\":\"slow down\"}}","provider_name":"Groq","error_type":"rate_limit_exceeded"}}}"#,
            "Provider returned error: Groq: slow down | 429 | rate_limit_exceeded | 429",
        ),
        (
            r#"{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"upstream said no"}}}"#,
            "Provider returned error: upstream said no | 502 | - | 502",
        ),
        (
            r#"{"error":{"message":"x","code":503},"error_type":"provider_unavailable"}"#,
            "x | 503 | provider_unavailable | 503",
        ),
        (
            r#"{"success":false,"error":{"name":"ZodError","message":"[{\"path\":[\"input\",0],\"message\":\"Required\"},{\"message\":\"x\"}]"}}"#,
            "input.0: Required; x | - | ZodError | 400",
        ),
    ] {
        check(body, want);
    }
}

#[test]
fn others() {
    for (body, want) in [
        (
            r#"[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]"#,
            "Quota exceeded | 429 | RESOURCE_EXHAUSTED | 429",
        ),
        (
            r#"{"object":"error","message":"bad","type":"invalid_request_error","code":3051}"#,
            "bad | 3051 | invalid_request_error | 400",
        ),
        (r#"{"error":"model 'x' not found"}"#, "model 'x' not found | - | - | -"),
        (r#"{"detail":"Not Found"}"#, "Not Found | - | - | -"),
        (r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, "field required | - | - | -"),
        ("{}", "no message | - | - | -"),
        ("", "the answer has no body | - | - | -"),
        ("  upstream\n connect   error ", "upstream connect error | - | - | -"),
        ("<html><TITLE>502 Bad Gateway</TITLE><body>x", "an HTML page: 502 Bad Gateway | - | - | -"),
        ("<!doctype html><p>x", "an HTML page | - | - | -"),
        ("17", "17 | - | - | -"),
        ("[]", "an empty list | - | - | -"),
    ] {
        check(body, want);
    }
}

#[test]
fn keys_are_blotted_out() {
    for (text, want) in [
        ("Incorrect API key provided: sk-proj-abcdefgh12345678.", "Incorrect API key provided: sk-proj-***"),
        ("key sk-ant-api03-AAAAAAAA-BBBB used", "key sk-ant-*** used"),
        ("Authorization: Bearer abcdefghijk", "Authorization: Bearer ***"),
        ("gsk_0123456789 AIzaSyA-0123456789 sk-or-v1-0123456789", "gsk_*** AIza*** sk-or-***"),
        ("ng-abc-g1-0123456789", "ng-abc-g1-***"),
        ("risk-free and sk-short", "risk-free and sk-short"),
    ] {
        assert_eq!(redact(text), want);
    }
    let body = r#"{"error":{"message":"bad key sk-proj-abcdefgh12345678"}}"#;
    assert_eq!(inspect_error(body.as_bytes()).message, "bad key sk-proj-***");
}

#[test]
fn long_messages_are_cut() {
    let body = format!(r#"{{"error":{{"message":"{}"}}}}"#, "é".repeat(5000));
    assert_eq!(inspect_error(body.as_bytes()).message.len(), MESSAGE_LIMIT);
    assert!(inspect_error("word ".repeat(9999).as_bytes()).message.len() <= TEXT_LIMIT);
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), text in r#"[\{\}\[\]":,\\eromsgcd1<title>é ]{0,80}"#) {
        let _ = inspect_error(&body);
        prop_assert!(inspect_error(text.as_bytes()).message.len() <= MESSAGE_LIMIT);
    }
}

#[test]
fn kinds_of_limits() {
    let body = |metadata: &str| {
        format!(r#"{{"error":{{"code":429,"message":"Rate limit exceeded","metadata":{metadata}}}}}"#)
    };
    for (metadata, want) in [
        (r#"{"limit_source":"openrouter_free_tier_daily"}"#, Scope::FreeModels),
        (r#"{"limit_source":"openrouter_credits"}"#, Scope::Account),
        (r#"{"limit_source":"openrouter_key_limit"}"#, Scope::Account),
        (r#"{"limit_source":"openrouter_in_flight_budget"}"#, Scope::InFlight),
        (
            r#"{"limit_source":"openrouter_in_flight_budget","reason":"weight_exceeds_budget"}"#,
            Scope::Request,
        ),
        (r#"{"limit_source":"upstream_provider_shared_pool","provider_name":"X"}"#, Scope::Model),
        (r#"{"limit_source":"something_new"}"#, Scope::Request),
        ("null", Scope::Request),
    ] {
        assert_eq!(inspect_error(body(metadata).as_bytes()).scope, want, "{metadata}");
    }
    let by_message =
        br#"{"error":{"message":"Rate limit exceeded: free-models-per-day-high-balance","code":429}}"#;
    assert_eq!(inspect_error(by_message).scope, Scope::FreeModels);
    assert_eq!(inspect_error(b"{}").scope, Scope::Request);
}
