//! The access log: one line a request, written by a thread of its own.

mod escape;
mod line;
mod record;
mod writer;

#[cfg(test)]
mod tests;

pub use record::{AccessRecord, ConnectionRecord, Outcome, PassedBytes};

use crate::traces::Traces;
use prometheus_client::metrics::counter::Counter;
use std::cell::RefCell;
use std::io::Write;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use writer::{Message, Queue};

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
    sender: SyncSender<Message>,
    queue: Arc<Queue>,
    dropped: Counter,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
    traces: Traces,
}

/// How long dropping the log waits for its writer: a stuck pipe must not keep the process from ending.
const GOODBYE: Duration = Duration::from_secs(2);

/// How often a waiting shutdown looks again.
const POLL: Duration = Duration::from_millis(1);

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
        let (sender, receiver) = sync_channel(options.queue_lines.max(1));
        let queue = Arc::new(Queue::new(options.queue_bytes));
        let thread = writer::spawn(sink, receiver, Arc::clone(&queue), options.dropped.clone())?;
        Ok(Self {
            format: options.format,
            sender,
            queue,
            dropped: options.dropped,
            thread: std::sync::Mutex::new(Some(thread)),
            traces: options.traces,
        })
    }

    /// An access log on standard output.
    ///
    /// # Errors
    ///
    /// As [`AccessLog::new`].
    pub fn stdout(options: AccessLogOptions) -> std::io::Result<Self> {
        Self::new(Box::new(std::io::stdout()), options)
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
            self.push(line.as_bytes());
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
        let written = self.flush_lines(deadline);
        self.traces.stop(deadline.saturating_duration_since(Instant::now()));
        written
    }

    fn flush_lines(&self, deadline: Instant) -> bool {
        let (done, wait) = sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            self.queue.wake();
            match self.sender.try_send(message) {
                Ok(()) => break,
                // The writer is gone, and with it what it had.
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(_)) if Instant::now() >= deadline => return false,
                Err(TrySendError::Full(back)) => message = back,
            }
            std::thread::sleep(POLL);
        }
        self.queue.wake();
        wait.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
    }

    fn push(&self, line: &[u8]) {
        if !self.queue.reserve(line.len()) {
            self.dropped.inc();
            return;
        }
        match self.sender.try_send(Message::Line(line.into())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.queue.release(line.len());
                self.dropped.inc();
            }
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.queue.close();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let deadline = Instant::now() + GOODBYE;
        while !thread.is_finished() {
            if Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(POLL);
        }
        // A panic in the sink has been reported by the panic hook already.
        let _ = thread.join();
    }
}
