//! One step of a test run: a command whose output passes through while its passed tests are counted.

use crate::failure::Result;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a step ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// What was run, for the summary.
    pub(crate) name: String,
    /// The command succeeded, and at least one test passed.
    pub(crate) ok: bool,
    /// Tests that passed.
    pub(crate) passed: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Finds the number of passed tests in a line of a runner's output.
pub(crate) type Count = fn(&str) -> Option<u64>;

/// Runs a command that is one test as a whole: its status decides.
pub(crate) fn whole(name: &str, command: &mut Command, worth: u64) -> Result<Done> {
    println!("\n--- {name}");
    let started = Instant::now();
    let ok = command.status()?.success();
    Ok(Done { name: name.to_owned(), ok, passed: if ok { worth } else { 0 }, took: started.elapsed() })
}

/// Runs a command to its end. Standard error is not touched.
pub(crate) fn run(name: &str, command: &mut Command, count: Count) -> Result<Done> {
    println!("\n--- {name}");
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut passed = 0;
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        // Bytes, because a failing test may print anything.
        while output.read_until(b'\n', &mut line)? > 0 {
            std::io::stdout().write_all(&line)?;
            passed += count(String::from_utf8_lossy(&line).trim()).unwrap_or(0);
            line.clear();
        }
    }
    let status = child.wait()?;
    if status.success() && passed == 0 {
        println!("no test ran: that is a failure too");
    }
    Ok(Done { name: name.to_owned(), ok: status.success() && passed > 0, passed, took: started.elapsed() })
}

/// A step that could not even begin.
pub(crate) fn not_run(name: &str, why: &str) -> Done {
    println!("\n--- {name}\n{why}");
    Done { name: name.to_owned(), ok: false, passed: 0, took: Duration::ZERO }
}

/// `test result: ok. 12 passed; 0 failed; ...`
pub(crate) fn cargo_test(line: &str) -> Option<u64> {
    line.strip_prefix("test result:").and_then(|rest| before(rest, " passed"))
}

/// `12 passed in 3.40s`, among other counts and with or without `=` around it.
pub(crate) fn pytest(line: &str) -> Option<u64> {
    line.contains(" in ").then(|| before(line, " passed")).flatten()
}

/// `ℹ pass 12`
pub(crate) fn node_test(line: &str) -> Option<u64> {
    line.strip_prefix("ℹ pass ").and_then(|number| number.parse().ok())
}

/// `12 passed, 0 failed`
pub(crate) fn policy_test(line: &str) -> Option<u64> {
    let (passed, rest) = line.split_once(" passed")?;
    rest.contains(" failed").then(|| passed.parse().ok()).flatten()
}

/// The number that ends right before `mark`.
fn before(text: &str, mark: &str) -> Option<u64> {
    let (head, _) = text.split_once(mark)?;
    head.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_each_runner() {
        let cargo =
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(cargo_test(cargo), Some(12));
        assert_eq!(cargo_test("test a::b ... ok"), None);
        assert_eq!(pytest("23 passed in 4.12s"), Some(23));
        assert_eq!(pytest("==== 1 failed, 22 passed, 1 warning in 4.12s ===="), Some(22));
        assert_eq!(pytest("test_passed.py::x"), None);
        assert_eq!(node_test("ℹ pass 7"), Some(7));
        assert_eq!(node_test("ℹ fail 7"), None);
        assert_eq!(policy_test("14 passed, 0 failed"), Some(14));
        assert_eq!(policy_test("ok   policies/a.test.yml: 6 passed, 0 failed"), None, "the sum follows");
        assert_eq!(policy_test("what passed"), None);
    }

    #[test]
    fn a_step_without_tests_fails() {
        let mut nothing = Command::new("true");
        assert!(!run("nothing", &mut nothing, cargo_test).unwrap().ok);
        let mut some = Command::new("echo");
        some.arg("3 passed in 1s");
        let done = run("some", &mut some, pytest).unwrap();
        assert!(done.ok && done.passed == 3);
    }
}
