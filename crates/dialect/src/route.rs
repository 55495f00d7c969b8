//! Which operation a request path names.

use crate::Surface;
use http::Method;
use smallvec::SmallVec;

/// What a request path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An operation that is sent on to a provider.
    Ai(Surface),
    /// Gemini's operation, which names its model and whether it streams in the path.
    Generate {
        /// The model, percent-decoded, without `models/`.
        model: String,
        /// Whether it is `:streamGenerateContent`.
        stream: bool,
    },
    /// The list of models, answered by the gateway itself.
    ListModels,
    /// One model, by its percent-decoded id; ids may contain `/`.
    GetModel(String),
    /// No path of an AI API.
    Other,
}

/// Reads a request path. A query is ignored.
///
/// The paths are accepted under `/v1` (or Gemini's `/v1beta`), without it, and under `/api/v1`; each of these also below a
/// [`Mount`]. Duplicate slashes count as one, a doubled `/v1/v1` as a single one, and a slash at the end is ignored.
#[must_use]
pub fn route(path: &str) -> Endpoint {
    let segments: SmallVec<[&str; 8]> = segments(path).collect();
    match below_version(&segments) {
        ["models"] => Endpoint::ListModels,
        ["models", id @ ..] => model_path(percent_decode(&id.join("/"))),
        // Some clients leave out `models/` where the name has a slash.
        rest @ [.., last]
            if last.ends_with(":generateContent") || last.ends_with(":streamGenerateContent") =>
        {
            model_path(percent_decode(&rest.join("/")))
        }
        rest => operation(rest),
    }
}

/// A part in front of the version that says which client to expect, and where names without a prefix go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mount {
    /// `/openai`
    OpenAi,
    /// `/anthropic`
    Anthropic,
    /// `/openrouter`: names the catalogue does not know are OpenRouter's.
    OpenRouter,
    /// `/genai`
    Gemini,
}

/// The mount a path begins with, if it does.
#[must_use]
pub fn mount(path: &str) -> Option<Mount> {
    match segments(path).next()? {
        "openai" => Some(Mount::OpenAi),
        "anthropic" => Some(Mount::Anthropic),
        "openrouter" => Some(Mount::OpenRouter),
        "genai" => Some(Mount::Gemini),
        _ => None,
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    let end = memchr::memchr2(b'?', b'#', path.as_bytes()).unwrap_or(path.len());
    path.get(..end).unwrap_or_default().split('/').filter(|segment| !segment.is_empty())
}

/// The operation these segments name.
fn operation(segments: &[&str]) -> Endpoint {
    let is = |surface: &Surface| {
        let mut rest = surface.path();
        let all = segments.iter().all(|segment| {
            let after = rest.strip_prefix('/').and_then(|rest| rest.strip_prefix(segment));
            after.inspect(|after| rest = after).is_some()
        });
        all && rest.is_empty()
    };
    Surface::ALL.into_iter().find(is).map_or(Endpoint::Other, Endpoint::Ai)
}

/// Operations of Gemini's API on a model that are not served: no names of models.
const UNSERVED: [&str; 8] = [
    "countTokens",
    "embedContent",
    "batchEmbedContents",
    "asyncBatchEmbedContent",
    "batchGenerateContent",
    "predict",
    "predictLongRunning",
    "generateAnswer",
];

/// What stands behind `models/`: a name alone, or one with an operation of Gemini's API.
fn model_path(id: String) -> Endpoint {
    let operation = id.rsplit_once(':').and_then(|(model, operation)| match operation {
        "generateContent" => Some((model, false)),
        "streamGenerateContent" => Some((model, true)),
        _ => None,
    });
    let unserved = id.rsplit_once(':').is_some_and(|(_, operation)| UNSERVED.contains(&operation));
    match operation {
        None if unserved => Endpoint::Other,
        Some((model, stream)) => Endpoint::Generate { model: model.to_owned(), stream },
        None => Endpoint::GetModel(id),
    }
}

/// The methods an endpoint understands; any other is answered with 405. Empty means: no opinion.
#[must_use]
pub fn methods(endpoint: &Endpoint) -> &'static [Method] {
    static AI: [Method; 1] = [Method::POST];
    static READ: [Method; 2] = [Method::GET, Method::HEAD];
    match endpoint {
        Endpoint::Ai(_) | Endpoint::Generate { .. } => &AI,
        Endpoint::ListModels | Endpoint::GetModel(_) => &READ,
        Endpoint::Other => &[],
    }
}

fn below_version<'s, 'p>(segments: &'s [&'p str]) -> &'s [&'p str] {
    match segments {
        ["openai" | "anthropic" | "openrouter" | "genai", rest @ ..] => below_version(rest),
        ["api", rest @ ..] if rest.first() == Some(&"v1") => below_version(rest),
        ["v1", "v1", rest @ ..] | ["v1" | "v1beta", rest @ ..] => rest,
        rest => rest,
    }
}

/// Decodes `%xx`. A broken escape stays as it is; bytes that are no UTF-8 become U+FFFD.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%'
            && let [high, low, tail @ ..] = after
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high * 16 + low);
            rest = tail;
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_surface_under_every_prefix() {
        for surface in Surface::ALL {
            if surface.path().contains("{model}") {
                continue;
            }
            for prefix in [
                "",
                "/v1",
                "/api/v1",
                "/openai/v1",
                "//v1",
                "/v1/v1",
                "/v1//v1",
                "/api//v1/v1",
                "/openai",
                "/anthropic",
                "/anthropic/v1",
                "/openrouter",
                "/openrouter/v1",
                "/openrouter/api/v1",
                "/genai/v1",
            ] {
                let path = format!("{prefix}{}", surface.path());
                assert_eq!(route(&path), Endpoint::Ai(surface), "{path}");
                assert_eq!(route(&format!("{path}/")), Endpoint::Ai(surface), "{path}/");
                assert_eq!(route(&format!("{path}?beta=true")), Endpoint::Ai(surface), "{path}?");
            }
        }
    }

    #[test]
    fn other_paths() {
        for path in [
            "/",
            "",
            "/v1",
            "/v1/v1/v1/messages",
            "/openrouters/v1/messages",
            "/api/messages",
            "/v1/chat",
            "/v1/responses/resp_1",
            "/v2/chat/completions",
            "/V1/Messages",
            "/v1/messages/batches",
        ] {
            assert_eq!(route(path), Endpoint::Other, "{path}");
        }
    }

    #[test]
    fn models() {
        assert_eq!(route("/v1/models"), Endpoint::ListModels);
        assert_eq!(route("/models/?limit=3"), Endpoint::ListModels);
        for (path, id) in [
            ("/v1/models/gpt-4o", "gpt-4o"),
            ("/models/meta-llama/llama-3.1", "meta-llama/llama-3.1"),
            ("/api/v1/models/meta-llama%2Fllama-3.1", "meta-llama/llama-3.1"),
            ("/v1/models/ollama%3Allama3.2:1b", "ollama:llama3.2:1b"),
            ("/v1/models/100%", "100%"),
            ("/v1/models/a%zz", "a%zz"),
            ("/v1/models/%ff", "\u{fffd}"),
        ] {
            assert_eq!(route(path), Endpoint::GetModel(id.to_owned()), "{path}");
        }
    }

    #[test]
    fn gemini_names_the_model_in_the_path() {
        for (path, model, stream) in [
            ("/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash", false),
            ("/genai/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "gemini-2.5-flash", true),
            ("/genai/v1/models/openrouter:a/b:free:generateContent", "openrouter:a/b:free", false),
            ("/genai/models/openrouter%3Aa%2Fb:generateContent", "openrouter:a/b", false),
            ("/models/x%3AgenerateContent", "x", false),
            (
                "/genai/v1beta/openrouter:openai/gpt-4o:streamGenerateContent",
                "openrouter:openai/gpt-4o",
                true,
            ),
        ] {
            assert_eq!(route(path), Endpoint::Generate { model: model.to_owned(), stream }, "{path}");
        }
        assert_eq!(route("/v1beta/models/x:countTokens"), Endpoint::Other);
        assert_eq!(route("/v1beta/models/llama3.2:1b"), Endpoint::GetModel("llama3.2:1b".into()));
    }

    #[test]
    fn mounts() {
        for (path, want) in [
            ("/openai/v1/chat/completions", Some(Mount::OpenAi)),
            ("/anthropic", Some(Mount::Anthropic)),
            ("//openrouter/api/v1/models", Some(Mount::OpenRouter)),
            ("/genai/v1beta/models", Some(Mount::Gemini)),
            ("/v1/chat/completions", None),
            ("/openaix/v1", None),
            ("", None),
        ] {
            assert_eq!(mount(path), want, "{path}");
        }
    }

    #[test]
    fn allowed_methods() {
        assert_eq!(methods(&Endpoint::Ai(Surface::Messages)), [Method::POST]);
        assert_eq!(methods(&Endpoint::ListModels), [Method::GET, Method::HEAD]);
        assert!(methods(&Endpoint::Other).is_empty());
    }
}
