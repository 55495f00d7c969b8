//! What is going on, on standard error: a bar on a terminal, lines elsewhere.

use super::figures::Run;
use crate::output;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// How often the bar moves although nothing happened.
const TICK: Duration = Duration::from_millis(200);

/// Tells how far the requests are.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    all: usize,
    done: usize,
    under_way: Vec<String>,
}

impl Progress {
    /// For so many requests.
    pub(super) fn new(all: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(all));
        Self { bar, all, done: 0, under_way: Vec::new() }
    }

    /// A request is sent.
    pub(super) fn begin(&mut self, model: &str) {
        self.under_way.push(model.to_owned());
        self.show();
    }

    /// A request has ended.
    pub(super) fn end(&mut self, model: &str, run: &Run) {
        self.done += 1;
        if let Some(at) = self.under_way.iter().position(|name| name == model) {
            self.under_way.remove(at);
        }
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                self.show();
            }
            None => output::complain(&line(self.done, self.all, model, run)),
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(one_line(&self.under_way.join(", ")));
        }
    }
}

fn bar(all: usize) -> ProgressBar {
    let bar = ProgressBar::new(all as u64);
    // A wrong template would show the usual bar.
    if let Ok(style) = ProgressStyle::with_template("[{bar:24}] {pos}/{len}  {elapsed}  {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// `2/6 openai:gpt-4o: 1.3 s`
fn line(done: usize, all: usize, model: &str, run: &Run) -> String {
    let seconds = run.total.as_secs_f64();
    let how = match &run.error {
        // The rest of it stands in the table.
        Some(error) => format!("failed after {seconds:.1} s: {}", error.lines().next().unwrap_or("")),
        None => format!("{seconds:.1} s"),
    };
    format!("{done}/{all} {}", one_line(&format!("{model}: {how}")))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_request() {
        let run = Run { total: Duration::from_millis(1_250), ..Run::default() };
        assert_eq!(line(2, 6, "gpt-4o", &run), "2/6 gpt-4o: 1.2 s");
        let run = Run { error: Some("a\u{1b}b\nc".into()), ..run };
        assert_eq!(line(3, 6, "gpt-4o", &run), "3/6 gpt-4o: failed after 1.2 s: a b");
    }

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template("[{bar:24}] {pos}/{len}  {elapsed}  {wide_msg}").is_ok());
    }
}
