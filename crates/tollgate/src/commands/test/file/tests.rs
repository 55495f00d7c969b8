use super::*;

fn parsed(text: &str) -> Result<TestFile, String> {
    let parsed = parse(Source::new("a.test.yml", text), Path::new("folder/a.test.yml"));
    parsed.map_err(|findings| findings.to_string())
}

const FULL: &str = r#"
policy: p.yml
secrets:
  openai: {api-key: sk-1, number: 1.10}
tests:
  - name: all
    request:
      method: PUT
      path: /v1/x?a=b
      headers: {x-a: one, x-b: [two, three]}
      client_ip: "::1"
      body: {model: gpt-4o}
    outcomes:
      - {target: "openai:gpt-4o", key: "...aaaa", result: 503}
      - {target: openai, result: cut}
    expect:
      action: none
      status: 200
      error: none
      attempts: [{provider: openai, model: m, key: none, outcome: 503}, {outcome: "503"}, {}]
      headers: {x-tollgate-attempts: "2", x-gone: null}
      body_contains: [a, b]
  - name: little
    request: {body: text}
    expect: {body_contains: a}
"#;

#[test]
fn every_key_is_read() {
    let file = parsed(FULL).unwrap();
    assert_eq!(file.policy, Path::new("folder/p.yml"));
    let names: Vec<_> = file.secrets.iter().map(|(v, n, _)| (v.as_str(), n.as_str())).collect();
    assert_eq!(names, [("openai", "api-key"), ("openai", "number")]);
    let [all, little] = file.cases.as_slice() else { panic!("{file:?}") };
    assert_eq!((all.at.line, all.request.method.as_str()), (6, "PUT"));
    assert_eq!(all.request.uri.to_string(), "/v1/x?a=b");
    assert_eq!(all.request.headers.get_all("x-b").iter().count(), 2);
    assert_eq!(&*all.request.body, br#"{"model":"gpt-4o"}"#);
    assert_eq!(all.request.headers["content-type"], "application/json");
    assert_eq!(all.script[0].key.as_deref(), Some("...aaaa"));
    assert_eq!((all.script[0].outcome, all.script[1].outcome), (Outcome::Status(503), Outcome::Cut));
    let attempts = all.expect.attempts.as_ref().unwrap();
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt.outcome.as_deref()).collect();
    assert_eq!(outcomes, [Some("503"), Some("503"), None]);
    assert_eq!(all.expect.headers[1].1, None);
    assert_eq!(little.request.method, Method::POST);
    assert_eq!(little.request.uri.path(), "/v1/chat/completions");
    assert_eq!(little.request.headers["host"], "localhost");
    assert!(!little.request.headers.contains_key("content-type"), "a text is sent as it is");
    assert_eq!(little.expect.body_contains, ["a"]);
    assert!(little.expect.attempts.is_none());
}

#[test]
fn mistakes_have_their_places() {
    let with = |test: &str| format!("policy: p.yml\ntests:\n{test}\n");
    for (text, expected) in [
        ("tests: [{name: a, expect: {status: 200}}]".to_owned(), "`policy` is missing"),
        ("policy: p.yml".to_owned(), "`tests` is missing"),
        ("policy: p.yml\ntests: []".to_owned(), "`tests` needs at least one entry"),
        (with("  - {name: a}"), "`tests[0].expect` is missing"),
        (with("  - {expect: {status: 200}}"), "`tests[0].name` is missing"),
        (with("  - {name: a, expect: {}}"), "`tests[0].expect` needs at least one key"),
        (
            with("  - {name: a, expect: {statsu: 200}}"),
            "a.test.yml:3:24: error: there is no key `tests[0].expect.statsu`",
        ),
        (with("  - {name: a, expect: {status: 2000}}"), "`tests[0].expect.status`: is no status"),
        (
            with("  - {name: a, outcomes: [{target: x, result: bad}], expect: {status: 1}}"),
            "'bad' is no outcome",
        ),
        (with("  - {name: a, outcomes: [{target: x, result: 200}], expect: {status: 200}}"), "write `ok`"),
        (with("  - {name: a, request: {path: x}, expect: {status: 200}}"), "must begin with `/`"),
        (
            with("  - {name: a, request: {body: [1]}, expect: {status: 200}}"),
            "must be a mapping or text, not a list",
        ),
        (
            with("  - {name: a, expect: {status: 200}}\n  - {name: a, expect: {status: 200}}"),
            "a.test.yml:4:12: error: two tests have this name",
        ),
    ] {
        let said = parsed(&text).map(|_| ()).expect_err(&text);
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
}
