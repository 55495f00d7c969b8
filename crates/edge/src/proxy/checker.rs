//! The health checks of all pools, in a runtime of their own: a busy listener does not delay them.

use crate::listener::Listener;
use crate::pool::health::look_after;
use crate::upstream::Upstream;
use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Asks the servers behind endpoints whether they are well.
pub struct Checker {
    /// The endpoints.
    pub listeners: Vec<Arc<Listener>>,
    /// A way to servers that shares no connections with requests: they belong to other runtimes.
    pub upstream: Arc<dyn Upstream>,
}

#[async_trait]
impl BackgroundService for Checker {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut tasks = JoinSet::new();
        for listener in &self.listeners {
            let Some((pool, check)) =
                listener.plain.as_ref().and_then(|pool| Some((pool, pool.check.clone()?)))
            else {
                continue;
            };
            for index in 0..pool.members().len() {
                let (listener, check) = (Arc::clone(listener), check.clone());
                let upstream = Arc::clone(&self.upstream);
                tasks.spawn(async move {
                    if let Some(member) = listener.plain.as_ref().and_then(|pool| pool.member(index)) {
                        look_after(member, &check, &*upstream, &listener.endpoint.id).await;
                    }
                });
            }
        }
        // The tasks end when the process stops, and they are dropped.
        let _ = shutdown.changed().await;
    }
}
