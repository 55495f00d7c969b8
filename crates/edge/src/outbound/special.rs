//! Addresses that are not those of ordinary servers: of link-local networks, of clouds' own services, of nobody, of many.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Metadata services and the like outside of link-local networks: Alibaba Cloud, Azure's platform address, Oracle
/// Cloud. (AWS, Google, Azure, Tencent and others are in 169.254.0.0/16.)
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// The metadata service of Google over IPv6.
const METADATA_V6: [Ipv6Addr; 1] = [Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];
/// Names of metadata services.
pub(super) const METADATA_NAMES: [&str; 3] =
    ["metadata.google.internal", "metadata", "metadata.tencentyun.com"];

/// The IPv4 address inside an IPv6 one that stands for it: mapped (RFC 4291 section 2.5.5), translated (RFC 2765 section
/// 2.1), NAT64 (RFC 6052 section 2.1, RFC 8215), 6to4 (RFC 3056 section 2).
pub(super) fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    let inside = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match six.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => inside(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => inside(high, low),
        _ => address,
    }
}

/// Whether an address, as [`plain`] gives it, is of a link-local network or of a cloud's own service: whoever reaches
/// it is taken for the machine.
pub(super) fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local() || METADATA_V4.contains(&four),
        IpAddr::V6(six) => {
            // AWS keeps its metadata, time and name services in fd00:ec2::/32.
            let of_aws = matches!(six.segments(), [0xfd00, 0x0ec2, ..]);
            six.is_unicast_link_local() || of_aws || METADATA_V6.contains(&six)
        }
    }
}

/// Whether an address, as [`plain`] gives it, is that of no one server: unspecified, multicast, broadcast.
pub(super) fn is_no_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => matches!(four.octets(), [0 | 224..=255, ..]),
        IpAddr::V6(six) => six.is_unspecified() || six.is_multicast(),
    }
}

/// Whether a connection to an address ends at one of these listeners of this process.
pub(super) fn is_one_of(listeners: &[SocketAddr], to: SocketAddr) -> bool {
    let address = plain(to.ip());
    listeners.iter().filter(|own| own.port() == to.port()).any(|own| {
        let here = plain(own.ip());
        here == address || (here.is_unspecified() && is_of_this_machine(address))
    })
}

/// Asks the system from which address it would send: what is sent to oneself comes from the address it goes to. Nothing
/// is sent, and nothing waits.
fn is_of_this_machine(address: IpAddr) -> bool {
    let unspecified: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // The port means nothing here; 9 is that of the service that throws everything away (RFC 863).
    let source = UdpSocket::bind((unspecified, 0))
        .and_then(|socket| socket.connect((address, 9)).and_then(|()| socket.local_addr()));
    address.is_loopback() || source.is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_found_under_every_address_of_the_machine() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let one = [at("127.0.0.1:8080")];
        assert!(is_one_of(&one, at("127.0.0.1:8080")) && is_one_of(&one, at("[::ffff:127.0.0.1]:8080")));
        assert!(!is_one_of(&one, at("127.0.0.1:8081")) && !is_one_of(&one, at("192.0.2.1:8080")));
        for every in [[at("0.0.0.0:8080")], [at("[::]:8080")]] {
            for here in ["127.0.0.1:8080", "127.9.9.9:8080", "[::ffff:127.0.0.1]:8080", "[::1]:8080"] {
                assert!(is_one_of(&every, at(here)), "{here}");
            }
            // For documentation only (RFC 5737, RFC 3849), so of no machine.
            for elsewhere in ["192.0.2.1:8080", "[2001:db8::1]:8080", "127.0.0.1:80"] {
                assert!(!is_one_of(&every, at(elsewhere)), "{elsewhere}");
            }
        }
        assert!(!is_one_of(&[], at("127.0.0.1:8080")));
    }
}
