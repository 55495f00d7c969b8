//! Certificates and keys from PEM text. No message shows what a text holds: it may be a key.

use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tollgate_expr::Certificate;

/// A text that does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPem {
    /// No certificate.
    #[error("the certificate is none: PEM text with `-----BEGIN CERTIFICATE-----` is needed")]
    Certificate,
    /// No private key.
    #[error(
        "the private key is none: PEM text with `-----BEGIN PRIVATE KEY-----` is needed (PKCS#8; also PKCS#1 and SEC1), not \
         encrypted"
    )]
    Key,
    /// A key of a kind that cannot sign.
    #[error(
        "this kind of private key is not supported: RSA of 2048 bits and more, ECDSA P-256, P-384, Ed25519 are"
    )]
    KeyKind,
    /// They do not belong together.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// A certificate that cannot be an authority.
    #[error(
        "an authority is none: each needs PEM text with `-----BEGIN CERTIFICATE-----`; ids of authorities mean nothing here"
    )]
    Authority,
}

/// What a server shows: a certificate chain and the key for it.
#[derive(Clone)]
pub struct Identity {
    /// The certificate itself, for `conn.tls.server.*`.
    pub leaf: Arc<Certificate>,
    /// The same for rustls.
    pub key: Arc<CertifiedKey>,
    /// Tells it from others.
    pub digest: [u8; 32],
}

impl Identity {
    /// From the chain, the server's own certificate first, and the private key.
    ///
    /// # Errors
    /// See [`BadPem`].
    pub fn parse(chain: &str, key: &SecretString) -> Result<Self, BadPem> {
        let certificates = certificates(chain).ok_or(BadPem::Certificate)?;
        let leaf = certificates.first().ok_or(BadPem::Certificate)?;
        let leaf = Arc::new(Certificate::from_der(leaf.as_ref()));
        let der = private_key(key)?;
        let key_of = default_provider().key_provider.load_private_key(der).map_err(|_| BadPem::KeyKind)?;
        let certified = CertifiedKey::new(certificates, key_of);
        match certified.keys_match() {
            // A key that does not tell its public half cannot be compared.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(BadPem::Mismatch),
            Err(_) => return Err(BadPem::Certificate),
        }
        let mut digest = Sha256::new();
        digest.update((chain.len() as u64).to_be_bytes());
        digest.update(chain);
        digest.update(key.expose_secret());
        Ok(Self { leaf, key: Arc::new(certified), digest: digest.finalize().into() })
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("leaf", &self.leaf).finish_non_exhaustive()
    }
}

/// A private key, read; for checks.
///
/// # Errors
/// [`BadPem::Key`]
pub fn private_key(pem: &SecretString) -> Result<PrivateKeyDer<'static>, BadPem> {
    PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes()).map_err(|_| BadPem::Key)
}

/// Every certificate of a text; `None` when one is broken or there is none.
pub(super) fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty())
}

/// The authorities of these texts, each with one certificate or more.
///
/// # Errors
/// [`BadPem::Authority`]
pub fn authorities<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<RootCertStore, BadPem> {
    let mut roots = RootCertStore::empty();
    for text in texts {
        for certificate in certificates(text).ok_or(BadPem::Authority)? {
            roots.add(certificate).map_err(|_| BadPem::Authority)?;
        }
    }
    Ok(roots)
}
