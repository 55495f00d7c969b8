//! `conn.*` and `endpoint.*`

use super::{
    Field, dual, flag, free, int, moment, no, no_list, no_map, no_text, null, record, text, time, zero,
};
use crate::activation::{Activation, TlsFacts};
use crate::value::Value;
use std::net::SocketAddr;

pub(super) static CONNECTION: &[Field] = &[
    dual("client_ip", |a| address(client(a)), ADDRESS),
    int("client_port", |a| port(client(a))),
    dual("server_ip", |a| address(server(a)), ADDRESS),
    int("server_port", |a| port(server(a))),
    text("server_region", no_text),
    record("ts", &[time("start", |a| a.connection.map_or(Value::Null, |c| moment(c.started)))]),
    int("bytes_in", zero),
    int("bytes_out", zero),
    record("geo", FLAT_PLACE),
    record("k8s", &[record("pod", &[text("id", no_text), record("metadata", POD)])]),
    record("tls", TLS),
];

static POD: &[Field] = &[
    text("name", no_text),
    text("namespace", no_text),
    free("annotations", no_map),
    text("error_code", no_text),
    text("error_message", no_text),
];

static FLAT_PLACE: &[Field] = &[
    text("city", no_text),
    text("country", no_text),
    text("country_code", no_text),
    text("latitude", no_text),
    text("longitude", no_text),
    text("radius", no_text),
    text("subdivision", no_text),
];

/// Facts about an address. They need data files, which nothing loads yet: each field is empty.
static ADDRESS: &[Field] = &[
    free("categories", no_list),
    flag("is_on_blocklist", no),
    flag("is_tor_node", no),
    record("as", &[int("number", zero), text("organization", no_text)]),
    record("geo", &[record("location", LOCATION), record("registered_location", REGISTERED)]),
];

static LOCATION: &[Field] = &[
    text("city", no_text),
    text("continent", no_text),
    text("country", no_text),
    text("country_code", no_text),
    text("latitude", no_text),
    text("longitude", no_text),
    text("metro_code", no_text),
    text("postal_code", no_text),
    text("radius", no_text),
    text("subdivision", no_text),
    text("timezone", no_text),
    flag("is_eu", no),
];

static REGISTERED: &[Field] = &[
    text("city", no_text),
    text("continent", no_text),
    text("country", no_text),
    text("country_code", no_text),
    text("metro_code", no_text),
    text("subdivision", no_text),
    text("timezone", no_text),
    flag("is_eu", no),
];

static TLS: &[Field] = &[
    text("cipher_suite", |a| tls(a, |tls| &tls.cipher_suite)),
    text("ja4_fingerprint", no_text),
    text("negotiated_alpn", |a| tls(a, |tls| &tls.alpn)),
    flag("session_resumed", no),
    text("sni", |a| tls(a, |tls| &tls.sni)),
    text("version", |a| tls(a, |tls| &tls.version)),
    record("client", CLIENT_CERTIFICATE),
    record("server", CERTIFICATE),
];

static CLIENT_CERTIFICATE: &[Field] = &[
    free("extensions", no_list),
    dual("issuer", no_text, NAME),
    dual("subject", no_text, NAME),
    text("pem", no_text),
    dual("san", no_text, ALTERNATIVE_NAMES),
    text("serial_number", no_text),
    text("signature_algorithm", no_text),
    record("validity", VALIDITY),
];

static CERTIFICATE: &[Field] = &[
    free("extensions", no_list),
    dual("issuer", no_text, NAME),
    dual("subject", no_text, NAME),
    dual("san", no_text, ALTERNATIVE_NAMES),
    text("serial_number", no_text),
    text("signature_algorithm", no_text),
    record("validity", VALIDITY),
];

static NAME: &[Field] = &[
    text("common_name", no_text),
    free("country", no_list),
    free("locality", no_list),
    free("organization", no_list),
    free("organizational_unit", no_list),
    free("postal_code", no_list),
    free("province", no_list),
    free("street_address", no_list),
];

static ALTERNATIVE_NAMES: &[Field] = &[
    free("dns_names", no_list),
    free("email_addresses", no_list),
    free("ip_addresses", no_list),
    free("uris", no_list),
];

static VALIDITY: &[Field] = &[time("not_before", null), time("not_after", null)];

pub(super) static ENDPOINT: &[Field] = &[
    text("addr", |a| a.endpoint.map_or_else(|| Value::text(""), |e| format!("{}:{}", e.host, e.port).into())),
    text("host", |a| a.endpoint.map_or_else(|| Value::text(""), |e| Value::String(e.host.clone()))),
    text("id", |a| a.endpoint.map_or_else(|| Value::text(""), |e| Value::String(e.id.clone()))),
    int("port", |a| Value::Int(a.endpoint.map_or(0, |e| i64::from(e.port)))),
    text("protocol", |a| Value::from(a.endpoint.map_or("", |e| e.protocol))),
    text("url", |a| {
        let Some(endpoint) = a.endpoint else { return Value::text("") };
        match (endpoint.protocol, endpoint.port) {
            ("https", 443) | ("http", 80) => format!("{}://{}", endpoint.protocol, endpoint.host).into(),
            (protocol, port) => format!("{protocol}://{}:{port}", endpoint.host).into(),
        }
    }),
];

fn client(a: &Activation<'_>) -> Option<SocketAddr> {
    a.connection.map(|connection| connection.client)
}

fn server(a: &Activation<'_>) -> Option<SocketAddr> {
    a.connection.map(|connection| connection.server)
}

/// The address as text. An IPv4 address in IPv6 form is written as IPv4, so that rules match it.
fn address(socket: Option<SocketAddr>) -> Value {
    socket.map_or_else(|| Value::text(""), |socket| socket.ip().to_canonical().to_string().into())
}

fn port(socket: Option<SocketAddr>) -> Value {
    Value::Int(socket.map_or(0, |socket| i64::from(socket.port())))
}

fn tls(a: &Activation<'_>, read: impl Fn(&TlsFacts) -> &String) -> Value {
    let facts = a.connection.and_then(|connection| connection.tls.as_ref());
    Value::from(facts.map_or("", |facts| read(facts).as_str()))
}
