//! Any client to any provider: what the provider gets, and what the client gets back.
//!
//! The mock refuses what the real APIs refuse, so a 200 says that the provider's own rules were kept.

use crate::support::*;
use serde_json::{Value, json};
use std::future::Future;
use tollgate_mock::{Behaviour, Script, Trickle, UsageCounts};

/// A picture of one pixel, 68 bytes.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR42mNgAAIAAAUAAen63NgAAAAASUVORK5CYII=";

/// Runs a check for every client, provider and form of answer, and tells of all that fail.
async fn every<F: Future<Output = ()>>(providers: &[Provider], check: impl Fn(Client, Provider, bool) -> F) {
    let mut failed = Vec::new();
    for client in Client::ALL {
        for provider in providers {
            for stream in [false, true] {
                if let Err(why) = caught(check(client, *provider, stream)).await {
                    let why: String = why.chars().take(1500).collect();
                    failed.push(format!("{client:?} to {}, stream {stream}: {why}", provider.name));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} cells:\n{}", failed.len(), failed.join("\n\n"));
}

impl World {
    /// Sends, and reads a good answer that lost nothing.
    async fn talk(&self, client: Client, provider: Provider, say: &Say) -> Got {
        self.talk_losing(client, provider, say, &[""]).await
    }

    /// Sends, and reads a good answer that lost one of these.
    async fn talk_losing(&self, client: Client, provider: Provider, say: &Say, lost: &[&str]) -> Got {
        let answer = self.gateway.send(client.ask(provider.name, say)).await;
        let case = format!("{client:?} to {}, stream {}: {}", provider.name, say.stream, answer.text());
        assert_eq!(answer.status, 200, "{case}\nsent: {}", client.body(provider.name, say));
        assert!(
            lost.contains(&answer.header("x-tollgate-dropped")),
            "{}: {case}",
            answer.header("x-tollgate-dropped")
        );
        assert_eq!(answer.header("x-tollgate-model"), provider.name, "{case}");
        let last = self.last();
        assert_eq!((last.provider, last.surface), (provider.flavour, provider.surface), "{case}");
        assert_eq!((last.model.as_str(), last.stream), (provider.model, say.stream), "{case}");
        client.read(&answer, say.stream)
    }
}

#[tokio::test]
async fn texts() {
    let usage = UsageCounts { input: 100, output: 40, cached: 30, reasoning: 10 };
    let behaviour = Behaviour { usage: Some(usage), ..Behaviour::default() };
    let world = World::new(Script::always(behaviour)).await;
    every(&PROVIDERS, async |client, provider, stream| {
        let case = format!("{client:?} to {}, stream {stream}", provider.name);
        let say = Say {
            system: Some("Be brief. \"é\"\n"),
            ..Say::user("[[say Bonjour, \"ça\" va? 😀 {x}\n\tok]]")
        };
        let say = say.stream(stream);
        let got = world.talk(client, provider, &say).await;
        assert_eq!(got.text, "Bonjour, \"ça\" va? 😀 {x}\n\tok", "{case}");
        assert_eq!((got.stop.as_str(), got.model.as_str()), (client.words()[0], provider.model), "{case}");
        // Anthropic's API counts thoughts among the answer's tokens and does not say how many.
        let silent = provider == CLAUDE || client == Client::Messages;
        let reasoning = if silent { 0 } else { 10 };
        assert_eq!(got.usage, Some(Counts { input: 100, output: 40, cached: 30, reasoning }), "{case}");
        let again = say.then(&got, Turn::User("[[say And you?]]".into()));
        assert_eq!(world.talk(client, provider, &again).await.text, "And you?", "{case}");
        let body = world.last().body;
        let sent = std::str::from_utf8(&body).unwrap();
        for part in ["Be brief.", "[[say Bonjour", "Bonjour, \\\"ça\\\" va?", "And you?"] {
            assert!(sent.contains(part), "{part}: {case}: {sent}");
        }
    })
    .await;
}

#[tokio::test]
async fn pictures() {
    let world = World::new(Script::default()).await;
    every(&PROVIDERS, async |client, provider, stream| {
        let turn = Turn::Picture("[[see]]".into(), "image/png", PIXEL.into());
        let say = Say { turns: vec![turn], ..Say::user("") }.stream(stream);
        let got = world.talk(client, provider, &say).await;
        assert_eq!(got.text, "I see image/png of 68 bytes", "{client:?} to {}", provider.name);
    })
    .await;
}

fn tools(say: Say) -> Say {
    say.tool(
        "get_weather",
        json!({"type": "object", "properties": {"city": {"type": "string", "description": "A city"}}, "required": ["city"]}),
    )
    .tool("get_time", json!({"type": "object", "properties": {"zone": {"type": "string"}}}))
}

#[tokio::test]
async fn tools_are_called_and_answered() {
    let world = World::new(Script::default()).await;
    every(&PROVIDERS, async |client, provider, stream| {
        let case = format!("{client:?} to {}, stream {stream}", provider.name);
        let order = r#"[[tools get_weather {"city":"Paris \"1\""}; get_time {"zone":"CET"}; get_weather {"city":"Rome"}]]"#;
        let say = tools(Say::user(order)).stream(stream);
        let got = world.talk(client, provider, &say).await;
        let called: Vec<(&str, &Value)> = got.calls.iter().map(|c| (c.name.as_str(), &c.arguments)).collect();
        let (paris, cet, rome) = (json!({"city": "Paris \"1\""}), json!({"zone": "CET"}), json!({"city": "Rome"}));
        let want = [("get_weather", &paris), ("get_time", &cet), ("get_weather", &rome)];
        assert_eq!(called, want, "{case}");
        assert_eq!(got.stop, client.words()[1], "{case}");
        let texts = ["12 degrees", "noon", "20 degrees"];
        let results = got.calls.iter().cloned().zip(texts.map(str::to_owned)).collect();
        let again = say.then(&got, Turn::Results(results));
        let got = world.talk(client, provider, &again).await;
        let at: Vec<usize> = texts.iter().map(|t| got.text.find(t).unwrap_or_else(|| panic!("{case}: {}", got.text))).collect();
        assert!(got.text.starts_with("The tools said: ") && at.is_sorted(), "{case}: {}", got.text);
        // And a third turn, with calls and results in the middle of the history.
        let more = again.then(&got, Turn::User("[[say done]]".into()));
        assert_eq!(world.talk(client, provider, &more).await.text, "done", "{case}");
    })
    .await;
}

#[tokio::test]
async fn calls_may_be_demanded_and_limited() {
    let world = World::new(Script::default()).await;
    every(&PROVIDERS, async |client, provider, stream| {
        let case = format!("{client:?} to {}, stream {stream}", provider.name);
        let say = Say { must_call: true, ..tools(Say::user("What now?")) }.stream(stream);
        assert_eq!(world.talk(client, provider, &say).await.calls.len(), 1, "{case}");
        if client == Client::Gemini || provider == GEMINI {
            return; // that API has no such limit
        }
        let order = r#"[[tools get_weather {"city":"Paris"}; get_time {}]]"#;
        let say = Say { one_call: true, ..tools(Say::user(order)) }.stream(stream);
        assert_eq!(world.talk(client, provider, &say).await.calls.len(), 1, "{case}");
    })
    .await;
}

#[tokio::test]
async fn structured_output() {
    let world = World::new(Script::default()).await;
    let schema = json!({
        "type": "object",
        "properties": {"zulu": {"type": "integer"}, "city": {"type": "string"}},
        "required": ["zulu", "city"],
        "additionalProperties": false,
    });
    every(&PROVIDERS, async |client, provider, stream| {
        let say =
            Say { schema: Some(schema.clone()), ..Say::user(r#"JSON! [[json {"zulu":1,"city":"Paris"}]]"#) };
        let got = world.talk(client, provider, &say.stream(stream)).await;
        assert_eq!(got.text, r#"{"zulu":1,"city":"Paris"}"#, "{client:?} to {}", provider.name);
        let body = world.last().body;
        let sent = std::str::from_utf8(&body).unwrap();
        assert!(
            sent.find("\"zulu\":{").unwrap() < sent.find("\"city\":{").unwrap(),
            "the order stays: {sent}"
        );
    })
    .await;
}

/// A chat completion's `reasoning_effort` asks for thoughts. OpenAI shows summaries of them on request only, and to
/// verified organisations only, so nobody asks for those unasked.
fn hidden(client: Client, provider: Provider) -> bool {
    client == Client::Chat && provider == RESPY
}

#[tokio::test]
async fn thoughts_are_shown_and_taken_back() {
    let world = World::new(Script::default()).await;
    every(&[RESPY, ROUTED, CLAUDE, GEMINI], async |client, provider, stream| {
        let case = format!("{client:?} to {}, stream {stream}", provider.name);
        let say = Say::user("[[think Let me see. Yes.]] [[say Fine.]]").think().stream(stream);
        let got = world.talk(client, provider, &say).await;
        let thoughts = if hidden(client, provider) { "" } else { "Let me see. Yes." };
        assert_eq!((got.thoughts.as_str(), got.text.as_str()), (thoughts, "Fine."), "{case}");
        let again = say.then(&got, Turn::User("[[say Good.]]".into()));
        assert_eq!(world.talk(client, provider, &again).await.text, "Good.", "{case}");
    })
    .await;
}

#[tokio::test]
async fn thoughts_around_tools() {
    let world = World::new(Script::default()).await;
    every(&[RESPY, ROUTED, CLAUDE, GEMINI], async |client, provider, stream| {
        let case = format!("{client:?} to {}, stream {stream}", provider.name);
        let order = r#"[[think I need the weather.]] [[tools get_weather {"city":"Paris"}; get_time {}]]"#;
        let say = tools(Say::user(order)).think().stream(stream);
        let got = world.talk(client, provider, &say).await;
        let thoughts = if hidden(client, provider) { "" } else { "I need the weather." };
        assert_eq!((got.thoughts.as_str(), got.calls.len()), (thoughts, 2), "{case}");
        let results = got.calls.iter().map(|call| (call.clone(), "12".to_owned())).collect();
        let again = say.then(&got, Turn::Results(results));
        let got = world.talk(client, provider, &again).await;
        assert!(got.text.starts_with("The tools said: "), "{case}: {}", got.text);
    })
    .await;
}

#[tokio::test]
async fn answers_that_are_cut() {
    let world = World::new(Script::default()).await;
    every(&PROVIDERS, async |client, provider, stream| {
        let say = Say::user("[[say Once upon a]] [[cut]]").stream(stream);
        let got = world.talk(client, provider, &say).await;
        let case = format!("{client:?} to {}", provider.name);
        assert_eq!((got.text.as_str(), got.stop.as_str()), ("Once upon a", client.words()[2]), "{case}");
    })
    .await;
}

#[tokio::test]
async fn refusals() {
    let world = World::new(Script::default()).await;
    every(&PROVIDERS, async |client, provider, stream| {
        let case = format!("{client:?} to {}, stream {stream}", provider.name);
        let say = Say::user("[[refuse I will not.]]").stream(stream);
        // Google's words for it have no place elsewhere.
        let got = world.talk_losing(client, provider, &say, &["", "candidates[0].finishMessage"]).await;
        // OpenAI's models refuse in words; Anthropic's and Google's APIs end without an answer and say why beside it.
        let worded = matches!(
            provider.surface,
            tollgate_mock::Surface::ChatCompletions | tollgate_mock::Surface::Responses
        );
        let said = format!("{}{}", got.text, got.refusal);
        assert!(!worded || said == "I will not.", "{case}: {got:?}");
        let stops: &[&str] = match (client, worded) {
            (Client::Chat, true) => &["stop"],
            (Client::Chat, false) => &["content_filter", "stop"],
            (Client::Responses, true) => &["completed"],
            (Client::Responses, false) => &["completed", "content_filter"],
            (Client::Messages, _) => &["refusal"],
            (Client::Gemini, _) => &["SAFETY"],
        };
        assert!(stops.contains(&got.stop.as_str()), "{case}: {got:?}");
    })
    .await;
}

/// Models that are told to think in every way there is, and some that cannot be.
#[tokio::test]
async fn every_way_to_think() {
    let world = World::with(Script::default(), json!({})).await;
    let config = json!({"providers": [anthropic(&world.mock), openai(&world.mock), openrouter(&world.mock), {
        "id": "google", "base_url": format!("{}/google/v1beta", world.mock.url()),
        "api_keys": [{"value": "AIza-test-ffffffffffffffffffff-6666"}],
    }]});
    let gateway = Gateway::start(&ai_gateway(config)).await;
    let mut failed = Vec::new();
    for name in [
        "openai:gpt-4o",
        "openai:gpt-4.1-mini",
        "openai:gpt-5",
        "openai:o3",
        "anthropic:claude-3-5-haiku-20241022",
        "anthropic:claude-sonnet-4-5",
        "anthropic:claude-opus-4-6",
        "anthropic:claude-opus-4-7",
        "google:gemini-2.0-flash",
        "google:gemini-2.5-pro",
        "google:gemini-3-pro-preview",
        "openrouter:anthropic/claude-sonnet-4.5",
        "openrouter:openai/gpt-5",
    ] {
        for client in Client::ALL {
            // That these do not think is between OpenAI and its own clients.
            let old = name.starts_with("openai:gpt-4") && matches!(client, Client::Chat | Client::Responses);
            for stream in [false, true].into_iter().filter(|_| !old) {
                let round = async {
                    let order = r#"[[think Hm.]] [[tools get_weather {"city":"Paris"}; get_time {}]]"#;
                    let say = tools(Say::user(order)).think().stream(stream);
                    let answer = gateway.send(client.ask(name, &say)).await;
                    let sent = world.last().json();
                    assert_eq!(answer.status, 200, "{}\nsent {sent}", answer.text());
                    let got = client.read(&answer, stream);
                    let results = got.calls.iter().map(|call| (call.clone(), "12".to_owned())).collect();
                    let again = say.then(&got, Turn::Results(results));
                    let answer = gateway.send(client.ask(name, &again)).await;
                    let sent = world.last().json();
                    assert_eq!(answer.status, 200, "{}\nsent {sent}", answer.text());
                    let got = client.read(&answer, stream);
                    assert!(got.text.starts_with("The tools said: "), "{}", answer.text());
                    let again = again.then(&got, Turn::User("[[think So.]] [[say Done.]]".into()));
                    let answer = gateway.send(client.ask(name, &again)).await;
                    let sent = world.last().json();
                    assert_eq!(answer.status, 200, "{}\nsent {sent}", answer.text());
                    assert_eq!(client.read(&answer, stream).text, "Done.");
                };
                if let Err(why) = caught(round).await {
                    let why: String = why.chars().take(1500).collect();
                    failed.push(format!("{client:?} to {name}, stream {stream}: {why}"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} cells:\n{}", failed.len(), failed.join("\n\n"));
}

#[tokio::test]
async fn long_texts_and_crumbs() {
    let piece = "wörd \"😀\" ".repeat(2_000); // 30 KB
    let long = Behaviour { chunks: Some(vec![piece.clone(); 10]), ..Behaviour::default() };
    let crumbs = Behaviour {
        chunks: Some(vec!["é😀".into(), " ".into(), "\u{2028}\\n".into()]),
        trickle: Some(Trickle { bytes: 7, every_ms: 0 }),
        ..Behaviour::default()
    };
    for (behaviour, text) in [(long, piece.repeat(10)), (crumbs, "é😀 \u{2028}\\n".to_owned())] {
        let world = World::new(Script::always(behaviour)).await;
        every(&PROVIDERS, async |client, provider, stream| {
            let turn = Turn::Picture("Look.".into(), "image/png", "A".repeat(1 << 17));
            let say = Say { turns: vec![turn], ..Say::user("") }.stream(stream);
            let got = world.talk(client, provider, &say).await;
            assert!(got.text == text, "{} bytes of {}", got.text.len(), text.len());
            assert!(world.last().body.len() > 1 << 17);
        })
        .await;
    }
}

/// Pictures by their address: who can fetch them gets the address, who cannot is passed over.
#[tokio::test]
async fn pictures_by_address() {
    let world = World::new(Script::default()).await;
    let url = "https://example.com/cat.png";
    for client in Client::ALL {
        let body = match client {
            Client::Chat => json!({"messages": [{"role": "user", "content": [
                {"type": "text", "text": "[[see]]"}, {"type": "image_url", "image_url": {"url": url}}]}]}),
            Client::Responses => json!({"input": [{"role": "user", "content": [
                {"type": "input_text", "text": "[[see]]"}, {"type": "input_image", "image_url": url}]}]}),
            Client::Messages => json!({"max_tokens": 50, "messages": [{"role": "user", "content": [
                {"type": "text", "text": "[[see]]"}, {"type": "image", "source": {"type": "url", "url": url}}]}]}),
            Client::Gemini => json!({"contents": [{"role": "user", "parts": [
                {"text": "[[see]]"}, {"fileData": {"mimeType": "image/png", "fileUri": url}}]}]}),
        };
        for provider in PROVIDERS {
            let mut body = body.clone();
            if client != Client::Gemini {
                body["model"] = json!(provider.name);
            }
            let answer = world.gateway.send(post(&client.path(provider.name, false), &body)).await;
            let case = format!("{client:?} to {}: {}", provider.name, answer.text());
            match answer.status {
                200 => assert_eq!(client.read(&answer, false).text, format!("I see {url}"), "{case}"),
                status => {
                    assert_eq!((status, answer.code(), provider), (422, "3813", GEMINI), "{case}");
                    assert!(client.error(&answer).0.contains("picture"), "{case}");
                }
            }
        }
    }
}
