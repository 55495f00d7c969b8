//! The provider of the benchmarks: one port that answers at once, two that stream slowly.

use crate::failure::Result;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tollgate_mock::{Behaviour, FastServer, MockServer, Script};

/// Milliseconds between two events.
pub(crate) const PACE: u64 = 100;
/// What the mocks remember of requests is of no use here.
const FORGET: Duration = Duration::from_secs(1);

/// Streams of two lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paced {
    /// Three seconds.
    Short,
    /// Ten seconds: long enough that thousands are open at once.
    Long,
}

impl Paced {
    /// Content events of such a stream.
    pub(crate) fn events(self) -> usize {
        match self {
            Self::Short => 30,
            Self::Long => 100,
        }
    }

    async fn server(self) -> std::io::Result<MockServer> {
        let words = Behaviour::chunks(std::iter::repeat_n("word ", self.events())).chunk_every_ms(PACE);
        MockServer::start(Script::always(words)).await
    }
}

/// Says all addresses on standard output, one a line, and serves until the process is ended.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let fast = FastServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let (short, long) = (Paced::Short.server().await?, Paced::Long.server().await?);
        println!("{}\n{}\n{}", fast.addr(), short.addr(), long.addr());
        std::io::stdout().flush()?;
        loop {
            tokio::time::sleep(FORGET).await;
            short.clear_requests();
            long.clear_requests();
        }
    })
}
