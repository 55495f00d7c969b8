//! Whether a file is still the one that was read.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// File systems exist that keep times in steps of two seconds (FAT).
const COARSEST_CLOCK: Duration = Duration::from_secs(2);

/// What of a file's metadata changes when the file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
    device: u64,
    /// Seconds and nanoseconds of the last change of the metadata; a restored `modified` does not hide a change.
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let (device, inode, changed) = unix(metadata);
        Self { modified: metadata.modified().ok(), size: metadata.len(), inode, device, changed }
    }

    /// Whether a change after `read_at` would show. A file that was written a moment before it was read may be
    /// written again within the same tick of the file system's clock.
    pub(crate) fn is_settled(&self, read_at: SystemTime) -> bool {
        let age = self.modified.and_then(|modified| read_at.duration_since(modified).ok());
        age.is_some_and(|age| age > COARSEST_CLOCK)
    }
}

#[cfg(unix)]
fn unix(metadata: &Metadata) -> (u64, u64, (i64, i64)) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino(), (metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn unix(_: &Metadata) -> (u64, u64, (i64, i64)) {
    (0, 0, (0, 0))
}
