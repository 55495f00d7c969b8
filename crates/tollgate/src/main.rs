//! The tollgate binary: command line and wiring.

mod cli;
mod commands;
mod config;
mod decode;
mod error;
mod hardening;
mod naming;
mod output;
#[cfg(test)]
mod samples;
mod secrets;
mod settings;
mod table;
mod wiring;

use clap::Parser;
use cli::{Cli, Command};
use commands::{check, compare, demo, explain, models, run, schema, secrets as vault, test};
use error::CliError;
use std::process::ExitCode;
use std::time::Duration;

/// Gives memory back after a burst of large bodies, which the system's allocator does not.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    hardening::keep_memory();
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Http(args) => run::http(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Secrets { command } => vault::run(&command),
        Command::Models(args) => models::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Test(args) => test::run(&args),
    };
    // What was logged before an error comes before it.
    tollgate_observe::flush_operational_log(Duration::from_secs(2));
    result.unwrap_or_else(|error| {
        output::complain(&error.to_string());
        ExitCode::from(match error {
            CliError::Usage(_) => 2,
            CliError::Failed(_) | CliError::Said(_) => 1,
        })
    })
}
