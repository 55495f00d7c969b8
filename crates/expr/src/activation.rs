//! What an expression can see while it runs: the facts of one request.

use crate::facts::ConnectionFacts;
use crate::value::{Map, Value};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::SystemTime;

/// Everything an expression may read. Built for each evaluation from borrowed parts; costs nothing.
#[derive(Clone, Copy)]
pub struct Activation<'a> {
    /// `req.*`
    pub request: Option<&'a RequestFacts>,
    /// `res.*`
    pub response: Option<&'a ResponseFacts>,
    /// `conn.*`
    pub connection: Option<&'a ConnectionFacts>,
    /// `endpoint.*`
    pub endpoint: Option<&'a EndpointFacts>,
    /// `vars.*`
    pub vars: Option<&'a Map>,
    /// `actions.ngrok.*`: the map holds what follows `actions.ngrok.`
    pub results: Option<&'a Map>,
    /// `ai.*`, in strategies only.
    pub ai: Option<&'a Value>,
    /// `req.trailers` and `res.trailers`
    pub trailers: Trailers<'a>,
    /// `attempts` and `last_attempt`, in `retry_condition` only.
    pub retry: Option<&'a RetryFacts>,
    /// `secrets.get`
    pub secrets: &'a dyn SecretSource,
    /// `time.now`
    pub now: SystemTime,
}

impl<'a> Activation<'a> {
    /// Nothing to read but secrets and the time; the fields are set by what there is.
    #[must_use]
    pub fn new(secrets: &'a dyn SecretSource, now: SystemTime) -> Self {
        Self {
            request: None,
            response: None,
            connection: None,
            endpoint: None,
            vars: None,
            results: None,
            ai: None,
            trailers: Trailers::default(),
            retry: None,
            secrets,
            now,
        }
    }
}

/// The trailers (RFC 9110, section 6.5) of a request and of its response, once they are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trailers<'a> {
    /// `req.trailers`
    pub request: Option<&'a HeaderMap>,
    /// `res.trailers`
    pub response: Option<&'a HeaderMap>,
}

/// What a `retry_condition` reads about the attempts so far.
#[derive(Clone, Debug, Default)]
pub struct RetryFacts {
    /// `attempts`: how many were made.
    pub attempts: u32,
    /// `last_attempt`: a map with `req`, `res` and `error`.
    pub last_attempt: Value,
}

/// `req.*`: the request as the rules before have left it.
#[derive(Clone, Debug)]
pub struct RequestFacts {
    /// `req.id`
    pub id: Arc<str>,
    /// `req.method`
    pub method: Method,
    /// Path and query as they will be forwarded (normalised path).
    pub uri: Uri,
    /// Path and query as the client sent them: `req.url.raw`, `req.url.raw_path`.
    pub raw_uri: Uri,
    /// The host as the client named it: that of `req.url.raw`.
    pub raw_host: Arc<str>,
    /// `http` or `https`
    pub scheme: &'static str,
    /// `Host` or `:authority`
    pub host: Arc<str>,
    /// `req.version`
    pub version: Version,
    /// `req.headers`, without `host` on HTTP/2; `getReqHeader('host')` reads [`Self::host`].
    pub headers: HeaderMap,
    /// `req.ts.header_received`
    pub received: SystemTime,
    /// `req.ts.body_received`, once the body was read.
    pub body_received: Option<SystemTime>,
}

/// `res.*`: the response as the rules before have left it.
#[derive(Clone, Debug)]
pub struct ResponseFacts {
    /// `res.status_code`
    pub status: StatusCode,
    /// `res.headers`
    pub headers: HeaderMap,
}

/// `endpoint.*`
#[derive(Clone, Debug)]
pub struct EndpointFacts {
    /// `endpoint.id`
    pub id: Arc<str>,
    /// `endpoint.protocol`: `http`, `https`, `tcp` or `tls`
    pub protocol: &'static str,
    /// `endpoint.host`
    pub host: Arc<str>,
    /// `endpoint.port`
    pub port: u16,
}

/// Where `secrets.get` looks.
pub trait SecretSource: Sync {
    /// The value of a secret. The error names vault and name, never a value.
    fn secret(&self, vault: &str, name: &str) -> Result<SecretString, MissingSecret>;
}

/// There is no such secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no secret '{name}' in vault '{vault}'")]
pub struct MissingSecret {
    /// The vault asked for.
    pub vault: String,
    /// The name asked for.
    pub name: String,
}

/// No secrets at all: for checks that send nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoSecrets;

impl SecretSource for NoSecrets {
    fn secret(&self, vault: &str, name: &str) -> Result<SecretString, MissingSecret> {
        Err(MissingSecret { vault: vault.into(), name: name.into() })
    }
}
