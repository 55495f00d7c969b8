//! The first message of a TLS client, read before anything is answered.

use super::ja4::ja4;
use rustls::server::{Accepted, Acceptor};
use std::io::ErrorKind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The most bytes of a hello, records included: what rustls takes of one message. Real ones have one or two thousand.
const LONGEST: usize = 64 << 10;
/// The most bytes of one record (RFC 8446, section 5.1), with some room for padding of odd clients.
const LONGEST_RECORD: usize = (1 << 14) + 256;
/// The content type of records with handshake messages (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// A client's hello.
pub struct Hello {
    /// The bytes as they came: whole records, and nothing beyond the one that the hello ends in.
    pub raw: Vec<u8>,
    /// The server's name that the client asks for, in small letters, without a dot at its end; empty for none.
    pub sni: String,
    /// Its fingerprint; empty when it has none.
    pub ja4: String,
    /// What a handshake goes on from.
    pub accepted: Accepted,
}

/// Why there is no hello.
#[derive(Debug, thiserror::Error)]
pub enum NoHello {
    /// The client went without having sent anything: a probe, usually.
    #[error("the client left before it had sent anything")]
    Silent,
    /// The client went in the middle of it.
    #[error("the client left in the middle of its hello")]
    Gone,
    /// Something else than TLS, such as a request of plain HTTP.
    #[error("what the client sent is not TLS")]
    NotTls,
    /// Longer than any real one.
    #[error("the hello has more than {LONGEST} bytes")]
    TooLong,
    /// A hello that breaks the rules of TLS; the client was told.
    #[error("a hello that cannot be accepted: {0}")]
    Refused(rustls::Error),
}

/// Reads a hello, and not a byte more than the records it is in. Takes as long as the client does: put a limit on it.
///
/// # Errors
/// See [`NoHello`]. A client that spoke TLS has been sent an alert.
pub async fn read<S>(stream: &mut S) -> Result<Hello, NoHello>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut acceptor = Acceptor::default();
    let (mut raw, mut message) = (Vec::with_capacity(2048), Vec::with_capacity(2048));
    loop {
        let mut head = [0; 5];
        fill(stream, &mut head, raw.is_empty()).await?;
        let [kind, major, _minor, high, low] = head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if kind != HANDSHAKE || major != 3 || length > LONGEST_RECORD {
            return Err(NoHello::NotTls);
        }
        if raw.len() + head.len() + length > LONGEST {
            return Err(NoHello::TooLong);
        }
        let mut body = vec![0; length];
        fill(stream, &mut body, false).await?;
        let accepted = offer(&mut acceptor, stream, &[&head, &body]).await?;
        raw.extend_from_slice(&head);
        raw.extend_from_slice(&body);
        message.append(&mut body);
        if let Some(accepted) = accepted {
            let sni = accepted.client_hello().server_name().unwrap_or_default().to_ascii_lowercase();
            let sni = sni.trim_end_matches('.').to_owned();
            return Ok(Hello { raw, sni, ja4: ja4(&message).unwrap_or_default(), accepted });
        }
    }
}

/// Gives a record to rustls; a hello when it was the last of one.
async fn offer<S>(
    acceptor: &mut Acceptor,
    stream: &mut S,
    parts: &[&[u8]],
) -> Result<Option<Accepted>, NoHello>
where
    S: AsyncWrite + Unpin,
{
    for part in parts {
        let mut rest: &[u8] = part;
        while !rest.is_empty() {
            if acceptor.read_tls(&mut rest).is_err() {
                return Err(NoHello::TooLong);
            }
        }
    }
    let (error, mut alert) = match acceptor.accept() {
        Ok(accepted) => return Ok(accepted),
        Err(refused) => refused,
    };
    let mut said = Vec::new();
    if alert.write_all(&mut said).is_ok() {
        // Whoever sends such a hello may be gone; that is no other error.
        let _ = stream.write_all(&said).await;
        let _ = stream.flush().await;
    }
    Err(NoHello::Refused(error))
}

async fn fill<S>(stream: &mut S, buffer: &mut [u8], first: bool) -> Result<(), NoHello>
where
    S: AsyncRead + Unpin,
{
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest).await {
            Ok(0) if first && filled == 0 => return Err(NoHello::Silent),
            Ok(0) => return Err(NoHello::Gone),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(NoHello::Gone),
        }
    }
    Ok(())
}
