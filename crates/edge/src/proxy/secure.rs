//! A connection whose TLS handshake we completed, as Pingora wants its streams.

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{ALPN, SslDigest};
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use rustls::{ServerConnection, SupportedCipherSuite};
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::server::TlsStream;
use tollgate_expr::{Certificate, TlsFacts};

/// A connection with TLS, seen from the inside.
#[derive(Debug)]
pub(super) struct Secure {
    tls: TlsStream<Stream>,
    digest: Arc<SslDigest>,
    timing: TimingDigest,
}

impl Secure {
    /// After a handshake that took this long.
    pub(super) fn new(tls: TlsStream<Stream>, took: Duration) -> Self {
        let (_, session) = tls.get_ref();
        // Pingora asks whether there is one; what rules read of it is in the notes of the connection.
        let digest =
            SslDigest::new(cipher_suite(session), version(session).to_owned(), None, None, Vec::new());
        let timing = TimingDigest {
            established_ts: SystemTime::now(),
            establishment_duration: Some(took),
            offload_wait_duration: None,
        };
        Self { digest: Arc::new(digest), timing, tls }
    }

    /// What rules see of the handshake, beside what the hello said: `before` has that.
    pub(super) fn facts(&self, before: &TlsFacts, shown: Arc<Certificate>) -> TlsFacts {
        let (_, session) = self.tls.get_ref();
        let client = session.peer_certificates().and_then(|chain| chain.first());
        let alpn = session.alpn_protocol().unwrap_or_default();
        TlsFacts {
            version: version(session).to_owned(),
            cipher_suite: cipher_suite(session),
            sni: before.sni.clone(),
            alpn: String::from_utf8_lossy(alpn).into_owned(),
            ja4: before.ja4.clone(),
            client: client.map(|der| Arc::new(Certificate::from_der(der.as_ref()))),
            server: Some(shown),
        }
    }
}

/// As the language writes it.
fn version(session: &ServerConnection) -> &'static str {
    match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
        _ => "",
    }
}

fn cipher_suite(session: &ServerConnection) -> String {
    let suite = session.negotiated_cipher_suite().as_ref().map(SupportedCipherSuite::suite);
    iana(suite.and_then(|suite| suite.as_str()).unwrap_or_default())
}

/// The name in IANA's registry. rustls sets its names of TLS 1.3 apart by `TLS13_`.
fn iana(name: &str) -> String {
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name.to_owned(),
    }
}

impl AsyncRead for Secure {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secure {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Secure {
    async fn shutdown(&mut self) {
        if let Err(error) = AsyncWriteExt::shutdown(self).await {
            tracing::debug!("the end of a TLS connection could not be said: {error}");
        }
    }
}

impl UniqueID for Secure {
    fn id(&self) -> UniqueIDType {
        self.tls.get_ref().0.id()
    }
}

impl Ssl for Secure {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        Some(Arc::clone(&self.digest))
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match self.tls.get_ref().1.alpn_protocol()? {
            b"h2" => Some(ALPN::H2),
            b"http/1.1" => Some(ALPN::H1),
            _ => None,
        }
    }
}

impl Peek for Secure {}

impl GetTimingDigest for Secure {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        let mut layers = self.tls.get_ref().0.get_timing_digest();
        layers.push(Some(self.timing.clone()));
        layers
    }

    fn get_read_pending_time(&self) -> Duration {
        self.tls.get_ref().0.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.tls.get_ref().0.get_write_pending_time()
    }
}

impl GetProxyDigest for Secure {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.tls.get_ref().0.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.tls.get_mut().0.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Secure {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.tls.get_ref().0.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.tls.get_mut().0.set_socket_digest(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::iana;

    #[test]
    fn cipher_suites_have_the_names_of_the_registry() {
        assert_eq!(iana("TLS13_AES_128_GCM_SHA256"), "TLS_AES_128_GCM_SHA256");
        let older = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        assert_eq!(iana(older), older);
    }
}
