//! How much is taken on at once: connections, requests in all and of one client, and how long a client may take.

use crate::support::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate_mock::{Behaviour, Fault, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// A gateway before a provider whose streams do not end.
async fn stage(limits: &str, rules: Value) -> (MockServer, Gateway) {
    let endless = Behaviour { fault: Some(Fault::StallMidStream(1)), ..Behaviour::chunks(["a ", "b "]) };
    let one = mock(Script::default().model("endless", [endless])).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let mut all = rules.as_array().cloned().unwrap_or_default();
    all.push(json!({"type": "ai-gateway", "config": {"providers": [provider]}}));
    let policy = json!({ "on_http_request": all }).to_string();
    let gateway = Gateway::builder(&policy).config(&format!("limits: {{{limits}}}\n")).start().await;
    (one, gateway)
}

fn stream() -> Ask {
    post(CHAT, &merge(names(&["one:endless"]), json!({"stream": true})))
}

/// A stream that has begun, and holds its place.
async fn held(gateway: &Gateway, ask: Ask) -> Reply {
    let mut reply = gateway.open(ask).await;
    assert_eq!(reply.status, 200);
    soon(reply.event()).await.expect("the first event");
    reply
}

fn chat() -> Ask {
    post(CHAT, &names(&["one:m"]))
}

/// OpenAI's and Anthropic's API, over both versions of HTTP.
fn everybody() -> [(Ask, bool); 4] {
    let messages = || post(MESSAGES, &merge(prompt(), json!({"model": "one:m"})));
    [(chat(), true), (chat().h2(), true), (messages(), false), (messages().h2(), false)]
}

async fn metric(gateway: &Gateway, series: &str) -> String {
    let text = gateway.admin("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {series} in:\n{text}"))
}

/// Returns once a series has a value.
async fn until(gateway: &Gateway, series: &str, value: &str) {
    soon(async { while metric(gateway, series).await != value {} }).await;
}

#[tokio::test]
async fn requests_beyond_the_limit_are_503_in_the_clients_dialect() {
    let (one, gateway) = stage("requests: 2, queue: {size: 0, timeout: 1500ms}", json!([])).await;
    let holders = (held(&gateway, stream()).await, held(&gateway, stream().h2()).await);
    let before = one.requests().len();
    for (ask, openai) in everybody() {
        let answer = gateway.send(ask).await;
        match openai {
            true => answer.assert_openai_error(503, "27220"),
            false => {
                answer.assert_anthropic_error(503, "27220");
                assert_eq!(answer.json()["error"]["type"], "overloaded_error", "{}", answer.text());
            }
        }
        assert_eq!(answer.header("retry-after"), "2");
        let line = gateway.log_of(&answer).await;
        assert_eq!((&line["outcome"], &line["error_code"]), (&json!("refused"), &json!("ERR_NGROK_27220")));
    }
    assert_eq!(one.requests().len(), before, "the provider hears nothing of it");
    assert_eq!(metric(&gateway, "tollgate_refused_total{reason=\"requests_queue_full\"}").await, "4");
    drop(holders);
    gateway.wait_idle().await;
    for (ask, _) in everybody() {
        assert_eq!(gateway.send(ask).await.status, 200);
    }
}

#[tokio::test]
async fn who_waits_is_served_when_a_place_is_free() {
    let (_one, gateway) = stage("requests: 1, queue: {size: 10, timeout: 60s}", json!([])).await;
    let holder = held(&gateway, stream()).await;
    let waiting: Vec<_> =
        everybody().into_iter().map(|(ask, _)| tokio::spawn(ask.send(gateway.addr))).collect();
    until(&gateway, "tollgate_queue_depth{queue=\"requests\"}", "4").await;
    drop(holder);
    for waits in waiting {
        assert_eq!(soon(waits).await.unwrap().status, 200);
    }
    until(&gateway, "tollgate_queue_depth{queue=\"requests\"}", "0").await;
    assert_eq!(metric(&gateway, "tollgate_queue_wait_seconds_count{queue=\"requests\"}").await, "4");
}

/// Far more clients than places: each is served or told, and the provider never has more at once than there are places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_clients_than_places() {
    const PLACES: u64 = 10;
    let one = mock(Script::always(Behaviour { delay_ms: 30, ..Behaviour::default() })).await;
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let gateway = Gateway::builder(&ai_gateway(json!({"providers": [provider]})))
        .config(&format!("limits: {{requests: {PLACES}, queue: {{size: 20, timeout: 10s}}}}\n"))
        .start()
        .await;
    let clients: Vec<_> = (0..150)
        .map(|n| {
            let addr = gateway.addr;
            tokio::spawn(async move {
                let (mut served, mut refused) = (Vec::new(), Vec::new());
                for _ in 0..4 {
                    let began = Instant::now();
                    let ask = if n % 3 == 0 { chat().h2() } else { chat() };
                    let answer = soon(ask.send(addr)).await;
                    match answer.status {
                        200 => served.push(began.elapsed()),
                        503 => refused.push(began.elapsed()),
                        other => panic!("{other}: {}", answer.text()),
                    }
                }
                (served, refused)
            })
        })
        .collect();
    let mut most = 0;
    while clients.iter().any(|client| !client.is_finished()) {
        most = most.max(one.counters().open_streams);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (mut served, mut refused) = (Vec::new(), Vec::new());
    for client in clients {
        let (more, others) = client.await.unwrap();
        served.extend(more);
        refused.extend(others);
    }
    served.sort();
    refused.sort();
    let p99 =
        |took: &[Duration]| took.get(took.len() * 99 / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!(
        "600 requests of 150 clients at once for {PLACES} places: {} served (p99 {:.0} ms), {} refused (p99 {:.0} ms), \
         at most {most} at the provider",
        served.len(),
        p99(&served),
        refused.len(),
        p99(&refused)
    );
    assert!((1..=PLACES).contains(&most), "{most} at once");
    assert!(served.len() >= 30 && !refused.is_empty());
    assert_eq!(one.requests().len(), served.len(), "the provider hears nothing of those that are refused");
    gateway.wait_idle().await;
    assert_eq!(metric(&gateway, "tollgate_queue_depth{queue=\"requests\"}").await, "0");
    assert_eq!(gateway.send(chat()).await.status, 200);
}

#[tokio::test]
async fn who_waits_too_long_is_told_and_who_leaves_makes_room() {
    let (_one, gateway) = stage("requests: 1, queue: {size: 1, timeout: 600ms}", json!([])).await;
    let _holder = held(&gateway, stream()).await;
    let began = Instant::now();
    let late = gateway.send(chat()).await;
    late.assert_openai_error(503, "27220");
    assert!(began.elapsed() >= Duration::from_millis(600) && late.header("retry-after") == "1");
    assert_eq!(metric(&gateway, "tollgate_refused_total{reason=\"requests_queue_timeout\"}").await, "1");

    let (_one, gateway) = stage("requests: 1, queue: {size: 1, timeout: 1h}", json!([])).await;
    let holder = held(&gateway, stream()).await;
    for ask in [get("/v1/models"), get("/v1/models").h2()] {
        let waits = tokio::spawn(ask.send(gateway.addr));
        until(&gateway, "tollgate_queue_depth{queue=\"requests\"}", "1").await;
        gateway.send(chat()).await.assert_openai_error(503, "27220");
        waits.abort();
        until(&gateway, "tollgate_queue_depth{queue=\"requests\"}", "0").await;
    }
    drop(holder);
    gateway.wait_idle().await;
    assert_eq!(gateway.send(chat()).await.status, 200, "no place was lost");
}

#[tokio::test]
async fn requests_of_one_client_at_once() {
    let limit = json!({"type": "concurrency-limit", "config": {
        "name": "per key", "max_in_flight": 2, "bucket_key": ["req.headers['x-who'][0]"],
    }});
    let (one, gateway) = stage("requests: 100", json!([limit])).await;
    let (a, b) = (|ask: Ask| ask.header("x-who", "a"), |ask: Ask| ask.header("x-who", "b"));
    let first = held(&gateway, a(stream())).await;
    let _second = held(&gateway, a(stream().h2())).await;
    let before = one.requests().len();
    for (ask, openai) in everybody() {
        let answer = gateway.send(a(ask)).await;
        assert_eq!(
            (answer.status, answer.header("retry-after"), answer.code()),
            (429, "5", ""),
            "{}",
            answer.text()
        );
        assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
        assert_eq!(answer.json()["type"], if openai { Value::Null } else { json!("error") });
        assert_eq!(gateway.log_of(&answer).await["outcome"], "refused");
    }
    assert_eq!(one.requests().len(), before);
    for (ask, _) in everybody() {
        assert_eq!(gateway.send(b(ask)).await.status, 200, "others are served");
    }
    assert_eq!(metric(&gateway, "tollgate_refused_total{reason=\"key_queue_full\"}").await, "4");
    // The place is free once the client of a stream has left, and not before.
    drop(first);
    soon(one.wait_aborted(1)).await;
    soon(async { while gateway.send(a(chat())).await.status != 200 {} }).await;
}

#[tokio::test]
async fn requests_of_one_client_wait_in_a_line_of_their_own() {
    let limit = json!({"type": "concurrency-limit", "config": {
        "name": "per key", "max_in_flight": 1, "bucket_key": ["req.headers['x-who'][0]"],
        "queue": {"size": 2, "timeout": "60s"},
    }});
    let (one, gateway) = stage("requests: 100", json!([limit])).await;
    let a = |ask: Ask| ask.header("x-who", "a");
    let holder = held(&gateway, a(stream())).await;
    let mut waiting = Vec::new();
    for (n, ask) in [chat(), chat().h2()].into_iter().enumerate() {
        waiting.push(tokio::spawn(a(ask.header("x-n", &n.to_string())).send(gateway.addr)));
        until(&gateway, "tollgate_queue_depth{queue=\"key\"}", &(n + 1).to_string()).await;
    }
    assert_eq!(gateway.send(a(chat())).await.status, 429, "two may wait");
    assert_eq!(gateway.send(chat().header("x-who", "b")).await.status, 200, "nobody else does");
    let before = one.requests().len();
    drop(holder);
    for waits in waiting {
        assert_eq!(soon(waits).await.unwrap().status, 200);
    }
    assert_eq!(one.requests().len(), before + 2);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_and_closed() {
    let (_one, gateway) = stage("connections: 3", json!([])).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut connection = RawConnection::open(gateway.addr).await;
        connection.post(CHAT, &names(&["one:m"])).await;
        assert_eq!(connection.answer().await.unwrap().status, 200);
        open.push(connection);
    }
    assert_eq!(metric(&gateway, "tollgate_connections").await, "3");
    for _ in 0..2 {
        let mut refused = RawConnection::open(gateway.addr).await;
        refused.post(CHAT, &names(&["one:m"])).await;
        let answer = refused.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
        assert_eq!(answer.json()["error"]["type"], "overloaded_error");
        assert!(refused.everything().await.is_empty(), "closed");
    }
    assert_eq!(metric(&gateway, "tollgate_refused_total{reason=\"connections\"}").await, "2");
    // Those that are open are served.
    for connection in &mut open {
        connection.post(CHAT, &names(&["one:m"])).await;
        assert_eq!(connection.answer().await.unwrap().status, 200);
    }
    open.pop().unwrap().leave();
    until(&gateway, "tollgate_connections", "2").await;
    assert_eq!(gateway.send(chat()).await.status, 200);
}

#[tokio::test]
async fn connections_of_tls_are_closed_without_a_handshake() {
    let certificate = Certificate::new("gateway.test");
    let builder =
        Gateway::builder("on_http_request: [{type: custom-response}]").config("limits: {connections: 1}\n");
    let (cert, key) =
        (builder.file("cert.pem", &certificate.cert_pem), builder.file("key.pem", &certificate.key_pem));
    let gateway = builder
        .args(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()])
        .start()
        .await;
    let first = certificate.connect(gateway.addr, "gateway.test", "h2").await;
    let second = soon(certificate.client("gateway.test").offering("h2").connect(gateway.addr)).await;
    assert!(second.is_err(), "{second:?}");
    drop(first);
    until(&gateway, "tollgate_connections", "0").await;
}

#[tokio::test]
async fn a_head_inside_tls_must_be_complete_in_time() {
    let certificate = Certificate::new("gateway.test");
    let builder = Gateway::builder("on_http_request: [{type: custom-response}]")
        .config("limits: {header_timeout: 700ms}\n");
    let (cert, key) =
        (builder.file("cert.pem", &certificate.cert_pem), builder.file("key.pem", &certificate.key_pem));
    let gateway = builder
        .args(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()])
        .start()
        .await;
    for (alpn, begun) in
        [("http/1.1", "GET / HTTP/1.1\r\nhost: a\r\n"), ("http/1.1", ""), ("h2", "PRI * HTTP/2.0\r\n")]
    {
        let mut client = certificate.connect(gateway.addr, "gateway.test", alpn).await;
        client.write_all(begun.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        // However it is closed.
        let _ = soon(client.read_to_end(&mut said)).await;
        assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));
    }
    until(&gateway, "tollgate_connections_cut_total{reason=\"header_timeout\"}", "3").await;
    until(&gateway, "tollgate_connections", "0").await;
}

#[tokio::test]
async fn flags_set_limits_too() {
    let builder =
        Gateway::builder("on_http_request: [{type: custom-response}]").config("limits: {connections: 9}\n");
    let gateway = builder.args(&["--max-connections", "1"]).env("TOLLGATE_MAX_REQUESTS", "1").start().await;
    let mut first = RawConnection::open(gateway.addr).await;
    first.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(first.answer().await.unwrap().status, 200);
    assert_eq!(gateway.send(get("/")).await.status, 503);
}

#[tokio::test]
async fn a_head_must_be_complete_in_time() {
    let (_one, gateway) = stage("header_timeout: 700ms", json!([])).await;
    // The first head, a later one, and none at all.
    for (start, served) in
        [("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-a: ", false), ("GET /v1/m", true), ("", false)]
    {
        let mut client = RawConnection::open(gateway.addr).await;
        if served {
            client.post(CHAT, &names(&["one:m"])).await;
            assert_eq!(client.answer().await.unwrap().status, 200);
        }
        let began = Instant::now();
        client.write(start).await;
        // Each byte comes well within any clock that it sets back.
        let mut writes = 0;
        while client.write(if start.is_empty() { "" } else { "b" }).await
            && writes < 200
            && !client.closed().await
        {
            writes += 1;
        }
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(650) && took < Duration::from_secs(15), "{start:?}: {took:?}");
    }
    until(&gateway, "tollgate_connections_cut_total{reason=\"header_timeout\"}", "3").await;
    until(&gateway, "tollgate_connections", "0").await;
    // A request whose body takes longer than that is none of it, nor is an idle connection.
    let mut client = RawConnection::open(gateway.addr).await;
    let body = names(&["one:m"]).to_string();
    let (first, rest) = body.split_at(20);
    client
        .write(format!("POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{first}", body.len()))
        .await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    client.write(rest).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    client.post(CHAT, &names(&["one:m"])).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_head_of_http_2_must_be_complete_in_time() {
    let (_one, gateway) = stage("header_timeout: 700ms", json!([])).await;
    let mut client = RawFrames::open(gateway.addr).await;
    client.write(&frame(1, 0, 1, &request_head("GET", "/v1/models"))).await;
    client.write(&frame(9, 0, 1, &[0, 1, b'a', 1, b'b'])).await;
    // The rest is a frame that drips.
    let long = frame(9, 4, 1, &[0; 1_000]);
    for byte in &long[..100] {
        client.write(&[*byte]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if metric(&gateway, "tollgate_connections").await == "0" {
            break;
        }
    }
    client.closed().await;
    assert_eq!(metric(&gateway, "tollgate_connections_cut_total{reason=\"header_timeout\"}").await, "1");
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let (_one, gateway) = stage("idle_timeout: 1s", json!([])).await;
    let mut one = RawConnection::open(gateway.addr).await;
    one.post(CHAT, &names(&["one:m"])).await;
    assert_eq!(one.answer().await.unwrap().status, 200);
    let mut two = RawFrames::open(gateway.addr).await;
    let began = Instant::now();
    assert!(one.everything().await.is_empty());
    two.closed().await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    // A stream that says nothing is not idle.
    let mut reply = held(&gateway, stream().h2()).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let pending = tokio::time::timeout(Duration::from_millis(100), reply.chunk()).await;
    assert!(pending.is_err(), "{pending:?}");
}

#[tokio::test]
async fn too_many_buffered_bytes_are_503_with_a_time_to_come_again() {
    let (_one, gateway) = stage("max_body: 64KiB, buffered_bodies: 64KiB", json!([])).await;
    let body = merge(names(&["one:m"]), json!({"user": "x".repeat(40_000)}));
    // A probe that comes before the holder's bytes have been read takes from the same budget, so it is tried again.
    let refused = soon(async {
        loop {
            let mut holder = RawConnection::open(gateway.addr).await;
            let head = format!("POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: 33000\r\n\r\n");
            holder.write(head + &"x".repeat(32_000)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let answer = gateway.send(post(CHAT, &body)).await;
            if answer.status != 200 {
                return answer;
            }
        }
    })
    .await;
    refused.assert_openai_error(503, "27220");
    assert_eq!(refused.header("retry-after"), "1");
    // It is counted with the request's line in the log.
    soon(async {
        while metric(&gateway, "tollgate_refused_total{reason=\"buffered_bodies\"}").await == "0" {}
    })
    .await;
}
