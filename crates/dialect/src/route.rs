//! Which operation a request path names.

use crate::Surface;
use http::Method;

/// What a request path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An operation that is sent on to a provider.
    Ai(Surface),
    /// The list of models, answered by the gateway itself.
    ListModels,
    /// One model, by its percent-decoded id; ids may contain `/`.
    GetModel(String),
    /// No path of an AI API.
    Other,
}

/// Reads a request path. A query is ignored.
///
/// The paths are accepted under `/v1`, without it, under `/api/v1` and under `/openai/v1`. Duplicate
/// slashes count as one, a doubled `/v1/v1` as a single one, and a slash at the end is ignored.
#[must_use]
pub fn route(path: &str) -> Endpoint {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match below_version(&segments) {
        ["models"] => Endpoint::ListModels,
        ["models", id @ ..] => Endpoint::GetModel(percent_decode(&id.join("/"))),
        rest => Surface::ALL
            .into_iter()
            .find(|surface| surface.path().split('/').skip(1).eq(rest.iter().copied()))
            .map_or(Endpoint::Other, Endpoint::Ai),
    }
}

/// The methods an endpoint understands; any other is answered with 405. Empty means: no opinion.
#[must_use]
pub fn methods(endpoint: &Endpoint) -> &'static [Method] {
    static AI: [Method; 1] = [Method::POST];
    static READ: [Method; 2] = [Method::GET, Method::HEAD];
    match endpoint {
        Endpoint::Ai(_) => &AI,
        Endpoint::ListModels | Endpoint::GetModel(_) => &READ,
        Endpoint::Other => &[],
    }
}

fn below_version<'s, 'p>(segments: &'s [&'p str]) -> &'s [&'p str] {
    match segments {
        ["api" | "openai", rest @ ..] if rest.first() == Some(&"v1") => below_version(rest),
        ["v1", "v1", rest @ ..] | ["v1", rest @ ..] => rest,
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
            for prefix in ["", "/v1", "/api/v1", "/openai/v1", "//v1", "/v1/v1", "/v1//v1", "/api//v1/v1"] {
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
            "/openrouter/v1/messages",
            "/api/messages",
            "/openai/models",
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
    fn allowed_methods() {
        assert_eq!(methods(&Endpoint::Ai(Surface::Messages)), [Method::POST]);
        assert_eq!(methods(&Endpoint::ListModels), [Method::GET, Method::HEAD]);
        assert!(methods(&Endpoint::Other).is_empty());
    }
}
