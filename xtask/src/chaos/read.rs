//! What an answer says, in each dialect; strict, and on its own.

use super::client::Got;
use super::plan::Surface;
use serde_json::Value as Json;

/// An answer, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The text of the model.
    pub(crate) text: String,
    /// It was said that the answer is complete.
    pub(crate) finished: bool,
    /// The closing mark came: `[DONE]`, `message_stop`, `response.completed`.
    pub(crate) closed: bool,
    /// Errors, as texts.
    pub(crate) errors: Vec<String>,
    /// Something that counts came behind an error.
    pub(crate) behind_error: bool,
}

/// Reads an answer of 200.
pub(crate) fn read(got: &Got, surface: Surface) -> Result<Said, String> {
    let kind = got.header("content-type").unwrap_or("");
    if kind.starts_with("text/event-stream") {
        return stream(&got.body, surface);
    }
    let body: Json =
        serde_json::from_slice(&got.body).map_err(|why| format!("a body that is no JSON: {why}"))?;
    if !body.is_object() {
        return Err("a body that is no object".to_owned());
    }
    let mut said = Said { finished: true, closed: true, ..Said::default() };
    if body.get("error").is_some_and(|error| !error.is_null()) {
        said.errors.push(body.to_string());
        return Ok(said);
    }
    let at = match surface {
        Surface::Chat => "/choices/0/message/content",
        Surface::Messages => "/content/0/text",
        Surface::Responses => "/output/0/content/0/text",
        Surface::Embeddings => "/note",
    };
    let text = body.pointer(at).and_then(Json::as_str);
    said.text = text.ok_or_else(|| format!("a body without {at}"))?.to_owned();
    Ok(said)
}

/// Reads a stream of events (WHATWG HTML, section 9.2).
fn stream(body: &[u8], surface: Surface) -> Result<Said, String> {
    let text = std::str::from_utf8(body).map_err(|_| "a stream that is no text".to_owned())?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut said = Said::default();
    let mut data: Option<String> = None;
    let mut lines: Vec<&str> = text.split('\n').collect();
    // What is behind the last end of a line is no line, unless there is something.
    lines.pop_if(|rest| rest.is_empty());
    for line in lines {
        if line.is_empty() {
            if let Some(data) = data.take() {
                event(&data, surface, &mut said)?;
            }
        } else if let Some(value) = line.strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            data = Some(data.map_or_else(|| value.to_owned(), |before| format!("{before}\n{value}")));
        } else if !line.starts_with(':')
            && !line.trim().is_empty()
            && !["event:", "id:", "retry:"].iter().any(|field| line.starts_with(field))
        {
            return Err(format!("a line that is no field: {}", super::answers::short(line)));
        }
    }
    // An event that no blank line ends is dropped by readers: nothing may be lost so.
    match data {
        Some(rest) => Err(format!("an event without its end: {}", super::answers::short(&rest))),
        None => Ok(said),
    }
}

fn event(data: &str, surface: Surface, said: &mut Said) -> Result<(), String> {
    if data == "[DONE]" {
        said.behind_error |= !said.errors.is_empty();
        (said.closed, said.finished) = (true, true);
        return Ok(());
    }
    let shown = || super::answers::short(data);
    let event: Json =
        serde_json::from_str(data).map_err(|why| format!("an event that is no JSON ({why}): {}", shown()))?;
    let kind = event.get("type").and_then(Json::as_str).unwrap_or("");
    // What is behind the closing mark is nobody's any more.
    if said.closed {
        return Ok(());
    }
    said.behind_error |= !said.errors.is_empty();
    let failed = matches!(kind, "error" | "response.failed");
    if failed || event.get("error").is_some_and(|error| !error.is_null()) {
        said.errors.push(event.to_string());
        return Ok(());
    }
    let text = match (surface, kind) {
        (Surface::Chat | Surface::Embeddings, _) => {
            said.finished |=
                event.pointer("/choices/0/finish_reason").is_some_and(|reason| !reason.is_null());
            event.pointer("/choices/0/delta/content")
        }
        (Surface::Messages, "content_block_delta") => event.pointer("/delta/text"),
        (Surface::Messages, "message_delta") => {
            said.finished |= event.pointer("/delta/stop_reason").is_some_and(|reason| !reason.is_null());
            None
        }
        (Surface::Messages, "message_stop") | (Surface::Responses, "response.completed") => {
            (said.closed, said.finished) = (true, true);
            None
        }
        (Surface::Responses, "response.output_text.delta") => event.get("delta"),
        _ => None,
    };
    said.text.push_str(text.and_then(Json::as_str).unwrap_or(""));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_read_strictly() {
        let chunk =
            |text: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
        let good = [&chunk("a"), ": ping\r\n\r\n", &chunk("b"), "data: [DONE]\n\n", "data: {\"late\":1}\n\n"]
            .concat();
        let said = stream(good.as_bytes(), Surface::Chat).unwrap();
        assert_eq!((said.text.as_str(), said.closed, said.errors.len()), ("ab", true, 0));
        for bad in ["data: {\"a\":1}\n", "data: {\"a\n\n", "what\n\n", "data: {}data: {\"error\":{}}\n\n"] {
            assert!(stream(bad.as_bytes(), Surface::Chat).is_err(), "{bad}");
        }
        let error = "data: {\"error\":{\"message\":\"x\"}}\n\n";
        let said = stream([error, &chunk("a")].concat().as_bytes(), Surface::Chat).unwrap();
        assert!(said.behind_error && said.errors.len() == 1);
    }
}
