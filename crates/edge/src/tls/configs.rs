//! Settings of handshakes, made once for the same certificates and keys.

use super::pem::{Identity, authorities};
use super::verifier::AnyCertificate;
use super::{BadPem, Strategy, Terms, TlsError, Version};
use quick_cache::sync::Cache;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tollgate_expr::Certificate;

/// Settings that are kept of one listener. More than that many different ones at a time are made again and again.
const KEPT: usize = 64;

/// The settings of one listener. Each has sessions of its own: one that began under other terms is never resumed.
pub struct Configs {
    provider: Arc<CryptoProvider>,
    made: Cache<[u8; 32], Arc<Ready>>,
    /// Protocols that clients may choose from (RFC 7301); none for traffic that is not HTTP.
    protocols: Vec<Vec<u8>>,
}

/// Settings for a handshake.
pub struct Ready {
    /// For rustls.
    pub config: Arc<ServerConfig>,
    /// The certificate that is shown.
    pub leaf: Arc<Certificate>,
}

impl Configs {
    /// Of a listener; of one for HTTP, clients may choose HTTP/2.
    #[must_use]
    pub fn new(http: bool) -> Self {
        let protocols = if http { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { Vec::new() };
        Self { provider: Arc::new(default_provider()), made: Cache::new(KEPT), protocols }
    }

    /// The settings for these terms. `own` is what the endpoint itself shows.
    ///
    /// # Errors
    /// Certificates that cannot be used, or none at all.
    pub fn get(&self, terms: &Terms, own: Option<&Identity>) -> Result<Arc<Ready>, TlsError> {
        let name = name(terms, own);
        if let Some(ready) = self.made.get(&name) {
            return Ok(ready);
        }
        let ready = Arc::new(self.make(terms, own)?);
        self.made.insert(name, Arc::clone(&ready));
        Ok(ready)
    }

    fn make(&self, terms: &Terms, own: Option<&Identity>) -> Result<Ready, TlsError> {
        let identity = match &terms.identity {
            Some((chain, key)) => Identity::parse(chain, key)?,
            None => own.cloned().ok_or(TlsError::NoCertificate)?,
        };
        let versions = versions(terms);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&versions)
            .map_err(|error| TlsError::Client(error.to_string()))?;
        let builder = match terms.client {
            None => builder.with_no_client_auth(),
            Some(Strategy::RequireAndVerify) => {
                let roots = authorities(terms.authorities.iter().map(String::as_str))?;
                let made =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider));
                builder.with_client_cert_verifier(made.build().map_err(|_| BadPem::Authority)?)
            }
            Some(strategy) => {
                let algorithms = self.provider.signature_verification_algorithms;
                let required = strategy == Strategy::RequireAny;
                builder.with_client_cert_verifier(Arc::new(AnyCertificate { required, algorithms }))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(Always(Arc::clone(&identity.key))));
        config.alpn_protocols.clone_from(&self.protocols);
        if terms.client.is_some() {
            // A session that is resumed brings its certificate along unchecked: it may be out of date by now.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Ready { config: Arc::new(config), leaf: identity.leaf })
    }
}

fn versions(terms: &Terms) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(Version::Tls13, &version::TLS13), (Version::Tls12, &version::TLS12)];
    let wanted = all.into_iter().filter(|(version, _)| (terms.min..=terms.max).contains(version));
    wanted.map(|(_, version)| version).collect()
}

/// Shows the same certificate to every client.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A name for settings, from everything they are made of.
fn name(terms: &Terms, own: Option<&Identity>) -> [u8; 32] {
    let mut name = Sha256::new();
    let mut add = |part: &[u8]| {
        name.update((part.len() as u64).to_be_bytes());
        name.update(part);
    };
    add(&[terms.min as u8, terms.max as u8, terms.client.map_or(u8::MAX, |strategy| strategy as u8)]);
    match &terms.identity {
        Some((chain, key)) => {
            add(chain.as_bytes());
            add(key.expose_secret().as_bytes());
        }
        None => add(own.map_or(&[][..], |own| &own.digest)),
    }
    for authority in &terms.authorities {
        add(authority.as_bytes());
    }
    name.finalize().into()
}
