//! Parameters whose value is one of a few words.

use crate::keyword::nearest;
use crate::settings_error::SettingsError;

/// A parameter with a closed set of words.
pub(crate) trait Choice: Copy + 'static {
    /// The words and what they stand for.
    const WORDS: &'static [(&'static str, Self)];

    /// Reads a word, exactly as libpq does: in lower case.
    fn read(text: &str) -> Result<Self, SettingsError> {
        if let Some((_, choice)) = Self::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*choice);
        }
        let words = || Self::WORDS.iter().map(|(word, _)| *word);
        let hint = match nearest(text, words()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("it is one of {}", words().collect::<Vec<_>>().join(", ")),
        };
        Err(SettingsError::new(format!("invalid value `{text}`")).hint(hint))
    }
}

/// Whether and how strictly TLS is used (PostgreSQL docs, "libpq-ssl", table 34.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only when the server insists.
    Allow,
    /// When the server has it; the default, and no protection against anybody who can change the traffic.
    Prefer,
    /// Always, with whomever: no certificate is looked at, unless a root certificate is there; then as `verify-ca`.
    Require,
    /// Always, with a certificate that a trusted authority signed.
    VerifyCa,
    /// Always, with a certificate that a trusted authority signed for this host name.
    VerifyFull,
}

impl Choice for SslMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];
}

/// How TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SslNegotiation {
    /// After a request in PostgreSQL's protocol.
    Postgres,
    /// At once, with a server of version 17 or later.
    Direct,
}

impl Choice for SslNegotiation {
    const WORDS: &'static [(&'static str, Self)] = &[("postgres", Self::Postgres), ("direct", Self::Direct)];
}

/// Whether a password exchange must be bound to the TLS channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

impl Choice for ChannelBinding {
    const WORDS: &'static [(&'static str, Self)] =
        &[("disable", Self::Disable), ("prefer", Self::Prefer), ("require", Self::Require)];
}

/// Whether a client certificate may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SslCertMode {
    Disable,
    Allow,
}

impl Choice for SslCertMode {
    const WORDS: &'static [(&'static str, Self)] = &[("disable", Self::Disable), ("allow", Self::Allow)];
}

/// A version of TLS. The versions before 1.2 are accepted as a lower bound only, which 1.2 then keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TlsVersion {
    V1_2,
    V1_3,
}

impl Choice for TlsVersion {
    const WORDS: &'static [(&'static str, Self)] =
        &[("TLSv1", Self::V1_2), ("TLSv1.1", Self::V1_2), ("TLSv1.2", Self::V1_2), ("TLSv1.3", Self::V1_3)];
}

/// Which of several servers will do (PostgreSQL docs, "libpq-connect", `target_session_attrs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any.
    Any,
    /// One whose sessions can write by default: not in recovery, and not read-only by default.
    ReadWrite,
    /// One whose sessions cannot write by default.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// One that is in recovery if there is any, else any.
    PreferStandby,
}

impl Choice for TargetSessionAttrs {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];
}

impl TargetSessionAttrs {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, choice)| *choice == self).map_or("any", |(word, _)| word)
    }
}

/// Whether several servers are tried in the given order or in a random one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadBalanceHosts {
    Disable,
    Random,
}

impl Choice for LoadBalanceHosts {
    const WORDS: &'static [(&'static str, Self)] = &[("disable", Self::Disable), ("random", Self::Random)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_slips_are_named() {
        assert_eq!(SslMode::read("verify-full"), Ok(SslMode::VerifyFull));
        let error = SslMode::read("verify_full").expect_err("unknown");
        assert_eq!(
            (error.to_string().as_str(), error.hint_text()),
            ("invalid value `verify_full`", Some("did you mean `verify-full`?"))
        );
        let error = SslNegotiation::read("x").expect_err("unknown");
        assert_eq!(error.hint_text(), Some("it is one of postgres, direct"));
    }
}
