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

/// Headers in which clients send credentials, and those in which login proxies in front of the gateway hand on a
/// user's token: oauth2-proxy, Cloudflare Access, Google's IAP, AWS load balancers, Azure App Service.
pub const CLIENT_CREDENTIALS: [&str; 20] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "proxy-authorization",
    "x-auth-token",
    "x-access-token",
    "x-forwarded-access-token",
    "x-auth-request-access-token",
    "cf-access-jwt-assertion",
    "cf-access-client-id",
    "cf-access-client-secret",
    "x-goog-iap-jwt-assertion",
    "x-amz-security-token",
    "x-amzn-oidc-accesstoken",
    "x-amzn-oidc-data",
    "x-amzn-oidc-identity",
    "x-ms-token-aad-access-token",
    "x-ms-token-aad-id-token",
];

/// Headers not sent upstream when the gateway uses a key of its own, beside [`CLIENT_CREDENTIALS`]: the common
/// credentials, and names of accounts these belong to.
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

/// Query parameters in which clients send credentials, in lower case, without `-`, `_` and `.`.
const CREDENTIAL_PARAMETERS: [&str; 12] = [
    "key",
    "apikey",
    "xapikey",
    "xgoogapikey",
    "subscriptionkey",
    "token",
    "accesstoken",
    "authtoken",
    "auth",
    "authorization",
    "password",
    "secret",
];

/// Request headers that are made anew for each call, beside those of the connection.
pub const STRIPPED: [&str; 4] = ["host", "content-length", "accept-encoding", "expect"];

/// Response headers by which a server rules over its whole origin: cookies, transport, storage, reporting. Through the
/// gateway they would rule over the gateway's origin.
pub const ORIGIN_SCOPED: [&str; 9] = [
    "set-cookie",
    "set-cookie2",
    "alt-svc",
    "strict-transport-security",
    "clear-site-data",
    "nel",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
];

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
    is_client_credential(name) || listed(&STRIPPED_WITH_OWN_KEY, name)
}

/// Whether a request header never goes upstream as the client sent it.
#[must_use]
pub fn is_stripped(name: &str) -> bool {
    listed(&STRIPPED, name) || is_hop_by_hop(name) || is_own(name)
}

/// Whether an upstream's response header never reaches the client: those of the connection, and those by which the
/// gateway speaks for itself.
#[must_use]
pub fn is_withheld(name: &str) -> bool {
    is_hop_by_hop(name) || is_own(name) || name.eq_ignore_ascii_case("ngrok-error-code")
}

/// Whether a response header rules over a whole origin: a provider's would rule over the gateway's.
#[must_use]
pub fn is_origin_scoped(name: &str) -> bool {
    listed(&ORIGIN_SCOPED, name)
}

/// Whether a query parameter of a client may hold a credential. Spelling, case, `-`, `_` and `.` do not matter; the
/// name is given without percent-encoding.
#[must_use]
pub fn is_credential_parameter(name: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b'.'));
    CREDENTIAL_PARAMETERS
        .iter()
        .any(|known| letters.clone().map(|b| b.to_ascii_lowercase()).eq(known.bytes()))
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
            ("Cf-Access-Jwt-Assertion", false, true, true, false, false),
            ("x-auth-token", false, true, true, false, false),
            ("set-cookie", false, false, false, false, false),
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
    fn origin_scoped() {
        for name in ["set-cookie", "Alt-Svc", "Strict-Transport-Security", "clear-site-data"] {
            assert!(is_origin_scoped(name), "{name}");
        }
        assert!(!is_origin_scoped("cookie") && !is_origin_scoped("retry-after"));
    }

    #[test]
    fn credential_parameters() {
        for name in ["key", "API_KEY", "x-goog-api-key", "Access.Token", "token", "subscription-key"] {
            assert!(is_credential_parameter(name), "{name}");
        }
        for name in ["", "api-version", "beta", "keys", "max_tokens", "alt"] {
            assert!(!is_credential_parameter(name), "{name}");
        }
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
