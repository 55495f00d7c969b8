//! `close-connection`: ends the client's connection without an answer.

use crate::action::{Action, ActionType, ConnectCx, ConnectFlow, Flow, RequestCx};
use crate::answer::Fault;
use async_trait::async_trait;
use tollgate_policy::{ActionSpec, Phase, Terminating};

pub(super) static ACTION: ActionType =
    ActionType { spec: &SPEC, build: |_, _| Ok(Box::new(CloseConnection)) };

static SPEC: ActionSpec = ActionSpec {
    name: "close-connection",
    result_name: "close_connection",
    summary: "Closes the client's connection at once, without an answer. On HTTP/2 the stream is reset.",
    phases: &[Phase::TcpConnect, Phase::HttpRequest],
    terminating: Terminating::Always,
    results: &[],
    differences: &[],
    fields: &[],
    check: None,
    example: "- type: close-connection\n",
};

struct CloseConnection;

#[async_trait]
impl Action for CloseConnection {
    async fn on_connect(&self, _cx: &mut ConnectCx<'_>) -> Result<ConnectFlow, Fault> {
        Ok(ConnectFlow::Close)
    }

    async fn on_request(&self, _cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Close)
    }
}
