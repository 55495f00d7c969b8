//! Faults of providers that a run of `make chaos` has found to be handled badly.

use crate::support::*;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tollgate_mock::{
    Act, Director, FaultServer, Good, Heard, Http2Fault, MockServer, Script, Speaks, http2_steps,
};

const CHAT: &str = "/v1/chat/completions";
const CONTENT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"alpha\"},\"finish_reason\":null}]}\n\n";

/// `one` says these bytes, `two` answers well.
async fn stage(bytes: String, then: Then) -> (RawUpstream, MockServer, Gateway) {
    let (one, two) = (RawUpstream::start(bytes, then).await, mock(Script::default()).await);
    let providers = [
        custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]),
        custom("two", &format!("{}/v1", two.url()), &[KEY_TWO]),
    ];
    let gateway = Gateway::start(&ai_gateway(json!({"providers": providers}))).await;
    (one, two, gateway)
}

fn chunked(kind: &str, chunks: &[&str]) -> String {
    let chunks: String = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")
}

fn ask(stream: bool) -> Ask {
    post(CHAT, &merge(names(&["one:m", "two:m"]), json!({"stream": stream})))
}

#[tokio::test]
async fn a_connection_goes_on_after_a_stream_that_broke_off() {
    let (_one, _two, gateway) = stage(chunked("text/event-stream", &[CONTENT]), Then::Close).await;
    let mut client = RawConnection::open(gateway.addr).await;
    for _ in 0..3 {
        client.post(CHAT, &merge(names(&["one:m"]), json!({"stream": true}))).await;
        let answer = client.answer().await.expect("an answer on the same connection");
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert!(text.contains("alpha") && text.contains("ERR_NGROK_3800"), "{text}");
        assert_eq!(answer.header("connection"), Some("keep-alive"));
    }
    let lines = gateway.log_lines(3).await;
    assert!(lines.iter().all(|line| line["outcome"] == "interrupted"), "{lines:?}");
}

#[tokio::test]
async fn half_an_event_does_not_swallow_the_error_behind_it() {
    let long = format!("{CONTENT}: {}", "l".repeat(5 << 20));
    for half in [
        format!("{CONTENT}data: {{\"choices\":[{{\"index\":0,\"del"),
        format!("{CONTENT}event: completion\n"),
        format!("{CONTENT}: a comment"),
        long,
    ] {
        let (_one, _two, gateway) = stage(chunked("text/event-stream", &[&half]), Then::Close).await;
        for h2 in [false, true] {
            let answer = gateway.send(if h2 { ask(true).h2() } else { ask(true) }).await;
            let frames = answer.frames();
            let shown: Vec<String> = frames.iter().map(|frame| frame.chars().take(300).collect()).collect();
            assert!(answer.whole, "{shown:?}");
            assert!(frames[0].contains("alpha"), "{shown:?}");
            assert!(frames.last().unwrap().trim_start().starts_with("data: {\"error\":"), "{shown:?}");
            for data in answer.text().lines().filter_map(|line| line.strip_prefix("data: ")) {
                serde_json::from_str::<serde_json::Value>(data).expect("each event is whole");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_without_content_is_none() {
    for head in ["204 No Content", "205 Reset Content", "304 Not Modified"] {
        let (_one, _two, gateway) = stage(format!("HTTP/1.1 {head}\r\n\r\n"), Then::Close).await;
        for stream in [false, true] {
            let answer = gateway.send(ask(stream)).await;
            assert_eq!((answer.status, answer.header("x-tollgate-attempts")), (200, "2"), "{head}");
        }
    }
}

#[tokio::test]
async fn heads_longer_than_clients_take_are_not_passed_on() {
    let body = "{\"choices\":[]}";
    let length = body.len();
    let head = |status: &str, value: usize| {
        let value = "v".repeat(value);
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nx-long: {value}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    for (status, value, attempts) in [("200", 300_000, "2"), ("200", 30_000, "1"), ("500", 300_000, "2")] {
        let (_one, _two, gateway) = stage(head(status, value), Then::Close).await;
        let answer = gateway.send(ask(false)).await;
        assert_eq!(
            (answer.status, answer.header("x-tollgate-attempts")),
            (200, attempts),
            "{status} {value}"
        );
    }
    // Nor when there is no other provider whose answer could take its place.
    let (_one, _two, gateway) = stage(head("500", 300_000), Then::Close).await;
    let answer = gateway.send(post(CHAT, &names(&["one:m"]))).await;
    assert!(answer.status >= 500 && !answer.code().is_empty() && answer.header("x-long").is_empty());
}

#[tokio::test]
async fn a_long_plain_answer_that_ends_early_does_not_pass_for_a_whole_one() {
    let text = "x".repeat(400_000);
    let start = format!("{{\"choices\":[{{\"message\":{{\"content\":\"{text}");
    let whole = format!("{start}\"}},\"finish_reason\":\"stop\"}}]}}");
    let long = format!("{{\"choices\":[{{\"message\":{{\"content\":\"{}", text.repeat(12));
    for (body, expected) in [(&start, false), (&whole, true), (&long, false)] {
        let answer = chunked("application/json", &[body]) + "0\r\n\r\n";
        let (_one, _two, gateway) = stage(answer, Then::Close).await;
        let answer = gateway.send(ask(false)).await;
        assert_eq!((answer.status, answer.whole), (200, expected), "{} bytes", body.len());
    }
}

/// Never answers the first request, and all others at once; notes their streams.
#[derive(Default)]
struct FirstStalls(Mutex<Vec<u32>>);

impl Director for FirstStalls {
    fn heard(&self, heard: &Heard<'_>) -> Act {
        if !heard.whole {
            return Act::ReadOn;
        }
        let stream = heard.stream.unwrap();
        let mut streams = self.0.lock().unwrap();
        let fault = if streams.is_empty() { Http2Fault::StallBefore } else { Http2Fault::None };
        streams.push(stream);
        let body = "{\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}";
        let good = Good { kind: "application/json", parts: vec![body.into()], content: 0..1, stream: false };
        Act::Play(0, http2_steps(fault, &good, 0, stream))
    }

    fn broken_off(&self, _: u64) {}
}

#[tokio::test]
async fn a_connection_of_http_2_on_which_an_answer_never_came_gets_no_more_requests() {
    let director = Arc::new(FirstStalls::default());
    let one =
        FaultServer::start(Speaks::TlsHttp2(100), Arc::clone(&director) as Arc<dyn Director>).await.unwrap();
    let provider = custom("one", &format!("{}/v1", one.url()), &[KEY_ONE]);
    let policy = ai_gateway(json!({"providers": [provider], "per_request_timeout": "700ms"}));
    let gateway = Gateway::builder(&policy).trust(one.ca_pem().unwrap()).start().await;
    let alone = || post(CHAT, &names(&["one:m"]));
    assert!(gateway.send(alone()).await.status >= 500);
    for _ in 0..2 {
        assert_eq!(gateway.send(alone()).await.status, 200);
    }
    // The second went to a connection of its own; the third to the same, if that was back in its pool by then.
    let streams = director.0.lock().unwrap().clone();
    assert!(streams == [1, 1, 3] || streams == [1, 1, 1], "{streams:?}");
    assert!(one.counts().opened() >= 2);
}

/// The gateway sees a file of hosts of its own, in a namespace of its own: only root can make one.
#[tokio::test]
async fn a_name_that_leads_nowhere_is_looked_up_again() {
    let two = MockServer::start(Script::default()).await.unwrap();
    let port = two.addr().port();
    let config =
        json!({"providers": [custom("one", &format!("http://provider.local:{port}/v1"), &[KEY_ONE])]});
    let builder = Gateway::builder(&ai_gateway(config));
    // On the second address of this machine nobody listens on this port.
    let hosts = builder.file("hosts", "127.0.0.2 provider.local\n");
    let mount = format!("mount --bind {} /etc/hosts", hosts.display());
    let possible = std::process::Command::new("unshare").args(["-m", "sh", "-c", &mount]).output();
    if !possible.is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: no namespace can be made here");
        return;
    }
    let gateway = env!("CARGO_BIN_EXE_tollgate");
    let script = format!("#!/bin/sh\nexec unshare -m sh -c '{mount} && exec {gateway} \"$@\"' sh \"$@\"\n");
    let program = builder.file("gateway.sh", &script);
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let gateway = builder.program(program).start().await;
    let ask = || post(CHAT, &names(&["one:m"]));
    gateway.send(ask()).await.assert_openai_error(502, "3800");
    // The same file, so that the mount shows it.
    std::fs::write(&hosts, "127.0.0.1 provider.local\n").unwrap();
    let started = std::time::Instant::now();
    while gateway.send(ask()).await.status != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(started.elapsed().as_secs() < 20, "an address that is not there is used for half a minute");
    }
}
