//! Faults found while compiling, and where they are.

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

/// The name with the smallest edit distance, at most a third of the length (at least 2).
/// A name that differs only in case or underscores is always near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let flat = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let wanted = flat(name);
    let limit = (name.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|other| (if flat(other) == wanted { 0 } else { distance(name, other) }, other))
        .filter(|(d, other)| *d <= limit && *d < other.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, other)| other)
}

/// Damerau-Levenshtein distance (optimal string alignment): a swap of neighbours counts as one.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last: Option<char> = None;
    for (i, x) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |line: &[usize], j: usize| line.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&row, j) + usize::from(x != *y)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = j > 0 && last == Some(*y) && b.get(j - 1) == Some(&x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(x);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest, offset, position};

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
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("haeders", "headers"), 1);
        assert_eq!(nearest("haeders", ["headers", "host"]), Some("headers"));
        assert_eq!(nearest("startwith", ["startsWith", "split"]), Some("startsWith"));
        assert_eq!(nearest("starts_with", ["startsWith", "split"]), Some("startsWith"));
        assert_eq!(nearest("xyz", ["headers"]), None);
        assert_eq!(nearest("a", ["b"]), None, "a suggestion shares something with the name");
    }
}
