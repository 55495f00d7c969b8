//! A client that behaves while another does not: does the gateway still serve it?

use super::http::Ask;
use super::soon;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Sends one request after the other, each on a connection of its own.
pub(crate) struct Neighbour {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Figures>,
}

/// What a neighbour has seen.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) requests: usize,
    /// The median, and the time within which 99 of 100 were answered.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Neighbour {
    pub(crate) fn start(to: SocketAddr, ask: Ask) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut took = Vec::new();
            while took.len() < 20 || stopped.try_recv().is_err() {
                let began = Instant::now();
                let answer = soon(ask.clone().send(to)).await;
                assert!(answer.status == 200 && answer.whole, "{}: {}", answer.status, answer.text());
                took.push(began.elapsed());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            took.sort();
            let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
            Figures { requests: took.len(), p50: at(50), p99: at(99) }
        });
        Self { stop, task }
    }

    /// Ends it; every request was answered, and in useful time. `during` names the figures that are printed.
    pub(crate) async fn served(self, during: &str) -> Figures {
        let _ = self.stop.send(());
        let figures = soon(self.task).await.expect("every request is answered");
        println!(
            "{during}: {} requests of a neighbour, p50 {:.1} ms, p99 {:.1} ms",
            figures.requests,
            figures.p50.as_secs_f64() * 1e3,
            figures.p99.as_secs_f64() * 1e3
        );
        // Generous: other tests run at the same time.
        assert!(figures.p99 < Duration::from_secs(5), "{during}: {figures:?}");
        figures
    }
}
