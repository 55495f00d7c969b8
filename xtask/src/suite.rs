//! `make test`: the binary, every test, one summary at the end.

use crate::chaos;
use crate::failure::{Result, said};
use crate::instructions;
use crate::sdk;
use crate::step::{self, Done};
use crate::workspace::{built, cache, files, root, shown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The gateway and the mock providers the SDK tests put behind it.
const BUILD: [&str; 7] = ["build", "--locked", "-p", "tollgate", "-p", "tollgate-mock", "--bins"];

/// The tests of the firewall: those of its crate, which need the library, and the black-box tests of a gateway with it.
const WAF_CRATE: [&str; 6] = ["test", "--locked", "-p", "tollgate-waf", "--features", "linked"];
const WAF_BLACKBOX: [&str; 8] =
    ["test", "--workspace", "--locked", "--test", "blackbox", "--", "--ignored", "waf::"];

/// The tests of traces that need no gateway.
const OTEL_CRATE: [&str; 7] = ["test", "--locked", "-p", "tollgate-observe", "--features", "otel", "traces"];

/// Builds and runs everything.
pub(crate) fn run() -> Result<()> {
    let with_all = build_with_features()?;
    let binary = build()?;
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]).env("TOLLGATE_BIN", &binary);
    let mut done = vec![step::run("cargo test", cargo.current_dir(root()), step::cargo_test)?];
    done.extend(waf(&with_all)?);
    done.extend(traces(&with_all)?);
    done.push(chaos::step(&binary)?);
    done.push(instructions::step()?);
    done.extend(policies(&binary)?);
    done.extend(sdk::run(&binary)?);
    summary(&done)
}

/// Builds the binary and runs the SDKs only.
pub(crate) fn run_sdks() -> Result<()> {
    let binary = build()?;
    summary(&sdk::run(&binary)?)
}

/// The gateway as the tests use it: the same profile as they have, so that little is compiled twice.
fn build() -> Result<PathBuf> {
    let status = Command::new("cargo").args(BUILD).current_dir(root()).status()?;
    if !status.success() {
        return Err(said("the binary does not build"));
    }
    Ok(built("debug", "tollgate"))
}

/// A gateway with the firewall and with traces, kept apart: the build of the other one takes its place. The two share
/// all but the last crates.
fn build_with_features() -> Result<PathBuf> {
    let features = ["--features", "tollgate/waf,tollgate/otel"];
    let status = Command::new("cargo").args(BUILD).args(features).current_dir(root()).status()?;
    if !status.success() {
        return Err(said("the binary does not build with the features waf and otel"));
    }
    let kept = cache("features")?.join("tollgate");
    std::fs::copy(built("debug", "tollgate"), &kept)?;
    Ok(kept)
}

fn waf(binary: &Path) -> Result<Vec<Done>> {
    let mut rules = Command::new("cargo");
    rules.args(WAF_CRATE).current_dir(root());
    let mut gateway = Command::new("cargo");
    gateway.args(WAF_BLACKBOX).env("TOLLGATE_WAF_BIN", binary).current_dir(root());
    Ok(vec![
        step::run("core rule set", &mut rules, step::cargo_test)?,
        step::run("gateway with waf", &mut gateway, step::cargo_test)?,
    ])
}

/// Traces of that gateway, through a collector and as a receiver decodes them.
fn traces(gateway: &Path) -> Result<Vec<Done>> {
    let mut inside = Command::new("cargo");
    inside.args(OTEL_CRATE).current_dir(root());
    let inside = step::run("spans and their queue", &mut inside, step::cargo_test)?;
    let through = sdk::traces(gateway, &built("debug", "mock-providers"));
    Ok(vec![inside, through.unwrap_or_else(|why| step::not_run(sdk::TRACES, &why.to_string()))])
}

/// Each policy that is delivered loads without errors, and does what the test file beside it says.
fn policies(binary: &Path) -> Result<Vec<Done>> {
    let all = files(&root().join("policies"), &["yml"])?;
    let policies: Vec<String> =
        all.iter().map(|path| shown(path)).filter(|path| !path.ends_with(".test.yml")).collect();
    let mut check = Command::new(binary);
    check.arg("check").args(&policies).current_dir(root());
    let worth = u64::try_from(policies.len()).unwrap_or(0);
    let checked = step::whole("tollgate check", &mut check, worth)?;
    let mut test = Command::new(binary);
    test.args(["test", "policies"]).current_dir(root());
    Ok(vec![checked, step::run("tollgate test", &mut test, step::policy_test)?])
}

fn summary(done: &[Done]) -> Result<()> {
    println!("\n=== summary");
    for step in done {
        let verdict = if step.ok { "ok" } else { "FAILED" };
        println!("{verdict:<7} {:<28} {:>5} passed {:>8}", step.name, step.passed, seconds(step.took));
    }
    let passed: u64 = done.iter().map(|step| step.passed).sum();
    let time = seconds(done.iter().map(|step| step.took).sum());
    let failed: Vec<&str> = done.iter().filter(|step| !step.ok).map(|step| step.name.as_str()).collect();
    if failed.is_empty() {
        println!("all {passed} tests passed in {time}");
        return Ok(());
    }
    Err(said(format!("failed: {} ({passed} tests passed in {time})", failed.join(", "))))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
