//! What an expression can see while it runs: the facts of one request.

use crate::value::{Map, Value};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use secrecy::SecretString;
use std::net::SocketAddr;
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
    /// `secrets.get`
    pub secrets: &'a dyn SecretSource,
    /// `time.now`
    pub now: SystemTime,
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

/// `conn.*`
#[derive(Clone, Debug)]
pub struct ConnectionFacts {
    /// `conn.client_ip`, `conn.client_port`
    pub client: SocketAddr,
    /// `conn.server_ip`, `conn.server_port`
    pub server: SocketAddr,
    /// `conn.ts.start`
    pub started: SystemTime,
    /// `conn.tls.*`, when the connection is TLS.
    pub tls: Option<TlsFacts>,
}

/// `conn.tls.*`
#[derive(Clone, Debug, Default)]
pub struct TlsFacts {
    /// `conn.tls.version`: `1.2` or `1.3`
    pub version: String,
    /// `conn.tls.cipher_suite`, IANA name
    pub cipher_suite: String,
    /// `conn.tls.sni`
    pub sni: String,
    /// `conn.tls.negotiated_alpn`
    pub alpn: String,
}

/// `endpoint.*`
#[derive(Clone, Debug)]
pub struct EndpointFacts {
    /// `endpoint.id`
    pub id: Arc<str>,
    /// `endpoint.protocol`: `http` or `https`
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
