//! `make soak`: mixed traffic for as long as wanted, and whether anything rises that must not.

mod gateway;
mod judge;
mod report;
mod secure;
mod traffic;
mod upstream;

use crate::bench::load::{nanos, percentile};
use crate::bench::process::Process;
use crate::bench::report::{exact, mib};
use crate::failure::{Result, said};
use crate::workspace::{built, cache, root};
use clap::Args;
use gateway::Gateway;
use judge::Series;
use report::Outcome;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use traffic::{Lane, Turn, World};

pub(crate) use upstream::serve as serve_upstream;

/// How often is looked, and over how long a latency is one point.
const LOOK: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(5);
/// The policy is written anew so often.
const RELOAD: Duration = Duration::from_secs(20);
/// After so long at the end nothing may be under way.
const DRAIN: Duration = Duration::from_secs(60);
/// What can be judged.
const SHORTEST: Duration = Duration::from_secs(240);
/// Wrong turns that are shown.
const SHOWN: usize = 10;

/// How long, and where to.
#[derive(Args)]
pub(crate) struct Options {
    /// Minutes of traffic
    #[arg(long, env = "SOAK_MINUTES", default_value_t = 10.0)]
    minutes: f64,
    /// The gateway's build
    #[arg(long, default_value = "release")]
    profile: String,
    /// Write docs/performance/soak.json, .md and .svg
    #[arg(long)]
    docs: bool,
}

/// Runs the traffic, and fails when something is wrong or rises.
pub(crate) fn run(options: &Options) -> Result<()> {
    let time = Duration::try_from_secs_f64(options.minutes * 60.0)
        .map_err(|why| said(format!("--minutes {}: {why}", options.minutes)))?;
    if time < SHORTEST {
        return Err(said(
            "less than four minutes cannot be judged, for two of them are to warm up: --minutes 4",
        ));
    }
    let folder = cache("soak")?;
    let (_providers, provider, echo) = providers()?;
    let mut gateway = Gateway::start(&built(&options.profile, "tollgate"), &folder, provider, echo)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{:.1} minutes of mixed traffic", options.minutes);
    let mut outcome = runtime.block_on(soak(&mut gateway, time, &options.profile))?;
    outcome.judge();
    let text = report::markdown(&outcome);
    println!("\n{text}");
    fs::write(folder.join("soak.json"), serde_json::to_string_pretty(&outcome.json())? + "\n")?;
    if options.docs {
        let docs = root().join("docs/performance");
        fs::create_dir_all(&docs)?;
        fs::copy(folder.join("soak.json"), docs.join("soak.json"))?;
        fs::write(docs.join("soak.md"), &text)?;
        fs::write(docs.join("soak.svg"), crate::plot::svg(&report::plots(&outcome)))?;
        println!("written to {}", docs.display());
    }
    let wrong = outcome.wrong();
    if wrong.is_empty() { Ok(()) } else { Err(said(wrong.join("\n"))) }
}

/// Starts the providers and the echo.
fn providers() -> Result<(Process, SocketAddr, SocketAddr)> {
    let mut child =
        Command::new(std::env::current_exe()?).arg("soak-upstream").stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or_else(|| said("the providers have no output"))?;
    let process = Process::running(child);
    let mut lines = BufReader::new(output).lines();
    let mut next = || -> Result<SocketAddr> {
        let line = lines.next().ok_or_else(|| said("the providers ended"))??;
        line.parse().map_err(|_| said(format!("the providers said {line}")))
    };
    Ok((process, next()?, next()?))
}

async fn soak(gateway: &mut Gateway, time: Duration, profile: &str) -> Result<Outcome> {
    let world = World::new(gateway)?;
    let (sender, mut turns) = tokio::sync::mpsc::unbounded_channel();
    for (lane, many, pause) in Lane::ALL {
        for _ in 0..many {
            let pause = Duration::from_millis(pause);
            tokio::spawn(traffic::run(lane, pause, world.clone(), sender.clone()));
        }
    }
    drop(sender);
    let mut outcome = Outcome::new(time, profile);
    let started = Instant::now();
    let (mut window, mut windowed) = (Vec::new(), started);
    let (mut reloaded, mut reloads) = (started, 0);
    let mut ticks = tokio::time::interval(LOOK);
    while started.elapsed() < time {
        ticks.tick().await;
        if let Some(status) = gateway.process.ended()? {
            return Err(said(format!("the gateway ended: {status}")));
        }
        let at = started.elapsed().as_secs_f64();
        drain(&mut turns, &mut window, &mut outcome);
        outcome.look(at, gateway)?;
        if windowed.elapsed() >= WINDOW {
            outcome.latency(at, &mut window);
            windowed = Instant::now();
        }
        if reloaded.elapsed() >= RELOAD {
            gateway.reload()?;
            (reloaded, reloads) = (Instant::now(), reloads + 1);
        }
    }
    world.end();
    let ended = Instant::now();
    // The senders end with their lanes.
    while let Ok(Some(turn)) = tokio::time::timeout(DRAIN.saturating_sub(ended.elapsed()), turns.recv()).await
    {
        outcome.count(turn);
    }
    drop(world);
    outcome.reloads = (reloads, gateway.metric("tollgate_reloads_total{result=\"ok\"}").unwrap_or(0.0));
    outcome.failed_reloads = gateway.metric("tollgate_reloads_total{result=\"error\"}").unwrap_or(0.0);
    while ended.elapsed() < DRAIN {
        outcome.left = gateway.metric("tollgate_requests_in_flight")?;
        if outcome.left == 0.0 {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    outcome.after_mib = mib(gateway.process.memory()?.resident);
    Ok(outcome)
}

/// Takes what has come since.
fn drain(turns: &mut UnboundedReceiver<Turn>, window: &mut Vec<u64>, outcome: &mut Outcome) {
    while let Ok(turn) = turns.try_recv() {
        if turn.lane == Lane::Plain && turn.wrong.is_none() {
            window.push(nanos(turn.took));
        }
        outcome.count(turn);
    }
}

impl Outcome {
    fn count(&mut self, turn: Turn) {
        let (good, wrong) = self.turns.entry(turn.lane).or_default();
        match turn.wrong {
            None => *good += 1,
            Some(why) => {
                *wrong += 1;
                if self.errors.len() < SHOWN {
                    self.errors.push(format!("{}: {why}", turn.lane.name()));
                }
            }
        }
    }

    fn look(&mut self, at: f64, gateway: &Gateway) -> Result<()> {
        let process = &gateway.process;
        self.add("memory", at, mib(process.memory()?.resident));
        self.add("descriptors", at, exact(process.descriptors()?));
        self.add("threads", at, exact(process.threads()?));
        self.add("in flight", at, gateway.metric("tollgate_requests_in_flight")?);
        Ok(())
    }

    fn latency(&mut self, at: f64, window: &mut Vec<u64>) {
        window.sort_unstable();
        if !window.is_empty() {
            self.add("latency p50", at, exact(percentile(window, 500)) / 1e6);
            self.add("latency p99", at, exact(percentile(window, 990)) / 1e6);
        }
        window.clear();
    }

    fn add(&mut self, what: &'static str, at: f64, value: f64) {
        self.series.entry(what).or_default().push((at, value));
    }
}

/// All series by name.
pub(crate) type AllSeries = BTreeMap<&'static str, Series>;
/// Turns of each lane: those that went well, and others.
pub(crate) type Turns = BTreeMap<Lane, (u64, u64)>;
