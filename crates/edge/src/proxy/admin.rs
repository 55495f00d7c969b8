//! The admin listener.

use crate::listener::Listener;
use async_trait::async_trait;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use std::sync::Arc;
use tollgate_observe::{AdminState, ProviderStatus, respond};

/// Health, metrics and status over HTTP.
pub struct AdminApp {
    /// What it shows.
    pub state: AdminState,
}

#[async_trait]
impl ServeHttp for AdminApp {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        let authorization = head.headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let (status, kind, body) = respond(head.uri.path(), &head.method, authorization, &self.state);
        let mut response = Response::new(body.into_bytes());
        *response.status_mut() = status;
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

/// The providers of every gateway of every listener, each once.
#[must_use]
pub fn providers(listeners: &[Arc<Listener>]) -> Vec<ProviderStatus> {
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
