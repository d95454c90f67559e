//! What is in columns.

use crate::{check, support::reference, table};

#[tokio::test]
async fn unique_and_generated_columns_are_masked() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY, email text COLLATE \"POSIX\", name varchar(70), nick char(70), born date, price numeric(6, 2),
            lower text GENERATED ALWAYS AS (lower(email)) STORED, token text UNIQUE, info json, at timestamp(0), UNIQUE (lower), UNIQUE (name, nick));
        INSERT INTO customer VALUES (1, 'Ann@x', 'Ann', 'a', '2000-01-01', 1, DEFAULT, 't1', '{\"a\":  1}', '2020-01-01'),
            (2, 'Bob@x', '[erased]', '[erased]', NULL, NULL, DEFAULT, 't2', NULL, NULL);";
    let masks = "erase = 'mask'\ncolumn.email.erase = 'redact'\ncolumn.name.erase = 'redact'\ncolumn.nick.erase = 'redact'\n\
        column.born.erase = 'null'\ncolumn.price = { erase = 'redact', value = '0.125' }\ncolumn.token.erase = 'hmac'\n\
        column.info = { erase = 'redact', value = '{ }' }\ncolumn.at = { erase = 'redact', value = '1970-01-01 00:00:00.7' }";
    let told = check(schema, &table("customer", "owned", "id lower", masks)).await;
    insta::assert_snapshot!(told, @r#"
    change 1 of customer
    - customer (1,Ann@x,Ann,"a                                                                     ",2000-01-01,1.00,ann@x,t1,"{""a"":  1}","2020-01-01 00:00:00")
    + customer (1,[erased],[erased]-1,"[erased]-1                                                            ",,0.13,[erased],d796dc428fe7a8de2a64f61aefe440f299dbbfc656db0be8c0d415ee9ca69807,"{ }","1970-01-01 00:00:01")
    "#);
}

#[tokio::test]
async fn values_inside_of_json_and_arrays_lead_to_rows() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE event (id int PRIMARY KEY, payload jsonb);
        CREATE TABLE team (id int PRIMARY KEY, member_ids int[], note text);
        INSERT INTO customer VALUES (1), (2), (11);
        INSERT INTO event VALUES (1, '{\"actor\": {\"id\": 1}}'), (2, '{\"actor\": {\"id\": \"1\"}}'), (3, '{\"actor\": {\"id\": 11}}'),
            (4, '{\"seen\": [{\"by\": 2}, {\"by\": 1}]}'), (5, '{\"seen\": [{\"by\": 2}]}'), (6, NULL);
        INSERT INTO team VALUES (1, '{1,2}', 'a'), (2, '{2,11}', 'b'), (3, '{1}', 'c'), (4, NULL, 'd');";
    let json = |path: &str, rest: &str| {
        format!(
            "[[reference]]\nfrom = 'public.event'\nto = 'public.customer'\njson = {{ column = 'payload', path = {path} }}\n{rest}\n"
        )
    };
    let body = [
        table("customer", "owned", "id", ""),
        table("event", "shared", "id", "column.payload.erase = 'null'"),
        table("team", "shared", "id note", "column.member_ids.erase = 'null'"),
        json("['actor', 'id']", "class = 'owned'"),
        json("['seen', '*', 'by']", "class = 'shared'\nerase = 'mask'"),
        "[[reference]]\nfrom = 'public.team'\nto = 'public.customer'\narray = 'member_ids'\nclass = 'shared'\nerase = 'mask'\n"
            .to_owned(),
    ]
    .concat();
    insta::assert_snapshot!(check(schema, &body).await, @r#"
    change 1 of event
    change 2 of team
    delete 1 of customer
    delete 2 of event
    - customer (1)
    - event (1,"{""actor"": {""id"": 1}}")
    - event (2,"{""actor"": {""id"": ""1""}}")
    - event (4,"{""seen"": [{""by"": 2}, {""by"": 1}]}")
    + event (4,)
    - team (1,"{1,2}",a)
    + team (1,,a)
    + team (3,,c)
    - team (3,{1},c)
    "#);
}

#[tokio::test]
async fn large_objects_go_when_nobody_else_refers_to_them() {
    // 101 is Ann's, twice; 102 is Bob's, too; 103 is on a stamp, too; 104 is let go of by a mask; 105 is nobody's; of 106 the policy
    // does not say that it is one; there is no 999.
    let schema = "CREATE DOMAIN lo AS oid; CREATE TABLE customer (id int PRIMARY KEY, photo oid, number oid);
        CREATE TABLE scan (id int PRIMARY KEY, customer_id int REFERENCES customer, picture lo);
        CREATE TABLE stamp (id int PRIMARY KEY, of oid);
        SELECT lo_from_bytea(n, 'x') FROM generate_series(101, 107) n;
        INSERT INTO customer VALUES (1, 104, 106), (2, NULL, NULL);
        INSERT INTO scan VALUES (1, 1, 101), (2, 1, 101), (3, 1, 102), (4, 2, 102), (5, 1, 103), (6, 1, 999), (7, 1, 107);
        INSERT INTO stamp VALUES (1, 103), (2, 5);";
    let body = [
        table("customer", "owned", "id number", "erase = 'mask'\ncolumn.photo.erase = 'null'"),
        table("scan", "owned", "id customer_id picture", ""),
        table("stamp", "lookup", "id of", ""),
        reference("scan", "customer_id", "customer", "class = 'owned'"),
    ]
    .concat();
    insta::assert_snapshot!(check(schema, &body).await, @"
    change 1 of customer
    delete 6 of scan
    unlink 1 of customer
    unlink 2 of scan
    of customer.photo: 1 unlinked, 0 kept
    of scan.picture: 2 unlinked, 2 kept
    note: 2 large objects of `public.scan.picture` stay, because other rows refer to them, too
    + customer (1,,106)
    - customer (1,104,106)
    - large object 101
    - large object 104
    - large object 107
    - scan (1,1,101)
    - scan (2,1,101)
    - scan (3,1,102)
    - scan (5,1,103)
    - scan (6,1,999)
    - scan (7,1,107)
    ");
    // What the extension's trigger does.
    let trigger = "CREATE FUNCTION lo_manage() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF OLD.picture IN (101, 107) AND EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = OLD.picture) THEN PERFORM lo_unlink(OLD.picture); END IF; RETURN OLD; END';
        CREATE TRIGGER lo_manage BEFORE DELETE ON scan FOR EACH ROW EXECUTE FUNCTION lo_manage()";
    let managed = check(&format!("{schema} {trigger}"), &body).await;
    assert!(managed.contains("- large object 101") && !managed.contains("not erased"), "{managed}");
}
