//! One action.

use super::Loader;
use super::rule::proposal;
use crate::action::{ActionSpec, KNOWN_ACTIONS, Phase};
use crate::codes;
use crate::config::Config;
use crate::policy::ActionDef;
use crate::shape::alternatives;
use crate::tree::{Node, NodeValue};
use tollgate_expr::nearest;

/// The action behind which `on_tcp_connect` sees all of a connection's TLS.
const TERMINATE_TLS: &str = "terminate-tls";
/// The keys of an action.
const ACTION_KEYS: &[&str] = &["type", "config"];

impl Loader<'_> {
    /// Reads an action. `bare`: its keys were checked with the rule it stands for.
    pub(super) fn action(&mut self, phase: Phase, node: &Node, bare: bool) -> Option<ActionDef> {
        if !matches!(node.value, NodeValue::Map(_)) {
            self.not_a_mapping(node, "an action");
            return None;
        }
        if !bare {
            for (key, _) in node.entries().iter().filter(|(key, _)| !ACTION_KEYS.contains(&&*key.text)) {
                let help = self.misplaced_field(node, &key.text);
                let help = help.unwrap_or_else(|| proposal(&key.text, ACTION_KEYS));
                let message = format!("there is no `{}` in an action", key.text);
                self.checker.unknown_key(key, codes::CONFIG, message, Some(help));
            }
        }
        let Some(kind) = node.get("type") else {
            let message = "this action has no `type`";
            let help = Some("add `type:` with the name of an action".into());
            self.checker.error(node, codes::UNKNOWN_ACTION, message.into(), help);
            return None;
        };
        let spec = self.spec(kind)?;
        if !spec.phases.contains(&phase) {
            let phases: Vec<&str> = spec.phases.iter().map(|phase| phase.key()).collect();
            let message = format!("`{}` cannot run in `{phase}`", spec.name);
            let help = Some(format!("it runs in {}", alternatives(&phases)));
            self.checker.error(kind, codes::WRONG_PHASE, message, help);
        }
        let config = self.config(phase, spec, node, kind);
        let scope = self.scope_of(phase);
        self.terminated |= phase == Phase::TcpConnect && spec.name == TERMINATE_TLS;
        Some(ActionDef { spec, config, at: kind.at, scope })
    }

    fn spec(&mut self, kind: &Node) -> Option<&'static ActionSpec> {
        let Some(name) = kind.text() else {
            let message = format!("`type` must be the name of an action, not {}", kind.kind());
            self.checker.error(kind, codes::UNKNOWN_ACTION, message, None);
            return None;
        };
        let found = |name: &str| self.actions.iter().copied().find(|spec| spec.name == name);
        if let Some(spec) = found(name) {
            return Some(spec);
        }
        if let Some(spec) = found("openid-connect").filter(|_| name == "oidc") {
            let (message, help) = ("`oidc` is called `openid-connect`", "write `type: openid-connect`");
            self.checker.warning(kind, codes::UNKNOWN_ACTION, message.into(), Some(help.into()));
            return Some(spec);
        }
        let ours = self.actions.iter().map(|spec| spec.name);
        let (message, help) = if name == "saml" {
            let help = "most identity providers also speak OpenID Connect: use `openid-connect`";
            ("the action `saml` is not supported yet".into(), Some(help.into()))
        } else if KNOWN_ACTIONS.contains(&name) {
            (format!("the action `{name}` is not supported yet"), None)
        } else if name == "oidc" {
            ("there is no action `oidc`".into(), Some("did you mean `openid-connect`?".into()))
        } else {
            let near = nearest(name, KNOWN_ACTIONS.iter().copied().chain(ours));
            (format!("there is no action `{name}`"), near.map(|near| format!("did you mean `{near}`?")))
        };
        self.checker.error(kind, codes::UNKNOWN_ACTION, message, help);
        None
    }

    fn config(&mut self, phase: Phase, spec: &'static ActionSpec, node: &Node, kind: &Node) -> Node {
        let entry = node.entry("config").filter(|(_, value)| !value.is_null());
        let (owner, config) = match entry {
            Some((key, value)) => (key.at, value.clone()),
            None => (kind.at, Node::empty_map(kind.at)),
        };
        if !matches!(config.value, NodeValue::Map(_)) {
            let message = format!("`config` must be a mapping, not {}", config.kind());
            let help = match config.value {
                NodeValue::List(_) => "remove the `- ` and write `key: value` lines",
                _ => "write `key: value` lines below it",
            };
            self.checker.error(&config, codes::CONFIG, message, Some(help.into()));
            return config;
        }
        let before = self.checker.found.len();
        self.checker.fields(&config, spec.fields, "", owner, self.scope_of(phase));
        let shapes = self.checker.found.len();
        if let Some(check) = spec.check {
            check(&Config::new(&config, self.scope_of(phase)), &mut self.checker);
            self.checker.drop_echoes(before, shapes);
        }
        config
    }

    /// Whether a key that stands beside `type` is really a field of that action's `config`.
    pub(super) fn field_of(&self, action: &Node, name: &str) -> bool {
        let kind = action.get("type").and_then(Node::text);
        let spec = self.actions.iter().find(|spec| Some(spec.name) == kind);
        spec.is_some_and(|spec| spec.fields.iter().any(|field| field.name == name))
    }

    /// Help for a key that belongs into `config`, perhaps under another name.
    pub(super) fn misplaced_field(&self, action: &Node, name: &str) -> Option<String> {
        if self.field_of(action, name) {
            return Some(format!("move `{name}` under `config:`"));
        }
        let status = matches!(name, "code" | "status") && self.field_of(action, "status_code");
        status.then(|| "write `config:` and below it `status_code:`".into())
    }
}
