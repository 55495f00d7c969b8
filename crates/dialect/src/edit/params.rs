//! Parameters that compatible servers spell differently from one another.

use super::plan::{Plan, Want};
use crate::effort::{USUAL_LIMIT, effort_of_budget};
use crate::{Peek, Surface};
use memchr::memmem::Finder;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Where the prompt-cache marks of a chat body stand.
const MARKED: [&str; 2] = ["messages", "tools"];
const MARK: &str = "cache_control";
/// Prepared once: preparing costs more than searching a body of a usual size.
static MARK_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"cache_control\""));

impl<'a> Plan<'a> {
    /// The object `reasoning` of a chat body as `reasoning_effort`: a given effort counts, else the budget's share of the
    /// output limit. What else it says is lost.
    pub(super) fn reasoning_to_effort(&mut self, body: &[u8], peek: &Peek) {
        if !self.edits.reasoning_to_effort || self.edits.surface != Surface::ChatCompletions {
            return;
        }
        let Some(Value::Object(reasoning)) = self.current(body, peek, "reasoning") else { return };
        let effort = reasoning.get("effort").and_then(Value::as_str).map(str::to_owned);
        let budget = reasoning.get("max_tokens").and_then(Value::as_u64);
        let off = reasoning.get("enabled").and_then(Value::as_bool) == Some(false);
        let effort = effort.or_else(|| {
            let limit = ["max_completion_tokens", "max_tokens"]
                .iter()
                .find_map(|name| self.current(body, peek, name)?.as_u64())
                .unwrap_or(USUAL_LIMIT);
            budget.map(|budget| effort_of_budget(budget, limit).to_owned())
        });
        let effort = if off { Some("none".to_owned()) } else { effort };
        self.removed.push("reasoning");
        let said = ["effort", "max_tokens", "enabled"];
        let lost = reasoning.keys().filter(|name| !said.contains(&name.as_str()));
        let lost: Vec<String> = lost.map(|name| format!("reasoning.{name}")).collect();
        self.dropped.extend(lost);
        let stated = self.current(body, peek, "reasoning_effort").is_some();
        if let (Some(effort), false) = (effort, stated) {
            self.put("reasoning_effort", Want::Set(Cow::Owned(effort.into())));
        }
    }

    /// Prompt-cache marks taken out of messages and tools, for servers that refuse what they do not know.
    pub(super) fn strip_cache_control(&mut self, body: &[u8], peek: &Peek) {
        if !self.edits.strip_cache_control || self.edits.surface != Surface::ChatCompletions {
            return;
        }
        if peek.raw(body, MARK).is_some() {
            self.removed.push(MARK);
            self.dropped.push(MARK.to_owned());
        }
        for name in MARKED {
            let marked = peek.raw(body, name).is_some_and(|raw| MARK_FINDER.find(raw).is_some());
            let Some(mut value) = marked.then(|| self.current(body, peek, name)).flatten() else { continue };
            if strip(&mut value) {
                self.put(name, Want::Set(Cow::Owned(value)));
                if !self.dropped.iter().any(|known| known == MARK) {
                    self.dropped.push(MARK.to_owned());
                }
            }
        }
    }

    /// The limit of output tokens where it stands inside an object of its own.
    pub(super) fn cap_inside(&mut self, body: &[u8], peek: &Peek, cap: u64) {
        let (outer, inner) = match self.edits.surface {
            Surface::GenerateContent => ("generationConfig", "maxOutputTokens"),
            Surface::Converse => ("inferenceConfig", "maxTokens"),
            _ => return,
        };
        let config = self.current(body, peek, outer);
        let limit = config.as_ref().and_then(|config| config.get(inner)).filter(|limit| !limit.is_null());
        if limit.is_some_and(|limit| super::plan::within(limit, cap)) {
            return;
        }
        let mut map = match self.want(outer) {
            Some(Want::Merge(map)) => map.as_ref().clone(),
            _ => Map::new(),
        };
        map.insert(inner.to_owned(), cap.into());
        self.put(outer, Want::Merge(Cow::Owned(map)));
    }
}

/// Takes the marks out of objects in lists, however deep. Not out of what tools define: a schema may have such a field.
fn strip(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().filter_map(|item| strip(item).then_some(())).count() > 0,
        Value::Object(map) => {
            let own = map.shift_remove(MARK).is_some();
            let inside = ["content", "tool_calls"].map(|name| map.get_mut(name).is_some_and(strip));
            own || inside.contains(&true)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Edits, Surface, edit, peek};
    use bytes::Bytes;

    fn edited(body: &str) -> (String, Vec<String>) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let edits = Edits {
            reasoning_to_effort: true,
            strip_cache_control: true,
            ..Edits::none(Surface::ChatCompletions)
        };
        let out = edit(&body, &peek(&body).unwrap(), &edits);
        (String::from_utf8(out.chunks.concat()).unwrap(), out.dropped)
    }

    #[test]
    fn reasoning_becomes_one_word() {
        for (body, want, dropped) in [
            (
                r#"{"reasoning":{"effort":"high","max_tokens":10000},"a":1}"#,
                r#"{"a":1,"reasoning_effort":"high"}"#,
                vec![],
            ),
            (
                r#"{"max_tokens":1000,"reasoning":{"max_tokens":200}}"#,
                r#"{"max_tokens":1000,"reasoning_effort":"low"}"#,
                vec![],
            ),
            (r#"{"reasoning":{"max_tokens":4096}}"#, r#"{"reasoning_effort":"high"}"#, vec![]),
            (r#"{"reasoning":{"enabled":false}}"#, r#"{"reasoning_effort":"none"}"#, vec![]),
            (
                r#"{"reasoning":{"effort":"low","exclude":true}}"#,
                r#"{"reasoning_effort":"low"}"#,
                vec!["reasoning.exclude"],
            ),
            (
                r#"{"reasoning":{"effort":"low"},"reasoning_effort":"high"}"#,
                r#"{"reasoning_effort":"high"}"#,
                vec![],
            ),
            (r#"{"reasoning":"high"}"#, r#"{"reasoning":"high"}"#, vec![]),
            (r#"{"reasoning":null, "a":1.0}"#, r#"{"reasoning":null, "a":1.0}"#, vec![]),
        ] {
            assert_eq!(
                edited(body),
                (want.to_owned(), dropped.into_iter().map(String::from).collect()),
                "{body}"
            );
        }
    }

    #[test]
    fn cache_marks_are_taken_out_of_messages_and_tools_only() {
        let body = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a \"cache_control\"","cache_control":{"type":"ephemeral"}}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"cache_control":{}}}},"cache_control":{"type":"ephemeral"}}]}"#;
        let want = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a \"cache_control\""}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"cache_control":{}}}}}]}"#;
        assert_eq!(edited(body), (want.to_owned(), vec!["cache_control".to_owned()]));
        let plain = r#"{"messages":[{"role":"user","content":"cache_control", "x":1e3}]}"#;
        assert_eq!(edited(plain), (plain.to_owned(), vec![]));
    }

    #[test]
    fn limits_inside_objects_are_lowered() {
        let cap = |surface, body: &str| {
            let body = Bytes::copy_from_slice(body.as_bytes());
            let edits = Edits { max_output_tokens: Some(100), ..Edits::none(surface) };
            String::from_utf8(edit(&body, &peek(&body).unwrap(), &edits).chunks.concat()).unwrap()
        };
        for (surface, body, want) in [
            (
                Surface::GenerateContent,
                r#"{"generationConfig":{"temperature":1,"maxOutputTokens":500}}"#,
                r#"{"generationConfig":{"temperature":1,"maxOutputTokens":100}}"#,
            ),
            (Surface::GenerateContent, r#"{"a":1}"#, r#"{"a":1,"generationConfig":{"maxOutputTokens":100}}"#),
            (
                Surface::Converse,
                r#"{"inferenceConfig":{"maxTokens":50}}"#,
                r#"{"inferenceConfig":{"maxTokens":50}}"#,
            ),
        ] {
            assert_eq!(cap(surface, body), want);
        }
    }
}
