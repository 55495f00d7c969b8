//! Which headers end at the gateway.

use http::HeaderMap;

/// Headers of one connection (RFC 9110, section 7.6.1, and those in use before it).
pub const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers in which clients send credentials.
pub const CLIENT_CREDENTIALS: [&str; 6] =
    ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"];

/// Headers not sent upstream when the gateway uses a key of its own: credentials, and names of accounts these belong
/// to.
pub const STRIPPED_WITH_OWN_KEY: [&str; 8] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "proxy-authorization",
    "openai-organization",
    "openai-project",
];

/// Request headers that are made anew for each call, beside those of the connection.
pub const STRIPPED: [&str; 4] = ["host", "content-length", "accept-encoding", "expect"];

/// Prefix of headers only the gateway sets.
pub const OWN_PREFIX: &str = "x-tollgate-";

/// Whether a header belongs to one connection.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    listed(&HOP_BY_HOP, name)
}

/// Whether `Connection` names this header, which makes it one of that connection.
#[must_use]
pub fn is_named_by_connection(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case(name))
}

/// Whether a client's credential may be in it.
#[must_use]
pub fn is_client_credential(name: &str) -> bool {
    listed(&CLIENT_CREDENTIALS, name)
}

/// Whether a request header is left out when the gateway uses a key of its own.
#[must_use]
pub fn is_stripped_with_own_key(name: &str) -> bool {
    listed(&STRIPPED_WITH_OWN_KEY, name)
}

/// Whether a request header never goes upstream as the client sent it.
#[must_use]
pub fn is_stripped(name: &str) -> bool {
    listed(&STRIPPED, name) || is_hop_by_hop(name) || is_own(name)
}

/// Whether a provider's response header never reaches the client: those of the connection, and those by which
/// the gateway speaks for itself.
#[must_use]
pub fn is_withheld(name: &str) -> bool {
    is_hop_by_hop(name) || is_own(name) || name.eq_ignore_ascii_case("ngrok-error-code")
}

fn is_own(name: &str) -> bool {
    name.get(..OWN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX))
}

fn listed(list: &[&str], name: &str) -> bool {
    list.iter().any(|listed| listed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderValue;

    #[test]
    fn kinds() {
        for (name, hop, credential, own_key, stripped, withheld) in [
            ("connection", true, false, false, true, true),
            ("Transfer-Encoding", true, false, false, true, true),
            ("proxy-authorization", true, true, true, true, true),
            ("Authorization", false, true, true, false, false),
            ("x-api-key", false, true, true, false, false),
            ("cookie", false, true, true, false, false),
            ("openai-project", false, false, true, false, false),
            ("host", false, false, false, true, false),
            ("accept-encoding", false, false, false, true, false),
            ("X-Tollgate-Attempts", false, false, false, true, true),
            ("ngrok-error-code", false, false, false, false, true),
            ("anthropic-beta", false, false, false, false, false),
            ("idempotency-key", false, false, false, false, false),
            ("retry-after", false, false, false, false, false),
            ("é", false, false, false, false, false),
        ] {
            assert_eq!(is_hop_by_hop(name), hop, "{name}");
            assert_eq!(is_client_credential(name), credential, "{name}");
            assert_eq!(is_stripped_with_own_key(name), own_key, "{name}");
            assert_eq!(is_stripped(name), stripped, "{name}");
            assert_eq!(is_withheld(name), withheld, "{name}");
        }
        assert!(CLIENT_CREDENTIALS.iter().all(|name| is_stripped_with_own_key(name)));
    }

    #[test]
    fn named_by_connection() {
        let mut headers = HeaderMap::new();
        headers.append("connection", HeaderValue::from_static("close, X-Foo"));
        headers.append("connection", HeaderValue::from_static("x-bar"));
        assert!(is_named_by_connection(&headers, "x-foo"));
        assert!(is_named_by_connection(&headers, "x-bar"));
        assert!(!is_named_by_connection(&headers, "x-baz"));
    }
}
