//! The key `limits`: what clients may send, how much is served at once, and how long clients may take.

use crate::decode::{Reader, joined};
use std::time::Duration;
use tollgate_policy::{Node, parse_duration, parse_size};

const KEYS: [&str; 9] = [
    "max_body",
    "buffered_bodies",
    "connections",
    "requests",
    "queue",
    "header_timeout",
    "body_timeout",
    "write_timeout",
    "idle_timeout",
];
/// Longest time that can be set.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Most connections, requests, or places in the queue that can be set.
const MOST: usize = 10_000_000;

/// `limits`
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FileLimits {
    /// Bytes of a request body.
    pub(crate) max_body: Option<usize>,
    /// Bytes of all request bodies together.
    pub(crate) buffered_bodies: Option<usize>,
    /// Connections at once.
    pub(crate) connections: Option<usize>,
    /// Requests at once.
    pub(crate) requests: Option<usize>,
    /// Requests that may wait.
    pub(crate) queue_size: Option<usize>,
    /// How long one may wait.
    pub(crate) queue_timeout: Option<Duration>,
    /// Time for a request's head.
    pub(crate) header_timeout: Option<Duration>,
    /// Time for a request body.
    pub(crate) body_timeout: Option<Duration>,
    /// How long a client may take nothing of its answer.
    pub(crate) write_timeout: Option<Duration>,
    /// How long a connection may be open without a request.
    pub(crate) idle_timeout: Option<Duration>,
}

/// Reads the key.
pub(super) fn read(reader: &mut Reader, node: &Node) -> FileLimits {
    let mut limits = FileLimits::default();
    if !reader.mapping(node, "limits", &KEYS) {
        return limits;
    }
    let bytes = |text: &str| match parse_size(text).map(usize::try_from) {
        Ok(Ok(bytes)) if bytes > 0 => Ok(bytes),
        Ok(_) => Err("must be at least 1 byte".to_owned()),
        Err(wrong) => Err(wrong),
    };
    limits.max_body = reader.parsed_at(node, "limits", "max_body", bytes);
    limits.buffered_bodies = reader.parsed_at(node, "limits", "buffered_bodies", bytes);
    limits.connections = reader.parsed_at(node, "limits", "connections", parse_count);
    limits.requests = reader.parsed_at(node, "limits", "requests", parse_count);
    let short = Duration::from_millis(1);
    for (key, place) in [
        ("header_timeout", &mut limits.header_timeout),
        ("body_timeout", &mut limits.body_timeout),
        ("write_timeout", &mut limits.write_timeout),
    ] {
        *place = reader.parsed_at(node, "limits", key, |text| time(text, short));
    }
    // Pingora counts the time between requests in seconds.
    let seconds = |text: &str| match time(text, Duration::from_secs(1))? {
        time if time.subsec_nanos() > 0 => Err("must be in whole seconds".to_owned()),
        time => Ok(time),
    };
    limits.idle_timeout = reader.parsed_at(node, "limits", "idle_timeout", seconds);
    if let Some(queue) = node.get("queue") {
        let path = joined("limits", "queue");
        if reader.mapping(queue, &path, &["size", "timeout"]) {
            limits.queue_size = reader.parsed_at(queue, &path, "size", |text| count(text, 0));
            limits.queue_timeout = reader.parsed_at(queue, &path, "timeout", |text| time(text, short));
        }
    }
    limits
}

/// A number of connections or requests.
///
/// # Errors
/// It is none.
pub(crate) fn parse_count(text: &str) -> Result<usize, String> {
    count(text, 1)
}

fn count(text: &str, least: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (least..=MOST).contains(&count) => Ok(count),
        _ => Err(format!("write a number from {least} to {MOST}")),
    }
}

fn time(text: &str, shortest: Duration) -> Result<Duration, String> {
    match parse_duration(text)? {
        time if time.is_zero() => Err("must be longer than nothing".to_owned()),
        time if !(shortest..=LONGEST).contains(&time) => {
            Err(format!("must be from {} to 24h", tollgate_policy::format_duration(shortest)))
        }
        time => Ok(time),
    }
}
