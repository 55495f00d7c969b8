//! Text with `${}`.

use crate::activation::Activation;
use crate::error::EvalError;
use crate::issue::{Issue, position};
use crate::ops::size_limit;
use crate::program::Program;
use crate::scan::{Scanner, Token};
use crate::scope::Scope;
use crate::value::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A text with expressions in it. Cheap to clone.
#[derive(Clone)]
pub struct Template(Arc<Inner>);

struct Inner {
    source: Box<str>,
    parts: Vec<Part>,
}

#[derive(Clone)]
enum Part {
    Text(Arc<str>),
    Program(Program),
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.0.source).finish()
    }
}

impl Template {
    /// Compiles a text: each `${expression}` in it is one, `$${` is a literal `${`, any other `$` is itself.
    ///
    /// Inside `${}`, a `}` in a literal or of a map does not end the expression. Where the text escapes its
    /// quotes (`${req.headers[\"x\"]}`), they are read without the backslashes.
    ///
    /// # Errors
    ///
    /// Every fault that was found; positions are those of the text.
    pub fn compile(text: &str, scope: Scope) -> Result<Self, Vec<Issue>> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut issues = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
            if let Some(before) = before.strip_suffix('$') {
                literal.push_str(before);
                literal.push_str("${");
                rest = after.get(2..).unwrap_or_default();
                continue;
            }
            literal.push_str(before);
            let start = text.len() - after.len() + 2;
            match expression(text, start, scope) {
                Ok((part, end)) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal).into()));
                    }
                    parts.push(Part::Program(part));
                    rest = text.get(end..).unwrap_or_default();
                }
                Err((faults, end)) => {
                    issues.extend(faults);
                    rest = end.and_then(|end| text.get(end..)).unwrap_or_default();
                }
            }
        }
        literal.push_str(rest);
        if !issues.is_empty() {
            return Err(issues);
        }
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Ok(Self(Arc::new(Inner { source: text.into(), parts })))
    }

    /// A text that is itself, whatever is in it.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self(Arc::new(Inner { source: text.into(), parts: vec![Part::Text(text.into())] }))
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The text it always is, when it has no expression; `$${` is `${` in it.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is exactly one expression, with no text around it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self.0.parts.as_slice(), [Part::Program(_)])
    }

    /// What stands before and behind the first place of a character in the text around the expressions.
    #[must_use]
    pub fn split_once(&self, at: char) -> Option<(Self, Self)> {
        let mut before = Vec::new();
        let mut parts = self.0.parts.iter();
        while let Some(part) = parts.next() {
            if let Part::Text(text) = part
                && let Some((left, right)) = text.split_once(at)
            {
                before.extend((!left.is_empty()).then(|| Part::Text(left.into())));
                let mut after: Vec<Part> = Vec::new();
                after.extend((!right.is_empty()).then(|| Part::Text(right.into())));
                after.extend(parts.cloned());
                return Some((self.part_of(before), self.part_of(after)));
            }
            before.push(part.clone());
        }
        None
    }

    fn part_of(&self, mut parts: Vec<Part>) -> Self {
        if parts.is_empty() {
            parts.push(Part::Text("".into()));
        }
        Self(Arc::new(Inner { source: self.0.source.clone(), parts }))
    }

    /// Whether it has no expression.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.programs().next().is_none()
    }

    /// Its expressions, in order.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.0.parts.iter().filter_map(|part| match part {
            Part::Program(program) => Some(program),
            Part::Text(_) => None,
        })
    }

    /// The texts around its expressions, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(&**text),
            Part::Program(_) => None,
        })
    }

    /// The text with the values of its expressions, each as [`Value::to_text`] writes it.
    /// A text without expressions is borrowed.
    ///
    /// # Errors
    ///
    /// The first error of an expression, or [`EvalError::Limit`] for a result above [`crate::MAX_TEXT`].
    pub fn render(&self, a: &Activation<'_>) -> Result<Cow<'_, str>, EvalError> {
        if let [Part::Text(text)] = self.0.parts.as_slice() {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::new();
        for part in &self.0.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Program(program) => match program.eval(a)? {
                    Value::String(text) => out.push_str(&text),
                    value => out.push_str(&value.to_text()),
                },
            }
            size_limit(out.len())?;
        }
        Ok(Cow::Owned(out))
    }

    /// As [`Self::render`], with each value of an expression put through `escape`, and not the text around them.
    ///
    /// # Errors
    ///
    /// As [`Self::render`].
    pub fn render_escaped(
        &self,
        a: &Activation<'_>,
        escape: fn(&str) -> String,
    ) -> Result<String, EvalError> {
        let mut out = String::new();
        for part in &self.0.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Program(program) => out.push_str(&escape(&program.eval(a)?.to_text())),
            }
            size_limit(out.len())?;
        }
        Ok(out)
    }

    /// The value: that of the expression, with its type, when the text is exactly one; else the text.
    ///
    /// # Errors
    ///
    /// As [`Self::render`].
    pub fn eval(&self, a: &Activation<'_>) -> Result<Value, EvalError> {
        match self.0.parts.as_slice() {
            [Part::Program(program)] => program.eval(a),
            [Part::Text(text)] => Ok(Value::String(text.clone())),
            _ => self.render(a).map(|text| Value::from(text.into_owned())),
        }
    }
}

type Faults = (Vec<Issue>, Option<usize>);

/// The expression that starts at a byte of the text, and the byte behind its closing brace.
fn expression(text: &str, start: usize, scope: Scope) -> Result<(Program, usize), Faults> {
    let mut escaped = false;
    let end = match closing_brace(text, start, false) {
        Ok(end) => end,
        Err(issue) => {
            escaped = true;
            closing_brace(text, start, true).map_err(|_| (vec![issue], None))?
        }
    };
    let source = text.get(start..end).unwrap_or_default();
    let compiled = if escaped { Err(Vec::new()) } else { Program::compile(source, scope) };
    let issues = match compiled {
        Ok(program) => return Ok((program, end + 1)),
        Err(issues) => issues,
    };
    if source.contains("\\\"") {
        match Program::compile(&source.replace("\\\"", "\""), scope) {
            Ok(program) => return Ok((program, end + 1)),
            Err(again) => {
                let moved = again.into_iter().map(|issue| place(text, start, source, issue, true)).collect();
                return Err((moved, Some(end + 1)));
            }
        }
    }
    let moved = issues.into_iter().map(|issue| place(text, start, source, issue, false)).collect();
    Err((moved, Some(end + 1)))
}

/// The byte of the brace that ends the expression.
fn closing_brace(text: &str, start: usize, escaped_quotes: bool) -> Result<usize, Issue> {
    let mut scanner = Scanner::new(text, start);
    scanner.escaped_quotes = escaped_quotes;
    let mut open = 0_usize;
    while let Some(token) = scanner.next() {
        match token? {
            (_, Token::Sign("{")) => open += 1,
            (at, Token::Sign("}")) => match open.checked_sub(1) {
                Some(left) => open = left,
                None => return Ok(at),
            },
            _ => {}
        }
    }
    Err(Issue::at(text, start.saturating_sub(2), "`${` without its `}`")
        .help("a literal `${` is written `$${`"))
}

/// A fault inside an expression as a fault of the text around it.
fn place(text: &str, start: usize, source: &str, issue: Issue, unescaped: bool) -> Issue {
    let at = if unescaped {
        let plain = source.replace("\\\"", "\"");
        let at = crate::issue::offset(&plain, issue.line, issue.column);
        // Each quote before the place lost its backslash.
        let mut left = at;
        let mut taken = 0;
        let mut rest = source;
        while left > 0 {
            let step =
                if rest.starts_with("\\\"") { 2 } else { rest.chars().next().map_or(1, char::len_utf8) };
            taken += step;
            left = left.saturating_sub(if step == 2 && rest.starts_with('\\') { 1 } else { step });
            rest = rest.get(step..).unwrap_or_default();
        }
        taken
    } else {
        crate::issue::offset(source, issue.line, issue.column)
    };
    let (line, column) = position(text, start + at);
    Issue { line, column, ..issue }
}
