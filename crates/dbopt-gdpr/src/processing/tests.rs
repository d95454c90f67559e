use super::*;

fn policy(body: &str) -> GdprPolicy {
    let loaded = dbopt_policy::parse::<GdprPolicy>(format!("policy = 'gdpr'\nversion = 1\n{body}"), "g.toml");
    loaded.unwrap_or_else(|refused| panic!("{:#?}", refused.findings)).policy
}

fn missing(body: &str) -> String {
    record(&policy(body)).missing.iter().map(|missing| format!("({}) {}\n", missing.point, missing.what)).collect()
}

/// A policy that says all, to take things out of.
const WHOLE: &str = "[pseudonym]\nid = 'k'\nkey = 'env:PATH'\n\
    [controller]\nname = 'Shop'\ncontact = 'Road 1'\nsecurity = ['Doors are locked.']\n\
    [[subject]]\nname = 'customer'\ntable = 'public.customer'\nkey = ['id']\n\
    [[subject]]\nname = 'author'\ntable = 'public.author'\nkey = ['id']\n\
    [purpose.sale]\nabout = 'To sell.'\nbasis = 'contract'\nrecipients = []\nretention = '365d'\n\
    [purpose.news]\nabout = 'To tell.'\nbasis = 'consent'\nrecipients = ['the printer']\ntransfers = ['X Inc., US: adequacy decision']\n\
    [[table]]\nname = 'public.customer'\nclass = 'owned'\npurpose = 'sale'\n\
    column.name = { about = 'The name.', erase = 'null' }\n\
    column.email = { about = 'The address.', erase = 'hmac', purpose = 'news' }\n\
    retention = { column = 'left_at', keep = '90d' }\n\
    [[table]]\nname = 'public.author'\nclass = 'owned'\npurpose = 'news'\n\
    column.pen = { about = 'The pen name.', erase = 'encrypt' }\nretention = { column = 'at', keep = '30d' }\n\
    [[table]]\nname = 'public.\"Invoice\"'\nclass = 'owned'\nabout = 'What was paid.'\npurpose = 'sale'\nerase = 'keep'\n\
    keep = { basis = 'tax', column = 'at', for = '3653d' }\n\
    [[reference]]\nfrom = 'public.\"Invoice\"'\nto = 'public.customer'\ncolumns = ['customer_id']\nclass = 'owned'\n\
    [[reference]]\nfrom = 'public.author'\nto = 'public.customer'\ncolumns = ['friend_id']\nclass = 'foreign'\n";

#[test]
fn purposes_are_activities() {
    let record = record(&policy(WHOLE));
    assert_eq!(record.missing, []);
    let lines: Vec<String> = record
        .activities
        .iter()
        .map(|one| {
            let data = one.data.iter().map(|data| {
                let columns: Vec<_> = data.columns.iter().map(|(name, _)| name.as_str()).collect();
                format!("{}({})", data.table, columns.join(" "))
            });
            let data: Vec<_> = data.collect();
            format!(
                "{}, {}: {} | {} | {:?} | {}",
                one.purpose,
                one.basis,
                one.persons.join(" "),
                data.join(" "),
                one.recipients,
                one.limits().collect::<Vec<_>>().join("; ")
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    news, consent: customer author | public.customer(email) public.author(pen) | Some(["the printer"]) | `public.customer`: 90d after `left_at`; `public.author`: 30d after `at`
    sale, contract: customer | public.customer(name) public."Invoice"() | Some([]) | 365d; `public.customer`: 90d after `left_at`; `public."Invoice"`, also when erasure is asked for: 3653d after `at` (tax)
    "#);
    insta::assert_snapshot!(record.measures.join("\n"), @"
    Doors are locked.
    Records of exports and erasures name persons by keyed pseudonyms (HMAC-SHA-256) only.
    Encrypted by keys of single persons, which are destroyed to erase: `public.author.pen`.
    Pseudonymised where rows stay after an erasure: `public.customer.email`.
    ");
}

#[test]
fn what_the_policy_does_not_say_is_missing_by_its_point() {
    insta::assert_snapshot!(missing(""), @"
    (a) the controller's name
    (a) the controller's contact details
    (b) what data is processed for
    (c) who the persons are
    (g) technical and organisational measures of security in words
    ");
    let body = "[[subject]]\nname = 'customer'\ntable = 'public.customer'\nkey = ['id']\n\
        [purpose.sale]\nabout = 'To sell.'\nbasis = 'contract'\n\
        [purpose.idle]\nabout = 'Nothing.'\nbasis = 'consent'\n\
        [[table]]\nname = 'public.customer'\nclass = 'owned'\npurpose = 'sale'\ncolumn.name.erase = 'null'\ncolumn.email.erase = 'null'\n\
        [[table]]\nname = 'public.visit'\nclass = 'owned'\npurpose = 'sale'\n\
        [[table]]\nname = 'public.note'\nclass = 'about'\ncolumn.body = { erase = 'null', about = 'A note.' }\n\
        [[table]]\nname = 'public.country'\nclass = 'lookup'\n";
    insta::assert_snapshot!(missing(body), @"
    (a) the controller's name
    (a) the controller's contact details
    (b) what the data in `public.note` is processed for
    (c) the categories of data that are processed for the purpose `idle`
    (c) what `email`, `name` of `public.customer` is, for the purpose `sale`
    (c) what the rows of `public.visit` are, for the purpose `sale`
    (d) to whom data is given for the purpose `idle`
    (d) to whom data is given for the purpose `sale`
    (f) until when the data in `public.customer` is kept for the purpose `sale`
    (f) until when the data in `public.visit` is kept for the purpose `sale`
    (g) technical and organisational measures of security in words
    ");
}

#[test]
fn the_shipped_policy_has_a_whole_record() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/gdpr.toml");
    let loaded = dbopt_policy::load_with::<GdprPolicy>(path, dbopt_policy::Options { secrets: false }).expect("good");
    assert_eq!(record(&loaded.policy).missing, []);
}
