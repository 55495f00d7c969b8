//! The text of a policy and positions in it.

use std::ops::Range;
use std::sync::Arc;

/// The UTF-8 byte order mark some editors put first.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// A policy's text and the name it is known by.
#[derive(Clone)]
pub struct Source {
    /// Shown in front of every diagnostic: a file name, or `<inline>`.
    pub name: String,
    /// YAML or JSON.
    pub text: Arc<str>,
}

impl Source {
    /// A named text.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

impl std::fmt::Debug for Source {
    /// Without the text: a policy may hold literal secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("bytes", &self.text.len()).finish()
    }
}

/// A stretch of a text. Lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Line of the first character.
    pub line: usize,
    /// Column of the first character.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column after the last character.
    pub end_column: usize,
}

impl Location {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1, end_line: 1, end_column: 2 };
}

/// Where each line of a text begins, to turn byte offsets into lines and columns.
///
/// Breaks are LF, CR LF and CR alone, as in YAML 1.2 section 5.4.
#[derive(Clone, Debug)]
pub(crate) struct LineIndex {
    text: Arc<str>,
    starts: Vec<usize>,
    /// Characters before each block of [`BLOCK`] bytes: a policy may be one line of a megabyte.
    blocks: Vec<usize>,
}

/// Bytes between two remembered character counts.
const BLOCK: usize = 256;

impl LineIndex {
    pub(crate) fn new(text: Arc<str>) -> Self {
        let first = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        let mut starts = vec![first];
        let mut bytes = text.bytes().enumerate().peekable();
        while let Some((at, byte)) = bytes.next() {
            let followed_by_lf = matches!(bytes.peek(), Some((_, b'\n')));
            if byte == b'\n' || (byte == b'\r' && !followed_by_lf) {
                starts.push(at + 1);
            }
        }
        let mut counted = 0;
        let blocks = text
            .as_bytes()
            .chunks(BLOCK)
            .map(|block| {
                let before = counted;
                counted += characters(block);
                before
            })
            .collect();
        Self { text, starts, blocks }
    }

    /// How many characters begin before a byte offset.
    fn characters_before(&self, offset: usize) -> usize {
        let block = (offset / BLOCK).min(self.blocks.len().saturating_sub(1));
        let rest = self.text.as_bytes().get(block * BLOCK..offset).map_or(0, characters);
        self.blocks.get(block).copied().unwrap_or(0) + rest
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset; an offset past the end is the end.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.characters_before(offset.min(self.text.len()));
        let column = before.saturating_sub(self.characters_before(start));
        (line, column + 1)
    }

    /// The location of a byte range; an empty one covers a character, so that there is something to underline.
    pub(crate) fn location(&self, range: &Range<usize>) -> Location {
        let (line, column) = self.position(range.start);
        let (end_line, end_column) = self.position(range.end.max(range.start));
        let end_column = if (end_line, end_column) == (line, column) { column + 1 } else { end_column };
        Location { line, column, end_line, end_column }
    }

    /// A line's text without its break; lines count from 1.
    pub(crate) fn line(&self, line: usize) -> &str {
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    /// The byte offset of a line and column; past the end of the line it is the end of the line.
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let text = self.line(line);
        start + text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at)
    }
}

/// How many characters begin in some bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_break_counts_once() {
        let index = LineIndex::new("a\nbb\r\nc\rd".into());
        assert_eq!(index.position(0), (1, 1));
        assert_eq!(index.position(3), (2, 2));
        assert_eq!(index.position(6), (3, 1));
        assert_eq!(index.position(8), (4, 1));
        assert_eq!(index.line(2), "bb");
        assert_eq!(index.line(3), "c");
        assert_eq!(index.line(9), "");
    }

    #[test]
    fn columns_are_characters_and_the_byte_order_mark_is_none() {
        let index = LineIndex::new("\u{feff}a: é!\n".into());
        assert_eq!(index.position(3), (1, 1));
        assert_eq!(index.position(3 + 5), (1, 5));
        assert_eq!(index.offset(1, 5), 8);
        assert_eq!(index.position(999), (2, 1));
    }
}
