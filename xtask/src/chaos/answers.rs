//! Texts that say whose they are, and answers of providers that hold them.

use super::dice::sum;
use super::plan::Surface;
use bytes::Bytes;
use serde_json::{Value as Json, json};
use tollgate_mock::Good;

/// How a prompt begins: number, length and checksum of what follows.
const PROMPT: &str = "chaos:";
const PIECE: &str = "[r";

/// One piece of an answer: which request, which candidate, which piece; and a checksum.
pub(crate) fn piece(number: u64, candidate: usize, at: usize, length: usize) -> String {
    let body = format!("r{number:07}.c{candidate}.p{at:05}.{}é✓", "ab".repeat(length / 2));
    format!("[{body}:{:08x}]", sum(body.as_bytes()))
}

/// The pieces in a text: each must be this request's, whole, and in order from the first. Gives the candidate and how many.
pub(crate) fn pieces(text: &str, number: u64) -> Result<Option<(usize, usize)>, String> {
    let mut found = None;
    let mut rest = text;
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let Some((inner, behind)) = inner else { return Err(format!("not a piece: {}", short(rest))) };
        let (body, check) = inner.rsplit_once(':').unwrap_or((inner, ""));
        if check != format!("{:08x}", sum(body.as_bytes())) {
            return Err(format!("a piece that is spoilt: {}", short(inner)));
        }
        let mut fields = body.split('.');
        let mut field = |mark: char| fields.next().and_then(|f| f.strip_prefix(mark)?.parse::<u64>().ok());
        let (whose, candidate, at) = (field('r'), field('c'), field('p'));
        let (Some(whose), Some(candidate), Some(at)) = (whose, candidate, at) else {
            return Err(format!("a piece without its names: {}", short(inner)));
        };
        let (known, count) = found.unwrap_or((candidate, 0));
        if whose != number || candidate != known || at != count {
            return Err(format!("piece {count} of request {number} is {}", short(inner)));
        }
        found = Some((known, count + 1));
        rest = behind;
    }
    let small = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(found.map(|(candidate, count)| (small(candidate), small(count))))
}

/// A piece of another request anywhere in these bytes.
pub(crate) fn foreign(bytes: &[u8], number: u64) -> Option<String> {
    let own = format!("{PIECE}{number:07}.");
    let text = String::from_utf8_lossy(bytes);
    // What a client has read ends anywhere.
    let owned = |rest: &&str| rest.starts_with(&own) || own.starts_with(rest);
    let strange = |(at, _): (usize, &str)| text.get(at..).filter(|rest| !owned(rest)).map(short);
    text.match_indices(PIECE).find_map(strange)
}

/// The first characters of a text.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

/// A prompt that a server can check.
pub(crate) fn prompt(number: u64, length: usize) -> String {
    let text = format!("{number:07} ").repeat(length / 8 + 1);
    format!("{PROMPT}{number:07}:{}:{:08x}:{text}", text.len(), sum(text.as_bytes()))
}

/// The number of the request that a body's prompt belongs to.
pub(crate) fn number_in(body: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(body.get(..body.len().min(2048))?).into_owned();
    text.split_once(PROMPT)?.1.get(..7)?.parse().ok()
}

/// Whether a body holds the whole prompt of this request.
pub(crate) fn prompt_is_whole(body: &[u8], number: u64) -> bool {
    let text = String::from_utf8_lossy(body);
    let Some((_, rest)) = text.split_once(PROMPT) else { return false };
    let mut fields = rest.splitn(4, ':');
    let (whose, length, check) = (fields.next(), fields.next(), fields.next());
    let length = length.and_then(|length| length.parse::<usize>().ok());
    let Some((length, padding)) = length.zip(fields.next()) else { return false };
    let padding = padding.get(..length).unwrap_or("");
    whose == Some(&format!("{number:07}")) && check == Some(&format!("{:08x}", sum(padding.as_bytes())))
}

/// The body of a client's request.
pub(crate) fn request(surface: Surface, stream: bool, models: &[String], prompt: &str) -> Vec<u8> {
    // What identifies the request comes first, so that a server knows it early.
    let said = match surface {
        Surface::Chat | Surface::Messages => {
            format!("\"messages\":[{{\"role\":\"user\",\"content\":\"{prompt}\"}}],\"max_tokens\":64")
        }
        Surface::Responses | Surface::Embeddings => format!("\"input\":\"{prompt}\""),
    };
    let stream = if surface == Surface::Embeddings { String::new() } else { format!(",\"stream\":{stream}") };
    format!("{{{said},\"models\":{}{stream}}}", json!(models)).into_bytes()
}

/// A good answer of a provider that is asked in this API.
pub(crate) fn good(surface: Surface, stream: bool, pieces: &[String]) -> Good {
    if stream {
        return streamed(surface, pieces);
    }
    let text = pieces.concat();
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12});
    let body = match surface {
        Surface::Chat => json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": usage}),
        Surface::Messages => json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 5, "output_tokens": 7}}),
        Surface::Responses => response(&text, "completed"),
        Surface::Embeddings => json!({"object": "list", "model": "m", "note": text,
            "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -1.5]}],
            "usage": {"prompt_tokens": 5, "total_tokens": 5}}),
    };
    let body = Bytes::from(body.to_string());
    Good { kind: "application/json", parts: vec![body], content: 0..1, stream: false }
}

fn response(text: &str, status: &str) -> Json {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m",
        "output": [{"type": "message", "id": "msg_1", "status": status, "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}],
        "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}})
}

/// The events before the content, how a piece of content is written, and the events behind.
type Events = (Vec<Json>, fn(&str) -> Json, Vec<Json>);

fn streamed(surface: Surface, pieces: &[String]) -> Good {
    let (before, each, after): Events = match surface {
        Surface::Messages => (
            vec![
                json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
                    "model": "m", "content": [], "stop_reason": null, "usage": {"input_tokens": 5, "output_tokens": 1}}}),
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                json!({"type": "ping"}),
            ],
            |text| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
            vec![
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                    "usage": {"output_tokens": 7}}),
                json!({"type": "message_stop"}),
            ],
        ),
        Surface::Responses => (
            vec![
                json!({"type": "response.created", "response": response("", "in_progress")}),
                json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message",
                    "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}}),
                json!({"type": "response.content_part.added", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}}),
            ],
            |text| {
                json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "delta": text})
            },
            vec![json!({"type": "response.completed", "response": response(&pieces.concat(), "completed")})],
        ),
        Surface::Chat | Surface::Embeddings => (
            vec![chunk(&json!({"role": "assistant", "content": ""}), Json::Null)],
            |text| chunk(&json!({"content": text}), Json::Null),
            vec![
                chunk(&json!({}), json!("stop")),
                json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
                    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}),
            ],
        ),
    };
    let content = before.len()..before.len() + pieces.len();
    let events = before.into_iter().chain(pieces.iter().map(|piece| each(piece))).chain(after);
    let mut parts: Vec<Bytes> = events.map(|event| Bytes::from(framed(&event))).collect();
    if surface == Surface::Chat {
        parts.push(Bytes::from_static(b"data: [DONE]\n\n"));
    }
    Good { kind: "text/event-stream", parts, content, stream: true }
}

fn chunk(delta: &Json, finish: Json) -> Json {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn framed(event: &Json) -> String {
    match event.get("type").and_then(Json::as_str) {
        Some(name) => format!("event: {name}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_of_one_request_whole_and_in_order() {
        let all: Vec<String> = (0..3).map(|at| piece(7, 1, at, 10)).collect();
        assert_eq!(pieces(&all.concat(), 7), Ok(Some((1, 3))));
        assert_eq!(pieces("", 7), Ok(None));
        for bad in [
            all.concat().replace("ab", "ac"),
            all[1].clone(),
            format!("{}{}", all[0], piece(8, 1, 1, 10)),
            format!("{}{}", all[0], piece(7, 0, 1, 10)),
            all.concat()[..50].to_owned(),
        ] {
            assert!(pieces(&bad, 7).is_err(), "{bad}");
        }
        assert!(pieces(&all.concat(), 8).is_err());
        assert!(foreign(all.concat().as_bytes(), 7).is_none());
        assert!(foreign(b"...[r00", 7).is_none() && foreign(b"...[r1", 7).is_some());
        assert!(foreign(format!("x{}", all[2]).as_bytes(), 8).is_some());
    }

    #[test]
    fn prompts_are_known_by_their_beginning_and_checked_to_their_end() {
        let body = request(Surface::Chat, true, &["a:m".to_owned()], &prompt(42, 3000));
        serde_json::from_slice::<Json>(&body).unwrap();
        assert_eq!(number_in(&body[..200]), Some(42));
        assert!(prompt_is_whole(&body, 42) && !prompt_is_whole(&body, 43));
        assert!(!prompt_is_whole(&body[..2000], 42));
    }
}
