//! The standard variables of the environment, checked: the library ignores what it does not understand.
//!
//! Source: opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables and
//! opentelemetry.io/docs/specs/otel/protocol/exporter.

use super::asks_for_traces;
use http::{HeaderName, HeaderValue, Uri};
use std::time::Duration;

/// Time for a batch where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Spans that may wait where nothing else is said.
const QUEUE: usize = 2048;

/// What has to be known beside what the library reads itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// Time for a batch.
    pub timeout: Duration,
    /// Spans that may wait.
    pub queue: usize,
    /// Whether clients may say to which trace their request belongs.
    pub parents: bool,
    /// Whether the variables name the service.
    pub named: bool,
}

impl TraceSettings {
    /// Reads the variables; `None`: no traces are wanted.
    ///
    /// # Errors
    /// A variable with a value that cannot be heeded. Values of headers are not repeated.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let get =
            |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        if asks_for_traces(get).is_none() {
            return Ok(None);
        }
        if let Some(exporter) = get("OTEL_TRACES_EXPORTER").filter(|exporter| exporter != "otlp") {
            return Err(format!("OTEL_TRACES_EXPORTER: `{exporter}` is not supported; write otlp or none"));
        }
        for name in ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
            get(name).map_or(Ok(()), |value| endpoint(&value)).map_err(|why| format!("{name}: {why}"))?;
        }
        for (name, value) in of_exporter("PROTOCOL", &get) {
            if value != "http/protobuf" {
                return Err(format!("{name}: `{value}` is not supported; write http/protobuf"));
            }
        }
        for (name, value) in of_exporter("COMPRESSION", &get) {
            if !matches!(value.as_str(), "gzip" | "none") {
                return Err(format!("{name}: `{value}` is not supported; write gzip or none"));
            }
        }
        for what in ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"] {
            if let Some((name, _)) = of_exporter(what, &get).into_iter().next() {
                return Err(format!(
                    "{name} is not supported: collectors are trusted as the system's root certificates say \
                     (SSL_CERT_FILE), and no client certificate is shown"
                ));
            }
        }
        for (name, value) in of_exporter("HEADERS", &get) {
            headers(&value).map_err(|why| format!("{name}: {why}"))?;
        }
        sampler(&get)?;
        for name in ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] {
            positive(name, &get)?;
        }
        let mut timeout = TIMEOUT;
        for (name, _) in of_exporter("TIMEOUT", &get).into_iter().rev() {
            timeout = positive(&name, &get)?.map_or(timeout, Duration::from_millis);
        }
        let queue = positive("OTEL_BSP_MAX_QUEUE_SIZE", &get)?;
        let attributes = get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        Ok(Some(Self {
            timeout,
            queue: queue.and_then(|queue| usize::try_from(queue).ok()).unwrap_or(QUEUE),
            parents: get("OTEL_PROPAGATORS")
                .is_none_or(|list| list.split(',').any(|name| name.trim() == "tracecontext")),
            named: get("OTEL_SERVICE_NAME").is_some()
                || attributes.split(',').any(|pair| pair.trim_start().starts_with("service.name=")),
        }))
    }
}

/// The variables for traces and for everything that are set, the first of which counts.
fn of_exporter(what: &str, get: &impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
    names.into_iter().filter_map(|name| get(&name).map(|value| (name, value))).collect()
}

fn endpoint(value: &str) -> Result<(), &'static str> {
    let url: Uri = value.parse().map_err(|_| "it is no URL; write http://localhost:4318")?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err("it must be a URL with http:// or https://, such as http://localhost:4318");
    }
    match url.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("it must not have a user name or password; send them in OTEL_EXPORTER_OTLP_HEADERS")
        }
        _ => Ok(()),
    }
}

/// `name=value` between commas; values may be percent-encoded (W3C Baggage).
fn headers(value: &str) -> Result<(), String> {
    for (index, pair) in value.split(',').enumerate().filter(|(_, pair)| !pair.trim().is_empty()) {
        let wrong = |what: &str| format!("entry {} {what}; write name=value,name=value", index + 1);
        let (name, value) = pair.split_once('=').ok_or_else(|| wrong("has no `=`"))?;
        HeaderName::try_from(name.trim()).map_err(|_| wrong("has a name that no header can have"))?;
        HeaderValue::try_from(value.trim()).map_err(|_| wrong("has a value that no header can have"))?;
    }
    Ok(())
}

fn sampler(get: &impl Fn(&str) -> Option<String>) -> Result<(), String> {
    let Some(sampler) = get("OTEL_TRACES_SAMPLER") else { return Ok(()) };
    let ratio = match sampler.as_str() {
        "always_on" | "always_off" | "parentbased_always_on" | "parentbased_always_off" => return Ok(()),
        "traceidratio" | "parentbased_traceidratio" => get("OTEL_TRACES_SAMPLER_ARG"),
        _ => {
            return Err(format!(
                "OTEL_TRACES_SAMPLER: `{sampler}` is not supported; write always_on, always_off, traceidratio, \
                 parentbased_always_on, parentbased_always_off or parentbased_traceidratio"
            ));
        }
    };
    match ratio.and_then(|ratio| ratio.parse::<f64>().ok()) {
        Some(ratio) if (0.0..=1.0).contains(&ratio) => Ok(()),
        _ => Err(format!("OTEL_TRACES_SAMPLER_ARG: `{sampler}` needs a share from 0 to 1, such as 0.1")),
    }
}

fn positive(name: &str, get: &impl Fn(&str) -> Option<String>) -> Result<Option<u64>, String> {
    let Some(value) = get(name) else { return Ok(None) };
    match value.parse::<u64>() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(format!("{name}: `{value}` is no whole number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");

    fn read(set: &[(&str, &str)]) -> Result<Option<TraceSettings>, String> {
        TraceSettings::read(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_is_sent_until_somebody_says_where_to() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "  ")]), Ok(None));
        let defaults = TraceSettings { timeout: TIMEOUT, queue: QUEUE, parents: true, named: false };
        assert_eq!(read(&[ENDPOINT]), Ok(Some(defaults.clone())));
        assert_eq!(read(&[("OTEL_TRACES_EXPORTER", "otlp")]), Ok(Some(defaults)));
    }

    #[test]
    fn what_is_said_for_traces_comes_before_what_is_said_for_all() {
        let settings = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
            ("OTEL_PROPAGATORS", "b3, baggage"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=edge"),
        ]);
        let expected =
            TraceSettings { timeout: Duration::from_millis(250), queue: 8, parents: false, named: true };
        assert_eq!(settings, Ok(Some(expected)));
    }

    #[test]
    fn what_cannot_be_heeded_is_refused_by_name() {
        for (name, value, why) in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318", "http://"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://me:secret@c", "user name"),
            ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd", "gzip or none"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", "SSL_CERT_FILE"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "whole number"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "whole number"),
            ("OTEL_TRACES_SAMPLER", "xray", "always_on"),
            ("OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,secret", "entry 2"),
        ] {
            let said = read(&[(name, value), ENDPOINT]).expect_err(name);
            assert!(said.starts_with("OTEL_") && said.contains(why), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
        let ratio = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")];
        assert!(read(&ratio).is_ok());
    }
}
