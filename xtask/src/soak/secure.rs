//! A client of HTTP/1.1 and HTTP/2 with TLS.

use crate::failure::{Failure, Result, said};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Connects with TLS.
#[derive(Clone)]
pub(crate) struct Secure {
    address: SocketAddr,
    h1: TlsConnector,
    h2: TlsConnector,
}

/// One connection.
pub(crate) enum Session {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Secure {
    /// Trusts this certificate.
    pub(crate) fn new(address: SocketAddr, certificate: &[u8]) -> Result<Self> {
        let connector = |protocol: &[u8]| -> Result<TlsConnector> {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from(certificate.to_vec())).map_err(other)?;
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = rustls::ClientConfig::builder_with_provider(provider);
            let builder = builder.with_safe_default_protocol_versions().map_err(other)?;
            let mut config = builder.with_root_certificates(roots).with_no_client_auth();
            config.alpn_protocols = vec![protocol.to_vec()];
            Ok(TlsConnector::from(Arc::new(config)))
        };
        Ok(Self { address, h1: connector(b"http/1.1")?, h2: connector(b"h2")? })
    }

    /// A fresh connection, with HTTP/2 or without.
    pub(crate) async fn open(&self, two: bool) -> Result<Session> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let connector = if two { &self.h2 } else { &self.h1 };
        let name = ServerName::try_from("localhost").map_err(other)?;
        let io = TokioIo::new(connector.connect(name, tcp).await?);
        if two {
            let (session, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(other)?;
            tokio::spawn(connection);
            return Ok(Session::Two(session));
        }
        let (session, connection) = http1::handshake(io).await.map_err(other)?;
        tokio::spawn(connection);
        Ok(Session::One(session))
    }
}

impl Session {
    /// Another user of the same connection, where it can have several.
    pub(crate) fn shared(&self) -> Option<Self> {
        match self {
            Self::One(_) => None,
            Self::Two(session) => Some(Self::Two(session.clone())),
        }
    }

    /// Posts a chat request; status and body of the answer.
    pub(crate) async fn chat(&mut self, token: &str, body: Bytes) -> Result<(u16, Bytes)> {
        let uri = match self {
            Self::One(_) => "/v1/chat/completions",
            Self::Two(_) => "https://localhost/v1/chat/completions",
        };
        let request = http::Request::post(uri)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(other)?;
        let response = match self {
            Self::One(session) => {
                session.ready().await.map_err(other)?;
                session.send_request(request).await
            }
            Self::Two(session) => {
                session.ready().await.map_err(other)?;
                session.send_request(request).await
            }
        };
        let response = response.map_err(other)?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await.map_err(other)?.to_bytes()))
    }
}

fn other(why: impl std::fmt::Display) -> Failure {
    said(why.to_string())
}
