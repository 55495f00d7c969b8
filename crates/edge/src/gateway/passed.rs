//! A provider's error answer on its way to the client.

use super::receive::{Failed, FailedAnswer};
use super::relay::clean;
use super::report::blotted;
use crate::answer::Answer;
use bytes::Bytes;
use secrecy::ExposeSecret;
use tollgate_dialect::{Edits, Surface, UpstreamError, edit, peek, render_provider_error};
use tollgate_select::Key;

/// The field in which OpenRouter's errors name the owner of the key.
const ACCOUNT: &str = "user_id";

/// A provider's error answer in the client's dialect: as it came, if that is the provider's own.
pub(super) fn passed(failed: Failed, key: Option<&Key>, surface: Surface, id: &str) -> Option<Answer> {
    let (translated, said) = (failed.translated, failed.said);
    let mut answer = pass(failed.answer?, key);
    if translated && let Some(said) = said {
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
    let mut body = without_account(answer.body);
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

/// An error body without the account it belongs to: OpenRouter names the owner of the key beside the error.
fn without_account(body: Bytes) -> Bytes {
    let Ok(peek) = peek(&body) else { return body };
    let account = [ACCOUNT.to_owned()];
    let edits = Edits { deny: &[&account], ..Edits::none(Surface::Completions) };
    edit(&body, &peek, &edits).chunks.concat().into()
}
