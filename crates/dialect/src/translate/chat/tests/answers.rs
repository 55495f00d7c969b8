//! Whole answers.

use super::super::super::answer::{Answer, Choice, Stop};
use super::super::super::request::{Media, Part, Source, Thought, ToolCall};
use super::super::super::state::{State, StateKind};
use super::super::{read_answer, write_answer};
use super::{context, json};
use crate::{Surface, Usage};
use serde_json::{Value, json as value};

fn only(answer: &str) -> Choice<'_> {
    let mut read = read_answer(answer.as_bytes()).unwrap();
    assert_eq!(read.choices.len(), 1);
    read.choices.remove(0)
}

fn written(answer: &Answer<'_>) -> Value {
    json(write_answer(answer, &context()).body)
}

fn tool_call(id: &'static str, arguments: &'static str) -> ToolCall<'static> {
    ToolCall {
        id: id.into(),
        name: "get_current_weather".into(),
        arguments: arguments.into(),
        state: None,
        cache: None,
    }
}

/// `platform.openai.com/docs/api-reference/chat/object`.
#[test]
fn text() {
    let body = r#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,
        "model":"gpt-5.4","choices":[{"index":0,"message":{"role":"assistant",
        "content":"Hello! How can I assist you today?","refusal":null,"annotations":[]},"logprobs":null,
        "finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,
        "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3,
        "audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default"}"#;
    let answer = read_answer(body.as_bytes()).unwrap();
    let want = Answer {
        id: "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT".into(),
        model: "gpt-5.4".into(),
        created: Some(1_741_569_952),
        choices: vec![Choice {
            parts: vec![Part::text("Hello! How can I assist you today?")],
            stop: Some(Stop::End),
        }],
        usage: Some(Usage {
            input_tokens: 19,
            output_tokens: 10,
            cached_tokens: 4,
            reasoning_tokens: 3,
            ..Usage::default()
        }),
        lost: Vec::new(),
    };
    assert_eq!(answer, want);
    let mut body = json(body);
    for (object, member) in [("/choices/0/message", "annotations"), ("", "service_tier")] {
        body.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(member);
    }
    let details = body["usage"]["completion_tokens_details"].as_object_mut().unwrap();
    details.retain(|name, _| !name.ends_with("prediction_tokens"));
    assert_eq!(written(&answer), body);
}

/// The same page, "Functions".
#[test]
fn tools() {
    let body = r#"{"id":"chatcmpl-abc123","object":"chat.completion","created":1699896916,"model":"gpt-4o-mini",
        "choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_abc123",
        "type":"function","function":{"name":"get_current_weather","arguments":"{\n\"location\": \"Boston, MA\"\n}"}}]},
        "logprobs":null,"finish_reason":"tool_calls"}]}"#;
    let answer = read_answer(body.as_bytes()).unwrap();
    let call = tool_call("call_abc123", "{\n\"location\": \"Boston, MA\"\n}");
    assert_eq!(answer.choices[0].parts, [Part::ToolCall(call)]);
    assert_eq!(answer.choices[0].stop, Some(Stop::ToolCalls));
    assert_eq!(written(&answer), json(body));
}

/// `platform.openai.com/docs/guides/structured-outputs`, "Refusals".
#[test]
fn refusal() {
    let body = r#"{"id":"chatcmpl-9nYAG","object":"chat.completion","created":1721596428,"model":"gpt-4o-2024-08-06",
        "choices":[{"index":0,"message":{"role":"assistant","content":null,
        "refusal":"I'm sorry, I cannot assist with that request."},"logprobs":null,"finish_reason":"stop"}]}"#;
    let answer = read_answer(body.as_bytes()).unwrap();
    assert_eq!(
        answer.choices[0].parts,
        [Part::Refusal("I'm sorry, I cannot assist with that request.".into())]
    );
    assert_eq!(answer.choices[0].stop, Some(Stop::Refusal));
    assert_eq!(written(&answer), json(body));
}

/// `api-docs.deepseek.com/guides/thinking_mode`, `docs.mistral.ai/capabilities/reasoning`, OpenRouter's and Groq's
/// `reasoning`.
#[test]
fn thoughts_have_many_names() {
    for message in [
        r#"{"role":"assistant","content":"9.8","reasoning_content":"9.80 > 9.11"}"#,
        r#"{"role":"assistant","content":"9.8","reasoning":"9.80 > 9.11"}"#,
        r#"{"role":"assistant","content":"9.8","reasoning":"9.80 > 9.11","reasoning_content":"9.80 > 9.11"}"#,
        r#"{"role":"assistant","content":"9.8","reasoning":"9.80 > 9.11",
            "reasoning_details":[{"type":"reasoning.text","text":"9.80 > 9.11","format":"unknown","index":0}]}"#,
        r#"{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"9.80 > 9.11"}]},
            {"type":"text","text":"9.8"}]}"#,
    ] {
        let body = format!(r#"{{"choices":[{{"message":{message},"finish_reason":"stop"}}]}}"#);
        let thought = Thought { text: "9.80 > 9.11".into(), ..Thought::default() };
        assert_eq!(only(&body).parts, [Part::Reasoning(thought), Part::text("9.8")], "{message}");
    }
}

/// `openrouter.ai/docs/features/multimodal/image-generation`.
#[test]
fn pictures() {
    let body = r#"{"choices":[{"message":{"role":"assistant","content":"Here.","images":[{"type":"image_url",
        "image_url":{"url":"data:image/png;base64,iVBO"}}]},"finish_reason":"stop"}]}"#;
    let choice = only(body);
    let picture = Media::new(Source::Base64("iVBO".into()), Some("image/png".into()));
    assert_eq!(choice.parts, [Part::text("Here."), Part::Image(picture)]);
    let answer = Answer { choices: vec![choice], ..Answer::default() };
    let want = value!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]);
    assert_eq!(written(&answer)["choices"][0]["message"]["images"], want);
}

/// `platform.openai.com/docs/guides/audio`.
#[test]
fn sound() {
    let body = r#"{"choices":[{"message":{"role":"assistant","content":null,"audio":{"id":"audio_abc","expires_at":1729018505,
        "data":"UklG","transcript":"Yes, golden retrievers."}},"finish_reason":"stop"}]}"#;
    let data = Part::Audio(Media::new(Source::Base64("UklG".into()), None));
    assert_eq!(only(body).parts, [Part::text("Yes, golden retrievers."), data.clone()]);
    let answer = Answer { choices: vec![Choice { parts: vec![data], stop: None }], ..Answer::default() };
    assert_eq!(written(&answer)["choices"][0]["message"]["audio"]["data"], "UklG");
}

#[test]
fn stops() {
    for (reason, want) in [
        (r#""stop""#, Some(Stop::End)),
        (r#""length""#, Some(Stop::Length)),
        (r#""model_length""#, Some(Stop::Length)),
        (r#""tool_calls""#, Some(Stop::ToolCalls)),
        (r#""function_call""#, Some(Stop::ToolCalls)),
        (r#""content_filter""#, Some(Stop::Filtered(None))),
        (r#""content_filter","native_finish_reason":"SAFETY""#, Some(Stop::Filtered(Some("SAFETY".into())))),
        (r#""stop","native_finish_reason":"stop_sequence""#, Some(Stop::Sequence(None))),
        (r#""stop","native_finish_reason":"STOP""#, Some(Stop::End)),
        (r#""insufficient_system_resource""#, Some(Stop::Other("insufficient_system_resource".into()))),
        ("null", None),
    ] {
        let body = format!(r#"{{"choices":[{{"message":{{"content":"x"}},"finish_reason":{reason}}}]}}"#);
        assert_eq!(only(&body).stop, want, "{reason}");
    }
    let call = || Part::ToolCall(tool_call("a", "{}"));
    for (parts, stop, word, native) in [
        (vec![], Some(Stop::End), "stop", None),
        (vec![call()], Some(Stop::End), "tool_calls", None),
        (vec![call()], None, "tool_calls", None),
        (vec![call()], Some(Stop::Length), "length", None),
        (vec![], Some(Stop::Sequence(Some("END".into()))), "stop", None),
        (vec![], Some(Stop::Refusal), "content_filter", Some("refusal")),
        (vec![Part::Refusal("no".into())], Some(Stop::Refusal), "stop", None),
        (vec![], Some(Stop::Filtered(Some("SAFETY".into()))), "content_filter", Some("SAFETY")),
        (vec![], Some(Stop::Pause), "stop", Some("pause_turn")),
        (vec![], Some(Stop::Other("OTHER".into())), "stop", Some("OTHER")),
    ] {
        let what = format!("{parts:?} {stop:?}");
        let answer = Answer { choices: vec![Choice { parts, stop }], ..Answer::default() };
        let choice = &written(&answer)["choices"][0];
        assert_eq!(choice["finish_reason"], word, "{what}");
        assert_eq!(choice.get("native_finish_reason").and_then(Value::as_str), native, "{what}");
    }
}

#[test]
fn state_of_other_dialects_is_wrapped() {
    let state =
        |surface, kind, data: &'static str| Some(State { data: data.into(), surface, provider: None, kind });
    let signed = Thought {
        text: "hm".into(),
        state: state(Surface::Messages, StateKind::Signature, "EqQB"),
        ..Thought::default()
    };
    let hidden =
        Thought { state: state(Surface::Messages, StateKind::Encrypted, "Emw"), ..Thought::default() };
    let call = ToolCall {
        state: state(Surface::GenerateContent, StateKind::Signature, "CvQB"),
        ..tool_call("", "")
    };
    let parts = vec![Part::Reasoning(signed), Part::Reasoning(hidden), Part::ToolCall(call)];
    let choice = Choice { parts: parts.clone(), stop: Some(Stop::ToolCalls) };
    let answer = Answer { choices: vec![choice], ..Answer::default() };
    let body = written(&answer);
    let format = "anthropic-claude-v1";
    let want = value!({"role": "assistant", "content": null, "refusal": null, "reasoning_content": "hm",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "tg1.messages.s.anthropic.EqQB", "format": format, "index": 0},
            {"type": "reasoning.encrypted", "data": "tg1.messages.e.anthropic.Emw", "format": format, "index": 1}],
        "tool_calls": [{"id": "call_abc123_0_0", "type": "function",
            "function": {"name": "get_current_weather", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "tg1.generate-content.s.anthropic.CvQB"}}}]});
    assert_eq!(body["choices"][0]["message"], want);
    assert_eq!(
        (&body["id"], &body["model"], &body["created"]),
        (&value!("chatcmpl-abc123"), &value!("claude-up"), &value!(1_700_000_000))
    );

    // What a client sends back is what came.
    let text = body.to_string();
    let mut back = only(&text).parts;
    for part in &mut back {
        match part {
            Part::Reasoning(Thought { state: Some(state), .. })
            | Part::ToolCall(ToolCall { state: Some(state), .. }) => {
                assert_eq!(state.provider.take().as_deref(), Some("anthropic"));
            }
            other => panic!("{other:?}"),
        }
        if let Part::ToolCall(call) = part {
            (call.id, call.arguments) = ("".into(), "".into());
        }
    }
    assert_eq!(back, parts);
}

#[test]
fn empty_answers_are_answers() {
    let answer =
        Answer { choices: vec![Choice { parts: vec![], stop: Some(Stop::Length) }], ..Answer::default() };
    let choice = value!({"index": 0, "message": {"role": "assistant", "content": "", "refusal": null},
        "logprobs": null, "finish_reason": "length"});
    assert_eq!(written(&answer)["choices"], value!([choice]));
    let choices = &written(&Answer::default())["choices"];
    assert_eq!((choices.as_array().unwrap().len(), &choices[0]["message"]["content"]), (1, &value!("")));
}

#[test]
fn what_an_answer_has_beyond_is_named() {
    let body = r#"{"id":"x","object":"chat.completion","provider":"Azure","system_fingerprint":"fp","citations":["https://a"],
        "choices":[{"index":0,"message":{"role":"assistant","content":[{"type":"text","text":"x"},{"type":"hologram"}],
        "annotations":[{"type":"url_citation"}],"executed_tools":[1]},"logprobs":{"content":[]},
        "finish_reason":"stop"}],"x_groq":{"id":"req_1","usage":{"prompt_tokens":1,"completion_tokens":2}}}"#;
    let answer = read_answer(body.as_bytes()).unwrap();
    let want = [
        "choices[0].message.content[1]",
        "choices[0].message.annotations",
        "choices[0].message.executed_tools",
        "choices[0].logprobs",
        "citations",
    ];
    assert_eq!(answer.lost, want);
    assert_eq!(answer.usage.map(|usage| (usage.input_tokens, usage.output_tokens)), Some((1, 2)));
}

#[test]
fn figures_survive() {
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 50,
        cached_tokens: 60,
        cache_write_tokens: 10,
        reasoning_tokens: 20,
        input_audio_tokens: 1,
        output_audio_tokens: 2,
        input_image_tokens: 3,
        output_image_tokens: 4,
        cost: Some(0.25),
        upstream_cost: Some(0.5),
        ..Usage::default()
    };
    let answer = Answer { usage: Some(usage), choices: vec![Choice::default()], ..Answer::default() };
    let body = written(&answer);
    assert_eq!(body["usage"]["total_tokens"], 150);
    assert_eq!(read_answer(body.to_string().as_bytes()).unwrap().usage, Some(usage));
}
