//! The providers of the soak test, and a server that echoes what comes over a WebSocket, in a process of their own.

use crate::failure::Result;
use std::io::Write;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate_mock::{Behaviour, Fault, MockServer, Rule, Script};

/// Content events of a stream, and milliseconds between them.
pub(crate) const EVENTS: usize = 40;
const PACE: u64 = 25;
/// What the mock remembers of requests is of no use here, and some have 20 MiB.
const FORGET: Duration = Duration::from_millis(500);
/// The answer to the key of RFC 6455, section 1.3, which is the key that is sent.
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Says both addresses on standard output, one a line, and serves until the process is ended.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mock = MockServer::start(script()).await?;
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}\n{}", mock.addr(), echo.local_addr()?);
        std::io::stdout().flush()?;
        tokio::spawn(async move {
            while let Ok((tcp, _)) = echo.accept().await {
                tokio::spawn(echoed(tcp));
            }
        });
        loop {
            tokio::time::sleep(FORGET).await;
            mock.clear_requests();
        }
    })
}

/// What is asked for is said by the beginning of the path: `/fail`, `/refuse`, `/cut`, or anything else.
fn script() -> Script {
    let rule = |path: &str, answer: Behaviour| Rule {
        path: Some(path.to_owned()),
        answers: vec![answer],
        ..Rule::default()
    };
    Script::always(Behaviour::chunks(std::iter::repeat_n("word ", EVENTS)).chunk_every_ms(PACE))
        .rule(rule("/fail/*", Behaviour::status(503)))
        .rule(rule("/refuse/*", Behaviour::status(400)))
        .rule(rule("/cut/*", Behaviour::fault(Fault::CutAfterChunks(3))))
}

async fn echoed(mut tcp: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if tcp.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    tcp.write_all(SWITCHED).await?;
    let (mut read, mut write) = tcp.split();
    tokio::io::copy(&mut read, &mut write).await?;
    Ok(())
}
