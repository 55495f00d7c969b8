//! Addresses that nobody may be led to: of link-local networks and metadata services, whoever names them.

use crate::support::*;
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

/// A name and literals of metadata services, as a provider's base URL, an upstream of HTTP and one of bytes.
#[tokio::test]
async fn providers_and_upstreams_are_not_metadata_services() {
    for url in ["https://169.254.169.254/v1", "https://[fe80::1]/v1", "https://[::ffff:169.254.169.254]/v1"] {
        let policy = ai_gateway(json!({"providers": [custom("one", url, &["a-key-of-mine"])]}));
        let gateway = Gateway::start(&policy).await;
        let answer = gateway.send(post(CHAT, &names(&["one:m"]))).await;
        assert!(answer.status >= 500 && answer.text().contains("address"), "{url}: {}", answer.text());
        gateway.err.find("what to do", |line| line.contains("reserved_targets").then_some(())).await;
    }
    for url in ["http://169.254.169.254", "http://100.100.100.200", "http://[fd00:ec2::254]"] {
        let gateway = Gateway::builder("{}").args(&["--upstream", url]).start().await;
        let answer = gateway.send(get("/latest/meta-data/")).await;
        assert_eq!((answer.status, answer.code()), (502, "3006"), "{url}: {}", answer.text());
        gateway.err.find("what to do", |line| line.contains("reserved_targets").then_some(())).await;
    }
    let config =
        "endpoints:\n  - {listen: '127.0.0.1:0', protocol: tcp, upstream: 'tcp://169.254.169.254:80'}\n";
    let gateway = Gateway::builder("{}").config(config).start().await;
    let mut client = RawConnection::open(gateway.addr).await;
    client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(client.everything().await.is_empty());
    gateway.err.find("what to do", |line| line.contains("reserved_targets").then_some(())).await;
}

/// Servers of this machine are ordinary servers to who is named in a policy.
#[tokio::test]
async fn local_servers_go_on_being_called() {
    let echo = EchoServer::start().await;
    let gateway = Gateway::builder("{}").args(&["--upstream", &echo.url()]).start().await;
    assert_eq!(gateway.send(get("/x")).await.status, 200);
    let by_name = format!("http://localhost:{}", echo.addr.port());
    let gateway = Gateway::builder("{}").args(&["--upstream", &by_name]).start().await;
    assert_eq!(gateway.send(get("/x")).await.status, 200);
}

/// A server that a policy names cannot lead to the gateway's own pages, by a redirect to another port of its host.
#[tokio::test]
async fn a_redirect_does_not_lead_to_the_admin_page() {
    let site = RawUpstream::start("", Then::Close).await;
    let policy = json!({"on_http_request": [
        {"type": "http-request", "config": {"url": format!("{}/x", site.url()), "max_redirects": 3}},
        {"type": "custom-response", "config": {"body": "${actions.ngrok.http_request}"}},
    ]});
    let gateway = Gateway::start(&policy.to_string()).await;
    for own in [gateway.admin, gateway.addr] {
        let answer =
            format!("HTTP/1.1 302 Found\r\nlocation: http://{own}/status\r\ncontent-length: 0\r\n\r\n");
        site.set(answer, Then::Close);
        let result = gateway.send(get("/x")).await.json();
        assert_eq!(result["error"]["code"], "ERR_NGROK_3007", "{result}");
    }
}
