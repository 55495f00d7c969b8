//! YAML or JSON text to a tree that knows where everything stands.
//!
//! The tree is built from the parser's events with a stack of its own, so that no nesting can overflow the
//! thread's, and so that one mistake does not hide the next.

mod build;
mod resolve;

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{BYTE_ORDER_MARK, LineIndex, Location, Source};
use crate::tree::Node;
use crate::typo;
use build::Builder;
use serde_saphyr::granit_parser::{self, Event, Parser, ScanError};
use std::ops::Range;

/// The largest policy text, in bytes.
pub const MAX_TEXT: usize = 1 << 20;
/// The most values and keys a document may have; aliases count as what they stand for.
pub const MAX_NODES: usize = 100_000;
/// The deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 64;
/// The most anchors, and the most aliases.
pub const MAX_ALIASES: usize = 100;

/// Reads a document.
///
/// JSON is read as the YAML it is. A byte order mark is allowed. Duplicate keys are refused.
///
/// # Errors
/// The first thing that keeps the text from being a document; [`crate::load`] reports all of them.
#[expect(clippy::result_large_err, reason = "a policy is read once, and its readers want the error itself")]
pub fn parse(source: &Source) -> Result<Node, Diagnostic> {
    let parsed = read(source, &LineIndex::new(source.text.clone()));
    let first = parsed.found.into_iter().min_by_key(|found| found.at);
    match (first, parsed.root) {
        (Some(first), _) => Err(first),
        (None, Some(root)) => Ok(root),
        (None, None) => Err(unreadable(source, Location::START, EMPTY.into(), Some(EMPTY_HELP.into()))),
    }
}

const EMPTY: &str = "the document is empty";
const EMPTY_HELP: &str = "write `on_http_request: []` for a policy that lets everything through";

/// What came of reading a text.
pub(crate) struct Parsed {
    /// The document, when its structure is known. It may be there in spite of errors (a duplicate key: the last
    /// one wins), so that the rest can be checked.
    pub(crate) root: Option<Node>,
    pub(crate) found: Vec<Diagnostic>,
}

impl Parsed {
    fn refused(found: Diagnostic) -> Self {
        Self { root: None, found: vec![found] }
    }
}

pub(crate) fn read(source: &Source, lines: &LineIndex) -> Parsed {
    if source.text.len() > MAX_TEXT {
        let message = format!("the policy is {} bytes long; at most {MAX_TEXT} are read", source.text.len());
        return Parsed::refused(unreadable(source, Location::START, message, None));
    }
    if let Some((offset, c)) = source.text.char_indices().find(|(at, c)| forbidden(*at, *c)) {
        let at = lines.location(&(offset..offset + c.len_utf8()));
        let message = format!("character U+{:04X} is not allowed here", u32::from(c));
        return Parsed::refused(unreadable(source, at, message, None));
    }
    let body = source.text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&source.text);
    let skipped = source.text.len() - body.len();
    let mut options = granit_parser::Options::default();
    options.emit_unresolved_aliases = true;
    options.emit_comments = false;
    let parser = Parser::new_from_str_with_options(body, options);
    let mut builder = Builder::new(source, lines, skipped);
    let mut documents = 0;
    for event in parser {
        let result = match event {
            Ok((Event::DocumentStart(..), span)) => {
                documents += 1;
                let at = builder.location(&span);
                let message = "a policy is one document; `---` begins a second one";
                if documents > 1 {
                    Err(Box::new(unreadable(source, at, message.into(), None)))
                } else {
                    Ok(())
                }
            }
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => Err(Box::new(syntax(source, lines, skipped, &error))),
        };
        if let Err(fatal) = result {
            return builder.abandoned(*fatal);
        }
    }
    let mut parsed = builder.finished();
    if parsed.root.is_none() && parsed.found.is_empty() {
        parsed.found.push(unreadable(source, Location::START, EMPTY.into(), Some(EMPTY_HELP.into())));
    }
    parsed
}

fn unreadable(source: &Source, at: Location, message: String, help: Option<String>) -> Diagnostic {
    let file = source.name.clone();
    Diagnostic { severity: Severity::Error, file, at, code: codes::UNREADABLE, message, help }
}

/// YAML 1.2 section 5.1: no C0 controls but tab and line breaks, no C1 controls but NEL.
fn forbidden(offset: usize, c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}')
        || (c == BYTE_ORDER_MARK && offset > 0)
        || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// The longest part of the parser's own words that is passed on, in characters.
const LONGEST_MESSAGE: usize = 160;

fn syntax(source: &Source, lines: &LineIndex, skipped: usize, error: &ScanError) -> Diagnostic {
    let mark = error.marker();
    let offset = match mark.byte_offset() {
        Some(offset) => offset + skipped,
        None => lines.offset(mark.line(), mark.col() + 1),
    };
    let offset = offset.min(source.text.len());
    let at = lines.location(&single(lines.text(), offset));
    let info: String = error.info().chars().take(LONGEST_MESSAGE).collect();
    unreadable(source, at, format!("this is not valid YAML: {info}"), typo::hint(lines, at.line))
}

/// The range of the character at an offset.
fn single(text: &str, offset: usize) -> Range<usize> {
    let width = text.get(offset..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    offset..offset + width
}

#[cfg(test)]
mod tests;
