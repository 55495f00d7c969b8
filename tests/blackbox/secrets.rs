//! Secrets: where they come from, that they change without a reload, and that they stay inside.

use crate::support::*;
use serde_json::json;
use tollgate_mock::{Behaviour, Script};

const CHAT: &str = "/v1/chat/completions";
const PLANTED: &str = "planted-SECRET-value-0123456789-abcdefghij";

fn policy(url: &str) -> String {
    ai_gateway(
        json!({"providers": [custom("one", &format!("{url}/v1"), &["${secrets.get('team', 'one-key')}"])]}),
    )
}

#[tokio::test]
async fn files_environment_and_the_old_lookups() {
    let one = mock(Script::default()).await;
    let from_env = Gateway::builder(&policy(&one.url())).env("TOLLGATE_SECRET__TEAM__ONE_KEY", "from-env");
    let builder = Gateway::builder(&policy(&one.url())).env("TOLLGATE_SECRET__TEAM__ONE_KEY", "from-env");
    builder.file("secrets/team/one-key", "from-file\n");
    let dir = builder.path().join("secrets");
    let from_file = builder.args(&["--secrets-dir", dir.to_str().unwrap()]);
    for (builder, key) in [(from_env, "from-env"), (from_file, "from-file")] {
        let gateway = builder.start().await;
        assert_eq!(gateway.send(post(CHAT, &names(&["one:m"]))).await.status, 200);
        assert_eq!(one.requests().last().unwrap().key.as_deref(), Some(key));
    }
}

#[tokio::test]
async fn a_changed_secret_is_used_by_the_next_request() {
    let one = mock(Script::default()).await;
    let builder = Gateway::builder(&policy(&one.url()));
    let file = builder.file("secrets/team/one-key", "first-key-aaaaaaaaaaaaaaaaaaaa\n");
    let dir = builder.path().join("secrets");
    let gateway = builder.args(&["--secrets-dir", dir.to_str().unwrap()]).start().await;
    for key in
        ["first-key-aaaaaaaaaaaaaaaaaaaa", "second-key-bbbbbbbbbbbbbbbbbbb", "third-key-cccccccccccccccccccc"]
    {
        // As Kubernetes does it: a new file takes the place of the old one.
        let new = file.with_extension("new");
        std::fs::write(&new, format!("{key}\n")).unwrap();
        std::fs::rename(&new, &file).unwrap();
        let sent = soon(async {
            loop {
                assert_eq!(gateway.send(post(CHAT, &names(&["one:m"]))).await.status, 200);
                let sent = one.requests().pop().and_then(|r| r.key);
                if sent.as_deref() == Some(key) {
                    return one.requests().iter().filter(|r| r.key.as_deref() != Some(key)).count();
                }
                one.clear_requests();
            }
        })
        .await;
        assert_eq!(sent, 0);
        one.clear_requests();
    }
    assert_eq!(gateway.status().await["revision"], gateway.revision, "without a reload");
}

#[tokio::test]
async fn a_missing_secret_fails_closed_and_is_named() {
    let one = mock(Script::default()).await;
    let gateway = Gateway::start(&policy(&one.url())).await;
    let answer = gateway.send(post(CHAT, &names(&["one:m"])).bearer("client-key")).await;
    assert_eq!((answer.status, answer.code()), (500, "2238"), "{}", answer.text());
    assert!(answer.text().contains("team") && answer.text().contains("one-key"), "{}", answer.text());
    assert!(one.requests().is_empty(), "least of all with the client's key");
    let answer = gateway.send(post("/v1/messages", &names(&["one:m"])).bearer("client-key")).await;
    answer.assert_anthropic_error(500, "2238");
}

#[tokio::test]
async fn an_empty_secret_is_no_key() {
    let one = mock(Script::default()).await;
    let gateway =
        Gateway::builder(&policy(&one.url())).env("TOLLGATE_SECRET__TEAM__ONE_KEY", "").start().await;
    let answer = gateway.send(post(CHAT, &names(&["one:m"])).bearer("client-key")).await;
    assert!(answer.status >= 400, "{}", answer.text());
    assert!(one.requests().is_empty(), "the client's key is no stand-in");
}

#[tokio::test]
async fn the_vault() {
    let dir = tempfile::tempdir().unwrap();
    let vault = dir.path().join("vault.json");
    let vault = vault.to_str().unwrap();
    let one = mock(Script::default()).await;
    // Each command and the server open it with the same key.
    let key =
        [("TOLLGATE_VAULT_KEY", "a passphrase that is long enough"), ("HOME", dir.path().to_str().unwrap())];
    let data = format!("{{\"one-key\": \"{PLANTED}\"}}");
    let created = run_with(
        &["secrets", "create", "--name", "team", "--secret-data", &data, "--vault-file", vault],
        &key,
    )
    .await;
    assert_eq!(created.code, Some(0), "{created:?}");
    let listed = run_with(&["secrets", "list", "--vault-file", vault], &key).await;
    assert!(
        listed.code == Some(0) && listed.stdout.contains("one-key") && !listed.stdout.contains(PLANTED),
        "{listed:?}"
    );
    assert!(!std::fs::read_to_string(vault).unwrap().contains(PLANTED), "encrypted at rest");
    let builder = Gateway::builder(&policy(&one.url())).args(&["--vault-file", vault]);
    let gateway = key.iter().fold(builder, |b, (n, v)| b.env(n, v)).start().await;
    let answer = gateway.send(post(CHAT, &names(&["one:m"]))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(one.requests()[0].key.as_deref(), Some(PLANTED));
    let deleted =
        run_with(&["secrets", "delete", "--vault", "team", "--name", "one-key", "--vault-file", vault], &key)
            .await;
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
}

#[tokio::test]
async fn a_secret_never_comes_out() {
    // A provider that repeats the key it was given, in every place it can.
    let echo = Behaviour {
        body: Some(format!("{{\"error\":{{\"message\":\"bad key {PLANTED}\"}}}}")),
        ..Behaviour::status(401)
    };
    let one = mock(Script::always(echo)).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &["${secrets.get('team', 'one-key')}"]);
    let provider_in_query = merge(
        custom("two", &format!("{}/v1", one.url()), &["${secrets.get('team', 'one-key')}"]),
        json!({"auth": "query:key"}),
    );
    let action = |more| json!({"type": "ai-gateway", "config": merge(json!({"providers": [provider, provider_in_query]}), more)});
    let policy = json!({
        "on_http_request": [
            action(json!({"on_error": "continue", "headers": {"x-extra": "${secrets.get('team', 'one-key')}"}})),
            {"type": "log", "config": {"metadata": {"result": "${actions.ngrok.ai_gateway}"}}},
            {"expressions": ["req.url.path.endsWith('/completions')"], "actions": [{"type": "custom-response", "config": {"body": "${actions.ngrok.ai_gateway}"}}]},
            action(json!({})),
        ],
    });
    let builder = Gateway::builder(&policy.to_string())
        .env("TOLLGATE_SECRET__TEAM__ONE_KEY", PLANTED)
        .env("TOLLGATE_LOG", "trace");
    let gateway = builder.start().await;
    let mut seen = String::new();
    for path in [CHAT, "/v1/messages", "/v1/responses"] {
        for models in [vec!["one:m"], vec!["one:m", "two:m"], vec!["nobody:m"]] {
            let ask = post(&format!("{path}?key={PLANTED}"), &names(&models)).bearer(PLANTED);
            let answer = gateway.send(ask).await;
            // With one attempt the provider's own words go on, which are not ours to edit.
            if models.len() > 1 || path == CHAT {
                seen += &format!("{path} {models:?} {:?} {}\n", answer.headers, answer.text());
            }
        }
    }
    gateway.log_lines(9).await;
    for page in ["/status", "/metrics", "/readyz"] {
        seen += &gateway.admin(page).await.text();
    }
    seen += &gateway.written();
    let leaks: Vec<&str> = seen.lines().filter(|line| line.contains(PLANTED)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(one.requests().iter().any(|r| r.path_and_query.contains(PLANTED)), "it was in use");
}
