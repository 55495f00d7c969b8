//! What was measured, for people.

use super::outcome::{Lane, Outcome};
use super::verdicts;
use crate::bench::load::percentile;
use crate::bench::report::{exact, mib, millis};
use crate::plot::{Axis, Line, Plot};
use std::fmt::Write;

/// Milliseconds within which 99 of 100 requests are to be answered.
const BOUNDS: [f64; 2] = [10.0, 50.0];

/// The whole page.
pub(crate) fn whole(outcome: &Outcome) -> String {
    let mut out = String::from(
        "# Side by side\n\nWritten by `make bench-peers`; how it is measured stands in [performance.md](../performance.md). \
         The raw numbers are in [peers.json](peers.json).\n\n| | |\n|---|---|\n",
    );
    for (name, value) in outcome.machine() {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out.push_str("\n![Latency over the rate of requests, memory after large bodies](peers.svg)\n\n");
    requests(outcome, &mut out);
    memory(outcome, &mut out);
    streams(outcome, &mut out);
    out.push_str("## Tollgate against its targets\n\n| | measured | target | |\n|---|---|---|---|\n");
    for verdict in verdicts::all(outcome) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            verdict.what, verdict.measured, verdict.target, verdict.said
        );
    }
    if let Some(uploads) = outcome.uploads {
        let _ = writeln!(
            out,
            "\nMedian time of a 20 MiB request: direct {:.0} ms, through Tollgate {:.0} ms, failing over {:.0} ms.",
            millis(uploads.direct),
            millis(uploads.through),
            millis(uploads.failing_over)
        );
    }
    out
}

/// The pictures.
pub(crate) fn plots(outcome: &Outcome) -> Vec<Plot> {
    let line = |lane: &Lane| Line {
        name: lane.name.to_owned(),
        points: lane.levels.iter().map(|level| (level.rate, level.p99_ms())).collect(),
    };
    let served = outcome.lanes.iter().filter(|lane| lane.idle.resident > 0);
    let storms = outcome.storms.iter().map(|(name, storm)| Line {
        name: (*name).to_owned(),
        points: storm.afterwards.iter().map(|(at, kib)| (*at, mib(*kib))).collect(),
    });
    vec![
        Plot {
            title: "99th percentile of latency, requests at fixed times".into(),
            x: Axis::logarithmic("requests a second"),
            y: Axis::logarithmic("ms"),
            lines: served.map(line).collect(),
            levels: BOUNDS.iter().map(|bound| (format!("{bound} ms"), *bound)).collect(),
        },
        Plot {
            title: "Memory after a storm of 20 MiB bodies, until below twice idle".into(),
            x: Axis::linear("seconds"),
            y: Axis::logarithmic("MiB"),
            lines: storms.collect(),
            levels: Vec::new(),
        },
    ]
}

fn requests(outcome: &Outcome, out: &mut String) {
    out.push_str(
        "## Requests of 200 bytes, answers of 1 KB\n\n\
         | server | added latency, one client (median) | p99, one client | most requests/s, 32 clients | requests/s with p99 < 10 ms | with p99 < 50 ms | CPU a request, 1 client | 32 clients |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let direct = outcome.lane("provider alone").map_or(0.0, |lane| lane.row(1).median_us);
    for lane in &outcome.lanes {
        let (one, many) = (lane.row(1), lane.row(32));
        if lane.idle.resident == 0 {
            let _ = writeln!(
                out,
                "| {} | ({:.0} µs) | {:.0} µs | {:.0} | | | | |",
                lane.name, one.median_us, one.p99_us, many.per_second
            );
            continue;
        }
        let best = |bound| {
            let lowest = lane.levels.first().map_or(0.0, |level| level.rate);
            lane.best(bound).map_or_else(|| format!("none from {lowest:.0} on"), |rate| format!("{rate:.0}"))
        };
        let _ = writeln!(
            out,
            "| {} | {:.0} µs | {:.0} µs | {:.0} | {} | {} | {:.1} µs | {:.1} µs |",
            lane.name,
            one.median_us - direct,
            one.p99_us,
            many.per_second,
            best(BOUNDS[0]),
            best(BOUNDS[1]),
            one.cpu_us,
            many.cpu_us
        );
    }
    out.push('\n');
    for lane in &outcome.lanes {
        for level in lane.levels.iter().filter(|level| level.open.errors + level.open.unsent > 0) {
            let _ = writeln!(
                out,
                "{} did not hold {:.0} requests a second: {} were not sent in time, {} failed{}.",
                lane.name,
                level.rate,
                level.open.unsent,
                level.open.errors,
                level.open.first_error.as_deref().map_or(String::new(), |why| {
                    format!(" ({})", why.lines().next().unwrap_or_default())
                })
            );
        }
    }
}

fn memory(outcome: &Outcome, out: &mut String) {
    out.push_str(
        "\n## Memory\n\n| server | idle | under load | 10 s after | peak of 24 requests of 20 MiB, 8 at a time | below twice idle |\n\
         |---|---|---|---|---|---|\n",
    );
    for lane in outcome.lanes.iter().filter(|lane| lane.idle.resident > 0) {
        let storm = outcome.storms.iter().find(|(name, _)| *name == lane.name).map(|(_, storm)| storm);
        let peak = storm.map_or_else(String::new, |storm| match storm.refused {
            0 => format!("{:.0} MiB", mib(storm.peak)),
            refused => format!("{:.0} MiB, {refused} refused", mib(storm.peak)),
        });
        let back = storm.map_or_else(String::new, |storm| {
            storm.back.map_or_else(
                || "not within 30 s".to_owned(),
                |time| format!("after {:.1} s", time.as_secs_f64()),
            )
        });
        let _ = writeln!(
            out,
            "| {} | {:.1} MiB | {:.1} MiB | {:.1} MiB | {peak} | {back} |",
            lane.name,
            mib(lane.idle.resident),
            mib(lane.loaded),
            mib(lane.after)
        );
    }
    out.push('\n');
}

fn streams(outcome: &Outcome, out: &mut String) {
    out.push_str(
        "## Streams of events 100 ms apart\n\n\
         | server | streams | first content, median | p99 | pause, median | p99 | longest | CPU an event | memory a stream |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let few = outcome.lanes.iter().filter_map(|lane| Some((lane.name, lane.all_streams()?)));
    let many = outcome.many.iter().filter_map(|(name, streams)| Some((*name, streams.clone().ok()?)));
    for (name, streams) in few.chain(many) {
        let at = |sorted: &[u64], per_mille| exact(percentile(sorted, per_mille)) / 1e6;
        let ours = name == "provider alone";
        let cpu = streams.cpu_an_event.as_secs_f64() * 1e6;
        let _ = writeln!(
            out,
            "| {name} | {} | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | {:.0} ms | {} | {} |",
            streams.count,
            at(&streams.first, 500),
            at(&streams.first, 990),
            at(&streams.gaps, 500),
            at(&streams.gaps, 990),
            millis(streams.worst_gap),
            if ours { "-".to_owned() } else { format!("{cpu:.1} µs") },
            if ours { "-".to_owned() } else { format!("{} KiB", streams.memory_each) },
        );
    }
    out.push('\n');
    for (name, why) in outcome.many.iter().filter_map(|(name, streams)| Some((name, streams.as_ref().err()?)))
    {
        let _ = writeln!(out, "{name} did not carry that many: {why}.\n");
    }
}
