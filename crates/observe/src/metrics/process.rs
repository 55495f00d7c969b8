//! What the system says of the process, under the names every Prometheus client library uses
//! (prometheus.io/docs/instrumenting/writing_clientlibs, "Standard and runtime collectors").
//!
//! Read when somebody asks, from `/proc` (proc(5)). Where there is none, these metrics are left out.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fs;

/// `AT_CLKTCK` of the auxiliary vector (getauxval(3)): how long a tick of `/proc/self/stat` is.
const AT_CLKTCK: u64 = 17;
/// What it is on every Linux of today.
const TICKS_A_SECOND: u64 = 100;

#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: Option<i64>| {
            let Some(value) = value else { return Ok(()) };
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = Some(&Unit::Bytes);
        gauge("resident_memory", "Memory in use", bytes, kib(&status, "VmRSS:"))?;
        gauge("virtual_memory", "Addresses in use", bytes, kib(&status, "VmSize:"))?;
        gauge("threads", "Threads", None, number(&status, "Threads:"))?;
        gauge("open_fds", "Open files and connections", None, open_files())?;
        gauge("max_fds", "Open files and connections that are allowed", None, most_files())?;
        let stat = Stat::read();
        let started = stat.as_ref().and_then(Stat::started);
        gauge("start_time", "When the process was started, in Unix time", Some(&Unit::Seconds), started)?;
        if let Some(stat) = stat {
            let counter = ConstCounter::new(stat.cpu_seconds());
            let help = "Time on a processor";
            let metric =
                encoder.encode_descriptor("cpu", help, Some(&Unit::Seconds), counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

/// The fields of `/proc/self/stat` that are shown.
struct Stat {
    /// Ticks on a processor, the system's work for the process included.
    used: u64,
    /// Ticks from the start of the system to that of the process.
    began: u64,
    ticks: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&text, ticks_a_second().unwrap_or(TICKS_A_SECOND))
    }

    /// The program's name is in parentheses, and may hold spaces and parentheses of its own.
    fn parse(text: &str, ticks: u64) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        // The first is field 3 of proc(5): utime is 14, stime 15, starttime 22.
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self { used: field(14)? + field(15)?, began: field(22)?, ticks: ticks.max(1) })
    }

    #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are millions of years")]
    fn cpu_seconds(&self) -> f64 {
        self.used as f64 / self.ticks as f64
    }

    fn started(&self) -> Option<i64> {
        let booted = number(&fs::read_to_string("/proc/stat").ok()?, "btime ")?;
        booted.checked_add(i64::try_from(self.began / self.ticks).ok()?)
    }
}

fn ticks_a_second() -> Option<u64> {
    let vector = fs::read("/proc/self/auxv").ok()?;
    let word = |bytes: &[u8]| Some(u64::from_ne_bytes(bytes.try_into().ok()?));
    let pair = |pair: &[u8]| Some((word(pair.get(..8)?)?, word(pair.get(8..)?)?));
    vector.chunks_exact(16).filter_map(pair).find(|(kind, _)| *kind == AT_CLKTCK).map(|(_, value)| value)
}

fn open_files() -> Option<i64> {
    // One of them is the folder itself, while it is read.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    i64::try_from(count).ok()
}

fn most_files() -> Option<i64> {
    number(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
}

/// The number behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn kib(status: &str, name: &str) -> Option<i64> {
    number(status, name)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_may_be_anything() {
        let text = "7 (a) b (c)) S 1 1 1 0 -1 4 5 6 7 8 250 50 0 0 20 0 9 0 12345 99 100\n";
        let stat = Stat::parse(text, 100).unwrap();
        assert_eq!((stat.used, stat.began), (300, 12345));
        assert!((stat.cpu_seconds() - 3.0).abs() < 1e-9);
        assert!(Stat::parse("7 (a) S 1", 100).is_none() && Stat::parse("", 100).is_none());
    }

    #[test]
    fn numbers_stand_behind_their_names() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t7\n";
        assert_eq!(kib(status, "VmRSS:"), Some(2 << 20));
        assert_eq!((number(status, "Threads:"), number(status, "VmSize:")), (Some(7), None));
        assert_eq!(
            number("Max open files            1024        4096     files\n", "Max open files"),
            Some(1024)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_one() {
        let now = crate::clock::unix_seconds(std::time::SystemTime::now());
        let started = Stat::read().and_then(|stat| stat.started()).unwrap();
        assert!((now - 7 * 24 * 3600..=now + 1).contains(&started), "{started}, {now}");
        assert!(open_files().unwrap() >= 1 && most_files().unwrap() >= 1);
        assert!(ticks_a_second().is_none_or(|ticks| ticks > 0));
    }
}
