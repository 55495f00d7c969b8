//! The action, over buckets with a clock that is moved by hand.

use crate::testing::{Tested, loads};
use std::time::Duration;

const LIMIT: &str =
    "name: l, algorithm: sliding_window, capacity: 2, rate: 60s, bucket_key: [\"req.headers['x-who']\"]";

fn policy(config: &str) -> String {
    format!(
        "on_http_request:\n  - type: rate-limit\n    config: {{{config}}}\n  - type: custom-response\n    config:\n      \
         body: \"${{actions.ngrok.rate_limit.bucket_key}} ${{actions.ngrok.rate_limit.limited}} \
         ${{actions.ngrok.rate_limit.error.code}}\"\n"
    )
}

fn head(key: &str) -> String {
    format!("GET / HTTP/1.1\r\nx-who: {key}\r\n\r\n")
}

async fn status(tested: &Tested, key: &str) -> u16 {
    tested.run(&head(key)).await.status().unwrap()
}

#[tokio::test]
async fn beyond_the_capacity_it_is_429_and_says_when_to_come_again() {
    let tested = Tested::new(&policy(LIMIT));
    tested.wait(Duration::from_secs(7));
    assert_eq!((status(&tested, "a").await, status(&tested, "a").await), (200, 200));
    tested.wait(Duration::from_millis(1_500));
    let refused = tested.run(&head("a")).await;
    assert_eq!((refused.status(), refused.header("retry-after")), (Some(429), "59"));
    assert_eq!((refused.error_code(), refused.header("ngrok-error-code")), (None, ""));
    assert_eq!(status(&tested, "b").await, 200, "another bucket");
    tested.wait(Duration::from_secs(59));
    assert_eq!(status(&tested, "a").await, 200, "it was told the truth");
}

#[tokio::test]
async fn refusals_speak_the_clients_dialect() {
    let tested = Tested::new(&policy(&LIMIT.replace("capacity: 2", "capacity: 1")));
    assert_eq!(status(&tested, "a").await, 200);
    for (path, pointer, expected) in [
        ("/v1/chat/completions", "/error/type", "rate_limit_error"),
        ("/v1/chat/completions", "/error/code", "rate_limit_exceeded"),
        ("/v1/messages", "/error/type", "rate_limit_error"),
        ("/", "/error/message", "Too many requests; try again in 60 s"),
    ] {
        let run = tested.run(&format!("POST {path} HTTP/1.1\r\nx-who: a\r\n\r\n")).await;
        let body: serde_json::Value = serde_json::from_str(&run.body()).unwrap();
        assert_eq!(body.pointer(pointer).and_then(|v| v.as_str()), Some(expected), "{path}: {body}");
    }
}

#[tokio::test]
async fn without_enforce_nothing_is_refused_and_everything_is_said() {
    let tested = Tested::new(&policy(&format!("{LIMIT}, enforce: false")));
    let mut said = Vec::new();
    for _ in 0..4 {
        let run = tested.run(&head("a")).await;
        assert_eq!(run.status(), Some(200));
        said.push(run.body());
    }
    assert_eq!(said, ["a false ", "a false ", "a true ", "a true "]);
}

#[tokio::test]
async fn counters_outlive_a_reload_that_leaves_the_limit_as_it_is() {
    let mut tested = Tested::new(&policy(LIMIT));
    assert_eq!((status(&tested, "a").await, status(&tested, "a").await), (200, 200));
    let first = "on_http_request:\n  - type: set-vars\n    config: {vars: [{a: 1}]}\n";
    tested.reload(&policy(LIMIT).replace("on_http_request:\n", first));
    assert_eq!(status(&tested, "a").await, 429);
    for other in [("capacity: 2", "capacity: 3"), ("rate: 60s", "rate: 70s"), ("name: l", "name: m")] {
        tested.reload(&policy(&LIMIT.replace(other.0, other.1)));
        assert_eq!(status(&tested, "a").await, 200, "{other:?}");
    }
}

#[tokio::test]
async fn limits_with_the_same_name_count_apart() {
    let policy = format!(
        "on_http_request:\n  - type: rate-limit\n    config: {{{LIMIT}}}\n  - type: rate-limit\n    config: {{{LIMIT}}}\n  - type: custom-response\n"
    );
    let tested = Tested::new(&policy);
    assert_eq!((status(&tested, "a").await, status(&tested, "a").await), (200, 200));
    assert_eq!(status(&tested, "a").await, 429);
}

#[tokio::test]
async fn values_are_not_confused_with_each_other() {
    let two =
        LIMIT.replace("[\"req.headers['x-who']\"]", "[\"req.headers['x-who']\", \"req.headers['x-two']\"]");
    let tested = Tested::new(&policy(&two.replace("capacity: 2", "capacity: 1")));
    for (one, two) in [("ab", "c"), ("a", "bc"), ("abc", "")] {
        let head = format!("GET / HTTP/1.1\r\nx-who: {one}\r\nx-two: {two}\r\n\r\n");
        assert_eq!(tested.run(&head).await.status(), Some(200), "{one} {two}");
        assert_eq!(tested.run(&head).await.status(), Some(429), "{one} {two}");
    }
}

#[tokio::test]
async fn credentials_are_not_shown() {
    for key in ["\"req.headers['authorization']\"", "\"req.headers['x-long']\""] {
        let config = LIMIT.replace("\"req.headers['x-who']\"", key);
        let long = "x".repeat(65);
        let head = format!("GET / HTTP/1.1\r\nauthorization: Bearer hush\r\nx-long: {long}\r\n\r\n");
        let said = Tested::new(&policy(&config)).run(&head).await.body();
        let (bucket, _) = said.split_once(' ').unwrap();
        assert!(bucket.len() == 16 && bucket.bytes().all(|b| b.is_ascii_hexdigit()), "{said}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_computed_fails_closed() {
    let config = LIMIT.replace("\"req.headers['x-who']\"", "\"int(req.headers['x-who'][0])\"");
    let run = Tested::new(&policy(&config)).run(&head("five")).await;
    assert_eq!((run.status(), run.error_code()), (Some(500), Some(2253)));
    let run = Tested::new(&policy(&format!("{config}, enforce: false"))).run(&head("five")).await;
    assert_eq!((run.status(), run.body().as_str()), (Some(200), " false ERR_NGROK_2253"));
    let run = Tested::new(&policy(LIMIT)).run("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(run.body(), " false ", "a header that is not there is empty");
}

#[test]
fn what_is_wrong_is_refused_at_load() {
    for (from, to, code) in [
        ("name: l, ", "", "ERR_NGROK_2203"),
        ("name: l", "name: ''", "ERR_NGROK_2223"),
        ("algorithm: sliding_window, ", "", "ERR_NGROK_2203"),
        ("sliding_window", "token_bucket", "ERR_NGROK_2222"),
        ("capacity: 2, ", "", "ERR_NGROK_2203"),
        ("capacity: 2", "capacity: 0", "ERR_NGROK_2215"),
        ("capacity: 2", "capacity: 2000000001", "ERR_NGROK_2215"),
        ("capacity: 2", "capacity: many", "ERR_NGROK_2203"),
        ("rate: 60s, ", "", "ERR_NGROK_2203"),
        ("rate: 60s", "rate: 50s", "ERR_NGROK_2237"),
        ("rate: 60s", "rate: 25h", "ERR_NGROK_2225"),
        ("rate: 60s", "rate: 65s", "ERR_NGROK_2215"),
        ("rate: 60s", "rate: 60500ms", "ERR_NGROK_2215"),
        ("rate: 60s", "rate: 60", "ERR_NGROK_2228"),
        ("rate: 60s", "rate: 100/fortnight", "ERR_NGROK_2228"),
        ("rate: 60s", "rate: 100/s", "ERR_NGROK_2237"),
        (", bucket_key: [\"req.headers['x-who']\"]", "", "ERR_NGROK_2203"),
        ("[\"req.headers['x-who']\"]", "[]", "ERR_NGROK_2223"),
        ("[\"req.headers['x-who']\"]", "['1','1','1','1','1','1','1','1','1','1','1']", "ERR_NGROK_2218"),
        ("[\"req.headers['x-who']\"]", "[nothing.here]", "ERR_NGROK_2200"),
        ("name: l", "enforce: maybe, name: l", "ERR_NGROK_2203"),
        ("name: l", "burst: 3, name: l", "ERR_NGROK_2203"),
    ] {
        let config = LIMIT.replace(from, to);
        let said = loads(&policy(&config)).expect_err(&config);
        assert!(said.contains(code), "{config}: {said}");
    }
    let long = LIMIT.replace("name: l", &format!("name: {}", "l".repeat(1024)));
    assert!(loads(&policy(&long)).unwrap_err().contains("ERR_NGROK_2221"));
    for rate in ["24h", "10m", "70s", "100/min", "5/h", "1/day"] {
        let config = LIMIT.replace("rate: 60s", &format!("rate: {rate}"));
        let said = loads(&policy(&config)).expect(rate);
        assert_eq!(said.contains("only its unit was read"), rate.contains('/'), "{rate}: {said}");
    }
}
