//! A request that comes over no connection and takes the way of any other: the rules, the plan, the attempts, real
//! providers. For `tollgate compare`.

use crate::action::RequestCx;
use crate::client::{BodyError, Client, ClientGone, Over};
use crate::engine::{Engine, Shared};
use crate::exchange::Record;
use crate::explain::{DryRequest, exchange};
use crate::phase::{Outcome, run_request, settled};
use crate::proxy::request::request_id;
use crate::upstream::Upstream;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most bytes of an answer that are kept.
const MOST: usize = 64 << 20; // 64 MiB

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The answer's status; `None` when no rule answered.
    pub status: Option<StatusCode>,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The answer's body, part by part.
    pub parts: Vec<Part>,
    /// The answer was longer than anybody wants to read; the rest was not.
    pub cut: bool,
    /// From the request to the end of the answer.
    pub took: Duration,
    /// What the access log would say.
    pub record: Record,
}

/// A part of an answer.
#[derive(Clone)]
pub struct Part {
    /// How long after the request it came.
    pub after: Duration,
    /// Its bytes.
    pub data: Bytes,
}

impl std::fmt::Debug for Part {
    /// Without the bytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("after", &self.after).field("length", &self.data.len()).finish()
    }
}

/// Sends a request through a policy, and waits for the whole answer.
pub async fn deliver(
    engine: &Arc<Engine>,
    shared: &Shared,
    upstream: &dyn Upstream,
    request: DryRequest,
) -> Delivery {
    let mut exchange = exchange(shared, &request, request_id(), engine.wants_results);
    let mut client = TimedClient::new(request.body);
    let mut cx = RequestCx { exchange: &mut exchange, client: &mut client, upstream, engine };
    let (outcome, _) = run_request(&engine.request, &mut cx).await;
    let took = client.started.elapsed();
    let (status, headers) = match outcome {
        Outcome::Answered => client.head.take().map_or_else(Default::default, |(s, h)| (Some(s), h)),
        Outcome::Respond(answer) => {
            let answer = settled(engine, &mut exchange, answer, upstream).await;
            client.parts = vec![Part { after: took, data: answer.body }];
            (Some(answer.status), answer.headers)
        }
        Outcome::Fallthrough | Outcome::Upstream(_) | Outcome::Close => (None, HeaderMap::new()),
    };
    Delivery { status, headers, parts: client.parts, cut: client.cut, took, record: exchange.record }
}

/// A client that has sent everything already and notes when what comes.
struct TimedClient {
    body: Bytes,
    started: Instant,
    head: Option<(StatusCode, HeaderMap)>,
    parts: Vec<Part>,
    length: usize,
    cut: bool,
}

impl TimedClient {
    fn new(body: Bytes) -> Self {
        Self { body, started: Instant::now(), head: None, parts: Vec::new(), length: 0, cut: false }
    }
}

#[async_trait]
impl Client for TimedClient {
    async fn body(&mut self) -> Result<Bytes, BodyError> {
        Ok(self.body.clone())
    }

    fn release_body(&mut self) {
        self.body = Bytes::new();
    }

    async fn head(&mut self, status: StatusCode, headers: HeaderMap, _end: bool) -> Result<(), ClientGone> {
        self.head = Some((status, headers));
        Ok(())
    }

    async fn chunk(&mut self, data: Bytes, _end: bool) -> Result<(), ClientGone> {
        self.length += data.len();
        if self.length > MOST {
            self.cut = true;
            return Err(ClientGone);
        }
        if !data.is_empty() {
            self.parts.push(Part { after: self.started.elapsed(), data });
        }
        Ok(())
    }

    async fn gone(&mut self) -> Over {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dry::ScriptedUpstream;
    use crate::testing;
    use http::Method;

    fn request(body: &str) -> DryRequest {
        DryRequest {
            method: Method::POST,
            uri: http::Uri::from_static("/v1/chat/completions"),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            client_ip: [127, 0, 0, 1].into(),
        }
    }

    async fn delivered(policy: &str, body: &str) -> Delivery {
        let shared = testing::shared(&[]);
        let engine = testing::engine(policy, &shared);
        let upstream = ScriptedUpstream::new(Vec::new());
        deliver(&engine, &shared, &upstream, request(body)).await
    }

    const GATEWAY: &str = "on_http_request:\n  - type: ai-gateway\n    config:\n      providers:\n        - {id: openai, api_keys: [{value: k}]}\n";

    #[tokio::test]
    async fn an_answer_comes_in_parts_that_know_when_they_came() {
        let body = r#"{"model":"openai:gpt-4o","stream":true,"messages":[]}"#;
        let delivery = delivered(GATEWAY, body).await;
        assert_eq!((delivery.status, delivery.cut), (Some(StatusCode::OK), false));
        assert_eq!(delivery.record.provider.as_deref(), Some("openai"));
        assert!(delivery.parts.len() > 1 && delivery.parts.is_sorted_by_key(|part| part.after));
        assert!(delivery.parts.iter().all(|part| part.after <= delivery.took));
    }

    #[tokio::test]
    async fn the_policy_answers_too_or_nobody() {
        let denied = "on_http_request:\n  - type: deny\n    config: {status_code: 418}\n";
        let delivery = delivered(denied, "{}").await;
        assert_eq!(delivery.status.map(|s| s.as_u16()), Some(418));
        let nobody = "on_http_request:\n  - expressions: ['false']\n    actions: [{type: deny}]\n";
        assert_eq!(delivered(nobody, "{}").await.status, None);
    }
}
