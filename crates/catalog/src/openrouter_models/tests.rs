use super::*;
use serde_json::json;
use std::time::{Duration, UNIX_EPOCH};
use tollgate_dialect::Usage;

fn one(entry: Json) -> Model {
    let list = json!({ "data": [entry], "total_count": 1 });
    parse(list.to_string().as_bytes()).expect("a list").models.remove(0)
}

fn priced(pricing: Json, outputs: Json) -> Pricing {
    one(json!({"id": "a/b", "pricing": pricing, "architecture": {"output_modalities": outputs}})).pricing
}

#[test]
fn an_entry_is_read() {
    let model = one(json!({
        "id": "anthropic/claude-sonnet-4.5",
        "canonical_slug": "anthropic/claude-4.5-sonnet-20250929",
        "hugging_face_id": "",
        "name": "Anthropic: Claude Sonnet 4.5",
        "created": 1_759_161_676,
        "description": "A model.",
        "context_length": 1_000_000,
        "architecture": {
            "modality": "text+image->text",
            "input_modalities": ["text", "image", "file", "smell"],
            "output_modalities": ["text"],
            "tokenizer": "Claude",
            "instruct_type": null
        },
        "pricing": {
            "prompt": "0.000003", "completion": "0.000015", "request": "0", "image": "0", "web_search": "0.01",
            "internal_reasoning": "0", "input_cache_read": "0.0000003", "input_cache_write": "0.00000375",
            "input_cache_write_1h": "0.000006"
        },
        "top_provider": {"context_length": 1_000_000, "max_completion_tokens": 64_000, "is_moderated": false},
        "per_request_limits": null,
        "supported_parameters": ["max_tokens", "reasoning", "response_format", "stop", "structured_outputs",
            "temperature", "tool_choice", "tools", "top_k", "top_p"],
        "expiration_date": "2027-01-31",
        "something_new": [1, 2, 3]
    }));
    assert_eq!((model.id.as_str(), model.author_id.as_str()), ("anthropic/claude-sonnet-4.5", "anthropic"));
    assert_eq!(model.aliases[0].name, "anthropic/claude-4.5-sonnet-20250929");
    assert_eq!((model.max_context_window, model.max_output_tokens), (1_000_000, 64_000));
    assert_eq!(model.input_modalities, ["text", "image", "file"]);
    assert_eq!(
        model.supported_features,
        ["tool-calling", "structured-output", "vision", "reasoning", "prompt-caching"]
    );
    assert_eq!((model.thinking, model.deprecated_at.as_deref()), (Thinking::Object, Some("2027-01-31")));
    assert!(model.unsupported_params.contains(&"logit_bias".to_owned()));
    for kept in ["temperature", "tools", "reasoning", "parallel_tool_calls", "max_completion_tokens"] {
        assert!(!model.unsupported_params.contains(&kept.to_owned()), "{kept}");
    }
    let pico = |price: Option<Price>| price.map(Price::pico);
    let p = &model.pricing;
    assert_eq!((pico(p.input), pico(p.output)), (Some(3_000_000), Some(15_000_000)));
    assert_eq!((pico(p.input_cache_read), pico(p.input_cache_write)), (Some(300_000), Some(3_750_000)));
    assert_eq!((pico(p.input_cache_write_1h), pico(p.web_search)), (Some(6_000_000), Some(10_000_000_000)));
    assert_eq!((p.request, p.image, p.reasoning), (None, None, None), "no such charge");
}

#[test]
fn a_bare_entry_says_nothing_more() {
    let model = one(json!({"id": "a/b", "name": null, "pricing": null, "supported_parameters": null}));
    assert_eq!(model.pricing, Pricing::default());
    assert_eq!(model.thinking, Thinking::Usual);
    assert!(model.unsupported_params.is_empty() && model.supported_features.is_empty());
    assert_eq!(one(json!({"id": "~anthropic/claude-sonnet-latest"})).author_id, "anthropic");
    assert!(one(json!({"id": "a/b:free", "canonical_slug": "a/b"})).aliases.is_empty());
    let plain = one(json!({"id": "a/b", "supported_parameters": ["temperature"]}));
    assert_eq!(plain.thinking, Thinking::None);
}

#[test]
fn free_unknown_and_zero_differ() {
    let zero = Some(Price::ZERO);
    for (pricing, outputs, input, output) in [
        (json!({"prompt": "0", "completion": "0"}), json!(["text"]), zero, zero),
        (json!({"prompt": "0", "completion": "0"}), json!(["video"]), None, None),
        (json!({"prompt": "0", "completion": "0"}), json!(["text", "image"]), None, None),
        (json!({"prompt": "0", "completion": "0"}), json!(["audio"]), None, None),
        (json!({"prompt": "-1", "completion": "-1"}), json!(["text"]), None, None),
        (
            json!({"prompt": "0.0000001", "completion": "0"}),
            json!(["embeddings"]),
            Some(Price::from_pico(100_000)),
            zero,
        ),
        (
            json!({"prompt": "0.0000001", "completion": "0"}),
            json!(["image"]),
            Some(Price::from_pico(100_000)),
            None,
        ),
        (
            json!({"prompt": "0.0000001", "completion": "-1"}),
            json!(["text"]),
            Some(Price::from_pico(100_000)),
            None,
        ),
        (json!({"prompt": "cheap", "completion": null}), json!(["text"]), None, None),
        (json!({}), json!(["text"]), None, None),
    ] {
        let read = priced(pricing.clone(), outputs.clone());
        assert_eq!((read.input, read.output), (input, output), "{pricing} {outputs}");
    }
    let free = priced(json!({"prompt": "0", "completion": "0"}), json!(["text"]));
    assert_eq!(free.input_cache_read, zero, "all of it is free");
    let exact = priced(json!({"prompt": "0.00000012345", "completion": 0.0000005}), json!(["text"]));
    assert_eq!(
        (exact.input, exact.output),
        (Some(Price::from_pico(123_450)), Some(Price::from_pico(500_000)))
    );
}

#[test]
fn overrides_by_size_and_time() {
    let pricing = priced(
        json!({
            "prompt": "0.000001", "completion": "0.000002",
            "overrides": [
                {"min_prompt_tokens": 200_000, "prompt": "0.000002", "completion": "0.000004"},
                {"utc_start": 1630, "utc_end": "0030", "prompt": "0.0000005", "audio": null}
            ]
        }),
        json!(["text"]),
    );
    for (tokens, hour, micros) in
        [(100_000, 12, 100_000), (200_000, 12, 400_000), (200_000, 17, 100_000), (100_000, 0, 50_000)]
    {
        let usage = Usage { input_tokens: tokens, ..Usage::default() };
        let cost = crate::cost::of(&pricing, &usage, UNIX_EPOCH + Duration::from_secs(hour * 3600));
        assert_eq!(cost.map(|cost| cost.micros), Some(micros), "{tokens} at {hour}");
    }
}

#[test]
fn a_condition_that_is_not_known_leaves_the_price_unknown() {
    for tier in [
        json!({"min_completion_tokens": 5, "prompt": "1"}),
        json!({"utc_start": "noon", "utc_end": 5, "prompt": "1"}),
        json!({"utc_start": 100, "prompt": "1"}),
        json!({"min_prompt_tokens": -5, "prompt": "1"}),
        json!("all day"),
    ] {
        let pricing = json!({"prompt": "0.1", "completion": "0.1", "overrides": [tier]});
        assert_eq!(priced(pricing.clone(), json!(["text"])), Pricing::default(), "{pricing}");
    }
}

#[test]
fn what_is_no_list() {
    for text in ["", "[]", "{}", r#"{"data": {}}"#, r#"{"data": [{"name": "no id"}]}"#] {
        assert!(matches!(parse(text.as_bytes()), Err(ListError::Format(_))), "{text}");
    }
    assert!(parse(br#"{"data": []}"#).is_ok_and(|list| list.models.is_empty()));
    let entries = vec![json!({"id": "a/b"}); MAX_MODELS + 1];
    let error = parse(json!({ "data": entries }).to_string().as_bytes());
    assert!(matches!(error, Err(ListError::TooMany(count)) if count == MAX_MODELS + 1));
}

#[test]
fn dates() {
    for (text, expected) in [
        ("2026-10-01", Some("2026-10-01")),
        ("2026-10-01T12:00:00Z", Some("2026-10-01")),
        ("soon", None),
        ("01/10/2026", None),
        ("", None),
    ] {
        assert_eq!(day(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn prices_of_authors_are_those_of_closed_models() {
    let entry = |change: Json| {
        let mut entry = json!({
            "id": "anthropic/claude-opus-4.5", "canonical_slug": "anthropic/claude-4.5-opus-20251124", "hugging_face_id": "",
            "architecture": {"output_modalities": ["text"]}, "pricing": {"prompt": "0.000005", "completion": "0.000025", "web_search": "0.01"},
        });
        for (name, value) in change.as_object().unwrap() {
            entry[name] = value.clone();
        }
        parse(json!({"data": [entry]}).to_string().as_bytes()).expect("a list").prices
    };
    let listed = entry(json!({}));
    let [price] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(
        (price.author.as_str(), price.names.as_slice()),
        ("anthropic", &["claude-opus-4.5", "claude-4.5-opus-20251124"].map(str::to_owned)[..])
    );
    assert_eq!(
        (price.pricing.input, price.pricing.output),
        (Price::per_million(5.0), Price::per_million(25.0))
    );
    assert_eq!(entry(json!({"hugging_face_id": null, "canonical_slug": null})).len(), 1);
    for change in [
        json!({"hugging_face_id": "acme/open"}),
        json!({"id": "anthropic/claude-opus-4.5:free"}),
        json!({"id": "~anthropic/claude-opus-latest"}),
        json!({"id": "openrouter-auto"}),
        json!({"pricing": {"prompt": "-1", "completion": "-1"}}),
        json!({"pricing": {"prompt": "0.000005", "completion": "0.000025", "discount": 0.25}}),
        json!({"pricing": null}),
        json!({"architecture": {"output_modalities": ["image", "text"]}}),
    ] {
        assert!(entry(change.clone()).is_empty(), "{change}");
    }
}
