//! Endpoints of protocol `tcp` and `tls`: connections that are passed on.

use crate::support::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NAME: &str = "behind.test";

/// An endpoint of this protocol in front of `upstream`, with these rules.
async fn serve(protocol: &str, upstream: &str, connect: Value, more: &str) -> Gateway {
    builder(protocol, upstream, connect, more).start().await
}

fn builder(protocol: &str, upstream: &str, connect: Value, more: &str) -> Builder {
    let builder = Gateway::builder(&json!({"on_tcp_connect": connect}).to_string());
    builder.config(&format!(
        "endpoints:\n  - listen: 127.0.0.1:0\n    protocol: {protocol}\n    upstream: {upstream}\n    {more}\n    \
         traffic_policy_file: policy.yml\n"
    ))
}

/// A server whose connections a test takes one by one.
struct Server(TcpListener);

impl Server {
    async fn start() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    fn url(&self) -> String {
        format!("tcp://{}", self.0.local_addr().unwrap())
    }

    async fn accept(&self) -> TcpStream {
        soon(self.0.accept()).await.unwrap().0
    }
}

#[tokio::test]
async fn bytes_pass_both_ways_and_each_side_ends_by_itself() {
    let server = Server::start().await;
    let gateway = serve("tcp", &server.url(), json!([]), "").await;
    let mut client = TcpStream::connect(gateway.addr).await.unwrap();
    client.write_all(b"\x00\x01question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut behind = server.accept().await;
    let mut heard = Vec::new();
    soon(behind.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"\x00\x01question");
    let answer = vec![7; 1 << 20];
    let sent = answer.clone();
    let writing = tokio::spawn(async move {
        behind.write_all(&sent).await.unwrap();
    });
    let mut got = Vec::new();
    soon(client.read_to_end(&mut got)).await.unwrap();
    writing.await.unwrap();
    assert!(got == answer, "{}", got.len());
    let line = gateway.log_lines(1).await.remove(0);
    assert_eq!(
        (&line["event"], &line["outcome"], &line["bytes_in"], &line["bytes_out"]),
        (&json!("connection_closed"), &json!("success"), &json!(10), &json!(1 << 20))
    );
    assert_eq!(line["upstream"], json!(server.url().trim_start_matches("tcp://")));
}

#[tokio::test]
async fn rules_decide_before_a_server_is_called() {
    let server = Server::start().await;
    let rules = json!([
        {"type": "log", "config": {"metadata": {"endpoint": "${endpoint.protocol} ${endpoint.url}"}}},
        {"type": "restrict-ips", "config": {"allow": ["10.0.0.0/8"]}},
    ]);
    let gateway = serve("tcp", &server.url(), rules, "").await;
    let mut client = TcpStream::connect(gateway.addr).await.unwrap();
    let _ = client.write_all(b"hello").await;
    let mut got = Vec::new();
    let _ = soon(client.read_to_end(&mut got)).await;
    assert!(got.is_empty());
    let line = gateway.log_lines(1).await.remove(0);
    assert_eq!(line["outcome"], "refused", "{line}");
    assert!(line.to_string().contains(&format!("tcp tcp://{}", gateway.addr)), "{line}");
    let accepted = tokio::time::timeout(std::time::Duration::from_millis(100), server.0.accept()).await;
    assert!(accepted.is_err(), "nobody was called");
}

#[tokio::test]
async fn tls_passes_unread_by_its_name() {
    let certificate = Certificate::new(NAME);
    let inner = json!({"on_http_request": [
        {"type": "custom-response", "config": {"status_code": 200, "body": "${conn.tls.sni}|${conn.tls.ja4_fingerprint}"}},
    ]});
    let behind = Gateway::builder(&inner.to_string());
    let cert = behind.file("cert.pem", &certificate.cert_pem);
    let key = behind.file("key.pem", &certificate.key_pem);
    let behind = behind.args(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    let behind = behind.start().await;
    let rules = json!([
        {"expressions": ["conn.tls.sni != 'behind.test'"], "actions": [{"type": "close-connection"}]},
        {"type": "log", "config": {"metadata": {"ja4": "${conn.tls.ja4_fingerprint}"}}},
    ]);
    let gateway = serve("tls", &format!("tcp://{}", behind.addr), rules, "").await;
    let answer = certificate.client(NAME).get(gateway.addr, "/").await.unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let (sni, ja4) = body.split_once('|').unwrap();
    assert_eq!(sni, NAME);
    // The server behind saw the very hello that was looked at on the way.
    let line = gateway.log_lines(1).await.remove(0);
    assert!(line.to_string().contains(ja4) && !ja4.is_empty(), "{line} {ja4}");
    assert!(certificate.client("other.test").get(gateway.addr, "/").await.is_err());
}

#[tokio::test]
async fn tls_is_taken_off_where_a_rule_says_so() {
    let certificate = Certificate::new(NAME);
    let server = Server::start().await;
    for protocol in ["tls", "tcp"] {
        let rules = json!([{"type": "terminate-tls", "config": {"min_version": "1.3"}}]);
        let builder = builder(protocol, &server.url(), rules, "tls: {cert: DIR/cert.pem, key: DIR/key.pem}");
        builder.file("cert.pem", &certificate.cert_pem);
        builder.file("key.pem", &certificate.key_pem);
        let gateway = builder.start().await;
        let asking = async {
            let mut tls = certificate.client(NAME).connect(gateway.addr).await.unwrap();
            tls.write_all(b"plain question").await.unwrap();
            tls.shutdown().await.unwrap();
            let mut answer = String::new();
            soon(tls.read_to_string(&mut answer)).await.unwrap();
            answer
        };
        let answering = async {
            let mut behind = server.accept().await;
            let mut heard = String::new();
            soon(behind.read_to_string(&mut heard)).await.unwrap();
            behind.write_all(b"plain answer").await.unwrap();
            heard
        };
        let (answer, heard) = tokio::join!(asking, answering);
        assert_eq!((answer.as_str(), heard.as_str()), ("plain answer", "plain question"), "{protocol}");
        assert!(certificate.client(NAME).only("1.2").connect(gateway.addr).await.is_err());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_the_connection() {
    let gateway = serve("tcp", &nobody().to_string(), json!([]), "").await;
    let mut client = TcpStream::connect(gateway.addr).await.unwrap();
    let mut got = Vec::new();
    let _ = soon(client.read_to_end(&mut got)).await;
    assert!(got.is_empty());
    assert_eq!(gateway.log_lines(1).await[0]["outcome"], "exhausted");
    let said = |line: &str| line.contains("could not be passed on").then_some(());
    gateway.err.find("why", said).await;
}

#[tokio::test]
async fn connections_are_waited_for_at_the_end() {
    let server = Server::start().await;
    let mut gateway = serve("tcp", &server.url(), json!([]), "").await;
    let mut client = TcpStream::connect(gateway.addr).await.unwrap();
    client.write_all(b"one").await.unwrap();
    let mut behind = server.accept().await;
    let mut heard = [0; 3];
    soon(behind.read_exact(&mut heard)).await.unwrap();
    gateway.signal("TERM").await;
    gateway.err.find("it stops", |line| line.contains("accepting nothing new").then_some(())).await;
    client.write_all(b"two").await.unwrap();
    soon(behind.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"two");
    behind.write_all(b"end").await.unwrap();
    drop(behind);
    let mut got = Vec::new();
    soon(client.read_to_end(&mut got)).await.unwrap();
    drop(client);
    assert_eq!((got.as_slice(), gateway.ended().await), (&b"end"[..], Some(0)));
}

#[tokio::test]
async fn what_cannot_be_is_refused_at_the_start() {
    let own = "tls: {cert: cert.pem, key: key.pem}";
    let request = json!({"on_tcp_connect": [], "on_http_request": [{"type": "deny"}]});
    let terminate = json!({"on_tcp_connect": [{"type": "terminate-tls"}]});
    let nothing = json!({"on_tcp_connect": []});
    for (protocol, more, policy, said) in [
        ("udp", "", &nothing, "`endpoints[0].protocol`"),
        ("http", own, &nothing, "protocol `http` has no use for a certificate"),
        ("https", "upstream: 1", &nothing, "the endpoint has no certificate"),
        ("tcp", "", &nothing, "protocol `tcp` passes connections on, and there is nowhere to pass them to"),
        ("tls", "upstream: 'http://x.test'", &nothing, "the scheme must be tcp"),
        (
            "tcp",
            "upstream: 'x.test:1'",
            &request,
            "`on_http_request` cannot run on an endpoint of protocol `tcp`",
        ),
        ("http", "upstream: 1", &terminate, "`terminate-tls` cannot run on an endpoint of protocol `http`"),
        ("tls", "upstream: 1", &terminate, "there is no certificate to show"),
    ] {
        let builder = Gateway::builder(&policy.to_string());
        let config = format!(
            "endpoints:\n  - listen: 127.0.0.1:0\n    protocol: {protocol}\n    {more}\n    traffic_policy_file: policy.yml\n"
        );
        let certificate = Certificate::new(NAME);
        builder.file("cert.pem", &certificate.cert_pem);
        builder.file("key.pem", &certificate.key_pem);
        let exit = builder.config(&config).try_start().await.err().expect(said);
        assert!(exit.code == Some(1) && exit.stderr.contains(said), "{said}: {exit:?}");
    }
}

#[tokio::test]
async fn a_changed_policy_must_fit_the_endpoint_too() {
    let server = Server::start().await;
    let gateway = serve("tcp", &server.url(), json!([]), "").await;
    std::fs::write(&gateway.policy, "on_http_request:\n  - type: deny\n").unwrap();
    let refused = |line: &str| line.contains("cannot run on an endpoint").then_some(());
    gateway.err.find("the policy is refused", refused).await;
    let mut client = TcpStream::connect(gateway.addr).await.unwrap();
    client.write_all(b"x").await.unwrap();
    let mut heard = [0];
    soon(server.accept().await.read_exact(&mut heard)).await.unwrap();
}

/// A gateway with one endpoint of a protocol, and internal ones beside it.
async fn with_internal(protocol: &str, connect: Value, internal: Value) -> Gateway {
    let first =
        json!({"listen": "127.0.0.1:0", "protocol": protocol, "traffic_policy": {"on_tcp_connect": connect}});
    let mut endpoints = vec![first];
    endpoints.extend(internal.as_array().unwrap().iter().cloned());
    Gateway::builder("{}").config(&json!({"endpoints": endpoints}).to_string()).start().await
}

fn onward(url: &str, on_error: &str) -> Value {
    json!({"type": "forward-internal", "config": {"url": url, "on_error": on_error}})
}

#[tokio::test]
async fn a_connection_is_forwarded_to_the_first_endpoint_that_can_be_reached() {
    let (server, gone) = (Server::start().await, nobody());
    let gateway = with_internal(
        "tcp",
        json!([
            onward("tcp://unknown.internal:1", "continue"),
            onward("tcp://gone.internal:1", "continue"),
            {"type": "log", "config": {"metadata": {"code": "${actions.ngrok.forward_internal.error.code}"}}},
            onward("tcp://db.internal:5432", "halt"),
        ]),
        json!([
            {"url": "tcp://gone.internal:1", "upstream": format!("tcp://{gone}")},
            {"name": "db", "url": "tcp://db.internal:5432", "upstreams": [format!("tcp://{gone}"), server.url()],
             "traffic_policy": {"on_tcp_connect": [
                {"type": "restrict-ips", "config": {"allow": ["127.0.0.0/8"]}},
                {"type": "log", "config": {"metadata": {"inner": "${endpoint.url}"}}},
            ]}},
        ]),
    )
    .await;
    let mut client = TcpStream::connect(gateway.addr).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    client.shutdown().await.unwrap();
    let mut behind = server.accept().await;
    let mut heard = String::new();
    soon(behind.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "hello");
    behind.write_all(b"back").await.unwrap();
    drop(behind);
    let mut got = String::new();
    soon(client.read_to_string(&mut got)).await.unwrap();
    assert_eq!(got, "back");
    let line = gateway.log_lines(1).await.remove(0);
    assert_eq!(line["upstream"], json!(server.url().trim_start_matches("tcp://")), "{line}");
    let logs = line.to_string();
    assert!(logs.contains("ERR_NGROK_3006") && logs.contains("tcp://db.internal:5432"), "{logs}");
}

#[tokio::test]
async fn a_connection_that_cannot_be_forwarded_is_closed() {
    let gateway = with_internal(
        "tcp",
        json!([onward("tcp://loop.internal:1", "halt")]),
        json!([{"url": "tcp://loop.internal:1", "traffic_policy": {"on_tcp_connect": [onward("tcp://loop.internal:1", "halt")]}}]),
    )
    .await;
    let mut client = TcpStream::connect(gateway.addr).await.unwrap();
    let mut got = Vec::new();
    let _ = soon(client.read_to_end(&mut got)).await;
    assert!(got.is_empty());
    gateway.err.find("a warning", |line| line.contains("forwarded 5 times").then_some(())).await;
}

#[tokio::test]
async fn the_name_that_a_client_asks_for_chooses_the_server() {
    let (one, two) = (Server::start().await, Server::start().await);
    let gateway = with_internal(
        "tls",
        json!([onward("tls://${conn.tls.sni.split('.')[0]}.internal", "halt")]),
        json!([
            {"url": "tls://one.internal", "upstream": one.url()},
            {"url": "tls://two.internal", "upstream": two.url()},
        ]),
    )
    .await;
    for (name, server) in [("one.example", &one), ("two.example", &two)] {
        let client = tokio::spawn({
            let addr = gateway.addr;
            let name = name.to_owned();
            async move { hello(addr, &name).await }
        });
        let mut behind = server.accept().await;
        let mut head = [0; 5];
        soon(behind.read_exact(&mut head)).await.unwrap();
        assert_eq!(head[0], 22, "the client's hello, as it came");
        drop(behind);
        let _ = client.await;
    }
}

/// Begins a handshake under a name.
async fn hello(addr: std::net::SocketAddr, name: &str) {
    let stream = TcpStream::connect(addr).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty());
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config.with_no_client_auth()));
    let _ = connector.connect(name, stream).await;
}

#[tokio::test]
async fn endpoints_that_do_not_fit_are_refused() {
    for (protocol, connect, internal, said) in [
        ("http", json!([onward("tcp://a.internal:1", "halt")]), json!([]), "cannot be forwarded as it is"),
        ("tcp", json!([]), json!([]), "there is nowhere to pass them to"),
        ("tcp", json!([onward("https://a.internal", "halt")]), json!([]), "tcp and tls endpoints only"),
    ] {
        let first = json!({"listen": "127.0.0.1:0", "protocol": protocol, "traffic_policy": {"on_tcp_connect": connect}});
        let mut endpoints = vec![first];
        endpoints.extend(internal.as_array().unwrap().iter().cloned());
        let config = json!({"endpoints": endpoints}).to_string();
        match Gateway::builder("{}").config(&config).try_start().await {
            Ok(_) => panic!("it started: {config}"),
            Err(exit) => assert!(exit.stderr.contains(said), "{config}: {}", exit.stderr),
        }
    }
}
