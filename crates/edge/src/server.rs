//! Starts the listeners, prints where they are, and stops without cutting anybody off.

mod endpoints;
mod handover;
pub(crate) mod leaving;

pub use endpoints::{InternalOptions, UpstreamOptions, check_policies};

use crate::descriptors;
use crate::engine::Shared;
use crate::limits::{Budget, Limits};
use crate::listener::{Listener, Protocol};
use crate::load::{Load, LoadLimits};
use crate::outbound::Outbound;
use crate::pool::HealthCheck;
use crate::proxy::admin::{AdminApp, Endpoints};
use crate::proxy::checker::Checker;
use crate::proxy::connections::Connections;
use crate::proxy::doors::Doors;
use crate::proxy::pools::Pools;
use crate::proxy::provider::Providers;
use crate::proxy::service::EdgeProxy;
use crate::proxy::targets::Targets;
use crate::reload::{self, DataFile};
use crate::tls;
use crate::upstream::Upstream;
use endpoints::{Maker, Watched};
use leaving::{Leaving, Signals};
use pingora_core::apps::HttpServerOptions;
use pingora_core::apps::http_app::HttpServer;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server};
use pingora_core::services::background::background_service;
use pingora_proxy::http_proxy;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tollgate_observe::{AccessLog, AdminState, AdminToken, InFlight, RunState};
use tollgate_policy::Source;

/// How long requests in flight may take to end after SIGTERM, if nothing else is said.
pub const DRAIN: Duration = Duration::from_secs(600);

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
    /// Connections and requests of all listeners together.
    pub load: LoadLimits,
    /// Where a new process takes the listeners over (SIGQUIT).
    pub upgrade_sock: Option<PathBuf>,
    /// Take the listeners over from a running process.
    pub upgrade: bool,
    /// How long requests in flight may take to end after SIGTERM.
    pub drain: Duration,
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
    /// Listeners cannot be handed over, or taken over.
    #[error("{0}")]
    Upgrade(String),
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
    check(&options)?;
    descriptors::watch(Arc::clone(&shared.metrics));
    let mut server = server(&options);
    let conf = Arc::clone(&server.configuration);
    let pools = pools(&conf)?;
    let leaving = leaving(&options, Arc::clone(shared.metrics.in_flight()), &access_log);
    let run = Arc::clone(&leaving.run);
    let maker = Maker {
        shared: Arc::clone(&shared),
        upstream: Arc::new(Providers::new(pools, Arc::clone(&shared.outbound))),
        access_log,
        in_flight: Arc::clone(&leaving.in_flight),
        budget: Budget::new(options.buffered_bodies),
        load: Load::new(options.load, Arc::clone(&shared.metrics)),
        targets: Targets::new(Arc::clone(&shared.outbound)),
    };
    let mut lines = Vec::new();
    let mut addresses = Vec::new();
    let mut reserved = Vec::new();
    let mut watched = maker.internal(&options.internal)?;
    for endpoint in &options.endpoints {
        let (address, socket) = reserve(endpoint.listen, options.upgrade)?;
        reserved.extend(socket.map(|socket| (address, socket)));
        let made = maker.listening(endpoint, address)?;
        let listener = Arc::clone(&made.2);
        run.loaded(&listener.engine.load().revision, SystemTime::now());
        let scheme = listener.endpoint.protocol;
        lines.push(format!("listening on {scheme}://{address}"));
        addresses.push(address);
        server.add_service(proxy_service(&conf, endpoint, address, listener, &leaving));
        watched.push(made);
    }
    if let Some(wanted) = options.admin {
        let (address, socket) = reserve(wanted, options.upgrade)?;
        reserved.extend(socket.map(|socket| (address, socket)));
        let listeners: Vec<_> = watched.iter().map(|(_, _, l)| Arc::clone(l)).collect();
        let token = options.admin_token.as_deref().and_then(AdminToken::new);
        server.add_service(admin_service(address, &shared, listeners, token, &leaving));
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
    for (address, socket) in reserved {
        leaving.sockets.keep(address.to_string(), socket);
    }
    // Last: whatever could keep this process from serving has been seen to.
    let giver = options.upgrade_sock.filter(|_| options.upgrade);
    let giver = giver.map(|sock| take_over(&sock, &addresses, &leaving)).transpose()?;
    announce_when_listening(addresses, move || {
        giver.into_iter().for_each(handover::Taken::confirm);
        announce(lines);
    });
    server.run(RunArgs { shutdown_signal: Box::new(Signals(leaving)) });
    Ok(())
}

/// Waits for the sockets of the process that serves now, and keeps those of these addresses.
fn take_over(
    sock: &Path,
    addresses: &[SocketAddr],
    leaving: &Leaving,
) -> Result<handover::Taken, StartError> {
    let mut taken = handover::take(sock).map_err(StartError::Upgrade)?;
    for (address, socket) in taken.sockets.drain() {
        if addresses.iter().any(|wanted| wanted.to_string() == address) {
            leaving.sockets.keep(address, socket);
        } else {
            tracing::info!("no endpoint listens any more on {address}");
        }
    }
    match addresses.iter().find(|address| !leaving.sockets.has(&address.to_string())) {
        None => Ok(taken),
        // Nothing was confirmed: the other process serves on.
        Some(other) => Err(StartError::Upgrade(format!(
            "{other} is in use, and not by the process that handed its listeners over"
        ))),
    }
}

/// Sees that the operator's pages are not everybody's, and that listeners can be handed over where that is wanted.
fn check(options: &ServerOptions) -> Result<(), StartError> {
    let admin_open = options.admin.filter(|a| !a.ip().is_loopback() && options.admin_token.is_none());
    if let Some(address) = admin_open {
        return Err(StartError::AdminExposed(address));
    }
    let wrong = |why: String| Err(StartError::Upgrade(why));
    match &options.upgrade_sock {
        Some(sock) => handover::check(sock).or_else(|why| wrong(format!("--upgrade-sock: {why}")))?,
        None if options.upgrade => {
            return wrong(
                "--upgrade needs --upgrade-sock PATH, the same as that of the running process".into(),
            );
        }
        None => {}
    }
    let addresses = options.endpoints.iter().map(|endpoint| endpoint.listen).chain(options.admin);
    match addresses.into_iter().find(|address| options.upgrade && address.port() == 0) {
        Some(any) => wrong(format!("--upgrade takes addresses over: {any} names none, write the port")),
        None => Ok(()),
    }
}

/// What has to be over before the process ends.
fn leaving(options: &ServerOptions, in_flight: Arc<InFlight>, log: &Arc<AccessLog>) -> Arc<Leaving> {
    let first_file = options.endpoints.first().and_then(|e| e.file.as_ref()).map(|f| f.display().to_string());
    Arc::new(Leaving {
        run: Arc::new(RunState::new(options.version, first_file, Arc::clone(&in_flight))),
        in_flight,
        connections: Arc::default(),
        log: Arc::clone(log),
        limit: options.drain,
        upgrade_sock: options.upgrade_sock.clone(),
        sockets: handover::Sockets::default(),
        closing: watch::Sender::new(false),
        handed_over: false.into(),
    })
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
    // Our own drain ends the process as soon as it is idle; this is only the outer bound.
    conf.grace_period_seconds = Some(options.drain.as_secs().saturating_add(60));
    conf.graceful_shutdown_timeout_seconds = Some(5);
    // Listeners of another process come through `handover`, last of all.
    let mut server = Server::new_with_opt_and_conf(None, conf);
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

/// A socket for the address, before anything else is done for it; with port 0, the system picks one. It is bound and does
/// not listen yet: while it lives, nobody else is given the port (not even as the near end of a connection). `inherits`: an
/// address that is in use is that of the process that hands it over.
fn reserve(wanted: SocketAddr, inherits: bool) -> Result<(SocketAddr, Option<OwnedFd>), StartError> {
    match bound(wanted) {
        Err(why) if inherits && why.kind() == std::io::ErrorKind::AddrInUse => Ok((wanted, None)),
        Err(why) => Err(StartError::Listen { address: wanted, why }),
        Ok((address, socket)) => Ok((address, Some(socket))),
    }
}

fn bound(wanted: SocketAddr) -> std::io::Result<(SocketAddr, OwnedFd)> {
    let socket = if wanted.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(wanted)?;
    Ok((socket.local_addr()?, socket.as_fd().try_clone_to_owned()?))
}

fn proxy_service(
    conf: &Arc<ServerConf>,
    endpoint: &EndpointOptions,
    address: SocketAddr,
    listener: Arc<Listener>,
    leaving: &Arc<Leaving>,
) -> Doors<Connections> {
    let http = |h2c: bool| {
        let mut http = http_proxy(conf, EdgeProxy { listener: Arc::clone(&listener) });
        let mut server_options = HttpServerOptions::default();
        server_options.h2c = h2c;
        server_options.h2_idle_timeout = Some(endpoint.limits.idle_timeout);
        http.server_options = Some(server_options);
        http.h2_options = Some(crate::proxy::h2::options(&endpoint.limits));
        Arc::new(http)
    };
    let leave = Arc::clone(leaving);
    let connections =
        Connections { http: http(true), http1: http(false), listener: Arc::clone(&listener), leaving: leave };
    Doors::new(&endpoint.name, address.to_string(), connections, leaving)
}

fn admin_service(
    address: SocketAddr,
    shared: &Arc<Shared>,
    listeners: Vec<Arc<Listener>>,
    token: Option<AdminToken>,
    leaving: &Arc<Leaving>,
) -> Doors<HttpServer<AdminApp>> {
    let state = AdminState {
        run: Arc::clone(&leaving.run),
        metrics: Arc::clone(&shared.metrics),
        source: Arc::new(Endpoints(listeners.clone())),
        token,
    };
    let app = HttpServer::new_app(AdminApp { state, listeners });
    // Whoever asks whether the process is ready gets its answer while it drains.
    Doors::new("admin", address.to_string(), app, leaving).staying()
}

/// Says where everything is once somebody listens there.
fn announce_when_listening(addresses: Vec<SocketAddr>, announce: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        let until = Instant::now() + Duration::from_secs(10);
        for address in addresses {
            // Looked at, not connected to: a connection would be passed on, or counted. What is bound alone can be bound
            // once more, as both set `SO_REUSEADDR`.
            while bound(address).is_ok() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
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
        assert!(matches!(reserve(address, true), Ok((same, None)) if same == address));
        drop(listener);
    }
}
