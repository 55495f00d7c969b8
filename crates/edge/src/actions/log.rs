//! `log`: adds an entry to the request's line in the access log.

use crate::action::{
    Action, ActionType, BuildError, ConnectCx, ConnectFlow, Flow, RequestCx, ResponseCx, ResponseFlow,
};
use crate::answer::Fault;
use crate::exchange::{Exchange, LateLog};
use async_trait::async_trait;
use std::sync::Arc;
use tollgate_expr::{EvalError, Map, Value};
use tollgate_policy::{
    ActionSpec, Field, Holds, JsonTemplate, KeyRule, Phase, ResultVar, Shape, Terminating,
};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, cx| {
        let metadata = config.get("metadata").and_then(|m| m.json_template());
        let metadata = metadata.ok_or_else(|| BuildError {
            at: cx.def.at,
            code: "ERR_NGROK_2203",
            message: "`metadata` cannot be read".into(),
            help: None,
        })?;
        Ok(Box::new(Log { metadata }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "log",
    result_name: "log",
    summary: "Adds an entry to the line of the request, or of the connection, in the access log.",
    phases: &[Phase::TcpConnect, Phase::HttpRequest, Phase::HttpResponse],
    terminating: Terminating::Never,
    results: &[ResultVar::new("metadata", Holds::Map, "What was recorded.")],
    differences: &["The entry is in the line of the access log, not in an event of ngrok's service."],
    fields: &[Field::required(
        "metadata",
        Shape::Map { value: &Shape::Json, min: 0, max: 100, keys: KeyRule::Any },
        "What to record. Text is interpolated; a text that is exactly one `${}` keeps its type. Never put secrets here.",
    )],
    check: None,
    example: "- type: log\n  config:\n    metadata:\n      team: ${req.headers['x-team'][0]}\n",
};

struct Log {
    metadata: JsonTemplate,
}

fn record(exchange: &mut Exchange, metadata: Result<Value, EvalError>) -> Result<(), Fault> {
    let metadata = metadata.map_err(|e| Fault::interpolation("metadata", &e))?;
    exchange.set_result(SPEC.result_name, || {
        Value::Map(Arc::new(Map::from([("metadata".into(), metadata.clone())])))
    });
    exchange.logs.push(metadata);
    Ok(())
}

#[async_trait]
impl Action for Log {
    async fn on_connect(&self, cx: &mut ConnectCx<'_>) -> Result<ConnectFlow, Fault> {
        let metadata = self.metadata.eval(&cx.exchange.activation());
        record(cx.exchange, metadata)?;
        Ok(ConnectFlow::Continue)
    }

    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let metadata = self.metadata.eval(&cx.exchange.activation());
        record(cx.exchange, metadata)?;
        Ok(Flow::Continue)
    }

    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        let metadata = self.metadata.eval(&cx.exchange.activation_with(cx.response));
        record(cx.exchange, metadata)?;
        let index = cx.exchange.logs.len().saturating_sub(1);
        if let Some(late) = &mut cx.exchange.late_logs {
            let (metadata, response) = (self.metadata.clone(), cx.response.clone());
            late.push(LateLog { index, metadata, response, level: cx.exchange.present });
        }
        Ok(ResponseFlow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::run_request;

    #[tokio::test]
    async fn entries_keep_their_types() {
        let policy = "on_http_request:\n  - type: log\n    config: {metadata: {n: '${1 + 1}', t: 'x-${req.method}', l: [true]}}\n";
        let run = run_request(policy, "GET / HTTP/1.1\r\n\r\n").await;
        let entries: Vec<_> = run.exchange.logs.iter().map(|v| v.to_json().to_string()).collect();
        assert_eq!(entries, [r#"{"l":[true],"n":2,"t":"x-GET"}"#]);
    }
}
