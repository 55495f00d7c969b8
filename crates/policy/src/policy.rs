//! A checked policy.

use crate::action::{ActionSpec, Phase};
use crate::cel::{Program, Scope};
use crate::config::Config;
use crate::diagnostic::Diagnostics;
use crate::source::Location;
use crate::tree::Node;

/// A policy without errors.
#[derive(Clone, Debug)]
pub struct Policy {
    /// A short hash of the text it was loaded from: 12 hexadecimal digits.
    pub revision: String,
    /// Rules for connections.
    pub on_tcp_connect: Vec<Rule>,
    /// Rules for requests.
    pub on_http_request: Vec<Rule>,
    /// Rules for responses.
    pub on_http_response: Vec<Rule>,
    /// Rules for messages of streamed responses.
    pub on_event_stream_message: Vec<Rule>,
    pub(crate) secrets: Vec<(String, String, Location)>,
}

/// Conditions, and what to do when all of them hold.
#[derive(Clone, Debug)]
pub struct Rule {
    /// A stable identity: `on_http_request[0]`, counted as written.
    pub id: String,
    /// A label for logs and metrics.
    pub name: Option<String>,
    /// Where it is written.
    pub at: Location,
    /// All must be true, evaluated in order until one is not. Empty: always.
    pub expressions: Vec<Expression>,
    /// Run in order until one ends the phase. At least one.
    pub actions: Vec<ActionDef>,
}

/// A condition.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The compiled expression.
    pub program: Program,
    /// Where it is written.
    pub at: Location,
}

/// An action of a rule with its `config`, checked but not yet interpreted.
#[derive(Clone, Debug)]
pub struct ActionDef {
    /// What it is.
    pub spec: &'static ActionSpec,
    /// Its `config`; an empty mapping when there is none.
    pub config: Node,
    /// Where its `type` is written.
    pub at: Location,
    /// What its templates and expressions can see.
    pub scope: Scope,
}

/// What came of loading a text.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy, when there are no errors.
    pub policy: Option<Policy>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

impl Policy {
    /// The rules of a phase.
    #[must_use]
    pub fn rules(&self, phase: Phase) -> &[Rule] {
        match phase {
            Phase::HttpRequest => &self.on_http_request,
            Phase::HttpResponse => &self.on_http_response,
            Phase::TcpConnect => &self.on_tcp_connect,
            Phase::EventStreamMessage => &self.on_event_stream_message,
        }
    }

    /// Every secret that some expression, template or CEL field names literally: vault, name and where. Each
    /// pair as often as it is written, in the order of the text.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, String, Location)> {
        self.secrets.clone()
    }

    /// The actions of all phases, with the rule each stands in.
    pub fn actions(&self) -> impl Iterator<Item = (&Rule, &ActionDef)> {
        Phase::ALL
            .iter()
            .flat_map(|phase| self.rules(*phase))
            .flat_map(|rule| rule.actions.iter().map(move |action| (rule, action)))
    }
}

impl ActionDef {
    /// Typed reading of the `config`.
    #[must_use]
    pub fn read(&self) -> Config<'_> {
        Config::new(&self.config, self.scope)
    }
}

/// 12 hexadecimal digits of FNV-1a: it tells revisions apart, it does not protect anything.
pub(crate) fn revision(text: &str) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = text.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{:012x}", (hash ^ (hash >> 48)) & 0xffff_ffff_ffff)
}
