//! Where a client may connect to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;

/// Which addresses may be connected to. Names are resolved first: only addresses count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Every address: for targets that the operator wrote into the configuration.
    Any,
    /// Addresses of the public Internet.
    #[default]
    Public,
    /// Those, and these ranges.
    PublicAnd(IpRanges),
}

impl AddressPolicy {
    /// Whether this address may be connected to. An IPv4 address in IPv6 clothes (RFC 4291
    /// §2.5.5.2) is judged as what it is.
    pub fn permits(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        match self {
            Self::Any => true,
            Self::Public => is_public(ip),
            Self::PublicAnd(ranges) => ranges.contain(ip) || is_public(ip),
        }
    }
}

/// Whether an address is of the public Internet and belongs to one machine there.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// By the special-purpose registry of RFC 6890: what is not globally reachable is not public.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = a == 0
        || ip.is_loopback()
        || ip.is_private()
        // 169.254.169.254 serves the secrets of cloud machines.
        || ip.is_link_local()
        // Shared by the customers of one provider, RFC 6598.
        || a == 100 && (64..128).contains(&b)
        // Protocol assignments, RFC 6890, and the former 6to4 relays, RFC 7526.
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || ip.is_documentation()
        // Benchmarks, RFC 2544.
        || a == 198 && (18..20).contains(&b)
        // Multicast, reserved, broadcast.
        || a >= 224;
    !special
}

/// RFC 4291 §2.5.4: global unicast is 2000::/3 for now. What in it stands for an IPv4 address
/// behind a relay (Teredo, 6to4), or for nothing, is left out.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let global = first & 0xe000 == 0x2000;
    let special = first == 0x2001 && (second < 0x200 || second == 0xdb8)
        || first == 0x2002
        || first == 0x3fff;
    global && !special
}

/// Ranges of addresses, written as "192.0.2.0/24, 2001:db8::1".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpRanges(Vec<IpNet>);

impl IpRanges {
    /// Whether an address is in one of the ranges.
    pub fn contain(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|range| range.contains(&ip))
    }

    /// The ranges.
    pub fn ranges(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The text is no list of ranges.
#[derive(Debug, thiserror::Error)]
#[error("not a list of IP addresses or ranges like \"192.0.2.0/24, 2001:db8::1\"")]
pub struct NotARange;

impl FromStr for IpRanges {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let range = |text: &str| match text.parse::<IpAddr>() {
            Ok(ip) => Ok(IpNet::from(ip)),
            Err(_) => text.parse::<IpNet>().map_err(|_| NotARange),
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(range).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for IpRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<String> = self.0.iter().map(IpNet::to_string).collect();
        f.write_str(&ranges.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_the_public_internet_is_refused() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::",
            "2001:db8::1",
        ] {
            assert!(!AddressPolicy::Public.permits(ip(address)), "{address}");
            assert!(AddressPolicy::Any.permits(ip(address)), "{address}");
        }
    }

    #[test]
    fn the_public_internet_is_allowed() {
        for address in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(AddressPolicy::Public.permits(ip(address)), "{address}");
        }
    }

    #[test]
    fn what_the_configuration_allows_is_allowed_in_both_clothes() {
        let policy = AddressPolicy::PublicAnd("127.0.0.1, 10.1.0.0/16".parse().unwrap());
        for (address, allowed) in [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.2", false),
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("8.8.8.8", true),
        ] {
            assert_eq!(policy.permits(ip(address)), allowed, "{address}");
        }
    }

    #[test]
    fn ranges_are_written_as_they_are_read() {
        let ranges: IpRanges = " 192.0.2.0/24 ,2001:db8::1,".parse().unwrap();
        assert_eq!(ranges.to_string(), "192.0.2.0/24, 2001:db8::1/128");
        assert_eq!(ranges.to_string().parse::<IpRanges>().unwrap(), ranges);
        assert!("".parse::<IpRanges>().unwrap().is_empty());
        for wrong in ["x", "1.2.3.4/33", "1.2.3", "10.0.0.0/8 10.1.0.0/16"] {
            assert!(wrong.parse::<IpRanges>().is_err(), "{wrong}");
        }
    }
}
