//! A client and providers without a network: for `tollgate explain`, `tollgate test`, requests that begin inside the process,
//! and unit tests. The rules, the
//! plan and the attempt loop that run over them are the real ones.

use crate::client::{BodyError, Client, ClientGone, Over};
use crate::upstream::{Call, Reply, Upstream};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret;
use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use tollgate_select::{Fault, Key};

/// A client that has sent everything already and keeps what it gets.
#[derive(Debug, Default)]
pub struct DryClient {
    body: Bytes,
    /// More bytes of an answer than anybody wants; `None`: all are kept.
    most: Option<usize>,
    /// Status and headers of the answer, once there is one.
    pub head: Option<(StatusCode, HeaderMap)>,
    /// The answer's body.
    pub answer: BytesMut,
}

impl DryClient {
    /// A client with this request body.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        Self { body, ..Self::default() }
    }

    /// One that leaves when an answer has more bytes than this.
    #[must_use]
    pub(crate) fn bounded(body: Bytes, most: usize) -> Self {
        Self { most: Some(most), ..Self::new(body) }
    }
}

#[async_trait]
impl Client for DryClient {
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
        self.answer.extend_from_slice(&data);
        if self.most.is_some_and(|most| self.answer.len() > most) { Err(ClientGone) } else { Ok(()) }
    }

    async fn gone(&mut self) -> Over {
        std::future::pending().await
    }
}

/// What a scripted provider does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answers.
    Ok,
    /// It answers with this status.
    Status(u16),
    /// It does not answer in time.
    Timeout,
    /// It cannot be connected to.
    Connect,
    /// It closes the connection before any content.
    Cut,
    /// It answers 200, and what follows is an error.
    ErrorInStream,
}

/// A word that is no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no outcome; write ok, a status from 200 to 599, timeout, connect, cut or error_in_stream")]
pub struct BadOutcome(String);

impl FromStr for Outcome {
    type Err = BadOutcome;

    fn from_str(text: &str) -> Result<Self, BadOutcome> {
        Ok(match text.trim() {
            "ok" => Self::Ok,
            "timeout" => Self::Timeout,
            "connect" => Self::Connect,
            "cut" => Self::Cut,
            "error_in_stream" => Self::ErrorInStream,
            other => match other.parse() {
                Ok(status @ 200..=599) => Self::Status(status),
                _ => return Err(BadOutcome(other.to_owned())),
            },
        })
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Timeout => f.write_str("timeout"),
            Self::Connect => f.write_str("connect"),
            Self::Cut => f.write_str("cut"),
            Self::ErrorInStream => f.write_str("error_in_stream"),
        }
    }
}

/// Which outcome a target has. The first entry that fits an attempt counts; one with `once` is then used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedOutcome {
    /// `provider` or `provider:model`, the model as it is sent.
    pub target: String,
    /// Fits only attempts with this key, as [`key_fits`] reads it.
    pub key: Option<String>,
    /// What happens.
    pub outcome: Outcome,
    /// Whether it is used for one attempt only.
    pub once: bool,
}

impl ScriptedOutcome {
    fn fits(&self, call: &Call) -> bool {
        let (provider, model) = match self.target.split_once(':') {
            Some((provider, model)) => (provider, Some(model)),
            None => (self.target.as_str(), None),
        };
        provider.eq_ignore_ascii_case(&call.provider)
            && model.is_none_or(|model| model.eq_ignore_ascii_case(&call.model))
            && self.key.as_deref().is_none_or(|key| key_fits(key, sent_key(call)))
    }
}

/// Whether a key is the one meant: `...abcd` fits every key that ends so, `sk-...abcd` every one that also begins so,
/// `none` means that no key was sent. Without `...` the whole key is compared.
#[must_use]
pub fn key_fits(pattern: &str, key: Option<&str>) -> bool {
    match (pattern, key) {
        ("none", key) => key.is_none(),
        (_, None) => false,
        (pattern, Some(key)) => match pattern.split_once("...") {
            Some((head, tail)) => {
                key.len() >= head.len() + tail.len() && key.starts_with(head) && key.ends_with(tail)
            }
            None => key == pattern,
        },
    }
}

/// How texts begin that stand for secrets which are not there, in commands that send nothing.
pub const STAND_IN: &str = "sk-placeholder-";

/// Whether a key only stands for one, so that nothing can be said about its form.
#[must_use]
pub(crate) fn is_stand_in(key: &Key) -> bool {
    key.value.expose_secret().starts_with(STAND_IN)
}

/// The key a call carries, in whichever of the usual headers.
#[must_use]
pub fn sent_key(call: &Call) -> Option<&str> {
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header("authorization").map(|text| text.strip_prefix("Bearer ").unwrap_or(text));
    bearer.or_else(|| ["x-api-key", "api-key", "x-goog-api-key"].into_iter().find_map(header))
}

/// Providers that do as a script says, and remember what they were sent.
#[derive(Default)]
pub struct ScriptedUpstream {
    script: Mutex<Vec<ScriptedOutcome>>,
    calls: Mutex<Vec<(Call, Outcome)>>,
}

impl ScriptedUpstream {
    /// Providers with a script; whatever it does not name answers.
    #[must_use]
    pub fn new(script: Vec<ScriptedOutcome>) -> Self {
        Self { script: Mutex::new(script), calls: Mutex::default() }
    }

    /// What was sent so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(call, _)| call.clone())
            .collect()
    }

    /// What each attempt at a provider got, in the same order. Calls that actions make for themselves are no attempts.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|(call, _)| call.addresses.is_none()) // those of actions have a rule
            .map(|(_, outcome)| *outcome)
            .collect()
    }

    fn outcome(&self, call: &Call) -> Outcome {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = script.iter().position(|entry| entry.fits(call)) else { return Outcome::Ok };
        let entry = if script.get(at).is_some_and(|entry| entry.once) {
            Some(script.remove(at))
        } else {
            script.get(at).cloned()
        };
        entry.map_or(Outcome::Ok, |entry| entry.outcome)
    }
}

#[async_trait]
impl Upstream for ScriptedUpstream {
    async fn open(&self, call: Call) -> Result<Box<dyn Reply>, Fault> {
        let outcome = self.outcome(&call);
        let reply = reply(&call, outcome);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push((call, outcome));
        reply.map(|reply| Box::new(reply) as Box<dyn Reply>)
    }
}

fn reply(call: &Call, outcome: Outcome) -> Result<ScriptedReply, Fault> {
    let path = call.url.path_and_query.split('?').next().unwrap_or("");
    let streamed = path.ends_with(GEMINI_STREAM) || call.body.iter().any(|part| asks_for_stream(part));
    let json =
        |status, body: String| ScriptedReply::new(status, "application/json", vec![body.into()], false);
    Ok(match outcome {
        Outcome::Timeout => return Err(Fault::HeadTimeout),
        Outcome::Connect => return Err(Fault::Connect),
        Outcome::Status(status) if status >= 400 => {
            let body = format!(
                r#"{{"error":{{"message":"scripted status {status}","type":"scripted","code":{status}}}}}"#
            );
            json(status, body)
        }
        Outcome::Status(status) if status >= 300 => {
            ScriptedReply::new(status, "text/plain", Vec::new(), false)
        }
        Outcome::Status(status) => json(status, answer(path)),
        Outcome::Ok if streamed => ScriptedReply::new(200, "text/event-stream", stream(path), false),
        Outcome::Ok => json(200, answer(path)),
        Outcome::Cut => {
            ScriptedReply::new(200, "text/event-stream", vec![Bytes::from_static(b": scripted\n\n")], true)
        }
        Outcome::ErrorInStream if streamed => {
            let frame = Bytes::from_static(b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"scripted\",\"code\":529}}\n\n");
            ScriptedReply::new(200, "text/event-stream", vec![frame], false)
        }
        Outcome::ErrorInStream => json(200, r#"{"error":{"message":"scripted","code":502}}"#.to_owned()),
    })
}

fn asks_for_stream(body: &[u8]) -> bool {
    tollgate_dialect::peek(body).is_ok_and(|peek| peek.stream)
}

/// How Gemini's streams are asked for: by the path.
const GEMINI_STREAM: &str = ":streamGenerateContent";
/// A short answer of Gemini, whole or as the only event of a stream.
const GEMINI: &str = r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"ok"}]},"finishReason":"STOP"}],"modelVersion":"dry-run"}"#;

/// A short answer in the shape of the operation.
fn answer(path: &str) -> String {
    let text = if path.ends_with("/chat/completions") {
        r#"{"id":"dry-run","object":"chat.completion","created":0,"model":"dry-run","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#
    } else if path.ends_with("/count_tokens") {
        r#"{"input_tokens":1}"#
    } else if path.ends_with("/messages") {
        r#"{"id":"dry-run","type":"message","role":"assistant","model":"dry-run","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#
    } else if path.ends_with("/responses") {
        r#"{"id":"dry-run","object":"response","status":"completed","output":[{"type":"message","id":"dry-run","role":"assistant","status":"completed","content":[{"type":"output_text","text":"ok","annotations":[]}]}]}"#
    } else if path.ends_with(":generateContent") || path.ends_with(GEMINI_STREAM) {
        GEMINI
    } else if path.ends_with("/converse") || path.ends_with("/converse-stream") {
        // Its streams are binary; one that answers as a whole is understood.
        r#"{"output":{"message":{"role":"assistant","content":[{"text":"ok"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}"#
    } else if path.ends_with("/embeddings") {
        r#"{"object":"list","data":[],"model":"dry-run"}"#
    } else {
        r#"{"id":"dry-run","object":"text_completion","choices":[{"index":0,"text":"ok","finish_reason":"stop"}]}"#
    };
    text.to_owned()
}

/// A short stream in the shape of the operation.
fn stream(path: &str) -> Vec<Bytes> {
    if path.ends_with(GEMINI_STREAM) {
        return vec![format!("data: {GEMINI}\r\n\r\n").into()];
    }
    let frames: &[&str] = if path.ends_with("/messages") {
        &[
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"ok\"}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ]
    } else if path.ends_with("/responses") {
        &[
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"ok\"}\n\n",
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n",
        ]
    } else if path.ends_with("/chat/completions") {
        &[
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},\"finish_reason\":null}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: [DONE]\n\n",
        ]
    } else {
        &[
            "data: {\"choices\":[{\"index\":0,\"text\":\"ok\",\"finish_reason\":\"stop\"}]}\n\n",
            "data: [DONE]\n\n",
        ]
    };
    frames.iter().map(|frame| Bytes::copy_from_slice(frame.as_bytes())).collect()
}

struct ScriptedReply {
    status: StatusCode,
    headers: HeaderMap,
    chunks: VecDeque<Bytes>,
    cut: bool,
}

impl ScriptedReply {
    fn new(status: u16, kind: &'static str, chunks: Vec<Bytes>, cut: bool) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
            headers,
            chunks: chunks.into(),
            cut,
        }
    }
}

#[async_trait]
impl Reply for ScriptedReply {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        match self.chunks.pop_front() {
            None if self.cut => Err(Fault::Closed),
            next => Ok(next),
        }
    }

    async fn done(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_words_and_statuses() {
        assert_eq!("503".parse(), Ok(Outcome::Status(503)));
        assert_eq!(" timeout ".parse(), Ok(Outcome::Timeout));
        assert_eq!(Outcome::Status(503).to_string(), "503");
        assert!("700".parse::<Outcome>().is_err() && "fine".parse::<Outcome>().is_err());
    }
    #[test]
    fn keys_are_named_by_their_ends() {
        for (pattern, fits) in [
            ("...aaaa", true),
            ("sk-...aaaa", true),
            ("sk-1-aaaa", true),
            ("...", true),
            ("...bbbb", false),
            ("sk-2...aaaa", false),
            ("sk-1-aaa", false),
            ("none", false),
        ] {
            assert_eq!(key_fits(pattern, Some("sk-1-aaaa")), fits, "{pattern}");
        }
        assert!(key_fits("none", None) && !key_fits("...", None));
        assert!(!key_fits("sk-1-aaaa...aaaa", Some("sk-1-aaaa")), "the ends may not overlap");
    }
}
