//! The action, over places that last as long as the runs do.

use crate::testing::{Tested, loads};
use std::time::Duration;

const LIMIT: &str = "name: l, max_in_flight: 2, bucket_key: [\"req.headers['x-who']\"]";

fn policy(config: &str) -> String {
    format!(
        "on_http_request:\n  - type: concurrency-limit\n    config: {{{config}}}\n  - type: custom-response\n    config:\n      \
         body: \"${{actions.ngrok.concurrency_limit.bucket_key}} ${{actions.ngrok.concurrency_limit.limited}} \
         ${{actions.ngrok.concurrency_limit.error.code}}\"\n"
    )
}

fn head(key: &str) -> String {
    format!("GET / HTTP/1.1\r\nx-who: {key}\r\n\r\n")
}

#[tokio::test]
async fn beyond_the_places_it_is_429_until_one_is_free() {
    let tested = Tested::new(&policy(LIMIT));
    let (one, two) = (tested.run(&head("a")).await, tested.run(&head("a")).await);
    assert_eq!((one.status(), two.status()), (Some(200), Some(200)));
    let refused = tested.run(&head("a")).await;
    assert_eq!(
        (refused.status(), refused.header("retry-after"), refused.error_code()),
        (Some(429), "5", None)
    );
    assert_eq!(tested.run(&head("b")).await.status(), Some(200), "another bucket");
    drop(two);
    let again = tested.run(&head("a")).await;
    assert_eq!(again.status(), Some(200), "refused ones take no place");
    assert_eq!(tested.run(&head("a")).await.status(), Some(429));
    drop((one, again));
    assert_eq!(tested.run(&head("a")).await.body(), "a false ");
}

#[tokio::test]
async fn refusals_speak_the_clients_dialect() {
    let tested = Tested::new(&policy(&LIMIT.replace("max_in_flight: 2", "max_in_flight: 1")));
    let _held = tested.run(&head("a")).await;
    for (path, pointer, expected) in [
        ("/v1/chat/completions", "/error/type", "rate_limit_error"),
        ("/v1/messages", "/error/type", "rate_limit_error"),
        ("/", "/error/message", "Too many requests at once: 1 are being served; try again in 5 s"),
    ] {
        let run = tested.run(&format!("POST {path} HTTP/1.1\r\nx-who: a\r\n\r\n")).await;
        let body: serde_json::Value = serde_json::from_str(&run.body()).unwrap();
        assert_eq!(body.pointer(pointer).and_then(|v| v.as_str()), Some(expected), "{path}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_has_the_place_that_becomes_free_or_gives_up() {
    let config = LIMIT.replace("max_in_flight: 2", "max_in_flight: 1, queue: {size: 1, timeout: 7s}");
    let tested = Tested::new(&policy(&config));
    let held = tested.run(&head("a")).await;
    let request = head("a");
    let (waited, full) = tokio::join!(tested.run(&request), async {
        tokio::task::yield_now().await;
        tested.run(&request).await
    });
    assert_eq!((full.status(), full.header("retry-after")), (Some(429), "7"), "the queue has one place");
    assert_eq!(waited.status(), Some(429), "nobody left for seven seconds");
    let (waited, ()) = tokio::join!(tested.run(&request), async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        drop(held);
    });
    assert_eq!((waited.status(), waited.body().as_str()), (Some(200), "a false "));
}

#[tokio::test]
async fn without_enforce_nothing_is_refused_and_everything_is_said() {
    let tested = Tested::new(&policy(&format!("{LIMIT}, queue: {{size: 5}}, enforce: false")));
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(tested.run(&head("a")).await);
    }
    let said: Vec<String> = runs.iter().map(crate::testing::Run::body).collect();
    assert_eq!(said, ["a false ", "a false ", "a true "]);
}

#[tokio::test]
async fn places_outlive_a_reload_also_one_that_changes_how_many_there_are() {
    let mut tested = Tested::new(&policy(LIMIT));
    let _held = (tested.run(&head("a")).await, tested.run(&head("a")).await);
    assert_eq!(tested.run(&head("a")).await.status(), Some(429));
    tested.reload(&policy(&LIMIT.replace("max_in_flight: 2", "max_in_flight: 3")));
    let third = tested.run(&head("a")).await;
    assert_eq!((third.status(), tested.run(&head("a")).await.status()), (Some(200), Some(429)));
    tested.reload(&policy(&LIMIT.replace("name: l", "name: m")));
    assert_eq!(tested.run(&head("a")).await.status(), Some(200), "another limit");
}

#[tokio::test]
async fn a_key_that_cannot_be_computed_fails_closed() {
    let config = LIMIT.replace("\"req.headers['x-who']\"", "\"int(req.headers['x-who'][0])\"");
    let run = Tested::new(&policy(&config)).run(&head("five")).await;
    assert_eq!((run.status(), run.error_code()), (Some(500), Some(2253)));
    let run = Tested::new(&policy(&format!("{config}, enforce: false"))).run(&head("five")).await;
    assert_eq!((run.status(), run.body().as_str()), (Some(200), " false ERR_NGROK_2253"));
}

#[test]
fn mistakes_are_found_at_load() {
    let with = |config: &str| {
        loads(&format!(
            "on_http_request:\n  - type: concurrency-limit\n    config: {{{config}}}\n  - type: deny\n"
        ))
    };
    assert!(with(LIMIT).is_ok());
    for (config, expected) in [
        ("name: l, bucket_key: [conn.client_ip]".to_owned(), &["`max_in_flight`", "3:"][..]),
        (LIMIT.replace("max_in_flight: 2", "max_in_flight: 0"), &["max_in_flight", "1"]),
        (LIMIT.replace("name: l", "name: ''"), &["2223", "`name` is empty"]),
        (LIMIT.replace("name: l", &format!("name: {}", "x".repeat(1024))), &["1024 bytes"]),
        (format!("{LIMIT}, queue: {{timeout: 5s}}"), &["size"]),
        (format!("{LIMIT}, queue: {{size: 5, timeout: 0s}}"), &["timeout", "10ms"]),
        (format!("{LIMIT}, queue: {{size: 5, timeuot: 1s}}"), &["did you mean `timeout`?"]),
        (LIMIT.replace("req.headers", "req.header"), &["did you mean"]),
        (format!("{LIMIT}, max: 5"), &["max"]),
    ] {
        let said = with(&config).expect_err(&config);
        for part in expected {
            assert!(said.contains(part), "{part} is not in:\n{said}");
        }
    }
}
