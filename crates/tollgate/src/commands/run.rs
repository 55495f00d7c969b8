//! `tollgate run` and `tollgate http`: serve.

use crate::cli::{HttpArgs, LogForm, ModelLists, RunArgs, ServeArgs};
use crate::error::CliError;
use crate::settings::{First, listen_of_url, settle};
use crate::{output, wiring};
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_edge::internal::Directory;
use tollgate_edge::server::{ServerOptions, StartError, serve};
use tollgate_edge::{LateCosts, Lists, ReadLists, start_traces};
use tollgate_observe::{AccessLog, AccessLogOptions, LogFormat, init_tracing};

/// The token for an admin listener that is not on loopback. Not a flag: flags are seen in the process list.
const ADMIN_TOKEN: &str = "TOLLGATE_ADMIN_TOKEN";

/// `tollgate run`
///
/// # Errors
/// Anything that keeps it from serving.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, CliError> {
    let first = First { policy: args.policy.clone(), listen: args.listen, upstream: args.upstream.clone() };
    start(&args.serve, first)
}

/// `tollgate http`
///
/// # Errors
/// Anything that keeps it from serving.
pub(crate) fn http(args: &HttpArgs) -> Result<ExitCode, CliError> {
    let has_certificate = args.serve.tls_cert.is_some();
    let listen = args.url.as_deref().map(|url| listen_of_url(url, has_certificate)).transpose()?;
    let upstream = Some(args.upstream.clone());
    start(&args.serve, First { policy: args.traffic_policy_file.clone(), listen, upstream })
}

fn start(args: &ServeArgs, first: First) -> Result<ExitCode, CliError> {
    let settings = settle(args, first)?;
    let format = log_format(settings.log_format);
    init_tracing(format, args.log.as_deref()).map_err(|wrong| CliError::usage(format!("--log: {wrong}")))?;
    settings.secrets.problems().iter().for_each(|problem| tracing::warn!("{problem}"));
    let mut shared = wiring::shared(Arc::new(settings.secrets), &settings.naming)?;
    shared.lists = Lists::new(match args.model_lists.unwrap_or_default() {
        ModelLists::Live => ReadLists::All,
        ModelLists::Openrouter => ReadLists::OpenRouter,
        ModelLists::Embedded => ReadLists::Nothing,
    });
    shared.late_costs = LateCosts::new(args.late_costs.unwrap_or(true));
    shared.outbound = Arc::new(settings.targets.clone());
    let urls = settings.internal.iter().map(|endpoint| endpoint.url.clone()).collect();
    shared.internal = Arc::new(Directory::declare(urls));
    let data_files;
    (shared.addressing, data_files) = wiring::addressing(settings.addresses)?;
    let shared = Arc::new(shared);
    // Engines are made again when they serve; only a backend has to be looked for in them.
    let named = shared.names.default_backend.is_some() || shared.names.replaced.is_some();
    for endpoint in settings.endpoints.iter().filter(|_| named) {
        let (engine, _) = wiring::engine(&endpoint.policy, &shared)?;
        wiring::known_backends(&shared, &engine)?;
    }
    let dropped = shared.metrics.access_log_dropped.clone();
    let traces = start_traces(wiring::VERSION, &shared.metrics.spans, &shared.outbound);
    let traces = traces.map_err(CliError::failed)?;
    let log = AccessLog::stdout(AccessLogOptions { format, dropped, traces, ..AccessLogOptions::default() });
    let log =
        log.map_err(|reason| CliError::failed(format!("the access log cannot be written: {reason}")))?;
    let options = ServerOptions {
        endpoints: settings.endpoints,
        internal: settings.internal,
        admin: settings.admin,
        admin_token: std::env::var(ADMIN_TOKEN).ok().filter(|token| !token.is_empty()),
        threads: settings.threads,
        buffered_bodies: settings.buffered_bodies,
        load: settings.load,
        upgrade_sock: args.upgrade_sock.clone(),
        upgrade: args.upgrade,
        drain: settings.drain,
        version: wiring::VERSION,
        data_files,
    };
    serve(options, shared, Arc::new(log), |lines| lines.iter().for_each(|line| output::say(line)))
        .map_err(start_error)?;
    Ok(ExitCode::SUCCESS)
}

/// Why nothing is served, in words that help.
pub(crate) fn start_error(error: StartError) -> CliError {
    match error {
        StartError::Policy(said) => CliError::Said(said),
        StartError::Listen { address, why } => {
            let help = match why.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "another process listens there; stop it, or choose another port with --listen or --admin"
                }
                std::io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need the capability CAP_NET_BIND_SERVICE"
                }
                std::io::ErrorKind::AddrNotAvailable => "this machine has no such address",
                _ => "see --listen and --admin",
            };
            CliError::failed(format!("cannot listen on {address}: {why}\nhelp: {help}"))
        }
        other => CliError::failed(other.to_string()),
    }
}

/// The same for both logs.
pub(crate) fn log_format(form: LogForm) -> LogFormat {
    match form {
        LogForm::Text => LogFormat::Text,
        LogForm::Json => LogFormat::Json,
    }
}
