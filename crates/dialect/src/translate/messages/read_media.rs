//! Reading pictures, documents and search results.

use super::super::error::DecodeError;
use super::super::fields::Fields;
use super::super::request::{Json, Media, Part, Source, Text};
use super::read_blocks::Reader;
use std::borrow::Cow;

impl<'a> Reader<'a> {
    pub(super) fn image(&mut self, fields: &mut Fields<'a, '_>) -> Result<Part<'a>, DecodeError> {
        let path = fields.path().key("source");
        let mut source = Fields::of(source(fields)?, &path)?;
        let kind = source.required_text("type")?;
        let media = plain(&kind, &mut source)?
            .ok_or_else(|| DecodeError::value(&path.key("type"), "must be 'base64', 'url' or 'file'"))?;
        self.leave(source);
        Ok(Part::Image(Media { cache: self.cache(fields)?, ..media }))
    }

    /// A document, with its context in front: it is for the model to read, like the document itself.
    pub(super) fn document(
        &mut self,
        fields: &mut Fields<'a, '_>,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), DecodeError> {
        let path = fields.path().key("source");
        let mut source = Fields::of(source(fields)?, &path)?;
        let context = fields.text("context")?.filter(|context| !context.is_empty());
        parts.extend(context.map(Part::text));
        self.citations(fields)?;
        let title = fields.text("title")?;
        let cache = self.cache(fields)?;
        let kind = source.required_text("type")?;
        let media = match &*kind {
            "text" => {
                source.text("media_type")?;
                text_document(source.required_text("data")?)
            }
            "content" => {
                let path = path.key("content");
                let content = source.take("content").ok_or_else(|| DecodeError::missing(&path))?;
                let inner = self.content(content, &path)?;
                let Some(text) = joined(&inner) else {
                    // Text and pictures in turn: no other dialect has such a document, but all have its parts.
                    parts.extend(title.map(Part::text));
                    parts.extend(inner);
                    return Ok(());
                };
                text_document(Cow::Owned(text))
            }
            kind => plain(kind, &mut source)?.ok_or_else(|| {
                let reason = "must be 'base64', 'text', 'content', 'url' or 'file'";
                DecodeError::value(&path.key("type"), reason)
            })?,
        };
        self.leave(source);
        parts.push(Part::Document(Media { name: title, cache, ..media }));
        Ok(())
    }

    /// A result of the client's own search becomes a text document that says where it is from.
    pub(super) fn search_result(&mut self, fields: &mut Fields<'a, '_>) -> Result<Part<'a>, DecodeError> {
        let path = fields.path().key("content");
        let source = fields.required_text("source")?;
        let title = fields.text("title")?;
        let content = fields.take("content").ok_or_else(|| DecodeError::missing(&path))?;
        let inner = self.content(content, &path)?;
        let text = joined(&inner).ok_or_else(|| DecodeError::value(&path, "must have only text in it"))?;
        self.citations(fields)?;
        let media = text_document(Cow::Owned(format!("{source}\n\n{text}")));
        Ok(Part::Document(Media { name: title, cache: self.cache(fields)?, ..media }))
    }

    /// `citations: {enabled}` asks for citations in the answer, which no other dialect does.
    fn citations(&mut self, fields: &mut Fields<'a, '_>) -> Result<(), DecodeError> {
        let Some(citations) = fields.take("citations") else { return Ok(()) };
        let path = fields.path().key("citations");
        if Fields::of(citations, &path)?.boolean("enabled")? == Some(true) {
            self.lost.push(path.to_string());
        }
        Ok(())
    }
}

fn source<'a>(fields: &mut Fields<'a, '_>) -> Result<Json<'a>, DecodeError> {
    fields.take("source").ok_or_else(|| DecodeError::missing(&fields.path().key("source")))
}

/// The sources that pictures and documents have in common.
fn plain<'a>(kind: &str, source: &mut Fields<'a, '_>) -> Result<Option<Media<'a>>, DecodeError> {
    Ok(Some(match kind {
        "base64" => {
            let media_type = source.text("media_type")?;
            Media::new(Source::Base64(source.required_text("data")?), media_type)
        }
        "url" => Media::from_url(source.required_text("url")?),
        "file" => Media::new(Source::FileId(source.required_text("file_id")?), None),
        _ => return Ok(None),
    }))
}

fn text_document(text: Text<'_>) -> Media<'_> {
    Media::new(Source::Text(text), Some(Cow::Borrowed("text/plain")))
}

/// The text of parts that are all text.
fn joined(parts: &[Part<'_>]) -> Option<String> {
    let mut text = String::new();
    for part in parts {
        let Part::Text(part) = part else { return None };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&part.text);
    }
    Some(text)
}
