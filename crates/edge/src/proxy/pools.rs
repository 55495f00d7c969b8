//! Connections to providers: opened, kept and used again.
//!
//! Plain connections have a pool of their own, because their requests leave joined (see `joined.rs`); TLS ones
//! are Pingora's business, which finds out whether they speak HTTP/2.

use super::joined::joined;
use pingora_core::connectors::http::Connector;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v1::client::HttpSession as Http1Session;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_error::{ErrorType, Result};

/// Marks a peer whose pool is always empty, so that the connection is new.
const FRESH: u64 = u64::MAX;

/// Both pools. Shared by all listeners.
pub struct Pools {
    plain: TransportConnector,
    secure: Connector,
}

impl Pools {
    /// Empty pools. Panics, as Pingora does, when the system has no root certificates.
    #[must_use]
    pub fn new(options: &ConnectorOptions) -> Self {
        Self {
            plain: TransportConnector::new(Some(options.clone())),
            secure: Connector::new(Some(options.clone())),
        }
    }

    /// A session with a peer, and whether its connection was used before. `fresh`: never one that was; `join`: a
    /// request with a short body follows.
    pub(super) async fn get(&self, peer: &HttpPeer, fresh: bool, join: bool) -> Result<(HttpSession, bool)> {
        if peer.is_tls() {
            return Box::pin(self.secure_session(peer, fresh)).await;
        }
        if !fresh && let Some(stream) = self.plain.reused_stream(peer).await {
            let session = Http1Session::new_with_options(joined(stream, join), peer);
            return Ok((HttpSession::H1(session), true));
        }
        let stream = Box::pin(self.plain.new_stream(peer)).await?;
        Ok((HttpSession::H1(Http1Session::new_with_options(joined(stream, join), peer)), false))
    }

    async fn secure_session(&self, peer: &HttpPeer, fresh: bool) -> Result<(HttpSession, bool)> {
        if !fresh {
            match self.secure.get_http_session(peer).await {
                // Given up, or told to go away, by another request: nothing was sent yet.
                Ok((HttpSession::H2(stream), true)) if stream.conn.is_shutting_down() => drop(stream),
                Err(error) if *error.etype() == ErrorType::H2Error => {}
                got => return got,
            }
        }
        let mut alone = HttpPeer::clone(peer);
        alone.group_key = FRESH;
        let (session, _) = self.secure.get_http_session(&alone).await?;
        Ok((session, false))
    }

    /// Keeps the connection of a session whose answer was read to its end.
    pub(super) async fn put(&self, session: HttpSession, peer: &HttpPeer) {
        match session {
            HttpSession::H1(mut session) if !peer.is_tls() => {
                session.respect_keepalive();
                if let Some(stream) = session.reuse().await {
                    self.plain.release_stream(stream, peer.reuse_hash(), peer.idle_timeout());
                }
            }
            session => self.secure.release_http_session(session, peer, peer.idle_timeout()).await,
        }
    }
}
