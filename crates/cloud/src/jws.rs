//! Signed tokens that clients bring (JWS in compact form, RFC 7515 section 7.1; JWT, RFC 7519): taken apart, and verified
//! with the public keys of who issued them (JWK sets, RFC 7517).
//!
//! `jsonwebtoken` reads keys; `ring`, which TLS brings along, verifies. Its own `decode` is not used: it takes the system's
//! clock, accepts an issuer that is a list, and needs a process-wide backend.

mod claims;
mod keys;
#[cfg(test)]
mod tests;

pub use claims::{ClaimError, ClaimRules};
pub use keys::{KeySet, KeySetError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use std::str::FromStr;

/// The longest token that is read, in bytes.
pub const LONGEST_TOKEN: usize = 64 * 1024;

/// The algorithms that can be verified with public keys: RFC 7518 section 3.1 and RFC 8037. `ES512` is missing, because
/// `ring` has no P-521; `HS256` and its like need a shared secret, which a public key set cannot hold.
pub const ALGORITHMS: &[&str] =
    &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// A token that was taken apart. Nothing in it is to be believed before [`KeySet::verify`] has said so.
#[derive(Clone)]
pub struct Jws {
    header: Map<String, Value>,
    payload: Map<String, Value>,
    algorithm: Algorithm,
    /// Header and payload as they were signed.
    message: Box<str>,
    signature: Vec<u8>,
    /// The same as the token has it.
    signature_text: Box<str>,
}

impl std::fmt::Debug for Jws {
    /// Without the signature, with which it would be a credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jws").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why a token is not accepted. No text holds anything of the token but the name of its algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// It is too long.
    #[error("the token is longer than 64 KiB")]
    TooLong,
    /// Five parts: an encrypted token (RFC 7516).
    #[error("the token is encrypted; only signed tokens are supported")]
    Encrypted,
    /// Not three parts of base64url, the first two JSON objects.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// The algorithm is not an allowed one.
    #[error("the token's algorithm `{0}` is not allowed")]
    Algorithm(Box<str>),
    /// The header wants extensions to be understood (`crit`, RFC 7515 section 4.1.11).
    #[error("the token's header has critical extensions, which are not supported")]
    Critical,
    /// No key of the set is for this token.
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the token's signature is wrong")]
    Signature,
}

impl Jws {
    /// Takes a token apart, when its algorithm is one of `allowed`.
    ///
    /// # Errors
    /// See [`JwsError`]; nothing is verified yet.
    pub fn parse(token: &str, allowed: &[String]) -> Result<Self, JwsError> {
        if token.len() > LONGEST_TOKEN {
            return Err(JwsError::TooLong);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let (header_text, payload_text, signature_text) = match parts.as_slice() {
            [header, payload, signature] => (*header, *payload, *signature),
            [_, _, _, _, _] => return Err(JwsError::Encrypted),
            _ => return Err(JwsError::Malformed("it has not three parts")),
        };
        let header = object(header_text, "its header is no JSON object in base64url")?;
        let name = header.get("alg").and_then(Value::as_str).unwrap_or("");
        let algorithm = Algorithm::from_str(name).ok().filter(|_| allowed.iter().any(|one| one == name));
        let algorithm = algorithm.ok_or_else(|| JwsError::Algorithm(name.chars().take(16).collect()))?;
        if header.contains_key("crit") {
            return Err(JwsError::Critical);
        }
        let payload = object(payload_text, "its payload is no JSON object in base64url")?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature_text)
            .map_err(|_| JwsError::Malformed("its signature is not base64url"))?;
        Ok(Self {
            header,
            payload,
            algorithm,
            message: format!("{header_text}.{payload_text}").into(),
            signature,
            signature_text: signature_text.into(),
        })
    }

    /// The header's members.
    #[must_use]
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims.
    #[must_use]
    pub fn payload(&self) -> &Map<String, Value> {
        &self.payload
    }

    /// The signature in base64url, as the token has it.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature_text
    }

    /// The id of the key, if the header names one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// Whether the header's type is this one; `application/` in front may be left out (RFC 7515 section 4.1.9).
    #[must_use]
    pub fn is_type(&self, kind: &str) -> bool {
        let found = self.header.get("typ").and_then(Value::as_str).unwrap_or("").to_ascii_lowercase();
        found.strip_prefix("application/").unwrap_or(&found) == kind
    }
}

fn object(text: &str, wrong: &'static str) -> Result<Map<String, Value>, JwsError> {
    let decoded = URL_SAFE_NO_PAD.decode(text).map_err(|_| JwsError::Malformed(wrong))?;
    match serde_json::from_slice(&decoded) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(JwsError::Malformed(wrong)),
    }
}
