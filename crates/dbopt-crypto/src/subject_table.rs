//! Keys of persons in PostgreSQL (feature `subjects`): the table `dbopt.subject_key` of `migrations/0007_subject.sql`.
//!
//! A row holds a key that the keys of a purpose wrap. A value under it says the number of the key, and numbers are given once: so that
//! what is under a number that is not in the table is erased, and nothing has to be kept that would name who was.
//! The person is in the table as the SHA-256 of the text that the policy's `subject` column has. That hides nothing from who can try
//! all names, but keeps them out of the log of the server, whatever it logs.
//!
//! A service needs SELECT and INSERT on the table and USAGE on `dbopt.subject_key_number`; it finds, or makes, the key of a
//! person, and gives it to `Field::seal_of` and `Field::open_of`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};
use tokio_postgres::{
    GenericClient, Row,
    types::{ToSql, Type},
};

use crate::{
    Envelope, KeyId, KeyNumber, KeyRing, KeyStore, OpenError, RandomError, SealError, StoreError, SubjectError,
};

/// The keys of persons of one purpose.
#[derive(Debug)]
pub struct SubjectTable {
    keys: Arc<KeyStore>,
    purpose: KeyId,
}

/// A person, as the table knows them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId([u8; 32]);

/// Why keys of persons could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectTableError {
    /// The database did not answer.
    #[error("the keys of persons could not be read or written")]
    Database(#[from] tokio_postgres::Error),
    /// The keys that wrap them are not there.
    #[error(transparent)]
    Keys(#[from] StoreError),
    /// A key was not made.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// There are no random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A key in the table does not unwrap: it was changed, or is another person's, or its ring's key is gone.
    #[error("the key {0} of a person does not unwrap: {1}")]
    Unwrap(KeyNumber, OpenError),
    /// All numbers were given.
    #[error("there are no numbers left for keys of persons")]
    Full,
}

const FIND: &str = "SELECT subject, number, wrapped FROM dbopt.subject_key WHERE purpose = $1 AND subject = ANY ($2)";
const NUMBER: &str = "SELECT number FROM dbopt.subject_key WHERE purpose = $1 AND subject = $2";
const NUMBERS: &str = "SELECT pg_catalog.nextval('dbopt.subject_key_number') FROM pg_catalog.generate_series(1, $1)";
const INSERT: &str = "INSERT INTO dbopt.subject_key (purpose, subject, number, wrapped) \
    SELECT $1, n.* FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) AS n \
    ON CONFLICT (purpose, subject) DO NOTHING";
const LIVING: &str = "SELECT number FROM dbopt.subject_key WHERE purpose = $1 AND number = ANY ($2)";
const ERASE: &str = "DELETE FROM dbopt.subject_key WHERE purpose = $1 AND subject = $2 RETURNING number";
const OTHERS: &str = "SELECT subject, number, wrapped FROM dbopt.subject_key \
    WHERE purpose = $1 AND subject > $2 AND pg_catalog.substr(wrapped, 1, 6) <> $3 ORDER BY subject LIMIT $4";
const REWRAP: &str = "UPDATE dbopt.subject_key AS k SET wrapped = n.new \
    FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) AS n (subject, old, new) \
    WHERE k.purpose = $1 AND k.subject = n.subject AND k.wrapped = n.old";
const UNDER: &str =
    "SELECT pg_catalog.substr(wrapped, 1, 6), pg_catalog.count(*) FROM dbopt.subject_key WHERE purpose = $1 GROUP BY 1";

/// Keys that are wrapped anew in one statement.
const BATCH: i64 = 500;
/// The bytes of a wrapped key that say under which key of the ring it is, as those of any sealed value.
const HEADER_BYTES: usize = 6;

impl SubjectId {
    /// The person with this text in the policy's `subject` column, as `column::text` gives it.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// As the table has it, when the bytes are so many.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As the table has it.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What a key is bound to.
    fn name(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The type only.
impl fmt::Debug for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectId")
    }
}

impl SubjectTable {
    /// The keys of persons that the keys of a purpose wrap.
    #[must_use]
    pub const fn new(keys: Arc<KeyStore>, purpose: KeyId) -> Self {
        Self { keys, purpose }
    }

    /// The keys of those persons who have one.
    ///
    /// # Errors
    /// When the database does not answer, or a key does not unwrap.
    pub async fn find(
        &self,
        client: &impl GenericClient,
        subjects: &BTreeSet<SubjectId>,
    ) -> Result<BTreeMap<SubjectId, Arc<KeyRing>>, SubjectTableError> {
        let wanted: Vec<&[u8]> = subjects.iter().map(|subject| &subject.0[..]).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows =
            client.query_typed(FIND, &[(&self.purpose.as_str(), Type::TEXT), (&wanted, Type::BYTEA_ARRAY)]).await?;
        rows.iter().map(|row| self.unwrap(row)).filter_map(Result::transpose).collect()
    }

    /// The key of each person; who has none is given one.
    ///
    /// # Errors
    /// As [`SubjectTable::find`], and when a key cannot be made.
    pub async fn find_or_make(
        &self,
        client: &impl GenericClient,
        subjects: &BTreeSet<SubjectId>,
    ) -> Result<BTreeMap<SubjectId, Arc<KeyRing>>, SubjectTableError> {
        let found = self.find(client, subjects).await?;
        let missing: Vec<SubjectId> = subjects.iter().filter(|subject| !found.contains_key(subject)).copied().collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let ring = self.keys.ring(&self.purpose)?;
        let count = i32::try_from(missing.len()).map_err(|_| SubjectTableError::Full)?;
        let rows = client.query_typed(NUMBERS, &[(&count, Type::INT4)]).await?;
        let numbers: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let make = |(subject, number): (&SubjectId, &i64)| {
            let number = number_of(*number).ok_or(SubjectTableError::Full)?;
            Ok(self.keys.subjects().make(&ring, &subject.name(), number)?)
        };
        let wrapped: Vec<Vec<u8>> = missing.iter().zip(&numbers).map(make).collect::<Result<_, SubjectTableError>>()?;
        let subjects_of: Vec<&[u8]> = missing.iter().map(|subject| &subject.0[..]).collect();
        client
            .query_typed(
                INSERT,
                &[
                    (&self.purpose.as_str(), Type::TEXT),
                    (&subjects_of, Type::BYTEA_ARRAY),
                    (&numbers, Type::INT8_ARRAY),
                    (&wrapped, Type::BYTEA_ARRAY),
                ],
            )
            .await?;
        // Somebody else may have been first, and theirs is the key then.
        self.find(client, subjects).await
    }

    /// The number of a person's key, if they have one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn number(
        client: &impl GenericClient,
        purpose: &KeyId,
        subject: &SubjectId,
    ) -> Result<Option<KeyNumber>, SubjectTableError> {
        let parameters: &[(&(dyn ToSql + Sync), Type)] =
            &[(&purpose.as_str(), Type::TEXT), (&&subject.0[..], Type::BYTEA)];
        let rows = client.query_typed(NUMBER, parameters).await?;
        Ok(rows.first().and_then(|row| number_of(row.get(0))))
    }

    /// Which of these numbers are those of keys that are still there. What is under another one is erased.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn living(
        &self,
        client: &impl GenericClient,
        numbers: &BTreeSet<KeyNumber>,
    ) -> Result<BTreeSet<KeyNumber>, SubjectTableError> {
        let numbers: Vec<i64> = numbers.iter().map(|number| number.get().into()).collect();
        if numbers.is_empty() {
            return Ok(BTreeSet::new());
        }
        let rows =
            client.query_typed(LIVING, &[(&self.purpose.as_str(), Type::TEXT), (&numbers, Type::INT8_ARRAY)]).await?;
        Ok(rows.iter().filter_map(|row| number_of(row.get(0))).collect())
    }

    /// Wraps the keys that are under other keys of the ring by its active one; how many. After that such a key can be destroyed, and with it
    /// all copies of the keys of persons who were erased before. What does not unwrap is left as it is.
    ///
    /// # Errors
    /// When the database does not answer, or there are no keys.
    pub async fn rewrap(&self, client: &impl GenericClient) -> Result<u64, SubjectTableError> {
        let ring = self.keys.ring(&self.purpose)?;
        // Of any value that the active key has sealed.
        let mut header = self.keys.subjects().make(&ring, "", KeyNumber::FIRST)?;
        header.truncate(HEADER_BYTES);
        let (mut last, mut count): (Vec<u8>, u64) = (Vec::new(), 0);
        loop {
            let rows = client
                .query_typed(
                    OTHERS,
                    &[
                        (&self.purpose.as_str(), Type::TEXT),
                        (&last, Type::BYTEA),
                        (&header, Type::BYTEA),
                        (&BATCH, Type::INT8),
                    ],
                )
                .await?;
            let Some(end) = rows.last() else { return Ok(count) };
            last = end.get(0);
            let (mut subjects, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
            for row in &rows {
                let (subject, wrapped): (&[u8], &[u8]) = (row.get(0), row.get(2));
                let Some(id) = SubjectId::from_bytes(subject) else { continue };
                match self.keys.subjects().rewrapped(&ring, &id.name(), wrapped) {
                    Ok(Some(again)) => {
                        subjects.push(subject);
                        old.push(wrapped);
                        new.push(again);
                    }
                    Ok(None) | Err(SubjectError::Open(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let parameters: &[(&(dyn ToSql + Sync), Type)] = &[
                (&self.purpose.as_str(), Type::TEXT),
                (&subjects, Type::BYTEA_ARRAY),
                (&old, Type::BYTEA_ARRAY),
                (&new, Type::BYTEA_ARRAY),
            ];
            client.query_typed(REWRAP, parameters).await?;
            count += new.len() as u64;
        }
    }

    /// Erases a person: deletes their key, and gives its number; none when there is no key. Everything that was sealed with it, in any table, is
    /// lost when this is committed. Copies stay in dead rows until VACUUM, in the WAL and in backups; see [`SubjectTable::rewrap`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn erase(
        client: &impl GenericClient,
        purpose: &KeyId,
        subject: &SubjectId,
    ) -> Result<Option<KeyNumber>, SubjectTableError> {
        let rows =
            client.query_typed(ERASE, &[(&purpose.as_str(), Type::TEXT), (&&subject.0[..], Type::BYTEA)]).await?;
        Ok(rows.first().and_then(|row| number_of(row.get(0))))
    }

    /// How many keys of persons are under which key of the ring.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn under(
        client: &impl GenericClient,
        purpose: &KeyId,
    ) -> Result<BTreeMap<KeyNumber, u64>, SubjectTableError> {
        let rows = client.query_typed(UNDER, &[(&purpose.as_str(), Type::TEXT)]).await?;
        let mut under = BTreeMap::new();
        for row in &rows {
            let header: &[u8] = row.get(0);
            let number = header.get(2..HEADER_BYTES).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
            if let Some(number) = number.and_then(KeyNumber::new) {
                *under.entry(number).or_default() += row.get::<_, i64>(1).unsigned_abs();
            }
        }
        Ok(under)
    }

    /// The person and the ring of a row; none when the ring's key was destroyed, and the person's with it.
    fn unwrap(&self, row: &Row) -> Result<Option<(SubjectId, Arc<KeyRing>)>, SubjectTableError> {
        let (subject, wrapped): (&[u8], &[u8]) = (row.get(0), row.get(2));
        let number = number_of(row.get(1)).ok_or(SubjectTableError::Full)?;
        let bad = |error| SubjectTableError::Unwrap(number, error);
        let id = SubjectId::from_bytes(subject).ok_or(bad(OpenError::Rejected))?;
        let under = Envelope::parse(wrapped).map_err(|error| bad(error.into()))?.key;
        let ring = self.keys.ring_with(&self.purpose, under)?;
        match self.keys.subjects().open(&ring, &id.name(), wrapped) {
            Ok(own) if own.active() == Some(number) => Ok(Some((id, own))),
            Ok(_) => Err(bad(OpenError::Rejected)),
            Err(OpenError::DestroyedKey(_)) => Ok(None),
            Err(error) => Err(bad(error)),
        }
    }
}

fn number_of(number: i64) -> Option<KeyNumber> {
    u32::try_from(number).ok().and_then(KeyNumber::new)
}

impl From<SubjectError> for SubjectTableError {
    fn from(error: SubjectError) -> Self {
        match error {
            SubjectError::Random(error) => Self::Random(error),
            SubjectError::Seal(error) => Self::Seal(error),
            // Only wrapping anew opens something.
            SubjectError::Open(error) => Self::Unwrap(KeyNumber::FIRST, error),
        }
    }
}
