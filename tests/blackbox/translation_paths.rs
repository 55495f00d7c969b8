//! What surrounds a translation: what is named as dropped, paths and mounts, lists and counts, arrays in place of
//! events; and that what needs no translation keeps its bytes.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Flavour, Script};

/// Fields that a target has no place for, and their names as they are told.
fn beyond(client: Client) -> (Value, Provider, Vec<&'static str>) {
    match client {
        Client::Chat => (
            json!({"logit_bias": {"50256": -100}, "seed": 7, "frequency_penalty": 0.5, "presence_penalty": 0.5,
                   "future_field": {"a": 1}, "verbosity": "low", "temperature": 0.5}),
            CLAUDE,
            vec!["logit_bias", "seed", "frequency_penalty", "presence_penalty", "future_field", "verbosity"],
        ),
        Client::Responses => (
            json!({"truncation": "auto", "max_tool_calls": 2, "future_field": 1, "temperature": 0.5,
                   "text": {"verbosity": "low"}}),
            CLAUDE,
            vec!["truncation", "max_tool_calls", "future_field", "text.verbosity"],
        ),
        Client::Messages => (json!({"top_k": 5, "future_field": 1}), RESPY, vec!["top_k", "future_field"]),
        Client::Gemini => (
            json!({"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
                   "futureField": 1, "labels": {"a": "b"},
                   "generationConfig": {"topK": 5, "seed": 7, "maxOutputTokens": 50, "futureThing": 1}}),
            CLAUDE,
            vec![
                "safetySettings",
                "futureField",
                "labels",
                "generationConfig.seed",
                "generationConfig.futureThing",
            ],
        ),
    }
}

#[tokio::test]
async fn what_is_dropped_is_named_everywhere() {
    let script = Script { strict: true, ..Script::default() };
    let mock = mock(script).await;
    let results = "${actions.ngrok.ai_gateway.models_tried[0].requests_made[0].dropped_params.join('|')}";
    let policy = json!({
        "on_http_request": [{"type": "ai-gateway", "config": {"providers": providers(&mock)}}],
        "on_http_response": [{"type": "add-headers", "config": {"headers": {"x-results": results}}}],
    });
    let gateway = Gateway::start(&policy.to_string()).await;
    for client in Client::ALL {
        let (more, provider, names) = beyond(client);
        let say = Say::user("[[say Yes.]]").more(more);
        let answer = gateway.send(client.ask(provider.name, &say)).await;
        let case = format!("{client:?} to {}: {}", provider.name, answer.text());
        assert_eq!(client.read(&answer, false).text, "Yes.", "{case}");
        let told = |list: &str, by: &str| {
            let mut told: Vec<String> = list.split(by).map(|name| name.trim().to_owned()).collect();
            told.sort();
            told
        };
        let mut want: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        want.sort();
        assert_eq!(told(answer.header("x-tollgate-dropped"), ","), want, "{case}");
        assert_eq!(told(answer.header("x-results"), "|"), want, "results: {case}");
        let (path, body) = (client.path(provider.name, false), client.body(provider.name, &say).to_string());
        let file = gateway.policy.to_str().unwrap();
        let explained = run(&["explain", file, "--json", "--path", &path, "--body", &body]).await;
        let told_by: Value =
            serde_json::from_str(&explained.stdout).unwrap_or_else(|e| panic!("{e}: {explained:?}"));
        let first = &told_by["models_to_try"][0];
        let list: Vec<&str> =
            first["dropped_params"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(told(&list.join(","), ","), want, "explain: {told_by:#}");
        let surface = if provider == RESPY { "responses" } else { "messages" };
        assert_eq!((&first["translated"], &first["surface"]), (&json!(true), &json!(surface)), "{told_by:#}");
        let url = first["url"].as_str().unwrap();
        let sent = mock.requests().pop().unwrap();
        assert_eq!(url, format!("{}{}", mock.url(), sent.path_and_query));
    }
}

#[tokio::test]
async fn figures_come_to_chat_clients_that_ask_for_them() {
    let world = World::new(Script::default()).await;
    for provider in PROVIDERS {
        for asks in [false, true] {
            let mut body = json!({"model": provider.name, "stream": true, "messages": [{"role": "user", "content": "x"}]});
            if asks {
                body["stream_options"] = json!({"include_usage": true});
            }
            let answer = world.gateway.send(post("/v1/chat/completions", &body)).await;
            let figures = |event: &Named| event.data != "[DONE]" && event.json()["usage"].is_object();
            let count = events(&answer.text()).iter().filter(|e| figures(e)).count();
            // OpenRouter gives them unasked, and what it sends in this dialect is passed on as it is.
            let want = usize::from(asks || provider == ROUTED);
            assert_eq!(count, want, "{} {asks}: {}", provider.name, answer.text());
            let line = world.gateway.log_of(&answer).await;
            assert!(line["output_tokens"].as_u64() > Some(0), "counted all the same: {line}");
        }
    }
}

#[tokio::test]
async fn every_mount_and_version() {
    let world = World::new(Script::default()).await;
    for client in Client::ALL {
        let prefixes: &[&str] = match client {
            Client::Gemini => &["/v1beta", "/v1", "", "/genai/v1beta", "/genai/v1", "/genai"],
            Client::Messages => &[
                "/v1",
                "",
                "/anthropic/v1",
                "/anthropic",
                "/openrouter/api/v1",
                "/v1/v1",
                "/api/v1",
                "/genai/v1",
            ],
            _ => &[
                "/v1",
                "",
                "/openai/v1",
                "/openai",
                "/openrouter/api/v1",
                "/openrouter/v1",
                "/anthropic/v1",
                "/api/v1",
                "/v1/v1",
                "//v1",
                "/genai/v1beta",
            ],
        };
        for prefix in prefixes {
            for provider in PROVIDERS {
                let say = Say::user("[[say Yes.]]");
                let path = client.path(provider.name, false);
                let tail = path.strip_prefix("/v1beta").or(path.strip_prefix("/v1")).unwrap();
                let path = format!("{prefix}{tail}");
                let answer = world.gateway.send(post(&path, &client.body(provider.name, &say))).await;
                let case = format!("{path}: {}", answer.text());
                assert_eq!(answer.header("x-tollgate-model"), provider.name, "{case}");
                assert_eq!(client.read(&answer, false).text, "Yes.", "{case}");
            }
        }
    }
}

#[tokio::test]
async fn models_are_listed_in_the_dialect_of_the_mount() {
    let world = World::new(Script::default()).await;
    for (path, version, client) in [
        ("/v1/models", false, Client::Chat),
        ("/models", false, Client::Chat),
        ("/openai/v1/models", true, Client::Chat),
        ("/openrouter/api/v1/models", false, Client::Chat),
        ("/v1/models", true, Client::Messages),
        ("/anthropic/v1/models", false, Client::Messages),
        ("/v1beta/models", false, Client::Gemini),
        ("/genai/v1beta/models", false, Client::Gemini),
        ("/genai/v1/models", false, Client::Gemini),
    ] {
        let mut ask = get(path);
        if version {
            ask = ask.header("anthropic-version", "2023-06-01");
        }
        let body = world.gateway.send(ask).await.json();
        let listed: Vec<&str> = match client {
            Client::Gemini => {
                let models = body["models"].as_array().unwrap_or_else(|| panic!("{path}: {body}"));
                assert!(models.iter().all(|m| m["supportedGenerationMethods"].is_array()), "{path}");
                models.iter().map(|m| m["name"].as_str().unwrap().strip_prefix("models/").unwrap()).collect()
            }
            _ => {
                let models = body["data"].as_array().unwrap_or_else(|| panic!("{path}: {body}"));
                let mark = if client == Client::Chat { ("object", "model") } else { ("type", "model") };
                assert!(models.iter().all(|m| m[mark.0] == mark.1), "{path}: {body}");
                models.iter().map(|m| m["id"].as_str().unwrap()).collect()
            }
        };
        // Pages of Anthropic's list are short; what was added by the policy is on the first of the others.
        if client == Client::Messages {
            assert!(!listed.is_empty(), "{path}");
        } else {
            for provider in PROVIDERS {
                assert!(listed.contains(&provider.name), "{} at {path}: {listed:?}", provider.name);
            }
        }
    }
    let one = world.gateway.send(get("/genai/v1beta/models/chatty:gpt-5-mini")).await;
    assert_eq!(
        (one.status, one.json()["name"].as_str()),
        (200, Some("models/chatty:gpt-5-mini")),
        "{}",
        one.text()
    );
}

#[tokio::test]
async fn tokens_are_counted_for_models_whose_provider_cannot() {
    let world = World::new(Script::default()).await;
    let body = |model: &str| {
        let long = "The quick brown fox jumps over the lazy dog. ".repeat(20);
        json!({"model": model, "system": "Be brief.", "messages": [{"role": "user", "content": long}]})
    };
    for provider in PROVIDERS {
        world.mock.clear_requests();
        let answer = world.gateway.send(post("/v1/messages/count_tokens", &body(provider.name))).await;
        assert_eq!(answer.status, 200, "{}: {}", provider.name, answer.text());
        let count = answer.json()["input_tokens"].as_u64().unwrap_or_else(|| panic!("{}", answer.text()));
        let asked = world.mock.requests().len();
        if provider == CLAUDE {
            assert_eq!(asked, 1, "it can count");
        } else {
            // 200 words and 20 full stops.
            assert!((150..320).contains(&count), "{}: {count}", provider.name);
            assert_eq!(asked, 0);
        }
    }
    let bad = json!({"model": CHATTY.name, "messages": 5});
    let answer = world.gateway.send(post("/v1/messages/count_tokens", &bad)).await;
    assert!(matches!(answer.status, 200 | 400), "{}", answer.text());
}

#[tokio::test]
async fn translation_never() {
    let world = World::with(Script::default(), json!({"translation": "never"})).await;
    for client in Client::ALL {
        for provider in PROVIDERS {
            let answer = world.gateway.send(client.ask(provider.name, &Say::user("[[say Yes.]]"))).await;
            let case = format!("{client:?} to {}: {}", provider.name, answer.text());
            if provider.speaks(client) {
                assert_eq!(client.read(&answer, false).text, "Yes.", "{case}");
            } else {
                assert_eq!((answer.status, answer.code()), (422, "3813"), "{case}");
                client.error(&answer);
            }
        }
    }
}

#[tokio::test]
async fn streams_of_gemini_without_events_are_arrays() {
    let world = World::new(Script::default()).await;
    for provider in PROVIDERS {
        let path = format!("/v1beta/models/{}:streamGenerateContent", provider.name);
        for query in ["", "?alt=json"] {
            let say = Say::user("[[say One two three]]").stream(true);
            let ask = post(&format!("{path}{query}"), &Client::Gemini.body(provider.name, &say));
            let answer = world.gateway.send(ask).await;
            let case = format!("{}: {}", provider.name, answer.text());
            assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{case}");
            assert!(answer.whole, "{case}");
            let chunks: Vec<Value> =
                serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {case}"));
            assert!(chunks.len() > 2, "{case}");
            assert_eq!(gemini_chunks(&chunks).text, "One two three", "{case}");
        }
    }
    let fault = Behaviour::fault(tollgate_mock::Fault::ErrorAfterChunks(2));
    let world = World::new(Script::always(fault)).await;
    for provider in PROVIDERS {
        let path = format!("/v1beta/models/{}:streamGenerateContent", provider.name);
        let answer = world.gateway.send(post(&path, &Client::Gemini.body("", &Say::user("x")))).await;
        let chunks: Vec<Value> =
            serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()));
        assert!(chunks.last().unwrap()["error"]["message"].is_string(), "{}", answer.text());
        assert_eq!(world.gateway.log_of(&answer).await["outcome"], "interrupted");
    }
}

#[tokio::test]
async fn elements_of_an_array_come_one_by_one() {
    let world = World::new(Script::always(Behaviour::default().chunk_every_ms(300))).await;
    let path = format!("/v1beta/models/{}:streamGenerateContent", CLAUDE.name);
    let mut reply =
        world.gateway.open(post(&path, &Client::Gemini.body("", &Say::user("[[say One two three]]")))).await;
    let begun = std::time::Instant::now();
    let first = soon(reply.chunk()).await.unwrap().unwrap();
    assert!(first.starts_with(b"["), "{first:?}");
    let rest = soon(reply.answer()).await;
    assert!(
        begun.elapsed() > std::time::Duration::from_millis(400) && rest.text().ends_with("]\n"),
        "{}",
        rest.text()
    );
}

/// A request of each dialect with odd spelling and members nobody knows. `MODEL` stands for the model.
fn odd(client: Client) -> String {
    let own = match client {
        Client::Chat => r#""messages":[{"content":"x","role":"user","future":[1.0,1E2]}]"#,
        Client::Responses => {
            r#""input":[{"content":[{"text":"x","type":"input_text","f":-0.0}],"role":"user"}]"#
        }
        Client::Messages => {
            r#""max_tokens":50,"messages":[{"content":"x","role":"user"}],"system":[{"text":"s","type":"text"}]"#
        }
        Client::Gemini => {
            r#""contents":[{"parts":[{"text":"x"}],"role":"user"}],"generation_config":{"top_k":1.0}"#
        }
    };
    let model = if client == Client::Gemini { "" } else { "\"model\" : MODEL ,\r\n" };
    format!(
        "\n{{ \"zz\":1.50, {model}\t{own}, \"text\":{{\"\\u00e9\\/\":\"é\\ud83d\\ude00\"}},\"big\":12345678901234567890123,\"null\":null }}\n"
    )
}

#[tokio::test]
async fn requests_that_need_no_translation_keep_their_bytes() {
    let mock = mock(Script::default()).await;
    let gateway = Gateway::start(&ai_gateway(json!({"providers": providers(&mock)}))).await;
    for client in Client::ALL {
        for provider in PROVIDERS.into_iter().filter(|p| p.speaks(client)) {
            for stream in [false, true] {
                let path = client.path(provider.name, stream);
                let mut body = odd(client);
                if stream && client != Client::Gemini {
                    let ask = if client == Client::Chat {
                        r#", "stream_options" : {"include_usage":true}"#
                    } else {
                        ""
                    };
                    body = body.replacen("\"zz\"", &format!("\"stream\" :true{ask},\"zz\""), 1);
                }
                let given = body.replace("MODEL", &json!(provider.name).to_string());
                let answer = gateway.send(post_bytes(&path, given)).await;
                assert_eq!(answer.status, 200, "{client:?}: {}", answer.text());
                let sent = mock.requests().pop().unwrap();
                let want = body.replace("MODEL", &json!(provider.model).to_string());
                assert_eq!(
                    String::from_utf8(sent.body.to_vec()).unwrap(),
                    want,
                    "{client:?} to {}",
                    provider.name
                );
                assert_eq!(answer.header("x-tollgate-dropped"), "");
            }
        }
    }
}

#[tokio::test]
async fn answers_that_need_no_translation_keep_their_bytes() {
    let gemini_stream = "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\\u00e9\"}],\"role\": \"model\"},\"future\":1.0}]}\r\n\r\n\
        : life\r\n\r\ndata: {\"candidates\": [{\"finishReason\": \"STOP\"}],\"usageMetadata\": {\"promptTokenCount\": 1.0}}\r\n\r\n";
    for (client, provider, stream, text) in [
        (Client::Gemini, GEMINI, true, gemini_stream),
        (
            Client::Gemini,
            GEMINI,
            false,
            "\n{ \"candidates\" : [ {\"x\":1.0,\"content\":{\"parts\":[{\"text\":\"\\u00e9\"}]}} ] }\n",
        ),
        (Client::Gemini, GEMINI, false, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}"),
        (Client::Responses, RESPY, false, "{\"output\":[],\"x\":1E2, \"\\u0061\":null}"),
        (Client::Messages, CLAUDE, false, "{\"content\":[],\"x\":1E2, \"\\u0061\":null}\n"),
        (Client::Chat, CHATTY, false, "{\"choices\":[],\"x\":1E2, \"\\u0061\":null}\n"),
    ] {
        let kind = if stream { "text/event-stream" } else { "application/json; charset=UTF-8" };
        let behaviour = Behaviour { body: Some(text.into()), ..Behaviour::default() };
        let world = World::new(Script::always(behaviour.header("content-type", kind))).await;
        let answer = world.gateway.send(client.ask(provider.name, &Say::user("x").stream(stream))).await;
        assert_eq!((answer.text().as_str(), answer.header("content-type")), (text, kind), "{client:?}");
    }
}

#[tokio::test]
async fn a_client_without_a_model_of_its_dialect_gets_any() {
    // No names and no strategy: what needs no translation comes first, and then the others.
    let world = World::new(Script::default()).await;
    for client in [Client::Chat, Client::Responses, Client::Messages] {
        let mut body = client.body("", &Say::user("[[say Yes.]]"));
        body.as_object_mut().unwrap().remove("model");
        let answer = world.gateway.send(post(&client.path("", false), &body)).await;
        assert_eq!(client.read(&answer, false).text, "Yes.", "{client:?}: {}", answer.text());
        let last = world.last();
        assert!(
            PROVIDERS.iter().any(|p| p.speaks(client) && p.surface == last.surface),
            "{client:?}: {last:?}"
        );
        assert_ne!(last.provider, Flavour::Bedrock);
    }
}

/// A header cannot be changed once it is sent: what a stream loses later stands in the access log and in the results.
#[tokio::test]
async fn what_a_stream_loses_after_its_head_is_in_log_and_results() {
    let chunk = |delta: Value, end: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
        format!("data: {}\n\n", json!({"id": "c", "model": "m", "choices": [choice]}))
    };
    let body = [
        chunk(json!({"role": "assistant", "content": "Yes."}), Value::Null),
        chunk(json!({"annotations": [{"type": "url_citation"}]}), Value::Null),
        chunk(json!({}), json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let raw = RawUpstream::start(format!("{head}{}", body.concat()), Then::Close).await;
    let provider = json!({
        "id": "one", "base_url": raw.url(), "supported_api_surfaces": [{"format": "openai", "surface": "chat-completions"}],
    });
    let results = "${actions.ngrok.ai_gateway.models_tried[0].requests_made[0].dropped_params.join('|')}";
    let policy = json!({
        "on_http_request": [{"type": "ai-gateway", "config": {"providers": [provider]}}],
        "on_http_response": [{"type": "log", "config": {"metadata": {"dropped": results}}}],
    });
    let gateway = Gateway::start(&policy.to_string()).await;
    let say = Say::user("Yes?").more(json!({"top_k": 3})).stream(true);
    let answer = gateway.send(Client::Messages.ask("one:m", &say)).await;
    assert!(answer.text().contains("Yes."), "{}", answer.text());
    assert_eq!(answer.header("x-tollgate-dropped"), "top_k");
    let line = gateway.log_of(&answer).await;
    assert_eq!(line["dropped"], "top_k, choices[].delta.annotations", "{line}");
    let logged = &line["traffic_policy"]["logs"][0]["metadata"]["dropped"];
    assert_eq!(logged, "top_k|choices[].delta.annotations", "{line}");
}
