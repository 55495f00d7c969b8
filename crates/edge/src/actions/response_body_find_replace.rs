//! `response-body-find-replace`: changes the body of the response before the client gets it.

use super::find_replace::{LONGEST, REPLACEMENTS, Replacement, apply, check, read, result};
use crate::action::{Action, ActionType, ResponseCx, ResponseFlow};
use crate::answer::Fault;
use crate::encoding::{Undecoded, plain};
use crate::response::Read;
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use tollgate_policy::{ActionSpec, Holds, Phase, ResultVar, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| Ok(Box::new(ResponseBodyFindReplace { replacements: read(config) })),
};

static SPEC: ActionSpec = ActionSpec {
    name: "response-body-find-replace",
    result_name: "response_body_find_replace",
    summary: "Searches the response's body and replaces what matches, also in answers of models. The body is held until all of \
              it has come; one of more than 10 MiB, or that is compressed another way or is no UTF-8 text, passes as it is. Streams of events pass too: \
              `sse-find-replace` changes those. A body compressed with gzip, deflate or br is sent plain.",
    phases: &[Phase::HttpResponse],
    terminating: Terminating::Never,
    results: &[
        ResultVar::new("replacements", Holds::List, "One entry for each rule that matched, in their order."),
        ResultVar::new("replacements[].replacement_index", Holds::Int, "The place of the rule, from 0."),
        ResultVar::new("replacements[].matched_content", Holds::Text, "The first text that matched it."),
    ],
    differences: &[
        "Patterns are those of Rust's `regex`, of RE2's family, with the ASCII meaning of `\\d`, `\\w`, `\\s`, `\\b`; `\\C` and `\\Q…\\E` are not known.",
        "A body compressed with gzip, deflate or br is made plain to be searched, and sent plain. Limit: 10 MiB.",
        "Streams of events pass: `sse-find-replace` is for those.",
    ],
    fields: &[REPLACEMENTS],
    check: Some(check),
    example: "- type: response-body-find-replace\n  config:\n    replacements:\n      - from: 'internal\\.example\\.com'\n        to: example.com\n",
};

struct ResponseBodyFindReplace {
    replacements: Vec<Replacement>,
}

#[async_trait]
impl Action for ResponseBodyFindReplace {
    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        let body = match cx.body.read(LONGEST).await {
            Read::Whole(body) => searched(cx, body)?,
            Read::TooLong => {
                let id = &cx.exchange.request.id;
                tracing::warn!(request_id = %id, "a body is longer than {LONGEST} bytes and is not searched");
                None
            }
            Read::Passing => None,
            Read::Broken => {
                return Err(Fault {
                    code: 3902,
                    status: StatusCode::BAD_GATEWAY,
                    message: "the upstream broke off before its answer was complete".into(),
                });
            }
        };
        let text = body.as_deref().and_then(|body| std::str::from_utf8(body).ok());
        let Some(text) = text else {
            cx.exchange.set_result(SPEC.result_name, || result(&[]));
            return Ok(ResponseFlow::Continue);
        };
        let (changed, matched) = apply(&self.replacements, &cx.exchange.activation_with(cx.response), text)?;
        cx.exchange.set_result(SPEC.result_name, || result(&matched));
        if let Some(changed) = changed {
            // They describe the body as it was. Its length is set when it is sent.
            for name in [CONTENT_ENCODING, CONTENT_LENGTH, ETAG, ACCEPT_RANGES] {
                cx.response.headers.remove(name);
            }
            for name in ["content-md5", "digest", "content-digest", "repr-digest"] {
                cx.response.headers.remove(name);
            }
            cx.body.replace(changed.into());
        }
        Ok(ResponseFlow::Continue)
    }

    fn works_on_bodies(&self) -> bool {
        true
    }
}

/// The body without its compression; `None` when it is not searched.
fn searched(cx: &ResponseCx<'_, '_>, body: Bytes) -> Result<Option<Bytes>, Fault> {
    match plain(&cx.response.headers, body, LONGEST) {
        Ok(body) => Ok(Some(body)),
        Err(Undecoded::Unknown(_)) => Ok(None),
        // What a rule is to take out must not reach the client because it was packed tightly.
        Err(Undecoded::TooLong) => {
            let message = format!("the response body has more than {LONGEST} bytes once it is plain");
            Err(Fault::policy(3903, message))
        }
        Err(Undecoded::Broken) => {
            Err(Fault::policy(3904, "the response body is not what its content-encoding says"))
        }
    }
}
