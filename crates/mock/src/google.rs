//! Google's exchange of a signed statement for an access token:
//! developers.google.com/identity/protocols/oauth2/service-account#httprest

use crate::request::Facts;
use crate::route::decoded;
use crate::seal::seal;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

/// The key file of a service account that the mock knows. Its `token_uri` is a placeholder.
pub const GOOGLE_SERVICE_ACCOUNT: &str = include_str!("../testdata/google-service-account.json");

/// The public half of its key: RSAPublicKey of RFC 8017 in DER and base64.
const PUBLIC_KEY: &str = include_str!("../testdata/google-public-key.txt");

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// A statement may be valid for so long, in seconds.
const LONGEST: u64 = 3600;

/// The answer of the token endpoint, with its status.
pub(crate) fn token(facts: &Facts, now: u64) -> (u16, Value) {
    let form = String::from_utf8_lossy(&facts.body).into_owned();
    let field = |name: &str| {
        let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| decoded(value))
    };
    if field("grant_type").as_deref() != Some(GRANT) {
        return refused("unsupported_grant_type", "Invalid grant_type: use the JWT bearer grant");
    }
    let claims = match claims(&field("assertion").unwrap_or_default()) {
        Ok(claims) => claims,
        Err(why) => return refused("invalid_grant", why),
    };
    let number = |name: &str| claims.get(name).and_then(Value::as_u64).unwrap_or(0);
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let (from, to) = (number("iat"), number("exp"));
    if from > now + 60 || to < now || to.saturating_sub(from) > LONGEST {
        let why =
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.";
        return refused("invalid_grant", why);
    }
    if !text("aud").ends_with(&facts.path) {
        return refused("invalid_grant", "Invalid JWT: Failed audience check.");
    }
    if !text("scope").contains("https://www.googleapis.com/auth/cloud-platform") {
        return refused("invalid_scope", "Invalid OAuth scope or ID token audience provided.");
    }
    let token = issued(text("iss"));
    (200, json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}))
}

/// Whether a bearer token is one that [`token`] gave out.
pub(crate) fn is_issued(token: &str) -> bool {
    let account: Value = serde_json::from_str(GOOGLE_SERVICE_ACCOUNT).unwrap_or_default();
    account.get("client_email").and_then(Value::as_str).is_some_and(|email| issued(email) == token)
}

fn issued(email: &str) -> String {
    format!("ya29.{}", seal("token", email).trim_end_matches('='))
}

/// The claims of a statement whose signature is right.
fn claims(assertion: &str) -> Result<Value, &'static str> {
    let (signed, signature) = assertion.rsplit_once('.').ok_or("The assertion is no JWT.")?;
    let (header, claims) = signed.split_once('.').ok_or("The assertion is no JWT.")?;
    if part(header)?.get("alg") != Some(&json!("RS256")) {
        return Err("Invalid JWT: Only RS256 is supported.");
    }
    let key = STANDARD.decode(PUBLIC_KEY.trim()).map_err(|_| "The mock's key is broken.")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "Invalid JWT Signature.")?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    key.verify(signed.as_bytes(), &signature).map_err(|_| "Invalid JWT Signature.")?;
    part(claims)
}

fn part(text: &str) -> Result<Value, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "The assertion is no JWT.")?;
    serde_json::from_slice(&bytes).map_err(|_| "The assertion is no JWT.")
}

fn refused(error: &str, why: &str) -> (u16, Value) {
    (400, json!({"error": error, "error_description": why}))
}
