//! A client of HTTP/2 that sends frames as they are (RFC 9113), for what no library would send.

use super::soon;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// `SETTINGS_INITIAL_WINDOW_SIZE`
const WINDOW: u16 = 4;

/// A connection on which a test writes what frames it likes.
pub(crate) struct RawFrames {
    tcp: TcpStream,
    seen: Vec<u8>,
}

/// A frame that the other side has sent.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The head of a request, as HPACK writes it without any table (RFC 7541, section 6.2.2).
pub(crate) fn request_head(method: &str, path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    let fields = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "gateway"),
        ("content-type", "application/json"),
    ];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

impl RawFrames {
    /// A connection that takes answers as they come.
    pub(crate) async fn open(to: SocketAddr) -> Self {
        Self::start(to, &[]).await
    }

    /// A connection whose streams have no window: nothing of a body can be sent on them.
    pub(crate) async fn without_window(to: SocketAddr) -> Self {
        let mut setting = WINDOW.to_be_bytes().to_vec();
        setting.extend(0_u32.to_be_bytes());
        Self::start(to, &setting).await
    }

    async fn start(to: SocketAddr, settings: &[u8]) -> Self {
        let tcp = TcpStream::connect(to).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut this = Self { tcp, seen: Vec::new() };
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, settings));
        assert!(this.write(&bytes).await);
        this
    }

    /// Writes bytes, as far as the other side takes them. False: it has closed.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        soon(self.tcp.write_all(bytes)).await.is_ok()
    }

    /// Writes the same bytes so many times and reads nothing. True: the other side has closed in the middle of it.
    pub(crate) async fn flood(&mut self, bytes: &[u8], times: usize) -> bool {
        for _ in 0..times {
            if !self.write(bytes).await {
                return true;
            }
        }
        false
    }

    /// The next frame; `None` when the other side has closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        while self.seen.len() < 9 || self.seen.len() < 9 + self.length() {
            if !matches!(soon(self.tcp.read_buf(&mut self.seen)).await, Ok(n) if n > 0) {
                return None;
            }
        }
        let rest = self.seen.split_off(9 + self.length());
        let bytes = std::mem::replace(&mut self.seen, rest);
        let stream = u32::from_be_bytes(bytes[5..9].try_into().unwrap());
        Some(Frame { kind: bytes[3], stream, payload: bytes[9..].to_vec() })
    }

    fn length(&self) -> usize {
        usize::from(self.seen[0]) << 16 | usize::from(self.seen[1]) << 8 | usize::from(self.seen[2])
    }

    /// Reads to the end of the connection. The code of the last GOAWAY, if there was one.
    pub(crate) async fn closed(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                code = Some(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()));
            }
        }
        code
    }

    /// Reads until a PING is answered; false: the other side has closed.
    pub(crate) async fn answers_ping(&mut self) -> bool {
        while let Some(frame) = self.next().await {
            if frame.kind == PING {
                return true;
            }
        }
        false
    }

    /// Reads until a stream is reset by the other side.
    pub(crate) async fn reset(&mut self, stream: u32) -> bool {
        while let Some(frame) = self.next().await {
            if frame.kind == RST_STREAM && frame.stream == stream {
                return true;
            }
        }
        false
    }
}
