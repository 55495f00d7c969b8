//! The rule set that is installed, against attacks, everyday requests and the library's corners.

#![expect(clippy::expect_used, reason = "helpers of tests")]

mod attacks;
mod engine;
mod prompts;

use crate::{CoreRules, Request, Response, SAMPLE, Sample, Verdict};
use std::path::Path;
use std::sync::Arc;

const RULES: &str = "/usr/share/modsecurity-crs/rules";

fn rules() -> Arc<CoreRules> {
    without(&[])
}

fn without(excluded: &[u32]) -> Arc<CoreRules> {
    CoreRules::load(Path::new(RULES), excluded).expect("the rules of the package modsecurity-crs")
}

fn get(target: &str) -> Request {
    let address = ([127, 0, 0, 1], 80).into();
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    Request {
        client: address,
        server: address,
        method: "GET".into(),
        target: target.into(),
        version: "1.1",
        headers: vec![
            header("host", "api.example.com"),
            header("user-agent", "OpenAI/Python 1.50.0"),
            header("accept", "application/json"),
        ],
        body: None,
    }
}

fn post(content_type: &str, body: &str) -> Request {
    let mut request = get("/v1/chat/completions");
    request.method = "POST".into();
    request.headers.push(("content-type".into(), content_type.into()));
    request.headers.push(("content-length".into(), body.len().to_string().into()));
    request.body = Some(Sample::new(content_type, body.as_bytes()));
    request
}

/// A chat completion as OpenAI's SDK sends it, with this prompt.
fn chat(prompt: &str) -> Request {
    let body = serde_json::json!({
        "model": "gpt-4o", "messages": [
            {"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": prompt},
        ], "stream": true,
    });
    post("application/json", &body.to_string())
}

fn with_header(name: &str, value: &str) -> Request {
    let mut request = get("/");
    request.headers.retain(|(known, _)| known != name);
    request.headers.push((name.into(), value.into()));
    request
}

fn ids(verdict: &Verdict) -> Vec<u32> {
    verdict.matched.iter().map(|rule| rule.id).collect()
}

fn judge(rules: &CoreRules, request: &Request) -> Verdict {
    let verdict = rules.request(request).expect("a verdict");
    let least: u32 = verdict.matched.iter().map(|rule| points(rule.severity)).sum();
    assert!(verdict.score >= least, "a score of {} from {:?}", verdict.score, verdict.matched);
    assert_eq!(verdict.score > 0, !verdict.matched.is_empty(), "what scores is named: {verdict:?}");
    verdict
}

fn points(severity: &str) -> u32 {
    match severity {
        "critical" => 5,
        "error" => 4,
        "warning" => 3,
        _ => 2,
    }
}

/// Whether a request is to be refused.
fn denied(verdict: &Verdict) -> bool {
    verdict.score >= CoreRules::INBOUND_THRESHOLD
}

#[test]
fn every_attack_is_found() {
    let rules = rules();
    let targets = attacks::TARGETS.iter().map(|(what, target)| (*what, get(target)));
    let headers = attacks::HEADERS.iter().map(|(what, name, value)| (*what, with_header(name, value)));
    let bodies = attacks::BODIES.iter().map(|(what, kind, body)| (*what, post(kind, body)));
    let missed: Vec<&str> = targets
        .chain(headers)
        .chain(bodies)
        .filter(|(_, request)| !denied(&judge(&rules, request)))
        .map(|(what, _)| what)
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn everyday_requests_pass() {
    let rules = rules();
    let mut requests = vec![
        get("/"),
        get("/v1/models"),
        get("/v1/models/openai%2Fgpt-4o?limit=20&after=model_abc"),
        with_header("authorization", "Bearer sk-proj-abcDEF0123456789_-"),
        with_header("user-agent", "curl/8.5.0"),
        with_header("user-agent", "python-requests/2.32.3"),
        with_header("user-agent", "claude-cli/1.0.44 (external, cli)"),
        with_header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"),
        with_header("cookie", "session=eyJhbGciOiJIUzI1NiJ9.e30.abc; theme=dark"),
        post(
            "application/json",
            r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}], "n": 1}"#,
        ),
    ];
    let mut over_h2 = get("/v1/models");
    over_h2.version = "2.0";
    requests.push(over_h2);
    for request in requests {
        let verdict = judge(&rules, &request);
        assert_eq!((verdict.score, ids(&verdict)), (0, vec![]), "{request:?}");
    }
}

/// `docs/waf.md` has these counts: whoever changes prompts or rules changes them there.
#[test]
fn prompts_with_code_look_like_attacks() {
    let rules = rules();
    let mut refused = [Vec::new(), Vec::new()];
    for (name, code, prompt) in prompts::PROMPTS {
        let verdict = judge(&rules, &chat(prompt));
        if denied(&verdict) {
            refused[usize::from(*code)].push((*name, ids(&verdict)));
        }
        let mut head_only = chat(prompt);
        head_only.body = None;
        assert_eq!(
            judge(&rules, &head_only).score,
            0,
            "{name}: without process_body nothing of a prompt is seen"
        );
    }
    let [prose, code] = refused;
    let all = |code: bool| prompts::PROMPTS.iter().filter(|prompt| prompt.1 == code).count();
    println!("refused: {} of {} without code, {} of {} with", prose.len(), all(false), code.len(), all(true));
    assert_eq!((all(false), all(true)), (15, 35));
    assert!(prose.len() <= 3, "prompts without code: {prose:?}");
    assert!((20..=28).contains(&code.len()), "prompts with code: {code:?}");
}

#[test]
fn an_excluded_rule_does_not_count() {
    let attack = get("/items?id=1%27%20OR%20%271%27=%271");
    assert_eq!(ids(&judge(&rules(), &attack)), [942_100]);
    assert_eq!(judge(&without(&[942_100]), &attack), Verdict::default());
    assert_eq!(ids(&judge(&without(&[941_100, 999_999]), &attack)), [942_100], "others still run");
}

#[test]
fn only_the_beginning_of_a_body_is_seen() {
    let attack = "<script>alert(1)</script>";
    let rules = rules();
    let inside = format!("{} {attack} {}", "a".repeat(SAMPLE - 600), "b".repeat(SAMPLE));
    assert!(denied(&judge(&rules, &chat(&inside))), "also when the JSON text it stands in ends later");
    let outside = format!("{} {attack}", "a".repeat(SAMPLE));
    assert_eq!(judge(&rules, &chat(&outside)).score, 0);
}

#[test]
fn sets_are_shared_while_they_are_used() {
    let (one, two) = (without(&[942_100, 941_100]), without(&[941_100, 942_100, 941_100]));
    assert!(Arc::ptr_eq(&one, &two) && !Arc::ptr_eq(&one, &rules()));
}

#[test]
fn a_folder_without_the_rules_is_refused() {
    let missing = CoreRules::load(Path::new("/nonexistent"), &[]).expect_err("no folder");
    assert!(missing.contains("/nonexistent cannot be read"), "{missing}");
    let other = CoreRules::load(Path::new("/usr/share"), &[]).expect_err("other files");
    assert!(other.contains("is not a folder of the core rule set's rules"), "{other}");
}

fn answered(status: u16, content_type: &str, body: &str) -> Verdict {
    let headers = vec![("content-type".into(), content_type.into())];
    let response = Response { status, headers, body: Some(Sample::new("", body.as_bytes())) };
    rules().response(&get("/items"), &response).expect("a verdict")
}

#[test]
fn responses_that_give_something_away_are_found() {
    for (what, kind, body) in [
        (
            "MySQL",
            "text/html",
            "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version",
        ),
        ("Oracle", "application/json", r#"{"error": "ORA-00933: SQL command not properly ended"}"#),
        ("PostgreSQL", "text/plain", "PostgreSQL query failed: ERROR: parser: parse error"),
        ("PHP source", "text/html", "<?php $password = fopen('/etc/x', 'r'); $_GET['id']; ?>"),
        ("a listing", "text/html", "<html><title>Index of /private</title><h1>Index of /private</h1>"),
    ] {
        let verdict = answered(200, kind, body);
        assert!(verdict.score >= CoreRules::OUTBOUND_THRESHOLD, "{what}: {verdict:?}");
    }
}

#[test]
fn everyday_responses_pass() {
    for (status, kind, body) in [
        (
            200,
            "application/json",
            r#"{"choices": [{"message": {"content": "SELECT * FROM users; <script>x()</script>"}}]}"#,
        ),
        (429, "application/json", r#"{"error": {"message": "Rate limit reached"}}"#),
        (500, "application/json", "{}"),
        (204, "text/plain", ""),
        (200, "image/png", ""),
    ] {
        assert_eq!(answered(status, kind, body), Verdict::default(), "{status} {body}");
    }
}

#[test]
fn what_a_request_did_is_not_counted_against_its_response() {
    let response = Response { status: 200, headers: Vec::new(), body: None };
    let verdict = rules().response(&with_header("user-agent", "sqlmap/1.8"), &response).expect("a verdict");
    assert_eq!(verdict, Verdict::default());
}
