//! A list of replacements, and the text they give.

use crate::json;
use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;

/// Bodies up to this size are put together in one buffer; longer ones are slices of the original (bytes).
const CONCATENATE_UP_TO: usize = 256 * 1024;

/// Replacements in ascending order that do not overlap.
#[derive(Default)]
pub(super) struct Splice {
    patches: SmallVec<[(Range<usize>, String); 4]>,
}

impl Splice {
    pub(super) fn replace(&mut self, at: Range<usize>, with: String) {
        self.patches.push((at, with));
    }

    pub(super) fn remove(&mut self, at: Range<usize>) {
        self.replace(at, String::new());
    }

    /// Adds members behind `at`, the end of an object's last member (or its opening brace).
    pub(super) fn append<'n>(
        &mut self,
        at: usize,
        mut comma: bool,
        members: impl Iterator<Item = (&'n str, String)>,
    ) {
        let mut text = String::new();
        for (name, value) in members {
            if std::mem::replace(&mut comma, true) {
                text.push(',');
            }
            text.push_str(&json::quoted(name));
            text.push(':');
            text.push_str(&value);
        }
        if !text.is_empty() {
            self.replace(at..at, text);
        }
    }

    pub(super) fn apply(self, body: &Bytes) -> SmallVec<[Bytes; 4]> {
        let mut chunks = SmallVec::new();
        if self.patches.is_empty() {
            chunks.push(body.clone());
            return chunks;
        }
        let mut done = 0;
        let mut parts: SmallVec<[(Range<usize>, String); 8]> = SmallVec::new();
        for (at, with) in self.patches {
            parts.push((done..at.start.max(done), with));
            done = at.end.max(done);
        }
        parts.push((done..body.len(), String::new()));
        if body.len() <= CONCATENATE_UP_TO {
            chunks.push(concatenated(body, &parts));
            return chunks;
        }
        for (keep, with) in parts {
            if !keep.is_empty() {
                chunks.push(body.slice(keep));
            }
            if !with.is_empty() {
                chunks.push(Bytes::from(with));
            }
        }
        chunks
    }
}

fn concatenated(body: &[u8], parts: &[(Range<usize>, String)]) -> Bytes {
    let length = parts.iter().map(|(keep, with)| keep.len() + with.len()).sum();
    let mut out = Vec::with_capacity(length);
    for (keep, with) in parts {
        out.extend_from_slice(body.get(keep.clone()).unwrap_or_default());
        out.extend_from_slice(with.as_bytes());
    }
    Bytes::from(out)
}
