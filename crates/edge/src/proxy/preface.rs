//! Which version of HTTP a client without TLS speaks: HTTP/2 with prior knowledge begins with a preface (RFC 9113, section
//! 3.4).
//!
//! Pingora would wait for as many bytes as the preface has, so a shorter request would never be answered, and a client that
//! says little would be waited for without end. Here the first byte that differs decides.

use super::counted::Counted;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as Socket;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// What a client that speaks HTTP/2 says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a new connection turned out to be.
pub(super) enum Spoken {
    /// HTTP/1.
    One(Stream),
    /// HTTP/2, or a stream whose beginning cannot be looked at.
    Two(Stream),
    /// The client left.
    Nothing,
    /// The client took too long.
    Late,
}

/// Reads as much as it takes to know. What was read is there to be read again. A client may say nothing, or no more than a
/// part of the preface, for as long as the head of a request may take.
pub(super) async fn spoken(stream: Stream, longest: Duration) -> Spoken {
    if stream.as_any().is::<Counted<Stream>>() {
        let Ok(counted) = stream.into_any().downcast::<Counted<Stream>>() else { return Spoken::Nothing };
        let (inner, traffic) = counted.into_parts();
        let counted = |inner| -> Stream { Box::new(Counted::new(inner, Arc::clone(&traffic))) };
        // What is read here is read once more later, and counted then.
        return match Box::pin(spoken(inner, longest)).await {
            Spoken::One(inner) => Spoken::One(counted(inner)),
            Spoken::Two(inner) => Spoken::Two(counted(inner)),
            other => other,
        };
    }
    if !stream.as_any().is::<Socket>() {
        return Spoken::Two(stream);
    }
    let Ok(mut socket) = stream.into_any().downcast::<Socket>() else { return Spoken::Nothing };
    let mut said = [0; PREFACE.len()];
    let mut length = 0;
    let reading = async {
        while let Some(rest) = said.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match socket.read(rest).await {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(_) => return false,
            }
            if said.get(..length) != PREFACE.get(..length) {
                break;
            }
        }
        true
    };
    match pingora_timeout::timeout(longest, reading).await {
        Ok(true) if length > 0 => {}
        Ok(_) => return Spoken::Nothing,
        Err(_) => return Spoken::Late,
    }
    socket.rewind(said.get(..length).unwrap_or_default());
    if said == *PREFACE { Spoken::Two(socket) } else { Spoken::One(socket) }
}
