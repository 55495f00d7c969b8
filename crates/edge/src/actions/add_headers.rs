//! `add-headers`: adds headers to the request sent upstream, or to the response sent to the client.

use super::header_names::{HeaderTemplate, check, templates};
use crate::action::{Action, ActionType, Flow, RequestCx, ResponseCx, ResponseFlow};
use crate::answer::Fault;
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::sync::Arc;
use tollgate_expr::{Activation, Map, Value};
use tollgate_policy::{ActionSpec, Field, Holds, KeyRule, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let headers = templates(config.get("headers"))?;
        Ok(Box::new(AddHeaders { headers }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "add-headers",
    result_name: "add_headers",
    summary: "Adds headers to the request sent upstream, or to the response sent to the client.",
    phases: &[Phase::HttpRequest, Phase::HttpResponse],
    terminating: Terminating::Never,
    results: &[ResultVar::new("headers_added", Holds::Map, "Names, and the values that were added.")],
    differences: &[
        "Reserved headers (`connection`, `content-length`, `te`, `trailer`, `transfer-encoding`, `upgrade`, `ngrok-error-code`, `x-tollgate-*`) are refused when the policy is loaded: they frame the message, or are the gateway's own.",
    ],
    fields: &[Field::required(
        "headers",
        Shape::Map { value: &Shape::Template, min: 1, max: 10, keys: KeyRule::HeaderName },
        "Names and values. A header that is there already stays, and a second line is added; `host` is replaced. \
         To replace another header, remove it first with `remove-headers`.",
    )],
    check: Some(|config, checker| {
        let names = config.get("headers").map(|h| h.entries()).unwrap_or_default();
        check(&names, &["user-agent", "ngrok-skip-browser-warning"], checker);
    }),
    example: "- type: add-headers\n  config:\n    headers:\n      x-tenant: ${req.headers['x-team'][0]}\n",
};

struct AddHeaders {
    headers: Vec<HeaderTemplate>,
}

impl AddHeaders {
    fn rendered(&self, activation: &Activation<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
        self.headers.iter().map(|h| Ok((h.name.clone(), h.render(activation)?))).collect()
    }
}

fn result(added: &[(HeaderName, HeaderValue)]) -> Value {
    let added: Map = added
        .iter()
        .map(|(name, value)| (Arc::from(name.as_str()), Value::text(value.to_str().unwrap_or_default())))
        .collect();
    Value::Map(Arc::new(Map::from([("headers_added".into(), Value::Map(Arc::new(added)))])))
}

fn append(headers: &mut HeaderMap, added: Vec<(HeaderName, HeaderValue)>) {
    for (name, value) in added {
        headers.append(name, value);
    }
}

#[async_trait]
impl Action for AddHeaders {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let added = self.rendered(&cx.exchange.activation())?;
        cx.exchange.set_result(SPEC.result_name, || result(&added));
        for (name, value) in added {
            if name == header::HOST {
                cx.exchange.request.host = value.to_str().unwrap_or_default().into();
                cx.exchange.request.headers.insert(name, value);
            } else {
                cx.exchange.request.headers.append(name, value);
            }
        }
        Ok(Flow::Continue)
    }

    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        let added = self.rendered(&cx.exchange.activation_with(cx.response))?;
        cx.exchange.set_result(SPEC.result_name, || result(&added));
        append(&mut cx.response.headers, added);
        Ok(ResponseFlow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{loads, run_request, run_response};

    #[tokio::test]
    async fn a_second_line_is_added_and_host_is_replaced() {
        let policy = "on_http_request:\n  - type: add-headers\n    config:\n      headers: {x-a: two, host: new.example}\n";
        let run = run_request(policy, "GET / HTTP/1.1\r\nhost: old.example\r\nx-a: one\r\n\r\n").await;
        let lines: Vec<_> = run.exchange.request.headers.get_all("x-a").iter().collect();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(&*run.exchange.request.host, "new.example");
    }

    #[tokio::test]
    async fn a_value_with_a_line_break_fails_the_request() {
        let policy = r#"{"on_http_request": [{"type": "add-headers", "config": {"headers": {"x-a": "${'a\\r\\nset-cookie: b'}"}}}]}"#;
        let run = run_request(policy, "GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!((run.status(), run.error_code()), (Some(500), Some(2211)));
    }

    #[tokio::test]
    async fn response_headers_are_added_and_recorded() {
        let policy = "on_http_response:\n  - type: add-headers\n    config: {headers: {x-s: \"${res.status_code}\"}}\n  \
                      - type: add-headers\n    config: {headers: {x-t: \"${actions.ngrok.add_headers.headers_added['x-s']}\"}}\n";
        let headers = run_response(policy, 204, &[]).await;
        assert_eq!(headers.get("x-t").map(|v| v.as_bytes()), Some(&b"204"[..]));
    }

    #[test]
    fn headers_of_the_connection_are_refused_at_load() {
        for name in
            ["user-agent", "Content-Length", "ngrok-error-code", "x-tollgate-model", "transfer-encoding"]
        {
            let policy =
                format!("on_http_request:\n  - type: add-headers\n    config: {{headers: {{{name}: x}}}}\n");
            assert!(loads(&policy).unwrap_err().contains("ERR_NGROK_2219"), "{name}");
        }
    }
}
