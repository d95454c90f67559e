//! The policy `run`: how every change to a live database behaves, and when it may be made (feature `policy`).

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use dbopt_policy::{Bytes, Fault, FromValue, Policy, Shape, Table, Value, Window, Windows};

use crate::{backoff::Backoff, batch::BatchLimits, probe::Probe, runner::Options, stop::Stop, throttle::Limits};

/// What the policy says.
#[derive(Clone, Debug)]
pub struct RunPolicy {
    /// When something may be begun; always, when there is no window.
    pub windows: Windows,
    /// How a run behaves. The end of its window is for the caller to set, who has a clock.
    pub options: Options,
}

impl Policy for RunPolicy {
    const KIND: &'static str = "run";
    const ABOUT: &'static str = "How changes to a live database behave, and when they may be made.";

    fn read(table: &Table<'_>) -> Option<Self> {
        let own = Options::default();
        let stop = Stop {
            file: table.optional::<PathBuf>("stop_file", "While this file exists, nothing is begun."),
            ..Stop::default()
        };
        let oldest_transaction = table.or(
            "oldest_transaction",
            "A concurrent index build is not begun while a transaction is older than this.",
            own.oldest_transaction,
        );
        let longest_wait = table.or(
            "longest_wait",
            "A concurrent index build that has waited for others this long is given up.",
            own.longest_wait,
        );
        let patience = table.or("patience", "How long to wait for another run to end.", own.patience);
        let audit_required = table
            .choice(
                "audit",
                "Whether nothing may be changed without a record of it in the audit.",
                &[("required", true), ("when-allowed", false)],
            )
            .unwrap_or(own.audit_required);
        let disk_free: Option<Bytes> = table.optional(
            "disk_free",
            "What a run may fill of the server's disk, for where that cannot be looked at; what is seen counts as well.",
        );
        let disk_free = disk_free.map(|bytes| bytes.0);
        let windows =
            Windows(table.sections("window", "When something may be begun; always when none is given.", Window::read));
        let limits = table.section("throttle", "What makes a run wait before each step.", limits);
        let backoff = table.section("locks", "How plain statements try for their locks.", backoff);
        let batches = table.section("batches", "How large batches of rows are.", batches);
        let options = Options {
            stop,
            limits,
            oldest_transaction,
            longest_wait,
            backoff,
            batches,
            disk_free,
            audit_required,
            patience,
        };
        Some(Self { windows, options })
    }
}

fn limits(table: &Table<'_>) -> Limits {
    let own = Limits::default();
    let bytes = |own: Option<i64>, read: Option<Limit<Bytes>>| match read {
        // A size of a policy fits in 63 bits.
        Some(Limit(limit)) => limit.map(|bytes| i64::try_from(bytes.0).unwrap_or(i64::MAX)),
        None => own,
    };
    let replica_bytes = table.optional("replica_bytes", "The most WAL that a replica has not replayed, or `off`.");
    let replica_time: Option<Limit<Duration>> =
        table.optional("replica_time", "The longest time that a replica is behind, or `off`.");
    let slot_bytes = table.optional("slot_bytes", "The most WAL that a replication slot keeps, or `off`.");
    let wal_rate: Option<Limit<Bytes>> =
        table.optional("wal_per_second", "The most WAL that the server writes in a second, or `off`.");
    Limits {
        replica_bytes: bytes(own.replica_bytes, replica_bytes),
        replica_time: replica_time.map_or(own.replica_time, |limit| limit.0),
        slot_bytes: bytes(own.slot_bytes, slot_bytes),
        wal_rate: wal_rate.map_or(own.wal_rate, |limit| limit.0.map(|bytes| bytes.0 as f64)),
        autovacuum: table.or("autovacuum", "Whether to wait while autovacuum works on the table.", own.autovacuum),
        active_sessions: table
            .optional("active_sessions", "The most sessions of others that are working at once.")
            .map(std::num::NonZeroU32::get),
        probe: table.optional_section("probe", "A query that stands for the application.", probe),
        patience: table.or("patience", "How long to wait before a step is blocked.", own.patience),
        pause: table.or("pause", "How long to wait between two looks.", own.pause),
    }
}

fn probe(table: &Table<'_>) -> Option<Probe> {
    let sql = table.required::<String>("sql", "The query, by qualified names; it only reads.");
    let longest = table.required("longest", "How long it may take.");
    let probe = Probe { sql: sql?, longest: longest? };
    if !probe.is_query() {
        let fault = Fault::new("no-query", "the probe is not one statement that reads");
        table.reject("sql", fault.help("Give a SELECT; it is run in a read-only transaction."));
    }
    Some(probe)
}

fn backoff(table: &Table<'_>) -> Backoff {
    let own = Backoff::default();
    let read = Backoff {
        lock_timeout: table.or("timeout", "How long each try may wait: 100ms to 2s.", own.lock_timeout),
        tries: table
            .or("tries", "The most tries.", std::num::NonZeroU32::new(own.tries).unwrap_or(std::num::NonZeroU32::MIN))
            .get(),
        first: table.or("first_pause", "The pause after the first try; each pause doubles the one before.", own.first),
        longest: table.or("longest_pause", "The longest pause.", own.longest),
    };
    if read.limit() != read.lock_timeout {
        let fault = Fault::new("out-of-range", "`locks.timeout` is not from 100ms to 2s");
        table.reject("timeout", fault.help("While a statement waits for a lock, others wait behind it."));
    }
    if read.longest < read.first {
        table.reject("longest_pause", Fault::new("out-of-range", "the longest pause is shorter than the first"));
    }
    read
}

fn batches(table: &Table<'_>) -> BatchLimits {
    let own = BatchLimits::default();
    let rows = |key, about, own| table.or(key, about, NonZeroU64::new(own).unwrap_or(NonZeroU64::MIN)).get();
    let read = BatchLimits {
        target: table.or("target", "How long a batch is to take.", own.target),
        smallest: rows("smallest", "The fewest rows of a batch.", own.smallest),
        largest: rows("largest", "The most rows of a batch.", own.largest),
    };
    if read.target.is_zero() {
        table.reject("target", Fault::new("out-of-range", "a batch takes some time"));
    }
    if read.largest < read.smallest {
        table.reject("largest", Fault::new("out-of-range", "the largest batch is smaller than the smallest"));
    }
    read
}

/// A limit, or `off`.
#[derive(Clone, Copy, Debug)]
struct Limit<T>(Option<T>);

impl<T: FromValue> FromValue for Limit<T> {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        if value.text(&T::shape())? == "off" {
            return Some(Self(None));
        }
        T::from_value(value).map(|limit| Self(Some(limit)))
    }

    fn shape() -> Shape {
        match T::shape() {
            // The pattern would have to admit `off`; what the reader says is exact anyhow.
            Shape::Text { what, examples, .. } => Shape::Text { what, pattern: None, examples },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<RunPolicy, Vec<String>> {
        let loaded = dbopt_policy::parse::<RunPolicy>(format!("policy = 'run'\nversion = 1\n{body}"), "run.toml");
        loaded.map(|loaded| loaded.policy).map_err(|refused| refused.findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_shipped_policy_says_what_holds_without_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/run.toml");
        let shipped = dbopt_policy::load::<RunPolicy>(path).expect("good").policy;
        let own = Options::default();
        assert!(shipped.windows.0.is_empty() && shipped.options.stop.file.is_none());
        assert_eq!(shipped.options.limits, own.limits);
        assert_eq!(shipped.options.backoff, own.backoff);
        assert_eq!(
            (shipped.options.oldest_transaction, shipped.options.longest_wait, shipped.options.patience),
            (own.oldest_transaction, own.longest_wait, own.patience)
        );
        assert_eq!(shipped.options.audit_required, own.audit_required);
        assert_eq!((shipped.options.batches, shipped.options.disk_free), (own.batches, own.disk_free));
    }

    #[test]
    fn each_key_has_its_effect() {
        let policy = read(
            "stop_file = 'stop'\naudit = 'required'\ndisk_free = '50GB'\noldest_transaction = '5m'\nlongest_wait = '30s'\npatience = '9s'\n\
             [[window]]\nfrom = '22:00'\nto = '05:00'\n\
             [throttle]\nreplica_bytes = 'off'\nreplica_time = '5s'\nslot_bytes = '1GB'\nwal_per_second = '16MB'\n\
             autovacuum = false\nactive_sessions = 7\npatience = '1m'\npause = '2s'\n[throttle.probe]\nsql = 'SELECT 1'\nlongest = '10ms'\n\
             [locks]\ntimeout = '200ms'\ntries = 3\nfirst_pause = '1s'\nlongest_pause = '4s'\n\
             [batches]\ntarget = '10ms'\nsmallest = 5\nlargest = 500\n",
        )
        .expect("good");
        assert_eq!(policy.windows.0.len(), 1);
        let (options, seconds) = (policy.options, Duration::from_secs);
        assert_eq!(options.stop.file, Some("stop".into()));
        assert!(options.audit_required);
        assert_eq!(options.disk_free, Some(50 << 30));
        let batches = BatchLimits { target: Duration::from_millis(10), smallest: 5, largest: 500 };
        assert_eq!(options.batches, batches);
        assert_eq!(
            (options.oldest_transaction, options.longest_wait, options.patience),
            (seconds(300), seconds(30), seconds(9))
        );
        let probe = Probe { sql: "SELECT 1".to_owned(), longest: Duration::from_millis(10) };
        let limits = Limits {
            replica_bytes: None,
            replica_time: Some(seconds(5)),
            slot_bytes: Some(1 << 30),
            wal_rate: Some(f64::from(16 << 20)),
            autovacuum: false,
            active_sessions: Some(7),
            probe: Some(probe),
            patience: seconds(60),
            pause: seconds(2),
        };
        assert_eq!(options.limits, limits);
        let backoff =
            Backoff { lock_timeout: Duration::from_millis(200), tries: 3, first: seconds(1), longest: seconds(4) };
        assert_eq!(options.backoff, backoff);
    }

    #[test]
    fn what_would_hurt_is_refused() {
        let faults = read(
            "[locks]\ntimeout = '1m'\ntries = 0\nlongest_pause = '1ms'\n[throttle]\nreplica_bytes = 'none'\nprobe = {}\n\
             [batches]\ntarget = '0s'\nsmallest = 600\nlargest = 500\n",
        );
        let writes = read("[throttle.probe]\nsql = 'DROP TABLE s.t'\nlongest = '1s'\n");
        assert_eq!(writes.expect_err("bad"), ["run.toml:4:7: the probe is not one statement that reads"]);
        assert_eq!(
            faults.expect_err("bad"),
            [
                "run.toml:4:11: `locks.timeout` is not from 100ms to 2s",
                "run.toml:5:9: `locks.tries` cannot be 0",
                "run.toml:6:17: the longest pause is shorter than the first",
                "run.toml:8:17: `none` is no size",
                "run.toml:9:9: `throttle.probe.sql` is missing",
                "run.toml:9:9: `throttle.probe.longest` is missing",
                "run.toml:11:10: a batch takes some time",
                "run.toml:13:11: the largest batch is smaller than the smallest",
            ]
        );
    }
}
