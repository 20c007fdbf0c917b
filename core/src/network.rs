//! Networks of IP addresses, and whether an address is in one.
//!
//! An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is the IPv4 address that it contains: a server that listens on both
//! protocols reports clients in this form. So an IPv6 network that is not within `::ffff:0:0/96` contains no IPv4 address.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The first address of the IPv4-mapped ones, `::ffff:0:0`.
const MAPPED: u128 = 0xffff << 32;
const MAPPED_BITS: u8 = 96;

/// A network, or a single address: the bits of an IPv6 address that are the same for all addresses in it. IPv4 is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: u128,
    bits: u8,
}

impl Network {
    /// Returns an IPv4 network. Bits of the address after the first `bits` are ignored. `bits` is at most 32.
    pub fn ipv4(address: [u8; 4], bits: u8) -> Self {
        Self::new(MAPPED | u128::from(u32::from_be_bytes(address)), MAPPED_BITS + bits.min(32))
    }

    /// Returns an IPv6 network. Bits of the address after the first `bits` are ignored. `bits` is at most 128.
    pub fn ipv6(address: [u8; 16], bits: u8) -> Self {
        Self::new(u128::from_be_bytes(address), bits.min(128))
    }

    fn new(address: u128, bits: u8) -> Self {
        Self { address: address & Self::mask(bits), bits }
    }

    fn mask(bits: u8) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
    }

    fn is_ipv4(&self) -> bool {
        self.bits >= MAPPED_BITS && self.address & Self::mask(MAPPED_BITS) == MAPPED
    }

    /// Returns true if every address of `other` is in this network.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_ipv4() == other.is_ipv4()
            && self.bits <= other.bits
            && other.address & Self::mask(self.bits) == self.address
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ipv4() {
            write!(f, "{}/{}", Ipv4Addr::from(self.address as u32), self.bits - MAPPED_BITS)
        } else {
            write!(f, "{}/{}", Ipv6Addr::from(self.address), self.bits)
        }
    }
}

/// The networks from which a token is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Box<[Network]>);

impl Networks {
    /// Returns true if the address is in one of the networks.
    pub fn contain(&self, address: &Network) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Returns true if every address of `other` is in one of these networks. Two halves do not count as their whole.
    pub fn cover(&self, other: &Self) -> bool {
        other.0.iter().all(|network| self.contain(network))
    }

    /// Returns true if all addresses of both protocols are in them.
    pub fn are_everywhere(&self) -> bool {
        self.contain(&Network::ipv4([0; 4], 0)) && self.contain(&Network::ipv6([0; 16], 0))
    }

    /// Returns the networks that are in both. None means nowhere.
    pub fn intersection(&self, other: &Self) -> Self {
        let common = |networks: &Self, in_one_of: &Self| -> Vec<Network> {
            networks.0.iter().copied().filter(|network| in_one_of.contain(network)).collect()
        };
        let mut both = common(self, other);
        both.extend(common(other, self));
        both.sort();
        both.dedup();
        Self(both.into())
    }

    /// Returns true if no address is in them.
    pub fn are_nowhere(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the networks.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }

    /// Returns the bytes that it allocates, with `alloc_overhead` for each allocation.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        alloc_overhead + size_of_val(&*self.0)
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn network(text: &str) -> Network {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, bits.parse().ok()));
        match address.parse().unwrap() {
            IpAddr::V4(address) => Network::ipv4(address.octets(), bits.unwrap_or(32)),
            IpAddr::V6(address) => Network::ipv6(address.octets(), bits.unwrap_or(128)),
        }
    }

    fn networks(texts: &[&str]) -> Networks {
        texts.iter().map(|text| network(text)).collect()
    }

    #[test]
    fn an_address_is_in_its_network() {
        for (outer, inner, is_in) in [
            ("192.0.2.0/24", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.3.1", false),
            ("192.0.2.1/32", "192.0.2.1", true),
            ("192.0.2.1/32", "192.0.2.0", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("10.0.0.0/8", "10.0.0.0/7", false),
            ("2001:db8::/32", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
            ("::1/128", "::1", true),
        ] {
            assert_eq!(network(outer).contains(&network(inner)), is_in, "{inner} in {outer}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert!(network("192.0.2.0/24").contains(&network("::ffff:192.0.2.1")));
        assert!(!network("192.0.2.0/24").contains(&network("::ffff:192.0.3.1")));
        assert!(network("::ffff:192.0.2.0/120").contains(&network("192.0.2.1")));
        assert!(network("::ffff:0:0/96").contains(&network("192.0.2.1")));
        // Not the IPv4-compatible form, which is another address.
        assert!(!network("192.0.2.0/24").contains(&network("::192.0.2.1")));
    }

    #[test]
    fn an_ipv6_network_contains_no_ipv4_address() {
        for wide in ["::/0", "::/80", "::fffe:0:0/95"] {
            assert!(!network(wide).contains(&network("192.0.2.1")), "{wide}");
            assert!(!network(wide).contains(&network("::ffff:192.0.2.1")), "{wide}");
        }
    }

    #[test]
    fn everywhere_is_both_protocols() {
        assert!(networks(&["0.0.0.0/0", "::/0"]).are_everywhere());
        assert!(networks(&["192.0.2.0/24", "::/0", "0.0.0.0/0"]).are_everywhere());
        assert!(!networks(&["0.0.0.0/0"]).are_everywhere());
        assert!(!networks(&["::/0"]).are_everywhere());
        assert!(!networks(&[]).are_everywhere());
    }

    #[test]
    fn an_intersection_is_in_both() {
        let (office, all) =
            (networks(&["192.0.2.0/24", "2001:db8::/32"]), networks(&["192.0.0.0/16", "198.51.100.7/32"]));
        assert_eq!(office.intersection(&all), networks(&["192.0.2.0/24"]));
        assert!(office.intersection(&networks(&["10.0.0.0/8"])).are_nowhere());
    }

    #[test]
    fn networks_are_shown_as_postgresql_shows_them() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "::1/128"] {
            assert_eq!(network(text).to_string(), text);
        }
    }

    fn any_network() -> impl Strategy<Value = Network> {
        // Few different bits, so that networks often meet.
        let ipv4 = (0u8..4, 0u8..4, 0u8..=32).prop_map(|(a, b, bits)| Network::ipv4([a, 0, 0, b], bits));
        let ipv6 = (0u8..4, 0u8..4, 0u8..=128).prop_map(|(a, b, bits)| {
            let mut address = [0; 16];
            (address[0], address[15]) = (a, b);
            Network::ipv6(address, bits)
        });
        let mapped = (0u8..4, 90u8..=128)
            .prop_map(|(b, bits)| Network::ipv6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, b, 0, 0, b], bits));
        prop_oneof![ipv4, ipv6, mapped]
    }

    proptest! {
        #[test]
        fn an_address_is_in_the_intersection_if_it_is_in_both(
            one in prop::collection::vec(any_network(), 0..4),
            other in prop::collection::vec(any_network(), 0..4),
            place in (0u8..4, 0u8..4),
        ) {
            let (one, other): (Networks, Networks) = (one.into_iter().collect(), other.into_iter().collect());
            let both = one.intersection(&other);
            let mut ipv6 = [0; 16];
            (ipv6[0], ipv6[15]) = place;
            for address in [Network::ipv4([place.0, 0, 0, place.1], 32), Network::ipv6(ipv6, 128)] {
                prop_assert_eq!(both.contain(&address), one.contain(&address) && other.contain(&address));
            }
            prop_assert!(one.cover(&both) && other.cover(&both));
        }

        #[test]
        fn containing_is_transitive(a in any_network(), b in any_network(), c in any_network()) {
            prop_assert!(!(a.contains(&b) && b.contains(&c)) || a.contains(&c));
            prop_assert!(a.contains(&a));
        }
    }
}
