//! The access log: one line a request, written by a thread of its own.

mod escape;
mod line;
mod record;

#[cfg(test)]
mod tests;

pub use record::{AccessRecord, ConnectionRecord, Outcome, PassedBytes};

use crate::lines::{Lines, LinesOptions, Told};
use crate::traces::Traces;
use prometheus_client::metrics::counter::Counter;
use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How lines are written, here and in the operational log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value`, quoted where needed (logfmt).
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Limits of the queue between requests and the writer.
#[derive(Clone, Debug)]
pub struct AccessLogOptions {
    /// How lines are written.
    pub format: LogFormat,
    /// Lines that may wait; more are dropped and counted.
    pub queue_lines: usize,
    /// Bytes that may wait; more are dropped and counted. Policy `log` entries can make lines long.
    pub queue_bytes: usize,
    /// Counts dropped lines (`Metrics::access_log_dropped`, cloned).
    pub dropped: Counter,
    /// Where the traces of requests go that are over.
    pub traces: Traces,
}

impl Default for AccessLogOptions {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            queue_lines: 8192,
            queue_bytes: 8 * 1024 * 1024, // 8 MiB
            dropped: Counter::default(),
            traces: Traces::default(),
        }
    }
}

/// The access log. Cheap to share behind an `Arc`; dropping it writes what waits and ends the thread, if that can be
/// done in two seconds.
#[derive(Debug)]
pub struct AccessLog {
    format: LogFormat,
    lines: Lines,
    dropped: Counter,
    traces: Traces,
}

/// Buffers longer than this are given back after a line, so that one huge line does not stay in memory for ever.
const KEEP_BUFFER: usize = 16 * 1024; // 16 KiB

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl AccessLog {
    /// Starts the writer thread.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn new(sink: Box<dyn Write + Send>, options: AccessLogOptions) -> std::io::Result<Self> {
        let lines = Lines::new(
            sink,
            LinesOptions {
                name: "access-log",
                queue_lines: options.queue_lines,
                queue_bytes: options.queue_bytes,
                dropped: options.dropped.clone(),
                tell,
            },
        )?;
        Ok(Self { format: options.format, lines, dropped: options.dropped, traces: options.traces })
    }

    /// An access log on standard output.
    ///
    /// # Errors
    ///
    /// As [`AccessLog::new`]; standard output cannot be used.
    pub fn stdout(options: AccessLogOptions) -> std::io::Result<Self> {
        // Not through Rust's own buffer, which would keep half a line of what a full disk refuses.
        let stdout = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
        Self::new(Box::new(stdout), options)
    }

    /// Where the traces of requests go that are over.
    #[must_use]
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Hands one line to the writer. Never waits: when the queue is full the line is dropped and counted.
    pub fn write(&self, record: &AccessRecord<'_>) {
        self.line(|line| match self.format {
            LogFormat::Text => line::text(line, record),
            LogFormat::Json => line::json(line, record),
        });
    }

    /// The same for a connection.
    pub fn write_connection(&self, record: &ConnectionRecord<'_>) {
        self.line(|line| match self.format {
            LogFormat::Text => line::connection_text(line, record),
            LogFormat::Json => line::connection_json(line, record),
        });
    }

    fn line(&self, write: impl FnOnce(&mut String)) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            write(line);
            line.push('\n');
            self.lines.push(line.as_bytes());
            if line.capacity() > KEEP_BUFFER {
                *line = String::new();
            }
        });
    }

    /// Lines dropped so far: the queue was full, or the sink refused them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Waits until everything handed over before this call is written and flushed, and what is left of the traces is
    /// sent; `false` when the lines take more than `within`, because nobody reads the other end. For shutdown: it
    /// blocks, and traces of later requests are lost.
    pub fn flush(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let written = self.lines.flush(within);
        self.traces.stop(deadline.saturating_duration_since(Instant::now()));
        written
    }
}

/// Says in the operational log what happens to the access log.
fn tell(told: Told) {
    const COUNTED: &str = "tollgate_access_log_dropped_lines_total counts what is lost";
    match told {
        Told::Failed(why) => {
            tracing::error!("the access log cannot be written: {why}; requests are served, {COUNTED}");
        }
        Told::Behind => {
            tracing::error!(
                "the access log is not read as fast as it is written; requests are served, {COUNTED}"
            );
        }
        Told::Resumed { lost } => tracing::warn!(lost, "the access log is written again"),
    }
}
