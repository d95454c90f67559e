//! HMAC-SHA-256 (RFC 2104, FIPS 198-1).

use ::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 32;

/// A keyed state, from which messages are begun.
#[derive(Clone)]
pub(crate) struct HmacSha256(Hmac<Sha256>);

impl HmacSha256 {
    /// The state of a key of any length.
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The tag of a message in parts.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        self.begin(parts).finalize().into_bytes().into()
    }

    /// Whether a tag is that of the message, in a time that does not depend on where they differ.
    pub(crate) fn verify(&self, parts: &[&[u8]], tag: &[u8; TAG_BYTES]) -> bool {
        self.begin(parts).verify_slice(tag).is_ok()
    }

    fn begin(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::from_hex;

    /// Key, data and tag, in hexadecimal: RFC 4231, sections 4.2 to 4.8. Case 5 is of a tag cut to 128 bits.
    const VECTORS: [(&str, &str, &str); 7] = [
        (
            "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
            "4869205468657265",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            "4a656665",
            "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            "0102030405060708090a0b0c0d0e0f10111213141516171819",
            "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        (
            "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
            "546573742057697468205472756e636174696f6e",
            "a3b6167473100ee06e0c796c2955552b",
        ),
        (
            "131*aa",
            "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            "131*aa",
            "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920616e6420\
             61206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565647320746f206265206861\
             73686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f726974686d2e",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];

    #[test]
    fn the_vectors_of_rfc_4231_hold() {
        for (key, data, tag) in VECTORS {
            let key = match key.strip_prefix("131*") {
                Some(byte) => from_hex(byte.repeat(131).as_bytes()),
                None => from_hex(key.as_bytes()),
            };
            let data = from_hex(data.as_bytes()).expect("hexadecimal");
            let expected = from_hex(tag.as_bytes()).expect("hexadecimal");
            let mac = HmacSha256::new(&key.expect("hexadecimal"));
            let (left, right) = data.split_at(data.len() / 2);
            let tag = mac.tag(&[left, right]);
            assert_eq!(tag[..expected.len()], expected);
            assert!(mac.verify(&[&data], &tag));
            for at in 0..TAG_BYTES {
                let mut altered = tag;
                altered[at] ^= 1 << (at % 8);
                assert!(!mac.verify(&[&data], &altered), "byte {at}");
            }
        }
    }
}
