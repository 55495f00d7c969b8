//! Both sides of a translation say the same, whatever the codecs think.

use crate::asked::{Asked, Turn, asked};
use crate::dialect::{ANSWERING, ASKING, Dialect};
use crate::said::{Said, events, streamed, whole};
use crate::{pairs, translated};
use serde_json::Value;

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// Google's words for types are in capitals; Anthropic's grammar, also at Bedrock, wants objects closed.
fn schema(of: &Value) -> Value {
    match of {
        Value::Object(members) => {
            let mut members = members.clone();
            members.remove("additionalProperties");
            members
                .into_iter()
                .map(|(name, value)| match value.as_str() {
                    Some(kind) if name == "type" => (name, kind.to_lowercase().into()),
                    _ => (name, schema(&value)),
                })
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        Value::Array(items) => items.iter().map(schema).collect(),
        other => other.clone(),
    }
}

/// What may rightly differ is made equal.
fn settled(mut asked: Asked, provider: Dialect) -> Asked {
    asked.schema = asked.schema.as_ref().map(schema);
    for tool in &mut asked.tools {
        tool.2 = schema(&tool.2);
    }
    if provider == Dialect::Responses {
        // It has no such field; that they are lost stands in `lost.json`.
        asked.stop.clear();
    }
    asked
}

#[test]
fn requests_ask_the_same() {
    for (client, provider) in pairs() {
        for feature in ASKING {
            let here = format!("{client:?} to {provider:?}, {feature}");
            let (request, lost) = translated::request(client, provider, feature, false);
            if feature == "image-url" && provider == Dialect::Converse {
                assert!(request["refused"].as_str().unwrap().contains("fetches no image"), "{here}");
                continue;
            }
            let given = asked(client, &json(&client.published(feature, "request.json")));
            let mut sent = asked(provider, &request);
            assert!(given.turns.iter().any(|turn| matches!(turn, Turn::User(said) if !said.is_empty())));
            if provider == Dialect::Responses && !given.stop.is_empty() {
                assert!(lost.iter().any(|name| name.to_lowercase().contains("stop")), "{here}: {lost:?}");
            }
            // Anthropic's API and thoughts at Bedrock need a limit; nobody else gets one that was not asked for.
            let needs = provider == Dialect::Messages || provider == Dialect::Converse && given.thinks;
            if given.limit.is_none() && needs {
                assert!(sent.limit.take().is_some(), "{here}");
            }
            assert_eq!(settled(sent, provider), settled(given, provider), "{here}");
        }
    }
}

/// Checks what is said to a client against what the provider said.
fn same(said: Said, client: Dialect, mut given: Said, provider: Dialect, here: &str) {
    assert!(given.stop.is_some() && given.tokens.0 > 0 && given.tokens.1 > 0, "{here}: {given:?}");
    assert!(!given.text.is_empty() || !given.calls.is_empty(), "{here}: {given:?}");
    // Google's example has no id; its clients may get one, and all others must.
    if provider == Dialect::Gemini {
        for ((given, ..), (id, ..)) in given.calls.iter_mut().zip(&said.calls) {
            assert!(client == Dialect::Gemini || !id.is_empty(), "{here}");
            given.clone_from(id);
        }
    }
    given.thinking = match client {
        // Always a number, also where nothing is known.
        Dialect::Chat | Dialect::Responses => Some(given.thinking.unwrap_or(0)),
        _ => given.thinking.filter(|tokens| *tokens > 0),
    };
    assert_eq!(said, given, "{here}");
}

#[test]
fn answers_say_the_same() {
    for (client, provider) in pairs() {
        for feature in ANSWERING.into_iter().filter(|feature| *feature != "error") {
            let here = format!("{provider:?} to {client:?}, {feature}");
            let given = whole(provider, &json(&provider.published(feature, "answer.json")));
            let said = whole(client, &translated::answer(client, provider, feature).0);
            assert_eq!(given.thoughts.is_empty(), feature != "reasoning", "{here}");
            assert_eq!(given.calls.is_empty(), feature != "tools", "{here}");
            same(said, client, given, provider, &here);
        }
    }
}

#[test]
fn streams_say_the_same() {
    for (client, provider) in pairs() {
        for feature in ANSWERING.into_iter().filter(|feature| *feature != "error") {
            let here = format!("{provider:?} to {client:?}, {feature}, streamed");
            let given = streamed(provider, &translated::events(provider, feature));
            let stream = translated::stream(client, provider, feature).0;
            assert_eq!(stream.ends_with("data: [DONE]\n\n"), client == Dialect::Chat, "{here}");
            same(streamed(client, stream.as_bytes()), client, given, provider, &here);
        }
    }
}

/// Where the published error says what it says.
fn message(provider: Dialect, error: &Value) -> &str {
    let error = error.get("error").unwrap_or(error);
    error["message"].as_str().unwrap_or_else(|| panic!("{provider:?}: {error}"))
}

#[test]
fn errors_say_the_same() {
    // The word of each API for the status: OpenAI's and Anthropic's error types, google.rpc.Code.
    let words = |status: u16| match status {
        401 => ("authentication_error", "UNAUTHENTICATED"),
        404 => ("not_found_error", "NOT_FOUND"),
        429 => ("rate_limit_error", "RESOURCE_EXHAUSTED"),
        other => panic!("{other}"),
    };
    for (client, provider) in pairs() {
        let here = format!("{provider:?} to {client:?}");
        let published = json(&provider.published("error", "answer.json"));
        let (body, _) = translated::answer(client, provider, "error");
        let error = &body["error"];
        assert_eq!(error["message"], message(provider, &published), "{here}");
        let status = provider.error_status();
        match client {
            Dialect::Chat | Dialect::Responses => assert!(error["type"].is_string(), "{here}: {error}"),
            Dialect::Messages => {
                assert_eq!((&body["type"], &error["type"]), (&"error".into(), &words(status).0.into()))
            }
            _ => assert_eq!((&error["code"], &error["status"]), (&status.into(), &words(status).1.into())),
        }

        // What was said before the error arrives, then the error, and nothing that looks like a good end.
        let (stream, _) = translated::stream(client, provider, "error");
        let given = events(&translated::events(provider, "error"));
        let sent = events(stream.as_bytes());
        assert!(!stream.contains("[DONE]") && !stream.contains("message_stop"), "{here}");
        let last = |events: &[(String, Value)]| events.last().unwrap().1.clone();
        let why = message(provider, &last(&given)).to_owned();
        let told = last(&sent);
        assert!(message(client, &told).ends_with(&format!("The answer broke off: {why}")), "{here}: {told}");
        assert!(sent.len() > 1 && stream.contains(beginning(provider)), "{here}: {stream}");
    }
}

/// What the published stream says before its error.
fn beginning(provider: Dialect) -> &'static str {
    match provider {
        Dialect::Chat | Dialect::Messages => "\"Hello\"",
        Dialect::Responses => "\"Hi\"",
        Dialect::Gemini => "# Example list to be sorted",
        Dialect::Converse => "The most popular song on WZPZ is",
    }
}
