//! Content parts: of messages, and of what tools gave back.

use super::super::error::DecodeError;
use super::super::fields::{Fields, Path};
use super::super::request::{Cache, Json, Media, Part, Source, Text, TextPart};
use super::leave;
use std::borrow::Cow;

/// The content of a message or of a tool's output: a text, or a list of parts.
pub(super) fn read_content<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    lost: &mut Vec<String>,
) -> Result<Vec<Part<'a>>, DecodeError> {
    match value {
        Json::Str(text) => Ok(vec![Part::text(text)]),
        Json::Array(parts) => {
            let parts = parts.into_iter().enumerate();
            parts.map(|(at, part)| read_part(part, &path.index(at), lost)).collect()
        }
        other => Err(DecodeError::wrong(path, "a string or an array", &other)),
    }
}

fn read_part<'a>(value: Json<'a>, path: &Path<'_>, lost: &mut Vec<String>) -> Result<Part<'a>, DecodeError> {
    let mut fields = Fields::of(value, path)?;
    let kind = fields.required_text("type")?;
    let cache = read_cache(&mut fields)?;
    // Chat completions' names are understood too.
    let mut part = match &*kind {
        "input_text" | "output_text" | "text" => {
            let text = fields.required_text("text")?;
            let annotations = fields.list("annotations")?;
            let annotations = (!annotations.is_empty()).then_some(Json::Array(annotations));
            Part::Text(TextPart { text, cache: None, annotations })
        }
        "refusal" => Part::Refusal(fields.required_text("refusal")?),
        "input_image" | "image_url" => Part::Image(read_image(&mut fields)?),
        "input_file" => Part::Document(read_file(&mut fields)?),
        "input_audio" => Part::Audio(read_audio(&mut fields)?),
        "input_video" => Part::Video(Media::from_url(fields.required_text("video_url")?)),
        _ => {
            let reason = "must be 'input_text', 'input_image', 'input_file', 'input_audio', 'input_video', \
                          'output_text' or 'refusal'";
            return Err(DecodeError::value(&path.key("type"), reason));
        }
    };
    match &mut part {
        Part::Text(text) => text.cache = cache,
        Part::Image(media) | Part::Document(media) | Part::Audio(media) | Part::Video(media) => {
            media.cache = cache;
        }
        _ => {}
    }
    leave(fields, lost);
    Ok(part)
}

/// OpenAI's mark, or the one that clients of Anthropic's models write here.
fn read_cache<'a>(fields: &mut Fields<'a, '_>) -> Result<Option<Cache<'a>>, DecodeError> {
    for name in ["prompt_cache_breakpoint", "cache_control"] {
        if let Some(mark) = fields.take(name) {
            let path = fields.path().key(name);
            return Ok(Some(Cache { ttl: Fields::of(mark, &path)?.text("ttl")? }));
        }
    }
    Ok(None)
}

fn read_image<'a>(fields: &mut Fields<'a, '_>) -> Result<Media<'a>, DecodeError> {
    let path = fields.path();
    let mut detail = fields.text("detail")?;
    let mut media = match (fields.take("image_url"), fields.text("file_id")?) {
        (Some(Json::Str(url)), _) => Media::from_url(url),
        (Some(Json::Object(object)), _) => {
            let path = path.key("image_url");
            let mut object = Fields::of(Json::Object(object), &path)?;
            detail = detail.or(object.text("detail")?);
            Media::from_url(object.required_text("url")?)
        }
        (None, Some(id)) => Media::new(Source::FileId(id), None),
        (None, None) => return Err(DecodeError::missing(&path.key("image_url"))),
        (Some(other), _) => return Err(DecodeError::wrong(&path.key("image_url"), "a string", &other)),
    };
    media.detail = detail;
    Ok(media)
}

fn read_file<'a>(fields: &mut Fields<'a, '_>) -> Result<Media<'a>, DecodeError> {
    let name = fields.text("filename")?;
    let (data, url, id) = (fields.text("file_data")?, fields.text("file_url")?, fields.text("file_id")?);
    let mut media = match (data, url, id) {
        (Some(data), _, _) if data.starts_with("data:") => Media::from_url(data),
        (Some(data), _, _) => Media::new(Source::Base64(data), None),
        (None, Some(url), _) => Media::from_url(url),
        (None, None, Some(id)) => Media::new(Source::FileId(id), None),
        (None, None, None) => {
            let reason = "has no 'file_data', 'file_url' or 'file_id'";
            return Err(DecodeError::value(fields.path(), reason));
        }
    };
    // Bare base64 tells its type by its name only.
    if media.media_type.is_none() && matches!(media.source, Source::Base64(_)) {
        media.media_type = name.as_deref().and_then(type_of_name).map(Cow::Borrowed);
    }
    (media.name, media.detail) = (name, fields.text("detail")?);
    Ok(media)
}

fn type_of_name(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    let known =
        [("pdf", "application/pdf"), ("txt", "text/plain"), ("md", "text/markdown"), ("csv", "text/csv")];
    known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, media_type)| media_type)
}

fn read_audio<'a>(fields: &mut Fields<'a, '_>) -> Result<Media<'a>, DecodeError> {
    let path = fields.path().key("input_audio");
    let audio = fields.take("input_audio").ok_or_else(|| DecodeError::missing(&path))?;
    let mut audio = Fields::of(audio, &path)?;
    let data = audio.required_text("data")?;
    let media_type: Option<Text<'a>> = audio.text("format")?.map(|format| match &*format {
        "mp3" => Cow::Borrowed("audio/mpeg"),
        "wav" => Cow::Borrowed("audio/wav"),
        other => Cow::Owned(format!("audio/{other}")),
    });
    Ok(Media::new(Source::Base64(data), media_type))
}
