//! From a request that is over to its spans.
//!
//! Names of attributes are those of OpenTelemetry's semantic conventions; what they have no name for begins with
//! `tollgate.`. No prompt, no answer, no key and no query is in any of them.

use super::batch::{Bounded, Complaint, Counted};
use super::client::{Client, Post, Problem};
use super::settings::TraceSettings;
use super::{RequestTrace, Traces, names};
use crate::access_log::Outcome;
use crate::attempts::{AttemptNote, Sent};
use crate::metrics::SpanCounters;
use http::{HeaderMap, Version, header::USER_AGENT};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::trace::{TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, SystemTime};

/// Longest text of a client in a span, in bytes.
const TEXT: usize = 256;
/// Longest `tracestate` that is taken over: what W3C Trace Context, section 3.3.1.5, has everybody propagate. Each span
/// carries it, and a client may send any amount.
const TRACE_STATE: usize = 512;
/// What a candidate that was passed over is called.
const PASSED_OVER: &str = "tollgate.candidate.passed_over";
/// Reasons of attempts that nobody waited for any more: no fault of anybody.
const NOBODYS_FAULT: [&str; 2] = ["client_gone", "hedged_out"];

/// Makes spans and hands them to the queue.
#[derive(Debug)]
pub(super) struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    parents: Option<TraceContextPropagator>,
}

impl Traces {
    /// Sends traces as the environment says, `settings` read from it, over a way to servers.
    ///
    /// # Errors
    /// The library cannot do what the environment says.
    pub fn start(
        version: &'static str,
        settings: &TraceSettings,
        post: Box<dyn Post>,
        counters: &SpanCounters,
    ) -> Result<Self, String> {
        let problem = Problem::default();
        let client = Client { post, problem: problem.clone() };
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
        let exporter = exporter.map_err(|why| why.to_string())?;
        let waiting = Arc::new(AtomicUsize::new(0));
        let exporter = Counted {
            exporter,
            waiting: Arc::clone(&waiting),
            counters: counters.clone(),
            problem,
            complaint: Complaint::default(),
        };
        let batch = BatchConfigBuilder::default().with_max_queue_size(settings.queue).build();
        let processor = Bounded {
            inner: BatchSpanProcessor::new(exporter, batch),
            waiting,
            most: settings.queue,
            counters: counters.clone(),
        };
        let mut resource = Resource::builder();
        if !settings.named {
            resource = resource.with_service_name("tollgate");
        }
        let resource = resource.with_attribute(KeyValue::new("service.version", version)).build();
        let provider =
            SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource).build();
        let tracer = provider.tracer("tollgate");
        let parents = settings.parents.then(TraceContextPropagator::new);
        Ok(Self { exporter: Some(Arc::new(Exporter { provider, tracer, parents })) })
    }
}

impl Exporter {
    pub(super) fn request(&self, request: &RequestTrace<'_>) -> Option<String> {
        let record = request.record;
        let method = names::method(record.method);
        let route = request.surface.and_then(names::route);
        let name = route.map_or_else(|| method.into(), |route| format!("{method} {route}").into());
        let builder = SpanBuilder { name, ..span(SpanKind::Server, record.time) };
        let mut root = self.tracer.build_with_context(builder, &self.parent(request.headers));
        if !root.is_recording() {
            return None;
        }
        root.set_attributes(request_attributes(request, method, route));
        root.set_attributes(outcome_attributes(request));
        let error = server_error(request);
        if let Some(error) = error {
            root.set_attribute(KeyValue::new("error.type", error));
            root.set_status(Status::error(""));
        }
        let context = Context::new().with_remote_span_context(root.span_context().clone());
        let mut number = 0;
        for note in record.tried.kept() {
            let at = record.time + note.at.saturating_duration_since(record.started);
            match &note.sent {
                Some(sent) => {
                    number += 1;
                    self.attempt(&context, request, (note, sent), (number, at));
                }
                None => root.add_event_with_timestamp(PASSED_OVER, at, passed_over(note)),
            }
        }
        let trace: TraceId = root.span_context().trace_id();
        root.end_with_timestamp(record.time + record.duration);
        Some(trace.to_string())
    }

    pub(super) fn stop(&self, within: Duration) {
        if let Err(why) = self.provider.shutdown_with_timeout(within) {
            tracing::warn!("the last traces were not sent: {why}");
        }
    }

    /// What the client says its request belongs to (W3C Trace Context); nothing when that makes no sense.
    fn parent(&self, headers: &HeaderMap) -> Context {
        let nothing = Context::new();
        match &self.parents {
            Some(propagator) => propagator.extract_with_context(&nothing, &Claimed(headers)),
            None => nothing,
        }
    }

    fn attempt(
        &self,
        context: &Context,
        request: &RequestTrace<'_>,
        (note, sent): (&AttemptNote, &Sent),
        (number, at): (i64, SystemTime),
    ) {
        let operation = names::operation(request.surface.unwrap_or_default());
        let model = cut(&note.model);
        let builder =
            SpanBuilder { name: format!("{operation} {model}").into(), ..span(SpanKind::Client, at) };
        let mut span: Span = self.tracer.build_with_context(builder, context);
        let record = request.record;
        let optional = [
            note.status.map(|status| ("http.response.status_code", i64::from(status).into())),
            sent.first_content.map(|after| ("gen_ai.response.time_to_first_chunk", seconds(after))),
            tokens("gen_ai.usage.input_tokens", sent.input_tokens),
            tokens("gen_ai.usage.output_tokens", sent.output_tokens),
            sent.connect.map(|after| ("tollgate.attempt.connect_seconds", seconds(after))),
            sent.head.map(|after| ("tollgate.attempt.head_seconds", seconds(after))),
        ];
        span.set_attributes([
            KeyValue::new("gen_ai.operation.name", operation),
            KeyValue::new("gen_ai.provider.name", names::provider(&note.provider).to_owned()),
            KeyValue::new("gen_ai.request.model", model.to_owned()),
            KeyValue::new("gen_ai.request.stream", record.stream),
            KeyValue::new("tollgate.provider", note.provider.to_string()),
            KeyValue::new("tollgate.attempt.number", number),
            KeyValue::new("tollgate.attempt.outcome", sent.outcome.name()),
        ]);
        span.set_attributes(optional.into_iter().flatten().map(|(name, value)| KeyValue::new(name, value)));
        span.set_attributes(note.server.as_deref().map(server).into_iter().flatten());
        match note.reason {
            None => {
                let reported = record.model_reported.map_or(model, cut);
                span.set_attribute(KeyValue::new("gen_ai.response.model", reported.to_owned()));
                if let Some(id) = record.upstream_request_id {
                    span.set_attribute(KeyValue::new("tollgate.upstream_request_id", cut(id).to_owned()));
                }
            }
            Some(reason) => {
                span.set_attribute(KeyValue::new("tollgate.attempt.reason", reason));
                // The conventions name an error after its status, where it has one.
                let failed = note.status.filter(|status| *status >= 400);
                let kind = failed.map_or_else(|| reason.to_owned(), |status| status.to_string());
                span.set_attribute(KeyValue::new("error.type", kind));
                if !NOBODYS_FAULT.contains(&reason) {
                    span.set_status(Status::error(reason));
                }
            }
        }
        span.end_with_timestamp(at + sent.took);
    }
}

/// What a client says of its trace.
struct Claimed<'a>(&'a HeaderMap);

impl Extractor for Claimed<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.to_str().ok()?;
        (key != "tracestate" || value.len() <= TRACE_STATE).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

fn span(kind: SpanKind, start: SystemTime) -> SpanBuilder {
    SpanBuilder { span_kind: Some(kind), start_time: Some(start), ..SpanBuilder::default() }
}

fn request_attributes(
    request: &RequestTrace<'_>,
    method: &'static str,
    route: Option<&'static str>,
) -> Vec<KeyValue> {
    let RequestTrace { record, headers, scheme, host, version, surface } = *request;
    let mut all = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("url.path", cut(record.path).to_owned()),
        KeyValue::new("url.scheme", scheme.to_owned()),
        KeyValue::new("network.protocol.version", protocol(version)),
        KeyValue::new("tollgate.request_id", record.request_id.to_owned()),
        KeyValue::new("tollgate.policy.revision", record.policy_revision.to_owned()),
    ];
    all.extend(server(cut(host)));
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let texts = [
        ("http.route", route),
        ("http.request.method_original", Some(record.method).filter(|_| method == "_OTHER")),
        ("user_agent.original", agent),
        ("tollgate.surface", surface),
        ("tollgate.model_asked", record.model_asked),
    ];
    let known = texts.into_iter().filter_map(|(name, value)| Some((name, value?)));
    all.extend(known.map(|(name, value)| KeyValue::new(name, cut(value).to_owned())));
    all.extend(record.client_ip.map(|ip| KeyValue::new("client.address", ip.to_string())));
    all
}

fn outcome_attributes(request: &RequestTrace<'_>) -> Vec<KeyValue> {
    let record = request.record;
    let mut all = vec![
        KeyValue::new("tollgate.outcome", record.outcome.name()),
        KeyValue::new("tollgate.attempts", i64::from(record.attempts)),
    ];
    all.extend(record.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
    let texts = [
        ("tollgate.provider", record.provider),
        ("tollgate.model_served", record.model_served),
        ("tollgate.provider_reported", record.provider_reported),
        ("tollgate.error_code", record.error_code),
    ];
    let known = texts.into_iter().filter_map(|(name, value)| Some((name, value?)));
    all.extend(known.map(|(name, value)| KeyValue::new(name, cut(value).to_owned())));
    all.extend(record.cost_micro_usd.map(|micros| KeyValue::new("tollgate.cost_usd", dollars(micros))));
    let gateway = record.tried.before_last(record.started);
    all.extend(gateway.map(|took| KeyValue::new("tollgate.gateway_seconds", took.as_secs_f64())));
    let omitted = Some(record.tried.omitted()).filter(|omitted| *omitted > 0);
    all.extend(omitted.map(|omitted| KeyValue::new("tollgate.attempts_omitted", i64::from(omitted))));
    all
}

/// `error.type` of a request that went wrong on our side; a client's own mistake is no error of a server's span.
fn server_error(request: &RequestTrace<'_>) -> Option<String> {
    let record = request.record;
    match (record.status, record.outcome) {
        (Some(status @ 500..), _) => Some(status.to_string()),
        (_, outcome @ (Outcome::Exhausted | Outcome::Timeout | Outcome::Interrupted | Outcome::Internal)) => {
            Some(outcome.name().to_owned())
        }
        _ => None,
    }
}

fn passed_over(note: &AttemptNote) -> Vec<KeyValue> {
    vec![
        KeyValue::new("gen_ai.provider.name", names::provider(&note.provider).to_owned()),
        KeyValue::new("gen_ai.request.model", cut(&note.model).to_owned()),
        KeyValue::new("tollgate.provider", note.provider.to_string()),
        KeyValue::new("tollgate.passed_over.reason", note.reason.unwrap_or("unknown")),
    ]
}

/// `server.address` and `server.port` of `host:port`.
fn server(authority: &str) -> Vec<KeyValue> {
    let parsed: Option<http::uri::Authority> = authority.parse().ok();
    let Some(authority) = parsed else { return Vec::new() };
    let mut all = vec![KeyValue::new("server.address", authority.host().to_owned())];
    all.extend(authority.port_u16().map(|port| KeyValue::new("server.port", i64::from(port))));
    all
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

fn seconds(duration: Duration) -> Value {
    duration.as_secs_f64().into()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 millionths of a dollar are nine thousand million dollars"
)]
fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn tokens(name: &'static str, count: u64) -> Option<(&'static str, Value)> {
    (count > 0).then(|| (name, i64::try_from(count).unwrap_or(i64::MAX).into()))
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT)).unwrap_or(text)
}
