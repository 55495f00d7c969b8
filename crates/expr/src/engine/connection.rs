//! `conn.*` and `endpoint.*`

use super::network::{CLIENT_ADDRESS, CLIENT_PLACE, SERVER_ADDRESS};
use super::{Field, certificates, dual, flag, free, int, moment, record, text, time};
use crate::activation::Activation;
use crate::facts::{PodFacts, TlsFacts, Traffic};
use crate::scope::Phases;
use crate::value::Value;
use std::net::SocketAddr;
use std::sync::Arc;

pub(super) static CONNECTION: &[Field] = &[
    dual(
        "client_ip",
        "The client's address: of the connection, never of a header.",
        |a| address(client(a)),
        CLIENT_ADDRESS,
    ),
    int("client_port", "The client's port.", |a| port(client(a))),
    dual("server_ip", "The address that the client reached.", |a| address(server(a)), SERVER_ADDRESS),
    int("server_port", "Its port.", |a| port(server(a))),
    text("server_region", "The operator's label for this place.", |a| {
        a.connection.map_or_else(|| Value::text(""), |c| Value::String(c.region.clone()))
    }),
    record(
        "ts",
        &[time("start", "When the connection was accepted.", |a| {
            a.connection.map_or(Value::Null, |c| moment(c.started))
        })],
    ),
    int("bytes_in", "Bytes from the client so far, on this connection.", |a| bytes(a, Traffic::received))
        .only(Phases::HTTP),
    int("bytes_out", "Bytes to the client so far.", |a| bytes(a, Traffic::sent)).only(Phases::HTTP),
    record("geo", CLIENT_PLACE),
    record("k8s", &[record("pod", POD)]),
    record("tls", TLS),
];

static POD: &[Field] = &[
    text("id", "The UID of the pod that the connection comes from.", |a| pod(a, |pod| &pod.id)),
    record("metadata", POD_METADATA),
];

static POD_METADATA: &[Field] = &[
    text("name", "The pod's name.", |a| pod(a, |pod| &pod.name)),
    text("namespace", "Its namespace.", |a| pod(a, |pod| &pod.namespace)),
    free("annotations", "strings by name", "Its annotations.", |a| {
        Value::Map(facts(a).map_or_else(Arc::default, |pod| pod.annotations.clone()))
    }),
    text("error_code", "Why they are not known; empty when they are.", |a| pod(a, |pod| &pod.error_code)),
    text("error_message", "The same in words.", |a| pod(a, |pod| &pod.error_message)),
];

static TLS: &[Field] = &[
    text("cipher_suite", "IANA's name of the cipher suite.", |a| tls(a, |tls| &tls.cipher_suite))
        .only(Phases::SHAKEN),
    text("ja4_fingerprint", "JA4 fingerprint of the client's hello.", |a| tls(a, |tls| &tls.ja4)),
    text("negotiated_alpn", "The protocol agreed on, such as `h2`.", |a| tls(a, |tls| &tls.alpn))
        .only(Phases::SHAKEN),
    flag("session_resumed", "Always false.", |_| Value::Bool(false)).only(Phases::SHAKEN),
    text("sni", "The server's name that the client asked for.", |a| tls(a, |tls| &tls.sni)),
    text("version", "`1.2` or `1.3`: a text, to be compared with a text.", |a| tls(a, |tls| &tls.version))
        .only(Phases::SHAKEN),
    record("client", certificates::CLIENT).only(Phases::SHAKEN),
    record("server", certificates::SERVER).only(Phases::SHAKEN),
];

pub(super) static ENDPOINT: &[Field] = &[
    text("addr", "Host and port.", |a| {
        a.endpoint.map_or_else(|| Value::text(""), |e| format!("{}:{}", e.host, e.port).into())
    }),
    text("host", "The host's name.", |a| {
        a.endpoint.map_or_else(|| Value::text(""), |e| Value::String(e.host.clone()))
    }),
    text("id", "A stable id.", |a| {
        a.endpoint.map_or_else(|| Value::text(""), |e| Value::String(e.id.clone()))
    }),
    int("port", "The port.", |a| Value::Int(a.endpoint.map_or(0, |e| i64::from(e.port)))),
    text("protocol", "`http`, `https`, `tcp` or `tls`.", |a| {
        Value::from(a.endpoint.map_or("", |e| e.protocol))
    }),
    text("url", "Such as `https://api.example`, without a port that is the scheme's own.", |a| {
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

fn bytes(a: &Activation<'_>, read: impl Fn(&Traffic) -> u64) -> Value {
    let count = a.connection.and_then(|connection| connection.traffic.as_deref()).map_or(0, read);
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn facts<'a>(a: &Activation<'a>) -> Option<&'a PodFacts> {
    a.connection.and_then(|connection| connection.pod.as_deref())
}

fn pod(a: &Activation<'_>, read: impl Fn(&PodFacts) -> &String) -> Value {
    Value::from(facts(a).map_or("", |pod| read(pod).as_str()))
}

fn tls(a: &Activation<'_>, read: impl Fn(&TlsFacts) -> &String) -> Value {
    let facts = a.connection.and_then(|connection| connection.tls.as_ref());
    Value::from(facts.map_or("", |facts| read(facts).as_str()))
}
