//! The servers that are measured, and their configurations.

use super::client::{Asks, TOKEN};
use super::machine::{nginx as nginx_program, pinned};
use super::process::{Memory, Process, free_address};
use super::rules::false_rules;
use crate::failure::{Result, said};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The local provider, in a process of its own.
pub(crate) struct Upstream {
    /// Answers one fixed body at once; 503 below `/fail`.
    pub(crate) fast: SocketAddr,
    /// Answers with slow streams.
    pub(crate) slow: SocketAddr,
    /// Answers with slow and long ones.
    pub(crate) long: SocketAddr,
    _process: Process,
}

/// Something requests are sent to.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) asks: Asks,
    pub(crate) server: Option<Process>,
}

/// What the gateway is given to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Token guard, two providers, two strategies that read metrics.
    Metrics,
    /// The same, but the first provider always fails and strategies do not mind.
    FailsOver,
    /// The same as `Metrics`, with providers that stream slowly.
    Streams,
    /// The same with longer streams.
    LongStreams,
    /// The same as `Metrics`, behind 50 rules that do not apply.
    Rules50,
    /// The same, behind 100.
    Rules100,
}

impl Policy {
    /// What the gateway with it is called in the report.
    fn target(self) -> &'static str {
        match self {
            Self::Rules50 => "tollgate, 50 rules",
            Self::Rules100 => "tollgate, 100 rules",
            _ => "tollgate",
        }
    }

    fn rules(self) -> String {
        match self {
            Self::Rules50 => false_rules(50),
            Self::Rules100 => false_rules(100),
            _ => String::new(),
        }
    }
}

impl Target {
    /// A provider itself: what the load generator and the loopback cost.
    pub(crate) fn direct(address: SocketAddr) -> Self {
        Self { name: "provider alone", address, asks: Asks::ours(), server: None }
    }

    /// Processor time so far; zero for what is not measured.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.server.as_ref().map_or(Ok(Duration::ZERO), Process::cpu)
    }

    /// Memory in use.
    pub(crate) fn memory(&self) -> Result<Memory> {
        self.server.as_ref().map_or(Ok(Memory::default()), Process::memory)
    }
}

/// Starts the provider.
pub(crate) fn upstream() -> Result<Upstream> {
    let mut child = Command::new(std::env::current_exe()?).arg("upstream").stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or_else(|| said("the provider has no output"))?;
    let process = Process::running(child);
    let mut lines = BufReader::new(output).lines();
    let mut next = || -> Result<SocketAddr> {
        let line = lines.next().ok_or_else(|| said("the provider ended"))??;
        line.parse().map_err(|_| said(format!("the provider said {line}")))
    };
    Ok(Upstream { fast: next()?, slow: next()?, long: next()?, _process: process })
}

/// Starts nginx in front of `upstream`: one worker, no log, connections kept on both sides. It holds nothing back only
/// when told to, as for streams.
pub(crate) fn nginx(folder: &Path, upstream: SocketAddr, buffering: bool) -> Result<Target> {
    let address = free_address()?;
    let folder = folder.join("nginx");
    fs::create_dir_all(&folder)?;
    let file = folder.join("nginx.conf");
    fs::write(&file, nginx_conf(&folder, address, upstream, buffering))?;
    let mut command = pinned(nginx_program());
    command.args(["-e", "stderr", "-p"]).arg(&folder).arg("-c").arg(&file);
    let server = Some(Process::start(&mut command, address)?);
    Ok(Target { name: "nginx", address, asks: Asks::ours(), server })
}

/// The gateway to measure.
pub(crate) struct Gateway {
    /// The binary.
    pub(crate) program: PathBuf,
    /// For policies and the operational log.
    pub(crate) folder: PathBuf,
}

impl Gateway {
    /// Starts it with one worker thread. Its access log is on, and goes nowhere.
    pub(crate) fn start(&self, upstream: &Upstream, policy: Policy) -> Result<Target> {
        let (address, admin) = (free_address()?, free_address()?);
        let file = self.folder.join(format!("{policy:?}.yml").to_lowercase());
        fs::write(&file, policy_text(upstream, policy))?;
        let mut command = pinned(&self.program.to_string_lossy());
        command.arg("run").arg(&file).args(["--threads", "1", "--listen", &address.to_string()]);
        command.args(["--admin", &admin.to_string()]);
        command.env("TOLLGATE_SECRET__BENCH__TOKEN", TOKEN);
        command.env("TOLLGATE_SECRET__OPENAI__API_KEY", "sk-bench-openai");
        command.env("TOLLGATE_SECRET__OPENROUTER__API_KEY", "sk-bench-openrouter");
        command.stdout(Stdio::null()).stderr(File::create(self.folder.join("tollgate.log"))?);
        let server = Some(Process::start(&mut command, address)?);
        Ok(Target { name: policy.target(), address, asks: Asks::ours(), server })
    }
}

fn nginx_conf(folder: &Path, listen: SocketAddr, upstream: SocketAddr, buffering: bool) -> String {
    let folder = folder.display();
    let buffering = if buffering { "on" } else { "off" };
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String =
        kinds.iter().map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n")).collect();
    format!(
        "daemon off;\nworker_processes 1;\nworker_rlimit_nofile 16384;\npid {folder}/pid;\nerror_log stderr error;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\n    access_log off;\n    keepalive_requests 1000000000;\n    client_body_buffer_size 64k;\n    client_max_body_size 0;\n\
         {temporary}    upstream provider {{\n        server {upstream};\n        keepalive 64;\n        \
         keepalive_requests 1000000000;\n    }}\n\
         \x20   server {{\n        listen {listen};\n        location / {{\n            \
         proxy_pass http://provider;\n            proxy_http_version 1.1;\n            \
         proxy_set_header Connection \"\";\n            proxy_buffering {buffering};\n        }}\n    }}\n}}\n"
    )
}

fn policy_text(upstream: &Upstream, policy: Policy) -> String {
    let address = match policy {
        Policy::Streams => upstream.slow,
        Policy::LongStreams => upstream.long,
        _ => upstream.fast,
    };
    let failing = if policy == Policy::FailsOver { "/fail" } else { "" };
    let healthy =
        if policy == Policy::FailsOver { "" } else { " && m.metrics.global.error_rate.total < 0.5" };
    let strategy = |provider: &str| {
        format!("          - \"ai.models.filter(m, m.provider_id == '{provider}'{healthy})\"\n")
    };
    let provider = |id: &str, path: &str| {
        format!(
            "        - id: {id}\n          base_url: http://{address}{path}\n          api_keys:\n\
             \x20           - value: ${{secrets.get('{id}', 'api-key')}}\n"
        )
    };
    [
        "on_http_request:\n",
        &policy.rules(),
        "  - name: only callers with our token\n    expressions:\n",
        "      - \"req.headers['authorization'][0] != 'Bearer ' + secrets.get('bench', 'token')\"\n",
        "    actions:\n      - type: custom-response\n        config: {status_code: 401}\n",
        "  - type: ai-gateway\n    config:\n      providers:\n",
        &provider("openai", &format!("{failing}/v1")),
        &provider("openrouter", "/openrouter/api/v1"),
        // The first provider is to be asked each time, however often it has failed.
        if policy == Policy::FailsOver { "      health: {enabled: false}\n" } else { "" },
        "      model_selection:\n        strategy:\n",
        &strategy("openai"),
        &strategy("openrouter"),
    ]
    .concat()
}
