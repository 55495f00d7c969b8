//! Files of facts beside policies: which are in force, and which newer ones are not.

use crate::clock;
use crate::status::ReloadError;
use serde::Serialize;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// A file of facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataFile {
    /// What it is for, as the configuration file calls it: `addresses.city`.
    pub name: String,
    /// Where it is.
    pub file: String,
    /// What is in force, in a few words.
    pub holds: String,
    /// Since when, RFC 3339.
    pub loaded_at: String,
    /// Set while the newest file could not be loaded.
    pub error: Option<ReloadError>,
}

/// All files of facts, in the order in which they were first loaded.
#[derive(Debug, Default)]
pub(crate) struct DataFiles(Mutex<Vec<DataFile>>);

impl DataFiles {
    /// This file is in force.
    pub(crate) fn loaded(&self, name: &str, file: &Path, holds: &str, now: SystemTime) {
        let (file, loaded_at) = (file.display().to_string(), clock::rfc3339_millis(now));
        let fresh = DataFile { name: name.to_owned(), file, holds: holds.to_owned(), loaded_at, error: None };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = fresh,
            None => all.push(fresh),
        }
    }

    /// This file could not be loaded; the one before stays in force.
    pub(crate) fn failed(&self, name: &str, message: &str, now: SystemTime) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter_mut().find(|known| known.name == name) {
            known.error = Some(ReloadError { at: clock::rfc3339_millis(now), message: message.to_owned() });
        }
    }

    pub(crate) fn all(&self) -> Vec<DataFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_bad_file_is_shown_beside_the_one_in_force_until_a_good_one_comes() {
        let files = DataFiles::default();
        let path = Path::new("tor.txt");
        files.loaded("tor", path, "2 networks", UNIX_EPOCH);
        files.loaded("city", Path::new("c.mmdb"), "X-City", UNIX_EPOCH);
        files.failed("tor", "tor.txt:1: no", UNIX_EPOCH + Duration::from_secs(60));
        let [tor, city] = files.all().try_into().expect("two files");
        assert_eq!((tor.holds.as_str(), tor.loaded_at.as_str()), ("2 networks", "1970-01-01T00:00:00.000Z"));
        assert_eq!(tor.error.map(|error| error.message).as_deref(), Some("tor.txt:1: no"));
        assert_eq!(city.error, None);
        files.loaded("tor", path, "3 networks", UNIX_EPOCH);
        let [tor, _] = files.all().try_into().expect("two files");
        assert_eq!((tor.holds.as_str(), tor.error), ("3 networks", None));
    }
}
