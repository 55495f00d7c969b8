//! A policy that changes again and again while requests are served. Every other change is a mistake.

use crate::support::*;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tollgate_mock::Script;

/// As many as `make test` has time for.
const SOME: usize = 200;

fn good(base: &str, n: usize) -> String {
    json!({"on_http_request": [
        {"expressions": ["req.url.path == '/'"], "actions": [
            {"type": "custom-response", "config": {"body": format!("{n}")}},
        ]},
        {"actions": [{"type": "ai-gateway", "config": {"providers": [custom("one", base, &[KEY_ONE])]}}]},
    ]})
    .to_string()
}

fn bad(n: usize) -> String {
    match n % 3 {
        0 => format!("on_http_request:\n  - type: custom-respones # {n}\n"),
        1 => format!("{{ # {n}"),
        _ => format!("on_http_request: [{{type: deny, config: {{status_code: 99}}}}] # {n}\n"),
    }
}

/// Clients that ask until they are told to stop; a bad answer ends one with a panic.
fn load(addr: SocketAddr, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<usize>> {
    let client = |kind: usize| {
        let stop = Arc::clone(stop);
        tokio::spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::SeqCst) {
                let ask = match kind {
                    0 => get("/"),
                    1 => get("/").h2(),
                    2 => post("/v1/chat/completions", &names(&["one:m"])),
                    _ => post("/v1/chat/completions", &merge(names(&["one:m"]), json!({"stream": true}))),
                };
                let answer = soon(ask.send(addr)).await;
                assert!(answer.status == 200 && answer.whole, "{}: {}", answer.status, answer.text());
                count += 1;
            }
            count
        })
    };
    (0..4).map(client).collect()
}

async fn changes(times: usize) {
    let one = mock(Script::default()).await;
    let base = format!("{}/v1", one.url());
    let gateway = Gateway::start(&good(&base, 0)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = load(gateway.addr, &stop);
    let mut revision = gateway.revision.clone();
    let mut before = (0, 0, 0);
    for n in 1..=times {
        let broken = n % 2 == 0;
        std::fs::write(&gateway.policy, if broken { bad(n) } else { good(&base, n) }).unwrap();
        let status = soon(async {
            loop {
                let status = gateway.status().await;
                if broken != status["last_reload_error"].is_null()
                    && (broken || status["revision"] != json!(revision))
                {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        if broken {
            assert_eq!(status["revision"], json!(revision), "a mistake leaves the old one in force");
        } else {
            revision = status["revision"].as_str().unwrap().to_owned();
            assert_eq!(soon(get("/").send(gateway.addr)).await.text(), n.to_string());
        }
        if n == times / 4 {
            before = (gateway.memory_kib("VmRSS"), gateway.count("fd"), gateway.count("task"));
        }
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        assert!(soon(client).await.expect("a request failed") > times / 20);
    }
    gateway.wait_idle().await;
    let after = (gateway.memory_kib("VmRSS"), gateway.count("fd"), gateway.count("task"));
    assert!(after.0 < before.0 + before.0 / 4 + 8 * 1024, "memory grows: {before:?} {after:?}");
    assert!(
        after.1 <= before.1 + 24 && after.2 <= before.2 + 8,
        "something is left behind: {before:?} {after:?}"
    );
    let metrics = gateway.admin("/metrics").await.text();
    let count = |result: &str| -> usize {
        let name = format!("tollgate_reloads_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    };
    // An editor's writing may be seen half done, and then a second time.
    assert!(count("ok") >= times / 2 && count("error") >= times / 2, "{metrics}");
}

#[tokio::test]
async fn two_hundred_changes_under_load_lose_nothing() {
    changes(SOME).await;
}

#[tokio::test]
#[ignore = "takes minutes: cargo test -p tollgate --test blackbox life_reload -- --ignored"]
async fn a_thousand_changes_under_load_lose_nothing() {
    changes(1000).await;
}

#[tokio::test]
async fn a_folder_that_vanishes_changes_nothing_until_it_is_back() {
    let builder = Gateway::builder("");
    let policy = builder.file("live/policy.yml", &good("http://127.0.0.1:9/v1", 1));
    let folder = policy.parent().unwrap().to_owned();
    let away = folder.with_file_name("away");
    let gateway = builder.policy_at(policy.clone()).start().await;
    for hang_up in [false, true] {
        std::fs::rename(&folder, &away).unwrap();
        if hang_up {
            gateway.signal("HUP").await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(gateway.send(get("/")).await.status == 200 && gateway.admin("/readyz").await.status == 200);
        std::fs::rename(&away, &folder).unwrap();
    }
    gateway.err.find("that it is gone", |line| line.contains("policy.yml").then_some(())).await;
    std::fs::write(&policy, good("http://127.0.0.1:9/v1", 2)).unwrap();
    gateway.wait_reloaded(&gateway.revision).await;
    assert_eq!(gateway.send(get("/")).await.text(), "2");
    assert!(gateway.status().await["last_reload_error"].is_null());
}

#[tokio::test]
async fn an_empty_file_is_no_policy_but_an_empty_policy_is_one() {
    let gateway = Gateway::start(&good("http://127.0.0.1:9/v1", 1)).await;
    for empty in ["", "  \n"] {
        std::fs::write(&gateway.policy, empty).unwrap();
        soon(async {
            while !gateway.status().await["last_reload_error"]["message"]
                .as_str()
                .is_some_and(|m| m.contains("is empty"))
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!(gateway.send(get("/")).await.text(), "1", "the rules are still there");
        std::fs::write(&gateway.policy, good("http://127.0.0.1:9/v1", 1)).unwrap();
        soon(async {
            while !gateway.status().await["last_reload_error"].is_null() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
    std::fs::write(&gateway.policy, "{}").unwrap();
    gateway.wait_reloaded(&gateway.revision).await;
    assert_eq!(gateway.send(get("/")).await.status, 404);
}
