//! The thread behind lines.

use super::Told;
use prometheus_client::metrics::counter::Counter;
use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a line may wait in a quiet moment. The writer looks at the queue this often instead of being woken
/// by every line: a wake-up is a system call on the request path, and batches make fewer writes.
const TICK: Duration = Duration::from_millis(50);

/// Bytes gathered before a write.
const BATCH: usize = 64 * 1024; // 64 KiB

/// Lines have to be written for this long before it is said that they are again: a sink that comes and goes would
/// fill the other log.
const SETTLED: Duration = Duration::from_secs(1);

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
    dropped: Counter,
    tell: fn(Told),
    /// Lines lost since it was last said how many.
    lost: AtomicU64,
    /// It was said that lines are lost, and not yet that they are written again.
    trouble: AtomicBool,
}

impl Queue {
    pub(super) fn new(limit: usize, dropped: Counter, tell: fn(Told)) -> Self {
        Self {
            limit,
            bytes: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            thread: OnceLock::new(),
            dropped,
            tell,
            lost: AtomicU64::new(0),
            trouble: AtomicBool::new(false),
        }
    }

    /// A line finds no room.
    pub(super) fn full(&self) {
        self.lose(1, Told::Behind);
    }

    /// Counts lost lines, and says so once.
    fn lose(&self, lines: u64, why: Told) {
        self.dropped.inc_by(lines);
        self.lost.fetch_add(lines, Ordering::Relaxed);
        if !self.trouble.swap(true, Ordering::AcqRel) {
            (self.tell)(why);
        }
    }

    /// Lines are written again.
    fn resumed(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        self.trouble.store(false, Ordering::Release);
        (self.tell)(Told::Resumed { lost });
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
    name: &str,
    sink: Box<dyn Write + Send>,
    receiver: Receiver<Message>,
    queue: Arc<Queue>,
) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(&queue);
    let handle = std::thread::Builder::new().name(name.into()).spawn(move || {
        let batch = Vec::with_capacity(BATCH);
        let since = Instant::now();
        Writer { sink, batch, torn: 0, queue: shared, good: true, lost: 0, since }.run(&receiver);
    })?;
    // Set once here only; a second value cannot come.
    let _ = queue.thread.set(handle.thread().clone());
    Ok(handle)
}

struct Writer {
    sink: Box<dyn Write + Send>,
    batch: Vec<u8>,
    /// Bytes at the beginning of the batch that are the rest of a line whose beginning was written already. They are
    /// kept until they are written, so that the next line does not stick to half of another.
    torn: usize,
    queue: Arc<Queue>,
    /// The last write succeeded.
    good: bool,
    /// Lines lost when it was last looked, and since when there are no more.
    lost: u64,
    since: Instant,
}

impl Writer {
    fn run(&mut self, receiver: &Receiver<Message>) {
        loop {
            // Read before the queue is emptied: what was pushed before the close is then surely seen.
            let closed = self.queue.closed.load(Ordering::Acquire);
            let gone = self.drain(receiver);
            self.write_batch();
            self.flush();
            self.look();
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
        if self.batch.len() >= BATCH {
            self.write_batch();
        }
    }

    fn write_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let (written, failed) = write_all(&mut *self.sink, &self.batch);
        self.good = failed.is_none();
        if let Some(error) = failed {
            // A full disk or a closed pipe must not stop requests.
            let lost = self.keep_torn(written);
            if lost > 0 {
                self.queue.lose(lost, Told::Failed(error));
            }
        } else {
            self.batch.clear();
            self.torn = 0;
        }
        self.batch.shrink_to(BATCH);
    }

    /// Drops what could not be written, but for the rest of a line of which the beginning is there. Gives how many
    /// lines are lost.
    fn keep_torn(&mut self, written: usize) -> u64 {
        let begun = match written.checked_sub(1).and_then(|last| self.batch.get(last)) {
            Some(last) => *last != b'\n',
            None => self.torn > 0,
        };
        self.batch.drain(..written.min(self.batch.len()));
        let ends = self.batch.iter().filter(|byte| **byte == b'\n').count() as u64;
        let end = self.batch.iter().position(|byte| *byte == b'\n').map_or(self.batch.len(), |at| at + 1);
        self.torn = if begun { end } else { 0 };
        self.batch.truncate(self.torn);
        ends.saturating_sub(u64::from(begun))
    }

    /// Says it when lines have been written again for a while.
    fn look(&mut self) {
        if !self.queue.trouble.load(Ordering::Acquire) {
            return;
        }
        let lost = self.queue.lost.load(Ordering::Relaxed);
        if lost != self.lost {
            (self.lost, self.since) = (lost, Instant::now());
        } else if self.good && self.since.elapsed() >= SETTLED {
            self.lost = 0;
            self.queue.resumed();
        }
    }

    fn flush(&mut self) {
        // A sink that cannot flush has failed its write, which is counted.
        let _ = self.sink.flush();
    }
}

/// Writes as much as can be written: how much that was, and what kept the rest.
fn write_all(sink: &mut dyn Write, bytes: &[u8]) -> (usize, Option<std::io::Error>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match sink.write(rest) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}
