//! The answer to a token request.

use secrecy::SecretString;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// How long a token is believed to live when the answer does not say it.
const UNSTATED_LIFE: Duration = Duration::from_secs(300);
/// Longest life of a token that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest error code that is shown, in characters.
const CODE_LIMIT: usize = 64;

/// A token for `authorization: Bearer`.
#[derive(Clone)]
pub struct AccessToken {
    /// The token.
    pub token: SecretString,
    /// How long it lives, from when it was asked for.
    pub expires_in: Duration,
}

impl fmt::Debug for AccessToken {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Why there is no token. Holds nothing of what was sent, and of the answer at most an error's code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// The server of tokens refused, with its code, such as `invalid_grant` (RFC 6749, section 5.2).
    #[error("the token request was refused: {0}")]
    Refused(String),
    /// Not JSON, or without a token.
    #[error("the answer to the token request has no access token")]
    Answer,
    /// A token of another type than Bearer.
    #[error("the access token is not of the type Bearer")]
    Type,
    /// A token with characters a header cannot have.
    #[error("the access token has characters a header cannot have")]
    Characters,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    access_token: Option<std::borrow::Cow<'a, str>>,
    token_type: Option<String>,
    expires_in: Option<f64>,
    error: Option<String>,
}

/// Reads the answer to a token request, whatever its status (RFC 6749, sections 5.1 and 5.2).
///
/// # Errors
/// See [`TokenError`].
pub fn parse_token_response(body: &[u8]) -> Result<AccessToken, TokenError> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| TokenError::Answer)?;
    if let Some(code) = answer.error {
        // The code is one of a list; whatever else stands there is not shown.
        let known = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let code: String = code.chars().filter(known).take(CODE_LIMIT).collect();
        return Err(TokenError::Refused(code));
    }
    let token = answer.access_token.filter(|token| !token.is_empty()).ok_or(TokenError::Answer)?;
    if answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(TokenError::Type);
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Characters);
    }
    let life =
        answer.expires_in.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default());
    let expires_in = life.unwrap_or(UNSTATED_LIFE).min(LONGEST_LIFE);
    Ok(AccessToken { token: SecretString::from(token.into_owned()), expires_in })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    /// "Using OAuth 2.0 for Server to Server Applications" (Google Identity).
    #[test]
    fn published_answer() {
        let body = br#"{"access_token": "1/8xbJqaOZXSUZbHLl5EOtu1pxz3fmmetKx9W8CV4t79M", "scope": "x",
            "token_type": "Bearer", "expires_in": 3600}"#;
        let token = parse_token_response(body).unwrap();
        assert_eq!(token.token.expose_secret(), "1/8xbJqaOZXSUZbHLl5EOtu1pxz3fmmetKx9W8CV4t79M");
        assert_eq!(token.expires_in, Duration::from_secs(3600));
        assert_eq!(format!("{token:?}"), "AccessToken { expires_in: 3600s, .. }");
    }

    #[test]
    fn lives() {
        for (life, seconds) in [
            ("", 300),
            (r#","expires_in":null"#, 300),
            (r#","expires_in":0"#, 0),
            (r#","expires_in":-5"#, 0),
            (r#","expires_in":1e300"#, 0),
            (r#","expires_in":9999999"#, 86_400),
        ] {
            let body = format!(r#"{{"access_token":"t"{life}}}"#);
            let token = parse_token_response(body.as_bytes()).unwrap();
            assert_eq!(token.expires_in.as_secs(), seconds, "{life}");
        }
    }

    #[test]
    fn refusals() {
        for (body, message) in [
            (
                r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#,
                "the token request was refused: invalid_grant",
            ),
            (r#"{"error":"<script>\n"}"#, "the token request was refused: script"),
            ("<html>", "the answer to the token request has no access token"),
            ("{}", "the answer to the token request has no access token"),
            (r#"{"access_token":""}"#, "the answer to the token request has no access token"),
            (r#"{"access_token":"t","token_type":"mac"}"#, "the access token is not of the type Bearer"),
            (r#"{"access_token":"a\r\nb"}"#, "the access token has characters a header cannot have"),
        ] {
            assert_eq!(parse_token_response(body.as_bytes()).unwrap_err().to_string(), message, "{body}");
        }
    }
}
