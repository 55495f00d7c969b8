//! Content blocks, ready to be written.

use super::super::request::{Cache, Json};
use super::super::writer::Writer;
use super::media::Sent;
use std::borrow::Cow;

/// A content block. Nothing in it can fail to be written.
#[derive(Clone, Debug)]
pub(super) enum Block<'r> {
    Text {
        text: &'r str,
        cache: Option<&'r Cache<'r>>,
        citations: Option<&'r Json<'r>>,
    },
    Image {
        source: Sent<'r>,
        cache: Option<&'r Cache<'r>>,
    },
    Document {
        source: Sent<'r>,
        title: Option<&'r str>,
        cache: Option<&'r Cache<'r>>,
    },
    /// `input` is a JSON object, written already.
    ToolUse {
        id: Cow<'r, str>,
        name: &'r str,
        input: Cow<'r, str>,
        cache: Option<&'r Cache<'r>>,
    },
    ToolResult {
        id: Cow<'r, str>,
        content: Vec<Block<'r>>,
        is_error: bool,
        cache: Option<&'r Cache<'r>>,
    },
    Thinking {
        text: &'r str,
        signature: Cow<'r, str>,
    },
    Redacted {
        data: Cow<'r, str>,
    },
}

impl<'r> Block<'r> {
    /// Plain text.
    pub(super) fn text(text: &'r str) -> Self {
        Self::Text { text, cache: None, citations: None }
    }

    pub(super) fn is_tool_result(&self) -> bool {
        matches!(self, Self::ToolResult { .. })
    }

    pub(super) fn is_thought(&self) -> bool {
        matches!(self, Self::Thinking { .. } | Self::Redacted { .. })
    }

    /// Writes the block as the next value.
    pub(super) fn write(&self, w: &mut Writer) {
        w.object(|w| match self {
            Self::Text { text, cache, citations } => {
                w.member("type", "text");
                w.member("text", text);
                w.optional("citations", *citations);
                write_cache(w, *cache);
            }
            Self::Image { source, cache } => {
                w.member("type", "image");
                source.write(w);
                write_cache(w, *cache);
            }
            Self::Document { source, title, cache } => {
                w.member("type", "document");
                source.write(w);
                w.optional("title", *title);
                write_cache(w, *cache);
            }
            Self::ToolUse { id, name, input, cache } => {
                w.member("type", "tool_use");
                w.member("id", id);
                w.member("name", name);
                w.key("input").raw(input);
                write_cache(w, *cache);
            }
            Self::ToolResult { id, content, is_error, cache } => {
                w.member("type", "tool_result");
                w.member("tool_use_id", id);
                if !content.is_empty() {
                    w.key("content");
                    write_content(w, content);
                }
                if *is_error {
                    w.member("is_error", &true);
                }
                write_cache(w, *cache);
            }
            Self::Thinking { text, signature } => {
                w.member("type", "thinking");
                w.member("thinking", text);
                w.member("signature", signature);
            }
            Self::Redacted { data } => {
                w.member("type", "redacted_thinking");
                w.member("data", data);
            }
        });
    }
}

/// Blocks as the next value: one plain text as a string, which every compatible server reads, else a list.
pub(super) fn write_content(w: &mut Writer, blocks: &[Block<'_>]) {
    match blocks {
        [Block::Text { text, cache: None, citations: None }] => w.text(text),
        blocks => w.array(|w| blocks.iter().for_each(|block| block.write(w))),
    }
}

/// A `cache_control` member, where there is a mark.
pub(super) fn write_cache(w: &mut Writer, cache: Option<&Cache<'_>>) {
    if let Some(cache) = cache {
        w.member_object("cache_control", |w| {
            w.member("type", "ephemeral");
            w.optional("ttl", cache.ttl.as_deref());
        });
    }
}
