//! The declaration of `actions.ngrok.ai_gateway.*`.

use tollgate_policy::{Holds, ResultVar};

/// What `ai-gateway` leaves behind; [`super::report`] makes it.
pub(crate) const RESULTS: &[ResultVar] = &[
    ResultVar::new("status", Holds::Text, "`success` or `error`."),
    ResultVar::new("error.code", Holds::Text, "Why no model answered, as `ERR_NGROK_…`.").or_absent(),
    ResultVar::new("error.message", Holds::Text, "The same for people.").or_absent(),
    ResultVar::new("client", Holds::Map, "What the client sent."),
    ResultVar::new("client.method", Holds::Text, "The method."),
    ResultVar::new("client.path", Holds::Text, "The path."),
    ResultVar::new(
        "client.request_headers",
        Holds::Map,
        "The headers; a list of values each, credentials trimmed.",
    ),
    ResultVar::new("client.user_agent", Holds::Text, "What the client calls itself."),
    ResultVar::new("client.model", Holds::Text, "The `model` of the body."),
    ResultVar::new("client.models", Holds::List, "The `models` of the body."),
    ResultVar::new("client.api_key_hash", Holds::Text, "The client's key, trimmed."),
    ResultVar::new("client.rejected_models", Holds::List, "Names that no model can be made of."),
    ResultVar::new("client.rejected_models[].model", Holds::Text, "The name."),
    ResultVar::new("client.rejected_models[].reason", Holds::Text, "Why."),
    ResultVar::new(
        "client.names",
        Holds::List,
        "What became of the names, when aliases or parameters changed one.",
    )
    .or_absent()
    .ours(),
    ResultVar::new("input_ngrok_tokens", Holds::Int, "Tokens of the prompt, as the gateway estimates them."),
    ResultVar::new("output_ngrok_tokens", Holds::Int, "Tokens of the answer."),
    ResultVar::new(
        "cost_usd",
        Holds::Any,
        "What the request cost, in dollars, as text; null when that is not known.",
    )
    .or_absent()
    .ours(),
    ResultVar::new("cost_micro_usd", Holds::Int, "The same in millionths of a dollar.").or_absent().ours(),
    ResultVar::new("gateway_latency_ms", Holds::Int, "Time spent in the gateway itself, in milliseconds."),
    ResultVar::new("model_selection", Holds::List, "What each strategy made."),
    ResultVar::new("model_selection[].strategy", Holds::Text, "The strategy."),
    ResultVar::new("model_selection[].error", Holds::Text, "Why it failed; else empty."),
    ResultVar::new("model_selection[].candidates_returned", Holds::List, "Models it gave."),
    ResultVar::new(
        "model_selection[].candidates_after_allowed_filter",
        Holds::List,
        "Of these, allowed ones.",
    ),
    ResultVar::new(
        "model_selection[].candidates_after_client_filter",
        Holds::List,
        "Of these, ones the client asked for.",
    ),
    ResultVar::new(
        "model_selection[].models_to_try",
        Holds::List,
        "The models, in the order they are tried.",
    ),
    ResultVar::new(
        "resting",
        Holds::List,
        "Models that come last because they, their provider or its keys are in trouble.",
    )
    .ours(),
    ResultVar::new("resting[].model", Holds::Text, "What the provider calls it.").ours(),
    ResultVar::new("resting[].provider", Holds::Text, "The provider.").ours(),
    ResultVar::new("resting[].reason", Holds::Text, "What is the matter, and for how long.").ours(),
    ResultVar::new("models_tried", Holds::List, "Every model that was tried, in order."),
    ResultVar::new("models_tried[].model", Holds::Text, "What the provider calls it."),
    ResultVar::new("models_tried[].provider", Holds::Text, "The provider."),
    ResultVar::new("models_tried[].author", Holds::Text, "Who made it.").or_absent(),
    ResultVar::new("models_tried[].skipped", Holds::Text, "Why it was passed over.").or_absent().ours(),
    ResultVar::new(
        "models_tried[].api_key_selection",
        Holds::List,
        "What each strategy for keys made: `strategy`, `error`, `keys_to_try`.",
    ),
    ResultVar::new("models_tried[].requests_made", Holds::List, "Every request for it, in order."),
    ResultVar::new("models_tried[].requests_made[].status", Holds::Text, "`success` or `error`."),
    ResultVar::new("models_tried[].requests_made[].error", Holds::Text, "Why it failed; else empty."),
    ResultVar::new(
        "models_tried[].requests_made[].upstream_input_tokens",
        Holds::Int,
        "Tokens of the prompt, as the provider counts them.",
    ),
    ResultVar::new(
        "models_tried[].requests_made[].upstream_output_tokens",
        Holds::Int,
        "Tokens of the answer, as the provider counts them.",
    ),
    ResultVar::new(
        "models_tried[].requests_made[].cost_usd",
        Holds::Any,
        "What it cost, in dollars, as text.",
    )
    .or_absent()
    .ours(),
    ResultVar::new(
        "models_tried[].requests_made[].cost_micro_usd",
        Holds::Int,
        "The same in millionths of a dollar.",
    )
    .or_absent()
    .ours(),
    ResultVar::new("models_tried[].requests_made[].cost_source", Holds::Text, "`reported` or `computed`.")
        .or_absent()
        .ours(),
    ResultVar::new(
        "models_tried[].requests_made[].cost_parts_micro_usd",
        Holds::Map,
        "The parts of the cost.",
    )
    .or_absent()
    .ours(),
    ResultVar::new(
        "models_tried[].requests_made[].upstream_cost_usd",
        Holds::Any,
        "What the provider behind the provider charged.",
    )
    .or_absent()
    .ours(),
    ResultVar::new(
        "models_tried[].requests_made[].dropped_params",
        Holds::List,
        "Fields that were not carried over.",
    )
    .ours(),
    ResultVar::new("models_tried[].requests_made[].request.url", Holds::Text, "The URL."),
    ResultVar::new("models_tried[].requests_made[].request.api_key", Holds::Text, "The key, trimmed."),
    ResultVar::new(
        "models_tried[].requests_made[].response.status_code",
        Holds::Int,
        "The status; 0 without an answer.",
    ),
    ResultVar::new(
        "models_tried[].requests_made[].response.headers",
        Holds::Map,
        "The headers; a list of values each.",
    ),
    ResultVar::new(
        "models_tried[].requests_made[].response.body_on_error",
        Holds::Text,
        "The first KiB of the body of an error.",
    ),
    ResultVar::new(
        "models_tried[].requests_made[].upstream_latency.time_to_first_byte_ms",
        Holds::Int,
        "Until the head of the answer, in milliseconds.",
    ),
    ResultVar::new(
        "models_tried[].requests_made[].upstream_latency.total_ms",
        Holds::Int,
        "Until its end, in milliseconds.",
    ),
    ResultVar::new("success", Holds::Map, "Which model answered; missing when none did.").or_absent(),
    ResultVar::new("success.model_index", Holds::Int, "Its place in `models_tried`."),
    ResultVar::new("success.request_index", Holds::Int, "The place of the request in its `requests_made`."),
    ResultVar::new("success.model", Holds::Text, "What the provider calls the model."),
    ResultVar::new("success.provider", Holds::Text, "The provider."),
    ResultVar::new("success.author", Holds::Text, "Who made the model.").or_absent(),
];
