//! What would be tried for a request, and why not the rest. Sends nothing; runs the real rules, plan and attempt
//! loop over scripted providers.

use crate::action::RequestCx;
use crate::dry::{DryClient, Outcome as Scripted, ScriptedOutcome, ScriptedUpstream};
use crate::engine::{Engine, Shared};
use crate::exchange::Exchange;
use crate::phase::{EndedAt, Outcome, run_request, settled};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use serde_json::{Value as Json, json};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;
use tollgate_expr::{EndpointFacts, RequestFacts};

/// A request that is only thought of.
#[derive(Clone, Debug)]
pub struct DryRequest {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Where it comes from.
    pub client_ip: IpAddr,
}

/// What the gateway notes down while a request is explained.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// `models_to_try` of `tollgate explain --json`.
    pub models_to_try: Vec<Json>,
    /// `attempts`: what was tried and how it went.
    pub attempts: Vec<Json>,
    /// `client`
    pub client: Json,
    /// `model_selection`
    pub model_selection: Json,
    /// The internal endpoint that gets the request. Its policy is not looked at.
    pub forwarded_to: Option<String>,
}

/// The whole of an explanation.
#[derive(Debug)]
pub struct Explanation {
    /// The action that ended the request, and where it stands; `None`: it goes to the listener's upstream.
    pub ended: Option<EndedAt>,
    /// The answer the client would get; a provider's is a placeholder.
    pub status: Option<StatusCode>,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The answer's body.
    pub body: Bytes,
    /// The error, when the gateway made the answer.
    pub error: Option<(u16, String)>,
    /// What the gateway noted.
    pub trace: Trace,
    /// What was sent to scripted providers.
    pub calls: Vec<crate::upstream::Call>,
    /// Entries of the `log` action.
    pub logs: Vec<Json>,
}

/// Runs a request through a policy with scripted providers.
pub async fn explain(
    engine: &Arc<Engine>,
    shared: &Shared,
    request: DryRequest,
    script: Vec<ScriptedOutcome>,
) -> Explanation {
    let mut exchange = exchange(shared, &request, "req_explain".into(), true);
    exchange.trace = Some(Box::default());
    let mut client = DryClient::new(request.body);
    let upstream = ScriptedUpstream::new(script);
    let mut cx = RequestCx { exchange: &mut exchange, client: &mut client, upstream: &upstream, engine };
    let (outcome, ended) = run_request(&engine.request, &mut cx).await;
    let (status, mut headers, body) = match outcome {
        Outcome::Respond(answer) => {
            let answer = settled(engine, &mut exchange, answer, &upstream).await;
            (Some(answer.status), answer.headers, answer.body)
        }
        Outcome::Answered => {
            let (status, headers) = client.head.map_or((None, HeaderMap::new()), |(s, h)| (Some(s), h));
            (status, headers, client.answer.freeze())
        }
        Outcome::Fallthrough | Outcome::Upstream(_) | Outcome::Close => {
            (None, HeaderMap::new(), Bytes::new())
        }
    };
    if status.is_some() {
        crate::proxy::headers::stamp(&mut headers, &exchange, engine);
    }
    let error = exchange.record.error_code.map(|code| (code, message_of(&body, code)));
    let mut trace = exchange.trace.take().map(|trace| *trace).unwrap_or_default();
    reword(&mut trace.attempts, &upstream.outcomes());
    Explanation {
        ended,
        status,
        headers,
        error,
        body,
        trace,
        calls: upstream.calls(),
        logs: exchange.logs.iter().map(tollgate_expr::Value::to_json).collect(),
    }
}

/// Says how attempts ended in the words of the script. The loop's own labels know no more than a status or `timeout`;
/// they stay where they tell something else than the script.
fn reword(attempts: &mut [Json], scripted: &[Scripted]) {
    for (attempt, scripted) in attempts.iter_mut().zip(scripted) {
        let ok = attempt["outcome"] == "ok";
        let as_scripted = match scripted {
            Scripted::Ok => ok,
            Scripted::Status(status) => ok == (*status < 400),
            Scripted::Timeout | Scripted::Connect | Scripted::Cut | Scripted::ErrorInStream => !ok,
        };
        if as_scripted {
            attempt["outcome"] = scripted.to_string().into();
        }
    }
}

/// The message inside an error body of ours, without its code.
fn message_of(body: &[u8], code: u16) -> String {
    let parsed: Json = serde_json::from_slice(body).unwrap_or_default();
    let message = parsed.pointer("/error/message").and_then(Json::as_str).unwrap_or("");
    message.strip_prefix(&format!("ERR_NGROK_{code}: ")).unwrap_or(message).to_owned()
}

/// The exchange of a request that came over no connection.
pub(crate) fn exchange(shared: &Shared, request: &DryRequest, id: Arc<str>, wants_results: bool) -> Exchange {
    let now = SystemTime::now();
    let host = request.headers.get(http::header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("localhost");
    let facts = RequestFacts {
        id,
        method: request.method.clone(),
        uri: request.uri.clone(),
        raw_uri: request.uri.clone(),
        scheme: "http",
        raw_host: host.into(),
        host: host.into(),
        version: Version::HTTP_11,
        headers: request.headers.clone(),
        received: now,
        body_received: None,
    };
    let client = SocketAddr::new(request.client_ip, 0);
    let connection = shared.addressing.connection(client, SocketAddr::from(([127, 0, 0, 1], 8080)), now);
    let endpoint = Arc::new(EndpointFacts {
        id: "ep_explain".into(),
        protocol: "http",
        host: "127.0.0.1".into(),
        port: 8080,
    });
    Exchange::new(facts, connection, endpoint, Arc::clone(&shared.secrets), wants_results)
}

impl Explanation {
    /// The form of `tollgate explain --json`. Attempts only when outcomes were scripted.
    #[must_use]
    pub fn json(&self, file: &str, scripted: bool) -> Json {
        let mut out = json!({
            "action": self.ended.as_ref().map(|ended| ended.action),
            "file": file,
            "line": self.ended.as_ref().map(|ended| ended.at.line),
            "error": self.error.as_ref().map(|(code, message)| json!({
                "code": format!("ERR_NGROK_{code}"),
                "status": self.status.map(|s| s.as_u16()),
                "message": message,
            })),
            "status": self.status.map(|s| s.as_u16()),
            "forwarded_to": self.trace.forwarded_to,
            "client": self.trace.client,
            "model_selection": self.trace.model_selection,
            "models_to_try": self.trace.models_to_try,
        });
        if scripted && let Some(out) = out.as_object_mut() {
            out.insert("attempts".into(), self.trace.attempts.clone().into());
        }
        out
    }

    /// Whether the request would be refused.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.error.is_some() || self.status.is_some_and(|status| status.as_u16() >= 400)
    }
}
