//! An OpenID provider that lies, fails and signs as it is told, and a browser that logs in there.

use super::{Answer, Ask, Gateway, Key, b64, get, merge, openssl};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

/// The client's secret.
pub(crate) const SECRET: &str = "client-secret-0123456789";

/// How the provider behaves.
pub(crate) struct Script {
    /// What is different in its description; null removes.
    pub(crate) description: Value,
    /// What is different in the identity token's claims.
    pub(crate) claims: Value,
    /// The token itself, when it is none that the key signed.
    pub(crate) id_token: Option<String>,
    /// The answer of the token endpoint, when it is no token.
    pub(crate) token: Option<(u16, Value)>,
    /// The answer about the user.
    pub(crate) user: (u16, Value),
    /// Of the login that runs.
    nonce: String,
    challenge: String,
}

/// An OpenID provider.
#[derive(Clone)]
pub(crate) struct Idp {
    addr: SocketAddr,
    key: Arc<Key>,
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let user = json!({"sub": "u-1", "email": "ann@example.com", "email_verified": true, "name": "Ann"});
        let idp = Self {
            addr: listener.local_addr().unwrap(),
            key: Arc::new(Key::new("P-256", "k1")),
            script: Arc::new(Mutex::new(Script {
                description: json!({}),
                claims: json!({}),
                id_token: None,
                token: None,
                user: (200, user),
                nonce: String::new(),
                challenge: String::new(),
            })),
            asked: Arc::default(),
        };
        let serving = idp.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let idp = serving.clone();
                tokio::spawn(async move {
                    let serve = service_fn(move |request| {
                        let idp = idp.clone();
                        async move { Ok::<_, Infallible>(idp.answer(request).await) }
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(tcp), serve).await;
                });
            }
        });
        idp
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let form = String::from_utf8(body.to_vec()).unwrap();
        let header = head.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        self.asked.lock().unwrap().push(head.uri.path().to_owned());
        let script = self.script.lock().unwrap();
        let (status, answer) = match head.uri.path() {
            "/.well-known/openid-configuration" => (200, self.description(&script)),
            "/jwks" => (200, json!({"keys": [self.key.jwk]})),
            "/token" => self.tokens(&script, header, &form),
            "/me" if header == "Bearer AT-SECRET" => script.user.clone(),
            "/me" => (401, json!({})),
            _ => (404, json!({})),
        };
        let response = Response::builder().status(status).header("content-type", "application/json");
        response.body(Full::new(Bytes::from(answer.to_string()))).unwrap()
    }

    fn description(&self, script: &Script) -> Value {
        let url = self.url();
        let mut said = merge(
            json!({
                "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
                "userinfo_endpoint": format!("{url}/me"), "jwks_uri": format!("{url}/jwks"),
                "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
            }),
            script.description.clone(),
        );
        said.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        said
    }

    /// What a provider checks: the client, PKCE, where the code was sent.
    fn tokens(&self, script: &Script, authorization: &str, form: &str) -> (u16, Value) {
        if let Some(answer) = &script.token {
            return answer.clone();
        }
        let field = |name: &str| {
            form.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap_or("")
        };
        let pair = format!("playground:{SECRET}");
        let basic = String::from_utf8(openssl(&["base64", "-A"], pair.as_bytes())).unwrap();
        let posted = (field("client_id"), field("client_secret")) == ("playground", SECRET);
        if authorization != format!("Basic {basic}") && !posted {
            return (401, json!({"error": "invalid_client"}));
        }
        let hash = openssl(&["dgst", "-sha256", "-binary"], field("code_verifier").as_bytes());
        let sent_to = "http%3A%2F%2Fapp.example%2Fngrok%2Foauth2%2Fcallback";
        if b64(&hash) != script.challenge
            || field("redirect_uri") != sent_to
            || field("code") != "CODE-SECRET"
        {
            return (
                400,
                json!({"error": "invalid_grant", "error_description": "wrong verifier, code or redirect_uri"}),
            );
        }
        let token = script.id_token.clone().unwrap_or_else(|| self.key.token("ES256", &self.claims(script)));
        let tokens = json!({"access_token": "AT-SECRET", "token_type": "Bearer", "expires_in": 3600, "id_token": token});
        (200, if token.is_empty() { merge(tokens, json!({"id_token": null})) } else { tokens })
    }

    pub(crate) fn claims(&self, script: &Script) -> Value {
        let now = now();
        let usual = json!({
            "iss": self.url(), "aud": "playground", "sub": "u-1", "iat": now, "exp": now + 300, "nonce": script.nonce,
            "email": "old@example.com",
        });
        let mut claims = merge(usual, script.claims.clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    pub(crate) fn policy(&self, more: Value) -> String {
        let config = json!({"issuer_url": self.url(), "client_id": "playground", "client_secret": SECRET});
        json!({"on_http_request": [
            {"type": "openid-connect", "config": merge(config, more)},
            {"type": "custom-response", "expressions": ["req.url.path != '/echo'"], "config": {
                "body": "${actions.ngrok.oidc.identity.email} ${actions.ngrok.oidc.identity.name} ${actions.ngrok.oidc.access_token}",
            }},
        ]})
        .to_string()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A browser: it keeps cookies and says that it wants pages.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn ask(&self, path: &str) -> Ask {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let ask = get(path).header("host", "app.example").header("accept", "text/html,*/*");
        if pairs.is_empty() { ask } else { ask.header("cookie", &pairs.join("; ")) }
    }

    pub(crate) async fn get(&mut self, gateway: &Gateway, path: &str) -> Answer {
        let answer = gateway.send(self.ask(path)).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.remove(name);
            if !value.is_empty() {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Asks for a page and is sent to the provider, which notes what it is asked. The path to come back by.
    pub(crate) async fn leave(&mut self, gateway: &Gateway, idp: &Idp, path: &str) -> String {
        let sent = self.get(gateway, path).await;
        assert_eq!(sent.status, 302, "{}", sent.text());
        let location = sent.header("location").to_owned();
        let field = |name: &str| {
            let found = location.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            found.unwrap_or_default().to_owned()
        };
        assert!(
            location
                .starts_with(&format!("{}/authorize?response_type=code&client_id=playground&", idp.url()))
        );
        assert!(location.contains("&code_challenge_method=S256"), "{location}");
        idp.set(|script| (script.nonce, script.challenge) = (field("nonce"), field("code_challenge")));
        format!("/ngrok/oauth2/callback?code=CODE-SECRET&state={}", field("state"))
    }

    /// Logs in; the answer to coming back.
    pub(crate) async fn log_in(&mut self, gateway: &Gateway, idp: &Idp) -> Answer {
        let back = self.leave(gateway, idp, "/deep/page?q=a%20b&c=%2F").await;
        self.get(gateway, &back).await
    }

    pub(crate) fn session(&self) -> (&String, &String) {
        self.cookies.iter().find(|(name, _)| name.starts_with("session.")).expect("a session")
    }
}
