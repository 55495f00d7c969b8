//! Any client to any provider: what the provider gets, and what the client gets back.
//!
//! The mock refuses what the real APIs refuse, so a 200 says that the provider's own rules were kept.

use crate::support::*;
use serde_json::{Value, json};
use std::future::Future;
use tollgate_mock::{Behaviour, Script, UsageCounts};

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

/// A chat completion's `reasoning_effort` asks for thoughts, not to see them, and these APIs show none unasked.
fn hidden(client: Client, provider: Provider) -> bool {
    client == Client::Chat && (provider == RESPY || provider == GEMINI)
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
