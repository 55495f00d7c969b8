//! JA4: a fingerprint of the program behind a TLS client, made from its hello.
//!
//! After FoxIO's description (`technical_details/JA4.md` of <https://github.com/FoxIO-LLC/ja4>). Only JA4 itself is
//! here, the fingerprint of TLS clients, which is under the BSD licence; the others of the JA4+ family are not.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Extensions with a meaning here (IANA's registry of TLS extension types).
const SERVER_NAME: u16 = 0x0000;
const SIGNATURE_ALGORITHMS: u16 = 0x000d;
const ALPN: u16 = 0x0010;
const SUPPORTED_VERSIONS: u16 = 0x002b;

/// The fingerprint of a hello over TCP: `t13d1516h2_8daaf6152771_e5627efa2ab1`. `message` is the handshake message
/// without the headers of records (RFC 8446, section 4.1.2); `None` for one that cannot be read.
#[must_use]
pub fn ja4(message: &[u8]) -> Option<String> {
    Some(read(message)?.fingerprint())
}

/// What the fingerprint is made of; values that clients only send to keep servers tolerant (RFC 8701) are left out.
#[derive(Debug, Default)]
struct Parts<'a> {
    version: u16,
    ciphers: Vec<u16>,
    extensions: Vec<u16>,
    signatures: Vec<u16>,
    protocol: &'a [u8],
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, length: usize) -> Option<usize> {
        Some(self.take(length)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// Bytes with their number before them, in so many bytes.
    fn counted(&mut self, length: usize) -> Option<Bytes<'a>> {
        let count = self.number(length)?;
        self.take(count).map(Bytes)
    }

    fn word(&mut self) -> Option<u16> {
        u16::try_from(self.number(2)?).ok()
    }

    /// Words up to the end, without those that mean nothing.
    fn words(self) -> impl Iterator<Item = u16> {
        let pairs = self.0.as_chunks::<2>().0.iter();
        pairs.map(|pair| u16::from_be_bytes(*pair)).filter(|word| !is_grease(*word))
    }
}

/// `0x0a0a`, `0x1a1a`, … `0xfafa` (RFC 8701).
fn is_grease(word: u16) -> bool {
    word & 0x0f0f == 0x0a0a && word >> 8 == word & 0xff
}

fn read(message: &[u8]) -> Option<Parts<'_>> {
    let mut message = Bytes(message);
    if message.number(1)? != 1 {
        return None;
    }
    let mut hello = message.counted(3)?;
    let version = hello.word()?;
    hello.take(32)?; // random
    hello.counted(1)?; // session
    let ciphers = hello.counted(2)?.words().collect();
    hello.counted(1)?; // compression
    let mut parts = Parts { version, ciphers, ..Parts::default() };
    if hello.0.is_empty() {
        return Some(parts); // RFC 5246 lets a hello end here
    }
    let mut extensions = hello.counted(2)?;
    while !extensions.0.is_empty() {
        let kind = extensions.word()?;
        let mut body = extensions.counted(2)?;
        if is_grease(kind) {
            continue;
        }
        parts.extensions.push(kind);
        match kind {
            SUPPORTED_VERSIONS => parts.version = body.counted(1)?.words().max().unwrap_or(0),
            SIGNATURE_ALGORITHMS => parts.signatures = body.counted(2)?.words().collect(),
            ALPN => {
                let mut names = body.counted(2)?;
                parts.protocol = names.counted(1).map(|name| name.0).unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(parts)
}

impl Parts<'_> {
    fn fingerprint(mut self) -> String {
        let version = match self.version {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            _ => "00",
        };
        let to = if self.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
        let (ciphers, extensions) = (self.ciphers.len().min(99), self.extensions.len().min(99));
        let (first, last) = ends(self.protocol);
        self.ciphers.sort_unstable();
        self.extensions.retain(|kind| *kind != SERVER_NAME && *kind != ALPN);
        self.extensions.sort_unstable();
        let mut sent = list(&self.extensions);
        if !self.signatures.is_empty() {
            sent = format!("{sent}_{}", list(&self.signatures));
        }
        let offered = digest(&list(&self.ciphers), self.ciphers.is_empty());
        let sent = digest(&sent, self.extensions.is_empty());
        format!("t{version}{to}{ciphers:02}{extensions:02}{first}{last}_{offered}_{sent}")
    }
}

/// The first and the last character of a protocol's name; of its hexadecimal form, when one is neither letter nor
/// digit.
fn ends(protocol: &[u8]) -> (char, char) {
    let (Some(first), Some(last)) = (protocol.first(), protocol.last()) else { return ('0', '0') };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return (char::from(*first), char::from(*last));
    }
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    (digit(first >> 4), digit(last & 0x0f))
}

/// `002f,0035`
fn list(words: &[u16]) -> String {
    let mut text = String::with_capacity(words.len() * 5);
    for word in words {
        let separator = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{separator}{word:04x}");
    }
    text
}

/// The first twelve digits of the hash; zeros where there is nothing to hash.
fn digest(text: &str, nothing: bool) -> String {
    if nothing {
        return "0".repeat(12);
    }
    Sha256::digest(text.as_bytes()).iter().take(6).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIPHERS: &[u16] = &[
        0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
        0x009d, 0x002f, 0x0035,
    ];
    const EXTENSIONS: &[u16] = &[
        0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
        0xff01, 0x000b, 0x000a, 0x0015,
    ];
    const SIGNATURES: &[u16] = &[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

    fn counted(length: usize, body: &[u8]) -> Vec<u8> {
        let mut out = body.len().to_be_bytes()[8 - length..].to_vec();
        out.extend_from_slice(body);
        out
    }

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A hello with these parts, in this order.
    fn hello(ciphers: &[u16], extensions: &[u16], signatures: &[u16], alpn: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        for kind in extensions {
            let body = match *kind {
                ALPN => counted(2, &counted(1, alpn)),
                SIGNATURE_ALGORITHMS => counted(2, &words(signatures)),
                SUPPORTED_VERSIONS => counted(1, &words(&[0x7a7a, 0x0303, 0x0304])),
                _ => b"anything".to_vec(),
            };
            sent.extend(kind.to_be_bytes());
            sent.extend(counted(2, &body));
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend(counted(1, &[1; 32]));
        body.extend(counted(2, &words(ciphers)));
        body.extend(counted(1, &[0]));
        body.extend(counted(2, &sent));
        let mut message = vec![1];
        message.extend(counted(3, &body));
        message
    }

    #[test]
    fn the_published_example() {
        let message = hello(CIPHERS, EXTENSIONS, SIGNATURES, b"h2");
        assert_eq!(ja4(&message).as_deref(), Some("t13d1516h2_8daaf6152771_e5627efa2ab1"));
    }

    #[test]
    fn values_without_a_meaning_and_the_order_change_nothing() {
        let mut ciphers = vec![0x0a0a];
        ciphers.extend(CIPHERS.iter().rev());
        let mut extensions = vec![0xfafa];
        extensions.extend(EXTENSIONS.iter().rev());
        extensions.push(0x1a1a);
        let message = hello(&ciphers, &extensions, SIGNATURES, b"h2");
        assert_eq!(ja4(&message).as_deref(), Some("t13d1516h2_8daaf6152771_e5627efa2ab1"));
    }

    #[test]
    fn without_signature_algorithms_the_published_hash_is_another() {
        let extensions: Vec<u16> = EXTENSIONS.to_vec();
        let message = hello(CIPHERS, &extensions, &[], b"h2");
        assert_eq!(ja4(&message).as_deref(), Some("t13d1516h2_8daaf6152771_6d807ffa2a79"));
    }

    #[test]
    fn nothing_to_hash_is_zeros() {
        let message = hello(&[], &[], &[], b"");
        assert_eq!(ja4(&message).as_deref(), Some("t12i000000_000000000000_000000000000"));
    }

    #[test]
    fn the_published_ends_of_protocols() {
        let rows: &[(&[u8], (char, char))] = &[
            (b"h2", ('h', '2')),
            (b"http/1.1", ('h', '1')),
            (b"x", ('x', 'x')),
            (b"", ('0', '0')),
            (&[0xab], ('a', 'b')),
            (&[0xab, 0xcd], ('a', 'd')),
            (&[0x30, 0xab], ('3', 'b')),
            (&[0x30, 0x31, 0xab, 0xcd], ('3', 'd')),
            (&[0x30, 0xab, 0xcd, 0x31], ('0', '1')),
        ];
        for (protocol, expected) in rows {
            assert_eq!(ends(protocol), *expected, "{protocol:x?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_read_without_harm(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
            at in 0_usize..200,
        ) {
            let mut message = hello(CIPHERS, EXTENSIONS, SIGNATURES, b"h2");
            let end = (at + bytes.len()).min(message.len());
            message.splice(at.min(end)..end, bytes.iter().copied());
            for message in [&message[..], &bytes[..]] {
                if let Some(fingerprint) = ja4(message) {
                    assert_eq!(fingerprint.chars().count(), 36, "{fingerprint}");
                }
            }
        }
    }

    #[test]
    fn a_hello_that_breaks_off_has_none() {
        let message = hello(CIPHERS, EXTENSIONS, SIGNATURES, b"h2");
        for length in 0..message.len() {
            assert_eq!(ja4(&message[..length]), None, "{length}");
        }
        assert_eq!(ja4(&[2, 0, 0, 0]), None, "a server's hello");
    }
}
