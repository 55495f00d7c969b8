//! Writing `Part`s: of requests, of answers, and of streams.

use super::super::request::{Media, Source};
use super::super::writer::Writer;
use super::media;
use std::borrow::Cow;

/// `{"text": ..., "thoughtSignature": ...}`
pub(super) fn text(w: &mut Writer, text: &str, signature: Option<&str>) {
    w.object(|w| {
        w.member("text", text);
        w.optional("thoughtSignature", signature);
    });
}

/// `{"text": ..., "thought": true, "thoughtSignature": ...}`. A signature without a text is a thought too: SDKs take an
/// empty text that is none for an invalid answer.
pub(super) fn thought(w: &mut Writer, text: &str, signature: Option<&str>) {
    w.object(|w| {
        w.member("text", text);
        w.member("thought", &true);
        w.optional("thoughtSignature", signature);
    });
}

/// `{"functionCall": {...}, "thoughtSignature": ...}`; `arguments` is the JSON text of an object.
pub(super) fn call(w: &mut Writer, id: &str, name: &str, arguments: &str, signature: Option<&str>) {
    w.object(|w| {
        w.member_object("functionCall", |w| {
            w.optional("id", Some(id).filter(|id| !id.is_empty()));
            w.member("name", name);
            w.key("args").raw(arguments);
        });
        w.optional("thoughtSignature", signature);
    });
}

/// `{"inlineData": ...}` or `{"fileData": ...}`.
pub(super) fn medium(w: &mut Writer, medium: &Medium<'_>) {
    w.object(|w| match medium {
        Medium::Inline { media_type, data } => w.member_object("inlineData", |w| {
            w.member("mimeType", media_type);
            w.member("data", data);
        }),
        Medium::File { media_type, uri } => w.member_object("fileData", |w| {
            w.optional("mimeType", media_type.as_deref());
            w.member("fileUri", uri);
        }),
    });
}

/// A medium as Google takes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Medium<'r> {
    Inline { media_type: Cow<'r, str>, data: Cow<'r, str> },
    File { media_type: Option<Cow<'r, str>>, uri: &'r str },
}

impl<'r> Medium<'r> {
    /// How media are said to Google.
    ///
    /// # Errors
    /// They cannot, and why; continues "a picture ...".
    pub(super) fn of(media: &'r Media<'_>, image: bool) -> Result<Self, String> {
        let named = media.media_type.as_deref().map(Cow::Borrowed);
        match &media.source {
            Source::Base64(data) => match named.or_else(|| media::of_data(data, image).map(Cow::Borrowed)) {
                Some(media_type) => Ok(Self::Inline { media_type, data: Cow::Borrowed(data) }),
                None => Err("needs a media type, as in data:image/png;base64,...".to_owned()),
            },
            Source::Url(uri) => {
                let media_type = named.or_else(|| media::of_url(uri).map(Cow::Borrowed));
                let fetched = uri.starts_with("https://") || uri.starts_with("gs://");
                match media_type {
                    _ if !fetched => Err("must be an https: or gs: address, or base64".to_owned()),
                    None if !media::is_googles(uri) => {
                        Err("has an address that does not tell its media type; as base64 it does".to_owned())
                    }
                    media_type => Ok(Self::File { media_type, uri }),
                }
            }
            Source::FileId(_) => Err("is a file of another provider; as base64 it can be sent".to_owned()),
            Source::Text(_) => Err("is text".to_owned()),
        }
    }
}

/// The JSON text of a call's arguments, if it is an object. Nothing is an empty one.
pub(super) fn object(arguments: &str) -> Option<&str> {
    let text = arguments.trim();
    match text.as_bytes().first() {
        None => Some("{}"),
        Some(b'{') => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok().then_some(text),
        _ => None,
    }
}
