//! `jwt-validation` with keys and signatures made by OpenSSL.

use crate::support::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

/// A server of key sets, which counts how often it is asked.
#[derive(Clone)]
struct Issuer {
    addr: SocketAddr,
    /// What it answers, and how often it has.
    state: Arc<Mutex<(u16, String, usize)>>,
}

impl Issuer {
    async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let issuer = Self { addr: listener.local_addr().unwrap(), state: Arc::default() };
        issuer.set(keys);
        let serving = issuer.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let issuer = serving.clone();
                tokio::spawn(async move {
                    let serve = service_fn(move |_: Request<Incoming>| {
                        let (status, body) = issuer.answer();
                        let response = Response::builder().status(status).body(Full::new(Bytes::from(body)));
                        async move { Ok::<_, Infallible>(response.unwrap()) }
                    });
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(tcp), serve)
                        .await;
                });
            }
        });
        issuer
    }

    fn answer(&self) -> (u16, String) {
        let mut state = self.state.lock().unwrap();
        state.2 += 1;
        (state.0, state.1.clone())
    }

    fn set(&self, keys: &[&Key]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
        let mut state = self.state.lock().unwrap();
        (state.0, state.1) = (200, json!({"keys": keys}).to_string());
    }

    fn fail(&self) {
        self.state.lock().unwrap().0 = 500;
    }

    fn asked(&self) -> usize {
        self.state.lock().unwrap().2
    }

    fn url(&self) -> String {
        format!("http://{}/jwks", self.addr)
    }
}

const ISSUER: &str = "https://issuer.example/";

fn config(urls: &[String]) -> Value {
    json!({
        "issuer": {"allow_list": [{"value": "https://other.example"}, {"value": ISSUER}]},
        "audience": {"allow_list": [{"value": "api"}]},
        "http": {"tokens": [{"type": "jwt", "method": "header", "name": "Authorization", "prefix": "Bearer "}]},
        "jws": {
            "allowed_algorithms": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"],
            "keys": {"sources": {"additional_jkus": urls}, "identification": {"token_claims": ["kid"]}},
        },
    })
}

fn policy(config: Value) -> String {
    json!({"on_http_request": [
        {"type": "jwt-validation", "config": config},
        {"type": "custom-response", "config": {"body": "${actions.ngrok.jwt_validation}"}},
    ]})
    .to_string()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": ["x", "api"], "exp": now() + 300, "nbf": now() - 5, "sub": "me", "n": 7})
}

/// Claims with some changed; null removes one.
fn changed(more: Value) -> Value {
    let mut claims = merge(claims(), more);
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

async fn status(gateway: &Gateway, token: &str) -> (u16, String) {
    let answer = gateway.send(get("/x").bearer(token)).await;
    (answer.status, answer.code().to_owned())
}

fn passes() -> (u16, String) {
    (200, String::new())
}

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

#[tokio::test]
async fn every_algorithm_with_keys_of_openssl() {
    let keys = [
        Key::new("RSA", "r"),
        Key::new("P-256", "p256"),
        Key::new("P-384", "p384"),
        Key::new("Ed25519", "ed"),
    ];
    let issuer = Issuer::start(&keys.each_ref()).await;
    let gateway = Gateway::start(&policy(config(&[issuer.url()]))).await;
    let of = |algorithm: &str| match algorithm {
        "ES256" => &keys[1],
        "ES384" => &keys[2],
        "EdDSA" => &keys[3],
        _ => &keys[0],
    };
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
        let token = of(algorithm).token(algorithm, &claims());
        assert_eq!(status(&gateway, &token).await, passes(), "{algorithm}");
        let nameless = of(algorithm).token_with(&json!({"alg": algorithm}), &claims());
        assert_eq!(status(&gateway, &nameless).await, passes(), "{algorithm} without kid");
        let (message, signature) = token.rsplit_once('.').unwrap();
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{message}.{flipped}{}", &signature[1..]);
        assert_eq!(status(&gateway, &forged).await, refused("3401"), "{algorithm}");
    }
    assert_eq!(issuer.asked(), 1, "the keys are kept");
}

#[tokio::test]
async fn results_are_there_for_later_rules_and_refusals_say_why() {
    let key = Key::new("P-256", "k");
    let issuer = Issuer::start(&[&key]).await;
    let gateway = Gateway::start(&policy(config(&[issuer.url()]))).await;
    let token = key.token("ES256", &claims());
    let answer = gateway.send(get("/x").header("AUTHORIZATION", &format!("bearer {token}"))).await;
    let result = answer.json();
    let one = &result["tokens"][0];
    assert_eq!((&one["verified"], &one["location"]), (&json!(true), &json!("header")), "{result}");
    assert_eq!((&one["location_property"], &one["header"]["kid"]), (&json!("Authorization"), &json!("k")));
    assert_eq!((&one["payload"]["sub"], &one["payload"]["n"]), (&json!("me"), &json!(7)));
    assert!(token.ends_with(one["signature"].as_str().unwrap()));
    assert_eq!(result["error"], json!({"code": "", "message": ""}));

    let missing = gateway.send(get("/x")).await;
    assert_eq!((missing.status, missing.code()), (401, "3408"));
    assert_eq!(missing.header("www-authenticate"), "Bearer");
    let bad = gateway.send(post("/v1/chat/completions", &json!({})).bearer("a.b")).await;
    bad.assert_openai_error(401, "3416");
    assert_eq!(bad.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    assert!(!gateway.written().contains(&token), "tokens are in no log");
}

#[tokio::test]
async fn claims_are_checked() {
    let key = Key::new("Ed25519", "k");
    let issuer = Issuer::start(&[&key]).await;
    let gateway = Gateway::start(&policy(config(&[issuer.url()]))).await;
    for (more, expected) in [
        (json!({"iss": "https://issuer.example"}), refused("3401")), // without the slash
        (json!({"iss": null}), refused("3401")),
        (json!({"iss": "https://other.example", "aud": "api"}), passes()),
        (json!({"aud": "other"}), refused("3401")),
        (json!({"aud": null}), refused("3401")),
        (json!({"exp": now() - 61}), refused("3401")),
        (json!({"exp": now() - 30}), passes()),
        (json!({"exp": null}), passes()),
        (json!({"exp": "soon"}), refused("3401")),
        (json!({"nbf": now() + 120}), refused("3401")),
        (json!({"nbf": now() + 30}), passes()),
    ] {
        let token = key.token("EdDSA", &changed(more.clone()));
        assert_eq!(status(&gateway, &token).await, expected, "{more}");
    }
}

#[tokio::test]
async fn no_token_chooses_how_it_is_verified() {
    let (rsa, other) = (Key::new("RSA", "r"), Key::new("RSA", "r"));
    let ec = Key::new("P-256", "e");
    let issuer = Issuer::start(&[&rsa, &ec]).await;
    let gateway = Gateway::start(&policy(config(&[issuer.url()]))).await;
    let payload = b64(claims().to_string().as_bytes());
    let none = format!("{}.{payload}.", b64(br#"{"alg":"none","kid":"r"}"#));
    assert_eq!(status(&gateway, &none).await, refused("3401"));
    // The public key as the secret of an HMAC: the classic confusion.
    let public = openssl(&["pkey", "-in", &rsa.pem(), "-pubout"], b"");
    let hex: String = public.iter().map(|byte| format!("{byte:02x}")).collect();
    let message = format!("{}.{payload}", b64(br#"{"alg":"HS256","kid":"r"}"#));
    let key_option = format!("hexkey:{hex}");
    let mac =
        openssl(&["dgst", "-sha256", "-mac", "HMAC", "-macopt", &key_option, "-binary"], message.as_bytes());
    assert_eq!(status(&gateway, &format!("{message}.{}", b64(&mac))).await, refused("3401"));
    // One key's name over another's signature, and an algorithm that is not the key's.
    assert_eq!(status(&gateway, &other.token("RS256", &claims())).await, refused("3401"));
    let crossed = ec.token_with(&json!({"alg": "ES256", "kid": "r"}), &claims());
    assert_eq!(status(&gateway, &crossed).await, refused("3401"));
    let weaker = json!({"alg": "RS256", "kid": "r", "crit": ["exp"]});
    assert_eq!(status(&gateway, &rsa.token_with(&weaker, &claims())).await, refused("3401"));
    // A key in the token's own header is nobody's.
    let own = json!({"alg": "RS256", "kid": "mine", "jwk": other.jwk, "jku": "http://127.0.0.1:1/"});
    assert_eq!(status(&gateway, &other.token_with(&own, &claims())).await, refused("3401"));
    let mut only = config(&[issuer.url()]);
    only["jws"]["allowed_algorithms"] = json!(["RS256"]);
    let strict = Gateway::start(&policy(only)).await;
    assert_eq!(status(&strict, &rsa.token("RS256", &claims())).await, passes());
    assert_eq!(status(&strict, &rsa.token("RS512", &claims())).await, refused("3401"));
    assert_eq!(status(&strict, &ec.token("ES256", &claims())).await, refused("3401"));
}

#[tokio::test]
async fn a_new_key_is_accepted_at_once_and_made_up_ones_ask_once() {
    let (old, new) = (Key::new("P-256", "old"), Key::new("P-256", "new"));
    let issuer = Issuer::start(&[&old]).await;
    let gateway = Gateway::start(&policy(config(&[issuer.url()]))).await;
    assert_eq!(status(&gateway, &old.token("ES256", &claims())).await, passes());
    issuer.set(&[&old, &new]);
    assert_eq!(status(&gateway, &new.token("ES256", &claims())).await, passes());
    assert_eq!(issuer.asked(), 2);
    for _ in 0..5 {
        let made_up = new.token_with(&json!({"alg": "ES256", "kid": "nobody"}), &claims());
        assert_eq!(status(&gateway, &made_up).await, refused("3401"));
    }
    assert_eq!(issuer.asked(), 2, "once a minute");
    issuer.fail();
    assert_eq!(status(&gateway, &old.token("ES256", &claims())).await, passes(), "the keys are kept");
}

#[tokio::test]
async fn without_keys_nobody_passes_and_the_next_server_is_asked() {
    let key = Key::new("P-256", "k");
    let (down, up) = (Issuer::start(&[]).await, Issuer::start(&[&key]).await);
    down.fail();
    let token = key.token("ES256", &claims());
    let alone = Gateway::start(&policy(config(&[down.url()]))).await;
    let answer = alone.send(get("/x").bearer(&token)).await;
    assert_eq!((answer.status, answer.code(), answer.header("www-authenticate")), (503, "3422", ""));
    let both = Gateway::start(&policy(config(&[down.url(), up.url()]))).await;
    assert_eq!(status(&both, &token).await, passes());
    let unknown = key.token_with(&json!({"alg": "ES256", "kid": "perhaps"}), &claims());
    assert_eq!(status(&both, &unknown).await, (503, "3422".into()), "the other server may know it");
}

#[tokio::test]
async fn tokens_in_bodies_and_several_at_once() {
    let key = Key::new("P-256", "k");
    let issuer = Issuer::start(&[&key]).await;
    let echo = EchoServer::start().await;
    let mut both = config(&[issuer.url()]);
    both["http"]["tokens"] = json!([
        {"type": "id_token", "method": "body", "name": "Token", "prefix": ""},
        {"type": "at+jwt", "method": "header", "name": "x-access"},
    ]);
    let guard = json!({"on_http_request": [{"type": "jwt-validation", "config": both}]}).to_string();
    let gateway = Gateway::builder(&guard).args(&["--upstream", &echo.url()]).start().await;
    let plain = key.token("ES256", &claims());
    let access = key.token_with(&json!({"alg": "ES256", "kid": "k", "typ": "at+JWT"}), &claims());
    let json = json!({"token": plain, "more": 1}).to_string();
    let send = |method: &str, body: &str, access: &str| {
        gateway.send(post_bytes("/same", body.to_owned()).method(method).header("x-access", access))
    };
    let answer = send("POST", &json, &access).await;
    assert_eq!((answer.status, answer.text()), (200, json.clone()), "the body goes on to the upstream");
    let code = |answer: Answer| (answer.status, answer.code().to_owned());
    assert_eq!(code(send("PUT", &json, &access).await), passes());
    assert_eq!(code(send("POST", &json, &plain).await), refused("3401"), "no at+jwt");
    assert_eq!(code(send("POST", &json, "").await), refused("3416"));
    assert_eq!(code(send("POST", r#"{"more": 1}"#, &access).await), refused("3412"));
    assert_eq!(code(send("POST", "token", &access).await), refused("3411"));
    assert_eq!(code(send("DELETE", &json, &access).await), refused("3415"));
    let form = |kind: &str, body: String| {
        let request = get("/same").method("POST").header("x-access", &access).header("content-type", kind);
        gateway.send(request.body(body))
    };
    assert_eq!(code(form("application/x-www-form-urlencoded", format!("a=1&token={plain}")).await), passes());
    assert_eq!(code(form("text/plain", json.clone()).await), refused("3414"));
    let long = json!({"token": plain, "more": "x".repeat(1 << 20)}).to_string();
    assert_eq!(code(send("POST", &long, &access).await), refused("3411"));
}

#[tokio::test]
async fn a_huge_token_is_refused() {
    let key = Key::new("P-256", "k");
    let issuer = Issuer::start(&[&key]).await;
    let mut body = config(&[issuer.url()]);
    body["http"]["tokens"] = json!([{"type": "jwt", "method": "body", "name": "token"}]);
    let gateway = Gateway::start(&policy(body)).await;
    let long = key.token("ES256", &changed(json!({"pad": "x".repeat(64 * 1024)})));
    let answer = gateway.send(post("/x", &json!({"token": long}))).await;
    assert_eq!((answer.status, answer.code()), (401, "3416"));
    let fits = key.token("ES256", &changed(json!({"pad": "x".repeat(32 * 1024)})));
    assert_eq!(gateway.send(post("/x", &json!({"token": fits}))).await.status, 200);
}
