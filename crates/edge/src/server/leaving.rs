//! How the process ends: what its signals ask for, and what is waited for before it goes.

use super::handover::{self, Sockets};
use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tollgate_observe::{AccessLog, InFlight, RunState, flush_operational_log};

/// How long each log may take to be written at the end.
const FLUSH: Duration = Duration::from_secs(2);
/// Time for the accept loops to stop, and to take what the system had accepted for them.
const CLOSING: Duration = Duration::from_millis(100);
/// Once nothing is in flight, connections have this long to get their last bytes and to say goodbye: a handshake that
/// is under way becomes a request, an HTTP/2 connection sends what it has buffered.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long idle connections are kept after a hand-over, so that each is told to close with its next answer. A client
/// that is about to send does not find its connection gone.
const KEPT: Duration = Duration::from_secs(10);
/// Time for requests that are cut short to be told so.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// A second signal within this time is the same one: terminals and supervisors send it to a process and to its group.
const ECHO: Duration = Duration::from_secs(1);
/// How often a waiting end looks again.
const LOOK: Duration = Duration::from_millis(10);

/// What has to be over before the process ends.
pub(crate) struct Leaving {
    /// Says that it is stopping.
    pub(crate) run: Arc<RunState>,
    /// Requests.
    pub(crate) in_flight: Arc<InFlight>,
    /// Connections of clients.
    pub(crate) connections: Arc<InFlight>,
    /// Gets its last lines.
    pub(crate) log: Arc<AccessLog>,
    /// How long requests may take to end.
    pub(crate) limit: Duration,
    /// Where a new process takes the listeners over.
    pub(crate) upgrade_sock: Option<PathBuf>,
    /// Where clients come in.
    pub(crate) sockets: Sockets,
    /// True once the listeners that stay while the process drains have to close as well.
    pub(crate) closing: watch::Sender<bool>,
    /// Another process serves now.
    pub(crate) handed_over: AtomicBool,
}

impl Leaving {
    /// Whether another process serves now.
    pub(crate) fn handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Acquire)
    }

    /// Returns when idle connections may be closed.
    pub(crate) async fn kept(&self) {
        if self.handed_over() {
            // An error: some are still open, and idle.
            let _ = tokio::time::timeout(KEPT, self.connections.wait_idle()).await;
        }
    }

    /// Waits for what has begun, on a thread of its own, and ends the process.
    fn drain(self: &Arc<Self>) {
        self.run.drain();
        self.in_flight.set_last();
        tracing::info!(
            in_flight = self.in_flight.count(),
            connections = self.connections.count(),
            limit_s = self.limit.as_secs(),
            "stopping: serving what has begun, accepting nothing new"
        );
        let leaving = Arc::clone(self);
        std::thread::spawn(move || {
            std::thread::sleep(CLOSING.min(leaving.limit));
            if !leaving.wait_idle() {
                leaving.cut_short();
            }
            leaving.end();
        });
    }

    /// Whether everything ended within the limit.
    fn wait_idle(&self) -> bool {
        let until = Instant::now() + self.limit;
        let kept = if self.handed_over() { KEPT + GOODBYE } else { GOODBYE };
        let mut quiet = None;
        loop {
            let now = Instant::now();
            if self.in_flight.count() == 0 {
                let since = *quiet.get_or_insert(now);
                if self.connections.count() == 0 || now - since >= kept {
                    return true;
                }
            } else {
                quiet = None;
            }
            if now >= until {
                return self.in_flight.count() == 0;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The limit is over: streams end with an error that their clients can read.
    fn cut_short(&self) {
        let cut = self.in_flight.count();
        self.in_flight.cut_short();
        let until = Instant::now() + LAST_WORDS;
        while self.in_flight.count() > 0 && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        // What they were told is on its way.
        while self.connections.count() > 0 && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        tracing::warn!(
            cut,
            untold = self.in_flight.count(),
            limit_s = self.limit.as_secs(),
            "the time to finish is over: what was still being served is cut (drain_timeout)"
        );
    }

    /// Somebody does not want to wait.
    fn at_once(&self, signal: &str) -> ! {
        match self.in_flight.count() {
            0 => tracing::info!("{signal}: ending at once"),
            cut => tracing::warn!(cut, "{signal}: ending at once, requests are cut"),
        }
        self.end()
    }

    fn end(&self) -> ! {
        self.log.flush(FLUSH);
        flush_operational_log(FLUSH);
        std::process::exit(0)
    }
}

/// The signals, for Pingora.
pub(crate) struct Signals(pub(crate) Arc<Leaving>);

#[async_trait]
impl ShutdownSignalWatch for Signals {
    /// Returns when the listeners have to close. Pingora's own would close them on SIGQUIT although nobody has taken
    /// them over.
    async fn recv(&self) -> ShutdownSignal {
        let leaving = &self.0;
        let Some(mut heard) = Heard::new() else {
            tracing::error!("the system does not let this process listen for signals: it can only be killed");
            return std::future::pending().await;
        };
        let told = loop {
            match heard.any().await {
                Asked::Stop => break Some(Instant::now()),
                Asked::StopAtOnce => leaving.at_once("SIGINT"),
                Asked::HandOver => {}
            }
            let giver = Arc::clone(leaving);
            let giving = tokio::task::spawn_blocking(move || {
                handover::give(giver.upgrade_sock.as_deref(), &giver.sockets)
            });
            tokio::select! {
                biased;
                asked = heard.stop() => match asked {
                    Asked::StopAtOnce => leaving.at_once("SIGINT"),
                    _ => break Some(Instant::now()),
                },
                given = giving => match given.unwrap_or_else(|_| Err("it failed".to_owned())) {
                    Ok(()) => {
                        tracing::info!("another process serves now");
                        leaving.handed_over.store(true, Ordering::Release);
                        break None;
                    }
                    Err(why) => tracing::error!("SIGQUIT: {why}; this process keeps serving"),
                },
            }
        };
        let impatient = Arc::clone(leaving);
        tokio::spawn(async move { heard.again(told, &impatient).await });
        if leaving.handed_over() {
            // Its pages would speak of a process that has gone.
            leaving.closing.send_replace(true);
        }
        leaving.sockets.close();
        leaving.drain();
        ShutdownSignal::GracefulTerminate
    }
}

/// What a signal asks for.
enum Asked {
    /// SIGTERM
    Stop,
    /// SIGINT
    StopAtOnce,
    /// SIGQUIT
    HandOver,
}

/// The signals that are listened for.
struct Heard {
    quit: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// A file may not grow any more (RLIMIT_FSIZE): an error of a write, not the end of the process.
    _too_large: Option<Signal>,
}

impl Heard {
    fn new() -> Option<Self> {
        const SIGXFSZ: i32 = 25;
        Some(Self {
            quit: signal(SignalKind::quit()).ok()?,
            terminate: signal(SignalKind::terminate()).ok()?,
            interrupt: signal(SignalKind::interrupt()).ok()?,
            _too_large: signal(SignalKind::from_raw(SIGXFSZ)).ok(),
        })
    }

    async fn any(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::StopAtOnce,
            _ = self.quit.recv() => Asked::HandOver,
        }
    }

    async fn stop(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::StopAtOnce,
        }
    }

    /// A second signal means that somebody does not want to wait. `told`: when the first came.
    async fn again(mut self, mut told: Option<Instant>, leaving: &Leaving) {
        loop {
            let asked = self.stop().await;
            let echo = told.is_some_and(|told| told.elapsed() < ECHO);
            match asked {
                Asked::StopAtOnce if !echo => leaving.at_once("SIGINT"),
                Asked::Stop if told.is_some() && !echo => leaving.at_once("SIGTERM, once more"),
                // After a hand-over the first one asks for nothing else than what is being done.
                _ => {
                    told.get_or_insert_with(Instant::now);
                }
            }
        }
    }
}
