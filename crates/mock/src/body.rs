//! An answer's body: a list of steps, played as the connection takes them.

use crate::io::{Mark, Meter};
use crate::state::Exchange;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// One step of a body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Bytes go out.
    Send(Bytes),
    /// Nothing happens for so long.
    Wait(Duration),
    /// Nothing happens for ever.
    Stall,
    /// The same bytes again and again.
    Endless(Bytes),
    /// What was sent so far goes out, then the answer breaks off.
    Cut,
    /// The same, and the connection is reset.
    Reset,
}

/// The answer breaks off on purpose.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("broken off as the script says")]
pub(crate) struct BrokenOff;

/// A body that plays steps.
pub(crate) struct AnswerBody {
    steps: VecDeque<Step>,
    /// What `content-length` says, less what was sent.
    remaining: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
    mark: Mark,
    meter: Arc<Meter>,
    exchange: Exchange,
}

impl AnswerBody {
    /// `length` is the value of `content-length`; without one the body is chunked.
    pub(crate) fn new(
        steps: impl IntoIterator<Item = Step>,
        length: Option<u64>,
        meter: Arc<Meter>,
        exchange: Exchange,
    ) -> Self {
        let mut body = Self {
            steps: steps.into_iter().collect(),
            remaining: length,
            sleep: None,
            mark: meter.mark(0),
            meter,
            exchange,
        };
        body.note_end();
        body
    }

    fn note_end(&mut self) {
        if self.steps.is_empty() {
            self.exchange.finish();
        }
    }

    fn frame(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let length = bytes.len() as u64;
        self.mark = self.meter.mark(length);
        self.remaining = self.remaining.map(|left| left.saturating_sub(length));
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn poll_wait(&mut self, duration: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(duration)));
        ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        loop {
            match this.steps.front() {
                None => return Poll::Ready(None),
                Some(Step::Stall) => return Poll::Pending,
                Some(Step::Wait(duration)) => {
                    let duration = *duration;
                    ready!(this.poll_wait(duration, cx));
                }
                Some(Step::Endless(bytes)) => {
                    let bytes = bytes.clone();
                    return this.frame(bytes);
                }
                Some(step @ (Step::Cut | Step::Reset)) => {
                    let reset = *step == Step::Reset;
                    ready!(this.meter.poll_passed(this.mark, cx));
                    if reset {
                        this.meter.reset_at_end();
                    }
                    this.exchange.finish();
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                Some(Step::Send(bytes)) => {
                    let bytes = bytes.clone();
                    this.steps.pop_front();
                    this.note_end();
                    return this.frame(bytes);
                }
            }
            this.steps.pop_front();
            this.note_end();
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
