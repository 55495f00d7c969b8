//! Requests of HTTP/1.1, one after the other.

use super::{Act, Director, Heard, Played, hold, play};
use crate::io::{Meter, Wire};
use std::io;
use tokio::io::AsyncReadExt;

/// The longest request that is understood.
const MOST: usize = 64 << 20; // 64 MiB

/// Serves a connection until one side ends it.
pub(super) async fn serve(mut wire: Wire, meter: &Meter, director: &dyn Director) -> io::Result<()> {
    let mut seen = Vec::with_capacity(4096);
    let mut before = 0;
    loop {
        let Some((length, steps)) = request(&mut wire, &mut seen, before, director).await? else {
            return Ok(());
        };
        match play(&mut wire, &steps, meter).await? {
            Played::Through => {
                seen.drain(..length.min(seen.len()));
                before += 1;
            }
            Played::Ended => return Ok(()),
            Played::Holding => {
                hold(&mut wire).await;
                return Ok(());
            }
        }
    }
}

/// Reads as much of a request as the director needs; gives its length and what is done. `None` when the other side
/// has left.
async fn request(
    wire: &mut Wire,
    seen: &mut Vec<u8>,
    before: u64,
    director: &dyn Director,
) -> io::Result<Option<(usize, Vec<super::Step>)>> {
    let mut head_end = None;
    loop {
        if head_end.is_none() {
            head_end = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4);
        }
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(seen.get(..end).unwrap_or_default()).into_owned();
            let length = end + content_length(&head);
            let whole = seen.len() >= length;
            let body = seen.get(end..length.min(seen.len())).unwrap_or_default();
            let heard = Heard { head: &head, body, whole, before, stream: None };
            if let Act::Play(_, steps) = director.heard(&heard) {
                return Ok(Some((length, steps)));
            }
            if !whole {
                // The head decided nothing, so the whole body is needed.
                let missing = length - seen.len();
                if length > MOST {
                    return Ok(None);
                }
                let start = seen.len();
                seen.resize(length, 0);
                wire.read_exact(seen.get_mut(start..start + missing).unwrap_or_default()).await?;
                continue;
            }
            return Ok(None);
        }
        if seen.len() > MOST || wire.read_buf(seen).await? == 0 {
            return Ok(None);
        }
    }
}

fn content_length(head: &str) -> usize {
    let value = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    };
    head.lines().find_map(value).unwrap_or(0)
}
