//! Helpers for unit tests of actions: a policy, a request, no network.

use crate::action::RequestCx;
use crate::answer::Answer;
use crate::dry::{DryClient, ScriptedUpstream};
use crate::engine::{Engine, Shared};
use crate::exchange::Exchange;
use crate::phase::{self, Outcome};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;
use tollgate_catalog::Catalog;
use tollgate_expr::{ConnectionFacts, EndpointFacts, MissingSecret, RequestFacts, SecretSource};
use tollgate_policy::Source;

/// Secrets of a test.
#[derive(Default)]
pub(crate) struct TestSecrets(pub(crate) HashMap<(String, String), String>);

impl SecretSource for TestSecrets {
    fn secret(&self, vault: &str, name: &str) -> Result<secrecy::SecretString, MissingSecret> {
        let found = self.0.get(&(vault.to_owned(), name.to_owned())).cloned();
        found.map(Into::into).ok_or_else(|| MissingSecret { vault: vault.into(), name: name.into() })
    }
}

pub(crate) fn shared(secrets: &[(&str, &str, &str)]) -> Shared {
    let secrets =
        secrets.iter().map(|(v, n, s)| (((*v).to_owned(), (*n).to_owned()), (*s).to_owned())).collect();
    Shared {
        catalog: arc_swap::ArcSwap::new(Catalog::builtin()),
        outbound: Arc::default(),
        internal: Arc::default(),
        jwks: Arc::default(),
        logins: Arc::default(),
        lists: crate::Lists::new(crate::ReadLists::Nothing),
        late_costs: crate::LateCosts::new(false),
        accounts: Arc::default(),
        tokens: tollgate_cloud::TokenCache::default(),
        ledger: Arc::default(),
        stats: tollgate_select::Metrics::new(),
        metrics: Arc::new(tollgate_observe::Metrics::new("test")),
        secrets: Arc::new(TestSecrets(secrets)),
        gates: crate::Gates::default(),
        key_salt: [7; 16],
        names: tollgate_select::Names::default(),
        identity: crate::gateway::identity::Identity::default(),
        addressing: crate::Addressing::default(),
    }
}

/// Loads a policy; the warnings, or the errors as text.
pub(crate) fn loads(policy: &str) -> Result<String, String> {
    loads_with(policy, &shared(&[]))
}

fn loads_with(policy: &str, shared: &Shared) -> Result<String, String> {
    let source = Source::new("test.yml", policy);
    let loaded = Engine::load(&source, shared);
    let text = loaded.diagnostics.render_text(&source);
    if loaded.engine.is_some() { Ok(text) } else { Err(text) }
}

pub(crate) fn engine(policy: &str, shared: &Shared) -> Arc<Engine> {
    let source = Source::new("test.yml", policy);
    let loaded = Engine::load(&source, shared);
    let engine = loaded.engine.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render_text(&source)));
    Arc::new(engine)
}

/// A request that went through `on_http_request`.
pub(crate) struct Run {
    pub(crate) exchange: Exchange,
    engine: Arc<Engine>,
    outcome: Outcome,
}

impl Run {
    pub(crate) fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Respond(answer) => Some(answer.status.as_u16()),
            _ => None,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        match &self.outcome {
            Outcome::Respond(answer) => answer.headers.get(name).map_or("", |v| v.to_str().expect("text")),
            _ => "",
        }
    }

    pub(crate) fn error_code(&self) -> Option<u16> {
        self.exchange.record.error_code
    }

    pub(crate) fn body(&self) -> String {
        match &self.outcome {
            Outcome::Respond(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
            _ => String::new(),
        }
    }

    /// The headers of the answer after `on_http_response`.
    pub(crate) async fn after_response_phase(mut self) -> HeaderMap {
        let Outcome::Respond(answer) = self.outcome else { return HeaderMap::new() };
        let upstream = ScriptedUpstream::default();
        phase::settled(&self.engine, &mut self.exchange, answer, &upstream).await.headers
    }
}

/// Runs a request, written as its head, through a policy.
pub(crate) async fn run_request(policy: &str, head: &str) -> Run {
    let shared = shared(&[]);
    let engine = engine(policy, &shared);
    let mut exchange = exchange(&shared, &engine, head);
    let mut client = DryClient::new(Bytes::new());
    let upstream = ScriptedUpstream::default();
    let mut cx =
        RequestCx { exchange: &mut exchange, client: &mut client, upstream: &upstream, engine: &engine };
    let (outcome, _) = phase::run_request(&engine.request, &mut cx).await;
    Run { exchange, engine, outcome }
}

/// Runs a response through `on_http_response` of a policy; its headers afterwards.
pub(crate) async fn run_response(policy: &str, status: u16, headers: &[(&str, &str)]) -> HeaderMap {
    run_answer(policy, status, headers, "").await.headers
}

/// Runs a response with a body through `on_http_response` and `on_event_stream_message` of a policy.
pub(crate) async fn run_answer(policy: &str, status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let shared = shared(&[]);
    let engine = engine(policy, &shared);
    let mut exchange = exchange(&shared, &engine, "GET / HTTP/1.1\r\n\r\n");
    let headers = headers.iter().map(|(n, v)| {
        (HeaderName::try_from(*n).expect("a name"), HeaderValue::try_from(*v).expect("a value"))
    });
    let answer = Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: headers.collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        response_phase: true,
    };
    phase::settled(&engine, &mut exchange, answer, &ScriptedUpstream::default()).await
}

pub(crate) fn exchange(shared: &Shared, engine: &Engine, head: &str) -> Exchange {
    let mut lines = head.lines();
    let mut first = lines.next().expect("a request line").split(' ');
    let method = Method::try_from(first.next().expect("a method")).expect("a method");
    let uri: Uri = first.next().expect("a path").parse().expect("a path");
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(
            HeaderName::try_from(name).expect("a name"),
            HeaderValue::try_from(value).expect("a value"),
        );
    }
    let now = SystemTime::now();
    let address = ([127, 0, 0, 1], 8080).into();
    let request = RequestFacts {
        id: "req_test".into(),
        method,
        raw_uri: uri.clone(),
        uri,
        scheme: "http",
        raw_host: headers.get("host").map_or("", |v| v.to_str().unwrap_or("")).into(),
        host: headers.get("host").map_or("", |v| v.to_str().unwrap_or("")).into(),
        version: Version::HTTP_11,
        headers,
        received: now,
        body_received: None,
    };
    let connection = shared.addressing.connection(address, address, now);
    let endpoint = Arc::new(EndpointFacts {
        id: "ep_test".into(),
        protocol: "http",
        host: "localhost".into(),
        port: 8080,
    });
    Exchange::new(request, connection, endpoint, Arc::clone(&shared.secrets), engine.wants_results)
}

/// A policy under test: its state lasts over requests, its clock is moved by hand, its client comes from anywhere.
pub(crate) struct Tested {
    shared: Shared,
    policy: String,
    clock: Arc<crate::clock::Manual>,
    client: std::net::IpAddr,
    body: Bytes,
    /// Built once, for tests of what changes below a policy.
    built: Option<Arc<Engine>>,
}

impl Tested {
    pub(crate) fn new(policy: &str) -> Self {
        Self::with_secrets(policy, &[])
    }

    pub(crate) fn with_secrets(policy: &str, secrets: &[(&str, &str, &str)]) -> Self {
        let clock = Arc::new(crate::clock::Manual::default());
        let gates = crate::Gates::new(&(Arc::clone(&clock) as Arc<dyn crate::clock::Clock>));
        let shared = Shared { gates, ..shared(secrets) };
        let client = [127, 0, 0, 1].into();
        Self { shared, policy: policy.to_owned(), clock, client, body: Bytes::new(), built: None }
    }

    /// Where clients come from.
    pub(crate) fn from(mut self, client: &str) -> Self {
        self.client = client.parse().expect("an address");
        self
    }

    /// Facts about addresses, and IP policies.
    pub(crate) fn addressing(mut self, addressing: crate::Addressing) -> Self {
        self.shared.addressing = addressing;
        self
    }

    /// From now on the policy as it is built now serves.
    pub(crate) fn built(mut self) -> Self {
        self.built = Some(self.engine());
        self
    }

    /// Loads the policy; the warnings, or the errors as text.
    pub(crate) fn loads(&self) -> Result<String, String> {
        loads_with(&self.policy, &self.shared)
    }

    fn engine(&self) -> Arc<Engine> {
        self.built.clone().unwrap_or_else(|| engine(&self.policy, &self.shared))
    }

    /// What clients send.
    pub(crate) fn sending(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// As a reload does: another policy, the same process.
    pub(crate) fn reload(&mut self, policy: &str) {
        policy.clone_into(&mut self.policy);
    }

    pub(crate) fn wait(&self, time: std::time::Duration) {
        self.clock.advance(time);
    }

    fn exchange(&self, engine: &Engine, head: &str) -> Exchange {
        let mut exchange = exchange(&self.shared, engine, head);
        let address = (self.client, 5000).into();
        exchange.connection = Arc::new(ConnectionFacts { client: address, ..(*exchange.connection).clone() });
        exchange
    }

    /// Sends a request. Each goes through a policy built anew.
    pub(crate) async fn run(&self, head: &str) -> Run {
        let engine = self.engine();
        let mut exchange = self.exchange(&engine, head);
        let mut client = DryClient::new(self.body.clone());
        let upstream = ScriptedUpstream::default();
        let mut cx =
            RequestCx { exchange: &mut exchange, client: &mut client, upstream: &upstream, engine: &engine };
        let (outcome, _) = phase::run_request(&engine.request, &mut cx).await;
        Run { exchange, engine, outcome }
    }

    /// Whether a connection is let through.
    pub(crate) fn connects(&self) -> bool {
        let engine = engine(&self.policy, &self.shared);
        let mut exchange = self.exchange(&engine, "GET / HTTP/1.1\r\n\r\n");
        let mut tls = crate::tls::NoHandshake;
        let run = std::pin::pin!(phase::run_connect(&engine, &mut exchange, &mut tls));
        // Nothing is waited for without a handshake.
        match run.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(flow) => matches!(flow, crate::action::ConnectFlow::Continue),
            Poll::Pending => panic!("a rule of a connection waits"),
        }
    }

    /// Runs a response through `on_http_response`.
    pub(crate) async fn answer(&self, status: u16) -> Answer {
        let engine = engine(&self.policy, &self.shared);
        let mut exchange = self.exchange(&engine, "GET / HTTP/1.1\r\n\r\n");
        let status = StatusCode::from_u16(status).expect("a status");
        let answer = Answer { response_phase: true, ..Answer::empty(status) };
        phase::settled(&engine, &mut exchange, answer, &ScriptedUpstream::default()).await
    }
}
