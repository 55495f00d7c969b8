//! The admin pages, as a function from a request line to an answer.
//!
//! The listener decides who may connect (loopback only, unless a token is set); this decides what they see.

use crate::metrics::{self, Metrics};
use crate::status::{RunState, StatusSource};
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Status, content type and body.
pub type AdminAnswer = (StatusCode, &'static str, String);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

const INDEX: &str = "tollgate

/healthz   the process is alive
/readyz    a policy is loaded and the process is not stopping
/status    what runs, as JSON
/metrics   for Prometheus
";

/// What the pages show.
#[derive(Clone)]
pub struct AdminState {
    /// Program and policy.
    pub run: Arc<RunState>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Providers of the live policy.
    pub source: Arc<dyn StatusSource>,
    /// When set, `/status` and `/metrics` ask for it. The health pages never do: probes carry no secrets, and
    /// there is nothing to learn from them.
    pub token: Option<AdminToken>,
}

impl AdminState {
    /// Whether a request with this `Authorization` may see status and metrics.
    #[must_use]
    pub fn allows(&self, authorization: Option<&str>) -> bool {
        self.token.as_ref().is_none_or(|token| token.allows(authorization))
    }
}

impl std::fmt::Debug for AdminState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminState")
            .field("run", &self.run)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// The bearer token of the admin pages.
#[derive(Clone, Debug)]
pub struct AdminToken(SecretString);

impl AdminToken {
    /// A token; `None` when it is empty, because an empty token would let everybody in.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        (!token.is_empty()).then(|| Self(SecretString::from(token)))
    }

    /// Whether an `Authorization` header holds it. Takes the same time wherever a wrong token differs.
    fn allows(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, given)) = authorization.and_then(|header| header.split_once(' ')) else {
            return false;
        };
        let same = given.trim().as_bytes().ct_eq(self.0.expose_secret().as_bytes());
        scheme.eq_ignore_ascii_case("bearer") && bool::from(same)
    }
}

/// Answers a request to the admin listener. `path` may carry a query, which is ignored; `authorization` is the
/// header's value. For `HEAD` the body is the one `GET` would have; the server leaves it out.
#[must_use]
pub fn respond(path: &str, method: &Method, authorization: Option<&str>, state: &AdminState) -> AdminAnswer {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if !matches!(path, "/" | "/healthz" | "/readyz" | "/metrics" | "/status") {
        return (StatusCode::NOT_FOUND, TEXT, "not found\n".to_owned());
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
    }
    match path {
        "/" => return (StatusCode::OK, TEXT, INDEX.to_owned()),
        "/healthz" => return (StatusCode::OK, TEXT, "ok\n".to_owned()),
        "/readyz" => return ready(state),
        _ => {}
    }
    if !state.allows(authorization) {
        return (StatusCode::UNAUTHORIZED, TEXT, "bearer token required\n".to_owned());
    }
    if path == "/metrics" {
        state.metrics.show_breakers(&state.source.providers());
        (StatusCode::OK, metrics::CONTENT_TYPE, state.metrics.encode())
    } else {
        status(state)
    }
}

fn ready(state: &AdminState) -> AdminAnswer {
    match state.run.not_ready() {
        None => (StatusCode::OK, TEXT, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
    }
}

fn status(state: &AdminState) -> AdminAnswer {
    match serde_json::to_string_pretty(&state.run.status(state.source.providers(), state.source.endpoints()))
    {
        Ok(body) => (StatusCode::OK, JSON, body + "\n"),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{KeyStatus, ModelCooldown, ModelStatus, ProviderStatus};
    use serde_json::{Value, json};
    use std::time::UNIX_EPOCH;

    fn state(token: Option<&str>) -> AdminState {
        let metrics = Arc::new(Metrics::new("1.2.3"));
        let run = RunState::new("1.2.3", Some("p.yml".into()), Arc::clone(metrics.in_flight()));
        run.loaded("r1", UNIX_EPOCH);
        let providers = || {
            vec![ProviderStatus {
                id: "openrouter".into(),
                health: "healthy".into(),
                breaker: "closed".into(),
                models: vec![ModelStatus {
                    id: "a/b".into(),
                    request_count: 4,
                    error_rate: 0.25,
                    fault_rate: 0.0,
                    breaker: "open".into(),
                    consecutive_failures: 5,
                    cooldown_seconds: Some(9),
                }],
                keys: vec![KeyStatus {
                    key: "sk-or-v...wxyz".into(),
                    breaker: "half_open".into(),
                    models_cooling: vec![ModelCooldown { id: "a/b".into(), cooldown_seconds: 3 }],
                    remaining_requests: Some(9),
                    ..KeyStatus::default()
                }],
                ..ProviderStatus::default()
            }]
        };
        AdminState {
            run: Arc::new(run),
            metrics,
            source: Arc::new(providers),
            token: token.and_then(AdminToken::new),
        }
    }

    fn get(path: &str, authorization: Option<&str>, state: &AdminState) -> AdminAnswer {
        respond(path, &Method::GET, authorization, state)
    }

    #[test]
    fn pages_methods_and_unknown_paths() {
        let state = state(None);
        for (method, path, status) in [
            (Method::GET, "/", 200),
            (Method::GET, "/healthz", 200),
            (Method::HEAD, "/readyz", 200),
            (Method::GET, "/metrics?x=1", 200),
            (Method::GET, "/status", 200),
            (Method::POST, "/status", 405),
            (Method::DELETE, "/healthz", 405),
            (Method::GET, "/status/", 404),
            (Method::GET, "/etc/passwd", 404),
            (Method::POST, "/nothing", 404),
        ] {
            let answer = respond(path, &method, None, &state);
            assert_eq!(answer.0.as_u16(), status, "{method} {path}");
        }
        assert!(get("/metrics", None, &state).2.ends_with("# EOF\n"));
    }

    #[test]
    fn the_status_page_is_this_json() {
        let state = state(None);
        let tor = std::path::Path::new("tor.txt");
        state.run.data_file_loaded("categories[0]", tor, "2 networks", std::time::UNIX_EPOCH);
        state.run.data_file_failed("categories[0]", "tor.txt:1: no", std::time::UNIX_EPOCH);
        let (_, content_type, body) = get("/status", None, &state);
        assert_eq!(content_type, "application/json");
        let mut status: Value = serde_json::from_str(&body).unwrap();
        assert!(status.as_object_mut().unwrap().remove("uptime_seconds").unwrap().is_u64());
        assert_eq!(
            status,
            json!({
                "version": "1.2.3", "policy_file": "p.yml", "revision": "r1",
                "loaded_at": "1970-01-01T00:00:00.000Z", "last_reload_error": null,
                "in_flight": 0, "draining": false, "endpoints": [],
                "data_files": [{
                    "name": "categories[0]", "file": "tor.txt", "holds": "2 networks",
                    "loaded_at": "1970-01-01T00:00:00.000Z",
                    "error": {"at": "1970-01-01T00:00:00.000Z", "message": "tor.txt:1: no"},
                }],
                "providers": [{
                    "id": "openrouter", "health": "healthy", "breaker": "closed",
                    "models": [{
                        "id": "a/b", "request_count": 4, "error_rate": 0.25, "fault_rate": 0.0,
                        "breaker": "open", "consecutive_failures": 5, "cooldown_seconds": 9,
                    }],
                    "keys": [{
                        "key": "sk-or-v...wxyz", "breaker": "half_open", "remaining_requests": 9,
                        "models_cooling": [{"id": "a/b", "cooldown_seconds": 3}],
                    }],
                }],
            })
        );
    }

    #[test]
    fn draining_is_alive_but_not_ready() {
        let state = state(None);
        state.run.drain();
        assert_eq!(get("/healthz", None, &state).0, StatusCode::OK);
        let (status, _, body) = get("/readyz", None, &state);
        assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "draining\n"));
    }

    #[test]
    fn a_token_guards_what_can_be_learnt() {
        let state = state(Some("s3cret"));
        for (authorization, status) in [
            (None, 401),
            (Some(""), 401),
            (Some("s3cret"), 401),
            (Some("Basic s3cret"), 401),
            (Some("Bearer s3cre"), 401),
            (Some("Bearer s3cret2"), 401),
            (Some("Bearer "), 401),
            (Some("Bearer s3cret"), 200),
            (Some("bearer s3cret"), 200),
        ] {
            for path in ["/status", "/metrics"] {
                let answer = get(path, authorization, &state);
                assert_eq!(answer.0.as_u16(), status, "{path} {authorization:?}");
            }
            assert_eq!(get("/readyz", authorization, &state).0, StatusCode::OK);
        }
    }

    #[test]
    fn the_token_is_never_printed_and_never_empty() {
        assert!(!format!("{:?}", state(Some("s3cret"))).contains("s3cret"));
        assert!(AdminToken::new("").is_none());
    }
}
