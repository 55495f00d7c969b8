//! Certificates, authorities that sign them, and clients that trust and show them.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme, SupportedProtocolVersion, version};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate with its key, PEM.
pub(crate) struct Certificate {
    pub(crate) cert_pem: String,
    pub(crate) key_pem: String,
    der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let der = made.cert.der().clone();
        Self { cert_pem: made.cert.pem(), key_pem: made.signing_key.serialize_pem(), der }
    }

    /// Connects to a server that shows this certificate, with one protocol offered: `h2` or `http/1.1`.
    pub(crate) async fn connect(&self, to: SocketAddr, name: &str, alpn: &str) -> Box<TlsStream<TcpStream>> {
        self.client(name).offering(alpn).connect(to).await.unwrap()
    }

    /// A client that trusts this certificate and asks for this name.
    pub(crate) fn client<'a>(&'a self, name: &'a str) -> TlsClient<'a> {
        let versions = vec![&version::TLS13, &version::TLS12];
        TlsClient { trusted: self, name, versions, protocol: None, shown: None, stolen: false }
    }
}

/// Who signs certificates of clients.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a client of this name.
    pub(crate) fn sign(&self, name: &str) -> Certificate {
        self.sign_until(name, 2100)
    }

    /// One that is valid until the beginning of a year.
    pub(crate) fn sign_until(&self, name: &str, year: i32) -> Certificate {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Certificate { cert_pem: cert.pem(), key_pem: key.serialize_pem(), der: cert.der().clone() }
    }
}

/// A client of TLS.
#[derive(Clone)]
pub(crate) struct TlsClient<'a> {
    trusted: &'a Certificate,
    name: &'a str,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocol: Option<&'a str>,
    shown: Option<&'a Certificate>,
    stolen: bool,
}

impl<'a> TlsClient<'a> {
    /// Speaks one version only: `1.2` or `1.3`.
    pub(crate) fn only(mut self, spoken: &str) -> Self {
        self.versions = vec![if spoken == "1.2" { &version::TLS12 } else { &version::TLS13 }];
        self
    }

    /// Offers one protocol.
    pub(crate) fn offering(mut self, protocol: &'a str) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Shows a certificate when it is asked for one.
    pub(crate) fn showing(mut self, certificate: Option<&'a Certificate>) -> Self {
        self.shown = certificate;
        self
    }

    /// Shows it without having its key.
    pub(crate) fn stolen(mut self) -> Self {
        self.stolen = true;
        self
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.trusted.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.shown {
            None => builder.with_no_client_auth(),
            Some(shown) if self.stolen => {
                let other = PrivateKeyDer::from(KeyPair::generate().unwrap());
                let key = rustls::crypto::ring::sign::any_supported_type(&other).unwrap();
                builder.with_client_cert_resolver(Arc::new(Shows(Arc::new(CertifiedKey::new(
                    vec![shown.der.clone()],
                    key,
                )))))
            }
            Some(shown) => {
                let key = PrivateKeyDer::from_pem_slice(shown.key_pem.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![shown.der.clone()], key).unwrap()
            }
        };
        config.alpn_protocols = self.protocol.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }

    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<Box<TlsStream<TcpStream>>> {
        let tcp = TcpStream::connect(to).await?;
        let name = ServerName::try_from(self.name.to_owned()).unwrap();
        Ok(Box::new(TlsConnector::from(Arc::new(self.config())).connect(name, tcp).await?))
    }

    /// What the server sends after these bytes, to its end. With TLS 1.3 a client learns only here that it was refused.
    pub(crate) async fn ask(&self, to: SocketAddr, bytes: &str) -> io::Result<String> {
        let mut tls = self.connect(to).await?;
        tls.write_all(bytes.as_bytes()).await?;
        let mut answer = String::new();
        match tls.read_to_string(&mut answer).await {
            // Servers may end without a word when the answer was whole.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => Ok(answer),
            read => read.map(|_| answer),
        }
    }

    /// The same with a request of HTTP/1.1.
    pub(crate) async fn get(&self, to: SocketAddr, path: &str) -> io::Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.name);
        self.ask(to, &request).await
    }
}

/// Shows a certificate without looking at whether the key belongs to it.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl rustls::client::ResolvesClientCert for Shows {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
