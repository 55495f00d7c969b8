//! Pictures and documents.

use super::super::request::{Media, Source};
use super::super::writer::Writer;
use crate::Surface;
use std::borrow::Cow;

/// Types of pictures the API takes (`Base64ImageSourceParam.media_type`).
const PICTURES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// A `source`, ready to be written.
#[derive(Clone, Debug)]
pub(super) enum Sent<'r> {
    Base64 { media_type: &'r str, data: &'r str },
    Text(Cow<'r, str>),
    Url(&'r str),
    File(&'r str),
}

impl Sent<'_> {
    /// Writes the member `source`.
    pub(super) fn write(&self, w: &mut Writer) {
        w.member_object("source", |w| match self {
            Self::Base64 { media_type, data } => {
                w.member("type", "base64");
                w.member("media_type", media_type);
                w.member("data", data);
            }
            Self::Text(text) => {
                w.member("type", "text");
                w.member("media_type", "text/plain");
                w.member("data", text);
            }
            Self::Url(url) => {
                w.member("type", "url");
                w.member("url", url);
            }
            Self::File(id) => {
                w.member("type", "file");
                w.member("file_id", id);
            }
        });
    }
}

/// The source of a picture, or what about it cannot be said.
pub(super) fn picture<'r>(media: &'r Media<'r>, from: Surface) -> Result<Sent<'r>, &'static str> {
    match &media.source {
        Source::Base64(data) => {
            let media_type = match media.media_type.as_deref() {
                Some("image/jpg") => Some("image/jpeg"),
                Some("image/*") | None => guess(data),
                given => given,
            };
            let known = media_type.and_then(|given| PICTURES.into_iter().find(|known| *known == given));
            let media_type = known.ok_or("a picture that is not JPEG, PNG, GIF or WebP")?;
            Ok(Sent::Base64 { media_type, data })
        }
        Source::Url(url) => address(url).ok_or("a picture whose address is not http or https"),
        Source::FileId(id) => own_file(id, from).ok_or("a picture uploaded elsewhere"),
        Source::Text(_) => Err("a picture that is text"),
    }
}

/// The source of a document, or what about it cannot be said.
pub(super) fn document<'r>(media: &'r Media<'r>, from: Surface) -> Result<Sent<'r>, &'static str> {
    match &media.source {
        Source::Text(text) => Ok(Sent::Text(Cow::Borrowed(text))),
        Source::Base64(data) => match media.media_type.as_deref() {
            Some("application/pdf") => Ok(Sent::Base64 { media_type: "application/pdf", data }),
            None if data.starts_with("JVBERi0") => Ok(Sent::Base64 { media_type: "application/pdf", data }),
            Some(other) if is_text(other) => {
                let text = decode(data).and_then(|bytes| String::from_utf8(bytes).ok());
                text.map(|text| Sent::Text(Cow::Owned(text))).ok_or("a text document that is not UTF-8")
            }
            _ => Err("a document that is neither PDF nor text"),
        },
        Source::Url(url) => address(url).ok_or("a document whose address is not http or https"),
        Source::FileId(id) => own_file(id, from).ok_or("a document uploaded elsewhere"),
    }
}

/// An address the provider can fetch from.
fn address(url: &str) -> Option<Sent<'_>> {
    let known = url.starts_with("https://") || url.starts_with("http://");
    known.then_some(Sent::Url(url))
}

/// A file that was uploaded to this API: ids mean nothing elsewhere.
fn own_file(id: &str, from: Surface) -> Option<Sent<'_>> {
    (from == Surface::Messages).then_some(Sent::File(id))
}

fn is_text(media_type: &str) -> bool {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    plain.starts_with("text/")
        || matches!(plain, "application/json" | "application/xml" | "application/yaml" | "application/x-yaml")
}

/// The type of a picture by its first bytes, as base64 has them.
fn guess(data: &str) -> Option<&'static str> {
    [("/9j/", "image/jpeg"), ("iVBORw0KGgo", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")]
        .into_iter()
        .find_map(|(start, media_type)| data.starts_with(start).then_some(media_type))
}

/// Decodes base64 (standard or URL alphabet, with or without padding).
fn decode(data: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(data.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in data.trim_end_matches('=').bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        for (data, want) in [
            ("", ""),
            ("aGk=", "hi"),
            ("aGk", "hi"),
            ("aGVs\nbG8h", "hello!"),
            ("w6Q_", "ä?"),
            ("w6Q/", "ä?"),
        ] {
            assert_eq!(decode(data).as_deref(), Some(want.as_bytes()), "{data}");
        }
        assert_eq!(decode("a*b="), None);
    }

    #[test]
    fn pictures() {
        let media =
            |source, media_type: Option<&'static str>| Media::new(source, media_type.map(Cow::Borrowed));
        let data = |data: &'static str| Source::Base64(Cow::Borrowed(data));
        for (given, from, want) in [
            (media(data("AAAA"), Some("image/jpg")), Surface::Messages, Ok("image/jpeg")),
            (media(data("iVBORw0KGgoAAA"), None), Surface::ChatCompletions, Ok("image/png")),
            (
                media(data("AAAA"), Some("image/tiff")),
                Surface::Messages,
                Err("a picture that is not JPEG, PNG, GIF or WebP"),
            ),
            (
                media(Source::Url("gs://a/b".into()), None),
                Surface::GenerateContent,
                Err("a picture whose address is not http or https"),
            ),
            (
                media(Source::FileId("file-1".into()), None),
                Surface::Responses,
                Err("a picture uploaded elsewhere"),
            ),
        ] {
            let got = picture(&given, from).map(|sent| match sent {
                Sent::Base64 { media_type, .. } => media_type.to_owned(),
                other => format!("{other:?}"),
            });
            assert_eq!(got, want.map(str::to_owned));
        }
    }
}
