//! `deny`: refuses the request with a status and no body.

use crate::action::{Action, ActionType, ConnectCx, ConnectFlow, Flow, RequestCx};
use crate::answer::{Answer, Fault};
use async_trait::async_trait;
use http::StatusCode;
use tollgate_policy::{ActionSpec, Field, Phase, Scope, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let status = config.get("status_code").and_then(|c| c.as_u64()).and_then(|n| u16::try_from(n).ok());
        let status = status.and_then(|n| StatusCode::from_u16(n).ok()).unwrap_or(StatusCode::FORBIDDEN);
        Ok(Box::new(Deny { status }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "deny",
    result_name: "deny",
    summary: "Refuses the request: a status, no body, no further rules, no response phase. A connection is closed.",
    phases: &[Phase::TcpConnect, Phase::HttpRequest],
    terminating: Terminating::Always,
    results: &[],
    differences: &["`status_code` is from 200 to 599: a 1xx is no answer."],
    fields: &[Field::optional(
        "status_code",
        Shape::StatusCode { min: 200, max: 599 },
        "The status of the answer; not of a connection.",
    )
    .or("403")],
    check: Some(|config, checker| {
        if let Some(status) = config.get("status_code").filter(|_| config.scope() == Scope::Connect) {
            let help = Some("leave it out: the connection is closed without an answer".into());
            let message = "`status_code` means nothing to a connection".into();
            checker.error(status, "ERR_NGROK_2204", message, help);
        }
    }),
    example: "- type: deny\n  config:\n    status_code: 404\n",
};

struct Deny {
    status: StatusCode,
}

#[async_trait]
impl Action for Deny {
    async fn on_connect(&self, _cx: &mut ConnectCx<'_>) -> Result<ConnectFlow, Fault> {
        Ok(ConnectFlow::Close)
    }

    async fn on_request(&self, _cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Respond(Answer::empty(self.status)))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::run_request;

    #[tokio::test]
    async fn the_default_is_403_without_a_body() {
        let run = run_request("on_http_request:\n  - type: deny\n", "GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!((run.status(), run.body().as_str()), (Some(403), ""));
    }

    #[tokio::test]
    async fn nothing_after_it_runs() {
        let policy =
            "on_http_request:\n  - type: deny\n    config: {status_code: 418}\n  - type: custom-response\n";
        assert_eq!(run_request(policy, "GET / HTTP/1.1\r\n\r\n").await.status(), Some(418));
    }

    #[test]
    fn a_connection_has_no_status() {
        let said = crate::testing::loads("on_tcp_connect:\n  - type: deny\n    config: {status_code: 404}\n");
        assert!(
            said.expect_err("refused").contains("3:27: error: `status_code` means nothing to a connection")
        );
        assert!(crate::testing::loads("on_tcp_connect:\n  - type: deny\n").is_ok());
    }
}
