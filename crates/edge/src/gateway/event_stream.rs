//! Amazon's binary event streams as server-sent events, which is what everything behind here reads.

use crate::upstream::Reply;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use tollgate_dialect::EventStreamDecoder;
use tollgate_select::Fault;

/// The media type of such a stream.
const AMAZON: &str = "application/vnd.amazon.eventstream";

/// The reply, behind a decoder if it is such a stream; its headers then say what comes out of it.
pub(super) fn readable(reply: Box<dyn Reply>, headers: &mut HeaderMap) -> Box<dyn Reply> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case(AMAZON) {
        return reply;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.remove(CONTENT_LENGTH);
    Box::new(Decoded { reply, decoder: EventStreamDecoder::default() })
}

struct Decoded {
    reply: Box<dyn Reply>,
    decoder: EventStreamDecoder,
}

#[async_trait]
impl Reply for Decoded {
    fn status(&self) -> StatusCode {
        self.reply.status()
    }

    fn take_headers(&mut self) -> HeaderMap {
        self.reply.take_headers()
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            let Some(chunk) = self.reply.chunk().await? else {
                // A message that is not whole was cut off.
                return self.decoder.finish().map(|()| None).map_err(|_| Fault::Closed);
            };
            let mut events = Vec::with_capacity(chunk.len());
            self.decoder.push(&chunk, &mut events).map_err(|_| Fault::BadAnswer)?;
            if !events.is_empty() {
                return Ok(Some(events.into()));
            }
        }
    }

    async fn done(self: Box<Self>) {
        self.reply.done().await;
    }
}
