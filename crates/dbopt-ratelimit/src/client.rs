//! The client's address behind proxies.
//!
//! `X-Forwarded-For` and `Forwarded` (RFC 7239) are lists that every proxy appends to, so that only the right end can be
//! believed: what stands left of the first proxy that is not ours was written by the client. The list is therefore read from the
//! right, and only as far as there are trusted proxies; the left, however long and however it is written, is not looked at.
//! One header is named, because a proxy that sets one of them passes the other on as the client wrote it.

use std::net::{IpAddr, SocketAddr};

use crate::Network;

/// Which proxies are believed, and in which header they write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    /// The header.
    pub header: ForwardHeader,
    /// The proxies.
    pub proxies: Proxies,
}

/// Where proxies write whom they speak for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardHeader {
    /// `X-Forwarded-For: client, proxy`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy`
    Forwarded,
}

/// The proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxies {
    /// None: the peer is the client.
    #[default]
    None,
    /// So many in a row, always. Right only if the service cannot be reached around them.
    Count(u8),
    /// Those with an address in one of these networks.
    Networks(Vec<Network>),
}

/// The client's address.
///
/// `peer` is who connected, none for a peer without an address (a socket of this machine, which is believed if anybody is).
/// `headers` are all headers of the request in their order, with names in any case. Where the trusted part of the list ends in
/// something that is no address (`unknown`, `_hidden`), the client is the last proxy before it that has one.
pub fn client_address<'a>(
    peer: Option<IpAddr>,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    trusted: &Trusted,
) -> Option<IpAddr> {
    let peer = peer.map(|peer| peer.to_canonical());
    if trusted.proxies == Proxies::None {
        return peer;
    }
    let name = match trusted.header {
        ForwardHeader::XForwardedFor => "x-forwarded-for",
        ForwardHeader::Forwarded => "forwarded",
    };
    let lines: Vec<&[u8]> =
        headers.into_iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, line)| line).collect();
    let mut elements = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    let mut client = peer;
    let mut hops = 0;
    loop {
        let believed = match &trusted.proxies {
            Proxies::None => false,
            Proxies::Count(count) => hops < *count,
            Proxies::Networks(networks) => {
                client.is_none_or(|address| networks.iter().any(|network| network.contains(address)))
            }
        };
        // An empty element is no hop (RFC 9110, section 5.6.1).
        let next = || elements.by_ref().map(<[u8]>::trim_ascii).find(|element| !element.is_empty());
        let Some(address) = believed.then(next).flatten().and_then(|element| trusted.header.address(element)) else {
            return client;
        };
        client = Some(address);
        hops = hops.saturating_add(1);
    }
}

impl ForwardHeader {
    /// The address of one element of the list.
    fn address(self, element: &[u8]) -> Option<IpAddr> {
        // The longest address with brackets, port and quotes is well below this.
        const LONGEST: usize = 256;
        let element = std::str::from_utf8(element).ok().filter(|element| element.len() <= LONGEST)?;
        let node = match self {
            Self::XForwardedFor => element,
            Self::Forwarded => element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
            })?,
        };
        let node = node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node);
        let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
        let address = bare.parse().ok().or_else(|| node.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
        address.map(|address: IpAddr| address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(trusted: &Trusted, lines: &[&str], expected: &str) {
        let name = if trusted.header == ForwardHeader::Forwarded { "Forwarded" } else { "X-Forwarded-For" };
        let headers = lines.iter().map(|line| (name, line.as_bytes()));
        let found = client_address(Some(address("10.0.0.1")), headers, trusted);
        assert_eq!(found, Some(address(expected)), "{lines:?}");
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn count(count: u8) -> Trusted {
        Trusted { proxies: Proxies::Count(count), ..Trusted::default() }
    }

    fn networks() -> Trusted {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().expect("a network"));
        Trusted { proxies: Proxies::Networks(networks.into()), ..Trusted::default() }
    }

    #[test]
    fn without_trust_the_peer_is_the_client() {
        check(&Trusted::default(), &["192.0.2.1"], "10.0.0.1");
    }

    #[test]
    fn a_number_of_proxies_is_counted_from_the_right() {
        check(&count(1), &["203.0.113.1, 192.0.2.1"], "192.0.2.1");
        check(&count(2), &["203.0.113.1, 192.0.2.1"], "203.0.113.1");
        check(&count(2), &["6.6.6.6", "203.0.113.1", " 192.0.2.1:443 "], "203.0.113.1");
        check(&count(3), &["192.0.2.1"], "192.0.2.1");
        check(&count(1), &[], "10.0.0.1");
        check(&count(1), &["[2001:db8::7]:80"], "2001:db8::7");
        check(&count(1), &["::ffff:192.0.2.1"], "192.0.2.1");
        check(&count(1), &["192.0.2.1, ,"], "192.0.2.1");
    }

    #[test]
    fn networks_are_walked_to_the_first_stranger() {
        check(&networks(), &["1.1.1.1, 192.0.2.1, 10.0.0.3, 2001:db8::1"], "192.0.2.1");
        check(&networks(), &["10.0.0.9"], "10.0.0.9");
        let stranger = client_address(Some(address("192.0.2.9")), [("x-forwarded-for", &b"1.1.1.1"[..])], &networks());
        assert_eq!(stranger, Some(address("192.0.2.9")));
        let socket = client_address(None, [("x-forwarded-for", &b"1.1.1.1"[..])], &networks());
        assert_eq!(socket, Some(address("1.1.1.1")));
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        check(&networks(), &["1.1.1.1, unknown"], "10.0.0.1");
        check(&networks(), &["1.1.1.1, unknown, 10.0.0.3"], "10.0.0.3");
        check(&count(2), &["1.1.1.1, \u{fffd}"], "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_too_and_alone() {
        let mut trusted = count(1);
        trusted.header = ForwardHeader::Forwarded;
        check(&trusted, &["for=1.1.1.1;proto=http, For=\"[2001:db8::7]:4711\";by=10.0.0.1"], "2001:db8::7");
        check(&trusted, &["for=_hidden"], "10.0.0.1");
        // A quote that the client left open swallows nothing of what a proxy wrote.
        check(&trusted, &["for=\"1.1.1.1, for=192.0.2.1"], "192.0.2.1");
        let other = client_address(Some(address("10.0.0.1")), [("x-forwarded-for", &b"1.1.1.1"[..])], &trusted);
        assert_eq!(other, Some(address("10.0.0.1")));
    }

    proptest! {
        /// Whatever a client writes, it is the address that the trusted proxy saw.
        #[test]
        fn a_client_cannot_choose_its_address(forged in prop::collection::vec(any::<u8>(), 0..80), lines in 1..4_usize) {
            let mut headers = vec![("x-forwarded-for", &forged[..]); lines];
            headers.push(("X-Forwarded-For", b"192.0.2.1"));
            prop_assert_eq!(client_address(None, headers.clone(), &count(1)), Some(address("192.0.2.1")));
            prop_assert_eq!(client_address(None, headers, &networks()), Some(address("192.0.2.1")));
        }
    }
}
