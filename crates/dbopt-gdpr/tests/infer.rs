//! What is guessed of small schemas, what is not, and the policy that comes of it.

mod support;

use dbopt_catalog::{Catalog, ddl};
use dbopt_finding::Severity;
use dbopt_gdpr::{
    GdprPolicy, Graph, TableName,
    infer::{Confidence, Draft, InferError, Inferred, infer},
};
use proptest::prelude::*;

fn catalog(schema: &str) -> Catalog {
    let (catalog, findings) = ddl::read("schema.sql", schema);
    assert_eq!(findings, []);
    catalog
}

fn inferred(schema: &str) -> Inferred {
    infer(&catalog(schema), &[]).expect("there are persons")
}

/// The guesses about references, a line each.
fn references(schema: &str) -> String {
    let lines: Vec<_> = inferred(schema)
        .references
        .iter()
        .map(|guess| {
            let key = guess.key.join(", ");
            format!(
                "{} ({}) → {} ({key}): {}",
                guess.from.name,
                guess.columns().join(", "),
                guess.to.name,
                guess.confidence.name()
            )
        })
        .collect();
    lines.join("\n")
}

/// The policy, and whether it is one without a warning.
fn policy(draft: &Draft) -> GdprPolicy {
    let loaded = dbopt_policy::parse::<GdprPolicy>(draft.text.clone(), "gdpr.toml");
    let loaded = loaded.unwrap_or_else(|refused| panic!("{:#?}\n{}", refused.findings, draft.text));
    assert_eq!(loaded.findings, [], "{}", draft.text);
    loaded.policy
}

/// What the policy says of each reference and table, a line each.
fn classes(schema: &str) -> String {
    let draft = Draft::new(&inferred(schema), Confidence::Medium);
    let policy = policy(&draft);
    let tables = policy.tables.iter().map(|rule| format!("{}: {}", rule.table, rule.class.name()));
    let references =
        policy.references.iter().map(|rule| format!("{rule}: {}, {}", rule.class.name(), rule.erase.name()));
    tables.chain(references).collect::<Vec<_>>().join("\n")
}

const USERS: &str = "CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE, name text);";

#[test]
fn the_table_that_is_most_referred_to_has_the_persons() {
    let found = inferred(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, username text, display_name text);
         CREATE TABLE users (id bigint PRIMARY KEY, email text, account_id bigint REFERENCES accounts);
         CREATE TABLE statuses (id bigint PRIMARY KEY, account_id bigint REFERENCES accounts);
         CREATE TABLE follows (id bigint PRIMARY KEY, account_id bigint REFERENCES accounts, target_account_id bigint REFERENCES accounts);
         CREATE TABLE oauth_clients (id bigint PRIMARY KEY, name text, secret text, contact_email text);
         CREATE TABLE account_types (id bigint PRIMARY KEY, name text);",
    );
    let subjects: Vec<_> = found.subjects.iter().map(|subject| (&*subject.name, subject.table.name.as_str())).collect();
    // A user with an account is not unique by its name only: `users` is a table of other persons until somebody says otherwise.
    assert_eq!(subjects, [("account", "accounts"), ("user", "users")]);
}

#[test]
fn a_profile_is_no_person_of_its_own() {
    let schema = "CREATE TABLE person (id bigint PRIMARY KEY, name text, display_name text);
         CREATE TABLE local_user (id bigint PRIMARY KEY, person_id bigint UNIQUE REFERENCES person, email text);
         CREATE TABLE post (id bigint PRIMARY KEY, creator_id bigint REFERENCES person);
         CREATE TABLE firm (id bigint PRIMARY KEY, name text, email text);";
    let found = inferred(schema);
    assert_eq!(found.subjects.len(), 1);
    assert_eq!((&*found.subjects[0].name, found.subjects[0].confidence), ("person", Confidence::High));
}

#[test]
fn without_persons_there_is_an_error() {
    let none =
        catalog("CREATE TABLE product (id int PRIMARY KEY, name text); CREATE TABLE users (id int PRIMARY KEY);");
    assert_eq!(infer(&none, &[]).err(), Some(InferError::NoSubject));
    let product = TableName::new("public", "product");
    assert_eq!(infer(&none, &[product]).expect("it was said").subjects[0].name, "product");
    let other = TableName::new("public", "other");
    assert_eq!(infer(&none, std::slice::from_ref(&other)).err(), Some(InferError::UnknownSubject(other)));
    let keyless = catalog("CREATE TABLE t (email text);");
    let table = TableName::new("public", "t");
    assert_eq!(infer(&keyless, std::slice::from_ref(&table)).err(), Some(InferError::NoKey(table)));
}

#[test]
fn columns_name_tables_in_many_ways() {
    let schema = format!(
        "{USERS} CREATE TABLE categories (id int PRIMARY KEY);
         CREATE TABLE shop_orders (id bigint PRIMARY KEY, \"userId\" bigint, billing_user_id bigint, parent_id bigint);
         CREATE TABLE shop_order_items (id bigint PRIMARY KEY, order_id bigint, category_id int, userid bigint, id_category int);
         CREATE TABLE post (id bigint PRIMARY KEY, author_id bigint, created_by bigint, last_editor_id int, assigned_to bigint);"
    );
    insta::assert_snapshot!(references(&schema), @r#"
    post (assigned_to) → users (id): medium
    post (author_id) → users (id): medium
    post (created_by) → users (id): medium
    post (last_editor_id) → users (id): medium
    shop_order_items (category_id) → categories (id): high
    shop_order_items (id_category) → categories (id): high
    shop_order_items (order_id) → shop_orders (id): high
    shop_order_items (userid) → users (id): high
    shop_orders (billing_user_id) → users (id): medium
    shop_orders (parent_id) → shop_orders (id): medium
    shop_orders (userId) → users (id): high
    "#);
}

#[test]
fn what_does_not_fit_is_not_guessed() {
    let schema = format!(
        "{USERS} CREATE TABLE states (id int PRIMARY KEY); CREATE TABLE things (id uuid PRIMARY KEY);
         CREATE TABLE a (
            user_id uuid, thing_id int, author text, states_count int, users_total bigint, paid boolean, valid text, created_by text,
            android_id int, external_id text, session_id text, trace_id text, users_at timestamptz, id bigint PRIMARY KEY);"
    );
    insta::assert_snapshot!(references(&schema), @"");
}

#[test]
fn a_declared_key_is_not_guessed_again() {
    let schema = format!(
        "{USERS} CREATE TABLE a (id int PRIMARY KEY, user_id bigint REFERENCES users, owner_id bigint REFERENCES users);"
    );
    insta::assert_snapshot!(references(&schema), @"");
}

#[test]
fn keys_of_several_columns_and_of_texts_are_found() {
    let schema = "CREATE TABLE users (name text PRIMARY KEY, password_hash text, email text);
         CREATE TABLE orders (tenant_id int, id bigint, user_id text, PRIMARY KEY (tenant_id, id));
         CREATE TABLE lines (tenant_id int, order_id bigint, n int);
         CREATE TABLE rooms (room_id text PRIMARY KEY);
         CREATE TABLE members (tenant_id int, user_id text, room_id text, PRIMARY KEY (user_id, room_id));
         CREATE TABLE pushes (user_id text, room_id text);";
    insta::assert_snapshot!(references(schema), @r#"
    lines (tenant_id, order_id) → orders (tenant_id, id): medium
    members (room_id) → rooms (room_id): medium
    members (user_id) → users (name): medium
    orders (user_id) → users (name): medium
    pushes (room_id) → rooms (room_id): medium
    pushes (user_id) → users (name): medium
    "#);
}

#[test]
fn pairs_arrays_and_identifiers_are_found() {
    let schema = format!(
        "{USERS} CREATE TABLE posts (id bigint PRIMARY KEY);
         CREATE TABLE comment (id int PRIMARY KEY, commentable_type text, commentable_id bigint);
         CREATE TABLE vote (id int PRIMARY KEY, voter_type text, voter_id bigint);
         CREATE TABLE event (id int PRIMARY KEY, target_type text CHECK (target_type IN ('Post', 'User')), target_id bigint);
         CREATE TABLE room (id int PRIMARY KEY, member_ids bigint[], user_ids bigint[], tag_ids bigint[], names text[]);
         CREATE TABLE newsletter (address_email text, email_md5 varchar(32), phone text);
         CREATE TABLE visit (user_id bigint, user_type text, email text);"
    );
    insta::assert_snapshot!(references(&schema), @r#"
    comment (commentable_id) → users (id): low
    event (target_id) → posts (id): high
    event (target_id) → users (id): high
    newsletter (address_email) → users (email): medium
    room (user_ids) → users (id): high
    visit (user_id) → users (id): high
    vote (voter_id) → users (id): medium
    "#);
}

#[test]
fn tenants_with_a_schema_each_stay_apart() {
    let schema = "CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA c;
         CREATE TABLE a.users (id bigint PRIMARY KEY, email text); CREATE TABLE a.orders (id bigint PRIMARY KEY, user_id bigint);
         CREATE TABLE b.users (id bigint PRIMARY KEY, email text); CREATE TABLE b.orders (id bigint PRIMARY KEY, user_id bigint);
         CREATE TABLE c.reports (id bigint PRIMARY KEY, user_id bigint, order_item_id bigint);
         CREATE TABLE a.order_items (id bigint PRIMARY KEY, order_id bigint);";
    let found = inferred(schema);
    let lines: Vec<_> = found
        .references
        .iter()
        .map(|guess| format!("{} → {}: {}", guess.from, guess.to, guess.confidence.name()))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    a.order_items → a.orders: high
    a.orders → a.users: high
    b.orders → b.users: high
    c.reports → a.order_items: medium
    ");
    let subjects: Vec<_> = found.subjects.iter().map(|subject| format!("{} {}", subject.name, subject.table)).collect();
    assert_eq!(subjects, ["user a.users", "b_user b.users"]);
}

#[test]
fn a_partition_is_its_table() {
    let schema = format!(
        "{USERS} CREATE TABLE event (id int, at date, user_id bigint) PARTITION BY RANGE (at);
         CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"
    );
    insta::assert_snapshot!(references(&schema), @"event (user_id) → users (id): high");
}

#[test]
fn rows_of_others_are_not_taken_along() {
    let schema = "CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE NOT NULL, manager_id bigint);
         CREATE TABLE posts (id bigint PRIMARY KEY, user_id bigint NOT NULL, title text NOT NULL, approved_by bigint);
         CREATE TABLE comments (id bigint PRIMARY KEY, post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE, author_id bigint, parent_id bigint, body text);
         CREATE TABLE messages (id bigint PRIMARY KEY, sender_id bigint NOT NULL, recipient_id bigint, body text);
         CREATE TABLE friendships (id bigint PRIMARY KEY, user_id bigint, friend_id bigint);
         CREATE TABLE products (id bigint PRIMARY KEY, name text, created_by bigint);
         CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL, product_id bigint);
         CREATE TABLE order_items (id bigint PRIMARY KEY, order_id bigint NOT NULL, product_id bigint);
         CREATE TABLE countries (id bigint PRIMARY KEY, name text);
         CREATE TABLE log (id bigint PRIMARY KEY, client_ip inet);";
    insta::assert_snapshot!(classes(schema), @r#"
    public.comments: owned
    public.countries: lookup
    public.friendships: owned
    public.log: lookup
    public.messages: shared
    public.order_items: owned
    public.orders: owned
    public.posts: shared
    public.products: shared
    public.users: owned
    public.comments (author_id) → public.users: owned, table
    public.comments (parent_id) → public.comments: foreign, detach
    public.comments (post_id) → public.posts: foreign, refuse
    public.friendships (friend_id) → public.users: about, detach
    public.friendships (user_id) → public.users: owned, table
    public.messages (recipient_id) → public.users: about, detach
    public.messages (sender_id) → public.users: shared, refuse
    public.order_items (order_id) → public.orders: owned, table
    public.order_items (product_id) → public.products: foreign, detach
    public.orders (product_id) → public.products: foreign, detach
    public.orders (user_id) → public.users: owned, table
    public.posts (approved_by) → public.users: foreign, detach
    public.posts (user_id) → public.users: shared, keep
    public.products (created_by) → public.users: shared, detach
    public.users (manager_id) → public.users: foreign, detach
    "#);
}

/// What is left to say is of tables to which nothing leads, and nothing else.
#[test]
fn a_row_of_persons_of_several_kinds_is_nobodys_alone() {
    let schema = "CREATE TABLE customers (id bigint PRIMARY KEY, email text UNIQUE, name text);
         CREATE TABLE staff (id bigint PRIMARY KEY, email text UNIQUE, name text);
         CREATE TABLE messages (id bigint PRIMARY KEY, sender_id bigint REFERENCES customers,
             recipient_id bigint REFERENCES customers, staff_id bigint REFERENCES staff, body text);
         CREATE TABLE hooks (id bigint PRIMARY KEY, payload jsonb);";
    let persons = ["customers", "staff"].map(|name| TableName::new("public", name));
    let inferred = infer(&catalog(schema), &persons).expect("there are persons");
    let draft = Draft::new(&inferred, Confidence::Medium);
    let policy = policy(&draft);
    let of_messages: Vec<_> = policy.references.iter().map(|rule| (rule.class.name(), rule.erase.name())).collect();
    assert_eq!(of_messages, [("shared", "detach"); 3], "{}", draft.text);
    // What is in JSON is not known by its column's name.
    assert!(draft.text.contains("`payload` is plain, although it may have anything in it"), "{}", draft.text);
}

#[test]
fn lint_asks_only_for_what_could_not_be_guessed() {
    let schema = format!(
        "{USERS} CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, note text, \"odd \"\"name\n\" jsonb);
         CREATE TABLE log (id bigint PRIMARY KEY, client_ip inet, name text);"
    );
    let catalog = catalog(&schema);
    let draft = Draft::new(&infer(&catalog, &[]).expect("persons"), Confidence::Medium);
    let policy = policy(&draft);
    let findings = Graph::new(catalog, &policy).uncovered(&policy);
    assert_eq!(findings, draft.left);
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @"the policy does not say whether `public.log.client_ip` has data of persons, and it looks like a network address");
    insta::assert_snapshot!(draft.text, @r#"
    # A first policy, guessed from names and types. Every line with `confirm:` is a guess: read it, mend it, and take the word out.
    # `dbopt gdpr lint` says what is missing; docs/gdpr.md says what the words mean.
    policy = "gdpr"
    version = 1

    # Persons are named in plans and records by an HMAC under this key. All but `lint` needs it. One is made by:
    #     head -c 32 /dev/urandom | base64 > gdpr.key
    # [pseudonym]
    # id = "gdpr-1"
    # key = "file:gdpr.key"

    # confirm: high: `public.users` has a row for each person, because it is named after persons and has an e-mail address (`email`), and 1 references lead to it
    [[subject]]
    name = "user"
    table = "public.users"
    key = ["id"]
    # confirm: high: `email` tells persons apart, by its name
    [[subject.identifier]]
    name = "email"
    column = "email"
    match = ["case", "trim", "nfc", "display-name", "url-encoding"]

    # confirm: for what data is processed, and on what legal basis (Article 6). Name each purpose, and give it to the tables.
    [purpose.unconfirmed]
    about = "To be confirmed."
    basis = "legitimate-interests"

    # confirm: lookup: nothing leads to it from a person
    # confirm: `client_ip` looks like a network address, and nothing leads from a person to it: write a reference, or list it in `plain`
    [[table]]
    name = "public.log"
    class = "lookup"
    # confirm: `name` is plain, although it looks like a name
    plain = ["name"]

    # confirm: owned: `user_id` leads to `public.users`
    [[table]]
    name = "public.orders"
    class = "owned"
    purpose = "unconfirmed"
    erase = "delete" # confirm: what refers to it goes as well
    plain = ["id", "user_id"]
    [table.column]
    note = { erase = "null" } # confirm: low: looks like free text, by its name and type
    "odd \"name\u000A" = { erase = "null" } # confirm: low: looks like a name, by its name and type

    # confirm: owned: it has a row for each person
    [[table]]
    name = "public.users"
    class = "owned"
    purpose = "unconfirmed"
    erase = "delete" # confirm: what refers to it goes as well
    plain = ["id"]
    [table.column]
    email = { erase = "null" } # confirm: high: looks like an e-mail address, by its name and type
    name = { erase = "null" } # confirm: low: looks like a name, by its name and type

    # confirm: high: `user_id` names the table
    # confirm: owned, because it refers to the person
    [[reference]]
    from = "public.orders"
    columns = ["user_id"]
    to = "public.users"
    class = "owned"
    "#);
}

#[test]
fn what_is_not_sure_enough_is_a_comment() {
    let schema =
        format!("{USERS} CREATE TABLE comment (id int PRIMARY KEY, commentable_type text, commentable_id bigint);");
    let found = inferred(&schema);
    for (minimum, taken) in [(Confidence::Low, true), (Confidence::Medium, false)] {
        let draft = Draft::new(&found, minimum);
        assert_eq!(draft.taken, [taken]);
        assert_eq!(policy(&draft).references.len(), usize::from(taken));
        assert_eq!(draft.text.contains("# - public.comment (`commentable_id`) to public.users: low"), !taken);
    }
}

/// Names of tables and columns that people and programs make, and such as break quotes and comments.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "users", "user", "people", "orders", "order_items", "id", "user_id", "order_id", "email", "name", "parent_id", "created_by",
            "owner_type", "owner_id", "member_ids", "email_md5", "tenant_id", "payload", "ip", "userId", "uuid",
        ]).prop_map(str::to_owned),
        1 => "[a-c\"'\\\\\n#=\\[\\]. é\u{202e}\t]{1,8}",
    ]
}

fn column() -> impl Strategy<Value = (String, &'static str, bool)> {
    let kinds = vec![
        "integer",
        "bigint",
        "uuid",
        "text",
        "character varying",
        "jsonb",
        "bigint[]",
        "inet",
        "date",
        "boolean",
        "public.odd",
    ];
    (name(), prop::sample::select(kinds), any::<bool>())
}

fn any_catalog() -> impl Strategy<Value = Catalog> {
    use dbopt_catalog::{Column, Constraint, ConstraintKind, Relkind, Table, TypeName};
    let table = (
        prop::sample::select(vec!["public", "a", "we\"ird\n"]),
        name(),
        prop::collection::vec(column(), 0..7),
        any::<bool>(),
        prop::option::of((name(), 0..7_usize)),
    );
    prop::collection::vec(table, 1..9).prop_map(|tables| {
        let mut catalog = Catalog { search_path: vec!["public".to_owned()], ..Catalog::default() };
        for (schema, name, columns, has_key, foreign) in tables {
            let mut table = Table { schema: schema.to_owned(), name, kind: Relkind::Table, ..Table::default() };
            for (name, kind, not_null) in columns {
                if table.column(&name).is_none() {
                    table.columns.push(Column { name, kind: TypeName::of(kind), not_null, ..Column::default() });
                }
            }
            let first = table.columns.first().map(|column| column.name.clone());
            if let (Some(column), true) = (&first, has_key) {
                let columns = vec![column.clone()];
                table.constraints.push(Constraint { name: "k".to_owned(), kind: ConstraintKind::Primary, columns });
            }
            if let Some((to, at)) = foreign
                && let Some(column) = table.columns.get(at)
            {
                let kind = ConstraintKind::Foreign {
                    table: (schema.to_owned(), to),
                    columns: Vec::new(),
                    on_delete: "CASCADE".to_owned(),
                };
                table.constraints.push(Constraint { name: "f".to_owned(), kind, columns: vec![column.name.clone()] });
            }
            catalog.insert(table);
        }
        catalog
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the names are, the text is a policy, it names what is there, and a second time it is the same.
    #[test]
    fn any_catalogue_gives_a_policy(catalog in any_catalog(), minimum in prop::sample::select(vec![Confidence::Low, Confidence::Medium])) {
        if let Ok(found) = infer(&catalog, &[]) {
            let draft = Draft::new(&found, minimum);
            let policy = policy(&draft);
            prop_assert_eq!(policy.subjects.len(), found.subjects.len());
            let codes: Vec<_> = draft
                .left
                .iter()
                .filter(|finding| finding.severity == Severity::Error)
                .map(|finding| finding.code.0)
                .filter(|code| *code != "uncovered-column")
                .collect();
            prop_assert_eq!(codes, Vec::<&str>::new(), "{:#?}\n{}", draft.left, draft.text);
            prop_assert_eq!(&Draft::new(&infer(&catalog, &[]).expect("again"), minimum).text, &draft.text);
        }
    }
}
