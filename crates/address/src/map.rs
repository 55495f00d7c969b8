//! Values of networks, found by an address: the innermost network first, then those around it.

use crate::network::{Bits, Network};
use std::net::IpAddr;

/// Networks with a value each, that do not change any more.
///
/// Networks either lie in one another or have nothing in common, so they cut the addresses into ranges in which the
/// answer is the same. A search among the ranges finds the innermost network, and each network knows the one it lies in.
/// The cost is one binary search, whatever the lengths of prefixes; 8 bytes for each range of IPv4 and 20 of IPv6, and
/// 8 bytes for each network with a small value.
#[derive(Clone, Debug)]
pub struct NetworkMap<T> {
    v4: Table<u32, T>,
    v6: Table<u128, T>,
}

#[derive(Clone, Debug)]
struct Table<B, T> {
    /// The first address of each range, ascending.
    starts: Vec<B>,
    /// The innermost network of each range.
    inside: Vec<u32>,
    networks: Vec<Entry<T>>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    value: T,
    /// The network around this one.
    outer: u32,
}

/// In place of an index: no network.
const NONE: u32 = u32::MAX;

impl<T> Default for NetworkMap<T> {
    fn default() -> Self {
        Self { v4: Table::new(Vec::new()), v6: Table::new(Vec::new()) }
    }
}

impl<T> FromIterator<(Network, T)> for NetworkMap<T> {
    /// Of the same network twice, the first counts as the inner one. Networks beyond 2^32 - 1 are ignored.
    fn from_iter<I: IntoIterator<Item = (Network, T)>>(networks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, value) in networks {
            match network {
                Network::V4(bits, prefix) => v4.push((bits, prefix, value)),
                Network::V6(bits, prefix) => v6.push((bits, prefix, value)),
            }
        }
        Self { v4: Table::new(v4), v6: Table::new(v6) }
    }
}

impl<T> NetworkMap<T> {
    /// The value of the smallest network that the address is in.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<&T> {
        self.all(address).next()
    }

    /// The values of all networks that the address is in, the smallest network first.
    #[must_use]
    pub fn all(&self, address: IpAddr) -> Matches<'_, T> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.all(address.to_bits()),
            IpAddr::V6(address) => self.v6.all(address.to_bits()),
        }
    }

    /// How many networks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.networks.len() + self.v6.networks.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that it takes, without what values point to.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes()
    }
}

/// The values of networks, from the inner ones to the outer ones.
#[derive(Clone, Debug)]
pub struct Matches<'m, T> {
    networks: &'m [Entry<T>],
    at: u32,
}

impl<'m, T> Iterator for Matches<'m, T> {
    type Item = &'m T;

    fn next(&mut self) -> Option<&'m T> {
        let entry = self.networks.get(usize::try_from(self.at).ok()?)?;
        self.at = entry.outer;
        Some(&entry.value)
    }
}

impl<B: Bits, T> Table<B, T> {
    fn new(mut sorted: Vec<(B, u8, T)>) -> Self {
        // Outer networks come before those in them; of the same ones, the first comes last and is the inner one.
        sorted.reverse();
        sorted.sort_by_key(|(bits, prefix, _)| (*bits, *prefix));
        let mut table = Self { starts: Vec::new(), inside: Vec::new(), networks: Vec::new() };
        let mut open: Vec<(B, u32)> = Vec::new();
        for (index, (first, prefix, value)) in (0..NONE).zip(sorted) {
            table.close(&mut open, Some(first));
            let outer = open.last().map_or(NONE, |(_, network)| *network);
            table.networks.push(Entry { value, outer });
            table.begin(first, index);
            open.push((first.last(prefix), index));
        }
        table.close(&mut open, None);
        table.starts.shrink_to_fit();
        table.inside.shrink_to_fit();
        table.networks.shrink_to_fit();
        table
    }

    /// Ends the networks whose last address is before this one, or all.
    fn close(&mut self, open: &mut Vec<(B, u32)>, before: Option<B>) {
        while let Some((last, _)) = open.pop_if(|(last, _)| before.is_none_or(|first| *last < first)) {
            let outer = open.last().map_or(NONE, |(_, network)| *network);
            if let Some(next) = last.next() {
                self.begin(next, outer);
            }
        }
    }

    /// A range begins. One that began at the same address is empty, and forgotten.
    fn begin(&mut self, at: B, network: u32) {
        if self.starts.last() == Some(&at) {
            self.starts.pop();
            self.inside.pop();
        }
        self.starts.push(at);
        self.inside.push(network);
    }

    fn all(&self, address: B) -> Matches<'_, T> {
        let after = self.starts.partition_point(|start| *start <= address);
        let at = after.checked_sub(1).and_then(|range| self.inside.get(range)).copied();
        Matches { networks: &self.networks, at: at.unwrap_or(NONE) }
    }

    fn bytes(&self) -> usize {
        self.starts.len() * size_of::<B>()
            + self.inside.len() * 4
            + self.networks.len() * size_of::<Entry<T>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn map<'t>(networks: &[&'t str]) -> NetworkMap<&'t str> {
        networks.iter().map(|text| (text.parse().expect("a network"), *text)).collect()
    }

    fn found<'t>(map: &NetworkMap<&'t str>, address: &str) -> Vec<&'t str> {
        map.all(address.parse().expect("an address")).copied().collect()
    }

    #[test]
    fn the_smallest_network_comes_first() {
        let map =
            map(&["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "::1/128", "192.168.7.9/16"]);
        for (address, expected) in [
            ("10.2.3.4", &["10.0.0.0/8"][..]),
            ("10.1.9.9", &["10.1.0.0/16", "10.0.0.0/8"]),
            ("10.1.2.3", &["10.1.2.3", "10.1.0.0/16", "10.0.0.0/8"]),
            ("::ffff:10.1.2.3", &["10.1.2.3", "10.1.0.0/16", "10.0.0.0/8"]),
            ("10.1.2.4", &["10.1.0.0/16", "10.0.0.0/8"]),
            ("9.255.255.255", &[]),
            ("11.0.0.0", &[]),
            ("192.168.0.1", &["192.168.7.9/16"]),
            ("2001:db8:1::1", &["2001:db8::/32"]),
            ("2001:db9::1", &[]),
            ("::1", &["::1/128"]),
            ("::2", &[]),
        ] {
            assert_eq!(found(&map, address), expected, "{address}");
        }
    }

    #[test]
    fn the_ends_of_all_addresses() {
        let map = map(&["0.0.0.0/0", "255.255.255.255", "0.0.0.0", "::/0", "ffff::/16"]);
        assert_eq!(found(&map, "0.0.0.0"), ["0.0.0.0", "0.0.0.0/0"]);
        assert_eq!(found(&map, "255.255.255.255"), ["255.255.255.255", "0.0.0.0/0"]);
        assert_eq!(found(&map, "255.255.255.254"), ["0.0.0.0/0"]);
        assert_eq!(found(&map, "ffff:ffff::"), ["ffff::/16", "::/0"]);
        assert!(found(&super::NetworkMap::default(), "1.2.3.4").is_empty());
    }

    #[test]
    fn of_the_same_network_the_first_is_the_inner_one() {
        let map = map(&["10.0.0.0/8", "10.5.0.0/8", "10.0.0.0/9"]);
        assert_eq!(found(&map, "10.1.1.1"), ["10.0.0.0/9", "10.0.0.0/8", "10.5.0.0/8"]);
        assert_eq!(map.len(), 3);
    }

    fn v4() -> impl Strategy<Value = Network> {
        // Few different bits, so that networks meet.
        (0..16_u32, any::<u32>(), 0..=32_u8)
            .prop_map(|(high, low, prefix)| Network::v4(high << 28 | low >> 20, prefix))
    }

    fn v6() -> impl Strategy<Value = Network> {
        (0..4_u128, any::<u128>(), 0..=128_u8)
            .prop_map(|(high, low, prefix)| Network::v6(high << 126 | low >> 100, prefix))
    }

    /// Addresses at the edges of a network, and one bit beside.
    fn near(network: Network, bit: u8) -> Vec<IpAddr> {
        match network {
            Network::V4(bits, prefix) => {
                let last = bits | u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                [bits, last, bits.wrapping_sub(1), last.wrapping_add(1), bits ^ (1 << (bit % 32))]
                    .map(|bits| Ipv4Addr::from(bits).into())
                    .into()
            }
            Network::V6(bits, prefix) => {
                let last = bits | u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                [bits, last, bits.wrapping_sub(1), last.wrapping_add(1), bits ^ (1 << (bit % 128))]
                    .map(|bits| Ipv6Addr::from(bits).into())
                    .into()
            }
        }
    }

    proptest! {
        #[test]
        fn the_map_says_what_each_network_says(
            networks in proptest::collection::vec(prop_oneof![v4(), v6()], 1..60),
            any in proptest::collection::vec(any::<u32>(), 1..10), bit in any::<u8>(),
        ) {
            let map: NetworkMap<usize> = networks.iter().copied().zip(0..).collect();
            let edges = networks.iter().flat_map(|network| near(*network, bit));
            for address in any.iter().map(|bits| Ipv4Addr::from(*bits).into()).chain(edges) {
                let mut expected: Vec<usize> =
                    (0..networks.len()).filter(|index| networks[*index].contains(address)).collect();
                let prefix = |index: &usize| match networks[*index] { Network::V4(_, p) | Network::V6(_, p) => p };
                // The longest prefix first; of the same ones, the first.
                expected.sort_by_key(|index| (std::cmp::Reverse(prefix(index)), *index));
                let found: Vec<usize> = map.all(address).copied().collect();
                prop_assert_eq!(found, expected, "{}", address);
            }
        }
    }
}
