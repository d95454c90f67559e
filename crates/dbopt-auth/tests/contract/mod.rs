//! What every store of sessions keeps to. Nothing here depends on being fast: what must not end meanwhile lasts for an hour, and what must
//! is waited for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dbopt_auth::{
    Grant, KeySet, NewSession, Pair, Reason, Rotation, SessionConfig, SessionId, SessionStore, Sessions, TokenConfig,
    TokenKey, Tokens,
};
use dbopt_crypto::{Key, KeyId, Pseudonymizer};

/// Makes a test of each check, on the store that an expression gives.
#[macro_export]
macro_rules! contract {
    ($store:expr) => {
        contract!($store, [
            a_session_goes_on_while_its_tokens_are_used_in_order,
            a_token_that_was_used_ends_its_session,
            within_the_grace_the_same_token_is_given_again,
            sessions_end_by_themselves,
            the_end_of_a_session_is_kept_to,
            epochs_rise_and_end_what_was_before,
            revocations_are_remembered_as_long_as_they_have_to_be,
            a_subject_of_any_name_is_itself,
            whoever_was_put_out_stays_out_and_nobody_else,
            many_clients_refresh_at_once,
            of_many_uses_of_one_token_one_counts,
            of_a_thief_and_the_owner_neither_stays,
        ]);
    };
    ($store:expr, [$($check:ident),* $(,)?]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                $crate::contract::$check($store).await;
            }
        )*
    };
}

const HOUR: Duration = Duration::from_secs(3_600);
const MOMENT: Duration = Duration::from_millis(100);
const NONE: Duration = Duration::ZERO;
const CLIENTS: usize = 64;

/// A number of its own for each call, in any process.
fn new_number() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(std::process::id()) << 64 | u128::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn new_id() -> SessionId {
    SessionId(new_number().to_be_bytes())
}

fn new_subject() -> String {
    format!("subject-{}", new_number())
}

async fn begin(store: &impl SessionStore, subject: &str, idle: Duration, longest: Duration) -> (SessionId, u64) {
    let id = new_id();
    let session = NewSession { id, subject, data: "{\"kept\": true}", idle, longest };
    (id, store.begin(&session).await.expect("an answer"))
}

/// The next number, or what else came of it.
async fn rotate(store: &impl SessionStore, id: SessionId, number: u32, grace: Duration) -> Result<u32, Rotation> {
    match store.rotate(id, number, grace, HOUR).await.expect("an answer") {
        Rotation::Next { number, .. } => Ok(number),
        other => Err(other),
    }
}

pub(crate) async fn a_session_goes_on_while_its_tokens_are_used_in_order(store: impl SessionStore) {
    let subject = new_subject();
    let (id, epoch) = begin(&store, &subject, HOUR, HOUR).await;
    assert_eq!(epoch, 0);
    for number in 0..5 {
        let next = store.rotate(id, number, NONE, HOUR).await.expect("an answer");
        let data = "{\"kept\": true}".to_owned();
        assert_eq!(next, Rotation::Next { number: number + 1, subject: subject.clone(), epoch, data });
    }
    store.end(id).await.expect("an answer");
    assert_eq!(rotate(&store, id, 5, NONE).await, Err(Rotation::Ended));
    store.end(id).await.expect("it is no error to end it again");
    assert_eq!(rotate(&store, new_id(), 0, NONE).await, Err(Rotation::Ended));
}

pub(crate) async fn a_token_that_was_used_ends_its_session(store: impl SessionStore) {
    for (used, wrong) in [(1, 0), (3, 1), (2, 7)] {
        let (id, _) = begin(&store, &new_subject(), HOUR, HOUR).await;
        for number in 0..used {
            assert_eq!(rotate(&store, id, number, NONE).await, Ok(number + 1));
        }
        assert_eq!(rotate(&store, id, wrong, NONE).await, Err(Rotation::Reused), "{wrong} after {used}");
        assert_eq!(rotate(&store, id, used, NONE).await, Err(Rotation::Ended), "the right one has ended as well");
    }
}

pub(crate) async fn within_the_grace_the_same_token_is_given_again(store: impl SessionStore) {
    let (id, _) = begin(&store, &new_subject(), HOUR, HOUR).await;
    assert_eq!(rotate(&store, id, 0, HOUR).await, Ok(1));
    assert_eq!(rotate(&store, id, 0, HOUR).await, Ok(1));
    assert_eq!(rotate(&store, id, 1, HOUR).await, Ok(2));
    // The one before the one before is too old, whatever the grace.
    assert_eq!(rotate(&store, id, 0, HOUR).await, Err(Rotation::Reused));
    let (id, _) = begin(&store, &new_subject(), HOUR, HOUR).await;
    assert_eq!(rotate(&store, id, 0, MOMENT).await, Ok(1));
    tokio::time::sleep(2 * MOMENT).await;
    assert_eq!(rotate(&store, id, 0, MOMENT).await, Err(Rotation::Reused));
}

pub(crate) async fn sessions_end_by_themselves(store: impl SessionStore) {
    for (idle, longest) in [(MOMENT, HOUR), (HOUR, MOMENT)] {
        let (id, _) = begin(&store, &new_subject(), idle, longest).await;
        tokio::time::sleep(2 * MOMENT).await;
        assert_eq!(rotate(&store, id, 0, HOUR).await, Err(Rotation::Ended));
    }
}

/// However often it is refreshed.
pub(crate) async fn the_end_of_a_session_is_kept_to(store: impl SessionStore) {
    let longest = 5 * MOMENT;
    let (id, _) = begin(&store, &new_subject(), HOUR, longest).await;
    let _ = rotate(&store, id, 0, NONE).await;
    tokio::time::sleep(longest + MOMENT).await;
    assert_eq!(rotate(&store, id, 1, NONE).await, Err(Rotation::Ended));
}

pub(crate) async fn epochs_rise_and_end_what_was_before(store: impl SessionStore) {
    let (subject, other) = (new_subject(), new_subject());
    let (before, _) = begin(&store, &subject, HOUR, HOUR).await;
    let (bystander, _) = begin(&store, &other, HOUR, HOUR).await;
    let mut last = 0;
    for _ in 0..5 {
        let epoch = store.revoke_subject(&subject, HOUR).await.expect("an answer");
        assert!(epoch > last);
        last = epoch;
    }
    assert_eq!(store.standing("t", &subject).await.expect("an answer").epoch, last);
    assert_eq!(rotate(&store, before, 0, NONE).await, Err(Rotation::Ended));
    let (after, epoch) = begin(&store, &subject, HOUR, HOUR).await;
    assert_eq!((epoch, rotate(&store, after, 0, NONE).await), (last, Ok(1)));
    assert_eq!(rotate(&store, bystander, 0, NONE).await, Ok(1));
    assert_eq!(store.standing("t", &other).await.expect("an answer").epoch, 0);
}

pub(crate) async fn revocations_are_remembered_as_long_as_they_have_to_be(store: impl SessionStore) {
    let (token, short, subject) = (new_subject(), new_subject(), new_subject());
    assert!(!store.standing(&token, &subject).await.expect("an answer").revoked);
    store.revoke_token(&token, HOUR).await.expect("an answer");
    store.revoke_token(&short, MOMENT).await.expect("an answer");
    let epoch = store.revoke_subject(&subject, HOUR).await.expect("an answer");
    // A shorter time does not shorten the one before.
    store.revoke_subject(&subject, MOMENT).await.expect("an answer");
    tokio::time::sleep(2 * MOMENT).await;
    assert!(store.standing(&token, &subject).await.expect("an answer").revoked);
    assert!(!store.standing(&short, &subject).await.expect("an answer").revoked);
    assert!(store.standing(&short, &subject).await.expect("an answer").epoch > epoch);
}

pub(crate) async fn a_subject_of_any_name_is_itself(store: impl SessionStore) {
    let subject = format!("{}'; --\u{e4} {{}} %s :", new_subject());
    let epoch = store.revoke_subject(&subject, HOUR).await.expect("an answer");
    let (id, began) = begin(&store, &subject, HOUR, HOUR).await;
    assert_eq!(began, epoch);
    let Rotation::Next { subject: told, .. } = store.rotate(id, 0, NONE, HOUR).await.expect("an answer") else {
        panic!("it goes on")
    };
    assert_eq!(told, subject);
    assert_eq!(store.standing("t", &subject.to_uppercase()).await.expect("an answer").epoch, 0);
}

/// Sessions with a secret of their own.
pub(crate) fn sessions<S: SessionStore>(store: S, config: SessionConfig) -> Arc<Sessions<S>> {
    let key = |byte: u8| Key::new((0..32).map(|at| at ^ byte).collect()).expect("a key");
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let signing = TokenKey::parse("k1", jsonwebtoken::Algorithm::HS256, hex.as_bytes()).expect("a key");
    let tokens = Tokens::new(TokenConfig::new("id", "orders"), KeySet::new([signing], Some("k1")).expect("keys"));
    let refresh = Pseudonymizer::new(KeyId::new("r1").expect("a name"), &key(7));
    Arc::new(Sessions::new(tokens, [refresh], config, store))
}

async fn reason<S: SessionStore>(sessions: &Sessions<S>, pair: &Pair) -> Option<Reason> {
    sessions.verify(&pair.access).await.err().map(|refused| refused.reason())
}

/// Within the same second, in which a token's own time says nothing.
pub(crate) async fn whoever_was_put_out_stays_out_and_nobody_else(store: impl SessionStore) {
    let sessions = sessions(store, SessionConfig::default());
    let grant = Grant::new(new_subject()).tenant("acme").roles(["viewer"]);
    let before = sessions.begin(&grant).await.expect("a pair");
    let other = sessions.begin(&Grant::new(new_subject())).await.expect("a pair");
    assert_eq!(reason(&sessions, &before).await, None);
    sessions.revoke_subject(&grant.subject).await.expect("an answer");
    let after = sessions.begin(&grant).await.expect("a pair");
    assert_eq!(reason(&sessions, &before).await, Some(Reason::SubjectRevoked));
    assert_eq!((reason(&sessions, &after).await, reason(&sessions, &other).await), (None, None));
    let refused = sessions.refresh(&before.refresh).await.expect_err("it has ended");
    assert_eq!(refused.reason(), Reason::NoSession);
    // One token, and the others of the same session.
    let verified = sessions.verify(&after.access).await.expect("right");
    assert_eq!(verified.grant(), &grant);
    sessions.revoke(&verified).await.expect("an answer");
    assert_eq!(reason(&sessions, &after).await, Some(Reason::Revoked));
    let next = sessions.refresh(&after.refresh).await.expect("the session goes on");
    assert_eq!((reason(&sessions, &next).await, &next.claims.grant), (None, &grant));
    // The token of an issuer that knows of no epochs: by its second.
    let (foreign, _) = sessions.tokens().issue(&grant, std::time::SystemTime::now()).expect("a token");
    assert_eq!(sessions.verify(&foreign).await.expect_err("it may be older").reason(), Reason::SubjectRevoked);
    sessions.end(&next.refresh).await.expect("an answer");
    assert_eq!(sessions.refresh(&next.refresh).await.expect_err("ended").reason(), Reason::NoSession);
    assert_eq!(sessions.refresh("forged").await.expect_err("forged").reason(), Reason::Refresh);
}

/// Half of them are put out in the middle of it, by a revocation that each of them hears of or not.
pub(crate) async fn many_clients_refresh_at_once(store: impl SessionStore + 'static) {
    let sessions = sessions(store, SessionConfig { grace: NONE, ..SessionConfig::default() });
    let subjects: Vec<_> = (0..CLIENTS).map(|_| new_subject()).collect();
    let mut clients = tokio::task::JoinSet::new();
    let (out, _) = tokio::sync::watch::channel(false);
    for (at, subject) in subjects.iter().cloned().enumerate() {
        let (sessions, mut out) = (Arc::clone(&sessions), out.subscribe());
        clients.spawn(async move {
            let mut pair = sessions.begin(&Grant::new(subject.as_str())).await.expect("a pair");
            for _ in 0..4 {
                pair = sessions.refresh(&pair.refresh).await.expect("nobody is put out yet");
            }
            if at % 2 == 0 {
                sessions.revoke_subject(&subject).await.expect("an answer");
            }
            out.changed().await.expect("it comes");
            let refreshed = sessions.refresh(&pair.refresh).await;
            let verified = sessions.verify(&pair.access).await;
            (at, refreshed.is_ok(), verified.is_ok())
        });
    }
    // When all have come as far as that, or else later: what holds does so at any time after one's own revocation.
    tokio::time::sleep(MOMENT).await;
    out.send(true).expect("somebody listens");
    while let Some(client) = clients.join_next().await {
        let (at, refreshed, verified) = client.expect("a client");
        assert_eq!((refreshed, verified), (at % 2 == 1, at % 2 == 1), "client {at}");
    }
}

/// A page that asks twice at once is not put out while there is a grace, and all its requests get the same token.
pub(crate) async fn of_many_uses_of_one_token_one_counts(store: impl SessionStore + 'static) {
    let sessions = sessions(store, SessionConfig { grace: HOUR, ..SessionConfig::default() });
    let pair = sessions.begin(&Grant::new(new_subject())).await.expect("a pair");
    let mut uses = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (sessions, refresh) = (Arc::clone(&sessions), pair.refresh.clone());
        uses.spawn(async move { sessions.refresh(&refresh).await.expect("within the grace").refresh });
    }
    let mut given: Vec<_> = uses.join_all().await;
    given.dedup();
    assert_eq!(given.len(), 1);
    assert!(sessions.refresh(&given[0]).await.is_ok());
}

/// Without a grace, one of all who use a token gets the next, and then that is worth nothing either.
pub(crate) async fn of_a_thief_and_the_owner_neither_stays(store: impl SessionStore + 'static) {
    let sessions = sessions(store, SessionConfig { grace: NONE, ..SessionConfig::default() });
    let pair = sessions.begin(&Grant::new(new_subject())).await.expect("a pair");
    let mut uses = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (sessions, refresh) = (Arc::clone(&sessions), pair.refresh.clone());
        uses.spawn(async move { sessions.refresh(&refresh).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = uses.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, CLIENTS - 1));
    let reused = lost.iter().flat_map(|lost| lost.as_ref().err()).filter(|lost| lost.reason() == Reason::Reused);
    assert_eq!(reused.count(), 1, "the first notices, and the others find no session");
    let next = won[0].as_ref().expect("a pair").refresh.clone();
    assert_eq!(sessions.refresh(&next).await.expect_err("ended").reason(), Reason::NoSession);
}

/// The store goes away and comes back while clients refresh and half of them are put out; each asks again until it is answered.
/// For stores that keep what they have answered.
#[allow(dead_code, reason = "a store in memory keeps nothing")]
pub(crate) async fn a_restart_changes_nothing(
    store: impl SessionStore + 'static,
    restart: impl FnOnce() + Send + 'static,
) {
    const ROUNDS: usize = 12;
    let sessions = sessions(store, SessionConfig { grace: HOUR, ..SessionConfig::default() });
    let mut clients = tokio::task::JoinSet::new();
    let missed = Arc::new(AtomicU64::new(0));
    let begun = Arc::new(tokio::sync::Barrier::new(CLIENTS + 1));
    for at in 0..CLIENTS {
        let (sessions, missed, begun) = (Arc::clone(&sessions), Arc::clone(&missed), Arc::clone(&begun));
        clients.spawn(async move {
            let subject = new_subject();
            let first = sessions.begin(&Grant::new(subject.as_str())).await.expect("a pair");
            begun.wait().await;
            let mut pair = first.clone();
            for round in 0..ROUNDS {
                pair = loop {
                    match sessions.refresh(&pair.refresh).await {
                        Ok(next) => break next,
                        Err(refused) => assert_eq!(refused.reason(), Reason::NoStore, "client {at}"),
                    }
                    missed.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                };
                if round == ROUNDS / 2 && at % 2 == 0 {
                    while sessions.revoke_subject(&subject).await.is_err() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (at, pair)
        });
    }
    begun.wait().await;
    tokio::task::spawn_blocking(restart).await.expect("it comes back");
    for (at, pair) in clients.join_all().await {
        let stays = at % 2 == 1;
        let verified = sessions.verify(&pair.access).await;
        assert_eq!(verified.is_ok(), stays, "client {at}: {verified:?}");
        assert_eq!(sessions.refresh(&pair.refresh).await.is_ok(), stays, "client {at}");
    }
    assert!(missed.load(Ordering::Relaxed) > 0, "the store was never away, so that this showed nothing");
}
