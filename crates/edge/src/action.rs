//! What an action is, and how the phases run it.

use crate::answer::OVERLOADED;
use crate::answer::{Answer, Fault};
use crate::client::{BodyError, Client};
use crate::events::EventFilter;
use crate::exchange::{Ending, Exchange};
use crate::proxy::passing::Reached;
use crate::response::ResponseBody;
use crate::tls::Handshake;
use crate::upstream::Upstream;
use async_trait::async_trait;
use bytes::Bytes;
use foldhash::HashMap;
use http::StatusCode;
use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;
use tollgate_expr::ResponseFacts;
use tollgate_policy::{ActionDef, ActionSpec, Checker, Config, Severity};

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
    /// The name of the rule it stands in.
    pub rule: Option<&'a str>,
    /// Actions with state that were built before it, of the same policy.
    pub seen: &'a Seen,
    /// What is to be said beside, or instead of, one [`BuildError`].
    pub warnings: &'a Warnings,
}

/// What was found while actions were built.
#[derive(Debug, Default)]
pub struct Warnings(RefCell<Vec<(Severity, BuildError)>>);

impl Warnings {
    /// A warning more.
    pub fn add(&self, at: tollgate_policy::Location, code: &'static str, message: String, help: String) {
        self.0.borrow_mut().push((Severity::Warning, BuildError { at, code, message, help: Some(help) }));
    }

    /// An error more: for actions that can have several.
    pub fn error(&self, at: tollgate_policy::Location, code: &'static str, message: String, help: String) {
        self.0.borrow_mut().push((Severity::Error, BuildError { at, code, message, help: Some(help) }));
    }

    /// All of them, once.
    #[must_use]
    pub fn take(&self) -> Vec<(Severity, BuildError)> {
        self.0.take()
    }
}

/// Which names of states a policy has used so far.
#[derive(Debug, Default)]
pub struct Seen(RefCell<HashMap<String, usize>>);

impl BuildContext<'_> {
    /// A name for the state of an action that is the same after a reload: what tells it from others, and how many
    /// before it were told by the same.
    #[must_use]
    pub fn state_name(&self, identity: &str) -> String {
        let mut seen = self.seen.0.borrow_mut();
        let before = seen.entry(identity.to_owned()).or_default();
        *before += 1;
        format!("{identity}#{before}")
    }
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
    /// Runs in `on_tcp_connect`. Actions that are not of a phase never get to its method.
    async fn on_connect(&self, _cx: &mut ConnectCx<'_>) -> Result<ConnectFlow, Fault> {
        Ok(ConnectFlow::Continue)
    }

    /// Runs in `on_http_request`.
    async fn on_request(&self, _cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Continue)
    }

    /// Runs in `on_http_response`.
    async fn on_response(&self, _cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        Ok(ResponseFlow::Continue)
    }

    /// What it does to the messages of one stream, in `on_event_stream_message`.
    fn on_events(&self) -> Option<Box<dyn EventFilter>> {
        None
    }

    /// Whether, in `on_http_response`, it may read or change the body: then the answer does not take Pingora's own path.
    fn works_on_bodies(&self) -> bool {
        false
    }

    /// Whether, in `on_tcp_connect`, it shows clients the endpoint's own certificate, so that there must be one.
    fn needs_certificate(&self) -> bool {
        false
    }

    /// The cookies of this action, when it is a login.
    fn as_login(&self) -> Option<&std::sync::Arc<crate::LoginCookies>> {
        None
    }

    /// This action as an `ai-gateway`, for `explain` and `/status`.
    fn as_gateway(&self) -> Option<&crate::gateway::Gateway> {
        None
    }
}

/// What an action of a new connection works on.
pub struct ConnectCx<'a> {
    /// The connection and what is known of it. There is no request yet.
    pub exchange: &'a mut Exchange,
    /// The connection's TLS, which waits for its handshake to be completed.
    pub tls: &'a mut dyn Handshake,
    /// The policy that runs.
    pub engine: &'a Arc<crate::engine::Engine>,
}

/// What happens after an action of a new connection.
#[derive(Debug)]
pub enum ConnectFlow {
    /// The next action runs.
    Continue,
    /// The connection is closed.
    Close,
    /// It is passed on to this server; the phase ends.
    Pass(Box<Reached>),
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
    pub engine: &'a Arc<crate::engine::Engine>,
}

impl RequestCx<'_> {
    /// The request's body as the actions so far have left it; read from the client on first use.
    ///
    /// # Errors
    /// The body is too long, too slow, or its client left.
    pub async fn body(&mut self) -> Result<Bytes, Fault> {
        if let Some(body) = &self.exchange.body {
            return Ok(body.clone());
        }
        let body = self.client.body().await.map_err(|error| self.unread(&error))?;
        self.exchange.request.body_received = Some(SystemTime::now());
        self.exchange.body = Some(body.clone());
        Ok(body)
    }

    fn unread(&mut self, error: &BodyError) -> Fault {
        if matches!(error, BodyError::Gone) {
            self.exchange.record.outcome = Ending::ClientGone;
        }
        body_fault(error)
    }
}

/// The error of a body that could not be read.
#[must_use]
pub fn body_fault(error: &BodyError) -> Fault {
    let (code, status) = match error {
        BodyError::TooLarge { .. } => (27215, StatusCode::PAYLOAD_TOO_LARGE),
        BodyError::TooSlow => (27214, StatusCode::REQUEST_TIMEOUT),
        BodyError::Overloaded => (OVERLOADED, StatusCode::SERVICE_UNAVAILABLE),
        BodyError::Gone => (27609, StatusCode::BAD_REQUEST),
    };
    Fault { code, status, message: error.to_string() }
}

/// What an action of the response phase works on.
pub struct ResponseCx<'a, 'b> {
    /// The request and everything known of it.
    pub exchange: &'a mut Exchange,
    /// The response's head, to be changed.
    pub response: &'a mut ResponseFacts,
    /// The response's body, to be read or changed.
    pub body: &'a mut ResponseBody<'b>,
    /// The way to other servers.
    pub upstream: &'a dyn Upstream,
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
    /// The connection is closed without an answer; the phase ends.
    Close,
    /// Another endpoint has let the request through, and it goes to its upstream; the phase ends.
    Upstream(Arc<crate::phase::Onward>),
}

/// What happens after an action of the response phase.
#[derive(Debug)]
pub enum ResponseFlow {
    /// The next action runs.
    Continue,
    /// The response is replaced; the phase ends.
    Replace(Answer),
}
