//! `ai-gateway`: sends an AI request to the first provider and model that answers. The fields are here; the work
//! is in [`crate::gateway`].

use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::Fault;
use crate::gateway::{Gateway, config};
use async_trait::async_trait;
use std::time::Duration;
use tollgate_policy::{ActionSpec, CelScope, Field, KeyRule, Phase, Shape, Terminating};

pub(super) static ACTION: ActionType =
    ActionType { spec: &SPEC, build: |config, cx| Ok(Box::new(AiGateway(config::build(config, cx)?))) };

static SPEC: ActionSpec = ActionSpec {
    name: "ai-gateway",
    result_name: "ai_gateway",
    summary: "Sends an AI request to the first provider, model and key that answers, and streams the answer.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::OnSuccess,
    fields: FIELDS,
    check: Some(config::check),
    example: "- type: ai-gateway\n  config:\n    providers:\n      - id: openrouter\n        api_keys:\n          \
              - value: ${secrets.get('openrouter', 'api-key')}\n",
};

const TOKENS: Shape = Shape::Int { min: 1, max: 500_000 };
const POSITIVE: Shape =
    Shape::Duration { min: Duration::from_millis(1), max: Duration::from_secs(24 * 3600) };
const TEXTS: Shape = Shape::List { item: &Shape::Text, min: 0, max: 1000 };
const METADATA: Shape = Shape::Map { value: &Shape::Json, min: 0, max: 1000, keys: KeyRule::Any };

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
        "Whether clients may write parameters behind a name. Those in aliases count in any case.",
    )
    .or("true")
    .ours(),
    Field::optional(
        "on_invalid",
        Shape::Enum(&["ignore", "reject"]),
        "What happens to a parameter that is unknown or out of range: it is left out with a warning in the log, or the request is refused with 400.",
    )
    .or("ignore")
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
        "How the key is sent: `bearer`, `x-api-key`, `api-key`, `header:NAME`, `query:NAME` or `none`.",
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
];

const KEY: &[Field] = &[Field::required("value", Shape::Template, "The key; use `${secrets.get(…)}`.")];

const SURFACE: &[Field] = &[
    Field::required("format", Shape::Enum(&["openai", "anthropic"]), "The wire format."),
    Field::optional(
        "surface",
        Shape::Enum(&["chat-completions", "responses", "messages"]),
        "The operation; all of the format when left out.",
    ),
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
    Field::optional("pricing", Shape::Object(PRICING), "Prices in US dollars, tokens per million.").ours(),
];

const PRICE: Shape = Shape::Float { min: 0.0, max: 1e9 };
const PRICING: &[Field] = &[
    Field::optional("input", PRICE, "A million prompt tokens.").ours(),
    Field::optional("output", PRICE, "A million answer tokens.").ours(),
    Field::optional("input_cache_read", PRICE, "A million prompt tokens read from the cache.").ours(),
    Field::optional("input_cache_write", PRICE, "A million prompt tokens written to the cache.").ours(),
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
