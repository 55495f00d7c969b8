//! Base64 (RFC 4648): Google's SDKs write the URL-safe alphabet, everybody else wants the standard one.

use super::super::request::Text;
use std::borrow::Cow;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes in the standard alphabet, padded.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0u8; 3];
        for (to, from) in group.iter_mut().zip(chunk) {
            *to = *from;
        }
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for at in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
            let letter = ALPHABET.get(index).copied().unwrap_or(b'A');
            out.push(if at > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

/// The bytes of a text in either alphabet, padded or not. `None` if it is no base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    (count < 6).then_some(out)
}

/// The same data in the standard alphabet, padded: not copied where it is already.
pub(super) fn standard(data: Text<'_>) -> Text<'_> {
    let missing = data.len().wrapping_neg() % 4;
    if missing == 0 && memchr::memchr2(b'-', b'_', data.as_bytes()).is_none() {
        return data;
    }
    let mut out = String::with_capacity(data.len() + missing);
    out.extend(data.chars().map(|letter| match letter {
        '-' => '+',
        '_' => '/',
        letter => letter,
    }));
    out.extend(std::iter::repeat_n('=', missing));
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_rfc() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
            assert_eq!(decode(text.trim_end_matches('=')).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff, 0xfe]), "+//+");
        assert_eq!(decode("-__-"), Some(vec![0xfb, 0xff, 0xfe]));
        for text in ["a", "ab.d", "ab\n", "äb"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn the_standard_alphabet() {
        assert!(matches!(standard("+//+".into()), Cow::Borrowed("+//+")));
        assert_eq!(standard("-__-".into()), "+//+");
        assert_eq!(standard("Zg".into()), "Zg==");
        assert_eq!(standard("".into()), "");
    }
}
