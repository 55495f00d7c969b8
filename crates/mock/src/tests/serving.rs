//! Protocols, counters, recordings.

use super::client::{End, always, chat, exchange, post, request, soon};
use crate::{
    Behaviour, FAST_COMPLETION, FastServer, Fault, Flavour, MockServer, Script, Surface, demo_script,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const CHAT: &str = "/v1/chat/completions";

type H2 = http2::SendRequest<Full<Bytes>>;

async fn h2<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: T) -> H2 {
    let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    send
}

fn call(stream: bool) -> http::Request<Full<Bytes>> {
    let body = Full::new(Bytes::from(chat(stream).to_string()));
    http::Request::post("http://mock/v1/chat/completions").body(body).unwrap()
}

async fn tls(server: &MockServer, alpn: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(server.addr()).await.unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h2c_and_its_faults() {
    let server = always(Behaviour::default()).await;
    let mut client = h2(TcpStream::connect(server.addr()).await.unwrap()).await;
    let answer = client.send_request(call(false)).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let json: Value = serde_json::from_slice(&answer.collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(json["object"], "chat.completion");
    assert_eq!(server.requests()[0].version, http::Version::HTTP_2);
    assert_eq!(server.requests()[0].authority, "mock");

    let cut = Behaviour { fault: Some(Fault::CutAfterChunks(1)), ..Behaviour::chunks(["one", "two"]) };
    server.set_script(Script::always(cut));
    let mut body = client.send_request(call(true)).await.unwrap().into_body();
    let mut seen = Vec::new();
    let error = loop {
        match body.frame().await.expect("an error, not an end") {
            Ok(frame) => seen.extend_from_slice(frame.data_ref().unwrap()),
            Err(error) => break error,
        }
    };
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.contains("one") && !seen.contains("two"), "{seen} {error}");
    server.set_script(Script::always(Behaviour::fault(Fault::CloseBeforeHead)));
    client.send_request(call(true)).await.unwrap_err();
    server.set_script(Script::default());
    assert_eq!(client.send_request(call(true)).await.unwrap().status(), 200, "the connection lives on");
}

#[tokio::test]
async fn tls_with_both_protocols() {
    let server = MockServer::start_tls(Script::default()).await.unwrap();
    assert!(server.url().starts_with("https://localhost:"));
    let stream = tls(&server, b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = h2(stream).await;
    let answer = client.send_request(call(true)).await.unwrap();
    assert!(answer.collect().await.unwrap().to_bytes().ends_with(b"data: [DONE]\n\n"));

    let stream = tls(&server, b"http/1.1").await;
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = client.send_request(call(false)).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_11);
    assert_eq!(answer.collect().await.unwrap().to_bytes().first(), Some(&b'{'));
}

#[tokio::test]
async fn what_is_recorded() {
    let server = MockServer::start(Script::default()).await.unwrap();
    let body = json!({"model": "claude-x", "stream": true, "messages": []}).to_string();
    let text = request("POST", "/anthropic/v1/messages?beta=true", &[("x-api-key", "sk-secret")], &body);
    exchange(server.addr(), &text).await;
    let requests = soon(server.wait_for(1)).await;
    let recorded = &requests[0];
    assert_eq!((recorded.provider, recorded.surface), (Flavour::Anthropic, Surface::Messages));
    assert_eq!(recorded.path_and_query, "/anthropic/v1/messages?beta=true");
    assert_eq!((recorded.model.as_str(), recorded.stream), ("claude-x", true));
    assert_eq!(recorded.key.as_deref(), Some("sk-secret"));
    assert_eq!((recorded.body.as_ref(), recorded.header("host")), (body.as_bytes(), "mock"));
    let shown = format!("{recorded:?}");
    assert!(!shown.contains("sk-secret") && !shown.contains("messages\":"), "{shown}");
    server.clear_requests();
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn connections_are_kept_and_counted() {
    let server = always(Behaviour::default()).await;
    let mut tcp = TcpStream::connect(server.addr()).await.unwrap();
    let text = request("POST", CHAT, &[], &chat(false).to_string());
    for count in 1..=3 {
        tcp.write_all(text.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"null}") {
            assert!(soon(tcp.read_buf(&mut seen)).await.unwrap() > 0);
        }
        soon(server.wait_until(|_, c| c.finished_streams == count)).await;
    }
    assert!(server.requests().iter().all(|r| r.connection == 1));
    assert_eq!((server.counters().connections_opened, server.counters().connections_closed), (1, 0));
    drop(tcp);
    soon(server.wait_idle()).await;
    assert_eq!((server.counters().connections_closed, server.aborted_streams()), (1, 0));
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let text = request("POST", CHAT, &[], &chat(true).to_string());
    for fault in [Fault::StallMidStream(1), Fault::StallAfterHead, Fault::Hang, Fault::EndlessLine] {
        let server = always(Behaviour::fault(fault)).await;
        let mut tcp = TcpStream::connect(server.addr()).await.unwrap();
        tcp.write_all(text.as_bytes()).await.unwrap();
        soon(server.wait_for(1)).await;
        assert_eq!((server.open_streams(), server.aborted_streams()), (1, 0));
        drop(tcp);
        soon(server.wait_aborted(1)).await;
        soon(server.wait_idle()).await;
        assert_eq!((server.open_streams(), server.aborted_streams()), (0, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_stream_cancelled_over_h2_is_noticed() {
    let server = always(Behaviour::fault(Fault::StallMidStream(1))).await;
    let mut client = h2(TcpStream::connect(server.addr()).await.unwrap()).await;
    let answer = client.send_request(call(true)).await.unwrap();
    drop(answer);
    soon(server.wait_aborted(1)).await;
    assert_eq!(server.counters().connections_closed, 0);
}

#[tokio::test]
async fn a_deliberate_cut_is_not_an_abort() {
    let server = always(Behaviour::fault(Fault::CutAfterChunks(1))).await;
    post(&server, CHAT, chat(true)).await;
    soon(server.wait_idle()).await;
    assert_eq!((server.counters().finished_streams, server.aborted_streams()), (1, 0));
}

#[tokio::test]
async fn dropping_the_server_ends_everything() {
    let server = always(Behaviour::fault(Fault::Hang)).await;
    let addr = server.addr();
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(request("POST", CHAT, &[], "{}").as_bytes()).await.unwrap();
    soon(server.wait_for(1)).await;
    drop(server);
    assert!(matches!(soon(tcp.read(&mut [0; 8])).await, Ok(0) | Err(_)));
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn the_demo_answers() {
    let server = MockServer::start(demo_script()).await.unwrap();
    let status = async |path: &str, model: &str| {
        post(&server, path, json!({"model": model, "max_tokens": 5, "messages": []})).await.status()
    };
    assert_eq!(status("/anthropic/v1/messages", "claude-sonnet-4-5").await, 200);
    assert_eq!(status("/anthropic/v1/messages", "claude-sonnet-4-5-down").await, 529);
    assert_eq!(status("/openai/v1/chat/completions", "gpt-4o-down").await, 503);
    assert_eq!(status("/openrouter/api/v1/chat/completions", "openai/gpt-4o-quota").await, 402);
    assert_eq!(status("/openai/v1/chat/completions", "gpt-4o-flaky").await, 503);
    assert_eq!(status("/openai/v1/chat/completions", "gpt-4o-flaky").await, 200);
    let headers = [("authorization", "Bearer key-exhausted")];
    let text = request("POST", "/openai/v1/responses", &headers, "{\"model\":\"gpt-5\"}");
    assert_eq!(exchange(server.addr(), &text).await.status(), 429);
}

#[tokio::test]
async fn the_fast_server_keeps_connections() {
    let server = FastServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    assert!((1000..1100).contains(&FAST_COMPLETION.len()), "{}", FAST_COMPLETION.len());
    serde_json::from_str::<Value>(FAST_COMPLETION).unwrap();
    let mut tcp = TcpStream::connect(server.addr()).await.unwrap();
    let plain = request("POST", CHAT, &[], "{}");
    let chunked = "POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let failing = request("POST", "/fail/v1/chat/completions", &[], "{}");
    // All at once: the answers come in order.
    tcp.write_all([plain.as_str(), chunked, &failing, &plain].concat().as_bytes()).await.unwrap();
    tcp.shutdown().await.unwrap();
    let mut seen = String::new();
    soon(tcp.read_to_string(&mut seen)).await.unwrap();
    let heads: Vec<_> = seen.split("HTTP/1.1 ").skip(1).map(|a| &a[..3]).collect();
    assert_eq!(heads, ["200", "200", "503", "200"]);
    let answer = exchange(server.addr(), &request("GET", "/", &[("x", "y")], "")).await;
    assert_eq!((answer.complete(), answer.end), (true, End::Open));
}
