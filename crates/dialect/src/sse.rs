//! Server-sent events, split on bytes.
//!
//! Follows the event stream format of the WHATWG HTML standard, section 9.2: lines end in LF, CRLF or CR, a
//! blank line ends an event. The bytes of a frame are kept as they came, so that passing on all frames
//! passes on the stream unchanged.

mod event;
#[cfg(test)]
mod tests;

pub use event::Event;

use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A frame longer than this (bytes) is not waited for.
pub const FRAME_LIMIT: usize = 4 * 1024 * 1024;

/// One event, or a block of comments.
#[derive(Clone)]
pub struct Frame {
    /// The bytes as they came, with the blank line at the end.
    pub raw: Bytes,
    event: Option<Range<usize>>,
    data: Option<Range<usize>>,
    many: bool,
    overflow: bool,
}

impl fmt::Debug for Frame {
    /// Without what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("length", &self.raw.len())
            .field("event", &self.event())
            .finish_non_exhaustive()
    }
}

impl Frame {
    /// The name given in an `event:` line, if there is one that is text.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        self.raw.get(self.event.clone()?).and_then(|name| std::str::from_utf8(name).ok())
    }

    /// What the `data:` lines hold, joined by LF; empty without any. Copies only if there are several.
    #[must_use]
    pub fn data(&self) -> Cow<'_, [u8]> {
        let Some(range) = self.data.clone() else { return Cow::Borrowed(&[]) };
        if !self.many {
            return Cow::Borrowed(self.raw.get(range).unwrap_or_default());
        }
        let parts: Vec<&[u8]> =
            Lines::of(&self.raw).filter_map(|line| field(&self.raw, line, b"data")).collect();
        Cow::Owned(parts.join(&b'\n'))
    }

    /// Whether it has neither data nor a name: comments, blank lines, `id:` or `retry:` alone. A sign of life.
    #[must_use]
    pub fn comment_only(&self) -> bool {
        self.data.is_none() && self.event.is_none() && !self.overflow
    }

    /// Whether this is a part of a frame that was too long to be understood, to be passed on unread.
    #[must_use]
    pub fn overflow(&self) -> bool {
        self.overflow
    }

    fn read(raw: Bytes) -> Self {
        let mut frame = Self { raw, event: None, data: None, many: false, overflow: false };
        for line in Lines::of(&frame.raw) {
            if let Some(value) = field_range(&frame.raw, &line, b"data") {
                frame.many = frame.data.is_some();
                frame.data = Some(frame.data.map_or(value, |first: Range<usize>| first));
            } else if let Some(value) = field_range(&frame.raw, &line, b"event") {
                frame.event = Some(value);
            }
        }
        frame
    }

    fn opaque(raw: Bytes) -> Self {
        Self { raw, event: None, data: None, many: false, overflow: true }
    }
}

/// Cuts a byte stream into frames, wherever the stream was cut before.
///
/// The frames do not depend on how the bytes were fed. A frame that ends in CR is held until the next byte
/// shows whether an LF belongs to it.
#[derive(Default)]
pub struct Splitter {
    /// What was fed last, if nothing was left over before it: frames are slices of it.
    whole: Bytes,
    /// What was left over and all fed since, until it is used up.
    carry: BytesMut,
    /// Up to here no blank line was found; the start of a line.
    scanned: usize,
    /// Up to here that line has no end.
    searched: usize,
    overflowed: bool,
}

impl fmt::Debug for Splitter {
    /// Without what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splitter").field("pending", &self.pending().len()).finish_non_exhaustive()
    }
}

impl Splitter {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes of the stream. Take out frames with [`Splitter::next`] before adding more.
    pub fn feed(&mut self, bytes: Bytes) {
        if self.whole.is_empty() && self.carry.is_empty() {
            self.whole = bytes;
            return;
        }
        if !self.whole.is_empty() {
            self.carry.reserve(self.whole.len() + bytes.len());
            self.carry.extend_from_slice(&std::mem::take(&mut self.whole));
        }
        self.carry.extend_from_slice(&bytes);
    }

    /// The next complete frame; `None` when more bytes are needed.
    ///
    /// After a frame longer than [`FRAME_LIMIT`] everything comes as it was fed, marked [`Frame::overflow`].
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would be taken for finished at the first None"
    )]
    pub fn next(&mut self) -> Option<Frame> {
        if self.overflowed {
            return self.take_all().map(Frame::opaque);
        }
        if let Some(end) = self.find_end() {
            return Some(Frame::read(self.take(end)));
        }
        if self.pending().len() > FRAME_LIMIT {
            self.overflowed = true;
            return self.take_all().map(Frame::opaque);
        }
        None
    }

    /// What is left at the end of the stream: a frame without its blank line, if anything.
    pub fn finish(&mut self) -> Option<Frame> {
        let overflowed = self.overflowed;
        let rest = self.take_all()?;
        Some(if overflowed { Frame::opaque(rest) } else { Frame::read(rest) })
    }

    /// Whether a frame was too long, and the rest of the stream is not understood.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    fn pending(&self) -> &[u8] {
        if self.carry.is_empty() { &self.whole } else { &self.carry }
    }

    fn take(&mut self, end: usize) -> Bytes {
        (self.scanned, self.searched) = (0, 0);
        if self.carry.is_empty() { self.whole.split_to(end) } else { self.carry.split_to(end).freeze() }
    }

    fn take_all(&mut self) -> Option<Bytes> {
        let all = self.take(self.pending().len());
        (!all.is_empty()).then_some(all)
    }

    /// Where the first frame ends, behind its blank line.
    fn find_end(&mut self) -> Option<usize> {
        let (mut start, mut from) = (self.scanned, self.searched);
        let found = loop {
            let pending = self.pending();
            let Some((line, next)) = line_end(pending, from) else {
                from = pending.len();
                break None;
            };
            // A CR at the end of what is there may be half of a CRLF.
            if next == pending.len() && pending.last() == Some(&b'\r') {
                from = line;
                break None;
            }
            if line == start {
                break Some(next);
            }
            (start, from) = (next, next);
        };
        (self.scanned, self.searched) = (start, from);
        found
    }
}

/// Where the first line end at or after `from` is, and where the next line starts.
fn line_end(text: &[u8], from: usize) -> Option<(usize, usize)> {
    let end = from + memchr::memchr2(b'\n', b'\r', text.get(from..)?)?;
    let crlf = text.get(end..end + 2) == Some(b"\r\n");
    Some((end, end + if crlf { 2 } else { 1 }))
}

/// The lines of a frame as ranges, without their ends.
struct Lines<'r> {
    raw: &'r [u8],
    at: usize,
}

impl<'r> Lines<'r> {
    /// A byte order mark at the very start belongs to no line.
    fn of(raw: &'r [u8]) -> Self {
        Self { raw, at: if raw.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } }
    }
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.raw.len() {
            return None;
        }
        let start = self.at;
        let (end, next) = line_end(self.raw, start).unwrap_or((self.raw.len(), self.raw.len()));
        self.at = next;
        Some(start..end)
    }
}

/// Where the value of a field stands, if the line is that field. One space after the colon is no part of it.
fn field_range(raw: &[u8], line: &Range<usize>, name: &[u8]) -> Option<Range<usize>> {
    let text = raw.get(line.clone())?.strip_prefix(name)?;
    let skip = match text {
        [] => 0,
        [b':', b' ', ..] => 2,
        [b':', ..] => 1,
        _ => return None,
    };
    Some(line.start + name.len() + skip..line.end)
}

fn field<'r>(raw: &'r [u8], line: Range<usize>, name: &[u8]) -> Option<&'r [u8]> {
    raw.get(field_range(raw, &line, name)?)
}
