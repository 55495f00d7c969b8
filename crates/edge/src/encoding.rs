//! Bodies that are compressed: made plain so that they can be searched, and compressed for clients.

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use std::io::{Read, Write};

/// How much of a body is read at once, in bytes.
const PART: usize = 64 * 1024; // 64 KiB
/// Brotli's quality: more costs many times the work on answers of a usual size.
const BROTLI_QUALITY: u32 = 5;
/// Brotli's window, as a power of two of bytes.
const BROTLI_WINDOW: u32 = 22;

/// A content coding (RFC 9110, section 8.4.1) that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// The zlib format, in spite of its name.
    Deflate,
    Brotli,
}

/// Why a body cannot be made plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Undecoded {
    /// It is longer than allowed once it is plain.
    TooLong,
    /// Its bytes are not of that coding.
    Broken,
    /// A coding that is not understood.
    Unknown(String),
}

/// Longest name of a coding that is repeated, in characters.
const NAME: usize = 32;

/// The body without the codings that its headers name. There may be several, on several lines; what was applied last is
/// undone first (RFC 9110, section 8.4). Stops at `limit` bytes.
pub(crate) fn plain(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Undecoded> {
    let mut names = Vec::new();
    for line in headers.get_all(CONTENT_ENCODING) {
        let line = line.to_str().map_err(|_| Undecoded::Unknown("?".into()))?;
        names.extend(line.split(',').map(str::trim));
    }
    let mut body = body;
    for name in names.iter().rev() {
        if body.is_empty() || name.is_empty() || name.eq_ignore_ascii_case("identity") {
            continue;
        }
        let unknown = || Undecoded::Unknown(name.chars().take(NAME).collect());
        body = Coding::named(name).ok_or_else(unknown)?.decode(&body, limit)?;
    }
    if body.len() > limit { Err(Undecoded::TooLong) } else { Ok(body) }
}

impl Coding {
    /// The coding of this name, without case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            _ => None,
        }
    }

    /// Its name in `content-encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
        }
    }

    /// The body made plain. Stops at `limit` bytes, however much is packed into it.
    fn decode(self, body: &[u8], limit: usize) -> Result<Bytes, Undecoded> {
        let mut plain: Box<dyn Read + '_> = match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(body)),
            Self::Deflate => Box::new(ZlibDecoder::new(body)),
            Self::Brotli => Box::new(brotli::Decompressor::new(body, PART)),
        };
        let mut out = Vec::new();
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        plain.by_ref().take(wanted).read_to_end(&mut out).map_err(|_| Undecoded::Broken)?;
        if out.len() > limit { Err(Undecoded::TooLong) } else { Ok(out.into()) }
    }
}

/// Compresses a body part by part; each part can be read by the client as soon as it comes.
pub(crate) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    /// The end was written.
    Done,
}

impl Encoder {
    pub(crate) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::default())),
            Coding::Deflate => Self::Deflate(ZlibEncoder::new(Vec::new(), Compression::default())),
            Coding::Brotli => {
                let writer = CompressorWriter::new(Vec::new(), PART, BROTLI_QUALITY, BROTLI_WINDOW);
                Self::Brotli(Box::new(writer))
            }
        }
    }

    /// The next part, compressed; with what ends the coding when it is the `end`.
    pub(crate) fn part(&mut self, part: &[u8], end: bool) -> Bytes {
        // Writing into memory does not fail.
        let _ = match self {
            Self::Gzip(writer) => writer.write_all(part).and_then(|()| writer.flush()),
            Self::Deflate(writer) => writer.write_all(part).and_then(|()| writer.flush()),
            Self::Brotli(writer) => writer.write_all(part).and_then(|()| writer.flush()),
            Self::Done => Ok(()),
        };
        if end {
            return match std::mem::replace(self, Self::Done) {
                Self::Gzip(writer) => writer.finish().unwrap_or_default().into(),
                Self::Deflate(writer) => writer.finish().unwrap_or_default().into(),
                Self::Brotli(writer) => writer.into_inner().into(),
                Self::Done => Bytes::new(),
            };
        }
        let out = match self {
            Self::Gzip(writer) => std::mem::take(writer.get_mut()),
            Self::Deflate(writer) => std::mem::take(writer.get_mut()),
            Self::Brotli(writer) => std::mem::take(writer.get_mut()),
            Self::Done => Vec::new(),
        };
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Deflate, Coding::Brotli];

    fn packed(coding: Coding, parts: &[&[u8]]) -> Vec<Bytes> {
        let mut encoder = Encoder::new(coding);
        let last = parts.len() - 1;
        parts.iter().enumerate().map(|(at, part)| encoder.part(part, at == last)).collect()
    }

    #[test]
    fn there_and_back_in_parts() {
        for coding in CODINGS {
            assert_eq!(Coding::named(coding.name()), Some(coding));
            let parts = packed(coding, &[b"data: a\n\n", b"data: b\n\n", b""]);
            assert!(parts.iter().take(2).all(|part| !part.is_empty()), "{coding:?}: each part goes at once");
            assert_eq!(
                coding.decode(&parts.concat(), 100).as_deref(),
                Ok(&b"data: a\n\ndata: b\n\n"[..]),
                "{coding:?}"
            );
        }
    }

    #[test]
    fn codings_of_all_lines_are_undone_the_last_first() {
        let text = b"some text, some text, some text";
        let twice = packed(Coding::Gzip, &[&packed(Coding::Brotli, &[text]).concat()]).concat();
        let read = |lines: &[&'static str], body: &[u8]| {
            let line = |line: &&'static str| (CONTENT_ENCODING, http::HeaderValue::from_static(line));
            let headers: HeaderMap = lines.iter().map(line).collect();
            plain(&headers, Bytes::copy_from_slice(body), 100)
        };
        for lines in [&["br, gzip"][..], &["br", "GZIP"], &["identity", "br, ,gzip"]] {
            assert_eq!(read(lines, &twice).as_deref(), Ok(&text[..]), "{lines:?}");
        }
        assert_eq!(read(&["gzip, br"], &twice), Err(Undecoded::Broken));
        assert_eq!(read(&["zstd"], text), Err(Undecoded::Unknown("zstd".into())));
        assert_eq!(read(&["gzip"], b"").as_deref(), Ok(&b""[..]));
        assert_eq!(read(&[], &[0; 101]), Err(Undecoded::TooLong));
        assert_eq!(read(&["identity"], text).as_deref(), Ok(&text[..]));
    }

    #[test]
    fn bombs_and_nonsense() {
        for coding in CODINGS {
            let bomb = packed(coding, &[&vec![0; 50 << 20]]).concat();
            assert!(bomb.len() < 1 << 20, "{coding:?}");
            assert_eq!(coding.decode(&bomb, 1 << 20), Err(Undecoded::TooLong), "{coding:?}");
            let whole = packed(coding, &[b"some text that is long enough to be cut somewhere"]).concat();
            let cut = whole.get(..whole.len() / 2).expect("half");
            assert_eq!(coding.decode(cut, 1000), Err(Undecoded::Broken), "{coding:?}");
            assert_eq!(
                coding.decode(b"plain text, not packed at all", 1000),
                Err(Undecoded::Broken),
                "{coding:?}"
            );
        }
    }
}
