//! A client of raw bytes: HTTP/1.1 with keep-alive, and nothing that is not needed to know that an answer is whole.

use crate::failure::{Result, said};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What callers show at the door; also in the environment of the gateway that is measured.
pub(crate) const TOKEN: &str = "bench-token";
/// A prompt of a usual size, in bytes.
pub(crate) const SMALL: usize = 200;

/// What a server wants to see in a chat request.
#[derive(Clone, Debug)]
pub(crate) struct Asks {
    /// Beside `content-type` and `content-length`.
    pub(crate) headers: Vec<(String, String)>,
    /// Fields of the body that say which model is meant, as JSON.
    pub(crate) model: String,
}

impl Asks {
    /// What Tollgate gets, and the servers that pass it on unseen: two models, at two local providers.
    pub(crate) fn ours() -> Self {
        let model = r#""model":"openai:gpt-4o-mini","models":["openrouter:openai/gpt-4o-mini"]"#;
        Self { headers: vec![("authorization".into(), format!("Bearer {TOKEN}"))], model: model.into() }
    }

    /// The bytes of a chat request with a prompt of `prompt` bytes.
    pub(crate) fn chat(&self, prompt: usize, stream: bool) -> Vec<u8> {
        let text = "abcdefg ".repeat(prompt / 8);
        let body = format!(
            r#"{{{},"stream":{stream},"temperature":0.7,"messages":[{{"role":"user","content":"{text}"}}]}}"#,
            self.model
        );
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\n{headers}content-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body.into_bytes()].concat()
    }
}

/// One connection.
pub(crate) struct Connection {
    tcp: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads the whole answer, which must be a 200 with a length. Gives the answer's head.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.tcp.write_all(request).await?;
        let end = self.head().await?;
        let head = self.buffer.get(..end).unwrap_or_default();
        let length = header(head, "content-length").and_then(|value| value.parse::<usize>().ok());
        let length = length.ok_or_else(|| said("an answer came without a content-length"))?;
        while self.buffer.len() < end + length {
            self.more().await?;
        }
        Ok(self.buffer.get(..end).unwrap_or_default())
    }

    /// Sends a request and reads the head of the answer; gives what has come of its body.
    pub(crate) async fn begin(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        self.tcp.write_all(request).await?;
        let end = self.head().await?;
        Ok(self.buffer.split_off(end))
    }

    /// Sends a request and reads the status of the answer, whatever it is.
    pub(crate) async fn status(&mut self, request: &[u8]) -> Result<u16> {
        self.tcp.write_all(request).await?;
        self.buffer.clear();
        while !self.buffer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            self.more().await?;
        }
        let status = self.buffer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        status.ok_or_else(|| said("an answer began with no status"))
    }

    /// The next bytes as they come; empty at the end.
    pub(crate) async fn bytes(&mut self) -> Result<&[u8]> {
        self.buffer.clear();
        self.tcp.read_buf(&mut self.buffer).await?;
        Ok(&self.buffer)
    }

    async fn head(&mut self) -> Result<usize> {
        self.buffer.clear();
        loop {
            self.more().await?;
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                if self.buffer.starts_with(b"HTTP/1.1 200 ") {
                    return Ok(at + 4);
                }
                let shown = self.buffer.get(..300.min(self.buffer.len())).unwrap_or_default();
                return Err(said(format!(
                    "not a 200, so nothing was measured:\n{}",
                    String::from_utf8_lossy(shown)
                )));
            }
        }
    }

    async fn more(&mut self) -> Result<()> {
        match self.tcp.read_buf(&mut self.buffer).await? {
            0 => Err(said("the server closed the connection in the middle of an answer")),
            _ => Ok(()),
        }
    }
}

/// The value of a header in a head.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(head).ok()?;
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_fits_the_body_and_the_body_is_json() {
        let request = Asks::ours().chat(SMALL, true);
        let text = String::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(header(head.as_bytes(), "Content-Length").unwrap(), body.len().to_string());
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["models"][0], "openrouter:openai/gpt-4o-mini");
        assert_eq!(body["stream"], true);
    }
}
