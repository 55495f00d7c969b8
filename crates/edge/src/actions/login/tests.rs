//! A login from the first request to the last, with a provider that answers as it is told and a clock that is set by hand.
//! How identity tokens are verified, and the browser's side, is seen from outside, in the black-box tests.

use crate::action::RequestCx;
use crate::dry::DryClient;
use crate::engine::Shared;
use crate::phase::{self, Outcome};
use crate::testing::{engine, exchange, shared};
use crate::upstream::{Call, Reply, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};
use tollgate_select::Fault;

/// The time of the first request.
const START: u64 = 1_900_000_000;

/// A provider: what it answers at `/token` and `/user`, and what it was asked.
struct Provider {
    token: Mutex<Result<(u16, String), Fault>>,
    user: Mutex<Result<(u16, String), Fault>>,
    asked: Mutex<Vec<String>>,
}

struct Said(u16, Option<Bytes>);

#[async_trait]
impl Reply for Said {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0).expect("a status")
    }
    fn take_headers(&mut self) -> HeaderMap {
        HeaderMap::new()
    }
    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        Ok(self.1.take())
    }
    async fn done(self: Box<Self>) {}
}

#[async_trait]
impl Upstream for Provider {
    async fn open(&self, call: Call) -> Result<Box<dyn Reply>, Fault> {
        let body: Vec<u8> = call.body.concat();
        let body = String::from_utf8(body).expect("a form");
        let token = call.headers.get("authorization").map_or("", |value| value.to_str().expect("text"));
        self.asked.lock().expect("asked").push(format!("{} {token}{body}", call.url.path_and_query));
        tokio::task::yield_now().await;
        let answer = match call.url.path_and_query.as_str() {
            "/token" => self.token.lock().expect("an answer").clone(),
            "/user/emails" => Ok((
                200,
                r#"[{"email": "ann@private.example", "primary": true, "verified": true}]"#.to_owned(),
            )),
            "/user" => self.user.lock().expect("an answer").clone(),
            _ => Ok((404, String::new())),
        };
        answer.map(|(status, body)| -> Box<dyn Reply> { Box::new(Said(status, Some(body.into()))) })
    }
}

/// A gateway, its provider, and a browser.
struct World {
    shared: Shared,
    config: String,
    provider: Provider,
    cookies: BTreeMap<String, String>,
}

/// What a request came to.
#[derive(Debug)]
struct Seen {
    /// 0: it went on.
    status: u16,
    code: Option<u16>,
    location: String,
    /// `actions.ngrok.oauth`
    result: serde_json::Value,
    cookies: Vec<String>,
    /// Headers that go on.
    headers: HeaderMap,
}

impl World {
    fn new(more: &str) -> Self {
        let token = r#"{"access_token": "AT-1", "refresh_token": "RT-1", "expires_in": 3600}"#;
        let provider = Provider {
            token: Mutex::new(Ok((200, token.into()))),
            user: Mutex::new(Ok((200, r#"{"id": 7, "name": "Ann", "email": "ann@example.com"}"#.into()))),
            asked: Mutex::default(),
        };
        Self { shared: shared(&[]), config: more.to_owned(), provider, cookies: BTreeMap::new() }
    }

    fn policy(&self) -> String {
        format!(
            "on_http_request:\n  - expressions: [\"req.url.path.startsWith('/private')\"]\n    actions:\n      - type: add-headers\n        \
             config: {{headers: {{x-seen: '1'}}}}\n      - type: oauth\n        config: {{provider: github, client_id: me, client_secret: \
             s3cret, endpoints: {{authorize: 'https://id.example/authorize', token: 'https://id.example/token', userinfo: \
             'https://id.example/user'}}{}}}\n# actions.ngrok\n",
            self.config
        )
    }

    /// Sends a request as the browser would, at so many seconds from the start.
    async fn send(&mut self, line: &str, at: u64) -> Seen {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie =
            if cookies.is_empty() { String::new() } else { format!("cookie: {}\r\n", cookies.join("; ")) };
        let seen = self.ask(&format!("{line} HTTP/1.1\r\nhost: app.example\r\n{cookie}\r\n"), at).await;
        for cookie in &seen.cookies {
            let (name, rest) = cookie.split_once('=').expect("a pair");
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.remove(name);
            if !value.is_empty() {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        seen
    }

    async fn ask(&self, head: &str, at: u64) -> Seen {
        let engine = engine(&self.policy(), &self.shared);
        let mut exchange = exchange(&self.shared, &engine, head);
        exchange.now = UNIX_EPOCH + Duration::from_secs(START + at);
        let mut client = DryClient::new(Bytes::new());
        let mut cx = RequestCx {
            exchange: &mut exchange,
            client: &mut client,
            upstream: &self.provider,
            engine: &engine,
        };
        let (outcome, _) = phase::run_request(&engine.request, &mut cx).await;
        let (status, mut headers) = match outcome {
            Outcome::Respond(answer) => (answer.status.as_u16(), answer.headers),
            Outcome::Fallthrough => (0, HeaderMap::new()),
            other => panic!("{other:?}"),
        };
        for cookie in &exchange.cookies {
            headers.append(SET_COOKIE, cookie.clone());
        }
        let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
        Seen {
            status,
            code: exchange.record.error_code,
            location: headers.get(LOCATION).map(text).unwrap_or_default(),
            result: exchange.results.get("oauth").map(tollgate_expr::Value::to_json).unwrap_or_default(),
            cookies: headers.get_all(SET_COOKIE).iter().map(text).collect(),
            headers: exchange.request.headers,
        }
    }

    /// Logs in at so many seconds from the start.
    async fn log_in(&mut self, at: u64) {
        let sent = self.send("GET /private/a?b=c", at).await;
        assert_eq!(sent.status, 302, "{sent:?}");
        let back = self
            .send(&format!("GET /ngrok/oauth2/callback?code=C&state={}", state(&sent.location)), at)
            .await;
        assert_eq!((back.status, back.location.as_str()), (302, "/private/a?b=c"), "{back:?}");
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.provider.asked.lock().expect("asked"))
    }

    fn token(&self, answer: Result<(u16, &str), Fault>) {
        *self.provider.token.lock().expect("an answer") =
            answer.map(|(status, body)| (status, body.to_owned()));
    }

    fn user(&self, answer: Result<(u16, &str), Fault>) {
        *self.provider.user.lock().expect("an answer") =
            answer.map(|(status, body)| (status, body.to_owned()));
    }
}

fn state(location: &str) -> String {
    let (_, rest) = location.split_once("&state=").expect("a state");
    rest.split('&').next().expect("a state").to_owned()
}

#[tokio::test]
async fn from_the_first_request_to_the_session() {
    let mut world = World::new("");
    let sent = world.send("GET /private/a?b=c", 0).await;
    assert!(sent.location.starts_with("https://id.example/authorize?response_type=code&client_id=me&redirect_uri=http%3A%2F%2Fapp.example%2Fngrok%2Foauth2%2Fcallback&scope=read%3Aorg%20read%3Auser&state="), "{}", sent.location);
    assert!(world.asked().is_empty());
    let state = state(&sent.location);
    // The path of the callback is not one of the rule's, and the rule's other action does not run for it.
    let back = world.send(&format!("GET /ngrok/oauth2/callback?code=C%2B1&state={state}"), 5).await;
    assert_eq!((back.status, back.location.as_str()), (302, "/private/a?b=c"), "{back:?}");
    assert!(!back.headers.contains_key("x-seen"));
    let asked = world.asked();
    assert!(asked[0].starts_with("/token grant_type=authorization_code&code=C%2B1&redirect_uri=http%3A%2F%2Fapp.example%2Fngrok%2Foauth2%2Fcallback&code_verifier="), "{asked:?}");
    assert!(asked[0].ends_with("&client_id=me&client_secret=s3cret"), "{asked:?}");
    assert_eq!(asked[1], "/user Bearer AT-1");
    assert_eq!(world.cookies.len(), 1, "the attempt's cookie is gone: {:?}", world.cookies.keys());

    let seen = world.send("GET /private/x", 6).await;
    assert_eq!((seen.status, seen.code), (0, None), "{seen:?}");
    assert!(!seen.headers.contains_key("cookie") && seen.headers.contains_key("x-seen"));
    assert!(world.asked().is_empty(), "a session is looked at here");
    let identity = &seen.result["identity"];
    assert_eq!(identity["email"], "ann@example.com");
    assert_eq!((identity["name"].as_str(), identity["provider_user_id"].as_str()), (Some("Ann"), Some("7")));
    assert!(identity["id"].as_str().is_some_and(|id| id.starts_with("idt_")));
    assert_eq!(identity["current_provider_session_id"].as_str().map(str::len), Some(43));
    assert_eq!(seen.result["access_token"], "AT-1");
    assert_eq!(seen.result["expires_at"], "2030-03-17T18:46:45.000Z");
    assert_eq!(seen.result["userinfo_refreshed"], false);
    assert_eq!(seen.result["error"]["code"], "");
}

#[tokio::test]
async fn other_paths_are_no_business_of_the_rule_and_never_see_the_session() {
    let mut world = World::new("");
    world.log_in(0).await;
    let seen = world.send("GET /public", 1).await;
    assert_eq!(seen.status, 0);
    assert!(!seen.headers.contains_key("cookie"), "{:?}", seen.headers);
    let cookie =
        world.cookies.iter().map(|(name, value)| format!("{name}={value}; other=1")).collect::<String>();
    let forged = format!(
        "GET /public HTTP/1.1\r\nhost: a\r\ncookie: {cookie}\r\nngrok-auth-oauth-access-token: x\r\n\r\n"
    );
    let seen = world.ask(&forged, 1).await;
    assert_eq!(seen.headers["cookie"], "other=1");
    assert!(!seen.headers.contains_key("ngrok-auth-oauth-access-token"));
}

#[tokio::test]
async fn what_is_no_navigation_gets_401() {
    let world = World::new("");
    for head in [
        "POST /private HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /private HTTP/1.1\r\nhost: a\r\nsec-fetch-mode: cors\r\n\r\n",
        "GET /private HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        "OPTIONS /private HTTP/1.1\r\nhost: a\r\norigin: https://b\r\naccess-control-request-method: PUT\r\n\r\n",
    ] {
        let seen = world.ask(head, 0).await;
        assert_eq!((seen.status, seen.code), (401, Some(3150)), "{head}");
        assert!(seen.cookies.is_empty() && seen.location.is_empty());
        assert_eq!(seen.result["error"]["code"], "ERR_NGROK_3150");
    }
    let world = World::new(", allow_cors_preflight: true");
    let preflight = "OPTIONS /private HTTP/1.1\r\nhost: a\r\norigin: https://b\r\naccess-control-request-method: PUT\r\n\r\n";
    assert_eq!(world.ask(preflight, 0).await.status, 0);
    assert_eq!(world.ask("OPTIONS /private HTTP/1.1\r\nhost: a\r\n\r\n", 0).await.status, 401);
}

#[tokio::test]
async fn sessions_end_by_age_and_by_rest_and_the_next_one_says_so() {
    let mut world = World::new(", max_session_duration: 1h, idle_session_timeout: 10m");
    world.log_in(0).await;
    assert_eq!(world.send("GET /private", 59).await.cookies.len(), 0);
    let touched = world.send("GET /private", 60).await;
    assert_eq!((touched.status, touched.cookies.len()), (0, 1), "its use is noted");
    assert!(touched.cookies[0].contains("; Max-Age=600;"), "{touched:?}");
    let idle = world.send("GET /private", 660).await;
    assert_eq!(idle.status, 302);
    assert_eq!(idle.result["session_timed_out"], true);
    world.send(&format!("GET /ngrok/oauth2/callback?code=C&state={}", state(&idle.location)), 661).await;
    let mut at = 661;
    while at + 500 < 661 + 3600 {
        at += 500;
        let seen = world.send("GET /private", at).await;
        assert_eq!((seen.status, &seen.result["session_timed_out"]), (0, &true.into()), "{at}");
    }
    let old = world.send("GET /private", 661 + 3600).await;
    assert_eq!(old.status, 302);
    assert_eq!(old.result["session_max_duration_reached"], true);
    let post = world.ask("POST /private HTTP/1.1\r\nhost: a\r\n\r\n", at).await;
    assert_eq!(post.status, 401);
}

#[tokio::test]
async fn the_user_is_asked_for_again_and_may_be_gone() {
    let mut world = World::new(", userinfo_refresh_interval: 10m");
    world.log_in(0).await;
    world.asked();
    assert_eq!(world.send("GET /private", 599).await.result["userinfo_refreshed"], false);
    world.user(Ok((200, r#"{"id": 7, "name": "Ann B", "email": "ann@new.example"}"#)));
    let seen = world.send("GET /private", 600).await;
    assert_eq!(world.asked(), ["/user Bearer AT-1"]);
    assert_eq!(seen.result["userinfo_refreshed"], true);
    assert_eq!(seen.result["identity"]["email"], "ann@new.example");
    let next = world.send("GET /private", 601).await;
    assert_eq!(
        (&next.result["identity"]["name"], &next.result["userinfo_refreshed"]),
        (&"Ann B".into(), &false.into())
    );

    world.user(Err(Fault::Connect));
    let down = world.send("GET /private", 1200).await;
    assert_eq!((down.status, down.code), (503, Some(3160)), "nobody passes who cannot be asked about");

    // Who is somebody else now does not go on as before.
    world.user(Ok((200, r#"{"id": 8, "name": "Eve"}"#)));
    let other = world.send("GET /private", 1201).await;
    assert_eq!((other.status, other.code), (502, Some(3164)), "{other:?}");

    world.token(Ok((400, r#"{"error": "invalid_grant"}"#)));
    world.user(Ok((401, "")));
    let gone = world.send("GET /private", 1202).await;
    assert_eq!(gone.status, 302, "back to the login");
    assert_eq!(world.ask("POST /private HTTP/1.1\r\nhost: a\r\n\r\n", 1203).await.status, 401);
}

#[tokio::test]
async fn expired_tokens_are_renewed_once_for_all_who_come_at_a_time() {
    let mut world = World::new("");
    world.log_in(0).await;
    world.asked();
    world.token(Ok((200, r#"{"access_token": "AT-2", "expires_in": 3600}"#)));
    let cookies: Vec<String> = world.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let head = format!("GET /private HTTP/1.1\r\nhost: a\r\ncookie: {}\r\n\r\n", cookies.join("; "));
    let (one, two) = tokio::join!(world.ask(&head, 3595), world.ask(&head, 3595));
    let late = world.ask(&head, 3600).await;
    let asked = world.asked();
    assert_eq!(
        asked,
        ["/token grant_type=refresh_token&refresh_token=RT-1&client_id=me&client_secret=s3cret"]
    );
    for seen in [one, two, late] {
        assert_eq!(seen.status, 0, "{seen:?}");
        assert_eq!(
            (&seen.result["access_token"], &seen.result["refresh_token"]),
            (&"AT-2".into(), &"RT-1".into())
        );
        assert!(!seen.cookies.is_empty(), "each gets the new session");
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_refused_ends_the_session() {
    let mut world = World::new("");
    world.log_in(0).await;
    world.token(Ok((503, "")));
    let down = world.send("GET /private", 4000).await;
    assert_eq!((down.status, down.code), (503, Some(3165)));
    world.token(Ok((400, r#"{"error": "invalid_grant"}"#)));
    assert_eq!(world.send("GET /private", 4001).await.status, 302);
}

#[tokio::test]
async fn another_configuration_asks_again_and_another_secret_knows_nobody() {
    let mut world = World::new("");
    world.log_in(0).await;
    world.asked();
    world.config = ", scopes: ['user:email']".into();
    assert_eq!(world.send("GET /private", 1).await.result["userinfo_refreshed"], true);
    assert_eq!(world.asked(), ["/user Bearer AT-1"]);
    assert_eq!(world.send("GET /private", 2).await.status, 0);
    assert!(world.asked().is_empty());
    world.config = ", auth_id: other".into();
    assert_eq!(world.send("GET /private", 3).await.status, 302, "another login");
}

#[tokio::test]
async fn attempts_come_back_once_to_their_own_browser() {
    let mut world = World::new("");
    let first = state(&world.send("GET /private/one", 0).await.location);
    let second = state(&world.send("GET /private/two", 1).await.location);
    let saved = world.cookies.clone();
    let callback = |state: &str| format!("GET /ngrok/oauth2/callback?code=C&state={state}");
    assert_eq!(world.send(&callback(&first), 2).await.location, "/private/one", "two tabs");
    assert_eq!(world.send(&callback(&second), 3).await.location, "/private/two");
    let codes = |seen: &Seen| (seen.status, seen.code);
    assert_eq!(codes(&world.send(&callback(&first), 4).await), (400, Some(3121)), "its cookie is gone");
    world.cookies = saved;
    assert_eq!(
        codes(&world.send(&callback(&first), 5).await),
        (400, Some(3123)),
        "a copy of its cookie does not help"
    );
    let third = state(&world.send("GET /private", 10).await.location);
    assert_eq!(codes(&world.send(&callback(&third), 10 + 900).await), (400, Some(3119)));
    for (query, code) in
        [("code=C", 3120), ("code=C&state=", 3120), ("code=C&state=x", 3121), ("state=a&state=b", 3108)]
    {
        let seen = world.send(&format!("GET /ngrok/oauth2/callback?{query}"), 11).await;
        assert_eq!(codes(&seen), (400, Some(code)), "{query}");
    }
    let fourth = world.send("GET /private", 20).await;
    let at_another = format!(
        "{} HTTP/1.1\r\nhost: evil.example\r\ncookie: {}\r\n\r\n",
        callback(&state(&fourth.location)),
        world.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ")
    );
    assert_eq!(codes(&world.ask(&at_another, 21).await), (400, Some(3124)), "another host");
}

#[tokio::test]
async fn github_is_asked_for_addresses_where_it_may_be() {
    for (config, email, asked) in [("", "", 2), (", scopes: ['user:email']", "ann@private.example", 3)] {
        let mut world = World::new(config);
        world.user(Ok((200, r#"{"id": 7, "login": "ann", "email": null}"#)));
        world.log_in(0).await;
        assert_eq!(world.asked().len(), asked);
        assert_eq!(world.send("GET /private", 1).await.result["identity"]["email"], email);
    }
}

#[tokio::test]
async fn logging_in_again_and_out() {
    let mut world = World::new(", auth_id: staff");
    world.log_in(0).await;
    let again = world.send("GET /ngrok/login?auth_id=staff&redirect_path=%2Fprivate%2Fz", 1).await;
    assert!(again.location.ends_with("&prompt=select_account"), "{}", again.location);
    let back =
        world.send(&format!("GET /ngrok/oauth2/callback?code=C&state={}", state(&again.location)), 2).await;
    assert_eq!(back.location, "/private/z");
    let other = world.send("GET /ngrok/logout?auth_id=other", 3).await;
    assert_eq!(other.status, 0, "not a path of this login");
    assert!(world.cookies.contains_key("session.staff"));
    let out = world.send("GET /ngrok/logout?redirect_path=//evil.example", 4).await;
    assert_eq!((out.status, out.location.as_str()), (302, "/"));
    assert!(world.cookies.is_empty());
    assert_eq!(world.send("GET /private", 5).await.status, 302);
    assert_eq!(world.send("GET /ngrok/logout", 6).await.status, 200);
}

#[tokio::test]
async fn a_domain_and_a_public_address() {
    let mut world = World::new(", auth_cookie_domain: example.com, public_url: 'https://app.example.com'");
    let sent = world.send("GET /private", 0).await;
    assert!(
        sent.location.contains("redirect_uri=https%3A%2F%2Fapp.example.com%2Fngrok"),
        "{}",
        sent.location
    );
    assert!(
        sent.cookies[0].ends_with("; HttpOnly; SameSite=Lax; Domain=example.com; Secure"),
        "{:?}",
        sent.cookies
    );
    let world = World::new(", auth_cookie_domain: example.com");
    let stray = world.ask("GET /private HTTP/1.1\r\nhost: other.example\r\n\r\n", 0).await;
    assert_eq!((stray.status, stray.code), (400, Some(2241)), "no circle of redirects");
    let without = World::new("").ask("GET /private HTTP/1.0\r\n\r\n", 0).await;
    assert_eq!((without.status, without.code), (400, Some(2241)));
}

#[tokio::test]
async fn tokens_too_long_for_cookies_are_said_to_be() {
    let mut world = World::new("");
    let long = "x".repeat(40_000);
    world.token(Ok((200, &format!(r#"{{"access_token": "{long}"}}"#))));
    let sent = world.send("GET /private", 0).await;
    let back =
        world.send(&format!("GET /ngrok/oauth2/callback?code=C&state={}", state(&sent.location)), 1).await;
    assert_eq!((back.status, back.code), (500, Some(3150)));
    let longish = "x".repeat(9000);
    world.token(Ok((200, &format!(r#"{{"access_token": "{longish}"}}"#))));
    world.log_in(2).await;
    assert!(world.cookies.len() > 2);
    let seen = world.send("GET /private", 3).await;
    assert_eq!(seen.result["access_token"], longish.as_str());
}

#[tokio::test]
async fn providers_that_fail_are_named_by_what_they_do() {
    for (token, user, expected) in [
        (Err(Fault::Connect), Ok((200, "{}")), (503, 3160)),
        (Err(Fault::BadAnswer), Ok((200, "{}")), (502, 3160)),
        (Ok((200, r#"{"error": "bad_verification_code"}"#)), Ok((200, "{}")), (400, 3163)),
        (Ok((401, r#"{"error": "invalid_client"}"#)), Ok((200, "{}")), (502, 3125)),
        (Ok((500, "")), Ok((200, "{}")), (502, 3166)),
        (Ok((200, r#"{"access_token": "a"}"#)), Ok((200, "<html>")), (502, 3160)),
        (Ok((200, r#"{"access_token": "a"}"#)), Ok((200, "{}")), (502, 3160)),
        (Ok((200, r#"{"access_token": "a"}"#)), Ok((403, "{}")), (403, 3113)),
        (Ok((200, r#"{"access_token": "a"}"#)), Ok((429, "{}")), (503, 3161)),
        (Ok((200, "{\"access_token\": \"a\\nb\"}")), Ok((200, "{}")), (502, 3160)),
    ] {
        let mut world = World::new("");
        let sent = world.send("GET /private", 0).await;
        world.token(token.clone());
        world.user(user.clone());
        let back = world
            .send(&format!("GET /ngrok/oauth2/callback?code=C&state={}", state(&sent.location)), 1)
            .await;
        assert_eq!((back.status, back.code), (expected.0, Some(expected.1)), "{token:?} {user:?}");
        assert!(world.cookies.is_empty(), "no session, and the attempt is over: {:?}", world.cookies.keys());
    }
}
