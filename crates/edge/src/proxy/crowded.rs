//! What becomes of a connection when too many are open already.

use crate::answer::ERROR_CODE_HEADER;
use crate::listener::Protocol;
use crate::load::Load;
use pingora_core::protocols::Stream;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Time for telling a client, and for reading away what it is sending: else the answer would be lost with the reset.
const TELLING: Duration = Duration::from_secs(1);
/// Bytes that are read away.
const READ_AWAY: u64 = 64 << 10;
/// What a client is told that cannot be asked what it speaks: this body is an error for clients of OpenAI's and of
/// Anthropic's API.
const BODY: &str = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"code\":\"ERR_NGROK_27220\",\"param\":null,\
                    \"message\":\"Too many connections; try again (ERR_NGROK_27220)\"}}";

/// Closes it. Of clients that speak HTTP without TLS, a few at a time are told why; a handshake for the others would cost
/// more than a request.
pub(super) async fn turn_away(mut stream: Stream, protocol: Protocol, load: &Load) {
    if protocol != Protocol::Http {
        return;
    }
    let Some(_told) = load.tell() else { return };
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\n\
         {ERROR_CODE_HEADER}: ERR_NGROK_27220\r\nconnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    let telling = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
        AsyncWriteExt::shutdown(&mut stream).await?;
        tokio::io::copy(&mut stream.take(READ_AWAY), &mut tokio::io::sink()).await
    };
    // Whether it has read the answer is its own matter.
    let _ = tokio::time::timeout(TELLING, telling).await;
}
