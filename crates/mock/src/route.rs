//! Which provider and operation a path belongs to, and what else a path says.

use crate::script::{Flavour, Script, Surface};

/// What a path says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) surface: Surface,
    /// The model in the path, percent-decoded: of `GET …/models/{id}`, and of operations that have it there.
    pub(crate) model: Option<String>,
    /// Whether the path asks for a stream.
    pub(crate) stream: bool,
}

impl Route {
    fn new(surface: Surface) -> Self {
        Self { surface, model: None, stream: false }
    }

    fn of(surface: Surface, model: &str, stream: bool) -> Self {
        Self { surface, model: Some(decoded(model)), stream }
    }
}

/// Reads a path, whatever stands before the operation.
pub(crate) fn route(path: &str) -> Route {
    let path = path.trim_end_matches('/');
    if let Some((_, rest)) = path.split_once("/model/") {
        if let Some(model) = rest.strip_suffix("/converse") {
            return Route::of(Surface::Converse, model, false);
        }
        if let Some(model) = rest.strip_suffix("/converse-stream") {
            return Route::of(Surface::Converse, model, true);
        }
    }
    if let Some((_, rest)) = path.split_once("/deployments/")
        && let Some((deployment, _)) = rest.split_once('/')
        && let Some(surface) = by_ending(path)
    {
        return Route::of(surface, deployment, false);
    }
    if let Some(surface) = by_ending(path) {
        return Route::new(surface);
    }
    let Some((_, id)) = path.split_once("/models/") else { return Route::new(Surface::Other) };
    let id = decoded(id);
    match id.rsplit_once(':') {
        Some((model, "generateContent")) => Route::of(Surface::GenerateContent, model, false),
        Some((model, "streamGenerateContent")) => Route::of(Surface::GenerateContent, model, true),
        Some((model, "countTokens")) => Route::of(Surface::GeminiCount, model, false),
        _ => Route { surface: Surface::Models, model: Some(id), stream: false },
    }
}

/// Whose API is called.
pub(crate) fn flavour(path: &str, query: &str, surface: Surface, script: &Script) -> Flavour {
    let mounted = script
        .mounts
        .iter()
        .filter(|m| path.strip_prefix(&m.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        .max_by_key(|m| m.prefix.len())
        .map(|m| m.flavour);
    script.flavour.or(mounted).or_else(|| named(path, query)).unwrap_or(match surface {
        Surface::Messages | Surface::CountTokens => Flavour::Anthropic,
        Surface::GenerateContent | Surface::GeminiCount | Surface::Token => Flavour::Google,
        Surface::Converse => Flavour::Bedrock,
        Surface::Key | Surface::Credits | Surface::Generation => Flavour::OpenRouter,
        _ => Flavour::OpenAi,
    })
}

fn named(path: &str, query: &str) -> Option<Flavour> {
    if path.contains("/openai/deployments/") || query.contains("api-version=") {
        return Some(Flavour::Azure);
    }
    if path.contains("/projects/") {
        return Some(Flavour::Vertex);
    }
    path.split('/').find_map(|segment| match segment {
        "anthropic" => Some(Flavour::Anthropic),
        "openrouter" => Some(Flavour::OpenRouter),
        "google" | "v1beta" => Some(Flavour::Google),
        "vertex" => Some(Flavour::Vertex),
        "bedrock" => Some(Flavour::Bedrock),
        "azure" => Some(Flavour::Azure),
        "openai" => Some(Flavour::OpenAi),
        _ => None,
    })
}

fn by_ending(path: &str) -> Option<Surface> {
    let endings = [
        ("/chat/completions", Surface::ChatCompletions),
        ("/messages/count_tokens", Surface::CountTokens),
        ("/messages", Surface::Messages),
        ("/responses", Surface::Responses),
        ("/completions", Surface::Completions),
        ("/embeddings", Surface::Embeddings),
        ("/models", Surface::Models),
        ("/token", Surface::Token),
        ("/v1/key", Surface::Key),
        ("/v1/credits", Surface::Credits),
        ("/v1/generation", Surface::Generation),
    ];
    endings.into_iter().find(|(end, _)| path.ends_with(end)).map(|(_, surface)| surface)
}

/// Undoes `%xx`. A broken escape stays as it is.
pub(crate) fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let escape = tail.get(..2).filter(|_| *byte == b'%');
        let value =
            escape.and_then(|e| std::str::from_utf8(e).ok()).and_then(|e| u8::from_str_radix(e, 16).ok());
        out.push(value.unwrap_or(*byte));
        rest = if value.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_any_prefix() {
        for (path, expected) in [
            ("/v1/chat/completions", Surface::ChatCompletions),
            ("/openrouter/api/v1/chat/completions/", Surface::ChatCompletions),
            ("/completions", Surface::Completions),
            ("/anthropic/v1/messages", Surface::Messages),
            ("/v1/messages/count_tokens", Surface::CountTokens),
            ("/v1/models", Surface::Models),
            ("/openrouter/api/v1/key", Surface::Key),
            ("/openrouter/api/v1/generation", Surface::Generation),
            ("/token", Surface::Token),
            ("/v1/files", Surface::Other),
        ] {
            assert_eq!(route(path), Route::new(expected), "{path}");
        }
        assert_eq!(route("/v1/models/a/b:c"), Route::of(Surface::Models, "a/b:c", false));
    }

    #[test]
    fn models_in_paths() {
        for (path, surface, model, stream) in [
            ("/google/v1beta/models/g-2.5:generateContent", Surface::GenerateContent, "g-2.5", false),
            ("/v1beta/models/g%2D2:streamGenerateContent", Surface::GenerateContent, "g-2", true),
            ("/v1beta/models/g:countTokens", Surface::GeminiCount, "g", false),
            ("/model/anthropic.claude-v1%3A0/converse", Surface::Converse, "anthropic.claude-v1:0", false),
            ("/bedrock/model/a:0/converse-stream", Surface::Converse, "a:0", true),
            ("/openai/deployments/mine/chat/completions", Surface::ChatCompletions, "mine", false),
            (
                "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent",
                Surface::GenerateContent,
                "g",
                true,
            ),
        ] {
            assert_eq!(route(path), Route::of(surface, model, stream), "{path}");
        }
    }

    #[test]
    fn whose_path_it_is() {
        let of = |path: &str| flavour(path, "", route(path).surface, &Script::default());
        for (path, expected) in [
            ("/google/v1beta/openai/chat/completions", Flavour::Google),
            ("/v1beta/models/g:generateContent", Flavour::Google),
            ("/v1/projects/p/locations/l/publishers/google/models/g:generateContent", Flavour::Vertex),
            ("/openai/deployments/mine/chat/completions", Flavour::Azure),
            ("/openai/v1/chat/completions", Flavour::OpenAi),
            ("/model/a/converse", Flavour::Bedrock),
            ("/v1/messages", Flavour::Anthropic),
        ] {
            assert_eq!(of(path), expected, "{path}");
        }
    }

    #[test]
    fn the_longest_mount_decides() {
        let script = Script::from_yaml(
            "mounts: [{prefix: /x, flavour: openrouter}, {prefix: /x/y, flavour: anthropic}]",
        )
        .unwrap();
        let of = |path| flavour(path, "", Surface::ChatCompletions, &script);
        assert_eq!(of("/x/v1/chat/completions"), Flavour::OpenRouter);
        assert_eq!(of("/x/y/v1/chat/completions"), Flavour::Anthropic);
        assert_eq!(of("/xy/v1/chat/completions"), Flavour::OpenAi);
        assert_eq!(of("/openrouter/api/v1/chat/completions"), Flavour::OpenRouter);
    }
}
