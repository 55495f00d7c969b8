//! A policy that changes while requests are served, and a gateway that stops.

use crate::support::*;
use serde_json::json;
use std::time::{Duration, Instant};
use tollgate_mock::{Behaviour, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

fn says(word: &str) -> String {
    json!({"on_http_request": [{"type": "custom-response", "config": {"body": word}}]}).to_string()
}

async fn word(gateway: &Gateway) -> String {
    gateway.send(get("/")).await.text()
}

#[tokio::test]
async fn a_changed_file_is_loaded() {
    let gateway = Gateway::start(&says("one")).await;
    assert_eq!(word(&gateway).await, "one");
    std::fs::write(&gateway.policy, says("two")).unwrap();
    let revision = gateway.wait_reloaded(&gateway.revision).await;
    let answer = gateway.send(get("/")).await;
    assert_eq!((answer.text().as_str(), answer.header("x-tollgate-policy")), ("two", revision.as_str()));
    // As editors do it: a new file with the old name.
    let new = gateway.policy.with_extension("new");
    std::fs::write(&new, says("three")).unwrap();
    std::fs::rename(&new, &gateway.policy).unwrap();
    gateway.wait_reloaded(&revision).await;
    assert_eq!(word(&gateway).await, "three");
}

#[tokio::test]
async fn a_swapped_link_is_followed() {
    // The layout of a Kubernetes config map: policy.yml -> ..data/policy.yml, ..data -> ..version
    let builder = Gateway::builder("");
    for n in ["one", "two"] {
        builder.file(&format!("mount/..{n}/policy.yml"), &says(n));
    }
    let mount = builder.path().join("mount");
    std::os::unix::fs::symlink("..one", mount.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/policy.yml", mount.join("policy.yml")).unwrap();
    let gateway = builder.policy_at(mount.join("policy.yml")).start().await;
    assert_eq!(word(&gateway).await, "one");
    std::os::unix::fs::symlink("..two", mount.join("..new")).unwrap();
    std::fs::rename(mount.join("..new"), mount.join("..data")).unwrap();
    gateway.wait_reloaded(&gateway.revision).await;
    assert_eq!(word(&gateway).await, "two");
}

#[tokio::test]
async fn a_hang_up_loads_at_once() {
    let gateway = Gateway::start(&says("one")).await;
    std::fs::write(&gateway.policy, says("two")).unwrap();
    gateway.signal("HUP").await;
    gateway.wait_reloaded(&gateway.revision).await;
    assert_eq!(word(&gateway).await, "two");
}

#[tokio::test]
async fn a_bad_policy_leaves_the_old_one_serving() {
    let gateway = Gateway::start(&says("one")).await;
    for bad in [
        "on_http_request:\n  - type: custom-respones\n",
        "{",
        "on_http_request: [{type: deny, config: {status_code: 99}}]\n",
    ] {
        std::fs::write(&gateway.policy, bad).unwrap();
        gateway.signal("HUP").await;
        let error = soon(async {
            loop {
                let error = gateway.status().await["last_reload_error"].clone();
                if error["message"]
                    .as_str()
                    .is_some_and(|m| m.contains("policy.yml:") || m.contains(bad.lines().last().unwrap()))
                {
                    return error;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert!(error["at"].is_string(), "{error}");
        let status = gateway.status().await;
        assert_eq!((&status["revision"], word(&gateway).await.as_str()), (&json!(gateway.revision), "one"));
        assert_eq!(gateway.admin("/readyz").await.status, 200);
    }
    gateway.err.find("the error in the log", |line| line.contains("custom-respones").then_some(())).await;
    std::fs::remove_file(&gateway.policy).unwrap();
    gateway.signal("HUP").await;
    assert_eq!(word(&gateway).await, "one", "a missing file changes nothing");
    std::fs::write(&gateway.policy, says("two")).unwrap();
    gateway.wait_reloaded(&gateway.revision).await;
    assert!(gateway.status().await["last_reload_error"].is_null());
    assert!(gateway.admin("/metrics").await.text().contains("tollgate_reloads_total{result=\"error\"}"));
}

async fn slow(words: &[&str]) -> (MockServer, String) {
    let one = mock(Script::always(Behaviour::chunks(words.iter().copied()).chunk_every_ms(250))).await;
    let policy = json!({
        "on_http_request": [{"type": "ai-gateway", "config": {"providers": [custom("one", &one.url(), &["k"])]}}],
    });
    (one, policy.to_string())
}

fn streamed() -> Ask {
    post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})))
}

#[tokio::test]
async fn a_stream_ends_under_the_policy_it_began_with() {
    let (_one, policy) = slow(&["a ", "b ", "c ", "d "]).await;
    let gateway = Gateway::start(&policy).await;
    let mut reply = gateway.open(streamed()).await;
    soon(reply.event()).await.unwrap();
    std::fs::write(&gateway.policy, says("new")).unwrap();
    gateway.wait_reloaded(&gateway.revision).await;
    assert_eq!(word(&gateway).await, "new");
    let answer = soon(reply.answer()).await;
    assert!(answer.whole && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_eq!(gateway.log_of(&answer).await["policy"], gateway.revision);
}

#[tokio::test]
async fn no_request_is_lost_while_the_policy_changes() {
    let gateway = Gateway::start(&says("0")).await;
    let addr = gateway.addr;
    let asking = tokio::spawn(async move {
        let started = Instant::now();
        let mut count = 0;
        while started.elapsed() < Duration::from_millis(1500) {
            let answer = get("/").send(addr).await;
            assert_eq!((answer.status, answer.body.len()), (200, 1));
            count += 1;
        }
        count
    });
    for n in 1..8 {
        std::fs::write(&gateway.policy, says(&n.to_string())).unwrap();
        gateway.signal("HUP").await;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(asking.await.unwrap() > 20);
}

#[tokio::test]
async fn sigterm_finishes_what_has_begun() {
    let (_one, policy) = slow(&["a ", "b ", "c ", "d ", "e "]).await;
    let mut gateway = Gateway::start(&policy).await;
    let mut reply = gateway.open(streamed()).await;
    soon(reply.event()).await.unwrap();
    let started = Instant::now();
    gateway.signal("TERM").await;
    let answer = soon(reply.answer()).await;
    assert!(answer.whole && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_eq!(gateway.ended().await, Some(0));
    assert!(started.elapsed() < Duration::from_secs(8), "it does not wait longer than needed");
    let id = answer.header("x-tollgate-request-id");
    gateway.out.find("the line of the last request", |line| line.contains(id).then_some(())).await;
}

#[tokio::test]
async fn an_idle_gateway_stops_at_once() {
    for signal in ["TERM", "INT"] {
        let mut gateway = Gateway::start(&says("one")).await;
        let started = Instant::now();
        gateway.signal(signal).await;
        assert_eq!(gateway.ended().await, Some(0), "{signal}");
        assert!(started.elapsed() < Duration::from_secs(3), "{signal}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_port_in_use_is_said_and_ends_it() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("p.yml");
    std::fs::write(&policy, says("one")).unwrap();
    let policy = policy.to_str().unwrap();
    for args in
        [["--listen", &address, "--admin", "127.0.0.1:0"], ["--listen", "127.0.0.1:0", "--admin", &address]]
    {
        let exit = run(&[&["run", policy][..], &args].concat()).await;
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains(&address) && exit.stderr.contains("in use"), "{exit:?}");
    }
}

#[tokio::test]
async fn a_bad_policy_is_said_and_ends_it() {
    let exit = Gateway::builder("on_http_request:\n  - type: custom-respones\n")
        .try_start()
        .await
        .err()
        .expect("an exit");
    assert_eq!(exit.code, Some(1), "{exit:?}");
    assert!(
        exit.stderr.contains("policy.yml:2:11: error:") && exit.stderr.contains("custom-response"),
        "{exit:?}"
    );
}
