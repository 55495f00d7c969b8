//! Faults found while compiling, and where they are.

use crate::nearest;
use std::fmt;

/// A fault found while compiling; line and column are 1-based, in characters, inside the expression's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to put it right, when that is known.
    pub help: Option<String>,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, " (help: {help})"),
            None => Ok(()),
        }
    }
}

impl Issue {
    /// A fault at a byte offset of `source`.
    pub(crate) fn at(source: &str, offset: usize, message: impl Into<String>) -> Self {
        let (line, column) = position(source, offset);
        Self { line, column, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With the suggestion of the name nearest to `name`, if one is near.
    pub(crate) fn suggest<'a>(mut self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(near) = nearest(name, known) {
            self.help = Some(format!("did you mean `{near}`?"));
        }
        self
    }
}

/// Line and column, both from 1, of a byte offset; the column counts characters.
pub(crate) fn position(source: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(source.len());
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let before = source.get(..end).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before.get(start..).unwrap_or_default().chars().count() + 1)
}

/// The byte offset of a line and column, both from 1.
pub(crate) fn offset(source: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for text in source.split_inclusive('\n').take(line.saturating_sub(1)) {
        start += text.len();
    }
    let rest = source.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::{offset, position};
    use crate::nearest;

    #[test]
    fn positions_count_characters() {
        let text = "é\n  é + x";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, text.find('x').unwrap()), (2, 7));
        assert_eq!(offset(text, 2, 7), text.find('x').unwrap());
        assert_eq!(position(text, 999), (2, 8));
    }

    #[test]
    fn the_nearest_name_is_found() {
        assert_eq!(nearest("haeders", ["headers", "host"]), Some("headers"));
        assert_eq!(nearest("startwith", ["startsWith", "split"]), Some("startsWith"));
        assert_eq!(nearest("starts_with", ["startsWith", "split"]), Some("startsWith"));
        assert_eq!(nearest("xyz", ["headers"]), None);
        assert_eq!(nearest("a", ["b"]), None, "a suggestion shares something with the name");
    }
}
