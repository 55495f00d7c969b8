//! Writing content blocks.

use super::plan::{Block, Data};
use crate::translate::writer::Writer;

/// Writes the blocks as the items of a list.
pub(super) fn write(blocks: &[Block<'_>], w: &mut Writer) {
    for block in blocks {
        write_one(block, w);
    }
}

/// Writes `{"cachePoint": {...}}`.
pub(super) fn cache_point(ttl: Option<&str>, w: &mut Writer) {
    w.object(|w| {
        w.member_object("cachePoint", |w| {
            w.member("type", "default");
            w.optional("ttl", ttl);
        });
    });
}

/// Writes `{"reasoningText": {...}}`.
pub(super) fn reasoning_text(text: &str, signature: Option<&str>, w: &mut Writer) {
    w.object(|w| {
        w.member_object("reasoningText", |w| {
            w.member("text", text);
            w.optional("signature", signature);
        });
    });
}

fn write_one(block: &Block<'_>, w: &mut Writer) {
    if let Block::CachePoint(ttl) = block {
        return cache_point(*ttl, w);
    }
    w.object(|w| match block {
        Block::CachePoint(_) => {}
        Block::Text(text) => w.member("text", text),
        Block::Cited { text, citations } => w.member_object("citationsContent", |w| {
            w.member_array("content", |w| w.object(|w| w.member("text", text)));
            w.member("citations", citations);
        }),
        Block::Media { kind, format, name, data } => w.member_object(kind.member(), |w| {
            w.member("format", format);
            w.optional("name", name.as_ref());
            w.member_object("source", |w| match data {
                Data::Bytes(base64) => w.member("bytes", base64),
                Data::S3(uri) => w.member_object("s3Location", |w| w.member("uri", uri)),
            });
        }),
        Block::ToolUse { id, name, input } => w.member_object("toolUse", |w| {
            w.member("toolUseId", id);
            w.member("name", name);
            w.key("input").raw(input);
        }),
        Block::ToolResult { id, blocks, error } => w.member_object("toolResult", |w| {
            w.member("toolUseId", id);
            w.member_array("content", |w| write(blocks, w));
            w.optional("status", error.then_some("error"));
        }),
        Block::Thought { text, signature } => {
            w.key("reasoningContent");
            reasoning_text(text, Some(signature), w);
        }
        Block::Redacted(data) => {
            w.member_object("reasoningContent", |w| w.member("redactedContent", data));
        }
    });
}
