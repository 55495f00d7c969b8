//! Pingora's accept loops, with sockets of ours, and doors that stay open for the operator while the process drains.

use crate::server::leaving::Leaving;
use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig};
use pingora_core::server::{ListenFds, ShutdownWatch};
use pingora_core::services::Service;
use pingora_core::services::listening;
use std::sync::Arc;

/// Without a buffer for reads: whoever reads a connection has one of its own, and Pingora's takes 64 KiB of each
/// connection as long as it is open. Writes keep their default.
const UNBUFFERED_READS: L4BufferSettings = L4BufferSettings { read: Some(0), write: None };

/// The way into one address.
pub struct Doors<A> {
    address: String,
    inner: listening::Service<A>,
    leaving: Arc<Leaving>,
    stays: bool,
}

impl<A> Doors<A> {
    /// Doors that close when the process is asked to stop.
    pub(crate) fn new(name: &str, address: String, app: A, leaving: &Arc<Leaving>) -> Self {
        let mut inner = listening::Service::new(name.to_owned(), app);
        // TLS, too: its handshakes are ours, so that rules come first.
        inner.add_listener(ListenerConfig::tcp(address.as_str()).l4_buffer(UNBUFFERED_READS));
        Self { address, inner, leaving: Arc::clone(leaving), stays: false }
    }

    /// Doors that stay open until the process ends, or another one serves.
    pub(crate) fn staying(self) -> Self {
        Self { stays: true, ..self }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> Service for Doors<A> {
    async fn start_service(&mut self, fds: Option<ListenFds>, shutdown: ShutdownWatch, tasks: usize) {
        if let Some(fds) = &fds {
            self.leaving.sockets.install(&self.address, fds);
        }
        let closing = if self.stays { self.leaving.closing.subscribe() } else { shutdown };
        Service::start_service(&mut self.inner, fds, closing, tasks).await;
    }

    fn name(&self) -> &str {
        Service::name(&self.inner)
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        Service::listen_addresses(&self.inner)
    }
}
