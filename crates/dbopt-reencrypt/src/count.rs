//! What is under which key, by the first bytes of values, without opening any.

use std::collections::BTreeMap;

use dbopt_crypto::{
    ColumnRule, EncryptionPolicy, Envelope, KeyId, KeyNumber, KeyOwner, KeyState, Keyring, SubjectId, SubjectTable,
};
use dbopt_finding::Finding;
use dbopt_pg::Session;
use dbopt_sql::quote_ident;

use crate::catalogue::{Catalogue, Error};

/// What is in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The column, such as `public.customer.email_sealed`.
    pub column: String,
    /// Which keys are to seal it.
    pub purpose: String,
    /// Plain values that are left: in the column itself, or in the one that the policy names for them.
    pub plain: u64,
    /// Values that are neither sealed nor can be taken for plain ones.
    pub malformed: u64,
    /// Sealed values by the key that they name.
    pub keys: BTreeMap<KeyNumber, u64>,
    /// Its blind indexes.
    pub indexes: Vec<CountedIndex>,
    /// When the policy says whose the values are, what is under keys of persons.
    pub persons: Option<CountedPersons>,
}

/// What is under keys of persons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedPersons {
    /// Values under keys that are still there.
    pub values: u64,
    /// Values whose keys are gone, and that open nowhere any more.
    pub erased: u64,
    /// Keys of persons of this purpose, by the key of the ring that wraps them.
    pub keys: BTreeMap<KeyNumber, u64>,
}

/// What is in a column of terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedIndex {
    /// The column.
    pub column: String,
    /// Which keys make its terms.
    pub purpose: String,
    /// Terms by their version, the generation of their key.
    pub versions: BTreeMap<u8, u64>,
    /// The version that is written.
    pub written: u8,
}

/// Bytes that a sealed value has at least. A first byte below 8 is that of a version. A test asks the library for both.
const LEAST: usize = 46;

/// Counts what is in the columns of a policy. It reads each table whole, a few times.
///
/// # Errors
/// When the session fails.
pub async fn count(session: &Session, policy: &EncryptionPolicy, catalogue: &Catalogue) -> Result<Vec<Counted>, Error> {
    let mut counted = Vec::new();
    for rule in &policy.columns {
        let Some(table) = catalogue.table(rule) else { continue };
        if table.column(&rule.column).is_some_and(|column| column.cast == "bytea") {
            let has_plain = rule.plain.as_ref().filter(|plain| table.column(plain).is_some());
            let mut column = one(session, rule, has_plain).await?;
            if rule.subject.is_some() && catalogue.has_subject_keys {
                column.persons = Some(persons(session, rule).await?);
            }
            counted.push(column);
        }
    }
    Ok(counted)
}

async fn one(session: &Session, rule: &ColumnRule, plain: Option<&String>) -> Result<Counted, Error> {
    let table = table_of(rule);
    let column = quote_ident(&rule.column);
    let mut counted = Counted {
        column: rule.name(),
        purpose: rule.purpose.to_string(),
        plain: 0,
        malformed: 0,
        keys: BTreeMap::new(),
        indexes: Vec::new(),
        persons: None,
    };
    let sql = format!(
        "SELECT CASE WHEN pg_catalog.octet_length({column}) = 0 OR pg_catalog.substr({column}, 1, 1) >= '\\x08'::bytea THEN NULL \
                WHEN pg_catalog.octet_length({column}) >= {LEAST} AND pg_catalog.substr({column}, 1, 1) IN ('\\x01'::bytea, '\\x03'::bytea) \
                    THEN pg_catalog.substr({column}, 1, CASE pg_catalog.get_byte({column}, 0) WHEN 1 THEN 6 ELSE 1 END) \
                ELSE '\\x01'::bytea END AS header, pg_catalog.count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY 1"
    );
    for row in session.query(&sql, &[]).await? {
        let (header, count) = (row.get::<_, Option<Vec<u8>>>(0), row.get::<_, i64>(1).unsigned_abs());
        match header {
            None if rule.plain.is_none() => counted.plain += count,
            None => counted.malformed += count,
            // Of persons, who are many; they are counted by themselves.
            Some(header) if header == [KeyOwner::Subject.version()] && rule.subject.is_some() => {}
            Some(header) => match key(header) {
                Some(key) => *counted.keys.entry(key).or_default() += count,
                None => counted.malformed += count,
            },
        }
    }
    if let Some(plain) = plain {
        let sql = format!("SELECT pg_catalog.count({}) FROM {table}", quote_ident(plain));
        counted.plain += session.query(&sql, &[]).await?.first().map_or(0, |row| row.get::<_, i64>(0).unsigned_abs());
    }
    for index in &rule.indexes {
        let column = quote_ident(&index.column);
        let sql = format!(
            "SELECT pg_catalog.substr({column}, 1, 1), pg_catalog.count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY 1"
        );
        let mut versions = BTreeMap::new();
        for row in session.query(&sql, &[]).await? {
            let version = row.get::<_, &[u8]>(0).first().copied().unwrap_or_default();
            versions.insert(version, row.get::<_, i64>(1).unsigned_abs());
        }
        let (column, purpose) = (index.column.clone(), index.purpose.to_string());
        counted.indexes.push(CountedIndex { column, purpose, versions, written: index.written.version });
    }
    Ok(counted)
}

/// What is under keys of persons.
async fn persons(session: &Session, rule: &ColumnRule) -> Result<CountedPersons, Error> {
    let (table, column) = (table_of(rule), quote_ident(&rule.column));
    let number = number(&column);
    let sql = format!(
        "SELECT pg_catalog.count(k.number), pg_catalog.count(*) \
         FROM (SELECT {number} AS number FROM {table} AS t WHERE {}) AS v \
         LEFT JOIN dbopt.subject_key AS k ON k.purpose = $1 AND k.number = v.number",
        is_of_person(&column)
    );
    let rows = session.query(&sql, &[&rule.purpose.as_str()]).await?;
    let of = |at: usize| rows.first().map_or(0, |row| row.get::<_, i64>(at).unsigned_abs());
    let (values, all) = (of(0), of(1));
    let keys = SubjectTable::under(session.client(), &rule.purpose).await?;
    Ok(CountedPersons { values, erased: all - values, keys })
}

fn table_of(rule: &ColumnRule) -> String {
    format!("{}.{}", quote_ident(&rule.schema), quote_ident(&rule.table))
}

/// Whether a value is under the key of a person.
fn is_of_person(column: &str) -> String {
    let version = KeyOwner::Subject.version();
    format!("pg_catalog.octet_length(t.{column}) >= {LEAST} AND pg_catalog.get_byte(t.{column}, 0) = {version}")
}

/// The number of the key that a value names.
fn number(column: &str) -> String {
    let byte = |at: u32| format!("(pg_catalog.get_byte(t.{column}, {at})::bigint << {})", 8 * (5 - at));
    (2..=5).map(byte).collect::<Vec<_>>().join(" | ")
}

/// What a database has of one person, in the columns of a purpose that say whose their values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountedPerson {
    /// Values under the person's key, which are lost with it.
    pub values: u64,
    /// Values in plain, or under keys of the ring, which would stay readable.
    pub readable: u64,
    /// Terms of blind indexes, which stay until `re-encrypt` removes them.
    pub terms: u64,
}

/// Counts what there is of one person. It reads each of the tables whole: the server is asked for the person's digest, so that
/// no log of it shows the name.
///
/// # Errors
/// When the session fails.
pub async fn count_person(
    session: &Session,
    policy: &EncryptionPolicy,
    catalogue: &Catalogue,
    purpose: &KeyId,
    subject: &SubjectId,
) -> Result<CountedPerson, Error> {
    // The texts of times and numbers as `re-encrypt` has them.
    session.batch(crate::action::SETTINGS).await?;
    let mut person = CountedPerson::default();
    for rule in policy.columns.iter().filter(|rule| rule.purpose == *purpose) {
        let (Some(name), Some(table)) = (&rule.subject, catalogue.table(rule)) else { continue };
        let column = quote_ident(&rule.column);
        let plain = rule.plain.as_ref().filter(|plain| table.column(plain).is_some());
        let plain = plain.map_or_else(|| "false".to_owned(), |plain| format!("t.{} IS NOT NULL", quote_ident(plain)));
        let terms: Vec<_> =
            rule.indexes.iter().map(|index| format!("pg_catalog.count(t.{})", quote_ident(&index.column))).collect();
        let sql = format!(
            "SELECT pg_catalog.count(*) FILTER (WHERE {of_person}), \
                    pg_catalog.count(*) FILTER (WHERE {plain} OR t.{column} IS NOT NULL AND NOT ({of_person})), {terms} \
             FROM {table} AS t WHERE {digest} = $1",
            of_person = is_of_person(&column),
            terms = if terms.is_empty() { "0::bigint".to_owned() } else { terms.join(" + ") },
            table = table_of(rule),
            digest = crate::sql::digest(name),
        );
        for row in session.query(&sql, &[&&subject.bytes()[..]]).await? {
            let count = |at: usize| row.get::<_, i64>(at).unsigned_abs();
            person.values += count(0);
            person.readable += count(1);
            person.terms += count(2);
        }
    }
    Ok(person)
}

/// The key that a value with this header names.
fn key(mut header: Vec<u8>) -> Option<KeyNumber> {
    header.resize(LEAST, 0);
    Envelope::parse(&header).ok().map(|envelope| envelope.key)
}

impl Counted {
    /// What is to be said of it.
    #[must_use]
    pub fn review(&self, keyring: &Keyring) -> Vec<Finding> {
        let (column, mut findings) = (&self.column, Vec::new());
        const RUN: &str = "Run `dbopt re-encrypt`.";
        let mut warn = |code, message: String, help: &str| findings.push(Finding::warning(code, message).help(help));
        if self.plain > 0 {
            warn("plain-values", format!("{} values of `{column}` are in plain", self.plain), RUN);
        }
        for index in &self.indexes {
            for (version, count) in index.versions.iter().filter(|(version, _)| **version != index.written) {
                let message = format!("{count} terms of `{}` for `{column}` are of version {version}", index.column);
                warn("old-terms", message, RUN);
            }
        }
        for (number, count) in &self.keys {
            match keyring.entry(*number).map(|entry| (entry.state(), entry)) {
                Some((_, entry)) if entry.purpose.as_str() != self.purpose => {
                    let message = format!(
                        "{count} values of `{column}` name key {number}, which is of purpose `{}`",
                        entry.purpose
                    );
                    findings.push(
                        Finding::error("foreign-key-number", message)
                            .help("They do not open; look where they come from."),
                    );
                }
                Some((KeyState::Active, _)) => {}
                Some((KeyState::Retired, _)) => {
                    let message = format!("{count} values of `{column}` are under retired key {number}");
                    findings.push(Finding::warning("old-key", message).help(RUN));
                }
                Some((KeyState::Destroyed, _)) => {
                    let message = format!("{count} values of `{column}` are erased: key {number} was destroyed");
                    findings.push(Finding::note("erased-values", message));
                }
                None => {
                    let message =
                        format!("{count} values of `{column}` name key {number}, which the ring does not have");
                    findings.push(
                        Finding::error("unknown-key", message).help("Use the key ring that they were sealed by."),
                    );
                }
            }
        }
        if let Some(persons) = &self.persons {
            let in_ring: u64 = self.keys.values().sum();
            if in_ring > 0 {
                let message = format!("{in_ring} values of `{column}` are not under keys of persons yet");
                findings.push(Finding::warning("no-persons-key", message).help(RUN));
            }
            let old = persons
                .keys
                .iter()
                .filter(|(number, _)| keyring.entry(**number).is_none_or(|entry| entry.state() == KeyState::Retired));
            for (number, count) in old {
                let message = format!("{count} keys of persons are wrapped by key {number}, which is not active");
                findings.push(Finding::warning("old-wrapping", message).help(RUN));
            }
            if persons.erased > 0 {
                let message =
                    format!("{} values of `{column}` are erased: their persons' keys are gone", persons.erased);
                findings.push(Finding::note("erased-values", message));
            }
        }
        if self.malformed > 0 {
            let message = format!("{} values of `{column}` are neither sealed nor plain", self.malformed);
            findings.push(
                Finding::error("malformed-values", message).help("Look where they come from; nothing changes them."),
            );
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use dbopt_crypto::EnvelopeError;

    use super::*;

    #[test]
    fn a_header_alone_names_its_key() {
        assert_eq!(key(vec![1, 1, 0, 0, 0, 7]), KeyNumber::new(7));
        assert_eq!(key(vec![1, 1, 0, 0, 0, 0]), None);
        assert_eq!(key(vec![1]), None);
        let mut least = vec![1, 1, 0, 0, 0, 7];
        least.resize(LEAST - 1, 0);
        assert!(Envelope::parse(&least).is_err(), "one byte less is no sealed value");
        let is_foreign = |first: u8| Envelope::parse(&[first]) == Err(EnvelopeError::Foreign);
        assert_eq!((0..=255).find(|first| is_foreign(*first)), Some(8));
        assert!((8..=255).all(is_foreign));
    }
}
