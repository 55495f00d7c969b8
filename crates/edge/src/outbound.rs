//! Which servers may be called, so that nobody can make the gateway call servers that only the gateway can reach
//! (server-side request forgery). Decisions 0019 and 0031.
//!
//! Everything that is connected to is judged by its address, whoever named it: those of link-local networks and of the
//! metadata services of clouds are refused, unless the operator has listed them (`reserved_targets`).
//!
//! What actions such as `http-request` call is judged further. A host that stands in the policy's text is called: who
//! writes the policy has named it. One that is computed from a request, or that a redirect leads to, is called when the
//! operator has listed it (`http_request_targets`), and is never this process itself.

mod special;

use crate::upstream::Addresses;
use special::{METADATA_NAMES, is_no_host, is_one_of, is_reserved, plain};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// The operator's lists, `http_request_targets` and `reserved_targets` of the configuration file, and where the process
/// itself is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    entries: Vec<Entry>,
    /// Networks within those that are refused otherwise.
    reserved: Vec<Entry>,
    own: OnceLock<Box<[SocketAddr]>>,
}

/// Who says that a host is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The policy's text.
    Policy,
    /// A server that the policy's text names, and that says where to go on.
    Server,
    /// Somebody else: a request, or a server's redirect to another host.
    Others,
}

impl Said {
    /// For a host that stands in the policy's text, or not.
    pub(crate) fn by_policy(named: bool) -> Self {
        if named { Self::Policy } else { Self::Others }
    }
}

/// An entry that is neither a name nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It is no host at all.
    #[error("'{0}' is no host; write a name, `*.example.com`, an address, or a network such as 10.0.0.0/8")]
    NoHost(String),
    /// It is none that has to be listed.
    #[error(
        "'{0}' is no link-local address and none of a metadata service; write an address such as 169.254.170.2, or a \
         network within 169.254.0.0/16 or fe80::/10"
    )]
    NotReserved(String),
}

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
        let bad = || BadTarget::NoHost(text.to_owned());
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
        let entries = entries.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { entries, ..Self::default() })
    }

    /// The same list, with addresses that may be called although they are of a link-local network or of a cloud's own
    /// service.
    ///
    /// # Errors
    /// The first that is no such address or network.
    pub fn with_reserved<'a>(
        mut self,
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BadTarget> {
        for text in entries {
            let bad = || BadTarget::NotReserved(text.to_owned());
            let entry = text.parse().map_err(|_| bad())?;
            let Entry::Network { address, bits } = entry else { return Err(bad()) };
            // A network that has others too would let more through than it says.
            let wide = bits < if address.is_ipv4() { 16 } else { 10 };
            if wide || !is_reserved(plain(address)) {
                return Err(bad());
            }
            self.reserved.push(entry);
        }
        Ok(self)
    }

    /// Says where the process listens. Only the first call counts.
    pub fn listen_at(&self, addresses: &[SocketAddr]) {
        // A second call is a mistake of ours, without harm: the first stays.
        let _ = self.own.set(addresses.into());
    }

    /// Whether an address may be connected to at all.
    #[must_use]
    pub(crate) fn reaches(&self, address: IpAddr) -> bool {
        let address = plain(address);
        !is_reserved(address) || self.reserved.iter().any(|entry| entry.holds(address))
    }

    /// Whether the list has this very host, by its name.
    #[must_use]
    pub(crate) fn lists(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.entries.iter().any(|entry| entry.names(&host))
    }

    /// Which addresses of a host may be called; `None`: none of them.
    pub(crate) fn rule(self: &Arc<Self>, host: &str, said: Said) -> Option<Arc<dyn Addresses>> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if METADATA_NAMES.contains(&host.as_str()) && self.reserved.is_empty() {
            return None;
        }
        let named = said != Said::Others;
        let listed = self.entries.iter().any(|entry| entry.names(&host));
        let networks = self.entries.iter().any(|entry| matches!(entry, Entry::Network { .. }));
        if !named && !listed && !networks {
            return None;
        }
        // A name of somebody else's may lead to this machine; an address, or `localhost`, is meant.
        let itself = host.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost");
        let own = said == Said::Policy;
        Some(Arc::new(Rule { list: Arc::clone(self), free: named || listed, loopback: itself, own }))
    }
}

struct Rule {
    list: Arc<Outbound>,
    /// Every address but the machine's own.
    free: bool,
    /// Those as well.
    loopback: bool,
    /// Even this process.
    own: bool,
}

impl Addresses for Rule {
    fn allows(&self, to: SocketAddr) -> bool {
        let address = plain(to.ip());
        if is_no_host(address) || !self.list.reaches(address) {
            return false;
        }
        if !self.own && is_one_of(self.list.own.get().map_or(&[], |own| &**own), to) {
            return false;
        }
        let listed = || self.list.entries.iter().any(|entry| entry.holds(address));
        (self.free && (self.loopback || !address.is_loopback())) || listed()
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
        let address: IpAddr = address.parse().expect("an address");
        list.rule(host, Said::by_policy(named)).is_some_and(|rule| rule.allows((address, 80).into()))
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
    fn metadata_and_link_local_addresses_are_not_called_however_they_are_written() {
        let all = list(&["*.example.com", "0.0.0.0/0", "::/0", "169.254.169.254"]);
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "fd00:ec2::253",
            "fd20:ce::254",
            "::ffff:0:169.254.169.254",
            "64:ff9b:1::a9fe:a9fe",
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
        assert!(all.rule("Metadata.Google.Internal.", Said::Policy).is_none());
    }

    #[test]
    fn reserved_addresses_are_called_when_they_are_listed_as_such() {
        let listed = |list: &[&str], reserved: &[&str]| {
            let list = Outbound::parse(list.iter().copied()).expect("a list");
            Arc::new(list.with_reserved(reserved.iter().copied()).expect("a list"))
        };
        let one = listed(&[], &["169.254.170.2", "fe80::/64"]);
        assert!(allows(&one, "169.254.170.2", true, "169.254.170.2"));
        assert!(allows(&one, "credentials.example", true, "::ffff:169.254.170.2"));
        assert!(allows(&one, "printer.example", true, "fe80::7"));
        assert!(!allows(&one, "169.254.169.254", true, "169.254.169.254"));
        assert!(!allows(&one, "a.example", false, "169.254.170.2"), "a computed host needs both lists");
        let both = listed(&["169.254.170.2"], &["169.254.170.2"]);
        assert!(allows(&both, "a.example", false, "169.254.170.2"));
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(one.reaches(ip("169.254.170.2")) && !one.reaches(ip("169.254.169.254")));
        assert!(one.reaches(ip("127.0.0.1")) && one.reaches(ip("10.0.0.1")), "these are ordinary servers");
        for bad in ["10.0.0.1", "169.0.0.0/8", "::/0", "a.example", "fe80::/9", "x"] {
            assert!(Outbound::default().with_reserved([bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_policys_text_leads_to_the_process_itself() {
        let all = list(&["127.0.0.0/8", "localhost"]);
        all.listen_at(&["0.0.0.0:4040".parse().expect("an address")]);
        let own: SocketAddr = "127.0.0.1:4040".parse().expect("an address");
        let other: SocketAddr = "127.0.0.1:4041".parse().expect("an address");
        for (said, expected) in [(Said::Policy, true), (Said::Server, false), (Said::Others, false)] {
            for host in ["127.0.0.1", "localhost", "a.example"] {
                let rule = all.rule(host, said).expect("a rule");
                assert_eq!((rule.allows(own), rule.allows(other)), (expected, true), "{host} {said:?}");
            }
        }
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
