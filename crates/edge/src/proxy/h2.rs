//! What a client may do on a connection of HTTP/2. Every bound is said here, also where it is the library's own: a new
//! version of it changes nothing then.

use crate::limits::Limits;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use std::time::Duration;

/// Bytes that may come before somebody reads them: 1 MiB a stream, 4 MiB a connection. Pingora's 64 KiB throttles uploads.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Bytes of answers held for a stream that the client does not read.
const SEND_BUFFER: usize = 256 << 10;
/// Requests at once on a connection (RFC 9113, section 5.1.2, wants no less).
const STREAMS: u32 = 100;
/// Streams that the client has reset before anybody took them; one more ends the connection (CVE-2023-44487).
const RESET_BEFORE_TAKEN: usize = 20;
/// Streams that were reset here and are remembered for [`REMEMBERED`], as frames for them may still come.
const RESET_HERE: usize = 50;
const REMEMBERED: Duration = Duration::from_secs(1);
/// Streams that were reset here because the client broke the rules; one more ends the connection (CVE-2025-8671).
const RESET_FOR_FAULTS: usize = 100;

/// The settings of connections of a listener. How many frames a head may have in CONTINUATION follows from the length of
/// heads (CVE-2024-27983), and a connection ends by itself at the 100th empty frame of a body.
#[must_use]
pub fn options(limits: &Limits) -> H2Options {
    let mut options = default_h2_options();
    options
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.max_headers).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESET_BEFORE_TAKEN)
        .max_concurrent_reset_streams(RESET_HERE)
        .reset_stream_duration(REMEMBERED)
        .max_local_error_reset_streams(Some(RESET_FOR_FAULTS));
    options
}
