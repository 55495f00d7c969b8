//! Bytes of a connection, passed to another server and back as they are.

use super::counted::Counted;
use crate::descriptors;
use crate::pool::Pool;
use pingora_core::protocols::Stream;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tollgate_expr::Traffic;

/// How long a connection may take that nobody says anything on.
pub const IDLE: Duration = Duration::from_secs(600);
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes that are held of each direction: a record of TLS.
const HELD: usize = 16 << 10;

/// A server that bytes are passed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassTarget {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A text that names no such server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is no server that bytes can be passed to: {why}; write tcp://HOST:PORT, HOST:PORT or a PORT"
)]
pub struct BadPassTarget {
    text: String,
    why: &'static str,
}

impl PassTarget {
    /// Reads `tcp://host:port`, `host:port`, or a port of this machine.
    ///
    /// # Errors
    /// Another scheme, a path, no host or no port.
    pub fn parse(text: &str) -> Result<Self, BadPassTarget> {
        let bad = |why| BadPassTarget { text: text.to_owned(), why };
        if let Ok(port) = text.parse::<u16>() {
            return Ok(Self { host: "127.0.0.1".to_owned(), port });
        }
        let address = match text.split_once("://") {
            Some(("tcp", address)) => address.strip_suffix('/').unwrap_or(address),
            Some(_) => return Err(bad("the scheme must be tcp")),
            None => text,
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(|| bad("it names no port"))?;
        let port = port.parse().map_err(|_| bad("its port is none"))?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) if host.parse::<std::net::Ipv6Addr>().is_ok() => host,
            Some(_) => return Err(bad("what is in brackets is no address of IPv6")),
            None if host.is_empty() => return Err(bad("it names no host")),
            None if host.contains([':', '/', '@', '?', '#', ' ']) => return Err(bad("its host is none")),
            None => host,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for PassTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{}", self.host, self.port)
    }
}

/// How a connection that was passed on ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides were done.
    Done,
    /// One of them broke off.
    Broken,
    /// Nobody said anything for too long.
    Idle,
}

/// How it ended, and how much went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// How it ended.
    pub end: End,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
}

/// A connection to a server.
#[derive(Debug)]
pub struct Reached {
    server: TcpStream,
    /// Which one it is, for the log.
    pub name: String,
}

/// Connects to one of the servers of a pool: the next, when one cannot be reached. The error says why there is none.
///
/// # Errors
/// None takes a connection, or none is healthy.
pub async fn reach(pool: &Pool) -> Result<Reached, String> {
    let mut tried: SmallVec<[usize; 4]> = SmallVec::new();
    let mut why = "none of them is healthy".to_owned();
    while let Some((index, member)) = pool.pick(&tried) {
        let to = &member.upstream;
        let connecting = async {
            let peers = to.target.peers().await.map_err(|fault| std::io::Error::other(fault.describe()))?;
            TcpStream::connect(peers.addresses().as_slice()).await
        };
        why = match timeout(CONNECT, connecting).await {
            Ok(Ok(server)) => {
                // A server that does not want it gets small writes late.
                let _ = server.set_nodelay(true);
                let name = PassTarget { host: to.host.clone(), port: to.port }.to_string();
                return Ok(Reached { server, name });
            }
            // Nothing that another server would make better, or that is this one's fault.
            Ok(Err(error)) if descriptors::are_used_up(&error) => return Err(error.to_string()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the server did not accept the connection in {CONNECT:?}"),
        };
        pool.unreachable(index);
        tried.push(index);
    }
    Err(why)
}

/// Passes a connection's bytes to a server and the server's back, each side's end included, until both have said that they
/// are done. `first` is what was read of the client already.
pub async fn pass(client: Stream, first: &[u8], reached: Reached) -> Passed {
    pass_within(client, first, reached.server, IDLE).await
}

async fn pass_within<S>(client: S, first: &[u8], mut server: TcpStream, idle: Duration) -> Passed
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let traffic = Arc::new(Traffic::default());
    let ended = |end| Passed { end, received: traffic.received(), sent: traffic.sent() };
    traffic.add_received(first.len() as u64);
    if server.write_all(first).await.is_err() {
        return ended(End::Broken);
    }
    let mut client = Counted::new(client, Arc::clone(&traffic));
    let end = tokio::select! {
        copied = copy_bidirectional_with_sizes(&mut client, &mut server, HELD, HELD) => {
            if copied.is_ok() { End::Done } else { End::Broken }
        }
        () = silence(&traffic, idle) => End::Idle,
    };
    ended(end)
}

/// Returns once nothing has gone through for `idle`, give or take a tenth.
async fn silence(traffic: &Traffic, idle: Duration) {
    const LOOKS: u32 = 10;
    let (mut before, mut same) = ((0, 0), 0);
    while same < LOOKS {
        tokio::time::sleep(idle / LOOKS).await;
        let now = (traffic.received(), traffic.sent());
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Monotonic;
    use crate::listener::PlainUpstream;
    use crate::pool::Member;
    use tokio::io::{AsyncReadExt, duplex};
    use tokio::net::TcpListener;

    #[test]
    fn servers_are_hosts_with_ports() {
        let read = |text: &str| PassTarget::parse(text).map(|target| target.to_string());
        for (text, expected) in [
            ("tcp://db.example:5432", "db.example:5432"),
            ("tcp://db.example:5432/", "db.example:5432"),
            ("10.0.0.1:22", "10.0.0.1:22"),
            ("tcp://[::1]:22", "[::1]:22"),
            ("5432", "127.0.0.1:5432"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected));
        }
        for (text, why) in [
            ("http://db.example:80", "scheme"),
            ("db.example", "port"),
            (":80", "no host"),
            ("::1:80", "host"),
            ("tcp://db.example:80/path", "port"),
            ("db.example:99999", "port"),
            ("[x]:80", "brackets"),
        ] {
            assert!(read(text).is_err_and(|wrong| wrong.to_string().contains(why)), "{text}");
        }
    }

    async fn server() -> (TcpListener, Pool) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        (listener, pool(&[port]))
    }

    fn pool(ports: &[u16]) -> Pool {
        let targets = crate::proxy::targets::Targets::default();
        let member = |port: &u16| {
            let url = format!("tcp://127.0.0.1:{port}");
            Member::new(PlainUpstream::of_bytes(&url, &targets).expect("a server"), &url, 1)
        };
        Pool::new(ports.iter().map(member).collect(), None, Arc::new(Monotonic::default()))
    }

    async fn through(client: tokio::io::DuplexStream, first: &[u8], pool: &Pool, idle: Duration) -> Passed {
        let reached = reach(pool).await.expect("a server");
        pass_within(client, first, reached.server, idle).await
    }

    #[tokio::test]
    async fn each_side_may_end_before_the_other() {
        let (listener, target) = server().await;
        let (mut client, inner) = duplex(64);
        let passing =
            tokio::spawn(async move { through(inner, b"he", &target, Duration::from_secs(60)).await });
        client.write_all(b"llo").await.expect("written");
        client.shutdown().await.expect("ended");
        let (mut behind, _) = listener.accept().await.expect("a connection");
        let mut heard = String::new();
        behind.read_to_string(&mut heard).await.expect("the end comes through");
        assert_eq!(heard, "hello");
        behind.write_all(b"still here").await.expect("written");
        drop(behind);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("read");
        assert_eq!(answer, "still here");
        let passed = passing.await.expect("no panic");
        assert_eq!(passed, Passed { end: End::Done, received: 5, sent: 10 });
    }

    #[tokio::test]
    async fn silence_ends_a_connection_and_traffic_keeps_it() {
        let (listener, target) = server().await;
        let (mut client, inner) = duplex(64);
        let idle = Duration::from_millis(800);
        let passing = tokio::spawn(async move { through(inner, b"", &target, idle).await });
        let (_behind, _) = listener.accept().await.expect("a connection");
        let began = std::time::Instant::now();
        for _ in 0..10 {
            client.write_all(b".").await.expect("still open");
            tokio::time::sleep(idle / 4).await;
        }
        let passed = passing.await.expect("no panic");
        assert_eq!((passed.end, passed.received), (End::Idle, 10));
        assert!(began.elapsed() >= idle * 2, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn the_next_server_is_taken_when_one_is_not_there() {
        let (gone, _) = server().await;
        let (here, _) = server().await;
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let ports = [port(&gone), port(&here)];
        drop(gone);
        let reached = reach(&pool(&ports)).await.expect("the second");
        assert_eq!(reached.name, format!("127.0.0.1:{}", port(&here)));
        drop(here);
        let why = reach(&pool(&ports)).await.expect_err("nobody is left");
        assert!(why.contains("refused"), "{why}");
    }
}
