//! Swaps a policy when its file changes, or on SIGHUP. A bad one leaves the old one serving.

use crate::fit;
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
    /// The catalogue has changed: what is live is built anew over it.
    Catalog,
}

/// A policy that is watched.
struct Watched {
    /// None for a policy that is not in a file of its own; it changes only with the catalogue.
    file: Option<PathBuf>,
    name: String,
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
pub fn watch(
    policies: Vec<(Option<PathBuf>, Source, Arc<Listener>)>,
    run: Arc<RunState>,
    shared: &crate::engine::Shared,
) {
    let watched: Vec<Watched> = policies
        .into_iter()
        .map(|(file, source, listener)| {
            let seen = file.as_deref().and_then(fingerprint);
            Watched { file, name: source.name, text: source.text, seen, listener }
        })
        .collect();
    let (wake, woken) = channel();
    shared.lists.tell(changes(wake.clone()));
    if watched.iter().any(|policy| policy.file.is_some()) {
        hang_up(wake.clone());
    }
    std::thread::spawn(move || reloader(watched, &run, wake, &woken));
}

fn reloader(mut watched: Vec<Watched>, run: &RunState, wake: Sender<Wake>, woken: &Receiver<Wake>) {
    let names: Vec<OsString> = watched.iter().filter_map(|w| w.file.as_deref()).flat_map(names).collect();
    let on_event = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| concerns(&event, &names)) {
            // The receiver lives as long as this thread.
            let _ = wake.send(Wake::Changed);
        }
    };
    let mut watcher = notify::recommended_watcher(on_event).ok();
    loop {
        if let Some(watcher) = &mut watcher {
            for folder in watched.iter().filter_map(|w| w.file.as_deref()).flat_map(folders) {
                // A folder that is watched already, or cannot be: polling sees changes there too.
                let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
            }
        }
        let (mut asked, mut catalog) = (false, false);
        match woken.recv_timeout(POLL) {
            Ok(first) => {
                std::thread::sleep(SETTLE);
                let more = std::iter::from_fn(|| woken.try_recv().ok());
                for wake in std::iter::once(first).chain(more) {
                    asked |= matches!(wake, Wake::Asked);
                    catalog |= matches!(wake, Wake::Catalog);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        for policy in &mut watched {
            policy.look(asked, run);
            if catalog {
                policy.rebuild();
            }
        }
    }
}

impl Watched {
    /// Builds the live policy anew, over a catalogue that has changed. Its text is the same, and so is its revision.
    fn rebuild(&self) {
        let source = Source::new(self.name.clone(), self.text.to_string());
        let loaded = fit::load(&source, &self.listener.shared, self.listener.place);
        let live = self.listener.engine.load_full();
        match loaded.engine {
            Some(engine) if engine.revision == live.revision => {
                for (new, old) in engine.gateways().zip(live.gateways()) {
                    new.remember_keys_of(old);
                }
                self.listener.engine.store(Arc::new(engine));
            }
            // The file has changed into something that is not in force.
            Some(_) => {}
            None => tracing::error!(
                policy = %self.name,
                "the policy cannot be built over the new list of models; the one before stays in force:\n{}",
                findings(&loaded.diagnostics)
            ),
        }
    }

    fn look(&mut self, asked: bool, run: &RunState) {
        let Some(file) = self.file.clone() else { return };
        let now = fingerprint(&file);
        if !asked && now == self.seen {
            return;
        }
        self.seen = now;
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("{}: {error}; the policy loaded before stays in force", file.display());
                return self.report(&file, run, &message);
            }
        };
        if !asked && *text == *self.text {
            return;
        }
        let source = Source::new(file.display().to_string(), text);
        let loaded = fit::load(&source, &self.listener.shared, self.listener.place);
        self.text = Arc::clone(&source.text);
        let said = findings(&loaded.diagnostics);
        match loaded.engine {
            Some(engine) => {
                if !said.is_empty() {
                    tracing::warn!("{said}");
                }
                tracing::info!(file = %file.display(), revision = %engine.revision, "policy reloaded");
                run.loaded(&engine.revision, SystemTime::now());
                self.listener.shared.metrics.reload(true, SystemTime::now());
                self.listener.engine.store(Arc::new(engine));
            }
            None => self.report(&file, run, &said),
        }
    }

    fn report(&self, file: &Path, run: &RunState, message: &str) {
        tracing::error!(file = %file.display(), "the changed policy is not used; the one before stays in force:\n{message}");
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

/// Turns news of the catalogue into wake-ups.
fn changes(wake: Sender<Wake>) -> Sender<()> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        while told.recv().is_ok() {
            if wake.send(Wake::Catalog).is_err() {
                return;
            }
        }
    });
    tell
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
