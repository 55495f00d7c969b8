//! What holds for every pair of dialects.

mod names;

use super::*;
use crate::{Frame, Splitter};
use bytes::Bytes;
use std::time::Duration;

/// Calls, results, tools and unknown members of one body: what takes a second is a minute and more if each looks
/// through all others.
const MANY: usize = 30_000;
/// All of it, without optimisation, on a slow machine.
const LONGEST: Duration = Duration::from_secs(20);

/// Processor time this thread has used: other work of the machine does not count. Elsewhere than on Linux, nothing is
/// measured.
fn busy() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn target(surface: Surface) -> Target<'static> {
    Target {
        surface,
        provider: "p",
        model: "m",
        extensions: &[],
        max_output_tokens: None,
        thinking: Thinking::Usual,
        strip_state: true,
        completion_tokens: false,
    }
}

fn context(surface: Surface) -> AnswerContext<'static> {
    AnswerContext { surface, provider: "p", model: "m", id: "i", now: 0, include_usage: true }
}

fn list(item: impl Fn(usize) -> String) -> String {
    (0..MANY).map(item).collect::<Vec<_>>().join(",")
}

/// A conversation with very many calls and results in each dialect; results are in the opposite order.
fn calls() -> [(Surface, String); 5] {
    let turned = |at: usize| MANY - 1 - at;
    [
        (
            Surface::ChatCompletions,
            format!(
                r#"{{"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","tool_calls":[{}]}},{}]}}"#,
                list(|at| format!(
                    r#"{{"id":"c{at}","type":"function","function":{{"name":"f{at}","arguments":""}}}}"#
                )),
                list(|at| format!(r#"{{"role":"tool","tool_call_id":"c{}","content":"r"}}"#, turned(at))),
            ),
        ),
        (
            Surface::Responses,
            format!(
                r#"{{"input":[{{"role":"user","content":"x"}},{},{}]}}"#,
                list(|at| format!(
                    r#"{{"type":"custom_tool_call","call_id":"c{at}","name":"f{at}","input":"x"}}"#
                )),
                list(|at| format!(
                    r#"{{"type":"function_call_output","call_id":"c{}","output":"r"}}"#,
                    turned(at)
                )),
            ),
        ),
        (
            Surface::Messages,
            format!(
                r#"{{"max_tokens":9,"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":[{}]}},{{"role":"user","content":[{}]}}]}}"#,
                list(|at| format!(r#"{{"type":"tool_use","id":"c{at}","name":"f{at}","input":{{}}}}"#)),
                list(|at| format!(r#"{{"type":"tool_result","tool_use_id":"c{}"}}"#, turned(at))),
            ),
        ),
        (
            Surface::GenerateContent,
            format!(
                r#"{{"contents":[{{"parts":[{{"text":"x"}}]}},{{"role":"model","parts":[{}]}},{{"parts":[{}]}}]}}"#,
                list(|_| r#"{"functionCall":{"name":"f"}}"#.to_owned()),
                list(|_| r#"{"functionResponse":{"name":"f"}}"#.to_owned()),
            ),
        ),
        (
            Surface::Converse,
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"text":"x"}}]}},{{"role":"assistant","content":[{}]}},{{"role":"user","content":[{}]}}]}}"#,
                list(|at| format!(r#"{{"toolUse":{{"toolUseId":"c{at}","name":"f{at}","input":{{}}}}}}"#)),
                list(|at| format!(r#"{{"toolResult":{{"toolUseId":"c{}","content":[]}}}}"#, turned(at))),
            ),
        ),
    ]
}

#[test]
fn many_calls_take_no_longer_than_they_are_long() {
    let started = busy();
    for (from, body) in calls() {
        let conversation = Conversation::read(from, body.as_bytes()).unwrap();
        for to in Surface::CONVERSATIONS {
            let written = conversation.write(&target(to)).unwrap();
            assert!(written.lost.len() <= lost::MOST + 1);
            let pair = format!("{} to {}", from.name(), to.name());
            assert!(busy() - started < LONGEST, "{pair}: {:?}", busy() - started);
        }
    }
}

#[test]
fn members_nobody_knows_are_named_up_to_a_limit() {
    let started = busy();
    let unknown = list(|at| format!(r#""unknown{at}":1,"temperature":0"#));
    let body = format!(r#"{{"messages":[{{"role":"user","content":"x",{unknown}}}],{unknown}}}"#);
    let conversation = Conversation::read(Surface::ChatCompletions, body.as_bytes()).unwrap();
    for to in Surface::CONVERSATIONS {
        let lost = conversation.write(&target(to)).unwrap().lost;
        assert_eq!(lost.len(), lost::MOST + 1, "{}", to.name());
        assert_eq!(lost.last().map(String::as_str), Some("..."));
        assert!(busy() - started < LONGEST, "{}: {:?}", to.name(), busy() - started);
    }
}

fn frames(stream: String) -> Vec<Frame> {
    let mut splitter = Splitter::new();
    splitter.feed(Bytes::from(stream));
    let mut frames: Vec<Frame> = std::iter::from_fn(|| splitter.next()).collect();
    frames.extend(splitter.finish());
    frames
}

/// Streams of a provider that means no good, each with what is said of it.
fn hostile() -> [(Surface, String, Option<&'static str>); 5] {
    let event = |name: &str, data: String| format!("event: {name}\ndata: {data}\n\n");
    let all = |event: &dyn Fn(usize) -> String| (0..MANY).map(event).collect::<String>();
    let block = |at: usize| {
        let block =
            format!(r#"{{"index":{at},"content_block":{{"type":"tool_use","id":"c{at}","name":"f"}}}}"#);
        event("content_block_start", block)
    };
    let converse = |at: usize| {
        let start =
            format!(r#"{{"contentBlockIndex":{at},"start":{{"toolUse":{{"toolUseId":"c","name":"f"}}}}}}"#);
        event("contentBlockStart", start)
    };
    let item = |at: usize| {
        let item =
            format!(r#"{{"output_index":{at},"item":{{"type":"reasoning","encrypted_content":"x"}}}}"#);
        event("response.output_item.done", item)
    };
    [
        (Surface::Messages, all(&block), Some("'index' is of more than 256 blocks that never ended")),
        (
            Surface::Converse,
            all(&converse),
            Some("'contentBlockIndex' is of more than 256 blocks that never ended"),
        ),
        (Surface::Responses, all(&item), Some("'output' has more than 4096 items")),
        (
            Surface::GenerateContent,
            all(&|at| format!("data: {{\"candidates\":[{{\"index\":{at}}}]}}\n\n")),
            Some("'candidates[].index' must be below 128"),
        ),
        (Surface::Converse, all(&|at| event(&format!("unknown{at}"), "{}".to_owned())), None),
    ]
}

#[test]
fn a_stream_that_opens_and_never_closes_is_ended() {
    for (from, stream, want) in hostile() {
        let frames = frames(stream);
        for to in Surface::CONVERSATIONS.into_iter().filter(|to| *to != Surface::Converse) {
            let mut translator = StreamTranslator::new(from, &context(to));
            let mut out = Vec::new();
            let result = frames.iter().try_for_each(|frame| translator.frame(frame, &mut out));
            assert_eq!(result.err().map(|error| error.to_string()).as_deref(), want, "{}", from.name());
            assert!(translator.lost().len() <= lost::MOST + 1);
        }
    }
}

#[test]
fn a_part_that_a_stream_has_no_form_for_is_named() {
    let sound =
        r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"KIND","data":"AAAA"}}]}}]}"#;
    for (media_type, to, want) in [
        ("video/mp4", Surface::ChatCompletions, &["choices[0] (video)"][..]),
        ("application/pdf", Surface::ChatCompletions, &["choices[0] (document)"]),
        ("audio/wav", Surface::Responses, &["choices[0] (audio)"]),
        ("video/mp4", Surface::Responses, &["choices[0] (video)"]),
        ("image/png", Surface::Messages, &["content[0]"]),
        ("image/png", Surface::ChatCompletions, &[]),
        ("image/png", Surface::Responses, &[]),
    ] {
        let mut translator = StreamTranslator::new(Surface::GenerateContent, &context(to));
        let mut out = Vec::new();
        for frame in frames(format!("data: {}\n\n", sound.replace("KIND", media_type))) {
            translator.frame(&frame, &mut out).unwrap();
        }
        translator.finish(&mut out);
        assert_eq!(translator.lost(), want, "{media_type} to {}", to.name());
    }
}

#[test]
fn a_second_answer_that_responses_cannot_say_is_named() {
    let stream = r#"{"candidates":[{"index":1,"content":{"parts":[{"text":"x"}]}}]}"#;
    let mut translator = StreamTranslator::new(Surface::GenerateContent, &context(Surface::Responses));
    for frame in frames(format!("data: {stream}\n\n")) {
        translator.frame(&frame, &mut Vec::new()).unwrap();
    }
    assert_eq!(translator.lost(), ["choices[1]"]);
}
