//! What an answer cost: in the header, the access log, the metrics and the action's results.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::{Behaviour, Flavour, MockServer, Script};

pub(crate) const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
pub(crate) const MESSAGES: &str = "/v1/messages";

/// Prices of the model `one:m`, each different.
fn prices() -> Value {
    json!({"input": 2.5, "output": 10, "input_cache_read": 1.25, "input_cache_write": 3, "reasoning": 20})
}

/// OpenRouter with its own prices, and provider `one` with one model whose prices the policy states. What the action
/// did is logged when a request is over.
pub(crate) async fn stage(format: &str) -> (MockServer, Gateway) {
    let mock = mock(Script::default()).await;
    let one = merge(
        custom("one", &format!("{}/v1", mock.url()), &[KEY_ONE]),
        json!({
            "models": [{"id": "m", "pricing": prices()}, {"id": "first", "pricing": {"input": 3, "output": 3}}, {"id": "unpriced"}, {"id": "half", "pricing": {"input": 1}}],
            "supported_api_surfaces": [{"format": format}],
        }),
    );
    let routed =
        merge(openrouter(&mock), json!({"models": [{"id": "a/b", "pricing": {"input": 2, "output": 4}}]}));
    let policy = json!({
        "on_http_request": [{"type": "ai-gateway", "config": without_health(json!({"providers": [one, routed]}))}],
        "on_http_response": [{"type": "log", "config": {"metadata": {"result": "${actions.ngrok.ai_gateway}"}}}],
    });
    (mock, Gateway::start(&policy.to_string()).await)
}

pub(crate) fn says(body: &str) -> Behaviour {
    let behaviour = Behaviour { body: Some(body.into()), ..Behaviour::default() };
    if body.starts_with("data:") || body.starts_with("event:") {
        behaviour.header("content-type", "text/event-stream")
    } else {
        behaviour.header("content-type", "application/json")
    }
}

/// Sums of the metric for each provider.
pub(crate) async fn metered(gateway: &Gateway, provider: &str) -> u64 {
    let series = format!("tollgate_cost_micro_usd_total{{provider=\"{provider}\"}} ");
    let text = gateway.admin("/metrics").await.text();
    text.lines()
        .find_map(|line| line.strip_prefix(&series))
        .map_or(0, |value| value.parse::<f64>().unwrap() as u64)
}

/// Sends a request and checks that every place says the same cost, in millionths of a dollar; `None`: none does.
pub(crate) async fn costs(
    gateway: &Gateway,
    ask: Ask,
    micros: Option<u64>,
    streamed: bool,
    what: &str,
) -> Value {
    let answer = gateway.send(ask).await;
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    let provider = answer.header("x-tollgate-model").split(':').next().unwrap().to_owned();
    let text = micros.map(|micros| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
    let header = if streamed { "" } else { text.as_deref().unwrap_or("") };
    assert_eq!(answer.header("x-tollgate-cost-usd"), header, "{what}: {}", answer.text());
    let line = gateway.log_of(&answer).await;
    let logged = line.get("cost_usd").map(ToString::to_string);
    let number = text.as_ref().map(|text| text.parse::<f64>().unwrap());
    assert_eq!(logged.map(|text| text.parse::<f64>().unwrap()), number, "{what}: {line}");
    let result = &line["traffic_policy"]["logs"][0]["metadata"]["result"];
    assert!(result.is_object(), "{what}: {line}");
    let expected = text.map_or(Value::Null, Value::from);
    assert_eq!(result["cost_usd"], expected, "{what}: {result}");
    let request = result.pointer("/models_tried/0/requests_made/0").unwrap();
    assert_eq!(request["cost_usd"], expected, "{what}: {request}");
    for whole in [result, request] {
        assert_eq!(whole["cost_micro_usd"], json!(micros), "{what}: {whole}");
    }
    assert_eq!(line.get("cost_source").is_some(), micros.is_some(), "{what}: {line}");
    assert_eq!(request["cost_source"].is_string(), micros.is_some(), "{what}: {request}");
    assert!(!provider.is_empty());
    line
}

pub(crate) fn chat_usage(more: Value) -> Value {
    merge(
        json!({
            "prompt_tokens": 1000, "completion_tokens": 200,
            "prompt_tokens_details": {"cached_tokens": 400, "cache_write_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 50},
        }),
        more,
    )
}

pub(crate) fn chat(usage: &Value) -> String {
    json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"},
    }], "usage": usage})
    .to_string()
}

pub(crate) fn chat_stream(usage: &Value) -> String {
    let chunk = |delta: Value, reason: Value, usage: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
        format!(
            "data: {}\n\n",
            json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, "usage": usage})
        )
    };
    let last = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage});
    [
        chunk(json!({"role": "assistant", "content": "hi"}), Value::Null, Value::Null),
        chunk(json!({}), json!("stop"), Value::Null),
        format!("data: {last}\n\ndata: [DONE]\n\n"),
    ]
    .concat()
}

/// Parts of the computed cost: 500 tokens of prompt, 400 cached, 100 written, 150 of answer, 50 of thought.
pub(crate) const COMPUTED: u64 = 1250 + 500 + 300 + 1500 + 1000;

#[tokio::test]
async fn computed_from_prices_in_every_dialect() {
    let responses = json!({"id": "resp_1", "object": "response", "status": "completed", "error": null, "model": "m",
        "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "hi", "annotations": []}]}],
        "usage": {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 400, "cache_write_tokens": 100}, "output_tokens": 200, "output_tokens_details": {"reasoning_tokens": 50}}});
    let completed = format!(
        "event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{{\"id\":\"resp_1\"}}}}\n\nevent: response.output_text.delta\n\
         data: {{\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"hi\"}}\n\n\
         event: response.completed\ndata: {}\n\n",
        json!({"type": "response.completed", "response": responses})
    );
    let usage = json!({"input_tokens": 500, "cache_read_input_tokens": 400, "cache_creation_input_tokens": 100, "output_tokens": 200,
        "output_tokens_details": {"thinking_tokens": 50}});
    let messages = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": usage});
    let event = |json: Value| format!("event: {}\ndata: {json}\n\n", json["type"].as_str().unwrap());
    let stopped = [
        event(json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": merge(usage.clone(), json!({"output_tokens": 1}))}})),
        event(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}})),
        event(json!({"type": "content_block_stop", "index": 0})),
        event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 200}})),
        event(json!({"type": "message_stop"})),
    ]
    .concat();
    let gemini = json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": "hi"}]}}],
        "usageMetadata": {"promptTokenCount": 1000, "cachedContentTokenCount": 400, "candidatesTokenCount": 150, "thoughtsTokenCount": 50}});
    // Gemini does not say what was written to its caches: those tokens cost as the others.
    let unwritten = COMPUTED - 300 + 250;
    let streamed_gemini = format!("data: {gemini}\n\n");
    let usage = chat_usage(json!({}));
    for (format, path, body, expected) in [
        ("openai", CHAT, chat(&usage), COMPUTED),
        ("openai", CHAT, chat_stream(&usage), COMPUTED),
        ("openai", RESPONSES, responses.to_string(), COMPUTED),
        ("openai", RESPONSES, completed, COMPUTED),
        ("anthropic", MESSAGES, messages.to_string(), COMPUTED),
        ("anthropic", MESSAGES, stopped.clone(), COMPUTED),
        ("gemini", "/v1beta/models/one:m:generateContent", gemini.to_string(), unwritten),
        ("gemini", "/v1beta/models/one:m:streamGenerateContent?alt=sse", streamed_gemini.clone(), unwritten),
        // Translated: the figures are those of the provider.
        ("anthropic", CHAT, messages.to_string(), COMPUTED),
        ("anthropic", CHAT, stopped, COMPUTED),
        ("gemini", CHAT, gemini.to_string(), unwritten),
        ("gemini", CHAT, streamed_gemini, unwritten),
        ("openai", MESSAGES, chat(&usage), COMPUTED),
    ] {
        let (mock, gateway) = stage(format).await;
        mock.set_script(Script::always(says(&body)));
        let streamed = !body.starts_with('{');
        let ask = match format {
            "gemini" if path != CHAT => json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]}),
            _ => merge(names(&["one:m"]), json!({"input": "x", "stream": streamed})),
        };
        let ask =
            if path == RESPONSES { json!({"model": "one:m", "input": "x", "stream": streamed}) } else { ask };
        let what = format!("{path} of {format}, stream {streamed}");
        costs(&gateway, post(path, &ask), Some(expected), streamed, &what).await;
        assert_eq!(metered(&gateway, "one").await, expected, "{what}");
    }
}

#[tokio::test]
async fn what_openrouter_reports_counts() {
    let (mock, gateway) = stage("openai").await;
    let mut sum = 0;
    // By the policy's prices it would be 2800.
    for (cost, expected) in
        [(json!(0.0123), 12_300), (json!(1.5e-6), 2), (json!("0.25"), 250_000), (json!(3), 3_000_000)]
    {
        let usage = chat_usage(json!({"cost": cost, "is_byok": false}));
        for streamed in [false, true] {
            let body = if streamed { chat_stream(&usage) } else { chat(&usage) };
            mock.set_script(Script::always(says(&body)));
            let ask = merge(names(&["openrouter:a/b"]), json!({"stream": streamed}));
            costs(&gateway, post(CHAT, &ask), Some(expected), streamed, &format!("{cost}")).await;
            sum += expected;
        }
    }
    assert_eq!(metered(&gateway, "openrouter").await, sum);
    assert!(!gateway.written().contains("suspicious") && !gateway.written().contains("reports a cost of 0"));
}

#[tokio::test]
async fn with_ones_own_key_there_are_two_amounts() {
    let (mock, gateway) = stage("openai").await;
    for (own, fee, upstream) in [(true, 0.001, Some(0.25)), (true, 0.0, Some(0.25)), (false, 0.25, None)] {
        let usage = chat_usage(
            json!({"cost": fee, "is_byok": own, "cost_details": {"upstream_inference_cost": 0.25}}),
        );
        for streamed in [false, true] {
            let body = if streamed { chat_stream(&usage) } else { chat(&usage) };
            mock.set_script(Script::always(says(&body)));
            let ask = merge(names(&["openrouter:a/b"]), json!({"stream": streamed}));
            let micros = (fee * 1e6) as u64;
            let line = costs(&gateway, post(CHAT, &ask), Some(micros), streamed, &format!("{usage}")).await;
            assert_eq!(line.get("upstream_cost_usd").and_then(Value::as_f64), upstream, "{line}");
            let request = line
                .pointer("/traffic_policy/logs/0/metadata/result/models_tried/0/requests_made/0")
                .unwrap();
            let text = upstream.map_or(Value::Null, |dollars| format!("{dollars:.6}").into());
            assert_eq!(request.get("upstream_cost_usd").cloned().unwrap_or_default(), text, "{request}");
        }
    }
    assert!(!gateway.written().contains("reports a cost of 0"), "a fee of nothing is a fee");
}

#[tokio::test]
async fn a_zero_that_cannot_be() {
    let (mock, gateway) = stage("openai").await;
    let usage = chat_usage(
        json!({"cost": 0, "is_byok": false, "prompt_tokens_details": null, "completion_tokens_details": null}),
    );
    for streamed in [false, true] {
        let body = if streamed { chat_stream(&usage) } else { chat(&usage) };
        mock.set_script(Script::always(says(&body)));
        let ask = |model: &str| post(CHAT, &merge(names(&[model]), json!({"stream": streamed})));
        // 1000 at 2 dollars a million, 200 at 4.
        let line = costs(&gateway, ask("openrouter:a/b"), Some(2800), streamed, "not free").await;
        let id = line["request_id"].as_str().unwrap().to_owned();
        let expected = if streamed { 2 } else { 1 };
        let warnings =
            |lines: &[String]| lines.iter().filter(|line| line.contains("reports a cost of 0")).count();
        let counted = gateway.err.wait("a warning", |lines| Some(warnings(lines)).filter(|n| *n >= expected));
        assert_eq!(counted.await, expected, "once for a request, {id}");
        // Free ones cost nothing, and of one nobody knows the provider is believed.
        for model in ["openrouter:a/b:free", "openrouter:nobody/knows"] {
            costs(&gateway, ask(model), Some(0), streamed, model).await;
        }
        let all = gateway.err.text().matches("reports a cost of 0").count();
        assert_eq!(all, expected);
    }
}

#[tokio::test]
async fn what_nobody_knows_is_left_out() {
    let (mock, gateway) = stage("openai").await;
    for (model, usage) in [
        ("one:unpriced", chat_usage(json!({}))),
        // The price of the answer is missing.
        ("one:half", chat_usage(json!({}))),
        ("one:other", chat_usage(json!({}))),
        ("one:m", Value::Null),
    ] {
        for streamed in [false, true] {
            let body = if streamed { chat_stream(&usage) } else { chat(&usage) };
            mock.set_script(Script::always(says(&body)));
            let ask = merge(names(&[model]), json!({"stream": streamed}));
            costs(&gateway, post(CHAT, &ask), None, streamed, model).await;
        }
    }
    assert_eq!(metered(&gateway, "one").await, 0);
    // A zero of prices is a price: nothing of it is unknown.
    let embedded = json!({"object": "list", "data": [{"index": 0, "embedding": [0.1], "object": "embedding"}], "model": "m", "usage": {"prompt_tokens": 1000, "total_tokens": 1000}});
    mock.set_script(Script::always(says(&embedded.to_string())));
    let ask = json!({"model": "one:half", "input": "x"});
    costs(&gateway, post("/v1/embeddings", &ask), Some(1000), false, "embeddings").await;
}

#[tokio::test]
async fn counting_tokens_costs_nothing() {
    let (mock, gateway) = stage("anthropic").await;
    mock.set_script(Script::always(says(r#"{"input_tokens":1000}"#)));
    let answer = gateway.send(post("/v1/messages/count_tokens", &names(&["one:m"]))).await;
    assert_eq!((answer.status, answer.header("x-tollgate-cost-usd")), (200, ""), "{}", answer.text());
    assert_eq!(gateway.log_of(&answer).await.get("cost_usd"), None);
    assert_eq!(metered(&gateway, "one").await, 0);
}

#[tokio::test]
async fn a_stream_of_openai_is_metered_though_the_client_did_not_ask() {
    let mock = mock(Script::default()).await;
    let policy = json!({"providers": [openai(&mock)]});
    let gateway = Gateway::start(&ai_gateway(policy)).await;
    for (path, asks) in [(CHAT, false), (CHAT, true), ("/v1/completions", false)] {
        mock.clear_requests();
        let model = if path == CHAT { "openai:gpt-4o" } else { "openai:gpt-3.5-turbo-instruct" };
        let mut body = merge(names(&[model]), json!({"stream": true, "prompt": "x"}));
        if asks {
            body["stream_options"] = json!({"include_usage": true});
        }
        let answer = gateway.send(post(path, &body)).await;
        assert_eq!(mock.requests()[0].json()["stream_options"], json!({"include_usage": true}), "{path}");
        assert_eq!(answer.text().contains("\"usage\""), asks, "{path}: {}", answer.text());
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{path}");
        let line = gateway.log_of(&answer).await;
        for name in ["input_tokens", "output_tokens", "cost_usd"] {
            assert!(line[name].as_f64().is_some_and(|n| n > 0.0), "{path} {name}: {line}");
        }
    }
}

/// The models that were asked, in order, by a policy with these strategies.
async fn order(mock: &MockServer, strategy: &[&str], more: Value) -> Vec<String> {
    mock.clear_requests();
    let native = merge(openai(mock), json!({"models": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]}));
    let routed = merge(
        openrouter(mock),
        json!({"models": [{"id": "deepseek/deepseek-r1"}, {"id": "openai/gpt-4o-mini"}]}),
    );
    let policy = merge(
        json!({"only_allow_configured_models": true, "providers": [native, routed], "model_selection": {"strategy": strategy}}),
        more,
    );
    let gateway = Gateway::start(&ai_gateway(policy)).await;
    let answer = gateway.send(post(CHAT, &prompt())).await;
    assert!(answer.status >= 400, "{}", answer.text());
    mock.requests().iter().map(|r| r.json()["model"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn strategies_know_prices_of_both_kinds_of_models() {
    let mock = mock(Script::always(Behaviour::status(503))).await;
    for (strategy, expected) in [
        ("ai.models.underCost('text.input', 0.2)", &["gpt-4o-mini", "openai/gpt-4o-mini"][..]),
        (
            "ai.models.underCost('text.output', 5).sortBy('price')",
            &["gpt-4o-mini", "openai/gpt-4o-mini", "deepseek/deepseek-r1"],
        ),
        (
            "ai.models.sortBy('price')",
            &["gpt-4o-mini", "openai/gpt-4o-mini", "deepseek/deepseek-r1", "gpt-4o"],
        ),
        ("ai.models.filter(m, m.pricing.output > 5.0)", &["gpt-4o"]),
        ("ai.models.filter(m, m.pricing.text.input_cache_read == 1.25)", &["gpt-4o"]),
        (
            "ai.models.filter(m, m.provider_id == 'openrouter').sortBy(m, m.pricing.text.output)",
            &["openai/gpt-4o-mini", "deepseek/deepseek-r1"],
        ),
    ] {
        assert_eq!(order(&mock, &[strategy], json!({})).await, expected, "{strategy}");
    }
}

#[tokio::test]
async fn a_variant_that_a_client_names_has_its_own_price() {
    let mock = mock(Script::default().flavour(Flavour::OpenRouter)).await;
    let free = "ai.models.filter(m, m.pricing.input == 0.0)";
    let policy = json!({"providers": [openrouter(&mock)], "model_selection": {"strategy": [free]}});
    let free = Gateway::start(&ai_gateway(policy)).await;
    for (name, status) in [
        ("deepseek/deepseek-r1:free", 200),
        ("deepseek/deepseek-r1:online:free", 200),
        ("deepseek/deepseek-r1", 422),
        ("deepseek/deepseek-r1:nitro", 422),
    ] {
        let answer = free.send(post(CHAT, &names(&[&format!("openrouter:{name}")]))).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
}

/// The parts of the cost of one request, without those that are 0.
fn parts(request: &Value) -> Value {
    let mut parts = request["cost_parts_micro_usd"].clone();
    if let Some(parts) = parts.as_object_mut() {
        parts.retain(|_, micros| *micros != 0);
    }
    parts
}

#[tokio::test]
async fn the_parts_of_a_cost() {
    let (mock, gateway) = stage("openai").await;
    mock.set_script(Script::always(says(&chat(&chat_usage(json!({}))))));
    let line = costs(&gateway, post(CHAT, &names(&["one:m"])), Some(COMPUTED), false, "parts").await;
    let request =
        &line["traffic_policy"]["logs"][0]["metadata"]["result"]["models_tried"][0]["requests_made"][0];
    let expected =
        json!({"input": 1250, "output": 1500, "cached": 500, "cache_write": 300, "reasoning": 1000});
    assert_eq!(
        (parts(request), &request["cost_source"]),
        (expected.clone(), &json!("computed")),
        "{request}"
    );
    let text = gateway.admin("/metrics").await.text();
    for (part, micros) in expected.as_object().unwrap() {
        let series =
            format!("tollgate_cost_part_micro_usd_total{{provider=\"one\",part=\"{part}\"}} {micros}\n");
        assert!(text.contains(&series), "{series}");
        let logged = line[format!("cost_{part}_usd")].as_f64().unwrap();
        assert_eq!((logged * 1e6).round() as u64, micros.as_u64().unwrap(), "{part}: {line}");
    }
    assert!(line.get("cost_audio_usd").is_none(), "{line}");
    // What is reported counts, and the parts are those of the price list.
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 200, "cost": 0.01, "is_byok": false});
    mock.set_script(Script::always(says(&chat(&usage))));
    let ask = post(CHAT, &names(&["openrouter:a/b"]));
    let line = costs(&gateway, ask, Some(10_000), false, "reported").await;
    let request =
        &line["traffic_policy"]["logs"][0]["metadata"]["result"]["models_tried"][0]["requests_made"][0];
    assert_eq!(
        (parts(request), &request["cost_source"]),
        (json!({"input": 2000, "output": 800}), &json!("reported"))
    );
}

/// Answers of Anthropic's with these figures, whole and streamed.
fn anthropic(usage: &Value) -> [String; 2] {
    let event = |json: Value| format!("event: {}\ndata: {json}\n\n", json["type"].as_str().unwrap());
    let message = |content: Value, usage: Value| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": "end_turn",
            "stop_sequence": null, "usage": usage})
    };
    let begins = merge(usage.clone(), json!({"output_tokens": 1, "server_tool_use": null}));
    let stream = [
        event(json!({"type": "message_start", "message": message(json!([]), begins)})),
        event(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        event(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}),
        ),
        event(json!({"type": "content_block_stop", "index": 0})),
        event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {
            "output_tokens": usage["output_tokens"], "server_tool_use": usage["server_tool_use"]}})),
        event(json!({"type": "message_stop"})),
    ];
    [message(json!([{"type": "text", "text": "hi"}]), usage.clone()).to_string(), stream.concat()]
}

#[tokio::test]
async fn caches_of_an_hour_and_searches() {
    let mock = mock(Script::default()).await;
    let dear = json!({"input": 2, "output": 10, "input_cache_write": 3, "input_cache_write_1h": 5, "web_search": 0.01});
    let one = merge(
        custom("one", &format!("{}/v1", mock.url()), &[KEY_ONE]),
        json!({"models": [{"id": "m", "pricing": dear}, {"id": "half", "pricing": {"input": 2, "output": 10, "input_cache_write": 3}}],
            "supported_api_surfaces": [{"format": "anthropic"}]}),
    );
    let policy = json!({
        "on_http_request": [{"type": "ai-gateway", "config": {"providers": [one]}}],
        "on_http_response": [{"type": "log", "config": {"metadata": {"result": "${actions.ngrok.ai_gateway}"}}}],
    });
    let gateway = Gateway::start(&policy.to_string()).await;
    let written = json!({"input_tokens": 100, "cache_creation_input_tokens": 1000, "cache_read_input_tokens": 0, "output_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600}});
    let searched = merge(written.clone(), json!({"server_tool_use": {"web_search_requests": 2}}));
    for (model, usage, expected) in [
        ("one:m", &written, Some(200 + 1200 + 3000 + 100)),
        ("one:m", &searched, Some(200 + 1200 + 3000 + 100 + 20_000)),
        // A price that is needed and missing is not taken for another one.
        ("one:half", &written, None),
    ] {
        for body in anthropic(usage) {
            let streamed = !body.starts_with('{');
            mock.set_script(Script::always(says(&body)));
            for path in [MESSAGES, CHAT] {
                let ask = post(path, &merge(names(&[model]), json!({"stream": streamed})));
                costs(&gateway, ask, expected, streamed, &format!("{path} {usage}")).await;
            }
        }
    }
}

#[tokio::test]
async fn a_cost_that_others_than_openrouter_report() {
    let (mock, gateway) = stage("openai").await;
    for (what, cost, expected) in [
        ("xAI", json!({"cost_in_usd_ticks": 37_756_000}), 3776),
        (
            "Perplexity",
            json!({"cost": {"input_tokens_cost": 0.001, "request_cost": 0.005, "total_cost": 0.0062}}),
            6200,
        ),
    ] {
        let usage = chat_usage(cost);
        for streamed in [false, true] {
            let body = if streamed { chat_stream(&usage) } else { chat(&usage) };
            mock.set_script(Script::always(says(&body)));
            let ask = post(CHAT, &merge(names(&["one:m"]), json!({"stream": streamed})));
            costs(&gateway, ask, Some(expected), streamed, what).await;
        }
    }
}

#[tokio::test]
async fn a_zero_without_a_word_is_openrouters_insurance() {
    let (mock, gateway) = stage("openai").await;
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 0, "cost": 0, "is_byok": false});
    mock.set_script(Script::always(says(&chat(&usage))));
    costs(&gateway, post(CHAT, &names(&["openrouter:a/b"])), Some(0), false, "chat").await;
    assert!(!gateway.written().contains("reports a cost of 0"));
    // Embeddings have no words at all: there a zero is as odd as ever.
    let embedded = json!({"object": "list", "data": [{"index": 0, "embedding": [0.1], "object": "embedding"}], "model": "m",
        "usage": {"prompt_tokens": 1000, "total_tokens": 1000, "cost": 0}});
    mock.set_script(Script::always(says(&embedded.to_string())));
    let ask = json!({"model": "openrouter:a/b", "input": "x"});
    costs(&gateway, post("/v1/embeddings", &ask), Some(2000), false, "embeddings").await;
    gateway.says("reports a cost of 0").await;
}
