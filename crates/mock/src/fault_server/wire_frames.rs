//! Frames of HTTP/2 (RFC 9113, section 4), written by hand.

/// RFC 9113, section 6.
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Flags.
pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// The longest payload that is allowed without asking (RFC 9113, section 4.2).
pub(super) const MAX_FRAME: usize = 16_384;

/// A frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut out = Vec::with_capacity(9 + payload.len());
    out.extend_from_slice(length.get(1..).unwrap_or_default());
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// Header fields as literals without an index and without Huffman's code (RFC 7541, section 6.2.2).
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        text(&mut out, name);
        text(&mut out, value);
    }
    out
}

/// The head of an answer.
pub(super) fn head(stream: u32, status: &str, fields: &[(&str, &str)], end: bool) -> Vec<u8> {
    let mut all = vec![(":status", status)];
    all.extend_from_slice(fields);
    let flags = END_HEADERS | if end { END_STREAM } else { 0 };
    frame(HEADERS, flags, stream, &block(&all))
}

/// Data, in as many frames as it takes.
pub(super) fn data(stream: u32, bytes: &[u8], end: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let count = bytes.chunks(MAX_FRAME).len();
    for (at, part) in bytes.chunks(MAX_FRAME).enumerate() {
        let last = end && at + 1 == count;
        out.extend(frame(DATA, if last { END_STREAM } else { 0 }, stream, part));
    }
    if count == 0 {
        out.extend(frame(DATA, if end { END_STREAM } else { 0 }, stream, &[]));
    }
    out
}

/// `RST_STREAM` with an error code (RFC 9113, section 7).
pub(super) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// `GOAWAY` with the last stream that was worked on, and an error code.
pub(super) fn go_away(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// `SETTINGS` with identifiers and values.
pub(super) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// `WINDOW_UPDATE`
pub(super) fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

/// An integer with a prefix of seven bits, then the text (RFC 7541, sections 5.1 and 5.2).
fn text(out: &mut Vec<u8>, value: &str) {
    let mut length = value.len();
    if length < 127 {
        out.push(u8::try_from(length).unwrap_or(0));
    } else {
        out.push(127);
        length -= 127;
        while length >= 128 {
            out.push(u8::try_from(length % 128).unwrap_or(0) | 128);
            length /= 128;
        }
        out.push(u8::try_from(length).unwrap_or(0));
    }
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_fields_are_written_as_the_rfcs_say() {
        assert_eq!(frame(PING, ACK, 0, &[1; 8]), [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &[1; 8]].concat());
        assert_eq!(block(&[("a", "bc")]), [0, 1, b'a', 2, b'b', b'c']);
        let long = block(&[("n", &"x".repeat(1337))]);
        assert_eq!(long[3..6], [127, 0xba, 0x09], "1337 as in RFC 7541, appendix C.1, but with seven bits");
        assert_eq!(data(1, &[7; MAX_FRAME + 1], true).len(), MAX_FRAME + 1 + 18);
    }
}
