//! `remove-headers`: removes headers from the request sent upstream, or from the response sent to the client.

use super::header_names::check;
use crate::action::{Action, ActionType, Flow, RequestCx, ResponseCx, ResponseFlow};
use crate::answer::Fault;
use async_trait::async_trait;
use http::{HeaderMap, HeaderName};
use std::sync::Arc;
use tollgate_expr::{Map, Value};
use tollgate_policy::{ActionSpec, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let names = config.get("headers").map(|list| list.as_list()).unwrap_or_default();
        let headers = names.iter().filter_map(|name| HeaderName::try_from(name.as_str()?).ok()).collect();
        Ok(Box::new(RemoveHeaders { headers }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "remove-headers",
    result_name: "remove_headers",
    summary: "Removes headers from the request sent upstream, or from the response sent to the client.",
    phases: &[Phase::HttpRequest, Phase::HttpResponse],
    terminating: Terminating::Never,
    results: &[ResultVar::new("headers_removed", Holds::List, "The names that were there.")],
    differences: &[
        "Reserved headers (`connection`, `content-length`, `te`, `trailer`, `transfer-encoding`, `upgrade`, `ngrok-error-code`, `x-tollgate-*`) are refused when the policy is loaded: they frame the message, or are the gateway's own.",
        "`host` cannot be removed: `add-headers` replaces it.",
    ],
    fields: &[Field::required(
        "headers",
        Shape::List { item: &Shape::HeaderName, min: 1, max: 10 },
        "Names; every line of each is removed. One that is not there is no error.",
    )],
    check: Some(|config, checker| {
        let names = config.get("headers").map(|list| list.as_list()).unwrap_or_default();
        let names: Vec<_> = names.iter().filter_map(|name| Some((name.as_str()?, *name))).collect();
        check(&names, &["user-agent", "host"], checker);
    }),
    example: "- type: remove-headers\n  config:\n    headers: [x-internal-token]\n",
};

struct RemoveHeaders {
    headers: Vec<HeaderName>,
}

impl RemoveHeaders {
    fn remove(&self, headers: &mut HeaderMap) -> Vec<Value> {
        let present = self.headers.iter().filter(|name| headers.remove(*name).is_some());
        present.map(|name| Value::text(name.as_str())).collect()
    }
}

fn result(removed: Vec<Value>) -> Value {
    Value::Map(Arc::new(Map::from([("headers_removed".into(), Value::List(removed.into()))])))
}

#[async_trait]
impl Action for RemoveHeaders {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let removed = self.remove(&mut cx.exchange.request.headers);
        cx.exchange.set_result(SPEC.result_name, || result(removed));
        Ok(Flow::Continue)
    }

    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        let removed = self.remove(&mut cx.response.headers);
        cx.exchange.set_result(SPEC.result_name, || result(removed));
        Ok(ResponseFlow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{loads, run_request, run_response};

    #[tokio::test]
    async fn every_line_goes_and_the_result_names_what_was_there() {
        let policy = "on_http_request:\n  - type: remove-headers\n    config: {headers: [X-A, x-missing]}\n  \
                      - type: custom-response\n    config: {body: \"${actions.ngrok.remove_headers.headers_removed}\"}\n";
        let run = run_request(policy, "GET / HTTP/1.1\r\nx-a: 1\r\nx-a: 2\r\n\r\n").await;
        assert!(run.exchange.request.headers.get("x-a").is_none());
        assert_eq!(run.body(), r#"["x-a"]"#);
    }

    #[tokio::test]
    async fn response_headers_are_removed() {
        let policy = "on_http_response:\n  - type: remove-headers\n    config: {headers: [server]}\n";
        assert!(run_response(policy, 200, &[("server", "x")]).await.get("server").is_none());
    }

    #[test]
    fn host_and_user_agent_stay() {
        for name in ["host", "user-agent"] {
            let policy =
                format!("on_http_request:\n  - type: remove-headers\n    config: {{headers: [{name}]}}\n");
            assert!(loads(&policy).unwrap_err().contains("ERR_NGROK_2219"), "{name}");
        }
    }
}
