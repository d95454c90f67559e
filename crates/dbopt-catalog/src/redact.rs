//! Catalogues without values of rows: what statistics hold of them becomes keyed hashes, or goes.
//!
//! Null fractions, distinct counts, correlations, widths and the frequencies of common values stay, so that the planner's
//! arithmetic for equality still works. A value becomes a keyed BLAKE3 hash, under a key of its own for each column, so that
//! the same value in two columns does not show; whoever has the key can still look a value up ([`RedactionKey::hash`]).
//! Histogram bounds go, since their order would tell too much. Constants in predicates, index expressions, checks, view
//! queries and partition bounds are hashed too, under the table and no column; the rest of these texts stays, so that a
//! partial index is still seen to be one. Names of schemas, tables, columns, indexes and types are not redacted, nor are
//! counts: a column of few values can be guessed from its frequencies by someone who knows the data.

use dbopt_sql::{TokenKind, lex};

use crate::{
    Catalog, ColumnStatistics, CommonValue, ConstraintKind, Datum, Index, KeyPart, Quality, Table,
    text::is_modified_type,
};

/// The secret under which values are hashed. Its debug form shows nothing of it.
#[derive(Clone)]
pub struct RedactionKey([u8; blake3::KEY_LEN]);

/// Why a key was refused or could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedactionKeyError {
    /// Short secrets can be guessed.
    #[error("a redaction key of {bytes} bytes is too short, {} is the least", RedactionKey::LEAST_BYTES)]
    TooShort {
        /// Length of the secret.
        bytes: usize,
    },
    /// The system gave no random bytes.
    #[error("no random bytes are to be had")]
    Random(#[source] getrandom::Error),
}

impl RedactionKey {
    /// The least length of a secret, in bytes.
    pub const LEAST_BYTES: usize = 16;

    /// The key that a secret stands for, such as the contents of a key file.
    ///
    /// # Errors
    /// When the secret is too short.
    pub fn new(secret: &[u8]) -> Result<Self, RedactionKeyError> {
        if secret.len() < Self::LEAST_BYTES {
            return Err(RedactionKeyError::TooShort { bytes: secret.len() });
        }
        Ok(Self(blake3::derive_key("dbopt 2026 snapshot redaction", secret)))
    }

    /// A key that nobody knows: without it hashes can be counted and no more.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, RedactionKeyError> {
        let mut key = [0; blake3::KEY_LEN];
        getrandom::fill(&mut key).map_err(RedactionKeyError::Random)?;
        Ok(Self(key))
    }

    /// The hash of a value of a column, as [`Datum::Hashed`] holds it: 128 bits in hexadecimal. The value is in its text
    /// form. For an index expression the expression's text stands for the column, and nothing does for a constant in an
    /// expression of the table.
    #[must_use]
    pub fn hash(&self, schema: &str, table: &str, column: &str, value: &str) -> String {
        /// Bytes of the hash that are kept: enough that two values of one column never meet.
        const KEPT: usize = 16;
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in [schema, table, column, value] {
            // With the lengths no two lists of parts give the same bytes.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let hex = hasher.finalize().to_hex();
        hex.as_str()[..2 * KEPT].to_owned()
    }
}

impl std::fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedactionKey")
    }
}

/// The catalogue without values of rows.
#[must_use]
pub fn redact(catalog: &Catalog, key: &RedactionKey) -> Catalog {
    let mut redacted = catalog.clone();
    for table in &mut redacted.tables {
        redact_table(table, key);
    }
    if redacted.quality == Quality::Full {
        redacted.quality = Quality::Redacted;
    }
    redacted
}

fn redact_table(table: &mut Table, key: &RedactionKey) {
    let (schema, name) = (table.schema.clone(), table.name.clone());
    let constants = |text: &mut String| *text = without_constants(text, |value| key.hash(&schema, &name, "", value));
    for column in &mut table.columns {
        let hash = |value: &str| key.hash(&schema, &name, &column.name, value);
        if let Some(statistics) = &mut column.statistics {
            redact_statistics(statistics, hash);
        }
    }
    for index in &mut table.indexes {
        index.predicate.iter_mut().for_each(constants);
        constants(&mut index.definition);
        for part in index.keys.iter_mut().map(|key| &mut key.part) {
            if let KeyPart::Expression(text) = part {
                constants(text);
            }
        }
        let Index { keys, expression_statistics, .. } = index;
        for (at, statistics) in expression_statistics {
            let expression = match keys.get(*at).map(|key| &key.part) {
                Some(KeyPart::Expression(text) | KeyPart::Column(text)) => text,
                None => "",
            };
            redact_statistics(statistics, |value| key.hash(&schema, &name, expression, value));
        }
    }
    for constraint in &mut table.constraints {
        if let ConstraintKind::Check(text) = &mut constraint.kind {
            constants(text);
        }
    }
    // The numbers of a hash partition say nothing of rows.
    table.partition_bound.iter_mut().filter(|bound| !bound.starts_with("FOR VALUES WITH")).for_each(constants);
    table.definition.iter_mut().for_each(constants);
}

fn redact_statistics(statistics: &mut ColumnStatistics, hash: impl Fn(&str) -> String) {
    statistics.histogram.clear();
    for CommonValue { value, .. } in statistics.common.iter_mut().chain(&mut statistics.common_elements) {
        if let Datum::Text(text) = value {
            *value = Datum::Hashed(hash(text));
        }
    }
}

/// A text of SQL with each constant but `true`, `false` and `null` hashed, as a string constant, and without comments. The
/// numbers of type modifiers stay. A text that cannot be read to its end goes altogether.
fn without_constants(text: &str, hash: impl Fn(&str) -> String) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut end = 0;
    let mut modifier = false;
    for token in lex(text.as_bytes()) {
        let Some(part) = text.get(token.start..token.end).filter(|_| token.closed) else {
            return String::new();
        };
        if end < token.start && !redacted.is_empty() {
            redacted.push(' ');
        }
        end = token.end;
        match (token.kind, part) {
            (TokenKind::Punctuation, "(") => modifier = is_modified_type(&redacted),
            (TokenKind::Punctuation, ",") | (TokenKind::Number, _) => {}
            _ => modifier = false,
        }
        match token.kind {
            TokenKind::Number if !modifier => redacted.push_str(&format!("'{}'", hash(part))),
            TokenKind::String => {
                let plain = part.strip_prefix('\'').and_then(|part| part.strip_suffix('\''));
                let value = plain.map_or_else(|| part.to_owned(), |plain| plain.replace("''", "'"));
                redacted.push_str(&format!("'{}'", hash(&value)));
            }
            _ => redacted.push_str(part),
        }
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RedactionKey {
        RedactionKey::new(b"a secret of enough bytes").expect("it is long enough")
    }

    #[test]
    fn hashes_depend_on_key_and_column() {
        let hash = key().hash("s", "t", "c", "v");
        assert_eq!(hash.len(), 32);
        assert_eq!(hash, key().hash("s", "t", "c", "v"));
        assert_ne!(hash, key().hash("s", "t", "d", "v"));
        assert_ne!(key().hash("s", "tc", "", "v"), key().hash("s", "t", "c", "v"));
        let random = || RedactionKey::random().expect("the system has random bytes").hash("s", "t", "c", "v");
        assert_ne!(random(), random());
    }

    #[test]
    fn short_and_shown_keys_are_not_to_be_had() {
        assert!(matches!(RedactionKey::new(b"short"), Err(RedactionKeyError::TooShort { bytes: 5 })));
        assert_eq!(format!("{:?}", key()), "RedactionKey");
    }

    #[test]
    fn constants_go_and_structure_stays() {
        let check =
            |text: &str, expected: &str| assert_eq!(without_constants(text, |value| format!("<{value}>")), expected);
        check("(deleted_at IS NULL)", "(deleted_at IS NULL)");
        check("(status = 'it''s'::text)", "(status = '<it's>'::text)");
        check("((a)::numeric(12,2) > 5.5)", "((a)::numeric(12,2) > '<5.5>')");
        check("(a)::character varying(20) = $$x$$ -- y", "(a)::character varying(20) = '<$$x$$>'");
        check("x::text IN (5, 6)", "x::text IN ('<5>', '<6>')");
        check("numeric(5)", "numeric('<5>')");
        check("\"Name\" = E'a\\'b' AND ok = true", "\"Name\" = '<E'a\\'b'>' AND ok = true");
        check("FOR VALUES FROM ('2024-01-01') TO (MAXVALUE)", "FOR VALUES FROM ('<2024-01-01>') TO (MAXVALUE)");
        check("a = 'open", "");
    }
}
