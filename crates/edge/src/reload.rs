//! Swaps a policy when its file changes, or on SIGHUP. A bad one leaves the old one serving.

use crate::engine::Engine;
use crate::listener::Listener;
use notify::{RecursiveMode, Watcher};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};
use tollgate_observe::RunState;
use tollgate_policy::{Diagnostics, Source};

/// The file is looked at this often even if the system reports no change (network file systems report none).
const POLL: Duration = Duration::from_secs(2);
/// Editors write a file in several steps; they are waited for.
const SETTLE: Duration = Duration::from_millis(50);

/// What wakes the reloader.
enum Wake {
    /// Something changed beside a policy.
    Changed,
    /// SIGHUP: load even if nothing seems to have changed.
    Asked,
}

/// A policy that is watched.
struct Watched {
    file: PathBuf,
    text: Arc<str>,
    seen: Option<Fingerprint>,
    listener: Arc<Listener>,
}

/// Enough of a file's state to tell that it may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fingerprint {
    modified: Option<SystemTime>,
    length: u64,
    target: Option<PathBuf>,
}

/// Watches the policies that are in files of their own, on a thread of its own.
pub fn watch(policies: Vec<(Option<PathBuf>, Source, Arc<Listener>)>, run: Arc<RunState>) {
    let watched: Vec<Watched> = policies
        .into_iter()
        .filter_map(|(file, source, listener)| {
            let file = file?;
            let seen = fingerprint(&file);
            Some(Watched { file, text: source.text, seen, listener })
        })
        .collect();
    if watched.is_empty() {
        return;
    }
    let (wake, woken) = channel();
    hang_up(wake.clone());
    std::thread::spawn(move || reloader(watched, &run, wake, &woken));
}

fn reloader(mut watched: Vec<Watched>, run: &RunState, wake: Sender<Wake>, woken: &Receiver<Wake>) {
    let names: Vec<OsString> = watched.iter().flat_map(|w| names(&w.file)).collect();
    let on_event = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| concerns(&event, &names)) {
            // The receiver lives as long as this thread.
            let _ = wake.send(Wake::Changed);
        }
    };
    let mut watcher = notify::recommended_watcher(on_event).ok();
    loop {
        if let Some(watcher) = &mut watcher {
            for folder in watched.iter().flat_map(|w| folders(&w.file)) {
                // A folder that is watched already, or cannot be: polling sees changes there too.
                let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
            }
        }
        let asked = match woken.recv_timeout(POLL) {
            Ok(first) => {
                std::thread::sleep(SETTLE);
                let mut asked = matches!(first, Wake::Asked);
                while let Ok(more) = woken.try_recv() {
                    asked |= matches!(more, Wake::Asked);
                }
                asked
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        for policy in &mut watched {
            policy.look(asked, run);
        }
    }
}

impl Watched {
    fn look(&mut self, asked: bool, run: &RunState) {
        let now = fingerprint(&self.file);
        if !asked && now == self.seen {
            return;
        }
        self.seen = now;
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) => {
                let message =
                    format!("{}: {error}; the policy loaded before stays in force", self.file.display());
                return self.report(run, &message);
            }
        };
        if !asked && *text == *self.text {
            return;
        }
        let source = Source::new(self.file.display().to_string(), text);
        let loaded = Engine::load(&source, &self.listener.shared);
        self.text = Arc::clone(&source.text);
        let said = findings(&loaded.diagnostics);
        match loaded.engine {
            Some(engine) => {
                if !said.is_empty() {
                    tracing::warn!("{said}");
                }
                tracing::info!(file = %self.file.display(), revision = %engine.revision, "policy reloaded");
                run.loaded(&engine.revision, SystemTime::now());
                self.listener.shared.metrics.reload(true, SystemTime::now());
                self.listener.engine.store(Arc::new(engine));
            }
            None => self.report(run, &said),
        }
    }

    fn report(&self, run: &RunState, message: &str) {
        tracing::error!(file = %self.file.display(), "the changed policy is not used; the one before stays in force:\n{message}");
        run.reload_failed(message, SystemTime::now());
        self.listener.shared.metrics.reload(false, SystemTime::now());
    }
}

/// What was found, a line each, without the lines of the file: a log or a status page must not show what a policy
/// holds, which may be a key.
fn findings(diagnostics: &Diagnostics) -> String {
    let line = |d: &tollgate_policy::Diagnostic| {
        format!("{}:{}:{}: {}: {} [{}]", d.file, d.at.line, d.at.column, d.severity, d.message, d.code)
    };
    diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn fingerprint(file: &Path) -> Option<Fingerprint> {
    let metadata = std::fs::metadata(file).ok()?;
    let target = std::fs::canonicalize(file).ok();
    Some(Fingerprint { modified: metadata.modified().ok(), length: metadata.len(), target })
}

/// The names under which changes of a policy are reported: its own and, when it is a link, that of its target.
fn names(file: &Path) -> Vec<OsString> {
    let target = std::fs::canonicalize(file).ok();
    [Some(file), target.as_deref()]
        .into_iter()
        .flatten()
        .filter_map(Path::file_name)
        .map(OsString::from)
        .collect()
}

/// Whether an event may mean a changed policy. What is written to other files of the folder (a log, say) does not;
/// files that come, go or are renamed may be the links of a swapped folder.
fn concerns(event: &notify::Event, names: &[OsString]) -> bool {
    use notify::EventKind;
    use notify::event::ModifyKind;
    match event.kind {
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_) | ModifyKind::Any) => {
            let named = |path: &PathBuf| path.file_name().is_some_and(|n| names.iter().any(|k| k == n));
            event.paths.iter().any(named)
        }
        _ => true,
    }
}

/// The folder of the file and, when it is a link, that of the file it leads to.
fn folders(file: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| {
        path.parent().map(|p| if p.as_os_str().is_empty() { PathBuf::from(".") } else { p.into() })
    };
    let target = std::fs::canonicalize(file).ok();
    folder(file).into_iter().chain(target.and_then(|t| folder(&t))).collect()
}

/// Turns SIGHUP into a wake-up.
fn hang_up(wake: Sender<Wake>) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async move {
            let hang_ups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
            let Ok(mut hang_ups) = hang_ups else { return };
            while hang_ups.recv().await.is_some() {
                if wake.send(Wake::Asked).is_err() {
                    return;
                }
            }
        });
    });
}
