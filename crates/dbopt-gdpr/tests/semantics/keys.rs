//! By what rows are told, and what references lead to.

use dbopt_testkit::Cluster;

use crate::{
    check, checked,
    support::{case::migrated, reference},
    table,
};

#[tokio::test]
async fn references_of_several_columns_and_to_other_keys() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY, handle text UNIQUE, tenant int, number int, UNIQUE (number, tenant));
        CREATE TABLE by_handle (id int PRIMARY KEY, handle text REFERENCES customer (handle));
        CREATE TABLE by_pair (tenant int, number int, note text NOT NULL UNIQUE,
            FOREIGN KEY (tenant, number) REFERENCES customer (tenant, number));
        INSERT INTO customer VALUES (1, 'ann', 5, 6), (2, 'bob', 6, 5);
        INSERT INTO by_handle VALUES (1, 'ann'), (2, 'bob');
        INSERT INTO by_pair VALUES (5, 6, 'mine'), (6, 5, 'not'), (5, NULL, 'half'), (NULL, 6, 'other half');";
    let body = [
        table("customer", "owned", "id handle tenant number", ""),
        table("by_handle", "owned", "id handle", ""),
        table("by_pair", "owned", "tenant number note", ""),
        reference("by_handle", "handle", "customer", "class = 'owned'"),
        reference("by_pair", "number tenant", "customer", "class = 'owned'"),
    ]
    .concat();
    insta::assert_snapshot!(check(schema, &body).await, @"
    delete 1 of by_handle
    delete 1 of by_pair
    delete 1 of customer
    - by_handle (1,ann)
    - by_pair (5,6,mine)
    - customer (1,ann,5,6)
    ");
}

#[tokio::test]
async fn masked_values_that_others_refer_to_are_not_changed_along() {
    for (action, why) in
        [("CASCADE", "1 rows of `public.follow` were changed"), ("NO ACTION", "the server refused with 23503")]
    {
        let schema = format!(
            "CREATE TABLE customer (id int PRIMARY KEY, handle text UNIQUE);
             CREATE TABLE follow (id int PRIMARY KEY, handle text REFERENCES customer (handle) ON UPDATE {action});
             INSERT INTO customer VALUES (1, 'ann'), (2, 'bob'); INSERT INTO follow VALUES (1, 'ann'), (2, 'bob');"
        );
        let body = [
            table("customer", "owned", "id", "erase = 'mask'\ncolumn.handle.erase = 'redact'"),
            table("follow", "shared", "id handle", ""),
            reference("follow", "handle", "customer", "class = 'about'\nerase = 'keep'"),
        ]
        .concat();
        let told = check(&schema, &body).await;
        assert!(told.contains("warning: rows may refer to `public.customer.handle`"), "{told}");
        assert!(told.contains(why) && told.contains("not erased"), "{told}");
    }
}

#[tokio::test]
async fn rows_of_parts_go_and_masked_ones_may_move() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE event (id int, customer_id int REFERENCES customer, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY RANGE (id);
        CREATE TABLE event_2a PARTITION OF event_2 FOR VALUES FROM (0) TO (10);
        CREATE TABLE event_2b PARTITION OF event_2 DEFAULT;
        CREATE TABLE visit (customer_id int REFERENCES customer, city text, n int) PARTITION BY LIST (city);
        CREATE TABLE visit_rome PARTITION OF visit FOR VALUES IN ('rome');
        CREATE TABLE visit_other PARTITION OF visit DEFAULT;
        INSERT INTO customer VALUES (1), (2);
        INSERT INTO event VALUES (1, 1, '2024-05-05'), (1, 1, '2025-05-05'), (11, 1, '2025-05-05'), (12, 2, '2025-05-05');
        INSERT INTO visit VALUES (1, 'rome', 1), (1, 'oslo', 2), (2, 'rome', 3), (2, 'oslo', 4);";
    let body = [
        table("customer", "owned", "id", "erase = 'mask'"),
        table("event", "owned", "id customer_id at", ""),
        table("visit", "owned", "customer_id n", "erase = 'mask'\ncolumn.city.erase = 'redact'"),
        reference("event", "customer_id", "customer", "class = 'owned'"),
        reference("visit", "customer_id", "customer", "class = 'owned'"),
    ]
    .concat();
    insta::assert_snapshot!(check(schema, &body).await, @"
    change 2 of visit
    delete 3 of event
    - event_1 (1,1,2024-05-05)
    - event_2a (1,1,2025-05-05)
    - event_2b (11,1,2025-05-05)
    + visit_other (1,[erased],1)
    + visit_other (1,[erased],2)
    - visit_other (1,oslo,2)
    - visit_rome (1,rome,1)
    ");
    // Where no part takes what is written, the server says so, and nothing is changed.
    let nowhere = format!("{schema} DELETE FROM visit WHERE city = 'oslo'; DROP TABLE visit_other");
    insta::assert_snapshot!(check(&nowhere, &body).await, @"
    change 1 of visit
    delete 3 of event
    not erased: could not ask for the rows of `public.visit` to be changed: the server refused with 23514
    ");
}

#[tokio::test]
async fn rows_without_a_key_go_when_the_server_can_tell_them() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE log (customer_id int REFERENCES customer, ip inet, what text);
        CREATE TABLE seen (customer_id int REFERENCES customer, ip inet);
        INSERT INTO customer VALUES (1), (2); INSERT INTO log VALUES (1, '::1', 'a'), (1, '::1', 'a'), (2, '::1', 'a');
        INSERT INTO seen VALUES (1, '::1'), (1, '::1'), (2, '::1'); CREATE PUBLICATION p FOR TABLE log, seen;";
    let body = [
        table("customer", "owned", "id", "erase = 'mask'"),
        table("log", "owned", "customer_id what", "column.ip.erase = 'null'"),
        table("seen", "owned", "customer_id", "erase = 'mask'\ncolumn.ip.erase = 'null'"),
        reference("log", "customer_id", "customer", "class = 'owned'"),
        reference("seen", "customer_id", "customer", "class = 'owned'"),
    ]
    .concat();
    let database = migrated(Cluster::shared(), schema).await;
    insta::assert_snapshot!(checked(&database, &body).await, @"
    change 2 of seen
    delete 2 of log
    error: `public.log` is published by `p` without a replica identity, so the server refuses to change it
    note: `public.log` has no key, so its rows are told by their places and are locked meanwhile
    error: `public.seen` is published by `p` without a replica identity, so the server refuses to change it
    note: `public.seen` has no key, so its rows are told by their places and are locked meanwhile
    not erased: something speaks against erasing this person
    ");
    database.execute("ALTER TABLE log REPLICA IDENTITY FULL; ALTER TABLE seen REPLICA IDENTITY FULL");
    insta::assert_snapshot!(checked(&database, &body).await, @"
    change 2 of seen
    delete 2 of log
    note: `public.log` has no key, so its rows are told by their places and are locked meanwhile
    note: `public.seen` has no key, so its rows are told by their places and are locked meanwhile
    - log (1,::1,a)
    - log (1,::1,a)
    + seen (1,)
    + seen (1,)
    - seen (1,::1)
    - seen (1,::1)
    ");
}
