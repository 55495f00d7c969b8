//! What can be seen without a network: what is refused at load.

use crate::testing::loads;

fn config(config: &str) -> Result<String, String> {
    loads(&format!("on_http_request:\n  - type: http-request\n    config: {{{config}}}\n"))
}

#[test]
fn every_field_is_checked_at_load() {
    let long = format!("url: 'http://a', query_params: [{{key: {}, value: ''}}]", "k".repeat(129));
    let value = format!("url: 'http://a', query_params: [{{key: k, value: {}}}]", "v".repeat(8193));
    let many: Vec<String> = (0..33).map(|n| format!("{{key: k{n}, value: v}}")).collect();
    let many = format!("url: 'http://a', query_params: [{}]", many.join(", "));
    for (text, said) in [
        ("method: GET", "`url`"),
        ("url: 'ftp://a/'", "ERR_NGROK_2226"),
        ("url: 'http://u:p@a/'", "user name"),
        ("url: 'http://a', method: HEAD", "ERR_NGROK_2222"),
        ("url: 'http://a', method: TRACE", "ERR_NGROK_2222"),
        ("url: 'http://a', body: x", "has no body"),
        ("url: 'http://a', method: DELETE, body: x", "has no body"),
        ("url: 'http://a', timeout: 999ms", "at least 1s"),
        ("url: 'http://a', timeout: 31s", "at most 30s"),
        ("url: 'http://a', timeout: 3", "needs a unit"),
        ("url: 'http://a', max_redirects: 101", "from 0 to 100"),
        ("url: 'http://a', max_redirects: -1", "from 0 to 100"),
        ("url: 'http://a', retry_condition: 'attempt < 3'", "unknown name `attempt`"),
        ("url: 'http://a', retry_condition: 'last_attempt.status == 500'", "has no field `status`"),
        ("url: 'http://a', retry_condition: 'res.status_code == 500'", "`res` is not available here"),
        ("url: 'http://a', on_error: stop", "`continue` or `halt`"),
        ("url: 'http://a', headers: {host: b}", "ERR_NGROK_2219"),
        ("url: 'http://a', headers: {x-tollgate-hops: b}", "ERR_NGROK_2219"),
        ("url: 'http://a', headers: {content-length: '1'}", "ERR_NGROK_2219"),
        ("url: 'http://a', headers: {'a b': '1'}", "ERR_NGROK_2210"),
        ("url: '${nothing}'", "ERR_NGROK_2224"),
        ("url: 'http://a', query_params: [{key: a}]", "value` is missing"),
        ("url: 'http://a', follow: true", "there is no field"),
        (long.as_str(), "ERR_NGROK_2245"),
        (value.as_str(), "ERR_NGROK_2246"),
        (many.as_str(), "ERR_NGROK_2244"),
    ] {
        let found = config(text).expect_err(text);
        assert!(found.contains(said), "{text}: {found}");
    }
}

#[test]
fn conditions_may_stand_in_braces_and_see_what_their_phase_sees() {
    for condition in [
        "attempts < 3 && last_attempt.res.statusCode == 500",
        "'${attempts < 3}'",
        "'last_attempt.error != \"\"'",
    ] {
        let text = format!("url: 'http://a', retry_condition: {condition}");
        assert!(config(&text).is_ok(), "{condition}: {:?}", config(&text));
    }
    let inside = config("url: 'http://a', retry_condition: '${attempt < 3}'").expect_err("unknown");
    assert!(inside.contains("3:51"), "the position is that of the name: {inside}");
    let response = "on_http_response:\n  - type: http-request\n    config: {url: 'http://a', \
                    retry_condition: 'res.status_code == 500 && attempts < 2'}\n";
    assert!(loads(response).is_ok(), "{:?}", loads(response));
    let elsewhere =
        loads("on_http_request:\n  - expressions: ['attempts < 3']\n    actions: [{type: deny}]\n");
    assert!(elsewhere.expect_err("not there").contains("`retry_condition` of `http-request`"));
    let connect = loads("on_tcp_connect:\n  - type: http-request\n    config: {url: 'http://a'}\n");
    assert!(connect.expect_err("the wrong phase").contains("ERR_NGROK_2202"));
}

#[tokio::test]
async fn an_explained_request_calls_nobody_and_its_attempts_are_those_at_providers() {
    let policy = "on_http_request:\n  - type: http-request\n    config: {url: 'http://a/'}\n  - type: ai-gateway\n    \
                  config: {providers: [{id: openai, api_keys: [{value: k}]}]}\n";
    let shared = crate::testing::shared(&[]);
    let engine = crate::testing::engine(policy, &shared);
    let request = crate::explain::DryRequest {
        method: http::Method::POST,
        uri: http::Uri::from_static("/v1/chat/completions"),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::from_static(br#"{"model":"openai:gpt-4o","messages":[]}"#),
        client_ip: [127, 0, 0, 1].into(),
    };
    let cut = crate::dry::ScriptedOutcome {
        target: "openai".into(),
        key: None,
        outcome: crate::dry::Outcome::Cut,
        once: false,
    };
    let explained = crate::explain::explain(&engine, &shared, request, vec![cut]).await;
    let outcomes: Vec<_> = explained.trace.attempts.iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["cut"], "{:?}", explained.trace);
}
