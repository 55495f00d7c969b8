//! Parameters that providers spell differently: what is carried, turned into another, or left out.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{MockServer, Recorded, Script};

const CHAT: &str = "/v1/chat/completions";

/// One request of a policy with one provider; its request and the answer.
async fn through(provider: impl Fn(&MockServer) -> Value, ask: &Value) -> (Answer, Recorded) {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider(&mock)]}))).await;
    let answer = gateway.send(post(CHAT, ask)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.requests().remove(0);
    (answer, sent)
}

fn plain(mock: &MockServer) -> Value {
    custom("one", &format!("{}/v1", mock.url()), &[KEY_ONE])
}

#[tokio::test]
async fn parameters_of_openai_reach_openrouter_as_they_are() {
    let body = json!({
        "model": "openrouter:a/b", "messages": [{"role": "user", "content": "Say hello."}], "stream": true, "temperature": 0.5, "top_p": 0.9,
        "top_k": 40, "max_tokens": 10, "stop": ["x"], "presence_penalty": 0.1, "frequency_penalty": 0.2, "seed": 7,
        "response_format": {"type": "json_object"}, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "auto", "reasoning": {"effort": "high", "max_tokens": 10_000},
    });
    let (answer, sent) = through(openrouter, &body).await;
    assert_eq!(sent.json(), merge(body.clone(), json!({"model": "a/b"})));
    assert_eq!(answer.header("x-tollgate-dropped"), "");
    // The limit keeps the name the client gave it, and so does the other one.
    for limit in ["max_tokens", "max_completion_tokens"] {
        for (provider, model) in
            [(openrouter as fn(&MockServer) -> Value, "openrouter:a/b"), (plain, "one:m")]
        {
            let ask = json!({"model": model, "messages": [], limit: 500});
            let (_, sent) = through(provider, &ask).await;
            assert_eq!(sent.json()[limit], 500, "{model}: {}", sent.json());
            assert_eq!(sent.json().as_object().unwrap().len(), 3, "{}", sent.json());
        }
    }
}

#[tokio::test]
async fn four_that_openrouter_does_not_want_are_left_out() {
    let four = json!({"prompt_cache_key": "k", "verbosity": "low", "store": true, "service_tier": "flex"});
    let ask =
        |model: &str| merge(json!({"model": model, "messages": [], "metadata": {"a": "b"}}), four.clone());
    let (answer, sent) = through(openrouter, &ask("openrouter:a/b")).await;
    assert_eq!(sent.json(), json!({"model": "a/b", "messages": [], "metadata": {"a": "b"}}));
    let mut dropped: Vec<&str> = answer.header("x-tollgate-dropped").split(", ").collect();
    dropped.sort_unstable();
    assert_eq!(dropped, ["prompt_cache_key", "service_tier", "store", "verbosity"]);
    // Elsewhere they stay.
    let (answer, sent) = through(plain, &ask("one:m")).await;
    assert_eq!(sent.json(), merge(ask("m"), json!({})));
    assert_eq!(answer.header("x-tollgate-dropped"), "");
    // The list is the policy's to change: for OpenRouter and for any other.
    for (list, left) in [(json!([]), 7), (json!(["store"]), 6), (json!([{"name": "store"}, "metadata"]), 5)] {
        let with = |mock: &MockServer| merge(openrouter(mock), json!({"drop_params": list}));
        let (_, sent) = through(with, &ask("openrouter:a/b")).await;
        assert_eq!(sent.json().as_object().unwrap().len(), left, "{list}: {}", sent.json());
        let with = |mock: &MockServer| merge(plain(mock), json!({"drop_params": list}));
        let (_, sent) = through(with, &ask("one:m")).await;
        assert_eq!(sent.json().as_object().unwrap().len(), left, "{list}: {}", sent.json());
    }
}

#[tokio::test]
async fn thought_is_an_object_or_a_word() {
    let with = |reasoning: &'static str| {
        move |mock: &MockServer| merge(openrouter(mock), json!({"reasoning": reasoning}))
    };
    let ask = |model: &str, more: Value| merge(json!({"model": model, "messages": []}), more);
    for (given, word, dropped) in [
        (json!({"reasoning": {"effort": "high", "max_tokens": 10_000}}), Some("high"), ""),
        (json!({"reasoning": {"max_tokens": 1}, "max_tokens": 4096}), Some("none"), ""),
        (json!({"reasoning": {"max_tokens": 1000}, "max_tokens": 4096}), Some("low"), ""),
        (json!({"reasoning": {"max_tokens": 2000}, "max_completion_tokens": 4096}), Some("medium"), ""),
        (json!({"reasoning": {"max_tokens": 4000}}), Some("high"), ""),
        (json!({"reasoning": {"enabled": false}}), Some("none"), ""),
        (json!({"reasoning": {"effort": "minimal", "exclude": true}}), Some("minimal"), "reasoning.exclude"),
        (json!({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}), Some("high"), ""),
        (json!({"reasoning": {}}), None, ""),
        (json!({"reasoning_effort": "xhigh"}), Some("xhigh"), ""),
    ] {
        // By the setting at OpenRouter, by default everywhere else.
        let own = Box::new(plain) as Box<dyn Fn(&MockServer) -> Value>;
        for (provider, model) in [(Box::new(with("effort")) as _, "openrouter:a/b"), (own, "one:m")] {
            let provider: Box<dyn Fn(&MockServer) -> Value> = provider;
            let (answer, sent) = through(provider, &ask(model, given.clone())).await;
            let sent = sent.json();
            assert_eq!(sent.get("reasoning_effort").and_then(Value::as_str), word, "{model} {given}: {sent}");
            assert_eq!(sent.get("reasoning"), None, "{model} {given}");
            assert_eq!(sent.get("max_tokens"), given.get("max_tokens"), "{model} {given}");
            assert_eq!(answer.header("x-tollgate-dropped"), dropped, "{model} {given}");
        }
        // Kept: at OpenRouter by default, elsewhere by the setting.
        let keep = |mock: &MockServer| merge(plain(mock), json!({"reasoning": "keep"}));
        for (provider, model) in [
            (Box::new(openrouter) as Box<dyn Fn(&MockServer) -> Value>, "openrouter:a/b"),
            (Box::new(keep), "one:m"),
        ] {
            let (_, sent) = through(provider, &ask(model, given.clone())).await;
            let name = model.split_once(':').unwrap().1;
            assert_eq!(sent.json(), ask(name, given.clone()), "{model}");
        }
    }
}

#[tokio::test]
async fn marks_for_prompt_caches_stay_where_they_are_understood() {
    let marked = json!({
        "cache_control": {"type": "ephemeral"},
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "user", "content": [{"type": "text", "text": "the word cache_control"}, {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}, "cache_control": {"type": "ephemeral"}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"cache_control": {"type": "string"}}}}, "cache_control": {"type": "ephemeral"}}],
    });
    let bare = json!({
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "s"}]},
            {"role": "user", "content": [{"type": "text", "text": "the word cache_control"}, {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"cache_control": {"type": "string"}}}}}],
    });
    let set = |word: &'static str, of: fn(&MockServer) -> Value| {
        Box::new(move |mock: &MockServer| merge(of(mock), json!({"cache_control": word})))
            as Box<dyn Fn(&MockServer) -> Value>
    };
    for (provider, model, kept) in [
        (Box::new(openrouter) as Box<dyn Fn(&MockServer) -> Value>, "openrouter:a/b", true),
        (set("strip", openrouter), "openrouter:a/b", false),
        (set("keep", openrouter), "openrouter:a/b", true),
        (Box::new(plain), "one:m", false),
        (set("keep", plain), "one:m", true),
        (Box::new(openai), "openai:gpt-4o", false),
    ] {
        let ask = merge(marked.clone(), json!({"model": model}));
        let (answer, sent) = through(provider, &ask).await;
        let name = model.split_once(':').unwrap().1;
        let expected = merge(if kept { marked.clone() } else { bare.clone() }, json!({"model": name}));
        assert_eq!(sent.json(), expected, "{model}, kept {kept}");
        assert_eq!(answer.header("x-tollgate-dropped"), if kept { "" } else { "cache_control" }, "{model}");
    }
}

#[tokio::test]
async fn an_anthropic_clients_marks_and_budget_reach_a_server_of_chat_completions() {
    let mock = mock(Script::default()).await;
    let chat_only = json!({"supported_api_surfaces": [{"format": "openai", "surface": "chat-completions"}]});
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [merge(openrouter(&mock), chat_only)]}))).await;
    let body = json!({
        "model": "openrouter:anthropic/claude-sonnet-4.5", "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000},
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]}],
        "provider": {"order": ["x"]},
    });
    let answer = gateway.send(post("/v1/messages", &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.requests()[0].json();
    assert_eq!(sent["reasoning"], json!({"max_tokens": 2000, "exclude": false}), "{sent}");
    assert_eq!(
        sent["messages"][0]["content"][0]["cache_control"],
        json!({"type": "ephemeral", "ttl": "1h"}),
        "{sent}"
    );
    let parts = sent["messages"][1]["content"].as_array().unwrap();
    assert_eq!(parts.last().unwrap()["cache_control"], json!({"type": "ephemeral"}), "{sent}");
    assert_eq!(sent["provider"], json!({"order": ["x"]}), "{sent}");
}

#[tokio::test]
async fn what_the_client_did_not_ask_for_it_does_not_see() {
    let mock = mock(Script::default()).await;
    let never = |mock: &MockServer| merge(plain(mock), json!({"stream_usage": "never"}));
    let providers = json!({"providers": [never(&mock), openai(&mock), openrouter(&mock)]});
    let gateway = Gateway::start(&ai_gateway(providers)).await;
    for (model, options, asked_for, shown) in [
        ("openai:gpt-4o", Value::Null, true, false),
        ("openai:gpt-4o", json!({"include_usage": false}), true, false),
        ("openai:gpt-4o", json!({"include_usage": true}), true, true),
        ("openai:gpt-4o", json!({"include_obfuscation": false}), true, false),
        ("one:m", Value::Null, false, false),
        // Its figures always come, and are passed on as they are.
        ("openrouter:a/b", Value::Null, false, true),
    ] {
        mock.clear_requests();
        let mut body = merge(names(&[model]), json!({"stream": true}));
        if !options.is_null() {
            body["stream_options"] = options.clone();
        }
        let answer = gateway.send(post(CHAT, &body)).await;
        let sent = mock.requests().remove(0).json();
        let asks = sent.pointer("/stream_options/include_usage") == Some(&json!(true));
        assert_eq!(asks, asked_for, "{model} {options}: {sent}");
        if let Some(other) = options.get("include_obfuscation") {
            assert_eq!(sent["stream_options"]["include_obfuscation"], *other, "{sent}");
        }
        let text = answer.text();
        assert_eq!(text.contains("\"usage\""), shown, "{model} {options}: {text}");
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        let line = gateway.log_of(&answer).await;
        assert_eq!(
            line["output_tokens"].as_u64().is_some_and(|n| n > 0),
            asked_for || shown,
            "{model} {options}: {line}"
        );
    }
}

#[tokio::test]
async fn fields_of_openrouter_do_not_reach_those_who_refuse_them() {
    let own = json!({
        "provider": {"order": ["a"]}, "route": "fallback", "plugins": [{"id": "web"}], "transforms": ["middle-out"],
        "include_reasoning": true, "usage": {"include": true}, "session_id": "s", "trace": {"trace_id": "t"},
    });
    let ask = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "Say hello."}]});
    let (answer, sent) = through(openai, &merge(ask("openai:gpt-4o"), own.clone())).await;
    assert_eq!(sent.json(), ask("gpt-4o"));
    let dropped = answer.header("x-tollgate-dropped").to_owned();
    let named: Vec<&str> = dropped.split(", ").collect();
    let fields = own.as_object().unwrap();
    assert_eq!(named.len(), fields.len(), "{dropped}");
    assert!(fields.keys().all(|field| named.contains(&field.as_str())), "{dropped}");
    // A server nobody knows gets what the client wrote.
    let (_, sent) = through(plain, &merge(ask("one:m"), own.clone())).await;
    assert_eq!(sent.json(), merge(ask("m"), own));
}
