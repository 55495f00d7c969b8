//! A client for well-formed requests, over HTTP/1.1 or HTTP/2, plain or with TLS.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

type Body = BoxBody<Bytes, Infallible>;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    version: Version,
    /// The end of the body never comes.
    stalls: bool,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body's end was seen, not only the connection's.
    pub(crate) whole: bool,
}

/// An answer whose body is still coming. Dropping it leaves.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    seen: BytesMut,
    _sender: Sender,
}

/// One frame of an event stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Without the blank line.
    pub(crate) text: String,
    pub(crate) at: Instant,
}

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

pub(crate) fn get(path: &str) -> Ask {
    ask(Method::GET, path, Bytes::new())
}

pub(crate) fn post(path: &str, body: &Value) -> Ask {
    post_bytes(path, body.to_string())
}

pub(crate) fn post_bytes(path: &str, body: impl Into<Bytes>) -> Ask {
    ask(Method::POST, path, body.into()).header("content-type", "application/json")
}

fn ask(method: Method, path: &str, body: Bytes) -> Ask {
    Ask { method, path: path.into(), headers: Vec::new(), body, version: Version::HTTP_11, stalls: false }
}

/// A body that begins with these bytes and does not end.
struct Stalling(Option<Bytes>);

impl hyper::body::Body for Stalling {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

impl Ask {
    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.parse().unwrap();
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Takes a header back.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// Over HTTP/2 with prior knowledge.
    pub(crate) fn h2(mut self) -> Self {
        self.version = Version::HTTP_2;
        self
    }

    /// Sends all but the end of the body, and waits for the answer.
    pub(crate) async fn stalled(mut self, to: SocketAddr) -> Answer {
        self.stalls = true;
        self.send(to).await
    }

    /// Sends it on a connection of its own and waits for the whole answer.
    pub(crate) async fn send(self, to: SocketAddr) -> Answer {
        self.open(to).await.answer().await
    }

    /// Sends it on a connection of its own and waits for the answer's head.
    pub(crate) async fn open(self, to: SocketAddr) -> Reply {
        let tcp = TcpStream::connect(to).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        self.over(tcp, &format!("http://{to}")).await
    }

    /// The same on a connection that is there already.
    pub(crate) async fn over(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        origin: &str,
    ) -> Reply {
        let h2 = self.version == Version::HTTP_2;
        let mut sender = Sender::new(TokioIo::new(io), h2).await;
        // A header `host` takes the place of the address, over HTTP/2 in `:authority`.
        let (scheme, address) = origin.split_once("://").unwrap();
        let host = self.headers.iter().find(|(name, _)| name == "host").map_or(address, |(_, host)| host);
        let uri = if h2 { format!("{scheme}://{host}{}", self.path) } else { self.path.clone() };
        let mut request = Request::builder().method(self.method).uri(uri);
        if !h2 {
            request = request.header("host", host);
        }
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        let body = if self.stalls { Stalling(Some(self.body)).boxed() } else { Full::new(self.body).boxed() };
        let request = request.body(body).unwrap();
        let response = match &mut sender {
            Sender::One(one) => one.send_request(request).await,
            Sender::Two(two) => two.send_request(request).await,
        };
        let (head, body) = response.expect("an answer").into_parts();
        let status = head.status.as_u16();
        Reply { status, headers: head.headers, body, seen: BytesMut::new(), _sender: sender }
    }
}

impl Sender {
    async fn new<IO>(io: TokioIo<IO>, h2: bool) -> Self
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if h2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            Self::Two(sender)
        } else {
            let (sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            Self::One(sender)
        }
    }
}

impl Reply {
    /// The next part of the body; `None` when it ended, whether well or not.
    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            match self.body.frame().await? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next frame of an event stream; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(at) = self.seen.windows(2).position(|w| w == b"\n\n") {
                let text = String::from_utf8(self.seen.split_to(at + 2)[..at].to_vec()).unwrap();
                return Some(Event { text, at: Instant::now() });
            }
            let chunk = self.chunk().await?.ok()?;
            self.seen.extend_from_slice(&chunk);
        }
    }

    pub(crate) async fn answer(mut self) -> Answer {
        let mut body = self.seen.split();
        let mut whole = true;
        while let Some(chunk) = self.chunk().await {
            match chunk {
                Ok(chunk) => body.extend_from_slice(&chunk),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        Answer { status: self.status, headers: self.headers, body: body.freeze(), whole }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }

    /// The error code of the header, without `ERR_NGROK_`.
    pub(crate) fn code(&self) -> &str {
        self.header("ngrok-error-code").strip_prefix("ERR_NGROK_").unwrap_or("")
    }

    /// The frames of an event stream, without blank lines.
    pub(crate) fn frames(&self) -> Vec<String> {
        self.text().split("\n\n").filter(|f| !f.is_empty()).map(str::to_owned).collect()
    }

    /// Checks that it is a gateway's error in the dialect of OpenAI's clients.
    pub(crate) fn assert_openai_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text());
        let error = &self.json()["error"];
        assert_eq!(error["code"], format!("ERR_NGROK_{code}"), "{error}");
        assert!(error["message"].as_str().unwrap().contains(&format!("ERR_NGROK_{code}")), "{error}");
        assert!(error["type"].is_string() && error.get("param").is_some(), "{error}");
    }

    /// Checks that it is a gateway's error in the dialect of Anthropic's clients.
    pub(crate) fn assert_anthropic_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text());
        let body = self.json();
        assert_eq!(body["type"], "error", "{body}");
        assert!(body["error"]["type"].is_string(), "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(&format!("ERR_NGROK_{code}")), "{body}");
    }
}
