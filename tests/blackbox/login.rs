//! `openid-connect` with a provider that lies, fails and signs as it is told. A certified provider and a real browser are
//! in `tests/sdk/login`.

use crate::support::*;
use serde_json::{Value, json};

#[tokio::test]
async fn a_login_leads_back_to_the_page_and_upstreams_see_nothing_of_it() {
    let (idp, echo) = (Idp::start().await, EchoServer::start().await);
    let gateway = Gateway::builder(&idp.policy(json!({}))).args(&["--upstream", &echo.url()]).start().await;
    let mut browser = Browser::default();
    let back = browser.log_in(&gateway, &idp).await;
    assert_eq!((back.status, back.header("location")), (302, "/deep/page?q=a%20b&c=%2F"), "{}", back.text());
    assert_eq!(back.header("cache-control"), "no-store");
    assert_eq!(idp.asked(), ["/.well-known/openid-configuration", "/token", "/jwks", "/me"]);
    let cookie = back.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap();
    assert!(
        cookie.contains("; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax") && !cookie.contains("Secure"),
        "{cookie}"
    );

    let page = browser.get(&gateway, "/deep/page?q=a%20b&c=%2F").await;
    assert_eq!((page.status, page.text().as_str()), (200, "ann@example.com Ann AT-SECRET"));
    let ask = browser.ask("/echo").without("cookie");
    let (name, value) = browser.session();
    let ask = ask
        .header("cookie", &format!("theme=dark; {name}={value}"))
        .header("ngrok-auth-oauth-access-token", "forged");
    let told = gateway.send(ask).await.json();
    assert_eq!(told["headers"]["cookie"], "theme=dark");
    assert!(told["headers"].get("ngrok-auth-oauth-access-token").is_none(), "{told}");
    assert!(idp.asked().is_empty(), "nobody is asked about a session");

    gateway.log_of(&page).await;
    let written = gateway.written();
    for secret in [SECRET, "AT-SECRET", "CODE-SECRET", value] {
        assert!(!written.contains(secret), "{secret} is in the log: {written}");
    }
}

#[tokio::test]
async fn identity_tokens_that_are_not_to_be_believed() {
    let idp = Idp::start().await;
    let gateway = Gateway::start(&idp.policy(json!({}))).await;
    let stranger = Key::new("P-256", "k1");
    let none =
        |claims: &Value| format!("{}.{}.", b64(br#"{"alg":"none"}"#), b64(claims.to_string().as_bytes()));
    let shared = |claims: &Value| {
        let message = format!("{}.{}", b64(br#"{"alg":"HS256"}"#), b64(claims.to_string().as_bytes()));
        let key = format!("key:{SECRET}");
        let mac =
            openssl(&["dgst", "-sha256", "-mac", "HMAC", "-macopt", &key, "-binary"], message.as_bytes());
        format!("{message}.{}", b64(&mac))
    };
    type Forge<'a> = Option<&'a dyn Fn(&Value) -> String>;
    let another = |claims: &Value| stranger.token("ES256", claims);
    let missing = |_: &Value| String::new();
    let rows: [(&str, Value, Forge<'_>); 12] = [
        ("nonce", json!({"nonce": "another"}), None),
        ("nonce", json!({"nonce": null}), None),
        ("audience", json!({"aud": "somebody-else"}), None),
        ("azp", json!({"aud": ["playground", "b"]}), None),
        ("issuer", json!({"iss": "https://evil.example"}), None),
        ("expired", json!({"exp": 1_700_000_000}), None),
        ("iat", json!({"iat": null}), None),
        ("another user", json!({"sub": "u-2"}), None),
        ("`none` is not allowed", json!({}), Some(&none)),
        ("`HS256` is not allowed", json!({}), Some(&shared)),
        ("signature is wrong", json!({}), Some(&another)),
        ("missing", json!({}), Some(&missing)),
    ];
    for (why, claims, forge) in rows {
        let mut browser = Browser::default();
        let back = browser.leave(&gateway, &idp, "/").await;
        idp.set(|script| {
            script.claims = claims;
            script.id_token = forge.map(|forge| forge(&idp.claims(script)));
        });
        let answer = browser.get(&gateway, &back).await;
        assert_eq!((answer.status, answer.code()), (502, "3164"), "{why}: {}", answer.text());
        assert!(answer.text().contains(why), "{why}: {}", answer.text());
        assert!(browser.cookies.is_empty(), "{why}: {:?}", browser.cookies.keys());
    }
    idp.set(|script| (script.claims, script.id_token) = (json!({}), None));
    assert_eq!(Browser::default().log_in(&gateway, &idp).await.status, 302, "a good one still passes");
}

#[tokio::test]
async fn providers_that_cannot_be_used() {
    for (changed, status, code, why) in [
        (json!({"issuer": "https://evil.example"}), 502, "2227", "https://evil.example"),
        (json!({"token_endpoint": null}), 502, "2227", "token_endpoint"),
        (json!({"token_endpoint": "http://10.0.0.1/token"}), 502, "2227", "https://"),
        (json!({"id_token_signing_alg_values_supported": ["HS256", "none"]}), 502, "2227", "algorithm"),
    ] {
        let idp = Idp::start().await;
        idp.set(|script| script.description = changed);
        let gateway = Gateway::start(&idp.policy(json!({}))).await;
        let answer = Browser::default().get(&gateway, "/").await;
        assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text());
        assert!(answer.text().contains(why), "{}", answer.text());
    }
    let idp = Idp::start().await;
    let nowhere = format!("http://{}", nobody());
    let gateway = Gateway::start(&idp.policy(json!({"issuer_url": nowhere}))).await;
    let answer = Browser::default().get(&gateway, "/").await;
    assert_eq!((answer.status, answer.code()), (503, "3160"), "{}", answer.text());
    assert!(answer.text().contains("<a href=\"/ngrok/login?redirect_path=%2F\">"), "{}", answer.text());
    let gateway = Gateway::start(&idp.policy(json!({"issuer_url": format!("{}/realm", idp.url())}))).await;
    let answer = gateway.send(get("/").header("accept", "application/json")).await;
    assert_eq!((answer.status, answer.code()), (502, "3160"), "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "ERR_NGROK_3160");
}

#[tokio::test]
async fn the_way_back_can_fail_in_many_ways() {
    let idp = Idp::start().await;
    let gateway = Gateway::start(&idp.policy(json!({}))).await;
    for (answer, expected) in [
        ((400, json!({"error": "invalid_grant"})), (400, "3163")),
        ((401, json!({"error": "invalid_client"})), (502, "3125")),
        ((500, json!({})), (502, "3166")),
        ((429, json!({})), (503, "3161")),
        ((200, json!({"token_type": "Bearer"})), (502, "3160")),
    ] {
        idp.set(|script| script.token = Some(answer));
        let got = Browser::default().log_in(&gateway, &idp).await;
        assert_eq!((got.status, got.code()), expected, "{}", got.text());
    }
    idp.set(|script| script.token = None);
    let mut browser = Browser::default();
    let back = browser.leave(&gateway, &idp, "/a").await;
    let state = back.split_once("state=").unwrap().1.to_owned();
    let before = browser.clone();
    assert_eq!(browser.get(&gateway, &back).await.status, 302);
    let replayed = before.clone().get(&gateway, &back).await;
    assert_eq!((replayed.status, replayed.code()), (400, "3123"), "{}", replayed.text());
    let stolen = Browser::default().get(&gateway, &back).await;
    assert_eq!((stolen.status, stolen.code()), (400, "3121"), "another browser");

    let mut browser = Browser::default();
    let back = browser
        .leave(&gateway, &idp, "/a")
        .await
        .replace("code=CODE-SECRET", "iss=https%3A%2F%2Fevil.example&code=x");
    let mixed = browser.get(&gateway, &back).await;
    assert_eq!((mixed.status, mixed.code()), (400, "3106"), "{}", mixed.text());

    let mut browser = Browser::default();
    let other = browser.leave(&gateway, &idp, "/a").await.split_once("state=").unwrap().1.to_owned();
    assert_ne!(state, other);
    let denied = format!(
        "/ngrok/oauth2/callback?state={other}&error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E%0d%0aX: y"
    )
    .replace(' ', "%20");
    let denied = browser.get(&gateway, &denied).await;
    assert_eq!((denied.status, denied.code()), (403, "3114"));
    assert!(denied.text().contains("&lt;script&gt;alert(1)&lt;/script&gt;  X: y"), "{}", denied.text());
    assert!(
        !denied.text().contains("<script")
            && denied.header("content-security-policy").contains("default-src 'none'")
    );
}

#[tokio::test]
async fn cookies_that_were_changed_are_no_session() {
    let idp = Idp::start().await;
    let gateway = Gateway::start(&idp.policy(json!({}))).await;
    let mut browser = Browser::default();
    browser.log_in(&gateway, &idp).await;
    let (name, value) = browser.session();
    let (name, value) = (name.clone(), value.clone());
    let swapped = if value.ends_with('A') { "B" } else { "A" };
    for changed in [
        format!("{}{swapped}", &value[..value.len() - 1]),
        format!("{value}A"),
        value[..value.len() / 2].to_owned(),
        value.replacen("1.", "2.", 1),
        format!("1.{}", "A".repeat(3000)),
        "%00".to_owned(),
        String::new(),
    ] {
        let answer = gateway
            .send(get("/x").header("host", "app.example").header("cookie", &format!("{name}={changed}")))
            .await;
        assert_eq!(answer.status, 302, "{changed}");
        assert!(answer.header("location").starts_with(&idp.url()));
    }
    let huge = format!("{name}={}", "A".repeat(100_000));
    let answer = gateway.send(get("/x").header("host", "app.example").header("cookie", &huge)).await;
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    let answer = gateway.send(browser.ask("/x").header("cookie", "nonce.x=1; =; ;;")).await;
    assert_eq!(answer.status, 200, "others' nonsense does no harm");
}

#[tokio::test]
async fn another_node_and_a_restart_know_the_session() {
    let idp = Idp::start().await;
    let first = Gateway::start(&idp.policy(json!({}))).await;
    let second = Gateway::start(&idp.policy(json!({}))).await;
    let stranger = Gateway::start(&idp.policy(json!({"client_secret": "another"}))).await;
    let mut browser = Browser::default();
    let back = browser.leave(&first, &idp, "/a").await;
    assert_eq!(browser.get(&second, &back).await.status, 302, "begun here, finished there");
    for node in [&first, &second] {
        assert_eq!(browser.get(node, "/x").await.status, 200);
    }
    assert_eq!(gateway_knows(&stranger, &browser).await, 302, "another secret knows nobody");
    drop(first);
    let again = Gateway::start(&idp.policy(json!({}))).await;
    assert_eq!(gateway_knows(&again, &browser).await, 200);
}

async fn gateway_knows(gateway: &Gateway, browser: &Browser) -> u16 {
    gateway.send(browser.ask("/x")).await.status
}

#[tokio::test]
async fn clients_that_are_no_browsers_get_401_in_their_dialect() {
    let idp = Idp::start().await;
    let gateway = Gateway::start(&idp.policy(json!({}))).await;
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]});
    let answer = gateway.send(post("/v1/chat/completions", &body).bearer("sk-x")).await;
    assert_eq!((answer.status, answer.code()), (401, "3150"));
    assert!(
        answer.json()["error"]["message"].as_str().unwrap().contains("nobody is logged in"),
        "{}",
        answer.text()
    );
    assert!(answer.headers.get("set-cookie").is_none() && answer.headers.get("location").is_none());
    let answer = gateway.send(get("/").header("sec-fetch-mode", "cors")).await;
    assert_eq!(answer.status, 401);
    assert!(idp.asked().is_empty());
}

#[tokio::test]
async fn lost_users_log_in_again_and_logged_out_ones_too() {
    let idp = Idp::start().await;
    let more = json!({"userinfo_refresh_interval": "1s", "auth_id": "staff"});
    let gateway = Gateway::start(&idp.policy(more)).await;
    let mut browser = Browser::default();
    browser.log_in(&gateway, &idp).await;
    assert!(browser.cookies.contains_key("session.staff"));
    idp.set(|script| script.user.1["name"] = "Ann B".into());
    // The interval is counted in whole seconds.
    let changed = soon(async {
        loop {
            let page = browser.get(&gateway, "/x").await;
            assert_eq!(page.status, 200);
            if page.text().contains("Ann B") {
                return page;
            }
        }
    });
    let changed = changed.await;
    assert!(
        changed.header("set-cookie").starts_with("session.staff=")
            && changed.header("cache-control").contains("private")
    );
    idp.set(|script| script.user.0 = 401);
    soon(async { while browser.get(&gateway, "/x").await.status == 200 {} }).await;
    assert_eq!(browser.get(&gateway, "/x").await.status, 302);

    idp.set(|script| script.user.0 = 200);
    assert_eq!(browser.log_in(&gateway, &idp).await.status, 302);
    for (path, to) in [
        ("//evil.example", "/"),
        ("/%5Cevil.example", "/"),
        ("https://evil.example", "/"),
        ("/bye?a=b", "/bye?a=b"),
    ] {
        let path = path.replace('/', "%2F").replace('?', "%3F").replace("%%2F", "%");
        let out =
            browser.clone().get(&gateway, &format!("/ngrok/logout?auth_id=staff&redirect_path={path}")).await;
        assert_eq!((out.status, out.header("location")), (302, to), "{path}");
    }
    let out = browser.get(&gateway, "/ngrok/logout").await;
    assert_eq!(out.status, 200);
    assert!(
        out.text().contains("/ngrok/login?auth_id=staff&amp;redirect_path=%2F")
            && !browser.cookies.contains_key("session.staff")
    );
    let again = browser.get(&gateway, "/ngrok/login?auth_id=staff&redirect_path=%2Fx").await;
    assert!(again.header("location").ends_with("&prompt=login"), "{}", again.header("location"));
}

#[tokio::test]
async fn what_only_the_token_says_outlasts_a_question() {
    let idp = Idp::start().await;
    idp.set(|script| script.user.1 = json!({"sub": "u-1"}));
    let gateway = Gateway::start(&idp.policy(json!({"userinfo_refresh_interval": "1s"}))).await;
    let mut browser = Browser::default();
    browser.log_in(&gateway, &idp).await;
    idp.asked();
    soon(async {
        while idp.asked().is_empty() {
            assert_eq!(browser.get(&gateway, "/x").await.text(), "old@example.com  AT-SECRET");
        }
    })
    .await;
    assert_eq!(browser.get(&gateway, "/x").await.text(), "old@example.com  AT-SECRET");
}

#[tokio::test]
async fn secrets_go_into_the_form_where_the_provider_wants_them_there() {
    let idp = Idp::start().await;
    idp.set(|script| script.description = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"], "userinfo_endpoint": null}));
    let gateway = Gateway::start(&idp.policy(json!({}))).await;
    let mut browser = Browser::default();
    assert_eq!(browser.log_in(&gateway, &idp).await.status, 302);
    assert_eq!(browser.get(&gateway, "/x").await.text(), "old@example.com  AT-SECRET", "what the token says");
}

#[tokio::test]
async fn a_provider_of_the_table_at_another_address() {
    let idp = Idp::start().await;
    idp.set(|script| script.user.1 = json!({"id": 583_231, "login": "ann", "email": "ann@example.com"}));
    let url = |path: &str| format!("{}/{path}", idp.url());
    let endpoints = json!({"authorize": url("authorize"), "token": url("token"), "userinfo": url("me")});
    let config = json!({"provider": "github", "client_id": "playground", "client_secret": SECRET, "endpoints": endpoints});
    let body = "${actions.ngrok.oauth.identity.provider_user_id} ${actions.ngrok.oauth.identity.email}";
    let policy = json!({"on_http_request": [
        {"type": "oauth", "config": config}, {"type": "custom-response", "config": {"body": body}},
    ]});
    let gateway = Gateway::start(&policy.to_string()).await;
    let mut browser = Browser::default();
    assert_eq!(browser.log_in(&gateway, &idp).await.status, 302);
    assert_eq!(idp.asked(), ["/token", "/me"], "nothing that is signed");
    assert_eq!(browser.get(&gateway, "/x").await.text(), "583231 ann@example.com");
    let known = json!({"on_http_request": [
        {"type": "oauth", "config": merge(policy["on_http_request"][0]["config"].clone(), json!({"endpoints": {}}))},
    ]});
    let sent = Gateway::start(&known.to_string()).await.send(get("/").header("host", "app.example")).await;
    let location =
        "https://github.com/login/oauth/authorize?response_type=code&client_id=playground&redirect_uri=";
    assert!(sent.header("location").starts_with(location), "{}", sent.header("location"));
    assert!(
        sent.header("location").contains("&scope=read%3Aorg%20read%3Auser&"),
        "{}",
        sent.header("location")
    );
}

#[tokio::test]
async fn a_login_may_stand_behind_another_endpoint() {
    let (idp, echo) = (Idp::start().await, EchoServer::start().await);
    let outer =
        json!({"on_http_request": [{"type": "forward-internal", "config": {"url": "https://app.internal"}}]});
    let mut inner: Value =
        serde_json::from_str(&idp.policy(json!({"idle_session_duration": "10s"}))).unwrap();
    inner["on_http_request"].as_array_mut().unwrap().pop();
    let config = json!({"endpoints": [
        {"name": "public", "listen": "127.0.0.1:0", "traffic_policy": outer},
        {"name": "app", "url": "https://app.internal", "upstream": {"url": echo.url()}, "traffic_policy": inner},
    ]});
    let gateway = Gateway::builder("{}").config(&config.to_string()).start().await;
    let mut browser = Browser::default();
    let back = browser.log_in(&gateway, &idp).await;
    assert_eq!((back.status, back.header("location")), (302, "/deep/page?q=a%20b&c=%2F"), "{}", back.text());
    let told = browser.get(&gateway, "/x").await;
    assert!(told.json()["headers"].get("cookie").is_none(), "{}", told.text());
    // Its use is noted once a second, on answers of the upstream, which sets a cookie of its own.
    soon(async {
        loop {
            let told = browser.get(&gateway, "/x").await;
            assert_eq!(told.status, 200);
            if told.headers.get_all("set-cookie").iter().count() == 2 {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn over_tls_cookies_are_for_tls_only() {
    let (idp, certificate) = (Idp::start().await, Certificate::new("app.example"));
    let builder = Gateway::builder(&idp.policy(json!({})));
    let (cert, key) =
        (builder.file("c.pem", &certificate.cert_pem), builder.file("k.pem", &certificate.key_pem));
    let args = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let gateway = builder.args(&args).start().await;
    let ask = "GET /x HTTP/1.1\r\nhost: app.example\r\nx-forwarded-proto: http\r\nconnection: close\r\n\r\n";
    let answer = soon(certificate.client("app.example").ask(gateway.addr, ask)).await.unwrap();
    assert!(answer.contains("; HttpOnly; SameSite=Lax; Secure\r\n"), "{answer}");
    assert!(
        answer.contains("&redirect_uri=https%3A%2F%2Fapp.example%2Fngrok%2Foauth2%2Fcallback&"),
        "{answer}"
    );
}
