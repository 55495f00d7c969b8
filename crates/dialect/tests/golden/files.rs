//! The expected files.

use crate::dialect::folder;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Compares what is with what is expected, and tells of everything that differs at once.
#[derive(Default)]
pub(crate) struct Files {
    seen: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Files {
    /// A body: indented, its members in the order in which they are sent.
    pub(crate) fn json(&mut self, path: &str, value: &Value) {
        self.text(path, &format!("{value:#}\n"));
    }

    /// A stream as it is sent.
    pub(crate) fn text(&mut self, path: &str, is: &str) {
        self.seen.insert(path.to_owned());
        let file = folder("expected").join(path);
        let wanted = std::fs::read_to_string(&file).ok();
        if wanted.as_deref() == Some(is) {
            return;
        }
        if updates() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, is).unwrap();
            return;
        }
        let wanted = wanted.as_deref().unwrap_or("");
        let at = is.lines().zip(wanted.lines()).take_while(|(a, b)| a == b).count();
        let line = |text: &str| text.lines().nth(at).unwrap_or("(nothing)").to_owned();
        self.wrong.push(format!(
            "{path}, line {}:\n  expected {}\n  is       {}",
            at + 1,
            line(wanted),
            line(is)
        ));
    }

    /// Fails if a file was not as expected, or was not asked for.
    pub(crate) fn finish(mut self) {
        let root = folder("expected");
        let mut known = BTreeSet::new();
        walk(&root, &root, &mut known);
        for path in known.difference(&self.seen) {
            if updates() {
                std::fs::remove_file(root.join(path)).unwrap();
            } else {
                self.wrong.push(format!("{path} is of no pair"));
            }
        }
        assert!(
            self.wrong.is_empty(),
            "{} files differ (TOLLGATE_UPDATE_GOLDEN=1 writes them anew):\n{}",
            self.wrong.len(),
            self.wrong.join("\n")
        );
    }
}

fn updates() -> bool {
    std::env::var_os("TOLLGATE_UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

fn walk(root: &Path, folder: &Path, known: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, known);
        } else {
            known.insert(path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/"));
        }
    }
}
