//! `conn.tls.client.*` and `conn.tls.server.*`: certificates, parsed when a field is first read.

use super::{Field, dual, free, record, text, texts, time};
use crate::activation::Activation;
use crate::facts::{Certificate, ParsedCertificate};
use crate::value::Value;

/// The fields of a distinguished name.
macro_rules! name {
    ($find:ident, $part:ident) => {
        &[
            text("common_name", "The common name (`CN`).", |a| {
                Value::from($find(a).map_or("", |c| &c.$part.common_name))
            }),
            texts("country", "Every country (`C`).", |a| list($find(a), |c| &c.$part.country)),
            texts("locality", "Every locality (`L`).", |a| list($find(a), |c| &c.$part.locality)),
            texts("organization", "Every organization (`O`).", |a| list($find(a), |c| &c.$part.organization)),
            texts("organizational_unit", "Every unit of one (`OU`).", |a| {
                list($find(a), |c| &c.$part.organizational_unit)
            }),
            texts("postal_code", "Every postal code.", |a| list($find(a), |c| &c.$part.postal_code)),
            texts("province", "Every state or province (`ST`).", |a| list($find(a), |c| &c.$part.province)),
            texts("street_address", "Every street.", |a| list($find(a), |c| &c.$part.street_address)),
        ]
    };
}

/// The fields of the certificate that `$find` finds, with `$more` of its own.
macro_rules! certificate {
    ($find:ident $(, $more:expr)*) => {
        &[
            free("extensions", "list of maps", "Each has `id` (dotted), `critical` (bool) and `value` (bytes).", |a| {
                $find(a).map_or_else(no_list, ParsedCertificate::extensions_value)
            }),
            dual("issuer", "Who signed it: `CN=..,O=..,C=..`.", |a| word($find(a), |c| &c.issuer.text), name!($find, issuer)),
            dual("subject", "Whose it is.", |a| word($find(a), |c| &c.subject.text), name!($find, subject)),
            dual(
                "san",
                "Its other names: `DNS:a.example, IP Address:192.0.2.1`.",
                |a| word($find(a), |c| &c.san),
                &[
                    texts("dns_names", "The host names.", |a| list($find(a), |c| &c.dns_names)),
                    texts("email_addresses", "The mail addresses.", |a| list($find(a), |c| &c.email_addresses)),
                    texts("ip_addresses", "The IP addresses.", |a| list($find(a), |c| &c.ip_addresses)),
                    texts("uris", "The URIs.", |a| list($find(a), |c| &c.uris)),
                ],
            ),
            text("serial_number", "Lower-case hexadecimal.", |a| word($find(a), |c| &c.serial_number)),
            text("signature_algorithm", "Such as `SHA256-RSA`, `ECDSA-SHA256`, `Ed25519`.", |a| {
                word($find(a), |c| &c.signature_algorithm)
            }),
            record(
                "validity",
                &[
                    time("not_before", "The first moment it is valid.", |a| moment($find(a), |c| c.not_before)),
                    time("not_after", "The last one.", |a| moment($find(a), |c| c.not_after)),
                ],
            ),
            $($more,)*
        ]
    };
}

pub(super) static CLIENT: &[Field] = certificate!(
    client,
    text("pem", "The certificate as PEM.", |a| {
        shown(a).map_or_else(|| Value::text(""), |certificate| certificate.pem().into())
    })
);
pub(super) static SERVER: &[Field] = certificate!(server);

fn shown<'a>(a: &Activation<'a>) -> Option<&'a Certificate> {
    a.connection.and_then(|connection| connection.tls.as_ref()?.client.as_deref())
}

fn client<'a>(a: &Activation<'a>) -> Option<&'a ParsedCertificate> {
    shown(a).map(Certificate::parsed)
}

fn server<'a>(a: &Activation<'a>) -> Option<&'a ParsedCertificate> {
    a.connection.and_then(|connection| connection.tls.as_ref()?.server.as_deref()).map(Certificate::parsed)
}

fn word(from: Option<&ParsedCertificate>, read: impl Fn(&ParsedCertificate) -> &String) -> Value {
    Value::from(from.map_or("", |certificate| read(certificate).as_str()))
}

fn list(from: Option<&ParsedCertificate>, read: impl Fn(&ParsedCertificate) -> &Vec<String>) -> Value {
    from.map_or_else(no_list, |certificate| crate::facts::texts(read(certificate)))
}

fn no_list() -> Value {
    Value::List(std::sync::Arc::new([]))
}

fn moment(from: Option<&ParsedCertificate>, read: impl Fn(&ParsedCertificate) -> Option<i64>) -> Value {
    crate::facts::moment(from.and_then(read))
}
