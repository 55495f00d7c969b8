//! `conn.*`

use super::{AddressFacts, Addresses, Certificate};
use crate::value::Map;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// `conn.*`
#[derive(Clone, Debug)]
pub struct ConnectionFacts {
    /// `conn.client_ip`, `conn.client_port`
    pub client: SocketAddr,
    /// `conn.server_ip`, `conn.server_port`
    pub server: SocketAddr,
    /// `conn.ts.start`
    pub started: SystemTime,
    /// `conn.tls.*`, when the connection is TLS.
    pub tls: Option<TlsFacts>,
    /// `conn.server_region`: the label that the operator gave this place.
    pub region: Arc<str>,
    /// `conn.bytes_in`, `conn.bytes_out`, when they are counted.
    pub traffic: Option<Arc<Traffic>>,
    /// `conn.client_ip.*`, `conn.server_ip.*`, `conn.geo.*`
    pub addresses: Addresses,
    /// `conn.k8s.pod.*`, for connections from a pod that is known.
    pub pod: Option<Arc<PodFacts>>,
}

impl ConnectionFacts {
    /// A connection without TLS of which nothing else is known.
    #[must_use]
    pub fn new(client: SocketAddr, server: SocketAddr, started: SystemTime) -> Self {
        Self {
            client,
            server,
            started,
            tls: None,
            region: Arc::default(),
            traffic: None,
            addresses: Addresses::default(),
            pod: None,
        }
    }

    /// What data files say about the client's address.
    #[must_use]
    pub fn client_facts(&self) -> Option<&AddressFacts> {
        self.addresses.client(self.client.ip())
    }

    /// What data files say about our address.
    #[must_use]
    pub fn server_facts(&self) -> Option<&AddressFacts> {
        self.addresses.server(self.server.ip())
    }
}

/// The bytes of a connection so far.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Traffic {
    /// Counts bytes that came from the client.
    pub fn add_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that went to the client.
    pub fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes from the client.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes to the client.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// `conn.tls.*`
#[derive(Clone, Debug, Default)]
pub struct TlsFacts {
    /// `conn.tls.version`: `1.2` or `1.3`
    pub version: String,
    /// `conn.tls.cipher_suite`, IANA name
    pub cipher_suite: String,
    /// `conn.tls.sni`
    pub sni: String,
    /// `conn.tls.negotiated_alpn`
    pub alpn: String,
    /// `conn.tls.ja4_fingerprint`
    pub ja4: String,
    /// `conn.tls.client.*`: the certificate that the client showed.
    pub client: Option<Arc<Certificate>>,
    /// `conn.tls.server.*`: the certificate that we showed.
    pub server: Option<Arc<Certificate>>,
}

/// `conn.k8s.pod.*`
#[derive(Clone, Debug, Default)]
pub struct PodFacts {
    /// `.id`: the pod's UID.
    pub id: String,
    /// `.metadata.name`
    pub name: String,
    /// `.metadata.namespace`
    pub namespace: String,
    /// `.metadata.annotations`: texts by name.
    pub annotations: Arc<Map>,
    /// `.metadata.error_code`, empty when all went well.
    pub error_code: String,
    /// `.metadata.error_message`
    pub error_message: String,
}
