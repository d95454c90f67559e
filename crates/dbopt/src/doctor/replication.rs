//! Replicas that a run must not leave behind, slots that hold the log, and transactions that hold the horizon.

use dbopt_report::number;

use super::{Area, Check, Facts, Verdict};

/// A transaction that has been open for longer than this delays a concurrent build, and keeps dead rows.
const LONG_SECONDS: f64 = 600.0;

pub(super) fn check(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![replicas(facts)];
    checks.extend(slots(facts));
    checks.push(transactions(facts));
    checks
}

fn new(name: &'static str, verdict: Verdict, found: impl Into<String>) -> Check {
    Check::new(Area::Replication, name, verdict, found).commands(&["apply"])
}

fn replicas(facts: &Facts) -> Check {
    if facts.replicas.is_empty() {
        return new("replicas", Verdict::Good, "none is connected");
    }
    let hidden = facts.replicas.iter().filter(|replica| replica.lag_bytes.is_none()).count();
    if hidden > 0 && !facts.standby {
        let all = number::plural(facts.replicas.len(), "replica", "replicas");
        return new("replicas", Verdict::Limited, format!("the lag of {hidden} of {all} is not visible"))
            .help("Without it a run cannot slow down for them.")
            .fix([format!("GRANT pg_monitor TO {};", dbopt_sql::quote_ident(&facts.user))]);
    }
    let shown = facts.replicas.iter().map(|replica| {
        let state = replica.state.as_deref().unwrap_or("state unknown");
        let lag = replica.lag_bytes.map_or(String::new(), |lag| format!(", {} behind", number::bytes(lag.max(0.0))));
        format!("{} ({state}{lag})", replica.name)
    });
    new("replicas", Verdict::Good, shown.collect::<Vec<_>>().join(", "))
}

fn slots(facts: &Facts) -> Option<Check> {
    if facts.slots.is_empty() {
        return None;
    }
    let bad: Vec<String> = facts
        .slots
        .iter()
        .filter(|slot| !slot.active || matches!(slot.wal_status.as_str(), "unreserved" | "lost"))
        .map(|slot| {
            format!("`{}` ({}, {})", slot.name, if slot.active { "active" } else { "inactive" }, slot.wal_status)
        })
        .collect();
    if !bad.is_empty() {
        return Some(
            new("slots", Verdict::Limited, bad.join(", "))
                .help("A slot that nobody reads keeps the log, and with it dead rows, until the disk is full: drop it with pg_drop_replication_slot when its reader is gone."),
        );
    }
    let unlimited = facts.setting("max_slot_wal_keep_size") == Some("-1");
    let found = number::plural(facts.slots.len(), "slot, read", "slots, all read");
    Some(if unlimited {
        new("slots", Verdict::Limited, format!("{found}; what they may keep is not limited"))
            .help("max_slot_wal_keep_size bounds it, so that a stopped reader cannot fill the disk.")
    } else {
        new("slots", Verdict::Good, found)
    })
}

fn transactions(facts: &Facts) -> Check {
    let old: Vec<String> = facts
        .open
        .iter()
        .filter(|(_, seconds)| *seconds >= LONG_SECONDS)
        .map(|(who, seconds)| format!("{who}, open for {:.0} minutes", seconds / 60.0))
        .collect();
    if old.is_empty() {
        return new("transactions", Verdict::Good, "none has been open for long");
    }
    new("transactions", Verdict::Limited, old.join("; "))
        .help("A concurrent build waits for them to end, and VACUUM removes nothing that they may still see.")
}

#[cfg(test)]
mod tests {
    use super::{
        super::facts::{Replica, Slot},
        *,
    };

    #[test]
    fn a_lag_that_is_hidden_is_said() {
        let replica = |lag_bytes| Replica { name: "r1".to_owned(), state: Some("streaming".to_owned()), lag_bytes };
        let facts = |replicas| Facts { replicas, user: "me".to_owned(), ..Facts::default() };
        assert_eq!(replicas(&facts(vec![replica(Some(0.0)), replica(None)])).verdict, Verdict::Limited);
        let known = replicas(&facts(vec![replica(Some(2048.0))]));
        assert_eq!((known.verdict, known.found.as_str()), (Verdict::Good, "r1 (streaming, 2048 bytes behind)"));
    }

    #[test]
    fn slots_without_a_reader_are_named() {
        let slot = |active| Slot { name: "s".to_owned(), active, wal_status: "reserved".to_owned() };
        let facts = |active| Facts { slots: vec![slot(active)], ..Facts::default() };
        assert_eq!(slots(&facts(false)).map(|check| check.found), Some("`s` (inactive, reserved)".to_owned()));
        assert_eq!(slots(&facts(true)).map(|check| check.verdict), Some(Verdict::Good));
        assert_eq!(slots(&Facts::default()), None);
    }

    #[test]
    fn old_transactions_are_named() {
        let facts =
            Facts { open: vec![("session 5".to_owned(), 7200.0), ("session 6".to_owned(), 3.0)], ..Facts::default() };
        assert_eq!(transactions(&facts).found, "session 5, open for 120 minutes");
    }
}
