//! One rule, in its long form or as a bare action.

use super::Loader;
use crate::action::{Phase, Terminating};
use crate::codes;
use crate::policy::{ActionDef, Expression, Rule};
use crate::shape::alternatives;
use crate::tree::{Key, Node, NodeValue};
use crate::typo;
use tollgate_expr::nearest;

/// The most actions or expressions in a rule.
const MOST_IN_RULE: usize = 64;
/// The keys of a rule.
const RULE_KEYS: &[&str] = &["name", "expressions", "actions"];
/// The keys of a bare action that stands where a rule does.
const BARE_KEYS: &[&str] = &["type", "config", "name", "expressions"];

impl Loader<'_> {
    pub(super) fn rule(&mut self, phase: Phase, index: usize, node: &Node) -> Option<Rule> {
        if !matches!(node.value, NodeValue::Map(_)) {
            self.not_a_mapping(node, "a rule");
            return None;
        }
        let bare = node.get("type").is_some() && node.get("actions").is_none();
        for (key, _) in node.entries() {
            let keys = if bare { BARE_KEYS } else { RULE_KEYS };
            if !keys.contains(&&*key.text) {
                self.unknown_rule_key(key, node, bare);
            }
        }
        let name = node.get("name").and_then(|name| self.rule_name(name));
        let expressions = match node.get("expressions") {
            Some(list) => self.expressions(phase, list),
            None => Vec::new(),
        };
        let actions = if bare {
            self.action(phase, node, true).into_iter().collect()
        } else {
            self.actions(phase, node)
        };
        Some(Rule { id: format!("{phase}[{index}]"), name, at: node.at, expressions, actions })
    }

    /// Something else where a rule or an action belongs; a bare name is a common slip.
    pub(super) fn not_a_mapping(&mut self, node: &Node, what: &str) {
        let help = match node.text() {
            Some(name) if crate::KNOWN_ACTIONS.contains(&name) => format!("write `type: {name}`"),
            _ => "write `- type: ...` with the name of an action".into(),
        };
        let message = format!("{what} must be a mapping, not {}", node.kind());
        self.checker.error(node, codes::UNREADABLE, message, Some(help));
    }

    fn rule_name(&mut self, node: &Node) -> Option<String> {
        if node.text().is_none() && !node.is_null() {
            let message = format!("`name` must be text, not {}", node.kind());
            self.checker.error(node, codes::UNREADABLE, message, None);
        }
        node.text().map(str::to_owned)
    }

    fn unknown_rule_key(&mut self, key: &Key, rule: &Node, bare: bool) {
        let name = &*key.text;
        let message = match name {
            "type" | "config" if !bare && rule.get("actions").is_some() => {
                format!("`{name}` cannot stand beside `actions`")
            }
            _ => format!("there is no `{name}` in {}", if bare { "an action" } else { "a rule" }),
        };
        let help = match name {
            "if" | "when" | "condition" | "conditions" | "match" | "expression" => {
                "write `expressions:` with a list of CEL expressions".into()
            }
            "type" | "config" => "move it into an item of `actions`".into(),
            _ if bare => self.misplaced_field(rule, name).unwrap_or_else(|| proposal(name, BARE_KEYS)),
            _ => proposal(name, RULE_KEYS),
        };
        self.checker.unknown_key(key, codes::UNREADABLE, message, Some(help));
    }

    fn expressions(&mut self, phase: Phase, node: &Node) -> Vec<Expression> {
        let items = match &node.value {
            NodeValue::List(items) => items.as_slice(),
            NodeValue::Null => &[],
            _ => {
                let message = format!("`expressions` must be a list, not {}", node.kind());
                let help = match &node.value {
                    NodeValue::Text(text) if !text.contains('\n') => {
                        format!("write `- {}`", typo::quoted(text))
                    }
                    _ => "write `- ` in front of each expression".into(),
                };
                self.checker.error(node, codes::UNREADABLE, message, Some(help));
                return Vec::new();
            }
        };
        if items.len() > MOST_IN_RULE {
            let message = format!("{} expressions; a rule has at most {MOST_IN_RULE}", items.len());
            self.checker.error(node, codes::TOO_MANY_IN_RULE, message, None);
            return Vec::new();
        }
        items.iter().filter_map(|item| self.expression(phase, item)).collect()
    }

    fn expression(&mut self, phase: Phase, node: &Node) -> Option<Expression> {
        let Some(text) = node.text() else {
            self.not_an_expression(node);
            return None;
        };
        let program = self.checker.condition(node, text, self.scope_of(phase))?;
        Some(Expression { program, at: node.at })
    }

    fn not_an_expression(&mut self, node: &Node) {
        let is_action = node.get("type").is_some() || node.get("config").is_some();
        let (message, help) = if is_action {
            ("an action cannot stand in `expressions`".into(), Some("move it into `actions`".into()))
        } else {
            let help = self.checker.as_written(node).map(|line| format!("quote it: {}", typo::quoted(&line)));
            (format!("an expression must be text, not {}", node.kind()), help)
        };
        self.checker.error(node, codes::UNREADABLE, message, help);
    }

    fn actions(&mut self, phase: Phase, rule: &Node) -> Vec<ActionDef> {
        let items = match rule.get("actions").map(|node| (node, &node.value)) {
            Some((_, NodeValue::List(items))) if items.is_empty() => return self.no_actions(rule),
            Some((_, NodeValue::List(items))) => items.as_slice(),
            Some((node, NodeValue::Map(_))) => std::slice::from_ref(node),
            Some((_, NodeValue::Null)) | None => return self.no_actions(rule),
            Some((node, _)) => {
                self.not_a_mapping(node, "an action");
                return Vec::new();
            }
        };
        if items.len() > MOST_IN_RULE {
            let message = format!("{} actions; a rule has at most {MOST_IN_RULE}", items.len());
            self.checker.error(rule, codes::TOO_MANY_IN_RULE, message, None);
            return Vec::new();
        }
        let mut actions = Vec::new();
        let mut ended_by: Option<&'static str> = None;
        for item in items {
            let action = self.action(phase, item, false);
            if let Some(name) = ended_by.take() {
                let message = format!("this never runs: `{name}` before it ends the phase");
                self.checker.warning(item, codes::UNREACHABLE, message, None);
            }
            ended_by = action
                .as_ref()
                .map(|action| action.spec)
                .filter(|s| s.terminating == Terminating::Always)
                .map(|s| s.name);
            actions.extend(action);
        }
        actions
    }

    fn no_actions(&mut self, rule: &Node) -> Vec<ActionDef> {
        let at = rule.entry("actions").map_or(rule.at, |(key, _)| key.at);
        let help = Some("add `actions:` with at least one `- type: ...`".into());
        self.checker.error(at, codes::NO_ACTIONS, "this rule has no actions".into(), help);
        Vec::new()
    }
}

/// What to write instead of an unknown key.
pub(super) fn proposal(name: &str, keys: &[&str]) -> String {
    match nearest(name, keys.iter().copied()) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("the keys are {}", alternatives(keys).replace(" or ", " and ")),
    }
}
