//! Networks, and an address counted by its network.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Addresses that begin with the same bits (CIDR, RFC 4632 and RFC 4291).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The first address: the bits after the prefix are zero.
    address: IpAddr,
    /// At most 32 or 128.
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNetwork {
    /// It is no address.
    #[error("`{}` is no address and no network", .0.escape_debug())]
    Address(String),
    /// The prefix is longer than the address.
    #[error("`/{0}` is longer than the address")]
    Prefix(u8),
    /// Bits are set that the prefix does not cover: one of the two is not what was meant.
    #[error("`{0}` has bits set after its prefix; its network is `{1}`")]
    HostBits(String, Network),
}

impl Network {
    /// The network of an address. None when the prefix is longer than the address.
    #[must_use]
    pub fn of(address: IpAddr, prefix: u8) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V4(address) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Some(Self { address: Ipv4Addr::from_bits(address.to_bits() & mask).into(), prefix })
            }
            IpAddr::V6(address) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Some(Self { address: Ipv6Addr::from_bits(address.to_bits() & mask).into(), prefix })
            }
            _ => None,
        }
    }

    /// Whether an address lies in it. An IPv4 address in IPv6 form is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && Self::of(address, self.prefix) == Some(*self)
    }

    /// Its first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits all its addresses share.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }
}

/// `10.0.0.0/8`, `2001:db8::/32`; a lone address is a network of one.
impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let bad = || InvalidNetwork::Address(text.chars().take(60).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.bytes().all(|digit| digit.is_ascii_digit()) => {
                (address, Some(prefix.parse::<u8>().map_err(|_| bad())?))
            }
            Some(_) => return Err(bad()),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(most);
        if prefix > most {
            return Err(InvalidNetwork::Prefix(prefix));
        }
        // The prefix of an IPv4 address in IPv6 form counts 96 bits more.
        let canonical = address.to_canonical();
        let prefix =
            if canonical.is_ipv4() && address.is_ipv6() { prefix.checked_sub(96).ok_or_else(bad)? } else { prefix };
        let network = Self::of(canonical, prefix).ok_or_else(bad)?;
        if network.address == canonical { Ok(network) } else { Err(InvalidNetwork::HostBits(text.to_owned(), network)) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// How much of an address is counted as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Bits of an IPv4 address, at most 32.
    v4: u8,
    /// Bits of an IPv6 address, at most 128.
    v6: u8,
}

impl Prefixes {
    /// None when one is longer than its address.
    #[must_use]
    pub const fn new(v4: u8, v6: u8) -> Option<Self> {
        if v4 <= 32 && v6 <= 128 { Some(Self { v4, v6 }) } else { None }
    }

    /// The bits of an IPv4 and of an IPv6 address.
    #[must_use]
    pub const fn bits(&self) -> (u8, u8) {
        (self.v4, self.v6)
    }

    /// The network that an address is counted as.
    #[must_use]
    pub fn network(&self, address: IpAddr) -> Network {
        let address = address.to_canonical();
        let prefix = if address.is_ipv4() { self.v4 } else { self.v6 };
        Network::of(address, prefix).expect("the prefixes fit their addresses")
    }
}

/// An IPv4 address whole, and 64 bits of an IPv6 address: whoever has one has the other 64 bits to choose (RFC 4291, 2.5.1).
impl Default for Prefixes {
    fn default() -> Self {
        Self { v4: 32, v6: 64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_holds_its_addresses() {
        let ten = network("10.0.0.0/8");
        assert!(ten.contains(address("10.255.0.1")) && ten.contains(address("::ffff:10.0.0.1")));
        assert!(!ten.contains(address("11.0.0.1")) && !ten.contains(address("::1")));
        assert!(network("::/0").contains(address("2001:db8::1")));
        assert!(!network("::/0").contains(address("192.0.2.1")));
        assert!(network("0.0.0.0/0").contains(address("192.0.2.1")));
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1/32");
        assert_eq!(network("::ffff:10.0.0.0/104"), ten);
    }

    #[test]
    fn what_is_none_says_why() {
        let fault = |text: &str| text.parse::<Network>().expect_err("bad").to_string();
        assert_eq!(fault("10.0.0.0/33"), "`/33` is longer than the address");
        assert_eq!(fault("10.0.0.1/8"), "`10.0.0.1/8` has bits set after its prefix; its network is `10.0.0.0/8`");
        for bad in ["", "/", "10/8", "10.0.0.0/+8", "10.0.0.0/", "::ffff:10.0.0.0/8"] {
            assert!(fault(bad).ends_with("no address and no network"), "{bad}");
        }
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let prefixes = Prefixes::default();
        let network = |text| prefixes.network(address(text)).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("192.0.2.7"), "192.0.2.7/32");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7/32");
        assert_eq!(Prefixes::new(33, 64), None);
    }
}
