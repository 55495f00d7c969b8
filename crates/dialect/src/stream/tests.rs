//! Tables of frames and whole streams.

use super::*;
use crate::Splitter;
use bytes::Bytes;
use proptest::prelude::*;

/// The kinds of all frames by one letter: comment `:`, preamble `p`, content `C`, finish `F`, done `D`, error `E`,
/// usage `U`, garbage `G`.
fn kinds(surface: Surface, text: &str) -> (String, StreamReader, Vec<UpstreamError>) {
    let mut splitter = Splitter::new();
    splitter.feed(Bytes::copy_from_slice(text.as_bytes()));
    let mut reader = StreamReader::new(surface);
    let mut letters = String::new();
    let mut errors = Vec::new();
    while let Some(frame) = splitter.next().or_else(|| splitter.finish()) {
        letters.push(match reader.read(&frame) {
            FrameKind::Comment => ':',
            FrameKind::Preamble => 'p',
            FrameKind::Content => 'C',
            FrameKind::Finish => 'F',
            FrameKind::Done => 'D',
            FrameKind::Usage => 'U',
            FrameKind::Garbage => 'G',
            FrameKind::Error(error) => {
                errors.push(error);
                'E'
            }
        });
    }
    (letters, reader, errors)
}

fn one(surface: Surface, data: &str) -> String {
    kinds(surface, &format!("data: {data}\n\n")).0
}

#[test]
fn recordings_frame_by_frame() {
    for (surface, text, want) in [
        (Surface::ChatCompletions, recordings::CHAT, "pCFUD"),
        (Surface::ChatCompletions, recordings::OPENROUTER, "::p:CCFFD"),
        (Surface::Completions, recordings::COMPLETIONS, "pCFD"),
        (Surface::Responses, recordings::RESPONSES, "pppppCCF"),
        (Surface::Messages, recordings::MESSAGES, "pppCpCpUF"),
        (Surface::GenerateContent, recordings::GEMINI, "pCC"),
        (Surface::ChatCompletions, recordings::MULTI_LINE, "C::D"),
    ] {
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            let (letters, reader, _) = kinds(surface, &text);
            assert_eq!(letters, want, "{surface:?}");
            assert!(reader.finished());
        }
    }
}

#[test]
fn recordings_usage() {
    let usage = |surface, text| kinds(surface, text).1.usage();
    assert_eq!(
        usage(Surface::ChatCompletions, recordings::CHAT),
        Some(Usage {
            input_tokens: 11,
            output_tokens: 3,
            cached_tokens: 2,
            reasoning_tokens: 1,
            ..Usage::default()
        })
    );
    assert_eq!(
        usage(Surface::ChatCompletions, recordings::OPENROUTER),
        Some(Usage { input_tokens: 14, output_tokens: 16, cost: Some(0.00012), ..Usage::default() })
    );
    assert_eq!(
        usage(Surface::Responses, recordings::RESPONSES),
        Some(Usage {
            input_tokens: 37,
            output_tokens: 11,
            cached_tokens: 5,
            reasoning_tokens: 4,
            ..Usage::default()
        })
    );
    assert_eq!(
        usage(Surface::Messages, recordings::MESSAGES),
        Some(Usage {
            input_tokens: 100,
            output_tokens: 15,
            cached_tokens: 70,
            cache_write_tokens: 5,
            ..Usage::default()
        })
    );
    assert_eq!(
        usage(Surface::GenerateContent, recordings::GEMINI),
        Some(Usage {
            input_tokens: 4,
            output_tokens: 7,
            cached_tokens: 3,
            reasoning_tokens: 5,
            ..Usage::default()
        })
    );
    assert_eq!(usage(Surface::Completions, recordings::COMPLETIONS), None);
}

#[test]
fn searches_and_durations_of_caches() {
    let searched = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1},\
        \"tool_usage\":{\"web_search\":{\"num_requests\":2}}}}\n\n";
    let usage = kinds(Surface::Responses, searched).1.usage().unwrap();
    assert_eq!((usage.input_tokens, usage.web_searches), (1, 2));
    // The last event of Anthropic's has only some of the figures.
    let written = "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1,\"cache_creation_input_tokens\":9,\
        \"cache_creation\":{\"ephemeral_5m_input_tokens\":2,\"ephemeral_1h_input_tokens\":7}}}}\n\n\
        data: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":3,\"server_tool_use\":{\"web_search_requests\":4}}}\n\n";
    let usage = kinds(Surface::Messages, written).1.usage().unwrap();
    assert_eq!((usage.cache_write_tokens, usage.cache_write_1h_tokens, usage.web_searches), (9, 7, 4));
}

#[test]
fn cut_streams_are_not_finished() {
    for (surface, text, end) in [
        (Surface::ChatCompletions, recordings::CHAT, "\"finish_reason\":\"stop\""),
        (Surface::Responses, recordings::RESPONSES, "event: response.completed"),
        (Surface::Messages, recordings::MESSAGES, "event: message_stop"),
        (Surface::GenerateContent, recordings::GEMINI, "\"finishReason\": \"STOP\""),
    ] {
        let at = text[..text.find(end).unwrap()].rfind("\n\n").unwrap();
        assert!(!kinds(surface, &text[..at]).1.finished(), "{surface:?}");
    }
}

#[test]
fn chat_content() {
    for delta in [
        r#""content":"x""#,
        r#""content":[{"type":"text","text":"x"}]"#,
        r#""content":null,"reasoning":"x""#,
        r#""reasoning_content":"x""#,
        r#""reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]"#,
        r#""tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]"#,
        r#""function_call":{"name":"f"}"#,
        r#""refusal":"no""#,
        r#""images":[{"type":"image_url"}]"#,
        r#""audio":{"data":"x"}"#,
    ] {
        for key in ["delta", "message"] {
            let data = format!(r#"{{"choices":[{{"{key}":{{{delta}}}}}]}}"#);
            assert_eq!(one(Surface::ChatCompletions, &data), "C", "{data}");
        }
    }
    for data in [
        r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
        r#"{"choices":[{"delta":{"content":"","tool_calls":[],"reasoning":null,"audio":{}},"finish_reason":""}]}"#,
        r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
        r#"{"choices":[{"delta":null,"finish_reason":null}],"error":null,"usage":null}"#,
        r#"{"choices":null}"#,
        r#"{"choices":"x","usage":"y"}"#,
        "{}",
    ] {
        assert_eq!(one(Surface::ChatCompletions, data), "p", "{data}");
    }
    assert_eq!(
        one(Surface::ChatCompletions, r#"{"x_groq":{"usage":{"prompt_tokens":1}},"choices":[]}"#),
        "U"
    );
    let both = r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}"#;
    let (letters, reader, _) = kinds(Surface::ChatCompletions, &format!("data: {both}\n\n"));
    assert!(letters == "C" && reader.finished());
}

#[test]
fn messages_content() {
    for (data, want) in [
        (
            r#"{"type":"content_block_start","content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            "p",
        ),
        (r#"{"type":"content_block_start","content_block":{"type":"text","text":"x"}}"#, "C"),
        (r#"{"type":"content_block_start","content_block":{"type":"redacted_thinking","data":"x"}}"#, "C"),
        (
            r#"{"type":"content_block_start","content_block":{"type":"server_tool_use","name":"web_search"}}"#,
            "C",
        ),
        (r#"{"type":"content_block_start"}"#, "p"),
        (r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"x"}}"#, "C"),
        (r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"x"}}"#, "C"),
        (r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}"#, "C"),
        (r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":""}}"#, "p"),
        (r#"{"type":"future_event","x":1}"#, "p"),
        ("[DONE]", "D"),
    ] {
        assert_eq!(one(Surface::Messages, data), want, "{data}");
    }
    assert_eq!(kinds(Surface::Messages, "event: message_stop\ndata: {}\n\n").0, "F");
    assert_eq!(kinds(Surface::Messages, "event: ping\n\n").0, "p");
}

#[test]
fn responses_content() {
    for (data, want) in [
        (
            r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f","arguments":""}}"#,
            "C",
        ),
        (r#"{"type":"response.output_item.added","item":{"type":"web_search_call"}}"#, "C"),
        (r#"{"type":"response.output_item.done","item":{"type":"message","content":[{"text":"x"}]}}"#, "C"),
        (
            r#"{"type":"response.output_item.done","item":{"type":"reasoning","summary":[],"encrypted_content":"x"}}"#,
            "C",
        ),
        (r#"{"type":"response.output_item.done","item":{"type":"reasoning","summary":[]}}"#, "p"),
        (r#"{"type":"response.reasoning_summary_text.delta","delta":"x"}"#, "C"),
        (r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#, "C"),
        (r#"{"type":"response.function_call_arguments.done","arguments":"{}"}"#, "C"),
        (r#"{"type":"response.refusal.delta","delta":"no"}"#, "C"),
        (r#"{"type":"response.image_generation_call.partial_image","partial_image_b64":"x"}"#, "C"),
        (r#"{"type":"response.output_text.delta","delta":""}"#, "p"),
        (r#"{"type":"response.queued","response":{"status":"queued"}}"#, "p"),
        (
            r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}"#,
            "F",
        ),
        ("[DONE]", "D"),
    ] {
        assert_eq!(one(Surface::Responses, data), want, "{data}");
    }
}

#[test]
fn gemini_content() {
    for part in [
        r#""text":"x""#,
        r#""text":"x","thought":true"#,
        r#""text":"","thoughtSignature":"x""#,
        r#""functionCall":{"name":"f"}"#,
        r#""inlineData":{"data":"AA=="}"#,
        r#""fileData":{"fileUri":"x"}"#,
        r#""executableCode":{"code":"x"}"#,
        r#""codeExecutionResult":{"outcome":"OUTCOME_OK"}"#,
        r#""toolCall":{"id":"x"}"#,
        r#""toolResponse":{"id":"x"}"#,
    ] {
        let data = format!(r#"{{"candidates":[{{"content":{{"parts":[{{{part}}}]}}}}]}}"#);
        assert_eq!(one(Surface::GenerateContent, &data), "C", "{data}");
    }
    for (data, want) in [
        ("{}", "p"),
        (r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"}}]}"#, "p"),
        (r#"{"candidates":null,"promptFeedback":null}"#, "p"),
        (r#"{"promptFeedback":{"safetyRatings":[{"probability":"LOW"}]}}"#, "p"),
        (r#"{"usageMetadata":{"promptTokenCount":4}}"#, "U"),
        (r#"{"candidates":[{"finishReason":"SAFETY"}],"usageMetadata":{"promptTokenCount":4}}"#, "F"),
        (r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#, "F"),
    ] {
        let (letters, reader, _) = kinds(Surface::GenerateContent, &format!("data: {data}\n\n"));
        assert_eq!(letters, want, "{data}");
        assert_eq!(reader.finished(), want == "F", "{data}");
    }
    let both = r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"MAX_TOKENS"}]}"#;
    let (letters, reader, _) = kinds(Surface::GenerateContent, &format!("data: {both}\r\n\r\n"));
    assert!(letters == "C" && reader.finished());
}

#[test]
fn gemini_errors() {
    let error = r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    fails(Surface::GenerateContent, &format!("data: {error}"), "The model is overloaded. | 503 | 503");
    fails(
        Surface::GenerateContent,
        &format!("event: error\ndata: {error}"),
        "The model is overloaded. | 503 | 503",
    );
}

/// Checks that a frame is an error that reads `message | code | status`, with `-` for nothing.
fn fails(surface: Surface, text: &str, want: &str) {
    let (letters, reader, errors) = kinds(surface, &format!("{text}\n\n"));
    assert_eq!(letters, "E", "{text}");
    let error = &errors[0];
    let status = error.status.map_or("-".to_owned(), |status| status.to_string());
    assert_eq!(
        format!("{} | {} | {status}", error.message, error.code.as_deref().unwrap_or("-")),
        want,
        "{text}"
    );
    assert!(!reader.finished());
}

#[test]
fn chat_errors() {
    for (text, want) in [
        (
            r#"data: {"id":"g","error":{"code":502,"message":"down","metadata":{"error_type":"provider_unavailable"}},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
            "down | 502 | 502",
        ),
        (r#"data: {"choices":[],"error":{"code":"server_error","message":"x"}}"#, "x | server_error | 500"),
        (
            r#"data: {"choices":[{"delta":{"content":"a"},"finish_reason":"error","native_finish_reason":"MALFORMED_FUNCTION_CALL"}]}"#,
            "the answer ended in an error (MALFORMED_FUNCTION_CALL) | - | -",
        ),
        (r#"data: {"choices":[{"finish_reason":"error"}]}"#, "the answer ended in an error | - | -"),
        (
            r#"data: {"choices":[{"finish_reason":"error","error":{"code":429,"message":"slow"}}]}"#,
            "slow | 429 | 429",
        ),
        (r#"data: {"choices":[],"x_groq":{"id":"r","error":"over capacity"}}"#, "over capacity | - | -"),
        (r#"data: {"error":"model crashed"}"#, "model crashed | - | -"),
        (r#"data: {"error":{"message":"x","type":"rate_limit_error"}}"#, "x | - | 429"),
        ("event: error\ndata: {\"message\":\"gone\"}", "gone | - | -"),
        ("event: error\ndata: gone", "gone | - | -"),
        ("event: error", "the answer has no body | - | -"),
    ] {
        fails(Surface::ChatCompletions, text, want);
        fails(Surface::Completions, text, want);
    }
}

#[test]
fn messages_errors() {
    let overloaded = r#"data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    fails(Surface::Messages, &format!("event: error\n{overloaded}"), "Overloaded | - | 529");
    fails(Surface::Messages, overloaded, "Overloaded | - | 529");
    fails(Surface::Messages, r#"data: {"type":"error","message":"x"}"#, "x | - | -");
}

#[test]
fn responses_errors() {
    for (text, want) in [
        (
            "event: error\ndata: {\"type\":\"error\",\"code\":\"insufficient_quota\",\"message\":\"quota\",\"sequence_number\":1}",
            "quota | insufficient_quota | 429",
        ),
        (r#"data: {"type":"error","error":{"type":"insufficient_quota","message":"q"}}"#, "q | - | 429"),
        (
            r#"data: {"type":"response.error","error":{"code":"server_error","message":"q"}}"#,
            "q | server_error | 500",
        ),
        (
            r#"data: {"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"q"}}}"#,
            "q | rate_limit_exceeded | 429",
        ),
        (
            r#"data: {"type":"response.failed","response":{"status":"failed","error":null}}"#,
            "the response failed | - | -",
        ),
        (r#"data: {"error":{"message":"q","code":500}}"#, "q | 500 | 500"),
    ] {
        fails(Surface::Responses, text, want);
    }
}

#[test]
fn garbage() {
    for data in ["hello", "{\"a\":", "[1]", "5", "null", "\"x\"", "<html>", "[DONE"] {
        for surface in Surface::ALL {
            assert_eq!(one(surface, data), "G", "{data}");
        }
    }
    // Unforeseen, but JSON: the client may know better.
    assert_eq!(one(Surface::ChatCompletions, r#"{"choices":[],"choices":[]}"#), "C");
}

#[test]
fn hidden_usage_chunk() {
    for (surface, data, want) in [
        (Surface::ChatCompletions, r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, true),
        (Surface::Completions, r#"{"usage":{"prompt_tokens":1}}"#, true),
        (Surface::ChatCompletions, r#"{"choices":[],"usage":null}"#, false),
        (Surface::ChatCompletions, r#"{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#, false),
        (Surface::ChatCompletions, r#"{"choices":[],"usage":{"a":1},"error":{"message":"x"}}"#, false),
        (Surface::Messages, r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, false),
        (Surface::ChatCompletions, "[DONE]", false),
    ] {
        let mut splitter = Splitter::new();
        splitter.feed(Bytes::from(format!("data: {data}\n\n")));
        let frame = splitter.next().unwrap();
        assert_eq!(StreamReader::new(surface).is_usage_only(&frame), want, "{data}");
    }
}

#[test]
fn overlong_frames_count_as_content() {
    let mut splitter = Splitter::new();
    splitter.feed(Bytes::from(vec![b'x'; crate::sse::FRAME_LIMIT + 1]));
    let frame = splitter.next().unwrap();
    assert_eq!(StreamReader::new(Surface::Messages).read(&frame), FrameKind::Content);
}

proptest! {
    #[test]
    fn never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..150),
        text in r#"((data: |event: )?[\{\}\[\]":,eradusgchoi1]{0,40}[\n]{0,2}){0,6}"#,
    ) {
        for surface in Surface::ALL {
            kinds(surface, &text);
            kinds(surface, &String::from_utf8_lossy(&bytes));
        }
    }
}
