//! Secrets planted wherever there can be some, traffic of every kind, and then a search of everything that comes out.

use crate::support::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use tollgate_mock::{Behaviour, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";

/// A secret that is told from all others, and has no beginning that would give it away as a key.
fn planted(place: &str) -> String {
    format!("{place}-planted-8e1f5c07b2-{place}")
}

/// Where secrets are planted.
const PLACES: [&str; 21] = [
    "environment",
    "folder",
    "vault",
    "passphrase",
    "admintoken",
    "literalkey",
    "basicpassword",
    "webhook",
    "oauth",
    "bearer",
    "clientkey",
    "googlekey",
    "querykey",
    "cookie",
    "sentpassword",
    "jwtsignature",
    "setcookie",
    "urlpassword",
    "outgoing",
    "exporter",
    "hookbody",
];

/// The forms a secret may come out in: as it is, its beginning, as a part of a URL, in Base64.
fn forms(secret: &str) -> Vec<String> {
    let encoded = b64(secret.as_bytes());
    let inner = encoded.get(..encoded.len().min(16)).unwrap_or_default().to_owned();
    // Everything after the place's own name: that may be said.
    let bare = secret.get(..secret.find("planted").unwrap_or(0) + 12).unwrap_or(secret).to_owned();
    vec![secret.to_owned(), bare, secret.replace('-', "%2D"), inner]
}

/// Every line that holds a secret, shortened.
fn leaks(text: &str, private_key: &str) -> Vec<String> {
    let mut forms: Vec<String> = PLACES.iter().flat_map(|place| forms(&planted(place))).collect();
    forms.push(private_key.to_owned());
    let leaking = |line: &&str| forms.iter().any(|form| line.contains(form.as_str()));
    text.lines().filter(leaking).map(|line| line.chars().take(400).collect()).collect()
}

fn rule(path: &str, action: &str, config: Value) -> Value {
    json!({"expressions": [format!("req.url.path.startsWith('{path}')")], "actions": [{"type": action, "config": config}]})
}

fn policy(mocks: &[MockServer], outgoing: &str) -> Value {
    let mut mocks = mocks.iter();
    let mut provider = |id: &str, key: String| {
        custom(id, &format!("{}/v1", mocks.next().expect("a mock for each").url()), &[&key])
    };
    let from = |name: &str| format!("${{secrets.get('team', '{name}')}}");
    let providers = [
        provider("one", from("environment")),
        provider("two", from("folder")),
        provider("three", from("vault")),
        provider("four", planted("literalkey")),
    ];
    json!({"on_http_request": [
        rule("/basic", "basic-auth", json!({"credentials": [format!("me:{}", planted("basicpassword"))]})),
        rule("/hook", "verify-webhook", json!({"provider": "github", "secret": planted("webhook")})),
        rule("/login", "oauth", json!({"provider": "github", "client_id": "me", "client_secret": planted("oauth")})),
        rule("/jwt", "jwt-validation", json!({
            "issuer": {"allow_list": [{"value": "https://auth.example.com/"}]},
            "audience": {"allow_list": [{"value": "me"}]},
            "http": {"tokens": [{"type": "jwt", "method": "header", "name": "authorization", "prefix": "Bearer "}]},
            "jws": {"allowed_algorithms": ["RS256"], "keys": {"sources": {"additional_jkus": [format!("{outgoing}/keys")]}}},
        })),
        rule("/call", "http-request", json!({"url": format!("{outgoing}/x"), "headers": {"x-key": planted("outgoing")},
            "on_error": "halt"})),
        rule("/v1", "ai-gateway", json!({"providers": providers})),
    ]})
}

/// Credentials in every place where clients put them.
fn burdened(ask: Ask) -> Ask {
    ask.header("x-api-key", &planted("clientkey"))
        .header("x-goog-api-key", &planted("googlekey"))
        .header("cookie", &format!("session={}", planted("cookie")))
}

fn asks() -> Vec<Ask> {
    let query = format!("key={}&api_key={0}&access_token={0}&token={0}", planted("querykey"));
    let bearer = |ask: Ask| ask.bearer(&planted("bearer"));
    let basic = format!("Basic {}", b64(format!("me:{}", planted("sentpassword")).as_bytes()));
    let head = b64(br#"{"alg":"RS256","kid":"1"}"#);
    let body = b64(br#"{"iss":"https://auth.example.com/"}"#);
    let token = format!("Bearer {head}.{body}.{}", b64(planted("jwtsignature").as_bytes()));
    let mut asks = Vec::new();
    for path in [CHAT, "/v1/messages", "/v1/responses", "/v1/models", "/v1/none"] {
        for models in [&["one:m"][..], &["one:m", "two:m", "three:m", "four:m"], &["nobody:m"]] {
            asks.push(bearer(post(&format!("{path}?{query}"), &names(models))));
            asks.push(bearer(post(&format!("{path}?{query}"), &names(models))).h2());
        }
        asks.push(bearer(post_bytes(path, "{\"model\":")));
    }
    asks.push(get("/basic").header("authorization", &basic));
    asks.push(get(&format!("/basic?{query}")).header("authorization", &token));
    asks.push(post_bytes("/hook", planted("hookbody")).header("x-hub-signature-256", "sha256=00"));
    asks.push(get(&format!("/login?{query}")));
    asks.push(get(&format!("/login/oauth2/callback?state=x&code={}", planted("querykey"))));
    asks.push(get("/jwt").header("authorization", &token));
    asks.push(get("/jwt").header("authorization", &format!("Bearer {}", planted("bearer"))));
    asks.push(get(&format!("/call?{query}")));
    asks.push(bearer(get(&format!("/plain?{query}"))));
    asks.push(get("/plain").header("host", "a b"));
    asks.into_iter().map(burdened).collect()
}

/// The folder, the vault and the environment with their secrets; the private key's first line.
async fn stocked(builder: Builder) -> (Builder, PathBuf, String) {
    builder.file("secrets/team/folder", &planted("folder"));
    let vault = builder.path().join("vault.json");
    let file = vault.to_str().unwrap().to_owned();
    let passphrase = planted("passphrase");
    let key = [("TOLLGATE_VAULT_KEY", passphrase.as_str())];
    let data = json!({"vault": planted("vault")}).to_string();
    let args = ["secrets", "create", "--name", "team", "--secret-data", &data, "--vault-file", &file];
    let created = run_with(&args, &key).await;
    assert_eq!(created.code, Some(0), "{created:?}");
    assert!(leaks(&format!("{}{}", created.stdout, created.stderr), "-").is_empty(), "{created:?}");
    let certificate = Certificate::new("localhost");
    builder.file("a.pem", &certificate.cert_pem);
    builder.file("a.key", &certificate.key_pem);
    let secret_line = certificate.key_pem.lines().nth(1).unwrap().to_owned();
    let dir = builder.path().join("secrets");
    let builder = builder
        .args(&["--secrets-dir", dir.to_str().unwrap(), "--vault-file", &file])
        .env("TOLLGATE_VAULT_KEY", &passphrase)
        .env("TOLLGATE_SECRET__TEAM__ENVIRONMENT", &planted("environment"))
        .env("TOLLGATE_ADMIN_TOKEN", &planted("admintoken"))
        .env("OTEL_EXPORTER_OTLP_HEADERS", &format!("authorization={}", planted("exporter")))
        .env("TOLLGATE_LOG", "trace");
    (builder, vault, secret_line)
}

/// A policy that cannot be loaded, wrong in the lines that have the secrets: what `check` and a reload say of it.
async fn broken_policies(gateway: &Gateway, good: &str) -> String {
    let mut seen = String::new();
    for (right, wrong) in [
        ("\"api_keys\":[", "\"api_keyz\":["),
        ("\"client_secret\":", "\"client_secrets\":"),
        ("\"provider\":\"github\",\"secret\":", "\"provider\":\"githup\",\"secret\":"),
        ("\"credentials\":", "\"credential\":"),
    ] {
        let broken = good.replace(right, wrong);
        assert_ne!(broken, good, "{right}");
        for text in [broken.clone(), broken.replace(",\"", ",\n  \"")] {
            std::fs::write(&gateway.policy, &text).unwrap();
            let checked = run(&["check", gateway.policy.to_str().unwrap()]).await;
            assert_ne!(checked.code, Some(0), "{wrong}");
            seen += &format!("check {wrong}: {}{}\n", checked.stdout, checked.stderr);
            let json = run(&["check", "--json", gateway.policy.to_str().unwrap()]).await;
            seen += &format!("check --json {wrong}: {}{}\n", json.stdout, json.stderr);
        }
        gateway.signal("HUP").await;
    }
    gateway.err.find("the refused policy", |line| line.contains("githup").then_some(())).await;
    seen
}

/// What commands say of the policy, and a start with a password in a URL.
async fn commands(file: &str) -> String {
    let mut seen = String::new();
    let body = names(&["one:m", "four:m"]).to_string();
    for args in [
        &["explain", file, "--body", &body][..],
        &["explain", file, "--json", "--body", &body],
        &["check", file],
        &["models"],
    ] {
        let exit = run(args).await;
        seen += &format!("{}\n{}{}\n", args[0], exit.stdout, exit.stderr);
    }
    let refused = Gateway::builder("{}")
        .args(&["--upstream", &format!("http://me:{}@127.0.0.1:1", planted("urlpassword"))])
        .try_start()
        .await;
    let Err(refused) = refused else { panic!("an upstream with a password is refused") };
    seen += &format!("{}{}\n", refused.stdout, refused.stderr);
    seen
}

#[tokio::test]
async fn nothing_that_is_planted_comes_out() {
    // Each repeats the key it was given, as some do.
    let keys = ["environment", "folder", "vault", "literalkey"];
    let echo = |place: &str| Behaviour {
        body: Some(
            json!({"error": {"message": format!("Incorrect API key provided: {}", planted(place))}})
                .to_string(),
        ),
        ..Behaviour::status(401)
    };
    let mut mocks = Vec::new();
    for place in keys {
        mocks.push(mock(Script::always(echo(place))).await);
    }
    let behind =
        format!("HTTP/1.1 200 OK\r\nset-cookie: s={}\r\ncontent-length: 0\r\n\r\n", planted("setcookie"));
    let behind = RawUpstream::start(behind, Then::Close).await;
    let outgoing = format!("http://{}", nobody());
    let good = policy(&mocks, &outgoing).to_string();
    let (builder, _vault, private_key) = stocked(Gateway::builder(&good)).await;
    let gateway = builder.args(&["--upstream", &behind.url()]).start().await;
    let mut seen = String::new();
    for status in [401, 500, 200, 429] {
        for (mock, place) in mocks.iter().zip(keys) {
            mock.set_script(Script::always(Behaviour { status: Some(status), ..echo(place) }));
        }
        for ask in asks() {
            let answer = gateway.send(ask).await;
            // What a server says to its client is not the gateway's to edit, where it passes it on as it is.
            let passed = answer.header("ngrok-error-code").is_empty();
            if !passed {
                seen += &format!("{:?} {}\n", answer.headers, answer.text());
            }
        }
    }
    seen += &broken_policies(&gateway, &good).await;
    std::fs::write(&gateway.policy, &good).unwrap();
    seen += &commands(gateway.policy.to_str().unwrap()).await;
    for page in ["/status", "/metrics", "/readyz", "/healthz", "/"] {
        let answer = soon(get(page).bearer(&planted("admintoken")).send(gateway.admin)).await;
        seen += &format!("{page} {:?} {}\n", answer.headers, answer.text());
    }
    seen += &gateway.written();
    let leaks = leaks(&seen, &private_key);
    let some: Vec<&String> = leaks.iter().take(10).collect();
    assert!(leaks.is_empty(), "{} leaks: {some:#?}", leaks.len());
    for (mock, place) in mocks.iter().zip(keys) {
        let used = mock.requests().iter().any(|r| r.key.as_deref() == Some(planted(place).as_str()));
        assert!(used, "{place} was not in use");
    }
}

/// A listener whose key cannot be used says so without showing it.
#[tokio::test]
async fn a_private_key_is_not_shown() {
    let (builder, _vault, private_key) = stocked(Gateway::builder("{}")).await;
    let broken = builder.file(
        "broken.key",
        &format!("-----BEGIN PRIVATE KEY-----\n{private_key}\n-----END PRIVATE KEY-----\n"),
    );
    let cert = builder.path().join("a.pem");
    let args = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", broken.to_str().unwrap()];
    let Err(refused) = builder.args(&args).try_start().await else { panic!("half a key is no key") };
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("broken.key") || said.contains("key"), "{said}");
    assert_eq!(leaks(&said, &private_key), Vec::<String>::new());
}

/// Memory has keys in it: it is not written to a file, and not shown to other processes of the same user.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_is_not_dumped() {
    let core = |gateway: &Gateway| {
        let limits = gateway.proc("limits");
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
        line.split_whitespace().skip(4).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    // Whatever the shell allowed.
    let generous = Gateway::builder("{}");
    let script = format!("#!/bin/sh\nulimit -c unlimited\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_tollgate"));
    let wrapper = generous.file("wrapper", &script);
    std::process::Command::new("chmod").arg("+x").arg(&wrapper).status().unwrap();
    let gateway = generous.program(wrapper).start().await;
    assert_eq!(core(&gateway), ["0", "0"]);
    gateway.signal("ABRT").await;
    let mut gateway = gateway;
    assert_eq!(gateway.ended_with_core().await, Some(false));
    let kept = Gateway::builder("{}").env("TOLLGATE_CORE_DUMPS", "true").start().await;
    let own = std::fs::read_to_string("/proc/self/limits").unwrap();
    let own = own.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let own: Vec<_> = own.split_whitespace().skip(4).take(2).map(str::to_owned).collect();
    assert_eq!(core(&kept), own, "as the system has it");
}
