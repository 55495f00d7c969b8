//! What a model said, read from the chat completion the gateway delivered.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::Duration;
use tollgate_dialect::{FrameKind, Splitter, StreamReader, Surface, inspect_error};
use tollgate_edge::direct::Delivery;

/// An answer in words.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// What it says; calls of tools in brackets.
    pub(super) text: String,
    /// Why it ended.
    pub(super) finish_reason: Option<String>,
    /// When the first content came: text, a call or a thought. Streams only.
    pub(super) first: Option<Duration>,
    /// Whether thoughts were shown, so that they are part of what could be watched.
    pub(super) thoughts: bool,
    /// What went wrong.
    pub(super) error: Option<String>,
}

/// Reads what was delivered.
pub(super) fn read(delivery: &Delivery) -> Answer {
    let Some(status) = delivery.status else {
        let error = Some("no rule of the policy answered the request".to_owned());
        return Answer { error, ..Answer::default() };
    };
    let kind = delivery.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut answer =
        if kind.starts_with("text/event-stream") { stream(delivery) } else { whole(delivery, status) };
    if delivery.cut {
        answer.error = Some("the answer is too long".to_owned());
    }
    answer
}

fn whole(delivery: &Delivery, status: StatusCode) -> Answer {
    let body: Vec<u8> = delivery.parts.iter().flat_map(|part| &part.data).copied().collect();
    let parsed: Json = serde_json::from_slice(&body).unwrap_or_default();
    if !status.is_success() || parsed.get("choices").is_none() {
        let error = if status.is_success() {
            "the answer is no chat completion".to_owned()
        } else {
            // Whole where it is the gateway's own; providers have other forms as well, such as Google's list.
            let said = parsed.pointer("/error/message").and_then(Json::as_str).map(str::to_owned);
            let said = said.unwrap_or_else(|| inspect_error(&body).message);
            format!("status {}: {said}", status.as_u16())
        };
        return Answer { error: Some(error), ..Answer::default() };
    }
    let mut words = Words::default();
    words.choice(parsed.pointer("/choices/0"), "message");
    words.answer()
}

fn stream(delivery: &Delivery) -> Answer {
    let (mut splitter, mut reader) = (Splitter::new(), StreamReader::new(Surface::ChatCompletions));
    let (mut words, mut first, mut error) = (Words::default(), None, None);
    let mut take = |splitter: &mut Splitter, after: Duration, last: bool| {
        let rest = |splitter: &mut Splitter| if last { splitter.finish() } else { None };
        while let Some(frame) = splitter.next().or_else(|| rest(splitter)) {
            match reader.read(&frame) {
                FrameKind::Content => first = first.or(Some(after)),
                FrameKind::Error(said) => error = Some(said.message),
                _ => {}
            }
            let parsed: Json = serde_json::from_slice(&frame.data()).unwrap_or_default();
            words.choice(parsed.pointer("/choices/0"), "delta");
        }
    };
    for part in &delivery.parts {
        splitter.feed(part.data.clone());
        take(&mut splitter, part.after, false);
    }
    take(&mut splitter, delivery.took, true);
    if error.is_none() && !reader.finished() {
        error = Some("the answer broke off".to_owned());
    }
    Answer { first, error, ..words.answer() }
}

/// The parts of an answer as they come.
#[derive(Default)]
struct Words {
    text: String,
    /// Name and arguments of calls, by their place.
    calls: BTreeMap<u64, (String, String)>,
    finish_reason: Option<String>,
    thoughts: bool,
}

impl Words {
    /// Adds what a choice has, under `message` or `delta`.
    fn choice(&mut self, choice: Option<&Json>, name: &str) {
        let Some(choice) = choice else { return };
        let said = |value: &Json| value.as_str().is_some_and(|text| !text.is_empty());
        let message = &choice[name];
        match &message["content"] {
            Json::Array(parts) => {
                parts
                    .iter()
                    .filter_map(|part| part["text"].as_str())
                    .for_each(|text| self.text.push_str(text));
            }
            content => self.text.push_str(content.as_str().unwrap_or("")),
        }
        self.text.push_str(message["refusal"].as_str().unwrap_or(""));
        self.thoughts |=
            ["reasoning", "reasoning_content", "thinking"].iter().any(|name| said(&message[*name]))
                || message["reasoning_details"].as_array().is_some_and(|details| !details.is_empty());
        for (at, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let at = call["index"].as_u64().unwrap_or(at as u64);
            let (name, arguments) = self.calls.entry(at).or_default();
            let part = |path: &str| call.pointer(path).and_then(Json::as_str).unwrap_or("");
            name.push_str(part("/function/name"));
            arguments.push_str(part("/function/arguments"));
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish_reason = Some(reason.to_owned());
        }
    }

    fn answer(self) -> Answer {
        let mut text = self.text;
        for (name, arguments) in self.calls.values() {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("[calls {name}({arguments})]"));
        }
        Answer { text, finish_reason: self.finish_reason, thoughts: self.thoughts, ..Answer::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};
    use tollgate_edge::direct::Part;
    use tollgate_edge::exchange::Record;

    fn delivery(kind: &'static str, status: u16, parts: &[(u64, &str)]) -> Delivery {
        let part = |(ms, data): &(u64, &str)| Part {
            after: Duration::from_millis(*ms),
            data: Bytes::copy_from_slice(data.as_bytes()),
        };
        Delivery {
            status: StatusCode::from_u16(status).ok(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]),
            parts: parts.iter().map(part).collect(),
            cut: false,
            took: Duration::from_millis(900),
            record: Record::default(),
        }
    }

    fn stream_of(parts: &[(u64, &str)]) -> Answer {
        read(&delivery("text/event-stream; charset=utf-8", 200, parts))
    }

    #[test]
    fn the_first_token_is_the_first_content_however_it_is_cut() {
        let answer = stream_of(&[
            (10, ": PROCESSING\n\n"),
            (20, "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"),
            (30, "data: {\"choices\":[{\"delta\":{\"con"),
            (
                40,
                "tent\":\"Hel\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n",
            ),
            (50, "data: [DONE]\n\n"),
        ]);
        assert_eq!((answer.text.as_str(), answer.first), ("Hello", Some(Duration::from_millis(40))));
        assert_eq!((answer.finish_reason.as_deref(), answer.error), (Some("stop"), None));
    }

    #[test]
    fn thoughts_count_as_content_and_are_not_the_answer() {
        let answer = stream_of(&[
            (5, "data: {\"choices\":[{\"delta\":{\"reasoning\":\"Hm\"}}]}\n\n"),
            (9, "data: {\"choices\":[{\"delta\":{\"content\":\"A\"},\"finish_reason\":\"stop\"}]}\n\n"),
        ]);
        assert_eq!(
            (answer.text.as_str(), answer.first, answer.thoughts),
            ("A", Some(Duration::from_millis(5)), true)
        );
    }

    #[test]
    fn calls_of_tools_are_shown() {
        let answer = stream_of(&[
            (
                1,
                "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n",
            ),
            (
                2,
                "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
            ),
        ]);
        assert_eq!(answer.text, "[calls f({\"a\":1})]");
        let body = "{\"choices\":[{\"message\":{\"content\":\"One moment\",\"tool_calls\":[{\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}}]}";
        assert_eq!(read(&delivery("application/json", 200, &[(1, body)])).text, "One moment\n[calls g({})]");
    }

    #[test]
    fn what_breaks_off_keeps_what_came() {
        let said = "data: {\"choices\":[{\"delta\":{\"content\":\"Hal\"}}]}\n\n";
        let answer = stream_of(&[(1, said), (2, "data: {\"error\":{\"message\":\"broke\"}}\n\n")]);
        assert_eq!((answer.text.as_str(), answer.error.as_deref()), ("Hal", Some("broke")));
        assert!(stream_of(&[(1, said)]).error.is_some_and(|why| why.contains("broke off")));
    }

    #[test]
    fn errors_are_told_with_their_status() {
        let error =
            |kind, status, body| read(&delivery(kind, status, &[(1, body)])).error.unwrap_or_default();
        let body = "{\"error\":{\"message\":\"ERR_NGROK_3804: no\"}}";
        assert_eq!(error("application/json", 422, body), "status 422: ERR_NGROK_3804: no");
        let list = "[{\"error\":{\"code\":503,\"message\":\"overloaded\"}}]";
        assert_eq!(error("application/json", 503, list), "status 503: overloaded");
        assert!(error("text/html", 502, "<title>Bad</title>").starts_with("status 502: "));
        assert!(error("application/json", 200, "{}").contains("no chat completion"));
        let nobody = Delivery { status: None, ..delivery("", 200, &[]) };
        assert!(read(&nobody).error.is_some_and(|why| why.contains("no rule")));
    }
}
