//! Requests that the client's own dialect would lose parts of go in another one.

use super::run;
use crate::explain::Explanation;
use crate::testing::loads;
use serde_json::{Value as Json, json};

const CHAT: &str = "/v1/chat/completions";
const CLAUDE: &str = "anthropic:claude-sonnet-4-5";

/// A gateway with keys for both, and more lines of its configuration.
fn policy(more: &str) -> String {
    let keys = |id: &str| format!("{{id: {id}, api_keys: [{{value: sk-0123456789abcdef}}]}}");
    let providers = ["anthropic", "google"].map(keys).join(", ");
    format!("on_http_request:\n  - type: ai-gateway\n    config:\n      providers: [{providers}]\n{more}")
}

/// One provider with these lines.
fn only(entry: &str) -> String {
    format!("on_http_request:\n  - type: ai-gateway\n    config:\n      providers:\n        - {{{entry}}}\n")
}

fn path(explanation: &Explanation) -> &str {
    let call = explanation.calls.first().unwrap_or_else(|| panic!("{:?}", explanation.error));
    call.url.full.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path)
}

fn sent(explanation: &Explanation) -> Json {
    serde_json::from_slice(&explanation.calls[0].body.concat()).expect("JSON")
}

fn planned(explanation: &Explanation, field: &str) -> Json {
    explanation.trace.models_to_try[0][field].clone()
}

fn dropped(explanation: &Explanation) -> &str {
    explanation.headers.get("x-tollgate-dropped").map_or("", |names| names.to_str().expect("text"))
}

fn ask(model: &str, more: Json) -> String {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
    let more = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(more);
    body.to_string()
}

#[tokio::test]
async fn what_claude_ignores_in_chat_goes_as_messages() {
    let format = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {}, "additionalProperties": false}}});
    let mark = json!({"type": "ephemeral"});
    let marked =
        json!([{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": mark}]}]);
    let tool = json!([{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object", "properties": {}, "additionalProperties": false}}}]);
    for (more, reason, at, lost) in [
        (json!({"response_format": format}), "response_format", "/output_config/format/type", ""),
        (
            json!({"messages": marked}),
            "messages[].content[].cache_control",
            "/messages/0/content/0/cache_control",
            "",
        ),
        (json!({"tools": tool}), "tools[].function.strict", "/tools/0/strict", ""),
        (
            json!({"reasoning_effort": "high", "max_tokens": 9000}),
            "reasoning_effort",
            "/thinking/budget_tokens",
            "",
        ),
        (
            json!({"reasoning": {"max_tokens": 2000}, "max_tokens": 9000}),
            "reasoning",
            "/thinking/budget_tokens",
            "",
        ),
        (json!({"user": "u"}), "user", "/metadata/user_id", ""),
        // It can go neither way: translated or not, it is named.
        (json!({"seed": 7}), "seed", "/max_tokens", "seed"),
        (
            json!({"response_format": {"type": "json_object"}}),
            "response_format",
            "/max_tokens",
            "response_format",
        ),
    ] {
        let got = run(&policy(""), CHAT, &ask(CLAUDE, more.clone()), &[], "").await;
        assert_eq!(path(&got), "v1/messages", "{more}");
        assert!(sent(&got).pointer(at).is_some(), "{at}: {}", sent(&got));
        assert_eq!(dropped(&got), lost, "{more}");
        assert_eq!(planned(&got, "translated_for"), json!([reason]), "{more}");
        assert_eq!((planned(&got, "surface"), planned(&got, "translated")), (json!("messages"), json!(true)));
    }
}

#[tokio::test]
async fn a_plain_chat_keeps_its_bytes() {
    for body in [
        r#"{ "model":"anthropic:claude-sonnet-4-5" ,"messages":[{"role":"user","content":"cache_control, strict"}], "temperature":1.0,"max_tokens":5,"new":null }"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"\"cache_control\""}]}],"model":"anthropic:claude-sonnet-4-5","tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"strict":{}}}}}]}"#,
    ] {
        let got = run(&policy(""), CHAT, body, &[], "").await;
        assert_eq!(path(&got), "v1/chat/completions");
        let want = body.replace(CLAUDE, "claude-sonnet-4-5");
        assert_eq!(String::from_utf8(got.calls[0].body.concat()).expect("text"), want);
        assert_eq!((dropped(&got), planned(&got, "translated_for")), ("", json!([])));
    }
}

#[tokio::test]
async fn where_there_is_no_way_around_they_are_named() {
    let more = json!({"response_format": {"type": "text"}, "store": false, "seed": 7, "user": null, "logit_bias": {}});
    let body = ask(CLAUDE, more.clone());
    let chat_only = "id: anthropic, api_keys: [{value: k}], supported_api_surfaces: [{format: openai}]";
    for policy in [policy("      translation: never\n"), only(chat_only)] {
        let got = run(&policy, CHAT, &body, &[], "").await;
        assert_eq!(path(&got), "v1/chat/completions", "{policy}");
        // What says nothing is not missed.
        assert_eq!(dropped(&got), "response_format, seed", "{policy}");
        assert_eq!((planned(&got, "translated_for"), planned(&got, "translated")), (json!([]), json!(false)));
        for (name, value) in more.as_object().expect("an object") {
            assert_eq!(sent(&got)[name], *value, "{name}");
        }
    }
    // What is removed is named once.
    let drops = "id: anthropic, api_keys: [{value: k}], supported_api_surfaces: [{format: openai}], drop_params: [seed]";
    let got = run(&only(drops), CHAT, &ask(CLAUDE, json!({"seed": 7})), &[], "").await;
    assert_eq!((dropped(&got), sent(&got).get("seed")), ("seed", None));
}

#[tokio::test]
async fn what_google_refuses_in_chat_goes_to_its_own_api() {
    let model = "google:gemini-2.5-flash";
    for (more, at, lost) in [
        (json!({"seed": 7}), "/generationConfig/seed", ""),
        (json!({"frequency_penalty": 0.5}), "/generationConfig/frequencyPenalty", ""),
        (json!({"top_k": 3}), "/generationConfig/topK", ""),
        // Google's endpoint refuses these whatever their values.
        (json!({"store": false, "metadata": null}), "/contents", ""),
        (json!({"store": true}), "/contents", "store"),
    ] {
        let got = run(&policy(""), CHAT, &ask(model, more.clone()), &[], "").await;
        assert_eq!(path(&got), "v1beta/models/gemini-2.5-flash:generateContent", "{more}");
        assert!(sent(&got).pointer(at).is_some(), "{at}: {}", sent(&got));
        assert_eq!(dropped(&got), lost, "{more}");
    }
    let plain = ask(
        model,
        json!({"temperature": 0.5, "response_format": {"type": "json_object"}, "reasoning_effort": "low"}),
    );
    let got = run(&policy(""), CHAT, &plain, &[], "").await;
    assert_eq!((path(&got), planned(&got, "translated")), ("v1beta/openai/chat/completions", json!(false)));
}

#[tokio::test]
async fn parameters_behind_a_name_count_too() {
    for (name, wanted, at) in [
        ("anthropic:claude-opus-4-6?reasoning_effort=high", "v1/messages", "/output_config/effort"),
        ("anthropic:claude-sonnet-4-5?temperature=0.5", "v1/chat/completions", "/temperature"),
        (
            "google:gemini-3.1-pro-preview?seed=3",
            "v1beta/models/gemini-3.1-pro-preview:generateContent",
            "/generationConfig/seed",
        ),
        (
            "google:gemini-2.5-flash?top_k=3",
            "v1beta/models/gemini-2.5-flash:generateContent",
            "/generationConfig/topK",
        ),
    ] {
        let got = run(&policy(""), CHAT, &ask(name, json!({"max_tokens": 9000})), &[], "").await;
        assert_eq!(path(&got), wanted, "{name}");
        assert!(sent(&got).pointer(at).is_some(), "{name}: {}", sent(&got));
        assert_eq!(dropped(&got), "", "{name}");
    }
}

#[tokio::test]
async fn a_policy_says_where_the_gaps_are() {
    let body = |model: &str| {
        ask(model, json!({"seed": 7, "tools": [{"type": "function", "function": {"name": "f", "x": 1}}]}))
    };
    let mine = "id: mine, base_url: 'https://m.test/v1', api_keys: [{value: k}], \
                supported_api_surfaces: [{format: openai, surface: chat-completions}, {format: anthropic}]";
    for (entry, wanted) in [
        (mine.to_owned(), "v1/chat/completions"),
        (format!("{mine}, surface_gaps: {{chat-completions: [seed]}}"), "v1/messages"),
        (
            format!("{mine}, surface_gaps: {{chat-completions: [{{name: 'tools[].function.x'}}]}}"),
            "v1/messages",
        ),
        (format!("{mine}, surface_gaps: {{chat-completions: [other]}}"), "v1/chat/completions"),
        (format!("{mine}, surface_gaps: {{messages: [seed]}}"), "v1/chat/completions"),
    ] {
        let got = run(&only(&entry), CHAT, &body("mine:m"), &[], "").await;
        assert_eq!(path(&got), wanted, "{entry}");
    }
    let none = "id: anthropic, api_keys: [{value: k}], surface_gaps: {chat-completions: []}";
    let got = run(&only(none), CHAT, &ask(CLAUDE, json!({"seed": 7})), &[], "").await;
    assert_eq!((path(&got), dropped(&got)), ("v1/chat/completions", ""));
}

#[test]
fn mistakes_have_their_places() {
    for (gaps, words, place) in [
        ("{chat-completions: [seed, 'a..b']}", "`a..b` is no path to a field", "test.yml:5:92"),
        ("{chat-completions: ['messages[]']}", "ends in the name of a field, not in `[]`", "test.yml:5:86"),
        ("{chat-completions: [seed, seed]}", "`seed` is listed twice", "test.yml:5:92"),
        ("{embeddings: [user]}", "embeddings", "test.yml:5:67"),
        ("{messages: 5}", "surface_gaps.messages", "test.yml:5:77"),
        ("{generate-content: [x]}", "`anthropic` does not serve `generate-content`", "test.yml:5:66"),
    ] {
        let entry = format!("id: anthropic, api_keys: [{{value: k}}],  surface_gaps: {gaps}");
        let said = loads(&only(&entry)).expect_err(gaps);
        assert!(said.contains(words) && said.matches("error: ").count() == 1, "{gaps}: {said}");
        assert!(said.contains(place), "{gaps}: {place} in {said}");
    }
}
