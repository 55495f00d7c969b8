//! What is read of a chunk. Odd fields are nothing, so that they never make a whole chunk unreadable.

use crate::loose::{Filled, List, Number, Obj, Text};
use crate::usage::RawUsage;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    pub(super) created: Number,
    #[serde(borrow)]
    pub(super) choices: List<Choice<'a>>,
    pub(super) usage: Obj<RawUsage>,
    pub(super) x_groq: Obj<Groq>,
}

/// Older versions of Groq's API have the figures here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Groq {
    pub(super) usage: Obj<RawUsage>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    pub(super) index: Number,
    #[serde(borrow)]
    pub(super) delta: Obj<Delta<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Text<'a>,
    #[serde(borrow)]
    pub(super) native_finish_reason: Text<'a>,
    pub(super) logprobs: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) content: Content<'a>,
    #[serde(borrow)]
    pub(super) reasoning: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning_details: List<DetailDelta<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow)]
    pub(super) tool_calls: List<ToolDelta<'a>>,
    #[serde(borrow)]
    pub(super) function_call: Obj<FunctionDelta<'a>>,
    #[serde(borrow)]
    pub(super) images: List<Image<'a>>,
    #[serde(borrow)]
    pub(super) audio: Obj<Audio<'a>>,
    pub(super) annotations: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DetailDelta<'a> {
    #[serde(borrow)]
    pub(super) r#type: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    summary: Text<'a>,
    #[serde(borrow)]
    pub(super) signature: Text<'a>,
    #[serde(borrow)]
    pub(super) data: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) format: Text<'a>,
    pub(super) index: Number,
}

impl DetailDelta<'_> {
    /// What can be read of it.
    pub(super) fn text(&self) -> Option<&str> {
        match self.r#type.get()? {
            "reasoning.text" => self.text.get(),
            "reasoning.summary" => self.summary.get(),
            _ => None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolDelta<'a> {
    pub(super) index: Number,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) function: Obj<FunctionDelta<'a>>,
    #[serde(borrow)]
    pub(super) extra_content: Obj<Extra<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct FunctionDelta<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) arguments: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Extra<'a> {
    #[serde(borrow)]
    pub(super) google: Obj<Google<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Google<'a> {
    #[serde(borrow)]
    pub(super) thought_signature: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Image<'a> {
    #[serde(borrow)]
    pub(super) image_url: Obj<ImageUrl<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ImageUrl<'a> {
    #[serde(borrow)]
    pub(super) url: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Audio<'a> {
    #[serde(borrow)]
    pub(super) transcript: Text<'a>,
    pub(super) data: Filled,
}

/// `content`: a text, or Mistral's list of parts.
#[derive(Default)]
pub(super) struct Content<'a>(pub(super) SmallVec<[Piece<'a>; 1]>);

/// A piece of content.
pub(super) enum Piece<'a> {
    Text(Cow<'a, str>),
    Thought(Cow<'a, str>),
    Unknown,
}

/// A part in a list: text, or thinking that is a list of texts.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPart<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: List<RawText<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawText<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

struct ContentVisitor<'a>(PhantomData<Content<'a>>);

impl<'de: 'a, 'a> Visitor<'de> for ContentVisitor<'a> {
    type Value = Content<'a>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content(SmallVec::from_iter([Piece::Text(Cow::Borrowed(text))])))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content(SmallVec::from_iter([Piece::Text(Cow::Owned(text.to_owned()))])))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Content(SmallVec::from_iter([Piece::Unknown])))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut pieces = SmallVec::new();
        while let Some(Obj(part)) = seq.next_element::<Obj<RawPart<'de>>>()? {
            let Some(part) = part else { continue };
            match part.r#type.get() {
                Some("text") => pieces.extend(part.text.0.map(Piece::Text)),
                Some("thinking") => {
                    let texts = part.thinking.0.into_iter().filter_map(|text| text.text.0);
                    pieces.extend(texts.map(Piece::Thought));
                }
                _ => pieces.push(Piece::Unknown),
            }
        }
        Ok(Content(pieces))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor(PhantomData))
    }
}
