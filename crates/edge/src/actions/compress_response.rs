//! `compress-response`: compresses the response in a way the client understands.

use crate::action::{Action, ActionType, ResponseCx, ResponseFlow};
use crate::answer::Fault;
use crate::encoding::{Coding, Encoder};
use crate::events::is_event_stream;
use crate::exchange::Exchange;
use crate::response::BodyChange;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderValue, VARY,
};
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;
use tollgate_expr::{Map, Value};
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let named = config.get("algorithms").map(|list| list.as_list()).unwrap_or_default();
        let named: Vec<&str> = named.iter().filter_map(Config::as_str).collect();
        let names = if named.is_empty() { DEFAULT } else { &named };
        let codings = names.iter().filter_map(|name| Coding::named(name)).collect();
        Ok(Box::new(CompressResponse { codings }))
    },
};

const DEFAULT: &[&str] = &["gzip", "deflate", "br", "compress"];

static SPEC: ActionSpec = ActionSpec {
    name: "compress-response",
    result_name: "compress",
    summary: "Compresses the response when the client accepts it (RFC 9110, section 12.5.3). Each part is sent as soon as it \
              comes. Streams of events, answers that are compressed already or forbid changes, and those without a body \
              stay as they are.",
    phases: &[Phase::HttpResponse],
    terminating: Terminating::Never,
    results: &[ResultVar::new("already_compressed", Holds::Bool, "Whether the response had a coding when it came."), ResultVar::new("negotiated_algorithm", Holds::Text, "What it is compressed with now; else empty.")],
    differences: &["`compress` (LZW) can be written, and is never used: no client asks for it.", "Streams of events, answers without a body and those with `cache-control: no-transform` stay as they are."],
    fields: &[Field::optional(
        "algorithms",
        Shape::List { item: &Shape::Enum(&["gzip", "deflate", "br", "compress"]), min: 1, max: 4 },
        "What may be used; between those a client likes equally, the first. `compress` is accepted, and never used: no \
         client asks for it.",
    )
    .or("[gzip, deflate, br, compress]")],
    check: Some(check),
    example: "- type: compress-response\n  config:\n    algorithms: [br, gzip]\n",
};

fn check(config: &Config<'_>, checker: &mut Checker) {
    let named = config.get("algorithms").map(|list| list.as_list()).unwrap_or_default();
    for (index, item) in named.iter().enumerate() {
        if item.as_str().is_some_and(|name| !DEFAULT.contains(&name)) {
            checker.recode(item, "ERR_NGROK_2214");
        }
        if named.iter().take(index).any(|before| before.as_str() == item.as_str()) {
            let message = format!("`{}` is named twice", item.as_str().unwrap_or_default());
            checker.error(item, "ERR_NGROK_2231", message, Some("name each algorithm once".into()));
        }
        if item.as_str() == Some("compress") {
            let message = "`compress` is never used: no client asks for it".to_owned();
            checker.warning(item, "ERR_NGROK_2214", message, None);
        }
    }
}

struct CompressResponse {
    codings: Vec<Coding>,
}

#[async_trait]
impl Action for CompressResponse {
    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        let headers = &cx.response.headers;
        let packed = headers.get(CONTENT_ENCODING).is_some_and(|value| value != "identity");
        let bodiless = cx.exchange.request.method == Method::HEAD
            || matches!(cx.response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let fixed = mentions(headers, &CACHE_CONTROL, "no-transform");
        let able = !packed && !bodiless && !fixed && !is_event_stream(cx.response);
        let chosen = if able { choose(&self.codings, &cx.exchange.request.headers) } else { None };
        cx.exchange.set_result(SPEC.result_name, || {
            Value::Map(Arc::new(Map::from([
                ("already_compressed".into(), Value::Bool(packed)),
                ("negotiated_algorithm".into(), Value::from(chosen.map_or("", Coding::name))),
            ])))
        });
        if able {
            let headers = &mut cx.response.headers;
            if !mentions(headers, &VARY, "accept-encoding") && !mentions(headers, &VARY, "*") {
                headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
            }
        }
        if let Some(coding) = chosen {
            let headers = &mut cx.response.headers;
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            headers.remove(CONTENT_LENGTH);
            headers.remove(ACCEPT_RANGES);
            weaken(headers);
            cx.body.change(Box::new(Compress(Encoder::new(coding))));
        }
        Ok(ResponseFlow::Continue)
    }

    fn works_on_bodies(&self) -> bool {
        true
    }
}

struct Compress(Encoder);

impl BodyChange for Compress {
    fn push(&mut self, _exchange: &mut Exchange, part: Bytes, end: bool) -> Bytes {
        if part.is_empty() && !end { Bytes::new() } else { self.0.part(&part, end) }
    }
}

/// Whether a header is a list that has this word, without case.
fn mentions(headers: &HeaderMap, name: &http::HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
}

/// A strong tag promises the same bytes (RFC 9110, section 8.8.1); these are others.
fn weaken(headers: &mut HeaderMap) {
    let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| !tag.starts_with("W/"));
    if let Some(weak) = tag.and_then(|tag| HeaderValue::try_from(format!("W/{tag}")).ok()) {
        headers.insert(ETAG, weak);
    }
}

/// The coding the client likes best; `None` when it wants none, or says nothing.
fn choose(codings: &[Coding], asked: &HeaderMap) -> Option<Coding> {
    let values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let liked: Vec<(String, u16)> = values.flat_map(|value| value.split(',')).filter_map(liking).collect();
    let weight = |name: &str| {
        let named = liked.iter().find(|(liked, _)| liked == name);
        named.or_else(|| liked.iter().find(|(liked, _)| liked == "*")).map_or(0, |(_, weight)| *weight)
    };
    let mut best: Option<(Coding, u16)> = None;
    for coding in codings {
        let own = weight(coding.name());
        if own > best.map_or(0, |(_, weight)| weight) {
            best = Some((*coding, own));
        }
    }
    best.map(|(coding, _)| coding)
}

/// A name and its weight in thousandths: `gzip;q=0.5`. A weight that is none counts as 0: nothing is done on a guess.
fn liking(item: &str) -> Option<(String, u16)> {
    let mut parts = item.split(';');
    let name = parts.next()?.trim().to_ascii_lowercase();
    let q = parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("q").then_some(value.trim())
    });
    let weight = match q.map(str::parse::<f64>) {
        None => 1000,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1000")]
        Some(Ok(q)) if (0.0..=1.0).contains(&q) => (q * 1000.0) as u16,
        Some(_) => 0,
    };
    (!name.is_empty()).then_some((if name == "x-gzip" { "gzip".into() } else { name }, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_likes_best_is_chosen() {
        use Coding::{Brotli, Deflate, Gzip};
        let all = [Gzip, Deflate, Brotli];
        for (asked, chosen) in [
            ("gzip;q=1.0, br;q=0.5, *;q=0", Some(Gzip)),
            ("br, gzip", Some(Gzip)),
            ("br;q=0.9, gzip;q=0.8", Some(Brotli)),
            ("*", Some(Gzip)),
            ("gzip;q=0, *", Some(Deflate)),
            ("identity", None),
            ("gzip;q=0", None),
            ("gzip;q=2", None),
            ("GZIP ; Q=0.1", Some(Gzip)),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(asked));
            assert_eq!(choose(&all, &headers), chosen, "{asked}");
        }
        assert_eq!(choose(&all, &HeaderMap::new()), None);
    }
}
