//! What a TLS handshake leaves for the rules: `conn.tls.*`.

use async_trait::async_trait;
use pingora_core::listeners::TlsAccept;
use pingora_core::protocols::tls::TlsRef;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::any::Any;
use std::sync::Arc;
use tollgate_expr::{Certificate, TlsFacts};

/// Notes the facts of each handshake of a listener.
pub struct Handshake {
    server: Option<Arc<Certificate>>,
}

impl Handshake {
    /// For a listener that shows the first certificate of this PEM text.
    #[must_use]
    pub fn new(pem: &[u8]) -> Self {
        let leaf = CertificateDer::from_pem_slice(pem).ok();
        Self { server: leaf.map(|der| Arc::new(Certificate::from_der(der.as_ref()))) }
    }
}

#[async_trait]
impl TlsAccept for Handshake {
    async fn handshake_complete_callback(&self, tls: &TlsRef) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(TlsFacts {
            version: version(tls.version().unwrap_or_default()),
            cipher_suite: cipher_suite(tls.current_cipher_name().unwrap_or_default()),
            sni: tls.server_name().unwrap_or_default().to_owned(),
            client: tls.peer_certificate_der().map(|der| Arc::new(Certificate::from_der(der))),
            server: self.server.clone(),
            ..TlsFacts::default()
        }))
    }
}

/// `TLSv1_3` as the language writes it: `1.3`.
fn version(name: &str) -> String {
    name.trim_start_matches("TLSv").replace('_', ".")
}

/// The name in IANA's registry. rustls sets its names of TLS 1.3 apart by `TLS13_`.
fn cipher_suite(name: &str) -> String {
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{cipher_suite, version};

    #[test]
    fn names_are_those_of_the_language() {
        assert_eq!([version("TLSv1_3"), version("TLSv1.2"), version("")], ["1.3", "1.2", ""]);
        assert_eq!(cipher_suite("TLS13_AES_128_GCM_SHA256"), "TLS_AES_128_GCM_SHA256");
        let older = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        assert_eq!(cipher_suite(older), older);
    }
}
