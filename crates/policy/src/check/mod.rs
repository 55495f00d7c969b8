//! Collects findings, and checks values against their shapes.

mod fields;
mod headers;
mod scalars;

use crate::cel::{Issue, Program, Scope, Template, secrets_of, secrets_of_template};
use crate::codes;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Severity};
use crate::scalar::{ScalarMap, character_at};
use crate::source::{LineIndex, Location, Source};
use crate::tree::{Key, Node, NodeValue};
use crate::typo;

/// Findings beyond this many are dropped: nobody reads them, and hostile text could make a million.
const MOST_FINDINGS: usize = 500;

/// Collects what is wrong with a policy.
pub struct Checker {
    pub(crate) source: Source,
    pub(crate) lines: LineIndex,
    pub(crate) found: Vec<Diagnostic>,
    pub(crate) secrets: Vec<(String, String, Location)>,
    /// Unknown keys are warnings.
    pub(crate) lenient: bool,
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").field("source", &self.source).field("found", &self.found.len()).finish()
    }
}

impl Checker {
    pub(crate) fn new(source: &Source, lenient: bool) -> Self {
        Self {
            source: source.clone(),
            lines: LineIndex::new(source.text.clone()),
            found: Vec::new(),
            secrets: Vec::new(),
            lenient,
        }
    }

    /// Reports something that makes the policy unusable.
    pub fn error(
        &mut self,
        at: impl Into<Location>,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        self.report(Severity::Error, at.into(), code, message, help);
    }

    /// Reports something that the author should look at.
    pub fn warning(
        &mut self,
        at: impl Into<Location>,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        self.report(Severity::Warning, at.into(), code, message, help);
    }

    /// Drops findings from `since` on in lines where those from `from` on have said already what is wrong: a check
    /// that reads a value of the wrong shape finds only what follows from that.
    pub(crate) fn drop_echoes(&mut self, from: usize, since: usize) {
        let fresh = self.found.split_off(since.min(self.found.len()));
        let said: Vec<usize> = self.found.iter().skip(from).map(|found| found.at.line).collect();
        self.found.extend(fresh.into_iter().filter(|found| !said.contains(&found.at.line)));
    }

    /// Gives what was found at a place the code that is published for just this mistake.
    pub fn recode(&mut self, at: impl Into<Location>, code: &'static str) {
        let at = at.into();
        self.found.iter_mut().filter(|found| found.at == at).for_each(|found| found.code = code);
    }

    /// The place in the file of a line and column (from 1, in characters) inside the text of a scalar: for a
    /// regular expression or a URL that went wrong in the middle.
    #[must_use]
    pub fn inside(&self, value: Config<'_>, line: usize, column: usize) -> Location {
        let node = value.node();
        let text = node.text().unwrap_or("");
        self.locate(&self.map(node, text), text, line, column)
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|found| found.severity == Severity::Error)
    }

    /// Compiles an expression of a rule or of a field; reports what is wrong where it is written.
    pub(crate) fn program(&mut self, node: &Node, text: &str, scope: Scope) -> Option<Program> {
        match Program::compile(text, scope) {
            Ok(program) => {
                self.remember(node.at, secrets_of(&program));
                let map = self.map(node, text);
                for issue in program.warnings() {
                    let at = self.locate(&map, text, issue.line, issue.column);
                    self.warning(at, codes::EXPRESSION, issue.message.clone(), issue.help.clone());
                }
                Some(program)
            }
            Err(issues) => {
                self.issues(node, text, codes::EXPRESSION, issues);
                None
            }
        }
    }

    /// The same for one that must be true or false, as far as that is known without running it.
    pub(crate) fn condition(&mut self, node: &Node, text: &str, scope: Scope) -> Option<Program> {
        let program = self.program(node, text, scope)?;
        let Some(other) = program.never_boolean() else { return Some(program) };
        let at = self.locate(&self.map(node, text), text, 1, 1);
        let help = Some("compare it with something, for example with `==`".into());
        let message = format!("an expression must be true or false; this is {other}");
        self.error(at, codes::EXPRESSION, message, help);
        None
    }

    /// Compiles a template; reports what is wrong where it is written.
    pub(crate) fn template(&mut self, node: &Node, text: &str, scope: Scope) {
        match Template::compile(text, scope) {
            Ok(template) => self.remember(node.at, secrets_of_template(&template)),
            Err(issues) => self.issues(node, text, codes::TEMPLATE, issues),
        }
    }

    fn remember(&mut self, at: Location, secrets: Vec<(String, String)>) {
        self.secrets.extend(secrets.into_iter().map(|(vault, name)| (vault, name, at)));
    }

    fn issues(&mut self, node: &Node, text: &str, code: &'static str, issues: Vec<Issue>) {
        let map = self.map(node, text);
        let cut = self.cut_by_comment(node);
        for issue in issues {
            let at = self.locate(&map, text, issue.line, issue.column);
            let help = if cut.is_some() { cut.clone() } else { issue.help };
            self.error(at, code, issue.message, help);
        }
    }

    fn map(&self, node: &Node, text: &str) -> ScalarMap {
        ScalarMap::new(self.lines.text(), &node.raw, text)
    }

    fn locate(&self, map: &ScalarMap, text: &str, line: usize, column: usize) -> Location {
        let first = character_at(text, line, column);
        // Underline the whole name when the position is at the beginning of one.
        let name = text.chars().skip(first).take_while(|c| c.is_alphanumeric() || *c == '_').count();
        let start = map.offset(first);
        let last = if name > 1 { map.offset(first + name - 1) } else { start };
        let width =
            self.lines.text().get(last..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        self.lines.location(&(start..last.max(start) + width))
    }

    /// An unquoted scalar that ends before ` #` lost its end to a comment.
    fn cut_by_comment(&self, node: &Node) -> Option<String> {
        let text = self.lines.text();
        let (written, rest) = (text.get(node.raw.clone())?, text.get(node.raw.end..)?);
        let rest = rest.lines().next()?;
        let unquoted = !written.starts_with(['"', '\'']) && rest.starts_with([' ', '\t']);
        (unquoted && rest.trim_start().starts_with('#')).then(|| {
            format!("` #` begins a comment in YAML; quote it: {}", typo::quoted(&format!("{written}{rest}")))
        })
    }

    fn report(
        &mut self,
        severity: Severity,
        at: Location,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        if self.found.len() < MOST_FINDINGS {
            let file = self.source.name.clone();
            self.found.push(Diagnostic { severity, file, at, code, message, help });
        }
    }

    /// Reports a key that does not belong; `help` proposes another.
    pub(crate) fn unknown_key(
        &mut self,
        key: &Key,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        let severity = if self.lenient { Severity::Warning } else { Severity::Error };
        self.report(severity, key.at, code, message, help);
    }
}

impl From<&Node> for Location {
    fn from(node: &Node) -> Self {
        node.at
    }
}
impl From<&Key> for Location {
    fn from(key: &Key) -> Self {
        key.at
    }
}
impl From<Config<'_>> for Location {
    fn from(value: Config<'_>) -> Self {
        value.location()
    }
}
impl From<&Config<'_>> for Location {
    fn from(value: &Config<'_>) -> Self {
        value.location()
    }
}

/// What stands there, for messages. Short scalars are shown, longer ones may be secrets.
pub(crate) fn shown(node: &Node) -> String {
    const LONGEST: usize = 24;
    match &node.value {
        NodeValue::Text(text) if text.chars().count() <= LONGEST => format!("the text \"{text}\""),
        NodeValue::Bool(_) | NodeValue::Int(_) | NodeValue::Float(_) => {
            node.text().unwrap_or_else(|| node.kind()).to_owned()
        }
        _ => node.kind().to_owned(),
    }
}
