//! Names that OpenTelemetry's semantic conventions give to things, where they differ from ours.
//!
//! Source: opentelemetry.io/docs/specs/semconv, pages "Generative AI" and "HTTP".

/// `gen_ai.provider.name` of a provider; one that the conventions do not know keeps its id.
pub(super) fn provider(id: &str) -> &str {
    match id {
        "azure" => "azure.ai.openai",
        "bedrock" => "aws.bedrock",
        "google" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "moonshotai" => "moonshot_ai",
        "vertex" => "gcp.vertex_ai",
        "xai" => "x_ai",
        other => other,
    }
}

/// `gen_ai.operation.name` of a surface.
pub(super) fn operation(surface: &str) -> &'static str {
    match surface {
        "completions" => "text_completion",
        "embeddings" => "embeddings",
        "generate-content" => "generate_content",
        // The conventions have no word for it.
        "count-tokens" => "count_tokens",
        _ => "chat",
    }
}

/// `http.route` of a surface: the path behind whatever a client has before it. `None` where there is no fixed one.
pub(super) fn route(surface: &str) -> Option<&'static str> {
    Some(match surface {
        "chat-completions" => "/v1/chat/completions",
        "messages" => "/v1/messages",
        "count-tokens" => "/v1/messages/count_tokens",
        "responses" => "/v1/responses",
        "completions" => "/v1/completions",
        "embeddings" => "/v1/embeddings",
        "generate-content" => "/v1beta/models/{model}",
        "models" => "/v1/models",
        _ => return None,
    })
}

/// `http.request.method`; a method of nobody's is `_OTHER`, so that clients cannot make names up.
pub(super) fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 10] =
        ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_cannot_make_names_up() {
        assert_eq!((method("POST"), method("post"), method("EVIL")), ("POST", "_OTHER", "_OTHER"));
        assert_eq!((route("plain"), operation("plain")), (None, "chat"));
        assert_eq!((provider("bedrock"), provider("my-own")), ("aws.bedrock", "my-own"));
    }
}
