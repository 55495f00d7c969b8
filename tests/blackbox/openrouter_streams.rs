//! Streams of OpenRouter: comments, figures, the ways they go wrong, for clients of both dialects.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, MockServer, Script, Trickle};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

const COMMENT: &str = ": OPENROUTER PROCESSING\n\n";
const HELLO: &str = "data: {\"id\":\"gen-1\",\"provider\":\"X\",\"model\":\"a/b\",\"object\":\"chat.completion.chunk\",\"created\":1,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"alpha\"},\"finish_reason\":null,\"native_finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"id\":\"gen-1\",\"provider\":\"X\",\"model\":\"a/b\",\"object\":\"chat.completion.chunk\",\"created\":1,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":\"stop\",\"native_finish_reason\":\"stop\"}]}\n\n";
/// The reason comes a second time beside the figures.
const USAGE: &str = "data: {\"id\":\"gen-1\",\"provider\":\"X\",\"model\":\"a/b\",\"object\":\"chat.completion.chunk\",\"created\":1,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":\"stop\",\"native_finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"total_tokens\":14,\"cost\":0.0123,\"is_byok\":false}}\n\n";
const USAGE_ALONE: &str = "data: {\"id\":\"gen-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"total_tokens\":14,\"cost\":0.0123}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// The errors a stream can end in, and what each says.
fn errors() -> Vec<(&'static str, String, &'static str)> {
    let event = |json: &str| format!("data: {json}\n\n");
    vec![
        (
            "an error beside a finished choice",
            event(
                r#"{"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"a/b","provider":"X","error":{"code":502,"message":"gone dark","metadata":{"error_type":"provider_unavailable","provider_code":"x"}},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","native_finish_reason":"error"}],"user_id":"user_2abc"}"#,
            ),
            "gone dark",
        ),
        (
            "an error without choices",
            event(
                r#"{"id":"gen-1","error":{"code":"server_error","message":"gone dark"},"choices":[],"user_id":"user_2abc"}"#,
            ),
            "gone dark",
        ),
        (
            "a reason and no error",
            event(
                r#"{"id":"gen-1","choices":[{"index":0,"delta":{},"finish_reason":"error","native_finish_reason":"MALFORMED_FUNCTION_CALL"}]}"#,
            ),
            "MALFORMED_FUNCTION_CALL",
        ),
        (
            "only an error",
            event(
                r#"{"error":{"message":"gone dark","code":429,"metadata":{"raw":"slow down"}},"user_id":"user_2abc"}"#,
            ),
            "gone dark",
        ),
    ]
}

fn events(text: &str) -> Behaviour {
    let behaviour = Behaviour { body: Some(text.into()), ..Behaviour::default() };
    behaviour.header("content-type", "text/event-stream")
}

/// OpenRouter, which does as it is told, and behind it a provider that answers well.
struct Stage {
    mock: MockServer,
    two: MockServer,
    gateway: Gateway,
}

impl Stage {
    async fn new() -> Self {
        Self::with(json!({})).await
    }

    async fn with(more: Value) -> Self {
        let (mock, two) =
            (mock(Script::default()).await, mock(Script::always(Behaviour::text("answer two"))).await);
        // Without its own Messages every request of an Anthropic client is translated.
        let provider = merge(openrouter(&mock), more);
        let second = custom("two", &format!("{}/v1", two.url()), &[KEY_TWO]);
        let gateway =
            Gateway::start(&ai_gateway(without_health(json!({"providers": [provider, second]})))).await;
        Self { mock, two, gateway }
    }

    /// OpenRouter as a server of chat completions only.
    async fn translated() -> Self {
        let surfaces = json!([{"format": "openai", "surface": "chat-completions"}]);
        Self::with(json!({"supported_api_surfaces": surfaces})).await
    }

    async fn ask(&self, path: &str, behaviour: Behaviour) -> Answer {
        self.mock.set_script(Script::always(behaviour));
        self.two.clear_requests();
        let body = merge(names(&["openrouter:a/b", "two:m"]), json!({"stream": true}));
        self.gateway.send(post(path, &body)).await
    }
}

#[tokio::test]
async fn comments_and_doubled_reasons_are_passed_on_untouched() {
    let stage = Stage::new().await;
    for text in [
        [COMMENT, COMMENT, HELLO, COMMENT, STOP, USAGE, DONE].concat(),
        [HELLO, STOP, USAGE_ALONE, DONE].concat(),
        [COMMENT, HELLO, STOP, USAGE].concat(),
        [COMMENT, HELLO, COMMENT, STOP, USAGE, DONE].concat().replace('\n', "\r\n"),
    ] {
        for trickle in
            [None, Some(Trickle { bytes: 1, every_ms: 0 }), Some(Trickle { bytes: 13, every_ms: 1 })]
        {
            let answer = stage.ask(CHAT, Behaviour { trickle, ..events(&text) }).await;
            assert_eq!((answer.text(), answer.whole), (text.clone(), true), "{trickle:?}");
            let line = stage.gateway.log_of(&answer).await;
            assert_eq!(line["outcome"], "success");
            assert_eq!(
                (&line["input_tokens"], &line["output_tokens"], &line["cost_usd"]),
                (&json!(10), &json!(4), &json!(0.0123)),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn an_anthropic_client_sees_one_end_however_often_the_reason_comes() {
    let stage = Stage::translated().await;
    for end in [[STOP, USAGE, DONE].concat(), [STOP, USAGE_ALONE, DONE].concat(), [STOP, USAGE].concat()] {
        let text = [COMMENT, HELLO, COMMENT, &end].concat();
        for trickle in [None, Some(Trickle { bytes: 1, every_ms: 0 })] {
            let answer = stage.ask(MESSAGES, Behaviour { trickle, ..events(&text) }).await;
            let text = answer.text();
            assert!(answer.whole && text.contains("\"alpha\""), "{text}");
            for once in [
                "event: message_start",
                "event: message_delta",
                "event: message_stop",
                "\"stop_reason\":\"end_turn\"",
            ] {
                assert_eq!(text.matches(once).count(), 1, "{once}: {text}");
            }
            assert!(text.contains("\"output_tokens\":4"), "{text}");
            assert!(!text.contains("[DONE]") && !text.contains("chat.completion"), "{text}");
            assert!(text.trim_end().ends_with("data: {\"type\":\"message_stop\"}"), "{text}");
            let line = stage.gateway.log_of(&answer).await;
            assert_eq!((&line["output_tokens"], &line["cost_usd"]), (&json!(4), &json!(0.0123)), "{line}");
        }
    }
}

#[tokio::test]
async fn an_error_before_content_goes_to_the_next_model() {
    for (path, stage) in [(CHAT, Stage::new().await), (MESSAGES, Stage::translated().await)] {
        for (what, error, _) in errors() {
            for text in [error.clone(), format!("{COMMENT}{error}{DONE}"), format!("\n\n{COMMENT}{error}")] {
                let answer = stage.ask(path, events(&text)).await;
                let case = format!("{what} on {path}: {}", answer.text());
                assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{case}");
                assert_eq!(answer.header("x-tollgate-model"), "two:m", "{case}");
                assert!(answer.text().contains("answer"), "{case}");
                assert!(
                    !answer.text().contains("gone dark") && !answer.text().contains("user_2abc"),
                    "{case}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_error_after_content_reaches_the_client_in_its_own_words() {
    for (path, stage) in [(CHAT, Stage::new().await), (MESSAGES, Stage::translated().await)] {
        for (what, error, said) in errors() {
            // Also when the connection ends before the blank line.
            for error in [error.clone(), format!("{error}{DONE}"), error.trim_end().to_owned()] {
                let answer = stage.ask(path, events(&format!("{COMMENT}{HELLO}{COMMENT}{error}"))).await;
                let text = answer.text();
                let case = format!("{what} on {path}: {text}");
                assert_eq!((answer.status, answer.whole), (200, true), "{case}");
                assert!(text.contains("\"alpha\"") && text.matches(said).count() == 1, "{case}");
                assert!(text.ends_with("\n\n") && !text.contains("[DONE]"), "{case}");
                assert_eq!(text.contains("ERR_NGROK_3800"), path == MESSAGES, "said once: {case}");
                assert!(!text.contains("user_2abc"), "the account is nobody's business: {case}");
                assert!(!text.contains("message_stop") && !text.contains("\"stop\""), "{case}");
                if path == MESSAGES {
                    assert_eq!(text.matches("event: error\n").count(), 1, "{case}");
                    let frames = answer.frames();
                    let last = frames.last().unwrap().strip_prefix("event: error\ndata: ").expect(&case);
                    assert_eq!(serde_json::from_str::<Value>(last).unwrap()["type"], "error", "{case}");
                }
                assert!(stage.two.requests().is_empty(), "{case}");
                let line = stage.gateway.log_of(&answer).await;
                assert_eq!(line["outcome"], "interrupted", "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_says_so() {
    for (path, stage) in [(CHAT, Stage::new().await), (MESSAGES, Stage::translated().await)] {
        let answer = stage.ask(path, events(&format!("{COMMENT}{HELLO}{COMMENT}"))).await;
        let text = answer.text();
        assert!(text.contains("\"alpha\"") && text.contains("ERR_NGROK_3800"), "{text}");
        assert!(!text.contains("[DONE]") && !text.contains("message_stop"), "{text}");
        assert_eq!(stage.gateway.log_of(&answer).await["outcome"], "interrupted");
        // Before content it is a failed attempt.
        let answer = stage.ask(path, events(COMMENT)).await;
        assert_eq!(answer.header("x-tollgate-model"), "two:m", "{}", answer.text());
    }
}

/// The events of OpenRouter's own Messages, with the end that Anthropic does not have.
const OWN: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"gen-1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"a/b\",\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}}\n\n\
    event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
    event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"alpha\"}}\n\n\
    event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
    event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":10,\"output_tokens\":4,\"cost\":0.0123,\"is_byok\":false}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[tokio::test]
async fn the_mark_that_anthropic_does_not_have_is_left_out() {
    let stage = Stage::new().await;
    for mark in
        ["event: data\ndata: [DONE]\n\n", "data: [DONE]\n\n", "event: data\r\ndata:[DONE]\r\n\r\n", ""]
    {
        for trickle in [None, Some(Trickle { bytes: 1, every_ms: 0 })] {
            let text = format!("{COMMENT}{OWN}{mark}");
            let answer = stage.ask(MESSAGES, Behaviour { trickle, ..events(&text) }).await;
            assert_eq!(answer.text(), format!("{COMMENT}{OWN}"), "{mark:?}");
            let line = stage.gateway.log_of(&answer).await;
            assert_eq!(
                (&line["outcome"], &line["input_tokens"], &line["output_tokens"], &line["cost_usd"]),
                (&json!("success"), &json!(10), &json!(4), &json!(0.0123)),
                "{line}"
            );
        }
    }
    // The mark alone does not make a broken answer whole.
    let cut = OWN.split("event: message_delta").next().unwrap();
    let answer = stage.ask(MESSAGES, events(&format!("{cut}event: data\ndata: [DONE]\n\n"))).await;
    assert!(
        answer.text().contains("event: error\n") && !answer.text().contains("[DONE]"),
        "{}",
        answer.text()
    );
    // The mock's own stream of Messages ends like this too.
    stage.mock.set_script(Script::default());
    let body = merge(names(&["openrouter:a/b"]), json!({"stream": true}));
    let answer = stage.gateway.send(post(MESSAGES, &body)).await;
    assert!(answer.text().trim_end().ends_with("data: {\"type\":\"message_stop\"}"), "{}", answer.text());
}

#[tokio::test]
async fn an_error_in_openrouters_own_messages() {
    let stage = Stage::new().await;
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"gone dark\"},\"user_id\":\"user_2abc\"}\n\n";
    let cut = OWN.split("event: content_block_stop").next().unwrap();
    let answer = stage.ask(MESSAGES, events(&format!("{cut}{error}event: data\ndata: [DONE]\n\n"))).await;
    let text = answer.text();
    assert!(text.contains("alpha") && text.matches("gone dark").count() == 1, "{text}");
    assert!(!text.contains("user_2abc") && !text.contains("[DONE]"), "{text}");
    let answer = stage.ask(MESSAGES, events(error)).await;
    assert_eq!(answer.header("x-tollgate-model"), "two:m", "{}", answer.text());
}

#[tokio::test]
async fn thoughts_are_content_and_go_round() {
    let stage = Stage::new().await;
    let details = r#"[{"type":"reasoning.text","text":"hm","signature":"c2ln","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"ZQ==","id":"rs_1","format":"openai-responses-v1","index":1}]"#;
    let chunk = format!(
        "data: {{\"id\":\"gen-1\",\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\"\",\"reasoning\":\"hm\",\"reasoning_details\":{details}}},\"finish_reason\":null}}]}}\n\n"
    );
    let length = STOP.replace("\"stop\"", "\"length\"");
    // All tokens spent on thought: an answer, not a failure.
    let text = [&chunk, &length, USAGE, DONE].concat();
    let answer = stage.ask(CHAT, events(&text)).await;
    assert_eq!((answer.text(), answer.header("x-tollgate-attempts")), (text, "1"));
    // Back they go as they came.
    stage.mock.set_script(Script::default());
    stage.mock.clear_requests();
    let body = format!(
        r#"{{"model":"openrouter:a/b","messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":"","reasoning_details":{details}}},{{"role":"user","content":"b"}}]}}"#
    );
    let answer = stage.gateway.send(post_bytes(CHAT, body.clone())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = String::from_utf8(stage.mock.requests()[0].body.to_vec()).unwrap();
    assert_eq!(sent, body.replace("openrouter:", ""));
}

#[tokio::test]
async fn a_slow_plain_answer_begins_with_blank_lines() {
    for (path, stage) in [(CHAT, Stage::new().await), (MESSAGES, Stage::translated().await)] {
        let behaviour = Behaviour { comments: 4, ..Behaviour::text("alpha") };
        stage.mock.set_script(Script::always(behaviour));
        let answer = stage.gateway.send(post(path, &names(&["openrouter:a/b", "two:m"]))).await;
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "1"));
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert!(answer.json().to_string().contains("alpha"), "{}", answer.text());
    }
}

#[tokio::test]
async fn plain_answers_that_are_errors_go_to_the_next_model() {
    for (path, stage) in [(CHAT, Stage::new().await), (MESSAGES, Stage::translated().await)] {
        for body in [
            r#"{"error":{"code":502,"message":"gone dark"},"user_id":"user_2abc"}"#,
            "\n\n  {\"error\":{\"code\":\"server_error\",\"message\":\"gone dark\"},\"user_id\":\"user_2abc\"}",
            r#"{"id":"gen-1","choices":[{"index":0,"finish_reason":"error","error":{"code":502,"message":"gone dark"},"message":{"role":"assistant","content":"par"}}]}"#,
            r#"{"id":"gen-1","choices":[{"index":0,"finish_reason":"error","native_finish_reason":"MALFORMED_FUNCTION_CALL","message":{"role":"assistant","content":""}}]}"#,
        ] {
            stage
                .mock
                .set_script(Script::always(Behaviour { body: Some(body.into()), ..Behaviour::default() }));
            let answer = stage.gateway.send(post(path, &names(&["openrouter:a/b", "two:m"]))).await;
            assert_eq!(answer.header("x-tollgate-model"), "two:m", "{body}: {}", answer.text());
            let answer = stage.gateway.send(post(path, &names(&["openrouter:a/b"]))).await;
            assert!(answer.status >= 500 && !answer.text().contains("user_2abc"), "{}", answer.text());
        }
    }
}
