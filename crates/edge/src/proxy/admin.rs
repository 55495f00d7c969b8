//! The admin listener.

use crate::listener::Listener;
use crate::pool::Member;
use async_trait::async_trait;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderValue, Response, StatusCode};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use std::net::IpAddr;
use std::sync::Arc;
use tollgate_observe::{AdminState, EndpointStatus, ProviderStatus, StatusSource, UpstreamStatus, respond};

const REBOUND: &str = "ask by address or as localhost, or set a token\n";

/// Health, metrics and status over HTTP.
pub struct AdminApp {
    /// What it shows.
    pub state: AdminState,
    /// What is served, whose providers' accounts are asked about.
    pub listeners: Vec<Arc<Listener>>,
}

impl AdminApp {
    /// Asks providers about the accounts behind the keys, for a page that shows them.
    async fn ask_about_accounts(&self) {
        for listener in &self.listeners {
            let engine = listener.engine.load_full();
            let accounts: Vec<_> = engine.gateways().filter_map(|gateway| gateway.accounts_of()).collect();
            for (base, keys) in accounts {
                listener.shared.accounts.refresh(&listener.upstream, &base, &keys).await;
            }
        }
    }
}

#[async_trait]
impl ServeHttp for AdminApp {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        let text = |name| head.headers.get(name).and_then(|v| v.to_str().ok());
        // Without a token only the address protects the pages; a web page whose name is made to point here
        // (DNS rebinding) sends its own name.
        let rebound = self.state.token.is_none() && !is_local(text(HOST).unwrap_or(""));
        if head.uri.path() == "/status" && !rebound && self.state.allows(text(AUTHORIZATION)) {
            self.ask_about_accounts().await;
        }
        let (status, kind, body) = if rebound {
            (StatusCode::MISDIRECTED_REQUEST, "text/plain; charset=utf-8", REBOUND.to_owned())
        } else {
            respond(head.uri.path(), &head.method, text(AUTHORIZATION), &self.state)
        };
        let mut response = Response::new(body.into_bytes());
        *response.status_mut() = status;
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

/// Whether a `Host` is an address or `localhost`: names that a stranger's DNS cannot give. Empty in HTTP/1.0 and for
/// the simplest of probes; browsers always send one.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    address || name.is_empty() || name.eq_ignore_ascii_case("localhost")
}

/// What `/status` says of the endpoints.
pub struct Endpoints(pub Vec<Arc<Listener>>);

impl StatusSource for Endpoints {
    fn providers(&self) -> Vec<ProviderStatus> {
        providers(&self.0)
    }

    fn endpoints(&self) -> Vec<EndpointStatus> {
        self.0.iter().filter_map(|listener| endpoint(listener)).collect()
    }
}

fn endpoint(listener: &Listener) -> Option<EndpointStatus> {
    let pool = listener.plain.as_ref()?;
    let server = |member: &Member| UpstreamStatus {
        url: member.url.clone(),
        weight: member.weight,
        health: member.health().name().to_owned(),
        resting: pool.rests(member),
        problem: member.problem().map(|problem| String::clone(&problem)),
    };
    let facts = &listener.endpoint;
    Some(EndpointStatus {
        id: facts.id.to_string(),
        url: format!("{}://{}:{}", facts.protocol, facts.host, facts.port),
        upstreams: pool.members().iter().map(server).collect(),
    })
}

/// The providers of every gateway of every listener, each once.
fn providers(listeners: &[Arc<Listener>]) -> Vec<ProviderStatus> {
    let mut all: Vec<ProviderStatus> = Vec::new();
    for listener in listeners {
        for gateway in listener.engine.load().gateways() {
            for provider in gateway.status() {
                if !all.iter().any(|known| known.id == provider.id) {
                    all.push(provider);
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_dns_cannot_give_are_local() {
        for host in [
            "127.0.0.1:4040",
            "127.0.0.1",
            "[::1]:4040",
            "[::1]",
            "localhost",
            "LocalHost:1",
            "10.0.0.1:9",
            "",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:4040", "localhost.evil.example", "127.0.0.1.evil.example:80"]
        {
            assert!(!is_local(host), "{host}");
        }
    }
}
