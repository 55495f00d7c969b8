//! `tollgate demo`: mock providers, a gateway before them, and a tour of what it does.

mod client;
mod policy;
mod secrets;
mod tour;
mod trace;

use crate::cli::DemoArgs;
use crate::commands::run::start_error;
use crate::error::CliError;
use crate::naming::Naming;
use crate::{output, wiring};
use secrets::DemoSecrets;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tollgate_edge::limits::Limits;
use tollgate_edge::server::{DRAIN, EndpointOptions, ServerOptions, StartError, serve};
use tollgate_mock::{MockServer, demo_script};
use tollgate_observe::{AccessLog, AccessLogOptions, LogFormat, init_tracing};
use tollgate_policy::Source;
use trace::{LineSink, Trace};

const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);
const ADMIN: ([u8; 4], u16) = ([127, 0, 0, 1], 4040);
/// Bytes of request bodies held at once: 64 MiB.
const BUFFERED_BODIES: usize = 64 << 20;
/// How long the gateway may take to listen.
const START: Duration = Duration::from_secs(15);

/// What the demo is made of.
struct Stage {
    mock: MockServer,
    policy: Source,
    secrets: Arc<DemoSecrets>,
}

/// The gateway, as a client finds it.
struct Gateway {
    address: SocketAddr,
    lines: Vec<String>,
    traces: Receiver<Trace>,
}

/// Runs the demo; with `--once` the exit code says whether everything went as it should.
///
/// # Errors
/// No port, or a policy that does not load.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode, CliError> {
    // Failed attempts are what is shown here; the log would show them twice.
    init_tracing(LogFormat::Text, Some("error")).map_err(|wrong| CliError::failed(wrong.to_string()))?;
    let runtime = wiring::runtime()?;
    let mock = runtime.block_on(MockServer::start(demo_script()));
    let mock =
        mock.map_err(|reason| CliError::failed(format!("the mock providers cannot listen: {reason}")))?;
    let policy = Source::new("policies/openrouter-failover.yml", policy::for_mock(&mock.url()));
    let stage = Stage { mock, policy, secrets: Arc::new(DemoSecrets::default()) };
    let listen = args.listen.unwrap_or_else(|| free_or_any(LISTEN.into()));
    let admin = (!args.once).then(|| free_or_any(ADMIN.into()));
    let gateway = start(&stage, listen, admin)?;
    if args.once {
        let good = runtime.block_on(tour::run(&stage, &gateway));
        return Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    introduce(&stage, &gateway);
    // The gateway ends the process on Ctrl-C; until then every request's way is shown.
    for trace in &gateway.traces {
        output::print(&format!("\n{}", trace.render()));
    }
    Ok(ExitCode::SUCCESS)
}

/// This address, or a free port of the same machine when it is taken.
fn free_or_any(wanted: SocketAddr) -> SocketAddr {
    if TcpListener::bind(wanted).is_ok() { wanted } else { SocketAddr::new(wanted.ip(), 0) }
}

/// Starts the gateway on a thread of its own: serving ends only with the process.
fn start(stage: &Stage, listen: SocketAddr, admin: Option<SocketAddr>) -> Result<Gateway, CliError> {
    let secrets: Arc<DemoSecrets> = Arc::clone(&stage.secrets);
    let shared = Arc::new(wiring::shared(secrets, &Naming::default())?);
    let (send_trace, traces) = channel();
    let log_options = AccessLogOptions { format: LogFormat::Json, ..AccessLogOptions::default() };
    let log = AccessLog::new(Box::new(LineSink::new(send_trace)), log_options);
    let log = Arc::new(log.map_err(|reason| CliError::failed(format!("cannot start: {reason}")))?);
    let options = ServerOptions {
        internal: Vec::new(),
        endpoints: vec![EndpointOptions {
            protocol: tollgate_edge::listener::Protocol::Http,
            name: "demo".into(),
            listen,
            tls: None,
            upstreams: Vec::new(),
            health_check: None,
            policy: stage.policy.clone(),
            file: None,
            limits: Limits::default(),
        }],
        admin,
        admin_token: None,
        threads: 2,
        buffered_bodies: BUFFERED_BODIES,
        load: tollgate_edge::load::LoadLimits::default(),
        upgrade_sock: None,
        upgrade: false,
        drain: DRAIN,
        version: wiring::VERSION,
        data_files: Vec::new(),
    };
    let (say, said) = channel::<Result<Vec<String>, StartError>>();
    let failed = say.clone();
    std::thread::spawn(move || {
        // The other end is gone only when the demo is over.
        let announce = move |lines| drop(say.send(Ok(lines)));
        if let Err(error) = serve(options, shared, log, announce) {
            drop(failed.send(Err(error)));
        }
    });
    let lines = match said.recv_timeout(START) {
        Ok(Ok(lines)) => lines,
        Ok(Err(error)) => return Err(start_error(error)),
        Err(_) => return Err(CliError::failed("the gateway did not start in time")),
    };
    let address =
        lines.iter().find_map(|line| line.strip_prefix("listening on http://")?.trim().parse().ok());
    let address = address.ok_or_else(|| CliError::failed("the gateway does not say where it listens"))?;
    Ok(Gateway { address, lines, traces })
}

fn introduce(stage: &Stage, gateway: &Gateway) {
    gateway.lines.iter().for_each(|line| output::say(line));
    let address = gateway.address;
    output::say(&format!("mock providers on {}: nothing leaves this machine\n", stage.mock.url()));
    output::say("The policy:\n");
    output::say(&indented(policy::rules(&stage.policy.text)));
    let question = r#""messages": [{"role": "user", "content": "Say hello."}]"#;
    let both = r#""models": ["anthropic:claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"]"#;
    let down = both.replacen("claude-3.5-sonnet", "claude-3.5-sonnet-down", 1);
    let curl = format!("curl http://{address}/v1/chat/completions -H 'content-type: application/json' -d");
    output::say(&format!(
        "Try, in another terminal:\n\n  \
         # Anthropic answers\n  {curl} '{{{both}, {question}}}'\n\n  \
         # Anthropic is down, OpenRouter answers; streamed\n  {curl} '{{\"stream\": true, {down}, {question}}}'\n\n\
         Names of models that end like this make the mock fail: -down, -limited, -quota, -denied, -missing, -slow,\n\
         -hang, -cut, -broken, -html, -refused, -flaky. The way of each request is shown here. Ctrl-C ends it."
    ));
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}
