//! What goes wrong on the way to a provider of another dialect, and what the client is told.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Fault, Script};

/// A provider that does not speak the client's dialect, and one that does.
fn foreign_and_own(client: Client) -> (Provider, Provider) {
    match client {
        Client::Chat => (CLAUDE, CHATTY),
        Client::Responses => (CLAUDE, RESPY),
        Client::Messages => (CHATTY, CLAUDE),
        Client::Gemini => (CHATTY, GEMINI),
    }
}

/// Names that fail over, as they stand in a body or in a path.
fn either(client: Client, first: Provider, second: Provider) -> String {
    let bar = if client == Client::Gemini { "%7C" } else { "|" };
    format!("{}{bar}{}", first.name, second.name)
}

fn post_to(client: Client, name: &str, body: &Value) -> Ask {
    let mut body = body.clone();
    if client != Client::Gemini {
        body["model"] = json!(name);
    }
    post(&client.path(name, false), &body)
}

type Wrong = Vec<(Value, &'static str)>;

/// Bodies that are no request of their dialect, with the field to blame.
fn wrong(client: Client) -> Wrong {
    match client {
        Client::Chat => wrong_chat(),
        Client::Responses => wrong_responses(),
        Client::Messages => wrong_messages(),
        Client::Gemini => wrong_gemini(),
    }
}

fn wrong_chat() -> Wrong {
    let ask = json!({"role": "user", "content": "x"});
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}], "max_tokens": 50});
    vec![
        (json!({}), "messages"),
        (json!({"messages": "x"}), "messages"),
        (json!({"messages": [5]}), "messages[0]"),
        (json!({"messages": [{"content": "x"}]}), "messages[0].role"),
        (json!({"messages": [ask, {"role": "robot", "content": "x"}]}), "messages[1].role"),
        (user(json!(5)), "messages[0].content"),
        (user(json!([5])), "messages[0].content[0]"),
        (user(json!([{"text": "x"}])), "messages[0].content[0].type"),
        (user(json!([{"type": "hologram"}])), "messages[0].content[0].type"),
        (user(json!([{"type": "text", "text": 5}])), "messages[0].content[0].text"),
        (user(json!([{"type": "image_url", "image_url": {}}])), "messages[0].content[0].image_url.url"),
        (json!({"messages": [ask], "temperature": "hot"}), "temperature"),
        (json!({"messages": [ask], "max_tokens": -1}), "max_tokens"),
        (json!({"messages": [ask], "tools": {}}), "tools"),
        (json!({"messages": [ask], "tools": [{"type": "function"}]}), "tools[0].function"),
        (
            json!({"messages": [ask], "tools": [{"type": "function", "function": {}}]}),
            "tools[0].function.name",
        ),
        (json!({"messages": [ask], "response_format": {"type": "xml"}}), "response_format.type"),
        (json!({"messages": [ask], "stop": 5}), "stop"),
    ]
}

fn wrong_responses() -> Wrong {
    let item = |item: Value| json!({"input": [item]});
    vec![
        (json!({}), "input"),
        (json!({"input": 5}), "input"),
        (item(json!("x")), "input[0]"),
        (item(json!({"type": "message", "content": "x"})), "input[0].role"),
        (item(json!({"role": "user", "content": 5})), "input[0].content"),
        (item(json!({"role": "user", "content": [{"type": "hologram"}]})), "input[0].content[0].type"),
        (item(json!({"role": "user", "content": [{"type": "input_text"}]})), "input[0].content[0].text"),
        (json!({"input": "x", "instructions": 5}), "instructions"),
        (json!({"input": "x", "temperature": []}), "temperature"),
        (json!({"input": "x", "reasoning": "high"}), "reasoning"),
        (
            json!({"input": "x", "text": {"format": {"type": "json_schema", "name": "a"}}}),
            "text.format.schema",
        ),
        (json!({"input": "x", "tools": [{"type": "function"}]}), "tools[0].name"),
    ]
}

fn wrong_messages() -> Wrong {
    let ask = json!({"role": "user", "content": "x"});
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}], "max_tokens": 50});
    vec![
        (json!({"max_tokens": 50}), "messages"),
        (json!({"max_tokens": 50, "messages": {}}), "messages"),
        (json!({"max_tokens": "x", "messages": [ask]}), "max_tokens"),
        (json!({"max_tokens": 50, "messages": [{"content": "x"}]}), "messages[0].role"),
        (user(json!(5)), "messages[0].content"),
        (user(json!([{"type": "hologram"}])), "messages[0].content[0].type"),
        (user(json!([{"type": "text"}])), "messages[0].content[0].text"),
        (
            user(json!([{"type": "image", "source": {"type": "base64"}}])),
            "messages[0].content[0].source.data",
        ),
        (json!({"max_tokens": 50, "messages": [ask], "system": 5}), "system"),
        (json!({"max_tokens": 50, "messages": [ask], "temperature": {}}), "temperature"),
        (json!({"max_tokens": 50, "messages": [ask], "thinking": {"type": "deep"}}), "thinking.type"),
        (
            json!({"max_tokens": 50, "messages": [ask], "tools": [{"input_schema": {"type": "object"}}]}),
            "tools[0].name",
        ),
        (json!({"max_tokens": 50, "messages": [ask], "stop_sequences": "x"}), "stop_sequences"),
    ]
}

fn wrong_gemini() -> Wrong {
    let parts = |parts: Value| json!({"contents": [{"role": "user", "parts": parts}]});
    vec![
        (json!({}), "contents"),
        (json!({"contents": 5}), "contents"),
        (json!({"contents": [{"role": "robot", "parts": [{"text": "x"}]}]}), "contents[0].role"),
        (parts(json!(5)), "contents[0].parts"),
        (parts(json!([{"hologram": {}}])), "contents[0].parts[0]"),
        (parts(json!([{"text": 5}])), "contents[0].parts[0].text"),
        (parts(json!([{"inlineData": {"mimeType": "image/png"}}])), "contents[0].parts[0].inlineData.data"),
        (parts(json!([{"functionCall": {"args": {}}}])), "contents[0].parts[0].functionCall.name"),
        (json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": 5}), "generationConfig"),
        (
            json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"temperature": "x"}}),
            "generationConfig.temperature",
        ),
        (
            json!({"contents": [{"parts": [{"text": "x"}]}], "tools": [{"functionDeclarations": [{}]}]}),
            "tools[0].functionDeclarations[0].name",
        ),
    ]
}

#[tokio::test]
async fn what_is_no_request_of_its_dialect_is_the_clients_fault() {
    let world = World::new(Script::default()).await;
    let mut bad = Vec::new();
    for client in Client::ALL {
        let (foreign, _) = foreign_and_own(client);
        for (body, field) in wrong(client) {
            let answer = world.gateway.send(post_to(client, foreign.name, &body)).await;
            let case = format!("{client:?} {body}: {}", answer.text());
            if (answer.status, answer.code()) != (400, "3801") {
                bad.push(case);
                continue;
            }
            let (message, param) = client.error(&answer);
            let blamed = param.is_none_or(|param| param == field);
            if !(message.contains(&format!("'{field}'")) && blamed) {
                bad.push(case);
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(world.mock.requests().is_empty(), "nothing is sent");
}

/// Requests that are right, but that a foreign provider cannot take, with the field in the way.
fn untranslatable(client: Client) -> Vec<(Value, Provider, &'static str)> {
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{oops"}});
    let chat = json!({"messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "y"},
    ]});
    let responses = json!({"input": [
        {"role": "user", "content": "x"},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{oops"},
        {"type": "function_call_output", "call_id": "call_1", "output": "y"},
    ]});
    let sound = json!({"messages": [{"role": "user", "content": [
        {"type": "input_audio", "input_audio": {"format": "wav", "data": "UklGRg=="}},
    ]}]});
    match client {
        Client::Chat => vec![
            (chat.clone(), CLAUDE, "messages[1].tool_calls[0].function.arguments"),
            (chat, GEMINI, "function.arguments"),
            (sound, CLAUDE, "messages[0].content[0]"),
            (json!({"messages": [{"role": "user", "content": "x"}], "n": 2}), CLAUDE, "n"),
        ],
        Client::Responses => vec![
            (responses.clone(), CLAUDE, "input[1].arguments"),
            (responses, GEMINI, "arguments"),
            (
                json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]}),
                CLAUDE,
                "input[0].content[0]",
            ),
        ],
        Client::Messages => vec![(
            json!({"max_tokens": 50, "messages": [{"role": "user", "content": [
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            ]}]}),
            CHATTY,
            "a picture given by the id of an uploaded file",
        )],
        Client::Gemini => vec![(
            json!({"contents": [{"role": "user", "parts": [
                {"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.com/a.mp4"}},
            ]}]}),
            CLAUDE,
            "contents[0].parts[0]",
        )],
    }
}

#[tokio::test]
async fn what_cannot_be_carried_passes_a_candidate_over() {
    let world = World::new(Script::default()).await;
    for client in Client::ALL {
        let (_, own) = foreign_and_own(client);
        for (body, foreign, field) in untranslatable(client) {
            world.mock.clear_requests();
            let answer = world.gateway.send(post_to(client, foreign.name, &body)).await;
            let case = format!("{client:?} to {} {body}: {}", foreign.name, answer.text());
            assert_eq!((answer.status, answer.code()), (422, "3813"), "{case}");
            let (message, _) = client.error(&answer);
            assert!(message.contains(field), "{field}: {case}");
            assert!(world.mock.requests().is_empty(), "{case}");
            let answer = world.gateway.send(post_to(client, &either(client, foreign, own), &body)).await;
            let case = format!("{client:?} {body}: {}", answer.text());
            assert_eq!(answer.header("x-tollgate-model"), own.name, "{case}");
            let requests = world.mock.requests();
            assert_eq!((requests.len(), requests[0].surface), (1, own.surface), "{case}");
            // Broken arguments or files nobody uploaded: what its own provider says to it is its business.
            assert!(matches!(answer.status, 200 | 400), "{case}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_for_one_candidate_is_judged_by_the_next() {
    // The client's own dialect is not read by the gateway: its provider may know more of it.
    let world = World::new(Script::default()).await;
    let body = json!({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]});
    let names = either(Client::Chat, CLAUDE, CHATTY);
    let answer = world.gateway.send(post_to(Client::Chat, &names, &body)).await;
    let requests = world.mock.requests();
    assert_eq!((requests.len(), requests[0].surface), (1, CHATTY.surface), "{}", answer.text());
}

#[tokio::test]
async fn errors_of_a_provider_reach_clients_of_other_dialects() {
    let world = World::new(Script::default()).await;
    for (status, retry) in [
        (400, None),
        (401, None),
        (403, None),
        (404, None),
        (429, Some("7")),
        (500, None),
        (503, None),
        (529, None),
    ] {
        let message = format!("It is {status}, \"you\" see.");
        let mut behaviour = Behaviour { message: Some(message.clone()), ..Behaviour::status(status) };
        if let Some(seconds) = retry {
            behaviour = behaviour.header("retry-after", seconds);
        }
        world.mock.set_script(Script::always(behaviour));
        for client in Client::ALL {
            for provider in PROVIDERS.into_iter().filter(|p| !p.speaks(client)) {
                for stream in [false, true] {
                    let answer =
                        world.gateway.send(client.ask(provider.name, &Say::user("x").stream(stream))).await;
                    let case = format!("{status}: {client:?} to {}: {}", provider.name, answer.text());
                    assert_eq!(answer.status, status, "{case}");
                    let (said, _) = client.error(&answer);
                    assert!(said.contains(&message), "{case}");
                    assert_eq!(answer.header("retry-after"), retry.unwrap_or(""), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_error_in_a_200_is_a_failed_attempt() {
    let world = World::with(Script::default(), without_health(json!({}))).await;
    for fault in [
        Fault::ErrorFirst,
        Fault::Garbage,
        Fault::EmptyBody,
        Fault::CutAfterChunks(0),
        Fault::ResetAfterChunks(0),
        Fault::WrongContentLength(tollgate_mock::Length::Longer),
    ] {
        for client in Client::ALL {
            for provider in PROVIDERS.into_iter().filter(|p| !p.speaks(client)) {
                let second = PROVIDERS.into_iter().find(|p| p.flavour != provider.flavour).unwrap();
                let script = Script::default().rule(provider.answers([Behaviour::fault(fault)]));
                world.mock.set_script(Script { strict: true, ..script });
                // A stream that has said its end is complete, whatever its head promised.
                let plain = matches!(fault, Fault::WrongContentLength(_));
                for stream in [false, true].into_iter().filter(|stream| !(*stream && plain)) {
                    let names = either(client, provider, second);
                    let say = Say::user("[[say Well.]]").stream(stream);
                    let answer = world.gateway.send(client.ask(&names, &say)).await;
                    let case = format!("{fault:?}: {client:?} to {names}, {stream}: {}", answer.text());
                    assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{case}");
                    assert_eq!(client.read(&answer, stream).text, "Well.", "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn json_that_is_no_answer_is_a_failed_attempt() {
    let world = World::with(Script::default(), without_health(json!({}))).await;
    for body in [
        "{}",
        "[]",
        "\"Hello\"",
        "null",
        "{\"ok\":true}",
        "{\"error\":null}",
        "{\"choices\":5}",
        "{\"choices\":[]}",
        "{\"content\":\"x\"}",
    ] {
        for client in Client::ALL {
            for provider in PROVIDERS.into_iter().filter(|p| !p.speaks(client)) {
                let second = PROVIDERS.into_iter().find(|p| p.flavour != provider.flavour).unwrap();
                let behaviour = Behaviour { body: Some(body.into()), ..Behaviour::default() };
                world.mock.set_script(Script::default().rule(provider.answers([behaviour])));
                let names = either(client, provider, second);
                let answer = world.gateway.send(client.ask(&names, &Say::user("[[say Well.]]"))).await;
                let case = format!("{body}: {client:?} to {names}: {}", answer.text());
                assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{case}");
                assert_eq!(client.read(&answer, false).text, "Well.", "{case}");
            }
        }
    }
}

/// Reads a stream that broke off: the text so far, and the message of the error it ends with.
fn broken(client: Client, answer: &Answer) -> (String, String) {
    let all = events(&answer.text());
    let (last, before) = all.split_last().expect("events");
    let error = last.json();
    let mut text = String::new();
    for event in before {
        let data = event.json();
        let piece = match client {
            Client::Chat => data.pointer("/choices/0/delta/content"),
            Client::Responses => data.get("delta"),
            Client::Messages => data.pointer("/delta/text"),
            Client::Gemini => data.pointer("/candidates/0/content/parts/0/text"),
        };
        text += piece.and_then(Value::as_str).unwrap_or_default();
        assert!(data.pointer("/choices/0/finish_reason").is_none_or(Value::is_null), "{data}");
        assert!(data.pointer("/candidates/0/finishReason").is_none_or(Value::is_null), "{data}");
        assert!(!matches!(event.name.as_str(), "message_delta" | "message_stop"), "{data}");
        assert!(!matches!(event.name.as_str(), "response.completed" | "response.incomplete"), "{data}");
    }
    let message = match client {
        Client::Chat | Client::Gemini => &error["error"]["message"],
        Client::Responses => {
            assert_eq!((last.name.as_str(), &error["type"]), ("error", &json!("error")), "{error}");
            &error["message"]
        }
        Client::Messages => {
            assert_eq!((last.name.as_str(), &error["type"]), ("error", &json!("error")), "{error}");
            &error["error"]["message"]
        }
    };
    (text, message.as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned())
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_of_the_clients_dialect() {
    for (fault, told) in [
        (Fault::ErrorAfterChunks(2), "It burns."),
        (Fault::CutAfterChunks(2), ""),
        (Fault::ResetAfterChunks(2), ""),
    ] {
        let mut behaviour = Behaviour::fault(fault);
        behaviour.message = Some("It burns.".into());
        behaviour.chunks = Some(vec!["One ".into(), "two ".into(), "three".into()]);
        // So that a reset does not overtake what was sent before it.
        behaviour.chunk_delay_ms = 30;
        let world = World::new(Script::always(behaviour)).await;
        for client in Client::ALL {
            for provider in PROVIDERS.into_iter().filter(|p| !p.speaks(client)) {
                let answer =
                    world.gateway.send(client.ask(provider.name, &Say::user("x").stream(true))).await;
                let case = format!("{fault:?}: {client:?} to {}: {}", provider.name, answer.text());
                assert_eq!(answer.status, 200, "{case}");
                let (text, message) = broken(client, &answer);
                assert_eq!(text, "One two ", "{case}");
                assert!(message.contains(told) && !message.is_empty(), "{case}");
                assert!(!answer.text().contains("[DONE]"), "{case}");
                assert_eq!(world.gateway.log_of(&answer).await["outcome"], "interrupted", "{case}");
            }
        }
    }
}

fn named(data: Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn plain(data: Value) -> String {
    format!("data: {data}\n\n")
}

fn odd_chat() -> Vec<String> {
    vec![
        ": hi\n\n".into(),
        plain(json!({"choices": [], "prompt_filter_results": [{"index": 0}]})),
        plain(
            json!({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]}),
        ),
        "event: future\ndata: {\"x\":1}\n\n".into(),
        plain(json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "One "}, "logprobs": null}]})),
        plain(json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "two", "future": [1]}}]})),
        plain(json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})),
        plain(json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})),
        "data: [DONE]\n\n: bye\n\n".into(),
    ]
}

fn odd_responses() -> Vec<String> {
    vec![
        named(json!({"type": "response.future", "x": 1})),
        named(json!({"type": "response.created", "response": {"id": "r", "status": "in_progress"}})),
        named(
            json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "m", "delta": "One "}),
        ),
        named(json!({"type": "response.web_search_call.searching", "output_index": 0, "item_id": "w"})),
        named(
            json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "m", "delta": "two"}),
        ),
        named(
            json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}),
        ),
    ]
}

fn odd_messages() -> Vec<String> {
    vec![
        named(json!({"type": "ping"})),
        named(
            json!({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 1}}}),
        ),
        named(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "One "}}),
        ),
        named(json!({"type": "future_event", "index": 0})),
        named(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "future_delta", "x": 1}})),
        named(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "two"}}),
        ),
        named(json!({"type": "content_block_stop", "index": 7})),
        named(
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        ),
        named(json!({"type": "message_stop"})),
    ]
}

fn odd_gemini() -> Vec<String> {
    vec![
        plain(json!({"responseId": "r", "future": {}})),
        plain(json!({"candidates": [{"content": {"parts": [{"text": "One "}]}, "future": 1}]})),
        plain(json!({"candidates": [{"content": {"parts": [{"future": {}}]}}]})),
        plain(json!({"usageMetadata": {"promptTokenCount": 1}})),
        plain(json!({"candidates": [{"content": {"parts": [{"text": "two"}]}}]})),
        plain(json!({"candidates": [{"finishReason": "STOP"}]})),
    ]
}

/// A stream of a provider with events nobody knows, in between, before and behind.
fn odd_stream(provider: Provider) -> String {
    let frames = match provider.surface {
        tollgate_mock::Surface::ChatCompletions => odd_chat(),
        tollgate_mock::Surface::Responses => odd_responses(),
        tollgate_mock::Surface::Messages => odd_messages(),
        _ => odd_gemini(),
    };
    frames.concat()
}

#[tokio::test]
async fn unknown_events_do_no_harm() {
    for provider in PROVIDERS {
        let behaviour = Behaviour { body: Some(odd_stream(provider)), ..Behaviour::default() };
        let script = Script::always(behaviour.header("content-type", "text/event-stream"));
        let world = World::new(script).await;
        for client in Client::ALL.into_iter().filter(|c| !provider.speaks(*c)) {
            let answer = world.gateway.send(client.ask(provider.name, &Say::user("x").stream(true))).await;
            let got = client.read(&answer, true);
            assert_eq!(got.text, "One two", "{client:?} to {}: {}", provider.name, answer.text());
            assert_eq!(got.stop, client.words()[0], "{client:?} to {}: {}", provider.name, answer.text());
        }
    }
}
