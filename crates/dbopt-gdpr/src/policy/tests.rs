use super::*;

const HEAD: &str = "policy = 'gdpr'\nversion = 1\n";

/// The policy and what is weak about it, or what is wrong.
fn read(body: &str) -> Result<(GdprPolicy, Vec<String>), Vec<String>> {
    let shown = |findings: Vec<dbopt_finding::Finding>| {
        findings.iter().map(|finding| format!("{}: {finding}", finding.code.0)).collect()
    };
    match dbopt_policy::parse::<GdprPolicy>(format!("{HEAD}{body}"), "g.toml") {
        Ok(loaded) => Ok((loaded.policy, shown(loaded.findings))),
        Err(refused) => Err(shown(refused.findings)),
    }
}

fn wrong(body: &str) -> String {
    read(body).expect_err("refused").join("\n")
}

#[test]
fn the_shipped_policy_says_all_there_is_to_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/gdpr.toml");
    let loaded = dbopt_policy::load_with::<GdprPolicy>(path, dbopt_policy::Options { secrets: false }).expect("good");
    assert_eq!(loaded.findings, []);
    let policy = loaded.policy;
    let subject = policy.subject(None).expect("there is one");
    assert_eq!((&*subject.name, subject.key.as_slice()), ("customer", ["id".to_owned()].as_slice()));
    assert_eq!(subject.identifiers[0].table, subject.table);
    assert_eq!(subject.identifiers[0].matching.len(), 5);
    let kinds: Vec<_> =
        policy.references.iter().map(|rule| format!("{rule}: {}, {}", rule.class.name(), rule.erase.name())).collect();
    insta::assert_snapshot!(kinds.join("\n"), @"
    public.orders (customer_id) → public.customer: owned, table
    public.invoice (order_id) → public.orders: owned, table
    public.comment (author_id) → public.customer: owned, table
    public.comment (parent_id) → public.comment: owned, table
    public.message (sender_id) → public.customer: shared, detach
    public.message (recipient_id) → public.customer: about, detach
    public.event (target_id) → public.customer: owned, table
    public.event (payload) → public.customer: owned, table
    public.newsletter (address) → public.customer: owned, table
    ");
    let sender = ReferenceErase::Detach(Detach::Values(vec!["0".to_owned()]));
    assert_eq!(policy.references[4].erase, sender);
    let invoice = policy.table(&TableName::new("public", "invoice")).expect("there");
    assert!(matches!(&invoice.erase, RowErase::Keep(Keep { after: Some((column, _)), .. }) if column == "issued_at"));
    assert!(matches!(&policy.holds[0].source, HoldSource::Table { until: Some(_), .. }));
    assert!(!policy.verify.contains("cron", "job") && policy.verify.contains("public", "job"));
}

#[test]
fn a_rule_for_one_table_comes_before_one_for_many() {
    let body = "[[table]]\nname = 'cron.*'\nclass = 'lookup'\n[[table]]\nname = 'cron.job'\nclass = 'foreign'\n";
    let (policy, weak) = read(body).expect("good");
    assert_eq!(weak, [""; 0]);
    let class = |name| policy.table(&TableName::new("cron", name)).map(|rule| rule.class);
    assert_eq!((class("job"), class("log")), (Some(Class::Foreign), Some(Class::Lookup)));
    assert_eq!(policy.table(&TableName::new("public", "job")), None);
}

#[test]
fn what_says_nothing_or_two_things_is_refused() {
    let reference = "[[reference]]\nfrom = 'public.a'\nto = 'public.b'\n";
    insta::assert_snapshot!(wrong(&format!("{reference}class = 'owned'")), @"bad-reference: g.toml:4:8: it is not said by what one thing the reference is");
    insta::assert_snapshot!(wrong(&format!("{reference}class = 'shared'\ncolumns = ['b_id']")), @"missing-key: g.toml:6:9: it is not said what becomes of rows that are not the person's alone");
    insta::assert_snapshot!(wrong(&format!("{reference}class = 'owned'\ncolumns = ['b_id']\nerase = 'keep'")), @"bad-value: g.toml:8:9: what becomes of owned rows is said by their table");
    insta::assert_snapshot!(wrong(&format!("{reference}class = 'foreign'\ncolumns = ['b_id']\nerase = 'delete'")), @"bad-value: g.toml:8:9: rows of others are not erased");
    insta::assert_snapshot!(wrong(&format!("{reference}class = 'about'\narray = 'ids'\nerase = 'detach'")), @"bad-value: g.toml:8:9: a reference by a value inside of a column cannot be detached");
    insta::assert_snapshot!(wrong(&format!("{reference}class = 'owned'\ncolumns = ['x', 'y']\nkey = ['id']")), @"bad-reference: g.toml:8:7: 2 columns refer to 1");
    insta::assert_snapshot!(wrong(&format!("{reference}class = 'owned'\nidentifier = {{ column = 'c', name = 'email' }}")), @"unknown-identifier: g.toml:3:1: the reference `public.a (c) → public.b` is by the unknown identifier `email`");
    let table = "[[table]]\nname = 'public.a'\n";
    insta::assert_snapshot!(wrong(&format!("{table}class = 'owned'\nerase = 'keep'")), @"missing-key: g.toml:6:9: it is not said why, and until when, it stays");
    insta::assert_snapshot!(wrong(&format!("{table}class = 'owned'\nerase = 'keep'\nkeep = {{ basis = 'tax' }}")), @"missing-key: g.toml:7:18: it is not said until when it stays");
    insta::assert_snapshot!(wrong(&format!("{table}class = 'owned'\npurpose = 'tax'\nplain = ['x']\ncolumn.x.erase = 'null'")), @"
    unknown-purpose: g.toml:3:1: table `public.a` is for the unknown purpose `tax`
    doubled-rule: g.toml:7:9: column `x` is said to have data of persons, and to have none
    ");
    insta::assert_snapshot!(wrong("[[table]]\nname = 'public.*'\nclass = 'owned'"), @"
    bad-table: g.toml:4:8: `public.*` is not one table
    no-purpose: g.toml:4:8: it is not said what table `public.*` is for
    ");
    insta::assert_snapshot!(wrong(&format!("{table}class = 'lookup'\n{table}class = 'lookup'")), @"doubled-rule: g.toml:3:1: two rules are for table `public.a`");
    insta::assert_snapshot!(wrong("[[subject]]\nname = 'a'\ntable = 'public.a'\nkey = []"), @"bad-key: g.toml:6:7: a person is named by no column");
    insta::assert_snapshot!(wrong("[[hold]]\nname = 'h'\nfile = 'h.jsonl'\nrow = 'r'"), @"bad-value: g.toml:6:7: `row` is for holds in a table");
}

#[test]
fn what_is_weak_is_said() {
    let body = "[[table]]\nname = 'public.a'\nclass = 'owned'\ncolumn.mail.erase = 'hash'";
    insta::assert_snapshot!(read(body).expect("usable").1.join("\n"), @"
    no-purpose: g.toml:4:8: it is not said what table `public.a` is for
    weak-hash: g.toml:6:1: the hash of column `mail` can be confirmed by whoever guesses the value
    ");
}

#[test]
fn a_key_makes_pseudonyms_and_none_makes_none() {
    let (policy, _) = read("").expect("good");
    assert_eq!(policy.pseudonymizer().err(), Some(PseudonymError::None));
    let (policy, _) = read("[pseudonym]\nid = 'k1'\nkey = 'env:DBOPT_GDPR_TEST_UNSET'").expect("good");
    insta::assert_snapshot!(policy.pseudonymizer().expect_err("unset"), @"environment variable `DBOPT_GDPR_TEST_UNSET` is not set");
}
