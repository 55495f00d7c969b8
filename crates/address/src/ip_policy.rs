//! IP policies: lists of networks that are allowed or denied, by a name.

use crate::map::NetworkMap;
use crate::network::Network;
use std::net::IpAddr;
use std::sync::Arc;

/// One rule of an IP policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpRule {
    /// Whom it is about.
    pub network: Network,
    /// The network as it was written.
    pub written: Arc<str>,
    /// Whether these addresses are allowed; else they are denied.
    pub allow: bool,
}

/// An IP policy.
#[derive(Clone, Debug, Default)]
pub struct IpPolicy {
    allow: NetworkMap<Arc<str>>,
    deny: NetworkMap<Arc<str>>,
}

impl FromIterator<IpRule> for IpPolicy {
    fn from_iter<I: IntoIterator<Item = IpRule>>(rules: I) -> Self {
        let (allow, deny): (Vec<IpRule>, Vec<IpRule>) = rules.into_iter().partition(|rule| rule.allow);
        let map = |rules: Vec<IpRule>| rules.into_iter().map(|rule| (rule.network, rule.written)).collect();
        Self { allow: map(allow), deny: map(deny) }
    }
}

impl IpPolicy {
    /// The network that allows the address, as it was written.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> Option<&Arc<str>> {
        self.allow.find(address)
    }

    /// The network that denies the address, as it was written.
    #[must_use]
    pub fn denies(&self, address: IpAddr) -> Option<&Arc<str>> {
        self.deny.find(address)
    }

    /// Whether nobody is allowed.
    #[must_use]
    pub fn allows_nobody(&self) -> bool {
        self.allow.is_empty()
    }
}
