//! Actions that change bodies: of requests, of responses, of streams message by message; and rules on connections.

use crate::support::*;
use serde_json::{Value, json};
use std::io::Read;
use tollgate_mock::{Behaviour, MockServer, Script};

async fn stage(policy: Value) -> (EchoServer, Gateway) {
    let echo = EchoServer::start().await;
    let gateway = Gateway::builder(&policy.to_string()).args(&["--upstream", &echo.url()]).start().await;
    (echo, gateway)
}

#[tokio::test]
async fn request_bodies_are_changed_before_the_upstream_sees_them() {
    let (_echo, gateway) = stage(json!({"on_http_request": [
        {"type": "request-body-find-replace", "config": {"replacements": [
            {"from": "sk-[a-z0-9]+", "to": "[key]"}, {"from": "\\[(\\w+)\\]", "to": "<$1 of ${req.method}>"},
        ]}},
        {"type": "add-headers", "config": {"headers": {"x-found": "${actions.ngrok.request_body_find_replace.replacements}"}}},
    ]}))
    .await;
    for h2 in [false, true] {
        let ask = post_bytes("/same", "my sk-abc123 and sk-9");
        let answer = gateway.send(if h2 { ask.h2() } else { ask }).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "my <key of POST> and <key of POST>"),
            "{h2}"
        );
    }
    let told = gateway.send(post_bytes("/x", "sk-1 [a]")).await.json();
    let found: Value = serde_json::from_str(told["headers"]["x-found"].as_str().unwrap()).unwrap();
    assert_eq!(
        found,
        json!([{"matched_content": "sk-1", "replacement_index": 0}, {"matched_content": "[key]", "replacement_index": 1}])
    );
    let plain = gateway.send(post_bytes("/same", [0xff, 0xfe].as_slice())).await;
    assert_eq!((plain.status, &plain.body[..]), (200, &[0xff, 0xfe][..]), "what is no text stays");
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(text, flate2::Compression::fast()).read_to_end(&mut out).unwrap();
    out
}

#[tokio::test]
async fn packed_request_bodies_are_searched_too_and_broken_ones_are_refused() {
    let (_echo, gateway) = stage(json!({"on_http_request": [
        {"type": "request-body-find-replace", "config": {"replacements": [{"from": "secret", "to": "-"}]}},
    ]}))
    .await;
    let twice = post_bytes("/same", gzip(&gzip(b"a secret b"))).header("content-encoding", "gzip, gzip");
    assert_eq!(gateway.send(twice).await.text(), "a - b", "what is packed twice is no hiding place");
    let send = async |body: Vec<u8>| {
        let answer = gateway.send(post_bytes("/same", body).header("content-encoding", "gzip")).await;
        (answer.status, answer.text(), answer.header("ngrok-error-code").to_owned())
    };
    assert_eq!(send(gzip(b"a secret b")).await, (200, "a - b".into(), String::new()));
    let broken = send(b"no gzip at all".to_vec()).await;
    assert_eq!((broken.0, broken.2.as_str()), (400, "ERR_NGROK_3904"), "{}", broken.1);
    let bomb = send(gzip(&vec![b'a'; 64 << 20])).await;
    assert_eq!((bomb.0, bomb.2.as_str()), (413, "ERR_NGROK_3903"), "{}", bomb.1);
    assert!(gateway.memory_kib("VmHWM") < 256 * 1024, "{}", gateway.memory_kib("VmHWM"));
}

#[tokio::test]
async fn response_bodies_are_changed_and_their_length_is_right() {
    let (_echo, gateway) = stage(json!({"on_http_response": [
        {"type": "response-body-find-replace", "config": {"replacements": [{"from": "internal\\.example", "to": "public"}]}},
        {"expressions": ["actions.ngrok.response_body_find_replace.replacements.size() > 0"],
         "actions": [{"type": "add-headers", "config": {"headers": {"x-found": "${actions.ngrok.response_body_find_replace.replacements[0].matched_content}"}}}]},
    ]}))
    .await;
    for h2 in [false, true] {
        let ask = post_bytes("/same", "at internal.example, internal-example");
        let answer = gateway.send(if h2 { ask.h2() } else { ask }).await;
        assert_eq!(answer.text(), "at public, internal-example", "{h2}");
        assert_eq!((answer.header("content-length"), answer.header("x-found")), ("27", "internal.example"));
    }
    let long = gateway.send(post_bytes("/same", vec![b'x'; 11 << 20])).await;
    assert_eq!((long.status, long.body.len()), (200, 11 << 20), "too long to be searched: it passes");
    assert_eq!(gateway.send(get("/x").method("HEAD")).await.status, 200);
}

#[tokio::test]
async fn packed_answers_are_searched_too_and_broken_ones_do_not_reach_the_client() {
    let replace = json!({"type": "response-body-find-replace", "config": {"replacements": [{"from": "secret", "to": "-"}]}});
    let policy = json!({ "on_http_response": [replace] }).to_string();
    let raw = RawUpstream::start("", Then::Close).await;
    let gateway = Gateway::builder(&policy).args(&["--upstream", &raw.url()]).start().await;
    let ask = async |coding: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        raw.set([head.as_bytes(), body].concat(), Then::Close);
        let answer = gateway.send(get("/x").header("accept-encoding", "gzip")).await;
        (answer.status, answer.code().to_owned(), String::from_utf8_lossy(&answer.body).into_owned())
    };
    let packed = gzip(b"a secret b");
    assert_eq!(ask("gzip", &packed).await, (200, String::new(), "a - b".into()));
    assert_eq!(ask("gzip, gzip", &gzip(&packed)).await, (200, String::new(), "a - b".into()));
    for broken in [b"no gzip at all".as_slice(), &packed[..packed.len() - 9], b""] {
        let (status, code, text) = ask("gzip", broken).await;
        let empty = broken.is_empty();
        assert!(empty || (status, code.as_str()) == (500, "3904"), "{status} {code} {text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let bomb = gzip(&vec![b'a'; 64 << 20]);
    let (status, code, text) = ask("gzip", &bomb).await;
    assert_eq!((status, code.as_str()), (500, "3903"), "{text}");
    assert!(gateway.memory_kib("VmHWM") < 256 * 1024, "{}", gateway.memory_kib("VmHWM"));
}

#[tokio::test]
async fn answers_are_compressed_as_the_client_likes() {
    let (_echo, gateway) = stage(json!({"on_http_response": [
        {"type": "compress-response"},
        {"type": "add-headers", "config": {"headers": {"x-chosen": "${actions.ngrok.compress.negotiated_algorithm}"}}},
    ]}))
    .await;
    let text = "some text, some text, some text. ".repeat(1000);
    for (likes, chosen) in [
        ("gzip;q=1.0, br;q=0.5, *;q=0", "gzip"),
        ("br", "br"),
        ("deflate", "deflate"),
        ("", ""),
        ("compress", ""),
    ] {
        let ask = post_bytes("/same", text.clone());
        let answer =
            gateway.send(if likes.is_empty() { ask } else { ask.header("accept-encoding", likes) }).await;
        assert_eq!(
            (answer.header("content-encoding"), answer.header("x-chosen")),
            (chosen, chosen),
            "{likes}"
        );
        let mut plain = Vec::new();
        match chosen {
            "gzip" => flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut plain).unwrap(),
            "deflate" => flate2::read::ZlibDecoder::new(&answer.body[..]).read_to_end(&mut plain).unwrap(),
            "br" => brotli::Decompressor::new(&answer.body[..], 4096).read_to_end(&mut plain).unwrap(),
            _ => (&answer.body[..]).read_to_end(&mut plain).unwrap(),
        };
        assert!(plain == text.as_bytes(), "{likes}: {} bytes", plain.len());
        assert!(chosen.is_empty() || answer.body.len() < text.len() / 10, "{likes}: {}", answer.body.len());
        assert!(answer.header("vary").contains("Accept-Encoding"), "{likes}");
    }
}

/// The texts of a chat stream, event by event.
fn words(answer: &str) -> Vec<String> {
    let data = answer.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    let text = |data: &str| {
        let json: Value = serde_json::from_str(data).ok()?;
        Some(json.pointer("/choices/0/delta/content")?.as_str()?.to_owned())
    };
    data.filter_map(text).filter(|text| !text.is_empty()).collect()
}

/// A gateway before a model that says these words, with rules besides.
async fn model(words: &[&str], rules: Value) -> (MockServer, Gateway) {
    let one = mock(Script::always(Behaviour::chunks(words.iter().copied()).chunk_every_ms(20))).await;
    let policy: Value = serde_json::from_str(&two_providers(&one, &one, json!({}))).unwrap_or_default();
    let gateway = Gateway::start(&merge(policy, rules).to_string()).await;
    (one, gateway)
}

fn streamed() -> Ask {
    post("/v1/chat/completions", &merge(names(&["one:m"]), json!({"stream": true})))
}

#[tokio::test]
async fn messages_of_a_models_stream_are_changed_one_by_one() {
    let rules = json!({"on_event_stream_message": [
        {"type": "sse-find-replace", "config": {"replacements": [{"from": "blue", "to": "${'gre' + 'en'}"}]}},
    ]});
    let (_one, gateway) = model(&["The ", "blue ", "sky, bl", "ue"], rules).await;
    let mut reply = gateway.open(streamed()).await;
    let mut events = Vec::new();
    while let Some(event) = soon(reply.event()).await {
        events.push(event);
    }
    let all: String = events.iter().map(|event| format!("{}\n\n", event.text)).collect();
    assert_eq!(words(&all), ["The ", "green ", "sky, bl", "ue"], "a split word is another word");
    assert!(all.ends_with("data: [DONE]\n\n"), "{all}");
    let said: Vec<_> =
        events.iter().filter(|event| event.text.contains("content")).map(|event| event.at).collect();
    assert!(said.last().unwrap().duration_since(said[0]).as_millis() >= 40, "they came one by one");
}

#[tokio::test]
async fn a_word_over_two_messages_is_found_when_messages_are_held_back() {
    let rules = json!({"on_event_stream_message": [
        {"type": "sse-find-replace", "config": {"hold_back": 2, "replacements": [{"from": "blue", "to": "green"}]}},
    ]});
    let (_one, gateway) = model(&["The ", "bl", "u", "e sky"], rules).await;
    let answer = gateway.send(streamed()).await;
    assert_eq!(words(&answer.text()).concat(), "The green sky");
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
}

#[tokio::test]
async fn whole_answers_of_models_are_changed_as_plain_ones_are() {
    let rules = json!({"on_http_response": [
        {"type": "response-body-find-replace", "config": {"replacements": [{"from": "blue", "to": "green"}]}},
        {"type": "compress-response"},
    ]});
    let (_one, gateway) = model(&["The ", "blue ", "sky"], rules).await;
    let ask = || post("/v1/chat/completions", &names(&["one:m"]));
    let answer = gateway.send(ask()).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "The green sky");
    assert!(answer.json()["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
    let line = gateway.log_of(&answer).await;
    assert!(line["input_tokens"].as_u64().unwrap() > 0, "{line}");
    let packed = gateway.send(ask().header("accept-encoding", "gzip")).await;
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut plain).unwrap();
    assert!(plain.contains("The green sky"), "{plain}");
}

#[tokio::test]
async fn rules_on_connections_close_them_or_tell_requests() {
    let (_echo, gateway) = stage(json!({
        "on_tcp_connect": [
            {"type": "set-vars", "config": {"vars": [{"who": "${conn.client_ip}"}]}},
            {"type": "log", "config": {"metadata": {"from": "${vars.who}"}}},
        ],
        "on_http_request": [
            {"expressions": ["req.url.path == '/hang-up'"], "actions": [{"type": "close-connection"}]},
            {"type": "add-headers", "config": {"headers": {"x-from": "${actions.ngrok.log.metadata.from}"}}},
        ],
    }))
    .await;
    for h2 in [false, true] {
        let told = gateway.send(if h2 { get("/x").h2() } else { get("/x") }).await.json();
        assert_eq!(told["headers"]["x-from"], "127.0.0.1", "{h2}");
    }
    let mut raw = RawConnection::open(gateway.addr).await;
    for path in ["/first", "/second"] {
        raw.write(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        let told = raw.answer().await.expect("an answer").json();
        assert_eq!((&told["headers"]["x-from"], &told["uri"]), (&json!("127.0.0.1"), &json!(path)));
    }
    let mut raw = RawConnection::open(gateway.addr).await;
    raw.write(b"GET /hang-up HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(raw.everything().await, b"", "no answer at all");
    let closed = |line: &str| line.contains("/hang-up").then(|| line.contains("refused"));
    assert!(gateway.out.find("the line of the request", closed).await, "the gateway closed, nobody left");
    let line = gateway
        .out
        .find("the line of a connection", |line| line.contains("connection_closed").then(|| line.to_owned()))
        .await;
    assert!(line.contains("127.0.0.1") && line.contains("success"), "{line}");

    let closed = Gateway::start(&json!({"on_tcp_connect": [{"expressions": ["conn.client_ip == '127.0.0.1'"], "actions": [{"type": "deny"}]}], "on_http_request": [{"type": "custom-response"}]}).to_string()).await;
    let mut raw = RawConnection::open(closed.addr).await;
    raw.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(raw.everything().await, b"");
}

#[tokio::test]
async fn what_is_not_held_back_is_searched_by_itself() {
    let event = |name: &str, data: Value| format!("event: {name}\ndata: {data}\n\n");
    let delta = |text: &str| {
        event("response.output_text.delta", json!({"type": "response.output_text.delta", "delta": text}))
    };
    let stream = [
        delta("Ac"),
        delta("me co"),
        delta("rp!"),
        event(
            "response.output_text.done",
            json!({"type": "response.output_text.done", "text": "Acme corp!"}),
        ),
        event("response.completed", json!({"response": {"output": [{"text": "of Acme corp"}]}})),
        "data: plain Acme corp\n\n".to_owned(),
    ]
    .concat();
    let upstream = RawUpstream::start(
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{stream}"),
        Then::Close,
    )
    .await;
    for hold_back in [0, 4] {
        let policy = json!({"on_http_request": [], "on_event_stream_message": [{"type": "sse-find-replace", "config": {
            "replacements": [{"from": "(?i)acme corp", "to": "X"}], "hold_back": hold_back}}]});
        let gateway =
            Gateway::builder(&policy.to_string()).args(&["--upstream", &upstream.url()]).start().await;
        let got = gateway.send(get("/")).await.text();
        assert_eq!(got.matches("event:").count(), 5, "{got}");
        assert!(!got.contains("Acme corp"), "{hold_back}: {got}");
        let deltas: String =
            got.split("\"delta\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(deltas, if hold_back == 0 { "Acme corp!" } else { "X!" }, "{got}");
    }
}
