//! `owasp-crs-request`: refuses requests that look like attacks, by the OWASP core rule set.

use super::owasp_crs::{EXCLUDED, ON_ERROR, build_request};
use crate::action::ActionType;
use tollgate_policy::{ActionSpec, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType { spec: &SPEC, build: build_request };

static SPEC: ActionSpec = ActionSpec {
    name: "owasp-crs-request",
    result_name: "owasp_crs_request",
    summary: "Refuses requests that look like attacks, by the [OWASP core rule set](https://coreruleset.org) at paranoia \
              level 1: status 403 and `ERR_NGROK_3700` from an anomaly score of 5 on. Only in a build with the feature \
              `waf`; [the page about it](../waf.md) says how to get one, what it finds, and what it costs. Prompts often \
              look like attacks: read it before using this on paths of models.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: &[
        ResultVar::new("decision", Holds::Text, "`allow` or `deny`; also when nothing is enforced."),
        ResultVar::new("anomaly_score", Holds::Int, "The points of all rules that matched."),
        ResultVar::new("anomaly_score_threshold", Holds::Int, "From how many points on it refuses."),
        ResultVar::new("matched_rules", Holds::List, "The rules that gave points."),
        ResultVar::new("matched_rules[].id", Holds::Int, "The number of the rule in the core rule set."),
        ResultVar::new("matched_rules[].message", Holds::Text, "What the rule looks for."),
        ResultVar::new("matched_rules[].severity", Holds::Text, "How bad that is."),
        ResultVar::new("matched_rules[].data", Holds::Text, "What it found, and where."),
        ResultVar::ERROR_CODE,
        ResultVar::ERROR_MESSAGE,
    ],
    differences: &[
        "The engine is libmodsecurity, not Coraza, and only in a build with the feature `waf`.",
        "`on_error: continue` also lets requests pass that would be refused: the examples use it as a test mode.",
    ],
    fields: &[
        ON_ERROR,
        Field::optional(
            "process_body",
            Shape::Bool,
            "Whether rules see the first 4 KiB of the body. One in a coding such as `gzip` cannot be read: \
             `ERR_NGROK_3701`.",
        )
        .or("false"),
        EXCLUDED,
    ],
    check: None,
    example: "- type: owasp-crs-request\n  config:\n    on_error: halt\n    process_body: true\n    exclude_rule_ids: [920350]\n",
};
