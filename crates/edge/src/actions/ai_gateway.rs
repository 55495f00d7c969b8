//! `ai-gateway`: sends an AI request to the first provider and model that answers. The fields are here; the work
//! is in [`crate::gateway`].

use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::Fault;
use crate::gateway::{Gateway, config};
use async_trait::async_trait;
use std::time::Duration;
use tollgate_catalog::{CacheControl, ReasoningParam, StreamUsage};
use tollgate_policy::{ActionSpec, CelScope, Field, KeyRule, Phase, Shape, Terminating};

pub(super) static ACTION: ActionType =
    ActionType { spec: &SPEC, build: |config, cx| Ok(Box::new(AiGateway(config::build(config, cx)?))) };

static SPEC: ActionSpec = ActionSpec {
    name: "ai-gateway",
    result_name: "ai_gateway",
    summary: "Sends an AI request to the first provider, model and key that answers, and streams the answer.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::OnSuccess,
    results: crate::gateway::RESULTS,
    differences: &[
        "Keys of providers and strategies for them are part of the policy; ngrok's own service refuses them for its built-in providers (`ERR_NGROK_2267`).",
        "Any number of `ai-gateway` actions may be in a policy (`ERR_NGROK_2266` does not exist).",
        "`per_request_timeout` is 3m and `total_timeout` 6m by default, where ngrok has 30s and 5m: models that think take longer.",
    ],
    fields: FIELDS,
    check: Some(config::check),
    example: "- type: ai-gateway\n  config:\n    providers:\n      - id: openrouter\n        api_keys:\n          \
              - value: ${secrets.get('openrouter', 'api-key')}\n",
};

const TOKENS: Shape = Shape::Int { min: 1, max: 500_000 };
const POSITIVE: Shape =
    Shape::Duration { min: Duration::from_millis(1), max: Duration::from_secs(24 * 3600) };
const TEXTS: Shape = Shape::List { item: &Shape::Text, min: 0, max: 1000 };
const METADATA: Shape = Shape::Map { value: &Shape::Data, min: 0, max: 1000, keys: KeyRule::Any };

/// `supported_params`, `unsupported_params`: strings, or `{name: …}`.
const PARAMS: Shape = Shape::List {
    item: &Shape::OneOf(&[
        Shape::Text,
        Shape::Object(&[Field::required("name", Shape::Text, "A top-level body key.")]),
    ]),
    min: 0,
    max: 100,
};

const FIELDS: &[Field] = &[
    Field::optional("max_input_tokens", TOKENS, "Requests estimated to be longer are not sent to a model (`ERR_NGROK_3811`)."),
    Field::optional("max_output_tokens", TOKENS, "Cap on the answer: a larger value of the client is lowered, a missing one is set."),
    Field::optional("headers", Shape::Map { value: &Shape::Template, min: 0, max: 100, keys: KeyRule::HeaderName },
        "Headers set on every request to a provider, after authentication. They go to every provider that is tried."),
    Field::optional("query_params", Shape::Map { value: &Shape::Template, min: 0, max: 100, keys: KeyRule::Any },
        "Query parameters added to every request to a provider."),
    Field::optional("body", Shape::Map { value: &Shape::Json, min: 0, max: 1000, keys: KeyRule::Any },
        "JSON merged into the request's body; wins over what the client sent."),
    Field::optional("on_error", Shape::Enum(&["halt", "continue"]), "What happens when no model answers: the error is the answer, or the next action runs.").or("halt"),
    Field::optional("total_timeout", POSITIVE, "Time for all attempts together. A stream that has begun is not cut.").or("6m"),
    Field::optional("per_request_timeout", POSITIVE, "Time for one attempt: until the first content of a stream, or the whole of a plain answer.").or("3m"),
    Field::optional("connect_timeout", POSITIVE, "Time for name, connection and TLS of one attempt.").or("10s").ours(),
    Field::optional("stream_idle_timeout", POSITIVE, "Longest silence inside a stream; comments count as life. Default: `per_request_timeout`.").ours(),
    Field::optional("max_attempts", Shape::Int { min: 1, max: 1000 }, "Attempts before giving up (`ERR_NGROK_3812`).").or("25").ours(),
    Field::optional("stop_on_client_error", Shape::List { item: &Shape::StatusCode { min: 400, max: 499 }, min: 0, max: 100 },
        "Statuses of a provider that end the request instead of moving on.").ours(),
    Field::optional("error_passthrough", Shape::Enum(&["auto", "last", "aggregate"]),
        "What a client sees when every attempt failed. `auto`: the provider's own error if there was one attempt, else a summary; \
         `last`: the last provider's error; `aggregate`: always the summary.").or("auto").ours(),
    Field::optional("health", Shape::Object(HEALTH),
        "When a provider, a model or a key counts as unhealthy. What is unhealthy is tried last, not left out.").ours(),
    Field::optional("hedge", Shape::Object(HEDGE),
        "A second attempt beside one whose first content is late: whoever answers first counts, the other is cancelled. Without \
         `hedge` there is none; `hedge: {}` takes the defaults.").ours(),
    Field::optional("translation", Shape::Enum(&["auto", "never"]),
        "Whether a request may go to a provider that does not speak the client's API: it is translated there and back, and what \
         that cannot carry is named in `x-tollgate-dropped`. A provider that speaks the client's API gets the client's own bytes in \
         any case.").or("auto").ours(),
    Field::optional("bound_state", Shape::Enum(&["keep", "strip"]),
        "Signed or encrypted thoughts, ids of stored answers: only their issuer can read them. `keep`: such a request goes to no \
         other provider. `strip`: it does, without them.").or("keep").ours(),
    Field::optional("providers", Shape::List { item: &Shape::Object(PROVIDER), min: 0, max: 100 },
        "Providers to configure. Empty: every built-in provider, each with the client's own key."),
    Field::optional("only_allow_configured_providers", Shape::Bool, "Only providers listed in `providers`.").or("false"),
    Field::optional("only_allow_configured_models", Shape::Bool, "Only models listed in `providers[].models`.").or("false"),
    Field::optional("provider_order", Shape::Enum(&["config", "alphabetical"]), "Order of providers that serve the same bare model name.").or("config").ours(),
    Field::optional("accept_author_slug", Shape::Bool, "Accept `author/model` for a catalogued model.").or("false").ours(),
    Field::optional("accept_provider_slash", Shape::Bool,
        "Accept `provider/model` for `provider:model`: the part before the first `/` counts only if it is a provider.").or("false").ours(),
    Field::optional("default_backend", Shape::Text,
        "Where names go that have no prefix and that nothing knows: a provider. Or models to fail over, `openai:gpt-4o|openrouter:openai/gpt-4o`: \
         their providers, and the models themselves when a request names none. Replaces `--default-backend`.").ours(),
    Field::optional("model_aliases", Shape::List { item: &Shape::Object(MODEL_ALIAS), min: 0, max: 200 },
        "Regular expressions that rewrite the names of clients: the first that matches from the start of a name counts, once, and its \
         replacement is the new name. Replaces the list of the configuration file.").ours(),
    Field::optional("uri_params", Shape::Object(URI_PARAMS), "Parameters behind a name: `openrouter:openai/gpt-4o?temperature=0.7`. They win over the request's body.").ours(),
    Field::optional("identity", Shape::Object(IDENTITY), "Who providers are told is behind a request.").ours(),
    Field::optional("model_selection", Shape::Object(MODEL_SELECTION), "Which models are candidates, and in which order."),
    Field::optional("api_key_selection", Shape::Object(KEY_SELECTION), "Which keys of a provider are tried, and in which order."),
];

const COOLDOWN: Shape =
    Shape::Duration { min: Duration::from_millis(100), max: Duration::from_secs(24 * 3600) };

const HEALTH: &[Field] = &[
    Field::optional(
        "enabled",
        Shape::Bool,
        "Whether outcomes are counted and unhealthy targets go last. `false`: always the order of client and strategies.",
    )
    .or("true")
    .ours(),
    Field::optional(
        "failure_threshold",
        Shape::Int { min: 1, max: 1000 },
        "Failures in a row that open a circuit breaker.",
    )
    .or("5")
    .ours(),
    Field::optional(
        "failure_share",
        Shape::Float { min: 0.01, max: 1.0 },
        "Share of failed attempts that opens it too, however they are mixed with good ones.",
    )
    .or("0.5")
    .ours(),
    Field::optional(
        "min_requests",
        Shape::Int { min: 1, max: 1_000_000 },
        "Attempts in a window below which the share says nothing.",
    )
    .or("20")
    .ours(),
    Field::optional("window", COOLDOWN, "Time over which the share is taken; it begins with a failure.").or("60s").ours(),
    Field::optional(
        "cooldown",
        COOLDOWN,
        "How long a target is left alone when the provider does not say; doubled each time the one request that then tries it fails.",
    )
    .or("10s")
    .ours(),
    Field::optional("max_cooldown", COOLDOWN, "Longest cooldown, also of those a provider asks for.").or("5m").ours(),
];

const HEDGE: &[Field] = &[
    Field::optional(
        "after",
        Shape::OneOf(&[Shape::Enum(&["p50", "p75", "p90", "p95", "p99"]), POSITIVE]),
        "When the first content is late: a percentile of the model's own times of the last five minutes (streams: first content; \
         plain answers: the whole), or a time.",
    )
    .or("p95")
    .ours(),
    Field::optional(
        "min_samples",
        Shape::Int { min: 1, max: 1_000_000 },
        "Answers in the last five minutes below which a percentile says nothing: then nothing is hedged.",
    )
    .or("30")
    .ours(),
    Field::optional(
        "max_share",
        Shape::Float { min: 0.000_001, max: 1.0 },
        "Hedges as a share of this action's requests. Quiet times save up ten hedges at most.",
    )
    .or("0.05")
    .ours(),
    Field::optional(
        "max_cost_per_minute",
        Shape::Float { min: 0.0, max: 1_000_000.0 },
        "US dollars that hedges may cost in a minute. Each is reckoned at its worst before it begins; a model whose price is not \
         known is not hedged with.",
    )
    .or("0.5")
    .ours(),
];

const MODEL_ALIAS: &[Field] = &[
    Field::required("pattern", Shape::Text, "A regular expression, matched from the start of a name; without look-around.")
        .ours(),
    Field::required(
        "replacement",
        Shape::Text,
        "The new name, with groups as `\\1` or `\\g<name>` and a backslash as `\\\\`; `a|b` fails over.",
    )
    .ours(),
    Field::optional(
        "match_query",
        Shape::Bool,
        "The pattern sees the parameters behind the name too; else they are put back afterwards, unless the replacement has its own.",
    )
    .or("false")
    .ours(),
];

const URI_PARAMS: &[Field] = &[
    Field::optional(
        "enabled",
        Shape::Bool,
        "Whether clients may write parameters behind a name. Those in aliases count in any case. Default: as in the configuration file, else true.",
    )
    .ours(),
    Field::optional(
        "on_invalid",
        Shape::Enum(&["ignore", "reject"]),
        "What happens to a parameter that is unknown or out of range: it is left out with a warning in the log, or the request is refused with 400. Default: as in the configuration file, else `ignore`.",
    )
    .ours(),
];

const IDENTITY: &[Field] = &[
    Field::optional("user_agent", Shape::Object(IDENTITY_RULE), "`User-Agent`.").ours(),
    Field::optional(
        "title",
        Shape::Object(IDENTITY_RULE),
        "The name of the application: `X-Title`, for OpenRouter also `X-OpenRouter-Title`.",
    )
    .ours(),
    Field::optional("url", Shape::Object(IDENTITY_RULE), "The address of the application: `HTTP-Referer`.")
        .ours(),
    Field::optional(
        "categories",
        Shape::Object(IDENTITY_RULE),
        "`X-OpenRouter-Categories`, for OpenRouter only.",
    )
    .ours(),
];

const IDENTITY_RULE: &[Field] = &[
    Field::optional(
        "mode",
        Shape::Enum(&["passthrough", "override", "default"]),
        "`passthrough`: what the client sends; `override`: always `override_value`; `default`: always `default_value`.",
    )
    .or("passthrough")
    .ours(),
    Field::optional("override_value", Shape::Text, "The value of `override`; without it `default_value`.").ours(),
    Field::optional("default_value", Shape::Text, "The value when there is no other; with none, nothing is sent.").ours(),
    Field::optional("passthrough_name", Shape::Text, "The client's header, where it is not the usual one.").ours(),
];

const PROVIDER: &[Field] = &[
    Field::required("id", Shape::Text, "A built-in provider, or a name of your own."),
    Field::optional("id_aliases", TEXTS, "Other names clients may use before the colon."),
    Field::optional("base_url", Shape::Text, "Where its API is; required for a provider of your own."),
    Field::optional(
        "path_prefix",
        Shape::Text,
        "Path between the base URL and the operation, where `/v1` does not fit.",
    )
    .ours(),
    Field::optional(
        "auth",
        Shape::Text,
        "How the key is sent: `bearer`, `x-api-key`, `api-key`, `header:NAME`, `query:NAME`, `aws-sigv4`, \
         `google-service-account` or `none`.",
    )
    .ours(),
    Field::optional(
        "settings",
        Shape::Map { value: &Shape::Text, min: 0, max: 20, keys: KeyRule::Identifier },
        "What completes a built-in address: `resource`, `api_version` and `host` of `azure`; `region` of `bedrock`, \
         and of any provider with `auth: aws-sigv4`; `project`, `location` and `host` of `vertex`.",
    )
    .ours(),
    Field::optional("display_name", Shape::Text, "Name for people."),
    Field::optional("description", Shape::Text, "What it is, for people."),
    Field::optional("website", Shape::Text, "Its web site, for people."),
    Field::optional("disabled", Shape::Bool, "Hides the provider and all its models.").or("false"),
    Field::optional("metadata", METADATA, "Data for strategies; its models inherit it. Never sent."),
    Field::optional(
        "api_keys",
        Shape::List { item: &Shape::Object(KEY), min: 0, max: 100 },
        "Keys, tried in order. With none, the client's own key is passed through.",
    ),
    Field::optional(
        "models",
        Shape::List { item: &Shape::Object(MODEL), min: 0, max: 2000 },
        "Models to add or annotate.",
    ),
    Field::optional(
        "supported_api_surfaces",
        Shape::List { item: &Shape::Object(SURFACE), min: 0, max: 20 },
        "The APIs it serves.",
    ),
    Field::optional(
        "translate_to",
        Shape::Enum(CONVERSATIONS),
        "The API a conversation is translated to when the provider does not serve the client's. It has to be one of \
         its own.",
    )
    .ours(),
    Field::optional(
        "surface_gaps",
        Shape::Object(GAPS),
        "Fields of requests that it ignores or refuses in one of its APIs although the API has them. A request with one \
         of them is translated to another of its APIs (`translate_to`) instead of passed through; where there is none, \
         they are named in `x-tollgate-dropped`. Each list replaces the built-in one; an empty one says there are none.",
    )
    .ours(),
    Field::optional(
        "extensions",
        PARAMS,
        "Top-level body keys it takes beyond its format; translated requests keep them. Replaces the built-in list.",
    )
    .ours(),
    Field::optional(
        "drop_params",
        PARAMS,
        "Top-level body keys removed before a request goes to it. Replaces the built-in list.",
    )
    .ours(),
    Field::optional(
        "body",
        Shape::Map { value: &Shape::Json, min: 0, max: 1000, keys: KeyRule::Any },
        "JSON merged into the body of requests to it, over the policy's own `body`: what only this provider understands.",
    )
    .ours(),
    Field::optional(
        "reasoning",
        Shape::Enum(ReasoningParam::WORDS),
        "The object `reasoning` in a chat completion: `keep` it, or make it `reasoning_effort` (`effort`). Default: \
         `keep` for OpenRouter, else `effort`.",
    )
    .ours(),
    Field::optional(
        "cache_control",
        Shape::Enum(CacheControl::WORDS),
        "`cache_control` in a chat completion: `keep` it, or remove it (`strip`). Default: `keep` for OpenRouter, \
         Anthropic and Bedrock, else `strip`.",
    )
    .ours(),
    Field::optional(
        "stream_usage",
        Shape::Enum(StreamUsage::WORDS),
        "Whether `stream_options.include_usage` may be added to a stream (`ask`) or not (`never`). Default: `ask`, \
         unless the provider is known to refuse it.",
    )
    .ours(),
];

/// The names of [`tollgate_dialect::Surface::CONVERSATIONS`]; a test compares them.
const CONVERSATIONS: &[&str] = &["chat-completions", "responses", "messages", "generate-content", "converse"];

/// One list for each of [`CONVERSATIONS`].
const GAPS: &[Field] = &[
    Field::optional("chat-completions", PATHS, "Of chat completions.").ours(),
    Field::optional("responses", PATHS, "Of OpenAI's responses.").ours(),
    Field::optional("messages", PATHS, "Of Anthropic's messages.").ours(),
    Field::optional("generate-content", PATHS, "Of Gemini's API.").ours(),
    Field::optional("converse", PATHS, "Of Bedrock's Converse.").ours(),
];

/// Strings, or `{name: …}`.
const PATHS: Shape = Shape::List {
    item: &Shape::OneOf(&[
        Shape::Text,
        Shape::Object(&[Field::required("name", Shape::Text, "A field, such as `tools[].function.strict`.")]),
    ]),
    min: 0,
    max: 100,
};

const KEY: &[Field] = &[Field::required("value", Shape::Template, "The key; use `${secrets.get(…)}`.")];

const SURFACE: &[Field] = &[
    Field::required("format", Shape::Enum(&["openai", "anthropic", "gemini", "bedrock"]), "The wire format."),
    Field::optional("surface", Shape::Enum(CONVERSATIONS), "The operation; all of the format when left out."),
    Field::optional(
        "supported_params",
        PARAMS,
        "When not empty, the only top-level body keys that are sent. Needs `surface`.",
    ),
];

const MODEL: &[Field] = &[
    Field::required("id", Shape::Text, "The id as the provider knows it."),
    Field::optional("id_aliases", TEXTS, "Other names clients may use; the id is what is sent."),
    Field::optional("author_id", Shape::Text, "Who made it."),
    Field::optional("display_name", Shape::Text, "Name for people."),
    Field::optional("description", Shape::Text, "What it is, for people."),
    Field::optional("disabled", Shape::Bool, "Hides the model.").or("false"),
    Field::optional("metadata", METADATA, "Data for strategies, over the provider's. Never sent."),
    Field::optional(
        "input_modalities",
        Shape::List { item: &Shape::Enum(&["text", "image", "audio", "video", "file"]), min: 0, max: 5 },
        "What it takes.",
    ),
    Field::optional(
        "output_modalities",
        Shape::List { item: &Shape::Enum(&["text", "image", "audio", "embedding"]), min: 0, max: 4 },
        "What it gives.",
    ),
    Field::optional("max_context_window", Shape::COUNT, "Tokens of prompt and answer together."),
    Field::optional("max_output_tokens", Shape::COUNT, "Tokens of an answer."),
    Field::optional("supported_features", TEXTS, "`tool-calling`, `vision`, `coding`, `reasoning`, …"),
    Field::optional(
        "unsupported_params",
        PARAMS,
        "Top-level body keys removed before a request goes to this model.",
    ),
    Field::optional(
        "thinking",
        Shape::Enum(&["usual", "effort", "object", "budget", "adaptive", "level", "none"]),
        "How a translated request tells it to think: a word (`effort`), OpenRouter's object, a number of tokens \
         (`budget`), Anthropic's `adaptive`, Gemini's `level`, or not at all (`none`).",
    )
    .ours(),
    Field::optional(
        "pricing",
        Shape::Object(PRICING),
        "Prices in US dollars, tokens per million. They go over the built-in ones, kind by kind.",
    )
    .ours(),
];

const PRICE: Shape = Shape::Float { min: 0.0, max: 1e9 };
/// For one call or picture.
const UNIT_PRICE: Shape = Shape::Float { min: 0.0, max: 1e6 };
/// `HHMM`.
const TIME: Shape = Shape::Int { min: 0, max: 2359 };

const fn price(name: &'static str, doc: &'static str) -> Field {
    Field::optional(name, PRICE, doc).ours()
}

const fn unit_price(name: &'static str, doc: &'static str) -> Field {
    Field::optional(name, UNIT_PRICE, doc).ours()
}

/// Every kind of price, and what else the mapping has.
macro_rules! prices {
    ($($more:expr)?) => {
        &[
            price("input", "A million prompt tokens."),
            price("output", "A million answer tokens."),
            price("input_cache_read", "A million prompt tokens read from the cache."),
            price("input_cache_write", "A million prompt tokens written to the cache."),
            price("input_cache_write_1h", "A million prompt tokens written to a cache that lasts an hour."),
            price("reasoning", "A million reasoning tokens, where that is not the price of the answer's."),
            price("input_batch", "A million prompt tokens of a batch."),
            price("output_batch", "A million answer tokens of a batch."),
            price("input_audio", "A million tokens of sound in the prompt."),
            price("output_audio", "A million tokens of sound in the answer."),
            price("input_image", "A million tokens of pictures in the prompt, where that is not the price of text."),
            price("output_image", "A million tokens of pictures in the answer, where that is not the price of text."),
            unit_price("image", "One picture in the prompt."),
            unit_price("request", "One request."),
            unit_price("web_search", "One search of the web."),
            unit_price("code_interpreter", "One execution of code."),
            unit_price("file_search_storage_gb", "A gigabyte of storage for file search."),
            unit_price("image_generation", "One generated picture."),
            $($more,)?
        ]
    };
}

const PRICING: &[Field] = prices!(
    Field::optional(
        "overrides",
        Shape::List { item: &Shape::Object(TIER), min: 0, max: 20 },
        "Other prices for some requests. Of those that hold, a later one wins, kind by kind.",
    )
    .ours()
);

const TIER: &[Field] = &[
    Field::optional("min_prompt_tokens", Shape::COUNT, "Holds for prompts of at least so many tokens.")
        .ours(),
    Field::optional("utc_start", TIME, "Holds from this time of day on, UTC, as HHMM.").ours(),
    Field::optional("utc_end", TIME, "Holds until this time of day, UTC, as HHMM; may be past midnight.")
        .ours(),
    Field::required("price", Shape::Object(prices!()), "The prices that differ.").ours(),
];

const MODEL_SELECTION: &[Field] = &[
    Field::optional(
        "strategy",
        Shape::OneOf(&[
            Shape::List {
                item: &Shape::OneOf(&[Shape::Cel(CelScope::ModelStrategy), Shape::Object(STRATEGY)]),
                min: 0,
                max: 50,
            },
            Shape::Cel(CelScope::ModelStrategy),
        ]),
        "Expressions that give models. Each is a tier: later ones are tried when the models of earlier ones have failed.",
    ),
    Field::optional(
        "fallthrough",
        Shape::Enum(&["tiers", "first_match"]),
        "`first_match`: only the first strategy that leaves any model counts.",
    )
    .or("tiers")
    .ours(),
    Field::optional(
        "order",
        Shape::Enum(&["client", "strategy"]),
        "Whose order counts when the client named models.",
    )
    .or("client")
    .ours(),
];

const STRATEGY: &[Field] = &[
    Field::required("expr", Shape::Cel(CelScope::ModelStrategy), "The expression.").ours(),
    Field::optional(
        "on_failure",
        Shape::Enum(&["next", "stop"]),
        "Whether later strategies are tried when its models have failed.",
    )
    .or("next")
    .ours(),
];

const KEY_SELECTION: &[Field] = &[Field::optional(
    "strategy",
    Shape::OneOf(&[
        Shape::List { item: &Shape::Cel(CelScope::KeyStrategy), min: 0, max: 50 },
        Shape::Cel(CelScope::KeyStrategy),
    ]),
    "Expressions over `ai.keys`, the keys of the provider at hand. The first that gives keys sets the order; the rest follow.",
)];

struct AiGateway(Gateway);

#[async_trait]
impl Action for AiGateway {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        self.0.run(cx).await
    }

    fn as_gateway(&self) -> Option<&Gateway> {
        Some(&self.0)
    }
}
