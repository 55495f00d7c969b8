//! Where a client is in its frames of HTTP/2 (RFC 9113, section 4.1): in the middle of a request's head or not, and how
//! many frames it sends that carry nothing. The payload is not looked at. Pure: the time is passed in.

use std::time::Duration;

/// Bytes of the connection preface before the first frame.
const PREFACE: usize = 24;
/// Bytes of a frame's header.
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// The flag with which a head is complete.
const END_HEADERS: u8 = 4;

/// Frames that carry nothing, in [`SPAN`]. A client that gives up a hundred requests a second stays below; a flood has
/// tens of thousands.
const MOST_IDLE: u32 = 1_000;
const SPAN: Duration = Duration::from_secs(10);

/// What was read of a client's frames.
#[derive(Debug)]
pub(super) struct Frames {
    /// What is still to come of the preface.
    preface: usize,
    header: [u8; HEADER],
    /// Bytes of a header that have come.
    known: usize,
    /// Bytes of a payload that are still to come.
    left: usize,
    /// The frame whose payload that is.
    kind: u8,
    /// A head has begun, and its last frame has not.
    in_head: bool,
    /// How often the client was between frames and heads.
    turns: u32,
    /// Frames that carry nothing, since `since`.
    idle: u32,
    since: Option<Duration>,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            preface: PREFACE,
            header: [0; HEADER],
            known: 0,
            left: 0,
            kind: DATA,
            in_head: false,
            turns: 0,
            idle: 0,
            since: None,
        }
    }
}

impl Frames {
    /// Looks at what has come. False: the client floods.
    pub(super) fn read(&mut self, mut bytes: &[u8], now: impl Fn() -> Duration) -> bool {
        let skipped = self.preface.min(bytes.len());
        self.preface -= skipped;
        bytes = bytes.get(skipped..).unwrap_or_default();
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
            } else {
                let (first, rest) = bytes.split_at(bytes.len().min(HEADER - self.known));
                if let Some(place) = self.header.get_mut(self.known..self.known + first.len()) {
                    place.copy_from_slice(first);
                }
                self.known += first.len();
                bytes = rest;
                if self.known == HEADER && !self.begins(&now) {
                    return false;
                }
            }
            if self.waits_for().is_none() {
                self.turns = self.turns.wrapping_add(1);
            }
        }
        true
    }

    /// The client has begun something that it has to end soon: the preface, a head, a frame that is no data. Each has a
    /// number of its own.
    pub(super) fn waits_for(&self) -> Option<u32> {
        let in_frame = self.known > 0 || self.left > 0 && self.kind != DATA;
        (self.preface > 0 || self.in_head || in_frame).then_some(self.turns)
    }

    /// A frame begins. False: it is one too many that carries nothing.
    fn begins(&mut self, now: &impl Fn() -> Duration) -> bool {
        let [a, b, c, kind, flags, ..] = self.header;
        self.known = 0;
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.kind = kind;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_head = flags & END_HEADERS == 0;
        }
        // Credit is what every reader of a long answer gives all the time.
        if matches!(kind, PRIORITY | RST_STREAM | SETTINGS | PING)
            || kind > WINDOW_UPDATE && kind != CONTINUATION
        {
            self.idle += 1;
        }
        if self.idle < MOST_IDLE {
            return true;
        }
        self.idle = 0;
        let now = now();
        let since = self.since.replace(now).unwrap_or_default();
        now.saturating_sub(since) >= SPAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let size = u32::try_from(length).expect("short").to_be_bytes();
        let mut frame = vec![size[1], size[2], size[3], kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + length, b'x');
        frame
    }

    fn started() -> Frames {
        let mut frames = Frames::default();
        assert!(frames.read(&[b'P'; PREFACE], || Duration::ZERO));
        frames
    }

    #[test]
    fn a_head_lasts_until_its_last_frame_has_come() {
        let mut frames = Frames::default();
        assert!(frames.waits_for().is_some(), "the preface is to come");
        let mut read = |bytes: &[u8]| {
            assert!(frames.read(bytes, || Duration::ZERO));
            frames.waits_for().is_some()
        };
        assert!(!read(&[b'P'; PREFACE]));
        assert!(!read(&frame(SETTINGS, 0, 6)));
        assert!(read(&frame(HEADERS, 0, 10)), "no END_HEADERS");
        assert!(read(&frame(CONTINUATION, 0, 0)));
        let last = frame(CONTINUATION, END_HEADERS, 5);
        assert!(read(&last[..HEADER + 4]) && !read(&last[HEADER + 4..]));
        assert!(read(&frame(DATA, 0, 100)[..4]), "a part of a frame's header");
        assert!(!read(&frame(DATA, 0, 100)[4..50]), "the body of a request has clocks of its own");
        assert!(!read(&frame(DATA, 0, 100)[50..]));
    }

    #[test]
    fn each_head_has_a_number_of_its_own() {
        let mut frames = started();
        let mut number = |bytes: &[u8]| {
            frames.read(bytes, || Duration::ZERO);
            frames.waits_for()
        };
        let first = number(&frame(HEADERS, 0, 1));
        assert_eq!(number(&frame(CONTINUATION, 0, 1)), first);
        let mut both = frame(CONTINUATION, END_HEADERS, 0);
        both.extend(frame(HEADERS, 0, 1));
        let second = number(&both);
        assert!(first.is_some() && second.is_some() && first != second, "{first:?} {second:?}");
    }

    #[test]
    fn floods_are_told_from_use() {
        for kind in [PRIORITY, RST_STREAM, SETTINGS, PING, 0xb] {
            let (mut frames, ping) = (started(), frame(kind, 0, 0));
            let second = |at: u64| Duration::from_secs(1_000 + at);
            // A hundred a second, for ten minutes.
            assert!((0..60_000).all(|n| frames.read(&ping, || second(n / 100))), "{kind}");
            let read = (0..3_000).take_while(|_| frames.read(&ping, || second(600))).count();
            assert!(read <= 2_000, "{kind}: {read}");
        }
        for kind in [DATA, HEADERS, WINDOW_UPDATE] {
            let mut frames = started();
            assert!(
                (0..10_000).all(|_| frames.read(&frame(kind, END_HEADERS, 1), || Duration::ZERO)),
                "{kind}"
            );
        }
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut(
            kinds in proptest::collection::vec((0..10_u8, 0..8_u8, 0..40_usize), 0..30),
            cuts in proptest::collection::vec(1..50_usize, 1..60),
        ) {
            let mut bytes = vec![b'P'; PREFACE];
            kinds.iter().for_each(|(kind, flags, length)| bytes.extend(frame(*kind, *flags, *length)));
            let mut whole = Frames::default();
            whole.read(&bytes, || Duration::ZERO);
            let mut parts = Frames::default();
            let (mut rest, mut cuts) = (bytes.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (part, after) = rest.split_at(rest.len().min(*cuts.next().expect("a cycle")));
                parts.read(part, || Duration::ZERO);
                rest = after;
            }
            prop_assert_eq!((parts.waits_for().is_some(), parts.idle, parts.left), (whole.waits_for().is_some(), whole.idle, whole.left));
        }
    }
}
