//! `make fuzz`: builds the targets of `tests/fuzz` and runs each for a while.
//!
//! libFuzzer needs no nightly compiler: the coverage it steers by comes from flags that stable rustc has. They are
//! given together with `--target`, so that build scripts are left alone.

use crate::failure::{Result, said};
use crate::workspace::{cache, root};
use clap::Args;
use std::fs;
use std::process::Command;

/// The targets, by their file names below `tests/fuzz/fuzz_targets`.
const TARGETS: [&str; 12] = [
    "policy_text",
    "cel_source",
    "request_body",
    "sse_bytes",
    "translate_request",
    "translate_stream",
    "answer_bytes",
    "request_head",
    "urls",
    "tokens",
    "address_files",
    "client_hello",
];

/// What libFuzzer needs, as cargo-fuzz sets it without a sanitizer: counters at every edge, and comparisons
/// visible. Overflow and debug assertions are on, since both are findings.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "--cfg=fuzzing",
];

/// A single input may take so long, in seconds.
const SLOWEST: u32 = 10;
/// Memory a target may use, in MiB.
const MEMORY: u32 = 2048;

/// Bytes of the longest input that is made up: beyond the 8 KiB an expression may have.
const LONGEST: u32 = 16 * 1024;

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only this target
    #[arg(long)]
    target: Option<String>,
}

/// Runs the targets; the first crash ends it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let triple = host()?;
    let manifest = root().join("tests/fuzz/Cargo.toml");
    let folder = root().join("target/fuzz");
    // The versions that are shipped are the ones to fuzz; Cargo adds what only the targets need.
    fs::copy(root().join("Cargo.lock"), manifest.with_file_name("Cargo.lock"))?;
    let mut build = Command::new("cargo");
    build.args(["build", "--target", &triple, "--manifest-path"]).arg(&manifest);
    build.arg("--target-dir").arg(&folder).env("RUSTFLAGS", FLAGS.join(" "));
    if !build.status()?.success() {
        return Err(said("the fuzz targets do not build"));
    }
    let chosen = |name: &&&str| options.target.as_deref().is_none_or(|only| only == **name);
    for name in TARGETS.iter().filter(chosen) {
        let corpus = cache(&format!("fuzz/{name}"))?;
        let findings = cache("fuzz/findings")?;
        let seeds = root().join("tests/fuzz/seeds").join(name);
        println!("\n--- fuzz {name}: {} s", options.seconds);
        let mut fuzz = Command::new(folder.join(&triple).join("debug").join(name));
        fuzz.arg(format!("-max_total_time={}", options.seconds));
        fuzz.arg(format!("-timeout={SLOWEST}")).arg(format!("-rss_limit_mb={MEMORY}"));
        fuzz.arg(format!("-artifact_prefix={}/{name}-", findings.display()));
        fuzz.arg(format!("-max_len={LONGEST}"));
        fuzz.args(["-print_final_stats=1", "-print_funcs=0", "-verbosity=0"]).arg(&corpus);
        if fs::exists(&seeds)? {
            fuzz.arg(&seeds);
        }
        if !fuzz.status()?.success() {
            return Err(said(format!("{name} found something; the input is in {}", findings.display())));
        }
    }
    println!("\nno crash");
    Ok(())
}

/// This machine's target triple.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| said("rustc does not say what machine this is"))
}
