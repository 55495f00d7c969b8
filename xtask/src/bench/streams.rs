//! Many slow streams at once: none may stall, and each event must come when it was sent.

use super::client::{Connection, SMALL};
use super::load::{nanos, percentile};
use super::servers::Target;
use super::upstream::{PACE, Paced};
use crate::failure::{Result, said};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A pause this long between two events is a stall.
pub(crate) const STALL: Duration = Duration::from_secs(1);
/// The end of a chunked body, which ends a stream here.
const END: &[u8] = b"0\r\n\r\n";

/// What the streams were like.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    /// How many were open at once.
    pub(crate) count: usize,
    /// The longest pause of any of them.
    pub(crate) worst_gap: Duration,
    /// Memory while all were open, less that before, for each, in KiB.
    pub(crate) memory_each: u64,
    /// Processor time of the server for an event, setting streams up included.
    pub(crate) cpu_an_event: Duration,
    /// From the request to the first content of each, in nanoseconds; sorted.
    pub(crate) first: Vec<u64>,
    /// Pauses between reads that brought something, in nanoseconds; sorted.
    pub(crate) gaps: Vec<u64>,
    /// Streams with a pause that was a stall.
    pub(crate) stalled: usize,
}

/// What one stream was like.
struct Read {
    first: Duration,
    gaps: Vec<Duration>,
}

/// The same as [`observe`], but a stall ends it.
pub(crate) async fn measure(target: &Target, count: usize) -> Result<Streams> {
    let streams = observe(target, count, Paced::Short).await?;
    if streams.stalled > 0 {
        return Err(said(format!("a stream stalled for {:?}", streams.worst_gap)));
    }
    Ok(streams)
}

/// Opens all, two in a millisecond, and reads all to their ends. A stream that breaks off or lacks an event is an error.
pub(crate) async fn observe(target: &Target, count: usize, kind: Paced) -> Result<Streams> {
    let (before, cpu) = (target.memory()?.resident, target.cpu()?);
    let request = target.asks.chat(SMALL, true);
    let mut streams = JoinSet::new();
    for opened in 0..count {
        streams.spawn(read(target.address, request.clone(), kind.events()));
        if opened % 2 == 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // In the middle of all of them.
    tokio::time::sleep(Duration::from_millis(PACE * u64::try_from(kind.events() / 2).unwrap_or(1))).await;
    let during = target.memory()?.resident;
    let (mut first, mut gaps, mut stalled) = (Vec::new(), Vec::new(), 0);
    while let Some(done) = streams.join_next().await {
        let read = done.map_err(|why| said(why.to_string()))??;
        first.push(nanos(read.first));
        stalled += usize::from(read.gaps.iter().any(|gap| *gap > STALL));
        gaps.extend(read.gaps.into_iter().map(nanos));
    }
    first.sort_unstable();
    gaps.sort_unstable();
    let of = u64::try_from(count.max(1)).unwrap_or(1);
    let events = u32::try_from(count * kind.events()).unwrap_or(u32::MAX).max(1);
    Ok(Streams {
        count,
        worst_gap: Duration::from_nanos(percentile(&gaps, 1000)),
        memory_each: during.saturating_sub(before) / of,
        cpu_an_event: target.cpu()?.saturating_sub(cpu) / events,
        first,
        gaps,
        stalled,
    })
}

/// Reads one stream.
async fn read(address: std::net::SocketAddr, request: Vec<u8>, events: usize) -> Result<Read> {
    let mut connection = Connection::open(address).await?;
    let sent = Instant::now();
    let mut all = connection.begin(&request).await?;
    let mut first = contains(&all, b"word ").then(|| sent.elapsed());
    let (mut last, mut gaps) = (Instant::now(), Vec::with_capacity(events));
    while !all.ends_with(END) {
        let from = all.len().saturating_sub(4);
        let bytes = connection.bytes().await?;
        if bytes.is_empty() {
            return Err(said("a stream broke off"));
        }
        all.extend_from_slice(bytes);
        gaps.push(last.elapsed());
        last = Instant::now();
        if first.is_none() && contains(all.get(from..).unwrap_or_default(), b"word ") {
            first = Some(sent.elapsed());
        }
    }
    let text = String::from_utf8_lossy(&all);
    let words = text.matches("word ").count();
    if words != events || !text.contains("data: [DONE]") {
        return Err(said(format!("a stream had {words} of {events} events, or no end mark")));
    }
    Ok(Read { first: first.unwrap_or_default(), gaps })
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}
