//! What is wrong with a policy, where, and what would be right.

use crate::hide;
use crate::source::{LineIndex, Location, Source};
use serde_json::{Value, json};
use std::fmt;

/// Source lines longer than this are shown in part, in characters.
const WIDEST_LINE: usize = 160;
/// How many characters before the caret a shortened line keeps.
const KEPT_BEFORE: usize = 60;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy is refused.
    Error,
    /// The policy loads; its author should look.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The name of the source.
    pub file: String,
    /// Where.
    pub at: Location,
    /// The published code, `ERR_NGROK_2201` and so on, so that users can search for it.
    pub code: &'static str,
    /// What is wrong. One line, never with a secret in it.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// All findings of one text, in the order of their positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts by position and drops repetitions.
    #[must_use]
    pub fn new(mut found: Vec<Diagnostic>) -> Self {
        found.sort_by_key(|found| (found.at, found.severity));
        found.dedup();
        Self(found)
    }

    /// Nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many findings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the policy is refused.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// The errors alone.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(|found| found.severity == Severity::Error)
    }

    /// Errors and warnings.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Adds findings made elsewhere (a missing secret, say) and keeps the order.
    #[must_use]
    pub fn with(mut self, more: impl IntoIterator<Item = Diagnostic>) -> Self {
        self.0.extend(more);
        Self::new(self.0)
    }

    /// For people: position, message, source line, caret and help for each finding.
    ///
    /// ```text
    /// policy.yml:3:7: error: there is no action `denny` [ERR_NGROK_2201]
    ///   3 |     - type: denny
    ///     |             ^^^^^
    /// help: did you mean `deny`?
    /// ```
    #[must_use]
    pub fn render_text(&self, source: &Source) -> String {
        let lines = LineIndex::new(source.text.clone());
        let parts: Vec<String> = self.0.iter().map(|found| render(found, &lines)).collect();
        parts.join("\n")
    }

    /// For programs: `{"diagnostics": [{"file", "line", "column", "end_line", "end_column", "severity",
    /// "code", "message", "help"}]}`; `help` is null when there is none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let list: Vec<Value> = self
            .0
            .iter()
            .map(|found| {
                json!({
                    "file": found.file,
                    "line": found.at.line,
                    "column": found.at.column,
                    "end_line": found.at.end_line,
                    "end_column": found.at.end_column,
                    "severity": found.severity.to_string(),
                    "code": found.code,
                    "message": found.message,
                    "help": found.help,
                })
            })
            .collect();
        json!({ "diagnostics": list })
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn render(found: &Diagnostic, lines: &LineIndex) -> String {
    let Diagnostic { severity, file, at, code, message, help } = found;
    let mut out = format!("{file}:{}:{}: {severity}: {} [{code}]\n", at.line, at.column, harmless(message));
    let before = (1..at.line).rev().map(|number| lines.line(number));
    let text = &hide::secrets(lines.line(at.line), before);
    let width = if at.end_line == at.line { at.end_column.saturating_sub(at.column) } else { usize::MAX };
    let (shown, indent, width) = excerpt(text, at.column - 1, width);
    let number = at.line.to_string();
    let gutter = " ".repeat(number.len());
    out.push_str(&format!(
        "  {number} | {shown}\n  {gutter} | {}{}\n",
        " ".repeat(indent),
        "^".repeat(width)
    ));
    if let Some(help) = help {
        out.push_str(&format!("help: {}\n", harmless(help)));
    }
    out
}

/// The part of a line to show, the caret's indentation in it and its width, all in characters.
fn excerpt(line: &str, column: usize, width: usize) -> (String, usize, usize) {
    let line = harmless(line);
    let length = line.chars().count();
    let column = column.min(length);
    let width = width.clamp(1, (length - column).max(1));
    if length <= WIDEST_LINE {
        return (line.trim_end().to_owned(), column, width);
    }
    let skipped = column.saturating_sub(KEPT_BEFORE);
    let part: String = line.chars().skip(skipped).take(WIDEST_LINE).collect();
    let width = width.min((WIDEST_LINE + skipped).saturating_sub(column)).max(1);
    let (mark, shift) = if skipped > 0 { ("...", 3) } else { ("", 0) };
    (format!("{mark}{part}..."), column - skipped + shift, width)
}

/// Control characters could drive the reader's terminal, and tabs would misplace the caret.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize, end_column: usize) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            file: "p.yml".into(),
            at: Location { line, column, end_line: line, end_column },
            code: "ERR_NGROK_2203",
            message: "no".into(),
            help: None,
        }
    }

    #[test]
    fn findings_come_in_the_order_of_the_text() {
        let all = Diagnostics::new(vec![at(3, 1, 2), at(1, 5, 6), at(1, 2, 3), at(1, 2, 3)]);
        let lines: Vec<_> = all.iter().map(|d| (d.at.line, d.at.column)).collect();
        assert_eq!(lines, [(1, 2), (1, 5), (3, 1)]);
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}HERE{}", "a".repeat(500), "b".repeat(500));
        let source = Source::new("p.yml", text);
        let shown = Diagnostics::new(vec![at(1, 501, 505)]).render_text(&source);
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[2].find('^').unwrap();
        assert!(lines[1][caret..].starts_with("HERE"), "{shown}");
        assert_eq!(lines[2].matches('^').count(), 4);
        assert!(lines[1].len() < 200);
    }

    #[test]
    fn a_source_line_cannot_drive_the_terminal() {
        let source = Source::new("p.yml", "\ta\u{1b}[31mb");
        let shown = Diagnostics::new(vec![at(1, 2, 3)]).render_text(&source);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\t'));
    }
}
