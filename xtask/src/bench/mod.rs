//! `make bench`: nginx as a plain proxy and Tollgate with a policy, in turn, against the same local provider.
//!
//! Every cell is a closed loop: each connection sends its next request when the answer to the last one is there.
//! The servers share one processor and the load generator and the provider share another, where there are two.

pub(crate) mod client;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod memory;
mod open;
pub(crate) mod peers;
pub(crate) mod process;
pub(crate) mod report;
mod rules;
mod servers;
mod streams;
mod upstream;

use crate::failure::Result;
use crate::workspace::{built, cache};
use clap::Args;
use load::Cell;
use report::Report;
use servers::{Gateway, Policy, Target};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use upstream::serve as serve_upstream;

/// Connections of the two kinds of cell: alone, and busy.
pub(crate) const CONNECTIONS: [usize; 2] = [1, 32];
/// Load before anything is measured: connections open, caches fill.
const WARM_UP: Duration = Duration::from_millis(500);
/// Memory is read when a server has been left alone for so long.
const SETTLE: Duration = Duration::from_secs(1);

/// How much to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Times every server is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Streams open at once
    #[arg(long, default_value_t = 300)]
    streams: usize,
    /// The gateway's build; `debug` is good for trying the benchmark, not for numbers
    #[arg(long, default_value = "release")]
    profile: String,
    /// Write the numbers to this file as well
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Measures everything and prints it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let gateway = Gateway { program: built(&options.profile, "tollgate"), folder: cache("bench")? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    machine::pin_load_generator();
    let upstream = servers::upstream()?;
    let mut report = Report::new(options.rounds, options.seconds, &options.profile);
    {
        let nginx = servers::nginx(&gateway.folder, upstream.fast, true)?;
        let tollgate = gateway.start(&upstream, Policy::Metrics)?;
        std::thread::sleep(SETTLE);
        report.idle = vec![(nginx.name, nginx.memory()?), (tollgate.name, tollgate.memory()?)];
        let [fifty, hundred] = [Policy::Rules50, Policy::Rules100];
        let (fifty, hundred) = (gateway.start(&upstream, fifty)?, gateway.start(&upstream, hundred)?);
        let targets = [Target::direct(upstream.fast), nginx, tollgate, fifty, hundred];
        throughput(options, &runtime, &targets, &mut report)?;
        std::thread::sleep(SETTLE);
        report.loaded =
            targets.iter().skip(1).map(|t| Ok((t.name, t.memory()?))).collect::<Result<Vec<_>>>()?;
    }
    println!("large bodies that fail over");
    report.large = Some(runtime.block_on(memory::measure(&gateway, &upstream))?);
    println!("{} streams at once", options.streams);
    for server in ["nginx", "tollgate"] {
        let target = match server {
            "nginx" => servers::nginx(&gateway.folder, upstream.slow, false)?,
            _ => gateway.start(&upstream, Policy::Streams)?,
        };
        let streams = runtime.block_on(streams::measure(&target, options.streams))?;
        report.streams.push((target.name, streams));
    }
    println!("\n{report}");
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&report.json())?)?;
        println!("written to {}", file.display());
    }
    Ok(())
}

fn throughput(
    options: &Options,
    runtime: &tokio::runtime::Runtime,
    targets: &[Target],
    report: &mut Report,
) -> Result<()> {
    let request = client::Asks::ours().chat(client::SMALL, false);
    let time = Duration::from_secs(options.seconds);
    for target in targets {
        runtime.block_on(load::run(target.address, &request, 32, WARM_UP))?;
    }
    for round in 1..=options.rounds {
        println!("round {round} of {}", options.rounds);
        for connections in CONNECTIONS {
            for target in targets {
                let before = target.cpu()?;
                let measured = runtime.block_on(load::run(target.address, &request, connections, time))?;
                let cpu = target.cpu()?.saturating_sub(before);
                report.cells.push(Cell { target: target.name, connections, measured, cpu });
            }
        }
    }
    Ok(())
}
