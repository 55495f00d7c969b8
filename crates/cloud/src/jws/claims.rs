//! The registered claims of a token: RFC 7519 section 4.1.

use serde_json::{Map, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clocks may differ by so much.
const LEEWAY: Duration = Duration::from_secs(60);

/// What the claims of a token have to say.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRules<'a> {
    /// `iss` must be one of these, to the letter.
    pub issuers: &'a [String],
    /// `aud` must have one of these; empty: it is not looked at.
    pub audiences: &'a [String],
    /// The time.
    pub now: SystemTime,
}

/// What a token's claims say that they must not. No text holds a claim's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// `iss` is missing or another.
    #[error("the token's issuer is not accepted")]
    Issuer,
    /// `aud` is missing or another.
    #[error("the token is for another audience")]
    Audience,
    /// `exp` is past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("the token is not valid yet")]
    NotYet,
    /// `exp` or `nbf` is no number.
    #[error("the token's `{0}` is no number")]
    NoTime(&'static str),
}

impl ClaimRules<'_> {
    /// Checks issuer, audience and times, with 60 seconds of leeway. A token without times is good at any time.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self, claims: &Map<String, Value>) -> Result<(), ClaimError> {
        let text = |value: &Value, allowed: &[String]| {
            value.as_str().is_some_and(|value| allowed.iter().any(|one| one == value))
        };
        if !claims.get("iss").is_some_and(|issuer| text(issuer, self.issuers)) {
            return Err(ClaimError::Issuer);
        }
        let fits = |audience: &Value| match audience {
            Value::Array(all) => all.iter().any(|one| text(one, self.audiences)),
            one => text(one, self.audiences),
        };
        if !self.audiences.is_empty() && !claims.get("aud").is_some_and(fits) {
            return Err(ClaimError::Audience);
        }
        let now = self.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(expires) = time(claims, "exp")?
            && expires <= now.saturating_sub(LEEWAY).as_secs_f64()
        {
            return Err(ClaimError::Expired);
        }
        if let Some(begins) = time(claims, "nbf")?
            && begins > now.saturating_add(LEEWAY).as_secs_f64()
        {
            return Err(ClaimError::NotYet);
        }
        Ok(())
    }
}

/// Seconds since 1970, perhaps with a fraction.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, ClaimError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(ClaimError::NoTime(name)),
    }
}
