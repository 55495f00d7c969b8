//! State that only its issuer can read: where a request that carries some may go.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Script};

/// Names that fail over, as they stand in a body or in a path.
fn list(client: Client, names: &[Provider]) -> String {
    let names: Vec<&str> = names.iter().map(|p| p.name).collect();
    names.join(if client == Client::Gemini { "%7C" } else { "|" })
}

/// A first turn with thoughts and a call, answered by one provider, and the results for the second.
async fn first(world: &World, client: Client, provider: Provider, stream: bool) -> Say {
    let order = r#"[[think I need the weather.]] [[tool get_weather {"city":"Paris"}]]"#;
    let say = Say::user(order)
        .tool("get_weather", json!({"type": "object", "properties": {"city": {"type": "string"}}}));
    let say = say.think().stream(stream);
    let answer = world.gateway.send(client.ask(provider.name, &say)).await;
    let got = client.read(&answer, stream);
    assert_eq!(got.calls.len(), 1, "{}", answer.text());
    let results = got.calls.iter().map(|call| (call.clone(), "12 degrees".to_owned())).collect();
    say.then(&got, Turn::Results(results))
}

/// The providers whose state travels: those that give any. Who cannot read it comes first in every list.
const ISSUERS: [Provider; 4] = [RESPY, ROUTED, CLAUDE, GEMINI];

#[tokio::test]
async fn a_conversation_finds_back_to_who_can_read_it() {
    let world = World::new(Script::default()).await;
    let mut failed = Vec::new();
    for client in Client::ALL {
        for issuer in ISSUERS {
            for stream in [false, true] {
                let round = async {
                    let second = first(&world, client, issuer, stream).await;
                    world.mock.clear_requests();
                    let mut order: Vec<Provider> = PROVIDERS.into_iter().filter(|p| *p != issuer).collect();
                    order.push(issuer);
                    let answer = world.gateway.send(client.ask(&list(client, &order), &second)).await;
                    let case = format!("{}\nsent {}", answer.text(), client.body("", &second));
                    assert_eq!(answer.header("x-tollgate-model"), issuer.name, "{case}");
                    assert!(client.read(&answer, stream).text.contains("12 degrees"), "{case}");
                    assert_eq!(world.mock.requests().len(), 1, "nobody else is asked: {case}");
                };
                // An answer of its own dialect has no mark of ours: of two that speak it, either may have given it.
                let unmarked = issuer.speaks(client) && matches!(client, Client::Chat);
                if let Err(why) = caught(round).await
                    && !unmarked
                {
                    let why: String = why.chars().take(1800).collect();
                    failed.push(format!("{client:?}, {}, stream {stream}: {why}", issuer.name));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} cells:\n{}", failed.len(), failed.join("\n\n"));
}

#[tokio::test]
async fn who_cannot_read_it_is_told_why_it_was_passed_over() {
    let world = World::new(Script::default()).await;
    for (client, field) in [
        (Client::Chat, "messages[1].reasoning_details[0]"),
        (Client::Responses, "input[1].encrypted_content"),
        (Client::Messages, "messages[1].content[0].signature"),
        (Client::Gemini, "contents[1].parts[0].thoughtSignature"),
    ] {
        let second = first(&world, client, CLAUDE, false).await;
        world.mock.clear_requests();
        for other in [CHATTY, RESPY, GEMINI] {
            let answer = world.gateway.send(client.ask(other.name, &second)).await;
            let case = format!("{client:?} to {}: {}", other.name, answer.text());
            assert_eq!((answer.status, answer.code()), (422, "3813"), "{case}");
            let (message, _) = client.error(&answer);
            assert!(message.contains(field) && message.contains("bound_state"), "{field}: {case}");
        }
        assert!(world.mock.requests().is_empty());
    }
}

#[tokio::test]
async fn state_is_stripped_where_the_policy_says_so() {
    let world = World::with(Script::default(), json!({"bound_state": "strip"})).await;
    let mut failed = Vec::new();
    for client in Client::ALL {
        for issuer in ISSUERS {
            let second = first(&world, client, issuer, false).await;
            // The issuer itself still gets it.
            for other in PROVIDERS {
                let round = async {
                    let answer = world.gateway.send(client.ask(other.name, &second)).await;
                    let case = format!("{}\nsent: {}", answer.text(), client.body("", &second));
                    assert_eq!(answer.status, 200, "{case}\n{}", world.last().json());
                    assert!(client.read(&answer, false).text.contains("12 degrees"), "{case}");
                    let sent = String::from_utf8(world.last().body.to_vec()).unwrap();
                    assert!(!sent.contains("tg1.") && !sent.contains("dGcxL"), "{sent}");
                    let dropped = answer.header("x-tollgate-dropped").to_owned();
                    let state = [
                        "signature",
                        "encrypted_content",
                        "thoughtSignature",
                        "reasoning_details",
                        "extra_content",
                        ".data",
                    ];
                    let named = state.iter().any(|name| dropped.contains(name));
                    let same = issuer == other || issuer.speaks(client) && other.speaks(client);
                    assert!(same || named, "dropped: {dropped:?}; {case}");
                    assert!(issuer != other || !named, "dropped: {dropped:?}; {case}");
                };
                if let Err(why) = caught(round).await {
                    let why: String = why.chars().take(1800).collect();
                    failed.push(format!("{client:?}, {} then {}: {why}", issuer.name, other.name));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} cells:\n{}", failed.len(), failed.join("\n\n"));
}

/// The thoughts of Claude as its own API gives them, in the second turn of a client of that API.
async fn claudes_own(world: &World) -> (Say, Value) {
    let say = Say::user("[[think Hm.]] [[say Yes.]]").think();
    let answer = world.gateway.send(Client::Messages.ask(CLAUDE.name, &say)).await;
    let got = Client::Messages.read(&answer, false);
    let block = got.turn[0].clone();
    assert!(
        block["type"] == "thinking" && !block["signature"].as_str().unwrap().starts_with("tg1."),
        "{block}"
    );
    (say.then(&got, Turn::User("[[say Go on.]]".into())), block)
}

#[tokio::test]
async fn claudes_signatures_stay_with_claude() {
    let world = World::new(Script::default()).await;
    let (second, block) = claudes_own(&world).await;
    let answer =
        world.gateway.send(Client::Messages.ask(&list(Client::Messages, &[CHATTY, CLAUDE]), &second)).await;
    assert_eq!(answer.header("x-tollgate-model"), CLAUDE.name, "{}", answer.text());
    assert_eq!(world.last().json()["messages"][1]["content"][0], block);
    let answer = world.gateway.send(Client::Messages.ask(CHATTY.name, &second)).await;
    answer.assert_anthropic_error(422, "3813");
    assert!(answer.text().contains("messages[1].content[0].signature"), "{}", answer.text());

    let world = World::with(Script::default(), json!({"bound_state": "strip"})).await;
    let answer = world.gateway.send(Client::Messages.ask(CHATTY.name, &second)).await;
    assert_eq!(Client::Messages.read(&answer, false).text, "Go on.");
    let dropped = answer.header("x-tollgate-dropped");
    assert!(dropped.contains("messages[1].content[0].signature"), "{dropped}");
    assert!(!world.last().json().to_string().contains(block["signature"].as_str().unwrap()));
}

/// Two providers that speak responses, on mocks of their own.
async fn two_that_speak_responses() -> (tollgate_mock::MockServer, tollgate_mock::MockServer, Gateway) {
    let (one, two) = (mock(Script::default()).await, mock(Script::default()).await);
    let surfaces = json!({"supported_api_surfaces": [{"format": "openai"}], "models": [{"id": "m"}]});
    let provider = |id: &str, mock: &tollgate_mock::MockServer, key: &str| {
        merge(custom(id, &format!("{}/v1", mock.url()), &[key]), surfaces.clone())
    };
    let chat = json!({"supported_api_surfaces": [{"format": "openai", "surface": "chat-completions"}]});
    let third = merge(custom("three", &format!("{}/v1", one.url()), &["key-three-0123456789abcdef"]), chat);
    let providers = json!([provider("one", &one, KEY_ONE), provider("two", &two, KEY_TWO), third]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": providers}))).await;
    (one, two, gateway)
}

#[tokio::test]
async fn the_id_of_a_stored_answer_leads_to_who_stored_it() {
    let (one, two, gateway) = two_that_speak_responses().await;
    for stream in [false, true] {
        let say =
            |more: Value| merge(json!({"model": "two:m", "input": "[[say Yes.]]", "stream": stream}), more);
        let answer = gateway.send(post("/v1/responses", &say(json!({})))).await;
        let id = match stream {
            false => answer.json()["id"].clone(),
            true => events(&answer.text())[0].json()["response"]["id"].clone(),
        };
        assert!(id.as_str().unwrap().starts_with("resp_"), "{id}");
        for names in ["one:m|two:m", "three:m|one:m|two:m", "two:m|one:m"] {
            let body = say(json!({"model": names, "previous_response_id": id}));
            let answer = gateway.send(post("/v1/responses", &body)).await;
            assert_eq!(answer.header("x-tollgate-model"), "two:m", "{names}: {}", answer.text());
            assert_eq!(two.requests().last().unwrap().json()["previous_response_id"], id);
        }
        let body = say(json!({"model": "one:m", "previous_response_id": id}));
        let answer = gateway.send(post("/v1/responses", &body)).await;
        answer.assert_openai_error(422, "3813");
        assert!(answer.text().contains("previous_response_id"), "{}", answer.text());
        assert!(one.requests().is_empty());
    }
    // An id nobody remembers goes to the first that speaks the dialect, and to nobody else.
    let body = json!({"model": "three:m|one:m|two:m", "input": "x", "previous_response_id": "resp_unknown"});
    let answer = gateway.send(post("/v1/responses", &body)).await;
    assert_eq!(answer.header("x-tollgate-model"), "one:m", "{}", answer.text());
}

#[tokio::test]
async fn a_stored_answer_does_not_fail_over_to_who_has_not_got_it() {
    let (one, two, gateway) = two_that_speak_responses().await;
    let answer = gateway.send(post("/v1/responses", &json!({"model": "two:m", "input": "x"}))).await;
    let id = answer.json()["id"].clone();
    two.set_script(Script::always(Behaviour::status(503)));
    let body = json!({"model": "two:m|one:m", "input": "x", "previous_response_id": id});
    let answer = gateway.send(post("/v1/responses", &body)).await;
    assert!(answer.status >= 400 && one.requests().is_empty(), "{}", answer.text());
}

#[tokio::test]
async fn encrypted_thoughts_of_responses_go_back_as_they_came() {
    let world = World::new(Script::default()).await;
    let say = Say::user("[[think Hm.]] [[say Yes.]]").think();
    let answer = world.gateway.send(Client::Responses.ask(RESPY.name, &say)).await;
    let got = Client::Responses.read(&answer, false);
    let second = say.then(&got, Turn::User("[[say Go on.]]".into()));
    let names = list(Client::Responses, &[CHATTY, CLAUDE, RESPY]);
    let answer = world.gateway.send(Client::Responses.ask(&names, &second)).await;
    assert_eq!(answer.header("x-tollgate-model"), RESPY.name, "{}", answer.text());
    assert_eq!(world.last().json()["input"][1], got.turn[0], "as it was");
}

#[tokio::test]
async fn googles_signatures_stay_with_google() {
    let world = World::new(Script::default()).await;
    let second = first(&world, Client::Gemini, GEMINI, false).await;
    let Turn::Got(parts) = &second.turns[1] else { panic!("the answer") };
    assert!(parts.iter().any(|part| part["thoughtSignature"].is_string()), "{parts:?}");
    let names = list(Client::Gemini, &[CHATTY, CLAUDE, GEMINI]);
    let answer = world.gateway.send(Client::Gemini.ask(&names, &second)).await;
    assert_eq!(answer.header("x-tollgate-model"), GEMINI.name, "{}", answer.text());
    assert_eq!(world.last().json()["contents"][1]["parts"], json!(parts));
}

#[tokio::test]
async fn who_imitates_anthropics_api_gets_its_own_signatures_back() {
    let mock = mock(Script::default()).await;
    let imitator = merge(
        custom("imitator", &format!("{}/openrouter/api/v1", mock.url()), &[KEY_ONE]),
        json!({"supported_api_surfaces": [{"format": "anthropic"}], "models": [{"id": "glm-5"}]}),
    );
    let mut all = providers(&mock);
    all.as_array_mut().unwrap().push(imitator);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": all}))).await;
    let say = Say::user("[[think Hm.]] [[say Yes.]]").think();
    for client in Client::ALL {
        let answer = gateway.send(client.ask("imitator:glm-5", &say)).await;
        let got = client.read(&answer, false);
        assert_eq!(got.thoughts, "Hm.", "{client:?}: {}", answer.text());
        let second = say.clone().then(&got, Turn::User("[[say Go on.]]".into()));
        let answer = gateway.send(client.ask("imitator:glm-5", &second)).await;
        assert_eq!(client.read(&answer, false).text, "Go on.", "{client:?}");
        let sent = mock.requests().pop().unwrap().json();
        let signature = sent["messages"][1]["content"][0]["signature"].as_str().unwrap_or_default();
        assert!(!signature.is_empty() && !signature.starts_with("tg1"), "{client:?}: {sent}");
    }
    let answer = gateway.send(Client::Messages.ask("imitator:glm-5", &say)).await;
    let got = Client::Messages.read(&answer, false);
    let second = say.then(&got, Turn::User("[[say Go on.]]".into()));
    for names in ["imitator:glm-5", "chatty:gpt-5-mini|imitator:glm-5"] {
        let answer = gateway.send(Client::Messages.ask(names, &second)).await;
        assert_eq!(answer.header("x-tollgate-model"), "imitator:glm-5", "{}", answer.text());
        assert_eq!(mock.requests().pop().unwrap().json()["messages"][1]["content"][0], got.turn[0]);
    }
}

#[tokio::test]
async fn thoughts_nobody_signed_do_not_reach_claude() {
    let world = World::new(Script::default()).await;
    // As an answer of Gemini's looks to a client of Anthropic's API.
    let order = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "text", "text": "y"}]},
        {"role": "user", "content": "[[say Yes.]]"},
    ]);
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let body = json!({"model": CLAUDE.name, "max_tokens": 2000, "thinking": thinking, "messages": order});
    let answer = world.gateway.send(post("/v1/messages", &body)).await;
    assert_eq!(Client::Messages.read(&answer, false).text, "Yes.");
    assert_eq!(answer.header("x-tollgate-dropped"), "messages[1].content[0]");
    assert_eq!(world.last().json()["messages"][1]["content"], json!([{"type": "text", "text": "y"}]));
    // With a tool's result next, Claude would want the thoughts of the turn: it is not asked to think.
    let mut body = body;
    body["messages"][1]["content"] = json!([
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "tool_use", "id": "call_1", "name": "f", "input": {}},
    ]);
    body["messages"][2]["content"] =
        json!([{"type": "tool_result", "tool_use_id": "call_1", "content": "12"}]);
    body["tools"] = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let answer = world.gateway.send(post("/v1/messages", &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-tollgate-dropped"), "messages[1].content[0],thinking".replace(',', ", "));
}
