//! Identity tokens: OpenID Connect Core 1.0, sections 3.1.3.7 and 12.2.

use super::endpoints::Signed;
use super::failure::Failure;
use super::providers::user_of_claims;
use super::session::User;
use crate::jwks::{Jwks, Place};
use crate::outbound::Outbound;
use crate::upstream::Upstream;
use http::StatusCode;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use subtle::ConstantTimeEq;
use tollgate_cloud::{ClaimRules, Jws, JwsError};

/// Clocks may differ by so much.
const LEEWAY: u64 = 60; // seconds

/// What an identity token has to say.
pub(super) struct Expected<'a> {
    pub(super) signed: &'a Signed,
    pub(super) client_id: &'a str,
    /// The attempt's; `None` after a refresh, where a token need not have one.
    pub(super) nonce: Option<&'a str>,
    /// Seconds since 1970.
    pub(super) now: u64,
}

impl Expected<'_> {
    /// Who a token names, once its signature and its claims were found right.
    pub(super) async fn user(
        &self,
        token: &str,
        jwks: &Jwks,
        outbound: &Arc<Outbound>,
        upstream: &dyn Upstream,
    ) -> Result<User, Failure> {
        let jws = Jws::parse(token, &self.signed.algorithms)
            .map_err(|error| Failure::id_token(&error.to_string()))?;
        let addresses = outbound.rule(&self.signed.keys.host, self.signed.said(&self.signed.keys));
        let addresses = addresses
            .ok_or_else(|| Failure::answer("the host of the identity provider's keys may not be called"))?;
        let place = Place { url: Arc::clone(&self.signed.keys), addresses };
        verify(&jws, &place, jwks, upstream).await?;
        self.check(jws.payload())
    }

    fn check(&self, claims: &Map<String, Value>) -> Result<User, Failure> {
        let wrong = |why: &str| Err(Failure::id_token(why));
        let (issuers, audiences) = ([self.signed.issuer.clone()], [self.client_id.to_owned()]);
        let now = UNIX_EPOCH + Duration::from_secs(self.now);
        let rules = ClaimRules { issuers: &issuers, audiences: &audiences, now };
        if let Err(error) = rules.check(claims) {
            return wrong(&error.to_string());
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        match text("azp") {
            Some(party) if party == self.client_id => {}
            None if !several && !claims.contains_key("azp") => {}
            _ => return wrong("it was issued to another client (`azp`)"),
        }
        if claims.get("exp").and_then(Value::as_f64).is_none() {
            return wrong("it does not say when it expires (`exp`)");
        }
        match claims.get("iat").and_then(Value::as_f64) {
            None => return wrong("it does not say when it was issued (`iat`)"),
            Some(issued) if issued > self.now.saturating_add(LEEWAY) as f64 => {
                return wrong("it was issued in the future (`iat`)");
            }
            Some(_) => {}
        }
        if let Some(nonce) = self.nonce
            && !bool::from(text("nonce").unwrap_or_default().as_bytes().ct_eq(nonce.as_bytes()))
        {
            return wrong("it belongs to another attempt (`nonce`)");
        }
        user_of_claims(&Value::Object(claims.clone()))
            .ok_or_else(|| Failure::id_token("it names nobody (`sub`)"))
    }
}

/// Checks a signature with the provider's keys; an unknown key makes it ask for newer ones.
async fn verify(jws: &Jws, place: &Place, jwks: &Jwks, upstream: &dyn Upstream) -> Result<(), Failure> {
    let none = || {
        let message = "the identity provider's keys cannot be fetched now";
        Failure::new(3160, StatusCode::SERVICE_UNAVAILABLE, message)
    };
    let keys = jwks.get(place, upstream).await.ok_or_else(none)?;
    let Err(error) = keys.verify(jws) else { return Ok(()) };
    // With no key named, a wrong signature may as well be that of a key which is not known yet.
    let newer = if error == JwsError::UnknownKey || jws.key_id().is_none() {
        jwks.get_early(place, &keys, upstream).await
    } else {
        None
    };
    match newer {
        Some(keys) => keys.verify(jws).map_err(|error| Failure::id_token(&error.to_string())),
        None => Err(Failure::id_token(&error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(changed: Value) -> Result<User, String> {
        let url = crate::web_url::parse("https://id.example.com/keys").expect("a URL");
        let signed = Signed {
            issuer: "https://id.example.com".into(),
            keys: Arc::new(url),
            algorithms: vec!["RS256".into()],
        };
        let expected = Expected { signed: &signed, client_id: "me", nonce: Some("n-1"), now: 10_000 };
        let mut claims = json!({
            "iss": "https://id.example.com", "aud": "me", "exp": 10_300, "iat": 9_990, "nonce": "n-1", "sub": "u1",
            "email": "ann@example.com", "name": "Ann",
        });
        for (name, value) in changed.as_object().expect("a mapping") {
            match value {
                Value::Null => claims.as_object_mut().expect("a mapping").remove(name),
                value => claims.as_object_mut().expect("a mapping").insert(name.clone(), value.clone()),
            };
        }
        expected.check(claims.as_object().expect("a mapping")).map_err(|failure| failure.message)
    }

    #[test]
    fn a_good_token_names_somebody() {
        let ann = User {
            subject: "u1".into(),
            email: "ann@example.com".into(),
            name: "Ann".into(),
            verified: None,
        };
        assert_eq!(check(json!({})), Ok(ann.clone()));
        assert_eq!(check(json!({"aud": ["me"]})), Ok(ann.clone()));
        assert_eq!(check(json!({"aud": ["me", "other"], "azp": "me"})), Ok(ann.clone()));
        assert_eq!(check(json!({"exp": 9_945, "iat": 10_059})), Ok(ann), "clocks differ");
        assert_eq!(check(json!({"email_verified": false})).expect("a user").email, "");
    }

    #[test]
    fn every_claim_is_looked_at() {
        for (changed, why) in [
            (json!({"iss": "https://id.example.com/"}), "issuer"),
            (json!({"iss": null}), "issuer"),
            (json!({"aud": "other"}), "audience"),
            (json!({"aud": ["other"]}), "audience"),
            (json!({"aud": null}), "audience"),
            (json!({"aud": ["me", "other"]}), "azp"),
            (json!({"azp": "other"}), "azp"),
            (json!({"azp": 7}), "azp"),
            (json!({"exp": 9_940}), "expired"),
            (json!({"exp": null}), "exp"),
            (json!({"exp": "soon"}), "exp"),
            (json!({"iat": null}), "iat"),
            (json!({"iat": 10_061}), "iat"),
            (json!({"nonce": "n-2"}), "nonce"),
            (json!({"nonce": null}), "nonce"),
            (json!({"sub": null}), "sub"),
            (json!({"sub": ""}), "sub"),
        ] {
            let said = check(changed.clone()).expect_err("refused");
            assert!(said.contains(why), "{changed}: {said}");
        }
    }
}
