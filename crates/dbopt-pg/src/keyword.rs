//! libpq's connection parameters: their names and environment variables.
//!
//! Source: PostgreSQL docs, "libpq-connect" (34.1.2, Parameter Key Words) and "libpq-envars", up to version 18.

use crate::settings_error::SettingsError;

/// One connection parameter.
#[derive(Debug)]
pub(crate) struct Keyword {
    /// Its name in connection strings and service files.
    pub(crate) name: &'static str,
    /// The environment variable that gives it when nothing else does.
    pub(crate) variable: Option<&'static str>,
    /// Whether dbopt can do what it asks for.
    pub(crate) support: Support,
}

/// What dbopt does with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    /// It is followed.
    Yes,
    /// It tunes something that never happens here (GSSAPI, TLS compression) or that nobody sees (texts are always
    /// exchanged as UTF-8), so it may say anything.
    NoEffect,
    /// It asks for something that would be wrong to leave out in silence, so only these values are accepted.
    Only(&'static [&'static str]),
}

/// Finds a parameter by its exact name.
pub(crate) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// Finds a parameter, or complains with the nearest name.
///
/// A name that resembles no parameter is not repeated in the error: in a string that was cut at the wrong place, as
/// an unescaped `/` in a password does to a URI, it may be a part of the password.
pub(crate) fn find_or_suggest(name: &str) -> Result<&'static Keyword, SettingsError> {
    if let Some(keyword) = find(name) {
        return Ok(keyword);
    }
    let nearest = nearest(name, KEYWORDS.iter().map(|keyword| keyword.name));
    Err(match nearest {
        Some(nearest) => SettingsError::new(format!("unknown connection parameter `{name}`"))
            .hint(format!("did you mean `{nearest}`?")),
        None => SettingsError::new("unknown connection parameter")
            .hint("the parameters are those of libpq: host, port, user, dbname, sslmode and so on"),
    })
}

/// The candidate nearest to `name`, when it is near enough to be a slip: a third of the letters may differ.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_ascii_lowercase();
    candidates
        .map(|candidate| (distance(&lower, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The number of letters to insert, delete or replace (Levenshtein), in one row. The same letters in another order are
/// one slip.
fn distance(one: &str, other: &str) -> usize {
    let sorted = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes
    };
    if one != other && sorted(one) == sorted(other) {
        return 1;
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, candidate) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *candidate);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[other.len()]
}

const fn yes(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword { name, variable, support: Support::Yes }
}

const fn no_effect(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword { name, variable, support: Support::NoEffect }
}

const fn only(name: &'static str, variable: Option<&'static str>, values: &'static [&'static str]) -> Keyword {
    Keyword { name, variable, support: Support::Only(values) }
}

/// All parameters, in the order of the documentation.
pub(crate) static KEYWORDS: &[Keyword] = &[
    yes("host", Some("PGHOST")),
    yes("hostaddr", Some("PGHOSTADDR")),
    yes("port", Some("PGPORT")),
    yes("dbname", Some("PGDATABASE")),
    yes("user", Some("PGUSER")),
    yes("password", Some("PGPASSWORD")),
    yes("passfile", Some("PGPASSFILE")),
    only("require_auth", Some("PGREQUIREAUTH"), &[]),
    yes("channel_binding", Some("PGCHANNELBINDING")),
    yes("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    no_effect("client_encoding", Some("PGCLIENTENCODING")),
    yes("options", Some("PGOPTIONS")),
    yes("application_name", Some("PGAPPNAME")),
    yes("fallback_application_name", None),
    yes("keepalives", None),
    yes("keepalives_idle", None),
    yes("keepalives_interval", None),
    yes("keepalives_count", None),
    yes("tcp_user_timeout", None),
    only("replication", None, &["false", "off", "no", "0"]),
    only("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"]),
    yes("sslmode", Some("PGSSLMODE")),
    yes("sslnegotiation", Some("PGSSLNEGOTIATION")),
    no_effect("sslcompression", Some("PGSSLCOMPRESSION")),
    yes("sslcert", Some("PGSSLCERT")),
    yes("sslkey", Some("PGSSLKEY")),
    only("sslkeylogfile", None, &[]),
    no_effect("sslpassword", None),
    only("sslcertmode", Some("PGSSLCERTMODE"), &["allow", "disable"]),
    yes("sslrootcert", Some("PGSSLROOTCERT")),
    yes("sslcrl", Some("PGSSLCRL")),
    only("sslcrldir", Some("PGSSLCRLDIR"), &[]),
    yes("sslsni", Some("PGSSLSNI")),
    only("requirepeer", Some("PGREQUIREPEER"), &[]),
    only("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), &["tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"]),
    only("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), &["tlsv1.2", "tlsv1.3"]),
    only("min_protocol_version", Some("PGMINPROTOCOLVERSION"), &["3.0"]),
    only("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), &["3.0", "3.2", "latest"]),
    no_effect("krbsrvname", Some("PGKRBSRVNAME")),
    no_effect("gsslib", Some("PGGSSLIB")),
    no_effect("gssdelegation", Some("PGGSSDELEGATION")),
    only("scram_client_key", None, &[]),
    only("scram_server_key", None, &[]),
    yes("service", Some("PGSERVICE")),
    yes("servicefile", Some("PGSERVICEFILE")),
    yes("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    yes("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    only("oauth_issuer", None, &[]),
    only("oauth_client_id", None, &[]),
    only("oauth_client_secret", None, &[]),
    only("oauth_scope", None, &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not_repeated() {
        let error = find_or_suggest("sslmod").expect_err("unknown");
        assert_eq!(error.to_string(), "unknown connection parameter `sslmod`");
        assert_eq!(error.hint_text(), Some("did you mean `sslmode`?"));
        assert_eq!(find_or_suggest("tr0ub4dor").expect_err("unknown").to_string(), "unknown connection parameter");
    }

    #[test]
    fn distances_count_single_letter_changes() {
        assert_eq!(distance("uzer", "user"), 1);
        assert_eq!(distance("hots", "host"), 1);
        assert_eq!(distance("host", "host"), 0);
        assert_eq!(distance("", "host"), 4);
        assert_eq!(distance("db_name", "dbname"), 1);
    }
}
