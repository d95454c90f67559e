//! Sessions in the memory of one process, for a service of one process and for tests.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{NewSession, Rotation, SessionId, SessionStore, Standing, StoreError};

/// After how many changes what has ended is looked for.
const SWEEP: u32 = 1024;
/// How often at most it is looked for because there is no room.
const PAUSE: Duration = Duration::from_millis(50);

/// Remembers sessions until the process ends. What it holds is bounded: beyond that it is full, and no session begins.
#[derive(Debug)]
pub struct MemorySessions {
    most: usize,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    sessions: HashMap<SessionId, Session>,
    /// Epochs, and until when they are remembered.
    subjects: HashMap<Box<str>, (u64, Instant)>,
    tokens: HashMap<Box<str>, Instant>,
    changes: u32,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Session {
    subject: Box<str>,
    data: Box<str>,
    epoch: u64,
    number: u32,
    rotated: Instant,
    idle_until: Instant,
    until: Instant,
}

impl MemorySessions {
    /// A store of so many sessions, and as many revocations.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, all: Mutex::default() }
    }

    /// Locks, and forgets what has ended now and then, or because there is no room.
    fn change(&self, now: Instant) -> MutexGuard<'_, All> {
        let mut all = self.lock();
        all.changes += 1;
        let fullest = all.sessions.len().max(all.subjects.len()).max(all.tokens.len());
        let may_sweep = all.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= PAUSE);
        if all.changes >= SWEEP || (fullest >= self.most && may_sweep) {
            (all.changes, all.swept) = (0, Some(now));
            all.sessions.retain(|_, session| !session.has_ended(now));
            all.subjects.retain(|_, (_, until)| *until > now);
            all.tokens.retain(|_, until| *until > now);
        }
        all
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        // Nothing is half done while it is held.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn epoch(&self, subject: &str, now: Instant) -> u64 {
        self.subjects.get(subject).filter(|(_, until)| *until > now).map_or(0, |(epoch, _)| *epoch)
    }
}

impl Session {
    fn has_ended(&self, now: Instant) -> bool {
        self.idle_until.min(self.until) <= now
    }
}

impl SessionStore for MemorySessions {
    async fn begin(&self, session: &NewSession<'_>) -> Result<u64, StoreError> {
        let now = Instant::now();
        let mut all = self.change(now);
        if all.sessions.len() >= self.most {
            return Err(StoreError::Full);
        }
        let epoch = all.epoch(session.subject, now);
        let new = Session {
            subject: session.subject.into(),
            data: session.data.into(),
            epoch,
            number: 0,
            rotated: now,
            idle_until: later(now, session.idle),
            until: later(now, session.longest),
        };
        all.sessions.insert(session.id, new);
        Ok(epoch)
    }

    async fn rotate(
        &self,
        id: SessionId,
        number: u32,
        grace: Duration,
        idle: Duration,
    ) -> Result<Rotation, StoreError> {
        let now = Instant::now();
        let mut all = self.change(now);
        let Some(session) = all.sessions.get(&id) else { return Ok(Rotation::Ended) };
        let has_ended = session.has_ended(now) || session.epoch < all.epoch(&session.subject, now);
        let again = number.checked_add(1) == Some(session.number) && now.duration_since(session.rotated) < grace;
        let reused = number != session.number && !again;
        if has_ended || reused || number == u32::MAX {
            all.sessions.remove(&id);
            return Ok(if has_ended { Rotation::Ended } else { Rotation::Reused });
        }
        let Some(session) = all.sessions.get_mut(&id) else { return Ok(Rotation::Ended) };
        if !again {
            session.number += 1;
            session.rotated = now;
            session.idle_until = later(now, idle);
        }
        Ok(Rotation::Next {
            number: session.number,
            subject: session.subject.to_string(),
            epoch: session.epoch,
            data: session.data.to_string(),
        })
    }

    async fn end(&self, id: SessionId) -> Result<(), StoreError> {
        self.change(Instant::now()).sessions.remove(&id);
        Ok(())
    }

    async fn revoke_token(&self, id: &str, keep: Duration) -> Result<(), StoreError> {
        let now = Instant::now();
        let mut all = self.change(now);
        if all.tokens.len() >= self.most && !all.tokens.contains_key(id) {
            return Err(StoreError::Full);
        }
        all.tokens.insert(id.into(), later(now, keep));
        Ok(())
    }

    async fn revoke_subject(&self, subject: &str, keep: Duration) -> Result<u64, StoreError> {
        let now = Instant::now();
        let mut all = self.change(now);
        if all.subjects.len() >= self.most && !all.subjects.contains_key(subject) {
            return Err(StoreError::Full);
        }
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let before = all.subjects.get(subject).map(|(epoch, until)| (*epoch, *until));
        let epoch = u64::try_from(clock).unwrap_or(u64::MAX).max(before.map_or(0, |(epoch, _)| epoch + 1));
        let until = later(now, keep).max(before.map_or(now, |(_, until)| until));
        all.subjects.insert(subject.into(), (epoch, until));
        Ok(epoch)
    }

    async fn standing(&self, id: &str, subject: &str) -> Result<Standing, StoreError> {
        let now = Instant::now();
        let all = self.lock();
        Ok(Standing { revoked: all.tokens.get(id).is_some_and(|until| *until > now), epoch: all.epoch(subject, now) })
    }
}

/// A century at most, so that a clock can hold it.
fn later(now: Instant, time: Duration) -> Instant {
    now + time.min(Duration::from_secs(100 * 366 * 86_400))
}
