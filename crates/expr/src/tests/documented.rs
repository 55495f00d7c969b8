//! Every variable and function that the traffic policy language documents exists, has its type where nothing is
//! known, and is refused outside its phases.

use super::world::{World, faults};
use crate::Scope::{Connect, Event, KeyStrategy, ModelStrategy, Request, Response, Retry, Terminated};
use crate::{Activation, NoSecrets, Program, Scope, Value};

/// What a variable is when the engine knows nothing.
#[derive(Clone, Copy)]
enum Zero {
    Text,
    Int,
    Bool,
    /// `null`: a time that is not known.
    Never,
    List,
    Map,
}
use Zero::{Bool, Int, List, Map, Never, Text};

/// Variables by the phases they exist in.
const ALWAYS: &[(&str, Zero)] = &[
    ("conn.client_ip", Text),
    ("conn.client_port", Int),
    ("conn.server_ip", Text),
    ("conn.server_port", Int),
    ("conn.server_region", Text),
    ("conn.ts.start", Never),
    ("conn.geo.city", Text),
    ("conn.geo.country", Text),
    ("conn.geo.country_code", Text),
    ("conn.geo.latitude", Text),
    ("conn.geo.longitude", Text),
    ("conn.geo.radius", Text),
    ("conn.geo.subdivision", Text),
    ("conn.k8s.pod.id", Text),
    ("conn.k8s.pod.metadata.name", Text),
    ("conn.k8s.pod.metadata.namespace", Text),
    ("conn.k8s.pod.metadata.annotations", Map),
    ("conn.k8s.pod.metadata.error_code", Text),
    ("conn.k8s.pod.metadata.error_message", Text),
    ("conn.tls.sni", Text),
    ("conn.tls.ja4_fingerprint", Text),
    ("endpoint.addr", Text),
    ("endpoint.host", Text),
    ("endpoint.id", Text),
    ("endpoint.port", Int),
    ("endpoint.protocol", Text),
];

/// Below `conn.client_ip` and `conn.server_ip`.
const ADDRESS: &[(&str, Zero)] = &[
    ("categories", List),
    ("is_on_blocklist", Bool),
    ("is_tor_node", Bool),
    ("as.number", Int),
    ("as.organization", Text),
    ("geo.location.city", Text),
    ("geo.location.continent", Text),
    ("geo.location.country", Text),
    ("geo.location.country_code", Text),
    ("geo.location.latitude", Text),
    ("geo.location.longitude", Text),
    ("geo.location.metro_code", Text),
    ("geo.location.postal_code", Text),
    ("geo.location.radius", Text),
    ("geo.location.subdivision", Text),
    ("geo.location.timezone", Text),
    ("geo.location.is_eu", Bool),
    ("geo.registered_location.city", Text),
    ("geo.registered_location.continent", Text),
    ("geo.registered_location.country", Text),
    ("geo.registered_location.country_code", Text),
    ("geo.registered_location.metro_code", Text),
    ("geo.registered_location.subdivision", Text),
    ("geo.registered_location.timezone", Text),
    ("geo.registered_location.is_eu", Bool),
];

/// Below `conn.tls.client` and `conn.tls.server`.
const CERTIFICATE: &[(&str, Zero)] = &[
    ("extensions", List),
    ("issuer", Text),
    ("issuer.common_name", Text),
    ("issuer.country", List),
    ("issuer.locality", List),
    ("issuer.organization", List),
    ("issuer.organizational_unit", List),
    ("issuer.postal_code", List),
    ("issuer.province", List),
    ("issuer.street_address", List),
    ("subject", Text),
    ("subject.common_name", Text),
    ("subject.country", List),
    ("subject.locality", List),
    ("subject.organization", List),
    ("subject.organizational_unit", List),
    ("subject.postal_code", List),
    ("subject.province", List),
    ("subject.street_address", List),
    ("san", Text),
    ("san.dns_names", List),
    ("san.email_addresses", List),
    ("san.ip_addresses", List),
    ("san.uris", List),
    ("serial_number", Text),
    ("signature_algorithm", Text),
    ("validity.not_before", Never),
    ("validity.not_after", Never),
];

/// What is known once a handshake is over.
const SHAKEN: &[(&str, Zero)] = &[
    ("conn.tls.cipher_suite", Text),
    ("conn.tls.negotiated_alpn", Text),
    ("conn.tls.session_resumed", Bool),
    ("conn.tls.version", Text),
    ("conn.tls.client.pem", Text),
];

const HTTP: &[(&str, Zero)] = &[
    ("conn.bytes_in", Int),
    ("conn.bytes_out", Int),
    ("req.id", Text),
    ("req.path", Text),
    ("req.method", Text),
    ("req.version", Text),
    ("req.host", Text),
    ("req.headers['x']", List),
    ("req.trailers['x']", List),
    ("req.cookies['x']", List),
    ("req.content_encoding", List),
    ("req.content_length", Int),
    ("req.content_type", Text),
    ("req.content_type.parameters", Map),
    ("req.content_type.raw", Text),
    ("req.location", Text),
    ("req.ts.header_received", Never),
    ("req.ts.body_received", Never),
    ("req.url", Text),
    ("req.url.authority", Text),
    ("req.url.host", Text),
    ("req.url.port", Int),
    ("req.url.path", Text),
    ("req.url.raw", Text),
    ("req.url.raw_path", Text),
    ("req.url.query", Text),
    ("req.url.query_params['x']", List),
    ("req.url.scheme", Text),
    ("req.url.uri", Text),
    ("req.url.user_password", Text),
    ("req.user_agent", Text),
    ("req.user_agent.name", Text),
    ("req.user_agent.version", Text),
    ("req.user_agent.os", Text),
    ("req.user_agent.os_version", Text),
    ("req.user_agent.device", Text),
    ("req.user_agent.url", Text),
    ("req.user_agent.is_mobile", Bool),
    ("req.user_agent.is_tablet", Bool),
    ("req.user_agent.is_desktop", Bool),
    ("req.user_agent.is_bot", Bool),
    ("getReqHeader('x')", List),
    ("hasReqHeader('x')", Bool),
    ("getReqCookie('x').value", Text),
    ("hasReqCookie('x')", Bool),
    ("getQueryParam('x')", List),
    ("hasQueryParam('x')", Bool),
];

const ANSWER: &[(&str, Zero)] = &[
    ("res.status_code", Int),
    ("res.headers['x']", List),
    ("res.trailers['x']", List),
    ("res.content_encoding", List),
    ("res.content_length", Int),
    ("res.content_type", Text),
    ("res.content_type.parameters", Map),
    ("res.content_type.raw", Text),
    ("res.location", Text),
    ("res.cookies['x']", List),
    ("res.cookies['x'][0].name", Text),
    ("res.cookies['x'][0].value", Text),
    ("res.cookies['x'][0].domain", Text),
    ("res.cookies['x'][0].path", Text),
    ("res.cookies['x'][0].same_site", Text),
    ("res.cookies['x'][0].secure", Bool),
    ("res.cookies['x'][0].http_only", Bool),
    ("res.cookies['x'][0].expires", Never),
    ("res.cookies['x'][0].unparsed_attributes", Map),
    ("getResHeader('x')", List),
    ("hasResHeader('x')", Bool),
    ("getResCookie('x').value", Text),
    ("hasResCookie('x')", Bool),
];

fn is(value: &Value, zero: Zero) -> bool {
    match (zero, value) {
        (Text, Value::String(text)) => text.is_empty() || &**text == "://",
        (Int, Value::Int(0)) | (Bool, Value::Bool(false)) | (Never, Value::Null) => true,
        (List, Value::List(list)) => list.is_empty(),
        (List, Value::Lines(list)) => list.is_empty(),
        (Map, Value::Map(map)) => map.is_empty(),
        _ => false,
    }
}

/// Checks that a variable exists in some scopes, empty when there is nothing, and is refused by name in the others.
fn exists(source: &str, zero: Zero, scopes: &[Scope]) {
    let nothing = Activation::new(&NoSecrets, super::world::now());
    for scope in EVERYWHERE.iter().copied() {
        if scopes.contains(&scope) {
            let program = Program::compile(source, scope).unwrap_or_else(|e| panic!("{source}: {e:?}"));
            let value = program.eval(&nothing).unwrap_or_else(|e| panic!("{source}: {e}"));
            assert!(is(&value, zero), "{source} is {value:?}");
        } else {
            let found = faults(source, scope);
            let told =
                found.iter().any(|fault| fault.contains("is not available here (help: it exists in `on_"));
            assert!(told, "{source} in {scope:?}: {found:?}");
        }
    }
}

const EVERYWHERE: &[Scope] =
    &[Connect, Terminated, Request, Response, Event, ModelStrategy, KeyStrategy, Retry];
const SHAKEN_SCOPES: &[Scope] = &[Terminated, Request, Response, Event, ModelStrategy, KeyStrategy, Retry];
const HTTP_SCOPES: &[Scope] = &[Request, Response, Event, ModelStrategy, KeyStrategy, Retry];

#[test]
fn variables_exist_in_their_phases_and_nowhere_else() {
    for (source, zero) in ALWAYS.iter().copied() {
        exists(source, zero, EVERYWHERE);
    }
    for (below, zero) in ADDRESS.iter().copied() {
        exists(&format!("conn.client_ip.{below}"), zero, EVERYWHERE);
        exists(&format!("conn.server_ip.{below}"), zero, EVERYWHERE);
    }
    for (below, zero) in CERTIFICATE.iter().copied() {
        exists(&format!("conn.tls.client.{below}"), zero, SHAKEN_SCOPES);
        exists(&format!("conn.tls.server.{below}"), zero, SHAKEN_SCOPES);
    }
    for (source, zero) in SHAKEN.iter().copied() {
        exists(source, zero, SHAKEN_SCOPES);
    }
    for (source, zero) in HTTP.iter().copied() {
        exists(source, zero, HTTP_SCOPES);
    }
    for (source, zero) in ANSWER.iter().copied() {
        exists(source, zero, &[Response, Event]);
    }
}

#[test]
fn the_others_exist_where_they_should() {
    let compiles = |source: &str, scope| Program::compile(source, scope).is_ok();
    for scope in EVERYWHERE.iter().copied() {
        for source in
            ["time.now != ''", "has(vars.x)", "actions.ngrok.terminate_tls.sni == 'x'", "endpoint.url != ''"]
        {
            assert!(compiles(source, scope), "{source} in {scope:?}");
        }
        assert_eq!(compiles("ai.models", scope), scope == ModelStrategy);
        assert_eq!(compiles("ai.keys", scope), scope == KeyStrategy);
        assert_eq!(compiles("attempts < 3 && last_attempt.res.status_code == 500", scope), scope == Retry);
    }
    // Not of the language, though some pages have them.
    for source in ["conn.ts.end", "req.raw", "req.body", "request.method", "conn.tls.server.pem"] {
        assert!(!compiles(source, Response), "{source}");
    }
}

/// A call of every function; those with the same meaning under several names stand once a name.
const CALLS: &[&str] = &[
    "base64.decode('')",
    "base64.encode(b'')",
    "basic_auth.encode('', '')",
    "hash.crc32('', 'hex')",
    "hash.crc64('')",
    "hash.md5('')",
    "hash.sha1('')",
    "hash.sha256('')",
    "hash.sha512('', 'base64')",
    "hash.xxhash64('')",
    "json.decode('1')",
    "json.encode([])",
    "queryString.decode('')",
    "queryString.encode({})",
    "rand.double()",
    "rand.int()",
    "rand.int(0, 1)",
    "url.escape('')",
    "url.unescape('')",
    "url.parse('https://h')",
    "has(vars.x)",
    "has(vars['x'])",
    "inCidrRange('', '')",
    "inCidrRanges('', [])",
    "lists.range(0)",
    "strings.quote('')",
    "matches('', '')",
    "size('')",
    "b''.size()",
    "[].size()",
    "{}.size()",
    "[].all(x, x)",
    "[].exists(x, x)",
    "[].exists_one(x, x)",
    "[].filter(x, x)",
    "[].map(x, x)",
    "[].map(x, x, x)",
    "{}.all(k, k == '')",
    "{}.exists(k, k == '')",
    "{}.exists_one(k, k == '')",
    "{}.filter(k, k == '')",
    "{}.map(k, k)",
    "{}.map(k, k == '', k)",
    "[].join()",
    "[].join(',')",
    "[].slice(0, 0)",
    "[].flatten()",
    "[].flatten(2)",
    "[].sort()",
    "[].sortBy(x, x)",
    "[].sort(x, y, x < y)",
    "[].distinct()",
    "[].encodeJson()",
    "{}.encodeJson()",
    "{}.encodeQueryString()",
    "''.matches('a')",
    "''.startsWith('')",
    "''.endsWith('')",
    "''.contains('')",
    "''.size()",
    "''.charAt(0)",
    "''.indexOf('')",
    "''.indexOf('', 0)",
    "''.lastIndexOf('')",
    "''.lastIndexOf('', 0)",
    "''.substring(0)",
    "''.substring(0, 0)",
    "''.split()",
    "''.split(',')",
    "''.split(',', 1)",
    "''.replace('a', 'b')",
    "''.replace('a', 'b', 1)",
    "''.format([])",
    "''.lower()",
    "''.upper()",
    "''.lowerAscii()",
    "''.upperAscii()",
    "''.trim()",
    "''.reverse()",
    "''.encodeBase64()",
    "''.decodeBase64()",
    "'1'.decodeJson()",
    "''.decodeQueryString()",
    "''.escapeUrl()",
    "''.unescapeUrl()",
    "'https://h'.parseUrl()",
    "''.isJson()",
    "''.isQueryString()",
    "''.isURL()",
    "''.isPrivateIp()",
    "''.md5()",
    "''.sha1()",
    "''.sha256()",
    "''.sha512()",
    "''.crc32()",
    "''.crc64()",
    "''.xxhash64('base64')",
    "timestamp(0).getDate()",
    "timestamp(0).getDate('Asia/Tokyo')",
    "timestamp(0).getDayOfMonth()",
    "timestamp(0).getDayOfWeek()",
    "timestamp(0).getDayOfYear()",
    "timestamp(0).getFullYear()",
    "timestamp(0).getMonth()",
    "timestamp(0).getHours('Asia/Tokyo')",
    "timestamp(0).getMinutes()",
    "timestamp(0).getSeconds()",
    "timestamp(0).getMilliseconds()",
    "duration('1s').getHours()",
    "duration('1s').getMinutes()",
    "duration('1s').getSeconds()",
    "duration('1s').getMilliseconds()",
    "int('1')",
    "uint('1')",
    "double('1')",
    "string(1)",
    "bytes('')",
    "bool('true')",
    "dyn(1)",
    "type(1)",
    "secrets.get('default', 'token')",
    "secrets.get('token')",
    "security.secret('default', 'token')",
    "''.includes('')",
    "''.starts_with('')",
    "''.ends_with('')",
];

#[test]
fn every_function_runs_in_every_phase() {
    let world = World::default();
    for source in CALLS.iter().copied() {
        for scope in [Connect, Request, Response, Event] {
            let result = world.eval(source, scope);
            assert!(result.is_ok(), "{source}: {result:?}");
        }
    }
}
