//! Which servers actions such as `http-request` may call, so that a request cannot make the gateway call servers that
//! only the gateway can reach (server-side request forgery).
//!
//! A host that stands in the policy's text is called: who writes the policy has named it. One that is computed from a
//! request, or that a redirect leads to, is called when the operator has listed it. Addresses of link-local networks and
//! of the metadata services of clouds are never called, whatever a name resolves to.

use crate::upstream::Addresses;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

/// Metadata services and the like outside of link-local networks: Alibaba Cloud, Azure's platform address, Oracle
/// Cloud. (AWS, Google, Azure and others have 169.254.169.254.)
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// The metadata service of AWS and of Google over IPv6.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];
/// Names of metadata services.
const METADATA_NAMES: [&str; 2] = ["metadata.google.internal", "metadata"];

/// The operator's list: `http_request_targets` of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    entries: Vec<Entry>,
}

/// An entry that is neither a name nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no host; write a name, `*.example.com`, an address, or a network such as 10.0.0.0/8")]
pub struct BadTarget(String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// This name.
    Name(String),
    /// Every name that ends so; begins with a dot.
    Below(String),
    /// Whatever resolves to an address of this network.
    Network { address: IpAddr, bits: u8 },
}

impl FromStr for Entry {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let bad = || BadTarget(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| bad())?)),
            None => (text, None),
        };
        if let Ok(address) = address.trim_matches(['[', ']']).parse::<IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(most);
            return if bits <= most { Ok(Self::Network { address, bits }) } else { Err(bad()) };
        }
        let name = text.to_ascii_lowercase();
        let (name, below) = match name.strip_prefix('*') {
            Some(rest) if rest.starts_with('.') => (rest.trim_start_matches('.').to_owned(), true),
            Some(_) => return Err(bad()),
            None => (name, false),
        };
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if bits.is_some() || !name.split('.').all(label) {
            return Err(bad());
        }
        Ok(if below { Self::Below(format!(".{name}")) } else { Self::Name(name) })
    }
}

impl Entry {
    fn names(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => name == host,
            Self::Below(end) => host.ends_with(end.as_str()),
            Self::Network { .. } => false,
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        match self {
            Self::Network { address: network, bits } => in_network(address, *network, *bits),
            _ => false,
        }
    }
}

impl Outbound {
    /// A list from its entries.
    ///
    /// # Errors
    /// The first that is no host.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, BadTarget> {
        Ok(Self { entries: entries.into_iter().map(str::parse).collect::<Result<_, _>>()? })
    }

    /// Whether the list has this very host, by its name.
    #[must_use]
    pub(crate) fn lists(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.entries.iter().any(|entry| entry.names(&host))
    }

    /// Which addresses of a host may be called; `None`: none of them. `named`: the host stands in the policy's text.
    pub(crate) fn rule(self: &Arc<Self>, host: &str, named: bool) -> Option<Arc<dyn Addresses>> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if METADATA_NAMES.contains(&host.as_str()) {
            return None;
        }
        let listed = self.entries.iter().any(|entry| entry.names(&host));
        let networks = self.entries.iter().any(|entry| matches!(entry, Entry::Network { .. }));
        if !named && !listed && !networks {
            return None;
        }
        // A name of somebody else's may lead to this machine; an address, or `localhost`, is meant.
        let itself = host.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost");
        let rule = Rule { list: Arc::clone(self), free: named || listed, loopback: itself };
        Some(Arc::new(rule))
    }
}

struct Rule {
    list: Arc<Outbound>,
    /// Every address but the machine's own.
    free: bool,
    /// Those as well.
    loopback: bool,
}

impl Addresses for Rule {
    fn allows(&self, address: IpAddr) -> bool {
        let address = plain(address);
        if never(address) {
            return false;
        }
        let listed = || self.list.entries.iter().any(|entry| entry.holds(address));
        (self.free && (self.loopback || !address.is_loopback())) || listed()
    }
}

/// The IPv4 address inside an IPv6 one that stands for it: mapped (RFC 4291 section 2.5.5), NAT64 (RFC 6052 section 2.1),
/// 6to4 (RFC 3056 section 2).
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    let inside = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match six.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inside(high, low),
        [0x2002, high, low, ..] => inside(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => inside(high, low),
        _ => address,
    }
}

/// Whether an address is never called.
fn never(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let first = four.octets().first().copied().unwrap_or(0);
            four.is_link_local() || METADATA_V4.contains(&four) || first == 0 || first >= 224
        }
        IpAddr::V6(six) => {
            six.is_unicast_link_local()
                || METADATA_V6.contains(&six)
                || six.is_unspecified()
                || six.is_multicast()
        }
    }
}

fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(four) => (u128::from(four.to_bits()), 32u8),
        IpAddr::V6(six) => (six.to_bits(), 128),
    };
    let ((address, width), (network, other)) = (number(plain(address)), number(plain(network)));
    let differing = u32::from(width.saturating_sub(bits));
    width == other && (address ^ network).checked_shr(differing).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Arc<Outbound> {
        Arc::new(Outbound::parse(entries.iter().copied()).expect("a list"))
    }

    fn allows(list: &Arc<Outbound>, host: &str, named: bool, address: &str) -> bool {
        let address = address.parse().expect("an address");
        list.rule(host, named).is_some_and(|rule| rule.allows(address))
    }

    #[test]
    fn a_host_of_the_policys_is_called_wherever_it_is_but_on_this_machine() {
        let none = list(&[]);
        for address in ["93.184.216.34", "10.1.2.3", "192.168.0.1", "fd12::1", "2001:db8::1"] {
            assert!(allows(&none, "auth.example.com", true, address), "{address}");
            assert!(!allows(&none, "auth.example.com", false, address), "{address}");
        }
        assert!(!allows(&none, "auth.example.com", true, "127.0.0.1"));
        assert!(!allows(&none, "auth.example.com", true, "::ffff:127.0.0.1"));
        assert!(!allows(&none, "auth.example.com", true, "::1"));
        assert!(allows(&none, "127.0.0.1", true, "127.0.0.1") && allows(&none, "localhost", true, "::1"));
    }

    #[test]
    fn metadata_and_link_local_addresses_are_never_called() {
        let all = list(&["*.example.com", "0.0.0.0/0", "::/0", "169.254.169.254"]);
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            assert!(!allows(&all, "a.example.com", true, address), "{address}");
            assert!(!allows(&all, address, true, address), "{address}");
        }
        assert!(all.rule("Metadata.Google.Internal.", true).is_none());
    }

    #[test]
    fn a_computed_host_must_be_listed() {
        let names = list(&["api.example.com", "*.tenants.example"]);
        for (host, expected) in [
            ("api.example.com", true),
            ("API.example.com.", true),
            ("a.tenants.example", true),
            ("a.b.tenants.example", true),
            ("tenants.example", false),
            ("eviltenants.example", false),
            ("api.example.com.evil.example", false),
        ] {
            assert_eq!(allows(&names, host, false, "10.0.0.1"), expected, "{host}");
        }
        assert!(
            !allows(&names, "api.example.com", false, "127.0.0.1"),
            "a name may not lead to this machine"
        );
        let networks = list(&["10.0.0.0/8", "127.0.0.1"]);
        assert!(allows(&networks, "anything.example", false, "10.255.0.1"));
        assert!(allows(&networks, "anything.example", false, "127.0.0.1"));
        assert!(!allows(&networks, "anything.example", false, "11.0.0.1"));
        assert!(!allows(&networks, "anything.example", false, "127.0.0.2"));
        assert!(allows(&list(&["0.0.0.0/0"]), "anything.example", false, "8.8.8.8"));
        assert!(!allows(&list(&["::/0"]), "anything.example", false, "8.8.8.8"));
    }

    #[test]
    fn entries_are_hosts() {
        for bad in [
            "",
            "*",
            "a b",
            "http://a",
            "a:80",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/x",
            "a.com/8",
            "*.",
            "*a.com",
        ] {
            assert!(Outbound::parse([bad]).is_err(), "{bad}");
        }
        assert!(Outbound::parse(["a", "*.b.c", "10.0.0.1", "::1", "[::1]", "fd00::/8"]).is_ok());
    }
}
