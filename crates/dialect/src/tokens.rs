//! A count of input tokens before anything is sent.
//!
//! Counts the text of messages, instructions, tools and inputs with OpenAI's encodings. Images, audio, files,
//! ids and encrypted state do not count. For models of other makers this is an approximation.

use crate::Surface;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Up to this much text (bytes) is encoded; more is estimated by length, so that huge prompts stay cheap.
const EXACT_UP_TO: usize = 256 * 1024;
/// Bytes of text per token, for what is not encoded. A rule of thumb for English.
const BYTES_PER_TOKEN: u64 = 4;
/// Tokens a message costs beside its text, and those that start the answer (OpenAI cookbook, "How to count tokens
/// with tiktoken").
const PER_MESSAGE: u64 = 3;

/// Members that hold no text a model reads: media, ids, state, names of types.
const NO_TEXT: [&str; 25] = [
    "image_url",
    "image",
    "input_audio",
    "audio",
    "video_url",
    "file",
    "file_data",
    "file_id",
    "file_url",
    "source",
    "data",
    "encrypted_content",
    "signature",
    "cache_control",
    "type",
    "id",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "inlineData",
    "inline_data",
    "fileData",
    "file_data_uri",
    "thoughtSignature",
    "thought_signature",
];

/// Estimates the input tokens of a request body.
///
/// `o200k` chooses the encoding of GPT-4o and later, otherwise that of older models. Lists of token numbers
/// count as their length. Above 256 KiB of text, and where the body cannot be read, four bytes count as one token.
#[must_use]
pub fn estimate(surface: Surface, body: &[u8], o200k: bool) -> u64 {
    let mut found = Found::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    if deserializer.deserialize_map(Body { surface, found: &mut found }).is_err() {
        return by_length(body.len());
    }
    let priming = if found.messages > 0 { PER_MESSAGE } else { 0 };
    let text = if found.bytes > EXACT_UP_TO {
        by_length(found.bytes)
    } else {
        let encoding = if o200k { bpe_openai::o200k_base() } else { bpe_openai::cl100k_base() };
        found.texts.iter().map(|text| encoding.count(text.as_ref()) as u64).sum()
    };
    text + found.numbers + found.messages * PER_MESSAGE + priming
}

/// Loads both encodings, which takes a moment the first time. Call it when a policy limits input tokens.
pub fn warm_up() {
    let _ = (bpe_openai::o200k_base().count("a"), bpe_openai::cl100k_base().count("a"));
}

fn by_length(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

/// What a walk through a body has come across.
#[derive(Default)]
struct Found<'de> {
    texts: Vec<Cow<'de, str>>,
    bytes: usize,
    numbers: u64,
    messages: u64,
}

impl<'de> Found<'de> {
    fn add(&mut self, text: Cow<'de, str>) {
        self.bytes += text.len();
        // Beyond the limit only the length matters.
        if self.bytes <= EXACT_UP_TO {
            self.texts.push(text);
        }
    }
}

/// How a top-level member counts.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// The text in it.
    Text,
    /// The text in it, each item a message.
    Messages,
    /// The text and the keys in it.
    Schema,
    /// The text in it; numbers are tokens.
    Tokens,
}

fn part(surface: Surface, name: &str) -> Option<Part> {
    match (surface, name) {
        (Surface::ChatCompletions | Surface::Messages | Surface::CountTokens, "messages")
        | (Surface::Responses, "input")
        | (Surface::GenerateContent, "contents") => Some(Part::Messages),
        (
            Surface::ChatCompletions
            | Surface::Responses
            | Surface::Messages
            | Surface::CountTokens
            | Surface::GenerateContent,
            "tools",
        )
        | (Surface::ChatCompletions, "functions") => Some(Part::Schema),
        (Surface::Messages | Surface::CountTokens, "system")
        | (Surface::Responses, "instructions")
        | (Surface::GenerateContent, "systemInstruction" | "system_instruction")
        | (Surface::Completions, "suffix") => Some(Part::Text),
        (Surface::Completions | Surface::ChatCompletions, "prompt") | (Surface::Embeddings, "input") => {
            Some(Part::Tokens)
        }
        _ => None,
    }
}

struct Body<'f, 'de> {
    surface: Surface,
    found: &'f mut Found<'de>,
}

impl<'de> Visitor<'de> for Body<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match part(self.surface, &name) {
                Some(part) => map.next_value_seed(Walk { part, outermost: true, found: &mut *self.found })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Collects the text below one member.
struct Walk<'f, 'de> {
    part: Part,
    outermost: bool,
    found: &'f mut Found<'de>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.found.numbers += u64::from(self.part == Part::Tokens);
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.found.add(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.found.add(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let messages = self.outermost && self.part == Part::Messages;
        let Self { part, found, .. } = self;
        while seq.next_element_seed(Walk { part, outermost: false, found: &mut *found })?.is_some() {
            found.messages += u64::from(messages);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { part, found, .. } = self;
        while let Some(name) = map.next_key::<String>()? {
            // A schema may name its properties as it likes; what it says counts.
            if part != Part::Schema && NO_TEXT.contains(&name.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if part == Part::Schema {
                found.add(Cow::Owned(name));
            }
            map.next_value_seed(Walk { part, outermost: false, found: &mut *found })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts() {
        use Surface::{ChatCompletions as Chat, Completions, CountTokens, Embeddings, Messages, Responses};
        let hello = 2; // "hello world" in both encodings
        for (surface, body, want) in [
            (Chat, r#"{"messages":[{"role":"user","content":"hello world"}]}"#, hello + 1 + 3 + 3),
            (
                Chat,
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hello world"}]}]}"#,
                hello + 1 + 6,
            ),
            (
                Chat,
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAAAAAA"}}]}]}"#,
                1 + 6,
            ),
            (Chat, r#"{"model":"hello world","user":"hello world"}"#, 0),
            (Chat, r#"{"tools":[{"hello world":{"hello world":5}}]}"#, 2 * hello),
            (Messages, r#"{"system":"hello world","messages":[]}"#, hello),
            (
                CountTokens,
                r#"{"system":[{"type":"text","text":"hello world","cache_control":{"type":"ephemeral"}}]}"#,
                hello,
            ),
            (
                Messages,
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"AAAA"}}]}]}"#,
                1 + 6,
            ),
            (Responses, r#"{"input":"hello world","instructions":"hello world"}"#, 2 * hello),
            (Responses, r#"{"input":[{"role":"user","content":"hello world"}]}"#, hello + 1 + 6),
            (Completions, r#"{"prompt":"hello\u0020world"}"#, hello),
            (Completions, r#"{"prompt":["hello world","hello world"]}"#, 2 * hello),
            (Completions, r#"{"prompt":[1,2,3]}"#, 3),
            (Embeddings, r#"{"input":[[1,2,3],[4,5]],"dimensions":256}"#, 5),
            (Embeddings, r#"{"input":"hello world"}"#, hello),
            (Embeddings, r#"{"input":null}"#, 0),
        ] {
            assert_eq!(estimate(surface, body.as_bytes(), true), want, "{body}");
            assert_eq!(estimate(surface, body.as_bytes(), false), want, "{body}");
        }
    }

    #[test]
    fn encodings_differ() {
        let body = "{\"input\":\"Schmetterlinge fliegen über дерево\"}".as_bytes();
        assert!(estimate(Surface::Embeddings, body, true) < estimate(Surface::Embeddings, body, false));
    }

    #[test]
    fn long_and_unreadable_bodies_go_by_length() {
        let text = "ab ".repeat(100_000);
        let body = format!(r#"{{"input":["{text}","x"]}}"#);
        assert_eq!(estimate(Surface::Embeddings, body.as_bytes(), true), 75_001);
        assert_eq!(estimate(Surface::Embeddings, b"not json", true), 2);
        let deep = format!(r#"{{"input":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(estimate(Surface::Embeddings, deep.as_bytes(), true), deep.len().div_ceil(4) as u64);
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..100), text in r#"[\{\}\[\]":,input1 ]{0,60}"#) {
            let _ = estimate(Surface::ChatCompletions, &body, true);
            let _ = estimate(Surface::Embeddings, text.as_bytes(), false);
        }
    }
}
