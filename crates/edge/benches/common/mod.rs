//! The policy and the request of `make bench`, without a network.

mod provider;
#[path = "../../../../xtask/src/bench/rules.rs"]
mod rules;

pub(crate) use provider::Provider;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;
use tollgate_catalog::Catalog;
use tollgate_edge::action::RequestCx;
use tollgate_edge::dry::DryClient;
use tollgate_edge::engine::{Engine, Shared};
use tollgate_edge::exchange::Exchange;
use tollgate_edge::phase::{Outcome, run_request};
use tollgate_expr::{EndpointFacts, MissingSecret, RequestFacts, SecretSource};
use tollgate_policy::Source;

const TOKEN: &str = "bench-token";

/// What serves a request.
pub(crate) struct Bench {
    shared: Shared,
    engine: Arc<Engine>,
    endpoint: Arc<EndpointFacts>,
    uri: Uri,
    headers: HeaderMap,
}

impl Bench {
    /// The policy behind so many rules that do not apply.
    pub(crate) fn new(rules: usize) -> Self {
        let shared = shared();
        let source = Source::new("bench.yml", policy(rules));
        let loaded = Engine::load(&source, &shared);
        let said = loaded.diagnostics.render_text(&source);
        let engine = Arc::new(loaded.engine.ok_or(said).expect("the policy is right"));
        let endpoint =
            EndpointFacts { id: "ep_bench".into(), protocol: "http", host: "bench".into(), port: 8080 };
        let headers = [
            (HOST, "bench".to_owned()),
            (AUTHORIZATION, format!("Bearer {TOKEN}")),
            (CONTENT_TYPE, "application/json".to_owned()),
        ];
        let headers = headers.map(|(name, value)| (name, HeaderValue::try_from(value).expect("a value")));
        let uri = Uri::from_static("/v1/chat/completions");
        Self { shared, engine, endpoint: Arc::new(endpoint), uri, headers: headers.into_iter().collect() }
    }

    /// A request from its head to the last byte of its answer, which must be a 200.
    pub(crate) async fn request(&self, provider: &Provider) {
        let mut exchange = self.exchange();
        let mut client = DryClient::new(body(provider.is_stream()));
        let mut cx = RequestCx {
            exchange: &mut exchange,
            client: &mut client,
            upstream: provider,
            engine: &self.engine,
        };
        let (outcome, _) = run_request(&self.engine.request, &mut cx).await;
        assert!(matches!(outcome, Outcome::Answered), "{outcome:?}");
        let status = client.head.map(|(status, _)| status);
        assert_eq!(status, Some(StatusCode::OK), "{}", String::from_utf8_lossy(&client.answer));
        assert_eq!(exchange.record.attempts, provider.attempts(), "attempts");
        assert!(client.answer.len() >= provider.least(), "the answer is whole");
    }

    fn exchange(&self) -> Exchange {
        let now = SystemTime::now();
        let facts = RequestFacts {
            id: "req_bench".into(),
            method: Method::POST,
            uri: self.uri.clone(),
            raw_uri: self.uri.clone(),
            scheme: "http",
            raw_host: "bench".into(),
            host: "bench".into(),
            version: Version::HTTP_11,
            headers: self.headers.clone(),
            received: now,
            body_received: None,
        };
        let address = ([127, 0, 0, 1], 8080).into();
        let connection = self.shared.addressing.connection(address, address, now);
        let (endpoint, secrets) = (Arc::clone(&self.endpoint), Arc::clone(&self.shared.secrets));
        Exchange::new(facts, connection, endpoint, secrets, self.engine.wants_results)
    }
}

fn body(stream: bool) -> Bytes {
    let text = "abcdefg ".repeat(25);
    Bytes::from(format!(
        r#"{{"model":"openai:gpt-4o-mini","models":["openrouter:openai/gpt-4o-mini"],"stream":{stream},"temperature":0.7,"messages":[{{"role":"user","content":"{text}"}}]}}"#
    ))
}

/// As `make bench` writes it (`xtask/src/bench/servers.rs`).
fn policy(rules: usize) -> String {
    let rules = rules::false_rules(rules);
    let provider = |id: &str| {
        format!(
            "        - id: {id}\n          base_url: http://127.0.0.1:1/{id}/v1\n          api_keys:\n\
             \x20           - value: ${{secrets.get('{id}', 'api-key')}}\n"
        )
    };
    let strategy = |id: &str| {
        format!(
            "          - \"ai.models.filter(m, m.provider_id == '{id}' && m.metrics.global.error_rate.total < 0.5)\"\n"
        )
    };
    format!(
        "on_http_request:\n{rules}  - name: only callers with our token\n    expressions:\n\
         \x20     - \"req.headers['authorization'][0] != 'Bearer ' + secrets.get('bench', 'token')\"\n\
         \x20   actions:\n      - type: custom-response\n        config: {{status_code: 401}}\n\
         \x20 - type: ai-gateway\n    config:\n      providers:\n{}{}\
         \x20     model_selection:\n        strategy:\n{}{}",
        provider("openai"),
        provider("openrouter"),
        strategy("openai"),
        strategy("openrouter"),
    )
}

struct Secrets(HashMap<(&'static str, &'static str), &'static str>);

impl SecretSource for Secrets {
    fn secret(&self, vault: &str, name: &str) -> Result<secrecy::SecretString, MissingSecret> {
        let found = self.0.get(&(vault, name)).map(|value| (*value).into());
        found.ok_or_else(|| MissingSecret { vault: vault.into(), name: name.into() })
    }
}

fn shared() -> Shared {
    let secrets = [
        (("bench", "token"), TOKEN),
        (("openai", "api-key"), "sk-bench-openai"),
        (("openrouter", "api-key"), "sk-bench-openrouter"),
    ];
    Shared {
        catalog: ArcSwap::new(Catalog::builtin()),
        outbound: Arc::default(),
        internal: Arc::default(),
        jwks: Arc::default(),
        logins: Arc::default(),
        lists: tollgate_edge::Lists::new(tollgate_edge::ReadLists::Nothing),
        late_costs: tollgate_edge::LateCosts::new(false),
        accounts: Arc::default(),
        tokens: tollgate_edge::TokenCache::default(),
        ledger: Arc::default(),
        stats: tollgate_select::Metrics::new(),
        metrics: Arc::new(tollgate_observe::Metrics::new("bench")),
        secrets: Arc::new(Secrets(secrets.into())),
        gates: tollgate_edge::Gates::default(),
        key_salt: [7; 16],
        names: tollgate_select::Names::default(),
        identity: tollgate_edge::gateway::identity::Identity::default(),
        addressing: tollgate_edge::Addressing::default(),
    }
}
