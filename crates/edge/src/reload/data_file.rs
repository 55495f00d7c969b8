//! A file of facts, such as a list of networks, that is loaded again when it changes. A bad one leaves the old one in force.

use super::{Fingerprint, Reload, Why, fingerprint};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tollgate_observe::RunState;

/// Reads a file and puts what it holds into force; says that in a few words, or why it is not used.
type Load = Box<dyn FnMut(&Path) -> Result<String, String> + Send>;

/// A file of facts that is in force.
pub struct DataFile {
    name: String,
    path: PathBuf,
    seen: Option<Fingerprint>,
    holds: String,
    load: Load,
    settle: Option<Box<dyn FnMut() + Send>>,
}

impl DataFile {
    /// Loads a file for the first time. `name` is what the configuration file calls it.
    ///
    /// # Errors
    /// What `load` says.
    pub fn open(
        name: impl Into<String>,
        path: &Path,
        load: impl FnMut(&Path) -> Result<String, String> + Send + 'static,
    ) -> Result<Self, String> {
        let mut load: Load = Box::new(load);
        // Looked at before it is read: what changes in between is seen later.
        let seen = fingerprint(path);
        let holds = load(path)?;
        Ok(Self { name: name.into(), path: path.to_owned(), seen, holds, load, settle: None })
    }

    /// What is done whenever this file, and so all before it, have been looked at.
    #[must_use]
    pub fn then(mut self, settle: impl FnMut() + Send + 'static) -> Self {
        self.settle = Some(Box::new(settle));
        self
    }

    /// What is in force, for the status page.
    pub(super) fn announce(&self, run: &RunState) {
        run.data_file_loaded(&self.name, &self.path, &self.holds, SystemTime::now());
    }

    /// Loads the file if it has changed.
    fn follow(&mut self, why: Why, run: &RunState) -> bool {
        let now = fingerprint(&self.path);
        if !why.asked && now == self.seen {
            return false;
        }
        self.seen = now;
        let file = self.path.display();
        match (self.load)(&self.path) {
            Ok(holds) => {
                self.holds = holds;
                self.announce(run);
                tracing::info!(%file, "{} loaded: {}", self.name, self.holds);
                true
            }
            Err(message) => {
                let name = &self.name;
                run.data_file_failed(name, &message, SystemTime::now());
                tracing::error!(%file, "the changed file of {name} is not used; the one before stays in force:\n{message}");
                false
            }
        }
    }
}

impl Reload for DataFile {
    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn look(&mut self, why: Why, run: &RunState) -> bool {
        let news = self.follow(why, run);
        if let Some(settle) = &mut self.settle {
            settle();
        }
        news
    }
}

/// The bytes of a file.
///
/// # Errors
/// It cannot be read; with the file's name.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
