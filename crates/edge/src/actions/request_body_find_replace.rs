//! `request-body-find-replace`: changes the body of the request before anything reads it.

use super::find_replace::{LONGEST, REPLACEMENTS, Replacement, apply, check, read, result};
use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::Fault;
use crate::encoding::{Undecoded, plain};
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use tollgate_policy::{ActionSpec, Holds, Phase, ResultVar, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| Ok(Box::new(RequestBodyFindReplace { replacements: read(config) })),
};

static SPEC: ActionSpec = ActionSpec {
    name: "request-body-find-replace",
    result_name: "request_body_find_replace",
    summary: "Searches the request's body and replaces what matches; what follows, `ai-gateway` too, gets the new body. A \
              body compressed with gzip, deflate or br is made plain first, one that is compressed another way or is no UTF-8 text stays as it is, and \
              one of more than 10 MiB is refused.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Never,
    results: &[
        ResultVar::new("replacements", Holds::List, "One entry for each rule that matched, in their order."),
        ResultVar::new("replacements[].replacement_index", Holds::Int, "The place of the rule, from 0."),
        ResultVar::new("replacements[].matched_content", Holds::Text, "The first text that matched it."),
    ],
    differences: &[
        "Patterns are those of Rust's `regex`, of RE2's family, with the ASCII meaning of `\\d`, `\\w`, `\\s`, `\\b`; `\\C` and `\\Q…\\E` are not known.",
        "A body compressed with gzip, deflate or br is made plain to be searched. Limit: 10 MiB.",
    ],
    fields: &[REPLACEMENTS],
    check: Some(check),
    example: "- type: request-body-find-replace\n  config:\n    replacements:\n      - from: 'sk-[A-Za-z0-9]{20,}'\n        to: '[key removed]'\n",
};

struct RequestBodyFindReplace {
    replacements: Vec<Replacement>,
}

#[async_trait]
impl Action for RequestBodyFindReplace {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let body = cx.body().await?;
        let body = searched(cx, body)?;
        let Some(text) = body.as_deref().and_then(|body| std::str::from_utf8(body).ok()) else {
            cx.exchange.set_result(SPEC.result_name, || result(&[]));
            return Ok(Flow::Continue);
        };
        let (changed, matched) = apply(&self.replacements, &cx.exchange.activation(), text)?;
        cx.exchange.set_result(SPEC.result_name, || result(&matched));
        if let Some(changed) = changed {
            let headers = &mut cx.exchange.request.headers;
            headers.remove(CONTENT_ENCODING);
            if headers.contains_key(CONTENT_LENGTH) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(changed.len()));
            }
            cx.exchange.body = Some(changed.into());
        }
        Ok(Flow::Continue)
    }
}

/// The body without its compression; `None` for a coding that is not understood.
fn searched(cx: &RequestCx<'_>, body: Bytes) -> Result<Option<Bytes>, Fault> {
    let (code, status, message) = match plain(&cx.exchange.request.headers, body, LONGEST) {
        Ok(body) => return Ok(Some(body)),
        Err(Undecoded::Unknown(_)) => return Ok(None),
        Err(Undecoded::TooLong) => (
            3903,
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request body is longer than the {LONGEST} bytes that are searched"),
        ),
        Err(Undecoded::Broken) => {
            let message = "the request body is not what its content-encoding says".to_owned();
            (3904, StatusCode::BAD_REQUEST, message)
        }
    };
    Err(Fault { code, status, message })
}
