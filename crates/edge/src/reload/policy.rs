//! A policy that is loaded again when its file changes. A bad one leaves the old one serving.

use super::{Fingerprint, Reload, Why, fingerprint};
use crate::fit;
use crate::listener::Listener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tollgate_observe::RunState;
use tollgate_policy::{Diagnostics, Source};

/// A policy that is watched.
pub(super) struct Policy {
    /// None for a policy that is not in a file of its own; it changes only with the catalogue.
    file: Option<PathBuf>,
    name: String,
    text: Arc<str>,
    seen: Option<Fingerprint>,
    /// Whether the newest text could not be loaded.
    failed: bool,
    listener: Arc<Listener>,
}

impl Policy {
    /// The policy in force on a listener, and the file it is from.
    pub(super) fn new(file: Option<PathBuf>, source: Source, listener: Arc<Listener>) -> Self {
        // The text was read before: that the file has not changed since is found at the first look.
        Self { file, name: source.name, text: source.text, seen: None, failed: false, listener }
    }

    fn report(&mut self, file: &Path, run: &RunState, message: &str) {
        self.failed = true;
        tracing::error!(file = %file.display(), "the changed policy is not used; the one before stays in force:\n{message}");
        run.reload_failed(message, SystemTime::now());
        self.listener.shared.metrics.reload(false, SystemTime::now());
    }
}

impl Reload for Policy {
    fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

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

    fn look(&mut self, why: Why, run: &RunState) -> bool {
        let Some(file) = self.file.clone() else { return false };
        // What a policy lacked may be in a file of facts that has just been loaded.
        let again = why.asked || why.new_facts && self.failed;
        let now = fingerprint(&file);
        if !again && now == self.seen {
            return false;
        }
        self.seen = now;
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("{}: {error}; the policy loaded before stays in force", file.display());
                self.report(&file, run, &message);
                return false;
            }
        };
        if fingerprint(&file) != self.seen {
            // It is being written: half a list of rules is a list of rules, too. The rest wakes us, or the next look.
            self.seen = None;
            return false;
        }
        // After a failure also the text before is news: file and policy agree again.
        if !again && !self.failed && *text == *self.text {
            return false;
        }
        if text.trim().is_empty() && !self.text.trim().is_empty() {
            // What writes a file empties it first. Without its rules everything would be let through.
            let message = format!(
                "{}: the file is empty; the policy loaded before stays in force. Write {{}} for a policy without rules",
                file.display()
            );
            self.report(&file, run, &message);
            return false;
        }
        let source = Source::new(file.display().to_string(), text);
        let loaded = fit::load(&source, &self.listener.shared, self.listener.place);
        self.text = Arc::clone(&source.text);
        let said = findings(&loaded.diagnostics);
        let Some(engine) = loaded.engine else {
            self.report(&file, run, &said);
            return false;
        };
        if !said.is_empty() {
            tracing::warn!("{said}");
        }
        tracing::info!(file = %file.display(), revision = %engine.revision, "policy reloaded");
        self.failed = false;
        let engine = Arc::new(engine);
        self.listener.engine.store(Arc::clone(&engine));
        // Afterwards: who reads there that it is in force may rely on it.
        run.loaded(&engine.revision, SystemTime::now());
        self.listener.shared.metrics.reload(true, SystemTime::now());
        false
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
