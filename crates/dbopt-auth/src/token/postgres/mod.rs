//! Sessions in PostgreSQL.
//!
//! One statement answers each call. It locks the session's row, then reads the clock, then decides and writes. The tables are those
//! of `migrations/0005_auth.sql`; all of them survive a crash.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dbopt_pg::{Session, SessionProfile, Settings};
use tokio::sync::Mutex;
use tokio_postgres::{Client, Statement, types::ToSql};

use super::{NewSession, Rotation, SessionId, SessionStore, Standing, StoreError};

/// A century.
const MOST_MICROSECONDS: i64 = 100 * 366 * 86_400 * 1_000_000;

/// Remembers sessions and revocations in PostgreSQL, from version 14 on, by its clock.
///
/// It needs the schema of `dbopt migrate up` and the rights SELECT, INSERT, UPDATE and DELETE on `dbopt.auth_session`,
/// `dbopt.auth_subject` and `dbopt.auth_token`. Call [`Self::purge`] now and then.
pub struct PostgresSessions {
    settings: Settings,
    timeout: Duration,
    open: Box<[Mutex<Option<Arc<Open>>>]>,
    next: AtomicUsize,
}

/// An open session of the server, with its statements prepared.
struct Open {
    session: Session,
    begin: Statement,
    rotate: Statement,
    end: Statement,
    revoke_token: Statement,
    revoke_subject: Statement,
    standing: Statement,
    purge: Statement,
}

impl Open {
    async fn new(settings: &Settings, timeout: Duration) -> Result<Self, StoreError> {
        let profile = SessionProfile {
            statement_timeout: Some(timeout),
            search_path: Some(vec!["pg_catalog".to_owned()]),
            ..SessionProfile::default()
        };
        let session = Session::connect(settings, &profile).await.map_err(|error| match error {
            dbopt_pg::Error::Authentication { .. } | dbopt_pg::Error::PasswordRequired { .. } => said(&error, true),
            _ => said(&error, false),
        })?;
        let prepare = async |client: &Client| {
            client.batch_execute("SET default_transaction_isolation = 'read committed'; SET jit = off").await?;
            Ok((
                client.prepare(include_str!("queries/begin.sql")).await?,
                client.prepare(include_str!("queries/rotate.sql")).await?,
                client.prepare(include_str!("queries/end.sql")).await?,
                client.prepare(include_str!("queries/revoke_token.sql")).await?,
                client.prepare(include_str!("queries/revoke_subject.sql")).await?,
                client.prepare(include_str!("queries/standing.sql")).await?,
                client.prepare(include_str!("queries/purge.sql")).await?,
            ))
        };
        let prepared = prepare(session.client()).await.map_err(failure)?;
        let (begin, rotate, end, revoke_token, revoke_subject, standing, purge) = prepared;
        Ok(Self { session, begin, rotate, end, revoke_token, revoke_subject, standing, purge })
    }

    async fn row<T>(
        &self,
        statement: &Statement,
        values: &[&(dyn ToSql + Sync)],
        read: impl Fn(&tokio_postgres::Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Option<T>, tokio_postgres::Error> {
        self.session.client().query_opt(statement, values).await?.as_ref().map(read).transpose()
    }
}

impl PostgresSessions {
    /// A store that opens up to so many sessions of the server when it is asked, and again when they are lost. An answer is
    /// waited for so long.
    #[must_use]
    pub fn new(settings: Settings, sessions: NonZeroU32, timeout: Duration) -> Self {
        let open = (0..sessions.get()).map(|_| Mutex::new(None)).collect();
        Self { settings, timeout, open, next: AtomicUsize::new(0) }
    }

    /// Deletes what has ended, at most so many rows of each table, and says how many.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn purge(&self, most: NonZeroU32) -> Result<u64, StoreError> {
        let most = i64::from(most.get());
        let purged =
            self.with(async |open| open.row(&open.purge, &[&most], |row| row.try_get::<_, i64>(0)).await).await?;
        Ok(purged.map_or(0, i64::unsigned_abs))
    }

    async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&Open) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let place = &self.open[self.next.fetch_add(1, Ordering::Relaxed) % self.open.len()];
        let all = async {
            let open = {
                let mut open = place.lock().await;
                match open.as_ref().filter(|open| !open.session.is_closed()) {
                    Some(open) => Arc::clone(open),
                    None => Arc::clone(open.insert(Arc::new(Open::new(&self.settings, self.timeout).await?))),
                }
            };
            let result = work(&open).await;
            if result.as_ref().is_err_and(|error| error.as_db_error().is_none() || open.session.is_closed()) {
                self.give_up();
            }
            result.map_err(failure)
        };
        tokio::time::timeout(self.timeout, all).await.unwrap_or_else(|_| {
            self.give_up();
            Err(StoreError::Unreachable(Box::new(Said("PostgreSQL did not answer in time".to_owned()))))
        })
    }

    /// Opens all sessions anew: what cut one off, or kept it from answering, has most likely done so to the others. Calls that are
    /// under way keep theirs.
    fn give_up(&self) {
        for place in &self.open {
            if let Ok(mut open) = place.try_lock() {
                *open = None;
            }
        }
    }
}

impl SessionStore for PostgresSessions {
    async fn begin(&self, session: &NewSession<'_>) -> Result<u64, StoreError> {
        let id = session.id.to_string();
        let (idle, longest) = (microseconds(session.idle), microseconds(session.longest));
        let values: [&(dyn ToSql + Sync); 5] = [&id, &session.subject, &session.data, &idle, &longest];
        let epoch =
            self.with(async |open| open.row(&open.begin, &values, |row| row.try_get::<_, i64>(0)).await).await?;
        Ok(epoch.map_or(0, i64::unsigned_abs))
    }

    async fn rotate(
        &self,
        id: SessionId,
        number: u32,
        grace: Duration,
        idle: Duration,
    ) -> Result<Rotation, StoreError> {
        let (id, number) = (id.to_string(), i64::from(number));
        let (grace, idle) = (microseconds(grace), microseconds(idle));
        let values: [&(dyn ToSql + Sync); 4] = [&id, &number, &grace, &idle];
        let read = |row: &tokio_postgres::Row| {
            let (has_ended, is_right): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
            let (number, epoch): (i64, i64) = (row.try_get(2)?, row.try_get(4)?);
            Ok(match u32::try_from(number) {
                Ok(number) if !has_ended && is_right => Rotation::Next {
                    number,
                    subject: row.try_get(3)?,
                    epoch: epoch.unsigned_abs(),
                    data: row.try_get(5)?,
                },
                _ if has_ended => Rotation::Ended,
                _ => Rotation::Reused,
            })
        };
        let rotation = self.with(async |open| open.row(&open.rotate, &values, read).await).await?;
        Ok(rotation.unwrap_or(Rotation::Ended))
    }

    async fn end(&self, id: SessionId) -> Result<(), StoreError> {
        let id = id.to_string();
        self.with(async |open| open.session.client().execute(&open.end, &[&id]).await).await.map(drop)
    }

    async fn revoke_token(&self, id: &str, keep: Duration) -> Result<(), StoreError> {
        let keep = microseconds(keep);
        self.with(async |open| open.session.client().execute(&open.revoke_token, &[&id, &keep]).await).await.map(drop)
    }

    async fn revoke_subject(&self, subject: &str, keep: Duration) -> Result<u64, StoreError> {
        let keep = microseconds(keep);
        let values: [&(dyn ToSql + Sync); 2] = [&subject, &keep];
        let read = |row: &tokio_postgres::Row| row.try_get::<_, i64>(0);
        let epoch = self.with(async |open| open.row(&open.revoke_subject, &values, read).await).await?;
        Ok(epoch.map_or(0, i64::unsigned_abs))
    }

    async fn standing(&self, id: &str, subject: &str) -> Result<Standing, StoreError> {
        let read = |row: &tokio_postgres::Row| {
            Ok(Standing { revoked: row.try_get(0)?, epoch: row.try_get::<_, i64>(1)?.unsigned_abs() })
        };
        let ask = async || self.with(async |open| open.row(&open.standing, &[&id, &subject], read).await).await;
        // Asking changes nothing, so that a server that was started anew need not cost anybody an answer.
        let standing = match ask().await {
            Err(StoreError::Unreachable(_)) => ask().await?,
            answer => answer?,
        };
        standing.ok_or_else(|| StoreError::Refused(Box::new(Said("PostgreSQL gave no answer".to_owned()))))
    }
}

impl fmt::Debug for PostgresSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresSessions")
    }
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX).min(MOST_MICROSECONDS)
}

/// In words that hold no value of a row.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

fn said(error: &dbopt_pg::Error, refuses: bool) -> StoreError {
    let said = Box::new(Said(error.to_string()));
    if refuses { StoreError::Refused(said) } else { StoreError::Unreachable(said) }
}

fn failure(error: tokio_postgres::Error) -> StoreError {
    let Some(code) = error.code().map(|code| code.code().to_owned()) else {
        return StoreError::Unreachable(Box::new(Said("the connection failed".to_owned())));
    };
    match &*code {
        "42P01" | "3F000" => {
            StoreError::Refused(Box::new(Said("the tables of sessions are missing; run `dbopt migrate up`".to_owned())))
        }
        // Cancelled, shut down, or held up: another time it may go well.
        _ if ["08", "40", "53", "55", "57"].iter().any(|class| code.starts_with(class)) => {
            StoreError::Unreachable(Box::new(Said(format!("PostgreSQL is not ready (SQLSTATE {code})"))))
        }
        _ => StoreError::Refused(Box::new(Said(format!("PostgreSQL refuses (SQLSTATE {code})")))),
    }
}
