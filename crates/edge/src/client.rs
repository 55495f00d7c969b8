//! The client's side of a request, as actions see it. Implemented over Pingora's session in
//! [`crate::proxy`], and without any network for dry runs in [`crate::dry`].

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// Reads the request's body and writes the answer.
#[async_trait]
pub trait Client: Send {
    /// The whole body, within the limits of the listener. Read once; later calls are an error of ours.
    async fn body(&mut self) -> Result<Bytes, BodyError>;

    /// The body is not needed any more: its share of the buffers is given back.
    fn release_body(&mut self);

    /// Sends the head of the answer. `end` when no body follows.
    async fn head(&mut self, status: StatusCode, headers: HeaderMap, end: bool) -> Result<(), ClientGone>;

    /// Sends a part of the body as it is, at once.
    async fn chunk(&mut self, data: Bytes, end: bool) -> Result<(), ClientGone>;

    /// Resolves when the client leaves, or when the gateway cannot wait for it any more. Cancel safe.
    async fn gone(&mut self) -> Over;

    /// Resolves when the client leaves, as far as that can be seen while its body is still to be read. Cancel safe.
    async fn left_early(&mut self) {
        std::future::pending().await
    }
}

/// Why nobody waits for an answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The client has left.
    ClientGone,
    /// The gateway stops, and the time to finish what had begun is over. The client is still there, and can be told.
    Stopping,
}

/// What clients are told of the latter.
pub const STOPPING: &str = "the gateway is stopping; send the request again";

/// The client closed its connection or stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client closed the connection")]
pub struct ClientGone;

/// Why a request's body could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the listener allows.
    #[error("the request body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It did not arrive in time, or too slowly.
    #[error("the request body did not arrive in time")]
    TooSlow,
    /// Too much is buffered for other requests.
    #[error("the gateway is buffering too many request bodies")]
    Overloaded,
    /// The client left or broke the framing.
    #[error("the client closed the connection before its request was complete")]
    Gone,
}
