//! Starts the listeners, prints where they are, and stops without cutting anybody off.

mod endpoints;

pub use endpoints::{InternalOptions, UpstreamOptions, check_policies};

use crate::engine::Shared;
use crate::limits::{Budget, Limits};
use crate::listener::{Listener, Protocol};
use crate::outbound::Outbound;
use crate::pool::HealthCheck;
use crate::proxy::admin::{AdminApp, Endpoints};
use crate::proxy::checker::Checker;
use crate::proxy::connections::Connections;
use crate::proxy::pools::Pools;
use crate::proxy::provider::Providers;
use crate::proxy::service::EdgeProxy;
use crate::proxy::targets::Targets;
use crate::reload::{self, DataFile};
use crate::tls;
use crate::upstream::Upstream;
use endpoints::{Maker, Watched};
use pingora_core::apps::HttpServerOptions;
use pingora_core::apps::http_app::HttpServer;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::{ExecutionPhase, RunArgs, Server};
use pingora_core::services::background::background_service;
use pingora_core::services::listening::Service;
use pingora_proxy::http_proxy;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpSocket;
use tollgate_observe::{AccessLog, AdminState, AdminToken, InFlight, RunState};
use tollgate_policy::Source;

/// How long in-flight requests may take to end after SIGTERM.
const DRAIN: Duration = Duration::from_secs(600);
/// How long the access log may take to be written at the end.
const FLUSH: Duration = Duration::from_secs(2);
/// Windows of HTTP/2 connections of clients: 1 MiB a stream, 4 MiB a connection. Pingora's 64 KiB throttles uploads.
const H2_STREAM_WINDOW: u32 = 1 << 20;
const H2_CONNECTION_WINDOW: u32 = 4 << 20;

/// What to serve.
pub struct ServerOptions {
    /// The listeners; at least one.
    pub endpoints: Vec<EndpointOptions>,
    /// Endpoints without a listener of their own.
    pub internal: Vec<InternalOptions>,
    /// The admin listener; none when absent.
    pub admin: Option<SocketAddr>,
    /// Token for the admin listener; needed when it is not on loopback.
    pub admin_token: Option<String>,
    /// Worker threads of each listener.
    pub threads: usize,
    /// Bytes of request bodies buffered for all listeners together.
    pub buffered_bodies: usize,
    /// Where a new process takes the listeners over (SIGQUIT).
    pub upgrade_sock: Option<PathBuf>,
    /// Take the listeners over from a running process.
    pub upgrade: bool,
    /// The version shown in `/status`.
    pub version: &'static str,
    /// Facts about addresses, and IP policies: watched too.
    pub data_files: Vec<DataFile>,
}

/// One listener.
pub struct EndpointOptions {
    /// Its name in messages and `endpoint.id`.
    pub name: String,
    /// Its address; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where traffic goes that no rule answers.
    pub upstreams: Vec<UpstreamOptions>,
    /// How these servers are looked after.
    pub health_check: Option<HealthCheck>,
    /// The policy as it was loaded.
    pub policy: Source,
    /// The file to watch; none for a policy that is not in a file of its own.
    pub file: Option<PathBuf>,
    /// What it takes from clients.
    pub limits: Limits,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A policy has errors; the text is what `check` prints.
    #[error("{0}")]
    Policy(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("cannot use the certificate of endpoint '{endpoint}': {why}")]
    Tls {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// An endpoint that cannot be as it is described.
    #[error("endpoint '{endpoint}': {why}")]
    Endpoint {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// `--upstream` cannot be used.
    #[error(transparent)]
    Upstream(#[from] crate::listener::BadUpstream),
    /// The system has no root certificates.
    #[error(
        "no root certificates found, so no provider can be trusted; install the package ca-certificates or set SSL_CERT_FILE"
    )]
    NoRoots,
    /// An admin listener that anybody could reach.
    #[error(
        "the admin listener {0} is reachable from outside; give it a token with TOLLGATE_ADMIN_TOKEN, or listen on 127.0.0.1"
    )]
    AdminExposed(SocketAddr),
}

/// Loads everything and serves until a signal ends it. Returns only with an error; a clean stop ends the process
/// with status 0.
pub fn serve(
    options: ServerOptions,
    shared: Arc<Shared>,
    access_log: Arc<AccessLog>,
    announce: impl FnOnce(Vec<String>) + Send + 'static,
) -> Result<(), StartError> {
    let admin_open = options.admin.filter(|a| !a.ip().is_loopback() && options.admin_token.is_none());
    if let Some(address) = admin_open {
        return Err(StartError::AdminExposed(address));
    }
    let mut server = server(&options);
    let conf = Arc::clone(&server.configuration);
    let pools = pools(&conf)?;
    let in_flight = Arc::clone(shared.metrics.in_flight());
    let first_file = options.endpoints.first().and_then(|e| e.file.as_ref()).map(|f| f.display().to_string());
    let run = Arc::new(RunState::new(options.version, first_file, Arc::clone(&in_flight)));
    let maker = Maker {
        shared: Arc::clone(&shared),
        upstream: Arc::new(Providers::new(pools, Arc::clone(&shared.outbound))),
        access_log: Arc::clone(&access_log),
        in_flight: Arc::clone(&in_flight),
        budget: Budget::new(options.buffered_bodies),
        targets: Targets::new(Arc::clone(&shared.outbound)),
    };
    let mut lines = Vec::new();
    let mut addresses = Vec::new();
    let mut reserved = Vec::new();
    let mut watched = maker.internal(&options.internal)?;
    for endpoint in &options.endpoints {
        let (address, socket) = reserve(endpoint.listen, options.upgrade)?;
        reserved.extend(socket);
        let made = maker.listening(endpoint, address)?;
        let listener = Arc::clone(&made.2);
        run.loaded(&listener.engine.load().revision, SystemTime::now());
        let scheme = listener.endpoint.protocol;
        lines.push(format!("listening on {scheme}://{address}"));
        addresses.push(address);
        server.add_service(proxy_service(&conf, endpoint, address, listener));
        watched.push(made);
    }
    if let Some(wanted) = options.admin {
        let (address, socket) = reserve(wanted, options.upgrade)?;
        reserved.extend(socket);
        let listeners: Vec<_> = watched.iter().map(|(_, _, l)| Arc::clone(l)).collect();
        let token = options.admin_token.as_deref().and_then(AdminToken::new);
        server.add_service(admin_service(address, &run, &shared, listeners, token));
        lines.push(format!("admin on http://{address} (/status, /metrics, /healthz, /readyz)"));
        addresses.push(address);
    }
    lines.extend(options.internal.iter().map(|endpoint| format!("internal endpoint {}", endpoint.url)));
    // First those that clients reach.
    watched.rotate_left(options.internal.len());
    lines.extend(watched.iter().map(policy_line));
    shared.outbound.listen_at(&addresses);
    check_health(&mut server, &watched, &shared)?;
    tls::watch(watched.iter().filter_map(|(_, _, listener)| listener.certificates.clone()).collect());
    reload::watch(options.data_files, watched, Arc::clone(&run), &shared);
    drain_on_stop(&server, run, in_flight, access_log);
    announce_when_listening(addresses, reserved, move || announce(lines));
    server.run(RunArgs::default());
    Ok(())
}

/// Where the policy of an endpoint is, and which is in force.
fn policy_line((file, source, listener): &Watched) -> String {
    let name = file.as_ref().map_or_else(|| source.name.clone(), |f| f.display().to_string());
    format!("policy {name}, revision {}", listener.engine.load().revision)
}

/// Has the servers behind endpoints looked after, where that is wanted.
fn check_health(server: &mut Server, watched: &[Watched], shared: &Shared) -> Result<(), StartError> {
    let checked =
        |listener: &&Arc<Listener>| listener.plain.as_ref().is_some_and(|pool| pool.check.is_some());
    let listeners: Vec<_> = watched.iter().map(|(_, _, l)| l).filter(checked).map(Arc::clone).collect();
    if !listeners.is_empty() {
        let upstream = Arc::new(Providers::new(pools(&server.configuration)?, Arc::clone(&shared.outbound)));
        server.add_service(background_service("health checks", Checker { listeners, upstream }));
    }
    Ok(())
}

/// The way to providers, for a command that serves nobody.
///
/// # Errors
/// The system has no root certificates.
pub fn providers(outbound: &Arc<Outbound>) -> Result<Arc<dyn Upstream>, StartError> {
    Ok(Arc::new(Providers::new(pools(&ServerConf::default())?, Arc::clone(outbound))))
}

fn server(options: &ServerOptions) -> Server {
    let mut conf = ServerConf { threads: options.threads.max(1), ..ServerConf::default() };
    conf.upstream_keepalive_pool_size = 512;
    // A thread that is alone has nobody to steal work from, or to wake.
    conf.work_stealing = conf.threads > 1;
    // Our own drain ends the process as soon as it is idle; these are only the outer bounds.
    conf.grace_period_seconds = Some(DRAIN.as_secs());
    conf.graceful_shutdown_timeout_seconds = Some(5);
    if let Some(sock) = &options.upgrade_sock {
        conf.upgrade_sock = sock.display().to_string();
    }
    let opt = Opt { upgrade: options.upgrade, ..Opt::default() };
    let mut server = Server::new_with_opt_and_conf(Some(opt), conf);
    server.bootstrap();
    server
}

/// Pingora panics when the system has no root certificates; that is said in words instead.
fn pools(conf: &ServerConf) -> Result<Arc<Pools>, StartError> {
    let options = ConnectorOptions::from_server_conf(conf);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Pools::new(&options)));
    std::panic::set_hook(hook);
    made.map(Arc::new).map_err(|_| StartError::NoRoots)
}

/// Sees that the address can be had before Pingora panics over it; with port 0, the system picks one. The socket is
/// bound and does not listen: while it lives, nobody else is given the port (not even as the near end of a connection),
/// and Pingora can still bind it, as both set `SO_REUSEADDR`.
fn reserve(wanted: SocketAddr, inherited: bool) -> Result<(SocketAddr, Option<TcpSocket>), StartError> {
    if inherited {
        return Ok((wanted, None));
    }
    let bind = || {
        let socket = if wanted.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(wanted)?;
        Ok((socket.local_addr()?, Some(socket)))
    };
    bind().map_err(|why| StartError::Listen { address: wanted, why })
}

fn proxy_service(
    conf: &Arc<ServerConf>,
    endpoint: &EndpointOptions,
    address: SocketAddr,
    listener: Arc<Listener>,
) -> Service<Connections> {
    let http = |h2c: bool| {
        let mut http = http_proxy(conf, EdgeProxy { listener: Arc::clone(&listener) });
        let mut server_options = HttpServerOptions::default();
        server_options.h2c = h2c;
        http.server_options = Some(server_options);
        let mut h2 = pingora_core::protocols::http::v2::server::default_h2_options();
        h2.initial_window_size(H2_STREAM_WINDOW).initial_connection_window_size(H2_CONNECTION_WINDOW);
        http.h2_options = Some(h2);
        Arc::new(http)
    };
    let connections = Connections { http: http(true), http1: http(false), listener: Arc::clone(&listener) };
    let mut service = Service::new(endpoint.name.clone(), connections);
    // TLS, too: its handshakes are ours, so that rules come first.
    service.add_tcp(&address.to_string());
    service
}

fn admin_service(
    address: SocketAddr,
    run: &Arc<RunState>,
    shared: &Arc<Shared>,
    listeners: Vec<Arc<Listener>>,
    token: Option<AdminToken>,
) -> Service<HttpServer<AdminApp>> {
    let state = AdminState {
        run: Arc::clone(run),
        metrics: Arc::clone(&shared.metrics),
        source: Arc::new(Endpoints(listeners.clone())),
        token,
    };
    let mut service = Service::new("admin".to_owned(), HttpServer::new_app(AdminApp { state, listeners }));
    service.add_tcp(&address.to_string());
    service
}

/// After SIGTERM: no longer ready, then out as soon as nothing is in flight. Pingora alone would sleep through the
/// whole grace period and then cut what is left.
fn drain_on_stop(server: &Server, run: Arc<RunState>, in_flight: Arc<InFlight>, log: Arc<AccessLog>) {
    let mut phases = server.watch_execution_phase();
    std::thread::spawn(move || {
        loop {
            match phases.blocking_recv() {
                Ok(ExecutionPhase::GracefulTerminate | ExecutionPhase::GracefulUpgradeCloseTimeout) => break,
                Ok(ExecutionPhase::ShutdownStarted) => {
                    log.flush(FLUSH);
                    std::process::exit(0)
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
        run.drain();
        tracing::info!(
            in_flight = in_flight.count(),
            "stopping: serving what has begun, accepting nothing new"
        );
        std::thread::sleep(Duration::from_millis(100)); // the accept loops stop
        let until = Instant::now() + DRAIN;
        while in_flight.count() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        log.flush(FLUSH);
        std::process::exit(0);
    });
}

/// Says where everything is once somebody listens there; until then the ports stay reserved.
fn announce_when_listening(
    addresses: Vec<SocketAddr>,
    reserved: Vec<TcpSocket>,
    announce: impl FnOnce() + Send + 'static,
) {
    std::thread::spawn(move || {
        let until = Instant::now() + Duration::from_secs(10);
        for address in addresses {
            // Looked at, not connected to: a connection would be passed on, or counted.
            while reserve(address, false).is_ok() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        drop(reserved);
        announce();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_reserved_port_is_kept_for_the_listener() {
        let (address, socket) = reserve(([127, 0, 0, 1], 0).into(), false).expect("a free port");
        // Nothing listens yet, so nothing that connects early is lost with the reservation.
        assert!(TcpStream::connect(address).is_err());
        let listener = TcpListener::bind(address).expect("the listener may have it");
        assert!(TcpStream::connect(address).is_ok());
        drop(socket);
        assert!(matches!(reserve(address, false), Err(StartError::Listen { .. })));
        drop(listener);
    }
}
