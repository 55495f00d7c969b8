//! Request smuggling: what a client sends is one request to the gateway, to whoever stands before it and to whoever stands
//! behind it, or none.

use crate::desync_table::{Fate, PATH, Row, rows};
use crate::support::*;
use serde_json::json;
use std::fmt::Write as _;

const BODY: &str = "{\"model\":\"one:next\"}";

/// The request that follows on the same connection.
fn next() -> String {
    format!("POST {PATH}?next HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len())
}

/// Sends every row to a gateway, each on a connection of its own with another request behind it.
async fn play(gateway: &Gateway, behind: &Recorder) {
    let mut wrong = String::new();
    for row in rows() {
        behind.take();
        if let Err(said) = caught(one(gateway, behind, &row)).await {
            let _ = writeln!(wrong, "{}: {said}", row.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    gateway.wait_idle().await;
}

async fn one(gateway: &Gateway, behind: &Recorder, row: &Row) {
    let mut client = RawConnection::open(gateway.addr).await;
    client.write(&row.bytes).await;
    if row.fate == Fate::Broken {
        // What is broken may also be incomplete: the end says that no more will come.
        client.half_close().await;
        let said = String::from_utf8_lossy(&client.everything().await).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
        gateway.wait_idle().await;
        let seen = behind.take();
        assert!(seen.iter().all(|request| !request.whole), "{seen:#?}");
        return;
    }
    let answer = client.answer().await;
    let (status, served) = match row.fate {
        Fate::Refused => (400, false),
        Fate::NotAllowed => (405, false),
        _ => (200, true),
    };
    let answer = answer.unwrap_or_else(|| panic!("no answer"));
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, status, "{} {said}", answer.head);
    assert!(!served || said.contains("row"), "the answer of another request: {said}");
    client.write(next()).await;
    let second = client.answer().await;
    if row.fate == Fate::Served {
        let second = second.expect("the connection is still open");
        let said = String::from_utf8_lossy(&second.body).into_owned();
        assert!(said.contains("next"), "the answer of another request: {said}");
    } else {
        assert!(second.is_none(), "the connection goes on: {second:?}");
    }
    let seen = behind.take();
    let of = |model: &str| seen.iter().filter(|request| request.body.contains(model)).count();
    assert_eq!(
        (of("row"), of("next")),
        (usize::from(served), usize::from(row.fate == Fate::Served)),
        "{seen:#?}"
    );
    assert_eq!(seen.len(), of("row") + of("next"), "nothing else: {seen:#?}");
    for request in &seen {
        plain(request);
        assert!(!request.target().contains("hidden"), "{request:#?}");
        for name in ["upgrade", "http2-settings"] {
            assert!(request.all(name).is_empty(), "{name}: {request:#?}");
        }
    }
}

/// A request that the server behind can read in one way only.
fn plain(request: &Recorded) {
    assert!(request.whole, "{request:#?}");
    let framings = request.all("content-length").len() + request.all("transfer-encoding").len();
    assert_eq!((framings, request.all("host").len()), (1, 1), "{request:#?}");
    for name in ["trailer", "te", "content_length", "transfer_encoding"] {
        assert!(request.all(name).is_empty(), "{name}: {request:#?}");
    }
    assert!(request.all("authorization").iter().all(|value| *value != "evil"), "{request:#?}");
}

#[tokio::test]
async fn on_the_way_to_an_upstream() {
    let behind = Recorder::start().await;
    let policy =
        json!({"on_http_request": [{"type": "add-headers", "config": {"headers": {"x-rule": "1"}}}]});
    let gateway = Gateway::builder(&policy.to_string()).args(&["--upstream", &behind.url()]).start().await;
    play(&gateway, &behind).await;
}

#[tokio::test]
async fn on_the_way_to_an_upstream_whose_answers_are_worked_on() {
    let behind = Recorder::start().await;
    let rule = json!({"type": "response-body-find-replace", "config": {"replacements": [{"from": "zzz", "to": "y"}]}});
    let policy = json!({"on_http_response": [rule]});
    let gateway = Gateway::builder(&policy.to_string()).args(&["--upstream", &behind.url()]).start().await;
    play(&gateway, &behind).await;
}

#[tokio::test]
async fn on_the_way_to_a_provider() {
    let behind = Recorder::start().await;
    let provider = custom("one", &format!("{}/v1", behind.url()), &["k"]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    play(&gateway, &behind).await;
}

/// An answer that is longer than it says is not the beginning of the next one.
#[tokio::test]
async fn a_server_cannot_answer_a_request_that_is_not_there_yet() {
    let said = |text: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n";
    for first in [said("first"), chunked.to_owned()] {
        let behind = RawUpstream::start(first + &said("POISON"), Then::Hold).await;
        for policy in [
            "{}".to_owned(),
            json!({"on_http_response": [{"type": "response-body-find-replace",
            "config": {"replacements": [{"from": "zzz", "to": "y"}]}}]})
            .to_string(),
        ] {
            let gateway = Gateway::builder(&policy).args(&["--upstream", &behind.url()]).start().await;
            for _ in 0..3 {
                let answer = gateway.send(get("/x")).await;
                assert!(!answer.text().contains("POISON"), "{}", answer.text());
            }
        }
    }
}

/// nginx before a gateway. `None` where there is no nginx.
struct Front {
    child: std::process::Child,
    addr: std::net::SocketAddr,
    _dir: tempfile::TempDir,
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Front {
    async fn start(gateway: &Gateway, buffering: &str) -> Option<Self> {
        let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx", "/opt/homebrew/bin/nginx"];
        let nginx = nginx.into_iter().find(|path| std::path::Path::new(path).exists())?;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display();
        let addr = nobody();
        let config = format!(
            "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
             fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n\
             client_header_timeout 1s; client_body_timeout 1s; underscores_in_headers on;\n\
             upstream gateway {{ server {}; keepalive 8; }}\n\
             server {{ listen {addr}; location / {{ proxy_pass http://gateway; proxy_http_version 1.1;\n\
             proxy_request_buffering {buffering}; proxy_set_header connection ''; proxy_set_header x-front $request_id;\n\
             add_header x-asked $request_id always; }} }} }}\n",
            gateway.addr
        );
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = std::process::Command::new(nginx);
        command.arg("-c").arg(&file).args(["-p", &path.to_string(), "-e", "stderr"]);
        let child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        soon(async { while tokio::net::TcpStream::connect(addr).await.is_err() {} }).await;
        Some(Self { child, addr, _dir: dir })
    }
}

/// Whatever nginx makes of a request: each that it sends on is one request here and one behind, and each answer goes to
/// whoever asked for it.
#[tokio::test]
async fn behind_nginx() {
    let behind = Recorder::start().await;
    let gateway = Gateway::builder("{}").args(&["--upstream", &behind.url()]).start().await;
    for buffering in ["on", "off"] {
        let Some(front) = Front::start(&gateway, buffering).await else {
            eprintln!("SKIPPED: there is no nginx on this machine; `make test` installs it on a Debian");
            return;
        };
        let mut wrong = String::new();
        let mut forwarded = 0;
        for row in rows() {
            behind.take();
            match caught(through(&front, &behind, &row, &mut forwarded)).await {
                Ok(()) => {}
                Err(said) => {
                    let _ = writeln!(wrong, "{}, buffering {buffering}: {said}", row.name);
                }
            }
        }
        assert!(wrong.is_empty(), "\n{wrong}");
        assert!(forwarded > 20, "nginx sent on only {forwarded}");
    }
}

async fn through(front: &Front, behind: &Recorder, row: &Row, forwarded: &mut usize) {
    let mut client = RawConnection::open(front.addr).await;
    let last = next().replacen("host: x", "host: x\r\nconnection: close", 1);
    client.write([&row.bytes, last.as_bytes()].concat()).await;
    let said = String::from_utf8_lossy(&client.everything().await).into_owned();
    let mut asked = Vec::new();
    for answer in said.split("HTTP/1.1 ").skip(1) {
        let header = |name: &str| {
            let lines = answer.lines().filter_map(|line| line.split_once(": "));
            lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
        };
        let (Some(mine), Some(of)) = (header("x-asked"), header("x-front")) else { continue };
        assert_eq!(mine, of, "the answer of another request: {said}");
        asked.push(mine);
    }
    let seen = behind.take();
    *forwarded += seen.len();
    for request in seen.iter().filter(|request| request.whole) {
        plain(request);
        // What nginx has not sent has not its mark.
        let front = request.all("x-front");
        assert_eq!(front.len(), 1, "{request:#?}");
        assert_eq!(seen.iter().filter(|other| other.all("x-front") == front).count(), 1, "{seen:#?}");
        assert!(asked.iter().any(|id| id == front[0]), "nobody got this answer: {request:#?}\n{said}");
    }
}
