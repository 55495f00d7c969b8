//! Actions to test with: made up, except that their names are known.

use crate::{
    ActionSpec, CelScope, Checker, Config, Field, KeyRule, Loaded, Phase, Shape, Source, Terminating, load,
};
use std::time::Duration;

pub(crate) static DENY: ActionSpec = ActionSpec {
    name: "deny",
    result_name: "deny",
    summary: "Refuses the request.",
    phases: &[Phase::HttpRequest, Phase::TcpConnect],
    terminating: Terminating::Always,
    results: &[],
    differences: &[],
    fields: &[
        Field::optional("status_code", Shape::StatusCode { min: 200, max: 599 }, "The status.").or("403")
    ],
    check: None,
    example: "- type: deny\n  config:\n    status_code: 404\n",
};

pub(crate) static GATEWAY: ActionSpec = ActionSpec {
    name: "ai-gateway",
    result_name: "ai_gateway",
    summary: "Asks a model.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::OnSuccess,
    results: &[],
    differences: &[],
    fields: &[
        Field::optional("only_allow_configured_models", Shape::Bool, "No others.").or("false"),
        Field::optional("max_input_tokens", Shape::Int { min: 1, max: 500_000 }, "Limit."),
        Field::optional(
            "per_request_timeout",
            Shape::Duration { min: Duration::from_secs(1), max: Duration::from_secs(600) },
            "One attempt.",
        )
        .or("3m"),
        Field::optional("on_error", Shape::Enum(&["halt", "continue"]), "What then.").or("halt"),
        Field::optional("headers", Shape::HEADERS, "Sent upstream.").or("{}"),
        Field::optional("body", Shape::Json, "Merged into the body."),
        Field::optional("max_body", Shape::Size { min: 1, max: 1 << 30 }, "Buffered at most.").ours(),
        Field::optional(
            "model_selection",
            Shape::Object(&[Field::required(
                "strategy",
                Shape::List { item: &Shape::Cel(CelScope::ModelStrategy), min: 1, max: 20 },
                "Tiers.",
            )]),
            "Which models.",
        ),
        Field::optional(
            "providers",
            Shape::List {
                item: &Shape::Object(&[
                    Field::required("id", Shape::Text, "Its name."),
                    Field::optional("weight", Shape::Float { min: 0.0, max: 1.0 }, "Share."),
                    Field::optional(
                        "strip",
                        Shape::List { item: &Shape::HeaderName, min: 0, max: 3 },
                        "Headers.",
                    ),
                ]),
                min: 0,
                max: 100,
            },
            "Which providers.",
        ),
    ],
    check: None,
    example: "- type: ai-gateway\n",
};

pub(crate) static LIMIT: ActionSpec = ActionSpec {
    name: "rate-limit",
    result_name: "rate_limit",
    summary: "Limits the rate.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: &[],
    differences: &[],
    fields: &[
        Field::required("name", Shape::Text, "A label."),
        Field::required("capacity", Shape::Int { min: 1, max: 2_000_000_000 }, "How many."),
        Field::required(
            "bucket_key",
            Shape::List { item: &Shape::Cel(CelScope::Phase), min: 1, max: 10 },
            "Who.",
        ),
    ],
    check: Some(no_thirteen),
    example: "- type: rate-limit\n  config:\n    name: a\n    capacity: 2\n    bucket_key: [conn.client_ip]\n",
};

pub(crate) static SET_VARS: ActionSpec = ActionSpec {
    name: "set-vars",
    result_name: "set_vars",
    summary: "Sets variables.",
    phases: &[Phase::HttpRequest, Phase::HttpResponse],
    terminating: Terminating::Never,
    results: &[],
    differences: &[],
    fields: &[Field::required(
        "vars",
        Shape::OneOf(&[
            Shape::List {
                item: &Shape::Map { value: &Shape::Json, min: 1, max: 1, keys: KeyRule::Identifier },
                min: 1,
                max: usize::MAX,
            },
            Shape::Map { value: &Shape::Json, min: 1, max: usize::MAX, keys: KeyRule::Identifier },
        ]),
        "The variables.",
    )],
    check: None,
    example: "- type: set-vars\n  config:\n    vars:\n      - a: 1\n",
};

pub(crate) static COMPRESS: ActionSpec = ActionSpec {
    name: "compress-response",
    result_name: "compress",
    summary: "Compresses.",
    phases: &[Phase::HttpResponse],
    terminating: Terminating::Never,
    results: &[],
    differences: &[],
    fields: &[],
    check: None,
    example: "- type: compress-response\n",
};

pub(crate) static ACTIONS: &[&ActionSpec] = &[&DENY, &GATEWAY, &LIMIT, &SET_VARS, &COMPRESS];

fn no_thirteen(config: &Config<'_>, checker: &mut Checker) {
    if let Some(capacity) = config.get("capacity").filter(|c| c.as_u64() == Some(13)) {
        checker.error(capacity, "ERR_NGROK_2204", "13 is unlucky".into(), None);
    }
}

pub(crate) fn source(text: &str) -> Source {
    Source::new("policy.yml", text)
}

pub(crate) fn loaded(text: &str) -> Loaded {
    load(&source(text), ACTIONS)
}

/// The findings as `LINE:COLUMN code`, for tests that do not care for wording.
pub(crate) fn positions(text: &str) -> Vec<String> {
    let found = loaded(text).diagnostics;
    found
        .iter()
        .map(|d| format!("{}:{} {}", d.at.line, d.at.column, d.code.trim_start_matches("ERR_NGROK_")))
        .collect()
}

/// The findings as people see them.
pub(crate) fn rendered(text: &str) -> String {
    loaded(text).diagnostics.render_text(&source(text))
}
