//! What the black-box tests share: the binary as a process, clients that send whatever a test wants, and
//! providers that do whatever a test wants.

mod dialects;
mod echo;
mod frames;
mod gateway;
mod http;
mod idp;
mod keys;
mod mmdb;
mod neighbour;
mod policy;
mod raw;
mod recorder;
mod tls;
mod upstream;
mod world;

pub(crate) use dialects::{Client, Counts, Got, Named, Say, Turn, events, gemini_chunks};
pub(crate) use echo::EchoServer;
pub(crate) use frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, RawFrames, SETTINGS, frame,
    request_head,
};
pub(crate) use gateway::{Builder, Exit, Gateway, command, run, run_with};
pub(crate) use http::{Answer, Ask, Reply, get, post, post_bytes};
pub(crate) use idp::{Browser, Idp, SECRET};
pub(crate) use keys::{Key, b64, openssl};
pub(crate) use mmdb::{Mmdb, city, system};
pub(crate) use neighbour::Neighbour;
pub(crate) use policy::{
    ANTHROPIC_KEY, KEY_ONE, KEY_TWO, OPENROUTER_KEY, ai_gateway, anthropic, custom, merge, mock, names,
    openai, openrouter, prompt, two_providers, two_tiers, without_health,
};
pub(crate) use raw::RawConnection;
pub(crate) use recorder::{Recorded, Recorder};
pub(crate) use tls::{Authority, Certificate, TlsClient};
pub(crate) use upstream::{RawUpstream, Then};
pub(crate) use world::{CHATTY, CLAUDE, GEMINI, PROVIDERS, Provider, RESPY, ROUTED, World, providers};

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

/// Waiting may not last: a test fails instead. Generous, because the machine may be busy.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("this should have happened by now")
}

/// The words of a panic, in place of the panic: so that a table's later rows are tried too.
pub(crate) async fn caught(work: impl Future<Output = ()>) -> Result<(), String> {
    let mut work = Box::pin(work);
    std::future::poll_fn(|cx| {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work.as_mut().poll(cx)));
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
                std::task::Poll::Ready(Err(text.unwrap_or_default()))
            }
        }
    })
    .await
}

/// An address of this machine on which nobody listens: bound for as long as the tests run, so that nobody else is
/// given it.
pub(crate) fn nobody() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap(); // a test may listen there later
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}
