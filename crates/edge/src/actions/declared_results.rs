//! What actions leave in `actions.ngrok.*` is what they declare, and nothing else.

use super::{ALL, find};
use crate::action::RequestCx;
use crate::answer::Answer;
use crate::dry::{DryClient, ScriptedUpstream};
use crate::engine::Shared;
use crate::internal::Directory;
use crate::phase;
use crate::testing::{engine, exchange, shared};
use bytes::Bytes;
use http::StatusCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use tollgate_expr::{Map, TlsFacts, Value};
use tollgate_policy::{Holds, ResultVar};

/// Runs a request, and then an answer with this body, through a policy; what the actions left.
async fn left(rules: &str, head: &str, body: &str, answer: &str) -> Map {
    // A configuration without internal endpoints.
    let internal = Arc::new(Directory::declare(Vec::new()));
    let shared = Shared { internal, ..shared(&[("v", "k", "secret")]) };
    // The comment makes the engine record results.
    let engine = engine(&format!("# actions.ngrok\n{rules}"), &shared);
    let mut exchange = exchange(&shared, &engine, head);
    let mut client = DryClient::new(Bytes::copy_from_slice(body.as_bytes()));
    let upstream = ScriptedUpstream::default();
    let mut cx =
        RequestCx { exchange: &mut exchange, client: &mut client, upstream: &upstream, engine: &engine };
    let _ = phase::run_request(&engine.request, &mut cx).await;
    let mut answered = Answer { response_phase: true, ..Answer::empty(StatusCode::OK) };
    let kind = if answer.starts_with("data:") { "text/event-stream" } else { "text/plain" };
    answered.headers.insert("content-type", http::HeaderValue::from_static(kind));
    answered.body = Bytes::copy_from_slice(answer.as_bytes());
    let _ = phase::settled(&engine, &mut exchange, answered, &upstream).await;
    exchange.results
}

fn is(value: &Value, holds: Holds) -> bool {
    match holds {
        Holds::Text => matches!(value, Value::String(_)),
        Holds::Bool => matches!(value, Value::Bool(_)),
        Holds::Int => matches!(value, Value::Int(_) | Value::UInt(_)),
        Holds::List => matches!(value, Value::List(_)),
        Holds::Map => matches!(value, Value::Map(_)),
        Holds::Any => true,
    }
}

/// Compares a value with what is declared below `path`.
fn agrees(name: &str, path: &str, value: &Value, declared: &[ResultVar], seen: &mut BTreeSet<&'static str>) {
    if let Some(var) = declared.iter().find(|var| var.path == path) {
        if matches!(value, Value::Null) {
            assert!(var.may_be_absent, "{name}: `{path}` is null");
            return;
        }
        assert!(is(value, var.holds), "{name}: `{path}` is {value:?}, and not {}", var.holds.name());
        seen.insert(var.path);
    }
    let below = |sign: &str| format!("{path}{sign}");
    match value {
        Value::Map(map) => {
            let prefix = if path.is_empty() { String::new() } else { below(".") };
            let inside: Vec<&ResultVar> =
                declared.iter().filter(|var| var.path.starts_with(&prefix) && var.path != path).collect();
            if inside.is_empty() {
                return; // its keys are those of a request or an answer
            }
            let first = |rest: &str| rest.split(['.', '[']).next().unwrap_or("").to_owned();
            let names: BTreeSet<String> = inside.iter().map(|var| first(&var.path[prefix.len()..])).collect();
            for (key, value) in map.iter() {
                assert!(names.contains(&**key), "{name}: `{prefix}{key}` is not declared");
                agrees(name, &format!("{prefix}{key}"), value, declared, seen);
            }
            for missing in names.iter().filter(|key| map.get(key.as_str()).is_none()) {
                let own = format!("{prefix}{missing}");
                let part = format!("{own}.");
                let absent = match inside.iter().find(|var| var.path == own) {
                    Some(whole) => whole.may_be_absent,
                    None => inside.iter().filter(|v| v.path.starts_with(&part)).all(|v| v.may_be_absent),
                };
                assert!(absent, "{name}: `{own}` is declared and not set");
            }
        }
        Value::List(items) if declared.iter().any(|var| var.path.starts_with(&below("[]"))) => {
            items.iter().for_each(|item| agrees(name, &below("[]"), item, declared, seen));
        }
        _ => {}
    }
}

const JWT: &str = "{issuer: {allow_list: [{value: i}]}, http: {tokens: [{type: jwt, method: header, name: authorization, prefix: 'Bearer '}]}, jws: {allowed_algorithms: [RS256], keys: {sources: {additional_jkus: ['https://i.example/k']}}}}";
const REPLACE: &str = "{replacements: [{from: a, to: b}]}";
const GET: &str = "GET /v1/x HTTP/1.1\r\nhost: h\r\nx-a: 1\r\nauthorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.AAAA\r\naccept-encoding: gzip\r\n\r\n";
const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n\r\n";
const ASKED: &str = r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}"#;

/// Phase, action, configuration, head and body of the request, body of the answer.
fn runs() -> Vec<[String; 6]> {
    let run = |phase: &str, name: &str, config: &str| {
        [phase, name, config, GET, "a banana", "a banana that is long enough to be compressed, a banana"]
            .map(str::to_owned)
    };
    let (request, response) = ("on_http_request", "on_http_response");
    let mut runs = vec![
        run(request, "add-headers", "{headers: {x-b: c}}"),
        run(response, "add-headers", "{headers: {x-b: c}}"),
        run(request, "basic-auth", "{credentials: ['demo:password1']}"),
        run(request, "basic-auth", "{credentials: ['demo:password1'], enforce: false}"),
        run(response, "compress-response", "{algorithms: [gzip]}"),
        run(request, "concurrency-limit", "{name: n, max_in_flight: 1, bucket_key: [conn.client_ip]}"),
        run(request, "forward-internal", "{url: 'https://a.internal', on_error: continue}"),
        run(request, "http-request", "{url: 'http://a.example/', retry_condition: 'attempts < 2'}"),
        run(response, "http-request", "{url: 'http://a.example/'}"),
        run(request, "jwt-validation", JWT),
        run(request, "log", "{metadata: {a: 1}}"),
        run(request, "oauth", "{provider: github, client_id: c, client_secret: s}"),
        run(request, "openid-connect", "{issuer_url: 'https://i.example', client_id: c, client_secret: s}"),
        run(
            request,
            "rate-limit",
            "{name: n, algorithm: sliding_window, capacity: 1, rate: 60s, bucket_key: [conn.client_ip]}",
        ),
        run(
            request,
            "rate-limit",
            "{name: n, algorithm: sliding_window, capacity: 1, rate: 60s, bucket_key: [vars.none]}",
        ),
        run(request, "redirect", "{from: /v1/, to: /v2/}"),
        run(request, "redirect", "{from: /nothing/, to: /v2/}"),
        run(request, "remove-headers", "{headers: [x-a, x-b]}"),
        run(response, "remove-headers", "{headers: [content-type]}"),
        run(request, "request-body-find-replace", REPLACE),
        run(response, "response-body-find-replace", REPLACE),
        run(request, "restrict-ips", "{allow: [127.0.0.0/8]}"),
        run(request, "restrict-ips", "{allow: [10.0.0.0/8]}"),
        run(response, "restrict-ips", "{allow: [127.0.0.0/8]}"),
        run("on_event_stream_message", "sse-find-replace", REPLACE),
        run(request, "url-rewrite", "{from: /v1/, to: /v2/}"),
        run(request, "verify-webhook", "{provider: github, secret: s}"),
        run(
            request,
            "ai-gateway",
            "{providers: [{id: openai, api_keys: [{value: k-1}]}], model_selection: {strategy: [ai.models]}}",
        ),
        run(
            request,
            "ai-gateway",
            "{providers: [{id: openai, api_keys: [{value: k-1}]}], model_selection: {strategy: [ai.models]}}",
        ),
    ];
    prepared(&mut runs);
    runs
}

/// Gives each run the request and answer that its action has something to do with.
fn prepared(runs: &mut [[String; 6]]) {
    for run in &mut *runs {
        match run[1].as_str() {
            "sse-find-replace" => run[5] = "data: a banana\n\n".into(),
            "ai-gateway" => (run[3], run[4]) = (CHAT.into(), ASKED.into()),
            _ => {}
        }
    }
    if let Some(last) = runs.last_mut() {
        last[4] = ASKED.replace("gpt-4o", "no-such-provider:no-such-model");
    }
}

#[tokio::test]
async fn every_action_leaves_exactly_the_results_it_declares() {
    let mut untried: BTreeSet<&str> = ALL.iter().map(|action| action.spec.name).collect();
    let mut seen: std::collections::BTreeMap<&str, BTreeSet<&'static str>> = Default::default();
    for [phase, name, config, head, body, answer] in &runs() {
        let spec = find(name).expect("an action").spec;
        let rules = format!("{phase}:\n  - type: {name}\n    config: {config}\n");
        let results = left(&rules, head, body, answer).await;
        let result = results.get(spec.result_name);
        let result = result.unwrap_or_else(|| panic!("{name} left nothing: {results:?}"));
        agrees(name, "", result, spec.results, seen.entry(spec.name).or_default());
        untried.remove(spec.name);
    }
    // No handshake can be had here; black-box tests have them.
    let shaken = super::terminate_tls::results(&TlsFacts::default());
    let spec = find("terminate-tls").expect("an action").spec;
    agrees(spec.name, "", &shaken, spec.results, seen.entry(spec.name).or_default());
    untried.remove(spec.name);
    for (name, seen) in &seen {
        let spec = find(name).expect("an action").spec;
        let must = spec.results.iter().filter(|var| !var.may_be_absent && !seen.contains(var.path));
        // Of what only providers that fail leave, the tests of the gateway speak, and those of the whole.
        let elsewhere = |path: &&str| path.contains("rejected_models[]") || path.starts_with("resting[]");
        let never: Vec<&str> = must.map(|var| var.path).filter(|path| !elsewhere(path)).collect();
        assert!(never.is_empty(), "{name}: no run showed {never:?}");
    }
    // The firewall is not part of every build; the others have nothing to leave.
    for name in untried.into_iter().filter(|name| !name.starts_with("owasp-crs")) {
        assert!(
            find(name).expect("an action").spec.results.is_empty(),
            "{name} has results that nobody tries"
        );
    }
}

#[tokio::test]
async fn actions_without_results_leave_none() {
    for (name, config) in [
        ("circuit-breaker", "{}"),
        ("close-connection", "{}"),
        ("custom-response", "{}"),
        ("deny", "{}"),
        ("set-vars", "{vars: [{a: 1}]}"),
    ] {
        let rules = format!("on_http_request:\n  - type: {name}\n    config: {config}\n");
        let results = left(&rules, GET, "", "x").await;
        assert!(results.is_empty(), "{name}: {results:?}");
    }
}

#[test]
fn declarations_are_documented_once_and_below_what_they_are_part_of() {
    for action in ALL {
        let spec = action.spec;
        for (index, var) in spec.results.iter().enumerate() {
            assert!(var.doc.ends_with('.') && !var.doc.contains('\n'), "{} {}", spec.name, var.path);
            assert!(
                !spec.results[..index].iter().any(|before| before.path == var.path),
                "{} {}",
                spec.name,
                var.path
            );
            if let Some((list, _)) = var.path.rsplit_once("[]") {
                assert!(
                    spec.results.iter().any(|var| var.path == list),
                    "{}: `{list}` is not declared",
                    spec.name
                );
            }
        }
        assert!(spec.differences.iter().all(|text| text.ends_with('.')), "{}", spec.name);
    }
}
