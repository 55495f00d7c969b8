//! Answers that HTTP libraries refuse to write, written byte by byte.

use crate::handle::RawAnswer;
use crate::io::Wire;
use tokio::io::AsyncWriteExt;

/// Writes the bytes and ends the connection.
pub(crate) async fn write(mut wire: Wire, mut raw: RawAnswer) {
    let sent = async {
        wire.write_all(&raw.bytes).await?;
        wire.flush().await?;
        wire.shutdown().await
    };
    if sent.await.is_ok() {
        raw.exchange.finish();
    }
}
