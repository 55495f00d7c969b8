//! Bodies of 20 MiB: whether memory comes back after many, and what a failover of one costs.

use crate::bench::client::{Asks, Connection, header};
use crate::bench::load::{nanos, percentile};
use crate::bench::memory::LARGE;
use crate::bench::servers::{Gateway, Policy, Target, Upstream};
use crate::failure::{Result, said};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Requests of a storm, and how many of them at a time.
const REQUESTS: usize = 24;
const AT_ONCE: usize = 8;
/// How long memory is watched after it.
const WATCHED: Duration = Duration::from_secs(30);
/// How often.
const LOOK: Duration = Duration::from_millis(500);
/// A large request must be answered after so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Uploads of each kind; the median counts.
const UPLOADS: usize = 11;

/// What a storm did.
#[derive(Clone, Debug)]
pub(crate) struct Storm {
    /// Resident before it, in KiB.
    pub(crate) idle: u64,
    /// The most that was resident.
    pub(crate) peak: u64,
    /// Seconds since its end, and what was resident then.
    pub(crate) afterwards: Vec<(f64, u64)>,
    /// When less than twice the idle memory was resident for the first time.
    pub(crate) back: Option<Duration>,
    /// Requests that got no 200, and what the first of them got.
    pub(crate) refused: usize,
    pub(crate) first_refusal: Option<String>,
}

/// Median times of uploads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uploads {
    /// To the provider itself.
    pub(crate) direct: Duration,
    /// Through Tollgate, to the first provider.
    pub(crate) through: Duration,
    /// Through Tollgate, to the second provider after the first has answered 503.
    pub(crate) failing_over: Duration,
}

/// Sends large requests at once, and watches the server's memory until it is small again.
pub(crate) async fn storm(target: &Target) -> Result<Storm> {
    let idle = target.memory()?.resident;
    let request = Arc::new(target.asks.chat(LARGE, false));
    let (mut running, mut refusals) = (JoinSet::new(), Vec::new());
    for _ in 0..REQUESTS {
        if running.len() >= AT_ONCE {
            refusals.extend(next_refusal(&mut running).await?);
        }
        running.spawn(upload(target.address, Arc::clone(&request)));
    }
    while !running.is_empty() {
        refusals.extend(next_refusal(&mut running).await?);
    }
    drop(request);
    let ended = Instant::now();
    let (mut afterwards, mut back) = (Vec::new(), None);
    while ended.elapsed() < WATCHED && back.is_none() {
        let resident = target.memory()?.resident;
        afterwards.push((ended.elapsed().as_secs_f64(), resident));
        back = (resident < 2 * idle).then(|| ended.elapsed());
        tokio::time::sleep(LOOK).await;
    }
    let (refused, first_refusal) = (refusals.len(), refusals.into_iter().next());
    Ok(Storm { idle, peak: target.memory()?.peak, afterwards, back, refused, first_refusal })
}

/// Waits for one of the uploads; why it failed, if it did.
async fn next_refusal(running: &mut JoinSet<Result<Duration>>) -> Result<Option<String>> {
    match running.join_next().await {
        Some(Ok(outcome)) => Ok(outcome.err().map(|why| why.to_string())),
        Some(Err(why)) => Err(said(why.to_string())),
        None => Ok(None),
    }
}

/// How long one takes.
async fn upload(address: SocketAddr, request: Arc<Vec<u8>>) -> Result<Duration> {
    let mut connection = Connection::open(address).await?;
    let sent = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, connection.exchange(&request)).await;
    answer.map_err(|_| said(format!("no answer within {PATIENCE:?}")))??;
    Ok(sent.elapsed())
}

/// Uploads in turn: to the provider, through the gateway, through the gateway with a failover.
pub(crate) async fn uploads(gateway: &Gateway, upstream: &Upstream) -> Result<Uploads> {
    let (plain, failing) =
        (gateway.start(upstream, Policy::Metrics)?, gateway.start(upstream, Policy::FailsOver)?);
    let request = Arc::new(Asks::ours().chat(LARGE, false));
    let mut times: [Vec<u64>; 3] = [const { Vec::new() }; 3];
    for round in 0..=UPLOADS {
        let addresses = [upstream.fast, plain.address, failing.address];
        for (address, times) in addresses.into_iter().zip(&mut times) {
            let took = upload(address, Arc::clone(&request)).await?;
            // The first is to warm up.
            if round > 0 {
                times.push(nanos(took));
            }
        }
    }
    let mut connection = Connection::open(failing.address).await?;
    let head = connection.exchange(&request).await?;
    let attempts = header(head, "x-tollgate-attempts").unwrap_or("no count");
    if attempts != "2" {
        return Err(said(format!("a large request was to take 2 attempts and took {attempts}")));
    }
    let [direct, through, failing_over] = times.map(|mut times| {
        times.sort_unstable();
        Duration::from_nanos(percentile(&times, 500))
    });
    Ok(Uploads { direct, through, failing_over })
}
