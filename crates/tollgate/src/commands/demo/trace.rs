//! The way of a request, read from the access log and shown as a table.

use crate::table::Table;
use serde_json::Value as Json;
use std::io::{self, Write};
use std::sync::mpsc::Sender;

/// The longest reason that is shown whole, in characters.
const REASON: usize = 48;

/// One request, as its line in the access log tells it.
#[derive(Clone, Debug)]
pub(super) struct Trace(Json);

/// One request to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) key: String,
    /// `ok`, a status, or `failed` when there was none.
    pub(super) outcome: String,
    pub(super) reason: String,
    /// Milliseconds to the head of the answer, or to the failure.
    pub(super) ms: String,
}

impl Trace {
    /// `x-tollgate-request-id` of the answer.
    pub(super) fn request_id(&self) -> &str {
        self.0.get("request_id").and_then(Json::as_str).unwrap_or("")
    }

    /// Every request that was sent, in order.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let logs = self.0.pointer("/traffic_policy/logs").and_then(Json::as_array);
        let gateway = logs.into_iter().flatten().find_map(|log| log.pointer("/metadata/ai_gateway"));
        let tried = gateway.and_then(|tree| tree["models_tried"].as_array()).into_iter().flatten();
        let made = tried.flat_map(|tried| {
            let requests = tried["requests_made"].as_array().into_iter().flatten();
            requests.map(move |request| attempt(tried, request))
        });
        made.collect()
    }

    /// The request and its attempts.
    pub(super) fn render(&self) -> String {
        let line = &self.0;
        let text = |name: &str| line[name].as_str().unwrap_or("").to_owned();
        let status =
            line["status"].as_u64().map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let mut out = format!("{} {} -> {status} {}\n", text("method"), text("path"), text("error_code"));
        out = format!("{}\n", out.trim_end());
        let attempts = self.attempts();
        if attempts.is_empty() {
            return out;
        }
        let mut table =
            Table::new(&["", "provider", "model", "key", "outcome", "reason", "ms"]).right(&["ms"]);
        for (index, attempt) in attempts.into_iter().enumerate() {
            let Attempt { provider, model, key, outcome, reason, ms } = attempt;
            table.row([(index + 1).to_string(), provider, model, key, outcome, reason, ms]);
        }
        out + &table.render(2)
    }
}

fn attempt(tried: &Json, request: &Json) -> Attempt {
    let text = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or("").to_owned();
    let number = |pointer: &str| request.pointer(pointer).and_then(Json::as_u64);
    let good = request["status"] == "success";
    let status = number("/response/status_code").filter(|status| *status > 0);
    let outcome = match status {
        _ if good => "ok".to_owned(),
        Some(status) => status.to_string(),
        None => "failed".to_owned(),
    };
    Attempt {
        provider: text(tried.get("provider")),
        model: text(tried.get("model")),
        key: text(request.pointer("/request/api_key")),
        outcome,
        reason: short(&text(request.get("error"))),
        ms: number("/upstream_latency/total_ms").map(|ms| ms.to_string()).unwrap_or_default(),
    }
}

/// Providers say much; a table has little room.
fn short(reason: &str) -> String {
    if reason.chars().count() <= REASON {
        return reason.to_owned();
    }
    let begin: String = reason.chars().take(REASON).collect();
    format!("{}...", begin.trim_end())
}

/// Cuts the access log into lines.
#[derive(Debug)]
pub(super) struct LineSink {
    rest: Vec<u8>,
    to: Sender<Trace>,
}

impl LineSink {
    /// Lines go there.
    pub(super) fn new(to: Sender<Trace>) -> Self {
        Self { rest: Vec::new(), to }
    }
}

impl Write for LineSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if let Ok(line) = serde_json::from_slice(&line) {
                // Without a reader the demo is over.
                drop(self.to.send(Trace(line)));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const LINE: &str = concat!(
        r#"{"request_id":"r1","method":"POST","path":"/v1/x","status":200,"traffic_policy":{"logs":[{"metadata":"#,
        r#"{"ai_gateway":{"models_tried":[{"provider":"anthropic","model":"m","requests_made":[{"status":"error","#,
        r#""error":"529 Overloaded","request":{"api_key":"sk-...good"},"response":{"status_code":529},"#,
        r#""upstream_latency":{"total_ms":12}}]},{"provider":"openrouter","model":"a/m","requests_made":[{"#,
        r#""status":"success","response":{"status_code":200},"upstream_latency":{"total_ms":130}}]}]}}}]}}"#,
    );

    #[test]
    fn lines_are_put_together_and_read() {
        let (to, from) = channel();
        let mut sink = LineSink::new(to);
        let (first, second) = LINE.split_at(100);
        sink.write_all(first.as_bytes()).unwrap();
        sink.write_all(format!("{second}\nnot json\n").as_bytes()).unwrap();
        let traces: Vec<Trace> = from.try_iter().collect();
        let [trace] = traces.as_slice() else { panic!("{traces:?}") };
        assert_eq!(trace.request_id(), "r1");
        let outcomes: Vec<_> = trace.attempts().into_iter().map(|a| (a.provider, a.outcome)).collect();
        assert_eq!(outcomes, [("anthropic".into(), "529".into()), ("openrouter".into(), "ok".into())]);
        let expected = "POST /v1/x -> 200\n     provider    model  key         outcome  reason           ms\n  \
                        1  anthropic   m      sk-...good  529      529 Overloaded   12\n  \
                        2  openrouter  a/m                ok                       130\n";
        assert_eq!(trace.render(), expected);
    }
}
