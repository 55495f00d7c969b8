//! Many slow streams at once: none may stall, and each event must come when it was sent.

use super::client::{Connection, SMALL, chat_request};
use super::servers::Target;
use super::upstream::{EVENTS, PACE};
use crate::failure::{Result, said};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A pause this long between two events is a stall.
const STALL: Duration = Duration::from_secs(1);
/// The end of a chunked body, which ends a stream here.
const END: &[u8] = b"0\r\n\r\n";

/// What the streams were like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    /// How many were open at once.
    pub(crate) count: usize,
    /// The longest pause of any of them.
    pub(crate) worst_gap: Duration,
    /// Memory while all were open, less that before, for each, in KiB.
    pub(crate) memory_each: u64,
    /// Processor time of the server for an event, setting streams up included.
    pub(crate) cpu_an_event: Duration,
}

/// Opens all, reads all to their ends.
pub(crate) async fn measure(target: &Target, count: usize) -> Result<Streams> {
    let (before, cpu) = (target.memory()?.resident, target.cpu()?);
    let mut streams = JoinSet::new();
    for _ in 0..count {
        streams.spawn(read(target.address));
    }
    // In the middle of all of them.
    tokio::time::sleep(Duration::from_millis(PACE * u64::try_from(EVENTS / 2).unwrap_or(1))).await;
    let during = target.memory()?.resident;
    let mut worst_gap = Duration::ZERO;
    while let Some(done) = streams.join_next().await {
        worst_gap = worst_gap.max(done.map_err(|why| said(why.to_string()))??);
    }
    if worst_gap > STALL {
        return Err(said(format!("a stream stalled for {worst_gap:?}")));
    }
    let of = u64::try_from(count.max(1)).unwrap_or(1);
    let events = u32::try_from(count * EVENTS).unwrap_or(u32::MAX).max(1);
    let cpu_an_event = target.cpu()?.saturating_sub(cpu) / events;
    Ok(Streams { count, worst_gap, memory_each: during.saturating_sub(before) / of, cpu_an_event })
}

/// Reads one stream; gives its longest pause.
async fn read(address: SocketAddr) -> Result<Duration> {
    let mut connection = Connection::open(address).await?;
    let mut all = connection.begin(&chat_request(SMALL, true)).await?;
    let (mut last, mut worst) = (Instant::now(), Duration::ZERO);
    while !all.ends_with(END) {
        let bytes = connection.bytes().await?;
        if bytes.is_empty() {
            return Err(said("a stream broke off"));
        }
        all.extend_from_slice(bytes);
        worst = worst.max(last.elapsed());
        last = Instant::now();
    }
    let text = String::from_utf8_lossy(&all);
    let words = text.matches("word ").count();
    if words != EVENTS || !text.contains("data: [DONE]") {
        return Err(said(format!("a stream had {words} of {EVENTS} events, or no end mark")));
    }
    Ok(worst)
}
