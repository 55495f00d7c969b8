//! Building a line: one list of fields, two spellings.

use super::escape;
use super::record::{AccessRecord, ConnectionRecord};
use crate::attempts::AttemptNote;
use crate::clock;
use serde_json::value::RawValue;
use std::fmt::{Display, Write};
use std::time::{Duration, Instant};

/// Fields of [`crate::COST_PARTS`], in their order.
const COST_FIELDS: [&str; crate::COST_PARTS.len()] = [
    "cost_input_usd",
    "cost_output_usd",
    "cost_cached_usd",
    "cost_cache_write_usd",
    "cost_reasoning_usd",
    "cost_audio_usd",
    "cost_image_usd",
    "cost_request_usd",
    "cost_tools_usd",
];

/// The field of what was tried.
const ATTEMPTS: &str = "attempts_detail";
/// Longest name in it, in bytes: so that it has at most some 20 KiB.
const ATTEMPT_TEXT: usize = 128;

/// Appends the record as one JSON object, without a line end.
pub(super) fn json(out: &mut String, record: &AccessRecord<'_>) {
    out.push('{');
    let mut fields = Json { out, first: true };
    visit(&mut fields, record);
    out.push('}');
}

/// Appends the record as `key=value` pairs, without a line end.
pub(super) fn text(out: &mut String, record: &AccessRecord<'_>) {
    let mut fields = Text { out, first: true };
    visit(&mut fields, record);
}

/// Appends the record of a connection as one JSON object, without a line end.
pub(super) fn connection_json(out: &mut String, record: &ConnectionRecord<'_>) {
    out.push('{');
    visit_connection(&mut Json { out, first: true }, record);
    out.push('}');
}

/// Appends the record of a connection as `key=value` pairs, without a line end.
pub(super) fn connection_text(out: &mut String, record: &ConnectionRecord<'_>) {
    visit_connection(&mut Text { out, first: true }, record);
}

fn visit_connection(fields: &mut impl Fields, record: &ConnectionRecord<'_>) {
    fields.time("time", record.time);
    fields.text("event", "connection_closed");
    fields.text("client_ip", &Short::of(record.client_ip));
    fields.plain("duration_ms", Millis(record.duration));
    if let Some(passed) = &record.passed {
        fields.text("upstream", escape::cut(passed.upstream));
        fields.plain("bytes_in", passed.received);
        fields.plain("bytes_out", passed.sent);
    }
    fields.text("outcome", record.outcome.name());
    if let Some(why) = record.handshake {
        fields.text("handshake", escape::cut(why));
    }
    if !record.logs.is_empty() {
        fields.logs(record.logs);
    }
}

/// One spelling of a field. Names are ours and need no quoting.
trait Fields {
    fn time(&mut self, name: &str, value: std::time::SystemTime);
    fn text(&mut self, name: &str, value: &str);
    fn plain(&mut self, name: &str, value: impl Display);
    fn logs(&mut self, entries: &[Box<RawValue>]);
    fn attempts(&mut self, notes: &[AttemptNote], start: Instant);
}

fn visit(fields: &mut impl Fields, record: &AccessRecord<'_>) {
    fields.time("time", record.time);
    fields.text("request_id", escape::cut(record.request_id));
    optional_text(fields, "trace_id", record.trace_id);
    if let Some(ip) = record.client_ip {
        fields.text("client_ip", &Short::of(ip));
    }
    fields.text("method", escape::cut(record.method));
    fields.text("path", escape::cut(record.path));
    if let Some(query) = record.query {
        fields.text("query", escape::cut(&escape::mask_query(query)));
    }
    optional(fields, "status", record.status);
    optional_text(fields, "model_asked", record.model_asked);
    optional_text(fields, "model_served", record.model_served);
    optional_text(fields, "provider", record.provider);
    optional_text(fields, "model_reported", record.model_reported);
    optional_text(fields, "provider_reported", record.provider_reported);
    optional_text(fields, "upstream_request_id", record.upstream_request_id);
    fields.plain("attempts", record.attempts);
    fields.plain("stream", record.stream);
    optional(fields, "input_tokens", record.input_tokens);
    optional(fields, "output_tokens", record.output_tokens);
    optional(fields, "cost_usd", record.cost_micro_usd.map(Dollars));
    optional_text(fields, "cost_source", record.cost_source);
    for (name, micros) in COST_FIELDS.into_iter().zip(record.cost_parts.unwrap_or_default()) {
        optional(fields, name, Some(micros).filter(|micros| *micros > 0).map(Dollars));
    }
    optional(fields, "upstream_cost_usd", record.upstream_cost_micro_usd.map(Dollars));
    fields.plain("duration_ms", Millis(record.duration));
    optional(fields, "first_token_ms", record.first_token.map(Millis));
    optional(fields, "gateway_ms", record.tried.before_last(record.started).map(Millis));
    let sent = record.tried.last_sent();
    optional(fields, "connect_ms", sent.and_then(|sent| sent.connect).map(Millis));
    optional(fields, "upstream_head_ms", sent.and_then(|sent| sent.head).map(Millis));
    fields.plain("bytes_in", record.bytes_in);
    fields.plain("bytes_out", record.bytes_out);
    fields.text("outcome", record.outcome.name());
    optional_text(fields, "error_code", record.error_code);
    if record.tried.worth_telling() {
        fields.attempts(record.tried.kept(), record.started);
        optional(fields, "attempts_omitted", Some(record.tried.omitted()).filter(|omitted| *omitted > 0));
    }
    optional_text(fields, "dropped", record.dropped);
    fields.text("policy", record.policy_revision);
    if !record.logs.is_empty() {
        fields.logs(record.logs);
    }
}

fn optional(fields: &mut impl Fields, name: &str, value: Option<impl Display>) {
    if let Some(value) = value {
        fields.plain(name, value);
    }
}

fn optional_text(fields: &mut impl Fields, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        fields.text(name, escape::cut(value));
    }
}

struct Json<'a> {
    out: &'a mut String,
    first: bool,
}

impl Json<'_> {
    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }
}

impl Fields for Json<'_> {
    fn time(&mut self, name: &str, value: std::time::SystemTime) {
        self.name(name);
        self.out.push('"');
        clock::push_rfc3339(self.out, value);
        self.out.push('"');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.out.push('"');
        escape::json(self.out, value);
        self.out.push('"');
    }

    fn plain(&mut self, name: &str, value: impl Display) {
        self.name(name);
        let _ = write!(self.out, "{value}");
    }

    fn logs(&mut self, entries: &[Box<RawValue>]) {
        self.name("traffic_policy");
        self.out.push_str("{\"logs\":");
        push_logs(self.out, entries);
        self.out.push('}');
    }

    fn attempts(&mut self, notes: &[AttemptNote], start: Instant) {
        self.name(ATTEMPTS);
        push_attempts(self.out, notes, start);
    }
}

struct Text<'a> {
    out: &'a mut String,
    first: bool,
}

impl Text<'_> {
    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(' ');
        }
        self.out.push_str(name);
        self.out.push('=');
    }
}

impl Fields for Text<'_> {
    fn time(&mut self, name: &str, value: std::time::SystemTime) {
        self.name(name);
        clock::push_rfc3339(self.out, value);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        escape::logfmt(self.out, value);
    }

    fn plain(&mut self, name: &str, value: impl Display) {
        self.name(name);
        let _ = write!(self.out, "{value}");
    }

    fn logs(&mut self, entries: &[Box<RawValue>]) {
        let mut list = String::new();
        push_logs(&mut list, entries);
        self.text("traffic_policy.logs", &list);
    }

    fn attempts(&mut self, notes: &[AttemptNote], start: Instant) {
        let mut list = String::new();
        push_attempts(&mut list, notes, start);
        self.text(ATTEMPTS, &list);
    }
}

/// `[{"metadata":...},...]`. Raw JSON may hold line ends and tabs, but only between its tokens, and DEL and C1
/// characters, but only inside its strings: the first become spaces, the others are escaped.
fn push_logs(out: &mut String, entries: &[Box<RawValue>]) {
    out.push('[');
    for (index, entry) in entries.iter().enumerate() {
        out.push_str(if index > 0 { ",{\"metadata\":" } else { "{\"metadata\":" });
        for run in entry.get().split_inclusive(char::is_control) {
            match run.chars().next_back().filter(|c| c.is_control()) {
                None => out.push_str(run),
                Some(control) => {
                    out.push_str(run.strip_suffix(control).unwrap_or(run));
                    if control.is_ascii_whitespace() {
                        out.push(' ');
                    } else {
                        let _ = write!(out, "\\u{:04x}", u32::from(control));
                    }
                }
            }
        }
        out.push('}');
    }
    out.push(']');
}

/// One object for each of what was tried, with little in each: there may be dozens.
fn push_attempts(out: &mut String, notes: &[AttemptNote], start: Instant) {
    out.push('[');
    for (index, note) in notes.iter().enumerate() {
        out.push_str(if index > 0 { ",{" } else { "{" });
        let mut fields = Json { out, first: true };
        fields.text("provider", escape::cut_to(&note.provider, ATTEMPT_TEXT));
        fields.text("model", escape::cut_to(&note.model, ATTEMPT_TEXT));
        match &note.sent {
            None => fields.text("passed_over", note.reason.unwrap_or_default()),
            Some(sent) => {
                fields.text("outcome", sent.outcome.name());
                if let Some(reason) = note.reason {
                    fields.text("reason", reason);
                }
                optional(&mut fields, "status", note.status);
                fields.plain("at_ms", Millis(note.at.saturating_duration_since(start)));
                fields.plain("ms", Millis(sent.took));
                optional(&mut fields, "connect_ms", sent.connect.map(Millis));
                optional(&mut fields, "head_ms", sent.head.map(Millis));
                optional(&mut fields, "first_token_ms", sent.first_content.map(Millis));
            }
        }
        out.push('}');
    }
    out.push(']');
}

/// Milliseconds with three decimals.
struct Millis(Duration);

impl Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

/// Dollars with six decimals, from millionths.
struct Dollars(u64);

impl Display for Dollars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A short text on the stack: an address is at most 45 bytes, and allocating for each line is waste.
struct Short {
    bytes: [u8; 64],
    used: usize,
}

impl Short {
    fn of(value: impl Display) -> Self {
        let mut short = Self { bytes: [0; 64], used: 0 };
        let _ = write!(short, "{value}");
        short
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.used + text.len();
        self.bytes.get_mut(self.used..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

impl std::ops::Deref for Short {
    type Target = str;

    fn deref(&self) -> &str {
        self.bytes.get(..self.used).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}
