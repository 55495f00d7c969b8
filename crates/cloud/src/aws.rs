//! AWS Signature Version 4.

#[cfg(test)]
mod tests;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use ring::digest::{Context, SHA256};
use secrecy::{ExposeSecret, SecretString};
use std::fmt::{self, Write as _};
use std::time::SystemTime;
use thiserror::Error;

/// Longest id of an access key, in characters (AWS: `GetAccessKeyInfo`).
const KEY_ID_LIMIT: usize = 128;

/// Keys of an AWS account or role.
#[derive(Clone)]
pub struct AwsCredentials {
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<SecretString>,
}

impl fmt::Debug for AwsCredentials {
    /// Without anything that is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials").finish_non_exhaustive()
    }
}

/// Why a text is no AWS credentials. Holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialsError {
    /// No colon, or nothing beside it.
    #[error(
        "AWS credentials are written ACCESS_KEY_ID:SECRET_ACCESS_KEY or ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN"
    )]
    Form,
    /// The id has characters an access key's id cannot have.
    #[error("the access key id, before the first colon, must be letters and digits, at most 128")]
    KeyId,
    /// The secret or the session token has characters a header cannot have.
    #[error("the secret access key and the session token must be printable ASCII without spaces")]
    Secret,
}

impl AwsCredentials {
    /// Reads `ACCESS_KEY_ID:SECRET_ACCESS_KEY` or `ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN`; space around it is
    /// ignored.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn parse(text: &str) -> Result<Self, CredentialsError> {
        let mut parts = text.trim().splitn(3, ':');
        let (Some(id), Some(secret)) = (parts.next(), parts.next()) else {
            return Err(CredentialsError::Form);
        };
        let token = parts.next();
        if id.is_empty() || secret.is_empty() || token.is_some_and(str::is_empty) {
            return Err(CredentialsError::Form);
        }
        if id.len() > KEY_ID_LIMIT || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(CredentialsError::KeyId);
        }
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !printable(secret) || !token.is_none_or(printable) {
            return Err(CredentialsError::Secret);
        }
        Ok(Self {
            access_key_id: id.to_owned(),
            secret_access_key: SecretString::from(secret),
            session_token: token.map(SecretString::from),
        })
    }
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct AwsRequest<'r> {
    /// The method.
    pub method: &'r Method,
    /// The URL as it is sent: scheme, host, the path with its percent-encoding, the query.
    ///
    /// AWS encodes the path a second time before it checks the signature, and so does this; what stands in the path as
    /// `%3A` is signed as `%253A`. (S3 alone does not: this is not for S3.)
    pub url: &'r str,
    /// Headers to sign beside `host`: those that nobody changes on the way, such as `content-type`. `host` may be left
    /// out; the headers the signature adds must be.
    pub headers: &'r [(HeaderName, HeaderValue)],
    /// The body.
    pub body: AwsBody<'r>,
    /// The region, such as `us-east-1`.
    pub region: &'r str,
    /// The service's signing name: `bedrock` for Bedrock's models.
    pub service: &'r str,
}

/// The body that is signed.
#[derive(Clone, Copy, Debug)]
pub enum AwsBody<'r> {
    /// In pieces, as it is sent.
    Chunks(&'r [Bytes]),
    /// Its SHA-256.
    Sha256([u8; 32]),
}

/// Why a request cannot be signed. Holds neither the URL nor a header's value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// The URL is none.
    #[error("the URL to be signed is not valid")]
    Url,
    /// A header whose value is not text.
    #[error("the header '{0}' is not text and cannot be signed")]
    Header(HeaderName),
    /// The signer refused the request.
    #[error("the request cannot be signed")]
    Refused,
}

/// Signs a request: gives the headers to add (`authorization`, `x-amz-date`, and `x-amz-security-token` with a session
/// token). Secret ones are marked as sensitive.
///
/// # Errors
/// See [`SignError`].
pub fn sign_aws(
    request: &AwsRequest<'_>,
    credentials: &AwsCredentials,
    now: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    let identity = Credentials::new(
        credentials.access_key_id.as_str(),
        credentials.secret_access_key.expose_secret(),
        credentials.session_token.as_ref().map(|token| token.expose_secret().to_owned()),
        None,
        "tollgate",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(request.region)
        .name(request.service)
        .time(now)
        // Headers, not query; the path is encoded twice and normalized.
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| SignError::Refused)?
        .into();
    let mut headers = Vec::with_capacity(request.headers.len());
    for (name, value) in request.headers {
        let text = value.to_str().map_err(|_| SignError::Header(name.clone()))?;
        headers.push((name.as_str(), text));
    }
    let absolute: http::Uri = request.url.parse().map_err(|_| SignError::Url)?;
    if absolute.host().is_none() {
        return Err(SignError::Url);
    }
    let body = SignableBody::Precomputed(hex_digest(request.body));
    let signable = SignableRequest::new(request.method.as_str(), request.url, headers.into_iter(), body)
        .map_err(|_| SignError::Url)?;
    let (instructions, _) = sign(signable, &params).map_err(|_| SignError::Refused)?.into_parts();
    let (headers, _) = instructions.into_parts();
    let headers = headers.into_iter().map(|header| {
        let mut value = HeaderValue::from_str(header.value()).map_err(|_| SignError::Refused)?;
        let name = HeaderName::from_static(header.name());
        value.set_sensitive(header.sensitive() || name == http::header::AUTHORIZATION);
        Ok((name, value))
    });
    headers.collect()
}

fn hex_digest(body: AwsBody<'_>) -> String {
    let mut hex = String::with_capacity(64);
    let bytes = match body {
        AwsBody::Sha256(digest) => digest.to_vec(),
        AwsBody::Chunks(chunks) => {
            let mut context = Context::new(&SHA256);
            for chunk in chunks {
                context.update(chunk);
            }
            context.finish().as_ref().to_vec()
        }
    };
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
