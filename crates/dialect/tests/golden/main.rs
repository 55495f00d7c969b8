//! Golden files of every pair of dialects: what providers publish as examples goes in (`published/`, its sources in
//! `SOURCES.md`), and what comes out is compared with `expected/`, byte for byte.
//!
//! The expected files are held to account twice, by those that do not know our code: here by `meaning`, which reads both
//! sides by hand-written rules and wants them to say the same, and in `tests/sdk/python/test_golden.py` by the official
//! SDKs' own types, which refuse what their API does not have. `TOLLGATE_UPDATE_GOLDEN=1` writes them anew, for review.

#![cfg(test)]

mod asked;
mod dialect;
mod files;
mod meaning;
mod said;
mod translated;

use dialect::{ANSWERING, ASKING, CLIENTS, DIALECTS, Dialect, FEATURES};
use files::Files;
use serde_json::{Map, Value, json};

/// Every client with every provider that speaks another dialect.
fn pairs() -> impl Iterator<Item = (Dialect, Dialect)> {
    CLIENTS.into_iter().flat_map(|client| {
        DIALECTS.into_iter().filter(move |provider| *provider != client).map(move |p| (client, p))
    })
}

#[test]
fn every_pair_translates_as_expected() {
    let mut files = Files::default();
    for (client, provider) in pairs() {
        let folder = format!("{}-to-{}", client.name(), provider.name());
        let mut lost = Map::new();
        for feature in FEATURES {
            let at = |file: &str| format!("{folder}/{feature}/{file}");
            let mut names = Map::new();
            if ASKING.contains(&feature) {
                let (request, gone) = translated::request(client, provider, feature, false);
                files.json(&at("request.json"), &request);
                names.insert("request".into(), gone.into());
            }
            if ANSWERING.contains(&feature) {
                let (answer, gone) = translated::answer(client, provider, feature);
                files.json(&at("answer.json"), &answer);
                names.insert("answer".into(), gone.into());
                let (stream, gone) = translated::stream(client, provider, feature);
                files.text(&at("stream.sse"), &stream);
                names.insert("stream".into(), gone.into());
            }
            names.retain(|_, gone| *gone != json!([]));
            if !names.is_empty() {
                lost.insert(feature.into(), names.into());
            }
        }
        files.json(&format!("{folder}/lost.json"), &Value::Object(lost));
    }
    files.finish();
}

/// What a streamed request says more than a plain one, by the providers' documentation.
#[test]
fn a_streamed_request_differs_by_its_switch_only() {
    for (client, provider) in pairs() {
        for feature in ASKING {
            let (mut plain, gone) = translated::request(client, provider, feature, false);
            let (streamed, also_gone) = translated::request(client, provider, feature, true);
            let body = plain.as_object_mut().unwrap();
            if body.contains_key("refused") {
                continue;
            }
            match provider {
                Dialect::Chat => {
                    body.insert("stream".into(), json!(true));
                    body.insert("stream_options".into(), json!({"include_usage": true}));
                }
                Dialect::Responses | Dialect::Messages => {
                    body.insert("stream".into(), json!(true));
                }
                // The path says it.
                Dialect::Gemini | Dialect::Converse => {}
            }
            assert_eq!(streamed, plain, "{client:?} to {provider:?}, {feature}");
            assert_eq!(gone, also_gone, "{client:?} to {provider:?}, {feature}");
        }
    }
}
