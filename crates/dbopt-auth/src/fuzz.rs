//! What fuzzing runs: whatever strangers and databases send is read without a panic, and nobody gets in by it.

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;

use crate::{
    Inspected, KeySet, TokenConfig, TokenKey, Tokens,
    password::fuzz_stored,
    token::{fuzz_claims, fuzz_refresh, fuzz_sign as sign},
};

/// Reads some bytes as each thing that is read of outside.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    fuzz_stored(text);
    fuzz_refresh(text);
    let secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let Ok(key) = TokenKey::parse("k", Algorithm::HS256, secret.as_bytes()) else { return };
    let Ok(keys) = KeySet::new([key], Some("k")) else { return };
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let tokens = Tokens::new(TokenConfig::new("i", "a"), keys);
    assert!(tokens.verify(text, now).is_err(), "nobody guesses a signature");
    let shown = Inspected::dangerous_without_verifying(text, 8 * 1024);
    assert!(shown.is_err() || text.split('.').count() == 3);
    // As a header and as claims that are rightly signed.
    let [part, header] = [text, r#"{"alg":"HS256","kid":"k","typ":"at+jwt"}"#].map(|part| URL_SAFE_NO_PAD.encode(part));
    for (header, claims) in [(&part, &part), (&header, &part)] {
        let message = format!("{header}.{claims}");
        let tag = tokens.keys().get("k").and_then(|key| sign(key, message.as_bytes())).unwrap_or_default();
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
        if let Ok(verified) = tokens.verify(&token, now) {
            let claims = verified.claims();
            assert!(claims.issuer == "i" && claims.audiences.iter().any(|audience| audience == "a"));
            assert!(!claims.grant.subject.is_empty() && claims.expires >= claims.issued);
            fuzz_claims(claims);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        /// Pieces of what is right, in any order.
        #[test]
        fn it_runs_on_pieces(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"iss\":\"i\"", "\"aud\":\"a\"", "\"sub\":\"s\"", "\"jti\":\"t\"", "\"iat\":1800000000",
                "\"exp\":1800000060", "\"exp\":1e99", "\"nbf\":-1", "\"alg\":\"HS256\"", "\"kid\":\"k\"", "\"typ\":\"at+jwt\"", "\"crit\":[]", "null",
                "$", "argon2id", "2b", "scrypt", "v=19", "m=8,t=1,p=1", "ln=4,r=8,p=1", "i=1", "c29tZXNhbHQ", ".", "e30", "=", "\u{e4}",
            ]), 0..24),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            super::fuzz(pieces.concat().as_bytes());
            super::fuzz(format!("{{{}}}", pieces.join(",")).as_bytes());
            super::fuzz(&bytes);
        }
    }

    #[test]
    fn it_runs_on_what_is_right_and_on_what_is_not() {
        let right =
            r#"{"iss":"i","aud":["a","b"],"sub":"s","jti":"t","iat":1800000000,"exp":1800000060,"x":[1,{"y":null}]}"#;
        for text in [right, "", "a.b.c", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg", "\u{e4}"] {
            super::fuzz(text.as_bytes());
        }
        super::fuzz(&[0xff, 0xfe]);
    }
}
