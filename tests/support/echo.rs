//! A web server behind the gateway that tells what it was asked.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Answers with method, path, headers and body length as JSON; `/same` gives the body back.
pub(crate) struct EchoServer {
    pub(crate) addr: SocketAddr,
    accepting: AbortHandle,
}

impl EchoServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(tcp), service_fn(answer)).await;
                });
            }
        });
        Self { addr, accepting: accepting.abort_handle() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let headers: Map<String, Value> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(value.to_str().unwrap_or("?"))))
        .collect();
    let told = json!({
        "method": head.method.as_str(), "uri": head.uri.to_string(), "headers": headers, "bytes": body.len(),
    });
    let same = head.uri.path().ends_with("/same");
    let answer = Response::builder()
        .header("content-type", if same { "application/octet-stream" } else { "application/json" })
        .header("x-tollgate-model", "forged")
        .header("ngrok-error-code", "ERR_NGROK_9999")
        .header("set-cookie", "session=1")
        .header("x-from", "upstream")
        .body(Full::new(if same { body } else { Bytes::from(told.to_string()) }));
    Ok(answer.unwrap())
}
