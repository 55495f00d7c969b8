//! Pictures, documents, sounds and films: which kind a media type is, and which type an address or its data have.

use super::super::request::{Media, Part, Source};
use super::base64;
use std::borrow::Cow;

/// File extensions Google names for what its models take (ai.google.dev/gemini-api/docs: image, document, audio and
/// video understanding), and a few text ones.
const EXTENSIONS: [(&str, &str); 35] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
    ("avif", "image/avif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("xml", "text/xml"),
    ("rtf", "text/rtf"),
    ("json", "application/json"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("aiff", "audio/aiff"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("m4a", "audio/mp4"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpg"),
    ("mov", "video/mov"),
    ("avi", "video/avi"),
    ("flv", "video/x-flv"),
    ("webm", "video/webm"),
    ("wmv", "video/wmv"),
    ("3gp", "video/3gpp"),
];

/// What base64 data of a known kind begin with.
const BEGINNINGS: [(&str, &str); 6] = [
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
    ("SUQz", "audio/mp3"),
];

/// The media type of an address, by its extension; what stands behind `?` or `#` is not part of the name.
pub(super) fn of_url(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (_, behind) = path.split_once("://")?;
    let (_, name) = behind.rsplit_once('/')?;
    let (_, extension) = name.rsplit_once('.')?;
    EXTENSIONS.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known)).map(|(_, of)| *of)
}

/// The media type of base64 data, by their beginning.
pub(super) fn of_data(data: &str, image: bool) -> Option<&'static str> {
    let known = BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning)).map(|(_, of)| *of);
    // RIFF is the beginning of more than pictures.
    known.filter(|known| image || *known != "image/webp")
}

/// Whether Google fetches an address without being told its type: its own files, and films of YouTube.
pub(super) fn is_googles(url: &str) -> bool {
    let host =
        url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    host == "generativelanguage.googleapis.com" || is_youtube(host)
}

fn is_youtube(host: &str) -> bool {
    matches!(host, "youtube.com" | "www.youtube.com" | "m.youtube.com" | "youtu.be")
}

/// The part a medium of a Gemini body is, by its type. Plain text is taken as such: no other dialect has it as base64.
pub(super) fn part<'a>(mut media: Media<'a>) -> Part<'a> {
    let known = media.media_type.as_deref().or(match &media.source {
        Source::Url(url) => of_url(url),
        _ => None,
    });
    let host = match &media.source {
        Source::Url(url) => url.split('/').nth(2).unwrap_or_default(),
        _ => "",
    };
    match known.and_then(|known| known.split('/').next()) {
        Some("image") => Part::Image(media),
        Some("audio") => Part::Audio(media),
        Some("video") => Part::Video(media),
        None if is_youtube(host) => Part::Video(media),
        Some("text") => {
            let text = match &media.source {
                Source::Base64(data) => base64::decode(data).and_then(|bytes| String::from_utf8(bytes).ok()),
                _ => None,
            };
            if let Some(text) = text {
                media.source = Source::Text(Cow::Owned(text));
            }
            Part::Document(media)
        }
        _ => Part::Document(media),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_addresses() {
        for (url, want) in [
            ("https://example.com/cat.PNG", Some("image/png")),
            ("https://example.com/a/cat.jpeg?size=1.5#x.gif", Some("image/jpeg")),
            ("gs://bucket/film.mp4", Some("video/mp4")),
            ("https://example.com/cat", None),
            ("https://example.png", None),
            ("https://example.com/v1.2/cat", None),
            ("https://example.com/cat.exe", None),
        ] {
            assert_eq!(of_url(url), want, "{url}");
        }
        assert!(is_googles("https://www.youtube.com/watch?v=x") && is_googles("https://youtu.be/x"));
        assert!(is_googles("https://generativelanguage.googleapis.com/v1beta/files/abc"));
        assert!(!is_googles("https://example.com/youtube.com"));
    }

    #[test]
    fn kinds() {
        let of =
            |source, media_type: Option<&'static str>| part(Media::new(source, media_type.map(Into::into)));
        assert!(matches!(of(Source::Base64("AA==".into()), Some("image/png")), Part::Image(_)));
        assert!(matches!(of(Source::Url("https://youtu.be/x".into()), None), Part::Video(_)));
        assert!(matches!(of(Source::Url("gs://b/x.mp3".into()), None), Part::Audio(_)));
        assert!(matches!(of(Source::Base64("AA==".into()), Some("application/pdf")), Part::Document(_)));
        let Part::Document(text) = of(Source::Base64("SGk=".into()), Some("text/plain")) else { panic!() };
        assert_eq!(text.source, Source::Text("Hi".into()));
    }
}
