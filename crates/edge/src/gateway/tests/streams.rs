//! What is counted when an answer comes late, or does not come to its end.

use super::SECRETS;
use crate::action::RequestCx;
use crate::dry::DryClient;
use crate::exchange::{Ending, Exchange};
use crate::testing::{engine, exchange, shared};
use crate::upstream::{Call, Reply, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::time::{Duration, SystemTime};
use tollgate_select::{Fault, Snapshot};

/// The first key is refused after a while; then a stream begins and breaks off.
struct Late;

struct Broken(Vec<&'static str>);

#[async_trait]
impl Upstream for Late {
    async fn open(&self, call: Call) -> Result<Box<dyn Reply>, Fault> {
        if call.headers.get("x-api-key").is_some_and(|key| key == "first") {
            tokio::time::sleep(Duration::from_millis(80)).await;
            return Err(Fault::Closed);
        }
        Ok(Box::new(Broken(vec![
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":17,\"output_tokens\":1}}}\n\n",
        ])))
    }
}

#[async_trait]
impl Reply for Broken {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }

    fn take_headers(&mut self) -> HeaderMap {
        [(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"))]
            .into_iter()
            .collect()
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        self.0.pop().map(|frame| Some(Bytes::from_static(frame.as_bytes()))).ok_or(Fault::Closed)
    }

    async fn done(self: Box<Self>) {}
}

async fn broken() -> (Exchange, Snapshot) {
    let policy = "
on_http_request:
  - type: ai-gateway
    config:
      providers: [{id: anthropic, api_keys: [{value: first}, {value: second}]}]
";
    let shared = shared(SECRETS);
    let engine = engine(policy, &shared);
    let mut exchange = exchange(&shared, &engine, "POST /v1/messages HTTP/1.1\r\n\r\n");
    let body = br#"{"model": "claude-sonnet-4-5", "stream": true, "messages": []}"#;
    let mut client = DryClient::new(Bytes::from_static(body));
    let mut cx = RequestCx { exchange: &mut exchange, client: &mut client, upstream: &Late, engine: &engine };
    crate::phase::run_request(&engine.request, &mut cx).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let stats = shared.stats.get("anthropic", "claude-sonnet-4-5");
    let seen = stats.snapshot(u64::try_from(now.as_millis()).expect("small"));
    (exchange, seen)
}

#[tokio::test]
async fn what_a_broken_stream_used_is_counted() {
    let (exchange, seen) = broken().await;
    assert_eq!(exchange.record.outcome, Ending::Truncated);
    assert_eq!((exchange.record.input_tokens, exchange.record.output_tokens), (17, 1));
    assert_eq!(seen.tokens.provider_input, 17);
}

#[tokio::test]
async fn waiting_for_a_failed_attempt_is_no_time_of_the_gateway() {
    let (exchange, seen) = broken().await;
    assert_eq!((exchange.record.attempts, seen.request_count), (2, 2));
    assert!(seen.latency.gateway.avg < 40, "{:?}", seen.latency.gateway);
}
