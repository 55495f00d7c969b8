//! The gateway under the soak test: three listeners, a policy that is reloaded, and what it says of itself.

use crate::bench::client::TOKEN;
use crate::bench::process::{Process, free_address};
use crate::failure::{Result, said};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    /// HTTP/1.1 and h2c, with the policy.
    pub(crate) plain: SocketAddr,
    /// The same with TLS.
    pub(crate) tls: SocketAddr,
    /// Passes everything to the echo.
    pub(crate) passing: SocketAddr,
    /// The certificate to trust, as DER.
    pub(crate) certificate: Vec<u8>,
    admin: SocketAddr,
    policy: PathBuf,
    text: String,
    reloads: u64,
}

impl Gateway {
    /// Starts it in `folder`.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        provider: SocketAddr,
        echo: SocketAddr,
    ) -> Result<Self> {
        let [plain, tls, passing, admin] =
            [free_address()?, free_address()?, free_address()?, free_address()?];
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.map_err(|why| said(why.to_string()))?;
        fs::write(folder.join("cert.pem"), made.cert.pem())?;
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
        let (policy, text) = (folder.join("policy.yml"), policy(provider));
        fs::write(&policy, &text)?;
        let config = folder.join("tollgate.yml");
        fs::write(
            &config,
            format!(
                "endpoints:\n  - {{name: plain, listen: \"{plain}\", traffic_policy_file: policy.yml}}\n  \
                 - {{name: tls, listen: \"{tls}\", traffic_policy_file: policy.yml, tls: {{cert: cert.pem, key: key.pem}}}}\n  \
                 - {{name: passing, listen: \"{passing}\", upstream: \"http://{echo}\"}}\n\
                 admin: {{listen: \"{admin}\"}}\nthreads: 1\n"
            ),
        )?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&config);
        command.env("TOLLGATE_SECRET__BENCH__TOKEN", TOKEN);
        let log = folder.join("tollgate.log");
        command.stdout(Stdio::null()).stderr(File::create(&log)?);
        let process = Process::start(&mut command, plain)
            .map_err(|why| said(format!("{why}\nits log is {}", log.display())))?;
        let certificate = made.cert.der().to_vec();
        Ok(Self { process, plain, tls, passing, certificate, admin, policy, text, reloads: 0 })
    }

    /// Writes the policy anew, with another comment.
    pub(crate) fn reload(&mut self) -> Result<()> {
        self.reloads += 1;
        // As editors and tools of configuration do it: a reader never sees half a file.
        let fresh = self.policy.with_extension("new");
        fs::write(&fresh, format!("# written {} times\n{}", self.reloads, self.text))?;
        Ok(fs::rename(fresh, &self.policy)?)
    }

    /// A metric without labels, or with exactly these.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let text = self.metrics()?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).ok_or_else(|| said(format!("/metrics has no {name}")))
    }

    fn metrics(&self) -> Result<String> {
        let mut tcp = TcpStream::connect(self.admin)?;
        tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
        let host = self.admin;
        write!(tcp, "GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        tcp.read_to_string(&mut text)?;
        Ok(text)
    }
}

/// Callers need the token; what a client names decides which provider it meets.
fn policy(upstream: SocketAddr) -> String {
    let provider = |id: &str, path: &str| {
        format!(
            "        - id: {id}\n          base_url: http://{upstream}/{path}/v1\n          api_keys: [{{value: sk-soak-{id}}}]\n          models: [{{id: m}}]\n"
        )
    };
    [
        "on_http_request:\n",
        "  - name: only callers with our token\n    expressions:\n",
        "      - \"req.headers['authorization'][0] != 'Bearer ' + secrets.get('bench', 'token')\"\n",
        "    actions: [{type: custom-response, config: {status_code: 401}}]\n",
        "  - type: ai-gateway\n    config:\n      providers:\n",
        &provider("good", "good"),
        &provider("failing", "fail"),
        &provider("refusing", "refuse"),
        &provider("cutting", "cut"),
        // What fails is to be asked each time.
        "      health: {enabled: false}\n",
        "on_http_response:\n  - actions: [{type: add-headers, config: {headers: {x-soak: \"${res.status_code}\"}}}]\n",
    ]
    .concat()
}
