//! `make bench-peers`: nginx, Tollgate, Portkey's gateway and LiteLLM's proxy, in turn, against one local provider, and
//! Tollgate against what it promises of large bodies and of many streams.
//!
//! An error at the lowest load ends the run, and nothing is written: numbers of errors are no numbers. A server that cannot
//! hold a higher one is shown as not holding it.

mod heavy;
mod markdown;
mod outcome;
mod servers;
mod verdicts;

use super::client::SMALL;
use super::load::{self, Cell};
use super::machine;
use super::open;
use super::process::Memory;
use super::servers::{Gateway, Policy, Target, Upstream, nginx, upstream};
use super::streams;
use super::upstream::Paced;
use super::{CONNECTIONS, SETTLE};
use crate::failure::{Result, said};
use crate::workspace::{built, cache, root};
use clap::Args;
use outcome::{Lane, Level, Outcome};
use servers::Peers;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Parts of what each server does at most, at which requests come whether it is ready or not.
const SHARES: [f64; 8] = [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// Load before anything is measured: connections open, caches fill, code is compiled.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long a server is left alone before its memory after the load is read.
const CALM: Duration = Duration::from_secs(10);
/// Streams that every server must be able to carry.
const FEW: usize = 20;

/// How much to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Times every server is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Streams open at once through Tollgate and nginx
    #[arg(long, default_value_t = 2000)]
    streams: usize,
    /// The gateway's build; `debug` is good for trying the benchmark, not for numbers
    #[arg(long, default_value = "release")]
    profile: String,
    /// Write docs/performance/peers.json, .md and .svg
    #[arg(long)]
    docs: bool,
    /// Write the numbers to this file as well
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Measures everything, prints it, and writes it where it is wanted.
pub(crate) fn run(options: &Options) -> Result<()> {
    enough_descriptors(options.streams)?;
    let peers = Peers::install()?;
    let gateway = Gateway { program: built(&options.profile, "tollgate"), folder: cache("bench")? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    machine::pin_load_generator();
    let upstream = upstream()?;
    let bench = Bench { options, peers: &peers, gateway: &gateway, runtime: &runtime, upstream: &upstream };
    let mut outcome = Outcome::new(options.rounds, options.seconds, &options.profile, peers.versions()?);
    bench.requests(&mut outcome)?;
    bench.few_streams(&mut outcome)?;
    bench.many_streams(&mut outcome)?;
    println!("a storm of large bodies, and memory afterwards");
    for start in bench.servers(upstream.fast) {
        let target = start()?;
        std::thread::sleep(SETTLE);
        outcome.storms.push((target.name, runtime.block_on(heavy::storm(&target))?));
    }
    println!("large bodies that fail over");
    outcome.uploads = Some(runtime.block_on(heavy::uploads(&gateway, &upstream))?);
    let text = markdown::whole(&outcome);
    println!("\n{text}");
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&outcome.json())? + "\n")?;
    }
    if options.docs {
        let folder = root().join("docs/performance");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("peers.json"), serde_json::to_string_pretty(&outcome.json())? + "\n")?;
        fs::write(folder.join("peers.md"), text)?;
        fs::write(folder.join("peers.svg"), crate::plot::svg(&markdown::plots(&outcome)))?;
        println!("written to {}", folder.display());
    }
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    peers: &'a Peers,
    gateway: &'a Gateway,
    runtime: &'a Runtime,
    upstream: &'a Upstream,
}

/// Starts a server.
type Start<'a> = Box<dyn Fn() -> Result<Target> + 'a>;

impl Bench<'_> {
    /// All servers in front of one of the provider's addresses.
    fn servers(&self, upstream: std::net::SocketAddr) -> [Start<'_>; 4] {
        let streams = upstream == self.upstream.slow;
        let policy = if streams { Policy::Streams } else { Policy::Metrics };
        [
            Box::new(move || nginx(&self.gateway.folder, upstream, !streams)),
            Box::new(move || self.gateway.start(self.upstream, policy)),
            Box::new(move || self.peers.portkey_gateway(upstream)),
            Box::new(move || self.peers.litellm(upstream)),
        ]
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.options.seconds)
    }

    /// Latency, throughput, processor time and memory under small requests.
    fn requests(&self, outcome: &mut Outcome) -> Result<()> {
        println!("starting the servers");
        let mut targets = vec![Target::direct(self.upstream.fast)];
        for start in self.servers(self.upstream.fast) {
            targets.push(start()?);
        }
        std::thread::sleep(SETTLE);
        for target in &targets {
            outcome.lanes.push(Lane { idle: target.memory()?, ..Lane::new(target.name) });
            self.closed(target, 32, WARM_UP)?;
        }
        for round in 1..=self.options.rounds {
            println!("closed loop, round {round} of {}", self.options.rounds);
            for connections in CONNECTIONS {
                for (target, lane) in targets.iter().zip(&mut outcome.lanes) {
                    let cell = self.closed(target, connections, self.time())?;
                    lane.loaded = lane.loaded.max(target.memory()?.resident);
                    lane.cells.push(cell);
                }
            }
        }
        for lane in &mut outcome.lanes {
            let most = lane.row(32).per_second;
            lane.levels = SHARES.map(|share| Level::new(share, (share * most).max(1.0))).to_vec();
        }
        self.open(&targets, outcome)?;
        std::thread::sleep(CALM);
        for (target, lane) in targets.iter().zip(&mut outcome.lanes) {
            lane.after = target.memory()?.resident;
        }
        Ok(())
    }

    fn closed(&self, target: &Target, connections: usize, time: Duration) -> Result<Cell> {
        let request = target.asks.chat(SMALL, false);
        let before = target.cpu()?;
        let measured = self.runtime.block_on(load::run(target.address, &request, connections, time));
        let measured = measured.map_err(|why| said(format!("{}: {why}", target.name)))?;
        let cpu = target.cpu()?.saturating_sub(before);
        Ok(Cell { target: target.name, connections, measured, cpu })
    }

    fn open(&self, targets: &[Target], outcome: &mut Outcome) -> Result<()> {
        for round in 1..=self.options.rounds {
            println!("open loop, round {round} of {}", self.options.rounds);
            for at in 0..SHARES.len() {
                for (target, lane) in targets.iter().zip(&mut outcome.lanes) {
                    let Some(level) = lane.levels.get_mut(at).filter(|_| target.server.is_some()) else {
                        continue;
                    };
                    let request = target.asks.chat(SMALL, false);
                    let run = open::run(target.address, &request, level.rate, self.time());
                    let run = self.runtime.block_on(run)?;
                    if let (0, Some(why)) = (at, &run.first_error) {
                        return Err(said(format!("{} at {:.0} a second: {why}", target.name, level.rate)));
                    }
                    level.open.merge(run);
                }
            }
        }
        Ok(())
    }

    /// First content and pauses of a few paced streams.
    fn few_streams(&self, outcome: &mut Outcome) -> Result<()> {
        println!("{FEW} streams at once");
        let mut targets = vec![Target::direct(self.upstream.slow)];
        for start in self.servers(self.upstream.slow) {
            targets.push(start()?);
        }
        for round in 0..=self.options.rounds {
            for (target, lane) in targets.iter().zip(&mut outcome.lanes) {
                let streams = self.runtime.block_on(streams::observe(target, FEW, Paced::Short));
                let streams = streams.map_err(|why| said(format!("{}: {why}", target.name)))?;
                if streams.stalled > 0 {
                    let (name, gap) = (target.name, streams.worst_gap);
                    return Err(said(format!("{name}: one of {FEW} streams stalled for {gap:?}")));
                }
                // The first is to warm up.
                if round > 0 {
                    lane.streams.push(streams);
                }
            }
        }
        Ok(())
    }

    /// Thousands, which the gateways in Python and JavaScript are not asked to carry.
    fn many_streams(&self, outcome: &mut Outcome) -> Result<()> {
        let count = self.options.streams;
        println!("{count} streams at once");
        for server in ["provider alone", "nginx", "tollgate"] {
            let target = match server {
                "nginx" => nginx(&self.gateway.folder, self.upstream.long, false)?,
                "tollgate" => self.gateway.start(self.upstream, Policy::LongStreams)?,
                _ => Target::direct(self.upstream.long),
            };
            std::thread::sleep(SETTLE);
            let streams = self.runtime.block_on(streams::observe(&target, count, Paced::Long));
            outcome.many.push((target.name, streams.map_err(|why| why.to_string())));
        }
        Ok(())
    }
}

/// Sees that as many files may be open as the streams need: two for each in a gateway, and as many here.
fn enough_descriptors(streams: usize) -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft =
        line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(usize::MAX);
    let needed = streams * 2 + 1000;
    if soft < needed {
        return Err(said(format!("{needed} files must be allowed open, and {soft} are: ulimit -n {needed}")));
    }
    Ok(())
}

impl Lane {
    fn new(name: &'static str) -> Self {
        let (cells, levels, streams) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, idle: Memory::default(), loaded: 0, after: 0, cells, levels, streams }
    }
}
