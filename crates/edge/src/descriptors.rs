//! File descriptors: as many as the system allows, and a word before they are used up.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_observe::Metrics;

/// How often they are counted.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is said that there are none.
const SAY: Duration = Duration::from_secs(30);

/// `ENOMEM`, `ENFILE`, `EMFILE`, `ENOBUFS`: this machine cannot give a connection. Says nothing of the other end.
const NOTHING_LEFT: [i32; 4] = [12, 23, 24, 105];

/// Whether an error means that this machine has no descriptor, or no memory, for a connection.
pub(crate) fn are_used_up(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| NOTHING_LEFT.contains(&code))
}

/// Raises the limit as far as the system lets a process raise it, and watches how many are in use, on a thread of its own.
pub(crate) fn watch(metrics: Arc<Metrics>) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(why) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!("the limit of file descriptors stays as it is: {why}");
    }
    let spawned = std::thread::Builder::new().name("descriptors".into()).spawn(move || {
        let mut watcher = Watcher { level: Level::Low, said: None };
        loop {
            if let (Some(open), Some(limit)) = (open(), getrlimit(Resource::Nofile).current)
                && watcher.look(open, limit, Instant::now()) == Level::None
            {
                metrics.out_of_files_seconds.inc_by(LOOK.as_secs());
            }
            std::thread::sleep(LOOK);
        }
    });
    if let Err(why) = spawned {
        tracing::warn!("file descriptors are not watched: {why}");
    }
}

/// How many are open; Linux says so without opening one more since 6.2.
fn open() -> Option<u64> {
    let folder = "/proc/self/fd";
    match std::fs::metadata(folder) {
        Ok(seen) if seen.len() > 0 => Some(seen.len()),
        Ok(_) => match std::fs::read_dir(folder) {
            Ok(entries) => u64::try_from(entries.count()).ok(),
            Err(error) if are_used_up(&error) => getrlimit(Resource::Nofile).current,
            Err(_) => None,
        },
        Err(_) => None,
    }
}

/// How many are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Low,
    High,
    None,
}

/// Says each change once, and that there are none from time to time.
struct Watcher {
    level: Level,
    said: Option<Instant>,
}

impl Watcher {
    fn look(&mut self, open: u64, limit: u64, now: Instant) -> Level {
        let level = match open {
            open if open >= limit => Level::None,
            open if open >= limit - limit / 10 => Level::High,
            // Not said once more for every few that come and go.
            open if open >= limit - limit / 5 && self.level != Level::Low => Level::High,
            _ => Level::Low,
        };
        let due = self.said.is_none_or(|said| now.saturating_duration_since(said) >= SAY);
        match (self.level, level) {
            (_, Level::None) if self.level != Level::None || due => {
                self.said = Some(now);
                tracing::error!(
                    open,
                    limit,
                    "no file descriptor is left: new connections wait, open ones are served; raise the limit \
                     (LimitNOFILE, ulimit -n)"
                );
            }
            (Level::Low, Level::High) => {
                tracing::warn!(open, limit, "nine tenths of all file descriptors are in use");
            }
            (Level::None | Level::High, Level::Low) => {
                tracing::info!(open, limit, "there are file descriptors again");
            }
            _ => {}
        }
        self.level = level;
        level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_a_memory() {
        let mut watcher = Watcher { level: Level::Low, said: None };
        let now = Instant::now();
        let mut at = |open| watcher.look(open, 100, now);
        let levels: Vec<Level> =
            [10, 89, 90, 100, 100, 85, 80, 79, 85, 90].into_iter().map(&mut at).collect();
        let [low, high, none] = [Level::Low, Level::High, Level::None];
        assert_eq!(levels, [low, low, high, none, none, high, high, low, low, high]);
    }

    #[test]
    fn open_files_are_counted() {
        let before = open().expect("the system says it");
        let files: Vec<_> = (0..20).map(|_| std::fs::File::open("/dev/null").expect("it is there")).collect();
        assert!(open().expect("the system says it") >= before.saturating_sub(5) + 15, "{before}");
        drop(files);
    }
}
