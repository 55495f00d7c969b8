//! Amazon's binary event stream (`application/vnd.amazon.eventstream`) as server-sent events.
//!
//! A message is: its length, the length of its headers, a CRC-32 of these two, the headers, the payload, and a CRC-32
//! of all before it; numbers are big-endian (Amazon Transcribe developer guide, "Event stream encoding"). Bedrock's
//! `converse-stream` sends one event in each message: `:event-type` or `:exception-type` names it, the payload is JSON.

#[cfg(test)]
mod tests;

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use thiserror::Error;

/// A message longer than this (bytes) is refused: the format's own limit of a payload is 16 MiB.
pub const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;
/// Headers longer than this (bytes) are refused: the format's own limit.
const HEADERS_LIMIT: usize = 128 * 1024;
/// Lengths and their checksum, in bytes.
const PRELUDE: usize = 12;
/// Bytes of a checksum.
const CHECKSUM: usize = 4;

static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// Why a stream cannot be read. The provider, or the way to it, is to blame. A stream that had one is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EventStreamError {
    /// A message or its headers are longer than allowed, or shorter than they can be.
    #[error("a message of the event stream has an impossible length")]
    Length,
    /// The bytes are not those that were sent.
    #[error("a message of the event stream has a wrong checksum")]
    Checksum,
    /// Headers that are cut off, of a type nobody knows, or without the event's name.
    #[error("a message of the event stream has broken headers")]
    Headers,
    /// The stream ended within a message.
    #[error("the event stream was cut off within a message")]
    Truncated,
}

/// Decodes one stream, however it is cut.
#[derive(Debug, Default)]
pub struct EventStreamDecoder {
    /// What came of a message that is not whole yet.
    rest: Vec<u8>,
    failed: Option<EventStreamError>,
}

impl EventStreamDecoder {
    /// Takes the next bytes; each message that is whole is appended to `out` as a server-sent event, `event: <type>` and
    /// one line of `data:`. A message of the type `error` becomes an event of that name, with the shape of OpenAI's
    /// errors.
    ///
    /// # Errors
    /// See [`EventStreamError`]. The messages before the broken one are in `out`; nothing comes after it.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EventStreamError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        // Mostly, bytes come as whole messages, and need not be copied.
        if self.rest.is_empty() {
            let (read, result) = read_all(bytes, out);
            self.rest.extend_from_slice(bytes.get(read..).unwrap_or_default());
            self.failed = result.err();
        } else {
            self.rest.extend_from_slice(bytes);
            let (read, result) = read_all(&self.rest, out);
            self.rest.drain(..read);
            self.failed = result.err();
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// [`EventStreamError::Truncated`] within a message; the error there was before.
    pub fn finish(&self) -> Result<(), EventStreamError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.rest.is_empty() => Ok(()),
            None => Err(EventStreamError::Truncated),
        }
    }
}

/// Encodes an event as Bedrock sends it: for scripted providers and tests. Names are at most 64 KiB.
#[must_use]
pub fn encode(event_type: &str, payload: &[u8]) -> Vec<u8> {
    let content_type = (":content-type", "application/json");
    message(&[(":event-type", event_type), content_type, (":message-type", "event")], payload)
}

/// Encodes an exception in the middle of a stream, such as `throttlingException`.
#[must_use]
pub fn encode_exception(exception_type: &str, payload: &[u8]) -> Vec<u8> {
    let content_type = (":content-type", "application/json");
    message(&[(":exception-type", exception_type), content_type, (":message-type", "exception")], payload)
}

/// Writes all messages that are whole; says how many bytes they have.
fn read_all(bytes: &[u8], out: &mut Vec<u8>) -> (usize, Result<(), EventStreamError>) {
    let mut at = 0;
    loop {
        let (message, length) = match Message::read(bytes.get(at..).unwrap_or_default()) {
            Ok(Some(read)) => read,
            Ok(None) => return (at, Ok(())),
            Err(error) => return (at, Err(error)),
        };
        if let Err(error) = message.write(out) {
            return (at, Err(error));
        }
        at += length;
    }
}

/// One message.
#[derive(Debug, PartialEq)]
struct Message<'m> {
    headers: &'m [u8],
    payload: &'m [u8],
}

/// What the headers say.
#[derive(Debug, Default)]
struct Names<'m> {
    message_type: Option<&'m str>,
    event_type: Option<&'m str>,
    exception_type: Option<&'m str>,
    error_code: Option<&'m str>,
    error_message: Option<&'m str>,
}

impl<'m> Message<'m> {
    /// The message at the beginning of `bytes` and its length; `None` if more bytes are needed.
    fn read(bytes: &'m [u8]) -> Result<Option<(Self, usize)>, EventStreamError> {
        let Some((prelude, _)) = bytes.split_at_checked(PRELUDE) else { return Ok(None) };
        // Before the lengths are believed: a wrong one would be waited for.
        checked(prelude)?;
        let length = number(prelude, 0)?;
        let headers = number(prelude, 4)?;
        let least = PRELUDE + headers + CHECKSUM;
        if headers > HEADERS_LIMIT || length < least || length > MESSAGE_LIMIT {
            return Err(EventStreamError::Length);
        }
        let Some((message, _)) = bytes.split_at_checked(length) else { return Ok(None) };
        let body = checked(message)?.get(PRELUDE..).unwrap_or_default();
        let (headers, payload) = body.split_at_checked(headers).ok_or(EventStreamError::Length)?;
        Ok(Some((Self { headers, payload }, length)))
    }

    /// Writes it as a server-sent event.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), EventStreamError> {
        let names = self.names()?;
        let name = match names.message_type {
            Some("exception") => names.exception_type,
            Some("error") => {
                names.write_error(out);
                return Ok(());
            }
            _ => names.event_type.or(names.exception_type),
        };
        let name = name.filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        let name = name.ok_or(EventStreamError::Headers)?;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        if self.payload.is_empty() {
            // No payload is an object without members.
            out.extend_from_slice(b"{}");
        }
        // Line ends in JSON are white space: within a text they are escaped.
        out.extend(self.payload.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        out.extend_from_slice(b"\n\n");
        Ok(())
    }

    fn names(&self) -> Result<Names<'m>, EventStreamError> {
        let mut names = Names::default();
        let mut rest = self.headers;
        while !rest.is_empty() {
            let (name, value, behind) = header(rest).ok_or(EventStreamError::Headers)?;
            rest = behind;
            let place = match name {
                b":message-type" => &mut names.message_type,
                b":event-type" => &mut names.event_type,
                b":exception-type" => &mut names.exception_type,
                b":error-code" => &mut names.error_code,
                b":error-message" => &mut names.error_message,
                _ => continue,
            };
            let text = value.map(std::str::from_utf8).transpose().map_err(|_| EventStreamError::Headers)?;
            *place = Some(text.ok_or(EventStreamError::Headers)?);
        }
        Ok(names)
    }
}

impl Names<'_> {
    fn write_error(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: {\"error\":{\"message\":");
        let message = self.error_message.unwrap_or("the provider gave no reason");
        out.extend_from_slice(crate::json::quoted(message).as_bytes());
        if let Some(code) = self.error_code {
            out.extend_from_slice(b",\"code\":");
            out.extend_from_slice(crate::json::quoted(code).as_bytes());
        }
        out.extend_from_slice(b"}}\n\n");
    }
}

/// What stands before the checksum at the end of `bytes`, if that is right.
fn checked(bytes: &[u8]) -> Result<&[u8], EventStreamError> {
    let (covered, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(EventStreamError::Length)?;
    let right = CRC.checksum(covered) == u32::from_be_bytes(*sum);
    right.then_some(covered).ok_or(EventStreamError::Checksum)
}

/// A length: four bytes at `at`.
fn number(bytes: &[u8], at: usize) -> Result<usize, EventStreamError> {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or(EventStreamError::Length)?;
    usize::try_from(u32::from_be_bytes(*four)).map_err(|_| EventStreamError::Length)
}

/// Name, value and what follows.
type Header<'m> = (&'m [u8], Option<&'m [u8]>, &'m [u8]);

/// The first header of `bytes`: its name, its value if that is a text, and what follows.
fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let (fixed, rest) = match kind {
        // true, false
        0 | 1 => (0, rest),
        // byte, short, integer, long, timestamp, UUID
        2 => (1, rest),
        3 => (2, rest),
        4 => (4, rest),
        5 | 8 => (8, rest),
        9 => (16, rest),
        // bytes, text
        6 | 7 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(fixed)?;
    Some((name, (*kind == 7).then_some(value), rest))
}

/// A message with headers that are texts. What is longer than the format can say is cut.
fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        let name = name.get(..usize::from(u8::MAX)).unwrap_or(name).as_bytes();
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value).as_bytes();
        head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.extend_from_slice(name);
        head.push(7);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        head.extend_from_slice(value);
    }
    let length = PRELUDE + head.len() + payload.len() + CHECKSUM;
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&CRC.checksum(&out).to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    out.extend_from_slice(&CRC.checksum(&out).to_be_bytes());
    out
}
