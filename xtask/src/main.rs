//! Developer commands. The Makefile calls them; `cargo run -p xtask -- help` lists them.

mod bench;
mod chaos;
mod failure;
mod fuzz;
mod install;
mod instructions;
mod matrix;
mod plot;
mod sdk;
mod soak;
mod step;
mod structure;
mod suite;
mod workspace;

use clap::{Parser, Subcommand};
use failure::Result;
use std::process::ExitCode;

/// Developer commands of Tollgate.
#[derive(Parser)]
#[command(name = "xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check what no compiler checks: file sizes, the arrows between crates, documented dependencies
    Structure,
    /// Build the binary, run every test, print one summary
    Test,
    /// Run the official SDKs against the built binary
    Sdk,
    /// Write docs/compatibility.md from what the last run of the SDKs saw
    Matrix,
    /// Run every fuzz target
    Fuzz(fuzz::Options),
    /// Count the instructions of the hot paths, and compare them with what is allowed
    Instructions(instructions::Options),
    /// Thousands of requests over providers that do everything wrong
    Chaos(chaos::Options),
    /// Measure nginx and Tollgate in turn
    Bench(bench::Options),
    /// Measure Tollgate beside nginx, Portkey's gateway and LiteLLM's proxy
    BenchPeers(bench::peers::Options),
    /// Mixed traffic for minutes or hours, and whether anything rises that must not
    Soak(soak::Options),
    /// Serve the soak test's providers until the process is ended
    #[command(hide = true)]
    SoakUpstream,
    /// Serve the benchmark's provider until the process is ended
    #[command(hide = true)]
    Upstream,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Structure => structure::check(),
        Command::Test => suite::run(),
        Command::Sdk => suite::run_sdks(),
        Command::Matrix => matrix::write(),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Instructions(options) => instructions::run(&options),
        Command::Chaos(options) => chaos::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::BenchPeers(options) => bench::peers::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::SoakUpstream => soak::serve_upstream(),
        Command::Upstream => bench::serve_upstream(),
    }
}
