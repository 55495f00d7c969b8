//! What browsers are shown when a login does not go on, and other clients are told.

use super::failure::Failure;
use crate::answer::{Answer, ERROR_CODE_HEADER, error_code};
use crate::exchange::{Ending, Exchange};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// A failure: a page with a link to try again for browsers, an error in the client's dialect for others.
pub(super) fn failed(exchange: &mut Exchange, failure: &Failure, retry: Option<&str>) -> Answer {
    exchange.record.error_code = Some(failure.code);
    exchange.record.outcome = Ending::Refused;
    let id = exchange.request.id.clone();
    tracing::info!(request_id = %id, code = failure.code, "login: {}", failure.message);
    let mut answer = if wants_html(&exchange.request.headers) {
        let link = retry.map(|to| format!("<p><a href=\"{}\">Try again</a></p>", escaped(to)));
        let text = format!(
            "<h1>Login failed</h1><p>{}</p>{}<p><small>ERR_NGROK_{} &middot; {}</small></p>",
            escaped(&failure.message),
            link.unwrap_or_default(),
            failure.code,
            escaped(&id),
        );
        html(failure.status, "Login failed", &text)
    } else {
        failure.fault().answer(exchange.request.uri.path(), &id)
    };
    answer.headers.insert(ERROR_CODE_HEADER, error_code(failure.code));
    private(&mut answer.headers);
    answer
}

/// The end of a session, where the browser is to go nowhere else.
pub(super) fn logged_out(exchange: &Exchange, login: &str) -> Answer {
    let mut answer = if wants_html(&exchange.request.headers) {
        let text = format!("<h1>Logged out</h1><p><a href=\"{}\">Log in</a></p>", escaped(login));
        html(StatusCode::OK, "Logged out", &text)
    } else {
        Answer::json(StatusCode::OK, "{\"logged_out\":true}".into())
    };
    private(&mut answer.headers);
    answer
}

/// Sends a browser on. `None`: the address has characters that no header may have.
pub(super) fn redirect(to: &str) -> Option<Answer> {
    let mut answer = Answer::empty(StatusCode::FOUND);
    answer.headers.insert(LOCATION, HeaderValue::try_from(to).ok()?);
    private(&mut answer.headers);
    Some(answer)
}

/// Nothing of a login is kept by caches, and its address is told to nobody: it may have a code in it.
fn private(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

fn html(status: StatusCode, title: &str, text: &str) -> Answer {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>body{{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:36rem;padding:0 1rem}}\
         p{{overflow-wrap:anywhere}}</style></head><body>{text}</body></html>\n"
    );
    let mut answer = Answer { body: page.into(), ..Answer::empty(status) };
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        answer.headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn wants_html(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.to_ascii_lowercase().contains("text/html"))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{engine, exchange, shared};

    fn answer(accept: &str) -> (Answer, Exchange) {
        let shared = shared(&[]);
        let head = format!("GET /v1/chat/completions HTTP/1.1\r\naccept: {accept}\r\n\r\n");
        let mut exchange = exchange(&shared, &engine("on_http_request: []", &shared), &head);
        let failure = Failure::of_authorization("<script>alert(1)</script>", "\"'&");
        (failed(&mut exchange, &failure, Some("/ngrok/login?redirect_path=%2F&x=\"")), exchange)
    }

    #[test]
    fn a_page_shows_others_words_as_text() {
        let (answer, exchange) = answer("text/html,application/xhtml+xml");
        let page = String::from_utf8(answer.body.to_vec()).expect("text");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;` (&quot;&#39;&amp;)"), "{page}");
        assert!(page.contains("<a href=\"/ngrok/login?redirect_path=%2F&amp;x=&quot;\">"), "{page}");
        assert!(!page.contains("<script"));
        assert_eq!(answer.headers[ERROR_CODE_HEADER], "ERR_NGROK_3112");
        assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
        assert_eq!(exchange.record.error_code, Some(3112));
    }

    #[test]
    fn other_clients_get_the_error_in_their_dialect() {
        let (answer, _) = answer("application/json");
        let said: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(
            said["error"]["message"].as_str().is_some_and(|text| text.contains("did not let you in")),
            "{said}"
        );
        assert_eq!(answer.headers[CONTENT_TYPE], "application/json");
    }

    #[test]
    fn addresses_with_line_ends_are_none() {
        assert!(redirect("/a").is_some());
        assert!(redirect("/a\r\nset-cookie: x").is_none());
    }
}
