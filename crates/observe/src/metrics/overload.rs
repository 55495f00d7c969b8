//! What is refused and what waits when there is too much of it.

use super::histogram::Histogram;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// A line that requests wait in: a label of `tollgate_queue_depth` and `tollgate_queue_wait_seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// For a place among all requests.
    Requests,
    /// For a place of a key of `concurrency-limit`.
    Key,
}

/// Why a client was turned away: a label of `tollgate_refused_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many connections.
    Connections,
    /// Too many requests, and too many that wait.
    RequestsQueueFull,
    /// Too many requests: no place became free in time.
    RequestsQueueTimeout,
    /// The same of one key of `concurrency-limit`.
    KeyQueueFull,
    /// See the others.
    KeyQueueTimeout,
    /// Too many bytes of request bodies.
    BufferedBodies,
}

/// Why a connection was cut: a label of `tollgate_connections_cut_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The head of a request did not come in time.
    HeaderTimeout,
    /// The head of a request has no end within many times the length it may have.
    HeadTooLong,
    /// The client took nothing of what was sent.
    WriteTimeout,
    /// More frames of HTTP/2 that carry nothing than any use has.
    Flood,
}

impl Queue {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Requests, Self::Key];

    /// The label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Key => "key",
        }
    }
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Connections,
        Self::RequestsQueueFull,
        Self::RequestsQueueTimeout,
        Self::KeyQueueFull,
        Self::KeyQueueTimeout,
        Self::BufferedBodies,
    ];

    /// The label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::RequestsQueueFull => "requests_queue_full",
            Self::RequestsQueueTimeout => "requests_queue_timeout",
            Self::KeyQueueFull => "key_queue_full",
            Self::KeyQueueTimeout => "key_queue_timeout",
            Self::BufferedBodies => "buffered_bodies",
        }
    }

    /// A line was too long.
    #[must_use]
    pub fn full(queue: Queue) -> Self {
        match queue {
            Queue::Requests => Self::RequestsQueueFull,
            Queue::Key => Self::KeyQueueFull,
        }
    }

    /// A line was too slow.
    #[must_use]
    pub fn late(queue: Queue) -> Self {
        match queue {
            Queue::Requests => Self::RequestsQueueTimeout,
            Queue::Key => Self::KeyQueueTimeout,
        }
    }
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::HeaderTimeout, Self::HeadTooLong, Self::WriteTimeout, Self::Flood];

    /// The label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HeaderTimeout => "header_timeout",
            Self::HeadTooLong => "head_too_long",
            Self::WriteTimeout => "write_timeout",
            Self::Flood => "flood",
        }
    }
}

/// The metrics of overload. Every series exists from the start.
#[derive(Debug)]
pub struct Overload {
    /// Connections of clients that are open; it is also what their limit is compared with.
    pub connections: Gauge,
    refused: [Counter; Refusal::ALL.len()],
    cut: [Counter; Cut::ALL.len()],
    depth: [Gauge; Queue::ALL.len()],
    wait: [Histogram; Queue::ALL.len()],
}

/// One that waits, until it is dropped.
#[derive(Debug)]
pub struct Waits<'a>(&'a Gauge);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Overload {
    pub(super) fn register(registry: &mut Registry) -> Self {
        type Label = [(&'static str, String); 1];
        let connections = Gauge::default();
        registry.register("connections", "Connections of clients that are open", connections.clone());
        let refused = Family::<Label, Counter>::default();
        registry.register(
            "refused",
            "Connections and requests turned away because there are too many",
            refused.clone(),
        );
        let cut = Family::<Label, Counter>::default();
        registry.register(
            "connections_cut",
            "Connections closed because of how their client behaves",
            cut.clone(),
        );
        let depth = Family::<Label, Gauge>::default();
        registry.register("queue_depth", "Requests that wait for a place", depth.clone());
        let wait = Family::<Label, Histogram>::default();
        let help = "How long requests have waited for a place, of those that had to";
        registry.register_with_unit("queue_wait", help, Unit::Seconds, wait.clone());
        let label = |name: &'static str, value: &str| [(name, value.to_owned())];
        Self {
            connections,
            refused: Refusal::ALL.map(|why| refused.get_or_create_owned(&label("reason", why.name()))),
            cut: Cut::ALL.map(|why| cut.get_or_create_owned(&label("reason", why.name()))),
            depth: Queue::ALL.map(|queue| depth.get_or_create_owned(&label("queue", queue.name()))),
            wait: Queue::ALL.map(|queue| wait.get_or_create_owned(&label("queue", queue.name()))),
        }
    }

    /// Counts one that was turned away.
    pub fn refused(&self, why: Refusal) {
        if let Some(counter) = self.refused.get(why as usize) {
            counter.inc();
        }
    }

    /// Counts a connection that was cut.
    pub fn cut(&self, why: Cut) {
        if let Some(counter) = self.cut.get(why as usize) {
            counter.inc();
        }
    }

    /// Counts one that waits, until what is given is dropped.
    pub fn waits(&self, queue: Queue) -> Option<Waits<'_>> {
        let gauge = self.depth.get(queue as usize)?;
        gauge.inc();
        Some(Waits(gauge))
    }

    /// Counts how long one has waited, whatever came of it.
    pub fn waited(&self, queue: Queue, time: Duration) {
        if let Some(histogram) = self.wait.get(queue as usize) {
            histogram.observe(time);
        }
    }
}
