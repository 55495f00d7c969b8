//! The paths of an endpoint that belong to its login, and which requests a browser can be sent away with.

use super::cookies::Names;
use super::form::parameter;
use super::local_path::local_path;
use crate::web_url::encode;
use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, UPGRADE};
use tollgate_expr::RequestFacts;

/// Begins a login, whoever is logged in already.
const LOGIN: &str = "/ngrok/login";
/// Ends a session.
const LOGOUT: &str = "/ngrok/logout";
/// Where the provider sends browsers back to.
pub(super) const CALLBACK: &str = "/ngrok/oauth2/callback";

/// What a request to one of these paths wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To log in, and then to go to this path.
    Login {
        /// On the same server.
        path: String,
    },
    /// To log out, and perhaps to go to this path.
    Logout {
        /// On the same server.
        path: Option<String>,
    },
    /// To finish a login.
    Callback,
}

/// Whether a request is for one of the login's own paths. Another action's `auth_id` makes it a path like any other.
pub(super) fn place(names: &Names, request: &RequestFacts) -> Option<Place> {
    let (path, query) = (request.raw_uri.path(), request.raw_uri.query().unwrap_or_default());
    if path == CALLBACK {
        return (request.method == Method::GET).then_some(Place::Callback);
    }
    if !(path == LOGIN || path == LOGOUT) || !matches!(request.method, Method::GET | Method::HEAD) {
        return None;
    }
    if let Ok(Some(id)) = parameter(query, "auth_id")
        && names.auth_id.as_deref().is_some_and(|own| own != id)
    {
        return None;
    }
    let wanted = parameter(query, "redirect_path").ok().flatten().map(|path| local_path(&path));
    Some(match path {
        LOGIN => Place::Login { path: wanted.unwrap_or_else(|| "/".to_owned()) },
        _ => Place::Logout { path: wanted },
    })
}

/// Where a login begins that ends at this path.
pub(super) fn login_url(names: &Names, path: &str) -> String {
    let mut url = format!("{LOGIN}?");
    if let Some(id) = &names.auth_id {
        url.push_str("auth_id=");
        encode(&mut url, id);
        url.push('&');
    }
    url.push_str("redirect_path=");
    encode(&mut url, path);
    url
}

/// The cookie of the attempt that a request comes back from.
pub(super) fn came_back(names: &Names, request: &RequestFacts) -> Option<String> {
    let query = request.raw_uri.query().filter(|_| request.raw_uri.path() == CALLBACK)?;
    Some(names.attempt(&parameter(query, "state").ok()??))
}

/// Whether a request is a browser's way to a page, which can go over a provider's: not one with a body, not one of a
/// script or for a picture (Fetch Metadata: `Sec-Fetch-Mode`), not one for another protocol.
pub(super) fn is_navigation(request: &RequestFacts) -> bool {
    let mode = request.headers.get("sec-fetch-mode").map(|mode| mode.as_bytes());
    matches!(request.method, Method::GET | Method::HEAD)
        && !request.headers.contains_key(UPGRADE)
        && mode.is_none_or(|mode| mode == b"navigate")
}

/// Whether a browser asks if it may ask (CORS-preflight: Fetch, section 3.2.2).
pub(super) fn is_preflight(request: &RequestFacts) -> bool {
    let has = |name| request.headers.contains_key(name);
    request.method == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{engine, exchange, shared};

    fn request(head: &str) -> RequestFacts {
        let shared = shared(&[]);
        exchange(&shared, &engine("on_http_request: []", &shared), &format!("{head}\r\n\r\n")).request
    }

    #[test]
    fn paths_of_a_login() {
        let names = Names::new("staff", Some("staff".into()));
        let of = |line: &str| place(&names, &request(&format!("{line} HTTP/1.1")));
        assert_eq!(of("GET /ngrok/login"), Some(Place::Login { path: "/".into() }));
        assert_eq!(
            of("HEAD /ngrok/login?redirect_path=%2Fa%3Fb&auth_id=staff"),
            Some(Place::Login { path: "/a?b".into() })
        );
        assert_eq!(
            of("GET /ngrok/login?redirect_path=//evil.example"),
            Some(Place::Login { path: "/".into() })
        );
        assert_eq!(
            of("GET /ngrok/login?redirect_path=%2F%09%2Fevil.example"),
            Some(Place::Login { path: "/".into() })
        );
        assert_eq!(
            of("GET /ngrok/logout?redirect_path=%2F%5Cevil"),
            Some(Place::Logout { path: Some("/".into()) })
        );
        assert_eq!(of("GET /ngrok/logout"), Some(Place::Logout { path: None }));
        assert_eq!(of("GET /ngrok/oauth2/callback?code=1"), Some(Place::Callback));
        for other in [
            "GET /ngrok/login?auth_id=other",
            "POST /ngrok/login",
            "HEAD /ngrok/oauth2/callback",
            "GET /ngrok/login/",
            "GET /ngrok",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(
            login_url(&names, "/a?b=c&d"),
            "/ngrok/login?auth_id=staff&redirect_path=%2Fa%3Fb%3Dc%26d"
        );
        let unnamed = Names::new("0123", None);
        let line = request("GET /ngrok/login?auth_id=any HTTP/1.1");
        assert!(place(&unnamed, &line).is_some(), "there is only one");
    }

    #[test]
    fn what_can_be_sent_away() {
        for (head, navigates) in [
            ("GET /", true),
            ("HEAD /", true),
            ("POST /", false),
            ("OPTIONS /", false),
            ("GET / HTTP/1.1\r\nsec-fetch-mode: navigate", true),
            ("GET / HTTP/1.1\r\nsec-fetch-mode: cors", false),
            ("GET / HTTP/1.1\r\nsec-fetch-mode: no-cors", false),
            ("GET / HTTP/1.1\r\nupgrade: websocket", false),
        ] {
            assert_eq!(is_navigation(&request(head)), navigates, "{head}");
        }
        let preflight = "OPTIONS / HTTP/1.1\r\norigin: https://a\r\naccess-control-request-method: PUT";
        assert!(is_preflight(&request(preflight)));
        assert!(!is_preflight(&request(&preflight.replace("OPTIONS", "POST"))));
        assert!(!is_preflight(&request("OPTIONS / HTTP/1.1\r\norigin: https://a")));
    }
}
