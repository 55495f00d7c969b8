//! The provider of the benchmarks: one port that answers at once, one that streams slowly.

use crate::failure::Result;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use tollgate_mock::{Behaviour, FastServer, MockServer, Script};

/// Content events of a slow stream.
pub(crate) const EVENTS: usize = 30;
/// Milliseconds between two of them.
pub(crate) const PACE: u64 = 100;

/// Says both addresses on standard output, one a line, and serves until the process is ended.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let fast = FastServer::bind(free).await?;
        let words = Behaviour::chunks(std::iter::repeat_n("word ", EVENTS)).chunk_every_ms(PACE);
        let slow = MockServer::bind(free, Script::always(words)).await?;
        println!("{}\n{}", fast.addr(), slow.addr());
        std::io::stdout().flush()?;
        std::future::pending().await
    })
}
