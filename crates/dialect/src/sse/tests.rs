//! Tables and properties of the splitter.

use super::*;
use crate::stream::recordings;
use proptest::prelude::*;

/// What a test compares of a frame: bytes, event, data.
type Seen = (Vec<u8>, Option<String>, Vec<u8>, bool);

fn seen(frame: &Frame) -> Seen {
    let event = frame.event().map(str::to_owned);
    (frame.raw.to_vec(), event, frame.data().into_owned(), frame.comment_only())
}

fn split(parts: &[&[u8]]) -> Vec<Seen> {
    let mut splitter = Splitter::new();
    let mut frames = Vec::new();
    for part in parts {
        splitter.feed(Bytes::copy_from_slice(part));
        while let Some(frame) = splitter.next() {
            frames.push(seen(&frame));
        }
    }
    frames.extend(splitter.finish().as_ref().map(seen));
    frames
}

#[test]
fn fields() {
    for (text, event, data, comment) in [
        (": ping\n\n", None, "", true),
        ("\n", None, "", true),
        ("id: 7\nretry: 5\n\n", None, "", true),
        ("data: a\n\n", None, "a", false),
        ("data:a\n\n", None, "a", false),
        ("data:  a \n\n", None, " a ", false),
        ("data\n\n", None, "", false),
        ("data: a\ndata:b\ndata\n\n", None, "a\nb\n", false),
        ("event: x\ndata: a\n\n", Some("x"), "a", false),
        ("event: x\r\n: note\r\ndata: a\r\nid: 1\r\n\r\n", Some("x"), "a", false),
        ("event: x\rdata: a\r\r", Some("x"), "a", false),
        ("event: ping\n\n", Some("ping"), "", false),
        ("\u{feff}data: a\n\n", None, "a", false),
        ("data: a: b\n\n", None, "a: b", false),
        ("database: a\ndata : b\n Data: c\n\n", None, "", true),
        ("event: one\nevent: two\ndata: a\n\n", Some("two"), "a", false),
        ("data: [DONE]", None, "[DONE]", false),
    ] {
        let frames = split(&[text.as_bytes()]);
        let want = (text.as_bytes().to_vec(), event.map(str::to_owned), data.as_bytes().to_vec(), comment);
        assert_eq!(frames, [want], "{text:?}");
    }
}

#[test]
fn line_ends_mix_and_extra_blank_lines_are_frames() {
    let frames = split(&[b"data: 1\n\r\ndata: 2\r\n\ndata: 3\r\n\r\n\n\r\ndata: 4\n\ndata: 5\r\r"]);
    let data: Vec<_> = frames.iter().map(|f| String::from_utf8_lossy(&f.2).into_owned()).collect();
    assert_eq!(data, ["1", "2", "3", "", "", "4", "5"]);
}

#[test]
fn frames_come_as_soon_as_they_are_whole() {
    let mut splitter = Splitter::new();
    splitter.feed(Bytes::from_static(b"data: 1\n"));
    assert!(splitter.next().is_none());
    splitter.feed(Bytes::from_static(b"\nda"));
    assert_eq!(splitter.next().unwrap().raw, "data: 1\n\n");
    assert!(splitter.next().is_none());
    splitter.feed(Bytes::from_static(b"ta: 2\r\n\r"));
    assert!(splitter.next().is_none(), "an LF may follow");
    splitter.feed(Bytes::from_static(b"\n"));
    assert_eq!(splitter.next().unwrap().raw, "data: 2\r\n\r\n");
    assert!(splitter.finish().is_none());
}

#[test]
fn whole_chunks_are_not_copied() {
    let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
    let mut splitter = Splitter::new();
    splitter.feed(chunk.clone());
    assert_eq!(splitter.next().unwrap().raw.as_ptr(), chunk.as_ptr());
    assert_eq!(splitter.next().unwrap().raw.as_ptr(), chunk[9..].as_ptr());
}

#[test]
fn long_frames() {
    let long = [b"data: ".as_slice(), &vec![b'x'; FRAME_LIMIT - 8], b"\n\n"].concat();
    let parts: Vec<&[u8]> = long.chunks(60_000).collect();
    assert_eq!(split(&parts)[0].2.len(), FRAME_LIMIT - 8);

    let mut splitter = Splitter::new();
    let mut out = Vec::new();
    for part in vec![b'x'; FRAME_LIMIT + 100_000].chunks(50_000).chain([&b"\n\ndata: 1\n\n"[..]]) {
        splitter.feed(Bytes::copy_from_slice(part));
        while let Some(frame) = splitter.next() {
            assert!(frame.overflow() && !frame.comment_only());
            out.extend_from_slice(&frame.raw);
        }
    }
    assert!(splitter.overflowed());
    assert!(splitter.finish().is_none());
    assert_eq!(out.len(), FRAME_LIMIT + 100_000 + 11);
}

#[test]
fn recordings_do_not_depend_on_where_they_are_cut() {
    for (name, text) in recordings::ALL {
        for text in [(*text).to_owned(), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
            let bytes = text.as_bytes();
            let whole = split(&[bytes]);
            assert_eq!(whole.iter().flat_map(|f| f.0.clone()).collect::<Vec<_>>(), bytes, "{name}");
            for at in 0..bytes.len() {
                let (a, b) = bytes.split_at(at);
                assert_eq!(split(&[a, b]), whole, "{name} cut at {at}");
            }
            assert_eq!(split(&bytes.chunks(1).collect::<Vec<_>>()), whole, "{name} byte by byte");
        }
    }
}

#[test]
fn recordings_have_the_same_data_whatever_ends_their_lines() {
    for (name, text) in recordings::ALL {
        let data =
            |text: &str| split(&[text.as_bytes()]).into_iter().map(|f| (f.1, f.2, f.3)).collect::<Vec<_>>();
        assert_eq!(data(text), data(&text.replace('\n', "\r\n")), "{name}");
        assert_eq!(data(text), data(&text.replace('\n', "\r")), "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_any_cuts(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..120),
            "(data|event|:|[\r\n]|: x|é|\u{feff}){0,40}".prop_map(String::into_bytes),
        ],
        sizes in proptest::collection::vec(1usize..9, 1..40),
    ) {
        let mut parts = Vec::new();
        let mut rest = bytes.as_slice();
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, tail) = rest.split_at(size.min(rest.len()));
            parts.push(part);
            rest = tail;
        }
        let frames = split(&parts);
        prop_assert_eq!(&frames, &split(&[&bytes]));
        prop_assert_eq!(frames.into_iter().flat_map(|f| f.0).collect::<Vec<_>>(), bytes);
    }
}
