//! The client's side of a request over Pingora's session.

use crate::client::{BodyError, Client, ClientGone, Over};
use crate::limits::{Budget, Limits, Reserved};
use crate::listener::Listener;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora_error::ErrorType;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_observe::InFlight;

/// How long a body that nobody wants is read on after an early answer, so that the client sees the answer
/// instead of a reset connection.
const DRAIN: Duration = Duration::from_millis(500);

/// A body up to this length is read away before an early answer.
const SHORT_BODY: usize = 64 * 1024;
/// Time for that.
const SHORT_BODY_TIME: Duration = Duration::from_millis(100);
/// Longest piece of a body that is written at once.
const PIECE: usize = 256 * 1024;

/// A [`Client`] over a session.
pub struct SessionClient<'s> {
    session: &'s mut Session,
    limits: Limits,
    budget: Arc<Budget>,
    /// Says when the gateway cannot wait any more.
    in_flight: Arc<InFlight>,
    /// Keeps the body's share of the budget until the request ends.
    reserved: Option<Reserved>,
    /// The answer's body bytes, for the access log.
    pub sent: u64,
    /// The request's body bytes, for the access log.
    pub received: u64,
    pipelined: bool,
}

impl<'s> SessionClient<'s> {
    /// A client of this listener.
    #[must_use]
    pub fn new(session: &'s mut Session, listener: &Listener) -> Self {
        Self {
            session,
            limits: listener.limits,
            budget: Arc::clone(&listener.budget),
            in_flight: Arc::clone(&listener.in_flight),
            reserved: None,
            sent: 0,
            received: 0,
            pipelined: false,
        }
    }

    /// Sends a complete answer, then reads away a body the client is still sending.
    pub async fn answer(
        &mut self,
        status: StatusCode,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), ClientGone> {
        self.skip_short_body().await;
        let head_only = self.session.req_header().method == http::Method::HEAD;
        let bodiless = matches!(status.as_u16(), 100..=199 | 204 | 304);
        if !bodiless {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let end = body.is_empty() || head_only || bodiless;
        self.head(status, headers, end).await?;
        if !end {
            self.chunk(body, true).await?;
        }
        if !self.session.as_downstream_mut().is_body_done() {
            let drain = self.session.as_downstream_mut().drain_request_body();
            if pingora_timeout::timeout(DRAIN, drain).await.is_err() {
                self.session.as_downstream_mut().set_keepalive(None);
            }
        }
        Ok(())
    }

    /// Reads a short body away before an early answer, so that the connection can be used again.
    async fn skip_short_body(&mut self) {
        let head = self.session.req_header();
        let length =
            head.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let short =
            length.is_some_and(|length: usize| length <= SHORT_BODY) && !head.headers.contains_key(EXPECT);
        if short && !self.session.as_downstream_mut().is_body_done() {
            let drain = self.session.as_downstream_mut().drain_request_body();
            // Late or broken: the answer is sent all the same, and the connection ends after it.
            let _ = pingora_timeout::timeout(SHORT_BODY_TIME, drain).await;
        }
    }

    async fn read_all(&mut self) -> Result<Bytes, BodyError> {
        let limit = self.limits.max_body;
        let header = |name| self.session.req_header().headers.get(name);
        let announced =
            header(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(BodyError::TooLarge { limit });
        }
        let expects = header(EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        // What is announced must fit, but only what has come is charged: else a few clients that announce much and
        // send nothing would shut everybody out.
        drop(Budget::reserve(&self.budget, announced.unwrap_or(0)).ok_or(BodyError::Overloaded)?);
        let mut reserved = Budget::reserve(&self.budget, 0).ok_or(BodyError::Overloaded)?;
        if expects {
            let asked = self.session.as_downstream_mut().write_continue_response();
            asked.await.map_err(|_| BodyError::Gone)?;
        }
        let pace = Pace::new(&self.limits);
        let mut whole = Whole::new(announced);
        loop {
            let read = self.session.as_downstream_mut().read_request_body();
            let part = pingora_timeout::timeout(pace.left(), read).await.map_err(|_| BodyError::TooSlow)?;
            let Some(part) = part.map_err(|e| read_error(&e))? else { break };
            let length = whole.len() + part.len();
            if length > limit {
                return Err(BodyError::TooLarge { limit });
            }
            if !reserved.grow_to(length) {
                return Err(BodyError::Overloaded);
            }
            whole.push(part);
            pace.arrived(length)?;
        }
        self.reserved = Some(reserved);
        Ok(whole.into_bytes())
    }
}

fn read_error(error: &pingora_error::Error) -> BodyError {
    match error.etype() {
        ErrorType::ReadTimedout => BodyError::TooSlow,
        _ => BodyError::Gone,
    }
}

/// The parts of a body; a body that came in one part is not copied.
struct Whole {
    only: Option<Bytes>,
    joined: BytesMut,
    announced: Option<usize>,
}

impl Whole {
    fn new(announced: Option<usize>) -> Self {
        Self { only: None, joined: BytesMut::new(), announced }
    }

    fn len(&self) -> usize {
        self.only.as_ref().map_or(self.joined.len(), Bytes::len)
    }

    fn push(&mut self, part: Bytes) {
        if self.len() == 0 {
            self.only = Some(part);
            return;
        }
        if let Some(first) = self.only.take() {
            self.joined.reserve(self.announced.unwrap_or(first.len() + part.len()));
            self.joined.extend_from_slice(&first);
        }
        self.joined.extend_from_slice(&part);
    }

    fn into_bytes(self) -> Bytes {
        self.only.unwrap_or_else(|| self.joined.freeze())
    }
}

/// One deadline around the whole body, and a minimum rate, so that a trickle does not hold its place.
struct Pace {
    started: Instant,
    deadline: Duration,
    min_rate: usize,
}

impl Pace {
    /// The minimum rate applies after this long.
    const GRACE: Duration = Duration::from_secs(10);

    fn new(limits: &Limits) -> Self {
        Self { started: Instant::now(), deadline: limits.body_timeout, min_rate: limits.min_body_rate }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.started.elapsed())
    }

    fn arrived(&self, bytes: usize) -> Result<(), BodyError> {
        let elapsed = self.started.elapsed();
        let seconds = usize::try_from(elapsed.as_secs()).unwrap_or(usize::MAX);
        if elapsed > Self::GRACE && bytes / seconds.max(1) < self.min_rate {
            return Err(BodyError::TooSlow);
        }
        Ok(())
    }
}

#[async_trait]
impl Client for SessionClient<'_> {
    async fn body(&mut self) -> Result<Bytes, BodyError> {
        let body = self.read_all().await?;
        self.received = body.len() as u64;
        Ok(body)
    }

    fn release_body(&mut self) {
        self.reserved = None;
    }

    async fn head(&mut self, status: StatusCode, headers: HeaderMap, end: bool) -> Result<(), ClientGone> {
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.status = status;
        parts.headers = headers;
        if !end && !self.session.as_downstream().is_http2() && !parts.headers.contains_key(CONTENT_LENGTH) {
            if self.session.req_header().version == http::Version::HTTP_10 {
                // No chunks there (RFC 9112, section 6.1): the end of the connection ends the body.
                self.session.as_downstream_mut().set_keepalive(None);
            } else {
                parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        if self.in_flight.is_last() {
            // So that the client sends its next request elsewhere.
            self.session.as_downstream_mut().set_keepalive(None);
        }
        let head = ResponseHeader::from(parts);
        self.session.write_response_header(Box::new(head), end).await.map_err(|_| ClientGone)
    }

    async fn chunk(&mut self, mut data: Bytes, end: bool) -> Result<(), ClientGone> {
        self.sent += data.len() as u64;
        // A client has the time of a write for each piece: a slow one is served as long as it reads.
        while data.len() > PIECE {
            let piece = data.split_to(PIECE);
            self.session.write_response_body(Some(piece), false).await.map_err(|_| ClientGone)?;
        }
        let data = if data.is_empty() { None } else { Some(data) };
        self.session.write_response_body(data, end).await.map_err(|_| ClientGone)
    }

    async fn left_early(&mut self) {
        let downstream = self.session.as_downstream_mut();
        // With HTTP/1, behind the body that is still to be read nobody can see.
        let seen = downstream.is_http2() || downstream.is_body_done();
        if seen && self.gone().await == Over::ClientGone {
            return;
        }
        std::future::pending().await
    }

    async fn gone(&mut self) -> Over {
        let Self { session, in_flight, pipelined, .. } = self;
        tokio::select! {
            biased;
            () = left(session, pipelined) => Over::ClientGone,
            () = in_flight.until_cut() => Over::Stopping,
        }
    }
}

/// Returns when the client has left. `pipelined`: it has sent its next request already.
async fn left(session: &mut Session, pipelined: &mut bool) {
    if *pipelined {
        return std::future::pending().await;
    }
    let h2 = session.as_downstream().is_http2();
    let idle = session.as_downstream_mut().read_body_or_idle(true).await;
    let left = match &idle {
        Err(error) => h2 || matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError),
        Ok(_) => h2,
    };
    if !left {
        // The client has sent its next request early: it is still there. Its bytes are lost with the
        // probe, so the connection ends after this answer and the client sends that request again.
        *pipelined = true;
        session.as_downstream_mut().set_keepalive(None);
        std::future::pending::<()>().await;
    }
}
