//! Google service accounts: a signed claim is exchanged for an access token.
//!
//! After "Using OAuth 2.0 for Server to Server Applications" (Google Identity) and RFC 7523.

#[cfg(test)]
mod tests;

use crate::jwt;
use http::Uri;
use http::uri::Scheme;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// The scope that covers Vertex AI.
pub const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where tokens are asked for, if the key does not say it.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// How long a claim may be used, in seconds: the most that Google allows.
const CLAIM_LIFE: u64 = 3600;
/// Media type of the token request.
const FORM: &str = "application/x-www-form-urlencoded";
/// What stands before the claim in the token request: `urn:ietf:params:oauth:grant-type:jwt-bearer`, encoded.
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// A service account with its private key.
#[derive(Clone)]
pub struct ServiceAccount {
    client_email: String,
    project_id: Option<String>,
    private_key_id: Option<String>,
    token_uri: String,
    key: EncodingKey,
}

impl fmt::Debug for ServiceAccount {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("client_email", &self.client_email)
            .field("token_uri", &self.token_uri)
            .finish_non_exhaustive()
    }
}

/// Why a text is no service account's key. Holds nothing of the text but the names of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ServiceAccountError {
    /// Not the JSON that Google gives out.
    #[error("the service account key is not the JSON file that Google gives out")]
    Json,
    /// Another kind of credentials.
    #[error("'type' must be service_account")]
    Type,
    /// A field that must be there.
    #[error("'{0}' is missing")]
    Missing(&'static str),
    /// A key that cannot be read, or cannot sign.
    #[error("'private_key' is not a private RSA key in PEM")]
    Key,
    /// A token server that is not asked.
    #[error("'token_uri' must be an https URL, or http on this machine")]
    TokenUri,
    /// The clock stands before 1970, or the key failed.
    #[error("the claim cannot be signed")]
    Sign,
}

#[derive(Deserialize)]
struct File {
    r#type: Option<String>,
    client_email: Option<String>,
    project_id: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
}

impl ServiceAccount {
    /// Reads the JSON file of a service account's key.
    ///
    /// # Errors
    /// See [`ServiceAccountError`]. `token_uri` decides where the signed claim goes: it must be https, except to this
    /// machine.
    pub fn parse(json: &str) -> Result<Self, ServiceAccountError> {
        let file: File = serde_json::from_str(json).map_err(|_| ServiceAccountError::Json)?;
        if file.r#type.is_some_and(|kind| kind != "service_account") {
            return Err(ServiceAccountError::Type);
        }
        let missing = ServiceAccountError::Missing;
        let filled = |text: &String| !text.is_empty();
        let client_email = file.client_email.filter(filled).ok_or(missing("client_email"))?;
        let private_key = file.private_key.ok_or(missing("private_key")).map(SecretString::from)?;
        let key = jwt::rsa_key(private_key.expose_secret()).ok_or(ServiceAccountError::Key)?;
        let token_uri = file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
        if !safe(&token_uri) {
            return Err(ServiceAccountError::TokenUri);
        }
        let project_id = file.project_id.filter(filled);
        let private_key_id = file.private_key_id.filter(filled);
        Ok(Self { client_email, project_id, private_key_id, token_uri, key })
    }

    /// The account's address: its name.
    #[must_use]
    pub fn client_email(&self) -> &str {
        &self.client_email
    }

    /// The project it belongs to, if the key says it.
    #[must_use]
    pub fn project_id(&self) -> Option<&str> {
        self.project_id.as_deref()
    }

    /// Where tokens are asked for: https, or http on this machine.
    #[must_use]
    pub fn token_uri(&self) -> &str {
        &self.token_uri
    }

    /// The signed claim: a JWT that is good for one hour. Whoever has it can get a token.
    ///
    /// # Errors
    /// [`ServiceAccountError::Sign`].
    pub fn assertion(&self, scope: &str, now: SystemTime) -> Result<SecretString, ServiceAccountError> {
        let iat = now.duration_since(UNIX_EPOCH).map_err(|_| ServiceAccountError::Sign)?.as_secs();
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.private_key_id);
        let claims = Claims {
            iss: &self.client_email,
            scope,
            aud: &self.token_uri,
            exp: iat.saturating_add(CLAIM_LIFE),
            iat,
        };
        let jwt = jwt::encode(&header, &claims, &self.key).map_err(|_| ServiceAccountError::Sign)?;
        Ok(SecretString::from(jwt))
    }

    /// The body of the token request, a `POST` to [`ServiceAccount::token_uri`], and its media type.
    ///
    /// # Errors
    /// [`ServiceAccountError::Sign`].
    pub fn token_request(
        &self,
        scope: &str,
        now: SystemTime,
    ) -> Result<(SecretString, &'static str), ServiceAccountError> {
        // A JWT has no characters that would have to be encoded in a form.
        let assertion = self.assertion(scope, now)?;
        Ok((SecretString::from(format!("{GRANT}{}", assertion.expose_secret())), FORM))
    }
}

/// Whether a claim may be sent there.
fn safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return false };
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return false;
    }
    *scheme == Scheme::HTTPS || (*scheme == Scheme::HTTP && is_this_machine(authority.host()))
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
