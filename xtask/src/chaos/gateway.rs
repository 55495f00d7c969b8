//! The gateway under test: started, counted, stopped.

use super::oracle::Clocks;
use super::plan::{Kind, PROVIDERS};
use crate::failure::{Result, said};
use serde_json::{Value as Json, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A running gateway. Dropping it ends it.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    child: Child,
    /// Lines of the access log.
    logged: Arc<AtomicU64>,
    /// Lines that must not be there: a key, a stray byte.
    bad_lines: Arc<AtomicU64>,
}

/// What a gateway holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// File descriptors that are sockets.
    pub(crate) sockets: u64,
    /// All file descriptors.
    pub(crate) files: u64,
    pub(crate) threads: u64,
    /// Resident memory in KiB.
    pub(crate) memory_kib: u64,
    pub(crate) in_flight: u64,
    pub(crate) buffered: u64,
}

impl Gateway {
    /// Starts it in front of these providers.
    pub(crate) fn start(
        binary: &Path,
        folder: &Path,
        urls: &[String],
        trust: &str,
        clocks: Clocks,
    ) -> Result<Self> {
        let (policy, trusted) = (folder.join("policy.yml"), folder.join("trusted.pem"));
        fs::write(&policy, policy_text(urls, clocks))?;
        fs::write(&trusted, trust)?;
        let mut command = Command::new(binary);
        command.arg("run").arg(&policy).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--threads", "2", "--log-format", "json"]).current_dir(folder);
        command.env("SSL_CERT_FILE", &trusted).env("TOLLGATE_MODEL_LISTS", "embedded");
        command.env("TOLLGATE_LATE_COSTS", "false").stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(fs::File::create(folder.join("gateway.log"))?);
        let mut child = command.spawn().map_err(|why| said(format!("{}: {why}", binary.display())))?;
        let output = child.stdout.take().ok_or_else(|| said("the gateway has no output"))?;
        let (logged, bad_lines) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (addresses, announced) = mpsc::channel();
        let counters = (Arc::clone(&logged), Arc::clone(&bad_lines));
        std::thread::spawn(move || follow(output, &addresses, &counters));
        let next = || {
            announced
                .recv_timeout(Duration::from_secs(30))
                .map_err(|_| said("the gateway does not start; see gateway.log"))
        };
        let (address, admin) = (next()?, next()?);
        Ok(Self { address, admin, child, logged, bad_lines })
    }

    /// Lines of the access log so far.
    pub(crate) fn logged(&self) -> u64 {
        self.logged.load(Ordering::SeqCst)
    }

    /// Lines with something that no log may hold.
    pub(crate) fn bad_lines(&self) -> u64 {
        self.bad_lines.load(Ordering::SeqCst)
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it holds now.
    pub(crate) async fn held(&self) -> Result<Held> {
        let metrics = self.page("/metrics").await?;
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.trim().parse::<f64>().ok())
                .map_or(0, |value| value.max(0.0).round() as u64)
        };
        let own = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{own}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let mut held = Held {
            threads: field("Threads:"),
            memory_kib: field("VmRSS:"),
            in_flight: value("tollgate_requests_in_flight"),
            buffered: value("tollgate_buffered_body_bytes"),
            ..Held::default()
        };
        for file in fs::read_dir(format!("{own}/fd"))?.flatten() {
            held.files += 1;
            let target = fs::read_link(file.path()).unwrap_or_default();
            held.sockets += u64::from(target.to_string_lossy().starts_with("socket:"));
        }
        Ok(held)
    }

    async fn page(&self, path: &str) -> Result<String> {
        let mut tcp = TcpStream::connect(self.admin).await?;
        tcp.write_all(
            format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").as_bytes(),
        )
        .await?;
        let mut text = Vec::new();
        tcp.read_to_end(&mut text).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(
    output: impl std::io::Read,
    addresses: &mpsc::Sender<SocketAddr>,
    counters: &(Arc<AtomicU64>, Arc<AtomicU64>),
) {
    for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
        if line.starts_with("listening on ") || line.starts_with("admin on ") {
            let address =
                line.split("://").nth(1).and_then(|rest| rest.split([' ', '/', ',']).next()?.parse().ok());
            if let Some(address) = address {
                let _ = addresses.send(address);
            }
        }
        if line.starts_with('{') && line.contains("\"request_id\"") {
            counters.0.fetch_add(1, Ordering::SeqCst);
        }
        if line.contains("chaos-key-") || line.contains("STRAY-BYTES") {
            counters.1.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// One `ai-gateway` with all providers, and short clocks.
fn policy_text(urls: &[String], clocks: Clocks) -> String {
    let provider = |((id, kind), url): (&(&str, Kind), &String)| {
        let surfaces = match kind {
            Kind::ChatOnly => json!([{"format": "openai", "surface": "chat-completions"}]),
            _ => json!([{"format": "openai"}, {"format": "anthropic"}]),
        };
        json!({"id": id, "base_url": format!("{url}/v1"), "api_keys": [{"value": format!("chaos-key-{id}")}],
            "supported_api_surfaces": surfaces})
    };
    let providers: Vec<Json> = PROVIDERS.iter().zip(urls).map(provider).collect();
    let attempt = format!("{}ms", clocks.attempt.as_millis());
    let total = format!("{}ms", clocks.total.as_millis());
    let config = json!({"providers": providers, "only_allow_configured_providers": true,
        "per_request_timeout": attempt, "connect_timeout": attempt, "stream_idle_timeout": attempt,
        "total_timeout": total,
        // Whom a request asks first must follow from its plan, not from the faults of others before it.
        "health": {"enabled": false}});
    json!({"on_http_request": [{"type": "ai-gateway", "config": config}]}).to_string()
}
