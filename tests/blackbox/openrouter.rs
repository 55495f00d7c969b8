//! What goes to OpenRouter: names, extensions, headers, and its other operations.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Flavour, MockServer, Script, Surface};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// OpenRouter on a mock, and what a policy says besides.
async fn stage(script: Script, more: Value) -> (MockServer, Gateway) {
    let mock = mock(script).await;
    let policy = ai_gateway(merge(json!({"providers": [openrouter(&mock)]}), more));
    let gateway = Gateway::start(&policy).await;
    (mock, gateway)
}

/// Everything OpenRouter knows beyond OpenAI, some that nobody knows, and an odd spelling of it.
const EXTENDED: &str = r#"{ "model" : "openrouter:NAME",
 "messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]},
  {"role":"assistant","content":"b","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s","id":null,"format":"anthropic-claude-v1","index":0},
   {"type":"reasoning.encrypted","data":"ZQ==","format":"x-new-v9","index":1}]},{"role":"user","content":"c"}],
 "provider":{"order":["a","b/c"],"allow_fallbacks":false,"max_price":{"prompt":1.0,"completion":2}, "x":[]},
 "route":"fallback","plugins":[{"id":"web","max_results":3},{"id":"context-compression","enabled":false}],"transforms":["middle-out"],
 "reasoning":{"effort":"high","max_tokens":10000,"exclude":true},"include_reasoning":true,"usage":{"include":true},
 "session_id":"s-1","trace":{"trace_id":"t","parent_span_id":"p"},"metadata":{"a":"b"},"user":"u",
 "tools":[{"type":"openrouter:web_search","parameters":{"max_results":2}}],"min_p":0.10,"top_a":1e-1,"repetition_penalty":1.0,
 "structured_outputs":true,"web_search_options":{"search_context_size":"low"},"image_config":{"aspect_ratio":"1:1"},
 "x_new_field":{"deep":[1,2.50,{"é":"\u00e9"}]},"max_completion_tokens":64}
"#;

#[tokio::test]
async fn names_and_extensions_arrive_byte_for_byte() {
    let (mock, gateway) = stage(Script::default(), json!({})).await;
    for name in [
        "anthropic/claude-sonnet-4.5:thinking",
        "openai/gpt-4o:floor",
        "openai/gpt-4o:NITRO",
        "deepseek/deepseek-r1:free:online",
        "a/b:exacto:batch:unheard-of",
        "~anthropic/claude-sonnet-latest",
        "a/b@preset/p-1",
        "@preset/p",
        "openrouter/auto",
        "openrouter/free",
        "openrouter/pareto-code",
        "Mixed/Case.v1:0",
    ] {
        mock.clear_requests();
        let body = EXTENDED.replace("NAME", name);
        let answer = gateway.send(post_bytes(CHAT, body.clone())).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let [sent] = &mock.requests()[..] else { panic!("{name}") };
        assert_eq!(sent.path_and_query, "/openrouter/api/v1/chat/completions", "{name}");
        let expected = body.replace("openrouter:NAME", name).replace(&format!("openrouter:{name}"), name);
        assert_eq!(String::from_utf8(sent.body.to_vec()).unwrap(), expected, "{name}");
        assert_eq!(answer.header("x-tollgate-model"), format!("openrouter:{name}"));
        assert_eq!(answer.header("x-tollgate-dropped"), "", "{name}");
    }
}

#[tokio::test]
async fn a_default_backend_takes_names_without_a_prefix_as_they_are() {
    let (mock, gateway) = stage(Script::default(), json!({"default_backend": "openrouter"})).await;
    for name in ["anthropic/claude-x:free", "a/b:free:online", "~anthropic/claude-sonnet-latest", "@preset/p"]
    {
        mock.clear_requests();
        let answer = gateway.send(post(CHAT, &names(&[name]))).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(mock.requests()[0].json()["model"], name);
    }
}

#[tokio::test]
async fn a_slash_behind_the_provider_for_those_who_write_it_so() {
    let (mock, gateway) = stage(Script::default(), json!({"accept_provider_slash": true})).await;
    for (name, sent) in [
        ("openrouter/openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("openrouter/anthropic/claude-x:free", "anthropic/claude-x:free"),
        ("openrouter:openrouter/auto", "openrouter/auto"),
        ("openrouter/openrouter/auto", "openrouter/auto"),
    ] {
        mock.clear_requests();
        let answer = gateway.send(post(CHAT, &names(&[name]))).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(mock.requests()[0].json()["model"], sent, "{name}");
    }
}

#[tokio::test]
async fn popular_models_are_known_and_reached() {
    let (mock, gateway) = stage(Script::default(), json!({})).await;
    let list = gateway.send(get("/v1/models")).await.json();
    let listed: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    for name in [
        "openai/gpt-4o",
        "openai/gpt-4o-mini",
        "anthropic/claude-sonnet-4.5",
        "anthropic/claude-haiku-4.5",
        "google/gemini-2.5-pro",
        "google/gemini-2.5-flash",
        "meta-llama/llama-3.3-70b-instruct",
        "deepseek/deepseek-r1",
        "mistralai/mistral-large",
        "qwen/qwen3-235b-a22b",
    ] {
        let full = format!("openrouter:{name}");
        assert!(listed.iter().any(|id| **id == full), "{full} is missing in {listed:?}");
        mock.clear_requests();
        let answer = gateway.send(post(CHAT, &names(&[&full]))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(mock.requests()[0].json()["model"], name);
    }
}

#[tokio::test]
async fn the_same_with_and_without_v1_in_the_base_url() {
    let mock = mock(Script::default().flavour(Flavour::OpenRouter)).await;
    for base in ["/api/v1", "/api/v1/"] {
        let provider = merge(openrouter(&mock), json!({"base_url": format!("{}{base}", mock.url())}));
        let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
        for (path, surface) in [
            (CHAT, Surface::ChatCompletions),
            (MESSAGES, Surface::Messages),
            ("/openrouter/v1/chat/completions", Surface::ChatCompletions),
            ("/openrouter/api/v1/chat/completions", Surface::ChatCompletions),
            ("/openai/chat/completions", Surface::ChatCompletions),
            ("/openai/v1/responses", Surface::Responses),
            ("/anthropic/v1/messages", Surface::Messages),
            ("/v1/completions", Surface::Completions),
            ("/v1/embeddings", Surface::Embeddings),
        ] {
            mock.clear_requests();
            let body = merge(names(&["openrouter:a/b"]), json!({"input": "x", "prompt": "x"}));
            let answer = gateway.send(post(path, &body)).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            let [sent] = &mock.requests()[..] else { panic!("{path}") };
            assert_eq!(sent.surface, surface, "{path}");
            assert!(sent.path_and_query.starts_with("/api/v1/"), "{base} {path}: {}", sent.path_and_query);
            assert!(!sent.path_and_query.contains("v1/v1"), "{base} {path}: {}", sent.path_and_query);
        }
    }
}

#[tokio::test]
async fn attribution_session_and_metadata_headers() {
    let ask = || {
        post(CHAT, &merge(names(&["openrouter:a/b"]), json!({"session_id": "in-the-body"})))
            .bearer("unused")
            .header("http-referer", "https://client.example")
            .header("x-openrouter-categories", "cli-agent,ide")
            .header("x-openrouter-app-visibility", "hidden")
            .header("x-openrouter-metadata", "enabled")
            .header("x-openrouter-cache-ttl", "60")
            .header("x-session-id", "in-the-header")
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    };
    let (mock, gateway) = stage(Script::default(), json!({})).await;
    for title in ["x-title", "x-openrouter-title"] {
        mock.clear_requests();
        gateway.send(ask().header(title, "Client")).await;
        let sent = mock.requests().remove(0);
        assert_eq!(sent.header("x-openrouter-title"), "Client", "{title}");
        for (name, value) in [
            ("http-referer", "https://client.example"),
            ("x-openrouter-categories", "cli-agent,ide"),
            ("x-openrouter-app-visibility", "hidden"),
            ("x-openrouter-metadata", "enabled"),
            ("x-openrouter-cache-ttl", "60"),
            ("x-session-id", "in-the-header"),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(sent.header(name), value, "{name}");
        }
        assert_eq!(sent.json()["session_id"], "in-the-body");
        assert_eq!(sent.header("authorization"), format!("Bearer {OPENROUTER_KEY}"));
    }
    let fixed = |value: &str| json!({"mode": "override", "override_value": value});
    let identity = json!({"identity": {
        "title": fixed("Ours"), "url": fixed("https://ours.example"), "categories": fixed("programming"),
    }});
    let (mock, gateway) = stage(Script::default(), identity).await;
    gateway.send(ask().header("x-title", "Client")).await;
    let sent = mock.requests().remove(0);
    for (name, value) in [
        ("http-referer", "https://ours.example"),
        ("x-openrouter-title", "Ours"),
        ("x-title", "Ours"),
        ("x-openrouter-categories", "programming"),
        ("x-session-id", "in-the-header"),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn its_headers_mean_the_same_when_the_request_is_translated() {
    let (mock, gateway) = stage(Script::default(), json!({})).await;
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
    let translated = post("/genai/v1beta/models/openrouter:a/b:generateContent", &body)
        .header("x-session-id", "in-the-header")
        .header("x-openrouter-metadata", "enabled")
        .header("x-goog-api-client", "c/1")
        .header("x-title", "Client");
    let answer = gateway.send(translated).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.requests().remove(0);
    for (name, value) in [
        ("x-session-id", "in-the-header"),
        ("x-openrouter-metadata", "enabled"),
        ("x-openrouter-title", "Client"),
        ("x-goog-api-client", ""),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn the_policys_routing_lies_over_the_clients() {
    let forced = json!({"body": {
        "provider": {"order": ["x"], "allow_fallbacks": false, "max_price": {"prompt": 1}, "zdr": true, "data_collection": "deny"},
        "session_id": "${req.headers['x-user'][0]}",
    }});
    let (mock, gateway) = stage(Script::default(), forced).await;
    let own = json!({"provider": {"order": ["mine"], "zdr": false, "data_collection": "allow", "max_price": {"completion": 2}, "sort": "price"}});
    let ask = post(CHAT, &merge(names(&["openrouter:a/b"]), own)).header("x-user", "ann");
    assert_eq!(gateway.send(ask).await.status, 200);
    let sent = mock.requests()[0].json();
    let provider = json!({
        "order": ["x"], "allow_fallbacks": false, "max_price": {"prompt": 1, "completion": 2}, "zdr": true,
        "data_collection": "deny", "sort": "price",
    });
    assert_eq!((&sent["provider"], &sent["session_id"]), (&provider, &json!("ann")));
}

#[tokio::test]
async fn what_only_openrouter_understands_goes_to_openrouter_only() {
    let (native, backup) =
        (mock(Script::always(Behaviour::status(529))).await, mock(Script::default()).await);
    let own = json!({"body": {"provider": {"zdr": true, "order": ["${req.headers['x-user'][0]}"]}, "temperature": 0.5, "user": null}});
    let policy = json!({
        "providers": [anthropic(&native), merge(openrouter(&backup), own)],
        "body": {"temperature": 0.1, "top_p": 0.9, "provider_options": {"a": 1}},
    });
    let gateway = Gateway::start(&ai_gateway(policy)).await;
    let asked = names(&["anthropic:claude-sonnet-4-5", "openrouter:anthropic/claude-sonnet-4.5"]);
    let body = merge(asked, json!({"provider": {"order": ["x"], "sort": "price"}, "user": "u"}));
    for path in [CHAT, MESSAGES] {
        native.clear_requests();
        backup.clear_requests();
        let answer = gateway.send(post(path, &body).header("x-user", "ann")).await;
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{}", answer.text());
        let sent = native.requests()[0].json();
        assert_eq!((&sent["temperature"], &sent["top_p"]), (&json!(0.1), &json!(0.9)), "{path}: {sent}");
        assert_eq!(sent.get("provider"), None, "{path}: Anthropic refuses or ignores it");
        let sent = backup.requests()[0].json();
        assert_eq!((&sent["temperature"], &sent["top_p"]), (&json!(0.5), &json!(0.9)), "{path}: {sent}");
        assert_eq!(
            sent["provider"],
            json!({"order": ["ann"], "sort": "price", "zdr": true}),
            "{path}: {sent}"
        );
        assert_eq!(sent.get("user"), Some(&Value::Null), "{path}: {sent}");
        assert_eq!(sent["provider_options"], json!({"a": 1}), "{path}: {sent}");
    }
    let wrong = json!({"providers": [merge(openrouter(&backup), json!({"body": {"x": "${nothing.here}"}}))]});
    let exit = Gateway::builder(&ai_gateway(wrong)).try_start().await.err().expect("refused");
    assert!(exit.stderr.contains("nothing"), "{exit:?}");
}

#[tokio::test]
async fn five_models_are_five_attempts_and_never_a_list() {
    let (mock, gateway) = stage(Script::default(), json!({})).await;
    let unwell = ["m/1", "m/2", "m/3", "m/4"];
    let script = unwell.iter().fold(Script::default(), |s, name| s.model(name, [Behaviour::status(502)]));
    mock.set_script(script);
    let asked = ["openrouter:m/1", "openrouter:m/2", "openrouter:m/3", "openrouter:m/4", "openrouter:m/5"];
    for body in [names(&asked), merge(names(&asked[1..]), json!({"model": asked[0], "route": "fallback"}))] {
        mock.clear_requests();
        let answer = gateway.send(post(CHAT, &body)).await;
        assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "5"), "{}", answer.text());
        let sent: Vec<Value> = mock.requests().iter().map(|r| r.json()["model"].clone()).collect();
        assert_eq!(sent, ["m/1", "m/2", "m/3", "m/4", "m/5"]);
        assert!(mock.requests().iter().all(|r| r.json().get("models").is_none()));
    }
    // A policy that wants OpenRouter's own failover says so.
    let (mock, gateway) = stage(Script::default(), json!({"body": {"models": ["m/1", "m/2"]}})).await;
    gateway.send(post(CHAT, &names(&["openrouter:m/1"]))).await;
    assert_eq!(mock.requests()[0].json()["models"], json!(["m/1", "m/2"]));
}

#[tokio::test]
async fn an_allow_list_means_the_models_variants_too() {
    let mock = mock(Script::default()).await;
    let provider =
        merge(openrouter(&mock), json!({"models": [{"id": "deepseek/deepseek-r1"}, {"id": "a/b:free"}]}));
    let policy = json!({"only_allow_configured_models": true, "providers": [provider]});
    let gateway = Gateway::start(&ai_gateway(policy)).await;
    for name in [
        "deepseek/deepseek-r1",
        "deepseek/deepseek-r1:free",
        "deepseek/deepseek-r1:Free:ONLINE",
        "deepseek/deepseek-r1:nitro",
        "a/b:free",
    ] {
        mock.clear_requests();
        let answer = gateway.send(post(CHAT, &names(&[&format!("openrouter:{name}")]))).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(mock.requests()[0].json()["model"], name);
    }
    for name in ["a/b", "deepseek/deepseek-r1:unheard-of", "deepseek/deepseek-v3:free", "openrouter/auto"] {
        let answer = gateway.send(post(CHAT, &names(&[&format!("openrouter:{name}")]))).await;
        answer.assert_openai_error(422, "3804");
    }
}

#[tokio::test]
async fn an_anthropic_client_at_openrouter_speaks_messages() {
    let (mock, gateway) = stage(Script::default(), json!({})).await;
    let body = merge(
        prompt(),
        json!({
            "model": "openrouter:anthropic/claude-sonnet-4.5", "provider": {"order": ["anthropic"]},
            "thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000,
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        }),
    );
    // Claude Code's way: a bearer token, and the other variable set to nothing.
    let ask = post("/v1/messages?beta=true", &body)
        .bearer("unused")
        .header("x-api-key", "")
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "context-1m-2025-08-07")
        .header("x-anthropic-beta", "interleaved-thinking-2025-05-14");
    let answer = gateway.send(ask).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["type"], "message");
    let [sent] = &mock.requests()[..] else { panic!("one request") };
    assert_eq!(sent.path_and_query, "/openrouter/api/v1/messages?beta=true");
    assert_eq!(sent.json(), merge(body, json!({"model": "anthropic/claude-sonnet-4.5"})));
    assert_eq!(sent.header("authorization"), format!("Bearer {OPENROUTER_KEY}"));
    assert_eq!(sent.header("x-api-key"), "");
    assert_eq!(sent.header("x-anthropic-beta"), "interleaved-thinking-2025-05-14");
}

#[tokio::test]
async fn tokens_are_counted_here() {
    let (mock, gateway) = stage(Script::default(), json!({})).await;
    let body = merge(prompt(), json!({"model": "openrouter:anthropic/claude-sonnet-4.5"}));
    let answer = gateway.send(post("/v1/messages/count_tokens", &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.json()["input_tokens"].as_u64().is_some_and(|count| count > 0), "{}", answer.text());
    assert!(mock.requests().is_empty(), "it has no such operation");
}

#[tokio::test]
async fn responses_embeddings_and_what_is_not_served() {
    let (mock, gateway) = stage(Script::default(), json!({})).await;
    // Some documentation shows it with the name of chat completions.
    let odd = r#"{"model":"openrouter:a/b", "messages" : [{"role":"user","content":"x"}],"x":1.0}"#;
    assert_eq!(gateway.send(post_bytes("/v1/responses", odd)).await.status, 200);
    let sent = mock.requests().remove(0);
    let expected = odd.replace("openrouter:", "").replace("messages", "input");
    assert_eq!(String::from_utf8(sent.body.to_vec()).unwrap(), expected);
    mock.clear_requests();
    // OpenRouter keeps no answers and refuses to be told to.
    let body = json!({"model": "openrouter:a/b", "input": "x", "store": true, "reasoning": {"effort": "low"}, "plugins": []});
    let answer = gateway.send(post("/v1/responses", &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.requests().remove(0).json();
    assert_eq!(sent, json!({"model": "a/b", "input": "x", "reasoning": {"effort": "low"}, "plugins": []}));
    assert_eq!(answer.header("x-tollgate-dropped"), "store");
    let answer = gateway.send(post("/v1/responses", &merge(body, json!({"stream": true})))).await;
    assert!(answer.text().contains("event: response.completed"), "{}", answer.text());

    mock.clear_requests();
    let body = json!({"model": "openrouter:a/b", "input": ["x"], "dimensions": 8, "encoding_format": "base64", "input_type": "query"});
    let answer = gateway.send(post("/v1/embeddings", &body)).await;
    assert_eq!(mock.requests()[0].json(), merge(body, json!({"model": "a/b"})));
    assert!(answer.json()["data"][0]["embedding"].is_string(), "base64 as asked for");
    let line = gateway.log_of(&answer).await;
    assert!(line["input_tokens"].as_u64().is_some_and(|count| count > 0), "{line}");
    for path in ["/v1/images/generations", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/videos"] {
        gateway.send(post(path, &names(&["openrouter:a/b"]))).await.assert_openai_error(404, "27204");
    }
}

#[tokio::test]
async fn servers_tools_of_openrouter_go_to_openrouter() {
    let (native, backup) = (mock(Script::default()).await, mock(Script::default()).await);
    let gateway =
        Gateway::start(&ai_gateway(json!({"providers": [anthropic(&native), openrouter(&backup)]}))).await;
    let tools = json!([
        {"type": "openrouter:web_search", "parameters": {"max_results": 2}},
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},
    ]);
    let body = merge(names(&["openrouter:anthropic/claude-sonnet-4.5"]), json!({"tools": tools}));
    assert_eq!(gateway.send(post(CHAT, &body)).await.status, 200);
    assert_eq!(backup.requests()[0].json()["tools"], tools);
    // Anthropic's own API has no such tool: it is named, and the other one is kept.
    let only = json!({"supported_api_surfaces": [{"format": "anthropic"}]});
    let policy =
        json!({"providers": [merge(custom("one", &format!("{}/v1", native.url()), &[KEY_ONE]), only)]});
    let gateway = Gateway::start(&ai_gateway(policy)).await;
    let answer = gateway.send(post(CHAT, &merge(names(&["one:m"]), json!({"tools": tools})))).await;
    if answer.status == 200 {
        assert!(answer.header("x-tollgate-dropped").contains("tools[0]"), "{:?}", answer.headers);
        let sent = native.requests()[0].json();
        assert_eq!(sent["tools"].as_array().unwrap().len(), 1, "{sent}");
    } else {
        answer.assert_openai_error(422, "3813");
        assert!(answer.text().contains("tools[0]"), "{}", answer.text());
        assert!(native.requests().is_empty());
    }
}

#[tokio::test]
async fn unknown_members_of_answers_stay() {
    let answered = r#"{"id":"gen-1","provider":"X","model":"a/b-2026","choices":[{"index":0,"foo":{"a":1.0},"native_finish_reason":"NEW_WORD","finish_reason":"a_new_one",
        "message":{"role":"assistant","content":"hi","annotations":[{"type":"url_citation"}],"images":[]}}],"openrouter_metadata":{"attempts":[{"provider":"X"}]},"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    let behaviour = Behaviour { body: Some(answered.into()), ..Behaviour::default() };
    let (_mock, gateway) = stage(Script::always(behaviour), json!({})).await;
    let answer = gateway.send(post(CHAT, &names(&["openrouter:a/b"]))).await;
    assert_eq!((answer.text().as_str(), answer.header("x-tollgate-model")), (answered, "openrouter:a/b"));
}
