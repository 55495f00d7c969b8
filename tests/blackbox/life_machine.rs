//! A machine in trouble: nobody reads the logs, the disk is full, there are no file descriptors. Requests are served, and it
//! is said what is wrong.

use crate::support::*;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tollgate_mock::Script;

/// A gateway whose outputs are a test's business.
struct Bare {
    addr: SocketAddr,
    admin: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

/// Answers, and writes a long line to the access log where the path asks for it.
fn policy(base: &str) -> String {
    let long = "x".repeat(60_000);
    json!({"on_http_request": [
        {"expressions": ["req.url.path == '/long'"], "actions": [{"type": "log", "config": {"metadata": {"long": long}}}]},
        {"expressions": ["!req.url.path.startsWith('/v1')"], "actions": [
            {"type": "custom-response", "config": {"body": "here"}},
        ]},
        {"actions": [{"type": "ai-gateway", "config": {"providers": [custom("one", base, &[KEY_ONE])]}}]},
    ]})
    .to_string()
}

impl Bare {
    /// Starts it through a shell, with this before it and this behind it.
    async fn start(before: &str, behind: &str, outputs: impl FnOnce(&mut Command)) -> Self {
        Self::with("http://127.0.0.1:9/v1", before, behind, outputs).await
    }

    async fn with(base: &str, before: &str, behind: &str, outputs: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.yml"), policy(base)).unwrap();
        let (addr, admin) = (nobody(), nobody());
        let program = command();
        let program = program.as_std();
        let line = format!(
            "{before} exec {} run policy.yml --listen {addr} --admin {admin} --log-format json --threads 2 {behind}",
            program.get_program().to_str().unwrap()
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).env_clear().current_dir(folder.path()).kill_on_drop(true);
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        outputs(&mut shell);
        let child = shell.spawn().unwrap();
        let bare = Self { addr, admin, child, folder };
        soon(async {
            while TcpStream::connect(admin).await.is_err() || TcpStream::connect(addr).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        bare
    }

    async fn serves(&self, path: &str, times: usize) {
        for _ in 0..times {
            let answer = soon(get(path).send(self.addr)).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "here"));
        }
    }

    async fn metric(&self, name: &str) -> u64 {
        let metrics = soon(get("/metrics").send(self.admin)).await.text();
        metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).expect("the metric")
    }

    async fn dropped(&self) -> u64 {
        self.metric("tollgate_access_log_dropped_lines_total").await
    }

    /// Returns once so many lines were dropped.
    async fn wait_dropped(&self, count: u64) {
        soon(async {
            while self.dropped().await < count {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    async fn stops(mut self) {
        let id = self.child.id().unwrap();
        assert!(
            Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().await.unwrap().success()
        );
        assert_eq!(soon(self.child.wait()).await.unwrap().code(), Some(0));
    }

    fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().unwrap()
    }
}

/// The operational log, from here to a line with these words: how many lines have `once` in them.
async fn until(err: &mut BufReader<ChildStderr>, words: &str, once: &str) -> usize {
    let (mut count, mut line) = (0, String::new());
    soon(async {
        loop {
            line.clear();
            assert_ne!(err.read_line(&mut line).await.unwrap(), 0, "the log ended before `{words}`");
            count += usize::from(line.contains(once));
            if line.contains(words) {
                return count;
            }
        }
    })
    .await
}

const FAILED: &str = "the access log cannot be written";
const AGAIN: &str = "the access log is written again";

#[tokio::test]
async fn a_closed_pipe_costs_lines_and_nothing_else() {
    let mut bare = Bare::start("", "", |shell| {
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    })
    .await;
    drop(bare.stdout());
    let mut err = BufReader::new(bare.stderr());
    bare.serves("/", 20).await;
    bare.wait_dropped(20).await;
    assert_eq!(until(&mut err, FAILED, FAILED).await, 1);
    bare.serves("/", 5).await;
    bare.wait_dropped(25).await;
    bare.stops().await;
    let mut rest = String::new();
    soon(err.read_to_string(&mut rest)).await.unwrap();
    assert!(!rest.contains(FAILED) && !rest.contains("panicked"), "said once, not with every line: {rest}");
}

#[tokio::test]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    // Both logs on it: there is nobody to tell, and that is no reason to end.
    let bare = Bare::start("", "", |shell| {
        shell.stdout(full()).stderr(full());
    })
    .await;
    bare.serves("/", 20).await;
    bare.wait_dropped(20).await;
    bare.stops().await;
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_stops_no_request() {
    let mut bare = Bare::start("", "2>&1", |shell| {
        shell.stdout(Stdio::piped());
    })
    .await;
    // Both logs in one pipe of 64 KiB, and more than the queue of 8 MiB holds.
    let began = Instant::now();
    for _ in 0..20 {
        bare.serves("/long", 12).await;
    }
    bare.wait_dropped(1).await;
    // Each of these says something in the operational log, too.
    for _ in 0..20 {
        let answer = soon(post("/v1/chat/completions", &names(&["one:m"])).send(bare.addr)).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let lost = bare.dropped().await;
    // Somebody reads again.
    let mut out = BufReader::new(bare.stdout());
    let (mut line, mut lines) = (String::new(), 0);
    soon(async {
        loop {
            line.clear();
            assert_ne!(out.read_line(&mut line).await.unwrap(), 0);
            // Two logs in one pipe: long lines of the one may have lines of the other in them.
            lines += u64::from(line.contains("\"path\":\"/long\""));
            if line.contains(AGAIN) {
                break;
            }
        }
    })
    .await;
    assert!(lost > 0 && line.contains("\"lost\":"), "{lost}: {line}");
    assert!(lines > 0 && lines < 240, "{lines}");
    tokio::spawn(async move { tokio::io::copy(&mut out, &mut tokio::io::sink()).await });
    let before = bare.dropped().await;
    bare.serves("/", 5).await;
    assert_eq!(bare.dropped().await, before);
    bare.stops().await;
}

#[tokio::test]
async fn a_file_that_may_not_grow_has_whole_lines_and_is_written_again_when_it_may() {
    // Blocks of 512 bytes, or of 1024 in some shells.
    let mut bare = Bare::start("ulimit -f 8;", ">>access.log", |shell| {
        shell.stderr(Stdio::piped());
    })
    .await;
    let file = bare.folder.path().join("access.log");
    let mut err = BufReader::new(bare.stderr());
    let mut sent = 0;
    soon(async {
        while bare.dropped().await == 0 {
            bare.serves("/", 10).await;
            sent += 10;
        }
    })
    .await;
    assert_eq!(until(&mut err, FAILED, FAILED).await, 1);
    let written = lines(&file);
    assert!(!written.is_empty() && written.len() < sent);
    // What rotates logs empties the file.
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(0).unwrap();
    bare.serves("/", 3).await;
    soon(async { while std::fs::metadata(&file).unwrap().len() == 0 {} }).await;
    until(&mut err, AGAIN, AGAIN).await;
    let text = std::fs::read_to_string(&file).unwrap();
    // The first may be the rest of a line whose beginning was emptied away.
    assert!(text.lines().skip(1).all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
    assert!(text.lines().count() >= 3, "{text}");
    bare.stops().await;
}

/// The whole lines of requests in a file; the last may be half a line.
fn lines(file: &PathBuf) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let all = text.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.starts_with('{'));
    all.map(|line| {
        serde_json::from_str::<Value>(line).expect("a whole line");
        line.to_owned()
    })
    .collect()
}

#[tokio::test]
async fn closed_outputs_are_no_reason_to_end() {
    let bare = Bare::start("", ">&- 2>&-", |_| {}).await;
    bare.serves("/", 10).await;
    let answer = soon(post("/v1/chat/completions", &names(&["one:m"])).send(bare.addr)).await;
    assert_eq!(answer.status, 502);
    bare.stops().await;
}

/// Seconds of processor time that a process has used.
fn processor_time(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    // utime and stime, in hundredths (proc_pid_stat(5))
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[tokio::test]
async fn without_file_descriptors_open_connections_are_served_and_new_ones_wait() {
    let one = mock(Script::default()).await;
    let base = format!("{}/v1", one.url());
    let mut bare = Bare::with(&base, "ulimit -n 128;", "", |shell| {
        shell.stderr(Stdio::piped());
    })
    .await;
    let mut err = BufReader::new(bare.stderr());
    let mut open = RawConnection::open(bare.addr).await;
    assert!(open.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await);
    assert_eq!(open.answer().await.expect("an answer").status, 200);
    let mut crowd = Vec::new();
    for _ in 0..160 {
        crowd.push(TcpStream::connect(bare.addr).await.unwrap());
    }
    until(&mut err, "no file descriptor is left", "").await;
    // Who is in is served, but nobody can be asked for it; and that is no fault of the provider.
    assert!(open.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await);
    assert_eq!(open.answer().await.expect("an answer").status, 200);
    open.post("/v1/chat/completions", &names(&["one:m"])).await;
    let answer = open.answer().await.expect("an answer");
    let text = String::from_utf8(answer.body).unwrap();
    assert!(answer.status == 503 && text.contains("no file descriptor left"), "{}: {text}", answer.status);
    let id = bare.child.id().unwrap();
    let (before, began) = (processor_time(id), Instant::now());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let used = (processor_time(id) - before) / began.elapsed().as_secs_f64();
    assert!(used < 0.3, "it spins: {used}");
    // Some leave: those who wait are let in.
    drop(crowd);
    bare.serves("/", 3).await;
    let answer = soon(post("/v1/chat/completions", &names(&["one:m"])).send(bare.addr)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(bare.metric("tollgate_connections_not_opened_total").await, 1);
    assert!(bare.metric("tollgate_out_of_files_seconds_total").await >= 1);
    assert_eq!(bare.metric("process_max_fds").await, 128);
    let status = soon(get("/status").send(bare.admin)).await.json();
    let model = &status["providers"][0]["models"][0];
    assert_eq!((&model["request_count"], &model["fault_rate"]), (&json!(1), &json!(0.0)), "{status}");
    bare.stops().await;
}
