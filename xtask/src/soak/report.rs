//! What a soak test found.

use super::judge::{Judged, Tolerance, WARM_UP, WARM_UP_LEAST, judge};
use super::{AllSeries, Turns};
use crate::bench::machine;
use crate::plot::{Axis, Line, Plot};
use serde_json::{Map, Value as Json, json};
use std::fmt::Write;
use std::time::Duration;

/// What is measured, its unit, and what it may do. Latency swings with the machine; a leak of time shows all the same.
const WATCHED: [(&str, &str, Tolerance); 6] = [
    ("memory", "MiB", Tolerance { part: 0.08, least: 4.0 }),
    ("descriptors", "", Tolerance { part: 0.05, least: 4.0 }),
    ("threads", "", Tolerance { part: 0.0, least: 1.0 }),
    ("in flight", "", Tolerance { part: 0.1, least: 4.0 }),
    ("latency p50", "ms", Tolerance { part: 0.2, least: 0.2 }),
    ("latency p99", "ms", Tolerance { part: 0.3, least: 5.0 }),
];

/// All of one run.
pub(crate) struct Outcome {
    time: Duration,
    profile: String,
    pub(crate) series: AllSeries,
    pub(crate) turns: Turns,
    pub(crate) errors: Vec<String>,
    /// The policy was written so often, and read so often.
    pub(crate) reloads: (u64, f64),
    pub(crate) failed_reloads: f64,
    /// Requests still under way when nobody was there any more.
    pub(crate) left: f64,
    pub(crate) after_mib: f64,
    judged: Vec<(&'static str, &'static str, Option<Judged>)>,
}

impl Outcome {
    pub(crate) fn new(time: Duration, profile: &str) -> Self {
        let (series, turns, errors, judged) = (AllSeries::new(), Turns::new(), Vec::new(), Vec::new());
        let (reloads, failed_reloads, left, after_mib) = ((0, 0.0), 0.0, 0.0, 0.0);
        let profile = profile.to_owned();
        Self { time, profile, series, turns, errors, reloads, failed_reloads, left, after_mib, judged }
    }

    /// Judges every series.
    pub(crate) fn judge(&mut self) {
        let found = |name| self.series.get(name).and_then(|series| judge(series, tolerance(name)));
        self.judged = WATCHED.iter().map(|(name, unit, _)| (*name, *unit, found(name))).collect();
    }

    /// What must not be, a line for each.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong: Vec<String> = self.errors.clone();
        let count: u64 = self.turns.values().map(|(_, wrong)| wrong).sum();
        if count > 0 {
            wrong.push(format!("{count} turns did not go as they must"));
        }
        for (name, unit, judged) in &self.judged {
            match judged {
                None => wrong.push(format!("{name}: too little was measured to judge it")),
                Some(judged) if judged.rising => wrong.push(format!(
                    "{name} rises by {:.2} {unit} where {:.2} are right ({:.1} an hour)",
                    judged.rise, judged.allowed, judged.hourly
                )),
                Some(_) => {}
            }
        }
        if self.left > 0.0 {
            wrong.push(format!("{} requests are still under way after the end", self.left));
        }
        if self.failed_reloads > 0.0 {
            wrong.push(format!("{} reloads failed", self.failed_reloads));
        }
        if self.reloads.0 > 0 && self.reloads.1 < 1.0 {
            wrong.push("the policy was written, and never read".to_owned());
        }
        wrong
    }

    /// The numbers for programs.
    pub(crate) fn json(&self) -> Json {
        let series: Map<String, Json> =
            self.series.iter().map(|(name, points)| ((*name).to_owned(), json!(points))).collect();
        let judged: Map<String, Json> = self
            .judged
            .iter()
            .filter_map(|(name, _, judged)| Some((*name, (*judged)?)))
            .map(|(name, j)| {
                let judged = json!({"median": j.median, "hourly": j.hourly, "rise": j.rise,
                    "allowed": j.allowed, "sureness": j.sureness, "rising": j.rising});
                (name.to_owned(), judged)
            })
            .collect();
        let turns: Map<String, Json> = self
            .turns
            .iter()
            .map(|(lane, (good, wrong))| (lane.name().to_owned(), json!({"good": good, "wrong": wrong})))
            .collect();
        json!({
            "machine": machine::describe().into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect::<Map<_, Json>>(),
            "build": self.profile, "minutes": self.time.as_secs_f64() / 60.0, "judged": judged, "turns": turns,
            "errors": self.errors, "reloads": self.reloads.1, "failed_reloads": self.failed_reloads,
            "in_flight_at_the_end": self.left, "memory_after_mib": self.after_mib, "series": series,
        })
    }
}

/// For people.
pub(crate) fn markdown(outcome: &Outcome) -> String {
    let mut out = format!(
        "# Soak test\n\nWritten by `make soak`; what it does stands in [reliability.md](../reliability.md#long-runs). \
         The raw numbers are in [soak.json](soak.json).\n\n| | |\n|---|---|\n| time | {:.1} minutes |\n| build | {} |\n",
        outcome.time.as_secs_f64() / 60.0,
        outcome.profile
    );
    let machine = machine::describe();
    for (name, value) in machine.iter().filter(|(name, _)| !["nginx", "pinned"].contains(name)) {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out.push_str("\n![Memory, descriptors and latency over the run](soak.svg)\n\n| | median | slope an hour | rise | allowed | |\n|---|---|---|---|---|---|\n");
    for (name, unit, judged) in &outcome.judged {
        let Some(judged) = judged else {
            let _ = writeln!(out, "| {name} | | | | | too little was measured |");
            continue;
        };
        let said = if judged.rising { "**rises**" } else { "steady" };
        let Judged { median, hourly, rise, allowed, .. } = judged;
        let _ = writeln!(
            out,
            "| {name} | {median:.2} {unit} | {hourly:+.2} | {rise:+.2} | {allowed:.2} | {said} |"
        );
    }
    let _ = writeln!(
        out,
        "\nJudged from {:.1} minutes on. Memory after the end: {:.1} MiB. Requests still under way: {}. The policy was \
         read anew {} times, {} times in vain.\n\n| traffic | turns | wrong |\n|---|---|---|",
        (outcome.time.as_secs_f64() * WARM_UP).max(WARM_UP_LEAST) / 60.0,
        outcome.after_mib,
        outcome.left,
        outcome.reloads.1,
        outcome.failed_reloads
    );
    for (lane, (good, wrong)) in &outcome.turns {
        let _ = writeln!(out, "| {} | {good} | {wrong} |", lane.name());
    }
    out
}

/// The pictures.
pub(crate) fn plots(outcome: &Outcome) -> Vec<Plot> {
    let line = |name: &str| Line {
        name: name.to_owned(),
        points: outcome
            .series
            .get(name)
            .into_iter()
            .flatten()
            .map(|(at, value)| (at / 60.0, *value))
            .collect(),
    };
    let plot = |title: &str, y: Axis, names: &[&str]| Plot {
        title: title.to_owned(),
        x: Axis::linear("minutes"),
        y,
        lines: names.iter().map(|name| line(name)).collect(),
        levels: Vec::new(),
    };
    vec![
        plot("Resident memory", Axis::linear("MiB"), &["memory"]),
        plot(
            "Open descriptors, threads, requests in flight",
            Axis::linear(""),
            &["descriptors", "threads", "in flight"],
        ),
        plot("Latency of small requests", Axis::logarithmic("ms"), &["latency p50", "latency p99"]),
    ]
}

fn tolerance(name: &str) -> Tolerance {
    let found = WATCHED.iter().find(|(known, ..)| *known == name);
    found.map_or(Tolerance { part: 0.0, least: 0.0 }, |(_, _, tolerance)| *tolerance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(memory: impl Fn(f64) -> f64) -> Outcome {
        let mut outcome = Outcome::new(Duration::from_secs(600), "test");
        for (name, ..) in WATCHED {
            let value = |at: f64| if name == "memory" { memory(at) } else { 10.0 };
            outcome.series.insert(name, (0..600).map(|at| (f64::from(at), value(f64::from(at)))).collect());
        }
        outcome.judge();
        outcome
    }

    #[test]
    fn a_steady_run_is_right_and_each_fault_is_said() {
        assert_eq!(outcome(|_| 60.0).wrong(), Vec::<String>::new());
        let mut bad = outcome(|at| 60.0 + at / 30.0);
        bad.turns.insert(crate::soak::traffic::Lane::Plain, (100, 2));
        bad.left = 1.0;
        bad.failed_reloads = 1.0;
        let wrong = bad.wrong().join("\n");
        for said in ["2 turns did not", "memory rises by 1", "1 requests are still", "1 reloads failed"] {
            assert!(wrong.contains(said), "{said}: {wrong}");
        }
        let text = markdown(&bad);
        assert!(text.contains("| memory |") && text.contains("**rises**"), "{text}");
    }

    #[test]
    fn what_was_not_measured_is_not_right() {
        let mut outcome = Outcome::new(Duration::from_secs(600), "test");
        outcome.judge();
        assert_eq!(outcome.wrong().len(), WATCHED.len());
    }
}
