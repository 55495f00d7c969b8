//! Hellos as clients send them, and handshakes without a network.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{StartHandshake, TlsConnector};

/// A certificate that signs itself, with its key; PEM.
fn pair(name: &str) -> (String, SecretString) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem().into())
}

fn identity(name: &str) -> Identity {
    let (chain, key) = pair(name);
    Identity::parse(&chain, &key).expect("they fit")
}

/// An authority and a certificate that it signed.
fn authority() -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let pem = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["client".to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&own, &issuer).expect("a certificate");
    (pem, leaf.pem(), own.serialize_pem())
}

/// A client that trusts this certificate, and shows that one.
fn client(trusted: &str, shown: Option<(&str, &str)>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(trusted).expect("a certificate") {
        roots.add(certificate).expect("a root");
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    match shown {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key = private_key(&key.to_owned().into()).expect("a key");
            let chain = pem::certificates(chain).expect("a certificate");
            builder.with_client_auth_cert(chain, key).expect("they fit")
        }
    }
}

/// What a client that asks for this name sends first.
fn hello_bytes(name: &str) -> Vec<u8> {
    let config = Arc::new(client(&pair("x.test").0, None));
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut bytes = Vec::new();
    ClientConnection::new(config, name).expect("a client").write_tls(&mut bytes).expect("written");
    bytes
}

async fn reads(bytes: &[u8], end: bool) -> (Result<Hello, NoHello>, Vec<u8>) {
    let (mut near, mut far) = duplex(256 << 10);
    near.write_all(bytes).await.expect("room");
    if end {
        near.shutdown().await.expect("ended");
    }
    let hello = read_hello(&mut far).await;
    drop(far);
    let mut said = Vec::new();
    near.read_to_end(&mut said).await.expect("read");
    (hello, said)
}

#[tokio::test]
async fn a_hello_is_read_to_its_end_and_no_further() {
    let sent = hello_bytes("a.test");
    let more = [&sent[..], b"more"].concat();
    let (hello, said) = reads(&more, false).await;
    let hello = hello.expect("a hello");
    assert_eq!((hello.sni.as_str(), hello.raw), ("a.test", sent));
    assert!(hello.ja4.starts_with("t13d") && hello.ja4.len() == 36, "{}", hello.ja4);
    assert!(said.is_empty(), "nobody was answered");
}

#[tokio::test]
async fn a_hello_may_come_in_many_records() {
    let whole = hello_bytes("a.test");
    let (head, body) = whole.split_at(5);
    let mut sent = Vec::new();
    for part in body.chunks(7) {
        sent.extend_from_slice(&[head[0], head[1], head[2], 0, part.len() as u8]);
        sent.extend_from_slice(part);
    }
    let hello = reads(&sent, false).await.0.expect("a hello");
    let one = reads(&whole, false).await.0.expect("a hello");
    assert_eq!((&hello.sni, &hello.ja4, hello.raw), (&one.sni, &one.ja4, sent));
}

#[tokio::test]
async fn what_is_no_hello() {
    let hello = hello_bytes("a.test");
    let (start, _) = hello.split_at(40);
    assert!(matches!(reads(b"", true).await.0, Err(NoHello::Silent)));
    assert!(matches!(reads(&hello[..3], true).await.0, Err(NoHello::Gone)));
    assert!(matches!(reads(start, true).await.0, Err(NoHello::Gone)));
    let (plain, said) = reads(b"GET / HTTP/1.1\r\n\r\n", false).await;
    assert!(matches!(plain, Err(NoHello::NotTls)) && said.is_empty());
    // A handshake message that is none: the client is told in TLS.
    let (wrong, said) = reads(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 9], false).await;
    assert!(matches!(wrong, Err(NoHello::Refused(_))));
    assert_eq!(said.first(), Some(&21), "an alert");
}

#[tokio::test]
async fn a_hello_has_an_end() {
    // A message that says it has 16 MiB, in records of full length.
    let mut sent = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
    sent.resize(5 + 0x4000, 7);
    for _ in 0..7 {
        sent.extend_from_slice(&[22, 3, 1, 0x40, 0]);
        sent.resize(sent.len() + 0x4000, 7);
    }
    assert!(matches!(reads(&sent, false).await.0, Err(NoHello::TooLong | NoHello::Refused(_))));
}

/// A whole handshake; how it came about for the client.
async fn shake(
    configs: &Configs,
    terms: &Terms,
    own: &Identity,
    config: &Arc<ClientConfig>,
) -> Option<HandshakeKind> {
    let (near, mut far) = duplex(64 << 10);
    let ready = configs.get(terms, Some(own)).expect("settings");
    let server = tokio::spawn(async move {
        let hello = read_hello(&mut far).await.ok()?;
        let start = StartHandshake::<DuplexStream>::from_parts(hello.accepted, far);
        let mut tls = start.into_stream(Arc::clone(&ready.config)).await.ok()?;
        tls.write_all(b"x").await.ok()?;
        tls.flush().await.ok()?;
        // Until the client has gone, so that it reads its tickets.
        let _ = tls.read(&mut [0]).await;
        Some(())
    });
    let name = ServerName::try_from("own.test").expect("a name");
    let mut tls = TlsConnector::from(Arc::clone(config)).connect(name, near).await.ok()?;
    let read = tls.read_exact(&mut [0]).await;
    let kind = tls.get_ref().1.handshake_kind();
    drop(tls);
    server.await.expect("no panic");
    read.ok().and(kind)
}

#[tokio::test]
async fn sessions_are_resumed_under_the_same_terms_only() {
    let (chain, key) = pair("own.test");
    let own = Identity::parse(&chain, &key).expect("they fit");
    let (ca, cert, key) = authority();
    let configs = Configs::new(true);
    let config = Arc::new(client(&chain, Some((&cert, &key))));
    let plain = Terms::default();
    let checked =
        Terms { client: Some(Strategy::RequireAndVerify), authorities: vec![ca], ..Terms::default() };
    let (full, resumed) = (Some(HandshakeKind::Full), Some(HandshakeKind::Resumed));
    let steps = [(&plain, full), (&plain, resumed), (&checked, full), (&checked, full)];
    for (at, (terms, expected)) in steps.into_iter().enumerate() {
        assert_eq!(shake(&configs, terms, &own, &config).await, expected, "step {at}");
    }
}

#[tokio::test]
async fn settings_are_made_once() {
    let configs = Configs::new(false);
    let (one, two) = (identity("own.test"), identity("own.test"));
    let get = |terms: &Terms, own| configs.get(terms, own).expect("settings");
    let terms = Terms::default();
    let first = get(&terms, Some(&one));
    assert!(Arc::ptr_eq(&first, &get(&Terms::default(), Some(&one))));
    assert!(!Arc::ptr_eq(&first, &get(&terms, Some(&two))), "another certificate");
    let newer = Terms { min: Version::Tls13, ..Terms::default() };
    assert!(!Arc::ptr_eq(&first, &get(&newer, Some(&one))), "another version");
    let asked = Terms { client: Some(Strategy::Request), ..Terms::default() };
    assert!(!Arc::ptr_eq(&first, &get(&asked, Some(&one))), "another strategy");
    assert!(first.config.alpn_protocols.is_empty(), "no HTTP, no protocols of it");
    assert!(matches!(configs.get(&terms, None), Err(TlsError::NoCertificate)));
}

#[test]
fn certificates_and_keys_must_be_what_they_are_called() {
    let ((chain, key), (other, _)) = (pair("a.test"), pair("b.test"));
    let said = |chain: &str, key: &SecretString| Identity::parse(chain, key).map(|_| ()).err();
    assert_eq!(said(&chain, &key), None);
    assert_eq!(said(&other, &key), Some(BadPem::Mismatch));
    assert_eq!(said("nothing", &key), Some(BadPem::Certificate));
    assert_eq!(said(&chain, &"nothing".to_owned().into()), Some(BadPem::Key));
    assert_eq!(said(&chain, &chain.clone().into()), Some(BadPem::Key));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(authorities([broken]).map(|_| ()), Err(BadPem::Authority));
    assert_eq!(authorities(["ca_123"]).map(|_| ()), Err(BadPem::Authority));
    assert_eq!(authorities([format!("{chain}{other}").as_str()]).map(|roots| roots.len()), Ok(2));
    assert!(!format!("{:?}", Terms { identity: Some((chain, key)), ..Terms::default() }).contains("PRIVATE"));
}
