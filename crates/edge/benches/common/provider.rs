//! Providers that answer from memory.

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use tollgate_edge::upstream::{Call, Reply, Upstream};
use tollgate_select::Fault;

/// Events of text in a stream.
const EVENTS: usize = 200;
/// Bytes of the text in a whole answer.
const TEXT: usize = 700;

/// All providers of a policy: each call gets the same answer.
pub(crate) struct Provider {
    kind: &'static str,
    /// Pieces of the answer as they come from a socket.
    pieces: Vec<Bytes>,
    /// The provider that answers 503 instead.
    failing: Option<&'static str>,
}

impl Provider {
    /// A whole answer.
    pub(crate) fn answers() -> Self {
        let text = "answer ".repeat(TEXT / 7);
        let body = format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1741570283,"model":"gpt-4o-mini","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":50,"completion_tokens":100,"total_tokens":150}}}}"#
        );
        Self { kind: "application/json", pieces: vec![body.into()], failing: None }
    }

    /// The same from the second provider only.
    pub(crate) fn fails_over() -> Self {
        Self { failing: Some("openai"), ..Self::answers() }
    }

    /// A stream.
    pub(crate) fn streams() -> Self {
        let event = |choices: &str| {
            Bytes::from(format!(
                "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1741570283,\"model\":\"gpt-4o-mini\",\"choices\":[{choices}]}}\n\n"
            ))
        };
        let word = event(r#"{"index":0,"delta":{"content":"word "},"finish_reason":null}"#);
        let mut pieces = vec![word; EVENTS];
        pieces.push(event(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#));
        pieces.push(Bytes::from_static(b"data: [DONE]\n\n"));
        Self { kind: "text/event-stream", pieces, failing: None }
    }

    /// Whether a stream is to be asked for.
    pub(crate) fn is_stream(&self) -> bool {
        self.pieces.len() > 1
    }

    /// Attempts a request takes.
    pub(crate) fn attempts(&self) -> u32 {
        if self.failing.is_some() { 2 } else { 1 }
    }

    /// Bytes that an answer has at least.
    pub(crate) fn least(&self) -> usize {
        if self.is_stream() { EVENTS * 100 } else { TEXT }
    }
}

#[async_trait]
impl Upstream for Provider {
    async fn open(&self, call: Call) -> Result<Box<dyn Reply>, Fault> {
        if self.failing.is_some_and(|failing| failing == &*call.provider) {
            let said = Bytes::from_static(br#"{"error":{"message":"overloaded","type":"server_error"}}"#);
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Ok(Box::new(Answer { status, kind: "application/json", pieces: vec![said].into_iter() }));
        }
        Ok(Box::new(Answer {
            status: StatusCode::OK,
            kind: self.kind,
            pieces: self.pieces.clone().into_iter(),
        }))
    }
}

struct Answer {
    status: StatusCode,
    kind: &'static str,
    pieces: std::vec::IntoIter<Bytes>,
}

#[async_trait]
impl Reply for Answer {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn take_headers(&mut self) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(self.kind))])
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        Ok(self.pieces.next())
    }

    async fn done(self: Box<Self>) {}
}
