//! Traces: one span for each request, a child for each attempt, sent by OTLP.
//!
//! Spans are made when a request is over, from what the access log gets: while a request is served nothing is done for its
//! trace. Without the feature `otel` there are none.

#[cfg(feature = "otel")]
mod batch;
#[cfg(feature = "otel")]
mod client;
#[cfg(feature = "otel")]
mod names;
#[cfg(feature = "otel")]
mod settings;
#[cfg(feature = "otel")]
mod spans;
#[cfg(test)]
#[cfg(feature = "otel")]
mod tests;

#[cfg(feature = "otel")]
pub use client::{Bytes, Post};
#[cfg(feature = "otel")]
pub use settings::TraceSettings;

use crate::access_log::AccessRecord;
use http::{HeaderMap, Version};
use std::time::Duration;

/// Where traces go.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    #[cfg(feature = "otel")]
    exporter: Option<std::sync::Arc<spans::Exporter>>,
}

/// A request that is over, beyond what its line in the access log says.
#[derive(Clone, Copy, Debug)]
pub struct RequestTrace<'a> {
    /// What the access log says of it.
    pub record: &'a AccessRecord<'a>,
    /// The request's headers as the rules have left them.
    pub headers: &'a HeaderMap,
    /// `http`, `https`
    pub scheme: &'a str,
    /// The host the client asked for, with its port where it named one.
    pub host: &'a str,
    /// The version of HTTP the client speaks.
    pub version: Version,
    /// The API the path belongs to, as in metrics.
    pub surface: Option<&'a str>,
}

impl Traces {
    /// Sends the spans of a request that is over, unless nobody wants them. Gives the id of its trace, 32 hexadecimal
    /// digits. Never waits.
    #[must_use]
    pub fn request(&self, request: &RequestTrace<'_>) -> Option<String> {
        #[cfg(feature = "otel")]
        return self.exporter.as_ref().and_then(|exporter| exporter.request(request));
        #[cfg(not(feature = "otel"))]
        {
            let _ = request;
            None
        }
    }

    /// Sends what waits, for at most so long. What comes later is lost.
    pub fn stop(&self, within: Duration) {
        #[cfg(feature = "otel")]
        if let Some(exporter) = &self.exporter {
            exporter.stop(within);
        }
        #[cfg(not(feature = "otel"))]
        let _ = within;
    }
}

/// Variables of the environment that ask for traces. A build without the feature says that it has none.
#[must_use]
pub fn asks_for_traces(get: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let set = |name: &str| get(name).is_some_and(|value| !value.trim().is_empty());
    let disabled = get("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    let none = get("OTEL_TRACES_EXPORTER").is_some_and(|value| value.trim().eq_ignore_ascii_case("none"));
    let asking =
        ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER"];
    asking.into_iter().find(|name| set(name)).filter(|_| !disabled && !none)
}

#[cfg(test)]
mod asking {
    use super::asks_for_traces;

    #[test]
    fn an_endpoint_asks_and_a_switch_takes_it_back() {
        let asks = |set: &'static [(&str, &str)]| {
            asks_for_traces(move |name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(asks(&[]), None);
        assert_eq!(asks(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
        let endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
        assert_eq!(asks(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")]), Some(endpoint));
        assert_eq!(asks(&[("OTEL_TRACES_EXPORTER", "otlp")]), Some("OTEL_TRACES_EXPORTER"));
        for (name, value) in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            let get = |asked: &str| match asked {
                _ if asked == name => Some(value.to_owned()),
                _ if asked == endpoint => Some("http://c".to_owned()),
                _ => None,
            };
            assert_eq!(asks_for_traces(get), None, "{name}");
        }
    }
}
