use super::*;
use crate::translate::answer::Event;
use crate::translate::converse::Decoder;
use proptest::prelude::*;
use serde_json::json;

fn block() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-zé\"\\\\]{1,8}".prop_map(|text| json!({"text": text})),
        Just(json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}})),
        "[a-z]{1,5}".prop_map(|ttl| json!({"text": ttl})),
    ]
}

/// Conversations as Bedrock allows them: turns alternate, every call is answered in the next turn.
fn conversation() -> impl Strategy<Value = Value> {
    let round =
        (prop::collection::vec(block(), 1..4), prop::collection::vec(("[a-z]{1,4}", any::<i32>()), 0..3));
    prop::collection::vec(round, 1..5).prop_map(|rounds| {
        let mut messages = Vec::new();
        let mut results: Vec<Value> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (at, (blocks, calls)) in rounds.into_iter().enumerate() {
            let content: Vec<Value> = results.drain(..).chain(blocks).collect();
            messages.push(json!({"role": "user", "content": content}));
            let mut content = vec![json!({"text": "ok"})];
            for (nr, (name, x)) in calls.into_iter().enumerate() {
                let id = format!("t{at}-{nr}");
                content.push(json!({"toolUse": {"toolUseId": id, "name": name, "input": {"x": x}}}));
                results.push(json!({"toolResult": {"toolUseId": id, "content": [{"text": "r"}]}}));
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            messages.push(json!({"role": "assistant", "content": content}));
        }
        let mut body = json!({"messages": messages});
        if !names.is_empty() {
            let tools: Vec<Value> = names
                .iter()
                .map(|name| json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}}))
                .collect();
            body["toolConfig"] = json!({"tools": tools});
        }
        body
    })
}

proptest! {
    #[test]
    fn conversations_go_there_and_back(body in conversation()) {
        let text = body.to_string();
        let request = converse::read_request(text.as_bytes()).unwrap();
        let (written, lost) = write(&request, Surface::Converse, &target(CLAUDE)).unwrap();
        prop_assert_eq!(written, body);
        prop_assert!(lost.is_empty());
    }

    /// Whatever comes in whatever order: one start first, at most one stop, one end last, calls opened before they get
    /// arguments and closed once.
    #[test]
    fn any_order_of_events_makes_sense(order in prop::collection::vec(0_usize..9, 0..24)) {
        let events = [
            ("messageStart", r#"{"role":"assistant"}"#),
            ("contentBlockStart", r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{}"}}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"x"}}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"reasoningContent":{"text":"x","signature":"s"}}}"#),
            ("contentBlockStop", "{}"),
            ("messageStop", r#"{"stopReason":"end_turn"}"#),
            ("metadata", r#"{"usage":{"inputTokens":1}}"#),
        ];
        let mut decoder = Decoder::default();
        let (mut starts, mut stops, mut ends, mut after_end) = (0, 0, 0, 0);
        let mut open = Vec::new();
        let mut sink = |event: Event<'_>| {
            after_end += usize::from(ends > 0);
            match event {
                Event::Start { .. } => starts += 1,
                Event::Stop { .. } => stops += 1,
                Event::End => ends += 1,
                Event::ToolStart { call, .. } => open.push(call),
                Event::ToolArguments { call, .. } => assert!(open.contains(&call)),
                Event::ToolEnd { call, .. } => {
                    assert!(open.contains(&call));
                    open.retain(|known| *known != call);
                }
                _ => {}
            }
        };
        for at in &order {
            let (name, data) = events[*at];
            decoder.read(Some(name), data.as_bytes(), &mut sink).unwrap();
        }
        decoder.finish(&mut sink);
        let any = usize::from(!order.is_empty());
        prop_assert_eq!((starts, ends, after_end), (any, any, 0));
        prop_assert!(stops <= 1 && open.is_empty());
    }
}
