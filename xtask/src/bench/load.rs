//! The load generator: as little as possible between two requests.

use super::client::Connection;
use crate::failure::Result;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What one run gave.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Of every request, in nanoseconds; sorted.
    pub(crate) latencies: Vec<u64>,
}

/// One measurement of one server.
pub(crate) struct Cell {
    pub(crate) target: &'static str,
    pub(crate) connections: usize,
    pub(crate) measured: Measured,
    /// Processor time of the server's processes, user and system.
    pub(crate) cpu: Duration,
}

/// Keeps `connections` busy for `time`. An answer other than 200 ends it: numbers of errors are no numbers.
pub(crate) async fn run(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    time: Duration,
) -> Result<Measured> {
    let mut tasks = JoinSet::new();
    let mut ready = Vec::with_capacity(connections);
    for _ in 0..connections {
        ready.push(Connection::open(address).await?);
    }
    let started = Instant::now();
    for connection in ready {
        tasks.spawn(keep_busy(connection, request.to_vec(), started + time));
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done.map_err(|why| crate::failure::said(why.to_string()))??);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    Ok(Measured { elapsed, latencies })
}

/// The latency below which the given share of requests is, in nanoseconds.
pub(crate) fn percentile(sorted: &[u64], per_mille: usize) -> u64 {
    let at = (sorted.len() * per_mille).div_ceil(1000).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

/// As it is kept.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

async fn keep_busy(mut connection: Connection, request: Vec<u8>, until: Instant) -> Result<Vec<u64>> {
    let mut latencies = Vec::with_capacity(1 << 16);
    loop {
        let sent = Instant::now();
        connection.exchange(&request).await?;
        let answered = Instant::now();
        latencies.push(nanos(answered - sent));
        if answered >= until {
            return Ok(latencies);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&sorted, 500), percentile(&sorted, 990)), (50, 99));
        assert_eq!((percentile(&[7], 500), percentile(&[7], 990)), (7, 7));
        assert_eq!(percentile(&[], 500), 0);
    }
}
