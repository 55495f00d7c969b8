//! Requests there and back; streams cut and shuffled.

use super::super::super::request::{
    Cache, Function, Media, Output, Part, Reasoning, Request, Role, Source, TextPart, Thought, Tool,
    ToolCall, ToolChoice, ToolResult, Turn,
};
use super::super::super::state::State;
use super::super::super::state::StateKind;
use super::super::super::{Target, Thinking};
use super::super::{Decoder, read_request, write_request};
use super::target;
use crate::Surface;
use proptest::option::of;
use proptest::prelude::*;
use std::borrow::Cow;

fn word() -> impl Strategy<Value = Cow<'static, str>> {
    r#"[a-zäß"\\\n ]{1,12}"#.prop_map(Cow::Owned)
}

fn cache() -> impl Strategy<Value = Option<Cache<'static>>> {
    of(of(Just(Cow::Borrowed("1h"))).prop_map(|ttl| Cache { ttl }))
}

fn media() -> impl Strategy<Value = Part<'static>> {
    let image = (any::<bool>(), of(Just(Cow::Borrowed("low"))), cache()).prop_map(|(web, detail, cache)| {
        let media = if web {
            Media::new(Source::Url("https://a/b.png".into()), None)
        } else {
            Media::new(Source::Base64("AAAA".into()), Some("image/png".into()))
        };
        Part::Image(Media { detail, cache, ..media })
    });
    let document = word().prop_map(|name| {
        let media = Media::new(Source::Base64("JVBE".into()), Some("application/pdf".into()));
        Part::Document(Media { name: Some(name), ..media })
    });
    let sound = Just(Part::Audio(Media::new(Source::Base64("UklG".into()), Some("audio/wav".into()))));
    prop_oneof![image, document, sound]
}

fn text() -> impl Strategy<Value = Part<'static>> {
    (word(), cache()).prop_map(|(text, cache)| Part::Text(TextPart { text, cache, annotations: None }))
}

/// One text, or a list in which something keeps texts apart.
fn content() -> impl Strategy<Value = Vec<Part<'static>>> {
    prop_oneof![
        text().prop_map(|text| vec![text]),
        (media(), proptest::collection::vec(prop_oneof![text(), media()], 0..3)).prop_map(
            |(one, mut more)| {
                more.push(one);
                more
            }
        )
    ]
}

fn thought() -> impl Strategy<Value = Part<'static>> {
    (word(), any::<bool>(), any::<bool>()).prop_map(|(text, summary, hidden)| {
        let kind = if summary || hidden { StateKind::Encrypted } else { StateKind::Signature };
        let state = State {
            data: "anthropic-claude-v1,AbC=".into(),
            surface: Surface::ChatCompletions,
            provider: None,
            kind,
        };
        Part::Reasoning(Thought { text, summary, state: Some(state), id: None })
    })
}

/// An assistant's turn with calls, and their results.
fn exchange() -> impl Strategy<Value = Vec<Turn<'static>>> {
    let said = (proptest::collection::vec(thought(), 0..3), of(word()), 0..3_usize);
    (said, content()).prop_map(|((mut parts, text, calls), question)| {
        let text = text.or_else(|| (calls == 0).then_some(Cow::Borrowed("ok")));
        parts.extend(text.map(Part::text));
        let ids: Vec<String> = (0..calls).map(|n| format!("call_{n}")).collect();
        for id in &ids {
            let arguments = Cow::Borrowed(r#"{"a": "ü"}"#);
            let id = Cow::Owned(id.clone());
            parts.push(Part::ToolCall(ToolCall {
                id,
                name: "f".into(),
                arguments,
                state: None,
                cache: None,
            }));
        }
        let turn = |role, parts| Turn { role, parts, name: None };
        let mut turns = vec![turn(Role::User, question), turn(Role::Assistant, parts)];
        turns.extend(ids.into_iter().map(|id| {
            let result = ToolResult {
                id: Cow::Owned(id),
                name: Some("f".into()),
                parts: vec![Part::text("1")],
                is_error: false,
                cache: None,
            };
            turn(Role::User, vec![Part::ToolResult(result)])
        }));
        turns
    })
}

fn json(text: &'static str) -> super::super::super::request::Json<'static> {
    serde_json::from_str(text).unwrap()
}

prop_compose! {
    fn requests()(
        system in of(word()),
        turns in proptest::collection::vec(exchange(), 1..4),
        tool in of((of(word()), of(any::<bool>()), cache())),
        choice in 0..5_usize,
        (max, temperature, seed) in (of(1_u64..9000), of(Just(0.5)), of(any::<i32>())),
        stop in proptest::collection::vec(word(), 0..4),
        effort in of(prop_oneof![Just("low"), Just("xhigh"), Just("max")]),
        (output, stream, user) in (0..3_usize, any::<bool>(), of(word())),
    ) -> Request<'static> {
        let function = |(description, strict, cache)| Tool::Function(Function {
            name: "f".into(), description, parameters: Some(json(r#"{"z":1,"a":[null]}"#)), strict, cache,
        });
        let choices = [
            ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Named("f".into()),
            ToolChoice::Among(vec!["f".into()]),
        ];
        let tools: Vec<_> = tool.into_iter().map(function).collect();
        let format = |n| match n {
            0 => Output::Text,
            1 => Output::Json,
            _ => Output::Schema {
                name: Some("n".into()), description: None, schema: json(r#"{"b":1,"a":2}"#), strict: Some(true),
            },
        };
        Request {
            model: "up/model".into(),
            system: system.map(Part::text).into_iter().collect(),
            turns: turns.into_iter().flatten().collect(),
            tool_choice: choices.into_iter().nth(choice).filter(|_| !tools.is_empty()),
            tools,
            max_output_tokens: max,
            temperature,
            seed: seed.map(i64::from),
            stop,
            reasoning: effort.map(|effort| Reasoning { effort: Some(effort.into()), ..Reasoning::default() }),
            output: format(output),
            user,
            stream,
            ..Request::default()
        }
    }
}

proptest! {
    #[test]
    fn a_request_keeps_its_meaning(request in requests()) {
        let extensions = ["cache_control".to_owned()];
        let target = Target { extensions: &extensions, thinking: Thinking::Object, ..target("openai") };
        let written = write_request(&request, Surface::ChatCompletions, &target).unwrap();
        prop_assert_eq!(&written.lost, &Vec::<String>::new());
        let back = read_request(&written.body).unwrap();
        prop_assert_eq!(&back.lost, &Vec::<String>::new());
        // Debug shows every field; a request has floats and no equality.
        prop_assert_eq!(format!("{back:#?}"), format!("{request:#?}"));
    }

    #[test]
    fn reading_never_panics(text in r#"[\{\}\[\]":,\\a-z0-9_]{0,120}"#, bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        for body in [text.as_bytes(), &bytes] {
            let _ = read_request(body);
            let _ = super::super::read_answer(body);
            let mut decoder = Decoder::default();
            let _ = decoder.read(body, &mut |_| {});
            decoder.finish(&mut |_| {});
        }
    }

    /// Calls whose pieces come in any mixture keep their own arguments.
    #[test]
    fn calls_do_not_mix(order in proptest::collection::vec(0..3_usize, 0..40)) {
        let mut decoder = Decoder::default();
        let mut seen = [const { String::new() }; 3];
        let mut want = [const { String::new() }; 3];
        let mut sink = |event: super::Event<'_>| {
            if let super::Event::ToolArguments { call, delta, .. } = event {
                seen[call as usize].push_str(&delta);
            }
        };
        for call in 0..3 {
            let chunk = format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":{call},"id":"id{call}","function":{{"name":"f{call}"}}}}]}}}}]}}"#);
            decoder.read(chunk.as_bytes(), &mut sink).unwrap();
        }
        for (n, call) in order.into_iter().enumerate() {
            want[call].push_str(&n.to_string());
            let chunk = format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":{call},"function":{{"arguments":"{n}"}}}}]}}}}]}}"#);
            decoder.read(chunk.as_bytes(), &mut sink).unwrap();
        }
        decoder.finish(&mut sink);
        prop_assert_eq!(seen, want);
    }
}
