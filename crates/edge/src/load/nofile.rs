//! How many files the process may have open.

use rustix::process::{Resource, getrlimit};

/// The hard limit (`RLIMIT_NOFILE`), which the process raises its own to when it starts to serve.
pub(super) fn limit() -> usize {
    getrlimit(Resource::Nofile).maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}
