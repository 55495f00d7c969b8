//! Tollgate against what it promises.

use super::outcome::Outcome;
use crate::bench::report::{exact, mib, millis};
use crate::bench::streams::Streams;

/// Processor time a request, over nginx's, with the whole policy.
const CPU: f64 = 2.5;
/// KiB of each of thousands of streams.
const STREAM_KIB: f64 = 40.0;
/// Seconds until memory is below twice the idle memory after a storm of large bodies.
const BACK: f64 = 30.0;
/// Time of a large request that fails over, over that of a direct upload.
const UPLOAD: f64 = 2.5;

/// One promise.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) target: String,
    /// In words: reached, or by how much it is missed.
    pub(crate) said: String,
}

/// All of them.
pub(crate) fn all(outcome: &Outcome) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if let (Some(ours), Some(nginx)) = (outcome.lane("tollgate"), outcome.lane("nginx")) {
        let ratio = ours.row(32).cpu_us / nginx.row(32).cpu_us;
        verdicts.push(verdict("CPU a request against nginx, whole policy, 32 connections", ratio, CPU, "×"));
    }
    if let Some((_, streams)) = outcome.many.iter().find(|(name, _)| *name == "tollgate") {
        verdicts.extend(many_streams(streams));
    }
    if let Some((_, storm)) = outcome.storms.iter().find(|(name, _)| *name == "tollgate") {
        let last = storm.afterwards.last().map_or(0, |(_, resident)| *resident);
        let twice = mib(2 * storm.idle);
        verdicts.push(Verdict {
            what: format!("memory below twice idle ({twice:.1} MiB) after a storm of 20 MiB bodies"),
            measured: storm.back.map_or_else(
                || format!("{:.1} MiB after {BACK:.0} s", mib(last)),
                |time| format!("after {:.1} s", time.as_secs_f64()),
            ),
            target: format!("{BACK:.0} s"),
            said: match storm.back {
                Some(_) if storm.refused == 0 => "reached".into(),
                Some(_) => format!("**missed**: {} requests were refused", storm.refused),
                None => format!("**missed** by {:.1} MiB", mib(last) - twice),
            },
        });
    }
    if let Some(uploads) = outcome.uploads {
        let ratio = uploads.failing_over.as_secs_f64() / uploads.direct.as_secs_f64();
        verdicts.push(verdict("20 MiB that fail over, against a direct upload", ratio, UPLOAD, "×"));
    }
    verdicts
}

/// Thousands of streams at once.
fn many_streams(streams: &Result<Streams, String>) -> Vec<Verdict> {
    let streams = match streams {
        Ok(streams) => streams,
        Err(why) => {
            return vec![Verdict {
                what: "thousands of streams".into(),
                measured: why.clone(),
                target: "all carried".into(),
                said: "**missed**".into(),
            }];
        }
    };
    let Streams { count, stalled, worst_gap, memory_each, .. } = streams;
    let stalls = match stalled {
        0 => "reached".into(),
        stalled => format!("**missed** by {stalled}"),
    };
    vec![
        verdict(&format!("memory of each of {count} streams"), exact(*memory_each), STREAM_KIB, " KiB"),
        Verdict {
            what: format!("{count} streams without a stall (pause over 1 s)"),
            measured: format!("{stalled} stalled, longest pause {:.0} ms", millis(*worst_gap)),
            target: "0".into(),
            said: stalls,
        },
    ]
}

fn verdict(what: &str, measured: f64, target: f64, unit: &str) -> Verdict {
    let said = if measured <= target {
        "reached".to_owned()
    } else {
        format!("**missed** by {:.2}{unit} ({:.0} %)", measured - target, (measured / target - 1.0) * 100.0)
    };
    Verdict {
        what: what.to_owned(),
        measured: format!("{measured:.2}{unit}"),
        target: format!("{target}{unit}"),
        said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_says_by_how_much() {
        assert_eq!(verdict("a", 2.0, 2.5, "×").said, "reached");
        assert_eq!(verdict("a", 3.0, 2.5, "×").said, "**missed** by 0.50× (20 %)");
    }
}
