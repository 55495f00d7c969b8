//! What only OpenRouter has: prices in its list of models, keys, credits, and errors that say what to do.
//! openrouter.ai/docs/api-reference

use super::draft::{Draft, rfc3339, unix_now};
use serde_json::{Value, json};

/// An entry of `GET …/models`. Prices are dollars a token, as texts.
pub(crate) fn model(id: &str) -> Value {
    let free = id.ends_with(":free");
    let pricing = if free {
        json!({"prompt": "0", "completion": "0", "request": "0", "image": "0"})
    } else if id.starts_with("openrouter/") {
        // Which model runs, and so what it costs, is not known before.
        json!({"prompt": "-1", "completion": "-1"})
    } else if id.contains("gemini") {
        json!({
            "prompt": "0.00000125", "completion": "0.00001", "input_cache_read": "0.000000125",
            "request": "0", "image": "0.00516", "web_search": "0", "internal_reasoning": "0",
            "overrides": [
                {"min_prompt_tokens": 200_000, "prompt": "0.0000025", "completion": "0.000015"},
                {"utc_start": "1630", "utc_end": "0030", "prompt": "0.0000006"},
            ],
        })
    } else {
        json!({
            "prompt": "0.0000005", "completion": "0.0000005", "request": "0", "image": "0",
            "input_cache_read": "0.00000005",
        })
    };
    let created = 1_741_818_122;
    json!({
        "id": id,
        "canonical_slug": id.trim_end_matches(":free"),
        "name": id,
        "created": created,
        "description": "",
        "context_length": 131_072,
        "architecture": {
            "modality": "text+image->text",
            "input_modalities": ["text", "image"],
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "instruct_type": null,
        },
        "pricing": pricing,
        "top_provider": {"context_length": 131_072, "max_completion_tokens": 8192, "is_moderated": false},
        "per_request_limits": null,
        "supported_parameters":
            ["max_tokens", "temperature", "tools", "tool_choice", "reasoning", "structured_outputs"],
        "default_parameters": {},
        "expiration_date": null,
    })
}

/// `GET …/key`
pub(crate) fn key(key: &str) -> Value {
    let end: String = key.chars().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect();
    json!({"data": {
        "label": format!("sk-or-v1-...{end}"),
        "limit": 100,
        "limit_remaining": 74.5,
        "limit_reset": "monthly",
        "include_byok_in_limit": false,
        "usage": 25.5,
        "usage_daily": 1.5,
        "usage_weekly": 10,
        "usage_monthly": 25.5,
        "byok_usage": 0,
        "is_free_tier": false,
        "is_provisioning_key": false,
        "is_management_key": false,
        "free_model_daily_requests": {"used": 3, "limit": 1000, "remaining": 997},
        "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated"},
    }})
}

/// `GET …/credits`
pub(crate) fn credits() -> Value {
    json!({"data": {"total_credits": 100.5, "total_usage": 25.75}})
}

/// The record of an answer, as `GET …/generation` gives it ("Get request & usage metadata for a generation").
pub(crate) fn generation(streamed: bool, draft: &Draft) -> Value {
    let cost = draft.cost();
    json!({
        "id": draft.generation_id,
        "upstream_id": null,
        "total_cost": cost,
        "usage": cost,
        "cache_discount": null,
        "upstream_inference_cost": 0,
        "created_at": rfc3339(draft.created),
        "model": draft.model,
        "app_id": null,
        "streamed": streamed,
        "cancelled": false,
        "provider_name": "Mock",
        "latency": 12,
        "moderation_latency": null,
        "generation_time": 34,
        "finish_reason": "stop",
        "native_finish_reason": "stop",
        "tokens_prompt": draft.usage.input,
        "tokens_completion": draft.usage.output,
        "native_tokens_prompt": draft.usage.input,
        "native_tokens_completion": draft.usage.output,
        "native_tokens_reasoning": draft.usage.reasoning,
        "native_tokens_cached": draft.usage.cached,
        "num_media_prompt": null,
        "num_media_completion": null,
        "num_search_results": null,
        "origin": "",
        "is_byok": false,
        "router": null,
        "api_type": "completions",
    })
}

/// An error of a kind: its status, text, metadata and headers.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) status: u16,
    pub(crate) message: &'static str,
    pub(crate) metadata: Value,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// The errors of one status that want different things of the caller.
pub(crate) fn kind(name: &str) -> Option<Kind> {
    let plain = |status, message, metadata| Kind { status, message, metadata, headers: Vec::new() };
    Some(match name {
        "openrouter_credits" => plain(
            402,
            "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
            json!({"limit_source": name, "error_type": "payment_required"}),
        ),
        "openrouter_key_limit" => plain(
            402,
            "This request requires more credits than the key's limit allows.",
            json!({"limit_source": name, "error_type": "payment_required"}),
        ),
        "openrouter_in_flight_budget" => Kind {
            status: 402,
            message: "Requests in flight use up the budget. Try again when they are done.",
            metadata: json!({"limit_source": name, "error_type": "payment_required"}),
            headers: vec![("retry-after", "2".into())],
        },
        "weight_exceeds_budget" => plain(
            402,
            "This request alone exceeds the budget.",
            json!({
                "limit_source": "openrouter_in_flight_budget", "reason": name, "error_type": "payment_required",
            }),
        ),
        "openrouter_free_tier_daily" => daily(name),
        "openrouter_free_tier_minute" => Kind {
            status: 429,
            message: "Rate limit exceeded: free-models-per-min.",
            metadata: json!({"limit_source": name, "error_type": "rate_limit_exceeded",
                "retry_after_seconds": 20}),
            headers: vec![("retry-after", "20".into())],
        },
        "upstream_provider_shared_pool" => plain(
            429,
            "Provider returned error",
            json!({
                "raw": "temporarily rate-limited upstream. Please retry shortly.",
                "provider_name": "Mock",
                "limit_source": name,
                "error_type": "rate_limit_exceeded",
                "retry_after_seconds": 5,
            }),
        ),
        _ => return None,
    })
}

/// The day's free requests are used up; the counter starts again at midnight UTC. Times are in milliseconds.
fn daily(name: &str) -> Kind {
    const DAY: u64 = 86_400;
    let reset = ((unix_now() / DAY + 1) * DAY * 1000).to_string();
    let headers =
        json!({"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset});
    Kind {
        status: 429,
        message: "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
        metadata: json!({"limit_source": name, "error_type": "rate_limit_exceeded", "headers": headers}),
        headers: vec![
            ("x-ratelimit-limit", "50".into()),
            ("x-ratelimit-remaining", "0".into()),
            ("x-ratelimit-reset", reset),
        ],
    }
}
