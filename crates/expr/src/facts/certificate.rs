//! X.509 certificates (RFC 5280), parsed when an expression first reads one.

use crate::value::{Map, Object, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

/// A certificate as it came in the handshake.
#[derive(Clone)]
pub struct Certificate {
    der: Arc<[u8]>,
    parsed: OnceLock<Arc<ParsedCertificate>>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("bytes", &self.der.len()).finish_non_exhaustive()
    }
}

/// What expressions read of a certificate. Everything is empty for bytes that are no certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedCertificate {
    /// `.extensions`, in their order.
    pub extensions: Vec<Extension>,
    /// `.issuer`
    pub issuer: DistinguishedName,
    /// `.subject`
    pub subject: DistinguishedName,
    /// `.san`: every name with its kind, `DNS:a.example, IP Address:192.0.2.1`.
    pub san: String,
    /// `.san.dns_names`
    pub dns_names: Vec<String>,
    /// `.san.email_addresses`
    pub email_addresses: Vec<String>,
    /// `.san.ip_addresses`
    pub ip_addresses: Vec<String>,
    /// `.san.uris`
    pub uris: Vec<String>,
    /// `.serial_number`, lower-case hexadecimal.
    pub serial_number: String,
    /// `.signature_algorithm`, such as `SHA256-RSA` or `ECDSA-SHA384`; dotted numbers for one that has no such name.
    pub signature_algorithm: String,
    /// `.validity.not_before`, seconds since 1970.
    pub not_before: Option<i64>,
    /// `.validity.not_after`, seconds since 1970.
    pub not_after: Option<i64>,
}

/// An extension of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its object identifier, dotted.
    pub id: String,
    /// Whether who does not know it must refuse the certificate.
    pub critical: bool,
    /// Its value, DER.
    pub value: Vec<u8>,
}

/// The name of an issuer or subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistinguishedName {
    /// The whole name as RFC 2253 writes it, most special part first: `CN=a.example,O=Example,C=DE`.
    pub text: String,
    /// `.common_name`: the last one.
    pub common_name: String,
    /// `.country`
    pub country: Vec<String>,
    /// `.locality`
    pub locality: Vec<String>,
    /// `.organization`
    pub organization: Vec<String>,
    /// `.organizational_unit`
    pub organizational_unit: Vec<String>,
    /// `.postal_code`
    pub postal_code: Vec<String>,
    /// `.province`
    pub province: Vec<String>,
    /// `.street_address`
    pub street_address: Vec<String>,
}

impl Certificate {
    /// A certificate from its DER form. Nothing is parsed before something is read.
    #[must_use]
    pub fn from_der(der: impl Into<Arc<[u8]>>) -> Self {
        Self { der: der.into(), parsed: OnceLock::new() }
    }

    /// Its parts.
    #[must_use]
    pub fn parsed(&self) -> &ParsedCertificate {
        self.parsed.get_or_init(|| Arc::new(parse(&self.der).unwrap_or_default()))
    }

    /// The certificate as PEM text (RFC 7468).
    #[must_use]
    pub fn pem(&self) -> String {
        let body = STANDARD.encode(&self.der);
        let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
        for line in body.as_bytes().chunks(64) {
            out.push_str(&String::from_utf8_lossy(line));
            out.push('\n');
        }
        out.push_str("-----END CERTIFICATE-----\n");
        out
    }

    /// The whole certificate as a value with the fields that `conn.tls.server` has, for the results of an action.
    #[must_use]
    pub fn value(&self) -> Value {
        let parsed = self.parsed();
        let lists = [
            ("dns_names", &parsed.dns_names),
            ("email_addresses", &parsed.email_addresses),
            ("ip_addresses", &parsed.ip_addresses),
            ("uris", &parsed.uris),
        ];
        let san = lists.into_iter().map(|(name, list)| (name, texts(list)));
        let validity = [("not_before", moment(parsed.not_before)), ("not_after", moment(parsed.not_after))];
        map([
            ("extensions", parsed.extensions_value()),
            ("issuer", parsed.issuer.value()),
            ("subject", parsed.subject.value()),
            ("san", named(&parsed.san, map(san))),
            ("serial_number", parsed.serial_number.as_str().into()),
            ("signature_algorithm", parsed.signature_algorithm.as_str().into()),
            ("validity", map(validity)),
        ])
    }
}

impl ParsedCertificate {
    pub(crate) fn extensions_value(&self) -> Value {
        let one = |extension: &Extension| {
            map([
                ("id", extension.id.as_str().into()),
                ("critical", extension.critical.into()),
                ("value", Value::Bytes(extension.value.as_slice().into())),
            ])
        };
        Value::List(self.extensions.iter().map(one).collect())
    }
}

impl DistinguishedName {
    fn value(&self) -> Value {
        let lists = [
            ("country", &self.country),
            ("locality", &self.locality),
            ("organization", &self.organization),
            ("organizational_unit", &self.organizational_unit),
            ("postal_code", &self.postal_code),
            ("province", &self.province),
            ("street_address", &self.street_address),
        ];
        let lists = lists.into_iter().map(|(name, list)| (name, texts(list)));
        named(&self.text, map(lists.chain([("common_name", self.common_name.as_str().into())])))
    }
}

pub(crate) fn texts(list: &[String]) -> Value {
    Value::List(list.iter().map(|text| Value::from(text.as_str())).collect())
}

pub(crate) fn moment(seconds: Option<i64>) -> Value {
    let time = seconds.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    time.map_or(Value::Null, |time| Value::Timestamp(time.fixed_offset()))
}

fn map<'n>(pairs: impl IntoIterator<Item = (&'n str, Value)>) -> Value {
    Value::Map(Arc::new(pairs.into_iter().map(|(name, value)| (Arc::from(name), value)).collect()))
}

/// A text that also has fields.
#[derive(Debug)]
struct Named(Arc<str>, Arc<Map>);

impl Object for Named {
    fn field(&self, name: &str) -> Option<Value> {
        self.1.get(name).cloned()
    }
    fn fields(&self) -> Vec<Arc<str>> {
        self.1.keys().cloned().collect()
    }
    fn text(&self) -> Option<Arc<str>> {
        Some(self.0.clone())
    }
    fn soft(&self) -> bool {
        true
    }
}

fn named(text: &str, fields: Value) -> Value {
    match fields {
        Value::Map(fields) => Value::Object(Arc::new(Named(text.into(), fields))),
        other => other,
    }
}

fn parse(der: &[u8]) -> Option<ParsedCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let extension = |extension: &x509_parser::extensions::X509Extension<'_>| Extension {
        id: extension.oid.to_id_string(),
        critical: extension.critical,
        value: extension.value.to_vec(),
    };
    let serial = certificate.raw_serial();
    let significant = serial.iter().position(|byte| *byte != 0).unwrap_or(serial.len().saturating_sub(1));
    let mut parsed = ParsedCertificate {
        extensions: certificate.extensions().iter().map(extension).collect(),
        issuer: name(certificate.issuer()),
        subject: name(certificate.subject()),
        serial_number: serial.iter().skip(significant).map(|byte| format!("{byte:02x}")).collect(),
        signature_algorithm: algorithm(&certificate.signature_algorithm),
        not_before: Some(certificate.validity().not_before.timestamp()),
        not_after: Some(certificate.validity().not_after.timestamp()),
        ..ParsedCertificate::default()
    };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    for name in alternative.iter().flat_map(|names| &names.value.general_names) {
        parsed.add_name(name);
    }
    Some(parsed)
}

impl ParsedCertificate {
    fn add_name(&mut self, name: &GeneralName<'_>) {
        let (kind, text, list) = match name {
            GeneralName::DNSName(text) => ("DNS", (*text).to_owned(), &mut self.dns_names),
            GeneralName::RFC822Name(text) => ("email", (*text).to_owned(), &mut self.email_addresses),
            GeneralName::URI(text) => ("URI", (*text).to_owned(), &mut self.uris),
            GeneralName::IPAddress(bytes) => match address(bytes) {
                Some(address) => ("IP Address", address.to_string(), &mut self.ip_addresses),
                None => return,
            },
            _ => return,
        };
        if !self.san.is_empty() {
            self.san.push_str(", ");
        }
        self.san.push_str(&format!("{kind}:{text}"));
        list.push(text);
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn name(from: &X509Name<'_>) -> DistinguishedName {
    let mut name = DistinguishedName::default();
    let mut parts: Vec<String> = Vec::new();
    for relative in from.iter_rdn() {
        let mut together: Vec<String> = Vec::new();
        for attribute in relative.iter() {
            let id = attribute.attr_type().to_id_string();
            let Ok(text) = attribute.as_str() else { continue };
            let list = match id.as_str() {
                "2.5.4.3" => {
                    text.clone_into(&mut name.common_name);
                    None
                }
                "2.5.4.6" => Some(&mut name.country),
                "2.5.4.7" => Some(&mut name.locality),
                "2.5.4.8" => Some(&mut name.province),
                "2.5.4.9" => Some(&mut name.street_address),
                "2.5.4.10" => Some(&mut name.organization),
                "2.5.4.11" => Some(&mut name.organizational_unit),
                "2.5.4.17" => Some(&mut name.postal_code),
                _ => None,
            };
            if let Some(list) = list {
                list.push(text.to_owned());
            }
            together.push(format!("{}={}", short(&id), escaped(text)));
        }
        parts.push(together.join("+"));
    }
    parts.reverse();
    name.text = parts.join(",");
    name
}

/// The short name of an attribute (RFC 4514, section 3, and what Go adds to it), or its dotted numbers.
fn short(id: &str) -> &str {
    match id {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.17" => "POSTALCODE",
        other => other,
    }
}

/// Escaping of RFC 2253, section 2.4.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (at, c) in text.chars().enumerate() {
        let edge = (c == ' ' && (at == 0 || at == last)) || (c == '#' && at == 0);
        if edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The name that Go's `crypto/x509` gives a signature algorithm.
fn algorithm(id: &AlgorithmIdentifier<'_>) -> String {
    let known = match id.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => "MD5-RSA",
        "1.2.840.113549.1.1.5" => "SHA1-RSA",
        "1.2.840.113549.1.1.11" => "SHA256-RSA",
        "1.2.840.113549.1.1.12" => "SHA384-RSA",
        "1.2.840.113549.1.1.13" => "SHA512-RSA",
        "1.2.840.113549.1.1.10" => pss(id),
        "1.2.840.10040.4.3" => "DSA-SHA1",
        "2.16.840.1.101.3.4.3.2" => "DSA-SHA256",
        "1.2.840.10045.4.1" => "ECDSA-SHA1",
        "1.2.840.10045.4.3.2" => "ECDSA-SHA256",
        "1.2.840.10045.4.3.3" => "ECDSA-SHA384",
        "1.2.840.10045.4.3.4" => "ECDSA-SHA512",
        "1.3.101.112" => "Ed25519",
        other => return other.to_owned(),
    };
    known.to_owned()
}

/// The hash of RSA-PSS is in its parameters.
fn pss(id: &AlgorithmIdentifier<'_>) -> &'static str {
    use x509_parser::signature_algorithm::RsaSsaPssParams;
    let hash = id.parameters.as_ref().and_then(|any| RsaSsaPssParams::try_from(any).ok());
    match hash.map(|params| params.hash_algorithm_oid().to_id_string()).as_deref() {
        Some("2.16.840.1.101.3.4.2.1") => "SHA256-RSAPSS",
        Some("2.16.840.1.101.3.4.2.2") => "SHA384-RSAPSS",
        Some("2.16.840.1.101.3.4.2.3") => "SHA512-RSAPSS",
        _ => "SHA1-RSAPSS",
    }
}
