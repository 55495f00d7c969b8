use super::*;
use crate::{Frame, FrameKind, Splitter, StreamReader, Surface};
use bytes::Bytes;
use proptest::prelude::*;

fn decode(chunks: &[&[u8]]) -> (String, Result<(), EventStreamError>) {
    let mut decoder = EventStreamDecoder::default();
    let mut out = Vec::new();
    for chunk in chunks {
        if let Err(error) = decoder.push(chunk, &mut out) {
            assert_eq!(decoder.finish(), Err(error));
            return (String::from_utf8(out).unwrap(), Err(error));
        }
    }
    (String::from_utf8(out).unwrap(), decoder.finish())
}

fn split(stream: Vec<u8>) -> Vec<Frame> {
    let mut splitter = Splitter::new();
    splitter.feed(Bytes::from(stream));
    std::iter::from_fn(|| splitter.next()).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The test messages of Amazon's own implementations: `empty_message`, `payload_no_headers`, `payload_one_str_header`.
#[test]
fn published_messages() {
    let empty = hex("00000010 00000000 05c248eb 7d98c8ff");
    let (message, length) = Message::read(&empty).unwrap().unwrap();
    assert_eq!((message, length), (Message { headers: b"", payload: b"" }, 16));

    let payload = hex("0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936");
    let (message, length) = Message::read(&payload).unwrap().unwrap();
    assert_eq!((message, length), (Message { headers: b"", payload: b"{'foo':'bar'}" }, 29));

    let header =
        "0000003d 00000020 07fd8396 0c636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e
                  7b27666f6f273a27626172277d 8d9c08b1";
    let header = hex(header);
    let (message, length) = Message::read(&header).unwrap().unwrap();
    assert_eq!((message.payload, length), (&b"{'foo':'bar'}"[..], 61));
    let (name, value, rest) = super::header(message.headers).unwrap();
    assert_eq!((name, value, rest), (&b"content-type"[..], Some(&b"application/json"[..]), &b""[..]));
    assert_eq!(super::message(&[("content-type", "application/json")], b"{'foo':'bar'}"), header);
}

#[test]
fn events_and_exceptions() {
    let mut stream = encode("contentBlockDelta", br#"{"delta":{"text":"a\nb"}}"#);
    stream.extend(encode("messageStop", b"{\n  \"stopReason\": \"end_turn\"\r\n}"));
    stream.extend(encode("ping", b""));
    stream.extend(encode_exception("throttlingException", br#"{"message":"slow down"}"#));
    let (text, end) = decode(&[&stream]);
    let want = "event: contentBlockDelta\ndata: {\"delta\":{\"text\":\"a\\nb\"}}\n\n\
                event: messageStop\ndata: {   \"stopReason\": \"end_turn\"  }\n\n\
                event: ping\ndata: {}\n\n\
                event: throttlingException\ndata: {\"message\":\"slow down\"}\n\n";
    assert_eq!((text.as_str(), end), (want, Ok(())));
}

/// What comes out is what our own readers understand.
#[test]
fn frames_mean_what_they_should() {
    let mut stream = encode("messageStart", br#"{"role":"assistant"}"#);
    stream.extend(encode("contentBlockDelta", br#"{"contentBlockIndex":0,"delta":{"text":"x"}}"#));
    stream.extend(encode("messageStop", br#"{"stopReason":"end_turn"}"#));
    stream.extend(encode_exception("throttlingException", br#"{"message":"slow down"}"#));
    let error =
        [(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "\"oh\"")];
    stream.extend(message(&error, b""));
    let (text, _) = decode(&[&stream]);
    let frames = split(text.into_bytes());
    let mut reader = StreamReader::new(Surface::Converse);
    let kinds: Vec<FrameKind> = frames.iter().map(|frame| reader.read(frame)).collect();
    let [
        FrameKind::Preamble,
        FrameKind::Content,
        FrameKind::Finish,
        FrameKind::Error(slow),
        FrameKind::Error(oh),
    ] = &kinds[..]
    else {
        panic!("{kinds:?}")
    };
    assert_eq!(
        (&*slow.message, slow.kind.as_deref(), slow.status),
        ("slow down", Some("throttlingException"), Some(429))
    );
    assert_eq!((&*oh.message, oh.code.as_deref()), ("\"oh\"", Some("InternalFailure")));
}

#[test]
fn other_types_of_headers_are_passed_over() {
    let mut headers = Vec::new();
    for (kind, value) in [
        (0_u8, &b""[..]),
        (1, b""),
        (2, b"1"),
        (3, b"12"),
        (4, b"1234"),
        (5, b"12345678"),
        (6, b"\0\x03abc"),
        (8, b"12345678"),
        (9, b"1234567812345678"),
    ] {
        headers.extend_from_slice(b"\x01x");
        headers.push(kind);
        headers.extend_from_slice(value);
    }
    let mut rest = &headers[..];
    let mut count = 0;
    while !rest.is_empty() {
        rest = header(rest).unwrap().2;
        count += 1;
    }
    assert_eq!(count, 9);
    assert_eq!(header(b"\x01x\x0a"), None, "a type nobody knows");
    assert_eq!(header(b"\x05x"), None);
    assert_eq!(header(b"\x01x\x07\0\x09abc"), None);
}

#[test]
fn broken_streams() {
    let whole = encode("messageStart", b"{}");
    let mut wrong_prelude = whole.clone();
    wrong_prelude[3] ^= 1;
    let mut wrong_payload = whole.clone();
    let at = whole.len() - 5;
    wrong_payload[at] ^= 1;
    let lengths = |total: u32, headers: u32| {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend_from_slice(&CRC.checksum(&bytes).to_be_bytes());
        bytes
    };
    let nameless = message(&[(":message-type", "event")], b"{}");
    let injected = message(&[(":event-type", "x\ndata: y")], b"{}");
    for (bytes, want) in [
        (wrong_prelude, EventStreamError::Checksum),
        (wrong_payload, EventStreamError::Checksum),
        (whole[..whole.len() - 1].to_vec(), EventStreamError::Truncated),
        (whole[..5].to_vec(), EventStreamError::Truncated),
        (lengths(15, 0), EventStreamError::Length),
        (lengths(100, 90), EventStreamError::Length),
        (lengths(MESSAGE_LIMIT as u32 + 1, 0), EventStreamError::Length),
        (lengths(1024 * 1024, HEADERS_LIMIT as u32 + 1), EventStreamError::Length),
        (lengths(u32::MAX, u32::MAX), EventStreamError::Length),
        (nameless, EventStreamError::Headers),
        (injected, EventStreamError::Headers),
        (b"HTTP/1.1 502 Bad Gateway".to_vec(), EventStreamError::Checksum),
    ] {
        let mut stream = whole.clone();
        stream.extend(&bytes);
        let (text, end) = decode(&[&stream]);
        assert_eq!((text.as_str(), end), ("event: messageStart\ndata: {}\n\n", Err(want)), "{bytes:?}");
    }
}

#[test]
fn nothing_comes_after_an_error() {
    let mut decoder = EventStreamDecoder::default();
    let mut out = Vec::new();
    assert_eq!(decoder.push(&[0; 16], &mut out), Err(EventStreamError::Checksum));
    assert_eq!(decoder.push(&encode("messageStart", b"{}"), &mut out), Err(EventStreamError::Checksum));
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_frames(
        events in prop::collection::vec(("[a-zA-Z]{1,20}", prop::collection::vec(any::<u8>(), 0..60), any::<bool>()), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut stream = Vec::new();
        for (name, payload, exception) in &events {
            stream.extend(if *exception { encode_exception(name, payload) } else { encode(name, payload) });
        }
        let whole = |chunks: &[&[u8]]| {
            let mut decoder = EventStreamDecoder::default();
            let mut out = Vec::new();
            for chunk in chunks {
                decoder.push(chunk, &mut out).unwrap();
            }
            decoder.finish().unwrap();
            out
        };
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for place in places {
            chunks.push(&stream[from..place]);
            from = place;
        }
        chunks.push(&stream[from..]);
        let expected = whole(&[&stream]);
        prop_assert_eq!(whole(&chunks), expected.clone());
        let frames = split(expected);
        prop_assert_eq!(frames.len(), events.len());
        for (frame, (name, ..)) in frames.iter().zip(&events) {
            prop_assert_eq!(frame.event(), Some(name.as_str()));
        }
    }

    #[test]
    fn garbage_is_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = EventStreamDecoder::default();
        let mut out = Vec::new();
        let pushed = decoder.push(&bytes, &mut out);
        prop_assert!(pushed.is_err() || decoder.finish().is_err() || bytes.is_empty());
    }

    #[test]
    fn a_changed_byte_is_noticed(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut stream = encode("contentBlockDelta", br#"{"delta":{"text":"hello"}}"#);
        let at = at.index(stream.len());
        stream[at] ^= flip;
        let mut decoder = EventStreamDecoder::default();
        prop_assert_eq!(decoder.push(&stream, &mut Vec::new()), Err(EventStreamError::Checksum));
    }
}
