//! Four large requests in a row, each of which fails over: what the gateway needs at its peak.

use super::client::{Asks, Connection, header};
use super::process::Memory;
use super::servers::{Gateway, Policy, Upstream};
use crate::failure::{Result, said};

/// The prompt of a large request.
pub(crate) const LARGE: usize = 20 << 20; // 20 MiB
/// How many, one after the other.
const REQUESTS: usize = 4;

/// Starts a gateway of its own, so that nothing else has touched its memory.
pub(crate) async fn measure(gateway: &Gateway, upstream: &Upstream) -> Result<Memory> {
    let target = gateway.start(upstream, Policy::FailsOver)?;
    let request = Asks::ours().chat(LARGE, false);
    for _ in 0..REQUESTS {
        let mut connection = Connection::open(target.address).await?;
        let head = connection.exchange(&request).await?;
        let attempts = header(head, "x-tollgate-attempts").unwrap_or("no count");
        if attempts != "2" {
            return Err(said(format!("a large request was to take 2 attempts and took {attempts}")));
        }
    }
    target.memory()
}
