//! Runs the rules of a phase in order, until an action ends it.

use crate::action::{Action, ConnectCx, ConnectFlow, Flow, RequestCx, ResponseCx, ResponseFlow};
use crate::actions::login;
use crate::answer::{Answer, Fault};
use crate::engine::Engine;
use crate::events::EventRules;
use crate::exchange::Exchange;
use crate::levels::AtLevel;
use crate::listener::Listener;
use crate::response::{ResponseBody, Settled, changed};
use crate::tls::Handshake;
use crate::upstream::Upstream;
use std::sync::Arc;
use tollgate_expr::{Activation, Map, Program, ResponseFacts};

/// A compiled rule.
pub struct Rule {
    /// `on_http_request[2]`, with the rule's name when it has one; for logs and errors.
    pub label: String,
    /// All of them must be true; empty always matches.
    pub expressions: Vec<Program>,
    /// Run in order when they are.
    pub actions: Vec<Box<dyn Action>>,
    /// Where the rule stands in the policy file: line, column.
    pub at: tollgate_policy::Location,
    /// The type of each action, for `explain`.
    pub kinds: Vec<(&'static str, tollgate_policy::Location)>,
}

/// How the request phase ended.
#[derive(Debug)]
pub enum Outcome {
    /// No rule ended the request: it goes to the listener's own upstream.
    Fallthrough,
    /// It goes to the upstream of another endpoint, whose policy has let it through as well; see
    /// [`crate::exchange::Exchange::enclosing`].
    Upstream(Arc<Onward>),
    /// An answer to send.
    Respond(Answer),
    /// The answer has been sent.
    Answered,
    /// The connection is closed without an answer.
    Close,
}

/// Where a request goes that has passed the policy of an internal endpoint.
pub struct Onward {
    /// The endpoint; `None` in commands that serve nobody.
    pub endpoint: Option<Arc<Listener>>,
    /// Its policy, as the request met it.
    pub engine: Arc<Engine>,
}

impl std::fmt::Debug for Onward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to = self.endpoint.as_ref().map(|listener| &listener.endpoint.id);
        f.debug_struct("Onward").field("endpoint", &to).finish_non_exhaustive()
    }
}

/// Which action ended the request phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedAt {
    /// The action's type.
    pub action: &'static str,
    /// Where it stands.
    pub at: tollgate_policy::Location,
}

/// Runs `on_tcp_connect`. An error of an expression or action closes the connection.
pub async fn run_connect(
    engine: &Arc<Engine>,
    exchange: &mut Exchange,
    tls: &mut dyn Handshake,
) -> ConnectFlow {
    exchange.vars.clear();
    let close = |exchange: &Exchange, fault: &Fault| {
        let client = exchange.connection.client;
        tracing::warn!(%client, code = fault.code, "the connection is closed: {}", fault.message);
        ConnectFlow::Close
    };
    for rule in &engine.connect {
        match matches(rule, &exchange.activation()) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(fault) => return close(exchange, &fault),
        }
        for action in &rule.actions {
            match action.on_connect(&mut ConnectCx { exchange, tls, engine }).await {
                Ok(ConnectFlow::Continue) => {}
                Ok(ended) => return ended,
                Err(fault) => return close(exchange, &fault),
            }
        }
    }
    ConnectFlow::Continue
}

/// Runs `on_http_request`. An error of an expression or action ends the request, closed.
pub async fn run_request(rules: &[Rule], cx: &mut RequestCx<'_>) -> (Outcome, Option<EndedAt>) {
    cx.exchange.vars.clear();
    let for_login = login::arrives(cx.engine, cx.exchange);
    for rule in rules {
        // The login's own paths are its own whatever the conditions of its rule say.
        let mut only_login = false;
        match matches(rule, &cx.exchange.activation()) {
            Ok(true) => {}
            Ok(false) if for_login => only_login = true,
            Ok(false) => continue,
            Err(fault) => {
                return (refuse(cx.exchange, &fault), Some(EndedAt { action: "expressions", at: rule.at }));
            }
        }
        for (action, (kind, at)) in rule.actions.iter().zip(&rule.kinds) {
            if only_login && action.as_login().is_none() {
                continue;
            }
            let ended = || Some(EndedAt { action: kind, at: *at });
            match action.on_request(cx).await {
                Ok(Flow::Continue) => {}
                Ok(Flow::Respond(answer)) => return (Outcome::Respond(answer), ended()),
                Ok(Flow::Answered) => return (Outcome::Answered, ended()),
                Ok(Flow::Close) => return (Outcome::Close, ended()),
                Ok(Flow::Upstream(onward)) => return (Outcome::Upstream(onward), ended()),
                Err(fault) => return (refuse(cx.exchange, &fault), ended()),
            }
        }
    }
    (Outcome::Fallthrough, None)
}

/// Runs `on_http_response`, of the endpoint that has the answer and then of each that has sent the request on to it, and
/// has the messages of a stream go through their rules. `Some`: what the client gets instead.
pub async fn run_response(
    engine: &Arc<Engine>,
    exchange: &mut Exchange,
    response: &mut ResponseFacts,
    body: &mut ResponseBody<'_>,
    upstream: &dyn Upstream,
) -> Option<Answer> {
    let mut replaced = respond(engine, exchange, response, body, upstream).await;
    for index in (0..exchange.enclosing.len()).rev() {
        let Some(outer) = exchange.enclosing.get(index).map(|outer| Arc::clone(&outer.engine)) else { break };
        if outer.works_on_bodies && replaced.is_none() {
            body.settle(exchange).await;
        }
        exchange.exchange_with(index);
        replaced = match replaced {
            None => {
                let before = body.changes();
                let replaced = respond(&outer, exchange, response, body, upstream).await;
                body.wrap_changes(before, |change| Box::new(AtLevel { index, change }));
                replaced
            }
            Some(answer) => Some(answered(&outer, exchange, answer, upstream).await),
        };
        exchange.exchange_with(index);
    }
    replaced
}

/// The rules of one endpoint. A failing expression makes its rule not match; a failing action ends the phase with an
/// error answer.
async fn respond(
    engine: &Arc<Engine>,
    exchange: &mut Exchange,
    response: &mut ResponseFacts,
    body: &mut ResponseBody<'_>,
    upstream: &dyn Upstream,
) -> Option<Answer> {
    let before = body.changes();
    let of_request = match engine.response.is_empty() {
        true => Map::new(),
        false => std::mem::take(&mut exchange.vars),
    };
    for rule in &engine.response {
        if !matches_response(rule, exchange, response) {
            continue;
        }
        for action in &rule.actions {
            let mut cx = ResponseCx { exchange, response, body, upstream };
            match action.on_response(&mut cx).await {
                Ok(ResponseFlow::Continue) => {}
                Ok(ResponseFlow::Replace(answer)) => return Some(answer),
                Err(fault) => {
                    exchange.record.error_code = Some(fault.code);
                    return Some(fault.answer(exchange.request.uri.path(), &exchange.request.id));
                }
            }
        }
    }
    if let Some(events) = EventRules::new(engine, response) {
        // No action of the event phase sets variables: it reads those of the response, then those of the request.
        for (name, value) in of_request {
            exchange.vars.entry(name).or_insert(value);
        }
        body.change_before(before, Box::new(events));
    }
    None
}

/// An answer that is all here, after the rules of one endpoint.
async fn answered(
    engine: &Arc<Engine>,
    exchange: &mut Exchange,
    answer: Answer,
    upstream: &dyn Upstream,
) -> Answer {
    let mut facts = ResponseFacts { status: answer.status, headers: answer.headers };
    let mut body = ResponseBody::whole(answer.body);
    if let Some(replaced) = respond(engine, exchange, &mut facts, &mut body, upstream).await {
        return replaced;
    }
    let Settled { whole, mut changes, .. } = body.settled();
    let body = changed(&mut changes, exchange, whole.unwrap_or_default(), true);
    Answer { status: facts.status, headers: facts.headers, body, response_phase: true }
}

/// An answer that was made here, after the rules of the response phase.
pub async fn settled(
    engine: &Arc<Engine>,
    exchange: &mut Exchange,
    answer: Answer,
    upstream: &dyn Upstream,
) -> Answer {
    if answer.response_phase { answered(engine, exchange, answer, upstream).await } else { answer }
}

/// Whether a rule of the response or the event phase applies. An error is a no, and is logged.
pub(crate) fn matches_response(rule: &Rule, exchange: &Exchange, response: &ResponseFacts) -> bool {
    matches(rule, &exchange.activation_with(response)).unwrap_or_else(|fault| {
        tracing::warn!(request_id = %exchange.request.id, rule = %rule.label, "{}", fault.message);
        false
    })
}

fn refuse(exchange: &mut Exchange, fault: &Fault) -> Outcome {
    tracing::warn!(request_id = %exchange.request.id, code = fault.code, "{}", fault.message);
    exchange.record.error_code = Some(fault.code);
    exchange.record.outcome = crate::exchange::Ending::Refused;
    Outcome::Respond(fault.answer(exchange.request.uri.path(), &exchange.request.id))
}

fn matches(rule: &Rule, activation: &Activation<'_>) -> Result<bool, Fault> {
    for expression in &rule.expressions {
        match expression.test(activation) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return Err(Fault::expression(&rule.label, &error)),
        }
    }
    Ok(true)
}
