//! `make chaos`: thousands of requests over providers that do everything wrong, each judged.
//!
//! What happens in a request is a function of the seed and the request's number (`plan.rs`); what may come of it is written
//! down without a look at the gateway (`expect.rs`). A client checks every byte (`client.rs`, `read.rs`, `oracle.rs`), the providers
//! check what they are sent, and afterwards the gateway must hold no more than before.

mod answers;
mod client;
mod dice;
mod expect;
mod gateway;
mod oracle;
mod plan;
mod providers;
mod read;
mod report;
mod settle;

use crate::failure::{Result, said};
use crate::step::{self, Done};
use crate::workspace::{built, cache};
use clap::Args;
use client::{Connection, End, Got};
use gateway::Gateway;
use oracle::{Clocks, Wrong, judge};
use plan::{PROVIDERS, Plan};
use providers::Providers;
use report::Totals;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests before the first count of what the gateway holds: what is made once has been made then.
const WARM_UP: u64 = 60;
/// Of so many requests one may have been late because the machine was busy, if it goes well alone.
const LATE_ONE_IN: u64 = 10;

/// What to run.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Decides everything that happens
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many requests
    #[arg(long, default_value_t = 20_000)]
    requests: u64,
    /// How many at the same time
    #[arg(long, default_value_t = 48)]
    clients: u64,
    /// Only this request, to look into a failure
    #[arg(long)]
    only: Option<u64>,
    /// The gateway's clocks for an attempt, in milliseconds
    #[arg(long, default_value_t = 2000)]
    clock_ms: u64,
    /// The gateway's binary; the debug build if not given
    #[arg(long, env = "TOLLGATE_BIN")]
    binary: Option<PathBuf>,
    /// Writes the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The short run of `make test`.
pub(crate) fn step(binary: &Path) -> Result<Done> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["chaos", "--seed", "7", "--requests", "600", "--clients", "32"])
        .env("TOLLGATE_BIN", binary);
    step::whole("faults of providers", &mut command, 600)
}

/// Runs everything, prints the figures, and fails when anything was wrong.
pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(Box::pin(chaos(options)))
}

/// What all clients of a run share.
struct Run {
    options: Options,
    clocks: Clocks,
    providers: Providers,
    gateway: Gateway,
    next: AtomicU64,
    /// Requests that reached the gateway.
    sent: AtomicU64,
    totals: Mutex<Totals>,
    late: Mutex<Vec<(u64, String)>>,
}

async fn chaos(options: &Options) -> Result<()> {
    let started = Instant::now();
    let attempt = Duration::from_millis(options.clock_ms);
    let clocks = Clocks { attempt, total: attempt * 5 / 2 };
    let providers = Providers::start(options.seed).await?;
    // It runs in another folder.
    let binary = options.binary.as_deref().map(std::path::absolute).transpose()?;
    let binary = binary.unwrap_or_else(|| built("debug", "tollgate"));
    // Runs at the same time do not share one.
    let folder = cache(&format!("chaos/{}", std::process::id()))?;
    let gateway = Gateway::start(&binary, &folder, &providers.urls, &providers.trust(), clocks)?;
    let run = Arc::new(Run {
        options: options.clone(),
        clocks,
        providers,
        gateway,
        next: AtomicU64::new(0),
        sent: AtomicU64::new(0),
        totals: Mutex::default(),
        late: Mutex::default(),
    });
    if let Some(only) = options.only {
        run.one(only, &mut None).await;
    } else {
        // The plans of the warm-up are those behind the last request.
        for number in options.requests..options.requests + WARM_UP {
            run.one(number, &mut None).await;
        }
    }
    let before = settle::quiet(&run.gateway).await?;
    if options.only.is_none() {
        run.everything().await;
        run.again().await;
    }
    let run = Arc::into_inner(run).ok_or_else(|| said("a client did not end"))?;
    report::finish(run, before, started, &folder).await?;
    // After a failure the policy and the log stay, to be looked at.
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

impl Run {
    /// All requests, by so many clients.
    async fn everything(self: &Arc<Self>) {
        let clients = (0..self.options.clients).map(|_| {
            let run = Arc::clone(self);
            tokio::spawn(async move {
                let mut kept = None;
                loop {
                    let number = run.next.fetch_add(1, Ordering::SeqCst);
                    if number >= run.options.requests {
                        return;
                    }
                    run.one(number, &mut kept).await;
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            // A panic of the harness is a failure of the run.
            if let Err(why) = client.await {
                self.totals().wrong.push((u64::MAX, why.to_string()));
            }
        }
    }

    /// Those that may only have been late, once more and alone.
    async fn again(&self) {
        let late = std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner));
        let most = self.options.requests / LATE_ONE_IN + 5;
        if late.len() as u64 > most {
            let shown: Vec<String> = late.iter().take(5).map(|(n, why)| format!("{n}: {why}")).collect();
            let what = format!("{} requests were late, {most} may be: {}", late.len(), shown.join("; "));
            self.totals().wrong.push((u64::MAX, what));
        }
        for (number, why) in late.iter().take(usize::try_from(most).unwrap_or(0)) {
            self.providers.book.forget(*number);
            let (plan, got) = self.ask(*number, &mut None).await;
            match self.judged(&plan, &got) {
                Ok(_) => {
                    let mut totals = self.totals();
                    totals.late += 1;
                    totals.late_because.push(format!("{number}: {why}"));
                }
                Err(Wrong::Surely(again) | Wrong::Perhaps(again)) => {
                    self.totals()
                        .wrong
                        .push((*number, self.told(&plan, &got, &format!("{why}; alone: {again}"))));
                }
            }
        }
    }

    /// One request, judged and counted.
    async fn one(&self, number: u64, kept: &mut Option<Connection>) {
        let (plan, got) = self.ask(number, kept).await;
        let judged = self.judged(&plan, &got);
        self.totals().count(&plan, &got, judged.as_ref().ok().copied());
        if self.options.only.is_some() {
            println!("{}", self.told(&plan, &got, &format!("{judged:?}")));
        }
        match judged {
            Ok(_) => {}
            Err(Wrong::Perhaps(why)) if self.options.only.is_none() => {
                self.late.lock().unwrap_or_else(PoisonError::into_inner).push((number, why));
            }
            Err(Wrong::Surely(why) | Wrong::Perhaps(why)) => {
                let told = self.told(&plan, &got, &why);
                self.totals().wrong.push((number, told));
            }
        }
    }

    async fn ask(&self, number: u64, kept: &mut Option<Connection>) -> (Plan, Got) {
        let plan = Plan::of(self.options.seed, number);
        let models: Vec<String> = plan.candidates.iter().map(|c| model(c.provider)).collect();
        let prompt = answers::prompt(number, plan.prompt_length);
        let body = answers::request(plan.surface, plan.stream, &models, &prompt);
        let path = plan.surface.path();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: chaos\r\ncontent-type: application/json\r\nx-chaos: {number}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let usable = kept.take().filter(|connection| plan.keeps && connection.is_quiet());
        let connection = match usable {
            Some(connection) => Ok(connection),
            None => Connection::open(self.gateway.address).await,
        };
        let connection = match connection {
            Ok(connection) => connection,
            Err(why) => {
                let end = End::Malformed(format!("no connection to the gateway: {why}"));
                let got = Got {
                    status: 0,
                    headers: vec![],
                    body: vec![],
                    raw: vec![],
                    end,
                    took: Duration::ZERO,
                    before: vec![],
                };
                return (plan, got);
            }
        };
        self.sent.fetch_add(1, Ordering::SeqCst);
        let most = self.clocks.total + self.clocks.attempt * 2 + Duration::from_secs(20);
        let (got, rest) = connection.exchange(&head, &body, plan.client, most).await;
        *kept = rest;
        if let Some(kept) = kept {
            kept.before.push(number);
        }
        (plan, got)
    }

    fn judged(&self, plan: &Plan, got: &Got) -> std::result::Result<oracle::Outcome, Wrong> {
        let seen = |at: usize| {
            let provider = plan.candidates.get(at).map_or(usize::MAX, |candidate| candidate.provider);
            let seen = self.providers.book.seen(plan.number, provider);
            // Streams share a connection only there; one that never came was queued on a connection that ended.
            let shared = PROVIDERS.get(provider).is_some_and(|(_, kind)| matches!(kind, plan::Kind::Two(_)));
            shared && (seen.broken_off || seen.times == 0)
        };
        judge(plan, got, self.clocks, seen)
    }

    /// Everything that is known of a request that went wrong.
    fn told(&self, plan: &Plan, got: &Got, why: &str) -> String {
        let mut text = format!("request {} of seed {}: {why}\n", plan.number, self.options.seed);
        text.push_str(&format!(
            "  {:?} stream={} pieces={}x{} prompt={} {:?} keeps={}\n",
            plan.surface,
            plan.stream,
            plan.pieces,
            plan.piece_length,
            plan.prompt_length,
            plan.client,
            plan.keeps
        ));
        for candidate in &plan.candidates {
            let id = PROVIDERS.get(candidate.provider).map_or("", |(id, _)| *id);
            let seen = self.providers.book.seen(plan.number, candidate.provider);
            text.push_str(&format!("  {id}: {:?} dice={} {seen:?}\n", candidate.fault, candidate.dice));
        }
        let raw = String::from_utf8_lossy(&got.raw);
        let tail: String = raw.chars().rev().take(700).collect::<Vec<_>>().into_iter().rev().collect();
        let head: String = raw.chars().take(600).collect();
        text.push_str(&format!(
            "  got {} {:?} after {:?}, {} bytes (on the connection before: {:?}):\n{head}\n  ...\n{tail}\n",
            got.status,
            got.end,
            got.took,
            got.raw.len(),
            got.before
        ));
        text
    }

    fn totals(&self) -> std::sync::MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn model(provider: usize) -> String {
    format!("{}:m", PROVIDERS.get(provider).map_or("", |(id, _)| *id))
}
