//! TLS of listeners: what a client says first, with what settings it is answered, and with which certificates.

mod certificates;
mod configs;
mod hello;
mod ja4;
mod pem;
#[cfg(test)]
mod tests;
mod verifier;

pub use certificates::{Certificates, watch};
pub use configs::{Configs, Ready};
pub use hello::{Hello, NoHello, read as read_hello};
pub use ja4::ja4;
pub use pem::{BadPem, Identity, authorities, private_key};

use async_trait::async_trait;
use secrecy::SecretString;
use tollgate_expr::TlsFacts;

/// A version of TLS that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 5246
    Tls12,
    /// RFC 8446
    Tls13,
}

impl Version {
    /// `1.2` or `1.3`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1.2" => Some(Self::Tls12),
            "1.3" => Some(Self::Tls13),
            _ => None,
        }
    }
}

/// How a client's certificate is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// There must be one, it must be valid now, and an authority that is listed must have signed it.
    RequireAndVerify,
    /// There must be one; who signed it and until when it is valid is not looked at.
    RequireAny,
    /// There may be one; it is not looked at either.
    Request,
}

impl Strategy {
    /// The words of a policy.
    pub const WORDS: &'static [&'static str] = &["require-and-verify", "require-any", "request"];

    /// One of [`Self::WORDS`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "require-and-verify" => Some(Self::RequireAndVerify),
            "require-any" => Some(Self::RequireAny),
            "request" => Some(Self::Request),
            _ => None,
        }
    }
}

/// How a handshake is to be completed. PEM is text (RFC 7468).
#[derive(Debug)]
pub struct Terms {
    /// The oldest version that is spoken.
    pub min: Version,
    /// The newest one.
    pub max: Version,
    /// Certificate chain and private key; those of the endpoint when absent.
    pub identity: Option<(String, SecretString)>,
    /// Whether clients are asked for a certificate, and how it is looked at.
    pub client: Option<Strategy>,
    /// Certificates of the authorities that clients' certificates are checked with.
    pub authorities: Vec<String>,
}

impl Default for Terms {
    /// Those of a listener without a rule about it.
    fn default() -> Self {
        Self {
            min: Version::Tls12,
            max: Version::Tls13,
            identity: None,
            client: None,
            authorities: Vec::new(),
        }
    }
}

/// Why a handshake was not completed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The listener takes connections without TLS.
    #[error("this endpoint takes connections without TLS: there is no handshake to complete")]
    NoTls,
    /// A rule before has done it.
    #[error("the handshake is over already: another `terminate-tls` ran before")]
    Over,
    /// Nothing to show to clients.
    #[error(
        "there is no certificate to show: neither the endpoint nor the action has one; give the endpoint `tls:`, or the \
         action `server_certificate` and `server_private_key`"
    )]
    NoCertificate,
    /// Certificates or keys that cannot be used.
    #[error(transparent)]
    Pem(#[from] BadPem),
    /// The client did not do its part: left, was too slow, speaks another version, showed no certificate that is
    /// accepted. It was told as far as TLS lets it be told; it is no fault of the policy.
    #[error("the handshake failed: {0}")]
    Client(String),
}

/// The TLS of a new connection, for an action that completes the handshake.
#[async_trait]
pub trait Handshake: Send {
    /// Completes the handshake now.
    ///
    /// # Errors
    /// See [`TlsError`]; the connection is of no use afterwards.
    async fn complete(&mut self, terms: &Terms) -> Result<TlsFacts, TlsError>;
}

/// A connection without TLS.
pub struct NoHandshake;

#[async_trait]
impl Handshake for NoHandshake {
    async fn complete(&mut self, _terms: &Terms) -> Result<TlsFacts, TlsError> {
        Err(TlsError::NoTls)
    }
}
