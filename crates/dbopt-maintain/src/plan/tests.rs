use std::collections::BTreeMap;

use super::*;
use crate::bloat::{IndexBloat, Method};
use crate::facts::{Autovacuum, Bound, Holder, HolderKind, IndexFacts, Limit, PartitionFacts};
use crate::object::IndexRef;
use crate::policy::By;

const DAY: i64 = 86_400 * 1_000_000;
/// 2026-11-21T12:00:00Z
const NOW: i64 = 1_795_262_400 * 1_000_000;
const MB: u64 = 1 << 20;

/// A database, and what is wanted of it.
struct Given {
    facts: Facts,
    estimates: Estimates,
    expired: Vec<Expired>,
    policy: MaintenancePolicy,
    history: History,
    refused: BTreeMap<u32, String>,
}

/// A database with nothing to do.
fn given(body: &str) -> Given {
    let text = format!("policy = 'maintenance'\nversion = 1\n{body}");
    let mut facts = Facts::default();
    facts.server.version_num = 150_008;
    facts.server.now = NOW;
    facts.server.database = "shop".to_owned();
    facts.server.role = "runner".to_owned();
    let policy = dbopt_policy::parse::<MaintenancePolicy>(text, "m.toml").expect("a policy").policy;
    let (estimates, history, refused) = (Estimates::default(), History::default(), BTreeMap::new());
    Given { facts, estimates, expired: Vec::new(), policy, history, refused }
}

impl Given {
    /// Adds a table that was vacuumed and analysed a moment ago.
    fn table(&mut self, oid: u32, name: &str) -> &mut TableFacts {
        let at = self.facts.tables.partition_point(|table| table.table.oid < oid);
        let table = TableFacts {
            table: TableRef { oid, schema: "public".to_owned(), name: name.to_owned() },
            relfilenode: oid,
            owner: "owner".to_owned(),
            bytes: 100 * MB,
            rows: Some(1e6),
            n_live: 1_000_000,
            xid_age: Some(1000),
            mxid_age: Some(1),
            last_analyze: Some(NOW - DAY),
            autovacuum: Autovacuum::default(),
            may_maintain: true,
            ..TableFacts::default()
        };
        self.facts.tables.insert(at, table);
        &mut self.facts.tables[at]
    }

    fn index(&mut self, oid: u32, name: &str, table: u32, now: u64, after: Option<u64>) -> &mut IndexFacts {
        let method = if after.is_some() { Method::Catalogue } else { Method::Unknown("GIN".to_owned()) };
        self.estimates.indexes.insert(oid, IndexBloat { bytes_now: now, bytes_after: after, method });
        let table = self.facts.table(table).expect("the table is there").table.clone();
        self.facts.indexes.push(IndexFacts {
            index: IndexRef { oid, relfilenode: oid, name: name.to_owned(), table },
            is_valid: true,
            is_ready: true,
            bytes: now,
            rows: Some(1e6),
            ..IndexFacts::default()
        });
        self.facts.indexes.sort_by_key(|index| index.index.oid);
        let at = self.facts.indexes.iter().position(|index| index.index.oid == oid).expect("it was added");
        &mut self.facts.indexes[at]
    }

    /// Adds a partition of `timestamptz` between two days of 2026, or without an end.
    fn partition(&mut self, oid: u32, parent: u32, name: &str, from: Option<&str>, to: Option<&str>) {
        self.table(oid, name).parent = Some(parent);
        let limit =
            |at: Option<&str>, none: Limit| at.map_or(none, |at| Limit::Value(format!("2026-{at} 00:00:00+00")));
        let of = |oid| self.facts.table(oid).expect("it is there").table.clone();
        let bound = match (from, to) {
            (None, None) => Bound::Default,
            _ => Bound::Range { from: vec![limit(from, Limit::Min)], to: vec![limit(to, Limit::Max)] },
        };
        self.facts.partitions.push(PartitionFacts {
            table: of(oid),
            parent: of(parent),
            key: vec![Some("at".to_owned())],
            key_types: vec![Some("timestamp with time zone".to_owned())],
            bound,
            ..PartitionFacts::default()
        });
    }

    fn plan(&self) -> Plan {
        let Self { facts, estimates, expired, policy, history, refused } = self;
        plan(&Basis { facts, estimates, expired, policy, history, refused })
    }

    /// A line for each item and note.
    fn shown(&self) -> String {
        let plan = self.plan();
        let item = |item: &Item| {
            let gain = item.gain_bytes.map(|gain| format!(" [{} MB]", gain / MB)).unwrap_or_default();
            format!("{}: {} -- {}{gain}", item.class.name(), item.statements.join(" "), item.why)
        };
        let note = |note: &Note| format!("({}) {}", note.code, note.message);
        let lines: Vec<String> = plan.items.iter().map(item).chain(plan.notes.iter().map(note)).collect();
        lines.join("\n")
    }
}

#[test]
fn a_tidy_database_needs_nothing() {
    let mut given = given("");
    given.table(1, "orders");
    given.index(2, "orders_pkey", 1, 30 * MB, Some(29 * MB));
    assert_eq!(given.shown(), "");
}

/// Expired rows of a table, as the server was asked.
fn reach(oid: u32, rows: f64) -> Reach {
    let (has_any, correlation) = (None, Some(1.0));
    let (is_civil, is_day, is_summarised) = (false, false, false);
    Reach { oid, rows: Some(rows), has_any, is_civil, is_day, correlation, is_indexed: true, is_summarised }
}

/// A database in which there is something of everything to do.
fn untidy() -> Given {
    let mut given = given("[[retention]]\ntable = 'public.events'\nkeep = '30d'\nby = 'rows'\ncolumn = 'at'\n");
    let orders = given.table(1, "orders");
    (orders.n_dead, orders.n_mod_since_analyze) = (250_000, 300_000);
    given.table(2, "old").xid_age = Some(180_000_000);
    given.table(3, "events").n_dead = 500_000;
    given.index(11, "orders_at_idx", 1, 200 * MB, Some(80 * MB));
    given.expired.push(Expired { tables: vec![reach(3, 250_000.0)], ..Expired::default() });
    given
}

#[test]
fn what_must_be_done_comes_first() {
    insta::assert_snapshot!(untidy().shown(), @"
    wraparound: VACUUM (FREEZE, TRUNCATE OFF) public.old; -- 180000000 transactions old, 90 % of the 200000000 at which autovacuum insists
    retention: DELETE FROM ONLY public.events WHERE ctid >= '($1,0)' AND ctid < '($2,0)' AND at < '2026-10-22 12:00:00+00'::timestamp with time zone AND at > '-infinity'; VACUUM (TRUNCATE OFF) public.events; -- `at` of rows is more than 30 d ago, about 250000 rows [25 MB]
    vacuum: VACUUM (TRUNCATE OFF, SKIP_LOCKED) public.events; -- 500000 of 1500000 rows are dead, 33 %; left out when deleting rows ends with it [33 MB]
    vacuum: VACUUM (TRUNCATE OFF, SKIP_LOCKED) public.orders; -- 250000 of 1250000 rows are dead, 20 % [20 MB]
    analyze: ANALYZE public.orders; -- 300000 rows were changed since it was analysed, 30 %
    analyze: ANALYZE public.events; -- about 250000 rows of it will have been deleted, 25 %
    reindex: REINDEX INDEX CONCURRENTLY public.orders_at_idx; -- 60 % of its 209715200 bytes are empty [120 MB]
    ");
}

#[test]
fn that_more_would_go_than_the_rule_allows_is_told_before() {
    let told = |allowed: f64| {
        let mut given = untidy();
        given.policy.retention[0].most_share = allowed;
        // With an index they are counted before they are said to be too many.
        given.expired[0].tables[0].is_indexed = false;
        let notes = given.plan().notes;
        notes
            .into_iter()
            .filter(|note| note.code == "too-many")
            .map(|note| format!("{}: {} ({})", note.code, note.message, note.help.unwrap_or_default()))
            .collect::<String>()
    };
    insta::assert_snapshot!(told(0.1), @"too-many: about 250000 rows of `public.events` are expired, and `most_share` of its rule allows 100000: none will go if there are more (if they are meant to go, let `most_share` be larger for once)");
    assert_eq!(told(0.5), "");
}

#[test]
fn a_plan_is_written_and_read_again() {
    let mut given = untidy();
    given.facts.tables.truncate(1);
    given.policy.retention.clear();
    given.policy.analyze.enabled = false;
    let plan = given.plan();
    let text = serde_json::to_string_pretty(&plan).expect("JSON");
    assert_eq!(serde_json::from_str::<Plan>(&text).expect("a plan"), plan);
    insta::assert_snapshot!(text, @r#"
    {
      "schema_version": 1,
      "database": "shop",
      "server_version_num": 150008,
      "planned_at": 1795262400000000,
      "items": [
        {
          "class": "vacuum",
          "work": {
            "do": "vacuum",
            "table": {
              "oid": 1,
              "schema": "public",
              "name": "orders"
            },
            "relfilenode": 1,
            "freeze": false,
            "emergency": false,
            "truncate": false,
            "workers": null
          },
          "statements": [
            "VACUUM (TRUNCATE OFF, SKIP_LOCKED) public.orders;"
          ],
          "lock": "SHARE UPDATE EXCLUSIVE",
          "risk": "it reads and writes a lot",
          "why": "250000 of 1250000 rows are dead, 20 %",
          "gain_bytes": 20971520,
          "predicted_seconds": 1.592864,
          "prediction": "guess",
          "refused": null,
          "is_uncertain": false
        },
        {
          "class": "reindex",
          "work": {
            "do": "reindex",
            "index": {
              "oid": 11,
              "relfilenode": 11,
              "name": "orders_at_idx",
              "table": {
                "oid": 1,
                "schema": "public",
                "name": "orders"
              }
            },
            "bytes_after": 83886080
          },
          "statements": [
            "REINDEX INDEX CONCURRENTLY public.orders_at_idx;"
          ],
          "lock": "SHARE UPDATE EXCLUSIVE",
          "risk": "while it is built it costs every write of the table, and it waits for older transactions",
          "why": "60 % of its 209715200 bytes are empty",
          "gain_bytes": 125829120,
          "predicted_seconds": 1.7352426666666667,
          "prediction": "guess",
          "refused": null,
          "is_uncertain": false
        }
      ],
      "notes": []
    }
    "#);
}

#[test]
fn the_same_facts_give_the_same_plan() {
    assert_eq!(untidy().plan(), untidy().plan());
}

#[test]
fn wraparound_goes_before_exclusions_and_by_the_nearest() {
    let mut given = given("exclude = ['*.*']\n[vacuum]\nenabled = false\n");
    given.table(1, "a").xid_age = Some(150_000_000);
    let b = given.table(2, "b");
    (b.mxid_age, b.toast) = (Some(100), Some(5));
    given.table(3, "c").mxid_age = Some(390_000_000);
    let d = given.table(4, "d");
    (d.xid_age, d.is_temp) = (Some(190_000_000), true);
    let toast = given.table(5, "pg_toast_2");
    (toast.kind, toast.xid_age) = (TableKind::Toast, Some(1_300_000_000));
    given.table(6, "e").n_dead = 900_000;
    let own = given.table(7, "f");
    (own.xid_age, own.autovacuum.freeze_max_age) = (Some(40_000_000), 50_000_000);
    let not_ours = given.table(8, "g");
    (not_ours.xid_age, not_ours.may_maintain) = (Some(199_000_000), false);
    insta::assert_snapshot!(given.shown(), @"
    wraparound: VACUUM (FREEZE, INDEX_CLEANUP OFF, TRUNCATE OFF) public.b; -- its TOAST table is 1300000000 transactions old, 650 % of the 200000000 at which autovacuum insists
    wraparound: VACUUM (FREEZE, TRUNCATE OFF) public.c; -- 390000000 multixacts old, 98 % of the 400000000 at which autovacuum insists
    wraparound: VACUUM (FREEZE, TRUNCATE OFF) public.f; -- 40000000 transactions old, 80 % of the 50000000 at which autovacuum insists
    wraparound: VACUUM (FREEZE, TRUNCATE OFF) public.a; -- 150000000 transactions old, 75 % of the 200000000 at which autovacuum insists
    (temporary-table-ages) temporary table `public.d` is 190000000 transactions old, 95 % of the 200000000 at which autovacuum insists, and only its own session can freeze it
    (no-right) VACUUM (FREEZE) of `public.g` is due, and this role may not do it
    ");
}

#[test]
fn what_is_left_out_is_left_alone() {
    let mut given = given("tables = ['public.*']\nexclude = ['public.b']\n");
    for (oid, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")] {
        let table = given.table(oid, name);
        (table.n_dead, table.n_mod_since_analyze) = (500_000, 500_000);
        match name {
            "c" => table.table.schema = "audit".to_owned(),
            "d" => table.is_temp = true,
            "e" => table.is_system = true,
            _ => {}
        }
    }
    let names: Vec<String> = given.plan().items.iter().map(|item| item.work.object()).collect();
    assert_eq!(names, ["public.a", "public.a"]);
    assert_eq!(given.plan().notes, []);
}

#[test]
fn toast_and_inserts_count_too() {
    let mut given = given("[analyze]\nenabled = false\n");
    given.table(1, "a").toast = Some(3);
    given.table(2, "b").n_ins_since_vacuum = 300_000;
    let toast = given.table(3, "pg_toast_1");
    (toast.kind, toast.n_dead) = (TableKind::Toast, 400_000);
    insta::assert_snapshot!(given.shown(), @"
    vacuum: VACUUM (TRUNCATE OFF, SKIP_LOCKED) public.a; -- 400000 of 1400000 rows of its TOAST table are dead, 29 % [28 MB]
    vacuum: VACUUM (TRUNCATE OFF, SKIP_LOCKED) public.b; -- 300000 rows were inserted since it was last vacuumed, which index-only scans have to look up [0 MB]
    ");
}

#[test]
fn partitioned_tables_are_analysed_as_a_whole() {
    let mut given = given("");
    let parent = given.table(1, "m");
    (parent.kind, parent.last_analyze, parent.bytes, parent.rows) = (TableKind::Partitioned, None, 0, None);
    given.partition(2, 1, "m1", Some("01-01"), Some("02-01"));
    insta::assert_snapshot!(given.shown(), @"analyze: ANALYZE public.m; -- it is partitioned and was never analysed as a whole, which autovacuum never does");
    given.facts.tables[0].last_analyze = Some(NOW - 8 * DAY);
    insta::assert_snapshot!(given.shown(), @"analyze: ANALYZE public.m; -- partitions were analysed since it was as a whole, a week ago or longer");
    given.facts.tables[0].last_analyze = Some(NOW - 6 * DAY);
    assert_eq!(given.shown(), "");
    (given.facts.tables[0].last_analyze, given.facts.tables[1].last_analyze) =
        (Some(NOW - 9 * DAY), Some(NOW - 10 * DAY));
    assert_eq!(given.shown(), "");
}

#[test]
fn indexes_are_rebuilt_when_it_is_worth_it() {
    let mut given = given("");
    given.table(1, "a");
    given.index(11, "small", 1, 90 * MB, Some(40 * MB));
    given.index(12, "slim", 1, 500 * MB, Some(400 * MB));
    given.index(13, "gin", 1, 900 * MB, None);
    given.index(14, "fat", 1, 300 * MB, Some(100 * MB));
    given.index(15, "fatter", 1, 900 * MB, Some(100 * MB));
    given.index(16, "exclusion", 1, 300 * MB, Some(50 * MB)).is_exclusion = true;
    given.index(17, "broken", 1, 300 * MB, Some(50 * MB)).is_valid = false;
    given.index(18, "rested", 1, 300 * MB, Some(180 * MB));
    given.index(19, "tired", 1, 300 * MB, Some(50 * MB));
    let done = |object: &str, days: i64| Done {
        kind: "reindex".to_owned(),
        schema: "public".to_owned(),
        object: object.to_owned(),
        table_bytes: 100 << 20,
        seconds: 4.0,
        at: NOW - days * DAY,
    };
    given.history.done = vec![done("tired", 2), done("rested", 8)];
    insta::assert_snapshot!(given.shown(), @"
    reindex: REINDEX INDEX CONCURRENTLY public.fatter; -- 89 % of its 943718400 bytes are empty [800 MB]
    reindex: REINDEX INDEX CONCURRENTLY public.fat; -- 67 % of its 314572800 bytes are empty [200 MB]
    reindex: REINDEX INDEX CONCURRENTLY public.rested; -- 40 % of its 314572800 bytes are empty [120 MB]
    (exclusion-constraint) `public.exclusion` has 262144000 empty bytes, and stands for an exclusion constraint, which cannot be rebuilt concurrently
    (invalid-index) `public.broken` is not valid: no query uses it, and every write pays for it
    (bloats-again) `public.tired` is bloated again, 2 d after it was rebuilt
    ");
    let seconds =
        given.plan().items.iter().map(|item| (item.work.object(), item.prediction)).collect::<BTreeMap<_, _>>();
    assert_eq!(seconds["public.rested"], Some(Prediction::History));
    assert_eq!(seconds["public.fat"], Some(Prediction::Rate));
    // REINDEX CONCURRENTLY of 14.0 to 14.3 may corrupt.
    given.facts.server.version_num = 140_003;
    assert!(given.plan().items.is_empty());
    assert!(given.shown().contains("(unsafe-server) 3 indexes are worth rebuilding"), "{}", given.shown());
}

/// Partitions of January to April, the default one, and one without end.
fn months(rule: &str) -> Given {
    let mut given = given(&format!("[[retention]]\ntable = 'public.m'\nkeep = '240d'\nby = 'partitions'\n{rule}"));
    let parent = given.table(1, "m");
    (parent.kind, parent.bytes) = (TableKind::Partitioned, 0);
    given.partition(2, 1, "m01", Some("01-01"), Some("02-01"));
    given.partition(3, 1, "m02", Some("02-01"), Some("03-01"));
    given.partition(4, 1, "m03", Some("03-01"), Some("04-01"));
    given.partition(5, 1, "m04", Some("04-01"), Some("05-01"));
    given
}

#[test]
fn partitions_go_by_their_upper_bounds() {
    // 240 days before now is 2026-03-26: March is not over then.
    let mut given = months("");
    given.partition(6, 1, "rest", None, None);
    given.partition(7, 1, "later", Some("05-01"), None);
    insta::assert_snapshot!(given.shown(), @"
    retention: ALTER TABLE public.m DETACH PARTITION public.m01; DROP TABLE public.m01; -- its upper bound was 293 d 12 h ago, and 240 d are kept [100 MB]
    retention: ALTER TABLE public.m DETACH PARTITION public.m02; DROP TABLE public.m02; -- its upper bound was 265 d 12 h ago, and 240 d are kept [100 MB]
    (rest-stays) rows of `public.rest` stay however old they are, because it takes newer ones too
    ");
}

#[test]
fn partitions_heed_the_limits_that_their_rule_gives() {
    // Each has a million rows; January and February are expired.
    let refused = |rule: &str, edit: fn(&mut Given)| {
        let mut given = months(rule);
        edit(&mut given);
        let plan = given.plan();
        let why: Vec<_> = plan.items.iter().filter_map(|item| item.refused.clone()).collect();
        assert!(why.is_empty() || why.len() == 2 && why[0] == why[1], "all or none of them go: {why:?}");
        // A file that says otherwise is not believed.
        let mut edited = plan.clone();
        edited.items.iter_mut().for_each(|item| item.refused = None);
        assert_eq!(edited.permit(&given.facts, &given.policy).is_ok(), why.is_empty());
        assert_eq!(plan.permit(&given.facts, &given.policy), Ok(()));
        why.into_iter().next().unwrap_or_default()
    };
    let as_is = |_: &mut Given| {};
    assert_eq!(refused("", as_is), "");
    assert_eq!(refused("most_rows = 2000000\nmost_share = 0.5\n", as_is), "");
    insta::assert_snapshot!(refused("most_rows = 1999999\n", as_is), @"about 2000000 rows would go with all expired partitions, and `most_rows` allows 1999999");
    insta::assert_snapshot!(refused("most_share = 0.49\n", as_is), @"about 2000000 of 4000000 rows would go with all expired partitions, and `most_share` allows a share of 0.49");
    let uncounted = |given: &mut Given| {
        let of = given.facts.tables.iter_mut().find(|table| table.table.oid == 3).expect("it is there");
        (of.rows, of.n_live) = (None, 0);
    };
    insta::assert_snapshot!(refused("most_rows = 5000000\n", uncounted), @"`most_rows` or `most_share` limits what may go, and how many rows `public.m02` has is not known: ANALYZE public.m02;");
    assert_eq!(refused("", uncounted), "");
}

#[test]
fn what_is_about_to_be_dropped_is_not_looked_after() {
    let mut given = months("");
    // January has parts of its own, which are dead, old, changed and bloated, each in one respect.
    given.facts.partitions[0].is_partitioned = true;
    for (oid, name) in [(21, "a"), (22, "b"), (23, "c"), (24, "d")] {
        given.partition(oid, 2, name, Some("01-01"), Some("01-02"));
    }
    given.index(30, "d_idx", 24, 200 * MB, Some(80 * MB));
    for table in &mut given.facts.tables {
        match table.table.oid {
            21 => table.n_dead = 500_000,
            22 => table.xid_age = Some(180_000_000),
            23 => table.n_mod_since_analyze = 900_000,
            _ => {}
        }
    }
    let classes = |given: &Given| {
        let plan = given.plan();
        plan.items
            .iter()
            .filter(|item| item.class != Class::Retention)
            .map(|item| item.class.name())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(classes(&given), "");
    // Unless it cannot be dropped, or could not the last time, or there is no time to try.
    given.refused.insert(2, "somebody is in the way".to_owned());
    assert_eq!(classes(&given), "wraparound vacuum analyze reindex");
    given.refused.clear();
    given.history.undone.insert(("drop-partition".to_owned(), "public".to_owned(), "m01".to_owned()));
    assert_eq!(classes(&given), "wraparound vacuum analyze reindex");
    given.history.undone.clear();
    given
        .facts
        .tables
        .iter_mut()
        .filter(|table| table.table.oid == 22)
        .for_each(|table| table.xid_age = Some(1_900_000_000));
    assert_eq!(classes(&given), "wraparound");
}

#[test]
fn a_guess_is_corrected_by_what_the_run_has_done() {
    let given = untidy();
    let plan = given.plan();
    let of = |class: Class| plan.items.iter().find(|item| item.class == class).expect("it is planned");
    let (vacuum, reindex) = (of(Class::Vacuum), of(Class::Reindex));
    let guessed = |item: &Item| item.predicted_seconds.expect("a guess");
    let mut pace = Pace::default();
    assert_eq!(pace.guess(reindex, &given.facts), None);
    pace.learn(vacuum, &given.facts, 3.0 * guessed(vacuum));
    // By others while nothing of its kind was done, and then by those.
    let close = |guess: Option<f64>, expected: f64| assert!((guess.expect("one") - expected).abs() < 1e-9, "{guess:?}");
    close(pace.guess(reindex, &given.facts), 3.0 * guessed(reindex));
    pace.learn(reindex, &given.facts, 5.0 * guessed(reindex));
    close(pace.guess(reindex, &given.facts), 5.0 * guessed(reindex));
    close(pace.guess(vacuum, &given.facts), 3.0 * guessed(vacuum));
    // What is known better stays.
    let known = Item { prediction: Some(Prediction::History), ..reindex.clone() };
    assert_eq!(pace.guess(&known, &given.facts), None);
}

#[test]
fn a_day_is_expired_when_it_has_ended_everywhere() {
    let mut given = months("column = 'at'\nrest = true\n");
    given.partition(6, 1, "rest", None, None);
    let cutoff = |given: &mut Given, reached: Reach| {
        given.expired = vec![Expired { tables: vec![reached], ..Expired::default() }];
        let plan = given.plan();
        let cutoffs = plan.items.iter().filter_map(|item| match item.work {
            Work::DeleteRows { cutoff: Cutoff::Civil(at), .. } => Some(at),
            _ => None,
        });
        cutoffs.collect::<Vec<_>>()
    };
    let civil = Reach { is_civil: true, ..reach(6, 1e5) };
    let [at] = cutoff(&mut given, civil.clone())[..] else { panic!("one of rows") };
    const DAY: i64 = 86_400_000_000;
    assert_eq!(cutoff(&mut given, Reach { is_day: true, ..civil.clone() }), [at - at.rem_euclid(DAY)]);
    given.facts.server.now += DAY / 3;
    assert_eq!(cutoff(&mut given, Reach { is_day: true, ..civil }), [at - at.rem_euclid(DAY)], "the day goes on");
}

#[test]
fn expired_rows_of_partitions_that_stay_go_when_asked() {
    let mut given = months("column = 'at'\nrest = true\nprove = true\narchive.table = 'old.m'\n");
    given.partition(6, 1, "rest", None, None);
    let reached = vec![reach(4, 1e5), Reach { is_civil: true, ..reach(6, 1e5) }];
    given.expired.push(Expired { tables: reached, ..Expired::default() });
    insta::assert_snapshot!(given.shown(), @"
    retention: CREATE TABLE IF NOT EXISTS old.m (LIKE public.m); INSERT INTO old.m SELECT * FROM public.m01; ALTER TABLE public.m DETACH PARTITION public.m01; DROP TABLE public.m01; -- its upper bound was 293 d 12 h ago, and 240 d are kept [100 MB]
    retention: CREATE TABLE IF NOT EXISTS old.m (LIKE public.m); INSERT INTO old.m SELECT * FROM public.m02; ALTER TABLE public.m DETACH PARTITION public.m02; DROP TABLE public.m02; -- its upper bound was 265 d 12 h ago, and 240 d are kept [100 MB]
    retention: CREATE TABLE IF NOT EXISTS old.m (LIKE public.m03); WITH gone AS (DELETE FROM ONLY public.m03 WHERE at > $1 AND at <= $2 AND at < '2026-03-26 12:00:00+00'::timestamp with time zone AND at > '-infinity' RETURNING *), kept AS (INSERT INTO old.m SELECT * FROM gone RETURNING 1) SELECT (SELECT pg_catalog.count(*) FROM gone), (SELECT pg_catalog.count(*) FROM kept); VACUUM (TRUNCATE OFF) public.m03; -- `at` of rows is more than 240 d ago, about 100000 rows [10 MB]
    retention: CREATE TABLE IF NOT EXISTS old.m (LIKE public.rest); WITH gone AS (DELETE FROM ONLY public.rest WHERE at > $1 AND at <= $2 AND at < '2026-03-26 00:00:00'::timestamp without time zone AND at > '-infinity' RETURNING *), kept AS (INSERT INTO old.m SELECT * FROM gone RETURNING 1) SELECT (SELECT pg_catalog.count(*) FROM gone), (SELECT pg_catalog.count(*) FROM kept); VACUUM (TRUNCATE OFF) public.rest; -- `at` of rows is more than 240 d ago, about 100000 rows [10 MB]
    analyze: ANALYZE public.m03; -- about 100000 rows of it will have been deleted, 10 %
    analyze: ANALYZE public.rest; -- about 100000 rows of it will have been deleted, 10 %
    ");
    let plan = given.plan();
    let Work::DropPartition { prove, archive, .. } = &plan.items[0].work else { panic!("{plan:?}") };
    assert_eq!(prove.as_deref(), Some("at"));
    assert_eq!(*archive, Some(Archived::Table { schema: "old".to_owned(), name: "m".to_owned() }));
}

#[test]
fn the_last_partition_stays() {
    let mut given = months("");
    given.facts.partitions.truncate(2);
    insta::assert_snapshot!(given.shown(), @"
    retention: ALTER TABLE public.m DETACH PARTITION public.m01 CONCURRENTLY; DROP TABLE public.m01; -- its upper bound was 293 d 12 h ago, and 240 d are kept [100 MB]
    (last-partition) `public.m02` is expired too, and stays as the last partition
    ");
}

#[test]
fn local_times_expire_when_they_have_everywhere() {
    let mut given = months("");
    given.partition(6, 1, "later", Some("12-01"), None);
    given.policy.retention[0].keep = Duration::from_secs(24 * 3600);
    let to = |given: &mut Given, hour: &str| {
        given.facts.partitions[0].key_types = vec![Some("timestamp without time zone".to_owned())];
        let value = Limit::Value(format!("2026-11-{hour}"));
        given.facts.partitions[0].bound = Bound::Range { from: vec![Limit::Min], to: vec![value] };
        given.plan().items.iter().any(|item| item.work.object() == "public.m01")
    };
    // A day ago it was noon of the 20th in UTC, and midnight before that twelve hours west of it.
    assert!(to(&mut given, "20 00:00:00"));
    assert!(!to(&mut given, "20 00:00:01"));
}

#[test]
fn what_cannot_be_applied_is_told() {
    let mut given = given(
        "[[retention]]\ntable = 'public.gone'\nkeep = '9d'\nby = 'rows'\ncolumn = 'at'\n\
         [[retention]]\ntable = 'public.a'\nkeep = '9d'\nby = 'partitions'\n\
         [[retention]]\ntable = 'public.b'\nkeep = '9d'\nby = 'rows'\ncolumn = 'no'\n",
    );
    given.table(1, "a");
    given.table(2, "b");
    given.expired = vec![Expired::default(), Expired::default()];
    given.expired.push(Expired {
        tables: Vec::new(),
        fault: Some("column \"no\" does not exist".to_owned()),
        help: None,
    });
    insta::assert_snapshot!(given.shown(), @r#"
    (no-such-table) there is no table `public.gone`, for which there is a retention rule
    (not-partitioned) `public.a` is not partitioned, and its retention rule is by partitions
    (rule-fails) the retention rule for `public.b` cannot be applied: column "no" does not exist
    "#);
}

#[test]
fn who_holds_the_horizon_is_named() {
    let mut given = given("");
    let holder = |kind, name: &str, seconds| Holder {
        kind,
        name: name.to_owned(),
        seconds: Some(seconds),
        xid_age: Some(5_000_000),
        remedy: "end it".to_owned(),
        ..Holder::default()
    };
    given.facts.horizon = vec![holder(HolderKind::Prepared, "lost", 7260.0), holder(HolderKind::Session, "quick", 5.0)];
    insta::assert_snapshot!(given.shown(), @"(horizon-held) `lost` has kept rows that died since from being removed for 2 h 1 min, 5000000 transactions old");
    assert_eq!(given.plan().notes[0].help.as_deref(), Some("end it"));
}

#[test]
fn a_plan_that_does_not_fit_any_more_is_refused_item_by_item() {
    let mut given = untidy();
    let plan = given.plan();
    let stale = |given: &Given, plan: &Plan| -> Vec<String> {
        plan.items.iter().filter_map(|item| item.stale(&given.facts)).collect()
    };
    assert_eq!(plan.confirm(&given.facts), Ok(()));
    assert_eq!(stale(&given, &plan), [""; 0]);
    given.facts.tables[0].relfilenode = 77;
    given.facts.tables[1].table.name = "new".to_owned();
    given.facts.tables.pop();
    given.facts.indexes[0].index.relfilenode = 99;
    insta::assert_snapshot!(stale(&given, &plan).join("\n"), @"
    `public.old` has another name now: `public.new`
    `public.events` is not there any more
    `public.events` is not there any more
    `public.orders` has been rewritten since it was planned
    `public.orders` has been rewritten since it was planned
    `public.events` is not there any more
    `public.orders_at_idx` has been rewritten since it was planned
    ");

    let mut edited = plan.clone();
    edited.items[0].statements[0] = "DROP TABLE public.orders;".to_owned();
    assert!(edited.confirm(&given.facts).is_err_and(|why| why.contains("not those of its work")));
    let other = Plan { database: "other".to_owned(), ..plan };
    assert!(other.confirm(&given.facts).is_err());
}

#[test]
fn a_partition_whose_bounds_have_changed_is_not_dropped() {
    let mut given = months("");
    let plan = given.plan();
    assert_eq!(plan.items[0].stale(&given.facts), None);
    let to = vec![Limit::Value("2026-11-01 00:00:00+00".to_owned())];
    given.facts.partitions[0].bound = Bound::Range { from: vec![Limit::Min], to };
    let why = plan.items[0].stale(&given.facts);
    assert_eq!(why.as_deref(), Some("`public.m01` has other bounds now, and is not expired by them"));
    given.facts.partitions.remove(0);
    assert!(plan.items[0].stale(&given.facts).is_some_and(|why| why.contains("no partition of")));
}

/// Whether what an edited plan takes away is within the policy; why not.
fn permitted(given: &Given, edit: impl Fn(&mut Work)) -> Result<(), String> {
    let mut plan = given.plan();
    let item = plan.items.iter_mut().find(|item| item.class == Class::Retention).expect("something expires");
    edit(&mut item.work);
    plan.permit(&given.facts, &given.policy)
}

#[test]
fn a_saved_plan_takes_no_more_than_the_policy_lets_go() {
    let mut given = untidy();
    given.policy.retention[0].triggers = vec!["log".to_owned()];
    assert_eq!(permitted(&given, |_| {}), Ok(()));
    let later = |work: &mut Work, by: i64| match work {
        Work::DeleteRows { cutoff: Cutoff::Instant(at) | Cutoff::Civil(at), .. } => *at += by,
        Work::DropPartition { cutoff, .. } => *cutoff += by,
        _ => unreachable!("it is of retention"),
    };
    // Planned a day ago it is still within the rule; a moment later than the rule it is not, nor is the future.
    assert_eq!(permitted(&given, |work| later(work, -DAY)), Ok(()));
    for by in [1, 31 * DAY] {
        let why = permitted(&given, |work| later(work, by)).expect_err("it is refused");
        assert!(why.contains("`public.events`") && why.contains("its cutoff is later"), "{why}");
    }
    type Edit = fn(&mut Work);
    let edits: [(Edit, &str); 6] = [
        (
            |work| {
                if let Work::DeleteRows { most_share, .. } = work {
                    *most_share = 1.0
                }
            },
            "`most_share` is more",
        ),
        (
            |work| {
                if let Work::DeleteRows { most_share, .. } = work {
                    *most_share = f64::NAN
                }
            },
            "`most_share` is more",
        ),
        (
            |work| {
                if let Work::DeleteRows { cascades, .. } = work {
                    cascades.push("*.*".to_owned())
                }
            },
            "`cascades`",
        ),
        (
            |work| {
                if let Work::DeleteRows { triggers, .. } = work {
                    triggers.push("other".to_owned())
                }
            },
            "`triggers`",
        ),
        (
            |work| {
                if let Work::DeleteRows { column, .. } = work {
                    column.push('x')
                }
            },
            "deletes no rows by `atx`",
        ),
        (
            |work| {
                if let Work::DeleteRows { archive, .. } = work {
                    *archive = Some(Archived::Folder("/a".into()))
                }
            },
            "its archive is not the rule's",
        ),
    ];
    for (edit, expected) in edits {
        let why = permitted(&given, edit).expect_err(expected);
        assert!(why.contains(expected), "{why}");
    }
    // On the clock of a place without a zone the same hour comes later.
    let civil = |work: &mut Work| {
        if let Work::DeleteRows { cutoff, .. } = work {
            let Cutoff::Instant(at) = *cutoff else { return };
            *cutoff = Cutoff::Civil(at);
        }
    };
    assert!(permitted(&given, civil).is_err());
    let plan = given.plan();
    for body in ["", "exclude = ['public.events']\n"] {
        let policy = format!("policy = 'maintenance'\nversion = 1\n{body}");
        let mut policy = dbopt_policy::parse::<MaintenancePolicy>(policy, "m.toml").expect("a policy").policy;
        if !body.is_empty() {
            policy.retention.clone_from(&given.policy.retention);
        }
        let why = plan.permit(&given.facts, &policy).expect_err("there is no rule");
        assert!(why.ends_with("it has no rule for that table"), "{why}");
    }

    // Partitions, and rows of those that stay.
    let mut given = months("column = 'at'\nrest = true\nprove = true\narchive.table = 'old.m'\n");
    given.expired.push(Expired { tables: vec![reach(4, 1e5)], ..Expired::default() });
    assert_eq!(given.plan().items.iter().filter(|item| item.class == Class::Retention).count(), 3);
    assert_eq!(permitted(&given, |_| {}), Ok(()));
    let why = permitted(&given, |work| later(work, 1)).expect_err("it is refused");
    assert!(why.contains("`public.m01`") && why.contains("its cutoff is later"), "{why}");
    let why = permitted(&given, |work| {
        if let Work::DropPartition { prove, .. } = work {
            *prove = None
        }
    });
    assert!(why.is_err_and(|why| why.contains("`prove` of the rule is left out")));
    let why = permitted(&given, |work| {
        if let Work::DropPartition { archive, .. } = work {
            *archive = None
        }
    });
    assert!(why.is_err_and(|why| why.contains("archive")));
    let plan = given.plan();
    given.policy.retention[0].by = By::Partitions { column: Some("at".to_owned()), prove: true, rest: false };
    assert!(plan.permit(&given.facts, &given.policy).is_err_and(|why| why.contains("`public.m03`")));
    given.policy.retention[0].by = By::Rows { column: "at".to_owned() };
    assert!(plan.permit(&given.facts, &given.policy).is_err_and(|why| why.contains("drops no partitions")));
    // What is gone is refused by itself, and the rest is done.
    given.policy.retention.clear();
    given.facts.tables.clear();
    assert_eq!(plan.permit(&given.facts, &given.policy), Ok(()));
}

#[test]
fn a_rule_is_tried_unless_it_can_be_ruled_out() {
    let planned = |edit: fn(&mut TableFacts, &mut Reach)| {
        let mut given = untidy();
        let at = given.facts.tables.iter().position(|table| table.table.oid == 3).expect("it is there");
        let reach = &mut given.expired[0].tables[0];
        reach.rows = Some(1.0);
        edit(&mut given.facts.tables[at], reach);
        let plan = given.plan();
        let notes: Vec<String> = plan.notes.into_iter().map(|note| note.code).collect();
        (plan.items.iter().any(|item| item.class == Class::Retention), notes.join(" "))
    };
    let none = String::new();
    assert_eq!(planned(|_, _| {}), (false, none.clone()));
    // Rows may have come after the statistics.
    assert_eq!(planned(|table, _| table.n_mod_since_analyze = 1), (true, none.clone()));
    assert_eq!(planned(|_, reach| reach.has_any = Some(true)), (true, none.clone()));
    let looked = |table: &mut TableFacts, reach: &mut Reach| {
        (table.n_mod_since_analyze, reach.has_any) = (1, Some(false));
    };
    assert_eq!(planned(looked), (false, none.clone()));
    // A table that nobody may look into is not the same as an empty one.
    let empty = |table: &mut TableFacts, reach: &mut Reach| (table.bytes, reach.rows) = (0, None);
    assert_eq!(planned(empty), (false, none));
    let locked = |table: &mut TableFacts, reach: &mut Reach| {
        (table.bytes, table.is_locked, reach.rows) = (0, true, None);
    };
    assert_eq!(planned(locked), (true, "locked".to_owned()));
}

#[test]
fn whether_a_rule_has_anything_to_do_is_not_always_known() {
    let planned = |edit: fn(&mut TableFacts, &mut Reach)| {
        let mut given = untidy();
        let at = given.facts.tables.iter().position(|table| table.table.oid == 3).expect("it is there");
        let reach = &mut given.expired[0].tables[0];
        reach.is_indexed = false;
        edit(&mut given.facts.tables[at], reach);
        let plan = given.plan();
        let item = plan.items.iter().find(|item| item.class == Class::Retention).expect("it is planned");
        let help = plan.notes.iter().find(|note| note.code == "reads-all").and_then(|note| note.help.clone());
        (item.is_uncertain, help.unwrap_or_default())
    };
    let btree = "CREATE INDEX CONCURRENTLY ON public.events (at); takes about 22 MB, and a little time of every write";
    let brin = "; CREATE INDEX CONCURRENTLY ON public.events USING brin (at); takes next to nothing, as rows lie in the order of their times";
    // 250000 are expired by the statistics; that many changes may have been their end.
    assert_eq!(planned(|_, _| {}), (false, format!("{btree}{brin}")));
    assert!(!planned(|table, _| table.n_mod_since_analyze = 249_999).0);
    assert!(planned(|table, _| table.n_mod_since_analyze = 250_000).0);
    assert_eq!(planned(|_, reach| reach.correlation = Some(0.1)), (false, btree.to_owned()));
    assert!(planned(|_, reach| reach.rows = None).0);
    assert_eq!(planned(|_, reach| (reach.rows, reach.has_any) = (None, Some(true))), (false, String::new()));
}

#[test]
fn expired_rows_that_a_rule_leaves_are_told() {
    let mut given = months("");
    given.partition(6, 1, "rest", None, None);
    given.partition(7, 1, "empty", Some("03-15"), Some("12-31"));
    given.facts.tables.iter_mut().filter(|table| table.table.oid == 7).for_each(|table| table.bytes = 0);
    given.partition(8, 1, "wide", Some("03-15"), Some("12-31"));
    given.partition(9, 1, "later", Some("05-01"), None);
    let notes = |given: &Given| {
        let notes = given.plan().notes;
        notes.into_iter().map(|note| format!("{}: {}", note.code, note.message)).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(notes(&given), @"
    rest-stays: rows of `public.rest` stay however old they are, because it takes newer ones too
    rest-stays: rows of `public.wide` stay however old they are, because it takes newer ones too
    ");
    given.policy.retention[0].by = By::Partitions { column: Some("at".to_owned()), prove: false, rest: true };
    assert_eq!(notes(&given), "");
}

#[test]
fn no_superuser_is_granted_to_anybody() {
    let mut given = given("");
    let table = given.table(1, "a");
    (table.n_dead, table.may_maintain) = (500_000, false);
    let help = |given: &Given| given.plan().notes[0].help.clone().unwrap_or_default();
    assert_eq!(help(&given), "GRANT owner TO runner;");
    given.facts.tables[0].owner_is_superuser = true;
    let told = help(&given);
    assert!(!told.contains("GRANT") && told.starts_with("a superuser has to do it"), "{told}");
}

#[test]
fn what_a_broken_off_rebuild_left_is_dropped_and_not_rebuilt() {
    let mut given = given("");
    given.table(1, "a");
    for (oid, name) in [(11, "x"), (12, "x_ccnew"), (13, "x_ccold2")] {
        given.index(oid, name, 1, MB, None).is_valid = false;
    }
    let helps: Vec<_> = given.plan().notes.into_iter().filter_map(|note| note.help).collect();
    insta::assert_snapshot!(helps.join("\n"), @"
    finish or undo what made it: REINDEX INDEX CONCURRENTLY public.x; or DROP INDEX CONCURRENTLY public.x;
    undo what a broken-off rebuild has left: DROP INDEX CONCURRENTLY public.x_ccnew;
    undo what a broken-off rebuild has left: DROP INDEX CONCURRENTLY public.x_ccold2;
    ");
}

#[test]
fn predictions_scale_with_the_table() {
    let mut given = given("");
    given.table(1, "a").n_dead = 500_000;
    let done = |object: &str, mb: i64, seconds: f64| Done {
        kind: "vacuum".to_owned(),
        schema: "public".to_owned(),
        object: object.to_owned(),
        table_bytes: mb << 20,
        seconds,
        at: NOW - DAY,
    };
    let predicted = |given: &Given| (given.plan().items[0].predicted_seconds, given.plan().items[0].prediction);
    assert_eq!(predicted(&given).1, Some(Prediction::Guess));
    given.history.done = vec![done("b", 50, 1.0), done("b", 50, 9.0), done("b", 50, 2.0)];
    assert_eq!(predicted(&given), (Some(4.0), Some(Prediction::Rate)));
    given.history.done.push(done("a", 200, 6.0));
    assert_eq!(predicted(&given), (Some(3.0), Some(Prediction::History)));
}
