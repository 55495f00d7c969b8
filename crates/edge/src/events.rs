//! Runs `on_event_stream_message`: each message of a stream goes through the rules on its own, and on at once.

use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::phase;
use crate::response::BodyChange;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use std::sync::Arc;
use tollgate_dialect::sse::{Event, Splitter};
use tollgate_expr::ResponseFacts;

/// What one action does to the messages of one stream.
pub trait EventFilter: Send {
    /// Takes the next message, and gives on what can be sent: usually that message, changed or not. What it holds back it
    /// gives before a later message, or at the end.
    fn event(&mut self, cx: &mut EventCx<'_>, event: Event, out: &mut Vec<Event>);

    /// Gives what is still held back: no more messages come to it, or one that its rule does not match.
    fn flush(&mut self, _cx: &mut EventCx<'_>, _out: &mut Vec<Event>) {}
}

/// What an action of the event phase works on.
pub struct EventCx<'a> {
    /// The request and everything known of it.
    pub exchange: &'a mut Exchange,
    /// The response's head, as it was sent.
    pub response: &'a ResponseFacts,
}

/// The rules of the event phase, at work on one stream.
pub(crate) struct EventRules {
    engine: Arc<Engine>,
    /// For each rule, what its actions do.
    filters: Vec<Vec<Box<dyn EventFilter>>>,
    response: ResponseFacts,
    splitter: Splitter,
}

impl EventRules {
    /// The rules for a stream with this head; `None` when there are none, or it is no stream of events.
    pub(crate) fn new(engine: &Arc<Engine>, response: &ResponseFacts) -> Option<Self> {
        if engine.events.is_empty() || !is_event_stream(response) {
            return None;
        }
        let filters =
            engine.events.iter().map(|rule| rule.actions.iter().filter_map(|a| a.on_events()).collect());
        Some(Self {
            engine: Arc::clone(engine),
            filters: filters.collect(),
            response: response.clone(),
            splitter: Splitter::new(),
        })
    }

    /// A message through all rules from `from` on.
    fn through(&mut self, exchange: &mut Exchange, from: usize, event: Event, out: &mut Vec<Event>) {
        let mut waiting = vec![event];
        let engine = Arc::clone(&self.engine);
        for (rule, filters) in engine.events.iter().zip(&mut self.filters).skip(from) {
            let mut next = Vec::new();
            for event in waiting {
                let mut cx = EventCx { exchange, response: &self.response };
                // A failing expression makes its rule not match, as in the response phase.
                if phase::matches_response(rule, cx.exchange, &self.response) {
                    run(filters, &mut cx, event, &mut next);
                } else {
                    flush(filters, &mut cx, &mut next);
                    next.push(event);
                }
            }
            waiting = next;
        }
        out.append(&mut waiting);
    }

    /// What the rules still hold back at the end of the stream.
    fn rest(&mut self, exchange: &mut Exchange, out: &mut Vec<Event>) {
        for index in 0..self.filters.len() {
            let mut held = Vec::new();
            if let Some(filters) = self.filters.get_mut(index) {
                flush(filters, &mut EventCx { exchange, response: &self.response }, &mut held);
            }
            for event in held {
                self.through(exchange, index + 1, event, out);
            }
        }
    }
}

impl BodyChange for EventRules {
    fn push(&mut self, exchange: &mut Exchange, part: Bytes, end: bool) -> Bytes {
        self.splitter.feed(part);
        let mut sent = BytesMut::new();
        let mut out = Vec::new();
        let mut frames: Vec<_> = std::iter::from_fn(|| self.splitter.next()).collect();
        if end {
            frames.extend(self.splitter.finish());
        }
        for frame in frames {
            match Event::read(&frame) {
                Some(event) => self.through(exchange, 0, event, &mut out),
                // Too long, or no text: what came before it goes before it.
                None => {
                    self.rest(exchange, &mut out);
                    out.drain(..).for_each(|event| sent.extend_from_slice(&event.into_bytes()));
                    sent.extend_from_slice(&frame.raw);
                }
            }
        }
        if end {
            self.rest(exchange, &mut out);
        }
        out.into_iter().for_each(|event| sent.extend_from_slice(&event.into_bytes()));
        sent.freeze()
    }
}

/// One message through the actions of a rule.
fn run(filters: &mut [Box<dyn EventFilter>], cx: &mut EventCx<'_>, event: Event, out: &mut Vec<Event>) {
    let Some((first, rest)) = filters.split_first_mut() else {
        out.push(event);
        return;
    };
    let mut next = Vec::new();
    first.event(cx, event, &mut next);
    for event in next {
        run(rest, cx, event, out);
    }
}

/// What the actions of a rule hold back, in order.
fn flush(filters: &mut [Box<dyn EventFilter>], cx: &mut EventCx<'_>, out: &mut Vec<Event>) {
    let Some((first, rest)) = filters.split_first_mut() else { return };
    let mut held = Vec::new();
    first.flush(cx, &mut held);
    for event in held {
        run(rest, cx, event, out);
    }
    flush(rest, cx, out);
}

/// Whether a response is a stream of events, by its media type.
pub(crate) fn is_event_stream(response: &ResponseFacts) -> bool {
    let kind = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("text/event-stream")
}
