//! What is found out about a connection only when an expression asks: addresses, certificates, pods, bytes.

use super::world::{World, map};
use crate::{
    Activation, AddressFacts, AddressSource, Addresses, Certificate, Place, PodFacts, RetryFacts, Scope,
    TlsFacts, Traffic, Trailers, Value,
};
use rcgen::{CertificateParams, DnType, KeyPair, SanType, SerialNumber, date_time_ymd};
use serde_json::{Value as Json, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn json_of(world: &World, source: &str) -> Json {
    world.eval(source, Scope::Request).unwrap_or_else(|error| panic!("{source}: {error}")).to_json()
}

/// Knows one address, and counts how often it was asked.
#[derive(Debug, Default)]
struct Book(AtomicUsize);

impl AddressSource for Book {
    fn look_up(&self, address: IpAddr) -> Arc<AddressFacts> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let mut facts = AddressFacts::default();
        if address == IpAddr::from([10, 1, 2, 3]) {
            facts.set_categories(["blocklist.blocklist_de.ssh", "proxy.anonymous.tor"]);
            facts.as_number = 7922;
            facts.as_organization = "COMCAST-7922".into();
            facts.location =
                Place { city: "Berlin".into(), latitude: "52.5".into(), is_eu: true, ..Place::default() };
            facts.registered = Place { country_code: "US".into(), ..Place::default() };
        }
        Arc::new(facts)
    }
}

#[test]
fn addresses_are_looked_up_when_they_are_read_and_once() {
    let book = Arc::new(Book::default());
    let mut world = World::default();
    world.connection.addresses = Addresses::new(book.clone());
    assert_eq!(json_of(&world, "conn.client_ip + conn.server_ip"), json!("10.1.2.3192.0.2.1"));
    assert_eq!(book.0.load(Ordering::Relaxed), 0, "the address itself needs no look-up");
    for (source, expected) in [
        ("'blocklist.blocklist_de' in conn.client_ip.categories", json!(true)),
        ("conn.client_ip.is_on_blocklist && conn.client_ip.is_tor_node", json!(true)),
        ("conn.client_ip.categories.exists(c, c.startsWith('proxy.'))", json!(true)),
        ("[conn.client_ip.as.number, conn.client_ip.as.organization]", json!([7922, "COMCAST-7922"])),
        (
            "[conn.client_ip.geo.location.city, conn.geo.city, conn.geo.latitude, conn.client_ip.geo.location.is_eu]",
            json!(["Berlin", "Berlin", "52.5", true]),
        ),
        ("double(conn.geo.latitude) > 50.0", json!(true)),
        ("conn.client_ip.geo.registered_location.country_code", json!("US")),
        ("conn['client_ip']['geo']['registered_location']['is_eu']", json!(false)),
    ] {
        assert_eq!(json_of(&world, source), expected, "{source}");
    }
    assert_eq!(book.0.load(Ordering::Relaxed), 1);
    assert_eq!(
        json_of(&world, "[conn.server_ip.categories, conn.server_ip.is_on_blocklist]"),
        json!([[], false])
    );
    assert_eq!(book.0.load(Ordering::Relaxed), 2);
}

fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Certificate {
    let mut params = CertificateParams::new(vec!["a.example".into(), "b.example".into()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, text) in [
        (DnType::CountryName, "DE"),
        (DnType::StateOrProvinceName, "Berlin"),
        (DnType::LocalityName, "Mitte"),
        (DnType::OrganizationName, "Let's, Encrypt"),
        (DnType::OrganizationalUnitName, "Edge"),
        (DnType::CustomDnType(vec![2, 5, 4, 17]), "10115"),
        (DnType::CustomDnType(vec![2, 5, 4, 9]), "Street 1"),
        (DnType::CommonName, "client-1"),
    ] {
        params.distinguished_name.push(kind, text);
    }
    params.subject_alt_names.extend([
        SanType::IpAddress([192, 0, 2, 1].into()),
        SanType::IpAddress("2001:db8::1".parse().unwrap()),
        SanType::Rfc822Name("me@a.example".try_into().unwrap()),
        SanType::URI("spiffe://a.example/x".try_into().unwrap()),
    ]);
    params.serial_number = Some(SerialNumber::from(vec![0x0a, 0xbc, 0xde]));
    params.not_before = date_time_ymd(2023, 1, 2);
    params.not_after = date_time_ymd(2033, 1, 2);
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate_for(algorithm).unwrap();
    Certificate::from_der(params.self_signed(&key).unwrap().der().as_ref())
}

fn fields_of_certificates() -> Vec<(&'static str, Json)> {
    vec![
        (
            "conn.tls.client.subject",
            json!(
                r"CN=client-1,STREET=Street 1,POSTALCODE=10115,OU=Edge,O=Let's\, Encrypt,L=Mitte,ST=Berlin,C=DE"
            ),
        ),
        ("conn.tls.client.issuer == conn.tls.client.subject", json!(true)),
        (
            "conn.tls.client.subject.common_name + conn.tls.server.issuer.common_name",
            json!("client-1client-1"),
        ),
        (
            "[conn.tls.client.subject.country, conn.tls.client.subject.province, conn.tls.client.subject.locality]",
            json!([["DE"], ["Berlin"], ["Mitte"]]),
        ),
        ("conn.tls.client.subject.organization[0]", json!("Let's, Encrypt")),
        (
            "conn.tls.client.subject.organizational_unit + conn.tls.client.subject.postal_code + conn.tls.client.subject.street_address",
            json!(["Edge", "10115", "Street 1"]),
        ),
        (
            "conn.tls.client.san",
            json!(
                "DNS:a.example, DNS:b.example, IP Address:192.0.2.1, IP Address:2001:db8::1, email:me@a.example, URI:spiffe://a.example/x"
            ),
        ),
        ("conn.tls.client.san.dns_names", json!(["a.example", "b.example"])),
        ("'192.0.2.1' in conn.tls.client.san.ip_addresses", json!(true)),
        (
            "[conn.tls.client.san.email_addresses[0], conn.tls.client.san.uris[0]]",
            json!(["me@a.example", "spiffe://a.example/x"]),
        ),
        ("conn.tls.client.serial_number", json!("0abcde")),
        (
            "[conn.tls.client.signature_algorithm, conn.tls.server.signature_algorithm]",
            json!(["ECDSA-SHA256", "Ed25519"]),
        ),
        ("conn.tls.client.validity.not_before == timestamp('2023-01-02T00:00:00Z')", json!(true)),
        ("conn.tls.client.validity.not_after.getFullYear()", json!(2033)),
        (
            "conn.tls.client.extensions.exists(e, e.id == '2.5.29.17' && !e.critical && e.value.size() > 20)",
            json!(true),
        ),
        ("conn.tls.client.extensions.filter(e, e.critical).map(e, e.id)", json!(["2.5.29.15"])),
        ("conn.tls.client.pem.startsWith('-----BEGIN CERTIFICATE-----\\nMII')", json!(true)),
        ("conn.tls.client.pem.split('\\n').all(l, l.size() <= 64)", json!(true)),
        ("has(conn.tls.client.subject) && conn.tls.client.subject.contains('client-1')", json!(true)),
    ]
}

#[test]
fn certificates_are_read_field_by_field() {
    let mut world = World::default();
    let shown = Arc::new(certificate(&rcgen::PKCS_ECDSA_P256_SHA256));
    let ours = Arc::new(certificate(&rcgen::PKCS_ED25519));
    world.connection.tls =
        Some(TlsFacts { client: Some(shown.clone()), server: Some(ours.clone()), ..TlsFacts::default() });
    for (source, expected) in fields_of_certificates() {
        assert_eq!(json_of(&world, source), expected, "{source}");
    }
    // The same record as the result of an action.
    world
        .results
        .insert("terminate_tls".into(), Value::Map(Arc::new([("server".into(), ours.value())].into())));
    let result = "actions.ngrok.terminate_tls.server";
    for (source, expected) in [
        (
            format!("{result}.subject.endsWith('C=DE') && {result}.subject.common_name == 'client-1'"),
            json!(true),
        ),
        (format!("{result}.san.dns_names[1]"), json!("b.example")),
        (format!("{result}.validity.not_after == conn.tls.server.validity.not_after"), json!(true)),
        (format!("{result}.extensions == conn.tls.server.extensions"), json!(true)),
        (format!("[{result}.serial_number, {result}.signature_algorithm]"), json!(["0abcde", "Ed25519"])),
    ] {
        assert_eq!(json_of(&world, &source), expected, "{source}");
    }
}

#[test]
fn bytes_that_are_no_certificate_read_as_empty() {
    let mut world = World::default();
    let broken = Arc::new(Certificate::from_der(&b"\x30\x03no"[..]));
    world.connection.tls = Some(TlsFacts { client: Some(broken), ..TlsFacts::default() });
    assert_eq!(json_of(&world, "conn.tls.client.subject + conn.tls.client.serial_number"), json!(""));
    assert_eq!(json_of(&world, "conn.tls.client.validity.not_after == null"), json!(true));
}

#[test]
fn pods_bytes_and_the_region() {
    let mut world = World::default();
    let traffic = Arc::new(Traffic::default());
    world.connection.traffic = Some(traffic.clone());
    world.connection.region = "eu".into();
    world.connection.pod = Some(Arc::new(PodFacts {
        id: "u-1".into(),
        name: "web-0".into(),
        annotations: Arc::new(map(json!({"k8s.ngrok.com/team": "a"}))),
        ..PodFacts::default()
    }));
    traffic.add_received(10);
    traffic.add_sent(300);
    for (source, expected) in [
        ("[conn.bytes_in, conn.bytes_out]", json!([10, 300])),
        ("conn.server_region", json!("eu")),
        (
            "[conn.k8s.pod.id, conn.k8s.pod.metadata.name, conn.k8s.pod.metadata.error_code]",
            json!(["u-1", "web-0", ""]),
        ),
        ("conn.k8s.pod.metadata.annotations['k8s.ngrok.com/team'] == 'a'", json!(true)),
        ("conn.k8s.pod.metadata.annotations['none'] == null", json!(true)),
    ] {
        assert_eq!(json_of(&world, source), expected, "{source}");
    }
}

#[test]
fn trailers_and_attempts() {
    let world = World::default();
    let mut fields = http::HeaderMap::new();
    fields.append("x-sum", "a".parse().unwrap());
    fields.append("x-sum", "b".parse().unwrap());
    let retry = RetryFacts {
        attempts: 2,
        last_attempt: Value::from_json(&json!({"res": {"status_code": 500, "statusCode": 500}, "error": ""})),
    };
    let a = Activation {
        trailers: Trailers { request: Some(&fields), response: Some(&fields) },
        retry: Some(&retry),
        ..world.activation()
    };
    for (source, scope, expected) in [
        ("req.trailers['X-Sum']", Scope::Request, json!(["a", "b"])),
        ("res.trailers['x-sum'][1] + res.trailers['none'][0]", Scope::Response, json!("b")),
        ("'x-sum' in req.trailers && !('host' in req.trailers)", Scope::Event, json!(true)),
        ("attempts < 3 && last_attempt.res.statusCode == 500", Scope::Retry, json!(true)),
        ("last_attempt.res.header['x'][0] == null && last_attempt.error == ''", Scope::Retry, json!(true)),
        ("attempts == ${attempts}", Scope::Retry, json!(true)),
    ] {
        let program = crate::Program::compile(source, scope).unwrap_or_else(|e| panic!("{source}: {e:?}"));
        assert_eq!(program.eval(&a).unwrap().to_json(), expected, "{source}");
    }
}
