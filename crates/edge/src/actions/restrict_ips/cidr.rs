//! Networks in CIDR notation (RFC 4632, RFC 4291 section 2.3), and sets of them that are looked up by prefix.

use foldhash::HashMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// A network. Bits behind the prefix are ignored; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cidr {
    v4: bool,
    bits: u128,
    prefix: u32,
}

impl FromStr for Cidr {
    type Err = String;

    /// The error says what is wrong, and fits behind the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| "does not begin with an address".to_owned())?;
        let (v4, bits, width) = bits(address);
        let given = match prefix {
            Some(prefix) if matches!(prefix.len(), 1..=3) && prefix.bytes().all(|b| b.is_ascii_digit()) => {
                prefix.parse().unwrap_or(u32::MAX)
            }
            Some(_) => return Err("has no number behind the `/`".into()),
            None => width,
        };
        if given > width {
            return Err(format!("has a prefix of more than {width} bits"));
        }
        let network = Self { v4, bits: masked(bits, width, given), prefix: given };
        Ok(network.canonical())
    }
}

impl Cidr {
    /// Whether the address is in it.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        let (v4, bits, width) = bits(address.to_canonical());
        v4 == self.v4 && masked(bits, width, self.prefix) == self.bits
    }

    /// IPv4 in the form of IPv6 (`::ffff:10.0.0.0/104`) as IPv4, as clients' addresses are.
    fn canonical(self) -> Self {
        const MAPPED: u128 = 0xffff << 32;
        match self.prefix.checked_sub(96) {
            Some(prefix) if !self.v4 && self.bits >> 32 == MAPPED >> 32 => {
                Self { v4: true, bits: self.bits & u128::from(u32::MAX), prefix }
            }
            _ => self,
        }
    }
}

/// Whether it is IPv4, its bits, how many.
fn bits(address: IpAddr) -> (bool, u128, u32) {
    match address {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (false, address.to_bits(), 128),
    }
}

/// The bits of the prefix, the others zero.
fn masked(bits: u128, width: u32, prefix: u32) -> u128 {
    let host = width - prefix.min(width);
    bits.checked_shr(host).and_then(|bits| bits.checked_shl(host)).unwrap_or(0)
}

/// A set of networks. A look costs one table for each length of prefix there is, whatever their number.
#[derive(Clone, Debug, Default)]
pub(super) struct CidrSet {
    v4: Table,
    v6: Table,
}

/// Networks by length of prefix, the longest first; each with how it was written.
type Table = Vec<(u32, HashMap<u128, Arc<str>>)>;

impl CidrSet {
    pub(super) fn insert(&mut self, network: Cidr, written: &str) {
        let table = if network.v4 { &mut self.v4 } else { &mut self.v6 };
        let at = match table.binary_search_by(|(prefix, _)| network.prefix.cmp(prefix)) {
            Ok(at) => at,
            Err(at) => {
                table.insert(at, (network.prefix, HashMap::default()));
                at
            }
        };
        if let Some((_, networks)) = table.get_mut(at) {
            networks.entry(network.bits).or_insert_with(|| written.into());
        }
    }

    /// The smallest network that the address is in, as it was written.
    pub(super) fn find(&self, address: IpAddr) -> Option<&Arc<str>> {
        let (v4, bits, width) = bits(address.to_canonical());
        let table = if v4 { &self.v4 } else { &self.v6 };
        table.iter().find_map(|(prefix, networks)| networks.get(&masked(bits, width, *prefix)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(networks: &[&str]) -> CidrSet {
        let mut set = CidrSet::default();
        for network in networks {
            set.insert(network.parse().expect("a network"), network);
        }
        set
    }

    fn found<'s>(set: &'s CidrSet, address: &str) -> Option<&'s str> {
        set.find(address.parse().expect("an address")).map(|network| &**network)
    }

    #[test]
    fn the_smallest_network_is_found() {
        let set =
            set(&["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "::1/128", "192.168.7.9/16"]);
        for (address, expected) in [
            ("10.2.3.4", Some("10.0.0.0/8")),
            ("10.1.9.9", Some("10.1.0.0/16")),
            ("10.1.2.3", Some("10.1.2.3")),
            ("::ffff:10.1.2.3", Some("10.1.2.3")),
            ("11.0.0.1", None),
            ("192.168.0.1", Some("192.168.7.9/16")),
            ("2001:db8:1::1", Some("2001:db8::/32")),
            ("2001:db9::1", None),
            ("::1", Some("::1/128")),
        ] {
            assert_eq!(found(&set, address), expected, "{address}");
        }
    }

    #[test]
    fn everything_is_a_network_too_of_its_own_kind() {
        assert_eq!(found(&set(&["0.0.0.0/0"]), "255.255.255.255"), Some("0.0.0.0/0"));
        assert_eq!(found(&set(&["0.0.0.0/0"]), "::2"), None);
        assert_eq!(found(&set(&["::/0"]), "2001:db8::1"), Some("::/0"));
        assert_eq!(found(&set(&["::ffff:10.0.0.0/104"]), "10.9.9.9"), Some("::ffff:10.0.0.0/104"));
    }

    #[test]
    fn what_is_no_network() {
        for (text, why) in [
            ("10.0.0/8", "begin with an address"),
            ("10.0.0.0/33", "32 bits"),
            ("::/129", "128 bits"),
            ("10.0.0.0/", "behind the `/`"),
            ("10.0.0.0/-1", "behind the `/`"),
            ("10.0.0.0/+8", "behind the `/`"),
            ("10.0.0.0/255.0.0.0", "behind the `/`"),
            ("office", "begin with an address"),
            ("", "begin with an address"),
        ] {
            let said = text.parse::<Cidr>().expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn the_set_says_what_each_network_says(
            networks in proptest::collection::vec((any::<u32>(), 0..=32_u32), 0..40), address in any::<u32>(),
            near in any::<proptest::sample::Index>(), bit in 0..32_u32,
        ) {
            let written: Vec<String> =
                networks.iter().map(|(bits, prefix)| format!("{}/{prefix}", std::net::Ipv4Addr::from(*bits))).collect();
            let mut set = CidrSet::default();
            let mut each: Vec<Cidr> = Vec::new();
            for text in &written {
                let network = text.parse().expect("a network");
                set.insert(network, text);
                each.push(network);
            }
            // An address one bit beside a network's is in it or just outside.
            let beside = if networks.is_empty() { address } else { near.get(&networks).0 ^ (1 << bit) };
            for address in [address, beside] {
                let address = IpAddr::from(std::net::Ipv4Addr::from(address));
                prop_assert_eq!(set.find(address).is_some(), each.iter().any(|network| network.contains(address)));
            }
        }
    }
}
