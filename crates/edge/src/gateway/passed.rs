//! A provider's error answer on its way to the client.

use super::account;
use super::receive::{Failed, FailedAnswer};
use super::relay::clean;
use super::report::blotted;
use crate::answer::Answer;
use secrecy::ExposeSecret;
use tollgate_dialect::{Surface, UpstreamError, is_foreign_error, render_provider_error};
use tollgate_select::Key;

/// A provider's error answer in the client's dialect: as it came, if that is the provider's own. Where it speaks
/// several, its errors may be in another one than its answers.
pub(super) fn passed(failed: Failed, key: Option<&Key>, surface: Surface, id: &str) -> Option<Answer> {
    let (translated, said) = (failed.translated, failed.said);
    let mut answer = pass(failed.answer?, key);
    let foreign = translated || is_foreign_error(surface.format(), &answer.body);
    if foreign && let Some(said) = said {
        let said = match key {
            Some(key) => UpstreamError { message: blotted(&said.message, key), ..said },
            None => said,
        };
        answer.body = render_provider_error(surface.format(), answer.status, &said, id);
        answer.headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    }
    Some(answer)
}

/// A provider's error answer as it goes to the client.
///
/// Some providers repeat the key in their errors: it goes no further than here.
fn pass(answer: FailedAnswer, key: Option<&Key>) -> Answer {
    let mut headers = answer.headers;
    clean(&mut headers);
    let mut body = account::left_out(answer.body);
    if let Some(secret) = key.map(|key| key.value.expose_secret()).filter(|secret| !secret.is_empty()) {
        if memchr::memmem::find(&body, secret.as_bytes()).is_some() {
            body = String::from_utf8_lossy(&body).replace(secret, "***").into();
        }
        let repeats =
            |value: &http::HeaderValue| memchr::memmem::find(value.as_bytes(), secret.as_bytes()).is_some();
        let told: Vec<_> = headers.iter().filter(|(_, v)| repeats(v)).map(|(name, _)| name.clone()).collect();
        for name in told {
            headers.remove(name);
        }
    }
    Answer { status: answer.status, headers, body, response_phase: false }
}
