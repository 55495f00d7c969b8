//! From a position inside a decoded scalar back to the place in the file.
//!
//! The scalar is decoded once more, remembering where each character came from. The style need not be known:
//! a decoding that yields the parser's value is the right one. What cannot be followed points at the start.

use std::ops::Range;

/// Byte offsets, in the source, of every character of a decoded scalar.
pub(crate) struct ScalarMap {
    offsets: Vec<usize>,
    /// Where the content begins, and where it ends.
    start: usize,
    end: usize,
    exact: bool,
}

impl ScalarMap {
    /// Follows `value`, decoded from the bytes `raw` of `text`.
    pub(crate) fn new(text: &str, raw: &Range<usize>, value: &str) -> Self {
        let written = text.get(raw.clone()).unwrap_or("");
        let found = [quoted(written, raw.start), plain(written, raw.start)]
            .into_iter()
            .flatten()
            .find(|decoded| decoded.is(value))
            .or_else(|| block(text, raw, value));
        match found {
            Some(decoded) => Self { offsets: decoded.offsets, start: raw.start, end: raw.end, exact: true },
            None => Self { offsets: Vec::new(), start: raw.start, end: raw.end, exact: false },
        }
    }

    /// The byte offset of a character of the value; past the end it is the end of the scalar.
    pub(crate) fn offset(&self, character: usize) -> usize {
        match self.offsets.get(character) {
            Some(offset) => *offset,
            None if self.exact => self.end.max(self.start),
            None => self.start,
        }
    }

    /// Whether positions are exact; otherwise everything points at the start.
    #[cfg(test)]
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }
}

/// The index of the character at a line and column (from 1) of a text.
pub(crate) fn character_at(text: &str, line: usize, column: usize) -> usize {
    let before: usize =
        text.split_inclusive('\n').take(line.saturating_sub(1)).map(|line| line.chars().count()).sum();
    before + column.saturating_sub(1)
}

#[derive(Default)]
struct Decoded {
    text: String,
    offsets: Vec<usize>,
}

impl Decoded {
    fn push(&mut self, c: char, offset: usize) {
        self.text.push(c);
        self.offsets.push(offset);
    }

    fn is(&self, value: &str) -> bool {
        self.text == value
    }

    /// Drops white space at the end that came after `floor` characters.
    fn trim_to(&mut self, floor: usize) {
        while self.offsets.len() > floor && self.text.ends_with([' ', '\t']) {
            self.text.pop();
            self.offsets.pop();
        }
    }
}

/// A cursor over the characters of a scalar as it is written.
struct Cursor<'a> {
    characters: std::iter::Peekable<std::str::CharIndices<'a>>,
    base: usize,
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<(usize, char)> {
        let (at, c) = self.characters.next()?;
        if c == '\r' {
            self.characters.next_if(|(_, next)| *next == '\n');
            return Some((self.base + at, '\n'));
        }
        Some((self.base + at, c))
    }

    fn peek(&mut self) -> Option<char> {
        self.characters.peek().map(|(_, c)| if *c == '\r' { '\n' } else { *c })
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
    }

    /// After a line break at `offset`: one break is a space, n breaks are n - 1 (YAML 1.2 section 6.5).
    fn fold(&mut self, out: &mut Decoded, offset: usize, floor: usize) {
        out.trim_to(floor);
        let mut breaks = Vec::new();
        loop {
            self.skip_blanks();
            if self.peek() != Some('\n') {
                break;
            }
            breaks.extend(self.next().map(|(at, _)| at));
        }
        if breaks.is_empty() {
            out.push(' ', offset);
        }
        for at in breaks {
            out.push('\n', at);
        }
    }
}

fn cursor(written: &str, base: usize) -> Cursor<'_> {
    Cursor { characters: written.char_indices().peekable(), base }
}

fn plain(written: &str, base: usize) -> Option<Decoded> {
    let mut cursor = cursor(written, base);
    let mut out = Decoded::default();
    while let Some((at, c)) = cursor.next() {
        match c {
            '\n' => cursor.fold(&mut out, at, 0),
            _ => out.push(c, at),
        }
    }
    Some(out)
}

fn quoted(written: &str, base: usize) -> Option<Decoded> {
    let mut cursor = cursor(written, base);
    let (_, quote) = cursor.next()?;
    if !matches!(quote, '"' | '\'') {
        return None;
    }
    let mut out = Decoded::default();
    // Characters before this one were escaped, so folding must not drop them.
    let mut floor = 0;
    while let Some((at, c)) = cursor.next() {
        match c {
            '\n' => cursor.fold(&mut out, at, floor),
            '\'' if quote == '\'' => match cursor.peek() {
                Some('\'') => {
                    cursor.next();
                    out.push('\'', at);
                }
                _ => return Some(out),
            },
            '"' if quote == '"' => return Some(out),
            '\\' if quote == '"' => {
                escape(&mut cursor, &mut out, at)?;
                floor = out.offsets.len();
            }
            _ => out.push(c, at),
        }
    }
    None
}

/// An escape of a double-quoted scalar (YAML 1.2 section 5.7; JSON's `\/` and surrogate pairs too).
fn escape(cursor: &mut Cursor<'_>, out: &mut Decoded, at: usize) -> Option<()> {
    let (_, kind) = cursor.next()?;
    let c = match kind {
        '\n' => {
            cursor.skip_blanks();
            return Some(());
        }
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'x' => char::from_u32(hexadecimal(cursor, 2)?)?,
        'U' => char::from_u32(hexadecimal(cursor, 8)?)?,
        'u' => utf16(cursor)?,
        other => other,
    };
    out.push(c, at);
    Some(())
}

fn utf16(cursor: &mut Cursor<'_>) -> Option<char> {
    let high = hexadecimal(cursor, 4)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high);
    }
    (cursor.next()?.1 == '\\' && cursor.next()?.1 == 'u').then_some(())?;
    let low = hexadecimal(cursor, 4)?.checked_sub(0xdc00)?;
    char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)
}

fn hexadecimal(cursor: &mut Cursor<'_>, digits: usize) -> Option<u32> {
    (0..digits).try_fold(0, |value: u32, _| Some((value << 4) | cursor.next()?.1.to_digit(16)?))
}

/// One line of a block scalar: its text after the indentation, and where that begins.
struct BlockLine<'a> {
    text: &'a str,
    offset: usize,
    /// Where the break after it is.
    end: usize,
}

/// A literal or folded block scalar. The parser's range may begin after leading empty lines and at the first
/// character that is not indentation, so the lines are taken from the whole text.
fn block(text: &str, raw: &Range<usize>, value: &str) -> Option<Decoded> {
    let leading = value.chars().take_while(|c| *c == '\n').count();
    let line_start = text.get(..raw.start)?.rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let written = text.get(line_start..raw.end.max(raw.start))?;
    let first = written.lines().next()?;
    let first_spaces = first.chars().take_while(|c| *c == ' ').count();
    // With an explicit indentation indicator the first line may be indented further than the block.
    (0..=first_spaces).rev().find_map(|indent| {
        let lines = block_lines(written, line_start, indent);
        [literal(&lines, leading, line_start), folded(&lines, leading, line_start)]
            .into_iter()
            .find(|decoded| decoded.text.trim_end_matches('\n') == value.trim_end_matches('\n'))
    })
}

fn block_lines(written: &str, start: usize, indent: usize) -> Vec<BlockLine<'_>> {
    let mut offset = start;
    let mut lines = Vec::new();
    for line in written.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let spaces = content.chars().take_while(|c| *c == ' ').count().min(indent);
        lines.push(BlockLine {
            text: content.get(spaces..).unwrap_or(""),
            offset: offset + spaces,
            end: offset + content.len(),
        });
        offset += line.len();
    }
    lines
}

fn literal(lines: &[BlockLine<'_>], leading: usize, start: usize) -> Decoded {
    let mut out = Decoded::default();
    (0..leading).for_each(|_| out.push('\n', start));
    for line in lines {
        line.text.char_indices().for_each(|(at, c)| out.push(c, line.offset + at));
        out.push('\n', line.end);
    }
    out
}

/// Folding of block scalars: YAML 1.2 section 8.1.3.
fn folded(lines: &[BlockLine<'_>], leading: usize, start: usize) -> Decoded {
    let mut out = Decoded::default();
    (0..leading).for_each(|_| out.push('\n', start));
    let mut breaks: Vec<usize> = Vec::new();
    let mut previous_kept = true;
    for line in lines {
        if line.text.is_empty() {
            breaks.push(line.end);
            continue;
        }
        let kept = line.text.starts_with([' ', '\t']);
        if let Some((first, rest)) = breaks.split_first() {
            if previous_kept || kept {
                breaks.iter().for_each(|at| out.push('\n', *at));
            } else if rest.is_empty() {
                out.push(' ', *first);
            } else {
                rest.iter().for_each(|at| out.push('\n', *at));
            }
        }
        line.text.char_indices().for_each(|(at, c)| out.push(c, line.offset + at));
        breaks = vec![line.end];
        previous_kept = kept;
    }
    out
}

#[cfg(test)]
mod tests;
