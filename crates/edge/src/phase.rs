//! Runs the rules of a phase in order, until an action ends it.

use crate::action::{Action, Flow, RequestCx, ResponseCx, ResponseFlow};
use crate::answer::{Answer, Fault};
use crate::exchange::Exchange;
use tollgate_expr::{Activation, Program, ResponseFacts};

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
    /// An answer to send.
    Respond(Answer),
    /// The answer has been sent.
    Answered,
}

/// Which action ended the request phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedAt {
    /// The action's type.
    pub action: &'static str,
    /// Where it stands.
    pub at: tollgate_policy::Location,
}

/// Runs `on_http_request`. An error of an expression or action ends the request, closed.
pub async fn run_request(rules: &[Rule], cx: &mut RequestCx<'_>) -> (Outcome, Option<EndedAt>) {
    cx.exchange.vars.clear();
    for rule in rules {
        match matches(rule, &cx.exchange.activation()) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(fault) => {
                return (refuse(cx.exchange, &fault), Some(EndedAt { action: "expressions", at: rule.at }));
            }
        }
        for (action, (kind, at)) in rule.actions.iter().zip(&rule.kinds) {
            let ended = || Some(EndedAt { action: kind, at: *at });
            match action.on_request(cx).await {
                Ok(Flow::Continue) => {}
                Ok(Flow::Respond(answer)) => return (Outcome::Respond(answer), ended()),
                Ok(Flow::Answered) => return (Outcome::Answered, ended()),
                Err(fault) => return (refuse(cx.exchange, &fault), ended()),
            }
        }
    }
    (Outcome::Fallthrough, None)
}

/// Runs `on_http_response`. A failing expression makes its rule not match; a failing action ends the phase
/// with an error answer.
pub fn run_response(rules: &[Rule], exchange: &mut Exchange, response: &mut ResponseFacts) -> Option<Answer> {
    if rules.is_empty() {
        return None;
    }
    exchange.vars.clear();
    for rule in rules {
        match matches(rule, &exchange.activation_with(response)) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(fault) => {
                tracing::warn!(request_id = %exchange.request.id, rule = %rule.label, "{}", fault.message);
                continue;
            }
        }
        for action in &rule.actions {
            let mut cx = ResponseCx { exchange, response };
            match action.on_response(&mut cx) {
                Ok(ResponseFlow::Continue) => {}
                Ok(ResponseFlow::Replace(answer)) => return Some(answer),
                Err(fault) => {
                    exchange.record.error_code = Some(fault.code);
                    return Some(fault.answer(exchange.request.uri.path(), &exchange.request.id));
                }
            }
        }
    }
    None
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
