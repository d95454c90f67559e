use dbopt_finding::Severity;

use super::*;

const HEAD: &str = "policy = 'maintenance'\nversion = 1\n";

/// The policy and what is weak about it, or what is wrong.
fn read(body: &str) -> Result<(MaintenancePolicy, Vec<String>), Vec<String>> {
    let shown = |findings: Vec<dbopt_finding::Finding>| findings.iter().map(ToString::to_string).collect();
    match dbopt_policy::parse::<MaintenancePolicy>(format!("{HEAD}{body}"), "m.toml") {
        Ok(loaded) => Ok((loaded.policy, shown(loaded.findings))),
        Err(refused) => Err(shown(refused.findings)),
    }
}

fn weak(body: &str) -> Vec<String> {
    read(body).expect("usable").1
}

#[test]
fn the_shipped_policy_says_what_holds_without_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/maintenance.toml");
    let shipped = dbopt_policy::load::<MaintenancePolicy>(path).expect("good");
    let own = MaintenancePolicy::default();
    assert!(shipped.findings.is_empty() && shipped.policy.run.windows.0.is_empty());
    assert_eq!(shipped.policy.run.options.limits, own.run.options.limits);
    assert_eq!(shipped.policy.run.options.backoff, own.run.options.backoff);
    assert_eq!(shipped.policy.run.options.batches, own.run.options.batches);
    let all = |policy: &MaintenancePolicy| {
        let MaintenancePolicy {
            databases,
            scope,
            vacuum,
            analyze,
            freeze,
            reindex,
            retention,
            exact_bloat,
            notify,
            overdue,
            run: _,
        } = policy.clone();
        (databases, scope, (vacuum, analyze, freeze, reindex), retention, exact_bloat, notify, overdue)
    };
    assert_eq!(all(&shipped.policy), all(&own));
}

#[test]
fn what_is_commented_out_in_the_shipped_policy_is_good_too() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/maintenance.toml");
    let text = std::fs::read_to_string(path).expect("it is there");
    let is_code = |line: &str| line.contains(" = ") || line.starts_with('[');
    let uncommented: Vec<&str> =
        text.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_code(rest)).unwrap_or(line)).collect();
    let policy = dbopt_policy::parse::<MaintenancePolicy>(uncommented.join("\n"), "m.toml").expect("good");
    assert_eq!(policy.findings, []);
    let policy = policy.policy;
    assert_eq!((policy.retention.len(), policy.run.windows.0.len(), policy.databases.len()), (2, 1, 2));
    assert!(policy.notify.is_some() && policy.run.options.limits.probe.is_some());
    assert!(policy.retention[0].archive.is_some() && policy.vacuum.workers.is_some());
}

#[test]
fn each_key_has_its_effect() {
    let (policy, weak) = read(
        "databases = ['shop', 'Billing']\ntables = ['public.*']\nexclude = ['public.big']\nexact_bloat = true\noverdue = '3d'\n\
         stop_file = 'stop'\n[locks]\ntries = 3\n[[window]]\nfrom = '01:00'\nto = '05:00'\n\
         [vacuum]\nenabled = false\ndead_rows = 5\ndead_share = 0.5\ninserted_rows = 6\ninserted_share = 0.6\nworkers = 2\n\
         [analyze]\nenabled = false\nchanged_rows = 7\nchanged_share = 1\n[freeze]\nshare = 0.5\nemergency = 1000000000\n\
         [reindex]\nenabled = false\nbytes = '1MB'\nshare = 0.2\nrest = '1d'\n\
         [notify]\ncommand = 'mail'\non = 'always'\nlongest = '5s'\n\
         [[retention]]\ntable = 'public.events'\nkeep = '90d'\nby = 'rows'\ncolumn = 'created at'\nmost_rows = 9\nmost_share = 0.9\n\
         cascades = ['public.tags']\ntriggers = ['t']\narchive.table = 'old.Events'\n\
         [[retention]]\ntable = 'public.logs'\nkeep = '7d'\nby = 'partitions'\ncolumn = 'at'\nprove = true\nrest = true\n\
         archive.folder = '/archive'\nmost_rows = 11\ncascades = ['public.tags']\n",
    )
    .expect("good");
    assert_eq!(weak, [""; 0]);
    assert_eq!(policy.databases, ["shop", "Billing"]);
    let contains = |table| policy.scope.contains("public", table);
    assert!(contains("orders") && !contains("big") && !policy.scope.contains("audit", "orders"));
    assert!(policy.exact_bloat && policy.overdue == 3 * DAY && policy.run.windows.0.len() == 1);
    assert_eq!((policy.run.options.backoff.tries, policy.run.options.stop.file), (3, Some("stop".into())));
    let threshold = |rows, share| Threshold { rows, share };
    let vacuum = VacuumRule {
        enabled: false,
        dead: threshold(5, 0.5),
        inserted: threshold(6, 0.6),
        truncate: false,
        workers: Some(2),
    };
    assert_eq!(policy.vacuum, vacuum);
    assert_eq!(policy.analyze, AnalyzeRule { enabled: false, changed: threshold(7, 1.0) });
    assert_eq!(policy.freeze, Freeze { share: 0.5, emergency: 1_000_000_000 });
    assert_eq!(policy.reindex, ReindexRule { enabled: false, bytes: 1 << 20, share: 0.2, rest: DAY });
    let longest = Duration::from_secs(5);
    assert_eq!(policy.notify, Some(Notify { command: "mail".to_owned(), always: true, longest }));
    let [rows, partitions] = &policy.retention[..] else { panic!("two rules") };
    assert_eq!((&rows.table, rows.keep), (&("public".to_owned(), "events".to_owned()), 90 * DAY));
    assert_eq!(rows.by, By::Rows { column: "created at".to_owned() });
    assert_eq!((rows.most_rows, rows.most_share, rows.triggers.as_slice()), (9, 0.9, ["t".to_owned()].as_slice()));
    assert!(rows.cascades[0].matches("public", "tags"));
    assert_eq!(rows.archive, Some(Archive::Table("old".to_owned(), "events".to_owned())));
    assert_eq!(partitions.by, By::Partitions { column: Some("at".to_owned()), prove: true, rest: true });
    assert_eq!(partitions.archive, Some(Archive::Folder("/archive".into())));
    assert_eq!((partitions.whole, partitions.most_rows), (Whole { most_rows: Some(11), most_share: None }, 11));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let faults = read(
        "tables = ['orders']\n[freeze]\nshare = 1.5\nemergency = 3000000000\n[vacuum]\ndead_share = 'much'\n[notify]\non = 'never'\n\
         [[retention]]\ntable = 'public.*'\nkeep = '0s'\nby = 'rows'\n\
         [[retention]]\ntable = 'public.a'\nkeep = '0s'\nby = 'rows'\ncolumn = ''\nprove = true\n\
         [[retention]]\ntable = 'public.b'\nkeep = '9d'\nby = 'partitions'\nrest = true\narchive = {}\n\
         [[retention]]\ntable = 'public.b'\nkeep = '9d'\nby = 'age'\n\
         [[retention]]\ntable = 'public.c'\nkeep = '9d'\nby = 'partitions'\ncascades = ['public.d']\ntriggers = ['t']\n",
    )
    .expect_err("bad");
    insta::assert_snapshot!(faults.join("\n"), @r#"
    m.toml:3:11: `orders` names no schema
    m.toml:5:9: `freeze.share` cannot be 1.5
    m.toml:6:13: `freeze.emergency` cannot be 3000000000
    m.toml:8:14: `vacuum.dead_share` is a string, not a number
    m.toml:9:1: `notify.command` is missing
    m.toml:10:6: `notify.on` cannot be `never`
    m.toml:11:1: `column` is missing, which `by = "rows"` needs
    m.toml:12:9: `public.*` is not one table
    m.toml:17:8: nothing would be kept
    m.toml:19:10: `column` is no name of a column
    m.toml:20:9: `prove` is for partitions only
    m.toml:21:1: `column` is missing, which `rest` needs
    m.toml:26:11: the archive is nowhere
    m.toml:30:6: `retention.by` cannot be `age`
    m.toml:35:12: `cascades` is for rows, and this rule deletes none
    m.toml:36:12: `triggers` is for rows, and this rule deletes none
    "#);
}

#[test]
fn two_rules_for_a_table_are_refused() {
    let rule = "[[retention]]\ntable = 'public.b'\nkeep = '9d'\nby = 'partitions'\n";
    insta::assert_snapshot!(read(&rule.repeat(2)).expect_err("bad").join("\n"), @"m.toml:3:1: two retention rules are for `public.b`");
}

#[test]
fn weak_choices_are_told_and_can_be_used() {
    let weak = weak(
        "exclude = ['public.logs']\n[vacuum]\ntruncate = true\n[freeze]\nshare = 1\n\
         [reindex]\nbytes = '0B'\nshare = 0\nrest = '1h'\n[throttle]\nreplica_bytes = 'off'\nreplica_time = 'off'\n\
         [[retention]]\ntable = 'public.logs'\nkeep = '90m'\nby = 'partitions'\nmost_share = 1\n",
    );
    insta::assert_snapshot!(weak.join("\n"), @r#"
    m.toml:5:12: giving pages back takes an ACCESS EXCLUSIVE lock
    m.toml:7:9: autovacuum insists before this share is reached
    m.toml:10:9: indexes are rebuilt that have next to no bloat
    m.toml:11:8: an index may be rebuilt several times a day
    m.toml:12:1: replicas may fall behind without limit
    m.toml:16:9: `tables` and `exclude` leave this table out, so nothing goes
    m.toml:17:8: rows go for good within a day
    m.toml:19:14: all rows may go at once, as after a slip of a clock or a column
    "#);
    let folder = "[[retention]]\ntable = 'public.a'\nkeep = '90d'\nby = 'partitions'\narchive.folder = 'old'\n";
    assert_eq!(read(folder).expect("usable").1, ["m.toml:7:18: the folder is another one wherever a run is started"]);
    let loaded =
        dbopt_policy::parse::<MaintenancePolicy>(format!("{HEAD}[freeze]\nshare = 1\n"), "m.toml").expect("usable");
    assert_eq!(loaded.findings[0].severity, Severity::Warning);
}

#[test]
fn a_threshold_needs_rows_and_share() {
    let threshold = Threshold { rows: 10, share: 0.1 };
    let reached = |rows, of: f64| threshold.reached(rows, of);
    assert!(reached(10, 100.0) && reached(10, -1.0) && reached(1000, 10_000.0));
    assert!(!reached(9, 10.0) && !reached(10, 101.0) && !reached(-1, 0.0));
    assert!(!Threshold { rows: 0, share: 0.0 }.reached(0, 0.0), "nothing is no reason");
}
