//! What a mock remembers and counts.

use crate::request::Facts;
use crate::script::{Behaviour, Flavour, Script, Surface, glob};
use bytes::Bytes;
use http::{HeaderMap, Method, Version};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

/// One request as it was received.
#[derive(Clone)]
pub struct Recorded {
    /// When its body had arrived.
    pub at: Instant,
    /// The connection it came on, counted from 1.
    pub connection: u64,
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path_and_query: String,
    /// HTTP/1.0, 1.1 or 2.
    pub version: Version,
    /// `Host` or `:authority`.
    pub authority: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
    /// The provider it was meant for.
    pub provider: Flavour,
    /// The operation it was meant for.
    pub surface: Surface,
    /// The body's `model`, or empty.
    pub model: String,
    /// Whether the body asked for a stream.
    pub stream: bool,
    /// The key it carried, in whichever header.
    pub key: Option<String>,
}

/// How often something happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub connections_opened: u64,
    /// Connections that have ended.
    pub connections_closed: u64,
    /// Requests received whole.
    pub requests: u64,
    /// Answers that are under way, waits before the head included.
    pub open_streams: u64,
    /// Answers that the client left before they were over.
    pub aborted_streams: u64,
    /// Answers that went the way the script says.
    pub finished_streams: u64,
}

/// The state that all connections of a mock share.
pub(crate) struct Shared {
    active: Mutex<Arc<Active>>,
    recorded: Mutex<Vec<Recorded>>,
    counters: Mutex<Counters>,
    changed: watch::Sender<()>,
    answers: AtomicU64,
    /// What OpenRouter's answers cost, by identifier.
    generations: Mutex<HashMap<String, Value>>,
}

/// A script and how far its rules have got.
pub(crate) struct Active {
    pub(crate) script: Script,
    turns: Vec<AtomicUsize>,
}

/// An answer under way. Counts itself as left by the client unless it was finished.
pub(crate) struct Exchange {
    shared: Arc<Shared>,
    finished: bool,
}

impl Shared {
    pub(crate) fn new(script: Script) -> Arc<Self> {
        Arc::new(Self {
            active: Mutex::new(Arc::new(Active::new(script))),
            recorded: Mutex::default(),
            counters: Mutex::default(),
            changed: watch::Sender::new(()),
            answers: AtomicU64::new(1),
            generations: Mutex::default(),
        })
    }

    pub(crate) fn active(&self) -> Arc<Active> {
        Arc::clone(&lock(&self.active))
    }

    pub(crate) fn set_script(&self, script: Script) {
        *lock(&self.active) = Arc::new(Active::new(script));
    }

    pub(crate) fn next_answer(&self) -> u64 {
        self.answers.fetch_add(1, SeqCst)
    }

    pub(crate) fn remember(&self, id: String, record: Value) {
        lock(&self.generations).insert(id, record);
    }

    pub(crate) fn generation(&self, id: &str) -> Option<Value> {
        lock(&self.generations).get(id).cloned()
    }

    pub(crate) fn record(&self, request: Recorded) {
        lock(&self.recorded).push(request);
        self.count(|c| c.requests += 1);
    }

    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        lock(&self.recorded).clone()
    }

    pub(crate) fn clear(&self) {
        lock(&self.recorded).clear();
    }

    pub(crate) fn counters(&self) -> Counters {
        *lock(&self.counters)
    }

    /// Changes the counters and wakes whoever waits.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut lock(&self.counters));
        self.changed.send_replace(());
    }

    pub(crate) async fn wait_until<T>(&self, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(found) = look(self) {
                return found;
            }
            // The sender lives in `self`, so this never fails.
            let _ = changes.changed().await;
        }
    }

    pub(crate) fn exchange(self: &Arc<Self>) -> Exchange {
        self.count(|c| c.open_streams += 1);
        Exchange { shared: Arc::clone(self), finished: false }
    }
}

impl Active {
    fn new(script: Script) -> Self {
        let turns = script.rules.iter().map(|_| AtomicUsize::new(0)).collect();
        Self { script, turns }
    }

    /// What this request gets; takes the rule's turn.
    pub(crate) fn behaviour(&self, facts: &Facts) -> Behaviour {
        let rules = self.script.rules.iter().zip(&self.turns);
        let Some((rule, turn)) = rules.into_iter().find(|(rule, _)| {
            let fits = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|p| glob(p, text));
            rule.provider.is_none_or(|p| p == facts.flavour)
                && rule.surface.is_none_or(|s| s == facts.surface)
                && rule.stream.is_none_or(|s| s == facts.stream)
                && fits(&rule.model, &facts.model)
                && fits(&rule.path, &facts.path)
                && fits(&rule.key, facts.key.as_deref().unwrap_or(""))
        }) else {
            return self.script.otherwise.clone();
        };
        let turn = turn.fetch_add(1, SeqCst);
        rule.answers.get(turn).or(rule.answers.last()).cloned().unwrap_or_default()
    }
}

impl Exchange {
    /// The answer went the way the script says.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let finished = self.finished;
        self.shared.count(|c| {
            c.open_streams -= 1;
            if finished {
                c.finished_streams += 1;
            } else {
                c.aborted_streams += 1;
            }
        });
    }
}

impl Recorded {
    /// The body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The text of a header, or an empty one.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }
}

impl fmt::Debug for Recorded {
    /// Neither header values nor the body: both may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("connection", &self.connection)
            .field("method", &self.method)
            .field("path_and_query", &self.path_and_query)
            .field("version", &self.version)
            .field("provider", &self.provider)
            .field("model", &self.model)
            .field("stream", &self.stream)
            .field("headers", &self.headers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
