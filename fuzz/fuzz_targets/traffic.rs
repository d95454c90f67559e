//! What a rate limiter reads of strangers: samples of traffic, the headers of proxies, routes and networks.
#![no_main]

use dbopt_ratelimit::{
    ForwardHeader, Network, Proxies, RoutePattern, Trusted, client_address,
    traffic::{TrafficFormat, read},
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for header in [ForwardHeader::XForwardedFor, ForwardHeader::Forwarded] {
        let trusted = Trusted { header, proxies: Proxies::Count(1) };
        let name = if header == ForwardHeader::Forwarded { "forwarded" } else { "x-forwarded-for" };
        // Whatever stands before it, what the proxy wrote counts.
        let honest: &[u8] = if header == ForwardHeader::Forwarded { b"for=192.0.2.1" } else { b"192.0.2.1" };
        let found = client_address(None, [(name, data), (name, honest)], &trusted);
        assert_eq!(found, Some([192, 0, 2, 1].into()));
        for format in [None, Some(TrafficFormat::Access), Some(TrafficFormat::Csv)] {
            if let Ok(traffic) = read(data, format, &trusted) {
                assert!(traffic.hits.is_sorted_by_key(|hit| hit.at));
                assert!((0.0..=1.0).contains(&traffic.share_read()));
            }
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(pattern) = text.parse::<RoutePattern>() {
        assert_eq!(pattern.to_string().parse(), Ok(pattern));
    }
    if let Ok(network) = text.parse::<Network>() {
        assert!(network.contains(network.address()));
        assert_eq!(network.to_string().parse(), Ok(network));
    }
});
