//! What one endpoint serves, with a socket of its own or without: its policy, its limits, its ways out.

use crate::engine::{Engine, Shared};
use crate::fit::Place;
use crate::limits::{Budget, Limits};
use crate::load::Load;
use crate::pool::Pool;
use crate::proxy::passing::{BadPassTarget, PassTarget};
use crate::proxy::targets::{Target, Targets};
use crate::tls::{Certificates, Configs};
use crate::upstream::Upstream;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tollgate_expr::EndpointFacts;
use tollgate_observe::{AccessLog, InFlight};

/// One endpoint. Everything a request needs is reached from here without a lock. Internal endpoints have no socket.
pub struct Listener {
    /// The policy in force; swapped by a reload.
    pub engine: ArcSwap<Engine>,
    /// State of the process.
    pub shared: Arc<Shared>,
    /// `endpoint.*`
    pub endpoint: Arc<EndpointFacts>,
    /// What it takes from clients.
    pub limits: Limits,
    /// Bytes all listeners may buffer.
    pub budget: Arc<Budget>,
    /// Connections and requests all listeners may have.
    pub load: Arc<Load>,
    /// The way to providers.
    pub upstream: Arc<dyn Upstream>,
    /// Where traffic goes that no rule answers: requests, or connections that are not HTTP.
    pub plain: Option<Pool>,
    /// The access log.
    pub access_log: Arc<AccessLog>,
    /// Requests being served.
    pub in_flight: Arc<InFlight>,
    /// What is spoken, and whether there is a certificate.
    pub place: Place,
    /// The certificate in force.
    pub certificates: Option<Arc<Certificates>>,
    /// Settings of handshakes; none where there are no handshakes.
    pub configs: Option<Configs>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP without TLS.
    #[default]
    Http,
    /// HTTP with TLS.
    Https,
    /// Whatever: bytes are passed on.
    Tcp,
    /// TLS: bytes are passed on unread, or what is inside, where a rule completes the handshake.
    Tls,
}

impl Protocol {
    /// `endpoint.protocol`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The protocol of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Http, Self::Https, Self::Tcp, Self::Tls].into_iter().find(|protocol| protocol.name() == name)
    }

    /// The port of an address that names none.
    #[must_use]
    pub fn usual_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https | Self::Tls => Some(443),
            Self::Tcp => None,
        }
    }

    /// Whether requests are read of its connections.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether a client's hello is read before its rules run.
    #[must_use]
    pub fn greets(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }
}

/// The upstream of `--upstream`.
pub struct PlainUpstream {
    /// Scheme, host and port, resolved.
    pub target: Arc<Target>,
    /// TLS or plain.
    pub https: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path put before every request's, without a slash at its end.
    pub prefix: String,
}

/// An address for `--upstream` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no upstream: {why}; write http://HOST[:PORT], https://HOST[:PORT], HOST:PORT or a PORT")]
pub struct BadUpstream {
    text: String,
    why: &'static str,
}

impl PlainUpstream {
    /// A server that connections are passed to: `tcp://host:port`, `host:port`, or a port of this machine.
    ///
    /// # Errors
    /// Another scheme, a path, no host or no port.
    pub fn of_bytes(text: &str, targets: &Targets) -> Result<Self, BadPassTarget> {
        let PassTarget { host, port } = PassTarget::parse(text)?;
        Ok(Self { target: targets.get(false, &host, port), https: false, host, port, prefix: String::new() })
    }

    /// Reads a URL, `host:port`, or a port of this machine.
    pub fn parse(text: &str, targets: &Targets) -> Result<Self, BadUpstream> {
        let bad = |why| BadUpstream { text: text.to_owned(), why };
        let url = match text.parse::<u16>() {
            Ok(port) => format!("http://127.0.0.1:{port}"),
            Err(_) if text.contains("://") => text.to_owned(),
            Err(_) => format!("http://{text}"),
        };
        let uri: http::Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("the scheme must be http or https")),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            // Not said back: it may be a password.
            let text = "that URL".to_owned();
            return Err(BadUpstream { text, why: "a user and password before the host are not sent" });
        }
        if uri.query().is_some() {
            return Err(bad("a query cannot be kept"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| bad("it names no host"))?;
        let written =
            uri.authority().is_some_and(|a| a.as_str().rsplit(']').next().unwrap_or("").contains(':'));
        let port = match uri.port_u16() {
            Some(port) => port,
            None if written => return Err(bad("its port is none")),
            None if https => 443,
            None => 80,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { target: targets.get(https, host, port), https, host: host.to_owned(), port, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_urls_hosts_or_ports() {
        let targets = Targets::default();
        for good in
            ["3000", "localhost:3000", "http://10.0.0.1", "https://example.com/base/", "http://[::1]:80"]
        {
            assert!(PlainUpstream::parse(good, &targets).is_ok(), "{good}");
        }
        for bad in ["http://user:secret@x", "ftp://x", "http://", "http://x?y=1", "localhost:99999999"] {
            assert!(PlainUpstream::parse(bad, &targets).is_err(), "{bad}");
        }
        let with_path = PlainUpstream::parse("https://example.com/base/", &targets).map(|u| u.prefix);
        assert_eq!(with_path, Ok("/base".to_owned()));
    }
}
