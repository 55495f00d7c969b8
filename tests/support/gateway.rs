//! The binary as a process: started with a policy, watched, stopped.

use super::http::{Answer, Ask, Reply, get};
use super::policy::{ANTHROPIC_KEY, OPENAI_KEY, OPENROUTER_KEY};
use super::soon;
use super::tls::Certificate;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// A running gateway. Dropping it kills the process.
pub(crate) struct Gateway {
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The policy's revision as printed at the start.
    pub(crate) revision: String,
    /// The policy's file.
    pub(crate) policy: PathBuf,
    /// The folder that everything of this gateway is in.
    _dir: TempDir,
    pub(crate) out: Arc<Log>,
    pub(crate) err: Arc<Log>,
    child: Child,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// How to start a gateway.
pub(crate) struct Builder {
    dir: TempDir,
    policy: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    listen: bool,
    /// Whether a policy is named at all.
    named: bool,
    /// Another binary than the usual one.
    program: Option<PathBuf>,
    /// Where it listens, where its admin pages are.
    at: (String, String),
}

/// The lines a process writes.
pub(crate) struct Log {
    lines: Mutex<Vec<String>>,
    changed: watch::Sender<()>,
}

impl Gateway {
    /// Serves a policy on ports of the system's choice.
    pub(crate) async fn start(policy: &str) -> Self {
        Self::builder(policy).start().await
    }

    pub(crate) fn builder(policy: &str) -> Builder {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("policy.yml");
        std::fs::write(&file, policy).unwrap();
        Builder {
            dir,
            policy: file,
            args: Vec::new(),
            env: Vec::new(),
            listen: true,
            named: true,
            program: None,
            at: ("127.0.0.1:0".into(), "127.0.0.1:0".into()),
        }
    }

    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        soon(ask.send(self.addr)).await
    }

    pub(crate) async fn open(&self, ask: Ask) -> Reply {
        soon(ask.open(self.addr)).await
    }

    /// A page of the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        soon(get(path).send(self.admin)).await
    }

    pub(crate) async fn status(&self) -> Value {
        self.admin("/status").await.json()
    }

    /// The access log's line of a request.
    pub(crate) async fn log_line(&self, request_id: &str) -> Value {
        let needle = format!("\"request_id\":\"{request_id}\"");
        self.out
            .find(&needle, |line| line.contains(&needle).then(|| serde_json::from_str(line).unwrap()))
            .await
    }

    /// The access log's line of the request that was answered like this.
    pub(crate) async fn log_of(&self, answer: &Answer) -> Value {
        self.log_line(answer.header("x-tollgate-request-id")).await
    }

    /// Returns once the access log has so many lines.
    pub(crate) async fn log_lines(&self, count: usize) -> Vec<Value> {
        self.out
            .wait(&format!("{count} lines of the access log"), |lines| {
                let parsed: Vec<Value> =
                    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
                (parsed.len() >= count).then_some(parsed)
            })
            .await
    }

    /// Returns once no request is in flight.
    pub(crate) async fn wait_idle(&self) {
        soon(async { while self.status().await["in_flight"] != 0 {} }).await;
    }

    /// Sends a signal such as `HUP`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the gateway still runs");
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Returns once the process has ended.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        soon(self.child.wait()).await.unwrap().code()
    }

    /// The same, however long it takes.
    pub(crate) async fn wait_end(&mut self) -> Option<i32> {
        self.child.wait().await.unwrap().code()
    }

    /// Returns once a signal has ended the process: whether it left a core dump. `None`: it ended by itself.
    pub(crate) async fn ended_with_core(&mut self) -> Option<bool> {
        use std::os::unix::process::ExitStatusExt as _;
        let status = soon(self.child.wait()).await.unwrap();
        status.signal().map(|_| status.core_dumped())
    }

    /// Returns once the policy with another revision than `old` is live.
    pub(crate) async fn wait_reloaded(&self, old: &str) -> String {
        soon(async {
            loop {
                let now = self.status().await["revision"].as_str().unwrap_or("").to_owned();
                if now != old {
                    return now;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// The number of entries of a folder of `/proc/PID`: `fd`, `task`.
    pub(crate) fn count(&self, folder: &str) -> usize {
        let id = self.child.id().expect("the gateway still runs");
        std::fs::read_dir(format!("/proc/{id}/{folder}")).unwrap().count()
    }

    /// Whether the process still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// A file of `/proc/PID`.
    pub(crate) fn proc(&self, name: &str) -> String {
        let id = self.child.id().expect("the gateway still runs");
        std::fs::read_to_string(format!("/proc/{id}/{name}")).unwrap()
    }

    /// A value of `/proc/PID/status` in KiB, such as `VmHWM`.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let text = self.proc("status");
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Returns once the operational log has a line with these words; it is written by a thread of its own.
    pub(crate) async fn says(&self, words: &str) {
        self.err.find(words, |line| line.contains(words).then_some(())).await;
    }

    /// Everything it has written, for a search for what must not be in it.
    pub(crate) fn written(&self) -> String {
        format!("{}\n{}", self.out.text(), self.err.text())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // A panic ends one request only, so a test might not notice it otherwise.
        if !std::thread::panicking() {
            assert!(!self.err.text().contains("panicked at"), "{}", self.err.text());
        }
    }
}

impl Builder {
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args(self, args: &[&str]) -> Self {
        args.iter().fold(self, |builder, arg| builder.arg(arg))
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Trusts these authorities instead of a made-up one.
    pub(crate) fn trust(self, pem: &str) -> Self {
        let file = self.file("trusted.pem", pem);
        self.env("SSL_CERT_FILE", file.to_str().unwrap())
    }

    /// A configuration file in place of the policy argument. `DIR` in it becomes the gateway's folder.
    pub(crate) fn config(mut self, yaml: &str) -> Self {
        let text = yaml.replace("DIR", self.dir.path().to_str().unwrap());
        let file = self.file("tollgate.yml", &text);
        self.listen = !text.contains("endpoints");
        self.args(&["--config", file.to_str().unwrap()])
    }

    /// Writes a file into the gateway's folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The gateway's folder.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Serves another file than the one written at the beginning.
    pub(crate) fn policy_at(mut self, path: PathBuf) -> Self {
        self.policy = path;
        self
    }

    /// Runs another binary than the one the tests were built with.
    pub(crate) fn program(mut self, path: PathBuf) -> Self {
        self.program = Some(path);
        self
    }

    /// Listens on addresses of the test's choice: for clients, and for the admin pages.
    pub(crate) fn at(mut self, addr: SocketAddr, admin: SocketAddr) -> Self {
        self.at = (addr.to_string(), admin.to_string());
        self
    }

    /// Names no policy.
    pub(crate) fn without_policy(mut self) -> Self {
        self.named = false;
        self
    }

    pub(crate) async fn start(self) -> Gateway {
        match self.try_start().await {
            Ok(gateway) => gateway,
            Err(exit) => panic!("the gateway did not start: {exit:#?}"),
        }
    }

    /// Starts it, or tells how it ended instead.
    pub(crate) async fn try_start(self) -> Result<Gateway, Exit> {
        let mut command = self.program.as_deref().map_or_else(command, command_of);
        command.arg("run");
        if self.listen {
            command.args(self.named.then_some(&self.policy)).args(["--listen", &self.at.0]);
        }
        command.args(["--admin", &self.at.1, "--log-format", "json", "--threads", "2"]);
        command.args(&self.args).envs(self.env.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let mut child = command.current_dir(self.dir.path()).spawn().unwrap();
        let out = Log::follow(child.stdout.take().unwrap());
        let err = Log::follow(child.stderr.take().unwrap());
        let announced = tokio::select! {
            announced = soon(out.wait("the three lines of the start", announced)) => announced,
            status = child.wait() => {
                let code = status.unwrap().code();
                // The pipes may still hold what was written last.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                return Err(Exit { code, stdout: out.text(), stderr: err.text() });
            }
        };
        let (addr, admin, revision) = announced;
        Ok(Gateway { addr, admin, revision, policy: self.policy, _dir: self.dir, out, err, child })
    }
}

/// Where it listens, where the admin pages are, and which policy is live.
fn announced(lines: &[String]) -> Option<(SocketAddr, SocketAddr, String)> {
    let address = |line: &str| line.split("://").nth(1)?.split([' ', '/', ',']).next()?.parse().ok();
    let listen = lines.iter().find_map(|l| address(l.strip_prefix("listening on ")?))?;
    let admin = lines.iter().find_map(|l| address(l.strip_prefix("admin on ")?))?;
    let revision =
        lines.iter().find_map(|l| l.split_once(", revision ").map(|(_, r)| r.trim().to_owned()))?;
    Some((listen, admin, revision))
}

/// The binary with nothing of this process's environment but the keys the tests know.
pub(crate) fn command() -> Command {
    command_of(Path::new(env!("CARGO_BIN_EXE_tollgate")))
}

/// The same with another binary.
fn command_of(program: &Path) -> Command {
    static TRUSTED: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, trusted) = TRUSTED.get_or_init(|| {
        // So that the tests do not depend on the machine's certificates.
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nobody.pem");
        std::fs::write(&file, Certificate::new("nobody.invalid").cert_pem).unwrap();
        (dir, file)
    });
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("SSL_CERT_FILE", trusted).env("HOME", "/nonexistent");
    // Tests count what providers are asked.
    command.env("TOLLGATE_MODEL_LISTS", "embedded").env("TOLLGATE_LATE_COSTS", "false");
    command.env("ANTHROPIC_API_KEY", ANTHROPIC_KEY).env("OPENAI_API_KEY", OPENAI_KEY);
    command.env("OPENROUTER_API_KEY", OPENROUTER_KEY);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command of the binary to its end.
pub(crate) async fn run(args: &[&str]) -> Exit {
    run_with(args, &[]).await
}

/// The same with variables of the environment.
pub(crate) async fn run_with(args: &[&str], env: &[(&str, &str)]) -> Exit {
    let output = soon(command().args(args).envs(env.iter().copied()).output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Exit { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Log {
    fn follow(pipe: impl AsyncRead + Unpin + Send + 'static) -> Arc<Self> {
        let log = Arc::new(Self { lines: Mutex::default(), changed: watch::Sender::new(()) });
        let writer = Arc::clone(&log);
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                writer.lines.lock().unwrap().push(line);
                writer.changed.send_replace(());
            }
        });
        log
    }

    pub(crate) fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Returns what `look` finds in a line, once there is such a line.
    pub(crate) async fn find<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        self.wait(what, |lines| lines.iter().find_map(|line| look(line))).await
    }

    /// Returns what `look` finds in all lines, once there is something.
    pub(crate) async fn wait<T>(&self, what: &str, look: impl Fn(&[String]) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = look(&self.lines.lock().unwrap()) {
                    return found;
                }
                let _ = changes.changed().await;
            }
        };
        match tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await {
            Ok(found) => found,
            Err(_) => panic!("never came: {what}\n--- written so far:\n{}", self.text()),
        }
    }
}
