//! The access log line and the counters of a finished request: written once, whatever the exit.

use super::headers;
use super::service::RequestState;
use crate::answer::OVERLOADED;
use crate::exchange::{Ending, Exchange};
use crate::listener::Listener;
use pingora_proxy::Session;
use serde_json::value::{RawValue, to_raw_value};
use std::time::Duration;
use tollgate_observe::{AccessRecord, Outcome, Refusal, RequestTrace};

pub(super) fn write(listener: &Listener, session: &Session, ctx: &mut RequestState) {
    let Some(exchange) = &ctx.exchange else { return };
    let status = session.response_written().map(|head| head.status.as_u16());
    let took = ctx.started.elapsed();
    let record = &exchange.record;
    let logs: Vec<Box<RawValue>> =
        exchange.logs.iter().filter_map(|entry| to_raw_value(&entry.to_json()).ok()).collect();
    let code = record.error_code.map(|code| format!("ERR_NGROK_{code}"));
    let dropped = headers::dropped(&record.dropped);
    let line = AccessRecord {
        time: exchange.request.received,
        started: ctx.started,
        trace_id: None,
        request_id: &exchange.request.id,
        client_ip: Some(exchange.connection.client.ip()),
        method: exchange.request.method.as_str(),
        path: exchange.request.raw_uri.path(),
        query: exchange.request.raw_uri.query(),
        status,
        model_asked: record.model_asked.as_deref(),
        model_served: record.model_served.as_deref(),
        provider: record.provider.as_deref(),
        model_reported: record.model_reported.as_deref(),
        provider_reported: record.provider_reported.as_deref(),
        upstream_request_id: record.upstream_request_id.as_deref(),
        attempts: record.attempts,
        tried: &record.tried,
        stream: record.stream,
        input_tokens: Some(record.input_tokens).filter(|n| *n > 0),
        output_tokens: Some(record.output_tokens).filter(|n| *n > 0),
        cost_micro_usd: record.cost_micros,
        cost_source: record.cost_source,
        cost_parts: record.cost_parts,
        upstream_cost_micro_usd: record.upstream_cost_micros,
        duration: took,
        first_token: record.first_token_ms.map(Duration::from_millis),
        bytes_in: ctx.received,
        bytes_out: ctx.sent,
        outcome: outcome(exchange, ctx.client_gone, status),
        error_code: code.as_deref(),
        policy_revision: &ctx.engine.revision,
        dropped: dropped.as_ref().and_then(|names| names.to_str().ok()),
        logs: &logs,
    };
    let trace = listener.access_log.traces().request(&RequestTrace {
        record: &line,
        headers: &exchange.request.headers,
        scheme: exchange.request.scheme,
        host: &exchange.request.raw_host,
        version: exchange.request.version,
        surface: record.surface,
    });
    if record.error_code == Some(OVERLOADED) && ctx.place.is_some() {
        listener.shared.metrics.overload.refused(Refusal::BufferedBodies);
    }
    listener.access_log.write(&AccessRecord { trace_id: trace.as_deref(), ..line });
    listener.shared.metrics.request(record.surface.unwrap_or("other"), status, took);
    listener.shared.metrics.buffered_bytes.set(i64::try_from(listener.budget.used()).unwrap_or(i64::MAX));
}

fn outcome(exchange: &Exchange, client_gone: bool, status: Option<u16>) -> Outcome {
    let record = &exchange.record;
    if record.outcome == Ending::Closed {
        return Outcome::Refused;
    }
    if client_gone || record.outcome == Ending::ClientGone {
        return Outcome::ClientGone;
    }
    match (record.outcome, record.error_code) {
        (Ending::Truncated, _) => Outcome::Interrupted,
        (_, Some(3810)) => Outcome::Timeout,
        (_, Some(3800 | 3807 | 3812)) => Outcome::Exhausted,
        (
            _,
            Some(
                3801..=3806
                | 3808
                | 3811
                | 3813
                | 3814
                | 3817
                | 2209
                | 6029
                | 27007
                | 27204
                | 27215
                | 27228
                | 27237,
            ),
        ) => Outcome::Invalid,
        (_, Some(27214 | 27220 | 3202..=3204 | 3401 | 3700 | 3702)) => Outcome::Refused,
        (_, Some(_)) => Outcome::Internal,
        (Ending::Refused, None) => Outcome::Exhausted,
        (_, None) => match status {
            Some(401 | 403 | 429) if record.attempts == 0 => Outcome::Refused,
            _ => Outcome::Success,
        },
    }
}
