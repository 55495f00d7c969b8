//! What is judged, and what comes of it.

use crate::Sample;
use std::net::SocketAddr;

/// A request as its client sent it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who sent it.
    pub client: SocketAddr,
    /// Where it came to.
    pub server: SocketAddr,
    /// Its method.
    pub method: String,
    /// Its path with its query, not normalised.
    pub target: String,
    /// `1.0`, `1.1` or `2.0`.
    pub version: &'static str,
    /// Its headers; also over HTTP/2 with `host`.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The beginning of its body; `None` when bodies are not to be looked at.
    pub body: Option<Sample>,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The beginning of its body; `None` when bodies are not to be looked at.
    pub body: Option<Sample>,
}

/// What the rules say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The sum of the scores of the rules that matched; a rule counts once for each part of the request it matches.
    pub score: u32,
    /// The rules that matched and have a score, in the order in which they ran, each once.
    pub matched: Vec<MatchedRule>,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedRule {
    /// Its number in the core rule set.
    pub id: u32,
    /// What it looks for.
    pub message: String,
    /// `critical` (5 points), `error` (4), `warning` (3) or `notice` (2).
    pub severity: &'static str,
    /// What it found and where; may hold any part of the request.
    pub data: String,
}
