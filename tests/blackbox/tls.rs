//! TLS of listeners: rules before the handshake, the action `terminate-tls`, clients' certificates.

use crate::support::*;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NAME: &str = "gateway.test";

/// An endpoint with TLS on which these rules run; its answers say `says` in the header `x-says`.
async fn serve(certificate: &Certificate, connect: Value, says: &str) -> Gateway {
    builder(certificate, connect, says).start().await
}

fn builder(certificate: &Certificate, connect: Value, says: &str) -> Builder {
    let answer =
        json!({"type": "custom-response", "config": {"status_code": 200, "headers": {"x-says": says}}});
    let policy = json!({"on_tcp_connect": connect, "on_http_request": [answer]});
    let builder = Gateway::builder(&policy.to_string());
    let cert = builder.file("cert.pem", &certificate.cert_pem);
    let key = builder.file("key.pem", &certificate.key_pem);
    builder.args(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()])
}

fn terminate(config: Value) -> Value {
    json!([{"type": "terminate-tls", "config": config}])
}

fn closes(expression: &str) -> Value {
    json!({"expressions": [expression], "actions": [{"type": "close-connection"}]})
}

/// What an answer says in the header `x-says`.
fn said(answer: &str) -> String {
    let line = answer.lines().find_map(|line| line.strip_prefix("x-says: "));
    line.unwrap_or_else(|| panic!("no such header: {answer}")).to_owned()
}

/// Returns once so many handshakes have failed for this reason; clients know of it a moment earlier than the counter.
async fn wait_failed(gateway: &Gateway, reason: &str, count: u64) {
    let line = format!("tollgate_tls_handshakes_failed_total{{reason=\"{reason}\"}} {count}");
    soon(async { while !gateway.admin("/metrics").await.text().lines().any(|seen| seen == line) {} }).await;
}

/// The bytes that a client sends first.
fn hello(client: &TlsClient<'_>, name: &str) -> Vec<u8> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut bytes = Vec::new();
    ClientConnection::new(Arc::new(client.config()), name).unwrap().write_tls(&mut bytes).unwrap();
    bytes
}

/// Everything that comes after these bytes were sent.
async fn answer_to(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(to).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // Closing with bytes unread is a reset.
    let _ = soon(tcp.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn a_rule_closes_before_anything_is_answered() {
    let certificate = Certificate::new(NAME);
    let rules = json!([
        closes("conn.tls.sni == 'blocked.test'"),
        closes("conn.tls.ja4_fingerprint.startsWith('t12')"),
    ]);
    let gateway = serve(&certificate, rules, "${conn.tls.sni}").await;
    let client = certificate.client(NAME);
    assert_eq!(said(&client.get(gateway.addr, "/").await.unwrap()), NAME);
    assert!(!answer_to(gateway.addr, &hello(&client, NAME)).await.is_empty(), "a server's hello");
    for name in ["blocked.test", "Blocked.TEST"] {
        assert!(answer_to(gateway.addr, &hello(&client, name)).await.is_empty(), "{name}");
    }
    assert!(answer_to(gateway.addr, &hello(&client.clone().only("1.2"), NAME)).await.is_empty());
    let lines = gateway.log_lines(4).await;
    let refused = lines.iter().filter(|line| line["outcome"] == "refused");
    assert_eq!(refused.count(), 3, "{lines:?}");
}

#[tokio::test]
async fn versions_are_kept_to() {
    let certificate = Certificate::new(NAME);
    for (min, max, older, newer) in
        [("1.2", "1.3", true, true), ("1.3", "1.3", false, true), ("1.2", "1.2", true, false)]
    {
        let config = json!({"min_version": min, "max_version": max});
        let gateway = serve(&certificate, terminate(config), "${conn.tls.version}").await;
        for (version, spoken) in [("1.2", older), ("1.3", newer)] {
            let answer = certificate.client(NAME).only(version).get(gateway.addr, "/").await;
            match answer {
                Ok(answer) => assert!(spoken && said(&answer) == version, "{min} {max} {version}"),
                Err(error) => {
                    assert!(!spoken && error.to_string().contains("ProtocolVersion"), "{version}: {error}");
                }
            }
        }
        wait_failed(&gateway, "refused", u64::from(!older) + u64::from(!newer)).await;
    }
}

#[tokio::test]
async fn certificates_of_clients() {
    let certificate = Certificate::new(NAME);
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let shown = [
        ("valid", Some(ours.sign("ann"))),
        ("of others", Some(others.sign("bob"))),
        ("out of date", Some(ours.sign_until("eve", 2020))),
        ("none", None),
    ];
    for (strategy, taken) in [
        ("require-and-verify", [true, false, false, false]),
        ("require-any", [true, true, true, false]),
        ("request", [true, true, true, true]),
    ] {
        let config = json!({
            "mutual_tls_certificate_authorities": [ours.pem],
            "mutual_tls_verification_strategy": strategy,
        });
        let says =
            "${conn.tls.client.subject.common_name}|${actions.ngrok.terminate_tls.client.issuer.common_name}";
        let gateway = serve(&certificate, terminate(config), says).await;
        for version in ["1.2", "1.3"] {
            let thief = certificate.client(NAME).only(version).showing(shown[0].1.as_ref()).stolen();
            assert!(thief.get(gateway.addr, "/").await.is_err(), "{strategy} {version}: the key is another");
        }
        for ((what, shown), taken) in shown.iter().zip(taken) {
            for version in ["1.2", "1.3"] {
                let client = certificate.client(NAME).only(version).showing(shown.as_ref());
                match client.get(gateway.addr, "/").await {
                    Ok(answer) => {
                        assert!(taken, "{strategy} {what} {version}");
                        let expected = match *what {
                            "valid" => "ann|ours",
                            "of others" => "bob|others",
                            "out of date" => "eve|ours",
                            _ => "|",
                        };
                        assert_eq!(said(&answer), expected, "{strategy} {version}");
                    }
                    Err(error) => assert!(!taken, "{strategy} {what} {version}: {error}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn who_names_authorities_wants_them_checked() {
    let certificate = Certificate::new(NAME);
    let ours = Authority::new("ours");
    let (ann, eve) = (ours.sign("ann"), Authority::new("others").sign("eve"));
    let config = json!({"mutual_tls_certificate_authorities": [ours.pem]});
    let gateway = serve(&certificate, terminate(config), "in").await;
    let get = |shown| {
        let client = certificate.client(NAME).showing(shown);
        async move { client.get(gateway.addr, "/").await.is_ok() }
    };
    assert!(get(Some(&ann)).await);
    for (shown, why) in [(Some(&eve), "UnknownIssuer"), (None, "no certificate")] {
        assert!(!get(shown).await);
        let said = |line: &str| (line.contains("\"handshake\":") && line.contains(why)).then_some(());
        gateway.out.find(why, said).await;
    }
}

#[tokio::test]
async fn a_key_from_the_secrets_and_results_for_later_rules() {
    let certificate = Certificate::new(NAME);
    let ours = Authority::new("ours");
    let config = json!({
        "min_version": 1.3,
        "server_certificate": certificate.cert_pem,
        "server_private_key": "${secrets.get('tls', 'key')}",
        "mutual_tls_certificate_authorities": ["${secrets.get('tls', 'ca')}"],
    });
    let r = "actions.ngrok.terminate_tls";
    let says = format!(
        "${{{r}.version}}|${{{r}.cipher_suite}}|${{{r}.sni}}|${{{r}.client.subject}}|${{{r}.server.san}}|${{{r}.warnings}}|\
         ${{{r}.error.code}}|${{has({r}.client.pem)}}|${{{r}.client.serial_number == conn.tls.client.serial_number}}"
    );
    let answer =
        json!({"type": "custom-response", "config": {"status_code": 200, "headers": {"x-says": says}}});
    let policy = json!({"on_tcp_connect": terminate(config), "on_http_request": [answer]});
    let builder = Gateway::builder(&policy.to_string());
    builder.file("secrets/tls/key", &certificate.key_pem);
    builder.file("secrets/tls/ca", &ours.pem);
    let file = "endpoints:\n  - listen: 127.0.0.1:0\n    protocol: https\n    traffic_policy_file: policy.yml\n\
                secrets: [{dir: secrets}]\n";
    let gateway = builder.config(file).start().await;
    let ann = ours.sign("ann");
    let answer = certificate.client(NAME).showing(Some(&ann)).get(gateway.addr, "/").await.unwrap();
    let said = said(&answer);
    let said: Vec<&str> = said.split('|').collect();
    assert!(said[1].starts_with("TLS_"), "{said:?}");
    assert_eq!(
        [said[0], said[2], said[3], said[4], said[5], said[6], said[7], said[8]],
        ["1.3", NAME, "CN=ann", "DNS:gateway.test", "[]", "", "false", "true"]
    );
    assert!(!gateway.written().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn rules_behind_the_handshake_see_all_of_it() {
    let certificate = Certificate::new(NAME);
    let rules = json!([
        {"type": "terminate-tls", "config": {}},
        closes("conn.tls.version == '1.2'"),
        {"type": "log", "config": {"metadata": {"agreed": "${conn.tls.negotiated_alpn}"}}},
    ]);
    let gateway = serve(&certificate, rules, "in").await;
    let client = certificate.client(NAME);
    assert!(client.clone().only("1.2").get(gateway.addr, "/").await.is_err());
    assert!(client.offering("http/1.1").get(gateway.addr, "/").await.is_ok());
    let line = gateway.out.find("the entry", |line| line.contains("agreed").then(|| line.to_owned())).await;
    assert!(line.contains(r#""agreed":"http/1.1""#), "{line}");
}

#[tokio::test]
async fn a_handshake_is_completed_once() {
    let certificate = Certificate::new(NAME);
    let rules =
        json!([{"type": "terminate-tls"}, {"type": "terminate-tls", "config": {"min_version": "1.3"}}]);
    let gateway = serve(&certificate, rules, "in").await;
    assert!(certificate.client(NAME).get(gateway.addr, "/").await.is_err(), "closed rather than less strict");
    let said = |line: &str| line.contains("the handshake is over already").then_some(());
    gateway.err.find("why it is closed", said).await;
}

#[tokio::test]
async fn the_fingerprints_of_clients() {
    let certificate = Certificate::new(NAME);
    let gateway =
        serve(&certificate, json!([]), "${conn.tls.ja4_fingerprint}|${conn.tls.negotiated_alpn}").await;
    let ours = said(&certificate.client(NAME).get(gateway.addr, "/").await.unwrap());
    let again = said(&certificate.client(NAME).get(gateway.addr, "/").await.unwrap());
    assert_eq!(ours, again, "the same client");
    let older = said(&certificate.client(NAME).only("1.2").get(gateway.addr, "/").await.unwrap());
    let offering = certificate.client(NAME).offering("http/1.1").get(gateway.addr, "/").await.unwrap();
    let mut openssl = tokio::process::Command::new("openssl")
        .args(["s_client", "-quiet", "-servername", NAME, "-connect", &gateway.addr.to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("openssl");
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    openssl.stdin.as_mut().unwrap().write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(openssl.stdout.take().unwrap().read_to_string(&mut answer)).await.unwrap();
    for (seen, begins, agreed) in [
        (ours, "t13d", "00_"),
        (older, "t12d", "00_"),
        (said(&offering), "t13d", "h1_"),
        (said(&answer), "t13d", "00_"),
    ] {
        let (fingerprint, alpn) = seen.split_once('|').unwrap();
        let hex = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_hexdigit());
        let parts: Vec<&str> = fingerprint.split('_').collect();
        assert!(parts.len() == 3 && hex(parts[1]) && hex(parts[2]), "{fingerprint}");
        assert!(parts[0].len() == 10 && fingerprint.starts_with(begins), "{fingerprint}");
        assert!(fingerprint.contains(agreed), "{fingerprint}");
        assert_eq!(alpn, if agreed == "h1_" { "http/1.1" } else { "" });
    }
}

#[tokio::test]
async fn bytes_are_counted_where_a_rule_asks() {
    let certificate = Certificate::new(NAME);
    let says = "${conn.bytes_in}|${conn.bytes_out}";
    let numbers = |answer: &str| {
        let (received, sent) = answer.split_once('|').unwrap();
        (received.parse::<u64>().unwrap(), sent.parse::<u64>().unwrap())
    };
    let gateway = serve(&certificate, json!([]), says).await;
    let secure = numbers(&said(&certificate.client(NAME).get(gateway.addr, "/").await.unwrap()));
    assert!(secure.0 > 300 && secure.1 > 500, "the handshake counts: {secure:?}");
    let answer =
        json!({"type": "custom-response", "config": {"status_code": 200, "headers": {"x-says": says}}});
    let plain = Gateway::start(&json!({"on_http_request": [answer]}).to_string()).await;
    let mut client = RawConnection::open(plain.addr).await;
    let request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut before = (0, 0);
    for asked in 1..=3 {
        assert!(client.write(request).await);
        let answer = client.answer().await.unwrap();
        let now = numbers(answer.header("x-says").unwrap());
        assert_eq!(now, (asked * request.len() as u64, before.1));
        before = (now.0, now.1 + answer.head.len() as u64);
    }
    // HTTP/2 without TLS is still told by its first bytes.
    let two = plain.send(get("/").h2()).await;
    assert!(numbers(two.header("x-says")).0 > 24, "{}", two.header("x-says"));
}

#[tokio::test]
async fn what_is_not_tls_is_closed_and_counted() {
    let certificate = Certificate::new(NAME);
    let gateway = serve(&certificate, json!([]), "in").await;
    for bytes in [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"\0\0\0\0\0\0\0\0", b"SSH-2.0-OpenSSH_9.6\r\n"]
    {
        assert!(answer_to(gateway.addr, bytes).await.is_empty());
    }
    wait_failed(&gateway, "not_tls", 3).await;
    let cut = hello(&certificate.client(NAME), NAME);
    let mut tcp = TcpStream::connect(gateway.addr).await.unwrap();
    tcp.write_all(&cut[..40]).await.unwrap();
    tcp.shutdown().await.unwrap();
    let _ = soon(tcp.read_to_end(&mut Vec::new())).await;
    wait_failed(&gateway, "client_gone", 1).await;
    assert!(certificate.client(NAME).get(gateway.addr, "/").await.is_ok());
}

#[tokio::test]
async fn a_slow_handshake_is_given_up() {
    let certificate = Certificate::new(NAME);
    let gateway = serve(&certificate, json!([]), "in").await;
    let began = Instant::now();
    let bytes = hello(&certificate.client(NAME), NAME);
    // One that stops within its hello, and one that says nothing more after the server's.
    let (cut, silent) = tokio::join!(answer_to(gateway.addr, &bytes[..60]), answer_to(gateway.addr, &bytes));
    assert!(cut.is_empty() && !silent.is_empty());
    let took = began.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(15)).contains(&took), "{took:?}");
    wait_failed(&gateway, "timeout", 2).await;
}

#[tokio::test]
async fn many_handshakes_at_once() {
    let certificate = Arc::new(Certificate::new(NAME));
    let gateway = serve(&certificate, json!([]), "in").await;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(certificate.client(NAME).config()));
    let asks = (0..1000).map(|_| {
        let (connector, to) = (connector.clone(), gateway.addr);
        tokio::spawn(async move {
            let tcp = TcpStream::connect(to).await.unwrap();
            let name = ServerName::try_from(NAME).unwrap();
            let mut tls = connector.connect(name, tcp).await.unwrap();
            let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            tls.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let _ = tls.read_to_end(&mut answer).await;
            answer.starts_with(b"HTTP/1.1 200")
        })
    });
    for ask in asks.collect::<Vec<_>>() {
        assert!(soon(ask).await.unwrap());
    }
    gateway.wait_idle().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let (first, second) = (Certificate::new(NAME), Certificate::new(NAME));
    let builder = builder(&first, json!([]), "in");
    let folder = builder.path().to_owned();
    let gateway = builder.start().await;
    assert!(first.client(NAME).get(gateway.addr, "/").await.is_ok());
    std::fs::write(folder.join("cert.pem"), &second.cert_pem).unwrap();
    std::fs::write(folder.join("key.pem"), "not yet").unwrap();
    let kept = |line: &str| line.contains("the one before stays in force").then_some(());
    gateway.err.find("the bad pair is not used", kept).await;
    assert!(first.client(NAME).get(gateway.addr, "/").await.is_ok());
    std::fs::write(folder.join("key.pem"), &second.key_pem).unwrap();
    gateway.err.find("renewed", |line| line.contains("was renewed").then_some(())).await;
    assert!(second.client(NAME).get(gateway.addr, "/").await.is_ok());
    assert!(first.client(NAME).get(gateway.addr, "/").await.is_err());
}

#[tokio::test]
async fn websockets_through_tls() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
    // Not at once: what an upstream that answers within microseconds may meet is in docs/decisions/0011.
    let upstream = RawUpstream::far(head, Then::Echo, Duration::from_millis(50)).await;
    let certificate = Certificate::new(NAME);
    let builder = Gateway::builder("on_http_request: []\n");
    let cert = builder.file("cert.pem", &certificate.cert_pem);
    let key = builder.file("key.pem", &certificate.key_pem);
    let gateway = builder
        .args(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()])
        .args(&["--upstream", &upstream.url()])
        .start()
        .await;
    let mut tls = certificate.client(NAME).offering("http/1.1").connect(gateway.addr).await.unwrap();
    let request = "GET /socket HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: \
                   k\r\nsec-websocket-version: 13\r\n\r\n";
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(soon(tls.read_u8()).await.unwrap());
    }
    assert!(seen.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&seen));
    tls.write_all(b"frames").await.unwrap();
    let mut back = [0; 6];
    soon(tls.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"frames");
}
