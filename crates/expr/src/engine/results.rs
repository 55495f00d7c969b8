//! Names below `actions.ngrok` and `ai`.

use crate::value::EntityKind;

/// The results an action may leave. Most are the action's type in snake case; `compress-response` leaves
/// `compress`, `openid-connect` leaves `oidc`.
pub(crate) static ACTIONS: &[&str] = &[
    "add_headers",
    "ai_gateway",
    "basic_auth",
    "circuit_breaker",
    "close_connection",
    "compress",
    "concurrency_limit",
    "custom_response",
    "deny",
    "forward_internal",
    "http_request",
    "jwt_validation",
    "log",
    "oauth",
    "oidc",
    "owasp_crs_request",
    "owasp_crs_response",
    "rate_limit",
    "redirect",
    "remove_headers",
    "request_body_find_replace",
    "response_body_find_replace",
    "restrict_ips",
    "saml",
    "set_vars",
    "sse_find_replace",
    "terminate_tls",
    "url_rewrite",
    "verify_webhook",
];

/// The fields of what `ai.models` and its like hold. What is below them is free.
pub(crate) fn entity_fields(kind: EntityKind) -> &'static [&'static str] {
    match kind {
        EntityKind::Model => &[
            "id",
            "id_aliases",
            "provider_id",
            "provider_id_aliases",
            "author_id",
            "author_id_aliases",
            "display_name",
            "description",
            "known",
            "custom",
            "deprecated",
            "metadata",
            "input_modalities",
            "output_modalities",
            "supported_features",
            "max_context_window",
            "max_output_tokens",
            "parameter_count",
            "quantization",
            "data_training_policy",
            "data_retention_policy",
            "data_retention_days",
            "pricing",
            "datacenters",
            "metrics",
            "health",
        ],
        EntityKind::Provider => {
            &["id", "id_aliases", "display_name", "description", "website", "metadata", "custom", "models"]
        }
        EntityKind::Author => &["id", "id_aliases", "display_name"],
        EntityKind::Key => &["id", "value", "quota", "error_rate", "health"],
    }
}
