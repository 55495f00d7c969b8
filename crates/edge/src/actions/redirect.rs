//! `redirect`: sends the client to another URL.

use super::header_names::{HeaderTemplate, check as check_headers, templates};
use super::url_edit::{Edited, FROM, UrlEdit, check_from, encoded, result, split_before, split_scheme};
use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::{Answer, Fault};
use crate::proxy::request::remove_dot_segments;
use crate::web_url::parse;
use async_trait::async_trait;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use tollgate_expr::{Activation, Template};
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let status = config.get("status_code").and_then(|c| c.as_u64()).and_then(|n| u16::try_from(n).ok());
        let to = config.get("to").or(config.get("location")).and_then(|c| c.template());
        Ok(Box::new(Redirect {
            edit: UrlEdit::new(config, to.unwrap_or_else(|| Template::literal(""))),
            status: status.and_then(|n| StatusCode::from_u16(n).ok()).unwrap_or(StatusCode::FOUND),
            headers: templates(config.get("headers"))?,
        }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "redirect",
    result_name: "redirect",
    summary: "Sends the client to another URL, when a replacement in its own makes one; else the next action runs.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::OnSuccess,
    results: &[ResultVar::new("matches", Holds::List, "Every text that `from` matched, in order; without `from` the whole URL."), ResultVar::new("url", Holds::Text, "Where the client is sent; the URL of the request when it is not."), ResultVar::ERROR_CODE, ResultVar::ERROR_MESSAGE],
    differences: &["Patterns are those of Rust's `regex`, of RE2's family, with the ASCII meaning of `\\d`, `\\w`, `\\s`, `\\b`; `\\C` and `\\Q…\\E` are not known.", "`status_code` is 301, 302, 303, 307 or 308: the others of 3xx do not redirect.", "`location` is accepted as another name of `to`, with a warning."],
    fields: &[
        FROM,
        Field::optional(
            "to",
            Shape::Template,
            "What replaces each match; must be there. `$1` and `$name` are what groups matched, `$$` is a `$`. A result \
             that is no whole URL is relative to the request's.",
        ),
        Field::optional("location", Shape::Template, "Another name of `to`, without `from`."),
        Field::optional(
            "status_code",
            Shape::Int { min: 300, max: 399 },
            "301, 302, 303, 307 or 308. With 303 the client goes on with GET, with 307 and 308 it keeps its method.",
        )
        .or("302"),
        Field::optional("headers", Shape::HEADERS, "More headers of the answer, at most ten."),
    ],
    check: Some(check),
    example: "- type: redirect\n  config:\n    from: ^https?://[^/]+/old/(.*)$\n    to: https://docs.example.com/$1\n    status_code: 308\n",
};

const STATUSES: [u64; 5] = [301, 302, 303, 307, 308];

fn check(config: &Config<'_>, checker: &mut Checker) {
    check_from(config, checker);
    if let Some(status) = config.get("status_code")
        && let Some(number) = status.as_u64().filter(|number| !STATUSES.contains(number))
    {
        let help = Some("write 301, 302, 303, 307 or 308".into());
        checker.error(status, "ERR_NGROK_2222", format!("{number} is no status of a redirect"), help);
    }
    match (config.get("to"), config.get("location"), config.get("from")) {
        (None, None, _) => {
            let help = Some("add `to:` with the URL to go to".into());
            checker.error(config, "ERR_NGROK_2203", "`to` is missing".into(), help);
        }
        (Some(_), Some(location), _) => {
            let help = Some("remove `location`".into());
            checker.error(location, "ERR_NGROK_2203", "`location` is another name of `to`".into(), help);
        }
        (None, Some(location), Some(_)) => {
            let help = Some("write `to` instead".into());
            checker.error(location, "ERR_NGROK_2203", "beside `from` stands `to`".into(), help);
        }
        (None, Some(location), None) => {
            let help = Some("write `to` instead".into());
            checker.warning(location, "ERR_NGROK_2203", "`location` is called `to`".into(), help);
        }
        (Some(_), None, _) => {}
    }
    let names = config.get("headers").map(|headers| headers.entries()).unwrap_or_default();
    check_headers(&names, &["location"], checker);
}

struct Redirect {
    edit: UrlEdit,
    status: StatusCode,
    headers: Vec<HeaderTemplate>,
}

impl Redirect {
    fn answer(&self, location: &str, activation: &Activation<'_>) -> Result<Answer, Fault> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 1);
        for header in &self.headers {
            headers.append(header.name.clone(), header.render(activation)?);
        }
        // Other schemes lead into apps; what they look like is theirs.
        if location.starts_with("http") && location.contains("://") && parse(location).is_err() {
            return Err(Fault::policy(2226, "the URL to go to is none"));
        }
        let location =
            HeaderValue::try_from(location).map_err(|_| Fault::policy(2226, "the URL to go to is none"))?;
        headers.insert(LOCATION, location);
        Ok(Answer { headers, ..Answer::empty(self.status) })
    }
}

/// Where to go: always a whole URL (RFC 3986, section 5.2.2).
fn resolved(base: &str, reference: &str) -> String {
    let reference = encoded(reference);
    if split_scheme(&reference).is_some() {
        return reference;
    }
    let (scheme, rest) = split_scheme(base).unwrap_or(("http", base));
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (authority, rest) = split_before(rest, &['/', '?', '#']);
    let (path, query) = split_before(rest, &['?', '#']);
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}");
    }
    let origin = format!("{scheme}://{authority}");
    let (target, behind) = split_before(&reference, &['?', '#']);
    if target.is_empty() {
        let query = if behind.starts_with('?') { "" } else { query };
        return format!("{origin}{path}{query}{behind}");
    }
    let folder = path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or("/");
    let target = if target.starts_with('/') { target.to_owned() } else { format!("{folder}{target}") };
    format!("{origin}{}{behind}", remove_dot_segments(&target))
}

#[async_trait]
impl Action for Redirect {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let edited = self.edit.apply(&cx.exchange.activation());
        let edited = edited.map(|Edited { before, matches, after }| {
            let moved = after != before;
            let url = if moved { resolved(&before, &after) } else { before.clone() };
            (moved && url != before, (matches, url))
        });
        let (moved, said) = match edited {
            Ok((moved, said)) => (moved, Ok(said)),
            Err(fault) => (false, Err(fault)),
        };
        cx.exchange.set_result(SPEC.result_name, || result(&said));
        let (_, url) = said?;
        if !moved {
            return Ok(Flow::Continue);
        }
        Ok(Flow::Respond(self.answer(&url, &cx.exchange.activation())?))
    }
}

#[cfg(test)]
mod tests {
    use super::resolved;
    use crate::testing::{Run, Tested, loads};

    fn policy(config: &str) -> String {
        format!(
            "on_http_request:\n  - type: redirect\n    config: {{{config}}}\n  - type: custom-response\n    config:\n      \
             body: \"${{actions.ngrok.redirect.matches}} ${{actions.ngrok.redirect.url}}\"\n"
        )
    }

    async fn get(config: &str, path: &str) -> Run {
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: h.example\r\nx-city: San Francisco\r\nx-one: $1\r\n\r\n");
        Tested::new(&policy(config)).run(&head).await
    }

    #[tokio::test]
    async fn what_is_no_url_is_not_sent_to_anybody() {
        for to in ["http://", "http://[bad", "https://h.example:99999/x"] {
            let run = get(&format!("to: '{to}'"), "/").await;
            assert_eq!((run.status(), run.error_code()), (Some(500), Some(2226)), "{to}");
        }
        let app = get("to: 'myapp://login/done'", "/").await;
        assert_eq!((app.status(), app.header("location")), (Some(302), "myapp://login/done"));
    }

    #[tokio::test]
    async fn the_url_is_searched_and_replaced() {
        for (config, path, expected) in [
            ("from: /v1/, to: /v2/", "/api/v1/u?a=b", "http://h.example/api/v2/u?a=b"),
            ("from: /old, to: 'https://n.example/b'", "/old/f", "http://h.examplehttps://n.example/b/f"),
            (
                "from: '^https?://[^/]+/old/(.*)$', to: 'https://n.example/$1'",
                "/old/f?x=1",
                "https://n.example/f?x=1",
            ),
            ("from: '(?P<first>[a-z]+)/(\\d+)', to: '$2/$first$$'", "/ab/12", "http://h.example/12/ab$"),
            ("from: '/(a)', to: '/$1x'", "/a", "http://h.example/"),
            ("to: 'https://n.example/'", "/anything", "https://n.example/"),
            ("to: /login", "/a/b", "http://h.example/login"),
            ("to: 'c?d'", "/a/b", "http://h.example/a/c?d"),
            ("location: /login", "/a/b", "http://h.example/login"),
            ("from: '/$', to: \"/${req.headers['x-city'][0]}\"", "/", "http://h.example/San%20Francisco"),
            ("from: '/(a)', to: \"/${req.headers['x-one'][0]}\"", "/a", "http://h.example/$1"),
            ("from: \"${'/(' + 'a' + ')'}\", to: '/b$1'", "/a", "http://h.example/ba"),
            ("from: ^http, to: https", "/a", "https://h.example/a"),
        ] {
            let run = get(config, path).await;
            assert_eq!((run.status(), run.header("location")), (Some(302), expected), "{config}");
            assert_eq!(run.body(), "");
        }
    }

    #[tokio::test]
    async fn what_changes_nothing_goes_on() {
        for (config, path, said) in [
            ("from: /v1/, to: /v2/", "/v3/u", "[] http://h.example/v3/u"),
            ("from: ^/v1, to: /v2", "/v1/u", "[] http://h.example/v1/u"),
            ("from: '/[a-z]', to: '$0'", "/a/b", "[\"/h\",\"/a\",\"/b\"] http://h.example/a/b"),
            ("to: 'http://h.example/a'", "/a", "[\"http://h.example/a\"] http://h.example/a"),
            ("to: /a", "/a", "[\"http://h.example/a\"] http://h.example/a"),
        ] {
            let run = get(config, path).await;
            assert_eq!((run.status(), run.body().as_str()), (Some(200), said), "{config}");
        }
    }

    #[tokio::test]
    async fn status_and_headers() {
        for status in [301, 302, 303, 307, 308] {
            let config = format!("to: /b, status_code: {status}, headers: {{x-why: \"${{req.method}}\"}}");
            let run = get(&config, "/a").await;
            assert_eq!((run.status(), run.header("x-why")), (Some(status), "GET"));
        }
    }

    #[tokio::test]
    async fn a_search_that_cannot_be_computed_fails() {
        let run = get("from: \"${'('}\", to: /b", "/a").await;
        assert_eq!((run.status(), run.error_code()), (Some(500), Some(2261)));
        let run = get("from: /a, to: \"${int(req.headers['x-one'][0])}\"", "/a").await;
        assert_eq!((run.status(), run.error_code()), (Some(500), Some(2238)));
    }

    #[test]
    fn references_are_resolved() {
        let base = "https://h.example:8443/a/b?q=1";
        for (reference, expected) in [
            ("https://n.example", "https://n.example"),
            ("mailto:a@b.example", "mailto:a@b.example"),
            ("//n.example/x", "https://n.example/x"),
            ("/x/../y?z#f", "https://h.example:8443/y?z#f"),
            ("../x", "https://h.example:8443/x"),
            ("?z", "https://h.example:8443/a/b?z"),
            ("#f", "https://h.example:8443/a/b?q=1#f"),
            ("/é \"<>\r\n", "https://h.example:8443/%C3%A9%20%22%3C%3E%0D%0A"),
            ("/%20", "https://h.example:8443/%20"),
        ] {
            assert_eq!(resolved(base, reference), expected, "{reference}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_at_load() {
        for (config, code) in [
            ("from: a", "ERR_NGROK_2203"),
            ("to: /b, location: /c", "ERR_NGROK_2203"),
            ("from: a, location: /c", "ERR_NGROK_2203"),
            ("from: '(', to: /b", "ERR_NGROK_2261"),
            ("from: 'a{3', to: '${nothing.here}'", "ERR_NGROK_2224"),
            ("to: /b, status_code: 304", "ERR_NGROK_2222"),
            ("to: /b, status_code: 200", "ERR_NGROK_2215"),
            ("to: /b, status_code: found", "ERR_NGROK_2203"),
            ("to: /b, headers: {location: x}", "ERR_NGROK_2219"),
            ("to: /b, headers: {'x y': x}", "ERR_NGROK_2210"),
            ("to: [/b]", "ERR_NGROK_2203"),
            ("to: /b, permanent: true", "ERR_NGROK_2203"),
        ] {
            let said = loads(&policy(config)).expect_err(config);
            assert!(said.contains(code), "{config}: {said}");
        }
        assert!(loads(&policy("location: /b")).expect("loads").contains("is called `to`"));
        assert!(loads("on_http_response:\n  - type: redirect\n    config: {to: /b}\n").is_err());
    }
}
