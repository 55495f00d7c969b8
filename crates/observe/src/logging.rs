//! The operational log: what the program itself has to say, on standard error.

use crate::access_log::LogFormat;
use crate::lines::{Lines, LinesOptions, Told};
use prometheus_client::metrics::counter::Counter;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Level `info`; Pingora tells of every connection that breaks at `info` and below, which is noise. Of a hand-over it calls
/// every second of waiting an error; we say ourselves what comes of it.
const DEFAULT_FILTER: &str = "info,pingora=warn,pingora_core::server::transfer_fd=off";

/// Events that may wait, and bytes of them.
const QUEUE: (usize, usize) = (4096, 4 * 1024 * 1024); // 4 MiB

/// The writer of the operational log; one for the process, as its standard error is.
static WRITER: OnceLock<Lines> = OnceLock::new();

/// Why there is no operational log. The operator's command line or environment is to blame.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The filter does not parse.
    #[error("`{filter}` is no log filter: {source}")]
    Filter {
        /// As given.
        filter: String,
        /// Where it went wrong.
        source: ParseError,
    },
    /// Called twice, or somebody else has set up logging in this process.
    #[error("logging is set up already: {0}")]
    Installed(#[from] TryInitError),
    /// Standard error cannot be used.
    #[error("standard error cannot be used: {0}")]
    Sink(#[from] std::io::Error),
}

/// Starts the operational log on standard error, for `tracing` events and for the `log` records of libraries.
///
/// `filter` (`debug`, `warn,tollgate_edge=trace`, ...) is added to the default: `info`, of Pingora `warn`.
///
/// # Errors
///
/// A filter that does not parse, or a process that has a log already.
pub fn init_tracing(format: LogFormat, filter: Option<&str>) -> Result<(), LoggingError> {
    let colours = std::io::stderr().is_terminal();
    let built = subscriber(format, filter, colours, || Queued)?;
    // `try_init` also bridges the `log` crate.
    built.try_init()?;
    let sink = File::from(std::io::stderr().as_fd().try_clone_to_owned()?);
    let (queue_lines, queue_bytes) = QUEUE;
    let dropped = Counter::default();
    let lines =
        Lines::new(Box::new(sink), LinesOptions { name: "log", queue_lines, queue_bytes, dropped, tell })?;
    // Only who could install the subscriber comes here, and that is one.
    let _ = WRITER.set(lines);
    Ok(())
}

/// Waits until what was logged is written, or `within` is over. For the end of the process: it blocks.
pub fn flush_operational_log(within: Duration) {
    if let Some(lines) = WRITER.get() {
        lines.flush(within);
    }
}

/// Who logs never waits for standard error: a pipe that nobody reads would stop every request that has something to say.
/// Nor does it hear of errors, which the library would print to the same place, and panic over.
struct Queued;

impl Write for Queued {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        if let Some(lines) = WRITER.get() {
            lines.push(event);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// There is no other log to say it in: it is said here once somebody reads again.
fn tell(told: Told) {
    if let Told::Resumed { lost } = told {
        tracing::warn!(lost, "lines of this log were lost: standard error could not be written");
    }
}

fn subscriber<W>(
    format: LogFormat,
    filter: Option<&str>,
    colours: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LoggingError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry().with(env_filter(filter)?);
    Ok(match format {
        LogFormat::Text => Box::new(registry.with(fmt::layer().with_ansi(colours).with_writer(writer))),
        LogFormat::Json => {
            Box::new(registry.with(fmt::layer().json().flatten_event(true).with_writer(writer)))
        }
    })
}

fn env_filter(filter: Option<&str>) -> Result<EnvFilter, LoggingError> {
    let Some(own) = filter.map(str::trim).filter(|own| !own.is_empty()) else {
        return parse(DEFAULT_FILTER);
    };
    // Parsed alone first, so that the error speaks of what the operator wrote.
    parse(own)?;
    // Of two directives for one target the later holds.
    parse(&format!("{DEFAULT_FILTER},{own}"))
}

fn parse(filter: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LoggingError::Filter { filter: filter.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing::subscriber::with_default;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: Option<&str>, events: impl FnOnce()) -> String {
        let memory = Memory::default();
        let sink = memory.clone();
        let subscriber = subscriber(format, filter, false, move || sink.clone()).unwrap();
        with_default(subscriber, events);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn every_level() {
        tracing::debug!("own-debug");
        tracing::info!(provider = "openrouter", "own-info");
        tracing::info!(target: "pingora_core::server", "theirs-info");
        tracing::warn!(target: "pingora_core::server", "theirs-warn");
    }

    #[test]
    fn the_default_is_info_and_pingora_at_warn() {
        let text = logged(LogFormat::Text, None, every_level);
        assert!(text.contains("own-info provider=\"openrouter\"") && text.contains("theirs-warn"), "{text}");
        assert!(!text.contains("own-debug") && !text.contains("theirs-info"), "{text}");
    }

    #[test]
    fn the_operators_filter_adds_to_the_default() {
        let text = logged(LogFormat::Text, Some("debug"), every_level);
        assert!(text.contains("own-debug") && !text.contains("theirs-info"), "{text}");
        let text = logged(LogFormat::Text, Some("error,pingora=info"), every_level);
        assert!(!text.contains("own-info") && text.contains("theirs-info"), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(LogFormat::Json, Some("  "), every_level);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["message"], &lines[0]["provider"]), (&"own-info".into(), &"openrouter".into()));
    }

    #[test]
    fn a_bad_filter_is_named() {
        let error = env_filter(Some("tollgate=loud")).unwrap_err().to_string();
        assert!(error.starts_with("`tollgate=loud` is no log filter"), "{error}");
    }

    #[test]
    fn records_of_the_log_crate_are_bridged_and_a_second_call_is_an_error() {
        init_tracing(LogFormat::Text, None).unwrap();
        assert!(log::log_enabled!(target: "pingora_core::apps", log::Level::Warn));
        assert!(!log::log_enabled!(target: "pingora_core::apps", log::Level::Info));
        assert!(log::log_enabled!(target: "tollgate_edge", log::Level::Info));
        assert!(matches!(init_tracing(LogFormat::Text, None), Err(LoggingError::Installed(_))));
    }
}
