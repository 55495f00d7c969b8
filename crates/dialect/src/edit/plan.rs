//! Which members of a body are to change, and how.

use super::Edits;
use crate::{Peek, Surface, json};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// What a member shall become.
#[derive(Clone)]
pub(super) enum Want<'a> {
    /// Exactly this.
    Set(Cow<'a, Value>),
    /// Its object with these members merged in; this object where it is none.
    Merge(Cow<'a, Map<String, Value>>),
}

impl<'a> Want<'a> {
    pub(super) fn from_value(value: &'a Value) -> Self {
        match value {
            Value::Object(map) => Self::Merge(Cow::Borrowed(map)),
            value => Self::Set(Cow::Borrowed(value)),
        }
    }

    fn set(value: impl Into<Value>) -> Self {
        Self::Set(Cow::Owned(value.into()))
    }
}

impl fmt::Display for Want<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(value) => value.fmt(f),
            Self::Merge(map) => Value::Object(map.as_ref().clone()).fmt(f),
        }
    }
}

/// The changes to the top-level members of one body.
pub(super) struct Plan<'a> {
    pub(super) edits: &'a Edits<'a>,
    names: Vec<Cow<'a, str>>,
    wants: Vec<(&'a str, Want<'a>)>,
    /// Members that became others.
    pub(super) removed: Vec<&'static str>,
    pub(super) dropped: Vec<String>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(body: &'a [u8], peek: &'a Peek, edits: &'a Edits<'a>) -> Self {
        let members = peek.object.members.iter();
        let names = members
            .map(|member| body.get(member.key.clone()).and_then(json::string).unwrap_or_default())
            .collect();
        let mut plan = Self { edits, names, wants: Vec::new(), removed: Vec::new(), dropped: Vec::new() };
        for (name, value) in edits.merge.into_iter().flatten() {
            // The client's list is removed before the merge, so there is nothing to merge it with.
            let replace = name == "models" && edits.remove_models;
            let want = if replace { Want::Set(Cow::Borrowed(value)) } else { Want::from_value(value) };
            plan.wants.push((name, want));
        }
        if let Some(model) = edits.model {
            plan.put("model", Want::set(model));
        }
        plan.note_dropped();
        plan.note_doubles();
        plan.reasoning_to_effort(body, peek);
        plan.strip_cache_control(body, peek);
        plan.cap(body, peek);
        plan.ask_for_usage(peek);
        let removed = std::mem::take(&mut plan.removed);
        plan.wants.retain(|(name, _)| survives(edits, name) && !removed.contains(name));
        plan.removed = removed;
        plan
    }

    /// The name of the member at `index`, in the order of the body.
    pub(super) fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", |name| name)
    }

    /// Whether a request of Responses has its input under the name that chat completions have for it, as some
    /// documentation of OpenRouter shows it.
    pub(super) fn messages_are_input(&self) -> bool {
        self.edits.surface == Surface::Responses
            && self.names.iter().all(|name| name != "input")
            && self.want("input").is_none()
            && self.want("messages").is_none()
    }

    /// The name a member is sent under, where it is another one.
    pub(super) fn renamed(&self, name: &str) -> Option<&'a str> {
        self.edits.rename?.get(name).map(String::as_str)
    }

    /// Whether a member would get the name of one that is there.
    fn doubles(&self, name: &str) -> bool {
        let there = |other: &str| self.names.iter().any(|known| known == other) || self.want(other).is_some();
        self.renamed(name).is_some_and(there)
    }

    pub(super) fn removes(&self, name: &str) -> bool {
        !survives(self.edits, name)
            || self.doubles(name)
            || self.removed.contains(&name)
            || self.edits.remove_models && name == "models" && self.want(name).is_none()
    }

    pub(super) fn want(&self, name: &str) -> Option<&Want<'a>> {
        self.wants.iter().find(|(wanted, _)| *wanted == name).map(|(_, want)| want)
    }

    /// What is wanted but not in the body.
    pub(super) fn absent(&self) -> Vec<&(&'a str, Want<'a>)> {
        let new = |name: &&str| !self.names.iter().any(|known| known == *name) && !self.doubles(name);
        self.wants.iter().filter(|(name, _)| new(name)).collect()
    }

    pub(super) fn put(&mut self, name: &'a str, want: Want<'a>) {
        match self.wants.iter_mut().find(|(wanted, _)| *wanted == name) {
            Some((_, slot)) => *slot = want,
            None => self.wants.push((name, want)),
        }
    }

    fn note_dropped(&mut self) {
        let merged = self.wants.iter().map(|(name, _)| *name);
        for name in self.names.iter().map(AsRef::as_ref).chain(merged) {
            let gateway_only = name == "models" && self.edits.remove_models;
            if !gateway_only && !survives(self.edits, name) && !self.dropped.iter().any(|known| known == name)
            {
                self.dropped.push(name.to_owned());
            }
        }
    }

    fn note_doubles(&mut self) {
        let Some(rename) = self.edits.rename else { return };
        for name in rename.keys() {
            let given = self.names.iter().any(|known| known == name) || self.want(name).is_some();
            if given && self.doubles(name) && !self.dropped.contains(name) {
                self.dropped.push(name.clone());
            }
        }
    }

    /// The value a member has after the merge; `None` when absent or null.
    pub(super) fn current(&self, body: &[u8], peek: &Peek, name: &str) -> Option<Value> {
        let value = match self.want(name) {
            Some(Want::Set(value)) => value.as_ref().clone(),
            Some(Want::Merge(map)) => Value::Object(map.as_ref().clone()),
            None => {
                peek.raw(body, name).map(|raw| serde_json::from_slice(raw).unwrap_or(Value::Bool(true)))?
            }
        };
        (!value.is_null()).then_some(value)
    }

    fn cap(&mut self, body: &[u8], peek: &Peek) {
        let Some(cap) = self.edits.max_output_tokens else { return };
        self.cap_inside(body, peek, cap);
        let names = output_limits(self.edits.surface, self.edits.reasoning_model);
        let mut limited = false;
        for name in names.iter().filter(|name| survives(self.edits, name)) {
            if let Some(value) = self.current(body, peek, name) {
                limited = true;
                if !within(&value, cap) {
                    self.put(name, Want::set(cap));
                }
            }
        }
        // A reasoning model takes nothing but `max_completion_tokens`; elsewhere either name limits.
        let usable = if self.edits.reasoning_model { names.get(..1).unwrap_or_default() } else { names };
        if !limited && let Some(name) = usable.iter().find(|name| survives(self.edits, name)) {
            self.put(name, Want::set(cap));
        }
    }

    fn ask_for_usage(&mut self, peek: &Peek) {
        let streams = match self.want("stream") {
            Some(Want::Set(value)) => value.as_bool() == Some(true),
            Some(Want::Merge(_)) => false,
            None => peek.stream,
        };
        let supported = matches!(self.edits.surface, Surface::ChatCompletions | Surface::Completions);
        if !(self.edits.include_usage && supported && streams && survives(self.edits, "stream")) {
            return;
        }
        let ask = |map: &Map<String, Value>| {
            let mut map = map.clone();
            map.insert("include_usage".to_owned(), Value::Bool(true));
            map
        };
        let want = match self.want("stream_options") {
            Some(Want::Merge(map)) => Want::Merge(Cow::Owned(ask(map))),
            Some(Want::Set(_)) => Want::set(ask(&Map::new())),
            None => Want::Merge(Cow::Owned(ask(&Map::new()))),
        };
        self.put("stream_options", want);
    }
}

/// Whether a parameter may be sent. The model always is.
fn survives(edits: &Edits<'_>, name: &str) -> bool {
    let listed = matches!(edits.surface, Surface::ChatCompletions | Surface::Responses | Surface::Messages);
    let allowed = edits.allow.is_empty() || !listed || edits.allow.iter().any(|allowed| allowed == name);
    name == "model" || allowed && !edits.deny.iter().any(|list| list.iter().any(|denied| denied == name))
}

/// The fields that limit output, the one to add first.
fn output_limits(surface: Surface, reasoning_model: bool) -> &'static [&'static str] {
    match surface {
        Surface::ChatCompletions if reasoning_model => &["max_completion_tokens", "max_tokens"],
        Surface::ChatCompletions => &["max_tokens", "max_completion_tokens"],
        Surface::Completions | Surface::Messages => &["max_tokens"],
        Surface::Responses => &["max_output_tokens"],
        // Their limit is inside an object of its own: `cap_inside`.
        Surface::GenerateContent | Surface::Converse => &[],
        Surface::Embeddings | Surface::CountTokens => &[],
    }
}

/// Whether a limit is one and does not exceed the cap. Negative numbers mean "no limit" to some servers and
/// text is read as a number by others, so neither is within.
pub(super) fn within(value: &Value, cap: u64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "caps are at most 500,000")]
    let cap_float = cap as f64;
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => whole <= cap,
            (None, Some(float)) => (0.0..=cap_float).contains(&float),
            (None, None) => false,
        },
        _ => false,
    }
}
