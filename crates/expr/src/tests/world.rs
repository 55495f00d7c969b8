//! A request, a response and a catalogue to run expressions on.

use crate::{
    Activation, ConnectionFacts, EndpointFacts, Entity, EntityKind, EvalError, Map, MissingSecret, Object,
    Program, RequestFacts, ResponseFacts, Scope, SecretSource, Template, TlsFacts, UnknownPrice, Value,
};
use http::HeaderMap;
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Everything an expression may read.
pub(crate) struct World {
    pub(crate) request: RequestFacts,
    pub(crate) response: ResponseFacts,
    pub(crate) connection: ConnectionFacts,
    pub(crate) endpoint: EndpointFacts,
    pub(crate) vars: Map,
    pub(crate) results: Map,
    pub(crate) ai: Value,
}

pub(crate) struct Vaults;

impl SecretSource for Vaults {
    fn secret(&self, vault: &str, name: &str) -> Result<SecretString, MissingSecret> {
        match (vault, name) {
            ("gateway-auth", "access-token") | ("default", "token") => Ok("s3cret".to_owned().into()),
            _ => Err(MissingSecret { vault: vault.into(), name: name.into() }),
        }
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, value.parse().unwrap());
    }
    map
}

pub(crate) fn map(json: Json) -> Map {
    match Value::from_json(&json) {
        Value::Map(map) => (*map).clone(),
        _ => Map::new(),
    }
}

/// The time every test runs at: 2023-12-25T00:00:00Z.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_703_462_400)
}

impl Default for World {
    fn default() -> Self {
        let request = RequestFacts {
            id: "req_1".into(),
            method: http::Method::POST,
            uri: "/v1/chat?a=1&a=2&B=x%20y".parse().unwrap(),
            raw_uri: "/v1/./chat?a=1&a=2&B=x%20y".parse().unwrap(),
            scheme: "https",
            raw_host: "Api.Example:8443".into(),
            host: "Api.Example:8443".into(),
            version: http::Version::HTTP_2,
            headers: headers(&[
                (
                    "user-agent",
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) Version/17.1 Mobile Safari/605.1",
                ),
                ("content-type", "Application/JSON; Charset=\"utf-8\""),
                ("content-length", "42"),
                ("x-flags", "beta"),
                ("x-flags", "gamma"),
                ("tier", "gold"),
                ("cookie", "s=1; t=\"two\"; s=3"),
            ]),
            received: now(),
            body_received: None,
        };
        let response = ResponseFacts {
            status: http::StatusCode::NOT_FOUND,
            headers: headers(&[
                ("content-type", "text/html"),
                ("set-cookie", "a=1; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60; Odd=x"),
                ("set-cookie", "a=2; Path=/long; Expires=Wed, 21 Oct 2015 07:28:00 GMT"),
            ]),
        };
        let address = "192.0.2.1:443".parse().unwrap();
        let connection = ConnectionFacts {
            client: "10.1.2.3:50000".parse().unwrap(),
            server: "[::ffff:192.0.2.1]:443".parse().unwrap(),
            started: now(),
            tls: Some(TlsFacts { version: "1.3".into(), sni: "api.example".into(), ..TlsFacts::default() }),
            ..ConnectionFacts::new(address, address, now())
        };
        Self {
            request,
            response,
            connection,
            endpoint: EndpointFacts {
                id: "ep_1".into(),
                protocol: "https",
                host: "api.example".into(),
                port: 443,
            },
            vars: map(json!({
                "n": 3, "name": "x", "l": [1, 2, 3], "m": {"k": {"deep": true}}, "none": null,
                "users": [{"id": "a", "age": 30}, {"id": "b", "age": 20}, {"id": "c", "age": 40, "tags": ["x"]}],
            })),
            results: map(json!({
                "rate_limit": {"limited": true, "bucket_key": "k"},
                "oauth": {"identity": {"email": "a@corp.example"}},
            })),
            ai: catalogue(),
        }
    }
}

impl World {
    pub(crate) fn activation(&self) -> Activation<'_> {
        Activation {
            request: Some(&self.request),
            response: Some(&self.response),
            connection: Some(&self.connection),
            endpoint: Some(&self.endpoint),
            vars: Some(&self.vars),
            results: Some(&self.results),
            ai: Some(&self.ai),
            ..Activation::new(&Vaults, now())
        }
    }

    pub(crate) fn eval(&self, source: &str, scope: Scope) -> Result<Value, EvalError> {
        let program = Program::compile(source, scope).unwrap_or_else(|issues| panic!("{source}: {issues:?}"));
        program.eval(&self.activation())
    }
}

/// Runs an expression of the request phase.
pub(crate) fn eval(source: &str) -> Result<Value, EvalError> {
    World::default().eval(source, Scope::Request)
}

/// The JSON of an expression's value.
pub(crate) fn json_of(source: &str) -> Json {
    eval(source).unwrap_or_else(|error| panic!("{source}: {error}")).to_json()
}

/// The JSON of a strategy's value; entities are their ids.
pub(crate) fn strategy(source: &str, scope: Scope) -> Result<Json, EvalError> {
    World::default().eval(source, scope).map(|value| ids(&value))
}

pub(crate) fn ids(value: &Value) -> Json {
    match value {
        Value::Entity(entity) => Json::from(entity.id()),
        Value::Entities(list) => list.iter().map(|entity| Json::from(entity.id())).collect(),
        other => other.to_json(),
    }
}

/// The text of a template.
pub(crate) fn render(text: &str) -> Result<String, EvalError> {
    let template =
        Template::compile(text, Scope::Request).unwrap_or_else(|issues| panic!("{text}: {issues:?}"));
    let world = World::default();
    let rendered = template.render(&world.activation()).map(std::borrow::Cow::into_owned);
    drop(world);
    rendered
}

/// The faults of an expression, each as one line.
pub(crate) fn faults(source: &str, scope: Scope) -> Vec<String> {
    match Program::compile(source, scope) {
        Ok(_) => Vec::new(),
        Err(issues) => issues.iter().map(ToString::to_string).collect(),
    }
}

/// An entity made of JSON.
#[derive(Debug)]
pub(crate) struct Item {
    kind: EntityKind,
    fields: Map,
    centres: Vec<(String, String)>,
}

impl Item {
    fn text(&self, name: &str) -> &str {
        match self.fields.get(name) {
            Some(Value::String(text)) => text,
            _ => "",
        }
    }
    fn alias(&self, field: &str, name: &str) -> bool {
        match self.fields.get(field) {
            Some(Value::List(list)) => list.iter().any(|x| x.to_text().eq_ignore_ascii_case(name)),
            _ => false,
        }
    }
}

impl Object for Item {
    fn field(&self, name: &str) -> Option<Value> {
        self.fields.get(name).cloned()
    }
    fn fields(&self) -> Vec<Arc<str>> {
        self.fields.keys().cloned().collect()
    }
    fn soft(&self) -> bool {
        true
    }
}

impl Entity for Item {
    fn kind(&self) -> EntityKind {
        self.kind
    }
    fn id(&self) -> &str {
        self.text("id")
    }
    fn named(&self, name: &str) -> bool {
        let is = |name: &str| self.id().eq_ignore_ascii_case(name) || self.alias("id_aliases", name);
        is(name) || name.split_once(':').is_some_and(|(provider, id)| self.provider_named(provider) && is(id))
    }
    fn provider_named(&self, name: &str) -> bool {
        self.text("provider_id").eq_ignore_ascii_case(name) || self.alias("provider_id_aliases", name)
    }
    fn author_named(&self, name: &str) -> bool {
        self.text("author_id").eq_ignore_ascii_case(name)
    }
    fn price(&self, kind: &str) -> Result<Option<f64>, UnknownPrice> {
        let Some(path) = kind.strip_prefix("text.") else { return Err(UnknownPrice) };
        Ok(self
            .fields
            .get("pricing")
            .and_then(|p| p.path(&["text", path]))
            .as_ref()
            .and_then(crate::ops::double))
    }
    fn datacenters(&self) -> &[(String, String)] {
        &self.centres
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn item(kind: EntityKind, json: Json, centres: &[(&str, &str)]) -> Arc<dyn Entity> {
    let centres = centres.iter().map(|(country, region)| ((*country).into(), (*region).into())).collect();
    Arc::new(Item { kind, fields: map(json), centres })
}

fn model(
    provider: &str,
    id: &str,
    price: Option<f64>,
    more: Json,
    centres: &[(&str, &str)],
) -> Arc<dyn Entity> {
    let mut json = json!({
        "id": id, "id_aliases": [format!("{id}-latest")], "provider_id": provider,
        "provider_id_aliases": [format!("{provider}-ai")], "author_id": if provider == "azure" { "openai" } else { provider },
        "known": true, "supported_features": ["tool-calling"], "metadata": {},
        "pricing": {"text": {"input": price}, "input": price},
        "metrics": {"global": {"request_count": 0, "latency": {"upstream_ms_avg": 0, "time_to_first_token_ms_avg": null}},
                    "api_keys": {"k1": {"error_rate": {"total": 0.5}}}},
    });
    if let (Json::Object(all), Json::Object(more)) = (&mut json, more) {
        all.extend(more);
    }
    item(EntityKind::Model, json, centres)
}

fn catalogue() -> Value {
    let models: Vec<Arc<dyn Entity>> = vec![
        model(
            "openai",
            "gpt-4o",
            Some(2.5),
            json!({"metadata": {"tier": "gold", "weight": 2, "a": {"b": 1}}}),
            &[("US", "us-east")],
        ),
        model(
            "openai",
            "gpt-4o-mini",
            Some(0.15),
            json!({"metadata": {"tier": "budget", "weight": 1}}),
            &[("US", "us-west")],
        ),
        model("anthropic", "claude", Some(3.0), json!({}), &[("DE", "eu-central"), ("US", "us-east")]),
        model("azure", "gpt-4o", None, json!({"known": false}), &[]),
    ];
    let providers: Vec<Arc<dyn Entity>> = vec![
        item(
            EntityKind::Provider,
            json!({"id": "openai", "id_aliases": ["oai"], "metadata": {"a": {"b": 1}, "x.y": 2}}),
            &[],
        ),
        item(EntityKind::Provider, json!({"id": "anthropic", "id_aliases": []}), &[]),
    ];
    let keys: Vec<Arc<dyn Entity>> = vec![
        item(
            EntityKind::Key,
            json!({"id": "k1", "value": "sk-1", "quota": {"remaining_requests": null}, "error_rate": {"total": 0.5}}),
            &[],
        ),
        item(
            EntityKind::Key,
            json!({"id": "k2", "value": "sk-2", "quota": {"remaining_requests": 500}, "error_rate": {"total": 0.0}}),
            &[],
        ),
        item(EntityKind::Key, json!({"id": "k3", "value": "sk-3"}), &[]),
    ];
    let authors: Vec<Arc<dyn Entity>> = ["openai", "anthropic"]
        .iter()
        .map(|id| item(EntityKind::Author, json!({"id": id, "id_aliases": []}), &[]))
        .collect();
    let mut ai = map(json!({"request": {"model": "gpt-4o", "stream": true, "input_tokens": 100}}));
    ai.insert("models".into(), Value::Entities(models.into()));
    ai.insert("providers".into(), Value::Entities(providers.into()));
    ai.insert("authors".into(), Value::Entities(authors.into()));
    ai.insert("keys".into(), Value::Entities(keys.into()));
    Value::Map(Arc::new(ai))
}
