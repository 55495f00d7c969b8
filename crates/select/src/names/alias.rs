//! `model_aliases`: names rewritten by regular expressions.
//!
//! The first rule that matches from the start of a name counts, once, and its replacement is the whole new name.
//! Replacements are spelt as in Python (`\1`, `\g<name>`), because that is what existing configurations hold; `$` has no
//! meaning.

use super::Selector;
use regex::{Captures, Regex, RegexBuilder};
use std::sync::Arc;

/// Bytes a compiled pattern may take. A pattern for names takes a few thousand.
const MAX_COMPILED: usize = 256 << 10;
/// Most rules of one list.
const MAX_RULES: usize = 200;

/// One rule, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliasRule {
    /// A regular expression, matched from the start of a name.
    pub pattern: String,
    /// What a name that matches becomes.
    pub replacement: String,
    /// The pattern sees the name with its `?name=value`; else these are set aside and put back afterwards.
    pub match_query: bool,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasError {
    /// Its position, from 0.
    pub index: usize,
    /// `pattern` or `replacement`.
    pub field: &'static str,
    /// What is wrong, to be read after the field: `is empty`.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl std::fmt::Display for AliasError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "model_aliases[{}].{} {}", self.index, self.field, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

/// Compiled rules. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Aliases {
    rules: Arc<[Compiled]>,
}

#[derive(Debug)]
struct Compiled {
    rule: AliasRule,
    pattern: Regex,
    replacement: Vec<Piece>,
}

/// A part of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

/// What a rule made of a name.
pub(super) struct Hit {
    /// The position of the rule.
    pub(super) rule: usize,
    /// The new name.
    pub(super) text: String,
    /// The rule has seen the parameters; they are not put back.
    pub(super) with_query: bool,
}

impl Aliases {
    /// Compiles rules.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn compile(rules: &[AliasRule]) -> Result<Self, Vec<AliasError>> {
        let mut errors = Vec::new();
        if rules.len() > MAX_RULES {
            let message = format!("is one too many: at most {MAX_RULES} rules are possible");
            errors.push(AliasError { index: MAX_RULES, field: "pattern", message, help: None });
        }
        let mut compiled = Vec::new();
        for (index, rule) in rules.iter().enumerate().take(MAX_RULES) {
            match compile(rule) {
                Ok(rule) => compiled.push(rule),
                Err(Wrong { field, message, help }) => {
                    errors.push(AliasError { index, field, message, help })
                }
            }
        }
        if errors.is_empty() { Ok(Self { rules: compiled.into() }) } else { Err(errors) }
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// A rule as it was written.
    #[must_use]
    pub fn rule(&self, index: usize) -> Option<&AliasRule> {
        self.rules.get(index).map(|compiled| &compiled.rule)
    }

    /// What the first rule that matches makes of a name, whose parameters are `query`.
    pub(super) fn apply(&self, name: &str, query: Option<&str>) -> Option<Hit> {
        let mut whole: Option<String> = None;
        for (index, rule) in self.rules.iter().enumerate() {
            let subject = match query {
                Some(query) if rule.rule.match_query => {
                    whole.get_or_insert_with(|| format!("{name}?{query}")).as_str()
                }
                _ => name,
            };
            // Of all matches the leftmost is found, so one at the start is found if there is any.
            let captures = rule.pattern.captures(subject);
            if let Some(captures) = captures.filter(|c| c.get(0).is_some_and(|all| all.start() == 0)) {
                let text = rule.expand(&captures);
                return Some(Hit { rule: index, text, with_query: rule.rule.match_query });
            }
        }
        None
    }
}

impl Compiled {
    fn expand(&self, captures: &Captures<'_>) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Group(index) => captures.get(*index).map_or(String::new(), |group| group.as_str().into()),
        };
        self.replacement.iter().map(piece).collect()
    }
}

struct Wrong {
    field: &'static str,
    message: String,
    help: Option<String>,
}

fn compile(rule: &AliasRule) -> Result<Compiled, Wrong> {
    let pattern = |message: String, help: &str| Wrong { field: "pattern", message, help: Some(help.into()) };
    let replacement =
        |message: String, help: &str| Wrong { field: "replacement", message, help: Some(help.into()) };
    if rule.pattern.trim().is_empty() {
        return Err(pattern("is empty".into(), "write `.*` for every name"));
    }
    if rule.replacement.trim().is_empty() {
        return Err(replacement(
            "is empty".into(),
            "write the name to use, such as openrouter:openai/gpt-4o",
        ));
    }
    let compiled = RegexBuilder::new(&rule.pattern).size_limit(MAX_COMPILED).build();
    let compiled = compiled.map_err(|error| {
        let (message, help) = why(&error);
        pattern(message, help)
    })?;
    let pieces =
        pieces(&rule.replacement, &compiled).map_err(|(message, help)| replacement(message, &help))?;
    check_sample(&pieces).map_err(|why| Wrong {
        field: "replacement",
        message: format!("is no name: {why}"),
        help: None,
    })?;
    Ok(Compiled { rule: rule.clone(), pattern: compiled, replacement: pieces })
}

/// What is wrong with a pattern, on one line, and what would be right.
fn why(error: &regex::Error) -> (String, &'static str) {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or("").trim().trim_start_matches("error: ");
    let uses = [("look-around", "uses look-around"), ("backreference", "uses a back-reference")];
    if let Some((_, message)) = uses.iter().find(|(word, _)| last.contains(word)) {
        let help = "look-around and back-references are not possible, because patterns run in linear time; write an \
                    earlier rule for the exceptions";
        return ((*message).to_owned(), help);
    }
    if let regex::Error::CompiledTooBig(_) = error {
        return ("takes too much memory".into(), "use smaller repetitions");
    }
    (
        format!("is no regular expression: {last}"),
        "a character with a meaning of its own is written with `\\` before it",
    )
}

/// A replacement without its escapes.
fn pieces(text: &str, pattern: &Regex) -> Result<Vec<Piece>, (String, String)> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        literal.push_str(before);
        let digits = after.bytes().take(2).take_while(u8::is_ascii_digit).count();
        if let Some(tail) = after.strip_prefix('\\') {
            literal.push('\\');
            rest = tail;
            continue;
        }
        let (name, tail) = if digits > 0 {
            after.split_at(digits)
        } else if let Some((name, tail)) = after.strip_prefix("g<").and_then(|inner| inner.split_once('>')) {
            (name, tail)
        } else {
            let shown: String = after.chars().take(1).collect();
            let help = "write `\\1` or `\\g<name>` for a group, `\\\\` for a backslash".to_owned();
            return Err((format!("has the escape `\\{shown}`, which has no meaning"), help));
        };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Group(group(name, pattern)?));
        rest = tail;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

/// The number of a group, by number or name.
fn group(name: &str, pattern: &Regex) -> Result<usize, (String, String)> {
    let last = pattern.captures_len() - 1;
    let known = match name.parse::<usize>() {
        Ok(number) => (number <= last).then_some(number),
        Err(_) => pattern.capture_names().position(|other| other == Some(name)),
    };
    known.ok_or_else(|| {
        let names: Vec<String> =
            pattern.capture_names().flatten().map(|name| format!("\\g<{name}>")).collect();
        let help = match (last, names.as_slice()) {
            (0, _) => "it has none; put round brackets around what is to be kept".to_owned(),
            (1, []) => "it has one, `\\1`".to_owned(),
            (_, []) => format!("it has `\\1` to `\\{last}`"),
            (_, names) => format!("it has `\\1` to `\\{last}`, by name {}", names.join(", ")),
        };
        (format!("names the group `{name}`, which the pattern has not"), help)
    })
}

/// Whether the replacement can be a name at all, with something plain in the place of every group.
fn check_sample(pieces: &[Piece]) -> Result<(), String> {
    let mut in_query = false;
    let sample: String = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => {
                in_query = text.rfind(['?', '|']).map_or(in_query, |at| text.get(at..at + 1) == Some("?"));
                text.as_str()
            }
            Piece::Group(_) => "x",
        })
        .collect();
    // Parameters that come from a group are known only when a request is there.
    let from_group = in_query && pieces.iter().any(|piece| matches!(piece, Piece::Group(_)));
    let sample = if from_group { sample.split('?').next().unwrap_or("") } else { &sample };
    Selector::parse(sample).map(|_| ())
}
