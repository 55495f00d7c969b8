//! `url-rewrite`: changes the URL that later rules and the upstream see.

use super::url_edit::{Edited, FROM, UrlEdit, check_from, encoded, result, split_before, split_scheme};
use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::Fault;
use crate::proxy::request::normalised;
use async_trait::async_trait;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Uri};
use tollgate_expr::{RequestFacts, Template};
use tollgate_policy::{ActionSpec, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let to = config.get("to").and_then(|c| c.template()).unwrap_or_else(|| Template::literal(""));
        Ok(Box::new(UrlRewrite { edit: UrlEdit::new(config, to) }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "url-rewrite",
    result_name: "url_rewrite",
    summary: "Changes the URL that later rules and the upstream see; the client notices nothing.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Never,
    results: &[
        ResultVar::new(
            "matches",
            Holds::List,
            "Every text that `from` matched, in order; without `from` the whole URL.",
        ),
        ResultVar::new("url", Holds::Text, "The URL it became."),
        ResultVar::ERROR_CODE,
        ResultVar::ERROR_MESSAGE,
    ],
    differences: &[
        "Patterns are those of Rust's `regex`, of RE2's family, with the ASCII meaning of `\\d`, `\\w`, `\\s`, `\\b`; `\\C` and `\\Q…\\E` are not known.",
        "Another host in the URL changes the `Host` header, and not the server that is asked.",
    ],
    fields: &[
        FROM,
        Field::required(
            "to",
            Shape::Template,
            "What replaces each match. `$1` and `$name` are what groups matched, `$$` is a `$`. The result is a whole \
             URL, or a path; where its host is empty, the host stays. Another host changes the `Host` header, not the \
             server that is asked.",
        ),
    ],
    check: Some(check_from),
    example: "- type: url-rewrite\n  config:\n    from: /openai/deployments/[^/]+/\n    to: /v1/\n",
};

struct UrlRewrite {
    edit: UrlEdit,
}

/// A URL taken apart: another host, if there is one, path and query.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    host: Option<Authority>,
    uri: Uri,
}

fn parts(url: &str) -> Option<Parts> {
    let url = encoded(url);
    let (url, _) = split_before(&url, &['#']); // what is behind it never reaches a server
    let (authority, rest) = match split_scheme(url) {
        Some((_, rest)) => split_before(rest.strip_prefix("//")?, &['/', '?']),
        None if url.starts_with('/') => ("", url),
        None => return None,
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host {
        "" => None,
        host => Some(host.to_ascii_lowercase().parse().ok()?),
    };
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let uri: Uri = format!("{slash}{rest}").parse().ok()?;
    Some(Parts { host, uri: normalised(&uri) })
}

/// Puts the parts in the request; the URL it has then.
fn put(request: &mut RequestFacts, Parts { host, uri }: Parts) {
    request.uri = uri;
    let Some(host) = host.filter(|host| host.as_str() != &*request.host) else { return };
    request.host = host.as_str().into();
    if let Ok(value) = HeaderValue::try_from(host.as_str()) {
        request.headers.insert(HOST, value);
    }
}

#[async_trait]
impl Action for UrlRewrite {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let edited = self.edit.apply(&cx.exchange.activation());
        let said = edited.and_then(|Edited { before, matches, after }| {
            if after != before {
                let parts = parts(&after)
                    .ok_or_else(|| Fault::policy(2226, "what url-rewrite makes of the URL is none"))?;
                put(&mut cx.exchange.request, parts);
            }
            Ok((matches, after))
        });
        cx.exchange.set_result(SPEC.result_name, || result(&said));
        said.map(|_| Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Tested, loads};

    fn policy(config: &str) -> String {
        format!(
            "on_http_request:\n  - type: url-rewrite\n    config: {{{config}}}\n  - type: custom-response\n    config:\n      \
             body: \"${{req.url}} ${{actions.ngrok.url_rewrite.matches}} ${{actions.ngrok.url_rewrite.url}}\"\n"
        )
    }

    async fn body(config: &str, path: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\nhost: H.example\r\nx-one: $1\r\n\r\n");
        Tested::new(&policy(config)).run(&head).await.body()
    }

    #[tokio::test]
    async fn later_rules_see_the_new_url() {
        for (config, path, url, matches) in [
            ("from: /v1/, to: /v2/", "/api/v1/u?a=b", "http://h.example/api/v2/u?a=b", "[\"/v1/\"]"),
            ("from: 'h.example/', to: '/p'", "/q?r", "http://h.example/pq?r", "[\"h.example/\"]"),
            (
                "from: '^https?://h.example/a', to: '/b'",
                "/a/c",
                "http://h.example/b/c",
                "[\"http://h.example/a\"]",
            ),
            ("from: 'h[.]example', to: N.example:81", "/a", "http://n.example:81/a", "[\"h.example\"]"),
            ("from: ^http, to: https", "/a", "http://h.example/a", "[\"http\"]"),
            (
                "from: '(\\w+)=(\\w+)', to: '$2=$1'",
                "/?a=1&b=2",
                "http://h.example/?1=a&2=b",
                "[\"a=1\",\"b=2\"]",
            ),
            ("from: '/(a)$', to: \"/${req.headers['x-one'][0]}\"", "/a", "http://h.example/$1", "[\"/a\"]"),
            ("to: '/all?of=it'", "/a", "http://h.example/all?of=it", "[\"http://h.example/a\"]"),
            ("to: 'http://user:pw@n.example'", "/a", "http://n.example/", "[\"http://h.example/a\"]"),
            ("from: /a, to: '/x y#z'", "/a", "http://h.example/x%20y", "[\"/a\"]"),
            ("from: /x, to: /y", "/a", "http://h.example/a", "[]"),
        ] {
            let said = body(config, path).await;
            let mut words = said.splitn(3, ' ');
            assert_eq!((words.next(), words.next()), (Some(url), Some(matches)), "{config}: {said}");
        }
        assert!(body("from: /a/b, to: /../c", "/a/b").await.starts_with("http://h.example/c "), "normalised");
        assert!(body("from: /a, to: /b", "/a").await.ends_with(" http://h.example/b"), "the result");
    }

    #[tokio::test]
    async fn the_host_header_follows_the_host() {
        let run = Tested::new(
            "on_http_request:\n  - type: url-rewrite\n    config: {from: h.example, to: n.example}\n",
        )
        .run("GET /a HTTP/1.1\r\nhost: h.example\r\n\r\n")
        .await;
        assert_eq!(run.status(), None);
        assert_eq!(
            (&*run.exchange.request.host, &run.exchange.request.headers["host"]),
            ("n.example", &"n.example".parse().unwrap())
        );
        assert_eq!(
            (run.exchange.request.uri.to_string().as_str(), run.exchange.request.raw_uri.path()),
            ("/a", "/a")
        );
    }

    #[tokio::test]
    async fn what_makes_no_url_fails() {
        for (config, code) in [
            ("to: nowhere", 2226),
            ("to: 'http:/a'", 2226),
            ("to: 'http://a b/'", 2226),
            ("from: \"${'('}\", to: /b", 2261),
            ("from: /a, to: \"${int(req.headers['x-one'][0])}\"", 2238),
            ("from: '.', to: '$0$0$0$0'", 0),
        ] {
            let head = "GET /a HTTP/1.1\r\nhost: h.example\r\nx-one: $1\r\n\r\n";
            let run = Tested::new(&policy(config)).run(head).await;
            assert_eq!(run.error_code().unwrap_or_default(), if code == 0 { 2226 } else { code }, "{config}");
            assert_eq!(run.status(), Some(500), "{config}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_at_load() {
        for (config, code) in [
            ("from: a", "ERR_NGROK_2203"),
            ("from: '[', to: /b", "ERR_NGROK_2261"),
            ("from: a, to: '${nothing.here}'", "ERR_NGROK_2224"),
            ("from: a, to: /b, status_code: 302", "ERR_NGROK_2203"),
        ] {
            let said = loads(&policy(config)).expect_err(config);
            assert!(said.contains(code), "{config}: {said}");
        }
        assert!(loads("on_http_response:\n  - type: url-rewrite\n    config: {to: /b}\n").is_err());
    }
}
