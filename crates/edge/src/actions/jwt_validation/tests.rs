//! What can be seen without keys: what is refused at load, and tokens that are refused before a key is looked for.

use crate::testing::{loads, run_request};

fn policy(changes: &[(&str, &str)]) -> String {
    let mut text = "on_http_request:
  - type: jwt-validation
    config:
      issuer: {allow_list: [{value: 'https://issuer.example/'}]}
      audience: {allow_list: [{value: api}]}
      http: {tokens: [{type: jwt, method: header, name: Authorization, prefix: 'Bearer '}]}
      jws:
        allowed_algorithms: [RS256, ES256]
        keys: {sources: {additional_jkus: ['https://issuer.example/jwks']}, identification: {token_claims: [kid]}}
  - type: custom-response
"
    .to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

#[test]
fn lists_of_one_may_stand_for_mappings() {
    assert!(loads(&policy(&[])).is_ok(), "{:?}", loads(&policy(&[])));
    let listed = [(
        "{sources: {additional_jkus: ['https://issuer.example/jwks']}, identification: {token_claims: [kid]}}",
        "[{sources: [{additional_jkus: ['https://issuer.example/jwks']}], identification: [{token_claims: [kid]}]}]",
    )];
    assert!(loads(&policy(&listed)).is_ok(), "{:?}", loads(&policy(&listed)));
    let without = [
        (", identification: {token_claims: [kid]}", ""),
        ("      audience: {allow_list: [{value: api}]}\n", ""),
    ];
    assert!(loads(&policy(&without)).is_ok());
}

#[test]
fn every_field_is_checked_at_load() {
    for ((from, to), said) in [
        (("[RS256, ES256]", "[HS256]"), "ERR_NGROK_2222"),
        (("[RS256, ES256]", "[none]"), "ERR_NGROK_2222"),
        (("[RS256, ES256]", "[ES512]"), "ERR_NGROK_2222"),
        (("[RS256, ES256]", "[]"), "allowed_algorithms"),
        (("[{value: 'https://issuer.example/'}]", "[]"), "allow_list"),
        (("[{value: 'https://issuer.example/'}]", "['https://issuer.example/']"), "mapping"),
        (("[{value: api}]", "[]"), "allow_list"),
        (("      issuer: {allow_list: [{value: 'https://issuer.example/'}]}\n", ""), "`issuer`"),
        (("type: jwt,", "type: bearer,"), "ERR_NGROK_2222"),
        (("method: header", "method: query"), "ERR_NGROK_2222"),
        (("name: Authorization,", ""), "name` is missing"),
        (("name: Authorization,", "name: 'a b',"), "ERR_NGROK_2210"),
        (
            ("tokens: [{type: jwt, method: header, name: Authorization, prefix: 'Bearer '}]", "tokens: []"),
            "tokens",
        ),
        (("'https://issuer.example/jwks'", "'issuer.example/jwks'"), "ERR_NGROK_2226"),
        (("['https://issuer.example/jwks']", "[]"), "additional_jkus"),
        (("'https://issuer.example/jwks'", "'${nobody}'"), "ERR_NGROK_2224"),
        (("[kid]", "[x5t]"), "ERR_NGROK_2222"),
        (("issuer:", "enforce: false\n      issuer:"), "there is no field"),
    ] {
        let found = loads(&policy(&[(from, to)])).expect_err(to);
        assert!(found.contains(said), "{to}: {found}");
    }
    let plain = loads(&policy(&[("'https://issuer.example/jwks'", "'http://issuer.example/jwks'")]));
    assert!(plain.expect("loads").contains("https://"));
    let response = policy(&[("on_http_request", "on_http_response")]);
    assert!(loads(&response).expect_err("the wrong phase").contains("ERR_NGROK_2202"));
}

#[tokio::test]
async fn what_is_no_token_is_refused_before_keys_are_fetched() {
    for (headers, code) in [
        ("", 3408),
        ("authorization: a.b.c\r\n", 3413),
        ("authorization: Bearer a.b\r\n", 3416),
        ("authorization: Bearer a.b.c.d.e\r\n", 3416),
        ("authorization: Bearer a.b.c\r\nauthorization: Bearer a.b.c\r\n", 3406),
        ("authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n", 3401),
        ("authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.\r\n", 3401),
    ] {
        let run = run_request(&policy(&[]), &format!("GET / HTTP/1.1\r\n{headers}\r\n")).await;
        assert_eq!((run.status(), run.error_code()), (Some(401), Some(code)), "{headers}");
    }
    // The scripted servers of dry runs have no keys.
    let token = "authorization: bearer eyJhbGciOiJSUzI1NiJ9.e30.AAAA\r\n";
    let run = run_request(&policy(&[]), &format!("GET / HTTP/1.1\r\n{token}\r\n")).await;
    assert_eq!((run.status(), run.error_code()), (Some(503), Some(3422)));
    let computed = policy(&[("'https://issuer.example/jwks'", "\"https://${req.headers['x-a'][0]}/\"")]);
    let run = run_request(&computed, &format!("GET / HTTP/1.1\r\nx-a: evil.example\r\n{token}\r\n")).await;
    assert_eq!(
        (run.status(), run.error_code()),
        (Some(503), Some(3422)),
        "the host is not in the operator's list"
    );
}
