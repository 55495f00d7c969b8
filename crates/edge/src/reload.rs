//! Swaps what was made of a file when the file changes, or on SIGHUP: policies, and facts about addresses.

mod data_file;
mod policy;

use self::policy::Policy;
use crate::listener::Listener;
pub use data_file::{DataFile, read};
use notify::{RecursiveMode, Watcher};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};
use tollgate_observe::RunState;
use tollgate_policy::Source;

/// The file is looked at this often even if the system reports no change (network file systems report none).
const POLL: Duration = Duration::from_secs(2);
/// Editors write a file in several steps; they are waited for.
const SETTLE: Duration = Duration::from_millis(50);

/// What wakes the reloader.
enum Wake {
    /// Something changed beside a file.
    Changed,
    /// SIGHUP: load even if nothing seems to have changed.
    Asked,
    /// The catalogue has changed: what is live is built anew over it.
    Catalog,
}

/// Enough of a file's state to tell that it may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    modified: Option<SystemTime>,
    length: u64,
    target: Option<PathBuf>,
}

/// Something made of a file, made anew when the file changes.
pub(crate) trait Reload: Send {
    /// The file.
    fn file(&self) -> Option<&Path>;

    /// Looks whether the file has changed, and loads it then. Whether facts are in force that policies may need.
    fn look(&mut self, why: Why, run: &RunState) -> bool;

    /// The catalogue has changed.
    fn rebuild(&self) {}
}

/// Why files are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Why {
    /// Somebody asked: load even if nothing seems to have changed.
    pub asked: bool,
    /// A file that was looked at before has new facts.
    pub new_facts: bool,
}

/// Watches files, on a thread of its own. Facts are looked at before policies, which may need them.
pub fn watch(
    data_files: Vec<DataFile>,
    policies: Vec<(Option<PathBuf>, Source, Arc<Listener>)>,
    run: Arc<RunState>,
    shared: &crate::engine::Shared,
) {
    data_files.iter().for_each(|file| file.announce(&run));
    let facts = data_files.into_iter().map(|file| Box::new(file) as Box<dyn Reload>);
    let policies = policies
        .into_iter()
        .map(|(file, source, listener)| Box::new(Policy::new(file, source, listener)) as Box<dyn Reload>);
    let watched: Vec<Box<dyn Reload>> = facts.chain(policies).collect();
    let (wake, woken) = channel();
    shared.lists.tell(changes(wake.clone()));
    if watched.iter().any(|one| one.file().is_some()) {
        hang_up(wake.clone());
    }
    std::thread::spawn(move || reloader(watched, &run, wake, &woken));
}

fn reloader(mut watched: Vec<Box<dyn Reload>>, run: &RunState, wake: Sender<Wake>, woken: &Receiver<Wake>) {
    let names: Vec<OsString> = watched.iter().filter_map(|w| w.file()).flat_map(names).collect();
    let on_event = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| concerns(&event, &names)) {
            // The receiver lives as long as this thread.
            let _ = wake.send(Wake::Changed);
        }
    };
    let mut watcher = notify::recommended_watcher(on_event).ok();
    loop {
        if let Some(watcher) = &mut watcher {
            for folder in watched.iter().filter_map(|w| w.file()).flat_map(folders) {
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
        let mut why = Why { asked, new_facts: false };
        for one in &mut watched {
            why.new_facts |= one.look(why, run);
            if catalog {
                one.rebuild();
            }
        }
    }
}

pub(crate) fn fingerprint(file: &Path) -> Option<Fingerprint> {
    let metadata = std::fs::metadata(file).ok()?;
    let target = std::fs::canonicalize(file).ok();
    Some(Fingerprint { modified: metadata.modified().ok(), length: metadata.len(), target })
}

/// The names under which changes of a file are reported: its own and, when it is a link, that of its target.
fn names(file: &Path) -> Vec<OsString> {
    let target = std::fs::canonicalize(file).ok();
    [Some(file), target.as_deref()]
        .into_iter()
        .flatten()
        .filter_map(Path::file_name)
        .map(OsString::from)
        .collect()
}

/// Whether an event may mean a changed file. What is written to other files of the folder (a log, say) does not;
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

/// Turns SIGHUP into a wake-up. Returns when the signal is listened for: before that it ends the process.
fn hang_up(wake: Sender<Wake>) {
    let (ready, listening) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async move {
            let hang_ups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
            let Ok(mut hang_ups) = hang_ups else { return };
            drop(ready);
            while hang_ups.recv().await.is_some() {
                if wake.send(Wake::Asked).is_err() {
                    return;
                }
            }
        });
    });
    // An error: nothing is ever sent, the sender goes away when the thread listens, or cannot.
    let _: Result<(), _> = listening.recv();
}
