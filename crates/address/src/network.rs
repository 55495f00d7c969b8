//! Networks in CIDR notation (RFC 4632, RFC 4291 section 2.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network. Bits behind the prefix are ignored; an address alone is a network of one; IPv4 in the form of IPv6
/// (`::ffff:10.0.0.0/104`) is IPv4, as clients' addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// IPv4: the first address, and the length of the prefix in bits.
    V4(u32, u8),
    /// IPv6.
    V6(u128, u8),
}

impl FromStr for Network {
    type Err = String;

    /// The error says what is wrong, and fits behind the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| "does not begin with an address".to_owned())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(digits) if matches!(digits.len(), 1..=3) && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse::<u8>().unwrap_or(u8::MAX)
            }
            Some(_) => return Err("has no number behind the `/`".into()),
        };
        if prefix > width {
            return Err(format!("has a prefix of more than {width} bits"));
        }
        Ok(match address {
            IpAddr::V4(address) => Self::v4(address.to_bits(), prefix),
            IpAddr::V6(address) => Self::v6(address.to_bits(), prefix),
        })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V4(bits, prefix) => write!(f, "{}/{prefix}", Ipv4Addr::from_bits(*bits)),
            Self::V6(bits, prefix) => write!(f, "{}/{prefix}", Ipv6Addr::from_bits(*bits)),
        }
    }
}

impl Network {
    /// The IPv4 network of this prefix that the address is in.
    #[must_use]
    pub fn v4(bits: u32, prefix: u8) -> Self {
        Self::V4(bits.first(prefix), prefix.min(32))
    }

    /// The IPv6 network of this prefix that the address is in.
    #[must_use]
    pub fn v6(bits: u128, prefix: u8) -> Self {
        let first = bits.first(prefix);
        match prefix.checked_sub(96) {
            Some(rest) if first >> 32 == 0xffff => Self::v4(u32::try_from(first & MASK).unwrap_or(0), rest),
            _ => Self::V6(first, prefix.min(128)),
        }
    }

    /// Whether the address is in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self, address.to_canonical()) {
            (Self::V4(first, prefix), IpAddr::V4(address)) => address.to_bits().first(prefix) == first,
            (Self::V6(first, prefix), IpAddr::V6(address)) => address.to_bits().first(prefix) == first,
            _ => false,
        }
    }
}

/// The lower 32 bits.
const MASK: u128 = u32::MAX as u128;

/// An address as a number.
pub(crate) trait Bits: Copy + Ord {
    /// The first address of the network of this prefix.
    fn first(self, prefix: u8) -> Self;
    /// The last one.
    fn last(self, prefix: u8) -> Self;
    /// The address after this one.
    fn next(self) -> Option<Self>;
}

macro_rules! bits {
    ($number:ty) => {
        impl Bits for $number {
            fn first(self, prefix: u8) -> Self {
                self & !<$number>::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
            }

            fn last(self, prefix: u8) -> Self {
                self | <$number>::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
            }

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
        }
    };
}

bits!(u32);
bits!(u128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_written() {
        for (text, written) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            (" 192.168.7.9/16 ", "192.168.0.0/16"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::/0", "::/0"),
            ("::ffff:10.9.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
        ] {
            assert_eq!(
                text.parse::<Network>().map(|network| network.to_string()),
                Ok(written.into()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_network() {
        for (text, why) in [
            ("10.0.0/8", "begin with an address"),
            ("10.0.0.0/33", "32 bits"),
            ("::/129", "128 bits"),
            ("::/999", "128 bits"),
            ("10.0.0.0/", "behind the `/`"),
            ("10.0.0.0/-1", "behind the `/`"),
            ("10.0.0.0/+8", "behind the `/`"),
            ("10.0.0.0/255.0.0.0", "behind the `/`"),
            ("office", "begin with an address"),
            ("", "begin with an address"),
        ] {
            let said = text.parse::<Network>().expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn what_a_network_contains() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "1.2.3.4", false),
        ] {
            let network: Network = network.parse().expect("a network");
            assert_eq!(network.contains(address.parse().expect("an address")), inside, "{network} {address}");
        }
    }
}
