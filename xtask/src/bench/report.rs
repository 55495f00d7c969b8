//! What was measured, for people and for programs.

use super::CONNECTIONS;
use super::load::{Cell, percentile};
use super::machine;
use super::process::Memory;
use super::streams::Streams;
use serde_json::{Value as Json, json};
use std::fmt;
use std::time::Duration;

const TARGETS: [&str; 5] =
    ["provider alone", "nginx", "tollgate", "tollgate, 50 rules", "tollgate, 100 rules"];

/// CPU per request against nginx: the limit and the goal.
const CPU_LIMIT: f64 = 3.0;
const CPU_GOAL: f64 = 2.5;
/// Memory limits in MiB: idle, and at the peak of large requests that fail over.
const IDLE_LIMIT: f64 = 40.0;
const PEAK_LIMIT: f64 = 120.0;

/// Microseconds a rule that does not apply may cost, and those that a hundred of them may add to a request.
const RULE_LIMIT: f64 = 1.0;
const RULES_LIMIT: f64 = 60.0;

/// All numbers of one call.
pub(crate) struct Report {
    rounds: usize,
    seconds: u64,
    profile: String,
    pub(crate) cells: Vec<Cell>,
    pub(crate) idle: Vec<(&'static str, Memory)>,
    pub(crate) loaded: Vec<(&'static str, Memory)>,
    pub(crate) large: Option<Memory>,
    pub(crate) streams: Vec<(&'static str, Streams)>,
}

/// The rounds of one server at one number of connections, together.
pub(crate) struct Row {
    target: &'static str,
    connections: usize,
    pub(crate) per_second: f64,
    pub(crate) median_us: f64,
    pub(crate) p99_us: f64,
    /// Microseconds of processor time a request, of all rounds and of each.
    pub(crate) cpu_us: f64,
    cpu_each: Vec<f64>,
}

impl Report {
    pub(crate) fn new(rounds: usize, seconds: u64, profile: &str) -> Self {
        let (cells, idle, loaded, streams) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let profile = profile.to_owned();
        Self { rounds, seconds, profile, cells, idle, loaded, large: None, streams }
    }

    /// The numbers for programs.
    pub(crate) fn json(&self) -> Json {
        let rows: Vec<Json> = self.rows().iter().map(Row::json).collect();
        let memory = |list: &[(&str, Memory)]| -> Json {
            list.iter().map(|(name, memory)| ((*name).to_owned(), json!(mib(memory.resident)))).collect()
        };
        json!({
            "machine": machine::describe().into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Json>(),
            "build": self.profile,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "throughput": rows,
            "cpu_ratio": CONNECTIONS.iter().map(|c| (c.to_string(), json!(self.ratio(*c)))).collect::<Json>(),
            "false_rule_us": self.rules().0,
            "hundred_false_rules_us": self.rules().1,
            "idle_mib": memory(&self.idle),
            "after_load_mib": memory(&self.loaded),
            "large_bodies_peak_mib": self.large.map(|memory| mib(memory.peak)),
            "streams": self.streams.iter().map(|(name, s)| ((*name).to_owned(), json!({
                "count": s.count,
                "worst_gap_ms": millis(s.worst_gap),
                "memory_each_kib": s.memory_each,
                "cpu_an_event_us": micros(s.cpu_an_event),
            }))).collect::<Json>(),
        })
    }

    fn rows(&self) -> Vec<Row> {
        let pairs = CONNECTIONS.iter().flat_map(|c| TARGETS.iter().map(|t| (*t, *c)));
        pairs.map(|(target, connections)| Row::new(target, connections, &self.cells)).collect()
    }

    /// Microseconds of processor time that rules which do not apply add to a request, busy: one of fifty, and a hundred.
    fn rules(&self) -> (f64, f64) {
        let cpu = |target| Row::new(target, CONNECTIONS[1], &self.cells).cpu_us;
        let none = cpu("tollgate");
        ((cpu("tollgate, 50 rules") - none) / 50.0, cpu("tollgate, 100 rules") - none)
    }

    /// Tollgate's processor time a request over nginx's.
    fn ratio(&self, connections: usize) -> f64 {
        let cpu = |target| Row::new(target, connections, &self.cells).cpu_us;
        cpu("tollgate") / cpu("nginx")
    }
}

impl Row {
    pub(crate) fn new(target: &'static str, connections: usize, cells: &[Cell]) -> Self {
        let own: Vec<&Cell> =
            cells.iter().filter(|c| c.target == target && c.connections == connections).collect();
        let mut all: Vec<u64> = own.iter().flat_map(|cell| cell.measured.latencies.iter().copied()).collect();
        all.sort_unstable();
        let time: Duration = own.iter().map(|cell| cell.measured.elapsed).sum();
        let cpu: Duration = own.iter().map(|cell| cell.cpu).sum();
        Self {
            target,
            connections,
            per_second: count(all.len()) / time.as_secs_f64(),
            median_us: nanos(percentile(&all, 500)),
            p99_us: nanos(percentile(&all, 990)),
            cpu_us: micros(cpu) / count(all.len()),
            cpu_each: own.iter().map(|c| micros(c.cpu) / count(c.measured.latencies.len())).collect(),
        }
    }

    pub(crate) fn json(&self) -> Json {
        json!({
            "server": self.target, "connections": self.connections, "requests_per_second": self.per_second,
            "median_us": self.median_us, "p99_us": self.p99_us, "cpu_us": self.cpu_us, "cpu_us_of_rounds": self.cpu_each,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in machine::describe() {
            writeln!(f, "{name:<12} {value}")?;
        }
        writeln!(f, "{:<12} {}", "build", self.profile)?;
        writeln!(f, "{} rounds of {} s each\n", self.rounds, self.seconds)?;
        writeln!(
            f,
            "| server | connections | requests/s | median µs | p99 µs | CPU µs/request | of the rounds |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for row in self.rows() {
            let Row { target, connections, per_second, median_us, p99_us, cpu_us, .. } = &row;
            // The provider's own processor time is not what is measured.
            let (cpu, range) = if *cpu_us > 0.0 {
                (format!("{cpu_us:.1}"), range(&row.cpu_each))
            } else {
                ("-".into(), "-".into())
            };
            writeln!(
                f,
                "| {target} | {connections} | {per_second:.0} | {median_us:.0} | {p99_us:.0} | {cpu} | {range} |"
            )?;
        }
        writeln!(f)?;
        for connections in CONNECTIONS {
            let ratio = self.ratio(connections);
            let verdict = verdict(ratio, CPU_LIMIT);
            writeln!(
                f,
                "CPU a request, Tollgate to nginx, {connections} connections: {ratio:.2} (limit {CPU_LIMIT}, goal {CPU_GOAL}): {verdict}"
            )?;
        }
        let (one, hundred) = self.rules();
        writeln!(
            f,
            "a rule that does not apply, of 50: {one:.2} µs (limit {RULE_LIMIT}): {}",
            verdict(one, RULE_LIMIT)
        )?;
        let said = verdict(hundred, RULES_LIMIT);
        writeln!(f, "100 rules that do not apply: {hundred:.1} µs a request (limit {RULES_LIMIT}): {said}")?;
        for (what, list) in [("idle", &self.idle), ("after the load", &self.loaded)] {
            for (name, memory) in list {
                writeln!(f, "memory {what}, {name}: {:.1} MiB", mib(memory.resident))?;
            }
        }
        self.limits(f)
    }
}

impl Report {
    fn limits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, memory)) = self.idle.iter().find(|(name, _)| *name == "tollgate") {
            let idle = mib(memory.resident);
            writeln!(f, "idle at most {IDLE_LIMIT} MiB: {idle:.1}: {}", verdict(idle, IDLE_LIMIT))?;
        }
        if let Some(memory) = self.large {
            let peak = mib(memory.peak);
            writeln!(
                f,
                "peak of large bodies that fail over under {PEAK_LIMIT} MiB: {peak:.1}: {}",
                verdict(peak, PEAK_LIMIT)
            )?;
        }
        for (name, Streams { count, worst_gap, memory_each, cpu_an_event, .. }) in &self.streams {
            let (gap, cpu) = (millis(*worst_gap), micros(*cpu_an_event));
            writeln!(
                f,
                "{name}, {count} streams at once: longest pause {gap:.0} ms, {memory_each} KiB each, {cpu:.1} µs CPU an event"
            )?;
        }
        Ok(())
    }
}

fn verdict(value: f64, limit: f64) -> &'static str {
    if value <= limit { "reached" } else { "MISSED" }
}

fn range(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    format!("{low:.1} to {high:.1}")
}

#[expect(clippy::cast_precision_loss, reason = "a count of requests or KiB stays far below 2^52")]
pub(crate) fn exact(value: u64) -> f64 {
    value as f64
}

pub(crate) fn count(value: usize) -> f64 {
    exact(u64::try_from(value).unwrap_or(u64::MAX))
}

fn nanos(value: u64) -> f64 {
    exact(value) / 1e3
}

pub(crate) fn mib(kib: u64) -> f64 {
    exact(kib) / 1024.0
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Measured;

    fn cell(target: &'static str, requests: u64, cpu_ms: u64) -> Cell {
        let measured =
            Measured { elapsed: Duration::from_secs(1), latencies: vec![50_000; requests as usize] };
        Cell { target, connections: 1, measured, cpu: Duration::from_millis(cpu_ms) }
    }

    #[test]
    fn rounds_are_weighed_by_their_requests() {
        let cells = [cell("nginx", 1000, 10), cell("nginx", 3000, 50)];
        let row = Row::new("nginx", 1, &cells);
        assert!((row.cpu_us - 15.0).abs() < 1e-9 && (row.per_second - 2000.0).abs() < 1e-9);
        assert!((row.median_us - 50.0).abs() < 1e-9);
    }

    #[test]
    fn the_ratio_is_tollgates_cost_over_nginxs() {
        let mut report = Report::new(1, 1, "release");
        report.cells = vec![cell("nginx", 1000, 10), cell("tollgate", 1000, 25)];
        assert!((report.ratio(1) - 2.5).abs() < 1e-9);
        assert!(report.json()["throughput"].is_array());
    }
}
