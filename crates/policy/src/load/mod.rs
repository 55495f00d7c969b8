//! From a text to a policy: phases, and the shapes a list of rules may have.

mod action;
mod rule;

use crate::action::{ActionSpec, Phase};
use crate::cel::Scope;
use crate::check::Checker;
use crate::codes;
use crate::diagnostic::Diagnostics;
use crate::parse;
use crate::policy::{Loaded, Policy, Rule, revision};
use crate::shape::alternatives;
use crate::source::Source;
use crate::tree::{Key, Node, NodeValue};
use tollgate_expr::nearest;

/// The key of a larger configuration under which a policy may stand.
const WRAPPER: &str = "traffic_policy";
/// The most rules a phase may have.
const MOST_RULES: usize = 512;

/// Loads a policy and reports every error it has.
///
/// `actions` are the actions that can run; others of the language are reported as not supported yet.
#[must_use]
pub fn load(source: &Source, actions: &[&'static ActionSpec]) -> Loaded {
    load_with(source, actions, false)
}

/// The same, with unknown keys as warnings: for policies written for a newer version.
#[must_use]
pub fn load_lenient(source: &Source, actions: &[&'static ActionSpec]) -> Loaded {
    load_with(source, actions, true)
}

fn load_with(source: &Source, actions: &[&'static ActionSpec], lenient: bool) -> Loaded {
    let mut loader = Loader { checker: Checker::new(source, lenient), actions, terminated: false };
    let parsed = parse::read(source, &loader.checker.lines);
    loader.checker.found = parsed.found;
    let policy = parsed.root.and_then(|root| loader.document(&root));
    let refused = loader.checker.has_errors();
    Loaded { policy: policy.filter(|_| !refused), diagnostics: Diagnostics::new(loader.checker.found) }
}

/// What is known while a document is walked.
struct Loader<'a> {
    checker: Checker,
    actions: &'a [&'static ActionSpec],
    /// Whether a `terminate-tls` stands before what is read.
    terminated: bool,
}

impl Loader<'_> {
    /// What expressions of a phase can see at this place.
    fn scope_of(&self, phase: Phase) -> Scope {
        match phase {
            Phase::TcpConnect if self.terminated => Scope::Terminated,
            Phase::TcpConnect => Scope::Connect,
            Phase::HttpRequest => Scope::Request,
            Phase::HttpResponse => Scope::Response,
            Phase::EventStreamMessage => Scope::Event,
        }
    }

    fn document(&mut self, root: &Node) -> Option<Policy> {
        let NodeValue::Map(entries) = &root.value else {
            self.no_mapping(root);
            return None;
        };
        let inner = match root.entry(WRAPPER) {
            Some((_, inner)) => {
                for (key, _) in entries.iter().filter(|(key, _)| &*key.text != WRAPPER) {
                    let message = format!("`{}` cannot stand beside `{WRAPPER}`", key.text);
                    let help = Some(format!("move it into `{WRAPPER}`, or remove it"));
                    self.checker.unknown_key(key, codes::UNREADABLE, message, help);
                }
                inner
            }
            None => root,
        };
        if !matches!(inner.value, NodeValue::Map(_)) {
            self.no_mapping(inner);
            return None;
        }
        let mut policy = Policy {
            revision: revision(&self.checker.source.text),
            on_tcp_connect: Vec::new(),
            on_http_request: Vec::new(),
            on_http_response: Vec::new(),
            on_event_stream_message: Vec::new(),
            secrets: Vec::new(),
        };
        for (key, value) in inner.entries() {
            let Some(phase) = Phase::ALL.iter().find(|phase| phase.key() == &*key.text) else {
                self.unknown_phase(key);
                continue;
            };
            let rules = self.phase(*phase, key, value);
            match phase {
                Phase::TcpConnect => policy.on_tcp_connect = rules,
                Phase::HttpRequest => policy.on_http_request = rules,
                Phase::HttpResponse => policy.on_http_response = rules,
                Phase::EventStreamMessage => policy.on_event_stream_message = rules,
            }
        }
        policy.secrets = std::mem::take(&mut self.checker.secrets);
        policy.secrets.sort_by_key(|(_, _, at)| *at);
        Some(policy)
    }

    fn no_mapping(&mut self, node: &Node) {
        let help = match &node.value {
            NodeValue::List(_) => "put the list under `on_http_request:`",
            NodeValue::Null => "write `on_http_request: []` for a policy that lets everything through",
            _ => "begin with `on_http_request:` and a list of rules below it",
        };
        let message = match &node.value {
            NodeValue::Null => "the policy is empty".to_owned(),
            _ => format!("a policy is a mapping of phases, not {}", node.kind()),
        };
        self.checker.error(node, codes::UNREADABLE, message, Some(help.into()));
    }

    fn unknown_phase(&mut self, key: &Key) {
        let phases: Vec<&str> = Phase::ALL.iter().map(|phase| phase.key()).collect();
        let help = match &*key.text {
            "inbound" => "this is now called `on_http_request`".to_owned(),
            "outbound" => "this is now called `on_http_response`".to_owned(),
            "type" | "actions" | "expressions" | "config" => "put rules under `on_http_request:`".to_owned(),
            name => match nearest(name, phases.iter().copied().chain([WRAPPER])) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the phases are {}", alternatives(&phases).replace(" or ", " and ")),
            },
        };
        let message = format!("there is no phase `{}`", key.text);
        self.checker.unknown_key(key, codes::UNREADABLE, message, Some(help));
    }

    fn phase(&mut self, phase: Phase, key: &Key, value: &Node) -> Vec<Rule> {
        let items = match &value.value {
            NodeValue::List(items) => items.as_slice(),
            NodeValue::Map(_) => std::slice::from_ref(value),
            NodeValue::Null => {
                let message = format!("`{phase}` has no rules");
                self.checker.warning(key, codes::EMPTY, message, Some("write `[]` if that is meant".into()));
                &[]
            }
            _ => {
                let message = format!("`{phase}` must be a list of rules, not {}", value.kind());
                let help = Some("begin each rule with `- `".into());
                self.checker.error(value, codes::UNREADABLE, message, help);
                &[]
            }
        };
        if items.len() > MOST_RULES {
            let message = format!("`{phase}` has {} rules; at most {MOST_RULES} are allowed", items.len());
            self.checker.error(key, codes::TOO_MANY_RULES, message, None);
            return Vec::new();
        }
        let rules: Vec<Option<Rule>> =
            items.iter().enumerate().map(|(index, item)| self.rule(phase, index, item)).collect();
        let rules: Vec<Rule> = rules.into_iter().flatten().collect();
        // What is reachable is known only when all of it was understood.
        if !self.checker.has_errors() {
            self.unreachable_rules(&rules);
        }
        rules
    }

    /// Warns of the first rule behind one that always ends the phase.
    fn unreachable_rules(&mut self, rules: &[Rule]) {
        use crate::action::Terminating::Always;
        let ends = |rule: &Rule| {
            rule.expressions.is_empty() && rule.actions.iter().any(|action| action.spec.terminating == Always)
        };
        let Some(last) = rules.iter().position(ends) else { return };
        if let (Some(end), Some(next)) = (rules.get(last), rules.get(last + 1)) {
            let message = format!("nothing from here on runs: {} always ends the phase", end.id);
            let help = Some("give that rule `expressions`, or move it to the end".into());
            self.checker.warning(next.at, codes::UNREACHABLE, message, help);
        }
    }
}

#[cfg(test)]
mod tests;
