//! Endpoints of one configuration that send requests on to each other.

use crate::support::*;
use serde_json::{Value, json};
use tollgate_mock::Script;

/// A gateway whose first endpoint has a policy and no upstream, with internal endpoints beside it.
pub(crate) async fn stage(policy: Value, internal: &[Value]) -> Gateway {
    try_stage(policy, internal).await.unwrap_or_else(|exit| panic!("{exit:#?}"))
}

pub(crate) async fn try_stage(policy: Value, internal: &[Value]) -> Result<Gateway, Exit> {
    let first = json!({"name": "public", "listen": "127.0.0.1:0", "traffic_policy": policy});
    let mut endpoints = vec![first];
    endpoints.extend(internal.iter().cloned());
    let config = json!({"endpoints": endpoints}).to_string();
    Gateway::builder("{}").config(&config).try_start().await
}

pub(crate) fn forward(url: &str, on_error: &str) -> Value {
    json!({"type": "forward-internal", "config": {"url": url, "on_error": on_error}})
}

pub(crate) fn answer(status: u16, body: &str) -> Value {
    json!({"type": "custom-response", "config": {"status_code": status, "body": body}})
}

/// A server that gives everybody the same answer and closes.
pub(crate) async fn server(status: &str, body: &str) -> RawUpstream {
    RawUpstream::start(says(status, body), Then::Close).await
}

pub(crate) fn says(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_request_goes_through_both_policies_and_back() {
    let echo = EchoServer::start().await;
    let gateway = stage(
        json!({
            "on_http_request": [
                {"type": "add-headers", "config": {"headers": {"x-outer": "${endpoint.id}"}}},
                {"type": "set-vars", "config": {"vars": [{"where": "outside"}]}},
                forward("https://API.internal:443", "halt"),
                answer(500, "never"),
            ],
            "on_http_response": [{"type": "add-headers", "config": {"headers": {
                "x-both": "${res.headers['x-order'][0] + ' outer'}", "x-end": "${endpoint.id}",
            }}}],
        }),
        &[json!({
            "name": "api", "url": "https://api.internal", "upstream": {"url": echo.url()},
            "traffic_policy": {
                "on_http_request": [
                    {"type": "add-headers", "config": {"headers": {
                        "x-inner": "${endpoint.id} ${endpoint.url}", "x-saw": "${req.headers['x-outer'][0]}",
                        "x-var": "${has(vars.where)}",
                    }}},
                    {"type": "url-rewrite", "config": {"from": "/old/", "to": "/new/"}},
                ],
                "on_http_response": [{"type": "add-headers", "config": {"headers": {"x-order": "inner"}}}],
            },
        })],
    )
    .await;
    for h2 in [false, true] {
        let ask = post_bytes("/old/x?q=1", "12345").header("x-forwarded-for", "10.9.8.7");
        let ask = ask.header("x-forwarded-host", "first.example");
        let got = gateway.send(if h2 { ask.h2() } else { ask }).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let told = got.json();
        let header = |name: &str| told["headers"][name].as_str().unwrap_or("").to_owned();
        assert!(told["uri"].as_str().unwrap().ends_with("/new/x?q=1"), "{told}");
        assert_eq!(told["bytes"], 5);
        assert_eq!((header("x-outer"), header("x-saw")), ("ep_public".into(), "ep_public".into()));
        assert_eq!(header("x-inner"), "ep_api https://api.internal");
        assert_eq!(header("x-var"), "false", "variables are an endpoint's own");
        assert_eq!(header("x-forwarded-for"), "10.9.8.7, 127.0.0.1");
        assert_eq!(
            (header("x-forwarded-proto"), header("x-forwarded-host")),
            ("http".into(), "first.example".into())
        );
        assert_eq!(header("host"), gateway.addr.to_string(), "the client's own: {told}");
        assert_eq!(got.header("x-both"), "inner outer", "the inner rules come first");
        assert_eq!(got.header("x-end"), "ep_public");
        assert_eq!(
            got.header("x-tollgate-policy"),
            gateway.revision,
            "the first line of a policy is the listener's"
        );
        assert_eq!(got.header("x-tollgate-policy"), gateway.status().await["revision"].as_str().unwrap());
    }
}

#[tokio::test]
async fn an_unknown_endpoint_ends_the_request_or_not() {
    let gateway = stage(
        json!({"on_http_request": [
            {"expressions": ["req.url.path == '/halt'"], "actions": [
                forward("https://nobody.internal", "halt"),
                {"type": "log", "config": {"metadata": {"after": "halt"}}},
                answer(200, "never"),
            ]},
            forward("https://nobody.internal", "continue"),
            answer(503, "${actions.ngrok.forward_internal.url} ${actions.ngrok.forward_internal.error.code}: ${actions.ngrok.forward_internal.error.message}"),
        ]}),
        &[],
    )
    .await;
    let halted = gateway.send(get("/halt")).await;
    assert_eq!((halted.status, halted.code()), (404, "3200"), "{}", halted.text());
    assert!(halted.text().contains("there is no endpoint https://nobody.internal"), "{}", halted.text());
    assert!(gateway.log_of(&halted).await.get("logs").is_none_or(|logs| logs == &json!([])));
    let went_on = gateway.send(get("/x")).await;
    assert_eq!(went_on.status, 503);
    assert_eq!(
        went_on.text(),
        "https://nobody.internal:443 ERR_NGROK_3200: there is no endpoint https://nobody.internal"
    );
    gateway.says("warning: there is no endpoint https://nobody.internal").await;
}

#[tokio::test]
async fn a_chain_of_endpoints_takes_the_first_that_answers() {
    let (dead, good) = (nobody(), EchoServer::start().await);
    let refusing = server("503 Service Unavailable", "busy").await;
    let gateway = stage(
        json!({
            "on_http_request": [
                {"expressions": ["req.url.path == '/busy'"], "actions": [forward("http://busy.internal", "continue")]},
                forward("http://dead.internal", "continue"),
                forward("http://good.internal", "continue"),
                answer(500, "never"),
            ],
            "on_http_response": [{"type": "add-headers", "config": {"headers": {"x-outer": "1"}}}],
        }),
        &[
            json!({"url": "http://dead.internal", "upstream": format!("http://{dead}"),
                "traffic_policy": {"on_http_request": [
                    {"type": "add-headers", "config": {"headers": {"x-dead": "1"}}},
                    {"type": "url-rewrite", "config": {"from": "/told", "to": "/rewritten"}},
                ]}}),
            json!({"url": "http://good.internal", "upstream": good.url()}),
            json!({"url": "http://busy.internal", "upstream": refusing.url()}),
        ],
    )
    .await;
    let body = "b".repeat(200_000);
    for h2 in [false, true] {
        let ask = post_bytes("/same", body.clone());
        let got = gateway.send(if h2 { ask.h2() } else { ask }).await;
        assert!(got.status == 200 && got.text() == body, "{} {:.300}", got.status, got.text());
        assert_eq!(got.header("x-outer"), "1");
    }
    let told = gateway.send(get("/told")).await.json();
    assert_eq!(told["headers"].get("x-dead"), None, "what a failed endpoint changed is undone: {told}");
    assert!(
        told["uri"].as_str().unwrap().ends_with("/told") && !told.to_string().contains("rewritten"),
        "{told}"
    );
    assert_eq!(told["headers"]["x-forwarded-for"], "127.0.0.1", "said once");
    let busy = gateway.send(get("/busy")).await;
    assert_eq!((busy.status, busy.text().as_str()), (503, "busy"), "an error status is an answer");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told_by_its_code() {
    let (dead, silent) = (nobody(), server("garbage", "").await);
    silent.set("this is not HTTP\r\n\r\n", Then::Close);
    let gateway = stage(
        json!({"on_http_request": [forward("http://${req.url.path.split('/')[1]}.internal", "halt")]}),
        &[
            json!({"url": "http://dead.internal", "upstream": format!("http://{dead}")}),
            json!({"url": "http://odd.internal", "upstream": silent.url()}),
            json!({"url": "http://empty.internal", "traffic_policy": {"on_http_request": [
                {"expressions": ["false"], "actions": [{"type": "deny"}]},
            ]}}),
        ],
    )
    .await;
    for (path, status, code) in [
        ("/dead", 502, "3006"),
        ("/odd", 502, "3004"),
        ("/empty", 404, "3200"),
        ("/unknown", 404, "3200"),
        ("/a%20b", 404, "3200"),
        ("/evil.example%2f", 404, "3200"),
        ("/x@y", 404, "3200"),
        ("/*", 404, "3200"),
    ] {
        let got = gateway.send(get(path)).await;
        assert_eq!((got.status, got.code()), (status, code), "{path}: {}", got.text());
    }
}

#[tokio::test]
async fn the_clients_address_is_said_once_on_a_way_of_several_endpoints() {
    let echo = EchoServer::start().await;
    let on = |url: &str| json!({"on_http_request": [forward(url, "halt")]});
    let gateway = stage(
        on("http://a.internal"),
        &[
            json!({"url": "http://a.internal", "traffic_policy": on("https://b.internal")}),
            json!({"url": "https://b.internal", "upstream": echo.url()}),
        ],
    )
    .await;
    let headers = gateway.send(get("/")).await.json()["headers"].clone();
    assert_eq!(
        (&headers["x-forwarded-for"], &headers["x-forwarded-proto"]),
        (&json!("127.0.0.1"), &json!("http"))
    );
}

#[tokio::test]
async fn a_loop_ends() {
    let gateway = stage(
        json!({"on_http_request": [forward("http://a.internal", "halt")]}),
        &[
            json!({"url": "http://a.internal", "traffic_policy": {"on_http_request": [forward("http://b.internal", "halt")]}}),
            json!({"url": "http://b.internal", "traffic_policy": {"on_http_request": [forward("http://a.internal", "halt")]}}),
        ],
    )
    .await;
    let got = gateway.send(get("/")).await;
    assert_eq!((got.status, got.code()), (508, "3501"), "{}", got.text());
}

#[tokio::test]
async fn what_an_endpoint_answers_itself_goes_through_the_outer_rules() {
    let gateway = stage(
        json!({
            "on_http_request": [forward("http://inner.internal", "halt")],
            "on_http_response": [{"type": "add-headers", "config": {"headers": {"x-outer": "${res.status_code}"}}}],
        }),
        &[json!({"url": "http://inner.internal", "traffic_policy": {
            "on_http_request": [
                {"expressions": ["req.url.path == '/deny'"], "actions": [{"type": "deny"}]},
                {"expressions": ["req.url.path == '/fail'"], "actions": [
                    {"type": "add-headers", "config": {"headers": {"x": "${int(req.method)}"}}}]},
                {"expressions": ["req.url.path == '/close'"], "actions": [{"type": "close-connection"}]},
                answer(201, "inside"),
            ],
            "on_http_response": [{"type": "add-headers", "config": {"headers": {"x-inner": "1"}}}],
        }})],
    )
    .await;
    for (path, status, inner) in [("/deny", 403, ""), ("/fail", 500, ""), ("/x", 201, "1")] {
        let got = gateway.send(get(path)).await;
        assert_eq!((got.status, got.header("x-inner")), (status, inner), "{path}: {}", got.text());
        assert_eq!(got.header("x-outer"), status.to_string(), "{path}");
    }
    let mut raw = RawConnection::open(gateway.addr).await;
    raw.write("GET /close HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(raw.everything().await.is_empty());
}

#[tokio::test]
async fn models_answer_behind_an_endpoint_and_both_work_on_the_stream() {
    let one = mock(Script::default()).await;
    let inner = json!({
        "on_http_request": [{"type": "ai-gateway", "config": {"providers": [openai(&one)]}}],
        "on_http_response": [{"type": "add-headers", "config": {"headers": {"x-inner": "1"}}},
            {"type": "log", "config": {"metadata": {"inner": "${actions.ngrok.ai_gateway.models_tried}"}}}],
        "on_event_stream_message": [{"type": "sse-find-replace", "config": {"replacements": [{"from": "chat.completion.chunk", "to": "changed inside"}]}}],
    });
    let gateway = stage(
        json!({
            "on_http_request": [{"type": "set-vars", "config": {"vars": [{"word": "outside"}]}}, forward("https://ai.internal", "continue")],
            "on_http_response": [
                {"type": "set-vars", "config": {"vars": [{"word": "changed"}]}},
                {"type": "add-headers", "config": {"headers": {"x-outer": "${endpoint.id}"}}},
                {"type": "log", "config": {"metadata": {"outer": "${vars.word} ${endpoint.id}"}}},
            ],
            "on_event_stream_message": [{"type": "sse-find-replace", "config": {"replacements": [{"from": "changed inside", "to": "${vars.word}"}]}}],
        }),
        &[json!({"name": "ai", "url": "https://ai.internal", "traffic_policy": inner})],
    )
    .await;
    let ask = |stream: bool| {
        post("/v1/chat/completions", &merge(prompt(), json!({"model": "openai:gpt-4o", "stream": stream})))
    };
    let whole = gateway.send(ask(false)).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    assert_eq!((whole.header("x-inner"), whole.header("x-outer")), ("1", "ep_public"));
    let streamed = gateway.send(ask(true)).await;
    assert!(streamed.status == 200 && streamed.text().ends_with("data: [DONE]\n\n"), "{}", streamed.text());
    assert!(!streamed.text().contains("chat.completion.chunk"), "{}", streamed.text());
    assert!(streamed.text().contains("\"changed\""), "{}", streamed.text());
    let line = gateway.log_of(&streamed).await;
    assert_eq!(line["provider"], "openai");
    let logs = line.to_string();
    assert!(logs.contains("\"outer\":\"changed ep_public\""), "{logs}");
    assert!(logs.contains("\"inner\""), "{logs}");
}

#[tokio::test]
async fn bodies_of_answers_are_changed_by_both() {
    let server = server("200 OK", "one two three").await;
    let replace = |from: &str, to: &str| json!([{"type": "response-body-find-replace", "config": {"replacements": [{"from": from, "to": to}]}}]);
    for on_error in ["halt", "continue"] {
        let gateway = stage(
            json!({"on_http_request": [forward("http://a.internal", on_error)], "on_http_response": replace("zwei", "deux")}),
            &[json!({"url": "http://a.internal", "upstream": server.url(),
                "traffic_policy": {"on_http_response": replace("two", "zwei")}})],
        )
        .await;
        let got = gateway.send(get("/")).await;
        assert_eq!(
            (got.text().as_str(), got.header("content-length")),
            ("one deux three", "14"),
            "{on_error}"
        );
    }
}

#[tokio::test]
async fn large_uploads_and_websockets_pass() {
    let echo = EchoServer::start().await;
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
    let socket = RawUpstream::far(head, Then::Echo, std::time::Duration::from_millis(50)).await;
    let gateway = stage(
        json!({"on_http_request": [
            {"expressions": ["'upgrade' in req.headers"], "actions": [forward("http://ws.internal", "continue")]},
            forward("http://echo.internal", "halt"),
        ]}),
        &[
            json!({"url": "http://echo.internal", "upstream": echo.url()}),
            json!({"url": "http://ws.internal", "upstream": socket.url()}),
        ],
    )
    .await;
    let body: Vec<u8> = (0..40 << 20).map(|n: u32| (n % 251).try_into().unwrap()).collect();
    let got = gateway.send(post_bytes("/same", body.clone())).await;
    assert!(got.status == 200 && got.body == body, "{} bytes", got.body.len());
    assert!(gateway.memory_kib("VmHWM") < 256 * 1024, "{}", gateway.memory_kib("VmHWM"));
    let mut client = RawConnection::open(gateway.addr).await;
    client
        .write("GET /s HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\nsec-websocket-version: 13\r\n\r\n")
        .await;
    let head = String::from_utf8(client.until(b"\r\n\r\n").await.unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    client.write("ping").await;
    assert_eq!(client.until(b"ping").await.unwrap(), b"ping");
}

#[tokio::test]
async fn a_pool_shares_by_weight_and_leaves_out_who_is_gone() {
    let (a, b, dead) = (server("200 OK", "a").await, server("200 OK", "b").await, nobody());
    let pool = json!([{"url": a.url(), "weight": 3}, {"url": b.url()}, format!("http://{dead}")]);
    for on_error in ["halt", "continue"] {
        let gateway = stage(
            json!({"on_http_request": [forward("http://pool.internal", on_error)]}),
            &[json!({"url": "http://pool.internal", "upstreams": pool})],
        )
        .await;
        let mut seen = String::new();
        for n in 0..8 {
            let ask = if n % 2 == 0 { get("/") } else { post_bytes("/", "body") };
            let got = gateway.send(ask).await;
            assert_eq!(got.status, 200, "{on_error}: {}", got.text());
            seen.push_str(&got.text());
        }
        let of_b = seen.matches('b').count();
        assert!((1..=4).contains(&of_b), "{seen}");
        let status = gateway.status().await;
        let servers = status["endpoints"][0]["upstreams"].as_array().unwrap();
        assert_eq!((&servers[0]["weight"], &servers[2]["resting"]), (&json!(3), &json!(true)), "{status}");
    }
}

#[tokio::test]
async fn a_sick_server_gets_nothing_until_it_is_well() {
    let (a, b) = (server("200 OK", "a").await, server("503 Service Unavailable", "b").await);
    let gateway = stage(
        json!({"on_http_request": [forward("http://pool.internal", "halt")]}),
        &[json!({
            "url": "http://pool.internal", "upstreams": [a.url(), b.url()],
            "health_check": {"path": "/healthz", "interval": "100ms", "timeout": "5s", "unhealthy_after": 1},
        })],
    )
    .await;
    let health = async |index: usize, wanted: &str| {
        soon(async {
            while gateway.status().await["endpoints"][0]["upstreams"][index]["health"] != *wanted {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    };
    health(0, "healthy").await;
    health(1, "unhealthy").await;
    for _ in 0..6 {
        assert_eq!(gateway.send(get("/")).await.text(), "a");
    }
    let status = gateway.status().await;
    let problem = &status["endpoints"][0]["upstreams"][1]["problem"];
    assert_eq!(problem, "it answers /healthz with 503");
    assert!(b.requests().iter().all(|r| r.starts_with("GET /healthz ")), "{:?}", b.requests());
    a.set(says("500 Oops", ""), Then::Close);
    health(0, "unhealthy").await;
    let nobody = gateway.send(get("/")).await;
    assert_eq!((nobody.status, nobody.code()), (503, "3200"), "{}", nobody.text());
    b.set(says("200 OK", "b"), Then::Close);
    health(1, "healthy").await;
    assert_eq!(gateway.send(get("/")).await.text(), "b");
}

#[tokio::test]
async fn a_listener_has_a_pool_as_well() {
    let (a, dead) = (server("200 OK", "a").await, nobody());
    let config = json!({"endpoints": [{
        "listen": "127.0.0.1:0", "traffic_policy": {"on_http_request": []},
        "upstreams": [format!("http://{dead}"), a.url()], "health_check": {"interval": "100ms"},
    }]});
    let gateway = Gateway::builder("{}").config(&config.to_string()).start().await;
    for _ in 0..4 {
        assert_eq!(gateway.send(get("/")).await.text(), "a");
    }
    soon(async {
        while gateway.status().await["endpoints"][0]["upstreams"][0]["health"] != "unhealthy" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(gateway.send(get("/")).await.text(), "a");
}

#[tokio::test]
async fn wildcards_and_policies_in_files_that_change() {
    let builder = Gateway::builder("{}");
    let inner = |word: &str| {
        json!({"on_http_request": [answer(200, &format!("{word} ${{endpoint.host}}"))]}).to_string()
    };
    let file = builder.file("inner.yml", &inner("first"));
    let policy =
        json!({"on_http_request": [forward("https://${req.host.split('.')[0]}.tenants.internal", "halt")]});
    let config = json!({"endpoints": [
        {"url": "https://*.tenants.internal", "traffic_policy_file": "inner.yml"},
        {"url": "https://vip.tenants.internal", "traffic_policy": {"on_http_request": [answer(200, "vip")]}},
        {"listen": "127.0.0.1:0", "traffic_policy": policy},
    ]});
    let gateway = builder.config(&config.to_string()).start().await;
    let asked = async |host: &str| gateway.send(get("/").header("host", host)).await.text();
    assert_eq!(asked("acme.example.com").await, "first acme.tenants.internal");
    assert_eq!(asked("vip.example.com").await, "vip");
    assert!(asked("a/../b.example").await.contains("ERR_NGROK"));
    std::fs::write(file, inner("second")).unwrap();
    soon(async { while !asked("acme.x").await.starts_with("second") {} }).await;
}

#[tokio::test]
async fn http_request_reaches_internal_endpoints() {
    let echo = EchoServer::start().await;
    let one = mock(Script::default()).await;
    let ask = |url: &str, more: Value| json!({"type": "http-request", "config": merge(json!({"url": url, "on_error": "halt"}), more)});
    let result = "${actions.ngrok.http_request.res.status_code} ${actions.ngrok.http_request.res.body}";
    let chat = merge(prompt(), json!({"model": "openai:gpt-4o"})).to_string();
    let gateway = stage(
        json!({"on_http_request": [
            {"expressions": ["req.url.path == '/made'"], "actions": [ask("https://api.internal/made", json!({})), answer(200, result)]},
            {"expressions": ["req.url.path == '/echo'"], "actions": [
                ask("https://api.internal/told?x=1", json!({"method": "POST", "body": "12345", "headers": {"x-mine": "1"}})), answer(200, result)]},
            {"expressions": ["req.url.path == '/ai'"], "actions": [
                ask("http://ai.internal/v1/chat/completions", json!({"method": "POST", "body": chat, "headers": {"content-type": "application/json"}})), answer(200, result)]},
            {"expressions": ["req.url.path == '/loop'"], "actions": [ask("http://loop.internal/", json!({})), answer(200, result)]},
        ]}),
        &[
            json!({"url": "https://api.internal", "upstream": echo.url(), "traffic_policy": {"on_http_request": [
                {"expressions": ["req.url.path == '/made'"], "actions": [answer(201, "from ${conn.client_ip}")]},
                {"type": "add-headers", "config": {"headers": {"x-inner": "${endpoint.host}"}}},
            ]}}),
            json!({"url": "http://ai.internal", "traffic_policy": {"on_http_request": [{"type": "ai-gateway", "config": {"providers": [openai(&one)]}}]}}),
            json!({"url": "http://loop.internal", "traffic_policy": {"on_http_request": [ask("http://loop.internal/", json!({})), answer(200, result)]}}),
        ],
    )
    .await;
    assert_eq!(gateway.send(get("/made")).await.text(), "201 from 127.0.0.1");
    let told = gateway.send(get("/echo")).await.text();
    let told: Value = serde_json::from_str(told.strip_prefix("200 ").unwrap()).unwrap();
    assert_eq!((&told["bytes"], &told["uri"]), (&json!(5), &json!("/told?x=1")), "{told}");
    assert_eq!(
        (&told["headers"]["x-mine"], &told["headers"]["x-inner"]),
        (&json!("1"), &json!("api.internal"))
    );
    let said = gateway.send(get("/ai")).await.text();
    assert!(said.starts_with("200 {") && said.contains("chat.completion"), "{said}");
    let looped = gateway.send(get("/loop")).await;
    assert!(looped.text().contains("ERR_NGROK_3603"), "{}", looped.text());
}
