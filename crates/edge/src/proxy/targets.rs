//! Where connections go: names resolved asynchronously and cached, and the Pingora peer of each address.

use crate::descriptors;
use crate::outbound::Outbound;
use arc_swap::ArcSwap;
use foldhash::HashMap;
use pingora_core::protocols::{ALPN, TcpKeepalive};
use pingora_core::upstreams::peer::HttpPeer;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tollgate_select::Fault;

/// How long a resolved name is used before it is looked up again.
const DNS_TTL: Duration = Duration::from_secs(30);
/// How long at least, also when none of its addresses can be connected to.
const DNS_PAUSE: Duration = Duration::from_secs(1);
/// Addresses of one name that are tried, one after the other.
const MAX_ADDRESSES: usize = 4;
/// Origins that are kept. A policy may compute names from requests, so there could be any number; those beyond are looked
/// up each time.
const MAX_ORIGINS: usize = 4096;
/// Idle connections are closed after this long: under the 60 s after which common load balancers drop them.
const POOL_IDLE: Duration = Duration::from_secs(55);

/// A scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// TLS or plain.
    pub https: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// All origins seen so far. Reading takes no lock.
#[derive(Default)]
pub struct Targets {
    known: ArcSwap<HashMap<Origin, Arc<Target>>>,
    outbound: Arc<Outbound>,
}

/// One origin with its resolved addresses.
pub struct Target {
    origin: Origin,
    outbound: Arc<Outbound>,
    resolved: ArcSwap<Resolved>,
    refreshing: AtomicBool,
    /// No address could be connected to since the name was looked up.
    doubtful: AtomicBool,
}

#[derive(Default)]
struct Resolved {
    at: Option<Instant>,
    peers: Vec<Arc<HttpPeer>>,
}

impl Targets {
    /// None yet; what of their addresses may be connected to, the operator's lists say.
    #[must_use]
    pub fn new(outbound: Arc<Outbound>) -> Self {
        Self { known: ArcSwap::default(), outbound }
    }

    /// The target of an origin; made on first use.
    #[must_use]
    pub fn get(&self, https: bool, host: &str, port: u16) -> Arc<Target> {
        let origin = Origin { https, host: host.to_owned(), port };
        if let Some(target) = self.known.load().get(&origin) {
            return Arc::clone(target);
        }
        let target = Arc::new(Target::new(origin.clone(), Arc::clone(&self.outbound)));
        if self.known.load().len() >= MAX_ORIGINS {
            return target;
        }
        self.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.entry(origin.clone()).or_insert_with(|| Arc::clone(&target));
            known
        });
        self.known.load().get(&origin).map_or(target, Arc::clone)
    }
}

impl Target {
    fn new(origin: Origin, outbound: Arc<Outbound>) -> Self {
        let target = Self {
            origin,
            outbound,
            resolved: ArcSwap::default(),
            refreshing: AtomicBool::new(false),
            doubtful: AtomicBool::new(false),
        };
        let address = target.origin.host.parse::<IpAddr>();
        if let Some(address) = address.ok().filter(|address| target.outbound.reaches(*address)) {
            let peer = target.peer(SocketAddr::new(address, target.origin.port));
            target.resolved.store(Arc::new(Resolved { at: None, peers: vec![peer] }));
        }
        target
    }

    /// The peers to try, in order. Looks the name up when nothing fresh is known; when that fails, what was
    /// known before is used on. Whether an address may be connected to is asked of what is connected to: a name that
    /// has changed its mind gains nothing.
    pub async fn peers(&self) -> Result<Peers, Fault> {
        let resolved = self.resolved.load_full();
        let fresh =
            resolved.at.is_none_or(|at| at.elapsed() < DNS_TTL && !self.doubtful.load(Ordering::Acquire));
        if fresh && !resolved.peers.is_empty() {
            return Ok(Peers(resolved));
        }
        if !resolved.peers.is_empty() && self.refreshing.swap(true, Ordering::AcqRel) {
            return Ok(Peers(resolved)); // another request is looking it up
        }
        let looked_up = tokio::net::lookup_host((self.origin.host.as_str(), self.origin.port)).await;
        self.doubtful.store(false, Ordering::Release);
        self.refreshing.store(false, Ordering::Release);
        let mut refused = false;
        let mut may = |address: &SocketAddr| {
            let may = self.outbound.reaches(address.ip());
            refused |= !may;
            may
        };
        let (peers, fault): (Vec<_>, _) = match looked_up {
            Ok(addresses) => {
                let may_be = addresses.filter(&mut may).take(MAX_ADDRESSES);
                (may_be.map(|a| self.reuse(&resolved, a)).collect(), Fault::Dns)
            }
            Err(error) if descriptors::are_used_up(&error) => (Vec::new(), Fault::OutOfFiles),
            Err(_) => (Vec::new(), Fault::Dns),
        };
        if refused {
            let host = &self.origin.host;
            tracing::warn!(%host, "an address of this host is of a link-local network or of a metadata service, and is not \
                called; `reserved_targets` in the configuration file can list it");
        }
        if peers.is_empty() && refused {
            return Err(Fault::Address);
        }
        if peers.is_empty() {
            return if resolved.peers.is_empty() { Err(fault) } else { Ok(Peers(resolved)) };
        }
        let resolved = Arc::new(Resolved { at: Some(Instant::now()), peers });
        self.resolved.store(Arc::clone(&resolved));
        Ok(Peers(resolved))
    }

    /// None of the addresses can be connected to: the name is looked up again for the next request, as it may lead
    /// elsewhere by now.
    pub fn unreachable(&self) {
        let resolved = self.resolved.load_full();
        if resolved.at.is_some_and(|at| at.elapsed() >= DNS_PAUSE) {
            self.doubtful.store(true, Ordering::Release);
        }
    }

    fn reuse(&self, old: &Resolved, address: SocketAddr) -> Arc<HttpPeer> {
        let known = old.peers.iter().find(|p| p._address.as_inet() == Some(&address));
        known.map_or_else(|| self.peer(address), Arc::clone)
    }

    fn peer(&self, address: SocketAddr) -> Arc<HttpPeer> {
        let Origin { https, host, .. } = &self.origin;
        let mut peer = HttpPeer::new(address, *https, if *https { host.clone() } else { String::new() });
        let options = &mut peer.options;
        options.connection_timeout = Some(Duration::from_secs(10));
        options.total_connection_timeout = Some(Duration::from_secs(15));
        options.write_timeout = Some(Duration::from_secs(30));
        options.idle_timeout = Some(POOL_IDLE);
        options.tcp_keepalive = Some(TcpKeepalive {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            count: 3,
            #[cfg(target_os = "linux")]
            user_timeout: Duration::ZERO,
        });
        options.h2_ping_interval = Some(Duration::from_secs(30));
        options.max_h2_streams = 100;
        if *https {
            options.alpn = ALPN::H2H1;
        }
        // Neither ALPN nor the CA is part of Pingora's pool key.
        peer.group_key = u64::from(*https) + 1;
        Arc::new(peer)
    }
}

/// The peers of one target.
pub struct Peers(Arc<Resolved>);

impl Peers {
    /// The addresses, in the order the resolver gave.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.iter().filter_map(|peer| peer._address.as_inet().copied()).collect()
    }

    /// In the order the resolver gave.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<HttpPeer>> {
        self.0.peers.iter()
    }
}
