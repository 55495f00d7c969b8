//! State in a request that only its issuer can read: found without translating the request, and taken out of it.

use super::gemini;
use super::state::{State, StateKind};
use crate::Surface;
use memchr::memmem::Finder;
use serde_json::Value;
use std::sync::LazyLock;

/// State that a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundState {
    /// Where it stands, such as `messages[1].content[0].signature`.
    pub path: String,
    /// The operation whose answers have such state.
    pub surface: Surface,
    /// The provider that issued it, when the state itself says so.
    pub provider: Option<String>,
    /// What it is.
    pub kind: BoundKind,
    /// It has the form of Claude's signatures, which no other maker's have.
    pub looks_like_claude: bool,
}

/// What is bound to its issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundKind {
    /// A signature of thoughts, or encrypted thoughts: bound to the maker of the model, or to the provider.
    Thoughts,
    /// The id of an answer or a conversation that the provider stores: bound to the provider and its account.
    Stored(String),
    /// Thoughts without a signature, as a translated answer may have them: Claude takes none, to others they are text.
    Unsigned,
}

/// Shorter texts are no signature of Claude's; real ones have hundreds of characters.
const CLAUDE_AT_LEAST: usize = 32;

/// What to look for before a body is parsed: without one of these there is no state in it.
fn needles(surface: Surface) -> &'static [&'static [u8]] {
    match surface {
        Surface::ChatCompletions => &[b"\"reasoning_details\"", b"\"thought_signature\""],
        Surface::Responses => &[
            b"\"encrypted_content\"",
            b"\"previous_response_id\"",
            b"\"conversation\"",
            b"\"item_reference\"",
        ],
        Surface::Messages | Surface::CountTokens => &[b"\"signature\"", b"\"redacted_thinking\""],
        Surface::GenerateContent => {
            &[b"\"thoughtSignature\"", b"\"thought_signature\"", b"\"cachedContent\""]
        }
        _ => &[],
    }
}

/// Prepared once: preparing costs more than searching a body of a usual size.
static FINDERS: LazyLock<Vec<(Surface, Finder<'static>)>> = LazyLock::new(|| {
    let of = |surface: Surface| needles(surface).iter().map(move |needle| (surface, Finder::new(*needle)));
    Surface::ALL.into_iter().flat_map(of).collect()
});

/// The state a request carries. A body without any costs a search for a few words; one that is not JSON has none.
#[must_use]
pub fn bound_state(surface: Surface, body: &[u8]) -> Vec<BoundState> {
    if !FINDERS.iter().any(|(of, finder)| *of == surface && finder.find(body).is_some()) {
        return Vec::new();
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let mut found = Vec::new();
    visit(surface, &mut value, &mut |state, _| {
        found.push(state);
        false
    });
    found
}

/// The request without the state for which `drop` says so, and the paths of what was taken out; `None` when that is
/// nothing. Thoughts whose proof is gone go with it: Anthropic takes none without, and while tools are used it takes no
/// request to think without the thoughts that led there, so that goes too.
#[must_use]
pub fn strip_state(
    surface: Surface,
    body: &[u8],
    drop: impl Fn(&BoundState) -> bool,
) -> Option<(Vec<u8>, Vec<String>)> {
    let mut value = serde_json::from_slice::<Value>(body).ok()?;
    let mut lost = Vec::new();
    visit(surface, &mut value, &mut |state, _| {
        let gone = drop(&state);
        if gone {
            lost.push(state.path);
        }
        gone
    });
    if lost.is_empty() {
        return None;
    }
    if matches!(surface, Surface::Messages | Surface::CountTokens) && thinks_in_vain(&value) {
        value.as_object_mut()?.remove("thinking");
        lost.push("thinking".to_owned());
    }
    Some((serde_json::to_vec(&value).ok()?, lost))
}

/// Whether thoughts are asked for in the middle of a turn that has lost its own (Anthropic, "Extended thinking with tool
/// use"). Adaptive thinking does not mind.
fn thinks_in_vain(body: &Value) -> bool {
    let kind = |value: &Value| value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let blocks = |turn: &Value| turn.get("content").and_then(Value::as_array).cloned().unwrap_or_default();
    let [.., answer, results] = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
    else {
        return false;
    };
    let runs = blocks(results).iter().any(|block| kind(block) == "tool_result");
    let first = blocks(answer).first().map(kind).unwrap_or_default();
    let enabled = body.get("thinking").is_some_and(|thinking| kind(thinking) == "enabled");
    enabled && runs && !matches!(first.as_str(), "thinking" | "redacted_thinking")
}

/// Called with each piece of state and the value that holds it; `true` takes it out.
type Seen<'s> = &'s mut dyn FnMut(BoundState, &Value) -> bool;

fn visit(surface: Surface, body: &mut Value, seen: Seen<'_>) {
    match surface {
        Surface::ChatCompletions => chat(body, seen),
        Surface::Responses => responses(body, seen),
        Surface::Messages | Surface::CountTokens => messages(body, seen),
        Surface::GenerateContent => contents(body, seen),
        _ => {}
    }
}

/// Thoughts, read through our mark if they have one.
fn thoughts(surface: Surface, path: String, data: &str) -> BoundState {
    bound(path, State::found(surface, StateKind::Signature, data.into()))
}

fn bound(path: String, state: State<'_>) -> BoundState {
    let provider = state.provider.map(std::borrow::Cow::into_owned);
    let looks_like_claude = looks_like_claude(&state.data);
    BoundState { path, surface: state.surface, provider, kind: BoundKind::Thoughts, looks_like_claude }
}

/// Claude's signatures and redacted thoughts are base64 of a message whose first field is its second, of bytes: an `E`
/// and a letter from `g` to `v` come first.
fn looks_like_claude(data: &str) -> bool {
    data.len() >= CLAUDE_AT_LEAST && matches!(data.as_bytes(), [b'E', b'g'..=b'v', ..])
}

fn stored(surface: Surface, path: &str, id: &str) -> BoundState {
    let kind = BoundKind::Stored(id.to_owned());
    BoundState { path: path.to_owned(), surface, provider: None, kind, looks_like_claude: false }
}

fn items<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Vec<Value>> {
    value.get_mut(name)?.as_array_mut()
}

/// Takes out the items for which `gone` says so, counting them as they stood.
fn retain(items: &mut Vec<Value>, mut gone: impl FnMut(usize, &mut Value) -> bool) {
    let mut at = 0;
    items.retain_mut(|item| {
        at += 1;
        !gone(at - 1, item)
    });
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn chat(body: &mut Value, seen: Seen<'_>) {
    for (at, message) in items(body, "messages").into_iter().flatten().enumerate() {
        let mut empty = false;
        if let Some(details) = items(message, "reasoning_details") {
            retain(details, |n, detail| {
                let Some(data) = text(detail, "data").or_else(|| text(detail, "signature")) else {
                    return false;
                };
                let path = format!("messages[{at}].reasoning_details[{n}]");
                seen(thoughts(Surface::ChatCompletions, path, data), detail)
            });
            empty = details.is_empty();
        }
        if empty && let Some(message) = message.as_object_mut() {
            message.remove("reasoning_details");
        }
        for (n, call) in items(message, "tool_calls").into_iter().flatten().enumerate() {
            let data = call.pointer("/extra_content/google/thought_signature").and_then(Value::as_str);
            let Some(data) = data else { continue };
            let path = format!("messages[{at}].tool_calls[{n}].extra_content.google.thought_signature");
            let state = thoughts(Surface::ChatCompletions, path, data);
            // What has no mark of ours comes from an answer of this dialect: nobody else takes offence at it.
            if state.provider.is_some()
                && seen(state, call)
                && let Some(call) = call.as_object_mut()
            {
                call.remove("extra_content");
            }
        }
    }
}

fn responses(body: &mut Value, seen: Seen<'_>) {
    let mut gone = Vec::new();
    for name in ["previous_response_id", "conversation"] {
        let id = body.get(name).and_then(|value| value.as_str().or_else(|| text(value, "id")));
        if let Some(id) = id.filter(|id| !id.is_empty())
            && seen(stored(Surface::Responses, name, id), body)
        {
            gone.push(name);
        }
    }
    if let Some(body) = body.as_object_mut() {
        for name in gone {
            body.remove(name);
        }
    }
    if let Some(input) = items(body, "input") {
        retain(input, |at, item| {
            if text(item, "type") == Some("item_reference") {
                let id = text(item, "id").unwrap_or_default();
                return seen(stored(Surface::Responses, &format!("input[{at}]"), id), item);
            }
            let Some(data) = text(item, "encrypted_content") else { return false };
            seen(thoughts(Surface::Responses, format!("input[{at}].encrypted_content"), data), item)
        });
    }
}

fn messages(body: &mut Value, seen: Seen<'_>) {
    for (at, message) in items(body, "messages").into_iter().flatten().enumerate() {
        let Some(content) = items(message, "content") else { continue };
        retain(content, |n, block| {
            let (name, data) = match text(block, "type") {
                Some("thinking") if text(block, "signature").is_none() => {
                    let path = format!("messages[{at}].content[{n}]");
                    let kind = BoundKind::Unsigned;
                    return seen(
                        BoundState {
                            path,
                            surface: Surface::Messages,
                            provider: None,
                            kind,
                            looks_like_claude: false,
                        },
                        block,
                    );
                }
                Some("thinking") => ("signature", text(block, "signature")),
                Some("redacted_thinking") => ("data", text(block, "data")),
                _ => return false,
            };
            let Some(data) = data else { return false };
            seen(thoughts(Surface::Messages, format!("messages[{at}].content[{n}].{name}"), data), block)
        });
        // A turn must not be empty.
        if content.is_empty() {
            content.push(serde_json::json!({"type": "text", "text": "(reasoning omitted)"}));
        }
    }
}

fn contents(body: &mut Value, seen: Seen<'_>) {
    let cached = text(body, "cachedContent").map(str::to_owned);
    if let Some(id) = cached
        && seen(stored(Surface::GenerateContent, "cachedContent", &id), body)
        && let Some(body) = body.as_object_mut()
    {
        body.remove("cachedContent");
    }
    for (at, content) in items(body, "contents").into_iter().flatten().enumerate() {
        for (n, part) in items(content, "parts").into_iter().flatten().enumerate() {
            for name in ["thoughtSignature", "thought_signature"] {
                let Some(data) = text(part, name) else { continue };
                let path = format!("contents[{at}].parts[{n}].{name}");
                if seen(bound(path, gemini::found_signature(data.into())), part)
                    && let Some(part) = part.as_object_mut()
                {
                    part.remove(name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(surface: Surface, body: &str) -> Vec<(String, Surface, Option<String>)> {
        let found = bound_state(surface, body.as_bytes());
        found.into_iter().map(|state| (state.path, state.surface, state.provider)).collect()
    }

    #[test]
    fn state_of_every_dialect_is_found() {
        use Surface::{ChatCompletions, GenerateContent, Messages, Responses};
        let one = |path: &str, surface| vec![(path.to_owned(), surface, None)];
        for (surface, body, want) in [
            (
                Messages,
                r#"{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"thinking","thinking":"t","signature":"EqQB"}]}]}"#,
                one("messages[1].content[1].signature", Messages),
            ),
            (
                Messages,
                r#"{"messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"Em"}]}]}"#,
                one("messages[0].content[0].data", Messages),
            ),
            (
                Responses,
                r#"{"previous_response_id":"resp_1","input":"x"}"#,
                one("previous_response_id", Responses),
            ),
            (
                Responses,
                r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}]}"#,
                one("input[0].encrypted_content", Responses),
            ),
            (
                ChatCompletions,
                r#"{"messages":[{"role":"assistant","reasoning_details":[{"type":"reasoning.text","text":"t"},{"type":"reasoning.encrypted","data":"d"}]}]}"#,
                one("messages[0].reasoning_details[1]", ChatCompletions),
            ),
            (
                GenerateContent,
                r#"{"contents":[{"parts":[{"text":"x"},{"functionCall":{"name":"f"},"thoughtSignature":"c2ln"}]}]}"#,
                one("contents[0].parts[1].thoughtSignature", GenerateContent),
            ),
            (Messages, r#"{"messages":[{"role":"user","content":"the word \"signature\""}]}"#, vec![]),
            (
                Messages,
                r#"{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":""}]}]}"#,
                one("messages[0].content[0]", Messages),
            ),
            (Messages, r#"{"signature"#, vec![]),
        ] {
            assert_eq!(paths(surface, body), want, "{body}");
        }
    }

    #[test]
    fn our_mark_says_who_issued_it() {
        let body = r#"{"messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"tg1.responses.e.openai.gAAA"}]}]}"#;
        let want = ("messages[0].content[0].data".to_owned(), Surface::Responses, Some("openai".to_owned()));
        assert_eq!(paths(Surface::Messages, body), [want]);
    }

    #[test]
    fn our_mark_is_found_in_gemini_clients_bytes_and_in_calls() {
        // base64 of "tg1.messages.s.anthropic.EqQB"
        let body = r#"{"contents":[{"parts":[{"text":"t","thought":true,"thoughtSignature":"dGcxLm1lc3NhZ2VzLnMuYW50aHJvcGljLkVxUUI="}]}]}"#;
        let want = (
            "contents[0].parts[0].thoughtSignature".to_owned(),
            Surface::Messages,
            Some("anthropic".to_owned()),
        );
        assert_eq!(paths(Surface::GenerateContent, body), [want]);
        let call = |data: &str| {
            format!(
                r#"{{"messages":[{{"role":"assistant","tool_calls":[{{"id":"c","extra_content":{{"google":{{"thought_signature":"{data}"}}}}}}]}}]}}"#
            )
        };
        let path = "messages[0].tool_calls[0].extra_content.google.thought_signature".to_owned();
        let want = (path.clone(), Surface::GenerateContent, Some("google".to_owned()));
        let marked = call("tg1.generate-content.s.google.CiQB");
        assert_eq!(paths(Surface::ChatCompletions, &marked), [want]);
        assert_eq!(paths(Surface::ChatCompletions, &call("CiQB")), []);
        let (stripped, lost) = strip_state(Surface::ChatCompletions, marked.as_bytes(), |_| true).unwrap();
        assert_eq!(lost, [path]);
        assert_eq!(
            String::from_utf8(stripped).unwrap(),
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"c"}]}]}"#
        );
    }

    #[test]
    fn claudes_signatures_have_a_form_of_their_own() {
        for (data, claude) in [
            ("EqQBCkYIBxgCIkAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1", true),
            ("EvYBCkYIBxgCIkAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1", true),
            ("EqQBCkYI", false),
            ("gAAAAABowMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWF", false),
            ("EXQBCkYIBxgCIkAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1", false),
        ] {
            let body = format!(
                r#"{{"messages":[{{"role":"assistant","content":[{{"type":"redacted_thinking","data":"{data}"}}]}}]}}"#
            );
            let found = bound_state(Surface::Messages, body.as_bytes());
            assert_eq!(found.first().map(|state| state.looks_like_claude), Some(claude), "{data}");
        }
    }

    #[test]
    fn what_is_stripped_is_named_and_the_rest_stays() {
        let body = r#"{"model":"m","x":1e3,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"redacted_thinking","data":"d"}]}]}"#;
        let (stripped, lost) = strip_state(Surface::Messages, body.as_bytes(), |_| true).unwrap();
        assert_eq!(lost, ["messages[0].content[0].signature", "messages[1].content[0].data"]);
        let want = r#"{"model":"m","x":1000.0,"messages":[{"role":"assistant","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"text","text":"(reasoning omitted)"}]}]}"#;
        assert_eq!(String::from_utf8(stripped).unwrap(), want);
        assert_eq!(strip_state(Surface::Messages, body.as_bytes(), |_| false), None);
    }

    #[test]
    fn a_turn_that_lost_its_thoughts_is_not_asked_for_more() {
        let body = |kind: &str| {
            format!(
                r#"{{"thinking":{{"type":"{kind}"}},"messages":[{{"role":"assistant","content":[{{"type":"thinking","thinking":"t","signature":"s"}},{{"type":"tool_use","id":"c"}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c"}}]}}]}}"#
            )
        };
        let (stripped, lost) = strip_state(Surface::Messages, body("enabled").as_bytes(), |_| true).unwrap();
        assert_eq!(lost, ["messages[0].content[0].signature", "thinking"]);
        assert!(!String::from_utf8(stripped).unwrap().contains("thinking"));
        let (_, lost) = strip_state(Surface::Messages, body("adaptive").as_bytes(), |_| true).unwrap();
        assert_eq!(lost, ["messages[0].content[0].signature"]);
    }
}
