//! Events of a stream as frames.

use super::super::writer::Writer;

/// Writes frames and counts them.
#[derive(Debug, Default)]
pub(super) struct Frames {
    sequence: u64,
}

/// Where in the output an event belongs.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) item: &'p str,
    pub(super) output: usize,
}

impl Frames {
    /// One event with its members beside `type` and `sequence_number`.
    pub(super) fn send(&mut self, out: &mut Vec<u8>, kind: &str, members: impl FnOnce(&mut Writer)) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let mut w = Writer::onto(std::mem::take(out));
        w.object(|w| {
            w.member("type", kind);
            w.member("sequence_number", &self.sequence);
            members(w);
        });
        *out = w.finish();
        out.extend_from_slice(b"\n\n");
        self.sequence += 1;
    }

    /// An event of an item.
    pub(super) fn of_item(
        &mut self,
        out: &mut Vec<u8>,
        kind: &str,
        place: Place<'_>,
        members: impl FnOnce(&mut Writer),
    ) {
        self.send(out, kind, |w| {
            w.member("item_id", place.item);
            w.member("output_index", &place.output);
            members(w);
        });
    }

    /// A piece of something, or the whole of it: `member` is `delta`, `text`, `arguments`, ...; `index` names the part
    /// of the item it belongs to.
    pub(super) fn text(
        &mut self,
        out: &mut Vec<u8>,
        kind: &str,
        place: Place<'_>,
        index: Option<(&str, usize)>,
        (member, text): (&str, &str),
    ) {
        self.of_item(out, kind, place, |w| {
            if let Some((name, index)) = index {
                w.member(name, &index);
            }
            w.member(member, text);
            if kind.starts_with("response.output_text.") {
                w.member_array("logprobs", |_| {});
            }
        });
    }
}
