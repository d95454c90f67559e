//! Every way of tampering is found and placed.

use dbopt_audit::{Anchor, Entry, Fault, FaultKind, FileStore, Hash, Range, Record, Report, Store, Verifier};
use proptest::prelude::*;
use serde_json::json;

/// A chain, made by the store itself.
fn chain(length: usize) -> Vec<Record> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = FileStore::new(folder.path().join("audit.jsonl"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for number in 0..length {
            let details = json!({ "index": format!("i{number}") });
            let entry = Entry::new("runner", "apply.create-index", details.as_object().expect("an object"));
            store.append(&entry.expect("an entry")).await.expect("it is appended");
        }
        let mut records = Vec::new();
        store.read(Range::ALL, &mut |record| records.extend(record.cloned())).await.expect("it is read");
        assert_eq!(records.len(), length);
        records
    })
}

fn verify(records: &[Record], anchors: &[Anchor]) -> Report {
    let mut verifier = Verifier::new(1, anchors);
    records.iter().for_each(|record| verifier.record(record));
    verifier.finish()
}

fn kinds(records: &[Record]) -> Vec<FaultKind> {
    verify(records, &[]).faults.iter().map(|fault| fault.kind).collect()
}

/// What an attacker does who knows how the chain is made.
fn rewrite(records: &mut [Record], from: usize) {
    for at in from..records.len() {
        records[at].previous = if at == 0 { Hash::ZERO } else { records[at - 1].hash };
        records[at].sequence = at as u64 + 1;
        records[at].hash = records[at].computed_hash();
    }
}

#[test]
fn a_whole_chain_has_no_fault() {
    let records = chain(20);
    let report = verify(&records, &[Anchor::of(&records[9]), Anchor::of(&records[19])]);
    assert_eq!(report.faults, []);
    assert_eq!((report.records, report.anchors), (20, 2));
    assert_eq!(report.head, Some((20, records[19].hash)));
    assert_eq!(kinds(&[]), []);
}

#[test]
fn each_field_that_is_changed_is_found_at_its_record_alone() {
    let records = chain(9);
    let changes: [fn(&mut Record); 9] = [
        |record| record.sequence += 1000,
        |record| record.sequence = 1,
        |record| record.time += 1,
        |record| record.actor.push('x'),
        |record| record.action.push('x'),
        |record| record.subject = Some(String::new()),
        |record| record.details.insert(1, ' '),
        |record| record.previous.0[31] ^= 1,
        |record| record.hash.0[0] ^= 1,
    ];
    for (number, change) in changes.iter().enumerate() {
        for at in 0..records.len() {
            let mut changed = records.clone();
            change(&mut changed[at]);
            if changed == records {
                continue;
            }
            let sequence = changed[at].sequence;
            let fault = Fault { position: at as u64 + 1, kind: FaultKind::Changed { sequence } };
            assert_eq!(verify(&changed, &[]).faults, [fault], "change {number} of record {}", at + 1);
        }
    }
}

/// Text moved from one field to the next is another encoding.
#[test]
fn borders_between_fields_count() {
    let mut records = chain(3);
    let record = &mut records[1];
    record.actor.push(record.action.remove(0));
    assert_eq!(kinds(&records), [FaultKind::Changed { sequence: 2 }]);
}

#[test]
fn removed_records_are_named() {
    let records = chain(10);
    for at in 0..9 {
        for length in 1..=(9 - at) {
            let mut removed = records.clone();
            removed.drain(at..at + length);
            let (first, last) = (at as u64 + 1, (at + length) as u64);
            let fault = Fault { position: first, kind: FaultKind::Missing { first, last } };
            assert_eq!(verify(&removed, &[]).faults, [fault]);
        }
    }
}

#[test]
fn a_truncated_chain_needs_an_anchor_to_be_seen() {
    let records = chain(10);
    assert_eq!(kinds(&records[..7]), []);
    let report = verify(&records[..7], &[Anchor::of(&records[9]), Anchor::of(&records[2])]);
    assert_eq!(report.faults, [Fault { position: 7, kind: FaultKind::Truncated { last: 7, anchored: 10 } }]);
    assert_eq!(report.anchors, 1);
    let emptied = verify(&[], &[Anchor::of(&records[9])]).faults;
    assert_eq!(emptied, [Fault { position: 0, kind: FaultKind::Truncated { last: 0, anchored: 10 } }]);
}

#[test]
fn a_replaced_record_is_seen_by_the_next_one() {
    let records = chain(10);
    for at in 0..9 {
        let mut replaced = records.clone();
        replaced[at].actor = "somebody else".to_owned();
        replaced[at].hash = replaced[at].computed_hash();
        assert_eq!(kinds(&replaced), [FaultKind::Unlinked { sequence: at as u64 + 2 }]);
    }
}

#[test]
fn a_rewritten_chain_is_seen_by_an_anchor_from_before() {
    let records = chain(10);
    for at in 0..10 {
        let mut rewritten = records.clone();
        rewritten[at].actor = "somebody else".to_owned();
        rewrite(&mut rewritten, at);
        assert_eq!(kinds(&rewritten), []);
        let faults = verify(&rewritten, &[Anchor::of(&records[9])]).faults;
        assert_eq!(faults, [Fault { position: 10, kind: FaultKind::NotAnchored { sequence: 10 } }]);
    }
    let mut inserted = records.clone();
    inserted.insert(4, records[0].clone());
    rewrite(&mut inserted, 4);
    let faults = verify(&inserted, &[Anchor::of(&records[9])]).faults;
    assert_eq!(faults, [Fault { position: 10, kind: FaultKind::NotAnchored { sequence: 10 } }]);
}

/// An anchor of one number with two hashes cannot be confirmed by either.
#[test]
fn anchors_that_contradict_each_other_confirm_nothing() {
    let records = chain(3);
    let forged = Anchor { hash: Hash([1; 32]), ..Anchor::of(&records[2]) };
    let report = verify(&records, &[Anchor::of(&records[2]), forged]);
    assert_eq!(report.faults, [Fault { position: 3, kind: FaultKind::NotAnchored { sequence: 3 } }]);
}

#[test]
fn unreadable_lines_are_placed_and_hide_nothing() {
    let records = chain(10);
    let mut verifier = Verifier::new(1, &[]);
    for (at, record) in records.iter().enumerate() {
        // The third is unreadable, and between the sixth and the seventh is a line too many; the ninth is changed.
        match at {
            2 => verifier.unreadable(),
            6 => {
                verifier.unreadable();
                verifier.record(record);
            }
            8 => verifier.record(&Record { actor: "x".to_owned(), ..record.clone() }),
            _ => verifier.record(record),
        }
    }
    let faults = verifier.finish().faults;
    assert_eq!(
        faults,
        [
            Fault { position: 3, kind: FaultKind::Unreadable },
            Fault { position: 7, kind: FaultKind::Unreadable },
            Fault { position: 10, kind: FaultKind::Changed { sequence: 9 } },
        ]
    );
}

#[test]
fn a_part_is_verified_from_its_first_record() {
    let records = chain(10);
    let mut verifier = Verifier::new(4, &[]);
    records[3..].iter().for_each(|record| verifier.record(record));
    assert_eq!(verifier.finish().faults, []);
    assert_eq!(kinds(&records[3..]), [FaultKind::Missing { first: 1, last: 3 }]);
}

#[test]
fn lines_that_are_no_records_hide_and_accuse_none() {
    let records = chain(20);
    let verify = |before: usize, unreadable: usize, after: usize| {
        let mut verifier = Verifier::new(1, &[]);
        records[..before].iter().for_each(|record| verifier.record(record));
        (0..unreadable).for_each(|_| verifier.unreadable());
        records[after..].iter().for_each(|record| verifier.record(record));
        let faults = verifier.finish().faults;
        let others = faults.iter().map(|fault| fault.kind).filter(|kind| *kind != FaultKind::Unreadable);
        (faults.len(), others.collect::<Vec<_>>())
    };
    for unreadable in 1..5 {
        // Beside what is there, in the place of some of it, and of more than they can stand for.
        for gone in 0..=unreadable {
            assert_eq!(verify(10, unreadable, 10 + gone), (unreadable, vec![]), "{unreadable} for {gone}");
        }
        let missing = FaultKind::Missing { first: 11 + unreadable as u64, last: 16 };
        assert_eq!(verify(10, unreadable, 16), (unreadable + 1, vec![missing]));
    }
}

#[test]
fn an_anchored_record_that_is_torn_is_truncated() {
    let records = chain(10);
    let mut verifier = Verifier::new(1, &[Anchor::of(&records[9])]);
    records[..9].iter().for_each(|record| verifier.record(record));
    verifier.unreadable();
    let report = verifier.finish();
    assert_eq!(report.head.map(|(sequence, _)| sequence), Some(9));
    let kinds: Vec<_> = report.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [FaultKind::Unreadable, FaultKind::Truncated { last: 9, anchored: 10 }]);
}

#[test]
fn what_stands_before_the_first_is_left_alone() {
    let mut records = chain(20);
    let verify = |records: &[Record], first: u64| {
        let mut verifier = Verifier::new(first, &[]);
        records.iter().for_each(|record| verifier.record(record));
        verifier.finish().faults
    };
    assert_eq!(verify(&records, 10), []);
    assert_eq!(verify(&records, 20), []);
    let missing = FaultKind::Missing { first: 100_000, last: 100_000 };
    assert_eq!(verify(&records, 100_000), [Fault { position: 20, kind: missing }]);
    // A record from before that stands behind is one too many all the same, and the link to the one before counts.
    records.push(records[2].clone());
    assert_eq!(verify(&records, 10), [Fault { position: 21, kind: FaultKind::Inserted { sequence: 3 } }]);
    records.pop();
    records[8].actor = "somebody else".to_owned();
    records[8].hash = records[8].computed_hash();
    assert_eq!(verify(&records, 10), [Fault { position: 10, kind: FaultKind::Unlinked { sequence: 10 } }]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two records that change places show as one or two that were moved, no further away than these.
    #[test]
    fn swapped_records_are_found(a in 0_usize..28, b in 0_usize..28) {
        prop_assume!(a != b);
        let records = chain(30);
        let mut swapped = records.clone();
        swapped.swap(a, b);
        let report = verify(&swapped, &[]);
        let is_one_of_them = |fault: &Fault| matches!(fault.kind, FaultKind::Moved { sequence } if (a.min(b)..=a.max(b)).contains(&(sequence as usize - 1)));
        prop_assert!(report.faults.iter().all(is_one_of_them), "{:?}", report.faults);
        prop_assert!((1..=2).contains(&report.faults.len()), "{:?}", report.faults);
    }

    /// A record put in twice is named where it does not belong.
    #[test]
    fn a_copied_record_is_found(from in 0_usize..20, to in 0_usize..19) {
        prop_assume!(from != to);
        let records = chain(20);
        let mut copied = records.clone();
        copied.insert(to, records[from].clone());
        let faults = verify(&copied, &[]).faults;
        prop_assert_eq!(faults.len(), 1, "{:?}", faults);
        prop_assert_eq!(faults[0].kind, FaultKind::Inserted { sequence: from as u64 + 1 });
    }

    /// Several faults at a distance are each found, in one pass.
    #[test]
    fn all_faults_are_found(changed in 1_usize..8, removed in 10_usize..18, forged in 20_usize..28) {
        let mut records = chain(30);
        let (sequence, next) = (forged as u64 + 1, forged as u64 + 2);
        records[changed].time += 1;
        records[forged].action = "apply.other".to_owned();
        records[forged].hash = records[forged].computed_hash();
        records.remove(removed);
        let gap = removed as u64 + 1;
        let expected = vec![
            FaultKind::Changed { sequence: changed as u64 + 1 },
            FaultKind::Missing { first: gap, last: gap },
            FaultKind::Unlinked { sequence: next },
        ];
        prop_assert!(sequence < next);
        prop_assert_eq!(kinds(&records), expected);
    }

    /// Whatever is done to a chain, it shows, unless the result is the beginning of the chain.
    #[test]
    fn no_rearrangement_passes(order in proptest::collection::vec(0_usize..8, 0..12)) {
        let records = chain(8);
        let arranged: Vec<Record> = order.iter().map(|at| records[*at].clone()).collect();
        let is_beginning = records.starts_with(&arranged);
        prop_assert_eq!(kinds(&arranged).is_empty(), is_beginning);
        let anchored = verify(&arranged, &[Anchor::of(&records[7])]);
        prop_assert_eq!(anchored.faults.is_empty(), arranged == records);
    }
}
