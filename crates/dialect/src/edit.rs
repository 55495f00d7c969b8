//! Editing a request body in place: what was not asked to change stays byte for byte.
//!
//! Key order, spacing and number spelling survive, so that providers' prompt caches keep hitting.

mod params;
mod plan;
mod splice;
#[cfg(test)]
mod tests;

use crate::json;
use crate::{Peek, Surface};
use bytes::Bytes;
use plan::{Plan, Want};
use serde_json::{Map, Value};
use smallvec::SmallVec;
use splice::Splice;
use std::collections::BTreeMap;
use std::ops::Range;

/// The changes one attempt needs, in the order they apply: remove `models`, merge, set the model, cap the
/// output, ask for usage, strip parameters.
#[derive(Clone, Copy)]
pub struct Edits<'a> {
    /// The name the provider knows the model by.
    pub model: Option<&'a str>,
    /// Remove the client's `models`: providers refuse or misread it.
    pub remove_models: bool,
    /// Members to merge; they win over the client's. Objects merge deeply, anything else replaces, null sets null.
    pub merge: Option<&'a Map<String, Value>>,
    /// Upper bound of output tokens: lowers what is asked for, or is set where nothing is.
    pub max_output_tokens: Option<u64>,
    /// The model is one of OpenAI's reasoning models, which want `max_completion_tokens`.
    pub reasoning_model: bool,
    /// The operation; decides the names of fields.
    pub surface: Surface,
    /// The only parameters to send; empty means all. Applies to chat completions, responses and messages.
    pub allow: &'a [String],
    /// Parameters not to send.
    pub deny: &'a [&'a [String]],
    /// Parameters to send under another name. Where the body has the other one too, that one counts.
    pub rename: Option<&'a BTreeMap<String, String>>,
    /// Ask for usage at the end of a stream. Applies to streamed chat and text completions only.
    pub include_usage: bool,
    /// Turn the object `reasoning {effort, max_tokens}` of a chat body into `reasoning_effort`.
    pub reasoning_to_effort: bool,
    /// Take prompt-cache marks (`cache_control`) out of a chat body's messages and tools.
    pub strip_cache_control: bool,
}

impl Edits<'_> {
    /// No change at all.
    #[must_use]
    pub fn none(surface: Surface) -> Self {
        Self {
            model: None,
            remove_models: false,
            merge: None,
            max_output_tokens: None,
            reasoning_model: false,
            surface,
            allow: &[],
            deny: &[],
            rename: None,
            include_usage: false,
            reasoning_to_effort: false,
            strip_cache_control: false,
        }
    }
}

/// An edited body.
#[derive(Clone, Default)]
pub struct Edited {
    /// The body in parts: slices of the original above 256 KiB, a single part below.
    pub chunks: SmallVec<[Bytes; 4]>,
    /// Parameters that were stripped, in the order of the body.
    pub dropped: Vec<String>,
}

impl Edited {
    /// Length of the whole body in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    /// Whether the body has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Applies `edits` to the body `peek` was made from. If nothing changes, the body itself is returned.
#[must_use]
pub fn edit(body: &Bytes, peek: &Peek, edits: &Edits<'_>) -> Edited {
    let mut plan = Plan::new(body, peek, edits);
    let mut splice = Splice::default();
    let members = &peek.object.members;
    let mut left: Option<Range<usize>> = None;
    let mut kept = false;
    let input = plan.messages_are_input().then_some("input");
    for (index, member) in members.iter().enumerate() {
        let name = plan.name(index);
        if plan.removes(name) {
            let next = members.get(index + 1);
            splice.remove(match (&left, next) {
                (Some(before), _) if kept => before.end..member.value.end,
                (_, Some(next)) => member.key.start..next.key.start,
                (_, None) => member.key.start..member.value.end,
            });
        } else {
            kept = true;
            if let Some(other) = input.filter(|_| name == "messages").or_else(|| plan.renamed(name)) {
                splice.replace(member.key.clone(), json::quoted(other));
            }
            if let Some(want) = plan.want(name) {
                change(&mut splice, body, member.value.clone(), want);
            }
        }
        left = Some(member.value.clone());
    }
    let end = left.map_or(peek.object.start, |last| last.end);
    let absent = plan.absent();
    let added = absent.iter().map(|(name, want)| (plan.renamed(name).unwrap_or(name), want.to_string()));
    splice.append(end, kept, added);
    Edited { chunks: splice.apply(body), dropped: std::mem::take(&mut plan.dropped) }
}

/// Changes one value. What already is as wanted keeps its spelling.
fn change(splice: &mut Splice, body: &[u8], at: Range<usize>, want: &Want<'_>) {
    let raw = body.get(at.clone()).unwrap_or_default();
    match want {
        Want::Merge(map) if raw.first() == Some(&b'{') => merge(splice, body, at, map),
        Want::Set(value) if same(raw, value) => {}
        want => splice.replace(at, want.to_string()),
    }
}

/// Merges `map` into the object at `at`, member by member.
fn merge(splice: &mut Splice, body: &[u8], at: Range<usize>, map: &Map<String, Value>) {
    let raw = body.get(at.clone()).unwrap_or_default();
    let Ok(object) = json::members(raw) else {
        return splice.replace(at, Value::Object(map.clone()).to_string());
    };
    let shift = |range: &Range<usize>| range.start + at.start..range.end + at.start;
    let mut seen: SmallVec<[String; 8]> = SmallVec::new();
    for member in &object.members {
        let name = raw.get(member.key.clone()).and_then(json::string).unwrap_or_default();
        if let Some(value) = map.get(name.as_ref()) {
            let want = Want::from_value(value);
            change(splice, body, shift(&member.value), &want);
            seen.push(name.into_owned());
        }
    }
    let end = object.members.last().map_or(object.start, |last| last.value.end) + at.start;
    let added = map
        .iter()
        .filter(|(name, _)| !seen.contains(name))
        .map(|(name, value)| (name.as_str(), value.to_string()));
    splice.append(end, !object.members.is_empty(), added);
}

/// Whether the text already means the value; only scalars are compared by meaning.
fn same(raw: &[u8], value: &Value) -> bool {
    match value {
        Value::Object(_) | Value::Array(_) => value.to_string().as_bytes() == raw,
        Value::String(text) => json::string(raw).is_some_and(|found| found == text.as_str()),
        scalar => {
            !matches!(raw.first(), None | Some(b'{' | b'[' | b'"'))
                && serde_json::from_slice::<Value>(raw).is_ok_and(|found| found == *scalar)
        }
    }
}
