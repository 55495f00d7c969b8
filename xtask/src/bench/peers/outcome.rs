//! All numbers of one call.

use super::heavy::{Storm, Uploads};
use crate::bench::load::{Cell, percentile};
use crate::bench::machine;
use crate::bench::open::Open;
use crate::bench::process::Memory;
use crate::bench::report::{Row, exact, mib, millis};
use crate::bench::streams::Streams;
use serde_json::{Value as Json, json};

/// Everything.
pub(crate) struct Outcome {
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) profile: String,
    pub(crate) versions: Vec<(&'static str, String)>,
    pub(crate) lanes: Vec<Lane>,
    /// Thousands of streams; in words, why a server did not carry them.
    pub(crate) many: Vec<(&'static str, Result<Streams, String>)>,
    pub(crate) storms: Vec<(&'static str, Storm)>,
    pub(crate) uploads: Option<Uploads>,
}

/// One server.
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    pub(crate) idle: Memory,
    /// KiB under load, and when it was over.
    pub(crate) loaded: u64,
    pub(crate) after: u64,
    pub(crate) cells: Vec<Cell>,
    pub(crate) levels: Vec<Level>,
    /// A few streams, each round.
    pub(crate) streams: Vec<Streams>,
}

/// One rate of requests that come whether the server is ready or not.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    /// Of what the server does at most.
    pub(crate) share: f64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// All rounds together.
    pub(crate) open: Open,
}

impl Outcome {
    pub(crate) fn new(
        rounds: usize,
        seconds: u64,
        profile: &str,
        versions: Vec<(&'static str, String)>,
    ) -> Self {
        let (lanes, many, storms) = (Vec::new(), Vec::new(), Vec::new());
        Self { rounds, seconds, profile: profile.to_owned(), versions, lanes, many, storms, uploads: None }
    }

    /// One server's numbers.
    pub(crate) fn lane(&self, name: &str) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.name == name)
    }

    /// What was measured, and on what.
    pub(crate) fn machine(&self) -> Vec<(&'static str, String)> {
        let mut lines = machine::describe();
        lines.extend(self.versions.iter().cloned());
        lines.push(("build", self.profile.clone()));
        lines.push(("measured", format!("{} rounds of {} s", self.rounds, self.seconds)));
        lines
    }

    /// The numbers for programs.
    pub(crate) fn json(&self) -> Json {
        let many = self.many.iter().map(|(name, streams)| {
            let streams = streams.as_ref().map_or_else(|why| json!({"not_carried": why}), streams_json);
            ((*name).to_owned(), streams)
        });
        let storms = self.storms.iter().map(|(name, storm)| {
            let afterwards: Vec<Json> =
                storm.afterwards.iter().map(|(at, kib)| json!([at, mib(*kib)])).collect();
            let storm = json!({
                "idle_mib": mib(storm.idle), "peak_mib": mib(storm.peak), "refused": storm.refused,
                "first_refusal": storm.first_refusal, "back_after_s": storm.back.map(|time| time.as_secs_f64()),
                "afterwards_s_mib": afterwards,
            });
            ((*name).to_owned(), storm)
        });
        json!({
            "machine": self.machine().into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect::<serde_json::Map<_, Json>>(),
            "servers": self.lanes.iter().map(Lane::json).collect::<Vec<_>>(),
            "many_streams": many.collect::<serde_json::Map<_, _>>(),
            "storms": storms.collect::<serde_json::Map<_, _>>(),
            "uploads_ms": self.uploads.map(|uploads| json!({
                "direct": millis(uploads.direct), "through": millis(uploads.through),
                "failing_over": millis(uploads.failing_over),
            })),
        })
    }
}

impl Lane {
    /// The rounds at one number of connections, together.
    pub(crate) fn row(&self, connections: usize) -> Row {
        Row::new(self.name, connections, &self.cells)
    }

    /// The highest rate at which 99 of 100 requests were answered within so many milliseconds, and none failed.
    pub(crate) fn best(&self, bound_ms: f64) -> Option<f64> {
        let held = self.levels.iter().filter(|level| level.holds(bound_ms));
        held.map(|level| level.rate).max_by(f64::total_cmp)
    }

    /// The rounds of a few streams, together.
    pub(crate) fn all_streams(&self) -> Option<Streams> {
        let mut rounds = self.streams.iter().cloned();
        let mut all = rounds.next()?;
        let count = u32::try_from(self.streams.len()).unwrap_or(1);
        for round in rounds {
            all.first.extend(round.first);
            all.gaps.extend(round.gaps);
            all.worst_gap = all.worst_gap.max(round.worst_gap);
            all.cpu_an_event += round.cpu_an_event;
        }
        all.cpu_an_event /= count;
        all.first.sort_unstable();
        all.gaps.sort_unstable();
        Some(all)
    }

    fn json(&self) -> Json {
        let rows: Vec<Json> = crate::bench::CONNECTIONS.iter().map(|c| self.row(*c).json()).collect();
        json!({
            "server": self.name, "closed_loop": rows,
            "closed_loop_rounds": self.cells.iter().map(cell_json).collect::<Vec<_>>(),
            "open_loop": self.levels.iter().filter(|level| !level.open.latencies.is_empty()).map(Level::json).collect::<Vec<_>>(),
            "idle_mib": mib(self.idle.resident), "loaded_mib": mib(self.loaded), "after_mib": mib(self.after),
            "streams": self.streams.iter().map(streams_json).collect::<Vec<_>>(),
        })
    }
}

impl Level {
    pub(crate) fn new(share: f64, rate: f64) -> Self {
        Self { share, rate, open: Open::default() }
    }

    /// Milliseconds within which 99 of 100 requests were answered.
    pub(crate) fn p99_ms(&self) -> f64 {
        exact(percentile(&self.open.latencies, 990)) / 1e6
    }

    /// Whether every request was sent and answered, 99 of 100 within so many milliseconds.
    pub(crate) fn holds(&self, bound_ms: f64) -> bool {
        let open = &self.open;
        !open.latencies.is_empty() && open.errors == 0 && open.unsent == 0 && self.p99_ms() < bound_ms
    }

    fn json(&self) -> Json {
        json!({
            "share": self.share, "requests_per_second": self.rate, "latency_ms": spread(&self.open.latencies),
            "unsent": self.open.unsent, "errors": self.open.errors, "first_error": self.open.first_error,
        })
    }
}

fn cell_json(cell: &Cell) -> Json {
    json!({
        "connections": cell.connections, "requests": cell.measured.latencies.len(),
        "elapsed_s": cell.measured.elapsed.as_secs_f64(), "cpu_s": cell.cpu.as_secs_f64(),
        "latency_ms": spread(&cell.measured.latencies),
    })
}

fn streams_json(streams: &Streams) -> Json {
    json!({
        "count": streams.count, "stalled": streams.stalled, "memory_each_kib": streams.memory_each,
        "cpu_an_event_us": streams.cpu_an_event.as_secs_f64() * 1e6,
        "first_content_ms": spread(&streams.first), "gap_ms": spread(&streams.gaps),
    })
}

/// Percentiles in milliseconds of sorted nanoseconds.
fn spread(sorted: &[u64]) -> Json {
    let at = |per_mille| exact(percentile(sorted, per_mille)) / 1e6;
    json!({"p50": at(500), "p90": at(900), "p99": at(990), "p99.9": at(999), "max": at(1000)})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(rate: f64, worst_ms: u64, errors: u64, unsent: u64) -> Level {
        let mut latencies = vec![1_000_000; 90];
        latencies.extend([worst_ms * 1_000_000; 10]);
        Level { open: Open { latencies, errors, unsent, first_error: None }, ..Level::new(1.0, rate) }
    }

    #[test]
    fn the_best_rate_is_one_that_was_held() {
        let lane = Lane {
            levels: vec![
                level(100.0, 2, 0, 0),
                level(200.0, 30, 0, 0),
                level(300.0, 3, 1, 0),
                level(400.0, 3, 0, 1),
                level(500.0, 80, 0, 0),
            ],
            ..Lane::new("x")
        };
        assert_eq!((lane.best(10.0), lane.best(50.0), lane.best(1.0)), (Some(100.0), Some(200.0), None));
    }
}
