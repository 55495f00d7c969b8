//! Waiting until the gateway has nothing to do.

use super::gateway::{Gateway, Held};
use crate::failure::{Result, said};
use std::time::{Duration, Instant};

/// Requests that clients left end with their attempts, at the latest.
const PATIENCE: Duration = Duration::from_secs(60);
/// From one look to the next.
const BEAT: Duration = Duration::from_millis(200);
/// Resident memory may be so much higher afterwards, in KiB: what an allocator keeps of a storm.
const MEMORY: u64 = 64 * 1024;

/// Waits until no request is in flight; gives what is held then.
pub(crate) async fn quiet(gateway: &Gateway) -> Result<Held> {
    let until = Instant::now() + PATIENCE;
    loop {
        let held = gateway.held().await?;
        if held.in_flight == 0 && held.buffered == 0 {
            return Ok(held);
        }
        if Instant::now() > until {
            return Err(said(format!("the gateway does not come to rest: {held:?}")));
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// Waits until no more is held than before; gives what is held then, and what is too much of it.
pub(crate) async fn back_to(gateway: &Gateway, before: Held) -> Result<(Held, Vec<String>)> {
    let until = Instant::now() + PATIENCE;
    loop {
        let held = gateway.held().await?;
        let wrong = more_than(held, before);
        if wrong.is_empty() || Instant::now() > until {
            return Ok((held, wrong));
        }
        tokio::time::sleep(BEAT).await;
    }
}

fn more_than(held: Held, before: Held) -> Vec<String> {
    let figures = [
        ("requests in flight", held.in_flight, 0),
        ("bytes of buffered bodies", held.buffered, 0),
        ("sockets", held.sockets, before.sockets),
        ("file descriptors", held.files, before.files),
        ("threads", held.threads, before.threads + 1),
        ("KiB of memory", held.memory_kib, before.memory_kib + MEMORY),
    ];
    let over = figures.into_iter().filter(|(_, now, most)| now > most);
    over.map(|(what, now, most)| format!("{now} {what}, {most} at most expected")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_behind_is_named() {
        let before = Held { sockets: 8, files: 20, threads: 5, memory_kib: 50_000, ..Held::default() };
        assert!(more_than(before, before).is_empty());
        let leaky = Held { sockets: 9, memory_kib: 150_000, in_flight: 1, ..before };
        assert_eq!(more_than(leaky, before).len(), 3);
    }
}
