//! Writing to the terminal. A reader that left (`tollgate schema | head`) is no reason to fail.

use std::io::Write;

/// Text on standard output, as it is.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads any more: nothing is left to tell them.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line on standard output.
pub(crate) fn say(line: &str) {
    print(&format!("{line}\n"));
}

/// Text on standard error, with one line end.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// `1 file`, `2 files`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
