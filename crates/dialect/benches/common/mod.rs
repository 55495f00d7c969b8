//! What is measured: one conversation in the words of each dialect, and one answer as each provider streams it.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says so")]

use bytes::Bytes;
use std::hint::black_box;
use tollgate_dialect::{
    AnswerContext, Conversation, Edits, Frame, Peek, Splitter, StreamTranslator, Surface, Target, Thinking,
    edit, peek,
};

/// Text events of a stream.
pub(crate) const EVENTS: usize = 200;

/// Dialects of clients, each with the same request of 2 KB: instructions, three turns of the user, a call and its
/// result, two tools.
pub(crate) const REQUESTS: [(Surface, &str); 4] = [
    (Surface::ChatCompletions, include_str!("../data/chat.json")),
    (Surface::Responses, include_str!("../data/responses.json")),
    (Surface::Messages, include_str!("../data/messages.json")),
    (Surface::GenerateContent, include_str!("../data/gemini.json")),
];

/// What the answer says, over and over: as much as comes in one event, with what JSON must escape now and then.
const WORDS: [&str; 8] =
    [" the", " forecast", " says", " \"mostly dry\"", ",", " with", " a little rain on Sunday", ".\n"];

/// The request of a dialect.
#[must_use]
pub(crate) fn request(surface: Surface) -> &'static [u8] {
    let found = REQUESTS.iter().find(|(known, _)| *known == surface);
    found.expect("a client's dialect").1.as_bytes()
}

/// Reads a request of one dialect and writes it in another.
pub(crate) fn translate_request(from: Surface, to: Surface, body: &[u8]) {
    let mut conversation = Conversation::read(from, body).expect("the request is right");
    if from == Surface::GenerateContent {
        conversation.named("gemini-2.5-flash", true);
    }
    let target = Target {
        surface: to,
        provider: "provider",
        model: "some-model-1",
        extensions: &[],
        max_output_tokens: Some(32_000),
        thinking: Thinking::Usual,
        strip_state: false,
        completion_tokens: false,
    };
    let written = conversation.write(&target).expect("the target takes it");
    assert_eq!(written.lost, Vec::<String>::new(), "the conversation is one that every dialect can say");
    black_box(written.body);
}

/// What a provider streams, as frames.
#[must_use]
pub(crate) fn frames(surface: Surface) -> Vec<Frame> {
    split(&stream(surface))
}

/// Cuts a stream into frames.
pub(crate) fn split(bytes: &Bytes) -> Vec<Frame> {
    let mut splitter = Splitter::new();
    let mut frames = Vec::with_capacity(EVENTS + 16);
    // As it comes from a socket.
    for piece in 0..bytes.len().div_ceil(4096) {
        splitter.feed(bytes.slice(piece * 4096..bytes.len().min((piece + 1) * 4096)));
        while let Some(frame) = splitter.next() {
            frames.push(frame);
        }
    }
    frames.extend(splitter.finish());
    frames
}

/// Decodes and encodes a whole stream.
pub(crate) fn translate_stream(from: Surface, to: Surface, frames: &[Frame], out: &mut Vec<u8>) {
    let context = AnswerContext {
        surface: to,
        provider: "provider",
        model: "some-model-1",
        id: "0123456789abcdef",
        now: 1_790_000_000,
        include_usage: true,
    };
    let mut translator = StreamTranslator::new(from, &context);
    for frame in frames {
        // The gateway sends what it has after each read, so the buffer is a small one that is used again.
        out.clear();
        translator.frame(frame, out).expect("the stream is right");
        black_box(&out);
    }
    out.clear();
    translator.finish(out);
    black_box(&out);
}

/// The stream of a provider, with [`EVENTS`] events of text.
#[must_use]
pub(crate) fn stream(surface: Surface) -> Bytes {
    let texts = WORDS.iter().cycle().take(EVENTS);
    let texts = texts.map(|word| serde_json::to_string(word).expect("a text"));
    let event = |name: &str, data: String| {
        if name.is_empty() { format!("data: {data}\n\n") } else { format!("event: {name}\ndata: {data}\n\n") }
    };
    let whole: String = match surface {
        Surface::Responses => responses(texts, event),
        Surface::Messages => messages(texts, event),
        Surface::GenerateContent => gemini(texts, event),
        Surface::Converse => converse(texts, event),
        _ => chat(texts, event),
    };
    Bytes::from(whole)
}

fn chat(texts: impl Iterator<Item = String>, event: impl Fn(&str, String) -> String) -> String {
    let chunk = |rest: &str| {
        let head = r#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4.1-mini-2025-04-14","service_tier":"default","system_fingerprint":"fp_06737a9306","#;
        event("", format!("{head}{rest}}}"))
    };
    let choice = |delta: &str, reason: &str| {
        chunk(&format!(
            r#""choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}]"#
        ))
    };
    let mut all = choice(r#"{"role":"assistant","content":"","refusal":null}"#, "null");
    all.extend(texts.map(|text| choice(&format!(r#"{{"content":{text}}}"#), "null")));
    all.push_str(&choice("{}", "\"stop\""));
    all.push_str(&chunk(
        r#""choices":[],"usage":{"prompt_tokens":512,"completion_tokens":200,"total_tokens":712,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}"#,
    ));
    all.push_str("data: [DONE]\n\n");
    all
}

fn responses(texts: impl Iterator<Item = String>, event: impl Fn(&str, String) -> String) -> String {
    const ITEM: &str = "msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4eb0eb5c";
    let mut number = 0;
    let mut next = |kind: &str, rest: &str| {
        let data = format!(r#"{{"type":"{kind}","sequence_number":{number},{rest}}}"#);
        number += 1;
        event(kind, data)
    };
    let response = |status: &str, usage: &str| {
        format!(
            r#""response":{{"id":"resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4eb0eb5c","object":"response","created_at":1741290958,"status":"{status}","error":null,"incomplete_details":null,"model":"gpt-4.1-mini-2025-04-14","output":[],"usage":{usage}}}"#
        )
    };
    let mut all = next("response.created", &response("in_progress", "null"));
    all.push_str(&next("response.in_progress", &response("in_progress", "null")));
    let item = format!(
        r#""output_index":0,"item":{{"id":"{ITEM}","type":"message","status":"in_progress","role":"assistant","content":[]}}"#
    );
    all.push_str(&next("response.output_item.added", &item));
    let part = format!(
        r#""item_id":"{ITEM}","output_index":0,"content_index":0,"part":{{"type":"output_text","text":"","annotations":[]}}"#
    );
    all.push_str(&next("response.content_part.added", &part));
    for text in texts {
        let delta = format!(
            r#""item_id":"{ITEM}","output_index":0,"content_index":0,"delta":{text},"logprobs":[],"obfuscation":"a8Qm2xY""#
        );
        all.push_str(&next("response.output_text.delta", &delta));
    }
    let usage = r#"{"input_tokens":512,"input_tokens_details":{"cached_tokens":0},"output_tokens":200,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":712}"#;
    all.push_str(&next("response.completed", &response("completed", usage)));
    all
}

fn messages(texts: impl Iterator<Item = String>, event: impl Fn(&str, String) -> String) -> String {
    let mut all = event(
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","content":[],"model":"claude-sonnet-4-5-20250929","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":512,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#.to_owned(),
    );
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    all.push_str(&event("content_block_start", start.to_owned()));
    for text in texts {
        let data = format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{text}}}}}"#
        );
        all.push_str(&event("content_block_delta", data));
    }
    all.push_str(&event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#.to_owned()));
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":200}}"#;
    all.push_str(&event("message_delta", end.to_owned()));
    all.push_str(&event("message_stop", r#"{"type":"message_stop"}"#.to_owned()));
    all
}

fn gemini(texts: impl Iterator<Item = String>, event: impl Fn(&str, String) -> String) -> String {
    let chunk = |text: &str, reason: &str, tokens: usize| {
        let usage = format!(
            r#"{{"promptTokenCount":512,"candidatesTokenCount":{tokens},"totalTokenCount":{},"promptTokensDetails":[{{"modality":"TEXT","tokenCount":512}}]}}"#,
            512 + tokens
        );
        event(
            "",
            format!(
                r#"{{"candidates":[{{"content":{{"parts":[{{"text":{text}}}],"role":"model"}}{reason},"index":0}}],"usageMetadata":{usage},"modelVersion":"gemini-2.5-flash","responseId":"mAitaLmkHPPlz7IPvtfUqQ4"}}"#
            ),
        )
    };
    let mut all: String = texts.zip(1..).map(|(text, tokens)| chunk(&text, "", tokens)).collect();
    all.push_str(&chunk("\"\"", r#","finishReason":"STOP""#, 200));
    all
}

fn converse(texts: impl Iterator<Item = String>, event: impl Fn(&str, String) -> String) -> String {
    let mut all = event("messageStart", r#"{"p":"abcdefghijkl","role":"assistant"}"#.to_owned());
    for text in texts {
        let data =
            format!(r#"{{"contentBlockIndex":0,"delta":{{"text":{text}}},"p":"abcdefghijklmnopqrstuv"}}"#);
        all.push_str(&event("contentBlockDelta", data));
    }
    all.push_str(&event("contentBlockStop", r#"{"contentBlockIndex":0,"p":"abcdefgh"}"#.to_owned()));
    all.push_str(&event("messageStop", r#"{"p":"abcdefghijklm","stopReason":"end_turn"}"#.to_owned()));
    let end = r#"{"metrics":{"latencyMs":2100},"p":"abcdef","usage":{"inputTokens":512,"outputTokens":200,"totalTokens":712}}"#;
    all.push_str(&event("metadata", end.to_owned()));
    all
}

/// A body that was looked at, as the gateway has it before an attempt.
#[must_use]
pub(crate) fn peeked() -> (Bytes, Peek) {
    let body = Bytes::from_static(request(Surface::ChatCompletions));
    let seen = peek(&body).expect("the request is right");
    (body, seen)
}

/// Another model's name, and usage asked for: what almost every attempt changes.
pub(crate) fn splice(body: &Bytes, seen: &Peek) {
    let edits = Edits {
        model: Some("some-model-1"),
        remove_models: true,
        include_usage: true,
        ..Edits::none(Surface::ChatCompletions)
    };
    black_box(edit(body, seen, &edits));
}
