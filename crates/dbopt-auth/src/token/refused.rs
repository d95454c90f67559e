//! Why a token is refused: one answer for whoever sent it, one reason for the log.

use std::fmt;

/// A token was refused. What it prints is the same for every reason, so that it can be sent to the client; [`Self::reason`] is
/// for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct Refused {
    reason: Reason,
}

impl Refused {
    /// For this reason.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self { reason }
    }

    /// Why, for the log. It names no part of the token.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident: $code:literal, $text:literal;)*) => {
        /// Why a token was refused. [`fmt::Display`] says it in a fragment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)*
            /// A claim that has to be there is not.
            MissingClaim(&'static str),
            /// A claim is of another type or form than it has to be.
            ClaimForm(&'static str),
        }

        impl Reason {
            /// A stable name in kebab-case, for metrics.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                    Self::MissingClaim(_) => "missing-claim",
                    Self::ClaimForm(_) => "claim-form",
                }
            }
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($text),)*
                    Self::MissingClaim(name) => write!(f, "the claim `{name}` is missing"),
                    Self::ClaimForm(name) => write!(f, "the claim `{name}` is of another type or form than it has to be"),
                }
            }
        }
    };
}

reasons! {
    /// Longer than any token may be; nothing of it was read.
    TooLong: "too-long", "the token is too long";
    /// Not three parts with dots between them.
    Parts: "parts", "the token does not have three parts";
    /// A part is not base64url, or not in its one canonical form (RFC 7515, section 2).
    Base64: "base64", "a part is not canonical base64url";
    /// A part is no JSON object.
    Json: "json", "a part is no JSON object";
    /// A name comes twice in an object (RFC 7519, section 4; RFC 8725, section 2.4).
    Duplicate: "duplicate-name", "a name comes twice";
    /// Objects and lists are nested too deeply.
    Nesting: "nesting", "the token is nested too deeply";
    /// `alg` is missing or no text.
    MissingAlgorithm: "missing-algorithm", "the header names no algorithm";
    /// `alg` is `none`, in any case of its letters.
    Unsigned: "unsigned", "the token is not signed";
    /// `alg` is none that is known here.
    UnknownAlgorithm: "unknown-algorithm", "the algorithm is not known";
    /// `kid` is missing.
    MissingKey: "missing-key", "the header names no key";
    /// `kid` is no name of a key, but perhaps a path or a query.
    KeyForm: "key-form", "the name of the key has characters that no name has";
    /// `kid` is not in the key set.
    UnknownKey: "unknown-key", "the key is not known";
    /// The key has ended.
    EndedKey: "ended-key", "the key has ended";
    /// The key is for another algorithm of the same family.
    OtherAlgorithm: "other-algorithm", "the key is for another algorithm";
    /// The key is for an algorithm of another family, as when a public key is used as an HMAC secret.
    OtherFamily: "other-family", "the key is for an algorithm of another family";
    /// `crit` is there, and no extension is understood here (RFC 7515, section 4.1.11).
    Critical: "critical", "the header has critical extensions";
    /// `b64` is there (RFC 7797).
    Unencoded: "unencoded", "the payload may not be encoded";
    /// `jku`, `jwk`, `x5u` or `x5c`: the token brings its own key.
    OwnKey: "own-key", "the token brings its own key";
    /// `zip` or `enc`: not a signed token of this kind.
    Encrypted: "encrypted", "the token is compressed or encrypted";
    /// `typ` is missing, no text, or another kind of token (RFC 8725, section 3.11).
    Type: "type", "the token is of another kind";
    /// The signature is not that of the key.
    Signature: "signature", "the signature is wrong";
    /// `iss` is another.
    Issuer: "issuer", "the issuer is another";
    /// `aud` does not name this service.
    Audience: "audience", "the token is for another service";
    /// `exp` is past.
    Expired: "expired", "the token has expired";
    /// `nbf` is ahead.
    NotYet: "not-yet", "the token is not valid yet";
    /// `iat` is ahead.
    IssuedAhead: "issued-ahead", "the token was issued in the future";
    /// It lives longer than any token may.
    Lifetime: "lifetime", "the token lives longer than any may";
    /// The token itself was revoked.
    Revoked: "revoked", "the token was revoked";
    /// All tokens of its subject until then were revoked.
    SubjectRevoked: "subject-revoked", "the tokens of the subject were revoked";
    /// The store of revocations did not answer.
    NoStore: "no-store", "the store of revocations did not answer";
    /// A refresh token is none of this service.
    Refresh: "refresh", "the text is no refresh token of this service";
    /// The session of a refresh token has ended, or never was.
    NoSession: "no-session", "the session has ended";
    /// A refresh token was used again, so its session was ended.
    Reused: "reused", "the refresh token was used again, and its session was ended";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_told_one_thing_and_the_log_another() {
        let refused = [Reason::Expired, Reason::Signature, Reason::MissingClaim("jti")].map(Refused::new);
        assert!(refused.iter().all(|refused| refused.to_string() == "the token is not valid"));
        assert_eq!(
            refused.map(|refused| refused.reason().to_string()),
            ["the token has expired", "the signature is wrong", "the claim `jti` is missing"]
        );
    }
}
