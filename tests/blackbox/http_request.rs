//! `http-request`: what is sent, what comes back, when it is tried again, and which servers are never called.

use crate::support::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A server that does what the path says, and remembers the paths.
struct Site {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let serve = service_fn(move |request| answer(request, Arc::clone(&seen)));
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(tcp), serve)
                        .await;
                });
            }
        });
        Self { addr, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<String>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let target = head.uri.path_and_query().unwrap().to_string();
    let count = {
        let mut seen = seen.lock().unwrap();
        seen.push(target.clone());
        seen.len()
    };
    let full = |text: &str| Full::new(Bytes::copy_from_slice(text.as_bytes()));
    let made = Response::builder().header("x-count", count.to_string());
    let (kind, rest) = target[1..].split_once('/').unwrap_or((&target[1..], ""));
    Ok(match kind {
        "flaky" if count <= rest.parse().unwrap() => made.status(500).body(full("not yet")),
        "status" => made.status(rest.parse::<u16>().unwrap()).body(full("said")),
        "redirect" if rest != "0" => {
            let left: usize = rest.parse().unwrap();
            made.status(307).header("location", format!("../redirect/{}", left - 1)).body(full(""))
        }
        "see-other" => made.status(303).header("location", "/echo").body(full("")),
        "to" => made.status(302).header("location", rest).body(full("")),
        "gzip" => made.header("content-encoding", "gzip").body(Full::new(gzip(rest.parse().unwrap()))),
        "zeros" => made.body(Full::new(Bytes::from(vec![b'0'; rest.parse().unwrap()]))),
        "silent" => std::future::pending().await,
        _ => {
            let headers: serde_json::Map<String, Value> = head
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
                .collect();
            let text = String::from_utf8_lossy(&body).into_owned();
            let told =
                json!({"method": head.method.as_str(), "uri": target, "headers": headers, "body": text});
            made.header("x-two", "1").header("x-two", "2").body(full(&told.to_string()))
        }
    }
    .unwrap())
}

/// So many zeros, compressed.
fn gzip(length: usize) -> Bytes {
    let script = format!("head -c {length} /dev/zero | tr '\\0' '0' | gzip");
    std::process::Command::new("sh").args(["-c", &script]).output().unwrap().stdout.into()
}

fn policy(config: Value) -> Value {
    json!({"on_http_request": [
        {"type": "http-request", "config": config},
        {"type": "custom-response", "config": {"body": "${actions.ngrok.http_request}"}},
    ]})
}

/// The result of the action for one request.
async fn result(config: Value) -> Value {
    let gateway = Gateway::start(&policy(config).to_string()).await;
    let answer = gateway.send(get("/v1/x?q=1").header("x-team", "a b&c")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn error(result: &Value) -> &str {
    result["error"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn what_is_sent_and_what_comes_back() {
    let site = Site::start().await;
    let result = result(json!({
        "url": site.url("/echo/${req.url.path}?x=1"), "method": "POST",
        "query_params": [{"key": "team name", "value": "${req.headers['x-team'][0]}"}],
        "headers": {"authorization": "Bearer top-secret", "x-mine": "${req.method}", "content-type": "text/plain"},
        "body": "path ${req.url.path}",
    }))
    .await;
    assert_eq!((error(&result), &result["error"]["message"]), ("", &json!("")));
    let res = &result["res"];
    assert_eq!((&res["status_code"], &res["resolved_ip"]), (&json!(200), &json!("127.0.0.1")));
    assert!(res["time_ms"].as_str().unwrap().parse::<u64>().is_ok());
    assert_eq!(res["header"]["x-two"], json!(["1", "2"]));
    let told: Value = serde_json::from_str(res["body"].as_str().unwrap()).unwrap();
    assert_eq!((&told["method"], &told["body"]), (&json!("POST"), &json!("path /v1/x")));
    assert_eq!(told["uri"], "/echo//v1/x?x=1&team%20name=a%20b%26c");
    let headers = &told["headers"];
    assert_eq!((&headers["authorization"], &headers["x-mine"]), (&json!("Bearer top-secret"), &json!("GET")));
    assert_eq!(
        (&headers["x-forwarded-for"], &headers["accept-encoding"]),
        (&json!("127.0.0.1"), &json!("gzip"))
    );
    assert!(headers["user-agent"].as_str().unwrap().starts_with("tollgate/"));
    assert!(headers["x-tollgate-request-id"].is_string());
    let req = &result["req"];
    assert_eq!((&req["method"], &req["body"]), (&json!("POST"), &json!("path /v1/x")));
    assert_eq!(req["url"], site.url("/echo//v1/x?x=1&team%20name=a%20b%26c"));
    assert_eq!(req["header"]["authorization"], json!(["[redacted]"]));
    let [one] = result["attempts"].as_array().unwrap().as_slice() else { panic!("{result}") };
    assert_eq!((&one["response_status_code"], &one["resolved_ip"]), (&json!(200), &json!("127.0.0.1")));
    assert_eq!(one["response_header"]["x-count"], json!(["1"]));
}

#[tokio::test]
async fn it_is_tried_again_as_long_as_the_condition_holds() {
    let attempts = |result: &Value| result["attempts"].as_array().unwrap().len();
    for (condition, expected, status) in [
        ("last_attempt.res.statusCode == 500 && last_attempt.req.method == 'GET'", 3, 200),
        ("${attempts < 2}", 2, 500),
        ("last_attempt.res.status_code == 503", 1, 500),
        ("last_attempt.error != ''", 1, 500),
        ("last_attempt.res.body == 'not yet'", 3, 200),
        ("last_attempt.res.header['x-count'][0] == '1'", 2, 500),
    ] {
        let site = Site::start().await;
        let result = result(json!({"url": site.url("/flaky/2"), "retry_condition": condition})).await;
        assert_eq!(
            (attempts(&result), &result["res"]["status_code"]),
            (expected, &json!(status)),
            "{condition}"
        );
        assert_eq!((site.asked().len(), error(&result)), (expected, ""), "{condition}: a status is no error");
    }
    let site = Site::start().await;
    let result = result(json!({"url": site.url("/status/404"), "retry_condition": "true"})).await;
    assert_eq!((attempts(&result), site.asked().len()), (4, 4), "three retries at most");
    let refused = self::result(
        json!({"url": format!("http://{}/", nobody()), "retry_condition": "last_attempt.error != ''"}),
    )
    .await;
    assert_eq!((attempts(&refused), error(&refused)), (4, "ERR_NGROK_3006"));
    assert_eq!(refused["res"]["status_code"], 0);
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_allowed() {
    let site = Site::start().await;
    let as_it_is = result(json!({"url": site.url("/redirect/1")})).await;
    assert_eq!((&as_it_is["res"]["status_code"], error(&as_it_is)), (&json!(307), ""));
    let config = json!({"url": site.url("/redirect/3"), "max_redirects": 3, "method": "PUT", "body": "b"});
    let followed = result(config).await;
    let told: Value = serde_json::from_str(followed["res"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&told["uri"], &told["method"], &told["body"]),
        (&json!("/redirect/0"), &json!("PUT"), &json!("b"))
    );
    let config = json!({"url": site.url("/see-other"), "max_redirects": 1, "method": "POST", "body": "b"});
    let seen: Value = serde_json::from_str(result(config).await["res"]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&seen["method"], &seen["body"]), (&json!("GET"), &json!("")));
    let too_many = result(json!({"url": site.url("/redirect/3"), "max_redirects": 2})).await;
    assert_eq!((error(&too_many), &too_many["res"]["status_code"]), ("ERR_NGROK_3214", &json!(307)));
}

#[tokio::test]
async fn another_server_gets_none_of_the_policys_headers() {
    let (site, other) = (Site::start().await, Site::start().await);
    let config = json!({"url": site.url(&format!("/to/{}", other.url("/echo"))), "max_redirects": 1,
        "headers": {"x-api-key": "top-secret", "authorization": "Bearer top-secret", "accept": "a/b"}});
    let result = result(config).await;
    let told: Value = serde_json::from_str(result["res"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(told["headers"]["accept"], "a/b");
    assert!(!told.to_string().contains("top-secret"), "{told}");
}

#[tokio::test]
async fn answers_are_bounded_after_decompression() {
    let site = Site::start().await;
    const MOST: usize = 256 * 1024;
    for (path, expected) in [("zeros", ""), ("gzip", "")] {
        let result = result(json!({"url": site.url(&format!("/{path}/{MOST}"))})).await;
        assert_eq!(
            (error(&result), result["res"]["body"].as_str().unwrap().len()),
            (expected, MOST),
            "{path}"
        );
        let longer = self::result(json!({"url": site.url(&format!("/{path}/{}", MOST + 1))})).await;
        assert_eq!((error(&longer), &longer["res"]["body"]), ("ERR_NGROK_3601", &json!("")), "{path}");
    }
}

#[tokio::test]
async fn an_error_halts_when_the_policy_says_so() {
    let site = Site::start().await;
    for (url, more, status, code) in [
        (site.url("/zeros/300000"), json!({}), 502, "3601"),
        (site.url("/silent"), json!({"timeout": "1s", "retry_condition": "true"}), 504, "3602"),
        (site.url("/redirect/2"), json!({"max_redirects": 1}), 502, "3214"),
        (format!("http://{}/", nobody()), json!({}), 502, "3006"),
        ("http://169.254.169.254/latest/meta-data/".into(), json!({}), 502, "3007"),
        ("http://[::ffff:a9fe:a9fe]/".into(), json!({}), 502, "3007"),
        ("http://[fe80::1]/".into(), json!({}), 502, "3007"),
        ("http://2130706433/".into(), json!({}), 502, "3007"), // 127.0.0.1 as a number
        ("http://${req.headers['x-to'][0]}/".into(), json!({}), 502, "3007"),
        (site.url("/to/http://169.254.169.254/"), json!({"max_redirects": 5}), 502, "3007"),
        (site.url("/to/http://localhost:1/"), json!({"max_redirects": 5}), 502, "3007"),
        (site.url("/to/ftp://a/"), json!({"max_redirects": 5}), 502, "3004"),
    ] {
        let config = merge(json!({"url": url, "on_error": "halt"}), more);
        let gateway = Gateway::start(&policy(config).to_string()).await;
        let to = site.addr.to_string();
        let answer = gateway.send(get("/x").header("x-to", &to)).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{url}: {}", answer.text());
    }
    let silent = site.asked().iter().filter(|path| *path == "/silent").count();
    assert_eq!(silent, 1, "the time is for all attempts together");
}

#[tokio::test]
async fn computed_hosts_and_redirects_need_the_operators_list_and_loops_end() {
    let site = Site::start().await;
    let config = "http_request_targets: ['127.0.0.1', 169.254.0.0/16]\nendpoints:\n  - listen: 127.0.0.1:0\n    traffic_policy_file: DIR/policy.yml\n";
    let to = |url: &str| policy(json!({"url": url, "max_redirects": 1, "timeout": "10s"})).to_string();
    let gateway = Gateway::builder(&to("http://${req.headers['x-to'][0]}/echo")).config(config).start().await;
    let ask = |to: &str| get("/x").header("x-to", to);
    assert_eq!(error(&gateway.send(ask(&site.addr.to_string())).await.json()), "");
    assert_eq!(
        error(&gateway.send(ask("169.254.169.254")).await.json()),
        "ERR_NGROK_3007",
        "not even if listed"
    );
    assert_eq!(error(&gateway.send(ask("127.0.0.2:1")).await.json()), "ERR_NGROK_3007");
    // Whoever adds to the host of a URL changes nothing but the path.
    let bad = gateway.send(ask("a@127.0.0.1")).await;
    assert_eq!((bad.status, bad.code()), (500, "2226"));

    // The process itself is none of them, listed or not; the policy may name it, and then the loop ends.
    let looping = Gateway::builder(&to("http://${req.headers['host'][0]}/x")).config(config).start().await;
    assert_eq!(error(&looping.send(get("/x")).await.json()), "ERR_NGROK_3007");
    let own = looping.addr;
    std::fs::write(&looping.policy, to(&format!("http://{own}/x"))).unwrap();
    looping.wait_reloaded(&looping.revision).await;
    let outermost = looping.send(get("/x")).await.json();
    let mut depth = 0;
    let mut inner = outermost;
    while error(&inner).is_empty() {
        depth += 1;
        inner = serde_json::from_str(inner["res"]["body"].as_str().unwrap()).unwrap();
    }
    assert_eq!((error(&inner), depth), ("ERR_NGROK_3603", 3));
    let forged = looping.send(get("/x").header("x-tollgate-hops", "1").header("x-tollgate-hops", "3")).await;
    assert_eq!(error(&forged.json()), "", "clients cannot set the count");
}

#[tokio::test]
async fn it_works_on_responses_too_and_later_rules_see_the_result() {
    let site = Site::start().await;
    let echo = EchoServer::start().await;
    let policy = json!({"on_http_response": [
        {"type": "http-request", "config": {"url": site.url("/status/418"), "method": "PATCH", "body": "${res.status_code}",
            "retry_condition": "res.status_code == 200 && attempts < 2"}},
        {"expressions": ["actions.ngrok.http_request.res.status_code == 418"],
         "actions": [{"type": "add-headers", "config": {"headers": {"x-tea": "${actions.ngrok.http_request.res.header['x-count'][0]}"}}}]},
    ]});
    let gateway = Gateway::builder(&policy.to_string()).args(&["--upstream", &echo.url()]).start().await;
    let answer = gateway.send(get("/x")).await;
    assert_eq!((answer.status, answer.header("x-tea"), site.asked().len()), (200, "2", 2));
}

#[tokio::test]
async fn secrets_are_not_in_results_or_logs() {
    let site = Site::start().await;
    let policy = policy(json!({
        "url": format!("{}?key=${{secrets.get('v','k')}}", site.url("/echo")), "method": "POST",
        "headers": {"x-key": "${secrets.get('v','k')}"}, "body": "${secrets.get('v','k')}",
    }));
    let builder = Gateway::builder(&policy.to_string());
    let file = builder.file("secrets/v/k", "very-secret-value");
    let dir = file.parent().unwrap().parent().unwrap().to_str().unwrap().to_owned();
    let gateway = builder.args(&["--secrets-dir", &dir]).start().await;
    let result = gateway.send(get("/x")).await.json();
    assert_eq!(site.asked(), ["/echo?key=very-secret-value"]);
    let req = &result["req"];
    assert_eq!((&req["url"], &req["body"]), (&json!("[redacted]"), &json!("[redacted]")));
    assert!(!req.to_string().contains("very-secret"), "{req}");
    assert!(!gateway.written().contains("very-secret"));
}
