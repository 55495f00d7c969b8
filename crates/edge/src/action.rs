//! What an action is, and how the phases run it.

use crate::answer::{Answer, Fault};
use crate::client::Client;
use crate::exchange::Exchange;
use crate::upstream::Upstream;
use async_trait::async_trait;
use std::any::Any;
use tollgate_expr::ResponseFacts;
use tollgate_policy::{ActionDef, ActionSpec, Checker, Config};

/// The declaration of an action and how to make one from its configuration: one static per file of
/// [`crate::actions`].
#[derive(Debug)]
pub struct ActionType {
    /// Name, phases, fields, documentation: drives checking, JSON Schema and the docs.
    pub spec: &'static ActionSpec,
    /// Makes the action from a configuration that [`tollgate_policy::load`] found good.
    pub build: Build,
}

/// Makes an action from its configuration.
pub type Build = fn(&Config<'_>, &BuildContext<'_>) -> Result<Box<dyn Action>, BuildError>;

/// What actions share when they are built.
pub struct BuildContext<'a> {
    /// State that outlives a policy: metrics, the catalogue, secrets.
    pub shared: &'a crate::engine::Shared,
    /// The action at hand.
    pub def: &'a ActionDef,
}

/// A configuration that passed the checks of its shape and still cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BuildError {
    /// Where in the policy.
    pub at: tollgate_policy::Location,
    /// The code of the diagnostic.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// What a check beyond shapes is given; see [`ActionSpec::check`].
pub type Check = fn(&Config<'_>, &mut Checker);

/// One configured action.
#[async_trait]
pub trait Action: Send + Sync + Any {
    /// Runs in `on_http_request`.
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault>;

    /// Runs in `on_http_response`. Actions that are not of that phase never get here.
    fn on_response(&self, _cx: &mut ResponseCx<'_>) -> Result<ResponseFlow, Fault> {
        Ok(ResponseFlow::Continue)
    }

    /// This action as an `ai-gateway`, for `explain` and `/status`.
    fn as_gateway(&self) -> Option<&crate::gateway::Gateway> {
        None
    }
}

/// What an action of the request phase works on.
pub struct RequestCx<'a> {
    /// The request and everything known of it.
    pub exchange: &'a mut Exchange,
    /// The client's side of the connection.
    pub client: &'a mut dyn Client,
    /// The way to providers.
    pub upstream: &'a dyn Upstream,
    /// The policy that runs, whose response phase applies to answers.
    pub engine: &'a crate::engine::Engine,
}

/// What an action of the response phase works on.
pub struct ResponseCx<'a> {
    /// The request and everything known of it.
    pub exchange: &'a mut Exchange,
    /// The response's head, to be changed.
    pub response: &'a mut ResponseFacts,
}

/// What happens after an action of the request phase.
#[derive(Debug)]
pub enum Flow {
    /// The next action runs.
    Continue,
    /// This is the answer; the phase ends.
    Respond(Answer),
    /// The action has sent the answer itself; the phase ends.
    Answered,
}

/// What happens after an action of the response phase.
#[derive(Debug)]
pub enum ResponseFlow {
    /// The next action runs.
    Continue,
    /// The response is replaced; the phase ends.
    Replace(Answer),
}
