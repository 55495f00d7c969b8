//! A client that takes nothing for granted: every byte of the framing is checked.

use super::plan::Client;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest head that usual clients take.
const MOST_HEAD: usize = 64 * 1024;

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its framing says that it is complete.
    Whole,
    /// The connection ended within it.
    Broken,
    /// The client left, as planned.
    Left,
    /// It breaks a rule of HTTP.
    Malformed(String),
    /// Nothing came, or not the end, in all the time there is.
    Hung,
}

/// What a client got.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// All bytes, head and framing too.
    pub(crate) raw: Vec<u8>,
    pub(crate) end: End,
    pub(crate) took: Duration,
    /// Requests that were answered on the same connection before.
    pub(crate) before: Vec<u64>,
}

impl Got {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A connection of a client, with what came behind the last answer.
pub(crate) struct Connection {
    tcp: TcpStream,
    /// Everything that came since the request was sent.
    seen: Vec<u8>,
    at: usize,
    slow: bool,
    stop_at: usize,
    /// Requests that were answered on it.
    pub(crate) before: Vec<u64>,
}

/// Why reading stopped.
enum Stop {
    Eof,
    Left,
    Malformed(String),
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, seen: Vec::new(), at: 0, slow: false, stop_at: usize::MAX, before: Vec::new() })
    }

    /// Sends a request and reads its answer as this client does, within a time. Gives the connection back when it can
    /// be used again.
    pub(crate) async fn exchange(
        mut self,
        head: &str,
        body: &[u8],
        client: Client,
        most: Duration,
    ) -> (Got, Option<Self>) {
        let started = Instant::now();
        (self.seen, self.at) = (Vec::new(), 0);
        self.slow = client == Client::ReadsSlowly;
        let mut leaves = None;
        self.stop_at = usize::MAX;
        match client {
            Client::LeavesAt(bytes, reset) => (self.stop_at, leaves) = (bytes, Some(reset)),
            Client::LeavesAfter(_, reset) => leaves = Some(reset),
            _ => {}
        }
        let limit = match client {
            Client::LeavesAfter(time, _) => time,
            _ => most,
        };
        let mut answer = (0, Vec::new(), Vec::new());
        let talk = async {
            // The gateway may answer early and close: then writing fails, and the answer is there to be read.
            let _ = self.tcp.write_all(&[head.as_bytes(), body].concat()).await;
            self.answer(&mut answer).await
        };
        let end = match tokio::time::timeout(limit, talk).await {
            Err(_) if matches!(client, Client::LeavesAfter(..)) => End::Left,
            Err(_) => End::Hung,
            Ok(Ok(())) => End::Whole,
            Ok(Err(Stop::Eof)) => End::Broken,
            Ok(Err(Stop::Left)) => End::Left,
            Ok(Err(Stop::Malformed(why))) => End::Malformed(why),
        };
        if end == End::Left && leaves == Some(true) {
            let _ = self.tcp.set_zero_linger();
        }
        let (status, headers, body) = answer;
        let mut got = Got {
            status,
            headers,
            body,
            raw: self.seen.clone(),
            end,
            took: started.elapsed(),
            before: self.before.clone(),
        };
        let closes = got.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let stays = got.end == End::Whole && !closes;
        if stays && self.seen.len() > self.at {
            got.end = End::Malformed(format!("{} bytes behind the answer", self.seen.len() - self.at));
        }
        (got, stays.then_some(self))
    }

    /// Whether bytes came, or the end, although nothing was asked.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut one = [0];
        matches!(self.tcp.try_read(&mut one), Err(why) if why.kind() == std::io::ErrorKind::WouldBlock)
    }

    async fn answer(&mut self, answer: &mut (u16, Vec<(String, String)>, Vec<u8>)) -> Result<(), Stop> {
        loop {
            let head = self.head().await?;
            let (status, headers) = parse(&head).map_err(Stop::Malformed)?;
            (answer.0, answer.1) = (status, headers);
            // 101 is none of the others of its kind.
            if !(100..200).contains(&status) || status == 101 {
                break;
            }
        }
        let all = |name: &str| -> Vec<&str> {
            answer.1.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
        };
        let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
        if matches!(answer.0, 204 | 304) {
            return Ok(());
        }
        match (lengths.as_slice(), codings.as_slice()) {
            ([length], []) => {
                let length = length.parse().map_err(|_| bad(format!("content-length: {length}")))?;
                while answer.2.len() < length {
                    let part = self.part(length - answer.2.len()).await?;
                    answer.2.extend(part);
                }
                Ok(())
            }
            ([], ["chunked"]) => self.chunks(&mut answer.2).await,
            other => Err(bad(format!("framing: {other:?}"))),
        }
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> Result<(), Stop> {
        loop {
            let line = self.line().await?;
            let size =
                usize::from_str_radix(&line, 16).map_err(|_| bad(format!("a chunk size: {line:?}")))?;
            let mut left = size;
            while left > 0 {
                let part = self.part(left).await?;
                left -= part.len();
                body.extend(part);
            }
            let end = self.line().await?;
            if !end.is_empty() {
                return Err(bad(format!("behind a chunk: {end:?}")));
            }
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn head(&mut self) -> Result<String, Stop> {
        let start = self.at;
        loop {
            let seen = self.seen.get(start..).unwrap_or_default();
            if let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                self.at = start + end + 4;
                let head = seen.get(..end).unwrap_or_default().to_vec();
                return String::from_utf8(head).map_err(|_| bad("a head that is no text".to_owned()));
            }
            if seen.len() > MOST_HEAD {
                return Err(bad(format!("a head of more than {MOST_HEAD} bytes")));
            }
            self.more().await?;
        }
    }

    /// A line without its end; it has to end in CRLF.
    async fn line(&mut self) -> Result<String, Stop> {
        loop {
            let seen = self.seen.get(self.at..).unwrap_or_default();
            if let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
                let line = seen.get(..end).unwrap_or_default();
                let text = line.strip_suffix(b"\r").map(|line| String::from_utf8_lossy(line).into_owned());
                self.at += end + 1;
                return text.ok_or_else(|| bad("a line without CR".to_owned()));
            }
            if seen.len() > 1024 {
                return Err(bad("a line without end".to_owned()));
            }
            self.more().await?;
        }
    }

    /// Up to so many bytes.
    async fn part(&mut self, most: usize) -> Result<Vec<u8>, Stop> {
        if self.at == self.seen.len() {
            self.more().await?;
        }
        let seen = self.seen.get(self.at..).unwrap_or_default();
        let part = seen.get(..most.min(seen.len())).unwrap_or_default().to_vec();
        self.at += part.len();
        Ok(part)
    }

    async fn more(&mut self) -> Result<(), Stop> {
        if self.seen.len() >= self.stop_at {
            return Err(Stop::Left);
        }
        let room = if self.slow { 512 } else { 64 * 1024 };
        let mut buffer = vec![0; room];
        match self.tcp.read(&mut buffer).await {
            Ok(count) if count > 0 => self.seen.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            _ => return Err(Stop::Eof),
        }
        // Slow at first only: a long answer would take minutes.
        if self.slow && self.seen.len() < 8 * 1024 {
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        Ok(())
    }
}

fn bad(why: String) -> Stop {
    Stop::Malformed(why)
}

/// A status line and header fields (RFC 9112, sections 4 and 5).
fn parse(head: &str) -> Result<(u16, Vec<(String, String)>), String> {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|s| s.parse().ok());
    let status = status.ok_or_else(|| format!("a status line: {first:?}"))?;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("a header line: {line:?}"))?;
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let value = value.trim_matches([' ', '\t']);
        if name.is_empty()
            || !name.bytes().all(token)
            || value.bytes().any(|b| b < 0x20 && b != b'\t' || b == 0x7f)
        {
            return Err(format!("a header: {line:?}"));
        }
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Ok((status, headers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn got(answer: &'static [u8]) -> End {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let _ = tcp.read(&mut [0; 100]).await;
            let _ = tcp.write_all(answer).await;
        });
        let connection = Connection::open(address).await.unwrap();
        connection.exchange("GET / HTTP/1.1\r\n\r\n", b"", Client::Reads, Duration::from_secs(9)).await.0.end
    }

    #[tokio::test]
    async fn only_what_the_rfc_allows_is_whole() {
        for good in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..],
            b"HTTP/1.1 103 Hint\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.1 204 No\r\n\r\n",
        ] {
            assert_eq!(got(good).await, End::Whole);
        }
        for broken in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        ] {
            assert_eq!(got(broken).await, End::Broken);
        }
        for bad in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok!"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
        ] {
            assert!(matches!(got(bad).await, End::Malformed(_)), "{}", String::from_utf8_lossy(bad));
        }
    }
}
