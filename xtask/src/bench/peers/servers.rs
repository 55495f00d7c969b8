//! The other gateways: installed from what is pinned, configured as their documentation recommends for production, and
//! with the same job as Tollgate has: two providers, of which the second is for when the first fails.

use crate::bench::client::Asks;
use crate::bench::machine::pinned;
use crate::bench::process::{Process, free_address};
use crate::bench::servers::Target;
use crate::failure::{Result, said};
use crate::install;
use crate::workspace::{cache, root};
use serde_json::{Value as Json, json};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// LiteLLM wants its master key to begin so.
const MASTER_KEY: &str = "sk-bench-token";

/// What is installed.
pub(crate) struct Peers {
    folder: PathBuf,
    python: PathBuf,
}

impl Peers {
    /// Installs both into `.cache/peers`, unless what is there is what is pinned.
    pub(crate) fn install() -> Result<Self> {
        let folder = cache("peers")?;
        let pinned = root().join("xtask/peers");
        println!("LiteLLM: {}", pinned.join("litellm/requirements.txt").display());
        let python = install::python(&folder.join("litellm"), &pinned.join("litellm/requirements.txt"))?;
        let portkey = folder.join("portkey");
        println!("Portkey: {}", pinned.join("portkey/package-lock.json").display());
        fs::create_dir_all(&portkey)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(pinned.join("portkey").join(file), portkey.join(file))?;
        }
        install::node(&portkey)?;
        Ok(Self { folder, python })
    }

    /// What was installed, for the report.
    pub(crate) fn versions(&self) -> Result<Vec<(&'static str, String)>> {
        let requirements = fs::read_to_string(root().join("xtask/peers/litellm/requirements.txt"))?;
        let litellm = requirements.lines().find_map(|line| line.strip_prefix("litellm=="));
        let package = self.portkey().join("package.json");
        let package: Json = serde_json::from_str(&fs::read_to_string(package)?)?;
        let portkey = package.get("version").and_then(Json::as_str).unwrap_or("unknown");
        let text = |command: &mut Command| {
            command.output().map_or_else(
                |_| "unknown".to_owned(),
                |out| String::from_utf8_lossy(&out.stdout).trim().to_owned(),
            )
        };
        Ok(vec![
            ("LiteLLM", litellm.unwrap_or("unknown").to_owned()),
            ("Portkey", portkey.to_owned()),
            ("python", text(Command::new(&self.python).arg("--version"))),
            ("node", text(Command::new("node").arg("--version"))),
        ])
    }

    fn portkey(&self) -> PathBuf {
        self.folder.join("portkey/node_modules/@portkey-ai/gateway")
    }

    /// LiteLLM's proxy: one worker for the one processor, no database, no log of requests, in its production mode.
    pub(crate) fn litellm(&self, upstream: SocketAddr) -> Result<Target> {
        let address = free_address()?;
        let folder = self.folder.join("litellm-run");
        fs::create_dir_all(&folder)?;
        let (config, log) = (folder.join("config.yaml"), folder.join("log.json"));
        fs::write(&config, litellm_config(upstream))?;
        fs::write(&log, serde_json::to_string_pretty(&litellm_log())?)?;
        let program = self.folder.join("litellm/bin/litellm");
        let mut command = pinned(&program.to_string_lossy());
        command.arg("--config").arg(&config).arg("--log_config").arg(&log);
        command.args(["--host", "127.0.0.1", "--port", &address.port().to_string(), "--num_workers", "1"]);
        for (name, value) in [
            ("LITELLM_MODE", "PRODUCTION"),
            ("LITELLM_LOG", "ERROR"),
            // Prices come with the package; it would fetch them from the network otherwise.
            ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
            ("NO_DOCS", "True"),
            ("DISABLE_ADMIN_UI", "True"),
        ] {
            command.env(name, value);
        }
        let headers = vec![("authorization".to_owned(), format!("Bearer {MASTER_KEY}"))];
        let asks = Asks { headers, model: r#""model":"gpt-4o-mini""#.to_owned() };
        start("LiteLLM", address, asks, &mut command, &folder)
    }

    /// Portkey's gateway: its own start script with Node, without its console.
    pub(crate) fn portkey_gateway(&self, upstream: SocketAddr) -> Result<Target> {
        let address = free_address()?;
        let mut command = pinned("node");
        command.arg(self.portkey().join("build/start-server.js"));
        command.args([&format!("--port={}", address.port()), "--headless"]).env("NODE_ENV", "production");
        let target = |path: &str, provider: &str| json!({"provider": provider, "api_key": format!("sk-bench-{provider}"), "custom_host": format!("http://{upstream}{path}")});
        let config = json!({
            "strategy": {"mode": "fallback"},
            "targets": [target("/v1", "openai"), target("/openrouter/api/v1", "openrouter")],
        });
        let headers = vec![("x-portkey-config".to_owned(), config.to_string())];
        let asks = Asks { headers, model: r#""model":"gpt-4o-mini""#.to_owned() };
        start("Portkey", address, asks, &mut command, &self.folder)
    }
}

fn start(
    name: &'static str,
    address: SocketAddr,
    asks: Asks,
    command: &mut Command,
    folder: &Path,
) -> Result<Target> {
    let log = folder.join(format!("{name}.log").to_lowercase());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
    let server = Process::start(command, address)
        .map_err(|why| said(format!("{why}\n{name} wrote {}", log.display())))?;
    Ok(Target { name, address, asks, server: Some(server) })
}

fn litellm_config(upstream: SocketAddr) -> String {
    format!(
        "model_list:\n\
         \x20 - model_name: gpt-4o-mini\n\
         \x20   litellm_params: {{model: openai/gpt-4o-mini, api_base: \"http://{upstream}/v1\", api_key: sk-bench-openai}}\n\
         \x20 - model_name: backup\n\
         \x20   litellm_params: {{model: openai/gpt-4o-mini, api_base: \"http://{upstream}/openrouter/api/v1\", api_key: sk-bench-openrouter}}\n\
         router_settings:\n\
         \x20 num_retries: 0\n\
         \x20 fallbacks: [{{gpt-4o-mini: [backup]}}]\n\
         litellm_settings: {{set_verbose: false, request_timeout: 600}}\n\
         general_settings: {{master_key: {MASTER_KEY}, disable_spend_logs: true}}\n"
    )
}

/// Python's logging: errors only, and no line for each request.
fn litellm_log() -> Json {
    json!({
        "version": 1,
        "disable_existing_loggers": false,
        "loggers": {
            "uvicorn": {"level": "ERROR"},
            "uvicorn.error": {"level": "ERROR"},
            "uvicorn.access": {"level": "CRITICAL", "propagate": false},
        },
    })
}
