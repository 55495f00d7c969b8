//! Load that does not wait for answers: requests are due at fixed times, and what a server keeps waiting counts from
//! when a request was due. A closed loop sends less while a server is slow, and so hides the worst of it.

use super::client::Connection;
use super::load::nanos;
use crate::failure::{Result, said};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(15);
/// A request that was due before the end may leave so much after it; how late it is counts.
const GRACE: Duration = Duration::from_millis(250);
/// Connections at most. More requests than that wait for one, and that wait counts.
const MOST: f64 = 256.0;
/// Each connection is used about so often in a second at least, so that no server closes it for being idle.
const USES: f64 = 4.0;

/// What one run gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    /// From when a request was due to the end of its answer, in nanoseconds; sorted. Of those that were due and not sent
    /// in time, to when that was seen.
    pub(crate) latencies: Vec<u64>,
    /// Requests that were still not sent at the end.
    pub(crate) unsent: u64,
    /// Requests that got no whole answer with status 200.
    pub(crate) errors: u64,
    /// What the first of them got.
    pub(crate) first_error: Option<String>,
}

impl Open {
    /// Adds another run at the same rate.
    pub(crate) fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
        self.unsent += other.unsent;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// When requests are due.
struct Schedule {
    started: Instant,
    rate: f64,
    until: Instant,
    next: AtomicU64,
}

impl Schedule {
    /// When the next request is due; `None` when the run is over.
    fn due(&self) -> Option<Instant> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^52 requests")]
        let due = self.started + Duration::from_secs_f64(number as f64 / self.rate);
        (due < self.until).then_some(due)
    }
}

/// Sends `rate` requests a second for `time`. Waits are as exact as the runtime's clock, a millisecond.
pub(crate) async fn run(address: SocketAddr, request: &[u8], rate: f64, time: Duration) -> Result<Open> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 4 and 256")]
    let connections = (rate / USES).clamp(4.0, MOST) as usize;
    let mut ready = Vec::with_capacity(connections);
    for _ in 0..connections {
        ready.push(Connection::open(address).await?);
    }
    let started = Instant::now();
    let schedule = Schedule { started, rate, until: started + time, next: AtomicU64::new(0) };
    let (schedule, request) = (Arc::new(schedule), Arc::new(request.to_vec()));
    let mut tasks = JoinSet::new();
    for connection in ready {
        tasks.spawn(serve(address, connection, Arc::clone(&schedule), Arc::clone(&request)));
    }
    let mut all = Open::default();
    while let Some(done) = tasks.join_next().await {
        all.merge(done.map_err(|why| said(why.to_string()))??);
    }
    Ok(all)
}

/// Sends what is due, one after the other.
async fn serve(
    address: SocketAddr,
    mut connection: Connection,
    schedule: Arc<Schedule>,
    request: Arc<Vec<u8>>,
) -> Result<Open> {
    let mut open = Open::default();
    while let Some(due) = schedule.due() {
        tokio::time::sleep_until(due.into()).await;
        if Instant::now() >= schedule.until + GRACE {
            open.unsent += 1;
            open.latencies.push(nanos(due.elapsed()));
            continue;
        }
        let answer = tokio::time::timeout(PATIENCE, connection.exchange(&request)).await;
        let failed = match answer {
            Ok(Ok(_)) => None,
            Ok(Err(why)) => Some(why.to_string()),
            Err(_) => Some(format!("no answer within {PATIENCE:?}")),
        };
        open.latencies.push(nanos(due.elapsed()));
        if let Some(why) = failed {
            open.errors += 1;
            open.first_error.get_or_insert(why);
            connection = Connection::open(address).await?;
        }
    }
    open.latencies.sort_unstable();
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::percentile;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// Answers at once, but for one pause after so many requests.
    async fn server(pause_after: usize, pause: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, gate) = (Arc::new(AtomicU64::new(0)), Arc::new(tokio::sync::RwLock::new(())));
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let (count, gate) = (Arc::clone(&count), Arc::clone(&gate));
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while tcp.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        if count.fetch_add(1, Ordering::Relaxed) == pause_after as u64 {
                            let _all_wait = gate.write().await;
                            tokio::time::sleep(pause).await;
                        }
                        drop(gate.read().await);
                        let _ = tcp.write_all(ANSWER).await;
                    }
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn a_pause_counts_for_everything_that_was_due_meanwhile() {
        let address = server(50, Duration::from_millis(400)).await;
        let request = b"GET / HTTP/1.1\r\n\r\n";
        let open = run(address, request, 200.0, Duration::from_secs(1)).await.unwrap();
        assert_eq!((open.errors, open.latencies.len()), (0, 200));
        // 80 of 200 were due in the pause; a closed loop over as many connections would have seen at most one each.
        let slow = open.latencies.iter().filter(|latency| **latency > 100_000_000).count();
        assert!(slow >= 40, "{slow} slow ones");
        assert!(percentile(&open.latencies, 1000) >= 300_000_000);
    }

    #[tokio::test]
    async fn an_answer_that_is_no_200_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    let _ = tcp.read(&mut buffer).await;
                    let _ = tcp.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await;
                });
            }
        });
        let open = run(address, b"GET / HTTP/1.1\r\n\r\n", 50.0, Duration::from_millis(200)).await.unwrap();
        assert!(open.errors > 0 && open.first_error.is_some_and(|why| why.contains("503")));
    }
}
