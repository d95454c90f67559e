//! Sessions that many requests share.

use std::{
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use dbopt_pg::{Session, SessionProfile, Settings};
use tokio::sync::Mutex;
use tokio_postgres::{Client, Statement};

use super::{PostgresConfig, error::Failure};
use crate::StoreError;

/// For how long nothing is tried after a failure to connect.
const PAUSE: Duration = Duration::from_millis(100);

const ASK: &str = include_str!("queries/ask.sql");
const WRITE: &str = include_str!("queries/write.sql");
const ANSWER: &str = include_str!("queries/answer.sql");

/// An open session with its statements prepared.
pub(super) struct Open {
    session: Session,
    pub(super) charge: Statement,
    pub(super) peek: Statement,
    pub(super) reset: Statement,
    pub(super) acquire: Statement,
    pub(super) release: Statement,
    pub(super) purge_state: Statement,
    pub(super) purge_place: Statement,
}

impl Open {
    pub(super) fn client(&self) -> &Client {
        self.session.client()
    }

    async fn new(settings: &Settings, timeout: Duration) -> Result<Self, Failure> {
        let profile = SessionProfile {
            // The server gives up as well, and does not charge what nobody waits for any more.
            statement_timeout: Some(timeout),
            search_path: Some(vec!["pg_catalog".to_owned()]),
            ..SessionProfile::default()
        };
        let session = Session::connect(settings, &profile).await.map_err(|error| Failure::of_connecting(&error))?;
        // Requests are small and of one shape: planning each of them, or compiling it, would cost more than running it, and no
        // table should be read whole because it was small when it was last analysed. Locked rows are read as they are
        // then, which is what read committed does.
        let habits = "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off; \
             SET default_transaction_isolation = 'read committed'";
        let client = session.client();
        let prepared = async {
            client.batch_execute(habits).await?;
            Ok::<_, tokio_postgres::Error>((
                client.prepare(&format!("{ASK}{WRITE}{ANSWER}")).await?,
                // A peek locks nothing.
                client.prepare(&format!("{}{ANSWER}", ASK.replace("FOR UPDATE\n", "\n"))).await?,
                client.prepare(include_str!("queries/reset.sql")).await?,
                client.prepare(include_str!("queries/acquire.sql")).await?,
                client.prepare(include_str!("queries/release.sql")).await?,
                client.prepare(include_str!("queries/purge_state.sql")).await?,
                client.prepare(include_str!("queries/purge_place.sql")).await?,
            ))
        };
        let (charge, peek, reset, acquire, release, purge_state, purge_place) =
            prepared.await.map_err(|error| Failure::of(&error))?;
        Ok(Self { session, charge, peek, reset, acquire, release, purge_state, purge_place })
    }
}

/// The sessions of a store.
pub(super) struct Sessions {
    settings: Settings,
    timeout: Duration,
    open: Box<[Mutex<Option<Arc<Open>>>]>,
    next: AtomicUsize,
    pause_until: StdMutex<Option<Instant>>,
}

impl Sessions {
    pub(super) fn new(settings: Settings, config: PostgresConfig) -> Self {
        Self {
            settings,
            timeout: config.timeout,
            open: (0..config.sessions.get()).map(|_| Mutex::new(None)).collect(),
            next: AtomicUsize::new(0),
            pause_until: StdMutex::new(None),
        }
    }

    /// Does something on one of the sessions, in time.
    pub(super) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&Open) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let place = &self.open[self.next.fetch_add(1, Ordering::Relaxed) % self.open.len()];
        let mut used = None;
        let all = async {
            let open = used.insert(self.open(place).await?);
            work(open).await.map_err(|error| Failure::of(&error))
        };
        let result = tokio::time::timeout(self.timeout, all).await.unwrap_or(Err(Failure::Late));
        result.map_err(|failure| {
            // A session that does not answer in time is given up, so that a cut network is noticed.
            if let (Failure::Late, Some(used)) = (&failure, used)
                && let Ok(mut open) = place.try_lock()
                && open.as_ref().is_some_and(|open| Arc::ptr_eq(open, &used))
            {
                *open = None;
            }
            failure.into_store_error()
        })
    }

    async fn open(&self, place: &Mutex<Option<Arc<Open>>>) -> Result<Arc<Open>, Failure> {
        let mut open = place.lock().await;
        if let Some(open) = open.as_ref().filter(|open| !open.session.is_closed()) {
            return Ok(Arc::clone(open));
        }
        *open = None;
        let pause_until = || self.pause_until.lock().unwrap_or_else(PoisonError::into_inner);
        if pause_until().is_some_and(|until| Instant::now() < until) {
            return Err(Failure::Away);
        }
        match Open::new(&self.settings, self.timeout).await {
            Ok(new) => Ok(Arc::clone(open.insert(Arc::new(new)))),
            Err(failure) => {
                *pause_until() = Some(Instant::now() + PAUSE);
                Err(failure)
            }
        }
    }
}
