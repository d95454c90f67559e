//! Refresh tokens: the name of a session, a number, and an authenticator of both.
//!
//! `ID.NUMBER` in base64url, a dot, the name of the key, a dot, and the tag in hexadecimal. The store keeps the number alone: who
//! reads the store has no token, and a forged one never gets as far as the store. Because a token can be made again from its
//! number, a client that did not hear the answer can be given the same one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dbopt_crypto::{Pseudonym, Pseudonymizer};

use super::{Reason, SessionId};

/// What a key of refresh tokens says that it authenticates.
const CONTEXT: &str = "dbopt.auth.refresh";
/// The longest token: 27 + 1 + 64 + 1 + 64 bytes.
const LONGEST: usize = 160;

/// Makes and reads refresh tokens.
#[derive(Debug)]
pub(super) struct RefreshTokens {
    /// The first one makes them, all read them.
    keys: Vec<Pseudonymizer>,
}

impl RefreshTokens {
    pub(super) const fn new(keys: Vec<Pseudonymizer>) -> Self {
        Self { keys }
    }

    /// The token of a session's number; none without a key.
    pub(super) fn make(&self, id: SessionId, number: u32) -> Option<String> {
        let body = body(id, number);
        let tag = self.keys.first()?.pseudonym(CONTEXT, &body).to_string();
        let (key, tag) = tag.strip_prefix("hmac-sha256:")?.split_once(':')?;
        Some(format!("{}.{key}.{tag}", URL_SAFE_NO_PAD.encode(body)))
    }

    /// The session and the number of a token that was made here.
    pub(super) fn read(&self, token: &str) -> Result<(SessionId, u32), Reason> {
        if token.len() > LONGEST {
            return Err(Reason::TooLong);
        }
        let read = || {
            let (body, rest) = token.split_once('.')?;
            let (key, tag) = rest.rsplit_once('.')?;
            let pseudonym: Pseudonym = format!("hmac-sha256:{key}:{tag}").parse().ok()?;
            let body = URL_SAFE_NO_PAD.decode(body).ok()?;
            let is_ours = self.keys.iter().any(|key| key.verify(&pseudonym, CONTEXT, &body));
            let (id, number) = body.split_at_checked(16).filter(|_| is_ours)?;
            Some((SessionId(id.try_into().ok()?), u32::from_be_bytes(number.try_into().ok()?)))
        };
        read().ok_or(Reason::Refresh)
    }
}

fn body(id: SessionId, number: u32) -> Vec<u8> {
    [&id.0[..], &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use dbopt_crypto::{Key, KeyId};
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str, byte: u8) -> Pseudonymizer {
        let key = Key::new((0..32).map(|at| at ^ byte).collect()).expect("a key");
        Pseudonymizer::new(KeyId::new(name).expect("a name"), &key)
    }

    #[test]
    fn a_token_is_read_by_all_keys_and_made_by_the_first() {
        let (old, both) = (RefreshTokens::new(vec![key("a", 1)]), RefreshTokens::new(vec![key("b.c", 2), key("a", 1)]));
        let id = SessionId([7; 16]);
        let token = old.make(id, 5).expect("a key");
        assert_eq!(both.read(&token), Ok((id, 5)));
        let new = both.make(id, 6).expect("a key");
        assert!(new.contains(".b.c."), "{new}");
        assert_eq!((both.read(&new), old.read(&new)), (Ok((id, 6)), Err(Reason::Refresh)));
        assert_eq!(RefreshTokens::new(Vec::new()).make(id, 1), None);
    }

    #[test]
    fn another_token_is_none_of_ours() {
        let tokens = RefreshTokens::new(vec![key("a", 1)]);
        let token = tokens.make(SessionId([7; 16]), 5).expect("a key");
        let altered = |at: usize| {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            String::from_utf8(bytes).expect("text")
        };
        for at in (0..token.len()).filter(|at| token.as_bytes()[*at] != b'.') {
            let altered = altered(at);
            assert!(altered == token || tokens.read(&altered).is_err(), "{at}");
        }
        for text in ["", ".", "..", "a.b.c", &token.to_uppercase(), &format!("{token} "), &token.replace('.', "..")] {
            assert_eq!(tokens.read(text), Err(Reason::Refresh), "{text}");
        }
        assert_eq!(tokens.read(&"a".repeat(1000)), Err(Reason::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(id in any::<[u8; 16]>(), number in any::<u32>()) {
            let tokens = RefreshTokens::new(vec![key("a", 1)]);
            let token = tokens.make(SessionId(id), number).expect("a key");
            prop_assert_eq!(tokens.read(&token), Ok((SessionId(id), number)));
        }

        #[test]
        fn any_text_is_read(text in "[a-zA-Z0-9._:-]{0,170}") {
            prop_assert!(RefreshTokens::new(vec![key("a", 1)]).read(&text).is_err());
        }
    }
}
