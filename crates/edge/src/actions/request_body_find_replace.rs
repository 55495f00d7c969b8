//! `request-body-find-replace`: changes the body of the request before anything reads it.

use super::find_replace::{LONGEST, REPLACEMENTS, Replacement, apply, check, read, result};
use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::Fault;
use crate::encoding::{Coding, Undecoded};
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use tollgate_policy::{ActionSpec, Phase, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| Ok(Box::new(RequestBodyFindReplace { replacements: read(config) })),
};

static SPEC: ActionSpec = ActionSpec {
    name: "request-body-find-replace",
    result_name: "request_body_find_replace",
    summary: "Searches the request's body and replaces what matches; what follows, `ai-gateway` too, gets the new body. A \
              body compressed with gzip, deflate or br is made plain first, one that is no UTF-8 text stays as it is, and \
              one of more than 10 MiB is refused.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Never,
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
        let body = plain(cx, body)?;
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
fn plain(cx: &RequestCx<'_>, body: Bytes) -> Result<Option<Bytes>, Fault> {
    let too_long = || Fault {
        code: 3903,
        status: StatusCode::PAYLOAD_TOO_LARGE,
        message: format!("the request body is longer than the {LONGEST} bytes that are searched"),
    };
    let coding = cx.exchange.request.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    match coding.filter(|name| !name.trim().eq_ignore_ascii_case("identity")) {
        None if body.len() > LONGEST => Err(too_long()),
        None => Ok(Some(body)),
        Some(name) => match Coding::named(name).map(|coding| coding.decode(&body, LONGEST)) {
            None => Ok(None),
            Some(Ok(plain)) => Ok(Some(plain)),
            Some(Err(Undecoded::TooLong)) => Err(too_long()),
            Some(Err(Undecoded::Broken)) => Err(Fault {
                code: 3904,
                status: StatusCode::BAD_REQUEST,
                message: format!("the request body is not valid {name}"),
            }),
        },
    }
}
