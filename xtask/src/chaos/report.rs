//! The figures of a run.

use super::client::Got;
use super::gateway::{Gateway, Held};
use super::oracle::Outcome;
use super::plan::Plan;
use super::{Options, Run, settle};
use crate::failure::{Result, said};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Failures that are shown in full.
const SHOWN: usize = 12;

/// What has happened so far.
#[derive(Default)]
pub(crate) struct Totals {
    requests: u64,
    outcomes: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    longest: Duration,
    /// Late while the machine was busy, and right alone.
    pub(crate) late: u64,
    /// What was late about them.
    pub(crate) late_because: Vec<String>,
    pub(crate) wrong: Vec<(u64, String)>,
}

impl Totals {
    /// Counts a request.
    pub(crate) fn count(&mut self, plan: &Plan, got: &Got, outcome: Option<Outcome>) {
        self.requests += 1;
        let name = outcome.map_or("not as planned".to_owned(), |outcome| format!("{outcome:?}"));
        *self.outcomes.entry(name).or_default() += 1;
        for candidate in &plan.candidates {
            let name = format!("{:?}", candidate.fault);
            let name = name.replace(|c: char| c.is_ascii_digit(), "").replace("()", "");
            *self.faults.entry(name).or_default() += 1;
        }
        self.longest = self.longest.max(got.took);
    }
}

/// Ends the run: what is left behind, what was logged, and whether all was well.
pub(crate) async fn finish(run: Run, before: Held, started: Instant, folder: &Path) -> Result<()> {
    let Run { options, providers, mut gateway, sent, totals, .. } = run;
    let mut totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (connections, upstream) = (providers.connections(), providers.book.requests());
    for violation in providers.book.violations() {
        totals.wrong.push((u64::MAX, violation));
    }
    // Connections that are kept for the next request go with the servers.
    drop(providers);
    let (after, left) = settle::back_to(&gateway, before).await?;
    let sent = sent.load(Ordering::SeqCst);
    let logged = lines(&gateway, sent).await;
    let general = left.into_iter().chain(in_logs(&mut gateway, folder, (sent, logged))?);
    totals.wrong.extend(general.map(|what| (u64::MAX, what)));
    let took = started.elapsed();
    print(&totals, (before, after), (connections, upstream), took);
    if let Some(file) = &options.json {
        let figures = json!({
            "seed": options.seed, "requests": totals.requests, "seconds": took.as_secs_f64(), "late": totals.late,
            "outcomes": totals.outcomes, "faults": totals.faults, "longest_ms": totals.longest.as_millis() as u64,
            "requests_upstream": upstream, "connections_upstream": connections, "wrong": totals.wrong.len(),
            "memory_kib": [before.memory_kib, after.memory_kib], "sockets": [before.sockets, after.sockets],
        });
        std::fs::write(file, figures.to_string())?;
    }
    verdict(options, totals)
}

/// Shows what was wrong, with how to see it again.
fn verdict(options: Options, mut totals: Totals) -> Result<()> {
    if totals.wrong.is_empty() {
        return Ok(());
    }
    totals.wrong.sort();
    for (number, what) in totals.wrong.iter().take(SHOWN) {
        eprintln!("--- {what}");
        if *number != u64::MAX {
            eprintln!(
                "    again: chaos --seed {} --requests {} --only {number}",
                options.seed, options.requests
            );
        }
    }
    let numbers: Vec<String> = totals
        .wrong
        .iter()
        .filter(|(number, _)| *number != u64::MAX)
        .map(|(number, _)| number.to_string())
        .collect();
    Err(said(format!(
        "{} findings with seed {}; requests {}",
        totals.wrong.len(),
        options.seed,
        numbers.join(" ")
    )))
}

/// What the logs hold, and should not; or do not hold, and should.
fn in_logs(gateway: &mut Gateway, folder: &Path, (sent, logged): (u64, u64)) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    if logged != sent {
        wrong.push(format!("{sent} requests were sent, and {logged} lines of the access log written"));
    }
    if gateway.bad_lines() > 0 {
        wrong.push(format!("{} lines of the log hold a key or stray bytes", gateway.bad_lines()));
    }
    if !gateway.runs() {
        wrong.push("the gateway has ended".to_owned());
    }
    let log = std::fs::read_to_string(folder.join("gateway.log"))?;
    for bad in ["panicked at", "chaos-key-", "STRAY-BYTES"] {
        if let Some(line) = log.lines().find(|line| line.contains(bad)) {
            wrong.push(format!("the gateway's log says: {}", line.chars().take(400).collect::<String>()));
        }
    }
    Ok(wrong)
}

/// Lines of the access log, once they have all been written or have had time to be.
async fn lines(gateway: &Gateway, sent: u64) -> u64 {
    let until = Instant::now() + Duration::from_secs(5);
    while gateway.logged() < sent && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gateway.logged()
}

fn print(
    totals: &Totals,
    (before, after): (Held, Held),
    (connections, upstream): (u64, u64),
    took: Duration,
) {
    println!(
        "{} requests in {:.1} s, {upstream} attempts at providers over {connections} connections",
        totals.requests,
        took.as_secs_f64()
    );
    let list = |counts: &BTreeMap<String, u64>| {
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    println!("outcomes: {}", list(&totals.outcomes));
    println!("faults: {}", list(&totals.faults));
    println!(
        "longest: {:.1} s; late while the machine was busy: {}",
        totals.longest.as_secs_f64(),
        totals.late
    );
    for why in totals.late_because.iter().take(SHOWN) {
        println!("  late: {}", why.chars().take(300).collect::<String>());
    }
    println!("held before: {before:?}\nheld after:  {after:?}");
}
