//! Looks out for what attackers do, within a bound of memory.
//!
//! Each pattern is a count of different things by one subject: keys by address, users by address, addresses by user, refusals by
//! key. Counting stops at the threshold, where the subject is told of, so that a subject costs no more than the threshold. Subjects are
//! kept in two generations: the young one becomes the old one when its time is over or it is full, and the old one
//! is forgotten. So a subject is watched for one to two periods, and whoever floods the table only shortens that time.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{Key, Rule, Watch, event::Suspicion};

/// What counts as suspicious.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// How long something is watched, at least.
    pub period: Duration,
    /// Refusals of one key.
    pub refusals: u32,
    /// Keys from one address, for rules that watch for [`Watch::Keys`].
    pub keys: u32,
    /// Users tried from one address, for rules that watch for [`Watch::Login`].
    pub users: u32,
    /// Addresses that one user was tried from, for rules that watch for [`Watch::Login`].
    pub addresses: u32,
    /// The most subjects of each of these, which bounds the memory: `subjects` times the threshold times eight bytes, twice.
    pub subjects: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { period: Duration::from_secs(300), refusals: 100, keys: 20, users: 10, addresses: 10, subjects: 10_000 }
    }
}

/// The watch.
#[derive(Debug)]
pub(crate) struct Lookout {
    thresholds: Thresholds,
    refusals: Mutex<Generations<u32>>,
    keys: Mutex<Generations<Vec<u64>>>,
    users: Mutex<Generations<Vec<u64>>>,
    addresses: Mutex<Generations<Vec<u64>>>,
}

impl Lookout {
    pub(crate) fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            refusals: Mutex::default(),
            keys: Mutex::default(),
            users: Mutex::default(),
            addresses: Mutex::default(),
        }
    }

    /// A key was refused at a time in nanoseconds.
    pub(crate) fn refused(&self, now: u64, key: Key, address: Option<IpAddr>) -> Option<Suspicion> {
        let mut refusals = lock(&self.refusals);
        let count = refusals.of(key, now, &self.thresholds);
        *count = count.saturating_add(1);
        (*count == self.thresholds.refusals).then_some(Suspicion::Refusals { key, address, count: *count })
    }

    /// A request came that a rule counts by `key`. `hash` makes a subject of bytes.
    pub(crate) fn seen(
        &self,
        now: u64,
        rule: &Rule,
        key: Key,
        address: Option<IpAddr>,
        user: Option<&str>,
        hash: impl Fn(&str, &[u8]) -> Key,
    ) -> Vec<Suspicion> {
        let Some(network) = address.map(|address| rule.prefixes.network(address)) else { return Vec::new() };
        let of_network = |by: &str| hash(by, network.to_string().as_bytes());
        let mut found = Vec::new();
        match (rule.watch, user) {
            (Watch::Nothing, _) | (Watch::Login, None) => {}
            (Watch::Keys, _) => {
                let count = self.different(&self.keys, self.thresholds.keys, now, of_network(&rule.name), key);
                found.extend(count.map(|count| Suspicion::ManyKeys { address: network, count }));
            }
            (Watch::Login, Some(user)) => {
                let (of_network, of_user) = (of_network("address"), hash("user", user.as_bytes()));
                let count = self.different(&self.users, self.thresholds.users, now, of_network, of_user);
                found.extend(count.map(|count| Suspicion::ManyUsers { address: network, count }));
                let count = self.different(&self.addresses, self.thresholds.addresses, now, of_user, of_network);
                found.extend(count.map(|count| Suspicion::ManyAddresses { user: user.into(), count }));
            }
        }
        found
    }

    /// Counts a thing of a subject; the count, when it has just come to the threshold.
    fn different(
        &self,
        table: &Mutex<Generations<Vec<u64>>>,
        threshold: u32,
        now: u64,
        subject: Key,
        thing: Key,
    ) -> Option<u32> {
        let mut table = lock(table);
        let things = table.of(subject, now, &self.thresholds);
        let known = u32::try_from(things.len()).unwrap_or(u32::MAX);
        // Half of a keyed 128-bit hash tells a few dozen things apart.
        if known >= threshold || things.contains(&thing.0[0]) {
            return None;
        }
        things.push(thing.0[0]);
        (known + 1 == threshold).then_some(threshold)
    }

    #[cfg(test)]
    fn subjects(&self) -> usize {
        let table = lock(&self.users);
        table.young.len() + table.old.len()
    }
}

/// A table that forgets.
#[derive(Debug, Default)]
struct Generations<T> {
    began: u64,
    young: HashMap<Key, T>,
    old: HashMap<Key, T>,
}

impl<T: Default> Generations<T> {
    fn of(&mut self, subject: Key, now: u64, thresholds: &Thresholds) -> &mut T {
        let period = u64::try_from(thresholds.period.as_nanos()).unwrap_or(u64::MAX);
        let age = now.saturating_sub(self.began);
        let full = self.young.len() >= thresholds.subjects.max(1) && !self.young.contains_key(&subject);
        if age >= period || full {
            self.old = std::mem::take(&mut self.young);
            self.began = now;
            if age >= period.saturating_mul(2) {
                self.old.clear();
            }
        }
        let old = &mut self.old;
        self.young.entry(subject).or_insert_with(|| old.remove(&subject).unwrap_or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic left half done here is a wrong count at worst.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{Algorithm, Keyer, Limit, Part, Window};

    const SECOND: u64 = 1_000_000_000;
    const SMALL: Thresholds =
        Thresholds { period: Duration::from_secs(60), refusals: 3, keys: 3, users: 3, addresses: 3, subjects: 4 };

    struct Case {
        lookout: Lookout,
        keyer: Keyer,
        rule: Rule,
    }

    impl Case {
        fn new(watch: Watch) -> Self {
            let limit = Limit::new(Algorithm::Gcra, [Window::per_minute(NonZeroU32::MIN)]).expect("a limit");
            Self {
                lookout: Lookout::new(SMALL),
                keyer: Keyer::shared(b"0123456789abcdef"),
                rule: Rule { watch, ..Rule::new("login", [Part::User], limit) },
            }
        }

        fn seen(&self, second: u64, user: &str, address: [u8; 4]) -> Vec<String> {
            let hash = |of: &str, value: &[u8]| self.keyer.key(of, [value]);
            let key = hash("login", user.as_bytes());
            let found = self.lookout.seen(second * SECOND, &self.rule, key, Some(address.into()), Some(user), hash);
            found.iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn many_users_from_one_address_are_told_once() {
        let case = Case::new(Watch::Login);
        let home = [192, 0, 2, 1];
        let found: Vec<String> =
            ["a", "a", "b", "b", "c", "d", "e"].into_iter().flat_map(|user| case.seen(1, user, home)).collect();
        assert_eq!(found, ["3 users tried from 192.0.2.1/32"]);
    }

    #[test]
    fn one_user_from_many_addresses_is_told() {
        let case = Case::new(Watch::Login);
        let found: Vec<String> = (1..=5).flat_map(|host| case.seen(1, "a", [192, 0, 2, host])).collect();
        assert_eq!(found, ["one user tried from 3 addresses"]);
    }

    #[test]
    fn many_keys_from_one_address_are_told_only_by_rules_that_watch() {
        let found = |watch| -> Vec<String> {
            let case = Case::new(watch);
            ["a", "b", "c", "d"].into_iter().flat_map(|user| case.seen(1, user, [192, 0, 2, 1])).collect()
        };
        assert_eq!(found(Watch::Keys), ["3 keys from 192.0.2.1/32"]);
        assert!(found(Watch::Nothing).is_empty());
    }

    #[test]
    fn what_is_slow_enough_is_forgotten() {
        let case = Case::new(Watch::Login);
        for (at, user) in ["a", "b", "c", "d"].into_iter().enumerate() {
            assert!(case.seen(at as u64 * 121, user, [192, 0, 2, 1]).is_empty(), "{user}");
        }
        let within = Case::new(Watch::Login);
        let found: Vec<String> =
            (0..3).flat_map(|at| within.seen(at * 29, ["a", "b", "c"][at as usize], [192, 0, 2, 1])).collect();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_flood_of_subjects_is_bounded() {
        let case = Case::new(Watch::Login);
        for host in 0..=255 {
            case.seen(1, "a", [198, 51, 100, host]);
        }
        assert!(case.lookout.subjects() <= 2 * SMALL.subjects, "{}", case.lookout.subjects());
    }

    #[test]
    fn a_burst_of_refusals_is_told_once_a_period() {
        let case = Case::new(Watch::Nothing);
        let key = case.keyer.key("ml", []);
        let at = |second: u64| case.lookout.refused(second * SECOND, key, None).is_some();
        assert_eq!([0, 1, 2, 3, 4].map(at), [false, false, true, false, false]);
        assert_eq!([200, 201, 202].map(at), [false, false, true]);
    }
}
