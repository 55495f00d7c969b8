//! Who runs on which processor, and what the machine is.

use crate::workspace::root;
use std::fs;
use std::process::{Command, Stdio};

/// The processor of the servers that are measured.
const SERVERS: &str = "0";
/// The processor of the load generator and of the provider.
const REST: &str = "1";

/// Puts this process on its processor; children inherit it. Without `taskset`, or with one processor, all share.
pub(crate) fn pin_load_generator() {
    if can_pin() {
        let own = std::process::id().to_string();
        let _ = Command::new("taskset").args(["-a", "-p", "-c", REST, &own]).stdout(Stdio::null()).status();
    }
}

/// A command on the servers' processor.
pub(crate) fn pinned(program: &str) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", SERVERS, program]);
    command
}

/// Whether servers and load have a processor each.
pub(crate) fn can_pin() -> bool {
    let there = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    processors() >= 2 && there.is_ok_and(|status| status.success())
}

/// Lines for the report.
pub(crate) fn describe() -> Vec<(&'static str, String)> {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    vec![
        ("processor", model.map_or("unknown", |(_, name)| name).to_owned()),
        ("processors", processors().to_string()),
        ("kernel", kernel.trim().to_owned()),
        ("nginx", first_line(Command::new(nginx()).arg("-v"))),
        ("rustc", first_line(Command::new("rustc").arg("-V"))),
        (
            "commit",
            first_line(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root())),
        ),
        (
            "pinned",
            if can_pin() { "servers on one processor, load and provider on another" } else { "no" }.into(),
        ),
    ]
}

/// Where nginx is: Debian keeps it off the PATH of people.
pub(crate) fn nginx() -> &'static str {
    if fs::exists("/usr/sbin/nginx").unwrap_or(false) { "/usr/sbin/nginx" } else { "nginx" }
}

/// Of all processors, not of those this process is pinned to by now.
fn processors() -> usize {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines().filter(|line| line.starts_with("processor")).count().max(1)
}

/// nginx writes its version to standard error, everyone else to standard output.
fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return "unknown".to_owned() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
}
