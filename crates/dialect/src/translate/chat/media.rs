//! Pictures, documents, sound and film as content parts.

use super::super::fields::{Fields, Path};
use super::super::request::{Cache, Json, Media, Part, Source, Text};
use super::super::{DecodeError, Unsupported};
use std::borrow::Cow;

/// Sound: `format` of `input_audio` and its media type (IANA's names; `aiff` has none).
const AUDIO: [(&str, &str); 9] = [
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("m4a", "audio/mp4"),
    ("aiff", "audio/aiff"),
    ("webm", "audio/webm"),
    ("pcm16", "audio/l16"),
];
/// Other names in use for the same.
const AUDIO_ALIASES: [(&str, &str); 7] = [
    ("audio/mp3", "mp3"),
    ("audio/x-wav", "wav"),
    ("audio/wave", "wav"),
    ("audio/x-m4a", "m4a"),
    ("audio/m4a", "m4a"),
    ("audio/opus", "ogg"),
    ("audio/pcm", "pcm16"),
];

/// `cache_control` of a part, a message or a tool.
pub(super) fn cache<'a>(fields: &mut Fields<'a, '_>) -> Result<Option<Cache<'a>>, DecodeError> {
    let path = fields.path().key("cache_control");
    let Some(value) = fields.take("cache_control") else { return Ok(None) };
    let ttl = Fields::of(value, &path)?.text("ttl")?;
    Ok(Some(Cache { ttl }))
}

/// A member that is a URL, alone or in an object with `url` (and `detail`).
pub(super) fn url<'a>(fields: &mut Fields<'a, '_>, member: &str) -> Result<Media<'a>, DecodeError> {
    let path = fields.path().key(member);
    match fields.take(member) {
        None => Err(DecodeError::missing(&path)),
        Some(Json::Str(url)) => Ok(Media::from_url(url)),
        Some(value @ Json::Object(_)) => {
            let mut inner = Fields::of(value, &path)?;
            let mut media = Media::from_url(inner.required_text("url")?);
            media.detail = inner.text("detail")?;
            Ok(media)
        }
        Some(other) => Err(DecodeError::wrong(&path, "an object with 'url'", &other)),
    }
}

/// `input_audio: {data, format}`
pub(super) fn input_audio<'a>(fields: &mut Fields<'a, '_>) -> Result<Media<'a>, DecodeError> {
    let path = fields.path().key("input_audio");
    let value = fields.take("input_audio").ok_or_else(|| DecodeError::missing(&path))?;
    let mut inner = Fields::of(value, &path)?;
    let data = inner.required_text("data")?;
    let format = inner.text("format")?;
    let mut media = if data.starts_with("data:") {
        Media::from_url(data)
    } else {
        Media::new(Source::Base64(data), None)
    };
    if media.media_type.is_none() {
        media.media_type = format.map(|format| match AUDIO.iter().find(|(name, _)| *name == format) {
            Some((_, media_type)) => Cow::Borrowed(*media_type),
            None => Cow::Owned(format!("audio/{format}")),
        });
    }
    Ok(media)
}

/// `file: {filename, file_data, file_id}`; `file_data` is a data URL, a URL (OpenRouter) or bare base64.
pub(super) fn file<'a>(fields: &mut Fields<'a, '_>) -> Result<Part<'a>, DecodeError> {
    let path = fields.path().key("file");
    let value = fields.take("file").ok_or_else(|| DecodeError::missing(&path))?;
    let mut inner = Fields::of(value, &path)?;
    let name = inner.text("filename")?;
    let data = match inner.text("file_data")? {
        None => inner.text("url")?,
        data => data,
    };
    let mut media = match (data, inner.text("file_id")?) {
        (Some(data), _) if data.starts_with("data:") || is_url(&data) => Media::from_url(data),
        (Some(data), _) => Media::new(Source::Base64(data), None),
        (None, Some(id)) => Media::new(Source::FileId(id), None),
        (None, None) => {
            return Err(DecodeError::value(&path, "must have 'file_data' or 'file_id'"));
        }
    };
    let pdf = |name: &Text<'_>| name.to_ascii_lowercase().ends_with(".pdf");
    if media.media_type.is_none() && name.as_ref().is_some_and(pdf) {
        media.media_type = Some(Cow::Borrowed("application/pdf"));
    }
    media.name = name;
    Ok(match media.media_type.as_deref() {
        Some(kind) if kind.starts_with("image/") => Part::Image(media),
        Some(kind) if kind.starts_with("audio/") => Part::Audio(media),
        Some(kind) if kind.starts_with("video/") => Part::Video(media),
        _ => Part::Document(media),
    })
}

/// The `format` of a sound.
pub(super) fn audio_format(media: &Media<'_>) -> Result<&'static str, Unsupported> {
    let kind = media.media_type.as_deref().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = AUDIO.iter().find(|(_, media_type)| *media_type == kind).map(|(name, _)| *name);
    let other = || AUDIO_ALIASES.iter().find(|(media_type, _)| *media_type == kind).map(|(_, name)| *name);
    known
        .or_else(other)
        .ok_or_else(|| Unsupported("sound whose format chat completions have no name for".into()))
}

/// Whether a text is an address that a provider could fetch from.
pub(super) fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// What may stand in `url`: a data URL or a web address.
pub(super) fn written_url<'m>(
    media: &'m Media<'_>,
    default_type: &str,
    what: &str,
) -> Result<Cow<'m, str>, Unsupported> {
    if let Some(url) = media.data_url(default_type) {
        return Ok(Cow::Owned(url));
    }
    match &media.source {
        Source::Url(url) if is_url(url) => Ok(Cow::Borrowed(url)),
        Source::FileId(_) => Err(Unsupported(format!("{what} given by the id of an uploaded file"))),
        _ => Err(Unsupported(format!("{what} at an address that is not on the web"))),
    }
}

/// The accepted types, for the message about any other.
pub(super) fn unknown_part(path: &Path<'_>) -> DecodeError {
    let reason = "must be 'text', 'image_url', 'input_audio', 'file', 'video_url' or 'refusal'";
    DecodeError::value(&path.key("type"), reason)
}
