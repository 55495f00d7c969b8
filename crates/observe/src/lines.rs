//! Lines for the outside world, written by a thread of their own: whoever has something to say never waits for a full
//! disk or for a pipe that nobody reads.

mod writer;

use prometheus_client::metrics::counter::Counter;
use std::io::Write;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use writer::{Message, Queue};

/// How long dropping waits for the writer: a stuck pipe must not keep the process from ending.
const GOODBYE: Duration = Duration::from_secs(2);

/// How often a waiting shutdown looks again.
const POLL: Duration = Duration::from_millis(1);

/// Limits of the queue between those who write lines and the writer.
#[derive(Clone, Debug)]
pub(crate) struct LinesOptions {
    /// The writer's thread.
    pub(crate) name: &'static str,
    /// Lines that may wait; more are dropped and counted.
    pub(crate) queue_lines: usize,
    /// Bytes that may wait.
    pub(crate) queue_bytes: usize,
    /// Counts dropped lines.
    pub(crate) dropped: Counter,
    /// Says what happens to the lines. Called from any thread, once for each change.
    pub(crate) tell: fn(Told),
}

/// What happens to lines.
#[derive(Debug)]
pub(crate) enum Told {
    /// They are refused, from now on.
    Failed(std::io::Error),
    /// They are not taken as fast as they come, from now on.
    Behind,
    /// They are written again.
    Resumed {
        /// How many were lost.
        lost: u64,
    },
}

/// The queue and its writer. Dropping it writes what waits, if that can be done in two seconds.
#[derive(Debug)]
pub(crate) struct Lines {
    sender: SyncSender<Message>,
    queue: Arc<Queue>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Lines {
    /// Starts the writer thread.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn new(sink: Box<dyn Write + Send>, options: LinesOptions) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(options.queue_lines.max(1));
        let queue = Arc::new(Queue::new(options.queue_bytes, options.dropped, options.tell));
        let thread = writer::spawn(options.name, sink, receiver, Arc::clone(&queue))?;
        Ok(Self { sender, queue, thread: std::sync::Mutex::new(Some(thread)) })
    }

    /// Hands one line over, with its end. Never waits: when the queue is full the line is dropped and counted.
    pub(crate) fn push(&self, line: &[u8]) {
        if !self.queue.reserve(line.len()) {
            self.queue.full();
            return;
        }
        match self.sender.try_send(Message::Line(line.into())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.queue.release(line.len());
                self.queue.full();
            }
        }
    }

    /// Waits until everything handed over before this call is written and flushed; `false` when that takes more
    /// than `within`, because nobody reads the other end. For shutdown: it blocks.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
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
}

impl Drop for Lines {
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
