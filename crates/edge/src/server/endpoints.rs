//! Makes the endpoints of the process: their policies, their servers, their part in what all share.

use super::{EndpointOptions, StartError};
use crate::clock::Monotonic;
use crate::engine::{Engine, Shared};
use crate::fit::{self, Place};
use crate::internal::InternalUrl;
use crate::limits::{Budget, Limits};
use crate::listener::{Listener, PlainUpstream, Protocol};
use crate::load::Load;
use crate::pool::{HealthCheck, Member, Pool};
use crate::proxy::targets::Targets;
use crate::tls::{Certificates, Configs};
use crate::upstream::Upstream;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tollgate_expr::EndpointFacts;
use tollgate_observe::{AccessLog, InFlight};
use tollgate_policy::{Diagnostics, Source};

/// An endpoint that only other endpoints can reach.
pub struct InternalOptions {
    /// Its address.
    pub url: InternalUrl,
    /// Its name in messages and `endpoint.id`.
    pub name: String,
    /// Where traffic goes that no rule answers.
    pub upstreams: Vec<UpstreamOptions>,
    /// How these servers are looked after.
    pub health_check: Option<HealthCheck>,
    /// The policy as it was loaded.
    pub policy: Source,
    /// The file to watch; none for a policy that is not in a file of its own.
    pub file: Option<PathBuf>,
}

/// One of the servers behind an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamOptions {
    /// Where it is.
    pub url: String,
    /// Its share of the requests, beside those of the others.
    pub weight: u32,
}

/// An endpoint, and the file its policy is in, for those who watch it.
pub(super) type Watched = (Option<PathBuf>, Source, Arc<Listener>);

/// What every endpoint has of the process.
pub(super) struct Maker {
    pub(super) shared: Arc<Shared>,
    pub(super) upstream: Arc<dyn Upstream>,
    pub(super) access_log: Arc<AccessLog>,
    pub(super) in_flight: Arc<InFlight>,
    pub(super) budget: Arc<Budget>,
    pub(super) load: Arc<Load>,
    pub(super) targets: Targets,
}

impl Maker {
    /// The endpoints without a socket; afterwards others find them.
    pub(super) fn internal(&self, options: &[InternalOptions]) -> Result<Vec<Watched>, StartError> {
        let mut made = Vec::new();
        let mut watched = Vec::new();
        for endpoint in options {
            let wrong = |why: String| StartError::Endpoint { endpoint: endpoint.name.clone(), why };
            let protocol = endpoint.url.scheme;
            let (servers, check) = (&endpoint.upstreams, endpoint.health_check.as_ref());
            let plain = pool(protocol, servers, check, &self.targets).map_err(wrong)?;
            let place = Place { protocol, internal: true, upstream: plain.is_some(), certificate: false };
            let ways = Ways { place, plain, certificates: None };
            let listener = self.make(&endpoint.policy, internal_facts(endpoint), Limits::default(), ways)?;
            made.push((endpoint.url.clone(), Arc::clone(&listener)));
            watched.push((endpoint.file.clone(), endpoint.policy.clone(), listener));
        }
        self.shared.internal.open(made);
        Ok(watched)
    }

    /// An endpoint with a socket.
    pub(super) fn listening(
        &self,
        endpoint: &EndpointOptions,
        address: SocketAddr,
    ) -> Result<Watched, StartError> {
        let ways = ways(endpoint, &self.targets)?;
        let listener = self.make(&endpoint.policy, facts(endpoint, address), endpoint.limits, ways)?;
        Ok((endpoint.file.clone(), endpoint.policy.clone(), listener))
    }

    fn make(
        &self,
        policy: &Source,
        endpoint: EndpointFacts,
        limits: Limits,
        ways: Ways,
    ) -> Result<Arc<Listener>, StartError> {
        let Ways { place, plain, certificates } = ways;
        let handshakes = place.protocol != Protocol::Http;
        Ok(Arc::new(Listener {
            engine: ArcSwap::from_pointee(load(policy, &self.shared, place)?),
            shared: Arc::clone(&self.shared),
            endpoint: Arc::new(endpoint),
            limits,
            budget: Arc::clone(&self.budget),
            load: Arc::clone(&self.load),
            upstream: Arc::clone(&self.upstream),
            plain,
            access_log: Arc::clone(&self.access_log),
            in_flight: Arc::clone(&self.in_flight),
            place,
            certificates,
            configs: handshakes.then(|| Configs::new(place.protocol.is_http())),
        }))
    }
}

/// What is found in the policies of endpoints, each as its endpoint would load it; or why an endpoint cannot be. Nothing
/// is opened, no certificate is read.
#[must_use]
pub fn check_policies(
    endpoints: &[EndpointOptions],
    internal: &[InternalOptions],
    shared: &Shared,
) -> Vec<(Source, Result<Diagnostics, StartError>)> {
    let look = |name: &str, policy: &Source, place: Place, servers: &[UpstreamOptions], check| {
        let pool = pool(place.protocol, servers, check, &Targets::default());
        let place = Place { upstream: !servers.is_empty(), ..place };
        let found = match pool {
            Ok(_) => Ok(fit::load(policy, shared, place).diagnostics),
            Err(why) => Err(StartError::Endpoint { endpoint: name.to_owned(), why }),
        };
        (policy.clone(), found)
    };
    let listening = endpoints.iter().map(|one| {
        let place = Place {
            protocol: one.protocol,
            certificate: one.tls.is_some(),
            internal: false,
            upstream: false,
        };
        look(&one.name, &one.policy, place, &one.upstreams, one.health_check.as_ref())
    });
    let inner = internal.iter().map(|one| {
        let protocol = one.url.scheme;
        let place = Place { protocol, certificate: false, internal: true, upstream: false };
        look(&one.name, &one.policy, place, &one.upstreams, one.health_check.as_ref())
    });
    listening.chain(inner).collect()
}

/// What an endpoint speaks, and where its requests or connections go.
struct Ways {
    place: Place,
    plain: Option<Pool>,
    certificates: Option<Arc<Certificates>>,
}

/// These of an endpoint with a socket, if what is said of it goes together.
fn ways(endpoint: &EndpointOptions, targets: &Targets) -> Result<Ways, StartError> {
    let wrong = |why: String| StartError::Endpoint { endpoint: endpoint.name.clone(), why };
    let protocol = endpoint.protocol;
    let certificates = match &endpoint.tls {
        Some(_) if protocol == Protocol::Http => {
            let why = "protocol `http` has no use for a certificate; write `protocol: https`, or remove the certificate";
            return Err(wrong(why.to_owned()));
        }
        Some((cert, key)) => {
            let loaded = Certificates::load(cert, key);
            Some(Arc::new(loaded.map_err(|why| StartError::Tls { endpoint: endpoint.name.clone(), why })?))
        }
        None => None,
    };
    let plain =
        pool(protocol, &endpoint.upstreams, endpoint.health_check.as_ref(), targets).map_err(wrong)?;
    let (certificate, upstream) = (certificates.is_some(), plain.is_some());
    Ok(Ways { place: Place { protocol, certificate, internal: false, upstream }, plain, certificates })
}

fn load(policy: &Source, shared: &Shared, place: Place) -> Result<Engine, StartError> {
    let loaded = fit::load(policy, shared, place);
    let text = loaded.diagnostics.render_text(policy);
    match loaded.engine {
        Some(engine) => {
            if !text.is_empty() {
                eprint!("{text}");
            }
            Ok(engine)
        }
        None => Err(StartError::Policy(text)),
    }
}

fn facts(endpoint: &EndpointOptions, address: SocketAddr) -> EndpointFacts {
    EndpointFacts {
        id: format!("ep_{}", endpoint.name).into(),
        protocol: endpoint.protocol.name(),
        host: address.ip().to_string().into(),
        port: address.port(),
    }
}

fn internal_facts(endpoint: &InternalOptions) -> EndpointFacts {
    EndpointFacts {
        id: format!("ep_{}", endpoint.name).into(),
        protocol: endpoint.url.scheme.name(),
        host: endpoint.url.host.as_str().into(),
        port: endpoint.url.port,
    }
}

/// The servers behind an endpoint; `None` when there are none. The error is what is wrong with one of them.
fn pool(
    protocol: Protocol,
    upstreams: &[UpstreamOptions],
    check: Option<&HealthCheck>,
    targets: &Targets,
) -> Result<Option<Pool>, String> {
    if check.is_some_and(|check| check.path.is_some()) && !protocol.is_http() {
        let name = protocol.name();
        return Err(format!(
            "`health_check.path` does not go together with protocol `{name}`: nothing is asked there"
        ));
    }
    let member = |one: &UpstreamOptions| -> Result<Member, String> {
        let upstream = match protocol.is_http() {
            true => PlainUpstream::parse(&one.url, targets).map_err(|why| why.to_string())?,
            false => PlainUpstream::of_bytes(&one.url, targets).map_err(|why| why.to_string())?,
        };
        Ok(Member::new(upstream, &one.url, one.weight))
    };
    let members: Vec<Member> = upstreams.iter().map(member).collect::<Result<_, _>>()?;
    let clock = Arc::new(Monotonic::default());
    Ok((!members.is_empty()).then(|| Pool::new(members, check.cloned(), clock)))
}
