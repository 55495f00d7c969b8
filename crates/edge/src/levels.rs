//! A request that an endpoint has sent on to another of the same process: each of them has its own policy, its own
//! variables and its own results, and what the inner one answers comes to the outer one as from an upstream.

use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::response::BodyChange;
use bytes::Bytes;
use std::sync::Arc;
use tollgate_expr::{EndpointFacts, Map};

/// What is an endpoint's own in the state of a request.
pub struct Level {
    /// `endpoint.*`
    pub endpoint: Arc<EndpointFacts>,
    /// `vars.*`
    pub vars: Map,
    /// `actions.ngrok.*`
    pub results: Map,
    /// Whether its policy reads results.
    pub wants_results: bool,
}

/// An endpoint that has sent the request on, and waits for the answer.
pub struct Enclosing {
    /// Its policy.
    pub engine: Arc<Engine>,
    /// Its own part of the state.
    pub level: Level,
}

impl Exchange {
    /// The request enters another endpoint; `engine` is the policy it comes from.
    pub fn enter(&mut self, engine: Arc<Engine>, endpoint: Arc<EndpointFacts>, wants_results: bool) {
        let mut level = Level { endpoint, vars: Map::new(), results: Map::new(), wants_results };
        self.swap(&mut level);
        self.enclosing.push(Enclosing { engine, level });
    }

    /// The request is back at the endpoint that sent it on last.
    pub fn leave(&mut self) {
        if let Some(mut enclosing) = self.enclosing.pop() {
            self.swap(&mut enclosing.level);
        }
    }

    /// Does something at an endpoint that waits: 0 is the one the client has called.
    pub fn at<T>(&mut self, index: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        self.exchange_with(index);
        let done = work(self);
        self.exchange_with(index);
        done
    }

    /// Makes an endpoint that waits the present one, or, a second time, puts it back.
    pub fn exchange_with(&mut self, index: usize) {
        let mut enclosing = std::mem::take(&mut self.enclosing);
        if let Some(waiting) = enclosing.get_mut(index) {
            self.swap(&mut waiting.level);
        }
        self.enclosing = enclosing;
        self.present = if self.present == Some(index) { None } else { Some(index) };
    }

    fn swap(&mut self, level: &mut Level) {
        std::mem::swap(&mut self.endpoint, &mut level.endpoint);
        std::mem::swap(&mut self.vars, &mut level.vars);
        std::mem::swap(&mut self.results, &mut level.results);
        std::mem::swap(&mut self.wants_results, &mut level.wants_results);
    }
}

/// A change of a body that an endpoint asked for while it waited.
pub(crate) struct AtLevel {
    pub(crate) index: usize,
    pub(crate) change: Box<dyn BodyChange>,
}

impl BodyChange for AtLevel {
    fn push(&mut self, exchange: &mut Exchange, part: Bytes, end: bool) -> Bytes {
        exchange.at(self.index, |exchange| self.change.push(exchange, part, end))
    }
}
