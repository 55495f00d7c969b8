//! The thread behind the access log.

use prometheus_client::metrics::counter::Counter;
use std::io::Write;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// How long a line may wait in a quiet moment. The writer looks at the queue this often instead of being woken
/// by every line: a wake-up is a system call on the request path, and batches make fewer writes.
const TICK: Duration = Duration::from_millis(50);

/// Bytes gathered before a write.
const BATCH: usize = 64 * 1024; // 64 KiB

/// What travels to the writer.
#[derive(Debug)]
pub(super) enum Message {
    /// One line with its line end.
    Line(Box<[u8]>),
    /// Write and flush all before it, then answer.
    Flush(SyncSender<()>),
}

/// What both ends know about the queue.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    bytes: AtomicUsize,
    closed: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, bytes: AtomicUsize::new(0), closed: AtomicBool::new(false), thread: OnceLock::new() }
    }

    /// Takes room for `bytes`; `false` when there is none.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.limit {
            self.release(bytes);
            return false;
        }
        // Woken once as the queue passes a quarter of its room, long before lines are lost.
        let mark = self.limit / 4;
        if before <= mark && before + bytes > mark {
            self.wake();
        }
        true
    }

    pub(super) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// No more lines come: the writer ends when the queue is empty.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }
}

pub(super) fn spawn(
    sink: Box<dyn Write + Send>,
    receiver: Receiver<Message>,
    queue: Arc<Queue>,
    dropped: Counter,
) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(&queue);
    let handle = std::thread::Builder::new().name("access-log".into()).spawn(move || {
        let mut writer = Writer { sink, batch: Vec::with_capacity(BATCH), lines: 0, queue: shared, dropped };
        writer.run(&receiver);
    })?;
    // Set once here only; a second value cannot come.
    let _ = queue.thread.set(handle.thread().clone());
    Ok(handle)
}

struct Writer {
    sink: Box<dyn Write + Send>,
    batch: Vec<u8>,
    lines: u64,
    queue: Arc<Queue>,
    dropped: Counter,
}

impl Writer {
    fn run(&mut self, receiver: &Receiver<Message>) {
        loop {
            // Read before the queue is emptied: what was pushed before the close is then surely seen.
            let closed = self.queue.closed.load(Ordering::Acquire);
            let gone = self.drain(receiver);
            self.write_batch();
            self.flush();
            if closed || gone {
                return;
            }
            std::thread::park_timeout(TICK);
        }
    }

    /// Takes everything that waits. `true` when no sender is left.
    fn drain(&mut self, receiver: &Receiver<Message>) -> bool {
        loop {
            match receiver.try_recv() {
                Ok(Message::Line(line)) => self.add(&line),
                Ok(Message::Flush(done)) => {
                    self.write_batch();
                    self.flush();
                    // The one who asked may have left.
                    let _ = done.send(());
                }
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    fn add(&mut self, line: &[u8]) {
        self.queue.release(line.len());
        self.batch.extend_from_slice(line);
        self.lines += 1;
        if self.batch.len() >= BATCH {
            self.write_batch();
        }
    }

    fn write_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.sink.write_all(&self.batch).is_err() {
            // A full disk or a closed pipe must not stop requests; the counter tells.
            self.dropped.inc_by(self.lines);
        }
        self.batch.clear();
        self.batch.shrink_to(BATCH);
        self.lines = 0;
    }

    fn flush(&mut self) {
        // A sink that cannot flush has failed its write, which is counted.
        let _ = self.sink.flush();
    }
}
