//! Orders in a prompt: the same words make every provider do the same, whatever dialect they arrive in.
//!
//! | in the last text of the user | what the answer is |
//! |---|---|
//! | `[[tool NAME {..}]]` | a call of that tool, if the request has it and no result came last |
//! | `[[tools NAME {..}; NAME {..}]]` | parallel calls |
//! | `[[think TEXT]]` | reasoning before the answer, shown where the request asks for it |
//! | `[[refuse TEXT]]` | a refusal in the API's own way |
//! | `[[json {..}]]` | this JSON; with words around it unless the request asks for JSON, as the arguments of a tool where one is demanded |
//! | `[[say TEXT]]` | this text |
//! | `[[see]]` | a list of the pictures and files that arrived |
//! | `[[cut]]` | the answer ends at its limit of tokens |
//! | `[[error STATUS TEXT]]` | the provider's error of this status |
//!
//! After a tool's result the answer is `The tools said: ` and the results.

use crate::request::ToolCall;
use serde_json::{Deserializer, Value};

/// What a prompt orders.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Orders {
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) think: Option<String>,
    pub(crate) refuse: Option<String>,
    pub(crate) json: Option<String>,
    pub(crate) say: Option<String>,
    pub(crate) see: bool,
    pub(crate) cut: bool,
    pub(crate) error: Option<(u16, Option<String>)>,
}

/// Reads the orders of a prompt. What is no order is no matter.
pub(crate) fn orders(prompt: &str) -> Orders {
    let mut orders = Orders::default();
    let mut rest = prompt;
    while let Some((_, after)) = rest.split_once("[[") {
        let end = after.find(|c: char| c.is_whitespace() || c == ']').unwrap_or(after.len());
        let (word, body) = after.split_at(end);
        rest = body;
        let text = body.split("]]").next().unwrap_or_default().trim().to_owned();
        match word {
            "tool" | "tools" => orders.calls.extend(calls(body)),
            "think" => orders.think = Some(text),
            "refuse" => {
                orders.refuse = Some(if text.is_empty() { "I can't help with that.".into() } else { text })
            }
            "json" => orders.json = value(body).map(|(json, _)| json.to_string()),
            "say" => orders.say = Some(text),
            "see" => orders.see = true,
            "cut" => orders.cut = true,
            "error" => orders.error = error(&text),
            _ => {}
        }
    }
    orders
}

/// `NAME {..}; NAME {..}]]`
fn calls(mut body: &str) -> Vec<ToolCall> {
    let mut calls = Vec::new();
    while let Some((name, after)) = body.trim_start().split_once(' ')
        && let Some((arguments, left)) = value(after)
    {
        calls.push(ToolCall { name: name.to_owned(), arguments });
        let Some(next) = left.trim_start().strip_prefix(';') else { break };
        body = next;
    }
    calls
}

/// The JSON value a text begins with, and what follows it.
fn value(text: &str) -> Option<(Value, &str)> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

fn error(text: &str) -> Option<(u16, Option<String>)> {
    let (status, message) = text.split_once(' ').unwrap_or((text, ""));
    Some((status.parse().ok()?, (!message.is_empty()).then(|| message.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_order() {
        let text = "Hi [[think a b]] [[tool f {\"a\": [[1]]}]] [[json {\"x\":[[2]]}]] [[say so]] [[see]] [[cut]] \
                    [[error 429 slow down]] [[refuse]] [[what]] [[";
        let orders = orders(text);
        assert_eq!(orders.calls, [ToolCall { name: "f".into(), arguments: json!({"a": [[1]]}) }]);
        assert_eq!((orders.think.as_deref(), orders.say.as_deref()), (Some("a b"), Some("so")));
        assert_eq!(orders.json.as_deref(), Some("{\"x\":[[2]]}"));
        assert!(orders.see && orders.cut);
        assert_eq!(orders.error, Some((429, Some("slow down".into()))));
        assert_eq!(orders.refuse.as_deref(), Some("I can't help with that."));
    }

    #[test]
    fn parallel_calls() {
        let orders = orders("[[tools f {\"a\":1}; g {}]] and [[error 503]]");
        let names: Vec<_> = orders.calls.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["f", "g"]);
        assert_eq!(orders.error, Some((503, None)));
        assert_eq!(super::orders("no orders ]] here"), Orders::default());
    }
}
